//! The protocol half of one Bybit account: bytes and time in, inputs and requests out. No socket, no clock.
//!
//! Orders, reads, the private link and its news, the order link, limits and the clock are the [`Desk`]'s, the same for every venue; what
//! Bybit adds to them is in [`wire`]. The connections of public streams are [`Feeds`]'; Bybit's pace, its control messages and which
//! stream goes over which connection are in [`feeds`]. [`books`]: one [`venue::snapshot_sync::SnapshotSync`] a pair.
//!
//! This file joins them: what a frame is and who takes it, and the [`VenueSession`] face.

mod books;
mod feeds;
pub(crate) mod wire;

use crate::sign::Signer;
use crate::wire::frames::{Frame, Reply, TickerFrame, TopFrame};
use crate::wire::{Decoder, PairNames, Reject, Scope};
use books::Books;
use domain::{
    BookBody, BookUpdate, Command, FrameReject, Input, LinkChange, LinkRole, MarketNews, MonoNanos, PairId, ResyncReason,
    SendStamp, Ticker, UnixNanos, VenueId,
};
use feeds::Controls;
use venue::backoff::Jitter;
use venue::desk::Desk;
use venue::feeds::{Feeds, Pace, Step};
use venue::{
    ConnectorError, LinkId, LossReason, Response, SessionConfig, SessionOptions, SessionStats, Ticket, Transmit, VenueSession,
};
use wire::BybitWire;

pub(crate) use books::BookChannel;
pub(crate) use feeds::{link, market_of};

/// One Bybit account. See the module's docs.
pub struct BybitSession {
    desk: Desk<BybitWire>,
    options: SessionOptions,
    feeds: Feeds<Controls>,
    books: Books,
    /// Last summary of each pair whose changes are told, by pair.
    tickers: Vec<Option<TickerFrame>>,
    /// The connection that told each pair's last top, by pair.
    tops: Vec<Option<u32>>,
}

impl std::fmt::Debug for BybitSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BybitSession")
            .field("venue", &self.desk.venue)
            .field("in_flight", &self.desk.requests_under_way())
            .finish_non_exhaustive()
    }
}

impl BybitSession {
    /// A session that has not started.
    ///
    /// # Errors
    /// [`ConnectorError::BadOption`] for an unknown book channel, or more streams than connections are allowed for;
    /// [`ConnectorError::UnknownPair`] for a contract that no market of Bybit lists.
    pub fn new(config: SessionConfig) -> Result<BybitSession, ConnectorError> {
        let channel = BookChannel::parse(&config.book_channel)?;
        let names = PairNames::new(config.venue, config.tables, &config.pairs);
        if let Some(info) = config.pairs.iter().filter(|id| names.of(**id).is_none()).find_map(|id| names.tables.pair(*id)) {
            return Err(ConnectorError::UnknownPair(info.symbol.clone()));
        }
        let pairs: Vec<PairId> = names.all().iter().map(|named| named.pair).collect();
        let books = Books::new(config.venue, &pairs);
        let stats = SessionStats { streams: books.stream_stats(channel), ..SessionStats::default() };
        let groups = feeds::groups(&names, channel, config.options)?;
        let size = pairs.iter().map(|pair| pair.index() + 1).max().unwrap_or_default();
        let signer = match (config.key, &config.secret) {
            (Some(key), Some(secret)) => Some(Signer::new(key, secret)),
            _ => None,
        };
        let wire = BybitWire::new(Decoder::new(names, channel.depth()), signer);
        Ok(BybitSession {
            desk: Desk::new(config.venue, wire, &pairs, config.options, config.seed, stats),
            options: config.options,
            feeds: Feeds::new(Controls, Pace { quiet_max_ns: channel.quiet_max_ns(), ..feeds::PACE }, groups),
            books,
            tickers: vec![None; size],
            tops: vec![None; size],
        })
    }

