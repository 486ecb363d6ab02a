//! A venue's clock, measured: rounds of samples of its time endpoint, of which the one with the least round trip counts.
//!
//! Start at [`ClockSync::begin`]; after every answer, tell the sample ([`ClockSync::sample`]) and then ask what follows
//! ([`ClockSync::conclude`]). Between samples the venue's time is carried on the *monotonic* clock, so a step of our wall clock does
//! not move signatures. Before the first sample, and after the process was suspended, it is our wall time plus the last known
//! offset. Rounds are numbered, and an answer to a request of an earlier one says nothing ([`ClockSync::awaits`]): asked before a
//! suspension, it would tie the venue's clock to one that stood still since. Which request asks for a sample, and what a failure is told as, is the connector's.

use crate::backoff::Jitter;
use domain::time::MILLI;
use domain::{ClockOffset, ErrorClass, Input, MonoNanos, ReadFailure, ReadKind, UnixNanos, VenueId};

/// Venues tell milliseconds, cut: on average that is half of one early.
const HALF_RESOLUTION_NS: i64 = (MILLI / 2) as i64;

/// How a venue's clock is asked.
#[derive(Clone, Copy, Debug)]
pub struct ClockPace {
    /// Samples of a round.
    pub samples: u32,
    /// Rounds begin this often.
    pub refresh_ns: u64,
    /// A round whose samples all failed begins again after half of this to all of it.
    pub retry_ns: u64,
    /// One that ended with a refusal for a rate limit does so too; else it begins again at its usual time.
    pub retry_limited: bool,
}

/// What follows an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockStep {
    /// Another sample is to be asked for.
    Ask,
    /// The round is over.
    Measured {
        /// Venue time minus our wall time.
        offset_ns: i64,
        /// Venue time minus our monotonic time.
        over_monotonic_ns: i64,
        /// Half of the best round trip.
        uncertainty_ns: u64,
    },
    /// The round is over and every sample failed. What begins the next one earlier is [`ClockSync::retry`].
    Failed {
        /// The engine asked for the time and waits for an answer.
        engine_waits: bool,
    },
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    round_trip_ns: u64,
    offset_ns: i64,
    over_monotonic_ns: i128,
}

/// What is known of a venue's clock.
#[derive(Clone, Debug)]
pub struct ClockSync {
    pace: ClockPace,
    /// Venue time minus our wall time.
    offset_ns: i64,
    /// Venue time minus our monotonic time, while that holds.
    over_monotonic_ns: Option<i128>,
    /// The number of the newest round.
    round: u64,
    /// Samples still to take in it, and the best so far.
    left: u32,
    best: Option<Sample>,
    /// When the next round begins.
    due: Option<MonoNanos>,
    /// The engine asked and waits for an answer.
    engine_waits: bool,
    stopped: bool,
}

impl ClockSync {
    /// A clock that nothing is known of.
    pub const fn new(pace: ClockPace) -> ClockSync {
        ClockSync {
            pace,
            offset_ns: 0,
            over_monotonic_ns: None,
            round: 0,
            left: 0,
            best: None,
            due: None,
            engine_waits: false,
            stopped: false,
        }
    }

    /// The venue's time as Unix nanoseconds.
    pub fn venue_time_ns(&self, now: MonoNanos, wall: UnixNanos) -> i64 {
        self.carried_ns(now).unwrap_or(wall.0.saturating_add(self.offset_ns))
    }

    /// The venue's time as the monotonic clock carries it; `None` before the first sample and after a pause.
    pub fn carried_ns(&self, now: MonoNanos) -> Option<i64> {
        self.over_monotonic_ns.and_then(|over| i64::try_from(over + i128::from(now.0)).ok())
    }

    /// True once the venue has told its time, until the next pause.
    pub const fn is_known(&self) -> bool {
        self.over_monotonic_ns.is_some()
    }

    /// True when the next round is to begin.
    pub fn is_due(&self, now: MonoNanos) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    /// When the next round is to begin.
    pub const fn due_at(&self) -> Option<MonoNanos> {
        self.due
    }

    /// Begins a round, unless one is running or the session stopped. True when a sample is to be asked for.
    #[must_use]
    pub fn begin(&mut self, now: MonoNanos) -> bool {
        if self.stopped || self.left > 0 {
            return false;
        }
        self.round += 1;
        self.left = self.pace.samples;
        self.best = None;
        self.due = Some(now.after(self.pace.refresh_ns));
        true
    }

