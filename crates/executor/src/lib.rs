//! What happens after a plan is approved: order life cycles, legs and the hedge ladder, the ledger, reconciliation, recovery.
//! Pure and deterministic: no clock, no I/O; what is done is a function of the calls.
//!
//! Start at [`Executor::open_deal`] (out) and [`Executor::handle_fill`] (in). One idea per file:
//!
//! | file | holds |
//! |---|---|
//! | `orders.rs` | the life of one order: a lattice that evidence only climbs |
//! | `registry.rs` | all orders, found by our id or the venue's; booked trade ids |
//! | `refusals.rs` | the breaker for placements that a venue refuses for funds, for the key, or of a pair |
//! | `resolve.rs` | unknown orders: look-ups, and the proof of absence |
//! | `fills.rs` | booking a fill: ledger, order, deal; foreign fills; lost intents |
//! | `day_flows.rs` | what each day's executions moved, for the daily loss |
//! | `fees.rs` | the watch over fees that are not the predicted ones |
//! | `ledger.rs` | totals, reservations, what is available |
//! | `preflight.rs` | the last look at both legs before anything is sent |
//! | `proof.rs` | whether a venue's private news comes |
//! | `deals.rs`, `hedge.rs` | exposure intervals, and the ladder that closes them |
//! | `sight.rs` | which books a hedge may be priced by |
//! | `dust.rs` | what closed deals leave behind, and its way into the next hedge |
//! | `spent.rs` | books that our own orders took from since they came |
//! | `reconcile.rs` | comparing with the venue: at start, after a reconnect, periodically, at the end |
//! | `wind_down.rs` | ending: a shutdown, and flattening while the engine goes on |
//! | `recover.rs` | folding the state log |
//! | `checkpoint.rs` | the state as items, and what of the past is forgotten |
//! | `carried.rs` | what of a recovered state still needs its names, in a run that may lack them |
//!
//! Kept true by every method (asserted, in release too):
//! 1. What the ledger holds reserved is the sum of what the orders hold, and never negative.
//! 2. An order's phase never moves backwards; its cumulative quantity never falls (I10, I11).
//! 3. Each trade id is booked once (I2). No client order id is used twice (I3).
//! 4. An order that is not known to have ended keeps its reservation and its place in the exposure interval.
//! 5. Whatever changes the ledger is a function of the inputs and intents in the log, so that folding them gives it again.
//!
//! Departures from `docs/design.md`, on purpose: hedges carry a server-side expiry too (2 s), since absence can only be proved
//! of an order that cannot come alive later; after a restart a venue's stated balances are adopted only when they stay the same
//! and differ for the whole balance grace time, since balance endpoints lag (F29) and a stale one must not replace a ledger that
//! is right.

pub mod carried;
pub mod checkpoint;
pub mod config;
pub mod day_flows;
mod deals;
mod dust;
mod fees;
mod fills;
mod hedge;
pub mod ids;
pub mod ledger;
mod orders;
pub mod outbox;
mod preflight;
mod proof;
mod reads;
mod reconcile;
mod recover;
mod refusals;
mod registry;
pub mod report;
mod resolve;
mod sight;
mod spent;
mod wind_down;

pub use config::{BookGates, ExecutorConfig};
pub use day_flows::DayFlows;
pub use ids::IdSource;
pub use ledger::{Holding, Ledger};
pub use outbox::{Outbox, StopRequest};
pub use report::{BalanceLine, ExecutionReport, Flow, OpenDeal, OpenOrder};

