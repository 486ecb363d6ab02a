//! A token bucket over a fixed window, in plain integers: `limit` requests in any `window_ns`, refilled evenly.
//!
//! A full bucket and its refill would let nearly twice the limit through in the first window after a rest: what was taken in the last
//! window is counted too.

use domain::MonoNanos;
use std::collections::VecDeque;

/// Head-room of one rate limit. Time is an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenBucket {
    limit: u32,
    window_ns: u64,
    /// Nanoseconds of credit: one request costs `window_ns / limit`.
    credit_ns: u64,
    at: MonoNanos,
    /// When requests of the last window were taken, and how many then; the newest last.
    recent: VecDeque<(MonoNanos, u32)>,
}

impl TokenBucket {
    /// A full bucket. A limit of zero never allows anything.
    pub const fn new(limit: u32, window_ns: u64, now: MonoNanos) -> TokenBucket {
        TokenBucket { limit, window_ns, credit_ns: window_ns, at: now, recent: VecDeque::new() }
    }

    const fn cost_ns(&self) -> u64 {
        if self.limit == 0 { u64::MAX } else { self.window_ns.div_ceil(self.limit as u64) }
    }

    fn refill(&mut self, now: MonoNanos) {
        self.credit_ns = self.credit_ns.saturating_add(now.since(self.at)).min(self.window_ns);
        self.at = self.at.max(now);
        while self.recent.front().is_some_and(|(at, _)| now.since(*at) >= self.window_ns) {
            self.recent.pop_front();
        }
    }

    fn note(&mut self, now: MonoNanos, count: u32) {
        self.credit_ns = self.credit_ns.saturating_sub(self.cost_ns().saturating_mul(u64::from(count)));
        match self.recent.back_mut() {
            Some((at, taken)) if *at == now => *taken = taken.saturating_add(count),
            _ => self.recent.push_back((now, count)),
        }
    }

    /// Whole requests that may be sent at `now`.
    pub fn available(&self, now: MonoNanos) -> u32 {
        let credit_ns = self.credit_ns.saturating_add(now.since(self.at)).min(self.window_ns);
        let within = self.recent.iter().rev().take_while(|(at, _)| now.since(*at) < self.window_ns);
        let taken = within.fold(0u32, |sum, (_, count)| sum.saturating_add(*count));
        u32::try_from(credit_ns / self.cost_ns()).unwrap_or(u32::MAX).min(self.limit.saturating_sub(taken))
    }

    /// Takes `count` requests, or none and `false` when fewer than `count + reserve` are there.
    pub fn take(&mut self, now: MonoNanos, count: u32, reserve: u32) -> bool {
        self.refill(now);
        if self.available(now) < count.saturating_add(reserve) {
            return false;
        }
        self.note(now, count);
        true
    }

    /// Takes what is there up to `count`: for requests that must go out and are only counted.
    pub fn spend(&mut self, now: MonoNanos, count: u32) {
        self.refill(now);
        self.note(now, count);
    }

    /// The venue says that only `remaining` of `limit` are left: never trust our own count above it.
    pub fn reconcile(&mut self, now: MonoNanos, remaining: u32, limit: u32) {
        self.refill(now);
        self.limit = limit;
        self.credit_ns = self.credit_ns.min(self.cost_ns().saturating_mul(u64::from(remaining)));
    }

    /// Nothing until `window_ns` from now on has refilled: after a 429.
    pub fn drain(&mut self, now: MonoNanos) {
        self.refill(now);
        self.credit_ns = 0;
    }

    /// Requests the window allows.
    pub const fn limit(&self) -> u32 {
        self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::time::SECOND;

    #[test]
    fn never_more_than_the_limit_in_any_window_not_even_the_first() {
        let mut bucket = TokenBucket::new(10, SECOND, MonoNanos(0));
        let mut sent = Vec::new();
        for step in 0..40_000u64 {
            let now = MonoNanos(step * SECOND / 10_000);
            if bucket.take(now, 1, 0) {
                sent.push(now.0);
            }
        }
        for (i, start) in sent.iter().enumerate() {
            assert!(sent[i..].iter().take_while(|t| **t < start + SECOND).count() <= 10);
        }
        assert_eq!(sent.len(), 40, "and no fewer than the limit allows");
        assert!(bucket.recent.len() <= 10, "bounded by the limit");
    }

    #[test]
    fn the_reserve_is_untouched_and_a_venue_may_only_lower_the_count() {
        let mut bucket = TokenBucket::new(10, SECOND, MonoNanos(0));
        assert!(bucket.take(MonoNanos(0), 6, 4));
        assert!(!bucket.take(MonoNanos(0), 1, 4));
        assert!(bucket.take(MonoNanos(0), 1, 0));
        bucket.reconcile(MonoNanos(0), 1, 10);
        assert_eq!(bucket.available(MonoNanos(0)), 1);
        bucket.reconcile(MonoNanos(0), 9, 10);
        assert_eq!(bucket.available(MonoNanos(0)), 1);
        bucket.drain(MonoNanos(0));
        assert!(!bucket.take(MonoNanos(0), 1, 0));
        assert!(!TokenBucket::new(0, SECOND, MonoNanos(0)).take(MonoNanos(SECOND), 1, 0));
    }
}
