//! Frames of the WebSocket API: answers to requests, and events of the account, on one kind of connection (Binance WebSocket API).
//!
//! An answer carries our number and does not say what it answers: its result tells by its shape. A status is what HTTP would have
//! answered. Events that exist and are not used are ignored.

use super::bodies::{ErrorBody, error_of};
use super::{Decoder, FRAME_BYTES_MAX, PairNames, Reject, Scope, rows};
use domain::{FrameReject, MonoNanos, OrderSource, OrderUpdate, UnixNanos};
use simd_json::prelude::*;
use venue::desk::rows::{OrderRow, Stamp};
use venue::desk::wire::{PrivateNews, PrivateTold};
use venue::fields;
use venue::json::{Object, Value, items, object, required, text, whole_millis};
use venue::rate_limit::RateNews;

/// Rows that an answer or an event may have.
const ROWS_MAX: usize = 2000;
/// Limits that an answer may tell of.
const LIMITS_MAX: usize = 32;

/// One frame of the WebSocket API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiFrame {
    /// The answer to a request.
    Reply(ApiReply),
    /// Something that was told unasked.
    Event(PrivateNews),
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiReply {
    /// Our number, if it carries one of ours.
    pub number: Option<u64>,
    /// What HTTP would have answered.
    pub status: u16,
    /// Code and message of a failure.
    pub error: Option<ErrorBody>,
    /// Head-room as told with it; when it refuses for a limit, until when.
    pub rate: RateNews,
    /// What it says.
    pub result: ApiResult,
}

/// What an answer says, by its shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiResult {
    /// The connection is logged in.
    LoggedIn,
    /// One order; `None` on a pair that is not configured.
    Order(Result<Option<OrderRow>, Reject>),
    /// The orders of a pair, as they were cancelled.
    Orders(Result<Vec<OrderUpdate>, Reject>),
    /// Anything else, and nothing.
    Other,
}

impl Decoder {
    /// Decodes one text frame of a WebSocket API connection, which came at `received`.
    ///
    /// # Errors
    /// [`Reject`] for any other shape: news of the account may be missing then.
    pub fn api_frame(&mut self, bytes: &mut [u8], received: MonoNanos) -> Result<ApiFrame, Reject> {
        let Decoder { names, reader } = self;
        let read = reader.read(bytes, FRAME_BYTES_MAX, |root| api_frame(&root, names, received));
        read.map_err(|reject| reject.within(Scope::Private))
    }
}

fn api_frame(root: &Value<'_, '_>, names: &PairNames, received: MonoNanos) -> Result<ApiFrame, Reject> {
    let frame = object(root, "frame")?;
    fields!(frame,
        "id" => id, "status" => status, "result" => result, "error" => error, "rateLimits" => limits, "event" => told, "e" => bare);
    match (told, bare) {
        (Some(told), _) => return event(&object(&told, "event")?, names, received).map(ApiFrame::Event),
        (None, Some(_)) => return event(&frame, names, received).map(ApiFrame::Event),
        (None, None) => {}
    }
    let status =
        required(status, "status")?.as_u64().and_then(|status| u16::try_from(status).ok()).ok_or(Reject::shape("status"))?;
    let mut rate = limits.map(|limits| head_room(&limits)).transpose()?.unwrap_or_default();
    let mut told = None;
    if let Some(error) = error {
        told = Some(error_of(&error)?);
        (rate.reset_at, rate.told_at) = retry_after(&object(&error, "error")?)?;
    }
    // A received answer to a request: rows were asked for when their request left, which the desk knows.
    let stamp = Stamp { source: OrderSource::Reply, received, requested: received };
    let result = match (&told, status, result) {
        (None, 200..=299, Some(result)) => result_of(&result, names, stamp),
        _ => ApiResult::Other,
    };
    Ok(ApiFrame::Reply(ApiReply { number: id.and_then(|id| id.as_u64()), status, error: told, rate, result }))
}

fn result_of(result: &Value<'_, '_>, names: &PairNames, stamp: Stamp) -> ApiResult {
    if result.as_array().is_some() {
        return ApiResult::Orders(ended(result, names, stamp));
    }
    let Some(object) = result.as_object() else { return ApiResult::Other };
    let has = |name: &str| object.iter().any(|(key, _)| key == name);
    if has("orderId") {
        ApiResult::Order(rows::order(result, names, stamp))
    } else if has("authorizedSince") {
        ApiResult::LoggedIn
    } else {
        ApiResult::Other
    }
}

