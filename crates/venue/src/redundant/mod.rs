//! Two connections for every public stream: the first to tell a thing is believed, and the loss or stall of one costs nothing while the
//! other lives.
//!
//! [`Redundant`] puts two sessions of the same account side by side. The first is the account's; the second has no keys, and only doubles
//! the public streams over connections of its own, with sequences, copies and back-off of its own. What the two say of books is merged
//! ([`merge`]), trades are told once by their ids, everything else is the first one's. So no connector knows of it.
//!
//! | of the second | |
//! |---|---|
//! | links | the first's names with [`SECOND_SHARD`] in the shard, so that drivers and tapes tell them apart |
//! | connections of send stamps | odd numbers; the first's are even: lag is judged for each by itself |
//! | requests | public ones only, out of a share of their limits ([`crate::ReadShare`]); none of a limit that either half was told to wait for. A ban that either is told of is the other's too, for its requests and its links |
//! | start | when all books of the first are there, or after [`START_MAX_NS`]: a start is not a storm |
//!
//! The public side is `Up` while one half says so.

mod gains;
mod merge;

use crate::connector::{Connector, ConnectorError, OrderEntry, ReadShare, SessionConfig, SessionOptions};
use crate::session::{HttpRequest, LinkId, LossReason, Response, Ticket, Transmit, VenueSession};
use crate::stats::SessionStats;
use domain::time::SECOND;
use domain::{
    BookUpdate, Command, Input, LinkChange, LinkRole, LinkState, MarketNews, MonoNanos, PairId, ResyncReason, SendStamp, TradeId,
    UnixNanos, VenueId,
};
pub use gains::{Gains, RedundancyStats};
use merge::{Fault, Merged, Out};
use std::collections::VecDeque;

/// The bit of a public link's shard that names the second half's.
pub const SECOND_SHARD: u8 = 0x80;
/// Pairs of a venue at most: their connections are numbered in the bits that are left.
pub const PAIRS_MAX: usize = 2_000;
/// The second half starts at the latest after this long.
pub const START_MAX_NS: u64 = 60 * SECOND;
/// Trades of a pair whose second telling is known.
const TRADES_MAX: usize = 128;
/// Counts of single streams are added up this often.
const STREAMS_EVERY_NS: u64 = SECOND;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Half {
    First,
    Second,
}

impl Half {
    const ALL: [Half; 2] = [Half::First, Half::Second];

    const fn index(self) -> usize {
        self as usize
    }

    const fn other(self) -> Half {
        match self {
            Half::First => Half::Second,
            Half::Second => Half::First,
        }
    }

    /// Whose link this is, and its name there.
    fn of_link(link: LinkId) -> (Half, LinkId) {
        match link.role == LinkRole::Public && link.shard & SECOND_SHARD != 0 {
            true => (Half::Second, LinkId { shard: link.shard & !SECOND_SHARD, ..link }),
            false => (Half::First, link),
        }
    }

    fn link(self, link: LinkId) -> LinkId {
        match self {
            Half::First => link,
            Half::Second => LinkId { shard: link.shard | SECOND_SHARD, ..link },
        }
    }

    const fn of_ticket(ticket: Ticket) -> (Half, Ticket) {
        let half = if ticket.0 & 1 == 0 { Half::First } else { Half::Second };
        (half, Ticket(ticket.0 >> 1))
    }

    const fn ticket(self, ticket: Ticket) -> Ticket {
        Ticket(ticket.0 << 1 | self as u64)
    }

    /// The number of one of its connections among those of both.
    const fn connection(self, connection: u32) -> u32 {
        connection.wrapping_mul(2) | self as u32
    }
}

/// When the second half starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    Waits(MonoNanos),
    Done,
    /// The first was shut down before.
    Never,
}

/// A connector's session, or two of them side by side when `config.options.redundant`.
///
/// # Errors
/// Those of [`Connector::session`]; [`ConnectorError::BadOption`] for more than [`PAIRS_MAX`] pairs.
pub fn session(connector: &dyn Connector, config: SessionConfig) -> Result<Box<dyn VenueSession>, ConnectorError> {
    if !config.options.redundant {
        return connector.session(config);
    }
    if config.pairs.len() > PAIRS_MAX {
        let (what, value) = ("number of pairs with redundant connections", config.pairs.len().to_string());
        return Err(ConnectorError::BadOption { what, value, allowed: "at most 2000" });
    }
    let options = |reads| SessionOptions { redundant: false, reads, ..config.options };
    let second = SessionConfig {
        venue: config.venue,
        tables: config.tables.clone(),
        pairs: config.pairs.clone(),
        key: None,
        secret: None,
        book_channel: config.book_channel.clone(),
        options: SessionOptions { order_entry: OrderEntry::Rest, ..options(ReadShare::Quarter) },
        // Their waits must not march in step.
        seed: config.seed ^ 0x5ec0_0d00,
    };
    let first = SessionConfig { options: options(ReadShare::ThreeQuarters), ..config };
    let pairs = first.pairs.clone();
    Ok(Box::new(Redundant::new(connector.session(first)?, connector.session(second)?, &pairs)))
}

