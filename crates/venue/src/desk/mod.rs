//! The trading half of any venue account: orders and what every answer to them means, reads of the account, the private stream's
//! news and proof of life, the order link, rate limits, the venue's clock, the pairs' rules.
//!
//! A connector owns a [`Desk`] over its own [`Wire`] (its codec and its signatures: bytes out, rows in) and puts beside it what is its
//! own: links of streams, and how books are kept. Split by the state each part owns:
//! - [`wire`]: what a venue adds. [`rows`]: rows about orders. [`what`]: what requests are for.
//! - [`orders`]: placing, amending, cancelling and looking up, and what every answer to it means. [`intents`]: what we asked for, held
//!   against every echo. [`dead_man`]: the venue's own switch.
//! - [`link`]: the way over a logged-in WebSocket link that orders may take instead of REST.
//! - [`private`]: order, fill and balance news of the private link, and the proof that it lives. [`private_links`]: the link itself,
//!   for a venue that tells everything on one connection.
//! - [`own`]: copies of books, which the session asks for by itself.
//! - [`order_names`]: whose executions are, where a venue's list of them does not tell.
//! - [`reads`]: balances, open orders, executions, fees, rights. [`windows`]: executions of a long time, for a venue that lists those of a
//!   short one. [`rules`]: the rules of the pairs, read anew. [`clock`]: the venue's clock. [`budgets`]: rate limits. [`rights`]: orders that
//!   are refused for the account.
//!
//! This file owns what they share: the queue to the wire, the tickets of requests, the timers. Requests and frames are queued as *what
//! to send* and become bytes in [`Desk::poll_transmit`], so every signature is made with the time at which its bytes leave.
//!
//! A session that keeps its private link by itself says whether it is proved ([`Desk::private_link_is`]) before it hands anything to the
//! desk.

mod budgets;
mod clock;
mod dead_man;
mod intents;
mod link;
pub mod order_names;
mod orders;
mod own;
mod private;
mod private_links;
mod reads;
mod rights;
pub mod rows;
mod rules;
pub mod what;
pub mod windows;
pub mod wire;

use crate::backoff::Jitter;
use crate::clock_sync::ClockSync;
use crate::connector::SessionOptions;
use crate::rate_limit::Limit;
use crate::session::{LinkId, LossReason, Response, Ticket, Transmit};
use crate::stats::SessionStats;
use budgets::Budgets;
use domain::time::{MILLI, SECOND};
use domain::{Command, ErrorClass, Input, LinkRole, MonoNanos, PairId, UnixNanos, VenueId};
use intents::Intents;
use link::OrderLinks;
use order_names::OrderNames;
pub use orders::{CancelAll, Way};
use own::OwnReads;
use private::PrivateProof;
use private_links::PrivateLinks;
pub use reads::{OpenOrdersRead, TradesRead};
use rules::PairRules;
use std::collections::{BTreeMap, VecDeque};
use what::{Answer, Asked, InFlight, OwnAnswer, Tickets, What};
use wire::{PrivateAsk, SendAt, Wire};

/// An order request is given up after this long; its outcome is then unknown.
pub const ORDER_TIMEOUT_NS: u64 = 3 * SECOND;
/// A read is given up after this long.
pub const READ_TIMEOUT_NS: u64 = 5 * SECOND;

/// Something queued for the wire.
enum Outgoing<W: Wire> {
    Open(LinkId),
    Close(LinkId),
    /// A frame of a stream link.
    Frame(LinkId, W::Frame),
    Ping(LinkId),
    /// A login of an order link with this correlation, signed when it leaves.
    Login(LinkId, u64),
    /// A frame of a private link, made when it leaves.
    Private(LinkId, PrivateAsk, u64),
    Ask(Asked<W::Own>),
}

