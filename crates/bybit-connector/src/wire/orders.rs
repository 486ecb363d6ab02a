//! Orders as we send them, over REST and as frames of the order link, and the acknowledgements of those (Bybit v5, place order;
//! WebSocket trade).
//!
//! An acknowledgement says that the venue has the request; what becomes of the order is told on the private stream. Always
//! limits, so that quantities are base everywhere; never on borrowed money. A request is void once its window is over, so an
//! order that must not be executed late carries a window that ends with its deadline.

use super::bodies::ErrorBody;
use super::{Decoder, FRAME_BYTES_MAX, PairNames, Reject, Scope};
use crate::market::Market;
use crate::sign::{RECV_WINDOW_MS, Signer};
use domain::command::OrderRef;
use domain::{Amend, FrameReject, NewOrder, PairId, Side, TimeInForce, UnixNanos, VenueOrderId};
use serde_json::{Value as Json, json};
use simd_json::prelude::*;
use venue::desk::wire::SendAt;
use venue::fields;
use venue::json::{Value, object, optional_text, required, text};
use venue::rate_limit::RateNews;

/// "Repeat auth."
const LOGGED_IN_ALREADY: i64 = 20_001;
/// A login is void this long after it was made.
const LOGIN_VALID_MS: i64 = 10_000;

/// The object of `order.create` and `POST /v5/order/create`; `None` for a pair that is not configured.
pub fn create(order: &NewOrder, names: &PairNames) -> Option<Json> {
    let (named, info) = (names.of(order.pair)?, names.tables.pair(order.pair)?);
    let mut object = json!({
        "category": named.market.category(),
        "symbol": named.name,
        "side": match order.side { Side::Buy => "Buy", Side::Sell => "Sell" },
        "orderType": "Limit",
        "qty": info.scale.qty_text(order.qty),
        "price": info.scale.price_text(order.price),
        "timeInForce": match order.tif { TimeInForce::Ioc => "IOC", TimeInForce::Gtc => "GTC" },
        "orderLinkId": order.client_id.to_string(),
    });
    if named.market == Market::Spot
        && let Some(object) = object.as_object_mut()
    {
        object.insert("isLeverage".into(), json!(0));
    }
    Some(object)
}

/// How one of our orders is named: by the venue's id where that is known, else by ours.
pub fn name_of(order: &OrderRef) -> (&'static str, String) {
    match order.venue_order_id {
        Some(id) => ("orderId", id.to_string()),
        None => ("orderLinkId", order.client_id.to_string()),
    }
}

/// The object of `order.cancel` and `POST /v5/order/cancel`.
pub fn cancel(order: &OrderRef, names: &PairNames) -> Option<Json> {
    let named = names.of(order.pair)?;
    let mut object = json!({ "category": named.market.category(), "symbol": named.name });
    let (key, id) = name_of(order);
    object.as_object_mut()?.insert(key.into(), json!(id));
    Some(object)
}

/// The object of `order.amend` and `POST /v5/order/amend`: what is to change, and nothing else.
pub fn amend(amend: &Amend, names: &PairNames) -> Option<Json> {
    let scale = names.tables.pair(amend.order.pair)?.scale;
    let mut object = cancel(&amend.order, names)?;
    let members = object.as_object_mut()?;
    if let Some(qty) = amend.qty {
        members.insert("qty".into(), json!(scale.qty_text(qty)));
    }
    if let Some(price) = amend.price {
        members.insert("price".into(), json!(scale.price_text(price)));
    }
    Some(object)
}

/// The object of `POST /v5/order/cancel-all`. Never without the symbol: that would cancel on every market.
pub fn cancel_all(pair: PairId, names: &PairNames) -> Option<Json> {
    let named = names.of(pair)?;
    Some(json!({ "category": named.market.category(), "symbol": named.name }))
}

/// How long a request that leaves at `at` may still be acted on, in milliseconds.
pub fn recv_window_ms(at: &SendAt) -> u64 {
    let left = at.expires_ms.map(|expires| expires.saturating_sub(at.millis()));
    // Past its end the shortest window there is, never the usual one.
    left.map_or(RECV_WINDOW_MS, |left| u64::try_from(left).unwrap_or_default().clamp(1, RECV_WINDOW_MS))
}

/// A request on the order link. Its id holds the time as well: one that was used before is refused, perhaps of an earlier run too.
pub fn request(op: &str, number: u64, argument: &Json, at: &SendAt) -> String {
    json!({
        "reqId": format!("{number}-{}", at.millis()),
        "header": {
            "X-BAPI-TIMESTAMP": at.millis().to_string(),
            "X-BAPI-RECV-WINDOW": recv_window_ms(at).to_string(),
        },
        "op": op,
        "args": [argument],
    })
    .to_string()
}

