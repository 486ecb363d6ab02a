//! The session: the venue's own below, a paper account beside it.
//!
//! Time runs by the caller's stamps. Whatever is due before a frame came in happens before the frame is looked at, so that an order
//! never meets a book that is newer than its arrival.

use crate::account::{PairAssets, PaperAccount};
use domain::command::OrderRef;
use domain::time::MILLI;
use domain::{
    AccountFacts, Amount, AssetId, BalanceReport, BalanceSource, BookUpdate, ClientOrderId, Command, DeadMan, ErrorClass,
    FeeRates, Fill, Finish, Input, Label, LinkChange, LinkRole, LinkState, MonoNanos, NewOrder, OpenOrdersReport, OrderReport,
    OrderSource, OrderUpdate, PairId, Qty, Rate, ReadKind, Role, Side, Tables, TimeInForce, TradeId, TradesReport, UnixNanos,
    VenueId, VenueNanos, VenueOrderId,
};
use fill_model::ModelBook;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use venue::{LinkId, LossReason, Response, SessionStats, Ticket, Transmit, VenueSession};

/// One way before any round trip was measured.
const LATENCY_UNMEASURED_NS: u64 = 100 * MILLI;
/// Round trips that the measured latency looks back on.
const SAMPLES: usize = 8;
/// How long an account that is funded by value waits for the books of all its pairs.
const FUNDING_WAIT_NS: u64 = 10_000 * MILLI;
/// Finished orders that look-ups still find.
const ORDERS_MAX: usize = 10_000;
/// Executions that lists still show.
const FILLS_MAX: usize = 20_000;

/// How long an order takes to the venue, and its answer back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaperLatency {
    /// Always this long, nanoseconds one way.
    Fixed(u64),
    /// Half the longest of the last eight round trips of the venue's own public reads; 100 ms before the first.
    Measured,
}

/// What a paper account owns at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaperFunds {
    /// Exactly this.
    Balances(Vec<(AssetId, Amount)>),
    /// Both sides of every pair to this quote value, the base at the first book's ask, rounded down. The account opens once every
    /// pair has a book, or after ten seconds without those that have none.
    Value(Amount),
}

/// What a paper account is made of.
#[derive(Clone, Debug)]
pub struct PaperConfig {
    /// Which venue account.
    pub venue: VenueId,
    /// Names and scales.
    pub tables: Arc<Tables>,
    /// Pairs of this venue.
    pub pairs: Vec<PairId>,
    /// Taker fee.
    pub taker: Rate,
    /// What the account owns.
    pub funds: PaperFunds,
    /// Latency.
    pub latency: PaperLatency,
}

/// Something that happens later.
enum Later {
    /// An order reaches the venue.
    Arrival(NewOrder),
    /// A question reaches the venue: the answer is made of what is true then.
    Question(Question, MonoNanos),
    /// News reach us.
    News(Box<Input>),
}

enum Question {
    LookUp(OrderRef),
    Cancel(OrderRef),
    Read(ReadKind),
}

/// A session of live public data with simulated fills. See the crate's page.
pub struct PaperSession {
    inner: Box<dyn VenueSession>,
    venue: VenueId,
    tables: Arc<Tables>,
    pairs: Vec<PairId>,
    taker: Rate,
    latency: PaperLatency,
    round_trips: VecDeque<u64>,
    books: BTreeMap<PairId, ModelBook>,
    account: PaperAccount,
    later: BTreeMap<(MonoNanos, u64), Later>,
    sequence: u64,
    ended: BTreeMap<ClientOrderId, OrderUpdate>,
    ended_order: VecDeque<ClientOrderId>,
    fills: VecDeque<Fill>,
    /// Executions up to this time may be missing in lists.
    forgotten: Option<VenueNanos>,
    private_up: bool,
    /// The public link is up since; cleared by a suspension.
    public_since: Option<MonoNanos>,
    /// The quote value that each side of a pair is still to be funded with.
    to_fund: Option<Amount>,
    clock: PaperClock,
}

/// The paper venue's clock: ours as it was first read, carried on by monotonic time. A venue's clock does not step when ours is set: after
/// a step back every execution would be dated into a past that is booked and forgotten.
#[derive(Clone, Copy, Debug, Default)]
struct PaperClock {
    read: Option<(UnixNanos, MonoNanos)>,
    /// We slept, and monotonic time may have stood still.
    slept: bool,
}

