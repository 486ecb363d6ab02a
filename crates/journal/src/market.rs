//! Writer of the market log: never in the way of trading.
//!
//! The engine's thread encodes records into a buffer and hands full buffers to a background thread, which frames, chains,
//! writes and rotates. Buffers are a fixed number and travel in a circle, so nothing is allocated and nothing blocks. When no
//! buffer is free the disk is too slow: the log ends there with a note, the run is marked non-replayable from that point, and
//! trading goes on. The same when a write fails.
//!
//! All market files of a directory together stay below a cap: the oldest are removed, those of earlier runs first. A run whose own
//! beginning was removed goes on being written, and is no longer replayable from its start.

use crate::error::LogError;
use crate::frame::{Framer, RECORD_BYTES_MAX};
use crate::record::{Header, RecordView};
use crate::sink::LogSink;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

/// Bounds of a market log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarketConfig {
    /// A file that would grow past this many bytes is closed and the next one begun.
    pub rotate_bytes: u64,
    /// All market files of the directory, of every run, stay below this many bytes: the oldest are removed. Files are then rotated
    /// at a quarter of it at the latest.
    pub total_bytes_max: u64,
    /// Bytes after which a buffer is handed to the background thread.
    pub buffer_bytes: usize,
    /// Buffers in circulation; together with `buffer_bytes` the lag that is borne.
    pub buffers: usize,
}

impl Default for MarketConfig {
    fn default() -> MarketConfig {
        MarketConfig { rotate_bytes: 256 << 20, total_bytes_max: 16 << 30, buffer_bytes: 256 << 10, buffers: 64 }
    }
}

/// What is known about a market log.
#[derive(Debug, Default)]
pub struct MarketStatus {
    handed_seq: AtomicU64,
    written_seq: AtomicU64,
    written_bytes: AtomicU64,
    failure: OnceLock<String>,
    beginning_removed: AtomicBool,
}

impl MarketStatus {
    /// Whether every record handed over is, or will be, in the log.
    pub fn is_replayable(&self) -> bool {
        self.failure.get().is_none()
    }

    /// Whether files of this run were removed to stay below the cap: it is not replayable from its start.
    pub fn is_beginning_removed(&self) -> bool {
        self.beginning_removed.load(Ordering::Acquire)
    }

    /// Why the run is not replayable to its end.
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// Last number handed to the background thread.
    pub fn handed_seq(&self) -> u64 {
        self.handed_seq.load(Ordering::Acquire)
    }

    /// Last number written to the file; its distance to `handed_seq` is the lag in records.
    pub fn written_seq(&self) -> u64 {
        self.written_seq.load(Ordering::Acquire)
    }

    /// Bytes written in all files.
    pub fn written_bytes(&self) -> u64 {
        self.written_bytes.load(Ordering::Acquire)
    }

    fn fail(&self, why: String) {
        let _ = self.failure.set(why);
    }
}

enum Work {
    /// Encoded records, each with its length in front; the last number among them.
    Records { bytes: Vec<u8>, last_seq: u64 },
    /// The log ends.
    End { clean: bool, note: Option<&'static str>, last_seq: u64 },
}

/// Writer of one epoch's market log.
pub struct MarketWriter {
    current: Vec<u8>,
    last_seq: u64,
    buffer_bytes: usize,
    to_disk: SyncSender<Work>,
    free: Receiver<Vec<u8>>,
    status: Arc<MarketStatus>,
    thread: Option<JoinHandle<()>>,
    ended: bool,
}

impl MarketWriter {
    /// Starts a log in `directory`: creates its first file, writes the header and starts the background thread.
    ///
    /// # Errors
    /// [`LogError::Io`] when the first file cannot be made or the thread not started.
    pub fn start(directory: &Path, header: Header, config: MarketConfig) -> Result<MarketWriter, LogError> {
        let (mut writer, from_engine, give_back) = MarketWriter::without_thread(config);
        let mut file = MarketFile::create(directory, header, config, writer.status())?;
        let thread = std::thread::Builder::new()
            .name("market-log".into())
            .spawn(move || write_all_work(&mut file, &from_engine, &give_back))
            .map_err(LogError::io("start the writer thread of", directory))?;
        writer.thread = Some(thread);
        Ok(writer)
    }

