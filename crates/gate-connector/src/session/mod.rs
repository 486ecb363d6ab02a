//! The protocol half of one Gate spot account: bytes and time in, inputs and requests out. No socket, no clock.
//!
//! Split by the state each part owns:
//! - [`links`]: the WebSocket links of the streams: back-off, pings, proofs, dead links. [`streams`]: one subscription and its
//!   stages. [`handover`]: another connection before the venue closes this one; [`joining`]: how books go over to it.
//! - [`books`]: the sequence of every book, snapshots and resyncs. [`obu`]: the stream that needs no copy. [`audit`]: proof of quiet
//!   books over REST. [`news`]: best levels, trades, tickers.
//! - [`private`]: order, fill and balance news of the private link, and the proof that it lives.
//! - [`orders`]: placing, amending, cancelling and looking up, and what every answer to it means. [`intents`]: what we asked for,
//!   held against every echo. [`dead_man`]: the venue's own switch.
//! - [`order_entry`]: the logged-in WebSocket way that orders may take instead of REST.
//! - [`reads`]: balances, open orders, trades, fees, rights.
//! - [`pair_rules`]: the rules of the pairs, read anew. [`clock`]: the venue's clock. [`budgets`]: rate limits.
//!
//! This file owns what they share: the queue to the wire, the tickets of requests, the timers, and the [`VenueSession`] face.
//! Requests and frames are queued as *what to send* and become bytes in [`GateSession::poll_transmit`], so every signature is made
//! with the time at which its bytes leave.

mod audit;
mod books;
mod budgets;
mod clock;
mod dead_man;
mod handover;
mod intents;
mod joining;
mod links;
mod news;
mod obu;
mod order_entry;
mod orders;
mod pair_rules;
mod private;
mod reads;
mod streams;

use crate::sign::Signer;
use crate::wire::frames::Frame;
use crate::wire::news::NewsWanted;
use crate::wire::{Decoder, PairNames, Reject, Scope, encode};
use books::Books;
use budgets::Budgets;
use dead_man::DeadManTimeout;
use domain::command::OrderRef;
use domain::mutants::{self, Mutant};
use domain::time::{MILLI, SECOND};
use domain::{
    Amend, Command, ErrorClass, Input, LinkRole, LinkState, MonoNanos, NewOrder, PairId, ResyncReason, UnixNanos, VenueId,
};
use intents::Intents;
use links::{Links, Place, news_channels};
use order_entry::OrderEntry;
use orders::{CancelAll, Way};
use pair_rules::PairRules;
use private::PrivateProof;
use reads::{OpenOrdersRead, TradesRead};
use std::collections::{BTreeMap, VecDeque};
use streams::Subscription;
use venue::backoff::{Jitter, backoff_ns};
use venue::clock_sync::ClockSync;
use venue::{
    ConnectorError, HttpRequest, IoFailure, LinkId, LossReason, Method, Response, SessionConfig, SessionStats, Ticket, Transmit,
    VenueSession,
};

pub(crate) use books::BookChannel;

/// An order request is given up after this long; its outcome is then unknown.
const ORDER_TIMEOUT_NS: u64 = 3 * SECOND;
/// A read is given up after this long.
const READ_TIMEOUT_NS: u64 = 5 * SECOND;

/// Something queued for the wire.
enum Outgoing {
    Open(LinkId),
    Close(LinkId),
    /// A subscribe or unsubscribe frame, signed when it leaves.
    Subscription {
        link: LinkId,
        id: u64,
        subscription: Subscription,
        subscribe: bool,
    },
    Ping(LinkId),
    /// A login of an order-entry link with this correlation, signed when it leaves.
    Login(LinkId, u64),
    Ask(Asked),
}

/// A REST request: what it is for, and how often it was tried before.
struct Asked {
    what: What,
    attempt: u8,
}

impl Asked {
    /// The same request, for what may still be told about it.
    fn again(&self) -> Asked {
        Asked { what: self.what.clone(), attempt: self.attempt }
    }
}

