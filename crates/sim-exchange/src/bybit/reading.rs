//! How Bybit's bytes read on the wire (Bybit API v5): placements, book frames, lists with one order.

use serde_json::{Value, json};

use crate::{
    reading::{Asked, Crossing, RateWord, Reading, Spends, cross, parameter, side_of, text_field},
    world::HttpResponse,
};

/// See the module's docs.
#[derive(Debug)]
pub(super) struct BybitReading;

/// The limit order in the fields of a placement.
fn asked(terms: &Value) -> Option<Asked> {
    let text = |name: &str| terms.get(name)?.as_str();
    Some(Asked {
        pair: text("symbol")?.to_owned(),
        side: side_of(text("side")?)?,
        price: text("price")?.parse().ok()?,
        amount: text("qty")?.parse().ok()?,
        client_id: text("orderLinkId").unwrap_or_default().to_owned(),
    })
}

/// The envelope of an answer.
fn envelope(response: &HttpResponse) -> Option<Value> {
    serde_json::from_slice(&response.body).ok()
}

/// The code of an answer, which comes with status 200 whatever it says.
fn code(response: &HttpResponse) -> Option<i64> {
    envelope(response)?.get("retCode")?.as_i64()
}

/// "403, access too frequent": the address is shut out for ten minutes (Bybit API v5, rate limit rules).
const SHUT_OUT_NS: u64 = 600_000_000_000;
/// "Too many visits!"
const TOO_MANY_VISITS: i64 = 10006;

impl Reading for BybitReading {
    fn placement(&self, request: &Crossing<'_>) -> Option<Asked> {
        let places = request.method == "POST" && request.path == "/v5/order/create";
        asked(&serde_json::from_slice(request.body).ok().filter(|_| places)?)
    }

    fn placement_in_frame(&self, frame: &[u8]) -> Option<Asked> {
        let root: Value = serde_json::from_slice(frame).ok()?;
        if root.get("op")?.as_str()? != "order.create" {
            return None;
        }
        asked(root.get("args")?.get(0)?)
    }

    fn spends(&self, request: &Crossing<'_>, signed: bool) -> Option<Spends> {
        Some(match (request.method, request.path) {
            // Counted for the account, whatever the pair.
            ("POST", "/v5/order/create") => Spends::Placements(String::new()),
            ("POST", "/v5/order/cancel" | "/v5/order/cancel-all") => Spends::Cancels,
            ("GET", "/v5/market/orderbook") => Spends::Books,
            ("GET", path) if signed => Spends::Reads(path.to_owned()),
            _ => return None,
        })
    }

