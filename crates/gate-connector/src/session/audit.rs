//! Proof of quiet books, and suspicion of silent ones (F6, F7).
//!
//! A book that had no frame of its own for a while is either quiet or cut off, and the stream can't tell which: pongs and other pairs
//! prove nothing. So it is compared with a copy over REST (`/spot/order_book?with_id=true`), at a bounded rate:
//!
//! | the copy's id | what follows |
//! |---|---|
//! | the book's | its top is passed on for that id: the engine compares the prices and takes it as evidence |
//! | newer, and every level is as last shown (`order_book`, which may be pushed only when its levels change) | evidence |
//! | newer | if the stream does not reach it in [`AHEAD_NS`], the book is resynchronised with the reason `audit`, and only with news of its stream: another copy may be as old as the stream |
//! | older | nothing: it came from a cache; asked again later |
//!
//! The evidence counts from the asking. That assumes that the venue made the copy after it was asked for, and nothing in a copy proves
//! it: copies are cached (Gate API v4, B 4), and a cached one at the book's own id says only that the stream had come so far when it
//! was made. So a stream that died is found out by the first copy from after its end, and until then its book may pass for fresh, for as
//! long as the venue's cache holds. Where `book_ticker` is subscribed, a copy that its ids have overtaken proves nothing.
//!
//! No copy is asked for before the venue's REST answered once (a replayed tape has none to give), nor for a book that is not live.
//!
//! A best-bid-offer frame that is ahead of the book for [`AHEAD_NS`] makes the comparison due at once; it does not decide alone.

use super::GateSession;
use super::books::{Book, BookChannel, Phase, Stamps};
use super::wire::{BookCopy, Copy};
use domain::time::{MILLI, SECOND};
use domain::{BookBody, Input, Level, MonoNanos, PairId, ResyncReason};
use venue::desk::what::Answer;

/// A book without evidence for this long is compared: half of the age at which books are too old to trade by default.
const QUIET_NS: u64 = 500 * MILLI;
/// Longest wait between comparisons that prove nothing.
const QUIET_MAX_NS: u64 = 5 * SECOND;
/// Between two comparisons of a venue: four to eight a second, well below Gate's 200 in 10 s for an endpoint.
const SPACING_NS: u64 = 250 * MILLI;
/// A stream that is behind a copy or a best-bid-offer frame for this long has lost something.
const AHEAD_NS: u64 = SECOND;
/// A pong this old is asked for again while a book is quiet: it tells how late the link runs.
const PONG_AGE_NS: u64 = 5 * SECOND;
/// Levels of a comparison, as many as `spot.order_book` is subscribed with.
pub(super) const AUDIT_LEVELS: usize = 20;

/// What is known of a book's freshness.
#[derive(Default)]
pub(super) struct Audit {
    /// Last own frame that counted.
    framed_at: MonoNanos,
    /// Last evidence of any kind.
    proved_at: MonoNanos,
    /// No comparison before.
    not_before: MonoNanos,
    wait_ns: u64,
    asked: bool,
    /// A copy's newer id, and since when it is known.
    ahead: Option<(u64, MonoNanos)>,
    /// The same of a best-bid-offer frame.
    hint: Option<(u64, MonoNanos)>,
    /// The last pong that was used.
    pong_at: MonoNanos,
    /// The levels of the last whole book, bids and asks; only kept for `order_book`.
    shown: (Vec<Level>, Vec<Level>),
}

impl Audit {
    /// A frame of the book brought it to `id`.
    pub(super) fn came(&mut self, id: u64, at: MonoNanos) {
        self.framed_at = self.framed_at.max(at);
        self.proved(at);
        let behind = |known: &(u64, MonoNanos)| id < known.0;
        self.ahead = self.ahead.filter(behind);
        self.hint = self.hint.filter(behind);
    }

    /// The last evidence of any kind; the clock's origin before the first.
    pub(super) const fn proved_at(&self) -> MonoNanos {
        self.proved_at
    }

    fn proved(&mut self, at: MonoNanos) {
        self.proved_at = self.proved_at.max(at);
        self.wait_ns = 0;
    }

    /// The levels of a whole book.
    pub(super) fn show(&mut self, bids: &[Level], asks: &[Level]) {
        self.shown.0.clear();
        self.shown.0.extend_from_slice(bids);
        self.shown.1.clear();
        self.shown.1.extend_from_slice(asks);
    }

    /// The book lost trust: what was ahead of it will be behind the next one.
    pub(super) fn forget(&mut self) {
        self.ahead = None;
        self.hint = None;
    }

    fn proves_nothing(&mut self, now: MonoNanos) {
        self.wait_ns = (self.wait_ns.max(QUIET_NS / 2) * 2).min(QUIET_MAX_NS);
        self.not_before = now.after(self.wait_ns);
    }

    /// When a newer id becomes a fault of the stream.
    pub(super) fn ahead_deadline(&self) -> Option<MonoNanos> {
        self.ahead.map(|(_, since)| since.after(AHEAD_NS))
    }

    fn due(&self) -> Option<MonoNanos> {
        if self.asked || self.ahead.is_some() {
            return None;
        }
        let quiet = self.proved_at.after(QUIET_NS);
        let hinted = self.hint.map_or(quiet, |(_, since)| since.after(AHEAD_NS).min(quiet));
        Some(hinted.max(self.not_before))
    }

