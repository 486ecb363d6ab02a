//! The run directory: everything an engine keeps, and the lock that makes it the only one.
//!
//! ```text
//! lock                          held while an engine lives; text: process and epoch
//! epoch                         last epoch claimed, and whether its state log began; fsynced before use
//! latch                         see Latch
//! state-<epoch>.log             one per epoch; each continues the chain of the one before
//! market-<epoch>-<number>.log   rotated by size
//! ```
//! Start at [`RunDir::open`] to run an engine: `state_records` → fold → `finish` → `next_epoch` → `create_state`. Start at
//! [`RunFiles`] to read a directory that somebody else may be writing.

use crate::error::LogError;
use crate::files::{attempt, replace_file, sync_directory, truncate_tail, write_all};
use crate::frame::CHAIN_START;
use crate::latch::Latch;
use crate::lock_watch::LockWatch;
use crate::market::{MarketConfig, MarketWriter, epoch_and_number, market_file_name};
use crate::record::{Header, LogKind};
use crate::recovery::{Segment, Source, StateRecords, StateTail};
use crate::replay::Replay;
use crate::state::StateWriter;
use domain::ids::EPOCH_LIMIT;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The files of a run directory, for reading only and without the lock.
#[derive(Clone, Debug)]
pub struct RunFiles {
    path: PathBuf,
}

impl RunFiles {
    /// The run directory at `path`.
    pub fn new(path: impl Into<PathBuf>) -> RunFiles {
        RunFiles { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The latch.
    pub fn latch(&self) -> Latch {
        Latch::of(&self.path)
    }

    /// Every epoch with a state log, oldest first.
    ///
    /// # Errors
    /// [`LogError::Io`] when the directory cannot be read.
    pub fn epochs(&self) -> Result<Vec<u64>, LogError> {
        let mut epochs: Vec<u64> = self.names()?.iter().filter_map(|name| epoch_of_state_file(name)).collect();
        epochs.sort_unstable();
        Ok(epochs)
    }

    /// Every state record of every epoch that is there, oldest first.
    ///
    /// # Errors
    /// [`LogError::Io`] when the directory cannot be read; [`LogError::Inconsistent`] when the file `epoch` is garbled. The iterator
    /// itself refuses damaged logs, and a newest log that began and is gone.
    pub fn state_records(&self) -> Result<StateRecords, LogError> {
        let begun = self.claim()?.filter(|claim| claim.begun).map(|claim| claim.epoch);
        let segment = |epoch| Segment { epoch, source: Source::File(self.state_path(epoch)) };
        Ok(StateRecords::new(self.epochs()?.into_iter().map(segment).collect(), begun))
    }

    /// The batches of one epoch, put together from both logs.
    ///
    /// # Errors
    /// [`LogError::NoSuchEpoch`] when a log is missing; [`LogError::Damaged`] when one cannot be trusted, here or from the iterator.
    pub fn replay_inputs(&self, epoch: u64) -> Result<Replay, LogError> {
        let state = self.state_path(epoch);
        if !state.exists() {
            return Err(LogError::NoSuchEpoch { what: "state", epoch });
        }
        let names = self.names()?;
        let mut numbers: Vec<u32> = names.iter().filter_map(|name| number_of_market_file(name, epoch)).collect();
        numbers.sort_unstable();
        if numbers.first().is_some_and(|first| *first > 0) {
            return Err(LogError::BeginningRemoved { epoch });
        }
        // A missing file shows as a break in the chain.
        let market = numbers.into_iter().map(|number| Source::File(self.path.join(market_file_name(epoch, number))));
        Replay::new(epoch, &Source::File(state), market.collect())
    }

    /// Length of everything in the directory, in bytes.
    ///
    /// # Errors
    /// [`LogError::Io`] when it cannot be read.
    pub fn total_bytes(&self) -> Result<u64, LogError> {
        let mut total = 0;
        for name in self.names()? {
            total += fs::metadata(self.path.join(&name)).map_or(0, |data| data.len());
        }
        Ok(total)
    }

    fn names(&self) -> Result<Vec<String>, LogError> {
        let entries = attempt(|| fs::read_dir(&self.path)).map_err(LogError::io("list", &self.path))?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(LogError::io("list", &self.path))?;
            names.extend(entry.file_name().into_string());
        }
        Ok(names)
    }

    fn state_path(&self, epoch: u64) -> PathBuf {
        self.path.join(format!("state-{epoch:010}.log"))
    }

    /// The last epoch claimed, by the file `epoch`.
    pub(crate) fn claimed_epoch(&self) -> Result<Option<u64>, LogError> {
        Ok(self.claim()?.map(|claim| claim.epoch))
    }

    fn claim(&self) -> Result<Option<Claim>, LogError> {
        let path = self.path.join("epoch");
        match attempt(|| fs::read_to_string(&path)) {
            Ok(text) => match Claim::parse(&text) {
                Some(claim) => Ok(Some(claim)),
                None => Err(self.inconsistent("the file `epoch` holds no epoch".into())),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(LogError::io("read", &path)(error)),
        }
    }

    fn inconsistent(&self, why: String) -> LogError {
        LogError::Inconsistent { path: self.path.clone(), why }
    }
}

/// The content of the file `epoch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Claim {
    epoch: u64,
    begun: bool,
}

impl Claim {
    fn parse(text: &str) -> Option<Claim> {
        let (epoch, begun) = text.strip_suffix('\n')?.split_once(' ')?;
        let begun = match begun {
            "begun" => true,
            "claimed" => false,
            _ => return None,
        };
        Some(Claim { epoch: epoch.parse().ok()?, begun })
    }

