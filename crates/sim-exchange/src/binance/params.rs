//! Parameters of one request, and which of them were read (Binance spot API, general endpoints).
//!
//! Start at [`Params::from_http`] and [`Params::from_json`]. A handler reads what it takes and calls [`Params::finish`] before it
//! does anything: a parameter that nobody read is refused with −1104, one that is empty with −1105, one that is given twice with
//! −1101.

use std::cell::Cell;

use rust_decimal::Decimal;
use serde_json::{Map, Value};

use super::error::ApiError;

/// Parameters looked at; a request with more is refused.
const PARAMETERS_MAX: usize = 64;
/// Characters of a decimal (Binance spot API, illegal characters: `^([0-9]{1,20})(\.[0-9]{1,20})?$`).
const DIGITS_MAX: usize = 20;

/// Parameters of one request, decoded.
#[derive(Debug, Default)]
pub(super) struct Params {
    pairs: Vec<(String, String)>,
    /// Bit by position: was read.
    read: Cell<u64>,
}

impl Params {
    /// Query and form body; where a name stands in both, the query wins.
    ///
    /// # Errors
    /// −1101 for a name that stands twice in one of them, or too many names.
    pub(super) fn from_http(query: &str, body: &str) -> Result<Params, ApiError> {
        let mut params = Params::default();
        for (part, may_repeat) in [(query, false), (body, true)] {
            let known = params.pairs.len();
            for item in part.split('&').filter(|item| !item.is_empty()) {
                let (name, value) = item.split_once('=').unwrap_or((item, ""));
                let (name, value) = (decode(name), decode(value));
                match params.pairs.iter().position(|(of, _)| *of == name) {
                    Some(position) if may_repeat && position < known => {}
                    Some(_) => return Err(ApiError::new(-1101, "Duplicate values for a parameter detected.")),
                    None => params.add(name, value)?,
                }
            }
        }
        Ok(params)
    }

    /// `params` of a WebSocket request: text, numbers and flags by their words; lists as the JSON that REST has for them.
    ///
    /// # Errors
    /// −1101 for too many names.
    pub(super) fn from_json(fields: &Map<String, Value>) -> Result<Params, ApiError> {
        let mut params = Params::default();
        for (name, value) in fields {
            if let Some(word) = word(value) {
                params.add(name.clone(), word)?;
            }
        }
        Ok(params)
    }

    fn add(&mut self, name: String, value: String) -> Result<(), ApiError> {
        if self.pairs.len() >= PARAMETERS_MAX {
            return Err(ApiError::new(-1101, "Too many parameters sent for this endpoint."));
        }
        self.pairs.push((name, value));
        Ok(())
    }

    /// The value of `name`, which is then read.
    ///
    /// # Errors
    /// −1105 when it was sent empty.
    pub(super) fn get(&self, name: &str) -> Result<Option<&str>, ApiError> {
        let Some(position) = self.pairs.iter().position(|(of, _)| of == name) else { return Ok(None) };
        self.read.set(self.read.get() | 1 << position);
        match self.pairs[position].1.as_str() {
            "" => Err(ApiError::new(-1105, format!("Parameter '{name}' was empty."))),
            value => Ok(Some(value)),
        }
    }

    /// The value of `name`, which must be there.
    ///
    /// # Errors
    /// −1102 when it is absent or empty.
    pub(super) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.get(name).ok().flatten().ok_or_else(|| ApiError::missing(name))
    }

    /// A whole number.
    ///
    /// # Errors
    /// −1100 for anything but digits, −1108 for a number that is too great.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, ApiError> {
        let Some(text) = self.get(name)? else { return Ok(None) };
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(illegal(name, "^[0-9]{1,20}$"));
        }
        text.parse().map(Some).map_err(|_| ApiError::new(-1108, format!("Parameter '{name}' overflowed.")))
    }

    /// A limit: the default when absent, the most when above it.
    ///
    /// # Errors
    /// As [`Params::number`], and −1130 for zero.
    pub(super) fn limit(&self, default: usize, most: usize) -> Result<usize, ApiError> {
        match self.number("limit")? {
            None => Ok(default),
            Some(0) => Err(ApiError::invalid("limit")),
            Some(limit) => Ok(usize::try_from(limit).unwrap_or(most).min(most)),
        }
    }

    /// A decimal without a sign and without an exponent.
    ///
    /// # Errors
    /// −1100 for other characters, −1111 for more decimals than an asset has.
    pub(super) fn decimal(&self, name: &str, decimals: u32) -> Result<Option<Decimal>, ApiError> {
        let Some(text) = self.get(name)? else { return Ok(None) };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let is_digits = |part: &str| (1..=DIGITS_MAX).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        if !is_digits(whole) || !is_digits(fraction) {
            return Err(illegal(name, "^([0-9]{1,20})(\\.[0-9]{1,20})?$"));
        }
        let value = Decimal::from_str_exact(text).map_err(|_| ApiError::new(-1108, format!("Parameter '{name}' overflowed.")))?;
        if value.normalize().scale() > decimals {
            return Err(ApiError::new(-1111, format!("Parameter '{name}' has too much precision.")));
        }
        Ok(Some(value))
    }

    /// A flag, `true` or `false`.
    ///
    /// # Errors
    /// −1130 for other words.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.get(name)? {
            None => Ok(None),
            Some(word) if word.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(word) if word.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(_) => Err(ApiError::invalid(name)),
        }
    }

    /// A moment in milliseconds or microseconds, told apart by its size, as Unix nanoseconds.
    ///
    /// # Errors
    /// As [`Params::number`].
    pub(super) fn time_ns(&self, name: &str) -> Result<Option<u64>, ApiError> {
        Ok(self.number(name)?.map(to_ns))
    }

    /// A list written as JSON: `["a","b"]`.
    ///
    /// # Errors
    /// −1100 for anything else.
    pub(super) fn list(&self, name: &str) -> Result<Option<Vec<String>>, ApiError> {
        let Some(text) = self.get(name)? else { return Ok(None) };
        serde_json::from_str(text)
            .map(Some)
            .map_err(|_| illegal(name, "^\\[(\"[\\w\\-._&&[^a-z]]{1,50}\"(,\"[\\w\\-._&&[^a-z]]{1,50}\"){0,}){0,1}\\]$"))
    }

    /// Whether `name` was sent; it does not count as read.
    pub(super) fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|(of, _)| of == name)
    }

    /// Everything was read that will be.
    ///
    /// # Errors
    /// −1104 when something was sent that nobody read.
    pub(super) fn finish(&self) -> Result<(), ApiError> {
        let (read, sent) = (self.read.get().count_ones() as usize, self.pairs.len());
        if read == sent {
            return Ok(());
        }
        let msg = format!("Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'.");
        Err(ApiError::new(-1104, msg))
    }

    /// Sorted `name=value` of everything but the signature: what a WebSocket request signs.
    pub(super) fn signed_text(&self) -> String {
        let mut pairs: Vec<&(String, String)> = self.pairs.iter().filter(|(name, _)| name != "signature").collect();
        pairs.sort();
        let parts: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        parts.join("&")
    }
}