/// Two sessions of one account. See the module's docs.
pub struct Redundant {
    halves: [Box<dyn VenueSession>; 2],
    start: Start,
    /// By pair.
    books: Vec<Option<Merged>>,
    /// What each half says of the public side, and what the engine was told.
    links: [Option<LinkState>; 2],
    told: Option<LinkState>,
    /// By pair: the last trades.
    trades: Vec<VecDeque<TradeId>>,
    banned_until: MonoNanos,
    scratch: Vec<Input>,
    next_streams: MonoNanos,
    stats: SessionStats,
}

impl Redundant {
    /// `first` is the account's session, `second` one without keys over the same pairs and streams.
    pub fn new(first: Box<dyn VenueSession>, second: Box<dyn VenueSession>, pairs: &[PairId]) -> Redundant {
        let size = pairs.iter().map(|pair| pair.index() + 1).max().unwrap_or_default();
        let mut books: Vec<Option<Merged>> = (0..size).map(|_| None).collect();
        for pair in pairs {
            books[pair.index()] = Some(Merged::new(first.venue(), *pair));
        }
        let stats = SessionStats { redundancy: Some(RedundancyStats::default()), ..SessionStats::default() };
        Redundant {
            halves: [first, second],
            start: Start::Waits(MonoNanos(u64::MAX)),
            books,
            links: [None; 2],
            told: None,
            trades: (0..size).map(|_| VecDeque::new()).collect(),
            banned_until: MonoNanos(0),
            scratch: Vec::new(),
            next_streams: MonoNanos(0),
            stats,
        }
    }

    /// Lets a half act, and takes what it says.
    fn with(
        &mut self,
        half: Half,
        now: MonoNanos,
        updates: &mut Vec<Input>,
        act: impl FnOnce(&mut dyn VenueSession, &mut Vec<Input>),
    ) {
        let mut inputs = std::mem::take(&mut self.scratch);
        if let Some(session) = self.halves.get_mut(half.index()) {
            act(session.as_mut(), &mut inputs);
        }
        self.take_all(half, &mut inputs, now, updates);
        self.scratch = inputs;
        self.add_up(now, false);
    }

    fn take_all(&mut self, half: Half, inputs: &mut Vec<Input>, now: MonoNanos, updates: &mut Vec<Input>) {
        // What a half says to a fault of its own book is taken in turn.
        let mut faults = Vec::new();
        for input in inputs.drain(..) {
            self.take(half, input, updates, &mut faults);
        }
        for (pair, reason) in faults {
            let command = Command::Resync { venue: self.venue(), pair, reason };
            let mut more = Vec::new();
            if let Some(session) = self.halves.get_mut(half.index()) {
                session.submit(now, &command, &mut more);
            }
            for input in more {
                self.take(half, input, updates, &mut Vec::new());
            }
        }
    }

    fn take(&mut self, half: Half, input: Input, updates: &mut Vec<Input>, faults: &mut Vec<(PairId, ResyncReason)>) {
        match input {
            Input::Book(update) => self.on_book(half, update, updates, faults),
            Input::Link(change) if change.role == LinkRole::Public => self.on_link(half, change, updates),
            Input::Market(MarketNews::Trade(trade)) => {
                let Some(known) = self.trades.get_mut(trade.pair.index()) else { return };
                if known.contains(&trade.trade_id) {
                    return;
                }
                if known.len() == TRADES_MAX {
                    known.pop_front();
                }
                known.push_back(trade.trade_id);
                updates.push(Input::Market(MarketNews::Trade(trade)));
            }
            // Not numbered: one half's at a time.
            Input::Market(news) if half == Half::First || self.links[Half::First.index()] != Some(LinkState::Up) => {
                updates.push(Input::Market(news));
            }
            Input::Market(_) => {}
            Input::Ban(ban) => {
                self.banned_until = self.banned_until.max(ban.until);
                // Of the address: the links of the other half are shut out as far as its own would be.
                if let Some(other) = self.halves.get_mut(half.other().index()) {
                    other.ban_until(ban.until);
                }
                updates.push(Input::Ban(ban));
            }
            other if half == Half::First => updates.push(other),
            _ => {}
        }
    }

