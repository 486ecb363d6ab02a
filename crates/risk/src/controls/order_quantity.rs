//! Largest base quantity of one opening order, by pair, where the configuration names one: a second, independent bound on an
//! order whose price is wrong by a factor.

use domain::Qty;

/// Whether an order of this quantity keeps the limit; without one any does.
pub(crate) fn fits(qty: Qty, max: Option<Qty>) -> bool {
    max.is_none_or(|max| qty <= max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_the_limit_passes_and_one_unit_above_is_refused() {
        let qty = |units| Qty::from_units(units).unwrap();
        assert!(fits(qty(5), Some(qty(5))) && !fits(qty(6), Some(qty(5))));
        assert!(fits(qty(domain::number::UNITS_MAX), None));
    }
}