/// What a request is for.
#[derive(Clone)]
enum What {
    Time,
    Base { pair: PairId, copy: Copy },
    Place { order: NewOrder, way: Way, resent: bool },
    Amend(Amend),
    Cancel(OrderRef),
    CancelAll(CancelAll),
    LookUp(OrderRef),
    DeadMan(DeadManTimeout),
    Rules(PairId),
    Balances,
    OpenOrders(OpenOrdersRead),
    Trades(TradesRead),
    Fees { index: usize },
    Account,
    AccountDetail,
}

/// What a copy of a book is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Copy {
    /// The base of a chain of changes.
    Book { generation: u64 },
    /// A comparison with a quiet book.
    Audit,
}

/// A request on the wire.
struct InFlight {
    asked: Asked,
    sent: MonoNanos,
    /// Venue time at which it left, by our estimate.
    venue_time_ns: i64,
    wall: UnixNanos,
}

/// One Gate spot account. See the module's docs.
pub struct GateSession {
    venue: VenueId,
    decoder: Decoder,
    signer: Option<Signer>,
    links: Links,
    entry: OrderEntry,
    books: Books,
    private: PrivateProof,
    intents: Intents,
    rules: PairRules,
    clock: ClockSync,
    budgets: Budgets,
    /// Orders and cancels: before everything else.
    urgent: VecDeque<Asked>,
    queue: VecDeque<Outgoing>,
    /// Requests that wait for their time (retries, budgets).
    later: Vec<(MonoNanos, Asked)>,
    in_flight: BTreeMap<Ticket, InFlight>,
    tickets: u64,
    frame_ids: u64,
    jitter: Jitter,
    stopped: bool,
    stats: SessionStats,
}

