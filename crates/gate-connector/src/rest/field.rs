//! Typed access to fields that come in more than one JSON type. Each refuses by name instead of guessing.

use super::exact;
use crate::wire::Reject;
pub(super) use crate::wire::json::optional_integer;
use crate::wire::json::{Value, is_null, items, required};
use domain::decimal::{Excess, parse_units};
use domain::{FrameReject, Side, VenueNanos};
use rust_decimal::Decimal;
use simd_json::prelude::*;

/// Longest name, id or address kept, in bytes.
const TEXT_BYTES_MAX: usize = 512;
/// Longest message kept, in characters.
const MESSAGE_CHARS_MAX: usize = 256;

pub(super) type Field<'t, 'i> = Option<Value<'t, 'i>>;

fn bad(what: &'static str) -> Reject {
    Reject::new(FrameReject::BadNumber, what)
}

/// A decimal from a string or an integer (fractions were made strings by the reader); empty text and `-` count as absent.
pub(super) fn optional_decimal(value: Field<'_, '_>, what: &'static str) -> Result<Option<Decimal>, Reject> {
    let Some(value) = value else { return Ok(None) };
    if let Some(text) = value.as_str() {
        if text.is_empty() || text == "-" {
            return Ok(None);
        }
        return exact::parse(text).map(Some).map_err(|e| Reject::number(e, what));
    }
    match (value.as_i64(), value.as_u64()) {
        (Some(whole), _) => Ok(Some(Decimal::from(whole))),
        (None, Some(whole)) => Ok(Some(Decimal::from(whole))),
        (None, None) => Err(bad(what)),
    }
}

/// A decimal that must be there.
pub(super) fn decimal(value: Field<'_, '_>, what: &'static str) -> Result<Decimal, Reject> {
    optional_decimal(value, what)?.ok_or(Reject::missing(what))
}

/// A decimal that is not negative, if it is there.
pub(super) fn optional_size(value: Field<'_, '_>, what: &'static str) -> Result<Option<Decimal>, Reject> {
    match optional_decimal(value, what)? {
        Some(value) if value.is_sign_negative() && !value.is_zero() => Err(Reject::new(FrameReject::OutOfRange, what)),
        other => Ok(other),
    }
}

/// A decimal that is there and not negative.
pub(super) fn size(value: Field<'_, '_>, what: &'static str) -> Result<Decimal, Reject> {
    optional_size(value, what)?.ok_or(Reject::missing(what))
}

/// A limit: absent, null, empty and zero mean none.
pub(super) fn limit(value: Field<'_, '_>, what: &'static str) -> Result<Option<Decimal>, Reject> {
    Ok(optional_size(value, what)?.filter(|limit| !limit.is_zero()))
}

/// A flag as `true`, `1` or `"true"` and their opposites.
pub(super) fn optional_flag(value: Field<'_, '_>, what: &'static str) -> Result<Option<bool>, Reject> {
    let Some(value) = value else { return Ok(None) };
    if let Some(flag) = value.as_bool() {
        return Ok(Some(flag));
    }
    match (value.as_str(), value.as_i64()) {
        (Some(""), _) => Ok(None),
        (Some("true" | "1"), _) | (None, Some(1)) => Ok(Some(true)),
        (Some("false" | "0"), _) | (None, Some(0)) => Ok(Some(false)),
        _ => Err(Reject::shape(what)),
    }
}

/// A flag that counts as false when absent.
pub(super) fn flag(value: Field<'_, '_>, what: &'static str) -> Result<bool, Reject> {
    Ok(optional_flag(value, what)?.unwrap_or(false))
}

/// Text, if it is there; empty and `-` (Gate's "none") count as absent.
pub(super) fn optional_text(value: Field<'_, '_>, what: &'static str) -> Result<Option<String>, Reject> {
    let Some(value) = value else { return Ok(None) };
    let text = value.as_str().ok_or(Reject::shape(what))?;
    if text.len() > TEXT_BYTES_MAX {
        return Err(Reject::new(FrameReject::TooLarge, what));
    }
    Ok(Some(text).filter(|t| !t.is_empty() && *t != "-").map(str::to_string))
}

