//! What the executions of our own orders moved, by UTC day and asset, fees included: what the daily loss is made of.
//!
//! A day is that of the venue's time of the execution, so that folding the state log after a restart gives the same days. Foreign
//! executions do not count: they are no result of ours.

use domain::{Amount, AssetId, UnixNanos};
use std::collections::BTreeMap;

/// Days kept; the oldest go first. Two are enough around midnight, the others are for venue clocks that are wrong.
const DAYS_KEPT: usize = 8;

/// Flows by day since 1970 and asset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DayFlows {
    days: BTreeMap<i64, BTreeMap<AssetId, Amount>>,
}

impl DayFlows {
    /// The UTC day of a time.
    pub const fn day_of(at: UnixNanos) -> i64 {
        at.seconds().div_euclid(86_400)
    }

    /// Adds a flow; what passes 128 bits stays at its end.
    pub fn add(&mut self, day: i64, asset: AssetId, amount: Amount) {
        let sum = self.days.entry(day).or_default().entry(asset).or_default();
        *sum = Amount::from_units(sum.units().saturating_add(amount.units()));
        while self.days.len() > DAYS_KEPT {
            self.days.pop_first();
        }
    }

    /// The flows of a day.
    pub fn of(&self, day: i64) -> impl Iterator<Item = (AssetId, Amount)> + '_ {
        self.days.get(&day).into_iter().flatten().map(|(asset, amount)| (*asset, *amount))
    }

    /// The newest day that has any.
    pub fn newest(&self) -> Option<i64> {
        self.days.last_key_value().map(|(day, _)| *day)
    }

    /// Everything kept: (day, asset, flow).
    pub fn all(&self) -> impl Iterator<Item = (i64, AssetId, Amount)> + '_ {
        self.days.iter().flat_map(|(day, flows)| flows.iter().map(|(asset, amount)| (*day, *asset, *amount)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_with_its_last_nanosecond() {
        let midnight = 1_700_006_400 * 1_000_000_000i64;
        assert_eq!(DayFlows::day_of(UnixNanos(midnight)), 19_676);
        assert_eq!(DayFlows::day_of(UnixNanos(midnight - 1)), 19_675);
        assert_eq!(DayFlows::day_of(UnixNanos(-1)), -1);
    }

    #[test]
    fn flows_add_up_by_day_and_asset_and_old_days_are_forgotten() {
        let of = Amount::from_units;
        let mut flows = DayFlows::default();
        flows.add(1, AssetId(0), of(5));
        flows.add(1, AssetId(0), of(-7));
        flows.add(1, AssetId(1), of(1));
        flows.add(2, AssetId(0), of(9));
        assert_eq!(flows.of(1).collect::<Vec<_>>(), [(AssetId(0), of(-2)), (AssetId(1), of(1))]);
        assert_eq!(flows.of(3).count(), 0);
        (3..=9).for_each(|day| flows.add(day, AssetId(0), of(1)));
        assert_eq!((flows.of(1).count(), flows.of(2).count()), (0, 1));
        flows.add(9, AssetId(0), of(i128::MAX));
        assert_eq!(flows.of(9).next(), Some((AssetId(0), of(i128::MAX))));
    }
}
