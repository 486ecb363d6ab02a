//! Order entry over WebSocket: login, place, amend, cancel and look up on a warm connection (Gate API v4, WebSocket trading).
//!
//! Start at [`OrderEntry::answer`]. A call does to the exchange what its REST twin does, through the same functions. What it
//! says differs: a receipt (`ack: true`) for placements that the gateway passed on, then the final frame, both named by the
//! client's `req_id`. Frames have no `channel` of their own: it stands in `header`.
//!
//! Promised: a call that needs a login is refused with `AUTHENTICATION_FAILED` until the connection has one, signed or not;
//! after it signatures are not looked at, since some clients go on signing every call, not all of them well. The login goes
//! with the connection. A refusal by the gateway (login, shape, expiry, rate) has no receipt; one by the matching engine
//! comes after it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json, value::RawValue};

use super::{
    auth::{ApiKey, check_clock, parse_seconds, signature_matches},
    batch,
    config::GateConfig,
    error::ApiError,
    frame::{ApiCall, to_json},
    orders::{self, Caller, OrderDesk},
    query::Query,
    rate::{Bucket, RateLimits, RateState},
    render::Symbols,
    stream::Departing,
};
use crate::{
    core::{AccountId, Exchange, OrderSource},
    faults::{Faults, take_one},
    monitor::Monitor,
    timing::Jitter,
};

/// Labels that the gateway refuses with before matching has seen the order: no receipt comes first.
const GATEWAY_LABELS: [&str; 6] = [
    "TOO_MANY_REQUESTS",
    "MISSING_REQUIRED_PARAM",
    "INVALID_REQUEST_BODY",
    "TOO_MANY_ORDERS",
    "TOO_MANY_CURRENCY_PAIRS",
    "MIXED_ACCOUNT_TYPE",
];

/// Order entry of one venue: who is logged in, and the budgets of this door.
#[derive(Debug)]
pub(super) struct OrderEntry {
    /// The key that each connection logged in with.
    logins: BTreeMap<u64, String>,
    /// Gate lists limits of this door apart from those of REST, with the same sizes.
    limits: RateLimits,
    calls: u64,
    orders_accepted: u64,
    /// The last result of a call on one order, for the fault that gives it again.
    answered: Option<Value>,
}

/// A call's surroundings.
pub(super) struct EntryContext<'a> {
    pub(super) t_ns: u64,
    pub(super) config: &'a mut GateConfig,
    pub(super) symbols: &'a Symbols,
    pub(super) jitter: &'a mut Jitter,
    pub(super) exchange: &'a mut Exchange,
    pub(super) monitor: &'a mut Monitor,
}

/// What becomes of a call.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// Frames for the caller, in order.
    pub(super) frames: Vec<Departing>,
    /// The connection is cut before any of them leaves.
    pub(super) is_cut: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Channel {
    Login,
    Place,
    Cancel,
    CancelIds,
    CancelAll,
    Amend,
    Status,
    List,
}

impl Channel {
    fn by_name(name: &str) -> Option<Channel> {
        match name {
            "spot.login" => Some(Channel::Login),
            "spot.order_place" => Some(Channel::Place),
            "spot.order_cancel" => Some(Channel::Cancel),
            "spot.order_cancel_ids" => Some(Channel::CancelIds),
            "spot.order_cancel_cp" => Some(Channel::CancelAll),
            "spot.order_amend" => Some(Channel::Amend),
            "spot.order_status" => Some(Channel::Status),
            "spot.order_list" => Some(Channel::List),
            _ => None,
        }
    }

    const fn is_write(self) -> bool {
        !matches!(self, Channel::Login | Channel::Status | Channel::List)
    }

    /// Whether replies carry the state of the rate limit.
    const fn shows_rate(self) -> bool {
        matches!(self, Channel::Place | Channel::Amend)
    }
}

/// Who calls.
#[derive(Clone, Copy, Debug)]
struct Identity {
    user_id: u64,
    account: AccountId,
}

/// A call's result before it is worded.
struct Outcome {
    result: Result<Value, ApiError>,
    rate: Option<RateState>,
    accepted: u64,
}

impl From<Result<Value, ApiError>> for Outcome {
    fn from(result: Result<Value, ApiError>) -> Outcome {
        Outcome { result, rate: None, accepted: 0 }
    }
}