impl PaperClock {
    /// Our wall clock says `wall` at `now`. It counts at the first reading, and after a sleep, never so that time goes back.
    fn see(&mut self, wall: UnixNanos, now: MonoNanos) {
        if self.read.is_none() || std::mem::take(&mut self.slept) {
            self.read = Some((wall.max(UnixNanos(self.at(now).0)), now));
        }
    }

    fn at(&self, at: MonoNanos) -> VenueNanos {
        let (wall, read_at) = self.read.unwrap_or_default();
        VenueNanos(wall.0.saturating_add(i64::try_from(at.since(read_at)).unwrap_or(i64::MAX)))
    }
}

impl PaperSession {
    /// `inner` must have been made without keys: nothing private ever leaves it.
    pub fn new(inner: Box<dyn VenueSession>, config: PaperConfig) -> PaperSession {
        let (account, to_fund) = match config.funds {
            PaperFunds::Balances(balances) => (PaperAccount::new(balances), None),
            PaperFunds::Value(value) => (PaperAccount::default(), Some(value)),
        };
        PaperSession {
            inner,
            venue: config.venue,
            tables: config.tables,
            books: config.pairs.iter().map(|pair| (*pair, ModelBook::new())).collect(),
            pairs: config.pairs,
            taker: config.taker,
            latency: config.latency,
            round_trips: VecDeque::new(),
            account,
            later: BTreeMap::new(),
            sequence: 0,
            ended: BTreeMap::new(),
            ended_order: VecDeque::new(),
            fills: VecDeque::new(),
            forgotten: None,
            private_up: false,
            public_since: None,
            to_fund,
            clock: PaperClock::default(),
        }
    }

    /// The paper account.
    pub fn account(&self) -> &PaperAccount {
        &self.account
    }

    /// One way, nanoseconds.
    fn latency_ns(&self) -> u64 {
        match self.latency {
            PaperLatency::Fixed(nanos) => nanos,
            PaperLatency::Measured => self.round_trips.iter().max().map_or(LATENCY_UNMEASURED_NS, |longest| longest / 2),
        }
    }

    fn at(&mut self, at: MonoNanos, later: Later) {
        self.sequence += 1;
        self.later.insert((at, self.sequence), later);
    }

    fn tell(&mut self, now: MonoNanos, input: Input) {
        let at = now.after(self.latency_ns());
        self.at(at, Later::News(Box::new(input)));
    }

    /// Everything due up to `now`, in order of time.
    fn advance(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        while let Some(entry) = self.later.first_entry() {
            let at = entry.key().0;
            if at > now {
                break;
            }
            match entry.remove() {
                Later::Arrival(order) => self.arrive(&order, at),
                Later::Question(question, asked) => self.answer(question, asked, at),
                Later::News(input) => updates.push(received_at(*input, at)),
            }
        }
    }

    /// What the inner session said since `from`: books for the fill model, round trips for the latency.
    fn watch(&mut self, from: usize, now: MonoNanos, updates: &mut Vec<Input>) {
        for input in updates.get(from..).unwrap_or_default() {
            match input {
                Input::Book(update) => self.watch_book(update),
                Input::RoundTrip(sample) => {
                    if self.round_trips.len() == SAMPLES {
                        self.round_trips.pop_front();
                    }
                    self.round_trips.push_back(sample.nanos);
                }
                _ => {}
            }
        }
        let public_up = updates.get(from..).unwrap_or_default().iter().any(
            |input| matches!(input, Input::Link(change) if change.role == LinkRole::Public && change.state == LinkState::Up),
        );
        if public_up {
            self.public_since = self.public_since.or(Some(now));
        }
        self.open_account(now, updates);
    }

    /// Tells the private link up once the public one is and the account is funded.
    fn open_account(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        let Some(since) = self.public_since.filter(|_| !self.private_up) else { return };
        if let Some(value) = self.to_fund {
            if now.since(since) < FUNDING_WAIT_NS && !self.books.values().all(ModelBook::is_live) {
                return;
            }
            self.fund(value);
            self.to_fund = None;
        }
        self.private_up = true;
        self.private_link(LinkState::Up, now, updates);
    }

