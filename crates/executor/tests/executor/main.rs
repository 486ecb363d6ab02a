//! The executor as a whole: scripts of single orders, of deals, of accounts, and seeded worlds with faults.

mod checkpoint;
mod deals;
mod life;
mod named;
mod preflight;
mod reads;
mod reconcile;
mod recovered;
mod refusals;
mod report;
mod rig;
mod sight;
mod terms;
mod unknown;
mod world;