    /// A best-bid-offer frame at `id` while the book is at `have`; `same`: it states the touch that the book shows.
    pub(super) fn top_came(&mut self, id: u64, have: u64, same: bool, now: MonoNanos) {
        if id == have {
            self.proved(now);
        } else if id > have && !same {
            let since = self.hint.map_or(now, |(_, since)| since);
            self.hint.get_or_insert((id, since));
        }
    }

    /// True when the touch is the one last shown (`order_book` only).
    pub(super) fn shows(&self, bid: Option<Level>, ask: Option<Level>) -> bool {
        self.shown.0.first().copied() == bid && self.shown.1.first().copied() == ask
    }

    fn shows_all(&self, bids: &[Level], asks: &[Level]) -> bool {
        let first = |levels: &[Level]| levels.iter().take(AUDIT_LEVELS).copied().collect::<Vec<_>>();
        first(&self.shown.0) == first(bids) && first(&self.shown.1) == first(asks)
    }
}

impl GateSession {
    /// When the next comparison is due.
    pub(super) fn next_audit(&self) -> Option<MonoNanos> {
        if self.desk.is_stopped() || !self.desk.clock.is_known() {
            return None;
        }
        let live = |book: &&Book| matches!(book.phase, Phase::Live(_));
        let due = self.books.books.iter().filter(live).filter_map(|book| book.audit.due()).min();
        due.map(|at| at.max(self.books.next_audit))
    }

    pub(super) fn audits_timeout(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        for index in 0..self.books.books.len() {
            let Some(book) = self.books.books.get_mut(index) else { return };
            if book.audit.ahead_deadline().is_none_or(|at| at > now) {
                continue;
            }
            let (pair, ahead) = (book.pair, book.audit.ahead.take());
            if let (Phase::Live(have), Some((id, _))) = (book.phase, ahead)
                && have < id
            {
                let next = book.on_next;
                self.resync(pair, ResyncReason::Audit, None, now, updates);
                if self.books.channel == BookChannel::Updates {
                    // The venue may begin with a whole book, or answer that it serves nothing.
                    self.resubscribe(pair, next, now);
                }
            }
        }
        if self.next_audit().is_none_or(|at| at > now) {
            return;
        }
        let oldest = self
            .books
            .books
            .iter_mut()
            .filter(|book| matches!(book.phase, Phase::Live(_)) && book.audit.due().is_some_and(|at| at <= now))
            .min_by_key(|book| book.audit.proved_at);
        self.books.next_audit = now.after(self.desk.jitter.spread(SPACING_NS).max(1));
        if let Some(book) = oldest {
            book.audit.asked = true;
            let copy = BookCopy { pair: book.pair, copy: Copy::Audit };
            self.desk.ask_own(copy);
            self.ping_public(PONG_AGE_NS, now);
        }
    }

    /// The answer to a comparison that was asked for at `sent`.
    pub(super) fn on_audit(
        &mut self,
        pair: PairId,
        mut answer: Answer<'_>,
        sent: MonoNanos,
        now: MonoNanos,
        updates: &mut Vec<Input>,
    ) {
        let copy = match &mut answer {
            Answer::Http { status: 200..=299, body } => match self.desk.wire.decoder.base_book(body, pair) {
                Ok(copy) => Some(copy),
                Err(reject) => {
                    self.desk.stats.reject(reject.reason);
                    None
                }
            },
            _ => None,
        };
        let snapshots = self.books.channel == BookChannel::Snapshots;
        let pong = self.links.public_pong();
        let Some(book) = self.books.index(pair).and_then(|index| self.books.books.get_mut(index)) else { return };
        let audit = &mut book.audit;
        audit.asked = false;
        let (Phase::Live(have), Some(copy)) = (book.phase, copy) else {
            return audit.proves_nothing(now);
        };
        // Copies are cached: one from before a newer top that is not the book's any more proves nothing of now.
        let overtaken = audit.hint.is_some_and(|(id, _)| copy.id < id);
        let same = copy.id == have && !overtaken;
        let shown = copy.id > have && !overtaken && snapshots && audit.shows_all(&copy.bids, &copy.asks);
        if !(same || shown) {
            if copy.id > have {
                audit.ahead.get_or_insert((copy.id, now));
            }
            return audit.proves_nothing(now);
        }
        audit.proved(sent);
        audit.forget();
        // At the pong's time the book was at this id too, since ids only grow: then it also tells how late the link runs.
        let pong = pong.filter(|(at, _)| *at > audit.framed_at && *at > audit.pong_at && *at <= sent);
        if let Some((at, sent_at)) = pong {
            audit.pong_at = at;
            let stamps = Stamps { received: at, sent_at: Some(sent_at), changed_at: None };
            updates.push(self.book_input(pair, stamps, BookBody::Evidence { id: have }));
        }
        let body = match same {
            true => BookBody::Top { id: have, bid: copy.bids.first().copied(), ask: copy.asks.first().copied() },
            false => BookBody::Evidence { id: have },
        };
        updates.push(self.book_input(pair, Stamps::only(sent), body));
        if self.links.is_public_up() {
            self.links.quiet_proved(now);
        }
    }
}
