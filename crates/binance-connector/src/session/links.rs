//! The connections: opened, subscribed on, kept, replaced before their time is over, given up.
//!
//! A group of streams lives on one of two lanes. Binance closes a connection after 24 hours, or earlier after a `serverShutdown`: the
//! other lane is then opened and subscribed first, both feed the same books for a moment ([`venue::book_sync::BookSync::expect_seam`]),
//! and only then the old one is closed. When a connection is lost while its replacement is ready, no book loses trust.
//!
//! Kept on every path: at most four control messages a second (Binance counts five, pongs included); every wait has a bound, at
//! which the connection is closed and opened anew with jittered back-off. An acknowledgement is no proof of service: each book
//! stream has a deadline for its first change, and is asked for again after it. A connection that carries nothing is asked for its
//! list of streams, which it must answer; protocol pings of the server are invisible here.

use super::feeds::{Group, Route, UNSERVED_NS};
use super::{BinanceSession, Outgoing};
use crate::wire::encode;
use crate::wire::frames::Reply;
use domain::time::{MILLI, SECOND};
use domain::{FrameReject, Input, LinkChange, LinkRole, LinkState, MonoNanos, PairId, ResyncReason};
use std::collections::VecDeque;
use venue::backoff::{Jitter, backoff_ns};
use venue::{LinkId, LossReason};

/// Time between two control messages of one connection.
pub(super) const CONTROL_PERIOD_NS: u64 = 250 * MILLI;
/// Streams in one control message.
const CONTROL_STREAMS_MAX: usize = 200;
/// A control message that is not answered in this time, by an answer or by its streams, takes the connection down.
pub(super) const ACK_TIMEOUT_NS: u64 = 10 * SECOND;
/// A connection that carried nothing for this long is asked for its list of streams.
pub(super) const QUIET_NS: u64 = 20 * SECOND;
/// One that carried nothing for this long is dead.
pub(super) const SILENCE_MAX_NS: u64 = 45 * SECOND;
/// Longest wait between two requests for a book stream that sends nothing.
const UNSERVED_MAX_NS: u64 = 160 * SECOND;
/// Every third time the stream is left before it is asked for again.
const NUDGES: u32 = 2;
/// Back-off of reconnects: Binance allows 300 attempts in five minutes.
const RECONNECT_FIRST_NS: u64 = 100 * MILLI;
const RECONNECT_MAX_NS: u64 = 20 * SECOND;
/// A connection that was up for this long starts its back-off anew.
const STABLE_NS: u64 = 10 * SECOND;
/// A connection is replaced at this age at least, and up to [`LIFE_SPREAD_NS`] later; Binance ends it at 24 hours.
pub(super) const LIFE_NS: u64 = 22 * 3600 * SECOND;
pub(super) const LIFE_SPREAD_NS: u64 = 3600 * SECOND;
/// A replacement that is subscribed takes over this long after its last acknowledgement, or with its first frame after it.
pub(super) const TAKE_OVER_NS: u64 = 5 * SECOND;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Off,
    Waiting(MonoNanos),
    Connecting,
    Open,
    Closing,
}

/// A control message to be sent, or sent.
#[derive(Clone, Debug)]
enum Control {
    /// Streams by position.
    Subscribe(Vec<usize>),
    Unsubscribe(Vec<usize>),
    List,
}

/// A control message that waits for its answer.
#[derive(Clone, Debug)]
struct Pending {
    id: u64,
    control: Control,
    at: MonoNanos,
}

/// One connection of a group.
struct Lane {
    link: LinkId,
    /// Its number among the connections of this session ([`domain::SendStamp::connection`]).
    connection: u32,
    phase: Phase,
    attempts: u32,
    opened: MonoNanos,
    last_frame: MonoNanos,
    replace_at: MonoNanos,
    controls: VecDeque<Control>,
    next_control: MonoNanos,
    pending: Vec<Pending>,
    /// When the last subscription was acknowledged, while none is outstanding.
    subscribed: Option<MonoNanos>,
}

