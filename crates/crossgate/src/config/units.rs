//! Values with their unit in the text: durations (`"250ms"`), sizes (`"64MiB"`), basis points (`"2.5"` under a key that ends in `_bps`), money.
//!
//! Decimals are written as strings, so that no float touches them; whole numbers may stand without quotes.

use domain::{Amount, Rate};
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

/// A duration in nanoseconds, written `250ms`, `5s`, `2m`, `1h` or `500us`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub u64);

impl Span {
    /// Parses the written form.
    pub fn parse(text: &str) -> Result<Span, String> {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let factor = match unit {
            "us" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => {
                return Err(format!(
                    "`{text}` is no duration: write a whole number and a unit (us, ms, s, m, h), such as \"250ms\""
                ));
            }
        };
        let value: u64 = number.parse().map_err(|_| format!("`{text}` is no duration: write a whole number before the unit"))?;
        value.checked_mul(factor).map(Span).ok_or_else(|| format!("`{text}` is too long"))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, name) =
            [(3_600_000_000_000, "h"), (60_000_000_000, "m"), (1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us")]
                .into_iter()
                .find(|(unit, _)| self.0.is_multiple_of(*unit) && self.0 > 0)
                .unwrap_or((1_000_000_000, "s"));
        write!(f, "{}{name}", self.0 / unit)
    }
}

/// A number of bytes, written `64MiB`, `16GiB`, `512KiB` or `0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl Size {
    /// Parses the written form.
    pub fn parse(text: &str) -> Result<Size, String> {
        if text == "0" {
            return Ok(Size(0));
        }
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let shift = match unit {
            "KiB" => 10,
            "MiB" => 20,
            "GiB" => 30,
            _ => return Err(format!("`{text}` is no size: write a whole number and a unit (KiB, MiB, GiB), such as \"64MiB\"")),
        };
        let value: u64 = number.parse().map_err(|_| format!("`{text}` is no size: write a whole number before the unit"))?;
        value.checked_mul(1 << shift).map(Size).ok_or_else(|| format!("`{text}` is too large"))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        match units.into_iter().find(|(unit, _)| self.0 > 0 && self.0.is_multiple_of(*unit)) {
            Some((unit, name)) => write!(f, "{}{name}", self.0 / unit),
            None => write!(f, "{}", self.0),
        }
    }
}

/// A decimal number of one asset, not negative, exact in 18 decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Money(pub Amount);

/// Basis points, from −1000 to 1000, exact in five decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bps(pub Rate);

fn decimal(text: &str) -> Result<Decimal, String> {
    Decimal::from_str_exact(text).map_err(|_| format!("`{text}` is no decimal number"))
}

impl Money {
    /// Reads a decimal amount.
    ///
    /// # Errors
    /// One sentence about the text.
    pub fn parse(text: &str) -> Result<Money, String> {
        let amount =
            Amount::from_decimal(decimal(text)?).ok_or_else(|| format!("`{text}` has more than 18 decimals or is too large"))?;
        if amount.is_negative() { Err(format!("`{text}` is negative")) } else { Ok(Money(amount)) }
    }
}

impl Bps {
    fn parse(text: &str) -> Result<Bps, String> {
        let bps = decimal(text)?;
        if bps.abs() > Decimal::from(1000) {
            return Err(format!("`{text}` basis points are more than 10 %: is it a percentage or a fraction?"));
        }
        bps.checked_div(Decimal::from(10_000))
            .and_then(Rate::from_decimal)
            .map(Bps)
            .ok_or_else(|| format!("`{text}` is finer than 0.00001 basis points"))
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Bps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&domain::decimal::format_units(i128::from(self.0.nano()), 5))
    }
}

macro_rules! text_value {
    ($name:ident, $expects:literal) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                struct Text;
                impl Visitor<'_> for Text {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expects)
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        $name::parse(text).map_err(E::custom)
                    }
                    fn visit_i64<E: de::Error>(self, value: i64) -> Result<$name, E> {
                        $name::parse(&value.to_string()).map_err(E::custom)
                    }
                }
                deserializer.deserialize_any(Text)
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": ["string", "integer"], "description": $expects })
            }
        }
    };
}
text_value!(Span, "a duration such as \"250ms\"");
text_value!(Size, "a size such as \"64MiB\"");
text_value!(Money, "a decimal number as a string, such as \"1000.5\"");
text_value!(Bps, "basis points as a string, such as \"2.5\"");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_exactly_and_shown_as_written() {
        for text in ["250ms", "5s", "2m", "1h", "500us"] {
            assert_eq!(Span::parse(text).unwrap().to_string(), text);
        }
        for text in ["64MiB", "16GiB", "3KiB", "0"] {
            assert_eq!(Size::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Bps::parse("2.5").unwrap().0.nano(), 250_000);
        assert_eq!(Bps::parse("2.5").unwrap().to_string(), "2.5");
        assert_eq!(Money::parse("1000.50").unwrap().to_string(), "1000.5");
    }

    #[test]
    fn wrong_units_are_refused_in_one_sentence() {
        for text in ["5", "5 s", "s", "5.5s", "-1s", "99999999999999999999s", ""] {
            assert!(Span::parse(text).is_err(), "{text:?}");
        }
        for text in ["5", "64 MiB", "MiB", "1.5GiB", "-1KiB", "1MB", "99999999999GiB", ""] {
            assert!(Size::parse(text).is_err(), "{text:?}");
        }
        assert!(Bps::parse("1001").unwrap_err().contains("percentage"));
        assert!(Bps::parse("0.000001").is_err());
        assert!(Money::parse("-1").is_err());
        assert!(Money::parse("1e5").is_err());
    }
}