    /// Lets the feeds act, and does what they ask for.
    fn with_feeds(
        &mut self,
        now: MonoNanos,
        updates: &mut Vec<Input>,
        act: impl FnOnce(&mut Feeds<Controls>, &mut Jitter, &mut Vec<Step>),
    ) {
        let mut steps = Vec::new();
        act(&mut self.feeds, &mut self.desk.jitter, &mut steps);
        for step in steps {
            match step {
                Step::Open(link) => self.desk.queue_open(link),
                Step::Close(link) => {
                    self.books_gone(link, now, updates);
                    self.close(link);
                }
                Step::Control { link, text } => self.desk.queue_frame(link, text),
                Step::Unserved(pair) => self.distrust(pair, ResyncReason::Unserved, now, updates),
                Step::Down(pair) => self.book_down(pair, now, updates),
                Step::Seam(pair) => self.on_seam(pair, now),
                Step::Tell(state) => {
                    let change = LinkChange { venue: self.desk.venue, role: LinkRole::Public, state, at: now };
                    updates.push(Input::Link(change));
                }
            }
        }
    }

    fn close(&mut self, link: LinkId) {
        self.desk.forget_queued(link);
        if self.desk.take_back_open(link) {
            // The driver never heard of it, so no loss will be told.
            return self.feeds.never_opened(link);
        }
        self.desk.queue_close(link);
    }

    /// Counts a refused frame and acts on what it puts in doubt: everything that its link carries, one book, or nothing.
    fn refuse(&mut self, link: LinkId, reject: Reject, now: MonoNanos, updates: &mut Vec<Input>) {
        self.desk.stats.reject(reject.reason);
        match reject.scope {
            Scope::Book(pair, reason) => self.resync(pair, reason, now, updates),
            Scope::Anything => {
                for pair in self.feeds.book_pairs(link) {
                    self.resync(pair, ResyncReason::Gap, now, updates);
                }
            }
            Scope::Private | Scope::Nothing => {}
        }
    }

    fn on_reply(&mut self, link: LinkId, reply: Reply, now: MonoNanos, updates: &mut Vec<Input>) {
        if reply.refused {
            self.desk.stats.reject(FrameReject::VenueError);
        } else {
            self.desk.stats.ignored += 1;
        }
        self.with_feeds(now, updates, |feeds, _, steps| feeds.on_reply(link, reply.id, reply.refused, now, steps));
    }

    fn on_top(&mut self, link: LinkId, top: TopFrame, now: MonoNanos, updates: &mut Vec<Input>) {
        if !self.options.book_ticker {
            self.desk.stats.ignored += 1;
            return;
        }
        let TopFrame { pair, sent_at, changed_at, seq, bid, ask } = top;
        self.with_book(pair, now, updates, |book, _| book.on_top(seq, now));
        let connection = self.feeds.connection(link);
        // The first one answers the subscription, stamped with the time of its last change: it says nothing of lag.
        let first = self.tops.get_mut(pair.index()).is_none_or(|last| last.replace(connection) != Some(connection));
        let sent_at = sent_at.filter(|_| !first).map(|at| SendStamp { at, connection });
        let body = BookBody::Top { id: seq, bid, ask };
        updates.push(Input::Book(BookUpdate { venue: self.desk.venue, pair, received: now, changed_at, sent_at, body }));
    }

    /// A whole summary, or what changed of the last one. Changes of a summary that was never told are of no use.
    fn on_ticker(&mut self, frame: TickerFrame, now: MonoNanos, updates: &mut Vec<Input>) {
        let known = self.tickers.get_mut(frame.pair.index()).filter(|_| self.options.tickers);
        let merged = known.and_then(|known| {
            let merged = match *known {
                _ if frame.whole => frame,
                None => return None,
                Some(last) => TickerFrame {
                    last: frame.last.or(last.last),
                    bid: frame.bid.or(last.bid),
                    ask: frame.ask.or(last.ask),
                    quote_volume: frame.quote_volume.or(last.quote_volume),
                    ..last
                },
            };
            *known = Some(merged);
            Some(merged)
        });
        let Some(TickerFrame { pair, last, bid, ask, quote_volume: Some(quote_volume), .. }) = merged else {
            self.desk.stats.ignored += 1;
            return;
        };
        let ticker = Ticker { venue: self.desk.venue, pair, last, bid, ask, quote_volume, received: now };
        updates.push(Input::Market(MarketNews::Ticker(ticker)));
    }
}

impl VenueSession for BybitSession {
    fn venue(&self) -> VenueId {
        self.desk.venue
    }

