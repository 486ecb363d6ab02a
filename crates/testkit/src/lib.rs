//! The virtual-time harness: production engine, sessions and dialect bytes against the simulated venues, in one thread, under a
//! clock that jumps to the next event.
//!
//! | to do this | start at |
//! |---|---|
//! | run one seed | [`runner::run`] with [`SimConfig::faulty`] or [`SimConfig::calm`] |
//! | understand a run | [`simulation`], the loop, and `strikes`, what happens in it; [`wires`], the network between both sides; [`process`], one life of the engine |
//! | add a fault | [`faults::FaultMix`], [`incidents`], [`mixed`]; which is injected how: [`coverage`] |
//! | add an invariant | [`judge`] |
//!
//! What is the real thing here: the engine, [`node::Node`], the sessions with every byte they send and read, the log formats, and
//! recovery. What is replaced: sockets (by [`wires`]), files (by logs in memory), clocks (by the loop).
//!
//! Promises: a run is a function of its [`SimConfig`], byte for byte; the judges share no state with what they judge; a run that
//! breaks an invariant says which one, when, and how to run it again.
//!
//! Not simulated: power loss and most ways in which files fail (their own tests do that), sockets (tests over loopback do that).

pub mod config;
pub mod coverage;
pub mod faults;
pub mod incidents;
pub mod judge;
pub mod log_tap;
pub mod mixed;
pub mod process;
pub mod runner;
pub mod simulation;
pub mod speech;
mod strikes;
pub mod tamper;
pub mod trace;
pub mod venues;
pub mod wires;

pub use config::SimConfig;
pub use coverage::{Coverage, Struck};
pub use faults::FaultMix;
pub use judge::{Invariant, Violation};
pub use runner::{Failure, Failures, run};
pub use simulation::Report;
