//! Binance's session against what every venue's must do: its bytes for each situation of `conformance`. The key is an HMAC key, which signs
//! every request on the WebSocket API; keys that log in there are in the session's own tests.

use binance_connector::BinanceConnector;
use conformance::{Asked, BookNews, OrderState, PrivateNews, Reply, Said, Script};
use domain::{ErrorClass, NewOrder, PairId, UnixNanos};
use serde_json::{Value, json};
use venue::{Connector, Method, Transmit};

struct Binance;

const NAMES: [&str; 2] = ["BTCUSDT", "ETHUSDT"];

fn read(text: &str) -> Value {
    serde_json::from_str(text).expect("we send JSON")
}

/// Units with so many decimals, as Binance writes numbers: with zeros behind.
fn text(units: i64, decimals: u32) -> String {
    let one = 10i64.pow(decimals);
    let fraction = format!("{:0width$}", units % one, width = decimals as usize);
    format!("{}.{fraction:0<8}", units / one)
}

fn qty(units: i64) -> String {
    text(units, 6)
}

fn price(order: &NewOrder) -> String {
    text(order.price.units(), 2)
}

fn status(state: &OrderState) -> &'static str {
    match (state.ended, state.filled, state.filled == state.order.qty.units()) {
        (false, 0, _) => "NEW",
        (false, ..) => "PARTIALLY_FILLED",
        (true, _, true) => "FILLED",
        (true, _, false) => "EXPIRED",
    }
}

/// An order as REST and the WebSocket API tell it.
fn row(state: &OrderState) -> Value {
    let order = &state.order;
    json!({
        "symbol": NAMES[order.pair.index()], "orderId": 77, "orderListId": -1, "clientOrderId": order.client_id.to_string(),
        "price": price(order), "origQty": qty(order.qty.units()), "executedQty": qty(state.filled), "cummulativeQuoteQty": "0.0",
        "status": status(state), "timeInForce": "IOC", "type": "LIMIT", "side": "BUY", "fills": [],
    })
}

/// The event about an order, of an execution or of anything else.
fn event(state: &OrderState, trade: Option<(u64, i64)>) -> String {
    let order = &state.order;
    let status = status(state);
    let execution = if trade.is_some() { "TRADE" } else { status };
    let (id, last) = trade.map_or((-1, 0), |(id, qty)| (id as i64, qty));
    json!({"subscriptionId": 0, "event": {
        "e": "executionReport", "E": 1_750_000_000_124i64, "s": NAMES[order.pair.index()], "c": order.client_id.to_string(),
        "C": "", "S": "BUY", "o": "LIMIT", "f": "IOC", "q": qty(order.qty.units()), "p": price(order), "x": execution,
        "X": status, "r": "NONE", "i": 77, "l": qty(last), "L": price(order), "z": qty(state.filled), "n": "0", "N": null,
        "T": 1_750_000_000_123i64, "t": id, "m": false,
    }})
    .to_string()
}

