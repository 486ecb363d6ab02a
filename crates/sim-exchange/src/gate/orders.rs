//! Private REST about orders and fills: place, look up, list, cancel, trades (Gate API v4, orders).
//!
//! Start at [`place`]. The exchange decides; this file reads bodies and parameters, hides what Gate would still hide, and
//! words the answers. A repeated `text` is not refused: on Gate the later order shadows the earlier one.

use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    config::Visibility,
    error::ApiError,
    frame::to_json,
    query::{Query, page_of},
    render::{ActionMode, Symbols, my_trade_row, order_row, refusal, text_of},
    rows::{MyTradeRow, OrderRow},
};
use crate::core::{
    AccountId, Exchange, NewOrder, Order, OrderFilter, OrderId, OrderKind, OrderStatus, PairId, Side, TimeInForce, TradeFilter,
};

/// Longest `text`, its prefix included.
const TEXT_BYTES_MAX: usize = 30;
/// Longest decimal read from a body.
const DECIMAL_BYTES_MAX: usize = 40;

/// Who asks, when, and what of the past may be shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    pub(super) account: AccountId,
    pub(super) t_ns: u64,
    pub(super) visibility: Visibility,
}

impl Caller {
    /// Whether Gate's lookups know the order by its id now.
    fn sees(&self, order: &Order) -> bool {
        if order.account != self.account || self.t_ns < order.create_t_ns.saturating_add(self.visibility.order_hidden_ns) {
            return false;
        }
        let forgotten = order.status() == OrderStatus::Cancelled
            && order.filled_amount.is_zero()
            && order.end_t_ns().is_some_and(|end| self.t_ns >= end.saturating_add(self.visibility.unfilled_forgotten_ns));
        !forgotten
    }

    fn sees_by_text(&self, order: &Order) -> bool {
        let expired = order.end_t_ns().is_some_and(|end| self.t_ns >= end.saturating_add(self.visibility.text_lookup_ns));
        self.sees(order) && !expired
    }
}

/// A new order as the body asked for it.
#[derive(Clone, Debug)]
pub(super) struct PlaceRequest {
    pub(super) order: NewOrder,
    pub(super) mode: ActionMode,
    /// `amount` as sent, for messages.
    pub(super) amount_text: String,
}

/// Reads the body of a new order.
pub(super) fn parse_place(body: &[u8], account: AccountId, symbols: &Symbols) -> Result<PlaceRequest, ApiError> {
    let value: Value = serde_json::from_slice(body).map_err(|_| ApiError::invalid_body("Invalid request body: not JSON"))?;
    let Value::Object(fields) = value else {
        return Err(ApiError::invalid_body("Invalid request body: not an object"));
    };
    let pair_name = required_text(&fields, "currency_pair")?;
    let pair = symbols.find_pair(pair_name).ok_or_else(|| ApiError::invalid_pair(pair_name))?;
    let side = match required_text(&fields, "side")? {
        "buy" => Side::Buy,
        "sell" => Side::Sell,
        other => return Err(ApiError::invalid_param(format!("Invalid side: {other}"))),
    };
    let kind = match optional_text(&fields, "type")?.unwrap_or("limit") {
        "limit" => OrderKind::Limit,
        "market" => OrderKind::Market,
        other => return Err(ApiError::invalid_param(format!("Invalid type: {other}"))),
    };
    let time_in_force = match optional_text(&fields, "time_in_force")?.unwrap_or("gtc") {
        "gtc" => TimeInForce::Gtc,
        "ioc" => TimeInForce::Ioc,
        "fok" => TimeInForce::Fok,
        "poc" => TimeInForce::Poc,
        other => return Err(ApiError::invalid_param(format!("Invalid time_in_force: {other}"))),
    };
    match optional_text(&fields, "account")?.unwrap_or("spot") {
        "spot" => {}
        other => return Err(ApiError::invalid_param(format!("Invalid account: {other}"))),
    }
    let mode = match optional_text(&fields, "action_mode")?.unwrap_or("FULL") {
        "ACK" => ActionMode::Ack,
        "RESULT" => ActionMode::Result,
        "FULL" => ActionMode::Full,
        other => return Err(ApiError::invalid_param(format!("Invalid action_mode: {other}"))),
    };
    if optional_text(&fields, "iceberg")?.is_some_and(|iceberg| iceberg != "0") {
        return Err(ApiError::invalid_param("Invalid iceberg: hidden orders are not simulated"));
    }
    if optional_text(&fields, "stp_act")?.is_some_and(|act| act != "-") {
        return Err(ApiError::invalid_param("Invalid stp_act: the user is in no STP group"));
    }
    let text = optional_text(&fields, "text")?.map(checked_text).transpose()?;
    let amount_text = required_text(&fields, "amount")?.to_owned();
    let amount = decimal("amount", &amount_text)?;
    let price = match kind {
        OrderKind::Limit => decimal("price", required_text(&fields, "price")?)?,
        OrderKind::Market => Decimal::ZERO,
    };
    let order = NewOrder { account, pair, side, kind, time_in_force, price, amount, text };
    Ok(PlaceRequest { order, mode, amount_text })
}