    fn start(&mut self, now: MonoNanos) {
        self.with_feeds(now, &mut Vec::new(), |feeds, _, steps| feeds.start(steps));
        self.desk.start(now);
    }

    fn handle_connected(&mut self, link: LinkId, now: MonoNanos, updates: &mut Vec<Input>) {
        if self.desk.owns(link) {
            return self.desk.handle_connected(link, now, updates);
        }
        self.with_feeds(now, updates, |feeds, jitter, steps| feeds.connected(link, now, jitter, steps));
    }

    fn handle_frame(&mut self, link: LinkId, now: MonoNanos, frame: &mut [u8], updates: &mut Vec<Input>) {
        self.desk.stats.frames += 1;
        if self.desk.owns(link) {
            return self.desk.handle_frame(link, now, frame, updates);
        }
        if !self.feeds.saw_frame(link, now) {
            // Of a connection that is being closed, or of none: what it says is old.
            self.desk.stats.ignored += 1;
            return;
        }
        match self.desk.wire.decoder.frame(market_of(link), frame, now) {
            Ok(Frame::Book(book)) => self.on_book(link, book, now, updates),
            Ok(Frame::Top(top)) => self.on_top(link, top, now, updates),
            Ok(Frame::Trades(trades)) if self.options.trades => {
                updates.extend(trades.into_iter().map(|trade| Input::Market(MarketNews::Trade(trade))));
            }
            Ok(Frame::Ticker(ticker)) => self.on_ticker(ticker, now, updates),
            Ok(Frame::Reply(reply)) => self.on_reply(link, reply, now, updates),
            Ok(Frame::Ignored | Frame::Trades(_)) => self.desk.stats.ignored += 1,
            Err(reject) => self.refuse(link, reject, now, updates),
        }
        self.with_feeds(now, updates, |feeds, _, steps| feeds.finish_replacement(link, now, steps));
    }

    fn handle_lost(&mut self, link: LinkId, now: MonoNanos, reason: LossReason, updates: &mut Vec<Input>) {
        if self.desk.owns(link) {
            return self.desk.handle_lost(link, now, reason, updates);
        }
        self.desk.stats.reconnect(reason.as_str());
        self.desk.forget_queued(link);
        self.books_gone(link, now, updates);
        self.with_feeds(now, updates, |feeds, jitter, steps| feeds.lost(link, now, jitter, steps));
    }

    fn handle_response(&mut self, ticket: Ticket, now: MonoNanos, response: Response<'_>, updates: &mut Vec<Input>) {
        let own = self.desk.handle_response(ticket, now, response, updates);
        debug_assert!(own.is_none(), "Invariant: this session asks for nothing of its own");
    }

    fn handle_timeout(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        self.desk.requests_timeout(now);
        self.with_feeds(now, updates, |feeds, _, steps| feeds.timeout(now, steps));
        self.desk.links_timeout(now, updates);
        self.books_timeout(now, updates);
        self.desk.pair_rules_timeout(now);
    }

    fn handle_paused(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        self.books_forget(ResyncReason::Paused, now, updates);
        self.with_feeds(now, updates, |feeds, _, steps| feeds.paused(steps));
        self.desk.clock.forget_monotonic();
        self.desk.handle_paused(now, updates);
    }

    fn submit(&mut self, now: MonoNanos, command: &Command, updates: &mut Vec<Input>) {
        debug_assert_eq!(command.venue(), self.desk.venue, "Invariant: commands reach the session of their venue");
        match command {
            Command::Resync { pair, reason, .. } => self.resync(*pair, *reason, now, updates),
            other => self.desk.submit(now, other, updates),
        }
    }

    fn poll_transmit(&mut self, now: MonoNanos, wall: UnixNanos, updates: &mut Vec<Input>) -> Option<Transmit> {
        self.desk.poll_transmit(now, wall, |own| match *own {}, updates)
    }

    fn poll_timeout(&self) -> Option<MonoNanos> {
        [self.desk.poll_timeout(), self.feeds.next_timeout(), self.books.next_timeout()].into_iter().flatten().min()
    }

    fn shutdown(&mut self, now: MonoNanos) {
        self.desk.shutdown();
        self.books.stop();
        self.with_feeds(now, &mut Vec::new(), |feeds, _, steps| feeds.shutdown(steps));
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
