//! The seeded market model: what makes the books of all venues move.
//!
//! Start at [`Market::step`]. One efficient price per pair walks at random. Each venue follows it late, with a basis of its
//! own that hovers near zero and at times drifts away for seconds: that is where arbitrage comes from. The model acts only
//! by placing and cancelling limit orders of the market account and by taking orders of a crowd account, so that everything
//! else is the core's matching. It is *semi-synthetic*: shapes and rates come from recordings ([`PairProfile`]), paths from a
//! seed; `docs/market-model.md` says what is measured and what is not.
//!
//! Kept true after every step:
//! 1. The model's bid quotes on every venue are at most `efficient × (1 + x) × (1 − h)` and its asks at least
//!    `efficient × (1 − x) × (1 + h)`, with h the half spread and x just below `a / (2 + a)` for the amplitude a. So the best
//!    executable edge between any two venues stays below a ([`MarketConfig::basis_bps`]); with a below the fees of both
//!    legs no arbitrage exists. A quote that a move of the price leaves outside is cancelled in the same step.
//! 2. Books are never crossed or locked by the model.
//! 3. A step makes a bounded number of changes: at most all levels of a side go, and `refill_per_event` come.
//! 4. Trades of the crowd only take away from quotes, so that they never widen the bound of the first promise.
//!
//! What clients ask for from before the start is made up apart from all that ([`Past`]), and changes nothing of it.
//!
//! All arithmetic is on integers, so debug and release builds and all machines agree. Prices are in *nano-ticks*: 10^-9 of
//! the pair's price unit; rates in 10^-9 (1 bps = 100,000).

mod config;
mod past;
mod process;
mod profile;
mod quotes;
mod rng;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

pub use config::{MarketConfig, MarketPair};
pub(crate) use past::MadeUp;
pub use past::Past;
pub use profile::{Deciles, PairProfile};
pub use rng::Rng;
use rust_decimal::Decimal;

use crate::core::{AccountId, AssetId, ConfigError, Exchange, FeeRates, PairId, Reject, Side, exact};
use crate::world::VenueConfig;
use process::{Basis, EfficientPrice, RATE_ONE, amplitude_share};
use quotes::{Quotes, Touch};

/// User id of the crowd on every exchange: no venue account may have it.
pub const CROWD_USER: u64 = u64::MAX;
/// What the crowd owns of every asset at the start: more than it can ever trade.
const CROWD_BALANCE: i64 = 1_000_000_000;
/// The same of an asset that costs less than a thousandth of its quote.
const CROWD_BALANCE_SMALL: i64 = 1_000_000_000_000_000;
/// In so many of 1000 cases a taking order is followed by others at once.
const BURST_PER_MILLE: u32 = 200;
/// Most orders in such a burst, the first included.
const BURST_MAX: u64 = 6;
/// Mean number of orders where one comes, in thousandths: 0.8 × 1 + 0.2 × 4.
const ORDERS_PER_BURST_MILLI: u64 = 1_600;
/// Streams of random numbers from here on belong to made-up candles, one for each price.
const PAST_STREAMS: u64 = 1 << 32;

/// The market of a world.
#[derive(Debug)]
pub struct Market {
    config: MarketConfig,
    /// Greatest deviation of a venue's mid from the efficient price, in 10^-9.
    share: i128,
    prices: Vec<EfficientPrice>,
    /// Per venue, the account that takes.
    crowds: Vec<AccountId>,
    /// Venue-major: `venue * prices.len() + pair`.
    followers: Vec<Follower>,
    /// When each price (index below `prices.len()`) and each follower (index past them) moves next.
    due: BTreeSet<(u64, usize)>,
    frozen: Vec<bool>,
    rng: Rng,
}

/// One pair on one venue, following the efficient price.
#[derive(Debug)]
struct Follower {
    venue: usize,
    price: usize,
    pair: PairId,
    /// How many of the price's units, in the world's unit of the base, make one of the venue's.
    ticks_per_unit: i128,
    basis: Basis,
    /// Where this venue believes the price to be, nano-ticks of the price.
    seen: i128,
    lag_ns: u64,
    last_t_ns: u64,
    half_spread: i128,
    quotes: Quotes,
}

