//! The order link: a warm WebSocket connection that orders may take instead of REST, its login, and the requests under way on it.
//!
//! Start at [`OrderLinks::ready`] (may orders take this way now?), [`Desk::link_transmit`] (out) and [`Desk::link_frame`] (in).
//!
//! Kept true:
//! 1. A request is told once: by its reply, by its time-out, or by the loss of its link, whichever comes first. A receipt is none of
//!    them.
//! 2. A placement that was handed over and not answered is unknown, never "not sent": bytes may have left.
//! 3. Correlations are never used twice; a reply to none of ours, or to one that was told, is counted and ignored, except that the
//!    late answer to a placement that timed out is still evidence, and is told.
//! 4. Orders take this way only while its link is open and logged in. Login and signatures are made afresh on every connection.
//!
//! There are two places for a link: on the venue's notice that it will close a connection the other one is opened and logged in,
//! orders move over, and the old one is closed when nothing is under way on it any more.

use super::orders::{self, Told, Way};
use super::what::{Asked, What};
use super::wire::{AllCancelled, Call, CallKind, LinkBody, LinkNews, LinkReply, OrderAnswer, Profile, Wire};
use super::{Desk, ORDER_TIMEOUT_NS, Outgoing};
use crate::backoff::Jitter;
use crate::budget::TokenBucket;
use crate::connection::{Connection, Phase, Reconnect};
use crate::connector::OrderEntry;
use crate::json::Reject;
use crate::session::{IoFailure, LinkId, LossReason, Transmit};
use domain::command::OrderRef;
use domain::time::{MILLI, SECOND};
use domain::{ErrorClass, FrameReject, Input, LinkChange, LinkRole, LinkState, MonoNanos, OrderSource, ReadKind, UnixNanos};
use std::collections::{BTreeMap, VecDeque};

/// A request that timed out is remembered this long after it was sent.
const REMEMBER_NS: u64 = 60 * SECOND;
/// Timed-out requests that are remembered.
const REMEMBERED_MAX: usize = 256;
/// A login that is not answered in this time takes the link down.
const LOGIN_TIMEOUT_NS: u64 = 5 * SECOND;
/// An application ping goes out this often; three lost pongs make a dead link. A request that nothing at all came after says so
/// sooner.
pub(super) const PING_PERIOD_NS: u64 = 15 * SECOND;
pub(super) const SILENCE_MAX_NS: u64 = 45 * SECOND;
/// A link that was logged in for ten seconds starts its back-off anew.
pub(super) const RECONNECT: Reconnect = Reconnect { first_ns: 100 * MILLI, max_ns: 10 * SECOND, stable_ns: 10 * SECOND };
/// Back-off after a refused login: nothing about a key or a clock changes in milliseconds.
pub(super) const REFUSED: Reconnect = Reconnect { first_ns: 5 * SECOND, max_ns: 60 * SECOND, stable_ns: 10 * SECOND };

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Login {
    Out,
    Asked { number: u64, at: MonoNanos },
    In,
}

#[derive(Debug)]
struct OrderLink {
    conn: Connection,
    login: Login,
    refusals: u32,
    /// Both forms of a login that has two are tried on one connection, each once.
    other_form_tried: bool,
    next_ping: MonoNanos,
    /// When it is replaced by another one, before the venue closes it.
    replace_at: Option<MonoNanos>,
}

impl OrderLink {
    const fn new(shard: u8) -> OrderLink {
        OrderLink {
            conn: Connection::new(LinkId { role: LinkRole::OrderEntry, shard }),
            login: Login::Out,
            refusals: 0,
            other_form_tried: false,
            next_ping: MonoNanos(0),
            replace_at: None,
        }
    }

    fn is_ready(&self) -> bool {
        self.conn.is_open() && self.login == Login::In
    }

    fn next_timeout(&self) -> Option<MonoNanos> {
        match self.conn.phase {
            Phase::Off | Phase::Connecting | Phase::Closing => None,
            Phase::Waiting(at) => Some(at),
            Phase::Open => {
                let login = if let Login::Asked { at, .. } = self.login { Some(at.after(LOGIN_TIMEOUT_NS)) } else { None };
                let fixed = [self.next_ping, self.conn.last_frame().after(SILENCE_MAX_NS)];
                fixed.into_iter().chain(login).chain(self.replace_at).min()
            }
        }
    }
}