impl Lane {
    fn new(link: LinkId) -> Lane {
        let zero = MonoNanos(0);
        Lane {
            link,
            connection: 0,
            phase: Phase::Off,
            attempts: 0,
            opened: zero,
            last_frame: zero,
            replace_at: zero,
            controls: VecDeque::new(),
            next_control: zero,
            pending: Vec::new(),
            subscribed: None,
        }
    }

    fn clear(&mut self) {
        self.controls.clear();
        self.pending.clear();
        self.subscribed = None;
    }

    fn is_asking(&self) -> bool {
        let asks = |control: &Control| matches!(control, Control::Subscribe(_));
        self.controls.iter().any(asks) || self.pending.iter().any(|pending| asks(&pending.control))
    }

    /// The next time at which something here is due.
    fn next_timeout(&self) -> Option<MonoNanos> {
        match self.phase {
            Phase::Off | Phase::Connecting | Phase::Closing => None,
            Phase::Waiting(at) => Some(at),
            Phase::Open => {
                let control = self.controls.front().map(|_| self.next_control);
                let pending = self.pending.iter().map(|pending| pending.at.after(ACK_TIMEOUT_NS)).min();
                let silence = self.last_frame.after(SILENCE_MAX_NS);
                let listed = self.pending.iter().any(|p| matches!(p.control, Control::List))
                    || self.controls.iter().any(|control| matches!(control, Control::List));
                let quiet = (!listed).then(|| self.last_frame.after(QUIET_NS));
                [control, pending, quiet, Some(silence)].into_iter().flatten().min()
            }
        }
    }
}

/// A group and its two lanes.
struct Feed {
    group: Group,
    lanes: [Lane; 2],
    /// Which lane the books count on.
    current: usize,
    /// The other lane is wanted as well, to take over.
    replacing: bool,
}

impl Feed {
    fn lane(&mut self) -> &mut Lane {
        &mut self.lanes[self.current]
    }

    fn other(&mut self) -> &mut Lane {
        &mut self.lanes[1 - self.current]
    }

    fn is_serving(&self) -> bool {
        self.lanes[self.current].phase == Phase::Open
    }

    fn books(&self) -> impl Iterator<Item = PairId> {
        self.group.streams.iter().filter_map(|stream| stream.book)
    }

    /// What was served before is no proof for another connection: every book stream has its deadline again.
    fn prove_again(&mut self, now: MonoNanos) {
        for stream in &mut self.group.streams {
            stream.served = false;
            stream.asked = Some(now);
        }
    }

    /// Every stream, in messages of a bounded size.
    fn subscriptions(&self) -> VecDeque<Control> {
        let all: Vec<usize> = (0..self.group.streams.len()).collect();
        all.chunks(CONTROL_STREAMS_MAX).map(|part| Control::Subscribe(part.to_vec())).collect()
    }

    fn next_timeout(&self) -> Option<MonoNanos> {
        let lanes = self.lanes.iter().filter_map(Lane::next_timeout);
        let serving = self.is_serving();
        let unserved = self
            .group
            .streams
            .iter()
            .filter(|s| serving && s.book.is_some() && !s.served)
            .filter_map(|s| s.asked.map(|asked| asked.after(s.unserved_ns)));
        let replace = (serving && !self.replacing).then(|| self.lanes[self.current].replace_at);
        let take_over = self.lanes[1 - self.current].subscribed.filter(|_| self.replacing).map(|at| at.after(TAKE_OVER_NS));
        lanes.chain(unserved).chain(replace).chain(take_over).min()
    }
}

/// All connections.
pub(super) struct Links {
    feeds: Vec<Feed>,
    /// By pair: group and position of its book stream.
    books: Vec<Option<(usize, usize)>>,
    control_ids: u64,
    /// Connections that were opened in this session.
    connections: u32,
}

impl Links {
    pub(super) fn new(groups: Vec<Group>) -> Links {
        let feed = |group: Group| Feed {
            lanes: [0, 1].map(|lane| Lane::new(group.route.link(group.number, lane))),
            group,
            current: 0,
            replacing: false,
        };
        let mut books = Vec::new();
        for (at, group) in groups.iter().enumerate() {
            for (position, stream) in group.streams.iter().enumerate() {
                if let Some(pair) = stream.book {
                    books.resize(books.len().max(pair.index() + 1), None);
                    books[pair.index()] = Some((at, position));
                }
            }
        }
        Links { feeds: groups.into_iter().map(feed).collect(), books, control_ids: 0, connections: 0 }
    }