    fn to_text(self) -> String {
        format!("{} {}\n", self.epoch, if self.begun { "begun" } else { "claimed" })
    }
}

fn remove(path: &Path) -> Result<(), LogError> {
    attempt(|| fs::remove_file(path)).map_err(LogError::io("remove", path))
}

fn epoch_of_state_file(name: &str) -> Option<u64> {
    digits(name.strip_prefix("state-")?.strip_suffix(".log")?, 10)
}

fn number_of_market_file(name: &str, epoch: u64) -> Option<u32> {
    epoch_and_number(name).filter(|(of, _)| *of == epoch).map(|(_, number)| number)
}

fn digits(text: &str, at_least: usize) -> Option<u64> {
    if text.len() < at_least || !text.bytes().all(|b| b.is_ascii_digit()) { None } else { text.parse().ok() }
}

/// A run directory that this process holds alone.
#[derive(Debug)]
pub struct RunDir {
    files: RunFiles,
    lock: File,
    last_epoch: Option<u64>,
}

impl RunDir {
    /// Creates the directory if needed, locks it and finds the last epoch. Dropping it, or the end of the process, unlocks.
    ///
    /// # Errors
    /// [`LogError::Locked`] when another process holds it; [`LogError::Io`]; [`LogError::Inconsistent`] when the file `epoch` is garbled.
    pub fn open(path: &Path) -> Result<RunDir, LogError> {
        attempt(|| fs::create_dir_all(path)).map_err(LogError::io("create", path))?;
        let files = RunFiles::new(path);
        let lock_path = path.join("lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut lock = attempt(|| options.open(&lock_path)).map_err(LogError::io("open", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = (&mut lock).take(200).read_to_string(&mut holder);
                return Err(LogError::Locked { path: path.into(), holder: holder.trim().into() });
            }
            Err(TryLockError::Error(error)) => return Err(LogError::io("lock", &lock_path)(error)),
        }
        let claimed = files.claim()?.map(|claim| claim.epoch);
        let last_epoch = claimed.max(files.epochs()?.last().copied());
        let mut this = RunDir { files, lock, last_epoch };
        this.write_lock_text("no epoch yet")?;
        Ok(this)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.files.path()
    }

    /// The files, for reading.
    pub const fn files(&self) -> &RunFiles {
        &self.files
    }

    /// The latch.
    pub fn latch(&self) -> Latch {
        self.files.latch()
    }

    /// What tells whether the lock is still this process's: to be asked again while an engine runs. To be made after the epoch was
    /// claimed.
    ///
    /// # Errors
    /// [`LogError::Io`] when the lock file can't be looked at.
    pub fn lock_watch(&self) -> Result<LockWatch, LogError> {
        LockWatch::new(self.path(), &self.lock, self.last_epoch)
    }

    /// The last epoch that was claimed, by this or an earlier process.
    pub const fn last_epoch(&self) -> Option<u64> {
        self.last_epoch
    }

