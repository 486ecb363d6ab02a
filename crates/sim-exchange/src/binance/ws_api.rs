//! The WebSocket API: requests, sessions and private events on one socket (Binance spot API, WebSocket API).
//!
//! Start at [`WsApi::answer`] and [`WsApi::tell`]. A session is logged on with an Ed25519 key; afterwards requests need neither
//! key nor signature, only a timestamp. Private events go to whoever subscribed, by the session's key or by a signed
//! subscription.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    Call, Caller,
    auth::{self, Signed},
    endpoints::{Endpoint, Security},
    error::ApiError,
    events::{News, Topic},
    params::Params,
    rows::Stamp,
};
use crate::{
    core::AccountId,
    faults::{
        Faults,
        private::{PrivateFate, PrivateOrder},
        take_one,
    },
    timing::{Delays, Jitter},
};

/// A private frame that waits for the one behind it leaves after this long even if none comes.
const HELD_MAX_NS: u64 = 500_000_000;
/// The second copy of a doubled private frame is this late.
const DOUBLE_AFTER_NS: u64 = 3_000_000;

/// A frame on its way.
#[derive(Clone, Debug)]
pub(super) struct Departing {
    pub(super) at_ns: u64,
    pub(super) conn: u64,
    pub(super) text: String,
}

/// A key that logged on.
#[derive(Clone, Debug)]
struct Logon {
    key: String,
    since_ns: u64,
}

#[derive(Clone, Debug, Default)]
struct Session {
    micros: bool,
    shows_limits: bool,
    opened_ns: u64,
    logon: Option<Logon>,
    /// Subscriptions by number; whether they end with the logon.
    subscriptions: BTreeMap<u64, (AccountId, bool)>,
    next_subscription: u64,
    /// A private frame that waits for the one behind it, and until when.
    held: Option<(u64, String)>,
}

/// All sessions of one venue.
#[derive(Debug, Default)]
pub(super) struct WsApi {
    sessions: BTreeMap<u64, Session>,
    orders_accepted: u64,
    private_order: PrivateOrder,
    /// The last result about one order, for the fault that gives it again.
    answered: Option<Value>,
}

/// What becomes of a request.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// The reply, unless it is lost.
    pub(super) text: Option<String>,
    /// It changed orders.
    pub(super) is_write: bool,
    /// The socket is cut before the reply leaves.
    pub(super) is_cut: bool,
}

impl WsApi {
    pub(super) fn open(&mut self, conn: u64, micros: bool, shows_limits: bool, t_ns: u64) {
        self.sessions.insert(conn, Session { micros, shows_limits, opened_ns: t_ns, ..Session::default() });
    }

    pub(super) fn closed(&mut self, conn: u64) {
        self.sessions.remove(&conn);
    }

    /// Whether this is a socket of the WebSocket API.
    pub(super) fn has(&self, conn: u64) -> bool {
        self.sessions.contains_key(&conn)
    }

    /// Logs every session out, and ends what was subscribed through its logon.
    pub(super) fn expire_logons(&mut self, t_ns: u64, stamp: Stamp) -> Vec<Departing> {
        let mut frames = Vec::new();
        for (conn, session) in &mut self.sessions {
            frames.extend(log_out(*conn, session, t_ns, stamp));
        }
        frames
    }