impl std::fmt::Debug for GateSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GateSession")
            .field("venue", &self.venue)
            .field("in_flight", &self.in_flight.len())
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
        Ok(GateSession {
            venue: config.venue,
            entry: OrderEntry::new(config.options.order_entry, signer.is_some()),
            links: Links::new(&names, channel, wanted, signer.is_some()),
            books: Books::new(channel, &pairs),
            private: PrivateProof::default(),
            intents: Intents::default(),
            rules: PairRules::new(&pairs),
            budgets: Budgets::new(&pairs),
            clock: ClockSync::new(clock::PACE),
            decoder: Decoder::new(names).wanting(wanted),
            signer,
            urgent: VecDeque::new(),
            queue: VecDeque::new(),
            later: Vec::new(),
            in_flight: BTreeMap::new(),
            tickets: 0,
            frame_ids: 0,
            jitter: Jitter::new(config.seed),
            stopped: false,
            stats,
        })
    }

    fn ask(&mut self, what: What) {
        let asked = Asked { what, attempt: 0 };
        match asked.what {
            What::Place { .. } | What::Amend(_) | What::Cancel(_) | What::CancelAll(_) | What::DeadMan(_) => {
                self.urgent.push_back(asked)
            }
            _ => self.queue.push_back(Outgoing::Ask(asked)),
        }
    }

    fn ask_later(&mut self, at: MonoNanos, asked: Asked) {
        self.later.push((at, asked));
    }

    /// Counts a refused frame or body and acts on what it puts in doubt.
    fn refuse(&mut self, link: LinkId, reject: Reject, now: MonoNanos, updates: &mut Vec<Input>) {
        self.stats.reject(reject.reason);
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

    /// Bytes of a request, or `None` when it must not leave any more (its input is in `updates` then).
    fn render(&self, what: &What, now: MonoNanos, venue_time_ns: i64) -> HttpRequest {
        let (method, path, mut query, body) = self.request_parts(what);
        let mut headers = vec![("Accept", "application/json".to_string())];
        if !body.is_empty() {
            headers.push(("Content-Type", "application/json".into()));
        }
        if let Some(expires_ms) = orders::expiry_ms(what, now, venue_time_ns) {
            headers.push(("x-gate-exptime", expires_ms.to_string()));
        }
        let path = format!("{}{path}", crate::connector::API_PREFIX);
        if let Some(signer) = self.signer.as_ref().filter(|_| !matches!(what, What::Time | What::Base { .. } | What::Rules(_))) {
            let timestamp = UnixNanos(venue_time_ns).seconds().to_string();
            if mutants::active(Mutant::KeyInUrl) {
                query.push_str(&format!("&key={}", signer.key()));
            }
            headers.push(("SIGN", signer.rest(method.as_str(), &path, &query, &body, &timestamp)));
            headers.push(("Timestamp", timestamp));
            headers.push(("KEY", signer.key().to_string()));
        }
        HttpRequest { method, path, query, headers, body }
    }

    fn request_parts(&self, what: &What) -> (Method, String, String, Vec<u8>) {
        let name = |pair: PairId| self.decoder.names.name(pair).unwrap_or_default();
        let get = |path: &str, query: String| (Method::Get, path.to_string(), query, Vec::new());
        match what {
            What::Time => get("/spot/time", String::new()),
            What::Base { pair, copy } => {
                let limit = if *copy == Copy::Audit { audit::AUDIT_LEVELS } else { 100 };
                get("/spot/order_book", format!("currency_pair={}&limit={limit}&with_id=true", name(*pair)))
            }
            What::Place { order, .. } => {
                let scale = self.decoder.names.tables.pair(order.pair).map(|info| info.scale);
                let scale = scale.expect("Invariant: only orders on configured pairs are queued");
                (Method::Post, "/spot/orders".into(), String::new(), encode::order_body(order, name(order.pair), scale))
            }
            What::Amend(amend) => {
                let scale = self.decoder.names.tables.pair(amend.order.pair).map(|info| info.scale);
                let scale = scale.expect("Invariant: only orders on configured pairs are queued");
                (
                    Method::Patch,
                    orders::order_path(&amend.order),
                    format!("currency_pair={}&account=spot", name(amend.order.pair)),
                    format!("{{{}}}", encode::amend_members(amend, scale)).into_bytes(),
                )
            }
            What::Cancel(order) => (
                Method::Delete,
                orders::order_path(order),
                format!("currency_pair={}&account=spot", name(order.pair)),
                Vec::new(),
            ),
            // Never without the pair: that would cancel on every market.
            What::CancelAll(all) => {
                (Method::Delete, "/spot/orders".into(), format!("currency_pair={}&account=spot", name(all.pair)), Vec::new())
            }
            What::LookUp(order) => get(&orders::order_path(order), format!("currency_pair={}&account=spot", name(order.pair))),
            What::Rules(pair) => get(&format!("/spot/currency_pairs/{}", name(*pair)), String::new()),
            What::DeadMan(timeout) => (Method::Post, "/spot/countdown_cancel_all".into(), String::new(), timeout.body()),
            What::Balances => get("/spot/accounts", String::new()),
            What::OpenOrders(read) => get("/spot/open_orders", read.query()),
            What::Trades(read) => get("/spot/my_trades", read.query(name(read.pair))),
            What::Fees { index } => {
                get("/wallet/fee", format!("currency_pair={}", self.books.pair_at(*index).map(name).unwrap_or_default()))
            }
            What::Account => get("/account/main_keys", String::new()),
            What::AccountDetail => get("/account/detail", String::new()),
        }
    }

    /// Checks that need the time of sending. True when the request may leave.
    fn may_leave(&mut self, what: &What, now: MonoNanos, updates: &mut Vec<Input>) -> bool {
        match what {
            What::Place { order, .. } if order.deadline.is_some_and(|deadline| now >= deadline) => {
                updates.push(orders::not_sent(order, now));
                self.private_void(order.client_id, now, updates);
                false
            }
            What::Base { pair, copy: Copy::Book { generation } } => self.books.wants(*pair, *generation),
            _ => true,
        }
    }

    fn transmit_request(&mut self, mut asked: Asked, now: MonoNanos, wall: UnixNanos) -> Transmit {
        let venue_time_ns = self.clock.venue_time_ns(now, wall);
        if let What::Trades(read) = &mut asked.what {
            read.ahead_ns = wall.0.saturating_sub(venue_time_ns).max(0);
        }
        let request = self.render(&asked.what, now, venue_time_ns);
        let order = matches!(asked.what, What::Place { .. });
        let timeout_ns = match asked.what {
            What::Place { .. } | What::Amend(_) | What::Cancel(_) | What::CancelAll(_) => ORDER_TIMEOUT_NS,
            _ => READ_TIMEOUT_NS,
        };
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.stats.requests += 1;
        self.in_flight.insert(ticket, InFlight { asked, sent: now, venue_time_ns, wall });
        Transmit::Request { ticket, request, timeout_ns, order }
    }

    /// Asks again after a pause when the failure may pass, at most once.
    ///
    /// # Errors
    /// Gives the request back when it must be answered as failed.
    fn try_again(&mut self, asked: Asked, class: ErrorClass, now: MonoNanos) -> Result<(), Asked> {
        let passes = matches!(class, ErrorClass::RateLimited | ErrorClass::ClockSkew | ErrorClass::Unknown);
        if asked.attempt > 0 || !passes || self.stopped {
            return Err(asked);
        }
        let first = if class == ErrorClass::RateLimited { SECOND } else { 200 * MILLI };
        // Not before the venue said that it takes such requests again.
        let at = now.after(self.jitter.spread(first)).max(self.budgets.opens_at(&asked.what));
        self.ask_later(at, Asked { attempt: asked.attempt + 1, ..asked });
        Ok(())
    }
}

