//! Price levels `[["price","quantity"], …]` of any venue's JSON, into a pair's scale.
//!
//! Quantities finer than the scale are cut, never to nothing: a quantity that is there must not become a delete. Prices finer than it
//! are refused (the book needs new scales) or left out ([`FinerPrice`]), never rounded.

use crate::json::{Reject, Scope, Value, items};
use domain::decimal::{Excess, NumberError, parse_units};
use domain::{FrameReject, Level, PairId, PairScale, Price, Qty, ResyncReason};
use simd_json::prelude::*;

/// Which side levels belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BookSide {
    /// Descending prices.
    Bids,
    /// Ascending prices.
    Asks,
}

impl BookSide {
    /// How two prices stand to each other on this side, the better one first.
    pub(crate) fn order(self, left: Price, right: Price) -> std::cmp::Ordering {
        match self {
            BookSide::Bids => right.cmp(&left),
            BookSide::Asks => left.cmp(&right),
        }
    }

    /// True when `left` stands strictly before `right` on this side.
    const fn before(self, left: Price, right: Price) -> bool {
        match self {
            BookSide::Bids => left.units() > right.units(),
            BookSide::Asks => left.units() < right.units(),
        }
    }
}

/// What the levels are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LevelsOf {
    /// A whole side, best first as sent: out of order is `unsorted`, zero quantities are left out.
    Snapshot,
    /// A whole side among changes, in any order; sorted here, zero quantities are left out.
    FullUpdate,
    /// Changes, in any order; sorted here, zero deletes.
    Delta,
}

/// What becomes of a level whose price is finer than the scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinerPrice {
    /// The message is refused and the book needs new scales.
    Refuse,
    /// The level is left out, unless it is (or, in an unsorted side, may be) the best of a whole side, which is refused. For venues
    /// where orders outlive the tick they were made with: the book is understated at those prices, and nothing is invented.
    LeaveOut,
}

/// What a side of a message is read with.
#[derive(Clone, Copy, Debug)]
pub struct LevelReader {
    /// Whose book.
    pub pair: PairId,
    /// Its decimals.
    pub scale: PairScale,
    /// Levels a side may have.
    pub levels_max: usize,
    /// Columns a level may have: price, quantity, and what some channels append after them, which is not read.
    pub columns_max: usize,
    /// What they are for.
    pub of: LevelsOf,
    /// What becomes of prices finer than the scale.
    pub finer: FinerPrice,
}

impl LevelReader {
    /// Reads one side. `None` (the field is absent) is an empty side.
    ///
    /// # Errors
    /// `unknown_shape`, `bad_number`, `out_of_range`, `unsorted` or `too_large`, each with the pair's book as scope.
    pub fn side(&self, value: Option<Value<'_, '_>>, side: BookSide, what: &'static str) -> Result<Vec<Level>, Reject> {
        let Some(value) = value else { return Ok(Vec::new()) };
        let gap = |reject: Reject| reject.within(Scope::Book(self.pair, ResyncReason::Gap));
        let rows = items(&value, self.levels_max, what).map_err(gap)?;
        let mut levels: Vec<Level> = Vec::with_capacity(rows.len());
        for row in rows {
            let mut row = items(&row, self.columns_max, what).map_err(gap)?;
            let (Some(price), Some(qty)) = (row.next(), row.next()) else { return Err(gap(Reject::shape(what))) };
            let price = match self.price(&price, what) {
                Ok(price) => Some(price),
                Err(reject) if self.leaves_out(&reject, levels.is_empty()) => None,
                Err(reject) => return Err(reject),
            };
            let qty = self.qty(&qty, what)?;
            let Some(price) = price else { continue };
            if self.of != LevelsOf::Delta && qty.is_zero() {
                continue;
            }
            if self.of == LevelsOf::Snapshot && levels.last().is_some_and(|last| !side.before(last.price, price)) {
                return Err(gap(Reject::new(FrameReject::Unsorted, what)));
            }
            levels.push(Level { price, qty });
        }
        if self.of != LevelsOf::Snapshot {
            match side {
                BookSide::Bids => levels.sort_unstable_by_key(|level| std::cmp::Reverse(level.price)),
                BookSide::Asks => levels.sort_unstable_by_key(|level| level.price),
            }
            // Two quantities for one price: which holds can't be told.
            if levels.windows(2).any(|two| matches!(two, [a, b] if a.price == b.price)) {
                return Err(gap(Reject::new(FrameReject::Unsorted, what)));
            }
        }
        Ok(levels)
    }

    fn leaves_out(&self, reject: &Reject, first: bool) -> bool {
        let finer = matches!(reject.scope, Scope::Book(_, ResyncReason::Scale));
        let may_be_best = match self.of {
            LevelsOf::Snapshot => first,
            LevelsOf::FullUpdate => true,
            LevelsOf::Delta => false,
        };
        finer && self.finer == FinerPrice::LeaveOut && !may_be_best
    }

