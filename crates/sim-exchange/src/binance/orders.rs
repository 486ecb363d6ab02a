//! Orders and executions: place, test, cancel, replace, look up, list (Binance spot API, trading and account endpoints).
//!
//! REST and the WebSocket API call the same functions and get the same rows. The exchange decides; this file reads parameters,
//! counts unfilled orders, hides what a fault hides, and words the answers.
//!
//! A market order by base quantity is placed as an immediate-or-cancel limit order at the last price that the book needs for it,
//! so a buyer must have that much free; what it does not cost is free again at once. A market sale by quote sells the base that
//! raises no more than that, by the book as it stands.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{
    Call, Caller, auth,
    config::ASSET_DECIMALS,
    error::ApiError,
    notes::{Note, OrderType},
    params::Params,
    rows::{cancelled_row, order_row, placed_row, trade_row},
};
use crate::{
    core::{
        Exchange, NewOrder, Order, OrderFilter, OrderId, OrderKind, OrderSource, PairId, PlaceOptions, Reject, Side, StpAct,
        TimeInForce, TradeFilter, exact,
    },
    faults::conduct,
    monitor::{CancelArrival, CancelTarget, Placement, PlacementOutcome},
};

/// The mode of an order that names none (`defaultSelfTradePreventionMode`).
pub(super) const STP_DEFAULT: &str = "EXPIRE_MAKER";
/// Modes that are allowed. Orders of one account never trade with each other here, so `NONE` is not among them; nor is
/// `DECREMENT`.
pub(super) const STP_MODES: [(&str, StpAct); 3] =
    [("EXPIRE_TAKER", StpAct::CancelNewest), (STP_DEFAULT, StpAct::CancelOldest), ("EXPIRE_BOTH", StpAct::CancelBoth)];
/// Longest client id.
const CLIENT_ID_MAX: usize = 36;
/// Rows of a list by default, and the most.
pub(super) const ROWS: (usize, usize) = (500, 1_000);
/// The longest span between `startTime` and `endTime`.
const SPAN_MAX_NS: u64 = 86_400_000_000_000;
/// Most open orders of an account on a symbol (`MAX_NUM_ORDERS`).
pub(super) const ORDERS_MAX: usize = 200;

/// How much the reply to a new order says (`newOrderRespType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Response {
    Ack,
    Result,
    Full,
}

/// A new order as it was asked for.
#[derive(Debug)]
struct Request {
    order: NewOrder,
    options: PlaceOptions,
    note: Note,
    response: Response,
}

/// Places an order.
///
/// # Errors
/// The refusal as Binance words it. Nothing has been placed then.
pub(super) fn place(params: &Params, call: &mut Call<'_>, caller: Caller) -> Result<Value, ApiError> {
    let request = parse(params, call, caller, "newClientOrderId");
    if request.is_ok() {
        params.finish()?;
    }
    execute(request?, auth::good_until_ms(params), call, caller)
}

/// Checks an order without placing it.
///
/// # Errors
/// The refusal that the order would have met before matching.
pub(super) fn test(params: &Params, call: &mut Call<'_>, caller: Caller) -> Result<Value, ApiError> {
    let request = parse(params, call, caller, "newClientOrderId")?;
    let with_rates = params.flag("computeCommissionRates")?.unwrap_or(false);
    params.finish()?;
    check_notional(&request, call)?;
    check_open_orders(&request, call)?;
    // The copy is thrown away with whatever happened to it.
    let mut copy = call.exchange.clone();
    match copy.place_with(call.t_ns, request.order.clone(), request.options) {
        // A test does not reach matching.
        Err(Reject::BalanceNotEnough | Reject::PostOnlyWouldTake | Reject::DuplicateClientId | Reject::NoLiquidity) | Ok(_) => {}
        Err(reject) => return Err(reject.into()),
    }
    Ok(if with_rates { super::account::commission_rates(call, caller) } else { json!({}) })
}

