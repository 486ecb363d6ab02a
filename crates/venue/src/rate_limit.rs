//! One rate limit of a venue: our own count, lowered by what the venue says, and parked while it refuses.
//!
//! Our count bounds what is sent; the venue's headers may only lower it, and a refusal parks the limit until the venue's reset time.
//! A `Retry-After` is honoured to its end.

use crate::budget::TokenBucket;
use domain::mutants::{self, Mutant};
use domain::time::SECOND;
use domain::{MonoNanos, UnixNanos};

/// A limit is parked this long at most for a reset time: venues' windows are shorter, so one further off is in other units, or our
/// clock is wrong.
const PARK_MAX_NS: u64 = 60 * SECOND;
/// A `Retry-After` is believed up to this long.
pub const RETRY_AFTER_MAX_NS: u64 = 3 * 86_400 * SECOND;

/// So many requests in any window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Requests.
    pub count: u32,
    /// Length of the window.
    pub window_ns: u64,
}

/// What a venue says about a limit with an answer. All of it may be missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateNews {
    /// Requests left in the window.
    pub remain: Option<u32>,
    /// Requests that the window allows; never zero.
    pub limit: Option<u32>,
    /// When the window begins anew, by the venue's clock.
    pub reset_at: Option<UnixNanos>,
    /// The venue's clock as it said so, where that was told with it.
    pub told_at: Option<UnixNanos>,
}

impl RateNews {
    /// The venue's time to count from: as it told, or by our clock of it.
    pub fn venue_ns(&self, by_our_clock: Option<i64>) -> Option<i64> {
        self.told_at.map(|at| at.0).or(by_our_clock)
    }

    /// How long it is until the window begins anew; `None` where that is not told, or past.
    pub fn left_ns(&self, venue_ns: Option<i64>) -> Option<u64> {
        u64::try_from(self.reset_at?.0.saturating_sub(venue_ns?)).ok()
    }

    /// With the end that `Retry-After` tells, where no other is told: a better one than a whole window. It counts from now, so that it is
    /// known without the venue's time; returned is the time to count from.
    #[must_use]
    pub fn ending_after(self, after_ns: Option<u64>, venue_ns: Option<i64>) -> (RateNews, Option<i64>) {
        let (None, Some(after)) = (self.reset_at, after_ns.and_then(|after_ns| i64::try_from(after_ns).ok())) else {
            return (self, venue_ns);
        };
        let from = venue_ns.unwrap_or(0);
        (RateNews { reset_at: from.checked_add(after).map(UnixNanos), ..self }, Some(from))
    }
}

/// Our count, and until when the venue refuses everything on it.
#[derive(Clone, Debug)]
pub struct RateLimit {
    tokens: TokenBucket,
    limit: Limit,
    parked_until: MonoNanos,
}

impl RateLimit {
    /// A limit of which nothing is used.
    pub const fn new(limit: Limit) -> RateLimit {
        RateLimit { tokens: TokenBucket::new(limit.count, limit.window_ns, MonoNanos(0)), limit, parked_until: MonoNanos(0) }
    }

    /// Takes so many requests, or none.
    #[must_use]
    pub fn take(&mut self, now: MonoNanos, count: u32) -> bool {
        now >= self.parked_until && self.tokens.take(now, count, 0)
    }

    /// Requests that may be sent now.
    pub fn available(&self, now: MonoNanos) -> u32 {
        if now >= self.parked_until { self.tokens.available(now) } else { 0 }
    }

    /// Requests that its window allows, as last told.
    pub const fn limit(&self) -> u32 {
        self.tokens.limit()
    }

    /// Its window.
    pub const fn window_ns(&self) -> u64 {
        self.limit.window_ns
    }

    /// Nothing passes before this time.
    pub const fn parked_until(&self) -> MonoNanos {
        self.parked_until
    }

    /// The venue refuses everything for so long.
    pub fn park(&mut self, now: MonoNanos, nanos: u64) {
        self.parked_until = self.parked_until.max(now.after(nanos.min(RETRY_AFTER_MAX_NS)));
    }

    /// Nothing passes before this time, or a later one that was told before.
    pub fn park_until(&mut self, until: MonoNanos) {
        self.parked_until = self.parked_until.max(until);
    }

    /// Takes over what the venue says. `refused`: it would take no more; `venue_ns` is the venue's time, where known.
    pub fn reconcile(&mut self, now: MonoNanos, rate: RateNews, refused: bool, venue_ns: Option<i64>) {
        if let (Some(remain), Some(limit)) = (rate.remain, rate.limit) {
            self.tokens.reconcile(now, remain, limit.min(self.limit.count));
        }
        if refused && mutants::active(Mutant::RefusalIgnored) {
            return;
        }
        let used_up = refused || (rate.remain == Some(0) && rate.reset_at.is_some());
        if !used_up {
            return;
        }
        if refused {
            self.tokens.drain(now);
        }
        let ahead_ns = match (rate.reset_at, venue_ns) {
            (Some(_), Some(_)) => rate.left_ns(venue_ns).unwrap_or(0),
            // Refused, and nobody says until when: one window.
            _ if refused => self.limit.window_ns,
            _ => 0,
        };
        // Only that none is left, of a limit whose size is not ours: it gives again within a window, whatever time stands beside it (Bybit
        // shows that of the answer until something was refused).
        let ahead_ns = if refused || rate.limit.is_some() { ahead_ns } else { ahead_ns.max(self.limit.window_ns) };
        self.park(now, ahead_ns.min(PARK_MAX_NS));
    }
}

