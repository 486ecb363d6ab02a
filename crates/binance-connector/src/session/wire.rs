//! Binance's part of the trading half ([`venue::desk`]): requests and frames as bytes, answers as rows, codes, limits and weights
//! (Binance spot API: REST, WebSocket API, limits).
//!
//! Only spot is traded here: futures are recorded, scanned and traded on paper. The private link and the order link are connections of
//! the WebSocket API, each of its own. A key that may log in does so on each; any other signs every request.
//!
//! A request is void once its window is over, and the venue tests that again just before the order book: an order that must not be
//! executed late carries a window that ends with its deadline. A client id may be used again once its order is done, so nothing here, nor
//! in the desk, ever sends an order twice.

use crate::connector::get;
use crate::errors;
use crate::market::{BookDepth, Market};
use crate::rules;
use crate::sign::Signer;
use crate::wire::account::TRADES_PAGE;
use crate::wire::api::{ApiFrame, ApiReply, ApiResult};
use crate::wire::params::Params;
use crate::wire::{Decoder, Reject};
use domain::command::OrderRef;
use domain::time::SECOND;
use domain::{
    BalanceEntry, ErrorClass, FeeRates, Fill, MonoNanos, NewOrder, PairId, Side, Symbol, Tables, TimeInForce, UnixNanos,
};
use serde_json::{Map, Value, json};
use venue::clock_sync::ClockPace;
use venue::desk::TradesRead;
use venue::desk::order_names::OrderName;
use venue::desk::rows::{OrderRow, Stamp};
use venue::desk::what::What;
use venue::desk::wire::{
    AccountAnswer, AllCancelled, Ban, Call, Failure, LinkBody, LinkNews, LinkReply, OrderAnswer, Page, PrivateAsk, PrivateNews,
    PrivateReply, Profile, SendAt, Wire,
};
use venue::rate_limit::{Limit, RateNews};
use venue::{HttpRequest, Method, RawRules};

/// How long after its time stamp a request may still be acted on, milliseconds: what the venue assumes by itself, and its most.
const RECV_WINDOW_MS: i64 = 5000;
const RECV_WINDOW_MAX_MS: i64 = 60_000;
/// Orders of an account in ten seconds that are not executed yet: the smaller of the limits that Binance published. Executions give back
/// what they took, so this is stricter than the venue.
const ORDERS: Limit = Limit { count: 50, window_ns: 10 * SECOND };
/// Window of weights.
const MINUTE_NS: u64 = 60 * SECOND;
/// A connection is closed after 24 hours.
const LIFE_NS: (u64, u64) = (22 * 3600 * SECOND, 3600 * SECOND);
/// Orders on a page of all orders: the most there is.
const ORDERS_PAGE: i64 = 1000;
/// The longest span of time that executions are listed of.
const WINDOW_MS: i64 = 86_400_000;
/// Paths of an account, all below the current version.
const ORDER: &str = "/api/v3/order";
const OPEN_ORDERS: &str = "/api/v3/openOrders";
const ACCOUNT: &str = "/api/v3/account";
const COMMISSION: &str = "/api/v3/account/commission";
const TRADES: &str = "/api/v3/myTrades";
const ALL_ORDERS: &str = "/api/v3/allOrders";
/// Permissions of the key; only on live hosts.
const KEY_RIGHTS: &str = "/sapi/v1/account/apiRestrictions";

/// A copy of a book: the one request beside the desk's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BookCopy {
    pub(super) pair: PairId,
    pub(super) generation: u64,
}

/// Names, codec and signatures of one account.
pub(super) struct BinanceWire {
    pub(super) decoder: Decoder,
    signer: Option<Signer>,
    /// The market that is asked for the time.
    clock: Market,
    /// How deep copies of books are, by market.
    copies: [BookDepth; 3],
}

/// What a market allows of public reads in a minute: half is left to others behind the same address, and to the account.
const fn public(market: Market) -> Limit {
    Limit { count: market.weight_max() / 2, window_ns: MINUTE_NS }
}

/// A page of executions: those of a window of time, or those from an id on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TradesPage {
    /// Of a day from this time on, milliseconds.
    Window(i64),
    /// From this id on, up to now.
    From(i64),
}

impl TradesPage {
    /// The cursor of a window begins with this.
    const WINDOW: &'static str = "t";

    fn of(read: &TradesRead) -> TradesPage {
        let window = |text: &str| text.strip_prefix(TradesPage::WINDOW)?.parse().ok().map(TradesPage::Window);
        let id = |text: &str| text.parse().ok().map(TradesPage::From);
        let page = window(&read.cursor).or_else(|| id(&read.cursor));
        page.unwrap_or_else(|| TradesPage::Window(read.from().millis().max(0)))
    }

