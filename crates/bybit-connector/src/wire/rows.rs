//! Orders, executions and balances as Bybit spells them, alike on the private stream and in REST lists (Bybit v5, order,
//! execution and wallet streams).
//!
//! Two rows may say `Filled` of one order, when a cancel raced its fill. An order that was refused after it was received is
//! `Rejected`, one whose remainder was cancelled after executions `PartiallyFilledCanceled` on spot and `Cancelled` on contracts.
//! The quantity of a market order on spot is base or quote, as `marketUnit` says, and without that quote for a buy and base for a sale;
//! such orders are never ours.
//!
//! What an execution is charged stands in two places: the fee (`execFee`), and taxes beside it (`extraFees`: GST of Indian accounts, VAT of
//! Emirati ones, taxes of the Indonesian site and of fiat pairs of the EU's), each a row with its coin, or an empty text where there are none.

use super::{PairNames, Reject};
use crate::market::Market;
use arrayvec::ArrayVec;
use domain::decimal::{Excess, parse_units};
use domain::{
    Amount, AssetId, BalanceEntry, ClientOrderId, ErrorClass, Fill, Finish, FrameReject, Label, OrderReport, OrderUpdate, PairId,
    PairInfo, Price, Qty, Role, Side, TimeInForce, TradeId, VenueNanos, VenueOrderId,
};
use simd_json::prelude::*;
use venue::desk::rows::{EchoedTif, OrderRow, Stamp};
use venue::fields;
use venue::json::{Value, is_null, items, number_text, object, optional_flag, optional_text, required, text};
use venue::number::{Finer, parse_amount};

/// Taxes that an execution may have.
const EXTRA_FEES_MAX: usize = 16;

/// What an execution is charged, each asset once.
type Fees = ArrayVec<(AssetId, Amount), 3>;

/// The pair of a row: its own category, or that of the list it stands in. `None` when it is not configured.
fn pair_of<'n>(
    category: Option<Value<'_, '_>>,
    listed: Option<Market>,
    name: &str,
    names: &'n PairNames,
) -> Result<Option<(PairId, &'n PairInfo, Market)>, Reject> {
    let market = match (optional_text(category, "category")?, listed) {
        (Some(category), _) => Market::of_category(category),
        (None, listed) => Some(listed.ok_or(Reject::missing("category"))?),
    };
    // Options, and whatever comes after them, are never configured.
    let Some(market) = market else { return Ok(None) };
    Ok(names.find(market, name).map(|(pair, info)| (pair, info, market)))
}

/// Reads one order. `None` when it stands on a pair that is not configured.
///
/// # Errors
/// A missing field, an unknown status, side or type, a number that is not exact in the pair's scale, or an executed quantity that the
/// status contradicts: an order that is filled with nothing executed would pass for one that never was.
pub fn order(value: &Value<'_, '_>, listed: Option<Market>, names: &PairNames, stamp: Stamp) -> Result<Option<OrderRow>, Reject> {
    let row = object(value, "order")?;
    fields!(row,
        "category" => category, "symbol" => symbol, "orderId" => id, "orderLinkId" => link_id, "side" => side,
        "orderType" => kind, "price" => price, "qty" => qty, "orderStatus" => status, "cumExecQty" => filled,
        "timeInForce" => tif, "rejectReason" => reason, "marketUnit" => unit);
    let venue_order_id = VenueOrderId::new(text(id, "orderId")?).ok_or(Reject::new(FrameReject::OutOfRange, "orderId"))?;
    let Some((pair, info, market)) = pair_of(category, listed, text(symbol, "symbol")?, names)? else { return Ok(None) };
    let side = side_of(side)?;
    let is_market = match text(kind, "orderType")? {
        "Market" => true,
        "Limit" => false,
        _ => return Err(Reject::shape("orderType")),
    };
    let in_quote = is_market
        && market == Market::Spot
        && match optional_text(unit, "marketUnit")? {
            Some("quoteCoin") => true,
            Some("baseCoin") => false,
            _ => side == Side::Buy,
        };
    let qty = if in_quote { None } else { Some(qty_of(number_text(qty, "qty")?, info, "qty")?) };
    let price = if is_market { None } else { Some(price_of(number_text(price, "price")?, info, "price")?) };
    // Empty before anything was executed.
    let filled = match number_text(filled, "cumExecQty")? {
        "" => Qty::ZERO,
        filled => qty_of(filled, info, "cumExecQty")?,
    };
    if qty.is_some_and(|qty| filled > qty) {
        return Err(Reject::new(FrameReject::OutOfRange, "cumExecQty"));
    }
    let status = text(status, "orderStatus")?;
    let contradicts = match status {
        "Filled" => qty.is_some_and(|qty| filled != qty) || filled.is_zero(),
        "PartiallyFilled" | "PartiallyFilledCanceled" => filled.is_zero(),
        _ => false,
    };
    if contradicts {
        return Err(Reject::new(FrameReject::OutOfRange, "cumExecQty"));
    }
    let report = match status {
        "New" | "PartiallyFilled" | "Untriggered" | "Triggered" => OrderReport::Open { filled },
        "Filled" => OrderReport::Finished { finish: Finish::Filled, filled },
        "Rejected" if filled.is_zero() => {
            let reason = optional_text(reason, "rejectReason")?.unwrap_or_default();
            OrderReport::Refused { class: reject_class(reason), label: Label::cut(reason) }
        }
        "PartiallyFilledCanceled" | "Cancelled" | "Deactivated" | "Rejected" => {
            let finish = if qty == Some(filled) { Finish::Filled } else { Finish::Cancelled };
            OrderReport::Finished { finish, filled }
        }
        _ => return Err(Reject::shape("orderStatus")),
    };
    let tif = match optional_text(tif, "timeInForce")? {
        None | Some("") => EchoedTif::Absent,
        Some("IOC") => EchoedTif::Known(TimeInForce::Ioc),
        Some("GTC") => EchoedTif::Known(TimeInForce::Gtc),
        Some(_) => EchoedTif::Other,
    };
    let update = OrderUpdate {
        venue: names.venue,
        pair,
        client_id: client_id(link_id)?,
        venue_order_id: Some(venue_order_id),
        source: stamp.source,
        received: stamp.received,
        requested: stamp.requested,
        report,
    };
    Ok(Some(OrderRow { update, side, price, qty, tif }))
}

