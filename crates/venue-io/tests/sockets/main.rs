//! The driver against peers of the tests' own making, over real loopback sockets. The peers misbehave on purpose.
//!
//! No test sleeps to let something happen: each waits for an event or for what its peer saw, under one deadline.

mod http;
mod peers;
mod tls;
mod websocket;
