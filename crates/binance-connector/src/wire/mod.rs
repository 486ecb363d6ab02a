//! Bytes ⇄ structs. Every decoder is total: any bytes give a typed value or a [`Reject`] that says why and what it endangers.
//!
//! - [`stream`]: names of streams, `btcusdt@depth@100ms`.
//! - [`frames`]: WebSocket frames of combined streams. [`bodies`]: REST bodies. [`encode`]: what we send.
//!
//! Unknown fields are tolerated; a missing field or a repeated one is refused, never guessed at. Streams that exist and are not used
//! are ignored; unknown ones are refused.

pub mod bodies;
pub mod encode;
pub mod frames;
pub mod stream;

use crate::market::{Market, venue_name};
use domain::{PairId, PairInfo, Tables, VenueId};
use std::sync::Arc;
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

/// One configured pair as Binance names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPair {
    /// Where it is listed.
    pub market: Market,
    /// Its name there, upper case.
    pub name: String,
    /// Ours.
    pub pair: PairId,
}

/// Binance's names of the configured pairs, and the tables behind them.
#[derive(Clone, Debug)]
pub struct PairNames {
    /// Which venue account.
    pub venue: VenueId,
    /// Names behind the ids.
    pub tables: Arc<Tables>,
    /// Sorted by market and name.
    named: Vec<NamedPair>,
}

impl PairNames {
    /// Names of `pairs`; ids that are not in the tables, or that Binance has no market for, are left out.
    pub fn new(venue: VenueId, tables: Arc<Tables>, pairs: &[PairId]) -> PairNames {
        let named = |id: &PairId| {
            let symbol = &tables.pair(*id)?.symbol;
            Some(NamedPair { market: Market::of(symbol)?, name: venue_name(symbol)?, pair: *id })
        };
        let mut named: Vec<NamedPair> = pairs.iter().filter_map(named).collect();
        named.sort_by(|a, b| (a.market, &a.name, a.pair).cmp(&(b.market, &b.name, b.pair)));
        named.dedup_by(|a, b| (a.market, &a.name) == (b.market, &b.name));
        PairNames { venue, tables, named }
    }

    /// The pair that `market` calls `name`, if it is configured.
    pub fn find(&self, market: Market, name: &str) -> Option<(PairId, &PairInfo)> {
        let index = self.named.binary_search_by(|known| (known.market, known.name.as_str()).cmp(&(market, name))).ok()?;
        let id = self.named.get(index)?.pair;
        Some((id, self.tables.pair(id)?))
    }

    /// Market and name of a configured pair.
    pub fn of(&self, id: PairId) -> Option<&NamedPair> {
        self.named.iter().find(|known| known.pair == id)
    }

    /// Every configured pair, by market and name.
    pub fn all(&self) -> &[NamedPair] {
        &self.named
    }
}

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

    pub(crate) fn names() -> PairNames {
        PairNames::new(VenueId(0), tables(), &[PairId(0), PairId(1), PairId(2), PairId(3)])
    }
}