/// The class of a refusal that was told on the stream. Its reasons are an open set.
fn reject_class(reason: &str) -> ErrorClass {
    match reason {
        "EC_InvalidSymbolStatus" | "EC_SecurityStatus" => ErrorClass::SymbolClosed,
        "EC_InsufficientBalance" | "EC_NoEnoughBalance" => ErrorClass::InsufficientFunds,
        "EC_DuplicatedClOrdID" => ErrorClass::DuplicateClientId,
        _ => ErrorClass::FilterReject,
    }
}

/// Adds what is charged in an asset, in one sum for each.
fn charge(fees: &mut Fees, asset: Option<AssetId>, fee: Amount, what: &'static str) -> Result<(), Reject> {
    if fee.is_zero() {
        return Ok(());
    }
    let (asset, beyond) = (asset.ok_or(Reject::shape(what))?, Reject::new(FrameReject::OutOfRange, what));
    match fees.iter_mut().find(|(charged, _)| *charged == asset) {
        Some((_, sum)) => *sum = Amount::from_units(sum.units().checked_add(fee.units()).ok_or(beyond)?),
        None => fees.try_push((asset, fee)).map_err(|_| beyond)?,
    }
    Ok(())
}

/// Adds the taxes beside a fee. Booked without them, the ledger would be off by each.
fn charge_extra(fees: &mut Fees, extra: Option<Value<'_, '_>>, names: &PairNames) -> Result<(), Reject> {
    let Some(extra) = extra.filter(|extra| !is_null(extra) && extra.as_str() != Some("")) else { return Ok(()) };
    for row in items(&extra, EXTRA_FEES_MAX, "extraFees")? {
        fields!(object(&row, "extraFees")?, "feeCoin" => coin, "fee" => fee);
        let fee = parse_amount(number_text(fee, "fee")?, Finer::Refuse).map_err(|error| Reject::number(error, "fee"))?;
        charge(fees, names.tables.asset_id(text(coin, "feeCoin")?), fee, "feeCoin")?;
    }
    Ok(())
}

