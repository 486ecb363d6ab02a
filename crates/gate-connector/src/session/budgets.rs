//! Rate limits (Gate API v4, rate limits): 10 placements a second per market, 200 cancels a second, 200 reads in 10 s per
//! endpoint. Our own counts bound what is sent; the venue's headers may only lower them.

use super::{GateSession, What};
use domain::time::{MILLI, SECOND};
use domain::{Budget, BudgetBucket, Input, MonoNanos, PairId};
use venue::TokenBucket;

const PLACE_LIMIT: u32 = 10;
const PLACE_WINDOW_NS: u64 = SECOND;
const CANCEL_LIMIT: u32 = 200;
const CANCEL_WINDOW_NS: u64 = SECOND;
const READ_LIMIT: u32 = 200;
const READ_WINDOW_NS: u64 = 10 * SECOND;
/// A read that finds no budget looks again after this long.
const READ_PAUSE_NS: u64 = 100 * MILLI;

/// Our counts.
pub(super) struct Budgets {
    place: Vec<(PairId, TokenBucket)>,
    cancel: TokenBucket,
    /// All private reads share one bucket, though Gate counts per endpoint: stricter, and simple.
    read: TokenBucket,
    /// `/spot/order_book`, public.
    base: TokenBucket,
}

impl Budgets {
    pub(super) fn new(pairs: &[PairId]) -> Budgets {
        let zero = MonoNanos(0);
        Budgets {
            place: pairs.iter().map(|pair| (*pair, TokenBucket::new(PLACE_LIMIT, PLACE_WINDOW_NS, zero))).collect(),
            cancel: TokenBucket::new(CANCEL_LIMIT, CANCEL_WINDOW_NS, zero),
            read: TokenBucket::new(READ_LIMIT, READ_WINDOW_NS, zero),
            base: TokenBucket::new(READ_LIMIT, READ_WINDOW_NS, zero),
        }
    }

    pub(super) fn may_place(&mut self, pair: PairId, now: MonoNanos) -> bool {
        self.place.iter_mut().find(|(id, _)| *id == pair).is_some_and(|(_, bucket)| bucket.take(now, 1, 0))
    }

    pub(super) fn may_cancel(&mut self, now: MonoNanos) -> bool {
        self.cancel.take(now, 1, 0)
    }

    /// Takes budget for a request that may wait.
    ///
    /// # Errors
    /// When to try again.
    pub(super) fn may_read(&mut self, what: &What, now: MonoNanos) -> Result<(), MonoNanos> {
        let bucket = match what {
            What::Time => return Ok(()),
            What::Base { .. } => &mut self.base,
            _ => &mut self.read,
        };
        if bucket.take(now, 1, 0) { Ok(()) } else { Err(now.after(READ_PAUSE_NS)) }
    }

    fn bucket(&mut self, what: &What) -> Option<(Option<BudgetBucket>, &mut TokenBucket, u32, u64)> {
        match what {
            What::Place { order, .. } => {
                let (pair, bucket) = self.place.iter_mut().find(|(id, _)| *id == order.pair)?;
                Some((Some(BudgetBucket::Place(*pair)), bucket, PLACE_LIMIT, PLACE_WINDOW_NS))
            }
            What::Cancel(_) | What::CancelAll(_) => {
                Some((Some(BudgetBucket::Cancel), &mut self.cancel, CANCEL_LIMIT, CANCEL_WINDOW_NS))
            }
            What::Base { .. } => Some((None, &mut self.base, READ_LIMIT, READ_WINDOW_NS)),
            What::Time => None,
            _ => Some((Some(BudgetBucket::Read), &mut self.read, READ_LIMIT, READ_WINDOW_NS)),
        }
    }
}

impl GateSession {
    /// Reads `X-Gate-RateLimit-*`: lowers our counts, keeps the tightest head-room for the metrics, tells the engine.
    pub(super) fn on_headers(
        &mut self,
        what: &What,
        status: u16,
        headers: &[(String, String)],
        now: MonoNanos,
        updates: &mut Vec<Input>,
    ) {
        let number = |name: &str| headers.iter().find(|(n, _)| n == name).and_then(|(_, v)| v.trim().parse::<u32>().ok());
        let limit = number("x-gate-ratelimit-limit").filter(|limit| *limit > 0);
        // `remain` is left out when it is zero.
        let remaining = limit.map(|limit| number("x-gate-ratelimit-requests-remain").unwrap_or(0).min(limit));
        if let (Some(remaining), Some(limit)) = (remaining, limit) {
            let tighter = self
                .stats
                .rate_remaining
                .is_none_or(|(r, l)| u64::from(remaining) * u64::from(l) < u64::from(r) * u64::from(limit));
            if tighter {
                self.stats.rate_remaining = Some((remaining, limit));
            }
        }
        let venue = self.venue;
        let Some((name, bucket, limit_max, window_ns)) = self.budgets.bucket(what) else { return };
        if let (Some(remaining), Some(limit)) = (remaining, limit) {
            bucket.reconcile(now, remaining, limit.min(limit_max));
        }
        if status == 429 {
            bucket.drain(now);
        }
        if let Some(name) = name.filter(|_| limit.is_some() || status == 429) {
            let (remaining, limit) = (bucket.available(now), bucket.limit());
            updates.push(Input::Budget(Budget { venue, bucket: name, remaining, limit, window_ns, at: now }));
        }
    }
}
