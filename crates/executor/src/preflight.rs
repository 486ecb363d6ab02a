//! The last look at both legs before anything is sent: if one of them could not be, neither is.
//!
//! Sizing and the limits looked at all this a moment ago; this looks again at what it would take, at the door that every opening goes
//! through, so that a leg alone can't come from a caller's mistake or from what changed in between.

use crate::Executor;
use domain::{DealId, MonoNanos, NewOrder, PairId, Purpose, Side, TimeInForce, Verdict};
use risk::{Leg, Market, Plan};

/// Ids that must be left: two legs, and the hedges of every deal that may be open.
const IDS_LEFT_MIN: u64 = 1_000;

impl Executor {
    /// Whether both legs of a plan may be sent now. The refusal is the first that applies:
    /// - `untrusted`: the plan's deadline is over, a venue's rules are not known, or it is closed for that side;
    /// - `min_size`: quantity, value or price do not fit a venue's rules (lots, steps, minimums, maximum);
    /// - `limit`: client order ids run out;
    /// - `balance`: what a leg may spend, fees included, is not there beside what other orders hold;
    /// - `frozen`: a venue is not reconciled, its private link is down, or it is unproven and risks an order already (F28).
    pub(crate) fn preflight(&self, now: MonoNanos, plan: &Plan, market: &Market) -> Result<(), Verdict> {
        let legs = [(Side::Buy, plan.buy), (Side::Sell, plan.sell)];
        if plan.deadline <= now {
            return Err(Verdict::Untrusted);
        }
        for (side, leg) in legs {
            let open =
                market.at(leg.venue, plan.pair).rules.map(|rules| if side == Side::Buy { rules.can_buy } else { rules.can_sell });
            if open != Some(true) {
                return Err(Verdict::Untrusted);
            }
        }
        if !legs.iter().all(|(_, leg)| self.fits_rules(plan.pair, *leg, market)) {
            return Err(Verdict::MinSize);
        }
        if self.ids.left() < IDS_LEFT_MIN {
            return Err(Verdict::Limit);
        }
        if !legs.iter().all(|(side, leg)| self.is_affordable(plan, *side, *leg, now)) {
            return Err(Verdict::Balance);
        }
        let usable =
            |leg: &Leg| self.venues.get(leg.venue.index()).is_some_and(|venue| venue.ready() && venue.proof.allows_opening());
        if !legs.iter().all(|(_, leg)| usable(leg)) {
            return Err(Verdict::Frozen);
        }
        Ok(())
    }

    fn fits_rules(&self, pair: PairId, leg: Leg, market: &Market) -> bool {
        let (Some(rules), Some(info)) = (market.at(leg.venue, pair).rules, self.tables.pair(pair)) else { return false };
        let in_steps = leg.price.units() % rules.price_step.max(1) == 0 && leg.qty.rounded_down_to(rules.qty_step) == leg.qty;
        let within = leg.qty >= rules.qty_min && rules.qty_max.is_none_or(|most| leg.qty <= most);
        in_steps && within && info.scale.value_of(leg.price, leg.qty).is_some_and(|value| value >= rules.value_min)
    }

    fn is_affordable(&self, plan: &Plan, side: Side, leg: Leg, now: MonoNanos) -> bool {
        let Some(info) = self.tables.pair(plan.pair) else { return false };
        if info.scale.value_of(leg.price, leg.qty).is_none() {
            return false;
        }
        // An order as it would be registered, so that what it would hold is counted by the code that counts it then.
        let terms = NewOrder {
            venue: leg.venue,
            pair: plan.pair,
            client_id: self.ids.clone().next_id(),
            deal: DealId(0),
            purpose: Purpose::Open,
            side,
            price: leg.price,
            qty: leg.qty,
            tif: TimeInForce::Ioc,
            deadline: Some(plan.deadline),
        };
        let order = self.order_of(terms, now, plan.deadline);
        let asset = if side == Side::Buy { info.quote } else { info.base };
        order.holds(info.scale) <= self.available(leg.venue, asset)
    }
}
