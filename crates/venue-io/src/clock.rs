//! The edge's clocks, and the watch for suspensions. Nothing further in than the edge reads a clock.

use domain::{MonoNanos, UnixNanos};
use rustix::time::{ClockId, clock_gettime};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A gap between two polls above this is a suspension (design, data flow), in nanoseconds. The caller polls at least every 50 ms.
pub const SUSPEND_GAP_NS: u64 = 250_000_000;

/// The process's one origin of monotonic time, with the wall clock beside it. Copies share the origin.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock whose monotonic time starts now. One per process: times of two clocks don't compare.
    #[expect(clippy::new_without_default, reason = "reading a clock should be visible at the call")]
    pub fn new() -> Clock {
        Clock { origin: Instant::now() }
    }

    /// Nanoseconds since the origin; does not run while the host is suspended.
    pub fn now(&self) -> MonoNanos {
        MonoNanos(u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// The wall clock. May step either way; only for signing and reports. Zero or less before 1970.
    pub fn wall(&self) -> UnixNanos {
        let nanos = |d: std::time::Duration| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX);
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => UnixNanos(nanos(since)),
            Err(before) => UnixNanos(-nanos(before.duration())),
        }
    }
}

/// Nanoseconds of the boot-time clock, which runs on while the host is suspended.
fn boot_ns() -> u64 {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let time = clock_gettime(ClockId::Boottime);
    // Elsewhere only stalls are seen, not suspensions of the host.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let time = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u64::try_from(time.tv_nsec).unwrap_or_default();
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

/// Tells when the process did not run between two polls: host asleep, stopped by a signal, starved. Whatever waits in the
/// sockets then is old, so the caller must tell its sessions before it hands them another frame.
#[derive(Clone, Debug)]
pub struct SuspendMonitor {
    polled_boot_ns: u64,
}

impl SuspendMonitor {
    /// Starts watching now.
    #[expect(clippy::new_without_default, reason = "reading a clock should be visible at the call")]
    pub fn new() -> SuspendMonitor {
        SuspendMonitor::starting_at(boot_ns())
    }

    /// Starts watching at a reading of the boot-time clock.
    pub const fn starting_at(boot_ns: u64) -> SuspendMonitor {
        SuspendMonitor { polled_boot_ns: boot_ns }
    }

    /// Reads the boot-time clock. `Some(gap_ns)` when more than [`SUSPEND_GAP_NS`] passed since the poll before.
    pub fn check(&mut self) -> Option<u64> {
        self.observe(boot_ns())
    }

    /// [`SuspendMonitor::check`] with the reading given. A reading before the last one counts as no time.
    pub const fn observe(&mut self, boot_ns: u64) -> Option<u64> {
        let gap_ns = boot_ns.saturating_sub(self.polled_boot_ns);
        self.polled_boot_ns = boot_ns;
        if gap_ns > SUSPEND_GAP_NS { Some(gap_ns) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_gaps_above_the_limit_are_suspensions_and_each_is_told_once() {
        let start = 5_000_000_000;
        let mut monitor = SuspendMonitor::starting_at(start);
        assert_eq!(monitor.observe(start), None);
        assert_eq!(monitor.observe(start + 50_000_000), None);
        assert_eq!(monitor.observe(start + 50_000_000 + SUSPEND_GAP_NS), None);
        let resumed = start + 50_000_000 + 2 * SUSPEND_GAP_NS + 1;
        assert_eq!(monitor.observe(resumed), Some(SUSPEND_GAP_NS + 1));
        assert_eq!(monitor.observe(resumed), None);
        assert_eq!(monitor.observe(resumed + 3_600_000_000_000), Some(3_600_000_000_000));
        // A clock that steps back is no suspension, and the watch goes on from there.
        assert_eq!(monitor.observe(start), None);
        assert_eq!(monitor.observe(start + SUSPEND_GAP_NS + 1), Some(SUSPEND_GAP_NS + 1));
    }

    #[test]
    fn slow_polls_add_up_to_no_suspension() {
        let mut monitor = SuspendMonitor::starting_at(0);
        for poll in 1..1_000u64 {
            assert_eq!(monitor.observe(poll * 249_000_000), None);
        }
    }

    #[test]
    fn the_real_clocks_run_forward_together() {
        let clock = Clock::new();
        let copy = clock;
        let (first, boot) = (clock.now(), boot_ns());
        let mut monitor = SuspendMonitor::new();
        assert!(copy.now() >= first);
        assert!(boot_ns() >= boot);
        assert!(monitor.polled_boot_ns >= boot);
        assert!(monitor.observe(boot_ns() + SUSPEND_GAP_NS + 1).is_some());
        // After 2020 and before 2262: nanoseconds, not another unit.
        assert!(clock.wall().seconds() > 1_577_836_800);
    }
}
