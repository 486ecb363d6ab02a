//! The REST half: checks who calls and how often, and words the reply (Gate API v4, REST basics).
//!
//! Start at [`RestDesk::answer`]. The order of the checks is Gate's: clock, key, signature, rights, expiry, rate limit,
//! parameters. An unknown path counts as private, so that it answers `MISSING_REQUIRED_HEADER` to a caller without a
//! signature. Paths are in `rest_routes`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    account,
    auth::{ApiKey, SignedRequest, percent_decode, verify_rest},
    batch,
    config::{GateConfig, GateUser},
    countdown,
    error::ApiError,
    fees,
    market_data::{self, MarketStatistics, PublicContext, PublicEndpoint},
    orders::{self, Caller, OrderDesk},
    query::Query,
    rate::{Bucket, RateLimits, RateState},
    render::Symbols,
    rest_routes::{PrivateEndpoint, Route, route},
    wallet,
};
use crate::{
    core::{AccountId, Exchange, OrderSource},
    faults::Faults,
    monitor::Monitor,
    shared::balances::BalanceHistory,
    timing::Jitter,
    world::{HttpRequest, HttpResponse},
};

/// Header of the server-side expiry, Unix milliseconds.
const EXPTIME_HEADER: &str = "x-gate-exptime";

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
    /// Orders that matching accepted: the faults on replies count these.
    accepted: u64,
}

impl Done {
    fn ok(body: String) -> Done {
        Done { status: 200, body, accepted: 0 }
    }
}

/// What becomes of the reply to accepted orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReplyFate {
    Leaves,
    Lost,
    /// The order stands, and the reply is a 500.
    Fails,
}

