//! The model's resting orders on one book: at most one per price, a ladder below the best bid and above the best ask.

use std::collections::BTreeMap;

use super::{AccountId, ConfigError, Exchange, MarketConfig, MarketPair, PairId, Rng, Side, exact};
use crate::core::{NewOrder, OrderId, OrderKind, PairConfig, TimeInForce};

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
    /// Middling size of a level, in units of the amount precision.
    size_units: u64,
    rng: Rng,
}

impl Quotes {
    pub(super) fn new(pair: &MarketPair, rules: &PairConfig, rng: Rng) -> Result<Quotes, ConfigError> {
        let size_units = exact::to_units(pair.level_size, rules.amount_precision).filter(|units| (1..1 << 50).contains(units));
        let size_units = size_units.ok_or_else(|| ConfigError::OutOfRange {
            what: format!("market level size of {}", pair.pair),
            why: "it is above zero, within the pair's amount precision, and below 2^50 units",
        })?;
        Ok(Quotes {
            bids: BTreeMap::new(),
            asks: BTreeMap::new(),
            precision: rules.precision,
            amount_precision: rules.amount_precision,
            size_units,
            rng,
        })
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
        // Filled orders of the market are forgotten by the exchange: those levels are to be refilled.
        self.bids.retain(|_, id| exchange.order(*id).is_some());
        self.asks.retain(|_, id| exchange.order(*id).is_some());
        // Both sides give way before either advances, so that the model never meets itself.
        self.cancel_outside(t_ns, exchange, touch);
        for side in [Side::Buy, Side::Sell] {
            let reach = reach_of(touch, config);
            self.quote(t_ns, exchange, pair, side, touch, 0, reach);
            let missing = refill.min(config.levels.saturating_sub(self.side(side).len()));
            let mut placed = 0;
            // A level may already stand where the draw falls; a few more draws than levels are enough, and bounded.
            for _ in 0..missing * 4 {
                if placed == missing {
                    break;
                }
                let offset = 1 + self.rng.below(reach);
                placed += usize::from(self.quote(t_ns, exchange, pair, side, touch, offset, reach));
            }
            while self.side(side).len() > config.levels {
                let deepest = match side {
                    Side::Buy => self.bids.pop_first(),
                    Side::Sell => self.asks.pop_last(),
                };
                if let Some((_, id)) = deepest {
                    cancel(t_ns, exchange, id);
                }
            }
        }
    }

    /// Changes the size of some levels.
    pub(super) fn churn(&mut self, t_ns: u64, exchange: &mut Exchange, pair: PairId, touch: Touch, config: &MarketConfig) {
        for _ in 0..config.churn_per_event {
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
            self.quote(t_ns, exchange, pair, side, touch, offset, reach_of(touch, config));
        }
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

    /// Places a level `offset` ticks behind the touch, bigger the deeper. Returns whether it now rests.
    fn quote(
        &mut self,
        t_ns: u64,
        exchange: &mut Exchange,
        pair: PairId,
        side: Side,
        touch: Touch,
        offset: u64,
        reach: u64,
    ) -> bool {
        let Some(ticks) = ticks_at(side, touch, offset).filter(|ticks| !self.side(side).contains_key(ticks)) else {
            return false;
        };
        let spread = 400 + u128::from(self.rng.below(1_201));
        let depth = 1_000 + u128::from(offset.min(reach)) * 2_000 / u128::from(reach.max(1));
        let units = (u128::from(self.size_units) * spread * depth / 1_000_000).max(1);
        let order = NewOrder {
            account: AccountId::MARKET,
            pair,
            side,
            kind: OrderKind::Limit,
            time_in_force: TimeInForce::Gtc,
            price: exact::from_units(ticks, self.precision),
            amount: exact::from_units(u64::try_from(units).unwrap_or(self.size_units), self.amount_precision),
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

/// How many ticks behind the touch new levels are placed: room for all levels at the mean spacing.
fn reach_of(touch: Touch, config: &MarketConfig) -> u64 {
    let levels = config.levels as u64;
    let spacing = u64::try_from(touch.ask * i128::from(config.level_spacing_bps) / 10_000).unwrap_or(0);
    (levels * 2).max(spacing.saturating_mul(levels))
}

/// A quote that is gone was filled in the meantime.
fn cancel(t_ns: u64, exchange: &mut Exchange, id: OrderId) {
    let _filled_before = exchange.cancel(t_ns, AccountId::MARKET, id).is_err();
}
