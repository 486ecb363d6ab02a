//! The protocol half of one venue account: bytes and time come in, inputs and requests come out.
//!
//! The same value runs under the live driver, the simulator and the replayer. It owns its links by role (public shards,
//! private, order entry) and its REST conversation; a driver only carries bytes.

use crate::stats::SessionStats;
use domain::{Command, Input, LinkRole, MonoNanos, UnixNanos, VenueId};

/// One connection of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId {
    /// What it is for.
    pub role: LinkRole,
    /// Which one of that role.
    pub shard: u8,
}

/// Names one request until its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// HTTP methods that venues use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Places.
    Post,
    /// Amends.
    Patch,
    /// Cancels.
    Delete,
}

impl Method {
    /// Upper case, as signed and sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }
}

/// One signed (or public) request, complete: the driver adds nothing but `Host` and the body's length.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// Method.
    pub method: Method,
    /// Path from the host on, percent-encoded, with its prefix (`/api/v4/spot/orders`).
    pub path: String,
    /// Query without `?`, as it goes on the wire; empty for none.
    pub query: String,
    /// Header names and values. May hold keys and signatures: never logged.
    pub headers: Vec<(&'static str, String)>,
    /// Exact body bytes; empty for none.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Headers carry keys and signatures: never shown.
        write!(f, "{} {}?{} ({} B)", self.method.as_str(), self.path, self.query, self.body.len())
    }
}

/// What a session wants done on the wire, oldest first.
#[derive(Clone, PartialEq, Eq)]
pub enum Transmit {
    /// Open this link (the driver knows the URL of each role); `handle_connected` or `handle_lost` answers.
    Open(LinkId),
    /// Close this link; `handle_lost` answers.
    Close(LinkId),
    /// Send a text frame. Dropped silently when the link is gone: `handle_lost` tells.
    Frame {
        /// On which link.
        link: LinkId,
        /// UTF-8 text.
        text: String,
        /// True when it places an order: for the `tick_to_order` measure and the wire monitor.
        order: bool,
    },
    /// Send a request once, never repeated by any layer; `handle_response` answers exactly once.
    Request {
        /// Names it.
        ticket: Ticket,
        /// What to send.
        request: HttpRequest,
        /// Nanoseconds after which the driver gives up and answers [`IoFailure::TimedOut`].
        timeout_ns: u64,
        /// True when it places an order: for the `tick_to_order` measure and the wire monitor.
        order: bool,
    },
}

impl std::fmt::Debug for Transmit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Transmit::Open(link) => f.debug_tuple("Open").field(link).finish(),
            Transmit::Close(link) => f.debug_tuple("Close").field(link).finish(),
            // Frames that log in or subscribe to private channels carry the key and a signature: never shown.
            Transmit::Frame { link, text, order } => {
                f.debug_struct("Frame").field("link", link).field("bytes", &text.len()).field("order", order).finish()
            }
            Transmit::Request { ticket, request, timeout_ns, order } => f
                .debug_struct("Request")
                .field("ticket", ticket)
                .field("request", request)
                .field("timeout_ns", timeout_ns)
                .field("order", order)
                .finish(),
        }
    }
}

/// The answer to a request.
#[derive(Debug)]
pub enum Response<'a> {
    /// The venue answered.
    Http {
        /// Status code.
        status: u16,
        /// Header names in lower case, and values; only those the session may read (rate limits, trace).
        headers: &'a [(String, String)],
        /// Body; decoders may scribble on it.
        body: &'a mut [u8],
    },
    /// It did not.
    Failed(IoFailure),
}

/// Why no answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoFailure {
    /// No byte of the request left this host.
    NotSent,
    /// Bytes may have left; the connection broke or the answer was cut.
    Broken,
    /// Bytes may have left; no answer in time.
    TimedOut,
}

/// Why a link is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LossReason {
    /// Never came up: refused, name not found, handshake failed.
    ConnectFailed,
    /// TLS refused the peer.
    TlsRefused,
    /// The peer closed it.
    ClosedByPeer,
    /// Reset or another socket error.
    SocketError,
    /// A frame over the cap or against the protocol.
    ProtocolError,
    /// The session asked for it.
    ClosedByUs,
}

