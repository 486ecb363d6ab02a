//! One book kept by changes on a fetched copy: hold, fetch, check, chain, and start over when the chain breaks.
//!
//! The state machine of a venue with one stream of changes per book and a separate whole copy. It is told of changes
//! ([`BookSync::on_delta`]) and of copies ([`BookSync::on_copy`]), asks for a copy ([`BookSync::take_fetch`]) and for the stream itself
//! to be asked for again ([`BookSync::take_resubscribe`]), and passes on what the engine may use. How a change names what it
//! continues is the venue's: [`Delta::previous`] and [`Chain`]. A venue whose streams carry whole states too, or whose quiet books
//! are audited against copies, keeps its books with a state machine of its own.
//!
//! Promises:
//! 1. A book leaves trust at once, and comes back only with a copy that provably connects to the stream: a copy is fetched after a
//!    change of the stream came, or it must reach the last id that was passed on.
//! 2. What is passed on is an unbroken chain: a snapshot, then changes whose `first` is the id before plus one.
//! 3. What is held is bounded; at the bound the book starts over and says `overflow`. Copies are asked for with growing, jittered
//!    waits.
//! 4. A stream that tells nothing while the tops of its book move on is asked for again ([`BookSync::on_top`]).
//!
//! Only ids live here; the engine holds the levels, checks again, and asks for a resync of what it finds crossed.

use crate::backoff::{Jitter, backoff_ns};
use crate::levels::is_crossed;
use crate::overtaken::Overtaken;
use crate::stats::SessionStats;
use domain::mutants::{self, Mutant};
use domain::time::{MILLI, SECOND};
use domain::{BookBody, BookUpdate, Input, Level, MonoNanos, PairId, ResyncReason, SendStamp, VenueId, VenueNanos};
use std::collections::VecDeque;

/// Changes held while a copy is fetched; beyond it the book starts over.
pub const HELD_DELTAS_MAX: usize = 2048;
/// Levels held while a copy is fetched.
pub const HELD_LEVELS_MAX: usize = 65_536;
/// Back-off of copies: the first wait and the longest.
const FETCH_FIRST_NS: u64 = 200 * MILLI;
const FETCH_MAX_NS: u64 = 5 * SECOND;
/// Copies in a row that did not help before the stream itself is asked for again.
const FETCHES_BEFORE_RESUBSCRIBE: u32 = 8;
/// A book that was live for this long starts its back-off anew. So does one that was live until its stream ended: the copy did help.
const STABLE_NS: u64 = 10 * SECOND;
/// This many changes in a row with ids that fell: the venue numbers anew.
const FALLEN_DELTAS: u32 = 20;

/// How a change continues a live book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chain {
    /// It may overlap what is there (`U ≤ last u + 1`): quantities are absolute, so the overlap is cut off by number.
    Overlap,
    /// It names exactly what it continues (`pu == last u`). Only the first one after a copy, or after a change of connection
    /// ([`BookSync::expect_seam`]), may overlap.
    Linked,
}

/// A change of a book: absolute quantities by price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    /// The id of the state that it continues.
    pub previous: u64,
    /// Its own last id.
    pub last: u64,
    /// Changed bids, descending; zero deletes.
    pub bids: Vec<Level>,
    /// Changed asks, ascending; zero deletes.
    pub asks: Vec<Level>,
}

/// A whole book from elsewhere than the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookCopy {
    /// Its id.
    pub id: u64,
    /// Descending.
    pub bids: Vec<Level>,
    /// Ascending.
    pub asks: Vec<Level>,
    /// When the book last changed, where told.
    pub changed_at: Option<VenueNanos>,
}

/// Why there is no copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyFault {
    /// Not answered, refused, or unreadable.
    Failed,
    /// Its numbers do not fit the scale of the pair.
    Scale,
}

/// Stamps of one change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamps {
    /// When it was received.
    pub received: MonoNanos,
    /// When the venue sent it, where told.
    pub sent_at: Option<SendStamp>,
    /// When the book last changed, where told.
    pub changed_at: Option<VenueNanos>,
}

