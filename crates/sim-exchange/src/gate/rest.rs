//! The REST half: routes a request, checks who calls and how often, and words the reply (Gate API v4, REST basics).
//!
//! Start at [`RestDesk::answer`]. The order of the checks is Gate's: signature, expiry, rate limit, parameters. An unknown
//! path counts as private, so that it answers `MISSING_REQUIRED_HEADER` to a caller without a signature.

use super::{
    account::{self, BalanceHistory},
    auth::{ApiKey, SignedRequest, verify_rest},
    config::{GateConfig, GateUser, Jitter},
    error::ApiError,
    market_data::{self, MarketStatistics, PublicEndpoint},
    orders::{self, Caller},
    query::Query,
    rate::{Bucket, RateLimits, RateState},
    render::Symbols,
};
use crate::{
    core::{AccountId, Exchange, FeeRates, OrderId},
    monitor::{CancelArrival, CancelTarget, Monitor, Placement, PlacementOutcome},
    world::{HttpRequest, HttpResponse},
};

/// Prefix of every path.
const PREFIX: &str = "/api/v4";
/// Header of the server-side expiry, Unix milliseconds.
const EXPTIME_HEADER: &str = "x-gate-exptime";

/// A private endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PrivateEndpoint<'a> {
    Accounts,
    SpotFee,
    WalletFee,
    AccountDetail,
    MainKeys,
    PlaceOrder,
    ListOrders,
    CancelAll,
    GetOrder(&'a str),
    CancelOrder(&'a str),
    OpenOrders,
    MyTrades,
}

impl PrivateEndpoint<'_> {
    fn pattern(self) -> &'static str {
        match self {
            PrivateEndpoint::Accounts => "/spot/accounts",
            PrivateEndpoint::SpotFee => "/spot/fee",
            PrivateEndpoint::WalletFee => "/wallet/fee",
            PrivateEndpoint::AccountDetail => "/account/detail",
            PrivateEndpoint::MainKeys => "/account/main_keys",
            PrivateEndpoint::PlaceOrder | PrivateEndpoint::ListOrders | PrivateEndpoint::CancelAll => "/spot/orders",
            PrivateEndpoint::GetOrder(_) | PrivateEndpoint::CancelOrder(_) => "/spot/orders/{order_id}",
            PrivateEndpoint::OpenOrders => "/spot/open_orders",
            PrivateEndpoint::MyTrades => "/spot/my_trades",
        }
    }

    fn is_write(self) -> bool {
        matches!(self, PrivateEndpoint::PlaceOrder | PrivateEndpoint::CancelAll | PrivateEndpoint::CancelOrder(_))
    }

    /// The right a key needs; `None` where any key will do.
    fn permission(self) -> Option<&'static str> {
        match self {
            PrivateEndpoint::AccountDetail | PrivateEndpoint::MainKeys => None,
            PrivateEndpoint::WalletFee => Some("wallet"),
            _ => Some("spot"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route<'a> {
    Public(PublicEndpoint<'a>),
    Private(PrivateEndpoint<'a>),
    /// Under the prefix, but nothing that is simulated.
    Unknown,
    /// Not under the prefix at all.
    Outside,
}

fn route<'a>(method: &str, path: &'a str) -> Route<'a> {
    let Some(rest) = path.strip_prefix(PREFIX) else { return Route::Outside };
    let parts: Vec<&str> = rest.split('/').skip(1).collect();
    match (method, parts.as_slice()) {
        ("GET", ["spot", "time"]) => Route::Public(PublicEndpoint::Time),
        ("GET", ["spot", "currencies"]) => Route::Public(PublicEndpoint::Currencies),
        ("GET", ["spot", "currencies", name]) => Route::Public(PublicEndpoint::Currency(name)),
        ("GET", ["spot", "currency_pairs"]) => Route::Public(PublicEndpoint::Pairs),
        ("GET", ["spot", "currency_pairs", name]) => Route::Public(PublicEndpoint::Pair(name)),
        ("GET", ["spot", "tickers"]) => Route::Public(PublicEndpoint::Tickers),
        ("GET", ["spot", "order_book"]) => Route::Public(PublicEndpoint::OrderBook),
        ("GET", ["spot", "trades"]) => Route::Public(PublicEndpoint::Trades),
        ("GET", ["spot", "accounts"]) => Route::Private(PrivateEndpoint::Accounts),
        ("GET", ["spot", "fee"]) => Route::Private(PrivateEndpoint::SpotFee),
        ("GET", ["wallet", "fee"]) => Route::Private(PrivateEndpoint::WalletFee),
        ("GET", ["account", "detail"]) => Route::Private(PrivateEndpoint::AccountDetail),
        ("GET", ["account", "main_keys"]) => Route::Private(PrivateEndpoint::MainKeys),
        ("POST", ["spot", "orders"]) => Route::Private(PrivateEndpoint::PlaceOrder),
        ("GET", ["spot", "orders"]) => Route::Private(PrivateEndpoint::ListOrders),
        ("DELETE", ["spot", "orders"]) => Route::Private(PrivateEndpoint::CancelAll),
        ("GET", ["spot", "orders", name]) => Route::Private(PrivateEndpoint::GetOrder(name)),
        ("DELETE", ["spot", "orders", name]) => Route::Private(PrivateEndpoint::CancelOrder(name)),
        ("GET", ["spot", "open_orders"]) => Route::Private(PrivateEndpoint::OpenOrders),
        ("GET", ["spot", "my_trades"]) => Route::Private(PrivateEndpoint::MyTrades),
        _ => Route::Unknown,
    }
}

/// A reply and when it leaves. `None` means that it never does.
#[derive(Clone, Debug)]
pub(super) struct Departure {
    pub(super) at_ns: u64,
    pub(super) response: Option<HttpResponse>,
}

/// A result with the state of the bucket that was charged for it.
type Charged = (Option<RateState>, Result<Done, ApiError>);

/// What a handled request came to.
#[derive(Debug)]
struct Done {
    status: u16,
    body: String,
    /// The matching engine accepted an order: the faults on replies count these.
    placed: bool,
}

impl Done {
    fn ok(body: String) -> Done {
        Done { status: 200, body, placed: false }
    }
}

/// Everything the REST half remembers.
#[derive(Debug)]
pub(super) struct RestDesk {
    limits: RateLimits,
    pub(super) statistics: MarketStatistics,
    pub(super) balances: BalanceHistory,
    orders_accepted: u64,
    requests: u64,
}

/// A request's surroundings.
pub(super) struct RestContext<'a> {
    pub(super) t_ns: u64,
    pub(super) config: &'a mut GateConfig,
    pub(super) symbols: &'a Symbols,
    pub(super) jitter: &'a mut Jitter,
    pub(super) exchange: &'a mut Exchange,
    pub(super) monitor: &'a mut Monitor,
}

