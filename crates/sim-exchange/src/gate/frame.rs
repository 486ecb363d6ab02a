//! Requests and answers of the WebSocket, as JSON (Gate API v4, WebSocket frames).
//!
//! [`Frame::parse`] reads what a client sent: a [`Request`] about channels, or an [`ApiCall`] of order entry. [`Reply`] and
//! [`push`] write what the venue says. Field order and types are Gate's: `time` is an integer of seconds, `time_ms` of
//! milliseconds, `error` appears only when there is one.

use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

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

/// What a client can say.
#[derive(Clone, Debug)]
pub(super) enum Frame {
    /// `subscribe`, `unsubscribe`, pings, and whatever else is not order entry.
    Request(Request),
    /// `event: "api"`.
    Api(ApiCall),
}

/// A call of order entry (Gate API v4, WebSocket trading), checked for shape only.
#[derive(Clone, Debug)]
pub(super) struct ApiCall {
    /// `spot.…`.
    pub(super) channel: String,
    /// The client's name of the call, as text; empty when it gave none.
    pub(super) req_id: String,
    /// The exact text of `req_param`: it is what a signature covers. Empty when absent.
    pub(super) param_text: String,
    /// The exact text of `req_header`, echoed by receipts.
    pub(super) header_text: Option<String>,
    /// `x-gate-exptime` of `req_header`, as sent.
    pub(super) exptime: Option<String>,
    /// `api_key`; a login needs it, and clients that sign each call repeat it.
    pub(super) api_key: Option<String>,
    /// `signature`, likewise.
    pub(super) signature: Option<String>,
    /// `timestamp` as sent, seconds.
    pub(super) timestamp: Option<String>,
}

#[derive(Deserialize)]
struct ApiEnvelope<'a> {
    #[serde(borrow)]
    payload: Option<ApiPayload<'a>>,
}

#[derive(Deserialize)]
struct ApiPayload<'a> {
    #[serde(default)]
    req_id: Value,
    #[serde(borrow)]
    req_param: Option<&'a RawValue>,
    #[serde(borrow)]
    req_header: Option<&'a RawValue>,
    #[serde(default)]
    api_key: Value,
    #[serde(default)]
    signature: Value,
    #[serde(default)]
    timestamp: Value,
}

impl Frame {
    /// Reads a text frame. Never panics, whatever the text.
    ///
    /// # Errors
    /// [`Malformed`] when the text is not JSON or not a request.
    pub(super) fn parse(text: &str) -> Result<Frame, Malformed> {
        let value: Value = serde_json::from_str(text).map_err(|_| Malformed::unread(NOT_JSON))?;
        if value.get("event").and_then(Value::as_str) == Some("api") {
            let call = ApiCall::read(text, &value).map(Frame::Api);
            return call.map_err(|message| Malformed { message, read: Request::outline(&value).map(Box::new) });
        }
        Request::read(value).map(Frame::Request)
    }
}

impl ApiCall {
    fn read(text: &str, value: &Value) -> Result<ApiCall, &'static str> {
        let channel = value.get("channel").and_then(Value::as_str).unwrap_or_default().to_owned();
        if channel.is_empty() {
            return Err("channel is required");
        }
        let envelope: ApiEnvelope<'_> = serde_json::from_str(text).map_err(|_| "payload must be an object")?;
        let payload = envelope.payload.ok_or("payload must be an object")?;
        let header_text = payload.req_header.map(|header| header.get().to_owned());
        let header: Option<Value> = header_text.as_deref().and_then(|text| serde_json::from_str(text).ok());
        let exptime = header.as_ref().and_then(|header| header.as_object()).and_then(|fields| {
            let named = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-gate-exptime"));
            named.and_then(|(_, value)| word(value))
        });
        Ok(ApiCall {
            channel,
            req_id: word(&payload.req_id).unwrap_or_default(),
            param_text: payload.req_param.map(|param| param.get().to_owned()).unwrap_or_default(),
            header_text,
            exptime,
            api_key: word(&payload.api_key),
            signature: word(&payload.signature),
            timestamp: word(&payload.timestamp),
        })
    }
}

/// Text, or a number as its text; `None` for anything else and for empty text.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

const NOT_JSON: &str = "request message need json scheme";

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

/// A frame that is no request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Malformed {
    /// What the client is told, with code 1.
    pub(super) message: &'static str,
    /// As much of the request as could be read: its channel, event and id are echoed.
    pub(super) read: Option<Box<Request>>,
}

impl Malformed {
    /// Nothing could be read.
    const fn unread(message: &'static str) -> Malformed {
        Malformed { message, read: None }
    }
}

