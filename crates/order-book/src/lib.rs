//! One venue's book of one pair: the single-writer [`OrderBook`], the same with its stamps ([`TrackedBook`]), exact depth walks
//! ([`walk`]), and the lock-free copy that other threads may read ([`BookCell`]).
//!
//! Promises: integers only, no clock (time is an argument), no I/O, no allocation after construction. A book that breaks a rule
//! is emptied and stays unusable until the next snapshot; nothing here ever repairs one.
//!
//! Start at [`OrderBook::apply`]; the engine calls it through [`TrackedBook::handle`].

pub mod book;
pub mod cell;
pub mod collar;
mod ladder;
pub mod lag;
pub mod tracked;
pub mod walk;

pub use book::{Applied, BookFault, DEPTH_MAX, OrderBook};
pub use cell::{BookCell, BookView, VIEW_DEPTH};
pub use collar::{CollarReference, collar_reference};
pub use ladder::Levels;
pub use lag::{Lag, VenueLag};
pub use tracked::TrackedBook;
pub use walk::{Crossing, Walk, walk_crossing, walk_qty};