/// What a request on the link is for.
enum Sending<O> {
    One(Asked<O>),
    /// Several cancels in one frame.
    Cancels(Vec<Asked<O>>),
}

/// A request that was handed over.
struct Sent<O> {
    call: Sending<O>,
    slot: usize,
    at: MonoNanos,
    /// The gateway has confirmed its receipt.
    received: bool,
    /// It timed out, and that was told.
    told: bool,
}

impl<O> Sent<O> {
    fn due(&self) -> MonoNanos {
        self.at.after(if self.told { REMEMBER_NS } else { ORDER_TIMEOUT_NS })
    }
}

/// Both places of a desk's order link.
pub(super) struct OrderLinks<O> {
    wanted: bool,
    logs_in: bool,
    links: [OrderLink; 2],
    /// The slot that is to be up; the other one carries on, or closes.
    target: usize,
    calls: BTreeMap<u64, Sent<O>>,
    numbers: u64,
    limit: TokenBucket,
    limit_max: u32,
    told: Option<LinkState>,
}

impl<O> OrderLinks<O> {
    /// Order entry over `egress`, for a session that has keys or not.
    pub(super) fn new(profile: &Profile, egress: OrderEntry, has_keys: bool, logs_in: bool) -> OrderLinks<O> {
        let limit = profile.link_place;
        OrderLinks {
            wanted: has_keys && egress == OrderEntry::WebSocket,
            logs_in,
            links: [OrderLink::new(0), OrderLink::new(1)],
            target: 0,
            calls: BTreeMap::new(),
            numbers: 0,
            limit: TokenBucket::new(limit.count, limit.window_ns, MonoNanos(0)),
            limit_max: limit.count,
            told: None,
        }
    }

    /// The link that orders may take now.
    pub(super) fn ready(&self) -> Option<usize> {
        [self.target, 1 - self.target].into_iter().find(|slot| self.at(*slot).is_ready())
    }

    /// A placement or an amendment would take this way now.
    pub(super) fn takes_a_placement(&self, now: MonoNanos) -> bool {
        self.ready().is_some() && self.limit.available(now) > 0
    }

    /// Chooses the way of a placement, and spends this way's own budget when it is chosen.
    pub(super) fn way_of_a_placement(&mut self, now: MonoNanos) -> Way {
        if self.ready().is_some() && self.limit.take(now, 1, 0) { Way::Link } else { Way::Rest }
    }

    fn at(&self, slot: usize) -> &OrderLink {
        if slot == 0 { &self.links[0] } else { &self.links[1] }
    }

    fn at_mut(&mut self, slot: usize) -> &mut OrderLink {
        if slot == 0 { &mut self.links[0] } else { &mut self.links[1] }
    }

    fn slot_of(&self, id: LinkId) -> Option<usize> {
        self.links.iter().position(|link| link.conn.id == id)
    }

    fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn busy(&self, slot: usize) -> bool {
        self.calls.values().any(|sent| sent.slot == slot && !sent.told)
    }

    pub(super) fn next_timeout(&self) -> Option<MonoNanos> {
        let links = self.links.iter().filter_map(OrderLink::next_timeout);
        links.chain(self.calls.values().map(Sent::due)).min()
    }

    /// Notes that a link is gone: waits for its next try, or stays off.
    fn lost(&mut self, slot: usize, now: MonoNanos, stopped: bool, jitter: &mut Jitter) {
        let wanted = self.wanted && !stopped && slot == self.target;
        let link = self.at_mut(slot);
        if std::mem::replace(&mut link.login, Login::Out) == Login::In {
            link.conn.note_stable(now, &RECONNECT);
        }
        link.other_form_tried = false;
        if !wanted {
            link.conn.phase = Phase::Off;
            return;
        }
        let wait_ns = match link.refusals.checked_sub(1) {
            Some(earlier) => REFUSED.wait_ns(earlier),
            None => RECONNECT.wait_ns(link.conn.attempts()),
        };
        link.conn.wait(now, jitter.spread(wait_ns));
    }
}