    fn without_thread(config: MarketConfig) -> (MarketWriter, Receiver<Work>, SyncSender<Vec<u8>>) {
        let buffers = config.buffers.max(2);
        // Room for every buffer and for the end, so that handing over never waits.
        let (to_disk, from_engine) = sync_channel(buffers + 2);
        let (give_back, free) = sync_channel(buffers + 2);
        let room = config.buffer_bytes.saturating_add(64 << 10);
        for _ in 1..buffers {
            let _ = give_back.try_send(Vec::with_capacity(room));
        }
        let writer = MarketWriter {
            current: Vec::with_capacity(room),
            last_seq: 0,
            buffer_bytes: config.buffer_bytes,
            to_disk,
            free,
            status: Arc::default(),
            thread: None,
            ended: false,
        };
        (writer, from_engine, give_back)
    }

    /// What is known about the log.
    pub fn status(&self) -> Arc<MarketStatus> {
        Arc::clone(&self.status)
    }

    /// Writes everything and the end, waits for it and syncs; then says whether the run is replayable.
    pub fn finish(mut self, clean: bool) -> bool {
        self.end(clean);
        self.status.is_replayable()
    }

    fn end(&mut self, clean: bool) {
        if !self.ended {
            self.hand_over_rest();
            let _ = self.to_disk.try_send(Work::End { clean, note: None, last_seq: self.last_seq });
            self.ended = true;
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            self.status.fail("the writer thread of the market log died".into());
        }
    }

    /// Hands the current buffer over without taking a new one.
    fn hand_over_rest(&mut self) {
        let bytes = std::mem::take(&mut self.current);
        self.status.handed_seq.store(self.last_seq, Ordering::Release);
        if self.to_disk.try_send(Work::Records { bytes, last_seq: self.last_seq }).is_err() {
            self.status.fail("the writer thread of the market log is gone".into());
            self.ended = true;
        }
    }

    fn hand_over(&mut self) {
        let next = self.free.try_recv().ok();
        self.hand_over_rest();
        match next {
            Some(buffer) => self.current = buffer,
            None if !self.ended => {
                let note = "the market log fell behind: the run cannot be replayed beyond this record";
                self.end_unreplayable("the market log fell behind".into(), note);
            }
            None => {}
        }
    }
}

impl LogSink for MarketWriter {
    /// Never fails, and waits for the disk only at an end record; see [`MarketStatus::is_replayable`].
    fn append_view(&mut self, record: RecordView<'_>) -> Result<(), LogError> {
        if self.ended {
            return Ok(());
        }
        if let RecordView::End { seq, clean } = record {
            self.last_seq = self.last_seq.max(seq);
            self.end(clean);
            return Ok(());
        }
        let start = self.current.len();
        self.current.extend_from_slice(&[0; 4]);
        record.put(&mut self.current);
        let bytes = self.current.len() - start - 4;
        if bytes > RECORD_BYTES_MAX {
            self.current.truncate(start);
            self.hand_over_rest();
            let note = "a record was too large: the run cannot be replayed beyond this record";
            self.end_unreplayable(LogError::TooLarge { bytes }.to_string(), note);
            return Ok(());
        }
        self.current[start..start + 4].copy_from_slice(&(bytes as u32).to_le_bytes());
        self.last_seq = self.last_seq.max(record.seq());
        if self.current.len() >= self.buffer_bytes {
            self.hand_over();
        }
        Ok(())
    }

    /// Hands what is gathered to the background thread, if a buffer is free to go on with; does not wait for the disk.
    fn flush(&mut self) -> Result<(), LogError> {
        // Without a free buffer gathering goes on: only a full buffer that cannot be replaced means that the disk is too slow.
        if !self.ended
            && !self.current.is_empty()
            && let Ok(next) = self.free.try_recv()
        {
            self.hand_over_rest();
            self.current = next;
        }
        Ok(())
    }

