//! How late the last frame of a book came, by the venue's send stamps.
//!
//! Two yardsticks, of which the worse counts ([`VenueLag::record`]):
//!
//! - **The connection at its best.** Our monotonic clock and the venue's have no common origin, so `receive − sent` is an arbitrary
//!   number. Its rolling minimum over [`LAG_WINDOW_S`] seconds, over all frames of one connection ([`LagMeter`]), stands for the way
//!   at its best; what a frame took beyond that is queueing, ours or theirs. A lag that was there from the first frame on, such as a
//!   burst that waited behind a slow start, cannot be seen by it.
//! - **The measured clock.** Requests for the venue's time tie its clock to ours, to within half of their round trip
//!   ([`ClockOffset`]). A frame may take a whole measured round trip: half for the way, half for what the measure does not know. Beyond
//!   that it is late, whatever the other frames did.
//!
//! Without a measured clock the first yardstick alone is no proof, and [`Lag::proved`] says so.
//!
//! Integers, fixed rings of one-second minima, no allocation but for a new connection.

use domain::time::{MILLI, SECOND};
use domain::{ClockOffset, MonoNanos, SendStamp, VenueNanos};

/// Length of the rolling window, seconds.
pub const LAG_WINDOW_S: usize = 60;

/// The running second and [`LAG_WINDOW_S`] full ones before it.
const BUCKETS: usize = LAG_WINDOW_S + 1;

/// A bucket without a sample.
const EMPTY: i64 = i64::MAX;

/// A clock known worse than this proves nothing: half of a round trip of half a second, nanoseconds.
const CLOCK_UNCERTAINTY_MAX_NS: u64 = 250 * MILLI;

/// What two clocks may drift apart in a second, nanoseconds: 100 parts in a million, more than any host's that is kept at all.
const DRIFT_NS_PER_S: u64 = 100_000;

/// How late the last stamped frame of a book came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    /// Nanoseconds beyond what is normal; at least so much.
    pub above_ns: u64,
    /// True when the venue's clock was known well enough to tell that it was not more.
    pub proved: bool,
}

/// Rolling minimum of `receive − sent` over the frames of one connection.
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
}

impl Default for LagMeter {
    fn default() -> LagMeter {
        LagMeter { minima: [EMPTY; BUCKETS], second: 0, least: EMPTY, carried: None }
    }
}

impl LagMeter {
    /// Takes in one frame; returns the nanoseconds by which it came later than the best of the window. A frame received before the
    /// newest one (it waited in a buffer) counts in the newest one's second.
    pub fn record(&mut self, received: MonoNanos, sent: VenueNanos) -> u64 {
        let difference = i64::try_from(received.0).unwrap_or(i64::MAX).saturating_sub(sent.0).min(EMPTY - 1);
        self.advance(received.0 / SECOND);
        let minimum = &mut self.minima[(self.second % BUCKETS as u64) as usize];
        *minimum = difference.min(*minimum);
        self.least = difference.min(self.least);
        let normal = self.carried.map_or(self.least, |(carried, _)| carried.min(self.least));
        difference.abs_diff(normal)
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
}

/// The venue's clock as it was last measured well.
#[derive(Clone, Copy, Debug)]
struct VenueClock {
    over_monotonic_ns: i64,
    uncertainty_ns: u64,
    measured: MonoNanos,
}

impl VenueClock {
    /// Half a round trip, and what the clocks may have drifted since.
    fn uncertainty_at(&self, now: MonoNanos) -> u64 {
        let drift = u128::from(now.since(self.measured)) * u128::from(DRIFT_NS_PER_S) / u128::from(SECOND);
        self.uncertainty_ns.saturating_add(u64::try_from(drift).unwrap_or(u64::MAX))
    }

    /// Nanoseconds by which a frame came later than a whole round trip allows.
    fn above_ns(&self, received: MonoNanos, sent: VenueNanos, uncertainty_ns: u64) -> u64 {
        let took = i128::from(received.0) + i128::from(self.over_monotonic_ns) - i128::from(sent.0);
        u64::try_from((took - 2 * i128::from(uncertainty_ns)).max(0)).unwrap_or(u64::MAX)
    }
}

/// One connection's meter.
#[derive(Clone, Debug)]
struct Path {
    connection: u32,
    meter: LagMeter,
}

/// What is known of one venue's lag: a meter for each connection, and its clock.
#[derive(Clone, Debug, Default)]
pub struct VenueLag {
    paths: Vec<Path>,
    clock: Option<VenueClock>,
}

impl VenueLag {
    /// Takes in one frame and judges it.
    pub fn record(&mut self, received: MonoNanos, sent: SendStamp) -> Lag {
        let above_best = self.meter(received, sent.connection).record(received, sent.at);
        let Some(clock) = &self.clock else { return Lag { above_ns: above_best, proved: false } };
        let uncertainty_ns = clock.uncertainty_at(received);
        let above_clock = clock.above_ns(received, sent.at, uncertainty_ns);
        Lag { above_ns: above_best.max(above_clock), proved: uncertainty_ns <= CLOCK_UNCERTAINTY_MAX_NS }
    }

