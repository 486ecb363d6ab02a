//! The books: one sequence a pair, and the copies they ask for (Binance, how to manage a local order book correctly).
//!
//! Copies weigh 50 of 6000 a minute on spot and 20 of 2400 on each futures market; half of that is left to others behind the same
//! address. When the venue says 429 or 418, nothing is asked of that market before the time it names.

use super::{BinanceSession, Outgoing, What};
use crate::market::Market;
use crate::wire::frames::BookFrame;
use crate::wire::{PairNames, Scope};
use domain::time::SECOND;
use domain::{Input, MonoNanos, PairId, ResyncReason, SendStamp, VenueId};
use venue::book_sync::{BookSync, CopyFault, Stamps, SyncOut};
use venue::rate_limit::{Limit, RateLimit, retry_after_ns};
use venue::stats::StreamStats;
use venue::{ConnectorError, LinkId, Response};

/// Levels a side of a copy.
pub(super) const COPY_LIMIT: u32 = 1000;
/// Window of the weight budgets.
const WEIGHT_WINDOW_NS: u64 = 60 * SECOND;
/// Waited after a 429 or 418 that names no time.
const LIMITED_NS: u64 = 10 * SECOND;

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

/// One book.
pub(super) struct Book {
    pub(super) sync: BookSync,
    market: Market,
}

/// All books, in the order of their pairs' names.
pub(super) struct Books {
    books: Vec<Book>,
    /// By pair: position in `books`.
    by_pair: Vec<Option<usize>>,
    /// By market: head-room for copies.
    budgets: [RateLimit; 3],
    /// Copies that wait for head-room.
    later: Vec<(MonoNanos, PairId, u64)>,
}

impl Books {
    pub(super) fn new(venue: VenueId, names: &PairNames) -> Books {
        let book = |(index, named): (usize, &crate::wire::NamedPair)| Book {
            sync: BookSync::new(venue, named.pair, index, named.market.chain()),
            market: named.market,
        };
        let books: Vec<Book> = names.all().iter().enumerate().map(book).collect();
        let mut by_pair = Vec::new();
        for (position, book) in books.iter().enumerate() {
            let pair = book.sync.pair().index();
            by_pair.resize(by_pair.len().max(pair + 1), None);
            by_pair[pair] = Some(position);
        }
        let budget = |market: Market| {
            let (weight, allowed) = market.depth_weight();
            RateLimit::new(Limit { count: allowed / weight / 2, window_ns: WEIGHT_WINDOW_NS })
        };
        Books { books, by_pair, budgets: Market::ALL.map(budget), later: Vec::new() }
    }

    /// Counters of every book, in their order.
    pub(super) fn stream_stats(&self, channel: BookChannel) -> Vec<StreamStats> {
        let zero = |book: &Book| StreamStats {
            pair: book.sync.pair(),
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
        self.books.iter().map(|book| book.sync.pair()).collect()
    }

    fn index(&self, pair: PairId) -> Option<usize> {
        self.by_pair.get(pair.index()).copied().flatten()
    }

    pub(super) fn get_mut(&mut self, pair: PairId) -> Option<&mut Book> {
        self.index(pair).and_then(|index| self.books.get_mut(index))
    }

    pub(super) fn stop(&mut self) {
        self.later.clear();
        for book in &mut self.books {
            book.sync.stop();
        }
    }

    pub(super) fn next_timeout(&self) -> Option<MonoNanos> {
        let fetches = self.books.iter().filter_map(|book| book.sync.next_fetch());
        fetches.chain(self.later.iter().map(|(at, ..)| *at)).min()
    }

    fn budget(&mut self, market: Market) -> Option<&mut RateLimit> {
        self.budgets.get_mut(market.index())
    }
}

impl BinanceSession {
    fn with_book(&mut self, pair: PairId, updates: &mut Vec<Input>, act: impl FnOnce(&mut BookSync, &mut SyncOut<'_>)) {
        let BinanceSession { books, stats, jitter, .. } = self;
        if let Some(book) = books.get_mut(pair) {
            act(&mut book.sync, &mut SyncOut { updates, stats, jitter });
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
        if let Some(stream) = self.books.index(pair).and_then(|index| self.stats.streams.get_mut(index)) {
            stream.frames += 1;
        }
        let two_links = self.links.served(pair);
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

    /// True when a copy is still wanted and there is weight for it; one without weight waits.
    pub(super) fn copy_may_leave(&mut self, pair: PairId, generation: u64, now: MonoNanos) -> bool {
        let Some(book) = self.books.get_mut(pair).filter(|book| book.sync.wants(generation)) else { return false };
        let market = book.market;
        let Some(budget) = self.books.budget(market) else { return false };
        if budget.take(now, 1) {
            return true;
        }
        let at = match budget.parked_until() {
            parked if parked > now => parked,
            _ => now.after(WEIGHT_WINDOW_NS / u64::from(budget.limit().max(1))),
        };
        self.books.later.push((at, pair, generation));
        false
    }

    /// The answer to a request for a copy.
    pub(super) fn on_copy(
        &mut self,
        pair: PairId,
        generation: u64,
        response: Response<'_>,
        now: MonoNanos,
        updates: &mut Vec<Input>,
    ) {
        let copy = match response {
            Response::Http { status: 200..=299, headers, body } => {
                self.note_weight(pair, headers);
                self.decoder.book_copy(body, pair).map_err(|reject| {
                    self.stats.reject(reject.reason);
                    match reject.scope {
                        Scope::Book(_, ResyncReason::Scale) => CopyFault::Scale,
                        _ => CopyFault::Failed,
                    }
                })
            }
            Response::Http { status, headers, .. } => {
                if status == 429 || status == 418 {
                    self.limited(pair, headers, now);
                }
                Err(CopyFault::Failed)
            }
            Response::Failed(_) => Err(CopyFault::Failed),
        };
        self.with_book(pair, updates, |book, out| book.on_copy(generation, copy, now, out));
        self.pump_book(pair, now, updates);
    }

    /// The venue counts the weight of the minute in a header.
    fn note_weight(&mut self, pair: PairId, headers: &[(String, String)]) {
        let used = headers.iter().find(|(name, _)| name == "x-mbx-used-weight-1m").and_then(|(_, v)| v.parse::<u32>().ok());
        let (Some(used), Some(book)) = (used, self.books.get_mut(pair)) else { return };
        let (_, allowed) = book.market.depth_weight();
        let left = (allowed.saturating_sub(used), allowed);
        // The tightest market by share of what it allows.
        let tighter = |known: (u32, u32)| u64::from(left.0) * u64::from(known.1) < u64::from(known.0) * u64::from(left.1);
        if self.stats.rate_remaining.is_none_or(|known| known.1 == allowed || tighter(known)) {
            self.stats.rate_remaining = Some(left);
        }
    }

    fn limited(&mut self, pair: PairId, headers: &[(String, String)], now: MonoNanos) {
        let Some(market) = self.books.get_mut(pair).map(|book| book.market) else { return };
        if let Some(budget) = self.books.budget(market) {
            budget.park(now, retry_after_ns(headers).unwrap_or(LIMITED_NS));
        }
    }

    pub(super) fn books_timeout(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        let due: Vec<(PairId, u64)> =
            self.books.later.iter().filter(|(at, ..)| *at <= now).map(|(_, pair, generation)| (*pair, *generation)).collect();
        self.books.later.retain(|(at, ..)| *at > now);
        for (pair, generation) in due {
            self.queue.push_back(Outgoing::Ask(What::Copy { pair, generation }));
        }
        for pair in self.books.pairs() {
            self.pump_book(pair, now, updates);
        }
    }
}
