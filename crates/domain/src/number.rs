//! Fixed-point numbers. No floats, no silent rounding.
//!
//! | type | unit | where |
//! |---|---|---|
//! | [`Price`] | `i64` count of 10^-`price_decimals` quote per base | books, orders |
//! | [`Qty`] | `i64` count of 10^-`qty_decimals` base | books, orders |
//! | [`Amount`] | `i128` count of 10^-18 of one asset | ledger, fees, limits, profit |
//! | [`Rate`] | `i64` count of 10^-9 | fees, thresholds |
//!
//! `price_decimals + qty_decimals ≤ 18` ([`PairScale::new`] refuses anything else), so price × quantity is always an exact
//! [`Amount`]. The direction of rounding is in the name of the method: spends up, receipts down, sizes down.

use rust_decimal::Decimal;
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};

/// Decimals of an [`Amount`].
pub const AMOUNT_DECIMALS: u32 = 18;
/// Decimals of a [`Rate`].
pub const RATE_DECIMALS: u32 = 9;
/// One whole unit of an asset, in [`Amount`] units.
pub const AMOUNT_ONE: i128 = 1_000_000_000_000_000_000;
/// One (100 %), in [`Rate`] units.
pub const RATE_ONE: i64 = 1_000_000_000;
/// Largest price or quantity count that a venue may send; beyond it a level is `out_of_range`.
pub const UNITS_MAX: i64 = 1_000_000_000_000_000_000;

/// 10^`n` as `i128`; `n ≤ 38`.
pub const fn pow10(n: u32) -> i128 {
    POWERS_OF_TEN[n as usize]
}

/// Looked up, not multiplied: every value of a price and a quantity needs one.
const POWERS_OF_TEN: [i128; 39] = {
    let mut powers = [1i128; 39];
    let mut n = 1;
    while n < powers.len() {
        powers[n] = powers[n - 1] * 10;
        n += 1;
    }
    powers
};

/// A price as a positive count of the pair's price unit. Comparable across venues of the same pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Price(i64);

impl Price {
    /// `None` unless `0 < units ≤` [`UNITS_MAX`].
    pub const fn from_units(units: i64) -> Option<Price> {
        if units > 0 && units <= UNITS_MAX { Some(Price(units)) } else { None }
    }

    /// The count.
    pub const fn units(self) -> i64 {
        self.0
    }
}

/// A quantity of base asset as a non-negative count of the pair's quantity unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Qty(i64);

impl Qty {
    /// Nothing.
    pub const ZERO: Qty = Qty(0);

    /// `None` unless `0 ≤ units ≤` [`UNITS_MAX`].
    pub const fn from_units(units: i64) -> Option<Qty> {
        if units >= 0 && units <= UNITS_MAX { Some(Qty(units)) } else { None }
    }

    /// The count.
    pub const fn units(self) -> i64 {
        self.0
    }

    /// True for nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// `self + other`, or `None` past [`UNITS_MAX`].
    pub const fn checked_add(self, other: Qty) -> Option<Qty> {
        Qty::from_units(self.0.saturating_add(other.0))
    }

    /// `self − other`, or `None` below zero.
    pub const fn checked_sub(self, other: Qty) -> Option<Qty> {
        if other.0 > self.0 { None } else { Some(Qty(self.0 - other.0)) }
    }

    /// `self − other`, or zero.
    pub const fn saturating_sub(self, other: Qty) -> Qty {
        if other.0 > self.0 { Qty(0) } else { Qty(self.0 - other.0) }
    }

    /// The largest multiple of `step` units not above `self`; `step ≥ 1`.
    pub const fn rounded_down_to(self, step: Qty) -> Qty {
        if step.0 <= 1 { self } else { Qty(self.0 - self.0 % step.0) }
    }

    /// The smallest multiple of `step` units not below `self`, or `None` past [`UNITS_MAX`].
    pub const fn rounded_up_to(self, step: Qty) -> Option<Qty> {
        if step.0 <= 1 || self.0 % step.0 == 0 {
            Some(self)
        } else {
            Qty::from_units((self.0 / step.0 + 1).saturating_mul(step.0))
        }
    }
}

/// An amount of one asset in units of 10^-18. Signed: flows and differences may be negative.
///
/// | operation | result | rounding |
/// |---|---|---|
/// | `Amount ± Amount` | [`Amount`] | exact; overflow panics (2^127 / 10^18 ≈ 1.7 × 10^20 whole units) |
/// | `Amount × Rate` | [`Amount`] | by name: [`Amount::times_rounded_up`], [`Amount::times_rounded_down`] |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i128);

impl Amount {
    /// Nothing.
    pub const ZERO: Amount = Amount(0);

    /// From a count of 10^-18.
    pub const fn from_units(units: i128) -> Amount {
        Amount(units)
    }

