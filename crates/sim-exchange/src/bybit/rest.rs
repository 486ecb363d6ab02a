//! The REST half: which path is what, who calls and how often, and the envelope around every answer (Bybit API v5, integration).
//!
//! Start at [`RestDesk::answer`]. The order of the checks: the address's limit, the path, a body where none may be, the key, its
//! window and signature, its rights, the user's limit, parameters.

use serde_json::{Map, Value, json};

use super::{
    account::{self, BalanceView},
    auth::{good_until_ms, verify_rest},
    config::{BybitConfig, BybitKey},
    dcp::Protection,
    error::ApiError,
    lookups,
    market::{self, MarketContext, MarketEndpoint},
    memory::Memory,
    orders::{self, BatchKind, Caller, OrderDesk},
    params::Params,
    rate::{RateLimits, RateState},
    rows::RowContext,
    statistics::Statistics,
    symbols::Symbols,
    transactions,
};
use crate::{
    core::{AccountId, Exchange, OrderSource},
    faults::{Faults, take_one},
    monitor::Monitor,
    shared::balances::BalanceHistory,
    timing::Jitter,
    world::{HttpRequest, HttpResponse},
};

/// A reply and when it leaves. `None` means that it never does.
#[derive(Clone, Debug)]
pub(super) struct Departure {
    pub(super) at_ns: u64,
    pub(super) response: Option<HttpResponse>,
}

/// Everything the REST half remembers, most of which order entry over WebSocket shares.
#[derive(Debug)]
pub(super) struct RestDesk {
    pub(super) limits: RateLimits,
    pub(super) statistics: Statistics,
    pub(super) balances: BalanceHistory,
    pub(super) memory: Memory,
    pub(super) protection: Protection,
    /// Orders accepted over REST, for the faults that name one.
    accepted: u64,
    /// The last answer about one order, for the fault that gives it again.
    answered: Option<Vec<u8>>,
    private_requests: u64,
}

/// A request's surroundings.
pub(super) struct RestContext<'a> {
    pub(super) t_ns: u64,
    pub(super) config: &'a mut BybitConfig,
    pub(super) symbols: &'a Symbols,
    pub(super) jitter: &'a mut Jitter,
    pub(super) exchange: &'a mut Exchange,
    pub(super) monitor: &'a mut Monitor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint {
    Market(MarketEndpoint),
    Create,
    Amend,
    Cancel,
    CancelAll,
    Batch(BatchKind),
    Realtime,
    History,
    Executions,
    SetDcp,
    DcpInfo,
    Wallet,
    Transactions,
    BorrowQuota,
    AccountInfo,
    FeeRate,
    QueryApi,
    CoinInfo,
    TransferBalances,
    /// A list that is empty for an account which only trades spot: the name of the list.
    Empty(&'static str),
}

impl Endpoint {
    const fn is_order_write(self) -> bool {
        matches!(self, Endpoint::Create | Endpoint::Amend | Endpoint::Cancel | Endpoint::CancelAll | Endpoint::Batch(_))
    }

    /// Whether it answers about one order.
    const fn is_one_order(self) -> bool {
        matches!(self, Endpoint::Create | Endpoint::Amend | Endpoint::Cancel | Endpoint::Realtime)
    }

    /// `retMsg` of a success.
    const fn message(self) -> &'static str {
        match self {
            Endpoint::QueryApi => "",
            Endpoint::CoinInfo | Endpoint::TransferBalances | Endpoint::SetDcp | Endpoint::DcpInfo => "success",
            _ => "OK",
        }
    }
}

