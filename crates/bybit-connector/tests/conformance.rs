//! Bybit's public session against what every venue's must do: its bytes for each situation of `conformance`.

use bybit_connector::BybitConnector;
use conformance::{Asked, BookNews, Reply, Said, Script};
use domain::{PairId, UnixNanos};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use venue::{Connector, Transmit};

/// Numbers of the messages that tell each state of the book: this stream counts them one by one, and states by another sequence.
#[derive(Default)]
struct Bybit(RefCell<BTreeMap<u64, u64>>);

const NAMES: [&str; 2] = ["BTCUSDT", "ETHUSDT"];

fn read(text: &str) -> Value {
    serde_json::from_str(text).expect("we send JSON")
}

impl Script for Bybit {
    fn connector(&self) -> &dyn Connector {
        &BybitConnector
    }

    fn book_channel(&self) -> &'static str {
        "orderbook.50"
    }

    fn asked(&self, out: &Transmit) -> Asked {
        match out {
            Transmit::Frame { text, .. } => match read(text)["op"].as_str() {
                Some("subscribe") => Asked::Subscribe,
                Some("unsubscribe") => Asked::Leave,
                Some("ping") => Asked::Ping,
                _ => Asked::Other,
            },
            Transmit::Request { request, .. } if request.path == "/v5/market/time" => Asked::Time,
            Transmit::Request { .. } | Transmit::Open(_) | Transmit::Close(_) => Asked::Other,
        }
    }

    fn say(&self, out: &Transmit, reply: Reply<'_>, at: UnixNanos) -> Said {
        if let Transmit::Frame { text, .. } = out {
            let asked = read(text);
            let answer = json!({"success": true, "ret_msg": "", "conn_id": "c", "req_id": asked["req_id"], "op": asked["op"]});
            return Said::Frame(answer.to_string());
        }
        match (self.asked(out), reply) {
            (Asked::Time, Reply::Done) => {
                let result = json!({"timeSecond": at.seconds().to_string(), "timeNano": at.0.to_string()});
                Said::http(200, json!({"retCode": 0, "retMsg": "OK", "result": result, "time": at.millis()}).to_string())
            }
            (asked, reply) => panic!("no public request is answered so: {asked:?} {reply:?}"),
        }
    }

    fn streams_whole_books(&self) -> bool {
        true
    }

    fn book(&self, pair: PairId, news: BookNews) -> String {
        let name = NAMES[pair.index()];
        let mut numbers = self.0.borrow_mut();
        let (kind, bids, number, seq) = match news {
            BookNews::Whole(id) => ("snapshot", json!([["61234.00", "1"]]), id * 1000, id),
            BookNews::Change { previous, last } => {
                // What continues a state that was never told is numbered past it.
                let number = numbers.get(&previous).map_or(last * 1000 + 7, |number| number + 1);
                ("delta", json!([["61234.00", "2"]]), number, last)
            }
        };
        numbers.insert(seq, number);
        let asks = if kind == "snapshot" { json!([["61235.00", "1"]]) } else { json!([]) };
        json!({
            "topic": format!("orderbook.50.{name}"),
            "type": kind,
            "ts": 1_750_000_000_100i64,
            "data": {"s": name, "b": bids, "a": asks, "u": number, "seq": seq},
            "cts": 1_750_000_000_090i64,
        })
        .to_string()
    }
}

conformance::public_cases!(Bybit::default());
