//! How many orders may still be placed on one pair of one venue, counted in batch time so that replay agrees.
//!
//! The venue's own head-room ([`domain::Budget`]) may only lower what we count ourselves. A reserve for hedges is never spent on
//! openings.

use domain::{Budget, MonoNanos};
use std::collections::VecDeque;

/// Gate API v4, rate limits: spot place and amend, 10 a second per user and market. Used until the venue states its own.
pub const PLACE_LIMIT_DEFAULT: u32 = 10;
/// Window of [`PLACE_LIMIT_DEFAULT`].
pub const PLACE_WINDOW_DEFAULT_NS: u64 = 1_000_000_000;
/// Placements kept for the two hedges that every open deal may need.
pub const HEDGE_RESERVE: u32 = 2;

/// One placement bucket.
#[derive(Clone, Debug)]
pub struct PlaceBudget {
    limit: u32,
    window_ns: u64,
    sent: VecDeque<MonoNanos>,
    stated: Option<(MonoNanos, u32)>,
}

impl Default for PlaceBudget {
    fn default() -> PlaceBudget {
        let sent = VecDeque::with_capacity(PLACE_LIMIT_DEFAULT as usize + 1);
        PlaceBudget { limit: PLACE_LIMIT_DEFAULT, window_ns: PLACE_WINDOW_DEFAULT_NS, sent, stated: None }
    }
}

impl PlaceBudget {
    /// What the venue says; forgotten after its window.
    pub fn state(&mut self, budget: &Budget) {
        self.limit = budget.limit;
        self.window_ns = budget.window_ns;
        self.stated = Some((budget.at, budget.remaining));
    }

    /// Counts one placement.
    pub fn count(&mut self, now: MonoNanos) {
        self.sent.push_back(now);
        if let Some((_, remaining)) = &mut self.stated {
            *remaining = remaining.saturating_sub(1);
        }
        while self.sent.len() > self.limit as usize + 1 {
            self.sent.pop_front();
        }
    }

    /// Placements that may be sent at `now`.
    pub fn available(&self, now: MonoNanos) -> u32 {
        let used = self.sent.iter().filter(|t| now.since(**t) < self.window_ns).count();
        let own = self.limit.saturating_sub(u32::try_from(used).unwrap_or(u32::MAX));
        match self.stated {
            Some((at, remaining)) if now.since(at) < self.window_ns => own.min(remaining),
            _ => own,
        }
    }

    /// True when an opening may be sent and the reserve stays.
    pub fn allows_opening(&self, now: MonoNanos) -> bool {
        self.available(now) > HEDGE_RESERVE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{BudgetBucket, PairId, VenueId};

    #[test]
    fn openings_stop_before_the_reserve_and_come_back_with_the_window() {
        let mut budget = PlaceBudget::default();
        let mut sent = 0;
        while budget.allows_opening(MonoNanos(5)) {
            budget.count(MonoNanos(5));
            sent += 1;
        }
        assert_eq!(sent, PLACE_LIMIT_DEFAULT - HEDGE_RESERVE);
        assert_eq!(budget.available(MonoNanos(5)), HEDGE_RESERVE);
        assert!(budget.allows_opening(MonoNanos(5 + PLACE_WINDOW_DEFAULT_NS)));
    }

    #[test]
    fn the_venue_may_only_lower_the_count() {
        let mut budget = PlaceBudget::default();
        let stated = |remaining, at| Budget {
            venue: VenueId(0),
            bucket: BudgetBucket::Place(PairId(0)),
            remaining,
            limit: 10,
            window_ns: 1_000_000_000,
            at: MonoNanos(at),
        };
        budget.state(&stated(2, 0));
        assert!(!budget.allows_opening(MonoNanos(1)));
        (0..9).for_each(|_| budget.count(MonoNanos(2)));
        budget.state(&stated(10, 3));
        assert_eq!(budget.available(MonoNanos(4)), 1);
    }
}
