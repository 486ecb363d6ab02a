//! How far an opening's limit price may be from its own book's mid and from the venues' median. It shares no code with the
//! detector's collar, which judges books: this one judges the order.

use crate::market::VenuePair;
use domain::mutants::{Mutant, active};
use domain::number::RATE_ONE;
use domain::{MonoNanos, Price, Rate};

/// 5 %.
pub const DEFAULT: Rate = Rate::from_bps(500).unwrap();
/// No configuration goes above: 10 %.
pub const CEILING: Rate = Rate::from_bps(1_000).unwrap();

/// What prices of one pair are measured against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// The buy venue's mid × 2, in price units.
    pub buy_mid_x2: Option<i64>,
    /// The sell venue's mid × 2.
    pub sell_mid_x2: Option<i64>,
    /// Median of the trusted venues' mids × 4 (of two venues: the middle).
    pub median_x4: Option<i128>,
}

impl Marks {
    /// The same price everywhere.
    pub fn around(price: Price) -> Marks {
        let units = price.units();
        Marks { buy_mid_x2: Some(2 * units), sell_mid_x2: Some(2 * units), median_x4: Some(4 * i128::from(units)) }
    }
}

/// Best bid + best ask of a book.
pub fn mid_x2(cell: &VenuePair) -> Option<i64> {
    let book = cell.book.book();
    Some(book.best_bid()?.price.units() + book.best_ask()?.price.units())
}

/// The median of the mids of all trusted books of a pair, × 4; `None` with fewer than two. `scratch` is only room to sort in.
pub fn median_x4(cells: &[VenuePair], age_max_ns: u64, now: MonoNanos, scratch: &mut Vec<i64>) -> Option<i128> {
    trusted_mids_x2(cells, age_max_ns, now, scratch);
    if scratch.len() < 2 { None } else { middle_x4(scratch) }
}

/// The mids × 2 of all trusted books of a pair, smallest first, in place of what `mids` held.
pub(crate) fn trusted_mids_x2(cells: &[VenuePair], age_max_ns: u64, now: MonoNanos, mids: &mut Vec<i64>) {
    mids.clear();
    let trusted =
        cells.iter().filter(|cell| cell.book.is_live() && (cell.book.age_ns(now) <= age_max_ns || active(Mutant::AgeIgnored)));
    mids.extend(trusted.filter_map(mid_x2));
    mids.sort_unstable();
}

/// The median × 4 of sorted mids × 2 (of an even number: the middle); `None` of none.
pub(crate) fn middle_x4(mids: &[i64]) -> Option<i128> {
    let (low, high) = (mids.get(mids.len().checked_sub(1)? / 2)?, mids.get(mids.len() / 2)?);
    Some(i128::from(*low) + i128::from(*high))
}

/// |price − mark| ≤ collar × mark for both marks, exactly; without a mark nothing is proved.
pub(crate) fn holds(price: Price, own_mid_x2: Option<i64>, median_x4: Option<i128>, collar: Rate) -> bool {
    let (Some(own), Some(median)) = (own_mid_x2, median_x4) else { return false };
    let price_x4 = 4 * i128::from(price.units());
    within(price_x4, 2 * i128::from(own), collar) && within(price_x4, median, collar)
}

/// |value − mark| ≤ collar × mark, exactly.
pub(crate) fn within(value: i128, mark: i128, collar: Rate) -> bool {
    (value - mark).abs() * i128::from(RATE_ONE) <= mark * i128::from(collar.nano())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(price: i64, own: i64, median: i64) -> bool {
        let price = Price::from_units(price).unwrap();
        holds(price, Some(2 * own), Some(4 * i128::from(median)), Rate::from_bps(500).unwrap())
    }

    #[test]
    fn at_the_collar_passes_and_one_price_unit_beyond_is_refused() {
        assert!(check(10_500, 10_000, 10_500) && !check(10_501, 10_000, 10_500), "above the own mid");
        assert!(check(9_500, 10_000, 9_500) && !check(9_499, 10_000, 9_500), "below the own mid");
        assert!(check(10_500, 10_500, 10_000) && !check(10_501, 10_501, 10_000), "above the median");
        assert!(check(9_500, 9_500, 10_000) && !check(9_499, 9_499, 10_000), "below the median");
    }

    #[test]
    fn without_a_mark_nothing_is_proved() {
        let price = Price::from_units(1).unwrap();
        assert!(!holds(price, None, Some(4), CEILING) && !holds(price, Some(2), None, CEILING));
    }
}
