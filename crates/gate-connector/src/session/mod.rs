//! The protocol half of one Gate spot account: bytes and time in, inputs and requests out. No socket, no clock.
//!
//! Orders, reads, private news, the order link, limits and the clock are the [`Desk`]'s, the same for every venue; what Gate adds to
//! them is in [`wire`]. Gate's own, split by the state each part owns:
//! - [`links`]: the WebSocket links of the streams: back-off, pings, proofs, dead links. [`streams`]: one subscription and its
//!   stages. [`handover`]: another connection before the venue closes this one; [`joining`]: how books go over to it.
//! - [`books`]: the sequence of every book, snapshots and resyncs. [`obu`]: the stream that needs no copy. [`window`]: the levels that
//!   the venue keeps up to date. [`audit`]: proof of quiet books over REST. [`news`]: best levels, trades, tickers.
//!
//! This file joins them: what a frame is and who takes it, whose timers come first, and the [`VenueSession`] face.

mod audit;
mod books;
mod handover;
mod joining;
mod links;
mod news;
mod obu;
mod streams;
mod window;
mod wire;

use crate::sign::Signer;
use crate::wire::frames::Frame;
use crate::wire::news::NewsWanted;
use crate::wire::{Decoder, PairNames, Reject, Scope};
use books::Books;
use domain::{Command, Input, LinkRole, LinkState, MonoNanos, PairId, ResyncReason, UnixNanos, VenueId};
use links::{Links, Place, news_channels};
use venue::desk::Desk;
use venue::{ConnectorError, LinkId, LossReason, Response, SessionConfig, SessionStats, Ticket, Transmit, VenueSession};
use wire::{BookCopy, Copy, GateWire};

pub(crate) use books::BookChannel;

/// One Gate spot account. See the module's docs.
pub struct GateSession {
    desk: Desk<GateWire>,
    links: Links,
    books: Books,
    frame_ids: u64,
}

impl std::fmt::Debug for GateSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GateSession")
            .field("venue", &self.desk.venue)
            .field("in_flight", &self.desk.requests_under_way())
            .finish_non_exhaustive()
    }
}

impl GateSession {
    /// A session that has not started.
    ///
    /// # Errors
    /// [`ConnectorError::BadOption`] for an unknown book channel.
    pub fn new(config: SessionConfig) -> Result<GateSession, ConnectorError> {
        let channel = BookChannel::parse(&config.book_channel)?;
        let names = PairNames::new(config.venue, config.tables, &config.pairs);
        let signer = match (config.key, &config.secret) {
            (Some(key), Some(secret)) => Some(Signer::new(key, secret)),
            _ => None,
        };
        let pairs: Vec<PairId> = names.iter().map(|(_, pair)| pair).collect();
        let options = config.options;
        let wanted = NewsWanted { book_ticker: options.book_ticker, trades: options.trades, tickers: options.tickers };
        // The books' first, then those of each further channel, all in the order of pairs.
        let channels = std::iter::once(channel.wire()).chain(news_channels(wanted));
        let streams = channels.flat_map(|channel| pairs.iter().map(move |pair| news::stream_stats(*pair, channel))).collect();
        let stats = SessionStats { streams, ..SessionStats::default() };
        let keys = signer.is_some();
        let (links, books) = (Links::new(&names, channel, wanted, keys), Books::new(channel, &pairs));
        let wire = GateWire::new(Decoder::new(names).wanting(wanted), signer);
        let desk = Desk::new(config.venue, wire, &pairs, options, config.seed, stats);
        Ok(GateSession { desk, links, books, frame_ids: 0 })
    }

    /// Counts a refused frame or body and acts on what it puts in doubt.
    fn refuse(&mut self, link: LinkId, reject: Reject, now: MonoNanos, updates: &mut Vec<Input>) {
        self.desk.stats.reject(reject.reason);
        match (link.role, reject.scope) {
            (_, Scope::Nothing) => {}
            // Nothing hangs on the connection that is only to follow.
            _ if self.links.is_next(link) => self.fail_next(link.role, now, updates),
            (_, Scope::Book(pair, reason)) => self.resync(pair, reason, None, now, updates),
            // A hole in the private news: only a new link, after which the engine reconciles, fills it.
            (LinkRole::Private, _) | (_, Scope::Private) => self.close_link(LinkRole::Private),
            (_, Scope::Anything) => self.resync_all(ResyncReason::Gap, now, updates),
        }
    }

    /// Tells the desk what it must know of the private link before anything is handed to it.
    fn desk(&mut self) -> &mut Desk<GateWire> {
        let proved = self.links.role(LinkRole::Private).is_some_and(|role| role.current.is_proved());
        self.desk.private_link_is(proved);
        &mut self.desk
    }
}

impl VenueSession for GateSession {
    fn venue(&self) -> VenueId {
        self.desk.venue
    }

    fn start(&mut self, now: MonoNanos) {
        for link in self.links.start() {
            self.desk.queue_open(link);
        }
        self.desk.start(now);
    }

