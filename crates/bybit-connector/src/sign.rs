//! Bybit v5 signatures: REST requests and WebSocket logins, HMAC-SHA256 in lower-case hex.
//!
//! The keyed state is made once and cloned per signature. The secret lives in `secrecy` until then and is never kept as text
//! here. What is signed is exactly what is sent: the query in its order, the body byte for byte.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// How long after its time stamp a request may still be acted on, milliseconds: what the venue assumes by itself.
pub const RECV_WINDOW_MS: u64 = 5000;

/// An API key and the keyed signing state of its secret.
#[derive(Clone)]
pub struct Signer {
    key: SecretString,
    mac: Hmac<Sha256>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(hidden)")
    }
}

impl Signer {
    /// A signer for this key pair.
    pub fn new(key: SecretString, secret: &SecretString) -> Signer {
        let mac = Hmac::new_from_slice(secret.expose_secret().as_bytes()).expect("Invariant: HMAC takes keys of any length");
        Signer { key, mac }
    }

    /// The API key, as `X-BAPI-API-KEY` and the login carry it.
    pub fn key(&self) -> &str {
        self.key.expose_secret()
    }

    /// `X-BAPI-SIGN` of a REST request. `payload` is the query as sent, without `?`, or the exact body of a POST.
    pub fn rest(&self, timestamp_ms: i64, recv_window_ms: u64, payload: &[u8]) -> String {
        let (timestamp, window) = (timestamp_ms.to_string(), recv_window_ms.to_string());
        self.sign(&[timestamp.as_bytes(), self.key().as_bytes(), window.as_bytes(), payload])
    }

    /// Signature of a WebSocket login that is void at `expires_ms`.
    pub fn login(&self, expires_ms: i64) -> String {
        self.sign(&[b"GET/realtime", expires_ms.to_string().as_bytes()])
    }

    fn sign(&self, parts: &[&[u8]]) -> String {
        let mut mac = self.mac.clone();
        for part in parts {
            mac.update(part);
        }
        hex::encode(mac.finalize().into_bytes())
    }
}

#[cfg(test)]
#[path = "sign_vectors.rs"]
mod vectors;
