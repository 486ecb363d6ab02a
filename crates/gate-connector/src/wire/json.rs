//! The bounded reading of every venue ([`venue::json`]), with Gate's sizes and Gate's times: integer, fraction or string (Gate API
//! v4, REST basics). Prices and quantities are taken only from JSON strings.

use super::Reject;
use domain::decimal::{Excess, parse_units};
use domain::{FrameReject, VenueNanos};
use simd_json::prelude::*;
pub(crate) use venue::fields;
pub use venue::json::{JsonReader, Object, Value};
pub(crate) use venue::json::{counter, is_null, items, number_text, object, optional_flag, optional_text, required, text};

/// Largest WebSocket frame read, in bytes.
pub const FRAME_BYTES_MAX: usize = 1 << 20;
/// Largest REST body read by a session, in bytes.
pub const BODY_BYTES_MAX: usize = 4 << 20;
/// Largest list of all pairs read at start, in bytes.
pub const RULES_BYTES_MAX: usize = 16 << 20;

/// Milliseconds as integer, fraction or string, to venue time. Zero means "not told" (frames of 2023).
pub(crate) fn millis(value: Option<Value<'_, '_>>, what: &'static str) -> Result<Option<VenueNanos>, Reject> {
    let Some(value) = value else { return Ok(None) };
    let bad = || Reject::new(FrameReject::BadNumber, what);
    let nanos = if let Some(whole) = value.as_i64() {
        VenueNanos::from_millis(whole).ok_or_else(bad)?.0
    } else if let Some(text) = value.as_str() {
        parse_units(text.as_bytes(), 6, Excess::FloorKeepNonZero).map_err(|e| Reject::number(e, what))?
    } else if let Some(fraction) = value.as_f64() {
        // A stamp, not money: below 2^53 microseconds this is exact enough to compare.
        if !(0.0..9.0e12).contains(&fraction) {
            return Err(bad());
        }
        (fraction * 1000.0) as i64 * 1000
    } else {
        return Err(bad());
    };
    if nanos < 0 { Err(bad()) } else { Ok((nanos > 0).then_some(VenueNanos(nanos))) }
}

/// An integer, as number or as string, if it is there; empty text counts as absent.
pub(crate) fn optional_integer(value: Option<Value<'_, '_>>, what: &'static str) -> Result<Option<i64>, Reject> {
    let Some(value) = value else { return Ok(None) };
    let parsed = match value.as_str() {
        Some("") => return Ok(None),
        Some(text) => text.parse().ok(),
        None => value.as_i64(),
    };
    parsed.map(Some).ok_or(Reject::new(FrameReject::BadNumber, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_in_three_types() {
        let read = |text: &str| {
            let mut reader = JsonReader::default();
            reader.read(&mut text.as_bytes().to_vec(), 1000, |root| {
                fields!(object(&root, "root")?, "t" => t);
                millis(t, "t")
            })
        };
        let expected = Ok(Some(VenueNanos(1_691_702_924_010_000_000)));
        assert_eq!(read(r#"{"t":1691702924010}"#), expected);
        assert_eq!(read(r#"{"t":"1691702924010"}"#), expected);
        assert_eq!(read(r#"{"t":1691702924010.0}"#), expected);
        assert_eq!(read(r#"{"t":"1691702924010.071000"}"#), Ok(Some(VenueNanos(1_691_702_924_010_071_000))));
        assert_eq!(read(r#"{"t":0}"#), Ok(None));
        assert_eq!(read(r#"{"t":null}"#), Ok(None));
        for text in [r#"{"t":-1}"#, r#"{"t":"soon"}"#, r#"{"t":true}"#, r#"{"t":1e300}"#, r#"{"t":[1]}"#] {
            assert!(read(text).is_err(), "{text}");
        }
        assert_eq!(read(r#"{"t":1,"t":2}"#).unwrap_err().reason, FrameReject::UnknownShape);
    }
}
