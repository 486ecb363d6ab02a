//! The logged-in WebSocket way of orders (Gate API v4, WebSocket order entry): a warm link, its login, and the requests under way on it.
//!
//! Start at [`OrderEntry::ready`] (may orders take this way now?), [`GateSession::entry_transmit`] (out) and
//! [`GateSession::entry_frame`] (in).
//!
//! Kept true:
//! 1. A request is told once: by its reply, by its time-out, or by the loss of its link, whichever comes first. A receipt
//!    (`ack: true`) is none of them.
//! 2. A placement that was handed over and not answered is unknown, never "not sent": bytes may have left.
//! 3. Correlations are never used twice; a reply to none of ours, or to one that was told, is counted and ignored, except that the
//!    late answer to a placement that timed out is still evidence, and is told.
//! 4. Orders take this way only while its link is open and logged in. Login and signatures are made afresh on every connection.
//!
//! There are two places for a link: on the venue's upgrade notice the other one is opened and logged in, orders move over, and the old
//! one is closed when nothing is under way on it any more.

use super::orders::{self, Told, Way};
use super::{Asked, GateSession, Jitter, ORDER_TIMEOUT_NS, Outgoing, What, backoff_ns};
use crate::errors;
use crate::wire::bodies::ErrorLabel;
use crate::wire::encode;
use crate::wire::order_entry::{
    self as wire, CANCEL_IDS_MAX, CancelledId, EntryBody, EntryChannel, EntryFrame, EntryReply, LoginForm,
};
use domain::command::OrderRef;
use domain::time::{MILLI, SECOND};
use domain::{ErrorClass, FrameReject, Input, LinkChange, LinkRole, LinkState, MonoNanos, PairId, ReadKind, UnixNanos};
use std::collections::BTreeMap;
use venue::{IoFailure, LinkId, LossReason, OrderEntry as Egress, TokenBucket, Transmit};

/// Placements and amendments this way, all pairs together. Gate does not say whether its limit is per market, as over REST: what is
/// above it takes REST.
const PLACE_LIMIT: u32 = 10;
const PLACE_WINDOW_NS: u64 = SECOND;
/// A request that timed out is remembered this long after it was sent.
const REMEMBER_NS: u64 = 60 * SECOND;
/// Timed-out requests that are remembered.
const REMEMBERED_MAX: usize = 256;
/// A login that is not answered in this time takes the link down.
const LOGIN_TIMEOUT_NS: u64 = 5 * SECOND;
/// An application ping goes out this often; three lost pongs make a dead link (Gate API v4, keep-alive). A request that nothing
/// at all came after says so sooner.
const PING_PERIOD_NS: u64 = 15 * SECOND;
const SILENCE_MAX_NS: u64 = 45 * SECOND;
/// Back-off of reconnects.
const RECONNECT_FIRST_NS: u64 = 100 * MILLI;
const RECONNECT_MAX_NS: u64 = 10 * SECOND;
/// Back-off after a refused login: nothing about a key or a clock changes in milliseconds.
const REFUSED_FIRST_NS: u64 = 5 * SECOND;
const REFUSED_MAX_NS: u64 = 60 * SECOND;
/// A link that was logged in for this long starts its back-off anew.
const STABLE_NS: u64 = 10 * SECOND;

/// Labels of a refused login that may be about its form: the other one is tried once.
const FORM_LABELS: &[&str] = &[
    "INVALID_SIGNATURE",
    "INVALID_CREDENTIALS",
    "AUTHENTICATION_FAILED",
    "MISSING_REQUIRED_PARAM",
    "INVALID_PARAM_VALUE",
    "INVALID_ARGUMENT",
    "INVALID_REQUEST_BODY",
    "BAD_REQUEST",
];

