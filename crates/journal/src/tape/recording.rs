//! One recording of one venue: its files, one behind the other, on one clock.
//!
//! The recorder's wall clock may step while it records, and its reading is a moment apart from that of the monotonic clock; so
//! only the first pair of stamps is used, and every later time is what the monotonic clock ran since. What the session saw is
//! told in the order in which it saw it, and times never go back: where events of two links were taken out of the order in which
//! they were read, the later one has the time of the one before.

use super::recorder::{FrameEntry, TapeHeader, TapeReader};
use super::{TapeEntry, TapeError, TapeKind};
use domain::MonoNanos;
use std::path::{Path, PathBuf};

/// Entries of a recording, in the order of its files and of each file.
pub struct Recording {
    files: std::vec::IntoIter<PathBuf>,
    reader: Option<TapeReader>,
    /// Unix nanoseconds at zero of the recorder's monotonic clock, by the first entry.
    zero: Option<i128>,
    /// Time of the last entry that was received.
    last: i64,
    torn: Option<PathBuf>,
    failed: bool,
}

impl Recording {
    /// Reads files of one recording, already [`in_order`].
    pub fn new(files: Vec<PathBuf>) -> Recording {
        Recording { files: files.into_iter(), reader: None, zero: None, last: i64::MIN, torn: None, failed: false }
    }

    /// The last file, when it ended inside a chunk; known once the iterator has ended.
    pub fn torn(&self) -> Option<&Path> {
        self.torn.as_deref()
    }

    fn advance(&mut self) -> Result<Option<TapeEntry>, TapeError> {
        loop {
            let Some(reader) = &mut self.reader else {
                let Some(file) = self.files.next() else { return Ok(None) };
                self.reader = Some(TapeReader::open(&file)?);
                continue;
            };
            if let Some(entry) = reader.next() {
                return Ok(Some(self.timed(entry?)));
            }
            if reader.is_torn() {
                // Only the last file can have been cut by the end of its recorder.
                if !self.files.as_slice().is_empty() {
                    return Err(reader.damaged("it ends inside a chunk although a later file of its recording is there"));
                }
                self.torn = Some(reader.path().into());
            }
            self.reader = None;
        }
    }

    fn timed(&mut self, entry: FrameEntry) -> TapeEntry {
        let received = i128::from(entry.received.0);
        let zero = *self.zero.get_or_insert(i128::from(entry.received_unix.0) - received);
        let at = i64::try_from(zero + received).unwrap_or(i64::MAX).max(self.last);
        let (kind, bytes) = entry.into_kind();
        // What was sent is stamped later than what waited to be seen meanwhile.
        if kind != TapeKind::Sent {
            self.last = at;
        }
        TapeEntry { received_unix_ns: at, kind, bytes }
    }
}

impl Iterator for Recording {
    type Item = Result<TapeEntry, TapeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.advance();
        self.failed = next.is_err();
        next.transpose()
    }
}

/// Files of our own recorder by recording, in the order in which they are given; those of one recording [`in_order`].
///
/// # Errors
/// As [`TapeReader::open`] and its iterator.
pub fn recordings(files: Vec<PathBuf>) -> Result<Vec<(TapeHeader, Vec<PathBuf>)>, TapeError> {
    let mut found: Vec<(TapeHeader, Vec<PathBuf>)> = Vec::new();
    for file in files {
        let header = TapeReader::open(&file)?.header().clone();
        match found.iter_mut().find(|(known, _)| known.is_of_one_recording(&header)) {
            Some((_, files)) => files.push(file),
            None => found.push((header, vec![file])),
        }
    }
    for (_, files) in &mut found {
        in_order(files)?;
    }
    Ok(found)
}

/// Brings files of one recording into their order, by the recorder's clock; one without an entry goes last.
///
/// # Errors
/// As [`TapeReader::open`] and its iterator.
pub fn in_order(files: &mut [PathBuf]) -> Result<(), TapeError> {
    if files.len() < 2 {
        return Ok(());
    }
    let begins = |file: &PathBuf| {
        let first = TapeReader::open(file)?.next().transpose()?;
        Ok((first.map_or(MonoNanos(u64::MAX), |entry| entry.received), file.clone()))
    };
    let mut begun = files.iter().map(begins).collect::<Result<Vec<_>, TapeError>>()?;
    begun.sort();
    files.iter_mut().zip(begun).for_each(|(file, (_, sorted))| *file = sorted);
    Ok(())
}

