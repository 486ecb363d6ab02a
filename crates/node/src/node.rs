//! [`Node`]: sessions, decider and logs. Start at [`Node::step`].

use crate::decider::Decider;
use crate::recover::{SETTLED_NOTE, latch_note, mute_note};
use domain::mutants::{self, Mutant};
use domain::{
    Command, Input, MonoNanos, Notice, OperatorCommand, OrderReport, OrderSource, OrderUpdate, Purpose, StopKind, StopReason,
    UnixNanos, VenueId,
};
use engine_core::{Engine, Outputs};
use journal::{LogError, LogSink, Record};
use std::collections::VecDeque;
use venue::{LinkId, LossReason, Response, SessionStats, Ticket, Transmit, VenueSession};

/// Inputs taken into one batch at most; what is left goes into the next.
pub const BATCH_INPUTS_MAX: usize = 1024;

/// Order round trips kept for whoever measures; further ones are dropped until they are taken.
const ROUND_TRIPS_KEPT: usize = 256;

/// The two logs of a run.
pub struct NodeLogs {
    /// Everything recovery reads: inputs that are not market data, and intents.
    pub state: Box<dyn LogSink + Send>,
    /// Books, ticks and batch marks; `None` when the run need not be replayable.
    pub market: Option<Box<dyn LogSink + Send>>,
}

/// A running node. See the crate's documentation.
pub struct Node {
    sessions: Vec<Box<dyn VenueSession>>,
    decider: Decider,
    logs: NodeLogs,
    pending: VecDeque<(MonoNanos, Input)>,
    scratch: Vec<Input>,
    notices: Vec<Notice>,
    /// Nanoseconds from handing a placement over to its answer, by either way.
    order_round_trips: Vec<u64>,
    delayed_intents: Vec<Record>,
    sequence: u64,
    state_failed: bool,
    market_failed: bool,
}

impl Node {
    /// A node over these sessions (in venue order), engine and logs. The numbering starts at 1.
    pub fn new(sessions: Vec<Box<dyn VenueSession>>, engine: Engine, logs: NodeLogs) -> Node {
        for (index, session) in sessions.iter().enumerate() {
            assert_eq!(session.venue().index(), index, "Invariant: sessions stand in venue order");
        }
        Node {
            sessions,
            decider: Decider::new(engine),
            logs,
            pending: VecDeque::new(),
            scratch: Vec::new(),
            notices: Vec::new(),
            order_round_trips: Vec::with_capacity(ROUND_TRIPS_KEPT),
            delayed_intents: Vec::new(),
            sequence: 0,
            state_failed: false,
            market_failed: false,
        }
    }

    /// Starts all sessions.
    pub fn start(&mut self, now: MonoNanos) {
        for session in &mut self.sessions {
            session.start(now);
        }
    }

    /// Queues an input that does not come from a session: rules, ticks, operator commands.
    pub fn push(&mut self, received: MonoNanos, input: Input) {
        self.pending.push_back((received, input));
    }

    /// Queues an operator command.
    pub fn operator(&mut self, now: MonoNanos, command: OperatorCommand) {
        self.push(now, Input::Operator(command));
    }

    fn with_session(&mut self, venue: VenueId, now: MonoNanos, call: impl FnOnce(&mut dyn VenueSession, &mut Vec<Input>)) {
        if let Some(session) = self.sessions.get_mut(venue.index()) {
            call(session.as_mut(), &mut self.scratch);
            for input in &self.scratch {
                if let Input::RoundTrip(trip) = input
                    && trip.order
                    && self.order_round_trips.len() < ROUND_TRIPS_KEPT
                {
                    self.order_round_trips.push(trip.nanos);
                }
            }
            self.pending.extend(self.scratch.drain(..).map(|input| (now, input)));
        }
    }

    /// A link is up.
    pub fn connected(&mut self, venue: VenueId, link: LinkId, now: MonoNanos) {
        self.with_session(venue, now, |session, updates| session.handle_connected(link, now, updates));
    }

    /// A frame came in; `now` is its receive time.
    pub fn frame(&mut self, venue: VenueId, link: LinkId, now: MonoNanos, bytes: &mut [u8]) {
        self.with_session(venue, now, |session, updates| session.handle_frame(link, now, bytes, updates));
    }

    /// A link is gone.
    pub fn lost(&mut self, venue: VenueId, link: LinkId, now: MonoNanos, reason: LossReason) {
        self.with_session(venue, now, |session, updates| session.handle_lost(link, now, reason, updates));
    }

