//! Which resting orders an arriving order would trade with, before anything is changed.
//!
//! Start at [`plan`]. A plan is only a list; the exchange settles it on copies first and then applies it whole.

use rust_decimal::Decimal;

use super::{
    book::Book,
    exact,
    history::History,
    types::{AccountId, OrderId, OrderKind, Side},
};

/// One trade to come.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlannedFill {
    pub(super) maker: OrderId,
    pub(super) ticks: u64,
    /// Base amount.
    pub(super) amount: Decimal,
}

/// Why the walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Nothing is left to trade; a market buy may keep less quote than the smallest amount costs.
    Filled,
    /// No order at an acceptable price is left.
    NoMatch,
    /// The next order belongs to the same account.
    OwnOrder,
}

#[derive(Debug)]
pub(super) struct Plan {
    pub(super) fills: Vec<PlannedFill>,
    pub(super) stop: Stop,
}

/// What arrives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) account: AccountId,
    pub(super) side: Side,
    pub(super) kind: OrderKind,
    pub(super) ticks: u64,
    pub(super) amount: Decimal,
    pub(super) precision: u32,
    pub(super) amount_precision: u32,
}

impl Arrival {
    /// Whether a resting price is acceptable.
    pub(super) fn crosses(&self, ticks: u64) -> bool {
        match (self.kind, self.side) {
            (OrderKind::Market, _) => true,
            (OrderKind::Limit, Side::Buy) => ticks <= self.ticks,
            (OrderKind::Limit, Side::Sell) => ticks >= self.ticks,
        }
    }
}

/// Walks the opposite side in price-time order. Returns `None` when a figure does not fit exactly.
pub(super) fn plan(book: &Book, history: &History, arrival: &Arrival) -> Option<Plan> {
    let spends_quote = arrival.kind == OrderKind::Market && arrival.side == Side::Buy;
    let mut left = arrival.amount;
    let mut fills = Vec::new();
    for (ticks, queue) in book.queues(arrival.side.opposite()) {
        if !arrival.crosses(ticks) {
            break;
        }
        let price = exact::from_units(ticks, arrival.precision);
        for id in &queue.orders {
            let maker = history.order(*id).expect("Invariant: a resting order is known");
            if maker.account == arrival.account {
                return Some(Plan { fills, stop: Stop::OwnOrder });
            }
            let wanted = if spends_quote { exact::divide_rounded_down(left, price, arrival.amount_precision)? } else { left };
            let amount = wanted.min(maker.left);
            if amount.is_zero() {
                return Some(Plan { fills, stop: Stop::Filled });
            }
            let used = if spends_quote { exact::multiply(price, amount).ok()? } else { amount };
            left = exact::subtract(left, used).ok()?;
            fills.push(PlannedFill { maker: *id, ticks, amount });
            // Further levels cost more, so quote that buys nothing here buys nothing there.
            let done =
                left.is_zero() || spends_quote && exact::divide_rounded_down(left, price, arrival.amount_precision)?.is_zero();
            if done {
                return Some(Plan { fills, stop: Stop::Filled });
            }
        }
    }
    Some(Plan { fills, stop: Stop::NoMatch })
}
