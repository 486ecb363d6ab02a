//! What a world is made of: assets, pairs, venues, one market.
//!
//! Start at [`WorldConfig::demo`].

use rust_decimal::{Decimal, RoundingStrategy};

use super::dialect::VenueKind;
use crate::{
    core::{
        AssetConfig, ConfigError, ExchangeConfig, FeeDebit, FeeRates, HistoryLimits, PairConfig, TradeStatus, UnfillablePolicy,
    },
    gate::GateConfig,
    market::{MarketConfig, MarketPair, PairProfile},
    monitor::MonitorLimits,
};

/// Values of the demo's books and flow, out of 1000 of the recorded ones: the recordings are of a far larger venue, and at
/// full size no order of the demo would ever meet a second level.
const VALUES_PER_MILLE: u64 = 100;

/// How many times slower than the usual event interval of 30 ms a made-up pair lives: two changes a second.
const MADE_UP_SLOWNESS: u32 = 16;

/// A made-up pair whose prices have many zeros, so that venues list its coin by the thousand or by the million.
const SMALL_PAIR: &str = "SATS_USDT";
/// Most units of ten of what the world counts as one that a venue may count as one.
const TENS_MAX: u32 = 9;

/// The number of a made-up pair, by its name.
fn made_up(name: &str) -> Option<u32> {
    let digits = name.strip_prefix('T')?.strip_suffix("_USDT")?;
    let number = digits.parse().ok().filter(|number| *number > 0)?;
    (digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(number)
}

/// A whole simulated world.
#[derive(Clone, Debug)]
pub struct WorldConfig {
    /// Seeds everything random in the world.
    pub seed: u64,
    /// Assets, the same on every venue.
    pub assets: Vec<AssetConfig>,
    /// Pairs and their rules, for every venue without rules of its own.
    pub pairs: Vec<PairConfig>,
    /// Venues; a venue's number is its position.
    pub venues: Vec<VenueConfig>,
    /// The market model; `None` leaves the books to scripts.
    pub market: Option<MarketConfig>,
    /// Treatment of post-only and fill-or-kill orders that can't live.
    pub unfillable: UnfillablePolicy,
    /// Bounds of each venue's history.
    pub history: HistoryLimits,
    /// Bounds of each venue's monitor.
    pub monitor: MonitorLimits,
}

/// One venue with the one account that trades on it.
#[derive(Clone)]
pub struct VenueConfig {
    /// Name in reports, e.g. `gate-a`.
    pub id: String,
    /// Protocol.
    pub kind: VenueKind,
    /// API key of the account.
    pub api_key: String,
    /// API secret of the account. Simulated, and still never shown by `Debug`.
    pub api_secret: String,
    /// Rights of the key besides those an engine should have, with whether they are read-only: for keys that must be
    /// refused.
    pub extra_permissions: Vec<(String, bool)>,
    /// Numeric user id; above zero.
    pub user_id: u64,
    /// Fee rates of the account.
    pub fees: FeeRates,
    /// The asset that the account's fees leave.
    pub fee_debit: FeeDebit,
    /// What the account owns at the start, by the world's name of the asset and in the world's unit.
    pub balances: Vec<(String, Decimal)>,
    /// Assets that it lists under another name than the world's: the world's, and its own.
    pub names: Vec<(String, String)>,
    /// Assets of which it counts 10^n of the world's as one (`1000SATS`): the world's name, and n. It lists their pairs at prices so
    /// much higher and in amounts so much smaller, and keeps its books, balances and fees in its unit alone.
    pub units: Vec<(String, u32)>,
    /// Rules of its own in place of [`WorldConfig::pairs`].
    pub pairs: Option<Vec<PairConfig>>,
    /// How late its books follow the efficient price, as a time constant in nanoseconds.
    pub market_lag_ns: u64,
    /// Ids of orders and trades start above this.
    pub first_id: u64,
    /// Book update ids start above this.
    pub first_book_id: u64,
}

impl std::fmt::Debug for VenueConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VenueConfig").field("id", &self.id).field("user_id", &self.user_id).finish_non_exhaustive()
    }
}

impl VenueConfig {
    /// The venue's name of one of the world's assets.
    pub fn asset_name<'a>(&'a self, world: &'a str) -> &'a str {
        self.names.iter().find(|(of, _)| of == world).map_or(world, |(_, own)| own)
    }

