//! News of the private link: orders, executions, balances, and the proof that it lives.
//!
//! Orders and executions arrive on different channels in any order and are passed on as they come; the engine joins them. Nothing
//! here is numbered by the venue, so every new link is a reason to reconcile.
//!
//! A private stream can be dead without an error: acknowledged, answering pings, telling nothing (F28). Our own orders are the probe:
//! what the venue says it accepted must show up among the orders told, and what is told as executed there among the executions,
//! within [`EVENT_MAX_NS`]. Otherwise the link is under suspicion: it is told `Lost` at once and opened anew.
//!
//! A suspicion ends with an event about an order or an execution, and with nothing else: acknowledgements, pongs and balances prove
//! that a link answers, not that it tells of our orders. So that trading resumes without a person, the new link is told `Up` after a
//! hold ([`HOLD_FIRST_NS`]), which makes the engine read everything over REST, and lets **one** opening order pass. With that the
//! link is told `Lost` again, and other openings are not sent. When the probe's event comes, the link is believed; when it does not,
//! the next probe may pass [`HOLD_NEXT_NS`] later. Orders that reduce risk (hedges, unwinds) always pass.

use super::rows::OrderRow;
use super::wire::Wire;
use super::{Desk, ORDER_TIMEOUT_NS};
use domain::time::SECOND;
use domain::{
    BalanceEntry, BalanceReport, BalanceSource, ClientOrderId, Fill, Input, LinkChange, LinkRole, LinkState, MonoNanos,
    OrderReport, VenueOrderId,
};
use std::collections::VecDeque;

/// An event about an accepted order must come within this time.
const EVENT_MAX_NS: u64 = 2 * SECOND;
/// After a suspicion no probe passes for this long.
const HOLD_FIRST_NS: u64 = 10 * SECOND;
/// After a probe without its event no other passes for this long: longer than a private stream of a living venue stays mute.
const HOLD_NEXT_NS: u64 = 65 * SECOND;
/// A probe whose outcome is not known by then, or whose event has not come, has failed.
const PROBE_MAX_NS: u64 = ORDER_TIMEOUT_NS + EVENT_MAX_NS;
/// Orders whose event is remembered, for replies that come after it; and events waited for at once.
const REMEMBERED_MAX: usize = 256;

/// Ids of which something was heard, the newest last.
struct Heard<T>(VecDeque<T>);

impl<T: PartialEq> Heard<T> {
    fn note(&mut self, id: T) {
        if self.0.contains(&id) {
            return;
        }
        if self.0.len() >= REMEMBERED_MAX {
            self.0.pop_front();
        }
        self.0.push_back(id);
    }
}

/// Events that are due.
struct Awaited<T>(VecDeque<(T, MonoNanos)>);

impl<T: PartialEq> Awaited<T> {
    fn expect(&mut self, id: T, now: MonoNanos) {
        // A bound, not a policy: so many orders in two seconds are far beyond the venue's own limits.
        if self.0.len() < REMEMBERED_MAX && self.0.iter().all(|(known, _)| *known != id) {
            self.0.push_back((id, now.after(EVENT_MAX_NS)));
        }
    }

    fn came(&mut self, id: &T) {
        self.0.retain(|(known, _)| known != id);
    }

    fn deadline(&self) -> Option<MonoNanos> {
        self.0.front().map(|(_, at)| *at)
    }
}

/// Whether the link is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// Yes.
    Full,
    /// Not before this time, unless an event comes.
    Held(MonoNanos),
    /// The next opening order is the probe.
    ProbeFree,
    /// The probe was sent, and its event is due by then.
    Probing(ClientOrderId, MonoNanos),
}

/// What is known of the life of the private link.
pub(super) struct PrivateProof {
    orders: Awaited<ClientOrderId>,
    orders_heard: Heard<ClientOrderId>,
    fills: Awaited<VenueOrderId>,
    fills_heard: Heard<VenueOrderId>,
    trust: Trust,
    /// Since when the engine holds the link for usable: events of what was sent before may have gone to nobody.
    up_since: MonoNanos,
    /// What the engine was last told of the link.
    told: Option<LinkState>,
    /// The link's own proof, as the session last said: everything on it acknowledged, and a ping after that answered.
    proved: bool,
}

