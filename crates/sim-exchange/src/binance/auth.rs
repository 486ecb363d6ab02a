//! Who calls: keys, signatures, clocks (Binance spot API, request security).
//!
//! Start at [`verify`]. HMAC-SHA256 keys sign with their secret, Ed25519 keys with a private key of which the venue knows the
//! public half. What is signed is what was sent, byte by byte, without the signature itself.

use hmac::{Hmac, KeyInit, Mac};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use sha2::{Digest, Sha256};

use super::{error::ApiError, params::Params};
use crate::shared::{base64, text::percent_decode};

const MS: u64 = 1_000_000;
/// `recvWindow` when none is sent, and the greatest.
const WINDOW_DEFAULT_NS: u64 = 5_000 * MS;
const WINDOW_MAX_MS: u64 = 60_000;
/// How far ahead of the venue's clock a timestamp may be.
const AHEAD_MAX_NS: u64 = 1_000 * MS;
/// What precedes the 32 bytes of an Ed25519 private key in its PKCS#8 form (RFC 8410, section 7).
const PKCS8_PREFIX: [u8; 16] = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// What the lines around it in PEM form name (RFC 7468).
const PEM_LABEL: &str = "PRIVATE KEY";

/// How a key's signatures are checked.
#[derive(Clone, PartialEq, Eq)]
enum Check {
    Hmac(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// An API key and what it may do.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// The key.
    pub key: String,
    /// May place and cancel orders.
    pub may_trade: bool,
    /// May withdraw: a right that an engine's key must not have.
    pub may_withdraw: bool,
    check: Check,
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiKey").field("key", &self.key).finish_non_exhaustive()
    }
}

impl ApiKey {
    /// A key that may trade and not withdraw. A secret that is an Ed25519 private key in PEM form makes an Ed25519 key; any other
    /// makes an HMAC key.
    pub fn trading(key: &str, secret: &str) -> ApiKey {
        let check = seed_of_pem(secret)
            .and_then(|seed| Ed25519KeyPair::from_seed_unchecked(&seed).ok())
            .map_or_else(|| Check::Hmac(secret.as_bytes().to_vec()), |pair| Check::Ed25519(pair.public_key().as_ref().to_vec()));
        ApiKey { key: key.to_owned(), may_trade: true, may_withdraw: false, check }
    }

    /// Whether it is an Ed25519 key: the only kind that may log a session on.
    pub(super) fn is_ed25519(&self) -> bool {
        matches!(self.check, Check::Ed25519(_))
    }

    /// Whether `signature` is this key's of `payload`: hex in either case for HMAC, base64 for Ed25519.
    fn verifies(&self, payload: &[u8], signature: &str) -> bool {
        match &self.check {
            Check::Hmac(secret) => {
                let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return false };
                mac.update(payload);
                hex::decode(signature).is_ok_and(|bytes| mac.verify_slice(&bytes).is_ok())
            }
            Check::Ed25519(public) => base64::decode(signature)
                .is_some_and(|bytes| UnparsedPublicKey::new(&ED25519, public).verify(payload, &bytes).is_ok()),
        }
    }
}

/// An Ed25519 private key made of the hash of `text`, in PEM form: for simulated accounts.
pub(super) fn pem_of(text: &str) -> String {
    let seed = Sha256::digest(text.as_bytes());
    let der = [&PKCS8_PREFIX[..], &seed[..]].concat();
    format!("{}\n{}\n{}", pem_line("BEGIN"), base64::encode(&der), pem_line("END"))
}

/// The first or the last line of a key in PEM form.
fn pem_line(word: &str) -> String {
    format!("-----{word} {PEM_LABEL}-----")
}

fn seed_of_pem(pem: &str) -> Option<[u8; 32]> {
    let body = pem.trim().strip_prefix(&pem_line("BEGIN"))?.strip_suffix(&pem_line("END"))?;
    let compact: String = body.split_whitespace().collect();
    base64::decode(&compact)?.strip_prefix(&PKCS8_PREFIX[..])?.try_into().ok()
}

/// Everything about a request that its signature covers.
#[derive(Clone, Debug)]
pub(super) struct Signed {
    /// What was signed.
    pub(super) payload: String,
    /// The signature, decoded from its URL form.
    pub(super) signature: Option<String>,
}

