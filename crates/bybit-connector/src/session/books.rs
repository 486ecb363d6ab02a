//! The books: one sequence a pair (Bybit v5, order book).
//!
//! A stream begins with a whole book, and another one may come at any time; `u` counts its messages one by one, and anything
//! numbered 1 is a whole book of a service that restarted. A number that is left out costs the book its trust until the stream,
//! asked for again, brings a whole one. `seq` orders states of a book across depths and connections: it is what the engine holds
//! as the book's id, so that tops of `orderbook.1` can be told apart from it.

use super::BybitSession;
use crate::wire::frames::BookFrame;
use domain::time::SECOND;
use domain::{Input, MonoNanos, PairId, ResyncReason, SendStamp, VenueId};
use venue::book_sync::{Stamps, SyncOut};
use venue::snapshot_sync::{Change, SnapshotSync, Whole};
use venue::stats::StreamStats;
use venue::{ConnectorError, LinkId};

/// The book channel of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BookChannel {
    /// `orderbook.50`, every 20 ms.
    Level50,
    /// `orderbook.1`, every 10 ms: whole tops only, sent again after three quiet seconds.
    Level1,
    /// `orderbook.200`, every 100 ms.
    Level200,
    /// `orderbook.1000`, every 200 ms.
    Level1000,
}

impl BookChannel {
    const ALL: [BookChannel; 4] = [BookChannel::Level50, BookChannel::Level1, BookChannel::Level200, BookChannel::Level1000];

    /// Configured names, the default first.
    pub(crate) const NAMES: &'static [&'static str] =
        &[BookChannel::Level50.name(), BookChannel::Level1.name(), BookChannel::Level200.name(), BookChannel::Level1000.name()];

    pub(crate) fn parse(name: &str) -> Result<BookChannel, ConnectorError> {
        BookChannel::ALL.into_iter().find(|channel| channel.name() == name).ok_or_else(|| {
            let allowed = "orderbook.50, orderbook.1, orderbook.200 or orderbook.1000";
            ConnectorError::BadOption { what: "book channel", value: name.to_string(), allowed }
        })
    }

    /// The channel of this depth.
    pub(crate) fn of_depth(depth: u16) -> Option<BookChannel> {
        BookChannel::ALL.into_iter().find(|channel| channel.depth() == depth)
    }

    /// The configured name, with which its topics begin.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            BookChannel::Level50 => "orderbook.50",
            BookChannel::Level1 => "orderbook.1",
            BookChannel::Level200 => "orderbook.200",
            BookChannel::Level1000 => "orderbook.1000",
        }
    }

    /// How long a stream may say nothing: tops are sent again after three quiet seconds, deeper books change or are silent.
    pub(super) const fn quiet_max_ns(self) -> Option<u64> {
        match self {
            BookChannel::Level1 => Some(10 * SECOND),
            BookChannel::Level50 | BookChannel::Level200 | BookChannel::Level1000 => None,
        }
    }

    /// Levels a side.
    pub(crate) const fn depth(self) -> u16 {
        match self {
            BookChannel::Level50 => 50,
            BookChannel::Level1 => 1,
            BookChannel::Level200 => 200,
            BookChannel::Level1000 => 1000,
        }
    }
}

/// All books, in the order of their pairs' names.
pub(super) struct Books {
    books: Vec<SnapshotSync>,
    /// By pair: position in `books`.
    by_pair: Vec<Option<usize>>,
}

impl Books {
    pub(super) fn new(venue: VenueId, pairs: &[PairId]) -> Books {
        let books: Vec<SnapshotSync> =
            pairs.iter().enumerate().map(|(stream, pair)| SnapshotSync::new(venue, *pair, stream)).collect();
        let mut by_pair = Vec::new();
        for (position, pair) in pairs.iter().enumerate() {
            by_pair.resize(by_pair.len().max(pair.index() + 1), None);
            by_pair[pair.index()] = Some(position);
        }
        Books { books, by_pair }
    }

    /// Counters of every book, in their order.
    pub(super) fn stream_stats(&self, channel: BookChannel) -> Vec<StreamStats> {
        let zero = |book: &SnapshotSync| StreamStats {
            pair: book.pair(),
            channel: channel.name(),
            frames: 0,
            applied: 0,
            stale: 0,
            gaps: 0,
            snapshots: 0,
        };
        self.books.iter().map(zero).collect()
    }

