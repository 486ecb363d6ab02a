//! A book with its stamps: how old its last evidence is, when the last frame arrived, and how late the feed runs.
//!
//! **What is evidence** that the book still is what we hold: a snapshot; a delta that continued it, also one that only advanced
//! the id; and proof from elsewhere (a ticker, a REST audit) of the very same id. Pongs, other pairs, duplicates and replays,
//! frames that were refused, and anything that came while the book was not live are none.
//!
//! Start at [`TrackedBook::handle`].

use crate::book::{Applied, BookFault, OrderBook};
use crate::cell::BookView;
use crate::lag::{Lag, VenueLag};
use domain::{BookBody, BookUpdate, MonoNanos, ResyncReason, VenueNanos};

/// One venue's book of one pair with its three stamps and its lag.
#[derive(Clone, Debug, Default)]
pub struct TrackedBook {
    book: OrderBook,
    /// Receive time of the newest evidence.
    evidence_at: Option<MonoNanos>,
    /// Receive time of the last own frame.
    arrived_at: MonoNanos,
    /// Venue time of the last change, where the channel tells.
    changed_at: Option<VenueNanos>,
    /// Of the last frame that was evidence.
    lag: Option<Lag>,
    /// Of the ticker that overlays the book: it prices the top although it is no evidence for the depth below.
    overlay_lag: Option<Lag>,
}

impl TrackedBook {
    /// Takes in one update. The stamps move only with evidence (see the module); `venue` is what is known of this venue's lag.
    ///
    /// # Errors
    /// [`BookFault`] of [`OrderBook::apply`]; stamps and lag stay as they were.
    pub fn handle(&mut self, update: &BookUpdate, venue: &mut VenueLag) -> Result<Applied, BookFault> {
        let was_live = self.book.is_live();
        let applied = self.book.apply(&update.body)?;
        match &update.body {
            BookBody::Snapshot { .. } => {
                // The old contents are gone, and their time with them, even when the snapshot carries none.
                self.changed_at = update.changed_at;
                self.take_frame(update, venue);
            }
            BookBody::Delta { .. } if was_live && !applied.stale => {
                self.changed_at = update.changed_at.or(self.changed_at);
                self.take_frame(update, venue);
            }
            // At the very same id the ticker proves the book, unless a newer one is known: that proves only that the book is behind.
            BookBody::Top { id, .. } if was_live && !applied.stale && *id == self.book.id() => {
                self.take_evidence(update, venue);
            }
            BookBody::Top { id, .. } if self.book.overlay_id() == Some(*id) => {
                self.overlay_lag = update.sent_at.map(|sent| venue.record(update.received, sent));
            }
            BookBody::Evidence { id } if was_live && *id == self.book.id() => self.take_evidence(update, venue),
            // How late another connection runs is not known before its first stamped frame.
            BookBody::Untrusted { reason: ResyncReason::Reconnect | ResyncReason::Paused } => self.lag = None,
            BookBody::Delta { .. } | BookBody::Top { .. } | BookBody::Evidence { .. } | BookBody::Untrusted { .. } => {}
        }
        Ok(applied)
    }

    fn take_frame(&mut self, update: &BookUpdate, venue: &mut VenueLag) {
        self.arrived_at = update.received;
        self.take_evidence(update, venue);
    }

    fn take_evidence(&mut self, update: &BookUpdate, venue: &mut VenueLag) {
        // Deltas that waited for a snapshot were received before it: never let the evidence grow older by them.
        self.evidence_at = self.evidence_at.max(Some(update.received));
        if let Some(sent) = update.sent_at {
            self.lag = Some(venue.record(update.received, sent));
        }
    }

    /// The book itself.
    pub fn book(&self) -> &OrderBook {
        &self.book
    }

    /// [`OrderBook::is_live`].
    pub fn is_live(&self) -> bool {
        self.book.is_live()
    }

    /// [`OrderBook::drop_trust`]. The stamps stay: they say when the book was last known.
    pub fn drop_trust(&mut self) {
        self.book.drop_trust();
    }

    /// Nanoseconds since the last evidence; `u64::MAX` if there never was any, zero when `now` is before it.
    pub fn age_ns(&self, now: MonoNanos) -> u64 {
        self.evidence_at.map_or(u64::MAX, |at| now.since(at))
    }