    /// The number of the newest round: what a request for a sample is to be kept with.
    pub const fn round(&self) -> u64 {
        self.round
    }

    /// True while an answer to a request of this round counts.
    pub const fn awaits(&self, round: u64) -> bool {
        self.left > 0 && self.round == round
    }

    /// The engine asked for the venue's time: a round that fails must be told.
    pub const fn engine_asked(&mut self) {
        self.engine_waits = true;
    }

    /// Takes the venue's time out of an answer that came at `now` to a request sent at `sent`, when our wall clock showed `wall`.
    pub fn sample(&mut self, venue: UnixNanos, sent: MonoNanos, wall: UnixNanos, now: MonoNanos) {
        let round_trip_ns = now.since(sent);
        let half = round_trip_ns / 2;
        let middle_wall = wall.0.saturating_add(i64::try_from(half).unwrap_or(i64::MAX));
        let venue_ns = venue.0.saturating_add(HALF_RESOLUTION_NS);
        if self.best.is_none_or(|best| round_trip_ns < best.round_trip_ns) {
            self.best = Some(Sample {
                round_trip_ns,
                offset_ns: venue_ns.saturating_sub(middle_wall),
                over_monotonic_ns: i128::from(venue_ns) - i128::from(sent.0) - i128::from(half),
            });
        }
    }

    /// What follows an answer that failed with `class`, or did not. A venue that is asked too often is asked no more in this round.
    pub fn answered(&mut self, class: Option<ErrorClass>) -> ClockStep {
        self.left = self.left.saturating_sub(1);
        if self.left > 0 && !self.stopped && class != Some(ErrorClass::RateLimited) {
            return ClockStep::Ask;
        }
        self.left = 0;
        let engine_waits = std::mem::take(&mut self.engine_waits);
        let Some(best) = self.best.take() else { return ClockStep::Failed { engine_waits } };
        self.offset_ns = best.offset_ns;
        self.over_monotonic_ns = Some(best.over_monotonic_ns);
        ClockStep::Measured {
            offset_ns: best.offset_ns,
            over_monotonic_ns: i64::try_from(best.over_monotonic_ns).unwrap_or(i64::MAX),
            uncertainty_ns: best.round_trip_ns / 2,
        }
    }

    /// As [`ClockSync::answered`], told to the engine as the venue's. True when another sample is to be asked for.
    #[must_use]
    pub fn conclude(
        &mut self,
        venue: VenueId,
        class: Option<ErrorClass>,
        now: MonoNanos,
        jitter: &mut Jitter,
        updates: &mut Vec<Input>,
    ) -> bool {
        match self.answered(class) {
            ClockStep::Ask => return true,
            ClockStep::Measured { offset_ns, over_monotonic_ns, uncertainty_ns } => {
                updates.push(Input::Clock(ClockOffset { venue, offset_ns, over_monotonic_ns, uncertainty_ns }));
            }
            ClockStep::Failed { engine_waits } => {
                let class = class.unwrap_or(ErrorClass::Unknown);
                if class != ErrorClass::RateLimited || self.pace.retry_limited {
                    self.retry(now, jitter);
                }
                if engine_waits {
                    updates.push(Input::ReadFailed(ReadFailure { venue, read: ReadKind::Time, class, received: now }));
                }
            }
        }
        false
    }

    /// Begins the next round soon instead of at its usual time.
    pub fn retry(&mut self, now: MonoNanos, jitter: &mut Jitter) {
        if !self.stopped {
            self.due = Some(now.after(jitter.spread(self.pace.retry_ns)));
        }
    }

    /// A round that is still unanswered when the next one is due is over.
    pub const fn give_up_round(&mut self) {
        self.left = 0;
    }

    /// The monotonic clock may have stood still: what ties it to the venue's is void until the next sample.
    pub const fn forget_monotonic(&mut self) {
        self.over_monotonic_ns = None;
    }

    /// The samples of the running round are worth nothing any more, nor are the answers that it still waits for.
    pub const fn forget_round(&mut self) {
        self.left = 0;
        self.best = None;
    }

