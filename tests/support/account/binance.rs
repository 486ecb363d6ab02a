//! Binance spot, as its REST API documents it: signed endpoints (HMAC-SHA256 keys), account information, all orders, account trade
//! list. Orders and executions are listed for one symbol at a time, so every symbol that the venue names is asked for.

use super::{Account, Door, Order, Trade, number, rows, text, whole};
use hmac::{Hmac, KeyInit, Mac};
use rust_decimal::Decimal;
use serde_json::Value;
use sha2::Sha256;
use std::collections::BTreeMap;
use std::time::Duration;

/// The largest page of lists.
const PAGE: usize = 1_000;
/// Weight that an address may use in a minute of the venue's clock (Binance spot API, IP limits).
const WEIGHT: u64 = 6_000;
/// That minute, in milliseconds.
const MINUTE_MS: u128 = 60_000;

/// How long it takes until so much weight is there: what a refusal says, else what is left of the minute.
#[track_caller]
pub(super) fn until_room(door: &Door, weight: u64) -> Option<Duration> {
    let answer = door.get("/api/v3/ping", &[]);
    if matches!(answer.status, 418 | 429) {
        return Some(answer.retry_after.unwrap_or_else(|| panic!("{} does not say for how long: {}", door.id, answer.body)));
    }
    let used = answer.used_weight.unwrap_or_else(|| panic!("{} does not say what is used: {}", door.id, answer.body));
    let left_ms = MINUTE_MS - super::now_ms() % MINUTE_MS;
    (used + weight > WEIGHT).then(|| Duration::from_millis(left_ms.try_into().expect("less than a minute")))
}

pub(super) struct Binance {
    door: Door,
    /// `BTCUSDT` → `BTC/USDT`.
    pairs: BTreeMap<String, String>,
}

impl Binance {
    #[track_caller]
    pub(super) fn new(door: Door) -> Binance {
        let answer = door.json("/api/v3/exchangeInfo", &[]);
        let pair = |row: &Value| (text(row, "symbol"), format!("{}/{}", text(row, "baseAsset"), text(row, "quoteAsset")));
        let pairs = rows(&answer["symbols"]).iter().map(pair).collect();
        Binance { door, pairs }
    }

    /// A signed GET. What is signed is the query as it is sent, before the signature itself.
    #[track_caller]
    fn get(&self, path: &str, query: &str) -> Value {
        let target = || {
            let query = format!("{query}timestamp={}", super::now_ms());
            let mut mac = Hmac::<Sha256>::new_from_slice(self.door.secret.as_bytes()).expect("HMAC takes keys of any length");
            mac.update(query.as_bytes());
            let sign = hex::encode(mac.finalize().into_bytes());
            format!("{path}?{query}&signature={sign}")
        };
        self.door.json_of(target, &[("X-MBX-APIKEY", &self.door.key)])
    }

    /// Every row of a list that has one for each symbol, page after page by `key`, the name of the first id that a page is to have.
    #[track_caller]
    fn every(&self, path: &str, key: &str, id: &str) -> Vec<Value> {
        let mut all = Vec::new();
        for symbol in self.pairs.keys() {
            let mut from = 0;
            loop {
                let answer = self.get(path, &format!("symbol={symbol}&{key}={from}&limit={PAGE}&"));
                all.extend(rows(&answer).iter().cloned());
                match rows(&answer) {
                    [.., last] if rows(&answer).len() == PAGE => from = whole(last, id) + 1,
                    _ => break,
                }
            }
        }
        all
    }

    #[track_caller]
    fn pair(&self, row: &Value) -> String {
        self.pairs.get(&text(row, "symbol")).unwrap_or_else(|| panic!("a symbol of nowhere: {row}")).clone()
    }

    #[track_caller]
    fn order(&self, row: &Value) -> Order {
        Order {
            id: whole(row, "orderId").to_string(),
            client_id: text(row, "clientOrderId"),
            pair: self.pair(row),
            created_ms: whole(row, "time"),
        }
    }

    /// Rows of executions do not tell the client's id of the order.
    #[track_caller]
    fn trade(&self, row: &Value) -> Trade {
        let buys = row["isBuyer"].as_bool().unwrap_or_else(|| panic!("no side: {row}"));
        Trade {
            id: whole(row, "id").to_string(),
            order_id: whole(row, "orderId").to_string(),
            client_id: None,
            pair: self.pair(row),
            side: if buys { "buy" } else { "sell" }.into(),
            price: number(row, "price"),
            amount: number(row, "qty"),
        }
    }
}

impl Account for Binance {
    fn id(&self) -> &str {
        &self.door.id
    }

    #[track_caller]
    fn accounts(&self) -> BTreeMap<String, Decimal> {
        let answer = self.get("/api/v3/account", "");
        rows(&answer["balances"]).iter().map(|row| (text(row, "asset"), number(row, "free") + number(row, "locked"))).collect()
    }

    #[track_caller]
    fn open_orders(&self) -> Vec<Order> {
        rows(&self.get("/api/v3/openOrders", "")).iter().map(|row| self.order(row)).collect()
    }

    #[track_caller]
    fn finished_orders(&self) -> Vec<Order> {
        let all = self.every("/api/v3/allOrders", "orderId", "orderId");
        let open = |row: &&Value| matches!(row["status"].as_str(), Some("NEW" | "PARTIALLY_FILLED" | "PENDING_NEW"));
        all.iter().filter(|row| !open(row)).map(|row| self.order(row)).collect()
    }

    #[track_caller]
    fn trades(&self) -> Vec<Trade> {
        self.every("/api/v3/myTrades", "fromId", "id").iter().map(|row| self.trade(row)).collect()
    }
}
