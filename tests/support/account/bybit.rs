//! Bybit spot, as its API v5 documents it: authentication, wallet balance, open orders, order history, trade history.

use super::{Account, Door, Order, Trade, number, rows, text};
use hmac::{Hmac, KeyInit, Mac};
use rust_decimal::Decimal;
use serde_json::Value;
use sha2::Sha256;
use std::collections::BTreeMap;

/// How long a signed request is good for, milliseconds.
const WINDOW: &str = "5000";
/// The largest pages: of orders, and of executions.
const PAGES: (usize, usize) = (50, 100);

pub(super) struct Bybit {
    door: Door,
    /// `BTCUSDT` → `BTC/USDT`.
    pairs: BTreeMap<String, String>,
}

impl Bybit {
    #[track_caller]
    pub(super) fn new(door: Door) -> Bybit {
        let answer = result(&door, &door.json("/v5/market/instruments-info?category=spot", &[]));
        let pair = |row: &Value| (text(row, "symbol"), format!("{}/{}", text(row, "baseCoin"), text(row, "quoteCoin")));
        let pairs = rows(&answer["list"]).iter().map(pair).collect();
        Bybit { door, pairs }
    }

    /// A signed GET; its `result`. What is signed: time, key, window and the query as it is sent.
    #[track_caller]
    fn get(&self, path: &str, query: &str) -> Value {
        let (key, time) = (&self.door.key, super::now_ms().to_string());
        let mut mac = Hmac::<Sha256>::new_from_slice(self.door.secret.as_bytes()).expect("HMAC takes keys of any length");
        mac.update(format!("{time}{key}{WINDOW}{query}").as_bytes());
        let sign = hex::encode(mac.finalize().into_bytes());
        let headers = [
            ("X-BAPI-API-KEY", key.as_str()),
            ("X-BAPI-TIMESTAMP", time.as_str()),
            ("X-BAPI-RECV-WINDOW", WINDOW),
            ("X-BAPI-SIGN", sign.as_str()),
        ];
        result(&self.door, &self.door.json(&format!("{path}?{query}"), &headers))
    }

    /// Every row of a list, page after page.
    #[track_caller]
    fn every(&self, path: &str, filter: &str, page: usize) -> Vec<Value> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let answer = self.get(path, &format!("category=spot&limit={page}{filter}{cursor}"));
            all.extend(rows(&answer["list"]).iter().cloned());
            match answer["nextPageCursor"].as_str() {
                Some("") | None => return all,
                Some(next) => cursor = format!("&cursor={next}"),
            }
        }
    }

    #[track_caller]
    fn pair(&self, row: &Value) -> String {
        self.pairs.get(&text(row, "symbol")).unwrap_or_else(|| panic!("a symbol of nowhere: {row}")).clone()
    }

    #[track_caller]
    fn order(&self, row: &Value) -> Order {
        Order {
            id: text(row, "orderId"),
            client_id: text(row, "orderLinkId"),
            pair: self.pair(row),
            created_ms: text(row, "createdTime").parse().unwrap_or_else(|e| panic!("no time: {e}: {row}")),
        }
    }

    #[track_caller]
    fn trade(&self, row: &Value) -> Trade {
        Trade {
            id: text(row, "execId"),
            order_id: text(row, "orderId"),
            client_id: Some(text(row, "orderLinkId")),
            pair: self.pair(row),
            side: text(row, "side").to_lowercase(),
            price: number(row, "execPrice"),
            amount: number(row, "execQty"),
        }
    }
}

/// What an answer carries, when it says that all is well.
#[track_caller]
fn result(door: &Door, answer: &Value) -> Value {
    assert_eq!(answer["retCode"], 0, "{}: {answer}", door.id);
    answer["result"].clone()
}

impl Account for Bybit {
    fn id(&self) -> &str {
        &self.door.id
    }

    #[track_caller]
    fn accounts(&self) -> BTreeMap<String, Decimal> {
        let answer = self.get("/v5/account/wallet-balance", "accountType=UNIFIED");
        // `walletBalance` has what orders hold in it.
        rows(&answer["list"][0]["coin"]).iter().map(|row| (text(row, "coin"), number(row, "walletBalance"))).collect()
    }

    #[track_caller]
    fn open_orders(&self) -> Vec<Order> {
        self.every("/v5/order/realtime", "&openOnly=0", PAGES.0).iter().map(|row| self.order(row)).collect()
    }

    #[track_caller]
    fn finished_orders(&self) -> Vec<Order> {
        self.every("/v5/order/history", "", PAGES.0).iter().map(|row| self.order(row)).collect()
    }

    #[track_caller]
    fn trades(&self) -> Vec<Trade> {
        self.every("/v5/execution/list", "", PAGES.1).iter().map(|row| self.trade(row)).collect()
    }
}
