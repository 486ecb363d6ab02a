//! Everything Binance (spot, USD-M and COIN-M futures), public side, and nothing else: wire codecs, session, rules.
//!
//! - [`connector::BinanceConnector`] is what start-up needs: hosts, rules, a session factory. One kind serves three markets, told apart
//!   by the symbol ([`market`]).
//! - [`session::BinanceSession`] is the protocol half: bytes and time in, inputs and requests out.
//! - [`wire`] turns bytes into typed values or a typed refusal; nothing in it panics on, or guesses at, any input.
//!
//! Nothing here opens a socket, reads a clock, knows a key or knows another venue. Times are arguments; Binance's JSON shapes stop here.

pub mod connector;
mod hosts;
pub mod market;
mod recorded;
pub mod rules;
pub mod session;
pub mod wire;

pub use connector::BinanceConnector;
pub use session::BinanceSession;
