//! Public streams in groups, over connections that are opened, subscribed on, kept, replaced before their time is over, given up.
//!
//! A group of streams lives on one of two lanes. A venue may close a connection at an age it names, or announce that it will: the
//! other lane is then opened and subscribed first, both feed the same books for a moment
//! ([`crate::book_sync::BookSync::expect_seam`]), and only then the old one is closed. When a connection is lost while its replacement
//! is ready, no book loses trust.
//!
//! Kept on every path: control messages at the venue's pace; every wait has a bound, at which the connection is closed and opened anew
//! with jittered back-off. An acknowledgement is no proof of service: each book stream has a deadline for its first change, and is
//! asked for again after it; where a venue promises that a quiet book tells itself again ([`Pace::quiet_max_ns`]), for its next one
//! as well. A connection is probed with a message that must be answered, when it is quiet or always.
//!
//! Start at [`Feeds::new`]. What a call asks for is added to a list of [`Step`]s, to be taken in order.

mod lane;

use crate::backoff::Jitter;
use crate::connection::{Phase, Reconnect};
use crate::session::LinkId;
use domain::{LinkState, MonoNanos, PairId};
use lane::{Control, Feed, Lane, Pending};
pub use lane::{Group, Stream};

/// Every third time the stream is left before it is asked for again.
const NUDGES: u32 = 2;

/// How a venue's connections are treated.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Time between two control messages of one connection.
    pub control_period_ns: u64,
    /// Streams in one control message.
    pub control_streams_max: usize,
    /// A control message that is not answered in this time, by an answer or by its streams, takes the connection down.
    pub ack_timeout_ns: u64,
    /// A connection that carried nothing for this long is probed.
    pub probe_ns: u64,
    /// It is probed this often, however much it carries: for a venue that closes connections on which the client says nothing.
    pub probe_always: bool,
    /// A connection that carried nothing for this long is dead.
    pub silence_max_ns: u64,
    /// A book stream that sends nothing is asked for again after this long, doubled each time.
    pub unserved_ns: u64,
    /// The longest wait for that.
    pub unserved_max_ns: u64,
    /// A book stream that served and says nothing for this long does no more, however much else its connection carries; `None` where a
    /// book that does not change says nothing.
    pub quiet_max_ns: Option<u64>,
    /// Back-off of reconnects.
    pub reconnect: Reconnect,
    /// A connection is replaced at this age, plus half to all of the second; `None` where it may live for ever.
    pub life_ns: Option<(u64, u64)>,
    /// A replacement that is subscribed takes over this long after its last acknowledgement, or with its first frame after it.
    pub take_over_ns: u64,
}

/// Control messages as a venue writes them; their answers carry the id.
pub trait FeedWire {
    /// Asks for streams, or leaves them.
    fn subscription(&self, subscribe: bool, streams: &[&str], id: u64) -> String;
    /// A message that must be answered.
    fn probe(&self, id: u64) -> String;
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Open this link.
    Open(LinkId),
    /// Close this link, and forget what is queued for it. If it was not even opened yet, take that back and say so
    /// ([`Feeds::never_opened`]).
    Close(LinkId),
    /// Send this.
    Control {
        /// On which link.
        link: LinkId,
        /// The message.
        text: String,
    },
    /// This book has no stream that serves it: it must lose trust.
    Unserved(PairId),
    /// The connection of this book's stream is gone.
    Down(PairId),
    /// The next change of this book may come from another connection than the last.
    Seam(PairId),
    /// Tell the engine of the public side.
    Tell(LinkState),
}

/// All connections of public streams.
pub struct Feeds<W> {
    wire: W,
    pace: Pace,
    feeds: Vec<Feed>,
    /// By pair: group and position of its book stream.
    books: Vec<Option<(usize, usize)>>,
    control_ids: u64,
    /// Connections that were opened in this session.
    connections: u32,
    /// What the engine was last told.
    told: Option<LinkState>,
    stopped: bool,
}

