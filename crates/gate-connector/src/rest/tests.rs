//! The catalogue against bodies made from the fact sheet's field tables, and its requests against the fact sheet's vectors.

mod answers;
mod orders;
mod requests;
mod totality;

use super::RestReader;
use super::exact::parse;
use crate::wire::Reject;
use domain::FrameReject;
use rust_decimal::Decimal;

pub(super) fn d(text: &str) -> Decimal {
    parse(text).unwrap()
}

/// A method of the reader, as a function.
pub(super) fn read<T>(
    body: &str,
    decode: impl FnOnce(&mut RestReader, &mut [u8]) -> Result<T, Reject>,
) -> Result<T, (FrameReject, &'static str)> {
    decode(&mut RestReader::default(), &mut body.as_bytes().to_vec()).map_err(|reject| (reject.reason, reject.what))
}