    /// The venue's id of one of the world's pairs (`BTC_USDT`).
    pub fn pair_name(&self, world: &str) -> String {
        let assets: Vec<&str> = world.split('_').map(|asset| self.asset_name(asset)).collect();
        assets.join("_")
    }

    /// The power of ten of the world's unit of an asset, by the world's name, that is one unit here.
    pub fn tens(&self, world: &str) -> u32 {
        self.units.iter().find(|(of, _)| of == world).map_or(0, |(_, tens)| *tens)
    }

    /// The same of the base of one of the world's pairs (`BTC_USDT`).
    pub fn pair_tens(&self, world: &str) -> u32 {
        world.split('_').next().map_or(0, |base| self.tens(base))
    }

    /// An amount of the world in this venue's unit, exactly; `None` where that has too many decimals.
    pub fn in_unit(&self, world: &str, amount: Decimal) -> Option<Decimal> {
        match self.tens(world) {
            0 => Some(amount),
            tens => moved(amount.normalize(), tens),
        }
    }

    /// Lists the pairs of assets that are counted in another unit: prices with so many decimals fewer, as far as they have them, and
    /// amounts with so many more, as far as the assets here have them.
    fn recount(&self, exchange: &mut ExchangeConfig) {
        for (asset, tens) in &self.units {
            exchange.denominations.push((self.asset_name(asset).to_owned(), *tens));
            let decimals = |name: &str| exchange.assets.iter().find(|one| one.name == name).map_or(0, |one| one.decimals);
            for pair in exchange.pairs.iter_mut().filter(|pair| pair.base == *asset) {
                pair.precision = pair.precision.saturating_sub(*tens);
                let room = decimals(&pair.quote).saturating_sub(pair.precision).min(decimals(&pair.base));
                pair.amount_precision = (pair.amount_precision + tens).min(room);
                let limit = |limit: Option<Decimal>, rounding| {
                    let here = moved(limit?.normalize(), *tens)?;
                    Some(here.round_dp_with_strategy(pair.amount_precision, rounding))
                };
                pair.min_base_amount = limit(pair.min_base_amount, RoundingStrategy::AwayFromZero);
                pair.max_base_amount = limit(pair.max_base_amount, RoundingStrategy::ToZero);
                pair.market_max_base = limit(pair.market_max_base, RoundingStrategy::ToZero);
            }
        }
    }

    fn rename(&self, exchange: &mut ExchangeConfig) {
        if self.names.is_empty() {
            return;
        }
        exchange.names.clone_from(&self.names);
        let rename = |name: &mut String| *name = self.asset_name(name).to_owned();
        exchange.assets.iter_mut().for_each(|asset| rename(&mut asset.name));
        for pair in &mut exchange.pairs {
            pair.id = self.pair_name(&pair.id);
            rename(&mut pair.base);
            rename(&mut pair.quote);
            pair.trade_quotes.iter_mut().flatten().for_each(rename);
        }
        let deduction = &mut exchange.deduction;
        rename(&mut deduction.gt_asset);
        rename(&mut deduction.point_asset);
        deduction.gt_prices.iter_mut().chain(&mut deduction.point_prices).for_each(|(quote, _)| rename(quote));
    }
}

/// `amount` ÷ 10^`tens`, exactly.
fn moved(amount: Decimal, tens: u32) -> Option<Decimal> {
    Decimal::try_from_i128_with_scale(amount.mantissa(), amount.scale() + tens).ok().map(|moved| moved.normalize())
}

