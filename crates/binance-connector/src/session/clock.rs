//! The venue's clock, from `…/time` samples of the first configured market. What is known of it is [`ClockSync`]'s; here are the
//! requests and what a failure is told as.

use super::{BinanceSession, InFlight, Outgoing, What};
use crate::market::Market;
use crate::wire::PairNames;
use domain::time::SECOND;
use domain::{ErrorClass, Input, MonoNanos};
use venue::Response;
use venue::clock_sync::{ClockPace, ClockSync};

/// A round of three samples every minute; one that failed begins again after two to four seconds, but at its usual time when Binance
/// was asked too often.
const PACE: ClockPace = ClockPace { samples: 3, refresh_ns: 60 * SECOND, retry_ns: 4 * SECOND, retry_limited: false };

/// The clock, and the market that is asked for it.
pub(super) struct VenueClock {
    market: Market,
    sync: ClockSync,
}

impl VenueClock {
    pub(super) fn new(names: &PairNames) -> VenueClock {
        let market = names.all().first().map_or(Market::Spot, |named| named.market);
        VenueClock { market, sync: ClockSync::new(PACE) }
    }

    pub(super) fn path(&self) -> String {
        self.market.path("time")
    }

    pub(super) const fn next_timeout(&self) -> Option<MonoNanos> {
        self.sync.due_at()
    }

    /// What was measured before a suspension is worth nothing after it.
    pub(super) fn forget(&mut self) {
        self.sync.forget_monotonic();
        self.sync.forget_round();
    }

    pub(super) fn stop(&mut self) {
        self.sync.stop();
    }
}

impl BinanceSession {
    /// Begins a round of samples unless one is running.
    pub(super) fn start_clock_round(&mut self, now: MonoNanos) {
        if self.clock.sync.begin(now) {
            self.queue.push_back(Outgoing::Ask(What::Time));
        }
    }

    /// The engine asks for the venue's time.
    pub(super) fn read_time(&mut self, now: MonoNanos) {
        self.clock.sync.engine_asked();
        self.start_clock_round(now);
    }

    pub(super) fn clock_timeout(&mut self, now: MonoNanos) {
        if self.clock.sync.is_due(now) {
            self.clock.sync.give_up_round();
            self.start_clock_round(now);
        }
    }

    pub(super) fn on_time(&mut self, flight: &InFlight, response: Response<'_>, now: MonoNanos, updates: &mut Vec<Input>) {
        let class = match response {
            Response::Http { status: 200..=299, body, .. } => match self.decoder.time(body) {
                Ok(told) => {
                    self.clock.sync.sample(told, flight.sent, flight.wall, now);
                    None
                }
                Err(reject) => {
                    self.stats.reject(reject.reason);
                    Some(ErrorClass::Unknown)
                }
            },
            Response::Http { status: 429 | 418, .. } => Some(ErrorClass::RateLimited),
            _ => Some(ErrorClass::Unknown),
        };
        if self.clock.sync.conclude(self.venue, class, now, &mut self.jitter, updates) {
            self.queue.push_back(Outgoing::Ask(What::Time));
        }
    }
}
