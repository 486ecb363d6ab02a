//! Order entry over WebSocket (Bybit API v5, WebSocket trade): one reply to each request, with the state of the limit in its
//! header.
//!
//! Start at [`answer`]. What a request does is the same as over REST, and so is what its reply means: received.

use serde_json::{Map, Value, json};

use super::{
    auth::{check_window, good_until_ms},
    config::BybitConfig,
    error::ApiError,
    orders::{self, BatchKind, Caller},
    rate::RateState,
    rest::RestDesk,
    stream::{TradeCall, conn_id},
    symbols::Symbols,
};
use crate::{
    core::{Exchange, OrderSource},
    faults::take_one,
    monitor::Monitor,
    timing::Jitter,
};

/// What a request's execution needs.
pub(super) struct TradeContext<'a> {
    pub(super) t_ns: u64,
    pub(super) config: &'a mut BybitConfig,
    pub(super) symbols: &'a Symbols,
    pub(super) jitter: &'a mut Jitter,
    pub(super) exchange: &'a mut Exchange,
    pub(super) monitor: &'a mut Monitor,
}

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// A frame, and when it leaves.
    Frame(u64, String),
    /// Nothing is said.
    Silence,
    /// The socket is cut before anything is said.
    Cut,
}

/// Orders accepted over WebSocket, for the faults that name one.
#[derive(Debug, Default)]
pub(super) struct TradeCount {
    accepted: u64,
}

/// A reply without its envelope: data, more of it for batches, the limit, and how many orders were accepted.
type Done = (Result<(Value, Option<Value>), ApiError>, Option<RateState>, u64);

/// Handles one request. What it does to the exchange happens now; what it says leaves later.
pub(super) fn answer(
    conn: u64,
    call: &TradeCall,
    desk: &mut RestDesk,
    count: &mut TradeCount,
    context: &mut TradeContext<'_>,
) -> Answer {
    let op = call.request.get("op").and_then(Value::as_str).unwrap_or_default();
    let (result, rate, accepted) = execute(op, call, desk, context);
    let is_order = result.is_ok();
    let delay = if is_order { context.config.delays.ws_order } else { context.config.delays.ws_reply };
    let at_ns = context.t_ns.saturating_add(context.jitter.draw(delay));
    let ms = |t_ns: u64| context.config.clock_ms(t_ns).to_string();
    let mut header = json!({"Traceid": format!("{:032x}", u128::from(context.t_ns) << 8), "Timenow": ms(at_ns)});
    if let Some(rate) = rate.filter(|_| !context.config.faults.bare_refusals) {
        header["X-Bapi-Limit"] = json!(rate.limit.to_string());
        header["X-Bapi-Limit-Status"] = json!(rate.left.to_string());
        header["X-Bapi-Limit-Reset-Timestamp"] = json!(ms(rate.reset_ns));
    }
    let mut reply = json!({"op": op, "header": header, "connId": conn_id(conn)});
    if let Some(id) = call.request.get("reqId") {
        reply["reqId"] = id.clone();
    }
    match result {
        Ok((data, more)) => {
            reply["retCode"] = json!(0);
            reply["retMsg"] = json!("OK");
            reply["data"] = data;
            if let Some(more) = more {
                reply["retExtInfo"] = more;
            }
        }
        Err(error) => {
            reply["retCode"] = json!(error.code);
            reply["retMsg"] = json!(error.message);
            reply["data"] = json!({});
        }
    }
    let numbers = count.accepted + 1..=count.accepted + accepted;
    count.accepted += accepted;
    let faults = &mut context.config.faults;
    let strikes = |ordinals: &[u64]| ordinals.iter().any(|ordinal| numbers.contains(ordinal));
    if strikes(&faults.ws_cut_after_order) {
        return Answer::Cut;
    }
    if strikes(&faults.ws_drop_reply_after_order) || accepted > 0 && take_one(&mut faults.lose_next_replies) {
        return Answer::Silence;
    }
    Answer::Frame(at_ns, reply.to_string())
}

fn execute(op: &str, call: &TradeCall, desk: &mut RestDesk, context: &mut TradeContext<'_>) -> Done {
    let refused = |error: ApiError| (Err(error), None, 0);
    let login = match &call.login {
        Ok(login) => login,
        Err(error) => return refused(error.clone()),
    };
    if context.config.faults.maintenance {
        return refused(ApiError::internal());
    }
    let (fields, good_until_ms) = match fields(op, &call.request, context) {
        Ok(read) => read,
        Err(error) => return refused(error),
    };
    if !login.key.may_trade() {
        return refused(ApiError::forbidden());
    }
    let caller = Caller {
        account: login.account,
        user_id: login.key.user_id,
        t_ns: context.t_ns,
        visibility: context.config.visibility,
        good_until_ms,
    };
    desk.limits.divide_by(context.config.faults.limits_divided_by);
    let mut desk = desk.desk(caller, OrderSource::WebSocket, context.config, context.symbols, context.exchange, context.monitor);
    let result = match op {
        "order.create" => orders::place(&fields, &mut desk).map(|data| (data, None)),
        "order.amend" => orders::amend(&fields, &mut desk).map(|data| (data, None)),
        "order.cancel" => orders::cancel(&fields, &mut desk).map(|data| (data, None)),
        "order.create-batch" => orders::batch(BatchKind::Place, &fields, &mut desk).map(|(data, more)| (data, Some(more))),
        "order.amend-batch" => orders::batch(BatchKind::Amend, &fields, &mut desk).map(|(data, more)| (data, Some(more))),
        "order.cancel-batch" => orders::batch(BatchKind::Cancel, &fields, &mut desk).map(|(data, more)| (data, Some(more))),
        _ => Err(ApiError::new(10_404, "op type is not found")),
    };
    (result, desk.rate, desk.accepted)
}

/// The one object of `args`, once the header's timestamp lies within its window, and until when that is, Unix milliseconds.
fn fields(
    op: &str,
    request: &Map<String, Value>,
    context: &TradeContext<'_>,
) -> Result<(Map<String, Value>, Option<u64>), ApiError> {
    if !op.starts_with("order.") {
        return Err(ApiError::new(10_404, "op type is not found"));
    }
    let word = |name: &str| match request.get("header").and_then(|header| header.get(name)) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let timestamp = word("X-BAPI-TIMESTAMP").ok_or_else(|| ApiError::missing("X-BAPI-TIMESTAMP"))?;
    let window = word("X-BAPI-RECV-WINDOW");
    check_window(&timestamp, window.as_deref(), context.config.clock_ms(context.t_ns))?;
    let fields = match request.get("args").and_then(Value::as_array).map(Vec::as_slice) {
        Some([Value::Object(fields)]) => fields.clone(),
        _ => return Err(ApiError::parameter("args must hold one object")),
    };
    if fields.get("category").and_then(Value::as_str).is_some_and(|category| category != "spot") {
        return Err(ApiError::new(10_404, "category is not supported"));
    }
    Ok((fields, good_until_ms(&timestamp, window.as_deref())))
}
