//! The WebSocket links of the streams: public (books and other news) and private (orders, executions, balances).
//!
//! A link is waited for, opened, subscribed on, pinged and given up here (Gate API v4, keep-alive); what is subscribed on it is in
//! [`super::streams`]. Every wait has a bound; at the bound the link is closed and opened anew with jittered back-off, and
//! everything is subscribed and signed afresh. A link that the venue asks to leave is replaced before it is dropped:
//! [`super::handover`]. The private link is told `Up` only once it is proved: every channel acknowledged and, after that, a ping of
//! this very connection answered (F28).

use super::GateSession;
use super::books::BookChannel;
use super::handover::Handover;
use super::streams::{ACK_TIMEOUT_NS, Came, Overdue, Stage, Stream, Subscription};
use super::wire::StreamFrame;
use crate::wire::PairNames;
use crate::wire::frames::{Channel, ErrorCause, Reply};
use crate::wire::news::NewsWanted;
use domain::time::{MILLI, SECOND};
use domain::{
    FrameReject, Input, LinkChange, LinkRole, LinkState, MonoNanos, PairId, ReadKind, ResyncReason, SendStamp, VenueNanos,
};
use venue::backoff::Jitter;
use venue::connection::{Connection, Phase, Reconnect};
use venue::{LinkId, LossReason};

/// An application ping goes out this often.
pub(super) const PING_PERIOD_NS: u64 = 15 * SECOND;
/// A link that carried nothing for this long (three lost pongs) is dead.
pub(super) const SILENCE_MAX_NS: u64 = 45 * SECOND;
/// Pongs but no news at all for this long: the link is reopened, with this wait doubled each time so that a quiet market
/// does not storm. Books that an audit proves to be quiet do not count as silence.
const DATA_SILENCE_NS: u64 = 30 * SECOND;
const DATA_SILENCE_MAX_NS: u64 = 600 * SECOND;
/// Back-off of reconnects; a link that was up for ten seconds starts it anew.
const RECONNECT: Reconnect = Reconnect { first_ns: 100 * MILLI, max_ns: 10 * SECOND, stable_ns: 10 * SECOND };

/// Subscriptions of a connection that may wait for their acknowledgements together: with hundreds of pairs the next ones leave as the
/// first are answered. Gate publishes no bound.
const ASKED_MAX: usize = 16;

/// What is subscribed on the private link.
const PRIVATE_CHANNELS: [Channel; 3] = [Channel::Orders, Channel::UserTrades, Channel::Balances];

/// Whether a connection proved that it answers after everything on it was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    Missing,
    /// A ping went out for it.
    Asked(MonoNanos),
    Given,
}

/// One connection, or the wait for one.
pub(super) struct Link {
    pub(super) conn: Connection,
    next_ping: MonoNanos,
    last_data: MonoNanos,
    data_silence_ns: u64,
    proof: Proof,
    /// Its number among the connections of this session ([`SendStamp::connection`]).
    pub(super) connection: u32,
    /// The last pong: when it came and when the venue sent it.
    pong: Option<(MonoNanos, SendStamp)>,
    pub(super) streams: Vec<Stream>,
}

impl Link {
    pub(super) fn new(id: LinkId, streams: Vec<Stream>) -> Link {
        let zero = MonoNanos(0);
        Link {
            conn: Connection::new(id),
            next_ping: zero,
            last_data: zero,
            data_silence_ns: DATA_SILENCE_NS,
            proof: Proof::Missing,
            connection: 0,
            pong: None,
            streams,
        }
    }

    fn connected(&mut self, connection: u32, now: MonoNanos) {
        self.connection = connection;
        self.last_data = now;
        self.next_ping = now.after(PING_PERIOD_NS);
        self.proof = Proof::Missing;
        self.pong = None;
    }

    /// The link is gone: waits for its next try, or stays off.
    pub(super) fn lost(&mut self, now: MonoNanos, wanted: bool, jitter: &mut Jitter) {
        self.conn.lost(now, wanted, &RECONNECT, jitter);
        self.streams.iter_mut().for_each(Stream::reset);
    }

    /// Everything that was asked for is answered.
    pub(super) fn is_settled(&self) -> bool {
        self.conn.is_open() && self.streams.iter().all(Stream::is_settled)
    }

