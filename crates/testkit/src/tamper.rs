//! What a venue says wrongly, made by rewriting its true bytes: a crossed book (F5), a look-up answered from the past (F30), nonsense
//! (F10, F12), broken replies (F33).

use rust_decimal::Decimal;
use serde_json::{Value, json};

/// The frame with its best bid at its best ask, if it is a frame of a book channel that allows it.
pub fn cross_book(frame: &[u8]) -> Option<Vec<u8>> {
    let mut root: Value = serde_json::from_slice(frame).ok()?;
    if root.get("event")?.as_str()? != "update" {
        return None;
    }
    let (bids, asks) = match root.get("channel")?.as_str()? {
        "spot.order_book" => ("bids", "asks"),
        "spot.order_book_update" | "spot.obu" => ("b", "a"),
        _ => return None,
    };
    let result = root.get_mut("result")?.as_object_mut()?;
    // The last ask: in a change of a book it is the least likely to be deleted or deep inside the bids' side.
    let ask = result.get(asks)?.as_array()?.iter().rfind(|level| level.get(1).and_then(Value::as_str) != Some("0"))?;
    let level = json!([ask.get(0)?.clone(), ask.get(1)?.clone()]);
    result.get_mut(bids)?.as_array_mut()?.insert(0, level);
    serde_json::to_vec(&root).ok()
}

/// The order row as it was just after it was accepted: open, nothing executed.
pub fn age_order(body: &[u8]) -> Option<Vec<u8>> {
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

/// The pair that a frame of a book channel, or of its best levels, is about. Read by looking for the fields, not by decoding: it is asked
/// of every frame, and the venue's texts have no escapes and no such field elsewhere.
pub fn book_pair(frame: &[u8]) -> Option<&str> {
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

/// The text behind the first occurrence of a field, up to its closing quote.
fn text_field<'a>(frame: &'a str, field: &str) -> Option<&'a str> {
    let rest = frame.get(frame.find(field)? + field.len()..)?;
    rest.split_once('"').map(|(text, _)| text)
}

/// Nonsense in the place of the first price (F10), or the shape of another version (F12), in a frame of a public channel.
pub fn odd_frame(frame: &[u8], kind: u64) -> Option<Vec<u8>> {
    let mut root: Value = serde_json::from_slice(frame).ok()?;
    if root.get("event")?.as_str()? != "update" {
        return None;
    }
    let result = root.get_mut("result")?.as_object_mut()?;
    if kind == 0 {
        result.insert("a_new_field".into(), json!({"of": ["another", "version"]}));
        return serde_json::to_vec(&root).ok();
    }
    let side = ["asks", "a", "bids", "b"].into_iter().find(|name| result.get(*name).is_some_and(|v| v.get(0).is_some()))?;
    let price = result.get_mut(side)?.get_mut(0)?.get_mut(0)?;
    *price = match kind {
        1 => json!("NaN"),
        2 => json!("-1"),
        3 => json!("1e309"),
        4 => json!("0.1234567890123456789012345678901234567890"),
        5 => json!(""),
        6 => Value::Null,
        7 => json!(["12"]),
        _ => json!("0"),
    };
    serde_json::to_vec(&root).ok()
}

/// Kinds of [`odd_frame`].
pub const ODD_FRAMES: u64 = 9;

