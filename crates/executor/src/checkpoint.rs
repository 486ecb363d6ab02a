//! Checkpoints: the whole state after recovery as items, and back; and what of the past may be forgotten.
//!
//! A checkpoint is taken once recovery has ended and before the first live input, so nothing in it depends on a clock of its
//! process. It need not wait for rest: orders without a known end, deals with exposure and fills without an order are items like any
//! other. Loading one and folding what follows gives exactly the state that folding everything gives.
//!
//! The past does not grow without bound. At the end of every recovery and a little at a time while running, for each pair of a venue,
//! what is older than [`crate::ExecutorConfig::history_kept_ns`] before the time up to which its executions were read is forgotten, and
//! before the newest execution by the venue's own clock: ours may jump, and what comes must never look like what is long past.
//! - *Ids of booked executions.* All executions up to then were read and booked, so one that is told again is a repetition, known by
//!   its date alone (F25 holds for the life of the log). An id without a date is kept for ever.
//! - *Settled orders, with their deal*, when the whole deal is settled, old, and even to a thousandth of what it executed. An order that
//!   executed nothing is old by the time alone up to which executions were read: nothing of it can be told again, and a venue that
//!   refuses everything never has a newer execution. One that
//!   is not even is kept by a recovery, since only a market can tell dust from exposure. What an even one has left is dust from then
//!   on. A running engine has closed its deals and told what they left: any that is closed, settled and old goes.
//!
//! Start at [`Executor::checkpoint`].

use crate::deals::{Deal, Executed};
use crate::fees::Charge;
use crate::orders::{Order, Phase};
use crate::reconcile::{Adoption, VenueState};
use crate::{Executor, IdSource, StopRequest};
use domain::time::MILLI;
use domain::{
    ChargeState, CheckpointItem, ClientOrderId, DealId, DealState, MonoNanos, OrderStage, OrderState, PairId, Qty, StopKind,
    TradeId, UnixNanos, UnknownCause, VenueId,
};
use std::ops::Bound;

/// A running engine looks this often for what may be forgotten, at so many deals and executions at most: a look takes microseconds,
/// and many more deals than can be made in the meantime are looked at.
const FORGET_EVERY: u64 = 100 * MILLI;
const DEALS_A_LOOK: usize = 64;
const EXECUTIONS_A_LOOK: usize = 256;
/// A deal is even when what is left of it is at most one part in so many of what it executed.
const EVEN_PART: i128 = 1_000;

