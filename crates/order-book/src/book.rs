//! The owned book of one venue and pair: sequenced, sorted, uncrossed, or not live at all.
//!
//! Kept true by every method (invariant I12):
//! 1. A live book is strictly sorted, has positive prices and quantities, at most [`DEPTH_MAX`] levels a side, and its best bid
//!    is below its best ask.
//! 2. Its id advances only by deltas that continue it, or by a snapshot.
//! 3. A book that is not live is empty. Only a snapshot makes it live.
//!
//! A *top* of the venue's best-bid-offer channel that is newer than the book by the ids that both share overlays it: its two levels
//! are shown as the best, better ones are hidden, worse ones stay. It goes as soon as the book itself reaches its id. It never makes
//! a book live, and one that contradicts the book at the very same id costs the book its trust.
//!
//! Start at [`OrderBook::apply`].

use crate::ladder::{Ladder, Levels, Top};
use domain::mutants::{self, Mutant};
use domain::{BookBody, Level, ResyncReason};

/// Levels kept a side; deeper ones are trimmed after every update, and one delta may carry at most as many a side.
///
/// A trimmed level is forgotten, not parked: when better levels go away later, the book is merely shallower than the venue's until
/// the next snapshot, so that depth beyond the trim is understated and never invented. No Gate stream sends more than 400 levels.
pub const DEPTH_MAX: usize = 1000;

/// A single-writer book of one venue and pair. All memory is taken by [`OrderBook::new`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderBook {
    id: u64,
    live: bool,
    bids: Ladder<true>,
    asks: Ladder<false>,
    /// A newer top than the ladders': its id, best bid, best ask.
    overlay: Option<(u64, Top, Top)>,
}

/// What an update did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// False: contents and trust are certainly as before. Also false for a delta that only advances the id.
    pub changed: bool,
    /// The best level of a side (price or quantity) is another one, or the book became live or stopped being so.
    pub top_changed: bool,
    /// A delta that ends at or before the book's id: a duplicate or a replay, ignored.
    pub stale: bool,
}

/// What was wrong with an update. The book is empty and not live until the next snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BookFault {
    /// A delta does not continue the book.
    #[error("delta starts at id {first} but the book is at {have}")]
    Gap {
        /// The book's id.
        have: u64,
        /// The delta's first id.
        first: u64,
    },
    /// The best bid is not below the best ask.
    #[error("best bid is at or above best ask")]
    Crossed,
    /// A snapshot is not strictly sorted best first, or has a zero quantity.
    #[error("snapshot levels are unsorted, repeated or empty")]
    Unsorted,
    /// The best-bid-offer channel states other prices for the very id that the book is at.
    #[error("the ticker's top differs from the book's at id {id}")]
    TopDiffers {
        /// The id of both.
        id: u64,
    },
    /// A delta has more than [`DEPTH_MAX`] levels on a side.
    #[error("delta has more levels than a whole book may have")]
    Overflow,
}

impl BookFault {
    /// The reason to name when asking for a new snapshot. The contract has none for unsorted contents: what cannot have been the
    /// venue's state is treated as if something had been missed, [`ResyncReason::Gap`].
    pub const fn reason(&self) -> ResyncReason {
        match self {
            BookFault::Gap { .. } | BookFault::Unsorted => ResyncReason::Gap,
            BookFault::Crossed => ResyncReason::Crossed,
            BookFault::Overflow => ResyncReason::Overflow,
            BookFault::TopDiffers { .. } => ResyncReason::Audit,
        }
    }
}

impl Default for OrderBook {
    fn default() -> OrderBook {
        OrderBook::new()
    }
}

impl OrderBook {
    /// An empty book that is not live.
    pub fn new() -> OrderBook {
        OrderBook { id: 0, live: false, bids: Ladder::new(), asks: Ladder::new(), overlay: None }
    }

