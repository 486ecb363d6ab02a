//! Log and tape formats, their writers and readers.
//!
//! | to do this | start at |
//! |---|---|
//! | run an engine | [`RunDir::open`], then [`RunDir::state_records`], [`RunDir::next_epoch`], [`RunDir::create_state`], [`LogSink::append_checkpoint`], [`RunDir::create_market`] |
//! | write records | [`LogSink`] |
//! | replay a run | [`RunFiles::replay_inputs`] |
//! | simulate a crash | [`MemoryRun`], [`MemoryLog`] |
//! | read or write frame tapes | [`tape`] |
//!
//! Promises: a state record is on its way to the disk when [`LogSink::flush`] returns, and survives SIGKILL; an intent is flushed before
//! its bytes leave (I9, kept by the caller). A torn tail is cut, damage before it is refused, nothing is ever repaired silently.
//! A failed write or sync is final. The market log never blocks and never stops trading.
//!
//! Every epoch's state log begins with a checkpoint: recovery starts at the newest one, and [`RunDir::remove_old_epochs`] may remove what
//! is before it. [`DiskWatch`] says who gives way on a disk that fills up.

pub mod codec;
mod disk;
mod error;
#[cfg(any(test, feature = "harness"))]
pub mod faults;
mod files;
mod frame;
mod latch;
mod lock_watch;
mod market;
mod memory;
mod output_hash;
mod record;
mod recovery;
mod replay;
mod run_dir;
mod sink;
mod state;
#[cfg(test)]
mod storage_tests;
#[cfg(any(test, feature = "test-strategies"))]
pub mod strategies;
pub mod tape;
#[cfg(test)]
mod testing;

pub use codec::{CODEC_VERSION, CodecError};
pub use disk::{DiskStep, DiskWatch, free_bytes};
pub use error::LogError;
pub use files::truncate_tail;
pub use frame::{CHAIN_START, LogReader, RECORD_BYTES_MAX, ReadEnd, TORN_BYTES_MAX};
pub use latch::{Latch, LatchState};
pub use lock_watch::LockWatch;
pub use market::{MarketConfig, MarketStatus, MarketWriter};
pub use memory::{MemoryLog, MemoryRun};
pub use output_hash::{OutputHash, hex};
pub use record::{Header, LogKind, NOTE_BYTES_MAX, Record, RecordView};
pub use recovery::{StateRecords, StateTail};
pub use replay::{Batch, Replay, ReplayEnd};
pub use run_dir::{RunDir, RunFiles};
pub use sink::LogSink;
pub use state::{RESERVE_BYTES, StateStatus, StateSyncer, StateWriter, Storage};
