//! The worst case that may be unhedged: per opportunity, per base asset, and over all open deals, in reference quote.
//!
//! A new deal counts as if its dearer leg filled and the other never did. Start at [`Exposure`]; [`within`] is asked before an
//! opening, [`Exposure::exceeded`] after the market moved.

use crate::valuation::Worth;
use domain::mutants::{Mutant, active};
use domain::number::AMOUNT_ONE;
use domain::{Amount, AssetId, PairScale, Price};

/// No configuration goes above: 4,000,000 units of the reference quote.
pub const CEILING: Amount = Amount::from_units(4_000_000 * AMOUNT_ONE);

/// Worst case that [`Exposure`] saturates at: far above any limit, and adding to it cannot overflow.
const WORST_MAX: i128 = i128::MAX / 4;

const _: () = assert!(AMOUNT_ONE * 1_000_000_000_000 < WORST_MAX);

/// The three limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnhedgedMax {
    /// Of one opportunity.
    pub opportunity: Amount,
    /// Over all deals of one base asset.
    pub asset: Amount,
    /// Over all deals.
    pub total: Amount,
}

impl UnhedgedMax {
    /// The most that a deal of `base` may be worth beside what is open; negative when nothing more fits.
    pub fn room(&self, exposure: &Exposure, base: AssetId) -> Amount {
        if active(Mutant::ExposureIgnored) {
            return self.opportunity;
        }
        let left = |max: Amount, used: Amount| Amount::from_units(max.units().saturating_sub(used.units()));
        self.opportunity.min(left(self.asset, exposure.of_asset(base))).min(left(self.total, exposure.worst_quote()))
    }
}

/// Whether a deal of `base` worth `value` keeps all three limits beside what is open.
pub(crate) fn within(value: Amount, exposure: &Exposure, base: AssetId, max: &UnhedgedMax) -> bool {
    value <= max.room(exposure, base)
}

/// The worst case of all open deals in reference quote: Σ max(|lo|, |hi|) × mid. Deals never net against each other: each may be
/// the only one whose other leg fails.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    worst: Amount,
    largest: Amount,
    by_asset: Vec<(AssetId, Amount)>,
    deals: u32,
}

impl Exposure {
    /// Adds one open deal: its interval of `base` in 10^-18, valued at `mid` and at what the pair's quote is worth, rounded up.
    /// What can't be valued is above every limit.
    pub fn add(&mut self, base: AssetId, scale: PairScale, lo: Amount, hi: Amount, mid: Price, quote_worth: Option<Worth>) {
        let most = lo.units().unsigned_abs().max(hi.units().unsigned_abs());
        let value = value_rounded_up(most, mid, scale)
            .and_then(|quote| quote_worth?.value_rounded_up(Amount::from_units(quote)))
            .map_or(WORST_MAX, |value| value.units().min(WORST_MAX));
        let value = if most == 0 { Amount::ZERO } else { Amount::from_units(value) };
        let plus = |sum: Amount| Amount::from_units(sum.units().saturating_add(value.units()).min(WORST_MAX));
        self.worst = plus(self.worst);
        self.largest = self.largest.max(value);
        match self.by_asset.iter_mut().find(|(asset, _)| *asset == base) {
            Some((_, sum)) => *sum = plus(*sum),
            None => self.by_asset.push((base, value)),
        }
        self.deals = self.deals.saturating_add(1);
    }

    /// The worst case over all deals.
    pub fn worst_quote(&self) -> Amount {
        self.worst
    }

    /// The worst case over the deals of one base asset.
    pub fn of_asset(&self, base: AssetId) -> Amount {
        self.by_asset.iter().find(|(asset, _)| *asset == base).map_or(Amount::ZERO, |(_, sum)| *sum)
    }

    /// The largest worst case of one deal.
    pub fn largest(&self) -> Amount {
        self.largest
    }

    /// How many deals were added.
    pub fn deals(&self) -> u32 {
        self.deals
    }

    /// Whether what is open is beyond a limit: prices moved, or more became open than was approved.
    pub fn exceeded(&self, max: &UnhedgedMax) -> bool {
        self.worst > max.total || self.largest > max.opportunity || self.by_asset.iter().any(|(_, sum)| *sum > max.asset)
    }
}