/// Text that is there and not empty.
pub(super) fn text(value: Field<'_, '_>, what: &'static str) -> Result<String, Reject> {
    optional_text(value, what)?.ok_or(Reject::missing(what))
}

/// A message for people, cut.
pub(super) fn message(value: Field<'_, '_>, what: &'static str) -> Result<Option<String>, Reject> {
    let Some(value) = value else { return Ok(None) };
    let text = value.as_str().ok_or(Reject::shape(what))?;
    Ok(Some(text).filter(|t| !t.is_empty()).map(|t| t.chars().take(MESSAGE_CHARS_MAX).collect()))
}

/// An id as string or integer, if it is there.
pub(super) fn optional_id(value: Field<'_, '_>, what: &'static str) -> Result<Option<String>, Reject> {
    match value {
        Some(number) if !number.is_str() => Ok(Some(number.as_u64().ok_or(Reject::shape(what))?.to_string())),
        other => optional_text(other, what),
    }
}

/// An id that must be there.
pub(super) fn id(value: Field<'_, '_>, what: &'static str) -> Result<String, Reject> {
    optional_id(value, what)?.ok_or(Reject::missing(what))
}

/// Seconds as integer, fraction or string. Zero means "not told".
pub(super) fn seconds(value: Field<'_, '_>, what: &'static str) -> Result<Option<VenueNanos>, Reject> {
    stamp(value, 9, what)
}

/// Milliseconds as integer, fraction or string. Zero means "not told".
pub(super) fn millis(value: Field<'_, '_>, what: &'static str) -> Result<Option<VenueNanos>, Reject> {
    stamp(value, 6, what)
}

fn stamp(value: Field<'_, '_>, decimals: u32, what: &'static str) -> Result<Option<VenueNanos>, Reject> {
    let Some(value) = value else { return Ok(None) };
    let nanos = match (value.as_str(), value.as_i64()) {
        (Some("" | "-"), _) => 0,
        (Some(text), _) => {
            parse_units(text.as_bytes(), decimals, Excess::FloorKeepNonZero).map_err(|e| Reject::number(e, what))?
        }
        (None, Some(whole)) => whole.checked_mul(10i64.pow(decimals)).ok_or(bad(what))?,
        (None, None) => return Err(bad(what)),
    };
    if nanos < 0 { Err(bad(what)) } else { Ok((nanos > 0).then_some(VenueNanos(nanos))) }
}

/// A side in lower case.
pub(super) fn side(value: Field<'_, '_>, what: &'static str) -> Result<Side, Reject> {
    value.and_then(|v| v.as_str().map(str::to_string)).as_deref().and_then(Side::parse).ok_or_else(|| match value {
        Some(_) => Reject::shape(what),
        None => Reject::missing(what),
    })
}

/// Every row of an array, read.
pub(super) fn list<T>(
    value: &Value<'_, '_>,
    most: usize,
    what: &'static str,
    mut read: impl FnMut(&Value<'_, '_>) -> Result<T, Reject>,
) -> Result<Vec<T>, Reject> {
    let rows = items(value, most, what)?;
    let mut out = Vec::with_capacity(rows.len().min(1024));
    for row in rows {
        out.push(read(&row)?);
    }
    Ok(out)
}

/// Every row of an array that may be absent or null.
pub(super) fn optional_list<T>(
    value: Field<'_, '_>,
    most: usize,
    what: &'static str,
    read: impl FnMut(&Value<'_, '_>) -> Result<T, Reject>,
) -> Result<Vec<T>, Reject> {
    match value.filter(|v| !is_null(v)) {
        Some(value) => list(&value, most, what, read),
        None => Ok(Vec::new()),
    }
}

/// An array of texts that may be absent.
pub(super) fn texts(value: Field<'_, '_>, most: usize, what: &'static str) -> Result<Vec<String>, Reject> {
    optional_list(value, most, what, |item| text(Some(*item), what))
}

/// The one value at a position of a row that is an array.
pub(super) fn column<'t, 'i>(row: &[Value<'t, 'i>], index: usize, what: &'static str) -> Result<Value<'t, 'i>, Reject> {
    required(row.get(index).copied(), what)
}
