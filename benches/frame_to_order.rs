//! How long does it take from the last byte of a book frame in memory to the bytes of the order that it causes?
//!
//! The whole production path in one thread: session and decoder, batch, book, detection over both directions, sizing, limits, intent
//! into the state log (in memory), signing and encoding of the request. The venues are the simulator under virtual time, with no
//! wire between: only the engine's side is on the clock. Orders are REST requests, so the figure includes an HMAC-SHA512 signature.
//!
//! `first order` ends when the first leg's request is complete, `both orders` when nothing more is to be sent. `quiet` are the frames
//! that lead to no order: the usual case. *Hot* runs frame after frame; *cold* writes over 4 MiB before each frame, so that nothing of
//! ours is left in the nearer caches, as after a pause. The yardstick is simd-json parsing the frames that led to orders, hot.
//!
//! A regression here is the reaction time that another trader gains on us.

use crossgate_benches::json_alone::JsonAlone;
use crossgate_benches::report::{Report, Times, quick, timed};
use domain::time::{MILLI, SECOND};
use domain::{Input, LinkRole, MonoNanos, UnixNanos, VenueId};
use engine_core::Engine;
use executor::IdSource;
use journal::{CODEC_VERSION, Header, LogKind, MemoryLog};
use node::{Node, NodeLogs};
use sim_exchange::world::{OutputBody, World, WsFrame};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};
use testkit::SimConfig;
use testkit::venues::{Setup, build_world, venue_request};
use venue::{LinkId, LossReason, Response, Ticket, Transmit};

/// Written over before each cold frame: several times the second-level cache.
const COLD_BYTES: usize = 4 << 20;
/// Orders before the first that counts.
const WARM_UP_ORDERS: u64 = 10;
/// Virtual time between two ticks of the engine.
const TICK_NS: u64 = 100 * MILLI;

fn main() {
    let mut report = Report::new(
        "frame to order: book frame in the buffer → signed order request",
        "the simulator, seed 11, 4 pairs on 2 venues",
    );
    let seconds = if quick() { 1 } else { 5 };
    for (channel, name) in [("order_book", "20 × 20 snapshots"), ("order_book_update", "diffs")] {
        let hot = Bench::new(channel).run(Duration::from_secs(seconds), None);
        let cold = Bench::new(channel).run(Duration::from_secs(seconds), Some(vec![0; COLD_BYTES]));
        println!("{name}: {} hot and {} cold frames led to {} and {} orders", hot.frames, cold.frames, hot.orders, cold.orders);
        report.yardstick("simd-json alone", &hot.json_alone());
        report.row(&format!("{name}, hot, first order"), &hot.first);
        report.row(&format!("{name}, hot, both orders"), &hot.both);
        report.row(&format!("{name}, hot, quiet"), &hot.quiet);
        report.row(&format!("{name}, cold, first order"), &cold.first);
        report.row(&format!("{name}, cold, both orders"), &cold.both);
        report.row(&format!("{name}, cold, quiet"), &cold.quiet);
    }
}

#[derive(Default)]
struct Found {
    first: Times,
    both: Times,
    quiet: Times,
    frames: u64,
    orders: u64,
    /// Frames that led to orders, for the yardstick.
    kept: Vec<Vec<u8>>,
}

impl Found {
    fn json_alone(&self) -> Times {
        let mut json = JsonAlone::default();
        let mut times = Times::default();
        for _ in 0..(20_000 / self.kept.len().max(1)).max(1) {
            for frame in &self.kept {
                let mut bytes = frame.clone();
                timed(&mut times, || json.parse(&mut bytes));
            }
        }
        times
    }
}

/// Engine and venues, joined without a wire.
struct Bench {
    world: World,
    node: Node,
    begun_t_ns: u64,
    next_tick: u64,
    conns: BTreeMap<(usize, u64), LinkId>,
    next_conn: u64,
    requests: BTreeMap<(usize, u64), Ticket>,
    next_request: u64,
    outgoing: Vec<(VenueId, Transmit)>,
    found: Found,
}