impl Market {
    /// Makes the market of these venues, whose exchanges are `exchanges`, and quotes all books in full.
    ///
    /// # Errors
    /// [`ConfigError`] for an unknown pair or a figure out of range.
    pub fn new(
        config: &MarketConfig,
        seed: u64,
        venues: &[VenueConfig],
        exchanges: &mut [Exchange],
        start_t_ns: u64,
    ) -> Result<Market, ConfigError> {
        config.check()?;
        let mut market = Market {
            config: config.clone(),
            share: amplitude_share(config.basis_bps),
            prices: Vec::new(),
            crowds: Vec::new(),
            followers: Vec::new(),
            due: BTreeSet::new(),
            frozen: vec![false; exchanges.len()],
            rng: Rng::fork(seed, 0),
        };
        // A venue may list a pair under a name of its own.
        let listed =
            |venue: &VenueConfig, exchange: &Exchange, pair: &MarketPair| exchange.pair_by_name(&venue.pair_name(&pair.pair));
        for (index, pair) in config.pairs.iter().enumerate() {
            let precisions = venues
                .iter()
                .zip(exchanges.iter())
                // In the world's unit, whatever the venue's.
                .filter_map(|(venue, exchange)| {
                    let rules = &exchange.pair(listed(venue, exchange, pair)?).config;
                    Some(rules.precision + venue.pair_tens(&pair.pair))
                });
            let unknown = || ConfigError::UnknownPair { user: "market".to_owned(), pair: pair.pair.clone() };
            let finest = precisions.max().ok_or_else(unknown)?;
            let rng = Rng::fork(seed, 1 + index as u64);
            market.prices.push(EfficientPrice::new(pair, finest, rng)?);
        }
        for (venue, exchange) in venues.iter().zip(exchanges.iter_mut()) {
            let small = config.pairs.iter().filter(|pair| pair.price < Decimal::new(1, 3));
            let small: Vec<&str> = small.filter_map(|pair| pair.pair.split('_').next()).map(|of| venue.asset_name(of)).collect();
            market.crowds.push(add_crowd(exchange, &small, start_t_ns)?);
        }
        let pair_count = market.prices.len() as u64;
        for (venue, (settings, exchange)) in venues.iter().zip(exchanges.iter()).enumerate() {
            for (index, pair) in config.pairs.iter().enumerate() {
                let Some(id) = listed(settings, exchange, pair) else { continue };
                let rules = &exchange.pair(id).config;
                let price = &market.prices[index];
                let stream = 1_000 + venue as u64 * pair_count + index as u64;
                market.followers.push(Follower {
                    venue,
                    price: index,
                    pair: id,
                    ticks_per_unit: 10_i128.pow(price.precision - rules.precision - settings.pair_tens(&pair.pair)),
                    basis: Basis::new(start_t_ns),
                    seen: price.now,
                    lag_ns: settings.market_lag_ns,
                    last_t_ns: start_t_ns,
                    half_spread: half_spread_of(config, pair),
                    quotes: Quotes::new(pair, rules, Rng::fork(seed, stream)),
                });
            }
        }
        for index in 0..market.prices.len() + market.followers.len() {
            let first = start_t_ns + 1 + market.rng.below(market.interval_of(index));
            market.due.insert((first, index));
        }
        for follower in &mut market.followers {
            let touch = touch_of(market.prices[follower.price].now, follower.half_spread, follower.ticks_per_unit);
            follower.quotes.requote(start_t_ns, &mut exchanges[follower.venue], follower.pair, touch, config, usize::MAX);
        }
        Ok(market)
    }

