//! Points of time: the grid on which a stream speaks, and months of the calendar.

use crate::{core::PairId, timing::Jitter};

const DAY_S: u64 = 86_400;

/// The next point after `t_ns` of a grid of this interval. Each pair has its own phase, drawn from the seed.
pub(crate) fn next_tick(pair: PairId, interval_ns: u64, t_ns: u64, seed: u64) -> u64 {
    let phase_ns = Jitter::new(seed ^ (u64::from(pair.0) << 32)).next_u64() % interval_ns;
    let since = t_ns.saturating_add(interval_ns - phase_ns) % interval_ns;
    t_ns.saturating_add(interval_ns - since)
}

/// Start of the calendar month (UTC) that holds `t_s`. Days to a civil date after Howard Hinnant's public algorithm.
pub(crate) fn month_start(t_s: u64) -> u64 {
    let days = t_s / DAY_S;
    let shifted = days + 719_468;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_index + 2) / 5;
    (days.saturating_sub(day_of_month)) * DAY_S
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_has_one_point_per_interval_and_each_pair_its_own() {
        let interval = 20_000_000;
        let first = next_tick(PairId(1), interval, 1_000_000_000, 7);
        assert!(first > 1_000_000_000 && first <= 1_000_000_000 + interval);
        assert_eq!(next_tick(PairId(1), interval, first - 1, 7), first);
        assert_eq!(next_tick(PairId(1), interval, first, 7), first + interval);
        assert_ne!(next_tick(PairId(2), interval, 1_000_000_000, 7), first);
    }
}
