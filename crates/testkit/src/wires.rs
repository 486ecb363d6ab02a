//! The network between the engine and the venues: latency with jitter, order per connection, and everything that goes wrong on
//! the way. Start at [`Wires::send`] (from the engine) and [`Wires::carry`] (from the venues); what has arrived comes out of
//! [`Wires::next_arrival`].
//!
//! Kept true, whatever the faults: a request is answered exactly once; nothing arrives on a connection that its side knows to be
//! gone; nothing arrives before it was sent. Frames of one connection keep their order unless a fault says otherwise.

use crate::coverage::Struck;
use crate::faults::{FaultMix, FrameFaults, RequestFaults};
use crate::speech::{Speech, crossing};
use crate::tamper;
use crate::venues::venue_request;
use domain::time::MILLI;
use domain::{LinkRole, VenueId};
use sim_exchange::market::Rng;
use sim_exchange::reading::{ODD_FRAMES, odd_frame};
use sim_exchange::world::{HttpRequest, HttpResponse, Output, OutputBody, WsFrame};
use std::collections::{BTreeMap, BTreeSet};
use venue::{IoFailure, LinkId, LossReason, Method, Ticket, Transmit};

/// A connection that is refused is told so after this long.
const REFUSED_AFTER_NS: u64 = MILLI;

/// Something that arrived.
#[derive(Debug)]
pub enum Arrival {
    /// At a venue: a request.
    Request {
        /// Which venue.
        venue: usize,
        /// Number of the request in the run.
        number: u64,
        /// The bytes.
        request: HttpRequest,
    },
    /// At a venue: a WebSocket is opened.
    Open {
        /// Which venue.
        venue: usize,
        /// Number of the connection in the run.
        conn: u64,
        /// On which path.
        path: String,
    },
    /// At a venue: a frame.
    Frame {
        /// Which venue.
        venue: usize,
        /// Which connection.
        conn: u64,
        /// The frame.
        frame: WsFrame,
    },
    /// At a venue: the client is gone.
    Closed {
        /// Which venue.
        venue: usize,
        /// Which connection.
        conn: u64,
    },
    /// At the engine: a link is up.
    Connected {
        /// Which venue.
        venue: VenueId,
        /// Which link.
        link: LinkId,
    },
    /// At the engine: a text frame.
    Text {
        /// Which venue.
        venue: VenueId,
        /// Which link.
        link: LinkId,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// At the engine: a link is gone.
    Lost {
        /// Which venue.
        venue: VenueId,
        /// Which link.
        link: LinkId,
        /// Why.
        reason: LossReason,
    },
    /// At the engine: the end of a request.
    Answer {
        /// Which venue.
        venue: VenueId,
        /// The session's name of the request.
        ticket: Ticket,
        /// Its path, for the judges.
        path: String,
        /// Its query, for the judges.
        query: String,
        /// What came.
        result: Result<HttpResponse, IoFailure>,
    },
}

/// What was still on its way, before it is known whether anybody waits for it.
#[derive(Debug)]
enum Flight {
    ToVenue(Arrival),
    Connected {
        conn: u64,
    },
    Frame {
        conn: u64,
        frame: WsFrame,
    },
    Lost {
        conn: u64,
        reason: LossReason,
    },
    /// An attempt to connect that was refused; there is no connection.
    RefusedLink {
        life: u64,
        venue: VenueId,
        link: LinkId,
    },
    Reply {
        number: u64,
        result: Result<HttpResponse, IoFailure>,
    },
}

#[derive(Debug)]
struct Conn {
    life: u64,
    venue: VenueId,
    link: LinkId,
    up: bool,
    /// When the last frame that keeps its order arrives, each way.
    last_to_engine: u64,
    last_to_venue: u64,
    venue_knows: bool,
}

#[derive(Debug)]
struct Pending {
    life: u64,
    venue: VenueId,
    ticket: Ticket,
    path: String,
    query: String,
    is_look_up: bool,
    faults: RequestFaults,
    /// The reply will be lost; the flag says whether as a broken connection.
    reply_lost: Option<bool>,
}

/// How often each fault struck.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts {
    /// Frames lost, doubled, delayed or reordered.
    pub frames: u64,
    /// Requests refused, lost, slowed, or with their reply lost.
    pub requests: u64,
    /// Books crossed and look-ups aged.
    pub tampered: u64,
    /// Links cut or refused.
    pub links: u64,
}

