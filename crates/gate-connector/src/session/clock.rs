//! The venue's clock, from `/spot/time` samples (Gate API v4: 60 s tolerance). What is known of it is [`ClockSync`]'s; here are the
//! requests and what a failure is told as.

use super::{Answer, GateSession, InFlight, What};
use domain::time::SECOND;
use domain::{ClockOffset, ErrorClass, Input, MonoNanos, ReadFailure, ReadKind, UnixNanos};
use venue::clock_sync::{ClockPace, ClockStep};

/// A round of five samples every half minute; one that failed begins again after a second or two.
pub(super) const PACE: ClockPace = ClockPace { samples: 5, refresh_ns: 30 * SECOND, retry_ns: 2 * SECOND };

impl GateSession {
    /// Begins a round of samples unless one is running.
    pub(super) fn start_clock_round(&mut self, now: MonoNanos) {
        if self.clock.begin(now) {
            self.ask(What::Time);
        }
    }

    /// The engine asks for the venue's time.
    pub(super) fn read_time(&mut self, now: MonoNanos) {
        self.clock.engine_asked();
        self.start_clock_round(now);
    }

    pub(super) fn on_time(&mut self, flight: &InFlight, mut answer: Answer<'_>, now: MonoNanos, updates: &mut Vec<Input>) {
        let told = match &mut answer {
            Answer::Http { status: 200..=299, body } => self.decoder.time(body).ok(),
            _ => None,
        };
        let class = match told {
            Some(venue) => {
                self.clock.sample(UnixNanos(venue.0), flight.sent, flight.wall, now);
                None
            }
            None => Some(self.failure(&mut answer).0),
        };
        let venue = self.venue;
        match self.clock.answered(class) {
            ClockStep::Ask => self.ask(What::Time),
            ClockStep::Measured { offset_ns, over_monotonic_ns, uncertainty_ns } => {
                updates.push(Input::Clock(ClockOffset { venue, offset_ns, over_monotonic_ns, uncertainty_ns }));
            }
            ClockStep::Failed { engine_waits } => {
                self.clock.retry(now, &mut self.jitter);
                if engine_waits {
                    let (read, class) = (ReadKind::Time, class.unwrap_or(ErrorClass::Unknown));
                    updates.push(Input::ReadFailed(ReadFailure { venue, read, class, received: now }));
                }
            }
        }
    }
}
