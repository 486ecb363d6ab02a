//! The protocol half of Binance's public side: bytes and time in, inputs and requests out. No socket, no clock, no key.
//!
//! Split by the state each part owns:
//! - [`feeds`]: which streams go over which connection. [`links`]: the connections, over
//!   [`venue::feeds::Feeds`].
//! - [`books`]: one [`venue::book_sync::BookSync`] a pair, and the copies that they ask for, within the weight budget of each market.
//! - [`clock`]: the venue's clock.
//!
//! This file owns what they share: the queue to the wire, the tickets of requests, and the [`VenueSession`] face. The server's protocol
//! pings are answered by the driver. Orders and reads of an account come back at once as what a session without a key can say.

mod books;
mod clock;
mod feeds;
mod links;
mod unkeyed;

use crate::connector::get;
use crate::wire::frames::{Frame, TopFrame};
use crate::wire::{Decoder, PairNames, Reject, Scope};
use books::Books;
use clock::VenueClock;
use domain::time::SECOND;
use domain::{
    BookBody, BookUpdate, Command, Input, MarketNews, MonoNanos, PairId, ReadKind, ResyncReason, SendStamp, UnixNanos, VenueId,
};
use links::Controls;
use std::collections::{BTreeMap, VecDeque};
use venue::backoff::Jitter;
use venue::feeds::Feeds;
use venue::{
    ConnectorError, HttpRequest, LinkId, LossReason, Response, SessionConfig, SessionOptions, SessionStats, Ticket, Transmit,
    VenueSession,
};

pub(crate) use books::BookChannel;
pub(crate) use feeds::Route;

/// A read is given up after this long.
const READ_TIMEOUT_NS: u64 = 5 * SECOND;

/// Something queued for the wire.
enum Outgoing {
    Open(LinkId),
    Close(LinkId),
    Control { link: LinkId, text: String },
    Ask(What),
}

/// What a REST request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Time,
    Copy { pair: PairId, generation: u64 },
}

/// A request on the wire.
struct InFlight {
    what: What,
    sent: MonoNanos,
    wall: UnixNanos,
}

type PublicFeeds = Feeds<Controls>;

/// Binance's public side. See the module's docs.
pub struct BinanceSession {
    venue: VenueId,
    options: SessionOptions,
    decoder: Decoder,
    links: PublicFeeds,
    books: Books,
    clock: VenueClock,
    queue: VecDeque<Outgoing>,
    in_flight: BTreeMap<Ticket, InFlight>,
    tickets: u64,
    jitter: Jitter,
    stats: SessionStats,
}

impl std::fmt::Debug for BinanceSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BinanceSession")
            .field("venue", &self.venue)
            .field("in_flight", &self.in_flight.len())
            .finish_non_exhaustive()
    }
}

impl BinanceSession {
    /// A session that has not started. Keys in the configuration are not used.
    ///
    /// # Errors
    /// [`ConnectorError::BadOption`] for an unknown book channel, or more streams than connections are allowed for;
    /// [`ConnectorError::UnknownPair`] for a contract that no market of Binance lists.
    pub fn new(config: SessionConfig) -> Result<BinanceSession, ConnectorError> {
        let channel = BookChannel::parse(&config.book_channel)?;
        let names = PairNames::new(config.venue, config.tables, &config.pairs);
        if let Some(info) = config.pairs.iter().filter(|id| names.of(**id).is_none()).find_map(|id| names.tables.pair(*id)) {
            return Err(ConnectorError::UnknownPair(info.symbol.clone()));
        }
        let books = Books::new(config.venue, &names);
        let stats = SessionStats { streams: books.stream_stats(channel), ..SessionStats::default() };
        Ok(BinanceSession {
            venue: config.venue,
            options: config.options,
            links: Feeds::new(Controls, links::PACE, feeds::feeds(&names, channel, config.options)?),
            books,
            clock: VenueClock::new(&names),
            decoder: Decoder::new(names),
            queue: VecDeque::new(),
            in_flight: BTreeMap::new(),
            tickets: 0,
            jitter: Jitter::new(config.seed),
            stats,
        })
    }