    fn fund(&mut self, value: Amount) {
        let mut owned = Vec::new();
        for pair in &self.pairs {
            let Some(assets) = self.pair_assets(*pair) else { continue };
            owned.push((assets.quote, value));
            let ask = self.books.get(pair).and_then(|book| book.left(Side::Buy).next()).map(|level| level.price);
            // The quote value of one unit of quantity at that price.
            let unit = ask.and_then(|price| assets.scale.value_from_product(i128::from(price.units())));
            let qty = unit.and_then(|unit| value.units().checked_div(unit.units())).and_then(|units| i64::try_from(units).ok());
            if let Some(qty) = qty.and_then(Qty::from_units) {
                owned.push((assets.base, assets.scale.base_of(qty)));
            }
        }
        self.account = PaperAccount::new(owned);
    }

    fn watch_book(&mut self, update: &BookUpdate) {
        if let Some(book) = self.books.get_mut(&update.pair) {
            book.handle(update);
        }
    }

    fn private_link(&self, state: LinkState, now: MonoNanos, updates: &mut Vec<Input>) {
        updates.push(Input::Link(LinkChange { venue: self.venue, role: LinkRole::Private, state, at: now }));
    }

    fn pair_assets(&self, pair: PairId) -> Option<PairAssets> {
        self.tables.pair(pair).map(|info| PairAssets { base: info.base, quote: info.quote, scale: info.scale })
    }

    /// An order meets the book.
    fn arrive(&mut self, order: &NewOrder, at: MonoNanos) {
        let expired = order.deadline.is_some_and(|deadline| deadline < at);
        let report = match self.pair_assets(order.pair).filter(|_| self.pairs.contains(&order.pair)) {
            None => refused(ErrorClass::SymbolClosed, "PAPER_UNKNOWN_PAIR"),
            // Resting orders would need a queue position, which nobody knows.
            Some(_) if order.tif != TimeInForce::Ioc => refused(ErrorClass::FilterReject, "PAPER_IOC_ONLY"),
            Some(_) if expired => OrderReport::Finished { finish: Finish::Expired, filled: Qty::ZERO },
            Some(pair) if !self.account.covers(pair, order.side, order.price, order.qty) => {
                refused(ErrorClass::InsufficientFunds, "PAPER_BALANCE_NOT_ENOUGH")
            }
            Some(pair) => self.fill(order, pair, at),
        };
        let id = VenueOrderId::new(&format!("paper-{}", order.client_id));
        let update = OrderUpdate {
            venue: self.venue,
            pair: order.pair,
            client_id: Some(order.client_id),
            venue_order_id: id,
            source: OrderSource::Reply,
            received: at,
            requested: at,
            report,
        };
        self.remember(order.client_id, update);
        if matches!(report, OrderReport::Finished { finish: Finish::Cancelled, filled } if filled.is_zero()) {
            // Its private stream tells every order that lived. Executions do so for the others; without either the engine would take
            // the stream for mute.
            self.tell(at, Input::Order(OrderUpdate { source: OrderSource::Stream, ..update }));
        }
        self.tell(at, Input::Order(update));
    }

    fn fill(&mut self, order: &NewOrder, pair: PairAssets, at: MonoNanos) -> OrderReport {
        let executions =
            self.books.get_mut(&order.pair).map(|book| book.take(order.side, order.price, order.qty)).unwrap_or_default();
        let mut filled = Qty::ZERO;
        for execution in executions {
            let Some(charged) = self.account.book(pair, order.side, execution, self.taker) else { break };
            filled = filled.checked_add(execution.qty).unwrap_or(filled);
            self.sequence += 1;
            let Some(trade_id) = TradeId::new(&format!("paper-{}", self.sequence)) else { break };
            let Some(venue_order_id) = VenueOrderId::new(&format!("paper-{}", order.client_id)) else { break };
            let fill = Fill {
                venue: self.venue,
                pair: order.pair,
                trade_id,
                client_id: Some(order.client_id),
                venue_order_id,
                side: order.side,
                price: execution.price,
                qty: execution.qty,
                quote: None,
                fees: [(charged.asset, charged.fee)].into_iter().filter(|(_, fee)| !fee.is_zero()).collect(),
                role: Role::Taker,
                executed_at: Some(self.clock.at(at)),
                source: OrderSource::Stream,
                received: at,
            };
            self.keep(fill.clone());
            self.tell(at, Input::Fill(fill));
        }
        let finish = if filled == order.qty { Finish::Filled } else { Finish::Cancelled };
        OrderReport::Finished { finish, filled }
    }

