//! Words that leave the venue wrong: absurd fields, broken bodies, stamps of a clock that is off.
//!
//! Start at [`frame`] for what goes to a socket and [`response`] for what answers a request. Both leave what they are given alone
//! unless a fault asks for it.

use serde_json::Value;

use crate::faults::{
    Absurd, Breakage, Faults, TamperTarget, take_first,
    tamper::{in_object, in_place, moved, next_of, shift_stamp},
};
use crate::world::{HttpRequest, HttpResponse};

/// Fields with a time in milliseconds, and in seconds; as numbers or as text. `t` is in milliseconds on every book channel.
const MILLIS: [&str; 7] = ["time_ms", "t", "create_time_ms", "update_time_ms", "current", "update", "server_time"];
const MILLIS_MORE: [&str; 3] = ["response_time", "triggerTime", "timestamp_ms"];
const SECONDS: [&str; 6] = ["time", "E", "create_time", "update_time", "timestamp", "x_gate_ratelimit_reset_timestamp"];
const SECONDS_HEADER: &str = "x-gate-ratelimit-reset-timestamp";

/// A text frame as the faults leave it.
pub(super) fn frame(text: String, faults: &mut Faults, t_ns: u64) -> String {
    let ahead_ns = faults.clock.ahead_ns(t_ns);
    if faults.tampered.is_empty() && ahead_ns == 0 {
        return text;
    }
    let Ok(mut value) = serde_json::from_str::<Value>(&text) else { return text };
    if let Some(target) = target_of_frame(&value)
        && let Some(how) = next_of(faults, target)
    {
        change(&mut value, target, how);
    }
    // Candlesticks have their `t` in seconds, and say what was, not when it is told.
    if value["channel"] != "spot.candlesticks" {
        shift(&mut value, ahead_ns);
    }
    value.to_string()
}

/// A response as the faults leave it.
pub(super) fn response(request: &HttpRequest, mut response: HttpResponse, faults: &mut Faults, t_ns: u64) -> HttpResponse {
    let ahead_ns = faults.clock.ahead_ns(t_ns);
    if (!faults.tampered.is_empty() || ahead_ns != 0)
        && let Ok(mut value) = serde_json::from_slice::<Value>(&response.body)
    {
        if let Some(target) = target_of_response(request, &response)
            && let Some(how) = next_of(faults, target)
        {
            change(&mut value, target, how);
        }
        shift(&mut value, ahead_ns);
        response.body = value.to_string().into_bytes();
    }
    if let Some((_, reset)) = response.headers.iter_mut().find(|(name, _)| name == SECONDS_HEADER)
        && let Some(shifted) = moved(reset, ahead_ns / 1_000_000_000)
    {
        *reset = shifted;
    }
    if request.header("sign").is_some()
        && let Some(breakage) = take_first(&mut faults.break_next_replies)
    {
        broken(&mut response, breakage);
    }
    response
}

fn broken(response: &mut HttpResponse, breakage: Breakage) {
    match breakage {
        Breakage::Html => {
            response.status = 502;
            response.headers = vec![("content-type".to_owned(), "text/html".to_owned())];
            response.body = b"<html><body><h1>502 Bad Gateway</h1></body></html>".to_vec();
        }
        Breakage::ServerError => {
            response.status = 500;
            response.body = br#"{"label":"SERVER_ERROR","message":"Internal Server Error"}"#.to_vec();
        }
        Breakage::GatewayTimeout => {
            response.status = 504;
            response.body.clear();
        }
        Breakage::Truncated => response.body.truncate(response.body.len() / 2),
        Breakage::ErrorInside => {
            response.status = 200;
            response.body = br#"{"label":"SERVER_ERROR","message":"System busy"}"#.to_vec();
        }
    }
}

