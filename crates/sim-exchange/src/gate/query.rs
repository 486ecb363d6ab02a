//! Query parameters of a REST request: decoded, looked up by name, read as numbers with bounds.

use serde_json::{Map, Value};

use super::auth::percent_decode;
use super::error::ApiError;

/// Parameters of one request, decoded. A name given twice keeps its first value.
#[derive(Clone, Debug, Default)]
pub(super) struct Query {
    pairs: Vec<(String, String)>,
}

/// Parameters looked at; more are ignored.
const PARAMETERS_MAX: usize = 64;

impl Query {
    /// Splits `a=1&b=2` and decodes both sides.
    pub(super) fn parse(query: &str) -> Query {
        let split = query.split('&').filter(|part| !part.is_empty()).take(PARAMETERS_MAX);
        let pairs = split.map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (percent_decode(name), percent_decode(value))
        });
        Query { pairs: pairs.collect() }
    }

    /// The parameters of a JSON object, as a WebSocket request or a body carries them: text, numbers and flags by their
    /// words; nulls, arrays and objects are left out.
    pub(super) fn from_fields(fields: &Map<String, Value>) -> Query {
        let word = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        };
        let pairs = fields.iter().filter_map(|(name, value)| Some((name.clone(), word(value)?)));
        Query { pairs: pairs.take(PARAMETERS_MAX).collect() }
    }

    /// The value of `name`, unless absent or empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// The value of `name`.
    ///
    /// # Errors
    /// `MISSING_REQUIRED_PARAM` when it is absent.
    pub(super) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.get(name).ok_or_else(|| ApiError::missing_param(name))
    }

    /// A whole number from `min..=max`, or `default` when absent.
    ///
    /// # Errors
    /// `INVALID_PARAM_VALUE` when it is no such number.
    pub(super) fn number(&self, name: &str, default: u64, min: u64, max: u64) -> Result<u64, ApiError> {
        let Some(text) = self.get(name) else { return Ok(default) };
        match text.parse::<u64>() {
            Ok(number) if (min..=max).contains(&number) => Ok(number),
            _ => Err(ApiError::invalid_param(format!("Invalid parameter {name}: {text}"))),
        }
    }

    /// A flag, false when absent. Written as Go's `ParseBool` reads them, since the official Python SDK sends `True`.
    ///
    /// # Errors
    /// `INVALID_PARAM_VALUE` when it is neither true nor false.
    pub(super) fn flag(&self, name: &str) -> Result<bool, ApiError> {
        match self.get(name) {
            Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
            None | Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
            Some(text) => Err(ApiError::invalid_param(format!("Invalid parameter {name}: {text}"))),
        }
    }
}

/// One page of `rows`: `page` counts from 1.
pub(super) fn page_of<T>(rows: Vec<T>, page: u64, limit: u64) -> Vec<T> {
    let skip = usize::try_from(page.saturating_sub(1).saturating_mul(limit)).unwrap_or(usize::MAX);
    let take = usize::try_from(limit).unwrap_or(usize::MAX);
    rows.into_iter().skip(skip).take(take).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_bounded() {
        let query = Query::parse("currency_pair=BTC%5FUSDT&limit=50&empty=&limit=70&flag");
        assert_eq!(query.get("currency_pair"), Some("BTC_USDT"));
        assert_eq!(query.get("empty"), None);
        assert_eq!(query.get("flag"), None);
        let flags = Query::parse("a=True&b=0&c=maybe");
        assert_eq!((flags.flag("a"), flags.flag("b"), flags.flag("z")), (Ok(true), Ok(false), Ok(false)));
        assert_eq!(flags.flag("c").map_err(|e| e.label), Err("INVALID_PARAM_VALUE"));
        assert_eq!(query.number("limit", 100, 1, 100), Ok(50));
        assert_eq!(query.number("page", 1, 1, 100), Ok(1));
        assert_eq!(query.number("limit", 1, 1, 10).map_err(|e| e.label), Err("INVALID_PARAM_VALUE"));
        assert_eq!(query.required("account").map_err(|e| e.label), Err("MISSING_REQUIRED_PARAM"));
    }

    #[test]
    fn fields_of_an_object_are_parameters_too() {
        let fields = serde_json::json!({"order_id": 12, "currency_pair": "BTC_USDT", "flag": true, "none": null, "list": [1]});
        let query = Query::from_fields(fields.as_object().expect("an object"));
        assert_eq!((query.get("order_id"), query.get("currency_pair")), (Some("12"), Some("BTC_USDT")));
        assert_eq!((query.flag("flag"), query.get("none"), query.get("list")), (Ok(true), None, None));
    }

    #[test]
    fn pages_count_from_one() {
        assert_eq!(page_of((0..10).collect(), 1, 4), [0, 1, 2, 3]);
        assert_eq!(page_of((0..10).collect(), 3, 4), [8, 9]);
        assert_eq!(page_of((0..10).collect::<Vec<u8>>(), u64::MAX, 1_000), Vec::<u8>::new());
    }
}