impl<W: FeedWire> Feeds<W> {
    /// Connections that nobody asked for yet.
    pub fn new(wire: W, pace: Pace, groups: Vec<Group>) -> Feeds<W> {
        let mut books = Vec::new();
        let mut feeds: Vec<Feed> = groups.into_iter().map(Feed::new).collect();
        for (at, feed) in feeds.iter_mut().enumerate() {
            for (position, stream) in feed.streams.iter_mut().enumerate() {
                stream.unserved_ns = pace.unserved_ns;
                if let Some(pair) = stream.book {
                    books.resize(books.len().max(pair.index() + 1), None);
                    books[pair.index()] = Some((at, position));
                }
            }
        }
        Feeds { wire, pace, feeds, books, control_ids: 0, connections: 0, told: None, stopped: false }
    }

    fn book_stream(&mut self, pair: PairId) -> Option<(&mut Feed, usize)> {
        let (feed, stream) = self.books.get(pair.index()).copied().flatten()?;
        Some((self.feeds.get_mut(feed)?, stream))
    }

    fn find(&mut self, link: LinkId) -> Option<(&mut Feed, usize)> {
        let feed = self.feeds.iter_mut().find(|feed| feed.lanes.iter().any(|lane| lane.conn.id == link))?;
        let lane = feed.lanes.iter().position(|lane| lane.conn.id == link)?;
        Some((feed, lane))
    }

    /// Opens every group's first connection.
    pub fn start(&mut self, steps: &mut Vec<Step>) {
        for lane in self.feeds.iter_mut().map(Feed::lane).filter(|lane| lane.conn.phase == Phase::Off) {
            steps.push(Step::Open(lane.conn.open()));
        }
    }

    /// A link is open. Nothing follows when nobody waits for it any more.
    pub fn connected(&mut self, link: LinkId, now: MonoNanos, jitter: &mut Jitter, steps: &mut Vec<Step>) {
        let connection = self.connections.wrapping_add(1);
        let pace = self.pace;
        let Some((feed, at)) = self.find(link) else { return };
        if !feed.lanes[at].conn.connected(now) {
            return;
        }
        let controls = feed.subscriptions(&pace);
        let lane = &mut feed.lanes[at];
        lane.clear();
        lane.connection = connection;
        lane.next_control = now;
        lane.next_probe = pace.probe_always.then(|| now.after(pace.probe_ns));
        lane.replace_at = pace.life_ns.map(|(life_ns, spread_ns)| now.after(life_ns + jitter.spread(spread_ns)));
        lane.controls = controls;
        if at == feed.current {
            for stream in &mut feed.streams {
                stream.served = false;
                stream.asked = None;
                stream.left = false;
            }
        }
        self.connections = connection;
        self.pump(now, steps);
        self.tell_links(steps);
    }

    /// The number of a link's connection, the last one if it is down.
    pub fn connection(&mut self, link: LinkId) -> u32 {
        self.find(link).map_or(0, |(feed, at)| feed.lanes[at].connection)
    }

    /// Notes a frame; false for links that are not open, whose news is old.
    pub fn saw_frame(&mut self, link: LinkId, now: MonoNanos) -> bool {
        let Some((feed, at)) = self.find(link) else { return false };
        let conn = &mut feed.lanes[at].conn;
        conn.frame_came(now);
        conn.is_open()
    }

    /// Notes a change of a book; true while two connections carry it.
    pub fn served(&mut self, pair: PairId, now: MonoNanos) -> bool {
        let unserved_ns = self.pace.unserved_ns;
        let Some((feed, at)) = self.book_stream(pair) else { return false };
        if let Some(stream) = feed.streams.get_mut(at) {
            stream.served = true;
            stream.last = now;
            stream.unserved_ns = unserved_ns;
            stream.nudges = 0;
        }
        feed.lanes.iter().all(|lane| lane.conn.is_open())
    }

    /// The books that a link carries; none for a link of news.
    pub fn book_pairs(&mut self, link: LinkId) -> Vec<PairId> {
        self.find(link).map(|(feed, _)| feed.books().collect()).unwrap_or_default()
    }

    /// Leaves a book stream and asks for it again.
    pub fn resubscribe(&mut self, pair: PairId, now: MonoNanos, steps: &mut Vec<Step>) {
        let Some((feed, at)) = self.book_stream(pair) else { return };
        if let Some(stream) = feed.streams.get_mut(at) {
            stream.served = false;
            stream.asked = Some(now);
            stream.left = true;
        }
        if feed.is_serving() {
            feed.lane().controls.extend([Control::Unsubscribe(vec![at]), Control::Subscribe(vec![at])]);
        }
        self.pump(now, steps);
    }

