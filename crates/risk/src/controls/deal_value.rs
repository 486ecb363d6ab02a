//! Largest value of one deal, its dearer leg at the limit price, in reference quote.

use domain::Amount;
use domain::number::AMOUNT_ONE;

/// No configuration goes above: 1,000,000 units of the reference quote.
pub const CEILING: Amount = Amount::from_units(1_000_000 * AMOUNT_ONE);

/// Whether a deal whose legs are worth this keeps the limit.
pub(crate) fn fits(buy: Amount, sell: Amount, max: Amount) -> bool {
    buy.max(sell) <= max
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dearer_leg_counts_to_the_unit() {
        let of = Amount::from_units;
        assert!(fits(of(7), of(9), of(9)) && fits(of(9), of(7), of(9)));
        assert!(!fits(of(7), of(10), of(9)) && !fits(of(10), of(7), of(9)));
    }
}
