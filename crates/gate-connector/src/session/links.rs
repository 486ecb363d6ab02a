//! The two WebSocket links: public (books) and private (orders, executions, balances).
//!
//! A link is waited for, opened, subscribed on, pinged and given up here (Gate API v4, keep-alive). A subscription is a state
//! machine of its own: asked, acknowledged, served. An acknowledgement is no proof of service (§14.1 of the fact sheet), so each
//! book stream has a deadline for its first frame. Every wait has a bound; at the bound the link is closed and opened anew with
//! jittered back-off, and everything is subscribed and signed afresh.

use super::books::BookChannel;
use super::{GateSession, Jitter, Outgoing, backoff_ns};
use crate::wire::PairNames;
use crate::wire::frames::{Channel, Reply};
use domain::time::{MILLI, SECOND};
use domain::{FrameReject, Input, LinkChange, LinkRole, LinkState, MonoNanos, PairId, ReadKind, ResyncReason};
use venue::LinkId;

/// A request on a link that is not acknowledged in this time takes the link down.
pub(super) const ACK_TIMEOUT_NS: u64 = 5 * SECOND;
/// An application ping goes out this often.
pub(super) const PING_PERIOD_NS: u64 = 15 * SECOND;
/// A link that carried nothing for this long (three lost pongs) is dead.
pub(super) const SILENCE_MAX_NS: u64 = 45 * SECOND;
/// A book stream that is acknowledged but sends nothing is asked for again after this long, doubled each time.
pub(super) const UNSERVED_NS: u64 = 10 * SECOND;
const UNSERVED_MAX_NS: u64 = 160 * SECOND;
/// Pongs but no book at all for this long: the link is reopened, with this wait doubled each time so that a quiet market
/// does not storm.
const DATA_SILENCE_NS: u64 = 30 * SECOND;
const DATA_SILENCE_MAX_NS: u64 = 600 * SECOND;
/// Back-off of reconnects.
const RECONNECT_FIRST_NS: u64 = 100 * MILLI;
const RECONNECT_MAX_NS: u64 = 10 * SECOND;
/// A link that was up for this long starts its back-off anew.
const STABLE_NS: u64 = 10 * SECOND;
/// After so many plain repeats of the request the stream is left first and then asked for.
const NUDGES: u32 = 2;
/// A refused book subscription is tried again after this long, doubled each time.
const REFUSED_FIRST_NS: u64 = 2 * SECOND;
const REFUSED_MAX_NS: u64 = 60 * SECOND;

/// One thing to subscribe to.
#[derive(Clone, Debug)]
pub(super) struct Subscription {
    pub(super) channel: Channel,
    pub(super) payload: Vec<String>,
    /// The pair of a book stream.
    pub(super) pair: Option<PairId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Idle,
    /// Subscribe sent.
    Asked {
        id: u64,
        at: MonoNanos,
    },
    /// Acknowledged.
    Live {
        at: MonoNanos,
    },
    /// Unsubscribe sent; subscribe follows its acknowledgement.
    Leaving {
        id: u64,
        at: MonoNanos,
    },
    /// Refused; asked again at this time.
    Refused {
        until: MonoNanos,
    },
}

struct Stream {
    subscription: Subscription,
    stage: Stage,
    /// A frame came since it was asked for (perhaps before the acknowledgement).
    served: bool,
    unserved_ns: u64,
    /// Times it was asked again for want of frames.
    nudges: u32,
    refusals: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Off,
    Waiting(MonoNanos),
    Connecting,
    Open,
    Closing,
}

/// One link.
pub(super) struct Link {
    id: LinkId,
    wanted: bool,
    phase: Phase,
    attempts: u32,
    opened: MonoNanos,
    last_frame: MonoNanos,
    next_ping: MonoNanos,
    last_data: MonoNanos,
    data_silence_ns: u64,
    streams: Vec<Stream>,
    told: Option<LinkState>,
}

impl Link {
    fn new(role: LinkRole, wanted: bool, subscriptions: Vec<Subscription>) -> Link {
        let stream = |subscription| Stream {
            subscription,
            stage: Stage::Idle,
            served: false,
            unserved_ns: UNSERVED_NS,
            nudges: 0,
            refusals: 0,
        };
        let zero = MonoNanos(0);
        Link {
            id: LinkId { role, shard: 0 },
            wanted,
            phase: Phase::Off,
            attempts: 0,
            opened: zero,
            last_frame: zero,
            next_ping: zero,
            last_data: zero,
            data_silence_ns: DATA_SILENCE_NS,
            streams: subscriptions.into_iter().map(stream).collect(),
            told: None,
        }
    }