impl LossReason {
    /// Every reason.
    pub const ALL: [LossReason; 6] = [
        LossReason::ConnectFailed,
        LossReason::TlsRefused,
        LossReason::ClosedByPeer,
        LossReason::SocketError,
        LossReason::ProtocolError,
        LossReason::ClosedByUs,
    ];

    /// The `reason` label of `reconnects_total`.
    pub const fn as_str(self) -> &'static str {
        match self {
            LossReason::ConnectFailed => "connect_failed",
            LossReason::TlsRefused => "tls_refused",
            LossReason::ClosedByPeer => "closed_by_peer",
            LossReason::SocketError => "socket_error",
            LossReason::ProtocolError => "protocol_error",
            LossReason::ClosedByUs => "closed_by_us",
        }
    }
}

/// The protocol half of one venue account. Implementors: each connector's session, and scripted ones in tests.
///
/// Every method may append inputs for the engine to `updates`, and may make [`VenueSession::poll_transmit`] and
/// [`VenueSession::poll_timeout`] change; the caller polls both after every call. No method panics on any bytes.
pub trait VenueSession: Send {
    /// Which venue account.
    fn venue(&self) -> VenueId;

    /// Asks for links and first reads. Called once.
    fn start(&mut self, now: MonoNanos);

    /// A link asked for by [`Transmit::Open`] is up.
    fn handle_connected(&mut self, link: LinkId, now: MonoNanos, updates: &mut Vec<Input>);

    /// A complete text frame came in at `now`. The decoder may scribble on it.
    fn handle_frame(&mut self, link: LinkId, now: MonoNanos, frame: &mut [u8], updates: &mut Vec<Input>);

    /// A link is gone, or never came up.
    fn handle_lost(&mut self, link: LinkId, now: MonoNanos, reason: LossReason, updates: &mut Vec<Input>);

    /// The answer to a request.
    fn handle_response(&mut self, ticket: Ticket, now: MonoNanos, response: Response<'_>, updates: &mut Vec<Input>);

    /// The time of [`VenueSession::poll_timeout`] has come. Calling it early is harmless.
    fn handle_timeout(&mut self, now: MonoNanos, updates: &mut Vec<Input>);

    /// The process was suspended (boot-time gap over 250 ms): whatever is buffered is old; every book resyncs as `paused`.
    fn handle_paused(&mut self, now: MonoNanos, updates: &mut Vec<Input>);

    /// Takes one command of the engine. What can't be sent comes back as an input (`NotSent`, `ReadFailed`), never silently.
    fn submit(&mut self, now: MonoNanos, command: &Command, updates: &mut Vec<Input>);

    /// Next thing for the wire, oldest first. Signing time is an argument. An order whose deadline has passed becomes a
    /// `NotSent` input instead of bytes.
    fn poll_transmit(&mut self, now: MonoNanos, wall: UnixNanos, updates: &mut Vec<Input>) -> Option<Transmit>;

    /// When [`VenueSession::handle_timeout`] wants to be called.
    fn poll_timeout(&self) -> Option<MonoNanos>;

    /// Asks for all links to be closed. No reconnects after this.
    fn shutdown(&mut self, now: MonoNanos);

    /// Until when public reads of the limit with this number wait because the venue said so, past when they don't; `None` past the last
    /// limit. Two sessions behind one address tell each other ([`crate::redundant`]).
    fn public_parked_until(&self, _limit: usize) -> Option<MonoNanos> {
        None
    }

    /// Another session of this address was told to wait with public reads of this limit.
    fn park_public(&mut self, _limit: usize, _until: MonoNanos) {}

    /// Another session of this address was told of a ban until then, and has told the engine.
    fn ban_until(&mut self, _until: MonoNanos) {}

    /// Plain counters, copied out by the ops thread.
    fn stats(&self) -> &SessionStats;
}
