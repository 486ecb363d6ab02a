//! The book of one pair: price levels in price-time order, and the counter that numbers its changes.
//!
//! Start at [`Book::top`] for snapshots and [`Book::level`] for one price. Only the matching engine writes; each change
//! of a level's total takes the next update id, so a client that saw all changes sees ids without holes.

use std::collections::{BTreeMap, VecDeque};

use rust_decimal::Decimal;

use super::{
    exact,
    types::{OrderId, Side},
};

/// One price level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Price.
    pub price: Decimal,
    /// Total base amount shown at it, above zero: the hidden parts of icebergs are not in it.
    pub amount: Decimal,
}

/// Orders resting at one price, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    /// Everything that rests, hidden parts included.
    total: Decimal,
    hidden: Decimal,
    pub(super) orders: VecDeque<OrderId>,
}

impl Queue {
    fn shown(&self) -> Decimal {
        if self.hidden.is_zero() {
            return self.total;
        }
        exact::subtract(self.total, self.hidden).expect("Invariant: the shown part of a level fits as its total does")
    }
}

/// What a change does to the order's place in its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It stays where it is.
    Keeps,
    /// It goes behind all others: an iceberg that shows its next part.
    GoesBehind,
    /// The order leaves.
    Leaves,
}

/// The book of one pair.
#[derive(Clone, Debug)]
pub struct Book {
    precision: u32,
    bids: BTreeMap<u64, Queue>,
    asks: BTreeMap<u64, Queue>,
    update_id: u64,
    update_t_ns: u64,
}

impl Book {
    pub(super) fn new(precision: u32, first_book_id: u64) -> Book {
        Book { precision, bids: BTreeMap::new(), asks: BTreeMap::new(), update_id: first_book_id, update_t_ns: 0 }
    }

    /// Id of the last change.
    pub fn update_id(&self) -> u64 {
        self.update_id
    }

    /// Time of the last change, Unix nanoseconds; 0 before the first.
    pub fn update_t_ns(&self) -> u64 {
        self.update_t_ns
    }

    /// All levels of one side, best first.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = Level> + '_ {
        self.queues(side).map(|(ticks, queue)| Level { price: exact::from_units(ticks, self.precision), amount: queue.shown() })
    }

    /// The best `count` levels of one side, best first.
    pub fn top(&self, side: Side, count: usize) -> Vec<Level> {
        self.levels(side).take(count).collect()
    }

    /// Best level of one side.
    pub fn best(&self, side: Side) -> Option<Level> {
        self.levels(side).next()
    }

    /// Total shown at exactly `price`, zero when there is none.
    pub fn level(&self, side: Side, price: Decimal) -> Decimal {
        exact::to_units(price, self.precision).and_then(|ticks| self.side(side).get(&ticks)).map_or(Decimal::ZERO, Queue::shown)
    }

    /// Middle between the best bid and the best ask, rounded down to the price grid; `None` while a side is empty.
    pub fn mid_rounded_down(&self) -> Option<Decimal> {
        let (bid, ask) = (self.best_ticks(Side::Buy)?, self.best_ticks(Side::Sell)?);
        Some(exact::from_units(bid + (ask - bid) / 2, self.precision))
    }

    /// Number of levels of one side.
    pub fn depth(&self, side: Side) -> usize {
        self.side(side).len()
    }

    /// Best price of one side in units of 10^-precision.
    pub(crate) fn best_ticks(&self, side: Side) -> Option<u64> {
        match side {
            Side::Buy => self.bids.keys().next_back().copied(),
            Side::Sell => self.asks.keys().next().copied(),
        }
    }

    fn side(&self, side: Side) -> &BTreeMap<u64, Queue> {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    fn side_mut(&mut self, side: Side) -> &mut BTreeMap<u64, Queue> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    /// Queues of one side with their price in ticks, best first.
    pub(super) fn queues(&self, side: Side) -> impl Iterator<Item = (u64, &Queue)> {
        let (bids, asks) = match side {
            Side::Buy => (Some(self.bids.iter().rev()), None),
            Side::Sell => (None, Some(self.asks.iter())),
        };
        bids.into_iter().flatten().chain(asks.into_iter().flatten()).map(|(ticks, queue)| (*ticks, queue))
    }

    /// Total at a level plus `amount`, or `None` when it does not fit.
    pub(super) fn total_with(&self, side: Side, ticks: u64, amount: Decimal) -> Option<Decimal> {
        let total = self.side(side).get(&ticks).map_or(Decimal::ZERO, |queue| queue.total);
        exact::add(total, amount).ok()
    }

    /// Puts an order, `hidden` of whose `amount` is not shown, at the end of its level's queue. Returns what the level shows.
    pub(super) fn insert(&mut self, side: Side, ticks: u64, id: OrderId, amount: Decimal, hidden: Decimal) -> Decimal {
        let queue = self.side_mut(side).entry(ticks).or_default();
        queue.orders.push_back(id);
        queue.total = exact::add(queue.total, amount).expect("Invariant: the level's total was checked before");
        queue.hidden = exact::add(queue.hidden, hidden).expect("Invariant: what is hidden is part of the total");
        queue.shown()
    }

    /// Takes `amount` off an order's level, of which `hidden` was not shown (below zero when more is hidden than before), and
    /// gives the order its place. Returns what the level shows.
    pub(super) fn reduce(
        &mut self,
        side: Side,
        ticks: u64,
        id: OrderId,
        amount: Decimal,
        hidden: Decimal,
        place: Place,
    ) -> Decimal {
        let levels = self.side_mut(side);
        let queue = levels.get_mut(&ticks).expect("Invariant: a resting order has a level");
        queue.total = exact::subtract(queue.total, amount).expect("Invariant: a level holds the sum of its orders");
        queue.hidden = exact::subtract(queue.hidden, hidden).expect("Invariant: a level hides the sum of its orders");
        if place != Place::Keeps {
            let position = queue.orders.iter().position(|other| *other == id);
            queue.orders.remove(position.expect("Invariant: a resting order stands in its queue"));
        }
        if place == Place::GoesBehind {
            queue.orders.push_back(id);
        }
        let (shown, is_empty) = (queue.shown(), queue.orders.is_empty());
        assert!(is_empty == queue.total.is_zero(), "Invariant: a level is empty exactly when its total is zero");
        assert!(is_empty == shown.is_zero(), "Invariant: each resting order shows something");
        if is_empty {
            levels.remove(&ticks);
        }
        shown
    }

    /// Takes the next update id for a change of one level.
    pub(super) fn next_update_id(&mut self, t_ns: u64) -> u64 {
        self.update_id += 1;
        self.update_t_ns = t_ns;
        self.update_id
    }

    /// Whether the best bid is below the best ask, or a side is empty.
    pub fn is_uncrossed(&self) -> bool {
        match (self.best_ticks(Side::Buy), self.best_ticks(Side::Sell)) {
            (Some(bid), Some(ask)) => bid < ask,
            _ => true,
        }
    }
}
