//! Reading the state logs of all epochs in order: what recovery folds.
//!
//! A log that begins with a whole checkpoint needs none before it: recovery starts at the newest such log, and older ones may be
//! gone. Without a checkpoint the chain must go back to its very beginning.

use crate::error::LogError;
use crate::files;
use crate::frame::{CHAIN_START, LogReader, ReadEnd};
use crate::record::{LogKind, Record};
use std::io::{Cursor, Read};
use std::path::PathBuf;
use std::sync::Arc;

/// Where the bytes of one log stand.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    File(PathBuf),
    Memory { name: String, bytes: Arc<[u8]> },
}

impl Source {
    pub(crate) fn name(&self) -> String {
        match self {
            Source::File(path) => path.display().to_string(),
            Source::Memory { name, .. } => name.clone(),
        }
    }

    pub(crate) fn open(&self) -> Result<Box<dyn Read + Send>, LogError> {
        match self {
            Source::File(path) => Ok(Box::new(files::Source::open(path).map_err(LogError::io("open", path))?)),
            Source::Memory { bytes, .. } => Ok(Box::new(Cursor::new(Arc::clone(bytes)))),
        }
    }

    pub(crate) fn reader(&self, previous: Option<[u8; 32]>) -> Result<LogReader<Box<dyn Read + Send>>, LogError> {
        Ok(LogReader::new(self.open()?, self.name(), previous))
    }
}

/// One epoch's state log.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) epoch: u64,
    pub(crate) source: Source,
}

impl Segment {
    /// Whether a whole checkpoint stands at its beginning. One that a crash cut short is none.
    ///
    /// # Errors
    /// [`LogError::Damaged`], [`LogError::Io`].
    pub(crate) fn begins_with_checkpoint(&self) -> Result<bool, LogError> {
        let mut reader = self.source.reader(None)?;
        if reader.read_header()?.is_none() {
            return Ok(false);
        }
        while let Some(Record::Checkpoint { last, .. }) = reader.next_record()? {
            if last {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// What the state logs end with; a new epoch continues it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateTail {
    /// Chain value that the next log continues.
    pub chain: [u8; 32],
    /// The last epoch that holds a record.
    pub epoch: Option<u64>,
    /// Last sequence number of that epoch.
    pub last_seq: u64,
    /// Whether that epoch ended in order.
    pub clean: bool,
    /// The last log, when it ends inside a record, and how long its valid beginning is.
    pub torn: Option<(u64, u64)>,
}

/// Iterator over the records of all state logs, oldest first, headers included, each with its epoch.
///
/// After an error it yields nothing more, and [`StateRecords::finish`] repeats the refusal: a damaged log never gives a tail to
/// continue from.
pub struct StateRecords {
    segments: std::vec::IntoIter<Segment>,
    open: Option<(u64, LogReader<Box<dyn Read + Send>>)>,
    tail: StateTail,
    /// The epoch whose log is known to have begun: the last one that must hold a record.
    begun: Option<u64>,
    failed: bool,
}

impl StateRecords {
    pub(crate) fn new(segments: Vec<Segment>, begun: Option<u64>) -> StateRecords {
        let tail = StateTail { chain: CHAIN_START, epoch: None, last_seq: 0, clean: true, torn: None };
        StateRecords { segments: segments.into_iter(), open: None, tail, begun, failed: false }
    }

    /// Starts at the newest log, of an epoch up to `epoch_max`, that begins with a whole checkpoint; at the oldest log when none
    /// does. Nothing may have been read yet.
    ///
    /// # Errors
    /// As the iterator, for the logs that were looked into.
    pub fn from_checkpoint(self, epoch_max: u64) -> Result<StateRecords, LogError> {
        let segments = self.segments.as_slice();
        let mut start = 0;
        for (index, segment) in segments.iter().enumerate().rev().filter(|(_, segment)| segment.epoch <= epoch_max) {
            if segment.begins_with_checkpoint()? {
                start = index;
                break;
            }
        }
        Ok(StateRecords::new(segments[start..].to_vec(), self.begun))
    }

    /// Reads the rest and says where a new epoch continues.
    ///
    /// # Errors
    /// [`LogError::Damaged`] when any log is, also if the iterator has already said so.
    pub fn finish(mut self) -> Result<StateTail, LogError> {
        if self.failed {
            return Err(LogError::Failed { why: "the state logs are damaged; see the first error".into() });
        }
        for record in &mut self {
            record?;
        }
        Ok(self.tail)
    }

    fn check_begun(&self) -> Result<(), LogError> {
        match self.begun {
            Some(epoch) if self.tail.epoch < Some(epoch) => {
                Err(LogError::damaged(&format!("the state log of epoch {epoch}"), 0, "it began and is missing or empty"))
            }
            _ => Ok(()),
        }
    }

    fn advance(&mut self) -> Result<Option<(u64, Record)>, LogError> {
        loop {
            if self.open.is_none() {
                let Some(segment) = self.segments.next() else { return self.check_begun().map(|()| None) };
                let first = self.tail.epoch.is_none();
                let previous = if first && segment.begins_with_checkpoint()? { None } else { Some(self.tail.chain) };
                self.open = Some((segment.epoch, segment.source.reader(previous)?));
            }
            let Some((epoch, reader)) = &mut self.open else { continue };
            let epoch = *epoch;
            if let Some(record) = reader.next_record()? {
                self.tail.chain = reader.chain().unwrap_or(CHAIN_START);
                self.tail.last_seq = match &record {
                    Record::Header(header) if header.kind != LogKind::State || header.epoch != epoch => {
                        return Err(LogError::damaged(reader.file(), 0, "its header is that of another log"));
                    }
                    Record::Header(_) => 0,
                    other => self.tail.last_seq.max(other.view().seq()),
                };
                self.tail.epoch = Some(epoch);
                self.tail.clean = matches!(record, Record::End { clean: true, .. });
                return Ok(Some((epoch, record)));
            }
            // A torn log that is not the last one was continued from its valid beginning: the next header proves it.
            self.tail.torn = match reader.outcome() {
                Some(ReadEnd::TornTail { valid_bytes }) => Some((epoch, valid_bytes)),
                _ => None,
            };
            self.open = None;
        }
    }
}

impl Iterator for StateRecords {
    type Item = Result<(u64, Record), LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.advance();
        self.failed = next.is_err();
        next.transpose()
    }
}
