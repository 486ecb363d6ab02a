//! How trading ends. A *shutdown* finishes what is open, compares every venue a last time and is then [`Executor::finished`].
//! *Flattening* closes exposure as fast as the caps allow while the engine goes on running. *Draining* (no new deals, open ones
//! finished) needs nothing of the executor: the engine just opens nothing.

use crate::orders::{Order, Phase};
use crate::{Executor, Outbox, reconcile::VenueState};
use domain::command::OrderRef;
use domain::{Command, MonoNanos, Purpose};

impl Executor {
    /// No new deals will come: asks for what still rests to be cancelled. Hedges, look-ups and comparisons go on until
    /// [`Executor::finished`].
    pub fn begin_shutdown(&mut self, _now: MonoNanos, out: &mut Outbox) {
        self.shutdown = true;
        self.cancel_resting(out, |_| true);
    }

    /// Exposure is to be closed at once: what rests is cancelled, the pauses between hedges are left out (not the back-off from a
    /// venue that refuses), missing fills hold a hedge up for 250 ms instead of 2 s, and the ladder starts at its last rung, the
    /// cheapest within `flatten_cap`. Holds until [`Executor::end_flatten`] or the end of the process; opening nothing meanwhile
    /// is the engine's part.
    pub fn begin_flatten(&mut self, now: MonoNanos, out: &mut Outbox) {
        self.flattening = true;
        self.cancel_resting(out, |_| true);
        self.deals.hedge_at_once(now);
    }

    /// Hedges are paced and priced as usual again.
    pub fn end_flatten(&mut self) {
        self.flattening = false;
    }

    /// Whether [`Executor::begin_flatten`] is in force.
    pub fn is_flattening(&self) -> bool {
        self.flattening
    }

    /// Somebody pulls the plug: what rests of openings is cancelled. Hedges are left to work.
    pub fn cancel_openings(&self, out: &mut Outbox) {
        self.cancel_resting(out, |order| order.terms.purpose == Purpose::Open);
    }

    fn cancel_resting(&self, out: &mut Outbox, concerned: impl Fn(&Order) -> bool) {
        if self.config.observe_only {
            return;
        }
        for order in self.orders.active_orders().filter(|order| order.phase == Phase::Open && concerned(order)) {
            let terms = &order.terms;
            out.commands.push(Command::Cancel(OrderRef {
                venue: terms.venue,
                pair: terms.pair,
                client_id: terms.client_id,
                venue_order_id: order.venue_order_id,
            }));
        }
    }

    /// Once everything is quiet in a shutdown, every reachable venue is compared a last time.
    pub(crate) fn drive_shutdown(&mut self, now: MonoNanos) {
        let settled = if self.config.observe_only {
            // What rests or is unhedged stays so; only what is not known keeps an observer busy.
            self.orders.active_orders().all(|order| order.phase == Phase::Open)
        } else {
            self.deals.open_count() == 0 && self.orders.active().is_empty()
        };
        let quiet = self.shutdown && settled && self.orders.early.is_empty();
        if !quiet {
            self.quiet_since = None;
        } else if self.quiet_since.is_none() {
            self.quiet_since = Some(now);
            self.venues.iter_mut().for_each(|venue| venue.want_round(now));
        }
    }

    /// A shutdown was begun and is complete: no open order, no open deal, and every venue that was ever reached has stated its
    /// open orders and balances since: equal to ours, or different for longer than the grace time (see the report).
    pub fn finished(&self) -> bool {
        // A run may end without a venue that it never reached; an observer has learnt nothing then.
        let reached = |venue: &VenueState| venue.ever_up() || !self.config.observe_only;
        self.quiet_since.is_some_and(|quiet| self.venues.iter().all(|venue| venue.compared_since(quiet) && reached(venue)))
    }
}