impl Default for PrivateProof {
    fn default() -> PrivateProof {
        PrivateProof {
            orders: Awaited(VecDeque::new()),
            orders_heard: Heard(VecDeque::new()),
            fills: Awaited(VecDeque::new()),
            fills_heard: Heard(VecDeque::new()),
            trust: Trust::Full,
            up_since: MonoNanos(0),
            told: None,
            proved: false,
        }
    }
}

impl PrivateProof {
    pub(super) fn next_timeout(&self) -> Option<MonoNanos> {
        let trust = match self.trust {
            Trust::Held(until) | Trust::Probing(_, until) => Some(until),
            Trust::Full | Trust::ProbeFree => None,
        };
        [self.orders.deadline(), self.fills.deadline(), trust].into_iter().flatten().min()
    }

    /// Whether the link is proved ([`Desk::private_link_is`]).
    pub(super) const fn set_proved(&mut self, proved: bool) {
        self.proved = proved;
    }

    fn await_nothing(&mut self) {
        self.orders.0.clear();
        self.fills.0.clear();
    }
}

impl<W: Wire> Desk<W> {
    /// True while the engine holds the private link for usable.
    pub fn private_is_up(&self) -> bool {
        self.private.told == Some(LinkState::Up)
    }

    /// The session says whether its private link is proved: everything on it acknowledged, and a ping after that answered. To be told
    /// before anything else is handed to the desk.
    pub fn private_link_is(&mut self, proved: bool) {
        self.private.proved = proved;
    }

    /// Tells the engine about the private link, once per change; a loss is told only after something else was.
    pub fn tell_private(&mut self, state: LinkState, now: MonoNanos, updates: &mut Vec<Input>) {
        let told = self.private.told;
        if told == Some(state) || (told.is_none() && state == LinkState::Lost) {
            return;
        }
        self.private.told = Some(state);
        updates.push(Input::Link(LinkChange { venue: self.venue, role: LinkRole::Private, state, at: now }));
    }

    /// Whether an opening order may leave: it may unless the link is under suspicion. One that may then is the probe.
    pub(super) fn private_admits(&mut self, client_id: ClientOrderId, now: MonoNanos, updates: &mut Vec<Input>) -> bool {
        match self.private.trust {
            Trust::Full => true,
            Trust::Held(_) | Trust::Probing(..) => false,
            Trust::ProbeFree => {
                self.private.trust = Trust::Probing(client_id, now.after(PROBE_MAX_NS));
                // No other opening: not until this one has shown that the link tells.
                self.tell_private(LinkState::Lost, now, updates);
                true
            }
        }
    }

    /// An order never lived at the venue: if it was the probe, it has shown nothing, and another may pass.
    pub(super) fn private_void(&mut self, client_id: ClientOrderId, now: MonoNanos, updates: &mut Vec<Input>) {
        if matches!(self.private.trust, Trust::Probing(probe, _) if probe == client_id) {
            self.private.trust = Trust::ProbeFree;
            self.private_proved(now, updates);
        }
    }

    /// The venue said in its reply that this order exists or existed: its private event must come in time. Called by the order
    /// paths; while the link is not up nothing is expected of it, nor of one that came up after the order was sent. A reply that came
    /// late expects nothing either: the event may be longer ago than is remembered.
    pub(super) fn private_expect(&mut self, client_id: ClientOrderId, sent: MonoNanos, now: MonoNanos) {
        let is_probe = matches!(self.private.trust, Trust::Probing(probe, _) if probe == client_id);
        let listened = is_probe || self.private_is_up() && self.private.up_since <= sent;
        let late = now.since(sent) > ORDER_TIMEOUT_NS;
        if listened && !late && !self.private.orders_heard.0.contains(&client_id) {
            self.private.orders.expect(client_id, now);
        }
    }

