//! Gate's session against what every venue's must do: its bytes for each situation of `conformance`.

use conformance::{Asked, BookNews, OrderState, PrivateNews, Reply, Said, Script};
use domain::{ErrorClass, NewOrder, PairId, UnixNanos};
use gate_connector::GateConnector;
use serde_json::{Value, json};
use venue::{Connector, Method, Transmit};

struct Gate;

const NAMES: [&str; 2] = ["BTC_USDT", "ETH_USDT"];

fn read(text: &str) -> Value {
    serde_json::from_str(text).expect("we send JSON")
}

/// Units with so many decimals, as text.
fn text(units: i64, decimals: u32) -> String {
    let one = 10i64.pow(decimals);
    format!("{}.{:0width$}", units / one, units % one, width = decimals as usize)
}

fn qty(units: i64) -> String {
    text(units, 6)
}

fn price(order: &NewOrder) -> String {
    text(order.price.units(), 2)
}

/// The fields that an order's row has on the stream and in REST bodies alike.
fn row(state: &OrderState) -> Value {
    let OrderState { order, filled, ended } = state;
    let amount = order.qty.units();
    let mut row = json!({
        "id": "77", "text": format!("t-{}", order.client_id), "currency_pair": NAMES[order.pair.index()], "type": "limit",
        "side": order.side.to_string(), "amount": qty(amount), "price": price(order), "left": qty(amount - filled),
        "time_in_force": "ioc",
    });
    if *ended {
        row["finish_as"] = json!(if *filled == amount { "filled" } else { "ioc" });
    }
    row
}

fn rest_row(state: &OrderState) -> Value {
    let mut row = row(state);
    row["status"] = json!(match (state.ended, state.filled == state.order.qty.units()) {
        (false, _) => "open",
        (true, true) => "closed",
        (true, false) => "cancelled",
    });
    row
}

/// Status and label of a refusal.
const fn refusal(class: ErrorClass) -> (u16, &'static str) {
    match class {
        ErrorClass::InsufficientFunds => (400, "BALANCE_NOT_ENOUGH"),
        ErrorClass::FilterReject => (400, "INVALID_PRECISION"),
        ErrorClass::SymbolClosed => (400, "INVALID_CURRENCY_PAIR"),
        ErrorClass::AuthFatal => (401, "INVALID_KEY"),
        ErrorClass::RateLimited => (429, "TOO_MANY_REQUESTS"),
        ErrorClass::ClockSkew => (403, "REQUEST_EXPIRED"),
        ErrorClass::DuplicateClientId => (400, "REPEATED_CREATION"),
        ErrorClass::UnknownOrder => (400, "ORDER_FINISHED"),
        ErrorClass::Unknown => (500, "SERVER_ERROR"),
    }
}

/// The reply to a request of order entry.
fn say_entry(asked: &Value, reply: Reply<'_>) -> Said {
    let (status, data) = match reply {
        Reply::Refused(class) => {
            let (status, label) = refusal(class);
            (status, json!({"errs": {"label": label, "message": ""}}))
        }
        Reply::Order(state) => (200, json!({"result": rest_row(state)})),
        _ => (200, json!({"result": {"api_key": conformance::stage::KEY, "uid": "1"}})),
    };
    let header = json!({"status": status.to_string(), "channel": asked["channel"], "event": "api"});
    Said::Frame(json!({"request_id": asked["payload"]["req_id"], "header": header, "data": data}).to_string())
}

/// A row of a list of executions, and of the stream of them.
fn trade_row(order: &NewOrder, trade: u64, filled: i64) -> Value {
    json!({
        "id": trade, "order_id": "77", "currency_pair": NAMES[order.pair.index()], "side": order.side.to_string(),
        "amount": qty(filled), "role": "taker", "price": price(order), "text": format!("t-{}", order.client_id),
        "fee": "0", "create_time_ms": "1750000000123.4",
    })
}

fn say_frame(asked: &Value, reply: Reply<'_>, at: UnixNanos) -> Said {
    if asked["channel"] == "spot.ping" {
        let pong = json!({"time": at.seconds(), "time_ms": at.millis(), "channel": "spot.pong", "event": "", "result": null});
        return Said::Frame(pong.to_string());
    }
    if asked["event"] == "api" {
        return say_entry(asked, reply);
    }
    let mut answer = asked.clone();
    answer["time"] = json!(at.seconds());
    match reply {
        Reply::Refused(_) => {
            answer["error"] = json!({"code": 4, "message": "INVALID_KEY: the key is not known"});
            answer["result"] = json!({"status": "fail"});
        }
        _ => answer["result"] = json!({"status": "success"}),
    }
    Said::Frame(answer.to_string())
}

impl Script for Gate {
    fn connector(&self) -> &dyn Connector {
        &GateConnector
    }

