//! Made-up candles from before the start of a world: what a client finds that asks a venue for its past.
//!
//! Start at [`Past::over`], which tells what was traded in a span. The price walks at random, backwards from where the market opens; it is
//! pulled back there, so that years do not lead away. Volumes are drawn from the pair's profile. No trade, order or book stands behind any
//! of it: nobody finds these trades in a list.
//!
//! Candles lie in *layers*: seconds before the start, then longer and longer ones, each layer beginning at a whole candle of the next. So
//! whatever interval is asked for is a sum of whole candles, and two intervals never contradict each other. A layer reaches so far back that
//! the intervals which need it have about 1,000 candles (`LAYERS`); an interval begins where the first layer lies that it cannot be made of.
//!
//! A past is a function of the seed, the pair, and the second and the price it ends at. All venues draw the same numbers: they went the same
//! way, each on its own grid. It is made when somebody first asks, in about a millisecond, and takes half a megabyte; worlds whose pasts
//! nobody asks for pay nothing.

#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use rust_decimal::Decimal;

use super::{
    Deciles, MarketConfig, MarketPair, Rng,
    process::{RATE_ONE, reach_of, within_range},
    profile::{mean_of, value_at},
};
use crate::core::{PairConfig, exact};

const MINUTE_S: u64 = 60;
const HOUR_S: u64 = 60 * MINUTE_S;
const DAY_S: u64 = 24 * HOUR_S;

/// Length of the candles of each layer, newest first, and how far back it reaches: 1,000 candles of 1 s and 10 s, of 3, 5, 15 and 30 minutes,
/// of 6 and 12 hours, and of a week; what lies between has more. Months have as many as there are: 1,000 would begin before the epoch.
const LAYERS: [(u64, u64); 10] = [
    (1, 1_000),
    (10, 10_000),
    (MINUTE_S, 3_000 * MINUTE_S),
    (5 * MINUTE_S, 5_000 * MINUTE_S),
    (15 * MINUTE_S, 15_000 * MINUTE_S),
    (30 * MINUTE_S, 30_000 * MINUTE_S),
    (HOUR_S, 2_000 * HOUR_S),
    (2 * HOUR_S, 6_000 * HOUR_S),
    (4 * HOUR_S, 12_000 * HOUR_S),
    (DAY_S, 7_000 * DAY_S),
];
/// Time constant with which the price, seen backwards, goes to where the market opens.
const PULL_S: u64 = 30 * DAY_S;
/// From so many trades on a candle reaches beyond its open and close.
const WICKS_FROM: u32 = 4;
/// Up to so many trades each has a value of its own; more have the mean.
const VALUED_MAX: u32 = 4;
/// Orders are counted in millionths.
const ONE_ORDER: u128 = 1_000_000;

/// What was traded in a span of time, made up; flat at the price before, with nothing traded, where nothing was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MadeUp {
    pub(crate) open: Decimal,
    pub(crate) high: Decimal,
    pub(crate) low: Decimal,
    pub(crate) close: Decimal,
    /// Base traded.
    pub(crate) base: Decimal,
    /// Quote traded.
    pub(crate) quote: Decimal,
    /// Base bought by takers.
    pub(crate) taker_base: Decimal,
    /// Quote spent by takers who bought.
    pub(crate) taker_quote: Decimal,
    /// Trades.
    pub(crate) count: u64,
}

/// What came before the start, of one pair on one venue.
#[derive(Clone, Debug)]
pub struct Past {
    rng: Rng,
    volatility_bps: u32,
    /// Taking orders in 10^6 seconds.
    flow: u64,
    taker_value: Deciles,
    /// The price it leads to, nano-ticks of the market.
    opening: i128,
    /// How many of the market's ticks are one of the venue's.
    ticks_per_unit: i128,
    precision: u32,
    amount_precision: u32,
    /// The second of the start, which belongs to the true trades.
    ends_s: u64,
    /// Oldest first, once somebody has asked.
    layers: OnceLock<Vec<Layer>>,
}

/// Candles of one length, without a hole.
#[derive(Clone, Debug)]
struct Layer {
    start_s: u64,
    length_s: u64,
    /// The price before the first candle.
    opening: u64,
    candles: Vec<Candle>,
}

/// One candle, in ticks and units of the venue. It opens at the close before it, unless a single trade made it.
#[derive(Clone, Copy, Debug)]
struct Candle {
    close: u64,
    /// How far the high lies above open and close.
    above: u32,
    /// How far the low lies below them.
    below: u32,
    base: u64,
    /// Trades; without any nothing moved.
    count: u32,
    /// Which part of it takers bought, out of 1000.
    bought_per_mille: u32,
}

/// A sum of candles, in ticks and units of the venue; quote in units of their product.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    open: u64,
    high: u64,
    low: u64,
    close: u64,
    base: u128,
    quote: u128,
    taker_base: u128,
    taker_quote: u128,
    count: u64,
}