/// `expires_at_ms` is when the request itself would have been refused as too old, Unix milliseconds.
fn execute(mut request: Request, expires_at_ms: Option<u64>, call: &mut Call<'_>, caller: Caller) -> Result<Value, ApiError> {
    let pair = request.order.pair;
    let order = &request.order;
    let placement = Placement {
        t_ns: call.t_ns,
        user_id: caller.user_id,
        text: order.text.clone(),
        pair: call.state.symbols.rules(pair).map(|rules| rules.id.clone()).unwrap_or_default(),
        side: order.side,
        kind: order.kind,
        price: order.price,
        amount: order.amount,
        time_in_force: order.time_in_force,
        expires_at_ms,
    };
    let number = call.monitor.placement_arrived(call.exchange, placement);
    let placed = admit(&mut request, call, caller);
    let outcome = match &placed {
        Ok(id) => PlacementOutcome::Accepted(*id),
        Err(error) => PlacementOutcome::Refused(error.code.to_string()),
    };
    call.monitor.placement_outcome(number, outcome);
    let id = placed?;
    call.accepted += 1;
    call.state.limits.order(caller.user_id, call.t_ns);
    call.state.notes.add(id, request.note.clone(), call.exchange);
    let order = call.exchange.order(id).ok_or_else(ApiError::unavailable)?;
    let (symbols, stamp) = (&call.state.symbols, call.stamp);
    Ok(match request.response {
        Response::Ack => json!({
            "symbol": symbols.name(order.pair),
            "orderId": id.0,
            "orderListId": -1,
            "clientOrderId": order.text,
            "transactTime": stamp.of(call.t_ns),
        }),
        response => placed_row(order, &request.note, response == Response::Full, call.exchange, symbols, stamp),
    })
}

fn admit(request: &mut Request, call: &mut Call<'_>, caller: Caller) -> Result<OrderId, ApiError> {
    call.state.limits.check_order(caller.user_id, call.t_ns)?;
    check_notional(request, call)?;
    check_open_orders(request, call)?;
    if let Some(rules) = call.state.symbols.rules(request.order.pair) {
        conduct::admit(&mut request.order, &mut request.options, rules, &mut call.state.config.faults)?;
    }
    Ok(call.exchange.place_with(call.t_ns, request.order.clone(), request.options)?)
}

/// `NOTIONAL` of a market order by base, which has no price of its own: by the average price.
fn check_notional(request: &Request, call: &Call<'_>) -> Result<(), ApiError> {
    let by_base = request.note.kind == OrderType::Market && request.note.quote_order_qty.is_zero();
    let Some(rules) = call.state.symbols.rules(request.order.pair).filter(|_| by_base) else { return Ok(()) };
    let Some(average) = call.state.market.average(request.order.pair, call.exchange, call.t_ns) else { return Ok(()) };
    let value = exact::multiply(average, request.order.amount).map_err(|_| ApiError::filter("NOTIONAL"))?;
    if rules.min_quote_amount.is_some_and(|min| value < min) { Err(ApiError::filter("NOTIONAL")) } else { Ok(()) }
}

/// `MAX_NUM_ORDERS`: any new order counts as one that would be open.
fn check_open_orders(request: &Request, call: &Call<'_>) -> Result<(), ApiError> {
    let NewOrder { account, pair, .. } = request.order;
    let open = call.exchange.open_orders(account, Some(pair)).count();
    if open >= ORDERS_MAX { Err(ApiError::filter("MAX_NUM_ORDERS")) } else { Ok(()) }
}

