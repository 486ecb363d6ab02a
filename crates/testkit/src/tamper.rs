//! What a venue's edge says wrongly, whatever it speaks: broken replies (F33). What is rewritten in a protocol's own bytes is its
//! [`sim_exchange::reading`].

use sim_exchange::reading::Reading;

/// What a proxy, a crash or another version make of a reply (F33): status and body.
pub fn bad_body(reading: &dyn Reading, status: u16, body: &[u8], kind: u64) -> (u16, Vec<u8>) {
    match kind {
        0 => (502, b"<html><body>Bad gateway</body></html>".to_vec()),
        1 => (status, body.get(..body.len() / 2).unwrap_or_default().to_vec()),
        2 => (200, reading.error_inside().to_vec()),
        _ => (504, Vec::new()),
    }
}