    /// Settled, and a ping after that was answered.
    pub(super) fn is_proved(&self) -> bool {
        self.is_settled() && self.proof == Proof::Given
    }

    pub(super) fn book_stream(&mut self, pair: PairId) -> Option<&mut Stream> {
        self.streams.iter_mut().find(|stream| stream.subscription.book() == Some(pair))
    }

    /// When this link's data silence is up, while some stream was served.
    fn data_deadline(&self) -> Option<MonoNanos> {
        let served = self.conn.id.role == LinkRole::Public && self.streams.iter().any(Stream::was_served);
        served.then(|| self.last_data.after(self.data_silence_ns))
    }

    pub(super) fn next_timeout(&self) -> Option<MonoNanos> {
        match self.conn.phase {
            Phase::Off | Phase::Connecting | Phase::Closing => None,
            Phase::Waiting(at) => Some(at),
            Phase::Open => {
                let streams = self.streams.iter().filter_map(Stream::deadline);
                let fixed = [self.next_ping, self.conn.last_frame().after(SILENCE_MAX_NS)];
                let proof = if let Proof::Asked(at) = self.proof { Some(at.after(ACK_TIMEOUT_NS)) } else { None };
                streams.chain(fixed).chain(self.data_deadline()).chain(proof).min()
            }
        }
    }
}

/// Which connection of its role a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The one in use.
    Current,
    /// The one that will take its place.
    Next,
    /// Closed by us, or about to be.
    Closing,
}

/// The links of one role.
pub(super) struct Role {
    pub(super) wanted: bool,
    told: Option<LinkState>,
    pub(super) current: Link,
    pub(super) next: Option<Handover>,
    /// The venue asked for a new connection: when it may be begun.
    pub(super) notice: Option<MonoNanos>,
    /// Notices before this time wait for it.
    pub(super) calm_until: MonoNanos,
}

/// Both roles.
pub(super) struct Links {
    roles: [Role; 2],
    /// Connections that were replaced and are being closed.
    pub(super) retired: Vec<LinkId>,
    /// Connections that were opened in this session.
    connections: u32,
}

/// What is subscribed besides books and private news, one stream a channel for all pairs.
pub(super) fn news_channels(wanted: NewsWanted) -> impl Iterator<Item = Channel> {
    let all = [(wanted.book_ticker, Channel::BookTicker), (wanted.trades, Channel::Trades), (wanted.tickers, Channel::Tickers)];
    all.into_iter().filter(|(wanted, _)| *wanted).map(|(_, channel)| channel)
}

impl Links {
    pub(super) fn new(names: &PairNames, channel: BookChannel, news: NewsWanted, private: bool) -> Links {
        let book = |(name, pair): (&str, PairId)| Subscription {
            channel: channel.wire(),
            payload: channel.payload(name),
            pairs: vec![pair],
        };
        let payload: Vec<String> = names.iter().map(|(name, _)| name.to_string()).collect();
        let pairs: Vec<PairId> = names.iter().map(|(_, pair)| pair).collect();
        let all = |channel| match channel {
            // Takes no pairs.
            Channel::Balances => Subscription { channel, payload: Vec::new(), pairs: Vec::new() },
            _ => Subscription { channel, payload: payload.clone(), pairs: pairs.clone() },
        };
        let news = news_channels(news).filter(|_| !pairs.is_empty()).map(all);
        let public = names.iter().map(book).chain(news).map(Stream::new).collect();
        let own = PRIVATE_CHANNELS.into_iter().map(all).map(Stream::new).collect();
        let role = |role, wanted, streams| Role {
            wanted,
            told: None,
            current: Link::new(LinkId { role, shard: 0 }, streams),
            next: None,
            notice: None,
            calm_until: MonoNanos(0),
        };
        Links {
            roles: [role(LinkRole::Public, true, public), role(LinkRole::Private, private, own)],
            retired: Vec::new(),
            connections: 0,
        }
    }

    /// The links to open at start.
    pub(super) fn start(&mut self) -> Vec<LinkId> {
        let mut open = Vec::new();
        for role in self.roles.iter_mut().filter(|role| role.wanted && role.current.conn.phase == Phase::Off) {
            open.push(role.current.conn.open());
        }
        open
    }

