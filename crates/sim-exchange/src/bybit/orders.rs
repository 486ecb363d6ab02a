//! Private calls that change orders: place, amend, cancel (Bybit API v5, trade).
//!
//! Start at [`place`]. REST and order entry over WebSocket call the same functions with the same [`OrderDesk`]. What the gateway
//! can see is refused in the reply (parameters, filters, balance, a client id used before); what only matching can see ends the
//! order after its acknowledgement: a post-only order that would take, a fill-or-kill order that cannot be filled, a market order
//! without anything to trade with, trading that is halted. So an acknowledgement means "received" and no more.
//!
//! A market order becomes an order that ends at a price ([`BybitConfig::market_reach`](super::BybitConfig::market_reach) or its
//! own tolerance). Sized in base, a buy holds what it could cost at that price.

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::{
    config::BybitLimits,
    error::ApiError,
    market::{Category, category},
    memory::{CancelledBy, MarketAsk, Memory, Unit},
    params::{decimal, integer, required, text},
    rate::{RateLimits, RateState},
    rows::side_word,
    symbols::{Symbols, quote_decimals, step},
};
use crate::{
    core::{
        AccountId, Amendment, Exchange, FinishReason, NewOrder, Order, OrderId, OrderKind, OrderSource, OrderStatus, PairConfig,
        PairId, PlaceOptions, Side, TimeInForce, exact,
    },
    faults::{
        Faults, Refusal, Visibility,
        conduct::{self, Refused},
    },
    monitor::{CancelArrival, CancelTarget, Monitor, Placement, PlacementOutcome},
};

/// Longest `orderLinkId`.
const LINK_BYTES_MAX: usize = 36;
/// Most spot orders in one batch.
pub(super) const BATCH_MAX: usize = 10;
/// Decimals of a tolerance that is asked for in ticks, as a fraction of the best price.
const FRACTION_DECIMALS: u32 = 18;

/// Who asks, when, and what of the past may be shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    pub(super) account: AccountId,
    pub(super) user_id: u64,
    pub(super) t_ns: u64,
    pub(super) visibility: Visibility,
    /// Until when its request would have been taken, Unix milliseconds.
    pub(super) good_until_ms: Option<u64>,
}

impl Caller {
    /// Whether an order of the account is known to the venue's lists yet.
    pub(super) fn sees(&self, order: &Order) -> bool {
        order.account == self.account && self.t_ns >= order.create_t_ns.saturating_add(self.visibility.order_hidden_ns)
    }

    /// Whether an order that has ended is still among the recent ones.
    pub(super) fn is_recent(&self, order: &Order) -> bool {
        order.end_t_ns().is_none_or(|end_ns| self.t_ns < end_ns.saturating_add(self.visibility.text_lookup_ns))
    }

    /// The time whose orders look-ups and lists show.
    pub(super) fn shown_ns(&self) -> u64 {
        self.t_ns.saturating_sub(self.visibility.orders_stale_ns)
    }
}

/// One authenticated caller's access to the exchange for the time of one request, over either protocol.
pub(super) struct OrderDesk<'a> {
    pub(super) caller: Caller,
    pub(super) source: OrderSource,
    pub(super) market_reach: Decimal,
    pub(super) sizes: BybitLimits,
    pub(super) faults: &'a mut Faults,
    pub(super) exchange: &'a mut Exchange,
    pub(super) symbols: &'a Symbols,
    pub(super) memory: &'a mut Memory,
    pub(super) monitor: &'a mut Monitor,
    pub(super) limits: &'a mut RateLimits,
    /// What the limit said that was charged last: becomes the reply's headers.
    pub(super) rate: Option<RateState>,
    /// Orders this request got accepted: the faults on replies count these.
    pub(super) accepted: u64,
}

