//! WebSocket order entry (Gate API v4, WebSocket order entry): the frames we send, and the replies.
//!
//! A reply carries its channel in `header.channel` and our correlation in `request_id`; there is no top-level `channel`. A frame with
//! `ack: true` is the gateway's receipt of the request and says nothing about the order. The reply proper has a result or, in
//! `data.errs`, a label; `header.status` is an HTTP code, as text.
//!
//! Start at [`Decoder::entry_frame`] and [`request`]. The correlation is readable even where the result is not: an answer whose result
//! can't be read still ends its request, as an unknown outcome.

use super::bodies::ErrorLabel;
use super::encode::escaped;
use super::json::{FRAME_BYTES_MAX, Object, Value, fields, object, optional_flag, optional_text, text};
use super::rows::{self, OrderRow, Stamp};
use super::{Decoder, PairNames, Reject};
use crate::rest::limits;
use crate::sign::Signer;
use domain::{FrameReject, MonoNanos, OrderSource, OrderUpdate};
use simd_json::prelude::*;
use venue::rate_limit::RateNews;

/// Rows that one reply may have.
const ROWS_MAX: usize = 1000;
/// Characters kept of a label or id out of a reply.
const LABEL_CHARS_MAX: usize = 64;
/// Orders that one `spot.order_cancel_ids` may name (Gate API v4, batch cancel).
pub const CANCEL_IDS_MAX: usize = 20;
/// What our correlations begin with.
const REQUEST_PREFIX: char = 'r';

/// Channels of order entry that are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryChannel {
    /// `spot.login`: once per connection, before anything else.
    Login,
    /// `spot.order_place`.
    Place,
    /// `spot.order_cancel`: one order.
    Cancel,
    /// `spot.order_cancel_ids`: up to [`CANCEL_IDS_MAX`] orders of any pairs.
    CancelIds,
    /// `spot.order_cancel_cp`: every order of a pair.
    CancelPair,
    /// `spot.order_amend`.
    Amend,
    /// `spot.order_status`.
    Status,
}

impl EntryChannel {
    const ALL: [EntryChannel; 7] = [
        EntryChannel::Login,
        EntryChannel::Place,
        EntryChannel::Cancel,
        EntryChannel::CancelIds,
        EntryChannel::CancelPair,
        EntryChannel::Amend,
        EntryChannel::Status,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            EntryChannel::Login => "spot.login",
            EntryChannel::Place => "spot.order_place",
            EntryChannel::Cancel => "spot.order_cancel",
            EntryChannel::CancelIds => "spot.order_cancel_ids",
            EntryChannel::CancelPair => "spot.order_cancel_cp",
            EntryChannel::Amend => "spot.order_amend",
            EntryChannel::Status => "spot.order_status",
        }
    }

    fn parse(text: &str) -> Option<EntryChannel> {
        EntryChannel::ALL.into_iter().find(|channel| channel.as_str() == text)
    }
}

/// The two forms of a login that are in use: the documented one leaves `req_param` out and signs the empty text, the official SDK
/// sends `{}` and signs that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginForm {
    /// As documented.
    Empty,
    /// As the SDK.
    Braces,
}

impl LoginForm {
    /// The other one.
    pub const fn other(self) -> LoginForm {
        match self {
            LoginForm::Empty => LoginForm::Braces,
            LoginForm::Braces => LoginForm::Empty,
        }
    }
}