use deals::Deals;
use domain::command::OrderRef;
use domain::mutants::{self, Mutant};
use domain::{
    AccountFacts, Amount, AssetId, BalanceReport, Ban, ClientOrderId, Command, DealId, FeeRates, Finish, LinkChange, MonoNanos,
    NewOrder, Notice, OpenOrdersReport, OrderOutcome, OrderReport, OrderSource, OrderUpdate, PairId, Purpose, ReadFailure, Side,
    StopKind, StopReason, Tables, TimeInForce, TradesReport, UnixNanos, VenueId, Verdict,
};
use dust::Dust;
use fees::FeeWatch;
use orders::{Effects, Order, Phase};
use reconcile::VenueState;
use registry::Orders;
use report::Tally;
use risk::{Approved, Exposure, Leg, Limits, Market, Plan};
use spent::SpentBooks;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Everything between an approved plan and a closed deal, for all venues.
#[derive(Clone, Debug)]
pub struct Executor {
    config: ExecutorConfig,
    tables: Arc<Tables>,
    ids: IdSource,
    ledger: Ledger,
    orders: Orders,
    deals: Deals,
    dust: Dust,
    spent: SpentBooks,
    venues: Vec<VenueState>,
    fees: Vec<Option<FeeRates>>,
    fee_watch: FeeWatch,
    /// Venues that pause for fees that their rates do not explain.
    fee_paused: BTreeSet<VenueId>,
    frozen_pairs: BTreeSet<PairId>,
    /// Pauses that only a person ends, since none has: set again after a restart.
    standing: BTreeSet<StopRequest>,
    pauses: Pauses,
    tally: Tally,
    day_flows: DayFlows,
    /// The newest wall time told, or in recovery the newest that the log proves.
    wall: UnixNanos,
    /// The highest epoch of an id seen in recovery.
    epoch_seen: Option<u64>,
    /// Epochs of this run directory: ids of our instance with any other epoch come from another one, and are not ours.
    epochs: BTreeSet<u64>,
    /// Pairs that the log lists after a restart whose time is not known yet.
    listed_early: Vec<(VenueId, PairId)>,
    shutdown: bool,
    /// A person wants exposure closed at once.
    flattening: bool,
    quiet_since: Option<MonoNanos>,
    forgetting: checkpoint::Forgetting,
    restart_pending: bool,
    /// Recovery is done, and no decision has told the time of this process yet.
    restamp: bool,
    scratch: Vec<ClientOrderId>,
}

/// Pauses that this executor asked for and that clear on their conditions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Pauses {
    unknown_order: bool,
    unhedged_time: bool,
}

impl Executor {
    /// An executor that knows names and settings; every venue is to be reconciled before it is [`Executor::ready`].
    pub fn new(config: ExecutorConfig, tables: Arc<Tables>, ids: IdSource) -> Executor {
        let (venues, pairs) = (tables.venues.len(), tables.pairs.len());
        Executor {
            config,
            ledger: Ledger::new(venues, tables.assets.len()),
            orders: Orders::default(),
            deals: Deals::default(),
            dust: Dust::new(venues, tables.assets.len()),
            spent: SpentBooks::new(venues, pairs),
            venues: tables.venue_ids().map(VenueState::new).collect(),
            fees: vec![None; venues * pairs],
            fee_watch: FeeWatch::default(),
            fee_paused: BTreeSet::new(),
            frozen_pairs: BTreeSet::new(),
            standing: BTreeSet::new(),
            pauses: Pauses::default(),
            tally: Tally::default(),
            day_flows: DayFlows::default(),
            wall: UnixNanos(0),
            epoch_seen: None,
            epochs: BTreeSet::from([ids.epoch()]),
            listed_early: Vec::new(),
            shutdown: false,
            flattening: false,
            quiet_since: None,
            forgetting: checkpoint::Forgetting::default(),
            restart_pending: false,
            restamp: false,
            scratch: Vec::with_capacity(64),
            ids,
            tables,
        }
    }