    fn index(&self, pair: PairId) -> Option<usize> {
        self.by_pair.get(pair.index()).copied().flatten()
    }

    fn get_mut(&mut self, pair: PairId) -> Option<&mut SnapshotSync> {
        self.index(pair).and_then(|index| self.books.get_mut(index))
    }

    fn pairs(&self) -> Vec<PairId> {
        self.books.iter().map(SnapshotSync::pair).collect()
    }

    pub(super) fn stop(&mut self) {
        self.books.iter_mut().for_each(SnapshotSync::stop);
    }

    pub(super) fn next_timeout(&self) -> Option<MonoNanos> {
        self.books.iter().filter_map(SnapshotSync::next_timeout).min()
    }
}

impl BybitSession {
    pub(super) fn with_book(
        &mut self,
        pair: PairId,
        now: MonoNanos,
        updates: &mut Vec<Input>,
        act: impl FnOnce(&mut SnapshotSync, &mut SyncOut<'_>),
    ) {
        let BybitSession { books, desk, .. } = self;
        let Some(book) = books.get_mut(pair) else { return };
        act(book, &mut SyncOut { updates, stats: &mut desk.stats, jitter: &mut desk.jitter });
        if book.take_resubscribe(now) {
            self.with_feeds(now, updates, |feeds, _, steps| feeds.resubscribe(pair, now, steps));
        }
    }

    /// Takes a book out of trust and has its stream asked for again.
    pub(super) fn resync(&mut self, pair: PairId, reason: ResyncReason, now: MonoNanos, updates: &mut Vec<Input>) {
        self.with_book(pair, now, updates, |book, out| book.resync(reason, now, out));
    }

    /// Takes a book out of trust, whose stream is asked for again by its deadline.
    pub(super) fn distrust(&mut self, pair: PairId, reason: ResyncReason, now: MonoNanos, updates: &mut Vec<Input>) {
        self.with_book(pair, now, updates, |book, out| book.distrust(reason, now, out));
    }

    /// A connection is gone, or about to be closed.
    pub(super) fn books_gone(&mut self, link: LinkId, now: MonoNanos, updates: &mut Vec<Input>) {
        for pair in self.feeds.book_pairs(link) {
            self.with_book(pair, now, updates, |book, out| book.gone(link, now, out));
        }
    }

    /// No connection carries this book on.
    pub(super) fn book_down(&mut self, pair: PairId, now: MonoNanos, updates: &mut Vec<Input>) {
        self.with_book(pair, now, updates, |book, out| book.down(ResyncReason::Reconnect, now, out));
        self.on_seam(pair, now);
    }

    /// Another connection carries this book on. What it said before is the proof that it serves it.
    pub(super) fn on_seam(&mut self, pair: PairId, now: MonoNanos) {
        if self.books.get_mut(pair).is_some_and(|book| book.is_carried()) {
            self.feeds.served(pair, now);
        }
    }

    /// Everything that was heard is old.
    pub(super) fn books_forget(&mut self, reason: ResyncReason, now: MonoNanos, updates: &mut Vec<Input>) {
        for pair in self.books.pairs() {
            self.with_book(pair, now, updates, |book, out| book.forget(reason, now, out));
        }
    }

    /// One message of a book's stream.
    pub(super) fn on_book(&mut self, link: LinkId, frame: BookFrame, now: MonoNanos, updates: &mut Vec<Input>) {
        let BookFrame { pair, whole, sent_at, changed_at, number, seq, bids, asks } = frame;
        if let Some(stream) = self.books.index(pair).and_then(|index| self.desk.stats.streams.get_mut(index)) {
            stream.frames += 1;
        }
        if whole {
            // Changes alone serve nobody.
            self.feeds.served(pair, now);
        }
        let connection = self.feeds.connection(link);
        let sent_at = sent_at.map(|at| SendStamp { at, connection });
        let stamps = Stamps { received: now, sent_at, changed_at };
        self.with_book(pair, now, updates, |book, out| {
            if whole {
                book.on_whole(link, Whole { number, id: seq, bids, asks }, stamps, out);
            } else {
                let previous = number.saturating_sub(1);
                book.on_change(link, Change { previous, number, id: seq, bids, asks }, stamps, out);
            }
        });
    }

    pub(super) fn books_timeout(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        for pair in self.books.pairs() {
            self.with_book(pair, now, updates, |book, out| book.timeout(now, out));
        }
    }
}
