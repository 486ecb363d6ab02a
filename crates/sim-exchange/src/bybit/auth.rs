//! Who is calling: the signature checks of Bybit API v5, for REST requests and for sockets.
//!
//! Start at [`verify_rest`] and [`verify_socket`]. Both are pure: time, keys and text go in, a verdict comes out. They are
//! written from the protocol alone and share nothing with any client, so that a client's mistake cannot be agreed with. Keys of
//! RSA are not simulated.

use super::{config::BybitKey, error::ApiError};
use crate::{shared::signature::is_hmac_sha256, world::HttpRequest};

/// `X-BAPI-RECV-WINDOW` when it is not sent, milliseconds.
const RECV_WINDOW_MS: u64 = 5_000;
/// How far a timestamp may lie ahead of the venue's clock, milliseconds.
const AHEAD_MS: u64 = 1_000;

/// Checks a signed request and names the key that signed it.
///
/// # Errors
/// 401 without signature headers, then `10003` for an unknown key, `10002` outside the window, `10004` for a wrong signature.
pub(super) fn verify_rest<'k>(request: &HttpRequest, keys: &'k [BybitKey], now_ms: u64) -> Result<&'k BybitKey, ApiError> {
    let missing = || ApiError { status: 401, ..ApiError::invalid_key() };
    let header = |name| request.header(name).filter(|value| !value.is_empty());
    let name = header("x-bapi-api-key").ok_or_else(missing)?;
    let timestamp = header("x-bapi-timestamp").ok_or_else(missing)?;
    let sign = header("x-bapi-sign").ok_or_else(missing)?;
    let window = header("x-bapi-recv-window");
    let key = keys.iter().find(|known| known.key == name).ok_or_else(ApiError::invalid_key)?;
    check_window(timestamp, window, now_ms)?;
    let mut message = format!("{timestamp}{name}{}", window.unwrap_or_default()).into_bytes();
    if request.method == "GET" {
        message.extend_from_slice(request.query.as_bytes());
    } else {
        message.extend_from_slice(&request.body);
    }
    if !is_hmac_sha256(&key.secret, &message, sign) {
        let origin = String::from_utf8_lossy(&message);
        return Err(ApiError::new(
            10_004,
            format!("error sign! origin_string[{origin}], please check your signature generation algorithm."),
        ));
    }
    Ok(key)
}

/// Until when a request of this timestamp is taken, Unix milliseconds.
pub(super) fn good_until_ms(timestamp: &str, window: Option<&str>) -> Option<u64> {
    let window_ms = window.map_or(Some(RECV_WINDOW_MS), |text| text.parse().ok())?;
    Some(timestamp.parse::<u64>().ok()?.saturating_add(window_ms))
}

/// Checks that a timestamp lies within its window: `server − window ≤ timestamp < server + 1 s`.
///
/// # Errors
/// `10002`.
pub(super) fn check_window(timestamp: &str, window: Option<&str>, now_ms: u64) -> Result<(), ApiError> {
    let window_ms = window.map_or(Some(RECV_WINDOW_MS), |text| text.parse().ok());
    let inside = timestamp.parse::<u64>().ok().zip(window_ms).is_some_and(|(stamped, window_ms)| {
        stamped.saturating_add(window_ms) >= now_ms && stamped < now_ms.saturating_add(AHEAD_MS)
    });
    if inside {
        return Ok(());
    }
    let shown = window.map_or_else(|| RECV_WINDOW_MS.to_string(), str::to_owned);
    Err(ApiError::new(
        10_002,
        format!(
            "invalid request, please check your server timestamp or recv_window param. \
             req_timestamp[{timestamp}],server_timestamp[{now_ms}],recv_window[{shown}]"
        ),
    ))
}

