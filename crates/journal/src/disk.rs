//! Room on the disk of a run directory, and who gives way when it runs out: the market log first, then openings, never what reduces
//! risk. Fills and cancels go on in the reserve of the state log ([`crate::RESERVE_BYTES`]).

use crate::error::LogError;
use std::path::Path;

/// Bytes that an unprivileged process may still write on the disk that holds `path`.
///
/// # Errors
/// [`LogError::Io`].
pub fn free_bytes(path: &Path) -> Result<u64, LogError> {
    let told = rustix::fs::statvfs(path).map_err(|errno| LogError::io("ask for the free room of", path)(errno.into()))?;
    Ok(told.f_bavail.saturating_mul(told.f_frsize))
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskStep {
    /// End the market log, for good: the run is not replayable from here on.
    EndMarketLog,
    /// Stop openings.
    Low,
    /// Openings may go on.
    Enough,
}

/// Judges the free room, with hysteresis.
#[derive(Clone, Debug)]
pub struct DiskWatch {
    min_bytes: u64,
    low: bool,
    market_ended: bool,
}

impl DiskWatch {
    /// Below `min_bytes` the disk is low; below twice that the market log gives way; from half as much again on there is enough.
    pub const fn new(min_bytes: u64) -> DiskWatch {
        DiskWatch { min_bytes, low: false, market_ended: false }
    }

    /// Takes what is free now, `None` when the disk will not tell, and whether the state log could not renew its reserve. Returns what
    /// has changed, in the order in which it is to be done.
    pub fn see(&mut self, free: Option<u64>, reserve_short: bool) -> Vec<DiskStep> {
        let mut steps = Vec::new();
        let below = |bytes: u64| reserve_short || free.is_none_or(|free| free < bytes);
        if !self.market_ended && below(self.min_bytes.saturating_mul(2)) {
            self.market_ended = true;
            steps.push(DiskStep::EndMarketLog);
        }
        let low = below(if self.low { self.min_bytes.saturating_add(self.min_bytes / 2) } else { self.min_bytes });
        if low != self.low {
            self.low = low;
            steps.push(if low { DiskStep::Low } else { DiskStep::Enough });
        }
        steps
    }

    /// Whether the disk was low at the last look.
    pub const fn is_low(&self) -> bool {
        self.low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_market_log_gives_way_first_and_openings_come_back_with_room_to_spare() {
        use DiskStep::{EndMarketLog, Enough, Low};
        let mut watch = DiskWatch::new(100);
        let seen = |watch: &mut DiskWatch, free| watch.see(Some(free), false);
        assert_eq!(seen(&mut watch, 200), []);
        assert_eq!(seen(&mut watch, 199), [EndMarketLog]);
        assert_eq!(seen(&mut watch, 100), []);
        assert_eq!(seen(&mut watch, 99), [Low]);
        assert_eq!(seen(&mut watch, 149), []);
        assert_eq!(seen(&mut watch, 150), [Enough]);
        assert_eq!(seen(&mut watch, 99), [Low], "the market log has ended for good");
        assert_eq!(DiskWatch::new(100).see(Some(5), false), [EndMarketLog, Low], "the market log gives way first");
    }

    #[test]
    fn a_reserve_that_cannot_be_renewed_and_a_disk_that_will_not_tell_are_low() {
        for (free, short) in [(Some(u64::MAX), true), (None, false)] {
            let mut watch = DiskWatch::new(0);
            assert_eq!(watch.see(free, short), [DiskStep::EndMarketLog, DiskStep::Low]);
            assert!(watch.is_low());
            assert_eq!(watch.see(Some(0), false), [DiskStep::Enough]);
        }
    }

    #[test]
    fn a_real_disk_tells() {
        let place = tempfile::tempdir().unwrap();
        assert!(free_bytes(place.path()).unwrap() > 0);
        assert!(matches!(free_bytes(&place.path().join("gone")), Err(LogError::Io { .. })));
    }
}