/// An answer without its driver's types: status and body, or a failure.
pub(crate) enum Answer<'a> {
    /// Any HTTP answer.
    Http { status: u16, body: &'a mut [u8] },
    /// None.
    Failed(IoFailure),
}

impl Answer<'_> {
    const fn is_success(&self) -> bool {
        matches!(self, Answer::Http { status: 200..=299, .. })
    }
}

impl GateSession {
    /// Class and label of an answer that is not a success.
    fn failure(&mut self, answer: &mut Answer<'_>) -> (ErrorClass, Option<crate::wire::bodies::ErrorLabel>) {
        match answer {
            Answer::Failed(_) => (ErrorClass::Unknown, None),
            Answer::Http { status, body } => {
                let label = self.decoder.error_label(body);
                (crate::errors::class(*status, label.as_ref().map(|l| l.0.as_str())), label)
            }
        }
    }
}

impl VenueSession for GateSession {
    fn venue(&self) -> VenueId {
        self.venue
    }

    fn start(&mut self, now: MonoNanos) {
        for link in self.links.start(now) {
            self.queue.push_back(Outgoing::Open(link));
        }
        self.entry_start(now);
        self.rules.start(now);
        self.start_clock_round(now);
    }

    fn handle_connected(&mut self, link: LinkId, now: MonoNanos, updates: &mut Vec<Input>) {
        if link.role == LinkRole::OrderEntry {
            return self.entry_connected(link, now);
        }
        self.link_connected(link, now, updates);
    }

    fn handle_frame(&mut self, link: LinkId, now: MonoNanos, frame: &mut [u8], updates: &mut Vec<Input>) {
        self.stats.frames += 1;
        if link.role == LinkRole::OrderEntry {
            return self.entry_frame(link, now, frame, updates);
        }
        let place = match self.links.saw_frame(link, now) {
            // What was buffered before we closed a public link is old; private news stays true however late it is.
            Some(place) if place != Place::Closing || link.role == LinkRole::Private => place,
            _ => return self.stats.ignored += 1,
        };
        let alive = place != Place::Closing;
        match self.decoder.frame(frame, now) {
            Ok(Frame::Book(book)) => self.on_book(book, place, now, updates),
            Ok(Frame::Top(top)) => self.on_top(top, place, now, updates),
            Ok(Frame::Trade(trade)) => self.on_trade(trade, place, now, updates),
            Ok(Frame::Ticker(ticker)) => self.on_ticker(ticker, place, now, updates),
            Ok(Frame::Orders(rows)) => self.on_orders(rows, alive, now, updates),
            Ok(Frame::Fills(fills)) => self.on_fills(fills, alive, now, updates),
            // Not numbered: two connections together could tell them out of order.
            Ok(Frame::Balances(rows)) if place == Place::Current => self.on_balances(rows, now, updates),
            Ok(Frame::Reply(reply)) if alive => self.on_reply(link, reply, now, updates),
            Ok(Frame::Pong(sent_at)) if alive => self.on_pong(link, sent_at, now, updates),
            Ok(Frame::Upgrade) if alive => self.on_upgrade(link, now, updates),
            Ok(Frame::Ignored | Frame::Balances(_) | Frame::Reply(_) | Frame::Pong(_) | Frame::Upgrade) => {
                self.stats.ignored += 1
            }
            Err(reject) if alive => self.refuse(link, reject, now, updates),
            Err(reject) => self.stats.reject(reject.reason),
        }
    }

