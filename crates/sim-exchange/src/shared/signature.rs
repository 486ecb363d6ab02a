//! Checks of keyed hashes, written from the algorithms alone: what a client signed is recomputed here by nobody's code but ours.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Whether `claimed` is the HMAC-SHA256 of `message` under `secret`, as lower-case hex. Compared in constant time.
pub(crate) fn is_hmac_sha256(secret: &str, message: &[u8], claimed: &str) -> bool {
    if claimed.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return false;
    }
    let Ok(claimed) = hex::decode(claimed) else { return false };
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return false };
    mac.update(message);
    mac.verify_slice(&claimed).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_hash_is_accepted_and_any_other_is_not() {
        // RFC 4231, test case 2.
        let (secret, message) = ("Jefe", b"what do ya want for nothing?");
        let hash = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert!(is_hmac_sha256(secret, message, hash));
        for claimed in [&hash.to_uppercase(), &hash[1..], "", "zz", &hash.replace('5', "6")] {
            assert!(!is_hmac_sha256(secret, message, claimed), "{claimed}");
        }
        assert!(!is_hmac_sha256("jefe", message, hash));
        assert!(!is_hmac_sha256(secret, b"what do ya want", hash));
    }
}
