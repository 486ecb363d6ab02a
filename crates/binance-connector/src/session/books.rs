//! The books: one sequence a pair, and the copies they ask for (Binance, how to manage a local order book correctly). What copies weigh,
//! and of what, is [`super::wire`]'s.

use super::BinanceSession;
use crate::market::Market;
use crate::wire::frames::BookFrame;
use crate::wire::{PairNames, Scope};
use domain::{Input, MonoNanos, PairId, ResyncReason, SendStamp, VenueId};
use venue::book_sync::{BookSync, CopyFault, Stamps, SyncOut};
use venue::desk::what::Answer;
use venue::stats::StreamStats;
use venue::{ConnectorError, LinkId};

/// The book channel of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BookChannel {
    /// The fastest changes of each market: 100 ms on spot, as they happen on futures (`@depth@0ms`, which Binance serves and does not
    /// document).
    Depth,
    /// Every 100 ms on all markets.
    Depth100Ms,
}

impl BookChannel {
    /// Configured names, the default first.
    pub(crate) const NAMES: &'static [&'static str] = &[BookChannel::Depth.name(), BookChannel::Depth100Ms.name()];

    pub(crate) fn parse(name: &str) -> Result<BookChannel, ConnectorError> {
        let known = [BookChannel::Depth, BookChannel::Depth100Ms].into_iter().find(|channel| channel.name() == name);
        known.ok_or_else(|| {
            let (what, allowed) = ("book channel", "depth or depth_100ms");
            ConnectorError::BadOption { what, value: name.to_string(), allowed }
        })
    }

    /// The configured name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            BookChannel::Depth => "depth",
            BookChannel::Depth100Ms => "depth_100ms",
        }
    }

    /// What follows the symbol in the stream's name.
    pub(super) const fn stream(self, market: Market) -> &'static str {
        match (self, market) {
            (BookChannel::Depth, Market::UsdM | Market::CoinM) => "depth@0ms",
            _ => "depth@100ms",
        }
    }
}

/// All books, in the order of their pairs' names.
pub(super) struct Books {
    books: Vec<BookSync>,
    /// By pair: position in `books`.
    by_pair: Vec<Option<usize>>,
}

impl Books {
    pub(super) fn new(venue: VenueId, names: &PairNames) -> Books {
        let book =
            |(index, named): (usize, &crate::wire::NamedPair)| BookSync::new(venue, named.pair, index, named.market.chain());
        let books: Vec<BookSync> = names.all().iter().enumerate().map(book).collect();
        let mut by_pair = Vec::new();
        for (position, book) in books.iter().enumerate() {
            let pair = book.pair().index();
            by_pair.resize(by_pair.len().max(pair + 1), None);
            by_pair[pair] = Some(position);
        }
        Books { books, by_pair }
    }

    /// Counters of every book, in their order.
    pub(super) fn stream_stats(&self, channel: BookChannel) -> Vec<StreamStats> {
        let zero = |book: &BookSync| StreamStats {
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

    pub(super) fn pairs(&self) -> Vec<PairId> {
        self.books.iter().map(BookSync::pair).collect()
    }

    fn index(&self, pair: PairId) -> Option<usize> {
        self.by_pair.get(pair.index()).copied().flatten()
    }

    pub(super) fn get_mut(&mut self, pair: PairId) -> Option<&mut BookSync> {
        self.index(pair).and_then(|index| self.books.get_mut(index))
    }

    /// True while the copy of this generation is waited for.
    pub(super) fn wants(&self, pair: PairId, generation: u64) -> bool {
        self.index(pair).and_then(|index| self.books.get(index)).is_some_and(|book| book.wants(generation))
    }

    pub(super) fn stop(&mut self) {
        self.books.iter_mut().for_each(BookSync::stop);
    }

    pub(super) fn next_timeout(&self) -> Option<MonoNanos> {
        self.books.iter().filter_map(BookSync::next_timeout).min()
    }
}

impl BinanceSession {
    fn with_book(&mut self, pair: PairId, updates: &mut Vec<Input>, act: impl FnOnce(&mut BookSync, &mut SyncOut<'_>)) {
        let BinanceSession { books, desk, .. } = self;
        if let Some(book) = books.get_mut(pair) {
            act(book, &mut SyncOut { updates, stats: &mut desk.stats, jitter: &mut desk.jitter });
        }
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
        self.with_book(pair, updates, |book, out| book.resync(reason, floor, now, out));
        self.pump_book(pair, now, updates);
    }

    /// The stream of a book is gone.
    pub(super) fn book_down(&mut self, pair: PairId, reason: ResyncReason, now: MonoNanos, updates: &mut Vec<Input>) {
        self.with_book(pair, updates, |book, out| book.down(reason, now, out));
    }

    /// One change of a book.
    pub(super) fn on_book(&mut self, link: LinkId, frame: BookFrame, now: MonoNanos, updates: &mut Vec<Input>) {
        let BookFrame { pair, sent_at, changed_at, delta } = frame;
        if let Some(stream) = self.books.index(pair).and_then(|index| self.desk.stats.streams.get_mut(index)) {
            stream.frames += 1;
        }
        let two_links = self.links.served(pair, now);
        let connection = self.links.connection(link);
        let sent_at = sent_at.map(|at| SendStamp { at, connection });
        let stamps = Stamps { received: now, sent_at, changed_at };
        self.with_book(pair, updates, |book, out| {
            if two_links {
                book.expect_seam();
            }
            book.on_delta(delta, stamps, out);
        });
        self.pump_book(pair, now, updates);
    }

    /// The answer to a request for a copy.
    pub(super) fn on_copy(
        &mut self,
        pair: PairId,
        generation: u64,
        answer: Answer<'_>,
        now: MonoNanos,
        updates: &mut Vec<Input>,
    ) {
        let copy = match self.desk.success(answer) {
            Ok(body) => self.desk.wire.decoder.book_copy(body, pair).map_err(|reject| {
                self.desk.stats.reject(reject.reason);
                match reject.scope {
                    Scope::Book(_, ResyncReason::Scale) => CopyFault::Scale,
                    _ => CopyFault::Failed,
                }
            }),
            Err(_) => Err(CopyFault::Failed),
        };
        self.with_book(pair, updates, |book, out| book.on_copy(generation, copy, now, out));
        self.pump_book(pair, now, updates);
    }

    pub(super) fn books_timeout(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        for pair in self.books.pairs() {
            self.with_book(pair, updates, |book, out| book.timeout(now, out));
            self.pump_book(pair, now, updates);
        }
    }
}