    /// The count.
    pub const fn units(self) -> i128 {
        self.0
    }

    /// Without sign.
    pub const fn abs(self) -> Amount {
        Amount(self.0.abs())
    }

    /// True below zero.
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// True for nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// `self + other` unless it overflows.
    pub const fn checked_add(self, other: Amount) -> Option<Amount> {
        match self.0.checked_add(other.0) {
            Some(units) => Some(Amount(units)),
            None => None,
        }
    }

    /// `self × rate`, rounded towards minus infinity: for receipts.
    pub fn times_rounded_down(self, rate: Rate) -> Amount {
        if rate.0 == 0 {
            return Amount::ZERO;
        }
        // One wide division, the rest fits 64 bits: the part is below 10^9, and so is a rate.
        let whole = self.0.div_euclid(RATE_ONE as i128);
        let part = (self.0 - whole * RATE_ONE as i128) as i64;
        Amount(whole * rate.0 as i128 + (part * rate.0).div_euclid(RATE_ONE) as i128)
    }

    /// `self × rate`, rounded towards plus infinity: for spends and fees.
    pub fn times_rounded_up(self, rate: Rate) -> Amount {
        -((-self).times_rounded_down(rate))
    }

    /// Exactly this decimal, or `None` when it has more than 18 decimals or does not fit.
    pub fn from_decimal(value: Decimal) -> Option<Amount> {
        let value = value.normalize();
        let up = AMOUNT_DECIMALS.checked_sub(value.scale())?;
        value.mantissa().checked_mul(pow10(up)).map(Amount)
    }

    /// As text, exact, without trailing zeros.
    pub fn to_text(self) -> String {
        crate::decimal::format_units(self.0, AMOUNT_DECIMALS)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_text())
    }
}

impl Add for Amount {
    type Output = Amount;
    fn add(self, other: Amount) -> Amount {
        Amount(self.0.checked_add(other.0).expect("Invariant: an amount fits 128 bits"))
    }
}
impl Sub for Amount {
    type Output = Amount;
    fn sub(self, other: Amount) -> Amount {
        Amount(self.0.checked_sub(other.0).expect("Invariant: an amount fits 128 bits"))
    }
}
impl Neg for Amount {
    type Output = Amount;
    fn neg(self) -> Amount {
        Amount(self.0.checked_neg().expect("Invariant: an amount fits 128 bits"))
    }
}
impl AddAssign for Amount {
    fn add_assign(&mut self, other: Amount) {
        *self = *self + other;
    }
}
impl SubAssign for Amount {
    fn sub_assign(&mut self, other: Amount) {
        *self = *self - other;
    }
}
impl Sum for Amount {
    fn sum<I: Iterator<Item = Amount>>(iter: I) -> Amount {
        iter.fold(Amount::ZERO, |a, b| a + b)
    }
}

/// A fraction in units of 10^-9: fee rates (`0.001` = 0.1 %), thresholds. Negative for rebates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(i64);

impl Rate {
    /// Zero.
    pub const ZERO: Rate = Rate(0);

    /// From a count of 10^-9. `None` when the absolute value is above one (100 %): no fee or threshold is.
    pub const fn from_nano(nano: i64) -> Option<Rate> {
        if nano > RATE_ONE || nano < -RATE_ONE { None } else { Some(Rate(nano)) }
    }

    /// From basis points (1 bp = 10^-4); `None` above 100 %.
    pub const fn from_bps(bps: i64) -> Option<Rate> {
        Rate::from_nano(bps.saturating_mul(100_000))
    }

    /// The count of 10^-9.
    pub const fn nano(self) -> i64 {
        self.0
    }

    /// Exactly this decimal fraction, or `None` with more than nine decimals or above 100 %.
    pub fn from_decimal(value: Decimal) -> Option<Rate> {
        let value = value.normalize();
        let up = RATE_DECIMALS.checked_sub(value.scale())?;
        let nano = value.mantissa().checked_mul(pow10(up))?;
        Rate::from_nano(i64::try_from(nano).ok()?)
    }

    /// As text, exact.
    pub fn to_text(self) -> String {
        crate::decimal::format_units(self.0 as i128, RATE_DECIMALS)
    }
}

/// Decimals of a pair's prices and quantities: the finest any configured venue uses, fixed at start, the same on every venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PairScale {
    price_decimals: u8,
    qty_decimals: u8,
}

impl PairScale {
    /// `None` when the decimals add to more than 18: then price × quantity is no exact [`Amount`] and the pair is refused.
    pub const fn new(price_decimals: u8, qty_decimals: u8) -> Option<PairScale> {
        if price_decimals as u32 + qty_decimals as u32 > AMOUNT_DECIMALS {
            None
        } else {
            Some(PairScale { price_decimals, qty_decimals })
        }
    }

    /// Decimals of a price.
    pub const fn price_decimals(self) -> u8 {
        self.price_decimals
    }

