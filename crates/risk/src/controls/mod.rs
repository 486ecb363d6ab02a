//! The pre-trade controls, one hard limit in each file, each with a ceiling in code that no configuration may pass, and a test
//! that meets it exactly: at the limit passes, one unit beyond it is refused or halts.
//!
//! | file | control | beyond it |
//! |---|---|---|
//! | `order_value` | value of one order at its limit price | `limit` |
//! | `order_quantity` | base quantity of one order, by pair | `limit` |
//! | `deal_value` | value of one deal: its dearer leg | `limit` |
//! | `unhedged` | worst case per opportunity, per base asset, in total | `limit`; `exposure` pauses while the market moves it beyond |
//! | `open_deals` | deals at once, one for each pair | `limit` |
//! | `price_collar` | price of an order against its own book and the venues' median | `limit` |
//! | `period_collar` | price of an order against every median of the last period | `limit` |
//! | `duplicate_orders` | the same order again without an execution in between | `limit` |
//! | `daily_loss` | loss since midnight UTC, fees in tokens included | `daily_loss` latches |
//! | `order_rate` | orders within a second, hedges counted | `rate_budget` |
//! | `message_rate` | orders and cancels by token bucket, with a reserve | `rate_budget` |
//! | `repeat_throttle` | deals of one pair within a window | `repeat_throttle` latches |
//! | `proportion` | orders sent against deals approved | `orders_out_of_proportion` latches, and the order is not sent |
//! | `hedge` | a hedge makes the worst case smaller, and has a largest value | not sent |
//!
//! Values are in the reference quote ([`crate::valuation`]). The stateless controls are functions; [`Guard`] keeps the state of
//! the others. What it counts are commands as they leave, not what the executor says of them.

pub mod daily_loss;
pub mod deal_value;
pub mod duplicate_orders;
pub mod hedge;
pub mod message_rate;
pub mod open_deals;
pub mod order_quantity;
pub mod order_rate;
pub mod order_value;
pub mod period_collar;
pub mod price_collar;
pub mod proportion;
pub mod repeat_throttle;
pub mod unhedged;

use crate::limits::{Limits, LimitsError};
use domain::time::SECOND;
use domain::{Amount, Command, DealId, MonoNanos, NewOrder, PairId, Price, Purpose, Qty, Rate, Side, VenueId};
use duplicate_orders::LastOrders;
use message_rate::MessageBucket;
use order_rate::OrderPace;
use period_collar::PeriodCollar;
use proportion::OrderProportion;
use repeat_throttle::RepeatThrottle;

/// Which thresholds the configuration leaves to the limits: they follow when a person changes those.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Derived {
    /// `unhedged_opportunity_max`.
    pub unhedged_opportunity: bool,
    /// `unhedged_asset_max`.
    pub unhedged_asset: bool,
    /// `messages_per_second_max`.
    pub messages_per_second: bool,
}

impl Derived {
    /// All that can be.
    pub const ALL: Derived = Derived { unhedged_opportunity: true, unhedged_asset: true, messages_per_second: true };
}

/// Thresholds that hold for a whole run, but for those that are [`Derived`], beside the [`Limits`] that a person may change while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Controls {
    /// Largest worst-case unhedged value of one opportunity, in reference quote.
    pub unhedged_opportunity_max: Amount,
    /// Largest worst-case unhedged value over all deals of one base asset, in reference quote.
    pub unhedged_asset_max: Amount,
    /// Largest base quantity of one opening order, where given.
    pub order_qty_max: Vec<(PairId, Qty)>,
    /// Orders and cancels within a second; a quarter is kept for hedges and cancels.
    pub messages_per_second_max: u32,
    /// Largest distance of an opening's limit price from its own book's mid and from the venues' median, as a fraction.
    pub order_collar: Rate,
    /// Largest distance of an opening's limit price from every median of the last period, as a fraction.
    pub period_collar: Rate,
    /// That period, nanoseconds.
    pub period_ns: u64,
    /// The same opening again on a venue and pair within so many nanoseconds, nothing executed there in between, is refused.
    pub duplicate_window_ns: u64,
    /// Deals of one pair within `repeat_window_ns`; one more latches.
    pub repeat_deals_max: u32,
    /// Window of `repeat_deals_max`, nanoseconds.
    pub repeat_window_ns: u64,
    /// Hedges of one deal for each of its two legs; one more is not sent, and latches.
    pub hedge_retries_max: u32,
    /// Which of these are made from the limits.
    pub derived: Derived,
}

