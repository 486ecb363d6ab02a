//! Bybit's bytes for each situation of `conformance`.

use bybit_connector::BybitConnector;
use conformance::stage::tables;
use conformance::{Asked, BookNews, OrderState, PrivateNews, Reply, Said, Script};
use domain::{ErrorClass, LinkRole, NewOrder, PairId, PairScale, Qty, Side, UnixNanos};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use venue::{Connector, Transmit};

/// Numbers of the messages that tell each state of the book: this stream counts them one by one, and states by another sequence.
#[derive(Default)]
pub(crate) struct Bybit(RefCell<BTreeMap<u64, u64>>);

const NAMES: [&str; 2] = ["BTCUSDT", "ETHUSDT"];

fn read(text: &str) -> Value {
    serde_json::from_str(text).expect("we send JSON")
}

/// The envelope of a REST answer.
pub(crate) fn answer(code: i64, result: &Value) -> Value {
    json!({"retCode": code, "retMsg": if code == 0 { "OK" } else { "no" }, "result": result, "retExtInfo": {}, "time": 1})
}

/// A code of each class.
const fn code(class: ErrorClass) -> i64 {
    match class {
        ErrorClass::InsufficientFunds => 170_131,
        ErrorClass::FilterReject => 170_134,
        ErrorClass::SymbolClosed => 170_121,
        ErrorClass::AuthFatal => 10_003,
        ErrorClass::RateLimited => 10_006,
        ErrorClass::ClockSkew => 10_002,
        ErrorClass::DuplicateClientId => 170_141,
        ErrorClass::UnknownOrder => 170_142,
        ErrorClass::Unknown => 10_016,
    }
}

fn scale(order: &NewOrder) -> PairScale {
    tables().pair(order.pair).expect("a pair of the tables").scale
}

fn qty(order: &NewOrder, units: i64) -> String {
    scale(order).qty_text(Qty::from_units(units).expect("a quantity"))
}

const fn side(order: &NewOrder) -> &'static str {
    match order.side {
        Side::Buy => "Buy",
        Side::Sell => "Sell",
    }
}

/// An order, as the stream and lists have it.
pub(crate) fn row(state: &OrderState) -> Value {
    let OrderState { order, filled, ended } = state;
    let amount = order.qty.units();
    let status = match (ended, *filled) {
        (false, 0) => "New",
        (false, _) => "PartiallyFilled",
        (true, 0) => "Cancelled",
        (true, filled) if filled == amount => "Filled",
        (true, _) => "PartiallyFilledCanceled",
    };
    json!({
        "category": "spot", "symbol": NAMES[order.pair.index()], "orderId": "77", "orderLinkId": order.client_id.to_string(),
        "side": side(order), "orderType": "Limit", "price": scale(order).price_text(order.price), "qty": qty(order, amount),
        "orderStatus": status, "cumExecQty": qty(order, *filled), "leavesQty": qty(order, amount - filled), "timeInForce": "IOC",
        "rejectReason": "EC_NoError", "cancelType": "UNKNOWN", "marketUnit": "",
    })
}

/// An execution, as the stream and lists have it.
pub(crate) fn execution(order: &NewOrder, trade: u64, filled: i64) -> Value {
    json!({
        "category": "spot", "symbol": NAMES[order.pair.index()], "orderId": "77", "orderLinkId": order.client_id.to_string(),
        "side": side(order), "execId": trade.to_string(), "execPrice": scale(order).price_text(order.price),
        "execQty": qty(order, filled), "execFee": "0", "feeCurrency": "BTC", "isMaker": false, "execType": "Trade",
        "execTime": "1750000000123",
    })
}