    /// No further round begins.
    pub const fn stop(&mut self) {
        self.stopped = true;
        self.due = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::time::SECOND;

    const PACE: ClockPace = ClockPace { samples: 2, refresh_ns: 30 * SECOND, retry_ns: 2 * SECOND, retry_limited: false };
    const MS: i64 = MILLI as i64;

    fn ms(n: u64) -> MonoNanos {
        MonoNanos(n * MILLI)
    }

    /// Our wall clock shows 1000 s more than the monotonic one, the venue's 100 ms more than our wall clock.
    fn wall(at: MonoNanos) -> UnixNanos {
        UnixNanos(1_000 * SECOND as i64 + at.0 as i64)
    }

    fn sample(clock: &mut ClockSync, sent: u64, reached: u64, now: u64) {
        let told = (wall(ms(reached)).0 + 100 * MS) / MS * MS;
        clock.sample(UnixNanos(told), ms(sent), wall(ms(sent)), ms(now));
    }

    #[test]
    fn the_sample_with_the_least_round_trip_counts_and_is_carried_on_the_monotonic_clock() {
        let mut clock = ClockSync::new(PACE);
        assert_eq!(clock.venue_time_ns(ms(5), wall(ms(5))), wall(ms(5)).0);
        assert!(clock.begin(ms(0)));
        assert!(!clock.begin(ms(1)), "one round at a time");
        sample(&mut clock, 0, 10, 20);
        assert_eq!(clock.answered(None), ClockStep::Ask);
        sample(&mut clock, 20, 50, 420);
        let offset_ns = 100 * MS + MS / 2;
        let over_monotonic_ns = wall(ms(0)).0 + offset_ns;
        assert_eq!(clock.answered(None), ClockStep::Measured { offset_ns, over_monotonic_ns, uncertainty_ns: 10 * MILLI });
        assert_eq!((clock.due_at(), clock.is_due(ms(29_999)), clock.is_due(ms(30_000))), (Some(ms(30_000)), false, true));
        // A step of our wall clock changes nothing; after a pause there is nothing else.
        let carried = wall(ms(700)).0 + offset_ns;
        assert_eq!(clock.venue_time_ns(ms(700), UnixNanos(5)), carried);
        assert_eq!(clock.carried_ns(ms(700)), Some(carried));
        clock.forget_monotonic();
        assert!(!clock.is_known());
        assert_eq!(clock.venue_time_ns(ms(700), UnixNanos(5)), 5 + offset_ns);
    }

    #[test]
    fn failed_rounds_are_told_to_an_engine_that_asked_and_begin_again_soon() {
        let mut jitter = Jitter::new(1);
        let mut clock = ClockSync::new(PACE);
        clock.engine_asked();
        assert!(clock.begin(ms(0)));
        assert_eq!(clock.answered(Some(ErrorClass::Unknown)), ClockStep::Ask);
        assert_eq!(clock.answered(Some(ErrorClass::Unknown)), ClockStep::Failed { engine_waits: true });
        clock.retry(ms(100), &mut jitter);
        let due = clock.due_at().unwrap();
        assert!((ms(1_100)..=ms(2_100)).contains(&due), "{due:?}");
        // Told once; and a limit ends the round at its first answer.
        assert!(clock.begin(due));
        assert_eq!(clock.answered(Some(ErrorClass::RateLimited)), ClockStep::Failed { engine_waits: false });
    }

    #[test]
    fn what_was_sampled_before_a_limit_counts() {
        let mut clock = ClockSync::new(PACE);
        assert!(clock.begin(ms(0)));
        sample(&mut clock, 0, 1, 2);
        clock.give_up_round();
        assert!(matches!(clock.answered(Some(ErrorClass::RateLimited)), ClockStep::Measured { .. }));
        assert!(clock.begin(ms(10)));
        sample(&mut clock, 10, 11, 12);
        clock.forget_round();
        assert_eq!(clock.answered(None), ClockStep::Failed { engine_waits: false });
    }

    #[test]
    fn answers_to_a_round_that_is_over_are_awaited_no_more() {
        let mut clock = ClockSync::new(PACE);
        assert!(clock.begin(ms(0)));
        let first = clock.round();
        assert!(clock.awaits(first));
        clock.forget_round();
        assert!(!clock.awaits(first), "not before the next one either");
        assert!(clock.begin(ms(5)));
        assert!(!clock.awaits(first) && clock.awaits(clock.round()));
        clock.give_up_round();
        assert!(!clock.awaits(clock.round()));
    }

    #[test]
    fn nothing_begins_after_the_end() {
        let mut clock = ClockSync::new(PACE);
        assert!(clock.begin(ms(0)));
        clock.stop();
        assert_eq!(clock.answered(Some(ErrorClass::Unknown)), ClockStep::Failed { engine_waits: false });
        clock.retry(ms(1), &mut Jitter::new(1));
        assert_eq!(clock.due_at(), None);
        assert!(!clock.begin(ms(2)));
    }
}
