//! Make before break: when the venue says that a connection will be closed for an upgrade (`spot.system`, Gate API v4, keep-alive), a
//! second one is opened and subscribed, and only when it serves is the first dropped.
//!
//! Until then the first one drives. A book goes over to the second when that provably continues it (see [`super::joining`]); private
//! news is taken from both, since orders and executions carry ids by which the engine dedupes them, and no reconciliation is needed
//! as long as at every moment one proved link was listening. If the first one dies early, the second takes its place with what it
//! has. If the second one cannot be had in [`HANDOVER_MAX_NS`], the link is closed and opened the ordinary way.

use super::GateSession;
use super::links::Link;
use super::streams::Stream;
use domain::time::{MILLI, SECOND};
use domain::{Input, LinkRole, LinkState, MonoNanos};
use venue::LinkId;
use venue::connection::Phase;

/// A new connection that does not serve in this time ends the attempt.
const HANDOVER_MAX_NS: u64 = 30 * SECOND;
/// Both connections are kept this long after the new one serves: what was on its way on the old one arrives.
const OVERLAP_NS: u64 = 500 * MILLI;
/// Books that the old connection keeps ahead of the new one wait on it from this time on, so that the new one catches up.
const CATCH_UP_NS: u64 = 2 * SECOND;
/// How often an unfinished handover is looked at.
const LOOK_NS: u64 = 250 * MILLI;
/// A connection that just took over is left only after this long: notices may come in a row.
const CALM_NS: u64 = 30 * SECOND;

/// Connections of a role are numbered below this, and then from zero again: the other numbers belong to a second session that doubles the
/// public streams ([`venue::redundant`]).
const SHARDS: u8 = venue::redundant::SECOND_SHARD;

/// A connection that will take the place of another.
pub(super) struct Handover {
    pub(super) link: Link,
    begun: MonoNanos,
    /// Since when everything on it is answered.
    settled: Option<MonoNanos>,
    /// Since when it serves all that the old one does.
    ready: Option<MonoNanos>,
    look: MonoNanos,
}

impl Handover {
    pub(super) fn next_timeout(&self) -> Option<MonoNanos> {
        let ready = self.ready.map(|at| at.after(OVERLAP_NS));
        let look = (self.link.conn.is_open()).then_some(self.look);
        [self.link.next_timeout(), Some(self.begun.after(HANDOVER_MAX_NS)), ready, look].into_iter().flatten().min()
    }
}

impl GateSession {
    /// The venue asks for a new connection. It means the one that the notice came on; the other role's follows soon after, so both
    /// are replaced.
    pub(super) fn on_upgrade(&mut self, id: LinkId, now: MonoNanos, updates: &mut Vec<Input>) {
        self.desk.stats.ignored += 1;
        if self.links.is_next(id) {
            // The new connection landed on a host that is being left as well.
            return self.fail_next(id.role, now, updates);
        }
        for role in [LinkRole::Public, LinkRole::Private] {
            let Some(state) = self.links.role(role) else { continue };
            if state.wanted && state.current.conn.is_open() && state.next.is_none() {
                state.notice = Some(now.max(state.calm_until));
            }
            self.begin_handover_if_due(role, now);
        }
    }

    fn begin_handover_if_due(&mut self, role: LinkRole, now: MonoNanos) {
        let Some(state) = self.links.role(role) else { return };
        if state.notice.is_none_or(|at| at > now) {
            return;
        }
        state.notice = None;
        if !state.current.conn.is_open() || state.next.is_some() {
            return;
        }
        let mut id = state.current.conn.id;
        let streams = state.current.streams.iter().map(|stream| Stream::new(stream.subscription.clone())).collect();
        let following = |shard: u8| shard.wrapping_add(1) % SHARDS;
        id.shard = following(id.shard);
        while self.links.retired.contains(&id) {
            id.shard = following(id.shard);
        }
        let mut link = Link::new(id, streams);
        link.conn.open();
        if let Some(state) = self.links.role(role) {
            state.next = Some(Handover { link, begun: now, settled: None, ready: None, look: now.after(LOOK_NS) });
            self.desk.queue_open(id);
        }
    }

