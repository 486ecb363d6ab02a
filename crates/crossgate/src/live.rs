//! The live loop: one thread carries every venue's bytes, steps the engine, and writes the state log (`inline` threading).
//!
//! Waiting is parking: the thread sleeps in the kernel until a socket, a timer or an operator wakes it, at least every 50 ms.
//! Order within one turn: suspension check, private and public bytes as they came, timers, then one or more engine batches, then
//! bytes out.

use crate::alerts::{Alert, AlertDesk, Level, wall};
use crate::bad_day::FaultBoard;
use crate::config::Config;
use crate::config::reload::{self, Reload};
use crate::disk::DiskGuard;
use crate::exit::Failure;
use crate::latch_keeper::{LatchKeeper, Latches};
use crate::ops::{Control, Request, Shared};
use crate::setup::Setup;
use crate::snapshot::{LatencyBook, Snapshot};
use crate::stage_times::StageTimes;
use crate::view::{View, describe};
use crate::watch::{LockGuard, QueueGuard};
use domain::{Input, MonoNanos, Notice, OperatorCommand, StopKind, StopReason, VenueId};
use engine_core::Engine;
use node::{Node, NodeLogs};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use venue::{LossReason, Response, Transmit, VenueSession};
use venue_io::{Clock, EventReceiver, HttpOutcome, IoBody, IoEvent, Routes, SuspendMonitor, VenueIo, event_queue};

/// Longest sleep of the loop.
const WAKE_EVERY: Duration = Duration::from_millis(50);
/// How often the engine gets a tick and the ops thread a fresh copy.
const TICK_EVERY_NS: u64 = 100_000_000;
/// Events taken in one turn.
const EVENTS_A_TURN: usize = 256;
/// How often the latch file is looked at: one failed open of a file that is not there.
const LATCH_EVERY_NS: u64 = 40_000_000;
/// How long an orderly end may take before it counts as unclean.
const STOP_GRACE_NS: u64 = 45_000_000_000;

/// How a run is to be done.
pub struct RunOptions {
    /// End after this long.
    pub run_for_ns: Option<u64>,
    /// What the ops thread sees.
    pub shared: Shared,
    /// What people see.
    pub view: View,
    /// Commands of the ops thread and signals.
    pub control: mpsc::Receiver<Request>,
    /// The kill latch's files: whoever makes one stops openings.
    pub latch: Latches,
    /// Who writes them.
    pub keeper: LatchKeeper,
    /// Who tells people.
    pub alerts: AlertDesk,
    /// A person resumed while no engine ran: it is journalled first of all.
    pub resumed: bool,
    /// The configuration in force, for what a reload may change.
    pub running: Config,
    /// What goes wrong on the simulated venues.
    pub faults: FaultBoard,
    /// Fixed facts of the run, for reports.
    pub facts: crate::report::RunFacts,
}

/// How a run ended.
pub struct RunEnd {
    /// The node, for the report.
    pub node: Node,
    /// Latencies measured at the edge.
    pub latency: LatencyBook,
    /// Nanoseconds it ran.
    pub ran_ns: u64,
    /// False when orders or exposure may be open.
    pub clean: bool,
    /// A venue refused our key, or the key may withdraw.
    pub refused: Option<Failure>,
    /// What went wrong on the simulated venues.
    pub faults: FaultBoard,
}

struct Loop {
    clock: Clock,
    node: Node,
    ios: Vec<VenueIo>,
    latency: LatencyBook,
    stages: StageTimes,
    /// Receive time of the last frame of this turn: an order that no frame led to has no frame-to-order time.
    last_frame: Option<MonoNanos>,
    /// What the edge has to say to people since the last turn.
    said: Vec<String>,
    /// A person asked for the end; the next one who does wants it at once.
    asked_to_end: bool,
}