    /// Takes in a measure of the venue's clock that ended at `now`. It takes the place of the one known, unless that one still tells
    /// more and the two agree: a round that met a stalled venue is worth less than the one before it.
    pub fn measured(&mut self, now: MonoNanos, offset: &ClockOffset) {
        let new =
            VenueClock { over_monotonic_ns: offset.over_monotonic_ns, uncertainty_ns: offset.uncertainty_ns, measured: now };
        if let Some(known) = &self.clock {
            let uncertainty_ns = known.uncertainty_at(now);
            let apart = known.over_monotonic_ns.abs_diff(new.over_monotonic_ns);
            let agree = apart <= uncertainty_ns.saturating_add(new.uncertainty_ns);
            if agree && uncertainty_ns < new.uncertainty_ns {
                return;
            }
        }
        self.clock = Some(new);
    }

    /// Our monotonic clock may have stood still: whatever was measured over it is void.
    pub fn forget(&mut self) {
        *self = VenueLag::default();
    }

    fn meter(&mut self, now: MonoNanos, connection: u32) -> &mut LagMeter {
        let at = match self.paths.iter().position(|path| path.connection == connection) {
            Some(at) => at,
            None => {
                // A connection without a frame for two windows is gone, or knows nothing of itself any more.
                let oldest = (now.0 / SECOND).saturating_sub(2 * LAG_WINDOW_S as u64);
                self.paths.retain(|path| path.meter.second >= oldest);
                self.paths.push(Path { connection, meter: LagMeter::default() });
                self.paths.len() - 1
            }
        };
        &mut self.paths[at].meter
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::VenueId;
    use proptest::prelude::*;

    /// A venue whose clock shows Unix time while ours counts from its own origin.
    const VENUE_EPOCH_NS: i64 = 1_750_000_000_000_000_000;

    fn sent(sent_ms: u64) -> VenueNanos {
        VenueNanos(VENUE_EPOCH_NS + (sent_ms * MILLI) as i64)
    }

    fn record(meter: &mut LagMeter, sent_ms: u64, took_ms: u64) -> u64 {
        meter.record(MonoNanos((sent_ms + took_ms) * MILLI), sent(sent_ms)) / MILLI
    }

    /// A frame of a connection, judged: (milliseconds above normal, proved).
    fn judge(lag: &mut VenueLag, connection: u32, sent_ms: u64, took_ms: u64) -> (u64, bool) {
        let stamp = SendStamp { at: sent(sent_ms), connection };
        let lag = lag.record(MonoNanos((sent_ms + took_ms) * MILLI), stamp);
        (lag.above_ns / MILLI, lag.proved)
    }

    fn measure(lag: &mut VenueLag, now_ms: u64, error_ms: i64, half_round_trip_ms: u64) {
        let over_monotonic_ns = VENUE_EPOCH_NS + error_ms * MILLI as i64;
        let uncertainty_ns = half_round_trip_ms * MILLI;
        let offset = ClockOffset { venue: VenueId(0), offset_ns: 0, over_monotonic_ns, uncertainty_ns };
        lag.measured(MonoNanos(now_ms * MILLI), &offset);
    }

    #[test]
    fn lag_is_what_a_frame_took_beyond_the_best_of_the_window() {
        let mut meter = LagMeter::default();
        assert_eq!(record(&mut meter, 0, 30), 0);
        assert_eq!(record(&mut meter, 100, 80), 50);
        assert_eq!(record(&mut meter, 200, 20), 0);
        assert_eq!(record(&mut meter, 300, 30), 10);
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

    #[test]
    fn a_burst_that_opens_a_connection_is_late_by_the_measured_clock() {
        let mut lag = VenueLag::default();
        assert_eq!(judge(&mut lag, 1, 0, 2_000), (0, false), "nothing to compare with: no proof");
        measure(&mut lag, 2_000, 0, 10);
        assert_eq!(judge(&mut lag, 2, 1_000, 2_000), (1_979, true), "a round trip, and what the clocks may have drifted");
        assert_eq!(judge(&mut lag, 2, 3_000, 15), (0, true));
        assert_eq!(judge(&mut lag, 2, 3_100, 40), (25, true), "the finer yardstick counts where it says more");
        // Half a round trip may hide in the measure, and half is the way: that much is not called late.
        measure(&mut lag, 4_000, -10, 10);
        assert_eq!(judge(&mut lag, 3, 4_000, 30), (0, true));
    }

    #[test]
    fn connections_do_not_share_what_is_normal() {
        let mut lag = VenueLag::default();
        measure(&mut lag, 0, 0, 100);
        assert_eq!(judge(&mut lag, 1, 0, 20), (0, true));
        assert_eq!(judge(&mut lag, 2, 0, 120), (0, true), "a longer way is no lag");
        assert_eq!(judge(&mut lag, 1, 100, 120), (100, true));
        assert_eq!(judge(&mut lag, 2, 200, 130), (10, true));
    }

    #[test]
    fn a_poor_measure_takes_the_place_of_a_better_one_only_when_they_disagree_or_time_has_passed() {
        let mut lag = VenueLag::default();
        measure(&mut lag, 0, 0, 5);
        measure(&mut lag, 30_000, 600, 1_000);
        assert_eq!(judge(&mut lag, 1, 31_000, 500), (483, true), "the stalled round told nothing new");
        measure(&mut lag, 60_000, -5_000, 300);
        assert!(!judge(&mut lag, 1, 61_000, 10).1, "the venue's clock was set, and is known too badly");
        measure(&mut lag, 90_000, -5_000, 20);
        assert!(judge(&mut lag, 1, 91_000, 10).1);
        // An hour later even a good measure may be off by a third of a second.
        assert!(!judge(&mut lag, 1, 3_700_000, 10).1);
        measure(&mut lag, 3_700_000, -4_900, 200);
        assert!(judge(&mut lag, 1, 3_700_000, 10).1, "worse than the old one was, better than it is now");
        lag.forget();
        assert!(!judge(&mut lag, 1, 3_700_100, 10).1);
    }

    #[test]
    fn connections_that_are_gone_are_forgotten() {
        let mut lag = VenueLag::default();
        for connection in 0..1_000 {
            judge(&mut lag, connection, u64::from(connection) * 10_000, 10);
        }
        assert!(lag.paths.len() <= 13, "{}", lag.paths.len());
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
                let above = meter.record(MonoNanos(received), VenueNanos(received as i64 - difference));
                let second = now_ms / 1000;
                samples.push((second, difference));
                let least = samples.iter().filter(|(at, _)| at + LAG_WINDOW_S as u64 >= second).map(|(_, d)| *d).min().unwrap();
                prop_assert_eq!(above, (difference - least) as u64);
            }
        }

        /// With the true clock within the measure's uncertainty, a frame in time is never called later than it is, and one that is
        /// late by more than the round trip is always called late.
        #[test]
        fn the_clock_never_calls_late_what_is_not(
            error_ms in -100i64..=100, half_ms in 100u64..=200, way_ms in 0u64..3_000, connection in 0u32..3,
        ) {
            let mut lag = VenueLag::default();
            measure(&mut lag, 1_000, error_ms, half_ms);
            let (above_ms, proved) = judge(&mut lag, connection, 1_000, way_ms);
            prop_assert!(proved);
            prop_assert!(above_ms <= way_ms);
            if way_ms > 2 * half_ms + 101 {
                prop_assert!(above_ms > 0, "{way_ms} ms by a round trip of {} ms", 2 * half_ms);
            }
        }

        #[test]
        fn absurd_stamps_never_panic(
            frames in prop::collection::vec((any::<u64>(), any::<i64>(), any::<u32>(), any::<i64>(), any::<u64>()), 1..50),
        ) {
            let mut lag = VenueLag::default();
            for (received, at, connection, over_monotonic_ns, uncertainty_ns) in frames {
                lag.record(MonoNanos(received), SendStamp { at: VenueNanos(at), connection });
                let offset = ClockOffset { venue: VenueId(0), offset_ns: 0, over_monotonic_ns, uncertainty_ns };
                lag.measured(MonoNanos(received), &offset);
            }
        }
    }
}
