//! Everything Binance (spot; the public side of USD-M and COIN-M futures), and nothing else: wire codecs, signatures, session, rules.
//!
//! - [`connector::BinanceConnector`] is what start-up needs: hosts, rules, a session factory. One kind serves three markets, told apart
//!   by the symbol ([`market`]).
//! - [`session::BinanceSession`] is the protocol half: bytes and time in, inputs and requests out.
//! - [`wire`] turns bytes into typed values or a typed refusal; nothing in it panics on, or guesses at, any input.
//!
//! - [`sign`] makes signatures, of both kinds of keys. [`errors`] says what codes mean. `checkup` is what `doctor` asks.
//!
//! Nothing here opens a socket, reads a clock or knows another venue. Times are arguments; Binance's JSON shapes stop here.

mod assets;
mod checkup;
pub mod connector;
pub mod errors;
mod hosts;
pub mod market;
mod recorded;
pub mod rules;
pub mod session;
pub mod sign;
pub mod wire;

pub use connector::BinanceConnector;
pub use session::BinanceSession;
