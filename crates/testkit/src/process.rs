//! One life of the engine: a node with its sessions and logs, from recovery to death or an orderly end.

use crate::log_tap::LogTap;
use crate::venues::{INSTANCE, Setup};
use domain::time::SECOND;
use domain::{Input, MonoNanos, UnixNanos};
use engine_core::Engine;
use executor::IdSource;
use journal::{CODEC_VERSION, Header, LogKind, MemoryRun};
use node::{Node, NodeLogs};

/// A monotonic clock never starts at zero on a real machine.
const MONO_AT_START_NS: u64 = 5 * SECOND;

/// A running engine.
pub struct Process {
    /// The node.
    pub node: Node,
    /// Its run epoch.
    pub epoch: u64,
    /// Its state log.
    pub state: LogTap,
    /// Its market log.
    pub market: LogTap,
    started_t_ns: u64,
    wall_offset_ns: i64,
    /// What the wall clock gains on true time, nanoseconds a second.
    wall_drift_ppb: i64,
}

impl Process {
    /// Starts life number `life` on top of the logs of the earlier ones, as `crossgate run` does.
    ///
    /// # Errors
    /// What recovery says: in a simulated run it may never refuse.
    pub fn start(setup: &Setup, run: &mut MemoryRun, life: u64, t_ns: u64, wall_offset_ns: i64) -> Result<Process, String> {
        let started = wall(t_ns, wall_offset_ns);
        let seconds = u64::try_from(started.seconds()).map_err(|_| "the wall clock is before 1970")?;
        let epoch = run.last_epoch().map_or(seconds, |last| seconds.max(last + 1));
        let mut engine = new_engine(setup, epoch)?;
        let tail = node::recover(&mut engine, run.state_records()).map_err(|e| e.to_string())?;
        let header = header(setup, epoch, started);
        let (mut state, market) = run.begin(&header, &tail).map_err(|e| e.to_string())?;
        node::write_checkpoint(&engine, &mut state).map_err(|e| e.to_string())?;
        let state = LogTap::state(state);
        let market = LogTap::market(market, &state);
        let logs = NodeLogs { state: Box::new(state.clone()), market: Some(Box::new(market.clone())) };
        let mut node = Node::new(setup.sessions(life), engine, logs);
        let now = MonoNanos(MONO_AT_START_NS);
        for rules in &setup.rules {
            node.push(now, Input::Rules(*rules));
        }
        node.push(now, Input::Tick { unix: started });
        node.start(now);
        Ok(Process { node, epoch, state, market, started_t_ns: t_ns, wall_offset_ns, wall_drift_ppb: 0 })
    }

    /// This process's monotonic clock at a virtual time.
    pub fn mono(&self, t_ns: u64) -> MonoNanos {
        MonoNanos(MONO_AT_START_NS + t_ns.saturating_sub(self.started_t_ns))
    }

    /// Its wall clock.
    pub fn wall(&self, t_ns: u64) -> UnixNanos {
        let running = i64::try_from(t_ns.saturating_sub(self.started_t_ns)).unwrap_or(i64::MAX);
        let gained = (i128::from(running) * i128::from(self.wall_drift_ppb) / 1_000_000_000) as i64;
        wall(t_ns, self.wall_offset_ns.saturating_add(gained))
    }

    /// The wall clock is set, by somebody or something.
    pub fn step_wall(&mut self, by_ns: i64) {
        self.wall_offset_ns = self.wall_offset_ns.saturating_add(by_ns);
    }

    /// From now on the wall clock gains (or loses) so much, in 10^-9.
    pub fn drift_wall(&mut self, ppb: i64) {
        self.wall_drift_ppb = ppb;
    }

    /// The virtual time at which the node wants to be called.
    pub fn next_deadline(&self) -> Option<u64> {
        let due = self.node.next_deadline()?;
        Some(self.started_t_ns + due.0.saturating_sub(MONO_AT_START_NS))
    }

    /// Leaves the logs behind as the files would be: after death, or after the end.
    pub fn leave_logs(&self, run: &mut MemoryRun) {
        run.store(&self.state.log());
        run.store(&self.market.log());
    }
}

fn wall(t_ns: u64, offset_ns: i64) -> UnixNanos {
    UnixNanos(i64::try_from(t_ns).unwrap_or(i64::MAX).saturating_add(offset_ns))
}

/// An engine that knows nothing yet.
///
/// # Errors
/// When the epoch does not fit an order id.
pub fn new_engine(setup: &Setup, epoch: u64) -> Result<Engine, String> {
    let ids = IdSource::new(INSTANCE, epoch, 0).ok_or("the epoch does not fit an order id")?;
    Ok(Engine::new(setup.engine.clone(), setup.tables.clone(), ids))
}

fn header(setup: &Setup, epoch: u64, started: UnixNanos) -> Header {
    Header {
        version: CODEC_VERSION,
        kind: LogKind::State,
        instance: INSTANCE,
        epoch,
        shard: 0,
        build: "testkit".into(),
        mode: "sim".into(),
        seed: 0,
        started,
        config: String::new(),
        tables: (*setup.tables).clone(),
        previous: [0; 32],
    }
}