impl OrderEntry {
    /// Nobody is logged in.
    pub(super) fn new(config: &GateConfig) -> OrderEntry {
        OrderEntry {
            logins: BTreeMap::new(),
            limits: RateLimits::new(config.limits.clone()),
            calls: 0,
            orders_accepted: 0,
            answered: None,
        }
    }

    /// The connection is gone, and its login with it.
    pub(super) fn on_closed(&mut self, conn: u64) {
        self.logins.remove(&conn);
    }

    /// Every login has run out; the connections stay.
    pub(super) fn expire_logins(&mut self) {
        self.logins.clear();
    }

    /// Handles one call. What it does to the exchange happens now; what it says leaves later.
    pub(super) fn answer(&mut self, conn: u64, call: &ApiCall, context: &mut EntryContext<'_>) -> Answer {
        self.calls += 1;
        let channel = Channel::by_name(&call.channel);
        self.limits.divide_by(context.config.faults.limits_divided_by);
        let mut outcome = match channel {
            _ if context.config.faults.maintenance => {
                Err(ApiError::new(503, "SERVER_ERROR", "Service temporarily unavailable")).into()
            }
            None => Err(ApiError::new(400, "INVALID_ARGUMENT", format!("Unknown channel {}", call.channel))).into(),
            Some(Channel::Login) => self.login(conn, call, context).into(),
            Some(channel) => match self.identify(conn, channel, context) {
                Ok(identity) => self.execute(channel, call, identity, context),
                Err(error) => Err(error).into(),
            },
        };
        self.answer_again(channel, &mut outcome, &mut context.config.faults);
        self.word(conn, call, channel, outcome, context)
    }

    /// Gives the result of the call before on an order once more, if a fault asks for it.
    fn answer_again(&mut self, channel: Option<Channel>, outcome: &mut Outcome, faults: &mut Faults) {
        let is_one_order = matches!(channel, Some(Channel::Place | Channel::Cancel | Channel::Amend | Channel::Status));
        if let (true, Ok(result)) = (is_one_order, &mut outcome.result) {
            let before = self.answered.replace(result.clone());
            if let Some(before) = before.filter(|_| take_one(&mut faults.stale_next_answers)) {
                *result = before;
            }
        }
    }

    fn login(&mut self, conn: u64, call: &ApiCall, context: &EntryContext<'_>) -> Result<Value, ApiError> {
        let (key, user_id) = signer(call, context)?;
        let reply = json!({"api_key": key.key, "uid": user_id.to_string()});
        self.logins.insert(conn, key.key.clone());
        Ok(reply)
    }

    /// Who logged in on this connection, if the key may do this.
    fn identify(&self, conn: u64, channel: Channel, context: &EntryContext<'_>) -> Result<Identity, ApiError> {
        let logged_in = self.logins.get(&conn);
        let name = logged_in.ok_or_else(|| ApiError::new(400, "AUTHENTICATION_FAILED", "Not login"))?;
        let (key, user_id) = find_key(name, context)?;
        if !key.may_read("spot") {
            return Err(ApiError::forbidden());
        }
        if channel.is_write() && !key.may_write("spot") {
            return Err(ApiError::read_only());
        }
        let account = context.exchange.account_by_user(user_id).ok_or_else(ApiError::invalid_key)?;
        Ok(Identity { user_id, account })
    }

