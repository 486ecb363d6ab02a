//! Limits, the approval of plans, and the approval of hedges.
//!
//! Start at [`Limits::approve`]: it tries `limit`, `rate_budget`, `frozen`, `paused`, `latched` and `log_lag` in that order (the
//! order of `domain::Verdict::ALL`) and is the only way to an [`Approved<Plan>`]. A value exactly at its limit passes, one unit
//! above it does not. [`Limits::approve_hedge`] lets only orders through that make the worst case smaller; no stop holds a hedge
//! back.

use crate::approved::Approved;
use crate::band::HedgeBand;
use crate::plan::{HedgeOrder, Leg, Plan};
use crate::stops::Stops;
use domain::number::{AMOUNT_ONE, UNITS_MAX};
use domain::{Amount, PairScale, Price, Qty, Side, Verdict};

/// Ceilings in code, above which no configuration may go (an order 100 times too large must not start).
pub mod ceiling {
    use domain::Amount;
    use domain::number::AMOUNT_ONE;

    /// Largest value of one order, in units of the quote asset.
    pub const ORDER_VALUE: Amount = Amount::from_units(1_000_000 * AMOUNT_ONE);
    /// Largest value of one deal, in units of the quote asset.
    pub const DEAL_VALUE: Amount = Amount::from_units(1_000_000 * AMOUNT_ONE);
    /// Largest unhedged value, in units of the quote asset.
    pub const UNHEDGED_VALUE: Amount = Amount::from_units(4_000_000 * AMOUNT_ONE);
    /// Largest loss of a day, in units of the quote asset.
    pub const DAILY_LOSS: Amount = Amount::from_units(1_000_000 * AMOUNT_ONE);
    /// Most deals open at once.
    pub const OPEN_DEALS: u32 = 64;
    /// Most orders a second over all venues, hedges included.
    pub const ORDERS_PER_SECOND: u32 = 200;
}

/// A hedge may be worth this many times `order_value_max`: it closes what an opening made, perhaps after the price moved, and
/// must not be refused for that.
const HEDGE_VALUE_FACTOR: i128 = 2;

/// Orders that one plan sends.
const ORDERS_PER_PLAN: u32 = 2;

/// Worst case that [`Exposure`] saturates at: far above any limit, and adding to it cannot overflow.
const WORST_MAX: i128 = i128::MAX / 4;

/// The limits in force. Values are in units of the pair's quote asset. Check with [`Limits::validate`] before use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest value of one opening order at its limit price.
    pub order_value_max: Amount,
    /// Largest value of one deal: its dearer leg at the limit price.
    pub deal_value_max: Amount,
    /// Largest worst-case unhedged value over all open deals, the new plan's dearer leg counted as if the other never fills.
    pub unhedged_value_max: Amount,
    /// Most deals open at once.
    pub open_deals_max: u32,
    /// Most orders within one second over all venues; openings stop there, hedges do not.
    pub orders_per_second_max: u32,
    /// Largest realised loss since midnight UTC; beyond it nothing is opened.
    pub daily_loss_max: Amount,
}

/// A limit that no run may start with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitsError {
    /// Zero or negative: it would mean "nothing", and is more likely a forgotten value.
    #[error("`{field}` must be above zero")]
    NotPositive {
        /// The field's name.
        field: &'static str,
    },
    /// Above the ceiling that is fixed in code.
    #[error("`{field}` is {value}, above the ceiling of {ceiling} that is fixed in the program")]
    AboveCeiling {
        /// The field's name.
        field: &'static str,
        /// What was asked for.
        value: String,
        /// What is allowed at most.
        ceiling: String,
    },
    /// A deal sends two orders at once: fewer would stop everything.
    #[error("`{field}` must be at least 2, since a deal sends two orders at once")]
    BelowOneDeal {
        /// The field's name.
        field: &'static str,
    },
    /// Two limits contradict each other.
    #[error("`{field}` is below `{other}`, so that `{other}` could never be reached")]
    Contradiction {
        /// The field's name.
        field: &'static str,
        /// The other field's name.
        other: &'static str,
    },
}

/// Why a hedge was not approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HedgeRefusal {
    /// It has no quantity.
    #[error("the hedge has no quantity")]
    Empty,
    /// Filled in full it would not make max(|lo|, |hi|) strictly smaller.
    #[error("the hedge does not strictly reduce the worst-case exposure")]
    NotReducing,
    /// Its value at the limit price is above the cap ([`Limits::hedge_qty_max`] says how much may be sent at once).
    #[error("the hedge is worth more than the cap on hedges")]
    TooLarge,
    /// Its limit price is outside its band ([`HedgeBand`]).
    #[error("the hedge's limit price is outside its band")]
    OutsideBand,
}

