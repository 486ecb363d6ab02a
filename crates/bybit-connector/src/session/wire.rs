//! Bybit's part of the trading half ([`venue::desk`]), as far as it is built: the venue's clock and the rules of pairs, over
//! public requests. There is no key here, so the desk asks for nothing private; what would answer that refuses.

use crate::errors;
use crate::market::Market;
use crate::rules;
use crate::wire::bodies::ErrorBody;
use crate::wire::{Decoder, Reject};
use domain::time::SECOND;
use domain::{BalanceEntry, FeeRates, Fill, MonoNanos, PairId, Symbol, Tables, UnixNanos};
use std::convert::Infallible;
use venue::clock_sync::ClockPace;
use venue::desk::rows::{OrderRow, Stamp};
use venue::desk::what::What;
use venue::desk::wire::{AccountAnswer, AllCancelled, Ban, Call, Failure, LinkNews, OrderAnswer, Page, Profile, SendAt, Wire};
use venue::rate_limit::{Limit, RateNews};
use venue::{HttpRequest, RawRules};

/// Answers to what is never asked for without a key.
const NOT_ASKED: Reject = Reject::shape("an answer that nothing asked for");

/// Names and codec of one account.
pub(super) struct BybitWire {
    pub(super) decoder: Decoder,
    /// Copy of an answer that is searched for a code; the reader scribbles on what it reads.
    scratch: Vec<u8>,
}

impl BybitWire {
    pub(super) fn new(decoder: Decoder) -> BybitWire {
        BybitWire { decoder, scratch: Vec::new() }
    }
}

impl Wire for BybitWire {
    type Own = Infallible;
    /// Written already: public control messages are not signed.
    type Frame = String;

    const PROFILE: Profile = Profile {
        kind: "bybit",
        // A round of three samples every minute; one that failed begins again after two to four seconds.
        clock: ClockPace { samples: 3, refresh_ns: 60 * SECOND, retry_ns: 4 * SECOND, retry_limited: false },
        // Of an account on spot; contracts have half of it.
        place: Limit { count: 20, window_ns: SECOND },
        place_per_pair: false,
        cancel: Limit { count: 20, window_ns: SECOND },
        read: Limit { count: 50, window_ns: SECOND },
        // Of an address, 600 in five seconds, with a lock-out of ten minutes: half of it.
        public: Limit { count: 300, window_ns: 5 * SECOND },
        // "Access too frequent": nothing more for ten minutes. A region that is shut out is told by the same status.
        ban: Some(Ban { status: 403, lasts_ns: 600 * SECOND }),
        link_place: Limit { count: 20, window_ns: SECOND },
        link_login: true,
        link_life_ns: None,
        cancels_together: 1,
        look_up_places: 1,
        // The venue's own switch is for institutions only.
        dead_man_min_s: None,
        open_orders_pages_max: 20,
        trades_pages_max: 20,
        trades_span_ns: 7 * 86_400 * SECOND as i64,
    };

    fn tables(&self) -> &Tables {
        &self.decoder.names.tables
    }

    fn lists(&self, pair: PairId) -> bool {
        self.decoder.names.of(pair).is_some()
    }

    fn has_keys(&self) -> bool {
        false
    }

    fn request(&self, what: &What<Infallible>, _at: SendAt) -> HttpRequest {
        let named = |pair: &PairId| self.decoder.names.of(*pair).map(|named| (named.market, named.name.as_str()));
        match what {
            What::Rules(pair) => {
                let (market, name) = named(pair).unwrap_or((Market::Spot, ""));
                rules::request(market, Some(name))
            }
            // Whatever needs a key is answered by the desk itself.
            _ => crate::connector::get("/v5/market/time", String::new()),
        }
    }

    fn frame(&self, frame: &String, _at: SendAt) -> String {
        frame.clone()
    }

    fn ping(&self, _at: SendAt) -> String {
        crate::wire::encode::ping(0)
    }

    fn login(&self, _number: u64, _at: SendAt) -> String {
        String::new()
    }

    fn call(&self, _number: u64, _call: &Call<'_, Infallible>, _at: SendAt) -> String {
        String::new()
    }

    fn failure(&mut self, status: u16, body: &mut [u8]) -> Option<Failure> {
        self.scratch.clear();
        self.scratch.extend_from_slice(body);
        let told = self.decoder.error(&mut self.scratch);
        if told.is_none() && (200..300).contains(&status) {
            return None;
        }
        Some(failure(status, told.as_ref()))
    }

    fn rate(&self, _what: &What<Infallible>, headers: &[(String, String)]) -> RateNews {
        rate_news(headers)
    }

    fn time(&mut self, body: &mut [u8]) -> Result<UnixNanos, Reject> {
        self.decoder.time(body)
    }

