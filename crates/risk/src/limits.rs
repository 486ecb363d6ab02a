//! The limits that a person sets, and the approval of plans.
//!
//! Start at [`Limits::approve`]: it tries `limit`, `rate_budget`, `frozen`, `paused`, `latched` and `log_lag` in that order (the
//! order of `domain::Verdict::ALL`) and is the only way to an [`Approved<Plan>`]. Each control stands in a file of its own under
//! [`crate::controls`], with its ceiling. A value exactly at its limit passes, one unit above it does not.

use crate::approved::Approved;
use crate::controls::price_collar::Marks;
use crate::controls::unhedged::{Exposure, UnhedgedMax};
use crate::controls::{
    Guard, daily_loss, deal_value, open_deals, order_quantity, order_rate, order_value, price_collar, unhedged,
};
use crate::plan::{Leg, Plan};
use crate::stops::Stops;
use crate::valuation::Worth;
use domain::mutants::{Mutant, active};
use domain::{Amount, AssetId, MonoNanos, PairScale, Side, Verdict};

/// The limits in force. Values are in units of the reference quote ([`crate::valuation`]). Check with [`Limits::validate`]
/// before use.
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
    /// Loss since midnight UTC that latches.
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
    #[error("`{field}` must be at least {least}, since a deal sends two orders at once")]
    BelowOneDeal {
        /// The field's name.
        field: &'static str,
        /// The least that lets a deal through.
        least: u32,
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

impl LimitsError {
    /// The name of the field that is wrong, as in the configuration.
    pub const fn field(&self) -> &'static str {
        match self {
            LimitsError::NotPositive { field }
            | LimitsError::AboveCeiling { field, .. }
            | LimitsError::BelowOneDeal { field, .. }
            | LimitsError::Contradiction { field, .. } => field,
        }
    }

    /// A value above `zero` and at most `ceiling`.
    pub(crate) fn check<T: PartialOrd + std::fmt::Display>(
        field: &'static str,
        value: T,
        zero: T,
        ceiling: T,
    ) -> Result<(), LimitsError> {
        if value <= zero {
            return Err(LimitsError::NotPositive { field });
        }
        if value > ceiling {
            return Err(LimitsError::AboveCeiling { field, value: value.to_string(), ceiling: ceiling.to_string() });
        }
        Ok(())
    }
}

/// What [`Limits::approve`] looks at beside the plan.
#[derive(Clone, Copy, Debug)]
pub struct RiskView<'a> {
    /// The batch's time.
    pub now: MonoNanos,
    /// The controls that remember.
    pub guard: &'a Guard,
    /// The pair's base asset.
    pub base: AssetId,
    /// What the pair's quote is worth; `None`: it can't be valued, and nothing is opened.
    pub quote_worth: Option<Worth>,
    /// What prices are measured against.
    pub marks: Marks,
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
    /// Whether the state log is behind or failed.
    pub log_lagging: bool,
    /// Result since midnight UTC in reference quote; negative is a loss. `None`: it can't be valued, and nothing is opened.
    pub realised_today: Option<Amount>,
}

impl<'a> RiskView<'a> {
    /// A view in which nothing stands in the way of a plan at `marks`.
    pub fn calm(exposure: &'a Exposure, stops: &'a Stops, guard: &'a Guard, marks: Marks) -> RiskView<'a> {
        RiskView {
            now: MonoNanos(0),
            guard,
            base: AssetId(0),
            quote_worth: Some(Worth::ONE),
            marks,
            exposure,
            open_deals: 0,
            pair_busy: false,
            stops,
            place_budget_ok: (true, true),
            log_lagging: false,
            realised_today: Some(Amount::ZERO),
        }
    }
}

impl Limits {
    /// Refuses limits that are missing (zero), absurd or contradictory.
    ///
    /// # Errors
    /// [`LimitsError`] naming the first field that is wrong.
    pub fn validate(&self) -> Result<(), LimitsError> {
        let amounts = [
            ("order_value_max", self.order_value_max, order_value::CEILING),
            ("deal_value_max", self.deal_value_max, deal_value::CEILING),
            ("unhedged_value_max", self.unhedged_value_max, unhedged::CEILING),
            ("daily_loss_max", self.daily_loss_max, daily_loss::CEILING),
        ];
        for (field, value, ceiling) in amounts {
            LimitsError::check(field, value, Amount::ZERO, ceiling)?;
        }
        LimitsError::check("open_deals_max", self.open_deals_max, 0, open_deals::CEILING)?;
        LimitsError::check("orders_per_second_max", self.orders_per_second_max, 0, order_rate::CEILING)?;
        if self.orders_per_second_max < order_rate::ORDERS_PER_PLAN {
            return Err(LimitsError::BelowOneDeal { field: "orders_per_second_max", least: order_rate::ORDERS_PER_PLAN });
        }
        if self.unhedged_value_max < self.deal_value_max {
            return Err(LimitsError::Contradiction { field: "unhedged_value_max", other: "deal_value_max" });
        }
        Ok(())
    }