    fn book_stream(&mut self, pair: PairId) -> Option<(&mut Feed, usize)> {
        let (feed, stream) = self.books.get(pair.index()).copied().flatten()?;
        Some((self.feeds.get_mut(feed)?, stream))
    }

    /// The links to open first.
    pub(super) fn start(&mut self) -> Vec<LinkId> {
        let mut open = Vec::new();
        for lane in self.feeds.iter_mut().map(Feed::lane).filter(|lane| lane.phase == Phase::Off) {
            lane.phase = Phase::Connecting;
            open.push(lane.link);
        }
        open
    }

    fn find(&mut self, link: LinkId) -> Option<(&mut Feed, usize)> {
        let feed = self.feeds.iter_mut().find(|feed| feed.lanes.iter().any(|lane| lane.link == link))?;
        let lane = feed.lanes.iter().position(|lane| lane.link == link)?;
        Some((feed, lane))
    }

    /// True when this is news: the link was being opened.
    pub(super) fn connected(&mut self, link: LinkId, now: MonoNanos, jitter: &mut Jitter) -> bool {
        let connection = self.connections.wrapping_add(1);
        let Some((feed, at)) = self.find(link) else { return false };
        if feed.lanes[at].phase != Phase::Connecting {
            return false;
        }
        let controls = feed.subscriptions();
        let lane = &mut feed.lanes[at];
        lane.clear();
        lane.connection = connection;
        lane.phase = Phase::Open;
        lane.opened = now;
        lane.last_frame = now;
        lane.next_control = now;
        lane.replace_at = now.after(LIFE_NS + jitter.spread(LIFE_SPREAD_NS));
        lane.controls = controls;
        if at == feed.current {
            for stream in &mut feed.group.streams {
                stream.served = false;
                stream.asked = None;
            }
        }
        self.connections = connection;
        true
    }

    /// The number of a link's connection, the last one if it is down.
    pub(super) fn connection(&mut self, link: LinkId) -> u32 {
        self.find(link).map_or(0, |(feed, at)| feed.lanes[at].connection)
    }

    /// Notes a frame; false for links that are not open.
    pub(super) fn saw_frame(&mut self, link: LinkId, now: MonoNanos) -> bool {
        let Some((feed, at)) = self.find(link) else { return false };
        let lane = &mut feed.lanes[at];
        lane.last_frame = lane.last_frame.max(now);
        lane.phase == Phase::Open
    }

    /// Notes a change of a book; true while two connections carry it.
    pub(super) fn served(&mut self, pair: PairId) -> bool {
        let Some((feed, at)) = self.book_stream(pair) else { return false };
        if let Some(stream) = feed.group.streams.get_mut(at) {
            stream.served = true;
            stream.unserved_ns = UNSERVED_NS;
            stream.nudges = 0;
        }
        feed.lanes.iter().all(|lane| lane.phase == Phase::Open)
    }

    /// The books that a link carries; none for a link of news.
    pub(super) fn book_pairs(&mut self, link: LinkId) -> Vec<PairId> {
        self.find(link).map(|(feed, _)| feed.books().collect()).unwrap_or_default()
    }

    /// Leaves a book stream and asks for it again.
    pub(super) fn resubscribe(&mut self, pair: PairId, now: MonoNanos) {
        let Some((feed, at)) = self.book_stream(pair) else { return };
        if let Some(stream) = feed.group.streams.get_mut(at) {
            stream.served = false;
            stream.asked = Some(now);
        }
        if feed.is_serving() {
            feed.lane().controls.extend([Control::Unsubscribe(vec![at]), Control::Subscribe(vec![at])]);
        }
    }

    pub(super) fn next_timeout(&self) -> Option<MonoNanos> {
        self.feeds.iter().filter_map(Feed::next_timeout).min()
    }
}

