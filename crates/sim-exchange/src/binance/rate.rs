//! Limits as Binance counts them: request weight per address, unfilled orders per account, bans (Binance spot API, limits).
//!
//! Start at [`Limits::charge`] for a request and [`Limits::order`] for a placement. Windows are those of the clock. Who goes on
//! after 429 is answered 418 for longer and longer.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::error::ApiError;
use crate::shared::windows::Window;

const SECOND_NS: u64 = 1_000_000_000;
const MINUTE_NS: u64 = 60 * SECOND_NS;
const DAY_NS: u64 = 1_440 * MINUTE_NS;
/// The first ban; each further one is twice as long.
pub(super) const BAN_MIN_NS: u64 = 2 * MINUTE_NS;
/// The longest ban.
const BAN_MAX_NS: u64 = 3 * DAY_NS;
/// What a first fill takes off the count of unfilled orders: of an order that took, and of one that rested (Binance spot API,
/// unfilled order count rules).
const FILL_CREDIT: (u64, u64) = (1, 5);

/// Sizes of the limits; the defaults are Binance's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitSizes {
    /// Weight per minute and address, REST and WebSocket API together.
    pub weight_per_minute: u64,
    /// Requests per five minutes and address.
    pub requests_per_5m: u64,
    /// Unfilled orders per ten seconds and account.
    pub orders_per_10s: u64,
    /// Unfilled orders per day and account.
    pub orders_per_day: u64,
    /// Requests refused with 429 in a row before the address is banned.
    pub refusals_before_ban: u32,
}