    pub(super) fn role(&mut self, role: LinkRole) -> Option<&mut Role> {
        self.roles.iter_mut().find(|one| one.current.conn.id.role == role)
    }

    pub(super) fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        let role = self.role(id.role)?;
        if role.current.conn.id == id {
            return Some(&mut role.current);
        }
        role.next.as_mut().map(|next| &mut next.link).filter(|link| link.conn.id == id)
    }

    pub(super) fn is_next(&self, id: LinkId) -> bool {
        self.roles.iter().any(|role| role.next.as_ref().is_some_and(|next| next.link.conn.id == id))
    }

    /// Notes a frame; `None` for a link that this session does not know.
    pub(super) fn saw_frame(&mut self, id: LinkId, now: MonoNanos) -> Option<Place> {
        if self.retired.contains(&id) {
            return Some(Place::Closing);
        }
        let is_next = self.is_next(id);
        let link = self.get_mut(id)?;
        link.conn.frame_came(now);
        Some(match (link.conn.phase, is_next) {
            (Phase::Open, false) => Place::Current,
            (Phase::Open, true) => Place::Next,
            _ => Place::Closing,
        })
    }

    pub(super) fn is_wanted(&self, role: LinkRole) -> bool {
        self.roles.iter().any(|one| one.current.conn.id.role == role && one.wanted)
    }

    /// True while the engine holds the public link for usable.
    pub(super) fn is_public_up(&self) -> bool {
        self.roles.iter().any(|one| one.current.conn.id.role == LinkRole::Public && one.told == Some(LinkState::Up))
    }

    /// The last pong of the public link in use.
    pub(super) fn public_pong(&mut self) -> Option<(MonoNanos, SendStamp)> {
        self.role(LinkRole::Public)?.current.pong
    }

    /// The public link, or the one that will take its place.
    pub(super) fn public(&mut self, next: bool) -> Option<&mut Link> {
        let role = self.role(LinkRole::Public)?;
        if next { role.next.as_mut().map(|next| &mut next.link) } else { Some(&mut role.current) }
    }

    /// Notes a frame of a book stream.
    pub(super) fn book_came(&mut self, next: bool, pair: PairId, begins: bool, now: MonoNanos) -> Came {
        let Some(link) = self.public(next) else { return Came::Again };
        let came = link.book_stream(pair).map_or(Came::Again, |stream| stream.came(begins));
        // The answer to a subscription tells nothing about a market being alive.
        link.news_came(now, came != Came::First);
        came
    }

    /// A book is proved to be quiet: no silence of the link's.
    pub(super) fn quiet_proved(&mut self, now: MonoNanos) {
        if let Some(link) = self.public(false) {
            link.last_data = link.last_data.max(now);
        }
    }

    pub(super) fn next_timeout(&self) -> Option<MonoNanos> {
        let role = |role: &Role| {
            let next = role.next.as_ref().and_then(Handover::next_timeout);
            [role.current.next_timeout(), next, role.notice].into_iter().flatten().min()
        };
        self.roles.iter().filter_map(role).min()
    }
}

impl Link {
    /// Notes news of any public stream.
    pub(super) fn news_came(&mut self, now: MonoNanos, alive: bool) {
        self.last_data = now;
        if alive {
            self.data_silence_ns = DATA_SILENCE_NS;
        }
    }
}

impl GateSession {
    /// Tells the engine about a link, once per change; a loss is told only after something else was.
    pub(super) fn tell_link(&mut self, role: LinkRole, state: LinkState, now: MonoNanos, updates: &mut Vec<Input>) {
        if role == LinkRole::Private {
            return self.desk.tell_private(state, now, updates);
        }
        let Some(link) = self.links.role(role) else { return };
        if link.told == Some(state) || (link.told.is_none() && state == LinkState::Lost) {
            return;
        }
        link.told = Some(state);
        updates.push(Input::Link(LinkChange { venue: self.desk.venue, role, state, at: now }));
    }

    pub(super) fn link_connected(&mut self, id: LinkId, now: MonoNanos, updates: &mut Vec<Input>) {
        let is_next = self.links.is_next(id);
        let connection = self.links.connections.wrapping_add(1);
        let Some(link) = self.links.get_mut(id) else { return };
        if !link.conn.connected(now) {
            return;
        }
        link.connected(connection, now);
        self.links.connections = connection;
        if id.role == LinkRole::Public && !is_next {
            self.tell_link(id.role, LinkState::Up, now, updates);
        }
        self.ask_next(id, now);
    }

