//! Orders and cancels per second, as a token bucket: full at the limit, refilled by the limit each second. A quarter of it is
//! kept for hedges and cancels, which are never held back: openings wait until two orders and the reserve are there.

use domain::MonoNanos;
use domain::time::SECOND;

/// No configuration goes above.
pub const CEILING: u32 = 400;
/// Fewest that let a deal through: its two orders and the reserve.
pub const LEAST: u32 = 3;

/// Messages of one deal's openings.
const DEAL: u64 = 2;

/// The bucket; tokens in 10^-9.
#[derive(Clone, Debug)]
pub(crate) struct MessageBucket {
    limit: u64,
    tokens: u64,
    at: MonoNanos,
}

impl MessageBucket {
    pub(crate) fn new(limit: u32) -> MessageBucket {
        MessageBucket { limit: u64::from(limit), tokens: u64::from(limit) * SECOND, at: MonoNanos(0) }
    }

    /// Another limit: as much of the bucket is used up as was.
    pub(crate) fn set_limit(&mut self, limit: u32) {
        let used = (self.limit * SECOND).saturating_sub(self.tokens);
        self.limit = u64::from(limit);
        self.tokens = (self.limit * SECOND).saturating_sub(used);
    }

    fn tokens(&self, now: MonoNanos) -> u64 {
        // A token takes 10^9 / limit ns, so each nanosecond brings `limit` of its 10^-9.
        let refill = now.since(self.at).saturating_mul(self.limit);
        self.tokens.saturating_add(refill).min(self.limit * SECOND)
    }

    /// One message leaves; a hedge or cancel leaves also when the bucket is empty.
    pub(crate) fn take(&mut self, now: MonoNanos) {
        self.tokens = self.tokens(now).saturating_sub(SECOND);
        self.at = now.max(self.at);
    }

    /// Whether a deal's openings may leave beside the reserve.
    pub(crate) fn allows_deal(&self, now: MonoNanos) -> bool {
        self.tokens(now) >= (DEAL + self.limit.div_ceil(4)) * SECOND
    }
}

const _: () = assert!(LEAST as u64 >= DEAL + (LEAST as u64).div_ceil(4));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openings_stop_at_the_reserve_exactly_and_come_back_with_the_refill() {
        let mut bucket = MessageBucket::new(8);
        let at = MonoNanos(5);
        (0..4).for_each(|_| bucket.take(at));
        assert!(bucket.allows_deal(at), "two orders and a reserve of two are left");
        bucket.take(at);
        assert!(!bucket.allows_deal(at));
        assert!(!bucket.allows_deal(at.after(SECOND / 8 - 1)));
        assert!(bucket.allows_deal(at.after(SECOND / 8)), "one token later");
    }

    #[test]
    fn hedges_and_cancels_are_not_held_back_and_the_bucket_never_overflows() {
        let mut bucket = MessageBucket::new(LEAST);
        assert!(bucket.allows_deal(MonoNanos(0)));
        (0..100).for_each(|_| bucket.take(MonoNanos(1)));
        assert!(!bucket.allows_deal(MonoNanos(2)));
        assert!(bucket.allows_deal(MonoNanos(2 + SECOND)), "it is never in debt for longer than a second");
        assert!(bucket.allows_deal(MonoNanos(u64::MAX)));
    }

    #[test]
    fn another_limit_leaves_used_what_is_used() {
        let (mut bucket, at) = (MessageBucket::new(8), MonoNanos(5));
        (0..5).for_each(|_| bucket.take(at));
        assert!(!bucket.allows_deal(at));
        // Of 12, five are used: seven are left, and two and a reserve of three are needed.
        bucket.set_limit(12);
        assert_eq!((bucket.tokens, bucket.allows_deal(at)), (7 * SECOND, true));
        bucket.set_limit(4);
        assert_eq!((bucket.tokens, bucket.allows_deal(at)), (0, false));
    }
}