/// Labels of a refused request that say that its connection is not logged in.
const LOGIN_LOST_LABELS: &[&str] = &["AUTHENTICATION_FAILED", "INVALID_CREDENTIALS", "INVALID_KEY", "INVALID_SIGNATURE"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Off,
    Waiting(MonoNanos),
    Connecting,
    Open,
    Closing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Login {
    Out,
    Asked { number: u64, at: MonoNanos },
    In { since: MonoNanos },
}

#[derive(Debug)]
struct EntryLink {
    id: LinkId,
    phase: Phase,
    login: Login,
    attempts: u32,
    refusals: u32,
    /// Both forms of the login are tried on one connection, each once.
    other_form_tried: bool,
    last_frame: MonoNanos,
    next_ping: MonoNanos,
}

impl EntryLink {
    fn new(shard: u8) -> EntryLink {
        let zero = MonoNanos(0);
        EntryLink {
            id: LinkId { role: LinkRole::OrderEntry, shard },
            phase: Phase::Off,
            login: Login::Out,
            attempts: 0,
            refusals: 0,
            other_form_tried: false,
            last_frame: zero,
            next_ping: zero,
        }
    }

    fn is_ready(&self) -> bool {
        self.phase == Phase::Open && matches!(self.login, Login::In { .. })
    }

    fn next_timeout(&self) -> Option<MonoNanos> {
        match self.phase {
            Phase::Off | Phase::Connecting | Phase::Closing => None,
            Phase::Waiting(at) => Some(at),
            Phase::Open => {
                let login = if let Login::Asked { at, .. } = self.login { Some(at.after(LOGIN_TIMEOUT_NS)) } else { None };
                [Some(self.next_ping), Some(self.last_frame.after(SILENCE_MAX_NS)), login].into_iter().flatten().min()
            }
        }
    }
}

/// What a request on the link is for.
enum Call {
    One(Asked),
    /// Several cancels in one frame.
    Cancels(Vec<Asked>),
}

/// A request that was handed over.
struct Sent {
    call: Call,
    slot: usize,
    at: MonoNanos,
    /// The gateway has confirmed its receipt.
    received: bool,
    /// It timed out, and that was told.
    told: bool,
}

impl Sent {
    fn due(&self) -> MonoNanos {
        self.at.after(if self.told { REMEMBER_NS } else { ORDER_TIMEOUT_NS })
    }
}

/// Order entry of one session.
pub(super) struct OrderEntry {
    wanted: bool,
    links: [EntryLink; 2],
    /// The slot that is to be up; the other one carries on, or closes.
    target: usize,
    form: LoginForm,
    calls: BTreeMap<u64, Sent>,
    numbers: u64,
    limit: TokenBucket,
    told: Option<LinkState>,
}

impl OrderEntry {
    /// Order entry over `egress`, for a session that has keys or not.
    pub(super) fn new(egress: Egress, has_keys: bool) -> OrderEntry {
        OrderEntry {
            wanted: has_keys && egress == Egress::WebSocket,
            links: [EntryLink::new(0), EntryLink::new(1)],
            target: 0,
            form: LoginForm::Empty,
            calls: BTreeMap::new(),
            numbers: 0,
            limit: TokenBucket::new(PLACE_LIMIT, PLACE_WINDOW_NS, MonoNanos(0)),
            told: None,
        }
    }

    /// The link that orders may take now.
    pub(super) fn ready(&self) -> Option<usize> {
        [self.target, 1 - self.target].into_iter().find(|slot| self.link(*slot).is_ready())
    }

    /// Chooses the way of a placement, and spends this way's own budget when it is chosen.
    pub(super) fn way_of_a_placement(&mut self, now: MonoNanos) -> Way {
        if self.ready().is_some() && self.limit.take(now, 1, 0) { Way::Entry } else { Way::Rest }
    }

    fn link(&self, slot: usize) -> &EntryLink {
        if slot == 0 { &self.links[0] } else { &self.links[1] }
    }

    fn link_mut(&mut self, slot: usize) -> &mut EntryLink {
        if slot == 0 { &mut self.links[0] } else { &mut self.links[1] }
    }

    fn slot_of(&self, id: LinkId) -> Option<usize> {
        self.links.iter().position(|link| link.id == id)
    }

    fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn busy(&self, slot: usize) -> bool {
        self.calls.values().any(|sent| sent.slot == slot && !sent.told)
    }

    pub(super) fn next_timeout(&self) -> Option<MonoNanos> {
        let links = self.links.iter().filter_map(EntryLink::next_timeout);
        links.chain(self.calls.values().map(Sent::due)).min()
    }

    /// Notes that a link is gone: waits for its next try, or stays off.
    fn lost(&mut self, slot: usize, now: MonoNanos, stopped: bool, jitter: &mut Jitter) {
        let wanted = self.wanted && !stopped && slot == self.target;
        let link = self.link_mut(slot);
        if let Login::In { since } = link.login
            && now.since(since) >= STABLE_NS
        {
            link.attempts = 0;
        }
        link.login = Login::Out;
        link.other_form_tried = false;
        if !wanted {
            link.phase = Phase::Off;
            return;
        }
        let wait = if link.refusals > 0 {
            backoff_ns(REFUSED_FIRST_NS, REFUSED_MAX_NS, link.refusals - 1)
        } else {
            backoff_ns(RECONNECT_FIRST_NS, RECONNECT_MAX_NS, link.attempts)
        };
        link.attempts = link.attempts.saturating_add(1);
        link.phase = Phase::Waiting(now.after(jitter.spread(wait)));
    }
}

impl GateSession {
    pub(super) fn entry_start(&mut self, now: MonoNanos) {
        if self.entry.wanted {
            self.entry_open(self.entry.target, now);
        }
    }

    fn entry_open(&mut self, slot: usize, now: MonoNanos) {
        let link = self.entry.link_mut(slot);
        link.phase = Phase::Connecting;
        link.last_frame = now;
        let id = link.id;
        self.queue.push_back(Outgoing::Open(id));
    }

    fn entry_close(&mut self, slot: usize) {
        let link = self.entry.link_mut(slot);
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

    pub(super) fn entry_connected(&mut self, id: LinkId, now: MonoNanos) {
        let Some(slot) = self.entry.slot_of(id) else { return };
        let link = self.entry.link_mut(slot);
        if link.phase != Phase::Connecting {
            return;
        }
        link.phase = Phase::Open;
        link.last_frame = now;
        link.next_ping = now.after(PING_PERIOD_NS);
        self.entry_ask_login(slot, now);
    }

    fn entry_ask_login(&mut self, slot: usize, now: MonoNanos) {
        let number = self.entry.next_number();
        let link = self.entry.link_mut(slot);
        link.login = Login::Asked { number, at: now };
        let id = link.id;
        self.queue.push_back(Outgoing::Login(id, number));
    }

    /// The bytes of a login, unless its link is gone.
    pub(super) fn entry_login(&mut self, id: LinkId, number: u64, now: MonoNanos, wall: UnixNanos) -> Option<Transmit> {
        let slot = self.entry.slot_of(id)?;
        let waits = matches!(self.entry.link(slot).login, Login::Asked { number: asked, .. } if asked == number);
        let signer = self.signer.as_ref().filter(|_| waits && self.entry.link(slot).phase == Phase::Open)?;
        let time_s = UnixNanos(self.clock.venue_time_ns(now, wall)).seconds();
        let text = wire::login(number, time_s, signer, self.entry.form);
        Some(Transmit::Frame { link: id, text, order: false })
    }

    /// One urgent request, by the way that is its own; `None` when it may not leave any more, which is told then.
    pub(super) fn transmit_urgent(
        &mut self,
        asked: Asked,
        now: MonoNanos,
        wall: UnixNanos,
        updates: &mut Vec<Input>,
    ) -> Option<Transmit> {
        if !self.may_leave(&asked.what, now, updates) {
            return None;
        }
        match (&asked.what, self.entry.ready()) {
            // The switch has no channel of its own.
            (What::Place { way: Way::Rest, .. } | What::DeadMan(_), _) => Some(self.transmit_request(asked, now, wall)),
            (What::Place { order, .. }, None) => {
                // Its way is gone, and no byte of it has left.
                updates.push(orders::not_sent(order, now));
                self.private_void(order.client_id, now, updates);
                None
            }
            (_, None) => Some(self.transmit_request(asked, now, wall)),
            // It spends what placements do.
            (What::Amend(_), Some(_)) if !self.entry.limit.take(now, 1, 0) => Some(self.transmit_request(asked, now, wall)),
            (_, Some(slot)) => Some(self.entry_transmit(slot, asked, now, wall)),
        }
    }

    /// Hands a request over to the link in `slot`. Cancels that wait behind a cancel go with it.
    pub(super) fn entry_transmit(&mut self, slot: usize, asked: Asked, now: MonoNanos, wall: UnixNanos) -> Transmit {
        let venue_time_ns = self.clock.venue_time_ns(now, wall);
        let expires_ms = orders::expiry_ms(&asked.what, now, venue_time_ns);
        let order = matches!(asked.what, What::Place { .. });
        let call = if matches!(asked.what, What::Cancel(_)) { self.gather_cancels(asked) } else { Call::One(asked) };
        let (channel, param) = self.entry_param(&call);
        let number = self.entry.next_number();
        let text = wire::request(channel, number, UnixNanos(venue_time_ns).seconds(), &param, expires_ms);
        self.entry.calls.insert(number, Sent { call, slot, at: now, received: false, told: false });
        Transmit::Frame { link: self.entry.link(slot).id, text, order }
    }

    fn gather_cancels(&mut self, first: Asked) -> Call {
        let mut cancels = vec![first];
        let mut rest = std::collections::VecDeque::with_capacity(self.urgent.len());
        while let Some(asked) = self.urgent.pop_front() {
            if cancels.len() < CANCEL_IDS_MAX && matches!(asked.what, What::Cancel(_)) {
                cancels.push(asked);
            } else {
                rest.push_back(asked);
            }
        }
        self.urgent = rest;
        match cancels.pop() {
            Some(only) if cancels.is_empty() => Call::One(only),
            last => {
                cancels.extend(last);
                Call::Cancels(cancels)
            }
        }
    }

    /// Channel and JSON parameter of a request.
    fn entry_param(&self, call: &Call) -> (EntryChannel, String) {
        let name = |pair: PairId| self.decoder.names.name(pair).unwrap_or_default();
        let scale = |pair: PairId| {
            let info = self.decoder.names.tables.pair(pair);
            info.expect("Invariant: only orders on configured pairs are queued").scale
        };
        let named = |order: &OrderRef, key: &str| {
            format!(r#""{key}":"{}","currency_pair":"{}""#, orders::order_name(order), name(order.pair))
        };
        let what = match call {
            Call::One(asked) => &asked.what,
            Call::Cancels(cancels) => {
                let rows = cancels.iter().filter_map(cancelled_order);
                let rows: Vec<String> = rows.map(|order| format!(r#"{{{},"account":"spot"}}"#, named(order, "id"))).collect();
                return (EntryChannel::CancelIds, format!("[{}]", rows.join(",")));
            }
        };
        match what {
            What::Place { order, .. } => {
                let body = encode::order_body(order, name(order.pair), scale(order.pair));
                (EntryChannel::Place, String::from_utf8_lossy(&body).into_owned())
            }
            What::Amend(amend) => {
                let changes = encode::amend_members(amend, scale(amend.order.pair));
                (EntryChannel::Amend, format!("{{{},{changes}}}", named(&amend.order, "order_id")))
            }
            What::Cancel(order) => (EntryChannel::Cancel, format!(r#"{{{},"account":"spot"}}"#, named(order, "order_id"))),
            // Never without the pair: that would cancel on every market.
            What::CancelAll(all) => {
                (EntryChannel::CancelPair, format!(r#"{{"currency_pair":"{}","account":"spot"}}"#, name(all.pair)))
            }
            What::LookUp(order) => (EntryChannel::Status, format!("{{{}}}", named(order, "order_id"))),
            // Nothing else is ever handed to this way.
            _ => (EntryChannel::Status, "{}".into()),
        }
    }

    /// A frame came in. What comes after we asked for the link's end is still an answer.
    pub(super) fn entry_frame(&mut self, id: LinkId, now: MonoNanos, frame: &mut [u8], updates: &mut Vec<Input>) {
        let Some(slot) = self.entry.slot_of(id) else { return self.stats.ignored += 1 };
        let link = self.entry.link_mut(slot);
        link.last_frame = link.last_frame.max(now);
        match self.decoder.entry_frame(frame, now) {
            Ok(EntryFrame::Reply(reply)) => self.on_entry_reply(slot, reply, now, updates),
            Ok(EntryFrame::Upgrade) => self.on_entry_upgrade(slot, now),
            Ok(EntryFrame::Pong | EntryFrame::Ignored) => self.stats.ignored += 1,
            // Whatever it was the answer to times out, and is unknown then.
            Err(reject) => self.stats.reject(reject.reason),
        }
    }

    fn on_entry_reply(&mut self, slot: usize, reply: EntryReply, now: MonoNanos, updates: &mut Vec<Input>) {
        let Some(number) = reply.number else { return self.stats.ignored += 1 };
        if matches!(self.entry.link(slot).login, Login::Asked { number: asked, .. } if asked == number) {
            return self.on_entry_login(slot, reply, now, updates);
        }
        // A reply on another connection than its request's can't be its reply.
        let Some(sent) = self.entry.calls.get_mut(&number).filter(|sent| sent.slot == slot) else {
            return self.stats.ignored += 1;
        };
        if reply.body == EntryBody::Receipt {
            sent.received = true;
            return self.stats.ignored += 1;
        }
        let Some(sent) = self.entry.calls.remove(&number) else { return };
        let what = match &sent.call {
            Call::One(asked) => Some(&asked.what),
            Call::Cancels(cancels) => cancels.first().map(|asked| &asked.what),
        };
        if let Some(what) = what {
            self.on_rate(what, reply.rate, reply.status == 429, now, updates);
        }
        if reply.status == 429 {
            self.entry.limit.drain(now);
        } else if let (Some(What::Place { .. } | What::Amend(_)), Some(remain), Some(limit)) =
            (what, reply.rate.remain, reply.rate.limit)
        {
            // Should it be per user, the other pairs have no more either.
            self.entry.limit.reconcile(now, remain, limit.min(PLACE_LIMIT));
        }
        let login_lost = match &reply.body {
            EntryBody::Failed(Some(label)) => LOGIN_LOST_LABELS.contains(&label.0.as_str()),
            EntryBody::Failed(None) => reply.status == 401,
            _ => false,
        };
        self.on_entry_answer(sent, reply, now, updates);
        if login_lost && self.entry.link(slot).is_ready() {
            // The connection does not count as logged in any more: once again, and REST until then.
            self.entry_ask_login(slot, now);
        }
        self.entry_retire();
        self.entry_tell(now, updates);
    }

    /// The reply proper to a request.
    fn on_entry_answer(&mut self, sent: Sent, reply: EntryReply, now: MonoNanos, updates: &mut Vec<Input>) {
        let Sent { call, at, told, .. } = sent;
        let asked = match call {
            Call::One(asked) => asked,
            // What timed out was told, and its orders are looked up: too late for a list that says nothing about executions.
            Call::Cancels(_) if told => return self.stats.ignored += 1,
            Call::Cancels(cancels) => return self.on_ids_cancelled(cancels, at, reply, now, updates),
        };
        if matches!(asked.what, What::Place { .. }) {
            self.order_round_trip(at, now, updates);
        }
        let late_news = matches!(reply.body, EntryBody::Order(Ok(Some(_)))) || matches!(asked.what, What::Place { .. });
        if told && !late_news {
            return self.stats.ignored += 1;
        }
        let EntryReply { status, channel, body, .. } = reply;
        if matches!(asked.what, What::CancelAll(_)) {
            let told = match body {
                EntryBody::CancelPair(rows) => {
                    let asked_then = |mut row: domain::OrderUpdate| {
                        row.requested = at;
                        row
                    };
                    Told::Done(rows.map(|rows| rows.into_iter().map(asked_then).collect()))
                }
                EntryBody::Failed(label) => failed(status, label),
                _ => self.misplaced(),
            };
            return self.on_all_cancelled(asked, at, told, now, updates);
        }
        let told = match body {
            // The reply to something else: what it refuses is not this.
            _ if channel.is_some_and(|channel| channel != channel_of(&asked.what)) => self.misplaced(),
            EntryBody::Order(mut row) => {
                if let Ok(Some(row)) = &mut row {
                    row.update.requested = at;
                }
                Told::Done(row)
            }
            EntryBody::Failed(label) => failed(status, label),
            _ => self.misplaced(),
        };
        self.on_order_told(asked, at, told, now, updates);
    }

    /// A reply of another channel under one of our correlations: nothing is known of what was asked.
    fn misplaced<T>(&mut self) -> Told<T> {
        Told::Done(Err(crate::wire::Reject::shape("header.channel")))
    }

    fn on_ids_cancelled(
        &mut self,
        cancels: Vec<Asked>,
        at: MonoNanos,
        reply: EntryReply,
        now: MonoNanos,
        updates: &mut Vec<Input>,
    ) {
        let rows = match reply.body {
            EntryBody::CancelIds(Ok(rows)) => rows,
            EntryBody::Failed(label) => {
                for asked in cancels {
                    self.on_order_told(asked, at, failed(reply.status, label.clone()), now, updates);
                }
                return;
            }
            EntryBody::CancelIds(Err(reject)) => {
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
            match rows.iter().find(|row| names(row, &order)) {
                Some(row) if !row.succeeded => {
                    let label = row.label.clone().map(ErrorLabel);
                    self.on_order_told(asked, at, failed(400, label), now, updates);
                }
                _ => self.on_cancel_taken(&order, at, now, updates),
            }
        }
    }

    fn on_entry_login(&mut self, slot: usize, reply: EntryReply, now: MonoNanos, updates: &mut Vec<Input>) {
        match reply.body {
            EntryBody::Receipt => return self.stats.ignored += 1,
            EntryBody::LoggedIn => {
                let link = self.entry.link_mut(slot);
                link.login = Login::In { since: now };
                link.refusals = 0;
                self.entry_retire();
                return self.entry_tell(now, updates);
            }
            EntryBody::Failed(label) => {
                self.stats.reject(FrameReject::VenueError);
                let label = label.as_ref().map(|label| label.0.as_str());
                let about_form = label.is_some_and(|label| FORM_LABELS.contains(&label));
                self.entry.form = if about_form { self.entry.form.other() } else { self.entry.form };
                let link = self.entry.link_mut(slot);
                if about_form && !std::mem::replace(&mut link.other_form_tried, true) {
                    return self.entry_ask_login(slot, now);
                }
                link.refusals = link.refusals.saturating_add(1);
                let class = errors::class(reply.status, label);
                self.on_clock_skew(class, now);
                if class == ErrorClass::AuthFatal {
                    // A signed read tells whether it is the key.
                    self.submit_read(ReadKind::Account, now, updates);
                }
            }
            _ => self.stats.reject(FrameReject::UnknownShape),
        }
        self.entry_close(slot);
        self.entry_tell(now, updates);
    }

    /// The venue will close this connection: another one first, then this one.
    fn on_entry_upgrade(&mut self, slot: usize, now: MonoNanos) {
        self.stats.ignored += 1;
        if slot != self.entry.target || self.stopped {
            return;
        }
        let other = 1 - slot;
        if self.entry.link(other).phase == Phase::Off {
            self.entry.target = other;
            self.entry_open(other, now);
        } else {
            self.entry_close(slot);
        }
    }

    /// Closes the link that orders have left, once nothing is under way on it.
    fn entry_retire(&mut self) {
        let old = 1 - self.entry.target;
        if self.entry.link(self.entry.target).is_ready() && self.entry.link(old).phase != Phase::Off && !self.entry.busy(old) {
            self.entry_close(old);
        }
    }

    pub(super) fn entry_lost(&mut self, id: LinkId, now: MonoNanos, reason: LossReason, updates: &mut Vec<Input>) {
        let Some(slot) = self.entry.slot_of(id) else { return };
        let stopped = self.stopped;
        self.entry.lost(slot, now, stopped, &mut self.jitter);
        self.stats.reconnect(reason.as_str());
        self.queue.retain(|out| !matches!(out, Outgoing::Login(l, _) | Outgoing::Ping(l) | Outgoing::Close(l) if *l == id));
        let lost: Vec<u64> = self.entry.calls.iter().filter(|(_, sent)| sent.slot == slot).map(|(number, _)| *number).collect();
        for number in lost {
            if let Some(sent) = self.entry.calls.remove(&number) {
                self.entry_silent(sent.call, sent.at, sent.told, IoFailure::Broken, now, updates);
            }
        }
        self.entry_tell(now, updates);
    }

    /// No answer will come, or none came in time.
    fn entry_silent(
        &mut self,
        call: Call,
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
            Call::One(asked) if matches!(asked.what, What::CancelAll(_)) => {
                return self.on_all_cancelled(asked, at, Told::Silent(failure), now, updates);
            }
            Call::One(asked) => return self.on_order_told(asked, at, Told::Silent(failure), now, updates),
            Call::Cancels(cancels) => cancels,
        };
        for asked in cancels {
            self.on_order_told(asked, at, Told::Silent(failure), now, updates);
        }
    }

    pub(super) fn entry_timeout(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        self.entry_calls_timeout(now, updates);
        for slot in [0, 1] {
            let link = self.entry.link_mut(slot);
            match link.phase {
                Phase::Waiting(at) if at <= now => self.entry_open(slot, now),
                Phase::Open => {
                    let unanswered = matches!(link.login, Login::Asked { at, .. } if at.after(LOGIN_TIMEOUT_NS) <= now);
                    if unanswered || now.since(link.last_frame) >= SILENCE_MAX_NS {
                        self.entry_close(slot);
                    } else if link.next_ping <= now {
                        link.next_ping = now.after(PING_PERIOD_NS);
                        let id = link.id;
                        self.queue.push_back(Outgoing::Ping(id));
                    }
                }
                _ => {}
            }
        }
        self.entry_retire();
        self.entry_tell(now, updates);
    }

    fn entry_calls_timeout(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        let due: Vec<u64> = self.entry.calls.iter().filter(|(_, sent)| sent.due() <= now).map(|(number, _)| *number).collect();
        for number in due {
            let Some(sent) = self.entry.calls.get_mut(&number) else { continue };
            if sent.told {
                self.entry.calls.remove(&number);
                continue;
            }
            sent.told = true;
            let (at, slot, received) = (sent.at, sent.slot, sent.received);
            let call = match &sent.call {
                Call::One(asked) => Call::One(asked.again()),
                Call::Cancels(cancels) => Call::Cancels(cancels.iter().map(Asked::again).collect()),
            };
            self.entry_silent(call, at, false, IoFailure::TimedOut, now, updates);
            // Nothing at all came since: the link is dead, whatever its pings will say in half a minute.
            if !received && self.entry.link(slot).last_frame <= at {
                self.entry_close(slot);
            }
        }
        while self.entry.calls.values().filter(|sent| sent.told).count() > REMEMBERED_MAX {
            let Some(oldest) = self.entry.calls.iter().find(|(_, sent)| sent.told).map(|(number, _)| *number) else { break };
            self.entry.calls.remove(&oldest);
        }
    }

    pub(super) fn entry_paused(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        if !self.entry.wanted {
            return;
        }
        for slot in [0, 1] {
            if matches!(self.entry.link(slot).phase, Phase::Open | Phase::Connecting) {
                self.entry_close(slot);
            }
        }
        if self.entry.told == Some(LinkState::Up) {
            self.entry_say(LinkState::Paused, now, updates);
        }
    }

    pub(super) fn entry_shutdown(&mut self) {
        for slot in [0, 1] {
            self.entry_close(slot);
        }
    }

    /// Tells the engine whether orders may take this way, once per change.
    fn entry_tell(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        match (self.entry.ready().is_some(), self.entry.told) {
            (true, told) if told != Some(LinkState::Up) => self.entry_say(LinkState::Up, now, updates),
            (false, Some(LinkState::Up)) => self.entry_say(LinkState::Lost, now, updates),
            _ => {}
        }
    }

    fn entry_say(&mut self, state: LinkState, now: MonoNanos, updates: &mut Vec<Input>) {
        self.entry.told = Some(state);
        updates.push(Input::Link(LinkChange { venue: self.venue, role: LinkRole::OrderEntry, state, at: now }));
    }
}

/// The channel that one request takes.
const fn channel_of(what: &What) -> EntryChannel {
    match what {
        What::Place { .. } => EntryChannel::Place,
        What::Amend(_) => EntryChannel::Amend,
        What::Cancel(_) => EntryChannel::Cancel,
        What::CancelAll(_) => EntryChannel::CancelPair,
        // Nothing but look-ups is left that is ever handed to this way.
        _ => EntryChannel::Status,
    }
}

fn cancelled_order(asked: &Asked) -> Option<&OrderRef> {
    if let What::Cancel(order) = &asked.what { Some(order) } else { None }
}

/// Whether a row of a cancel by ids is about this order.
fn names(row: &CancelledId, order: &OrderRef) -> bool {
    let by_text = |text: &str| crate::wire::rows::client_id(text) == Some(order.client_id);
    let by_id = order.venue_order_id.is_some_and(|id| id.to_string() == row.id);
    by_id || by_text(&row.id) || row.text.as_deref().is_some_and(by_text)
}

/// A refusal or failure, with its class.
fn failed<T>(status: u16, label: Option<ErrorLabel>) -> Told<T> {
    let class = errors::class(status, label.as_ref().map(|label| label.0.as_str()));
    Told::Failed { status, class, label }
}