    /// Counts a refused frame and acts on what it puts in doubt: everything that its link carries, one book, or nothing.
    fn refuse(&mut self, link: LinkId, reject: Reject, now: MonoNanos, updates: &mut Vec<Input>) {
        self.stats.reject(reject.reason);
        match reject.scope {
            Scope::Book(pair, reason) => self.resync(pair, reason, None, now, updates),
            Scope::Anything => {
                for pair in self.links.book_pairs(link) {
                    self.resync(pair, ResyncReason::Gap, None, now, updates);
                }
            }
            Scope::Private | Scope::Nothing => {}
        }
    }

    fn on_top(&mut self, link: LinkId, top: TopFrame, now: MonoNanos, updates: &mut Vec<Input>) {
        if !self.options.book_ticker {
            self.stats.ignored += 1;
            return;
        }
        let TopFrame { pair, sent_at, changed_at, id, bid, ask } = top;
        let connection = self.links.connection(link);
        let sent_at = sent_at.map(|at| SendStamp { at, connection });
        let body = BookBody::Top { id, bid, ask };
        updates.push(Input::Book(BookUpdate { venue: self.venue, pair, received: now, changed_at, sent_at, body }));
    }

    fn on_news(&mut self, wanted: bool, news: MarketNews, updates: &mut Vec<Input>) {
        if wanted {
            updates.push(Input::Market(news));
        } else {
            self.stats.ignored += 1;
        }
    }

    fn render(&self, what: What) -> Option<HttpRequest> {
        match what {
            What::Time => Some(get(self.clock.path(), String::new())),
            What::Copy { pair, .. } => {
                let named = self.decoder.names.of(pair)?;
                let name = percent_encoded(&named.name);
                Some(get(named.market.path("depth"), format!("symbol={name}&limit={}", books::COPY_LIMIT)))
            }
        }
    }

    /// True when the request may leave; a copy that is not wanted any more, or has no weight left, does not.
    fn may_leave(&mut self, what: What, now: MonoNanos) -> bool {
        match what {
            What::Time => true,
            What::Copy { pair, generation } => self.copy_may_leave(pair, generation, now),
        }
    }

    /// Queues whatever the books ask for at `now`.
    fn pump_book(&mut self, pair: PairId, now: MonoNanos, updates: &mut Vec<Input>) {
        let Some(book) = self.books.get_mut(pair) else { return };
        if let Some(generation) = book.sync.take_fetch(now) {
            self.queue.push_back(Outgoing::Ask(What::Copy { pair, generation }));
        }
        if book.sync.take_resubscribe() {
            self.with_links(now, updates, |links, _, steps| links.resubscribe(pair, now, steps));
        }
    }
}