    fn book_channel(&self) -> &'static str {
        "order_book_update"
    }

    fn asked(&self, out: &Transmit) -> Asked {
        match out {
            Transmit::Frame { text, .. } => {
                let frame = read(text);
                match (frame["channel"].as_str(), frame["event"].as_str()) {
                    (Some("spot.ping"), _) => Asked::Ping,
                    (_, Some("subscribe")) => Asked::Subscribe,
                    (_, Some("unsubscribe")) => Asked::Leave,
                    (Some("spot.login"), _) => Asked::Login,
                    (Some("spot.order_place"), _) => Asked::Place,
                    (Some("spot.order_amend"), _) => Asked::Amend,
                    (Some("spot.order_cancel"), _) => Asked::Cancel,
                    (Some("spot.order_cancel_cp"), _) => Asked::CancelAll,
                    (Some("spot.order_status"), _) => Asked::LookUp,
                    _ => Asked::Other,
                }
            }
            Transmit::Request { request, .. } => {
                let path = request.path.strip_prefix("/api/v4").expect("every path has the prefix");
                match (request.method, path) {
                    (Method::Get, "/spot/time") => Asked::Time,
                    (Method::Get, "/spot/order_book") => {
                        let pair = NAMES.iter().position(|name| request.query.contains(name)).expect("a configured pair");
                        Asked::Copy(PairId(pair as u16))
                    }
                    (Method::Post, "/spot/orders") => Asked::Place,
                    (Method::Patch, path) if path.starts_with("/spot/orders/") => Asked::Amend,
                    (Method::Delete, "/spot/orders") => Asked::CancelAll,
                    (Method::Get, "/spot/open_orders") => Asked::OpenOrders,
                    (Method::Get, "/spot/my_trades") => Asked::Trades,
                    (Method::Delete, path) if path.starts_with("/spot/orders/") => Asked::Cancel,
                    (Method::Get, path) if path.starts_with("/spot/orders/") => Asked::LookUp,
                    (Method::Post, "/spot/countdown_cancel_all") => Asked::DeadMan,
                    (Method::Get, "/account/main_keys" | "/account/detail") => Asked::Account,
                    _ => Asked::Other,
                }
            }
            Transmit::Open(_) | Transmit::Close(_) => Asked::Other,
        }
    }

    fn say(&self, out: &Transmit, reply: Reply<'_>, at: UnixNanos) -> Said {
        if let Transmit::Frame { text, .. } = out {
            return say_frame(&read(text), reply, at);
        }
        match (self.asked(out), reply) {
            (Asked::Time, Reply::Done) => Said::http(200, json!({"server_time": at.millis()}).to_string()),
            (Asked::DeadMan, Reply::Done) => Said::http(200, json!({"triggerTime": at.millis() + 10_000}).to_string()),
            (_, Reply::Copy(id)) => Said::http(
                200,
                json!({"id": id, "current": at.millis(), "update": at.millis(), "asks": [["61235", "1"]], "bids": [["61234", "1"]]})
                    .to_string(),
            ),
            (Asked::CancelAll, Reply::Order(state)) => Said::http(200, json!([rest_row(state)]).to_string()),
            (_, Reply::Order(state)) => Said::http(200, rest_row(state).to_string()),
            (_, Reply::OpenOrders { orders, .. }) => {
                let rows: Vec<Value> = orders.iter().map(rest_row).collect();
                let pair = json!({"currency_pair": NAMES[0], "total": rows.len(), "orders": rows});
                Said::http(200, json!([pair]).to_string())
            }
            (_, Reply::Trades { order, trades, .. }) => {
                let rows: Vec<Value> = trades.iter().map(|trade| trade_row(order, *trade, 1)).collect();
                Said::http(200, json!(rows).to_string())
            }
            (_, Reply::Banned) => Said::http(418, "<html>"),
            (_, Reply::NotFound) => Said::http(404, json!({"label": "ORDER_NOT_FOUND", "message": ""}).to_string()),
            (_, Reply::Limited(seconds)) => Said::Http {
                status: 429,
                headers: vec![("retry-after".into(), seconds.to_string())],
                body: json!({"label": "TOO_MANY_REQUESTS", "message": ""}).to_string(),
            },
            (_, Reply::Refused(class)) => {
                let (status, label) = refusal(class);
                Said::http(status, json!({"label": label, "message": ""}).to_string())
            }
            (_, Reply::Done) => Said::Nothing,
        }
    }

    fn streams_whole_books(&self) -> bool {
        false
    }

    fn book(&self, pair: PairId, news: BookNews) -> String {
        let BookNews::Change { previous, last } = news else { panic!("this channel has changes only") };
        json!({
            "time": 1, "time_ms": 1_750_000_000_123i64, "channel": "spot.order_book_update", "event": "update",
            "result": {
                "t": 1_750_000_000_100i64, "s": NAMES[pair.index()], "U": previous + 1, "u": last, "b": [["61234", "2"]], "a": [],
            },
        })
        .to_string()
    }

    fn private(&self, news: PrivateNews<'_>) -> Option<String> {
        let (channel, row) = match news {
            PrivateNews::Order(state) => {
                let mut row = row(state);
                row["event"] = json!(if state.ended { "finish" } else { "put" });
                ("spot.orders", row)
            }
            PrivateNews::Fill { order, trade, qty: filled } => ("spot.usertrades", trade_row(order, trade, filled)),
        };
        Some(
            json!({"time": 1, "time_ms": 1_750_000_000_123i64, "channel": channel, "event": "update", "result": [row]})
                .to_string(),
        )
    }

    fn has_dead_man(&self) -> bool {
        true
    }

    fn orders_page(&self) -> Option<usize> {
        Some(100)
    }

    fn trades_page(&self) -> Option<usize> {
        Some(1000)
    }

    fn notice(&self) -> Option<String> {
        Some(json!({"channel": "spot.system", "event": "update", "result": {"type": "upgrade"}}).to_string())
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

conformance::public_cases!(Gate);
conformance::trading_cases!(Gate);
