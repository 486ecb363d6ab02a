//! A venue's own books of one account, read by clients of our own that share no code with the engine: each signs by itself and reads
//! rows as the venue's documentation has them.
//!
//! Start at [`Account`] and [`of`]. Whatever a venue calls a pair or an id, here all speak of `BTC/USDT` and of the id that the
//! engine gave its order.

mod binance;
mod bybit;
mod gate;

use super::http::{Answer, http, https};
use rust_decimal::Decimal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// An order as the venue knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// The venue's id.
    pub(crate) id: String,
    /// The engine's id.
    pub(crate) client_id: String,
    /// `BTC/USDT`.
    pub(crate) pair: String,
    /// When the venue took it, Unix milliseconds of its clock.
    pub(crate) created_ms: i64,
}

/// An execution as the venue knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trade {
    /// The venue's id, unique within the pair.
    pub(crate) id: String,
    /// The venue's id of the order.
    pub(crate) order_id: String,
    /// The engine's id of the order, where the venue's list of executions tells it.
    pub(crate) client_id: Option<String>,
    /// `BTC/USDT`.
    pub(crate) pair: String,
    /// `buy` or `sell`.
    pub(crate) side: String,
    /// Quote per base.
    pub(crate) price: Decimal,
    /// Base, before fees.
    pub(crate) amount: Decimal,
}

/// One venue account. Implemented for Gate, Binance and Bybit.
pub(crate) trait Account {
    /// The venue's id.
    fn id(&self) -> &str;
    /// Asset → available and locked.
    fn accounts(&self) -> BTreeMap<String, Decimal>;
    /// Orders that stand in the book.
    fn open_orders(&self) -> Vec<Order>;
    /// Every order that the venue ever accepted from this account and that has ended.
    fn finished_orders(&self) -> Vec<Order>;
    /// Every execution of this account.
    fn trades(&self) -> Vec<Trade>;
}

/// An asset that a venue counts by the thousand under a name of its own.
#[derive(Clone, Debug)]
pub(crate) struct Unit {
    /// On which venue.
    pub(crate) venue: &'static str,
    /// The engine's name.
    pub(crate) ours: &'static str,
    /// The venue's.
    pub(crate) theirs: &'static str,
    /// How many of the engine's one of the venue's is.
    pub(crate) multiplier: u32,
}

/// An account whose rows are told in the engine's names and units: by decimals, the way a person would.
pub(crate) struct InOurUnit {
    pub(crate) account: Box<dyn Account>,
    pub(crate) unit: Unit,
}

impl InOurUnit {
    fn pair(&self, theirs: String) -> (String, bool) {
        match theirs.split_once('/') {
            Some((base, quote)) if base == self.unit.theirs => (format!("{}/{quote}", self.unit.ours), true),
            _ => (theirs, false),
        }
    }

    fn order(&self, order: Order) -> Order {
        Order { pair: self.pair(order.pair.clone()).0, ..order }
    }
}

impl Account for InOurUnit {
    fn id(&self) -> &str {
        self.account.id()
    }

    fn accounts(&self) -> BTreeMap<String, Decimal> {
        let of = |(asset, total): (String, Decimal)| match asset == self.unit.theirs {
            true => (self.unit.ours.to_string(), total * Decimal::from(self.unit.multiplier)),
            false => (asset, total),
        };
        self.account.accounts().into_iter().map(of).collect()
    }

    fn open_orders(&self) -> Vec<Order> {
        self.account.open_orders().into_iter().map(|order| self.order(order)).collect()
    }

    fn finished_orders(&self) -> Vec<Order> {
        self.account.finished_orders().into_iter().map(|order| self.order(order)).collect()
    }

    fn trades(&self) -> Vec<Trade> {
        let unit = Decimal::from(self.unit.multiplier);
        let of = |trade: Trade| match self.pair(trade.pair.clone()) {
            (pair, true) => {
                let price = trade.price / unit;
                assert_eq!(price * unit, trade.price, "a price that is exact in both units");
                Trade { pair, price, amount: trade.amount * unit, ..trade }
            }
            (_, false) => trade,
        };
        self.account.trades().into_iter().map(of).collect()
    }
}

