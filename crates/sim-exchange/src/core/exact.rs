//! Decimal arithmetic that is exact or refuses. `rust_decimal` rounds silently when a result does not fit its 96 bits;
//! nothing in the core may, so every sum and product goes through here.
//!
//! Start at [`add`], [`multiply`] and [`fee_rounded_up`], the one place where a result is rounded.

use rust_decimal::Decimal;

/// The result does not fit exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("result is not exactly representable")]
pub struct NotExact;

/// Most decimals a [`Decimal`] can carry.
const SCALE_MAX: u32 = 28;

fn pow10(exponent: u32) -> Option<i128> {
    10_i128.checked_pow(exponent)
}

/// Mantissa and scale without trailing zeros.
fn parts_stripped(value: Decimal) -> (i128, u32) {
    let (mut mantissa, mut scale) = (value.mantissa(), value.scale());
    while scale > 0 && mantissa % 10 == 0 {
        mantissa /= 10;
        scale -= 1;
    }
    (mantissa, scale)
}

fn from_parts(mut mantissa: i128, mut scale: u32) -> Result<Decimal, NotExact> {
    if let (Ok(value), true) = (Decimal::try_from_i128_with_scale(mantissa, scale.min(SCALE_MAX)), scale <= SCALE_MAX) {
        return Ok(value);
    }
    while scale > 0 && mantissa % 10 == 0 {
        mantissa /= 10;
        scale -= 1;
    }
    if scale > SCALE_MAX {
        return Err(NotExact);
    }
    Decimal::try_from_i128_with_scale(mantissa, scale).map_err(|_| NotExact)
}

/// Returns `a + b`.
///
/// # Errors
/// [`NotExact`] when the sum does not fit exactly.
pub fn add(a: Decimal, b: Decimal) -> Result<Decimal, NotExact> {
    if a.scale() == b.scale() {
        // Both mantissas have at most 96 bits, so this sum can't overflow.
        return from_parts(a.mantissa() + b.mantissa(), a.scale());
    }
    add_aligned((a.mantissa(), a.scale()), (b.mantissa(), b.scale()))
        .or_else(|_| add_aligned(parts_stripped(a), parts_stripped(b)))
}

fn add_aligned((a, a_scale): (i128, u32), (b, b_scale): (i128, u32)) -> Result<Decimal, NotExact> {
    let scale = a_scale.max(b_scale);
    let widen = |mantissa: i128, from: u32| pow10(scale - from).and_then(|factor| mantissa.checked_mul(factor));
    let sum = widen(a, a_scale).zip(widen(b, b_scale)).and_then(|(a, b)| a.checked_add(b)).ok_or(NotExact)?;
    from_parts(sum, scale)
}

/// Returns `a - b`.
///
/// # Errors
/// [`NotExact`] when the difference does not fit exactly.
pub fn subtract(a: Decimal, b: Decimal) -> Result<Decimal, NotExact> {
    add(a, -b)
}

/// Returns `a × b`.
///
/// # Errors
/// [`NotExact`] when the product does not fit exactly.
pub fn multiply(a: Decimal, b: Decimal) -> Result<Decimal, NotExact> {
    let product = |(a, a_scale): (i128, u32), (b, b_scale): (i128, u32)| {
        a.checked_mul(b).ok_or(NotExact).and_then(|mantissa| from_parts(mantissa, a_scale + b_scale))
    };
    product((a.mantissa(), a.scale()), (b.mantissa(), b.scale())).or_else(|_| product(parts_stripped(a), parts_stripped(b)))
}

/// Whether `value` has at most `decimals` decimals, trailing zeros not counted.
pub fn fits(value: Decimal, decimals: u32) -> bool {
    value.scale() <= decimals || parts_stripped(value).1 <= decimals
}

/// The fee rule of the house: `amount × rate`, **rounded up** at `decimals`. The venue never loses a fraction.
///
/// # Errors
/// [`NotExact`] when the product or the rounded fee does not fit.
pub fn fee_rounded_up(amount: Decimal, rate: Decimal, decimals: u32) -> Result<Decimal, NotExact> {
    if amount.is_zero() || rate.is_zero() {
        return Ok(Decimal::ZERO);
    }
    if amount.is_sign_negative() || rate.is_sign_negative() {
        return Err(NotExact);
    }
    let ((a, a_scale), (r, r_scale)) = (parts_stripped(amount), parts_stripped(rate));
    let product = a.checked_mul(r).ok_or(NotExact)?;
    let scale = a_scale + r_scale;
    if scale <= decimals {
        return from_parts(product, scale);
    }
    // A divisor too great for 128 bits is greater than any product: the fee is the smallest unit.
    let rounded = match pow10(scale - decimals) {
        Some(divisor) => product / divisor + i128::from(product % divisor != 0),
        None => 1,
    };
    from_parts(rounded, decimals)
}