/// A symbol in a query: Binance has names beyond ASCII.
fn percent_encoded(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

impl VenueSession for BinanceSession {
    fn venue(&self) -> VenueId {
        self.venue
    }

    fn start(&mut self, now: MonoNanos) {
        self.with_links(now, &mut Vec::new(), |links, _, steps| links.start(steps));
        self.start_clock_round(now);
    }

    fn handle_connected(&mut self, link: LinkId, now: MonoNanos, updates: &mut Vec<Input>) {
        self.with_links(now, updates, |links, jitter, steps| links.connected(link, now, jitter, steps));
    }

    fn handle_frame(&mut self, link: LinkId, now: MonoNanos, frame: &mut [u8], updates: &mut Vec<Input>) {
        self.stats.frames += 1;
        if !self.links.saw_frame(link, now) {
            // Of a connection that is being closed, or of none: what it says is old.
            self.stats.ignored += 1;
            return;
        }
        match self.decoder.frame(Route::of(link).market(), frame, now) {
            Ok(Frame::Book(book)) => self.on_book(link, book, now, updates),
            Ok(Frame::Top(top)) => self.on_top(link, top, now, updates),
            Ok(Frame::Trade(trade)) => self.on_news(self.options.trades, MarketNews::Trade(trade), updates),
            Ok(Frame::Ticker(ticker)) => self.on_news(self.options.tickers, MarketNews::Ticker(ticker), updates),
            Ok(Frame::Reply(reply)) => self.on_reply(link, reply, now, updates),
            Ok(Frame::Shutdown) => {
                self.stats.ignored += 1;
                self.with_links(now, updates, |links, _, steps| links.replace(link, now, steps));
            }
            Ok(Frame::Ignored) => self.stats.ignored += 1,
            Err(reject) => self.refuse(link, reject, now, updates),
        }
        self.with_links(now, updates, |links, _, steps| links.finish_replacement(link, now, steps));
    }

    fn handle_lost(&mut self, link: LinkId, now: MonoNanos, reason: LossReason, updates: &mut Vec<Input>) {
        self.on_lost(link, now, reason, updates);
    }

    fn handle_response(&mut self, ticket: Ticket, now: MonoNanos, response: Response<'_>, updates: &mut Vec<Input>) {
        let Some(flight) = self.in_flight.remove(&ticket) else { return };
        match flight.what {
            What::Time => self.on_time(&flight, response, now, updates),
            What::Copy { pair, generation } => self.on_copy(pair, generation, response, now, updates),
        }
    }

    fn handle_timeout(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        self.clock_timeout(now);
        self.with_links(now, updates, |links, _, steps| links.timeout(now, steps));
        self.books_timeout(now, updates);
    }

    fn handle_paused(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        self.clock.forget();
        self.in_flight.retain(|_, flight| flight.what != What::Time);
        for pair in self.books.pairs() {
            self.book_down(pair, ResyncReason::Paused, now, updates);
        }
        self.with_links(now, updates, |links, _, steps| links.paused(steps));
        self.start_clock_round(now);
    }

    fn submit(&mut self, now: MonoNanos, command: &Command, updates: &mut Vec<Input>) {
        debug_assert_eq!(command.venue(), self.venue, "Invariant: commands reach the session of their venue");
        match command {
            Command::Resync { pair, reason, .. } => {
                let floor = self.books.get_mut(*pair).and_then(|book| book.sync.known_id());
                self.resync(*pair, *reason, floor, now, updates);
            }
            Command::Read { read: ReadKind::Time, .. } => self.read_time(now),
            other => updates.extend(unkeyed::answer(self.venue, other, now)),
        }
    }

    fn poll_transmit(&mut self, now: MonoNanos, wall: UnixNanos, _updates: &mut Vec<Input>) -> Option<Transmit> {
        loop {
            match self.queue.pop_front()? {
                Outgoing::Open(link) => return Some(Transmit::Open(link)),
                Outgoing::Close(link) => return Some(Transmit::Close(link)),
                Outgoing::Control { link, text } => return Some(Transmit::Frame { link, text, order: false }),
                Outgoing::Ask(what) => {
                    if !self.may_leave(what, now) {
                        continue;
                    }
                    let Some(request) = self.render(what) else { continue };
                    self.tickets += 1;
                    let ticket = Ticket(self.tickets);
                    self.stats.requests += 1;
                    self.in_flight.insert(ticket, InFlight { what, sent: now, wall });
                    return Some(Transmit::Request { ticket, request, timeout_ns: READ_TIMEOUT_NS, order: false });
                }
            }
        }
    }

    fn poll_timeout(&self) -> Option<MonoNanos> {
        [self.clock.next_timeout(), self.links.next_timeout(), self.books.next_timeout()].into_iter().flatten().min()
    }

    fn shutdown(&mut self, now: MonoNanos) {
        self.books.stop();
        self.clock.stop();
        self.with_links(now, &mut Vec::new(), |links, _, steps| links.shutdown(steps));
    }

    fn stats(&self) -> &SessionStats {
        &self.stats
    }
}

#[cfg(test)]
mod tests;
