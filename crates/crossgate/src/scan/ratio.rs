//! Exact fractions of any size: prices, quantities and profits of `scan --books`, and what `scan --tape` rounds for printing.
//!
//! A finite decimal is printed as one; any other fraction as `numerator/denominator`. Nothing here rounds unless its name says so.

use num_bigint::BigUint;
use num_integer::Integer;
use std::cmp::Ordering;

/// A reduced fraction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ratio {
    negative: bool,
    numerator: BigUint,
    /// Never zero.
    denominator: BigUint,
}

impl Ratio {
    /// Nothing.
    pub fn zero() -> Ratio {
        Ratio { negative: false, numerator: BigUint::ZERO, denominator: BigUint::from(1u8) }
    }

    /// `±numerator/denominator`, reduced; `None` for a denominator of zero.
    pub fn new(negative: bool, numerator: BigUint, denominator: BigUint) -> Option<Ratio> {
        if denominator == BigUint::ZERO {
            return None;
        }
        let common = numerator.gcd(&denominator);
        let (numerator, denominator) = (numerator / &common, denominator / &common);
        Some(Ratio { negative: negative && numerator != BigUint::ZERO, numerator, denominator })
    }

    /// `numerator/denominator`; the denominator is above zero.
    pub fn of(numerator: i128, denominator: u128) -> Ratio {
        Ratio::new(numerator < 0, numerator.unsigned_abs().into(), denominator.into())
            .expect("Invariant: a denominator is not zero")
    }

    /// Longest text that is read as a number, in bytes.
    pub const TEXT_BYTES_MAX: usize = 4096;

    /// `12`, `-0.5` or `3/7`; `None` for anything else: exponents, blanks, empty parts, more than [`Ratio::TEXT_BYTES_MAX`].
    pub fn parse(text: &str) -> Option<Ratio> {
        if text.len() > Ratio::TEXT_BYTES_MAX {
            return None;
        }
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        if let Some((numerator, denominator)) = text.split_once('/') {
            return Ratio::new(negative, digits(numerator)?, digits(denominator)?);
        }
        let (whole, fraction) = text.split_once('.').map_or((text, None), |(w, f)| (w, Some(f)));
        if whole.is_empty() || fraction.is_some_and(str::is_empty) {
            return None;
        }
        let fraction = fraction.unwrap_or_default();
        Ratio::new(negative, digits(&format!("{whole}{fraction}"))?, pow10(fraction.len()))
    }

    /// True for nothing.
    pub fn is_zero(&self) -> bool {
        self.numerator == BigUint::ZERO
    }

    /// True below zero.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// `self + other`.
    pub fn plus(&self, other: &Ratio) -> Ratio {
        let (a, b) = (&self.numerator * &other.denominator, &other.numerator * &self.denominator);
        let denominator = &self.denominator * &other.denominator;
        let (negative, numerator) = match (self.negative == other.negative, a.cmp(&b)) {
            (true, _) => (self.negative, a + b),
            (false, Ordering::Less) => (other.negative, b - a),
            (false, _) => (self.negative, a - b),
        };
        Ratio::new(negative, numerator, denominator).expect("Invariant: a product of denominators is not zero")
    }

    /// `−self`.
    pub fn negated(&self) -> Ratio {
        Ratio { negative: !self.negative && !self.is_zero(), ..self.clone() }
    }

    /// `self − other`.
    pub fn minus(&self, other: &Ratio) -> Ratio {
        self.plus(&other.negated())
    }

    /// `self × other`.
    pub fn times(&self, other: &Ratio) -> Ratio {
        let (numerator, denominator) = (&self.numerator * &other.numerator, &self.denominator * &other.denominator);
        Ratio::new(self.negative != other.negative, numerator, denominator)
            .expect("Invariant: a product of denominators is not zero")
    }

    /// `self ÷ other`; `None` when `other` is zero.
    pub fn over(&self, other: &Ratio) -> Option<Ratio> {
        let (numerator, denominator) = (&self.numerator * &other.denominator, &self.denominator * &other.numerator);
        Ratio::new(self.negative != other.negative, numerator, denominator)
    }

