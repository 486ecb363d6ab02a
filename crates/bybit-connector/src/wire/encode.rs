//! What we send on a WebSocket of public streams.

use serde_json::json;

/// Asks for topics, or leaves them; the answer carries the id.
pub fn subscription(subscribe: bool, topics: &[&str], id: u64) -> String {
    let op = if subscribe { "subscribe" } else { "unsubscribe" };
    // Through the JSON writer: names of symbols may hold any character.
    json!({ "req_id": id.to_string(), "op": op, "args": topics }).to_string()
}

/// Keeps a connection alive; must be answered.
pub fn ping(id: u64) -> String {
    json!({ "req_id": id.to_string(), "op": "ping" }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_messages_are_the_documented_ones() {
        let read = |text: String| serde_json::from_str::<serde_json::Value>(&text).unwrap();
        let expected = json!({"req_id": "3", "op": "subscribe", "args": ["orderbook.50.BTCUSDT"]});
        assert_eq!(read(subscription(true, &["orderbook.50.BTCUSDT"], 3)), expected);
        let left = read(subscription(false, &["a\"b"], 4));
        assert_eq!((&left["op"], &left["args"][0]), (&json!("unsubscribe"), &json!("a\"b")));
        assert_eq!(read(ping(5)), json!({"req_id": "5", "op": "ping"}));
    }
}
