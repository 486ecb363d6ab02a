//! REST answers: the envelope `{"retCode":0,"retMsg":"OK","result":{…},"time":…}` and the venue's time (Bybit v5, integration
//! guidance).
//!
//! Success and failure have the same HTTP status: the code in the body tells them apart.

use super::{BODY_BYTES_MAX, Decoder, Reject};
use domain::UnixNanos;
use simd_json::prelude::*;
use venue::fields;
use venue::json::{JsonReader, Value, number_text, object, optional_text, required, text};

/// Characters of an error's message that are kept.
const MESSAGE_CHARS_MAX: usize = 120;
/// Latest time believed, Unix nanoseconds: the year 2200.
const TIME_MAX_NS: i64 = 7_258_118_400_000_000_000;

/// Code and message of an answer that is no success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorBody {
    /// Bybit's code, never zero.
    pub code: i64,
    /// Its message, cut.
    pub message: String,
}

impl Decoder {
    /// The venue's time (`GET /v5/market/time`), to the nanosecond.
    ///
    /// # Errors
    /// [`Reject`] for another shape.
    pub fn time(&mut self, body: &mut [u8]) -> Result<UnixNanos, Reject> {
        self.reader.read(body, BODY_BYTES_MAX, |root| {
            fields!(object(&result(&root)?, "result")?, "timeNano" => nanos);
            let nanos = number_text(nanos, "timeNano")?.parse::<i64>().ok();
            nanos.filter(|nanos| (1..TIME_MAX_NS).contains(nanos)).map(UnixNanos).ok_or(Reject::shape("timeNano"))
        })
    }

    /// Code and message of an answer that says that it is no success; `None` for a success and for any other body.
    pub fn error(&mut self, body: &mut [u8]) -> Option<ErrorBody> {
        error_body(&mut self.reader, body)
    }
}

/// `result` of a success.
///
/// # Errors
/// [`Reject`] for another shape, and for an answer that is no success.
pub(crate) fn result<'t, 'i>(root: &Value<'t, 'i>) -> Result<Value<'t, 'i>, Reject> {
    fields!(object(root, "body")?, "retCode" => code, "result" => result);
    match required(code, "retCode")?.as_i64() {
        Some(0) => required(result, "result"),
        _ => Err(Reject::shape("retCode")),
    }
}

/// Longest name of a page that is asked for.
const CURSOR_BYTES_MAX: usize = 512;

/// The venue's name of the page behind a page; `None` behind the last one. It goes back as it came, inside a query that is signed.
///
/// # Errors
/// [`Reject`] for text that would change the query.
pub(crate) fn page_cursor(value: Option<Value<'_, '_>>) -> Result<Option<String>, Reject> {
    let cursor = optional_text(value, "nextPageCursor")?.unwrap_or_default();
    if cursor.len() > CURSOR_BYTES_MAX || !cursor.bytes().all(|b| b.is_ascii_alphanumeric() || b"%-._~:,=+/".contains(&b)) {
        return Err(Reject::shape("nextPageCursor"));
    }
    Ok((!cursor.is_empty()).then(|| cursor.to_string()))
}

/// See [`Decoder::error`].
pub(crate) fn error_body(reader: &mut JsonReader, body: &mut [u8]) -> Option<ErrorBody> {
    let read = reader.read(body, BODY_BYTES_MAX, |root| {
        fields!(object(&root, "error")?, "retCode" => code, "retMsg" => message);
        let code = required(code, "retCode")?.as_i64().ok_or(Reject::shape("retCode"))?;
        let message = text(message, "retMsg").unwrap_or_default();
        Ok(ErrorBody { code, message: message.chars().take(MESSAGE_CHARS_MAX).collect() })
    });
    read.ok().filter(|error| error.code != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::samples::names;
    use proptest::prelude::*;

    fn decoder() -> Decoder {
        Decoder::new(names(), 50)
    }

    #[test]
    fn times_and_errors() {
        let time = |text: &str| decoder().time(&mut text.as_bytes().to_vec());
        let body = r#"{"retCode":0,"retMsg":"OK","result":{"timeSecond":"1688639403","timeNano":"1688639403423213947"},"retExtInfo":{},"time":1688639403423}"#;
        assert_eq!(time(body), Ok(UnixNanos(1_688_639_403_423_213_947)));
        for (from, to) in [
            ("\"retCode\":0", "\"retCode\":10006"),
            ("\"retCode\":0,", ""),
            ("\"timeNano\":\"1688639403423213947\"", "\"timeNano\":1688639403423213947"),
            ("1688639403423213947", "0"),
            ("1688639403423213947", "-1"),
            ("1688639403423213947", "99999999999999999999"),
            ("1688639403423213947", "9223372036854775807"),
            ("\"result\":{", "\"result\":[],\"x\":{"),
        ] {
            assert!(time(&body.replacen(from, to, 1)).is_err(), "{to}");
        }
        let error = |text: &str| decoder().error(&mut text.as_bytes().to_vec());
        let told = error(r#"{"retCode":10001,"retMsg":"params error","result":{},"time":1}"#);
        assert_eq!(told, Some(ErrorBody { code: 10001, message: "params error".into() }));
        assert_eq!(error(r#"{"retCode":-1,"retMsg":null}"#), Some(ErrorBody { code: -1, message: String::new() }));
        for text in [body, "<html>", r#"{"ret_code":10001}"#, "[]", r#"{"retCode":"10001"}"#] {
            assert_eq!(error(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut decoder = decoder();
            let _ = decoder.time(&mut bytes.clone());
            let _ = decoder.error(&mut bytes.clone());
        }
    }
}
