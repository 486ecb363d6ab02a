//! Decimals without rounding: parsing, sums, and the one quotient that says whether it is exact.

use domain::decimal::NumberError;
use rust_decimal::Decimal;
use venue::number::DecimalText;

/// Largest mantissa of a [`Decimal`]: 96 bits.
const MANTISSA_MAX: u128 = (1 << 96) - 1;
/// Most decimals of a [`Decimal`].
const SCALE_MAX: i32 = 28;

/// Parses `[-]digits[.digits][e[±]digits]` exactly.
///
/// # Errors
/// [`NumberError`]: malformed, finer than 28 decimals, or beyond 96 bits.
pub fn parse(text: &str) -> Result<Decimal, NumberError> {
    let DecimalText { negative, whole, fraction, exponent } = DecimalText::read(text)?;
    let fraction = fraction.trim_end_matches('0');
    let mut mantissa = 0u128;
    for byte in whole.bytes().chain(fraction.bytes()) {
        mantissa =
            mantissa.checked_mul(10).and_then(|m| m.checked_add(u128::from(byte - b'0'))).ok_or(NumberError::OutOfRange)?;
    }
    let power = exponent - i32::try_from(fraction.len()).map_err(|_| NumberError::Malformed)?;
    let value = shifted(mantissa, power)?;
    Ok(if negative && !value.is_zero() { -value } else { value })
}

/// `mantissa × 10^power`.
fn shifted(mut mantissa: u128, power: i32) -> Result<Decimal, NumberError> {
    if mantissa == 0 {
        return Ok(Decimal::ZERO);
    }
    let mut scale = 0;
    if power >= 0 {
        let up = 10u128.checked_pow(power.unsigned_abs()).ok_or(NumberError::OutOfRange)?;
        mantissa = mantissa.checked_mul(up).ok_or(NumberError::OutOfRange)?;
    } else {
        scale = -power;
    }
    while scale > 0 && (scale > SCALE_MAX || mantissa > MANTISSA_MAX) && mantissa.is_multiple_of(10) {
        mantissa /= 10;
        scale -= 1;
    }
    if scale > SCALE_MAX {
        return Err(NumberError::TooFine);
    }
    let mantissa = i128::try_from(mantissa).map_err(|_| NumberError::OutOfRange)?;
    Decimal::try_from_i128_with_scale(mantissa, scale.unsigned_abs()).map_err(|_| NumberError::OutOfRange)
}

/// Mantissas of both in the finer of their scales.
fn aligned(a: Decimal, b: Decimal) -> Option<(i128, i128, u32)> {
    let scale = a.scale().max(b.scale());
    let up = |value: Decimal| value.mantissa().checked_mul(10i128.checked_pow(scale - value.scale())?);
    Some((up(a)?, up(b)?, scale))
}

fn joined(mantissa: i128, scale: u32) -> Option<Decimal> {
    let value = shifted(mantissa.unsigned_abs(), -i32::try_from(scale).ok()?).ok()?;
    Some(if mantissa < 0 { -value } else { value })
}

/// `a + b`, or `None` when the sum can't be held exactly.
pub fn sum(a: Decimal, b: Decimal) -> Option<Decimal> {
    let (a, b, scale) = aligned(a, b)?;
    joined(a.checked_add(b)?, scale)
}

/// `a − b`, or `None` when the difference can't be held exactly.
pub fn difference(a: Decimal, b: Decimal) -> Option<Decimal> {
    sum(a, -b)
}

/// `a ÷ b` of numbers that are not negative, cut towards zero at the eighteenth decimal (earlier for large ones), and whether
/// nothing was cut. `None` for a divisor of zero or below.
pub fn quotient_rounded_down(a: Decimal, b: Decimal) -> Option<(Decimal, bool)> {
    let (a, b, _) = aligned(a, b)?;
    if a < 0 || b <= 0 {
        return None;
    }
    (0..=18u32).rev().find_map(|places| {
        let scaled = a.checked_mul(10i128.pow(places))?;
        Some((joined(scaled / b, places)?, scaled % b == 0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(text: &str) -> Decimal {
        parse(text).unwrap()
    }

    #[test]
    fn numbers_are_exact_or_refused() {
        for (text, shown) in [
            ("0.00294472", "0.00294472"),
            ("-0.0113918056", "-0.0113918056"),
            ("16.00283141582979715942", "16.00283141582979715942"),
            ("1.41e-10", "0.000000000141"),
            ("2E3", "2000"),
            ("-0", "0"),
            ("1.500", "1.5"),
            ("79228162514264337593543950335", "79228162514264337593543950335"),
            ("0.0000000000000000000000000001", "0.0000000000000000000000000001"),
            ("100000000000000000000.0000000000000000000000000000000000", "100000000000000000000"),
        ] {
            assert_eq!(of(text).normalize().to_string(), shown, "{text}");
        }
        assert_eq!(parse("79228162514264337593543950336"), Err(NumberError::OutOfRange));
        assert_eq!(parse("1e-29"), Err(NumberError::TooFine));
        assert_eq!(parse("1e999"), Err(NumberError::OutOfRange));
        for text in ["", "-", ".", "1.", ".5", "NaN", "1_000", "+1", " 1", "1e", "1e1.0", "0x1", "é", "1,5"] {
            assert_eq!(parse(text), Err(NumberError::Malformed), "{text:?}");
        }
    }

    #[test]
    fn quotients_say_whether_they_are_exact() {
        assert_eq!(quotient_rounded_down(of("18.92681"), of("27038.3")), Some((of("0.0007"), true)));
        let (third, exact) = quotient_rounded_down(of("1"), of("3")).unwrap();
        assert_eq!((third, exact), (of("0.333333333333333333"), false));
        assert_eq!(quotient_rounded_down(of("1"), of("0")), None);
        assert_eq!(quotient_rounded_down(of("-1"), of("2")), None);
    }

    proptest! {
        #[test]
        fn sums_are_exact(a in any::<i64>(), b in any::<i64>(), sa in 0u32..9, sb in 0u32..9) {
            let (x, y) = (Decimal::from_i128_with_scale(a.into(), sa), Decimal::from_i128_with_scale(b.into(), sb));
            let total = sum(x, y).unwrap();
            prop_assert_eq!(difference(total, y), Some(x));
        }

        #[test]
        fn any_text_is_answered(text in ".{0,70}") {
            let _ = parse(&text);
        }

        #[test]
        fn quotients_never_exceed(a in 0i64.., b in 1i64..) {
            let (a, b) = (Decimal::from(a), Decimal::from(b));
            let (q, _) = quotient_rounded_down(a, b).unwrap();
            prop_assert!(q * b <= a);
        }
    }
}