impl Controls {
    /// The defaults beside these limits: one opportunity may be worth twice a deal (the market moves, an order's outcome is
    /// open), one asset everything.
    pub fn beside(limits: &Limits) -> Controls {
        let twice = Amount::from_units(limits.deal_value_max.units().saturating_mul(2));
        Controls {
            unhedged_opportunity_max: twice.min(limits.unhedged_value_max),
            unhedged_asset_max: limits.unhedged_value_max,
            order_qty_max: Vec::new(),
            messages_per_second_max: limits.orders_per_second_max.saturating_mul(2).min(message_rate::CEILING),
            order_collar: price_collar::DEFAULT,
            period_collar: period_collar::DEFAULT,
            period_ns: 60 * SECOND,
            duplicate_window_ns: SECOND,
            repeat_deals_max: repeat_throttle::DEFAULT,
            repeat_window_ns: 60 * SECOND,
            hedge_retries_max: proportion::DEFAULT,
            derived: Derived::ALL,
        }
    }

    /// Other limits hold: what is derived from them is what a start with them would have.
    pub fn follow(&mut self, limits: &Limits) {
        let beside = Controls::beside(limits);
        let Derived { unhedged_opportunity, unhedged_asset, messages_per_second } = self.derived;
        if unhedged_opportunity {
            self.unhedged_opportunity_max = beside.unhedged_opportunity_max;
        }
        if unhedged_asset {
            self.unhedged_asset_max = beside.unhedged_asset_max;
        }
        if messages_per_second {
            self.messages_per_second_max = beside.messages_per_second_max;
        }
    }

    /// Refuses thresholds that are missing (zero), absurd or contradictory.
    ///
    /// # Errors
    /// [`LimitsError`] naming the first field that is wrong.
    pub fn validate(&self) -> Result<(), LimitsError> {
        let amounts = [
            ("unhedged_opportunity_max", self.unhedged_opportunity_max, unhedged::CEILING),
            ("unhedged_asset_max", self.unhedged_asset_max, unhedged::CEILING),
        ];
        for (field, value, ceiling) in amounts {
            LimitsError::check(field, value, Amount::ZERO, ceiling)?;
        }
        let counts = [
            ("messages_per_second_max", self.messages_per_second_max, message_rate::CEILING),
            ("repeat_deals_max", self.repeat_deals_max, repeat_throttle::CEILING),
            ("hedge_retries_max", self.hedge_retries_max, proportion::CEILING),
        ];
        for (field, value, ceiling) in counts {
            LimitsError::check(field, value, 0, ceiling)?;
        }
        if self.messages_per_second_max < message_rate::LEAST {
            return Err(LimitsError::BelowOneDeal { field: "messages_per_second_max", least: message_rate::LEAST });
        }
        let seconds = [
            ("collar_period", self.period_ns, period_collar::PERIOD_CEILING_NS),
            ("duplicate_window", self.duplicate_window_ns, duplicate_orders::WINDOW_CEILING_NS),
            ("repeat_window", self.repeat_window_ns, repeat_throttle::WINDOW_CEILING_NS),
        ];
        for (field, value, ceiling) in seconds {
            if value == 0 {
                return Err(LimitsError::NotPositive { field });
            }
            if value > ceiling {
                let seconds = |ns: u64| format!("{} s", ns.div_ceil(SECOND));
                return Err(LimitsError::AboveCeiling { field, value: seconds(value), ceiling: seconds(ceiling) });
            }
        }
        for (field, value, ceiling) in [
            ("order_collar_bps", self.order_collar, price_collar::CEILING),
            ("period_collar_bps", self.period_collar, period_collar::CEILING),
        ] {
            let bps = |rate: Rate| format!("{} bps", rate.nano().div_euclid(100_000));
            if value <= Rate::ZERO {
                return Err(LimitsError::NotPositive { field });
            }
            if value > ceiling {
                return Err(LimitsError::AboveCeiling { field, value: bps(value), ceiling: bps(ceiling) });
            }
        }
        if self.order_qty_max.iter().any(|(_, qty)| qty.is_zero()) {
            return Err(LimitsError::NotPositive { field: "order_qty" });
        }
        Ok(())
    }