/// Runs a node until its time is over, a signal, or a stop.
///
/// # Errors
/// When a venue's sockets can't be set up.
pub async fn run(
    setup: &Setup,
    sessions: Vec<Box<dyn VenueSession>>,
    engine: Engine,
    logs: NodeLogs,
    clock: Clock,
    mut options: RunOptions,
) -> Result<RunEnd, Failure> {
    let (sender, mut events) = event_queue();
    let mut ios = Vec::new();
    for (index, venue) in setup.venues.iter().enumerate() {
        let routes = Routes::of(venue.connector, &venue.endpoints);
        let io = VenueIo::new(VenueId(index as u8), routes, venue.tls.clone(), sender.clone(), clock)
            .map_err(|e| Failure::config(format!("venue `{}`: {e}", venue.id)))?;
        ios.push(io);
    }
    drop(sender);
    let (stages, watch) = StageTimes::new(clock);
    let mut node = Node::new(sessions, engine, logs);
    node.engine_mut().watch_stages(watch);
    let mut state = Loop {
        clock,
        node,
        ios,
        latency: LatencyBook::default(),
        stages,
        last_frame: None,
        said: Vec::new(),
        asked_to_end: false,
    };
    let started = clock.now();
    for rules in &setup.rules {
        state.node.push(started, Input::Rules(*rules));
    }
    state.node.push(started, Input::Tick { unix: clock.wall() });
    if options.resumed {
        state.node.operator(started, OperatorCommand::Resume);
    }
    state.node.start(started);
    state.turn();
    if options.resumed && state.node.state_log_ok() {
        // It is in the state log now.
        if let Err(error) = crate::resume_note::remove(std::path::Path::new(&options.facts.run_dir)) {
            tracing::error!(%error, "the note of the resume can't be removed: it would hold for the next start too");
        }
    }

    let mut suspend = SuspendMonitor::new();
    let mut disk = DiskGuard::new(&options.facts);
    let mut lock = LockGuard::new(&options.facts);
    let mut queues = QueueGuard::default();
    let mut next_tick = started;
    let mut next_latch = started;
    let mut stopping_since: Option<MonoNanos> = None;
    let mut clean = true;
    let mut refused = None;
    // Whoever gave a command and is to be told once it is applied and shown.
    let mut waiting: Vec<oneshot::Sender<()>> = Vec::new();
    loop {
        let event = state.wait(&mut events, &mut options.control, next_tick.min(next_latch)).await;
        let (queued, queue_full) = (events.len(), events.is_full());
        if let Some(gap) = suspend.check() {
            tracing::warn!(gap_ms = gap / 1_000_000, "the process was suspended; every book is fetched anew");
            state.node.paused(clock.now());
        }
        match event {
            Wake::Io(first) => state.take_events(first, &mut events),
            Wake::Control(Request { control, done }) => {
                waiting.extend(done);
                if state.control(control, &mut stopping_since, &mut options) == Flow::EndNow {
                    clean = false;
                    break;
                }
            }
            Wake::Timer => {}
        }
        let now = clock.now();
        state.node.timeouts(now);
        disk.look(now, &mut state.node);
        lock.look(now, &mut state.node);
        if let Some(news) = queues.see(now, queue_full, state.overflowed()) {
            state.node.push(now, news);
        }
        if now >= next_tick {
            next_tick = now.after(TICK_EVERY_NS);
            state.node.push(now, Input::Tick { unix: clock.wall() });
        }
        state.turn();
        // After the turn: a command that this same turn brought has engaged the file as well, and is one halt, not two.
        if now >= next_latch {
            next_latch = now.after(LATCH_EVERY_NS);
            if let journal::LatchState::Engaged { reason, .. } = options.latch.read()
                && !state.node.engine().stops().latched()
            {
                state.node.operator(now, OperatorCommand::Halt { reason });
                state.turn();
            }
        }
        let notices = state.node.take_notices();
        state.latency.see(&notices);
        keep_latch(&notices, &state.node, &options);
        options.alerts.see(&notices, &state.node, clock.wall());
        options.faults.show(&mut options.view, clock.wall());
        for text in state.said.drain(..) {
            options.view.event(&text, clock.wall());
        }
        options.view.notices(&notices, &state.node, clock.wall());
        options.faults.see(&notices, &state.node, &mut options.view, clock.wall());
        let ticked = next_tick == now.after(TICK_EVERY_NS);
        if ticked {
            options.alerts.watch_logs(&options.facts);
        }
        if ticked || !waiting.is_empty() {
            let snapshot = Snapshot::of(&state.node, &options.facts, &state.latency, queued, now.since(started), now);
            options.faults.react(&snapshot, &mut options.view, now, clock.wall());
            options.view.tick(&snapshot, &state.node, now.since(started));
            options.shared.publish(snapshot);
            for done in waiting.drain(..) {
                // Whoever asked may have gone away.
                let _ = done.send(());
            }
        }
        if refused.is_none()
            && let Some(failure) = key_refusal(&state.node, &options.facts)
        {
            options.alerts.bus().raise(Alert::now(Level::Page, "key_refused", "key_refused", failure.to_string()));
            refused = Some(failure);
            if state.node.engine().report().execution.orders_sent == 0 && state.node.engine().executor().open_items().is_empty() {
                // Nothing was sent, nothing was left by a life before, and nothing can be sent: there is nothing to wind down.
                break;
            }
            if stopping_since.is_none() {
                state.begin_stop(&mut stopping_since, OperatorCommand::Stop);
            }
        }
        if stopping_since.is_none() && options.run_for_ns.is_some_and(|limit| now.since(started) >= limit) {
            state.begin_stop(&mut stopping_since, OperatorCommand::Stop);
        }
        if state.node.finished() {
            break;
        }
        if stopping_since.is_some_and(|since| now.since(since) > STOP_GRACE_NS) {
            clean = false;
            break;
        }
    }
    let ended = clock.now();
    state.node.close(ended, clean);
    state.pump();
    for io in state.ios {
        io.close(Duration::from_millis(500)).await;
    }
    let notices = state.node.take_notices();
    keep_latch(&notices, &state.node, &options);
    options.alerts.see(&notices, &state.node, clock.wall());
    options.faults.show(&mut options.view, clock.wall());
    options.view.notices(&notices, &state.node, clock.wall());
    options.shared.publish(Snapshot::of(&state.node, &options.facts, &state.latency, 0, ended.since(started), ended));
    Ok(RunEnd { node: state.node, latency: state.latency, ran_ns: ended.since(started), clean, refused, faults: options.faults })
}

