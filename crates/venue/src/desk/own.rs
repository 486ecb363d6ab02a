//! Requests of the session's own, which are copies of books: many at once when a run begins or a connection is lost, so they wait in line
//! for the limit that they spend, and only so many are under way together.

use super::Desk;
use super::what::{Asked, What};
use super::wire::Wire;
use crate::session::Transmit;
use domain::{MonoNanos, UnixNanos};
use std::collections::VecDeque;

/// Under way together at most: what is left of a driver's places belongs to orders and reads of the account.
const UNDER_WAY_MAX: usize = 16;

/// Those of one limit.
struct Line<O> {
    waiting: VecDeque<O>,
    /// The limit was spent: nothing before this time. Zero when it is there to be asked.
    not_before: MonoNanos,
}

/// All that wait, by limit.
pub(super) struct OwnReads<O> {
    lines: Vec<Line<O>>,
    under_way: usize,
}

impl<O> OwnReads<O> {
    pub(super) fn new(limits: usize) -> OwnReads<O> {
        let line = || Line { waiting: VecDeque::new(), not_before: MonoNanos(0) };
        OwnReads { lines: (0..limits).map(|_| line()).collect(), under_way: 0 }
    }

    /// An answer came, or the news that none will.
    pub(super) const fn answered(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// Nothing is begun any more.
    pub(super) fn stop(&mut self) {
        self.lines.iter_mut().for_each(|line| line.waiting.clear());
    }

    /// When a limit gives again; `None` while nothing waits for one.
    pub(super) fn next_timeout(&self) -> Option<MonoNanos> {
        let waits = |line: &&Line<O>| !line.waiting.is_empty() && line.not_before > MonoNanos(0);
        let due = self.lines.iter().filter(waits).map(|line| line.not_before).min();
        due.filter(|_| self.under_way < UNDER_WAY_MAX)
    }

    /// Limits whose time has come are asked again.
    pub(super) fn timeout(&mut self, now: MonoNanos) {
        for line in self.lines.iter_mut().filter(|line| line.not_before <= now) {
            line.not_before = MonoNanos(0);
        }
    }
}

impl<W: Wire> Desk<W> {
    /// Queues a request of the session's own.
    pub fn ask_own(&mut self, own: W::Own) {
        let what = What::Own(own);
        let limit = self.wire.public_limit(&what);
        let What::Own(own) = what else { return };
        if let Some(line) = self.own.lines.get_mut(limit).filter(|_| !self.stopped) {
            line.waiting.push_back(own);
        }
    }

    /// The next request of the session's own that may leave, the oldest of its limit first.
    pub(super) fn transmit_own(&mut self, now: MonoNanos, wall: UnixNanos, wanted: impl Fn(&W::Own) -> bool) -> Option<Transmit> {
        for limit in 0..self.own.lines.len() {
            while let Some(own) = self.own.next(limit, now) {
                if !wanted(&own) {
                    continue;
                }
                let what = What::Own(own.clone());
                match self.may_read(&what, now) {
                    Ok(()) => {
                        self.own.under_way += 1;
                        return Some(self.transmit_request(Asked { what, attempt: 0 }, now, wall));
                    }
                    Err(at) => self.own.put_back(limit, own, at),
                }
            }
        }
        None
    }
}

impl<O> OwnReads<O> {
    fn next(&mut self, limit: usize, now: MonoNanos) -> Option<O> {
        let free = self.under_way < UNDER_WAY_MAX;
        self.lines.get_mut(limit).filter(|line| free && line.not_before <= now)?.waiting.pop_front()
    }

    fn put_back(&mut self, limit: usize, own: O, not_before: MonoNanos) {
        if let Some(line) = self.lines.get_mut(limit) {
            line.waiting.push_front(own);
            line.not_before = not_before;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_order_wait_for_their_own_limit_and_are_bounded_together() {
        let mut own: OwnReads<u32> = OwnReads::new(2);
        let now = MonoNanos(5);
        for n in 0..30 {
            own.lines[0].waiting.push_back(n);
        }
        own.lines[1].waiting.push_back(99);
        assert_eq!(own.next(0, now), Some(0));
        own.put_back(0, 0, MonoNanos(9));
        assert_eq!((own.next(0, now), own.next(1, now)), (None, Some(99)), "one limit holds up no other");
        assert_eq!(own.next_timeout(), Some(MonoNanos(9)));
        own.timeout(MonoNanos(8));
        assert_eq!(own.next_timeout(), Some(MonoNanos(9)));
        own.timeout(MonoNanos(9));
        assert_eq!(own.next_timeout(), None, "it is asked at once");
        assert_eq!(own.next(0, MonoNanos(9)), Some(0));
        own.under_way = UNDER_WAY_MAX;
        assert_eq!((own.next(0, MonoNanos(9)), own.next_timeout()), (None, None), "an answer frees a place, not a time");
        own.answered();
        assert_eq!(own.next(0, MonoNanos(9)), Some(1));
        own.stop();
        assert_eq!((own.next(0, MonoNanos(9)), own.next_timeout()), (None, None));
    }
}