    /// Asks for streams that nobody asked for yet on this connection, as far as the bound goes.
    pub(super) fn ask_next(&mut self, id: LinkId, now: MonoNanos) {
        let Some(link) = self.links.get_mut(id).filter(|link| link.conn.is_open()) else { return };
        let waits = |stream: &&Stream| matches!(stream.stage, Stage::Asked { .. }) && !stream.served;
        let free = ASKED_MAX.saturating_sub(link.streams.iter().filter(waits).count());
        let idle = link.streams.iter().enumerate().filter(|(_, stream)| stream.stage == Stage::Idle);
        let next: Vec<usize> = idle.map(|(index, _)| index).take(free).collect();
        for index in next {
            self.request(id, index, true, now);
        }
    }

    pub(super) fn link_lost(&mut self, id: LinkId, now: MonoNanos, reason: LossReason, updates: &mut Vec<Input>) {
        // Frames still queued for the old connection would be signed for, or mean, another one.
        self.desk.forget_queued(id);
        if let Some(index) = self.links.retired.iter().position(|retired| *retired == id) {
            self.links.retired.swap_remove(index);
            return;
        }
        let is_next = self.links.is_next(id);
        let wanted = !self.desk.is_stopped() && self.links.is_wanted(id.role);
        let Some(link) = self.links.get_mut(id) else { return };
        link.lost(now, wanted, &mut self.desk.jitter);
        self.desk.stats.reconnect(reason.as_str());
        if is_next {
            return self.next_lost(id.role, now, updates);
        }
        if self.take_over_at_loss(id.role, now, updates) {
            return;
        }
        self.tell_link(id.role, LinkState::Lost, now, updates);
        if id.role == LinkRole::Public {
            self.books_down(ResyncReason::Reconnect, now, updates);
        } else {
            self.desk.private_down(now);
        }
    }

    /// Closes the link of a role, and the one that was to take its place; `handle_lost` decides when it is opened again.
    pub(super) fn close_link(&mut self, role: LinkRole) {
        self.drop_next(role);
        let stopped = self.desk.is_stopped();
        let Some(link) = self.links.role(role).map(|role| &mut role.current) else { return };
        match link.conn.phase {
            Phase::Open | Phase::Connecting => {
                link.conn.phase = Phase::Closing;
                let id = link.conn.id;
                self.desk.queue_close_instead(id);
            }
            Phase::Waiting(_) if stopped => link.conn.phase = Phase::Off,
            Phase::Waiting(_) | Phase::Off | Phase::Closing => {}
        }
    }

    fn next_frame_id(&mut self) -> u64 {
        self.frame_ids = self.frame_ids % 0x7fff_ffff + 1;
        self.frame_ids
    }

    /// Queues a subscribe or unsubscribe request of one stream.
    pub(super) fn request(&mut self, link: LinkId, index: usize, subscribe: bool, now: MonoNanos) {
        let id = self.next_frame_id();
        let Some(stream) = self.links.get_mut(link).and_then(|link| link.streams.get_mut(index)) else { return };
        stream.asked(id, subscribe, now);
        let subscription = stream.subscription.clone();
        self.desk.queue_frame(link, StreamFrame { id, subscription, subscribe });
    }

    /// Leaves a book's stream and asks for it again, if it is acknowledged now. True when it was.
    pub(super) fn resubscribe(&mut self, pair: PairId, next: bool, now: MonoNanos) -> bool {
        let Some(link) = self.links.public(next).filter(|link| link.conn.is_open()) else { return false };
        let live = |stream: &Stream| stream.subscription.book() == Some(pair) && stream.is_live();
        let (id, index) = (link.conn.id, link.streams.iter().position(live));
        match index {
            Some(index) => {
                self.request(id, index, false, now);
                true
            }
            None => false,
        }
    }

