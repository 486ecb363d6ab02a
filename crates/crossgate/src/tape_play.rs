//! Feeds recorded frames to production sessions: shared by `replay` and `scan`.
//!
//! Sessions' requests for book snapshots are answered by the REST answers of the tape, by pair: an answer that came before its
//! request is held (the newest of each pair). Nothing else is answered, and no timer fires, since a recording can't react.
//!
//! A link that a session asks for is up at once. A loss that a tape of ours tells is handed to the session, whose books lose trust;
//! the link is up again when the tape says so. Tapes before version 4 tell openings only: one of a link that was open is a loss. So is
//! the end of a recording that another one of its venue follows.

use crate::exit::Failure;
use crate::tape_load::{Played, TapeSet};
use domain::{LinkRole, MonoNanos, PairId, UnixNanos, VenueId};
use journal::tape::TapeKind;
use std::collections::{BTreeMap, BTreeSet};
use venue::{LinkId, LossReason, Response, Ticket, Transmit};

/// Sessions and whatever takes what they make of frames.
pub trait Port {
    /// Starts all sessions.
    fn start(&mut self, now: MonoNanos);

    /// A link that a session asked for is up.
    fn connected(&mut self, venue: VenueId, link: LinkId, now: MonoNanos);

    /// A link is gone.
    fn lost(&mut self, venue: VenueId, link: LinkId, now: MonoNanos, reason: LossReason);

    /// A frame came in.
    fn frame(&mut self, venue: VenueId, link: LinkId, now: MonoNanos, bytes: &mut [u8]);

    /// An answer came in.
    fn response(&mut self, venue: VenueId, ticket: Ticket, now: MonoNanos, response: Response<'_>);

    /// Next thing that a session wants on the wire.
    fn poll_transmit(&mut self, now: MonoNanos, wall: UnixNanos) -> Option<(VenueId, Transmit)>;

    /// Takes what the sessions have made. True when that may have made them want more.
    fn settle(&mut self, now: MonoNanos) -> bool;

    /// A frame, an answer or the loss of a link of this Unix time comes next.
    fn before(&mut self, _received_unix_ns: i64) {}

    /// Everything that follows from it is done.
    fn after(&mut self, _seen: &Seen) {}
}

/// The recording's clock and its answers.
pub struct Player<'a> {
    tapes: &'a TapeSet,
    /// Requests not answered yet.
    waiting: Vec<(VenueId, PairId, Ticket)>,
    /// Answers that nobody has asked for yet.
    held: BTreeMap<(VenueId, PairId), Vec<u8>>,
    /// Links that a recording says are open, and which one.
    open: BTreeMap<(VenueId, LinkId), usize>,
    /// Links that were lost and are not open again.
    down: BTreeSet<(VenueId, LinkId)>,
    /// Recordings that another one of their venue follows, by the time of their last entry; the next one last.
    ends: Vec<(i64, usize)>,
    /// Unix nanoseconds of the first entry.
    origin: Option<i64>,
    /// Frames played.
    pub frames: u64,
    /// Time since the first entry.
    pub now: MonoNanos,
    wall: UnixNanos,
}