impl Bench {
    fn new(channel: &'static str) -> Bench {
        let pairs = ["BTC_USDT", "ETH_USDT", "SOL_USDT", "XRP_USDT"].map(String::from).to_vec();
        let mut config = SimConfig { pairs, base_decimals: 12, wall_offset_ns: 0, ..SimConfig::calm(11) };
        config.venues.iter_mut().for_each(|venue| venue.book_channel = channel);
        let mut world = build_world(&config);
        let setup = Setup::fetch(&config, &mut world);
        let begun_t_ns = world.now();
        let epoch = begun_t_ns / SECOND;
        let ids = IdSource::new(0, epoch, 0).expect("a present-day epoch");
        let engine = Engine::new(setup.engine.clone(), setup.tables.clone(), ids);
        let log = |kind| {
            let header = header(kind, epoch, &setup, begun_t_ns);
            Box::new(MemoryLog::start(&header).expect("a small header"))
        };
        let logs = NodeLogs { state: log(LogKind::State), market: Some(log(LogKind::Market)) };
        let mut node = Node::new(setup.sessions(1), engine, logs);
        for rules in &setup.rules {
            node.push(MonoNanos(SECOND), Input::Rules(*rules));
        }
        node.start(MonoNanos(SECOND));
        Bench {
            world,
            node,
            begun_t_ns,
            next_tick: begun_t_ns,
            conns: BTreeMap::new(),
            next_conn: 1,
            requests: BTreeMap::new(),
            next_request: 1,
            outgoing: Vec::new(),
            found: Found::default(),
        }
    }

    fn mono(&self) -> MonoNanos {
        MonoNanos(SECOND + self.world.now() - self.begun_t_ns)
    }

    fn wall(&self) -> UnixNanos {
        UnixNanos(i64::try_from(self.world.now()).expect("a present-day time"))
    }

    /// Runs for a while of real time; overwrites `cold` before every frame, if given.
    fn run(mut self, limit: Duration, mut cold: Option<Vec<u8>>) -> Found {
        let begun = Instant::now();
        self.turn(None);
        while begun.elapsed() < limit {
            let due = self.node.next_deadline().map(|at| self.begun_t_ns + at.0.saturating_sub(SECOND));
            let next =
                [self.world.next_wakeup(), due, Some(self.next_tick)].into_iter().flatten().min().expect("ticks never end");
            self.world.advance(next);
            while let Some(output) = self.world.poll_output() {
                self.take(output.venue, output.body, cold.as_mut());
            }
            self.node.timeouts(self.mono());
            if self.world.now() >= self.next_tick {
                self.next_tick = self.world.now() + TICK_NS;
                self.node.push(self.mono(), Input::Tick { unix: self.wall() });
            }
            self.turn(None);
            let _ = self.node.take_notices();
        }
        let report = self.node.engine().report();
        assert!(report.execution.deals_opened > 0, "the bench measures orders, and none was made: {:?}", report.verdicts);
        assert!(self.node.state_log_ok(), "intents were logged");
        self.found
    }

    fn take(&mut self, venue: usize, body: OutputBody, cold: Option<&mut Vec<u8>>) {
        let (id, now) = (VenueId(venue as u8), self.mono());
        match body {
            OutputBody::Http { ticket, response } => {
                let Some(ticket) = self.requests.remove(&(venue, ticket)) else { return };
                let mut body = response.body;
                let response = Response::Http { status: response.status, headers: &response.headers, body: &mut body };
                self.node.response(id, ticket, now, response);
                self.turn(None);
            }
            OutputBody::Ws { conn, frame: WsFrame::Text(mut bytes) } => {
                let Some(link) = self.conns.get(&(venue, conn)).copied() else { return };
                if link.role != LinkRole::Public {
                    self.node.frame(id, link, now, &mut bytes);
                    return self.turn(None);
                }
                if let Some(cold) = cold {
                    let mark = cold[0].wrapping_add(1);
                    cold.fill(mark);
                    black_box(&cold);
                }
                let copy = bytes.clone();
                let begun = Instant::now();
                self.node.frame(id, link, now, &mut bytes);
                self.turn(Some((begun, copy)));
            }
            OutputBody::Ws { .. } => {}
            OutputBody::WsClose { conn } => {
                if let Some(link) = self.conns.remove(&(venue, conn)) {
                    self.node.lost(id, link, now, LossReason::ClosedByPeer);
                    self.turn(None);
                }
            }
        }
    }