    /// Receive time of the last evidence.
    pub fn evidence_at(&self) -> Option<MonoNanos> {
        self.evidence_at
    }

    /// How late the last stamped frame came ([`VenueLag::record`]), or the ticker that overlays the book, if that is worse; `None` while
    /// the channel carries no send time, and after a reconnect until the first frame that does.
    pub fn lag(&self) -> Option<Lag> {
        let overlay = self.overlay_lag.filter(|_| self.book.overlay_id().is_some());
        match (self.lag, overlay) {
            (Some(book), Some(top)) => Some(Lag { above_ns: book.above_ns.max(top.above_ns), proved: book.proved && top.proved }),
            (book, _) => book,
        }
    }

    /// Whether what prices this book came too late to be traded on: more than `lag_max_ns` above normal, or not proved to be on time where
    /// `must_be_known` (where every channel carries time and every venue's clock is measured).
    pub fn is_late(&self, lag_max_ns: u64, must_be_known: bool) -> bool {
        match self.lag() {
            Some(lag) => lag.above_ns > lag_max_ns || (must_be_known && !lag.proved),
            None => must_be_known,
        }
    }

    /// The venue's time of the last change, where the channel carries one. Old on a quiet book.
    pub fn changed_at(&self) -> Option<VenueNanos> {
        self.changed_at
    }

    /// Receive time of the last own frame (snapshot or delta) that was applied; the clock's origin before the first.
    pub fn arrived_at(&self) -> MonoNanos {
        self.arrived_at
    }

