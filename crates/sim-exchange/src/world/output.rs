//! What leaves the venues, ordered by time.
//!
//! Start at [`OutputQueue::http`] and [`OutputQueue::ws`]. Outputs of equal time leave in the order they were queued;
//! frames of one connection never overtake each other (it is one TCP stream), whatever times they were given.

use std::collections::BTreeMap;

use super::dialect::{HttpResponse, WsFrame};

/// Something that left a venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// When it left, Unix nanoseconds.
    pub t_ns: u64,
    /// Position of the venue in the configuration.
    pub venue: usize,
    /// What.
    pub body: OutputBody,
}

/// The forms of output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputBody {
    /// The reply to a request.
    Http {
        /// Given with the request.
        ticket: u64,
        /// The reply.
        response: HttpResponse,
    },
    /// A frame on a connection.
    Ws {
        /// Connection.
        conn: u64,
        /// Frame.
        frame: WsFrame,
    },
    /// The venue cuts a connection, without a close frame.
    WsClose {
        /// Connection.
        conn: u64,
    },
}

/// Outputs not yet taken, ordered by time.
#[derive(Debug, Default)]
pub struct OutputQueue {
    venue: usize,
    floor_t_ns: u64,
    sequence: u64,
    waiting: BTreeMap<(u64, u64), Output>,
    /// Per connection with anything waiting: when its last frame leaves.
    last_of_conn: BTreeMap<(usize, u64), u64>,
}

impl OutputQueue {
    /// An empty queue. The world makes its own; tests of a dialect alone start here.
    pub fn new() -> OutputQueue {
        OutputQueue::default()
    }

    /// Says whose outputs follow and what time it is; earlier times count as this one.
    pub(crate) fn begin(&mut self, venue: usize, t_ns: u64) {
        self.venue = venue;
        self.floor_t_ns = t_ns;
    }

    /// Queues the reply to `ticket` for `t_ns`.
    pub fn http(&mut self, t_ns: u64, ticket: u64, response: HttpResponse) {
        self.push(t_ns, OutputBody::Http { ticket, response });
    }

    /// Queues a frame on `conn` for `t_ns`, or for when the frame before it leaves, whichever is later.
    pub fn ws(&mut self, t_ns: u64, conn: u64, frame: WsFrame) {
        let t_ns = self.after_last_of(conn, t_ns);
        self.push(t_ns, OutputBody::Ws { conn, frame });
    }

    /// Queues the end of `conn` for `t_ns`, after what is already on its way to it.
    pub fn ws_close(&mut self, t_ns: u64, conn: u64) {
        let t_ns = self.after_last_of(conn, t_ns);
        self.push(t_ns, OutputBody::WsClose { conn });
    }

    /// Takes the oldest output due at or before `to_t_ns`.
    pub fn pop_due(&mut self, to_t_ns: u64) -> Option<Output> {
        let entry = self.waiting.first_entry()?;
        if entry.key().0 > to_t_ns {
            return None;
        }
        let output = entry.remove();
        if let OutputBody::WsClose { conn } = output.body {
            self.last_of_conn.remove(&(output.venue, conn));
        }
        Some(output)
    }

    /// When the oldest output is due.
    pub fn next_due(&self) -> Option<u64> {
        self.waiting.first_key_value().map(|((t_ns, _), _)| *t_ns)
    }

    /// Outputs waiting.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Drops what is still on its way to a connection that is gone.
    pub(crate) fn forget_conn(&mut self, venue: usize, conn: u64) {
        self.last_of_conn.remove(&(venue, conn));
        self.waiting.retain(|_, output| {
            let to = match output.body {
                OutputBody::Ws { conn, .. } | OutputBody::WsClose { conn } => Some(conn),
                OutputBody::Http { .. } => None,
            };
            output.venue != venue || to != Some(conn)
        });
    }

    fn after_last_of(&mut self, conn: u64, t_ns: u64) -> u64 {
        let last = self.last_of_conn.entry((self.venue, conn)).or_insert(0);
        *last = t_ns.max(self.floor_t_ns).max(*last);
        *last
    }

    fn push(&mut self, t_ns: u64, body: OutputBody) {
        let t_ns = t_ns.max(self.floor_t_ns);
        self.sequence += 1;
        self.waiting.insert((t_ns, self.sequence), Output { t_ns, venue: self.venue, body });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str) -> WsFrame {
        WsFrame::Text(name.as_bytes().to_vec())
    }

    #[test]
    fn frames_of_one_connection_never_overtake_each_other() {
        let mut queue = OutputQueue::new();
        queue.begin(0, 100);
        queue.ws(500, 1, text("a"));
        queue.ws(200, 1, text("b"));
        queue.ws(200, 2, text("other"));
        queue.ws(50, 3, text("late"));
        let order: Vec<(u64, OutputBody)> =
            std::iter::from_fn(|| queue.pop_due(1_000)).map(|output| (output.t_ns, output.body)).collect();
        assert_eq!(
            order,
            vec![
                (100, OutputBody::Ws { conn: 3, frame: text("late") }),
                (200, OutputBody::Ws { conn: 2, frame: text("other") }),
                (500, OutputBody::Ws { conn: 1, frame: text("a") }),
                (500, OutputBody::Ws { conn: 1, frame: text("b") }),
            ]
        );
    }

    #[test]
    fn a_gone_connection_gets_nothing_more() {
        let mut queue = OutputQueue::new();
        queue.begin(1, 0);
        queue.ws(10, 7, text("a"));
        queue.begin(0, 0);
        queue.ws(10, 7, text("same number, other venue"));
        queue.forget_conn(1, 7);
        assert_eq!(queue.len(), 1);
        assert_eq!(queue.pop_due(9), None);
        assert_eq!(queue.pop_due(10).map(|output| output.venue), Some(0));
    }
}
