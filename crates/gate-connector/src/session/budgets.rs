//! Rate limits (Gate API v4, rate limits): placements and amends a second and market, cancels a second, reads in 10 s. Our own
//! counts bound what is sent; the venue's headers may only lower them, and a refusal parks its bucket until the venue's reset time. A
//! `Retry-After` is honoured to its end: of a 429 for its bucket, of a ban (418) for everything.

use super::{GateSession, What};
use crate::rest::{RateClass, RateHeaders};
use domain::command::OrderRef;
use domain::mutants::{self, Mutant};
use domain::time::{MILLI, SECOND};
use domain::{Amend, Budget, BudgetBucket, Input, MonoNanos, NewOrder, PairId};
use venue::TokenBucket;

/// A read that finds no budget looks again after this long, unless its bucket is parked.
const READ_PAUSE_NS: u64 = 100 * MILLI;
/// A bucket is parked this long at most. Gate's windows are 10 s: a reset further off is in other units, or our clock is wrong.
const PARK_MAX_NS: u64 = 60 * SECOND;
/// A `Retry-After` is believed up to this long.
const RETRY_AFTER_MAX_NS: u64 = 3 * 86_400 * SECOND;
/// A ban that does not say how long it lasts.
const BAN_NS: u64 = 120 * SECOND;

/// One limit: our count, and until when the venue refuses everything on it.
struct Bucket {
    tokens: TokenBucket,
    limit_max: u32,
    window_ns: u64,
    parked_until: MonoNanos,
}

impl Bucket {
    fn new(limit: u32, window_ns: u64) -> Bucket {
        let zero = MonoNanos(0);
        Bucket { tokens: TokenBucket::new(limit, window_ns, zero), limit_max: limit, window_ns, parked_until: zero }
    }

    fn of(class: RateClass) -> Bucket {
        Bucket::new(class.limit(), class.window_ns())
    }

    fn take(&mut self, now: MonoNanos) -> bool {
        now >= self.parked_until && self.tokens.take(now, 1, 0)
    }

    fn available(&self, now: MonoNanos) -> u32 {
        if now >= self.parked_until { self.tokens.available(now) } else { 0 }
    }

    /// Takes over what the venue says. `refused` is a 429; `venue_ns` is the venue's time, where known.
    fn reconcile(&mut self, now: MonoNanos, rate: RateHeaders, refused: bool, venue_ns: Option<i64>) {
        if let (Some(remain), Some(limit)) = (rate.remain, rate.limit) {
            self.tokens.reconcile(now, remain, limit.min(self.limit_max));
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
            (Some(reset_at), Some(venue_ns)) => u64::try_from(reset_at.0.saturating_sub(venue_ns)).unwrap_or(0),
            // Refused, and nobody says until when: one window.
            (None, _) | (Some(_), None) if refused => self.window_ns,
            _ => 0,
        };
        self.parked_until = self.parked_until.max(now.after(ahead_ns.min(PARK_MAX_NS)));
    }
}

/// Our counts.
pub(super) struct Budgets {
    place: Vec<(PairId, Bucket)>,
    cancel: Bucket,
    /// All private reads share one bucket, though Gate counts per endpoint, with the smallest of their limits: stricter, and simple.
    read: Bucket,
    /// `/spot/order_book` and `/spot/currency_pairs`, public.
    base: Bucket,
    /// Nothing at all leaves over REST before this time.
    banned_until: MonoNanos,
}

impl Budgets {
    pub(super) fn new(pairs: &[PairId]) -> Budgets {
        Budgets {
            place: pairs.iter().map(|pair| (*pair, Bucket::of(RateClass::SpotPlace))).collect(),
            cancel: Bucket::of(RateClass::SpotCancel),
            read: Bucket::new(RateClass::Other.limit().min(RateClass::SpotPrivate.limit()), RateClass::Other.window_ns()),
            base: Bucket::of(RateClass::Public),
            banned_until: MonoNanos(0),
        }
    }

    /// Takes budget to place or amend on a pair; both spend the same.
    pub(super) fn may_place(&mut self, pair: PairId, now: MonoNanos) -> bool {
        let open = now >= self.banned_until;
        open && self.place.iter_mut().find(|(id, _)| *id == pair).is_some_and(|(_, bucket)| bucket.take(now))
    }

