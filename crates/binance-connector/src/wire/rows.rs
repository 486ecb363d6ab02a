//! Orders, executions and balances as Binance spells them: in answers of both ways, in lists, and in events of the account, which use
//! single letters (Binance spot API, order and account endpoints; user data stream).
//!
//! Our id of an order is `origClientOrderId` (`C`) where that is told, since a cancel has an id of its own. An order whose remainder was
//! dropped after executions ends `EXPIRED`, as one does that the venue itself ended. Sizes of market orders by quote are told as zero
//! until they are executed; such orders are never ours.

use super::{PairNames, Reject};
use crate::market::Market;
use arrayvec::ArrayVec;
use domain::decimal::{Excess, parse_units};
use domain::{
    Amount, AssetId, BalanceEntry, ClientOrderId, ErrorClass, Fill, Finish, FrameReject, Label, OrderReport, OrderUpdate, PairId,
    PairInfo, Price, Qty, Role, Side, TimeInForce, TradeId, VenueOrderId,
};
use venue::desk::order_names::OrderName;
use venue::desk::rows::{EchoedTif, OrderRow, Stamp};
use venue::fields;
use venue::json::{Object, Value, counter, number_text, object, optional_flag, optional_text, required, text, whole_millis};
use venue::number::{Finer, parse_amount};

/// One unit of the eighth decimal, the finest that Binance books of any quote.
const QUOTE_UNIT: Amount = Amount::from_units(10_000_000_000);

/// An order's fields, whatever they were called.
struct Raw<'i> {
    id: u64,
    client: Option<&'i str>,
    side: &'i str,
    kind: &'i str,
    tif: Option<&'i str>,
    qty: &'i str,
    price: &'i str,
    filled: &'i str,
    status: &'i str,
    reason: Option<&'i str>,
}

fn pair_of<'n>(name: &str, names: &'n PairNames) -> Option<(PairId, &'n PairInfo)> {
    names.find(Market::Spot, name)
}

/// Reads one order of an answer or a list. `None` when it stands on a pair that is not configured.
///
/// # Errors
/// A missing field, an unknown status or side, or a number that is not exact in the pair's scale.
pub fn order(value: &Value<'_, '_>, names: &PairNames, stamp: Stamp) -> Result<Option<OrderRow>, Reject> {
    let row = object(value, "order")?;
    fields!(row,
        "symbol" => symbol, "orderId" => id, "clientOrderId" => client, "origClientOrderId" => original, "side" => side,
        "type" => kind, "timeInForce" => tif, "origQty" => qty, "price" => price, "executedQty" => filled, "status" => status);
    let Some((pair, info)) = pair_of(text(symbol, "symbol")?, names) else { return Ok(None) };
    let raw = Raw {
        id: counter(id, "orderId")?,
        client: optional_text(original, "origClientOrderId")?.or(optional_text(client, "clientOrderId")?),
        side: text(side, "side")?,
        kind: text(kind, "type")?,
        tif: optional_text(tif, "timeInForce")?,
        qty: number_text(qty, "origQty")?,
        price: number_text(price, "price")?,
        filled: number_text(filled, "executedQty")?,
        status: text(status, "status")?,
        reason: None,
    };
    order_row(&raw, pair, info, names, stamp).map(Some)
}

/// Reads whose one order of `allOrders` is, which carries the id that it was placed with.
///
/// # Errors
/// A missing field.
pub fn order_name(value: &Value<'_, '_>) -> Result<OrderName, Reject> {
    fields!(object(value, "order")?, "orderId" => id, "clientOrderId" => client);
    Ok(OrderName {
        venue_order_id: venue_id(counter(id, "orderId")?, "orderId")?,
        client_id: optional_text(client, "clientOrderId")?.and_then(ClientOrderId::parse),
    })
}