/// The orders of a pair that were cancelled together. Those of a list stand below it.
pub(super) fn ended(value: &Value<'_, '_>, names: &PairNames, stamp: Stamp) -> Result<Vec<OrderUpdate>, Reject> {
    let mut kept = Vec::new();
    for row in items(value, ROWS_MAX, "orders")? {
        fields!(object(&row, "order")?, "orderReports" => reports);
        match reports {
            Some(reports) => {
                for row in items(&reports, ROWS_MAX, "orderReports")? {
                    kept.extend(rows::order(&row, names, stamp)?.map(|row| row.update));
                }
            }
            None => kept.extend(rows::order(&row, names, stamp)?.map(|row| row.update)),
        }
    }
    Ok(kept)
}

fn event(event: &Object<'_, '_>, names: &PairNames, received: MonoNanos) -> Result<PrivateNews, Reject> {
    let stamp = Stamp { source: OrderSource::Stream, received, requested: received };
    fields!(event, "e" => kind);
    Ok(match text(kind, "e")? {
        "executionReport" => match rows::report(event, names, stamp)? {
            Some((order, fill)) => {
                let told = PrivateTold { fills: fill.into_iter().collect(), orders: vec![order], balances: Vec::new() };
                PrivateNews::Told(told)
            }
            None => PrivateNews::Ignored,
        },
        "outboundAccountPosition" => {
            let mut balances = Vec::new();
            for row in items(&rows::member(event, "B")?, ROWS_MAX, "B")? {
                balances.extend(rows::balance(&row, names)?);
            }
            PrivateNews::Told(PrivateTold { balances, ..PrivateTold::default() })
        }
        // A deposit, a transfer, another product's lock: told as a difference, so the whole is asked for.
        "balanceUpdate" | "externalLockUpdate" => PrivateNews::BalancesMoved,
        "serverShutdown" => PrivateNews::Leave,
        "eventStreamTerminated" | "listenKeyExpired" => PrivateNews::Ended,
        "listStatus" => PrivateNews::Ignored,
        _ => return Err(Reject::shape("e").within(Scope::Nothing)),
    })
}

/// The tightest of the limits that a request spent: of orders where they are told, else of weight.
fn head_room(limits: &Value<'_, '_>) -> Result<RateNews, Reject> {
    let mut tightest: Option<(bool, u32, u32)> = None;
    for row in items(limits, LIMITS_MAX, "rateLimits")? {
        fields!(object(&row, "rateLimit")?, "rateLimitType" => kind, "limit" => limit, "count" => count);
        let orders = match text(kind, "rateLimitType")? {
            "ORDERS" => true,
            "REQUEST_WEIGHT" => false,
            _ => continue,
        };
        let number = |value: Option<Value<'_, '_>>| value.and_then(|value| value.as_u64()).and_then(|n| u32::try_from(n).ok());
        let (Some(limit), Some(count)) = (number(limit).filter(|limit| *limit > 0), number(count)) else { continue };
        let found = (orders, limit.saturating_sub(count), limit);
        let tighter = |known: (bool, u32, u32)| match (known.0, orders) {
            (true, false) => false,
            (false, true) => true,
            _ => u64::from(found.1) * u64::from(known.2) < u64::from(known.1) * u64::from(limit),
        };
        if tightest.is_none_or(tighter) {
            tightest = Some(found);
        }
    }
    let found = tightest.map(|(_, remain, limit)| (remain, limit)).unzip();
    Ok(RateNews { remain: found.0, limit: found.1, ..RateNews::default() })
}

/// Until when a refusal holds (`data.retryAfter`), and the venue's time as it said so (`data.serverTime`), milliseconds.
fn retry_after(error: &Object<'_, '_>) -> Result<(Option<UnixNanos>, Option<UnixNanos>), Reject> {
    fields!(error, "data" => data);
    let Some(data) = data.and_then(|data| data.as_object()) else { return Ok((None, None)) };
    fields!(data, "retryAfter" => until, "serverTime" => now);
    let time = |value, name| {
        let read = whole_millis(value, name).map_err(|_| Reject::new(FrameReject::BadNumber, name))?;
        Ok(read.map(|at| UnixNanos(at.0)))
    };
    Ok((time(until, "retryAfter")?, time(now, "serverTime")?))
}

#[cfg(test)]
#[path = "api_tests.rs"]
mod tests;