    fn execute(&mut self, channel: Channel, call: &ApiCall, identity: Identity, context: &mut EntryContext<'_>) -> Outcome {
        let Ok(param) = serde_json::from_str::<Value>(&call.param_text) else {
            return Err(ApiError::missing_param("req_param")).into();
        };
        let caller = Caller { account: identity.account, t_ns: context.t_ns, visibility: context.config.visibility };
        let mut desk = OrderDesk {
            caller,
            user_id: identity.user_id,
            source: OrderSource::WebSocket,
            exptime: call.exptime.as_deref().filter(|_| channel.is_write()),
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
        let result = run(channel, &param, &mut desk);
        Outcome { result, rate: desk.rate, accepted: desk.accepted }
    }

    /// Words the outcome, and applies the faults on replies to accepted orders.
    fn word(
        &mut self,
        conn: u64,
        call: &ApiCall,
        channel: Option<Channel>,
        outcome: Outcome,
        context: &mut EntryContext<'_>,
    ) -> Answer {
        let delays = context.config.delays;
        let ack_ns = context.t_ns.saturating_add(context.jitter.draw(delays.ws_ack));
        let is_write = channel.is_some_and(Channel::is_write);
        let final_delay = context.jitter.draw(if is_write { delays.ws_order } else { delays.ws_reply });
        let final_ns = context.t_ns.saturating_add(final_delay).max(ack_ns);
        let gateway_refused = outcome.result.as_ref().is_err_and(|error| {
            let (_, expired) = context.config.exptime_refusal;
            error.label == expired || error.status != 400 || GATEWAY_LABELS.contains(&error.label)
        });
        let has_ack = channel == Some(Channel::Place) && !gateway_refused && call_was_passed_on(&outcome);
        let rate = outcome.rate.filter(|_| channel.is_some_and(Channel::shows_rate));
        let header = |status: u16, at_ns: u64, rate: Option<RateState>| Header {
            response_time: (at_ns / 1_000_000).to_string(),
            status: status.to_string(),
            channel: &call.channel,
            event: "api",
            client_id: format!("127.0.0.1-{:#x}", 0xc000_0000_0000_u64 + conn),
            conn_id: format!("{conn:016x}"),
            conn_trace_id: format!("{:032x}", u128::from(conn) << 64),
            trace_id: format!("{:032x}", self.calls),
            x_in_time: context.config.clock_ns(context.t_ns) / 1_000,
            x_out_time: context.config.clock_ns(at_ns) / 1_000,
            remain: rate.map(|rate| rate.remain).filter(|remain| *remain > 0),
            limit: rate.map(|rate| rate.limit),
            reset_s: rate.map(|rate| rate.reset_s(|t_ns| context.config.clock_ns(t_ns))),
        };
        let ack = has_ack.then(|| {
            let echo = Echo {
                req_id: &call.req_id,
                req_header: call.header_text.as_deref().and_then(raw),
                req_param: raw(&call.param_text),
            };
            let data = json_of("result", &echo);
            let frame = Reply { request_id: &call.req_id, ack: Some(true), header: header(200, ack_ns, None), data };
            Departing { at_ns: ack_ns, conn, text: to_json(&frame) }
        });
        let (status, data) = match &outcome.result {
            Ok(result) => (200, json_of("result", result)),
            Err(error) => {
                // The number names the limiter: 211 is that of spot orders over WebSocket.
                let is_rate = error.label == "TOO_MANY_REQUESTS";
                let message = if is_rate { "Request Rate limit Exceeded (211)" } else { error.message.as_str() };
                (error.status, json_of("errs", &json!({"label": error.label, "message": message})))
            }
        };
        let last =
            Reply { request_id: &call.req_id, ack: has_ack.then_some(false), header: header(status, final_ns, rate), data };
        let last = Departing { at_ns: final_ns, conn, text: to_json(&last) };
        self.faulted(ack, last, outcome.accepted, context)
    }

    fn faulted(&mut self, ack: Option<Departing>, last: Departing, accepted: u64, context: &mut EntryContext<'_>) -> Answer {
        let numbers = self.orders_accepted + 1..=self.orders_accepted + accepted;
        self.orders_accepted += accepted;
        let faults = &mut context.config.faults;
        let strikes = |ordinals: &[u64]| ordinals.iter().any(|ordinal| numbers.contains(ordinal));
        if strikes(&faults.ws_cut_after_order) {
            return Answer { frames: Vec::new(), is_cut: true };
        }
        let frames = if strikes(&faults.ws_drop_reply_after_order) {
            Vec::new()
        } else if strikes(&faults.ws_ack_only_after_order) || accepted > 0 && take_one(&mut faults.lose_next_replies) {
            ack.into_iter().collect()
        } else if strikes(&faults.ws_final_only_after_order) {
            vec![last]
        } else {
            ack.into_iter().chain([last]).collect()
        };
        Answer { frames, is_cut: false }
    }
}

/// A placement has been passed on once it was charged for: before that the gateway refused it.
fn call_was_passed_on(outcome: &Outcome) -> bool {
    outcome.rate.is_some()
}

fn run(channel: Channel, param: &Value, desk: &mut OrderDesk<'_>) -> Result<Value, ApiError> {
    if channel == Channel::Place {
        return if param.is_array() { batch::place_batch(param, desk) } else { orders::place(param, desk) };
    }
    if channel == Channel::CancelIds {
        return batch::cancel_ids(param, desk);
    }
    let Value::Object(fields) = param else {
        return Err(ApiError::invalid_body("Invalid req_param: not an object"));
    };
    let query = Query::from_fields(fields);
    match channel {
        Channel::Cancel => orders::cancel(query.required("order_id")?, &query, desk),
        Channel::Amend => orders::amend(query.required("order_id")?, &amendment(fields), &query, desk),
        Channel::CancelAll => {
            query.required("currency_pair")?;
            orders::cancel_all(&query, desk)
        }
        Channel::Status => {
            charge_read("spot.order_status", desk)?;
            orders::status(query.required("order_id")?, &query, &desk.caller, desk.exchange, desk.symbols)
        }
        Channel::List => {
            charge_read("spot.order_list", desk)?;
            orders::list(&query, &desk.caller, desk.exchange, desk.symbols)
        }
        Channel::Login | Channel::Place | Channel::CancelIds => Err(ApiError::server_error()),
    }
}

/// The body of an amendment: everything but the order's name.
fn amendment(fields: &Map<String, Value>) -> Value {
    let mut fields = fields.clone();
    fields.remove("order_id");
    Value::Object(fields)
}

fn charge_read(endpoint: &'static str, desk: &mut OrderDesk<'_>) -> Result<(), ApiError> {
    let state = desk.limits.take(Bucket::Private { user: desk.user_id, endpoint }, desk.caller.t_ns);
    desk.rate = Some(state);
    if state.allowed { Ok(()) } else { Err(ApiError::too_many_requests()) }
}

/// The key that signed the call: `event\nchannel\nreq_param\ntimestamp`, with `req_param` exactly as it was sent, be it
/// absent, `""` or `{}`.
fn signer<'a>(call: &ApiCall, context: &'a EntryContext<'_>) -> Result<(&'a ApiKey, u64), ApiError> {
    let missing = |name: &str| ApiError::missing_param(name);
    let name = call.api_key.as_deref().ok_or_else(|| missing("api_key"))?;
    let signature = call.signature.as_deref().ok_or_else(|| missing("signature"))?;
    let timestamp = call.timestamp.as_deref().ok_or_else(|| missing("timestamp"))?;
    check_clock(parse_seconds(timestamp), context.config.clock_ns(context.t_ns))?;
    let (key, user_id) = find_key(name, context)?;
    let message = format!("api\n{}\n{}\n{timestamp}", call.channel, call.param_text);
    if !signature_matches(&key.secret, message.as_bytes(), signature) {
        return Err(ApiError::invalid_signature());
    }
    Ok((key, user_id))
}

