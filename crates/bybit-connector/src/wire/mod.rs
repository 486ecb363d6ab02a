//! Bytes ⇄ structs. Every decoder is total: any bytes give a typed value or a [`Reject`] that says why and what it endangers.
//!
//! - [`frames`]: frames of the public streams. [`bodies`]: REST answers. [`encode`]: what we send. [`topic`]: names of streams.
//! - [`rows`]: orders, executions, balances. [`private`]: the stream and the lists that hold them, and what an account is told.
//!   [`orders`]: orders as we send them.
//!
//! Unknown fields are tolerated; a missing field or a repeated one is refused, never guessed at. Topics that exist and are not
//! used are ignored; unknown ones, among them those of the protocols before v5, are refused.

pub mod bodies;
pub mod encode;
pub mod frames;
pub mod orders;
pub(crate) mod payer;
pub mod private;
pub mod rows;
pub mod topic;

use crate::market::Market;
use payer::FeePayer;
use venue::json::JsonReader;
pub use venue::json::{Reject, Scope};

/// Largest WebSocket frame read, in bytes.
pub const FRAME_BYTES_MAX: usize = 1 << 20;
/// Largest REST body read by a session, in bytes.
pub const BODY_BYTES_MAX: usize = 4 << 20;
/// Most levels a side that a frame may have: the deepest channel has 1000, and a change may delete and set as many.
pub const LEVELS_MAX: usize = 2000;
/// Most trades that a frame may have; the venue promises 1024 at most.
pub const TRADES_MAX: usize = 2048;

/// Bybit's names of the configured pairs.
pub type PairNames = venue::names::PairNames<Market>;

/// A decoder of frames and bodies: the names it resolves and the buffers it reuses. One per session, never shared.
pub struct Decoder {
    /// Bybit's names.
    pub names: PairNames,
    /// Depth of the channel that the books are kept by; others only tell their tops.
    book_depth: u16,
    reader: JsonReader,
    payer: FeePayer,
}

impl Decoder {
    /// A decoder for these pairs, whose books are kept by the channel of this depth.
    pub fn new(names: PairNames, book_depth: u16) -> Decoder {
        Decoder { names, book_depth, reader: JsonReader::default(), payer: FeePayer::default() }
    }
}

#[cfg(test)]
mod private_tests;

#[cfg(test)]
pub(crate) mod samples {
    //! Tables that decoder and session tests share.

    use super::PairNames;
    use domain::{Amount, AssetId, InstrumentKind, PairId, PairInfo, PairScale, Symbol, Tables, VenueId};
    use std::sync::Arc;

    /// Assets BTC 0, ETH 1, USD 2, USDT 3. Pairs: 0 `BTC/USDT`, 1 `BTC/USDT:USDT`, 2 `BTC/USD:BTC` (one dollar a contract), 3
    /// `ETH/USDT`; 2 price and 5 quantity decimals each.
    pub(crate) fn tables() -> Arc<Tables> {
        let pair = |symbol: &str, kind, base, quote| PairInfo {
            symbol: Symbol::parse(symbol).unwrap(),
            kind,
            base: AssetId(base),
            quote: AssetId(quote),
            scale: PairScale::new(2, 5).unwrap(),
        };
        let multiplier = Amount::from_units(domain::number::AMOUNT_ONE);
        Arc::new(Tables {
            venues: vec!["bybit-a".into()],
            pairs: vec![
                pair("BTC/USDT", InstrumentKind::Spot, 0, 3),
                pair("BTC/USDT:USDT", InstrumentKind::LinearPerpetual { multiplier, settle: "USDT".into() }, 0, 3),
                pair("BTC/USD:BTC", InstrumentKind::InversePerpetual { multiplier, settle: "BTC".into() }, 0, 2),
                pair("ETH/USDT", InstrumentKind::Spot, 1, 3),
            ],
            assets: ["BTC", "ETH", "USD", "USDT"].map(String::from).to_vec(),
        })
    }

    pub(crate) fn names() -> PairNames {
        PairNames::new(VenueId(0), tables(), &[PairId(0), PairId(1), PairId(2), PairId(3)])
    }
}