impl Executor {
    /// Everything that recovery has built. To be called after recovery and before the first live input.
    pub fn checkpoint(&self) -> Vec<CheckpointItem> {
        let clock = CheckpointItem::Clock { wall: self.wall, epoch_seen: self.epoch_seen, last_deal: DealId(self.deals.last) };
        let mut items = vec![clock];
        let epochs = self.epochs.iter().filter(|epoch| **epoch != IdSource::NO_RUN);
        items.extend(epochs.map(|epoch| CheckpointItem::Epoch { epoch: *epoch }));
        for venue in &self.venues {
            let id = venue.venue;
            items.push(CheckpointItem::Venue { venue: id, adopted: venue.has_ledger() });
            items.extend(venue.trades.iter().map(|(pair, trades)| CheckpointItem::Trades {
                venue: id,
                pair: *pair,
                listed: trades.listed,
                covered: trades.covered,
                forgotten: trades.forgotten,
            }));
            items.extend(venue.foreign_orders.iter().map(|order| CheckpointItem::ForeignOrder { venue: id, id: *order }));
        }
        items.extend(self.fees.iter().flatten().map(|rates| CheckpointItem::Fees { rates: *rates }));
        items.extend(self.fee_watch.unexplained.iter().map(|(venue, pair, charge)| CheckpointItem::Charge {
            venue: *venue,
            pair: *pair,
            charge: charge_state(charge),
        }));
        let noted = self.ledger.holdings().filter(|(_, _, cell)| cell.used || !cell.total.is_zero() || !cell.elsewhere.is_zero());
        items.extend(noted.map(|(venue, asset, cell)| CheckpointItem::Holding {
            venue,
            asset,
            total: cell.total,
            elsewhere: cell.elsewhere,
            used: cell.used,
        }));
        items.extend(self.dust.lines().into_iter().map(|(venue, asset, left)| CheckpointItem::Dust { venue, asset, left }));
        items.extend(self.day_flows.all().map(|(day, asset, flow)| CheckpointItem::DayFlow { day, asset, flow }));
        items.extend(self.standing.iter().filter_map(|stop| match *stop {
            StopRequest::Set { reason, venue: Some(venue), pair, .. } => Some(CheckpointItem::Standing { reason, venue, pair }),
            _ => None,
        }));
        items.extend(self.orders.booked.iter().map(|((venue, pair, trade_id), executed)| CheckpointItem::Booked {
            venue: *venue,
            pair: *pair,
            trade_id: *trade_id,
            executed: *executed,
        }));
        items.extend(self.orders.early.iter().map(|fill| CheckpointItem::EarlyFill { fill: fill.clone() }));
        items.extend(self.orders.all.values().map(|order| CheckpointItem::Order { order: order_state(order) }));
        assert!(
            self.deals.open.len() == self.deals.all.len(),
            "Invariant: only a decision closes deals, and recovery takes none"
        );
        items.extend(self.deals.all.values().map(|deal| CheckpointItem::Deal { deal: deal_state(deal) }));
        items
    }

    /// Puts a fresh executor into the state that [`Executor::checkpoint`] took apart. Recovery goes on from there as if everything
    /// before had been folded. Items of names that this run does not know are left out.
    pub fn recover_checkpoint(&mut self, items: &[CheckpointItem]) {
        for item in items {
            self.take_item(item);
        }
        let now = MonoNanos(0);
        let active: Vec<ClientOrderId> = self.orders.active().iter().copied().collect();
        for id in active {
            self.update_hold(id);
        }
        // Reserving marks a line as used; whether it was stands in its item, and comes last.
        for item in items {
            if let CheckpointItem::Holding { venue, asset, total, elsewhere, used } = item {
                self.ledger.restore(*venue, *asset, *total, *elsewhere, *used);
            }
        }
        let orders = &self.orders;
        self.deals.restart(now, |id| orders.get(id).is_none_or(Order::is_settled));
        self.restamp = true;
        self.check();
    }