impl Request {
    fn read(value: Value) -> Result<Request, Malformed> {
        let mut request = Request::outline(&value).ok_or(Malformed::unread(NOT_JSON))?;
        if request.channel.is_empty() {
            return Err(Malformed::unread("channel is required"));
        }
        let malformed = |request, message| Err(Malformed { message, read: Some(Box::new(request)) });
        match value.get("payload") {
            None | Some(Value::Null) => {}
            // Clients send these where a channel takes no payload; a channel that needs one will say so.
            Some(Value::Object(fields)) if fields.is_empty() => {}
            Some(Value::String(text)) if text.is_empty() => {}
            Some(Value::Array(items)) if items.len() > PAYLOAD_MAX => return malformed(request, "payload is too long"),
            Some(Value::Array(items)) => match items.iter().map(|item| item.as_str().map(str::to_owned)).collect() {
                Some(payload) => request.payload = payload,
                None => return malformed(request, "payload must be an array of strings"),
            },
            Some(_) => return malformed(request, "payload must be an array of strings"),
        }
        Ok(request)
    }

    /// Everything but the payload; nothing when the frame is no object.
    fn outline(value: &Value) -> Option<Request> {
        let fields = value.as_object()?;
        let text_of = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let auth = fields.get("auth").and_then(Value::as_object).map(|auth| {
            let text_of = |name: &str| auth.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            Auth { method: text_of("method"), key: text_of("KEY"), sign: text_of("SIGN") }
        });
        Some(Request {
            time_s: fields.get("time").and_then(Value::as_i64),
            id: fields.get("id").filter(|id| id.is_number() || id.is_string()).cloned(),
            channel: text_of("channel"),
            event: text_of("event"),
            payload: Vec::new(),
            auth,
        })
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
    fn calls_of_order_entry_keep_the_text_that_was_signed() {
        let text = r#"{"time":1,"id":"9","channel":"spot.order_place","event":"api","payload":{"req_id":"a-1","req_param":{"b": "1",  "a":2},"req_header":{"X-Gate-Exptime":"17"},"timestamp":1700000000}}"#;
        let Ok(Frame::Api(call)) = Frame::parse(text) else { panic!("a call") };
        assert_eq!((call.channel.as_str(), call.req_id.as_str()), ("spot.order_place", "a-1"));
        assert_eq!(call.param_text, r#"{"b": "1",  "a":2}"#);
        assert_eq!(call.header_text.as_deref(), Some(r#"{"X-Gate-Exptime":"17"}"#));
        assert_eq!((call.exptime.as_deref(), call.timestamp.as_deref()), (Some("17"), Some("1700000000")));
        assert_eq!((call.api_key, call.signature), (None, None));
        let Ok(Frame::Api(bare)) = Frame::parse(r#"{"channel":"spot.login","event":"api","payload":{"req_id":7}}"#) else {
            panic!("a call")
        };
        assert_eq!((bare.req_id.as_str(), bare.param_text.as_str()), ("7", ""));
        for bad in [r#"{"event":"api"}"#, r#"{"channel":"spot.login","event":"api","payload":[1]}"#] {
            assert!(Frame::parse(bad).is_err(), "{bad}");
        }
    }

    fn request(text: &str) -> Result<Request, Malformed> {
        match Frame::parse(text)? {
            Frame::Request(request) => Ok(request),
            Frame::Api(call) => panic!("{call:?}"),
        }
    }

    #[test]
    fn requests_are_read() {
        let text = r#"{"time":1700000000,"id":7,"channel":"spot.orders","event":"subscribe","payload":["BTC_USDT"],"auth":{"method":"api_key","KEY":"k","SIGN":"s"}}"#;
        let request = request(text).expect("well formed");
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
            assert_eq!(request(text).map_err(|malformed| malformed.message), Err(message), "{text}");
        }
        let long = format!(r#"{{"channel":"spot.trades","payload":[{}"x"]}}"#, r#""x","#.repeat(PAYLOAD_MAX));
        let refused = request(&long).expect_err("too long");
        assert_eq!(refused.message, "payload is too long");
        assert_eq!(refused.read.map(|read| read.channel).as_deref(), Some("spot.trades"), "the channel is echoed");
        for empty in ["{}", "\"\"", "[]", "null"] {
            let text = format!(r#"{{"channel":"spot.balances","event":"subscribe","payload":{empty}}}"#);
            assert_eq!(request(&text).map(|request| request.payload), Ok(Vec::new()), "{empty}");
        }
    }
}
