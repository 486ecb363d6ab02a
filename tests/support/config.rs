//! Configuration files for the tests, made from the ones that the project ships.

use serde_json::Value;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The demo's configuration.
pub(crate) const DEMO: &str = include_str!("../../configs/demo.toml");
/// Two simulated Gate venues.
const GATES: &str = include_str!("gates.toml");
/// The testnet's configuration.
pub(crate) const TESTNET: &str = include_str!("../../configs/testnet.toml");
/// The live hosts' configuration.
const LIVE: &str = include_str!("../../configs/live.toml");
/// The name of the variable that holds the ops token.
pub(crate) const TOKEN_ENV: &str = "CROSSGATE_OPS_TOKEN";

/// `text` with the first `from` replaced; it must be there.
#[track_caller]
pub(crate) fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "the configuration has no `{from}`");
    text.replacen(from, to, 1)
}

/// Two simulated Gate venues on free ports, with the state in `state` of the working directory, and replacements.
#[track_caller]
pub(crate) fn gates(replacements: &[(&str, &str)]) -> String {
    let own = [("dir = \".crossgate/demo\"", "dir = \"state\""), ("listen = \"127.0.0.1:9464\"", "listen = \"127.0.0.1:0\"")];
    own.iter().chain(replacements).fold(GATES.to_string(), |text, (from, to)| replaced(&text, from, to))
}

/// The shipped file for live hosts, with its state in `state`.
pub(crate) fn live_file() -> String {
    replaced(LIVE, "dir = \".crossgate/live\"", "dir = \"state\"")
}

/// Writes a file and returns its path.
#[track_caller]
pub(crate) fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, text).expect("the file can be written");
    path
}

/// A live configuration for separately started venues (the objects of `sim`'s first line): keys from `TEST_KEY_n` and
/// `TEST_SECRET_n`, state in `state` of the working directory, a free ops port.
pub(crate) fn live(venues: &[Value]) -> String {
    let mut text = String::from(
        "mode = \"live\"\nseed = 1\n[state]\ndir = \"state\"\n[ops]\nlisten = \"127.0.0.1:0\"\n[execution]\nreconcile_every = \"5s\"\n\
         [risk]\norder_value_max = \"2500\"\ndeal_value_max = \"2500\"\nunhedged_value_max = \"10000\"\nopen_deals_max = 4\n\
         orders_per_second_max = 20\ndaily_loss_max = \"1000\"\n",
    );
    for (index, venue) in venues.iter().enumerate() {
        let _ = writeln!(text, "[[venue]]\nkey_env = \"TEST_KEY_{index}\"\nsecret_env = \"TEST_SECRET_{index}\"");
        for key in ["id", "kind", "rest", "ws", "private_ws", "ca_file", "order_entry"] {
            if let Some(value) = venue[key].as_str() {
                let _ = writeln!(text, "{key} = \"{value}\"");
            }
        }
    }
    for symbol in ["BTC/USDT", "ETH/USDT", "SOL/USDT", "XRP/USDT"] {
        let _ = writeln!(text, "[[pair]]\nsymbol = \"{symbol}\"");
    }
    text
}

/// Two venues on a loopback port that may or may not be served; their keys are nobody's.
pub(crate) fn two_venues_on(port: u16) -> Vec<Value> {
    ["left", "right"]
        .map(|id| {
            let ws = format!("ws://127.0.0.1:{port}/ws/v4/");
            serde_json::json!({"id": id, "kind": "gate", "rest": format!("http://127.0.0.1:{port}"), "ws": ws, "private_ws": ws})
        })
        .to_vec()
}
