//! The dead-man switch over REST (Gate API v4, `/spot/countdown_cancel_all`). The exchange keeps and fires it.

use serde_json::{Value, json};

use super::{
    error::ApiError,
    orders::{Caller, optional_text},
    render::Symbols,
};
use crate::core::Exchange;

/// Shortest time to arm it with, seconds.
const TIMEOUT_MIN_S: u64 = 5;

/// POST `/spot/countdown_cancel_all`: arms the switch for `timeout` seconds from now, or disarms it with 0. Without a pair it
/// covers every market. Answers when it will fire, Unix milliseconds; 0 once disarmed.
///
/// # Errors
/// Refusals of the body: `timeout` must be there, and be 0 or at least 5.
pub(super) fn arm(body: &Value, caller: &Caller, exchange: &mut Exchange, symbols: &Symbols) -> Result<Value, ApiError> {
    let Value::Object(fields) = body else {
        return Err(ApiError::invalid_body("Invalid request body: not an object"));
    };
    let timeout_s = match fields.get("timeout") {
        None | Some(Value::Null) => return Err(ApiError::missing_param("timeout")),
        Some(value) => value.as_u64().filter(|s| *s == 0 || *s >= TIMEOUT_MIN_S),
    };
    let timeout_s = timeout_s.ok_or_else(|| ApiError::invalid_param("Invalid timeout: it is 0 or at least 5 seconds"))?;
    let pair = match optional_text(fields, "currency_pair")? {
        Some(name) => Some(symbols.find_pair(name).ok_or_else(|| ApiError::invalid_pair(name))?),
        None => None,
    };
    let trigger = (timeout_s > 0).then(|| caller.t_ns.saturating_add(timeout_s.saturating_mul(1_000_000_000)));
    exchange.arm_countdown(caller.account, pair, trigger);
    Ok(json!({"triggerTime": trigger.unwrap_or(0) / 1_000_000}))
}