impl BinanceSession {
    pub(super) fn tell(&mut self, state: LinkState, now: MonoNanos, updates: &mut Vec<Input>) {
        if self.told == Some(state) || (self.told.is_none() && state != LinkState::Up) {
            return;
        }
        self.told = Some(state);
        updates.push(Input::Link(LinkChange { venue: self.venue, role: LinkRole::Public, state, at: now }));
    }

    /// The public side is up while every group of streams has a connection; a loss is told only after that.
    pub(super) fn tell_links(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        let up = self.links.feeds.iter().all(Feed::is_serving);
        match (up, self.told) {
            (true, _) => self.tell(LinkState::Up, now, updates),
            (false, Some(LinkState::Up | LinkState::Paused)) => self.tell(LinkState::Lost, now, updates),
            (false, _) => {}
        }
    }

    /// Sends the control messages whose time has come.
    pub(super) fn pump_controls(&mut self, now: MonoNanos) {
        let Links { feeds, control_ids, .. } = &mut self.links;
        for Feed { group, lanes, current, .. } in feeds {
            for (at, lane) in lanes.iter_mut().enumerate() {
                if lane.phase != Phase::Open || lane.next_control > now {
                    continue;
                }
                let Some(control) = lane.controls.pop_front() else { continue };
                lane.next_control = now.after(CONTROL_PERIOD_NS);
                *control_ids += 1;
                let id = *control_ids;
                let names = |streams: &[usize]| -> Vec<&str> {
                    streams.iter().filter_map(|s| group.streams.get(*s)).map(|s| s.name.as_str()).collect()
                };
                let text = match &control {
                    Control::Subscribe(streams) => encode::subscription(true, &names(streams), id),
                    Control::Unsubscribe(streams) => encode::subscription(false, &names(streams), id),
                    Control::List => encode::list_subscriptions(id),
                };
                self.queue.push_back(Outgoing::Control { link: lane.link, text });
                if let Control::Subscribe(streams) = &control
                    && at == *current
                {
                    for stream in streams {
                        if let Some(stream) = group.streams.get_mut(*stream) {
                            stream.asked = Some(now);
                        }
                    }
                }
                lane.pending.push(Pending { id, control, at: now });
            }
        }
    }

    /// The answer to a control message.
    pub(super) fn on_reply(&mut self, link: LinkId, reply: Reply, now: MonoNanos, updates: &mut Vec<Input>) {
        if reply.refused {
            self.stats.reject(FrameReject::VenueError);
        } else {
            self.stats.ignored += 1;
        }
        let Some((feed, at)) = self.links.find(link) else { return };
        let lane = &mut feed.lanes[at];
        let Some(found) = lane.pending.iter().position(|pending| Some(pending.id) == reply.id) else { return };
        let Pending { control, .. } = lane.pending.remove(found);
        if !lane.is_asking() {
            lane.subscribed = Some(now);
        }
        // Refused streams are asked for again by their deadlines; until then their books are not served, and said to be so.
        if let (true, Control::Subscribe(streams)) = (reply.refused, control) {
            let pairs: Vec<PairId> = streams.iter().filter_map(|s| feed.group.streams.get(*s)?.book).collect();
            for pair in pairs {
                self.resync(pair, ResyncReason::Unserved, None, now, updates);
            }
        }
    }

    /// Opens the other lane of a link's group, to take over.
    pub(super) fn replace(&mut self, link: LinkId, now: MonoNanos) {
        if self.stopped {
            return;
        }
        let Some((feed, at)) = self.links.find(link) else { return };
        if at != feed.current || feed.replacing {
            return;
        }
        feed.replacing = true;
        if let Phase::Off | Phase::Waiting(_) = feed.other().phase {
            feed.other().phase = Phase::Connecting;
            let link = feed.other().link;
            self.queue.push_back(Outgoing::Open(link));
        }
        self.finish_replacement(link, now);
    }

