//! Both logs in memory, byte for byte as the files would be: for the virtual-time harness, which crashes, tears and reopens them.

use crate::error::LogError;
use crate::frame::{CHAIN_START, Framer};
use crate::record::{Header, LogKind, Record, RecordView};
use crate::recovery::{Segment, Source, StateRecords, StateTail};
use crate::replay::Replay;
use crate::sink::LogSink;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One log of one epoch, in memory.
#[derive(Clone, Debug)]
pub struct MemoryLog {
    kind: LogKind,
    epoch: u64,
    framer: Framer,
    written: Vec<u8>,
    gathered: Vec<u8>,
    gathered_seq: u64,
    written_seq: u64,
    synced_bytes: usize,
    fail_flush_in: Option<u64>,
    failure: Option<String>,
}

impl MemoryLog {
    /// Starts a log with `header`, written and synced.
    ///
    /// # Errors
    /// [`LogError::TooLarge`] for an absurd header.
    pub fn start(header: &Header) -> Result<MemoryLog, LogError> {
        let mut log = MemoryLog {
            kind: header.kind,
            epoch: header.epoch,
            framer: Framer::new(header.previous),
            written: Vec::new(),
            gathered: Vec::new(),
            gathered_seq: 0,
            written_seq: 0,
            synced_bytes: 0,
            fail_flush_in: None,
            failure: None,
        };
        log.append_view(RecordView::Header(header))?;
        log.flush()?;
        log.sync();
        Ok(log)
    }

    /// What a file would hold.
    pub fn bytes(&self) -> &[u8] {
        &self.written
    }

    /// The last number whose record survives the death of the process.
    pub const fn written_seq(&self) -> u64 {
        self.written_seq
    }

    /// Everything written survives power loss from here on.
    pub const fn sync(&mut self) {
        self.synced_bytes = self.written.len();
    }

    /// Lets the `count`-th flush from now (1 is the next) fail after half of its bytes, and the log with it.
    pub const fn fail_flush_in(&mut self, count: u64) {
        self.fail_flush_in = Some(count);
    }

    /// The first failure.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// The process dies: what was gathered is lost, except for the first `torn_bytes` of it, as if death came inside the
    /// write. The log takes nothing more.
    pub fn crash(&mut self, torn_bytes: usize) {
        let kept = torn_bytes.min(self.gathered.len());
        self.written.extend_from_slice(&self.gathered[..kept]);
        self.gathered.clear();
        self.failure.get_or_insert_with(|| "the process died".into());
    }

    /// The power fails: of what was written since the last sync only the first `kept_bytes` survive. The log takes nothing more.
    pub fn lose_power(&mut self, kept_bytes: usize) {
        self.gathered.clear();
        self.written.truncate(self.synced_bytes.saturating_add(kept_bytes));
        self.failure.get_or_insert_with(|| "the power failed".into());
    }

    /// Writes [`Record::End`].
    ///
    /// # Errors
    /// As [`LogSink::flush`].
    pub fn finish(&mut self, seq: u64, clean: bool) -> Result<(), LogError> {
        self.append(&Record::End { seq, clean })?;
        self.flush()?;
        self.sync();
        Ok(())
    }

    fn check(&self) -> Result<(), LogError> {
        match &self.failure {
            None => Ok(()),
            Some(why) => Err(LogError::Failed { why: why.clone() }),
        }
    }
}

impl LogSink for MemoryLog {
    fn append_view(&mut self, record: RecordView<'_>) -> Result<(), LogError> {
        self.check()?;
        if let Err(error) = self.framer.push(&mut self.gathered, record) {
            self.failure = Some(error.to_full_text());
            return Err(error);
        }
        self.gathered_seq = self.gathered_seq.max(record.seq());
        Ok(())
    }

    fn flush(&mut self) -> Result<(), LogError> {
        self.check()?;
        if self.gathered.is_empty() {
            return Ok(());
        }
        if let Some(count) = &mut self.fail_flush_in {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.crash(self.gathered.len() / 2);
                let why = String::from("a planted write error");
                self.failure = Some(why.clone());
                return Err(LogError::Failed { why });
            }
        }
        self.written.append(&mut self.gathered);
        self.written_seq = self.gathered_seq;
        Ok(())
    }
}

