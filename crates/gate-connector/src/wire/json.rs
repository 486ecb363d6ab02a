//! JSON with bounds: size and depth caps, buffers that are reused, typed access that refuses instead of guessing.
//!
//! Start at [`JsonReader::read`]. Prices and quantities are taken only from JSON strings, so no binary fraction is ever made of
//! them; times may come as integer, fraction or string (Gate API v4, REST basics).

use super::{Reject, number};
use domain::decimal::{Excess, parse_units};
use domain::{FrameReject, VenueNanos};
use simd_json::prelude::*;
use simd_json::{Buffers, ErrorType, Tape};

/// One value of a parsed message.
pub type Value<'tape, 'input> = simd_json::tape::Value<'tape, 'input>;
/// An object of a parsed message.
pub type Object<'tape, 'input> = simd_json::tape::Object<'tape, 'input>;

/// Largest WebSocket frame read, in bytes.
pub const FRAME_BYTES_MAX: usize = 1 << 20;
/// Largest REST body read by a session, in bytes.
pub const BODY_BYTES_MAX: usize = 4 << 20;
/// Largest list of all pairs read at start, in bytes.
pub const RULES_BYTES_MAX: usize = 16 << 20;
/// Deepest nesting read.
pub const DEPTH_MAX: usize = 32;
/// Nodes kept between messages; a larger message gives its memory back.
const TAPE_NODES_KEPT: usize = 1 << 16;

/// A parser with reused buffers.
pub struct JsonReader {
    buffers: Buffers,
    tape: Tape<'static>,
}

impl Default for JsonReader {
    fn default() -> Self {
        JsonReader { buffers: Buffers::with_max_depth(4096, DEPTH_MAX), tape: Tape(Vec::new()) }
    }
}

impl JsonReader {
    /// Parses `bytes` (scribbling on them) and hands the root to `decode`.
    ///
    /// # Errors
    /// `too_large` above `cap` bytes, `too_deep` above [`DEPTH_MAX`], `not_utf8`, `not_json`, or whatever `decode` says.
    pub fn read<T>(
        &mut self,
        bytes: &mut [u8],
        cap: usize,
        decode: impl FnOnce(Value<'_, '_>) -> Result<T, Reject>,
    ) -> Result<T, Reject> {
        if bytes.len() > cap {
            return Err(Reject::new(FrameReject::TooLarge, "message"));
        }
        if std::str::from_utf8(bytes).is_err() {
            return Err(Reject::new(FrameReject::NotUtf8, "message"));
        }
        let mut tape = std::mem::replace(&mut self.tape, Tape(Vec::new())).reset();
        let result = match simd_json::fill_tape(bytes, &mut self.buffers, &mut tape) {
            Ok(()) => decode(tape.as_value()),
            Err(error) => Err(match error.error() {
                ErrorType::DepthLimitExceeded => Reject::new(FrameReject::TooDeep, "message"),
                ErrorType::InvalidUtf8 => Reject::new(FrameReject::NotUtf8, "message"),
                _ => Reject::new(FrameReject::NotJson, "message"),
            }),
        };
        let tape = tape.reset();
        if tape.0.capacity() > TAPE_NODES_KEPT {
            *self = JsonReader::default();
        } else {
            self.tape = tape;
        }
        result
    }
}

/// Binds the named fields of an object to `Option<Value>` variables in one pass; a null counts as absent, a repeated field
/// refuses the message.
macro_rules! fields {
    ($object:expr, $($key:literal => $slot:ident),* $(,)?) => {
        $(let mut $slot: Option<$crate::wire::json::Value<'_, '_>> = None;)*
        for (key, value) in $object.iter() {
            match key {
                $($key if $slot.is_some() => return Err($crate::wire::Reject::shape($key)),
                $key => $slot = Some(value),)*
                _ => {}
            }
        }
        $(let $slot = $slot.filter(|value| !$crate::wire::json::is_null(value));)*
    };
}
pub(crate) use fields;

/// True for `null`.
pub(crate) fn is_null(value: &Value<'_, '_>) -> bool {
    value.is_null()
}

/// The object itself, or `unknown_shape`.
pub(crate) fn object<'t, 'i>(value: &Value<'t, 'i>, what: &'static str) -> Result<Object<'t, 'i>, Reject> {
    value.as_object().ok_or(Reject::shape(what))
}

