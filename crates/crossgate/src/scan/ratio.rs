//! Exact fractions of any size: prices, quantities and profits of `scan --books`, and what `scan --tape` rounds for printing.
//!
//! A finite decimal is printed as one; any other fraction as `numerator/denominator`. Nothing here rounds unless its name says so.

use super::natural::Natural;
use std::cmp::Ordering;

/// A reduced fraction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ratio {
    negative: bool,
    numerator: Natural,
    /// Never zero.
    denominator: Natural,
}

impl Ratio {
    /// Nothing.
    pub fn zero() -> Ratio {
        Ratio { negative: false, numerator: Natural::zero(), denominator: Natural::one() }
    }

    /// `±numerator/denominator`, reduced; `None` for a denominator of zero.
    pub fn new(negative: bool, numerator: Natural, denominator: Natural) -> Option<Ratio> {
        if denominator.is_zero() {
            return None;
        }
        let common = numerator.common_divisor(&denominator);
        let (numerator, denominator) = (numerator.divided_by(&common).0, denominator.divided_by(&common).0);
        Some(Ratio { negative: negative && !numerator.is_zero(), numerator, denominator })
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
            return Ratio::new(negative, Natural::parse(numerator)?, Natural::parse(denominator)?);
        }
        let (whole, fraction) = text.split_once('.').map_or((text, None), |(w, f)| (w, Some(f)));
        if whole.is_empty() || fraction.is_some_and(str::is_empty) {
            return None;
        }
        let fraction = fraction.unwrap_or_default();
        Ratio::new(negative, Natural::parse(&format!("{whole}{fraction}"))?, Natural::pow10(fraction.len()))
    }

    /// True for nothing.
    pub fn is_zero(&self) -> bool {
        self.numerator.is_zero()
    }

    /// True below zero.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// `self + other`.
    pub fn plus(&self, other: &Ratio) -> Ratio {
        let (a, b) = (self.numerator.times(&other.denominator), other.numerator.times(&self.denominator));
        let denominator = self.denominator.times(&other.denominator);
        let (negative, numerator) = match (self.negative == other.negative, a.cmp(&b)) {
            (true, _) => (self.negative, a.plus(&b)),
            (false, Ordering::Less) => (other.negative, b.minus(&a)),
            (false, _) => (self.negative, a.minus(&b)),
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
        let (numerator, denominator) = (self.numerator.times(&other.numerator), self.denominator.times(&other.denominator));
        Ratio::new(self.negative != other.negative, numerator, denominator)
            .expect("Invariant: a product of denominators is not zero")
    }

    /// `self ÷ other`; `None` when `other` is zero.
    pub fn over(&self, other: &Ratio) -> Option<Ratio> {
        let (numerator, denominator) = (self.numerator.times(&other.denominator), self.denominator.times(&other.numerator));
        Ratio::new(self.negative != other.negative, numerator, denominator)
    }

    /// The exact value as text: a decimal where it is finite, else `numerator/denominator`.
    pub fn to_text(&self) -> String {
        let (twos, left) = self.denominator.without_factor(2);
        let (fives, left) = left.without_factor(5);
        if left != Natural::one() {
            let sign = if self.negative { "-" } else { "" };
            return format!("{sign}{}/{}", self.numerator.to_text(), self.denominator.to_text());
        }
        self.to_decimals(twos.max(fives))
    }

    /// Rounded to this many decimals, half to even, without trailing zeros.
    pub fn to_decimals(&self, decimals: usize) -> String {
        let (mut units, rest) = self.numerator.times(&Natural::pow10(decimals)).divided_by(&self.denominator);
        let up = match rest.plus(&rest).cmp(&self.denominator) {
            Ordering::Greater => true,
            Ordering::Equal => !units.is_even(),
            Ordering::Less => false,
        };
        if up {
            units = units.plus(&Natural::one());
        }
        let sign = if self.negative && !units.is_zero() { "-" } else { "" };
        let digits = format!("{:0>width$}", units.to_text(), width = decimals + 1);
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
        let size = || self.numerator.times(&other.denominator).cmp(&other.numerator.times(&self.denominator));
        match (self.negative, other.negative) {
            (false, false) => size(),
            (true, true) => size().reverse(),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
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