/// The logs of all epochs of one simulated engine: a run directory in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryRun {
    state: BTreeMap<u64, Arc<[u8]>>,
    market: BTreeMap<u64, Arc<[u8]>>,
}

impl MemoryRun {
    /// No epoch yet.
    pub fn new() -> MemoryRun {
        MemoryRun::default()
    }

    /// Starts both logs of a new epoch behind what recovery read; `header.kind` and `header.previous` are set here. A torn tail
    /// is cut off, as [`crate::RunDir::create_state`] does.
    ///
    /// # Errors
    /// [`LogError::TooLarge`] for an absurd header.
    pub fn begin(&mut self, header: &Header, tail: &StateTail) -> Result<(MemoryLog, MemoryLog), LogError> {
        if let Some((epoch, valid_bytes)) = tail.torn
            && let Some(bytes) = self.state.get_mut(&epoch)
        {
            let kept = bytes.len().min(usize::try_from(valid_bytes).unwrap_or(usize::MAX));
            *bytes = bytes[..kept].into();
        }
        let state = Header { kind: LogKind::State, previous: tail.chain, ..header.clone() };
        let market = Header { kind: LogKind::Market, previous: CHAIN_START, ..header.clone() };
        Ok((MemoryLog::start(&state)?, MemoryLog::start(&market)?))
    }

    /// Keeps what a log wrote, as its file would after the process is gone.
    pub fn store(&mut self, log: &MemoryLog) {
        let logs = match log.kind {
            LogKind::State => &mut self.state,
            LogKind::Market => &mut self.market,
        };
        logs.insert(log.epoch, log.bytes().into());
    }

    /// The bytes of an epoch's state log, as its file would be.
    pub fn state_bytes(&self, epoch: u64) -> Option<&[u8]> {
        self.state.get(&epoch).map(|bytes| &bytes[..])
    }

    /// The bytes of an epoch's market log, as its file would be.
    pub fn market_bytes(&self, epoch: u64) -> Option<&[u8]> {
        self.market.get(&epoch).map(|bytes| &bytes[..])
    }

    /// Exchanges the bytes of an epoch's state log for others: cut, damaged, or another's. `None` removes it.
    pub fn set_state_bytes(&mut self, epoch: u64, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.state.insert(epoch, bytes.into()),
            None => self.state.remove(&epoch),
        };
    }

    /// The same for its market log.
    pub fn set_market_bytes(&mut self, epoch: u64, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.market.insert(epoch, bytes.into()),
            None => self.market.remove(&epoch),
        };
    }

    /// Every epoch with a state log, oldest first.
    pub fn epochs(&self) -> impl Iterator<Item = u64> + '_ {
        self.state.keys().copied()
    }

    /// The last epoch with a log.
    pub fn last_epoch(&self) -> Option<u64> {
        self.state.keys().next_back().copied()
    }

    /// Every state record of every epoch, oldest first: what recovery folds.
    pub fn state_records(&self) -> StateRecords {
        let source =
            |epoch: &u64, bytes: &Arc<[u8]>| Source::Memory { name: format!("state log {epoch}"), bytes: Arc::clone(bytes) };
        StateRecords::new(
            self.state.iter().map(|(epoch, bytes)| Segment { epoch: *epoch, source: source(epoch, bytes) }).collect(),
            None,
        )
    }

    /// The batches of one epoch.
    ///
    /// # Errors
    /// As [`crate::RunFiles::replay_inputs`].
    pub fn replay_inputs(&self, epoch: u64) -> Result<Replay, LogError> {
        let source = |logs: &BTreeMap<u64, Arc<[u8]>>, what: &'static str| {
            let bytes = logs.get(&epoch).ok_or(LogError::NoSuchEpoch { what, epoch })?;
            Ok::<_, LogError>(Source::Memory { name: format!("{what} log {epoch}"), bytes: Arc::clone(bytes) })
        };
        Replay::new(epoch, &source(&self.state, "state")?, vec![source(&self.market, "market")?])
    }
}