/// Reads one `executionReport`: the order, and the execution that it tells. `None` when it is about a pair that is not configured.
///
/// # Errors
/// As [`order`] and [`trade`].
pub fn report(event: &Object<'_, '_>, names: &PairNames, stamp: Stamp) -> Result<Option<(OrderRow, Option<Fill>)>, Reject> {
    fields!(event,
        "s" => symbol, "i" => id, "c" => client, "C" => original, "S" => side, "o" => kind, "f" => tif, "q" => qty, "p" => price,
        "z" => filled, "X" => status, "x" => execution, "r" => reason, "t" => trade, "l" => last_qty, "L" => last_price,
        "Y" => quote, "n" => fee, "N" => fee_asset, "m" => maker, "T" => at);
    let Some((pair, info)) = pair_of(text(symbol, "s")?, names) else { return Ok(None) };
    let raw = Raw {
        id: counter(id, "i")?,
        client: optional_text(original, "C")?.filter(|id| !id.is_empty()).or(optional_text(client, "c")?),
        side: text(side, "S")?,
        kind: text(kind, "o")?,
        tif: optional_text(tif, "f")?,
        qty: number_text(qty, "q")?,
        price: number_text(price, "p")?,
        filled: number_text(filled, "z")?,
        status: text(status, "X")?,
        reason: optional_text(reason, "r")?,
    };
    let row = order_row(&raw, pair, info, names, stamp)?;
    if text(execution, "x")? != "TRADE" {
        return Ok(Some((row, None)));
    }
    let price = price_of(number_text(last_price, "L")?, info, "L")?;
    let qty = traded(number_text(last_qty, "l")?, info, "l")?;
    let fill = Fill {
        venue: names.venue,
        pair,
        trade_id: trade_id(trade, "t")?,
        client_id: row.update.client_id,
        venue_order_id: venue_id(raw.id, "i")?,
        side: row.side,
        price,
        qty,
        quote: quote_of(quote, price, qty, info, "Y")?,
        fees: fees(fee, fee_asset, names, "n")?,
        role: role_of(optional_flag(maker, "m")?.ok_or(Reject::missing("m"))?),
        executed_at: whole_millis(at, "T")?,
        source: stamp.source,
        received: stamp.received,
    };
    Ok(Some((row, Some(fill))))
}

/// Reads one row of `myTrades`, which does not tell our id. `None` when it is of a pair that is not configured.
///
/// # Errors
/// A missing field, a number that is not exact, or a fee in an asset that the tables do not have.
pub fn trade(value: &Value<'_, '_>, names: &PairNames, stamp: Stamp) -> Result<Option<Fill>, Reject> {
    let row = object(value, "trade")?;
    fields!(row,
        "symbol" => symbol, "id" => id, "orderId" => order_id, "price" => price, "qty" => qty, "quoteQty" => quote,
        "commission" => fee, "commissionAsset" => fee_asset, "time" => at, "isBuyer" => buyer, "isMaker" => maker);
    let Some((pair, info)) = pair_of(text(symbol, "symbol")?, names) else { return Ok(None) };
    let flag = |value, what| optional_flag(value, what)?.ok_or(Reject::missing(what));
    let price = price_of(number_text(price, "price")?, info, "price")?;
    let qty = traded(number_text(qty, "qty")?, info, "qty")?;
    Ok(Some(Fill {
        venue: names.venue,
        pair,
        trade_id: trade_id(id, "id")?,
        client_id: None,
        venue_order_id: venue_id(counter(order_id, "orderId")?, "orderId")?,
        side: if flag(buyer, "isBuyer")? { Side::Buy } else { Side::Sell },
        price,
        qty,
        quote: quote_of(quote, price, qty, info, "quoteQty")?,
        fees: fees(fee, fee_asset, names, "commission")?,
        role: role_of(flag(maker, "isMaker")?),
        executed_at: whole_millis(at, "time")?,
        source: stamp.source,
        received: stamp.received,
    }))
}