fn target_of_frame(frame: &Value) -> Option<TamperTarget> {
    if frame["data"]["result"]["id"].is_string() && frame["data"]["result"]["amount"].is_string() {
        return Some(TamperTarget::OrderReply);
    }
    if frame["event"] != "update" {
        return None;
    }
    match frame["channel"].as_str()? {
        "spot.order_book" | "spot.order_book_update" | "spot.obu" => Some(TamperTarget::Book),
        "spot.book_ticker" => Some(TamperTarget::BookTicker),
        "spot.orders" | "spot.orders_v2" => Some(TamperTarget::Orders),
        "spot.usertrades" | "spot.usertrades_v2" => Some(TamperTarget::Fills),
        "spot.balances" => Some(TamperTarget::Balances),
        _ => None,
    }
}

fn target_of_response(request: &HttpRequest, response: &HttpResponse) -> Option<TamperTarget> {
    if !(200..300).contains(&response.status) {
        return None;
    }
    match request.path.rsplit_once("/spot/")?.1 {
        "order_book" => Some(TamperTarget::BookReply),
        "accounts" => Some(TamperTarget::Accounts),
        "orders" if request.method == "POST" => Some(TamperTarget::OrderReply),
        name if name.starts_with("orders/") => Some(TamperTarget::OrderReply),
        _ => None,
    }
}

/// Changes the field that this target is known by: a price of a book, the amount of a row.
fn change(value: &mut Value, target: TamperTarget, how: Absurd) {
    let rows_first = |value: &mut Value| value.get_mut("result").and_then(|rows| rows.get_mut(0)).map(Value::take);
    match target {
        TamperTarget::Book | TamperTarget::BookReply => {
            let book = if target == TamperTarget::Book { &mut value["result"] } else { value };
            if matches!(how, Absurd::Missing | Absurd::UnknownWord | Absurd::ExtraField) {
                let id = ["u", "lastUpdateId", "id"].into_iter().find(|key| book.get(key).is_some()).unwrap_or("u");
                return in_object(book, id, id, how);
            }
            // The first level there is, bids before asks.
            for side in ["bids", "b", "asks", "a"] {
                if let Some(price) = book.get_mut(side).and_then(|levels| levels.get_mut(0)).and_then(|level| level.get_mut(0)) {
                    return in_place(price, how);
                }
            }
        }
        TamperTarget::BookTicker => in_object(&mut value["result"], "b", "u", how),
        TamperTarget::OrderReply => {
            let row = if value.get("data").is_some() { &mut value["data"]["result"] } else { value };
            in_object(row, "amount", "status", how);
        }
        TamperTarget::Accounts => {
            if let Some(row) = value.get_mut(0) {
                in_object(row, "available", "currency", how);
            }
        }
        TamperTarget::Orders | TamperTarget::Fills | TamperTarget::Balances => {
            let word = match target {
                TamperTarget::Orders => "event",
                TamperTarget::Fills => "side",
                _ => "available",
            };
            let field = if target == TamperTarget::Balances { "available" } else { "amount" };
            if let Some(mut row) = rows_first(value) {
                in_object(&mut row, field, word, how);
                value["result"][0] = row;
            }
        }
    }
}