impl<'a> Player<'a> {
    /// A player before the first entry.
    pub fn new(tapes: &'a TapeSet) -> Player<'a> {
        Player {
            tapes,
            waiting: Vec::new(),
            held: BTreeMap::new(),
            open: BTreeMap::new(),
            down: BTreeSet::new(),
            ends: tapes.followed(),
            origin: None,
            frames: 0,
            now: MonoNanos(0),
            wall: UnixNanos(0),
        }
    }

    /// Starts the sessions.
    pub fn begin(&mut self, port: &mut impl Port) {
        port.start(self.now);
        self.turn(port);
    }

    /// Plays every entry.
    ///
    /// # Errors
    /// Exit code 1 for files that can't be read any more.
    pub fn play_all(&mut self, port: &mut impl Port) -> Result<(), Failure> {
        for played in self.tapes.entries()? {
            self.play(port, played?);
        }
        Ok(())
    }

    fn play(&mut self, port: &mut impl Port, played: Played) {
        let Played { file, venue, link, pair, is_top, mut entry } = played;
        let at = entry.received_unix_ns;
        while let Some((ended, file)) = self.ends.pop_if(|(last, _)| *last < at) {
            self.end(port, file, ended);
        }
        self.is(at);
        match entry.kind {
            TapeKind::Sent => return,
            TapeKind::Connected { .. } | TapeKind::Disconnected { .. } | TapeKind::Ws { .. } if link.role != LinkRole::Public => {
                return;
            }
            TapeKind::Connected { .. } => {
                port.before(at);
                if self.open.insert((venue, link), file) == Some(file) {
                    self.lose(port, venue, link, LossReason::ClosedByPeer);
                }
                self.reopen(port, venue, link);
                return self.turn(port);
            }
            TapeKind::Disconnected { reason, .. } => {
                // One that never came up was not lost.
                if self.open.remove(&(venue, link)).is_some() {
                    let known = LossReason::ALL.into_iter().find(|known| known.as_str() == reason);
                    port.before(at);
                    self.lose(port, venue, link, known.unwrap_or(LossReason::ClosedByPeer));
                }
                return;
            }
            TapeKind::Ws { .. } => {
                self.frames += 1;
                port.before(at);
                self.open.insert((venue, link), file);
                self.reopen(port, venue, link);
                port.frame(venue, link, self.now, &mut entry.bytes);
            }
            TapeKind::Rest { path_and_query } => {
                port.before(at);
                let of_file = pair.filter(|_| path_and_query.is_empty());
                if let Some(pair) = of_file.or_else(|| self.tapes.asked_pair(venue, &path_and_query)) {
                    self.held.insert((venue, pair), entry.bytes);
                }
            }
        }
        self.turn(port);
        port.after(&Seen { venue, link, pair, is_top });
    }

    /// It is this time.
    fn is(&mut self, at: i64) {
        let origin = *self.origin.get_or_insert(at);
        self.now = self.now.max(MonoNanos(u64::try_from(at.saturating_sub(origin)).unwrap_or_default()));
        self.wall = UnixNanos(at);
    }

    /// A recording has ended at this time, and another one goes on.
    fn end(&mut self, port: &mut impl Port, file: usize, at: i64) {
        let of_it: Vec<(VenueId, LinkId)> = self.open.iter().filter(|(_, of)| **of == file).map(|(key, _)| *key).collect();
        self.is(at);
        for (venue, link) in of_it {
            self.open.remove(&(venue, link));
            port.before(at);
            self.lose(port, venue, link, LossReason::ClosedByUs);
        }
    }

    fn lose(&mut self, port: &mut impl Port, venue: VenueId, link: LinkId, reason: LossReason) {
        self.down.insert((venue, link));
        // A book from before is no answer to what is asked after.
        self.held.retain(|(of, _), _| *of != venue);
        port.lost(venue, link, self.now, reason);
        self.turn(port);
    }

    fn reopen(&mut self, port: &mut impl Port, venue: VenueId, link: LinkId) {
        if self.down.remove(&(venue, link)) {
            port.connected(venue, link, self.now);
        }
    }

    fn turn(&mut self, port: &mut impl Port) {
        loop {
            while let Some((venue, transmit)) = port.poll_transmit(self.now, self.wall) {
                match transmit {
                    Transmit::Open(link) if link.role == LinkRole::Public => port.connected(venue, link, self.now),
                    Transmit::Request { ticket, request, .. } => {
                        let path_and_query = format!("{}?{}", request.path, request.query);
                        self.waiting.extend(self.tapes.asked_pair(venue, &path_and_query).map(|pair| (venue, pair, ticket)));
                    }
                    _ => {}
                }
            }
            let answered = self.answer(port);
            if !port.settle(self.now) && !answered {
                break;
            }
        }
    }

    /// Gives held answers to the requests that wait for them.
    fn answer(&mut self, port: &mut impl Port) -> bool {
        if self.held.is_empty() || self.waiting.is_empty() {
            return false;
        }
        let mut answered = false;
        // All that wait for it: one that was asked before a loss, or whose own answer was never recorded, would else keep it from the one
        // that it is for. A session takes no notice of an answer that it no longer waits for.
        let (now, held) = (self.now, &mut self.held);
        let mut given = Vec::new();
        self.waiting.retain(|(venue, pair, ticket)| {
            let Some(body) = held.get(&(*venue, *pair)) else { return true };
            port.response(*venue, *ticket, now, Response::Http { status: 200, headers: &[], body: &mut body.clone() });
            given.push((*venue, *pair));
            answered = true;
            false
        });
        given.iter().for_each(|key| drop(held.remove(key)));
        answered
    }
}

/// What was just played.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// From whom.
    pub venue: VenueId,
    /// On which link, for frames.
    pub link: LinkId,
    /// Of which pair, where that could be told before it was decoded.
    pub pair: Option<PairId>,
    /// A frame of the best-bid-offer channel.
    pub is_top: bool,
}