/// Reads one balance: `asset`, `free`, `locked` in answers, `a`, `f`, `l` in events. `None` for an asset that no configured pair or fee
/// uses.
///
/// # Errors
/// A missing field, or an amount that is malformed or negative.
pub fn balance(value: &Value<'_, '_>, names: &PairNames) -> Result<Option<BalanceEntry>, Reject> {
    let row = object(value, "balance")?;
    fields!(row, "asset" => asset, "a" => short, "free" => free, "f" => short_free, "locked" => locked, "l" => short_locked);
    let Some(asset) = names.tables.asset_id(text(asset.or(short), "asset")?) else { return Ok(None) };
    let stated = |value, what| {
        let amount = parse_amount(number_text(value, what)?, Finer::Cut).map_err(|e| Reject::number(e, what))?;
        if amount.is_negative() { Err(Reject::new(FrameReject::OutOfRange, what)) } else { Ok(amount) }
    };
    Ok(Some(BalanceEntry {
        asset,
        available: stated(free.or(short_free), "free")?,
        locked: stated(locked.or(short_locked), "locked")?,
        version: None,
    }))
}

fn order_row(raw: &Raw<'_>, pair: PairId, info: &PairInfo, names: &PairNames, stamp: Stamp) -> Result<OrderRow, Reject> {
    let side = match raw.side {
        "BUY" => Side::Buy,
        "SELL" => Side::Sell,
        _ => return Err(Reject::shape("side")),
    };
    let filled = qty_of(raw.filled, info, "executedQty")?;
    let qty = Some(qty_of(raw.qty, info, "origQty")?).filter(|qty| !qty.is_zero());
    if qty.is_some_and(|qty| filled > qty) {
        return Err(Reject::new(FrameReject::OutOfRange, "executedQty"));
    }
    let price = if units(raw.price, info.scale.price_decimals(), "price")? == 0 {
        None
    } else {
        Some(price_of(raw.price, info, "price")?)
    };
    let report = match raw.status {
        "NEW" | "PENDING_NEW" | "PARTIALLY_FILLED" | "PENDING_CANCEL" => OrderReport::Open { filled },
        "FILLED" => OrderReport::Finished { finish: Finish::Filled, filled },
        "CANCELED" | "EXPIRED" | "EXPIRED_IN_MATCH" => {
            let finish = if qty == Some(filled) { Finish::Filled } else { Finish::Cancelled };
            OrderReport::Finished { finish, filled }
        }
        "REJECTED" if filled.is_zero() => {
            let reason = raw.reason.filter(|reason| *reason != "NONE").unwrap_or("REJECTED");
            OrderReport::Refused { class: reject_class(reason), label: Label::cut(reason) }
        }
        _ => return Err(Reject::shape("status")),
    };
    let tif = match (raw.kind, raw.tif) {
        (_, None | Some("")) => EchoedTif::Absent,
        ("LIMIT", Some("IOC")) => EchoedTif::Known(TimeInForce::Ioc),
        ("LIMIT", Some("GTC")) => EchoedTif::Known(TimeInForce::Gtc),
        // Post-only orders, stops and whatever else is never sent.
        _ => EchoedTif::Other,
    };
    let update = OrderUpdate {
        venue: names.venue,
        pair,
        client_id: raw.client.and_then(ClientOrderId::parse),
        venue_order_id: Some(venue_id(raw.id, "orderId")?),
        source: stamp.source,
        received: stamp.received,
        requested: stamp.requested,
        report,
    };
    Ok(OrderRow { update, side, price, qty, tif })
}

