//! The sequence of every book (Gate API v4, maintaining a local book).
//!
//! `order_book` frames replace the book; their id must not fall. `order_book_update` frames are changes on a REST copy, rules
//! B 1–9 of the fact sheet: buffer, fetch, drop what the copy holds, require a copy that reaches the buffer, then an unbroken
//! chain. `obu` frames need no copy: a whole book, then a chain without a break ([`super::obu`]). A book leaves trust at once ([`GateSession::resync`]) and comes back only with a whole state that provably connects to
//! the stream: a copy is fetched after a frame of the stream came, or it must reach the last id that was applied.
//!
//! Only ids live here (and the last `order_book` frame, for audits, and the prices that an `order_book_update` book was told with:
//! [`super::window`]); the engine holds the levels, checks again, and asks for a resync of what it finds crossed. [`super::audit`]
//! proves quiet books, [`super::joining`] takes them over to another connection.

use super::GateSession;
use super::audit::Audit;
use super::joining::Join;
use super::links::Place;
use super::streams::{Came, Stream};
use super::window::Window;
use super::wire::{BookCopy, Copy};
use crate::wire::Scope;
use crate::wire::book::is_crossed;
use crate::wire::frames::{BookFrame, BookFrameBody, Channel, Delta};
use domain::mutants::{self, Mutant};
use domain::time::{MILLI, SECOND};
use domain::{BookBody, BookUpdate, Input, Level, MonoNanos, PairId, ResyncReason, SendStamp, VenueNanos};
use std::collections::VecDeque;
use venue::ConnectorError;
use venue::backoff::backoff_ns;
use venue::desk::what::Answer;

/// Frames held while a copy is fetched; beyond it the book starts over.
const HELD_FRAMES_MAX: usize = 2048;
/// Levels held while a copy is fetched.
const HELD_LEVELS_MAX: usize = 65_536;
/// Back-off of copies.
const FETCH_FIRST_NS: u64 = 200 * MILLI;
const FETCH_MAX_NS: u64 = 5 * SECOND;
/// Copies in a row that did not help before the stream itself is asked for again.
const FETCHES_BEFORE_RESUBSCRIBE: u32 = 8;
/// A book that was live for this long starts its back-off anew.
const STABLE_NS: u64 = 10 * SECOND;
/// This many frames in a row with ids that fell: the venue numbers anew.
pub(super) const FALLEN_FRAMES: u32 = 20;
/// As many whole `obu` books with ids that fell: the first is doubted, the second, freshly asked for, believed.
const FALLEN_FULLS: u32 = 2;

/// The book channel of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BookChannel {
    /// `spot.order_book`, 20 levels, 100 ms.
    Snapshots,
    /// `spot.order_book_update`, 100 ms, on a REST copy of 100 levels.
    Updates,
    /// `spot.obu` of so many levels, 20 ms at 50 and 100 ms at 400: a whole book, then changes.
    Obu(u16),
}