    /// Takes in what happened to the book.
    ///
    /// A snapshot replaces everything, whatever its id (a venue may restart its counter). Deltas and evidence are ignored while
    /// the book is not live; a delta that overlaps the book's id is applied whole, since its quantities are absolute. Evidence
    /// changes nothing here: [`crate::TrackedBook`] uses it for the age.
    ///
    /// # Errors
    /// [`BookFault`]; the book is then empty and not live.
    pub fn apply(&mut self, body: &BookBody) -> Result<Applied, BookFault> {
        let applied = match body {
            BookBody::Snapshot { id, bids, asks } => self.apply_snapshot(*id, bids, asks),
            BookBody::Delta { first, last, bids, asks } => self.apply_delta(*first, *last, bids, asks),
            BookBody::Top { id, bid, ask } => self.apply_top(*id, *bid, *ask),
            BookBody::Evidence { .. } => Ok(Applied::default()),
            BookBody::Untrusted { .. } => {
                let was_live = self.live;
                self.drop_trust();
                Ok(Applied { changed: was_live, top_changed: was_live, stale: false })
            }
        };
        if applied.is_err() {
            self.drop_trust();
        }
        applied
    }

    fn apply_snapshot(&mut self, id: u64, bids: &[Level], asks: &[Level]) -> Result<Applied, BookFault> {
        if !Ladder::<true>::is_snapshot(bids) || !Ladder::<false>::is_snapshot(asks) {
            return Err(BookFault::Unsorted);
        }
        let (was_live, top) = (self.live, self.top());
        // A counter that fell was started anew, also inside a stream that goes on: no older top can be told from a newer one by its
        // id, and the overlay would stay for good.
        let restarted = was_live && id < self.id;
        let overlaid = self.overlay.take_if(|(newest, ..)| restarted || id >= *newest).is_some();
        let bids_changed = self.bids.replace(bids, DEPTH_MAX) || overlaid;
        let asks_changed = self.asks.replace(asks, DEPTH_MAX);
        self.refuse_crossed()?;
        self.id = id;
        self.live = true;
        Ok(Applied {
            changed: bids_changed || asks_changed || !was_live,
            top_changed: top != self.top() || !was_live,
            stale: false,
        })
    }

    fn apply_delta(&mut self, first: u64, last: u64, bids: &[Level], asks: &[Level]) -> Result<Applied, BookFault> {
        if !self.live {
            return Ok(Applied::default());
        }
        if last <= self.id {
            return Ok(Applied { stale: true, ..Applied::default() });
        }
        // `last > id`, so `id + 1` cannot overflow. A range that runs backwards (`first > last`) ends here too.
        if first > self.id + 1 && !mutants::active(Mutant::GapIgnored) {
            return Err(BookFault::Gap { have: self.id, first });
        }
        if bids.len() > DEPTH_MAX || asks.len() > DEPTH_MAX {
            return Err(BookFault::Overflow);
        }
        let top = self.top();
        let mut changed = false;
        if self.overlay.is_some_and(|(id, ..)| last >= id) {
            self.overlay = None;
            changed = true;
        }
        for level in bids {
            changed |= self.bids.set(*level);
        }
        for level in asks {
            changed |= self.asks.set(*level);
        }
        // Trimmed once at the end: the outcome must not depend on the order of the levels inside the delta.
        self.bids.trim(DEPTH_MAX);
        self.asks.trim(DEPTH_MAX);
        self.refuse_crossed()?;
        self.id = last;
        Ok(Applied { changed, top_changed: top != self.top(), stale: false })
    }

