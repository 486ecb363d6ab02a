//! What one pair's book and flow look like, by figures measured in recordings. `docs/market-model.md` says how each was got.
//!
//! Start at [`PairProfile::LARGE`]. Values are in hundredths of the quote asset, distances in 10^-9 of the price.

/// Ten steps of a distribution: its values at 0, 10, …, 100 per cent, in hundredths of the quote asset.
pub type Deciles = [u64; 11];

/// Shape of one pair's book and of the orders that take from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairProfile {
    /// Distance of the best quotes from the mid; the spread is one tick where that is wider.
    pub half_spread_nano: u64,
    /// Mean distance between neighbouring levels.
    pub level_spacing_nano: u64,
    /// Value of the best level of a side.
    pub touch_value: Deciles,
    /// Value of any other level.
    pub level_value: Deciles,
    /// Value of a taking order.
    pub taker_value: Deciles,
    /// Taking orders in 1000 seconds.
    pub takers_per_1000_s: u32,
    /// How often, out of 1000 steps, the efficient price moves at all. The steps that do are the larger.
    pub moves_per_mille: u32,
    /// How many times slower than [`MarketConfig::event_interval_ns`](super::MarketConfig::event_interval_ns) it lives.
    pub slowness: u32,
}

impl PairProfile {
    /// The largest pairs: BTC/USDT on a venue with a tick far below a basis point.
    pub const LARGE: PairProfile = PairProfile {
        half_spread_nano: 0,
        level_spacing_nano: 5_300,
        touch_value: [
            560, 98_750, 621_340, 1_829_340, 3_429_080, 7_395_350, 11_364_710, 15_740_460, 20_335_180, 26_071_610, 38_397_460,
        ],
        level_value: [560, 1_050, 2_470, 37_470, 250_570, 400_090, 554_680, 742_480, 1_535_000, 2_415_690, 6_202_500],
        taker_value: [560, 1_110, 1_670, 2_840, 7_670, 21_460, 61_840, 120_090, 204_000, 618_380, 7_414_020],
        takers_per_1000_s: 9_364,
        moves_per_mille: 17,
        slowness: 1,
    };

    /// Busy pairs: ETH/USDT.
    pub const MIDDLE: PairProfile = PairProfile {
        half_spread_nano: 0,
        level_spacing_nano: 8_800,
        touch_value: [
            540, 30_860, 410_380, 719_340, 1_228_860, 1_847_880, 2_701_540, 3_647_940, 4_792_070, 6_498_080, 10_864_180,
        ],
        level_value: [540, 1_050, 26_840, 200_190, 375_760, 623_880, 1_134_710, 1_501_640, 2_055_070, 2_800_870, 9_121_960],
        taker_value: [540, 720, 1_320, 2_330, 4_510, 11_000, 29_150, 80_510, 214_700, 571_410, 3_919_560],
        takers_per_1000_s: 5_577,
        moves_per_mille: 22,
        slowness: 1,
    };

    /// Pairs that hardly trade: OMG/USDT on Gate in 2021. Its touches and levels, not scaled.
    pub const QUIET: PairProfile = PairProfile {
        half_spread_nano: 1_835_000,
        level_spacing_nano: 1_000_000,
        touch_value: [5_200, 20_000, 52_000, 80_000, 110_000, 150_000, 180_000, 210_000, 230_000, 251_000, 300_000],
        level_value: [1_000, 10_000, 30_000, 60_000, 90_000, 127_900, 160_000, 200_000, 300_000, 500_000, 1_000_000],
        taker_value: [500, 1_000, 2_000, 4_000, 7_000, 10_000, 20_000, 40_000, 80_000, 150_000, 300_000],
        takers_per_1000_s: 100,
        moves_per_mille: 100,
        slowness: 20,
    };

    /// The same shape with all values at so many of 1000.
    pub fn scaled(&self, per_mille: u64) -> PairProfile {
        let scale = |deciles: &Deciles| deciles.map(|value| (value.saturating_mul(per_mille) / 1_000).max(1));
        PairProfile {
            touch_value: scale(&self.touch_value),
            level_value: scale(&self.level_value),
            taker_value: scale(&self.taker_value),
            ..self.clone()
        }
    }
}

/// The mean of the distribution, rounded down: half the way between the ends of each step.
pub(super) fn mean_of(deciles: &Deciles) -> u64 {
    let twice: u128 = deciles.windows(2).map(|ends| u128::from(ends[0]) + u128::from(ends[1])).sum();
    u64::try_from(twice / 20).unwrap_or(u64::MAX)
}

/// The value at a point of the distribution: `at` is evenly drawn below 2^32, and steps are joined by straight lines.
pub(super) fn value_at(deciles: &Deciles, at: u64) -> u64 {
    let scaled = at.min(u64::from(u32::MAX)) * 10;
    let (step, within) = (usize::try_from(scaled >> 32).unwrap_or(0), scaled & 0xffff_ffff);
    let (low, high) = (deciles[step.min(9)], deciles[step.min(9) + 1]);
    let rise = (u128::from(high.saturating_sub(low)) * u128::from(within)) >> 32;
    low.saturating_add(u64::try_from(rise).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_follow_their_deciles() {
        let deciles = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 1_000];
        let at = |per_mille: u64| value_at(&deciles, (1 << 32) * per_mille / 1_000);
        assert_eq!([at(0), at(50), at(100), at(500), at(895)], [0, 4, 9, 50, 89]);
        assert_eq!((at(950), value_at(&deciles, u64::MAX)), (544, 999));
        for profile in [PairProfile::LARGE, PairProfile::MIDDLE, PairProfile::QUIET] {
            for deciles in [&profile.touch_value, &profile.level_value, &profile.taker_value] {
                assert!(deciles.windows(2).all(|pair| pair[0] <= pair[1]), "{deciles:?}");
            }
        }
        assert_eq!(PairProfile::LARGE.scaled(100).touch_value[5], 739_535);
    }
}
