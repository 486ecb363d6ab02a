//! The venue's clock, from `/spot/time` samples: the one with the least round trip counts (Gate API v4: 60 s tolerance).
//!
//! Between samples the venue's time is carried on the *monotonic* clock, so a step of our wall clock does not move signatures.
//! Before the first sample, and after the process was suspended, it is our wall time plus the last known offset.

use super::{Answer, GateSession, InFlight, What};
use domain::time::{MILLI, SECOND};
use domain::{ClockOffset, ErrorClass, Input, MonoNanos, ReadFailure, ReadKind, UnixNanos};

/// Samples of a round.
const SAMPLES: u32 = 5;
/// Rounds begin this often.
const REFRESH_NS: u64 = 30 * SECOND;
/// A round whose samples all failed begins again after this long.
const RETRY_NS: u64 = SECOND;
/// `server_time` is cut to milliseconds: on average it is half of one early.
const HALF_RESOLUTION_NS: i64 = (MILLI / 2) as i64;

/// What is known of the venue's clock.
#[derive(Default)]
pub(super) struct VenueClock {
    /// Venue time minus our wall time.
    offset_ns: i64,
    /// Venue time minus our monotonic time, while that holds.
    over_monotonic_ns: Option<i128>,
    /// Samples still to take in this round, and the best so far.
    left: u32,
    best: Option<Sample>,
    /// When the next round begins.
    due: Option<MonoNanos>,
    /// The engine asked and waits for an answer.
    engine_waits: bool,
    stopped: bool,
}

#[derive(Clone, Copy)]
struct Sample {
    round_trip_ns: u64,
    offset_ns: i64,
    over_monotonic_ns: i128,
}

impl VenueClock {
    /// The venue's time as Unix nanoseconds.
    pub(super) fn venue_time_ns(&self, now: MonoNanos, wall: UnixNanos) -> i64 {
        self.carried_ns(now).unwrap_or(wall.0.saturating_add(self.offset_ns))
    }

    /// The venue's time as the monotonic clock carries it; `None` before the first sample and after a pause.
    pub(super) fn carried_ns(&self, now: MonoNanos) -> Option<i64> {
        self.over_monotonic_ns.and_then(|over| i64::try_from(over + i128::from(now.0)).ok())
    }

    /// True once the venue's REST has answered, until the next pause.
    pub(super) const fn is_known(&self) -> bool {
        self.over_monotonic_ns.is_some()
    }

    pub(super) fn is_due(&self, now: MonoNanos) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    pub(super) const fn due_at(&self) -> Option<MonoNanos> {
        self.due
    }

    pub(super) fn give_up_round(&mut self) {
        self.left = 0;
    }

    pub(super) fn forget_monotonic(&mut self) {
        self.over_monotonic_ns = None;
    }

    pub(super) fn stop(&mut self) {
        self.stopped = true;
        self.due = None;
    }
}

impl GateSession {
    /// Begins a round of samples unless one is running.
    pub(super) fn start_clock_round(&mut self, now: MonoNanos) {
        if self.clock.stopped || self.clock.left > 0 {
            return;
        }
        self.clock.left = SAMPLES;
        self.clock.best = None;
        self.clock.due = Some(now.after(REFRESH_NS));
        self.ask(What::Time);
    }

    /// The engine asks for the venue's time.
    pub(super) fn read_time(&mut self, now: MonoNanos) {
        self.clock.engine_waits = true;
        self.start_clock_round(now);
    }

    pub(super) fn on_time(&mut self, flight: &InFlight, mut answer: Answer<'_>, now: MonoNanos, updates: &mut Vec<Input>) {
        let sample = match &mut answer {
            Answer::Http { status: 200..=299, body } => self.decoder.time(body).ok(),
            _ => None,
        };
        let class = if sample.is_some() { None } else { Some(self.failure(&mut answer).0) };
        if let Some(venue) = sample {
            let round_trip_ns = now.since(flight.sent);
            let half = round_trip_ns / 2;
            let middle_wall = flight.wall.0.saturating_add(half as i64);
            let venue_ns = venue.0.saturating_add(HALF_RESOLUTION_NS);
            let sample = Sample {
                round_trip_ns,
                offset_ns: venue_ns.saturating_sub(middle_wall),
                over_monotonic_ns: i128::from(venue_ns) - i128::from(flight.sent.0) - i128::from(half),
            };
            if self.clock.best.is_none_or(|best| sample.round_trip_ns < best.round_trip_ns) {
                self.clock.best = Some(sample);
            }
        }
        self.clock.left = self.clock.left.saturating_sub(1);
        if self.clock.left > 0 && !self.stopped && class != Some(ErrorClass::RateLimited) {
            return self.ask(What::Time);
        }
        self.clock.left = 0;
        let waits = std::mem::take(&mut self.clock.engine_waits);
        match self.clock.best.take() {
            Some(best) => {
                self.clock.offset_ns = best.offset_ns;
                self.clock.over_monotonic_ns = Some(best.over_monotonic_ns);
                let uncertainty_ns = best.round_trip_ns / 2;
                updates.push(Input::Clock(ClockOffset { venue: self.venue, offset_ns: best.offset_ns, uncertainty_ns }));
            }
            None => {
                if !self.clock.stopped {
                    let pause = self.jitter.spread(RETRY_NS * 2);
                    self.clock.due = Some(now.after(pause));
                }
                if waits {
                    let class = class.unwrap_or(ErrorClass::Unknown);
                    updates.push(Input::ReadFailed(ReadFailure {
                        venue: self.venue,
                        read: ReadKind::Time,
                        class,
                        received: now,
                    }));
                }
            }
        }
    }
}