impl OrderDesk<'_> {
    /// Charges a limit.
    ///
    /// # Errors
    /// `10006`.
    pub(super) fn charge(&mut self, endpoint: &'static str, limit: u32, weight: usize) -> Result<(), ApiError> {
        let weight = u32::try_from(weight.max(1)).unwrap_or(u32::MAX);
        let state = self.limits.take(self.caller.user_id, endpoint, limit, weight, self.caller.t_ns);
        self.rate = Some(state);
        if state.allowed { Ok(()) } else { Err(ApiError::too_many_visits()) }
    }

    fn note_cancel(&mut self, symbol: Option<&str>, target: CancelTarget) {
        let pair = symbol.map(|symbol| self.symbols.find(symbol).map_or(symbol, |pair| self.symbols.id_of(pair)).to_owned());
        let (t_ns, user_id) = (self.caller.t_ns, self.caller.user_id);
        self.monitor.cancel_arrived(CancelArrival { t_ns, user_id, pair, target });
    }
}

/// `orderId` and `orderLinkId`, all that a write is answered with.
fn names_of(order: &Order) -> Value {
    json!({"orderId": order.id.0.to_string(), "orderLinkId": order.text.as_deref().unwrap_or_default()})
}

/// The side of this name, in letters of either case: clients in use send `BUY` and are served.
pub(super) fn side_of(word: &str) -> Option<Side> {
    [Side::Buy, Side::Sell].into_iter().find(|side| word.eq_ignore_ascii_case(side_word(*side)))
}

/// The spot pair of a write.
fn spot_pair(fields: &Map<String, Value>, symbols: &Symbols) -> Result<PairId, ApiError> {
    if category(text(fields, "category")?)? == Category::Other {
        return Err(ApiError::new(10_001, "params error: symbol invalid"));
    }
    symbols.find(required(fields, "symbol")?).ok_or_else(ApiError::invalid_symbol)
}

/// A new order as it was asked for.
#[derive(Clone, Debug)]
struct Asked {
    order: NewOrder,
    options: PlaceOptions,
    market: Option<MarketAsk>,
}

/// POST `/v5/order/create`, `order.create`.
///
/// # Errors
/// The refusal as the gateway words it. Nothing has been placed then.
pub(super) fn place(fields: &Map<String, Value>, desk: &mut OrderDesk<'_>) -> Result<Value, ApiError> {
    let charged = desk.charge("create", desk.sizes.create, 1);
    place_one(fields, charged, desk)
}

/// Places one order, if the limit of its request was `charged`.
fn place_one(fields: &Map<String, Value>, charged: Result<(), ApiError>, desk: &mut OrderDesk<'_>) -> Result<Value, ApiError> {
    let parsed = parse(fields, desk);
    let number = parsed.as_ref().ok().map(|asked| {
        let order = &asked.order;
        let placement = Placement {
            t_ns: desk.caller.t_ns,
            user_id: desk.caller.user_id,
            text: order.text.clone(),
            pair: desk.symbols.id_of(order.pair).to_owned(),
            side: order.side,
            kind: order.kind,
            price: order.price,
            amount: order.amount,
            time_in_force: order.time_in_force,
            expires_at_ms: desk.caller.good_until_ms,
        };
        desk.monitor.placement_arrived(desk.exchange, placement)
    });
    let result = charged.and(parsed).and_then(|asked| execute(asked, desk));
    if let Some(number) = number {
        let outcome = match &result {
            Ok(order) => PlacementOutcome::Accepted(order.id),
            Err(error) => PlacementOutcome::Refused(error.code.to_string()),
        };
        desk.monitor.placement_outcome(number, outcome);
    }
    result.map(|order| names_of(&order))
}

