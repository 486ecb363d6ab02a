//! One kind of question to a venue: when it is asked, and asked again.

use domain::MonoNanos;
use domain::time::{MILLI, SECOND};

/// A read without an answer is asked again after this.
const READ_TIMEOUT: u64 = 5 * SECOND;
/// Back-off of failed reads: doubling from the first to the last.
const RETRY_FIRST: u64 = 500 * MILLI;
pub(crate) const RETRY_LAST: u64 = 5 * SECOND;

/// One kind of question to a venue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Read {
    /// An answer asked for at or after this is wanted.
    pub(crate) wanted: Option<MonoNanos>,
    pub(crate) next_at: MonoNanos,
    pub(crate) failures: u32,
    /// When the newest good answer was asked for.
    pub(crate) answered: Option<MonoNanos>,
}

impl Read {
    pub(crate) fn want(&mut self, now: MonoNanos) {
        if self.wanted.is_none() {
            self.wanted = Some(now);
            self.next_at = now;
        }
    }

    /// True when it is time to ask; the next time is then a time-out away.
    pub(crate) fn due(&mut self, now: MonoNanos) -> bool {
        let due = self.wanted.is_some() && now >= self.next_at;
        if due {
            self.next_at = now.after(READ_TIMEOUT);
        }
        due
    }

    pub(crate) fn answer(&mut self, requested: MonoNanos) {
        self.answered = self.answered.max(Some(requested));
        if self.wanted.is_some_and(|wanted| requested >= wanted) {
            self.wanted = None;
            self.failures = 0;
        }
    }

    pub(crate) fn fail(&mut self, now: MonoNanos) {
        self.fail_until(RETRY_LAST, now);
    }

    /// As [`Read::fail`], with another last back-off.
    pub(crate) fn fail_until(&mut self, last: u64, now: MonoNanos) {
        self.failures = self.failures.saturating_add(1);
        let pause = RETRY_FIRST.saturating_mul(1 << (self.failures - 1).min(8)).min(last);
        self.next_at = now.after(pause);
    }

    /// Nothing is wanted any more, whatever was.
    pub(crate) fn drop_want(&mut self) {
        self.wanted = None;
        self.failures = 0;
    }

    pub(crate) fn answered_since(&self, from: MonoNanos) -> bool {
        self.answered.is_some_and(|at| at >= from)
    }

    pub(crate) fn deadline(&self) -> Option<MonoNanos> {
        self.wanted.map(|_| self.next_at)
    }
}