    fn on_book(
        &mut self,
        half: Half,
        mut update: BookUpdate,
        updates: &mut Vec<Input>,
        faults: &mut Vec<(PairId, ResyncReason)>,
    ) {
        let stamp = |sent: SendStamp| SendStamp { connection: half.connection(sent.connection), ..sent };
        update.sent_at = update.sent_at.map(stamp);
        let pair = update.pair;
        let Redundant { books, stats, .. } = self;
        let Some(book) = books.get_mut(pair.index()).and_then(Option::as_mut) else { return };
        let fault = with_out(stats, updates, |out| book.on_update(half, update, out));
        faults.extend(fault.err().map(|fault: Fault| (pair, fault.reason())));
    }

    fn on_link(&mut self, half: Half, change: LinkChange, updates: &mut Vec<Input>) {
        self.links[half.index()] = Some(change.state);
        let state = if self.links.contains(&Some(LinkState::Up)) { LinkState::Up } else { change.state };
        if self.told == Some(state) {
            return;
        }
        self.told = Some(state);
        let Redundant { books, stats, .. } = self;
        if state != LinkState::Up {
            books.iter_mut().flatten().for_each(Merged::dropped);
        }
        updates.push(Input::Link(LinkChange { state, ..change }));
        if state == LinkState::Up {
            for book in books.iter_mut().flatten() {
                with_out(stats, updates, |out| Half::ALL.into_iter().for_each(|half| book.cover(half, out)));
            }
        }
    }

    fn start_second_if_due(&mut self, now: MonoNanos) {
        let Start::Waits(until) = self.start else { return };
        let there = |book: &Merged| book.is_live(Half::First);
        if until <= now || self.books.iter().flatten().all(there) {
            self.start = Start::Done;
            self.halves[Half::Second.index()].start(now);
        }
    }

    /// What the venue told one half to wait for, it told the address.
    fn share_waits(&mut self, half: Half) {
        let [first, second] = &mut self.halves;
        let (from, to) = if half == Half::First { (first, second) } else { (second, first) };
        let waits = (0..).map_while(|limit| from.public_parked_until(limit).map(|until| (limit, until)));
        for (limit, until) in waits.collect::<Vec<_>>() {
            to.park_public(limit, until);
        }
    }

    fn running(&self) -> impl Iterator<Item = Half> + use<> {
        let all = self.start == Start::Done;
        Half::ALL.into_iter().filter(move |half| all || *half == Half::First)
    }

    /// Adds up what the halves counted; single streams only now and then, or when asked.
    fn add_up(&mut self, now: MonoNanos, streams: bool) {
        let [first, second] = [self.halves[0].stats(), self.halves[1].stats()];
        let stats = &mut self.stats;
        stats.frames = first.frames + second.frames;
        stats.ignored = first.ignored + second.ignored;
        stats.requests = first.requests + second.requests;
        for (sum, (one, other)) in stats.rejected.iter_mut().zip(first.rejected.iter().zip(&second.rejected)) {
            *sum = one + other;
        }
        if streams || self.next_streams <= now {
            self.next_streams = now.after(STREAMS_EVERY_NS);
            let tightness = |rate: &(u32, u32)| u64::from(rate.0) * 1_000_000 / u64::from(rate.1.max(1));
            stats.rate_remaining = [first.rate_remaining, second.rate_remaining].into_iter().flatten().min_by_key(tightness);
            stats.reconnects.clone_from(&first.reconnects);
            for (label, count) in &second.reconnects {
                match stats.reconnects.iter_mut().find(|(known, _)| known == label) {
                    Some((_, sum)) => *sum += count,
                    None => stats.reconnects.push((label, *count)),
                }
            }
            stats.streams.clone_from(&first.streams);
            for (sum, more) in stats.streams.iter_mut().zip(&second.streams) {
                sum.frames += more.frames;
                sum.applied += more.applied;
                sum.stale += more.stale;
                sum.gaps += more.gaps;
                sum.snapshots += more.snapshots;
            }
        }
    }

    /// What a half wants on the wire, under the names of both.
    fn next_of(&mut self, half: Half, now: MonoNanos, wall: UnixNanos, updates: &mut Vec<Input>) -> Option<Transmit> {
        loop {
            let mut next = None;
            self.with(half, now, updates, |session, inputs| next = session.poll_transmit(now, wall, inputs));
            return Some(match next? {
                Transmit::Open(link) => Transmit::Open(half.link(link)),
                Transmit::Close(link) => Transmit::Close(half.link(link)),
                Transmit::Frame { link, text, order } => Transmit::Frame { link: half.link(link), text, order },
                // The other half was banned: nothing at all may leave.
                Transmit::Request { ticket, .. } if now < self.banned_until => {
                    let answer = Response::Failed(crate::session::IoFailure::NotSent);
                    self.with(half, now, updates, |session, inputs| session.handle_response(ticket, now, answer, inputs));
                    continue;
                }
                Transmit::Request { ticket, request, timeout_ns, order } => {
                    let request: HttpRequest = request;
                    Transmit::Request { ticket: half.ticket(ticket), request, timeout_ns, order }
                }
            });
        }
    }
}

