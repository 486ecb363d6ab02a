//! Knobs of the market model.

use rust_decimal::Decimal;

use super::PairProfile;
use crate::core::ConfigError;

/// Settings of the market model. 1 bps is 0.01 %.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketConfig {
    /// Pairs with a price of their own; a pair that is not here has an empty book.
    pub pairs: Vec<MarketPair>,
    /// Standard deviation of the efficient price over one second.
    pub volatility_bps: u32,
    /// Amplitude of the divergence between venues: the best executable edge between any two stays below it. Below the
    /// fees of both legs there is no arbitrage.
    pub basis_bps: u32,
    /// Distance of the best quotes from a venue's mid, in addition to that of the pair's profile.
    pub half_spread_bps: u32,
    /// How often, out of 1000, a new phase of the basis is a drift away from zero.
    pub drift_per_mille: u32,
    /// Shortest and longest duration of a phase of the basis, nanoseconds.
    pub phase_ns: (u64, u64),
    /// Time constant with which the basis goes to where its phase wants it, nanoseconds.
    pub basis_response_ns: u64,
    /// Levels per side the model keeps.
    pub levels: usize,
    /// Mean time between two events of one pair on one venue, nanoseconds.
    pub event_interval_ns: u64,
    /// Most levels placed in one event, when levels are missing (after being hit, or after a move).
    pub refill_per_event: usize,
    /// Levels whose size is changed in each event, each making two book changes.
    pub churn_per_event: usize,
    /// In so many of 1000 changes a level comes and goes at once instead: the book is as it was, and its id has moved on.
    pub flicker_per_mille: u32,
    /// Taking orders of the public, out of 1000 of those in the profiles; 0 for books without trades.
    pub flow_per_mille: u32,
    /// Whether candles and the figures of a day reach back before the start of the world, by made-up ones ([`Past`](super::Past)). Books
    /// and trades are the same with them and without.
    pub has_past: bool,
}

/// A pair the model quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketPair {
    /// Symbol.
    pub pair: String,
    /// Efficient price at the start.
    pub price: Decimal,
    /// What its book and flow look like.
    pub profile: PairProfile,
}

impl Default for MarketConfig {
    /// About 10 book changes per pair, venue and 100 ms, drifts of up to 60 bps. See `docs/market-model.md` for the figures.
    fn default() -> MarketConfig {
        MarketConfig {
            pairs: Vec::new(),
            volatility_bps: 1,
            basis_bps: 60,
            half_spread_bps: 0,
            drift_per_mille: 500,
            phase_ns: (600_000_000, 3_000_000_000),
            basis_response_ns: 300_000_000,
            levels: 60,
            event_interval_ns: 30_000_000,
            refill_per_event: 4,
            churn_per_event: 1,
            flicker_per_mille: 250,
            flow_per_mille: 1_000,
            has_past: false,
        }
    }
}

impl MarketConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let rules = [
            ("volatility_bps", self.volatility_bps <= 1_000, "at most 1000 bps a second"),
            ("basis_bps", self.basis_bps <= 5_000, "at most 5000 bps"),
            ("half_spread_bps", self.half_spread_bps <= 5_000, "at most 5000 bps"),
            ("drift_per_mille", self.drift_per_mille <= 1_000, "at most 1000"),
            (
                "phase_ns",
                self.phase_ns.0 > 0 && self.phase_ns.0 <= self.phase_ns.1 && self.phase_ns.1 < 1 << 60,
                "0 < shortest ≤ longest",
            ),
            ("basis_response_ns", self.basis_response_ns < 1 << 60, "at most some years"),
            ("levels", (1..=1_000).contains(&self.levels), "from 1 to 1000"),
            ("event_interval_ns", (1_000..1 << 60).contains(&self.event_interval_ns), "at least a microsecond"),
            ("refill_per_event", (1..=1_000).contains(&self.refill_per_event), "from 1 to 1000"),
            ("churn_per_event", self.churn_per_event <= 1_000, "at most 1000"),
            ("flicker_per_mille", self.flicker_per_mille <= 1_000, "at most 1000"),
            ("flow_per_mille", self.flow_per_mille <= 100_000, "at most 100000"),
        ];
        if let Some((what, _, why)) = rules.into_iter().find(|(_, holds, _)| !holds) {
            return Err(ConfigError::OutOfRange { what: format!("market {what}"), why });
        }
        self.pairs.iter().try_for_each(MarketPair::check)
    }
}

impl MarketPair {
    fn check(&self) -> Result<(), ConfigError> {
        let profile = &self.profile;
        let rules = [
            ("half spread", profile.half_spread_nano <= 500_000_000, "at most half the price"),
            ("level spacing", profile.level_spacing_nano <= 100_000_000, "at most a tenth of the price"),
            ("flow", profile.takers_per_1000_s <= 10_000_000, "at most 10000 a second"),
            ("moves", (1..=1_000).contains(&profile.moves_per_mille), "from 1 to 1000"),
            ("slowness", (1..=100_000).contains(&profile.slowness), "from 1 to 100000"),
        ];
        match rules.into_iter().find(|(_, holds, _)| !holds) {
            Some((what, _, why)) => Err(ConfigError::OutOfRange { what: format!("market {what} of {}", self.pair), why }),
            None => Ok(()),
        }
    }
}