    /// What came before the start at `start_t_ns`, of every pair on every venue, by the venue's position; nothing unless the
    /// configuration asks for it. To be asked for before the first step: it leads to the prices as they stand.
    pub(crate) fn pasts(&self, seed: u64, exchanges: &[Exchange], start_t_ns: u64) -> Vec<(usize, PairId, Past)> {
        let followers = self.followers.iter().filter(|_| self.config.has_past);
        let past_of = |follower: &Follower| {
            // One stream for all venues: they went the same way.
            let rng = Rng::fork(seed, PAST_STREAMS + follower.price as u64);
            let rules = &exchanges[follower.venue].pair(follower.pair).config;
            let pair = &self.config.pairs[follower.price];
            let past =
                Past::new(&self.config, pair, rules, self.prices[follower.price].now, follower.ticks_per_unit, start_t_ns, rng);
            (follower.venue, follower.pair, past)
        };
        followers.map(past_of).collect()
    }

    /// When the model moves next, Unix nanoseconds; `None` for a market without pairs.
    pub fn next_due(&self) -> Option<u64> {
        self.due.first().map(|(t_ns, _)| *t_ns)
    }

    /// Runs every event due at or before `t_ns`, in time order.
    pub fn step(&mut self, t_ns: u64, exchanges: &mut [Exchange]) {
        while let Some((due, index)) = self.due.first().copied()
            && due <= t_ns
        {
            self.due.remove(&(due, index));
            // Between half and one and a half of the mean, so that venues and pairs never march in step.
            let mean = self.interval_of(index);
            self.due.insert((due + mean / 2 + 1 + self.rng.below(mean), index));
            match index.checked_sub(self.prices.len()) {
                None => self.move_price(due, index, exchanges),
                Some(follower) => self.follow(due, follower, exchanges),
            }
        }
    }

    /// Stops or resumes a venue's books altogether: a venue whose feed went silent. While frozen its quotes may fall
    /// outside the bound of the module's first promise; resuming restores it with the next move of the price.
    pub fn set_frozen(&mut self, venue: usize, frozen: bool) {
        if let Some(entry) = self.frozen.get_mut(venue) {
            *entry = frozen;
        }
    }

    /// The efficient price of a configured pair (by position) in units of 10^-18 of its quote asset, rounded down.
    pub fn efficient_price_e18(&self, pair: usize) -> Option<i128> {
        let price = self.prices.get(pair)?;
        // Nano-ticks are 10^-(9 + precision).
        let exponent = 18_i32 - 9 - i32::try_from(price.precision).ok()?;
        let factor = 10_i128.checked_pow(exponent.unsigned_abs())?;
        Some(if exponent >= 0 { price.now.checked_mul(factor)? } else { price.now / factor })
    }

    /// Mean time between two events of a price or follower, by its position in `due`.
    fn interval_of(&self, index: usize) -> u64 {
        let price = index.checked_sub(self.prices.len()).map_or(index, |follower| self.followers[follower].price);
        self.config.event_interval_ns.saturating_mul(u64::from(self.config.pairs[price].profile.slowness)).min(1 << 60)
    }

    fn move_price(&mut self, t_ns: u64, index: usize, exchanges: &mut [Exchange]) {
        let interval_ns = self.interval_of(index);
        let price = &mut self.prices[index];
        let pair = &self.config.pairs[index];
        if !price.step(self.config.volatility_bps, interval_ns, pair.profile.moves_per_mille) {
            return;
        }
        let now = price.now;
        let half_spread = half_spread_of(&self.config, pair);
        let highest = touch_of(now * (RATE_ONE + self.share) / RATE_ONE, half_spread, 1);
        let lowest = touch_of(ceil_div(now * (RATE_ONE - self.share), RATE_ONE), half_spread, 1);
        for follower in self.followers.iter_mut().filter(|follower| follower.price == index) {
            if self.frozen[follower.venue] {
                continue;
            }
            let bounds = Touch { bid: highest.bid / follower.ticks_per_unit, ask: ceil_div(lowest.ask, follower.ticks_per_unit) };
            follower.quotes.cancel_outside(t_ns, &mut exchanges[follower.venue], bounds);
        }
    }

