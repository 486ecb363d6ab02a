//! Bybit's part of the trading half ([`venue::desk`]): requests and frames as bytes, answers as rows, limits and codes (Bybit v5:
//! trade, account, user, market; WebSocket private and trade).
//!
//! Bybit answers every order request with *received* and nothing else; what came of it is told on the private stream. Only spot is
//! traded: contracts are read. An account is a unified one. Its own dead-man switch is for institutions, so there is none here.

use crate::errors;
use crate::market::Market;
use crate::rules;
use crate::sign::Signer;
use crate::wire::bodies::ErrorBody;
use crate::wire::orders::{self, Ack, OrderFrame, OrderOp};
use crate::wire::private::PrivateFrame;
use crate::wire::{Decoder, Reject, encode};
use domain::command::OrderRef;
use domain::time::SECOND;
use domain::{AccountFacts, BalanceEntry, ErrorClass, FeeRates, Fill, FrameReject, MonoNanos, PairId, Symbol, Tables, UnixNanos};
use serde_json::Value as Json;
use std::convert::Infallible;
use venue::clock_sync::ClockPace;
use venue::desk::TradesRead;
use venue::desk::rows::{OrderRow, Stamp};
use venue::desk::what::What;
use venue::desk::windows::Window;
use venue::desk::wire::{
    AccountAnswer, AllCancelled, Ban, Call, CallKind, Failure, LinkBody, LinkNews, LinkReply, OrderAnswer, Page, PrivateAsk,
    PrivateNews, PrivateReply, PrivateTold, Profile, SendAt, Wire,
};
use venue::rate_limit::{Limit, RateNews};
use venue::{HttpRequest, Method, RawRules};

/// Orders per page, the venue's maximum.
const ORDERS_PAGE: usize = 50;
/// Executions per page, the venue's maximum.
const TRADES_PAGE: usize = 100;
/// With only a start given, executions of seven days from it are listed; with an end as well, of seven at most.
const TRADES_SPAN_MS: i64 = 7 * 86_400_000;
/// The node of order entry restarts: another connection lands on another one.
const NODE_RESTARTS: i64 = 10_019;
/// What the private stream is asked for. Those of all markets: Bybit does not take them together with those of one.
const PRIVATE_TOPICS: [&str; 3] = ["order", "execution", "wallet"];
/// Names, codec and signatures of one account.
pub(super) struct BybitWire {
    pub(super) decoder: Decoder,
    signer: Option<Signer>,
    /// Copy of an answer that is searched for a code; the reader scribbles on what it reads.
    scratch: Vec<u8>,
}

impl BybitWire {
    pub(super) fn new(decoder: Decoder, signer: Option<Signer>) -> BybitWire {
        BybitWire { decoder, signer, scratch: Vec::new() }
    }

    /// `category` and `symbol` of a pair, as queries begin.
    fn on(&self, pair: PairId) -> String {
        let named = self.decoder.names.of(pair);
        let (market, name) = named.map_or((Market::Spot, ""), |named| (named.market, named.name.as_str()));
        format!("category={}&symbol={name}", market.category())
    }

    fn get(&self, path: &str, query: String, at: SendAt) -> HttpRequest {
        self.signed(crate::connector::get(path, query), at)
    }

    fn post(&self, path: &str, body: Option<Json>, at: SendAt) -> HttpRequest {
        let body = body.expect("Invariant: only orders on configured pairs are queued").to_string().into_bytes();
        let headers = vec![("Accept", "application/json".into()), ("Content-Type", "application/json".into())];
        self.signed(HttpRequest { method: Method::Post, path: path.into(), query: String::new(), headers, body }, at)
    }

    fn signed(&self, request: HttpRequest, at: SendAt) -> HttpRequest {
        match &self.signer {
            Some(signer) => signed(request, signer, &at),
            None => request,
        }
    }

    fn signer(&self) -> &Signer {
        self.signer.as_ref().expect("Invariant: private and order links are opened with a key only")
    }

