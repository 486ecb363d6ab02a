//! One book kept by a stream that carries its own snapshots: a whole book, then changes on it, until the chain breaks.
//!
//! The state machine of a venue that sends the whole book first and again whenever it likes, and numbers the messages of a
//! stream. It is told of whole books ([`SnapshotSync::on_whole`]) and of changes ([`SnapshotSync::on_change`]), passes on what
//! the engine may use, and asks for the stream to be left and asked for again ([`SnapshotSync::take_resubscribe`]) when it needs
//! another whole book. A message has two numbers: one that counts on its connection ([`Change::previous`], [`Change::number`]),
//! and one that orders states of the book whichever way they came ([`Whole::id`]), which is what the engine holds.
//!
//! Promises:
//! 1. A book leaves trust at once, and comes back only with a whole book that came after the fault.
//! 2. Changes are applied only on the whole book of their own connection, each on its predecessor. Numbers of two connections are
//!    never mixed: while two carry the stream, the second builds its book beside and takes over as a whole, once it is as new as
//!    what the engine holds ([`SnapshotSync::gone`]).
//! 3. What is asked for again is spread out by growing, jittered waits.
//! 4. A stream that tells nothing while the tops of its book move on is asked for again ([`SnapshotSync::on_top`]).
//!
//! [`crate::book_sync`] is for venues whose snapshots come by another way than the stream.

use crate::backoff::backoff_ns;
use crate::book_sync::{Stamps, SyncOut};
use crate::levels::{BookSide, apply_changes, is_crossed};
use crate::overtaken::Overtaken;
use crate::session::LinkId;
use crate::stats::StreamStats;
use domain::mutants::{self, Mutant};
use domain::time::{MILLI, SECOND};
use domain::{BookBody, BookUpdate, Input, Level, MonoNanos, PairId, ResyncReason, VenueId};

/// Back-off of asking for the stream again: the first wait and the longest. The first time there is none.
const RENEW_FIRST_NS: u64 = 200 * MILLI;
const RENEW_MAX_NS: u64 = 5 * SECOND;
/// A book that was live for this long starts its back-off anew.
const STABLE_NS: u64 = 10 * SECOND;
/// This many old messages in a row: the venue numbers anew.
const FALLEN_MAX: u32 = 20;
/// A connection that is to carry the book alone is believed after this long, even if its book seems to be the older one.
const CATCH_UP_NS: u64 = SECOND;
/// Levels a side of a book that is built beside.
const LEVELS_MAX: usize = 5000;

/// A whole book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    /// Its number on its connection.
    pub number: u64,
    /// Orders it among all states of this book.
    pub id: u64,
    /// Descending, none of them zero.
    pub bids: Vec<Level>,
    /// Ascending, none of them zero.
    pub asks: Vec<Level>,
}

/// A change of a book: absolute quantities by price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The number of what it continues on its connection.
    pub previous: u64,
    /// Its number on its connection.
    pub number: u64,
    /// Orders the state that it makes among all states of this book.
    pub id: u64,
    /// Changed bids, descending; zero deletes.
    pub bids: Vec<Level>,
    /// Changed asks, ascending; zero deletes.
    pub asks: Vec<Level>,
}

/// What the engine holds.
#[derive(Clone, Copy, Debug)]
struct Live {
    link: LinkId,
    number: u64,
    id: u64,
}

/// The book of another connection than the one whose book the engine holds.
#[derive(Clone, Debug)]
struct Beside {
    link: LinkId,
    book: Whole,
    stamps: Stamps,
}

/// One book's sequence. See the module's docs.
pub struct SnapshotSync {
    venue: VenueId,
    pair: PairId,
    /// Position in [`crate::SessionStats::streams`].
    stream: usize,
    live: Option<Live>,
    beside: Option<Beside>,
    /// The connection of what the engine holds is gone; when the other one is believed at the latest.
    seam: Option<MonoNanos>,
    /// Why trust was last lost; `None` while live or before the first message.
    reason: Option<ResyncReason>,
    live_since: MonoNanos,
    fallen: u32,
    overtaken: Overtaken,
    /// When the stream is to be left and asked for again.
    renew: Option<MonoNanos>,
    /// Times it was asked for again since the book was last stable.
    attempts: u32,
    stopped: bool,
}

impl SnapshotSync {
    /// A book of which nothing is known. `stream` is its position in [`crate::SessionStats::streams`].
    pub const fn new(venue: VenueId, pair: PairId, stream: usize) -> SnapshotSync {
        SnapshotSync {
            venue,
            pair,
            stream,
            live: None,
            beside: None,
            seam: None,
            reason: None,
            live_since: MonoNanos(0),
            fallen: 0,
            overtaken: Overtaken::NONE,
            renew: None,
            attempts: 0,
            stopped: false,
        }
    }