impl WorldConfig {
    /// Two Gate venues `gate-a` and `gate-b`, four pairs against USDT, fees of 0.1 %, balances on both sides, and a market
    /// that drifts apart by up to 60 bps for seconds at a time.
    ///
    /// At 0.1 % every fee of these assets is exact. For fees that need the rounding rule, lower an asset's decimals.
    pub fn demo(seed: u64) -> WorldConfig {
        let asset = |name: &str, decimals| AssetConfig { name: name.to_owned(), decimals };
        let pair = |base: &str, precision, amount_precision, min_base_amount| PairConfig {
            id: format!("{base}_USDT"),
            base: base.to_owned(),
            quote: "USDT".to_owned(),
            precision,
            amount_precision,
            min_base_amount: Some(min_base_amount),
            min_quote_amount: Some(Decimal::from(3)),
            max_base_amount: None,
            max_quote_amount: Some(Decimal::from(5_000_000)),
            trade_status: TradeStatus::Tradable,
            ..PairConfig::default()
        };
        let market_pair = |base: &str, price: Decimal, profile: PairProfile| MarketPair {
            pair: format!("{base}_USDT"),
            price,
            profile: profile.scaled(VALUES_PER_MILLE),
        };
        let venue = |id: &str, number: u64, market_lag_ns| VenueConfig {
            id: id.to_owned(),
            kind: VenueKind::of(GateConfig { seed: seed.wrapping_add(number), ..GateConfig::default() }),
            api_key: format!("demo-key-{id}"),
            api_secret: format!("demo-secret-{id}"),
            extra_permissions: Vec::new(),
            user_id: 10_000 + number,
            fees: FeeRates { maker: Decimal::new(1, 3), taker: Decimal::new(1, 3) },
            fee_debit: FeeDebit::Received,
            balances: [("USDT", 250_000), ("BTC", 4), ("ETH", 80), ("SOL", 1_500), ("XRP", 100_000)]
                .map(|(name, amount): (&str, i64)| (name.to_owned(), Decimal::from(amount)))
                .to_vec(),
            names: Vec::new(),
            units: Vec::new(),
            pairs: None,
            market_lag_ns,
            first_id: number * 1_000_000_000,
            first_book_id: number * 50_000_000,
        };
        WorldConfig {
            seed,
            assets: vec![asset("USDT", 12), asset("BTC", 12), asset("ETH", 12), asset("SOL", 12), asset("XRP", 12)],
            pairs: vec![
                pair("BTC", 1, 6, Decimal::new(1, 5)),
                pair("ETH", 2, 4, Decimal::new(1, 3)),
                pair("SOL", 2, 3, Decimal::new(1, 2)),
                pair("XRP", 4, 2, Decimal::ONE),
            ],
            venues: vec![venue("gate-a", 1, 30_000_000), venue("gate-b", 2, 80_000_000)],
            market: Some(MarketConfig {
                pairs: vec![
                    market_pair("BTC", Decimal::from(61_250), PairProfile::LARGE),
                    market_pair("ETH", Decimal::from(3_140), PairProfile::MIDDLE),
                    market_pair("SOL", Decimal::from(152), PairProfile::MIDDLE),
                    market_pair("XRP", Decimal::new(52, 2), PairProfile::MIDDLE),
                ],
                ..MarketConfig::default()
            }),
            unfillable: UnfillablePolicy::Refuse,
            history: HistoryLimits::default(),
            monitor: MonitorLimits::default(),
        }
    }

    /// The demo's world with more to trade: GT and points to pay fees with, `GT_USDT` and `LTC_USDT` in the shape of busy
    /// pairs, and `OMG_USDT` as a pair that hardly trades.
    pub fn universe(seed: u64) -> WorldConfig {
        let mut world = WorldConfig::demo(seed);
        let add = [
            ("GT", 4, 3, Decimal::from(8), Decimal::new(1, 2), PairProfile::MIDDLE.scaled(VALUES_PER_MILLE / 5)),
            ("LTC", 2, 3, Decimal::from(84), Decimal::new(1, 2), PairProfile::MIDDLE.scaled(VALUES_PER_MILLE / 2)),
            ("OMG", 3, 2, Decimal::new(7_898, 3), Decimal::new(1, 1), PairProfile::QUIET),
        ];
        let template = world.pairs[0].clone();
        for (base, precision, amount_precision, price, min_base_amount, profile) in add {
            let id = format!("{base}_USDT");
            world.assets.push(AssetConfig { name: base.to_owned(), decimals: 12 });
            world.pairs.push(PairConfig {
                id: id.clone(),
                base: base.to_owned(),
                precision,
                amount_precision,
                min_base_amount: Some(min_base_amount),
                ..template.clone()
            });
            if let Some(market) = &mut world.market {
                market.pairs.push(MarketPair { pair: id, price, profile });
            }
        }
        world.assets.push(AssetConfig { name: "POINT".to_owned(), decimals: 12 });
        for venue in &mut world.venues {
            // Of the further pairs an account owns nothing: whoever trades only some pairs then knows every asset it holds.
            let more = [("GT", 500), ("POINT", 2_000)];
            venue.balances.extend(more.map(|(name, amount): (&str, i64)| (name.to_owned(), Decimal::from(amount))));
        }
        world
    }

