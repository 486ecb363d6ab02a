//! Everything Bybit (v5: spot, linear and inverse perpetuals), and nothing else: wire codecs, session, signatures, rules, error
//! codes.
//!
//! - [`connector::BybitConnector`] is what start-up needs: hosts, rules, a session factory. One kind serves three markets, told
//!   apart by the symbol ([`market`]).
//! - [`session::BybitSession`] is the protocol half: bytes and time in, inputs and requests out.
//! - [`wire`] turns bytes into typed values or a typed refusal; nothing in it panics on, or guesses at, any input.
//! - [`sign`] signs requests and logins; [`errors`] maps the venue's codes to the classes that all venues share.
//!
//! Nothing here opens a socket, reads a clock or knows another venue. Times are arguments; Bybit's JSON shapes stop here.

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

pub use connector::BybitConnector;
pub use session::BybitSession;