/// Reads the parameters of a new order.
fn parse(params: &Params, call: &mut Call<'_>, caller: Caller, id_name: &str) -> Result<Request, ApiError> {
    let name = params.required("symbol")?;
    let pair = call.pair(name)?;
    let side = side(params.required("side")?)?;
    let kind = order_type(params.required("type")?)?;
    let time_in_force = params.get("timeInForce")?;
    let quantity = params.decimal("quantity", ASSET_DECIMALS)?;
    let quote_quantity = params.decimal("quoteOrderQty", ASSET_DECIMALS)?;
    let price = params.decimal("price", ASSET_DECIMALS)?;
    let text = match params.get(id_name)? {
        Some(text) => client_id(id_name, text)?,
        None => call.new_id(),
    };
    let (stp, stp_act) = stp_mode(params.get("selfTradePreventionMode")?)?;
    let strategy_id = params.number("strategyId")?;
    let strategy_type = params.number("strategyType")?;
    if strategy_type.is_some_and(|kind| kind < 1_000_000) {
        return Err(ApiError::new(-1134, "strategyType was less than 1000000."));
    }
    for name in ["stopPrice", "trailingDelta", "pegPriceType", "pegOffsetType", "pegOffsetValue"] {
        if params.has(name) {
            return Err(ApiError::new(-1106, format!("Parameter '{name}' sent when not required.")));
        }
    }
    if params.decimal("icebergQty", ASSET_DECIMALS)?.is_some_and(|part| !part.is_zero()) {
        return Err(ApiError::rejected("Iceberg orders are not supported for this symbol."));
    }
    let response = match params.get("newOrderRespType")? {
        None if kind == OrderType::LimitMaker => Response::Ack,
        None | Some("FULL") => Response::Full,
        Some("RESULT") => Response::Result,
        Some("ACK") => Response::Ack,
        Some(_) => return Err(ApiError::invalid("newOrderRespType")),
    };
    let unwanted = |name: &str| ApiError::new(-1106, format!("Parameter '{name}' sent when not required."));
    let note = Note { kind, stp, strategy_id, strategy_type, ..Note::default() };
    let options = PlaceOptions { stp_act: Some(stp_act), source: OrderSource::Rest, ..PlaceOptions::default() };
    let account = caller.account;
    let text = Some(text);
    if kind != OrderType::Limit && time_in_force.is_some() {
        return Err(unwanted("timeInForce"));
    }
    if kind != OrderType::Market {
        if quote_quantity.is_some() {
            return Err(unwanted("quoteOrderQty"));
        }
        let time_in_force = match (kind, time_in_force) {
            (OrderType::LimitMaker, _) => TimeInForce::Poc,
            (_, None) => return Err(ApiError::missing("timeInForce")),
            (_, Some("GTC")) => TimeInForce::Gtc,
            (_, Some("IOC")) => TimeInForce::Ioc,
            (_, Some("FOK")) => TimeInForce::Fok,
            (_, Some(_)) => return Err(ApiError::new(-1115, "Invalid timeInForce.")),
        };
        let amount = quantity.ok_or_else(|| ApiError::missing("quantity"))?;
        let price = price.ok_or_else(|| ApiError::missing("price"))?;
        let order = NewOrder { account, pair, side, kind: OrderKind::Limit, time_in_force, price, amount, text };
        return Ok(Request { order, options, note, response });
    }
    if price.is_some() {
        return Err(unwanted("price"));
    }
    let time_in_force = TimeInForce::Ioc;
    let market = |kind, price, amount| NewOrder { account, pair, side, kind, time_in_force, price, amount, text: text.clone() };
    let (order, note) = match (quantity, quote_quantity) {
        (Some(_), Some(_)) => return Err(unwanted("quoteOrderQty")),
        (None, None) => return Err(ApiError::missing("quantity")),
        (None, Some(quote)) if quote <= Decimal::ZERO => return Err(ApiError::new(-1013, "Invalid quantity.")),
        (None, Some(quote)) => {
            let amount = match side {
                Side::Buy => quote,
                Side::Sell => base_for(quote, pair, call.exchange)?,
            };
            (market(OrderKind::Market, Decimal::ZERO, amount), Note { quote_order_qty: quote, ..note })
        }
        (Some(base), None) if side == Side::Buy && base > Decimal::ZERO => match last_price_for(base, pair, call.exchange) {
            Some(price) => (market(OrderKind::Limit, price, base), note),
            None => (market(OrderKind::Market, Decimal::ZERO, base), note),
        },
        (Some(base), None) => (market(OrderKind::Market, Decimal::ZERO, base), note),
    };
    Ok(Request { order, options, note, response })
}

/// The base whose sale raises no more than `quote` by the book as it stands.
fn base_for(quote: Decimal, pair: PairId, exchange: &Exchange) -> Result<Decimal, ApiError> {
    let decimals = exchange.pair(pair).config.amount_precision;
    let too_thin = || ApiError::from(Reject::NoLiquidity);
    let (mut left, mut base) = (quote, Decimal::ZERO);
    for level in exchange.book(pair).levels(Side::Buy) {
        let wanted = exact::divide_rounded_down(left, level.price, decimals).ok_or_else(too_thin)?;
        let amount = wanted.min(level.amount);
        base = exact::add(base, amount).map_err(Reject::from)?;
        left = exact::multiply(level.price, amount).and_then(|raised| exact::subtract(left, raised)).map_err(Reject::from)?;
        if amount < level.amount {
            break;
        }
    }
    if base.is_zero() { Err(too_thin()) } else { Ok(base) }
}

