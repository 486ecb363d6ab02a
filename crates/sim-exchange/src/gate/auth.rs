//! Who is calling: the signature checks of Gate API v4, for REST requests and for WebSocket channels.
//!
//! Start at [`verify_rest`] and [`verify_channel`]. Both are pure: time, keys and text go in, a verdict comes out. They
//! are written from the protocol alone and share nothing with any client, so that a client's mistake cannot be agreed with.
//!
//! Order of the checks (Gate API v4, authentication): required headers, then the clock, then the key, then the signature.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha512};

use super::error::ApiError;
pub(super) use crate::shared::text::percent_decode;

/// How far a request's clock may be off, either way (Gate API v4: 60 seconds).
pub(super) const CLOCK_TOLERANCE_NS: u64 = 60_000_000_000;

/// Longest `Timestamp` text looked at: ten digits of seconds, a point and nine decimals leave room to spare.
const TIMESTAMP_TEXT_MAX: usize = 32;

/// One API key of a simulated user. `Debug` shows neither the key nor the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// The value of the `KEY` header.
    pub key: String,
    /// The shared secret, used as text.
    pub secret: String,
    /// What the key may do, as `/account/main_keys` shows it. Orders need `spot` without `read_only`.
    pub perms: Vec<Permission>,
    /// Every signed request is refused with 403 and this label, e.g. `IP_FORBIDDEN` or `ACCOUNT_LOCKED`.
    pub refusal: Option<&'static str>,
}

impl ApiKey {
    /// A key with the rights an engine should have: `spot` read and write, `wallet` read only, nothing else.
    pub fn trading(key: &str, secret: &str) -> ApiKey {
        let perms = vec![Permission::new("spot", false), Permission::new("wallet", true)];
        ApiKey { key: key.to_owned(), secret: secret.to_owned(), perms, refusal: None }
    }

    /// Adds a right, for example `withdraw`, to simulate a key that an engine must refuse.
    pub fn with_permission(mut self, name: &str, read_only: bool) -> ApiKey {
        self.perms.push(Permission::new(name, read_only));
        self
    }

    /// Makes every request of the key be refused with 403 and `label`.
    pub fn with_refusal(mut self, label: &'static str) -> ApiKey {
        self.refusal = Some(label);
        self
    }

    /// True if the key holds `name` with write access.
    pub fn may_write(&self, name: &str) -> bool {
        self.perms.iter().any(|perm| perm.name == name && !perm.read_only)
    }

    /// True if the key holds `name` at all.
    pub fn may_read(&self, name: &str) -> bool {
        self.perms.iter().any(|perm| perm.name == name)
    }

    /// The key as Gate shows it in lists: its ends, the middle hidden.
    pub fn masked(&self) -> String {
        let chars: Vec<char> = self.key.chars().collect();
        if chars.len() <= 8 {
            return "*".repeat(chars.len());
        }
        let head: String = chars.iter().take(4).collect();
        let tail: String = chars.iter().skip(chars.len() - 4).collect();
        format!("{head}{}{tail}", "*".repeat(chars.len() - 8))
    }
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiKey").field("key", &self.masked()).field("perms", &self.perms).finish_non_exhaustive()
    }
}

/// One right of a key (`perms` of `/account/main_keys`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// `spot`, `wallet`, `withdraw`, `futures`, …
    pub name: String,
    /// True when the right covers reading only.
    pub read_only: bool,
}

impl Permission {
    /// A right by name.
    pub fn new(name: &str, read_only: bool) -> Permission {
        Permission { name: name.to_owned(), read_only }
    }
}

/// What the REST check looks at, all as received.
#[derive(Clone, Copy, Debug)]
pub(super) struct SignedRequest<'a> {
    /// Upper-case method.
    pub(super) method: &'a str,
    /// Path as sent on the wire, `/api/v4` included.
    pub(super) path: &'a str,
    /// Query as sent on the wire, without `?`. Decoded here before it is signed.
    pub(super) query: &'a str,
    /// Exact body bytes.
    pub(super) body: &'a [u8],
    /// Headers, names in lower case.
    pub(super) headers: &'a [(String, String)],
}