/// Returns `a / b` rounded down (towards zero) at `decimals`, or `None` when `b` is zero or the figures are too great.
/// For displays and for the size of a market buy.
pub fn divide_rounded_down(a: Decimal, b: Decimal, decimals: u32) -> Option<Decimal> {
    let ((a, a_scale), (b, b_scale)) = (parts_stripped(a), parts_stripped(b));
    if b == 0 {
        return None;
    }
    // a·10^-as / (b·10^-bs) at `decimals` = a·10^(decimals + bs - as) / b.
    let quotient = if decimals + b_scale >= a_scale {
        a.checked_mul(pow10(decimals + b_scale - a_scale)?)? / b
    } else {
        a / b.checked_mul(pow10(a_scale - decimals - b_scale)?)?
    };
    from_parts(quotient, decimals).ok()
}

/// Returns `a / b` rounded up (away from zero) at `decimals`, or `None` when `b` is not above zero, `a` is below zero or
/// the figures are too great. For fees that are paid in another asset.
pub fn divide_rounded_up(a: Decimal, b: Decimal, decimals: u32) -> Option<Decimal> {
    if a.is_sign_negative() && !a.is_zero() || b <= Decimal::ZERO {
        return None;
    }
    let down = divide_rounded_down(a, b, decimals)?;
    if multiply(down, b).ok()? == a {
        return Some(down);
    }
    add(down, from_parts(1, decimals).ok()?).ok()
}

/// `value` as a whole number of units of 10^-`decimals`, or `None` when it has more decimals or is too great or below
/// zero.
pub fn to_units(value: Decimal, decimals: u32) -> Option<u64> {
    let (mantissa, scale) = if value.scale() <= decimals { (value.mantissa(), value.scale()) } else { parts_stripped(value) };
    let factor = pow10(decimals.checked_sub(scale)?)?;
    u64::try_from(mantissa.checked_mul(factor)?).ok()
}

/// `units` of 10^-`decimals` as a decimal.
pub fn from_units(units: u64, decimals: u32) -> Decimal {
    debug_assert!(decimals <= super::ASSET_DECIMALS_MAX, "Invariant: decimals are bounded by the configuration");
    Decimal::from_i128_with_scale(i128::from(units), decimals)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dec(text: &str) -> Decimal {
        text.parse().expect("test literal")
    }

    #[test]
    fn sums_and_products_are_exact_or_refused() {
        assert_eq!(add(dec("0.1"), dec("0.25")), Ok(dec("0.35")));
        assert_eq!(subtract(dec("1"), dec("0.000000000000000001")), Ok(dec("0.999999999999999999")));
        assert_eq!(multiply(dec("61234.5"), dec("0.0021")), Ok(dec("128.59245")));
        // rust_decimal's own `+` would round this silently.
        let (great, small) = (dec("79228162514264337593543950335"), dec("0.1"));
        assert_eq!(add(great, small), Err(NotExact));
        assert_eq!(add(great, dec("1")), Err(NotExact));
        assert_eq!(add(great, dec("0.00")), Ok(great));
        assert_eq!(multiply(great, dec("2")), Err(NotExact));
        assert_eq!(multiply(dec("0.000000000000001"), dec("0.000000000000001")), Err(NotExact));
        assert_eq!(multiply(great, dec("1.0000")), Ok(great));
    }

    #[test]
    fn fees_round_up_and_only_where_they_must() {
        for (amount, rate, decimals, fee) in [
            ("0.001", "0.001", 8, "0.000001"),
            ("0.123456", "0.001", 8, "0.00012346"),
            ("0.00000001", "0.001", 8, "0.00000001"),
            ("128.59245", "0.002", 6, "0.257185"),
            ("10", "0", 8, "0"),
            ("0", "0.1", 8, "0"),
        ] {
            assert_eq!(fee_rounded_up(dec(amount), dec(rate), decimals), Ok(dec(fee)), "{amount} × {rate}");
        }
    }

    #[test]
    fn units_refuse_what_is_too_fine() {
        assert_eq!(to_units(dec("61234.5"), 1), Some(612_345));
        assert_eq!(to_units(dec("61234.50"), 1), Some(612_345));
        assert_eq!(to_units(dec("61234.51"), 1), None);
        assert_eq!(to_units(dec("-1"), 1), None);
        assert_eq!(from_units(612_345, 1), dec("61234.5"));
        assert!(fits(dec("1.2300"), 2));
        assert!(!fits(dec("1.231"), 2));
        assert_eq!(divide_rounded_down(dec("10"), dec("3"), 4), Some(dec("3.3333")));
        assert_eq!(divide_rounded_down(dec("10"), dec("0"), 4), None);
        assert_eq!(divide_rounded_down(dec("0.000012345"), dec("0.01"), 4), Some(dec("0.0012")));
        assert_eq!(divide_rounded_up(dec("10"), dec("3"), 4), Some(dec("3.3334")));
        assert_eq!(divide_rounded_up(dec("10"), dec("8"), 4), Some(dec("1.25")));
        assert_eq!(divide_rounded_up(dec("0"), dec("8"), 4), Some(dec("0")));
        assert_eq!(divide_rounded_up(dec("1"), dec("0"), 4), None);
    }
}