/// Checks what a socket says of itself: `GET/realtime` and the expiry, signed.
///
/// # Errors
/// `10003` for an unknown key, `10001` for an expiry that is past, `10004` for a wrong signature.
pub(super) fn verify_socket<'k>(
    name: &str,
    expires: &str,
    sign: &str,
    keys: &'k [BybitKey],
    now_ms: u64,
) -> Result<&'k BybitKey, ApiError> {
    let key = keys.iter().find(|known| known.key == name).ok_or_else(ApiError::invalid_key)?;
    if expires.parse::<u64>().ok().is_none_or(|expires_ms| expires_ms <= now_ms) {
        return Err(ApiError::new(10_001, "Params Error: expires is in the past"));
    }
    if !is_hmac_sha256(&key.secret, format!("GET/realtime{expires}").as_bytes(), sign) {
        return Err(ApiError::new(10_004, "error sign! please check your signature generation algorithm."));
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_700_000_000_123;

    fn keys() -> Vec<BybitKey> {
        vec![BybitKey::trading("testApiKey0123456789", "testSecretABCDEF0123456789abcdef", 7)]
    }

    fn request(method: &str, query: &str, body: &str, timestamp: &str, sign: &str) -> HttpRequest {
        let headers = [
            ("x-bapi-api-key", "testApiKey0123456789"),
            ("x-bapi-timestamp", timestamp),
            ("x-bapi-recv-window", "5000"),
            ("x-bapi-sign", sign),
        ];
        HttpRequest {
            method: method.to_owned(),
            path: "/v5/x".to_owned(),
            query: query.to_owned(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            body: body.as_bytes().to_vec(),
        }
    }

    fn code(request: &HttpRequest, now_ms: u64) -> i64 {
        verify_rest(request, &keys(), now_ms).map_or_else(|error| error.code, |_| 0)
    }

    // The fact sheet's vectors, recomputed from other people's clients.
    const QUERY: &str = "accountType=UNIFIED&coin=USDT";
    const GET_SIGN: &str = "62d04cdd13c2e36c8980730edd6923e6af52b26c0f273bd382aec4ea34a356a7";
    const BODY: &str = r#"{"category":"spot","symbol":"BTCUSDT","side":"Buy","orderType":"Limit","qty":"0.001","price":"35000.1","timeInForce":"IOC","orderLinkId":"arb-1"}"#;
    const POST_SIGN: &str = "7102248af2910d71e2598c042c179d3d1f30c364604df413e0f5ada5282f8084";

    #[test]
    fn requests_of_the_vectors_pass_and_any_other_does_not() {
        let time = "1700000000123";
        assert_eq!(code(&request("GET", QUERY, "", time, GET_SIGN), NOW_MS), 0);
        assert_eq!(code(&request("POST", "", BODY, time, POST_SIGN), NOW_MS), 0);
        assert_eq!(code(&request("POST", "", &BODY.replace(':', ": "), time, POST_SIGN), NOW_MS), 10_004, "the bytes sent");
        assert_eq!(code(&request("GET", "coin=USDT&accountType=UNIFIED", "", time, GET_SIGN), NOW_MS), 10_004, "their order");
        assert_eq!(code(&request("GET", QUERY, "", time, &GET_SIGN.to_uppercase()), NOW_MS), 10_004);
        let mut stranger = request("GET", QUERY, "", time, GET_SIGN);
        stranger.headers[0].1 = "another".to_owned();
        assert_eq!(code(&stranger, NOW_MS), 10_003);
        stranger.headers.remove(0);
        assert_eq!(verify_rest(&stranger, &keys(), NOW_MS).map_err(|error| error.status).map(|_| 0), Err(401));
    }

    #[test]
    fn the_window_is_closed_behind_and_open_ahead() {
        let check = |now_ms| code(&request("GET", QUERY, "", "1700000000123", GET_SIGN), now_ms);
        assert_eq!([check(NOW_MS + 5_000), check(NOW_MS + 5_001)], [0, 10_002]);
        assert_eq!([check(NOW_MS - 999), check(NOW_MS - 1_000)], [0, 10_002]);
        for (timestamp, window) in [("", None), ("x", None), ("-1", None), ("1700000000123", Some("x"))] {
            assert_eq!(check_window(timestamp, window, NOW_MS).map_err(|error| error.code), Err(10_002));
        }
    }

    #[test]
    fn a_socket_signs_its_expiry() {
        let sign = "9b36f62aaf1f4b82e68c80cd6a0df35150726003b7366c1af9c802d56232c206";
        let verdict = |expires: &str, sign: &str, now_ms| {
            verify_socket("testApiKey0123456789", expires, sign, &keys(), now_ms).map_or_else(|error| error.code, |_| 0)
        };
        assert_eq!(verdict("1700000010123", sign, NOW_MS), 0);
        assert_eq!(verdict("1700000010124", sign, NOW_MS), 10_004);
        assert_eq!(verdict("1700000010123", sign, 1_700_000_010_123), 10_001);
        assert_eq!(
            verify_socket("x", "1700000010123", sign, &keys(), NOW_MS).map_err(|error| error.code).map(|_| 0),
            Err(10_003)
        );
    }
}
