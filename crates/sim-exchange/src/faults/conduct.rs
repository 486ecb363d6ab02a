//! What the faults make of orders: refused, accepted with other terms, filled otherwise, shown as they were.
//!
//! Start at [`admit`] for a new order, [`before_cancel`] for one about to be cancelled, and [`as_of`] for what a replica that lags
//! behind would say.

use rust_decimal::Decimal;

use super::{Faults, Refusal, take_first, take_one};
use crate::core::{
    AccountId, Exchange, NewOrder, Order, OrderFilter, OrderId, OrderKind, PairConfig, PairId, PlaceOptions, Side, TimeInForce,
    TradeFilter, exact,
};

/// Why a fault keeps an order out; each dialect has its own words for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The pair is not listed any more.
    Delisted,
    /// Trading of the pair is halted.
    Halted,
    /// As the fault says.
    Asked(Refusal),
    /// Its price or amount has more decimals than the pair takes now.
    TooFine {
        /// `price` or `amount`.
        what: &'static str,
        /// Decimals it may have.
        digits: u32,
    },
}

/// Lets a new order in as the faults want it: with other terms, or less to be filled.
///
/// # Errors
/// The refusal that a fault asks for.
pub(crate) fn admit(
    order: &mut NewOrder,
    options: &mut PlaceOptions,
    rules: &PairConfig,
    faults: &mut Faults,
) -> Result<(), Refused> {
    let named = |pairs: &[String]| pairs.contains(&rules.id);
    if named(&faults.delisted_pairs) {
        return Err(Refused::Delisted);
    }
    if named(&faults.halted_pairs) {
        return Err(Refused::Halted);
    }
    if let Some(why) = take_first(&mut faults.refuse_next_orders) {
        return Err(Refused::Asked(why));
    }
    let coarser = faults.coarser_pairs.get(&rules.id).copied().unwrap_or(0);
    let (price_digits, amount_digits) = (rules.precision.saturating_sub(coarser), rules.amount_precision.saturating_sub(coarser));
    let is_limit = order.kind == OrderKind::Limit;
    for (what, value, digits) in [("price", order.price, price_digits), ("amount", order.amount, amount_digits)] {
        if coarser > 0 && is_limit && !exact::fits(value, digits) {
            return Err(Refused::TooFine { what, digits });
        }
    }
    if !is_limit {
        return Ok(());
    }
    let (price_step, amount_step) = (exact::from_units(1, rules.precision), exact::from_units(1, rules.amount_precision));
    if order.amount > amount_step && take_one(&mut faults.cut_next_amounts) {
        order.amount -= amount_step;
    }
    if order.price > price_step && take_one(&mut faults.shift_next_prices) {
        order.price += if order.side == Side::Buy { price_step } else { -price_step };
    }
    let dust = smallest(rules, order.price) - amount_step;
    if order.amount > dust && dust > Decimal::ZERO && take_one(&mut faults.dust_next_orders) {
        options.fill_max = Some(order.amount - dust);
    } else if take_one(&mut faults.halve_next_orders) {
        options.fill_max = Some(half(order.amount, rules));
    }
    Ok(())
}

/// The smallest amount that an order at this price may have.
fn smallest(rules: &PairConfig, price: Decimal) -> Decimal {
    let step = exact::from_units(1, rules.amount_precision);
    let by_value = rules.min_quote_amount.and_then(|value| exact::divide_rounded_up(value, price, rules.amount_precision));
    [rules.min_base_amount, by_value].into_iter().flatten().fold(step, Decimal::max)
}

/// Half an amount, rounded down to a step, and at least one step.
fn half(amount: Decimal, rules: &PairConfig) -> Decimal {
    let step = exact::from_units(1, rules.amount_precision);
    exact::divide_rounded_down(amount, Decimal::TWO, rules.amount_precision).unwrap_or(step).max(step)
}

/// An order is about to be cancelled: somebody else may be faster. What trades with it is an order of the market's at its price;
/// nothing happens when another order stands before it in the queue.
pub(crate) fn before_cancel(t_ns: u64, id: OrderId, exchange: &mut Exchange, rules: &PairConfig, faults: &mut Faults) {
    let whole = take_one(&mut faults.close_before_cancels);
    if !whole && !take_one(&mut faults.fill_before_cancels) {
        return;
    }
    let Some(order) = exchange.order(id).filter(|order| order.end.is_none() && order.kind == OrderKind::Limit) else { return };
    let taker = NewOrder {
        account: AccountId::MARKET,
        pair: order.pair,
        side: order.side.opposite(),
        kind: OrderKind::Limit,
        time_in_force: TimeInForce::Ioc,
        price: order.price,
        amount: if whole { order.left } else { half(order.left, rules) },
        text: None,
    };
    // Refused only for figures that do not fit: then the cancel is the only thing that happens.
    let _refused = exchange.place(t_ns, taker);
}

/// The order as it was at `then_ns`; `None` when it did not exist yet.
pub(crate) fn as_of(order: &Order, then_ns: u64, exchange: &Exchange) -> Option<Order> {
    if order.create_t_ns > then_ns {
        return None;
    }
    let mut then = order.clone();
    if order.update_t_ns <= then_ns {
        return Some(then);
    }
    let filter = TradeFilter { order_id: Some(order.id), to_t_ns: Some(then_ns), ..TradeFilter::default() };
    then.filled_amount = Decimal::ZERO;
    then.filled_total = Decimal::ZERO;
    then.fee = Decimal::ZERO;
    then.update_t_ns = order.create_t_ns;
    for fill in exchange.trades(order.account, &filter) {
        then.filled_amount += fill.amount;
        then.filled_total += exact::multiply(fill.amount, fill.price).unwrap_or_default();
        then.fee += fill.fee;
        then.update_t_ns = then.update_t_ns.max(fill.t_ns);
    }
    if order.end.is_some_and(|(end_ns, _)| end_ns > then_ns) {
        then.end = None;
    }
    then.left = then.amount - then.filled_amount;
    Some(then)
}

/// Orders of an account that were open at `then_ns`, oldest first.
pub(crate) fn open_as_of(account: AccountId, pair: PairId, then_ns: u64, exchange: &Exchange) -> Vec<Order> {
    let filter = OrderFilter { pair: Some(pair), from_t_ns: Some(then_ns.saturating_add(1)), ..OrderFilter::default() };
    let ended = exchange.finished_orders(account, &filter);
    let all = ended.into_iter().chain(exchange.open_orders(account, Some(pair)));
    let mut open: Vec<Order> = all.filter_map(|order| as_of(order, then_ns, exchange)).collect();
    open.sort_by_key(|order| order.id);
    open
}