/// What [`Limits::approve`] looks at beside the plan.
#[derive(Clone, Copy, Debug)]
pub struct RiskView<'a> {
    /// Worst case of the deals that are open now.
    pub exposure: &'a Exposure,
    /// Deals open now.
    pub open_deals: u32,
    /// Whether the plan's pair has an open deal (one at a time).
    pub pair_busy: bool,
    /// What is stopped.
    pub stops: &'a Stops,
    /// Whether the placement budget of (buy, sell) venue allows one more opening beside its hedge reserve.
    pub place_budget_ok: (bool, bool),
    /// Orders sent within the last second, hedges included ([`crate::OrderPace`]).
    pub orders_last_second: u32,
    /// Whether the state log is behind or failed.
    pub log_lagging: bool,
    /// Realised profit since midnight UTC in quote; negative is a loss.
    pub realised_today: Amount,
}

impl Limits {
    /// Refuses limits that are missing (zero), absurd or contradictory.
    ///
    /// # Errors
    /// [`LimitsError`] naming the first field that is wrong.
    pub fn validate(&self) -> Result<(), LimitsError> {
        let amounts = [
            ("order_value_max", self.order_value_max, ceiling::ORDER_VALUE),
            ("deal_value_max", self.deal_value_max, ceiling::DEAL_VALUE),
            ("unhedged_value_max", self.unhedged_value_max, ceiling::UNHEDGED_VALUE),
            ("daily_loss_max", self.daily_loss_max, ceiling::DAILY_LOSS),
        ];
        for (field, value, ceiling) in amounts {
            if value <= Amount::ZERO {
                return Err(LimitsError::NotPositive { field });
            }
            if value > ceiling {
                return Err(LimitsError::AboveCeiling { field, value: value.to_text(), ceiling: ceiling.to_text() });
            }
        }
        let counts = [
            ("open_deals_max", self.open_deals_max, ceiling::OPEN_DEALS),
            ("orders_per_second_max", self.orders_per_second_max, ceiling::ORDERS_PER_SECOND),
        ];
        for (field, value, ceiling) in counts {
            if value == 0 {
                return Err(LimitsError::NotPositive { field });
            }
            if value > ceiling {
                return Err(LimitsError::AboveCeiling { field, value: value.to_string(), ceiling: ceiling.to_string() });
            }
        }
        if self.orders_per_second_max < ORDERS_PER_PLAN {
            return Err(LimitsError::BelowOneDeal { field: "orders_per_second_max" });
        }
        if self.unhedged_value_max < self.deal_value_max {
            return Err(LimitsError::Contradiction { field: "unhedged_value_max", other: "deal_value_max" });
        }
        Ok(())
    }

    /// Approves a plan, or names the first gate that fails.
    ///
    /// # Errors
    /// One of `limit`, `rate_budget`, `frozen`, `paused`, `latched`, `log_lag`, tried in this order.
    ///
    /// # Panics
    /// When both legs name the same venue or a leg is empty: no plan of [`crate::size_plan`] does.
    pub fn approve(&self, plan: Plan, scale: PairScale, view: &RiskView<'_>) -> Result<Approved<Plan>, Verdict> {
        assert!(plan.buy.venue != plan.sell.venue, "Invariant: a plan buys and sells on different venues");
        assert!(!plan.buy.qty.is_zero() && !plan.sell.qty.is_zero(), "Invariant: a plan has two legs");
        if self.exceeded_by(&plan, scale, view) {
            return Err(Verdict::Limit);
        }
        let orders = view.orders_last_second.saturating_add(ORDERS_PER_PLAN);
        if orders > self.orders_per_second_max || !view.place_budget_ok.0 || !view.place_budget_ok.1 {
            return Err(Verdict::RateBudget);
        }
        if view.stops.frozen(plan.pair, plan.buy.venue, plan.sell.venue) {
            return Err(Verdict::Frozen);
        }
        if view.stops.paused_for(plan.pair, plan.buy.venue, plan.sell.venue) {
            return Err(Verdict::Paused);
        }
        if view.stops.latched() {
            return Err(Verdict::Latched);
        }
        if view.log_lagging {
            return Err(Verdict::LogLag);
        }
        Ok(Approved::new(plan))
    }

    fn exceeded_by(&self, plan: &Plan, scale: PairScale, view: &RiskView<'_>) -> bool {
        if view.pair_busy || view.open_deals >= self.open_deals_max {
            return true;
        }
        if view.realised_today.units().saturating_neg() > self.daily_loss_max.units() {
            return true;
        }
        let value = |leg: &Leg| scale.value_of(leg.price, leg.qty);
        let (Some(buy), Some(sell)) = (value(&plan.buy), value(&plan.sell)) else { return true };
        !self.value_fits(buy.max(sell), view.exposure.worst_quote())
    }

    /// Whether a deal whose dearer leg is worth `value` keeps the order, deal and unhedged limits beside `unhedged` that is
    /// open already. At a limit passes.
    pub(crate) fn value_fits(&self, value: Amount, unhedged: Amount) -> bool {
        value <= self.order_value_max
            && value <= self.deal_value_max
            && unhedged.checked_add(value).is_some_and(|worst| worst <= self.unhedged_value_max)
    }

