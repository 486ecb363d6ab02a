//! Orders, executions and balances as Gate spells them, on the stream and in REST bodies (Gate API v4, order response and
//! "type traps": ids are strings in one place and integers in another, stream rows have `event` where REST has `status`).

use super::json::{Object, Value, counter, fields, millis, number_text, object, optional_flag, optional_text, required, text};
use super::number::{Finer, parse_amount};
use super::{PairNames, Reject};
use arrayvec::ArrayVec;
use domain::decimal::{Excess, parse_units};
use domain::{
    Amount, AssetId, BalanceEntry, ClientOrderId, Fill, Finish, FrameReject, OrderReport, OrderUpdate, PairInfo, Price, Qty,
    Role, Side, TimeInForce, TradeId, VenueOrderId,
};
use simd_json::prelude::*;
pub use venue::desk::rows::{EchoedTif, OrderRow, Stamp};

/// What our ids are prefixed with (`text` must begin with it, Gate API v4, create order).
pub const TEXT_PREFIX: &str = "t-";

/// Reads one order. `None` when it stands on a pair that is not configured.
///
/// # Errors
/// A missing field, an unknown status, event or side, or a number that is not exact in the pair's scale.
pub fn order(value: &Value<'_, '_>, names: &PairNames, stamp: Stamp) -> Result<Option<OrderRow>, Reject> {
    let row = object(value, "order")?;
    fields!(row,
        "id" => id, "text" => client_text, "currency_pair" => pair, "status" => status, "event" => event, "finish_as" => finish_as,
        "type" => kind, "side" => side, "amount" => amount, "price" => price, "left" => left, "time_in_force" => tif,
        "filled_amount" => filled_amount, "filled_total" => filled_total, "avg_deal_price" => average);
    let venue_order_id = VenueOrderId::new(&id_text(id, "id")?).ok_or(Reject::new(FrameReject::OutOfRange, "id"))?;
    let Some((pair, info)) = names.find(text(pair, "currency_pair")?) else { return Ok(None) };
    let side = side_of(text(side, "side")?)?;
    let kind = optional_text(kind, "type")?.unwrap_or("limit");
    let market = kind.starts_with("market");
    if !market && !kind.starts_with("limit") {
        return Err(Reject::shape("type"));
    }
    let quote_sized = market && side == Side::Buy;
    let qty = if quote_sized { None } else { Some(qty_of(number_text(amount, "amount")?, info, "amount")?) };
    let price = if market { None } else { Some(price_of(number_text(price, "price")?, info, "price")?) };
    let filled = match (optional_text(filled_amount, "filled_amount")?.filter(|t| !t.is_empty()), qty) {
        (Some(filled), _) => qty_of(filled, info, "filled_amount")?,
        (None, Some(qty)) => {
            let left = qty_of(number_text(left, "left")?, info, "left")?;
            qty.checked_sub(left).ok_or(Reject::new(FrameReject::OutOfRange, "left"))?
        }
        (None, None) => {
            let total = amount_of(number_text(filled_total, "filled_total")?, "filled_total")?;
            // A quotient of the venue's: it may have more decimals than an amount keeps.
            let average = optional_text(average, "avg_deal_price")?.filter(|t| !t.is_empty()).unwrap_or("0");
            let average = parse_amount(average, Finer::Cut).map_err(|e| Reject::number(e, "avg_deal_price"))?;
            quotient(total, average, info).ok_or(Reject::new(FrameReject::OutOfRange, "avg_deal_price"))?
        }
    };
    if qty.is_some_and(|qty| filled > qty) {
        return Err(Reject::new(FrameReject::OutOfRange, "filled_amount"));
    }
    let finish_as = optional_text(finish_as, "finish_as")?;
    let open = match (optional_text(event, "event")?, optional_text(status, "status")?) {
        (Some("put" | "update"), _) | (None, Some("open")) => true,
        (Some("finish"), _) | (None, Some("closed" | "cancelled")) => false,
        (None, None) => return Err(Reject::missing("status")),
        (Some(_), _) => return Err(Reject::shape("event")),
        (None, Some(_)) => return Err(Reject::shape("status")),
    };
    let report = if open {
        OrderReport::Open { filled }
    } else {
        // Reasons other than `filled` are an open set: all of them end the order with a remainder.
        let finish = if finish_as == Some("filled") || qty == Some(filled) { Finish::Filled } else { Finish::Cancelled };
        OrderReport::Finished { finish, filled }
    };
    let update = OrderUpdate {
        venue: names.venue,
        pair,
        client_id: optional_text(client_text, "text")?.and_then(client_id),
        venue_order_id: Some(venue_order_id),
        source: stamp.source,
        received: stamp.received,
        requested: stamp.requested,
        report,
    };
    let tif = match optional_text(tif, "time_in_force")?.filter(|t| !t.is_empty() && *t != "-") {
        None => EchoedTif::Absent,
        Some("ioc") => EchoedTif::Known(TimeInForce::Ioc),
        Some("gtc") => EchoedTif::Known(TimeInForce::Gtc),
        Some(_) => EchoedTif::Other,
    };
    Ok(Some(OrderRow { update, side, price, qty, tif }))
}

