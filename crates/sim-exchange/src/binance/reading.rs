//! How Binance's bytes read on the wire (Binance spot API): placements, book frames, rows of orders.

use serde_json::{Value, json};

use super::rate::BAN_MIN_NS;
use crate::{
    core::AccountTrade,
    reading::{Asked, Crossing, RateWord, Reading, Spends, cross, parameter, retry_after_ns, side_of, text_field},
    world::HttpResponse,
};

/// See the module's docs.
#[derive(Debug)]
pub(super) struct BinanceReading;

/// Weights are counted by the minute (Binance spot API, IP limits).
const WEIGHT_WINDOW_NS: u64 = 60_000_000_000;
const ORDER: &str = "/api/v3/order";

/// The order among these parameters, if it is a limit order.
fn asked<'a>(field: impl Fn(&str) -> Option<&'a str>) -> Option<Asked> {
    Some(Asked {
        pair: field("symbol")?.to_owned(),
        side: side_of(field("side")?)?,
        price: field("price")?.parse().ok()?,
        amount: field("quantity")?.parse().ok()?,
        client_id: field("newClientOrderId").unwrap_or_default().to_owned(),
    })
}

/// What stands in a frame beneath its wrapping, which names the stream or the subscription.
fn inner(root: &mut Value) -> &mut Value {
    let wrapping = ["data", "event"].into_iter().find(|name| root.get(name).is_some_and(Value::is_object));
    match wrapping {
        Some(name) => &mut root[name],
        None => root,
    }
}

/// The names of both sides in a frame of a book: of its changes, or of its best levels.
fn sides(book: &Value) -> Option<(&'static str, &'static str)> {
    if book.get("e").and_then(Value::as_str) == Some("depthUpdate") {
        return Some(("b", "a"));
    }
    book.get("lastUpdateId").map(|_| ("bids", "asks"))
}

impl Reading for BinanceReading {
    fn placement(&self, request: &Crossing<'_>) -> Option<Asked> {
        if request.method != "POST" || request.path != ORDER {
            return None;
        }
        let body = std::str::from_utf8(request.body).ok()?;
        asked(|name| parameter(request.query, name).or_else(|| parameter(body, name)))
    }

    fn placement_in_frame(&self, frame: &[u8]) -> Option<Asked> {
        let root: Value = serde_json::from_slice(frame).ok()?;
        if root.get("method")?.as_str()? != "order.place" {
            return None;
        }
        let params = root.get("params")?;
        asked(|name| params.get(name)?.as_str())
    }

    fn spends(&self, request: &Crossing<'_>, signed: bool) -> Option<Spends> {
        let path = request.path.strip_prefix("/api/v3/")?;
        Some(match (request.method, path) {
            ("POST", "order") => {
                let body = std::str::from_utf8(request.body).ok()?;
                let symbol = parameter(request.query, "symbol").or_else(|| parameter(body, "symbol"))?;
                Spends::Placements(symbol.to_owned())
            }
            ("DELETE", "order" | "openOrders") => Spends::Cancels,
            ("GET", "depth") => Spends::Books,
            ("GET", read) if signed => Spends::Reads(read.to_owned()),
            _ => return None,
        })
    }

