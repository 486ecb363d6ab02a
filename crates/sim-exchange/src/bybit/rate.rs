//! Rate limits: per user, endpoint and second in a rolling window, and one for the whole address (Bybit API v5, rate limit
//! rules).

use std::collections::{BTreeMap, VecDeque};

use super::config::BybitLimits;

const SECOND_NS: u64 = 1_000_000_000;

/// What a limit said about one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RateState {
    /// `X-Bapi-Limit`.
    pub(super) limit: u32,
    /// `X-Bapi-Limit-Status`: requests left.
    pub(super) left: u32,
    /// When the window has room again if it has none, otherwise now; nanoseconds of true time.
    pub(super) reset_ns: u64,
    /// Whether the request may pass.
    pub(super) allowed: bool,
}

/// All limits of one venue.
#[derive(Debug)]
pub(super) struct RateLimits {
    divisor: u32,
    /// Times of the requests of the last second, per user and endpoint.
    windows: BTreeMap<(u64, &'static str), VecDeque<u64>>,
    address: VecDeque<u64>,
    shut_until_ns: u64,
}

impl RateLimits {
    pub(super) fn new() -> RateLimits {
        RateLimits { divisor: 1, windows: BTreeMap::new(), address: VecDeque::new(), shut_until_ns: 0 }
    }

    /// Cuts every limit to this part of it, down to one; 0 and 1 leave them whole.
    pub(super) fn divide_by(&mut self, divisor: u32) {
        self.divisor = divisor.max(1);
    }

    /// Counts `weight` requests of a user at `now_ns`, if all of them may pass.
    pub(super) fn take(&mut self, user: u64, endpoint: &'static str, limit: u32, weight: u32, now_ns: u64) -> RateState {
        let limit = (limit / self.divisor).max(1);
        let window = self.windows.entry((user, endpoint)).or_default();
        while window.front().is_some_and(|at_ns| now_ns.saturating_sub(*at_ns) >= SECOND_NS) {
            window.pop_front();
        }
        let used = u32::try_from(window.len()).unwrap_or(u32::MAX);
        let allowed = used.saturating_add(weight) <= limit;
        if allowed {
            window.extend((0..weight).map(|_| now_ns));
        }
        let used = if allowed { used + weight } else { used };
        let reset_ns = if allowed { now_ns } else { window.front().map_or(now_ns, |at_ns| at_ns.saturating_add(SECOND_NS)) };
        RateState { limit, left: limit.saturating_sub(used), reset_ns, allowed }
    }

    /// Counts a request of the address. False while it is shut out for having sent too many.
    pub(super) fn admits_address(&mut self, limits: &BybitLimits, now_ns: u64) -> bool {
        while self.address.front().is_some_and(|at_ns| now_ns.saturating_sub(*at_ns) >= 5 * SECOND_NS) {
            self.address.pop_front();
        }
        if now_ns < self.shut_until_ns {
            return false;
        }
        if self.address.len() >= limits.address_per_5s as usize {
            self.shut_until_ns = now_ns.saturating_add(limits.address_ban_ns);
            return false;
        }
        self.address.push_back(now_ns);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000_000_000;

    #[test]
    fn a_window_rolls_and_says_when_it_has_room() {
        let mut limits = RateLimits::new();
        for used in 1..=10u32 {
            let state = limits.take(1, "amend", 10, 1, NOW + u64::from(used) * 10_000_000);
            assert_eq!((state.allowed, state.limit, state.left), (true, 10, 10 - used));
        }
        let refused = limits.take(1, "amend", 10, 1, NOW + 500_000_000);
        assert_eq!((refused.allowed, refused.left, refused.reset_ns), (false, 0, NOW + 1_010_000_000));
        assert!(limits.take(1, "create", 10, 1, NOW + 500_000_000).allowed, "per endpoint");
        assert!(limits.take(2, "amend", 10, 1, NOW + 500_000_000).allowed, "per user");
        assert!(limits.take(1, "amend", 10, 1, NOW + 1_010_000_000).allowed, "the first request is a second old");
        assert!(!limits.take(1, "amend", 10, 2, NOW + 1_010_000_000).allowed, "a batch passes whole or not at all");
        limits.divide_by(5);
        assert_eq!(limits.take(3, "amend", 10, 1, NOW).limit, 2);
    }

    #[test]
    fn an_address_that_sends_too_much_is_shut_out_for_minutes() {
        let sizes = BybitLimits { address_per_5s: 3, ..BybitLimits::default() };
        let mut limits = RateLimits::new();
        assert!((0..3).all(|n| limits.admits_address(&sizes, NOW + n)));
        assert!(!limits.admits_address(&sizes, NOW + 10));
        assert!(!limits.admits_address(&sizes, NOW + 6 * SECOND_NS));
        assert!(limits.admits_address(&sizes, NOW + 10 + sizes.address_ban_ns));
    }
}