    /// Sends both legs of an approved plan: two `Place` commands, what they spend reserved at once. Nothing at all is sent or
    /// registered when either leg could not be.
    ///
    /// # Errors
    /// The verdict under which the plan is refused (`preflight.rs` says which).
    ///
    /// # Panics
    /// For ids of another run: plans are made from the same tables.
    pub fn open_deal(
        &mut self,
        now: MonoNanos,
        plan: Approved<Plan>,
        market: &Market,
        out: &mut Outbox,
    ) -> Result<DealId, Verdict> {
        let plan = plan.into_inner();
        assert!(plan.buy.venue != plan.sell.venue, "Invariant: a plan buys and sells on different venues");
        assert!(!plan.buy.qty.is_zero() && !plan.sell.qty.is_zero(), "Invariant: a plan has two legs");
        self.preflight(now, &plan, market)?;
        let deal = self.deals.open(plan.pair, plan.buy.venue, plan.sell.venue, now);
        self.tally.deals_opened += 1;
        out.notices.push(Notice::DealOpened {
            deal,
            pair: plan.pair,
            buy: plan.buy.venue,
            sell: plan.sell.venue,
            buy_qty: plan.buy.qty,
            sell_qty: plan.sell.qty,
            buy_price: plan.buy.price,
            sell_price: plan.sell.price,
            expected: plan.expected,
        });
        for (side, leg) in [(Side::Buy, plan.buy), (Side::Sell, plan.sell)] {
            let id = self.place(deal, plan.pair, side, leg, Purpose::Open, plan.deadline, now, out);
            if let Some(venue) = self.venues.get_mut(leg.venue.index()) {
                venue.proof.opened(id);
            }
        }
        self.check();
        Ok(deal)
    }

    /// Sends one IOC order of a deal.
    fn place(
        &mut self,
        deal: DealId,
        pair: PairId,
        side: Side,
        leg: Leg,
        purpose: Purpose,
        deadline: MonoNanos,
        now: MonoNanos,
        out: &mut Outbox,
    ) -> ClientOrderId {
        let order = NewOrder {
            venue: leg.venue,
            pair,
            client_id: self.ids.next_id(),
            deal,
            purpose,
            side,
            price: leg.price,
            qty: leg.qty,
            tif: TimeInForce::Ioc,
            deadline: Some(deadline),
        };
        self.tally.orders_sent += 1;
        self.register(order, now, deadline);
        self.spent.mark(leg.venue, pair, now);
        out.commands.push(Command::Place(order));
        order.client_id
    }

    /// Registers an order, its reservation and its place in its deal. The same for a live intent and a folded one.
    fn register(&mut self, terms: NewOrder, placed: MonoNanos, expiry: MonoNanos) {
        let order = self.order_of(terms, placed, expiry);
        self.orders.register(order);
        self.deals.add_order(&terms, placed);
        self.update_hold(terms.client_id);
    }

    /// An order as it is registered, with the fees that it may be charged in what it spends.
    fn order_of(&self, terms: NewOrder, placed: MonoNanos, expiry: MonoNanos) -> Order {
        let mut order = Order::new(terms, placed, expiry, self.wall);
        if let (Some(fees), Some(info)) = (self.fees_of(terms.venue, terms.pair), self.tables.pair(terms.pair)) {
            let (spent, received) = match terms.side {
                Side::Buy => (info.quote, info.base),
                Side::Sell => (info.base, info.quote),
            };
            let paid_in = fees.paid_in.unwrap_or(received);
            order.fee_on_spend = (paid_in == spent).then_some(fees.taker);
            order.fee_on_base = (terms.side == Side::Buy && paid_in == info.base).then_some(fees.taker);
        }
        order
    }

    fn fees_of(&self, venue: VenueId, pair: PairId) -> Option<FeeRates> {
        self.fees.get(pair.index() * self.tables.venues.len() + venue.index()).copied().flatten()
    }

    /// What a venue charges; kept to hold back fees that an order pays in what it spends.
    pub fn handle_fees(&mut self, fees: &FeeRates) {
        let index = fees.pair.index() * self.tables.venues.len() + fees.venue.index();
        if let Some(slot) = self.fees.get_mut(index) {
            *slot = Some(*fees);
        }
        self.fee_watch.told(fees);
        if let Some(venue) = self.venues.get_mut(fees.venue.index()) {
            venue.fees_told(fees.pair);
        }
    }

    /// Evidence about an order.
    pub fn handle_order(&mut self, now: MonoNanos, update: &OrderUpdate, out: &mut Outbox) {
        match self.orders.identify(update) {
            Some(id) => self.hear_of_order(id, now, update, out),
            None => self.hear_of_stranger(now, update, out),
        }
        self.check();
    }

