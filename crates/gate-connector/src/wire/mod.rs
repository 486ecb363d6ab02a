//! Bytes ⇄ structs. Every decoder is total: any bytes give a typed value or a [`Reject`] that says why and what it endangers.
//!
//! - [`json`]: sizes, typed access to fields, times. [`book`]: price levels of all book messages. Both on [`venue::json`] and
//!   [`venue::levels`], which bound and refuse alike for every venue; amounts are [`venue::number`]'s.
//! - [`rows`]: orders, executions and balances, the same on stream and REST.
//! - [`news`]: best levels, trades and tickers.
//! - [`frames`]: WebSocket frames. [`order_entry`]: requests and replies of WebSocket order entry.
//! - [`bodies`]: REST bodies. [`fees`]: what pays the fees. [`encode`]: what we send.
//!
//! Unknown fields are tolerated; an unknown enum value, a missing field or a repeated one is refused, never guessed at.

pub mod bodies;
pub mod book;
pub mod encode;
pub mod fees;
pub mod frames;
pub mod json;
pub mod news;
pub mod order_entry;
pub mod rows;

use domain::{PairId, PairInfo, Tables, VenueId};
use std::sync::Arc;
pub use venue::json::{Reject, Scope};
pub(crate) use venue::number;

/// A decoder of frames and bodies: the names it resolves and the buffers it reuses. One per session, never shared.
pub struct Decoder {
    /// Gate's names.
    pub names: PairNames,
    /// Channels of public news that are read.
    pub wanted: news::NewsWanted,
    reader: json::JsonReader,
}

impl Decoder {
    /// A decoder for these pairs, which reads no public news but books.
    pub fn new(names: PairNames) -> Decoder {
        Decoder { names, wanted: news::NewsWanted::default(), reader: json::JsonReader::default() }
    }

    /// The same, reading this public news too.
    #[must_use]
    pub fn wanting(self, wanted: news::NewsWanted) -> Decoder {
        Decoder { wanted, ..self }
    }
}

/// Gate's names of the configured pairs, and the tables behind them.
#[derive(Clone, Debug)]
pub struct PairNames {
    /// Which venue account.
    pub venue: VenueId,
    /// Names behind the ids.
    pub tables: Arc<Tables>,
    /// Sorted by name.
    by_name: Vec<(String, PairId)>,
}

impl PairNames {
    /// Names of `pairs`; ids that are not in the tables are left out.
    pub fn new(venue: VenueId, tables: Arc<Tables>, pairs: &[PairId]) -> PairNames {
        let named = pairs.iter().filter_map(|id| Some((pair_name(tables.pair(*id)?), *id)));
        let mut by_name: Vec<_> = named.collect();
        by_name.sort();
        by_name.dedup();
        PairNames { venue, tables, by_name }
    }

    /// The pair that Gate calls `name`, if it is configured.
    pub fn find(&self, name: &str) -> Option<(PairId, &PairInfo)> {
        let index = self.by_name.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok()?;
        let id = self.by_name.get(index)?.1;
        Some((id, self.tables.pair(id)?))
    }

    /// Gate's name of a configured pair.
    pub fn name(&self, id: PairId) -> Option<&str> {
        self.by_name.iter().find(|(_, known)| *known == id).map(|(name, _)| name.as_str())
    }

    /// Every configured pair, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, PairId)> {
        self.by_name.iter().map(|(name, id)| (name.as_str(), *id))
    }
}

/// Gate's spelling: `BASE_QUOTE`, upper case.
fn pair_name(info: &PairInfo) -> String {
    format!("{}_{}", info.symbol.base, info.symbol.quote)
}

#[cfg(test)]
pub(crate) mod samples {
    //! Tables that decoder and session tests share.

    use super::PairNames;
    use domain::{AssetId, InstrumentKind, PairId, PairInfo, PairScale, Symbol, Tables, VenueId};
    use std::sync::Arc;

    /// Assets BTC 0, ETH 1, GT 2, POINT 3, USDT 4; pairs BTC/USDT (2 price, 6 quantity decimals) and ETH/USDT (2, 4).
    pub(crate) fn tables() -> Arc<Tables> {
        let pair = |symbol: &str, base: u16, price, qty| PairInfo {
            symbol: Symbol::parse(symbol).unwrap(),
            kind: InstrumentKind::Spot,
            base: AssetId(base),
            quote: AssetId(4),
            scale: PairScale::new(price, qty).unwrap(),
        };
        Arc::new(Tables {
            venues: vec!["gate-a".into()],
            pairs: vec![pair("BTC/USDT", 0, 2, 6), pair("ETH/USDT", 1, 2, 4)],
            assets: ["BTC", "ETH", "GT", "POINT", "USDT"].map(String::from).to_vec(),
        })
    }

    pub(crate) fn names() -> PairNames {
        PairNames::new(VenueId(0), tables(), &[PairId(0), PairId(1)])
    }
}