impl Past {
    /// What came before `start_t_ns` (Unix nanoseconds) of a pair with these rules, and led to the price `opening`, in nano-ticks of which
    /// `ticks_per_unit` × 10^9 are one tick of the venue.
    pub(super) fn new(
        config: &MarketConfig,
        pair: &MarketPair,
        rules: &PairConfig,
        opening: i128,
        ticks_per_unit: i128,
        start_t_ns: u64,
        rng: Rng,
    ) -> Past {
        Past {
            rng,
            volatility_bps: config.volatility_bps,
            flow: u64::from(pair.profile.takers_per_1000_s) * u64::from(config.flow_per_mille),
            taker_value: pair.profile.taker_value,
            opening,
            ticks_per_unit,
            precision: rules.precision,
            amount_precision: rules.amount_precision,
            ends_s: start_t_ns / 1_000_000_000,
            layers: OnceLock::new(),
        }
    }

    /// Where it ends, Unix seconds: whatever happened from then on is true.
    pub(crate) fn ends_s(&self) -> u64 {
        self.ends_s
    }

    /// Where candles of this length begin: all that start from then on are whole. A month is asked for as a day.
    pub(crate) fn begins_s(&self, length_s: u64) -> u64 {
        let newest_first = self.layers().iter().rev();
        let fitting = newest_first.take_while(|layer| length_s.is_multiple_of(layer.length_s));
        fitting.last().map_or(self.ends_s, |layer| layer.start_s)
    }

    /// Its last price.
    pub(crate) fn close(&self) -> Decimal {
        self.price(self.ticks(self.opening))
    }

    /// The last price before `t_s`; the first of all where that is older.
    pub(crate) fn close_before(&self, t_s: u64) -> Decimal {
        let layers = self.layers();
        let before = layers.iter().rev().find_map(|layer| layer.before(layer.index(t_s)).filter(|_| layer.start_s < t_s));
        let first = || layers.first().map(|layer| layer.opening);
        self.price(before.or_else(first).unwrap_or_default())
    }

    /// What was traded in the candles that start within `from_s..to_s`.
    pub(crate) fn over(&self, from_s: u64, to_s: u64) -> MadeUp {
        let mut sum = Sum::default();
        for layer in self.layers() {
            for index in layer.index(from_s)..layer.index(to_s) {
                if let (Some(candle), Some(before)) = (layer.candles.get(index), layer.before(index)) {
                    sum.add(candle, before);
                }
            }
        }
        let (base_decimals, quote_decimals) = (self.amount_precision, self.precision + self.amount_precision);
        let prices = if sum.count == 0 {
            [self.close_before(to_s); 4]
        } else {
            [sum.open, sum.high, sum.low, sum.close].map(|ticks| self.price(ticks))
        };
        let [open, high, low, close] = prices;
        MadeUp {
            open,
            high,
            low,
            close,
            base: decimal(sum.base, base_decimals),
            quote: decimal(sum.quote, quote_decimals),
            taker_base: decimal(sum.taker_base, base_decimals),
            taker_quote: decimal(sum.taker_quote, quote_decimals),
            count: sum.count,
        }
    }

    fn layers(&self) -> &[Layer] {
        self.layers.get_or_init(|| self.make())
    }

    /// Makes everything, from the start backwards.
    fn make(&self) -> Vec<Layer> {
        let mut rng = self.rng.clone();
        let (mut price, mut quiet_s, mut end_s) = (self.opening, 0, self.ends_s);
        let mut layers = Vec::with_capacity(LAYERS.len());
        for (index, (length_s, span_s)) in LAYERS.into_iter().enumerate() {
            let coarser_s = LAYERS.get(index + 1).map_or(length_s, |(coarser_s, _)| *coarser_s);
            let reach_s = self.ends_s.saturating_sub(span_s);
            let start_s = (reach_s - reach_s % coarser_s).min(end_s);
            let count = (end_s - start_s) / length_s;
            let mut candles: Vec<Candle> =
                (0..count).map(|_| self.candle(&mut price, &mut quiet_s, length_s, &mut rng)).collect();
            candles.reverse();
            layers.push(Layer { start_s, length_s, opening: self.ticks(price), candles });
            end_s = start_s;
        }
        layers.reverse();
        layers
    }

