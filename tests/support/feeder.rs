//! A venue that plays a recording by a schedule, over real sockets: WebSocket and REST on one loopback port, in Binance's dialect or in
//! Gate's, public side only.
//!
//! Start at [`Feeder::start`]; [`Feeder::play`] begins once everything is subscribed to. The schedule never waits for anybody: a frame is
//! due when it is due, and what the connection does not take by then, or what its [`Line`] holds back, arrives late. The clock of
//! the venue may be off by a constant, as real ones are.

use super::recording::{BookCopy, Kind, Recording};
use super::ws::frame as ws_frame;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Most bytes written at once.
const BATCH_BYTES: usize = 64 << 10;

/// Whose protocol is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Binance spot: combined streams, copies of books over REST.
    Binance,
    /// Gate spot: `spot.order_book`.
    Gate,
}

/// What lies between the venue and its client, on the streams.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Line {
    /// Nothing: as fast as the sockets take it.
    Fair,
    /// Everything takes this much longer.
    Late(Duration),
    /// So many bytes a second; what is more queues up.
    Thin(u64),
    /// Nothing passes, and nothing is lost.
    Stalled,
}

#[derive(Debug)]
struct State {
    began: Option<Instant>,
    began_unix_ns: i64,
    line: Line,
    /// Connections that are to end are older than this.
    generation: u64,
    stop: bool,
    subscribed: BTreeSet<String>,
    sockets: Vec<TcpStream>,
    /// The books over REST, and how many frames they know of.
    books: (BTreeMap<String, BookCopy>, usize),
}

#[derive(Debug)]
struct Shared {
    dialect: Dialect,
    recording: Recording,
    clock_ahead_ns: i64,
    state: Mutex<State>,
    changed: Condvar,
    frames: AtomicU64,
    bytes: AtomicU64,
    connections: AtomicU64,
}

/// A venue that plays. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Feeder {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

fn unix_ns() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("the clock is set");
    i64::try_from(since.as_nanos()).expect("a time of this century")
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn venue_ms(&self) -> i64 {
        (unix_ns() + self.clock_ahead_ns) / 1_000_000
    }
}

impl Feeder {
    /// Listens, and is ready to be subscribed to.
    #[track_caller]
    pub(crate) fn start(dialect: Dialect, recording: Recording, clock_ahead: i64) -> Feeder {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let state = State {
            began: None,
            began_unix_ns: 0,
            line: Line::Fair,
            generation: 0,
            stop: false,
            subscribed: BTreeSet::new(),
            sockets: Vec::new(),
            books: (recording.books.clone(), 0),
        };
        let shared = Arc::new(Shared {
            dialect,
            recording,
            clock_ahead_ns: clock_ahead,
            state: Mutex::new(state),
            changed: Condvar::new(),
            frames: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            connections: AtomicU64::new(0),
        });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let mut state = serving.lock();
                if state.stop {
                    return;
                }
                state.sockets.extend(socket.try_clone());
                drop(state);
                let shared = Arc::clone(&serving);
                std::thread::spawn(move || serve(socket, &shared));
            }
        });
        Feeder { address, shared }
    }

    /// Names of all streams that the recording has.
    pub(crate) fn streams(&self) -> BTreeSet<String> {
        self.shared.recording.frames.iter().map(|frame| frame.stream.clone()).collect()
    }

    /// Whether somebody has subscribed to every stream.
    pub(crate) fn is_subscribed(&self) -> bool {
        self.streams().is_subset(&self.shared.lock().subscribed)
    }

    /// The schedule begins, at this instant of both clocks.
    pub(crate) fn play(&self, began: Instant, began_unix_ns: i64) {
        let mut state = self.shared.lock();
        (state.began, state.began_unix_ns) = (Some(began), began_unix_ns);
        self.shared.changed.notify_all();
    }

    /// Changes what lies on the line; with `cut`, the streams that stand end first, so that new ones begin under it.
    pub(crate) fn line(&self, line: Line, cut: bool) {
        let mut state = self.shared.lock();
        state.line = line;
        state.generation += u64::from(cut);
        self.shared.changed.notify_all();
    }

    /// Bytes of frames that are due in this part of the play.
    pub(crate) fn bytes_due(&self, from: Duration, to: Duration) -> u64 {
        let [from, to] = [from, to].map(|at| i64::try_from(at.as_nanos()).expect("a short time"));
        let frames = self.shared.recording.frames.iter().filter(|frame| (from..to).contains(&frame.at_ns));
        frames.map(|frame| frame.text(1_700_000_000_000_000_000).len() as u64).sum()
    }

    /// Frames written so far.
    pub(crate) fn frames(&self) -> u64 {
        self.shared.frames.load(Ordering::Relaxed)
    }

    /// Streams' connections so far.
    pub(crate) fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// By pair, kind and id: when the venue sent it, Unix nanoseconds of this host's clock.
    pub(crate) fn sent(&self) -> BTreeMap<(String, Kind, u64), i64> {
        let began = self.shared.lock().began_unix_ns;
        let frames = self.shared.recording.frames.iter();
        // The first of those with one id: what says the same again is no news.
        let mut sent = BTreeMap::new();
        for frame in frames {
            if let Some(key) = &frame.shows {
                sent.entry(key.clone()).or_insert(began + frame.sent_ns);
            }
        }
        sent
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.stop = true;
        state.sockets.iter().for_each(|socket| drop(socket.shutdown(Shutdown::Both)));
        drop(state);
        self.shared.changed.notify_all();
        // Wakes whoever accepts.
        let _ = TcpStream::connect(self.address);
    }
}