/// The network.
#[derive(Debug)]
pub struct Wires {
    speech: Vec<Speech>,
    faults: FaultMix,
    rng: Rng,
    flights: BTreeMap<(u64, u64), Flight>,
    sequence: u64,
    conns: BTreeMap<u64, Conn>,
    next_conn: u64,
    pending: BTreeMap<u64, Pending>,
    next_request: u64,
    refusing: BTreeSet<usize>,
    /// Venues whose private frames vanish.
    mute: BTreeSet<usize>,
    /// Faults by their number.
    pub struck: Struck,
    /// Number of the engine's life: what belongs to an earlier one finds nobody.
    life: u64,
    counts: FaultCounts,
}

impl Wires {
    /// A network with these faults, to venues that speak so.
    pub fn new(faults: FaultMix, seed: u64, speech: Vec<Speech>) -> Wires {
        Wires {
            speech,
            faults,
            rng: Rng::fork(seed, 3),
            flights: BTreeMap::new(),
            sequence: 0,
            conns: BTreeMap::new(),
            next_conn: 1,
            pending: BTreeMap::new(),
            next_request: 1,
            refusing: BTreeSet::new(),
            mute: BTreeSet::new(),
            struck: Struck::default(),
            life: 0,
            counts: FaultCounts::default(),
        }
    }

    /// No more faults. What is late already stays late.
    pub fn heal(&mut self) {
        self.faults = FaultMix { latency_ns: self.faults.latency_ns, ..FaultMix::none() };
        self.refusing.clear();
        self.mute.clear();
    }

    /// True while a fault touches the public feed of a venue: its link is not up, or frames or reads suffer.
    pub fn feed_obstructed(&self, venue: VenueId) -> bool {
        self.faults.touches_feeds() || self.refusing.contains(&venue.index()) || !self.is_up(venue, LinkRole::Public)
    }

    /// Whether somebody is faster than the placement that arrives now.
    pub fn somebody_is_faster(&mut self) -> bool {
        self.strikes(self.faults.hostile)
    }

    /// Private frames of a venue vanish, or come again.
    pub fn mute(&mut self, venue: usize, on: bool) {
        if on {
            self.mute.insert(venue);
        } else {
            self.mute.remove(&venue);
        }
    }

    /// How often faults struck.
    pub fn counts(&self) -> FaultCounts {
        self.counts
    }

    /// When the next thing arrives.
    pub fn next_due(&self) -> Option<u64> {
        self.flights.first_key_value().map(|((at, _), _)| *at)
    }

    fn latency(&mut self) -> u64 {
        let (least, most) = self.faults.latency_ns;
        least + self.rng.below(most.saturating_sub(least) + 1)
    }

    fn fly(&mut self, at: u64, flight: Flight) {
        self.sequence += 1;
        self.flights.insert((at, self.sequence), flight);
    }

    /// Takes what the engine wants sent.
    pub fn send(&mut self, t_ns: u64, venue: VenueId, transmit: Transmit) {
        match transmit {
            Transmit::Open(link) => self.open(t_ns, venue, link),
            Transmit::Close(link) => {
                if let Some(conn) = self.conn_of(venue, link) {
                    self.cut_conn(t_ns, conn, LossReason::ClosedByUs);
                }
            }
            Transmit::Frame { link, text, order: _ } => self.send_frame(t_ns, venue, link, text),
            Transmit::Request { ticket, request, timeout_ns, order: _ } => self.request(t_ns, venue, ticket, request, timeout_ns),
        }
    }

    fn conn_of(&self, venue: VenueId, link: LinkId) -> Option<u64> {
        let current = |conn: &Conn| conn.life == self.life && (conn.venue, conn.link) == (venue, link);
        self.conns.iter().rev().find(|(_, conn)| current(conn)).map(|(number, _)| *number)
    }

    fn open(&mut self, t_ns: u64, venue: VenueId, link: LinkId) {
        if self.refusing.contains(&venue.index()) {
            self.counts.links += 1;
            self.struck.hit(39);
            return self.fly(t_ns + REFUSED_AFTER_NS, Flight::RefusedLink { life: self.life, venue, link });
        }
        let conn = self.next_conn;
        self.next_conn += 1;
        let there = t_ns + self.latency();
        let back = there + self.latency();
        let state =
            Conn { life: self.life, venue, link, up: false, last_to_engine: back, last_to_venue: there, venue_knows: true };
        self.conns.insert(conn, state);
        self.fly(
            there,
            Flight::ToVenue(Arrival::Open { venue: venue.index(), conn, path: self.speech[venue.index()].path(link) }),
        );
        self.fly(back, Flight::Connected { conn });
    }

