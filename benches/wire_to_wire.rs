//! How long does it take from a book frame leaving a venue's socket to the order that it causes arriving there?
//!
//! Real loopback sockets: simulated venues, and an engine with the production session, node and drivers, on threads of their own. Between
//! them stands an observer that forwards bytes and stamps two moments: when a book frame has been written to the engine's socket, and
//! when the first byte of the next order request has been read from it. Everything parks (nobody spins), so every figure holds two wake-ups
//! of a thread by the kernel; the yardstick is a TCP round trip between two blocking threads in the same run, which holds two as well.
//!
//! Frames come about every 12 ms, so the engine has slept before each: that is the *cold* row. For the *hot* row the observer writes a
//! run of pongs just before each book frame, so that the engine is awake and in its caches when the frame comes; the time counts from the
//! book frame. The spinning driver is not built. Logs are kept in memory.
//!
//! Orders that something else than a frame caused (hedges after a reply) are left out: whatever else reaches the engine disarms the
//! observer until the next frame.

use crossgate_benches::report::{Report, Times, quick};
use domain::{Input, MonoNanos, VenueId};
use engine_core::Engine;
use executor::IdSource;
use journal::{CODEC_VERSION, Header, LogKind, MemoryLog};
use node::{Node, NodeLogs};
use sim_exchange::server::{ServerConfig, serve, unix_now_ns};
use sim_exchange::world::{World, WorldConfig};
use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use testkit::SimConfig;
use testkit::venues::{Setup, build_world};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::LocalSet;
use venue::{Endpoints, Response};
use venue_io::{Clock, EventReceiver, HttpOutcome, IoBody, IoEvent, TlsRoots, VenueIo, event_queue};

const SEED: u64 = 11;
const TICK_NS: u64 = 100_000_000;
const BOOK_MARK: &[u8] = b"\"channel\":\"spot.order_book\",\"event\":\"update\"";
const ORDER_MARK: &[u8] = b"POST /api/v4/spot/orders";

fn main() {
    let mut report = Report::new(
        "wire to wire: book frame sent by a venue → order received by it, parked",
        "the simulator over loopback, seed 11, 4 pairs on 2 venues",
    );
    let span = Duration::from_secs(if quick() { 3 } else { 10 });
    report.yardstick("TCP round trip, 1 KB there and 0.5 KB back", &round_trips());
    for (name, hot) in [("frame to order, cold, plain TCP", false), ("frame to order, hot, plain TCP", true)] {
        let (venues, stop_venues) = start_venues();
        let (observed, stop_observer) = start_observer(venues, hot);
        let orders = trade(&observed, span);
        let times = stop_observer();
        stop_venues();
        println!("{orders} orders sent, {} of them the first that a frame caused", times.count());
        report.row(name, &times);
    }
}

/// Pongs written before a book frame in the hot row.
const PONGS: usize = 40;