/// Everything the REST half remembers.
#[derive(Debug)]
pub(super) struct RestDesk {
    /// Shared with order entry over WebSocket: a user has one set of buckets.
    pub(super) limits: RateLimits,
    pub(super) statistics: MarketStatistics,
    pub(super) balances: BalanceHistory,
    orders_accepted: u64,
    requests: u64,
    /// Names of the self-trade groups that clients made.
    stp_names: BTreeMap<u64, String>,
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
            stp_names: BTreeMap::new(),
        }
    }

    /// Handles one request. What it does to the exchange happens now; what it says leaves later.
    pub(super) fn answer(&mut self, request: &HttpRequest, context: &mut RestContext<'_>) -> Departure {
        self.requests += 1;
        self.limits.divide_by(context.config.faults.limits_divided_by);
        // The signature covers the path as it was sent; what it names is the same with its escapes undone.
        let path = percent_decode(&request.path);
        let route = route(&request.method, &path);
        let (rate, result) = match route {
            Route::Public(endpoint) => self.public(endpoint, request, context),
            Route::Private(endpoint) => self.private(endpoint, request, context),
            Route::Unknown => (None, Err(unknown_path(request, context))),
            Route::WrongMethod => (None, Err(ApiError::new(405, "METHOD_NOT_ALLOWED", "The path has no such method"))),
            Route::Outside => (None, Err(ApiError::new(404, "NOT_FOUND", "The path does not exist"))),
        };
        let is_write = matches!(route, Route::Private(endpoint) if endpoint.is_order_write());
        let delays = context.config.delays;
        let delay_ns = context.jitter.draw(if is_write { delays.rest_order } else { delays.rest_read });
        let at_ns = context.t_ns.saturating_add(delay_ns);
        let accepted = result.as_ref().map_or(0, |done| done.accepted);
        let response = respond(result, rate, (context.t_ns, at_ns), self.requests, context.config);
        let response = match self.fate_of_reply(accepted, &context.config.faults) {
            ReplyFate::Leaves => Some(response),
            ReplyFate::Lost => None,
            ReplyFate::Fails => {
                let error = ApiError::server_error();
                Some(HttpResponse { status: error.status, body: error.body(), headers: response.headers })
            }
        };
        Departure { at_ns, response }
    }

    /// Counts accepted orders and applies the faults on their replies.
    fn fate_of_reply(&mut self, accepted: u64, faults: &Faults) -> ReplyFate {
        let mut fate = ReplyFate::Leaves;
        for _ in 0..accepted {
            self.orders_accepted += 1;
            if faults.drop_reply_after_order.contains(&self.orders_accepted) {
                fate = ReplyFate::Lost;
            } else if faults.fail_reply_after_order.contains(&self.orders_accepted) && fate == ReplyFate::Leaves {
                fate = ReplyFate::Fails;
            }
        }
        fate
    }

    fn public(&mut self, endpoint: PublicEndpoint<'_>, request: &HttpRequest, context: &mut RestContext<'_>) -> Charged {
        let rate = self.limits.take(Bucket::Public { endpoint: endpoint.pattern() }, context.t_ns);
        if !rate.allowed {
            return (Some(rate), Err(ApiError::too_many_requests()));
        }
        if let Err(error) = check_accept(request) {
            return (Some(rate), Err(error));
        }
        let query = Query::parse(&request.query);
        let body = market_data::answer(
            endpoint,
            &query,
            PublicContext {
                t_ns: context.t_ns,
                exchange: context.exchange,
                symbols: context.symbols,
                statistics: &mut self.statistics,
                config: context.config,
            },
        );
        (Some(rate), body.map(Done::ok))
    }

    fn private(&mut self, endpoint: PrivateEndpoint<'_>, request: &HttpRequest, context: &mut RestContext<'_>) -> Charged {
        let (user, account) = match caller_of(endpoint, request, context) {
            Ok(found) => found,
            Err(error) => return (None, Err(error)),
        };
        let caller = Caller { account, t_ns: context.t_ns, visibility: context.config.visibility };
        if endpoint.is_order_write() {
            return self.order_write(endpoint, request, &user, caller, context);
        }
        let rate = self.limits.take(bucket_of(endpoint, user.user_id), context.t_ns);
        if !rate.allowed {
            return (Some(rate), Err(ApiError::too_many_requests()));
        }
        let body = check_accept(request).and_then(|()| self.read(endpoint, request, &user, &caller, context));
        let status = if endpoint == PrivateEndpoint::SetDebitFee { 204 } else { 200 };
        (Some(rate), body.map(|body| Done { status, ..Done::ok(body) }))
    }

    /// Everything private but placing, amending and cancelling.
    fn read(
        &mut self,
        endpoint: PrivateEndpoint<'_>,
        request: &HttpRequest,
        user: &GateUser,
        caller: &Caller,
        context: &mut RestContext<'_>,
    ) -> Result<String, ApiError> {
        let query = Query::parse(&request.query);
        let (symbols, account, user_id) = (context.symbols, caller.account, user.user_id);
        let exchange = &mut *context.exchange;
        let body = match endpoint {
            PrivateEndpoint::Accounts => {
                let lag_ns = caller.visibility.balances_stale_ns;
                return account::accounts(&query, account, caller.t_ns, lag_ns, exchange, symbols, &self.balances);
            }
            PrivateEndpoint::AccountBook => account::account_book(&query, caller, exchange, symbols)?,
            PrivateEndpoint::SpotFee => fees::fee(&query, user_id, account, exchange, symbols, false)?,
            PrivateEndpoint::WalletFee => fees::fee(&query, user_id, account, exchange, symbols, true)?,
            PrivateEndpoint::BatchFee => fees::batch_fee(&query, user_id, account, exchange, symbols)?,
            PrivateEndpoint::DebitFee => fees::debit_switch(account, exchange),
            PrivateEndpoint::SetDebitFee => {
                fees::set_debit_switch(&json_body(request)?, account, exchange)?;
                return Ok(String::new());
            }
            PrivateEndpoint::TotalBalance => wallet::total_balance(&query, account, exchange, symbols)?,
            PrivateEndpoint::WithdrawStatus => wallet::withdraw_status(&query, symbols)?,
            PrivateEndpoint::Deposits => wallet::deposits(&query, caller, exchange, symbols)?,
            PrivateEndpoint::Withdrawals => wallet::withdrawals(&query, caller, symbols)?,
            PrivateEndpoint::DepositAddress => wallet::deposit_address(&query, user_id, symbols)?,
            PrivateEndpoint::AccountDetail => account::detail(user_id, context.config.tier),
            PrivateEndpoint::MainKeys => account::main_keys(user_id, &user.keys),
            PrivateEndpoint::AccountRateLimit => account::rate_limit(context.config.tier, caller.t_ns),
            PrivateEndpoint::StpGroups => account::stp_groups(user_id, account, exchange, &self.stp_names),
            PrivateEndpoint::CreateStpGroup => {
                account::create_stp_group(&json_body(request)?, user_id, account, exchange, &mut self.stp_names)?
            }
            PrivateEndpoint::StpGroupUsers(id) => account::stp_group_users(id, account, exchange)?,
            PrivateEndpoint::UnifiedMode => account::unified_mode(),
            PrivateEndpoint::UnifiedAccounts => account::unified_accounts(user_id, caller.t_ns),
            PrivateEndpoint::ListOrders => orders::list(&query, caller, exchange, symbols)?,
            PrivateEndpoint::GetOrder(name) => orders::status(name, &query, caller, exchange, symbols)?,
            PrivateEndpoint::OpenOrders => orders::open_orders(&query, caller, exchange, symbols)?,
            PrivateEndpoint::MyTrades => {
                let ahead_s = context.config.faults.clock.ahead_ns(context.t_ns) / 1_000_000_000;
                orders::my_trades(&query, caller, exchange, symbols, ahead_s)?
            }
            PrivateEndpoint::Countdown => countdown::arm(&json_body(request)?, caller, exchange, symbols)?,
            PrivateEndpoint::EmptyList(_) => Value::Array(Vec::new()),
            PrivateEndpoint::ContractAccounts => {
                return Err(ApiError::new(400, "USER_NOT_FOUND", "please transfer funds first to create futures account"));
            }
            _ => return Err(ApiError::not_simulated()),
        };
        Ok(body.to_string())
    }

    fn order_write(
        &mut self,
        endpoint: PrivateEndpoint<'_>,
        request: &HttpRequest,
        user: &GateUser,
        caller: Caller,
        context: &mut RestContext<'_>,
    ) -> Charged {
        let query = Query::parse(&request.query);
        let mut desk = OrderDesk {
            caller,
            user_id: user.user_id,
            source: OrderSource::Rest,
            exptime: request.header(EXPTIME_HEADER),
            exptime_refusal: context.config.exptime_refusal,
            clock_ns: context.config.clock_ns(context.t_ns),
            faults: &mut context.config.faults,
            exchange: context.exchange,
            symbols: context.symbols,
            monitor: context.monitor,
            limits: &mut self.limits,
            rate: None,
            accepted: 0,
        };
        let result = check_accept(request).and_then(|()| match endpoint {
            PrivateEndpoint::PlaceOrder => orders::place(&json_body(request)?, &mut desk),
            PrivateEndpoint::BatchOrders => batch::place_batch(&json_body(request)?, &mut desk),
            PrivateEndpoint::CancelBatch => batch::cancel_ids(&json_body(request)?, &mut desk),
            PrivateEndpoint::AmendBatch => batch::amend_batch(&json_body(request)?, &mut desk),
            PrivateEndpoint::AmendOrder(name) => orders::amend(name, &json_body(request)?, &query, &mut desk),
            PrivateEndpoint::CancelOrder(name) => orders::cancel(name, &query, &mut desk),
            PrivateEndpoint::CancelAll => orders::cancel_all(&query, &mut desk),
            _ => Err(ApiError::not_simulated()),
        });
        let (rate, accepted) = (desk.rate, desk.accepted);
        let status = if endpoint == PrivateEndpoint::PlaceOrder { 201 } else { 200 };
        (rate, result.map(|body| Done { status, body: body.to_string(), accepted }))
    }
}

