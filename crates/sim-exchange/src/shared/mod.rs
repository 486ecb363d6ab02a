//! What the protocols of several venues need and none of them owns: how a book's changes are told ([`depth`]), balances as they
//! were ([`balances`]), the points of time at which streams speak ([`time`]), counts by the clock ([`windows`]), candles and the
//! figures of a day out of trades ([`bars`]), keyed hashes ([`signature`]), bytes as text ([`base64`]) and words ([`text`]).
//! Nothing here knows a venue.

pub(crate) mod balances;
pub(crate) mod bars;
pub(crate) mod base64;
pub(crate) mod depth;
pub(crate) mod signature;
pub(crate) mod text;
pub(crate) mod time;
pub(crate) mod windows;