    /// As [`RunFiles::state_records`].
    ///
    /// # Errors
    /// As there.
    pub fn state_records(&self) -> Result<StateRecords, LogError> {
        self.files.state_records()
    }

    /// As [`RunFiles::replay_inputs`].
    ///
    /// # Errors
    /// As there.
    pub fn replay_inputs(&self, epoch: u64) -> Result<Replay, LogError> {
        self.files.replay_inputs(epoch)
    }

    /// Claims a new epoch: max(last + 1, `unix_seconds`), durable before it is returned, so that no id is ever used twice.
    ///
    /// # Errors
    /// [`LogError::Io`]; [`LogError::Inconsistent`] when epochs have run out of their seven characters.
    pub fn next_epoch(&mut self, unix_seconds: u64) -> Result<u64, LogError> {
        let epoch = self.last_epoch.map_or(0, |last| last.saturating_add(1)).max(unix_seconds);
        if epoch >= EPOCH_LIMIT {
            return Err(self.files.inconsistent(format!("epoch {epoch} does not fit client order ids")));
        }
        replace_file(&self.path().join("epoch"), &Claim { epoch, begun: false }.to_text())?;
        self.last_epoch = Some(epoch);
        self.write_lock_text(&format!("epoch {epoch}"))?;
        Ok(epoch)
    }

    /// Starts the state log of the epoch claimed last, behind what recovery read. A torn tail is cut off first. Sets the
    /// header's `kind`, `epoch` and `previous`.
    ///
    /// # Errors
    /// [`LogError::Io`]; [`LogError::Inconsistent`] when no epoch was claimed or `tail` is not that of this directory.
    pub fn create_state(&mut self, header: &Header, tail: &StateTail) -> Result<StateWriter, LogError> {
        let Some(epoch) = self.last_epoch else { return Err(self.files.inconsistent("no epoch was claimed".into())) };
        if tail.epoch.is_some_and(|last| last >= epoch) {
            return Err(self.files.inconsistent(format!("epoch {epoch} is not new")));
        }
        if let Some((torn_epoch, valid_bytes)) = tail.torn {
            let torn = self.files.state_path(torn_epoch);
            if valid_bytes == 0 {
                attempt(|| fs::remove_file(&torn)).map_err(LogError::io("remove", &torn))?;
            } else {
                truncate_tail(&torn, valid_bytes)?;
            }
        }
        if let Some(last) = tail.epoch {
            // A killed run left its reserve of disk space behind the end of its log: setting the length gives it back.
            let log = self.files.state_path(last);
            let length = attempt(|| fs::metadata(&log)).map_err(LogError::io("read", &log))?.len();
            truncate_tail(&log, length)?;
        }
        let path = self.files.state_path(epoch);
        let create = || OpenOptions::new().append(true).create_new(true).open(&path);
        let file = attempt(create).map_err(LogError::io("create", &path))?;
        let header = Header { kind: LogKind::State, epoch, previous: tail.chain, ..header.clone() };
        let writer = StateWriter::start(Arc::new(file), path.clone(), &header)?;
        sync_directory(&path)?;
        replace_file(&self.path().join("epoch"), &Claim { epoch, begun: true }.to_text())?;
        Ok(writer)
    }

    /// Starts the market log of the epoch claimed last. Sets the header's `kind`, `epoch` and `previous`.
    ///
    /// # Errors
    /// [`LogError::Io`]; [`LogError::Inconsistent`] when no epoch was claimed.
    pub fn create_market(&self, header: &Header, config: MarketConfig) -> Result<MarketWriter, LogError> {
        let Some(epoch) = self.last_epoch else { return Err(self.files.inconsistent("no epoch was claimed".into())) };
        let header = Header { kind: LogKind::Market, epoch, previous: CHAIN_START, ..header.clone() };
        MarketWriter::start(self.path(), header, config)
    }

