//! Which books a hedge may be priced by: the ones that openings are priced by, by the same rules.
//!
//! A book that is not live, older than its limit, late (`TrackedBook::is_late`), or whose mid is off the collar of the others is not to be
//! trusted: its better price may be what the market was a while ago, and an order at it ends unfilled, over and over. What hedges then
//! is the ladder's last rung, an order without a book at the flatten cap's price (`hedge.rs`): nothing waits for a book that may never
//! come, and the cost stays within that cap.
//!
//! In the collar only books count that are in time themselves. A book with an empty side has no mid that could be off; the caps bound it.

use crate::Executor;
use domain::mutants::{self, Mutant};
use domain::time::MILLI;
use domain::{MonoNanos, PairId, VenueId};
use order_book::collar::mid_x2;
use order_book::{TrackedBook, collar_reference};
use risk::Market;

/// While flattening, a spent book is waited for no longer than this: one frame of the slowest feed used for trading.
const SPENT_BOOK_WAIT_FLATTENING: u64 = 100 * MILLI;

/// What a venue's book is to a hedge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// Trusted, and newer than our orders there.
    Clear,
    /// Trusted but spent: it may come anew until then.
    Spent(MonoNanos),
    /// Not to be trusted, or spent and silent.
    Blind,
}

impl Executor {
    pub(crate) fn sight(&self, venue: VenueId, pair: PairId, now: MonoNanos, market: &Market) -> Sight {
        if !self.is_trusted(venue, pair, now, market) {
            return Sight::Blind;
        }
        if self.is_renewed(venue, pair, market) {
            return Sight::Clear;
        }
        let most = if self.flattening { SPENT_BOOK_WAIT_FLATTENING } else { u64::MAX };
        let wait = self.config.spent_book_wait_ns.min(most);
        match self.spent.since(venue, pair).map(|spent| spent.after(wait)) {
            Some(until) if now < until => Sight::Spent(until),
            _ => Sight::Blind,
        }
    }

    fn is_trusted(&self, venue: VenueId, pair: PairId, now: MonoNanos, market: &Market) -> bool {
        let gates = self.config.books;
        let book = &market.at(venue, pair).book;
        // Planted bugs: age does not count, and a book that lost its trust still has prices.
        let aged = book.age_ns(now) > gates.age_max_ns && !mutants::active(Mutant::AgeIgnored);
        if mutants::active(Mutant::UntrustedTraded) {
            return !aged;
        }
        let in_time = |book: &TrackedBook| !book.is_late(gates.lag_max_ns, gates.lag_must_be_known);
        if aged || !book.is_live() || !in_time(book) {
            return false;
        }
        let Some(mid) = mid_x2(book) else { return true };
        let cells = market.venues_of(pair);
        let books = || cells.iter().map(|cell| &cell.book).filter(|book| in_time(book));
        let reference = collar_reference(books(), gates.age_max_ns, now);
        let trusted = books().filter(|book| book.is_live() && book.age_ns(now) <= gates.age_max_ns);
        reference.holds_one(mid, trusted.filter_map(mid_x2), gates.collar)
    }
}