/// The worst price that buying `base` needs, or the worst there is; `None` on an empty book.
fn last_price_for(base: Decimal, pair: PairId, exchange: &Exchange) -> Option<Decimal> {
    let (mut found, mut last) = (Decimal::ZERO, None);
    for level in exchange.book(pair).levels(Side::Sell) {
        last = Some(level.price);
        found = found.checked_add(level.amount)?;
        if found >= base {
            break;
        }
    }
    last
}

fn side(word: &str) -> Result<Side, ApiError> {
    match word {
        "BUY" => Ok(Side::Buy),
        "SELL" => Ok(Side::Sell),
        _ => Err(ApiError::new(-1117, "Invalid side.")),
    }
}

fn order_type(word: &str) -> Result<OrderType, ApiError> {
    let unsupported = |what: &str| Err(ApiError::rejected(&format!("{what} orders are not supported for this symbol.")));
    match word {
        "LIMIT" => Ok(OrderType::Limit),
        "LIMIT_MAKER" => Ok(OrderType::LimitMaker),
        "MARKET" => Ok(OrderType::Market),
        "STOP_LOSS" => unsupported("Stop loss"),
        "STOP_LOSS_LIMIT" => unsupported("Stop loss limit"),
        "TAKE_PROFIT" => unsupported("Take profit"),
        "TAKE_PROFIT_LIMIT" => unsupported("Take profit limit"),
        _ => Err(ApiError::new(-1116, "Invalid orderType.")),
    }
}

fn stp_mode(word: Option<&str>) -> Result<(&'static str, StpAct), ApiError> {
    let word = word.unwrap_or(STP_DEFAULT);
    STP_MODES.into_iter().find(|(mode, _)| *mode == word).ok_or_else(|| Reject::NoStpGroup.into())
}

/// A client id as it may be.
///
/// # Errors
/// −1100 for other characters, or too many.
pub(super) fn client_id(name: &str, text: &str) -> Result<String, ApiError> {
    let is_valid =
        text.len() <= CLIENT_ID_MAX && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:/_-".contains(&byte));
    if is_valid {
        return Ok(text.to_owned());
    }
    let msg = format!("Illegal characters found in parameter '{name}'; legal range is '^[a-zA-Z0-9-_.:/]{{1,36}}$'.");
    Err(ApiError::new(-1100, msg))
}

/// Which order a request names.
pub(super) struct Named {
    pair: PairId,
    id: Option<u64>,
    text: Option<String>,
}

/// The order that a request names by its number or its client id, in the parameters of these names.
///
/// # Errors
/// −1102 when it names none.
pub(super) fn named(params: &Params, call: &Call<'_>, prefix: (&str, &str)) -> Result<Named, ApiError> {
    let pair = call.pair(params.required("symbol")?)?;
    let id = params.number(prefix.0)?;
    let text = params.get(prefix.1)?.map(str::to_owned);
    if id.is_none() && text.is_none() {
        let msg = format!("Param '{}' or '{}' must be sent, but both were empty/null!", prefix.1, prefix.0);
        return Err(ApiError::new(-1102, msg));
    }
    Ok(Named { pair, id, text })
}

impl Named {
    /// The order: by its id, which a client id must then agree with, or the newest with this client id.
    pub(super) fn find<'a>(&self, call: &'a Call<'_>, caller: Caller) -> Option<&'a Order> {
        let exchange = &*call.exchange;
        let order = match (self.id, &self.text) {
            (Some(id), _) => exchange.order(OrderId(id)),
            (None, Some(text)) => exchange.order_by_text(caller.account, text),
            (None, None) => None,
        };
        let agrees = |order: &&Order| self.text.is_none() || order.text == self.text;
        order.filter(|order| order.account == caller.account && order.pair == self.pair).filter(agrees)
    }

    fn target(&self) -> CancelTarget {
        self.id.map_or_else(|| CancelTarget::Text(self.text.clone().unwrap_or_default()), |id| CancelTarget::Id(OrderId(id)))
    }
}

