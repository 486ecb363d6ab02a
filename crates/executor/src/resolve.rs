//! What happens to orders whose state is not known: look-ups, lists, trades, and the proof that an order does not exist.
//!
//! An unknown order is never sent again and keeps what it holds (F13, F14, F16). It resolves by any positive evidence. Absence
//! needs proof, since look-ups lie for a while after placing (F15; Gate staff: up to 10 s): [`AbsenceProof`].
//!
//! The proof is a function of the answers alone, each with the time it was asked: folding the log gives the same verdicts.

use crate::{Executor, Outbox, orders::Phase};
use domain::command::OrderRef;
use domain::mutants::{self, Mutant};
use domain::time::{MILLI, SECOND};
use domain::{Command, MonoNanos, UnknownCause};

/// Look-ups of an order in doubt, after the doubt began; then every [`LOOK_UP_EVERY`].
const LOOK_UP_AFTER: [u64; 5] = [100 * MILLI, 300 * MILLI, 700 * MILLI, 1_500 * MILLI, 3 * SECOND];
const LOOK_UP_EVERY: u64 = 2 * SECOND;
/// Lists (open orders, trades) after the doubt began, then every [`LISTS_EVERY`].
const LISTS_AFTER: u64 = SECOND;
const LISTS_EVERY: u64 = 5 * SECOND;
/// Trades of an ended order whose fills are missing (F26): after its end, then doubling up to [`TRADES_EVERY_MAX`].
const TRADES_AFTER: u64 = 300 * MILLI;
const TRADES_EVERY_MAX: u64 = 2 * SECOND;
/// Negative look-ups that absence needs.
const NOT_FOUND_MIN: u32 = 3;

/// Evidence that the venue does not have an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AbsenceProof {
    count: u32,
    first: MonoNanos,
    last: MonoNanos,
    not_listed: Option<MonoNanos>,
    not_traded: Option<MonoNanos>,
}

impl AbsenceProof {
    /// A look-up asked at `requested` did not find it. Two answers of the same time count once.
    pub(crate) fn not_found(&mut self, requested: MonoNanos) {
        if self.count == 0 {
            (self.count, self.first, self.last) = (1, requested, requested);
        } else if requested > self.last {
            self.count = self.count.saturating_add(1);
            self.last = requested;
        }
    }

    /// A complete list of open orders asked then does not have it.
    pub(crate) fn not_listed(&mut self, requested: MonoNanos) {
        self.not_listed = self.not_listed.max(Some(requested));
    }

    /// A complete list of trades asked then has nothing of it beyond what is booked.
    pub(crate) fn not_traded(&mut self, requested: MonoNanos) {
        self.not_traded = self.not_traded.max(Some(requested));
    }

    pub(crate) fn answers(&self) -> u32 {
        self.count
    }

    /// All of: at least three negative look-ups over at least the window, the last one asked after `expiry` + window; a list of
    /// open orders and a list of trades without it, both asked after that time.
    pub(crate) fn complete(&self, expiry: MonoNanos, window_ns: u64) -> bool {
        let from = expiry.after(window_ns);
        self.count >= NOT_FOUND_MIN
            && self.last.since(self.first) >= window_ns
            && self.last >= from
            && self.not_listed.is_some_and(|at| at >= from)
            && self.not_traded.is_some_and(|at| at >= from)
    }
}

/// When to ask about an order next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Probe {
    /// When the doubt began; `None` without doubt.
    since: Option<MonoNanos>,
    look_ups: u32,
    look_up_at: MonoNanos,
    lists_at: MonoNanos,
    trades_asked: u32,
    trades_at: MonoNanos,
}

impl Probe {
    /// Doubt begins (or, for an order that ended, the wait for its fills).
    pub(crate) fn restart(&mut self, now: MonoNanos) {
        *self = Probe {
            since: Some(now),
            look_ups: 0,
            look_up_at: now.after(LOOK_UP_AFTER[0]),
            lists_at: now.after(LISTS_AFTER),
            trades_asked: 0,
            trades_at: now.after(TRADES_AFTER),
        };
    }