    fn send_frame(&mut self, t_ns: u64, venue: VenueId, link: LinkId, text: String) {
        let Some(number) = self.conn_of(venue, link) else { return };
        let faults = self.faults.outgoing;
        if self.strikes(faults.lost) {
            self.counts.frames += 1;
            self.struck.hit(14);
            return;
        }
        let mut at = t_ns + self.latency();
        if self.strikes(faults.delayed) {
            self.counts.frames += 1;
            self.struck.hit(40);
            at += self.rng.below(faults.delay_max_ns);
        }
        let Some(conn) = self.conns.get_mut(&number).filter(|conn| conn.up) else { return };
        at = at.max(conn.last_to_venue);
        conn.last_to_venue = at;
        let frame = WsFrame::Text(text.into_bytes());
        self.fly(at, Flight::ToVenue(Arrival::Frame { venue: venue.index(), conn: number, frame }));
    }

    fn strikes(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.rng.chance(per_mille)
    }

    fn request(&mut self, t_ns: u64, venue: VenueId, ticket: Ticket, request: venue::HttpRequest, timeout_ns: u64) {
        let number = self.next_request;
        self.next_request += 1;
        let faults = if request.method == Method::Get { self.faults.reads } else { self.faults.orders };
        let is_look_up = self.speech[venue.index()].reading.looks_up(&crossing(&request));
        let mut pending = Pending {
            life: self.life,
            venue,
            ticket,
            path: request.path.clone(),
            query: request.query.clone(),
            is_look_up,
            faults,
            reply_lost: None,
        };
        let refused = self.refusing.contains(&venue.index()) || self.strikes(faults.refused);
        let (lost, reply_lost, broken) =
            (self.strikes(faults.lost), self.strikes(faults.reply_lost), self.strikes(faults.broken));
        let mut there = t_ns + self.latency();
        if self.strikes(faults.slow) {
            self.counts.requests += 1;
            self.struck.hit(40);
            there += self.rng.below(faults.delay_max_ns);
        }
        self.counts.requests += u64::from(refused || lost || reply_lost);
        let write = request.method != Method::Get;
        if refused {
            self.struck.hit(39);
        } else if lost && write {
            self.struck.hit(14);
        } else if reply_lost && write {
            self.struck.hit(13);
        }
        self.fly(t_ns + timeout_ns, Flight::Reply { number, result: Err(IoFailure::TimedOut) });
        if refused {
            self.fly(t_ns + REFUSED_AFTER_NS, Flight::Reply { number, result: Err(IoFailure::NotSent) });
        } else if lost {
            if broken {
                self.fly(there, Flight::Reply { number, result: Err(IoFailure::Broken) });
            }
        } else {
            pending.reply_lost = reply_lost.then_some(broken);
            let request = venue_request(request);
            self.fly(there, Flight::ToVenue(Arrival::Request { venue: venue.index(), number, request }));
            if reply_lost && broken {
                // The connection may break before the request even arrives.
                let at = t_ns + self.latency() + self.rng.below(20 * MILLI);
                self.fly(at, Flight::Reply { number, result: Err(IoFailure::Broken) });
            }
        }
        self.pending.insert(number, pending);
    }

    /// Takes what left a venue.
    pub fn carry(&mut self, t_ns: u64, output: Output) {
        match output.body {
            OutputBody::Http { ticket, response } => self.carry_reply(t_ns, ticket, response),
            OutputBody::Ws { conn, frame } => self.carry_frame(t_ns, conn, frame),
            OutputBody::WsClose { conn } => {
                let at = self.in_order(conn, t_ns);
                self.fly(at, Flight::Lost { conn, reason: LossReason::ClosedByPeer });
            }
        }
    }