/// The trading half of one account. See the module's docs.
pub struct Desk<W: Wire> {
    /// Which venue account.
    pub venue: VenueId,
    /// Its protocol.
    pub wire: W,
    /// Counters of the session.
    pub stats: SessionStats,
    /// Spreads waits.
    pub jitter: Jitter,
    /// The venue's clock.
    pub clock: ClockSync,
    /// No reconnects, no repeats, nothing begun any more.
    stopped: bool,
    /// The desk's links are opened once the first question, for the time, was answered.
    links_wait_for_time: bool,
    pairs: Vec<PairId>,
    link: OrderLinks<W::Own>,
    private: PrivateProof,
    private_links: PrivateLinks,
    intents: Intents,
    order_names: OrderNames,
    rules: PairRules,
    /// Fees were asked for while a list of them was under way.
    fees_wanted: bool,
    /// When the account was last asked for because an order was refused for it.
    rights_asked: Option<MonoNanos>,
    budgets: Budgets,
    /// The end of the ban that the engine knows of.
    ban_told: MonoNanos,
    /// Orders and cancels: before everything else.
    urgent: VecDeque<Asked<W::Own>>,
    queue: VecDeque<Outgoing<W>>,
    /// What the session asks for by itself: after everything else.
    own: OwnReads<W::Own>,
    /// Requests that wait for their time (retries, budgets).
    later: Vec<(MonoNanos, Asked<W::Own>)>,
    in_flight: BTreeMap<Ticket, InFlight<W::Own>>,
    tickets: Tickets,
}

impl<W: Wire> Desk<W> {
    /// A desk that has not started. `pairs` are the configured ones, in the session's order.
    pub fn new(venue: VenueId, wire: W, pairs: &[PairId], options: SessionOptions, seed: u64, stats: SessionStats) -> Desk<W> {
        let profile = W::PROFILE;
        let share = |limit: &Limit| Limit { count: options.reads.of(limit.count), ..*limit };
        let public: Vec<Limit> = W::PUBLIC.iter().map(share).collect();
        Desk {
            venue,
            stats,
            jitter: Jitter::new(seed),
            clock: ClockSync::new(profile.clock),
            stopped: false,
            links_wait_for_time: false,
            pairs: pairs.to_vec(),
            link: OrderLinks::new(&profile, options.order_entry, wire.has_keys(), wire.link_logs_in()),
            private: PrivateProof::default(),
            private_links: PrivateLinks::new(wire.has_keys() && !wire.private_asks().is_empty()),
            intents: Intents::default(),
            order_names: OrderNames::default(),
            rules: PairRules::new(pairs),
            fees_wanted: false,
            rights_asked: None,
            budgets: Budgets::new(&profile, &public, pairs),
            ban_told: MonoNanos(0),
            urgent: VecDeque::new(),
            queue: VecDeque::new(),
            own: OwnReads::new(W::PUBLIC.len()),
            later: Vec::new(),
            in_flight: BTreeMap::new(),
            tickets: Tickets::default(),
            wire,
        }
    }

    /// True after [`Desk::shutdown`].
    pub const fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Requests that wait for their answers.
    pub fn requests_under_way(&self) -> usize {
        self.in_flight.len()
    }

    /// Opens the desk's links, begins the first clock round, sets the timers of rules. The session queues its own links first.
    ///
    /// Where links spend what reads do, they are opened when the venue has answered for its time: whether there is anything to spend is not
    /// known at a start, and one refused question tells. Otherwise a process that is started over and over would be banned for its links.
    pub fn start(&mut self, now: MonoNanos) {
        self.links_wait_for_time = W::PROFILE.links_spend_reads;
        if !self.links_wait_for_time {
            self.private_links_start(now);
            self.link_start(now);
        }
        self.rules.start(now);
        self.start_clock_round(now);
    }

    /// The first question was answered, whatever the answer: one that fails for its rate has told by now until when to wait.
    fn links_begin(&mut self, now: MonoNanos) {
        if std::mem::take(&mut self.links_wait_for_time) && !self.stopped {
            self.private_links_start(now);
            self.link_start(now);
        }
    }