/// An order as the venue shows it now: perhaps not yet, perhaps as it was.
fn shown(order: &Order, call: &Call<'_>, by_text: bool) -> Option<Order> {
    let visibility = &call.state.config.visibility;
    if call.t_ns < order.create_t_ns.saturating_add(visibility.order_hidden_ns) {
        return None;
    }
    let is_past = |after_ns: u64| order.end_t_ns().is_some_and(|end| call.t_ns >= end.saturating_add(after_ns));
    let forgotten = order.filled_amount.is_zero() && is_past(visibility.unfilled_forgotten_ns);
    if forgotten || by_text && is_past(visibility.text_lookup_ns) {
        return None;
    }
    conduct::as_of(order, call.t_ns.saturating_sub(visibility.orders_stale_ns), call.exchange)
}

/// Looks an order up.
///
/// # Errors
/// −2013 when there is none that is known.
pub(super) fn status(params: &Params, call: &Call<'_>, caller: Caller) -> Result<Value, ApiError> {
    let named = named(params, call, ("orderId", "origClientOrderId"))?;
    params.finish()?;
    let order = named.find(call, caller).and_then(|order| shown(order, call, named.id.is_none()));
    let order = order.ok_or_else(ApiError::no_such_order)?;
    Ok(order_row(&order, &call.state.notes.of(&order), &call.state.symbols, call.stamp))
}

/// Cancels an order.
///
/// # Errors
/// −2011 when it is not open.
pub(super) fn cancel(params: &Params, call: &mut Call<'_>, caller: Caller) -> Result<Value, ApiError> {
    let named = named(params, call, ("orderId", "origClientOrderId"))?;
    let cancel_id = params.get("newClientOrderId")?.map(|text| client_id("newClientOrderId", text)).transpose()?;
    let restriction = restriction(params)?;
    params.finish()?;
    cancel_one(&named, cancel_id, restriction, call, caller)
}

/// `cancelRestrictions`: the status that the order must have.
fn restriction(params: &Params) -> Result<Option<&'static str>, ApiError> {
    match params.get("cancelRestrictions")? {
        None => Ok(None),
        Some("ONLY_NEW") => Ok(Some("NEW")),
        Some("ONLY_PARTIALLY_FILLED") => Ok(Some("PARTIALLY_FILLED")),
        Some(_) => Err(ApiError::new(-1145, "cancelRestrictions has to be either ONLY_NEW or ONLY_PARTIALLY_FILLED.")),
    }
}

fn cancel_one(
    named: &Named,
    cancel_id: Option<String>,
    restriction: Option<&str>,
    call: &mut Call<'_>,
    caller: Caller,
) -> Result<Value, ApiError> {
    let rules = call.state.symbols.rules(named.pair).cloned();
    let pair = rules.as_ref().map(|rules| rules.id.clone());
    call.monitor.cancel_arrived(CancelArrival { t_ns: call.t_ns, user_id: caller.user_id, pair, target: named.target() });
    let hidden_ns = call.state.config.visibility.order_hidden_ns;
    let known = named.find(call, caller).filter(|order| call.t_ns >= order.create_t_ns.saturating_add(hidden_ns));
    let id = known.filter(|order| order.end.is_none()).map(|order| order.id).ok_or_else(ApiError::unknown_order)?;
    if let Some(rules) = &rules {
        conduct::before_cancel(call.t_ns, id, call.exchange, rules, &mut call.state.config.faults);
    }
    let order = call.exchange.order(id).filter(|order| order.end.is_none()).ok_or_else(ApiError::unknown_order)?;
    if restriction.is_some_and(|status| super::rows::status_word(order) != status) {
        return Err(ApiError::new(-2011, "Order was not canceled due to cancel restrictions."));
    }
    let cancel_id = cancel_id.unwrap_or_else(|| call.new_id());
    if let Some(order) = call.exchange.order(id) {
        call.state.notes.of_mut(order).cancel_id = Some(cancel_id.clone());
    }
    let order = call.exchange.cancel(call.t_ns, caller.account, id)?;
    Ok(cancelled_row(&order, &call.state.notes.of(&order), &cancel_id, &call.state.symbols, call.stamp))
}

