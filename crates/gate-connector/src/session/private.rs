//! News of the private link: orders, executions, balances (Gate API v4, private spot channels), and the proof that it lives.
//!
//! Orders and executions arrive on different channels in any order and are passed on as they come; the engine joins them. Nothing
//! here is numbered by the venue, so every new link is a reason to reconcile.
//!
//! A private stream can be dead without an error: acknowledged, answering pings, telling nothing (F28). Our own orders are the probe:
//! what the venue says it accepted must show up on `spot.orders`, and what that says was executed must show up on `spot.usertrades`,
//! within [`EVENT_MAX_NS`]. Otherwise the link is told `Lost` at once and opened anew, and the new one is told `Up` only after a
//! private event, or after a wait that doubles with every suspicion.

use super::links::Phase;
use super::{GateSession, ORDER_TIMEOUT_NS, backoff_ns};
use crate::wire::frames::Channel;
use crate::wire::rows::OrderRow;
use domain::time::SECOND;
use domain::{
    BalanceEntry, BalanceReport, BalanceSource, ClientOrderId, Fill, Input, LinkRole, LinkState, MonoNanos, OrderReport,
    VenueOrderId,
};
use std::collections::VecDeque;

/// What is subscribed on the private link.
pub(super) const PRIVATE_CHANNELS: [Channel; 3] = [Channel::Orders, Channel::UserTrades, Channel::Balances];

/// An event about an accepted order must come within this time.
const EVENT_MAX_NS: u64 = 2 * SECOND;
/// After a suspicion a link without a private event is not believed for this long, doubled each time.
const HOLD_FIRST_NS: u64 = 10 * SECOND;
const HOLD_MAX_NS: u64 = 60 * SECOND;
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

/// What is known of the life of the private link.
pub(super) struct PrivateProof {
    orders: Awaited<ClientOrderId>,
    orders_heard: Heard<ClientOrderId>,
    fills: Awaited<VenueOrderId>,
    fills_heard: Heard<VenueOrderId>,
    /// Suspicions since the last private event.
    suspicions: u32,
    /// The link is not believed before this time without an event.
    hold_until: Option<MonoNanos>,
    /// Since when the engine holds the link for usable: events of what was sent before may have gone to nobody.
    up_since: MonoNanos,
}

impl Default for PrivateProof {
    fn default() -> PrivateProof {
        PrivateProof {
            orders: Awaited(VecDeque::new()),
            orders_heard: Heard(VecDeque::new()),
            fills: Awaited(VecDeque::new()),
            fills_heard: Heard(VecDeque::new()),
            suspicions: 0,
            hold_until: None,
            up_since: MonoNanos(0),
        }
    }
}

impl PrivateProof {
    pub(super) fn next_timeout(&self) -> Option<MonoNanos> {
        [self.orders.deadline(), self.fills.deadline(), self.hold_until].into_iter().flatten().min()
    }

    fn await_nothing(&mut self) {
        self.orders.0.clear();
        self.fills.0.clear();
    }
}

impl GateSession {
    /// The venue said in its reply that this order exists or existed: its private event must come in time. Called by the order
    /// paths; while the link is not up nothing is expected of it, nor of one that came up after the order was sent. A reply that came
    /// late expects nothing either: the event may be longer ago than is remembered.
    pub(super) fn private_expect(&mut self, client_id: ClientOrderId, sent: MonoNanos, now: MonoNanos) {
        let listened = self.links.is_up(LinkRole::Private) && self.private.up_since <= sent;
        let late = now.since(sent) > ORDER_TIMEOUT_NS;
        if listened && !late && !self.private.orders_heard.0.contains(&client_id) {
            self.private.orders.expect(client_id, now);
        }
    }

    /// `alive` is false for what still came on a link that is being closed: true news, but no proof of the present link.
    pub(super) fn on_orders(&mut self, rows: Vec<OrderRow>, alive: bool, now: MonoNanos, updates: &mut Vec<Input>) {
        let up = self.links.is_up(LinkRole::Private);
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
        self.private_event(alive, now, updates);
    }

    pub(super) fn on_fills(&mut self, fills: Vec<Fill>, alive: bool, now: MonoNanos, updates: &mut Vec<Input>) {
        for fill in fills {
            self.private.fills.came(&fill.venue_order_id);
            self.private.fills_heard.note(fill.venue_order_id);
            updates.push(Input::Fill(fill));
        }
        self.private_event(alive, now, updates);
    }

    pub(super) fn on_balances(&mut self, entries: Vec<BalanceEntry>, now: MonoNanos, updates: &mut Vec<Input>) {
        if !entries.is_empty() {
            let source = BalanceSource::Stream;
            updates.push(Input::Balances(BalanceReport { venue: self.venue, source, requested: now, received: now, entries }));
        }
        self.private_event(true, now, updates);
    }

    fn private_event(&mut self, alive: bool, now: MonoNanos, updates: &mut Vec<Input>) {
        if alive {
            self.private.suspicions = 0;
            if self.private.hold_until.take().is_some() {
                self.private_proved(now, updates);
            }
        }
    }

    /// The link may have become believable: tells it `Up` if it has.
    pub(super) fn private_proved(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        let proved = self.links.role(LinkRole::Private).is_some_and(|role| role.current.is_proved());
        if proved && self.private.hold_until.is_none_or(|until| until <= now) {
            self.private.hold_until = None;
            if !self.links.is_up(LinkRole::Private) {
                self.private.up_since = now;
            }
            self.tell_link(LinkRole::Private, LinkState::Up, now, updates);
        }
    }

    /// The link is gone: what it owed will be read.
    pub(super) fn private_down(&mut self) {
        self.private.await_nothing();
    }

    pub(super) fn private_timeout(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        let overdue = |at: Option<MonoNanos>| at.is_some_and(|at| at <= now);
        if overdue(self.private.orders.deadline()) || overdue(self.private.fills.deadline()) {
            // A link that is being closed anyway is no longer listened to in time, and says nothing about the next one.
            if self.links.role(LinkRole::Private).is_some_and(|role| role.current.phase == Phase::Open) {
                let wait = backoff_ns(HOLD_FIRST_NS, HOLD_MAX_NS, self.private.suspicions);
                self.private.suspicions = self.private.suspicions.saturating_add(1);
                self.private.hold_until = Some(now.after(wait));
            }
            self.private.await_nothing();
            // At once, not when the socket is closed: the engine must not open anything in between.
            self.tell_link(LinkRole::Private, LinkState::Lost, now, updates);
            self.close_link(LinkRole::Private);
        }
        if overdue(self.private.hold_until) {
            self.private.hold_until = None;
            self.private_proved(now, updates);
        }
    }
}
