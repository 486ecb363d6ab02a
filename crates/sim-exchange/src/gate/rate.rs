//! Rate limits as Gate counts them: fixed windows per bucket (Gate API v4, rate limits).
//!
//! Start at [`RateLimits::take`]. A window opens with the first request that finds none open and lasts its full length;
//! requests past the limit inside it are refused and do not extend it.

use std::collections::BTreeMap;

/// Sizes of the buckets. The defaults are Gate's published spot limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimitConfig {
    /// Public requests per ten seconds, per endpoint.
    pub public_per_10s: u32,
    /// Orders placed per second, per user and pair.
    pub place_per_s: u32,
    /// Orders cancelled per second, per user.
    pub cancel_per_s: u32,
    /// Other private requests per ten seconds, per user and endpoint.
    pub private_per_10s: u32,
    /// Requests for the total balance and the like per ten seconds, per user and endpoint.
    pub wallet_per_10s: u32,
}

impl Default for RateLimitConfig {
    fn default() -> RateLimitConfig {
        RateLimitConfig { public_per_10s: 200, place_per_s: 10, cancel_per_s: 200, private_per_10s: 200, wallet_per_10s: 80 }
    }
}

/// Which limit a request counts against.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Bucket {
    /// A public endpoint. Gate keys it by address too; the simulator sees one address.
    Public {
        /// The endpoint's path pattern.
        endpoint: &'static str,
    },
    /// Placing orders.
    Place {
        /// The user's number.
        user: u64,
        /// `BASE_QUOTE`.
        pair: String,
    },
    /// Cancelling orders.
    Cancel {
        /// The user's number.
        user: u64,
    },
    /// A private endpoint with the smaller limit of the wallet.
    Wallet {
        /// The user's number.
        user: u64,
        /// The endpoint's path pattern.
        endpoint: &'static str,
    },
    /// Any other private endpoint.
    Private {
        /// The user's number.
        user: u64,
        /// The endpoint's path pattern.
        endpoint: &'static str,
    },
}

/// What a bucket says after one request; becomes the `X-Gate-RateLimit-*` headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RateState {
    /// Requests per window.
    pub(super) limit: u32,
    /// Requests left in the window.
    pub(super) remain: u32,
    /// True time, Unix nanoseconds: the window's end when refused, otherwise now.
    pub(super) reset_ns: u64,
    /// False when this request was refused.
    pub(super) allowed: bool,
}

impl RateState {
    /// The reset as it is told, whole seconds by the venue's clock. While refused the end of the window is rounded up, so that a client that
    /// waits for it is never early.
    pub(super) fn reset_s(&self, clock_ns: impl Fn(u64) -> u64) -> u64 {
        let shown_ns = clock_ns(self.reset_ns);
        if self.allowed { shown_ns / 1_000_000_000 } else { shown_ns.div_ceil(1_000_000_000) }
    }
}

#[derive(Clone, Copy, Debug)]
struct Window {
    opened_ns: u64,
    used: u32,
}

/// All buckets of one venue.
#[derive(Debug, Default)]
pub(super) struct RateLimits {
    config: RateLimitConfig,
    divisor: u32,
    windows: BTreeMap<Bucket, Window>,
}

/// Buckets kept before idle ones are dropped: bounds memory when a caller invents pairs.
const WINDOWS_MAX: usize = 4_096;

impl RateLimits {
    /// Empty buckets of the given sizes.
    pub(super) fn new(config: RateLimitConfig) -> RateLimits {
        RateLimits { config, divisor: 1, windows: BTreeMap::new() }
    }

    /// Cuts every limit to this part of it, down to one; 0 and 1 leave them whole.
    pub(super) fn divide_by(&mut self, divisor: u32) {
        self.divisor = divisor.max(1);
    }

    /// Counts one request at `now_ns` and says whether it may pass.
    pub(super) fn take(&mut self, bucket: Bucket, now_ns: u64) -> RateState {
        let (limit, length_ns) = self.size_of(&bucket);
        let limit = if self.divisor > 1 { (limit / self.divisor).max(1) } else { limit };
        if self.windows.len() >= WINDOWS_MAX {
            self.windows.retain(|_, window| now_ns.saturating_sub(window.opened_ns) < 10_000_000_000);
        }
        let window = self.windows.entry(bucket).or_insert(Window { opened_ns: now_ns, used: 0 });
        if now_ns.saturating_sub(window.opened_ns) >= length_ns {
            *window = Window { opened_ns: now_ns, used: 0 };
        }
        let allowed = window.used < limit;
        if allowed {
            window.used += 1;
        }
        let reset_ns = if allowed { now_ns } else { window.opened_ns + length_ns };
        RateState { limit, remain: limit.saturating_sub(window.used), reset_ns, allowed }
    }

    fn size_of(&self, bucket: &Bucket) -> (u32, u64) {
        match bucket {
            Bucket::Public { .. } => (self.config.public_per_10s, 10_000_000_000),
            Bucket::Place { .. } => (self.config.place_per_s, 1_000_000_000),
            Bucket::Cancel { .. } => (self.config.cancel_per_s, 1_000_000_000),
            Bucket::Wallet { .. } => (self.config.wallet_per_10s, 10_000_000_000),
            Bucket::Private { .. } => (self.config.private_per_10s, 10_000_000_000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_NS: u64 = 1_700_000_000_000_000_000;

    fn place(pair: &str) -> Bucket {
        Bucket::Place { user: 1, pair: pair.to_owned() }
    }

    #[test]
    fn ten_orders_per_second_and_market_then_429_until_the_window_ends() {
        let mut limits = RateLimits::new(RateLimitConfig::default());
        for used in 1..=10 {
            let state = limits.take(place("BTC_USDT"), NOW_NS + used);
            assert!(state.allowed);
            assert_eq!(u64::from(state.remain), 10 - used);
        }
        let refused = limits.take(place("BTC_USDT"), NOW_NS + 500_000_000);
        assert!(!refused.allowed);
        assert_eq!((refused.limit, refused.remain), (10, 0));
        assert_eq!(refused.reset_s(|t_ns| t_ns), 1_700_000_002);
        assert_eq!(refused.reset_s(|t_ns| t_ns + 10_500_000_000), 1_700_000_012, "by the venue's clock");
        assert!(limits.take(place("ETH_USDT"), NOW_NS + 500_000_000).allowed, "per market");
        assert!(limits.take(place("BTC_USDT"), NOW_NS + 1_000_000_001).allowed, "a new window");
    }

    #[test]
    fn buckets_are_bounded() {
        let mut limits = RateLimits::new(RateLimitConfig::default());
        for index in 0..3 * WINDOWS_MAX as u64 {
            limits.take(place(&format!("P{index}")), NOW_NS + index * 10_000_000);
        }
        assert!(limits.windows.len() <= WINDOWS_MAX);
    }
}