    /// Doubt begins unless it has begun: repeated failures must not make asking faster.
    pub(crate) fn begin(&mut self, now: MonoNanos) {
        if self.since.is_none() {
            self.restart(now);
        }
    }

    /// Since when the order is in doubt.
    pub(crate) fn since(&self) -> Option<MonoNanos> {
        self.since
    }

    /// The planted bug `NoReconcile`: not now.
    fn postpone(&mut self, now: MonoNanos) {
        (self.look_up_at, self.lists_at, self.trades_at) =
            (now.after(LISTS_EVERY), now.after(LISTS_EVERY), now.after(LISTS_EVERY));
    }

    fn look_up_due(&mut self, now: MonoNanos) -> bool {
        let Some(since) = self.since else { return false };
        if now < self.look_up_at {
            return false;
        }
        self.look_ups = self.look_ups.saturating_add(1);
        let planned = LOOK_UP_AFTER.get(self.look_ups as usize).map(|after| since.after(*after));
        self.look_up_at = planned.filter(|at| *at > now).unwrap_or(now.after(LOOK_UP_EVERY));
        true
    }

    fn lists_due(&mut self, now: MonoNanos) -> bool {
        let due = self.since.is_some() && now >= self.lists_at;
        if due {
            self.lists_at = now.after(LISTS_EVERY);
        }
        due
    }

    fn trades_due(&mut self, now: MonoNanos) -> bool {
        let due = self.since.is_some() && now >= self.trades_at;
        if due {
            self.trades_asked = self.trades_asked.saturating_add(1);
            let pause = TRADES_AFTER.saturating_mul(1 << self.trades_asked.min(8));
            self.trades_at = now.after(pause.min(TRADES_EVERY_MAX));
        }
        due
    }
}

impl Executor {
    /// Time passes for orders that are not settled: time-outs, look-ups, lists.
    pub(crate) fn resolve_orders(&mut self, now: MonoNanos, out: &mut Outbox) {
        if self.orders.active().is_empty() {
            return;
        }
        let mut ids = std::mem::take(&mut self.scratch);
        ids.clear();
        ids.extend(self.orders.active().iter().copied());
        for id in &ids {
            self.resolve_order(*id, now, out);
        }
        self.scratch = ids;
    }

    fn resolve_order(&mut self, id: domain::ClientOrderId, now: MonoNanos, out: &mut Outbox) {
        let timeout = self.config.reply_timeout_ns;
        let Some(order) = self.orders.get_mut(id) else { return };
        let overdue = now.since(order.placed) >= timeout;
        if order.phase == Phase::Sent && overdue {
            order.phase = Phase::Unknown(UnknownCause::Timeout);
            order.probe.restart(now);
            self.after_change(id, now, out);
        }
        let Some(order) = self.orders.get_mut(id) else { return };
        if order.phase == Phase::Open && overdue {
            // An IOC that rests has lost its end on the way to us.
            order.probe.begin(now);
        }
        let (venue, pair) = (order.terms.venue, order.terms.pair);
        let reachable = self.venues.get(venue.index()).is_some_and(|v| v.ever_up());
        let forsaken =
            mutants::active(Mutant::NoReconcile) && self.venues.get(venue.index()).is_some_and(|v| v.came_up_after(order.placed));
        if !reachable {
            return;
        }
        if forsaken {
            order.probe.postpone(now);
            return;
        }
        let reference = OrderRef { venue, pair, client_id: id, venue_order_id: order.venue_order_id };
        let (mut look_up, mut lists, mut trades) = (false, false, false);
        match order.phase {
            Phase::Unknown(_) | Phase::Open => {
                look_up = order.probe.look_up_due(now);
                lists = order.probe.lists_due(now);
            }
            Phase::Done(_) if !order.is_settled() => trades = order.probe.trades_due(now),
            Phase::Sent | Phase::Done(_) => {}
        }
        if look_up {
            out.commands.push(Command::LookUp(reference));
        }
        if let Some(venue) = self.venues.get_mut(venue.index()) {
            if lists {
                venue.want_open_orders(now);
            }
            if lists || trades {
                venue.want_trades(pair, now);
            }
        }
    }