/// Reads one execution. `None` when it is of a pair that is not configured, or no trade (funding, settlement).
///
/// # Errors
/// A missing field, an unknown side, a number that is not exact, a fee or tax in an asset that the tables do not have, or no fee where a rate
/// or a tax says that there is one.
pub fn execution(value: &Value<'_, '_>, listed: Option<Market>, names: &PairNames, stamp: Stamp) -> Result<Option<Fill>, Reject> {
    let row = object(value, "execution")?;
    fields!(row,
        "category" => category, "symbol" => symbol, "orderId" => order_id, "orderLinkId" => link_id, "side" => side,
        "execId" => id, "execPrice" => price, "execQty" => qty, "execFee" => fee, "feeCurrency" => fee_currency,
        "isMaker" => maker, "execType" => kind, "execTime" => time, "feeRate" => rate, "extraFees" => extra);
    let Some((pair, info, market)) = pair_of(category, listed, text(symbol, "symbol")?, names)? else { return Ok(None) };
    if text(kind, "execType")? != "Trade" {
        return Ok(None);
    }
    let side = side_of(side)?;
    let qty = qty_of(number_text(qty, "execQty")?, info, "execQty")?;
    if qty.is_zero() {
        return Err(Reject::new(FrameReject::OutOfRange, "execQty"));
    }
    let mut fees = Fees::new();
    let told = number_text(fee, "execFee")?;
    if !told.is_empty() {
        let fee = parse_amount(told, Finer::Refuse).map_err(|error| Reject::number(error, "execFee"))?;
        let asset = match optional_text(fee_currency, "feeCurrency")?.filter(|name| !name.is_empty()) {
            Some(name) => names.tables.asset_id(name),
            // What was received, on spot; what contracts settle in.
            None if market == Market::Inverse || (market == Market::Spot && side == Side::Buy) => Some(info.base),
            None => Some(info.quote),
        };
        charge(&mut fees, asset, fee, "feeCurrency")?;
    }
    charge_extra(&mut fees, extra, names)?;
    // Empty means that there is none, unless something else in the row says that there is.
    let rated = optional_text(rate, "feeRate")?.unwrap_or_default().bytes().any(|b| !b"0.-".contains(&b));
    if told.is_empty() && (rated || !fees.is_empty()) {
        return Err(Reject::new(FrameReject::BadNumber, "execFee"));
    }
    Ok(Some(Fill {
        venue: names.venue,
        pair,
        trade_id: TradeId::new(text(id, "execId")?).ok_or(Reject::new(FrameReject::OutOfRange, "execId"))?,
        client_id: client_id(link_id)?,
        venue_order_id: VenueOrderId::new(text(order_id, "orderId")?).ok_or(Reject::new(FrameReject::OutOfRange, "orderId"))?,
        side,
        price: price_of(number_text(price, "execPrice")?, info, "execPrice")?,
        qty,
        quote: None,
        fees,
        role: match optional_flag(maker, "isMaker")?.ok_or(Reject::missing("isMaker"))? {
            true => Role::Maker,
            false => Role::Taker,
        },
        executed_at: Some(text_millis(time, "execTime")?),
        source: stamp.source,
        received: stamp.received,
    }))
}

/// Reads the balance of one coin. `None` for an asset that no configured pair or fee uses. What is free is the wallet's balance
/// without what open orders hold; a debt leaves nothing free.
///
/// # Errors
/// A missing field, or an amount that is malformed or not told.
pub fn balance(value: &Value<'_, '_>, names: &PairNames) -> Result<Option<BalanceEntry>, Reject> {
    fields!(object(value, "coin")?, "coin" => coin, "walletBalance" => wallet, "locked" => locked);
    let Some(asset) = names.tables.asset_id(text(coin, "coin")?) else { return Ok(None) };
    let amount = |text, what| parse_amount(text, Finer::Cut).map_err(|error| Reject::number(error, what));
    let wallet = amount(number_text(wallet, "walletBalance")?, "walletBalance")?;
    // Empty means that nothing is locked. A wallet that is empty text says nothing, and must not be taken for one that is empty.
    let locked = match number_text(locked, "locked")? {
        "" => Amount::ZERO,
        text => amount(text, "locked")?,
    };
    if locked.is_negative() {
        return Err(Reject::new(FrameReject::OutOfRange, "locked"));
    }
    let free = wallet.units().checked_sub(locked.units()).ok_or(Reject::new(FrameReject::OutOfRange, "walletBalance"))?;
    Ok(Some(BalanceEntry { asset, available: Amount::from_units(free.max(0)), locked, version: None }))
}

fn client_id(value: Option<Value<'_, '_>>) -> Result<Option<ClientOrderId>, Reject> {
    Ok(optional_text(value, "orderLinkId")?.and_then(ClientOrderId::parse))
}

fn side_of(value: Option<Value<'_, '_>>) -> Result<Side, Reject> {
    match text(value, "side")? {
        "Buy" => Ok(Side::Buy),
        "Sell" => Ok(Side::Sell),
        _ => Err(Reject::shape("side")),
    }
}

fn qty_of(text: &str, info: &PairInfo, what: &'static str) -> Result<Qty, Reject> {
    let units = parse_units(text.as_bytes(), u32::from(info.scale.qty_decimals()), Excess::Refuse)
        .map_err(|error| Reject::number(error, what))?;
    Qty::from_units(units).ok_or(Reject::new(FrameReject::OutOfRange, what))
}

fn price_of(text: &str, info: &PairInfo, what: &'static str) -> Result<Price, Reject> {
    let units = parse_units(text.as_bytes(), u32::from(info.scale.price_decimals()), Excess::Refuse)
        .map_err(|error| Reject::number(error, what))?;
    Price::from_units(units).ok_or(Reject::new(FrameReject::OutOfRange, what))
}

/// Unix milliseconds, as text or as a number: the two places differ.
fn text_millis(value: Option<Value<'_, '_>>, what: &'static str) -> Result<VenueNanos, Reject> {
    let value = required(value, what)?;
    let millis = value.as_str().map_or_else(|| value.as_i64(), |text| text.parse().ok());
    let nanos = millis.and_then(VenueNanos::from_millis).filter(|nanos| nanos.0 > 0);
    nanos.ok_or(Reject::new(FrameReject::BadNumber, what))
}