    /// `alive` is false for what still came on a link that is being closed: true news, but no proof of the present link.
    pub fn on_orders(&mut self, rows: Vec<OrderRow>, alive: bool, now: MonoNanos, updates: &mut Vec<Input>) {
        let up = self.private_is_up();
        let told = !rows.is_empty();
        for row in rows {
            let update = &row.update;
            if let Some(client_id) = update.client_id {
                self.private.orders.came(&client_id);
                self.private.orders_heard.note(client_id);
            }
            if let OrderReport::Open { filled } | OrderReport::Finished { filled, .. } = update.report
                && let Some(id) = update.venue_order_id
                && up
                && update.client_id.is_some()
                && !filled.is_zero()
                && !self.private.fills_heard.0.contains(&id)
            {
                self.private.fills.expect(id, now);
            }
            self.tell_row(&row, updates);
        }
        self.private_event(alive && told, now, updates);
    }

    /// Executions told by the private stream; `alive` as in [`Desk::on_orders`].
    pub fn on_fills(&mut self, fills: Vec<Fill>, alive: bool, now: MonoNanos, updates: &mut Vec<Input>) {
        let told = !fills.is_empty();
        for fill in fills {
            self.private.fills.came(&fill.venue_order_id);
            self.private.fills_heard.note(fill.venue_order_id);
            updates.push(Input::Fill(fill));
        }
        self.private_event(alive && told, now, updates);
    }

    /// Balances told by the private stream.
    pub fn on_balances(&mut self, entries: Vec<BalanceEntry>, now: MonoNanos, updates: &mut Vec<Input>) {
        if !entries.is_empty() {
            let source = BalanceSource::Stream;
            updates.push(Input::Balances(BalanceReport { venue: self.venue, source, requested: now, received: now, entries }));
        }
    }

    /// An event about an order or an execution, if it `proves` the present link.
    fn private_event(&mut self, proves: bool, now: MonoNanos, updates: &mut Vec<Input>) {
        if proves && std::mem::replace(&mut self.private.trust, Trust::Full) != Trust::Full {
            self.private_proved(now, updates);
        }
    }

    /// The link may have become believable: tells it `Up` if it has.
    pub fn private_proved(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        if let Trust::Held(until) = self.private.trust
            && until <= now
        {
            self.private.trust = Trust::ProbeFree;
        }
        if self.private.proved && matches!(self.private.trust, Trust::Full | Trust::ProbeFree) {
            if !self.private_is_up() {
                self.private.up_since = now;
            }
            self.tell_private(LinkState::Up, now, updates);
        }
    }

    /// The link is gone: what it owed will be read. A probe that was under way has shown nothing, and no other follows soon.
    pub fn private_down(&mut self, now: MonoNanos) {
        self.private.await_nothing();
        if let Trust::Probing(..) = self.private.trust {
            self.private.trust = Trust::Held(now.after(HOLD_NEXT_NS));
        }
    }

    /// Looks whether the link still tells. `open`: it is not being closed anyway. True when it must be closed and opened anew.
    #[must_use]
    pub fn private_timeout(&mut self, open: bool, now: MonoNanos, updates: &mut Vec<Input>) -> bool {
        let mut close = false;
        let overdue = |at: Option<MonoNanos>| at.is_some_and(|at| at <= now);
        let failed = matches!(self.private.trust, Trust::Probing(_, until) if until <= now);
        if failed || overdue(self.private.orders.deadline()) || overdue(self.private.fills.deadline()) {
            // A link that is being closed anyway is no longer listened to in time, and says nothing about the next one.
            let hold = if self.private.trust == Trust::Full { HOLD_FIRST_NS } else { HOLD_NEXT_NS };
            if failed || open {
                self.private.trust = Trust::Held(now.after(hold));
            }
            self.private.await_nothing();
            // At once, not when the socket is closed: the engine must not open anything in between.
            self.tell_private(LinkState::Lost, now, updates);
            // Nothing of a link that is being given up can prove it.
            self.private.proved = false;
            close = true;
        }
        if matches!(self.private.trust, Trust::Held(until) if until <= now) {
            self.private.trust = Trust::ProbeFree;
            self.private_proved(now, updates);
        }
        close
    }
}