/// One connection: requests, until one of them makes it a stream.
fn serve(socket: TcpStream, shared: &Arc<Shared>) {
    let _ = socket.set_nodelay(true);
    let Ok(reading) = socket.try_clone() else { return };
    let (mut reader, mut socket) = (BufReader::new(reading), socket);
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            match reader.read_line(&mut line) {
                Ok(1..) if line.trim_end().is_empty() => break,
                Ok(1..) => head.push(line.trim_end().to_string()),
                _ => return,
            }
        }
        let key =
            head.iter().find_map(|line| line.to_ascii_lowercase().starts_with("sec-websocket-key:").then(|| line[18..].trim()));
        if let Some(key) = key {
            let accept = derive_accept_key(key.as_bytes());
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
            );
            if socket.write_all(answer.as_bytes()).is_ok() {
                stream(reader, socket, shared);
            }
            return;
        }
        let target = head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
        let (status, body) = match rest(shared, target) {
            Some(body) => ("200 OK", body.to_string()),
            None => ("404 Not Found", json!({"label": "NOT_FOUND", "message": "this venue only plays"}).to_string()),
        };
        let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        if socket.write_all((head + &body).as_bytes()).is_err() {
            return;
        }
    }
}

fn rest(shared: &Shared, target: &str) -> Option<Value> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let of = |key: &str| query.split('&').find_map(|part| part.strip_prefix(key)?.strip_prefix('='));
    match (shared.dialect, path) {
        (Dialect::Binance, "/api/v3/time") => Some(json!({"serverTime": shared.venue_ms()})),
        (Dialect::Binance, "/api/v3/exchangeInfo") => {
            Some(json!({"symbols": names(shared).iter().map(|n| binance_rules(n)).collect::<Vec<_>>()}))
        }
        (Dialect::Binance, "/api/v3/depth") => book(shared, of("symbol")?).map(|book| book.binance_answer()),
        (Dialect::Gate, "/api/v4/spot/time") => Some(json!({"server_time": shared.venue_ms()})),
        (Dialect::Gate, "/api/v4/spot/order_book") => {
            book(shared, of("currency_pair")?).map(|book| book.gate_answer(shared.venue_ms()))
        }
        (Dialect::Gate, "/api/v4/spot/currency_pairs") => Some(names(shared).iter().map(|name| gate_rules(name)).collect()),
        (Dialect::Gate, path) => {
            let name = path.strip_prefix("/api/v4/spot/currency_pairs/")?;
            names(shared).contains(name).then(|| gate_rules(name))
        }
        _ => None,
    }
}

