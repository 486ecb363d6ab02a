//! JSON of strangers, with bounds: size and depth caps, buffers that are reused, typed access that refuses instead of guessing.
//!
//! Start at [`JsonReader::read`] and the macro [`crate::fields`]. Every refusal is a [`Reject`]: its reason is counted, and its
//! [`Scope`] says what it puts in doubt. Prices and quantities are taken only from JSON strings ([`crate::levels`]), so no binary
//! fraction is ever made of them.

use crate::number::reject_of;
use domain::decimal::NumberError;
use domain::{FrameReject, PairId, ResyncReason, VenueNanos};
use simd_json::prelude::*;
use simd_json::{Buffers, ErrorType, Tape};

/// One value of a parsed message.
pub type Value<'tape, 'input> = simd_json::tape::Value<'tape, 'input>;
/// An object of a parsed message.
pub type Object<'tape, 'input> = simd_json::tape::Object<'tape, 'input>;

/// Deepest nesting read.
pub const DEPTH_MAX: usize = 32;
/// Nodes kept between messages; a larger message gives its memory back.
const TAPE_NODES_KEPT: usize = 1 << 16;

/// What a refused message puts in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// It could have been anything: all that the link carries.
    Anything,
    /// One book, with the reason of its resync.
    Book(PairId, ResyncReason),
    /// The private news of this account.
    Private,
    /// Nothing that is kept.
    Nothing,
}

/// Why a message was refused, and what that puts in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {what}")]
pub struct Reject {
    /// The reason, counted.
    pub reason: FrameReject,
    /// Which field or part.
    pub what: &'static str,
    /// What it puts in doubt.
    pub scope: Scope,
}

impl Reject {
    /// A refusal that puts everything on its link in doubt.
    pub const fn new(reason: FrameReject, what: &'static str) -> Reject {
        Reject { reason, what, scope: Scope::Anything }
    }

    /// The same refusal, with its doubt narrowed to `scope` (unless it is narrower already).
    #[must_use]
    pub fn within(self, scope: Scope) -> Reject {
        Reject { scope: if self.scope == Scope::Anything { scope } else { self.scope }, ..self }
    }

    /// A field that must be there is not.
    pub const fn missing(what: &'static str) -> Reject {
        Reject::new(FrameReject::MissingField, what)
    }

    /// A value of the wrong type, or an enum value that is not known.
    pub const fn shape(what: &'static str) -> Reject {
        Reject::new(FrameReject::UnknownShape, what)
    }

    /// A number that can't be used.
    pub const fn number(error: NumberError, what: &'static str) -> Reject {
        Reject::new(reject_of(error), what)
    }
}

/// A parser with reused buffers. One per session, never shared.
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
#[macro_export]
macro_rules! fields {
    ($object:expr, $($key:literal => $slot:ident),* $(,)?) => {
        $(let mut $slot: Option<$crate::json::Value<'_, '_>> = None;)*
        for (key, value) in $object.iter() {
            match key {
                $($key if $slot.is_some() => return Err($crate::json::Reject::shape($key)),
                $key => $slot = Some(value),)*
                _ => {}
            }
        }
        $(let $slot = $slot.filter(|value| !$crate::json::is_null(value));)*
    };
}

/// True for `null`.
#[inline]
pub fn is_null(value: &Value<'_, '_>) -> bool {
    value.is_null()
}

/// The object itself.
///
/// # Errors
/// `unknown_shape`.
#[inline]
pub fn object<'t, 'i>(value: &Value<'t, 'i>, what: &'static str) -> Result<Object<'t, 'i>, Reject> {
    value.as_object().ok_or(Reject::shape(what))
}

/// The items of an array of at most `most`.
///
/// # Errors
/// `unknown_shape` for anything else, `too_large`.
#[inline]
pub fn items<'t, 'i>(
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
    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let next = self.rest.next();
        self.len = self.len.saturating_sub(usize::from(next.is_some()));
        next
    }
    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len, Some(self.len))
    }
}
impl ExactSizeIterator for Items<'_, '_> {}