    fn take_item(&mut self, item: &CheckpointItem) {
        match item {
            CheckpointItem::Clock { wall, epoch_seen, last_deal } => {
                self.wall = *wall;
                self.epoch_seen = *epoch_seen;
                self.deals.last = last_deal.0;
            }
            CheckpointItem::Epoch { epoch } => {
                self.epochs.insert(*epoch);
            }
            CheckpointItem::Venue { venue, adopted } => {
                if let Some(state) = self.venues.get_mut(venue.index()).filter(|_| *adopted) {
                    state.adoption = Adoption::Allowed;
                }
            }
            CheckpointItem::Trades { venue, pair, listed, covered, forgotten } => {
                if let Some(state) = self.venues.get_mut(venue.index()) {
                    let trades = state.trades.entry(*pair).or_default();
                    (trades.listed, trades.covered, trades.forgotten) = (*listed, *covered, *forgotten);
                }
            }
            CheckpointItem::ForeignOrder { venue, id } => {
                if let Some(state) = self.venues.get_mut(venue.index()) {
                    state.foreign_orders.insert(*id);
                }
            }
            CheckpointItem::Fees { rates } => {
                let index = rates.pair.index() * self.tables.venues.len() + rates.venue.index();
                if let Some(slot) = self.fees.get_mut(index) {
                    *slot = Some(*rates);
                }
            }
            CheckpointItem::Charge { venue, pair, charge } => {
                self.fee_watch.unexplained.push((*venue, *pair, charge_of(charge)));
            }
            // The ledger comes last; latches and drains are the engine's.
            CheckpointItem::Holding { .. } | CheckpointItem::Latch { .. } | CheckpointItem::Draining => {}
            CheckpointItem::Standing { reason, venue, pair } => {
                self.standing.insert(StopRequest::set(StopKind::Pause, *reason, Some(*venue), *pair));
            }
            CheckpointItem::DayFlow { day, asset, flow } => self.day_flows.add(*day, *asset, *flow),
            CheckpointItem::Dust { venue, asset, left } => self.dust.restore(*venue, *asset, *left),
            CheckpointItem::Booked { venue, pair, trade_id, executed } => {
                self.orders.restore_booked((*venue, *pair, *trade_id), *executed);
            }
            CheckpointItem::EarlyFill { fill } => self.orders.early.push(fill.clone()),
            CheckpointItem::Order { order } => self.take_order(order),
            CheckpointItem::Deal { deal } => {
                if let Some(info) = self.tables.pair(deal.pair) {
                    self.dust.flowed(info.base, deal.base_flow);
                }
                self.deals.open.insert(deal.id);
                self.deals.all.insert(deal.id, deal_of(deal));
            }
        }
    }

    fn take_order(&mut self, state: &OrderState) {
        let known = self.tables.pair(state.terms.pair).is_some() && self.venues.get(state.terms.venue.index()).is_some();
        if !known || self.orders.get(state.terms.client_id).is_some() {
            return;
        }
        let order = order_of(state, self.config.order_expiry_ns);
        let (terms, settled) = (order.terms, order.is_settled());
        if let Some(id) = order.venue_order_id {
            self.orders.by_venue_id.insert((terms.venue, terms.pair, id), terms.client_id);
        }
        self.orders.register(order);
        self.orders.set_active(terms.client_id, !settled);
    }

    /// Drops what no event can need any more (see the head of this file).
    pub(crate) fn forget_history(&mut self) {
        self.move_history();
        let venues = &self.venues;
        self.orders.booked.retain(|(venue, pair, _), executed| !is_old(venues, *venue, *pair, *executed));
        let past = self.deals.all.values().filter(|deal| self.is_past(deal) && self.is_even(deal));
        let past: Vec<DealId> = past.map(|deal| deal.id).collect();
        past.into_iter().for_each(|id| self.forget_deal(id));
    }

    /// Drops a deal with its orders; what it has left is dust.
    pub(crate) fn forget_deal(&mut self, id: DealId) {
        self.deals.open.remove(&id);
        let Some(deal) = self.deals.all.remove(&id) else { return };
        deal.orders().iter().for_each(|order| self.orders.forget(*order));
        if let Some(info) = self.tables.pair(deal.pair) {
            self.dust.leave(deal.lies_at(), info.base, deal.base_untold());
        }
    }

    /// The same for a running engine: a few deals and executions of the past at a time, oldest first, then over again.
    pub(crate) fn forget_some(&mut self, now: MonoNanos) {
        if now < self.forgetting.next_at {
            return;
        }
        self.forgetting.next_at = now.after(FORGET_EVERY);
        self.move_history();
        let looked_at: Vec<DealId> = self.deals.all.range(self.forgetting.deal..).take(DEALS_A_LOOK).map(|(id, _)| *id).collect();
        self.forgetting.deal =
            looked_at.last().filter(|_| looked_at.len() == DEALS_A_LOOK).map_or(DealId(0), |id| DealId(id.0 + 1));
        for id in looked_at {
            let told = |deal: &&Deal| !self.deals.open.contains(&id) && deal.base_untold().is_zero() && self.is_past(deal);
            let Some(deal) = self.deals.get(id).filter(told) else { continue };
            let orders = deal.orders().to_vec();
            self.deals.all.remove(&id);
            orders.into_iter().for_each(|order| self.orders.forget(order));
        }
        let from = self.forgetting.execution.map_or(Bound::Unbounded, Bound::Excluded);
        let looked_at = self.orders.booked.range((from, Bound::Unbounded)).take(EXECUTIONS_A_LOOK);
        let (mut old, mut count, mut last) = (Vec::new(), 0, None);
        for (key, executed) in looked_at {
            (count, last) = (count + 1, Some(*key));
            if is_old(&self.venues, key.0, key.1, *executed) {
                old.push(*key);
            }
        }
        self.forgetting.execution = last.filter(|_| count == EXECUTIONS_A_LOOK);
        for key in old {
            self.orders.booked.remove(&key);
        }
    }