/// base (10^-18) × price in 10^-18 quote, rounded up; `None` when it does not fit.
fn value_rounded_up(base: u128, price: Price, scale: PairScale) -> Option<i128> {
    let base = i128::try_from(base).ok()?;
    let unit = domain::number::pow10(u32::from(scale.price_decimals()));
    let price = i128::from(price.units());
    // base = whole × unit + part: the whole part needs no division, and part × price < 10^18 × 10^18 fits.
    let (whole, part) = (base / unit, base % unit);
    let part_value = part * price;
    let up = i128::from(part_value % unit != 0);
    whole.checked_mul(price)?.checked_add(part_value / unit + up)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::number::UNITS_MAX;
    use proptest::prelude::*;

    const BTC: AssetId = AssetId(0);
    const ETH: AssetId = AssetId(1);

    fn of(units: i128) -> Amount {
        Amount::from_units(units)
    }

    fn price(units: i64) -> Price {
        Price::from_units(units).unwrap()
    }

    /// Deals by base asset, each worth so many units of 10^-18.
    fn exposure(deals: &[(AssetId, i128)]) -> Exposure {
        let mut exposure = Exposure::default();
        let scale = PairScale::new(0, 0).unwrap();
        for (asset, units) in deals {
            exposure.add(*asset, scale, of(-units), of(units / 2), price(1), Some(Worth::ONE));
        }
        exposure
    }

    const MAX: UnhedgedMax =
        UnhedgedMax { opportunity: Amount::from_units(100), asset: Amount::from_units(150), total: Amount::from_units(200) };

    #[test]
    fn each_limit_is_kept_to_the_unit() {
        let open = exposure(&[]);
        assert!(within(of(100), &open, BTC, &MAX) && !within(of(101), &open, BTC, &MAX), "per opportunity");
        let open = exposure(&[(BTC, 60)]);
        assert!(within(of(90), &open, BTC, &MAX) && !within(of(91), &open, BTC, &MAX), "per asset");
        assert!(within(of(100), &open, ETH, &MAX), "another asset");
        let open = exposure(&[(BTC, 60), (ETH, 50)]);
        assert!(within(of(90), &open, AssetId(2), &MAX) && !within(of(91), &open, AssetId(2), &MAX), "in total");
        assert_eq!((open.worst_quote(), open.largest(), open.deals()), (of(110), of(60), 2));
    }

    #[test]
    fn what_the_market_moved_beyond_a_limit_is_told_to_the_unit() {
        assert!(!exposure(&[(BTC, 100), (BTC, 50), (ETH, 50)]).exceeded(&MAX));
        assert!(exposure(&[(BTC, 101)]).exceeded(&MAX));
        assert!(exposure(&[(BTC, 76), (BTC, 75)]).exceeded(&MAX));
        assert!(exposure(&[(BTC, 100), (ETH, 100), (AssetId(2), 1)]).exceeded(&MAX));
    }

    #[test]
    fn what_has_no_worth_is_above_every_limit() {
        let mut open = Exposure::default();
        let scale = PairScale::new(0, 0).unwrap();
        open.add(BTC, scale, of(0), of(0), price(1), None);
        assert_eq!(open.worst_quote(), of(0), "nothing is worth nothing");
        open.add(BTC, scale, of(0), of(1), price(1), None);
        assert!(!within(of(1), &open, ETH, &UnhedgedMax { opportunity: CEILING, asset: CEILING, total: CEILING }));
        // Past 128 bits it saturates.
        open.add(BTC, scale, of(i128::MIN + 1), of(0), price(UNITS_MAX), Some(Worth::ONE));
        assert_eq!(open.worst_quote().units(), WORST_MAX);
    }

    proptest! {
        #[test]
        fn exposure_is_rounded_up_and_never_below_the_exact_value(base in 0i128..10i128.pow(26), price_units in 1i64..UNITS_MAX) {
            let scale = PairScale::new(9, 3).unwrap();
            let mut exposure = Exposure::default();
            exposure.add(BTC, scale, of(-base), Amount::ZERO, price(price_units), Some(Worth::ONE));
            // Digits apart, since the product does not fit 128 bits: (high × 10^13 + low) × price.
            let cut = 10i128.pow(13);
            let (high, low) = (base / cut * i128::from(price_units), base % cut * i128::from(price_units));
            let exact_up = {
                // ⌈(high × 10^13 + low) / 10^9⌉ = high × 10^4 + ⌈low / 10^9⌉
                let up = i128::from(low % 10i128.pow(9) != 0);
                high.checked_mul(10_000).map(|h| h + low / 10i128.pow(9) + up)
            };
            match exact_up {
                Some(exact) if exact < WORST_MAX => prop_assert_eq!(exposure.worst_quote().units(), exact),
                _ => prop_assert_eq!(exposure.worst_quote().units(), WORST_MAX),
            }
        }
    }
}