    fn keep(&mut self, fill: Fill) {
        self.fills.push_back(fill);
        while self.fills.len() > FILLS_MAX {
            self.forgotten = self.forgotten.max(self.fills.pop_front().and_then(|oldest| oldest.executed_at));
        }
    }

    fn remember(&mut self, id: ClientOrderId, update: OrderUpdate) {
        if self.ended.insert(id, update).is_none() {
            self.ended_order.push_back(id);
        }
        while self.ended_order.len() > ORDERS_MAX {
            if let Some(oldest) = self.ended_order.pop_front() {
                self.ended.remove(&oldest);
            }
        }
    }

    fn answer(&mut self, question: Question, asked: MonoNanos, at: MonoNanos) {
        let (venue, received) = (self.venue, at);
        let input = match question {
            Question::LookUp(order) => Input::Order(self.look_up(&order, OrderSource::Query, asked, at)),
            Question::Cancel(order) => Input::Order(self.look_up(&order, OrderSource::Reply, asked, at)),
            Question::Read(ReadKind::Balances) => {
                let (source, entries) = (BalanceSource::Query, self.account.entries());
                Input::Balances(BalanceReport { venue, source, requested: asked, received, entries })
            }
            Question::Read(ReadKind::OpenOrders) => {
                Input::OpenOrders(OpenOrdersReport { venue, requested: asked, received, orders: Vec::new(), elsewhere: 0 })
            }
            Question::Read(ReadKind::Trades { pair, since }) => {
                let listed = |fill: &&Fill| fill.pair == pair && fill.executed_at.is_none_or(|at| at.0 >= since.0);
                let fills = self.fills.iter().filter(listed).cloned();
                let fills = fills.map(|fill| Fill { source: OrderSource::Query, received, ..fill }).collect();
                let complete = self.forgotten.is_none_or(|until| until.0 < since.0);
                Input::Trades(TradesReport { venue, pair, requested: asked, received, since, complete, fills })
            }
            Question::Read(ReadKind::Fees) => {
                for pair in self.pairs.clone() {
                    let rates = FeeRates { venue, pair, taker: self.taker, maker: self.taker, paid_in: None };
                    self.tell(at, Input::Fees(rates));
                }
                return;
            }
            Question::Read(ReadKind::Account) => {
                Input::Account(AccountFacts { venue, can_trade: Some(true), can_withdraw: Some(false), ip_bound: None })
            }
            Question::Read(ReadKind::Time) => return,
        };
        self.tell(at, input);
    }

    fn look_up(&self, order: &OrderRef, source: OrderSource, asked: MonoNanos, at: MonoNanos) -> OrderUpdate {
        match self.ended.get(&order.client_id) {
            Some(known) => OrderUpdate { source, requested: asked, received: at, ..*known },
            None => OrderUpdate {
                venue: self.venue,
                pair: order.pair,
                client_id: Some(order.client_id),
                venue_order_id: order.venue_order_id,
                source,
                received: at,
                requested: asked,
                report: OrderReport::NotFound,
            },
        }
    }
}

fn refused(class: ErrorClass, label: &str) -> OrderReport {
    OrderReport::Refused { class, label: Label::cut(label) }
}

/// News carry the time at which they reach us.
fn received_at(input: Input, at: MonoNanos) -> Input {
    match input {
        Input::Order(update) => Input::Order(OrderUpdate {
            received: at,
            requested: if update.source == OrderSource::Query { update.requested } else { at },
            ..update
        }),
        Input::Fill(fill) => Input::Fill(Fill { received: at, ..fill }),
        Input::Balances(report) => Input::Balances(BalanceReport { received: at, ..report }),
        Input::OpenOrders(report) => Input::OpenOrders(OpenOrdersReport { received: at, ..report }),
        Input::Trades(report) => Input::Trades(TradesReport { received: at, ..report }),
        other => other,
    }
}