/// A latch that the engine set by itself goes into the file at once, so that the next start knows of it.
fn keep_latch(notices: &[Notice], node: &Node, options: &RunOptions) {
    for notice in notices {
        if let Notice::Stopped { kind: StopKind::Latch, reason, .. } = *notice {
            let detail = describe(notice, node.engine().tables()).unwrap_or_default();
            options.keeper.engage(reason, wall(), detail);
        }
    }
}

/// Exit code 4 once a venue refuses our key, tells that it may move funds out, or will not tell and nobody attested.
fn key_refusal(node: &Node, facts: &crate::report::RunFacts) -> Option<Failure> {
    for (index, venue) in facts.venues.iter().enumerate() {
        let id = VenueId(index as u8);
        if node.engine().key_refused(id) {
            return Some(Failure::auth(format!(
                "venue `{}` refuses the API key: check key and secret, the key's address list, and that a testnet key meets a testnet host",
                venue.id
            )));
        }
        let Some(told) = node.engine().executor().facts(id) else { continue };
        match told.can_withdraw {
            Some(true) => {
                return Some(Failure::auth(format!(
                    "venue `{}`: this API key may withdraw; make a key without withdrawal rights, bound to this host's address",
                    venue.id
                )));
            }
            None if !venue.attested => {
                return Some(Failure::auth(format!(
                    "venue `{}` will not tell whether this key may withdraw; check it at the venue and set withdrawal_disabled_attested = true",
                    venue.id
                )));
            }
            _ => {}
        }
    }
    None
}

enum Wake {
    Io(IoEvent),
    Control(Request),
    Timer,
}

#[derive(PartialEq, Eq)]
enum Flow {
    GoOn,
    EndNow,
}

impl Loop {
    /// Whether a venue's sockets had no place for something since the last call.
    fn overflowed(&mut self) -> bool {
        // Each is asked: it forgets what it has told.
        let mut any = false;
        for io in &mut self.ios {
            any |= io.take_overflowed();
        }
        any
    }

    async fn wait(&mut self, events: &mut EventReceiver, control: &mut mpsc::Receiver<Request>, latest: MonoNanos) -> Wake {
        let now = self.clock.now();
        let deadline = self.node.next_deadline().map_or(latest, |d| d.min(latest));
        let wait = Duration::from_nanos(deadline.since(now)).min(WAKE_EVERY);
        // Operators first, bytes before timers: a flood of frames must not starve a stop.
        tokio::select! {
            biased;
            Some(command) = control.recv() => Wake::Control(command),
            Some(event) = events.recv() => Wake::Io(event),
            () = tokio::time::sleep(wait) => Wake::Timer,
        }
    }

    fn take_events(&mut self, first: IoEvent, events: &mut EventReceiver) {
        let mut taken = Some(first);
        for _ in 0..EVENTS_A_TURN {
            let Some(event) = taken.take() else { break };
            self.event(event);
            taken = events.try_recv();
        }
        if let Some(event) = taken {
            self.event(event);
        }
    }