    fn names_one(&self, order: &OrderRef) -> String {
        let (key, id) = orders::name_of(order);
        format!("{}&{key}={id}", self.on(order.pair))
    }
}

/// `&cursor=…` of a page behind the first.
fn cursor_of(cursor: &str) -> String {
    if cursor.is_empty() { String::new() } else { format!("&cursor={cursor}") }
}

impl Wire for BybitWire {
    type Own = Infallible;
    /// Written already: public control messages are not signed.
    type Frame = String;

    const PROFILE: Profile = Profile {
        kind: "bybit",
        // A round of three samples every minute; one that failed begins again after two to four seconds.
        clock: ClockPace { samples: 3, refresh_ns: 60 * SECOND, retry_ns: 4 * SECOND, retry_limited: false },
        // Of an account on spot. Amendments have half of it: what is above is refused, and parks both.
        place: Limit { count: 20, window_ns: SECOND },
        place_per_pair: false,
        cancel: Limit { count: 20, window_ns: SECOND },
        read: Limit { count: 50, window_ns: SECOND },
        // Of an address, 600 in five seconds, with a lock-out of ten minutes: half of it.
        public: Limit { count: 300, window_ns: 5 * SECOND },
        // "Access too frequent": nothing more for ten minutes. A region that is shut out is told by the same status. It is HTTP's limit of
        // an address: the trade socket counts by itself.
        ban: Some(Ban { status: 403, of_link: false, lasts_ns: 600 * SECOND }),
        // REST and the order link share one count.
        link_place: Limit { count: 20, window_ns: SECOND },
        link_login: true,
        // No end of a connection's life is documented; one is replaced before it is a day old all the same.
        link_life_ns: Some((22 * 3600 * SECOND, 3600 * SECOND)),
        links_spend_reads: false,
        cancels_together: 1,
        // Live orders and the last ones that ended, then history.
        look_up_places: 2,
        // The venue's own switch is for institutions only.
        dead_man_min_s: None,
        open_orders_pages_max: 20,
        // A week each, or a hundred of a busy one. One after the other they stay far below the limit of reads.
        trades_pages_max: 400,
        // Two years; a day less, since what is at the edge goes while it is read.
        trades_kept_ns: 729 * 86_400 * SECOND as i64,
        executions_named: true,
    };

    fn tables(&self) -> &Tables {
        &self.decoder.names.tables
    }

    fn lists(&self, pair: PairId) -> bool {
        self.decoder.names.of(pair).is_some_and(|named| named.market == Market::Spot)
    }

    fn has_keys(&self) -> bool {
        self.signer.is_some()
    }

    fn request(&self, what: &What<Infallible>, at: SendAt) -> HttpRequest {
        let names = &self.decoder.names;
        match what {
            What::Time(_) => crate::connector::get("/v5/market/time", String::new()),
            What::Rules(pair) => {
                let named = names.of(*pair).map(|named| (named.market, named.name.as_str()));
                let (market, name) = named.unwrap_or((Market::Spot, ""));
                rules::request(market, Some(name))
            }
            What::Place { order, .. } => self.post("/v5/order/create", orders::create(order, names), at),
            What::Amend(amend) => self.post("/v5/order/amend", orders::amend(amend, names), at),
            What::Cancel(order) => self.post("/v5/order/cancel", orders::cancel(order, names), at),
            What::CancelAll(all) => self.post("/v5/order/cancel-all", orders::cancel_all(all.pair, names), at),
            What::LookUp { order, place } => {
                let path = if *place == 0 { "/v5/order/realtime" } else { "/v5/order/history" };
                self.get(path, self.names_one(order), at)
            }
            What::Balances => self.get("/v5/account/wallet-balance", "accountType=UNIFIED".into(), at),
            What::OpenOrders(read) => {
                let query = format!("category=spot&openOnly=0&limit={ORDERS_PAGE}{}", cursor_of(&read.cursor));
                self.get("/v5/order/realtime", query, at)
            }
            What::Trades(read) => {
                let (on, window) = (self.on(read.pair), Window::of(read));
                let end_ms = window.end_ms(TRADES_SPAN_MS, at.venue_ns);
                let end = end_ms.map_or(String::new(), |end_ms| format!("&endTime={end_ms}"));
                let (from, page) = (window.start_ms, cursor_of(&window.page));
                self.get("/v5/execution/list", format!("{on}&startTime={from}{end}&limit={TRADES_PAGE}{page}"), at)
            }
            // The desk asks where executions are not named only.
            What::OrderNames(read) => self.get("/v5/order/history", self.on(read.pair), at),
            What::Fees { pair, .. } => self.get("/v5/account/fee-rate", self.on(*pair), at),
            What::Account { .. } => self.get("/v5/user/query-api", String::new(), at),
            // The desk sends none to a venue without a switch.
            What::DeadMan { .. } => self.get("/v5/account/query-dcp-info", String::new(), at),
            What::Own(never) => match *never {},
        }
    }

