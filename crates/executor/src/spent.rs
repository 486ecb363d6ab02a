//! Books that our own orders have spent: a book that did not come anew since our last order on it was sent or ended still shows
//! quantities that we took. Neither openings ([`Executor::is_renewed`]) nor hedges (`hedge.rs`) are priced from one.

use crate::Executor;
use domain::{MonoNanos, PairId, VenueId};
use risk::Market;

/// When our last order on each book was sent or ended, by (pair, venue); zero before the first.
#[derive(Clone, Debug)]
pub(crate) struct SpentBooks {
    venues: usize,
    at: Vec<MonoNanos>,
}

impl SpentBooks {
    pub(crate) fn new(venues: usize, pairs: usize) -> SpentBooks {
        SpentBooks { venues, at: vec![MonoNanos(0); venues * pairs] }
    }

    /// An order of ours was sent there, or its end became known.
    pub(crate) fn mark(&mut self, venue: VenueId, pair: PairId, now: MonoNanos) {
        if let Some(at) = self.at.get_mut(pair.index() * self.venues + venue.index()) {
            *at = now.max(*at);
        }
    }

    /// Since when the book is spent, should it not have come anew: `None` before our first order there.
    pub(crate) fn since(&self, venue: VenueId, pair: PairId) -> Option<MonoNanos> {
        self.at.get(pair.index() * self.venues + venue.index()).copied().filter(|at| *at > MonoNanos(0))
    }

    /// Another process: its times mean nothing, and none of its books is left.
    pub(crate) fn forget(&mut self) {
        self.at.fill(MonoNanos(0));
    }
}

impl Executor {
    /// Whether the book of a venue came anew since our last order there was sent or ended.
    pub fn is_renewed(&self, venue: VenueId, pair: PairId, market: &Market) -> bool {
        self.spent.since(venue, pair).is_none_or(|spent| market.at(venue, pair).book.arrived_at() > spent)
    }
}
