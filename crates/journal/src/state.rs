//! Writer of the state log.
//!
//! The engine's thread owns the [`StateWriter`]: appends gather, [`LogSink::flush`] is one `write()`, after which the records
//! survive the death of the process. A background thread owns the [`StateSyncer`]: it makes them survive power loss and keeps
//! disk space reserved ahead of the end, so that a filling disk is noticed while fills and cancels can still be written.
//!
//! A failed write or sync is final: what the disk holds is then unknown, and a repeated sync may report success for data that
//! is lost (F45). Both halves share the failure.

use crate::error::LogError;
use crate::files;
use crate::frame::Framer;
use crate::record::{Header, Record, RecordView};
use crate::sink::LogSink;
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Disk space kept reserved beyond the end of the state log, in bytes: room for thousands of fills on a full disk.
pub const RESERVE_BYTES: u64 = 4 << 20;

/// What a state log is written to. Implementors: [`File`], and the failing storage of the tests.
pub trait Storage: Send + Sync {
    /// Appends all of `bytes`, in one system call where the system lets it.
    ///
    /// # Errors
    /// Whatever the system says; how much was written is then unknown.
    fn write_all(&self, bytes: &[u8]) -> io::Result<()>;

    /// Returns once everything written is on the disk.
    ///
    /// # Errors
    /// Whatever the system says.
    fn sync(&self) -> io::Result<()>;

    /// Reserves disk space for `length` bytes from `offset` on without changing the file's length.
    ///
    /// # Errors
    /// Whatever the system says; writing goes on all the same.
    fn reserve(&self, offset: u64, length: u64) -> io::Result<()>;

    /// Gives back what is reserved behind `length`, the length of the file.
    ///
    /// # Errors
    /// Whatever the system says; it costs disk space and nothing else.
    fn release(&self, length: u64) -> io::Result<()>;
}

impl Storage for File {
    fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        files::write_all(self, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        files::attempt(|| self.sync_data())
    }

    fn reserve(&self, offset: u64, length: u64) -> io::Result<()> {
        let reserve = || Ok(rustix::fs::fallocate(self, rustix::fs::FallocateFlags::KEEP_SIZE, offset, length)?);
        match files::attempt(reserve) {
            // A file system without the call cannot promise space; it is no sign of a full disk.
            Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::OPNOTSUPP | Errno::NOSYS)) => Ok(()),
            other => other,
        }
    }

    fn release(&self, length: u64) -> io::Result<()> {
        files::attempt(|| self.set_len(length))
    }
}

/// What both halves and the ops thread know.
#[derive(Debug, Default)]
pub struct StateStatus {
    written_seq: AtomicU64,
    synced_seq: AtomicU64,
    written_bytes: AtomicU64,
    reserved_bytes: AtomicU64,
    disk_short: AtomicBool,
    failure: OnceLock<String>,
}

impl StateStatus {
    /// The last number whose record survives the death of the process.
    pub fn written_seq(&self) -> u64 {
        self.written_seq.load(Ordering::Acquire)
    }

    /// The last number whose record survives power loss.
    pub fn synced_seq(&self) -> u64 {
        self.synced_seq.load(Ordering::Acquire)
    }

    /// Length of the file.
    pub fn written_bytes(&self) -> u64 {
        self.written_bytes.load(Ordering::Acquire)
    }

    /// True when the disk has no room for the reserve: openings must stop while writing still works.
    pub fn is_disk_short(&self) -> bool {
        self.disk_short.load(Ordering::Acquire)
    }

    /// The first failure; there is no way back from it.
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    fn fail(&self, why: String) {
        // The first failure stays.
        let _ = self.failure.set(why);
    }

    fn check(&self) -> Result<(), LogError> {
        match self.failure.get() {
            None => Ok(()),
            Some(why) => Err(LogError::Failed { why: why.clone() }),
        }
    }
}

/// Writer of one epoch's state log.
pub struct StateWriter {
    storage: Arc<dyn Storage>,
    path: PathBuf,
    framer: Framer,
    gathered: Vec<u8>,
    gathered_seq: u64,
    status: Arc<StateStatus>,
}

impl StateWriter {
    /// Starts a log on empty `storage` with `header`, written and synced when this returns. `path` is named in errors.
    ///
    /// [`crate::RunDir::create_state`] is the way to start one in a run directory.
    ///
    /// # Errors
    /// [`LogError::Io`] when the header cannot be written and synced.
    pub fn start(storage: Arc<dyn Storage>, path: PathBuf, header: &Header) -> Result<StateWriter, LogError> {
        let mut writer = StateWriter {
            storage,
            path,
            framer: Framer::new(header.previous),
            gathered: Vec::with_capacity(1 << 18),
            gathered_seq: 0,
            status: Arc::default(),
        };
        writer.append_view(RecordView::Header(header))?;
        writer.flush()?;
        writer.syncer().sync()?;
        Ok(writer)
    }

