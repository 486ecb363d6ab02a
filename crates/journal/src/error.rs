//! What can go wrong with logs and run directories.

use crate::codec::{CODEC_VERSION, CodecError};
use std::io;
use std::path::{Path, PathBuf};

/// A log or run directory that could not be written, read or trusted.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The system refused.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was being done: a verb.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A write or sync failed earlier; this writer never writes again, since what the file holds is no longer known.
    #[error("the log has failed and takes nothing more: {why}")]
    Failed {
        /// The first failure.
        why: String,
    },
    /// A log is invalid before its tail, or not the one that was written: nothing of it may be trusted silently.
    #[error("{file} is damaged at byte {at}: {why}")]
    Damaged {
        /// Which file.
        file: String,
        /// Where the first record that cannot be trusted starts.
        at: u64,
        /// What is wrong.
        why: String,
    },
    /// A log of another version of the format, which is not damaged and not read.
    #[error(
        "{file} was written in version {found} of the format and this build reads version {CODEC_VERSION}: end what is open with the \
         build that wrote it, then give this one another [state] dir"
    )]
    OtherVersion {
        /// Which file.
        file: String,
        /// The version read.
        found: u16,
    },
    /// A record is larger than the format allows.
    #[error("a record of {bytes} bytes is larger than the format allows")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// A record cannot be decoded.
    #[error("a record cannot be decoded")]
    Codec(#[from] CodecError),
    /// Another process uses the run directory.
    #[error("{} is in use by another process ({holder}); two engines on one directory would send twice", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
        /// What that process wrote into the lock file.
        holder: String,
    },
    /// A file of the run directory is missing or says something impossible.
    #[error("the run directory {} is inconsistent: {why}", path.display())]
    Inconsistent {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The oldest market files of a run were removed to stay below a cap.
    #[error(
        "the beginning of the market log of epoch {epoch} was removed: the run is not replayable from the start; \
         raise [state] market_log_bytes_max to keep more"
    )]
    BeginningRemoved {
        /// Which run.
        epoch: u64,
    },
    /// There is no log of that epoch.
    #[error("there is no {what} log of epoch {epoch}")]
    NoSuchEpoch {
        /// `state` or `market`.
        what: &'static str,
        /// The epoch asked for.
        epoch: u64,
    },
}

impl LogError {
    /// Wraps a system error with what was being done.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LogError {
        let path = path.to_path_buf();
        move |source| LogError::Io { doing, path, source }
    }

    pub(crate) fn damaged(file: &str, at: u64, why: impl Into<String>) -> LogError {
        LogError::Damaged { file: file.into(), at, why: why.into() }
    }

    /// The message with its causes, for keeping after the error itself is gone.
    pub fn to_full_text(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}
