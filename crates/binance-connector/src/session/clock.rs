//! The venue's clock, from `…/time` samples of the first configured market: the one with the least round trip counts.

use super::{BinanceSession, InFlight, Outgoing, What};
use crate::market::Market;
use crate::wire::PairNames;
use domain::time::{MILLI, SECOND};
use domain::{ClockOffset, ErrorClass, Input, MonoNanos, ReadFailure, ReadKind};
use venue::Response;

/// Samples of a round.
const SAMPLES: u32 = 3;
/// Rounds begin this often.
const REFRESH_NS: u64 = 60 * SECOND;
/// A round whose samples all failed begins again after up to this long.
const RETRY_NS: u64 = 4 * SECOND;
/// `serverTime` is cut to milliseconds: on average it is half of one early.
const HALF_RESOLUTION_NS: i64 = (MILLI / 2) as i64;

#[derive(Clone, Copy)]
struct Sample {
    round_trip_ns: u64,
    offset_ns: i64,
}

/// What is known of the venue's clock.
pub(super) struct VenueClock {
    market: Market,
    /// Samples still to take in this round, and the best so far.
    left: u32,
    best: Option<Sample>,
    /// When the next round begins.
    due: Option<MonoNanos>,
    /// The engine asked and waits for an answer.
    engine_waits: bool,
    stopped: bool,
}

impl VenueClock {
    pub(super) fn new(names: &PairNames) -> VenueClock {
        let market = names.all().first().map_or(Market::Spot, |named| named.market);
        VenueClock { market, left: 0, best: None, due: None, engine_waits: false, stopped: false }
    }

    pub(super) fn path(&self) -> String {
        self.market.path("time")
    }

    pub(super) const fn next_timeout(&self) -> Option<MonoNanos> {
        self.due
    }

    /// What was measured before a suspension is worth nothing after it.
    pub(super) fn forget(&mut self) {
        self.left = 0;
        self.best = None;
    }

    pub(super) fn stop(&mut self) {
        self.stopped = true;
        self.due = None;
    }
}

impl BinanceSession {
    /// Begins a round of samples unless one is running.
    pub(super) fn start_clock_round(&mut self, now: MonoNanos) {
        if self.clock.stopped || self.clock.left > 0 {
            return;
        }
        self.clock.left = SAMPLES;
        self.clock.best = None;
        self.clock.due = Some(now.after(REFRESH_NS));
        self.queue.push_back(Outgoing::Ask(What::Time));
    }

    /// The engine asks for the venue's time.
    pub(super) fn read_time(&mut self, now: MonoNanos) {
        self.clock.engine_waits = true;
        self.start_clock_round(now);
    }

    pub(super) fn clock_timeout(&mut self, now: MonoNanos) {
        if self.clock.due.is_some_and(|due| due <= now) {
            // A round that is still unanswered after all this time is over.
            self.clock.left = 0;
            self.start_clock_round(now);
        }
    }

    pub(super) fn on_time(&mut self, flight: &InFlight, response: Response<'_>, now: MonoNanos, updates: &mut Vec<Input>) {
        let limited = matches!(response, Response::Http { status: 429 | 418, .. });
        if let Response::Http { status: 200..=299, body, .. } = response {
            match self.decoder.time(body) {
                Ok(venue) => {
                    let round_trip_ns = now.since(flight.sent);
                    let middle = flight.wall.0.saturating_add(i64::try_from(round_trip_ns / 2).unwrap_or(i64::MAX));
                    let offset_ns = venue.0.saturating_add(HALF_RESOLUTION_NS).saturating_sub(middle);
                    if self.clock.best.is_none_or(|best| round_trip_ns < best.round_trip_ns) {
                        self.clock.best = Some(Sample { round_trip_ns, offset_ns });
                    }
                }
                Err(reject) => self.stats.reject(reject.reason),
            }
        }
        self.clock.left = self.clock.left.saturating_sub(1);
        if self.clock.left > 0 && !self.stopped && !limited {
            return self.queue.push_back(Outgoing::Ask(What::Time));
        }
        self.clock.left = 0;
        let waits = std::mem::take(&mut self.clock.engine_waits);
        match self.clock.best.take() {
            Some(Sample { round_trip_ns, offset_ns }) => {
                updates.push(Input::Clock(ClockOffset { venue: self.venue, offset_ns, uncertainty_ns: round_trip_ns / 2 }));
            }
            None => {
                if !self.clock.stopped && !limited {
                    self.clock.due = Some(now.after(self.jitter.spread(RETRY_NS)));
                }
                if waits {
                    let class = if limited { ErrorClass::RateLimited } else { ErrorClass::Unknown };
                    let read = ReadKind::Time;
                    updates.push(Input::ReadFailed(ReadFailure { venue: self.venue, read, class, received: now }));
                }
            }
        }
    }
}
