//! How Gate's bytes read on the wire (Gate API v4): placements, book frames, rows of orders.

use serde_json::{Value, json};

use crate::{
    reading::{Asked, Crossing, RateWord, Reading, Spends, cross, parameter, retry_after_ns, side_of, text_field},
    world::HttpResponse,
};

/// See the module's docs.
#[derive(Debug)]
pub(super) struct GateReading;

/// The order in the fields of a placement.
fn asked(terms: &Value) -> Option<Asked> {
    let text = |name: &str| terms.get(name)?.as_str();
    let id = text("text").unwrap_or_default();
    Some(Asked {
        pair: text("currency_pair")?.to_owned(),
        side: side_of(text("side")?)?,
        price: text("price")?.parse().ok()?,
        amount: text("amount")?.parse().ok()?,
        client_id: id.strip_prefix("t-").unwrap_or(id).to_owned(),
    })
}

fn is_orders(path: &str) -> bool {
    path.ends_with("/spot/orders") || path.contains("/spot/orders/")
}

impl Reading for GateReading {
    fn placement(&self, request: &Crossing<'_>) -> Option<Asked> {
        let places = request.method == "POST" && request.path.ends_with("/spot/orders");
        asked(&serde_json::from_slice(request.body).ok().filter(|_| places)?)
    }

    fn placement_in_frame(&self, frame: &[u8]) -> Option<Asked> {
        let root: Value = serde_json::from_slice(frame).ok()?;
        if root.get("channel")?.as_str()? != "spot.order_place" {
            return None;
        }
        asked(root.get("payload")?.get("req_param")?)
    }

    fn spends(&self, request: &Crossing<'_>, signed: bool) -> Option<Spends> {
        let orders = is_orders(request.path);
        Some(match request.method {
            "POST" if orders => {
                let root: Value = serde_json::from_slice(request.body).ok()?;
                Spends::Placements(root.get("currency_pair")?.as_str()?.to_owned())
            }
            "DELETE" if orders => Spends::Cancels,
            "GET" if request.path.ends_with("/spot/order_book") => Spends::Books,
            "GET" if signed => Spends::Reads(if orders { "orders".to_owned() } else { request.path.to_owned() }),
            _ => return None,
        })
    }

