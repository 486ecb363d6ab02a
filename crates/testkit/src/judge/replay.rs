//! The logs of a run give the run again (I17): every epoch is replayed through a fresh decider, which must reach the recorded hash
//! of outputs after every batch.

use super::{Check, Invariant, broken};
use crate::process::new_engine;
use crate::venues::Setup;
use journal::{MemoryRun, ReplayEnd, hex};
use node::Decider;

/// Replays one epoch. Returns the batches compared.
///
/// # Errors
/// I17 for the first batch that differs, or logs that can't be replayed.
pub fn check(setup: &Setup, run: &MemoryRun, epoch: u64, clean: bool) -> Result<u64, (Invariant, String)> {
    let unreadable = |what: String| (Invariant::Deterministic, format!("epoch {epoch} can't be replayed: {what}"));
    let mut engine = new_engine(setup, epoch).map_err(unreadable)?;
    node::recover_before(&mut engine, run.state_records(), epoch).map_err(|e| unreadable(e.to_string()))?;
    let mut decider = Decider::new(engine);
    let mut replay = run.replay_inputs(epoch).map_err(|e| unreadable(e.to_string()))?;
    let mut batches = 0;
    for batch in &mut replay {
        let batch = batch.map_err(|e| unreadable(e.to_string()))?;
        decider.step(batch.now, batch.inputs.iter().map(|(_, received, input)| (*received, input)));
        batches += 1;
        same(epoch, batch.number, &decider.output_hash(), &batch.output_hash)?;
    }
    match replay.end() {
        Some(ReplayEnd::Complete) => Ok(batches),
        // A life that was killed leaves inputs without a mark, or a mark without its inputs.
        Some(_) if !clean => Ok(batches),
        end => Err(unreadable(format!("it ends with {end:?}"))),
    }
}

fn same(epoch: u64, batch: u64, ours: &[u8; 32], recorded: &[u8; 32]) -> Check {
    if ours == recorded {
        return Ok(());
    }
    broken(
        Invariant::Deterministic,
        format!("replaying epoch {epoch} gives other outputs from batch {batch} on: {} instead of {}", hex(ours), hex(recorded)),
    )
}