    /// An answer came, or it is certain that none will.
    pub fn response(&mut self, venue: VenueId, ticket: Ticket, now: MonoNanos, response: Response<'_>) {
        self.with_session(venue, now, |session, updates| session.handle_response(ticket, now, response, updates));
    }

    /// The process was suspended: to be told before any buffered frame.
    pub fn paused(&mut self, now: MonoNanos) {
        for index in 0..self.sessions.len() {
            self.with_session(VenueId(index as u8), now, |session, updates| session.handle_paused(now, updates));
        }
    }

    /// Calls every session whose time has come.
    pub fn timeouts(&mut self, now: MonoNanos) {
        for index in 0..self.sessions.len() {
            if self.sessions[index].poll_timeout().is_some_and(|due| due <= now) {
                self.with_session(VenueId(index as u8), now, |session, updates| session.handle_timeout(now, updates));
            }
        }
    }

    /// True when inputs wait for a step.
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Inputs that wait for a step.
    pub fn pending_inputs(&self) -> usize {
        self.pending.len()
    }

    /// Collect → apply → decide → publish, once. Returns true when there was anything to do.
    ///
    /// The engine also decides when its own deadline has come, with an empty batch.
    pub fn step(&mut self, now: MonoNanos) -> bool {
        // Asked only where nothing else calls for a step: it looks at every open order, deal and venue.
        let due = || self.decider.engine().next_deadline().is_some_and(|deadline| deadline <= now);
        if self.pending.is_empty() && !due() {
            return false;
        }
        let take = self.pending.len().min(BATCH_INPUTS_MAX);
        let batch: Vec<(MonoNanos, Input)> = self.pending.drain(..take).collect();
        let batch_now = self.decider.batch_now(now, batch.iter().map(|(received, _)| *received));
        let output = self.decider.step(batch_now, batch.iter().map(|(received, input)| (*received, input)));
        self.log_batch(batch_now, batch, &output);
        self.notices.extend(output.notices);
        for command in output.commands {
            self.publish(batch_now, command);
        }
        true
    }

    /// Writes the batch: inputs, then intents, then the latches and lasting pauses that it set by time, then the batch mark. The state log is flushed to
    /// the kernel before any command goes on.
    fn log_batch(&mut self, batch_now: MonoNanos, batch: Vec<(MonoNanos, Input)>, output: &Outputs) {
        let mut state = std::mem::take(&mut self.delayed_intents);
        let mut market = Vec::new();
        // The market log is handed on at ticks: nothing waits for it.
        let tick = batch.iter().any(|(_, input)| matches!(input, Input::Tick { .. }));
        for (received, input) in batch {
            self.sequence += 1;
            let is_state = input.is_state();
            let record = Record::Input { seq: self.sequence, received, input };
            if is_state { state.push(record) } else { market.push(record) }
        }
        for command in &output.commands {
            if let Command::Place(order) = command {
                self.sequence += 1;
                let record = Record::Intent { seq: self.sequence, order: *order };
                // A planted bug: the intent comes too late (I9).
                if mutants::active(Mutant::SendBeforeLog) { self.delayed_intents.push(record) } else { state.push(record) }
            }
        }
        for notice in &output.notices {
            if let Notice::Stopped { kind: StopKind::Latch, reason, .. } = notice
                && self.decider.engine().latches().any(|holding| holding == *reason)
            {
                self.sequence += 1;
                state.push(Record::Note { seq: self.sequence, text: latch_note(*reason) });
            }
            if let Notice::Stopped { kind: StopKind::Pause, reason: StopReason::StreamUnproven, venue: Some(venue), .. } = notice
            {
                let engine = self.decider.engine();
                // A person may have ended it in the same batch.
                if engine.stops().holds(StopKind::Pause, StopReason::StreamUnproven, Some(*venue), None) {
                    self.sequence += 1;
                    let text = mute_note(engine.tables().venue(*venue));
                    state.push(Record::Note { seq: self.sequence, text });
                }
            }
        }
        market.push(Record::BatchEnd {
            batch: self.decider.batches(),
            last_seq: self.sequence,
            now: batch_now,
            output_hash: self.decider.output_hash(),
        });
        if !state.is_empty() && !self.state_failed && append_all(self.logs.state.as_mut(), &state, true).is_err() {
            self.state_failed = true;
            self.pending.push_back((batch_now, Input::LogFailed));
        }
        if let Some(log) = &mut self.logs.market
            && !self.market_failed
            && append_all(log.as_mut(), &market, tick).is_err()
        {
            // A lagging or failed market log marks the run as not replayable; trading goes on.
            self.market_failed = true;
        }
    }

