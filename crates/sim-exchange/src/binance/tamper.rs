//! Words that leave the venue wrong: one absurd field of a frame or a body.

use serde_json::Value;

use super::endpoints::Endpoint;
use crate::faults::{
    Absurd, Faults, TamperTarget,
    tamper::{in_object, in_place, next_of},
};

/// A frame as the faults leave it.
pub(super) fn frame(text: String, faults: &mut Faults) -> String {
    if faults.tampered.is_empty() {
        return text;
    }
    let Ok(mut value) = serde_json::from_str::<Value>(&text) else { return text };
    // What is wrapped stands under its wrapping.
    let inner = match ["data", "event", "result"].into_iter().find(|name| value.get(name).is_some_and(Value::is_object)) {
        Some(name) => &mut value[name],
        None => &mut value,
    };
    if let Some(target) = target_of(inner)
        && let Some(how) = next_of(faults, target)
    {
        change(inner, target, how);
    }
    value.to_string()
}

/// A body as the faults leave it.
pub(super) fn reply(endpoint: Endpoint, body: Vec<u8>, faults: &mut Faults) -> Vec<u8> {
    let target = match endpoint {
        Endpoint::Depth => TamperTarget::BookReply,
        Endpoint::Account => TamperTarget::Accounts,
        endpoint if endpoint.is_one_order() => TamperTarget::OrderReply,
        _ => return body,
    };
    if !faults.tampered.iter().any(|tampering| tampering.target == target) {
        return body;
    }
    let Ok(mut value) = serde_json::from_slice::<Value>(&body) else { return body };
    if let Some(how) = next_of(faults, target) {
        change(&mut value, target, how);
    }
    value.to_string().into_bytes()
}

fn target_of(value: &Value) -> Option<TamperTarget> {
    match value.get("e").and_then(Value::as_str) {
        Some("depthUpdate") => Some(TamperTarget::Book),
        Some("executionReport") if value["x"] == "TRADE" => Some(TamperTarget::Fills),
        Some("executionReport") => Some(TamperTarget::Orders),
        Some("outboundAccountPosition") => Some(TamperTarget::Balances),
        Some(_) => None,
        None if value.get("lastUpdateId").is_some() => Some(TamperTarget::Book),
        None if value.get("B").is_some() && value.get("u").is_some() => Some(TamperTarget::BookTicker),
        None if value.get("executedQty").is_some() => Some(TamperTarget::OrderReply),
        None => None,
    }
}

/// Changes the field that this target is known by.
fn change(value: &mut Value, target: TamperTarget, how: Absurd) {
    match target {
        TamperTarget::Book | TamperTarget::BookReply => {
            if matches!(how, Absurd::Missing | Absurd::UnknownWord | Absurd::ExtraField) {
                let id = if value.get("u").is_some() { "u" } else { "lastUpdateId" };
                return in_object(value, id, id, how);
            }
            // The first level there is, bids before asks.
            for side in ["bids", "b", "asks", "a"] {
                if let Some(price) = value.get_mut(side).and_then(|levels| levels.get_mut(0)).and_then(|level| level.get_mut(0)) {
                    return in_place(price, how);
                }
            }
        }
        TamperTarget::BookTicker => in_object(value, "b", "u", how),
        TamperTarget::Orders => in_object(value, "z", "X", how),
        TamperTarget::Fills => in_object(value, "l", "X", how),
        TamperTarget::OrderReply => in_object(value, "executedQty", "status", how),
        TamperTarget::Balances => {
            if let Some(row) = value.get_mut("B").and_then(|rows| rows.get_mut(0)) {
                in_object(row, "f", "a", how);
            }
        }
        TamperTarget::Accounts => {
            if let Some(row) = value.get_mut("balances").and_then(|rows| rows.get_mut(0)) {
                in_object(row, "free", "asset", how);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::faults::Tampering;

    #[test]
    fn each_target_is_known_by_its_words() {
        let frames = [
            (json!({"e": "depthUpdate", "u": 1, "b": [["1", "2"]], "a": []}), TamperTarget::Book),
            (
                json!({"stream": "s", "data": {"u": 1, "s": "A", "b": "1", "B": "2", "a": "1", "A": "2"}}),
                TamperTarget::BookTicker,
            ),
            (
                json!({"subscriptionId": 0, "event": {"e": "executionReport", "x": "TRADE", "l": "1", "X": "FILLED"}}),
                TamperTarget::Fills,
            ),
            (
                json!({"subscriptionId": 0, "event": {"e": "executionReport", "x": "NEW", "z": "1", "X": "NEW"}}),
                TamperTarget::Orders,
            ),
            (json!({"event": {"e": "outboundAccountPosition", "B": [{"a": "A", "f": "1", "l": "0"}]}}), TamperTarget::Balances),
            (json!({"id": 1, "result": {"executedQty": "1", "status": "NEW"}}), TamperTarget::OrderReply),
        ];
        for (value, target) in frames {
            let mut faults =
                Faults { tampered: vec![Tampering { target, how: Absurd::Negative, count: 1 }], ..Faults::default() };
            let text = value.to_string();
            let changed = frame(text.clone(), &mut faults);
            assert!(changed.contains("\"-1\"") && faults.tampered.is_empty(), "{target:?}: {changed}");
            assert_eq!(frame(text.clone(), &mut faults), text);
        }
        let mut faults = Faults::default();
        faults.tampered.push(Tampering { target: TamperTarget::BookReply, how: Absurd::Null, count: 1 });
        let body = br#"{"lastUpdateId":1,"bids":[],"asks":[["1","2"]]}"#.to_vec();
        assert_eq!(reply(Endpoint::Time, body.clone(), &mut faults), body);
        assert!(String::from_utf8_lossy(&reply(Endpoint::Depth, body, &mut faults)).contains("null"));
    }
}
