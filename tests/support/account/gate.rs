//! Gate spot, as its API v4 documents it: authentication, spot accounts, orders, personal trading history.

use super::{Account, Door, Order, Trade, number, rows, text, whole};
use hmac::{Hmac, KeyInit, Mac};
use rust_decimal::Decimal;
use serde_json::Value;
use sha2::{Digest, Sha512};
use std::collections::BTreeMap;

/// The largest page of lists.
const PAGE: usize = 1_000;
/// A listing that is told differently so often is not at rest.
const READINGS_MAX: usize = 10;

pub(super) struct Gate(Door);

impl Gate {
    pub(super) fn new(door: Door) -> Gate {
        Gate(door)
    }

    /// A signed GET. The text that is signed: method, path, query, SHA-512 of the body, seconds; one a line.
    #[track_caller]
    fn get(&self, path: &str, query: &str) -> Value {
        let seconds = (super::now_ms() / 1_000).to_string();
        let text = format!("GET\n{path}\n{query}\n{}\n{seconds}", hex::encode(Sha512::digest(b"")));
        let mut mac = Hmac::<Sha512>::new_from_slice(self.0.secret.as_bytes()).expect("HMAC takes keys of any length");
        mac.update(text.as_bytes());
        let sign = hex::encode(mac.finalize().into_bytes());
        let headers = [("KEY", self.0.key.as_str()), ("Timestamp", seconds.as_str()), ("SIGN", sign.as_str())];
        let target = if query.is_empty() { path.to_string() } else { format!("{path}?{query}") };
        self.0.json(&target, &headers)
    }

    /// All rows of a listing. Gate forgets cancelled orders that executed nothing, so rows may move up between two pages, and one slips
    /// through where they meet: what is told twice alike was whole.
    #[track_caller]
    fn pages(&self, path: &str, filter: &str) -> Vec<Value> {
        let mut before = self.pages_once(path, filter);
        // One page comes from one instant.
        if before.len() < PAGE {
            return before;
        }
        for _ in 0..READINGS_MAX {
            let now = self.pages_once(path, filter);
            if now == before {
                return now;
            }
            before = now;
        }
        panic!("{path} was told differently {READINGS_MAX} times in a row");
    }

    #[track_caller]
    fn pages_once(&self, path: &str, filter: &str) -> Vec<Value> {
        let mut all = Vec::new();
        for page in 1.. {
            let answer = self.get(path, &format!("{filter}limit={PAGE}&page={page}"));
            all.extend(rows(&answer).iter().cloned());
            if rows(&answer).len() < PAGE {
                break;
            }
        }
        all
    }
}

/// Gate lets users name only orders whose names begin with `t-`.
#[track_caller]
fn client_id(row: &Value) -> String {
    let name = text(row, "text");
    name.strip_prefix("t-").unwrap_or_else(|| panic!("an order that nobody named: {row}")).to_string()
}

#[track_caller]
fn order(row: &Value) -> Order {
    Order {
        id: text(row, "id"),
        client_id: client_id(row),
        pair: text(row, "currency_pair").replace('_', "/"),
        created_ms: whole(row, "create_time_ms"),
    }
}

#[track_caller]
fn trade(row: &Value) -> Trade {
    Trade {
        id: text(row, "id"),
        order_id: text(row, "order_id"),
        client_id: Some(client_id(row)),
        pair: text(row, "currency_pair").replace('_', "/"),
        side: text(row, "side"),
        price: number(row, "price"),
        amount: number(row, "amount"),
    }
}

impl Account for Gate {
    fn id(&self) -> &str {
        &self.0.id
    }

    #[track_caller]
    fn accounts(&self) -> BTreeMap<String, Decimal> {
        let answer = self.get("/api/v4/spot/accounts", "");
        rows(&answer).iter().map(|row| (text(row, "currency"), number(row, "available") + number(row, "locked"))).collect()
    }

    #[track_caller]
    fn open_orders(&self) -> Vec<Order> {
        let answer = self.get("/api/v4/spot/open_orders", "");
        // A row is a pair with its orders.
        rows(&answer).iter().flat_map(|row| rows(&row["orders"])).map(order).collect()
    }

    #[track_caller]
    fn finished_orders(&self) -> Vec<Order> {
        self.pages("/api/v4/spot/orders", "status=finished&").iter().map(order).collect()
    }

    #[track_caller]
    fn trades(&self) -> Vec<Trade> {
        self.pages("/api/v4/spot/my_trades", "").iter().map(trade).collect()
    }
}