impl TapeHeader {
    /// Whether both stand in files of one recording: one venue's, of one process.
    pub fn is_of_one_recording(&self, other: &TapeHeader) -> bool {
        (&self.venue, &self.kind, self.started, &self.build) == (&other.venue, &other.kind, other.started, &other.build)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::{Direction, FrameLink, TapeFormat, TapeWriter, read_tape};
    use domain::{LinkRole, UnixNanos};
    use std::fs;

    const START: i64 = 1_700_000_000_000_000_000;

    fn writer(directory: &Path, started: i64) -> TapeWriter {
        let header = TapeHeader {
            venue: "gate-a".into(),
            kind: "gate".into(),
            host_class: "loopback".into(),
            tables: None,
            build: "test".into(),
            started: UnixNanos(started),
        };
        TapeWriter::create(directory, header).unwrap()
    }

    /// A frame read at a monotonic time, stamped with a wall time (after [`START`]).
    fn frame(received: u64, unix: i64, shard: u16, text: &str) -> FrameEntry {
        FrameEntry {
            received: MonoNanos(received),
            received_unix: UnixNanos(START + unix),
            direction: Direction::In,
            link: FrameLink::Ws { role: LinkRole::Public, shard },
            bytes: text.into(),
        }
    }

    fn shown(entries: impl IntoIterator<Item = TapeEntry>) -> Vec<(i64, String)> {
        let show = |entry: TapeEntry| (entry.received_unix_ns - START, String::from_utf8(entry.bytes).unwrap());
        entries.into_iter().map(show).collect()
    }

    #[test]
    fn a_clock_that_steps_back_moves_no_entry() {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = writer(directory.path(), START).with_file_bytes(1);
        // The clock steps back by 70 behind the second; each is a file of its own.
        for (received, unix, text) in [(1_000, 10, "a"), (1_005, 15, "b"), (1_009, -51, "c"), (1_030, -30, "d")] {
            writer.append(&frame(received, unix, 0, text)).unwrap();
            writer.flush().unwrap();
        }
        let mut files = writer.files().to_vec();
        writer.finish().unwrap();
        let times = [(10, "a"), (15, "b"), (19, "c"), (40, "d")].map(|(at, text)| (at, text.to_string()));
        assert_eq!(shown(read_tape(TapeFormat::Crossgate, directory.path()).unwrap()), times);
        // However its files are given.
        files.reverse();
        let found = recordings(files.clone()).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].1.len(), files.len());
        assert_eq!(shown(Recording::new(found[0].1.clone()).map(Result::unwrap)), times);
    }

    #[test]
    fn what_was_seen_first_stays_first_and_what_was_sent_delays_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = writer(directory.path(), START);
        let sent = FrameEntry { direction: Direction::Out, ..frame(1_009, 9, 0, "sent") };
        for entry in [frame(1_000, 0, 0, "a"), sent, frame(1_004, 4, 0, "b"), frame(1_002, 2, 1, "c"), frame(1_008, 8, 1, "d")] {
            writer.append(&entry).unwrap();
        }
        let path = writer.path().to_path_buf();
        writer.finish().unwrap();
        let expected = [(0, "a"), (9, "sent"), (4, "b"), (4, "c"), (8, "d")].map(|(at, text)| (at, text.to_string()));
        assert_eq!(shown(Recording::new(vec![path]).map(Result::unwrap)), expected);
    }

    #[test]
    fn recordings_are_told_apart_and_only_the_last_file_of_one_may_be_torn() {
        let directory = tempfile::tempdir().unwrap();
        let mut files = Vec::new();
        for started in [START, START + 5_000_000_000] {
            let mut writer = writer(directory.path(), started);
            for n in 0..2 {
                writer.append(&frame(7 + n, 0, 0, "x")).unwrap();
                writer.flush().unwrap();
                writer = writer.with_file_bytes(1);
            }
            files.push(writer.files().to_vec());
            writer.finish().unwrap();
        }
        let all = crate::tape::recorder::tape_files(directory.path()).unwrap();
        let found = recordings(all).unwrap();
        assert_eq!(found.iter().map(|(_, files)| files.len()).collect::<Vec<_>>(), [2, 2]);
        let cut = |file: &Path| {
            let bytes = fs::read(file).unwrap();
            fs::write(file, &bytes[..bytes.len() - 1]).unwrap();
        };
        let [before, last] = &found[0].1[..] else { panic!("two files") };
        cut(last.as_path());
        let mut recording = Recording::new(vec![before.clone(), last.clone()]);
        assert_eq!((&mut recording).filter(Result::is_ok).count(), 1);
        assert_eq!(recording.torn(), Some(last.as_path()), "a tear at the end is read up to there");
        cut(before.as_path());
        let mut recording = Recording::new(vec![before.clone(), last.clone()]);
        let Some(Err(error)) = recording.next() else { panic!("refused") };
        assert!(error.to_string().contains("although a later file of its recording is there"), "{error}");
        assert!(recording.next().is_none());
    }
}