    fn frame(&self, frame: &String, _at: SendAt) -> String {
        frame.clone()
    }

    fn ping(&self, _at: SendAt) -> String {
        encode::ping(0)
    }

    fn login(&self, number: u64, at: SendAt) -> String {
        orders::order_login(number, self.signer(), &at)
    }

    fn call(&self, number: u64, call: &Call<'_, Infallible>, at: SendAt) -> String {
        let names = &self.decoder.names;
        let (op, argument) = match call {
            Call::One(What::Place { order, .. }) => ("order.create", orders::create(order, names)),
            Call::One(What::Amend(amend)) => ("order.amend", orders::amend(amend, names)),
            Call::One(What::Cancel(order)) => ("order.cancel", orders::cancel(order, names)),
            Call::Cancels(cancels) => ("order.cancel", cancels.first().and_then(|order| orders::cancel(order, names))),
            // Nothing else is ever handed to this way.
            Call::One(_) => ("order.cancel", None),
        };
        orders::request(op, number, &argument.unwrap_or(Json::Null), &at)
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

    /// Bybit counts by endpoint. What is told of a read with a smaller limit than reads are counted by here says nothing of the others,
    /// until none of it is left.
    fn rate(&self, what: &What<Infallible>, headers: &[(String, String)]) -> RateNews {
        let told = rate_news(headers);
        let order = matches!(what, What::Place { .. } | What::Amend(_) | What::Cancel(_) | What::CancelAll(_));
        if order || told.limit.is_none_or(|limit| limit >= Self::PROFILE.read.count) {
            return told;
        }
        RateNews { limit: None, remain: told.remain.filter(|left| *left == 0), reset_at: told.reset_at, told_at: None }
    }

    /// Fees may be asked for five times a second, rights ten times. One fewer is asked for fees: when none is left all the same, somebody
    /// else spent them, such as a life of this engine that ended within the second.
    fn weight(&self, what: &What<Infallible>) -> u32 {
        match what {
            What::Fees { .. } => Self::PROFILE.read.count / 4,
            What::Account { .. } => Self::PROFILE.read.count / 10,
            _ => 1,
        }
    }

    fn time(&mut self, body: &mut [u8]) -> Result<UnixNanos, Reject> {
        self.decoder.time(body)
    }

    fn order(&mut self, what: &What<Infallible>, body: &mut [u8], stamp: Stamp) -> Result<OrderAnswer, Reject> {
        let ours = match what {
            What::Place { order, .. } => order.client_id,
            What::Amend(amend) => amend.order.client_id,
            What::Cancel(order) => order.client_id,
            _ => {
                let mut page = self.decoder.orders(body, stamp)?;
                return Ok(match (page.rows.is_empty(), page.elsewhere) {
                    // The newest is first.
                    (false, _) => OrderAnswer::Row(page.rows.swap_remove(0)),
                    (true, 0) => OrderAnswer::NotHere,
                    (true, _) => OrderAnswer::Elsewhere,
                });
            }
        };
        let id = self.decoder.received(body, ours)?;
        id.map(|id| OrderAnswer::Received(Some(id))).ok_or(Reject::new(FrameReject::UnknownShape, "orderLinkId"))
    }

    fn cancelled(&mut self, body: &mut [u8], _stamp: Stamp) -> Result<AllCancelled, Reject> {
        self.decoder.all_cancelled(body).map(|()| AllCancelled::Received)
    }

    fn dead_man(&mut self, _body: &mut [u8]) -> Result<bool, Reject> {
        Err(Reject::shape("a switch that is not there"))
    }

    fn balances(&mut self, body: &mut [u8]) -> Result<Vec<BalanceEntry>, Reject> {
        self.decoder.wallet(body)
    }

    fn open_orders(&mut self, body: &mut [u8], stamp: Stamp) -> Result<Page<OrderRow>, Reject> {
        self.decoder.orders(body, stamp)
    }

    fn trades(&mut self, read: &TradesRead, venue_ns: i64, body: &mut [u8], stamp: Stamp) -> Result<Page<Fill>, Reject> {
        let mut page = self.decoder.executions(body, stamp)?;
        let more = page.more.then(|| std::mem::take(&mut page.cursor));
        let next = Window::of(read).after(more, TRADES_SPAN_MS, venue_ns);
        Ok(Page { more: next.is_some(), cursor: next.unwrap_or_default(), ..page })
    }

    fn fees(&mut self, body: &mut [u8], pair: PairId) -> Result<FeeRates, Reject> {
        self.decoder.fee_rate(body, pair)
    }

    fn account(&mut self, _step: u8, body: &mut [u8]) -> Result<AccountAnswer, Reject> {
        let facts = self.decoder.key_facts(body)?;
        Ok(AccountAnswer::Facts(AccountFacts {
            venue: self.decoder.names.venue,
            can_trade: Some(facts.can_trade),
            can_withdraw: Some(facts.can_withdraw),
            ip_bound: Some(facts.address_bound),
        }))
    }

    /// Any key may ask for its own rights.
    fn account_withheld(&self, _step: u8, _failure: &Failure) -> bool {
        false
    }

    fn rules(&mut self, symbol: &Symbol, body: &mut [u8], _venue_ns: i64) -> Result<RawRules, Reject> {
        rules::decode_one(body, symbol)
    }

    fn link_frame(&mut self, bytes: &mut [u8], _received: MonoNanos) -> Result<LinkNews, Reject> {
        let quiet =
            |number, kind, body| LinkReply { number, kind, rate: RateNews::default(), limited: false, leave: false, body };
        Ok(match self.decoder.order_frame(bytes)? {
            OrderFrame::Pong => LinkNews::Ignored,
            OrderFrame::LoggedIn { number, error: None } => {
                LinkNews::Reply(quiet(number, Some(CallKind::Login), LinkBody::LoggedIn))
            }
            OrderFrame::LoggedIn { number, error: Some(error) } => {
                LinkNews::Reply(quiet(number, Some(CallKind::Login), LinkBody::Failed(failure(200, Some(&error)))))
            }
            OrderFrame::Ack(Ack { number, op, venue_order_id, error, rate }) => {
                let kind = match op {
                    OrderOp::Create => Some(CallKind::Place),
                    OrderOp::Amend => Some(CallKind::Amend),
                    OrderOp::Cancel => Some(CallKind::Cancel),
                    OrderOp::Other => None,
                };
                let failed = error.as_ref().map(|error| failure(200, Some(error)));
                LinkNews::Reply(LinkReply {
                    number,
                    kind,
                    rate,
                    limited: failed.as_ref().is_some_and(|failed| failed.class == ErrorClass::RateLimited),
                    leave: error.is_some_and(|error| error.code == NODE_RESTARTS),
                    body: match failed {
                        Some(failed) => LinkBody::Failed(failed),
                        None => LinkBody::Order(Ok(OrderAnswer::Received(venue_order_id))),
                    },
                })
            }
        })
    }

    fn login_refused(&mut self, _failure: &Failure) -> bool {
        false
    }

    fn private_asks(&self) -> &'static [PrivateAsk] {
        &[PrivateAsk::Login, PrivateAsk::Subscribe]
    }

