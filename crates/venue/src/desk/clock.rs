//! The venue's clock of a desk: what is known is [`crate::clock_sync::ClockSync`]'s; here are the requests and what a failure is told as.

use super::Desk;
use super::what::{Answer, What};
use super::wire::Wire;
use domain::{ErrorClass, Input, MonoNanos, UnixNanos};

impl<W: Wire> Desk<W> {
    /// Begins a round of samples unless one is running.
    pub fn start_clock_round(&mut self, now: MonoNanos) {
        if self.clock.begin(now) {
            self.ask(What::Time(self.clock.round()));
        }
    }

    /// The process was suspended, and the monotonic clock perhaps with it: samples from before, and requests that are under way, would tie
    /// it to the venue's wrongly by as long as it stood still.
    pub(super) fn clock_paused(&mut self, now: MonoNanos) {
        self.clock.forget_round();
        self.start_clock_round(now);
    }

    /// The engine asks for the venue's time.
    pub(super) fn read_time(&mut self, now: MonoNanos) {
        self.clock.engine_asked();
        self.start_clock_round(now);
    }

    pub(super) fn on_clock_skew(&mut self, class: ErrorClass, now: MonoNanos) {
        if class == ErrorClass::ClockSkew {
            self.start_clock_round(now);
        }
    }

    pub(super) fn clock_timeout(&mut self, now: MonoNanos) {
        if self.clock.is_due(now) {
            // A round that is still unanswered after all this time is over.
            self.clock.give_up_round();
            self.start_clock_round(now);
        }
    }

    /// The answer to a request of this round.
    pub(super) fn on_time(
        &mut self,
        round: u64,
        sent: MonoNanos,
        wall: UnixNanos,
        answer: Answer<'_>,
        now: MonoNanos,
        updates: &mut Vec<Input>,
    ) {
        if !self.clock.awaits(round) {
            return;
        }
        let class = match self.success(answer) {
            Ok(body) => match self.wire.time(body) {
                Ok(told) => {
                    self.clock.sample(told, sent, wall, now);
                    None
                }
                Err(_) => Some(ErrorClass::Unknown),
            },
            Err(class) => Some(class),
        };
        if self.clock.conclude(self.venue, class, now, &mut self.jitter, updates) {
            self.ask(What::Time(round));
        }
    }
}