/// What a proxy, a crash or another version make of a reply (F33): status and body.
pub fn bad_body(status: u16, body: &[u8], kind: u64) -> (u16, Vec<u8>) {
    match kind {
        0 => (502, b"<html><body>Bad gateway</body></html>".to_vec()),
        1 => (status, body.get(..body.len() / 2).unwrap_or_default().to_vec()),
        2 => (200, br#"{"label":"INTERNAL","message":"try again"}"#.to_vec()),
        _ => (504, Vec::new()),
    }
}

/// Whether a frame of a private link tells news: not an answer, not a pong.
pub fn is_news(frame: &[u8]) -> bool {
    std::str::from_utf8(frame).is_ok_and(|frame| text_field(frame, "\"event\":\"") == Some("update"))
}

/// The pair in the body of a placement.
pub fn placed_pair(body: &[u8]) -> Option<String> {
    let root: Value = serde_json::from_slice(body).ok()?;
    Some(root.get("currency_pair")?.as_str()?.to_owned())
}

/// Pair, side, price and amount of a placement, in the body of a request or in a frame.
pub fn placement(bytes: &[u8]) -> Option<(String, String, Decimal, Decimal)> {
    let root: Value = serde_json::from_slice(bytes).ok()?;
    let terms = match root.get("channel") {
        Some(channel) if channel.as_str()? == "spot.order_place" => root.get("payload")?.get("req_param")?,
        Some(_) => return None,
        None => &root,
    };
    let text = |name: &str| Some(terms.get(name)?.as_str()?.to_owned());
    Some((text("currency_pair")?, text("side")?, text("price")?.parse().ok()?, text("amount")?.parse().ok()?))
}

/// The client id in the body of a placement.
pub fn placed_text(body: &[u8]) -> Option<String> {
    let root: Value = serde_json::from_slice(body).ok()?;
    Some(root.get("text")?.as_str()?.to_owned())
}

/// The client id in a frame that places an order.
pub fn placed_text_in_frame(frame: &str) -> Option<String> {
    let root: Value = serde_json::from_str(frame).ok()?;
    if root.get("channel")?.as_str()? != "spot.order_place" {
        return None;
    }
    Some(root.get("payload")?.get("req_param")?.get("text")?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_book_frames_are_crossed() {
        let frame = br#"{"channel":"spot.order_book","event":"update","result":{"s":"BTC_USDT","bids":[["9","1"]],"asks":[["10","2"],["11","3"]]}}"#;
        let crossed: Value = serde_json::from_slice(&cross_book(frame).unwrap()).unwrap();
        assert_eq!(crossed["result"]["bids"], json!([["11", "3"], ["9", "1"]]));
        assert_eq!(book_pair(frame), Some("BTC_USDT"));
        let delta =
            br#"{"channel":"spot.order_book_update","event":"update","result":{"s":"X_Y","b":[],"a":[["10","2"],["11","0"]]}}"#;
        let crossed: Value = serde_json::from_slice(&cross_book(delta).unwrap()).unwrap();
        assert_eq!(crossed["result"]["b"], json!([["10", "2"]]));
        assert_eq!(cross_book(br#"{"channel":"spot.orders","event":"update","result":[]}"#), None);
        assert_eq!(cross_book(br#"{"channel":"spot.order_book","event":"subscribe","result":{"status":"success"}}"#), None);
        assert_eq!(book_pair(br#"{"channel":"spot.pong","event":""}"#), None);
    }

    #[test]
    fn an_aged_order_is_open_and_untouched() {
        let aged =
            age_order(br#"{"id":"7","amount":"2","left":"0","status":"closed","finish_as":"filled","avg_deal_price":"3"}"#)
                .unwrap();
        let aged: Value = serde_json::from_slice(&aged).unwrap();
        assert_eq!(
            (aged["status"].as_str(), aged["left"].as_str(), aged["filled_total"].as_str()),
            (Some("open"), Some("2"), Some("0"))
        );
        assert_eq!((aged["id"].as_str(), aged.get("avg_deal_price")), (Some("7"), None));
        assert_eq!(age_order(br#"{"label":"ORDER_NOT_FOUND"}"#), None);
        assert_eq!(placed_text(br#"{"text":"t-abc"}"#).as_deref(), Some("t-abc"));
        let frame = |channel| format!(r#"{{"channel":"{channel}","payload":{{"req_param":{{"text":"t-abc"}}}}}}"#);
        assert_eq!(placed_text_in_frame(&frame("spot.order_place")).as_deref(), Some("t-abc"));
        assert_eq!(placed_text_in_frame(&frame("spot.order_amend")), None);
    }
}
