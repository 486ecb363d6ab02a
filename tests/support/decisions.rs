//! What the engine knew when it opened: put together again from the journal of one run, by receive times and the venues' own send
//! times, without the code that judged them live.

use domain::{BookBody, Input, LinkRole, LinkState, MonoNanos, NewOrder, PairId, Purpose, VenueId};
use journal::{Record, RunFiles};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// One leg of a plan as it was sent.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    /// The order.
    pub(crate) order: NewOrder,
    /// Number of the intent in the log.
    pub(crate) seq: u64,
    /// Whether a whole book has come since the last loss of the link, of trust, or pause.
    pub(crate) live: bool,
    /// Batch time less the receive time of the last evidence of the book.
    pub(crate) age: Duration,
    /// Receive time less send time of the last frame with one, by the clock of this machine: the simulated venues stamp by it too.
    pub(crate) lag: Duration,
    /// When that evidence was received.
    pub(crate) received: MonoNanos,
}

/// Everything a journal says about openings.
#[derive(Debug, Default)]
pub(crate) struct Decisions {
    /// Legs of plans, as they were sent.
    pub(crate) openings: Vec<Opening>,
    /// Numbers of the inputs that said that the process had been suspended.
    pub(crate) pauses: Vec<u64>,
    /// Losses of a venue's public link that were made good.
    pub(crate) recoveries: Vec<Recovery>,
}

/// A loss of a venue's public link that was made good.
#[derive(Clone, Debug)]
pub(crate) struct Recovery {
    /// The venue, as configured.
    pub(crate) venue: String,
    /// From the loss until every group of the venue's streams had a connection again.
    pub(crate) up: Duration,
    /// From the loss until a whole book of every pair had come again.
    pub(crate) whole: Duration,
}

#[derive(Clone, Debug, Default)]
struct Book {
    live: bool,
    received: MonoNanos,
    lag: Duration,
}

#[derive(Default)]
struct Reader {
    books: BTreeMap<(VenueId, PairId), Book>,
    /// Unix time less monotonic time, by the last tick.
    over: i128,
    /// When the public link was lost, and when it came up again.
    lost: BTreeMap<VenueId, (MonoNanos, Option<MonoNanos>)>,
    /// By number.
    venues: Vec<String>,
    now: MonoNanos,
    decisions: Decisions,
}

impl Decisions {
    /// Of the newest epoch.
    #[track_caller]
    pub(crate) fn of(run_dir: &Path) -> Decisions {
        let files = RunFiles::new(run_dir);
        let epoch = *files.epochs().expect("the directory can be read").last().expect("something was run");
        let mut intents = Vec::new();
        for record in files.state_records().expect("the directory can be read") {
            let (of, record) = record.expect("a whole state log");
            if let Record::Intent { seq, order } = record
                && of == epoch
            {
                intents.push((seq, order));
            }
        }
        let mut intents = intents.into_iter().peekable();
        let batches = files.replay_inputs(epoch).expect("both logs can be read");
        let mut reader = Reader { venues: batches.header().tables.venues.clone(), ..Reader::default() };
        for batch in batches {
            let batch = batch.expect("both logs are whole");
            let first = batch.inputs.first().map(|(seq, ..)| *seq);
            while let Some((seq, order)) = intents.next_if(|(seq, _)| first.is_some_and(|first| *seq < first)) {
                reader.intent(seq, order);
            }
            for (seq, received, input) in &batch.inputs {
                reader.input(*seq, *received, input);
            }
            reader.now = batch.now;
        }
        for (seq, order) in intents {
            reader.intent(seq, order);
        }
        reader.decisions
    }

    /// Every plan's two legs were decided on whole books that were neither older, later nor further apart than this.
    #[track_caller]
    pub(crate) fn assert_fresh(&self, age_max: Duration, lag_max: Duration, skew_max: Duration) {
        for opening in &self.openings {
            assert!(opening.live, "opened on a book without a snapshot: {opening:?}");
            assert!(opening.age <= age_max, "opened on an old book: {opening:?}");
            assert!(opening.lag <= lag_max, "opened on a late book: {opening:?}");
            let other = self.openings.iter().find(|o| o.order.deal == opening.order.deal && o.order.venue != opening.order.venue);
            let other = other.unwrap_or_else(|| panic!("a plan of one leg: {opening:?}"));
            let skew = Duration::from_nanos(opening.received.0.abs_diff(other.received.0));
            assert!(skew <= skew_max, "opened on books {skew:?} apart: {opening:?} {other:?}");
        }
    }
}

impl Reader {
    fn intent(&mut self, seq: u64, order: NewOrder) {
        if order.purpose != Purpose::Open {
            return;
        }
        let book = self.books.get(&(order.venue, order.pair)).cloned().unwrap_or_default();
        let age = Duration::from_nanos(self.now.since(book.received));
        let Book { live, lag, received } = book;
        self.decisions.openings.push(Opening { order, seq, live, age, lag, received });
    }

    fn input(&mut self, seq: u64, received: MonoNanos, input: &Input) {
        match input {
            Input::Book(update) => {
                let book = self.books.entry((update.venue, update.pair)).or_default();
                match update.body {
                    BookBody::Untrusted { .. } => book.live = false,
                    BookBody::Snapshot { .. } => book.live = true,
                    BookBody::Delta { .. } | BookBody::Top { .. } | BookBody::Evidence { .. } => {}
                }
                book.received = update.received;
                if let Some(sent) = update.sent_at {
                    let took = i128::from(update.received.0) + self.over - i128::from(sent.at.0);
                    book.lag = Duration::from_nanos(u64::try_from(took.max(0)).unwrap_or(u64::MAX));
                }
                let venue = update.venue;
                if self.books.iter().filter(|((of, _), _)| *of == venue).all(|(_, book)| book.live)
                    && let Some((lost, up)) = self.lost.remove(&venue)
                {
                    let since = |at: MonoNanos| Duration::from_nanos(at.since(lost));
                    let (up, whole) = (since(up.unwrap_or(received)), since(received));
                    let venue = self.venues[usize::from(venue.0)].clone();
                    self.decisions.recoveries.push(Recovery { venue, up, whole });
                }
            }
            Input::Link(change) if change.role == LinkRole::Public && change.state != LinkState::Up => {
                self.books.iter_mut().filter(|((venue, _), _)| *venue == change.venue).for_each(|(_, book)| book.live = false);
                if change.state == LinkState::Paused {
                    self.decisions.pauses.push(seq);
                } else {
                    self.lost.entry(change.venue).or_insert((change.at, None)).1 = None;
                }
            }
            Input::Link(change) if change.role == LinkRole::Public => {
                if let Some((_, up)) = self.lost.get_mut(&change.venue) {
                    *up = Some(change.at);
                }
            }
            Input::Tick { unix } => self.over = i128::from(unix.0) - i128::from(received.0),
            _ => {}
        }
    }
}
