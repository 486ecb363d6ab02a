//! Durable small files: replace as a whole, remove, sync the directory.

use crate::error::LogError;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

/// Puts `text` into the file at `path` so that after a crash the old or the new content is there, never a mixture.
pub(crate) fn replace_file(path: &Path, text: &str) -> Result<(), LogError> {
    let beside = path.with_extension("new");
    let mut file = File::create(&beside).map_err(LogError::io("create", &beside))?;
    file.write_all(text.as_bytes()).map_err(LogError::io("write", &beside))?;
    file.sync_all().map_err(LogError::io("sync", &beside))?;
    fs::rename(&beside, path).map_err(LogError::io("replace", path))?;
    sync_directory(path)
}

/// Makes the creation, renaming or removal of `path` survive power loss.
pub(crate) fn sync_directory(path: &Path) -> Result<(), LogError> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let opened = File::open(directory).map_err(LogError::io("open", directory))?;
    opened.sync_all().map_err(LogError::io("sync", directory))
}

/// Cuts the invalid tail off a log.
///
/// # Errors
/// [`LogError::Io`].
pub fn truncate_tail(path: &Path, valid_bytes: u64) -> Result<(), LogError> {
    let file = File::options().write(true).open(path).map_err(LogError::io("open", path))?;
    file.set_len(valid_bytes).map_err(LogError::io("truncate", path))?;
    file.sync_all().map_err(LogError::io("sync", path))
}