impl RestDesk {
    pub(super) fn new(config: &GateConfig, pairs: usize) -> RestDesk {
        RestDesk {
            limits: RateLimits::new(config.limits.clone()),
            statistics: MarketStatistics::new(pairs),
            balances: BalanceHistory::default(),
            orders_accepted: 0,
            requests: 0,
        }
    }

    /// Handles one request. What it does to the exchange happens now; what it says leaves later.
    pub(super) fn answer(&mut self, request: &HttpRequest, context: &mut RestContext<'_>) -> Departure {
        self.requests += 1;
        let route = route(&request.method, &request.path);
        let (rate, result) = match route {
            Route::Public(endpoint) => self.public(endpoint, request, context),
            Route::Private(endpoint) => self.private(endpoint, request, context),
            Route::Unknown => (None, Err(unknown_path(request, context))),
            Route::Outside => (None, Err(ApiError::new(404, "NOT_FOUND", "The path does not exist"))),
        };
        let is_write = matches!(route, Route::Private(endpoint) if endpoint.is_write());
        let delays = context.config.delays;
        let delay_ns = context.jitter.draw(if is_write { delays.rest_order } else { delays.rest_read });
        let at_ns = context.t_ns.saturating_add(delay_ns);
        let placed = result.as_ref().is_ok_and(|done| done.placed);
        let response = respond(result, rate, context.t_ns, at_ns, self.requests);
        let response = if placed { self.faulted(response, context) } else { Some(response) };
        Departure { at_ns, response }
    }

    /// Applies the faults on replies to accepted orders.
    fn faulted(&mut self, response: HttpResponse, context: &RestContext<'_>) -> Option<HttpResponse> {
        self.orders_accepted += 1;
        let faults = &context.config.faults;
        if faults.drop_reply_after_order.contains(&self.orders_accepted) {
            return None;
        }
        if faults.fail_reply_after_order.contains(&self.orders_accepted) {
            let error = ApiError::server_error();
            return Some(HttpResponse { status: error.status, body: error.body(), headers: response.headers });
        }
        Some(response)
    }

