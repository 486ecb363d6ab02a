//! Every signature vector of the Bybit fact sheet, and what must not sign alike.

use super::{RECV_WINDOW_MS, Signer};
use secrecy::SecretString;

const AT_MS: i64 = 1_700_000_000_123;
const QUERY: &str = "accountType=UNIFIED&coin=USDT";
const BODY: &str = r#"{"category":"spot","symbol":"BTCUSDT","side":"Buy","orderType":"Limit","qty":"0.001","price":"35000.1","timeInForce":"IOC","orderLinkId":"arb-1"}"#;

const Y1: &str = "62d04cdd13c2e36c8980730edd6923e6af52b26c0f273bd382aec4ea34a356a7";
const Y2: &str = "7102248af2910d71e2598c042c179d3d1f30c364604df413e0f5ada5282f8084";
const Y3: &str = "9b36f62aaf1f4b82e68c80cd6a0df35150726003b7366c1af9c802d56232c206";

fn signer(key: &str, secret: &str) -> Signer {
    Signer::new(SecretString::from(key), &SecretString::from(secret))
}

fn ours() -> Signer {
    signer("testApiKey0123456789", "testSecretABCDEF0123456789abcdef")
}

#[test]
fn the_vectors_of_the_fact_sheet() {
    assert_eq!(ours().rest(AT_MS, RECV_WINDOW_MS, QUERY.as_bytes()), Y1, "Y1, a GET");
    assert_eq!(ours().rest(AT_MS, RECV_WINDOW_MS, BODY.as_bytes()), Y2, "Y2, a POST");
    assert_eq!(ours().login(1_700_000_010_123), Y3, "Y3, a login");
}

#[test]
fn whatever_differs_signs_differently() {
    let rest = |at, window, payload: &str| ours().rest(at, window, payload.as_bytes());
    for (what, signature) in [
        ("another time", rest(AT_MS + 1, RECV_WINDOW_MS, QUERY)),
        ("seconds for milliseconds", rest(AT_MS / 1000, RECV_WINDOW_MS, QUERY)),
        ("another window", rest(AT_MS, 10_000, QUERY)),
        ("another order of the query", rest(AT_MS, RECV_WINDOW_MS, "coin=USDT&accountType=UNIFIED")),
        ("a question mark", rest(AT_MS, RECV_WINDOW_MS, &format!("?{QUERY}"))),
        ("no query", rest(AT_MS, RECV_WINDOW_MS, "")),
        ("another key", signer("testApiKey012345678", "testSecretABCDEF0123456789abcdef").rest(AT_MS, 5000, QUERY.as_bytes())),
        (
            "another secret",
            signer("testApiKey0123456789", "testsecretABCDEF0123456789abcdef").rest(AT_MS, 5000, QUERY.as_bytes()),
        ),
    ] {
        assert_ne!(signature, Y1, "{what}");
        assert_eq!(signature.len(), 64, "{what}");
    }
    // JSON that means the same is not the same bytes.
    assert_ne!(rest(AT_MS, RECV_WINDOW_MS, &BODY.replace(',', ", ")), Y2);
    assert_ne!(ours().login(1_700_000_010_124), Y3);
    assert_ne!(ours().login(1_700_000_010), Y3, "seconds for milliseconds");
    assert_eq!(Y1, Y1.to_lowercase());
}

#[test]
fn a_signer_shows_nothing() {
    assert_eq!(format!("{:?}", ours()), "Signer(hidden)");
}