impl VenueSession for PaperSession {
    fn venue(&self) -> VenueId {
        self.venue
    }

    fn start(&mut self, now: MonoNanos) {
        self.inner.start(now);
    }

    fn handle_connected(&mut self, link: LinkId, now: MonoNanos, updates: &mut Vec<Input>) {
        self.advance(now, updates);
        let from = updates.len();
        self.inner.handle_connected(link, now, updates);
        self.watch(from, now, updates);
    }

    fn handle_frame(&mut self, link: LinkId, now: MonoNanos, frame: &mut [u8], updates: &mut Vec<Input>) {
        self.advance(now, updates);
        let from = updates.len();
        self.inner.handle_frame(link, now, frame, updates);
        self.watch(from, now, updates);
    }

    fn handle_lost(&mut self, link: LinkId, now: MonoNanos, reason: LossReason, updates: &mut Vec<Input>) {
        self.advance(now, updates);
        let from = updates.len();
        self.inner.handle_lost(link, now, reason, updates);
        self.watch(from, now, updates);
    }

    fn handle_response(&mut self, ticket: Ticket, now: MonoNanos, response: Response<'_>, updates: &mut Vec<Input>) {
        self.advance(now, updates);
        let from = updates.len();
        self.inner.handle_response(ticket, now, response, updates);
        self.watch(from, now, updates);
    }

    fn handle_timeout(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        self.open_account(now, updates);
        self.advance(now, updates);
        let from = updates.len();
        self.inner.handle_timeout(now, updates);
        self.watch(from, now, updates);
    }

    fn handle_paused(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        // What was on its way before we slept arrived where it met the books of then.
        self.advance(now, updates);
        let from = updates.len();
        self.inner.handle_paused(now, updates);
        self.watch(from, now, updates);
        self.public_since = None;
        self.clock.slept = true;
        // The paper account was suspended with us: nothing was missed, but the engine reconciles as it would live.
        if std::mem::replace(&mut self.private_up, false) {
            self.private_link(LinkState::Paused, now, updates);
        }
    }

    fn submit(&mut self, now: MonoNanos, command: &Command, updates: &mut Vec<Input>) {
        self.advance(now, updates);
        let arrival = now.after(self.latency_ns());
        match *command {
            Command::Place(order) => self.at(arrival, Later::Arrival(order)),
            Command::Cancel(order) => self.at(arrival, Later::Question(Question::Cancel(order), now)),
            Command::LookUp(order) => self.at(arrival, Later::Question(Question::LookUp(order), now)),
            Command::Amend(amend) => {
                let report = OrderReport::CancelFailed { class: ErrorClass::UnknownOrder };
                let update = self.look_up(&amend.order, OrderSource::Reply, now, now);
                self.tell(arrival, Input::Order(OrderUpdate { report, ..update }));
            }
            // Nothing ever rests.
            Command::CancelAll { .. } => {}
            Command::DeadMan { venue, .. } => {
                self.tell(arrival, Input::DeadMan(DeadMan { venue, armed_until: None, ok: false, received: arrival }));
            }
            Command::Read { read: ReadKind::Time, .. } | Command::Resync { .. } => {
                let from = updates.len();
                self.inner.submit(now, command, updates);
                self.watch(from, now, updates);
            }
            Command::Read { read, .. } => self.at(arrival, Later::Question(Question::Read(read), now)),
        }
    }

    fn poll_transmit(&mut self, now: MonoNanos, wall: UnixNanos, updates: &mut Vec<Input>) -> Option<Transmit> {
        self.clock.see(wall, now);
        let from = updates.len();
        let transmit = self.inner.poll_transmit(now, wall, updates);
        self.watch(from, now, updates);
        transmit
    }

    fn poll_timeout(&self) -> Option<MonoNanos> {
        let due = self.later.first_key_value().map(|((at, _), _)| *at);
        let funding = self.public_since.filter(|_| self.to_fund.is_some()).map(|since| since.after(FUNDING_WAIT_NS));
        [due, funding, self.inner.poll_timeout()].into_iter().flatten().min()
    }

    fn shutdown(&mut self, now: MonoNanos) {
        self.inner.shutdown(now);
    }

    fn stats(&self) -> &SessionStats {
        self.inner.stats()
    }
}

#[cfg(test)]
mod tests;