/// Milliseconds or microseconds as nanoseconds: what is above this many milliseconds (year 5138) can only be microseconds.
fn to_ns(moment: u64) -> u64 {
    let per_unit = if moment > 99_999_999_999_999 { 1_000 } else { 1_000_000 };
    moment.saturating_mul(per_unit)
}

fn illegal(name: &str, range: &str) -> ApiError {
    ApiError::new(-1100, format!("Illegal characters found in parameter '{name}'; legal range is '{range}'."))
}

fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Array(_) => Some(value.to_string()),
        Value::Null | Value::Object(_) => None,
    }
}

/// A form's text with its escapes undone: `+` is a space there.
fn decode(text: &str) -> String {
    crate::shared::text::percent_decode(&text.replace('+', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_empty_doubled_unread_or_malformed_has_its_own_code() {
        let params = Params::from_http("symbol=BTCUSDT&limit=5&empty=&price=1.5", "limit=7&side=BUY%20").expect("well formed");
        assert_eq!(params.get("limit"), Ok(Some("5")), "the query wins");
        assert_eq!((params.required("symbol"), params.required("side")), (Ok("BTCUSDT"), Ok("BUY ")));
        assert_eq!(params.get("empty").map_err(|error| error.code), Err(-1105));
        assert_eq!(params.required("empty").map_err(|error| error.code), Err(-1102));
        assert_eq!(params.required("type").map_err(|error| error.code), Err(-1102));
        let unread = params.finish().expect_err("price is unread");
        assert_eq!(unread.msg, "Not all sent parameters were read; read '4' parameter(s) but was sent '5'.");
        assert_eq!(params.decimal("price", 8), Ok(Some(Decimal::new(15, 1))));
        assert_eq!(params.finish(), Ok(()));
        assert_eq!(Params::from_http("a=1&a=2", "").map_err(|error| error.code).err(), Some(-1101));
    }

    #[test]
    fn numbers_are_plain_digits() {
        let check = |text: &str| {
            let params = Params::from_http(&format!("quantity={text}"), "").expect("well formed");
            params.decimal("quantity", 8).map_err(|error| error.code)
        };
        assert_eq!(check("0.10000000"), Ok(Some(Decimal::new(1, 1))));
        assert_eq!(check("0.123456789"), Err(-1111));
        for bad in ["1e5", "-1", "%2B1", ".5", "5.", "0x1", "1,5", "111111111111111111111"] {
            assert_eq!(check(bad), Err(-1100), "{bad}");
        }
        let params = Params::from_http("a=1700000000123&b=1700000000123456&c=99999999999999999999", "").expect("well formed");
        assert_eq!(params.time_ns("a"), Ok(Some(1_700_000_000_123_000_000)));
        assert_eq!(params.time_ns("b"), Ok(Some(1_700_000_000_123_456_000)));
        assert_eq!(params.time_ns("c").map_err(|error| error.code), Err(-1108));
    }

    #[test]
    fn a_websocket_request_signs_its_sorted_parameters() {
        let value: Value =
            serde_json::from_str(r#"{"timestamp": 5, "signature": "x", "apiKey": "k", "none": null, "ok": true}"#).expect("JSON");
        let params = Params::from_json(value.as_object().expect("an object")).expect("few");
        assert_eq!(params.signed_text(), "apiKey=k&ok=true&timestamp=5");
    }
}
