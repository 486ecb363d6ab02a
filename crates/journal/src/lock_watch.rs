//! Whether the lock of a run directory is still its holder's (F46).
//!
//! The lock is the kernel's, on an open file, and ends with the process. It keeps nobody out once the file has another name or none:
//! somebody cleaned up, the directory was moved and put back from a copy, a volume was mounted over it. Then a second engine may start on
//! the same account. A running one looks again and again, and stops opening when it finds its file gone, another in its place, or a later
//! epoch claimed.

use crate::error::LogError;
use crate::run_dir::RunFiles;
use std::fs::{self, File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Device and number of a file: the same as long as it is the same file.
type Identity = (u64, u64);

/// What the lock was when it was taken.
#[derive(Clone, Debug)]
pub struct LockWatch {
    path: PathBuf,
    lock: Identity,
    epoch: Option<u64>,
}

fn identity(data: &Metadata) -> Identity {
    (data.dev(), data.ino())
}

impl LockWatch {
    pub(crate) fn new(path: &Path, lock: &File, epoch: Option<u64>) -> Result<LockWatch, LogError> {
        let lock = lock.metadata().map_err(LogError::io("read", &path.join("lock")))?;
        Ok(LockWatch { path: path.into(), lock: identity(&lock), epoch })
    }

    /// Why the lock is no longer ours; `None` while it is, and while that can't be told (a disk that fails is another condition).
    pub fn lost(&self) -> Option<&'static str> {
        match fs::metadata(self.path.join("lock")) {
            Ok(data) if identity(&data) != self.lock => return Some("another lock file stands in the place of ours"),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Some("our lock file is gone"),
            Ok(_) | Err(_) => {}
        }
        let claimed = RunFiles::new(&self.path).claimed_epoch().ok().flatten();
        (claimed > self.epoch).then_some("another process claimed a later epoch")
    }
}

#[cfg(test)]
mod tests {
    use crate::RunDir;

    #[test]
    fn a_lock_that_is_gone_replaced_or_fenced_is_lost() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("run");
        let mut held = RunDir::open(&path).unwrap();
        let epoch = held.next_epoch(1_000).unwrap();
        let watch = held.lock_watch().unwrap();
        assert_eq!(watch.lost(), None);
        // Its own next start is no stranger to it, and what can't be read tells nothing.
        std::fs::write(path.join("epoch"), format!("{epoch} begun\n")).unwrap();
        assert_eq!(watch.lost(), None);
        std::fs::write(path.join("epoch"), "garbled").unwrap();
        assert_eq!(watch.lost(), None);
        std::fs::write(path.join("epoch"), format!("{} claimed\n", epoch + 1)).unwrap();
        assert_eq!(watch.lost(), Some("another process claimed a later epoch"));
        std::fs::write(path.join("epoch"), format!("{epoch} begun\n")).unwrap();

        std::fs::remove_file(path.join("lock")).unwrap();
        assert_eq!(watch.lost(), Some("our lock file is gone"));
        // The kernel's lock is on the file that has no name any more: a second engine gets in.
        let mut second = RunDir::open(&path).unwrap();
        assert_eq!(watch.lost(), Some("another lock file stands in the place of ours"));
        second.next_epoch(1_000).unwrap();
        assert_eq!(second.lock_watch().unwrap().lost(), None);
    }
}