    /// When [`Executor::resolve_orders`] has something to do for an order that is not settled.
    pub(crate) fn order_deadline(&self) -> Option<MonoNanos> {
        let timeout = self.config.reply_timeout_ns;
        let at = |id: &domain::ClientOrderId| {
            let order = self.orders.get(*id)?;
            let reachable = self.venues.get(order.terms.venue.index()).is_some_and(|v| v.ever_up());
            let probe = &order.probe;
            match order.phase {
                Phase::Sent => Some(order.placed.after(timeout)),
                Phase::Open if probe.since.is_none() => Some(order.placed.after(timeout)),
                Phase::Open | Phase::Unknown(_) => reachable.then_some(probe.look_up_at.min(probe.lists_at)),
                Phase::Done(_) => reachable.then_some(probe.trades_at),
            }
        };
        self.orders.active().iter().filter_map(at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: u64 = 10 * SECOND;

    fn at(millis: u64) -> MonoNanos {
        MonoNanos(millis * MILLI)
    }

    /// A proof of look-ups at these times, lists and trades at these.
    #[track_caller]
    fn check(not_found: &[u64], listed: Option<u64>, traded: Option<u64>, complete: bool) {
        let mut proof = AbsenceProof::default();
        not_found.iter().for_each(|t| proof.not_found(at(*t)));
        listed.iter().for_each(|t| proof.not_listed(at(*t)));
        traded.iter().for_each(|t| proof.not_traded(at(*t)));
        assert_eq!(proof.complete(at(500), WINDOW), complete);
    }

    #[test]
    fn absence_needs_every_kind_of_proof() {
        check(&[100, 5_000, 10_500], Some(10_500), Some(10_500), true);
        check(&[100, 10_500], Some(10_500), Some(10_500), false);
        check(&[100, 5_000, 10_499], Some(10_500), Some(10_500), false);
        check(&[501, 5_000, 10_500], Some(10_500), Some(10_500), false);
        check(&[100, 5_000, 10_500], Some(10_499), Some(10_500), false);
        check(&[100, 5_000, 10_500], Some(10_500), Some(10_499), false);
        check(&[100, 5_000, 10_500], None, Some(10_500), false);
        check(&[100, 5_000, 10_500], Some(10_500), None, false);
        check(&[100, 10_500, 10_500, 10_500], Some(10_500), Some(10_500), false);
        check(&[], Some(20_000), Some(20_000), false);
    }

    #[test]
    fn look_ups_follow_the_schedule_and_then_every_two_seconds() {
        let mut probe = Probe::default();
        assert!(!probe.look_up_due(at(99_999)), "no doubt, no question");
        probe.restart(at(0));
        let asked: Vec<u64> = (0..9_000).filter(|t| probe.look_up_due(at(*t))).collect();
        assert_eq!(asked, vec![100, 300, 700, 1_500, 3_000, 5_000, 7_000]);
    }

    #[test]
    fn missing_fills_are_asked_for_with_back_off() {
        let mut probe = Probe::default();
        probe.restart(at(0));
        let asked: Vec<u64> = (0..9_000).filter(|t| probe.trades_due(at(*t))).collect();
        assert_eq!(asked, vec![300, 900, 2_100, 4_100, 6_100, 8_100]);
        let listed: Vec<u64> = (0..12_000).filter(|t| probe.lists_due(at(*t))).collect();
        assert_eq!(listed, vec![1_000, 6_000, 11_000]);
    }
}