fn execute(mut asked: Asked, desk: &mut OrderDesk<'_>) -> Result<Order, ApiError> {
    let (pair, side) = (asked.order.pair, asked.order.side);
    let rules = desk.symbols.rules(pair).ok_or_else(ApiError::invalid_symbol)?;
    if let Err(refused) = conduct::admit(&mut asked.order, &mut asked.options, rules, desk.faults) {
        match ApiError::of_fault(refused, side) {
            Some(error) => return Err(error),
            None => asked.options.ended = Some(end_of(refused)),
        }
    }
    let placed = desk.exchange.place_with(desk.caller.t_ns, asked.order, asked.options);
    let id = placed.map_err(|reject| ApiError::of(&reject, side, (rules.up_rate, rules.down_rate)))?;
    desk.accepted += 1;
    if let Some(market) = asked.market {
        desk.memory.note_market(id, market);
    }
    desk.exchange.order(id).cloned().ok_or_else(ApiError::internal)
}

/// How matching ends what the gateway has let in.
const fn end_of(refused: Refused) -> FinishReason {
    match refused {
        Refused::Asked(Refusal::PostOnly) => FinishReason::Poc,
        Refused::Asked(Refusal::FillOrKill) => FinishReason::Fok,
        _ => FinishReason::Refused,
    }
}

/// Fields of conditional orders, take-profits and stop-losses, which are not simulated.
const NOT_SIMULATED: [&str; 6] = ["triggerPrice", "takeProfit", "stopLoss", "tpLimitPrice", "slLimitPrice", "orderIv"];

/// Reads the fields of a new order.
fn parse(fields: &Map<String, Value>, desk: &OrderDesk<'_>) -> Result<Asked, ApiError> {
    let pair = spot_pair(fields, desk.symbols)?;
    let side = side_of(required(fields, "side")?).ok_or_else(|| ApiError::new(170_117, "Invalid side."))?;
    // As with sides, letters of either case are taken, and answers have Bybit's own.
    let is_market = match required(fields, "orderType")? {
        word if word.eq_ignore_ascii_case("Limit") => false,
        word if word.eq_ignore_ascii_case("Market") => true,
        _ => return Err(ApiError::new(170_116, "Invalid orderType.")),
    };
    let time_in_force = match text(fields, "timeInForce")?.unwrap_or("GTC") {
        "GTC" => TimeInForce::Gtc,
        "IOC" => TimeInForce::Ioc,
        "FOK" => TimeInForce::Fok,
        "PostOnly" => TimeInForce::Poc,
        _ => return Err(ApiError::new(170_115, "Invalid timeInForce.")),
    };
    match text(fields, "orderFilter")?.unwrap_or("Order") {
        "Order" => {}
        "tpslOrder" | "StopOrder" | "OcoOrder" => return Err(ApiError::unsupported_feature()),
        _ => return Err(ApiError::new(170_202, "Invalid orderFilter parameter.")),
    }
    if NOT_SIMULATED.iter().any(|name| fields.get(*name).is_some_and(|value| !value.is_null() && value != "" && value != "0")) {
        return Err(ApiError::unsupported_feature());
    }
    match integer(fields, "isLeverage")? {
        None | Some(0) => {}
        Some(1) => return Err(ApiError::new(170_036, "You haven't enabled Cross Margin Trading yet.")),
        Some(_) => return Err(ApiError::parameter("isLeverage")),
    }
    let link = text(fields, "orderLinkId")?.map(checked_link).transpose()?;
    let quantity = decimal("qty", required(fields, "qty")?)?;
    let rules = desk.symbols.rules(pair).ok_or_else(ApiError::invalid_symbol)?;
    let account = desk.caller.account;
    let options = PlaceOptions { source: desk.source, ..PlaceOptions::default() };
    if !is_market {
        let price = decimal("price", required(fields, "price")?)?;
        let order = NewOrder { account, pair, side, kind: OrderKind::Limit, time_in_force, price, amount: quantity, text: link };
        return Ok(Asked { order, options, market: None });
    }
    let unit = match (text(fields, "marketUnit")?, side) {
        (Some("baseCoin"), _) | (None, Side::Sell) => Unit::Base,
        (Some("quoteCoin"), _) | (None, Side::Buy) => Unit::Quote,
        (Some(_), _) => return Err(ApiError::parameter("marketUnit")),
    };
    let market = MarketAsk { quantity, unit, names_unit: text(fields, "marketUnit")?.is_some(), tolerance: tolerance(fields)? };
    let order = NewOrder {
        account,
        pair,
        side,
        kind: OrderKind::Market,
        // Whatever is sent, a market order is immediate-or-cancel.
        time_in_force: TimeInForce::Ioc,
        price: Decimal::ZERO,
        amount: quantity,
        text: link,
    };
    market_order(market, order, options, rules, desk)
}