    /// How much of the past is held: orders, deals and ids of executions together.
    pub fn history_len(&self) -> usize {
        self.orders.all.len() + self.deals.all.len() + self.orders.booked.len()
    }

    /// Up to when the past of every pair is forgotten.
    fn move_history(&mut self) {
        let (wall, kept_ns) = (self.wall, self.config.history_kept_ns);
        for venue in &mut self.venues {
            let id = venue.venue;
            for (pair, trades) in &mut venue.trades {
                let (Some(covered), Some(newest)) = (trades.covered, self.orders.newest(id, *pair)) else { continue };
                let before = kept_from(covered.min(wall).min(newest), kept_ns);
                if before > UnixNanos(0) {
                    trades.forgotten = trades.forgotten.max(Some(before));
                }
            }
        }
    }

    /// Whether every order of a deal is settled and old.
    fn is_past(&self, deal: &Deal) -> bool {
        let is_past =
            |id: &ClientOrderId| self.orders.get(*id).is_none_or(|order| order.is_settled() && self.is_old_order(order));
        !deal.orders().is_empty() && deal.orders().iter().all(is_past)
    }

    fn is_old_order(&self, order: &Order) -> bool {
        let (venue, pair, at) = (order.terms.venue, order.terms.pair, order.wall_floor);
        if !order.reported.is_zero() {
            return is_old(&self.venues, venue, pair, Some(at));
        }
        let trades = self.venues.get(venue.index()).and_then(|state| state.trades.get(&pair));
        trades
            .and_then(|trades| trades.covered)
            .is_some_and(|covered| at < kept_from(covered.min(self.wall), self.config.history_kept_ns))
    }

    /// Whether what is left of a deal is next to nothing of what it executed.
    pub(crate) fn is_even(&self, deal: &Deal) -> bool {
        let Some(info) = self.tables.pair(deal.pair) else { return false };
        let unit = info.scale.base_of(Qty::from_units(1).unwrap_or_default()).units();
        let executed = deal.bought.qty.saturating_add(deal.sold.qty).saturating_mul(unit);
        deal.base_flow.abs().units() <= executed / EVEN_PART
    }
}

/// How far a running engine's look at the past has come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Forgetting {
    next_at: MonoNanos,
    deal: DealId,
    execution: Option<(VenueId, PairId, TradeId)>,
}

/// From when on the past is kept that is known up to `known`.
fn kept_from(known: UnixNanos, kept_ns: u64) -> UnixNanos {
    UnixNanos(known.0.saturating_sub(i64::try_from(kept_ns).unwrap_or(i64::MAX)))
}

/// Whether a pair's executions of then are forgotten; one without a date never is.
fn is_old(venues: &[VenueState], venue: VenueId, pair: PairId, at: Option<UnixNanos>) -> bool {
    at.is_some_and(|at| venues.get(venue.index()).is_some_and(|state| state.has_forgotten(pair, at)))
}