    fn public(&mut self, endpoint: PublicEndpoint<'_>, request: &HttpRequest, context: &mut RestContext<'_>) -> Charged {
        let rate = self.limits.take(Bucket::Public { endpoint: endpoint.pattern() }, context.t_ns);
        if !rate.allowed {
            return (Some(rate), Err(ApiError::too_many_requests()));
        }
        let body = market_data::answer(
            endpoint,
            &Query::parse(&request.query),
            context.t_ns,
            context.exchange,
            context.symbols,
            &self.statistics,
            &mut context.config.faults,
        );
        (Some(rate), body.map(Done::ok))
    }

    fn private(&mut self, endpoint: PrivateEndpoint<'_>, request: &HttpRequest, context: &mut RestContext<'_>) -> Charged {
        let (user, account) = match caller_of(endpoint, request, context) {
            Ok(found) => found,
            Err(error) => return (None, Err(error)),
        };
        if endpoint == PrivateEndpoint::PlaceOrder {
            return self.place(request, &user, account, context);
        }
        let user_id = user.user_id;
        let bucket = if endpoint.is_write() {
            Bucket::Cancel { user: user_id }
        } else {
            Bucket::Private { user: user_id, endpoint: endpoint.pattern() }
        };
        let query = Query::parse(&request.query);
        note_cancel(endpoint, &query, user_id, context);
        if endpoint.is_write()
            && let Err(error) = check_exptime(request, context)
        {
            return (None, Err(error));
        }
        let rate = self.limits.take(bucket, context.t_ns);
        if !rate.allowed {
            return (Some(rate), Err(ApiError::too_many_requests()));
        }
        let caller = Caller { account, t_ns: context.t_ns, visibility: context.config.visibility };
        let symbols = context.symbols;
        let exchange = &mut *context.exchange;
        let body = match endpoint {
            PrivateEndpoint::Accounts => {
                let lag_ns = context.config.visibility.balances_stale_ns;
                account::accounts(&query, account, context.t_ns, lag_ns, exchange, symbols, &self.balances)
            }
            PrivateEndpoint::SpotFee | PrivateEndpoint::WalletFee => {
                fee_body(endpoint, &query, user_id, account, exchange, symbols)
            }
            PrivateEndpoint::AccountDetail => Ok(account::detail(user_id, context.config.tier)),
            PrivateEndpoint::MainKeys => Ok(account::main_keys(user_id, &user.keys)),
            PrivateEndpoint::ListOrders => orders::list(&query, &caller, exchange, symbols),
            PrivateEndpoint::CancelAll => orders::cancel_all(&query, &caller, exchange, symbols),
            PrivateEndpoint::GetOrder(name) => orders::get(name, &query, &caller, exchange, symbols),
            PrivateEndpoint::CancelOrder(name) => orders::cancel(name, &query, &caller, exchange, symbols),
            PrivateEndpoint::OpenOrders => orders::open_orders(&query, &caller, exchange, symbols),
            PrivateEndpoint::MyTrades => orders::my_trades(&query, &caller, exchange, symbols),
            PrivateEndpoint::PlaceOrder => Err(ApiError::server_error()),
        };
        (Some(rate), body.map(Done::ok))
    }

    fn place(&mut self, request: &HttpRequest, user: &GateUser, account: AccountId, context: &mut RestContext<'_>) -> Charged {
        let wanted = match orders::parse_place(&request.body, account, context.symbols) {
            Ok(wanted) => wanted,
            Err(error) => return (None, Err(error)),
        };
        let order = &wanted.order;
        let pair = context.symbols.pair(order.pair).to_owned();
        let placement = Placement {
            t_ns: context.t_ns,
            user_id: user.user_id,
            text: order.text.clone(),
            pair: pair.clone(),
            side: order.side,
            kind: order.kind,
            price: order.price,
            amount: order.amount,
            time_in_force: order.time_in_force,
            expires_at_ms: request.header(EXPTIME_HEADER).and_then(|text| text.parse().ok()),
        };
        let number = context.monitor.placement_arrived(context.exchange, placement);
        let mut rate = None;
        let result = check_exptime(request, context).and_then(|()| {
            let state = self.limits.take(Bucket::Place { user: user.user_id, pair }, context.t_ns);
            rate = Some(state);
            if !state.allowed {
                return Err(ApiError::too_many_requests());
            }
            orders::place(wanted, context.t_ns, context.exchange, context.symbols)
        });
        let outcome = match &result {
            Ok((id, _)) => PlacementOutcome::Accepted(*id),
            Err(error) => PlacementOutcome::Refused(error.label.to_owned()),
        };
        context.monitor.placement_outcome(number, outcome);
        (rate, result.map(|(_, body)| Done { status: 201, body, placed: true }))
    }
}