/// The items of an array of at most `most`, or `unknown_shape` / `too_large`.
pub(crate) fn items<'t, 'i>(
    value: &Value<'t, 'i>,
    most: usize,
    what: &'static str,
) -> Result<impl ExactSizeIterator<Item = Value<'t, 'i>> + use<'t, 'i>, Reject> {
    let array = value.as_array().ok_or(Reject::shape(what))?;
    let len = array.len();
    if len > most {
        return Err(Reject::new(FrameReject::TooLarge, what));
    }
    Ok(Items { rest: array.iter(), len })
}

struct Items<'t, 'i> {
    rest: simd_json::tape::array::Iter<'t, 'i>,
    len: usize,
}

impl<'t, 'i> Iterator for Items<'t, 'i> {
    type Item = Value<'t, 'i>;
    fn next(&mut self) -> Option<Self::Item> {
        let next = self.rest.next();
        self.len = self.len.saturating_sub(usize::from(next.is_some()));
        next
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len, Some(self.len))
    }
}
impl ExactSizeIterator for Items<'_, '_> {}

/// A field that must be there.
pub(crate) fn required<'t, 'i>(value: Option<Value<'t, 'i>>, what: &'static str) -> Result<Value<'t, 'i>, Reject> {
    value.ok_or(Reject::missing(what))
}

/// A string that must be there.
pub(crate) fn text<'i>(value: Option<Value<'_, 'i>>, what: &'static str) -> Result<&'i str, Reject> {
    required(value, what)?.into_string().ok_or(Reject::shape(what))
}

/// A string, if the field is there.
pub(crate) fn optional_text<'i>(value: Option<Value<'_, 'i>>, what: &'static str) -> Result<Option<&'i str>, Reject> {
    value.map(|v| v.into_string().ok_or(Reject::shape(what))).transpose()
}

/// The text of a number that Gate sends as a string; a JSON number there is `bad_number`.
pub(crate) fn number_text<'i>(value: Option<Value<'_, 'i>>, what: &'static str) -> Result<&'i str, Reject> {
    required(value, what)?.into_string().ok_or(Reject::new(FrameReject::BadNumber, what))
}

/// A book id or counter: a JSON integer that is not negative.
pub(crate) fn counter(value: Option<Value<'_, '_>>, what: &'static str) -> Result<u64, Reject> {
    required(value, what)?.as_u64().ok_or(Reject::new(FrameReject::BadNumber, what))
}

/// A true or false, if the field is there.
pub(crate) fn optional_flag(value: Option<Value<'_, '_>>, what: &'static str) -> Result<Option<bool>, Reject> {
    value.map(|v| v.as_bool().ok_or(Reject::shape(what))).transpose()
}

/// Milliseconds as integer, fraction or string, to venue time. Zero means "not told" (frames of 2023).
pub(crate) fn millis(value: Option<Value<'_, '_>>, what: &'static str) -> Result<Option<VenueNanos>, Reject> {
    let Some(value) = value else { return Ok(None) };
    let bad = || Reject::new(FrameReject::BadNumber, what);
    let nanos = if let Some(whole) = value.as_i64() {
        VenueNanos::from_millis(whole).ok_or_else(bad)?.0
    } else if let Some(text) = value.as_str() {
        parse_units(text.as_bytes(), 6, Excess::FloorKeepNonZero).map_err(|e| Reject::new(number::reject_of(e), what))?
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &[u8], cap: usize) -> Result<(), Reject> {
        JsonReader::default().read(&mut text.to_vec(), cap, |_| Ok(()))
    }

    #[test]
    fn bounds_are_checked_by_reason() {
        let reason = |text: &[u8], cap| read(text, cap).unwrap_err().reason;
        assert_eq!(reason(b"{} ", 2), FrameReject::TooLarge);
        assert_eq!(reason(b"{\"a\":\"\xff\"}", 100), FrameReject::NotUtf8);
        for text in ["", " ", "{", "nul", "{\"a\":}", "{\"a\" 1}", "[1,]", "{\"a\":1e309}", "\u{0}", "{} {}", "\"\\uD800\""] {
            assert_eq!(reason(text.as_bytes(), 1000), FrameReject::NotJson, "{text:?}");
        }
        let nested = |n: usize| [vec![b'['; n], vec![b']'; n]].concat();
        assert_eq!(read(&nested(DEPTH_MAX), 1000), Ok(()));
        for depth in [DEPTH_MAX + 1, 100, 400] {
            assert_eq!(reason(&nested(depth), 1000), FrameReject::TooDeep, "{depth}");
        }
        assert_eq!(reason(&vec![b'['; 10_000], 20_000), FrameReject::TooDeep);
    }

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

    proptest! {
        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes, 1000);
        }
    }
}