    /// Handles one request. What it does to the exchange happens now.
    pub(super) fn answer(&mut self, conn: u64, text: &str, call: &mut Call<'_>) -> (Answer, Vec<Departing>) {
        let mut more = Vec::new();
        let request: Option<Value> = serde_json::from_str(text).ok().filter(Value::is_object);
        let id = request.as_ref().and_then(|request| request.get("id")).filter(|id| id.is_string() || id.is_i64() || id.is_u64());
        let id = id.cloned().unwrap_or(Value::Null);
        let method =
            request.as_ref().and_then(|request| request.get("method")).and_then(Value::as_str).unwrap_or_default().to_owned();
        let endpoint = Endpoint::of_ws(&method);
        let Some(session) = self.sessions.get_mut(&conn) else { return (Answer::default(), more) };
        call.stamp.micros = session.micros;
        let mut shows_limits = session.shows_limits;
        let mut user = None;
        let result = match &request {
            None => Err(ApiError::new(-1135, "Invalid JSON Request")),
            Some(_) if call.state.config.faults.maintenance => Err(ApiError::unavailable()),
            Some(request) => params_of(request).and_then(|params| {
                shows_limits = params.flag("returnRateLimits")?.unwrap_or(shows_limits);
                let weight = endpoint.map_or(2, |endpoint| endpoint.weight(&params));
                call.state.limits.charge(weight, call.t_ns)?;
                let Some(endpoint) = endpoint else {
                    return session_request(&method, conn, &params, session, call, &mut more);
                };
                let caller = caller_of(endpoint, &params, session, call)?;
                user = caller.map(|caller| caller.user_id);
                let row = endpoint.run(&params, call, caller)?;
                if endpoint.is_order_write() {
                    call.state.limits.give_back(weight, call.t_ns);
                }
                Ok(row)
            }),
        };
        let result = self.again(endpoint, result, &mut call.state.config.faults);
        let mut reply = match &result {
            Ok(row) => json!({"id": id, "status": 200, "result": row}),
            Err(error) => json!({"id": id, "status": error.status, "error": error.value()}),
        };
        if let Err(error) = &result
            && let Some(seconds) = error.retry_after_s.filter(|_| !call.state.config.faults.bare_refusals)
        {
            let until_ms = call.stamp.of(call.t_ns.saturating_add(seconds * 1_000_000_000));
            reply["error"]["data"] = json!({"serverTime": call.stamp.of(call.t_ns), "retryAfter": until_ms});
        }
        if shows_limits {
            let mut limits = Vec::new();
            if let Some(user) = user.filter(|_| endpoint.is_some_and(Endpoint::is_order_write)) {
                limits = call.state.limits.of_orders(user, call.t_ns);
            }
            limits.push(call.state.limits.of_weight(call.t_ns));
            reply["rateLimits"] = Value::Array(limits);
        }
        let is_write = endpoint.is_some_and(Endpoint::is_order_write);
        (self.faulted(reply.to_string(), is_write, call), more)
    }

    /// Gives the result before on one order once more, if a fault asks for it.
    fn again(
        &mut self,
        endpoint: Option<Endpoint>,
        result: Result<Value, ApiError>,
        faults: &mut Faults,
    ) -> Result<Value, ApiError> {
        if !endpoint.is_some_and(Endpoint::is_one_order) {
            return result;
        }
        let row = result?;
        let before = self.answered.replace(row.clone());
        Ok(before.filter(|_| take_one(&mut faults.stale_next_answers)).unwrap_or(row))
    }

    /// Applies the faults on replies to accepted orders.
    fn faulted(&mut self, text: String, is_write: bool, call: &mut Call<'_>) -> Answer {
        let numbers = self.orders_accepted + 1..=self.orders_accepted + call.accepted;
        self.orders_accepted += call.accepted;
        let faults = &mut call.state.config.faults;
        let strikes = |ordinals: &[u64]| ordinals.iter().any(|ordinal| numbers.contains(ordinal));
        // There is no receipt before the reply: what loses the reply alone loses everything.
        let is_lost = strikes(&faults.ws_drop_reply_after_order)
            || strikes(&faults.ws_ack_only_after_order)
            || call.accepted > 0 && take_one(&mut faults.lose_next_replies);
        Answer { text: (!is_lost).then_some(text), is_write, is_cut: strikes(&faults.ws_cut_after_order) }
    }