impl<W: Wire> Desk<W> {
    pub(super) fn link_start(&mut self, now: MonoNanos) {
        let (slot, open_at) = (self.link.target, self.budgets.links_open_at());
        match self.link.wanted {
            true if now < open_at => self.link.at_mut(slot).conn.phase = Phase::Waiting(open_at),
            true => self.link_open(slot),
            false => {}
        }
    }

    fn link_open(&mut self, slot: usize) {
        let id = self.link.at_mut(slot).conn.open();
        self.queue.push_back(Outgoing::Open(id));
    }

    fn link_close(&mut self, slot: usize) {
        let link = &mut self.link.at_mut(slot).conn;
        match link.phase {
            // Nobody has been asked to open it yet, and nobody would tell of its loss: it opens, or is forgotten.
            Phase::Connecting if self.queue.iter().any(|out| matches!(out, Outgoing::Open(l) if *l == link.id)) => {
                if self.stopped {
                    link.phase = Phase::Off;
                    let id = link.id;
                    self.queue.retain(|out| !matches!(out, Outgoing::Open(l) if *l == id));
                }
            }
            Phase::Open | Phase::Connecting => {
                link.phase = Phase::Closing;
                let id = link.id;
                self.queue.push_back(Outgoing::Close(id));
            }
            Phase::Waiting(_) => link.phase = Phase::Off,
            Phase::Off | Phase::Closing => {}
        }
    }

    /// An order link is open: it is logged in, where the venue wants that.
    pub(super) fn link_connected(&mut self, id: LinkId, now: MonoNanos, updates: &mut Vec<Input>) {
        let Some(slot) = self.link.slot_of(id) else { return };
        let logs_in = self.link.logs_in;
        let life = W::PROFILE.link_life_ns.map(|(life_ns, spread_ns)| life_ns + self.jitter.spread(spread_ns));
        let link = self.link.at_mut(slot);
        if !link.conn.connected(now) {
            return;
        }
        link.next_ping = now.after(PING_PERIOD_NS);
        link.replace_at = life.map(|life_ns| now.after(life_ns));
        if logs_in {
            return self.link_ask_login(slot, now);
        }
        link.login = Login::In;
        link.refusals = 0;
        self.link_retire();
        self.link_tell(now, updates);
    }

    fn link_ask_login(&mut self, slot: usize, now: MonoNanos) {
        let number = self.link.next_number();
        let link = self.link.at_mut(slot);
        link.login = Login::Asked { number, at: now };
        let id = link.conn.id;
        self.queue.push_back(Outgoing::Login(id, number));
    }

    /// The bytes of a login, unless its link is gone.
    pub(super) fn link_login(&mut self, id: LinkId, number: u64, now: MonoNanos, wall: UnixNanos) -> Option<Transmit> {
        let slot = self.link.slot_of(id)?;
        let waits = matches!(self.link.at(slot).login, Login::Asked { number: asked, .. } if asked == number);
        if !waits || !self.link.at(slot).conn.is_open() {
            return None;
        }
        let text = self.wire.login(number, self.send_at(now, wall));
        Some(Transmit::Frame { link: id, text, order: false })
    }

    /// One urgent request, by the way that is its own; `None` when it may not leave any more, which is told then.
    pub(super) fn transmit_urgent(
        &mut self,
        asked: Asked<W::Own>,
        now: MonoNanos,
        wall: UnixNanos,
        updates: &mut Vec<Input>,
    ) -> Option<Transmit> {
        if !self.may_leave(&asked.what, now, updates) {
            return None;
        }
        let slot = match (&asked.what, self.link.ready()) {
            // The switch has no channel of its own.
            (What::Place { way: Way::Rest, .. } | What::DeadMan { .. }, _) => None,
            (What::Place { order, .. }, None) => {
                // Its way is gone, and no byte of it has left.
                updates.push(orders::not_sent(order, now));
                self.private_void(order.client_id, now, updates);
                return None;
            }
            (_, None) => None,
            (what, Some(_)) if !self.wire.over_link(what) => None,
            // It spends what placements do.
            (What::Amend(_), Some(_)) if !self.link.limit.take(now, 1, 0) => None,
            (_, Some(slot)) => Some(slot),
        };
        let way = if slot.is_some() { Way::Link } else { Way::Rest };
        // The way that it was taken for is gone, or the ban was told since.
        if self.budgets.is_banned(way, now) && !matches!(asked.what, What::DeadMan { .. }) {
            self.urgent_refused_in_ban(asked, now, updates);
            return None;
        }
        Some(match slot {
            Some(slot) => self.link_transmit(slot, asked, now, wall),
            None => self.transmit_request(asked, now, wall),
        })
    }

