//! Limits and steps of instrument rules, as venues publish them: decimal text in an object of filters.

use crate::json::{Object, Reject};
use domain::FrameReject;
use rust_decimal::Decimal;
use simd_json::prelude::*;

/// Decimals a price or quantity may have; the tables refuse more than 18 together anyway.
const DECIMALS_MAX: u32 = 18;

/// A limit; absent, empty and zero mean none.
///
/// # Errors
/// `bad_number` for anything but the text of a decimal that is not negative.
pub fn limit(filter: &Object<'_, '_>, what: &'static str) -> Result<Option<Decimal>, Reject> {
    let Some((_, value)) = filter.iter().find(|(key, _)| *key == what) else { return Ok(None) };
    let bad = Reject::new(FrameReject::BadNumber, what);
    let text = value.into_string().ok_or(bad)?;
    if text.is_empty() {
        return Ok(None);
    }
    let value = Decimal::from_str_exact(text).map_err(|_| bad)?;
    if value.is_sign_negative() && !value.is_zero() { Err(bad) } else { Ok(Some(value).filter(|v| !v.is_zero())) }
}

/// Decimals of a step that must be there, without trailing zeros. A step that is no power of ten is known by its digits only.
///
/// # Errors
/// `missing_field` also for zero, `bad_number`, `out_of_range`.
pub fn step_decimals(filter: &Object<'_, '_>, what: &'static str) -> Result<u8, Reject> {
    let step = limit(filter, what)?.ok_or(Reject::missing(what))?.normalize();
    let decimals = u8::try_from(step.scale()).ok().filter(|decimals| u32::from(*decimals) <= DECIMALS_MAX);
    decimals.ok_or(Reject::new(FrameReject::OutOfRange, what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{JsonReader, object};

    #[test]
    fn limits_are_exact_or_refused_and_steps_are_known_by_their_digits() {
        let both = |value: &str| {
            JsonReader::default().read(&mut format!(r#"{{"x":{value}}}"#).into_bytes(), 1000, |root| {
                let filter = object(&root, "filter")?;
                Ok((limit(&filter, "x").map_err(|r| r.reason), step_decimals(&filter, "x").map_err(|r| r.reason)))
            })
        };
        let decimal = |text: &str| Some(Decimal::from_str_exact(text).unwrap());
        for (value, expected_limit, decimals) in [
            ("\"0.0100\"", Ok(decimal("0.0100")), Ok(2)),
            ("\"0.0005\"", Ok(decimal("0.0005")), Ok(4)),
            ("\"10\"", Ok(decimal("10")), Ok(0)),
            ("\"\"", Ok(None), Err(FrameReject::MissingField)),
            ("\"0.00\"", Ok(None), Err(FrameReject::MissingField)),
            ("\"-1\"", Err(FrameReject::BadNumber), Err(FrameReject::BadNumber)),
            ("\"one\"", Err(FrameReject::BadNumber), Err(FrameReject::BadNumber)),
            ("1", Err(FrameReject::BadNumber), Err(FrameReject::BadNumber)),
            ("\"0.0000000000000000001\"", Ok(decimal("0.0000000000000000001")), Err(FrameReject::OutOfRange)),
        ] {
            assert_eq!(both(value), Ok((expected_limit, decimals)), "{value}");
        }
        let absent = JsonReader::default().read(&mut b"{}".to_vec(), 10, |root| limit(&object(&root, "filter")?, "x"));
        assert_eq!(absent, Ok(None));
    }
}
