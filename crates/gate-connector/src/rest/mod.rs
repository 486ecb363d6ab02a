//! Gate's spot REST API (API v4) as a catalogue: for each endpoint a builder of its request and a decoder of its answer.
//!
//! - [`Endpoint`] lists what is there: method, path, who may ask, which rate limit it spends.
//! - Builders are free functions by theme ([`market`], [`listing`], [`fees`], [`account`], [`wallet`], [`orders`], [`batch`],
//!   [`trades`]). A public one returns the `venue::HttpRequest`; a private one returns [`Unsigned`], and [`Unsigned::signed`] is the
//!   only way from there to a request, with the venue's time as an argument.
//! - [`RestReader`] decodes: one method per answer, each total. Any bytes give a typed value or a [`crate::wire::Reject`].
//! - [`limits`] reads the rate headers of answers.
//!
//! Numbers are exact: a decimal may come as string, integer or JSON fraction, and none of them passes through a binary fraction.
//! Times may come as integer, fraction or string. Unknown fields are tolerated. Nothing here opens a socket or reads a clock, and
//! nothing here may move funds out: withdrawals and transfers have no builder.

pub mod account;
pub mod batch;
pub mod endpoint;
pub mod exact;
pub mod fees;
mod field;
pub mod limits;
pub mod listing;
pub mod market;
pub mod orders;
pub mod reader;
pub mod request;
pub mod terms;
pub mod trades;
pub mod wallet;

pub use endpoint::{Access, Endpoint, RateClass};
pub use reader::RestReader;
pub use request::{CurrencyName, PairName, RequestError, Unsigned};

#[cfg(test)]
mod tests;
