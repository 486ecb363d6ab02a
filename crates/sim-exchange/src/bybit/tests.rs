//! The dialect against its protocol: a world with one Bybit venue, scripted books, and a client that signs by hand.

mod faults;
mod orders;
mod random;
mod rest;
mod stream;
mod trade;
mod transactions;

use hmac::{Hmac, KeyInit, Mac};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use sha2::Sha256;

use super::{BybitConfig, BybitDialect, PRIVATE_WS_PATH, PUBLIC_WS_PATH, TRADE_WS_PATH};
use crate::{
    core::{AccountId, NewOrder, OrderId, OrderKind, Side, TimeInForce},
    faults::Faults,
    world::{Dialect, HttpRequest, OutputBody, VenueKind, World, WorldConfig, WsFrame},
};

/// When the world begins, Unix nanoseconds.
const START_NS: u64 = 1_700_000_000_000_000_000;
const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;
const KEY: &str = "test-key-000001";
const SECRET: &str = "test-secret";

/// A reply as the client sees it.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Value,
}

impl Answer {
    fn code(&self) -> i64 {
        self.body["retCode"].as_i64().unwrap_or(i64::MIN)
    }

    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
    }

    /// `result` of a success.
    #[track_caller]
    fn result(&self) -> &Value {
        assert_eq!((self.status, self.code()), (200, 0), "{}", self.body);
        &self.body["result"]
    }

    #[track_caller]
    fn refused(&self, code: i64) {
        assert_eq!(self.code(), code, "{}", self.body);
        assert_eq!(self.body["result"], json!({}));
    }
}

struct Rig {
    world: World,
    tickets: u64,
    /// Frames taken from the world but not asked for yet.
    frames: Vec<(u64, u64, WsFrame)>,
    cut: Vec<u64>,
}

fn decimal(text: &str) -> Decimal {
    text.parse().expect("a decimal")
}

