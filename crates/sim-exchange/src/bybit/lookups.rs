//! Private lists of orders and executions (Bybit API v5: open orders, order history, trade history).
//!
//! `/v5/order/realtime` knows open orders and, for a while, the last [`RECENT_MAX`] that have ended; what is older stands in
//! `/v5/order/history`, where orders that ended without a fill are forgotten in the end. All lists are newest first, and a cursor
//! names the last row of a page, so that rows which come into being meanwhile move nothing.

use serde_json::{Value, json};

use super::{
    error::ApiError,
    market::{Category, category},
    orders::Caller,
    params::Params,
    rows::{self, RowContext, state_of},
};
use crate::{
    core::{Order, OrderFilter, OrderId, PairId, TradeFilter, TradeId},
    faults::{VenueClock, conduct},
};

/// Ended orders that `/v5/order/realtime` still knows.
const RECENT_MAX: usize = 500;
pub(super) const DAY_MS: u64 = 86_400_000;
/// What lists of orders and executions cover without a time, and the widest span that any list accepts.
const SPAN_MS: u64 = 7 * DAY_MS;

/// An answer to a list: rows, with the cursor of the next page.
fn page(name: &str, rows: Vec<(u64, Value)>, limit: u64) -> Value {
    let (rows, cursor) = cut(rows, limit);
    json!({"category": name, "list": rows, "nextPageCursor": cursor})
}

/// The first rows, and the cursor of those after them, if there are any.
pub(super) fn cut(rows: Vec<(u64, Value)>, limit: u64) -> (Vec<Value>, String) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > limit;
    let cursor = rows.get(limit.saturating_sub(1)).filter(|_| more).map_or_else(String::new, |(id, _)| format!("before_{id}"));
    (rows.into_iter().take(limit).map(|(_, row)| row).collect(), cursor)
}

/// Ids below this are on the page that a cursor asks for.
pub(super) fn below(params: &Params) -> Result<u64, ApiError> {
    let Some(cursor) = params.get("cursor") else { return Ok(u64::MAX) };
    cursor.strip_prefix("before_").and_then(|id| id.parse().ok()).ok_or_else(|| ApiError::parameter("cursor"))
}

/// What a list is about: a pair, or one order.
struct Wanted {
    pair: Option<PairId>,
    base: Option<String>,
    id: Option<OrderId>,
    link: Option<String>,
}

impl Wanted {
    /// Names in the order in which Bybit takes them: order id, client id, symbol, coin. What comes after the first is not looked at,
    /// not even for what is wrong with it.
    fn read(params: &Params, context: &RowContext<'_>) -> Result<Wanted, ApiError> {
        let nothing = Wanted { pair: None, base: None, id: None, link: None };
        if let Some(id) = params.get("orderId") {
            // An id that is no number names no order.
            return Ok(Wanted { id: Some(OrderId(id.parse().unwrap_or(0))), ..nothing });
        }
        if let Some(link) = params.get("orderLinkId") {
            return Ok(Wanted { link: Some(link.to_owned()), ..nothing });
        }
        let pair = match params.get("symbol") {
            Some(symbol) => Some(context.symbols.find(symbol).ok_or_else(ApiError::invalid_symbol)?),
            None => None,
        };
        Ok(Wanted { pair, base: params.get("baseCoin").map(str::to_owned), ..nothing })
    }

    fn names_one(&self) -> bool {
        self.id.is_some() || self.link.is_some()
    }

    /// The milliseconds that a list of ended orders or executions covers: all there are for an order that is named.
    fn span(&self, params: &Params, caller: &Caller, clock: VenueClock) -> Result<(u64, u64), ApiError> {
        if self.names_one() { Ok((0, u64::MAX)) } else { span(params, caller, clock, SPAN_MS) }
    }

    fn takes(&self, order: &Order, context: &RowContext<'_>) -> bool {
        if let Some(id) = self.id {
            return order.id == id;
        }
        if let Some(link) = &self.link {
            return order.text.as_ref() == Some(link);
        }
        self.pair.is_none_or(|pair| order.pair == pair)
            && self.base.as_ref().is_none_or(|base| context.symbols.rules(order.pair).is_some_and(|rules| rules.base == *base))
    }
}

/// GET `/v5/order/realtime`.
///
/// # Errors
/// Refusals of parameters.
pub(super) fn realtime(params: &Params, caller: &Caller, context: &RowContext<'_>) -> Result<Value, ApiError> {
    let name = params.get("category").unwrap_or_default();
    let limit = params.number("limit", 20, 1, 50)?;
    let below = below(params)?;
    let only_ended = params.number("openOnly", 0, 0, 2)? != 0;
    if category(params.get("category"))? == Category::Other {
        return Ok(page(name, Vec::new(), limit));
    }
    let wanted = Wanted::read(params, context)?;
    let ended = context.exchange.finished_orders(caller.account, &OrderFilter::default());
    let recent = ended.into_iter().take(RECENT_MAX).filter(|order| caller.is_recent(order));
    let open = context.exchange.open_orders(caller.account, None);
    let shown_ns = caller.shown_ns();
    let mut orders: Vec<Order> = recent
        .chain(open)
        .filter(|order| caller.sees(order) && order.id.0 < below && wanted.takes(order, context))
        .filter_map(|order| conduct::as_of(order, shown_ns, context.exchange))
        .filter(|order| wanted.names_one() || order.end.is_some() == only_ended)
        .collect();
    orders.sort_by_key(|order| std::cmp::Reverse(order.id));
    orders.truncate(usize::try_from(limit).unwrap_or(50) + 1);
    let rows = orders.iter().map(|order| (order.id.0, rows::order(order, context))).collect();
    Ok(page(name, rows, limit))
}

