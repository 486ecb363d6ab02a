//! Venue sessions: bytes drive links, frames, answers, failures, commands and time into the protocol half of an account.
//!
//! A session answers anything. Checked besides: the books it hands on are sound and continue each other, its timers move, what it puts
//! on the wire is whole and never holds the secret, and the journal keeps every input exactly.

use crate::bytes::Choices;
use crate::{binance as binance_wire, bybit as bybit_wire, gate as gate_wire, sound};
use binance_connector::BinanceConnector;
use bybit_connector::BybitConnector;
use domain::command::OrderRef;
use domain::time::{MILLI, SECOND};
use domain::{
    BookBody, ClientOrderId, Command, DealId, Input, LinkRole, MonoNanos, NewOrder, PairId, Price, Purpose, Qty, ReadKind, Side,
    TimeInForce, UnixNanos, VenueId,
};
use gate_connector::GateConnector;
use order_book::{BookFault, OrderBook};
use secrecy::SecretString;
use std::collections::{BTreeMap, BTreeSet};
use venue::{
    Connector, IoFailure, LinkId, LossReason, OrderEntry, Response, SessionConfig, SessionOptions, Ticket, Transmit, VenueSession,
};

/// An HMAC secret, and the seed of an Ed25519 key.
const SECRETS: [&str; 2] = ["fuzz-canary-secret", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="];
const WALL_S: i64 = 1_750_000_000;
/// Frames, answers and other steps of one input.
const STEPS_MAX: usize = 200;
/// Things that one step may put on the wire.
const SENT_MAX: usize = 10_000;

/// Whose session is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Gate,
    Binance,
    Bybit,
}

struct Driven {
    session: Box<dyn VenueSession>,
    whose: Whose,
    now: MonoNanos,
    updates: Vec<Input>,
    books: BTreeMap<PairId, OrderBook>,
    asked: BTreeSet<Ticket>,
    waiting: Vec<(Ticket, String)>,
    links: BTreeSet<LinkId>,
    subscriptions: Vec<(LinkId, String)>,
    canned: Vec<Vec<u8>>,
    bodies: Vec<Vec<u8>>,
    counter: u64,
}

fn config(channel: &str, whose: Whose, key: usize, options: SessionOptions) -> SessionConfig {
    let secret = |text: &str| Some(SecretString::from(text));
    SessionConfig {
        venue: VenueId(0),
        tables: match whose {
            Whose::Gate => gate_wire::tables(),
            Whose::Binance => binance_wire::tables(),
            Whose::Bybit => bybit_wire::tables(),
        },
        pairs: match whose {
            Whose::Gate => vec![PairId(0), PairId(1)],
            Whose::Binance => (0..4).map(PairId).collect(),
            Whose::Bybit => (0..3).map(PairId).collect(),
        },
        key: secret("abcd1234wxyz"),
        secret: secret(SECRETS[key]),
        book_channel: channel.into(),
        options,
        seed: 7,
    }
}

impl Driven {
    fn new(session: Box<dyn VenueSession>, whose: Whose) -> Driven {
        let (canned, bodies) = match whose {
            Whose::Gate => (
                gate_wire::frame_seeds().into_iter().chain(gate_wire::entry_seeds().into_iter().take(3)).collect(),
                gate_wire::rest_seeds(),
            ),
            Whose::Binance => (
                [binance_wire::frame_seeds(), binance_wire::api_seeds()].concat(),
                [binance_wire::rest_seeds(), binance_wire::account_seeds()].concat(),
            ),
            Whose::Bybit => {
                let private = bybit_wire::private_seeds();
                ([bybit_wire::frame_seeds(), private.clone()].concat(), [bybit_wire::rest_seeds(), private].concat())
            }
        };
        let mut driven = Driven {
            session,
            whose,
            now: MonoNanos(SECOND),
            updates: Vec::new(),
            books: BTreeMap::new(),
            asked: BTreeSet::new(),
            waiting: Vec::new(),
            links: BTreeSet::new(),
            subscriptions: Vec::new(),
            canned,
            bodies,
            counter: 0,
        };
        driven.session.start(driven.now);
        driven.settle();
        driven
    }

