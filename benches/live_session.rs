//! A production Gate session brought to the point where the next frame is a book update: connected, and for the diff channel
//! with its REST copy applied.

use crate::tape::{PAIR, Tape, VENUE};
use domain::{BookUpdate, Input, LinkRole, MonoNanos, UnixNanos};
use gate_connector::GateSession;
use venue::{LinkId, Response, SessionConfig, Transmit, VenueSession};

const PUBLIC: LinkId = LinkId { role: LinkRole::Public, shard: 0 };
/// Time between two frames.
const INTERVAL_NS: u64 = 100_000_000;

/// A session without keys, and a clock that goes on by 100 ms a frame.
pub struct LiveSession {
    session: GateSession,
    now: MonoNanos,
    inputs: Vec<Input>,
}

impl LiveSession {
    /// A session of `order_book` or `order_book_update`, whose link is up.
    ///
    /// # Panics
    /// For another channel.
    pub fn new(tape: &Tape, channel: &str) -> LiveSession {
        let config = SessionConfig {
            venue: VENUE,
            tables: tape.tables.clone(),
            pairs: vec![PAIR],
            key: None,
            secret: None,
            book_channel: channel.into(),
            options: venue::SessionOptions::default(),
            seed: 1,
        };
        let mut live =
            LiveSession { session: GateSession::new(config).expect("a known channel"), now: MonoNanos(1), inputs: Vec::new() };
        live.session.start(live.now);
        live.session.handle_connected(PUBLIC, live.now, &mut live.inputs);
        live.serve(tape);
        live
    }

    /// Answers what the session asks for, as far as a book needs it.
    fn serve(&mut self, tape: &Tape) {
        while let Some(transmit) = self.session.poll_transmit(self.now, UnixNanos(0), &mut self.inputs) {
            if let Transmit::Request { ticket, request, .. } = transmit
                && request.path.ends_with("/order_book")
            {
                let mut body = tape.base.clone();
                let response = Response::Http { status: 200, headers: &[], body: &mut body };
                self.session.handle_response(ticket, self.now, response, &mut self.inputs);
            }
        }
    }

    /// One frame; what it became is in [`LiveSession::inputs`].
    pub fn frame(&mut self, bytes: &mut [u8]) {
        self.inputs.clear();
        self.now = self.now.after(INTERVAL_NS);
        self.session.handle_frame(PUBLIC, self.now, bytes, &mut self.inputs);
    }

    /// One frame of the diff channel that may need its REST copy first.
    pub fn first_frame(&mut self, bytes: &mut [u8], tape: &Tape) {
        self.frame(bytes);
        self.serve(tape);
    }

    /// What the last call became.
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }
}

/// Every book update that these frames become, in order: exactly one a frame, besides the copy that diffs stand on.
///
/// # Panics
/// When a frame is refused or becomes something else: the bench would measure the wrong thing.
pub fn decoded(tape: &Tape, channel: &str) -> Vec<BookUpdate> {
    let mut live = LiveSession::new(tape, channel);
    let frames = if channel == "order_book" { &tape.snapshots } else { &tape.diffs };
    let mut updates = Vec::new();
    for (index, frame) in frames.iter().enumerate() {
        let mut bytes = frame.clone();
        if index == 0 {
            live.first_frame(&mut bytes, tape)
        } else {
            live.frame(&mut bytes)
        }
        let before = updates.len();
        updates.extend(live.inputs().iter().filter_map(|input| match input {
            Input::Book(update) => Some(update.clone()),
            _ => None,
        }));
        let new = updates.len() - before;
        assert!(
            new == 1 || (index == 0 && new == 2),
            "frame {index} became {new} book updates: {}",
            String::from_utf8_lossy(frame)
        );
    }
    updates
}
