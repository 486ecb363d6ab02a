//! Recovery of the engine from the state log: the executor's fold, and what only a person may end.
//!
//! - A **latch** that was in force when the process died is in force again, whoever set it, until a `Resume` is in the log; the
//!   latch file is not needed for that. Latches by command are in the log as inputs; those that the engine set itself are noted
//!   in it by the node, in the same write as the batch that latched ([`Engine::latches`], [`Engine::recover_latch`]).
//! - A **drain** is in force again after a crash. What completes it is the end of a run that could drain: one that was told to stop and
//!   finished what was open, which the node notes in the log. An observer's end, and one for a refused key, leave it.
//! - The **loss of the day** is made of what own executions moved, which the executor folds by the venue's time.
//! - **Configuration patches** are not folded: a restart takes the file's values.
//!
//! Nothing is told again: who was to be alerted has been.

use crate::config::EngineConfig;
use crate::step::Engine;
use domain::{CheckpointItem, Input, MonoNanos, NewOrder, OperatorCommand, StopKind, StopReason, Tables};
use executor::Executor;
use std::sync::Arc;

impl Engine {
    /// An engine that logs are folded into, in names and scales of theirs. It never decides: settings that name ids are left out.
    pub fn of_logs(config: &EngineConfig, tables: Arc<Tables>) -> Engine {
        let mut config = EngineConfig { reference: None, floors: Vec::new(), vetoes: Default::default(), ..config.clone() };
        config.controls.order_qty_max.clear();
        let executor = Executor::of_logs(config.executor.clone(), tables.clone());
        Engine::with_executor(config, tables, executor)
    }

    /// The log begins another run, of this epoch.
    pub fn recover_run(&mut self, epoch: u64) {
        self.executor.recover_restart();
        self.executor.recover_epoch(epoch);
    }

    /// An order that was going to be sent.
    pub fn recover_intent(&mut self, order: &NewOrder) {
        self.executor.recover_intent(order);
    }

    /// An input that the live engine applied.
    pub fn recover_input(&mut self, input: &Input) {
        match input {
            Input::Operator(OperatorCommand::Halt { reason }) => self.recover_latch(*reason),
            Input::Operator(OperatorCommand::Drain | OperatorCommand::Flatten) => {
                self.draining = true;
                let _ = self.stops.set(StopKind::Pause, StopReason::Operator, None, None, self.unix);
            }
            Input::Operator(OperatorCommand::Resume) => {
                self.draining = false;
                self.stops.resume(&mut Vec::new());
            }
            _ => {}
        }
        self.executor.recover_input(input);
    }

    /// A latch is noted in the log.
    pub fn recover_latch(&mut self, reason: StopReason) {
        if !self.latches().any(|holding| holding == reason) {
            let _ = self.stops.set(StopKind::Latch, reason, None, None, self.unix);
        }
    }

    /// A run ended with nothing open ([`Engine::ended_settled`]): what was drained needs no draining any more, and what its deals have left
    /// is dust. A latch stays.
    pub fn recover_settled(&mut self) {
        self.draining = false;
        let _ = self.stops.clear(StopKind::Pause, StopReason::Operator, None, None);
        self.executor.recover_settled();
    }

    /// Everything that recovery has built, the executor's and what only a person may end. To be called after recovery and before the
    /// first live input.
    pub fn checkpoint(&self) -> Vec<CheckpointItem> {
        let mut items = self.executor.checkpoint();
        items.extend(self.latches().map(|reason| CheckpointItem::Latch { reason }));
        items.extend(self.draining.then_some(CheckpointItem::Draining));
        items
    }

    /// Puts a fresh engine into the state that [`Engine::checkpoint`] took apart.
    pub fn recover_checkpoint(&mut self, items: &[CheckpointItem]) {
        for item in items {
            match item {
                CheckpointItem::Latch { reason } => self.recover_latch(*reason),
                CheckpointItem::Draining => {
                    self.draining = true;
                    let _ = self.stops.set(StopKind::Pause, StopReason::Operator, None, None, self.unix);
                }
                _ => {}
            }
        }
        self.executor.recover_checkpoint(items);
    }

    /// The log is read.
    pub fn finish_recovery(&mut self, now: MonoNanos) {
        self.executor.finish_recovery(now);
    }

    /// Reasons of the latches in force.
    pub fn latches(&self) -> impl Iterator<Item = StopReason> + '_ {
        self.stops.list().iter().filter(|stop| stop.kind == StopKind::Latch).map(|stop| stop.reason)
    }
}