    /// Lets a replacement take over once it is subscribed and a frame came over it, or nothing comes anyway.
    pub(super) fn finish_replacement(&mut self, link: LinkId, now: MonoNanos) {
        let Some((feed, _)) = self.links.find(link) else { return };
        if !feed.replacing {
            return;
        }
        let new = feed.other();
        let ready =
            new.phase == Phase::Open && new.subscribed.is_some_and(|at| new.last_frame > at || at.after(TAKE_OVER_NS) <= now);
        if !ready {
            return;
        }
        feed.replacing = false;
        feed.current = 1 - feed.current;
        feed.prove_again(now);
        let old = feed.other();
        let (old_link, close) = (old.link, matches!(old.phase, Phase::Open | Phase::Connecting));
        if close {
            old.phase = Phase::Closing;
            old.clear();
        } else if let Phase::Waiting(_) = old.phase {
            old.phase = Phase::Off;
        }
        let pairs: Vec<PairId> = feed.books().collect();
        if close {
            self.close(old_link);
        }
        for pair in pairs {
            if let Some(book) = self.books.get_mut(pair) {
                book.sync.expect_seam();
            }
        }
    }

    fn close(&mut self, link: LinkId) {
        if self.queue.iter().any(|out| matches!(out, Outgoing::Open(l) if *l == link)) {
            // The driver never heard of it, so no loss will be told.
            let phase = if self.stopped { Phase::Off } else { Phase::Waiting(MonoNanos(0)) };
            if let Some((feed, at)) = self.links.find(link) {
                feed.lanes[at].phase = phase;
            }
            return self.queue.retain(|out| !matches!(out, Outgoing::Open(l) if *l == link));
        }
        let of_link = |out: &Outgoing| match out {
            Outgoing::Control { link: l, .. } => *l == link,
            Outgoing::Open(_) | Outgoing::Close(_) | Outgoing::Ask(_) => false,
        };
        self.queue.retain(|out| !of_link(out));
        self.queue.push_back(Outgoing::Close(link));
    }

    /// Closes every connection; `on_lost` decides which are opened again.
    pub(super) fn close_all(&mut self) {
        let mut links = Vec::new();
        for feed in &mut self.links.feeds {
            for lane in &mut feed.lanes {
                match lane.phase {
                    Phase::Open | Phase::Connecting => {
                        lane.phase = Phase::Closing;
                        lane.clear();
                        links.push(lane.link);
                    }
                    Phase::Waiting(_) if self.stopped => lane.phase = Phase::Off,
                    Phase::Waiting(_) | Phase::Off | Phase::Closing => {}
                }
            }
        }
        for link in links {
            self.close(link);
        }
    }

    pub(super) fn on_lost(&mut self, link: LinkId, now: MonoNanos, reason: LossReason, updates: &mut Vec<Input>) {
        let stopped = self.stopped;
        let Some((feed, at)) = self.links.find(link) else { return };
        let was_current = at == feed.current;
        let lane = &mut feed.lanes[at];
        let was_up = matches!(lane.phase, Phase::Open | Phase::Closing);
        if was_up && now.since(lane.opened) >= STABLE_NS {
            lane.attempts = 0;
        }
        lane.clear();
        // A replacement that is ready takes over without a word; one under way becomes the connection that is waited for.
        let seamless = was_current && feed.replacing && {
            let new = feed.other();
            new.phase == Phase::Open && !new.is_asking()
        };
        let handed_over = was_current && feed.replacing && feed.other().phase != Phase::Off;
        let wanted = !stopped && if was_current { !handed_over } else { feed.replacing };
        let lane = &mut feed.lanes[at];
        if wanted {
            let wait = self.jitter.spread(backoff_ns(RECONNECT_FIRST_NS, RECONNECT_MAX_NS, lane.attempts));
            lane.attempts = lane.attempts.saturating_add(1);
            lane.phase = Phase::Waiting(now.after(wait));
        } else {
            lane.phase = Phase::Off;
        }
        if handed_over {
            feed.current = 1 - feed.current;
            feed.replacing = false;
            feed.prove_again(now);
        }
        let pairs: Vec<PairId> = if was_current { feed.books().collect() } else { Vec::new() };
        self.stats.reconnect(reason.as_str());
        self.queue.retain(|out| !matches!(out, Outgoing::Control { link: l, .. } | Outgoing::Close(l) if *l == link));
        if seamless {
            for pair in pairs {
                if let Some(book) = self.books.get_mut(pair) {
                    book.sync.expect_seam();
                }
            }
            return;
        }
        self.tell_links(now, updates);
        for pair in pairs {
            self.book_down(pair, ResyncReason::Reconnect, now, updates);
        }
    }