    /// Hands a request over to the link in `slot`. Cancels that wait behind a cancel go with it.
    pub(super) fn link_transmit(&mut self, slot: usize, asked: Asked<W::Own>, now: MonoNanos, wall: UnixNanos) -> Transmit {
        let mut at = self.send_at(now, wall);
        at.expires_ms = orders::expiry_ms(&asked.what, now, at.venue_ns);
        let order = matches!(asked.what, What::Place { .. });
        let sending = if matches!(asked.what, What::Cancel(_)) { self.gather_cancels(asked) } else { Sending::One(asked) };
        let call = match &sending {
            Sending::One(asked) => Call::One(&asked.what),
            Sending::Cancels(cancels) => Call::Cancels(cancels.iter().filter_map(cancelled_order).collect()),
        };
        let number = self.link.next_number();
        let text = self.wire.call(number, &call, at);
        self.link.calls.insert(number, Sent { call: sending, slot, at: now, received: false, told: false });
        Transmit::Frame { link: self.link.at(slot).conn.id, text, order }
    }

    fn gather_cancels(&mut self, first: Asked<W::Own>) -> Sending<W::Own> {
        let mut cancels = vec![first];
        let mut rest = VecDeque::with_capacity(self.urgent.len());
        while let Some(asked) = self.urgent.pop_front() {
            if cancels.len() < W::PROFILE.cancels_together && matches!(asked.what, What::Cancel(_)) {
                cancels.push(asked);
            } else {
                rest.push_back(asked);
            }
        }
        self.urgent = rest;
        match cancels.pop() {
            Some(only) if cancels.is_empty() => Sending::One(only),
            last => {
                cancels.extend(last);
                Sending::Cancels(cancels)
            }
        }
    }

    /// A frame of an order link came in. What comes after we asked for the link's end is still an answer.
    pub(super) fn link_frame(&mut self, id: LinkId, now: MonoNanos, frame: &mut [u8], updates: &mut Vec<Input>) {
        let Some(slot) = self.link.slot_of(id) else { return self.stats.ignored += 1 };
        self.link.at_mut(slot).conn.frame_came(now);
        match self.wire.link_frame(frame, now) {
            Ok(LinkNews::Reply(reply)) => self.on_link_reply(slot, reply, now, updates),
            Ok(LinkNews::Upgrade) => {
                self.stats.ignored += 1;
                self.on_link_upgrade(slot);
            }
            Ok(LinkNews::Ignored) => self.stats.ignored += 1,
            // Whatever it was the answer to times out, and is unknown then.
            Err(reject) => self.stats.reject(reject.reason),
        }
    }