/// `orderLinkId`: letters, digits, dashes and underscores.
fn checked_link(link: &str) -> Result<String, ApiError> {
    if link.len() > LINK_BYTES_MAX {
        return Err(ApiError::new(10_001, "OrderLinkedID is too long, it should be no longer than 36 characters"));
    }
    let valid = link.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if valid { Ok(link.to_owned()) } else { Err(ApiError::parameter(format!("orderLinkId {link}"))) }
}

/// `slippageToleranceType` and `slippageTolerance`, within their ranges.
fn tolerance(fields: &Map<String, Value>) -> Result<Option<(&'static str, String)>, ApiError> {
    let Some(kind) = text(fields, "slippageToleranceType")? else { return Ok(None) };
    let value = required(fields, "slippageTolerance")?;
    let number = decimal("slippageTolerance", value)?;
    let within = |min: Decimal, max: Decimal, decimals| number >= min && number <= max && exact::fits(number, decimals);
    let kind = match kind {
        "TickSize" if within(Decimal::from(5), Decimal::from(2_000), 0) => "TickSize",
        "Percent" if within(Decimal::new(5, 2), Decimal::ONE, 2) => "Percent",
        _ => return Err(ApiError::parameter(format!("slippageTolerance {value}"))),
    };
    Ok(Some((kind, value.to_owned())))
}

/// Makes the order of the exchange that does what a market order of Bybit's does.
fn market_order(
    ask: MarketAsk,
    mut order: NewOrder,
    mut options: PlaceOptions,
    rules: &PairConfig,
    desk: &OrderDesk<'_>,
) -> Result<Asked, ApiError> {
    let (side, unit) = (order.side, ask.unit);
    match unit {
        Unit::Quote if !exact::fits(ask.quantity, quote_decimals(rules)) => return Err(ApiError::value_decimals()),
        Unit::Quote if ask.quantity < rules.min_quote_amount.unwrap_or_default() => return Err(ApiError::value_too_small()),
        Unit::Quote => {}
        Unit::Base if !exact::fits(ask.quantity, rules.amount_precision) => return Err(ApiError::quantity_decimals()),
        Unit::Base if rules.market_max_base.is_some_and(|max| !max.is_zero() && ask.quantity > max) => {
            return Err(ApiError::quantity_too_large());
        }
        Unit::Base => {}
    }
    let book = desk.exchange.book(order.pair);
    let best = book.best(side.opposite()).map(|level| level.price);
    let reach = reach(&ask, best, rules, desk.market_reach).ok_or_else(ApiError::internal)?;
    options.slippage = Some(reach);
    let bound = best.and_then(|best| bound(best, side, reach, rules.precision));
    match (side, unit) {
        (Side::Buy, Unit::Quote) | (Side::Sell, Unit::Base) => {}
        (Side::Buy, Unit::Base) => {
            let rest = book.best(Side::Buy).map(|level| level.price);
            let price = bound.or(rest).or(desk.exchange.pair(order.pair).last_price()).unwrap_or_else(|| step(rules.precision));
            (order.kind, order.price, options.slippage) = (OrderKind::Limit, price, None);
        }
        (Side::Sell, Unit::Quote) => {
            let within = |price: Decimal| bound.is_none_or(|bound| price >= bound);
            order.amount = base_for(ask.quantity, book.levels(Side::Buy).filter(|level| within(level.price)), rules);
        }
    }
    Ok(Asked { order, options, market: Some(ask) })
}

