//! Rebuilding the state by folding the state log: intents and inputs in their order, through the same code that ran live.
//!
//! What the log does not hold is time that passed: orders that were in flight end up unknown, and are resolved again. What was
//! decided from answers (absence, adopted balances) is decided again from the same answers. The times of a process mean
//! nothing in the next one: at each restart in the log, and at the end, they are set anew.
//!
//! Call [`Executor::recover_restart`] where the log begins another run, then [`Executor::recover_intent`] and
//! [`Executor::recover_input`] for each record, and [`Executor::finish_recovery`] before the first live input.

use crate::orders::Order;
use crate::reconcile::TRADES_OVERLAP_NS;
use crate::report::Tally;
use crate::{Executor, Outbox, StopRequest};
use domain::mutants::{self, Mutant};
use domain::{
    ClientOrderId, Input, MonoNanos, NewOrder, OperatorCommand, StopKind, StopReason, TradesReport, UnixNanos, VenueId,
};

/// What openings at a mute venue are paused by.
const fn mute_pause(venue: VenueId) -> StopRequest {
    StopRequest::set(StopKind::Pause, StopReason::StreamUnproven, Some(venue), None)
}

impl Executor {
    /// The log begins another run: the process that wrote what came before is gone.
    pub fn recover_restart(&mut self) {
        self.restart_pending = true;
    }

    /// The log holds a run of this epoch, whatever of it was kept: ids of that epoch are ours, also those whose intent is lost.
    pub fn recover_epoch(&mut self, epoch: u64) {
        self.epochs.insert(epoch);
    }

    /// An order that was going to be sent. A record that repeats an id is ignored: the log is read back as it was written, and
    /// one id names one order.
    pub fn recover_intent(&mut self, order: &NewOrder) {
        self.prove_wall(UnixNanos(i64::try_from(order.client_id.epoch()).unwrap_or(0).saturating_mul(1_000_000_000)));
        self.epoch_seen = self.epoch_seen.max(Some(order.client_id.epoch()));
        self.epochs.insert(order.client_id.epoch());
        if self.orders.get(order.client_id).is_some()
            || self.tables.pair(order.pair).is_none()
            || self.venues.get(order.venue.index()).is_none()
        {
            return;
        }
        let deadline = order.deadline.unwrap_or(MonoNanos(u64::MAX));
        let placed = MonoNanos(deadline.0.saturating_sub(self.config.order_expiry_ns));
        self.register(*order, placed, deadline);
        self.check();
    }

    /// An input that the live engine applied. State changes the same way; nothing is sent or told.
    pub fn recover_input(&mut self, input: &Input) {
        let mut unheard = Outbox::default();
        let received = match input {
            Input::Order(update) => update.received,
            Input::Fill(fill) => fill.received,
            Input::Balances(report) => report.received,
            Input::OpenOrders(report) => report.received,
            Input::Trades(report) => report.received,
            Input::ReadFailed(failure) => failure.received,
            Input::Link(change) => change.at,
            _ => MonoNanos(0),
        };
        if self.restart_pending && received > MonoNanos(0) {
            self.restart(received);
        }
        match input {
            Input::Order(update) => self.handle_order(received, update, &mut unheard),
            Input::Fill(fill) => {
                self.prove_wall(fill.executed_at.map_or(UnixNanos(0), |at| UnixNanos(at.0)));
                self.handle_fill(received, fill, &mut unheard);
            }
            Input::Balances(report) => self.handle_balances(received, report, &mut unheard),
            Input::OpenOrders(report) => self.handle_open_orders(received, report, &mut unheard),
            Input::Trades(report) => {
                self.prove_wall(report.since);
                self.raise_wall_floors(report);
                self.handle_trades(received, report, &mut unheard);
            }
            Input::Link(change) => self.handle_link(received, change, &mut unheard),
            // Rules carry no time, and the restart waits for one.
            Input::Rules(rules) if self.restart_pending => self.listed_early.push((rules.venue, rules.pair)),
            Input::Rules(rules) => {
                if let Some(venue) = self.venues.get_mut(rules.venue.index()) {
                    venue.list_pair(rules.pair);
                }
            }
            Input::Fees(fees) => self.handle_fees(fees),
            Input::Operator(OperatorCommand::Resume) => self.handle_resume(),
            _ => {}
        }
        if !self.standing.is_empty() {
            for venue in self.venues.iter().filter(|venue| venue.proof.is_proven()) {
                self.standing.remove(&mute_pause(venue.venue));
            }
        }
    }

