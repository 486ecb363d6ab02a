//! What is fuzzed: functions of bytes that assert. Whatever the bytes, a target returns or panics; a panic is a finding.
//!
//! One list, [`TARGETS`], serves three drivers: the smoke test of this crate (stable, seeded, seconds, on every test run), bolero's tests
//! (stable, drawn anew on every test run) and the coverage-guided targets of `tests/fuzz` (`cargo fuzz`, hours). A finding becomes a named
//! test in `tests/findings.rs`.
//!
//! Targets assert more than survival: what was decoded is sound and prints back to the same, a reused decoder says what a fresh one
//! says, a fast structure agrees with a naive one, a changed log never yields a record that was not written.
//!
//! Start at [`TARGETS`]; [`mutate`] makes inputs out of each target's own seeds.

pub mod binance;
pub mod book;
pub mod bybit;
pub mod bytes;
pub mod gate;
pub mod logs;
pub mod mutate;
pub mod numbers;
pub mod orders;
pub mod session;
pub mod sizing;
pub mod sound;
pub mod tapes;

/// One thing that is fuzzed.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, the same in `tests/fuzz`.
    pub name: &'static str,
    /// Takes any bytes; panics on a finding.
    pub run: fn(&[u8]),
    /// Inputs that reach its depths.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Longest input worth trying.
    pub bytes_max: usize,
}

/// Everything that is fuzzed.
pub const TARGETS: &[Target] = &[
    Target { name: "decimal", run: numbers::decimal, seeds: numbers::decimal_seeds, bytes_max: 80 },
    Target { name: "client_order_id", run: numbers::client_order_id, seeds: numbers::client_order_id_seeds, bytes_max: 48 },
    Target { name: "symbol", run: numbers::symbol, seeds: numbers::symbol_seeds, bytes_max: 110 },
    Target { name: "gate_frame", run: gate::frame, seeds: gate::frame_seeds, bytes_max: 2048 },
    Target { name: "gate_book", run: gate::book, seeds: gate::book_seeds, bytes_max: 1024 },
    Target { name: "gate_private", run: gate::private, seeds: gate::private_seeds, bytes_max: 1024 },
    Target { name: "gate_entry", run: gate::entry, seeds: gate::entry_seeds, bytes_max: 1536 },
    Target { name: "gate_rest", run: gate::rest, seeds: gate::rest_seeds, bytes_max: 1536 },
    Target { name: "gate_catalogue", run: gate::catalogue, seeds: gate::rest_seeds, bytes_max: 1536 },
    Target { name: "gate_session", run: session::gate, seeds: session::seeds, bytes_max: 1024 },
    Target { name: "binance_spot", run: binance::spot, seeds: binance::frame_seeds, bytes_max: 1024 },
    Target { name: "binance_futures", run: binance::futures, seeds: binance::frame_seeds, bytes_max: 1024 },
    Target { name: "binance_rest", run: binance::rest, seeds: binance::rest_seeds, bytes_max: 2048 },
    Target { name: "binance_api", run: binance::api, seeds: binance::api_seeds, bytes_max: 1024 },
    Target { name: "binance_account", run: binance::account, seeds: binance::account_seeds, bytes_max: 1024 },
    Target { name: "binance_session", run: session::binance, seeds: session::seeds, bytes_max: 1024 },
    Target { name: "bybit_frame", run: bybit::frame, seeds: bybit::frame_seeds, bytes_max: 1024 },
    Target { name: "bybit_rest", run: bybit::rest, seeds: bybit::rest_seeds, bytes_max: 2048 },
    Target { name: "bybit_private", run: bybit::private, seeds: bybit::private_seeds, bytes_max: 1536 },
    Target { name: "bybit_session", run: session::bybit, seeds: session::seeds, bytes_max: 1024 },
    Target { name: "codec", run: logs::codec, seeds: logs::codec_seeds, bytes_max: 1024 },
    Target { name: "state_log", run: logs::state_log, seeds: logs::edit_seeds, bytes_max: 256 },
    Target { name: "market_log", run: logs::market_log, seeds: logs::edit_seeds, bytes_max: 256 },
    Target { name: "own_tape", run: tapes::own, seeds: logs::edit_seeds, bytes_max: 256 },
    Target { name: "foreign_tape", run: tapes::foreign, seeds: tapes::foreign_seeds, bytes_max: 1024 },
    Target { name: "order_book", run: book::order_book, seeds: book::seeds, bytes_max: 512 },
    Target { name: "sizing", run: sizing::sizing, seeds: sizing::seeds, bytes_max: 128 },
    Target { name: "order_life", run: orders::order_life, seeds: orders::seeds, bytes_max: 256 },
];

/// The target of this name.
///
/// # Panics
/// When there is none: a driver names what does not exist.
pub fn target(name: &str) -> &'static Target {
    TARGETS.iter().find(|target| target.name == name).unwrap_or_else(|| panic!("no fuzz target is named `{name}`"))
}