/// How far from the best price the order may trade, as a fraction of it.
fn reach(ask: &MarketAsk, best: Option<Decimal>, rules: &PairConfig, usual: Decimal) -> Option<Decimal> {
    let reach = match &ask.tolerance {
        None => usual,
        Some(("Percent", percent)) => exact::multiply(percent.parse().ok()?, Decimal::new(1, 2)).ok()?,
        Some((_, ticks)) => {
            let distance = exact::multiply(ticks.parse().ok()?, step(rules.precision)).ok()?;
            exact::divide_rounded_up(distance, best.unwrap_or(Decimal::ONE), FRACTION_DECIMALS)?
        }
    };
    Some(rules.slippage_max.map_or(reach, |max| reach.min(max)))
}

/// The worst price within reach, on the grid.
fn bound(best: Decimal, side: Side, reach: Decimal, precision: u32) -> Option<Decimal> {
    match side {
        Side::Buy => {
            let worst = exact::multiply(best, exact::add(Decimal::ONE, reach).ok()?).ok()?;
            exact::divide_rounded_down(worst, Decimal::ONE, precision)
        }
        Side::Sell => {
            let factor = exact::subtract(Decimal::ONE, reach).ok()?.max(Decimal::ZERO);
            exact::divide_rounded_up(exact::multiply(best, factor).ok()?, Decimal::ONE, precision)
        }
    }
}

/// The base that sells for at most `value` quote into these levels; at least one step, so that an empty book is matching's to
/// refuse.
fn base_for(value: Decimal, levels: impl Iterator<Item = crate::core::Level>, rules: &PairConfig) -> Decimal {
    let (mut left, mut base) = (value, Decimal::ZERO);
    for level in levels {
        let affordable = exact::divide_rounded_down(left, level.price, rules.amount_precision).unwrap_or_default();
        let amount = affordable.min(level.amount);
        base = exact::add(base, amount).unwrap_or(base);
        left = exact::multiply(amount, level.price).and_then(|worth| exact::subtract(left, worth)).unwrap_or_default();
        if affordable <= level.amount {
            break;
        }
    }
    base.max(rules.min_base_amount.unwrap_or_else(|| step(rules.amount_precision)))
}

/// The order that a write names by `orderId`, or else by `orderLinkId`, if the caller has it and it is not forgotten.
fn named<'a>(fields: &Map<String, Value>, desk: &'a OrderDesk<'_>) -> Result<Option<&'a Order>, ApiError> {
    let (id, link) = (text(fields, "orderId")?, text(fields, "orderLinkId")?);
    let order = match (id, link) {
        (Some(id), _) => id.parse().ok().and_then(|id| desk.exchange.order(OrderId(id))),
        (None, Some(link)) => desk.exchange.order_by_text(desk.caller.account, link),
        (None, None) => return Err(ApiError::new(10_001, "params error: OrderId or orderLinkId is required")),
    };
    Ok(order.filter(|order| desk.caller.sees(order) && desk.caller.is_recent(order)))
}

/// Finds an order of this pair that a write names.
fn find<'a>(fields: &Map<String, Value>, pair: PairId, desk: &'a OrderDesk<'_>) -> Result<&'a Order, ApiError> {
    named(fields, desk)?.filter(|order| order.pair == pair).ok_or_else(ApiError::order_not_found)
}

/// The pair of a cancel. Where an order is named, a symbol that nobody lists is not looked at: the order tells its pair.
fn cancelled_pair(fields: &Map<String, Value>, desk: &OrderDesk<'_>) -> Result<PairId, ApiError> {
    let by_symbol = spot_pair(fields, desk.symbols);
    if by_symbol != Err(ApiError::invalid_symbol()) {
        return by_symbol;
    }
    named(fields, desk).ok().flatten().map_or(by_symbol, |order| Ok(order.pair))
}