    fn private_ask(&self, ask: PrivateAsk, number: u64, at: SendAt) -> String {
        match ask {
            PrivateAsk::Login => orders::private_login(number, self.signer(), &at),
            PrivateAsk::Subscribe => encode::subscription(true, &PRIVATE_TOPICS, number),
            PrivateAsk::Ping => encode::ping(number),
        }
    }

    fn private_frame(&mut self, bytes: &mut [u8], received: MonoNanos) -> Result<PrivateNews, Reject> {
        // Answers are told apart by what they answer: not every one carries the number.
        let reply = |ask, done: bool| {
            let failure = (!done).then(|| Failure { class: ErrorClass::AuthFatal, ..failure(200, None) });
            PrivateNews::Reply(PrivateReply { number: None, ask: Some(ask), failure, rate: RateNews::default() })
        };
        Ok(match self.decoder.private_frame(bytes, received)? {
            PrivateFrame::Orders(orders) => PrivateNews::Told(PrivateTold { orders, ..PrivateTold::default() }),
            PrivateFrame::Fills(fills) => PrivateNews::Told(PrivateTold { fills, ..PrivateTold::default() }),
            PrivateFrame::Balances(balances) => PrivateNews::Told(PrivateTold { balances, ..PrivateTold::default() }),
            PrivateFrame::LoggedIn(done) => reply(PrivateAsk::Login, done),
            PrivateFrame::Subscribed(done) => reply(PrivateAsk::Subscribe, done),
            PrivateFrame::Pong => reply(PrivateAsk::Ping, true),
            PrivateFrame::Ignored => PrivateNews::Ignored,
        })
    }