/// A login on a stream that names its requests by this key: `req_id` on the private one, `reqId` on the order link.
fn login(key: &str, number: u64, signer: &Signer, at: &SendAt) -> String {
    let expires_ms = at.millis().saturating_add(LOGIN_VALID_MS);
    json!({ key: number.to_string(), "op": "auth", "args": [signer.key(), expires_ms, signer.login(expires_ms)] }).to_string()
}

/// A login on the order link.
pub fn order_login(number: u64, signer: &Signer, at: &SendAt) -> String {
    login("reqId", number, signer, at)
}

/// A login on the private stream.
pub fn private_login(number: u64, signer: &Signer, at: &SendAt) -> String {
    login("req_id", number, signer, at)
}

/// What a frame of the order link says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderFrame {
    /// The answer to a request.
    Ack(Ack),
    /// The answer to a login.
    LoggedIn {
        /// Our correlation, if it carries one of ours.
        number: Option<u64>,
        /// Why it was refused.
        error: Option<ErrorBody>,
    },
    /// The answer to a ping.
    Pong,
}

/// The answer to a request on the order link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Our correlation, if it carries one of ours.
    pub number: Option<u64>,
    /// What it answers: `order.create`, `order.cancel`.
    pub op: OrderOp,
    /// The venue's id of the order, when it was received.
    pub venue_order_id: Option<VenueOrderId>,
    /// Why it was not received.
    pub error: Option<ErrorBody>,
    /// Head-room as told with it.
    pub rate: RateNews,
}

/// A request on the order link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderOp {
    /// A placement.
    Create,
    /// An amendment.
    Amend,
    /// A cancel.
    Cancel,
    /// Another request, of those that are not sent.
    Other,
}

impl Decoder {
    /// Decodes one text frame of the order link.
    ///
    /// # Errors
    /// [`Reject`] for any other shape.
    pub fn order_frame(&mut self, bytes: &mut [u8]) -> Result<OrderFrame, Reject> {
        self.reader.read(bytes, FRAME_BYTES_MAX, |root| order_frame(&root)).map_err(|reject| reject.within(Scope::Private))
    }
}

fn order_frame(root: &Value<'_, '_>) -> Result<OrderFrame, Reject> {
    fields!(object(root, "frame")?,
        "op" => op, "reqId" => number, "retCode" => code, "retMsg" => message, "data" => data, "header" => header);
    let op = match text(op, "op")? {
        "pong" | "ping" => return Ok(OrderFrame::Pong),
        op => op,
    };
    let code = required(code, "retCode")?.as_i64().ok_or(Reject::shape("retCode"))?;
    let message = || optional_text(message, "retMsg").map(|text| text.unwrap_or_default().chars().take(120).collect());
    let error = if code == 0 { None } else { Some(ErrorBody { code, message: message()? }) };
    let number = optional_text(number, "reqId")?.and_then(number_of);
    let op = match op {
        // A login that came twice holds.
        "auth" => return Ok(OrderFrame::LoggedIn { number, error: error.filter(|error| error.code != LOGGED_IN_ALREADY) }),
        "order.create" => OrderOp::Create,
        "order.amend" => OrderOp::Amend,
        "order.cancel" => OrderOp::Cancel,
        op if op.starts_with("order.") => OrderOp::Other,
        _ => return Err(Reject::shape("op")),
    };
    let venue_order_id = match (data, &error) {
        (Some(data), None) => {
            fields!(object(&data, "data")?, "orderId" => id);
            let id = VenueOrderId::new(text(id, "orderId")?);
            Some(id.ok_or(Reject::new(FrameReject::OutOfRange, "orderId"))?)
        }
        _ => None,
    };
    Ok(OrderFrame::Ack(Ack { number, op, venue_order_id, error, rate: rate(header)? }))
}

/// The number in an id of ours.
fn number_of(id: &str) -> Option<u64> {
    id.split_once('-').map_or(id, |(number, _)| number).parse().ok()
}

/// Head-room, which acknowledgements carry as text in an object of headers.
fn rate(header: Option<Value<'_, '_>>) -> Result<RateNews, Reject> {
    let Some(header) = header else { return Ok(RateNews::default()) };
    fields!(object(&header, "header")?,
        "X-Bapi-Limit" => limit, "X-Bapi-Limit-Status" => left, "X-Bapi-Limit-Reset-Timestamp" => reset);
    let number = |value, what| Ok::<_, Reject>(optional_text(value, what)?.and_then(|text| text.parse::<i64>().ok()));
    let small = |value: Option<i64>| value.and_then(|value| u32::try_from(value).ok());
    let reset = number(reset, "X-Bapi-Limit-Reset-Timestamp")?.filter(|at| *at > 0).and_then(|at| at.checked_mul(1_000_000));
    Ok(RateNews {
        remain: small(number(left, "X-Bapi-Limit-Status")?),
        limit: small(number(limit, "X-Bapi-Limit")?).filter(|limit| *limit > 0),
        reset_at: reset.map(UnixNanos),
        told_at: None,
    })
}