    pub(super) fn on_reply(&mut self, id: LinkId, reply: Reply, now: MonoNanos, updates: &mut Vec<Input>) {
        if reply.error.is_some() {
            self.desk.stats.reject(FrameReject::VenueError);
        } else {
            self.desk.stats.ignored += 1;
        }
        let Some(link) = self.links.get_mut(id) else { return };
        let Some(index) = link.streams.iter().position(|stream| stream.answers(&reply)) else { return };
        if !reply.subscribe {
            // Left, or was not subscribed: either way it can be asked for again.
            return self.request(id, index, true, now);
        }
        let Some(stream) = link.streams.get_mut(index) else { return };
        match reply.error.map(|error| error.cause) {
            // Subscribed already: that subscription goes on delivering. If it brings no whole book in time, it is left.
            None | Some(ErrorCause::AlreadySubscribed) => {
                stream.acknowledged(now);
                let private = stream.subscription.channel.is_private();
                if let Some(pair) = stream.subscription.pairs.first().copied().filter(|_| private) {
                    self.admit_if_told(id, pair, now);
                }
            }
            Some(cause) => self.on_refused(id, index, cause, now, updates),
        }
        self.ask_next(id, now);
        self.link_settled(id, now, updates);
    }

    /// Ends what a refused private channel of a pair began, once none of them is refused.
    fn admit_if_told(&mut self, id: LinkId, pair: PairId, now: MonoNanos) {
        let refused = |s: &Stream| s.subscription.pairs.first() == Some(&pair) && matches!(s.stage, Stage::Refused { .. });
        let link = self.links.get_mut(id);
        if link.is_none_or(|link| link.streams.iter().any(refused)) || !self.books.admit(pair) {
            return;
        }
        match self.books.index(pair) {
            Some(index) if self.books.channel.is_obu() => self.renew(index, now),
            Some(index) => self.recall(index, now),
            None => {}
        }
    }

    fn on_refused(&mut self, id: LinkId, index: usize, cause: ErrorCause, now: MonoNanos, updates: &mut Vec<Input>) {
        let Some(link) = self.links.get_mut(id) else { return };
        let Some(stream) = link.streams.get_mut(index) else { return };
        let parts = stream.parts();
        if cause == ErrorCause::Pair && !parts.is_empty() {
            // One pair failed the whole list: each on its own, so that just this one stays unserved.
            link.streams.remove(index);
            link.streams.extend(parts);
            return;
        }
        let private = stream.subscription.channel.is_private();
        let pair = stream.subscription.pairs.first().copied().filter(|_| stream.subscription.pairs.len() == 1);
        if private && cause != ErrorCause::Pair {
            // Perhaps for the time it was signed with, perhaps for the key: a signed read tells by its label, which the stream does
            // not have.
            self.desk.start_clock_round(now);
            self.desk.submit_read(ReadKind::Account, now, updates);
            return self.fail_link(id, now, updates);
        }
        let book = stream.subscription.book();
        stream.refused(now);
        match (book, pair) {
            (Some(pair), _) => self.resync(pair, ResyncReason::Unserved, None, now, updates),
            (None, Some(pair)) if private => {
                // Its orders would be unseen: nothing may be decided on this pair.
                self.books.bar(pair);
                self.resync(pair, ResyncReason::Unserved, None, now, updates);
            }
            _ => self.desk.stats.resync(ResyncReason::Unserved),
        }
    }

    /// Asks for the proof of life that a settled link owes, or acts on it.
    fn link_settled(&mut self, id: LinkId, now: MonoNanos, updates: &mut Vec<Input>) {
        let Some(link) = self.links.get_mut(id).filter(|link| link.is_settled()) else { return };
        if link.proof == Proof::Missing && id.role == LinkRole::Private {
            link.proof = Proof::Asked(now);
            link.next_ping = now.after(PING_PERIOD_NS);
            self.desk.queue_ping(id);
        }
        if self.links.is_next(id) {
            self.next_settled(id.role, now, updates);
        }
    }

    pub(super) fn on_pong(&mut self, id: LinkId, sent_at: Option<VenueNanos>, now: MonoNanos, updates: &mut Vec<Input>) {
        self.desk.stats.ignored += 1;
        let Some(link) = self.links.get_mut(id) else { return };
        if let Some(sent_at) = sent_at {
            link.pong = Some((now, SendStamp { at: sent_at, connection: link.connection }));
        }
        if let Proof::Asked(_) = link.proof {
            link.proof = Proof::Given;
        }
        if self.links.is_next(id) {
            self.next_settled(id.role, now, updates);
        } else if id.role == LinkRole::Private {
            self.desk().private_proved(now, updates);
        }
    }

