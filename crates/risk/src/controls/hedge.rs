//! Hedges: an order that, whatever part of it fills, never makes the worst case of its deal larger, and filled in full makes it
//! strictly smaller; and its largest value. No stop and no other control holds a hedge back.
//!
//! Start at [`Limits::approve_hedge`].

use crate::approved::Approved;
use crate::band::HedgeBand;
use crate::limits::Limits;
use crate::plan::HedgeOrder;
use crate::valuation::Worth;
use domain::number::UNITS_MAX;
use domain::{Amount, PairScale, Price, Qty, Side};

/// A hedge may be worth this many times `order_value_max`: it closes what an opening made, perhaps after the price moved, and
/// must not be refused for that.
const VALUE_FACTOR: i128 = 2;

/// Why a hedge was not approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HedgeRefusal {
    /// It has no quantity.
    #[error("the hedge has no quantity")]
    Empty,
    /// Filled in full it would not make max(|lo|, |hi|) strictly smaller.
    #[error("the hedge does not strictly reduce the worst-case exposure")]
    NotReducing,
    /// Its value at the limit price is above the cap ([`Limits::hedge_qty_max`] says how much may be sent at once).
    #[error("the hedge is worth more than the cap on hedges")]
    TooLarge,
    /// Its limit price is outside its band ([`HedgeBand`]).
    #[error("the hedge's limit price is outside its band")]
    OutsideBand,
}

impl Limits {
    /// Approves a hedge.
    ///
    /// `exposure_before` is the deal's base exposure `(lo, hi)` in 10^-18 base before this order, unknown orders widening it. The
    /// order shifts it by s ∈ \[0, qty\] (a fee taken in base makes s smaller). max(|lo ∓ s|, |hi ∓ s|) is convex in s, so it
    /// is enough to look at s = qty: smaller there means smaller everywhere but at s = 0. Nothing is taken on trust from the
    /// caller but `exposure_before`, and the limit price is held against `band`, however it was found.
    ///
    /// # Errors
    /// [`HedgeRefusal`].
    pub fn approve_hedge(
        &self,
        order: HedgeOrder,
        scale: PairScale,
        exposure_before: (Amount, Amount),
        band: &HedgeBand,
        quote_worth: Worth,
    ) -> Result<Approved<HedgeOrder>, HedgeRefusal> {
        let (lo, hi) = exposure_before;
        assert!(lo <= hi, "Invariant: an exposure interval is ordered");
        if order.leg.qty.is_zero() {
            return Err(HedgeRefusal::Empty);
        }
        let base = scale.base_of(order.leg.qty).units();
        let shift = match order.side {
            Side::Buy => base,
            Side::Sell => -base,
        };
        let worst = |lo: i128, hi: i128| lo.unsigned_abs().max(hi.unsigned_abs());
        let after = match (lo.units().checked_add(shift), hi.units().checked_add(shift)) {
            (Some(lo), Some(hi)) => worst(lo, hi),
            _ => return Err(HedgeRefusal::NotReducing),
        };
        if after >= worst(lo.units(), hi.units()) {
            return Err(HedgeRefusal::NotReducing);
        }
        if !band.holds(order.side, order.leg.price) {
            return Err(HedgeRefusal::OutsideBand);
        }
        let value = scale.value_of(order.leg.price, order.leg.qty);
        match value.and_then(|value| quote_worth.value_rounded_up(value)) {
            Some(value) if value <= self.hedge_value_max() => Ok(Approved::new(order)),
            _ => Err(HedgeRefusal::TooLarge),
        }
    }

    /// Largest value of one hedge at its limit price, in the reference: twice `order_value_max`.
    pub fn hedge_value_max(&self) -> Amount {
        Amount::from_units(self.order_value_max.units().saturating_mul(VALUE_FACTOR))
    }