    fn publish(&mut self, now: MonoNanos, command: Command) {
        if let Command::Place(order) = &command
            && self.state_failed
            && order.purpose == Purpose::Open
        {
            // No intent on record: an opening must not leave. Hedges and cancels go out all the same, they only reduce risk.
            let not_sent = OrderUpdate {
                venue: order.venue,
                pair: order.pair,
                client_id: Some(order.client_id),
                venue_order_id: None,
                source: OrderSource::Edge,
                received: now,
                requested: now,
                report: OrderReport::NotSent,
            };
            self.pending.push_back((now, Input::Order(not_sent)));
            return;
        }
        self.with_session(command.venue(), now, |session, updates| session.submit(now, &command, updates));
    }

    /// Next thing for the wire, by venue order. The caller polls until `None` after every event and step.
    pub fn poll_transmit(&mut self, now: MonoNanos, wall: UnixNanos) -> Option<(VenueId, Transmit)> {
        for index in 0..self.sessions.len() {
            let transmit = self.sessions[index].poll_transmit(now, wall, &mut self.scratch);
            self.pending.extend(self.scratch.drain(..).map(|input| (now, input)));
            if let Some(transmit) = transmit {
                return Some((VenueId(index as u8), transmit));
            }
        }
        None
    }

    /// When [`Node::timeouts`] and [`Node::step`] want to be called although nothing arrives.
    pub fn next_deadline(&self) -> Option<MonoNanos> {
        let sessions = self.sessions.iter().filter_map(|s| s.poll_timeout()).min();
        [sessions, self.decider.engine().next_deadline()].into_iter().flatten().min()
    }

    /// What there is to tell since the last call.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Round trips of placements since the last call, nanoseconds, whichever way they took; at most a few hundred are kept.
    pub fn take_order_round_trips(&mut self) -> impl Iterator<Item = u64> + '_ {
        self.order_round_trips.drain(..)
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        self.decider.engine()
    }

    /// The decider.
    pub fn decider(&self) -> &Decider {
        &self.decider
    }

    /// The engine, for recovery before the first step.
    pub fn engine_mut(&mut self) -> &mut Engine {
        self.decider.engine_mut()
    }

    /// Counters of each session, in venue order.
    pub fn session_stats(&self) -> impl Iterator<Item = &SessionStats> {
        self.sessions.iter().map(|s| s.stats())
    }

    /// True when the engine was told to stop and nothing is open any more.
    pub fn finished(&self) -> bool {
        self.decider.engine().finished()
    }

    /// False once the market log has holes.
    pub fn replayable(&self) -> bool {
        self.logs.market.is_some() && !self.market_failed
    }

    /// Gives the market log up, so that what room is left is the state log's. The run is not replayable from here on.
    pub fn end_market_log(&mut self, why: &'static str) {
        if let Some(log) = &mut self.logs.market
            && !self.market_failed
        {
            log.give_up(why);
            self.market_failed = true;
        }
    }

    /// False once the state log has failed.
    pub fn state_log_ok(&self) -> bool {
        !self.state_failed
    }

    /// Ends the run: closes open opportunities, asks the sessions to close their links, writes the end records. `clean` says that both logs
    /// are whole; that nothing is open any more, and a drain complete, only the engine knows, and the state log notes it.
    pub fn close(&mut self, now: MonoNanos, clean: bool) {
        let settled = clean && self.decider.engine().ended_settled();
        let output = self.decider.close();
        self.notices.extend(output.notices);
        for session in &mut self.sessions {
            session.shutdown(now);
        }
        let end = Record::End { seq: self.sequence, clean };
        let note = settled.then(|| Record::Note { seq: self.sequence, text: SETTLED_NOTE.into() });
        let state: Vec<Record> = note.into_iter().chain([end.clone()]).collect();
        if !self.state_failed && append_all(self.logs.state.as_mut(), &state, true).is_err() {
            self.state_failed = true;
        }
        if let Some(log) = &mut self.logs.market
            && append_all(log.as_mut(), &[end], true).is_err()
        {
            self.market_failed = true;
        }
    }
}

fn append_all(log: &mut dyn LogSink, records: &[Record], flush: bool) -> Result<(), LogError> {
    for record in records {
        log.append(record)?;
    }
    if flush { log.flush() } else { Ok(()) }
}
