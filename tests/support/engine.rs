//! An engine that trades with real orders on the venues of a [`Sim`], and its end: in order, and equal to the venues' own books.

use super::count;
use super::ops::{ready, status, until};
use super::process::Running;
use super::state_log::StateLog;
use super::venue::Sim;
use rustix::process::Signal;
use serde_json::Value;
use std::path::Path;

/// The command line of such an engine; its configuration is `live.toml` of the working directory.
pub(crate) const GO: [&str; 6] = ["run", "-c", "live.toml", "--live", "--no-tui", "--json"];

/// Ends an engine in order. Its report must say that it is reconciled, and its log must hold what the venues hold.
#[track_caller]
pub(crate) fn end_in_order(engine: Running, sim: &Sim, dir: &Path) -> Value {
    engine.signal(Signal::TERM);
    let json = engine.end().expect(0).json();
    assert_eq!((&json["reconciled"], &json["orders_unknown"]), (&true.into(), &0.into()), "{json}");
    sim.assert_balances(&json);
    StateLog::read(&dir.join("state")).assert_is_the_venues(sim);
    json
}

/// Deals so far.
#[track_caller]
pub(crate) fn deals(ops: &str) -> u64 {
    count(&status(ops), "deals")
}

/// Ready again, and a deal more.
#[track_caller]
pub(crate) fn until_it_trades(ops: &str) {
    until("it is ready again", || ready(ops));
    let before = deals(ops);
    until("it trades again", || deals(ops) > before);
}