    /// When [`Feeds::timeout`] wants to be called.
    pub fn next_timeout(&self) -> Option<MonoNanos> {
        self.feeds.iter().filter_map(|feed| feed.next_timeout(&self.pace)).min()
    }

    fn tell(&mut self, state: LinkState, steps: &mut Vec<Step>) {
        if self.told == Some(state) || (self.told.is_none() && state != LinkState::Up) {
            return;
        }
        self.told = Some(state);
        steps.push(Step::Tell(state));
    }

    /// The public side is up while every group of streams has a connection; a loss is told only after that.
    fn tell_links(&mut self, steps: &mut Vec<Step>) {
        let up = self.feeds.iter().all(Feed::is_serving);
        match (up, self.told) {
            (true, _) => self.tell(LinkState::Up, steps),
            (false, Some(LinkState::Up | LinkState::Paused)) => self.tell(LinkState::Lost, steps),
            (false, _) => {}
        }
    }

    /// Sends the control messages whose time has come.
    fn pump(&mut self, now: MonoNanos, steps: &mut Vec<Step>) {
        let Feeds { wire, pace, feeds, control_ids, .. } = self;
        for Feed { streams, lanes, current, .. } in feeds {
            for (at, lane) in lanes.iter_mut().enumerate() {
                if !lane.conn.is_open() || lane.next_control > now {
                    continue;
                }
                let Some(control) = lane.controls.pop_front() else { continue };
                lane.next_control = now.after(pace.control_period_ns);
                *control_ids += 1;
                let id = *control_ids;
                let names = |positions: &[usize]| -> Vec<&str> {
                    positions.iter().filter_map(|s| streams.get(*s)).map(|s| s.name.as_str()).collect()
                };
                let text = match &control {
                    Control::Subscribe(positions) => wire.subscription(true, &names(positions), id),
                    Control::Unsubscribe(positions) => wire.subscription(false, &names(positions), id),
                    Control::Probe => wire.probe(id),
                };
                steps.push(Step::Control { link: lane.conn.id, text });
                if let Control::Subscribe(positions) = &control
                    && at == *current
                {
                    for position in positions {
                        if let Some(stream) = streams.get_mut(*position) {
                            stream.asked = Some(now);
                            // What came since it was left came of what was left.
                            stream.served = false;
                        }
                    }
                }
                lane.pending.push(Pending { id, control, at: now });
            }
        }
    }

    /// The answer to the control message of this id.
    pub fn on_reply(&mut self, link: LinkId, id: Option<u64>, refused: bool, now: MonoNanos, steps: &mut Vec<Step>) {
        let Some((feed, at)) = self.find(link) else { return };
        let lane = &mut feed.lanes[at];
        let Some(found) = lane.pending.iter().position(|pending| Some(pending.id) == id) else { return };
        let Pending { control, .. } = lane.pending.remove(found);
        if let (true, Control::Subscribe(positions)) = (refused, &control)
            && positions.len() > 1
        {
            // One of them may have failed them all: each half by itself, so that in the end just that one is not served.
            let (first, second) = positions.split_at(positions.len() / 2);
            lane.controls.extend([first, second].map(|half| Control::Subscribe(half.to_vec())));
            return;
        }
        if !lane.is_asking() {
            lane.subscribed = Some(now);
        }
        // Refused streams are asked for again by their deadlines; until then their books are not served, and said to be so.
        if let (true, Control::Subscribe(positions)) = (refused, control) {
            // A venue that still serves a stream may refuse it too: it is left, and asked for again at once. Once, for it may be unknown.
            let still = |s: &usize| feed.streams.get_mut(*s).is_some_and(|stream| !std::mem::replace(&mut stream.left, true));
            let again: Vec<usize> = positions.iter().copied().filter(still).collect();
            if !again.is_empty() {
                feed.lanes[at].controls.extend([Control::Unsubscribe(again.clone()), Control::Subscribe(again)]);
            }
            let pairs = positions.iter().filter_map(|s| feed.streams.get(*s)?.book);
            steps.extend(pairs.map(Step::Unserved));
        }
    }

