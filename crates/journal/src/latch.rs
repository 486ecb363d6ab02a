//! The latch file: openings stay stopped, across restarts, until a person clears it.
//!
//! Present means latched, whatever the file holds: an empty file made with `touch` latches as well as one that cannot be read.

use crate::error::LogError;
use crate::files::{attempt, replace_file, sync_directory};
use domain::{StopReason, UnixNanos};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Most bytes read of a latch file.
const LATCH_BYTES_MAX: usize = 4096;

/// What the latch file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LatchState {
    /// There is none.
    Clear,
    /// Engaged.
    Engaged {
        /// Why; [`StopReason::File`] when a person made the file, [`StopReason::Disk`] when it cannot be read.
        reason: StopReason,
        /// Since when, if the file tells.
        since: Option<UnixNanos>,
        /// More, for people.
        detail: String,
    },
}

impl LatchState {
    /// Whether openings are stopped.
    pub const fn is_engaged(&self) -> bool {
        matches!(self, LatchState::Engaged { .. })
    }
}

/// The latch file of a run directory.
#[derive(Clone, Debug)]
pub struct Latch {
    path: PathBuf,
}

impl Latch {
    /// The latch of the run directory `directory`, which need not be locked: `halt` and `resume` work beside a running engine.
    pub fn of(directory: &Path) -> Latch {
        Latch { path: directory.join("latch") }
    }

    /// Engages it durably. A latch that is engaged already keeps its first reason.
    ///
    /// # Errors
    /// [`LogError::Io`]; the caller must behave as latched all the same.
    pub fn engage(&self, reason: StopReason, since: UnixNanos, detail: &str) -> Result<(), LogError> {
        // One that cannot be read counts as engaged today, and may be readable and gone tomorrow: it is written all the same.
        if matches!(self.bytes(), Ok(Some(_))) {
            // Whoever made it may not have got so far as to make it last.
            return sync_directory(&self.path);
        }
        let detail = detail[..detail.floor_char_boundary(1024)].replace(['\n', '\r'], " ");
        replace_file(&self.path, &format!("{reason}\n{}\n{detail}\n", since.0))
    }

    /// Clears it durably.
    ///
    /// # Errors
    /// [`LogError::Io`]: it is still engaged, or may be again after a power loss.
    pub fn clear(&self) -> Result<(), LogError> {
        match attempt(|| fs::remove_file(&self.path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(LogError::io("remove", &self.path)(error)),
            _ => {}
        }
        sync_directory(&self.path)
    }

    /// What the file holds; `None` when there is none.
    fn bytes(&self) -> io::Result<Option<Vec<u8>>> {
        // Bounded before it is read: whatever stands there, a latch is small.
        let read = || {
            let mut bytes = Vec::new();
            // Opening a pipe would wait for whoever writes it.
            if !fs::metadata(&self.path)?.is_file() {
                return Err(io::Error::other("not a regular file"));
            }
            File::open(&self.path)?.take(LATCH_BYTES_MAX as u64).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        match attempt(read) {
            Ok(bytes) => Ok(Some(bytes)),
            // A missing file in a missing directory is no answer: the storage is gone.
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.path.parent().is_some_and(Path::is_dir) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What it says. Whatever cannot be read counts as engaged.
    pub fn read(&self) -> LatchState {
        let engaged = |reason, since, detail| LatchState::Engaged { reason, since, detail };
        let bytes = match self.bytes() {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return LatchState::Clear,
            Err(error) => return engaged(StopReason::Disk, None, format!("the latch file cannot be read: {error}")),
        };
        let text = String::from_utf8_lossy(&bytes);
        let mut lines = text.lines();
        let reason = lines.next().and_then(StopReason::parse).unwrap_or(StopReason::File);
        let since = lines.next().and_then(|line| line.parse().ok()).map(UnixNanos);
        engaged(reason, since, lines.next().unwrap_or_default().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_counts_as_engaged_and_nobody_waits_for_it() {
        let directory = tempfile::tempdir().unwrap();
        let latch = Latch::of(directory.path());
        let made = std::process::Command::new("mkfifo").arg(&latch.path).status().unwrap();
        assert!(made.success());
        assert!(matches!(latch.read(), LatchState::Engaged { reason: StopReason::Disk, .. }));
    }

    #[test]
    fn the_latch_survives_and_only_clears_on_request() {
        let directory = tempfile::tempdir().unwrap();
        let latch = Latch::of(directory.path());
        assert_eq!(latch.read(), LatchState::Clear);
        latch.engage(StopReason::DailyLoss, UnixNanos(17), "lost 5 USDT\nmore").unwrap();
        latch.engage(StopReason::Operator, UnixNanos(18), "again").unwrap();
        let expected =
            LatchState::Engaged { reason: StopReason::DailyLoss, since: Some(UnixNanos(17)), detail: "lost 5 USDT more".into() };
        assert_eq!(Latch::of(directory.path()).read(), expected);
        latch.clear().unwrap();
        latch.clear().unwrap();
        assert_eq!(latch.read(), LatchState::Clear);
    }

    #[test]
    fn what_cannot_be_read_is_engaged() {
        let directory = tempfile::tempdir().unwrap();
        let latch = Latch::of(directory.path());
        fs::write(directory.path().join("latch"), "").unwrap();
        assert_eq!(latch.read(), LatchState::Engaged { reason: StopReason::File, since: None, detail: String::new() });
        fs::write(directory.path().join("latch"), [0xff, 0xfe, b'\n', 0xff]).unwrap();
        assert!(latch.read().is_engaged());
        fs::remove_file(directory.path().join("latch")).unwrap();
        fs::create_dir(directory.path().join("latch")).unwrap();
        assert!(matches!(latch.read(), LatchState::Engaged { reason: StopReason::Disk, .. }));
        assert!(latch.clear().is_err());
        assert!(matches!(Latch::of(&directory.path().join("gone")).read(), LatchState::Engaged { reason: StopReason::Disk, .. }));
    }
}
