//! The model's resting orders on one book: at most one per price, a ladder below the best bid and above the best ask; and the
//! orders of the public that take from it.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::{
    AccountId, Exchange, MarketConfig, MarketPair, PairId, PairProfile, Rng, Side, exact,
    profile::{Deciles, value_at},
};
use crate::core::{NewOrder, OrderId, OrderKind, PairConfig, TimeInForce};

/// How far past the touch a taking order may go, in 10^-9 of the price: 5 bps.
const TAKER_REACH_NANO: i128 = 500_000;

/// Best prices, in ticks of the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Touch {
    pub(super) bid: i128,
    pub(super) ask: i128,
}

#[derive(Debug)]
pub(super) struct Quotes {
    bids: BTreeMap<u64, OrderId>,
    asks: BTreeMap<u64, OrderId>,
    precision: u32,
    amount_precision: u32,
    profile: PairProfile,
    /// Least base amount of an order, in units of the amount precision.
    units_min: u128,
    /// Least value of an order, in hundredths of the quote asset.
    value_min: u64,
    rng: Rng,
}

impl Quotes {
    pub(super) fn new(pair: &MarketPair, rules: &PairConfig, rng: Rng) -> Quotes {
        let units = |amount| exact::to_units(amount, rules.amount_precision).unwrap_or(u64::MAX);
        // A little above the minimum, which a price below the one asked for must not undercut.
        let cents = |value| exact::to_units(value, 2).unwrap_or(u64::MAX).saturating_mul(11) / 10 + 1;
        Quotes {
            bids: BTreeMap::new(),
            asks: BTreeMap::new(),
            precision: rules.precision,
            amount_precision: rules.amount_precision,
            profile: pair.profile.clone(),
            units_min: u128::from(rules.min_base_amount.map_or(1, units).max(1)),
            value_min: rules.min_quote_amount.map_or(0, cents),
            rng,
        }
    }

    /// Cancels quotes better than the bounds.
    pub(super) fn cancel_outside(&mut self, t_ns: u64, exchange: &mut Exchange, bounds: Touch) {
        while let Some((ticks, id)) = self.bids.last_key_value().map(|(ticks, id)| (*ticks, *id))
            && i128::from(ticks) > bounds.bid
        {
            self.bids.remove(&ticks);
            cancel(t_ns, exchange, id);
        }
        while let Some((ticks, id)) = self.asks.first_key_value().map(|(ticks, id)| (*ticks, *id))
            && i128::from(ticks) < bounds.ask
        {
            self.asks.remove(&ticks);
            cancel(t_ns, exchange, id);
        }
    }

    /// Brings the best quotes to `touch`, places up to `refill` missing levels per side and drops those too many.
    pub(super) fn requote(
        &mut self,
        t_ns: u64,
        exchange: &mut Exchange,
        pair: PairId,
        touch: Touch,
        config: &MarketConfig,
        refill: usize,
    ) {
        self.drop_filled(exchange);
        // Both sides give way before either advances, so that the model never meets itself.
        self.cancel_outside(t_ns, exchange, touch);
        for side in [Side::Buy, Side::Sell] {
            let reach = self.reach_of(touch, config);
            self.quote(t_ns, exchange, pair, side, touch, 0);
            let missing = refill.min(config.levels.saturating_sub(self.side(side).len()));
            let mut placed = 0;
            // A level may already stand where the draw falls; a few more draws than levels are enough, and bounded.
            for _ in 0..missing * 4 {
                if placed == missing {
                    break;
                }
                let offset = 1 + self.rng.below(reach);
                placed += usize::from(self.quote(t_ns, exchange, pair, side, touch, offset));
            }
            while self.side(side).len() > config.levels {
                let deepest = match side {
                    Side::Buy => self.bids.pop_first(),
                    Side::Sell => self.asks.pop_last(),
                };
                let Some((_, id)) = deepest else { break };
                cancel(t_ns, exchange, id);
            }
        }
    }

    /// Changes the size of some levels.
    pub(super) fn churn(&mut self, t_ns: u64, exchange: &mut Exchange, pair: PairId, touch: Touch, config: &MarketConfig) {
        for _ in 0..config.churn_per_event {
            if self.rng.chance(config.flicker_per_mille) {
                self.flicker(t_ns, exchange, pair, touch, config);
                continue;
            }
            let side = if self.rng.chance(500) { Side::Buy } else { Side::Sell };
            let count = self.side(side).len();
            // Half of the changes happen at the three best levels, as in real books.
            let among = if self.rng.chance(500) { count.min(3) } else { count };
            let nth = usize::try_from(self.rng.below(among as u64)).unwrap_or(0);
            let level = match side {
                Side::Buy => self.bids.iter().nth_back(nth),
                Side::Sell => self.asks.iter().nth(nth),
            };
            let Some((ticks, id)) = level.map(|(ticks, id)| (*ticks, *id)) else { continue };
            let offset = match side {
                Side::Buy => touch.bid - i128::from(ticks),
                Side::Sell => i128::from(ticks) - touch.ask,
            };
            let Ok(offset) = u64::try_from(offset) else { continue };
            self.side_mut(side).remove(&ticks);
            cancel(t_ns, exchange, id);
            // What a move of the price left far behind comes back among the others.
            let reach = self.reach_of(touch, config);
            let offset = if offset > reach { 1 + self.rng.below(reach) } else { offset };
            self.quote(t_ns, exchange, pair, side, touch, offset);
        }
    }