impl Default for LimitSizes {
    fn default() -> LimitSizes {
        LimitSizes {
            weight_per_minute: 6_000,
            requests_per_5m: 300_000,
            orders_per_10s: 100,
            orders_per_day: 200_000,
            refusals_before_ban: 20,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct OrderCounts {
    of_10s: Window,
    of_day: Window,
}

impl OrderCounts {
    const fn new() -> OrderCounts {
        OrderCounts { of_10s: Window::new(10 * SECOND_NS), of_day: Window::new(DAY_NS) }
    }
}

/// All limits of one venue. The simulator sees one address.
#[derive(Debug)]
pub(super) struct Limits {
    sizes: LimitSizes,
    divisor: u64,
    weight: Window,
    requests: Window,
    orders: BTreeMap<u64, OrderCounts>,
    refused: u32,
    bans: u32,
    banned_until_ns: u64,
}

impl Limits {
    /// Nothing counted yet.
    pub(super) fn new(sizes: LimitSizes) -> Limits {
        Limits {
            sizes,
            divisor: 1,
            weight: Window::new(MINUTE_NS),
            requests: Window::new(5 * MINUTE_NS),
            orders: BTreeMap::new(),
            refused: 0,
            bans: 0,
            banned_until_ns: 0,
        }
    }

    /// Cuts every limit to this part of it, down to one; 0 and 1 leave them whole.
    pub(super) fn divide_by(&mut self, divisor: u32) {
        self.divisor = u64::from(divisor.max(1));
    }

    /// Bans the address until `until_ns`, Unix nanoseconds.
    pub(super) fn ban(&mut self, until_ns: u64) {
        self.banned_until_ns = until_ns;
    }

    /// Counts a request of this weight.
    ///
    /// # Errors
    /// 418 while banned, 429 when the weight does not suffice: −1003, with the seconds to wait.
    pub(super) fn charge(&mut self, weight: u64, t_ns: u64) -> Result<(), ApiError> {
        if let Some(error) = self.banned(t_ns) {
            return Err(error);
        }
        let used = self.weight.add(weight, t_ns);
        let requests = self.requests.add(1, t_ns);
        let limit = self.limit(self.sizes.weight_per_minute);
        if used <= limit && requests <= self.limit(self.sizes.requests_per_5m) {
            self.refused = 0;
            return Ok(());
        }
        self.refused += 1;
        if self.refused > self.sizes.refusals_before_ban {
            let length_ns = BAN_MIN_NS.saturating_mul(1 << self.bans.min(20)).min(BAN_MAX_NS);
            (self.refused, self.bans) = (0, self.bans + 1);
            self.ban(t_ns.saturating_add(length_ns));
            return Err(self.banned(t_ns).unwrap_or_else(|| too_much(limit, length_ns)));
        }
        let ends_ns = if used > limit { self.weight.ends_ns(t_ns) } else { self.requests.ends_ns(t_ns) };
        Err(too_much(limit, ends_ns - t_ns))
    }

    /// The refusal of everything while the address is banned.
    pub(super) fn banned(&self, t_ns: u64) -> Option<ApiError> {
        let left_ns = self.banned_until_ns.checked_sub(t_ns).filter(|left| *left > 0)?;
        let msg = format!(
            "Way too much request weight used; IP banned until {}. Please use WebSocket Streams for live updates to avoid bans.",
            self.banned_until_ns.div_ceil(1_000_000)
        );
        Some(ApiError { status: 418, retry_after_s: Some(left_ns.div_ceil(SECOND_NS)), ..ApiError::new(-1003, msg) })
    }

    /// Takes back what a request cost: orders that succeed cost no weight.
    pub(super) fn give_back(&mut self, weight: u64, t_ns: u64) {
        self.weight.give_back(weight, t_ns);
    }

    /// Whether one more order may be placed; it is counted with [`Limits::order`].
    ///
    /// # Errors
    /// 429 with −1015 when a count is full.
    pub(super) fn check_order(&mut self, user: u64, t_ns: u64) -> Result<(), ApiError> {
        let of_10s = self.limit(self.sizes.orders_per_10s);
        let of_day = self.limit(self.sizes.orders_per_day);
        let counts = self.orders.entry(user).or_insert(OrderCounts::new());
        for (window, limit, span) in [(&mut counts.of_10s, of_10s, "10 SECOND"), (&mut counts.of_day, of_day, "1 DAY")] {
            if window.used(t_ns) >= limit {
                let wait_s = (window.ends_ns(t_ns) - t_ns).div_ceil(SECOND_NS);
                let msg = format!("Too many new orders; current limit is {limit} orders per {span}.");
                return Err(ApiError { status: 429, retry_after_s: Some(wait_s), ..ApiError::new(-1015, msg) });
            }
        }
        Ok(())
    }

    /// Counts an order that was accepted.
    pub(super) fn order(&mut self, user: u64, t_ns: u64) {
        let counts = self.orders.entry(user).or_insert(OrderCounts::new());
        counts.of_10s.add(1, t_ns);
        counts.of_day.add(1, t_ns);
    }

    /// An order was filled for the first time, having rested or not.
    pub(super) fn first_fill(&mut self, user: u64, rested: bool, t_ns: u64) {
        let credit = if rested { FILL_CREDIT.1 } else { FILL_CREDIT.0 };
        let counts = self.orders.entry(user).or_insert(OrderCounts::new());
        counts.of_10s.give_back(credit, t_ns);
        counts.of_day.give_back(credit, t_ns);
    }

    /// Weight used in this minute: `X-MBX-USED-WEIGHT-1M`.
    pub(super) fn used_weight(&mut self, t_ns: u64) -> u64 {
        self.weight.used(t_ns)
    }

    /// Unfilled orders in these ten seconds and on this day: `X-MBX-ORDER-COUNT-…`.
    pub(super) fn order_counts(&mut self, user: u64, t_ns: u64) -> (u64, u64) {
        let counts = self.orders.entry(user).or_insert(OrderCounts::new());
        (counts.of_10s.used(t_ns), counts.of_day.used(t_ns))
    }

    /// `rateLimits` of `exchangeInfo`.
    pub(super) fn listed(&self) -> Value {
        json!([
            row("REQUEST_WEIGHT", "MINUTE", 1, self.limit(self.sizes.weight_per_minute), None),
            row("ORDERS", "SECOND", 10, self.limit(self.sizes.orders_per_10s), None),
            row("ORDERS", "DAY", 1, self.limit(self.sizes.orders_per_day), None),
            row("RAW_REQUESTS", "MINUTE", 5, self.limit(self.sizes.requests_per_5m), None),
        ])
    }

    /// `rateLimits` of the orders of one account, as `rateLimit/order` has them.
    pub(super) fn of_orders(&mut self, user: u64, t_ns: u64) -> Vec<Value> {
        let (of_10s, of_day) = self.order_counts(user, t_ns);
        vec![
            row("ORDERS", "SECOND", 10, self.limit(self.sizes.orders_per_10s), Some(of_10s)),
            row("ORDERS", "DAY", 1, self.limit(self.sizes.orders_per_day), Some(of_day)),
        ]
    }

    /// `rateLimits` of the address' weight.
    pub(super) fn of_weight(&mut self, t_ns: u64) -> Value {
        let used = self.used_weight(t_ns);
        row("REQUEST_WEIGHT", "MINUTE", 1, self.limit(self.sizes.weight_per_minute), Some(used))
    }

    fn limit(&self, size: u64) -> u64 {
        (size / self.divisor).max(1)
    }
}

/// A refusal for the rate of requests that were never counted here: by a fault, until the next second.
pub(super) fn refused_by_fault() -> ApiError {
    too_much(6_000, SECOND_NS)
}

fn too_much(limit: u64, wait_ns: u64) -> ApiError {
    let msg = format!(
        "Too much request weight used; current limit is {limit} request weight per 1 MINUTE. Please use WebSocket Streams for \
         live updates to avoid polling the API."
    );
    ApiError { status: 429, retry_after_s: Some(wait_ns.div_ceil(SECOND_NS)), ..ApiError::new(-1003, msg) }
}

fn row(kind: &str, interval: &str, number: u64, limit: u64, count: Option<u64>) -> Value {
    let mut row = json!({"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit});
    if let Some(count) = count {
        row["count"] = json!(count);
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 1_700_000_040 * SECOND_NS;

    #[test]
    fn weight_is_counted_by_the_minute_of_the_clock_and_ignoring_429_ends_in_a_ban() {
        let mut limits = Limits::new(LimitSizes { refusals_before_ban: 2, ..LimitSizes::default() });
        for _ in 0..24 {
            limits.charge(250, MINUTE).expect("room");
        }
        let refused = limits.charge(1, MINUTE + 45 * SECOND_NS).expect_err("full");
        assert_eq!((refused.status, refused.code, refused.retry_after_s), (429, -1003, Some(15)));
        limits.charge(1, MINUTE + 60 * SECOND_NS).expect("a new minute");
        assert_eq!(limits.used_weight(MINUTE + 60 * SECOND_NS), 1);
        limits.charge(6_000, MINUTE + 60 * SECOND_NS).expect_err("full");
        limits.charge(1, MINUTE + 61 * SECOND_NS).expect_err("full");
        let banned = limits.charge(1, MINUTE + 62 * SECOND_NS).expect_err("banned");
        assert_eq!((banned.status, banned.retry_after_s), (418, Some(120)));
        let later = limits.charge(1, MINUTE + 150 * SECOND_NS).expect_err("still banned");
        assert_eq!((later.status, later.retry_after_s), (418, Some(32)));
        limits.charge(1, MINUTE + 183 * SECOND_NS).expect("over");
    }

    #[test]
    fn orders_that_fill_do_not_count() {
        let mut limits = Limits::new(LimitSizes { orders_per_10s: 3, ..LimitSizes::default() });
        let place = |limits: &mut Limits, t_ns| limits.check_order(7, t_ns).map(|()| limits.order(7, t_ns));
        for _ in 0..3 {
            place(&mut limits, MINUTE).expect("room");
        }
        assert_eq!(place(&mut limits, MINUTE).map_err(|error| (error.code, error.status)), Err((-1015, 429)));
        limits.first_fill(7, false, MINUTE);
        place(&mut limits, MINUTE).expect("one was filled as it arrived");
        limits.first_fill(7, true, MINUTE);
        assert_eq!(limits.order_counts(7, MINUTE), (0, 0), "one that rested counts for five, down to nothing");
        limits.check_order(8, MINUTE).expect("another account");
    }
}