    /// Notes a frame; true when the link is being closed and its frames are old.
    pub(super) fn saw_frame(&mut self, now: MonoNanos) -> bool {
        self.last_frame = self.last_frame.max(now);
        self.phase != Phase::Open
    }

    /// The link is gone: waits for its next try, or stays off.
    pub(super) fn lost(&mut self, now: MonoNanos, stopped: bool, jitter: &mut Jitter) {
        let was_open = matches!(self.phase, Phase::Open | Phase::Closing);
        if was_open && now.since(self.opened) >= STABLE_NS {
            self.attempts = 0;
        }
        for stream in &mut self.streams {
            stream.stage = Stage::Idle;
            stream.served = false;
        }
        if stopped || !self.wanted {
            self.phase = Phase::Off;
            return;
        }
        let wait = jitter.spread(backoff_ns(RECONNECT_FIRST_NS, RECONNECT_MAX_NS, self.attempts));
        self.attempts = self.attempts.saturating_add(1);
        self.phase = Phase::Waiting(now.after(wait));
    }

    fn all_live(&self) -> bool {
        self.streams.iter().all(|stream| matches!(stream.stage, Stage::Live { .. }))
    }

    /// When this link's data silence is up, while some stream was served.
    fn data_deadline(&self) -> Option<MonoNanos> {
        let served = self.id.role == LinkRole::Public && self.streams.iter().any(|stream| stream.served);
        served.then(|| self.last_data.after(self.data_silence_ns))
    }

    fn next_timeout(&self) -> Option<MonoNanos> {
        match self.phase {
            Phase::Off | Phase::Connecting | Phase::Closing => None,
            Phase::Waiting(at) => Some(at),
            Phase::Open => {
                let streams = self.streams.iter().filter_map(Stream::deadline);
                let fixed = [self.next_ping, self.last_frame.after(SILENCE_MAX_NS)];
                streams.chain(fixed).chain(self.data_deadline()).min()
            }
        }
    }
}

impl Stream {
    fn deadline(&self) -> Option<MonoNanos> {
        match self.stage {
            Stage::Idle => None,
            Stage::Asked { at, .. } | Stage::Leaving { at, .. } => Some(at.after(ACK_TIMEOUT_NS)),
            Stage::Live { at } if !self.served && !self.subscription.channel.is_private() => Some(at.after(self.unserved_ns)),
            Stage::Live { .. } => None,
            Stage::Refused { until } => Some(until),
        }
    }

    /// True when this is the request that `reply` answers: by id, or where none is echoed by pair and state.
    fn answers(&self, reply: &Reply) -> bool {
        let id = match (self.stage, reply.subscribe) {
            (Stage::Asked { id, .. }, true) | (Stage::Leaving { id, .. }, false) => id,
            _ => return false,
        };
        self.subscription.channel == reply.channel
            && match reply.id {
                Some(echoed) => echoed == id,
                None => reply.pair.is_none() || self.subscription.pair.is_none() || reply.pair == self.subscription.pair,
            }
    }
}

/// Both links.
pub(super) struct Links {
    links: [Link; 2],
}

impl Links {
    pub(super) fn new(names: &PairNames, channel: BookChannel, private: bool) -> Links {
        let book = |(name, pair): (&str, PairId)| Subscription {
            channel: channel.wire(),
            payload: channel.payload(name),
            pair: Some(pair),
        };
        let all: Vec<String> = names.iter().map(|(name, _)| name.to_string()).collect();
        let own = |channel, payload: &[String]| Subscription { channel, payload: payload.to_vec(), pair: None };
        let own = vec![own(Channel::Orders, &all), own(Channel::UserTrades, &all), own(Channel::Balances, &[])];
        let public = Link::new(LinkRole::Public, true, names.iter().map(book).collect());
        Links { links: [public, Link::new(LinkRole::Private, private, own)] }
    }

    /// The links to open at start.
    pub(super) fn start(&mut self, now: MonoNanos) -> Vec<LinkId> {
        let mut open = Vec::new();
        for link in self.links.iter_mut().filter(|link| link.wanted && link.phase == Phase::Off) {
            link.phase = Phase::Connecting;
            link.opened = now;
            open.push(link.id);
        }
        open
    }