    /// A ping out of turn, for its answer's time.
    pub(super) fn ping_public(&mut self, older_than_ns: u64, now: MonoNanos) {
        let Some(link) = self.links.public(false).filter(|link| link.conn.is_open()) else { return };
        let fresh = link.pong.is_some_and(|(at, _)| now.since(at) < older_than_ns);
        let asked = link.next_ping.0.saturating_sub(PING_PERIOD_NS);
        if !fresh && now.0.saturating_sub(asked) >= older_than_ns {
            link.next_ping = now.after(PING_PERIOD_NS);
            let id = link.conn.id;
            self.desk.queue_ping(id);
        }
    }

    /// Gives a connection up: the one in use is closed and opened anew, the one that was to follow it is tried again.
    pub(super) fn fail_link(&mut self, id: LinkId, now: MonoNanos, updates: &mut Vec<Input>) {
        if self.links.is_next(id) { self.fail_next(id.role, now, updates) } else { self.close_link(id.role) }
    }

    pub(super) fn links_timeout(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        for role in [LinkRole::Public, LinkRole::Private] {
            if let Some(id) = self.links.role(role).map(|role| role.current.conn.id) {
                self.link_timeout(id, now, updates);
            }
            self.handover_timeout(role, now, updates);
        }
        let open = self.links.role(LinkRole::Private).is_some_and(|role| role.current.conn.is_open());
        if self.desk().private_timeout(open, now, updates) {
            self.close_link(LinkRole::Private);
        }
    }

    pub(super) fn link_timeout(&mut self, id: LinkId, now: MonoNanos, updates: &mut Vec<Input>) {
        let Some(link) = self.links.get_mut(id) else { return };
        match link.conn.phase {
            Phase::Waiting(at) if at <= now => {
                link.conn.phase = Phase::Connecting;
                return self.desk.queue_open(id);
            }
            Phase::Open => {}
            _ => return,
        }
        let silent = now.since(link.conn.last_frame()) >= SILENCE_MAX_NS;
        let unproved = matches!(link.proof, Proof::Asked(at) if at.after(ACK_TIMEOUT_NS) <= now);
        if silent || unproved {
            return self.fail_link(id, now, updates);
        }
        if link.data_deadline().is_some_and(|at| at <= now) {
            link.data_silence_ns = link.data_silence_ns.saturating_mul(2).min(DATA_SILENCE_MAX_NS);
            return self.fail_link(id, now, updates);
        }
        if link.next_ping <= now {
            link.next_ping = now.after(PING_PERIOD_NS);
            self.desk.queue_ping(id);
        }
        let mut index = 0;
        while let Some(stream) = self.links.get_mut(id).and_then(|link| link.streams.get_mut(index)) {
            let due = stream.overdue(now);
            let (book, subscription) = (stream.subscription.book(), due.map(|_| stream.subscription.clone()));
            match due {
                None => {}
                Some(Overdue::Acknowledgement) => return self.fail_link(id, now, updates),
                Some(Overdue::Ask) => self.request(id, index, true, now),
                Some(unserved @ (Overdue::Leave | Overdue::Nudge)) => {
                    match book.filter(|pair| !self.links.is_next(id) && !self.books.is_on_next(*pair)) {
                        Some(pair) => {
                            // A copy may still come after a nudge; once its stream is left, the book waits for that to speak.
                            let floor = self.books.floor(pair).filter(|_| unserved == Overdue::Nudge);
                            self.resync(pair, ResyncReason::Unserved, floor, now, updates);
                        }
                        None => self.desk.stats.resync(ResyncReason::Unserved),
                    }
                    if unserved == Overdue::Leave {
                        self.request(id, index, false, now);
                    } else {
                        // Its acknowledgement is not waited for: the first one holds.
                        let frame = self.next_frame_id();
                        if let Some(subscription) = subscription {
                            self.desk.queue_frame(id, StreamFrame { id: frame, subscription, subscribe: true });
                        }
                    }
                }
            }
            index += 1;
        }
        self.ask_next(id, now);
    }
}