    fn give_up(&mut self, why: &'static str) {
        if !self.ended {
            self.hand_over_rest();
            self.end_unreplayable(why.into(), why);
        }
    }
}

impl MarketWriter {
    fn end_unreplayable(&mut self, why: String, note: &'static str) {
        self.status.fail(why);
        let _ = self.to_disk.try_send(Work::End { clean: false, note: Some(note), last_seq: self.last_seq });
        self.ended = true;
    }
}

impl Drop for MarketWriter {
    /// Ends the log as unclean when [`MarketWriter::finish`] was not called.
    fn drop(&mut self) {
        self.end(false);
    }
}

fn write_all_work(file: &mut MarketFile, from_engine: &Receiver<Work>, give_back: &SyncSender<Vec<u8>>) {
    while let Ok(work) = from_engine.recv() {
        match work {
            Work::Records { mut bytes, last_seq } => {
                file.write_records(&bytes, last_seq);
                bytes.clear();
                let _ = give_back.try_send(bytes);
            }
            Work::End { clean, note, last_seq } => {
                file.end(clean, note, last_seq);
                return;
            }
        }
    }
}

/// The background thread's side: the open file. After a failure it takes everything and writes nothing.
struct MarketFile {
    directory: PathBuf,
    header: Header,
    config: MarketConfig,
    status: Arc<MarketStatus>,
    file: File,
    path: PathBuf,
    number: u32,
    file_bytes: u64,
    total_bytes: u64,
    framer: Framer,
    framed: Vec<u8>,
    /// No more records are taken: the disk failed or the limit is reached.
    closed: bool,
}

impl MarketFile {
    fn create(directory: &Path, header: Header, config: MarketConfig, status: Arc<MarketStatus>) -> Result<MarketFile, LogError> {
        let (path, file) = open_new(directory, header.epoch, 0)?;
        let mut this = MarketFile {
            directory: directory.into(),
            framer: Framer::new(header.previous),
            header,
            config,
            status,
            file,
            path,
            number: 0,
            file_bytes: 0,
            total_bytes: 0,
            framed: Vec::new(),
            closed: false,
        };
        this.push_header()?;
        this.write_framed()?;
        this.remove_oldest()?;
        Ok(this)
    }

    fn push_header(&mut self) -> Result<(), LogError> {
        self.header.previous = self.framer.chain();
        self.framer.push(&mut self.framed, RecordView::Header(&self.header))
    }

    fn write_framed(&mut self) -> Result<(), LogError> {
        self.file.write_all(&self.framed).map_err(LogError::io("write", &self.path))?;
        self.file_bytes += self.framed.len() as u64;
        self.total_bytes += self.framed.len() as u64;
        self.status.written_bytes.store(self.total_bytes, Ordering::Release);
        self.framed.clear();
        Ok(())
    }

    fn write_records(&mut self, bytes: &[u8], last_seq: u64) {
        if self.closed {
            return;
        }
        match self.try_write_records(bytes) {
            Ok(()) => self.status.written_seq.store(last_seq, Ordering::Release),
            Err(error) => {
                self.status.fail(error.to_full_text());
                self.closed = true;
            }
        }
    }

    fn try_write_records(&mut self, mut bytes: &[u8]) -> Result<(), LogError> {
        while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
            let Some((payload, rest)) = rest.split_at_checked(u32::from_le_bytes(*length) as usize) else { break };
            bytes = rest;
            let rotate_bytes = self.config.rotate_bytes.min(self.config.total_bytes_max / 4);
            if self.file_bytes + self.framed.len() as u64 >= rotate_bytes {
                self.rotate()?;
            }
            self.framer.push_encoded(&mut self.framed, payload)?;
        }
        self.write_framed()
    }

    fn rotate(&mut self) -> Result<(), LogError> {
        self.write_framed()?;
        self.file.sync_data().map_err(LogError::io("sync", &self.path))?;
        self.number += 1;
        (self.path, self.file) = open_new(&self.directory, self.header.epoch, self.number)?;
        self.file_bytes = 0;
        self.push_header()?;
        self.write_framed()?;
        self.remove_oldest()
    }