    fn wall(&self) -> UnixNanos {
        UnixNanos(WALL_S * SECOND as i64 + self.now.0 as i64)
    }

    /// Takes what is for the wire, then what is for the engine, until nothing is left of either.
    fn settle(&mut self) {
        let wall = self.wall();
        for sent in 0.. {
            assert!(sent < SENT_MAX, "a session never stops sending");
            let Some(out) = self.session.poll_transmit(self.now, wall, &mut self.updates) else { break };
            match out {
                Transmit::Open(link) => {
                    self.links.insert(link);
                }
                Transmit::Close(link) => {
                    self.links.remove(&link);
                }
                Transmit::Frame { link, text, .. } => {
                    assert!(!SECRETS.iter().any(|secret| text.contains(secret)), "the secret is on the wire");
                    assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "a frame is no JSON: {text}");
                    self.subscriptions.push((link, text));
                }
                Transmit::Request { ticket, request, .. } => {
                    assert!(self.asked.insert(ticket), "a ticket is used twice");
                    let shown = format!("{request:?}");
                    let headers: String = request.headers.iter().map(|(name, value)| format!("{name}{value}")).collect();
                    let body = String::from_utf8_lossy(&request.body).into_owned();
                    let told = format!("{shown}{headers}{body}");
                    assert!(!SECRETS.iter().any(|secret| told.contains(secret)), "the secret is on the wire");
                    let target = format!("{}{}", request.path, request.query);
                    assert!(target.bytes().all(|b| b.is_ascii_graphic()), "a target that is no URL: {target}");
                    assert!(!headers.bytes().any(|b| b.is_ascii_control()), "a header that splits");
                    self.waiting.push((ticket, request.path));
                }
            }
        }
        for input in std::mem::take(&mut self.updates) {
            self.take(input);
        }
    }

    fn take(&mut self, input: Input) {
        sound::journalled(&input);
        let Input::Book(update) = input else { return };
        assert_eq!(update.venue, VenueId(0));
        let book = self.books.entry(update.pair).or_default();
        if let BookBody::Snapshot { bids, asks, .. } = &update.body {
            sound::side(bids, true, false);
            sound::side(asks, false, false);
        }
        if let Err(fault) = book.apply(&update.body) {
            // A change may cross the book, and a ticker may contradict it; holes are for the session to find.
            assert!(
                matches!(fault, BookFault::Crossed | BookFault::TopDiffers { .. } | BookFault::Overflow),
                "{fault}: {:?}",
                update.body
            );
            let command = Command::Resync { venue: VenueId(0), pair: update.pair, reason: fault.reason() };
            self.session.submit(self.now, &command, &mut self.updates);
        }
        assert_eq!(book.check(), Ok(()));
    }

    fn link(&self, choices: &mut Choices<'_>) -> LinkId {
        let known: Vec<LinkId> = self.links.iter().copied().collect();
        if known.is_empty() || choices.below(8) == 0 {
            return LinkId { role: *choices.one_of(LinkRole::ALL), shard: choices.below(6) };
        }
        *choices.one_of(&known)
    }

    fn frame(&mut self, link: LinkId, bytes: &[u8]) {
        self.session.handle_frame(link, self.now, &mut bytes.to_vec(), &mut self.updates);
    }

    /// The reply that a venue gives to a subscription or a login.
    fn acknowledge(&mut self) {
        for (link, text) in std::mem::take(&mut self.subscriptions) {
            let Ok(mut value) = serde_json::from_str::<serde_json::Value>(&text) else { continue };
            let reply = if self.whose == Whose::Binance && link.role != LinkRole::Public {
                let logon = value["method"] == "session.logon";
                let result = if logon { serde_json::json!({"authorizedSince": 1}) } else { serde_json::json!({}) };
                serde_json::json!({"id": value["id"], "status": 200, "result": result}).to_string()
            } else if self.whose == Whose::Binance {
                serde_json::json!({"result": null, "id": value["id"]}).to_string()
            } else if self.whose == Whose::Bybit {
                let op = if value["op"] == "ping" && link.role != LinkRole::Public { "pong".into() } else { value["op"].clone() };
                let data = serde_json::json!({"orderId": "77"});
                serde_json::json!({
                    "success": true, "retCode": 0, "op": op, "req_id": value["req_id"], "reqId": value["reqId"], "data": data,
                })
                .to_string()
            } else if value["channel"] == "spot.login" {
                let id = &value["payload"]["req_id"];
                format!(
                    r#"{{"request_id":{id},"header":{{"status":"200","channel":"spot.login","event":"api"}},"data":{{"result":{{"uid":"1"}}}}}}"#
                )
            } else if value["channel"] == "spot.ping" {
                format!(r#"{{"time":1,"time_ms":{},"channel":"spot.pong","event":"","result":null}}"#, self.wall().millis())
            } else {
                value["result"] = serde_json::json!({"status": "success"});
                value.to_string()
            };
            self.frame(link, reply.as_bytes());
        }
    }

    /// A frame of the venue's with numbers near those of the book, so that it continues it or just does not.
    fn near(&mut self, choices: &mut Choices<'_>) -> Vec<u8> {
        let pair = PairId(u16::from(choices.below(2)));
        let id = self.books.get(&pair).map_or(7, OrderBook::id);
        let first = (id + u64::from(choices.below(4))).saturating_sub(1);
        let last = first + u64::from(choices.below(3));
        let (price, size) = (100 + choices.below(9), choices.below(4));
        let name = if pair.0 == 0 { "BTC_USDT" } else { "ETH_USDT" };
        let text = match (self.whose, choices.below(4)) {
            (Whose::Bybit, kind @ 0..3) => format!(
                r#"{{"topic":"orderbook.{}.BTCUSDT","type":"{}","ts":1750000000123,"data":{{"s":"BTCUSDT","b":[["{price}","{size}"]],"a":[["110","1"]],"u":{first},"seq":{last}}},"cts":1750000000120}}"#,
                if kind == 2 { 1 } else { 50 },
                if kind == 1 { "delta" } else { "snapshot" },
            ),
            (Whose::Bybit, _) => format!(
                r#"{{"topic":"order","creationTime":1,"data":[{{"category":"spot","symbol":"BTCUSDT","orderId":"77","orderLinkId":"0010000002300000000{}","side":"Buy","orderType":"Limit","price":"0.01","qty":"0.00001","orderStatus":"New","cumExecQty":"0","timeInForce":"IOC"}}]}}"#,
                self.counter % 10
            ),
            (Whose::Gate, 0) => format!(
                r#"{{"time":1,"time_ms":1750000000123,"channel":"spot.order_book","event":"update","result":{{"t":1750000000120,"lastUpdateId":{last},"s":"{name}","bids":[["{price}","1"]],"asks":[["110","2"]]}}}}"#
            ),
            (Whose::Gate, 1) => format!(
                r#"{{"time":1,"time_ms":1750000000123,"channel":"spot.order_book_update","event":"update","result":{{"t":1750000000120,"s":"{name}","U":{first},"u":{last},"b":[["{price}","{size}"]],"a":[]}}}}"#
            ),
            (Whose::Gate, 2) => format!(
                r#"{{"time":1,"time_ms":1750000000123,"channel":"spot.obu","event":"update","result":{{"t":1750000000120,"s":"ob.{name}.50","U":{first},"u":{last},"b":[["{price}","{size}"]],"a":[]}}}}"#
            ),
            (Whose::Gate, _) => format!(
                r#"{{"time":1,"time_ms":1750000000123,"channel":"spot.book_ticker","event":"update","result":{{"t":1750000000120,"u":{last},"s":"{name}","b":"{price}","B":"1","a":"110","A":"1"}}}}"#
            ),
            (Whose::Binance, 0 | 1) => format!(
                r#"{{"stream":"btcusdt@depth@100ms","data":{{"e":"depthUpdate","E":1750000000123,"T":1750000000120,"s":"BTCUSDT","U":{first},"u":{last},"pu":{id},"b":[["{price}","{size}"]],"a":[["110","1"]]}}}}"#
            ),
            (Whose::Binance, _) => format!(
                r#"{{"stream":"btcusdt@bookTicker","data":{{"u":{last},"E":1750000000123,"T":1750000000120,"s":"BTCUSDT","b":"{price}","B":"1","a":"110","A":"1"}}}}"#
            ),
        };
        text.into_bytes()
    }

    fn answer(&mut self, choices: &mut Choices<'_>) {
        if self.waiting.is_empty() {
            return;
        }
        let at = usize::from(choices.byte()) % self.waiting.len();
        let (ticket, path) = self.waiting.swap_remove(at);
        if choices.below(8) == 0 {
            let failure = *choices.one_of(&[IoFailure::NotSent, IoFailure::Broken, IoFailure::TimedOut]);
            return self.session.handle_response(ticket, self.now, Response::Failed(failure), &mut self.updates);
        }
        let status = *choices.one_of(&[200, 200, 200, 200, 201, 400, 401, 403, 404, 418, 429, 500, 502, 504]);
        let (millis, id) = (self.wall().millis(), self.books.get(&PairId(0)).map_or(7, OrderBook::id));
        let mut body = match choices.below(8) {
            0 => choices.block().to_vec(),
            1..=2 => choices.one_of(&self.bodies).clone(),
            _ if path.starts_with("/v5") && path.ends_with("/time") => {
                format!(r#"{{"retCode":0,"result":{{"timeNano":"{millis}000000"}}}}"#).into_bytes()
            }
            _ if path.ends_with("/time") => format!(r#"{{"server_time":{millis},"serverTime":{millis}}}"#).into_bytes(),
            _ if path.ends_with("/order_book") || path.ends_with("/depth") => format!(
                r#"{{"id":{0},"lastUpdateId":{0},"current":{millis},"update":{millis},"asks":[["110","1"]],"bids":[["99","1.5"]]}}"#,
                (id + u64::from(choices.below(4))).saturating_sub(1)
            )
            .into_bytes(),
            _ => choices.one_of(&self.bodies).clone(),
        };
        let left = choices.byte().to_string();
        let headers = ["x-gate-ratelimit-requests-remain", "x-bapi-limit-status"].map(|name| (name.to_string(), left.clone()));
        let response = Response::Http { status, headers: &headers, body: &mut body };
        self.session.handle_response(ticket, self.now, response, &mut self.updates);
    }

    fn command(&mut self, choices: &mut Choices<'_>) {
        let venue = VenueId(0);
        let pair = PairId(u16::from(choices.below(2)));
        self.counter += 1;
        let client_id = ClientOrderId::new(1, 2, 3, self.counter).expect("a small counter");
        let earlier = ClientOrderId::new(1, 2, 3, self.counter.saturating_sub(u64::from(choices.below(6)))).expect("smaller");
        let order = OrderRef { venue, pair, client_id: earlier, venue_order_id: None };
        let command = match choices.below(8) {
            0..=2 => Command::Place(NewOrder {
                venue,
                pair,
                client_id,
                deal: DealId(1),
                purpose: Purpose::Open,
                side: if choices.below(2) == 0 { Side::Buy } else { Side::Sell },
                price: Price::from_units(1 + i64::from(choices.short())).expect("positive"),
                qty: Qty::from_units(1 + i64::from(choices.short())).expect("positive"),
                tif: TimeInForce::Ioc,
                deadline: (choices.below(2) == 0).then(|| self.now.after(500 * MILLI)),
            }),
            3 => Command::Cancel(order),
            4 => Command::LookUp(order),
            5 => Command::CancelAll { venue, pair },
            6 => Command::DeadMan { venue, timeout_ns: u64::from(choices.byte()) * SECOND },
            _ => {
                let since = UnixNanos(WALL_S * SECOND as i64);
                let reads = [
                    ReadKind::Balances,
                    ReadKind::OpenOrders,
                    ReadKind::Trades { pair, since },
                    ReadKind::Fees,
                    ReadKind::Account,
                    ReadKind::Time,
                ];
                Command::Read { venue, read: *choices.one_of(&reads) }
            }
        };
        self.session.submit(self.now, &command, &mut self.updates);
    }

    fn pass(&mut self, nanos: u64) {
        let end = self.now.after(nanos);
        for step in 0.. {
            assert!(step < SENT_MAX, "timers never end");
            let Some(at) = self.session.poll_timeout().filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            self.session.handle_timeout(self.now, &mut self.updates);
            let again = self.session.poll_timeout();
            assert!(again.is_none_or(|again| again > self.now), "a timer that fired fires again at once");
            self.settle();
        }
        self.now = end;
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        let link = self.link(choices);
        match choices.below(16) {
            0..=1 => self.session.handle_connected(link, self.now, &mut self.updates),
            2..=3 => self.acknowledge(),
            4..=6 => {
                let frame = self.near(choices);
                self.frame(link, &frame);
            }
            7 => {
                let frame = choices.one_of(&self.canned).clone();
                self.frame(link, &frame);
            }
            8 => self.frame(link, choices.block()),
            9..=11 => self.answer(choices),
            12 => self.command(choices),
            13 => self.pass(MILLI << choices.below(17)),
            14 => {
                let reason = *choices.one_of(&LossReason::ALL);
                self.session.handle_lost(link, self.now, reason, &mut self.updates);
            }
            _ => match choices.below(16) {
                0 => self.session.shutdown(self.now),
                1..=4 => self.session.handle_paused(self.now, &mut self.updates),
                _ => self.pass(MILLI),
            },
        }
        self.settle();
    }

    fn run(mut self, mut choices: Choices<'_>) {
        for _ in 0..STEPS_MAX {
            if choices.is_empty() {
                break;
            }
            self.step(&mut choices);
        }
        let stats = self.session.stats();
        let shown = format!("{stats:?}");
        assert!(!SECRETS.iter().any(|secret| shown.contains(secret)));
    }
}

/// Sessions that come up, and others.
pub fn seeds() -> Vec<Vec<u8>> {
    let up = [1, 1, 0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 2, 1, 1, 0, 9, 1, 3, 1, 0, 9, 1, 3, 1, 0, 2];
    let traffic: Vec<u8> = (0..180u32).map(|i| (i * 73 % 251) as u8).collect();
    vec![up.to_vec(), [&up[..], &traffic].concat(), traffic, (0..=255).collect(), vec![4; 100]]
}

/// The book channel and the options that a byte chooses.
fn chosen(connector: &dyn Connector, choice: u8) -> (&'static str, SessionOptions) {
    let channels = connector.book_channels();
    let flag = |bit: u8| choice >> bit & 1 == 1;
    let options = SessionOptions {
        book_ticker: flag(4),
        trades: flag(5),
        tickers: flag(6),
        order_entry: if flag(7) { OrderEntry::WebSocket } else { OrderEntry::Rest },
        ..SessionOptions::default()
    };
    (channels[usize::from(choice) % channels.len()], options)
}

/// Gate's session; the first byte chooses the book channel and the options.
///
/// # Panics
/// On a finding.
pub fn gate(data: &[u8]) {
    let mut choices = Choices::new(data);
    let (channel, options) = chosen(&GateConnector, choices.byte());
    let session = GateConnector.session(config(channel, Whose::Gate, 0, options)).expect("a known channel");
    Driven::new(session, Whose::Gate).run(choices);
}

/// Bybit's session; the first byte chooses the book channel and the options.
///
/// # Panics
/// On a finding.
pub fn bybit(data: &[u8]) {
    let mut choices = Choices::new(data);
    let (channel, options) = chosen(&BybitConnector, choices.byte());
    let session = BybitConnector.session(config(channel, Whose::Bybit, 0, options)).expect("a known channel");
    Driven::new(session, Whose::Bybit).run(choices);
}

/// Binance's session; the first byte chooses the kind of key and the options.
///
/// # Panics
/// On a finding.
pub fn binance(data: &[u8]) {
    let mut choices = Choices::new(data);
    let choice = choices.byte();
    let flag = |bit: u8| choice >> bit & 1 == 1;
    let order_entry = if flag(7) { OrderEntry::WebSocket } else { OrderEntry::Rest };
    let options =
        SessionOptions { book_ticker: flag(4), trades: flag(5), tickers: flag(6), order_entry, ..SessionOptions::default() };
    let channel = BinanceConnector.book_channels()[0];
    let session =
        BinanceConnector.session(config(channel, Whose::Binance, usize::from(flag(0)), options)).expect("a known channel");
    Driven::new(session, Whose::Binance).run(choices);
}