    fn hear_of_order(&mut self, id: ClientOrderId, now: MonoNanos, update: &OrderUpdate, out: &mut Outbox) {
        let window = self.config.visibility_window_ns;
        let Some(terms) = self.orders.get(id).map(|order| order.terms) else { return };
        if (terms.venue, terms.pair) != (update.venue, update.pair) {
            // Our id on a venue or pair where we never used it: evidence about something else.
            out.latch(StopReason::UnknownFill, update.venue, update.pair);
            return;
        }
        if update.venue_order_id.is_some_and(|theirs| !self.orders.bind(id, theirs)) {
            // A second order under one of our ids (Gate does not refuse a repeated `text`): never ours on purpose (I3).
            out.latch(StopReason::UnknownFill, update.venue, update.pair);
            return;
        }
        let Some(order) = self.orders.get_mut(id) else { return };
        let (was_known, was_done) = (!order.is_unknown(), order.is_done());
        let effects = order.absorb(update, now);
        let refused = !was_done && order.phase == Phase::Done(OrderOutcome::Refused);
        if order.is_unknown() && was_known {
            order.probe.restart(now);
        }
        order.end_if_proved_gone(window, now);
        self.note_proof(id, update, now);
        if let OrderReport::Refused { class, .. } = update.report
            && refused
        {
            self.note_refusal(&terms, class, now, out);
        }
        self.follow(id, effects, now, out);
    }

    /// What an update says about the private link: told by it, or owed by it; and about the placement: taken, once it did anything or ended
    /// without being refused. A venue may acknowledge a placement, and refuse it by its row (Bybit).
    fn note_proof(&mut self, id: ClientOrderId, update: &OrderUpdate, now: MonoNanos) {
        let (lived, taken) = match update.report {
            OrderReport::Open { filled } | OrderReport::TermsDiffer { filled, .. } => (true, !filled.is_zero()),
            OrderReport::Finished { finish, filled } => {
                let lived = finish != Finish::Expired || !filled.is_zero();
                (lived, lived)
            }
            _ => (false, false),
        };
        if taken {
            self.note_taken(id);
        }
        self.note_source(id, update.source, lived, now);
    }

    /// The venue took a placement of ours: refusals are counted anew.
    fn note_taken(&mut self, id: ClientOrderId) {
        let Some(terms) = self.orders.get(id).map(|order| order.terms) else { return };
        if let Some(venue) = self.venues.get_mut(terms.venue.index()) {
            venue.refusals.accepted(terms.pair);
        }
    }

    /// Something told of an order of ours; `lived` when it says that the venue has or had it.
    fn note_source(&mut self, id: ClientOrderId, source: OrderSource, lived: bool, now: MonoNanos) {
        let Some(order) = self.orders.get_mut(id) else { return };
        let Some(venue) = self.venues.get_mut(order.terms.venue.index()) else { return };
        if source == OrderSource::Stream {
            order.shown = true;
            venue.proof.told(id);
        } else if lived && !order.shown && venue.came_up_by(order.placed) {
            venue.proof.expect(id, now);
        }
    }

    /// Whether an id was made by this run directory: our instance, in an epoch that it knows.
    fn is_ours(&self, id: ClientOrderId) -> bool {
        id.instance() == self.config.instance && self.epochs.contains(&id.epoch())
    }

    /// An update of an order that is not in the log.
    fn hear_of_stranger(&mut self, now: MonoNanos, update: &OrderUpdate, out: &mut Outbox) {
        let lost_intent = update.client_id.filter(|id| self.is_ours(*id));
        let Some(venue) = self.venues.get_mut(update.venue.index()) else { return };
        match (lost_intent, update.report) {
            (Some(client_id), OrderReport::Open { .. }) => {
                // The intent is gone (a log cut short), the order is not: end it, and book what it did.
                venue.lost_intent_seen(now);
                let reference =
                    OrderRef { venue: update.venue, pair: update.pair, client_id, venue_order_id: update.venue_order_id };
                if !self.config.observe_only {
                    out.commands.push(Command::Cancel(reference));
                }
                venue.want_trades(update.pair, now);
            }
            (Some(_), OrderReport::Finished { filled, .. }) if !filled.is_zero() => venue.want_trades(update.pair, now),
            (Some(_), _) => {}
            (None, OrderReport::Open { .. }) => {
                if let Some(id) = update.venue_order_id
                    && venue.foreign_order_is_new(id)
                {
                    self.tally.orders_foreign += 1;
                }
            }
            (None, _) => {}
        }
    }