    /// Looks whether the new connection serves.
    pub(super) fn next_settled(&mut self, role: LinkRole, now: MonoNanos, updates: &mut Vec<Input>) {
        let joined = role != LinkRole::Public || self.books.have_joined();
        let Some(next) = self.links.role(role).and_then(|state| state.next.as_mut()) else { return };
        if next.ready.is_some() || !next.link.is_settled() {
            return;
        }
        let settled = *next.settled.get_or_insert(now);
        let serves = match role {
            LinkRole::Private => next.link.is_proved(),
            _ => joined,
        };
        if serves {
            next.ready = Some(now);
        } else if role == LinkRole::Public && now.since(settled) >= CATCH_UP_NS {
            self.books_catch_up(now, updates);
        }
    }

    pub(super) fn handover_timeout(&mut self, role: LinkRole, now: MonoNanos, updates: &mut Vec<Input>) {
        self.begin_handover_if_due(role, now);
        let Some(next) = self.links.role(role).and_then(|state| state.next.as_mut()) else { return };
        if next.begun.after(HANDOVER_MAX_NS) <= now {
            return self.close_link(role);
        }
        if next.look <= now {
            next.look = now.after(LOOK_NS);
        }
        let (id, due) = (next.link.conn.id, next.ready.is_some_and(|at| at.after(OVERLAP_NS) <= now));
        if due {
            return self.switch(role, now, updates);
        }
        self.link_timeout(id, now, updates);
        self.next_settled(role, now, updates);
    }

    /// The new connection takes over; the old one is closed and no longer listened to.
    fn switch(&mut self, role: LinkRole, now: MonoNanos, updates: &mut Vec<Input>) {
        let Some(state) = self.links.role(role) else { return };
        let Some(next) = state.next.take() else { return };
        let old = std::mem::replace(&mut state.current, next.link);
        state.calm_until = now.after(CALM_NS);
        state.notice = None;
        self.retire(&old);
        match role {
            LinkRole::Private => self.desk().private_proved(now, updates),
            _ => self.books_switched(false, now, updates),
        }
    }

    /// Closes a connection that nothing refers to any more.
    fn retire(&mut self, old: &Link) {
        self.desk.forget_queued(old.conn.id);
        match old.conn.phase {
            Phase::Open | Phase::Connecting => self.desk.queue_close_instead(old.conn.id),
            Phase::Closing => self.desk.queue_close(old.conn.id),
            Phase::Waiting(_) | Phase::Off => return,
        }
        self.links.retired.push(old.conn.id);
    }

    /// The connection in use is gone: the one that was to follow takes its place, whatever it has. False when there is none.
    pub(super) fn take_over_at_loss(&mut self, role: LinkRole, now: MonoNanos, updates: &mut Vec<Input>) -> bool {
        let Some(state) = self.links.role(role) else { return false };
        state.notice = None;
        let Some(next) = state.next.take() else { return false };
        let (open, proved) = (next.link.conn.is_open(), next.link.is_proved());
        state.current = next.link;
        match role {
            LinkRole::Private if proved => {}
            LinkRole::Private => {
                self.tell_link(role, LinkState::Lost, now, updates);
                self.desk.private_down(now);
            }
            _ if open => self.books_switched(true, now, updates),
            _ => {
                self.tell_link(role, LinkState::Lost, now, updates);
                self.books_down(domain::ResyncReason::Reconnect, now, updates);
            }
        }
        true
    }

    /// Gives up the connection that was to follow.
    pub(super) fn drop_next(&mut self, role: LinkRole) {
        let Some(state) = self.links.role(role) else { return };
        state.notice = None;
        if let Some(next) = state.next.take() {
            self.retire(&next.link);
        }
    }

    /// Closes the connection that was to follow, to try it again.
    pub(super) fn fail_next(&mut self, role: LinkRole, now: MonoNanos, updates: &mut Vec<Input>) {
        let Some(next) = self.links.role(role).and_then(|state| state.next.as_mut()) else { return };
        if matches!(next.link.conn.phase, Phase::Open | Phase::Connecting) {
            next.link.conn.phase = Phase::Closing;
            let id = next.link.conn.id;
            self.desk.queue_close_instead(id);
        }
        self.next_lost(role, now, updates);
    }

    /// The connection that was to follow is gone, or as good as: the old one drives what it still can.
    pub(super) fn next_lost(&mut self, role: LinkRole, now: MonoNanos, updates: &mut Vec<Input>) {
        let Some(next) = self.links.role(role).and_then(|state| state.next.as_mut()) else { return };
        next.settled = None;
        next.ready = None;
        if role == LinkRole::Public {
            self.books_back(now, updates);
        }
    }
}