    /// Removes the logs of all but the newest `kept` epochs (at least the one claimed last), oldest first. Only when the log of
    /// the epoch claimed last begins with a whole checkpoint: recovery needs nothing older then, and the chain is verified from
    /// there on. Returns the epochs that are gone.
    ///
    /// Call it once that checkpoint is synced.
    ///
    /// # Errors
    /// [`LogError::Io`]; what was not removed is removed by the next call.
    pub fn remove_old_epochs(&self, kept: usize) -> Result<Vec<u64>, LogError> {
        let Some(epoch) = self.last_epoch else { return Ok(Vec::new()) };
        let current = Segment { epoch, source: Source::File(self.files.state_path(epoch)) };
        let epochs = self.files.epochs()?;
        if !epochs.contains(&epoch) || !current.begins_with_checkpoint()? {
            return Ok(Vec::new());
        }
        let surplus = epochs.len().saturating_sub(kept.max(1));
        let removed: Vec<u64> = epochs.into_iter().take(surplus).filter(|old| *old < epoch).collect();
        let names = self.files.names()?;
        for old in &removed {
            // Its market log is of no use without its state log, and goes first: no file is left that nothing names.
            for number in names.iter().filter_map(|name| number_of_market_file(name, *old)) {
                remove(&self.path().join(market_file_name(*old, number)))?;
            }
            remove(&self.files.state_path(*old))?;
        }
        if !removed.is_empty() {
            sync_directory(&self.files.state_path(epoch))?;
        }
        Ok(removed)
    }

    fn write_lock_text(&mut self, epoch: &str) -> Result<(), LogError> {
        let path = self.files.path.join("lock");
        let text = format!("process {}, {epoch}\n", std::process::id());
        let mut write = || {
            attempt(|| self.lock.set_len(0))?;
            attempt(|| self.lock.rewind())?;
            write_all(&self.lock, text.as_bytes())
        };
        write().map_err(LogError::io("write", &path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Record;
    use crate::sink::LogSink;
    use crate::testing::{header, records};

    /// One run: recovers, claims an epoch, writes `count` records and ends, cleanly or as killed. Returns the epoch.
    fn run(path: &Path, unix_seconds: u64, count: u64, clean: bool) -> u64 {
        let mut directory = RunDir::open(path).unwrap();
        let tail = directory.state_records().unwrap().finish().unwrap();
        let epoch = directory.next_epoch(unix_seconds).unwrap();
        let mut writer = directory.create_state(&header(0, [1; 32]), &tail).unwrap();
        for record in records(count) {
            writer.append(&record).unwrap();
        }
        writer.flush().unwrap();
        if clean {
            writer.finish(count, true).unwrap();
        }
        epoch
    }

    fn inputs(path: &Path) -> Result<Vec<(u64, u64)>, LogError> {
        let mut found = Vec::new();
        for record in RunFiles::new(path).state_records()? {
            let (epoch, record) = record?;
            if !matches!(record, Record::Header(_) | Record::End { .. }) {
                found.push((epoch, record.view().seq()));
            }
        }
        Ok(found)
    }

    #[test]
    fn the_lock_is_exclusive_and_ends_with_its_holder() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a/b");
        let first = RunDir::open(&path).unwrap();
        match RunDir::open(&path) {
            Err(LogError::Locked { holder, .. }) => assert!(holder.contains(&std::process::id().to_string()), "{holder}"),
            other => panic!("two holders: {other:?}"),
        }
        drop(first);
        RunDir::open(&path).unwrap();
    }

    #[test]
    fn epochs_only_grow_even_when_the_clock_goes_back() {
        let place = tempfile::tempdir().unwrap();
        assert_eq!(run(place.path(), 1_000, 1, true), 1_000);
        assert_eq!(run(place.path(), 1_000, 1, true), 1_001);
        assert_eq!(run(place.path(), 5, 1, true), 1_002);
        // Claimed and never begun: a crash came in between. The number is used up all the same.
        assert_eq!(RunDir::open(place.path()).unwrap().next_epoch(0).unwrap(), 1_003);
        assert_eq!(run(place.path(), 0, 1, true), 1_004);
        std::fs::write(place.path().join("epoch"), "100x").unwrap();
        assert!(matches!(RunDir::open(place.path()), Err(LogError::Inconsistent { .. })));
        std::fs::write(place.path().join("epoch"), format!("{} claimed\n", EPOCH_LIMIT - 1)).unwrap();
        assert!(RunDir::open(place.path()).unwrap().next_epoch(0).is_err());
    }

    #[test]
    fn recovery_reads_all_epochs_across_torn_tails() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path();
        run(path, 1, 5, true);
        run(path, 2, 7, false);
        let second = RunFiles::new(path).state_path(2);
        let whole = std::fs::metadata(&second).unwrap().len();
        truncate_tail(&second, whole - 3).unwrap();
        let directory = RunDir::open(path).unwrap();
        let tail = directory.state_records().unwrap().finish().unwrap();
        assert_eq!((tail.epoch, tail.last_seq, tail.clean), (Some(2), 6, false));
        let (torn_epoch, valid_bytes) = tail.torn.unwrap();
        assert!(torn_epoch == 2 && valid_bytes < whole - 3);
        drop(directory);
        run(path, 3, 2, true);
        assert_eq!(std::fs::metadata(&second).unwrap().len(), valid_bytes);
        let expected = (1..=5).map(|n| (1, n)).chain((1..=6).map(|n| (2, n))).chain((1..=2).map(|n| (3, n)));
        assert_eq!(inputs(path).unwrap(), expected.collect::<Vec<_>>());
        let tail = RunFiles::new(path).state_records().unwrap().finish().unwrap();
        assert_eq!((tail.epoch, tail.last_seq, tail.clean, tail.torn), (Some(3), 2, true, None));
    }

    #[test]
    fn a_crash_inside_recovery_changes_nothing() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path();
        run(path, 1, 5, false);
        let log = RunFiles::new(path).state_path(1);
        truncate_tail(&log, std::fs::metadata(&log).unwrap().len() - 1).unwrap();
        // Killed after the claim, and after a torn header of the next log.
        let epoch = RunDir::open(path).unwrap().next_epoch(2).unwrap();
        assert_eq!(inputs(path).unwrap().len(), 4);
        std::fs::write(RunFiles::new(path).state_path(epoch), [9, 0, 0]).unwrap();
        assert_eq!(inputs(path).unwrap().len(), 4);
        run(path, 3, 1, true);
        assert_eq!(inputs(path).unwrap(), [(1, 1), (1, 2), (1, 3), (1, 4), (3, 1)]);
    }

