//! Inputs in, commands out, with sequence numbers, batch time and the running hash of outputs: what live runs and replays share.

use domain::{Input, MonoNanos};
use engine_core::{Engine, Outputs, Stage};
use journal::OutputHash;

/// The engine with its bookkeeping.
pub struct Decider {
    engine: Engine,
    outputs: Outputs,
    hash: OutputHash,
    /// Its value: asked after every batch, and most batches decide nothing.
    hashed: [u8; 32],
    now: MonoNanos,
    batches: u64,
}

impl Decider {
    /// A decider over a fresh (or recovered) engine.
    pub fn new(engine: Engine) -> Decider {
        let hash = OutputHash::new();
        Decider { engine, outputs: Outputs::default(), hashed: hash.value(), hash, now: MonoNanos(0), batches: 0 }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The engine, for recovery before the first batch.
    pub fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// The batch time to use for a batch that ends at `now`: never before what any earlier batch used, nor before a receive time in
    /// the batch.
    pub fn batch_now(&self, now: MonoNanos, received: impl Iterator<Item = MonoNanos>) -> MonoNanos {
        received.fold(self.now.max(now), MonoNanos::max)
    }

    /// Applies one batch and decides once. `batch_now` comes from [`Decider::batch_now`], live, or from the log, in replay.
    pub fn step<'a>(&mut self, batch_now: MonoNanos, inputs: impl Iterator<Item = (MonoNanos, &'a Input)>) -> Outputs {
        assert!(batch_now >= self.now, "Invariant: batch time does not go back");
        for (received, input) in inputs {
            self.engine.apply(received, input, &mut self.outputs);
        }
        self.engine.stage_ended(Stage::Apply);
        self.engine.decide(batch_now, &mut self.outputs);
        self.now = batch_now;
        self.batches += 1;
        self.take_outputs()
    }

    /// Ends the opportunities that are still open, each under its verdict.
    pub fn close(&mut self) -> Outputs {
        self.engine.close_opportunities(&mut self.outputs);
        self.take_outputs()
    }

    fn take_outputs(&mut self) -> Outputs {
        for command in &self.outputs.commands {
            self.hash.update(command);
        }
        if !self.outputs.commands.is_empty() {
            self.hashed = self.hash.value();
        }
        std::mem::take(&mut self.outputs)
    }

    /// The running hash of all commands so far.
    pub fn output_hash(&self) -> [u8; 32] {
        self.hashed
    }

    /// Batches so far.
    pub fn batches(&self) -> u64 {
        self.batches
    }

    /// Time of the last batch.
    pub fn now(&self) -> MonoNanos {
        self.now
    }
}
