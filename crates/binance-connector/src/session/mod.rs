//! The protocol half of one Binance account: bytes and time in, inputs and requests out. No socket, no clock.
//!
//! Orders, reads, private news, the private link and the order link, limits and the clock are the [`Desk`]'s, the same for every venue;
//! what Binance adds to them is in [`wire`]. Binance's own, split by the state each part owns:
//! - [`feeds`]: which streams go over which connection. [`links`]: the connections of public streams, over [`venue::feeds::Feeds`].
//! - [`books`]: one [`venue::book_sync::BookSync`] a pair, and the copies that they ask for.
//!
//! This file joins them: what a frame is and who takes it, and the [`VenueSession`] face. The server's protocol pings are answered by the
//! driver.

mod books;
mod feeds;
mod links;
mod wire;

use crate::market::Market;
use crate::sign::Signer;
use crate::wire::frames::{Frame, TopFrame};
use crate::wire::{Decoder, PairNames, Reject, Scope};
use books::Books;
use domain::{BookBody, BookUpdate, Command, Input, MarketNews, MonoNanos, PairId, ResyncReason, SendStamp, UnixNanos, VenueId};
use links::Controls;
use venue::desk::Desk;
use venue::feeds::Feeds;
use venue::{
    ConnectorError, LinkId, LossReason, Response, SessionConfig, SessionOptions, SessionStats, Ticket, Transmit, VenueSession,
};
use wire::{BinanceWire, BookCopy};

pub(crate) use books::BookChannel;
pub(crate) use feeds::Route;
pub(crate) use wire::signed;

type PublicFeeds = Feeds<Controls>;

/// One Binance account. See the module's docs.
pub struct BinanceSession {
    desk: Desk<BinanceWire>,
    options: SessionOptions,
    links: PublicFeeds,
    books: Books,
}

impl std::fmt::Debug for BinanceSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BinanceSession")
            .field("venue", &self.desk.venue)
            .field("in_flight", &self.desk.requests_under_way())
            .finish_non_exhaustive()
    }
}

impl BinanceSession {
    /// A session that has not started.
    ///
    /// # Errors
    /// [`ConnectorError::BadOption`] for an unknown book channel, or more streams than connections are allowed for;
    /// [`ConnectorError::UnknownPair`] for a contract that no market of Binance lists; [`ConnectorError::BadKey`] for a secret that looks
    /// like a private key and can't sign.
    pub fn new(config: SessionConfig) -> Result<BinanceSession, ConnectorError> {
        let channel = BookChannel::parse(&config.book_channel)?;
        let names = PairNames::new(config.venue, config.tables, &config.pairs);
        if let Some(info) = config.pairs.iter().filter(|id| names.of(**id).is_none()).find_map(|id| names.tables.pair(*id)) {
            return Err(ConnectorError::UnknownPair(info.symbol.clone()));
        }
        let signer = match (config.key, &config.secret) {
            (Some(key), Some(secret)) => {
                Some(Signer::new(key, secret).map_err(|error| ConnectorError::BadKey(error.to_string()))?)
            }
            _ => None,
        };
        let books = Books::new(config.venue, &names);
        let stats = SessionStats { streams: books.stream_stats(channel), ..SessionStats::default() };
        let links = Feeds::new(Controls, links::PACE, feeds::feeds(&names, channel, config.options)?);
        // What is traded, and whose rules are followed.
        let spot: Vec<PairId> = names.all().iter().filter(|named| named.market == Market::Spot).map(|named| named.pair).collect();
        let wire = BinanceWire::new(Decoder::new(names), signer);
        let desk = Desk::new(config.venue, wire, &spot, config.options, config.seed, stats);
        Ok(BinanceSession { desk, options: config.options, links, books })
    }

    /// Counts a refused frame and acts on what it puts in doubt: everything that its link carries, one book, or nothing.
    fn refuse(&mut self, link: LinkId, reject: Reject, now: MonoNanos, updates: &mut Vec<Input>) {
        self.desk.stats.reject(reject.reason);
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
            self.desk.stats.ignored += 1;
            return;
        }
        let TopFrame { pair, sent_at, changed_at, id, bid, ask } = top;
        if let Some(book) = self.books.get_mut(pair) {
            book.on_top(id, now);
        }
        let connection = self.links.connection(link);
        let sent_at = sent_at.map(|at| SendStamp { at, connection });
        let body = BookBody::Top { id, bid, ask };
        updates.push(Input::Book(BookUpdate { venue: self.desk.venue, pair, received: now, changed_at, sent_at, body }));
    }

    fn on_news(&mut self, wanted: bool, news: MarketNews, updates: &mut Vec<Input>) {
        if wanted {
            updates.push(Input::Market(news));
        } else {
            self.desk.stats.ignored += 1;
        }
    }

    /// Queues whatever the books ask for at `now`.
    fn pump_book(&mut self, pair: PairId, now: MonoNanos, updates: &mut Vec<Input>) {
        let Some(sync) = self.books.get_mut(pair) else { return };
        if let Some(generation) = sync.take_fetch(now) {
            self.desk.ask_own(BookCopy { pair, generation });
        }
        if sync.take_resubscribe() {
            self.with_links(now, updates, |links, _, steps| links.resubscribe(pair, now, steps));
        }
    }
}