    fn order(&mut self, _what: &What<Infallible>, _body: &mut [u8], _stamp: Stamp) -> Result<OrderAnswer, Reject> {
        Err(NOT_ASKED)
    }

    fn cancelled(&mut self, _body: &mut [u8], _stamp: Stamp) -> Result<AllCancelled, Reject> {
        Err(NOT_ASKED)
    }

    fn dead_man(&mut self, _body: &mut [u8]) -> Result<bool, Reject> {
        Err(NOT_ASKED)
    }

    fn balances(&mut self, _body: &mut [u8]) -> Result<Vec<BalanceEntry>, Reject> {
        Err(NOT_ASKED)
    }

    fn open_orders(&mut self, _body: &mut [u8], _stamp: Stamp) -> Result<Page<OrderRow>, Reject> {
        Err(NOT_ASKED)
    }

    fn trades(&mut self, _pair: PairId, _body: &mut [u8], _stamp: Stamp) -> Result<Page<Fill>, Reject> {
        Err(NOT_ASKED)
    }

    fn fees(&mut self, _body: &mut [u8], _pair: PairId) -> Result<FeeRates, Reject> {
        Err(NOT_ASKED)
    }

    fn account(&mut self, _step: u8, _body: &mut [u8]) -> Result<AccountAnswer, Reject> {
        Err(NOT_ASKED)
    }

    fn account_withheld(&self, _step: u8, _failure: &Failure) -> bool {
        false
    }

    fn rules(&mut self, symbol: &Symbol, body: &mut [u8], _venue_ns: i64) -> Result<RawRules, Reject> {
        rules::decode_one(body, symbol)
    }

    fn link_frame(&mut self, _bytes: &mut [u8], _received: MonoNanos) -> Result<LinkNews, Reject> {
        Err(NOT_ASKED)
    }

    fn login_refused(&mut self, _failure: &Failure) -> bool {
        false
    }
}

/// What an answer that is no success says.
fn failure(status: u16, told: Option<&ErrorBody>) -> Failure {
    let code = told.map(|told| told.code);
    Failure {
        status,
        class: errors::class(status, code),
        placement: errors::placement(status, code),
        not_found: errors::is_not_found(code),
        login_lost: matches!(code, Some(10_003..=10_005)),
        label: told.map(|told| format!("{} {}", told.code, told.message)),
    }
}

/// `X-Bapi-Limit`, `-Limit-Status` (what is left) and `-Limit-Reset-Timestamp` (milliseconds).
fn rate_news(headers: &[(String, String)]) -> RateNews {
    let number = |name: &str| headers.iter().find(|(known, _)| known == name).and_then(|(_, value)| value.parse::<i64>().ok());
    let small = |name| number(name).and_then(|value| u32::try_from(value).ok());
    let reset = number("x-bapi-limit-reset-timestamp").filter(|at| *at > 0).and_then(|at| at.checked_mul(1_000_000));
    RateNews {
        remain: small("x-bapi-limit-status"),
        limit: small("x-bapi-limit").filter(|limit| *limit > 0),
        reset_at: reset.map(UnixNanos),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::samples::names;
    use domain::ErrorClass;

    #[test]
    fn a_failure_is_told_by_its_code_whatever_its_status_and_a_success_is_left_as_it_is() {
        let mut wire = BybitWire::new(Decoder::new(names(), 50));
        let mut class = |status, body: &str| {
            let mut bytes = body.as_bytes().to_vec();
            let failure = wire.failure(status, &mut bytes);
            assert_eq!(bytes, body.as_bytes(), "as it was");
            failure.map(|failure| (failure.class, failure.label))
        };
        assert_eq!(class(200, r#"{"retCode":0,"retMsg":"OK","result":{}}"#), None);
        let limited = class(200, r#"{"retCode":10006,"retMsg":"Too many visits!"}"#);
        assert_eq!(limited, Some((ErrorClass::RateLimited, Some("10006 Too many visits!".into()))));
        assert_eq!(class(403, "<html>"), Some((ErrorClass::RateLimited, None)));
        assert_eq!(class(502, r#"{"retCode":10006,"retMsg":""}"#).map(|(class, _)| class), Some(ErrorClass::Unknown));
        assert_eq!(class(200, "<html>"), None, "its decoder refuses it");
    }

    #[test]
    fn limits_are_read_from_headers() {
        let headers = [("x-bapi-limit", "50"), ("x-bapi-limit-status", "49"), ("x-bapi-limit-reset-timestamp", "1672738134824")];
        let headers = headers.map(|(name, value)| (name.to_string(), value.to_string()));
        let expected = RateNews { remain: Some(49), limit: Some(50), reset_at: Some(UnixNanos(1_672_738_134_824_000_000)) };
        assert_eq!(rate_news(&headers), expected);
        assert_eq!(rate_news(&[("x-bapi-limit-status".into(), "-1".into())]), RateNews::default());
    }
}