/// Names of the pairs that the recording has.
fn names(shared: &Shared) -> BTreeSet<String> {
    shared.recording.books.keys().cloned().collect()
}

/// Rules that every recorded number fits.
fn binance_rules(name: &str) -> Value {
    let base = name.strip_suffix("USDT").expect("a pair in USDT");
    json!({
        "symbol": name, "status": "TRADING", "baseAsset": base, "quoteAsset": "USDT", "isSpotTradingAllowed": true,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"},
            {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001"},
            {"filterType": "NOTIONAL", "minNotional": "5"},
        ],
    })
}

fn gate_rules(name: &str) -> Value {
    let (base, quote) = name.split_once('_').expect("a pair");
    json!({
        "id": name, "base": base, "quote": quote, "fee": "0.2", "min_base_amount": "0.0001", "min_quote_amount": "3",
        "amount_precision": 6, "precision": 4, "trade_status": "tradable", "sell_start": 0, "buy_start": 0,
    })
}

/// A book as of now: everything that is due is in it, whatever the line does to the streams.
fn book(shared: &Shared, name: &str) -> Option<BookCopy> {
    let mut state = shared.lock();
    let now_ns = state.began.map_or(-1, |began| i64::try_from(began.elapsed().as_nanos()).unwrap_or(i64::MAX));
    let (books, known) = &mut state.books;
    while let Some(frame) = shared.recording.frames.get(*known).filter(|frame| frame.at_ns <= now_ns) {
        *known += 1;
        if let Some((name, Kind::Book, _)) = &frame.shows {
            books.entry(name.clone()).or_default().take(frame);
        }
    }
    books.get(name).cloned()
}

/// What one stream connection follows.
#[derive(Default)]
struct Wanted {
    streams: Mutex<BTreeSet<String>>,
    ended: AtomicBool,
}

impl Wanted {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stream(mut reader: BufReader<TcpStream>, socket: TcpStream, shared: &Arc<Shared>) {
    shared.connections.fetch_add(1, Ordering::Relaxed);
    let wanted = Arc::new(Wanted::default());
    let socket = Arc::new(Mutex::new(socket));
    let player = {
        let (shared, wanted, socket) = (Arc::clone(shared), Arc::clone(&wanted), Arc::clone(&socket));
        std::thread::spawn(move || play(&shared, &wanted, &socket))
    };
    let say = |first: u8, payload: &[u8]| {
        let mut socket = socket.lock().unwrap_or_else(PoisonError::into_inner);
        socket.write_all(&ws_frame(first, payload)).is_ok()
    };
    while let Some((first, payload)) = client_frame(&mut reader) {
        let goes_on = match first & 0x0f {
            1 => match serde_json::from_slice::<Value>(&payload) {
                Ok(said) => say(0x81, control(shared, &wanted, &said).to_string().as_bytes()),
                Err(_) => false,
            },
            9 => say(0x8a, &payload),
            10 => true,
            _ => false,
        };
        if !goes_on {
            break;
        }
    }
    wanted.ended.store(true, Ordering::Relaxed);
    shared.changed.notify_all();
    let _ = socket.lock().unwrap_or_else(PoisonError::into_inner).shutdown(Shutdown::Both);
    let _ = player.join();
}

/// One masked frame of a client: its first byte and its payload.
fn client_frame(reader: &mut impl Read) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 2];
    reader.read_exact(&mut head).ok()?;
    let len = match head[1] & 0x7f {
        126 => {
            let mut len = [0; 2];
            reader.read_exact(&mut len).ok()?;
            usize::from(u16::from_be_bytes(len))
        }
        127 => return None,
        len => usize::from(len),
    };
    let (mut mask, mut payload) = ([0; 4], vec![0; len]);
    reader.read_exact(&mut mask).ok()?;
    reader.read_exact(&mut payload).ok()?;
    payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    Some((head[0], payload))
}