    fn handle_lost(&mut self, link: LinkId, now: MonoNanos, reason: LossReason, updates: &mut Vec<Input>) {
        if link.role == LinkRole::OrderEntry {
            return self.entry_lost(link, now, reason, updates);
        }
        self.link_lost(link, now, reason, updates);
    }

    fn handle_response(&mut self, ticket: Ticket, now: MonoNanos, response: Response<'_>, updates: &mut Vec<Input>) {
        let Some(flight) = self.in_flight.remove(&ticket) else { return };
        let answer = match response {
            Response::Failed(failure) => Answer::Failed(failure),
            Response::Http { status, headers, body } => {
                self.on_headers(&flight.asked.what, status, headers, now, updates);
                Answer::Http { status, body }
            }
        };
        self.route_answer(flight, answer, now, updates);
    }

    fn handle_timeout(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        let mut index = 0;
        while index < self.later.len() {
            if self.later.get(index).is_some_and(|(at, _)| *at <= now) {
                let (_, asked) = self.later.remove(index);
                match asked.what {
                    What::Cancel(_) | What::CancelAll(_) => self.urgent.push_back(asked),
                    _ => self.queue.push_back(Outgoing::Ask(asked)),
                }
            } else {
                index += 1;
            }
        }
        if self.clock.is_due(now) {
            // A round that is still unanswered after all this time is over.
            self.clock.give_up_round();
            self.start_clock_round(now);
        }
        self.links_timeout(now, updates);
        self.entry_timeout(now, updates);
        self.books_timeout(now, updates);
        self.rules_timeout(now);
    }

    fn handle_paused(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        // The monotonic clock may have stood still: what ties it to the venue's is void until the next sample.
        self.clock.forget_monotonic();
        self.books_down(ResyncReason::Paused, now, updates);
        self.private_down(now);
        for role in [LinkRole::Public, LinkRole::Private] {
            if self.links.is_wanted(role) {
                self.tell_link(role, LinkState::Paused, now, updates);
                self.close_link(role);
            }
        }
        self.entry_paused(now, updates);
        self.start_clock_round(now);
    }

    fn submit(&mut self, now: MonoNanos, command: &Command, updates: &mut Vec<Input>) {
        debug_assert_eq!(command.venue(), self.venue, "Invariant: commands reach the session of their venue");
        match command {
            Command::Place(order) => self.submit_order(order, now, updates),
            Command::Cancel(order) => self.submit_cancel(order, now, updates),
            Command::CancelAll { pair, .. } => self.submit_cancel_all(*pair, now, updates),
            Command::LookUp(order) => self.submit_look_up(order, now, updates),
            Command::Amend(amend) => self.submit_amend(amend, now, updates),
            Command::Read { read, .. } => self.submit_read(*read, now, updates),
            Command::DeadMan { timeout_ns, .. } => self.submit_dead_man(*timeout_ns, now, updates),
            Command::Resync { pair, reason, .. } => {
                let floor = self.books.live_id(*pair);
                self.resync(*pair, *reason, floor, now, updates);
            }
        }
    }