    fn on_link_reply(&mut self, slot: usize, reply: LinkReply, now: MonoNanos, updates: &mut Vec<Input>) {
        let is_login = |asked: u64| reply.number.map_or(reply.kind == Some(CallKind::Login), |number| number == asked);
        if matches!(self.link.at(slot).login, Login::Asked { number, .. } if is_login(number)) {
            return self.on_link_login(slot, reply, now, updates);
        }
        let Some(number) = reply.number else { return self.stats.ignored += 1 };
        // A reply on another connection than its request's can't be its reply.
        let Some(sent) = self.link.calls.get_mut(&number).filter(|sent| sent.slot == slot) else {
            return self.stats.ignored += 1;
        };
        if reply.body == LinkBody::Receipt {
            sent.received = true;
            return self.stats.ignored += 1;
        }
        let Some(sent) = self.link.calls.remove(&number) else { return };
        let what = match &sent.call {
            Sending::One(asked) => Some(&asked.what),
            Sending::Cancels(cancels) => cancels.first().map(|asked| &asked.what),
        };
        if let Some(what) = what {
            let venue_ns = reply.rate.venue_ns(self.clock.carried_ns(now));
            self.on_rate(what, reply.rate, reply.limited, (now, venue_ns), updates);
            if let (LinkBody::Failed(failure), Some(_), Some(_)) = (&reply.body, reply.rate.reset_at, venue_ns) {
                // A ban is told on the link as well, and is of everything.
                self.on_retry_after(what, failure.status, reply.rate.left_ns(venue_ns), now);
            }
        }
        if reply.limited {
            self.link.limit.drain(now);
        } else if let (Some(What::Place { .. } | What::Amend(_)), Some(remain), Some(limit)) =
            (what, reply.rate.remain, reply.rate.limit)
        {
            // Should it be per user, the other pairs have no more either.
            self.link.limit.reconcile(now, remain, limit.min(self.link.limit_max));
        }
        let login_lost = matches!(&reply.body, LinkBody::Failed(failure) if failure.login_lost);
        let leave = reply.leave;
        self.on_link_answer(sent, reply, now, updates);
        if login_lost && self.link.logs_in && self.link.at(slot).is_ready() {
            // The connection does not count as logged in any more: once again, and REST until then. Where each request is signed, the one
            // that was refused says it all.
            self.link_ask_login(slot, now);
        }
        if leave {
            self.on_link_upgrade(slot);
        }
        self.link_retire();
        self.link_tell(now, updates);
    }

    /// The reply proper to a request.
    fn on_link_answer(&mut self, sent: Sent<W::Own>, reply: LinkReply, now: MonoNanos, updates: &mut Vec<Input>) {
        let Sent { call, at, told, .. } = sent;
        let asked = match call {
            Sending::One(asked) => asked,
            // What timed out was told, and its orders are looked up: too late for a list that says nothing about executions.
            Sending::Cancels(_) if told => return self.stats.ignored += 1,
            Sending::Cancels(cancels) => return self.on_named_cancelled(cancels, at, reply, now, updates),
        };
        if matches!(asked.what, What::Place { .. }) {
            self.order_round_trip(at, now, updates);
        }
        let late_news =
            matches!(reply.body, LinkBody::Order(Ok(OrderAnswer::Row(_)))) || matches!(asked.what, What::Place { .. });
        if told && !late_news {
            return self.stats.ignored += 1;
        }
        let LinkReply { kind, body, .. } = reply;
        if matches!(asked.what, What::CancelAll(_)) {
            let told = match body {
                LinkBody::CancelPair(rows) => {
                    let asked_then = |answer| match answer {
                        AllCancelled::Ends(mut rows) => {
                            rows.iter_mut().for_each(|row: &mut domain::OrderUpdate| row.requested = at);
                            AllCancelled::Ends(rows)
                        }
                        AllCancelled::Received => AllCancelled::Received,
                    };
                    Told::Done(rows.map(asked_then))
                }
                LinkBody::Failed(failure) => Told::Failed(failure),
                _ => misplaced(),
            };
            return self.on_all_cancelled(asked, at, told, now, updates);
        }
        let told = match body {
            // The reply to something else: what it refuses is not this.
            _ if kind.is_some_and(|kind| kind != kind_of(&asked.what)) => misplaced(),
            LinkBody::Order(mut answer) => {
                if let Ok(OrderAnswer::Row(row)) = &mut answer {
                    row.update.requested = at;
                    if matches!(asked.what, What::LookUp { .. }) {
                        row.update.source = OrderSource::Query;
                    }
                }
                Told::Done(answer)
            }
            LinkBody::Failed(failure) => Told::Failed(failure),
            _ => misplaced(),
        };
        self.on_order_told(asked, at, told, now, updates);
    }

    fn on_named_cancelled(
        &mut self,
        cancels: Vec<Asked<W::Own>>,
        at: MonoNanos,
        reply: LinkReply,
        now: MonoNanos,
        updates: &mut Vec<Input>,
    ) {
        let rows = match reply.body {
            LinkBody::Cancelled(Ok(rows)) => rows,
            LinkBody::Failed(failure) => {
                for asked in cancels {
                    self.on_order_told(asked, at, Told::Failed(failure.clone()), now, updates);
                }
                return;
            }
            LinkBody::Cancelled(Err(reject)) => {
                self.stats.reject(reject.reason);
                Vec::new()
            }
            _ => {
                self.stats.reject(FrameReject::UnknownShape);
                Vec::new()
            }
        };
        for asked in cancels {
            let What::Cancel(order) = asked.what else { continue };
            match rows.iter().find(|row| row.names(&order)).and_then(|row| row.failure.clone()) {
                Some(failure) => self.on_order_told(asked, at, Told::Failed(failure), now, updates),
                None => self.on_cancel_taken(&order, at, now, updates),
            }
        }
    }