fn find_key<'a>(name: &str, context: &'a EntryContext<'_>) -> Result<(&'a ApiKey, u64), ApiError> {
    let keys = context.config.users.iter().flat_map(|user| user.keys.iter().map(|key| (key, user.user_id)));
    keys.into_iter().find(|(key, _)| key.key == name).ok_or_else(ApiError::invalid_key)
}

/// Text of a client as it came; nothing when it is no JSON, which a frame that was read cannot be.
fn raw(text: &str) -> Option<&RawValue> {
    serde_json::from_str(text).ok()
}

fn json_of<T: Serialize>(name: &str, value: &T) -> Box<RawValue> {
    let text = format!("{{\"{name}\":{}}}", to_json(value));
    RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

#[derive(Serialize)]
struct Echo<'a> {
    req_id: &'a str,
    req_header: Option<&'a RawValue>,
    req_param: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Reply<'a> {
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ack: Option<bool>,
    header: Header<'a>,
    data: Box<RawValue>,
}

#[derive(Serialize)]
struct Header<'a> {
    response_time: String,
    status: String,
    channel: &'a str,
    event: &'a str,
    client_id: String,
    conn_id: String,
    conn_trace_id: String,
    trace_id: String,
    x_in_time: u64,
    x_out_time: u64,
    #[serde(rename = "x_gate_ratelimit_requests_remain", skip_serializing_if = "Option::is_none")]
    remain: Option<u32>,
    #[serde(rename = "x_gate_ratelimit_limit", skip_serializing_if = "Option::is_none")]
    limit: Option<u32>,
    #[serde(rename = "x_gate_ratelimit_reset_timestamp", skip_serializing_if = "Option::is_none")]
    reset_s: Option<u64>,
}
