//! Bad lines between an engine and a venue: a TCP proxy on loopback that delays, resets, half-closes, swallows, drips, refuses,
//! breaks the reply of an order, and puts a peer's malice on a stream. It needs no privilege and no kernel module. It stands before all
//! of a venue's hosts, whichever of the kinds the venue is of; what it knows of them are the marks of an order and of a book.
//!
//! Start at [`Proxy::start`]. [`Weather`] holds until it is changed, also for connections to come; a [`Strike`] hits the
//! connections that stand at that moment, once. Both spare what [`Proxy::only_stream`] does not name.

use super::dice::Dice;
use super::ws::client_payloads;
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

/// Bytes read at once.
const CHUNK_BYTES: usize = 64 << 10;
/// How a request begins that places an order: at Gate, Binance, Bybit.
const PLACING_REQUESTS: [&[u8]; 3] = [b"POST /api/v4/spot/orders", b"POST /api/v3/order", b"POST /v5/order/create"];
/// What a message has in it that places an order over a link: there, too.
const PLACING_MESSAGES: [&[u8]; 3] = [b"\"spot.order_place\"", b"\"order.place\"", b"\"order.create\""];
/// What a frame of books has in it, and what one that tells both sides: there, too. Bybit's whole books come only as its first.
const BOOKS: [(&[u8], &[u8]); 3] =
    [(b"\"spot.order_book", b"\"bids\""), (b"\"depthUpdate\"", b"\"b\":[["), (b"\"orderbook.", b"\"snapshot\"")];

/// What lies on the line for as long as it is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    /// Nothing.
    Fair,
    /// Nobody listens; what stands is reset.
    Refused,
    /// Every new connection is reset as soon as it has asked for something; what stands stays.
    ResetNew,
    /// Whatever stands or comes is accepted, and no byte moves.
    BlackHole,
    /// What the venue says arrives this much later.
    Late(Duration),
    /// What the venue says arrives at a byte a second.
    Drip,
    /// The last book frame again and again, as fast as the engine takes it, on every stream of books.
    Flood,
    /// The WebSocket handshake is answered with header lines without an end.
    EndlessHeaders,
    /// The WebSocket handshake is not answered; everything else passes.
    NoHandshake,
}

/// What hits the connections that stand.
#[derive(Clone, Debug)]
pub(crate) enum Strike {
    /// Nothing yet.
    None,
    /// The connection is reset.
    Reset,
    /// The venue says that it will send no more; what the engine sends is still taken.
    HalfClose,
    /// These bytes come down every stream of books, `times` over, in place of what the venue says from here on.
    Malice {
        /// Once, before the rest.
        first: Vec<u8>,
        /// Then this, over and over.
        again: Vec<u8>,
        /// How often.
        times: u64,
    },
}

/// What happens to the reply of the next order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrderFault {
    /// The venue gets the order; half of its answer arrives, then the connection is reset.
    ReplyTruncated,
    /// The venue gets the order; its answer is thrown away and the connection reset.
    ReplyLost,
    /// The venue gets the order; its answer is thrown away and the connection just stands there.
    ReplyNever,
    /// Half of the order leaves, then the connection is reset: the venue never has it.
    OrderCut,
}

/// How a connection came to carry books.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BookLine {
    /// When the engine opened it.
    pub(crate) opened: Instant,
    /// When the venue answered its handshake.
    pub(crate) upgraded: Instant,
    /// When the venue first spoke of books on it.
    pub(crate) spoke: Instant,
}

#[derive(Debug)]
struct Shared {
    venue: SocketAddr,
    weather: watch::Sender<Weather>,
    strike: watch::Sender<Strike>,
    order_faults: Mutex<Vec<OrderFault>>,
    accepted: Mutex<Vec<Instant>>,
    /// First lines of what was asked on connections that were reset for it.
    cut_off: Mutex<Vec<String>>,
    /// When the engine's side of a connection that had been struck with malice was seen to end.
    malice_ended: Mutex<Vec<Duration>>,
    malice_bytes: AtomicU64,
    flood_frames: AtomicU64,
    book_lines: Mutex<Vec<BookLine>>,
    /// WebSocket connections so far.
    streams: AtomicUsize,
    /// The only one of them that weather and strikes are about.
    only: Mutex<Option<usize>>,
    stop: watch::Sender<bool>,
}