    pub(super) fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.links.iter_mut().find(|link| link.id == id)
    }

    fn role_mut(&mut self, role: LinkRole) -> Option<&mut Link> {
        self.links.iter_mut().find(|link| link.id.role == role)
    }

    pub(super) fn is_wanted(&self, role: LinkRole) -> bool {
        self.links.iter().any(|link| link.id.role == role && link.wanted)
    }

    /// True when this is news: the link was being opened.
    pub(super) fn connected(&mut self, id: LinkId, now: MonoNanos) -> bool {
        let Some(link) = self.get_mut(id) else { return false };
        if link.phase != Phase::Connecting {
            return false;
        }
        link.phase = Phase::Open;
        link.opened = now;
        link.last_frame = now;
        link.last_data = now;
        link.next_ping = now.after(PING_PERIOD_NS);
        true
    }

    /// Notes a book frame of `pair`.
    pub(super) fn served(&mut self, pair: PairId, now: MonoNanos) {
        let Some(link) = self.role_mut(LinkRole::Public) else { return };
        link.last_data = now;
        link.data_silence_ns = DATA_SILENCE_NS;
        if let Some(stream) = link.streams.iter_mut().find(|stream| stream.subscription.pair == Some(pair)) {
            stream.served = true;
            stream.unserved_ns = UNSERVED_NS;
            stream.nudges = 0;
        }
    }

    pub(super) fn next_timeout(&self) -> Option<MonoNanos> {
        self.links.iter().filter_map(Link::next_timeout).min()
    }
}

impl GateSession {
    /// Tells the engine about a link, once per change; a loss is told only after something else was.
    pub(super) fn tell_link(&mut self, role: LinkRole, state: LinkState, now: MonoNanos, updates: &mut Vec<Input>) {
        let Some(link) = self.links.role_mut(role) else { return };
        if link.told == Some(state) || (link.told.is_none() && state == LinkState::Lost) {
            return;
        }
        link.told = Some(state);
        updates.push(Input::Link(LinkChange { venue: self.venue, role, state, at: now }));
    }

    /// Closes a link; `handle_lost` decides when it is opened again.
    pub(super) fn close_link(&mut self, role: LinkRole) {
        let stopped = self.stopped;
        let Some(link) = self.links.role_mut(role) else { return };
        match link.phase {
            Phase::Open | Phase::Connecting => {
                link.phase = Phase::Closing;
                let id = link.id;
                self.queue.retain(|out| !matches!(out, Outgoing::Open(l) if *l == id));
                self.queue.push_back(Outgoing::Close(id));
            }
            Phase::Waiting(_) if stopped => link.phase = Phase::Off,
            Phase::Waiting(_) | Phase::Off | Phase::Closing => {}
        }
    }

    pub(super) fn subscribe_all(&mut self, role: LinkRole, now: MonoNanos) {
        let count = self.links.role_mut(role).map_or(0, |link| link.streams.len());
        for index in 0..count {
            self.request(role, index, true, now);
        }
    }

    /// Queues a subscribe or unsubscribe request of one stream.
    fn request(&mut self, role: LinkRole, index: usize, subscribe: bool, now: MonoNanos) {
        self.frame_ids = self.frame_ids % 0x7fff_ffff + 1;
        let id = self.frame_ids;
        let Some(link) = self.links.role_mut(role) else { return };
        let link_id = link.id;
        let Some(stream) = link.streams.get_mut(index) else { return };
        stream.served = false;
        stream.stage = if subscribe { Stage::Asked { id, at: now } } else { Stage::Leaving { id, at: now } };
        let subscription = stream.subscription.clone();
        self.queue.push_back(Outgoing::Subscription { link: link_id, id, subscription, subscribe });
    }

    /// Leaves a book stream and asks for it again, if it is acknowledged now.
    pub(super) fn resubscribe(&mut self, pair: PairId, now: MonoNanos) {
        let Some(link) = self.links.role_mut(LinkRole::Public) else { return };
        let live = |stream: &Stream| stream.subscription.pair == Some(pair) && matches!(stream.stage, Stage::Live { .. });
        if link.phase == Phase::Open
            && let Some(index) = link.streams.iter().position(live)
        {
            self.request(LinkRole::Public, index, false, now);
        }
    }

