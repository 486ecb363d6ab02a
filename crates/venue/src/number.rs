//! Decimal text to [`Amount`]: the grammar of `domain::decimal`, with the width that balances need.
//!
//! Start at [`parse_amount`]. [`DecimalText`] is the grammar alone, for those who keep other widths. Both are total: any text is
//! answered, nothing is rounded unless [`Finer`] says so.

use domain::decimal::{NUMBER_BYTES_MAX, NumberError};
use domain::{Amount, FrameReject};

/// Largest amount accepted, in units of 10^-18: 10^18 whole units of an asset. Beyond it the ledger's sums could overflow.
pub(crate) const AMOUNT_UNITS_MAX: i128 = 10i128.pow(36);

/// What to do with digits past the eighteenth decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finer {
    /// Refuse the number: for fees, which enter the ledger.
    Refuse,
    /// Cut towards zero: for balances, which only check it.
    Cut,
}

/// The parts of `[-]digits[.digits][e[±]digits]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecimalText<'a> {
    /// It began with a minus.
    pub negative: bool,
    /// Digits before the point: at least one.
    pub whole: &'a str,
    /// Digits after the point; empty when there is no point.
    pub fraction: &'a str,
    /// Power of ten, of at most three digits.
    pub exponent: i32,
}

impl<'a> DecimalText<'a> {
    /// Takes a text apart.
    ///
    /// # Errors
    /// [`NumberError::Malformed`], also for texts longer than [`NUMBER_BYTES_MAX`].
    pub fn read(text: &'a str) -> Result<DecimalText<'a>, NumberError> {
        if text.is_empty() || text.len() > NUMBER_BYTES_MAX {
            return Err(NumberError::Malformed);
        }
        let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (digits, exponent) = match rest.split_once(['e', 'E']) {
            None => (rest, 0i32),
            Some((digits, exponent)) => {
                let plain = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
                if plain.is_empty() || plain.len() > 3 || !plain.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(NumberError::Malformed);
                }
                (digits, exponent.parse().map_err(|_| NumberError::Malformed)?)
            }
        };
        let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, fraction)| (whole, Some(fraction)));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !all_digits(whole) || fraction.is_some_and(|f| !all_digits(f)) {
            return Err(NumberError::Malformed);
        }
        Ok(DecimalText { negative, whole, fraction: fraction.unwrap_or_default(), exponent })
    }
}

/// Parses `[-]digits[.digits][e[±]digits]` into an amount.
///
/// # Errors
/// [`NumberError`] by kind, as `domain::decimal::parse_units`.
pub fn parse_amount(text: &str, finer: Finer) -> Result<Amount, NumberError> {
    let DecimalText { negative, whole, fraction, exponent } = DecimalText::read(text)?;
    let mut mantissa = 0i128;
    for byte in whole.bytes().chain(fraction.bytes()) {
        mantissa =
            mantissa.checked_mul(10).and_then(|m| m.checked_add(i128::from(byte - b'0'))).ok_or(NumberError::OutOfRange)?;
    }
    let shift = 18 - i32::try_from(fraction.len()).map_err(|_| NumberError::Malformed)? + exponent;
    let power = u32::try_from(shift.abs()).unwrap_or(u32::MAX);
    let units = match (mantissa, shift) {
        (0, _) => 0,
        (_, 0..) => 10i128.checked_pow(power).and_then(|p| mantissa.checked_mul(p)).ok_or(NumberError::OutOfRange)?,
        _ => {
            let (kept, lost) = 10i128.checked_pow(power).map_or((0, mantissa), |p| (mantissa / p, mantissa % p));
            if lost != 0 && finer == Finer::Refuse {
                return Err(NumberError::TooFine);
            }
            kept
        }
    };
    if units > AMOUNT_UNITS_MAX {
        return Err(NumberError::OutOfRange);
    }
    Ok(Amount::from_units(if negative { -units } else { units }))
}

/// The refusal that a number error stands for.
pub const fn reject_of(error: NumberError) -> FrameReject {
    match error {
        NumberError::Malformed | NumberError::TooFine => FrameReject::BadNumber,
        NumberError::OutOfRange => FrameReject::OutOfRange,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_are_exact_or_refused() {
        let row = |text, finer| parse_amount(text, finer).map(|a| a.to_text());
        assert_eq!(row("4.1", Finer::Refuse), Ok("4.1".into()));
        assert_eq!(row("-0.00294472", Finer::Refuse), Ok("-0.00294472".into()));
        assert_eq!(row("16.00283141582979715942", Finer::Cut), Ok("16.002831415829797159".into()));
        assert_eq!(row("16.00283141582979715942", Finer::Refuse), Err(NumberError::TooFine));
        assert_eq!(row("1.41e-10", Finer::Refuse), Ok("0.000000000141".into()));
        assert_eq!(row("2E3", Finer::Refuse), Ok("2000".into()));
        assert_eq!(row("1000000000000000000", Finer::Refuse), Ok("1000000000000000000".into()));
        for text in ["1000000000000000001", "1e19", "1e309", "1e999"] {
            assert_eq!(row(text, Finer::Cut), Err(NumberError::OutOfRange), "{text}");
        }
        for text in
            ["", "-", ".", "1.", ".5", "NaN", "inf", "1e", "1e+", "1e1234", " 1", "+1", "1..2", "0x10", "1e1.0", "é", "1e-+1"]
        {
            assert_eq!(row(text, Finer::Cut), Err(NumberError::Malformed), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn text_round_trips(units in -(10i128.pow(36))..10i128.pow(36)) {
            let amount = Amount::from_units(units);
            prop_assert_eq!(parse_amount(&amount.to_text(), Finer::Refuse), Ok(amount));
        }

        #[test]
        fn any_text_is_answered(text in ".{0,70}") {
            let _ = parse_amount(&text, Finer::Cut);
        }
    }
}
