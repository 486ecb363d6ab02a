//! What is known of every (venue, pair): the owned book, the rules, the fees. One dense table, read by detection, sizing and
//! hedging alike; and what every asset is worth by it.

use crate::valuation::{Valuation, Worth};
use domain::{
    AssetId, BookBody, BookUpdate, ClockOffset, FeeRates, InstrumentRules, MonoNanos, PairId, Rate, ResyncReason, Tables, VenueId,
};
use order_book::{Applied, BookFault, TrackedBook, VenueLag};
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
    /// What is known of every venue's lag.
    lags: Vec<VenueLag>,
    valuation: Valuation,
}

impl Market {
    /// An empty market of these tables.
    pub fn new(tables: Arc<Tables>) -> Market {
        let cells = vec![VenuePair::default(); tables.venues.len() * tables.pairs.len()];
        let lags = vec![VenueLag::default(); tables.venues.len()];
        let valuation = Valuation::new(&tables, None);
        Market { tables, cells, lags, valuation }
    }

    /// The names and scales.
    pub fn tables(&self) -> &Arc<Tables> {
        &self.tables
    }

    /// Takes in news of a book, and how late it came.
    ///
    /// # Errors
    /// As [`TrackedBook::handle`].
    ///
    /// # Panics
    /// As [`Market::at`].
    pub fn handle_book(&mut self, update: &BookUpdate) -> Result<Applied, BookFault> {
        let index = self.index(update.venue, update.pair);
        let lag = &mut self.lags[update.venue.index()];
        if matches!(update.body, BookBody::Untrusted { reason: ResyncReason::Paused }) {
            lag.forget();
        }
        self.cells[index].book.handle(update, lag)
    }

    /// Takes in a measure of a venue's clock.
    pub fn handle_clock(&mut self, now: MonoNanos, offset: &ClockOffset) {
        if let Some(lag) = self.lags.get_mut(offset.venue.index()) {
            lag.measured(now, offset);
        }
    }

    /// States limits in this asset; without one, in the only quote of the pairs.
    pub fn set_reference(&mut self, reference: Option<AssetId>) {
        self.valuation = Valuation::new(&self.tables, reference);
    }

    /// Looks at the books of a pair for what its assets are worth now: [`Valuation::refresh`]. Only books that are live and not older
    /// than `age_max_ns` count, and only within `collar` of each other.
    pub fn revalue(&mut self, pair: PairId, age_max_ns: u64, collar: Rate, now: MonoNanos) {
        let venues = self.tables.venues.len();
        let cells = self.cells.get(pair.index() * venues..(pair.index() + 1) * venues).unwrap_or_default();
        self.valuation.refresh(pair, cells, age_max_ns, collar, now);
    }

    /// What an asset is worth in the reference by books that were trusted at the last look.
    pub fn worth(&self, asset: AssetId) -> Option<Worth> {
        self.valuation.worth(asset)
    }

    /// What every asset is worth.
    pub fn valuation(&self) -> &Valuation {
        &self.valuation
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
