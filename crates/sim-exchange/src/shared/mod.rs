//! What the protocols of several venues need and none of them owns: how a book's changes are told ([`depth`]), balances as they were
//! ([`balances`]), the points of time at which streams speak ([`time`]), keyed hashes ([`signature`]) and words ([`text`]). Nothing here
//! knows a venue.

pub(crate) mod balances;
pub(crate) mod depth;
pub(crate) mod text;
pub(crate) mod time;