    /// Who is to hear these news, and when.
    pub(super) fn tell(
        &mut self,
        news: &[News],
        t_ns: u64,
        delays: &Delays,
        jitter: &mut Jitter,
        faults: &mut Faults,
    ) -> Vec<Departing> {
        let mut frames = Vec::new();
        if faults.is_mute() {
            return frames;
        }
        // One account's news stay in their order.
        let mut after_ns = t_ns;
        for piece in news {
            let delay = match piece.topic {
                Topic::Order => delays.orders_push,
                Topic::Fill => delays.usertrades_push,
                Topic::Balance => delays.balances_push,
            };
            let at_ns = t_ns.saturating_add(jitter.draw(delay)).max(after_ns);
            after_ns = at_ns;
            for (conn, session) in &mut self.sessions {
                let numbers: Vec<u64> = session
                    .subscriptions
                    .iter()
                    .filter(|(_, (account, _))| *account == piece.account)
                    .map(|(number, _)| *number)
                    .collect();
                for number in numbers {
                    let text = json!({"subscriptionId": number, "event": piece.texts[usize::from(session.micros)]}).to_string();
                    let fate = self.private_order.next(piece.topic == Topic::Fill, faults);
                    if fate == PrivateFate::Lost {
                        continue;
                    }
                    if fate == PrivateFate::Held && session.held.is_none() {
                        session.held = Some((at_ns.saturating_add(HELD_MAX_NS), text));
                        continue;
                    }
                    frames.push(Departing { at_ns, conn: *conn, text: text.clone() });
                    if fate == PrivateFate::Doubled {
                        frames.push(Departing { at_ns: at_ns.saturating_add(DOUBLE_AFTER_NS), conn: *conn, text });
                    }
                    if let Some((_, text)) = session.held.take() {
                        frames.push(Departing { at_ns, conn: *conn, text });
                    }
                }
            }
        }
        frames
    }

    pub(super) fn next_due(&self) -> Option<u64> {
        self.sessions.values().filter_map(|session| session.held.as_ref().map(|(until_ns, _)| *until_ns)).min()
    }

    /// Lets go of frames that waited long enough.
    pub(super) fn step(&mut self, t_ns: u64) -> Vec<Departing> {
        let mut frames = Vec::new();
        for (conn, session) in &mut self.sessions {
            if let Some((_, text)) = session.held.take_if(|(until_ns, _)| *until_ns <= t_ns) {
                frames.push(Departing { at_ns: t_ns, conn: *conn, text });
            }
        }
        frames
    }
}

fn params_of(request: &Value) -> Result<Params, ApiError> {
    let none = Map::new();
    match request.get("params") {
        None | Some(Value::Null) => Params::from_json(&none),
        Some(Value::Object(fields)) => Params::from_json(fields),
        Some(_) => Err(ApiError::new(-1135, "Invalid JSON Request")),
    }
}

/// Who asks: whoever signed, or the session's key when the request names none.
fn caller_of(endpoint: Endpoint, params: &Params, session: &Session, call: &Call<'_>) -> Result<Option<Caller>, ApiError> {
    let security = endpoint.security();
    if security == Security::Public {
        return Ok(None);
    }
    let clock_ns = call.state.clock_ns(call.t_ns);
    let keys = &call.state.config.keys;
    let key = match (&session.logon, params.has("apiKey")) {
        (Some(logon), false) => {
            auth::check_time(params, clock_ns)?;
            auth::find(Some(&logon.key), keys)?
        }
        _ => auth::verify(params.get("apiKey")?, &Signed::of_params(params), params, keys, clock_ns)?,
    };
    call.caller(key, security).map(Some)
}

