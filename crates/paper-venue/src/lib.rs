//! Paper trading: live public data, simulated fills.
//!
//! [`PaperSession`] wraps a venue's own session, which runs without keys: books, clock and links are the venue's, while orders,
//! balances and every private answer come from a paper account ([`account`]) and the shared fill model ([`fill_model`]). The engine
//! cannot tell: the same inputs come in the same shapes, so paper decides by the very code that trades live.
//!
//! What it promises: an order meets the book as of its arrival, one measured latency after it was sent; its answer comes one more
//! latency later; it pays the fee rate it is told to. What it cannot know makes every result an **upper bound**: see `fill_model`.
//!
//! Start at [`PaperSession::new`].

pub mod account;
pub mod session;

pub use account::PaperAccount;
pub use session::{PaperConfig, PaperFunds, PaperLatency, PaperSession};