    fn carry_reply(&mut self, t_ns: u64, number: u64, mut response: HttpResponse) {
        let Some(pending) = self.pending.get(&number) else { return };
        if pending.reply_lost.is_some() {
            return;
        }
        let (faults, is_look_up, of) = (pending.faults, pending.is_look_up, pending.venue);
        let mut at = t_ns + self.latency();
        if self.strikes(faults.slow) {
            self.counts.requests += 1;
            at += self.rng.below(faults.delay_max_ns);
        }
        if self.strikes(self.faults.bad_bodies) {
            let kind = self.rng.below(4);
            (response.status, response.body) =
                tamper::bad_body(self.speech[of.index()].reading, response.status, &response.body, kind);
            self.counts.tampered += 1;
            self.struck.hit(33);
        }
        if is_look_up
            && response.status == 200
            && self.strikes(self.faults.stale_look_ups)
            && let Some(aged) = self.speech[of.index()].reading.age_order(&response.body)
        {
            self.counts.tampered += 1;
            self.struck.hit(30);
            response.body = aged;
        }
        self.fly(at, Flight::Reply { number, result: Ok(response) });
    }

    /// When something sent now on a connection arrives, behind everything sent before.
    fn in_order(&mut self, number: u64, t_ns: u64) -> u64 {
        let at = t_ns + self.latency();
        match self.conns.get_mut(&number) {
            Some(conn) => {
                conn.last_to_engine = conn.last_to_engine.max(at);
                conn.last_to_engine
            }
            None => at,
        }
    }

    fn carry_frame(&mut self, t_ns: u64, number: u64, frame: WsFrame) {
        let Some(conn) = self.conns.get(&number) else { return };
        let faults = match conn.link.role {
            LinkRole::Private => self.faults.private,
            LinkRole::OrderEntry => self.faults.entry,
            LinkRole::Public | LinkRole::Rest => self.faults.public,
        };
        let venue = conn.venue;
        let (public, private) = (conn.link.role == LinkRole::Public, conn.link.role == LinkRole::Private);
        if private
            && self.mute.contains(&conn.venue.index())
            && matches!(&frame, WsFrame::Text(bytes) if self.speech[conn.venue.index()].reading.is_news(bytes))
        {
            self.struck.hit(28);
            return;
        }
        let frame = match frame {
            WsFrame::Text(bytes) if public => WsFrame::Text(self.maybe_odd(venue, bytes)),
            WsFrame::Text(bytes) => WsFrame::Text(bytes),
            // A driver answers these itself; they are no news.
            other => {
                let at = self.in_order(number, t_ns);
                return self.fly(at, Flight::Frame { conn: number, frame: other });
            }
        };
        // The same fault has its number by what it does to: books, or fills and orders.
        let named = |of_books: u8, of_orders: u8| if public { of_books } else { of_orders };
        if self.strikes(faults.lost) {
            self.counts.frames += 1;
            self.struck.hit(named(1, 26));
            return;
        }
        if self.strikes(faults.doubled) {
            self.counts.frames += 1;
            self.struck.hit(named(3, 25));
            let at = t_ns + self.latency() + self.rng.below(faults.delay_max_ns);
            self.fly(at, Flight::Frame { conn: number, frame: frame.clone() });
        }
        let at = if self.strikes(faults.reordered) {
            self.counts.frames += 1;
            self.struck.hit(named(3, 27));
            t_ns + self.latency() + self.rng.below(faults.delay_max_ns)
        } else {
            let delay = if self.strikes(faults.delayed) { self.delay(faults) } else { 0 };
            self.in_order(number, t_ns + delay)
        };
        self.fly(at, Flight::Frame { conn: number, frame });
    }

    fn delay(&mut self, faults: FrameFaults) -> u64 {
        self.counts.frames += 1;
        self.struck.hit(40);
        self.rng.below(faults.delay_max_ns)
    }

    fn maybe_odd(&mut self, venue: VenueId, bytes: Vec<u8>) -> Vec<u8> {
        let bytes = self.maybe_crossed(venue, bytes);
        if !self.strikes(self.faults.odd_frames) {
            return bytes;
        }
        let kind = self.rng.below(ODD_FRAMES);
        let Some(odd) = odd_frame(self.speech[venue.index()].reading, &bytes, kind) else { return bytes };
        self.counts.tampered += 1;
        self.struck.hit(if matches!(kind, 0 | 7) { 12 } else { 10 });
        odd
    }

    fn maybe_crossed(&mut self, venue: VenueId, bytes: Vec<u8>) -> Vec<u8> {
        if !self.strikes(self.faults.crossed_books) {
            return bytes;
        }
        match self.speech[venue.index()].reading.cross_book(&bytes) {
            Some(crossed) => {
                self.counts.tampered += 1;
                self.struck.hit(5);
                crossed
            }
            None => bytes,
        }
    }