/// A proxy in front of one venue. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Proxy {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// In front of a venue that `crossgate sim` told of.
    #[track_caller]
    pub(crate) fn start(venue: &Value) -> Proxy {
        let rest = venue["rest"].as_str().expect("a venue has REST");
        let address = rest.split("://").nth(1).expect("a URL").trim_end_matches('/').parse().expect("an address and a port");
        let shared = Arc::new(Shared {
            venue: address,
            weather: watch::Sender::new(Weather::Fair),
            strike: watch::Sender::new(Strike::None),
            order_faults: Mutex::default(),
            accepted: Mutex::default(),
            cut_off: Mutex::default(),
            malice_ended: Mutex::default(),
            malice_bytes: AtomicU64::new(0),
            flood_frames: AtomicU64::new(0),
            book_lines: Mutex::default(),
            streams: AtomicUsize::new(0),
            only: Mutex::default(),
            stop: watch::Sender::new(false),
        });
        let (told, ready) = std::sync::mpsc::channel();
        let serving = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
                let address = listener.local_addr().expect("it is bound");
                told.send(address).expect("somebody waits");
                let mut stop = serving.stop.subscribe();
                tokio::select! {
                    () = serve(listener, address, serving) => {}
                    _ = stop.wait_for(|stop| *stop) => {}
                }
            });
        });
        let address = ready.recv().expect("the proxy listens");
        Proxy { address, shared, thread: Some(thread) }
    }

    /// The venue as an engine behind this proxy reaches it.
    pub(crate) fn in_front_of(&self, venue: &Value) -> Value {
        let mut venue = venue.clone();
        for key in ["rest", "ws", "private_ws"] {
            let url = venue[key].as_str().expect("a URL").replace(&self.shared.venue.to_string(), &self.address.to_string());
            venue[key] = url.into();
        }
        venue
    }

    /// Changes what lies on the line.
    pub(crate) fn weather(&self, weather: Weather) {
        self.shared.weather.send_replace(weather);
    }

    /// Hits what stands.
    pub(crate) fn strike(&self, strike: Strike) {
        self.shared.strike.send_replace(strike);
    }

    /// From here on weather and strikes are about the WebSocket connection of this number alone, counted from zero.
    pub(crate) fn only_stream(&self, number: usize) {
        *lock(&self.shared.only) = Some(number);
    }

    /// WebSocket connections so far.
    pub(crate) fn streams(&self) -> usize {
        self.shared.streams.load(Ordering::Relaxed)
    }

    /// The next orders meet these, one each.
    pub(crate) fn break_orders(&self, faults: &[OrderFault]) {
        lock(&self.shared.order_faults).extend(faults);
    }

    /// Order faults that met no order yet.
    pub(crate) fn order_faults_left(&self) -> usize {
        lock(&self.shared.order_faults).len()
    }

    /// Connections accepted since `since`.
    pub(crate) fn accepted_since(&self, since: Instant) -> usize {
        lock(&self.shared.accepted).iter().filter(|at| **at >= since).count()
    }

    /// First lines of what was asked on connections that were reset for it ([`Weather::ResetNew`]). Empties the list.
    pub(crate) fn take_cut_off(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.shared.cut_off))
    }

    /// How long each connection stood after malice began to come down it, as far as they have ended. Empties the list.
    pub(crate) fn take_malice_ended(&self) -> Vec<Duration> {
        std::mem::take(&mut *lock(&self.shared.malice_ended))
    }

    /// The connections that came to carry books, in the order in which they did. Empties the list.
    pub(crate) fn take_book_lines(&self) -> Vec<BookLine> {
        std::mem::take(&mut *lock(&self.shared.book_lines))
    }

    /// Bytes of malice that the engine's socket took.
    pub(crate) fn malice_bytes(&self) -> u64 {
        self.shared.malice_bytes.load(Ordering::Relaxed)
    }

    /// Frames of floods that the engine's socket took.
    pub(crate) fn flood_frames(&self) -> u64 {
        self.shared.flood_frames.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, address: SocketAddr, shared: Arc<Shared>) {
    let mut weather = shared.weather.subscribe();
    let mut listener = Some(listener);
    loop {
        let refused = *weather.borrow_and_update() == Weather::Refused;
        if refused {
            // A closed listener: the kernel itself refuses.
            listener = None;
        } else if listener.is_none() {
            listener = Some(bind_again(address).await);
        }
        tokio::select! {
            _ = weather.changed() => {}
            accepted = async { match &listener { Some(l) => l.accept().await, None => std::future::pending().await } } => {
                if let Ok((engine, _)) = accepted {
                    lock(&shared.accepted).push(Instant::now());
                    let _ = engine.set_nodelay(true);
                    tokio::spawn(carry(engine, Arc::clone(&shared)));
                }
            }
        }
    }
}