    /// The exact value as text: a decimal where it is finite, else `numerator/denominator`.
    pub fn to_text(&self) -> String {
        let (twos, left) = without_factor(self.denominator.clone(), 2);
        let (fives, left) = without_factor(left, 5);
        if left != BigUint::from(1u8) {
            let sign = if self.negative { "-" } else { "" };
            return format!("{sign}{}/{}", self.numerator, self.denominator);
        }
        self.to_decimals(twos.max(fives))
    }

    /// Rounded to this many decimals, half to even, without trailing zeros.
    pub fn to_decimals(&self, decimals: usize) -> String {
        let (mut units, rest) = (&self.numerator * pow10(decimals)).div_rem(&self.denominator);
        let up = match (&rest + &rest).cmp(&self.denominator) {
            Ordering::Greater => true,
            Ordering::Equal => units.is_odd(),
            Ordering::Less => false,
        };
        if up {
            units += 1u8;
        }
        let sign = if self.negative && units != BigUint::ZERO { "-" } else { "" };
        let digits = format!("{:0>width$}", units.to_string(), width = decimals + 1);
        let (whole, fraction) = digits.split_at(digits.len() - decimals);
        let fraction = fraction.trim_end_matches('0');
        if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
    }
}

impl PartialOrd for Ratio {
    fn partial_cmp(&self, other: &Ratio) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ratio {
    fn cmp(&self, other: &Ratio) -> Ordering {
        let size = || (&self.numerator * &other.denominator).cmp(&(&other.numerator * &self.denominator));
        match (self.negative, other.negative) {
            (false, false) => size(),
            (true, true) => size().reverse(),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

/// Decimal digits and nothing else; `None` for anything else.
fn digits(text: &str) -> Option<BigUint> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| BigUint::parse_bytes(text.as_bytes(), 10)).flatten()
}

fn pow10(exponent: usize) -> BigUint {
    BigUint::from(10u8).pow(u32::try_from(exponent).expect("Invariant: texts are bounded, and so are their decimals"))
}

/// How often `factor` divides `number`, which is not zero, and what is left.
fn without_factor(mut number: BigUint, factor: u8) -> (usize, BigUint) {
    let mut times = 0;
    loop {
        let (quotient, rest) = number.div_rem(&BigUint::from(factor));
        if rest != BigUint::ZERO {
            return (times, number);
        }
        (times, number) = (times + 1, quotient);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(text: &str) -> Ratio {
        Ratio::parse(text).unwrap()
    }

    #[test]
    fn fractions_are_exact_and_show_as_decimals_where_they_can() {
        assert_eq!(ratio("1/3").plus(&ratio("1/6")).to_text(), "0.5");
        assert_eq!(ratio("0.1").plus(&ratio("0.2")).to_text(), "0.3");
        assert_eq!(ratio("1/3").minus(&ratio("1/2")).to_text(), "-1/6");
        assert_eq!(ratio("-0.25").times(&ratio("-8/3")).to_text(), "2/3");
        assert_eq!(ratio("2/3").over(&ratio("-4")).unwrap().to_text(), "-1/6");
        assert_eq!(ratio("2/3").over(&Ratio::zero()), None);
        assert_eq!(ratio("2/6"), ratio("1/3"));
        assert_eq!(ratio("-0").to_text(), "0");
        assert_eq!(ratio("007.50").to_text(), "7.5");
        assert!(ratio("-1/3") < ratio("0") && ratio("2/3") > ratio("0.666") && ratio("-2") < ratio("-1.5"));
    }

    #[test]
    fn rounding_is_half_to_even() {
        for (text, decimals, expected) in [
            ("0.125", 2, "0.12"),
            ("0.135", 2, "0.14"),
            ("-0.125", 2, "-0.12"),
            ("2/3", 4, "0.6667"),
            ("-0.0004", 3, "0"),
            ("2.5", 0, "2"),
            ("3.5", 0, "4"),
            ("1200", 3, "1200"),
        ] {
            assert_eq!(ratio(text).to_decimals(decimals), expected, "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_numbers() {
        for text in ["", "-", ".5", "1.", "1e3", "1/0", "1/", "/2", " 1", "+1", "1/2/3", "1.5/2", "NaN", "--1"] {
            assert_eq!(Ratio::parse(text), None, "{text:?}");
        }
        assert_eq!(Ratio::parse(&"9".repeat(Ratio::TEXT_BYTES_MAX + 1)), None);
    }
}