    /// Breaks the newest link of a role, if it is up or coming up.
    pub fn cut(&mut self, t_ns: u64, venue: VenueId, role: LinkRole) {
        let current = |conn: &Conn| conn.life == self.life && (conn.venue, conn.link.role) == (venue, role);
        if let Some(conn) = self.conns.iter().rev().find(|(_, conn)| current(conn)).map(|(number, _)| *number) {
            self.counts.links += 1;
            self.struck.hit(39);
            self.cut_conn(t_ns, conn, LossReason::SocketError);
        }
    }

    /// True while a connection of this role is up.
    pub fn is_up(&self, venue: VenueId, role: LinkRole) -> bool {
        self.conns.values().any(|conn| conn.up && conn.life == self.life && (conn.venue, conn.link.role) == (venue, role))
    }

    fn cut_conn(&mut self, t_ns: u64, number: u64, reason: LossReason) {
        let latency = self.latency();
        let Some(conn) = self.conns.get_mut(&number) else { return };
        let venue = conn.venue.index();
        // Nothing of it reaches the engine after the loss is told.
        conn.up = false;
        let told = t_ns + if reason == LossReason::ClosedByUs { MILLI / 10 } else { latency };
        let known = conn.last_to_venue.max(t_ns + latency);
        if conn.venue_knows {
            conn.venue_knows = false;
            self.fly(known, Flight::ToVenue(Arrival::Closed { venue, conn: number }));
        }
        self.fly(told, Flight::Lost { conn: number, reason });
    }

    /// A venue refuses new connections and requests, or takes them again.
    pub fn refuse(&mut self, venue: usize, on: bool) {
        if on {
            self.refusing.insert(venue);
        } else {
            self.refusing.remove(&venue);
        }
    }

    /// The engine died: what it sent still arrives, nothing finds it any more, and the venues notice.
    pub fn abandon(&mut self, t_ns: u64) {
        for number in self.conns.keys().copied().collect::<Vec<_>>() {
            self.cut_conn(t_ns, number, LossReason::SocketError);
        }
        self.life += 1;
        let life = self.life;
        // A pending request keeps its number until its time-out, so that the venue's reply is recognised and dropped.
        self.conns.retain(|_, conn| conn.life == life);
    }

    /// Takes the next thing that has arrived by `t_ns`.
    pub fn next_arrival(&mut self, t_ns: u64) -> Option<Arrival> {
        loop {
            let flight = self.flights.first_entry().filter(|entry| entry.key().0 <= t_ns)?.remove();
            if let Some(arrival) = self.land(t_ns, flight) {
                return Some(arrival);
            }
        }
    }

    fn land(&mut self, t_ns: u64, flight: Flight) -> Option<Arrival> {
        match flight {
            Flight::ToVenue(arrival) => Some(arrival),
            Flight::Connected { conn } => {
                // A connection that was closed while it came up has no loss to wait for: `Lost` is on its way.
                let state = self.conns.get_mut(&conn).filter(|state| state.venue_knows)?;
                state.up = true;
                Some(Arrival::Connected { venue: state.venue, link: state.link })
            }
            Flight::Frame { conn, frame } => {
                let state = self.conns.get(&conn).filter(|state| state.up)?;
                let (venue, link) = (state.venue, state.link);
                match frame {
                    WsFrame::Text(bytes) => Some(Arrival::Text { venue, link, bytes }),
                    WsFrame::Ping(payload) => Some(Arrival::Frame { venue: venue.index(), conn, frame: WsFrame::Pong(payload) }),
                    WsFrame::Close => {
                        self.cut_conn(t_ns, conn, LossReason::ClosedByPeer);
                        None
                    }
                    WsFrame::Pong(_) | WsFrame::Binary(_) => None,
                }
            }
            Flight::Lost { conn, reason } => {
                let state = self.conns.remove(&conn)?;
                if state.venue_knows {
                    let venue = state.venue.index();
                    self.fly(t_ns, Flight::ToVenue(Arrival::Closed { venue, conn }));
                }
                Some(Arrival::Lost { venue: state.venue, link: state.link, reason })
            }
            Flight::RefusedLink { life, venue, link } => {
                (life == self.life).then_some(Arrival::Lost { venue, link, reason: LossReason::ConnectFailed })
            }
            Flight::Reply { number, result } => {
                let Pending { life, venue, ticket, path, query, .. } = self.pending.remove(&number)?;
                (life == self.life).then_some(Arrival::Answer { venue, ticket, path, query, result })
            }
        }
    }
}
