//! Everything Gate (API v4, spot), and nothing else: wire codecs, signing, session, rules, errors.
//!
//! - [`connector::GateConnector`] is what start-up needs: hosts, rules, a session factory.
//! - [`session::GateSession`] is the protocol half of one account: bytes and time in, inputs and requests out.
//! - [`wire`] turns bytes into typed values or a typed refusal; nothing in it panics on, or guesses at, any input.
//! - [`rest`] is the catalogue of the spot REST API: a request builder and a decoder for every endpoint.
//! - [`sign`] makes signatures, [`errors`] maps Gate's labels to the classes that every venue shares.
//!
//! Nothing here opens a socket, reads a clock or knows another venue. Times are arguments; Gate's JSON shapes stop here.

mod assets;
mod checkup;
pub mod connector;
pub mod errors;
mod recorded;
pub mod rest;
pub mod rules;
pub mod session;
pub mod sign;
pub mod wire;

pub use connector::GateConnector;
pub use session::GateSession;