/// The bucket of everything private but the orders, which charge their own.
fn bucket_of(endpoint: PrivateEndpoint<'_>, user: u64) -> Bucket {
    match endpoint {
        PrivateEndpoint::TotalBalance => Bucket::Wallet { user, endpoint: endpoint.pattern() },
        _ => Bucket::Private { user, endpoint: endpoint.pattern() },
    }
}

/// The body as JSON.
fn json_body(request: &HttpRequest) -> Result<Value, ApiError> {
    if request.header("content-type").is_some_and(|kind| !kind.to_ascii_lowercase().contains("json")) {
        return Err(ApiError::new(400, "INVALID_CONTENT_TYPE", "Content-Type must be application/json"));
    }
    serde_json::from_slice(&request.body).map_err(|_| ApiError::invalid_body("Invalid request body: not JSON"))
}

/// A client that takes no JSON can't be answered.
fn check_accept(request: &HttpRequest) -> Result<(), ApiError> {
    let takes_json = |accept: &str| accept.contains("json") || accept.contains("*/*") || accept.contains("application/*");
    match request.header("accept") {
        Some(accept) if !accept.trim().is_empty() && !takes_json(&accept.to_ascii_lowercase()) => {
            Err(ApiError::new(406, "NOT_ACCEPTABLE", "Only application/json is served"))
        }
        _ => Ok(()),
    }
}