/// A whole WebSocket text frame, unmasked as servers send them.
fn pong_frame() -> Vec<u8> {
    let text = br#"{"time":1750000000,"channel":"spot.pong","event":"","result":null}"#;
    let mut frame = vec![0x81, u8::try_from(text.len()).expect("a short frame")];
    frame.extend_from_slice(text);
    frame
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Two blocking threads and one connection.
fn round_trips() -> Times {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let echo = thread::spawn(move || {
        let (mut peer, _) = listener.accept().expect("a connection");
        peer.set_nodelay(true).expect("nodelay");
        let mut frame = [0; 1024];
        while peer.read_exact(&mut frame).is_ok() && peer.write_all(&frame[..512]).is_ok() {}
    });
    let mut stream = TcpStream::connect(address).expect("connected");
    stream.set_nodelay(true).expect("nodelay");
    let (mut times, frame, mut reply) = (Times::default(), [7; 1024], [0; 512]);
    for index in 0..3_000 {
        let begun = Instant::now();
        stream.write_all(&frame).expect("written");
        stream.read_exact(&mut reply).expect("read");
        if index >= 200 {
            times.record(begun.elapsed());
        }
    }
    drop(stream);
    echo.join().expect("the echo ends with its connection");
    times
}

/// The simulated venues on a thread of their own; returns their addresses and what ends them.
fn start_venues() -> (Vec<SocketAddr>, impl FnOnce()) {
    let (ready, addresses) = mpsc::channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let thread = thread::spawn(move || {
        runtime().block_on(async move {
            let world = World::new(WorldConfig::demo(SEED), unix_now_ns()).expect("the demo's world is good");
            let handle = serve(world, ServerConfig::loopback(2)).await.expect("free ports");
            ready.send(handle.addrs.clone()).expect("the bench waits");
            let _ = stopped.await;
            let _ = handle.shutdown().await;
        });
    });
    let addresses = addresses.recv().expect("the venues start");
    (addresses, move || {
        let _ = stop.send(());
        thread.join().expect("the venues end");
    })
}

// ---------------------------------------------------------------------------------------------------------------- observer

#[derive(Default)]
struct Stamps {
    /// When a book frame was written, until an order or anything else follows.
    frame: Option<Instant>,
    times: Times,
}

type Shared = Rc<RefCell<Stamps>>;

/// One listener per venue; returns their addresses and what ends them and gives the times.
fn start_observer(venues: Vec<SocketAddr>, hot: bool) -> (Vec<SocketAddr>, impl FnOnce() -> Times) {
    let (ready, addresses) = mpsc::channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let thread = thread::spawn(move || {
        let stamps = Shared::default();
        let local = LocalSet::new();
        let shared = stamps.clone();
        local.block_on(&runtime(), async move {
            let mut listening = Vec::new();
            for venue in venues {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
                listening.push(listener.local_addr().expect("an address"));
                tokio::task::spawn_local(accept(listener, venue, shared.clone(), hot));
            }
            ready.send(listening).expect("the bench waits");
            let _ = stopped.await;
        });
        std::mem::take(&mut stamps.borrow_mut().times)
    });
    let addresses = addresses.recv().expect("the observer starts");
    (addresses, move || {
        let _ = stop.send(());
        thread.join().expect("the observer ends")
    })
}

async fn accept(listener: tokio::net::TcpListener, venue: SocketAddr, stamps: Shared, hot: bool) {
    while let Ok((engine, _)) = listener.accept().await {
        let Ok(venue) = tokio::net::TcpStream::connect(venue).await else { continue };
        engine.set_nodelay(true).expect("nodelay");
        venue.set_nodelay(true).expect("nodelay");
        let (from_engine, to_engine) = engine.into_split();
        let (from_venue, to_venue) = venue.into_split();
        tokio::task::spawn_local(up(from_engine, to_venue, stamps.clone()));
        tokio::task::spawn_local(down(from_venue, to_engine, stamps.clone(), hot));
    }
}

async fn up(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, stamps: Shared) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(len @ 1..) = from.read(&mut buffer).await {
        let arrived = Instant::now();
        if buffer[..len].starts_with(ORDER_MARK) {
            let mut stamps = stamps.borrow_mut();
            if let Some(sent) = stamps.frame.take() {
                stamps.times.record(arrived.saturating_duration_since(sent));
            }
        }
        if to.write_all(&buffer[..len]).await.is_err() {
            break;
        }
    }
}

async fn down(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, stamps: Shared, hot: bool) {
    let pong = pong_frame();
    let mut buffer = vec![0; 64 << 10];
    while let Ok(len @ 1..) = from.read(&mut buffer).await {
        let is_book = buffer[..len].windows(BOOK_MARK.len()).any(|window| window == BOOK_MARK);
        // A read that begins with a frame's header: pongs may stand before it.
        if hot && is_book && buffer[0] == 0x81 {
            for _ in 0..PONGS {
                if to.write_all(&pong).await.is_err() {
                    return;
                }
            }
        }
        if to.write_all(&buffer[..len]).await.is_err() {
            break;
        }
        stamps.borrow_mut().frame = is_book.then(Instant::now);
    }
}

// ------------------------------------------------------------------------------------------------------------------ engine