    /// Approves a hedge: an order that, whatever part of it fills, never makes the worst case of its deal larger, and filled in
    /// full makes it strictly smaller.
    ///
    /// `exposure_before` is the deal's base exposure `(lo, hi)` in 10^-18 base before this order, unknown orders widening it. The
    /// order shifts it by s ∈ \[0, qty\] (a fee taken in base makes s smaller). max(|lo ∓ s|, |hi ∓ s|) is convex in s, so it
    /// is enough to look at s = qty: smaller there means smaller everywhere but at s = 0. Nothing is taken on trust from the
    /// caller but `exposure_before`, and the limit price is held against `band`, however it was found.
    ///
    /// # Errors
    /// [`HedgeRefusal`].
    pub fn approve_hedge(
        &self,
        order: HedgeOrder,
        scale: PairScale,
        exposure_before: (Amount, Amount),
        band: &HedgeBand,
    ) -> Result<Approved<HedgeOrder>, HedgeRefusal> {
        let (lo, hi) = exposure_before;
        assert!(lo <= hi, "Invariant: an exposure interval is ordered");
        if order.leg.qty.is_zero() {
            return Err(HedgeRefusal::Empty);
        }
        let base = scale.base_of(order.leg.qty).units();
        let shift = match order.side {
            Side::Buy => base,
            Side::Sell => -base,
        };
        let worst = |lo: i128, hi: i128| lo.unsigned_abs().max(hi.unsigned_abs());
        let after = match (lo.units().checked_add(shift), hi.units().checked_add(shift)) {
            (Some(lo), Some(hi)) => worst(lo, hi),
            _ => return Err(HedgeRefusal::NotReducing),
        };
        if after >= worst(lo.units(), hi.units()) {
            return Err(HedgeRefusal::NotReducing);
        }
        if !band.holds(order.side, order.leg.price) {
            return Err(HedgeRefusal::OutsideBand);
        }
        match scale.value_of(order.leg.price, order.leg.qty) {
            Some(value) if value <= self.hedge_value_max() => Ok(Approved::new(order)),
            _ => Err(HedgeRefusal::TooLarge),
        }
    }

    /// Largest value of one hedge at its limit price, in quote: twice `order_value_max`.
    pub fn hedge_value_max(&self) -> Amount {
        Amount::from_units(self.order_value_max.units().saturating_mul(HEDGE_VALUE_FACTOR))
    }

    /// Largest quantity that one hedge may have at this limit price; a larger exposure is hedged in parts.
    pub fn hedge_qty_max(&self, scale: PairScale, price: Price) -> Qty {
        let Some(unit_value) = Qty::from_units(1).and_then(|one| scale.value_of(price, one)) else { return Qty::ZERO };
        let units = self.hedge_value_max().units().max(0) / unit_value.units();
        Qty::from_units(i64::try_from(units).unwrap_or(UNITS_MAX).min(UNITS_MAX)).unwrap_or(Qty::ZERO)
    }
}

/// The worst case of all open deals in quote: Σ max(|lo|, |hi|) × mid. Deals never net against each other: each may be the only
/// one whose other leg fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    worst: Amount,
    deals: u32,
}

impl Exposure {
    /// Adds one open deal: its base exposure interval in 10^-18 base, valued at `mid`, rounded up. Saturates far above any limit.
    pub fn add(&mut self, scale: PairScale, lo: Amount, hi: Amount, mid: Price) {
        let base = lo.units().unsigned_abs().max(hi.units().unsigned_abs());
        let value = value_rounded_up(base, mid, scale).unwrap_or(WORST_MAX);
        self.worst = Amount::from_units(self.worst.units().saturating_add(value).min(WORST_MAX));
        self.deals = self.deals.saturating_add(1);
    }

    /// The worst case in 10^-18 quote.
    pub fn worst_quote(&self) -> Amount {
        self.worst
    }

    /// How many deals were added.
    pub fn deals(&self) -> u32 {
        self.deals
    }
}

/// base (10^-18) × price in 10^-18 quote, rounded up; `None` when it does not fit.
fn value_rounded_up(base: u128, price: Price, scale: PairScale) -> Option<i128> {
    let base = i128::try_from(base).ok()?;
    let unit = domain::number::pow10(u32::from(scale.price_decimals()));
    let price = i128::from(price.units());
    // base = whole × unit + part: the whole part needs no division, and part × price < 10^18 × 10^18 fits.
    let (whole, part) = (base / unit, base % unit);
    let part_value = part * price;
    let up = i128::from(part_value % unit != 0);
    whole.checked_mul(price)?.checked_add(part_value / unit + up)
}

const _: () = assert!(AMOUNT_ONE * 1_000_000_000_000 < WORST_MAX);

#[cfg(test)]
mod tests;