    /// Which pair.
    pub const fn pair(&self) -> PairId {
        self.pair
    }

    /// True once each time the stream should be left and asked for again. Poll it after every call.
    pub fn take_resubscribe(&mut self, now: MonoNanos) -> bool {
        let due = self.renew.is_some_and(|at| at <= now);
        if due {
            self.renew = None;
        }
        due && !mutants::active(Mutant::FeedForgotten)
    }

    /// When [`SnapshotSync::timeout`] or [`SnapshotSync::take_resubscribe`] has something to do.
    pub fn next_timeout(&self) -> Option<MonoNanos> {
        [self.renew, self.seam, self.overtaken.deadline()].into_iter().flatten().min()
    }

    /// Asks for nothing any more.
    pub const fn stop(&mut self) {
        self.stopped = true;
        self.renew = None;
        self.overtaken.clear();
    }

    /// Takes the book out of trust and has its stream asked for again.
    pub fn resync(&mut self, reason: ResyncReason, now: MonoNanos, out: &mut SyncOut<'_>) {
        self.distrust(reason, now, out);
        if self.renew.is_some() || self.stopped {
            return;
        }
        let attempt = self.attempts;
        self.attempts = attempt.saturating_add(1);
        let wait = |n| out.jitter.spread(backoff_ns(RENEW_FIRST_NS, RENEW_MAX_NS, n));
        self.renew = Some(attempt.checked_sub(1).map(wait).map_or(now, |wait| now.after(wait)));
    }

    /// Takes the book out of trust. Its stream is asked for again by others, or comes by itself.
    pub fn distrust(&mut self, reason: ResyncReason, now: MonoNanos, out: &mut SyncOut<'_>) {
        if self.live.take().is_some() && now.since(self.live_since) >= STABLE_NS {
            self.attempts = 0;
        }
        self.seam = None;
        self.fallen = 0;
        self.overtaken.clear();
        if self.reason != Some(reason) {
            self.reason = Some(reason);
            out.stats.resync(reason);
            let stamps = Stamps { received: now, sent_at: None, changed_at: None };
            self.pass(stamps, BookBody::Untrusted { reason }, out);
        }
    }

    /// A connection is gone, or about to be closed. What the engine holds of it stays until another one has built a book that is
    /// as new, or for a second, unless it is told that none is to ([`SnapshotSync::down`]).
    pub fn gone(&mut self, link: LinkId, now: MonoNanos, out: &mut SyncOut<'_>) {
        self.beside.take_if(|beside| beside.link == link);
        if self.seam.is_none() && self.live.is_some_and(|live| live.link == link) {
            self.seam = Some(now.after(CATCH_UP_NS));
            self.take_over_if_due(out);
        }
    }

    /// True while an open connection carries the book: what it does not say has not changed.
    pub const fn is_carried(&self) -> bool {
        self.beside.is_some() || (self.live.is_some() && self.seam.is_none())
    }

    /// No connection is there to carry this book on. A book that another one has built meanwhile takes its place.
    pub fn down(&mut self, reason: ResyncReason, now: MonoNanos, out: &mut SyncOut<'_>) {
        self.renew = None;
        if self.beside.is_some() {
            return self.take_over(out);
        }
        self.distrust(reason, now, out);
    }

    /// Everything that was heard is old.
    pub fn forget(&mut self, reason: ResyncReason, now: MonoNanos, out: &mut SyncOut<'_>) {
        self.beside = None;
        self.down(reason, now, out);
    }

    /// Whatever is due.
    pub fn timeout(&mut self, now: MonoNanos, out: &mut SyncOut<'_>) {
        if self.seam.is_some_and(|at| at <= now) {
            match self.beside {
                Some(_) => self.take_over(out),
                // The connection that is to carry it has not told its book yet: it does not go on without end as that of a dead one.
                None => self.distrust(ResyncReason::Reconnect, now, out),
            }
        }
        if self.overtaken.take_due(now) {
            self.resync(ResyncReason::Audit, now, out);
        }
    }

    /// The best prices of this book, which another stream told, with the id that orders them among its states.
    pub fn on_top(&mut self, id: u64, now: MonoNanos) {
        if !self.stopped {
            self.overtaken.top_came(id, self.live.map(|live| live.id), now);
        }
    }

    /// A whole book, which replaces what is there. The first one of a connection, and the first after a fault, says nothing of
    /// lag: it answers a subscription, and may be stamped with the time of its last change.
    pub fn on_whole(&mut self, link: LinkId, whole: Whole, mut stamps: Stamps, out: &mut SyncOut<'_>) {
        let known = |live: Live| live.link == link;
        if self.live.is_some_and(known) {
            return self.go_live(link, whole, stamps, out);
        }
        if self.beside.as_ref().is_none_or(|beside| beside.link != link) {
            stamps.sent_at = None;
        }
        if self.live.is_none() {
            return self.go_live(link, whole, stamps, out);
        }
        self.beside = Some(Beside { link, book: whole, stamps });
        self.take_over_if_due(out);
    }