/// Cancels every open order of a symbol.
///
/// # Errors
/// −2011 when there is none.
pub(super) fn cancel_all(params: &Params, call: &mut Call<'_>, caller: Caller) -> Result<Value, ApiError> {
    let pair = call.pair(params.required("symbol")?)?;
    params.finish()?;
    let rules = call.state.symbols.rules(pair).map(|rules| rules.id.clone());
    let arrival = CancelArrival { t_ns: call.t_ns, user_id: caller.user_id, pair: rules, target: CancelTarget::All };
    call.monitor.cancel_arrived(arrival);
    let ids: Vec<OrderId> = call.exchange.open_orders(caller.account, Some(pair)).map(|order| order.id).collect();
    let mut rows = Vec::new();
    for id in ids {
        let cancel_id = call.new_id();
        if let Some(order) = call.exchange.order(id) {
            call.state.notes.of_mut(order).cancel_id = Some(cancel_id.clone());
        }
        if let Ok(order) = call.exchange.cancel(call.t_ns, caller.account, id) {
            rows.push(cancelled_row(&order, &call.state.notes.of(&order), &cancel_id, &call.state.symbols, call.stamp));
        }
    }
    if rows.is_empty() { Err(ApiError::unknown_order()) } else { Ok(Value::Array(rows)) }
}

/// Cancels an order and places another.
///
/// # Errors
/// −2022 when neither happened, −2021 (409) when only one did; `data` says which. −1015 (429) when there are too many unfilled
/// orders and the request does not ask for the cancel alone.
pub(super) fn cancel_replace(params: &Params, call: &mut Call<'_>, caller: Caller) -> Result<Value, ApiError> {
    let stop_on_failure = match params.required("cancelReplaceMode")? {
        "STOP_ON_FAILURE" => true,
        "ALLOW_FAILURE" => false,
        _ => return Err(ApiError::invalid("cancelReplaceMode")),
    };
    let cancel_only = match params.get("orderRateLimitExceededMode")? {
        None | Some("DO_NOTHING") => false,
        Some("CANCEL_ONLY") => true,
        Some(_) => return Err(ApiError::invalid("orderRateLimitExceededMode")),
    };
    let named = named(params, call, ("cancelOrderId", "cancelOrigClientOrderId"))?;
    let cancel_id = params.get("cancelNewClientOrderId")?.map(|text| client_id("cancelNewClientOrderId", text)).transpose()?;
    let restriction = restriction(params)?;
    let request = parse(params, call, caller, "newClientOrderId")?;
    params.finish()?;
    let has_room = call.state.limits.check_order(caller.user_id, call.t_ns);
    let is_full = has_room.is_err();
    if !cancel_only {
        has_room?;
    }
    let cancelled = cancel_one(&named, cancel_id, restriction, call, caller);
    let placed = if cancelled.is_err() && stop_on_failure {
        None
    } else {
        Some(execute(request, auth::good_until_ms(params), call, caller))
    };
    let word = |result: &Result<Value, ApiError>| if result.is_ok() { "SUCCESS" } else { "FAILURE" };
    let told = |result: &Result<Value, ApiError>| match result {
        Ok(row) => row.clone(),
        Err(error) => error.value(),
    };
    let data = json!({
        "cancelResult": word(&cancelled),
        "newOrderResult": placed.as_ref().map_or("NOT_ATTEMPTED", word),
        "cancelResponse": told(&cancelled),
        "newOrderResponse": placed.as_ref().map_or(Value::Null, told),
    });
    match (cancelled.is_ok(), placed.is_some_and(|placed| placed.is_ok())) {
        (true, true) => Ok(data),
        (false, false) => {
            let status = if is_full && stop_on_failure { 429 } else { 400 };
            let error = ApiError::new(-2022, "Order cancel-replace failed.").with_status(status);
            Err(ApiError { data: Some(data), ..error })
        }
        _ => {
            let error = ApiError::new(-2021, "Order cancel-replace partially failed.").with_status(409);
            Err(ApiError { data: Some(data), ..error })
        }
    }
}

