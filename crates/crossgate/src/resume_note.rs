//! A person's resume while no engine runs. The latch is in the state log as well as in its file, and only an engine writes that log:
//! the resume is left in the run directory, durably, and the next start journals it as its first command.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

fn path_in(run_dir: &Path) -> PathBuf {
    run_dir.join("resume")
}

/// Leaves the resume for the next start. It is synced before this returns.
///
/// # Errors
/// When it can't be written: the latch holds.
pub fn leave(run_dir: &Path, reason: &str) -> io::Result<()> {
    let beside = run_dir.join("resume.new");
    let mut file = File::create(&beside)?;
    file.write_all(reason.replace(['\n', '\r'], " ").as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path_in(run_dir))?;
    File::open(run_dir)?.sync_all()
}

/// The reason of a resume that no engine has journalled yet.
pub fn left(run_dir: &Path) -> Option<String> {
    fs::read(path_in(run_dir)).ok().map(|bytes| String::from_utf8_lossy(&bytes).trim().to_string())
}

/// The resume is journalled; or a later halt makes it void.
///
/// # Errors
/// When it can't be removed.
pub fn remove(run_dir: &Path) -> io::Result<()> {
    match fs::remove_file(path_in(run_dir)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    File::open(run_dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resume_is_left_once_and_taken_once() {
        let place = tempfile::tempdir().unwrap();
        assert_eq!(left(place.path()), None);
        leave(place.path(), "checked\nby hand").unwrap();
        leave(place.path(), "checked by hand").unwrap();
        assert_eq!(left(place.path()).as_deref(), Some("checked by hand"));
        remove(place.path()).unwrap();
        remove(place.path()).unwrap();
        assert_eq!(left(place.path()), None);
    }
}