impl BookChannel {
    /// Configured names, the default first.
    pub(crate) const NAMES: &'static [&'static str] = &["order_book", "order_book_update", "obu", "obu400"];

    pub(crate) fn parse(name: &str) -> Result<BookChannel, ConnectorError> {
        match name {
            "order_book" => Ok(BookChannel::Snapshots),
            "order_book_update" => Ok(BookChannel::Updates),
            "obu" => Ok(BookChannel::Obu(50)),
            "obu400" => Ok(BookChannel::Obu(400)),
            _ => {
                let (what, allowed) = ("book channel", "order_book, order_book_update, obu or obu400");
                Err(ConnectorError::BadOption { what, value: name.to_string(), allowed })
            }
        }
    }

    pub(super) const fn wire(self) -> Channel {
        match self {
            BookChannel::Snapshots => Channel::OrderBook,
            BookChannel::Updates => Channel::OrderBookUpdate,
            BookChannel::Obu(_) => Channel::Obu,
        }
    }

    pub(super) fn payload(self, pair: &str) -> Vec<String> {
        match self {
            BookChannel::Snapshots => vec![pair.to_string(), "20".into(), "100ms".into()],
            BookChannel::Updates => vec![pair.to_string(), "100ms".into()],
            BookChannel::Obu(levels) => vec![format!("ob.{pair}.{levels}")],
        }
    }

    /// Levels that the frames of this channel must name; zero for channels that name none.
    const fn levels(self) -> u16 {
        match self {
            BookChannel::Obu(levels) => levels,
            BookChannel::Snapshots | BookChannel::Updates => 0,
        }
    }

    pub(super) const fn is_obu(self) -> bool {
        matches!(self, BookChannel::Obu(_))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not trusted; waits for a frame or a copy.
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

pub(super) struct Held {
    pub(super) delta: Delta,
    pub(super) stamps: Stamps,
}

/// The times of a frame.
#[derive(Clone, Copy)]
pub(super) struct Stamps {
    pub(super) received: MonoNanos,
    pub(super) sent_at: Option<SendStamp>,
    pub(super) changed_at: Option<VenueNanos>,
}

impl Stamps {
    pub(super) const fn only(received: MonoNanos) -> Stamps {
        Stamps { received, sent_at: None, changed_at: None }
    }
}

/// One book's sequence.
pub(super) struct Book {
    pub(super) pair: PairId,
    pub(super) phase: Phase,
    /// Why trust was last lost; `None` while live or before the first frame.
    reason: Option<ResyncReason>,
    live_since: MonoNanos,
    /// The highest id seen, on any link.
    pub(super) last_id: u64,
    pub(super) fallen: u32,
    /// An unbroken chain of frames that a copy must reach.
    pub(super) held: VecDeque<Held>,
    held_levels: usize,
    /// A copy at or past this id is good even when nothing is held.
    floor: Option<u64>,
    fetch: Fetch,
    /// Copies asked for since the book was last stable.
    attempts: u32,
    /// Answers to requests of earlier generations are void.
    generation: u64,
    /// `obu`: when the stream is left and asked for again.
    pub(super) renew: Option<MonoNanos>,
    /// Its private news is refused by the venue: it must not be trusted, whatever the book says.
    barred: bool,
    /// The connection that is to follow drives this book already.
    pub(super) on_next: bool,
    /// What that connection told before.
    pub(super) join: Join,
    /// `order_book_update`: what the engine was told.
    window: Window,
    pub(super) audit: Audit,
}

impl Book {
    pub(super) fn clear_held(&mut self) {
        self.held.clear();
        self.held_levels = 0;
    }

    /// Holds a frame. A frame that does not continue the chain makes what is held useless: returns true for such a gap.
    pub(super) fn hold(&mut self, delta: Delta, stamps: Stamps) -> bool {
        let broken = self.held.back().is_some_and(|last| delta.first > last.delta.last.saturating_add(1));
        if broken {
            self.clear_held();
        }
        self.held_levels += delta.bids.len() + delta.asks.len();
        self.held.push_back(Held { delta, stamps });
        broken
    }

    /// True when a copy with this id connects to what is held, or to what was applied.
    fn is_reached_by(&self, id: u64) -> bool {
        match (self.held.front(), self.floor) {
            (Some(held), _) => held.delta.first <= id.saturating_add(1),
            (None, Some(floor)) => id >= floor,
            (None, None) => false,
        }
    }
}

/// All books.
pub(super) struct Books {
    pub(super) channel: BookChannel,
    pub(super) books: Vec<Book>,
    /// When the next audit may be asked for.
    pub(super) next_audit: MonoNanos,
}

impl Books {
    pub(super) fn new(channel: BookChannel, pairs: &[PairId]) -> Books {
        let book = |pair: &PairId| Book {
            pair: *pair,
            phase: Phase::Waiting,
            reason: None,
            live_since: MonoNanos(0),
            last_id: 0,
            fallen: 0,
            held: VecDeque::new(),
            held_levels: 0,
            floor: None,
            fetch: Fetch::None,
            attempts: 0,
            generation: 0,
            renew: None,
            barred: false,
            on_next: false,
            join: Join::default(),
            window: Window::default(),
            audit: Audit::default(),
        };
        Books { channel, books: pairs.iter().map(book).collect(), next_audit: MonoNanos(0) }
    }

    pub(super) fn index(&self, pair: PairId) -> Option<usize> {
        self.books.iter().position(|book| book.pair == pair)
    }

    pub(super) fn pair_at(&self, index: usize) -> Option<PairId> {
        self.books.get(index).map(|book| book.pair)
    }

    /// True while the copy of this generation is still wanted.
    pub(super) fn wants(&self, pair: PairId, generation: u64) -> bool {
        self.books.iter().any(|book| book.pair == pair && book.generation == generation && book.fetch == Fetch::Asked)
    }

    /// The id that the engine holds, while the book is live.
    pub(super) fn live_id(&self, pair: PairId) -> Option<u64> {
        self.books.iter().find(|book| book.pair == pair).and_then(|book| match book.phase {
            Phase::Live(id) => Some(id),
            Phase::Waiting => book.floor,
        })
    }

    /// What a copy must reach to be good on its own, while the book waits for one.
    pub(super) fn floor(&self, pair: PairId) -> Option<u64> {
        self.books.iter().find(|book| book.pair == pair).filter(|book| book.phase == Phase::Waiting).and_then(|book| book.floor)
    }

    /// True when the connection that is to follow drives this book already.
    pub(super) fn is_on_next(&self, pair: PairId) -> bool {
        self.books.iter().any(|book| book.pair == pair && book.on_next)
    }

    /// Nothing of this pair is trusted until [`Books::admit`].
    pub(super) fn bar(&mut self, pair: PairId) {
        self.books.iter_mut().filter(|book| book.pair == pair).for_each(|book| book.barred = true);
    }

    /// Ends [`Books::bar`]; the next whole book is trusted again. True when the pair was barred.
    pub(super) fn admit(&mut self, pair: PairId) -> bool {
        self.books.iter_mut().find(|book| book.pair == pair).is_some_and(|book| std::mem::take(&mut book.barred))
    }

    pub(super) fn next_timeout(&self) -> Option<MonoNanos> {
        let due = |book: &Book| match book.fetch {
            Fetch::Due(at) => Some(at),
            _ => None,
        };
        self.books.iter().flat_map(|book| [due(book), book.renew, book.audit.ahead_deadline()]).flatten().min()
    }
}

impl GateSession {
    pub(super) fn book_input(&self, pair: PairId, stamps: Stamps, body: BookBody) -> Input {
        let Stamps { received, sent_at, changed_at } = stamps;
        Input::Book(BookUpdate { venue: self.desk.venue, pair, received, changed_at, sent_at, body })
    }

    /// Takes a book out of trust and sees to its return. `floor` is an id that a copy must reach to be good on its own.
    pub(super) fn resync(
        &mut self,
        pair: PairId,
        reason: ResyncReason,
        floor: Option<u64>,
        now: MonoNanos,
        updates: &mut Vec<Input>,
    ) {
        let Some(index) = self.books.index(pair) else { return };
        let Some(book) = self.books.books.get_mut(index) else { return };
        if matches!(book.phase, Phase::Live(_)) && now.since(book.live_since) >= STABLE_NS {
            book.attempts = 0;
        }
        book.phase = Phase::Waiting;
        book.floor = floor;
        book.audit.forget();
        if book.fetch == Fetch::Asked {
            // What is on its way may be older than the fault.
            book.generation += 1;
            book.fetch = Fetch::None;
        }
        let news = book.reason != Some(reason);
        book.reason = Some(reason);
        if news {
            self.desk.stats.resync(reason);
            updates.push(self.book_input(pair, Stamps::only(now), BookBody::Untrusted { reason }));
        }
        match self.books.channel {
            BookChannel::Snapshots => self.recall(index, now),
            BookChannel::Updates => {
                self.recall(index, now);
                self.fetch_if_useful(index, now);
            }
            BookChannel::Obu(_) => self.renew(index, now),
        }
    }

    /// The stream of a book that lost trust owes a frame again: should it have died at the venue, its deadlines see to it.
    pub(super) fn recall(&mut self, index: usize, now: MonoNanos) {
        if let Some(stream) = self.book_stream(index) {
            stream.recall(now);
        }
    }

    /// The stream that drives a book.
    fn book_stream(&mut self, index: usize) -> Option<&mut Stream> {
        let book = self.books.books.get(index)?;
        let (pair, next) = (book.pair, book.on_next);
        self.links.public(next)?.book_stream(pair)
    }

    /// What to wait before trying again what did not help; `None`: nothing was tried since the book was last stable.
    pub(super) fn attempt(&mut self, index: usize) -> Option<u64> {
        let book = self.books.books.get_mut(index)?;
        let attempt = book.attempts;
        book.attempts = attempt.saturating_add(1);
        (attempt > 0).then(|| self.desk.jitter.spread(backoff_ns(FETCH_FIRST_NS, FETCH_MAX_NS, attempt - 1)))
    }

    /// As [`GateSession::resync`] for every book.
    pub(super) fn resync_all(&mut self, reason: ResyncReason, now: MonoNanos, updates: &mut Vec<Input>) {
        for index in 0..self.books.books.len() {
            if let Some(pair) = self.books.pair_at(index) {
                self.resync(pair, reason, None, now, updates);
            }
        }
    }

    /// The stream is gone: nothing held or on its way belongs to the next one.
    pub(super) fn books_down(&mut self, reason: ResyncReason, now: MonoNanos, updates: &mut Vec<Input>) {
        for book in &mut self.books.books {
            book.clear_held();
            book.generation += 1;
            book.fetch = Fetch::None;
            book.fallen = 0;
            book.renew = None;
            book.on_next = false;
            book.join = Join::default();
        }
        self.resync_all(reason, now, updates);
    }

    /// Asks for a copy when one could connect to something; with back-off after the first.
    pub(super) fn fetch_if_useful(&mut self, index: usize, now: MonoNanos) {
        let Some(book) = self.books.books.get_mut(index) else { return };
        let useful = !book.held.is_empty() || book.floor.is_some();
        if self.books.channel != BookChannel::Updates
            || book.phase != Phase::Waiting
            || book.fetch != Fetch::None
            || !useful
            || self.desk.is_stopped()
        {
            return;
        }
        let attempt = book.attempts;
        let Some(wait) = self.attempt(index) else { return self.fetch(index) };
        let Some(book) = self.books.books.get_mut(index) else { return };
        book.fetch = Fetch::Due(now.after(wait));
        if attempt % FETCHES_BEFORE_RESUBSCRIBE == 0 {
            let (pair, next) = (book.pair, book.on_next);
            book.clear_held();
            book.floor = None;
            self.resubscribe(pair, next, now);
        }
    }

    fn fetch(&mut self, index: usize) {
        let Some(book) = self.books.books.get_mut(index) else { return };
        book.fetch = Fetch::Asked;
        // Planted bug: nobody asks.
        if mutants::active(Mutant::FeedForgotten) {
            return;
        }
        let copy = BookCopy { pair: book.pair, copy: Copy::Book { generation: book.generation } };
        self.desk.ask_own(copy);
    }

    pub(super) fn books_timeout(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        for index in 0..self.books.books.len() {
            let Some(book) = self.books.books.get_mut(index) else { return };
            if matches!(book.fetch, Fetch::Due(at) if at <= now) {
                self.fetch(index);
            }
            self.renew_if_due(index, now);
        }
        self.audits_timeout(now, updates);
    }

    /// One frame of a book channel.
    pub(super) fn on_book(&mut self, frame: BookFrame, place: Place, now: MonoNanos, updates: &mut Vec<Input>) {
        let channel = self.books.channel;
        let ours = frame.channel == channel.wire() && frame.levels == channel.levels();
        let Some(index) = self.books.index(frame.pair).filter(|_| ours) else {
            self.desk.stats.ignored += 1;
            return;
        };
        if let Some(stream) = self.desk.stats.streams.get_mut(index) {
            stream.frames += 1;
        }
        let next = place == Place::Next;
        let full = matches!(frame.body, BookFrameBody::Full { .. });
        if channel.is_obu() && self.is_left(frame.pair, next) {
            // Still of the subscription that is being given up: a whole book of it would go stale unseen.
            return self.count_stale(index);
        }
        let came = self.links.book_came(next, frame.pair, full || !channel.is_obu(), now);
        let first = came == Came::First;
        if let (Came::First | Came::Owed, Some(id)) = (came, self.links.public(next).map(|link| link.conn.id)) {
            self.ask_next(id, now);
        }
        // How late a frame is tells only one that carries a change of levels (§14.2): an id alone, and the whole book that answers a
        // subscription, may be stamped with the time of the last change, however long ago that was.
        let lags = match &frame.body {
            BookFrameBody::Full { .. } => !first && !channel.is_obu(),
            BookFrameBody::Delta(delta) => !(delta.bids.is_empty() && delta.asks.is_empty()),
        };
        let connection = self.links.public(next).map_or(0, |link| link.connection);
        let sent_at = frame.sent_at.filter(|_| lags).map(|at| SendStamp { at, connection });
        let stamps = Stamps { received: now, sent_at, changed_at: frame.changed_at };
        let Some(book) = self.books.books.get(index) else { return };
        match (next, book.on_next) {
            (true, false) => return self.on_joining(index, frame.body, stamps, updates),
            // The connection that it goes over from, and one that is waited for no longer.
            (false, true) => return self.count_stale(index),
            _ if !next && book.join.catches_up => return self.count_stale(index),
            _ => {}
        }
        match frame.body {
            BookFrameBody::Full { id, bids, asks } => self.on_full(index, id, bids, asks, stamps, updates),
            BookFrameBody::Delta(delta) if channel.is_obu() => self.on_obu_delta(index, delta, stamps, updates),
            BookFrameBody::Delta(delta) => self.on_delta(index, delta, stamps, updates),
        }
        if !next {
            self.try_join(index, now, updates);
        }
    }

    pub(super) fn count_stale(&mut self, index: usize) {
        if let Some(stream) = self.desk.stats.streams.get_mut(index) {
            stream.stale += 1;
        }
    }

    pub(super) fn on_full(
        &mut self,
        index: usize,
        id: u64,
        bids: Vec<Level>,
        asks: Vec<Level>,
        stamps: Stamps,
        updates: &mut Vec<Input>,
    ) {
        let obu = self.books.channel.is_obu();
        let Some(book) = self.books.books.get_mut(index) else { return };
        if id < book.last_id {
            book.fallen += 1;
            let pair = book.pair;
            match (obu, book.fallen) {
                (true, fallen) if fallen < FALLEN_FULLS => {
                    // A copy of an earlier frame, or a venue that numbers anew: a fresh subscription tells.
                    self.count_stale(index);
                    return self.resync(pair, ResyncReason::ResetByVenue, None, stamps.received, updates);
                }
                (true, _) => {}
                // A copy of an earlier frame: nothing new, and no harm. A book without trust still waits for its stream.
                (false, fallen) if fallen < FALLEN_FRAMES => {
                    if book.phase == Phase::Waiting {
                        self.recall(index, stamps.received);
                    }
                    return;
                }
                (false, _) => self.resync(pair, ResyncReason::ResetByVenue, None, stamps.received, updates),
            }
        }
        if let Some(book) = self.books.books.get_mut(index) {
            // Whatever was held is older than this whole state of the same stream.
            book.clear_held();
        }
        self.go_live(index, id, bids, asks, stamps, stamps.received, updates);
    }

    /// Publishes a whole book, unless it is crossed. True when it is live now. A copy's stamps are older than `now`.
    pub(super) fn go_live(
        &mut self,
        index: usize,
        id: u64,
        mut bids: Vec<Level>,
        mut asks: Vec<Level>,
        stamps: Stamps,
        now: MonoNanos,
        updates: &mut Vec<Input>,
    ) -> bool {
        let Some(book) = self.books.books.get_mut(index) else { return false };
        let pair = book.pair;
        if book.barred {
            return false;
        }
        book.last_id = id;
        book.fallen = 0;
        if is_crossed(&bids, &asks) && !mutants::active(Mutant::CrossedAccepted) {
            self.resync(pair, ResyncReason::Crossed, None, now, updates);
            return false;
        }
        if book.phase == Phase::Waiting {
            book.live_since = now;
        }
        book.phase = Phase::Live(id);
        book.reason = None;
        book.floor = None;
        book.generation += 1;
        book.fetch = Fetch::None;
        book.renew = None;
        book.audit.came(id, stamps.received);
        match self.books.channel {
            BookChannel::Snapshots => book.audit.show(&bids, &asks),
            BookChannel::Updates => book.window.set(&mut bids, &mut asks),
            BookChannel::Obu(_) => {}
        }
        if let Some(stream) = self.desk.stats.streams.get_mut(index) {
            stream.snapshots += 1;
        }
        updates.push(self.book_input(pair, stamps, BookBody::Snapshot { id, bids, asks }));
        true
    }

    pub(super) fn on_delta(&mut self, index: usize, delta: Delta, stamps: Stamps, updates: &mut Vec<Input>) {
        let Some(book) = self.books.books.get_mut(index) else { return };
        let pair = book.pair;
        let Phase::Live(id) = book.phase else {
            if book.held.len() >= HELD_FRAMES_MAX || book.held_levels >= HELD_LEVELS_MAX {
                book.clear_held();
                book.hold(delta, stamps);
                return self.resync(pair, ResyncReason::Overflow, None, stamps.received, updates);
            }
            if book.hold(delta, stamps) {
                self.count_gap(index);
            }
            return self.fetch_if_useful(index, stamps.received);
        };
        if delta.last <= id {
            book.fallen += 1;
            let renumbered = book.fallen >= FALLEN_FRAMES;
            if renumbered {
                book.fallen = 0;
                book.hold(delta, stamps);
            }
            self.count_stale(index);
            if renumbered {
                self.resync(pair, ResyncReason::ResetByVenue, None, stamps.received, updates);
            }
            return;
        }
        if delta.first > id + 1 && !mutants::active(Mutant::GapIgnored) {
            book.hold(delta, stamps);
            self.count_gap(index);
            return self.resync(pair, ResyncReason::Gap, None, stamps.received, updates);
        }
        self.apply(index, id, delta, stamps, updates);
    }

    pub(super) fn count_gap(&mut self, index: usize) {
        if let Some(stream) = self.desk.stats.streams.get_mut(index) {
            stream.gaps += 1;
        }
    }

    /// Passes on a change that continues `id`. An overlap is cut off by number: quantities are absolute, so applying it is right.
    pub(super) fn apply(&mut self, index: usize, id: u64, delta: Delta, stamps: Stamps, updates: &mut Vec<Input>) {
        let Some(book) = self.books.books.get_mut(index) else { return };
        let pair = book.pair;
        let Delta { last, mut bids, mut asks, .. } = delta;
        if self.books.channel == BookChannel::Updates {
            book.window.change(&mut bids, &mut asks);
        }
        book.phase = Phase::Live(last);
        book.last_id = last;
        book.fallen = 0;
        book.audit.came(last, stamps.received);
        if let Some(stream) = self.desk.stats.streams.get_mut(index) {
            stream.applied += 1;
        }
        updates.push(self.book_input(pair, stamps, BookBody::Delta { first: id + 1, last, bids, asks }));
    }

    /// The answer to a request for a copy.
    ///
    /// Copies are cached (Gate API v4, B 4) and answers are slow, and nothing in a copy tells its age. So it is evidence for the time of
    /// the newest frame that it holds, and where it need only reach what was applied, for the time of that.
    pub(super) fn on_base(
        &mut self,
        pair: PairId,
        generation: u64,
        mut answer: Answer<'_>,
        now: MonoNanos,
        updates: &mut Vec<Input>,
    ) {
        if !self.books.wants(pair, generation) {
            return;
        }
        let Some(index) = self.books.index(pair) else { return };
        let decoded = match &mut answer {
            Answer::Http { status: 200..=299, body } => Some(self.desk.wire.decoder.base_book(body, pair)),
            _ => None,
        };
        let Some(book) = self.books.books.get_mut(index) else { return };
        book.fetch = Fetch::None;
        let base = match decoded {
            Some(Ok(base)) => base,
            Some(Err(reject)) => {
                self.desk.stats.reject(reject.reason);
                return match reject.scope {
                    Scope::Book(_, ResyncReason::Scale) => self.resync(pair, ResyncReason::Scale, None, now, updates),
                    _ => self.fetch_if_useful(index, now),
                };
            }
            None => return self.fetch_if_useful(index, now),
        };
        if !book.is_reached_by(base.id) {
            // Older than the stream (the copy is cached), or nothing of the stream is known yet.
            return match book.held.is_empty() && book.floor.is_none() {
                true => {}
                false => {
                    let floor = book.floor;
                    self.resync(pair, ResyncReason::SnapshotStale, floor, now, updates);
                }
            };
        }
        let newest = book.held.iter().rev().find(|held| held.delta.last <= base.id).or(book.held.front());
        let received = newest.map_or(book.audit.proved_at(), |held| held.stamps.received);
        let held = std::mem::take(&mut book.held);
        book.held_levels = 0;
        // Its way is another one than the stream's: it tells nothing of the stream's lag.
        let stamps = Stamps { received, sent_at: None, changed_at: base.changed_at };
        if !self.go_live(index, base.id, base.bids, base.asks, stamps, now, updates) {
            // A crossed copy: what was held is still the chain that the next one must reach.
            if let Some(book) = self.books.books.get_mut(index) {
                book.held_levels = held.iter().map(|h| h.delta.bids.len() + h.delta.asks.len()).sum();
                book.held = held;
            }
            return self.fetch_if_useful(index, now);
        }
        // From here on comparisons watch it: a quiet book is not to lose its trust for want of a frame.
        if let Some(stream) = self.book_stream(index) {
            stream.forgive();
        }
        for Held { delta, stamps } in held {
            if delta.last <= base.id {
                // What the copy holds already is no sign of a venue that numbers anew, however many frames waited for it.
                self.count_stale(index);
                continue;
            }
            self.on_delta(index, delta, stamps, updates);
        }
    }
}
