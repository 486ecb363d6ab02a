//! Requests and answers of the WebSocket, as JSON (Gate API v4, WebSocket frames).
//!
//! [`Request::parse`] reads what a client sent; [`Reply`] and [`push`] write what the venue says. Field order and types are
//! Gate's: `time` is an integer of seconds, `time_ms` of milliseconds, `error` appears only when there is one.

use serde::Serialize;
use serde_json::Value;

/// Codes of `error.code`.
pub(super) mod code {
    /// The request's body is malformed.
    pub(in crate::gate) const MALFORMED: i32 = 1;
    /// An argument is invalid.
    pub(in crate::gate) const ARGUMENT: i32 = 2;
    /// Authentication failed.
    pub(in crate::gate) const AUTHENTICATION: i32 = 4;
}

/// Names one subscription request may carry: bounds the work one frame can cause.
pub(super) const PAYLOAD_MAX: usize = 1_024;

/// A client's frame, checked for shape only.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Request {
    /// Unix seconds; absent in some pings.
    pub(super) time_s: Option<i64>,
    /// Echoed as it came.
    pub(super) id: Option<Value>,
    /// `spot.…`.
    pub(super) channel: String,
    /// `subscribe`, `unsubscribe`, or empty for pings.
    pub(super) event: String,
    /// Elements of `payload`; every one is a string.
    pub(super) payload: Vec<String>,
    /// Signature of private channels.
    pub(super) auth: Option<Auth>,
}

/// The `auth` object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Auth {
    /// `api_key`.
    pub(super) method: String,
    /// The key.
    pub(super) key: String,
    /// Lower-case hex.
    pub(super) sign: String,
}

/// A frame that cannot be answered on a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    /// What the client is told, with code 1.
    pub(super) message: &'static str,
}

impl Request {
    /// Reads a text frame. Never panics, whatever the text.
    ///
    /// # Errors
    /// [`Malformed`] when the text is not JSON or not a request.
    pub(super) fn parse(text: &str) -> Result<Request, Malformed> {
        let value: Value = serde_json::from_str(text).map_err(|_| Malformed { message: "request message need json scheme" })?;
        let Value::Object(fields) = value else { return Err(Malformed { message: "request message need json scheme" }) };
        let text_of = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let channel = text_of("channel");
        if channel.is_empty() {
            return Err(Malformed { message: "channel is required" });
        }
        let payload = match fields.get("payload") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(items)) if items.len() <= PAYLOAD_MAX => items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect::<Option<Vec<String>>>()
                .ok_or(Malformed { message: "payload must be an array of strings" })?,
            Some(Value::Array(_)) => return Err(Malformed { message: "payload is too long" }),
            Some(_) => return Err(Malformed { message: "payload must be an array of strings" }),
        };
        let auth = fields.get("auth").and_then(Value::as_object).map(|auth| {
            let text_of = |name: &str| auth.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            Auth { method: text_of("method"), key: text_of("KEY"), sign: text_of("SIGN") }
        });
        let time_s = fields.get("time").and_then(Value::as_i64);
        let id = fields.get("id").filter(|id| id.is_number()).cloned();
        Ok(Request { time_s, id, channel, event: text_of("event"), payload, auth })
    }
}

/// An answer to a request.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Reply<'a> {
    /// Unix seconds.
    pub(super) time: u64,
    /// Unix milliseconds.
    pub(super) time_ms: u64,
    /// The request's `id`, if it had one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'a Value>,
    /// Names the connection.
    pub(super) conn_id: String,
    /// Names the exchange of messages in the venue's logs.
    pub(super) trace_id: String,
    /// The request's channel.
    pub(super) channel: &'a str,
    /// The request's event.
    pub(super) event: &'a str,
    /// The request's payload.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(super) payload: &'a [String],
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<ReplyError>,
    /// `{"status": "success" | "fail"}`, or null for pongs.
    pub(super) result: Option<Status>,
    /// As `trace_id`; Gate sends both.
    #[serde(rename = "requestId")]
    pub(super) request_id: String,
}

/// The `error` of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct ReplyError {
    /// One of [`code`].
    pub(super) code: i32,
    /// Free text.
    pub(super) message: String,
}

/// The `result` of an answer.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Status {
    /// `success` or `fail`.
    pub(super) status: &'static str,
}

#[derive(Serialize)]
struct Push<'a, R> {
    time: u64,
    time_ms: u64,
    channel: &'a str,
    event: &'a str,
    result: R,
}

/// An `update` frame of `channel`, stamped `t_ns`.
pub(super) fn push<R: Serialize>(channel: &str, t_ns: u64, result: R) -> String {
    let frame = Push { time: t_ns / 1_000_000_000, time_ms: t_ns / 1_000_000, channel, event: "update", result };
    to_json(&frame)
}

/// JSON text of a value made by this crate.
pub(super) fn to_json<T: Serialize>(value: &T) -> String {
    // Only maps with keys that are not strings can fail to become JSON, and no type here has one.
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read() {
        let text = r#"{"time":1700000000,"id":7,"channel":"spot.orders","event":"subscribe","payload":["BTC_USDT"],"auth":{"method":"api_key","KEY":"k","SIGN":"s"}}"#;
        let request = Request::parse(text).expect("well formed");
        assert_eq!(request.time_s, Some(1_700_000_000));
        assert_eq!((request.channel.as_str(), request.event.as_str()), ("spot.orders", "subscribe"));
        assert_eq!(request.payload, ["BTC_USDT"]);
        let auth = request.auth.expect("auth");
        assert_eq!((auth.method.as_str(), auth.key.as_str(), auth.sign.as_str()), ("api_key", "k", "s"));
    }

    #[test]
    fn what_is_not_a_request_is_named() {
        let rows = [
            ("hello", "request message need json scheme"),
            ("[1]", "request message need json scheme"),
            ("", "request message need json scheme"),
            ("{}", "channel is required"),
            (r#"{"channel":5}"#, "channel is required"),
            (r#"{"channel":"spot.trades","payload":"BTC_USDT"}"#, "payload must be an array of strings"),
            (r#"{"channel":"spot.order_book","payload":["BTC_USDT",5,"100ms"]}"#, "payload must be an array of strings"),
        ];
        for (text, message) in rows {
            assert_eq!(Request::parse(text), Err(Malformed { message }), "{text}");
        }
        let long = format!(r#"{{"channel":"spot.trades","payload":[{}"x"]}}"#, r#""x","#.repeat(PAYLOAD_MAX));
        assert_eq!(Request::parse(&long), Err(Malformed { message: "payload is too long" }));
    }
}
