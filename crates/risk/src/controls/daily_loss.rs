//! The loss since midnight UTC, in reference quote, fees in tokens included. At the limit exactly the engine latches, and
//! nothing is opened; a loss that can't be valued opens nothing either.

use domain::Amount;
use domain::number::AMOUNT_ONE;

/// No configuration goes above: 1,000,000 units of the reference quote.
pub const CEILING: Amount = Amount::from_units(1_000_000 * AMOUNT_ONE);

/// Whether the day's result (negative: a loss) has reached the limit.
pub fn reached(result: Amount, max: Amount) -> bool {
    result.units().saturating_neg() >= max.units()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_unit_less_passes_and_the_limit_halts() {
        let max = Amount::from_units(50);
        assert!(!reached(Amount::from_units(-49), max) && !reached(Amount::from_units(1_000), max));
        assert!(reached(Amount::from_units(-50), max) && reached(Amount::from_units(i128::MIN), max));
    }
}