/// Does what a control message says, and answers it.
fn control(shared: &Shared, wanted: &Wanted, said: &Value) -> Value {
    let now_ms = shared.venue_ms();
    let texts = |list: &Value| -> Vec<String> {
        list.as_array().into_iter().flatten().filter_map(|item| item.as_str().map(String::from)).collect()
    };
    let (subscribe, streams, answer) = match shared.dialect {
        Dialect::Binance => {
            let method = said["method"].as_str().unwrap_or_default();
            let result = if method == "LIST_SUBSCRIPTIONS" { json!(*wanted.lock()) } else { Value::Null };
            let streams = if method == "LIST_SUBSCRIPTIONS" { Vec::new() } else { texts(&said["params"]) };
            (method == "SUBSCRIBE", streams, json!({"result": result, "id": said["id"]}))
        }
        Dialect::Gate if said["channel"] == "spot.ping" => {
            return json!({"time": now_ms / 1000, "time_ms": now_ms, "channel": "spot.pong", "event": "", "error": null, "result": null});
        }
        Dialect::Gate => {
            let channel = said["channel"].as_str().unwrap_or_default();
            let streams = texts(&said["payload"]).first().map(|name| format!("{channel} {name}")).into_iter().collect();
            let answer = json!({
                "time": now_ms / 1000, "time_ms": now_ms, "id": said["id"], "channel": channel, "event": said["event"],
                "payload": said["payload"], "result": {"status": "success"},
            });
            (said["event"] == "subscribe", streams, answer)
        }
    };
    for stream in streams {
        if subscribe {
            shared.lock().subscribed.insert(stream.clone());
            wanted.lock().insert(stream);
        } else {
            wanted.lock().remove(&stream);
        }
    }
    shared.changed.notify_all();
    answer
}

/// Pushes what is due, for as long as the connection stands.
fn play(shared: &Shared, wanted: &Wanted, socket: &Mutex<TcpStream>) {
    let mut state = shared.lock();
    let generation = state.generation;
    let mut next: Option<usize> = None;
    let mut free_at = Instant::now();
    let frames = &shared.recording.frames;
    loop {
        if state.stop || wanted.ended.load(Ordering::Relaxed) {
            return;
        }
        if state.generation != generation {
            drop(state);
            let _ = socket.lock().unwrap_or_else(PoisonError::into_inner).shutdown(Shutdown::Both);
            return;
        }
        let streams = wanted.lock().clone();
        let began = state.began.filter(|_| !streams.is_empty() && state.line != Line::Stalled);
        let Some(began) = began else {
            state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        let now = Instant::now();
        let due = |index: usize| frames.get(index).map(|frame| began + Duration::from_nanos(frame.at_ns.unsigned_abs()));
        // A new subscription begins with what is not due yet.
        let mut at = *next.get_or_insert_with(|| (0..frames.len()).find(|index| due(*index) > Some(now)).unwrap_or(frames.len()));
        let line = state.line;
        let leaves = |due: Instant| match line {
            Line::Late(late) => due + late,
            Line::Thin(_) => due.max(free_at),
            Line::Fair | Line::Stalled => due,
        };
        let Some(first) = due(at) else {
            state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        if leaves(first) > now {
            let left = leaves(first) - now;
            state = shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            continue;
        }
        let start_ns = state.began_unix_ns + shared.clock_ahead_ns;
        drop(state);
        let (mut batch, mut count) = (Vec::new(), 0);
        while batch.len() < BATCH_BYTES && due(at).is_some_and(|due| leaves(due) <= now) {
            if streams.contains(&frames[at].stream) {
                batch.extend(ws_frame(0x81, &frames[at].text(start_ns)));
                count += 1;
            }
            at += 1;
            if matches!(line, Line::Thin(_)) && !batch.is_empty() {
                break;
            }
        }
        next = Some(at);
        if let Line::Thin(rate) = line {
            free_at = free_at.max(now) + Duration::from_secs_f64(batch.len() as f64 / rate as f64);
        }
        match socket.lock().unwrap_or_else(PoisonError::into_inner).write_all(&batch) {
            Err(error) if error.kind() != ErrorKind::Interrupted => wanted.ended.store(true, Ordering::Relaxed),
            _ => {}
        }
        shared.frames.fetch_add(count, Ordering::Relaxed);
        shared.bytes.fetch_add(batch.len() as u64, Ordering::Relaxed);
        state = shared.lock();
    }
}