/// GET `/v5/order/history`: orders that have ended.
///
/// # Errors
/// Refusals of parameters: a span of more than seven days among them.
pub(super) fn history(params: &Params, caller: &Caller, context: &RowContext<'_>) -> Result<Value, ApiError> {
    let name = params.get("category").unwrap_or_default();
    let limit = params.number("limit", 20, 1, 50)?;
    let below = below(params)?;
    if category(params.get("category"))? == Category::Other {
        return Ok(page(name, Vec::new(), limit));
    }
    let wanted = Wanted::read(params, context)?;
    let (from_ms, to_ms) = wanted.span(params, caller, context.clock)?;
    let status = params.get("orderStatus");
    let known_ns = |order: &Order| {
        let forgotten = order.filled_amount.is_zero()
            && order
                .end_t_ns()
                .is_some_and(|end_ns| caller.t_ns >= end_ns.saturating_add(caller.visibility.unfilled_forgotten_ns));
        !forgotten && order.end_t_ns().is_some_and(|end_ns| end_ns <= caller.shown_ns())
    };
    let ended = context.exchange.finished_orders(caller.account, &OrderFilter::default());
    let within = |t_ns: u64| {
        let shown_ms = context.clock.shown_ns(t_ns) / 1_000_000;
        shown_ms >= from_ms && shown_ms <= to_ms
    };
    let mut orders: Vec<&Order> = ended
        .into_iter()
        .filter(|order| caller.sees(order) && order.id.0 < below && wanted.takes(order, context) && known_ns(order))
        .filter(|order| within(order.create_t_ns))
        .filter(|order| status.is_none_or(|status| state_of(order, context.memory).0 == status))
        .collect();
    orders.sort_by_key(|order| std::cmp::Reverse(order.id));
    orders.truncate(usize::try_from(limit).unwrap_or(50) + 1);
    let rows = orders.into_iter().map(|order| (order.id.0, rows::order(order, context))).collect();
    Ok(page(name, rows, limit))
}

/// GET `/v5/execution/list`.
///
/// # Errors
/// Refusals of parameters: a span of more than seven days among them.
pub(super) fn executions(params: &Params, caller: &Caller, context: &RowContext<'_>) -> Result<Value, ApiError> {
    let name = params.get("category").unwrap_or_default();
    let limit = params.number("limit", 50, 1, 100)?;
    let below = below(params)?;
    if category(params.get("category"))? == Category::Other {
        return Ok(page(name, Vec::new(), limit));
    }
    let wanted = Wanted::read(params, context)?;
    let (from_ms, to_ms) = wanted.span(params, caller, context.clock)?;
    if params.get("execType").is_some_and(|kind| kind != "Trade") {
        return Ok(page(name, Vec::new(), limit));
    }
    let shown_to_ns = caller.t_ns.saturating_sub(caller.visibility.trade_hidden_ns);
    let filter = TradeFilter { pair: wanted.pair, order_id: wanted.id, ..TradeFilter::default() };
    let fills = context.exchange.trades(caller.account, &filter).into_iter();
    let rows = fills
        .filter(|fill| fill.t_ns <= shown_to_ns && fill.trade_id < TradeId(below))
        .filter(|fill| wanted.link.is_none() || fill.text == wanted.link)
        .filter(|fill| {
            let base = wanted.base.as_ref();
            base.is_none_or(|base| context.symbols.rules(fill.pair).is_some_and(|rules| rules.base == *base))
        })
        .filter(|fill| {
            let shown_ms = context.clock.shown_ns(fill.t_ns) / 1_000_000;
            shown_ms >= from_ms && shown_ms <= to_ms
        })
        .take(usize::try_from(limit).unwrap_or(100) + 1)
        .map(|fill| (fill.trade_id.0, rows::execution(fill, context)))
        .collect();
    Ok(page(name, rows, limit))
}

/// `startTime` and `endTime` in the venue's milliseconds, at most seven days apart: so long a span from one bound, or the last of that
/// length without any.
pub(super) fn span(params: &Params, caller: &Caller, clock: VenueClock, usual_ms: u64) -> Result<(u64, u64), ApiError> {
    let bound = |name| params.get(name).map(|_| params.number(name, 0, 0, u64::MAX)).transpose();
    let now_ms = clock.shown_ns(caller.t_ns) / 1_000_000;
    let (from_ms, to_ms) = match (bound("startTime")?, bound("endTime")?) {
        (None, None) => (now_ms.saturating_sub(usual_ms), u64::MAX),
        (Some(from_ms), None) => (from_ms, from_ms.saturating_add(usual_ms)),
        (None, Some(to_ms)) => (to_ms.saturating_sub(usual_ms), to_ms),
        (Some(from_ms), Some(to_ms)) if to_ms < from_ms => {
            return Err(ApiError::new(10_001, "The start time must be earlier than the end time."));
        }
        (Some(from_ms), Some(to_ms)) if to_ms - from_ms > SPAN_MS => {
            return Err(ApiError::new(10_001, "The time range between startTime and endTime cannot exceed 7 days."));
        }
        (Some(from_ms), Some(to_ms)) => (from_ms, to_ms),
    };
    Ok((from_ms, to_ms))
}