/// How long a `Retry-After` header asks to wait; `None` without one. Seconds: the other form, a date, is not used by venues.
pub fn retry_after_ns(headers: &[(String, String)]) -> Option<u64> {
    let value = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after")).map(|(_, value)| value.trim());
    value.and_then(|value| value.parse::<u64>().ok()).map(|seconds| seconds.saturating_mul(SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::time::MILLI;

    const NOW: MonoNanos = MonoNanos(5 * SECOND);
    const VENUE_NS: i64 = 1_700_000_000_400_000_000;
    const TEN: Limit = Limit { count: 10, window_ns: SECOND };

    fn told(remain: Option<u32>, limit: Option<u32>, reset_s: Option<i64>) -> RateNews {
        RateNews { remain, limit, reset_at: reset_s.map(|s| UnixNanos(s * SECOND as i64)), told_at: None }
    }

    /// Nanoseconds after an answer until the limit gives again.
    fn closed_ns(rate: RateNews, refused: bool, venue_ns: Option<i64>) -> u64 {
        let mut limit = RateLimit::new(TEN);
        limit.reconcile(NOW, rate, refused, venue_ns);
        let step = 10 * MILLI;
        (0..10_000).map(|n| n * step).find(|after| limit.available(NOW.after(*after)) > 0).unwrap_or(u64::MAX)
    }

    #[test]
    fn a_refusal_parks_until_the_reset() {
        let at = Some(VENUE_NS);
        let rows: &[(RateNews, bool, Option<i64>, u64)] = &[
            // A refusal with the reset's time: until then, by the venue's clock.
            (told(None, Some(10), Some(1_700_000_001)), true, at, 600 * MILLI),
            (told(Some(0), Some(10), Some(1_700_000_003)), true, at, 2600 * MILLI),
            // Its time is past, or is this second: our own count starts from nothing.
            (told(None, Some(10), Some(1_700_000_000)), true, at, 100 * MILLI),
            // Nobody says until when, or we can't tell how far that is: one window.
            (told(None, None, None), true, at, SECOND),
            (told(None, Some(10), Some(1_700_000_003)), true, None, SECOND),
            // Absurd stamps park a minute, not for ever.
            (told(None, Some(10), Some(9_000_000_000)), true, at, 60 * SECOND),
            // The last request of a window was accepted: nothing passes before the next.
            (told(Some(0), Some(10), Some(1_700_000_001)), false, at, 600 * MILLI),
            // Of a limit that is not the one counted here: a window, though the reset's time is now.
            (told(Some(0), None, Some(1_700_000_000)), false, at, SECOND),
            (told(Some(0), None, Some(1_700_000_000)), false, None, SECOND),
            // Without a reset our own count refills.
            (told(Some(0), Some(10), None), false, at, 100 * MILLI),
            (told(Some(3), Some(10), Some(1_700_000_001)), false, at, 0),
            (told(None, None, Some(1_700_000_001)), false, at, 0),
        ];
        for (rate, refused, venue_ns, expected) in rows {
            assert_eq!(closed_ns(*rate, *refused, *venue_ns), *expected, "{rate:?} {refused}");
        }
    }

    #[test]
    fn the_venue_may_only_lower_what_we_count() {
        let mut limit = RateLimit::new(TEN);
        limit.reconcile(NOW, told(Some(400), Some(400), None), false, None);
        assert_eq!((limit.available(NOW), limit.limit()), (10, 10));
        limit.reconcile(NOW, told(Some(2), Some(5), None), false, None);
        assert_eq!((limit.available(NOW), limit.limit()), (2, 5));
    }

    #[test]
    fn a_parked_limit_comes_back_at_its_time_and_no_later_than_is_believed() {
        let mut limit = RateLimit::new(TEN);
        limit.park(NOW, 7 * SECOND);
        limit.park(NOW, SECOND);
        assert!(!limit.take(NOW.after(7 * SECOND - 1), 1) && limit.take(NOW.after(7 * SECOND), 1));
        limit.park(NOW, u64::MAX);
        assert_eq!(limit.parked_until(), NOW.after(RETRY_AFTER_MAX_NS));
    }

    #[test]
    fn retry_after_is_read_in_seconds() {
        let header = |name: &str, value: &str| retry_after_ns(&[(name.to_string(), value.to_string())]);
        assert_eq!(header("Retry-After", " 7 "), Some(7 * SECOND));
        assert_eq!(header("retry-after", "soon"), None);
        assert_eq!(header("age", "7"), None);
    }

    #[test]
    fn a_wait_that_is_told_in_seconds_needs_no_clock() {
        let now = MonoNanos(SECOND);
        for venue_ns in [None, Some(1_700_000_000_000_000_000)] {
            let mut limit = RateLimit::new(Limit { count: 10, window_ns: 60 * SECOND });
            let (news, from) = RateNews::default().ending_after(Some(26 * SECOND), venue_ns);
            limit.reconcile(now, news, true, from);
            assert_eq!(limit.parked_until(), now.after(26 * SECOND), "{venue_ns:?}");
        }
        // Nobody says until when: one window.
        let mut limit = RateLimit::new(Limit { count: 10, window_ns: 60 * SECOND });
        let (news, from) = RateNews::default().ending_after(None, None);
        limit.reconcile(now, news, true, from);
        assert_eq!(limit.parked_until(), now.after(60 * SECOND));
    }
}