    fn event(&mut self, event: IoEvent) {
        let IoEvent { venue, received, body } = event;
        match body {
            IoBody::Connected { link, .. } => self.node.connected(venue, link, received),
            IoBody::Frame { link, mut bytes } => {
                let begun = self.clock.now();
                self.latency.queue.record(begun.since(received));
                self.last_frame = Some(received);
                self.node.frame(venue, link, received, &mut bytes);
                self.latency.decode.record(self.clock.now().since(begun));
            }
            IoBody::Lost { link, reason, detail } => {
                tracing::info!(venue = venue.0, ?link, ?reason, detail, "link lost");
                if reason != LossReason::ClosedByUs {
                    let name = self.node.engine().tables().venue(venue);
                    self.said.push(format!("{name}: {} link lost ({}); a new one is opened", link.role, reason.as_str()));
                }
                self.node.lost(venue, link, received, reason);
            }
            IoBody::Response { ticket, outcome } => match outcome {
                HttpOutcome::Http { status, headers, mut body } => {
                    let response = Response::Http { status, headers: &headers, body: &mut body };
                    self.node.response(venue, ticket, received, response);
                }
                HttpOutcome::Failed(failure) => self.node.response(venue, ticket, received, Response::Failed(failure)),
            },
        }
    }

    fn control(&mut self, control: Control, stopping: &mut Option<MonoNanos>, options: &mut RunOptions) -> Flow {
        let now = self.clock.now();
        match control {
            // In force already when the file that the command wrote was seen before the command.
            Control::Halt(reason) if self.node.engine().latches().any(|holding| holding == reason) => {}
            Control::Halt(reason) => self.node.operator(now, OperatorCommand::Halt { reason }),
            Control::Resume(why) => {
                tracing::warn!(why, "the kill latch is cleared by request");
                let text = format!("a person resumed: {why}");
                options.alerts.bus().raise(Alert::now(Level::Info, "resume", StopReason::Operator.as_str(), text));
                self.node.operator(now, OperatorCommand::Resume);
            }
            Control::Drain => self.node.operator(now, OperatorCommand::Drain),
            Control::Flatten => self.node.operator(now, OperatorCommand::Flatten),
            Control::Reload(read) => self.reload(*read, options),
            Control::Stop if self.asked_to_end => return Flow::EndNow,
            Control::Stop => {
                self.asked_to_end = true;
                // The end of `--for` or a refused key may have begun it.
                if stopping.is_none() {
                    self.begin_stop(stopping, OperatorCommand::Stop);
                }
            }
        }
        Flow::GoOn
    }

    /// Puts a configuration that was read again in force, all of it or nothing.
    fn reload(&mut self, read: Result<crate::config::Loaded, String>, options: &mut RunOptions) {
        let told = match read {
            Err(why) => ("refused", format!("the configuration is refused, the old one stays in force: {why}")),
            Ok(new) => match reload::compare(&options.running, &new, self.node.engine().tables()) {
                Reload::Same => ("same", "the configuration was read again: nothing differs".into()),
                Reload::Refused { keys } => {
                    let keys = keys.join(", ");
                    (
                        "refused",
                        format!(
                            "the configuration is refused, the old one stays in force: {keys} can't change while the engine runs; restart for it"
                        ),
                    )
                }
                Reload::Patch { keys, patch } => {
                    self.node.push(self.clock.now(), Input::Config(*patch));
                    options.running = new.config;
                    ("applied", format!("the configuration was read again: {} in force", keys.join(", ")))
                }
            },
        };
        let (reason, text) = told;
        options.view.event(&text, wall());
        options.alerts.bus().raise(Alert::now(Level::Info, "config", reason, text));
    }

    fn begin_stop(&mut self, stopping: &mut Option<MonoNanos>, command: OperatorCommand) {
        let now = self.clock.now();
        *stopping = Some(now);
        self.node.operator(now, command);
    }

    /// Steps the engine until nothing is pending, and puts out what it wants sent.
    fn turn(&mut self) {
        self.pump();
        loop {
            let begun = self.clock.now();
            self.stages.begin(begun);
            if !self.node.step(begun) {
                break;
            }
            for (histogram, nanos) in self.latency.stages.iter_mut().zip(self.stages.take()) {
                if let Some(nanos) = nanos {
                    histogram.record(nanos);
                }
            }
            self.pump();
        }
        self.last_frame = None;
        for nanos in self.node.take_order_round_trips() {
            self.latency.order_round_trip.record(nanos);
        }
    }

    fn pump(&mut self) {
        loop {
            let begun = self.clock.now();
            let Some((venue, transmit)) = self.node.poll_transmit(begun, self.clock.wall()) else { break };
            let order = matches!(&transmit, Transmit::Request { order: true, .. } | Transmit::Frame { order: true, .. });
            if let Some(io) = self.ios.get_mut(venue.index()) {
                io.perform(transmit);
            }
            if order {
                let done = self.clock.now();
                self.latency.encode.record(done.since(begun));
                if let Some(frame) = self.last_frame {
                    self.latency.tick_to_order.record(done.since(frame));
                }
            }
        }
    }
}