/// Open orders of a symbol or of all, oldest first.
pub(super) fn open(params: &Params, call: &Call<'_>, caller: Caller) -> Result<Value, ApiError> {
    let pair = params.get("symbol")?.map(|name| call.pair(name)).transpose()?;
    params.finish()?;
    let then_ns = call.t_ns.saturating_sub(call.state.config.visibility.orders_stale_ns);
    let pairs = call.state.symbols.pairs().map(|(id, _)| id).filter(|id| pair.is_none_or(|pair| pair == *id));
    let orders: Vec<Order> = pairs.flat_map(|pair| conduct::open_as_of(caller.account, pair, then_ns, call.exchange)).collect();
    Ok(rows_of(orders.iter().filter_map(|order| shown(order, call, false)), call))
}

fn rows_of(orders: impl Iterator<Item = Order>, call: &Call<'_>) -> Value {
    orders.map(|order| order_row(&order, &call.state.notes.of(&order), &call.state.symbols, call.stamp)).collect()
}

/// `startTime` and `endTime`, Unix nanoseconds.
fn span(params: &Params) -> Result<(Option<u64>, Option<u64>), ApiError> {
    let (from, to) = (params.time_ns("startTime")?, params.time_ns("endTime")?);
    if let (Some(from), Some(to)) = (from, to) {
        if to < from {
            return Err(ApiError::new(-1128, "Combination of optional parameters invalid."));
        }
        if to - from > SPAN_MAX_NS {
            return Err(ApiError::new(-1127, "More than 24 hours between startTime and endTime."));
        }
    }
    // An end includes its whole unit.
    Ok((from, to.map(|to| to.saturating_add(999_999))))
}

/// The first rows from a beginning, or else the last ones, oldest first.
fn cut<T>(mut rows: Vec<T>, from_start: bool, limit: usize) -> Vec<T> {
    if from_start {
        rows.truncate(limit);
    } else if rows.len() > limit {
        rows.drain(..rows.len() - limit);
    }
    rows
}

/// All orders of a symbol, by their ids.
pub(super) fn all(params: &Params, call: &Call<'_>, caller: Caller) -> Result<Value, ApiError> {
    let pair = call.pair(params.required("symbol")?)?;
    let from_id = params.number("orderId")?;
    let (from, to) = span(params)?;
    let limit = params.limit(ROWS.0, ROWS.1)?;
    params.finish()?;
    let filter = OrderFilter { pair: Some(pair), ..OrderFilter::default() };
    let ended = call.exchange.finished_orders(caller.account, &filter);
    let mut orders: Vec<&Order> = ended.into_iter().chain(call.exchange.open_orders(caller.account, Some(pair))).collect();
    orders.sort_by_key(|order| order.id);
    orders.retain(|order| {
        let id_fits = from_id.is_none_or(|from| order.id.0 >= from);
        id_fits && from.is_none_or(|from| order.create_t_ns >= from) && to.is_none_or(|to| order.create_t_ns <= to)
    });
    let orders: Vec<Order> = orders.into_iter().filter_map(|order| shown(order, call, false)).collect();
    Ok(rows_of(cut(orders, from_id.is_some() || from.is_some(), limit).into_iter(), call))
}

/// Own executions of a symbol, oldest first.
pub(super) fn my_trades(params: &Params, call: &Call<'_>, caller: Caller) -> Result<Value, ApiError> {
    let pair = call.pair(params.required("symbol")?)?;
    let order_id = params.number("orderId")?.map(OrderId);
    let from_id = params.number("fromId")?;
    let (from, to) = span(params)?;
    let limit = params.limit(ROWS.0, ROWS.1)?;
    params.finish()?;
    if from_id.is_some() && (from.is_some() || to.is_some()) {
        return Err(ApiError::new(-1128, "Combination of optional parameters invalid."));
    }
    let hidden_to = call.t_ns.saturating_sub(call.state.config.visibility.trade_hidden_ns);
    let filter = TradeFilter {
        pair: Some(pair),
        order_id,
        from_t_ns: from,
        to_t_ns: Some(to.unwrap_or(u64::MAX).min(hidden_to)),
        ..TradeFilter::default()
    };
    let mut trades = call.exchange.trades(caller.account, &filter);
    trades.reverse();
    trades.retain(|trade| from_id.is_none_or(|from| trade.sequence_id >= from));
    let rows = cut(trades, from_id.is_some() || from.is_some(), limit);
    Ok(rows.into_iter().map(|trade| trade_row(trade, &call.state.symbols, call.stamp)).collect())
}