impl Signed {
    /// Of an HTTP request: query and body as they were sent, one after the other, without the signature.
    pub(super) fn of_http(query: &str, body: &str) -> Signed {
        let mut signature = None;
        let mut rest = |part: &str| {
            let kept: Vec<&str> = part
                .split('&')
                .filter(|item| match item.strip_prefix("signature=") {
                    None => true,
                    Some(text) => {
                        signature = Some(percent_decode(text));
                        false
                    }
                })
                .collect();
            kept.join("&")
        };
        let payload = rest(query) + &rest(body);
        Signed { payload, signature }
    }

    /// Of a WebSocket request.
    pub(super) fn of_params(params: &Params) -> Signed {
        Signed { payload: params.signed_text(), signature: params.get("signature").ok().flatten().map(str::to_owned) }
    }
}

/// Checks key, clock and signature, in this order, and returns the key. The parameters of the check count as read.
///
/// # Errors
/// −2014 and −2015 for the key (401), −1102 for what is missing, −1021 for the clock, −1022 for the signature.
pub(super) fn verify<'a>(
    name: Option<&str>,
    signed: &Signed,
    params: &Params,
    keys: &'a [ApiKey],
    clock_ns: u64,
) -> Result<&'a ApiKey, ApiError> {
    let key = find(name, keys)?;
    check_time(params, clock_ns)?;
    params.get("signature").ok();
    let signature = signed.signature.as_deref().filter(|text| !text.is_empty()).ok_or_else(|| ApiError::missing("signature"))?;
    // What is not ASCII must have been encoded before it was signed, over REST; here it is simply not what was signed.
    if key.verifies(signed.payload.as_bytes(), signature) {
        Ok(key)
    } else {
        Err(ApiError::new(-1022, "Signature for this request is not valid."))
    }
}

/// The key of this name.
///
/// # Errors
/// −2014 when it is missing or no key at all, −2015 when it is unknown.
pub(super) fn find<'a>(name: Option<&str>, keys: &'a [ApiKey]) -> Result<&'a ApiKey, ApiError> {
    let name = name.filter(|name| !name.is_empty() && name.is_ascii());
    let name = name.ok_or_else(|| ApiError::new(-2014, "API-key format invalid.").with_status(401))?;
    keys.iter().find(|key| key.key == name).ok_or_else(invalid_key)
}

/// The key is unknown, or may not do this.
pub(super) fn invalid_key() -> ApiError {
    ApiError::new(-2015, "Invalid API-key, IP, or permissions for action.").with_status(401)
}

/// Until when a request is taken by its `timestamp` and `recvWindow`, Unix milliseconds.
pub(super) fn good_until_ms(params: &Params) -> Option<u64> {
    let sent_ns = params.time_ns("timestamp").ok().flatten()?;
    Some(sent_ns.saturating_add(window_ns(params).ok()?) / MS)
}

fn window_ns(params: &Params) -> Result<u64, ApiError> {
    Ok(match params.decimal("recvWindow", 3)? {
        None => WINDOW_DEFAULT_NS,
        Some(ms) if ms > WINDOW_MAX_MS.into() => return Err(ApiError::new(-1131, "recvWindow must be less than 60000")),
        Some(ms) => ms.checked_mul(MS.into()).and_then(|ns| u64::try_from(ns.trunc()).ok()).unwrap_or(WINDOW_DEFAULT_NS),
    })
}

