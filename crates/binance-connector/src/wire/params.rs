//! Parameters of a request, as Binance takes them on its two ways: percent-encoded in a query or form, or as an object of JSON. Both are
//! signed as text (Binance spot API, request security).

use crate::sign::Signer;
use serde_json::{Map, Value, json};

/// A value: text, or a whole number, which JSON carries without quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Param {
    Text(String),
    Number(i64),
}

impl Param {
    fn text(&self) -> String {
        match self {
            Param::Text(text) => text.clone(),
            Param::Number(number) => number.to_string(),
        }
    }
}

/// Named parameters, in the order in which they were added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(&'static str, Param)>);

impl Params {
    /// None.
    pub const fn new() -> Params {
        Params(Vec::new())
    }

    /// With this text.
    #[must_use]
    pub fn with(mut self, name: &'static str, text: impl Into<String>) -> Params {
        self.0.push((name, Param::Text(text.into())));
        self
    }

    /// With this number.
    #[must_use]
    pub fn with_number(mut self, name: &'static str, number: i64) -> Params {
        self.0.push((name, Param::Number(number)));
        self
    }

    /// As a query or form.
    pub fn query(&self) -> String {
        let parts: Vec<String> =
            self.0.iter().map(|(name, value)| format!("{name}={}", percent_encoded(&value.text()))).collect();
        parts.join("&")
    }

    /// What is signed on the WebSocket API: sorted by name, raw.
    fn payload(&self) -> String {
        let mut parts: Vec<(&str, String)> = self.0.iter().map(|(name, value)| (*name, value.text())).collect();
        parts.sort_unstable();
        let parts: Vec<String> = parts.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        parts.join("&")
    }

    /// As an object.
    pub fn object(&self) -> Map<String, Value> {
        let value = |value: &Param| match value {
            Param::Text(text) => json!(text),
            Param::Number(number) => json!(number),
        };
        self.0.iter().map(|(name, one)| ((*name).to_string(), value(one))).collect()
    }

    /// As an object with key and signature.
    pub fn signed_object(self, signer: &Signer) -> Map<String, Value> {
        let keyed = self.with("apiKey", signer.key());
        let signature = signer.sign(&keyed.payload());
        let mut object = keyed.object();
        object.insert("signature".into(), json!(signature));
        object
    }
}

/// A value in a query or form: Binance has names beyond ASCII.
pub fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;

    fn place() -> Params {
        Params::new()
            .with("symbol", "BTCUSDT")
            .with("side", "BUY")
            .with("type", "LIMIT")
            .with("timeInForce", "IOC")
            .with("quantity", "0.001")
            .with("price", "35000.10")
            .with("newClientOrderId", "arb-1")
            .with_number("recvWindow", 5000)
            .with_number("timestamp", 1_700_000_000_123)
    }

    #[test]
    fn on_the_websocket_api_the_sorted_parameters_with_the_key_are_signed() {
        let signer =
            Signer::new(SecretString::from("testApiKey0123456789"), &SecretString::from("testSecretABCDEF0123456789abcdef"))
                .unwrap();
        let object = place().signed_object(&signer);
        assert_eq!(object["signature"], "b4169aee6e1a52d6732963d9d4e98783ae37f352e9e33aed825c62da26d01f21");
        assert_eq!(
            (object["apiKey"].as_str(), object["timestamp"].as_i64()),
            (Some("testApiKey0123456789"), Some(1_700_000_000_123))
        );
        assert_eq!(object["price"], "35000.10");
    }

    #[test]
    fn queries_keep_their_order_and_escape_what_is_not_plain() {
        assert!(place().query().starts_with("symbol=BTCUSDT&side=BUY&type=LIMIT"));
        let odd = Params::new().with("symbol", "币安USDT").with("x", "a+b/c=");
        assert_eq!(odd.query(), "symbol=%E5%B8%81%E5%AE%89USDT&x=a%2Bb%2Fc%3D");
    }
}
