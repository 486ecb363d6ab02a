//! Whether books were on time when something was opened on them, judged from outside: when a frame was received and what was decided
//! are the journal's, when the venue had sent it is the [`Feeder`]'s own schedule. What the engine thinks of lag is not looked at.

use super::feeder::Feeder;
use super::recording::Kind;
use domain::{BookBody, Input, NewOrder, PairId, Purpose, Tables, VenueId};
use journal::{Record, RunFiles};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// One leg of a plan, on the book that it was decided on. Times against the venue's schedule.
#[derive(Clone, Debug)]
pub(crate) struct Leg {
    /// The order.
    pub(crate) order: NewOrder,
    /// When it was decided, from the beginning of the play.
    pub(crate) at: Duration,
    /// How much later than sent the newest frame of the book had come, its tops included.
    pub(crate) late: Duration,
    /// When the newest frame of the book itself had been received, Unix nanoseconds.
    received_ns: i64,
    /// How long the venue had had newer news, sent and not taken in yet.
    pub(crate) behind: Duration,
}

/// What a run opened, and on what.
#[derive(Debug, Default)]
pub(crate) struct Punctuality {
    /// Legs of openings, in the order in which they were sent.
    pub(crate) openings: Vec<Leg>,
    /// Hedges: they close what is open, late book or not.
    pub(crate) hedges: Vec<Leg>,
    /// Frames of books that were taken in, and by how much the latest of them was late.
    pub(crate) frames: usize,
    pub(crate) latest: Duration,
    /// Half of the longest round trip among those that the venues' clocks were measured by.
    pub(crate) uncertainty: Duration,
}

/// The newest frame of one book that was taken in.
#[derive(Clone, Copy, Debug, Default)]
struct Newest {
    id: u64,
    received: i64,
    sent: i64,
}

/// Names, send times by (pair, kind, id) of a venue, and the same by time for each pair.
struct Schedule {
    sent: BTreeMap<(String, Kind, u64), i64>,
    by_pair: BTreeMap<String, Vec<i64>>,
}

impl Schedule {
    fn of(feeder: &Feeder) -> Schedule {
        let sent = feeder.sent();
        let mut by_pair: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for ((name, kind, _), at) in &sent {
            if *kind == Kind::Book {
                by_pair.entry(name.clone()).or_default().push(*at);
            }
        }
        by_pair.values_mut().for_each(|times| times.sort_unstable());
        Schedule { sent, by_pair }
    }

    /// When the first frame after `sent` was sent, if by `now`.
    fn waiting_since(&self, name: &str, sent: i64, now: i64) -> Option<i64> {
        let times = self.by_pair.get(name)?;
        times.get(times.partition_point(|at| *at <= sent)).copied().filter(|at| *at <= now)
    }
}

struct Judge {
    tables: Tables,
    schedules: Vec<Schedule>,
    began_ns: i64,
    /// Our wall clock less the engine's monotonic one.
    wall_ns: i64,
    books: BTreeMap<(VenueId, PairId), Newest>,
    tops: BTreeMap<(VenueId, PairId), Newest>,
    now: i64,
    found: Punctuality,
}

fn nanos(span: i64) -> Duration {
    Duration::from_nanos(u64::try_from(span).unwrap_or_default())
}

impl Punctuality {
    /// Of the newest epoch of a run directory, against feeders in the order of the configured venues, which began to play at `began_ns`.
    /// `name` is what the venues call a pair.
    #[track_caller]
    pub(crate) fn of(run_dir: &Path, feeders: &[&Feeder], began_ns: i64, name: impl Fn(&str, &str) -> String) -> Punctuality {
        let files = RunFiles::new(run_dir);
        let epoch = *files.epochs().expect("the directory can be read").last().expect("something was run");
        let (mut intents, mut tables) = (Vec::new(), Tables::default());
        for record in files.state_records().expect("the directory can be read") {
            match record.expect("a whole state log") {
                (of, Record::Intent { seq, order }) if of == epoch => intents.push((seq, order)),
                (of, Record::Header(header)) if of == epoch => tables = header.tables,
                _ => {}
            }
        }
        let batches: Vec<_> =
            files.replay_inputs(epoch).expect("both logs can be read").map(|batch| batch.expect("both logs are whole")).collect();
        // A tick's wall time is read after its monotonic one: the least difference is the truest.
        let ticks = batches.iter().flat_map(|batch| &batch.inputs).filter_map(|(_, received, input)| match input {
            Input::Tick { unix } => Some(unix.0 - received.0 as i64),
            _ => None,
        });
        let wall_ns = ticks.min().expect("ticks");
        let schedules = feeders.iter().map(|feeder| Schedule::of(feeder)).collect();
        let (books, tops, found) = (BTreeMap::new(), BTreeMap::new(), Punctuality::default());
        let mut judge = Judge { tables, schedules, began_ns, wall_ns, books, tops, now: 0, found };
        let mut intents = intents.into_iter().peekable();
        for batch in &batches {
            let first = batch.inputs.first().map(|(seq, ..)| *seq);
            while let Some((_, order)) = intents.next_if(|(seq, _)| first.is_some_and(|first| *seq < first)) {
                judge.intent(order, &name);
            }
            batch.inputs.iter().for_each(|(.., input)| judge.input(input, &name));
            judge.now = batch.now.0 as i64 + wall_ns;
        }
        intents.for_each(|(_, order)| judge.intent(order, &name));
        judge.found
    }