    fn apply_top(&mut self, id: u64, bid: Option<Level>, ask: Option<Level>) -> Result<Applied, BookFault> {
        if !self.live {
            return Ok(Applied::default());
        }
        if id < self.id || self.overlay.is_some_and(|(newest, ..)| id < newest) {
            return Ok(Applied { stale: true, ..Applied::default() });
        }
        if matches!((bid, ask), (Some(bid), Some(ask)) if bid.price >= ask.price) {
            return Err(BookFault::Crossed);
        }
        if id == self.id {
            let price = |level: Option<Level>| level.map(|l| l.price);
            let same = price(bid) == price(self.bids.best()) && price(ask) == price(self.asks.best());
            return if same { Ok(Applied::default()) } else { Err(BookFault::TopDiffers { id }) };
        }
        let top = self.top();
        // A top whose quantity rounds to nothing in this scale is a level that cannot be traded: the side's best is not known.
        let shown = |level: Option<Level>| Top::of(level.filter(|l| !l.qty.is_zero()));
        self.overlay = Some((id, shown(bid), shown(ask)));
        let top_changed = top != self.top();
        Ok(Applied { changed: top_changed, top_changed, stale: false })
    }

    fn refuse_crossed(&self) -> Result<(), BookFault> {
        if self.is_crossed() && !mutants::active(Mutant::CrossedAccepted) { Err(BookFault::Crossed) } else { Ok(()) }
    }

    /// Crossed or locked.
    fn is_crossed(&self) -> bool {
        let crossed = |bid: Option<Level>, ask: Option<Level>| matches!((bid, ask), (Some(b), Some(a)) if b.price >= a.price);
        crossed(self.bids.best(), self.asks.best()) || crossed(self.best_bid(), self.best_ask())
    }

    fn top(&self) -> (Option<Level>, Option<Level>) {
        (self.best_bid(), self.best_ask())
    }

    /// Empties the book; only a snapshot makes it live again. The id stays readable.
    pub fn drop_trust(&mut self) {
        // Planted bug: a book that lost trust is traded on.
        if mutants::active(Mutant::UntrustedTraded) {
            return;
        }
        self.live = false;
        self.overlay = None;
        self.bids.clear();
        self.asks.clear();
    }

    /// True while the contents are an unbroken continuation of a snapshot. Freshness is judged elsewhere.
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// The venue's id of this state; of the last known state when not live, zero before the first.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Highest bid; `None` for an empty side, which is legal.
    pub fn best_bid(&self) -> Option<Level> {
        match self.overlay {
            Some((_, bid, _)) => bid.level(),
            None => self.bids.best(),
        }
    }

    /// Lowest ask; `None` for an empty side, which is legal.
    pub fn best_ask(&self) -> Option<Level> {
        match self.overlay {
            Some((_, _, ask)) => ask.level(),
            None => self.asks.best(),
        }
    }

    /// The id of a newer top that overlays the book, if one does.
    pub fn overlay_id(&self) -> Option<u64> {
        self.overlay.map(|(id, ..)| id)
    }

    /// Bids, best first.
    pub fn bids(&self) -> Levels<'_> {
        self.bids.best_first(self.overlay.map(|(_, bid, _)| bid))
    }

    /// Asks, best first.
    pub fn asks(&self) -> Levels<'_> {
        self.asks.best_first(self.overlay.map(|(_, _, ask)| ask))
    }

    /// Number of bid and ask levels held, whatever overlays them.
    pub fn depth(&self) -> (usize, usize) {
        (self.bids.len(), self.asks.len())
    }

    /// Walks the whole book for invariant I12, independently of how it came about; for tests and the simulator.
    ///
    /// # Errors
    /// One sentence on what is broken.
    pub fn check(&self) -> Result<(), String> {
        let (bids, asks) = self.depth();
        if !self.live && (bids, asks) != (0, 0) {
            return Err(format!("book {} is not live but holds {bids} bids and {asks} asks", self.id));
        }
        if bids > DEPTH_MAX || asks > DEPTH_MAX {
            return Err(format!("book {} holds {bids} bids and {asks} asks, more than {DEPTH_MAX}", self.id));
        }
        if !self.bids.is_sound() {
            return Err(format!("book {}: bids are not strictly sorted with positive prices and quantities", self.id));
        }
        if !self.asks.is_sound() {
            return Err(format!("book {}: asks are not strictly sorted with positive prices and quantities", self.id));
        }
        if self.is_crossed() {
            return Err(format!("book {}: crossed or locked, {:?}", self.id, self.top()));
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