/// Lets a book write.
fn with_out<R>(stats: &mut SessionStats, updates: &mut Vec<Input>, act: impl FnOnce(&mut Out<'_>) -> R) -> R {
    let mut redundancy = stats.redundancy.take().unwrap_or_default();
    let result = act(&mut Out { updates, stats: &mut redundancy, resyncs: &mut |reason| stats.resync(reason) });
    stats.redundancy = Some(redundancy);
    result
}

impl VenueSession for Redundant {
    fn venue(&self) -> VenueId {
        self.halves[Half::First.index()].venue()
    }

    fn start(&mut self, now: MonoNanos) {
        self.start = Start::Waits(now.after(START_MAX_NS));
        self.halves[Half::First.index()].start(now);
    }

    fn handle_connected(&mut self, link: LinkId, now: MonoNanos, updates: &mut Vec<Input>) {
        let (half, link) = Half::of_link(link);
        self.with(half, now, updates, |session, inputs| session.handle_connected(link, now, inputs));
    }

    fn handle_frame(&mut self, link: LinkId, now: MonoNanos, frame: &mut [u8], updates: &mut Vec<Input>) {
        let (half, link) = Half::of_link(link);
        self.with(half, now, updates, |session, inputs| session.handle_frame(link, now, frame, inputs));
        self.start_second_if_due(now);
    }

    fn handle_lost(&mut self, link: LinkId, now: MonoNanos, reason: LossReason, updates: &mut Vec<Input>) {
        let (half, link) = Half::of_link(link);
        self.with(half, now, updates, |session, inputs| session.handle_lost(link, now, reason, inputs));
    }

    fn handle_response(&mut self, ticket: Ticket, now: MonoNanos, response: Response<'_>, updates: &mut Vec<Input>) {
        let (half, ticket) = Half::of_ticket(ticket);
        self.with(half, now, updates, |session, inputs| session.handle_response(ticket, now, response, inputs));
        self.share_waits(half);
        self.start_second_if_due(now);
    }

    fn handle_timeout(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        self.start_second_if_due(now);
        for half in self.running() {
            self.with(half, now, updates, |session, inputs| session.handle_timeout(now, inputs));
        }
        let Redundant { books, stats, .. } = self;
        for book in books.iter_mut().flatten().filter(|book| book.next_timeout().is_some_and(|at| at <= now)) {
            with_out(stats, updates, |out| book.timeout(now, out));
        }
    }

    fn handle_paused(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        for half in self.running() {
            self.with(half, now, updates, |session, inputs| session.handle_paused(now, inputs));
        }
    }

    fn submit(&mut self, now: MonoNanos, command: &Command, updates: &mut Vec<Input>) {
        let Command::Resync { pair, .. } = command else {
            return self.with(Half::First, now, updates, |session, inputs| session.submit(now, command, inputs));
        };
        let Some(book) = self.books.get_mut(pair.index()).and_then(Option::as_mut) else { return };
        let of = book.on_resync();
        for half in self.running().filter(|half| of.is_none_or(|of| of == *half)) {
            self.with(half, now, updates, |session, inputs| session.submit(now, command, inputs));
        }
        let Redundant { books, stats, .. } = self;
        if let (Some(book), Some(of)) = (books.get_mut(pair.index()).and_then(Option::as_mut), of) {
            with_out(stats, updates, |out| book.cover(of.other(), out));
        }
    }

    fn poll_transmit(&mut self, now: MonoNanos, wall: UnixNanos, updates: &mut Vec<Input>) -> Option<Transmit> {
        self.start_second_if_due(now);
        self.running().find_map(|half| self.next_of(half, now, wall, updates))
    }

    fn poll_timeout(&self) -> Option<MonoNanos> {
        let start = match self.start {
            Start::Waits(until) => Some(until),
            Start::Done | Start::Never => None,
        };
        let books = self.books.iter().flatten().filter_map(Merged::next_timeout).min();
        let halves = self.running().filter_map(|half| self.halves[half.index()].poll_timeout()).min();
        [start, books, halves].into_iter().flatten().min()
    }

    fn shutdown(&mut self, now: MonoNanos) {
        for half in self.running() {
            self.halves[half.index()].shutdown(now);
        }
        if let Start::Waits(_) = self.start {
            self.start = Start::Never;
        }
        self.add_up(now, true);
    }

    fn stats(&self) -> &SessionStats {
        &self.stats
    }
}

#[cfg(test)]
mod tests;