fn order_state(order: &Order) -> OrderState {
    let stage = match order.phase {
        Phase::Sent => OrderStage::Unknown { cause: UnknownCause::Restart },
        Phase::Unknown(cause) => OrderStage::Unknown { cause },
        Phase::Open => OrderStage::Open,
        Phase::Done(outcome) => OrderStage::Done { outcome },
    };
    // Every field is named: one that is new must be kept, or be the clock's.
    let Order {
        terms,
        phase: _,
        venue_order_id,
        placed: _,
        expiry: _,
        wall_floor,
        reported,
        booked,
        heard_at: _,
        row_refused_at: _,
        cancel_failed: _,
        ended_at: _,
        label,
        fee_on_spend,
        fee_on_base,
        held: _,
        proof: _,
        probe: _,
        adopted,
        // Only a live order has one: the log does not keep it.
        rung: _,
        shown,
        theirs,
        told,
    } = *order;
    OrderState {
        terms,
        stage,
        venue_order_id,
        wall_floor,
        reported,
        booked,
        label,
        fee_on_spend,
        fee_on_base,
        adopted,
        shown,
        theirs,
        told,
    }
}

fn order_of(state: &OrderState, order_expiry_ns: u64) -> Order {
    let OrderState {
        terms,
        stage,
        venue_order_id,
        wall_floor,
        reported,
        booked,
        label,
        fee_on_spend,
        fee_on_base,
        adopted,
        shown,
        theirs,
        told,
    } = *state;
    let mut order = Order::new(terms, MonoNanos(0), MonoNanos(0), wall_floor);
    order.phase = match stage {
        OrderStage::Unknown { cause } => Phase::Unknown(cause),
        OrderStage::Open => Phase::Open,
        OrderStage::Done { outcome } => Phase::Done(outcome),
    };
    (order.venue_order_id, order.reported, order.booked, order.label) = (venue_order_id, reported.max(booked), booked, label);
    (order.fee_on_spend, order.fee_on_base, order.adopted, order.told) = (fee_on_spend, fee_on_base, adopted, told);
    (order.shown, order.theirs) = (shown, theirs);
    order.restart(MonoNanos(0), order_expiry_ns);
    order
}

fn deal_state(deal: &Deal) -> DealState {
    DealState {
        id: deal.id,
        pair: deal.pair,
        buy: deal.buy,
        sell: deal.sell,
        orders: deal.orders().to_vec(),
        base_flow: deal.base_flow,
        quote_flow: deal.quote_flow,
        bought: (deal.bought.product, deal.bought.qty),
        sold: (deal.sold.product, deal.sold.qty),
        hedges: deal.hedges,
        adopted: deal.adopted,
        dealt_at: deal.dealt_at,
        unwind_cost: deal.unwind_cost,
        unwind_value: deal.unwind_value,
        unwind: deal.unwind,
    }
}

fn deal_of(state: &DealState) -> Deal {
    let executed = |(product, qty)| Executed { product, qty };
    let mut deal = Deal::new(state.id, state.pair, state.buy, state.sell, MonoNanos(0));
    deal.orders.extend_from_slice(&state.orders);
    (deal.base_flow, deal.quote_flow) = (state.base_flow, state.quote_flow);
    (deal.bought, deal.sold) = (executed(state.bought), executed(state.sold));
    (deal.hedges, deal.adopted, deal.dealt_at) = (state.hedges, state.adopted, state.dealt_at);
    (deal.unwind_cost, deal.unwind_value, deal.unwind) = (state.unwind_cost, state.unwind_value, state.unwind);
    deal
}

fn charge_state(charge: &Charge) -> ChargeState {
    let Charge { role, received, base, quote, in_base, in_quote, in_tokens } = *charge;
    ChargeState { role, received, base, quote, in_base, in_quote, in_tokens }
}

fn charge_of(state: &ChargeState) -> Charge {
    let ChargeState { role, received, base, quote, in_base, in_quote, in_tokens } = *state;
    Charge { role, received, base, quote, in_base, in_quote, in_tokens }
}