/// Checks a REST request and names the key that signed it.
///
/// # Errors
/// `MISSING_REQUIRED_HEADER`, `REQUEST_EXPIRED`, `INVALID_KEY` or `INVALID_SIGNATURE`, in that order of precedence.
pub(super) fn verify_rest<'k>(
    request: SignedRequest<'_>,
    keys: impl IntoIterator<Item = &'k ApiKey>,
    now_ns: u64,
) -> Result<&'k ApiKey, ApiError> {
    let timestamp = required_header(request.headers, "Timestamp")?;
    let key = required_header(request.headers, "KEY")?;
    let sign = required_header(request.headers, "SIGN")?;
    check_clock(parse_seconds(timestamp), now_ns)?;
    let key = keys.into_iter().find(|known| known.key == key).ok_or_else(ApiError::invalid_key)?;
    let message = rest_message(&request, timestamp);
    if !signature_matches(&key.secret, message.as_bytes(), sign) {
        return Err(ApiError::invalid_signature());
    }
    Ok(key)
}

/// Checks the `auth` object of a private channel request: `channel=…&event=…&time=…`.
///
/// # Errors
/// The label and text that Gate relays inside a code 4 or code 2 error.
pub(super) fn verify_channel<'k>(
    channel: &str,
    event: &str,
    time_s: i64,
    key: &str,
    sign: &str,
    keys: impl IntoIterator<Item = &'k ApiKey>,
    now_ns: u64,
) -> Result<&'k ApiKey, ApiError> {
    let stamped = u64::try_from(time_s).ok().and_then(|s| s.checked_mul(1_000_000_000));
    check_clock(stamped, now_ns)?;
    let key = keys.into_iter().find(|known| known.key == key).ok_or_else(ApiError::invalid_key)?;
    let message = format!("channel={channel}&event={event}&time={time_s}");
    if !signature_matches(&key.secret, message.as_bytes(), sign) {
        return Err(ApiError::invalid_signature());
    }
    Ok(key)
}

fn required_header<'a>(headers: &'a [(String, String)], name: &str) -> Result<&'a str, ApiError> {
    let value = headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
    value.filter(|value| !value.is_empty()).ok_or_else(|| ApiError::missing_header(name))
}

pub(super) fn check_clock(stamped_ns: Option<u64>, now_ns: u64) -> Result<(), ApiError> {
    match stamped_ns {
        Some(stamped) if stamped.abs_diff(now_ns) <= CLOCK_TOLERANCE_NS => Ok(()),
        _ => Err(ApiError::request_expired()),
    }
}