    /// Reads one price.
    ///
    /// # Errors
    /// `bad_number` or `out_of_range`, with the pair's book as scope; a price finer than the scale asks for new scales.
    pub fn price(&self, value: &Value<'_, '_>, what: &'static str) -> Result<Price, Reject> {
        let book = |(reject, reason): (Reject, ResyncReason)| reject.within(Scope::Book(self.pair, reason));
        let bad = || book((Reject::new(FrameReject::BadNumber, what), ResyncReason::Gap));
        price_units(value.as_str().ok_or_else(bad)?, self.scale, what).map_err(book)
    }

    /// Reads one quantity.
    ///
    /// # Errors
    /// `bad_number` or `out_of_range`, with the pair's book as scope.
    pub fn qty(&self, value: &Value<'_, '_>, what: &'static str) -> Result<Qty, Reject> {
        let gap = |reject: Reject| reject.within(Scope::Book(self.pair, ResyncReason::Gap));
        let text = value.as_str().ok_or_else(|| gap(Reject::new(FrameReject::BadNumber, what)))?;
        qty_units(text, self.scale, what).map_err(gap)
    }
}

/// A positive price, exact in the pair's scale.
///
/// # Errors
/// `bad_number` or `out_of_range`, and the reason of a resync that it is for a book: new scales for a price finer than them.
pub fn price_units(text: &str, scale: PairScale, what: &'static str) -> Result<Price, (Reject, ResyncReason)> {
    let units = parse_units(text.as_bytes(), u32::from(scale.price_decimals()), Excess::Refuse).map_err(|error| {
        let reason = if error == NumberError::TooFine { ResyncReason::Scale } else { ResyncReason::Gap };
        (Reject::number(error, what), reason)
    })?;
    Price::from_units(units).ok_or((Reject::new(FrameReject::OutOfRange, what), ResyncReason::Gap))
}

/// A quantity, floored to the pair's scale, but never to zero unless it is zero.
///
/// # Errors
/// `bad_number` or `out_of_range`.
pub fn qty_units(text: &str, scale: PairScale, what: &'static str) -> Result<Qty, Reject> {
    let units = parse_units(text.as_bytes(), u32::from(scale.qty_decimals()), Excess::FloorKeepNonZero)
        .map_err(|error| Reject::number(error, what))?;
    Qty::from_units(units).ok_or(Reject::new(FrameReject::OutOfRange, what))
}

/// True when the best bid is at or above the best ask.
pub fn is_crossed(bids: &[Level], asks: &[Level]) -> bool {
    matches!((bids.first(), asks.first()), (Some(bid), Some(ask)) if bid.price >= ask.price)
}

