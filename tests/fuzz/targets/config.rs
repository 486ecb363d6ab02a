//! The loader is the binary's own, and nothing depends on the binary: its modules are built here once more.
#![no_main]
#![allow(dead_code, unused_imports)]

#[path = "../../../crates/crossgate/src/config/mod.rs"]
mod config;
#[path = "../../../crates/crossgate/src/registry.rs"]
mod registry;

libfuzzer_sys::fuzz_target!(|data: &[u8]| config::fuzzed::check(data));