/// Runs an engine against these addresses for a while; returns how many orders it sent.
fn trade(addresses: &[SocketAddr], span: Duration) -> u64 {
    let pairs = ["BTC_USDT", "ETH_USDT", "SOL_USDT", "XRP_USDT"].map(String::from).to_vec();
    let mut config = SimConfig { pairs, wall_offset_ns: 0, ..SimConfig::calm(SEED) };
    config.venues.iter_mut().for_each(|venue| venue.book_channel = "order_book");
    // Names and rules only: the same universe as the venues on the sockets.
    let setup = Setup::fetch(&config, &mut build_world(&config));
    let local = LocalSet::new();
    local.block_on(&runtime(), async {
        let clock = Clock::new();
        let (sender, events) = event_queue();
        let ios = addresses.iter().enumerate().map(|(index, address)| {
            let ws = format!("ws://{address}/ws/v4/");
            let endpoints = Endpoints { rest: format!("http://{address}"), private_ws: ws.clone(), ws };
            VenueIo::new(VenueId(index as u8), &endpoints, TlsRoots::bundled(), sender.clone(), clock)
                .expect("loopback endpoints")
        });
        let mut engine = Trading { clock, ios: ios.collect(), node: node(&setup, clock), events };
        engine.run(span).await
    })
}

fn node(setup: &Setup, clock: Clock) -> Node {
    let started = clock.wall();
    let epoch = u64::try_from(started.seconds()).expect("a present-day clock");
    let ids = IdSource::new(0, epoch, 0).expect("a present-day epoch");
    let log = |kind| {
        let header = Header {
            version: CODEC_VERSION,
            kind,
            instance: 0,
            epoch,
            shard: 0,
            build: "bench".into(),
            mode: "sim".into(),
            seed: SEED,
            started,
            config: String::new(),
            tables: (*setup.tables).clone(),
            previous: [0; 32],
        };
        Box::new(MemoryLog::start(&header).expect("a small header"))
    };
    let logs = NodeLogs { state: log(LogKind::State), market: Some(log(LogKind::Market)) };
    let engine = Engine::new(setup.engine.clone(), setup.tables.clone(), ids);
    let mut node = Node::new(setup.sessions(1), engine, logs);
    for rules in &setup.rules {
        node.push(clock.now(), Input::Rules(*rules));
    }
    node.start(clock.now());
    node
}

struct Trading {
    clock: Clock,
    node: Node,
    ios: Vec<VenueIo>,
    events: EventReceiver,
}

impl Trading {
    /// The live loop without what people see of it.
    async fn run(&mut self, span: Duration) -> u64 {
        let begun = Instant::now();
        let mut next_tick = MonoNanos(0);
        self.turn();
        while begun.elapsed() < span {
            let now = self.clock.now();
            let deadline = self.node.next_deadline().map_or(next_tick, |due| due.min(next_tick));
            let wait = Duration::from_nanos(deadline.since(now)).min(Duration::from_millis(50));
            tokio::select! {
                biased;
                Some(event) = self.events.recv() => {
                    self.take(event);
                    while let Some(event) = self.events.try_recv() {
                        self.take(event);
                    }
                }
                () = tokio::time::sleep(wait) => {}
            }
            let now = self.clock.now();
            self.node.timeouts(now);
            if now >= next_tick {
                next_tick = now.after(TICK_NS);
                self.node.push(now, Input::Tick { unix: self.clock.wall() });
            }
            self.turn();
            let _ = self.node.take_notices();
        }
        self.node.engine().report().execution.orders_sent
    }

    fn take(&mut self, event: IoEvent) {
        let IoEvent { venue, received, body } = event;
        match body {
            IoBody::Connected { link, .. } => self.node.connected(venue, link, received),
            IoBody::Frame { link, mut bytes } => self.node.frame(venue, link, received, &mut bytes),
            IoBody::Lost { link, reason, .. } => self.node.lost(venue, link, received, reason),
            IoBody::Response { ticket, outcome: HttpOutcome::Http { status, headers, mut body } } => {
                self.node.response(venue, ticket, received, Response::Http { status, headers: &headers, body: &mut body });
            }
            IoBody::Response { ticket, outcome: HttpOutcome::Failed(failure) } => {
                self.node.response(venue, ticket, received, Response::Failed(failure));
            }
        }
    }

    fn turn(&mut self) {
        loop {
            while let Some((venue, transmit)) = self.node.poll_transmit(self.clock.now(), self.clock.wall()) {
                if let Some(io) = self.ios.get_mut(venue.index()) {
                    io.perform(transmit);
                }
            }
            if !self.node.step(self.clock.now()) {
                break;
            }
        }
    }
}
