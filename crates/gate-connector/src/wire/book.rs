//! Price levels of Gate's spot books: `[["price", "amount"], …]`, strings on stream and REST alike.
//!
//! Quantities may carry more decimals than the pair's scale (Gate's do) and are floored, never so that a quantity that is there
//! becomes a delete; a price finer than the scale refuses the message and calls for a resync with the reason `scale`.

use super::Reject;
use super::json::Value;
use domain::{Level, PairId, PairScale};
pub use venue::levels::{BookSide, LevelsOf, is_crossed};
use venue::levels::{FinerPrice, LevelReader};
pub(super) use venue::levels::{price_units, qty_units};

/// Most levels a side that a message may have; Gate sends at most 400.
pub const LEVELS_MAX: usize = 1024;
/// A price and a quantity, and nothing else.
const COLUMNS: usize = 2;

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
    let finer = FinerPrice::Refuse;
    LevelReader { pair, scale, levels_max: LEVELS_MAX, columns_max: COLUMNS, of, finer }.side(value, side, what)
}
