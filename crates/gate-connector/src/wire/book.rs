//! Price levels of Gate's spot books: `[["price", "amount"], …]`, strings on stream and REST alike.
//!
//! Quantities may carry more decimals than the pair's scale (Gate's do) and are floored, never so that a quantity that is there
//! becomes a delete; a price finer than the scale refuses the message and calls for a resync with the reason `scale`.

use super::json::{Value, items};
use super::{Reject, Scope, number};
use domain::decimal::{Excess, NumberError, parse_units};
use domain::{FrameReject, Level, PairId, PairScale, Price, Qty, ResyncReason};
use simd_json::prelude::*;

/// Most levels a side that a message may have; Gate sends at most 400.
pub const LEVELS_MAX: usize = 1024;

/// Which side levels belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BookSide {
    /// Descending prices.
    Bids,
    /// Ascending prices.
    Asks,
}

impl BookSide {
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
    /// A whole side inside a delta channel (`full`), in any order; sorted here, zero quantities are left out.
    FullUpdate,
    /// Changes, in any order; sorted here, zero deletes.
    Delta,
}

/// Reads one side. `None` (the field is absent) is an empty side.
///
/// # Errors
/// `unknown_shape`, `bad_number`, `out_of_range`, `unsorted` or `too_large`, each with the pair's book as scope.
pub fn levels(
    value: Option<Value<'_, '_>>,
    pair: PairId,
    scale: PairScale,
    side: BookSide,
    of: LevelsOf,
    what: &'static str,
) -> Result<Vec<Level>, Reject> {
    read(value, scale, side, of, what).map_err(|(reject, fault)| reject.within(Scope::Book(pair, fault)))
}

fn read(
    value: Option<Value<'_, '_>>,
    scale: PairScale,
    side: BookSide,
    of: LevelsOf,
    what: &'static str,
) -> Result<Vec<Level>, (Reject, ResyncReason)> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let gap = |reject| (reject, ResyncReason::Gap);
    let rows = items(&value, LEVELS_MAX, what).map_err(gap)?;
    let mut levels: Vec<Level> = Vec::with_capacity(rows.len());
    for row in rows {
        let mut pair = items(&row, 2, what).map_err(gap)?;
        let (Some(price), Some(qty), None) = (pair.next(), pair.next(), pair.next()) else {
            return Err(gap(Reject::shape(what)));
        };
        let price = price_of(&price, scale, what)?;
        let qty = qty_of(&qty, scale, what).map_err(gap)?;
        if of != LevelsOf::Delta && qty.is_zero() {
            continue;
        }
        if of == LevelsOf::Snapshot && levels.last().is_some_and(|last| !side.before(last.price, price)) {
            return Err(gap(Reject::new(FrameReject::Unsorted, what)));
        }
        levels.push(Level { price, qty });
    }
    if of != LevelsOf::Snapshot {
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

fn price_of(value: &Value<'_, '_>, scale: PairScale, what: &'static str) -> Result<Price, (Reject, ResyncReason)> {
    let gap = |reason| (Reject::new(reason, what), ResyncReason::Gap);
    price_units(value.as_str().ok_or_else(|| gap(FrameReject::BadNumber))?, scale, what)
}

/// A positive price, exact in the pair's scale; one that is finer calls for a resync with the reason `scale`.
pub(super) fn price_units(text: &str, scale: PairScale, what: &'static str) -> Result<Price, (Reject, ResyncReason)> {
    let gap = |reason| (Reject::new(reason, what), ResyncReason::Gap);
    let units = parse_units(text.as_bytes(), u32::from(scale.price_decimals()), Excess::Refuse).map_err(|error| match error {
        NumberError::TooFine => (Reject::new(FrameReject::BadNumber, what), ResyncReason::Scale),
        other => gap(number::reject_of(other)),
    })?;
    Price::from_units(units).ok_or_else(|| gap(FrameReject::OutOfRange))
}

fn qty_of(value: &Value<'_, '_>, scale: PairScale, what: &'static str) -> Result<Qty, Reject> {
    qty_units(value.as_str().ok_or(Reject::new(FrameReject::BadNumber, what))?, scale, what)
}

/// A quantity, floored to the pair's scale, but never to zero unless it is zero.
pub(super) fn qty_units(text: &str, scale: PairScale, what: &'static str) -> Result<Qty, Reject> {
    let units = parse_units(text.as_bytes(), u32::from(scale.qty_decimals()), Excess::FloorKeepNonZero)
        .map_err(|error| Reject::new(number::reject_of(error), what))?;
    Qty::from_units(units).ok_or(Reject::new(FrameReject::OutOfRange, what))
}

/// True when the best bid is at or above the best ask.
pub fn is_crossed(bids: &[Level], asks: &[Level]) -> bool {
    matches!((bids.first(), asks.first()), (Some(bid), Some(ask)) if bid.price >= ask.price)
}
