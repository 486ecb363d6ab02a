//! Words that leave the venue wrong: absurd fields and broken bodies.
//!
//! Start at [`frame`] for what goes to a socket and [`response`] for what answers a request. Both leave what they are given alone
//! unless a fault asks for it. Stamps of a clock that is off are made wrong where they are made.

use serde_json::Value;

use crate::{
    faults::{
        Absurd, Breakage, Faults, TamperTarget, take_first,
        tamper::{in_object, in_place, next_of},
    },
    world::{HttpRequest, HttpResponse},
};

/// A text frame as the faults leave it.
pub(super) fn frame(text: String, faults: &mut Faults) -> String {
    if faults.tampered.is_empty() {
        return text;
    }
    let Ok(mut value) = serde_json::from_str::<Value>(&text) else { return text };
    let Some((target, how)) = target_of_frame(&value).and_then(|target| Some((target, next_of(faults, target)?))) else {
        return text;
    };
    change(&mut value, target, how);
    value.to_string()
}

/// A response as the faults leave it.
pub(super) fn response(request: &HttpRequest, mut response: HttpResponse, faults: &mut Faults) -> HttpResponse {
    if !faults.tampered.is_empty()
        && let Some(target) = target_of_path(&request.path).filter(|_| response.status == 200)
        && let Ok(mut value) = serde_json::from_slice::<Value>(&response.body)
        && let Some(how) = next_of(faults, target)
    {
        change(&mut value, target, how);
        response.body = value.to_string().into_bytes();
    }
    if request.header("x-bapi-sign").is_some()
        && let Some(breakage) = take_first(&mut faults.break_next_replies)
    {
        broken(&mut response, breakage);
    }
    response
}

fn broken(response: &mut HttpResponse, breakage: Breakage) {
    const BUSY: &[u8] =
        br#"{"retCode":10016,"retMsg":"System error. Please try again later.","result":{},"retExtInfo":{},"time":0}"#;
    match breakage {
        Breakage::Html => {
            response.status = 502;
            response.headers = vec![("content-type".to_owned(), "text/html".to_owned())];
            response.body = b"<html><body><h1>502 Bad Gateway</h1></body></html>".to_vec();
        }
        Breakage::ServerError => {
            response.status = 500;
            response.body = BUSY.to_vec();
        }
        Breakage::GatewayTimeout => {
            response.status = 504;
            response.body.clear();
        }
        Breakage::Truncated => response.body.truncate(response.body.len() / 2),
        Breakage::ErrorInside => {
            response.status = 200;
            response.body = BUSY.to_vec();
        }
    }
}

fn target_of_frame(frame: &Value) -> Option<TamperTarget> {
    if frame["op"].as_str().is_some_and(|op| op.starts_with("order.")) && frame["retCode"] == 0 {
        return Some(TamperTarget::OrderReply);
    }
    let topic = frame["topic"].as_str()?;
    let stem = topic.split_once('.').map_or(topic, |(stem, _)| stem);
    match stem {
        "orderbook" if topic.starts_with("orderbook.1.") => Some(TamperTarget::BookTicker),
        "orderbook" => Some(TamperTarget::Book),
        "order" => Some(TamperTarget::Orders),
        "execution" => Some(TamperTarget::Fills),
        "wallet" => Some(TamperTarget::Balances),
        _ => None,
    }
}

fn target_of_path(path: &str) -> Option<TamperTarget> {
    match path {
        "/v5/market/orderbook" => Some(TamperTarget::BookReply),
        "/v5/account/wallet-balance" => Some(TamperTarget::Accounts),
        "/v5/order/create" | "/v5/order/realtime" => Some(TamperTarget::OrderReply),
        _ => None,
    }
}