    pub(super) fn links_timeout(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        for index in 0..self.links.feeds.len() {
            for lane in [0, 1] {
                self.lane_timeout(index, lane, now);
            }
            self.feed_timeout(index, now, updates);
        }
        self.pump_controls(now);
    }

    fn lane_timeout(&mut self, index: usize, at: usize, now: MonoNanos) {
        let Some(Feed { group, lanes, .. }) = self.links.feeds.get_mut(index) else { return };
        let lane = &mut lanes[at];
        match lane.phase {
            Phase::Waiting(due) if due <= now => {
                lane.phase = Phase::Connecting;
                let link = lane.link;
                return self.queue.push_back(Outgoing::Open(link));
            }
            Phase::Open => {}
            _ => return,
        }
        let mut dead = now.since(lane.last_frame) >= SILENCE_MAX_NS;
        for pending in std::mem::take(&mut lane.pending) {
            if pending.at.after(ACK_TIMEOUT_NS) > now {
                lane.pending.push(pending);
                continue;
            }
            // Frames of a stream are a better proof of the subscription than its lost acknowledgement; any frame answers a list.
            let proved = match &pending.control {
                Control::Subscribe(streams) => {
                    streams.iter().filter_map(|s| group.streams.get(*s)).any(|s| s.served)
                        || !group.streams.iter().any(|s| s.book.is_some())
                }
                Control::Unsubscribe(_) => true,
                Control::List => lane.last_frame > pending.at,
            };
            match (proved, &pending.control) {
                (true, Control::Subscribe(_)) if !lane.is_asking() => lane.subscribed = Some(now),
                (true, _) => {}
                // Silence has its own bound.
                (false, Control::List) => lane.pending.push(Pending { at: now, ..pending }),
                (false, _) => dead = true,
            }
        }
        if dead {
            lane.phase = Phase::Closing;
            lane.clear();
            let link = lane.link;
            return self.close(link);
        }
        let listing = |control: &Control| matches!(control, Control::List);
        let listed = lane.controls.iter().any(listing) || lane.pending.iter().any(|p| listing(&p.control));
        if now.since(lane.last_frame) >= QUIET_NS && !listed {
            lane.controls.push_back(Control::List);
        }
    }

    fn feed_timeout(&mut self, index: usize, now: MonoNanos, updates: &mut Vec<Input>) {
        let Some(feed) = self.links.feeds.get_mut(index) else { return };
        if !feed.is_serving() {
            return;
        }
        let link = feed.lane().link;
        if feed.replacing {
            self.finish_replacement(link, now);
        } else if feed.lane().replace_at <= now {
            self.replace(link, now);
        }
        let Some(feed) = self.links.feeds.get_mut(index) else { return };
        let (mut asked, mut left, mut pairs) = (Vec::new(), Vec::new(), Vec::new());
        for (at, stream) in feed.group.streams.iter_mut().enumerate() {
            let due = stream.asked.is_some_and(|asked| asked.after(stream.unserved_ns) <= now);
            let Some(pair) = stream.book.filter(|_| due && !stream.served) else { continue };
            stream.unserved_ns = stream.unserved_ns.saturating_mul(2).min(UNSERVED_MAX_NS);
            stream.asked = Some(now);
            stream.nudges += 1;
            if stream.nudges > NUDGES {
                stream.nudges = 0;
                left.push(at);
            }
            asked.push(at);
            pairs.push(pair);
        }
        let controls = &mut feed.lane().controls;
        controls.extend(left.chunks(CONTROL_STREAMS_MAX).map(|part| Control::Unsubscribe(part.to_vec())));
        controls.extend(asked.chunks(CONTROL_STREAMS_MAX).map(|part| Control::Subscribe(part.to_vec())));
        for pair in pairs {
            self.resync(pair, ResyncReason::Unserved, None, now, updates);
        }
    }
}

// Shards of a group are told apart by their lane, those of another route by their remainder.
const _: () = assert!(Route::Spot.link(0, 1).shard == 4);
