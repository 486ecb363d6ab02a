//! Three kinds of time that never mix: monotonic (ages, order of events), venue (lag), Unix (signing).

/// Nanoseconds of the host's monotonic clock since an origin of the process. The only time a decision subtracts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonoNanos(pub u64);

impl MonoNanos {
    /// Nanoseconds from `earlier` to `self`; zero when `earlier` is later.
    pub const fn since(self, earlier: MonoNanos) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// `self` plus a duration in nanoseconds.
    pub const fn after(self, nanos: u64) -> MonoNanos {
        MonoNanos(self.0.saturating_add(nanos))
    }
}

/// Unix nanoseconds of this host's wall clock: signing, reports. Never subtracted to make an age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixNanos(pub i64);

impl UnixNanos {
    /// Whole milliseconds.
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Whole seconds.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000_000)
    }
}

/// Unix nanoseconds as a venue stamped them. Only compared with other stamps of the same venue, or as a lag against its rolling minimum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VenueNanos(pub i64);

impl VenueNanos {
    /// From Unix milliseconds; `None` when absurd (before 1970 or past 2262).
    pub const fn from_millis(millis: i64) -> Option<VenueNanos> {
        if millis < 0 {
            return None;
        }
        match millis.checked_mul(1_000_000) {
            Some(nanos) => Some(VenueNanos(nanos)),
            None => None,
        }
    }
}

/// Nanoseconds in a millisecond.
pub const MILLI: u64 = 1_000_000;
/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;
