//! The decoder of the catalogue: bounds, exact fractions, and what all answers share (errors, the clock).

use super::field::{self, list};
use crate::errors::{self, Disposition, Placement};
use crate::wire::Reject;
use crate::wire::json::{BODY_BYTES_MAX, JsonReader, Value, fields, object};
use domain::{ErrorClass, FrameReject, VenueNanos};

/// Rows a list may have (currencies, pairs and tickers are a few thousand each).
pub(super) const ROWS_MAX: usize = 50_000;
/// Scratch kept between bodies, in bytes.
const SCRATCH_BYTES_KEPT: usize = 1 << 20;
/// Longest run of digits that an `i64` surely holds.
const INTEGER_DIGITS_MAX: usize = 18;

/// Decodes answers of the catalogue. One method per answer, in the file of its theme; each is total.
#[derive(Default)]
pub struct RestReader {
    json: JsonReader,
    scratch: Vec<u8>,
}

impl std::fmt::Debug for RestReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RestReader")
    }
}

/// An answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VenueError {
    /// HTTP status.
    pub status: u16,
    /// The venue's label; `None` when the body was no JSON object with one (an edge's page, nothing).
    pub label: Option<String>,
    /// `message`, or `detail` as futures say; may be absent, and never decides.
    pub message: Option<String>,
}

impl VenueError {
    /// The class that every venue shares.
    pub fn class(&self) -> ErrorClass {
        errors::class(self.status, self.label.as_deref())
    }

    /// What to do about it.
    pub fn disposition(&self) -> Disposition {
        errors::disposition(self.status, self.label.as_deref())
    }

    /// What it proves about the placement it answers.
    pub fn placement(&self) -> Placement {
        errors::placement(self.status, self.label.as_deref())
    }
}

impl RestReader {
    /// Parses a body of at most [`BODY_BYTES_MAX`] bytes.
    pub(super) fn read<T>(
        &mut self,
        body: &mut [u8],
        decode: impl FnOnce(&Value<'_, '_>) -> Result<T, Reject>,
    ) -> Result<T, Reject> {
        self.read_capped(body, BODY_BYTES_MAX, decode)
    }

    /// Parses a body of at most `cap` bytes; JSON fractions become strings first, so that they stay exact.
    pub(crate) fn read_capped<T>(
        &mut self,
        body: &mut [u8],
        cap: usize,
        decode: impl FnOnce(&Value<'_, '_>) -> Result<T, Reject>,
    ) -> Result<T, Reject> {
        if body.len() > cap {
            return Err(Reject::new(FrameReject::TooLarge, "message"));
        }
        self.scratch.clear();
        let result = if quote_fractions(body, &mut self.scratch) {
            // Two bytes more for each number of two bytes or more: never beyond twice the size.
            self.json.read(&mut self.scratch, cap.saturating_mul(2), |root| decode(&root))
        } else {
            self.json.read(body, cap, |root| decode(&root))
        };
        if self.scratch.capacity() > SCRATCH_BYTES_KEPT {
            self.scratch = Vec::new();
        }
        result
    }

    /// Every row of a list.
    pub(super) fn rows<T>(
        &mut self,
        body: &mut [u8],
        what: &'static str,
        read: impl FnMut(&Value<'_, '_>) -> Result<T, Reject>,
    ) -> Result<Vec<T>, Reject> {
        self.read(body, |root| list(root, ROWS_MAX, what, read))
    }

    /// An error answer; never fails, since any body of a bad status is an error.
    pub fn error(&mut self, status: u16, body: &mut [u8]) -> VenueError {
        let read = self.read(body, |root| {
            fields!(object(root, "error")?, "label" => label, "message" => message, "detail" => detail);
            let label = field::text(label, "label")?;
            Ok((label.chars().take(64).collect::<String>(), field::message(message.or(detail), "message").unwrap_or(None)))
        });
        let (label, message) = read.map_or((None, None), |(label, message)| (Some(label), message));
        VenueError { status, label, message }
    }

    /// `/spot/time`.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape.
    pub fn time(&mut self, body: &mut [u8]) -> Result<VenueNanos, Reject> {
        self.read(body, |root| {
            fields!(object(root, "time")?, "server_time" => time);
            field::millis(time, "server_time")?.ok_or(Reject::missing("server_time"))
        })
    }
}