    /// Opens the other lane of a link's group, to take over: the venue announced that it will close this one, or its time is over.
    pub fn replace(&mut self, link: LinkId, now: MonoNanos, steps: &mut Vec<Step>) {
        if self.stopped {
            return;
        }
        let Some((feed, at)) = self.find(link) else { return };
        if at != feed.current || feed.replacing {
            return;
        }
        feed.replacing = true;
        if let Phase::Off | Phase::Waiting(_) = feed.other().conn.phase {
            steps.push(Step::Open(feed.other().conn.open()));
        }
        self.finish_replacement(link, now, steps);
    }

    /// Lets a replacement take over once it is subscribed and a frame came over it, or nothing comes anyway. To be called after every
    /// frame.
    pub fn finish_replacement(&mut self, link: LinkId, now: MonoNanos, steps: &mut Vec<Step>) {
        let take_over_ns = self.pace.take_over_ns;
        let Some((feed, _)) = self.find(link) else { return };
        if !feed.replacing {
            return;
        }
        let new = feed.other();
        let ready =
            new.conn.is_open() && new.subscribed.is_some_and(|at| new.conn.last_frame() > at || at.after(take_over_ns) <= now);
        if !ready {
            return;
        }
        feed.replacing = false;
        feed.current = 1 - feed.current;
        feed.prove_again(now);
        let old = feed.other();
        if matches!(old.conn.phase, Phase::Open | Phase::Connecting) {
            old.conn.phase = Phase::Closing;
            old.clear();
            steps.push(Step::Close(old.conn.id));
        } else if let Phase::Waiting(_) = old.conn.phase {
            old.conn.phase = Phase::Off;
        }
        steps.extend(feed.books().map(Step::Seam));
    }

    /// A link that was to be closed had not been opened: no loss will be told of it.
    pub fn never_opened(&mut self, link: LinkId) {
        let phase = if self.stopped { Phase::Off } else { Phase::Waiting(MonoNanos(0)) };
        if let Some((feed, at)) = self.find(link) {
            feed.lanes[at].conn.phase = phase;
        }
    }

    /// The process was suspended: every connection is closed, and opened anew.
    pub fn paused(&mut self, steps: &mut Vec<Step>) {
        self.tell(LinkState::Paused, steps);
        self.close_all(steps);
    }

    /// Closes every connection for good.
    pub fn shutdown(&mut self, steps: &mut Vec<Step>) {
        self.stopped = true;
        self.close_all(steps);
    }

    fn close_all(&mut self, steps: &mut Vec<Step>) {
        for lane in self.feeds.iter_mut().flat_map(|feed| &mut feed.lanes) {
            match lane.conn.phase {
                Phase::Open | Phase::Connecting => {
                    lane.conn.phase = Phase::Closing;
                    lane.clear();
                    steps.push(Step::Close(lane.conn.id));
                }
                Phase::Waiting(_) if self.stopped => lane.conn.phase = Phase::Off,
                Phase::Waiting(_) | Phase::Off | Phase::Closing => {}
            }
        }
    }

    /// A link is gone. What is queued for it is to be forgotten by the session.
    pub fn lost(&mut self, link: LinkId, now: MonoNanos, jitter: &mut Jitter, steps: &mut Vec<Step>) {
        let (stopped, reconnect) = (self.stopped, self.pace.reconnect);
        let Some((feed, at)) = self.find(link) else { return };
        let was_current = at == feed.current;
        feed.lanes[at].clear();
        // A replacement that is ready takes over without a word; one under way becomes the connection that is waited for.
        let seamless = was_current && feed.replacing && {
            let new = feed.other();
            new.conn.is_open() && !new.is_asking()
        };
        let handed_over = was_current && feed.replacing && feed.other().conn.phase != Phase::Off;
        let wanted = !stopped && if was_current { !handed_over } else { feed.replacing };
        feed.lanes[at].conn.lost(now, wanted, &reconnect, jitter);
        if handed_over {
            feed.current = 1 - feed.current;
            feed.replacing = false;
            feed.prove_again(now);
        }
        let pairs: Vec<PairId> = if was_current { feed.books().collect() } else { Vec::new() };
        if seamless {
            return steps.extend(pairs.into_iter().map(Step::Seam));
        }
        self.tell_links(steps);
        steps.extend(pairs.into_iter().map(Step::Down));
    }