    /// The top of the book and its stamps, to publish in a [`crate::BookCell`].
    pub fn view(&self) -> BookView {
        let mut view = BookView {
            id: self.book.id(),
            live: self.book.is_live(),
            evidence_at: self.evidence_at,
            arrived_at: self.arrived_at,
            changed_at: self.changed_at,
            lag_above_normal_ns: self.lag().map(|lag| lag.above_ns),
            ..BookView::default()
        };
        for (slot, level) in view.bids.iter_mut().zip(self.book.bids()) {
            *slot = Some(level);
        }
        for (slot, level) in view.asks.iter_mut().zip(self.book.asks()) {
            *slot = Some(level);
        }
        view
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::time::MILLI;
    use domain::{Level, PairId, Price, Qty, SendStamp, VenueId, VenueNanos};

    fn level(price: i64, qty: i64) -> Level {
        Level { price: Price::from_units(price).unwrap(), qty: Qty::from_units(qty).unwrap() }
    }

    fn ms(ms: u64) -> MonoNanos {
        MonoNanos(ms * MILLI)
    }

    fn snapshot(id: u64) -> BookBody {
        BookBody::Snapshot { id, bids: vec![level(100, 1)], asks: vec![level(101, 1)] }
    }

    fn delta(first: u64, last: u64) -> BookBody {
        BookBody::Delta { first, last, bids: vec![], asks: vec![] }
    }

    fn untrusted(reason: ResyncReason) -> BookBody {
        BookBody::Untrusted { reason }
    }

    /// An update without venue stamps.
    fn update(received_ms: u64, body: BookBody) -> BookUpdate {
        BookUpdate { venue: VenueId(0), pair: PairId(0), received: ms(received_ms), changed_at: None, sent_at: None, body }
    }

    /// The same, sent at a venue time.
    fn sent(received_ms: u64, sent_ms: i64, body: BookBody) -> BookUpdate {
        let sent_at = VenueNanos::from_millis(sent_ms).map(|at| SendStamp { at, connection: 1 });
        BookUpdate { sent_at, ..update(received_ms, body) }
    }

    /// A book and its venue, whose clock nobody measured.
    #[derive(Default)]
    struct Rig {
        tracked: TrackedBook,
        venue: VenueLag,
    }

    impl Rig {
        fn handle(&mut self, update: &BookUpdate) -> Result<Applied, BookFault> {
            self.tracked.handle(update, &mut self.venue)
        }

        fn lag_ms(&self) -> Option<u64> {
            self.tracked.lag().map(|lag| lag.above_ns / MILLI)
        }
    }

    impl std::ops::Deref for Rig {
        type Target = TrackedBook;

        fn deref(&self) -> &TrackedBook {
            &self.tracked
        }
    }

    #[test]
    fn age_counts_from_the_last_evidence() {
        let mut book = Rig::default();
        assert_eq!(book.age_ns(ms(5)), u64::MAX);
        book.handle(&update(10, snapshot(5))).unwrap();
        assert_eq!(book.age_ns(ms(25)), 15 * MILLI);
        assert_eq!(book.age_ns(ms(5)), 0, "time before the evidence is no age");

        // (received, body, is evidence)
        let rows = [
            (20, delta(6, 6), true),
            (30, delta(5, 6), false),
            (40, BookBody::Evidence { id: 6 }, true),
            (50, BookBody::Evidence { id: 7 }, false),
            (60, BookBody::Evidence { id: 5 }, false),
            (70, delta(7, 9), true),
            (80, untrusted(ResyncReason::Audit), false),
            (90, delta(10, 10), false),
            (95, BookBody::Evidence { id: 9 }, false),
            (100, snapshot(10), true),
        ];
        for (received, body, evidence) in rows {
            let before = book.age_ns(ms(received));
            book.handle(&update(received, body.clone())).unwrap();
            assert_eq!(book.age_ns(ms(received)), if evidence { 0 } else { before }, "{body:?} at {received}");
        }
    }

    #[test]
    fn a_ticker_proves_the_book_at_its_own_id_only() {
        let mut book = Rig::default();
        book.handle(&update(10, snapshot(5))).unwrap();
        let top = |id| BookBody::Top { id, bid: Some(level(100, 1)), ask: Some(level(101, 1)) };
        book.handle(&update(20, top(5))).unwrap();
        assert_eq!((book.age_ns(ms(25)), book.arrived_at()), (5 * MILLI, ms(10)), "evidence, but no frame of the book's own");
        book.handle(&update(30, top(6))).unwrap();
        assert_eq!(book.age_ns(ms(35)), 15 * MILLI, "a newer top says nothing of the depth below");
    }

    #[test]
    fn a_ticker_of_the_books_id_proves_nothing_once_a_newer_one_is_known() {
        let mut book = Rig::default();
        book.handle(&update(10, snapshot(5))).unwrap();
        let top = |id| BookBody::Top { id, bid: Some(level(100, 1)), ask: Some(level(101, 1)) };
        book.handle(&update(20, top(6))).unwrap();
        book.handle(&update(30, top(5))).unwrap();
        assert_eq!(book.age_ns(ms(35)), 25 * MILLI, "a late ticker, or a cached copy: the venue was past that id at 20 ms");
        // Proof that the levels stand although ids went on is another matter.
        book.handle(&update(40, BookBody::Evidence { id: 5 })).unwrap();
        assert_eq!(book.age_ns(ms(45)), 5 * MILLI);
    }

    #[test]
    fn a_refused_frame_is_no_evidence() {
        let mut book = Rig::default();
        book.handle(&sent(10, 1_000, snapshot(5))).unwrap();
        assert_eq!(book.handle(&sent(500, 1_000, delta(8, 9))), Err(BookFault::Gap { have: 5, first: 8 }));
        assert!(!book.is_live());
        assert_eq!((book.age_ns(ms(500)), book.arrived_at()), (490 * MILLI, ms(10)));
        assert_eq!(book.lag_ms(), Some(0));
    }

    #[test]
    fn a_buffered_delta_does_not_make_the_book_older() {
        let mut book = Rig::default();
        book.handle(&update(100, snapshot(5))).unwrap();
        book.handle(&update(60, delta(6, 6))).unwrap();
        assert_eq!((book.age_ns(ms(100)), book.evidence_at()), (0, Some(ms(100))));
        assert_eq!(book.arrived_at(), ms(60));
    }

    #[test]
    fn arrival_is_of_own_frames_and_venue_time_of_changes() {
        let mut book = Rig::default();
        let at = |ms: i64| VenueNanos::from_millis(ms);
        let stamped = |received, changed_ms, body| BookUpdate { changed_at: at(changed_ms), ..update(received, body) };
        book.handle(&stamped(10, 1_000, snapshot(5))).unwrap();
        book.handle(&update(20, delta(6, 6))).unwrap();
        assert_eq!((book.changed_at(), book.arrived_at()), (at(1_000), ms(20)));
        book.handle(&stamped(30, 1_020, BookBody::Evidence { id: 6 })).unwrap();
        assert_eq!((book.changed_at(), book.arrived_at(), book.evidence_at()), (at(1_000), ms(20), Some(ms(30))));
        book.handle(&stamped(40, 1_030, delta(7, 7))).unwrap();
        assert_eq!((book.changed_at(), book.arrived_at()), (at(1_030), ms(40)));
        book.handle(&stamped(50, 900, delta(7, 7))).unwrap();
        assert_eq!((book.changed_at(), book.arrived_at()), (at(1_030), ms(40)), "a replay moves nothing");
        book.handle(&update(60, snapshot(9))).unwrap();
        assert_eq!((book.changed_at(), book.arrived_at()), (None, ms(60)));
    }

    #[test]
    fn lag_comes_from_stamped_own_frames() {
        let mut book = Rig::default();
        book.handle(&update(10, snapshot(5))).unwrap();
        assert_eq!(book.lag_ms(), None);
        book.handle(&sent(1_020, 51_000, delta(6, 6))).unwrap();
        book.handle(&sent(1_350, 51_300, delta(7, 7))).unwrap();
        assert_eq!(book.lag_ms(), Some(30));
        book.handle(&sent(9_000, 51_000, delta(7, 7))).unwrap();
        book.handle(&sent(9_000, 51_000, BookBody::Evidence { id: 8 })).unwrap();
        book.handle(&update(9_000, delta(8, 8))).unwrap();
        assert_eq!(book.lag_ms(), Some(30), "replays, other ids and unstamped frames tell nothing");
        book.handle(&sent(9_060, 59_000, BookBody::Evidence { id: 8 })).unwrap();
        assert_eq!(book.lag_ms(), Some(40));
    }

    #[test]
    fn a_late_ticker_makes_the_book_late_for_as_long_as_it_overlays_it() {
        let mut book = Rig::default();
        let top = |id, bid| BookBody::Top { id, bid: Some(level(bid, 1)), ask: Some(level(101, 1)) };
        book.handle(&sent(1_000, 50_000, snapshot(5))).unwrap();
        book.handle(&sent(1_100, 50_100, delta(6, 6))).unwrap();
        book.handle(&sent(1_150, 50_140, top(8, 99))).unwrap();
        assert_eq!(book.lag_ms(), Some(10));
        book.handle(&sent(1_500, 50_200, top(9, 98))).unwrap();
        assert_eq!(book.lag_ms(), Some(300), "what prices the top came late");
        book.handle(&sent(1_600, 50_200, top(7, 97))).unwrap();
        assert_eq!(book.lag_ms(), Some(300), "a stale one tells nothing");
        book.handle(&sent(1_620, 50_600, delta(7, 7))).unwrap();
        assert_eq!(book.lag_ms(), Some(300), "the book is behind that top still");
        book.handle(&sent(1_630, 50_625, delta(8, 10))).unwrap();
        assert_eq!(book.lag_ms(), Some(5));
        // Without a time it can't be judged: the book's own frames stand for the connection.
        book.handle(&update(9_000, top(11, 98))).unwrap();
        assert_eq!(book.lag_ms(), Some(5));
    }

    #[test]
    fn normal_outlives_a_gap_but_not_a_connection() {
        for reason in [ResyncReason::Gap, ResyncReason::Crossed] {
            let mut book = Rig::default();
            book.handle(&sent(1_000, 50_000, snapshot(5))).unwrap();
            book.handle(&update(1_000, untrusted(reason))).unwrap();
            assert_eq!(book.lag_ms(), Some(0), "{reason}");
            book.handle(&sent(2_200, 51_000, snapshot(6))).unwrap();
            assert_eq!(book.lag_ms(), Some(200), "{reason}");
        }
        for reason in [ResyncReason::Reconnect, ResyncReason::Paused] {
            let mut book = Rig::default();
            book.handle(&sent(1_000, 50_000, snapshot(5))).unwrap();
            book.handle(&update(1_000, untrusted(reason))).unwrap();
            assert_eq!(book.lag_ms(), None, "{reason}");
            let mut next = sent(2_200, 51_000, snapshot(6));
            next.sent_at = next.sent_at.map(|stamp| SendStamp { connection: 2, ..stamp });
            book.handle(&next).unwrap();
            assert_eq!(book.lag_ms(), Some(0), "{reason}");
        }
    }
}