/// Method, path, endpoint.
static ROUTES: &[(&str, &str, Endpoint)] = &[
    ("GET", "/v5/market/time", Endpoint::Market(MarketEndpoint::Time)),
    ("GET", "/v5/market/instruments-info", Endpoint::Market(MarketEndpoint::Instruments)),
    ("GET", "/v5/market/orderbook", Endpoint::Market(MarketEndpoint::OrderBook)),
    ("GET", "/v5/market/tickers", Endpoint::Market(MarketEndpoint::Tickers)),
    ("GET", "/v5/market/recent-trade", Endpoint::Market(MarketEndpoint::RecentTrades)),
    ("GET", "/v5/market/kline", Endpoint::Market(MarketEndpoint::Candles)),
    ("GET", "/v5/system/status", Endpoint::Market(MarketEndpoint::SystemStatus)),
    ("POST", "/v5/order/create", Endpoint::Create),
    ("POST", "/v5/order/amend", Endpoint::Amend),
    ("POST", "/v5/order/cancel", Endpoint::Cancel),
    ("POST", "/v5/order/cancel-all", Endpoint::CancelAll),
    ("POST", "/v5/order/create-batch", Endpoint::Batch(BatchKind::Place)),
    ("POST", "/v5/order/amend-batch", Endpoint::Batch(BatchKind::Amend)),
    ("POST", "/v5/order/cancel-batch", Endpoint::Batch(BatchKind::Cancel)),
    ("POST", "/v5/order/disconnected-cancel-all", Endpoint::SetDcp),
    ("GET", "/v5/order/realtime", Endpoint::Realtime),
    ("GET", "/v5/order/history", Endpoint::History),
    ("GET", "/v5/order/spot-borrow-check", Endpoint::BorrowQuota),
    ("GET", "/v5/execution/list", Endpoint::Executions),
    ("GET", "/v5/account/wallet-balance", Endpoint::Wallet),
    ("GET", "/v5/account/transaction-log", Endpoint::Transactions),
    ("GET", "/v5/account/info", Endpoint::AccountInfo),
    ("GET", "/v5/account/fee-rate", Endpoint::FeeRate),
    ("GET", "/v5/account/query-dcp-info", Endpoint::DcpInfo),
    ("GET", "/v5/user/query-api", Endpoint::QueryApi),
    ("GET", "/v5/asset/coin/query-info", Endpoint::CoinInfo),
    ("GET", "/v5/asset/transfer/query-account-coins-balance", Endpoint::TransferBalances),
    ("GET", "/v5/asset/transfer/query-account-coin-balance", Endpoint::TransferBalances),
    ("GET", "/v5/asset/deposit/query-record", Endpoint::Empty("rows")),
    ("GET", "/v5/asset/withdraw/query-record", Endpoint::Empty("rows")),
    ("GET", "/v5/position/list", Endpoint::Empty("list")),
];

/// What a handled request came to: `result` and `retExtInfo`.
type Done = Result<(Value, Value), ApiError>;

impl RestDesk {
    pub(super) fn new(pairs: usize) -> RestDesk {
        RestDesk {
            limits: RateLimits::new(),
            statistics: Statistics::new(pairs),
            balances: BalanceHistory::default(),
            memory: Memory::default(),
            protection: Protection::default(),
            accepted: 0,
            answered: None,
            private_requests: 0,
        }
    }

    /// Handles one request. What it does to the exchange happens now; what it says leaves later.
    pub(super) fn answer(&mut self, request: &HttpRequest, context: &mut RestContext<'_>) -> Departure {
        self.limits.divide_by(context.config.faults.limits_divided_by);
        let route = ROUTES.iter().find(|(method, path, _)| *method == request.method && *path == request.path);
        let endpoint = route.map(|(_, _, endpoint)| *endpoint);
        let is_write = endpoint.is_some_and(Endpoint::is_order_write);
        let delays = context.config.delays;
        let delay_ns = context.jitter.draw(if is_write { delays.rest_order } else { delays.rest_read });
        let at_ns = context.t_ns.saturating_add(delay_ns);
        if !self.limits.admits_address(&context.config.limits, context.t_ns) {
            return Departure { at_ns, response: Some(shut_out()) };
        }
        if request.method == "GET" && !request.body.is_empty() {
            return Departure { at_ns, response: Some(shut_out()) };
        }
        let (rate, accepted, done) = match endpoint {
            None => (None, 0, Err(ApiError::no_route())),
            Some(Endpoint::Market(endpoint)) => (None, 0, self.market(endpoint, request, context)),
            Some(endpoint) => self.private(endpoint, request, context),
        };
        let message = endpoint.map_or("OK", Endpoint::message);
        let mut told = done.is_ok();
        let mut response =
            respond(done, message, rate.filter(|_| !context.config.faults.bare_refusals), at_ns, &context.config.faults);
        let mut lost = false;
        for _ in 0..accepted {
            self.accepted += 1;
            let faults = &mut context.config.faults;
            if faults.drop_reply_after_order.contains(&self.accepted) || take_one(&mut faults.lose_next_replies) {
                lost = true;
            } else if faults.fail_reply_after_order.contains(&self.accepted) {
                response = respond(Err(ApiError::internal()), message, None, at_ns, faults);
                told = false;
            }
        }
        // As elsewhere, answers that tell of an order: a refusal names none, and nobody could see that it is another order's.
        if told && endpoint.is_some_and(Endpoint::is_one_order) {
            let before = self.answered.replace(response.body.clone());
            if let Some(before) = before.filter(|_| take_one(&mut context.config.faults.stale_next_answers)) {
                response.body = before;
            }
        }
        Departure { at_ns, response: (!lost).then_some(response) }
    }