    /// The half that syncs, for another thread. There may be several.
    pub fn syncer(&self) -> StateSyncer {
        StateSyncer { storage: Arc::clone(&self.storage), path: self.path.clone(), status: Arc::clone(&self.status) }
    }

    /// What is known about the log, shared with every half.
    pub fn status(&self) -> Arc<StateStatus> {
        Arc::clone(&self.status)
    }

    /// The last number whose record survives the death of the process.
    pub fn written_seq(&self) -> u64 {
        self.status.written_seq()
    }

    /// Writes [`Record::End`] and syncs.
    ///
    /// # Errors
    /// As [`LogSink::flush`].
    pub fn finish(mut self, seq: u64, clean: bool) -> Result<(), LogError> {
        self.append(&Record::End { seq, clean })?;
        self.flush()?;
        self.syncer().sync()?;
        // Only disk space is at stake here, and the next start tries again.
        let _ = self.storage.release(self.status.written_bytes());
        Ok(())
    }
}

impl LogSink for StateWriter {
    fn append_view(&mut self, record: RecordView<'_>) -> Result<(), LogError> {
        self.status.check()?;
        if let Err(error) = self.framer.push(&mut self.gathered, record) {
            // What cannot be logged must not happen: a record left out would make the log lie.
            self.status.fail(error.to_full_text());
            return Err(error);
        }
        self.gathered_seq = self.gathered_seq.max(record.seq());
        Ok(())
    }

    fn flush(&mut self) -> Result<(), LogError> {
        self.status.check()?;
        if self.gathered.is_empty() {
            return Ok(());
        }
        if let Err(source) = self.storage.write_all(&self.gathered) {
            let error = LogError::io("write", &self.path)(source);
            self.status.fail(error.to_full_text());
            return Err(error);
        }
        self.status.written_bytes.fetch_add(self.gathered.len() as u64, Ordering::AcqRel);
        self.gathered.clear();
        self.status.written_seq.store(self.gathered_seq, Ordering::Release);
        Ok(())
    }
}

/// The syncing half of a [`StateWriter`]. Call [`StateSyncer::sync`] at most every few milliseconds from a thread of its own.
pub struct StateSyncer {
    storage: Arc<dyn Storage>,
    path: PathBuf,
    status: Arc<StateStatus>,
}

impl StateSyncer {
    /// Makes everything written so far survive power loss, and tops up the reserve.
    ///
    /// # Errors
    /// [`LogError::Io`] when this sync fails, [`LogError::Failed`] after any failure of either half.
    pub fn sync(&self) -> Result<(), LogError> {
        self.status.check()?;
        let written_seq = self.status.written_seq();
        let written_bytes = self.status.written_bytes();
        if let Err(source) = self.storage.sync() {
            let error = LogError::io("sync", &self.path)(source);
            self.status.fail(error.to_full_text());
            return Err(error);
        }
        self.status.synced_seq.fetch_max(written_seq, Ordering::AcqRel);
        self.reserve(written_bytes);
        Ok(())
    }

    /// What is known about the log.
    pub fn status(&self) -> &Arc<StateStatus> {
        &self.status
    }

