//! The dialect as its clients see it: requests and frames in, replies and frames out, under virtual time.

mod amend;
mod random;
mod rest;
mod streams;
mod tickers;
mod trading;
mod ws_api;

use hmac::{Hmac, KeyInit, Mac};
use ring::signature::Ed25519KeyPair;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use sha2::Sha256;

use super::*;
use crate::{
    core::{NewOrder, OrderId, OrderKind, Side, TimeInForce},
    faults::Faults,
    timing::{DelayRange, Delays},
    world::{OutputBody, VenueKind, World, WorldConfig},
};

const START_NS: u64 = 1_700_000_000_000_000_000;
const MS: u64 = 1_000_000;
const KEY: &str = "k";
const SECRET: &str = "s3cret";
const SYMBOL: &str = "BTCUSDT";

/// A reply as the client sees it.
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Value,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
    }

    #[track_caller]
    fn refused(&self, status: u16, code: i64, msg: &str) {
        assert_eq!((self.status, self.body["code"].as_i64()), (status, Some(code)), "{}", self.body);
        assert!(self.body["msg"].as_str().is_some_and(|text| text.contains(msg)), "{}", self.body);
    }

    #[track_caller]
    fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }
}

struct Rig {
    world: World,
    tickets: u64,
    frames: Vec<(u64, u64, WsFrame)>,
    cut: Vec<u64>,
    requests: u64,
}

fn dec(text: &str) -> Decimal {
    text.parse().expect("a decimal")
}

fn hmac(payload: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any key length");
    mac.update(payload.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// The Ed25519 signature of the account's second key.
fn ed25519(payload: &str) -> String {
    use sha2::Digest;
    let pair = Ed25519KeyPair::from_seed_unchecked(&Sha256::digest(SECRET.as_bytes())).expect("a seed");
    crate::shared::base64::encode(pair.sign(payload.as_bytes()).as_ref())
}

impl Rig {
    fn new() -> Rig {
        Rig::with(|_| {}, |_| {})
    }

    fn with(world: impl FnOnce(&mut WorldConfig), binance: impl FnOnce(&mut BinanceConfig)) -> Rig {
        let mut config = WorldConfig::demo(1);
        config.venues.truncate(1);
        config.market = None;
        config.venues[0].api_key = KEY.to_owned();
        config.venues[0].api_secret = SECRET.to_owned();
        let mut settings = BinanceConfig::default();
        binance(&mut settings);
        config.venues[0].kind = VenueKind::of(settings);
        world(&mut config);
        let world = World::new(config, START_NS).expect("a valid world");
        Rig { world, tickets: 0, frames: Vec::new(), cut: Vec::new(), requests: 0 }
    }

    fn faults(&mut self) -> &mut Faults {
        &mut self.world.dialect_mut::<BinanceDialect>(0).expect("a Binance venue").config_mut().faults
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
            price: dec(price),
            amount: dec(amount),
            text: None,
        };
        let id = exchange.place(now, order).expect("a valid quote");
        self.world.advance(now);
        id
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
                    let body = serde_json::from_slice(&response.body).unwrap_or_default();
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

    fn now_ms(&self) -> u64 {
        self.world.now() / MS
    }

    fn request(method: &str, path: &str, query: &str, key: Option<&str>) -> HttpRequest {
        let headers = key.map(|key| ("x-mbx-apikey".to_owned(), key.to_owned())).into_iter().collect();
        HttpRequest { method: method.to_owned(), path: path.to_owned(), query: query.to_owned(), headers, body: Vec::new() }
    }

    fn public(&mut self, path: &str, query: &str) -> Answer {
        self.raw(Rig::request("GET", &format!("/api/v3/{path}"), query, None)).expect("a reply")
    }

    fn signed(&self, method: &str, path: &str, query: &str) -> HttpRequest {
        let glue = if query.is_empty() { "" } else { "&" };
        let query = format!("{query}{glue}timestamp={}", self.now_ms());
        let query = format!("{query}&signature={}", hmac(&query));
        Rig::request(method, path, &query, Some(KEY))
    }

    fn private(&mut self, method: &str, path: &str, query: &str) -> Answer {
        let request = self.signed(method, &format!("/api/v3/{path}"), query);
        self.raw(request).expect("a reply")
    }

    fn place(&mut self, query: &str) -> Answer {
        self.private("POST", "order", &format!("symbol={SYMBOL}&{query}"))
    }

    fn limit(&mut self, side: &str, price: &str, quantity: &str, more: &str) -> Answer {
        self.place(&format!("side={side}&type=LIMIT&timeInForce=GTC&price={price}&quantity={quantity}{more}"))
    }

    fn open(&mut self, conn: u64, path: &str) {
        self.world.ws_open(0, conn, path);
        self.collect();
    }

    fn say(&mut self, conn: u64, value: &Value) {
        self.world.ws_frame(0, conn, WsFrame::Text(value.to_string().into_bytes()));
        self.collect();
    }

    /// All text frames that reached `conn` until `ns` from now.
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

    /// A request over the WebSocket API, signed with the HMAC key unless `params` has no `apiKey`; the reply among what comes in
    /// 20 ms.
    fn call(&mut self, conn: u64, method: &str, params: Value) -> (Value, Vec<Value>) {
        self.requests += 1;
        let id = self.requests;
        let mut params = params;
        if params.get("apiKey").is_some() && params.get("signature").is_none() {
            params["timestamp"] = json!(self.now_ms());
            let text = signed_text(&params);
            let signature = if params["apiKey"] == KEY { hmac(&text) } else { ed25519(&text) };
            params["signature"] = json!(signature);
        }
        self.say(conn, &json!({"id": id, "method": method, "params": params}));
        let (replies, events): (Vec<Value>, Vec<Value>) =
            self.frames(conn, 20 * MS).into_iter().partition(|frame| frame["id"] == id);
        (replies.into_iter().next().unwrap_or_default(), events)
    }
}

fn signed_text(params: &Value) -> String {
    let fields = params.as_object().expect("an object");
    let mut parts: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        .collect();
    parts.sort();
    parts.join("&")
}
