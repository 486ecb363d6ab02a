//! Requests in the making: names that can't be misread, queries that are signed decoded and sent encoded, bodies that are made once.

use super::endpoint::{Access, Endpoint};
use crate::connector::API_PREFIX;
use crate::sign::Signer;
use domain::{Symbol, UnixNanos};
use rust_decimal::Decimal;
use std::fmt::Write as _;
use venue::HttpRequest;

/// Why a request can't be built: the venue would refuse it, or read it otherwise than meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// A text that is no name of this kind.
    #[error("`{text}` is no {what} of this venue")]
    BadName {
        /// Which kind.
        what: &'static str,
        /// The text, cut.
        text: String,
    },
    /// A number outside what the venue takes.
    #[error("{what} is {value}; the venue takes {least} to {most}")]
    OutOfRange {
        /// Which number.
        what: &'static str,
        /// Its value.
        value: i64,
        /// Smallest taken.
        least: i64,
        /// Largest taken.
        most: i64,
    },
    /// A list that is empty or longer than the venue takes.
    #[error("{given} {what} in one request; the venue takes 1 to {most}")]
    Count {
        /// Of what.
        what: &'static str,
        /// How many.
        given: usize,
        /// Most taken.
        most: usize,
    },
    /// Parameters that exclude or need each other.
    #[error("{0}")]
    Contradiction(&'static str),
}

pub(super) fn bounded(what: &'static str, value: i64, least: i64, most: i64) -> Result<i64, RequestError> {
    if (least..=most).contains(&value) { Ok(value) } else { Err(RequestError::OutOfRange { what, value, least, most }) }
}

pub(super) fn counted<T>(what: &'static str, list: &[T], most: usize) -> Result<(), RequestError> {
    if (1..=most).contains(&list.len()) { Ok(()) } else { Err(RequestError::Count { what, given: list.len(), most }) }
}

/// An amount or price that is above zero.
pub(super) fn positive(what: &'static str, value: Decimal) -> Result<Decimal, RequestError> {
    if value.is_zero() || value.is_sign_negative() {
        Err(RequestError::BadName { what, text: value.to_string() })
    } else {
        Ok(value)
    }
}

/// Letters and digits of any alphabet: what a currency is named with. No separator, so that no name can become two parameters.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.chars().all(|c| c.is_alphanumeric() && !c.is_lowercase())
}

/// A pair as Gate names it: `BASE_QUOTE`, upper case. Never empty, so that no request means "every market" by accident.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PairName(String);