fn optional_text<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, ApiError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(ApiError::invalid_body(format!("Invalid request body: {name} must be a string"))),
    }
}

fn required_text<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a str, ApiError> {
    optional_text(fields, name)?.ok_or_else(|| ApiError::missing_param(name))
}

/// Plain decimal digits with at most one point. No sign, no exponent.
fn decimal(name: &str, text: &str) -> Result<Decimal, ApiError> {
    let invalid = || ApiError::invalid_param(format!("Invalid {name}: {text}"));
    let plain = text.len() <= DECIMAL_BYTES_MAX
        && text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && text.bytes().any(|b| b.is_ascii_digit());
    if !plain {
        return Err(invalid());
    }
    // Exact: digits past the type's reach are an error, never a rounding.
    Decimal::from_str_exact(text).map_err(|_| invalid())
}

/// Gate API v4, `text`: prefix `t-`, at most 30 bytes, characters `0-9 A-Z a-z _ - .`.
fn checked_text(text: &str) -> Result<String, ApiError> {
    let valid = text.len() <= TEXT_BYTES_MAX
        && text.len() > 2
        && text.starts_with("t-")
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    if valid { Ok(text.to_owned()) } else { Err(ApiError::invalid_param(format!("Invalid text: {text}"))) }
}

/// Places the order. Returns its id and the body of the 201.
pub(super) fn place(
    request: PlaceRequest,
    t_ns: u64,
    exchange: &mut Exchange,
    symbols: &Symbols,
) -> Result<(OrderId, String), ApiError> {
    let rules = symbols.rules(request.order.pair);
    let text = text_of(request.order.text.as_deref());
    let id = exchange.place(t_ns, request.order).map_err(|reject| refusal(&reject, rules, &request.amount_text))?;
    let body = match (request.mode, exchange.order(id)) {
        (ActionMode::Result | ActionMode::Full, Some(order)) => to_json(&order_row(order, symbols, request.mode)),
        _ => json!({"id": id.0.to_string(), "text": text, "amend_text": "-"}).to_string(),
    };
    Ok((id, body))
}

/// Finds an order by exchange id or by `text`, as far as Gate would.
fn find<'a>(name: &str, pair: PairId, caller: &Caller, exchange: &'a Exchange) -> Result<&'a Order, ApiError> {
    if name.starts_with("t-") {
        let order = exchange.order_by_text(caller.account, name);
        return order.filter(|order| order.pair == pair && caller.sees_by_text(order)).ok_or_else(ApiError::client_id_not_found);
    }
    let id = name.parse::<u64>().map_err(|_| ApiError::invalid_param(format!("Invalid order id: {name}")))?;
    let order = exchange.order(OrderId(id));
    order.filter(|order| order.pair == pair && caller.sees(order)).ok_or_else(ApiError::order_not_found)
}

fn required_pair(query: &Query, symbols: &Symbols) -> Result<PairId, ApiError> {
    let name = query.required("currency_pair")?;
    symbols.find_pair(name).ok_or_else(|| ApiError::invalid_pair(name))
}

