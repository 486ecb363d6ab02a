//! Pure detection: changed books in, opportunities with their cost waterfall and verdict out. No clock, no I/O, no floats.
//!
//! Start at [`assess()`], which judges one ordered venue pair (buy here, sell there), and at [`Tracker`], which turns a run of
//! assessments into opportunities, each counted once. The caller makes one [`CollarReference`] a pair and decision with
//! [`collar_reference`] and hands it to every `assess` of that pair.

pub mod assess;
pub mod depth;
pub mod tracker;

pub use assess::{Assessment, DetectorConfig, Group, LegView, assess, edge_at_value};
pub use order_book::{CollarReference, collar_reference};
pub use tracker::Tracker;
