//! What an order would have got from a book that does not know of it. Paper mode and back-tests share it.
//!
//! The rule: an order meets the book as it stands when it *arrives* (the caller applies the latency), takes what is shown at its
//! limit or better, and what it took stays gone until the venue itself changes that level. Everything about this is an **upper
//! bound**: nobody else reacts to our order, nobody is faster for the same levels in the same instant, and hidden or cancelled
//! quantity is not known.
//!
//! Start at [`ModelBook::take`].

use domain::{BookUpdate, Level, Price, Qty, Side};
use order_book::OrderBook;
use std::collections::BTreeMap;

/// Levels that may be remembered as taken, a side: beyond it the ones furthest from the top are forgotten first.
const TAKEN_MAX: usize = 1024;

/// One level's part of a fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Execution {
    /// The level's price.
    pub price: Price,
    /// What was taken there.
    pub qty: Qty,
}

/// What we took of a level, while it shows what it showed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Taken {
    taken: Qty,
    shown: Qty,
}

/// One venue's book of one pair, less what our simulated orders took of it.
#[derive(Clone, Debug, Default)]
pub struct ModelBook {
    book: OrderBook,
    /// What buys took of asks and sells of bids.
    taken: [BTreeMap<Price, Taken>; 2],
}

const fn slot(side: Side) -> usize {
    match side {
        Side::Buy => 0,
        Side::Sell => 1,
    }
}

impl ModelBook {
    /// A book that is not live yet.
    pub fn new() -> ModelBook {
        ModelBook::default()
    }

    /// Takes in one update, as the engine's own book does. A faulty one leaves no book to trade on until the next snapshot.
    pub fn handle(&mut self, update: &BookUpdate) {
        // The fault itself is the engine's to report; here it only means that nothing can be filled.
        let _ = self.book.apply(&update.body);
        for side in [Side::Buy, Side::Sell] {
            let index = slot(side);
            if self.taken[index].is_empty() {
                continue;
            }
            let mut remembered = std::mem::take(&mut self.taken[index]);
            // A level that shows another quantity was changed by the venue: whatever is there now is new. A level that is gone
            // is forgotten with it; one that is only hidden by a ticker comes back with what we left of it.
            remembered.retain(|price, taken| self.shown(side, *price).is_none_or(|shown| shown == taken.shown));
            if self.book.overlay_id().is_none() {
                remembered.retain(|price, _| self.shown(side, *price).is_some());
            }
            self.taken[index] = remembered;
        }
    }

    /// True while orders can meet the book.
    pub fn is_live(&self) -> bool {
        self.book.is_live()
    }

    /// The quantity that the venue shows at a price of the side that `side` takes from.
    fn shown(&self, side: Side, price: Price) -> Option<Qty> {
        self.opposite(side).find(|level| level.price == price).map(|level| level.qty)
    }