impl PairName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`RequestError::BadName`] unless both halves are upper-case words.
    pub fn new(text: &str) -> Result<PairName, RequestError> {
        let good = text.rsplit_once('_').is_some_and(|(base, quote)| base.split('_').all(is_word) && is_word(quote));
        if good { Ok(PairName(text.to_string())) } else { Err(bad_name("pair", text)) }
    }

    /// The name of a spot symbol.
    ///
    /// # Errors
    /// [`RequestError::BadName`] for a symbol of another kind.
    pub fn of(symbol: &Symbol) -> Result<PairName, RequestError> {
        if !symbol.is_spot() {
            return Err(bad_name("spot pair", &symbol.to_string()));
        }
        PairName::new(&format!("{}_{}", symbol.base, symbol.quote))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A currency as Gate names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CurrencyName(String);

impl CurrencyName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`RequestError::BadName`] unless it is one or more upper-case words joined by `_` (`BTC`, `BTC_BSC`).
    pub fn new(text: &str) -> Result<CurrencyName, RequestError> {
        if text.split('_').all(is_word) { Ok(CurrencyName(text.to_string())) } else { Err(bad_name("currency", text)) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

pub(super) fn bad_name(what: &'static str, text: &str) -> RequestError {
    RequestError::BadName { what, text: text.chars().take(64).collect() }
}

/// An ordered query, in two spellings: as signed (decoded) and as sent (percent-encoded, commas raw).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    signed: String,
    sent: String,
}

impl Query {
    pub(super) fn with(mut self, name: &str, value: impl std::fmt::Display) -> Query {
        let value = value.to_string();
        let joint = if self.sent.is_empty() { "" } else { "&" };
        self.signed.extend([joint, name, "=", &value]);
        self.sent.extend([joint, name, "="]);
        encode_into(&mut self.sent, &value);
        self
    }

    pub(super) fn with_some(self, name: &str, value: Option<impl std::fmt::Display>) -> Query {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }
}

/// Percent-encodes what is neither unreserved nor a comma.
fn encode_into(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b',') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// A JSON object in the making; every value is a string, an integer, a flag or text made by another of these.
#[derive(Clone, Debug)]
pub(super) struct JsonObject(String);

impl JsonObject {
    pub(super) fn new() -> JsonObject {
        JsonObject("{".into())
    }

    fn name(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.extend(["\"", name, "\":"]);
    }

    pub(super) fn text(mut self, name: &str, value: &str) -> JsonObject {
        self.name(name);
        self.0.push('"');
        for c in value.chars() {
            match c {
                '"' | '\\' => self.0.extend(['\\', c]),
                c if (c as u32) < 0x20 => {
                    let _ = write!(self.0, "\\u{:04x}", c as u32);
                }
                c => self.0.push(c),
            }
        }
        self.0.push('"');
        self
    }

    /// A decimal as the string that the venue wants.
    pub(super) fn decimal(self, name: &str, value: Decimal) -> JsonObject {
        self.text(name, &value.normalize().to_string())
    }

    /// An integer or a flag.
    pub(super) fn bare(mut self, name: &str, value: impl std::fmt::Display) -> JsonObject {
        self.name(name);
        let _ = write!(self.0, "{value}");
        self
    }

    pub(super) fn some_text(self, name: &str, value: Option<&str>) -> JsonObject {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    pub(super) fn some_decimal(self, name: &str, value: Option<Decimal>) -> JsonObject {
        match value {
            Some(value) => self.decimal(name, value),
            None => self,
        }
    }

    pub(super) fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// `[a,b,…]` of finished objects.
pub(super) fn json_array(items: impl IntoIterator<Item = String>) -> String {
    let items: Vec<String> = items.into_iter().collect();
    format!("[{}]", items.join(","))
}

/// A request that is complete but for its signature. It can't be sent; [`Unsigned::signed`] makes the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsigned {
    endpoint: Endpoint,
    path: String,
    query: Query,
    body: Vec<u8>,
    expires_at_ms: Option<i64>,
}

impl Unsigned {
    pub(super) fn new(endpoint: Endpoint, argument: &str, query: Query, body: String) -> Unsigned {
        debug_assert!(!matches!(endpoint.access(), Access::Public), "Invariant: public requests are not signed");
        Unsigned { endpoint, path: path_of(endpoint, argument), query, body: body.into_bytes(), expires_at_ms: None }
    }

    pub(super) fn get(endpoint: Endpoint, query: Query) -> Unsigned {
        Unsigned::new(endpoint, "", query, String::new())
    }

    /// Which endpoint it asks.
    pub fn endpoint(&self) -> Endpoint {
        self.endpoint
    }

    /// The gateway refuses it after this time (Unix milliseconds of the venue's clock, `x-gate-exptime`). It guards the entry only:
    /// a lost answer after acceptance is still an unknown outcome.
    ///
    /// # Errors
    /// [`RequestError::Contradiction`] for an endpoint that does not honour it.
    pub fn expiring_at_ms(mut self, at_ms: i64) -> Result<Unsigned, RequestError> {
        if !self.endpoint.can_expire() {
            return Err(RequestError::Contradiction("this endpoint takes no expiry"));
        }
        self.expires_at_ms = Some(at_ms);
        Ok(self)
    }

    /// The request, signed for `at`, the venue's time at which it leaves (the venue tolerates 60 s either way). The query is signed
    /// decoded and the path as sent; the body's bytes are the signed ones.
    pub fn signed(self, signer: &Signer, at: UnixNanos) -> HttpRequest {
        let Unsigned { endpoint, path, query, body, expires_at_ms } = self;
        let method = endpoint.method();
        let timestamp = at.seconds().to_string();
        let mut headers = plain_headers(&body);
        headers.extend(expires_at_ms.map(|at_ms| ("x-gate-exptime", at_ms.to_string())));
        headers.push(("SIGN", signer.rest(method.as_str(), &path, &query.signed, &body, &timestamp)));
        headers.push(("Timestamp", timestamp));
        headers.push(("KEY", signer.key().to_string()));
        HttpRequest { method, path, query: query.sent, headers, body }
    }
}

fn plain_headers(body: &[u8]) -> Vec<(&'static str, String)> {
    let mut headers = vec![("Accept", "application/json".to_string())];
    if !body.is_empty() {
        headers.push(("Content-Type", "application/json".into()));
    }
    headers
}

fn path_of(endpoint: Endpoint, argument: &str) -> String {
    let mut encoded = String::new();
    encode_into(&mut encoded, argument);
    format!("{API_PREFIX}{}", endpoint.path().replace("{}", &encoded))
}

/// A public request.
pub(super) fn public(endpoint: Endpoint, argument: &str, query: Query) -> HttpRequest {
    debug_assert!(matches!(endpoint.access(), Access::Public), "Invariant: private requests are signed");
    HttpRequest {
        method: endpoint.method(),
        path: path_of(endpoint, argument),
        query: query.sent,
        headers: plain_headers(&[]),
        body: Vec::new(),
    }
}

/// One page of a list: `page` from 1, `limit` rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Which page, from 1.
    pub page: u32,
    /// Rows a page.
    pub limit: u32,
}

impl Page {
    /// The first page of `limit` rows.
    pub const fn first(limit: u32) -> Page {
        Page { page: 1, limit }
    }

    /// Adds the page to a query. Gate caps deep paging at `limit × (page − 1) ≤ 100000`.
    pub(super) fn on(self, query: Query, most: u32) -> Result<Query, RequestError> {
        bounded("limit", i64::from(self.limit), 1, i64::from(most))?;
        let deepest = 100_000 / i64::from(self.limit.max(1)) + 1;
        bounded("page", i64::from(self.page), 1, deepest)?;
        Ok(query.with("page", self.page).with("limit", self.limit))
    }
}

/// A span of time in Unix seconds; either end may be open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First second.
    pub from_s: Option<i64>,
    /// Last second.
    pub to_s: Option<i64>,
}

impl Span {
    /// Adds the span to a query; with both ends it may last `most_s` seconds.
    pub(super) fn on(self, query: Query, most_s: i64) -> Result<Query, RequestError> {
        if let (Some(from), Some(to)) = (self.from_s, self.to_s) {
            bounded("time span", to.saturating_sub(from), 0, most_s)?;
        }
        Ok(query.with_some("from", self.from_s).with_some("to", self.to_s))
    }
}

/// Seconds in 30 days, the longest span of most histories.
pub(super) const THIRTY_DAYS_S: i64 = 30 * 86_400;
