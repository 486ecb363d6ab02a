//! What logs, run directories and tapes refuse, in which words, and at which byte or line.

mod logs;
mod rig;
mod tapes;