    pub(super) fn on_reply(&mut self, role: LinkRole, reply: Reply, now: MonoNanos, updates: &mut Vec<Input>) {
        if reply.error.is_some() {
            self.stats.reject(FrameReject::VenueError);
        } else {
            self.stats.ignored += 1;
        }
        let Some(link) = self.links.role_mut(role) else { return };
        let Some(index) = link.streams.iter().position(|stream| stream.answers(&reply)) else { return };
        let Some(stream) = link.streams.get_mut(index) else { return };
        if !reply.subscribe {
            // Left, or was not subscribed: either way it can be asked for again.
            return self.request(role, index, true, now);
        }
        match (reply.error, stream.subscription.pair) {
            (None, _) => stream.stage = Stage::Live { at: now },
            (Some(_), Some(pair)) => {
                let wait = backoff_ns(REFUSED_FIRST_NS, REFUSED_MAX_NS, stream.refusals);
                stream.refusals = stream.refusals.saturating_add(1);
                stream.stage = Stage::Refused { until: now.after(wait) };
                self.resync(pair, ResyncReason::Unserved, None, now, updates);
            }
            (Some(_), None) => {
                // A private channel was refused, perhaps for the time it was signed with, perhaps for the key: a signed read
                // tells by its label, which the stream does not have.
                self.start_clock_round(now);
                self.submit_read(ReadKind::Account, now, updates);
                return self.close_link(role);
            }
        }
        let all_live = self.links.role_mut(role).is_some_and(|link| link.all_live());
        if role == LinkRole::Private && all_live {
            self.tell_link(role, LinkState::Up, now, updates);
        }
    }

    pub(super) fn links_timeout(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        for role in [LinkRole::Public, LinkRole::Private] {
            self.link_timeout(role, now, updates);
        }
    }

    fn link_timeout(&mut self, role: LinkRole, now: MonoNanos, updates: &mut Vec<Input>) {
        let Some(link) = self.links.role_mut(role) else { return };
        match link.phase {
            Phase::Waiting(at) if at <= now => {
                link.phase = Phase::Connecting;
                let id = link.id;
                return self.queue.push_back(Outgoing::Open(id));
            }
            Phase::Open => {}
            _ => return,
        }
        for stream in &mut link.streams {
            // Frames of a stream are a better proof of the subscription than its lost acknowledgement.
            if let Stage::Asked { at, .. } = stream.stage
                && stream.served
                && at.after(ACK_TIMEOUT_NS) <= now
            {
                stream.stage = Stage::Live { at: now };
            }
        }
        let unacknowledged = |stream: &Stream| match stream.stage {
            Stage::Asked { at, .. } | Stage::Leaving { at, .. } => at.after(ACK_TIMEOUT_NS) <= now,
            _ => false,
        };
        if now.since(link.last_frame) >= SILENCE_MAX_NS || link.streams.iter().any(unacknowledged) {
            return self.close_link(role);
        }
        if link.data_deadline().is_some_and(|at| at <= now) {
            link.data_silence_ns = link.data_silence_ns.saturating_mul(2).min(DATA_SILENCE_MAX_NS);
            return self.close_link(role);
        }
        if link.next_ping <= now {
            link.next_ping = now.after(PING_PERIOD_NS);
            let id = link.id;
            self.queue.push_back(Outgoing::Ping(id));
        }
        for index in 0.. {
            let Some(stream) = self.links.role_mut(role).and_then(|link| link.streams.get_mut(index)) else { break };
            if stream.deadline().is_none_or(|at| at > now) {
                continue;
            }
            match (stream.stage, stream.subscription.pair) {
                (Stage::Refused { .. }, _) => self.request(role, index, true, now),
                (Stage::Live { .. }, Some(pair)) => {
                    stream.unserved_ns = stream.unserved_ns.saturating_mul(2).min(UNSERVED_MAX_NS);
                    stream.stage = Stage::Live { at: now };
                    stream.nudges += 1;
                    let leave = stream.nudges > NUDGES;
                    let subscription = stream.subscription.clone();
                    self.resync(pair, ResyncReason::Unserved, None, now, updates);
                    if leave {
                        self.request(role, index, false, now);
                    } else {
                        // Its acknowledgement is not waited for: the first one holds.
                        self.frame_ids = self.frame_ids % 0x7fff_ffff + 1;
                        let (link, id) = (LinkId { role, shard: 0 }, self.frame_ids);
                        self.queue.push_back(Outgoing::Subscription { link, id, subscription, subscribe: true });
                    }
                }
                _ => {}
            }
        }
    }
}