    fn handle_connected(&mut self, link: LinkId, now: MonoNanos, updates: &mut Vec<Input>) {
        if self.desk.owns(link) {
            return self.desk().handle_connected(link, now, updates);
        }
        self.link_connected(link, now, updates);
    }

    fn handle_frame(&mut self, link: LinkId, now: MonoNanos, frame: &mut [u8], updates: &mut Vec<Input>) {
        self.desk.stats.frames += 1;
        if self.desk.owns(link) {
            return self.desk().handle_frame(link, now, frame, updates);
        }
        let place = match self.links.saw_frame(link, now) {
            // What was buffered before we closed a public link is old; private news stays true however late it is.
            Some(place) if place != Place::Closing || link.role == LinkRole::Private => place,
            _ => return self.desk.stats.ignored += 1,
        };
        let alive = place != Place::Closing;
        match self.desk.wire.decoder.frame(frame, now) {
            Ok(Frame::Book(book)) => self.on_book(book, place, now, updates),
            Ok(Frame::Top(top)) => self.on_top(top, place, now, updates),
            Ok(Frame::Trade(trade)) => self.on_trade(trade, place, now, updates),
            Ok(Frame::Ticker(ticker)) => self.on_ticker(ticker, place, now, updates),
            Ok(Frame::Orders(rows)) => self.desk().on_orders(rows, alive, now, updates),
            Ok(Frame::Fills(fills)) => self.desk().on_fills(fills, alive, now, updates),
            // Not numbered: two connections together could tell them out of order.
            Ok(Frame::Balances(rows)) if place == Place::Current => self.desk.on_balances(rows, now, updates),
            Ok(Frame::Reply(reply)) if alive => self.on_reply(link, reply, now, updates),
            Ok(Frame::Pong(sent_at)) if alive => self.on_pong(link, sent_at, now, updates),
            Ok(Frame::Upgrade) if alive => self.on_upgrade(link, now, updates),
            Ok(Frame::Ignored | Frame::Balances(_) | Frame::Reply(_) | Frame::Pong(_) | Frame::Upgrade) => {
                self.desk.stats.ignored += 1
            }
            Err(reject) if alive => self.refuse(link, reject, now, updates),
            Err(reject) => self.desk.stats.reject(reject.reason),
        }
    }

    fn handle_lost(&mut self, link: LinkId, now: MonoNanos, reason: LossReason, updates: &mut Vec<Input>) {
        if self.desk.owns(link) {
            return self.desk().handle_lost(link, now, reason, updates);
        }
        self.link_lost(link, now, reason, updates);
    }

    fn handle_response(&mut self, ticket: Ticket, now: MonoNanos, response: Response<'_>, updates: &mut Vec<Input>) {
        let Some(own) = self.desk().handle_response(ticket, now, response, updates) else { return };
        let BookCopy { pair, copy } = own.own;
        match copy {
            Copy::Book { generation } => self.on_base(pair, generation, own.answer, now, updates),
            Copy::Audit => self.on_audit(pair, own.answer, own.sent, now, updates),
        }
    }

    fn handle_timeout(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        self.desk.requests_timeout(now);
        self.links_timeout(now, updates);
        self.desk().links_timeout(now, updates);
        self.books_timeout(now, updates);
        self.desk.pair_rules_timeout(now);
    }

    fn handle_paused(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        // The monotonic clock may have stood still: what ties it to the venue's is void until the next sample.
        self.desk.clock.forget_monotonic();
        self.books_down(ResyncReason::Paused, now, updates);
        self.desk.private_down(now);
        for role in [LinkRole::Public, LinkRole::Private] {
            if self.links.is_wanted(role) {
                self.tell_link(role, LinkState::Paused, now, updates);
                self.close_link(role);
            }
        }
        self.desk().handle_paused(now, updates);
    }

    fn submit(&mut self, now: MonoNanos, command: &Command, updates: &mut Vec<Input>) {
        debug_assert_eq!(command.venue(), self.desk.venue, "Invariant: commands reach the session of their venue");
        match command {
            Command::Resync { pair, reason, .. } => {
                let floor = self.books.live_id(*pair);
                self.resync(*pair, *reason, floor, now, updates);
            }
            other => self.desk().submit(now, other, updates),
        }
    }

    fn poll_transmit(&mut self, now: MonoNanos, wall: UnixNanos, updates: &mut Vec<Input>) -> Option<Transmit> {
        self.desk();
        let GateSession { desk, books, .. } = self;
        let wanted = |own: &BookCopy| match own.copy {
            Copy::Book { generation } => books.wants(own.pair, generation),
            Copy::Audit => true,
        };
        desk.poll_transmit(now, wall, wanted, updates)
    }

    fn poll_timeout(&self) -> Option<MonoNanos> {
        let parts = [self.links.next_timeout(), self.books.next_timeout(), self.next_audit(), self.desk.poll_timeout()];
        parts.into_iter().flatten().min()
    }

    fn shutdown(&mut self, _now: MonoNanos) {
        self.desk.shutdown();
        for role in [LinkRole::Public, LinkRole::Private] {
            self.close_link(role);
        }
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
