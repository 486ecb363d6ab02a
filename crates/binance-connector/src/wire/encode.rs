//! What we send on a WebSocket: control messages, each counted against the venue's five a second.

/// Asks for streams, or leaves them.
pub fn subscription(subscribe: bool, streams: &[&str], id: u64) -> String {
    let method = if subscribe { "SUBSCRIBE" } else { "UNSUBSCRIBE" };
    // Through the JSON writer: names of symbols may hold any character.
    serde_json::json!({ "method": method, "params": streams, "id": id }).to_string()
}

/// Asks for the list of streams: answered on any live connection, however quiet its markets are.
pub fn list_subscriptions(id: u64) -> String {
    serde_json::json!({ "method": "LIST_SUBSCRIPTIONS", "id": id }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_messages_are_the_documented_ones() {
        let read = |text: String| serde_json::from_str::<serde_json::Value>(&text).unwrap();
        let expected = serde_json::json!({"method": "SUBSCRIBE", "params": ["btcusdt@depth@100ms"], "id": 3});
        assert_eq!(read(subscription(true, &["btcusdt@depth@100ms"], 3)), expected);
        assert_eq!(read(subscription(false, &["a\"b"], 3))["params"][0], "a\"b");
        assert_eq!(read(list_subscriptions(4)), serde_json::json!({"method": "LIST_SUBSCRIPTIONS", "id": 4}));
    }
}
