//! What is known of every (venue, pair): the owned book, the rules, the fees. One dense table, read by detection, sizing and
//! hedging alike.

use domain::{FeeRates, InstrumentRules, PairId, Tables, VenueId};
use order_book::TrackedBook;
use std::sync::Arc;

/// One venue's side of one pair.
#[derive(Clone, Default)]
pub struct VenuePair {
    /// The owned book with its stamps.
    pub book: TrackedBook,
    /// What the venue accepts; `None` where it does not list the pair, or nothing was told yet.
    pub rules: Option<InstrumentRules>,
    /// What the venue charges; `None` until told: then nothing is traded there.
    pub fees: Option<FeeRates>,
}

/// The table.
pub struct Market {
    tables: Arc<Tables>,
    cells: Vec<VenuePair>,
}

impl Market {
    /// An empty market of these tables.
    pub fn new(tables: Arc<Tables>) -> Market {
        let cells = vec![VenuePair::default(); tables.venues.len() * tables.pairs.len()];
        Market { tables, cells }
    }

    /// The names and scales.
    pub fn tables(&self) -> &Arc<Tables> {
        &self.tables
    }

    fn index(&self, venue: VenueId, pair: PairId) -> usize {
        pair.index() * self.tables.venues.len() + venue.index()
    }

    /// One cell.
    ///
    /// # Panics
    /// For ids of another run: every id is made from these tables, and the edge checks what it decodes against them.
    pub fn at(&self, venue: VenueId, pair: PairId) -> &VenuePair {
        &self.cells[self.index(venue, pair)]
    }

    /// One cell, to change.
    ///
    /// # Panics
    /// As [`Market::at`].
    pub fn at_mut(&mut self, venue: VenueId, pair: PairId) -> &mut VenuePair {
        let index = self.index(venue, pair);
        &mut self.cells[index]
    }

    /// All venues' cells of one pair, in venue order.
    pub fn venues_of(&self, pair: PairId) -> &[VenuePair] {
        let venues = self.tables.venues.len();
        &self.cells[pair.index() * venues..(pair.index() + 1) * venues]
    }
}
