//! Gate API v4 signatures: REST requests, WebSocket channel subscriptions, and the WebSocket order-entry form.
//!
//! All are HMAC-SHA512 in lower-case hex with the secret used as text. The keyed state is made once and cloned per signature,
//! so the two key blocks are hashed only at start. The secret lives in `secrecy` until then and is never kept as text here.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha512};

/// SHA-512 of no bytes, in hex: the body hash of a request without body.
const EMPTY_BODY_HASH: &str = "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e";

/// An API key and the keyed signing state of its secret.
#[derive(Clone)]
pub struct Signer {
    key: SecretString,
    mac: Hmac<Sha512>,
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

    /// The API key, as the `KEY` header and the `auth` object carry it.
    pub fn key(&self) -> &str {
        self.key.expose_secret()
    }

    /// `SIGN` of a REST request (Gate API v4, authentication). `path` includes `/api/v4`; `query` is the query as sent, without
    /// `?` and percent-decoded; `timestamp` is the literal text of the `Timestamp` header.
    pub fn rest(&self, method: &str, path: &str, query: &str, body: &[u8], timestamp: &str) -> String {
        let body_hash = if body.is_empty() { EMPTY_BODY_HASH.to_string() } else { hex::encode(Sha512::digest(body)) };
        self.sign(&[method, "\n", path, "\n", query, "\n", &body_hash, "\n", timestamp])
    }

    /// `SIGN` of a subscribe or unsubscribe request; `time_s` is the frame's own `time`.
    pub fn channel(&self, channel: &str, event: &str, time_s: i64) -> String {
        self.sign(&["channel=", channel, "&event=", event, "&time=", &time_s.to_string()])
    }

    /// `signature` of a WebSocket order-entry login; `req_param` is empty in the documented form.
    pub fn api_request(&self, channel: &str, req_param: &str, timestamp: &str) -> String {
        self.sign(&["api\n", channel, "\n", req_param, "\n", timestamp])
    }

    fn sign(&self, parts: &[&str]) -> String {
        let mut mac = self.mac.clone();
        for part in parts {
            mac.update(part.as_bytes());
        }
        hex::encode(mac.finalize().into_bytes())
    }
}

#[cfg(test)]
#[path = "sign_vectors.rs"]
mod vectors;
