//! The pure glue of a running node: venue sessions, the engine and both logs behind one event interface.
//!
//! The live loop, the virtual-time harness and tests drive the same [`Node`]; they differ only in who carries bytes and who says
//! what time it is. Replay drives the inner [`Decider`], which is everything after the sessions.
//!
//! Kept true:
//! 1. An order's intent is in the state log before any session sees the order (I9).
//! 2. Every input gets a sequence number and is logged; batches end where the log says, so replay cuts in the same places.
//! 3. Nothing is lost between an event and the log: what sessions produce while taking commands goes into the next batch.

pub mod decider;
pub mod logged;
pub mod node;
pub mod recover;
mod remap;

pub use decider::Decider;
pub use logged::Logged;
pub use node::{Node, NodeLogs};
pub use recover::{RecoverError, recover, recover_before, write_checkpoint};