    pub(super) fn may_cancel(&mut self, now: MonoNanos) -> bool {
        now >= self.banned_until && self.cancel.take(now)
    }

    /// When the venue takes a request like this again, by what it said; past when it does now.
    pub(super) fn opens_at(&mut self, what: &What) -> MonoNanos {
        let parked = self.bucket(what).map_or(MonoNanos(0), |(_, bucket)| bucket.parked_until);
        parked.max(self.banned_until)
    }

    /// The venue said when it takes requests again: of this kind after a 429, of any kind after a ban.
    fn retry_after(&mut self, what: &What, banned: bool, after_ns: Option<u64>, now: MonoNanos) {
        let until = |ns: u64| now.after(ns.min(RETRY_AFTER_MAX_NS));
        if banned {
            self.banned_until = self.banned_until.max(until(after_ns.unwrap_or(BAN_NS)));
        } else if let (Some(ns), Some((_, bucket))) = (after_ns, self.bucket(what)) {
            bucket.parked_until = bucket.parked_until.max(until(ns));
        }
    }

    /// Takes budget for a request that may wait.
    ///
    /// # Errors
    /// When to try again.
    pub(super) fn may_read(&mut self, what: &What, now: MonoNanos) -> Result<(), MonoNanos> {
        if now < self.banned_until {
            return Err(self.banned_until);
        }
        let bucket = match what {
            What::Time => return Ok(()),
            What::Base { .. } | What::Rules(_) => &mut self.base,
            _ => &mut self.read,
        };
        if bucket.take(now) { Ok(()) } else { Err(now.after(READ_PAUSE_NS).max(bucket.parked_until)) }
    }

    /// The bucket that a request spends, and its name for the engine.
    fn bucket(&mut self, what: &What) -> Option<(Option<BudgetBucket>, &mut Bucket)> {
        match what {
            What::Place { order: NewOrder { pair, .. }, .. } | What::Amend(Amend { order: OrderRef { pair, .. }, .. }) => {
                let (pair, bucket) = self.place.iter_mut().find(|(id, _)| id == pair)?;
                Some((Some(BudgetBucket::Place(*pair)), bucket))
            }
            What::Cancel(_) | What::CancelAll(_) => Some((Some(BudgetBucket::Cancel), &mut self.cancel)),
            What::Base { .. } | What::Rules(_) => Some((None, &mut self.base)),
            What::Time => None,
            _ => Some((Some(BudgetBucket::Read), &mut self.read)),
        }
    }
}

impl GateSession {
    /// Reads `X-Gate-RateLimit-*` of a REST answer.
    pub(super) fn on_headers(
        &mut self,
        what: &What,
        status: u16,
        headers: &[(String, String)],
        now: MonoNanos,
        updates: &mut Vec<Input>,
    ) {
        self.on_rate(what, RateHeaders::from_http(headers), status == 429, now, updates);
        if matches!(status, 418 | 429) {
            let value = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after")).map(|(_, value)| value.trim());
            // Seconds; the other form, a date, is not used by venues.
            let after_ns = value.and_then(|value| value.parse::<u64>().ok()).map(|s| s.saturating_mul(SECOND));
            self.budgets.retry_after(what, status == 418, after_ns, now);
        }
    }