/// What the state machine writes to while it works.
pub struct SyncOut<'a> {
    /// Inputs for the engine.
    pub updates: &'a mut Vec<Input>,
    /// Counters of the session.
    pub stats: &'a mut SessionStats,
    /// Spreads waits.
    pub jitter: &'a mut Jitter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Not trusted; waits for a copy.
    Waiting,
    /// The engine holds this id.
    Live(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fetch {
    None,
    Due(MonoNanos),
    Asked,
}

struct Held {
    delta: Delta,
    stamps: Stamps,
}

/// One book's sequence. See the module's docs.
pub struct BookSync {
    venue: VenueId,
    pair: PairId,
    /// Position in [`SessionStats::streams`].
    stream: usize,
    chain: Chain,
    phase: Phase,
    /// Why trust was last lost; `None` while live or before the first change.
    reason: Option<ResyncReason>,
    live_since: MonoNanos,
    /// When the newest change that was passed on was received.
    proved: MonoNanos,
    /// The next change may overlap although the chain is linked.
    seam: bool,
    fallen: u32,
    overtaken: Overtaken,
    /// An unbroken chain of changes that a copy must reach.
    held: VecDeque<Held>,
    held_levels: usize,
    /// A copy at or past this id is good even when nothing is held.
    floor: Option<u64>,
    fetch: Fetch,
    /// Copies asked for since the book was last stable.
    attempts: u32,
    /// Answers to requests of earlier generations are void.
    generation: u64,
    resubscribe: bool,
    stopped: bool,
}

impl BookSync {
    /// A book of which nothing is known. `stream` is its position in [`SessionStats::streams`].
    pub fn new(venue: VenueId, pair: PairId, stream: usize, chain: Chain) -> BookSync {
        BookSync {
            venue,
            pair,
            stream,
            chain,
            phase: Phase::Waiting,
            reason: None,
            live_since: MonoNanos(0),
            proved: MonoNanos(0),
            seam: false,
            fallen: 0,
            overtaken: Overtaken::NONE,
            held: VecDeque::new(),
            held_levels: 0,
            floor: None,
            fetch: Fetch::None,
            attempts: 0,
            generation: 0,
            resubscribe: false,
            stopped: false,
        }
    }

    /// Which pair.
    pub const fn pair(&self) -> PairId {
        self.pair
    }

    /// The id that the engine holds, or held when it asked for a resync: what a new copy must reach.
    pub const fn known_id(&self) -> Option<u64> {
        match self.phase {
            Phase::Live(id) => Some(id),
            Phase::Waiting => self.floor,
        }
    }

    /// True while the copy of this generation is still wanted.
    pub fn wants(&self, generation: u64) -> bool {
        self.generation == generation && self.fetch == Fetch::Asked
    }

    /// The generation of a copy that must be asked for now. Poll it after every call.
    pub fn take_fetch(&mut self, now: MonoNanos) -> Option<u64> {
        match self.fetch {
            Fetch::Due(at) if at <= now && !self.stopped => {
                self.fetch = Fetch::Asked;
                Some(self.generation)
            }
            _ => None,
        }
    }

    /// When [`BookSync::take_fetch`] or [`BookSync::timeout`] will have something.
    pub fn next_timeout(&self) -> Option<MonoNanos> {
        let fetch = match self.fetch {
            Fetch::Due(at) if !self.stopped => Some(at),
            _ => None,
        };
        [fetch, self.overtaken.deadline()].into_iter().flatten().min()
    }

    /// Whatever is due but copies.
    pub fn timeout(&mut self, now: MonoNanos, out: &mut SyncOut<'_>) {
        if self.overtaken.take_due(now) {
            self.resync(ResyncReason::Audit, None, now, out);
            self.resubscribe = true;
        }
    }

    /// The best prices of this book, which another stream told, with the id of their state.
    pub fn on_top(&mut self, id: u64, now: MonoNanos) {
        if !self.stopped {
            let have = if let Phase::Live(have) = self.phase { Some(have) } else { None };
            self.overtaken.top_came(id, have, now);
        }
    }

    /// True once each time copies kept not helping: the stream should be left and asked for again.
    pub fn take_resubscribe(&mut self) -> bool {
        std::mem::take(&mut self.resubscribe)
    }

    /// The connection that carries the stream changes, or two carry it for a while: the next change may overlap.
    pub fn expect_seam(&mut self) {
        self.seam = true;
    }

    /// Asks for nothing any more.
    pub fn stop(&mut self) {
        self.stopped = true;
        self.overtaken.clear();
    }

    /// Takes the book out of trust and sees to its return. `floor` is an id that a copy must reach to be good on its own.
    pub fn resync(&mut self, reason: ResyncReason, floor: Option<u64>, now: MonoNanos, out: &mut SyncOut<'_>) {
        if matches!(self.phase, Phase::Live(_)) && now.since(self.live_since) >= STABLE_NS {
            self.attempts = 0;
        }
        self.phase = Phase::Waiting;
        self.overtaken.clear();
        self.floor = floor;
        if self.fetch == Fetch::Asked {
            // What is on its way may be older than the fault.
            self.generation += 1;
            self.fetch = Fetch::None;
        }
        if self.reason != Some(reason) {
            self.reason = Some(reason);
            out.stats.resync(reason);
            let stamps = Stamps { received: now, sent_at: None, changed_at: None };
            self.pass(stamps, BookBody::Untrusted { reason }, out);
        }
        self.fetch_if_useful(now, out);
    }

    /// The stream is gone: nothing held or on its way belongs to the next one.
    pub fn down(&mut self, reason: ResyncReason, now: MonoNanos, out: &mut SyncOut<'_>) {
        self.clear_held();
        self.generation += 1;
        self.fetch = Fetch::None;
        self.fallen = 0;
        self.seam = false;
        if matches!(self.phase, Phase::Live(_)) {
            self.attempts = 0;
        }
        self.resync(reason, None, now, out);
    }

    /// One change of the stream.
    pub fn on_delta(&mut self, delta: Delta, stamps: Stamps, out: &mut SyncOut<'_>) {
        self.overtaken.clear();
        let Phase::Live(id) = self.phase else {
            return self.on_early(delta, stamps, out);
        };
        if delta.last <= id {
            return self.on_fallen(delta, stamps, out);
        }
        let continues = match self.chain {
            Chain::Linked if !self.seam => delta.previous == id,
            _ => delta.previous <= id,
        };
        if !continues && !mutants::active(Mutant::GapIgnored) {
            self.hold(delta, stamps);
            self.count(out, |stream| stream.gaps += 1);
            return self.resync(ResyncReason::Gap, None, stamps.received, out);
        }
        self.seam = false;
        self.phase = Phase::Live(delta.last);
        self.fallen = 0;
        self.count(out, |stream| stream.applied += 1);
        self.proved = self.proved.max(stamps.received);
        let Delta { last, bids, asks, .. } = delta;
        // Whatever the venue's own first number is: the engine checks that the chain is unbroken by ours.
        self.pass(stamps, BookBody::Delta { first: id + 1, last, bids, asks }, out);
    }

    /// A change while the book waits for a copy.
    fn on_early(&mut self, delta: Delta, stamps: Stamps, out: &mut SyncOut<'_>) {
        if self.held.back().is_some_and(|held| delta.last <= held.delta.last) {
            // A duplicate, or the same stream over a second connection: what it says is held already. A venue that numbers anew
            // while nothing is live shows in copies that never reach what is held, until that is thrown away.
            self.count(out, |stream| stream.stale += 1);
        } else if self.held.len() >= HELD_DELTAS_MAX || self.held_levels >= HELD_LEVELS_MAX {
            self.clear_held();
            self.hold(delta, stamps);
            return self.resync(ResyncReason::Overflow, None, stamps.received, out);
        } else if self.hold(delta, stamps) {
            self.count(out, |stream| stream.gaps += 1);
        }
        self.fetch_if_useful(stamps.received, out);
    }

    /// A change that the book holds already: a duplicate, unless there is no end to them.
    fn on_fallen(&mut self, delta: Delta, stamps: Stamps, out: &mut SyncOut<'_>) {
        self.count(out, |stream| stream.stale += 1);
        self.fallen += 1;
        if self.fallen >= FALLEN_DELTAS {
            self.fallen = 0;
            self.clear_held();
            self.hold(delta, stamps);
            self.resync(ResyncReason::ResetByVenue, None, stamps.received, out);
        }
    }

    /// The answer to the request of this generation.
    ///
    /// Copies are cached and answers are slow, and nothing in a copy tells its age. So it is evidence for the time of the newest change
    /// that it holds, and where it need only reach what was passed on, for the time of that.
    pub fn on_copy(&mut self, generation: u64, copy: Result<BookCopy, CopyFault>, now: MonoNanos, out: &mut SyncOut<'_>) {
        if !self.wants(generation) {
            return;
        }
        self.fetch = Fetch::None;
        let copy = match copy {
            Ok(copy) => copy,
            Err(CopyFault::Scale) => return self.resync(ResyncReason::Scale, self.floor, now, out),
            Err(CopyFault::Failed) => return self.fetch_if_useful(now, out),
        };
        if !self.is_reached_by(copy.id) {
            // Older than the stream (the copy is cached), or nothing of the stream is known yet.
            if !self.held.is_empty() || self.floor.is_some() {
                self.resync(ResyncReason::SnapshotStale, self.floor, now, out);
            }
            return;
        }
        if is_crossed(&copy.bids, &copy.asks) && !mutants::active(Mutant::CrossedAccepted) {
            // What is held is still the chain that the next copy must reach.
            return self.resync(ResyncReason::Crossed, self.floor, now, out);
        }
        let id = copy.id;
        let newest = self.held.iter().rev().find(|held| held.delta.last <= id).or(self.held.front());
        let received = newest.map_or(self.proved, |held| held.stamps.received);
        self.live_since = now;
        self.phase = Phase::Live(id);
        self.reason = None;
        self.floor = None;
        self.generation += 1;
        self.fallen = 0;
        self.seam = true;
        self.held_levels = 0;
        let held = std::mem::take(&mut self.held);
        self.count(out, |stream| stream.snapshots += 1);
        // Its way is another one than the stream's: it tells nothing of the stream's lag.
        let stamps = Stamps { received, sent_at: None, changed_at: copy.changed_at };
        self.pass(stamps, BookBody::Snapshot { id, bids: copy.bids, asks: copy.asks }, out);
        for Held { delta, stamps } in held {
            if delta.last <= id {
                // What the copy holds already is no sign of a venue that numbers anew, however many changes waited for it.
                self.count(out, |stream| stream.stale += 1);
            } else {
                self.on_delta(delta, stamps, out);
            }
        }
    }

    fn pass(&self, stamps: Stamps, body: BookBody, out: &mut SyncOut<'_>) {
        let Stamps { received, sent_at, changed_at } = stamps;
        out.updates.push(Input::Book(BookUpdate { venue: self.venue, pair: self.pair, received, changed_at, sent_at, body }));
    }

    fn count(&self, out: &mut SyncOut<'_>, bump: impl FnOnce(&mut crate::stats::StreamStats)) {
        if let Some(stream) = out.stats.streams.get_mut(self.stream) {
            bump(stream);
        }
    }

    fn clear_held(&mut self) {
        self.held.clear();
        self.held_levels = 0;
    }

    /// Holds a change. One that does not continue the chain makes what was held useless: returns true for such a gap.
    fn hold(&mut self, delta: Delta, stamps: Stamps) -> bool {
        let last = self.held.back().map(|held| held.delta.last);
        let broken = last.is_some_and(|last| match self.chain {
            Chain::Linked if !self.seam => delta.previous != last,
            _ => delta.previous > last,
        });
        if broken {
            self.clear_held();
        }
        self.held_levels += delta.bids.len() + delta.asks.len();
        self.held.push_back(Held { delta, stamps });
        broken
    }

    /// True when a copy with this id connects to what is held, or to what was passed on.
    fn is_reached_by(&self, id: u64) -> bool {
        match (self.held.front(), self.floor) {
            (Some(held), _) => held.delta.previous <= id,
            (None, Some(floor)) => id >= floor,
            (None, None) => false,
        }
    }

    /// Plans a copy when one could connect to something: at once, with back-off after the first.
    fn fetch_if_useful(&mut self, now: MonoNanos, out: &mut SyncOut<'_>) {
        let useful = !self.held.is_empty() || self.floor.is_some();
        if self.phase != Phase::Waiting || self.fetch != Fetch::None || !useful || self.stopped {
            return;
        }
        let attempt = self.attempts;
        self.attempts = attempt.saturating_add(1);
        if attempt == 0 {
            self.fetch = Fetch::Due(now);
            return;
        }
        let wait = out.jitter.spread(backoff_ns(FETCH_FIRST_NS, FETCH_MAX_NS, attempt - 1));
        self.fetch = Fetch::Due(now.after(wait));
        if attempt.is_multiple_of(FETCHES_BEFORE_RESUBSCRIBE) {
            self.clear_held();
            self.floor = None;
            self.resubscribe = true;
        }
    }
}

#[cfg(test)]
#[path = "book_sync_tests.rs"]
mod tests;