/// Copies `body` with every JSON number that an `i64` can't hold put in quotes; false, and nothing copied, when there is none.
/// Only the grammar's own numbers are touched, and none that stands where a name should, so no other text becomes JSON by it.
fn quote_fractions(body: &[u8], out: &mut Vec<u8>) -> bool {
    let mut copied = 0;
    let mut at = 0;
    let mut in_string = false;
    while let Some(&byte) = body.get(at) {
        if in_string {
            match byte {
                b'\\' => at += 1,
                b'"' => in_string = false,
                _ => {}
            }
            at += 1;
        } else if byte == b'"' {
            in_string = true;
            at += 1;
        } else if byte == b'-' || byte.is_ascii_digit() {
            let rest = body.get(at..).unwrap_or_default();
            let len = rest.iter().take_while(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E')).count();
            let (number, after) = rest.split_at(len);
            let is_name = after.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b':');
            if !is_name && needs_quotes(number) {
                out.extend_from_slice(body.get(copied..at).unwrap_or_default());
                out.push(b'"');
                out.extend_from_slice(number);
                out.push(b'"');
                copied = at + len;
            }
            at += len;
        } else {
            at += 1;
        }
    }
    if copied > 0 {
        out.extend_from_slice(body.get(copied..).unwrap_or_default());
    }
    copied > 0
}

/// True for a number of the JSON grammar with a fraction, an exponent or more digits than an `i64` holds.
fn needs_quotes(number: &[u8]) -> bool {
    let digits_of = |text: &[u8]| text.iter().take_while(|b| b.is_ascii_digit()).count();
    let unsigned = number.strip_prefix(b"-").unwrap_or(number);
    let whole = digits_of(unsigned);
    let (whole_digits, mut rest) = unsigned.split_at(whole);
    if whole == 0 || (whole > 1 && whole_digits.first() == Some(&b'0')) {
        return false;
    }
    if rest.is_empty() {
        return whole > INTEGER_DIGITS_MAX;
    }
    if let Some(fraction) = rest.strip_prefix(b".") {
        let len = digits_of(fraction);
        if len == 0 {
            return false;
        }
        rest = fraction.get(len..).unwrap_or_default();
    }
    if let Some(exponent) = rest.strip_prefix(b"e").or(rest.strip_prefix(b"E")) {
        let exponent = exponent.strip_prefix(b"-").or(exponent.strip_prefix(b"+")).unwrap_or(exponent);
        let len = digits_of(exponent);
        return len > 0 && len == exponent.len();
    }
    rest.is_empty()
}

/// The label and message of an item that failed inside an answer that did not.
pub(super) fn item_failure(label: field::Field<'_, '_>, message: field::Field<'_, '_>) -> Result<Option<VenueError>, Reject> {
    let label = field::optional_text(label, "label")?;
    let message = field::message(message, "message")?;
    Ok(if label.is_some() || message.is_some() { Some(VenueError { status: 400, label, message }) } else { None })
}

/// True for an object (some answers are an object for one and an array for several).
pub(super) fn is_object(value: &Value<'_, '_>) -> bool {
    value.is_object()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quoted(text: &str) -> Option<String> {
        let mut out = Vec::new();
        quote_fractions(text.as_bytes(), &mut out).then(|| String::from_utf8(out).unwrap())
    }

    #[test]
    fn only_numbers_that_would_lose_digits_are_quoted() {
        assert_eq!(
            quoted(r#"{"a":0.1,"b":[1.50, -2e-7],"c":"0.1 1.5","d":3}"#).unwrap(),
            r#"{"a":"0.1","b":["1.50", "-2e-7"],"c":"0.1 1.5","d":3}"#
        );
        assert_eq!(quoted("1234567890123456789").unwrap(), r#""1234567890123456789""#);
        for text in [
            "{}",
            r#"{"a":12,"b":-3}"#,
            r#"{"a":"1.5\"2.5"}"#,
            "{1.5:2}",
            "01.5",
            "1.",
            "1.e5",
            "-",
            "1e",
            "1.5.5",
            "--1.5",
            "\"1.5",
        ] {
            assert_eq!(quoted(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn quoting_keeps_what_was_no_json_no_json(text in r#"[\[\]{}:, "\\0-9.eE+-]{0,24}"#) {
            if let Some(after) = quoted(&text) {
                let was = serde_json::from_str::<serde_json::Value>(&text);
                // serde_json refuses exponents beyond its floats; the exact reader judges those itself.
                let too_large = was.as_ref().is_err_and(|e| e.to_string().contains("out of range"));
                let is = serde_json::from_str::<serde_json::Value>(&after).is_ok();
                prop_assert!(too_large || was.is_ok() == is, "{text} → {after}");
            }
        }
    }
}