    fn on_link_login(&mut self, slot: usize, reply: LinkReply, now: MonoNanos, updates: &mut Vec<Input>) {
        match reply.body {
            LinkBody::Receipt => return self.stats.ignored += 1,
            LinkBody::LoggedIn => {
                let link = self.link.at_mut(slot);
                link.login = Login::In;
                link.conn.up(now);
                link.refusals = 0;
                self.link_retire();
                return self.link_tell(now, updates);
            }
            LinkBody::Failed(failure) => {
                self.stats.reject(FrameReject::VenueError);
                let other_form = self.wire.login_refused(&failure);
                let link = self.link.at_mut(slot);
                if other_form && !std::mem::replace(&mut link.other_form_tried, true) {
                    return self.link_ask_login(slot, now);
                }
                link.refusals = link.refusals.saturating_add(1);
                self.on_clock_skew(failure.class, now);
                self.on_link_limited(&failure, reply.rate, now, updates);
                if failure.class == ErrorClass::AuthFatal {
                    // A signed read tells whether it is the key.
                    self.submit_read(ReadKind::Account, now, updates);
                }
            }
            _ => self.stats.reject(FrameReject::UnknownShape),
        }
        self.link_close(slot);
        self.link_tell(now, updates);
    }

    /// The venue will close this connection: another one first, then this one.
    fn on_link_upgrade(&mut self, slot: usize) {
        self.link.at_mut(slot).replace_at = None;
        if slot != self.link.target || self.stopped {
            return;
        }
        let other = 1 - slot;
        if self.link.at(other).conn.phase == Phase::Off {
            self.link.target = other;
            self.link_open(other);
        } else {
            self.link_close(slot);
        }
    }

    /// Closes the link that orders have left, once nothing is under way on it.
    fn link_retire(&mut self) {
        let old = 1 - self.link.target;
        if self.link.at(self.link.target).is_ready() && self.link.at(old).conn.phase != Phase::Off && !self.link.busy(old) {
            self.link_close(old);
        }
    }

    pub(super) fn link_lost(&mut self, id: LinkId, now: MonoNanos, reason: LossReason, updates: &mut Vec<Input>) {
        let Some(slot) = self.link.slot_of(id) else { return };
        let stopped = self.stopped;
        self.link.lost(slot, now, stopped, &mut self.jitter);
        self.stats.reconnect(reason.as_str());
        self.forget_queued(id);
        let lost: Vec<u64> = self.link.calls.iter().filter(|(_, sent)| sent.slot == slot).map(|(number, _)| *number).collect();
        for number in lost {
            if let Some(sent) = self.link.calls.remove(&number) {
                self.link_silent(sent.call, sent.at, sent.told, IoFailure::Broken, now, updates);
            }
        }
        self.link_tell(now, updates);
    }

    /// No answer will come, or none came in time.
    fn link_silent(
        &mut self,
        call: Sending<W::Own>,
        at: MonoNanos,
        told: bool,
        failure: IoFailure,
        now: MonoNanos,
        updates: &mut Vec<Input>,
    ) {
        if told {
            return;
        }
        let cancels = match call {
            Sending::One(asked) if matches!(asked.what, What::CancelAll(_)) => {
                return self.on_all_cancelled(asked, at, Told::Silent(failure), now, updates);
            }
            Sending::One(asked) => return self.on_order_told(asked, at, Told::Silent(failure), now, updates),
            Sending::Cancels(cancels) => cancels,
        };
        for asked in cancels {
            self.on_order_told(asked, at, Told::Silent(failure), now, updates);
        }
    }