    /// The order link takes no cancels of a whole pair, and no look-ups.
    fn over_link(&self, what: &What<Infallible>) -> bool {
        matches!(what, What::Place { .. } | What::Amend(_) | What::Cancel(_))
    }
}

/// Adds key, time, window and signature; what is signed is the query of a GET, or the body of a POST.
pub(crate) fn signed(mut request: HttpRequest, signer: &Signer, at: &SendAt) -> HttpRequest {
    let (timestamp, window) = (at.millis(), orders::recv_window_ms(at));
    let payload = if request.method == Method::Get { request.query.as_bytes() } else { &request.body };
    let signature = signer.rest(timestamp, window, payload);
    request.headers.extend([
        ("X-BAPI-API-KEY", signer.key().to_string()),
        ("X-BAPI-TIMESTAMP", timestamp.to_string()),
        ("X-BAPI-RECV-WINDOW", window.to_string()),
        ("X-BAPI-SIGN", signature),
    ]);
    request
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
pub(crate) fn rate_news(headers: &[(String, String)]) -> RateNews {
    let number = |name: &str| headers.iter().find(|(known, _)| known == name).and_then(|(_, value)| value.parse::<i64>().ok());
    let small = |name| number(name).and_then(|value| u32::try_from(value).ok());
    let reset = number("x-bapi-limit-reset-timestamp").filter(|at| *at > 0).and_then(|at| at.checked_mul(1_000_000));
    RateNews {
        remain: small("x-bapi-limit-status"),
        limit: small("x-bapi-limit").filter(|limit| *limit > 0),
        reset_at: reset.map(UnixNanos),
        told_at: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::samples::names;
    use domain::ErrorClass;

    #[test]
    fn a_failure_is_told_by_its_code_whatever_its_status_and_a_success_is_left_as_it_is() {
        let mut wire = BybitWire::new(Decoder::new(names(), 50), None);
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
        let expected =
            RateNews { remain: Some(49), limit: Some(50), reset_at: Some(UnixNanos(1_672_738_134_824_000_000)), told_at: None };
        assert_eq!(rate_news(&headers), expected);
        assert_eq!(rate_news(&[("x-bapi-limit-status".into(), "-1".into())]), RateNews::default());
    }
}
