//! What the benches share: the inputs ([`tape`]), a session that is ready to decode them ([`live_session`]), and how results are
//! measured and shown ([`report`]).
//!
//! Every bench prints percentiles of single operations, the machine, the commit, and the ratio to a yardstick measured in the same
//! run: absolute values move with the machine, ratios hardly do. Inputs are recorded books where `CROSSGATE_DATA` names the
//! recordings, otherwise books that the simulator made from a seed.

pub mod json_alone;
pub mod live_session;
pub mod report;
pub mod tape;