    /// The window after this page, unless it reached `now_ms`.
    fn next_window(self, now_ms: i64) -> Option<String> {
        match self {
            TradesPage::Window(start) if start.saturating_add(WINDOW_MS) <= now_ms => {
                Some(format!("{}{}", TradesPage::WINDOW, start.saturating_add(WINDOW_MS)))
            }
            TradesPage::Window(_) | TradesPage::From(_) => None,
        }
    }
}

/// How long a request that leaves at `at` may still be acted on.
fn recv_window_ms(at: &SendAt) -> i64 {
    // Past its end the shortest window there is, never the usual one.
    at.expires_ms.map_or(RECV_WINDOW_MS, |expires| expires.saturating_sub(at.millis()).clamp(1, RECV_WINDOW_MAX_MS))
}

/// A request with key and signature.
pub(crate) fn signed(method: Method, path: &str, params: &Params, window_ms: i64, at_ms: i64, signer: &Signer) -> HttpRequest {
    let timed = params.clone().with_number("recvWindow", window_ms).with_number("timestamp", at_ms);
    let payload = signer.signed(&timed.query());
    let mut headers = vec![("Accept", "application/json".to_string()), ("X-MBX-APIKEY", signer.key().to_string())];
    let (query, body) = if method == Method::Post {
        headers.push(("Content-Type", "application/x-www-form-urlencoded".into()));
        (String::new(), payload.into_bytes())
    } else {
        (payload, Vec::new())
    };
    HttpRequest { method, path: path.to_string(), query, headers, body }
}

impl BinanceWire {
    pub(super) fn new(decoder: Decoder, signer: Option<Signer>) -> BinanceWire {
        let clock = decoder.names.all().first().map_or(Market::Spot, |named| named.market);
        let books = |market: Market| decoder.names.all().iter().filter(|named| named.market == market).count();
        let copies = Market::ALL.map(|market| market.copy_depth(books(market), public(market).count));
        BinanceWire { decoder, signer, clock, copies }
    }

    fn copy_depth(&self, pair: PairId) -> BookDepth {
        let [spot, usd_m, coin_m] = self.copies;
        match self.market(pair) {
            Market::Spot => spot,
            Market::UsdM => usd_m,
            Market::CoinM => coin_m,
        }
    }

    fn market(&self, pair: PairId) -> Market {
        self.decoder.names.of(pair).map_or(Market::Spot, |named| named.market)
    }

    fn on(&self, pair: PairId) -> Params {
        let name = self.decoder.names.of(pair).map_or("", |named| named.name.as_str());
        Params::new().with("symbol", name)
    }

    /// A limit order; the answer tells what became of it.
    fn place(&self, order: &NewOrder) -> Params {
        let info = self.decoder.names.tables.pair(order.pair).expect("Invariant: only orders on configured pairs are queued");
        self.on(order.pair)
            .with(
                "side",
                match order.side {
                    Side::Buy => "BUY",
                    Side::Sell => "SELL",
                },
            )
            .with("type", "LIMIT")
            .with(
                "timeInForce",
                match order.tif {
                    TimeInForce::Ioc => "IOC",
                    TimeInForce::Gtc => "GTC",
                },
            )
            .with("quantity", info.scale.qty_text(order.qty))
            .with("price", info.scale.price_text(order.price))
            .with("newClientOrderId", order.client_id.to_string())
            .with("newOrderRespType", "FULL")
    }

    /// An order by the venue's id where that is known, else by ours.
    fn named(&self, order: &OrderRef) -> Params {
        match order.venue_order_id.and_then(|id| id.to_string().parse().ok()) {
            Some(id) => self.on(order.pair).with_number("orderId", id),
            None => self.on(order.pair).with("origClientOrderId", order.client_id.to_string()),
        }
    }

