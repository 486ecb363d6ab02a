//! How much later than usual the last frame came, from the venue's send stamps alone.
//!
//! Our monotonic clock and the venue's clock have no common origin, so `receive − sent` is an arbitrary number. Its rolling
//! minimum over [`LAG_WINDOW_S`] seconds stands for the path at its best; what a frame took beyond that is queueing, ours or
//! theirs. A venue clock that is off, or drifts slowly, cancels out. A lag that was there from the first frame of the window on
//! cannot be seen: that needs the measured round trip and is another check.
//!
//! Integers, a fixed ring of one-second minima, no allocation.

use domain::time::SECOND;
use domain::{MonoNanos, VenueNanos};

/// Length of the rolling window, seconds.
pub const LAG_WINDOW_S: usize = 60;

/// The running second and [`LAG_WINDOW_S`] full ones before it.
const BUCKETS: usize = LAG_WINDOW_S + 1;

/// A bucket without a sample.
const EMPTY: i64 = i64::MAX;

/// Rolling minimum of `receive − sent`, and the last sample above it.
#[derive(Clone, Debug)]
pub struct LagMeter {
    /// Least difference of each second, at `second % BUCKETS`; nanoseconds.
    minima: [i64; BUCKETS],
    /// The second of the newest sample.
    second: u64,
    /// Least of `minima`.
    least: i64,
    /// The minimum of a window that a silence emptied, and the last second in which it still counts: without it the first late
    /// frame after the silence would define what is normal.
    carried: Option<(i64, u64)>,
    /// The last frame's difference above the minimum.
    above_ns: Option<u64>,
}

impl Default for LagMeter {
    fn default() -> LagMeter {
        LagMeter { minima: [EMPTY; BUCKETS], second: 0, least: EMPTY, carried: None, above_ns: None }
    }
}

impl LagMeter {
    /// Takes in one frame. A frame received before the newest one (it waited in a buffer) counts in the newest one's second.
    pub fn record(&mut self, received: MonoNanos, sent: VenueNanos) {
        let difference = i64::try_from(received.0).unwrap_or(i64::MAX).saturating_sub(sent.0).min(EMPTY - 1);
        self.advance(received.0 / SECOND);
        let minimum = &mut self.minima[(self.second % BUCKETS as u64) as usize];
        *minimum = difference.min(*minimum);
        self.least = difference.min(self.least);
        let normal = self.carried.map_or(self.least, |(carried, _)| carried.min(self.least));
        self.above_ns = Some(difference.abs_diff(normal));
    }

    fn advance(&mut self, second: u64) {
        if second <= self.second {
            return;
        }
        let before = self.least;
        for passed in 1..=(second - self.second).min(BUCKETS as u64) {
            self.minima[((self.second + passed) % BUCKETS as u64) as usize] = EMPTY;
        }
        self.second = second;
        self.least = self.minima.iter().copied().min().unwrap_or(EMPTY);
        self.carried = self.carried.filter(|(_, until)| second <= *until);
        if self.least == EMPTY && before != EMPTY {
            // Only real samples are carried, and for one window: after a step of the venue's clock a sparse channel recovers.
            self.carried = Some((before, second + LAG_WINDOW_S as u64));
        }
    }

    /// Nanoseconds by which the last frame came later than normal; `None` before the first stamped frame.
    pub fn above_normal_ns(&self) -> Option<u64> {
        self.above_ns
    }

    /// Forgets everything: another connection has another normal.
    pub fn reset(&mut self) {
        *self = LagMeter::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::time::MILLI;
    use proptest::prelude::*;

    /// A venue whose clock shows Unix time while ours counts from its own origin.
    const VENUE_EPOCH_NS: i64 = 1_750_000_000_000_000_000;

    fn record(meter: &mut LagMeter, sent_ms: u64, took_ms: u64) -> u64 {
        let sent = VenueNanos(VENUE_EPOCH_NS + (sent_ms * MILLI) as i64);
        meter.record(MonoNanos((sent_ms + took_ms) * MILLI), sent);
        meter.above_normal_ns().unwrap() / MILLI
    }

    #[test]
    fn lag_is_what_a_frame_took_beyond_the_best_of_the_window() {
        let mut meter = LagMeter::default();
        assert_eq!(meter.above_normal_ns(), None);
        assert_eq!(record(&mut meter, 0, 30), 0);
        assert_eq!(record(&mut meter, 100, 80), 50);
        assert_eq!(record(&mut meter, 200, 20), 0);
        assert_eq!(record(&mut meter, 300, 30), 10);
        meter.reset();
        assert_eq!(meter.above_normal_ns(), None);
    }

    #[test]
    fn a_new_normal_is_learnt_after_the_window() {
        let mut meter = LagMeter::default();
        assert_eq!(record(&mut meter, 0, 10), 0);
        for second in 1..=60 {
            assert_eq!(record(&mut meter, second * 1000, 500), 490, "second {second}");
        }
        assert_eq!(record(&mut meter, 61_000, 500), 0);
    }

    #[test]
    fn a_late_frame_after_a_long_silence_is_still_late() {
        let mut meter = LagMeter::default();
        record(&mut meter, 0, 10);
        assert_eq!(record(&mut meter, 300_000, 2_010), 2_000);
        assert_eq!(record(&mut meter, 300_100, 2_010), 2_000, "the burst behind it is late too");
        // The old normal counts for one window more, then the samples since decide.
        assert_eq!(record(&mut meter, 363_500, 2_010), 0);
    }

    #[test]
    fn a_sparse_channel_recovers_from_a_clock_step() {
        let mut meter = LagMeter::default();
        record(&mut meter, 0, 10);
        assert_eq!(record(&mut meter, 90_000, 1_010), 1_000);
        assert_eq!(record(&mut meter, 180_000, 1_010), 0);
    }

    proptest! {
        /// Against all samples kept and searched, for frames dense enough never to empty the window.
        #[test]
        fn rolling_minimum_matches_a_full_search(frames in prop::collection::vec((0u64..20_000, 0u64..5_000), 1..300)) {
            let mut meter = LagMeter::default();
            let mut samples: Vec<(u64, i64)> = Vec::new();
            let mut now_ms = 0;
            for (pause_ms, took_ms) in frames {
                now_ms += pause_ms;
                let (received, difference) = (now_ms * MILLI, (took_ms * MILLI) as i64 - VENUE_EPOCH_NS);
                meter.record(MonoNanos(received), VenueNanos(received as i64 - difference));
                let second = now_ms / 1000;
                samples.push((second, difference));
                let least = samples.iter().filter(|(at, _)| at + LAG_WINDOW_S as u64 >= second).map(|(_, d)| *d).min().unwrap();
                prop_assert_eq!(meter.above_normal_ns(), Some((difference - least) as u64));
            }
        }

        #[test]
        fn absurd_stamps_never_panic(frames in prop::collection::vec((any::<u64>(), any::<i64>()), 1..50)) {
            let mut meter = LagMeter::default();
            for (received, sent) in frames {
                meter.record(MonoNanos(received), VenueNanos(sent));
                prop_assert!(meter.above_normal_ns().is_some());
            }
        }
    }
}