    fn follow(&mut self, t_ns: u64, index: usize, exchanges: &mut [Exchange]) {
        let follower = &mut self.followers[index];
        let elapsed = i128::from(t_ns.saturating_sub(follower.last_t_ns));
        follower.last_t_ns = t_ns;
        if self.frozen[follower.venue] {
            return;
        }
        let efficient = self.prices[follower.price].now;
        follower.seen += (efficient - follower.seen) * elapsed / (elapsed + i128::from(follower.lag_ns)).max(1);
        let basis = follower.basis.step(t_ns, elapsed, self.share, &self.config, &mut self.rng);
        let (low, high) =
            (ceil_div(efficient * (RATE_ONE - self.share), RATE_ONE), efficient * (RATE_ONE + self.share) / RATE_ONE);
        let mid = (follower.seen * (RATE_ONE + basis) / RATE_ONE).clamp(low.min(high), high);
        let touch = touch_of(mid, follower.half_spread, follower.ticks_per_unit);
        let exchange = &mut exchanges[follower.venue];
        let refill = self.config.refill_per_event;
        follower.quotes.requote(t_ns, exchange, follower.pair, touch, &self.config, refill);
        follower.quotes.churn(t_ns, exchange, follower.pair, touch, &self.config);
        let crowd = self.crowds[follower.venue];
        let flow = u64::from(self.config.pairs[follower.price].profile.takers_per_1000_s) * u64::from(self.config.flow_per_mille);
        for side in takers(flow, elapsed, &mut self.rng) {
            follower.quotes.take(t_ns, exchange, follower.pair, crowd, side);
        }
    }
}

/// The taking orders of a time: seldom any, now and then several on one side. `flow` is in orders per 10^6 seconds.
fn takers(flow: u64, elapsed_ns: i128, rng: &mut Rng) -> impl Iterator<Item = Side> + use<> {
    // Chance of a burst, out of 10^9: orders a second × seconds ÷ orders per burst.
    let orders_e9 = i128::from(flow) * elapsed_ns / 1_000_000;
    let bursts_e9 = u64::try_from(orders_e9 * 1_000 / i128::from(ORDERS_PER_BURST_MILLI)).unwrap_or(u64::MAX);
    let mut count = 0;
    let mut side = Side::Buy;
    if flow > 0 && rng.below(1_000_000_000) < bursts_e9 {
        count = if rng.chance(BURST_PER_MILLE) { 2 + rng.below(BURST_MAX - 1) } else { 1 };
        side = if rng.chance(500) { Side::Buy } else { Side::Sell };
    }
    (0..count).map(move |_| side)
}

/// Opens the crowd's account with more of everything than it can trade.
fn add_crowd(exchange: &mut Exchange, small: &[&str], t_ns: u64) -> Result<AccountId, ConfigError> {
    let crowd = exchange.add_account(CROWD_USER, "crowd", FeeRates::ZERO)?;
    let assets: Vec<(AssetId, String)> = exchange.assets().map(|(id, asset)| (id, asset.name.clone())).collect();
    for (asset, name) in assets {
        let amount = Decimal::from(if small.contains(&name.as_str()) { CROWD_BALANCE_SMALL } else { CROWD_BALANCE });
        let refused = |_: Reject| ConfigError::BadAmount { asset: name.clone(), amount };
        exchange.deposit(t_ns, crowd, asset, amount).map_err(refused)?;
    }
    Ok(crowd)
}

fn half_spread_of(config: &MarketConfig, pair: &MarketPair) -> i128 {
    i128::from(config.half_spread_bps) * 100_000 + i128::from(pair.profile.half_spread_nano)
}

/// Best bid and ask around `mid` (nano-ticks), in ticks: half a spread away, rounded outward, at least one tick apart.
fn touch_of(mid: i128, half_spread: i128, ticks_per_unit: i128) -> Touch {
    let one = RATE_ONE * RATE_ONE * ticks_per_unit;
    let bid = mid * (RATE_ONE - half_spread) / one;
    let ask = ceil_div(mid * (RATE_ONE + half_spread), one);
    Touch { bid, ask: ask.max(bid + 1) }
}

fn ceil_div(a: i128, b: i128) -> i128 {
    -((-a).div_euclid(b))
}