fn refusal(class: ErrorClass) -> (u16, Value) {
    let (status, code, message) = match class {
        ErrorClass::InsufficientFunds => (400, -2010, "Account has insufficient balance for requested action."),
        ErrorClass::FilterReject => (400, -1013, "Filter failure: LOT_SIZE"),
        ErrorClass::SymbolClosed => (400, -2010, "Market is closed."),
        ErrorClass::AuthFatal => (401, -2015, "Invalid API-key, IP, or permissions for action."),
        ErrorClass::RateLimited => (429, -1015, "Too many new orders; current limit is 50 orders per 10 SECOND."),
        ErrorClass::ClockSkew => (400, -1021, "Timestamp for this request is outside of the recvWindow."),
        ErrorClass::DuplicateClientId => (400, -2010, "Duplicate order sent."),
        ErrorClass::UnknownOrder => (400, -2013, "Order does not exist."),
        ErrorClass::Unknown => (503, -1007, "Timeout waiting for response from backend server."),
    };
    (status, json!({"code": code, "msg": message}))
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
                Some("LIST_SUBSCRIPTIONS" | "ping") => Asked::Ping,
                Some("session.logon") => Asked::Login,
                Some("userDataStream.subscribe" | "userDataStream.subscribe.signature") => Asked::Subscribe,
                Some("order.place") => Asked::Place,
                Some("order.cancel") => Asked::Cancel,
                Some("order.status") => Asked::LookUp,
                Some("openOrders.cancelAll") => Asked::CancelAll,
                _ => Asked::Other,
            },
            Transmit::Request { request, .. } => match (request.method, request.path.as_str()) {
                (Method::Post, "/api/v3/order") => Asked::Place,
                (Method::Delete, "/api/v3/order") => Asked::Cancel,
                (Method::Get, "/api/v3/order") => Asked::LookUp,
                (Method::Delete, "/api/v3/openOrders") => Asked::CancelAll,
                (Method::Get, "/api/v3/openOrders") => Asked::OpenOrders,
                (Method::Get, "/api/v3/myTrades") => Asked::Trades,
                (Method::Get, "/sapi/v1/account/apiRestrictions") => Asked::Account,
                (Method::Get, "/api/v3/time") => Asked::Time,
                (Method::Get, "/api/v3/depth") => {
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
            let asked = read(text);
            if asked.get("params").is_some_and(Value::is_array) || asked["method"] == "LIST_SUBSCRIPTIONS" {
                return Said::Frame(json!({"result": null, "id": asked["id"]}).to_string());
            }
            let answer = match reply {
                Reply::Done => {
                    let result =
                        if asked["method"] == "session.logon" { json!({"authorizedSince": at.millis()}) } else { json!({}) };
                    json!({"id": asked["id"], "status": 200, "result": result, "rateLimits": []})
                }
                Reply::Order(state) => json!({"id": asked["id"], "status": 200, "result": row(state)}),
                Reply::Refused(class) => {
                    let (status, error) = refusal(class);
                    json!({"id": asked["id"], "status": status, "error": error})
                }
                Reply::NotFound => {
                    json!({"id": asked["id"], "status": 400, "error": {"code": -2013, "msg": "Order does not exist."}})
                }
                other => panic!("no frame is answered so: {other:?}"),
            };
            return Said::Frame(answer.to_string());
        }
        match (self.asked(out), reply) {
            (Asked::Time, Reply::Done) => Said::http(200, json!({"serverTime": at.millis()}).to_string()),
            (Asked::Copy(_), Reply::Copy(id)) => {
                Said::http(200, json!({"lastUpdateId": id, "bids": [["61234.00", "1"]], "asks": [["61235.00", "1"]]}).to_string())
            }
            (Asked::CancelAll, Reply::Order(state)) => Said::http(200, json!([row(state)]).to_string()),
            (_, Reply::Order(state)) => Said::http(200, row(state).to_string()),
            (_, Reply::OpenOrders { orders, .. }) => {
                Said::http(200, Value::from(orders.iter().map(row).collect::<Vec<Value>>()).to_string())
            }
            (_, Reply::Trades { order, trades, .. }) => {
                let trade = |id: &u64| {
                    json!({
                        "symbol": NAMES[order.pair.index()], "id": id, "orderId": 77, "price": price(order), "qty": qty(1),
                        "commission": "0", "commissionAsset": "BTC", "time": 1_750_000_000_123i64, "isBuyer": true, "isMaker": false,
                    })
                };
                Said::http(200, Value::from(trades.iter().map(trade).collect::<Vec<Value>>()).to_string())
            }
            (_, Reply::Banned) => Said::Http {
                status: 418,
                headers: vec![("retry-after".into(), "600".into())],
                body: json!({"code": -1003, "msg": "Way too much request weight used; IP banned."}).to_string(),
            },
            (Asked::Cancel, Reply::NotFound) => Said::http(400, json!({"code": -2011, "msg": "Unknown order sent."}).to_string()),
            (_, Reply::NotFound) => Said::http(400, json!({"code": -2013, "msg": "Order does not exist."}).to_string()),
            (_, Reply::Limited(seconds)) => Said::Http {
                status: 429,
                headers: vec![("retry-after".into(), seconds.to_string())],
                body: json!({"code": -1003, "msg": "Too much request weight used."}).to_string(),
            },
            (_, Reply::Refused(class)) => {
                let (status, error) = refusal(class);
                Said::http(status, error.to_string())
            }
            (_, Reply::Done) => Said::Nothing,
            (asked, reply) => panic!("no request is answered so: {asked:?} {reply:?}"),
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

    /// An execution is told with the order that it belongs to.
    fn private(&self, news: PrivateNews<'_>) -> Option<String> {
        Some(match news {
            PrivateNews::Order(state) => event(state, None),
            PrivateNews::Fill { order, trade, qty } => {
                let state = OrderState { order: *order, filled: qty, ended: qty == order.qty.units() };
                event(&state, Some((trade, qty)))
            }
        })
    }

    fn amends(&self) -> bool {
        false
    }

    fn trades_page(&self) -> Option<usize> {
        Some(1000)
    }

    fn notice(&self) -> Option<String> {
        Some(json!({"event": {"e": "serverShutdown", "E": 1_750_000_000_000i64}}).to_string())
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

conformance::public_cases!(Binance);
conformance::trading_cases!(Binance);