    /// Decimals of a quantity.
    pub const fn qty_decimals(self) -> u8 {
        self.qty_decimals
    }

    /// Exact quote value of `qty` at `price`; `None` when it does not fit.
    pub fn value_of(self, price: Price, qty: Qty) -> Option<Amount> {
        self.value_from_product(price.units() as i128 * qty.units() as i128)
    }

    /// Exact quote amount of a sum of price-units × quantity-units; `None` when it does not fit.
    pub fn value_from_product(self, product: i128) -> Option<Amount> {
        let up = AMOUNT_DECIMALS - self.price_decimals as u32 - self.qty_decimals as u32;
        product.checked_mul(pow10(up)).map(Amount)
    }

    /// Exact base amount of `qty`.
    pub fn base_of(self, qty: Qty) -> Amount {
        Amount(qty.units() as i128 * pow10(AMOUNT_DECIMALS - self.qty_decimals as u32))
    }

    /// The largest quantity whose base amount is not above `amount`; zero for a negative amount.
    pub fn qty_rounded_down(self, amount: Amount) -> Qty {
        let unit = pow10(AMOUNT_DECIMALS - self.qty_decimals as u32);
        let units = (amount.0.max(0) / unit).min(UNITS_MAX as i128);
        Qty(units as i64)
    }

    /// The smallest quantity whose base amount is not below `amount`; `None` past [`UNITS_MAX`].
    pub fn qty_rounded_up(self, amount: Amount) -> Option<Qty> {
        let unit = pow10(AMOUNT_DECIMALS - self.qty_decimals as u32);
        let positive = amount.0.max(0);
        let units = positive / unit + i128::from(positive % unit != 0);
        Qty::from_units(i64::try_from(units).ok()?)
    }

    /// A price as exact text.
    pub fn price_text(self, price: Price) -> String {
        crate::decimal::format_units(price.units() as i128, self.price_decimals as u32)
    }

    /// A quantity as exact text.
    pub fn qty_text(self, qty: Qty) -> String {
        crate::decimal::format_units(qty.units() as i128, self.qty_decimals as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn value_is_exact_or_refused() {
        let scale = PairScale::new(2, 8).unwrap();
        let price = Price::from_units(6_123_450).unwrap(); // 61234.50
        let qty = Qty::from_units(210_000).unwrap(); // 0.0021
        assert_eq!(scale.value_of(price, qty).unwrap().to_text(), "128.59245");
        assert!(PairScale::new(10, 9).is_none());
        let coarse = PairScale::new(0, 0).unwrap();
        let top = Price::from_units(UNITS_MAX).unwrap();
        assert!(coarse.value_of(top, Qty::from_units(UNITS_MAX).unwrap()).is_none());
    }

    #[test]
    fn rates_are_bounded_fractions() {
        assert_eq!(Rate::from_decimal("0.00075".parse().unwrap()).unwrap().nano(), 750_000);
        assert!(Rate::from_decimal("1.5".parse().unwrap()).is_none());
        assert!(Rate::from_decimal("0.0000000001".parse().unwrap()).is_none());
    }

    proptest! {
        #[test]
        fn times_brackets_the_exact_product(units in -10i128.pow(30)..10i128.pow(30), nano in -RATE_ONE..=RATE_ONE) {
            let (amount, rate) = (Amount::from_units(units), Rate::from_nano(nano).unwrap());
            let (down, up) = (amount.times_rounded_down(rate).units(), amount.times_rounded_up(rate).units());
            prop_assert!(up - down == 0 || up - down == 1);
            // |units| ≤ 1e30 and |nano| ≤ 1e9 leave no room in 128 bits for the product: compare on quotient and remainder.
            let one = RATE_ONE as i128;
            let exact_part = units.rem_euclid(one) * nano as i128;
            let base = units.div_euclid(one) * nano as i128;
            prop_assert!((down - base) * one <= exact_part && exact_part <= (up - base) * one);
        }

        #[test]
        fn quantity_rounding_brackets(units in 0i128..10i128.pow(33), decimals in 0u8..=9) {
            let scale = PairScale::new(9, decimals).unwrap();
            let amount = Amount::from_units(units);
            let down = scale.qty_rounded_down(amount);
            prop_assume!(down.units() < UNITS_MAX);
            let up = scale.qty_rounded_up(amount).unwrap();
            prop_assert!(scale.base_of(down) <= amount && amount <= scale.base_of(up));
            prop_assert!(up.units() - down.units() <= 1);
        }

        #[test]
        fn amount_text_round_trips(units in any::<i64>()) {
            let amount = Amount::from_units(units as i128 * 1_000_003);
            let back = Amount::from_decimal(amount.to_text().parse().unwrap()).unwrap();
            prop_assert_eq!(back, amount);
        }
    }
}