fn hmac_hex(message: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any key length");
    mac.update(message.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

impl Rig {
    fn new() -> Rig {
        Rig::with(|_| {}, |_| {})
    }

    fn with(world: impl FnOnce(&mut WorldConfig), bybit: impl FnOnce(&mut BybitConfig)) -> Rig {
        let mut config = WorldConfig::demo(1);
        config.venues.truncate(1);
        config.market = None;
        config.venues[0].api_key = KEY.to_owned();
        config.venues[0].api_secret = SECRET.to_owned();
        let mut settings = BybitConfig::default();
        bybit(&mut settings);
        config.venues[0].kind = VenueKind::of(settings);
        world(&mut config);
        let world = World::new(config, START_NS).expect("a valid world");
        Rig { world, tickets: 0, frames: Vec::new(), cut: Vec::new() }
    }

    fn dialect(&mut self) -> &mut BybitDialect {
        self.world.dialect_mut::<BybitDialect>(0).expect("a Bybit venue")
    }

    fn faults(&mut self) -> &mut Faults {
        self.dialect().conditions().expect("it has faults").faults
    }

    /// The rest of the world quotes.
    fn quote(&mut self, side: Side, price: &str, amount: &str) -> OrderId {
        let now = self.world.now();
        let exchange = self.world.exchange_mut(0);
        let pair = exchange.pair_by_name("BTC_USDT").expect("listed");
        let order = NewOrder {
            account: AccountId::MARKET,
            pair,
            side,
            kind: OrderKind::Limit,
            time_in_force: TimeInForce::Gtc,
            price: decimal(price),
            amount: decimal(amount),
            text: None,
        };
        let id = exchange.place(now, order).expect("a valid quote");
        self.world.advance(now);
        id
    }

    fn unquote(&mut self, id: OrderId) {
        let now = self.world.now();
        self.world.exchange_mut(0).cancel(now, AccountId::MARKET, id).expect("an open quote");
        self.world.advance(now);
    }

    /// A usual small book around 100.
    fn quote_book(&mut self) {
        for (price, amount) in [("99.9", "1"), ("99.8", "2"), ("99.5", "3")] {
            self.quote(Side::Buy, price, amount);
        }
        for (price, amount) in [("100.1", "1"), ("100.2", "2"), ("100.5", "3")] {
            self.quote(Side::Sell, price, amount);
        }
    }

    fn now_ms(&self) -> u64 {
        self.world.now() / MS
    }

    fn advance(&mut self, ns: u64) {
        let to = self.world.now() + ns;
        self.world.advance(to);
        self.collect();
    }

    fn collect(&mut self) -> Vec<(u64, Answer)> {
        let mut answers = Vec::new();
        while let Some(output) = self.world.poll_output() {
            match output.body {
                OutputBody::Http { ticket, response } => {
                    let body = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
                    answers.push((ticket, Answer { status: response.status, headers: response.headers, body }));
                }
                OutputBody::Ws { conn, frame } => self.frames.push((output.t_ns, conn, frame)),
                OutputBody::WsClose { conn } => self.cut.push(conn),
            }
        }
        answers
    }

    /// Sends a request as it is and waits up to 100 ms of venue time.
    fn raw(&mut self, request: HttpRequest) -> Option<Answer> {
        self.tickets += 1;
        let ticket = self.tickets;
        self.world.http(0, ticket, request);
        let end = self.world.now() + 100 * MS;
        while let Some(next) = self.world.next_wakeup()
            && next <= end
        {
            self.world.advance(next);
            if let Some((_, answer)) = self.collect().into_iter().find(|(of, _)| *of == ticket) {
                return Some(answer);
            }
        }
        self.world.advance(end);
        None
    }

    fn signed(&self, method: &str, path: &str, query: &str, body: &str) -> HttpRequest {
        let timestamp = self.now_ms().to_string();
        let sign = hmac_hex(&format!("{timestamp}{KEY}5000{}", if method == "GET" { query } else { body }));
        let headers = [
            ("x-bapi-api-key", KEY.to_owned()),
            ("x-bapi-timestamp", timestamp),
            ("x-bapi-recv-window", "5000".to_owned()),
            ("x-bapi-sign", sign),
        ];
        HttpRequest {
            method: method.to_owned(),
            path: format!("/v5{path}"),
            query: query.to_owned(),
            headers: headers.map(|(name, value)| (name.to_owned(), value)).to_vec(),
            body: body.as_bytes().to_vec(),
        }
    }

    fn public(&mut self, path: &str, query: &str) -> Answer {
        let request = HttpRequest {
            method: "GET".to_owned(),
            path: format!("/v5{path}"),
            query: query.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        };
        self.raw(request).expect("a reply")
    }

    fn get(&mut self, path: &str, query: &str) -> Answer {
        let request = self.signed("GET", path, query, "");
        self.raw(request).expect("a reply")
    }

    fn post(&mut self, path: &str, body: &Value) -> Answer {
        let request = self.signed("POST", path, "", &body.to_string());
        self.raw(request).expect("a reply")
    }

    /// Places a limit order with this much changed.
    fn order(&mut self, changes: &Value) -> Answer {
        self.post("/order/create", &order_body(changes))
    }

    /// The order of this client id, as look-ups show it.
    fn found(&mut self, link: &str) -> Value {
        let answer = self.get("/order/realtime", &format!("category=spot&orderLinkId={link}"));
        answer.result()["list"][0].clone()
    }

    fn balance(&mut self, coin: &str) -> [String; 2] {
        let answer = self.get("/account/wallet-balance", &format!("accountType=UNIFIED&coin={coin}"));
        let row = &answer.result()["list"][0]["coin"][0];
        [&row["walletBalance"], &row["locked"]].map(|value| value.as_str().expect("text").to_owned())
    }

    fn open(&mut self, conn: u64, path: &str) {
        self.world.ws_open(0, conn, path);
    }

    fn say(&mut self, conn: u64, frame: &Value) {
        self.world.ws_frame(0, conn, WsFrame::Text(frame.to_string().into_bytes()));
        self.collect();
    }

    fn log_in(&mut self, conn: u64) {
        let expires = self.now_ms() + 10_000;
        self.say(conn, &json!({"op": "auth", "args": [KEY, expires, hmac_hex(&format!("GET/realtime{expires}"))]}));
    }

    /// A private socket that follows these topics.
    fn follow(&mut self, conn: u64, topics: &[&str]) {
        self.open(conn, PRIVATE_WS_PATH);
        self.log_in(conn);
        self.say(conn, &json!({"op": "subscribe", "args": topics}));
        let acks = self.frames(conn, 10 * MS);
        assert!(acks.iter().all(|ack| ack["success"] == true), "{acks:?}");
    }

    /// All frames that reached `conn` until `ns` from now, as JSON.
    fn frames(&mut self, conn: u64, ns: u64) -> Vec<Value> {
        self.advance(ns);
        let (mine, others) = std::mem::take(&mut self.frames).into_iter().partition(|(_, to, _)| *to == conn);
        self.frames = others;
        let texts = mine.into_iter().filter_map(|(_, _, frame)| match frame {
            WsFrame::Text(bytes) => Some(serde_json::from_slice(&bytes).expect("frames are JSON")),
            _ => None,
        });
        texts.collect()
    }

    /// The frames of one topic.
    fn pushes(&mut self, conn: u64, ns: u64, topic: &str) -> Vec<Value> {
        self.frames(conn, ns).into_iter().filter(|frame| frame["topic"] == topic).collect()
    }
}

fn order_body(changes: &Value) -> Value {
    let mut body = json!({
        "category": "spot", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.5", "price": "100.1",
        "timeInForce": "IOC", "orderLinkId": "a-1",
    });
    for (name, value) in changes.as_object().expect("an object") {
        if value.is_null() {
            body.as_object_mut().expect("an object").remove(name);
        } else {
            body[name] = value.clone();
        }
    }
    body
}