    fn market(&mut self, endpoint: MarketEndpoint, request: &HttpRequest, context: &mut RestContext<'_>) -> Done {
        let params = Params::of_query(&request.query);
        let mut market = MarketContext {
            t_ns: context.t_ns,
            exchange: context.exchange,
            symbols: context.symbols,
            statistics: &self.statistics,
            config: context.config,
        };
        market::answer(endpoint, &params, &mut market).map(|result| (result, json!({})))
    }

    /// Everything that needs a key: the state of the limit that was charged, orders accepted, and the result.
    fn private(
        &mut self,
        endpoint: Endpoint,
        request: &HttpRequest,
        context: &mut RestContext<'_>,
    ) -> (Option<RateState>, u64, Done) {
        let key = match verify_rest(request, &context.config.keys, context.config.clock_ms(context.t_ns)) {
            Ok(key) => key.clone(),
            Err(error) => return (None, 0, Err(error)),
        };
        let Some(account) = context.exchange.account_by_user(key.user_id) else {
            return (None, 0, Err(ApiError::invalid_key()));
        };
        self.private_requests += 1;
        let faults = &mut context.config.faults;
        if faults.too_many_requests.contains(&self.private_requests) || take_one(&mut faults.refuse_next_requests) {
            let reset_ns = context.t_ns.saturating_add(1_000_000_000);
            let rate = RateState { limit: context.config.limits.query, left: 0, reset_ns, allowed: false };
            return (Some(rate), 0, Err(ApiError::too_many_visits()));
        }
        let good_until_ms = request
            .header("x-bapi-timestamp")
            .and_then(|timestamp| good_until_ms(timestamp, request.header("x-bapi-recv-window")));
        let (t_ns, visibility) = (context.t_ns, context.config.visibility);
        let caller = Caller { account, user_id: key.user_id, t_ns, visibility, good_until_ms };
        if endpoint.is_order_write() {
            if !key.may_trade() {
                return (None, 0, Err(ApiError::forbidden()));
            }
            return self.write(endpoint, request, caller, context);
        }
        let (name, limit) = limit_of(endpoint, context.config);
        let rate = self.limits.take(key.user_id, name, limit, 1, context.t_ns);
        if !rate.allowed {
            return (Some(rate), 0, Err(ApiError::too_many_visits()));
        }
        let result = self.read(endpoint, request, &key, &caller, account, context);
        (Some(rate), 0, result.map(|result| (result, json!({}))))
    }

    /// Everything private but placing, amending and cancelling.
    fn read(
        &mut self,
        endpoint: Endpoint,
        request: &HttpRequest,
        key: &BybitKey,
        caller: &Caller,
        account: AccountId,
        context: &mut RestContext<'_>,
    ) -> Result<Value, ApiError> {
        let params = Params::of_query(&request.query);
        if endpoint == Endpoint::SetDcp {
            return account::set_dcp(&body(request)?, context.config, &mut self.protection);
        }
        let config = &*context.config;
        let rows =
            RowContext { symbols: context.symbols, memory: &self.memory, exchange: context.exchange, clock: config.faults.clock };
        let lag_ns = config.visibility.balances_stale_ns;
        let view = BalanceView { account, t_ns: context.t_ns, lag_ns, history: &self.balances };
        match endpoint {
            Endpoint::Realtime => lookups::realtime(&params, caller, &rows),
            Endpoint::History => lookups::history(&params, caller, &rows),
            Endpoint::Executions => lookups::executions(&params, caller, &rows),
            Endpoint::Wallet => account::wallet_balance(&params, &view, &rows),
            Endpoint::Transactions => transactions::transactions(&params, caller, &rows),
            Endpoint::BorrowQuota => account::borrow_quota(&params, &view, &rows),
            Endpoint::TransferBalances => account::transfer_balances(&params, &view, &rows),
            Endpoint::AccountInfo => Ok(account::info(&self.protection)),
            Endpoint::DcpInfo => Ok(account::dcp_info(&self.protection)),
            Endpoint::FeeRate => account::fee_rate(&params, account, &config.faults, &rows),
            Endpoint::QueryApi => Ok(account::query_api(key)),
            Endpoint::CoinInfo => account::coin_info(&params, &config.faults, &rows),
            Endpoint::Empty(name) => {
                let category = params.get("category").unwrap_or_default();
                Ok(json!({name: [], "nextPageCursor": "", "category": category}))
            }
            _ => Err(ApiError::no_route()),
        }
    }