    /// A level comes behind the touch and goes at once.
    fn flicker(&mut self, t_ns: u64, exchange: &mut Exchange, pair: PairId, touch: Touch, config: &MarketConfig) {
        let side = if self.rng.chance(500) { Side::Buy } else { Side::Sell };
        let reach = self.reach_of(touch, config);
        let offset = 1 + self.rng.below(reach);
        if self.quote(t_ns, exchange, pair, side, touch, offset)
            && let Some(id) = ticks_at(side, touch, offset).and_then(|ticks| self.side_mut(side).remove(&ticks))
        {
            cancel(t_ns, exchange, id);
        }
    }

    /// An order of the public takes from one side, up to its value and a few basis points deep.
    pub(super) fn take(&mut self, t_ns: u64, exchange: &mut Exchange, pair: PairId, crowd: AccountId, side: Side) {
        let Some(best) = exchange.book(pair).best_ticks(side.opposite()).map(i128::from) else { return };
        let slack = best * TAKER_REACH_NANO / 1_000_000_000;
        let limit = if side == Side::Buy { best + slack } else { best - slack };
        let Some(ticks) = u64::try_from(limit).ok().filter(|ticks| *ticks > 0) else { return };
        let deciles = self.profile.taker_value;
        let amount = self.amount(&deciles, ticks);
        let order = NewOrder {
            account: crowd,
            pair,
            side,
            kind: OrderKind::Limit,
            time_in_force: TimeInForce::Ioc,
            price: exact::from_units(ticks, self.precision),
            amount,
            text: None,
        };
        // A refusal (a closed pair, a value below the minimum) is a trade that did not happen.
        let _refused = exchange.place(t_ns, order).is_err();
    }

    /// Forgets quotes that were filled, so that their levels are placed again. Fills take the best first, so those that are
    /// gone are the first ones.
    fn drop_filled(&mut self, exchange: &Exchange) {
        while let Some(entry) = self.bids.last_entry().filter(|entry| exchange.order(*entry.get()).is_none()) {
            entry.remove();
        }
        while let Some(entry) = self.asks.first_entry().filter(|entry| exchange.order(*entry.get()).is_none()) {
            entry.remove();
        }
    }

    /// How many ticks behind the touch new levels are placed: room for all levels at the profile's spacing.
    fn reach_of(&self, touch: Touch, config: &MarketConfig) -> u64 {
        let levels = config.levels as u64;
        let spread_out = touch.ask * i128::from(self.profile.level_spacing_nano) * i128::from(levels) / 1_000_000_000;
        (levels * 2).max(u64::try_from(spread_out).unwrap_or(0))
    }

    /// A base amount whose value at the price is drawn from the deciles, not below what the pair accepts.
    fn amount(&mut self, deciles: &Deciles, ticks: u64) -> Decimal {
        let value = value_at(deciles, self.rng.next_u64() >> 32).max(self.value_min);
        let scale = 10_u128.pow(self.precision + self.amount_precision);
        let units = u128::from(value) * scale / (100 * u128::from(ticks.max(1)));
        let units = u64::try_from(units.max(self.units_min)).unwrap_or(u64::MAX);
        exact::from_units(units.min(1 << 60), self.amount_precision)
    }

    fn side(&self, side: Side) -> &BTreeMap<u64, OrderId> {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    fn side_mut(&mut self, side: Side) -> &mut BTreeMap<u64, OrderId> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    /// Places a level `offset` ticks behind the touch. Returns whether it now rests.
    fn quote(&mut self, t_ns: u64, exchange: &mut Exchange, pair: PairId, side: Side, touch: Touch, offset: u64) -> bool {
        let Some(ticks) = ticks_at(side, touch, offset).filter(|ticks| !self.side(side).contains_key(ticks)) else {
            return false;
        };
        let deciles = if offset == 0 { self.profile.touch_value } else { self.profile.level_value };
        let amount = self.amount(&deciles, ticks);
        let order = NewOrder {
            account: AccountId::MARKET,
            pair,
            side,
            kind: OrderKind::Limit,
            time_in_force: TimeInForce::Gtc,
            price: exact::from_units(ticks, self.precision),
            amount,
            text: None,
        };
        // It may take orders of others that stand in its way, and end at once; a refusal leaves the level empty.
        match exchange.place(t_ns, order) {
            Ok(id) if exchange.order(id).is_some() => {
                self.side_mut(side).insert(ticks, id);
                true
            }
            Ok(_) | Err(_) => false,
        }
    }
}

fn ticks_at(side: Side, touch: Touch, offset: u64) -> Option<u64> {
    let ticks = match side {
        Side::Buy => touch.bid - i128::from(offset),
        Side::Sell => touch.ask + i128::from(offset),
    };
    u64::try_from(ticks).ok().filter(|ticks| *ticks > 0)
}

/// A quote that is gone was filled in the meantime.
fn cancel(t_ns: u64, exchange: &mut Exchange, id: OrderId) {
    let _filled_before = exchange.cancel(t_ns, AccountId::MARKET, id).is_err();
}
