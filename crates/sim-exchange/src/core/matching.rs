//! Which resting orders an arriving order would trade with, before anything is changed.
//!
//! Start at [`plan`]. A plan is only a list; the exchange settles it on copies first and then applies it whole.

use std::collections::VecDeque;

use rust_decimal::Decimal;

use super::{
    book::Book,
    exact,
    history::History,
    types::{AccountId, OrderId, OrderKind, Side, StpAct},
};

/// One trade to come.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlannedFill {
    pub(super) maker: OrderId,
    pub(super) ticks: u64,
    /// Base amount.
    pub(super) amount: Decimal,
}

/// What is left of a maker while a plan is made.
#[derive(Clone, Copy, Debug)]
struct Maker {
    id: OrderId,
    shown: Decimal,
    left: Decimal,
}

/// Why the walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Nothing is left to trade; a market buy may keep less quote than the smallest amount costs.
    Filled,
    /// No order at an acceptable price is left.
    NoMatch,
    /// The next order belongs to the same account or group, and the arriving order is to be cancelled for it.
    OwnOrder,
}

#[derive(Debug)]
pub(super) struct Plan {
    pub(super) fills: Vec<PlannedFill>,
    /// Resting orders of the same account or group that make way.
    pub(super) makes_way: Vec<OrderId>,
    pub(super) stop: Stop,
}

impl Plan {
    /// Keeps the first fills, up to `most` in all, as if nothing had matched after them. `None` when a figure does not fit exactly.
    pub(super) fn keep(&mut self, most: Decimal) -> Option<()> {
        let mut left = most;
        let mut kept = Vec::with_capacity(self.fills.len());
        for mut fill in self.fills.drain(..) {
            fill.amount = fill.amount.min(left);
            if fill.amount.is_zero() {
                break;
            }
            left = exact::subtract(left, fill.amount).ok()?;
            kept.push(fill);
        }
        if left.is_zero() {
            self.stop = Stop::NoMatch;
        }
        self.fills = kept;
        Some(())
    }
}

/// What arrives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) account: AccountId,
    pub(super) side: Side,
    pub(super) kind: OrderKind,
    /// The worst price it accepts; `None` for any.
    pub(super) limit_ticks: Option<u64>,
    pub(super) stp_act: StpAct,
    pub(super) amount: Decimal,
    pub(super) precision: u32,
    pub(super) amount_precision: u32,
}

impl Arrival {
    /// Whether a resting price is acceptable.
    pub(super) fn crosses(&self, ticks: u64) -> bool {
        self.limit_ticks.is_none_or(|limit| match self.side {
            Side::Buy => ticks <= limit,
            Side::Sell => ticks >= limit,
        })
    }
}

/// Walks the opposite side in price-time order. `is_own` tells whose orders must not trade with the arriving one. Returns
/// `None` when a figure does not fit exactly.
pub(super) fn plan(book: &Book, history: &History, arrival: &Arrival, is_own: impl Fn(AccountId) -> bool) -> Option<Plan> {
    let spends_quote = arrival.kind == OrderKind::Market && arrival.side == Side::Buy;
    let mut left = arrival.amount;
    let (mut fills, mut makes_way) = (Vec::new(), Vec::new());
    for (ticks, queue) in book.queues(arrival.side.opposite()) {
        if !arrival.crosses(ticks) {
            break;
        }
        let price = exact::from_units(ticks, arrival.precision);
        // Icebergs that show their next part stand behind the others, and are met again.
        let mut again: VecDeque<Maker> = VecDeque::new();
        let mut waiting = queue.orders.iter();
        loop {
            let maker = match waiting.next() {
                Some(id) => {
                    let order = history.order(*id).expect("Invariant: a resting order is known");
                    if order.account == arrival.account || is_own(order.account) {
                        if arrival.stp_act != StpAct::CancelNewest {
                            makes_way.push(*id);
                        }
                        if arrival.stp_act == StpAct::CancelOldest {
                            continue;
                        }
                        return Some(Plan { fills, makes_way, stop: Stop::OwnOrder });
                    }
                    Maker { id: *id, shown: order.shown, left: order.left }
                }
                None => match again.pop_front() {
                    Some(maker) => maker,
                    None => break,
                },
            };
            let wanted = if spends_quote { exact::divide_rounded_down(left, price, arrival.amount_precision)? } else { left };
            let amount = wanted.min(maker.shown);
            if amount.is_zero() {
                return Some(Plan { fills, makes_way, stop: Stop::Filled });
            }
            let used = if spends_quote { exact::multiply(price, amount).ok()? } else { amount };
            left = exact::subtract(left, used).ok()?;
            fills.push(PlannedFill { maker: maker.id, ticks, amount });
            let rest = exact::subtract(maker.left, amount).ok()?;
            if amount == maker.shown && !rest.is_zero() {
                let tip = history.order(maker.id).expect("Invariant: a resting order is known").tip(rest);
                again.push_back(Maker { shown: tip, left: rest, ..maker });
            }
            // Further levels cost more, so quote that buys nothing here buys nothing there.
            let done =
                left.is_zero() || spends_quote && exact::divide_rounded_down(left, price, arrival.amount_precision)?.is_zero();
            if done {
                return Some(Plan { fills, makes_way, stop: Stop::Filled });
            }
        }
    }
    Some(Plan { fills, makes_way, stop: Stop::NoMatch })
}
