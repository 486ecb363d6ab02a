//! A log in memory that the harness can look into while the node writes it: what is in it by when, and how it dies.

use domain::{ClientOrderId, Fill, Input, NewOrder, OrderReport, PairId, Qty, VenueId};
use journal::{LogError, LogSink, MemoryLog, RecordView};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the judges want to know of the state log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Logged {
    /// An order was decided.
    Intent(NewOrder),
    /// A fill was told, by the stream or a list.
    Fill(Fill),
    /// How much of an order has been executed was told.
    Executed(ClientOrderId, Qty),
}

#[derive(Debug)]
struct Inner {
    log: MemoryLog,
    gathered: Vec<Logged>,
    flushed: Vec<Logged>,
    /// Books that got something since the last call.
    touched: BTreeSet<(VenueId, PairId)>,
    /// The next write of an intent kills the process; this many of its bytes survive.
    dies_at_intent: Option<usize>,
    dead: bool,
}

/// A shared handle: the node writes through it, the harness reads through it.
#[derive(Clone, Debug)]
pub struct LogTap {
    inner: Arc<Mutex<Inner>>,
    /// The market log dies with the state log.
    dies_with: Option<Arc<Mutex<Inner>>>,
}

fn lock(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    // Only a panic of the run itself poisons it, and the run is over then.
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LogTap {
    /// A tap on the state log.
    pub fn state(log: MemoryLog) -> LogTap {
        let inner =
            Inner { log, gathered: Vec::new(), flushed: Vec::new(), touched: BTreeSet::new(), dies_at_intent: None, dead: false };
        LogTap { inner: Arc::new(Mutex::new(inner)), dies_with: None }
    }

    /// A tap on the market log of the same process.
    pub fn market(log: MemoryLog, state: &LogTap) -> LogTap {
        LogTap { dies_with: Some(Arc::clone(&state.inner)), ..LogTap::state(log) }
    }

    /// The process will die in its next write of an intent.
    pub fn die_at_intent(&self, torn_bytes: usize) {
        lock(&self.inner).dies_at_intent = Some(torn_bytes);
    }

    /// The next write fails half-way, as on a full disk, and the log with it; the process goes on.
    pub fn fail_next_write(&self) {
        lock(&self.inner).log.fail_flush_in(1);
    }

    /// Writes that were to fail and have not yet, succeed.
    pub fn spare_writes(&self) {
        lock(&self.inner).log.fail_flush_in(u64::MAX);
    }

    /// True once a write has failed: what the process decides and is told from then on is in no log.
    pub fn has_failed(&self) -> bool {
        let inner = lock(&self.inner);
        inner.log.failure().is_some() && !inner.dead
    }

    /// True once it has died in a write.
    pub fn is_dead(&self) -> bool {
        lock(&self.inner).dead
    }

    /// What has been written (and survives the process) since the last call.
    pub fn take_flushed(&self) -> Vec<Logged> {
        std::mem::take(&mut lock(&self.inner).flushed)
    }

    /// Books that inputs in the (market) log were about since the last call.
    pub fn take_touched(&self) -> BTreeSet<(VenueId, PairId)> {
        std::mem::take(&mut lock(&self.inner).touched)
    }

    /// A copy of the log as its file would be now.
    pub fn log(&self) -> MemoryLog {
        lock(&self.inner).log.clone()
    }

    fn killed(&self) -> Result<(), LogError> {
        let dead = |inner: &Arc<Mutex<Inner>>| lock(inner).dead;
        if dead(&self.inner) || self.dies_with.as_ref().is_some_and(dead) {
            return Err(LogError::Failed { why: "the process died".into() });
        }
        Ok(())
    }
}

impl LogSink for LogTap {
    fn append_view(&mut self, record: RecordView<'_>) -> Result<(), LogError> {
        self.killed()?;
        let mut inner = lock(&self.inner);
        inner.log.append_view(record)?;
        match record {
            RecordView::Intent { order, .. } => inner.gathered.push(Logged::Intent(*order)),
            RecordView::Input { input: Input::Fill(fill), .. } => inner.gathered.push(Logged::Fill(fill.clone())),
            RecordView::Input { input: Input::Order(update), .. } => {
                if let (Some(id), OrderReport::Open { filled } | OrderReport::Finished { filled, .. }) =
                    (update.client_id, update.report)
                {
                    inner.gathered.push(Logged::Executed(id, filled));
                }
            }
            RecordView::Input { input: Input::Book(update), .. } => {
                inner.touched.insert((update.venue, update.pair));
            }
            RecordView::Input { input: Input::Trades(report), .. } => {
                inner.gathered.extend(report.fills.iter().cloned().map(Logged::Fill));
            }
            _ => {}
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), LogError> {
        self.killed()?;
        let mut inner = lock(&self.inner);
        let writes_intent = inner.gathered.iter().any(|seen| matches!(seen, Logged::Intent(_)));
        if let Some(torn_bytes) = inner.dies_at_intent.filter(|_| writes_intent) {
            inner.log.crash(torn_bytes);
            inner.dead = true;
            return Err(LogError::Failed { why: "the process died in a write".into() });
        }
        let written = inner.log.flush();
        let gathered = std::mem::take(&mut inner.gathered);
        if written.is_ok() {
            inner.flushed.extend(gathered);
        }
        written
    }
}
