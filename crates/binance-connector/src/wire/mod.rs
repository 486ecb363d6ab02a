//! Bytes ⇄ structs. Every decoder is total: any bytes give a typed value or a [`Reject`] that says why and what it endangers.
//!
//! - [`stream`]: names of streams, `btcusdt@depth@100ms`.
//! - [`frames`]: WebSocket frames of combined streams. [`bodies`]: public REST bodies. [`encode`]: control messages that we send.
//! - [`rows`]: orders, executions and balances. [`account`]: REST bodies of an account. [`api`]: frames of the WebSocket API, answers and
//!   events. [`params`]: parameters as we send them, and what of them is signed.
//!
//! Unknown fields are tolerated; a missing field or a repeated one is refused, never guessed at. Streams that exist and are not used
//! are ignored; unknown ones are refused.

pub mod account;
pub mod api;
pub mod bodies;
pub mod encode;
pub mod frames;
pub mod params;
pub mod rows;
pub mod stream;

use crate::market::Market;
use venue::json::JsonReader;
pub use venue::json::{Reject, Scope};

/// Largest WebSocket frame read, in bytes.
pub const FRAME_BYTES_MAX: usize = 1 << 20;
/// Largest REST body read by a session, in bytes.
pub const BODY_BYTES_MAX: usize = 4 << 20;
/// Most levels a side that a change may have.
pub const DELTA_LEVELS_MAX: usize = 5000;
/// Most levels a side that a copy may have.
pub const COPY_LEVELS_MAX: usize = 5000;
/// Columns that a level may have: some channels append an empty or unused third.
pub const LEVEL_COLUMNS_MAX: usize = 3;

/// A decoder of frames and bodies: the names it resolves and the buffers it reuses. One per session, never shared.
pub struct Decoder {
    /// Binance's names.
    pub names: PairNames,
    reader: JsonReader,
}

impl Decoder {
    /// A decoder for these pairs.
    pub fn new(names: PairNames) -> Decoder {
        Decoder { names, reader: JsonReader::default() }
    }
}

/// Binance's names of the configured pairs, in upper case.
pub type PairNames = venue::names::PairNames<Market>;
/// One configured pair as Binance names it.
pub type NamedPair = venue::names::NamedPair<Market>;

#[cfg(test)]
pub(crate) mod samples {
    //! Tables that decoder and session tests share.

    use super::PairNames;
    use domain::{Amount, AssetId, InstrumentKind, PairId, PairInfo, PairScale, Symbol, Tables, VenueId};
    use std::sync::Arc;

    /// Assets BTC 0, ETH 1, USD 2, USDT 3. Pairs: 0 `BTC/USDT`, 1 `BTC/USDT:USDT`, 2 `BTC/USD:BTC` (100 USD contracts), 3 `ETH/USDT`;
    /// 2 price and 5 quantity decimals each.
    pub(crate) fn tables() -> Arc<Tables> {
        let pair = |symbol: &str, kind, base, quote| PairInfo {
            symbol: Symbol::parse(symbol).unwrap(),
            kind,
            base: AssetId(base),
            quote: AssetId(quote),
            scale: PairScale::new(2, 5).unwrap(),
        };
        let one = 1_000_000_000_000_000_000;
        let linear = InstrumentKind::LinearPerpetual { multiplier: Amount::from_units(one), settle: "USDT".into() };
        let inverse = InstrumentKind::InversePerpetual { multiplier: Amount::from_units(100 * one), settle: "BTC".into() };
        Arc::new(Tables {
            venues: vec!["binance-a".into()],
            pairs: vec![
                pair("BTC/USDT", InstrumentKind::Spot, 0, 3),
                pair("BTC/USDT:USDT", linear, 0, 3),
                pair("BTC/USD:BTC", inverse, 0, 2),
                pair("ETH/USDT", InstrumentKind::Spot, 1, 3),
            ],
            assets: ["BTC", "ETH", "USD", "USDT"].map(String::from).to_vec(),
        })
    }

    /// As [`tables`], with the token that may pay fees as asset 4.
    pub(crate) fn account_names() -> PairNames {
        let mut tables = (*tables()).clone();
        tables.assets.push("BNB".into());
        PairNames::new(VenueId(0), Arc::new(tables), &[PairId(0), PairId(1), PairId(2), PairId(3)])
    }

    /// A query's answer.
    pub(crate) fn stamp() -> venue::desk::rows::Stamp {
        use domain::{MonoNanos, OrderSource};
        venue::desk::rows::Stamp { source: OrderSource::Query, received: MonoNanos(9), requested: MonoNanos(8) }
    }

    pub(crate) fn names() -> PairNames {
        PairNames::new(VenueId(0), tables(), &[PairId(0), PairId(1), PairId(2), PairId(3)])
    }
}