    /// Makes room below the cap for one more file as large as this one may become.
    fn remove_oldest(&self) -> Result<(), LogError> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(LogError::io("list", &self.directory))?.flatten() {
            let Some(place) = entry.file_name().to_str().and_then(epoch_and_number) else { continue };
            files.push((place, entry.metadata().map_or(0, |data| data.len())));
        }
        files.sort_unstable();
        let current = (self.header.epoch, self.number);
        let mut total: u64 = files.iter().filter(|(place, _)| *place != current).map(|(_, bytes)| bytes).sum();
        total += self.config.rotate_bytes.min(self.config.total_bytes_max / 4);
        for ((epoch, number), bytes) in files {
            if total <= self.config.total_bytes_max || (epoch, number) >= current {
                break;
            }
            let path = self.directory.join(market_file_name(epoch, number));
            fs::remove_file(&path).map_err(LogError::io("remove", &path))?;
            total -= bytes;
            if epoch == self.header.epoch {
                self.status.beginning_removed.store(true, Ordering::Release);
            }
        }
        Ok(())
    }

    fn end(&mut self, clean: bool, note: Option<&str>, seq: u64) {
        if self.closed {
            return;
        }
        self.closed = true;
        let note = match note {
            Some(text) => self.framer.push(&mut self.framed, RecordView::Note { seq, text }),
            None => Ok(()),
        };
        let ended = note
            .and_then(|()| self.framer.push(&mut self.framed, RecordView::End { seq, clean }))
            .and_then(|()| self.write_framed())
            .and_then(|()| self.file.sync_data().map_err(LogError::io("sync", &self.path)));
        if let Err(error) = ended {
            self.status.fail(error.to_full_text());
        }
    }
}

/// File name of a market log.
pub(crate) fn market_file_name(epoch: u64, number: u32) -> String {
    format!("market-{epoch:010}-{number:04}.log")
}

/// What [`market_file_name`] put into a name.
pub(crate) fn epoch_and_number(name: &str) -> Option<(u64, u32)> {
    let (epoch, number) = name.strip_prefix("market-")?.strip_suffix(".log")?.split_once('-')?;
    let digits = |text: &str, at_least| text.len() >= at_least && text.bytes().all(|b| b.is_ascii_digit());
    if digits(epoch, 10) && digits(number, 4) { Some((epoch.parse().ok()?, number.parse().ok()?)) } else { None }
}