    /// The quantity limit of a pair.
    pub fn order_qty_max(&self, pair: PairId) -> Option<Qty> {
        self.order_qty_max.iter().find(|(of, _)| *of == pair).map(|(_, qty)| *qty)
    }
}

/// The controls that remember: told of every command as it leaves and of every execution.
#[derive(Clone, Debug)]
pub struct Guard {
    controls: Controls,
    pace: OrderPace,
    messages: MessageBucket,
    last_orders: LastOrders,
    collar: PeriodCollar,
    repeats: RepeatThrottle,
    proportion: OrderProportion,
}

impl Guard {
    /// Nothing sent yet.
    pub fn new(controls: Controls, venues: usize, pairs: usize) -> Guard {
        Guard {
            pace: OrderPace::default(),
            messages: MessageBucket::new(controls.messages_per_second_max),
            last_orders: LastOrders::new(venues, pairs),
            collar: PeriodCollar::new(pairs),
            repeats: RepeatThrottle::new(pairs),
            proportion: OrderProportion::new(controls.hedge_retries_max),
            controls,
        }
    }

    /// The thresholds.
    pub fn controls(&self) -> &Controls {
        &self.controls
    }

    /// Thresholds that follow limits have changed with them. What was counted stays.
    pub fn set_controls(&mut self, controls: &Controls) {
        self.messages.set_limit(controls.messages_per_second_max);
        self.controls.clone_from(controls);
    }

    /// The venues' median (× 4, in price units) of a pair as of now.
    pub fn median_seen(&mut self, pair: PairId, median_x4: i128, now: MonoNanos) {
        self.collar.seen(pair, median_x4, now, self.controls.period_ns);
    }

    /// A deal was approved and is about to be opened.
    pub fn deal_approved(&mut self, pair: PairId, now: MonoNanos) {
        self.repeats.opened(pair, now, self.controls.repeat_window_ns);
        self.proportion.approved();
    }

    /// Whether an order that is about to leave is in proportion to what was approved. One that is not must not be sent.
    pub fn in_proportion(&mut self, order: &NewOrder) -> bool {
        self.proportion.admits(order.deal, order.purpose)
    }

    /// A command leaves.
    pub fn sent(&mut self, command: &Command, now: MonoNanos) {
        match command {
            Command::Place(order) => {
                self.pace.record(now);
                self.messages.take(now);
                if order.purpose == Purpose::Open {
                    self.last_orders.sent(order, now);
                }
            }
            Command::Cancel(_) | Command::CancelAll { .. } | Command::Amend(_) => self.messages.take(now),
            Command::LookUp(_) | Command::Read { .. } | Command::DeadMan { .. } | Command::Resync { .. } => {}
        }
    }

    /// Something was executed on a venue and pair.
    pub fn executed(&mut self, venue: VenueId, pair: PairId) {
        self.last_orders.executed(venue, pair);
    }

    /// A deal is closed: its count is not needed any more.
    pub fn deal_closed(&mut self, deal: DealId) {
        self.proportion.closed(deal);
    }

    /// A person has looked: throttle and proportions count anew.
    pub fn resumed(&mut self) {
        self.repeats.resumed();
        self.proportion.resumed();
    }

    /// A person orders exposure to be closed: hedges count anew. The throttle on openings stays as it is.
    pub fn flatten_ordered(&mut self) {
        self.proportion.resumed();
    }

    /// Orders sent less than a second before `now`.
    pub fn orders_last_second(&self, now: MonoNanos) -> u32 {
        self.pace.last_second(now)
    }

