//! Exact decimal text to integer units and back.
//!
//! [`parse_units`] is total: it never panics, never rounds unless its name says so, and bounds the digits it reads.

/// Most bytes a number from a venue may have; longer text is `bad_number`.
pub const NUMBER_BYTES_MAX: usize = 64;

/// Why a text is no number of the wanted scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Not `[-]digits[.digits][e[±]digits]`.
    #[error("not a decimal number")]
    Malformed,
    /// More decimals than the scale holds, and not zeros.
    #[error("finer than the scale allows")]
    TooFine,
    /// Beyond the 18 digits that fit.
    #[error("out of range")]
    OutOfRange,
}

/// What to do with digits finer than the scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// Refuse the number.
    Refuse,
    /// Cut towards zero, except that a non-zero number stays at least one unit: a quantity that is there must not become a delete.
    FloorKeepNonZero,
}

/// Parses a non-negative or negative decimal, with optional exponent, into a count of 10^-`decimals`.
///
/// # Errors
/// [`NumberError`] by kind. Leading `+`, blanks, `NaN`, `inf`, empty text and digits over [`NUMBER_BYTES_MAX`] are malformed.
pub fn parse_units(text: &[u8], decimals: u32, excess: Excess) -> Result<i64, NumberError> {
    if text.is_empty() || text.len() > NUMBER_BYTES_MAX {
        return Err(NumberError::Malformed);
    }
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, text),
    };
    let (mantissa_text, exponent) = split_exponent(digits)?;
    let mut whole_digits = 0usize;
    let mut fraction_digits = 0i64;
    let mut mantissa: i128 = 0;
    let mut point = false;
    for &byte in mantissa_text {
        match byte {
            b'0'..=b'9' => {
                // 64 bytes of digits can pass 38; more than 36 significant digits are out of range for any scale we keep.
                if mantissa > 10i128.pow(36) {
                    return Err(NumberError::OutOfRange);
                }
                mantissa = mantissa * 10 + i128::from(byte - b'0');
                if point { fraction_digits += 1 } else { whole_digits += 1 }
            }
            b'.' if !point && whole_digits > 0 => point = true,
            _ => return Err(NumberError::Malformed),
        }
    }
    if whole_digits == 0 || (point && fraction_digits == 0) {
        return Err(NumberError::Malformed);
    }
    let shift = i64::from(decimals) - fraction_digits + exponent;
    let units = scale_mantissa(mantissa, shift, excess)?;
    let units = i64::try_from(units).map_err(|_| NumberError::OutOfRange)?;
    Ok(if negative { -units } else { units })
}

fn split_exponent(digits: &[u8]) -> Result<(&[u8], i64), NumberError> {
    let Some(at) = digits.iter().position(|b| matches!(b, b'e' | b'E')) else { return Ok((digits, 0)) };
    let (mantissa, rest) = digits.split_at(at);
    let rest = rest.get(1..).unwrap_or_default();
    let (negative, rest) = match rest.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, rest),
    };
    if rest.is_empty() || rest.len() > 3 || !rest.iter().all(u8::is_ascii_digit) {
        return Err(NumberError::Malformed);
    }
    let value = rest.iter().fold(0i64, |sum, b| sum * 10 + i64::from(b - b'0'));
    Ok((mantissa, if negative { -value } else { value }))
}

fn scale_mantissa(mantissa: i128, shift: i64, excess: Excess) -> Result<i128, NumberError> {
    if mantissa == 0 {
        return Ok(0);
    }
    if shift >= 0 {
        let up = u32::try_from(shift).ok().filter(|s| *s <= 38).ok_or(NumberError::OutOfRange)?;
        return mantissa.checked_mul(10i128.pow(up)).ok_or(NumberError::OutOfRange);
    }
    let down = u32::try_from(-shift).unwrap_or(u32::MAX);
    let (whole, rest) = if down > 37 { (0, mantissa) } else { (mantissa / 10i128.pow(down), mantissa % 10i128.pow(down)) };
    match excess {
        _ if rest == 0 => Ok(whole),
        Excess::Refuse => Err(NumberError::TooFine),
        Excess::FloorKeepNonZero => Ok(whole.max(1)),
    }
}

/// A count of 10^-`decimals` as exact text without trailing zeros.
pub fn format_units(units: i128, decimals: u32) -> String {
    let unit = 10u128.pow(decimals.min(38));
    let magnitude = units.unsigned_abs();
    let (whole, fraction) = (magnitude / unit, magnitude % unit);
    let sign = if units < 0 { "-" } else { "" };
    if fraction == 0 {
        return format!("{sign}{whole}");
    }
    let fraction = format!("{fraction:0width$}", width = decimals as usize);
    format!("{sign}{whole}.{}", fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rust_decimal::Decimal;

    #[test]
    fn absurd_texts_are_refused() {
        for text in [
            "", "-", ".", "1.", ".5", "NaN", "inf", "1e", "1e+", "1e1234", " 1", "1 ", "+1", "1..2", "0x10", "1_0", "--1",
            "1e1.0",
        ] {
            assert_eq!(parse_units(text.as_bytes(), 8, Excess::Refuse), Err(NumberError::Malformed), "{text:?}");
        }
        assert_eq!(parse_units(b"1e309", 8, Excess::Refuse), Err(NumberError::OutOfRange));
        assert_eq!(parse_units(&[b'9'; 65], 0, Excess::Refuse), Err(NumberError::Malformed));
        assert_eq!(parse_units(&[b'9'; 64], 0, Excess::Refuse), Err(NumberError::OutOfRange));
        assert_eq!(parse_units(b"9223372036854775808", 0, Excess::Refuse), Err(NumberError::OutOfRange));
    }

    #[test]
    fn excess_digits_follow_the_named_rule() {
        assert_eq!(parse_units(b"0.12345", 4, Excess::Refuse), Err(NumberError::TooFine));
        assert_eq!(parse_units(b"0.12340", 4, Excess::Refuse), Ok(1234));
        assert_eq!(parse_units(b"0.12349", 4, Excess::FloorKeepNonZero), Ok(1234));
        assert_eq!(parse_units(b"0.00001", 4, Excess::FloorKeepNonZero), Ok(1));
        assert_eq!(parse_units(b"0.00000", 4, Excess::FloorKeepNonZero), Ok(0));
        assert_eq!(parse_units(b"1.41e-10", 12, Excess::Refuse), Ok(141));
        assert_eq!(parse_units(b"-2.5E1", 1, Excess::Refuse), Ok(-250));
    }

    proptest! {
        #[test]
        fn agrees_with_an_exact_decimal_library(mantissa in -10i64.pow(17)..10i64.pow(17), scale in 0u32..=12) {
            let decimal = Decimal::new(mantissa, scale);
            let units = parse_units(decimal.to_string().as_bytes(), 12, Excess::Refuse);
            let exact = i128::from(mantissa) * 10i128.pow(12 - scale);
            match i64::try_from(exact) {
                Ok(exact) => {
                    prop_assert_eq!(units, Ok(exact));
                    let shown: Decimal = format_units(i128::from(exact), 12).parse().unwrap();
                    prop_assert_eq!(shown.normalize(), decimal.normalize());
                }
                Err(_) => prop_assert_eq!(units, Err(NumberError::OutOfRange)),
            }
        }

        #[test]
        fn any_bytes_are_answered(text in proptest::collection::vec(any::<u8>(), 0..80), decimals in 0u32..=18) {
            let _ = parse_units(&text, decimals, Excess::FloorKeepNonZero);
        }
    }
}
