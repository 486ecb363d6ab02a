//! Published and independently recomputed signatures: what a mistake in any of them costs is every request.

use super::{KeyError, Signer};
use secrecy::SecretString;

const KEY: &str = "testApiKey0123456789";
const SECRET: &str = "testSecretABCDEF0123456789abcdef";
/// The bytes 0 to 31.
const SEED: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// The same in PKCS#8.
const PKCS8: &str = "MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
const ORDER: &str = "timestamp=1700000000123&symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=IOC&quantity=0.001&price=35000.10&newClientOrderId=arb-1&recvWindow=5000";
const LOGON: &str = "apiKey=testApiKey0123456789&timestamp=1700000000123";
const PLACE: &str = "apiKey=testApiKey0123456789&newClientOrderId=arb-1&price=35000.10&quantity=0.001&recvWindow=5000&side=BUY&symbol=BTCUSDT&timeInForce=IOC&timestamp=1700000000123&type=LIMIT";

fn signer(secret: &str) -> Result<Signer, KeyError> {
    Signer::new(SecretString::from(KEY), &SecretString::from(secret))
}

/// A block of PEM.
fn block(label: &str, body: &str) -> String {
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

fn pem() -> String {
    block("PRIVATE KEY", PKCS8)
}

#[test]
fn hmac_signatures_are_the_published_ones() {
    let hmac = signer(SECRET).unwrap();
    assert!(!hmac.may_log_on());
    for (payload, expected) in [
        (ORDER, "145bda4ebf07d64898573e27a02ce94be3b2ed4771c94be1f517db6de0a830b1"),
        (
            "timestamp=1700000000123&omitZeroBalances=true&recvWindow=5000",
            "42105d5d13bb3d7fb31bec75f46d16c5526d96390ec3df32df09ac7b3f588d73",
        ),
        (LOGON, "5aa0432eb172ed6423a0f62dcb0a9cae33b4b8289990fd2b82a91849c47a031a"),
        (PLACE, "b4169aee6e1a52d6732963d9d4e98783ae37f352e9e33aed825c62da26d01f21"),
    ] {
        assert_eq!(hmac.sign(payload), expected, "{payload}");
    }
    let published = signer("NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j").unwrap();
    let payload =
        "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559";
    let expected = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71";
    assert_eq!(published.sign(payload), expected);
    assert_eq!(published.signed(payload), format!("{payload}&signature={expected}"));
}

#[test]
fn ed25519_signatures_are_those_of_the_seed_in_every_form_that_a_secret_has() {
    let escaped = pem().replace('\n', "\\n");
    for secret in [SEED, PKCS8, &pem(), &escaped, &format!("  {SEED}\n")] {
        let pair = signer(secret).unwrap();
        assert!(pair.may_log_on());
        for (payload, expected) in [
            (ORDER, "wfTsqM3I/5I3D4lvcCB6Jxfn25ZW4ykR0Vj0j9FtEE171/KTy3iuol8qOiVfql0UIPJMzNebaV2QsL4hdZhPAg=="),
            (LOGON, "xDy27N/Wq/IYF2GzsB0W1ycAhd8XGoNoug93yEXaASmjWMDP3DVB0brglvPdc80sVhGPvhb9n0+Flbvgc50pAQ=="),
            (PLACE, "HjoJI52bOP4NI1sL0t5tSnGNRVXX/vg+HVtYorPGHTBhthmBrSgpeTeiTtVlDbBCNqSMlHMDnUg8wtv2/YGYAw=="),
        ] {
            assert_eq!(pair.sign(payload), expected, "{payload}");
        }
    }
    let form = signer(SEED).unwrap().signed(ORDER);
    let signature = "wfTsqM3I%2F5I3D4lvcCB6Jxfn25ZW4ykR0Vj0j9FtEE171%2FKTy3iuol8qOiVfql0UIPJMzNebaV2QsL4hdZhPAg%3D%3D";
    assert_eq!(form, format!("{ORDER}&signature={signature}"));
}

#[test]
fn what_looks_like_a_private_key_and_can_not_sign_is_refused_in_one_sentence() {
    // PKCS#8 headers of an RSA and of an EC key, without the keys.
    let (rsa, ec) = ("MBMCAQAwDQYJKoZIhvcNAQEBBQAEAA==", "MBkCAQAwEwYHKoZIzj0CAQYIKoZIzj0DAQcEAA==");
    for (secret, expected) in [
        (pem().replace("-----END PRIVATE KEY-----", ""), KeyError::Malformed),
        (block("PRIVATE KEY", "not base64!"), KeyError::Malformed),
        (block("PRIVATE KEY", "AAAA"), KeyError::Malformed),
        ("-----BEGIN ".to_string(), KeyError::Malformed),
        (block("PRIVATE KEY", rsa), KeyError::Rsa),
        (block("RSA PRIVATE KEY", rsa), KeyError::Rsa),
        (block("PRIVATE KEY", ec), KeyError::Other),
        (block("EC PRIVATE KEY", ec), KeyError::Other),
        (block("ENCRYPTED PRIVATE KEY", ec), KeyError::Encrypted),
        (block("PUBLIC KEY", ec), KeyError::Public),
    ] {
        let refused = signer(&secret).unwrap_err();
        assert_eq!(refused, expected, "{secret}");
        assert!(!refused.to_string().contains(rsa) && refused.to_string().lines().count() == 1);
    }
    assert!(!signer("short").unwrap().may_log_on(), "any other text is an HMAC secret");
    assert_eq!(format!("{:?}", signer(SECRET).unwrap()), "Signer(hidden)");
}