/// A login frame, signed for `time_s` (the venue's time, seconds): it can't be kept for later.
pub fn login(number: u64, time_s: i64, signer: &Signer, form: LoginForm) -> String {
    let (param, member) = match form {
        LoginForm::Empty => ("", ""),
        LoginForm::Braces => ("{}", r#","req_param":{}"#),
    };
    let signature = signer.api_request(EntryChannel::Login.as_str(), param, &time_s.to_string());
    format!(
        r#"{{"time":{time_s},"channel":"spot.login","event":"api","payload":{{"req_id":"{REQUEST_PREFIX}{number}","api_key":"{}","signature":"{signature}","timestamp":"{time_s}"{member}}}}}"#,
        escaped(signer.key())
    )
}

/// A request frame. `param` is its JSON text, `expires_ms` the venue time after which the gateway must refuse it.
pub fn request(channel: EntryChannel, number: u64, time_s: i64, param: &str, expires_ms: Option<i64>) -> String {
    let name = channel.as_str();
    let header = expires_ms.map(|at| format!(r#","req_header":{{"x-gate-exptime":"{at}"}}"#)).unwrap_or_default();
    format!(
        r#"{{"time":{time_s},"channel":"{name}","event":"api","payload":{{"req_id":"{REQUEST_PREFIX}{number}","req_param":{param}{header}}}}}"#
    )
}

/// One frame of the order-entry link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryFrame {
    /// A reply to a request.
    Reply(EntryReply),
    /// The answer to an application ping.
    Pong,
    /// The venue asks for a new connection: this one will be closed for maintenance.
    Upgrade,
    /// Another known kind of frame.
    Ignored,
}

/// A reply, or the receipt before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryReply {
    /// Our correlation, if the reply carries one of ours.
    pub number: Option<u64>,
    /// Its channel, if it is one that we use.
    pub channel: Option<EntryChannel>,
    /// HTTP status; zero when it can't be read.
    pub status: u16,
    /// What the header says about the rate limit.
    pub rate: RateNews,
    /// What it says.
    pub body: EntryBody,
}

/// What a reply says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryBody {
    /// The gateway has the request: no news about any order.
    Receipt,
    /// The connection may trade.
    LoggedIn,
    /// Refused or failed.
    Failed(Option<ErrorLabel>),
    /// One order; `None` when it stands on a pair that is not configured.
    Order(Result<Option<OrderRow>, Reject>),
    /// What became of each named order.
    CancelIds(Result<Vec<CancelledId>, Reject>),
    /// The orders of a pair.
    CancelPair(Result<Vec<OrderUpdate>, Reject>),
    /// The result of a channel that is not used.
    Other,
}

/// One row of the reply to `spot.order_cancel_ids`. It says nothing about executions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelledId {
    /// The id as it was sent, or as the venue has it.
    pub id: String,
    /// The order's `text`, where told.
    pub text: Option<String>,
    /// Whether the cancel was taken; absent counts as not.
    pub succeeded: bool,
    /// Why not.
    pub label: Option<String>,
}

impl Decoder {
    /// Decodes one text frame of an order-entry link, received at `received`. Rows carry `received` as the time they were asked for:
    /// the caller knows when that was.
    ///
    /// # Errors
    /// [`Reject`] for anything that is neither a reply, a pong nor a notice.
    pub fn entry_frame(&mut self, bytes: &mut [u8], received: MonoNanos) -> Result<EntryFrame, Reject> {
        let Decoder { names, reader, .. } = self;
        reader.read(bytes, FRAME_BYTES_MAX, |root| frame(&root, names, received))
    }
}

fn frame(root: &Value<'_, '_>, names: &PairNames, received: MonoNanos) -> Result<EntryFrame, Reject> {
    let root = object(root, "frame")?;
    fields!(root,
        "header" => header, "request_id" => number, "ack" => ack, "data" => data, "channel" => channel, "event" => event,
        "result" => result, "error" => error);
    let Some(header) = header else { return notice(channel, event, result, error.is_some()) };
    let rate = limits::from_ws(&header);
    let header = object(&header, "header")?;
    fields!(header, "channel" => channel, "status" => status);
    let channel = channel.and_then(|name| EntryChannel::parse(name.as_str()?));
    let status = status.and_then(|status| status.as_u64().or_else(|| status.as_str()?.trim().parse().ok()));
    let status = status.and_then(|status| u16::try_from(status).ok()).unwrap_or(0);
    let number = number.and_then(|id| id.as_str()?.strip_prefix(REQUEST_PREFIX)?.parse().ok());
    let body = body(channel, status, ack.and_then(|ack| ack.as_bool()).unwrap_or(false), data, names, received);
    Ok(EntryFrame::Reply(EntryReply { number, channel, status, rate, body }))
}