    /// Approves a plan, or names the first gate that fails.
    ///
    /// # Errors
    /// One of `limit`, `rate_budget`, `frozen`, `paused`, `latched`, `log_lag`, tried in this order. `latched` is also the
    /// answer to one deal more than the repeated-execution throttle lets through: [`Guard::repeats_exhausted`] tells, and
    /// whoever asked latches then.
    ///
    /// # Panics
    /// When both legs name the same venue or a leg is empty: no plan of [`crate::size_plan`] does.
    pub fn approve(&self, plan: Plan, scale: PairScale, view: &RiskView<'_>) -> Result<Approved<Plan>, Verdict> {
        assert!(plan.buy.venue != plan.sell.venue, "Invariant: a plan buys and sells on different venues");
        assert!(!plan.buy.qty.is_zero() && !plan.sell.qty.is_zero(), "Invariant: a plan has two legs");
        if !self.fits(&plan, scale, view) {
            return Err(Verdict::Limit);
        }
        let rate_ok = order_rate::allows_deal(view.guard.orders_last_second(view.now), self.orders_per_second_max)
            && view.guard.messages_allow_deal(view.now);
        if !(rate_ok || active(Mutant::PaceIgnored)) || !view.place_budget_ok.0 || !view.place_budget_ok.1 {
            return Err(Verdict::RateBudget);
        }
        if view.stops.frozen(plan.pair, plan.buy.venue, plan.sell.venue) {
            return Err(Verdict::Frozen);
        }
        if view.stops.paused_for(plan.pair, plan.buy.venue, plan.sell.venue) {
            return Err(Verdict::Paused);
        }
        if (view.stops.latched() && !active(Mutant::LatchIgnored)) || view.guard.repeats_exhausted(plan.pair, view.now) {
            return Err(Verdict::Latched);
        }
        if view.log_lagging {
            return Err(Verdict::LogLag);
        }
        Ok(Approved::new(plan))
    }

    fn fits(&self, plan: &Plan, scale: PairScale, view: &RiskView<'_>) -> bool {
        let guard = view.guard;
        let value = |leg: &Leg| view.quote_worth?.value_rounded_up(scale.value_of(leg.price, leg.qty)?);
        let (Some(buy), Some(sell)) = (value(&plan.buy), value(&plan.sell)) else { return false };
        let qty_max = guard.controls().order_qty_max(plan.pair);
        let leg_fits = |leg: &Leg, side: Side, value: Amount, own_mid_x2: Option<i64>| {
            order_value::fits(value, self.order_value_max)
                && order_quantity::fits(leg.qty, qty_max)
                && price_collar::holds(leg.price, own_mid_x2, view.marks.median_x4, guard.controls().order_collar)
                && guard.period_collar_holds(plan.pair, leg.price, view.now)
                && !guard.repeats_order(plan.pair, side, leg.venue, leg.price, leg.qty, view.now)
        };
        open_deals::allow_one_more(view.open_deals, view.pair_busy, self.open_deals_max)
            && view.realised_today.is_some_and(|result| !daily_loss::reached(result, self.daily_loss_max))
            && deal_value::fits(buy, sell, self.deal_value_max)
            && unhedged::within(buy.max(sell), view.exposure, view.base, &self.unhedged_max(guard))
            && leg_fits(&plan.buy, Side::Buy, buy, view.marks.buy_mid_x2)
            && leg_fits(&plan.sell, Side::Sell, sell, view.marks.sell_mid_x2)
    }

    /// The limits on what may be unhedged.
    pub fn unhedged_max(&self, guard: &Guard) -> UnhedgedMax {
        let controls = guard.controls();
        UnhedgedMax {
            opportunity: controls.unhedged_opportunity_max,
            asset: controls.unhedged_asset_max,
            total: self.unhedged_value_max,
        }
    }

    /// Whether a deal whose dearer leg is worth `value` keeps the order and deal limits, and fits into `room`. At a limit passes.
    pub(crate) fn value_fits(&self, value: Amount, room: Amount) -> bool {
        order_value::fits(value, self.order_value_max) && deal_value::fits(value, value, self.deal_value_max) && value <= room
    }
}

#[cfg(test)]
mod tests;