    /// Pauses openings until a person resumes, whatever happens to this process in between.
    pub(crate) fn pause_for_a_person(&mut self, reason: StopReason, venue: VenueId, pair: Option<PairId>, out: &mut Outbox) {
        let stop = StopRequest::set(StopKind::Pause, reason, Some(venue), pair);
        self.standing.insert(stop);
        out.stops.push(stop);
    }

    /// What a venue's pause waited for has shown itself without a person.
    pub(crate) fn end_pause(&mut self, reason: StopReason, venue: VenueId, out: &mut Outbox) {
        if self.standing.remove(&StopRequest::set(StopKind::Pause, reason, Some(venue), None)) {
            out.stops.push(StopRequest::clear(StopKind::Pause, reason, Some(venue), None));
        }
    }

    /// Does what a piece of evidence asks for, then tidies up after the change.
    fn follow(&mut self, id: ClientOrderId, effects: Effects, now: MonoNanos, out: &mut Outbox) {
        let Some(order) = self.orders.get(id) else { return };
        let reference =
            OrderRef { venue: order.terms.venue, pair: order.terms.pair, client_id: id, venue_order_id: order.venue_order_id };
        if effects.latch {
            out.latch(StopReason::UnknownFill, reference.venue, reference.pair);
        }
        if effects.terms_differ {
            self.pause_for_a_person(StopReason::RulesChanged, reference.venue, Some(reference.pair), out);
        }
        if effects.cancel && !self.config.observe_only {
            out.commands.push(Command::Cancel(reference));
        }
        if let Some(order) = self.orders.get_mut(id).filter(|_| effects.look_up) {
            order.probe.begin(now);
        }
        self.after_change(id, now, out);
    }

    /// Brings everything that depends on one order's state in line with it: its hold, the active set, its deal, what was told.
    fn after_change(&mut self, id: ClientOrderId, now: MonoNanos, out: &mut Outbox) {
        self.update_hold(id);
        let Some(order) = self.orders.get_mut(id) else { return };
        let (settled, told, phase) = (order.is_settled(), order.told, order.phase);
        let outcome = match phase {
            Phase::Done(outcome) => Some(outcome),
            Phase::Unknown(_) => Some(OrderOutcome::Unknown),
            Phase::Sent | Phase::Open => None,
        };
        let terms = order.terms;
        let had_ended = told.is_some_and(|o| o != OrderOutcome::Unknown);
        if let Some(outcome) = outcome.filter(|o| told != Some(*o)) {
            order.told = Some(outcome);
            if outcome == OrderOutcome::Unknown {
                self.tally.unknown_ever += 1;
                if mutants::active(Mutant::ResendOnUnknown) {
                    out.commands.push(Command::Place(terms));
                }
            } else {
                self.tally.count_outcome(told.filter(|_| had_ended), outcome);
                self.spent.mark(terms.venue, terms.pair, now);
                let never_lived = order.reported.is_zero()
                    && matches!(
                        outcome,
                        OrderOutcome::Refused | OrderOutcome::NotSent | OrderOutcome::Absent | OrderOutcome::Expired
                    );
                if let Some(venue) = self.venues.get_mut(terms.venue.index()).filter(|_| never_lived) {
                    venue.proof.never_lived(id);
                }
            }
            // An end is told once; what late fills make of it is told as fills.
            if !had_ended {
                out.notices.push(Notice::Order {
                    deal: terms.deal,
                    client_id: id,
                    venue: terms.venue,
                    pair: terms.pair,
                    side: terms.side,
                    hedge: terms.purpose == Purpose::Hedge,
                    outcome,
                    filled: order.reported,
                    qty: terms.qty,
                    label: order.label,
                    took_ns: now.since(order.placed),
                });
            }
        }
        self.orders.set_active(id, !settled);
        if !settled {
            self.deals.reopen(terms.deal);
        }
        self.sort_early_fills(now, out);
    }

