//! The two random processes of the model: the efficient price of a pair, and the basis of a venue.

use super::{MarketConfig, MarketPair, Rng, exact};
use crate::core::ConfigError;

/// 1 as a rate.
pub(super) const RATE_ONE: i128 = 1_000_000_000;
/// 1 bps as a rate.
const BPS: i128 = 100_000;
/// The price stays within this factor of where it began.
const PRICE_RANGE: i128 = 4;
/// Most ticks a price may begin at: with rates of 10^9 twice, every product stays far inside 128 bits.
const START_TICKS_MAX: u64 = 1_000_000_000_000;

/// How far a venue's mid may deviate from the efficient price so that the edge between two venues, (1 + x) / (1 − x) − 1,
/// stays below the amplitude a: x just below a / (2 + a).
pub(super) fn amplitude_share(basis_bps: u32) -> i128 {
    let amplitude = i128::from(basis_bps) * BPS;
    (amplitude * RATE_ONE / (2 * RATE_ONE + amplitude) - 1).max(0)
}

/// The efficient price of one pair.
#[derive(Debug)]
pub(super) struct EfficientPrice {
    /// Decimals of one tick: the finest of any venue.
    pub(super) precision: u32,
    /// Nano-ticks.
    pub(super) now: i128,
    start: i128,
    rng: Rng,
}

impl EfficientPrice {
    pub(super) fn new(pair: &MarketPair, precision: u32, rng: Rng) -> Result<EfficientPrice, ConfigError> {
        let out_of_range = || ConfigError::OutOfRange {
            what: format!("market price of {}", pair.pair),
            why: "it is a whole number of ticks, from 100 to 10^12",
        };
        let ticks = exact::to_units(pair.price, precision).ok_or_else(out_of_range)?;
        if !(100..=START_TICKS_MAX).contains(&ticks) {
            return Err(out_of_range());
        }
        let start = i128::from(ticks) * RATE_ONE;
        Ok(EfficientPrice { precision, now: start, start, rng })
    }

    /// One step of the walk. Out of 1000 steps only `moves_per_mille` move it, each evenly in ±√(3·dt)·σ for the dt that they
    /// stand for together, so that the standard deviation over a time t is σ·√t, and short times often see no move at all.
    /// Returns whether it moved.
    pub(super) fn step(&mut self, volatility_bps: u32, interval_ns: u64, moves_per_mille: u32) -> bool {
        if !self.rng.chance(moves_per_mille) {
            return false;
        }
        let reach = reach_of(volatility_bps, interval_ns.saturating_mul(1_000) / u64::from(moves_per_mille.max(1)));
        let step = i128::from(self.rng.between(-reach, reach));
        let moved = self.now + self.now * step / RATE_ONE;
        self.now = within_range(moved, self.start);
        true
    }
}

/// How far a step that stands for `dt_ns` goes at most, in 10^-9: √(3·dt)·σ, so that even steps have the standard deviation
/// σ·√dt; never more than a tenth.
pub(super) fn reach_of(volatility_bps: u32, dt_ns: u64) -> i64 {
    // σ in 10^-9 times √(3·dt in ns) over √10^9, the root kept whole by scaling dt up by 10^6 first.
    let root = i128::from(dt_ns.saturating_mul(3)).saturating_mul(1_000_000).isqrt();
    let reach = i128::from(volatility_bps) * BPS * root / 31_622_776;
    i64::try_from(reach.min(RATE_ONE / 10)).unwrap_or(0)
}

/// The price, kept within its range around where it began.
pub(super) fn within_range(price: i128, start: i128) -> i128 {
    price.clamp(start / PRICE_RANGE, start * PRICE_RANGE)
}

/// The basis of one pair on one venue, in 10^-9.
#[derive(Debug)]
pub(super) struct Basis {
    now: i128,
    target: i128,
    phase_ends_t_ns: u64,
}

impl Basis {
    pub(super) fn new(start_t_ns: u64) -> Basis {
        Basis { now: 0, target: 0, phase_ends_t_ns: start_t_ns }
    }

    /// Goes towards the target of its phase, within ±`share`.
    pub(super) fn step(&mut self, t_ns: u64, elapsed_ns: i128, share: i128, config: &MarketConfig, rng: &mut Rng) -> i128 {
        if t_ns >= self.phase_ends_t_ns {
            let (shortest, longest) = config.phase_ns;
            self.phase_ends_t_ns = t_ns + shortest + rng.below(longest - shortest + 1);
            let per_mille = if rng.chance(config.drift_per_mille) {
                let away = rng.between(600, 1_000);
                if rng.chance(500) { away } else { -away }
            } else {
                rng.between(-100, 100)
            };
            self.target = share * i128::from(per_mille) / 1_000;
        }
        let response = elapsed_ns + i128::from(config.basis_response_ns);
        let pull = (self.target - self.now) * elapsed_ns / response.max(1);
        let noise = i128::from(rng.between(-10, 10)) * share / 10_000;
        self.now = (self.now + pull + noise).clamp(-share, share);
        self.now
    }
}
