//! Every bound of the driver, and what happens at it.

use std::time::Duration;

/// Events waiting for the caller. At the bound the readers stop reading their sockets (back-pressure); nothing is dropped.
pub const EVENT_QUEUE_LEN: usize = 1024;

/// Payload bytes of the events waiting for the caller, so that large frames can't fill memory before the count is reached.
/// At the bound the readers stop reading.
pub const EVENT_QUEUE_BYTES: u32 = 12 << 20;

/// Bytes of each response that are not counted against [`Limits::bodies_bytes_max`]: a large list that is being read must not
/// break the small answer to an order.
pub(crate) const BODY_FREE_BYTES: usize = 64 << 10;

/// Response headers handed on, at most.
pub(crate) const RESPONSE_HEADERS_MAX: usize = 64;

/// Bytes of a response header's value; longer ones are left out.
pub(crate) const RESPONSE_HEADER_BYTES_MAX: usize = 256;

/// Bounds of one venue's sockets. The defaults are those of a live run; tests shorten the waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Name look-up, TCP connect, TLS and WebSocket handshake together. Past it the link is lost as `ConnectFailed`; for
    /// requests it bounds connect and TLS (`NotSent`).
    pub handshake: Duration,
    /// One write to a WebSocket. Past it the link is lost as `SocketError`: the peer does not read.
    pub write: Duration,
    /// The WebSocket close handshake. Past it the socket is closed all the same.
    pub close: Duration,
    /// Payload bytes of one WebSocket frame. Over it the link is lost as `ProtocolError` before the payload is read.
    pub frame_bytes_max: usize,
    /// Payload bytes of one message made of fragments. Over it the link is lost as `ProtocolError`.
    pub message_bytes_max: usize,
    /// Frames waiting to be written on one link. At the bound the link is lost as `SocketError`: an order frame must not age
    /// in a queue.
    pub write_queue_len: usize,
    /// Bytes of one response body. Over it the request fails as `Broken`.
    pub body_bytes_max: usize,
    /// Bytes of all response bodies being read or waiting. Over it the request fails as `Broken`.
    pub bodies_bytes_max: usize,
    /// Requests under way. At the bound a further one fails as `NotSent`.
    pub requests_max: usize,
    /// How long an unused HTTP connection is kept: below the keep-alive time of venues, so that an order rarely meets a
    /// connection that the venue is just closing.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            handshake: Duration::from_secs(10),
            write: Duration::from_secs(10),
            close: Duration::from_secs(2),
            frame_bytes_max: 1 << 20,
            message_bytes_max: 4 << 20,
            write_queue_len: 256,
            body_bytes_max: 8 << 20,
            bodies_bytes_max: 16 << 20,
            requests_max: 64,
            idle: Duration::from_secs(30),
        }
    }
}