fn still_open(order: &Order) -> Result<(), ApiError> {
    match order.status() {
        OrderStatus::Open => Ok(()),
        OrderStatus::Closed => Err(ApiError::already_filled()),
        OrderStatus::Cancelled => Err(ApiError::already_cancelled()),
    }
}

/// POST `/v5/order/amend`, `order.amend`: changes price or quantity.
///
/// # Errors
/// The refusal as Bybit words it. The order is as it was then.
pub(super) fn amend(fields: &Map<String, Value>, desk: &mut OrderDesk<'_>) -> Result<Value, ApiError> {
    desk.charge("amend", desk.sizes.amend, 1)?;
    amend_one(fields, desk)
}

/// Amends one order; the caller has charged the limit.
pub(super) fn amend_one(fields: &Map<String, Value>, desk: &mut OrderDesk<'_>) -> Result<Value, ApiError> {
    let pair = spot_pair(fields, desk.symbols)?;
    let amendment = Amendment {
        price: text(fields, "price")?.map(|text| decimal("price", text)).transpose()?,
        amount: text(fields, "qty")?.map(|text| decimal("qty", text)).transpose()?,
        text: None,
    };
    if amendment.price.is_none() && amendment.amount.is_none() {
        return Err(ApiError::missing("qty or price"));
    }
    let found = find(fields, pair, desk)?;
    still_open(found)?;
    let (id, side, names) = (found.id, found.side, names_of(found));
    if amendment.amount.is_some_and(|amount| !amount.is_zero() && amount <= found.filled_amount) {
        return Err(ApiError::new(
            110_063,
            "The number of contracts modified cannot be less than or equal to the filled quantity.",
        ));
    }
    let rates = desk.symbols.rules(pair).map_or((None, None), |rules| (rules.up_rate, rules.down_rate));
    let amended = desk.exchange.amend(desk.caller.t_ns, desk.caller.account, id, amendment);
    amended.map_err(|reject| ApiError::of(&reject, side, rates))?;
    Ok(names)
}

/// POST `/v5/order/cancel`, `order.cancel`.
///
/// # Errors
/// `170213` for an unknown order, `170142` and `170139` for one that has ended.
pub(super) fn cancel(fields: &Map<String, Value>, desk: &mut OrderDesk<'_>) -> Result<Value, ApiError> {
    note_cancel_of(fields, desk);
    desk.charge("cancel", desk.sizes.cancel, 1)?;
    cancel_one(fields, desk)
}

/// Notes that a cancel of one order arrived, under whatever name.
pub(super) fn note_cancel_of(fields: &Map<String, Value>, desk: &mut OrderDesk<'_>) {
    let word = |name| text(fields, name).ok().flatten();
    let by_id = word("orderId")
        .map(|id| id.parse().map_or_else(|_| CancelTarget::Text(id.to_owned()), |id| CancelTarget::Id(OrderId(id))));
    let target = by_id.or_else(|| word("orderLinkId").map(|link| CancelTarget::Text(link.to_owned())));
    if let Some(target) = target {
        desk.note_cancel(word("symbol"), target);
    }
}

/// Cancels one order; the caller has charged the limit.
pub(super) fn cancel_one(fields: &Map<String, Value>, desk: &mut OrderDesk<'_>) -> Result<Value, ApiError> {
    let pair = cancelled_pair(fields, desk)?;
    let id = find(fields, pair, desk)?.id;
    if let Some(rules) = desk.symbols.rules(pair) {
        conduct::before_cancel(desk.caller.t_ns, id, desk.exchange, rules, desk.faults);
    }
    let found = find(fields, pair, desk)?;
    still_open(found)?;
    let names = names_of(found);
    desk.memory.note_cancel(id, CancelledBy::User);
    let cancelled = desk.exchange.cancel(desk.caller.t_ns, desk.caller.account, id);
    cancelled.map_err(|reject| ApiError::of(&reject, Side::Buy, (None, None)))?;
    Ok(names)
}