/// Reads one row of the answer to cancelling all orders of a pair: the order's end, or why its cancel failed. `succeeded` was seen
/// absent on failures, which then have a label. `None` when it stands on a pair that is not configured.
///
/// # Errors
/// As [`order`].
pub fn cancelled(value: &Value<'_, '_>, names: &PairNames, stamp: Stamp) -> Result<Option<OrderUpdate>, Reject> {
    let row = object(value, "order")?;
    fields!(row, "succeeded" => succeeded, "label" => label, "text" => client_text, "id" => id);
    let label = optional_text(label, "label")?.filter(|label| !label.is_empty());
    if optional_flag(succeeded, "succeeded")?.unwrap_or(label.is_none()) {
        return Ok(order(value, names, stamp)?.map(|row| row.update));
    }
    let Some((pair, _)) = names.find(pair_text(&row)?) else { return Ok(None) };
    let class = crate::errors::class(400, label);
    Ok(Some(OrderUpdate {
        venue: names.venue,
        pair,
        client_id: optional_text(client_text, "text")?.and_then(client_id),
        venue_order_id: id.and_then(|id| VenueOrderId::new(&id_text(Some(id), "id").ok()?)),
        source: stamp.source,
        received: stamp.received,
        requested: stamp.requested,
        report: OrderReport::CancelFailed { class },
    }))
}

/// Our id out of `text`, or `None` for a foreign one.
pub fn client_id(text: &str) -> Option<ClientOrderId> {
    ClientOrderId::parse(text.strip_prefix(TEXT_PREFIX)?)
}

/// Reads one execution. `None` when it is of a pair that is not configured.
///
/// # Errors
/// A missing field, an unknown side or role, a number that is not exact, or a fee in an asset that the tables do not have.
pub fn trade(value: &Value<'_, '_>, names: &PairNames, stamp: Stamp) -> Result<Option<Fill>, Reject> {
    let row = object(value, "trade")?;
    fields!(row,
        "id" => id, "order_id" => order_id, "currency_pair" => pair, "side" => side, "role" => role, "amount" => amount,
        "price" => price, "fee" => fee, "fee_currency" => fee_currency, "point_fee" => point_fee, "gt_fee" => gt_fee,
        "create_time_ms" => time, "text" => client_text);
    let Some((pair, info)) = names.find(text(pair, "currency_pair")?) else { return Ok(None) };
    let side = side_of(text(side, "side")?)?;
    let qty = qty_of(number_text(amount, "amount")?, info, "amount")?;
    if qty.is_zero() {
        return Err(Reject::new(FrameReject::OutOfRange, "amount"));
    }
    let received_asset = if side == Side::Buy { info.base } else { info.quote };
    let mut fees: ArrayVec<(AssetId, Amount), 3> = ArrayVec::new();
    let mut charge = |fee: Option<Value<'_, '_>>, asset: Option<AssetId>, what: &'static str| -> Result<(), Reject> {
        let Some(fee) = optional_text(fee, what)?.filter(|t| !t.is_empty()) else { return Ok(()) };
        let fee = amount_of(fee, what)?;
        if fee.is_zero() {
            return Ok(());
        }
        let asset = asset.ok_or(Reject::shape("fee_currency"))?;
        fees.try_push((asset, fee)).map_err(|_| Reject::new(FrameReject::OutOfRange, what))
    };
    let fee_asset = match optional_text(fee_currency, "fee_currency")?.filter(|t| !t.is_empty() && *t != "-") {
        Some(name) => names.tables.asset_id(name),
        None => Some(received_asset),
    };
    charge(fee, fee_asset, "fee")?;
    charge(gt_fee, names.tables.asset_id("GT"), "gt_fee")?;
    charge(point_fee, names.tables.asset_id("POINT"), "point_fee")?;
    Ok(Some(Fill {
        venue: names.venue,
        pair,
        trade_id: TradeId::new(&id_text(id, "id")?).ok_or(Reject::new(FrameReject::OutOfRange, "id"))?,
        client_id: optional_text(client_text, "text")?.and_then(client_id),
        venue_order_id: VenueOrderId::new(&id_text(order_id, "order_id")?)
            .ok_or(Reject::new(FrameReject::OutOfRange, "order_id"))?,
        side,
        price: price_of(number_text(price, "price")?, info, "price")?,
        qty,
        quote: None,
        fees,
        role: match text(role, "role")? {
            "taker" => Role::Taker,
            "maker" => Role::Maker,
            _ => return Err(Reject::shape("role")),
        },
        executed_at: millis(time, "create_time_ms")?,
        source: stamp.source,
        received: stamp.received,
    }))
}

