//! Durable small files: replace as a whole, remove, sync the directory. Every system call of this crate that may fail for the disk's
//! sake goes through [`attempt`], so that tests can let the n-th of them fail.

use crate::error::LogError;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

/// Does one system call.
pub(crate) fn attempt<T>(call: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    #[cfg(any(test, feature = "harness"))]
    if let Some((_, error)) = crate::faults::strike(0) {
        return Err(error);
    }
    call()
}

/// Writes all of `bytes` to the end of a file.
pub(crate) fn write_all(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    #[cfg(any(test, feature = "harness"))]
    if let Some((kept, error)) = crate::faults::strike(bytes.len()) {
        file.write_all(&bytes[..kept])?;
        return Err(error);
    }
    file.write_all(bytes)
}

/// A file for reading.
pub(crate) struct Source(File);

impl Source {
    pub(crate) fn open(path: &Path) -> io::Result<Source> {
        attempt(|| File::open(path)).map(Source)
    }
}

impl Read for Source {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        attempt(|| self.0.read(out))
    }
}

/// Puts `text` into the file at `path` so that after a crash the old or the new content is there, never a mixture.
pub(crate) fn replace_file(path: &Path, text: &str) -> Result<(), LogError> {
    let beside = path.with_extension("new");
    let file = attempt(|| File::create(&beside)).map_err(LogError::io("create", &beside))?;
    write_all(&file, text.as_bytes()).map_err(LogError::io("write", &beside))?;
    attempt(|| file.sync_all()).map_err(LogError::io("sync", &beside))?;
    attempt(|| fs::rename(&beside, path)).map_err(LogError::io("replace", path))?;
    sync_directory(path)
}

/// Makes the creation, renaming or removal of `path` survive power loss.
pub(crate) fn sync_directory(path: &Path) -> Result<(), LogError> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let opened = attempt(|| File::open(directory)).map_err(LogError::io("open", directory))?;
    attempt(|| opened.sync_all()).map_err(LogError::io("sync", directory))
}

/// Cuts the invalid tail off a log.
///
/// # Errors
/// [`LogError::Io`].
pub fn truncate_tail(path: &Path, valid_bytes: u64) -> Result<(), LogError> {
    let file = attempt(|| File::options().write(true).open(path)).map_err(LogError::io("open", path))?;
    attempt(|| file.set_len(valid_bytes)).map_err(LogError::io("truncate", path))?;
    attempt(|| file.sync_all()).map_err(LogError::io("sync", path))
}
