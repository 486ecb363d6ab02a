//! What came in, and the bounded queue that takes it to the caller.
//!
//! Policy at the bound ([`EVENT_QUEUE_LEN`] events or [`EVENT_QUEUE_BYTES`] of payload): the task that has an event waits, and
//! reads nothing more from its socket meanwhile, so that the peer feels it through TCP. Nothing that was read is dropped, book
//! frames included: the driver can't tell them from fills. The order within one link is kept; `received` is the time of the
//! read, not of the hand-over, so that an age includes the wait.

use crate::limits::{EVENT_QUEUE_BYTES, EVENT_QUEUE_LEN};
use domain::{MonoNanos, VenueId};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use venue::{IoFailure, LinkId, LossReason, Ticket};

/// One thing that happened on a venue's sockets.
#[derive(Debug, PartialEq, Eq)]
pub struct IoEvent {
    /// On which venue account.
    pub venue: VenueId,
    /// When it was read from the socket.
    pub received: MonoNanos,
    /// What it is.
    pub body: IoBody,
}

/// What happened.
#[derive(Debug, PartialEq, Eq)]
pub enum IoBody {
    /// A link asked for is up.
    Connected {
        /// Which link.
        link: LinkId,
        /// The other end.
        peer: SocketAddr,
    },
    /// A complete message, text or binary, on a link that is up.
    Frame {
        /// Which link.
        link: LinkId,
        /// Its payload.
        bytes: Vec<u8>,
    },
    /// A link is gone or never came up. The last event of that link until it is opened again.
    Lost {
        /// Which link.
        link: LinkId,
        /// Why, for counters and decisions.
        reason: LossReason,
        /// Why, for people; one short line, without control characters.
        detail: String,
    },
    /// The one answer to a request.
    Response {
        /// Which request.
        ticket: Ticket,
        /// What came of it.
        outcome: HttpOutcome,
    },
}

impl IoBody {
    fn payload_bytes(&self) -> usize {
        match self {
            IoBody::Frame { bytes, .. } => bytes.len(),
            IoBody::Response { outcome: HttpOutcome::Http { body, .. }, .. } => body.len(),
            _ => 0,
        }
    }
}

/// What came of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum HttpOutcome {
    /// The venue answered, whatever the status.
    Http {
        /// Status code.
        status: u16,
        /// `x-…`, `retry-after` and `date` headers: names in lower case, values that are text.
        headers: Vec<(String, String)>,
        /// The whole body.
        body: Vec<u8>,
    },
    /// It did not.
    Failed(IoFailure),
}

/// An event and the share of the byte budget that it holds until it is taken.
struct Queued {
    event: IoEvent,
    _bytes: OwnedSemaphorePermit,
}

/// The drivers' end of the queue. Clones share it: one queue serves all venues.
#[derive(Clone)]
pub struct EventSender {
    queue: mpsc::Sender<Queued>,
    bytes: Arc<Semaphore>,
    bytes_max: u32,
}

/// The caller's end of the queue.
pub struct EventReceiver {
    queue: mpsc::Receiver<Queued>,
}

/// A queue with the bounds of a live run.
pub fn event_queue() -> (EventSender, EventReceiver) {
    event_queue_bounded(EVENT_QUEUE_LEN, EVENT_QUEUE_BYTES)
}

/// A queue of at most `len` events with `bytes` of payload together (an event larger than that waits for an empty queue).
///
/// # Panics
/// When `len` or `bytes` is zero.
pub fn event_queue_bounded(len: usize, bytes: u32) -> (EventSender, EventReceiver) {
    assert!(len > 0 && bytes > 0, "Invariant: a queue holds at least one event and one byte");
    let (sender, receiver) = mpsc::channel(len);
    (
        EventSender { queue: sender, bytes: Arc::new(Semaphore::new(bytes as usize)), bytes_max: bytes },
        EventReceiver { queue: receiver },
    )
}

impl EventSender {
    fn cost(&self, event: &IoEvent) -> u32 {
        u32::try_from(event.body.payload_bytes()).unwrap_or(u32::MAX).min(self.bytes_max)
    }

    /// Queues the event, or gives it back when the queue is full. An event for a caller that is gone vanishes.
    pub(crate) fn try_send(&self, event: IoEvent) -> Result<(), IoEvent> {
        let Ok(bytes) = Arc::clone(&self.bytes).try_acquire_many_owned(self.cost(&event)) else {
            return Err(event);
        };
        match self.queue.try_send(Queued { event, _bytes: bytes }) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Full(queued)) => Err(queued.event),
        }
    }

    /// Queues the event, waiting for room. An event for a caller that is gone vanishes.
    pub(crate) async fn send(&self, event: IoEvent) {
        // When the receiver is dropped its queued shares come back, so this never waits for a caller that is gone.
        if let Ok(bytes) = Arc::clone(&self.bytes).acquire_many_owned(self.cost(&event)).await {
            let _ = self.queue.send(Queued { event, _bytes: bytes }).await;
        }
    }
}

impl EventReceiver {
    /// The next event; `None` when every driver is gone. Safe to drop before it is ready: no event is lost.
    pub async fn recv(&mut self) -> Option<IoEvent> {
        self.queue.recv().await.map(|queued| queued.event)
    }

    /// Events that wait.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// True when the queue has no place left, or somebody waits for one.
    pub fn is_full(&self) -> bool {
        self.queue.capacity() == 0
    }

    /// The next event if one is waiting.
    pub fn try_recv(&mut self) -> Option<IoEvent> {
        self.queue.try_recv().ok().map(|queued| queued.event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::LinkRole;

    fn frame(mark: u8, len: usize) -> IoEvent {
        let link = LinkId { role: LinkRole::Public, shard: 0 };
        IoEvent { venue: VenueId(0), received: MonoNanos(0), body: IoBody::Frame { link, bytes: vec![mark; len] } }
    }

    #[test]
    fn both_bounds_give_the_event_back_and_taking_one_makes_room() {
        let (sender, mut receiver) = event_queue_bounded(3, 100);
        assert_eq!(sender.try_send(frame(1, 60)), Ok(()));
        assert_eq!(sender.try_send(frame(2, 41)), Err(frame(2, 41)));
        assert_eq!(sender.try_send(frame(3, 40)), Ok(()));
        assert_eq!(sender.try_send(frame(4, 0)), Ok(()));
        assert_eq!(sender.try_send(frame(5, 0)), Err(frame(5, 0)));
        assert_eq!(receiver.try_recv(), Some(frame(1, 60)));
        assert_eq!(sender.try_send(frame(2, 41)), Ok(()));
        let rest: Vec<IoEvent> = std::iter::from_fn(|| receiver.try_recv()).collect();
        assert_eq!(rest, [frame(3, 40), frame(4, 0), frame(2, 41)]);
        // Larger than the budget: alone.
        assert_eq!(sender.try_send(frame(6, 500)), Ok(()));
        assert_eq!(sender.try_send(frame(7, 1)), Err(frame(7, 1)));
    }

    #[test]
    fn a_caller_that_is_gone_blocks_nobody() {
        let (sender, receiver) = event_queue_bounded(1, 10);
        assert_eq!(sender.try_send(frame(1, 10)), Ok(()));
        drop(receiver);
        assert_eq!(sender.try_send(frame(2, 10)), Ok(()));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(sender.send(frame(3, 10)));
    }
}