    /// Moves the ledger by the difference between what an order must hold now and what it held.
    fn update_hold(&mut self, id: ClientOrderId) {
        let Some(order) = self.orders.get_mut(id) else { return };
        let Some(info) = self.tables.pair(order.terms.pair) else { return };
        let asset = match order.terms.side {
            Side::Buy => info.quote,
            Side::Sell => info.base,
        };
        let (before, after) = (order.held, order.holds(info.scale));
        order.held = after;
        self.ledger.reserve(order.terms.venue, asset, before, after);
    }

    /// The complete list of open orders of a venue.
    pub fn handle_open_orders(&mut self, now: MonoNanos, report: &OpenOrdersReport, out: &mut Outbox) {
        let mut listed: BTreeSet<ClientOrderId> = BTreeSet::new();
        let mut lost_intents = false;
        for update in &report.orders {
            let update =
                OrderUpdate { source: OrderSource::Query, requested: report.requested, received: report.received, ..*update };
            listed.extend(self.orders.identify(&update));
            lost_intents |= self.orders.identify(&update).is_none() && update.client_id.is_some_and(|id| self.is_ours(id));
            self.handle_order(now, &update, out);
        }
        let missing: Vec<ClientOrderId> =
            self.orders.active_on(report.venue).map(|order| order.terms.client_id).filter(|id| !listed.contains(id)).collect();
        for id in missing {
            if let Some(order) = self.orders.get_mut(id) {
                order.proof.not_listed(report.requested);
                if order.end_if_proved_gone(self.config.visibility_window_ns, now) {
                    self.after_change(id, now, out);
                }
            }
        }
        if let Some(venue) = self.venues.get_mut(report.venue.index()) {
            venue.open_orders_told(report.requested, lost_intents);
        }
        self.check();
    }

    /// Executions of a pair since a time.
    pub fn handle_trades(&mut self, now: MonoNanos, report: &TradesReport, out: &mut Outbox) {
        for fill in &report.fills {
            self.handle_fill(now, fill, out);
        }
        if report.complete {
            let waiting: Vec<ClientOrderId> = self
                .orders
                .active_on(report.venue)
                .filter(|order| order.terms.pair == report.pair && report.since <= order.wall_floor)
                .map(|order| order.terms.client_id)
                .collect();
            for id in waiting {
                if let Some(order) = self.orders.get_mut(id) {
                    order.proof.not_traded(report.requested);
                    if order.end_if_proved_gone(self.config.visibility_window_ns, now) {
                        self.after_change(id, now, out);
                    }
                }
            }
        }
        if let Some(venue) = self.venues.get_mut(report.venue.index()) {
            venue.trades_told(report, self.config.visibility_window_ns, now);
        }
        self.check();
    }

    /// Balances as a venue states them: compared, and taken over only at start (see `reconcile.rs`).
    pub fn handle_balances(&mut self, now: MonoNanos, report: &BalanceReport, out: &mut Outbox) {
        self.compare_balances(now, report, out);
        self.check();
    }

    /// A read failed: it is asked again, later each time.
    pub fn handle_read_failed(&mut self, now: MonoNanos, failure: &ReadFailure, _out: &mut Outbox) {
        if let Some(venue) = self.venues.get_mut(failure.venue.index()) {
            venue.read_failed(failure, now);
        }
    }

    /// A private link came up, was lost, or the process was suspended.
    pub fn handle_link(&mut self, now: MonoNanos, change: &LinkChange, _out: &mut Outbox) {
        if let Some(venue) = self.venues.get_mut(change.venue.index()) {
            venue.link_changed(change, now);
        }
    }