/// The answer to a frame: each of the three kinds of link has its own envelope.
fn say_frame(role: LinkRole, asked: &Value, reply: Reply<'_>) -> Said {
    let op = asked["op"].as_str().expect("every frame has one");
    let said = match (role, op) {
        (LinkRole::OrderEntry, "ping") => json!({"retCode": 0, "retMsg": "OK", "op": "pong", "data": ["1"], "connId": "c"}),
        (LinkRole::OrderEntry, _) => {
            let code = if let Reply::Refused(class) = reply { code(class) } else { 0 };
            let data =
                if code == 0 { json!({"orderId": "77", "orderLinkId": asked["args"][0]["orderLinkId"]}) } else { json!({}) };
            let head = json!({"reqId": asked["reqId"], "retCode": code, "retMsg": "", "op": op, "connId": "c"});
            let mut said = head;
            if op != "auth" {
                said["data"] = data;
                said["header"] = json!({"X-Bapi-Limit": "20", "X-Bapi-Limit-Status": "19", "Timenow": "1"});
            }
            said
        }
        (LinkRole::Private, "ping") => json!({"req_id": asked["req_id"], "op": "pong", "args": ["1"], "conn_id": "c"}),
        // The private one carries no id of a login.
        (LinkRole::Private, _) => {
            json!({"success": !matches!(reply, Reply::Refused(_)), "ret_msg": "", "op": op, "conn_id": "c"})
        }
        _ => json!({"success": true, "ret_msg": "", "conn_id": "c", "req_id": asked["req_id"], "op": op}),
    };
    Said::Frame(said.to_string())
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
                Some("auth") => Asked::Login,
                Some("order.create") => Asked::Place,
                Some("order.amend") => Asked::Amend,
                Some("order.cancel") => Asked::Cancel,
                _ => Asked::Other,
            },
            Transmit::Request { request, .. } => match (request.path.as_str(), request.query.contains("&order")) {
                ("/v5/market/time", _) => Asked::Time,
                ("/v5/order/create", _) => Asked::Place,
                ("/v5/order/amend", _) => Asked::Amend,
                ("/v5/order/cancel", _) => Asked::Cancel,
                ("/v5/order/cancel-all", _) => Asked::CancelAll,
                ("/v5/order/realtime" | "/v5/order/history", true) => Asked::LookUp,
                ("/v5/order/realtime", false) => Asked::OpenOrders,
                ("/v5/execution/list", _) => Asked::Trades,
                ("/v5/user/query-api", _) => Asked::Account,
                _ => Asked::Other,
            },
            Transmit::Open(_) | Transmit::Close(_) => Asked::Other,
        }
    }

    fn say(&self, out: &Transmit, reply: Reply<'_>, at: UnixNanos) -> Said {
        let (request, asked) = match out {
            Transmit::Frame { link, text, .. } => return say_frame(link.role, &read(text), reply),
            Transmit::Request { request, .. } => (request, self.asked(out)),
            Transmit::Open(_) | Transmit::Close(_) => return Said::Nothing,
        };
        let success = |result: Value| Said::http(200, answer(0, &result).to_string());
        let list = |rows: Vec<Value>, more: bool| {
            let cursor = if more { "page_token%3D39380%26" } else { "" };
            success(json!({"category": "spot", "list": rows, "nextPageCursor": cursor}))
        };
        match (asked, reply) {
            (Asked::Time, Reply::Done) => success(json!({"timeSecond": at.seconds().to_string(), "timeNano": at.0.to_string()})),
            (Asked::LookUp, Reply::Order(state)) => list(vec![row(state)], false),
            (Asked::LookUp, Reply::NotFound) => list(vec![], false),
            (Asked::CancelAll, Reply::Order(state)) => {
                let one = json!({"orderId": "77", "orderLinkId": state.order.client_id.to_string()});
                success(json!({"list": [one], "success": "1"}))
            }
            // Whatever comes of it: it is only received.
            (_, Reply::Order(_)) => {
                let sent: Value = serde_json::from_slice(&request.body).expect("we send JSON");
                success(json!({"orderId": "77", "orderLinkId": sent["orderLinkId"]}))
            }
            (_, Reply::OpenOrders { orders, more }) => list(orders.iter().map(row).collect(), more),
            (_, Reply::Trades { order, trades, more }) => {
                list(trades.iter().map(|trade| execution(order, *trade, 1)).collect(), more)
            }
            (_, Reply::NotFound) => Said::http(200, answer(170_213, &json!({})).to_string()),
            (_, Reply::Refused(class)) => Said::http(200, answer(code(class), &json!({})).to_string()),
            (_, Reply::Limited(seconds)) => Said::Http {
                status: 200,
                headers: [
                    ("x-bapi-limit", "20".to_string()),
                    ("x-bapi-limit-status", "0".into()),
                    ("x-bapi-limit-reset-timestamp", (at.millis() + 1000 * seconds as i64).to_string()),
                ]
                .map(|(name, value)| (name.to_string(), value))
                .to_vec(),
                body: answer(10_006, &json!({})).to_string(),
            },
            (_, Reply::Banned) => Said::http(403, "access too frequent"),
            (_, Reply::Done) => Said::Nothing,
            (asked, reply) => panic!("nothing is answered so: {asked:?} {reply:?}"),
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

    fn private(&self, news: PrivateNews<'_>) -> Option<String> {
        let (topic, row) = match news {
            PrivateNews::Order(state) => ("order", row(state)),
            PrivateNews::Fill { order, trade, qty } => ("execution", execution(order, trade, qty)),
        };
        Some(json!({"id": "1", "topic": topic, "creationTime": 1_750_000_000_123i64, "data": [row]}).to_string())
    }

    fn only_receives(&self) -> bool {
        true
    }

    /// Pages are told by their names: however many rows they have.
    fn orders_page(&self) -> Option<usize> {
        Some(3)
    }

    fn trades_page(&self) -> Option<usize> {
        Some(3)
    }

    fn refusals(&self) -> &'static [ErrorClass] {
        &[
            ErrorClass::InsufficientFunds,
            ErrorClass::FilterReject,
            ErrorClass::SymbolClosed,
            ErrorClass::AuthFatal,
            ErrorClass::RateLimited,
            ErrorClass::ClockSkew,
        ]
    }
}