    /// The log notes that openings at a venue waited for its private stream to tell something, or for a person (`proof.rs`).
    pub fn recover_mute(&mut self, venue: VenueId) {
        let Some(state) = self.venues.get_mut(venue.index()) else { return };
        // What it told before counts no more.
        state.proof.link_changed();
        self.standing.insert(mute_pause(venue));
    }

    /// A run ended with nothing open: it has closed every deal, by the market of then, and what they have left is dust. Without this what
    /// is more than a thousandth would pass for exposure in every run to come. A fill that comes late opens its deal again.
    pub fn recover_settled(&mut self) {
        for deal in self.deals.all.values_mut() {
            let settled = deal.orders().iter().all(|id| self.orders.get(*id).is_none_or(Order::is_settled));
            if let Some(info) = self.tables.pair(deal.pair).filter(|_| settled) {
                deal.leave_as_dust(info.base, &mut self.dust);
            }
        }
    }

    /// The log is read. Orders without an end are unknown; every venue is to be reconciled.
    ///
    /// # Panics
    /// When this run's epoch is not above every epoch in the log: ids could repeat (I3).
    pub fn finish_recovery(&mut self, now: MonoNanos) {
        self.restart(now);
        self.forget_history();
        self.tally = Tally::default();
        self.fee_watch.forget_count();
        self.restamp = true;
        if let Some(seen) = self.epoch_seen {
            if mutants::active(Mutant::IdReusedAfterRestart) {
                self.ids.fall_back_to(seen);
            } else {
                assert!(self.ids.epoch() > seen, "Invariant: a run's epoch is above every epoch in the log");
            }
        }
        self.check();
    }

    fn restart(&mut self, now: MonoNanos) {
        self.restart_pending = false;
        let active: Vec<ClientOrderId> = self.orders.active().iter().copied().collect();
        for id in active {
            let Some(order) = self.orders.get_mut(id) else { continue };
            order.restart(now, self.config.order_expiry_ns);
            self.after_change(id, now, &mut Outbox::default());
        }
        // An order that has ended keeps no time of a clock that is gone either: what is asked about it later is news.
        for order in self.orders.all.values_mut().filter(|order| order.is_settled()) {
            order.restart(now, self.config.order_expiry_ns);
        }
        let orders = &self.orders;
        self.deals.restart(now, |id| orders.get(id).is_none_or(|order| order.is_settled()));
        for venue in &mut self.venues {
            venue.restart(self.wall);
        }
        for (venue, pair) in std::mem::take(&mut self.listed_early) {
            if let Some(state) = self.venues.get_mut(venue.index()) {
                state.list_pair(pair);
            }
        }
        self.spent.forget();
        self.recount_dust();
        self.frozen_pairs.clear();
        self.fee_paused.clear();
        self.pauses = Default::default();
        (self.shutdown, self.flattening) = (false, false);
        self.quiet_since = None;
    }

    /// Counts the expiry and the probes of recovered orders from the first decision, should that be later than the time that
    /// recovery was told: they may only ever be too long.
    pub(crate) fn restamp_orders(&mut self, now: MonoNanos) {
        let active: Vec<ClientOrderId> = self.orders.active().iter().copied().collect();
        for id in active {
            if let Some(order) = self.orders.get_mut(id) {
                order.restart(now, self.config.order_expiry_ns);
            }
        }
    }

    /// A list of trades was asked for from before every order that was then under way, by as much as lists overlap: so those orders
    /// were placed no earlier, by a wall clock that the log does not hold. Without this a list that proved an order gone when it
    /// was read would not prove it now, by the little that an intent's id tells less of its time.
    fn raise_wall_floors(&mut self, report: &TradesReport) {
        let least = UnixNanos(report.since.0.saturating_add(TRADES_OVERLAP_NS));
        let under_way = |order: &&Order| order.terms.pair == report.pair && order.placed <= report.requested;
        let ids: Vec<ClientOrderId> =
            self.orders.active_on(report.venue).filter(under_way).map(|order| order.terms.client_id).collect();
        for id in ids {
            if let Some(order) = self.orders.get_mut(id) {
                order.wall_floor = order.wall_floor.max(least);
            }
        }
    }

    /// The log proves that the wall clock had reached `at`.
    fn prove_wall(&mut self, at: UnixNanos) {
        self.wall = self.wall.max(at);
    }
}