/// The client that reads a venue as `crossgate sim` told of it.
#[track_caller]
pub(crate) fn of(venue: &Value) -> Box<dyn Account> {
    let door = Door::of(venue);
    match venue["kind"].as_str() {
        Some("gate") => Box::new(gate::Gate::new(door)),
        Some("binance") => Box::new(binance::Binance::new(door)),
        Some("bybit") => Box::new(bybit::Bybit::new(door)),
        _ => panic!("no client reads such a venue: {venue}"),
    }
}

/// How long it takes until a venue grants this address so much weight; `None` when it does so now. Asking costs a weight of one. Only
/// Binance is asked: what the others count ends with seconds.
#[track_caller]
pub(crate) fn until_room(venue: &Value, weight: u64) -> Option<Duration> {
    match venue["kind"].as_str() {
        Some("binance") => binance::until_room(&Door::of(venue), weight),
        _ => None,
    }
}

/// How long a venue may want to be left alone, all together.
const PATIENCE: Duration = Duration::from_secs(130);

/// Where a venue's REST is, and one key of an account there.
struct Door {
    id: String,
    address: String,
    ca_file: Option<PathBuf>,
    key: String,
    secret: String,
}

impl Door {
    #[track_caller]
    fn of(venue: &Value) -> Door {
        let address = text(venue, "rest").split("://").nth(1).expect("a URL").trim_end_matches('/').to_string();
        let ca_file = venue["ca_file"].as_str().map(Into::into);
        Door { id: text(venue, "id"), address, ca_file, key: text(venue, "key"), secret: text(venue, "secret") }
    }

    /// A GET, whatever its status.
    #[track_caller]
    fn get(&self, target: &str, headers: &[(&str, &str)]) -> Answer {
        match &self.ca_file {
            Some(ca_file) => https(&self.address, ca_file, "GET", target, headers),
            None => http(&self.address, "GET", target, headers, ""),
        }
    }

    /// A GET that the venue answers with 200 and JSON.
    #[track_caller]
    fn json(&self, target: &str, headers: &[(&str, &str)]) -> Value {
        self.json_of(|| target.to_string(), headers)
    }

    /// The same with a target that is made anew for every try. Engines that are killed and started all the time use up what a venue
    /// grants to an address, which is this host's, too: then what the venue says is waited for, as any client does.
    #[track_caller]
    fn json_of(&self, target: impl Fn() -> String, headers: &[(&str, &str)]) -> Value {
        let mut patience = PATIENCE;
        loop {
            let target = target();
            let answer = self.get(&target, headers);
            let wait = answer.retry_after.map(|wait| wait.max(Duration::from_secs(1)));
            match wait.filter(|wait| answer.status == 429 && *wait <= patience) {
                Some(wait) => {
                    patience -= wait;
                    std::thread::sleep(wait);
                }
                None => {
                    assert_eq!(answer.status, 200, "{} {target}: {}", self.id, answer.body);
                    return serde_json::from_str(&answer.body)
                        .unwrap_or_else(|e| panic!("{} {target}: {e}: {}", self.id, answer.body));
                }
            }
        }
    }
}

/// Unix milliseconds of this host's clock.
fn now_ms() -> u128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("the clock is set").as_millis()
}

/// A text under `key`.
#[track_caller]
fn text(row: &Value, key: &str) -> String {
    row[key].as_str().unwrap_or_else(|| panic!("{key} is no text: {row}")).to_string()
}

/// A decimal that is written as text under `key`, without zeros at its end.
#[track_caller]
fn number(row: &Value, key: &str) -> Decimal {
    let text = text(row, key);
    Decimal::from_str_exact(&text).unwrap_or_else(|e| panic!("{key}: {e}: {row}")).normalize()
}

/// A whole number under `key`.
#[track_caller]
fn whole(row: &Value, key: &str) -> i64 {
    row[key].as_i64().unwrap_or_else(|| panic!("{key} is no whole number: {row}"))
}

/// The rows of a list.
#[track_caller]
fn rows(list: &Value) -> &[Value] {
    list.as_array().unwrap_or_else(|| panic!("no list: {list}"))
}