    /// Whether one more deal of a pair would pass the repeated-execution throttle.
    pub fn repeats_exhausted(&self, pair: PairId, now: MonoNanos) -> bool {
        self.repeats.exhausted(pair, now, self.controls.repeat_deals_max, self.controls.repeat_window_ns)
    }

    pub(crate) fn messages_allow_deal(&self, now: MonoNanos) -> bool {
        self.messages.allows_deal(now)
    }

    pub(crate) fn repeats_order(&self, pair: PairId, side: Side, venue: VenueId, price: Price, qty: Qty, now: MonoNanos) -> bool {
        self.last_orders.repeats(venue, pair, side, price, qty, now, self.controls.duplicate_window_ns)
    }

    pub(crate) fn period_collar_holds(&self, pair: PairId, price: Price, now: MonoNanos) -> bool {
        self.collar.holds(pair, price, now, self.controls.period_collar, self.controls.period_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn controls() -> Controls {
        let whole = |n: i128| Amount::from_units(n * domain::number::AMOUNT_ONE);
        Controls::beside(&Limits {
            order_value_max: whole(1_000),
            deal_value_max: whole(1_000),
            unhedged_value_max: whole(3_000),
            open_deals_max: 3,
            orders_per_second_max: 10,
            daily_loss_max: whole(50),
        })
    }

    #[test]
    fn defaults_pass_and_thresholds_that_are_missing_or_absurd_are_refused_by_name() {
        assert_eq!(controls().validate(), Ok(()));
        let field = |change: fn(&mut Controls)| {
            let mut controls = controls();
            change(&mut controls);
            controls.validate().unwrap_err().field()
        };
        assert_eq!(field(|c| c.unhedged_opportunity_max = Amount::ZERO), "unhedged_opportunity_max");
        assert_eq!(field(|c| c.unhedged_asset_max = unhedged::CEILING + Amount::from_units(1)), "unhedged_asset_max");
        assert_eq!(field(|c| c.messages_per_second_max = message_rate::LEAST - 1), "messages_per_second_max");
        assert_eq!(field(|c| c.messages_per_second_max = message_rate::CEILING + 1), "messages_per_second_max");
        assert_eq!(field(|c| c.order_collar = Rate::ZERO), "order_collar_bps");
        assert_eq!(field(|c| c.period_collar = Rate::from_nano(period_collar::CEILING.nano() + 1).unwrap()), "period_collar_bps");
        assert_eq!(field(|c| c.period_ns = period_collar::PERIOD_CEILING_NS + 1), "collar_period");
        assert_eq!(field(|c| c.duplicate_window_ns = 0), "duplicate_window");
        assert_eq!(field(|c| c.repeat_deals_max = 0), "repeat_deals_max");
        assert_eq!(field(|c| c.repeat_window_ns = repeat_throttle::WINDOW_CEILING_NS + 1), "repeat_window");
        assert_eq!(field(|c| c.hedge_retries_max = proportion::CEILING + 1), "hedge_retries_max");
        assert_eq!(field(|c| c.order_qty_max = vec![(PairId(0), Qty::ZERO)]), "order_qty");
    }

    #[test]
    fn what_is_derived_follows_the_limits_and_what_is_given_stays() {
        let whole = |n: i128| Amount::from_units(n * domain::number::AMOUNT_ONE);
        let limits = Limits {
            order_value_max: whole(400),
            deal_value_max: whole(400),
            unhedged_value_max: whole(1_000),
            open_deals_max: 3,
            orders_per_second_max: 5,
            daily_loss_max: whole(50),
        };
        let mut all = controls();
        all.follow(&limits);
        assert_eq!(all, Controls::beside(&limits));
        let mut given = Controls { derived: Derived::default(), ..controls() };
        given.follow(&limits);
        assert_eq!(given, Controls { derived: Derived::default(), ..controls() });
        let mut guard = Guard::new(controls(), 1, 1);
        guard.set_controls(&all);
        assert_eq!(guard.controls(), &all);
    }
}