/// Who signed the request, if the key may do this.
fn caller_of(
    endpoint: PrivateEndpoint<'_>,
    request: &HttpRequest,
    context: &RestContext<'_>,
) -> Result<(GateUser, AccountId), ApiError> {
    let (user, key) = signer(request, context)?;
    if let Some(permission) = endpoint.permission() {
        if !key.may_read(permission) {
            return Err(ApiError::forbidden());
        }
        if endpoint.is_write() && !key.may_write(permission) {
            return Err(ApiError::read_only());
        }
    }
    // A user without an account is a mistake of the configuration; the caller can only be told that the key is no good.
    let account = context.exchange.account_by_user(user.user_id).ok_or_else(ApiError::invalid_key)?;
    Ok((user, account))
}

fn signer(request: &HttpRequest, context: &RestContext<'_>) -> Result<(GateUser, ApiKey), ApiError> {
    let signed = SignedRequest {
        method: &request.method,
        path: &request.path,
        query: &request.query,
        body: &request.body,
        headers: &request.headers,
    };
    let users = &context.config.users;
    let key = verify_rest(signed, users.iter().flat_map(|user| &user.keys), context.t_ns)?;
    let user = users.iter().find(|user| user.keys.contains(key)).ok_or_else(ApiError::invalid_key)?;
    Ok((user.clone(), key.clone()))
}

fn unknown_path(request: &HttpRequest, context: &RestContext<'_>) -> ApiError {
    match signer(request, context) {
        Ok(_) => ApiError::new(404, "NOT_FOUND", "The path does not exist"),
        Err(error) => error,
    }
}

/// Gate API v4, `x-gate-exptime`: a request that arrives after this instant is refused.
fn check_exptime(request: &HttpRequest, context: &RestContext<'_>) -> Result<(), ApiError> {
    let Some(text) = request.header(EXPTIME_HEADER) else { return Ok(()) };
    let expires_ms: u64 = text.parse().map_err(|_| ApiError::invalid_param("Invalid x-gate-exptime"))?;
    if context.t_ns > expires_ms.saturating_mul(1_000_000) {
        let (status, label) = context.config.exptime_refusal;
        return Err(ApiError::new(status, label, "The request arrived after its x-gate-exptime"));
    }
    Ok(())
}

fn note_cancel(endpoint: PrivateEndpoint<'_>, query: &Query, user_id: u64, context: &mut RestContext<'_>) {
    let target = match endpoint {
        PrivateEndpoint::CancelAll => CancelTarget::All,
        PrivateEndpoint::CancelOrder(name) => match name.parse() {
            Ok(id) => CancelTarget::Id(OrderId(id)),
            Err(_) => CancelTarget::Text(name.to_owned()),
        },
        _ => return,
    };
    let pair = query.get("currency_pair").map(str::to_owned);
    context.monitor.cancel_arrived(CancelArrival { t_ns: context.t_ns, user_id, pair, target });
}

fn fee_body(
    endpoint: PrivateEndpoint<'_>,
    query: &Query,
    user_id: u64,
    account: AccountId,
    exchange: &Exchange,
    symbols: &Symbols,
) -> Result<String, ApiError> {
    if let Some(name) = query.get("currency_pair") {
        symbols.find_pair(name).ok_or_else(|| ApiError::invalid_pair(name))?;
    }
    let rates = exchange.account(account).map_or(FeeRates::ZERO, |account| account.fees);
    Ok(account::fees(user_id, rates, endpoint == PrivateEndpoint::WalletFee))
}

fn respond(result: Result<Done, ApiError>, rate: Option<RateState>, in_ns: u64, out_ns: u64, request: u64) -> HttpResponse {
    let header = |name: &str, value: String| (name.to_owned(), value);
    let mut headers = vec![
        header("content-type", "application/json".to_owned()),
        header("x-in-time", (in_ns / 1_000).to_string()),
        header("x-out-time", (out_ns / 1_000).to_string()),
        header("x-gate-trace-id", format!("{request:032x}")),
    ];
    if let Some(rate) = rate {
        headers.push(header("x-gate-ratelimit-requests-remain", rate.remain.to_string()));
        headers.push(header("x-gate-ratelimit-limit", rate.limit.to_string()));
        headers.push(header("x-gate-ratelimit-reset-timestamp", rate.reset_s.to_string()));
    }
    match result {
        Ok(done) => HttpResponse { status: done.status, headers, body: done.body.into_bytes() },
        Err(error) => HttpResponse { status: error.status, headers, body: error.body() },
    }
}