/// `timestamp` and `recvWindow` against the venue's clock.
///
/// # Errors
/// −1102 without a timestamp, −1021 when it is too old or too far ahead, −1131 for a window that is too wide.
pub(super) fn check_time(params: &Params, clock_ns: u64) -> Result<(), ApiError> {
    let sent_ns = params.time_ns("timestamp").ok().flatten().ok_or_else(|| ApiError::missing("timestamp"))?;
    let window_ns = window_ns(params)?;
    if sent_ns >= clock_ns.saturating_add(AHEAD_MAX_NS) {
        return Err(ApiError::new(-1021, "Timestamp for this request was 1000ms ahead of the server's time."));
    }
    if clock_ns.saturating_sub(sent_ns) > window_ns {
        return Err(ApiError::new(-1021, "Timestamp for this request is outside of the recvWindow."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "testSecretABCDEF0123456789abcdef";
    const CLOCK_NS: u64 = 1_700_000_000_123_000_000;

    fn ed25519() -> ApiKey {
        let seed: Vec<u8> = (0..32).collect();
        let der = [&PKCS8_PREFIX[..], &seed[..]].concat();
        ApiKey::trading(
            "testApiKey0123456789",
            &format!("{}\n{}\n{}\n", pem_line("BEGIN"), base64::encode(&der), pem_line("END")),
        )
    }

    /// The vectors of the fact sheet.
    #[test]
    fn signatures_of_both_kinds_are_known() {
        let order = "timestamp=1700000000123&symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=IOC&quantity=0.001&price=35000.10\
                     &newClientOrderId=arb-1&recvWindow=5000";
        let hmac = ApiKey::trading("testApiKey0123456789", SECRET);
        let of_order = "145bda4ebf07d64898573e27a02ce94be3b2ed4771c94be1f517db6de0a830b1";
        assert!(hmac.verifies(order.as_bytes(), of_order) && hmac.verifies(order.as_bytes(), &of_order.to_uppercase()));
        assert!(!hmac.verifies(order.as_bytes(), &of_order.replace('1', "2")) && !hmac.verifies(order.as_bytes(), "zz"));
        let key = ed25519();
        assert!(key.is_ed25519() && !hmac.is_ed25519());
        let of_order = "wfTsqM3I/5I3D4lvcCB6Jxfn25ZW4ykR0Vj0j9FtEE171/KTy3iuol8qOiVfql0UIPJMzNebaV2QsL4hdZhPAg==";
        assert!(key.verifies(order.as_bytes(), of_order));
        let logon = "apiKey=testApiKey0123456789&timestamp=1700000000123";
        let of_logon = "xDy27N/Wq/IYF2GzsB0W1ycAhd8XGoNoug93yEXaASmjWMDP3DVB0brglvPdc80sVhGPvhb9n0+Flbvgc50pAQ==";
        assert!(key.verifies(logon.as_bytes(), of_logon) && !key.verifies(logon.as_bytes(), of_order));
        assert!(hmac.verifies(logon.as_bytes(), "5aa0432eb172ed6423a0f62dcb0a9cae33b4b8289990fd2b82a91849c47a031a"));
    }

    #[test]
    fn the_signature_is_taken_out_wherever_it_stands() {
        let signed = Signed::of_http("a=1&signature=x%2By%3D", "b=2&c=3");
        assert_eq!((signed.payload.as_str(), signed.signature.as_deref()), ("a=1b=2&c=3", Some("x+y=")));
    }

    #[test]
    fn a_request_is_checked_for_key_clock_and_signature() {
        let keys = [ApiKey::trading("testApiKey0123456789", SECRET)];
        let check = |name, query: &str, clock_ns| {
            let params = Params::from_http(query, "").expect("well formed");
            verify(name, &Signed::of_http(query, ""), &params, &keys, clock_ns)
                .map(|key| key.may_trade)
                .map_err(|error| error.code)
        };
        let name = Some("testApiKey0123456789");
        let query = "timestamp=1700000000123&omitZeroBalances=true&recvWindow=5000\
                     &signature=42105d5d13bb3d7fb31bec75f46d16c5526d96390ec3df32df09ac7b3f588d73";
        assert_eq!(check(name, query, CLOCK_NS), Ok(true));
        assert_eq!(check(name, query, CLOCK_NS + 5_000 * MS), Ok(true));
        assert_eq!(check(name, query, CLOCK_NS + 5_001 * MS), Err(-1021));
        assert_eq!(check(name, query, CLOCK_NS - 999 * MS), Ok(true));
        assert_eq!(check(name, query, CLOCK_NS - 1_000 * MS), Err(-1021));
        assert_eq!(check(None, query, CLOCK_NS), Err(-2014));
        assert_eq!(check(Some("other"), query, CLOCK_NS), Err(-2015));
        assert_eq!(check(name, &query.replace("true", "false"), CLOCK_NS), Err(-1022));
        assert_eq!(check(name, "timestamp=1700000000123", CLOCK_NS), Err(-1102));
        assert_eq!(check(name, "symbol=BTCUSDT", CLOCK_NS), Err(-1102));
        assert_eq!(check(name, "timestamp=1700000000123&recvWindow=60001", CLOCK_NS), Err(-1131));
    }

    #[test]
    fn made_keys_are_whole() {
        let key = ApiKey::trading("k", &pem_of("anything"));
        assert!(key.is_ed25519());
        let short = format!("{}\nAAAA\n{}", pem_line("BEGIN"), pem_line("END"));
        assert!(!ApiKey::trading("k", &short).is_ed25519());
    }
}
