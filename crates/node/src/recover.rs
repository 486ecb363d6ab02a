//! Recovery: folds the state logs from the newest checkpoint on, and hands what they hold to a fresh engine with tables of its own.
//!
//! Every run writes a checkpoint of what it starts from ([`write_checkpoint`]), so that the next recovery reads one or two epochs,
//! and older logs may be removed. One that a crash cut short is not counted: recovery begins at the one before.
//!
//! Names and scales of a log are those of its header, and the fold keeps to them ([`Logged`]): what today's configuration and the venues'
//! rules of today make of them is decided over the result, not record by record.

use crate::logged::{LogEngine, Logged};
use crate::remap::{Remap, RemapError};
use domain::{CheckpointItem, StopReason, Tables};
use engine_core::{Engine, EngineConfig};
use journal::{LogError, LogSink, Record, StateRecords, StateTail};

/// How the note of a latch begins; its reason follows.
const LATCH_NOTE: &str = "latched: ";

/// The note before the end of a run that could drain and has: told to stop, nothing open, every venue compared. An observer's end and
/// one for a refused key have none.
pub(crate) const SETTLED_NOTE: &str = "settled";

/// How the note of a pause begins that nothing but its venue's news or a person ends; the venue's name follows.
const MUTE_NOTE: &str = "private stream unproven: ";

/// Why the logs can't be taken over.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The log itself.
    #[error("the state log can't be read: {}", .0.to_full_text())]
    Log(#[from] LogError),
    /// Something is open under a name that is no longer there.
    #[error("the state log holds {held}, and {what} `{name}` is not in the configuration: add it back, {settle}, then remove it")]
    Missing {
        /// What is open.
        held: String,
        /// Venue, pair or asset.
        what: &'static str,
        /// Its name.
        name: String,
        /// How it gets settled.
        settle: &'static str,
    },
    /// Something is open in numbers that do not fit today's scale.
    #[error(
        "the state log holds {held}, whose numbers have more decimals than the scale of {pair} has room for beside the venues' new \
         precision: settle it with the configuration and the venues that it was made with, or take out the venue whose precision is new"
    )]
    Scale {
        /// What is open.
        held: String,
        /// Which pair.
        pair: String,
    },
}

impl RecoverError {
    pub(crate) fn open(held: String, settle: &'static str, why: RemapError) -> RecoverError {
        match why {
            RemapError::Missing { what, name } => RecoverError::Missing { held, what, name, settle },
            RemapError::Scale { pair } => RecoverError::Scale { held, pair },
        }
    }
}

/// A record that its own log's tables can't tell: no engine writes one.
impl From<RemapError> for RecoverError {
    fn from(why: RemapError) -> RecoverError {
        RecoverError::open("a record of no known meaning".into(), "settle what it stands for", why)
    }
}

/// Items in one record of a checkpoint.
const ITEMS_A_RECORD: usize = 512;

/// Folds everything since the newest checkpoint. Returns where the next epoch continues.
///
/// # Errors
/// [`RecoverError`]; the engine must not be used then.
pub fn recover(engine: &mut Engine, records: StateRecords) -> Result<StateTail, RecoverError> {
    let logged = Logged::read(engine.config(), records)?;
    logged.recover(engine)?;
    Ok(logged.into_tail())
}

/// What an epoch's run started from, for its replay: its own checkpoint, or the epochs before it.
///
/// # Errors
/// As [`recover`].
pub fn recover_before(engine: &mut Engine, records: StateRecords, epoch: u64) -> Result<(), RecoverError> {
    let mut records = records.from_checkpoint(epoch)?;
    match fold(engine.config(), &mut records, epoch)? {
        Folded::Own { tables, mut items } => {
            let to = engine.tables().clone();
            let remap = Remap { from: &tables, to: &to };
            items.iter_mut().try_for_each(|item| remap.item(item))?;
            // This is what the run started from, word for word.
            engine.recover_checkpoint(&items);
        }
        Folded::Before(Some(before)) => before.finish().recover(engine)?,
        Folded::Before(None) => {}
    }
    Ok(())
}