/// POST `/v5/order/cancel-all`: those of one symbol, of one coin, or every spot order.
///
/// # Errors
/// Refusals of parameters.
pub(super) fn cancel_all(fields: &Map<String, Value>, desk: &mut OrderDesk<'_>) -> Result<Value, ApiError> {
    desk.note_cancel(text(fields, "symbol").ok().flatten(), CancelTarget::All);
    desk.charge("cancel-all", desk.sizes.cancel, 1)?;
    if category(text(fields, "category")?)? == Category::Other {
        return Ok(json!({"list": [], "success": "1"}));
    }
    let pair = match text(fields, "symbol")? {
        Some(symbol) => Some(desk.symbols.find(symbol).ok_or_else(ApiError::invalid_symbol)?),
        None => None,
    };
    let base = text(fields, "baseCoin")?;
    let is_meant = |order: &&Order| {
        base.is_none_or(|base| desk.symbols.rules(order.pair).is_some_and(|rules| rules.base == base)) && desk.caller.sees(order)
    };
    let open = desk.exchange.open_orders(desk.caller.account, pair);
    let ids: Vec<OrderId> = open.filter(is_meant).map(|order| order.id).collect();
    let mut rows = Vec::with_capacity(ids.len());
    for id in ids {
        desk.memory.note_cancel(id, CancelledBy::User);
        if let Ok(order) = desk.exchange.cancel(desk.caller.t_ns, desk.caller.account, id) {
            rows.push(names_of(&order));
        }
    }
    Ok(json!({"list": rows, "success": "1"}))
}

/// What is done with each order of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BatchKind {
    Place,
    Amend,
    Cancel,
}

/// POST `/v5/order/create-batch` and its like: the rows, and a code for each (`retExtInfo`).
///
/// # Errors
/// Refusals of the whole batch.
pub(super) fn batch(kind: BatchKind, fields: &Map<String, Value>, desk: &mut OrderDesk<'_>) -> Result<(Value, Value), ApiError> {
    let category = required(fields, "category")?.to_owned();
    let Some(Value::Array(items)) = fields.get("request") else { return Err(ApiError::missing("request")) };
    if items.is_empty() || items.len() > BATCH_MAX {
        return Err(ApiError::new(10_001, format!("params error: a batch has 1 to {BATCH_MAX} orders")));
    }
    let name = match kind {
        BatchKind::Place => "create-batch",
        BatchKind::Amend => "amend-batch",
        BatchKind::Cancel => "cancel-batch",
    };
    desk.charge(name, desk.sizes.batch, items.len())?;
    let (mut rows, mut codes) = (Vec::new(), Vec::new());
    for item in items {
        let mut fields = item.as_object().cloned().unwrap_or_default();
        fields.insert("category".to_owned(), json!(category));
        let result = match kind {
            BatchKind::Place => place_one(&fields, Ok(()), desk),
            BatchKind::Amend => amend_one(&fields, desk),
            BatchKind::Cancel => {
                note_cancel_of(&fields, desk);
                cancel_one(&fields, desk)
            }
        };
        let word = |name: &str| fields.get(name).cloned().unwrap_or_else(|| json!(""));
        let (names, code) = match result {
            Ok(names) => (names, json!({"code": 0, "msg": "OK"})),
            Err(error) => {
                (json!({"orderId": "", "orderLinkId": word("orderLinkId")}), json!({"code": error.code, "msg": error.message}))
            }
        };
        let mut row = json!({"category": category, "symbol": word("symbol")});
        row["orderId"] = names["orderId"].clone();
        row["orderLinkId"] = names["orderLinkId"].clone();
        if kind == BatchKind::Place {
            let made = names["orderId"].as_str().is_some_and(|id| !id.is_empty());
            row["createAt"] = json!(if made { (desk.caller.t_ns / 1_000_000).to_string() } else { String::new() });
        }
        rows.push(row);
        codes.push(code);
    }
    Ok((json!({"list": rows}), json!({"list": codes})))
}