    fn asked_book<'a>(&self, path: &str, query: &'a str) -> Option<&'a str> {
        parameter(query, "currency_pair").filter(|_| path.ends_with("/spot/order_book"))
    }

    fn rate_word(&self, response: &HttpResponse) -> RateWord {
        if response.status == 418 || response.status == 403 && response.body.windows(3).any(|part| part == b"BAN") {
            return RateWord::Banned { for_ns: retry_after_ns(response) };
        }
        if response.status != 429 {
            return RateWord::None;
        }
        let number = |wanted: &str, ns: u64| {
            let value = response.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value);
            value.and_then(|value| value.parse::<u64>().ok()).map(|number| number.saturating_mul(ns))
        };
        let until_ns = number("x-gate-ratelimit-reset-timestamp", 1_000_000_000);
        let told_ns = number("x-out-time", 1_000);
        RateWord::Refused { until_ns, told_ns, for_ns: None }
    }

    fn refuses_order(&self, path: &str, response: &HttpResponse) -> bool {
        response.status == 400 && path.ends_with("/spot/orders")
    }

    fn key_header(&self) -> &'static str {
        "key"
    }

    fn book_pair<'a>(&self, frame: &'a [u8]) -> Option<&'a str> {
        let frame = std::str::from_utf8(frame).ok()?;
        let channel = text_field(frame, "\"channel\":\"")?;
        let known = channel.starts_with("spot.order_book") || matches!(channel, "spot.obu" | "spot.book_ticker");
        if !known || text_field(frame, "\"event\":\"")? != "update" {
            return None;
        }
        let name = text_field(frame, "\"s\":\"")?;
        // `spot.obu` names the stream: `ob.BTC_USDT.50`.
        Some(name.strip_prefix("ob.").and_then(|rest| rest.rsplit_once('.')).map_or(name, |(pair, _)| pair))
    }

    fn is_news(&self, frame: &[u8]) -> bool {
        std::str::from_utf8(frame).is_ok_and(|frame| text_field(frame, "\"event\":\"") == Some("update"))
    }

    fn cross_book(&self, frame: &[u8]) -> Option<Vec<u8>> {
        let mut root: Value = serde_json::from_slice(frame).ok()?;
        if root.get("event")?.as_str()? != "update" {
            return None;
        }
        let (bids, asks) = match root.get("channel")?.as_str()? {
            "spot.order_book" => ("bids", "asks"),
            "spot.order_book_update" | "spot.obu" => ("b", "a"),
            _ => return None,
        };
        cross(root.get_mut("result")?, bids, asks, |amount| amount.as_str() == Some("0"))?;
        serde_json::to_vec(&root).ok()
    }

    fn levels_of<'a>(&self, frame: &'a mut Value) -> Option<&'a mut Value> {
        if frame.get("event")?.as_str()? != "update" {
            return None;
        }
        frame.get_mut("result").filter(|result| result.is_object())
    }

    fn looks_up(&self, request: &Crossing<'_>) -> bool {
        request.method == "GET" && request.path.contains("/spot/orders/")
    }

    fn error_inside(&self) -> &'static [u8] {
        br#"{"label":"INTERNAL","message":"try again"}"#
    }

    fn age_order(&self, body: &[u8]) -> Option<Vec<u8>> {
        let mut root: Value = serde_json::from_slice(body).ok()?;
        let order = root.as_object_mut()?;
        let amount = order.get("amount")?.clone();
        order.insert("status".into(), json!("open"));
        order.insert("finish_as".into(), json!("open"));
        order.insert("left".into(), amount);
        for zero in ["filled_amount", "filled_total", "fill_price", "fee"] {
            order.insert(zero.into(), json!("0"));
        }
        order.remove("avg_deal_price");
        serde_json::to_vec(&root).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_book_frames_are_crossed() {
        let gate = GateReading;
        let frame = br#"{"channel":"spot.order_book","event":"update","result":{"s":"BTC_USDT","bids":[["9","1"]],"asks":[["10","2"],["11","3"]]}}"#;
        let crossed: Value = serde_json::from_slice(&gate.cross_book(frame).unwrap()).unwrap();
        assert_eq!(crossed["result"]["bids"], json!([["11", "3"], ["9", "1"]]));
        assert_eq!(gate.book_pair(frame), Some("BTC_USDT"));
        let delta =
            br#"{"channel":"spot.order_book_update","event":"update","result":{"s":"X_Y","b":[],"a":[["10","2"],["11","0"]]}}"#;
        let crossed: Value = serde_json::from_slice(&gate.cross_book(delta).unwrap()).unwrap();
        assert_eq!(crossed["result"]["b"], json!([["10", "2"]]));
        assert_eq!(gate.cross_book(br#"{"channel":"spot.orders","event":"update","result":[]}"#), None);
        assert_eq!(gate.cross_book(br#"{"channel":"spot.order_book","event":"subscribe","result":{"status":"success"}}"#), None);
        assert_eq!(gate.book_pair(br#"{"channel":"spot.pong","event":""}"#), None);
    }

    #[test]
    fn an_aged_order_is_open_and_untouched() {
        let row = br#"{"id":"7","amount":"2","left":"0","status":"closed","finish_as":"filled","avg_deal_price":"3"}"#;
        let aged: Value = serde_json::from_slice(&GateReading.age_order(row).unwrap()).unwrap();
        let text = |name: &str| aged[name].as_str();
        assert_eq!((text("status"), text("left"), text("filled_total")), (Some("open"), Some("2"), Some("0")));
        assert_eq!((text("id"), aged.get("avg_deal_price")), (Some("7"), None));
        assert_eq!(GateReading.age_order(br#"{"label":"ORDER_NOT_FOUND"}"#), None);
    }

    #[test]
    fn placements_are_read_on_both_ways() {
        let terms = r#"{"text":"t-abc","currency_pair":"A_B","side":"sell","price":"2.5","amount":"3"}"#;
        let request = Crossing { method: "POST", path: "/api/v4/spot/orders", query: "", body: terms.as_bytes() };
        let placed = GateReading.placement(&request).unwrap();
        assert_eq!((placed.pair.as_str(), placed.side, placed.client_id.as_str()), ("A_B", crate::core::Side::Sell, "abc"));
        assert_eq!(GateReading.placement(&Crossing { method: "PATCH", ..request }), None);
        assert_eq!(GateReading.spends(&request, true), Some(Spends::Placements("A_B".into())));
        let frame = |channel| format!(r#"{{"channel":"{channel}","payload":{{"req_param":{terms}}}}}"#);
        assert_eq!(GateReading.placement_in_frame(frame("spot.order_place").as_bytes()), Some(placed));
        assert_eq!(GateReading.placement_in_frame(frame("spot.order_amend").as_bytes()), None);
    }
}
