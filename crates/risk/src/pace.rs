//! How many orders left within the last second: the count behind `Limits::orders_per_second_max`. Told, never asking a clock.

use domain::MonoNanos;
use domain::time::SECOND;
use std::collections::VecDeque;

/// Orders remembered; beyond it the oldest is forgotten early, so it must be above the hard ceiling of orders a second
/// ([`crate::limits::ceiling::ORDERS_PER_SECOND`]), where nothing is approved any more.
pub const PACE_ORDERS_MAX: usize = 256;

const _: () = assert!(PACE_ORDERS_MAX > crate::limits::ceiling::ORDERS_PER_SECOND as usize);

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
        if self.sent.len() == PACE_ORDERS_MAX {
            self.sent.pop_front();
        }
        self.sent.push_back(now);
    }

    /// Orders sent less than one second before `now`.
    pub fn last_second(&mut self, now: MonoNanos) -> u32 {
        while self.sent.front().is_some_and(|at| now.since(*at) >= SECOND) {
            self.sent.pop_front();
        }
        u32::try_from(self.sent.len()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
