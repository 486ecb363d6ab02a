//! A venue's names of the configured pairs, found in both directions.
//!
//! A venue may use one name on several markets, so a name is looked up with its market. What the markets are, and how a symbol is
//! written on them, is the connector's ([`Listing`]).

use domain::{PairId, PairInfo, Symbol, Tables, VenueId};
use std::sync::Arc;

/// The markets of a venue.
pub trait Listing: Copy + Ord {
    /// The market that lists a symbol, and the venue's name of it there; `None` for symbols that the venue has no market for.
    fn listed(symbol: &Symbol) -> Option<(Self, String)>;
}

/// One configured pair as the venue names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPair<M> {
    /// Where it is listed.
    pub market: M,
    /// Its name there.
    pub name: String,
    /// Ours.
    pub pair: PairId,
}

/// The venue's names of the configured pairs, and the tables behind them.
#[derive(Clone, Debug)]
pub struct PairNames<M> {
    /// Which venue account.
    pub venue: VenueId,
    /// Names behind the ids.
    pub tables: Arc<Tables>,
    /// Sorted by market and name.
    named: Vec<NamedPair<M>>,
}

impl<M: Listing> PairNames<M> {
    /// Names of `pairs`; ids that are not in the tables, or that the venue has no market for, are left out.
    pub fn new(venue: VenueId, tables: Arc<Tables>, pairs: &[PairId]) -> PairNames<M> {
        let named = |id: &PairId| {
            let (market, name) = M::listed(&tables.pair(*id)?.symbol)?;
            Some(NamedPair { market, name, pair: *id })
        };
        let mut named: Vec<NamedPair<M>> = pairs.iter().filter_map(named).collect();
        named.sort_by(|a, b| (a.market, &a.name, a.pair).cmp(&(b.market, &b.name, b.pair)));
        named.dedup_by(|a, b| (a.market, &a.name) == (b.market, &b.name));
        PairNames { venue, tables, named }
    }

    /// The pair that `market` calls `name`, if it is configured.
    pub fn find(&self, market: M, name: &str) -> Option<(PairId, &PairInfo)> {
        let index = self.named.binary_search_by(|known| (known.market, known.name.as_str()).cmp(&(market, name))).ok()?;
        let id = self.named.get(index)?.pair;
        Some((id, self.tables.pair(id)?))
    }

    /// Market and name of a configured pair.
    pub fn of(&self, id: PairId) -> Option<&NamedPair<M>> {
        self.named.iter().find(|known| known.pair == id)
    }

    /// Every configured pair, by market and name.
    pub fn all(&self) -> &[NamedPair<M>] {
        &self.named
    }
}
