//! Every target as a plain test of bolero, whose inputs are drawn anew each time.
//!
//! The seeded changes of each target's own inputs are in `smoke.rs`, which does the same on every machine.

use bolero::check;
use fuzz_targets::{TARGETS, target};

/// Inputs a target gets on every test run.
const RUNS: usize = 1_000;

macro_rules! targets {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                let target = target(stringify!($name));
                check!().with_iterations(RUNS).with_max_len(target.bytes_max).for_each(|bytes: &[u8]| (target.run)(bytes));
            }
        )*

        #[test]
        fn each_target_is_here() {
            assert_eq!([$(stringify!($name)),*].as_slice(), TARGETS.iter().map(|target| target.name).collect::<Vec<_>>());
        }
    };
}

targets! {
    decimal client_order_id symbol
    gate_frame gate_book gate_private gate_entry gate_rest gate_catalogue gate_session
    binance_spot binance_futures binance_rest binance_api binance_account binance_session
    bybit_frame bybit_rest bybit_private bybit_session
    codec state_log market_log own_tape foreign_tape
    order_book sizing order_life
}
