//! The dialect against its protocol: a world with one Gate venue, scripted books, and a client that signs by hand.

mod faults;
mod order_entry;
mod rest;
mod rest_account;
mod rest_market;
mod rest_orders;
mod rest_random;
mod stream;
mod stream_more;
mod stream_obu;

use hmac::{Hmac, KeyInit, Mac};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use sha2::{Digest, Sha512};

use super::{GateConfig, GateDialect, WS_PATH};
use crate::faults::Faults;
use crate::{
    core::{AccountId, NewOrder, OrderId, OrderKind, Side, TimeInForce},
    world::{HttpRequest, OutputBody, VenueKind, World, WorldConfig, WsFrame},
};

/// When the world begins, Unix nanoseconds.
const START_NS: u64 = 1_700_000_000_000_000_000;
const MS: u64 = 1_000_000;
const KEY: &str = "test-key-000001";
const SECRET: &str = "test-secret";

/// A reply as the client sees it.
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Value,
}

impl Answer {
    fn label(&self) -> &str {
        self.body["label"].as_str().unwrap_or("")
    }

    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
    }

    #[track_caller]
    fn refused(&self, status: u16, label: &str) {
        assert_eq!((self.status, self.label()), (status, label), "{}", self.body);
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
    let mut mac = Hmac::<Sha512>::new_from_slice(SECRET.as_bytes()).expect("any key length");
    mac.update(message.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

impl Rig {
    fn new() -> Rig {
        Rig::with(|_| {}, |_| {})
    }

    fn with(world: impl FnOnce(&mut WorldConfig), gate: impl FnOnce(&mut GateConfig)) -> Rig {
        let mut config = WorldConfig::demo(1);
        config.venues.truncate(1);
        config.market = None;
        config.venues[0].api_key = KEY.to_owned();
        config.venues[0].api_secret = SECRET.to_owned();
        let mut settings = GateConfig::default();
        gate(&mut settings);
        config.venues[0].kind = VenueKind::of(settings);
        world(&mut config);
        let world = World::new(config, START_NS).expect("a valid world");
        Rig { world, tickets: 0, frames: Vec::new(), cut: Vec::new() }
    }

    fn faults(&mut self) -> &mut Faults {
        self.world.conditions(0).expect("Gate has faults").faults
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
                    let body = match response.body.as_slice() {
                        [] => Value::Null,
                        bytes => serde_json::from_slice(bytes).expect("replies are JSON"),
                    };
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
        let path = format!("/api/v4{path}");
        let timestamp = (self.world.now() / 1_000_000_000).to_string();
        let hash = hex::encode(Sha512::digest(body.as_bytes()));
        let sign = hmac_hex(&format!("{method}\n{path}\n{query}\n{hash}\n{timestamp}"));
        let headers = [("key", KEY.to_owned()), ("timestamp", timestamp), ("sign", sign)];
        HttpRequest {
            method: method.to_owned(),
            path,
            query: query.to_owned(),
            headers: headers.map(|(name, value)| (name.to_owned(), value)).to_vec(),
            body: body.as_bytes().to_vec(),
        }
    }

    fn public(&mut self, path: &str, query: &str) -> Answer {
        let request = HttpRequest {
            method: "GET".to_owned(),
            path: format!("/api/v4{path}"),
            query: query.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        };
        self.raw(request).expect("a reply")
    }

    fn private(&mut self, method: &str, path: &str, query: &str) -> Answer {
        let request = self.signed(method, path, query, "");
        self.raw(request).expect("a reply")
    }

    /// A signed request with a body.
    fn send(&mut self, method: &str, path: &str, query: &str, body: &Value) -> Answer {
        let request = self.signed(method, path, query, &body.to_string());
        self.raw(request).expect("a reply")
    }

    fn place(&mut self, body: &Value) -> Answer {
        self.send("POST", "/spot/orders", "", body)
    }

    /// A limit order with this much changed.
    fn order(&mut self, changes: &Value) -> Answer {
        let body = order_body(changes);
        self.place(&body)
    }

    fn open(&mut self, conn: u64) {
        self.world.ws_open(0, conn, WS_PATH);
    }

    fn say(&mut self, conn: u64, text: &str) {
        self.world.ws_frame(0, conn, WsFrame::Text(text.as_bytes().to_vec()));
        self.collect();
    }

    fn request(&mut self, conn: u64, channel: &str, event: &str, payload: &Value) {
        let time = self.world.now() / 1_000_000_000;
        let frame = json!({"time": time, "id": 7, "channel": channel, "event": event, "payload": payload});
        self.say(conn, &frame.to_string());
    }

    fn request_signed(&mut self, conn: u64, channel: &str, event: &str, payload: &Value) {
        let time = self.world.now() / 1_000_000_000;
        let sign = hmac_hex(&format!("channel={channel}&event={event}&time={time}"));
        let frame = json!({
            "time": time, "channel": channel, "event": event, "payload": payload,
            "auth": {"method": "api_key", "KEY": KEY, "SIGN": sign},
        });
        self.say(conn, &frame.to_string());
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

    /// The frames of one channel with this event.
    fn frames_of(&mut self, conn: u64, ns: u64, channel: &str, event: &str) -> Vec<Value> {
        let frames = self.frames(conn, ns);
        frames.into_iter().filter(|frame| frame["channel"] == channel && frame["event"] == event).collect()
    }
}

fn order_body(changes: &Value) -> Value {
    let mut body = json!({
        "currency_pair": "BTC_USDT", "side": "buy", "type": "limit", "account": "spot",
        "amount": "0.5", "price": "100.1", "time_in_force": "ioc", "text": "t-1",
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