    #[test]
    fn a_missing_or_exchanged_log_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path();
        (1..=3).for_each(|n| assert_eq!(run(path, n, 4, true), n));
        let aside = path.join("aside");
        for epoch in 1..=3 {
            let log = RunFiles::new(path).state_path(epoch);
            std::fs::rename(&log, &aside).unwrap();
            assert!(inputs(path).is_err(), "epoch {epoch} is missing");
            let all = RunFiles::new(path).state_records();
            assert!(all.and_then(StateRecords::finish).is_err());
            std::fs::write(&log, b"").unwrap();
            assert!(inputs(path).is_err(), "epoch {epoch} is empty");
            std::fs::rename(&aside, &log).unwrap();
        }
        assert_eq!(inputs(path).unwrap().len(), 12);
        let (first, second) = (RunFiles::new(path).state_path(1), RunFiles::new(path).state_path(2));
        std::fs::rename(&first, &aside).unwrap();
        std::fs::rename(&second, &first).unwrap();
        std::fs::rename(&aside, &second).unwrap();
        assert!(inputs(path).is_err());
    }

    #[test]
    fn damage_is_refused_again_by_finish() {
        let place = tempfile::tempdir().unwrap();
        run(place.path(), 1, 9, true);
        let log = RunFiles::new(place.path()).state_path(1);
        let mut bytes = std::fs::read(&log).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&log, bytes).unwrap();
        let mut records = RunFiles::new(place.path()).state_records().unwrap();
        assert!(records.any(|record| record.is_err()));
        assert!(records.next().is_none());
        assert!(records.finish().is_err());
        assert!(RunFiles::new(place.path()).state_records().unwrap().finish().is_err());
    }

    #[test]
    fn a_stale_tail_cannot_start_a_log() {
        let place = tempfile::tempdir().unwrap();
        run(place.path(), 1, 1, true);
        let mut directory = RunDir::open(place.path()).unwrap();
        let tail = directory.state_records().unwrap().finish().unwrap();
        assert!(directory.create_state(&header(0, [0; 32]), &tail).is_err(), "no epoch was claimed since");
        directory.next_epoch(2).unwrap();
        drop(directory.create_state(&header(0, [0; 32]), &tail).unwrap());
        assert!(directory.create_state(&header(0, [0; 32]), &tail).is_err(), "one log for one epoch");
    }
}