    /// A venue takes no requests for a while: hedges are offered to others first.
    pub fn handle_ban(&mut self, ban: &Ban) {
        if let Some(venue) = self.venues.get_mut(ban.venue.index()) {
            venue.banned(ban.until);
        }
    }

    /// What our key may do. A key that may withdraw, or may not trade, never makes a venue ready.
    pub fn handle_account(&mut self, now: MonoNanos, facts: &AccountFacts, _out: &mut Outbox) {
        if let Some(venue) = self.venues.get_mut(facts.venue.index()) {
            venue.account_told(facts, now);
        }
    }

    /// A person resumes: balances that drifted may be adopted again, once they are stated steadily.
    pub fn handle_resume(&mut self) {
        self.standing.clear();
        self.fee_watch.resumed();
        for venue in &mut self.venues {
            venue.allow_adoption();
            venue.proof.resumed();
            venue.refusals.resumed();
        }
    }

    /// Other limits, and books trusted by other thresholds, from now on.
    pub fn handle_config(&mut self, limits: Limits, books: BookGates) {
        self.config.limits = limits;
        self.config.books = books;
    }

    /// Once per batch: deadlines, look-ups, hedges, reconciliation. Decided before openings, so that a stop holds at once.
    pub fn on_decide(&mut self, now: MonoNanos, unix: UnixNanos, market: &Market, out: &mut Outbox) {
        if self.wall > unix && unix > UnixNanos(0) {
            // Venue stamps in the log were ahead of us: trades must be read from no later than now.
            self.lower_wall_floors(unix);
        }
        if std::mem::replace(&mut self.restamp, false) {
            self.restamp_orders(now);
            out.stops.extend(&self.standing);
        }
        self.wall = if unix > UnixNanos(0) { unix } else { self.wall };
        self.resolve_orders(now, out);
        self.drive_deals(now, market, out);
        self.drive_shutdown(now);
        self.reconcile(now, market, out);
        self.sync_stops(now, out);
        self.forget_some(now);
        self.check();
    }

    fn lower_wall_floors(&mut self, unix: UnixNanos) {
        let active: Vec<ClientOrderId> = self.orders.active().iter().copied().collect();
        for id in active {
            if let Some(order) = self.orders.get_mut(id) {
                order.wall_floor = order.wall_floor.min(unix);
            }
        }
    }

    /// Asks for the stops that hold by the state of orders and deals, and clears those that no longer do.
    fn sync_stops(&mut self, now: MonoNanos, out: &mut Outbox) {
        use StopKind::{Freeze, Pause};
        let unknown: BTreeSet<PairId> = self.orders.active_orders().filter(|o| o.is_unknown()).map(|o| o.terms.pair).collect();
        for pair in self.frozen_pairs.difference(&unknown) {
            out.stops.push(StopRequest::clear(Freeze, StopReason::UnknownOrder, None, Some(*pair)));
        }
        for pair in unknown.difference(&self.frozen_pairs) {
            out.stops.push(StopRequest::set(Freeze, StopReason::UnknownOrder, None, Some(*pair)));
        }
        self.frozen_pairs = unknown;
        let drifting: BTreeSet<VenueId> = self.fee_watch.venues().collect();
        for venue in self.fee_paused.difference(&drifting) {
            out.stops.push(StopRequest::clear(Pause, StopReason::FeeDrift, Some(*venue), None));
        }
        for venue in drifting.difference(&self.fee_paused) {
            out.stops.push(StopRequest::set(Pause, StopReason::FeeDrift, Some(*venue), None));
        }
        self.fee_paused = drifting;
        let limit = self.config.unhedged_max_ns;
        let in_doubt = self.orders.active_orders().filter(|o| !o.is_done()).filter_map(|o| o.probe.since());
        let pauses = Pauses {
            unknown_order: in_doubt.min().is_some_and(|since| now.since(since) >= limit),
            unhedged_time: self.deals.longest_exposed_ns(now) >= limit && !mutants::active(Mutant::ExposureUntold),
        };
        let changes = [
            (StopReason::UnknownOrder, self.pauses.unknown_order, pauses.unknown_order),
            (StopReason::UnhedgedTime, self.pauses.unhedged_time, pauses.unhedged_time),
        ];
        for (reason, before, after) in changes {
            match (before, after) {
                (false, true) => out.stops.push(StopRequest::set(Pause, reason, None, None)),
                (true, false) => out.stops.push(StopRequest::clear(Pause, reason, None, None)),
                _ => {}
            }
        }
        self.pauses = pauses;
    }

