//! Parameters of a request: of a query, decoded, or of a JSON body, whose values are text as Bybit's own types are.

use rust_decimal::Decimal;
use serde_json::{Map, Value};

use super::error::ApiError;
use crate::shared::text::{percent_decode, plain_decimal};

/// Parameters looked at; more are ignored.
const PARAMETERS_MAX: usize = 64;

/// Parameters by name. A name given twice keeps its first value.
#[derive(Clone, Debug, Default)]
pub(super) struct Params {
    pairs: Vec<(String, String)>,
}

impl Params {
    /// Splits `a=1&b=2` and decodes both sides.
    pub(super) fn of_query(query: &str) -> Params {
        let split = query.split('&').filter(|part| !part.is_empty()).take(PARAMETERS_MAX);
        let pairs = split.map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (percent_decode(name), percent_decode(value))
        });
        Params { pairs: pairs.collect() }
    }

    /// The value of `name`, unless absent or empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// A whole number from `min..=max`, or `default` when absent.
    ///
    /// # Errors
    /// `10001` when it is no such number.
    pub(super) fn number(&self, name: &str, default: u64, min: u64, max: u64) -> Result<u64, ApiError> {
        let Some(text) = self.get(name) else { return Ok(default) };
        text.parse()
            .ok()
            .filter(|number| (min..=max).contains(number))
            .ok_or_else(|| ApiError::parameter(format!("{name} {text}")))
    }
}

/// A text field of a body; absent, null and empty are the same.
///
/// # Errors
/// `10001` when it is no text.
pub(super) fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, ApiError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(ApiError::parameter(format!("{name} must be a string"))),
    }
}

/// A text field that must be there.
///
/// # Errors
/// `10001`.
pub(super) fn required<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a str, ApiError> {
    text(fields, name)?.ok_or_else(|| ApiError::missing(name))
}

/// A whole number, written as a number or as text.
///
/// # Errors
/// `10001` when it is neither.
pub(super) fn integer(fields: &Map<String, Value>, name: &str) -> Result<Option<i64>, ApiError> {
    let bad = || ApiError::parameter(format!("{name} must be an integer"));
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => number.as_i64().map(Some).ok_or_else(bad),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => text.parse().map(Some).map_err(|_| bad()),
        Some(_) => Err(bad()),
    }
}

/// Plain decimal digits with at most one point. No sign, no exponent, and nothing that would be rounded.
///
/// # Errors
/// `10001`.
pub(super) fn decimal(name: &str, text: &str) -> Result<Decimal, ApiError> {
    plain_decimal(text).ok_or_else(|| ApiError::parameter(format!("{name} {text}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_bounded() {
        let params = Params::of_query("symbol=BTC%55SDT&limit=50&empty=&limit=70&flag");
        assert_eq!((params.get("symbol"), params.get("empty"), params.get("flag")), (Some("BTCUSDT"), None, None));
        assert_eq!(params.number("limit", 20, 1, 50), Ok(50));
        assert_eq!(params.number("other", 20, 1, 50), Ok(20));
        assert_eq!(params.number("limit", 20, 1, 10).map_err(|error| error.code), Err(10_001));
    }

    #[test]
    fn fields_have_the_types_of_the_documentation() {
        let fields = serde_json::json!({"qty": "1", "price": 5, "isLeverage": 0, "mode": "1", "none": null, "empty": ""});
        let fields = fields.as_object().expect("an object");
        assert_eq!((text(fields, "qty"), text(fields, "none"), text(fields, "empty")), (Ok(Some("1")), Ok(None), Ok(None)));
        assert!(text(fields, "price").is_err() && required(fields, "none").is_err());
        assert_eq!(
            (integer(fields, "isLeverage"), integer(fields, "mode"), integer(fields, "absent")),
            (Ok(Some(0)), Ok(Some(1)), Ok(None))
        );
        assert!(integer(&serde_json::json!({"a": 1.5}).as_object().cloned().unwrap_or_default(), "a").is_err());
    }
}