    /// Method, path and parameters of what needs a key; `None` for what does not.
    fn private_parts(&self, what: &What<BookCopy>) -> Option<(Method, &'static str, Params)> {
        let all_balances = || Params::new().with("omitZeroBalances", "true");
        Some(match what {
            What::Place { order, .. } => (Method::Post, ORDER, self.place(order)),
            What::Cancel(order) => (Method::Delete, ORDER, self.named(order)),
            What::CancelAll(all) => (Method::Delete, OPEN_ORDERS, self.on(all.pair)),
            What::LookUp { order, .. } => (Method::Get, ORDER, self.named(order)),
            What::Balances => (Method::Get, ACCOUNT, all_balances()),
            What::OpenOrders(_) => (Method::Get, OPEN_ORDERS, Params::new()),
            What::Trades(read) => {
                let on = self.on(read.pair).with_number("limit", TRADES_PAGE as i64);
                let page = match TradesPage::of(read) {
                    TradesPage::From(id) => on.with_number("fromId", id),
                    TradesPage::Window(start) => {
                        on.with_number("startTime", start).with_number("endTime", start.saturating_add(WINDOW_MS - 1))
                    }
                };
                (Method::Get, TRADES, page)
            }
            What::OrderNames(read) => {
                let on = self.on(read.pair).with("orderId", read.from.to_string());
                (Method::Get, ALL_ORDERS, on.with_number("limit", ORDERS_PAGE))
            }
            What::Fees { pair, .. } => (Method::Get, COMMISSION, self.on(*pair)),
            What::Account { step: 0 } => (Method::Get, KEY_RIGHTS, Params::new()),
            What::Account { .. } => (Method::Get, ACCOUNT, all_balances()),
            // Nobody sets a switch that there is not, nor changes an order that stays as it is.
            What::Time(_) | What::Own(_) | What::Rules(_) | What::DeadMan { .. } | What::Amend(_) => return None,
        })
    }

    fn frame_of(&self, number: u64, method: &str, params: Map<String, Value>) -> String {
        json!({ "id": number, "method": method, "params": params }).to_string()
    }

    /// Parameters with their time, signed unless the connection is logged in.
    fn timed(&self, params: Params, at: &SendAt) -> Map<String, Value> {
        let timed = params.with_number("recvWindow", recv_window_ms(at)).with_number("timestamp", at.millis());
        match self.signer.as_ref().filter(|signer| !signer.may_log_on()) {
            Some(signer) => timed.signed_object(signer),
            None => timed.object(),
        }
    }

    /// Parameters of a request that needs a signature on any connection.
    fn signed_now(&self, at: &SendAt) -> Map<String, Value> {
        let timed = Params::new().with_number("timestamp", at.millis());
        match &self.signer {
            Some(signer) => timed.signed_object(signer),
            None => timed.object(),
        }
    }
}

fn answer(row: Option<OrderRow>) -> OrderAnswer {
    row.map_or(OrderAnswer::Elsewhere, OrderAnswer::Row)
}

/// A number of a header.
fn number(headers: &[(String, String)], name: &str) -> Option<u32> {
    headers.iter().find(|(known, _)| known == name).and_then(|(_, value)| value.parse().ok())
}

impl Wire for BinanceWire {
    type Own = BookCopy;
    /// Written already: public control messages are not signed.
    type Frame = String;

    const PROFILE: Profile = Profile {
        kind: "binance",
        // A round of three samples every minute; one that failed begins again after two to four seconds, but at its usual time when
        // Binance was asked too often.
        clock: ClockPace { samples: 3, refresh_ns: 60 * SECOND, retry_ns: 4 * SECOND, retry_limited: false },
        place: ORDERS,
        place_per_pair: false,
        // They spend no orders, and no weight when they are done.
        cancel: Limit { count: 100, window_ns: 10 * SECOND },
        // A third of the weight.
        read: Limit { count: 2000, window_ns: MINUTE_NS },
        public: public(Market::Spot),
        // Between two minutes and three days, of the WebSocket API as well.
        ban: Some(Ban { status: 418, of_link: true, lasts_ns: 120 * SECOND }),
        link_place: ORDERS,
        link_login: true,
        link_life_ns: Some(LIFE_NS),
        links_spend_reads: true,
        cancels_together: 1,
        look_up_places: 1,
        // There is none on spot.
        dead_man_min_s: None,
        // All on one.
        open_orders_pages_max: 1,
        // A day each, or a thousand of a busy one: about a year of silence.
        trades_pages_max: 400,
        trades_kept_ns: i64::MAX,
        // `myTrades` tells the venue's id only.
        executions_named: false,
    };
    const PUBLIC: &'static [Limit] = &[public(Market::Spot), public(Market::UsdM), public(Market::CoinM)];

    fn tables(&self) -> &Tables {
        &self.decoder.names.tables
    }

    /// Spot: nothing else is traded here.
    fn lists(&self, pair: PairId) -> bool {
        self.decoder.names.of(pair).is_some_and(|named| named.market == Market::Spot)
    }

    fn has_keys(&self) -> bool {
        self.signer.is_some()
    }