    fn reserve(&self, written_bytes: u64) {
        let reserved = self.status.reserved_bytes.load(Ordering::Acquire);
        if reserved >= written_bytes + RESERVE_BYTES / 2 && !self.status.is_disk_short() {
            return;
        }
        match self.storage.reserve(written_bytes, RESERVE_BYTES) {
            Ok(()) => {
                self.status.reserved_bytes.store(written_bytes + RESERVE_BYTES, Ordering::Release);
                self.status.disk_short.store(false, Ordering::Release);
            }
            Err(_) => self.status.disk_short.store(true, Ordering::Release),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{CHAIN_START, LogReader, ReadEnd};
    use crate::testing::{header, records};
    use std::sync::Mutex;

    /// Storage whose `fail_at`-th call fails (writes and syncs counted together), after writing half of the bytes.
    #[derive(Default)]
    struct FailingStorage {
        fail_at: u64,
        calls: AtomicU64,
        bytes: Mutex<Vec<u8>>,
        disk_full: AtomicBool,
    }

    impl FailingStorage {
        fn fails(&self) -> bool {
            self.calls.fetch_add(1, Ordering::Relaxed) + 1 == self.fail_at
        }
    }

    impl Storage for FailingStorage {
        fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
            let fails = self.fails();
            let kept = if fails { &bytes[..bytes.len() / 2] } else { bytes };
            self.bytes.lock().unwrap().extend_from_slice(kept);
            if fails { Err(io::Error::other("no space left")) } else { Ok(()) }
        }

        fn sync(&self) -> io::Result<()> {
            if self.fails() { Err(io::Error::other("input/output error")) } else { Ok(()) }
        }

        fn reserve(&self, _: u64, _: u64) -> io::Result<()> {
            if self.disk_full.load(Ordering::Relaxed) { Err(io::Error::other("no space left")) } else { Ok(()) }
        }

        fn release(&self, _: u64) -> io::Result<()> {
            Ok(())
        }
    }

    /// Writes and syncs after each record until something fails; returns how many records were reported as written.
    fn run(storage: &Arc<FailingStorage>) -> (u64, Option<StateWriter>) {
        let Ok(mut writer) = StateWriter::start(storage.clone(), "state".into(), &header(1, CHAIN_START)) else {
            return (0, None);
        };
        let syncer = writer.syncer();
        let mut written = 0;
        for record in records(20) {
            if writer.append(&record).and_then(|()| writer.flush()).is_err() {
                break;
            }
            written = writer.written_seq();
            if syncer.sync().is_err() {
                break;
            }
        }
        (written, Some(writer))
    }

    #[test]
    fn a_failed_writer_stays_failed_wherever_it_failed() {
        let sound = Arc::new(FailingStorage::default());
        assert_eq!(run(&sound).0, 20);
        let calls = sound.calls.load(Ordering::Relaxed);
        assert_eq!(calls, 2 + 40);
        for fail_at in 1..=calls {
            let storage = Arc::new(FailingStorage { fail_at, ..FailingStorage::default() });
            let (written, writer) = run(&storage);
            let length = storage.bytes.lock().unwrap().len();
            if let Some(mut writer) = writer {
                assert!(writer.status().failure().is_some(), "call {fail_at}");
                // The storage would work again, but the writer must not.
                for _ in 0..3 {
                    assert!(matches!(writer.append(&records(1)[0]), Err(LogError::Failed { .. })));
                    assert!(matches!(writer.flush(), Err(LogError::Failed { .. })));
                    assert!(matches!(writer.syncer().sync(), Err(LogError::Failed { .. })));
                }
                assert_eq!(writer.written_seq(), written);
            }
            let bytes = storage.bytes.lock().unwrap().clone();
            assert_eq!(bytes.len(), length, "nothing is written after a failure");
            let mut reader = LogReader::new(&bytes[..], "state", Some(CHAIN_START));
            let mut last = 0;
            while let Some(record) = reader.next_record().unwrap() {
                last = last.max(record.view().seq());
            }
            assert!(last >= written, "call {fail_at}: {written} were reported, {last} are there");
            assert!(last <= written + 1);
        }
    }

    #[test]
    fn a_full_disk_is_noticed_before_writing_fails() {
        let storage = Arc::new(FailingStorage::default());
        let mut writer = StateWriter::start(storage.clone(), "state".into(), &header(1, CHAIN_START)).unwrap();
        assert!(!writer.status().is_disk_short());
        storage.disk_full.store(true, Ordering::Relaxed);
        let text = "x".repeat(4000);
        let note = Record::Note { seq: 0, text };
        for _ in 0..RESERVE_BYTES / 2 / 4000 + 1 {
            writer.append(&note).unwrap();
        }
        writer.flush().unwrap();
        writer.syncer().sync().unwrap();
        assert!(writer.status().is_disk_short());
        storage.disk_full.store(false, Ordering::Relaxed);
        writer.syncer().sync().unwrap();
        assert!(!writer.status().is_disk_short());
    }

    #[test]
    fn a_record_that_is_too_large_fails_the_writer() {
        let storage = Arc::new(FailingStorage::default());
        let mut writer = StateWriter::start(storage.clone(), "state".into(), &header(1, CHAIN_START)).unwrap();
        let huge = Header { config: "x".repeat(crate::frame::RECORD_BYTES_MAX), ..header(1, CHAIN_START) };
        assert!(matches!(writer.append(&Record::Header(huge)), Err(LogError::TooLarge { .. })));
        assert!(matches!(writer.flush(), Err(LogError::Failed { .. })));
        let bytes = storage.bytes.lock().unwrap().clone();
        let mut reader = LogReader::new(&bytes[..], "state", Some(CHAIN_START));
        assert!(reader.read_header().unwrap().is_some());
        assert!(reader.next_record().unwrap().is_none());
        assert_eq!(reader.outcome(), Some(ReadEnd::Clean));
    }
}