/// The class of a refusal that was told in an event. Its reasons are an open set.
fn reject_class(reason: &str) -> ErrorClass {
    match reason {
        "INSUFFICIENT_BALANCES" => ErrorClass::InsufficientFunds,
        "UNKNOWN_INSTRUMENT" | "MARKET_CLOSED" => ErrorClass::SymbolClosed,
        "UNKNOWN_ACCOUNT" | "ACCOUNT_INACTIVE" | "ACCOUNT_CANNOT_SETTLE" => ErrorClass::AuthFatal,
        "DUPLICATE_ORDER" => ErrorClass::DuplicateClientId,
        "UNKNOWN_ORDER" => ErrorClass::UnknownOrder,
        _ => ErrorClass::FilterReject,
    }
}

const fn role_of(maker: bool) -> Role {
    if maker { Role::Maker } else { Role::Taker }
}

fn trade_id(value: Option<Value<'_, '_>>, what: &'static str) -> Result<TradeId, Reject> {
    TradeId::new(&counter(value, what)?.to_string()).ok_or(Reject::new(FrameReject::OutOfRange, what))
}

fn venue_id(id: u64, what: &'static str) -> Result<VenueOrderId, Reject> {
    VenueOrderId::new(&id.to_string()).ok_or(Reject::new(FrameReject::OutOfRange, what))
}

/// What was charged; nothing, which has no asset, is none.
fn fees(
    fee: Option<Value<'_, '_>>,
    asset: Option<Value<'_, '_>>,
    names: &PairNames,
    what: &'static str,
) -> Result<ArrayVec<(AssetId, Amount), 3>, Reject> {
    let mut fees = ArrayVec::new();
    let fee = parse_amount(number_text(fee, what)?, Finer::Refuse).map_err(|e| Reject::number(e, what))?;
    if !fee.is_zero() {
        let asset = names.tables.asset_id(text(asset, "commissionAsset")?).ok_or(Reject::shape("commissionAsset"))?;
        fees.push((asset, fee));
    }
    Ok(fees)
}

fn units(text: &str, decimals: u8, what: &'static str) -> Result<i64, Reject> {
    parse_units(text.as_bytes(), u32::from(decimals), Excess::Refuse).map_err(|e| Reject::number(e, what))
}

fn qty_of(text: &str, info: &PairInfo, what: &'static str) -> Result<Qty, Reject> {
    Qty::from_units(units(text, info.scale.qty_decimals(), what)?).ok_or(Reject::new(FrameReject::OutOfRange, what))
}

/// The quantity of an execution, which is never nothing.
fn traded(text: &str, info: &PairInfo, what: &'static str) -> Result<Qty, Reject> {
    let qty = qty_of(text, info, what)?;
    if qty.is_zero() { Err(Reject::new(FrameReject::OutOfRange, what)) } else { Ok(qty) }
}

fn price_of(text: &str, info: &PairInfo, what: &'static str) -> Result<Price, Reject> {
    Price::from_units(units(text, info.scale.price_decimals(), what)?).ok_or(Reject::new(FrameReject::OutOfRange, what))
}

/// What an execution moved in quote, where it is told: price × quantity in the decimals that Binance books. More than a rounding apart
/// from that product, one of the three is not what it says.
fn quote_of(
    value: Option<Value<'_, '_>>,
    price: Price,
    qty: Qty,
    info: &PairInfo,
    what: &'static str,
) -> Result<Option<Amount>, Reject> {
    let Some(value) = value else { return Ok(None) };
    let told = parse_amount(number_text(Some(value), what)?, Finer::Refuse).map_err(|e| Reject::number(e, what))?;
    let exact = info.scale.value_of(price, qty);
    let holds = exact.is_some_and(|exact| !told.is_negative() && (told - exact).abs() < QUOTE_UNIT);
    if holds { Ok(Some(told)) } else { Err(Reject::new(FrameReject::OutOfRange, what)) }
}

/// A field that must be there, as [`required`], of an object.
pub(super) fn member<'t, 'i>(object: &Object<'t, 'i>, name: &'static str) -> Result<Value<'t, 'i>, Reject> {
    required(object.iter().find(|(key, _)| *key == name).map(|(_, value)| value), name)
}