impl VenueSession for BinanceSession {
    fn venue(&self) -> VenueId {
        self.desk.venue
    }

    fn start(&mut self, now: MonoNanos) {
        self.with_links(now, &mut Vec::new(), |links, _, steps| links.start(steps));
        self.desk.start(now);
    }

    fn handle_connected(&mut self, link: LinkId, now: MonoNanos, updates: &mut Vec<Input>) {
        if self.desk.owns(link) {
            return self.desk.handle_connected(link, now, updates);
        }
        self.with_links(now, updates, |links, jitter, steps| links.connected(link, now, jitter, steps));
    }

    fn handle_frame(&mut self, link: LinkId, now: MonoNanos, frame: &mut [u8], updates: &mut Vec<Input>) {
        self.desk.stats.frames += 1;
        if self.desk.owns(link) {
            return self.desk.handle_frame(link, now, frame, updates);
        }
        if !self.links.saw_frame(link, now) {
            // Of a connection that is being closed, or of none: what it says is old.
            self.desk.stats.ignored += 1;
            return;
        }
        match self.desk.wire.decoder.frame(Route::of(link).market(), frame, now) {
            Ok(Frame::Book(book)) => self.on_book(link, book, now, updates),
            Ok(Frame::Top(top)) => self.on_top(link, top, now, updates),
            Ok(Frame::Trade(trade)) => self.on_news(self.options.trades, MarketNews::Trade(trade), updates),
            Ok(Frame::Ticker(ticker)) => self.on_news(self.options.tickers, MarketNews::Ticker(ticker), updates),
            Ok(Frame::Reply(reply)) => self.on_reply(link, reply, now, updates),
            Ok(Frame::Shutdown) => {
                self.desk.stats.ignored += 1;
                self.with_links(now, updates, |links, _, steps| links.replace(link, now, steps));
            }
            Ok(Frame::Ignored) => self.desk.stats.ignored += 1,
            Err(reject) => self.refuse(link, reject, now, updates),
        }
        self.with_links(now, updates, |links, _, steps| links.finish_replacement(link, now, steps));
    }

    fn handle_lost(&mut self, link: LinkId, now: MonoNanos, reason: LossReason, updates: &mut Vec<Input>) {
        if self.desk.owns(link) {
            return self.desk.handle_lost(link, now, reason, updates);
        }
        self.desk.stats.reconnect(reason.as_str());
        self.desk.forget_queued(link);
        self.with_links(now, updates, |links, jitter, steps| links.lost(link, now, jitter, steps));
    }

    fn handle_response(&mut self, ticket: Ticket, now: MonoNanos, response: Response<'_>, updates: &mut Vec<Input>) {
        let Some(own) = self.desk.handle_response(ticket, now, response, updates) else { return };
        let BookCopy { pair, generation } = own.own;
        self.on_copy(pair, generation, own.answer, now, updates);
    }

    fn handle_timeout(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        self.desk.requests_timeout(now);
        self.with_links(now, updates, |links, _, steps| links.timeout(now, steps));
        self.desk.links_timeout(now, updates);
        self.books_timeout(now, updates);
        self.desk.pair_rules_timeout(now);
    }

    fn handle_paused(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        // What was measured before a suspension is worth nothing after it.
        self.desk.clock.forget_monotonic();
        for pair in self.books.pairs() {
            self.book_down(pair, ResyncReason::Paused, now, updates);
        }
        self.with_links(now, updates, |links, _, steps| links.paused(steps));
        self.desk.handle_paused(now, updates);
    }

    fn submit(&mut self, now: MonoNanos, command: &Command, updates: &mut Vec<Input>) {
        debug_assert_eq!(command.venue(), self.desk.venue, "Invariant: commands reach the session of their venue");
        match command {
            Command::Resync { pair, reason, .. } => {
                let floor = self.books.get_mut(*pair).and_then(|sync| sync.known_id());
                self.resync(*pair, *reason, floor, now, updates);
            }
            other => self.desk.submit(now, other, updates),
        }
    }

    fn poll_transmit(&mut self, now: MonoNanos, wall: UnixNanos, updates: &mut Vec<Input>) -> Option<Transmit> {
        let BinanceSession { desk, books, .. } = self;
        desk.poll_transmit(now, wall, |own| books.wants(own.pair, own.generation), updates)
    }

    fn poll_timeout(&self) -> Option<MonoNanos> {
        [self.desk.poll_timeout(), self.links.next_timeout(), self.books.next_timeout()].into_iter().flatten().min()
    }

    fn shutdown(&mut self, now: MonoNanos) {
        self.desk.shutdown();
        self.books.stop();
        self.with_links(now, &mut Vec::new(), |links, _, steps| links.shutdown(steps));
        self.desk.close_links();
    }

    fn public_parked_until(&self, limit: usize) -> Option<MonoNanos> {
        self.desk.public_parked_until(limit)
    }

    fn park_public(&mut self, limit: usize, until: MonoNanos) {
        self.desk.park_public(limit, until);
    }

    fn ban_until(&mut self, until: MonoNanos) {
        self.desk.ban_until(until);
    }

    fn stats(&self) -> &SessionStats {
        &self.desk.stats
    }
}

#[cfg(test)]
mod tests;
