//! The decision core: inputs in, commands out. A deterministic function of its inputs; the hot path reads top to bottom in
//! [`step`]. No clock, no socket, no thread, no venue by name.
//!
//! [`Engine::apply`] takes one input, in the order the node gave it; [`Engine::decide`] runs once per batch over what was
//! touched. Both append to [`Outputs`].

pub mod config;
pub mod dead_man;
pub mod obstacles;
pub mod place_budget;
pub mod recover;
pub mod report;
pub mod stages;
pub mod step;

pub use config::EngineConfig;
pub use report::EngineReport;
pub use stages::{Stage, StageWatch};
pub use step::{Engine, EngineStats, Outputs};