    /// Queues the opening of a stream link.
    pub fn queue_open(&mut self, link: LinkId) {
        self.queue.push_back(Outgoing::Open(link));
    }

    /// Queues the end of a stream link.
    pub fn queue_close(&mut self, link: LinkId) {
        self.queue.push_back(Outgoing::Close(link));
    }

    /// As [`Desk::queue_close`], for a link that is perhaps still queued to be opened.
    pub fn queue_close_instead(&mut self, link: LinkId) {
        self.queue.retain(|out| !matches!(out, Outgoing::Open(l) if *l == link));
        self.queue_close(link);
    }

    /// Takes the opening of a stream link back while it is still queued. False when it was handed out already.
    #[must_use]
    pub fn take_back_open(&mut self, link: LinkId) -> bool {
        let queued = self.queue.len();
        self.queue.retain(|out| !matches!(out, Outgoing::Open(l) if *l == link));
        self.queue.len() < queued
    }

    /// Queues a frame of a stream link.
    pub fn queue_frame(&mut self, link: LinkId, frame: W::Frame) {
        self.queue.push_back(Outgoing::Frame(link, frame));
    }

    /// Queues a ping of a stream link.
    pub fn queue_ping(&mut self, link: LinkId) {
        self.queue.push_back(Outgoing::Ping(link));
    }

    /// Drops what is queued for a connection that is gone: it would be signed for, or mean, another one.
    pub fn forget_queued(&mut self, link: LinkId) {
        let of_link = |out: &Outgoing<W>| match out {
            Outgoing::Frame(l, _) | Outgoing::Ping(l) | Outgoing::Close(l) | Outgoing::Login(l, _) | Outgoing::Private(l, ..) => {
                *l == link
            }
            Outgoing::Open(_) | Outgoing::Ask(_) => false,
        };
        self.queue.retain(|out| !of_link(out));
    }

    fn ask(&mut self, what: What<W::Own>) {
        let asked = Asked { what, attempt: 0 };
        match asked.what {
            What::Place { .. } | What::Amend(_) | What::Cancel(_) | What::CancelAll(_) | What::DeadMan { .. } => {
                self.urgent.push_back(asked)
            }
            _ => self.queue.push_back(Outgoing::Ask(asked)),
        }
    }

    /// Asks for a read, unless one that serves as well still waits to leave: nothing in its answer will be older than either question.
    /// The engine asks again for what does not come, and while a venue takes no requests all of that would leave in one burst after.
    ///
    /// A list of executions may take many pages, and longer than the engine waits before it asks again: while one is under way, on whatever
    /// page, another of the same pair would only take its turns. Who wants a newer one asks again when that one has come.
    fn ask_once(&mut self, what: What<W::Own>) {
        if what.trades().is_some_and(|read| self.is_under_way(read)) {
            return;
        }
        let queued = self.queue.iter_mut().filter_map(|out| match out {
            Outgoing::Ask(asked) => Some(asked),
            _ => None,
        });
        let later = self.later.iter_mut().map(|(_, asked)| asked);
        if !queued.chain(later).any(|asked| asked.what.also_serves(&what)) {
            self.ask(what);
        }
    }

    /// A list of executions that tells all of this one waits for its next page, or to leave.
    fn is_under_way(&self, list: &TradesRead) -> bool {
        let queued = self.queue.iter().filter_map(|out| match out {
            Outgoing::Ask(asked) => Some(asked),
            _ => None,
        });
        let later = self.later.iter().map(|(_, asked)| asked);
        let sent = self.in_flight.values().map(|flight| &flight.asked);
        queued.chain(later).chain(sent).filter_map(|asked| asked.what.trades()).any(|read| read.covers(list))
    }

    fn ask_later(&mut self, at: MonoNanos, asked: Asked<W::Own>) {
        self.later.push((at, asked));
    }