    fn poll_transmit(&mut self, now: MonoNanos, wall: UnixNanos, updates: &mut Vec<Input>) -> Option<Transmit> {
        while let Some(asked) = self.urgent.pop_front() {
            if let Some(transmit) = self.transmit_urgent(asked, now, wall, updates) {
                return Some(transmit);
            }
        }
        loop {
            match self.queue.pop_front()? {
                Outgoing::Open(link) => return Some(Transmit::Open(link)),
                Outgoing::Close(link) => return Some(Transmit::Close(link)),
                Outgoing::Ping(link) => {
                    let time_s = UnixNanos(self.clock.venue_time_ns(now, wall)).seconds();
                    return Some(Transmit::Frame { link, text: encode::ping(time_s), order: false });
                }
                Outgoing::Subscription { link, id, subscription, subscribe } => {
                    let time_s = UnixNanos(self.clock.venue_time_ns(now, wall)).seconds();
                    let payload: Vec<&str> = subscription.payload.iter().map(String::as_str).collect();
                    let text = encode::subscription(subscription.channel, subscribe, id, time_s, &payload, self.signer.as_ref());
                    return Some(Transmit::Frame { link, text, order: false });
                }
                Outgoing::Login(link, number) => {
                    if let Some(transmit) = self.entry_login(link, number, now, wall) {
                        return Some(transmit);
                    }
                }
                Outgoing::Ask(asked) => {
                    if !self.may_leave(&asked.what, now, updates) {
                        continue;
                    }
                    // Look-ups go over REST, which says most about orders in doubt for a broken order link. A repeat, and one that
                    // finds the budget of reads spent, takes the other way.
                    let entry = self.entry.ready().filter(|_| matches!(asked.what, What::LookUp(_)));
                    match (entry, self.budgets.may_read(&asked.what, now)) {
                        (Some(slot), budget) if asked.attempt > 0 || budget.is_err() => {
                            return Some(self.entry_transmit(slot, asked, now, wall));
                        }
                        (_, Ok(())) => return Some(self.transmit_request(asked, now, wall)),
                        (_, Err(at)) => self.ask_later(at, asked),
                    }
                }
            }
        }
    }

    fn poll_timeout(&self) -> Option<MonoNanos> {
        let later = self.later.iter().map(|(at, _)| *at).min();
        let streams = [self.links.next_timeout(), self.books.next_timeout(), self.next_audit(), self.private.next_timeout()];
        [self.rules.next_timeout(), later, self.clock.due_at(), self.entry.next_timeout()]
            .into_iter()
            .chain(streams)
            .flatten()
            .min()
    }

    fn shutdown(&mut self, _now: MonoNanos) {
        self.stopped = true;
        self.later.retain(|(_, asked)| matches!(asked.what, What::Cancel(_) | What::CancelAll(_)));
        for role in [LinkRole::Public, LinkRole::Private] {
            self.close_link(role);
        }
        self.entry_shutdown();
        self.rules.stop();
        self.clock.stop();
    }

    fn stats(&self) -> &SessionStats {
        &self.stats
    }
}

impl GateSession {
    fn route_answer(&mut self, flight: InFlight, answer: Answer<'_>, now: MonoNanos, updates: &mut Vec<Input>) {
        match flight.asked.what {
            What::Time => self.on_time(&flight, answer, now, updates),
            What::Base { pair, copy: Copy::Book { generation } } => self.on_base(pair, generation, answer, now, updates),
            What::Base { pair, copy: Copy::Audit } => self.on_audit(pair, answer, flight.sent, now, updates),
            What::Place { .. } | What::Amend(_) | What::Cancel(_) | What::CancelAll(_) | What::LookUp(_) => {
                self.on_order_answer(flight, answer, now, updates)
            }
            What::Rules(pair) => self.on_rules(pair, answer, (now, flight.venue_time_ns), updates),
            What::DeadMan(timeout) => self.on_dead_man(timeout, flight.sent, answer, now, updates),
            _ => self.on_read_answer(flight, answer, now, updates),
        }
    }
}

#[cfg(test)]
mod tests;