    pub(super) fn link_timeout(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        self.link_calls_timeout(now, updates);
        let open_at = self.budgets.links_open_at();
        for slot in [0, 1] {
            let link = self.link.at_mut(slot);
            match link.conn.phase {
                Phase::Waiting(at) if at <= now && now < open_at => link.conn.phase = Phase::Waiting(open_at),
                Phase::Waiting(at) if at <= now => self.link_open(slot),
                Phase::Open => {
                    let unanswered = matches!(link.login, Login::Asked { at, .. } if at.after(LOGIN_TIMEOUT_NS) <= now);
                    if unanswered || now.since(link.conn.last_frame()) >= SILENCE_MAX_NS {
                        self.link_close(slot);
                        continue;
                    }
                    let replace = link.replace_at.is_some_and(|at| at <= now);
                    if link.next_ping <= now {
                        link.next_ping = now.after(PING_PERIOD_NS);
                        let id = link.conn.id;
                        self.queue.push_back(Outgoing::Ping(id));
                    }
                    if replace {
                        self.on_link_upgrade(slot);
                    }
                }
                _ => {}
            }
        }
        self.link_retire();
        self.link_tell(now, updates);
    }

    fn link_calls_timeout(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        let due: Vec<u64> = self.link.calls.iter().filter(|(_, sent)| sent.due() <= now).map(|(number, _)| *number).collect();
        for number in due {
            let Some(sent) = self.link.calls.get_mut(&number) else { continue };
            if sent.told {
                self.link.calls.remove(&number);
                continue;
            }
            sent.told = true;
            let (at, slot, received) = (sent.at, sent.slot, sent.received);
            let call = match &sent.call {
                Sending::One(asked) => Sending::One(asked.again()),
                Sending::Cancels(cancels) => Sending::Cancels(cancels.iter().map(Asked::again).collect()),
            };
            self.link_silent(call, at, false, IoFailure::TimedOut, now, updates);
            // Nothing at all came since: the link is dead, whatever its pings will say in half a minute.
            if !received && self.link.at(slot).conn.last_frame() <= at {
                self.link_close(slot);
            }
        }
        while self.link.calls.values().filter(|sent| sent.told).count() > REMEMBERED_MAX {
            let Some(oldest) = self.link.calls.iter().find(|(_, sent)| sent.told).map(|(number, _)| *number) else { break };
            self.link.calls.remove(&oldest);
        }
    }

    pub(super) fn link_paused(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        if !self.link.wanted {
            return;
        }
        for slot in [0, 1] {
            if matches!(self.link.at(slot).conn.phase, Phase::Open | Phase::Connecting) {
                self.link_close(slot);
            }
        }
        if self.link.told == Some(LinkState::Up) {
            self.link_say(LinkState::Paused, now, updates);
        }
    }

    pub(super) fn link_shutdown(&mut self) {
        for slot in [0, 1] {
            self.link_close(slot);
        }
    }

    /// Tells the engine whether orders may take this way, once per change.
    fn link_tell(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        match (self.link.ready().is_some(), self.link.told) {
            (true, told) if told != Some(LinkState::Up) => self.link_say(LinkState::Up, now, updates),
            (false, Some(LinkState::Up)) => self.link_say(LinkState::Lost, now, updates),
            _ => {}
        }
    }

    fn link_say(&mut self, state: LinkState, now: MonoNanos, updates: &mut Vec<Input>) {
        self.link.told = Some(state);
        updates.push(Input::Link(LinkChange { venue: self.venue, role: LinkRole::OrderEntry, state, at: now }));
    }
}

/// What one request is.
const fn kind_of<O>(what: &What<O>) -> CallKind {
    match what {
        What::Place { .. } => CallKind::Place,
        What::Amend(_) => CallKind::Amend,
        What::Cancel(_) => CallKind::Cancel,
        What::CancelAll(_) => CallKind::CancelPair,
        // Nothing but look-ups is left that is ever handed to this way.
        _ => CallKind::LookUp,
    }
}

const fn cancelled_order<O>(asked: &Asked<O>) -> Option<&OrderRef> {
    if let What::Cancel(order) = &asked.what { Some(order) } else { None }
}

/// A reply to something else under one of our correlations: nothing is known of what was asked.
const fn misplaced<T>() -> Told<T> {
    Told::Done(Err(Reject::shape("kind of reply")))
}