/// Seconds, whole or with decimals, as nanoseconds. Digits past the ninth decimal are cut off: they cannot matter to a
/// window of a minute.
pub(super) fn parse_seconds(text: &str) -> Option<u64> {
    if text.len() > TIMESTAMP_TEXT_MAX {
        return None;
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() || !whole.bytes().all(|b| b.is_ascii_digit()) || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut nanos = 0u64;
    for index in 0..9 {
        let digit = fraction.as_bytes().get(index).map_or(0, |b| u64::from(b - b'0'));
        nanos = nanos * 10 + digit;
    }
    whole.parse::<u64>().ok()?.checked_mul(1_000_000_000)?.checked_add(nanos)
}

fn rest_message(request: &SignedRequest<'_>, timestamp: &str) -> String {
    let query = percent_decode(request.query);
    let body_hash = hex::encode(Sha512::digest(request.body));
    format!("{}\n{}\n{query}\n{body_hash}\n{timestamp}", request.method, request.path)
}

pub(super) fn signature_matches(secret: &str, message: &[u8], sign: &str) -> bool {
    // Gate answers in lower case and documents lower case; an upper-case digest is a client fault worth showing.
    if sign.bytes().any(|b| b.is_ascii_uppercase()) {
        return false;
    }
    let Ok(claimed) = hex::decode(sign) else { return false };
    let Ok(mut mac) = Hmac::<Sha512>::new_from_slice(secret.as_bytes()) else { return false };
    mac.update(message);
    mac.verify_slice(&claimed).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_NS: u64 = 1_700_000_000_000_000_000;

    fn keys() -> Vec<ApiKey> {
        vec![ApiKey::trading("key", "secret")]
    }

    fn headers(timestamp: &str, sign: &str) -> Vec<(String, String)> {
        let rows = [("key", "key"), ("timestamp", timestamp), ("sign", sign)];
        rows.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn check(method: &str, path: &str, query: &str, body: &str, timestamp: &str, sign: &str) -> Result<(), &'static str> {
        let headers = headers(timestamp, sign);
        let request = SignedRequest { method, path, query, body: body.as_bytes(), headers: &headers };
        verify_rest(request, &keys(), NOW_NS).map(|_| ()).map_err(|error| error.label)
    }

    struct Vector {
        id: &'static str,
        method: &'static str,
        path: &'static str,
        query: &'static str,
        body: &'static str,
        timestamp: &'static str,
        sign: &'static str,
    }

    const T: &str = "1700000000";

    const VECTORS: &[Vector] = &[
        Vector {
            id: "R1",
            method: "GET",
            path: "/api/v4/spot/accounts",
            query: "",
            body: "",
            timestamp: T,
            sign: "fa17722c057aa9b6bccc9bb5f91a1efe40a0ff7fa4af2ba9252028a29fab7bcb90a309b024e982d89e8bbf0997267c56498b0f4b69f306a79e80434b074f296e",
        },
        Vector {
            id: "R2",
            method: "GET",
            path: "/api/v4/spot/orders",
            query: "currency_pair=BTC_USDT&status=open&page=1&limit=100",
            body: "",
            timestamp: T,
            sign: "812b56d7cad2e691ecbc7cf1cabd952b218d05257827d0541342b233d2860d84953bfea1bd09fcdbc96640fa9f22eb99735ab1928086ee60cc7fe0aaf44af2b3",
        },
        Vector {
            id: "R3",
            method: "POST",
            path: "/api/v4/spot/orders",
            query: "",
            body: r#"{"text":"t-arb-0001","currency_pair":"BTC_USDT","type":"limit","account":"spot","side":"buy","amount":"0.001","price":"27000.5","time_in_force":"ioc"}"#,
            timestamp: T,
            sign: "9bfee89ef342cc3282c4505f088bfe2c42cbea88b09b24b15de85332793744100ff559adba7fe66e6d84f59f5139af47e696c798cef10ed9305a955ba2b1ce1a",
        },
        Vector {
            id: "R4",
            method: "DELETE",
            path: "/api/v4/spot/orders/1234567890",
            query: "currency_pair=BTC_USDT",
            body: "",
            timestamp: T,
            sign: "0642bb2e2c29dd45bad996fb7c7a46aa12179b2a2b470d20033f8f1f61ae4e279a8c860c2d8e564455043bda1b4021e7509ac4d9aaf64215a2ad619b2bd2d7fa",
        },
        Vector {
            id: "R5",
            method: "DELETE",
            path: "/api/v4/spot/orders",
            query: "currency_pair=BTC_USDT&side=buy&account=spot",
            body: "",
            timestamp: T,
            sign: "2ca696ab9430a32d0857816aeeda84edfbe11a17ee183883fc97a83af8d4a39383a936275a5574e2dcbe59d6e2bc304bb44da961f3007d799d252caefcf08539",
        },
        Vector {
            id: "R6",
            method: "POST",
            path: "/api/v4/spot/countdown_cancel_all",
            query: "",
            body: r#"{"timeout":30,"currency_pair":"BTC_USDT"}"#,
            timestamp: T,
            sign: "1017ef1975a4c610e89a9749eec1a23be77cc1aa886f57823aed5fc4ac1479876900bf14802e465c6e3d846106ac7a9e2933d9169f863989b671d81ca3daaff1",
        },
        Vector {
            id: "R7",
            method: "PATCH",
            path: "/api/v4/spot/orders/1234567890",
            query: "currency_pair=BTC_USDT",
            body: r#"{"price":"27001"}"#,
            timestamp: T,
            sign: "4d645cc97f3442e81f7db928066fe7319e377cb11eec3acb3abc04327eb12ea21418a1efa1884797be6fb41b49cd6010334381197f506993f40baa6453962789",
        },
        Vector {
            id: "R8",
            method: "GET",
            path: "/api/v4/unified/estimate_rate",
            query: "currencies=BTC,GT",
            body: "",
            timestamp: T,
            sign: "84f22212e2ba9250febba8e72fccd349e124f1d67a9687261f77510bef4d7acfa6042bae49e80daa5cb937b805cc9d5d5e5aa3dff6651a82d4cf4cbffb13840c",
        },
        Vector {
            id: "R9",
            method: "POST",
            path: "/api/v4/futures/usdt/positions/BTC_USDT/leverage",
            query: "leverage=10",
            body: "",
            timestamp: T,
            sign: "df127117568fdaede6a915a01cefbaf731cd1f38be382b923ef9c6dfe5986b964c070efec57004d77d0e25388779b9b134e76a5c04e7563c7eb1aacab1eb3715",
        },
        Vector {
            id: "R10",
            method: "POST",
            path: "/api/v4/futures/usdt/orders",
            query: "",
            body: r#"{"contract":"BTC_USDT","size":-5,"price":"0","tif":"ioc","reduce_only":true,"text":"t-hedge-1"}"#,
            timestamp: T,
            sign: "da601833523ad3305509d71b67ba28154901f6bebbd8e3db623be5457b186911231aeda26b0667007f320c72193f75e669185350a46384b024405108fef7470b",
        },
        Vector {
            id: "R11",
            method: "GET",
            path: "/api/v4/spot/accounts",
            query: "",
            body: "",
            timestamp: "1700000000.25",
            sign: "7f71666845f4d2e176a7eafb5d99a53153ecc0ac8d2d0550251c5aaad8707ca2a55df295e3271b36efa12822b876cbeb2cc8948f4fc57d4d9c61f07f0ed88b39",
        },
    ];

    #[test]
    fn every_positive_vector_is_accepted() {
        for v in VECTORS {
            assert_eq!(check(v.method, v.path, v.query, v.body, v.timestamp, v.sign), Ok(()), "{}", v.id);
        }
    }

    #[test]
    fn one_changed_byte_anywhere_is_refused() {
        for v in VECTORS {
            let refused = Err("INVALID_SIGNATURE");
            assert_eq!(check("PUT", v.path, v.query, v.body, v.timestamp, v.sign), refused, "{}: method", v.id);
            assert_eq!(check(v.method, &format!("{}/", v.path), v.query, v.body, v.timestamp, v.sign), refused, "{}: path", v.id);
            assert_eq!(check(v.method, v.path, &format!("{}&x=1", v.query), v.body, v.timestamp, v.sign), refused, "{}", v.id);
            assert_eq!(check(v.method, v.path, v.query, &format!("{} ", v.body), v.timestamp, v.sign), refused, "{}", v.id);
            assert_eq!(check(v.method, v.path, v.query, v.body, "1700000001", v.sign), refused, "{}: timestamp", v.id);
            assert_eq!(check(v.method, v.path, v.query, v.body, v.timestamp, &v.sign.to_uppercase()), refused, "{}", v.id);
            assert_eq!(check(v.method, v.path, v.query, v.body, v.timestamp, "zz"), refused, "{}: not hex", v.id);
        }
    }

    #[test]
    fn negative_vectors_are_refused() {
        // N1 signed the path without its prefix; N2 signed `%2C` where the decoded comma is meant.
        let n1 = "6b8de4c7c2a948f5b51320c2bf52d884d71cc3616ddd3aa277a483a2a0f0daa04537ee87f57e08ec963ea040b2c61f20a8666b4ca407702c8d01d7d104ed997d";
        assert_eq!(check("GET", "/api/v4/spot/accounts", "", "", T, n1), Err("INVALID_SIGNATURE"));
        let n2 = "db1fb5a6d57e383e73d8ca1af2bc354f8bb2f3147641492b856d7b034dc9c064d47d744af7f66e19199d6ed416cf16e13bb36725afeb7e0b6e033b205e351829";
        let path = "/api/v4/unified/estimate_rate";
        assert_eq!(check("GET", path, "currencies=BTC%2CGT", "", T, n2), Err("INVALID_SIGNATURE"));
    }

    #[test]
    fn the_wire_may_be_encoded_while_the_signature_covers_the_decoded_text() {
        let r8 = VECTORS.iter().find(|v| v.id == "R8").map(|v| v.sign).unwrap_or_default();
        assert_eq!(check("GET", "/api/v4/unified/estimate_rate", "currencies=BTC%2CGT", "", T, r8), Ok(()));
    }

    #[test]
    fn clock_window_is_sixty_seconds_and_is_checked_before_the_key() {
        let sign = VECTORS[0].sign;
        let headers = headers(T, sign);
        let request = SignedRequest { method: "GET", path: "/api/v4/spot/accounts", query: "", body: b"", headers: &headers };
        let at = |now_ns: u64| verify_rest(request, &keys(), now_ns).map(|_| ()).map_err(|error| (error.status, error.label));
        assert_eq!(at(NOW_NS + CLOCK_TOLERANCE_NS), Ok(()));
        assert_eq!(at(NOW_NS - CLOCK_TOLERANCE_NS), Ok(()));
        assert_eq!(at(NOW_NS + CLOCK_TOLERANCE_NS + 1), Err((403, "REQUEST_EXPIRED")));
        assert_eq!(at(NOW_NS - CLOCK_TOLERANCE_NS - 1), Err((403, "REQUEST_EXPIRED")));
        let late = verify_rest(request, &[], NOW_NS + CLOCK_TOLERANCE_NS + 1).map(|_| ()).map_err(|error| error.label);
        assert_eq!(late, Err("REQUEST_EXPIRED"), "an unknown key with a late clock hears about the clock");
        let unknown = verify_rest(request, &[], NOW_NS).map(|_| ()).map_err(|error| (error.status, error.label));
        assert_eq!(unknown, Err((401, "INVALID_KEY")));
        assert_eq!(check("GET", "/api/v4/spot/accounts", "", "", "soon", sign), Err("REQUEST_EXPIRED"));
        assert_eq!(check("GET", "/api/v4/spot/accounts", "", "", "99999999999999999999", sign), Err("REQUEST_EXPIRED"));
    }

    #[test]
    fn each_header_is_required() {
        for missing in ["key", "timestamp", "sign"] {
            let mut headers = headers(T, VECTORS[0].sign);
            headers.retain(|(name, _)| name != missing);
            let request = SignedRequest { method: "GET", path: "/api/v4/spot/accounts", query: "", body: b"", headers: &headers };
            let error = verify_rest(request, &keys(), NOW_NS).map(|_| ()).expect_err("a header is missing");
            assert_eq!((error.status, error.label), (400, "MISSING_REQUIRED_HEADER"), "{missing}");
        }
    }

    #[test]
    fn channel_vectors_are_accepted_and_bound_to_their_channel_and_event() {
        let rows = [
            (
                "spot.orders",
                "subscribe",
                "0dc17b76097b2726573e30bde2a792ce238bbd452f414d949a5f71d5bf1dd50e8e8166a762af6614f0228360882c6e35df2ac39ed0eba1be8b02d9ca1ec9c6c9",
            ),
            (
                "spot.usertrades",
                "subscribe",
                "38094e2f2b72acc25a8648197dc8c850b622b31eab92b445af73b577a2a46ac101976cfa35b33a8c4df6440bf71da4740cad1cf68d8f9da48b2199667f5264e3",
            ),
            (
                "spot.balances",
                "subscribe",
                "f4c2fc92b344d5dcb3dd56bcdab3ecf3bb863a599c51cec748de0189428c8b65d0a60901fa2bf273ff4b0929cb2ae34c317e7070198573dedaa6089b18ce3418",
            ),
            (
                "spot.orders",
                "unsubscribe",
                "e06d9d0680cc2a7f914aac10c2c134bb5ce05f82f227df54cfee337c21f0c2a8ae8908bbe4a2cba1d564803be26dc78236655c3a6a0fb540e4b60168aa75b92d",
            ),
        ];
        let verdict = |channel: &str, event: &str, time: i64, sign: &str| {
            verify_channel(channel, event, time, "key", sign, &keys(), NOW_NS).map(|_| ()).map_err(|error| error.label)
        };
        for (channel, event, sign) in rows {
            assert_eq!(verdict(channel, event, 1_700_000_000, sign), Ok(()), "{channel} {event}");
            assert_eq!(verdict("spot.tickers", event, 1_700_000_000, sign), Err("INVALID_SIGNATURE"));
            assert_eq!(verdict(channel, "api", 1_700_000_000, sign), Err("INVALID_SIGNATURE"));
            assert_eq!(verdict(channel, event, 1_700_000_001, sign), Err("INVALID_SIGNATURE"));
            assert_eq!(verdict(channel, event, 1_700_000_061, sign), Err("REQUEST_EXPIRED"));
            assert_eq!(verdict(channel, event, -1, sign), Err("REQUEST_EXPIRED"));
        }
    }

    #[test]
    fn keys_are_masked_in_the_middle() {
        assert_eq!(ApiKey::trading("abcd1234efgh", "s").masked(), "abcd****efgh");
        assert_eq!(ApiKey::trading("short", "s").masked(), "*****");
        let shown = format!("{:?}", ApiKey::trading("abcd1234efgh", "canary"));
        assert!(!shown.contains("canary") && !shown.contains("1234"), "{shown}");
    }
}
