//! The window of a book of `spot.order_book_update` (Gate API v4, maintaining a local book, B 9): the venue keeps the best
//! [`WINDOW_LEVELS`] of a side up to date and says nothing more of a level that better ones pushed out, so that one would stay in the
//! engine's book as liquidity that is not there.
//!
//! A [`Window`] knows the prices that the engine was told, and nothing else. A whole book sets it ([`Window::set`]); every change goes
//! through [`Window::change`] before it is passed on, which makes these true of what is passed on:
//! 1. After it, the engine's book is what the changes make of it, cut to the window.
//! 2. Each side stays sorted, best first, and names a price once.
//!
//! The other book channels need none: the venue itself deletes what leaves the window of `spot.obu`, and `spot.order_book` is whole.

use crate::wire::book::BookSide;
use domain::{Level, Price, Qty};
use std::cmp::Ordering;

/// Levels of a side that the venue keeps up to date; a copy is asked for with as many.
pub(super) const WINDOW_LEVELS: usize = 100;

/// The prices of a book that the engine was told. See the module's docs.
#[derive(Default)]
pub(super) struct Window {
    bids: Vec<Price>,
    asks: Vec<Price>,
}

impl Window {
    /// A whole book, best first: cuts it to the window.
    pub(super) fn set(&mut self, bids: &mut Vec<Level>, asks: &mut Vec<Level>) {
        for (prices, levels) in [(&mut self.bids, bids), (&mut self.asks, asks)] {
            levels.truncate(WINDOW_LEVELS);
            prices.clear();
            prices.extend(levels.iter().map(|level| level.price));
        }
    }

    /// Changes of a book, each side best first: takes out what falls outside the window, and deletes what they push out of it.
    pub(super) fn change(&mut self, bids: &mut Vec<Level>, asks: &mut Vec<Level>) {
        change_side(&mut self.bids, bids, BookSide::Bids);
        change_side(&mut self.asks, asks, BookSide::Asks);
    }
}

fn change_side(prices: &mut Vec<Price>, changes: &mut Vec<Level>, side: BookSide) {
    // Deletes first: only then is it known how much room there is.
    for gone in changes.iter().filter(|level| level.qty.is_zero()) {
        if let Ok(at) = find(prices, gone.price, side) {
            prices.remove(at);
        }
    }
    // Changes are best first, so what one of them pushes out is worse than all before it.
    changes.retain(|level| {
        if level.qty.is_zero() {
            return true;
        }
        match find(prices, level.price, side) {
            Ok(at) | Err(at) if at >= WINDOW_LEVELS => false,
            Ok(_) => true,
            Err(at) => {
                prices.insert(at, level.price);
                true
            }
        }
    });
    for price in prices.drain(WINDOW_LEVELS.min(prices.len())..) {
        if let Err(at) = changes.binary_search_by(|level| order(side, level.price, price)) {
            changes.insert(at, Level { price, qty: Qty::ZERO });
        }
    }
}

fn find(prices: &[Price], price: Price, side: BookSide) -> Result<usize, usize> {
    prices.binary_search_by(|told| order(side, *told, price))
}