/// The same port, which connections of before may still hold in TIME_WAIT.
async fn bind_again(address: SocketAddr) -> TcpListener {
    loop {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("an option");
        if socket.bind(address).is_ok()
            && let Ok(listener) = socket.listen(128)
        {
            return listener;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What a connection turned out to carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rest,
    Handshake,
    Stream,
    Books,
}

/// Ends a connection with a reset instead of a farewell.
fn reset(engine: &TcpStream) {
    let _ = engine.set_zero_linger();
}

async fn carry(mut engine: TcpStream, shared: Arc<Shared>) {
    let opened = Instant::now();
    let (mut weather, mut strikes) = (shared.weather.subscribe(), shared.strike.subscribe());
    strikes.borrow_and_update();
    let Ok(mut venue) = TcpStream::connect(shared.venue).await else { return reset(&engine) };
    let _ = venue.set_nodelay(true);
    let (mut up, mut down) = (vec![0; CHUNK_BYTES], vec![0; CHUNK_BYTES]);
    let mut kind = Kind::Rest;
    let mut upgraded = opened;
    let mut number: Option<usize> = None;
    let mut broken: Option<OrderFault> = None;
    let mut half_closed = false;
    let mut dripping: std::collections::VecDeque<u8> = Default::default();
    let mut second = tokio::time::interval(Duration::from_secs(1));
    let mut book_frame: Vec<u8> = Vec::new();
    loop {
        let spared = lock(&shared.only).is_some_and(|only| number != Some(only));
        let now = if spared { Weather::Fair } else { *weather.borrow_and_update() };
        if now == Weather::Refused {
            return reset(&engine);
        }
        if now != Weather::Drip && !dripping.is_empty() {
            let rest: Vec<u8> = dripping.drain(..).collect();
            if engine.write_all(&rest).await.is_err() {
                return;
            }
        }
        let still = now == Weather::BlackHole;
        let flooding = now == Weather::Flood && !book_frame.is_empty();
        tokio::select! {
            _ = weather.changed() => {}
            Ok(()) = strikes.changed() => {
                let strike = strikes.borrow_and_update().clone();
                match strike {
                    _ if spared => {}
                    Strike::None => {}
                    Strike::Reset => return reset(&engine),
                    Strike::HalfClose => {
                        half_closed = true;
                        let _ = engine.shutdown().await;
                    }
                    Strike::Malice { first, again, times } if kind == Kind::Books => {
                        return malice(engine, &first, &again, times, &shared, strikes).await;
                    }
                    Strike::Malice { .. } => {}
                }
            }
            read = engine.read(&mut up), if !still => {
                let Ok(count @ 1..) = read else { return };
                let bytes = &up[..count];
                if now == Weather::ResetNew {
                    let line = String::from_utf8_lossy(bytes).lines().next().unwrap_or_default().to_string();
                    lock(&shared.cut_off).push(line);
                    return reset(&engine);
                }
                if kind == Kind::Rest && contains(bytes, b"Upgrade: websocket") {
                    kind = Kind::Handshake;
                    number = Some(shared.streams.fetch_add(1, Ordering::Relaxed));
                    match now {
                        Weather::EndlessHeaders => return endless_headers(engine, &shared, strikes).await,
                        Weather::NoHandshake => return wait_for_end(engine).await,
                        _ => {}
                    }
                }
                if places_order(kind, bytes) {
                    let fault = next_order_fault(&shared);
                    if fault == Some(OrderFault::OrderCut) {
                        let _ = venue.write_all(&bytes[..count / 2]).await;
                        return reset(&engine);
                    }
                    broken = fault;
                }
                if venue.write_all(bytes).await.is_err() {
                    return;
                }
            }
            read = venue.read(&mut down), if !still && !half_closed && dripping.is_empty() => {
                let Ok(count @ 1..) = read else { return };
                let bytes = &down[..count];
                if kind == Kind::Handshake {
                    kind = Kind::Stream;
                    upgraded = Instant::now();
                }
                if kind != Kind::Rest
                    && let Some((_, whole)) = BOOKS.iter().find(|(book, _)| contains(bytes, book))
                {
                    if kind != Kind::Books {
                        lock(&shared.book_lines).push(BookLine { opened, upgraded, spoke: Instant::now() });
                    }
                    kind = Kind::Books;
                    if contains(bytes, whole) && is_one_frame(bytes) {
                        book_frame = bytes.to_vec();
                    }
                }
                match broken.take() {
                    Some(OrderFault::ReplyTruncated) => {
                        let _ = engine.write_all(&bytes[..count / 2]).await;
                        let _ = engine.flush().await;
                        return reset(&engine);
                    }
                    Some(OrderFault::ReplyLost) => return reset(&engine),
                    Some(OrderFault::ReplyNever) => return wait_for_end(engine).await,
                    Some(OrderFault::OrderCut) | None => {}
                }
                match now {
                    Weather::Drip => { dripping.extend(bytes); continue; }
                    Weather::Late(delay) => tokio::time::sleep(delay).await,
                    _ => {}
                }
                if engine.write_all(bytes).await.is_err() {
                    return;
                }
            }
            _ = second.tick(), if now == Weather::Drip && !dripping.is_empty() => {
                let byte = dripping.pop_front().unwrap_or_default();
                if engine.write_all(&[byte]).await.is_err() {
                    return;
                }
            }
            () = std::future::ready(()), if flooding => {
                for _ in 0..16 {
                    if engine.write_all(&book_frame).await.is_err() {
                        return;
                    }
                    shared.flood_frames.fetch_add(1, Ordering::Relaxed);
                }
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Whether what the engine says on such a connection places an order.
fn places_order(kind: Kind, bytes: &[u8]) -> bool {
    match kind {
        Kind::Rest => PLACING_REQUESTS.iter().any(|request| bytes.starts_with(request)),
        Kind::Stream => {
            client_payloads(bytes).iter().any(|payload| PLACING_MESSAGES.iter().any(|message| contains(payload, message)))
        }
        Kind::Handshake | Kind::Books => false,
    }
}

fn next_order_fault(shared: &Shared) -> Option<OrderFault> {
    let mut faults = lock(&shared.order_faults);
    (!faults.is_empty()).then(|| faults.remove(0))
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

/// Whether these bytes are exactly one unmasked, unfragmented text frame.
fn is_one_frame(bytes: &[u8]) -> bool {
    match bytes {
        [0x81, len, rest @ ..] if *len < 126 => rest.len() == usize::from(*len),
        [0x81, 126, high, low, rest @ ..] => rest.len() == usize::from(u16::from_be_bytes([*high, *low])),
        _ => false,
    }
}

async fn malice(
    mut engine: TcpStream,
    first: &[u8],
    again: &[u8],
    times: u64,
    shared: &Shared,
    mut strikes: watch::Receiver<Strike>,
) {
    let began = Instant::now();
    let (mut read, mut write) = engine.split();
    let send = async {
        let mut taken = write.write_all(first).await.map(|()| first.len() as u64);
        for _ in 0..times {
            if taken.is_err() {
                break;
            }
            taken = write.write_all(again).await.map(|()| again.len() as u64);
            shared.malice_bytes.fetch_add(again.len() as u64, Ordering::Relaxed);
        }
        let _ = write.flush().await;
        if taken.is_ok() {
            std::future::pending::<()>().await;
        }
    };
    // What the engine says meanwhile (pongs, a close frame) is taken, so that it is not the one that can't write.
    let watch = async {
        let mut sink = vec![0; CHUNK_BYTES];
        while let Ok(1..) = read.read(&mut sink).await {}
    };
    let struck = tokio::select! {
        () = send => false,
        () = watch => false,
        changed = strikes.changed() => changed.is_ok(),
    };
    if struck {
        return reset(&engine);
    }
    lock(&shared.malice_ended).push(began.elapsed());
}

async fn endless_headers(engine: TcpStream, shared: &Shared, strikes: watch::Receiver<Strike>) {
    let first = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    let line: Vec<u8> = b"X-More: of the same kind, and no end of it in sight\r\n".repeat(256);
    malice(engine, first, &line, 1_000_000 / 256, shared, strikes).await;
}

async fn wait_for_end(mut engine: TcpStream) {
    let mut sink = vec![0; CHUNK_BYTES];
    while let Ok(1..) = engine.read(&mut sink).await {}
}

/// Proxies in front of every venue, and the venues as an engine reaches them through these.
#[track_caller]
pub(crate) fn proxies(venues: &[Value]) -> (Vec<Proxy>, Vec<Value>) {
    let proxies: Vec<Proxy> = venues.iter().map(Proxy::start).collect();
    let fronts = proxies.iter().zip(venues).map(|(proxy, venue)| proxy.in_front_of(venue)).collect();
    (proxies, fronts)
}

/// The faults of orders, each as often, in an order that the seed draws.
pub(crate) fn shuffled_order_faults(each: usize, seed: u64) -> Vec<OrderFault> {
    use OrderFault::{OrderCut, ReplyLost, ReplyNever, ReplyTruncated};
    let mut faults: Vec<OrderFault> = [ReplyTruncated, ReplyLost, ReplyNever, OrderCut].repeat(each);
    Dice::new(seed).shuffle(&mut faults);
    faults
}