    fn asked_book<'a>(&self, path: &str, query: &'a str) -> Option<&'a str> {
        parameter(query, "symbol").filter(|_| path == "/v5/market/orderbook")
    }

    fn rate_word(&self, response: &HttpResponse) -> RateWord {
        if response.status == 403 {
            return RateWord::Banned { for_ns: Some(SHUT_OUT_NS) };
        }
        let Some(envelope) = envelope(response).filter(|root| root["retCode"] == TOO_MANY_VISITS) else { return RateWord::None };
        let reset = response.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-bapi-limit-reset-timestamp"));
        let ns = |ms: u64| ms.saturating_mul(1_000_000);
        let until_ns = reset.and_then(|(_, value)| value.parse().ok()).map(ns);
        RateWord::Refused { until_ns, told_ns: envelope["time"].as_u64().map(ns), for_ns: None }
    }

    fn refuses_order(&self, path: &str, response: &HttpResponse) -> bool {
        path == "/v5/order/create" && code(response).is_some_and(|code| code >= 170_000)
    }

    fn key_header(&self) -> &'static str {
        "x-bapi-api-key"
    }

    fn book_pair<'a>(&self, frame: &'a [u8]) -> Option<&'a str> {
        let frame = std::str::from_utf8(frame).ok()?;
        // `orderbook.50.BTCUSDT`.
        text_field(frame, "\"topic\":\"orderbook.")?.split_once('.').map(|(_, symbol)| symbol)
    }

    fn is_news(&self, frame: &[u8]) -> bool {
        std::str::from_utf8(frame).is_ok_and(|frame| frame.contains("\"topic\":\"") && frame.contains("\"data\":"))
    }

    fn cross_book(&self, frame: &[u8]) -> Option<Vec<u8>> {
        let mut root: Value = serde_json::from_slice(frame).ok()?;
        root.get("topic")?.as_str()?.strip_prefix("orderbook.")?;
        cross(root.get_mut("data")?, "b", "a", |amount| amount.as_str() == Some("0"))?;
        serde_json::to_vec(&root).ok()
    }

    fn levels_of<'a>(&self, frame: &'a mut Value) -> Option<&'a mut Value> {
        frame.get("topic")?.as_str()?.strip_prefix("orderbook.")?;
        frame.get_mut("data").filter(|data| data.is_object())
    }

    /// Streams bring their own books: nobody asks for a copy, so none can be old (F2).
    fn knows_fault(&self, number: u8) -> bool {
        number != 2
    }

    fn looks_up(&self, request: &Crossing<'_>) -> bool {
        let lists = matches!(request.path, "/v5/order/realtime" | "/v5/order/history");
        let names_one = ["orderLinkId", "orderId"].iter().any(|name| parameter(request.query, name).is_some());
        request.method == "GET" && lists && names_one
    }

    fn error_inside(&self) -> &'static [u8] {
        br#"{"retCode":10016,"retMsg":"Internal system error","result":{},"retExtInfo":{},"time":0}"#
    }

    fn age_order(&self, body: &[u8]) -> Option<Vec<u8>> {
        let mut root: Value = serde_json::from_slice(body).ok()?;
        let rows = root.get_mut("result")?.get_mut("list")?.as_array_mut()?;
        let [row] = rows.as_mut_slice() else { return None };
        let order = row.as_object_mut().filter(|order| order.contains_key("cumExecQty"))?;
        let amount = order.get("qty")?.clone();
        order.insert("orderStatus".into(), json!("New"));
        order.insert("leavesQty".into(), amount);
        for zero in ["cumExecQty", "cumExecValue", "cumExecFee"] {
            order.insert(zero.into(), json!("0"));
        }
        order.insert("avgPrice".into(), json!(""));
        serde_json::to_vec(&root).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Side;

    #[test]
    fn placements_are_read_on_both_ways() {
        let terms = r#"{"category":"spot","symbol":"XUSDT","side":"Sell","price":"2.5","qty":"3","orderLinkId":"abc"}"#;
        let request = Crossing { method: "POST", path: "/v5/order/create", query: "", body: terms.as_bytes() };
        let placed = BybitReading.placement(&request).expect("an order");
        assert_eq!((placed.pair.as_str(), placed.side, placed.client_id.as_str()), ("XUSDT", Side::Sell, "abc"));
        assert_eq!(BybitReading.placement(&Crossing { path: "/v5/order/amend", ..request }), None);
        let of_one = Crossing { method: "GET", path: "/v5/order/realtime", query: "category=spot&orderLinkId=abc", body: b"" };
        assert!(
            BybitReading.looks_up(&of_one) && !BybitReading.looks_up(&Crossing { query: "category=spot&openOnly=0", ..of_one })
        );
        let frame = |op| format!(r#"{{"reqId":"1","op":"{op}","args":[{terms}]}}"#);
        assert_eq!(BybitReading.placement_in_frame(frame("order.create").as_bytes()), Some(placed));
        assert_eq!(BybitReading.placement_in_frame(frame("order.cancel").as_bytes()), None);
    }

    #[test]
    fn book_frames_are_known_and_crossed() {
        let frame = br#"{"topic":"orderbook.50.XUSDT","type":"delta","ts":1,"data":{"s":"XUSDT","b":[["9","1"]],"a":[["10","2"],["11","0"]],"u":2}}"#;
        assert_eq!(BybitReading.book_pair(frame), Some("XUSDT"));
        let crossed: Value = serde_json::from_slice(&BybitReading.cross_book(frame).expect("a book")).expect("JSON");
        assert_eq!(crossed["data"]["b"], json!([["10", "2"], ["9", "1"]]));
        let news = br#"{"topic":"order","data":[{"symbol":"XUSDT"}]}"#;
        assert!(BybitReading.is_news(news) && !BybitReading.is_news(br#"{"op":"pong"}"#));
        assert_eq!((BybitReading.book_pair(news), BybitReading.cross_book(news)), (None, None));
    }

    #[test]
    fn an_aged_order_is_new_and_refusals_for_the_rate_are_told_in_the_body() {
        let list = br#"{"retCode":0,"result":{"list":[{"orderId":"7","qty":"2","cumExecQty":"2","leavesQty":"0","orderStatus":"Filled"}]}}"#;
        let aged: Value = serde_json::from_slice(&BybitReading.age_order(list).expect("an order")).expect("JSON");
        let row = &aged["result"]["list"][0];
        assert_eq!((&row["orderStatus"], &row["leavesQty"], &row["cumExecQty"]), (&json!("New"), &json!("2"), &json!("0")));
        assert_eq!(BybitReading.age_order(br#"{"retCode":0,"result":{"list":[]}}"#), None);
        let headers = vec![("X-Bapi-Limit-Reset-Timestamp".to_owned(), "5".to_owned())];
        let refused = HttpResponse { status: 200, headers, body: br#"{"retCode":10006,"time":4}"#.to_vec() };
        let word = RateWord::Refused { until_ns: Some(5_000_000), told_ns: Some(4_000_000), for_ns: None };
        assert_eq!(BybitReading.rate_word(&refused), word);
        assert_eq!(BybitReading.rate_word(&HttpResponse { body: br#"{"retCode":0}"#.to_vec(), ..refused }), RateWord::None);
    }
}