/// Writes what the engine starts from, once it has recovered and before its first input, and flushes.
///
/// # Errors
/// As [`LogSink::flush`].
pub fn write_checkpoint(engine: &Engine, log: &mut dyn LogSink) -> Result<(), LogError> {
    let items = engine.checkpoint();
    let parts = items.chunks(ITEMS_A_RECORD).count();
    for (index, items) in items.chunks(ITEMS_A_RECORD).enumerate() {
        log.append_checkpoint(items, index + 1 == parts)?;
    }
    log.flush()
}

/// What the records of a fold amount to.
pub(crate) enum Folded {
    /// The whole checkpoint of the epoch that the fold was to end before.
    Own {
        /// Its names and scales.
        tables: Tables,
        /// Its items.
        items: Vec<CheckpointItem>,
    },
    /// Everything before that epoch; `None` when there is none.
    Before(Option<LogEngine>),
}

/// Folds the records of all epochs before one. They begin with the epoch whose checkpoint counts, if any does.
pub(crate) fn fold(config: &EngineConfig, records: &mut StateRecords, before: u64) -> Result<Folded, RecoverError> {
    let mut engine: Option<LogEngine> = None;
    let mut names = Tables::default();
    // The checkpoint that the first epoch begins with, as far as it was read.
    let (mut first, mut checkpoint) = (None, Vec::new());
    for item in records {
        let (epoch, record) = item?;
        let is_first = *first.get_or_insert(epoch) == epoch;
        if epoch >= before {
            match record {
                Record::Header(header) if is_first => names = header.tables,
                Record::Checkpoint { items, last } if is_first => {
                    checkpoint.extend(items);
                    if last {
                        return Ok(Folded::Own { tables: names, items: checkpoint });
                    }
                }
                _ => break,
            }
            continue;
        }
        if let Record::Header(header) = record {
            let engine = match engine.take() {
                Some(known) => engine.insert(known.widened(&header.tables)?),
                None => engine.insert(LogEngine::new(config, header.tables.clone())),
            };
            engine.get_mut().recover_run(header.epoch);
            names = header.tables;
            continue;
        }
        let Some(engine) = &mut engine else { continue };
        let to = engine.tables();
        let remap = Remap { from: &names, to: &to };
        match record {
            Record::Checkpoint { mut items, last } if is_first => {
                items.iter_mut().try_for_each(|item| remap.item(item))?;
                checkpoint.extend(items);
                if last {
                    engine.get_mut().recover_checkpoint(&checkpoint);
                }
            }
            Record::Intent { order, .. } => engine.get_mut().recover_intent(&remap.order(order)?),
            Record::Input { mut input, .. } => {
                if remap.input(&mut input)? {
                    engine.get_mut().recover_input(&input);
                }
            }
            Record::Note { text, .. } if text == SETTLED_NOTE => engine.get_mut().recover_settled(),
            Record::Note { text, .. } => {
                if let Some(reason) = latch_of(&text) {
                    engine.get_mut().recover_latch(reason);
                }
                let named = |name: &str| to.venue_ids().find(|venue| to.venue(*venue) == name);
                if let Some(venue) = text.strip_prefix(MUTE_NOTE).and_then(named) {
                    engine.get_mut().executor_mut().recover_mute(venue);
                }
            }
            Record::Header(_) | Record::Checkpoint { .. } | Record::BatchEnd { .. } | Record::End { .. } => {}
        }
    }
    Ok(Folded::Before(engine))
}

/// The note that a latch is in force, for the state log: recovery reads it back.
pub(crate) fn latch_note(reason: StopReason) -> String {
    format!("{LATCH_NOTE}{reason}")
}

/// The note that openings at a venue wait for its private stream or a person: what made it so is time that passed, which no input tells.
pub(crate) fn mute_note(venue: &str) -> String {
    format!("{MUTE_NOTE}{venue}")
}

fn latch_of(note: &str) -> Option<StopReason> {
    StopReason::parse(note.strip_prefix(LATCH_NOTE)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_note_of_a_latch_reads_back_and_other_notes_do_not() {
        for reason in StopReason::ALL {
            assert_eq!(latch_of(&latch_note(*reason)), Some(*reason));
        }
        assert_eq!(latch_of("latched: nobody"), None);
        assert_eq!(latch_of("started"), None);
    }
}