/// Moves every stamp by what the clock is off.
fn shift(value: &mut Value, ahead_ns: i64) {
    if ahead_ns == 0 {
        return;
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| shift(item, ahead_ns)),
        Value::Object(fields) => {
            for (key, value) in fields {
                if MILLIS.contains(&key.as_str()) || MILLIS_MORE.contains(&key.as_str()) {
                    shift_stamp(value, ahead_ns / 1_000_000);
                } else if SECONDS.contains(&key.as_str()) {
                    shift_stamp(value, ahead_ns / 1_000_000_000);
                } else {
                    shift(value, ahead_ns);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::faults::{Tampering, VenueClock};

    fn tampered(text: &str, target: TamperTarget, how: Absurd) -> Value {
        let mut faults = Faults { tampered: vec![Tampering { target, how, count: 1 }], ..Faults::default() };
        let once = frame(text.to_owned(), &mut faults, 0);
        assert_eq!(frame(text.to_owned(), &mut faults, 0), text, "only the next one");
        serde_json::from_str(&once).expect("still JSON")
    }

    #[test]
    fn one_field_of_a_frame_becomes_absurd() {
        let book = r#"{"channel":"spot.order_book_update","event":"update","result":{"U":1,"u":2,"b":[["99.5","1"]],"a":[]}}"#;
        let price = |how| tampered(book, TamperTarget::Book, how)["result"]["b"][0][0].clone();
        let long = format!("1.{}1", "0".repeat(39));
        for (how, becomes) in [
            (Absurd::Zero, json!("0")),
            (Absurd::Negative, json!("-1")),
            (Absurd::NotANumber, json!("NaN")),
            (Absurd::Huge, json!("1e309")),
            (Absurd::TooFine, json!(long)),
            (Absurd::Empty, json!("")),
            (Absurd::Null, Value::Null),
            (Absurd::TimesHundred, json!("9950")),
        ] {
            assert_eq!(price(how), becomes, "{how:?}");
        }
        assert!(tampered(book, TamperTarget::Book, Absurd::Missing)["result"].get("u").is_none());
        let orders = r#"{"channel":"spot.orders","event":"update","result":[{"event":"put","amount":"2","side":"buy"}]}"#;
        assert_eq!(tampered(orders, TamperTarget::Orders, Absurd::UnknownWord)["result"][0]["event"], "reticulated");
        assert_eq!(tampered(orders, TamperTarget::Orders, Absurd::Zero)["result"][0]["amount"], "0");
        assert!(tampered(orders, TamperTarget::Orders, Absurd::ExtraField)["result"][0]["novelty"].is_object());
        let fills = r#"{"channel":"spot.usertrades","event":"update","result":[{"side":"buy","amount":"2"}]}"#;
        assert!(tampered(fills, TamperTarget::Fills, Absurd::Missing)["result"][0].get("side").is_none());
        let balances = r#"{"channel":"spot.balances","event":"update","result":[{"available":"2"}]}"#;
        assert_eq!(tampered(balances, TamperTarget::Balances, Absurd::Negative)["result"][0]["available"], "-1");
        let ticker = r#"{"channel":"spot.book_ticker","event":"update","result":{"u":1,"b":"1","a":"2"}}"#;
        assert_eq!(tampered(ticker, TamperTarget::BookTicker, Absurd::Null)["result"]["b"], Value::Null);
        let reply = r#"{"request_id":"1","data":{"result":{"id":"5","amount":"2","status":"open"}}}"#;
        assert_eq!(tampered(reply, TamperTarget::OrderReply, Absurd::UnknownWord)["data"]["result"]["status"], "reticulated");
        // A frame of another kind does not use the fault up.
        let mut faults = Faults {
            tampered: vec![Tampering { target: TamperTarget::Book, how: Absurd::Zero, count: 1 }],
            ..Default::default()
        };
        frame(orders.to_owned(), &mut faults, 0);
        assert_eq!(faults.tampered.len(), 1);
    }

    #[test]
    fn a_clock_that_is_off_moves_every_stamp() {
        let mut faults = Faults { clock: VenueClock { step_ns: 2_000_000_000, ..Default::default() }, ..Default::default() };
        let text = r#"{"channel":"spot.usertrades","event":"update","result":[{"create_time":5,"create_time_ms":"5000.25","id":9,"note":"-"}],"time":7,"time_ms":7000}"#;
        let moved: Value = serde_json::from_str(&frame(text.to_owned(), &mut faults, 0)).expect("JSON");
        let row = &moved["result"][0];
        assert_eq!((&row["create_time"], &row["create_time_ms"], &row["id"]), (&json!(7), &json!("7000.25"), &json!(9)));
        assert_eq!((&moved["time"], &moved["time_ms"], &moved["event"]), (&json!(9), &json!(9000), &json!("update")));
    }
}