    fn opposite(&self, side: Side) -> order_book::Levels<'_> {
        match side {
            Side::Buy => self.book.asks(),
            Side::Sell => self.book.bids(),
        }
    }

    /// What is left of the levels that `side` takes from, best first.
    pub fn left(&self, side: Side) -> impl Iterator<Item = Level> + '_ {
        let taken = &self.taken[slot(side)];
        self.opposite(side).map(move |level| {
            let gone = taken.get(&level.price).map_or(Qty::ZERO, |t| t.taken);
            Level { price: level.price, qty: level.qty.saturating_sub(gone) }
        })
    }

    /// Fills a marketable order of `qty` at `limit` or better, best price first, and remembers what it took. What does not fill is
    /// the caller's to cancel. Nothing fills on a book that is not live.
    pub fn take(&mut self, side: Side, limit: Price, qty: Qty) -> Vec<Execution> {
        let pays = |price: Price| match side {
            Side::Buy => price <= limit,
            Side::Sell => price >= limit,
        };
        let mut left = qty;
        let mut executions = Vec::new();
        for level in self.left(side).take_while(|level| pays(level.price)) {
            let part = level.qty.min(left);
            if part.is_zero() {
                continue;
            }
            executions.push(Execution { price: level.price, qty: part });
            left = left.saturating_sub(part);
            if left.is_zero() {
                break;
            }
        }
        for execution in &executions {
            let shown = self.shown(side, execution.price).unwrap_or(execution.qty);
            let entry = self.taken[slot(side)].entry(execution.price).or_insert(Taken { taken: Qty::ZERO, shown });
            entry.taken = entry.taken.checked_add(execution.qty).unwrap_or(entry.shown);
        }
        while self.taken[slot(side)].len() > TAKEN_MAX {
            match side {
                Side::Buy => self.taken[slot(side)].pop_last(),
                Side::Sell => self.taken[slot(side)].pop_first(),
            };
        }
        executions
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{BookBody, MonoNanos, PairId, ResyncReason, VenueId};
    use proptest::prelude::*;

    fn level(price: i64, qty: i64) -> Level {
        Level { price: Price::from_units(price).unwrap(), qty: Qty::from_units(qty).unwrap() }
    }

    fn update(body: BookBody) -> BookUpdate {
        BookUpdate { venue: VenueId(0), pair: PairId(0), received: MonoNanos(0), changed_at: None, sent_at: None, body }
    }

    fn book() -> ModelBook {
        let mut book = ModelBook::new();
        let (bids, asks) = (vec![level(99, 4), level(98, 6)], vec![level(101, 3), level(102, 5)]);
        book.handle(&update(BookBody::Snapshot { id: 1, bids, asks }));
        book
    }

    fn take(book: &mut ModelBook, side: Side, limit: i64, qty: i64) -> Vec<(i64, i64)> {
        let (limit, qty) = (Price::from_units(limit).unwrap(), Qty::from_units(qty).unwrap());
        book.take(side, limit, qty).iter().map(|e| (e.price.units(), e.qty.units())).collect()
    }

    fn delta(id: u64, bids: Vec<Level>, asks: Vec<Level>) -> BookUpdate {
        update(BookBody::Delta { first: id, last: id, bids, asks })
    }

    #[test]
    fn an_order_takes_best_first_up_to_its_limit() {
        assert_eq!(take(&mut book(), Side::Buy, 101, 5), [(101, 3)]);
        assert_eq!(take(&mut book(), Side::Buy, 102, 5), [(101, 3), (102, 2)]);
        assert_eq!(take(&mut book(), Side::Buy, 100, 5), []);
        assert_eq!(take(&mut book(), Side::Sell, 98, 20), [(99, 4), (98, 6)]);
        assert_eq!(take(&mut book(), Side::Sell, 99, 1), [(99, 1)]);
        assert_eq!(take(&mut ModelBook::new(), Side::Sell, 1, 1), []);
    }

    #[test]
    fn what_was_taken_stays_gone_until_the_venue_changes_the_level() {
        let mut book = book();
        assert_eq!(take(&mut book, Side::Buy, 102, 4), [(101, 3), (102, 1)]);
        assert_eq!(take(&mut book, Side::Buy, 102, 9), [(102, 4)]);
        // Another level changes: ours stay gone. So they do when the venue repeats itself.
        book.handle(&delta(2, vec![level(98, 7)], vec![level(103, 2)]));
        let repeated = (vec![level(99, 4), level(98, 7)], vec![level(101, 3), level(102, 5), level(103, 2)]);
        book.handle(&update(BookBody::Snapshot { id: 3, bids: repeated.0, asks: repeated.1 }));
        assert_eq!(take(&mut book, Side::Buy, 102, 9), []);
        // The level changes: what it shows now is there.
        book.handle(&delta(4, vec![], vec![level(101, 2)]));
        assert_eq!(take(&mut book, Side::Buy, 102, 9), [(101, 2)]);
        // Gone and back with the same quantity is new as well.
        book.handle(&delta(5, vec![], vec![level(102, 0)]));
        book.handle(&delta(6, vec![], vec![level(102, 5)]));
        assert_eq!(take(&mut book, Side::Buy, 102, 1), [(102, 1)]);
    }

    #[test]
    fn a_lost_book_fills_nothing_and_forgets() {
        let mut book = book();
        assert_eq!(take(&mut book, Side::Sell, 98, 4), [(99, 4)]);
        book.handle(&update(BookBody::Untrusted { reason: ResyncReason::Gap }));
        assert!(!book.is_live());
        assert_eq!(take(&mut book, Side::Sell, 1, 1), []);
        book.handle(&update(BookBody::Snapshot { id: 9, bids: vec![level(99, 4)], asks: vec![] }));
        assert_eq!(take(&mut book, Side::Sell, 98, 9), [(99, 4)]);
    }

    #[test]
    fn a_ticker_hides_levels_and_brings_none_back_whole() {
        let mut book = book();
        assert_eq!(take(&mut book, Side::Buy, 102, 5), [(101, 3), (102, 2)]);
        book.handle(&update(BookBody::Top { id: 5, bid: Some(level(99, 4)), ask: Some(level(102, 5)) }));
        assert_eq!(take(&mut book, Side::Buy, 102, 9), [(102, 3)]);
        book.handle(&delta(2, vec![], vec![level(110, 1)]));
        book.handle(&update(BookBody::Top { id: 6, bid: Some(level(99, 4)), ask: Some(level(103, 1)) }));
        book.handle(&update(BookBody::Top { id: 7, bid: Some(level(99, 4)), ask: Some(level(102, 5)) }));
        assert_eq!(take(&mut book, Side::Buy, 102, 9), []);
    }

    proptest! {
        /// Whatever is sent in whatever order, no level gives more than it shows between two of the venue's own changes.
        #[test]
        fn a_level_never_gives_more_than_it_shows(orders in prop::collection::vec((any::<bool>(), 95i64..106, 1i64..5), 1..40)) {
            let mut book = book();
            let mut given: BTreeMap<(bool, i64), i64> = BTreeMap::new();
            for (buy, limit, qty) in orders {
                let side = if buy { Side::Buy } else { Side::Sell };
                let mut total = 0;
                for (price, part) in take(&mut book, side, limit, qty) {
                    let within = if buy { price <= limit } else { price >= limit };
                    prop_assert!(within, "filled at {price} against a limit of {limit}");
                    *given.entry((buy, price)).or_default() += part;
                    total += part;
                }
                prop_assert!(total <= qty);
            }
            let shown = BTreeMap::from([((true, 101), 3), ((true, 102), 5), ((false, 99), 4), ((false, 98), 6)]);
            for (at, sum) in given {
                prop_assert!(sum <= shown[&at], "{at:?} gave {sum}");
            }
        }
    }
}
