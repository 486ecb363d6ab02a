//! The seam between the engine and its logs.

use crate::error::LogError;
use crate::record::{Record, RecordView};
use domain::{CheckpointItem, Input, MonoNanos, NewOrder};

/// Where records go. Implementors: the files ([`crate::StateWriter`], [`crate::MarketWriter`]) and [`crate::MemoryLog`].
///
/// Appended records are gathered; [`LogSink::flush`] hands them on in one piece. For the state log this is the point where
/// records survive the death of the process (I9): flush before an order's bytes leave.
pub trait LogSink {
    /// Gathers one record without copying what it holds.
    ///
    /// # Errors
    /// [`LogError::Failed`] once the log has failed, for ever; [`LogError::TooLarge`] (which is a failure, too).
    fn append_view(&mut self, record: RecordView<'_>) -> Result<(), LogError>;

    /// Hands on everything gathered.
    ///
    /// # Errors
    /// [`LogError::Io`] when this write fails, [`LogError::Failed`] after any failure.
    fn flush(&mut self) -> Result<(), LogError>;

    /// Gives the log up for `why`, without waiting for anything; what was handed over is still written. Only the market log does: the
    /// state log is never given up.
    fn give_up(&mut self, _why: &'static str) {}

    /// Gathers one record.
    ///
    /// # Errors
    /// As [`LogSink::append_view`].
    fn append(&mut self, record: &Record) -> Result<(), LogError> {
        self.append_view(record.view())
    }

    /// Gathers an input.
    ///
    /// # Errors
    /// As [`LogSink::append_view`].
    fn append_input(&mut self, seq: u64, received: MonoNanos, input: &Input) -> Result<(), LogError> {
        self.append_view(RecordView::Input { seq, received, input })
    }

    /// Gathers an intent.
    ///
    /// # Errors
    /// As [`LogSink::append_view`].
    fn append_intent(&mut self, seq: u64, order: &NewOrder) -> Result<(), LogError> {
        self.append_view(RecordView::Intent { seq, order })
    }

    /// Gathers a batch mark.
    ///
    /// # Errors
    /// As [`LogSink::append_view`].
    fn append_batch_end(&mut self, batch: u64, last_seq: u64, now: MonoNanos, output_hash: &[u8; 32]) -> Result<(), LogError> {
        self.append_view(RecordView::BatchEnd { batch, last_seq, now, output_hash })
    }

    /// Gathers a part of a checkpoint.
    ///
    /// # Errors
    /// As [`LogSink::append_view`].
    fn append_checkpoint(&mut self, items: &[CheckpointItem], last: bool) -> Result<(), LogError> {
        self.append_view(RecordView::Checkpoint { items, last })
    }

    /// Gathers a note.
    ///
    /// # Errors
    /// As [`LogSink::append_view`].
    fn append_note(&mut self, seq: u64, text: &str) -> Result<(), LogError> {
        self.append_view(RecordView::Note { seq, text })
    }
}