/// Changes the field that this target is known by: a price of a book, the size of a row.
fn change(value: &mut Value, target: TamperTarget, how: Absurd) {
    let first = |value: &mut Value, path: &str, field: &str, word: &str| {
        if let Some(row) = value.pointer_mut(path) {
            in_object(row, field, word, how);
        }
    };
    match target {
        TamperTarget::Book | TamperTarget::BookTicker | TamperTarget::BookReply => {
            let book = if target == TamperTarget::BookReply { &mut value["result"] } else { &mut value["data"] };
            if matches!(how, Absurd::Missing | Absurd::UnknownWord | Absurd::ExtraField) {
                return in_object(book, "u", "u", how);
            }
            // The first level there is, bids before asks.
            for side in ["/b/0/0", "/a/0/0"] {
                if let Some(price) = book.pointer_mut(side) {
                    return in_place(price, how);
                }
            }
        }
        TamperTarget::OrderReply if value["result"]["list"].is_array() => first(value, "/result/list/0", "qty", "orderStatus"),
        TamperTarget::OrderReply if value.get("data").is_some() => first(value, "/data", "orderId", "orderId"),
        TamperTarget::OrderReply => first(value, "/result", "orderId", "orderId"),
        TamperTarget::Accounts => first(value, "/result/list/0/coin/0", "walletBalance", "coin"),
        TamperTarget::Orders => first(value, "/data/0", "cumExecQty", "orderStatus"),
        TamperTarget::Fills => first(value, "/data/0", "execQty", "side"),
        TamperTarget::Balances => first(value, "/data/0/coin/0", "walletBalance", "coin"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Tampering;

    fn tampered(text: &str, target: TamperTarget, how: Absurd) -> Value {
        let mut faults = Faults { tampered: vec![Tampering { target, how, count: 1 }], ..Faults::default() };
        let once = frame(text.to_owned(), &mut faults);
        assert_eq!(frame(text.to_owned(), &mut faults), text, "only the next one");
        serde_json::from_str(&once).expect("still JSON")
    }

    #[test]
    fn one_field_of_a_frame_becomes_absurd() {
        let book = r#"{"topic":"orderbook.50.BTCUSDT","data":{"b":[],"a":[["99.5","1"]],"u":7}}"#;
        assert_eq!(tampered(book, TamperTarget::Book, Absurd::Negative)["data"]["a"][0][0], "-1");
        assert_eq!(tampered(book, TamperTarget::Book, Absurd::Missing)["data"].get("u"), None);
        let touch = book.replace(".50.", ".1.");
        assert_eq!(tampered(&touch, TamperTarget::BookTicker, Absurd::Zero)["data"]["a"][0][0], "0");
        let order = r#"{"topic":"order.spot","data":[{"cumExecQty":"1","orderStatus":"New"}]}"#;
        assert_eq!(tampered(order, TamperTarget::Orders, Absurd::UnknownWord)["data"][0]["orderStatus"], "reticulated");
        assert_eq!(tampered(order, TamperTarget::Orders, Absurd::TimesHundred)["data"][0]["cumExecQty"], "100");
        let fill = r#"{"topic":"execution.fast","data":[{"execQty":"1","side":"Buy"}]}"#;
        assert_eq!(tampered(fill, TamperTarget::Fills, Absurd::Null)["data"][0]["execQty"], Value::Null);
        let wallet = r#"{"topic":"wallet","data":[{"coin":[{"coin":"BTC","walletBalance":"1"}]}]}"#;
        assert_eq!(tampered(wallet, TamperTarget::Balances, Absurd::NotANumber)["data"][0]["coin"][0]["walletBalance"], "NaN");
        let reply = r#"{"op":"order.create","retCode":0,"data":{"orderId":"7"}}"#;
        assert_eq!(tampered(reply, TamperTarget::OrderReply, Absurd::Empty)["data"]["orderId"], "");
        let none = r#"{"topic":"publicTrade.BTCUSDT","data":[]}"#;
        let mut faults = Faults::default();
        assert_eq!(frame(none.to_owned(), &mut faults), none);
    }
}