/// Requests about the session itself.
fn session_request(
    method: &str,
    conn: u64,
    params: &Params,
    session: &mut Session,
    call: &mut Call<'_>,
    more: &mut Vec<Departing>,
) -> Result<Value, ApiError> {
    let clock_ns = call.state.clock_ns(call.t_ns);
    let signer = |params: &Params| {
        let key = auth::verify(params.get("apiKey")?, &Signed::of_params(params), params, &call.state.config.keys, clock_ns)?;
        call.caller(key, Security::Signed).map(|caller| (key.clone(), caller))
    };
    match method.strip_prefix("v3/").unwrap_or(method) {
        "session.logon" => {
            let (key, _) = signer(params)?;
            params.finish()?;
            if !key.is_ed25519() {
                return Err(ApiError::new(-4056, "HMAC_SHA256 API key is not supported."));
            }
            session.logon = Some(Logon { key: key.key, since_ns: call.t_ns });
            Ok(status_of(session, call.stamp, call.t_ns))
        }
        "session.status" => {
            params.finish()?;
            Ok(status_of(session, call.stamp, call.t_ns))
        }
        "session.logout" => {
            params.finish()?;
            more.extend(log_out(conn, session, call.t_ns, call.stamp));
            Ok(status_of(session, call.stamp, call.t_ns))
        }
        "session.subscriptions" => {
            params.finish()?;
            Ok(session.subscriptions.keys().map(|number| json!({"subscriptionId": number})).collect())
        }
        "userDataStream.subscribe" => {
            params.finish()?;
            let logon = session.logon.as_ref().ok_or_else(auth::invalid_key)?;
            let key = auth::find(Some(&logon.key), &call.state.config.keys)?;
            let caller = call.caller(key, Security::Signed)?;
            if session.subscriptions.values().any(|(_, by_logon)| *by_logon) {
                return Err(ApiError::new(-2040, "Subscription is already active on this connection."));
            }
            Ok(subscribe(session, caller.account, true))
        }
        "userDataStream.subscribe.signature" => {
            let (_, caller) = signer(params)?;
            params.finish()?;
            Ok(subscribe(session, caller.account, false))
        }
        "userDataStream.unsubscribe" => {
            let number = params.number("subscriptionId")?;
            params.finish()?;
            match number {
                None => session.subscriptions.clear(),
                Some(number) => {
                    session
                        .subscriptions
                        .remove(&number)
                        .ok_or_else(|| ApiError::new(-1130, "Data sent for parameter 'subscriptionId' is not valid."))?;
                }
            }
            Ok(json!({}))
        }
        "userDataStream.start" | "userDataStream.ping" | "userDataStream.stop" => {
            Err(ApiError::new(-1016, "This service is no longer available.").with_status(410))
        }
        "" => Err(ApiError::missing("method")),
        _ => Err(ApiError::new(-1020, "This operation is not supported.")),
    }
}

fn subscribe(session: &mut Session, account: AccountId, by_logon: bool) -> Value {
    let number = session.next_subscription;
    session.next_subscription += 1;
    session.subscriptions.insert(number, (account, by_logon));
    json!({"subscriptionId": number})
}

fn log_out(conn: u64, session: &mut Session, t_ns: u64, stamp: Stamp) -> Vec<Departing> {
    session.logon = None;
    let stamp = Stamp { micros: session.micros, ..stamp };
    let ended: Vec<u64> =
        session.subscriptions.iter().filter(|(_, (_, by_logon))| *by_logon).map(|(number, _)| *number).collect();
    session.subscriptions.retain(|_, (_, by_logon)| !*by_logon);
    let frame = |number: u64| {
        let event = json!({"e": "eventStreamTerminated", "E": stamp.of(t_ns)});
        Departing { at_ns: t_ns, conn, text: json!({"subscriptionId": number, "event": event}).to_string() }
    };
    ended.into_iter().map(frame).collect()
}

fn status_of(session: &Session, stamp: Stamp, t_ns: u64) -> Value {
    json!({
        "apiKey": session.logon.as_ref().map(|logon| logon.key.clone()),
        "authorizedSince": session.logon.as_ref().map(|logon| stamp.of(logon.since_ns)),
        "connectedSince": stamp.of(session.opened_ns),
        "returnRateLimits": session.shows_limits,
        "serverTime": stamp.of(t_ns),
        "userDataStream": !session.subscriptions.is_empty(),
    })
}