/// A field that must be there.
///
/// # Errors
/// `missing_field`.
#[inline]
pub fn required<'t, 'i>(value: Option<Value<'t, 'i>>, what: &'static str) -> Result<Value<'t, 'i>, Reject> {
    value.ok_or(Reject::missing(what))
}

/// A string that must be there.
///
/// # Errors
/// `missing_field`, `unknown_shape`.
#[inline]
pub fn text<'i>(value: Option<Value<'_, 'i>>, what: &'static str) -> Result<&'i str, Reject> {
    required(value, what)?.into_string().ok_or(Reject::shape(what))
}

/// A string, if the field is there.
///
/// # Errors
/// `unknown_shape`.
#[inline]
pub fn optional_text<'i>(value: Option<Value<'_, 'i>>, what: &'static str) -> Result<Option<&'i str>, Reject> {
    value.map(|v| v.into_string().ok_or(Reject::shape(what))).transpose()
}

/// The text of a number that the venue sends as a string.
///
/// # Errors
/// `missing_field`; `bad_number` for anything but a string, a JSON number included.
#[inline]
pub fn number_text<'i>(value: Option<Value<'_, 'i>>, what: &'static str) -> Result<&'i str, Reject> {
    required(value, what)?.into_string().ok_or(Reject::new(FrameReject::BadNumber, what))
}

/// An id or counter: a JSON integer that is not negative.
///
/// # Errors
/// `missing_field`, `bad_number`.
#[inline]
pub fn counter(value: Option<Value<'_, '_>>, what: &'static str) -> Result<u64, Reject> {
    required(value, what)?.as_u64().ok_or(Reject::new(FrameReject::BadNumber, what))
}

/// A true or false, if the field is there.
///
/// # Errors
/// `unknown_shape`.
#[inline]
pub fn optional_flag(value: Option<Value<'_, '_>>, what: &'static str) -> Result<Option<bool>, Reject> {
    value.map(|v| v.as_bool().ok_or(Reject::shape(what))).transpose()
}

/// Whole Unix milliseconds, if the field is there. Zero means "not told".
///
/// # Errors
/// `bad_number` for anything but a JSON integer that is not negative and not absurd.
#[inline]
pub fn whole_millis(value: Option<Value<'_, '_>>, what: &'static str) -> Result<Option<VenueNanos>, Reject> {
    let Some(value) = value else { return Ok(None) };
    let nanos = value.as_i64().and_then(VenueNanos::from_millis).ok_or(Reject::new(FrameReject::BadNumber, what))?;
    Ok((nanos.0 > 0).then_some(nanos))
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
    fn fields_are_typed_and_may_not_repeat() {
        let read = |text: &str| {
            JsonReader::default().read(&mut text.as_bytes().to_vec(), 1000, |root| {
                fields!(object(&root, "root")?, "t" => time, "n" => count, "s" => name);
                Ok((whole_millis(time, "t")?, counter(count, "n")?, optional_text(name, "s")?.map(str::to_string)))
            })
        };
        assert_eq!(read(r#"{"t":2,"n":7,"s":"x"}"#), Ok((Some(VenueNanos(2_000_000)), 7, Some("x".into()))));
        assert_eq!(read(r#"{"t":0,"n":7,"s":null}"#), Ok((None, 7, None)));
        let reason = |text: &str| read(text).unwrap_err().reason;
        assert_eq!(reason(r#"{"t":1}"#), FrameReject::MissingField);
        assert_eq!(reason(r#"{"n":-1}"#), FrameReject::BadNumber);
        assert_eq!(reason(r#"{"n":1,"t":"1"}"#), FrameReject::BadNumber);
        assert_eq!(reason(r#"{"n":1,"n":1}"#), FrameReject::UnknownShape);
        assert_eq!(reason(r#"{"n":1,"s":5}"#), FrameReject::UnknownShape);
        assert_eq!(reason("[]"), FrameReject::UnknownShape);
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes, 1000);
        }
    }
}
