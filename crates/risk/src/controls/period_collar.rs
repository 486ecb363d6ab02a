//! How far an opening's limit price may be from *every* median of the last period: after a jump of the market nothing is opened
//! until the period has passed.
//!
//! The lowest and highest median of each eighth of the period is kept, so what is looked back on is the period or up to an
//! eighth more.

use domain::number::RATE_ONE;
use domain::time::SECOND;
use domain::{MonoNanos, PairId, Price, Rate};

/// 10 %.
pub const DEFAULT: Rate = Rate::from_bps(1_000).unwrap();
/// No configuration goes above: 10 %.
pub const CEILING: Rate = Rate::from_bps(1_000).unwrap();
/// Longest period.
pub const PERIOD_CEILING_NS: u64 = 3_600 * SECOND;

/// Parts of a period, and one more for the part that is running.
const PARTS: u64 = 8;
const SLOTS: usize = PARTS as usize + 1;

/// The medians within one part of a period, × 4.
#[derive(Clone, Copy, Debug)]
struct Part {
    number: u64,
    low_x4: i128,
    high_x4: i128,
}

/// All pairs.
#[derive(Clone, Debug)]
pub(crate) struct PeriodCollar {
    pairs: Vec<[Option<Part>; SLOTS]>,
}

fn number(now: MonoNanos, period_ns: u64) -> u64 {
    now.0 / (period_ns / PARTS).max(1)
}

impl PeriodCollar {
    pub(crate) fn new(pairs: usize) -> PeriodCollar {
        PeriodCollar { pairs: vec![[None; SLOTS]; pairs] }
    }

    pub(crate) fn seen(&mut self, pair: PairId, median_x4: i128, now: MonoNanos, period_ns: u64) {
        let Some(parts) = self.pairs.get_mut(pair.index()) else { return };
        let number = number(now, period_ns);
        let slot = &mut parts[(number % SLOTS as u64) as usize];
        match slot {
            Some(part) if part.number == number => {
                part.low_x4 = part.low_x4.min(median_x4);
                part.high_x4 = part.high_x4.max(median_x4);
            }
            _ => *slot = Some(Part { number, low_x4: median_x4, high_x4: median_x4 }),
        }
    }

    pub(crate) fn holds(&self, pair: PairId, price: Price, now: MonoNanos, collar: Rate, period_ns: u64) -> bool {
        let Some(parts) = self.pairs.get(pair.index()) else { return false };
        let running = number(now, period_ns);
        let price = 4 * i128::from(price.units()) * i128::from(RATE_ONE);
        let (up, down) = (i128::from(RATE_ONE) + i128::from(collar.nano()), i128::from(RATE_ONE) - i128::from(collar.nano()));
        parts
            .iter()
            .flatten()
            .filter(|part| running.saturating_sub(part.number) <= PARTS)
            .all(|part| price <= part.low_x4 * up && price >= part.high_x4 * down)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIR: PairId = PairId(0);
    const PERIOD: u64 = 8 * SECOND;

    fn holds(collar: &PeriodCollar, price: i64, second: u64) -> bool {
        collar.holds(PAIR, Price::from_units(price).unwrap(), MonoNanos(second * SECOND), DEFAULT, PERIOD)
    }

    #[test]
    fn at_the_collar_of_the_farthest_median_passes_and_one_unit_beyond_is_refused() {
        let mut collar = PeriodCollar::new(1);
        collar.seen(PAIR, 4 * 10_000, MonoNanos(0), PERIOD);
        collar.seen(PAIR, 4 * 10_900, MonoNanos(SECOND), PERIOD);
        assert!(holds(&collar, 11_000, 1) && !holds(&collar, 11_001, 1), "10 % above the lowest");
        assert!(holds(&collar, 9_810, 1) && !holds(&collar, 9_809, 1), "10 % below the highest");
    }

    #[test]
    fn the_whole_period_is_looked_back_on_and_no_more_than_an_eighth_beyond_it() {
        let mut collar = PeriodCollar::new(1);
        collar.seen(PAIR, 4 * 10_000, MonoNanos(SECOND - 1), PERIOD);
        assert!(!holds(&collar, 20_000, 8), "a period ago");
        assert!(holds(&collar, 20_000, 9));
        collar.seen(PAIR, 4 * 20_000, MonoNanos(9 * SECOND), PERIOD);
        assert!(holds(&collar, 20_000, 9), "the slot was taken over");
    }
}