/// How two prices stand to each other on a side, the better one first.
fn order(side: BookSide, left: Price, right: Price) -> Ordering {
    match side {
        BookSide::Bids => right.cmp(&left),
        BookSide::Asks => left.cmp(&right),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// As many asks as the window has, 1 each, at the prices from `best` on.
    fn full(best: i64) -> Vec<(i64, i64)> {
        (best..best + WINDOW_LEVELS as i64).map(|price| (price, 1)).collect()
    }

    fn levels(of: &[(i64, i64)]) -> Vec<Level> {
        let level =
            |(price, qty): &(i64, i64)| Level { price: Price::from_units(*price).unwrap(), qty: Qty::from_units(*qty).unwrap() };
        of.iter().map(level).collect()
    }

    fn pairs(of: &[Level]) -> Vec<(i64, i64)> {
        of.iter().map(|level| (level.price.units(), level.qty.units())).collect()
    }

    /// What becomes of changes of the asks of a book.
    fn asks_after(book: &[(i64, i64)], changes: &[(i64, i64)]) -> Vec<(i64, i64)> {
        let mut window = Window::default();
        window.set(&mut Vec::new(), &mut levels(book));
        let mut asks = levels(changes);
        window.change(&mut Vec::new(), &mut asks);
        pairs(&asks)
    }

    #[test]
    fn changes_inside_the_window_are_passed_on_as_they_are() {
        let changes = [(10, 5), (50, 0), (60, 7)];
        assert_eq!(asks_after(&full(10), &changes), changes);
        // With room in it everything is inside; a delete of what was never told does no harm.
        let changes = [(9, 1), (12, 0), (500, 1)];
        assert_eq!(asks_after(&[(10, 1), (11, 1)], &changes), changes);
        assert_eq!(asks_after(&full(10), &[]), []);
    }

    #[test]
    fn what_falls_outside_is_not_passed_on() {
        assert_eq!(asks_after(&full(10), &[(20, 2), (110, 4), (300, 4)]), [(20, 2)]);
        // A delete in the same change makes room for the better one of them.
        assert_eq!(asks_after(&full(10), &[(20, 0), (110, 4), (300, 4)]), [(20, 0), (110, 4)]);
        assert_eq!(asks_after(&full(10), &[(110, 4), (300, 0)]), [(300, 0)]);
    }

    #[test]
    fn what_is_pushed_out_is_deleted_in_order() {
        assert_eq!(asks_after(&full(10), &[(9, 1)]), [(9, 1), (109, 0)]);
        assert_eq!(
            asks_after(&full(10), &[(7, 1), (8, 1), (20, 3), (200, 0)]),
            [(7, 1), (8, 1), (20, 3), (108, 0), (109, 0), (200, 0)]
        );
        // It was told, and its new quantity is outside.
        assert_eq!(asks_after(&full(10), &[(9, 1), (109, 6)]), [(9, 1), (109, 0)]);
    }

    #[test]
    fn bids_are_a_mirror() {
        let book: Vec<(i64, i64)> = (901..=1_000).rev().map(|price| (price, 1)).collect();
        let mut window = Window::default();
        window.set(&mut levels(&book), &mut Vec::new());
        let (mut bids, mut asks) = (levels(&[(1_001, 1), (901, 3), (900, 2)]), Vec::new());
        window.change(&mut bids, &mut asks);
        assert_eq!((pairs(&bids), asks.len()), (vec![(1_001, 1), (901, 0)], 0));
    }

    #[test]
    fn a_whole_book_is_cut_to_the_window_and_replaces_what_was_told() {
        let mut window = Window::default();
        window.set(&mut Vec::new(), &mut levels(&full(500)));
        let mut asks: Vec<Level> = levels(&(1..=150).map(|price| (price, 1)).collect::<Vec<_>>());
        window.set(&mut Vec::new(), &mut asks);
        assert_eq!((asks.len(), asks.last().map(|level| level.price.units())), (100, Some(100)));
        let mut asks = levels(&[(1, 0), (101, 1), (102, 1)]);
        window.change(&mut Vec::new(), &mut asks);
        assert_eq!(pairs(&asks), [(1, 0), (101, 1)]);
    }

    /// Applies to a map of quantities by price.
    fn put(book: &mut BTreeMap<i64, i64>, changes: &[(i64, i64)]) {
        for (price, qty) in changes {
            match qty {
                0 => book.remove(price),
                _ => book.insert(*price, *qty),
            };
        }
    }

    fn changes() -> impl Strategy<Value = BTreeMap<i64, i64>> {
        prop::collection::btree_map(1i64..260, 0i64..3, 0..60)
    }

    proptest! {
        /// The engine, which cuts nothing, holds what a client holds that applies everything and cuts each time.
        #[test]
        fn a_book_told_through_the_window_equals_one_that_is_cut(
            whole in prop::collection::btree_map(1i64..260, 1i64..3, 0..160),
            all in prop::collection::vec((changes(), changes()), 0..12),
        ) {
            let mut window = Window::default();
            let best_first = |side: &BTreeMap<i64, i64>, bids: bool| {
                let mut rows: Vec<(i64, i64)> = side.iter().map(|(price, qty)| (*price, *qty)).collect();
                if bids {
                    rows.reverse();
                }
                rows
            };
            let cut = |side: &mut BTreeMap<i64, i64>, bids: bool| {
                while side.len() > WINDOW_LEVELS {
                    if bids { side.pop_first() } else { side.pop_last() };
                }
            };
            let [mut bids, mut asks] = [true, false].map(|bids| levels(&best_first(&whole, bids)));
            window.set(&mut bids, &mut asks);
            let mut engine = [pairs(&bids), pairs(&asks)].map(|rows| rows.into_iter().collect::<BTreeMap<_, _>>());
            let mut model = [whole.clone(), whole];
            cut(&mut model[0], true);
            cut(&mut model[1], false);
            prop_assert_eq!(&engine, &model);
            for (of_bids, of_asks) in all {
                let (bid_rows, ask_rows) = (best_first(&of_bids, true), best_first(&of_asks, false));
                let (mut bids, mut asks) = (levels(&bid_rows), levels(&ask_rows));
                window.change(&mut bids, &mut asks);
                prop_assert!(bids.is_sorted_by(|a, b| a.price > b.price) && asks.is_sorted_by(|a, b| a.price < b.price));
                for (at, (rows, told)) in [(bid_rows, bids), (ask_rows, asks)].into_iter().enumerate() {
                    put(&mut model[at], &rows);
                    cut(&mut model[at], at == 0);
                    put(&mut engine[at], &pairs(&told));
                }
                prop_assert_eq!(&engine, &model);
            }
        }
    }
}