    fn request(&self, what: &What<BookCopy>, at: SendAt) -> HttpRequest {
        if let (Some((method, path, params)), Some(signer)) = (self.private_parts(what), &self.signer) {
            return signed(method, path, &params, recv_window_ms(&at), at.millis(), signer);
        }
        match what {
            What::Own(BookCopy { pair, .. }) => {
                let query = self.on(*pair).with_number("limit", i64::from(self.copy_depth(*pair).levels)).query();
                get(self.market(*pair).path("depth"), query)
            }
            What::Rules(pair) => {
                let symbol = self.tables().pair(*pair).map(|info| info.symbol.clone());
                rules::request(self.market(*pair), symbol.as_slice())
            }
            // Whatever needs a key is answered by the desk itself where there is none.
            _ => get(self.clock.path("time"), String::new()),
        }
    }

    fn frame(&self, frame: &String, _at: SendAt) -> String {
        frame.clone()
    }

    fn ping(&self, _at: SendAt) -> String {
        // Zero is the number of no request.
        json!({ "id": 0, "method": "ping" }).to_string()
    }

    fn login(&self, number: u64, at: SendAt) -> String {
        self.frame_of(number, "session.logon", self.signed_now(&at))
    }

    fn call(&self, number: u64, call: &Call<'_, BookCopy>, at: SendAt) -> String {
        let (method, params) = match call {
            Call::One(What::Place { order, .. }) => ("order.place", self.place(order)),
            Call::One(What::Cancel(order)) => ("order.cancel", self.named(order)),
            Call::One(What::CancelAll(all)) => ("openOrders.cancelAll", self.on(all.pair)),
            Call::One(What::LookUp { order, .. }) => ("order.status", self.named(order)),
            // One cancel a frame; nothing else is ever handed to this way.
            Call::Cancels(orders) => ("order.cancel", orders.first().map(|order| self.named(order)).unwrap_or_default()),
            Call::One(_) => ("ping", Params::new()),
        };
        self.frame_of(number, method, self.timed(params, &at))
    }

    fn failure(&mut self, status: u16, body: &mut [u8]) -> Option<Failure> {
        if (200..300).contains(&status) {
            return None;
        }
        let error = self.decoder.error(body);
        Some(errors::failure(status, error))
    }

    fn rate(&self, what: &What<BookCopy>, headers: &[(String, String)]) -> RateNews {
        if matches!(what, What::Place { .. }) {
            // Counted in windows that begin on the tens; the limit itself is not told.
            let remain = number(headers, "x-mbx-order-count-10s").map(|used| ORDERS.count.saturating_sub(used));
            return RateNews { remain, limit: remain.map(|_| ORDERS.count), ..RateNews::default() };
        }
        let allowed = Market::ALL.get(self.public_limit(what)).map_or(0, |market| market.weight_max());
        let remain = number(headers, "x-mbx-used-weight-1m").map(|used| allowed.saturating_sub(used));
        RateNews { remain, limit: remain.map(|_| allowed).filter(|allowed| *allowed > 0), ..RateNews::default() }
    }

    fn time(&mut self, body: &mut [u8]) -> Result<UnixNanos, Reject> {
        self.decoder.time(body)
    }

    fn order(&mut self, _what: &What<BookCopy>, body: &mut [u8], stamp: Stamp) -> Result<OrderAnswer, Reject> {
        self.decoder.order(body, stamp).map(answer)
    }

    fn cancelled(&mut self, body: &mut [u8], stamp: Stamp) -> Result<AllCancelled, Reject> {
        self.decoder.cancelled(body, stamp).map(AllCancelled::Ends)
    }

    fn dead_man(&mut self, _body: &mut [u8]) -> Result<bool, Reject> {
        Err(Reject::shape("an answer that nothing asked for"))
    }

    fn balances(&mut self, body: &mut [u8]) -> Result<Vec<BalanceEntry>, Reject> {
        self.decoder.balances(body)
    }

    fn open_orders(&mut self, body: &mut [u8], stamp: Stamp) -> Result<Page<OrderRow>, Reject> {
        self.decoder.open_orders(body, stamp)
    }

    fn trades(&mut self, read: &TradesRead, venue_ns: i64, body: &mut [u8], stamp: Stamp) -> Result<Page<Fill>, Reject> {
        let mut page = self.decoder.trades(body, stamp)?;
        // A full window goes on from the last id; one that is not full ends, and the next one follows until now is reached.
        if let (false, Some(next)) = (page.more, TradesPage::of(read).next_window(UnixNanos(venue_ns).millis())) {
            page.more = true;
            page.cursor = next;
        }
        Ok(page)
    }