fn optional_pair(query: &Query, symbols: &Symbols) -> Result<Option<PairId>, ApiError> {
    query.get("currency_pair").map(|name| symbols.find_pair(name).ok_or_else(|| ApiError::invalid_pair(name))).transpose()
}

fn optional_side(query: &Query) -> Result<Option<Side>, ApiError> {
    match query.get("side") {
        None => Ok(None),
        Some("buy") => Ok(Some(Side::Buy)),
        Some("sell") => Ok(Some(Side::Sell)),
        Some(other) => Err(ApiError::invalid_param(format!("Invalid side: {other}"))),
    }
}

/// GET `/spot/orders/{order_id}`.
pub(super) fn get(
    name: &str,
    query: &Query,
    caller: &Caller,
    exchange: &Exchange,
    symbols: &Symbols,
) -> Result<String, ApiError> {
    let pair = required_pair(query, symbols)?;
    Ok(to_json(&order_row(find(name, pair, caller, exchange)?, symbols, ActionMode::Full)))
}

/// DELETE `/spot/orders/{order_id}`.
pub(super) fn cancel(
    name: &str,
    query: &Query,
    caller: &Caller,
    exchange: &mut Exchange,
    symbols: &Symbols,
) -> Result<String, ApiError> {
    let pair = required_pair(query, symbols)?;
    let found = find(name, pair, caller, exchange)?;
    match found.status() {
        OrderStatus::Open => {}
        OrderStatus::Closed => return Err(ApiError::order_closed()),
        OrderStatus::Cancelled => return Err(ApiError::order_cancelled()),
    }
    let id = found.id;
    exchange.cancel(caller.t_ns, caller.account, id).map_err(|reject| refusal(&reject, symbols.rules(pair), ""))?;
    let order = exchange.order(id).ok_or_else(ApiError::order_not_found)?;
    Ok(to_json(&order_row(order, symbols, ActionMode::Full)))
}

#[derive(Serialize)]
struct CancelledRow {
    #[serde(flatten)]
    order: OrderRow,
    succeeded: bool,
    label: &'static str,
    message: &'static str,
}

/// DELETE `/spot/orders`: cancels all that match; without a pair, those of every market.
pub(super) fn cancel_all(query: &Query, caller: &Caller, exchange: &mut Exchange, symbols: &Symbols) -> Result<String, ApiError> {
    let pair = optional_pair(query, symbols)?;
    let side = optional_side(query)?;
    let open = exchange.open_orders(caller.account, pair);
    let ids: Vec<OrderId> =
        open.filter(|order| side.is_none_or(|side| order.side == side) && caller.sees(order)).map(|order| order.id).collect();
    let mut rows = Vec::with_capacity(ids.len());
    for id in ids {
        exchange.cancel(caller.t_ns, caller.account, id).map_err(|reject| refusal(&reject, None, ""))?;
        let order = exchange.order(id).ok_or_else(ApiError::order_not_found)?;
        rows.push(CancelledRow { order: order_row(order, symbols, ActionMode::Full), succeeded: true, label: "", message: "" });
    }
    Ok(to_json(&rows))
}

/// GET `/spot/orders`.
pub(super) fn list(query: &Query, caller: &Caller, exchange: &Exchange, symbols: &Symbols) -> Result<String, ApiError> {
    let page = query.number("page", 1, 1, 100_000)?;
    let rows: Vec<OrderRow> = match query.required("status")? {
        "open" => {
            let pair = required_pair(query, symbols)?;
            let limit = query.number("limit", 100, 1, 100)?;
            let open = exchange.open_orders(caller.account, Some(pair)).filter(|order| caller.sees(order));
            page_of(open.map(|order| order_row(order, symbols, ActionMode::Full)).collect(), page, limit)
        }
        "finished" => {
            let limit = query.number("limit", 100, 1, 1_000)?;
            let filter = OrderFilter {
                pair: optional_pair(query, symbols)?,
                side: optional_side(query)?,
                from_t_ns: second_bound(query, "from", 0)?,
                to_t_ns: second_bound(query, "to", 999_999_999)?,
                ..OrderFilter::default()
            };
            let finished = exchange.finished_orders(caller.account, &filter);
            let seen = finished.into_iter().filter(|order| caller.sees(order));
            page_of(seen.map(|order| order_row(order, symbols, ActionMode::Full)).collect(), page, limit)
        }
        other => return Err(ApiError::invalid_param(format!("Invalid status: {other}"))),
    };
    Ok(to_json(&rows))
}

