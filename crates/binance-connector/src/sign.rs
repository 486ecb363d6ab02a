//! Binance's signatures: HMAC-SHA256 in hex, or Ed25519 in base64 (Binance spot API, request security). Which of them a key uses is told
//! from its secret: a private key in PEM (PKCS#8), its base64 alone, or the base64 of a 32-byte seed is Ed25519; anything else is the
//! text of an HMAC secret.
//!
//! The keyed state is made once. The secret lives in `secrecy` until then and is never kept as text here. What is signed is exactly what
//! is sent: over REST the query and body as they go out, on the WebSocket API every parameter in the order of names.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use ring::signature::Ed25519KeyPair;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Bytes of an Ed25519 seed.
const SEED_BYTES: usize = 32;
/// The base64 of PKCS#8 around an Ed25519 key begins so, with or without the public key behind it.
const PKCS8_BEGINS: [&str; 2] = ["MC4CAQAwBQYDK2VwBCIEI", "MFECAQEwBQYDK2VwBCIEI"];
/// The algorithm of RSA keys (1.2.840.113549.1.1.1) as it stands in PKCS#8.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// Why a secret can't sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It begins like PEM and is none.
    #[error(
        "the API secret begins like a PEM file and can't be read as one; give the whole file, from its BEGIN line to its END line"
    )]
    Malformed,
    /// An RSA key.
    #[error("RSA keys are not supported; make an Ed25519 key at Binance (it signs faster and may log in on the WebSocket API)")]
    Rsa,
    /// An encrypted key.
    #[error("the API secret is an encrypted private key; give it without a pass phrase, in a file that only you may read")]
    Encrypted,
    /// A public key.
    #[error("the API secret is a public key; the private one stays here, the public one goes to Binance")]
    Public,
    /// A private key of another kind.
    #[error("the API secret is a private key that is no Ed25519 key; make an Ed25519 key at Binance")]
    Other,
}

#[derive(Clone)]
enum Keyed {
    Hmac(Hmac<Sha256>),
    Ed25519(Arc<Ed25519KeyPair>),
}

/// An API key and the signing state of its secret.
#[derive(Clone)]
pub struct Signer {
    key: SecretString,
    keyed: Keyed,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(hidden)")
    }
}

impl Signer {
    /// A signer for this key pair.
    ///
    /// # Errors
    /// [`KeyError`] for a secret that looks like a private key and is not one that can be used.
    pub fn new(key: SecretString, secret: &SecretString) -> Result<Signer, KeyError> {
        Ok(Signer { key, keyed: keyed(secret.expose_secret().trim())? })
    }

    /// The API key, as `X-MBX-APIKEY` and `apiKey` carry it.
    pub fn key(&self) -> &str {
        self.key.expose_secret()
    }

    /// Whether the key may log in on a WebSocket API connection (`session.logon`); others sign every request on it.
    pub const fn may_log_on(&self) -> bool {
        matches!(self.keyed, Keyed::Ed25519(_))
    }

    /// The signature of a payload as JSON carries it: lower-case hex, or base64.
    pub fn sign(&self, payload: &str) -> String {
        match &self.keyed {
            Keyed::Hmac(mac) => {
                let mut mac = mac.clone();
                mac.update(payload.as_bytes());
                hex::encode(mac.finalize().into_bytes())
            }
            Keyed::Ed25519(pair) => STANDARD.encode(pair.sign(payload.as_bytes())),
        }
    }

    /// A query or form with its signature, which goes last: `payload` is percent-encoded already.
    pub fn signed(&self, payload: &str) -> String {
        format!("{payload}&signature={}", crate::wire::params::percent_encoded(&self.sign(payload)))
    }
}

fn keyed(secret: &str) -> Result<Keyed, KeyError> {
    if let Some((_, rest)) = secret.split_once("-----BEGIN") {
        let (label, rest) = rest.split_once("-----").ok_or(KeyError::Malformed)?;
        match label.trim() {
            "PRIVATE KEY" => {}
            "RSA PRIVATE KEY" => return Err(KeyError::Rsa),
            "ENCRYPTED PRIVATE KEY" => return Err(KeyError::Encrypted),
            label if label.ends_with("PUBLIC KEY") => return Err(KeyError::Public),
            _ => return Err(KeyError::Other),
        }
        let (body, _) = rest.split_once("-----END PRIVATE KEY-----").ok_or(KeyError::Malformed)?;
        // In an environment variable the ends of lines may be written as `\n`.
        let body = Zeroizing::new(body.replace("\\n", ""));
        let body: Zeroizing<String> = Zeroizing::new(body.chars().filter(|c| !c.is_whitespace()).collect());
        return pkcs8(&decoded(&body).ok_or(KeyError::Malformed)?);
    }
    if PKCS8_BEGINS.iter().any(|begin| secret.starts_with(begin))
        && let Some(bytes) = decoded(secret)
    {
        return pkcs8(&bytes);
    }
    if let Some(seed) = decoded(secret).filter(|bytes| bytes.len() == SEED_BYTES) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| KeyError::Malformed)?;
        return Ok(Keyed::Ed25519(Arc::new(pair)));
    }
    let mac = Hmac::new_from_slice(secret.as_bytes()).expect("Invariant: HMAC takes keys of any length");
    Ok(Keyed::Hmac(mac))
}

fn decoded(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    STANDARD.decode(text).ok().map(Zeroizing::new)
}

fn pkcs8(bytes: &[u8]) -> Result<Keyed, KeyError> {
    match Ed25519KeyPair::from_pkcs8_maybe_unchecked(bytes) {
        Ok(pair) => Ok(Keyed::Ed25519(Arc::new(pair))),
        Err(_) if bytes.windows(RSA.len()).any(|window| window == RSA) => Err(KeyError::Rsa),
        // What is PKCS#8 begins as a sequence of an integer; the rest names another algorithm.
        Err(_) if bytes.first() == Some(&0x30) => Err(KeyError::Other),
        Err(_) => Err(KeyError::Malformed),
    }
}

#[cfg(test)]
#[path = "sign_vectors.rs"]
mod vectors;