/// Reads one balance: `available` and `freeze` on the stream, `available` and `locked` with `update_id` in the accounts list.
/// `None` for an asset that no configured pair or fee uses.
///
/// # Errors
/// A missing field or a malformed or negative amount.
pub fn balance(value: &Value<'_, '_>, names: &PairNames) -> Result<Option<BalanceEntry>, Reject> {
    let row = object(value, "balance")?;
    fields!(row, "currency" => currency, "available" => available, "locked" => locked, "freeze" => freeze, "update_id" => version);
    let Some(asset) = names.tables.asset_id(text(currency, "currency")?) else { return Ok(None) };
    let stated = |value, what| {
        let amount = parse_amount(number_text(value, what)?, Finer::Cut).map_err(|e| Reject::number(e, what))?;
        if amount.is_negative() { Err(Reject::new(FrameReject::OutOfRange, what)) } else { Ok(amount) }
    };
    let (locked, what) = if locked.is_some() { (locked, "locked") } else { (freeze, "freeze") };
    Ok(Some(BalanceEntry {
        asset,
        available: stated(available, "available")?,
        locked: stated(locked, what)?,
        version: version.map(|v| counter(Some(v), "update_id")).transpose()?,
    }))
}

/// An id as text, from a string or an integer. Only letters, digits, `-` and `_`: it goes into paths.
fn id_text(value: Option<Value<'_, '_>>, what: &'static str) -> Result<String, Reject> {
    let value = required(value, what)?;
    let id = match (value.as_str(), value.as_u64()) {
        (Some(text), _) => text.to_string(),
        (None, Some(number)) => number.to_string(),
        _ => return Err(Reject::shape(what)),
    };
    let plain = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if plain { Ok(id) } else { Err(Reject::shape(what)) }
}

fn side_of(text: &str) -> Result<Side, Reject> {
    Side::parse(text).ok_or(Reject::shape("side"))
}

fn qty_of(text: &str, info: &PairInfo, what: &'static str) -> Result<Qty, Reject> {
    let units = parse_units(text.as_bytes(), u32::from(info.scale.qty_decimals()), Excess::Refuse)
        .map_err(|e| Reject::number(e, what))?;
    Qty::from_units(units).ok_or(Reject::new(FrameReject::OutOfRange, what))
}

fn price_of(text: &str, info: &PairInfo, what: &'static str) -> Result<Price, Reject> {
    let units = parse_units(text.as_bytes(), u32::from(info.scale.price_decimals()), Excess::Refuse)
        .map_err(|e| Reject::number(e, what))?;
    Price::from_units(units).ok_or(Reject::new(FrameReject::OutOfRange, what))
}

fn amount_of(text: &str, what: &'static str) -> Result<Amount, Reject> {
    parse_amount(text, Finer::Refuse).map_err(|e| Reject::number(e, what))
}

/// Base executed by a market buy: quote total over average price, cut to the pair's quantity unit. Only foreign orders are
/// market orders, so this never sizes a hedge.
fn quotient(total: Amount, average: Amount, info: &PairInfo) -> Option<Qty> {
    if total.is_zero() {
        return Some(Qty::ZERO);
    }
    if average.units() <= 0 || total.is_negative() {
        return None;
    }
    let scaled = total.units().checked_mul(10i128.pow(u32::from(info.scale.qty_decimals())))?;
    Qty::from_units(i64::try_from(scaled / average.units()).ok()?)
}

/// Reads every row of a list with `read`, leaving out what is not configured; counts what was left out.
pub(crate) fn list<T>(
    value: &Value<'_, '_>,
    most: usize,
    what: &'static str,
    mut read: impl FnMut(&Value<'_, '_>) -> Result<Option<T>, Reject>,
) -> Result<(Vec<T>, usize), Reject> {
    let rows = super::json::items(value, most, what)?;
    let count = rows.len();
    let mut kept = Vec::with_capacity(count.min(64));
    for row in rows {
        kept.extend(read(&row)?);
    }
    Ok((kept, count))
}

/// A field of an object that other bodies share: `currency_pair` as text.
pub(crate) fn pair_text<'i>(row: &Object<'_, 'i>) -> Result<&'i str, Reject> {
    fields!(row, "currency_pair" => pair);
    text(pair, "currency_pair")
}