    /// No leg was opened on a book whose newest frame was later than `lag_max`, or received further than `skew_max` from the other
    /// leg's. `tolerance` is what the engine can't see: see `docs/reliability.md`.
    #[track_caller]
    pub(crate) fn assert_punctual(&self, lag_max: Duration, skew_max: Duration, tolerance: Duration) {
        for leg in &self.openings {
            assert!(leg.late <= lag_max + tolerance, "opened on a book that was {:?} late: {leg:?}", leg.late);
            assert!(self.skew(leg) <= skew_max, "opened on books {:?} apart: {leg:?}", self.skew(leg));
        }
    }

    /// How far apart the books of both legs were received.
    #[track_caller]
    pub(crate) fn skew(&self, leg: &Leg) -> Duration {
        let other = self.openings.iter().find(|o| o.order.deal == leg.order.deal && o.order.venue != leg.order.venue);
        let other = other.unwrap_or_else(|| panic!("a plan of one leg: {leg:?}"));
        Duration::from_nanos(leg.received_ns.abs_diff(other.received_ns))
    }

    /// Legs opened in a part of the play.
    pub(crate) fn opened(&self, from: Duration, to: Duration) -> usize {
        self.openings.iter().filter(|leg| (from..to).contains(&leg.at)).count()
    }
}

impl Judge {
    fn pair_name(&self, pair: PairId, name: &impl Fn(&str, &str) -> String) -> String {
        let symbol = &self.tables.pair(pair).expect("a pair of the tables").symbol;
        name(&symbol.base, &symbol.quote)
    }

    #[track_caller]
    fn input(&mut self, input: &Input, name: &impl Fn(&str, &str) -> String) {
        let update = match input {
            Input::Book(update) => update,
            Input::Clock(offset) => {
                self.found.uncertainty = self.found.uncertainty.max(Duration::from_nanos(offset.uncertainty_ns));
                return;
            }
            _ => return,
        };
        let (kind, id) = match update.body {
            BookBody::Snapshot { id, .. } => (Kind::Book, id),
            BookBody::Delta { last, .. } => (Kind::Book, last),
            BookBody::Top { id, .. } => (Kind::Top, id),
            BookBody::Evidence { .. } | BookBody::Untrusted { .. } => return,
        };
        let schedule = self.schedules.get(update.venue.index()).expect("a feeder for each venue");
        let received = update.received.0 as i64 + self.wall_ns;
        let key = (self.pair_name(update.pair, name), kind, id);
        // A copy of the time before the play began is as old as the play.
        let sent = schedule.sent.get(&key).copied();
        let sent = sent.unwrap_or(received.min(self.began_ns));
        let newest = if kind == Kind::Book { &mut self.books } else { &mut self.tops };
        let newest = newest.entry((update.venue, update.pair)).or_default();
        *newest = Newest { id, received, sent };
        self.found.frames += 1;
        self.found.latest = self.found.latest.max(nanos(received - sent));
    }

    #[track_caller]
    fn intent(&mut self, order: NewOrder, name: &impl Fn(&str, &str) -> String) {
        let book = self.books.get(&(order.venue, order.pair)).copied().unwrap_or_default();
        let top = self.tops.get(&(order.venue, order.pair)).copied().unwrap_or_default();
        let newest = if top.id > book.id { top } else { book };
        let schedule = self.schedules.get(order.venue.index()).expect("a feeder for each venue");
        let waiting = schedule.waiting_since(&self.pair_name(order.pair, name), book.sent, self.now);
        let leg = Leg {
            order,
            at: nanos(self.now - self.began_ns),
            late: nanos(newest.received - newest.sent),
            received_ns: book.received,
            behind: nanos(waiting.map_or(0, |since| self.now - since)),
        };
        if order.purpose == Purpose::Open { self.found.openings.push(leg) } else { self.found.hedges.push(leg) }
    }
}
