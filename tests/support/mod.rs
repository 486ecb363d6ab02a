//! What the tests of the real binary share: starting it and watching it ([`process`]), configuration files ([`config`]), a
//! plain HTTP client ([`http`]), what an engine tells of itself ([`ops`]) and its end in order ([`engine`]), simulated venues
//! ([`venue`]) with clients of our own for their accounts ([`account`]), and the comparison of an engine's log with the venues' books ([`state_log`]).
//!
//! Nothing here waits by sleeping: lines, answers and ends are waited for with a deadline, and whatever was started is ended by
//! its own process id.

#![allow(dead_code, reason = "each test target uses its part")]

pub(crate) mod account;
pub(crate) mod config;
pub(crate) mod decisions;
pub(crate) mod dice;
pub(crate) mod engine;
pub(crate) mod feeder;
pub(crate) mod figures;
pub(crate) mod http;
pub(crate) mod ops;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod punctual;
pub(crate) mod recording;
pub(crate) mod state_log;
pub(crate) mod tls_trap;
pub(crate) mod venue;
pub(crate) mod ws;

use serde_json::Value;
use tempfile::TempDir;

/// A directory of the test's own, removed at its end.
pub(crate) fn dir() -> TempDir {
    tempfile::tempdir().expect("a directory of our own")
}

/// A count under `key` of a JSON object.
#[track_caller]
pub(crate) fn count(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_else(|| panic!("`{key}` is no count: {value}"))
}
