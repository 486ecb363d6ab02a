//! The repeated-execution throttle (RTS 6 art. 15(3), F47): so many deals of one pair within a window, and one more latches
//! until a person re-enables it. A detector that always fires stops at the count exactly.

use domain::time::SECOND;
use domain::{MonoNanos, PairId};
use std::collections::VecDeque;

/// Deals of one pair within the window, unless configured: 600.
pub const DEFAULT: u32 = 600;
/// No configuration goes above.
pub const CEILING: u32 = 10_000;
/// Longest window.
pub const WINDOW_CEILING_NS: u64 = 3_600 * SECOND;

/// When the last deals of each pair were opened, oldest first.
#[derive(Clone, Debug)]
pub(crate) struct RepeatThrottle {
    opened: Vec<VecDeque<MonoNanos>>,
}

impl RepeatThrottle {
    pub(crate) fn new(pairs: usize) -> RepeatThrottle {
        RepeatThrottle { opened: vec![VecDeque::new(); pairs] }
    }

    pub(crate) fn opened(&mut self, pair: PairId, now: MonoNanos, window_ns: u64) {
        let Some(opened) = self.opened.get_mut(pair.index()) else { return };
        while opened.front().is_some_and(|at| now.since(*at) >= window_ns) {
            opened.pop_front();
        }
        opened.push_back(now);
    }

    /// True when the deals of the window are used up.
    pub(crate) fn exhausted(&self, pair: PairId, now: MonoNanos, max: u32, window_ns: u64) -> bool {
        let Some(opened) = self.opened.get(pair.index()) else { return true };
        // Times ascend: the one that must have left the window for another to fit.
        let Some(first) = opened.len().checked_sub(max as usize) else { return false };
        opened.get(first).is_some_and(|at| now.since(*at) < window_ns)
    }

    pub(crate) fn resumed(&mut self) {
        self.opened.iter_mut().for_each(VecDeque::clear);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIR: PairId = PairId(0);

    #[test]
    fn the_last_deal_of_the_window_passes_and_one_more_does_not() {
        let mut throttle = RepeatThrottle::new(2);
        for second in 0..3 {
            assert!(!throttle.exhausted(PAIR, MonoNanos(second), 3, SECOND));
            throttle.opened(PAIR, MonoNanos(second), SECOND);
        }
        assert!(throttle.exhausted(PAIR, MonoNanos(SECOND - 1), 3, SECOND));
        assert!(!throttle.exhausted(PAIR, MonoNanos(SECOND), 3, SECOND), "the first has left the window");
        assert!(!throttle.exhausted(PairId(1), MonoNanos(3), 3, SECOND), "another pair");
        throttle.resumed();
        assert!(!throttle.exhausted(PAIR, MonoNanos(3), 3, SECOND), "a person has looked");
    }
}