/// A bound given in seconds, as nanoseconds; `add_ns` makes an upper bound include its whole second.
fn second_bound(query: &Query, name: &str, add_ns: u64) -> Result<Option<u64>, ApiError> {
    let Some(_) = query.get(name) else { return Ok(None) };
    let seconds = query.number(name, 0, 0, u64::MAX)?;
    Ok(Some(seconds.saturating_mul(1_000_000_000).saturating_add(add_ns)))
}

#[derive(Serialize)]
struct OpenOrdersRow {
    currency_pair: String,
    total: usize,
    orders: Vec<OrderRow>,
}

/// GET `/spot/open_orders`: every market with open orders; `limit` counts per pair.
pub(super) fn open_orders(query: &Query, caller: &Caller, exchange: &Exchange, symbols: &Symbols) -> Result<String, ApiError> {
    let page = query.number("page", 1, 1, 100_000)?;
    let limit = query.number("limit", 100, 1, 100)?;
    let mut rows = Vec::new();
    for (pair, rules) in symbols.pairs() {
        let open = exchange.open_orders(caller.account, Some(pair)).filter(|order| caller.sees(order));
        let all: Vec<OrderRow> = open.map(|order| order_row(order, symbols, ActionMode::Full)).collect();
        if !all.is_empty() {
            rows.push(OpenOrdersRow { currency_pair: rules.id.clone(), total: all.len(), orders: page_of(all, page, limit) });
        }
    }
    Ok(to_json(&rows))
}

/// GET `/spot/my_trades`, newest first.
pub(super) fn my_trades(query: &Query, caller: &Caller, exchange: &Exchange, symbols: &Symbols) -> Result<String, ApiError> {
    let pair = optional_pair(query, symbols)?;
    let limit = query.number("limit", 100, 1, 1_000)?;
    let page = query.number("page", 1, 1, 100_000)?;
    let order_id = match query.get("order_id") {
        None => None,
        Some(_) if pair.is_none() => return Err(ApiError::missing_param("currency_pair")),
        Some(_) => Some(OrderId(query.number("order_id", 0, 0, u64::MAX)?)),
    };
    let filter = TradeFilter {
        pair,
        order_id,
        from_t_ns: second_bound(query, "from", 0)?,
        to_t_ns: second_bound(query, "to", 999_999_999)?,
        ..TradeFilter::default()
    };
    let shown_to = caller.t_ns.saturating_sub(caller.visibility.trade_hidden_ns);
    let fills = exchange.trades(caller.account, &filter);
    let rows: Vec<MyTradeRow> =
        fills.into_iter().filter(|fill| fill.t_ns <= shown_to).map(|fill| my_trade_row(fill, symbols)).collect();
    Ok(to_json(&page_of(rows, page, limit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_ids_follow_the_rule() {
        let longest = format!("t-{}", "x".repeat(28));
        for good in ["t-1", "t-arb_0.1-A", longest.as_str()] {
            assert_eq!(checked_text(good).as_deref(), Ok(good));
        }
        let too_long = format!("t-{}", "x".repeat(29));
        for bad in ["1", "t-", "x-1", "t-ä", "t-a b", too_long.as_str()] {
            assert_eq!(checked_text(bad).map_err(|e| e.label), Err("INVALID_PARAM_VALUE"), "{bad}");
        }
    }

    #[test]
    fn decimals_are_plain_and_exact() {
        for good in ["0.001", "27000.5", "1", "1.", ".5"] {
            assert!(decimal("price", good).is_ok(), "{good}");
        }
        let long = "1".repeat(DECIMAL_BYTES_MAX + 1);
        for bad in ["", ".", "-1", "+1", "1e3", "NaN", "1_000", " 1", "0.00000000000000000000000000000000001", long.as_str()] {
            assert!(decimal("price", bad).is_err(), "{bad}");
        }
    }
}