    /// The candle that ends at `price`, which becomes the one that it begins at. `quiet_s` is how long nothing has been traded after it: one
    /// move stands for all that time.
    fn candle(&self, price: &mut i128, quiet_s: &mut u64, length_s: u64, rng: &mut Rng) -> Candle {
        let (after, close) = (*price, self.ticks(*price));
        let count = self.count(length_s, rng);
        if count == 0 {
            *quiet_s += length_s;
            return Candle { close, above: 0, below: 0, base: 0, count, bought_per_mille: 0 };
        }
        let dt_s = length_s + std::mem::take(quiet_s);
        let reach = reach_of(self.volatility_bps, dt_s.saturating_mul(1_000_000_000));
        let pull = (self.opening - after) * i128::from(dt_s) / i128::from(dt_s + PULL_S);
        let step = after * i128::from(rng.between(-reach, reach)) / RATE_ONE;
        *price = within_range(after + step + pull, self.opening);
        let open = if count == 1 { close } else { self.ticks(*price) };
        let (top, bottom) = (open.max(close), open.min(close));
        let (mut above, mut below) = (0, 0);
        if count >= WICKS_FROM {
            let mut wick = || i128::from(rng.between(0, reach / 2));
            let highest = self.ticks((*price).max(after) * (RATE_ONE + wick()) / RATE_ONE);
            let lowest = self.ticks((*price).min(after) * (RATE_ONE - wick()) / RATE_ONE);
            above = u32::try_from(highest - top).unwrap_or(u32::MAX);
            below = u32::try_from(bottom - lowest).unwrap_or(u32::MAX);
        }
        let bought_per_mille = match count {
            1 => 1_000 * u32::from(rng.chance(500)),
            _ => u32::try_from(rng.between(400, 600)).unwrap_or(500),
        };
        let base =
            self.base(self.value(count, rng), mean_price([open, top + u64::from(above), bottom - u64::from(below), close]));
        Candle { close, above, below, base, count, bought_per_mille }
    }

    /// How many trades there were: by half more or less than the mean, and a part of one by chance.
    fn count(&self, length_s: u64, rng: &mut Rng) -> u32 {
        let mean = u128::from(self.flow) * u128::from(length_s);
        let drawn = mean * (500 + u128::from(rng.below(1_001))) / 1_000 + u128::from(rng.below(1_000_000));
        u32::try_from(drawn / ONE_ORDER).unwrap_or(u32::MAX)
    }

    /// What so many trades were worth, in hundredths of the quote asset.
    fn value(&self, count: u32, rng: &mut Rng) -> u64 {
        if count <= VALUED_MAX {
            return (0..count).map(|_| value_at(&self.taker_value, rng.next_u64() >> 32)).fold(0, u64::saturating_add);
        }
        let mean = u128::from(mean_of(&self.taker_value)) * u128::from(count);
        u64::try_from(mean * (800 + u128::from(rng.below(401))) / 1_000).unwrap_or(u64::MAX)
    }

    /// What that is of the base at this price, in units of the venue; never nothing.
    fn base(&self, value: u64, ticks: u64) -> u64 {
        let scale = 10_u128.pow(self.precision + self.amount_precision);
        let units = u128::from(value).saturating_mul(scale) / (100 * u128::from(ticks.max(1)));
        u64::try_from(units.clamp(1, 1 << 60)).unwrap_or(1)
    }

    /// A price on the venue's grid: the tick below it.
    fn ticks(&self, price: i128) -> u64 {
        u64::try_from(price / (RATE_ONE * self.ticks_per_unit)).unwrap_or(u64::MAX).max(1)
    }

    fn price(&self, ticks: u64) -> Decimal {
        exact::from_units(ticks, self.precision)
    }
}

impl Layer {
    /// Position of the first candle that starts at `t_s` or later.
    fn index(&self, t_s: u64) -> usize {
        let index = t_s.saturating_sub(self.start_s).div_ceil(self.length_s);
        usize::try_from(index).unwrap_or(usize::MAX).min(self.candles.len())
    }

    /// The price before the candle at this position.
    fn before(&self, index: usize) -> Option<u64> {
        match index.checked_sub(1) {
            None => Some(self.opening),
            Some(last) => self.candles.get(last).map(|candle| candle.close),
        }
    }
}

impl Sum {
    fn add(&mut self, candle: &Candle, before: u64) {
        if candle.count == 0 {
            return;
        }
        let open = if candle.count == 1 { candle.close } else { before };
        let high = open.max(candle.close) + u64::from(candle.above);
        let low = open.min(candle.close) - u64::from(candle.below);
        if self.count == 0 {
            (self.open, self.high, self.low) = (open, high, low);
        }
        let price = u128::from(mean_price([open, high, low, candle.close]));
        let base = u128::from(candle.base);
        let taken = base * u128::from(candle.bought_per_mille) / 1_000;
        self.high = self.high.max(high);
        self.low = self.low.min(low);
        self.close = candle.close;
        self.base += base;
        self.quote += base * price;
        self.taker_base += taken;
        self.taker_quote += taken * price;
        self.count += u64::from(candle.count);
    }
}

/// The price that all trades of a candle had on average: between its low and its high.
fn mean_price(prices: [u64; 4]) -> u64 {
    let sum: u128 = prices.into_iter().map(u128::from).sum();
    u64::try_from(sum / 4).unwrap_or(u64::MAX)
}

/// Display figures: past the number type they are nothing rather than stop the venue.
fn decimal(units: u128, decimals: u32) -> Decimal {
    let figure = i128::try_from(units).ok().and_then(|units| Decimal::try_from_i128_with_scale(units, decimals).ok());
    figure.unwrap_or_default()
}