/// Applies changes to a side that is sorted best first, as they are themselves: zero deletes, anything else is set. False when a
/// change is out of order; the side is then half changed.
#[must_use]
pub fn apply_changes(levels: &mut Vec<Level>, changes: &[Level], side: BookSide) -> bool {
    let mut from = 0;
    for change in changes {
        let rest = levels.get(from..).unwrap_or_default();
        let at = from + rest.partition_point(|level| side.before(level.price, change.price));
        let ahead = at.checked_sub(1).and_then(|ahead| levels.get(ahead));
        if ahead.is_some_and(|ahead| !side.before(ahead.price, change.price)) {
            return false;
        }
        match (levels.get_mut(at).filter(|level| level.price == change.price), change.qty.is_zero()) {
            (Some(_), true) => drop(levels.remove(at)),
            (Some(level), false) => *level = *change,
            (None, true) => {}
            (None, false) => levels.insert(at, *change),
        }
        from = at;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::JsonReader;

    fn read(text: &str, side: BookSide, of: LevelsOf) -> Result<Vec<(i64, i64)>, (FrameReject, ResyncReason)> {
        read_with(text, side, of, FinerPrice::Refuse)
    }

    fn read_with(
        text: &str,
        side: BookSide,
        of: LevelsOf,
        finer: FinerPrice,
    ) -> Result<Vec<(i64, i64)>, (FrameReject, ResyncReason)> {
        let reader =
            LevelReader { pair: PairId(3), scale: PairScale::new(2, 3).unwrap(), levels_max: 4, columns_max: 3, of, finer };
        let levels = JsonReader::default()
            .read(&mut text.as_bytes().to_vec(), 1000, |root| reader.side(Some(root), side, "b"))
            .map_err(|reject| match reject.scope {
            Scope::Book(PairId(3), reason) => (reject.reason, reason),
            other => panic!("{other:?}"),
        })?;
        Ok(levels.iter().map(|l| (l.price.units(), l.qty.units())).collect())
    }

    #[test]
    fn sides_are_exact_sorted_and_bounded() {
        use BookSide::{Asks, Bids};
        use LevelsOf::{Delta, FullUpdate, Snapshot};
        let deltas = r#"[["1.00","2"],["1.5","0"],["1.20","0.0001"]]"#;
        assert_eq!(read(deltas, Bids, Delta), Ok(vec![(150, 0), (120, 1), (100, 2000)]));
        assert_eq!(read(deltas, Asks, Delta), Ok(vec![(100, 2000), (120, 1), (150, 0)]));
        assert_eq!(read(deltas, Bids, FullUpdate), Ok(vec![(120, 1), (100, 2000)]));
        assert_eq!(read(deltas, Asks, FullUpdate), Ok(vec![(100, 2000), (120, 1)]));
        assert_eq!(read(r#"[["2","1"],["1.5","0"],["1","1",[]]]"#, Bids, Snapshot), Ok(vec![(200, 1000), (100, 1000)]));
        let gap = |reason| Err((reason, ResyncReason::Gap));
        assert_eq!(read(r#"[["1","1"],["2","1"]]"#, Bids, Snapshot), gap(FrameReject::Unsorted));
        assert_eq!(read(r#"[["1","1"],["1.0","2"]]"#, Bids, Delta), gap(FrameReject::Unsorted));
        assert_eq!(read(r#"[["1","1"],["1.0","2"]]"#, Asks, FullUpdate), gap(FrameReject::Unsorted));
        assert_eq!(read(r#"[["1","1",[],[]]]"#, Bids, Delta), gap(FrameReject::TooLarge));
        assert_eq!(read(r#"[["1.001","1"]]"#, Bids, Delta), Err((FrameReject::BadNumber, ResyncReason::Scale)));
        assert_eq!(read(r#"[[1,"1"]]"#, Bids, Delta), gap(FrameReject::BadNumber));
        assert_eq!(read(r#"[["1","-1"]]"#, Bids, Delta), gap(FrameReject::OutOfRange));
        assert_eq!(read(r#"[["0","1"]]"#, Bids, Delta), gap(FrameReject::OutOfRange));
        assert_eq!(read(r#"[["1"]]"#, Bids, Delta), gap(FrameReject::UnknownShape));
        assert_eq!(read(r#"[["1","1"],["2","1"],["3","1"],["4","1"],["5","1"]]"#, Asks, Delta), gap(FrameReject::TooLarge));
    }

    /// Found in a recording of 2021: orders made before the tick was raised still rest at the finer prices.
    #[test]
    fn finer_prices_are_left_out_but_never_the_best_of_a_whole_side() {
        use BookSide::Bids;
        use LevelsOf::{Delta, FullUpdate, Snapshot};
        let read = |text: &str, of| read_with(text, Bids, of, FinerPrice::LeaveOut);
        assert_eq!(read(r#"[["1.20","1"],["1.111","1"],["1.1","1"]]"#, Snapshot), Ok(vec![(120, 1000), (110, 1000)]));
        assert_eq!(read(r#"[["1.111","1"]]"#, Delta), Ok(vec![]));
        assert_eq!(read(r#"[["1.111","x"]]"#, Delta), Err((FrameReject::BadNumber, ResyncReason::Gap)));
        assert_eq!(read(r#"[["1","1"],["1.111","1"]]"#, FullUpdate), Err((FrameReject::BadNumber, ResyncReason::Scale)));
        assert_eq!(read(r#"[["1.111","1"],["1","1"]]"#, Snapshot), Err((FrameReject::BadNumber, ResyncReason::Scale)));
        assert_eq!(read(r#"[["x","1"]]"#, Delta), Err((FrameReject::BadNumber, ResyncReason::Gap)));
    }

    #[test]
    fn changes_are_set_inserted_and_deleted_in_order_or_refused() {
        let levels = |rows: &[(i64, i64)]| -> Vec<Level> {
            let level = |(price, qty): &(i64, i64)| Level {
                price: Price::from_units(*price).unwrap(),
                qty: Qty::from_units(*qty).unwrap(),
            };
            rows.iter().map(level).collect()
        };
        let mut bids = levels(&[(105, 1), (103, 1), (101, 1)]);
        let changes = levels(&[(106, 2), (105, 0), (104, 3), (103, 4), (102, 0), (100, 5)]);
        assert!(apply_changes(&mut bids, &changes, BookSide::Bids));
        assert_eq!(bids, levels(&[(106, 2), (104, 3), (103, 4), (101, 1), (100, 5)]));
        let mut asks = levels(&[(101, 1), (103, 1)]);
        assert!(apply_changes(&mut asks, &levels(&[(100, 1), (101, 0), (103, 9)]), BookSide::Asks));
        assert_eq!(asks, levels(&[(100, 1), (103, 9)]));
        assert!(!apply_changes(&mut asks, &levels(&[(103, 1), (100, 1)]), BookSide::Asks));
        let mut none = Vec::new();
        assert!(apply_changes(&mut none, &levels(&[(2, 0), (1, 1)]), BookSide::Bids));
        assert_eq!(none, levels(&[(1, 1)]));
    }
}