    fn write(
        &mut self,
        endpoint: Endpoint,
        request: &HttpRequest,
        caller: Caller,
        context: &mut RestContext<'_>,
    ) -> (Option<RateState>, u64, Done) {
        let fields = match body(request) {
            Ok(fields) => fields,
            Err(error) => return (None, 0, Err(error)),
        };
        let mut desk = self.desk(caller, OrderSource::Rest, context.config, context.symbols, context.exchange, context.monitor);
        let done = write(endpoint, &fields, &mut desk);
        (desk.rate, desk.accepted, done)
    }

    /// The access of one caller to the exchange, over either protocol.
    pub(super) fn desk<'a>(
        &'a mut self,
        caller: Caller,
        source: OrderSource,
        config: &'a mut BybitConfig,
        symbols: &'a Symbols,
        exchange: &'a mut Exchange,
        monitor: &'a mut Monitor,
    ) -> OrderDesk<'a> {
        OrderDesk {
            caller,
            source,
            market_reach: config.market_reach,
            sizes: config.limits,
            faults: &mut config.faults,
            exchange,
            symbols,
            memory: &mut self.memory,
            monitor,
            limits: &mut self.limits,
            rate: None,
            accepted: 0,
        }
    }
}

fn write(endpoint: Endpoint, fields: &Map<String, Value>, desk: &mut OrderDesk<'_>) -> Done {
    let result = match endpoint {
        Endpoint::Create => orders::place(fields, desk),
        Endpoint::Amend => orders::amend(fields, desk),
        Endpoint::Cancel => orders::cancel(fields, desk),
        Endpoint::CancelAll => orders::cancel_all(fields, desk),
        Endpoint::Batch(kind) => return orders::batch(kind, fields, desk),
        _ => Err(ApiError::no_route()),
    };
    result.map(|result| (result, json!({})))
}

/// Name and size of the limit of a read.
fn limit_of(endpoint: Endpoint, config: &BybitConfig) -> (&'static str, u32) {
    let limits = config.limits;
    match endpoint {
        Endpoint::Realtime => ("realtime", limits.query),
        Endpoint::History => ("history", limits.query),
        Endpoint::Executions => ("executions", limits.query),
        Endpoint::Wallet => ("wallet-balance", limits.query),
        Endpoint::Transactions => ("transaction-log", limits.log),
        Endpoint::BorrowQuota => ("borrow-check", limits.query),
        Endpoint::FeeRate => ("fee-rate", limits.slow),
        Endpoint::CoinInfo => ("coin-info", limits.slow),
        Endpoint::TransferBalances => ("transfer-balances", limits.slow),
        Endpoint::SetDcp => ("dcp", limits.slow),
        _ => ("other", limits.query),
    }
}

/// The body as an object.
fn body(request: &HttpRequest) -> Result<Map<String, Value>, ApiError> {
    match serde_json::from_slice(&request.body) {
        Ok(Value::Object(fields)) => Ok(fields),
        _ => Err(ApiError::parameter("body is no JSON object")),
    }
}

/// The envelope (Bybit API v5, common response), with the state of the limit in headers.
fn respond(done: Done, message: &str, rate: Option<RateState>, at_ns: u64, faults: &Faults) -> HttpResponse {
    let ms = |t_ns: u64| faults.clock.shown_ns(t_ns) / 1_000_000;
    let (status, envelope) = match done {
        Ok((result, more)) => {
            (200, json!({"retCode": 0, "retMsg": message, "result": result, "retExtInfo": more, "time": ms(at_ns)}))
        }
        Err(error) => {
            let envelope =
                json!({"retCode": error.code, "retMsg": error.message, "result": {}, "retExtInfo": {}, "time": ms(at_ns)});
            (error.status, envelope)
        }
    };
    let mut headers = vec![("content-type".to_owned(), "application/json; charset=utf-8".to_owned())];
    if let Some(rate) = rate {
        headers.push(("x-bapi-limit".to_owned(), rate.limit.to_string()));
        headers.push(("x-bapi-limit-status".to_owned(), rate.left.to_string()));
        headers.push(("x-bapi-limit-reset-timestamp".to_owned(), ms(rate.reset_ns).to_string()));
    }
    HttpResponse { status, headers, body: envelope.to_string().into_bytes() }
}

/// What the edge says to an address that may not come in: no JSON, and nothing of when it ends.
pub(super) fn shut_out() -> HttpResponse {
    let headers = vec![("content-type".to_owned(), "text/html".to_owned())];
    HttpResponse { status: 403, headers, body: b"<html><body>403, access too frequent</body></html>".to_vec() }
}