    /// When [`Executor::on_decide`] wants to be called although nothing arrives.
    pub fn next_deadline(&self) -> Option<MonoNanos> {
        let limit = self.config.unhedged_max_ns;
        let paused = self.pauses.unknown_order;
        let doubt = self.orders.active_orders().filter(|o| !o.is_done() && !paused).filter_map(|o| o.probe.since());
        let pause = doubt.min().map(|since| since.after(limit));
        let deals = self.deals.next_wake();
        let reads = self.venues.iter().filter_map(VenueState::deadline).min();
        [self.order_deadline(), pause, deals, reads].into_iter().flatten().min()
    }

    /// Until when a venue is held because its private stream told nothing of an order of ours, whatever else is known of it.
    pub fn held_until(&self, venue: VenueId) -> Option<MonoNanos> {
        self.venues.get(venue.index())?.proof.held_until()
    }

    /// Reconciled since its private link came up, with rights that fit: openings are allowed there.
    pub fn ready(&self, venue: VenueId) -> bool {
        self.venues.get(venue.index()).is_some_and(VenueState::ready)
    }

    /// What an order may still use.
    pub fn available(&self, venue: VenueId, asset: AssetId) -> Amount {
        self.ledger.available(venue, asset)
    }

    /// The balances.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What our own executions moved, by day.
    pub fn day_flows(&self) -> &DayFlows {
        &self.day_flows
    }

    /// What the key of a venue may do, once told.
    pub fn facts(&self, venue: VenueId) -> Option<AccountFacts> {
        self.venues.get(venue.index()).and_then(VenueState::facts)
    }

    /// The worst case of all open deals in the reference quote, valued at the best live mid of any venue, or else at the legs'
    /// own prices.
    pub fn exposure(&self, market: &Market) -> Exposure {
        let mut exposure = Exposure::default();
        for deal in self.deals.open_deals() {
            let Some(info) = self.tables.pair(deal.pair) else { continue };
            let (lo, hi) = self.interval(deal);
            let Some(price) = self.mark(deal, market) else { continue };
            exposure.add(info.base, info.scale, lo, hi, price, market.valuation().last_worth(info.quote));
        }
        exposure
    }

    /// Deals that are not closed.
    pub fn open_deals(&self) -> u32 {
        self.deals.open_count()
    }

    /// Whether a pair has an open deal.
    pub fn pair_busy(&self, pair: PairId) -> bool {
        self.deals.open_deals().any(|deal| deal.pair == pair)
    }

    /// No open deal and no order that may still change.
    pub fn idle(&self) -> bool {
        self.deals.open_count() == 0 && self.orders.active().is_empty()
    }

    /// Orders whose existence is open.
    pub fn unknown_orders(&self) -> u32 {
        self.orders.active_orders().filter(|order| order.is_unknown()).count() as u32
    }

    /// Whether a venue's ledger equalled its accounts at the last comparison; `None` before the first.
    pub fn reconciled(&self, venue: VenueId) -> Option<bool> {
        self.venues.get(venue.index()).and_then(|state| state.reconciled)
    }

    /// The money invariants that every method keeps.
    fn check(&self) {
        let held: i128 = self.orders.active_orders().map(|order| order.held.units()).sum();
        let reserved: i128 = self.ledger.holdings().map(|(_, _, cell)| cell.reserved.units()).sum();
        assert!(held == reserved, "Invariant: what is reserved is what orders hold");
        assert!(self.quiet_since.is_none() || self.shutdown, "Invariant: only a shutdown ends quietly");
    }
}