    fn order_names(&mut self, body: &mut [u8]) -> Result<Vec<OrderName>, Reject> {
        self.decoder.order_names(body)
    }

    fn fees(&mut self, body: &mut [u8], pair: PairId) -> Result<FeeRates, Reject> {
        self.decoder.fees(body, pair)
    }

    fn account(&mut self, step: u8, body: &mut [u8]) -> Result<AccountAnswer, Reject> {
        self.decoder.account(step == 0, body)
    }

    /// Permissions of keys are told by live hosts only, and not to every key; what the account may do is told to each that may read.
    fn account_withheld(&self, step: u8, failure: &Failure) -> bool {
        let passes = matches!(failure.class, ErrorClass::ClockSkew | ErrorClass::RateLimited) && failure.label.is_some();
        step == 0 && (400..500).contains(&failure.status) && !matches!(failure.status, 418 | 429) && !passes
    }

    fn rules(&mut self, symbol: &Symbol, body: &mut [u8], _venue_ns: i64) -> Result<RawRules, Reject> {
        rules::decode_one(body, symbol)
    }

    fn link_frame(&mut self, bytes: &mut [u8], received: MonoNanos) -> Result<LinkNews, Reject> {
        Ok(match self.decoder.api_frame(bytes, received)? {
            ApiFrame::Event(PrivateNews::Leave) => LinkNews::Upgrade,
            ApiFrame::Event(_) => LinkNews::Ignored,
            ApiFrame::Reply(reply) => LinkNews::Reply(link_reply(reply)),
        })
    }

    fn login_refused(&mut self, _failure: &Failure) -> bool {
        false
    }

    fn link_logs_in(&self) -> bool {
        self.signer.as_ref().is_some_and(Signer::may_log_on)
    }

    fn private_asks(&self) -> &'static [PrivateAsk] {
        if self.link_logs_in() { &[PrivateAsk::Login, PrivateAsk::Subscribe] } else { &[PrivateAsk::Subscribe] }
    }

    fn private_ask(&self, ask: PrivateAsk, number: u64, at: SendAt) -> String {
        match ask {
            PrivateAsk::Login => self.login(number, at),
            PrivateAsk::Subscribe if self.link_logs_in() => self.frame_of(number, "userDataStream.subscribe", Map::new()),
            PrivateAsk::Subscribe => self.frame_of(number, "userDataStream.subscribe.signature", self.signed_now(&at)),
            PrivateAsk::Ping => json!({ "id": number, "method": "ping" }).to_string(),
        }
    }

    fn private_frame(&mut self, bytes: &mut [u8], received: MonoNanos) -> Result<PrivateNews, Reject> {
        Ok(match self.decoder.api_frame(bytes, received)? {
            ApiFrame::Event(news) => news,
            ApiFrame::Reply(ApiReply { number, status, error, rate, .. }) => {
                let failure = if (200..300).contains(&status) { None } else { Some(errors::failure(status, error)) };
                PrivateNews::Reply(PrivateReply { number, ask: None, failure, rate })
            }
        })
    }

    fn amends(&self) -> bool {
        false
    }

    fn public_limit(&self, what: &What<BookCopy>) -> usize {
        match what {
            What::Own(BookCopy { pair, .. }) | What::Rules(pair) => self.market(*pair).index(),
            What::Time(_) => self.clock.index(),
            _ => Market::Spot.index(),
        }
    }

    fn weight(&self, what: &What<BookCopy>) -> u32 {
        match what {
            What::Own(BookCopy { pair, .. }) => self.copy_depth(*pair).weight,
            What::Rules(_) | What::Balances | What::Fees { .. } | What::Trades(_) | What::OrderNames(_) => 20,
            What::Account { step } if *step > 0 => 20,
            What::OpenOrders(_) => 80,
            What::LookUp { .. } => 4,
            _ => 1,
        }
    }
}

fn link_reply(reply: ApiReply) -> LinkReply {
    let ApiReply { number, status, error, rate, result } = reply;
    let body = match result {
        _ if !(200..300).contains(&status) => LinkBody::Failed(errors::failure(status, error)),
        ApiResult::LoggedIn => LinkBody::LoggedIn,
        ApiResult::Order(row) => LinkBody::Order(row.map(answer)),
        ApiResult::Orders(rows) => LinkBody::CancelPair(rows.map(AllCancelled::Ends)),
        ApiResult::Other => LinkBody::Other,
    };
    LinkReply { number, kind: None, rate, limited: matches!(status, 418 | 429), leave: false, body }
}