/// Who signed the request, if the key may do this.
fn caller_of(
    endpoint: PrivateEndpoint<'_>,
    request: &HttpRequest,
    context: &RestContext<'_>,
) -> Result<(GateUser, AccountId), ApiError> {
    let (user, key) = signer(request, context)?;
    if let Some(label) = key.refusal {
        return Err(ApiError::new(403, label, "The key or its account is refused"));
    }
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
    let key = verify_rest(signed, users.iter().flat_map(|user| &user.keys), context.config.clock_ns(context.t_ns))?;
    let user = users.iter().find(|user| user.keys.contains(key)).ok_or_else(ApiError::invalid_key)?;
    Ok((user.clone(), key.clone()))
}

fn unknown_path(request: &HttpRequest, context: &RestContext<'_>) -> ApiError {
    match signer(request, context) {
        Ok(_) => ApiError::new(404, "NOT_FOUND", "The path does not exist"),
        Err(error) => error,
    }
}

fn respond(
    result: Result<Done, ApiError>,
    rate: Option<RateState>,
    (in_ns, out_ns): (u64, u64),
    request: u64,
    config: &GateConfig,
) -> HttpResponse {
    let header = |name: &str, value: String| (name.to_owned(), value);
    let shown_us = |t_ns: u64| (config.clock_ns(t_ns) / 1_000).to_string();
    let mut headers = vec![
        header("content-type", "application/json".to_owned()),
        header("x-in-time", shown_us(in_ns)),
        header("x-out-time", shown_us(out_ns)),
        header("x-gate-trace-id", format!("{request:032x}")),
    ];
    if let Some(rate) = rate {
        headers.push(header("x-gate-ratelimit-requests-remain", rate.remain.to_string()));
        headers.push(header("x-gate-ratelimit-limit", rate.limit.to_string()));
        headers.push(header("x-gate-ratelimit-reset-timestamp", rate.reset_s(|t_ns| config.clock_ns(t_ns)).to_string()));
    }
    match result {
        Ok(done) => HttpResponse { status: done.status, headers, body: done.body.into_bytes() },
        Err(error) => HttpResponse { status: error.status, headers, body: error.body() },
    }
}