    /// The moment of sending.
    fn send_at(&self, now: MonoNanos, wall: UnixNanos) -> SendAt {
        SendAt { venue_ns: self.clock.venue_time_ns(now, wall), expires_ms: None }
    }

    /// Checks that need the time of sending. True when the request may leave.
    fn may_leave(&mut self, what: &What<W::Own>, now: MonoNanos, updates: &mut Vec<Input>) -> bool {
        match what {
            What::Place { order, .. } if order.deadline.is_some_and(|deadline| now >= deadline) => {
                updates.push(orders::not_sent(order, now));
                self.private_void(order.client_id, now, updates);
                false
            }
            _ => true,
        }
    }

    fn transmit_request(&mut self, mut asked: Asked<W::Own>, now: MonoNanos, wall: UnixNanos) -> Transmit {
        let mut at = self.send_at(now, wall);
        at.expires_ms = orders::expiry_ms(&asked.what, now, at.venue_ns);
        if let What::Trades(read) = &mut asked.what {
            read.clock_is_ahead(wall.0.saturating_sub(at.venue_ns));
            read.keeps(W::PROFILE.trades_kept_ns, at.venue_ns);
        }
        let request = self.wire.request(&asked.what, at);
        let order = matches!(asked.what, What::Place { .. });
        let timeout_ns = match asked.what {
            What::Place { .. } | What::Amend(_) | What::Cancel(_) | What::CancelAll(_) => ORDER_TIMEOUT_NS,
            _ => READ_TIMEOUT_NS,
        };
        let ticket = self.tickets.next();
        self.stats.requests += 1;
        self.in_flight.insert(ticket, InFlight { asked, sent: now, venue_ns: at.venue_ns, wall });
        Transmit::Request { ticket, request, timeout_ns, order }
    }

    /// Asks again after a pause when the failure may pass, at most once; not while a ban holds.
    ///
    /// # Errors
    /// Gives the request back when it must be answered as failed.
    fn try_again(&mut self, asked: Asked<W::Own>, class: ErrorClass, now: MonoNanos) -> Result<(), Asked<W::Own>> {
        let passes = matches!(class, ErrorClass::RateLimited | ErrorClass::ClockSkew | ErrorClass::Unknown);
        if asked.attempt > 0 || !passes || self.stopped || now < self.budgets.banned_until() {
            return Err(asked);
        }
        let first = if class == ErrorClass::RateLimited { SECOND } else { 200 * MILLI };
        // Not before the venue said that it takes such requests again.
        let market = self.wire.public_limit(&asked.what);
        let at = now.after(self.jitter.spread(first)).max(self.budgets.opens_at(&asked.what, market));
        self.ask_later(at, Asked { attempt: asked.attempt + 1, ..asked });
        Ok(())
    }