    /// Takes over what the venue says about the limit that `what` spent: lowers our count, parks the bucket of a refusal until the
    /// reset, keeps the tightest head-room for the metrics, tells the engine.
    pub(super) fn on_rate(&mut self, what: &What, rate: RateHeaders, refused: bool, now: MonoNanos, updates: &mut Vec<Input>) {
        if let (Some(remaining), Some(limit)) = (rate.remain, rate.limit) {
            let tighter = self
                .stats
                .rate_remaining
                .is_none_or(|(r, l)| u64::from(remaining) * u64::from(l) < u64::from(r) * u64::from(limit));
            if tighter {
                self.stats.rate_remaining = Some((remaining, limit));
            }
        }
        let (venue, venue_ns) = (self.venue, self.clock.carried_ns(now));
        let Some((name, bucket)) = self.budgets.bucket(what) else { return };
        bucket.reconcile(now, rate, refused, venue_ns);
        if let Some(name) = name.filter(|_| rate.limit.is_some() || refused) {
            let (remaining, limit, window_ns) = (bucket.available(now), bucket.tokens.limit(), bucket.window_ns);
            updates.push(Input::Budget(Budget { venue, bucket: name, remaining, limit, window_ns, at: now }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::UnixNanos;

    const NOW: MonoNanos = MonoNanos(5 * SECOND);
    const VENUE_NS: i64 = 1_700_000_000_400_000_000;

    fn told(remain: Option<u32>, limit: Option<u32>, reset_s: Option<i64>) -> RateHeaders {
        RateHeaders { remain, limit, reset_at: reset_s.map(|s| UnixNanos(s * SECOND as i64)) }
    }

    /// Nanoseconds after an answer until the bucket gives again.
    fn closed_ns(rate: RateHeaders, refused: bool, venue_ns: Option<i64>) -> u64 {
        let mut bucket = Bucket::of(RateClass::SpotPlace);
        bucket.reconcile(NOW, rate, refused, venue_ns);
        let step = 10 * MILLI;
        (0..10_000).map(|n| n * step).find(|after| bucket.available(NOW.after(*after)) > 0).unwrap_or(u64::MAX)
    }

    #[test]
    fn a_refusal_parks_until_the_reset() {
        let at = Some(VENUE_NS);
        let rows: &[(RateHeaders, bool, Option<i64>, u64)] = &[
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
    fn no_window_holds_more_than_the_limit_not_even_the_first() {
        let mut budgets = Budgets::new(&[PairId(0)]);
        let steps = (0..300u64).map(|step| NOW.after(step * 10 * MILLI));
        let sent: Vec<MonoNanos> = steps.filter(|now| budgets.may_place(PairId(0), *now)).collect();
        for (index, from) in sent.iter().enumerate() {
            let within = sent[index..].iter().take_while(|at| at.since(*from) < SECOND).count();
            assert!(within <= 10, "{within} from {from:?}");
        }
        assert_eq!(sent.len(), 30);
    }

    #[test]
    fn the_venue_may_only_lower_what_we_count() {
        let mut bucket = Bucket::of(RateClass::SpotPlace);
        bucket.reconcile(NOW, told(Some(400), Some(400), None), false, None);
        assert_eq!((bucket.available(NOW), bucket.tokens.limit()), (10, 10));
        bucket.reconcile(NOW, told(Some(2), Some(5), None), false, None);
        assert_eq!((bucket.available(NOW), bucket.tokens.limit()), (2, 5));
    }

    #[test]
    fn a_retry_after_holds_its_bucket_and_a_ban_everything() {
        let mut budgets = Budgets::new(&[PairId(0)]);
        budgets.retry_after(&What::Balances, false, Some(7 * SECOND), NOW);
        assert_eq!(budgets.may_read(&What::Balances, NOW), Err(NOW.after(7 * SECOND)));
        assert_eq!(budgets.opens_at(&What::Balances), NOW.after(7 * SECOND));
        // Cancels keep their own.
        assert!(budgets.may_cancel(NOW) && budgets.may_place(PairId(0), NOW));
        budgets.retry_after(&What::Balances, true, None, NOW);
        let end = NOW.after(BAN_NS);
        assert!(!budgets.may_cancel(NOW) && !budgets.may_place(PairId(0), NOW));
        assert_eq!((budgets.may_read(&What::Time, NOW), budgets.opens_at(&What::Time)), (Err(end), end));
        assert!(budgets.may_cancel(end) && budgets.may_place(PairId(0), end));
        budgets.retry_after(&What::Time, true, Some(u64::MAX), NOW);
        assert_eq!(budgets.opens_at(&What::Time), NOW.after(RETRY_AFTER_MAX_NS));
    }

    #[test]
    fn a_parked_read_comes_back_at_the_reset() {
        let mut budgets = Budgets::new(&[PairId(0)]);
        let rate = told(None, Some(200), Some(1_700_000_002));
        budgets.read.reconcile(NOW, rate, true, Some(VENUE_NS));
        assert_eq!(budgets.may_read(&What::Balances, NOW), Err(NOW.after(1600 * MILLI)));
        assert_eq!(budgets.may_read(&What::Balances, NOW.after(1600 * MILLI)), Ok(()));
        // Other buckets are not touched.
        assert!(budgets.may_place(PairId(0), NOW) && budgets.may_cancel(NOW));
    }
}
