//! Largest value of one opening order at its limit price, in reference quote.

use domain::Amount;
use domain::number::AMOUNT_ONE;

/// No configuration goes above: 1,000,000 units of the reference quote.
pub const CEILING: Amount = Amount::from_units(1_000_000 * AMOUNT_ONE);

/// Whether an order of this value keeps the limit.
pub(crate) fn fits(value: Amount, max: Amount) -> bool {
    value <= max
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_the_limit_passes_and_one_unit_above_is_refused() {
        assert!(fits(Amount::from_units(AMOUNT_ONE), Amount::from_units(AMOUNT_ONE)));
        assert!(!fits(Amount::from_units(AMOUNT_ONE + 1), Amount::from_units(AMOUNT_ONE)));
    }
}