    /// Largest quantity that one hedge may have at this limit price, where the pair's quote is worth so much; a larger exposure is
    /// hedged in parts.
    pub fn hedge_qty_max(&self, scale: PairScale, price: Price, quote_worth: Worth) -> Qty {
        let Some(unit_value) = Qty::from_units(1).and_then(|one| scale.value_of(price, one)) else { return Qty::ZERO };
        let value_max = quote_worth.inverse().value_rounded_down(self.hedge_value_max()).unwrap_or(self.hedge_value_max());
        let units = value_max.units().max(0) / unit_value.units();
        Qty::from_units(i64::try_from(units).unwrap_or(UNITS_MAX).min(UNITS_MAX)).unwrap_or(Qty::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Leg;
    use domain::{DealId, PairId, Rate, VenueId};
    use proptest::prelude::*;

    fn scale() -> PairScale {
        PairScale::new(2, 3).unwrap()
    }

    fn quote(text: &str) -> Amount {
        Amount::from_decimal(text.parse().unwrap()).unwrap()
    }

    fn price(units: i64) -> Price {
        Price::from_units(units).unwrap()
    }

    fn qty(units: i64) -> Qty {
        Qty::from_units(units).unwrap()
    }

    fn limits() -> Limits {
        Limits {
            order_value_max: quote("1000"),
            deal_value_max: quote("1000"),
            unhedged_value_max: quote("1500"),
            open_deals_max: 3,
            orders_per_second_max: 10,
            daily_loss_max: quote("50"),
        }
    }

    fn hedge(side: Side, qty_units: i64, price_units: i64) -> HedgeOrder {
        HedgeOrder {
            deal: DealId(1),
            pair: PairId(0),
            side,
            leg: Leg { venue: VenueId(0), price: price(price_units), qty: qty(qty_units) },
        }
    }

    /// A band with this price in its middle.
    fn band(reference: Price) -> HedgeBand {
        HedgeBand { reference, cap: Rate::ZERO, mids: None, collar: Rate::ZERO }
    }

    fn refusal(order: HedgeOrder, lo: &str, hi: &str) -> Option<HedgeRefusal> {
        limits().approve_hedge(order, scale(), (quote(lo), quote(hi)), &band(order.leg.price), Worth::ONE).err()
    }

    #[test]
    fn a_hedge_must_make_the_worst_case_strictly_smaller() {
        // Long 5 for certain.
        assert_eq!(refusal(hedge(Side::Sell, 5_000, 10_000), "5", "5"), None);
        assert_eq!(refusal(hedge(Side::Sell, 9_999, 10_000), "5", "5"), None, "it over-hedges, but ends nearer to flat");
        assert_eq!(refusal(hedge(Side::Sell, 10_000, 10_000), "5", "5"), Some(HedgeRefusal::NotReducing));
        assert_eq!(refusal(hedge(Side::Buy, 1, 10_000), "5", "5"), Some(HedgeRefusal::NotReducing));
        // Short by 1 to 4, an order being unknown.
        assert_eq!(refusal(hedge(Side::Buy, 1_000, 10_000), "-4", "-1"), None);
        assert_eq!(refusal(hedge(Side::Buy, 4_999, 10_000), "-4", "-1"), None);
        assert_eq!(refusal(hedge(Side::Buy, 5_000, 10_000), "-4", "-1"), Some(HedgeRefusal::NotReducing));
        // Flat or balanced around zero: nothing reduces.
        assert_eq!(refusal(hedge(Side::Sell, 1, 10_000), "0", "0"), Some(HedgeRefusal::NotReducing));
        assert_eq!(refusal(hedge(Side::Sell, 1, 10_000), "-3", "3"), Some(HedgeRefusal::NotReducing));
        assert_eq!(refusal(hedge(Side::Sell, 0, 10_000), "5", "5"), Some(HedgeRefusal::Empty));
    }

    #[test]
    fn a_hedge_at_its_cap_passes_and_one_unit_above_is_refused() {
        // The cap is 2 × 1000; 20 at 100.00.
        assert_eq!(refusal(hedge(Side::Sell, 20_000, 10_000), "30", "30"), None);
        assert_eq!(refusal(hedge(Side::Sell, 20_001, 10_000), "30", "30"), Some(HedgeRefusal::TooLarge));
        assert_eq!(limits().hedge_qty_max(scale(), price(10_000), Worth::ONE), qty(20_000));
        assert_eq!(limits().hedge_qty_max(scale(), price(10_001), Worth::ONE), qty(19_998));
        // The cap is in the reference: where the quote is worth three of it, a third of the quantity.
        let three = Worth::new(3, 1).unwrap();
        assert_eq!(limits().hedge_qty_max(scale(), price(10_000), three), qty(6_666));
        let sent = |units| {
            let order = hedge(Side::Sell, units, 10_000);
            limits().approve_hedge(order, scale(), (quote("30"), quote("30")), &band(order.leg.price), three).err()
        };
        assert_eq!((sent(6_666), sent(6_667)), (None, Some(HedgeRefusal::TooLarge)));
    }

    /// Defence in depth: a candidate whose price is wrong is not sent, whoever computed it.
    #[test]
    fn a_hedge_at_the_edge_of_its_band_passes_and_one_unit_beyond_is_refused() {
        let band = HedgeBand { cap: Rate::from_bps(50).unwrap(), ..band(price(10_000)) };
        let sent = |side, at| limits().approve_hedge(hedge(side, 1_000, at), scale(), signed(side), &band, Worth::ONE).err();
        assert_eq!((sent(Side::Sell, 9_950), sent(Side::Sell, 9_949)), (None, Some(HedgeRefusal::OutsideBand)));
        assert_eq!((sent(Side::Buy, 10_050), sent(Side::Buy, 10_051)), (None, Some(HedgeRefusal::OutsideBand)));
    }

    /// Long by five where it sells, short by five where it buys.
    fn signed(side: Side) -> (Amount, Amount) {
        let five = if side == Side::Sell { quote("5") } else { -quote("5") };
        (five, five)
    }

    proptest! {
        /// Whatever part of an approved hedge fills, and wherever in its interval the exposure lies, the worst case does not
        /// grow.
        #[test]
        fn an_approved_hedge_never_widens_the_worst_case(
            lo in -40_000i64..40_000, width in 0i64..40_000, size in 1i64..40_000, buys: bool, filled_part in 0i64..=1_000,
        ) {
            let base = |units: i64| Amount::from_units(i128::from(units) * 10i128.pow(15));
            let (before, side) = ((base(lo), base(lo + width)), if buys { Side::Buy } else { Side::Sell });
            let order = hedge(side, size, 1_000);
            let worst = |shift: i64| (lo + shift).abs().max((lo + width + shift).abs());
            let signed = |filled: i64| if buys { filled } else { -filled };
            match limits().approve_hedge(order, scale(), before, &band(order.leg.price), Worth::ONE) {
                Ok(approved) => {
                    prop_assert_eq!(*approved.get(), order);
                    prop_assert!(worst(signed(size)) < worst(0));
                    prop_assert!(worst(signed(size * filled_part / 1_000)) <= worst(0));
                }
                Err(refusal) => {
                    prop_assert_eq!(refusal, HedgeRefusal::NotReducing);
                    prop_assert!(worst(signed(size)) >= worst(0));
                }
            }
        }
    }
}
