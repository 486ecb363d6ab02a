//! Frame tapes: what came from and went to venues, byte for byte, with its time.
//!
//! Three formats are read into one [`TapeEntry`]: our own recorder's ([`recorder`], `format=crossgate`), and two that other
//! projects write ([`foreign`], `format=cryptofeed` and `format=hftbacktest`). Start at [`open_tape`]; several files of one or
//! more streams become one with [`merge`].

pub mod foreign;
pub mod lines;
mod merge;
pub mod recorder;
mod recording;

pub use foreign::{read_cryptofeed, read_hftbacktest};
pub use merge::{Merged, merge};
pub use recorder::{Direction, FrameEntry, FrameLink, TAPE_VERSION, TAPE_VERSION_OLDEST, TapeHeader, TapeReader, TapeWriter};
pub use recording::{Recording, in_order, recordings};

use crate::codec::CodecError;
use std::io;
use std::path::{Path, PathBuf};

/// One thing that happened on a recorded session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapeEntry {
    /// When the recorder received or sent it, Unix nanoseconds of the recorder's host, exact. Of our own recordings: by its monotonic
    /// clock ([`Recording`]).
    pub received_unix_ns: i64,
    /// What it is.
    pub kind: TapeKind,
    /// The frame or body as on the wire; empty for [`TapeKind::Connected`] and [`TapeKind::Disconnected`].
    pub bytes: Vec<u8>,
}

/// What a tape entry is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TapeKind {
    /// A WebSocket connection was opened.
    Connected {
        /// Where to.
        url: String,
    },
    /// A WebSocket connection is gone, or did not come up; of our own tapes only, from version 4 on.
    Disconnected {
        /// Which one.
        url: String,
        /// Why, by the `reason` label of `reconnects_total`.
        reason: String,
    },
    /// A received WebSocket frame.
    Ws {
        /// The connection's address, where the tape tells.
        url: Option<String>,
    },
    /// A REST answer.
    Rest {
        /// What was asked: the path and query of the request's address. Empty where the tape does not tell
        /// ([`TapeFormat::Hftbacktest`]): it is the book of the file's only pair.
        path_and_query: String,
    },
    /// A frame or request that the recorder sent.
    Sent,
}

/// Formats of the contract's `--tape format=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TapeFormat {
    /// Our own recorder's.
    Crossgate,
    /// Raw session text.
    Cryptofeed,
    /// Receive nanoseconds, space, raw JSON.
    Hftbacktest,
}

impl TapeFormat {
    /// The contract's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            TapeFormat::Crossgate => "crossgate",
            TapeFormat::Cryptofeed => "cryptofeed",
            TapeFormat::Hftbacktest => "hftbacktest",
        }
    }

    /// Back from the contract's spelling.
    pub fn parse(text: &str) -> Option<TapeFormat> {
        [TapeFormat::Crossgate, TapeFormat::Cryptofeed, TapeFormat::Hftbacktest].into_iter().find(|f| f.as_str() == text)
    }
}

/// A tape that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum TapeError {
    /// The system, or the decompressor, refused.
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
    /// A line of a text tape is not in its format.
    #[error("{}, line {line}: {why}", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Counts from 1.
        line: u64,
        /// What is wrong.
        why: LineError,
    },
    /// A tape of our own recorder is damaged (a torn last chunk is not).
    #[error("{} is damaged at byte {at}: {why}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where.
        at: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// A tape of our own recorder is of a version that this build does not read.
    #[error(
        "{} was written in version {found} of the tape format; this build reads versions {TAPE_VERSION_OLDEST} to {TAPE_VERSION}",
        path.display()
    )]
    Version {
        /// Which file.
        path: PathBuf,
        /// The version read.
        found: u16,
    },
    /// A header or entry of our own recorder cannot be decoded.
    #[error("{} holds what cannot be decoded", path.display())]
    Codec {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: CodecError,
    },
    /// An entry is larger than the format allows.
    #[error("a frame of {bytes} bytes is larger than a tape takes")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
}

impl TapeError {
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> TapeError {
        let path = path.to_path_buf();
        move |source| TapeError::Io { doing, path, source }
    }
}

/// Why a line is not in its format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Longer than [`lines::LINE_BYTES_MAX`].
    #[error("the line is too long")]
    TooLong,
    /// Neither of the format's kinds of line.
    #[error("the line is of no kind that this format has")]
    Shape,
    /// The time is no decimal number of seconds or nanoseconds in range.
    #[error("the time is no number in range")]
    Time,
    /// An address that is not UTF-8.
    #[error("the address is not text")]
    Address,
}

/// Entries of a tape, read as they are asked for.
pub type TapeEntries = Box<dyn Iterator<Item = Result<TapeEntry, TapeError>> + Send>;

/// Opens one tape, compressed (zstd, gzip) or plain. For [`TapeFormat::Crossgate`], `path` may also be a directory of tapes: one
/// recording after the other.
///
/// # Errors
/// [`TapeError`] here, and with the line for text tapes from the iterator.
pub fn open_tape(format: TapeFormat, path: &Path) -> Result<TapeEntries, TapeError> {
    match format {
        TapeFormat::Cryptofeed => Ok(Box::new(read_cryptofeed(path)?)),
        TapeFormat::Hftbacktest => Ok(Box::new(read_hftbacktest(path)?)),
        TapeFormat::Crossgate => {
            let files = if path.is_dir() { recorder::tape_files(path)? } else { vec![path.to_path_buf()] };
            Ok(Box::new(recordings(files)?.into_iter().flat_map(|(_, files)| Recording::new(files))))
        }
    }
}

/// Reads one tape as a whole. See [`open_tape`].
///
/// # Errors
/// [`TapeError`], with the line for text tapes.
pub fn read_tape(format: TapeFormat, path: &Path) -> Result<Vec<TapeEntry>, TapeError> {
    open_tape(format, path)?.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_spelt_as_in_the_contract() {
        for text in ["crossgate", "cryptofeed", "hftbacktest"] {
            assert_eq!(TapeFormat::parse(text).unwrap().as_str(), text);
        }
        assert_eq!(TapeFormat::parse("csv"), None);
    }
}