    /// Steps until nothing is pending, as the live loop does; then, off the clock, performs what is to be sent.
    fn turn(&mut self, measured: Option<(Instant, Vec<u8>)>) {
        let (now, wall) = (self.mono(), self.wall());
        let (mut first, mut orders) = (None, 0);
        loop {
            while let Some((venue, transmit)) = self.node.poll_transmit(now, wall) {
                if let (Some((begun, _)), Transmit::Request { order: true, .. } | Transmit::Frame { order: true, .. }) =
                    (&measured, &transmit)
                {
                    first.get_or_insert_with(|| begun.elapsed());
                    orders += 1;
                }
                self.outgoing.push((venue, transmit));
            }
            if !self.node.step(now) {
                break;
            }
        }
        if let Some((begun, bytes)) = measured {
            self.record(begun.elapsed(), first, orders, bytes);
        }
        for (venue, transmit) in std::mem::take(&mut self.outgoing) {
            self.perform(venue, transmit);
        }
    }

    fn record(&mut self, all: Duration, first: Option<Duration>, orders: u64, bytes: Vec<u8>) {
        let found = &mut self.found;
        found.frames += 1;
        found.orders += orders;
        if found.orders <= WARM_UP_ORDERS {
            return;
        }
        match first {
            Some(first) => {
                found.first.record(first);
                found.both.record(all);
                found.kept.push(bytes);
            }
            None => found.quiet.record(all),
        }
    }

    fn perform(&mut self, venue: VenueId, transmit: Transmit) {
        let (at, now) = (venue.index(), self.mono());
        match transmit {
            Transmit::Open(link) => {
                let conn = self.next_conn;
                self.next_conn += 1;
                self.conns.insert((at, conn), link);
                self.world.ws_open(at, conn, "/ws/v4/");
                self.node.connected(venue, link, now);
                self.turn(None);
            }
            Transmit::Close(link) => {
                let conn = self.conns.iter().find(|((v, _), l)| *v == at && **l == link).map(|((_, conn), _)| *conn);
                if let Some(conn) = conn {
                    self.conns.remove(&(at, conn));
                    self.world.ws_closed(at, conn);
                    self.node.lost(venue, link, now, LossReason::ClosedByUs);
                    self.turn(None);
                }
            }
            Transmit::Frame { link, text, .. } => {
                let conn = self.conns.iter().find(|((v, _), l)| *v == at && **l == link).map(|((_, conn), _)| *conn);
                if let Some(conn) = conn {
                    self.world.ws_frame(at, conn, WsFrame::Text(text.into_bytes()));
                }
            }
            Transmit::Request { ticket, request, .. } => {
                let number = self.next_request;
                self.next_request += 1;
                self.requests.insert((at, number), ticket);
                self.world.http(at, number, venue_request(request));
            }
        }
    }
}

fn header(kind: LogKind, epoch: u64, setup: &Setup, started_t_ns: u64) -> Header {
    Header {
        version: CODEC_VERSION,
        kind,
        instance: 0,
        epoch,
        shard: 0,
        build: "bench".into(),
        mode: "sim".into(),
        seed: 11,
        started: UnixNanos(i64::try_from(started_t_ns).expect("a present-day time")),
        config: String::new(),
        tables: (*setup.tables).clone(),
        previous: [0; 32],
    }
}