/// A frame that is no reply: a pong, or a notice of the venue.
fn notice(
    channel: Option<Value<'_, '_>>,
    event: Option<Value<'_, '_>>,
    result: Option<Value<'_, '_>>,
    failed: bool,
) -> Result<EntryFrame, Reject> {
    if failed {
        return Err(Reject::new(FrameReject::VenueError, "error"));
    }
    match text(channel, "channel")? {
        "spot.pong" => Ok(EntryFrame::Pong),
        "spot.system" => {
            let kind = result.and_then(|result| Some(result.as_object()?.get("type")?.as_str()?.to_owned()));
            let upgrade = kind.as_deref() == Some("upgrade") || optional_text(event, "event")? == Some("upgrade");
            Ok(if upgrade { EntryFrame::Upgrade } else { EntryFrame::Ignored })
        }
        _ => Err(Reject::shape("channel")),
    }
}

fn body(
    channel: Option<EntryChannel>,
    status: u16,
    receipt: bool,
    data: Option<Value<'_, '_>>,
    names: &PairNames,
    received: MonoNanos,
) -> EntryBody {
    let data = data.as_ref().and_then(|data| data.as_object());
    let member = |name: &str| data.as_ref().and_then(|data| data.get(name)).filter(|value| !super::json::is_null(value));
    let success = (200..300).contains(&status);
    if let Some(errs) = member("errs") {
        let empty = errs.as_object().is_some_and(|errs| errs.is_empty());
        if !(success && empty) {
            return EntryBody::Failed(errs.as_object().and_then(|errs| label_of(&errs)));
        }
    }
    if receipt {
        return EntryBody::Receipt;
    }
    if !success {
        return EntryBody::Failed(None);
    }
    let result = || member("result").ok_or(Reject::missing("result"));
    let source = if channel == Some(EntryChannel::Status) { OrderSource::Query } else { OrderSource::Reply };
    let stamp = Stamp { source, received, requested: received };
    match channel {
        Some(EntryChannel::Login) => EntryBody::LoggedIn,
        Some(EntryChannel::Place | EntryChannel::Cancel | EntryChannel::Amend | EntryChannel::Status) => {
            EntryBody::Order(result().and_then(|result| rows::order(&result, names, stamp)))
        }
        Some(EntryChannel::CancelIds) => {
            EntryBody::CancelIds(result().and_then(|result| {
                rows::list(&result, ROWS_MAX, "result", |row| cancelled_id(row).map(Some)).map(|(list, _)| list)
            }))
        }
        Some(EntryChannel::CancelPair) => EntryBody::CancelPair(result().and_then(|result| {
            rows::list(&result, ROWS_MAX, "result", |row| rows::cancelled(row, names, stamp)).map(|(list, _)| list)
        })),
        None => EntryBody::Other,
    }
}

fn cancelled_id(row: &Value<'_, '_>) -> Result<CancelledId, Reject> {
    fields!(object(row, "row")?, "id" => id, "text" => client_text, "succeeded" => succeeded, "label" => label);
    let cut = |text: &str| text.chars().take(LABEL_CHARS_MAX).collect::<String>();
    let optional = |value, what| Ok(optional_text(value, what)?.filter(|text| !text.is_empty()).map(cut));
    Ok(CancelledId {
        id: cut(text(id, "id")?),
        text: optional(client_text, "text")?,
        succeeded: optional_flag(succeeded, "succeeded")?.unwrap_or(false),
        label: optional(label, "label")?,
    })
}

/// The label of a failure: its own field, or else the one that its message begins with (`label: X, message: Y`, as captured).
fn label_of(errs: &Object<'_, '_>) -> Option<ErrorLabel> {
    let field = |name: &str| errs.get(name).and_then(|value| value.into_string()).map(str::trim).filter(|text| !text.is_empty());
    let label = field("label").or_else(|| label_in(field("message")?))?;
    Some(ErrorLabel(label.chars().take(LABEL_CHARS_MAX).collect()))
}

fn label_in(message: &str) -> Option<&str> {
    let rest = message.strip_prefix("label:")?.trim_start();
    let label = rest.split([',', ' ']).next()?;
    let plain = !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    plain.then_some(label)
}

#[cfg(test)]
#[path = "order_entry_tests.rs"]
mod tests;
