//! How many orders may still be placed, on one pair of one venue or on all of its pairs together, counted in batch time so that
//! replay agrees. Start at [`PlaceBudgets`].
//!
//! The venue's own head-room ([`domain::Budget`]) may only lower what we count ourselves. A reserve for hedges is never spent on
//! openings.

use domain::{Budget, BudgetBucket, MonoNanos, PairId, VenueId};
use std::collections::VecDeque;

/// Gate API v4, rate limits: spot place and amend, 10 a second per user and market. Used until the venue states its own.
pub const PLACE_LIMIT_DEFAULT: u32 = 10;
/// Window of [`PLACE_LIMIT_DEFAULT`].
pub const PLACE_WINDOW_DEFAULT_NS: u64 = 1_000_000_000;
/// Placements kept at least for the two hedges that an open deal may need.
pub const HEDGE_RESERVE: u32 = 2;
/// The share of a limit that is kept for hedges: of a long window that all pairs share, two would be spent by the first deal.
const HEDGE_SHARE: u32 = 4;

/// The buckets of all venues.
#[derive(Clone, Debug)]
pub struct PlaceBudgets {
    pairs: usize,
    /// By venue and pair.
    alone: Vec<PlaceBudget>,
    /// By venue: the bucket of all its pairs, once the venue has said that it has one.
    shared: Vec<Option<PlaceBudget>>,
}

impl PlaceBudgets {
    /// Nothing is counted, and nothing stated.
    pub fn new(venues: usize, pairs: usize) -> PlaceBudgets {
        PlaceBudgets { pairs, alone: vec![PlaceBudget::default(); venues * pairs], shared: vec![None; venues] }
    }

    /// What a venue says about its placements; other limits are none of ours.
    pub fn state(&mut self, budget: &Budget) {
        let bucket = match budget.bucket {
            BudgetBucket::Place(pair) => self.alone.get_mut(budget.venue.index() * self.pairs + pair.index()),
            BudgetBucket::PlaceAll => self.shared.get_mut(budget.venue.index()).map(Option::get_or_insert_default),
            BudgetBucket::Cancel | BudgetBucket::Read => None,
        };
        if let Some(bucket) = bucket {
            bucket.state(budget);
        }
    }

    /// Counts one placement.
    pub fn count(&mut self, venue: VenueId, pair: PairId, now: MonoNanos) {
        let alone = self.alone.get_mut(venue.index() * self.pairs + pair.index());
        if let Some(bucket) = self.shared.get_mut(venue.index()).and_then(Option::as_mut).or(alone) {
            bucket.count(now);
        }
    }

    /// True when an opening may be sent and the reserve stays.
    pub fn allows_opening(&self, venue: VenueId, pair: PairId, now: MonoNanos) -> bool {
        let alone = self.alone.get(venue.index() * self.pairs + pair.index());
        let bucket = self.shared.get(venue.index()).and_then(Option::as_ref).or(alone);
        bucket.is_some_and(|bucket| bucket.allows_opening(now))
    }
}

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
        self.available(now) > HEDGE_RESERVE.max(self.limit / HEDGE_SHARE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_bucket_of_all_pairs_is_spent_by_each_and_keeps_a_quarter_for_hedges() {
        let mut budgets = PlaceBudgets::new(2, 3);
        let (venue, other) = (VenueId(1), VenueId(0));
        let stated = Budget { venue, bucket: BudgetBucket::PlaceAll, remaining: 50, limit: 50, window_ns: 10, at: MonoNanos(0) };
        budgets.state(&stated);
        let mut sent = 0;
        while budgets.allows_opening(venue, PairId(sent % 3), MonoNanos(1)) {
            budgets.count(venue, PairId(sent % 3), MonoNanos(1));
            sent += 1;
        }
        assert_eq!(sent, 38, "twelve of fifty are left to hedges");
        assert!((0..3).all(|pair| !budgets.allows_opening(venue, PairId(pair), MonoNanos(10))));
        assert!((0..3).all(|pair| budgets.allows_opening(other, PairId(pair), MonoNanos(10))), "the other venue has its own");
        assert!(budgets.allows_opening(venue, PairId(0), MonoNanos(11)));
        budgets.state(&Budget { remaining: 12, at: MonoNanos(12), ..stated });
        assert!((0..3).all(|pair| !budgets.allows_opening(venue, PairId(pair), MonoNanos(13))), "others spent it too");
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