    /// Whatever is due.
    pub fn timeout(&mut self, now: MonoNanos, steps: &mut Vec<Step>) {
        let pace = self.pace;
        for index in 0..self.feeds.len() {
            if let Some(Feed { streams, lanes, .. }) = self.feeds.get_mut(index) {
                lanes.iter_mut().for_each(|lane| lane_timeout(lane, streams, &pace, now, steps));
            }
            self.feed_timeout(index, now, steps);
        }
        self.pump(now, steps);
    }

    fn feed_timeout(&mut self, index: usize, now: MonoNanos, steps: &mut Vec<Step>) {
        let pace = self.pace;
        let Some(feed) = self.feeds.get_mut(index).filter(|feed| feed.is_serving()) else { return };
        let (link, replace_at) = (feed.lane().conn.id, feed.lane().replace_at);
        if feed.replacing {
            self.finish_replacement(link, now, steps);
        } else if replace_at.is_some_and(|at| at <= now) {
            self.replace(link, now, steps);
        }
        let Some(feed) = self.feeds.get_mut(index) else { return };
        let (mut asked, mut left) = (Vec::new(), Vec::new());
        for (at, stream) in feed.streams.iter_mut().enumerate() {
            let due = stream.unserved_at(&pace).is_some_and(|at| at <= now);
            let Some(pair) = stream.book.filter(|_| due) else { continue };
            stream.asked = Some(now);
            stream.nudges += 1;
            // What served and fell silent is still subscribed, as far as anybody knows.
            stream.left = std::mem::replace(&mut stream.served, false) || stream.nudges > NUDGES;
            if stream.left {
                // A market that stays quiet is asked for less and less often; one whose first nudge was lost is not.
                stream.unserved_ns = stream.unserved_ns.saturating_mul(2).min(pace.unserved_max_ns);
                stream.nudges = 0;
                left.push(at);
            }
            asked.push(at);
            steps.push(Step::Unserved(pair));
        }
        let most = pace.control_streams_max;
        let controls = &mut feed.lane().controls;
        controls.extend(left.chunks(most).map(|part| Control::Unsubscribe(part.to_vec())));
        controls.extend(asked.chunks(most).map(|part| Control::Subscribe(part.to_vec())));
    }
}

fn lane_timeout(lane: &mut Lane, streams: &[Stream], pace: &Pace, now: MonoNanos, steps: &mut Vec<Step>) {
    match lane.conn.phase {
        Phase::Waiting(due) if due <= now => return steps.push(Step::Open(lane.conn.open())),
        Phase::Open => {}
        _ => return,
    }
    let mut dead = now.since(lane.conn.last_frame()) >= pace.silence_max_ns;
    for pending in std::mem::take(&mut lane.pending) {
        if pending.at.after(pace.ack_timeout_ns) > now {
            lane.pending.push(pending);
            continue;
        }
        // Frames of a stream are a better proof of the subscription than its lost acknowledgement; any frame answers a probe.
        let proved = match &pending.control {
            Control::Subscribe(positions) => {
                let served = positions.iter().filter_map(|s| streams.get(*s)).filter(|s| s.served).map(|s| s.last).max();
                // What came soon after it was asked for may be of the time before it was left, and the question lost: once more.
                if served.is_some_and(|last| last < pending.at.after(pace.ack_timeout_ns / 2)) {
                    lane.controls.push_back(Control::Subscribe(positions.clone()));
                }
                served.is_some() || !streams.iter().any(|s| s.book.is_some())
            }
            Control::Unsubscribe(_) => true,
            Control::Probe => lane.conn.last_frame() > pending.at,
        };
        match (proved, &pending.control) {
            (true, Control::Subscribe(_)) if !lane.is_asking() => lane.subscribed = Some(now),
            (true, _) => {}
            // Silence has its own bound.
            (false, Control::Probe) => lane.pending.push(Pending { at: now, ..pending }),
            (false, _) => dead = true,
        }
    }
    if dead {
        lane.conn.phase = Phase::Closing;
        lane.clear();
        return steps.push(Step::Close(lane.conn.id));
    }
    if lane.probe_at(pace).is_some_and(|at| at <= now) {
        lane.next_probe = pace.probe_always.then(|| now.after(pace.probe_ns));
        lane.controls.push_back(Control::Probe);
    }
}
