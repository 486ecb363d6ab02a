//! Carries any [`venue::VenueSession`] over real sockets: TLS, WebSocket, HTTPS, receive stamps. On tokio.
//!
//! Start at [`VenueIo`]: one per venue account. The caller owns the sessions and the engine, hands every
//! [`venue::Transmit`] to [`VenueIo::perform`], and takes [`IoEvent`]s from the queue that [`event_queue`] makes.
//!
//! Promises:
//! 1. A request is put on the wire at most once, by any layer, and answered by exactly one [`IoBody::Response`].
//! 2. [`venue::IoFailure::NotSent`] is said only when no byte of the request left; in doubt the answer is `Broken` or `TimedOut`.
//! 3. Nothing is sent in the clear to any host but this machine, and no byte of a session before a verified TLS handshake.
//!    There is no switch that turns verification off.
//! 4. Every queue, buffer and wait has a bound ([`Limits`]). A full event queue stops the reading of sockets; nothing that was
//!    read is dropped. A full write queue closes its link.
//! 5. Headers, queries and bodies are never logged.
//!
//! It knows nothing about any venue, decodes nothing, and never reconnects by itself: the session asks for that.

mod clock;
mod connect;
mod driver;
mod endpoint;
mod error;
mod event;
mod http;
mod limits;
mod link;
mod tls;

pub use clock::{Clock, SUSPEND_GAP_NS, SuspendMonitor};
pub use driver::{VenueIo, request_once};
pub use endpoint::Routes;
pub use error::IoSetupError;
pub use event::{EventReceiver, EventSender, HttpOutcome, IoBody, IoEvent, event_queue, event_queue_bounded};
pub use limits::{EVENT_QUEUE_BYTES, EVENT_QUEUE_LEN, Limits};
pub use tls::TlsRoots;

/// What both transports call themselves.
const USER_AGENT: &str = concat!("crossgate/", env!("CARGO_PKG_VERSION"));
