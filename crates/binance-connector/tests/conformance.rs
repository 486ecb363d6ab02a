//! Binance's public session against what every venue's must do: its bytes for each situation of `conformance`.

use binance_connector::BinanceConnector;
use conformance::{Asked, BookNews, Reply, Said, Script};
use domain::{PairId, UnixNanos};
use serde_json::{Value, json};
use venue::{Connector, Transmit};

struct Binance;

const NAMES: [&str; 2] = ["BTCUSDT", "ETHUSDT"];

fn read(text: &str) -> Value {
    serde_json::from_str(text).expect("we send JSON")
}

impl Script for Binance {
    fn connector(&self) -> &dyn Connector {
        &BinanceConnector
    }

    fn book_channel(&self) -> &'static str {
        "depth"
    }

    fn asked(&self, out: &Transmit) -> Asked {
        match out {
            Transmit::Frame { text, .. } => match read(text)["method"].as_str() {
                Some("SUBSCRIBE") => Asked::Subscribe,
                Some("UNSUBSCRIBE") => Asked::Leave,
                // The only message that proves a quiet connection.
                Some("LIST_SUBSCRIPTIONS") => Asked::Ping,
                _ => Asked::Other,
            },
            Transmit::Request { request, .. } => match request.path.as_str() {
                "/api/v3/time" => Asked::Time,
                "/api/v3/depth" => {
                    let pair = NAMES.iter().position(|name| request.query.contains(name)).expect("a configured pair");
                    Asked::Copy(PairId(pair as u16))
                }
                _ => Asked::Other,
            },
            Transmit::Open(_) | Transmit::Close(_) => Asked::Other,
        }
    }

    fn say(&self, out: &Transmit, reply: Reply<'_>, at: UnixNanos) -> Said {
        if let Transmit::Frame { text, .. } = out {
            return Said::Frame(json!({"result": null, "id": read(text)["id"]}).to_string());
        }
        match (self.asked(out), reply) {
            (Asked::Time, Reply::Done) => Said::http(200, json!({"serverTime": at.millis()}).to_string()),
            (Asked::Copy(_), Reply::Copy(id)) => {
                Said::http(200, json!({"lastUpdateId": id, "bids": [["61234.00", "1"]], "asks": [["61235.00", "1"]]}).to_string())
            }
            (_, Reply::Limited(seconds)) => Said::Http {
                status: 429,
                headers: vec![("retry-after".into(), seconds.to_string())],
                body: json!({"code": -1003, "msg": "Too much request weight used."}).to_string(),
            },
            (asked, reply) => panic!("no public request is answered so: {asked:?} {reply:?}"),
        }
    }

    fn streams_whole_books(&self) -> bool {
        false
    }

    fn book(&self, pair: PairId, news: BookNews) -> String {
        let BookNews::Change { previous, last } = news else { panic!("this stream has changes only") };
        let name = NAMES[pair.index()];
        json!({
            "stream": format!("{}@depth@100ms", name.to_lowercase()),
            "data": {
                "e": "depthUpdate", "E": 1_750_000_000_100i64, "s": name, "U": previous + 1, "u": last, "b": [["61234.00", "2"]],
                "a": [],
            },
        })
        .to_string()
    }
}

conformance::public_cases!(Binance);