    /// A change. On a live book of its connection it continues the chain, is old, or shows a gap.
    pub fn on_change(&mut self, link: LinkId, change: Change, stamps: Stamps, out: &mut SyncOut<'_>) {
        self.overtaken.clear();
        let Some(live) = self.live else {
            // Of the subscription that is being left, or before its whole book.
            return self.count(out, |stream| stream.stale += 1);
        };
        if live.link != link {
            return self.on_change_beside(link, change, stamps, out);
        }
        if change.number <= live.number && change.id <= live.id {
            self.count(out, |stream| stream.stale += 1);
            self.fallen += 1;
            if self.fallen >= FALLEN_MAX {
                self.resync(ResyncReason::ResetByVenue, stamps.received, out);
            }
            return;
        }
        let continues = change.previous == live.number && change.number > live.number;
        if !continues && !mutants::active(Mutant::GapIgnored) {
            self.count(out, |stream| stream.gaps += 1);
            return self.resync(ResyncReason::Gap, stamps.received, out);
        }
        // The engine's ids must rise with every change, also where the venue's number of states does not.
        let id = change.id.max(live.id.saturating_add(1));
        self.live = Some(Live { link, number: change.number, id });
        self.fallen = 0;
        self.count(out, |stream| stream.applied += 1);
        let Change { bids, asks, .. } = change;
        self.pass(stamps, BookBody::Delta { first: live.id.saturating_add(1), last: id, bids, asks }, out);
    }

    /// A change on a connection whose book the engine does not hold.
    fn on_change_beside(&mut self, link: LinkId, change: Change, stamps: Stamps, out: &mut SyncOut<'_>) {
        self.count(out, |stream| stream.stale += 1);
        let Some(beside) = self.beside.as_mut().filter(|beside| beside.link == link) else { return };
        let book = &mut beside.book;
        let sound = change.previous == book.number
            && apply_changes(&mut book.bids, &change.bids, BookSide::Bids)
            && apply_changes(&mut book.asks, &change.asks, BookSide::Asks)
            && book.bids.len().max(book.asks.len()) <= LEVELS_MAX;
        if !sound {
            // Of no use without a whole book. If it is to carry the stream alone, its next change shows a gap.
            self.beside = None;
            if self.seam.is_some() {
                self.resync(ResyncReason::Gap, stamps.received, out);
            }
            return;
        }
        book.number = change.number;
        book.id = change.id.max(book.id);
        beside.stamps = stamps;
        self.take_over_if_due(out);
    }

    fn take_over_if_due(&mut self, out: &mut SyncOut<'_>) {
        let (Some(live), Some(beside)) = (self.live, &self.beside) else { return };
        let believed = self.seam.is_some_and(|at| at <= beside.stamps.received);
        if beside.book.id >= live.id || believed {
            self.take_over(out);
        }
    }

    fn take_over(&mut self, out: &mut SyncOut<'_>) {
        if let Some(Beside { link, book, stamps }) = self.beside.take() {
            self.go_live(link, book, stamps, out);
        }
    }

    fn go_live(&mut self, link: LinkId, whole: Whole, stamps: Stamps, out: &mut SyncOut<'_>) {
        if is_crossed(&whole.bids, &whole.asks) && !mutants::active(Mutant::CrossedAccepted) {
            return self.resync(ResyncReason::Crossed, stamps.received, out);
        }
        if self.live.is_none() {
            self.live_since = stamps.received;
        }
        let Whole { number, id, bids, asks } = whole;
        self.live = Some(Live { link, number, id });
        self.beside.take_if(|beside| beside.link == link);
        self.seam = None;
        self.reason = None;
        self.renew = None;
        self.fallen = 0;
        self.overtaken.clear();
        self.count(out, |stream| stream.snapshots += 1);
        self.pass(stamps, BookBody::Snapshot { id, bids, asks }, out);
    }

    fn pass(&self, stamps: Stamps, body: BookBody, out: &mut SyncOut<'_>) {
        let Stamps { received, sent_at, changed_at } = stamps;
        out.updates.push(Input::Book(BookUpdate { venue: self.venue, pair: self.pair, received, changed_at, sent_at, body }));
    }

    fn count(&self, out: &mut SyncOut<'_>, bump: impl FnOnce(&mut StreamStats)) {
        if let Some(stream) = out.stats.streams.get_mut(self.stream) {
            bump(stream);
        }
    }
}

#[cfg(test)]
#[path = "snapshot_sync_tests.rs"]
mod tests;