    /// The body of a success.
    ///
    /// # Errors
    /// The class of anything else.
    pub fn success<'a>(&mut self, answer: Answer<'a>) -> Result<&'a mut [u8], ErrorClass> {
        match answer {
            Answer::Failed(_) => Err(ErrorClass::Unknown),
            Answer::Http { status, body } => match self.wire.failure(status, body) {
                None => Ok(body),
                Some(failure) => Err(failure.class),
            },
        }
    }

    /// True for a link of this desk, which takes its events: [`Desk::handle_connected`], [`Desk::handle_frame`], [`Desk::handle_lost`].
    pub fn owns(&self, link: LinkId) -> bool {
        match link.role {
            LinkRole::OrderEntry => true,
            LinkRole::Private => self.private_links.is_wanted(),
            LinkRole::Public | LinkRole::Rest => false,
        }
    }

    /// A link of this desk is open.
    pub fn handle_connected(&mut self, link: LinkId, now: MonoNanos, updates: &mut Vec<Input>) {
        match link.role {
            LinkRole::Private => self.private_connected(link, now),
            _ => self.link_connected(link, now, updates),
        }
    }

    /// A frame came over a link of this desk.
    pub fn handle_frame(&mut self, link: LinkId, now: MonoNanos, frame: &mut [u8], updates: &mut Vec<Input>) {
        match link.role {
            LinkRole::Private => self.private_link_frame(link, now, frame, updates),
            _ => self.link_frame(link, now, frame, updates),
        }
    }

    /// A link of this desk is gone.
    pub fn handle_lost(&mut self, link: LinkId, now: MonoNanos, reason: LossReason, updates: &mut Vec<Input>) {
        match link.role {
            LinkRole::Private => self.private_lost(link, now, reason, updates),
            _ => self.link_lost(link, now, reason, updates),
        }
    }

    /// The answer to a request. What the session asked for itself is handed back.
    pub fn handle_response<'a>(
        &mut self,
        ticket: Ticket,
        now: MonoNanos,
        response: Response<'a>,
        updates: &mut Vec<Input>,
    ) -> Option<OwnAnswer<'a, W::Own>> {
        let flight = self.in_flight.remove(&ticket)?;
        let answer = match response {
            Response::Failed(failure) => Answer::Failed(failure),
            Response::Http { status, headers, body } => {
                self.on_headers(&flight.asked.what, status, headers, now, updates);
                self.tell_ban(now, updates);
                Answer::Http { status, body }
            }
        };
        let InFlight { sent, venue_ns, wall, .. } = flight;
        match flight.asked.what {
            What::Own(own) => {
                self.own.answered();
                return Some(OwnAnswer { own, sent, answer });
            }
            What::Time(round) => {
                self.on_time(round, sent, wall, answer, now, updates);
                self.links_begin(now);
            }
            What::Place { .. } | What::Amend(_) | What::Cancel(_) | What::CancelAll(_) | What::LookUp { .. } => {
                self.on_order_answer(flight, answer, now, updates)
            }
            What::Rules(pair) => self.on_rules(pair, venue_ns, answer, now, updates),
            What::DeadMan { timeout_s } => self.on_dead_man(timeout_s, sent, answer, now, updates),
            _ => self.on_read_answer(flight, answer, now, updates),
        }
        None
    }

    /// Timers of requests and of the clock. The session calls it before its own.
    pub fn requests_timeout(&mut self, now: MonoNanos) {
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
        self.own.timeout(now);
        self.clock_timeout(now);
    }

    /// Timers of the desk's links. The session calls it after those of its own.
    pub fn links_timeout(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        self.private_links_timeout(now, updates);
        self.link_timeout(now, updates);
    }

    /// Timers of the pairs' rules. The session calls it last.
    pub fn pair_rules_timeout(&mut self, now: MonoNanos) {
        self.rules_timeout(now);
    }

    /// The process was suspended. The session has closed its own links before.
    pub fn handle_paused(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        self.private_links_paused(now, updates);
        self.link_paused(now, updates);
        self.clock_paused(now);
    }

    /// Takes every command but [`Command::Resync`], which is about books.
    pub fn submit(&mut self, now: MonoNanos, command: &Command, updates: &mut Vec<Input>) {
        match command {
            Command::Place(order) => self.submit_order(order, now, updates),
            Command::Cancel(order) => self.submit_cancel(order, now, updates),
            Command::CancelAll { pair, .. } => self.submit_cancel_all(*pair, now, updates),
            Command::LookUp(order) => self.submit_look_up(order, now, updates),
            Command::Amend(amend) => self.submit_amend(amend, now, updates),
            Command::Read { read, .. } => self.submit_read(*read, now, updates),
            Command::DeadMan { timeout_ns, .. } => self.submit_dead_man(*timeout_ns, now, updates),
            Command::Resync { .. } => {}
        }
    }

    /// Whatever said so: the engine opens nothing here until then, and nothing leaves of the other half of a redundant session either.
    fn tell_ban(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        let until = self.budgets.banned_until();
        if until > self.ban_told {
            self.ban_told = until;
            updates.push(Input::Ban(domain::Ban { venue: self.venue, until, received: now }));
        }
    }

    /// Next thing for the wire, oldest first, orders and cancels before all else, copies of books last. `wanted` tells whether a request of the session's own
    /// is still wanted.
    pub fn poll_transmit(
        &mut self,
        now: MonoNanos,
        wall: UnixNanos,
        wanted: impl Fn(&W::Own) -> bool,
        updates: &mut Vec<Input>,
    ) -> Option<Transmit> {
        self.tell_ban(now, updates);
        while let Some(asked) = self.urgent.pop_front() {
            if let Some(transmit) = self.transmit_urgent(asked, now, wall, updates) {
                return Some(transmit);
            }
        }
        while let Some(outgoing) = self.queue.pop_front() {
            match outgoing {
                Outgoing::Open(link) => return Some(Transmit::Open(link)),
                Outgoing::Close(link) => return Some(Transmit::Close(link)),
                Outgoing::Ping(link) => {
                    let text = self.wire.ping(self.send_at(now, wall));
                    return Some(Transmit::Frame { link, text, order: false });
                }
                Outgoing::Frame(link, frame) => {
                    let text = self.wire.frame(&frame, self.send_at(now, wall));
                    return Some(Transmit::Frame { link, text, order: false });
                }
                Outgoing::Login(link, number) => {
                    if let Some(transmit) = self.link_login(link, number, now, wall) {
                        return Some(transmit);
                    }
                }
                Outgoing::Private(link, ask, number) => {
                    let text = self.wire.private_ask(ask, number, self.send_at(now, wall));
                    return Some(Transmit::Frame { link, text, order: false });
                }
                Outgoing::Ask(asked) => {
                    if !self.may_leave(&asked.what, now, updates) {
                        continue;
                    }
                    // Look-ups go over REST, which says most about orders in doubt for a broken order link. A repeat, and one that
                    // finds the budget of reads spent, takes the other way.
                    let looks_up = matches!(asked.what, What::LookUp { .. }) && self.wire.over_link(&asked.what);
                    // Where the address is shut out on both ways, asking makes that longer.
                    let banned = self.budgets.is_banned(Way::Link, now);
                    let link = self.link.ready().filter(|_| looks_up && !banned);
                    match (link, self.may_read(&asked.what, now)) {
                        (Some(slot), budget) if asked.attempt > 0 || budget.is_err() => {
                            return Some(self.link_transmit(slot, asked, now, wall));
                        }
                        (_, Ok(())) => return Some(self.transmit_request(asked, now, wall)),
                        (_, Err(_)) if now < self.budgets.banned_until() => self.refuse_in_ban(asked, now, updates),
                        (_, Err(at)) => self.ask_later(at, asked),
                    }
                }
            }
        }
        self.transmit_own(now, wall, wanted)
    }

    /// When something here wants its time-out.
    pub fn poll_timeout(&self) -> Option<MonoNanos> {
        let later = self.later.iter().map(|(at, _)| *at).min();
        let links = [self.link.next_timeout(), self.private_links.next_timeout()];
        let parts = [self.rules.next_timeout(), self.clock.due_at(), self.private.next_timeout()].into_iter().chain(links);
        parts.chain([later, self.own.next_timeout()]).flatten().min()
    }

    /// Nothing is begun any more; [`Desk::close_links`] follows, after the session's own links.
    pub fn shutdown(&mut self) {
        self.stopped = true;
        self.own.stop();
        self.later.retain(|(_, asked)| matches!(asked.what, What::Cancel(_) | What::CancelAll(_)));
    }

    /// Closes the desk's links and ends all timers.
    pub fn close_links(&mut self) {
        self.private_links_shutdown();
        self.link_shutdown();
        self.rules.stop();
        self.clock.stop();
    }
}