    fn asked_book<'a>(&self, path: &str, query: &'a str) -> Option<&'a str> {
        parameter(query, "symbol").filter(|_| path == "/api/v3/depth")
    }

    fn rate_word(&self, response: &HttpResponse) -> RateWord {
        match response.status {
            // Without a word of when it ends, it is over with the window of weights.
            429 => {
                let for_ns = Some(retry_after_ns(response).unwrap_or(WEIGHT_WINDOW_NS));
                RateWord::Refused { until_ns: None, told_ns: None, for_ns }
            }
            // Without a word of when it ends, the shortest ban there is: two minutes (Binance spot API, IP limits).
            418 => RateWord::Banned { for_ns: Some(retry_after_ns(response).unwrap_or(BAN_MIN_NS)) },
            403 => RateWord::Banned { for_ns: retry_after_ns(response) },
            _ => RateWord::None,
        }
    }

    fn refuses_order(&self, path: &str, response: &HttpResponse) -> bool {
        response.status == 400 && path == ORDER
    }

    fn key_header(&self) -> &'static str {
        "x-mbx-apikey"
    }

    /// Of partial books nothing can be told: they name no symbol but in their stream's name, in lower case.
    fn book_pair<'a>(&self, frame: &'a [u8]) -> Option<&'a str> {
        let frame = std::str::from_utf8(frame).ok()?;
        let is_top = || frame.contains("\"u\":") && frame.contains("\"B\":\"") && !frame.contains("\"e\":");
        if text_field(frame, "\"e\":\"") != Some("depthUpdate") && !is_top() {
            return None;
        }
        text_field(frame, "\"s\":\"")
    }

    fn is_news(&self, frame: &[u8]) -> bool {
        std::str::from_utf8(frame).is_ok_and(|frame| frame.contains("\"event\":{") && frame.contains("\"subscriptionId\":"))
    }

    fn cross_book(&self, frame: &[u8]) -> Option<Vec<u8>> {
        let mut root: Value = serde_json::from_slice(frame).ok()?;
        let book = inner(&mut root);
        let (bids, asks) = sides(book)?;
        let is_gone = |amount: &Value| amount.as_str().is_some_and(|text| text.bytes().all(|byte| byte == b'0' || byte == b'.'));
        cross(book, bids, asks, is_gone)?;
        serde_json::to_vec(&root).ok()
    }

    fn levels_of<'a>(&self, frame: &'a mut Value) -> Option<&'a mut Value> {
        let book = inner(frame);
        sides(book)?;
        Some(book)
    }

    /// They are counted for each symbol.
    fn trade_id(&self, trade: &AccountTrade) -> u64 {
        trade.sequence_id
    }

    fn looks_up(&self, request: &Crossing<'_>) -> bool {
        request.method == "GET" && request.path == ORDER
    }

    fn error_inside(&self) -> &'static [u8] {
        br#"{"code":-1001,"msg":"Internal error; unable to process your request. Please try again."}"#
    }

    fn age_order(&self, body: &[u8]) -> Option<Vec<u8>> {
        let mut root: Value = serde_json::from_slice(body).ok()?;
        let order = root.as_object_mut().filter(|order| order.contains_key("executedQty"))?;
        order.insert("status".into(), json!("NEW"));
        for zero in ["executedQty", "cummulativeQuoteQty"] {
            order.insert(zero.into(), json!("0.00000000"));
        }
        if order.contains_key("fills") {
            order.insert("fills".into(), json!([]));
        }
        serde_json::to_vec(&root).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Side;

    #[test]
    fn placements_are_read_on_both_ways() {
        let form = "symbol=BTCUSDT&side=SELL&type=LIMIT&price=2.5&quantity=3&newClientOrderId=abc&signature=x";
        let request = Crossing { method: "POST", path: ORDER, query: "", body: form.as_bytes() };
        let placed = BinanceReading.placement(&request).expect("an order");
        assert_eq!((placed.pair.as_str(), placed.side, placed.client_id.as_str()), ("BTCUSDT", Side::Sell, "abc"));
        assert_eq!(BinanceReading.placement(&Crossing { query: form, body: b"", ..request }).as_ref(), Some(&placed));
        assert_eq!(BinanceReading.placement(&Crossing { method: "DELETE", ..request }), None);
        assert_eq!(BinanceReading.spends(&request, true), Some(Spends::Placements("BTCUSDT".into())));
        assert!(BinanceReading.looks_up(&Crossing { method: "GET", ..request }) && !BinanceReading.looks_up(&request));
        let frame = |method| {
            json!({"method": method, "params": {"symbol": "BTCUSDT", "side": "SELL", "price": "2.5", "quantity": "3", "newClientOrderId": "abc"}})
                .to_string()
        };
        assert_eq!(BinanceReading.placement_in_frame(frame("order.place").as_bytes()), Some(placed));
        assert_eq!(BinanceReading.placement_in_frame(frame("order.test").as_bytes()), None);
    }

    #[test]
    fn a_ban_lasts_as_long_as_it_says_or_as_is_documented() {
        let answer = |status, headers| HttpResponse { status, headers, body: Vec::new() };
        let told = vec![("Retry-After".to_owned(), "7".to_owned())];
        let lasts = |for_s: u64| RateWord::Banned { for_ns: Some(for_s * 1_000_000_000) };
        assert_eq!(BinanceReading.rate_word(&answer(418, told.clone())), lasts(7));
        assert_eq!(BinanceReading.rate_word(&answer(418, Vec::new())), lasts(120));
        assert_eq!(BinanceReading.rate_word(&answer(403, Vec::new())), RateWord::Banned { for_ns: None }, "a firewall's");
        let refused = |for_s: u64| RateWord::Refused { until_ns: None, told_ns: None, for_ns: Some(for_s * 1_000_000_000) };
        assert_eq!(BinanceReading.rate_word(&answer(429, told)), refused(7));
        assert_eq!(BinanceReading.rate_word(&answer(429, Vec::new())), refused(60));
        assert_eq!(BinanceReading.rate_word(&answer(200, Vec::new())), RateWord::None);
    }

    #[test]
    fn book_frames_are_known_and_crossed() {
        let delta = br#"{"stream":"x","data":{"e":"depthUpdate","s":"XUSDT","b":[],"a":[["10","2"],["11","0.0"]]}}"#;
        assert_eq!(BinanceReading.book_pair(delta), Some("XUSDT"));
        let crossed: Value = serde_json::from_slice(&BinanceReading.cross_book(delta).expect("a book")).expect("JSON");
        assert_eq!(crossed["data"]["b"], json!([["10", "2"]]));
        let top = br#"{"u":1,"s":"XUSDT","b":"9","B":"1","a":"10","A":"2"}"#;
        assert_eq!((BinanceReading.book_pair(top), BinanceReading.cross_book(top)), (Some("XUSDT"), None));
        let news = br#"{"subscriptionId":0,"event":{"e":"executionReport","s":"XUSDT"}}"#;
        assert!(BinanceReading.is_news(news) && !BinanceReading.is_news(delta));
        assert_eq!((BinanceReading.book_pair(news), BinanceReading.cross_book(news)), (None, None));
    }

    #[test]
    fn an_aged_order_is_new_and_untouched() {
        let row = br#"{"orderId":7,"executedQty":"2","cummulativeQuoteQty":"5","status":"FILLED","fills":[{"qty":"2"}]}"#;
        let aged: Value = serde_json::from_slice(&BinanceReading.age_order(row).expect("an order")).expect("JSON");
        assert_eq!((&aged["status"], &aged["executedQty"], &aged["fills"]), (&json!("NEW"), &json!("0.00000000"), &json!([])));
        assert_eq!(BinanceReading.age_order(br#"{"code":-2013,"msg":"Order does not exist."}"#), None);
    }
}
