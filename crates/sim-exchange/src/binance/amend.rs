//! Amendments: an open order made smaller in its place (Binance spot API, order amend keep priority).
//!
//! Start at [`amend`]. The order keeps its number and its place in the queue, and gets the client id that was asked for, or a new
//! one.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{
    Call, Caller,
    config::ASSET_DECIMALS,
    error::ApiError,
    notes::Amended,
    orders::{ROWS, client_id, named},
    params::Params,
    rows::{fixed, order_row},
};
use crate::core::{Amendment, OrderId};

/// Most amendments of one order (`MAX_NUM_ORDER_AMENDS`).
pub(super) const AMENDS_MAX: usize = 10;

/// What matching refuses of an amendment.
fn rejected(msg: &str) -> ApiError {
    ApiError::new(-2038, msg)
}

/// Makes an open order smaller without losing its place.
///
/// # Errors
/// −2013 for an unknown order, −2038 when the quantity does not shrink, the client id is in use or it was amended too often.
pub(super) fn amend(params: &Params, call: &mut Call<'_>, caller: Caller) -> Result<Value, ApiError> {
    let named = named(params, call, ("orderId", "origClientOrderId"))?;
    let amount = params.decimal("newQty", ASSET_DECIMALS)?.ok_or_else(|| ApiError::missing("newQty"))?;
    let new_id = params.get("newClientOrderId")?.map(|text| client_id("newClientOrderId", text)).transpose()?;
    params.finish()?;
    let order = named.find(call, caller).filter(|order| order.end.is_none()).ok_or_else(ApiError::no_such_order)?;
    let before = order.clone();
    if amount > before.amount {
        return Err(rejected("Order amend (quantity increase) is not supported."));
    }
    if amount == before.amount || amount <= before.filled_amount {
        return Err(rejected("The requested action would change no state; rejecting."));
    }
    if call.state.notes.of(&before).amendments.len() >= AMENDS_MAX {
        return Err(rejected("Filter failure: MAX_NUM_ORDER_AMENDS"));
    }
    let new_id = new_id.unwrap_or_else(|| call.new_id());
    let amendment = Amendment { amount: Some(amount), ..Amendment::default() };
    let amended = call.exchange.amend_as(call.t_ns, caller.account, before.id, amendment, Some(new_id.clone()));
    amended.map_err(|reject| match ApiError::from(reject) {
        // What -2010 is to a new order, -2038 is to an amendment.
        error if error.code == -2010 => rejected(&error.msg),
        error => error,
    })?;
    call.state.reports += 1;
    let number = call.state.reports;
    let order = call.exchange.order(before.id).ok_or_else(ApiError::no_such_order)?;
    let old_id = before.text.unwrap_or_default();
    let note = call.state.notes.of_mut(order);
    note.amendments.push(Amended {
        number,
        t_ns: call.t_ns,
        old_id: old_id.clone(),
        new_id,
        old_amount: before.amount,
        new_amount: amount,
        is_told: false,
    });
    let row = order_row(order, &call.state.notes.of(order), &call.state.symbols, call.stamp);
    Ok(json!({
        "transactTime": call.stamp.of(call.t_ns),
        "executionId": number,
        "amendedOrder": {
            "symbol": row["symbol"], "orderId": row["orderId"], "orderListId": -1, "origClientOrderId": old_id,
            "clientOrderId": row["clientOrderId"], "price": row["price"], "qty": row["origQty"],
            "executedQty": row["executedQty"], "preventedQty": fixed(Decimal::ZERO), "quoteOrderQty": fixed(Decimal::ZERO),
            "cumulativeQuoteQty": row["cummulativeQuoteQty"], "status": row["status"], "timeInForce": row["timeInForce"],
            "type": row["type"], "side": row["side"], "workingTime": row["workingTime"],
            "selfTradePreventionMode": row["selfTradePreventionMode"],
        },
    }))
}

/// `order/amendments`, `order.amendments`: every amendment of one order, oldest first; none of an order that is not known.
pub(super) fn amendments(params: &Params, call: &Call<'_>, caller: Caller) -> Result<Value, ApiError> {
    let name = params.required("symbol")?;
    let pair = call.pair(name)?;
    let id = params.number("orderId")?.ok_or_else(|| ApiError::missing("orderId"))?;
    let from = params.number("fromExecutionId")?.unwrap_or(0);
    let limit = params.limit(ROWS.0, ROWS.1)?;
    params.finish()?;
    let order = call.exchange.order(OrderId(id)).filter(|order| order.account == caller.account && order.pair == pair);
    let amendments = order.map(|order| call.state.notes.of(order).amendments).unwrap_or_default();
    let row = |amended: Amended| {
        json!({
            "symbol": name,
            "orderId": id,
            "executionId": amended.number,
            "origClientOrderId": amended.old_id,
            "newClientOrderId": amended.new_id,
            "origQty": fixed(amended.old_amount),
            "newQty": fixed(amended.new_amount),
            "time": call.stamp.of(amended.t_ns),
        })
    };
    Ok(amendments.into_iter().filter(|amended| amended.number >= from).take(limit).map(row).collect())
}