    /// Adds the made-up pairs among these names (`T001_USDT` to `T999_USDT`): small, slow ones for those who need many. Each has a
    /// price of its own, and a book that changes about twice a second. And `SATS_USDT`, which is busy and costs next to nothing.
    pub fn add_made_up(&mut self, names: &[String]) {
        self.add_small(names);
        let template = self.pairs[0].clone();
        for (name, number) in names.iter().filter_map(|name| Some((name, made_up(name)?))) {
            if self.pairs.iter().any(|pair| pair.id == *name) {
                continue;
            }
            let base = format!("T{number:03}");
            self.assets.push(AssetConfig { name: base.clone(), decimals: 8 });
            self.pairs.push(PairConfig {
                id: name.clone(),
                base,
                precision: 4,
                amount_precision: 2,
                min_base_amount: Some(Decimal::ONE),
                ..template.clone()
            });
            if let Some(market) = &mut self.market {
                let model = PairProfile::MIDDLE;
                // Trades are as much rarer as everything else.
                let takers_per_1000_s = model.takers_per_1000_s / MADE_UP_SLOWNESS;
                let profile = PairProfile { slowness: MADE_UP_SLOWNESS, takers_per_1000_s, ..model.scaled(VALUES_PER_MILLE / 5) };
                // From 1.01 to 37.99, so that no two are alike.
                let price = Decimal::new(101 + i64::from(number) * 37 % 3_700, 2);
                market.pairs.push(MarketPair { pair: name.clone(), price, profile });
            }
        }
    }

    fn add_small(&mut self, names: &[String]) {
        if !names.iter().any(|name| name == SMALL_PAIR) || self.pairs.iter().any(|pair| pair.id == SMALL_PAIR) {
            return;
        }
        self.assets.push(AssetConfig { name: "SATS".to_owned(), decimals: 12 });
        self.pairs.push(PairConfig {
            id: SMALL_PAIR.to_owned(),
            base: "SATS".to_owned(),
            precision: 11,
            amount_precision: 0,
            min_base_amount: Some(Decimal::ONE),
            ..self.pairs[0].clone()
        });
        if let Some(market) = &mut self.market {
            let profile = PairProfile::MIDDLE.scaled(VALUES_PER_MILLE);
            market.pairs.push(MarketPair { pair: SMALL_PAIR.to_owned(), price: Decimal::new(23_512, 11), profile });
        }
    }

    /// What the exchange of one venue is made of; assets and pairs by the venue's own names and in its units.
    pub fn exchange_config(&self, venue: &VenueConfig) -> ExchangeConfig {
        let mut config = ExchangeConfig {
            assets: self.assets.clone(),
            pairs: venue.pairs.clone().unwrap_or_else(|| self.pairs.clone()),
            unfillable: self.unfillable,
            history: self.history,
            first_id: venue.first_id,
            first_book_id: venue.first_book_id,
            ..ExchangeConfig::default()
        };
        venue.kind.settings().adapt(&mut config);
        venue.recount(&mut config);
        venue.rename(&mut config);
        config
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        for (index, venue) in self.venues.iter().enumerate() {
            if venue.id.is_empty() || self.venues[..index].iter().any(|other| other.id == venue.id) {
                return Err(ConfigError::BadName(venue.id.clone()));
            }
            if self.venues[..index].iter().any(|other| other.api_key == venue.api_key) {
                let what = format!("API key of {}", venue.id);
                return Err(ConfigError::OutOfRange { what, why: "another venue has the same" });
            }
            if let Some((asset, _)) = venue.units.iter().find(|(_, tens)| *tens > TENS_MAX) {
                let what = format!("unit of {asset} on {}", venue.id);
                return Err(ConfigError::OutOfRange { what, why: "one is at most 10^9 of the others'" });
            }
        }
        Ok(())
    }
}