fn open_new(directory: &Path, epoch: u64, number: u32) -> Result<(PathBuf, File), LogError> {
    let path = directory.join(market_file_name(epoch, number));
    let file = OpenOptions::new().append(true).create_new(true).open(&path).map_err(LogError::io("create", &path))?;
    Ok((path, file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{CHAIN_START, LogReader};
    use crate::record::{LogKind, Record};
    use crate::testing::header;
    use domain::{Input, MonoNanos};

    fn market_header() -> Header {
        Header { kind: LogKind::Market, ..header(9, CHAIN_START) }
    }

    fn append(writer: &mut MarketWriter, seq: u64) {
        writer.append_input(seq, MonoNanos(seq), &Input::LogWritten { seq }).unwrap();
    }

    /// Numbers of the inputs in each file, whether the log ended cleanly, and its last note.
    fn read(directory: &Path) -> (Vec<Vec<u64>>, Option<bool>, Option<String>) {
        let (mut files, mut clean, mut note) = (Vec::new(), None, None);
        let mut chain = CHAIN_START;
        loop {
            let path = directory.join(market_file_name(9, files.len() as u32));
            let Ok(file) = File::open(&path) else { return (files, clean, note) };
            let mut reader = LogReader::new(file, "market", Some(chain));
            let mut found = Vec::new();
            while let Some(record) = reader.next_record().unwrap() {
                match record {
                    Record::Input { seq, .. } => found.push(seq),
                    Record::End { clean: as_wanted, .. } => clean = Some(as_wanted),
                    Record::Note { text, .. } => note = Some(text),
                    _ => {}
                }
            }
            chain = reader.chain().unwrap();
            files.push(found);
        }
    }

    #[test]
    fn files_rotate_and_the_chain_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let config = MarketConfig { rotate_bytes: 2_000, buffer_bytes: 300, ..MarketConfig::default() };
        let mut writer = MarketWriter::start(directory.path(), market_header(), config).unwrap();
        // Fewer bytes than the buffers in circulation hold, each time awaited, so that the disk cannot fall behind.
        for first in (1..=1_000).step_by(100) {
            (first..first + 100).for_each(|seq| append(&mut writer, seq));
            writer.flush().unwrap();
            while writer.status().written_seq() < first + 99 {
                std::thread::yield_now();
            }
        }
        let status = writer.status();
        assert!(writer.finish(true));
        let (files, clean, note) = read(directory.path());
        assert!(files.len() > 5, "{} files", files.len());
        assert_eq!(files.concat(), (1..=1_000).collect::<Vec<_>>());
        assert_eq!((clean, note), (Some(true), None));
        assert_eq!((status.handed_seq(), status.written_seq()), (1_000, 1_000));
        let on_disk: u64 = fs_bytes(directory.path());
        assert!(status.written_bytes() <= on_disk);
    }

    fn fs_bytes(directory: &Path) -> u64 {
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
    }

    #[test]
    fn a_slow_disk_ends_the_log_and_never_blocks() {
        let directory = tempfile::tempdir().unwrap();
        let config = MarketConfig { buffer_bytes: 100, buffers: 4, ..MarketConfig::default() };
        let (mut writer, from_engine, give_back) = MarketWriter::without_thread(config);
        let status = writer.status();
        // Nobody takes anything from the queue: an append that waited would hang this test.
        for seq in 1..=1_000 {
            append(&mut writer, seq);
            writer.flush().unwrap();
        }
        assert!(!status.is_replayable());
        assert_eq!(status.failure(), Some("the market log fell behind"));
        let mut file = MarketFile::create(directory.path(), market_header(), config, Arc::clone(&status)).unwrap();
        write_all_work(&mut file, &from_engine, &give_back);
        assert!(!writer.finish(true));
        let (files, clean, note) = read(directory.path());
        assert_eq!(
            files.concat(),
            [1, 2, 3, 4, 5, 6, 7],
            "three flushed buffers and a full one: what was handed over is there, in order"
        );
        assert_eq!(clean, Some(false));
        assert!(note.unwrap().contains("fell behind"));
    }

    #[test]
    fn a_failing_disk_ends_the_log_and_never_fails_the_engine() {
        let directory = tempfile::tempdir().unwrap();
        // The second file cannot be made.
        std::fs::write(directory.path().join(market_file_name(9, 1)), "in the way").unwrap();
        let config = MarketConfig { rotate_bytes: 500, buffer_bytes: 100, ..MarketConfig::default() };
        let mut writer = MarketWriter::start(directory.path(), market_header(), config).unwrap();
        for seq in 1..=200 {
            append(&mut writer, seq);
        }
        let status = writer.status();
        assert!(!writer.finish(true));
        assert!(status.failure().unwrap().contains("cannot create"), "{:?}", status.failure());
    }

    #[test]
    fn the_cap_removes_the_oldest_files_of_earlier_runs_first() {
        let directory = tempfile::tempdir().unwrap();
        let config = MarketConfig { total_bytes_max: 8_000, buffer_bytes: 100, buffers: 4_096, ..MarketConfig::default() };
        let run = |epoch: u64, records: u64| {
            let header = Header { epoch, ..market_header() };
            let mut writer = MarketWriter::start(directory.path(), header, config).unwrap();
            (1..=records).for_each(|seq| append(&mut writer, seq));
            let status = writer.status();
            assert!(writer.finish(true), "the log goes on: {:?}", status.failure());
            assert!(fs_bytes(directory.path()) <= 8_000, "{} bytes", fs_bytes(directory.path()));
            status.is_beginning_removed()
        };
        let exists = |epoch, number| directory.path().join(market_file_name(epoch, number)).exists();
        assert!(!run(9, 60));
        assert!(exists(9, 0) && exists(9, 1));
        std::fs::write(directory.path().join("state-0000000009.log"), [0; 10]).unwrap();
        assert!(!run(10, 120), "the run before makes room");
        assert!(!exists(9, 0) && exists(10, 0));
        assert!(run(11, 2_000));
        assert!(!exists(10, 0) && !exists(11, 0), "then this run itself");
        assert!(directory.path().join("state-0000000009.log").exists(), "only market files are removed");
    }

    #[test]
    fn a_dropped_writer_ends_uncleanly_with_everything_written() {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = MarketWriter::start(directory.path(), market_header(), MarketConfig::default()).unwrap();
        append(&mut writer, 1);
        drop(writer);
        assert_eq!(read(directory.path()), (vec![vec![1]], Some(false), None));
    }
}
