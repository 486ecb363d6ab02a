//! Orders within one second over all venues, hedges counted: openings stop there, hedges do not. Told, never asking a clock.

use domain::MonoNanos;
use domain::time::SECOND;
use std::collections::VecDeque;

/// No configuration goes above.
pub const CEILING: u32 = 200;

/// Orders remembered; beyond it the oldest is forgotten early, so it must be above [`CEILING`], where nothing is approved any
/// more.
pub const PACE_ORDERS_MAX: usize = 256;

const _: () = assert!(PACE_ORDERS_MAX > CEILING as usize);

/// Orders that one plan sends.
pub(crate) const ORDERS_PER_PLAN: u32 = 2;

/// Whether the two orders of a plan fit beside those of the last second.
pub(crate) fn allows_deal(last_second: u32, max: u32) -> bool {
    last_second.saturating_add(ORDERS_PER_PLAN) <= max
}

/// Send times of the last second, oldest first.
#[derive(Clone, Debug)]
pub struct OrderPace {
    sent: VecDeque<MonoNanos>,
}

impl Default for OrderPace {
    fn default() -> OrderPace {
        OrderPace { sent: VecDeque::with_capacity(PACE_ORDERS_MAX) }
    }
}

impl OrderPace {
    /// Notes one order (opening or hedge) sent at `now`.
    pub fn record(&mut self, now: MonoNanos) {
        while self.sent.front().is_some_and(|at| now.since(*at) >= SECOND) || self.sent.len() == PACE_ORDERS_MAX {
            self.sent.pop_front();
        }
        self.sent.push_back(now);
    }

    /// Orders sent less than one second before `now`.
    pub fn last_second(&self, now: MonoNanos) -> u32 {
        let count = self.sent.iter().rev().take_while(|at| now.since(**at) < SECOND).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_orders_that_reach_the_limit_pass_and_one_more_does_not() {
        assert!(allows_deal(8, 10) && !allows_deal(9, 10) && !allows_deal(u32::MAX, 10));
    }

    #[test]
    fn a_second_is_half_open() {
        let mut pace = OrderPace::default();
        pace.record(MonoNanos(10));
        pace.record(MonoNanos(20));
        assert_eq!(pace.last_second(MonoNanos(SECOND + 9)), 2);
        assert_eq!(pace.last_second(MonoNanos(SECOND + 10)), 1);
        assert_eq!(pace.last_second(MonoNanos(SECOND + 20)), 0);
    }

    #[test]
    fn a_full_ring_still_counts_more_than_any_limit() {
        let mut pace = OrderPace::default();
        for _ in 0..PACE_ORDERS_MAX + 50 {
            pace.record(MonoNanos(5));
        }
        assert_eq!(pace.last_second(MonoNanos(6)), PACE_ORDERS_MAX as u32);
    }
}
