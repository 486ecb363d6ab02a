//! One connection of a group of streams: its control messages, and what is due on it.

use super::Pace;
use crate::connection::{Connection, Phase};
use crate::session::LinkId;
use domain::{MonoNanos, PairId};
use std::collections::VecDeque;

/// One stream of a group.
#[derive(Clone, Debug)]
pub struct Stream {
    /// The venue's name of it.
    pub(super) name: String,
    /// The pair whose book it carries; `None` for other news, whose silence means nothing.
    pub(super) book: Option<PairId>,
    /// A change came since it was asked for on the connection in use.
    pub(super) served: bool,
    /// When the last change came.
    pub(super) last: MonoNanos,
    pub(super) asked: Option<MonoNanos>,
    pub(super) unserved_ns: u64,
    pub(super) nudges: u32,
    /// It was left before it was last asked for.
    pub(super) left: bool,
}

impl Stream {
    /// A stream, by the venue's name; with the pair whose book it carries, if it carries one.
    pub const fn new(name: String, book: Option<PairId>) -> Stream {
        Stream { name, book, served: false, last: MonoNanos(0), asked: None, unserved_ns: 0, nudges: 0, left: false }
    }

    /// When it is to be asked for again, unless it says something before.
    pub(super) fn unserved_at(&self, pace: &Pace) -> Option<MonoNanos> {
        if self.served {
            pace.quiet_max_ns.map(|quiet| self.last.after(quiet))
        } else {
            self.asked.map(|asked| asked.after(self.unserved_ns))
        }
    }

    /// The venue's name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Streams that share a connection, and the names of the two connections that they may use.
#[derive(Clone, Debug)]
pub struct Group {
    /// The first connection, and the one that replaces it.
    pub links: [LinkId; 2],
    /// What is subscribed.
    pub streams: Vec<Stream>,
}

/// A control message to be sent, or sent.
#[derive(Clone, Debug)]
pub(super) enum Control {
    /// Streams by position.
    Subscribe(Vec<usize>),
    Unsubscribe(Vec<usize>),
    /// A message whose only use is that it must be answered.
    Probe,
}

impl Control {
    pub(super) const fn is_probe(&self) -> bool {
        matches!(self, Control::Probe)
    }
}

/// A control message that waits for its answer.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) id: u64,
    pub(super) control: Control,
    pub(super) at: MonoNanos,
}

/// One connection of a group.
pub(super) struct Lane {
    pub(super) conn: Connection,
    /// Its number among the connections of this session ([`domain::SendStamp::connection`]).
    pub(super) connection: u32,
    pub(super) replace_at: Option<MonoNanos>,
    pub(super) next_probe: Option<MonoNanos>,
    pub(super) controls: VecDeque<Control>,
    pub(super) next_control: MonoNanos,
    pub(super) pending: Vec<Pending>,
    /// When the last subscription was acknowledged, while none is outstanding.
    pub(super) subscribed: Option<MonoNanos>,
}

impl Lane {
    pub(super) const fn new(link: LinkId) -> Lane {
        Lane {
            conn: Connection::new(link),
            connection: 0,
            replace_at: None,
            next_probe: None,
            controls: VecDeque::new(),
            next_control: MonoNanos(0),
            pending: Vec::new(),
            subscribed: None,
        }
    }

    pub(super) fn clear(&mut self) {
        self.controls.clear();
        self.pending.clear();
        self.subscribed = None;
    }

    /// A subscription is to be sent, or waits for its answer.
    pub(super) fn is_asking(&self) -> bool {
        let asks = |control: &Control| matches!(control, Control::Subscribe(_));
        self.controls.iter().any(asks) || self.pending.iter().any(|pending| asks(&pending.control))
    }

    pub(super) fn is_probing(&self) -> bool {
        self.controls.iter().any(Control::is_probe) || self.pending.iter().any(|pending| pending.control.is_probe())
    }

    /// When a probe is due: at its time, or when the connection was quiet for long enough.
    pub(super) fn probe_at(&self, pace: &Pace) -> Option<MonoNanos> {
        if self.is_probing() {
            return None;
        }
        self.next_probe.or(Some(self.conn.last_frame().after(pace.probe_ns)))
    }

    /// The next time at which something here is due.
    pub(super) fn next_timeout(&self, pace: &Pace) -> Option<MonoNanos> {
        match self.conn.phase {
            Phase::Off | Phase::Connecting | Phase::Closing => None,
            Phase::Waiting(at) => Some(at),
            Phase::Open => {
                let control = self.controls.front().map(|_| self.next_control);
                let pending = self.pending.iter().map(|pending| pending.at.after(pace.ack_timeout_ns)).min();
                let silence = self.conn.last_frame().after(pace.silence_max_ns);
                [control, pending, self.probe_at(pace), Some(silence)].into_iter().flatten().min()
            }
        }
    }
}

/// A group and its two connections.
pub(super) struct Feed {
    pub(super) streams: Vec<Stream>,
    pub(super) lanes: [Lane; 2],
    /// Which lane the books count on.
    pub(super) current: usize,
    /// The other lane is wanted as well, to take over.
    pub(super) replacing: bool,
}

impl Feed {
    pub(super) fn new(group: Group) -> Feed {
        Feed { lanes: group.links.map(Lane::new), streams: group.streams, current: 0, replacing: false }
    }

    pub(super) fn lane(&mut self) -> &mut Lane {
        &mut self.lanes[self.current]
    }

    pub(super) fn other(&mut self) -> &mut Lane {
        &mut self.lanes[1 - self.current]
    }

    pub(super) fn is_serving(&self) -> bool {
        self.lanes[self.current].conn.is_open()
    }

    pub(super) fn books(&self) -> impl Iterator<Item = PairId> {
        self.streams.iter().filter_map(|stream| stream.book)
    }

    /// What was served before is no proof for another connection: every book stream has its deadline again.
    pub(super) fn prove_again(&mut self, now: MonoNanos) {
        for stream in &mut self.streams {
            stream.served = false;
            stream.asked = Some(now);
        }
    }

    /// Every stream, in messages of a bounded size.
    pub(super) fn subscriptions(&self, pace: &Pace) -> VecDeque<Control> {
        let all: Vec<usize> = (0..self.streams.len()).collect();
        all.chunks(pace.control_streams_max).map(|part| Control::Subscribe(part.to_vec())).collect()
    }

    pub(super) fn next_timeout(&self, pace: &Pace) -> Option<MonoNanos> {
        let lanes = self.lanes.iter().filter_map(|lane| lane.next_timeout(pace));
        let serving = self.is_serving();
        let books = self.streams.iter().filter(|s| serving && s.book.is_some());
        let unserved = books.filter_map(|s| s.unserved_at(pace));
        let replace = self.lanes[self.current].replace_at.filter(|_| serving && !self.replacing);
        // While the old connection is being closed, its loss is what hands over.
        let take_over = self.lanes[1 - self.current].subscribed.filter(|_| serving && self.replacing);
        let take_over = take_over.map(|at| at.after(pace.take_over_ns));
        lanes.chain(unserved).chain(replace).chain(take_over).min()
    }
}
