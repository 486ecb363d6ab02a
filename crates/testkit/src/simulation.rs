//! The loop: one virtual clock that jumps to whatever happens next, on either side or between them.
//!
//! Start at [`Simulation::run`]. Phases: load under faults until `duration_ns`; heal (faults off, restart if dead) until everything
//! is known, flat and ready; stop; the checks of a run at rest; replay of every life of the engine.
//!
//! At one instant the order is: the venues move, arrivals land in the order they were sent, the script strikes, the engine gets its
//! tick and timers, then it steps until it has nothing more to do.

use crate::config::{START_T_NS, SimConfig};
use crate::coverage::Struck;
use crate::faults::{Death, Event};
use crate::judge::{Check, Invariant, Judge, Violation, at_rest, replay};
use crate::process::Process;
use crate::speech::crossing;
use crate::trace::Trace;
use crate::venues::{Setup, build_world};
use crate::wires::{Arrival, FaultCounts, Wires};
use domain::time::{MILLI, SECOND};
use domain::{Input, LinkRole, Notice, OperatorCommand, StopKind, StopReason, VenueId};
use journal::MemoryRun;
use sim_exchange::reading::{Crossing, RateWord};
use sim_exchange::world::{OutputBody, World, WsFrame};
use std::collections::VecDeque;
use venue::{LinkId, Response, Transmit};

/// How often the engine gets a tick.
const TICK_NS: u64 = 100 * MILLI;
/// Rounds of the loop at one instant before it counts as endless.
const ROUNDS_AT_ONE_TIME_MAX: u32 = 1_000;
/// Steps of the engine in one round before they count as endless.
const STEPS_IN_ONE_ROUND_MAX: u32 = 10_000;
/// A hold of a venue whose private stream is suspect (`executor::proof`) is over by then, with what it takes to begin one, and to find
/// hedges untold while it lasts.
const HELD_MAX_NS: u64 = 190 * SECOND;
/// A session that closes its private link, since that tells nothing, lets no opening pass for so long (`venue::desk`).
const LINK_HELD_NS: u64 = 65 * SECOND;
/// After a hold the account is read within this.
pub(crate) const READ_AFTER_HOLD_NS: u64 = 30 * SECOND;
/// A death that waits for an intent comes without one after this long.
pub(crate) const DEATH_WAITS_NS: u64 = 3 * SECOND;
/// Everything must stay quiet for this long before a healed run counts as converged.
const QUIET_NS: u64 = 300 * MILLI;

/// What a run amounted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// Virtual time, nanoseconds.
    pub simulated_ns: u64,
    /// Virtual time from the end of the faults until everything was known, flat and ready.
    pub healed_after_ns: u64,
    /// Whether no new deals had to be ordered for that: the market paid on and on.
    pub drained: bool,
    /// Lives of the engine.
    pub lives: u64,
    /// Deals closed, over all lives.
    pub deals: u64,
    /// Orders decided, over all lives.
    pub orders: u64,
    /// Orders that were unknown at some time.
    pub unknown: u64,
    /// Fills booked, over all lives.
    pub fills: u64,
    /// Hedges sent.
    pub hedges: u64,
    /// Opportunities counted.
    pub opportunities: u64,
    /// Live books compared with the venue's own.
    pub books_compared: u64,
    /// Batches that replay confirmed.
    pub batches_replayed: u64,
    /// Faults that struck.
    pub faults: FaultCounts,
    /// Faults that struck, by their numbers.
    pub struck: Struck,
    /// How long accepted orders whose reply was lost stayed unknown, nanoseconds.
    pub known_after: Vec<u64>,
    /// How long deals had exposure above dust, nanoseconds.
    pub unhedged: Vec<u64>,
    /// From a public link's coming up to trusted books, nanoseconds.
    pub feeds_recovered: Vec<u64>,
    /// The hash of everything that crossed the wires, of all commands, and of the final balances.
    pub trace: u128,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    deals: u64,
    unknown: u64,
    fills: u64,
    hedges: u64,
    opportunities: u64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct PlannedDeath {
    pub(crate) death: Death,
    pub(crate) down_ns: u64,
    pub(crate) at_the_latest: u64,
    /// Orders that may still leave; counts from the first intent on.
    pub(crate) orders_left: Option<u32>,
}

/// A process that does not run for a while.
pub(crate) struct Sleep {
    pub(crate) until: u64,
    /// It notices, and says that everything buffered is old.
    pub(crate) notices: bool,
    pub(crate) buffered: Vec<Arrival>,
}

/// A process that was told to end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    pub(crate) killed_at: u64,
    pub(crate) down_ns: u64,
}

/// A run in progress.
pub struct Simulation {
    pub(crate) config: SimConfig,
    pub(crate) t_ns: u64,
    pub(crate) world: World,
    pub(crate) wires: Wires,
    pub(crate) setup: Setup,
    pub(crate) logs: MemoryRun,
    pub(crate) process: Option<Process>,
    pub(crate) lives: u64,
    pub(crate) restart_at: Option<u64>,
    pub(crate) death: Option<PlannedDeath>,
    pub(crate) script: VecDeque<(u64, Event)>,
    pub(crate) next_tick: u64,
    pub(crate) judge: Judge,
    pub(crate) trace: Trace,
    pub(crate) tally: Tally,
    pub(crate) epochs: Vec<(u64, bool)>,
    pub(crate) asleep: Option<Sleep>,
    pub(crate) ending: Option<Ending>,
    /// The latch as its file holds it: it outlives the process.
    pub(crate) latch: Option<StopReason>,
    pub(crate) latched_at: Option<u64>,
    /// Venues whose public channels are silent by the script.
    pub(crate) silent: u32,
    /// What happened may need a person at the end.
    pub(crate) person_needed: bool,
    /// Faults have ended.
    pub(crate) healing: bool,
    /// When a session last closed its private link since then.
    private_closed: Option<u64>,
    /// After the faults a person ordered no new deals, so that a market which pays on and on does not keep the run from its rest.
    pub(crate) drained: bool,
    /// What reached the engine since its first order.
    pub(crate) arrivals: Option<u64>,
    pub(crate) struck: Struck,
    /// Something reached the engine since it last came to the end of its work.
    pub(crate) stirred: bool,
    /// When the engine wants to be called although nothing reaches it; true while it is not stirred.
    engine_due: Option<u64>,
    pub(crate) verbose: bool,
}

impl Simulation {
    /// Builds both sides and starts the engine.
    ///
    /// # Errors
    /// As [`Simulation::run`].
    pub fn new(config: SimConfig) -> Result<Simulation, Violation> {
        let mut world = build_world(&config);
        let setup = Setup::fetch(&config, &mut world);
        let script = config.faults.script.iter().map(|(at, event)| (START_T_NS + at, event.clone())).collect();
        let mut simulation = Simulation {
            t_ns: world.now(),
            wires: Wires::new(config.faults.clone(), config.seed, setup.speech.clone()),
            judge: Judge::new(&setup),
            world,
            setup,
            logs: MemoryRun::new(),
            process: None,
            lives: 0,
            restart_at: None,
            death: None,
            script,
            next_tick: 0,
            trace: Trace::default(),
            tally: Tally::default(),
            epochs: Vec::new(),
            asleep: None,
            ending: None,
            latch: None,
            latched_at: None,
            silent: 0,
            // An account whose fee token runs out pays other fees than it was told.
            person_needed: config.venues.iter().any(|venue| venue.fee_token.is_some()),
            healing: false,
            private_closed: None,
            drained: false,
            arrivals: None,
            struck: Struck::default(),
            stirred: true,
            engine_due: None,
            verbose: std::env::var_os("CROSSGATE_TRACE").is_some(),
            config,
        };
        simulation.note_standing_faults();
        let watched = simulation.judge.watch(&simulation.world);
        simulation.verdict(watched)?;
        simulation.start_process()?;
        Ok(simulation)
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn run(mut self) -> Result<Report, Violation> {
        let load_end = START_T_NS + self.config.duration_ns;
        self.run_until(load_end, |_| false)?;
        self.heal()?;
        let healed_from = self.t_ns;
        let mut until = healed_from + self.config.heal_max_ns;
        // When the last hold ends, or ended: one is not told of any more when it is over.
        let mut held = None;
        loop {
            let mut quiet_since = None;
            self.run_until(until, |sim| {
                held = held.max(sim.held_until().filter(|held| *held < healed_from + HELD_MAX_NS));
                if sim.unsettled().is_some() {
                    quiet_since = None;
                    return false;
                }
                sim.t_ns.saturating_sub(*quiet_since.get_or_insert(sim.t_ns)) >= QUIET_NS
            })?;
            // A private stream that told nothing holds its venue for a minute, on purpose, and a ban is kept as long as the venue said or
            // documents: the account is read within a time from their end, also when that came shortly before the end of the wait.
            match held.max(self.judge.wire.banned_until()).map(|held| held + READ_AFTER_HOLD_NS).filter(|read| *read > until) {
                Some(read) if self.unsettled().is_some() => until = read,
                _ => break,
            }
        }
        if let Some(what) = self.unsettled() {
            let ledger = self.process.as_ref().and_then(|process| at_rest::check_ledger(&process.node, &self.world).err());
            let ledger = ledger.map_or("the ledger is true".into(), |(_, text)| text);
            let after_s = self.t_ns.saturating_sub(healed_from) / SECOND;
            let text = format!("{after_s} s after the faults ended, {what}; {ledger}");
            return Err(self.violation(Invariant::Converges, text));
        }
        let healed_after_ns = self.t_ns - healed_from;
        self.stop()?;
        self.finish(healed_after_ns)
    }

    /// When the last hold of a venue for its private stream ends, as long as one lasts.
    fn held_until(&self) -> Option<u64> {
        let process = self.process.as_ref()?;
        let (now, executor) = (process.mono(self.t_ns), process.node.engine().executor());
        let held = self.venue_ids().filter_map(|venue| executor.held_until(venue)).max().filter(|held| *held > now);
        held.map(|held| self.t_ns + held.since(now)).max(self.private_closed.map(|at| at + LINK_HELD_NS))
    }

    fn venue_ids(&self) -> impl Iterator<Item = VenueId> {
        (0..self.world.venue_count()).map(|venue| VenueId(venue as u8))
    }

    fn unsettled(&self) -> Option<String> {
        match &self.process {
            Some(process) => at_rest::unsettled(&process.node, process.mono(self.t_ns), self.drained).or_else(|| {
                // What a stranger did to the balances is known when the engine has learnt it and a person has accepted it.
                let strangers = self.judge.orders.strangers;
                strangers.then(|| at_rest::check_ledger(&process.node, &self.world).err().map(|(_, text)| text)).flatten()
            }),
            None => Some("the engine is down".into()),
        }
    }

    fn stop(&mut self) -> Result<(), Violation> {
        let began = self.t_ns;
        self.script.clear();
        self.stirred = true;
        if let Some(process) = &mut self.process {
            let now = process.mono(self.t_ns);
            process.node.operator(now, OperatorCommand::Stop);
        }
        self.run_until(began + self.config.heal_max_ns, |sim| sim.process.as_ref().is_some_and(|p| p.node.finished()))?;
        if !self.process.as_ref().is_some_and(|p| p.node.finished()) {
            let what = self.process.as_ref().map(|p| {
                format!(
                    "{} open deals, {} unknown orders",
                    p.node.engine().executor().open_deals(),
                    p.node.engine().executor().unknown_orders()
                )
            });
            let text = format!(
                "{} s after it was told to stop, the engine has not finished: {}",
                self.config.heal_max_ns / SECOND,
                what.unwrap_or_default()
            );
            return Err(self.violation(Invariant::Converges, text));
        }
        Ok(())
    }

    fn finish(mut self, healed_after_ns: u64) -> Result<Report, Violation> {
        let Some(mut process) = self.process.take() else {
            return Err(self.violation(Invariant::Converges, "the engine is down".into()));
        };
        process.node.close(process.mono(self.t_ns), true);
        process.leave_logs(&mut self.logs);
        self.count_life(&process);
        self.epochs.push((process.epoch, true));
        for (epoch, _) in &self.epochs {
            for (what, bytes) in
                [("a state log", self.logs.state_bytes(*epoch)), ("a market log", self.logs.market_bytes(*epoch))]
            {
                self.verdict(self.judge.wire.check_kept(what, bytes.unwrap_or_default()))?;
            }
        }
        let at_rest = self.judge.check_at_rest(&process.node, &self.world, &self.logs);
        self.verdict(at_rest)?;
        let mut batches_replayed = 0;
        for (epoch, clean) in &self.epochs {
            match replay::check(&self.setup, &self.logs, *epoch, *clean) {
                Ok(batches) => batches_replayed += batches,
                Err((invariant, text)) => return Err(self.violation(invariant, text)),
            }
        }
        for venue in 0..self.world.venue_count() {
            let balances = self.world.balances(venue, self.world.venue(venue).user_id);
            self.trace.add(self.t_ns, 9, format!("{balances:?}").as_bytes());
        }
        let tally = self.tally;
        Ok(Report {
            seed: self.config.seed,
            simulated_ns: self.t_ns - START_T_NS,
            healed_after_ns,
            drained: self.drained,
            lives: self.lives,
            deals: tally.deals,
            orders: self.judge.orders.decided_count() as u64,
            unknown: tally.unknown,
            fills: tally.fills,
            hedges: tally.hedges,
            opportunities: tally.opportunities,
            books_compared: self.judge.books_compared(),
            batches_replayed,
            faults: self.wires.counts(),
            struck: {
                let mut struck = self.struck;
                struck.add(&self.wires.struck);
                struck
            },
            known_after: self.judge.known_after().to_vec(),
            unhedged: self.judge.exposures.unhedged().to_vec(),
            feeds_recovered: self.judge.feeds.recovered().to_vec(),
            trace: self.trace.value(),
        })
    }

    /// The loop, until `end` or until `done` says so. A run that reaches `end` has done everything that is due by then.
    fn run_until(&mut self, end: u64, mut done: impl FnMut(&Simulation) -> bool) -> Result<(), Violation> {
        let mut rounds = 0;
        loop {
            let next = self.next_event().map_or(end, |at| at.min(end)).max(self.t_ns);
            rounds = if next == self.t_ns { rounds + 1 } else { 0 };
            if rounds > ROUNDS_AT_ONE_TIME_MAX {
                return Err(self
                    .violation(Invariant::NoPanic, "time stands still: something is due again and again at one instant".into()));
            }
            self.t_ns = next;
            self.round()?;
            if done(self) || self.t_ns >= end && self.next_event().is_none_or(|at| at > end) {
                return Ok(());
            }
        }
    }

    fn next_event(&self) -> Option<u64> {
        let process = self.process.as_ref().filter(|_| self.asleep.is_none());
        let engine_due = if self.stirred { process.and_then(Process::next_deadline) } else { process.and(self.engine_due) };
        [
            self.asleep.as_ref().map(|asleep| asleep.until),
            self.ending.map(|ending| ending.killed_at),
            self.world.next_wakeup(),
            self.wires.next_due(),
            self.script.front().map(|(at, _)| *at),
            engine_due,
            process.map(|_| self.next_tick),
            self.process.as_ref().and(self.death).map(|death| death.at_the_latest),
            self.restart_at,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Everything that happens at one instant.
    fn round(&mut self) -> Result<(), Violation> {
        self.world.advance(self.t_ns);
        self.collect_outputs()?;
        if self.asleep.as_ref().is_some_and(|asleep| asleep.until <= self.t_ns) {
            self.wake()?;
        }
        while let Some(arrival) = self.wires.next_arrival(self.t_ns) {
            self.arrive(arrival)?;
        }
        while self.script.front().is_some_and(|(at, _)| *at <= self.t_ns) {
            if let Some((_, event)) = self.script.pop_front() {
                self.stirred = true;
                self.strike(event);
            }
        }
        if self.ending.is_some() {
            self.end_process()?;
        }
        if self.restart_at.is_some_and(|at| at <= self.t_ns) {
            self.start_process()?;
        }
        if self.death.is_some_and(|death| death.at_the_latest <= self.t_ns) {
            self.die()?;
        }
        if self.asleep.is_some() {
            return Ok(());
        }
        if let Some(process) = &mut self.process {
            let now = process.mono(self.t_ns);
            if self.next_tick <= self.t_ns {
                self.next_tick = self.t_ns + TICK_NS;
                let unix = process.wall(self.t_ns);
                process.node.push(now, Input::Tick { unix });
                self.stirred = true;
            }
            // Most instants are the market's alone: an engine that nothing reached, and that has no time to keep, has nothing to do.
            if !self.stirred && self.engine_due.is_none_or(|due| due > self.t_ns) {
                return Ok(());
            }
            process.node.timeouts(now);
        }
        self.drive()?;
        self.engine_due = self.process.as_ref().and_then(Process::next_deadline);
        self.stirred = false;
        Ok(())
    }

    /// Steps the engine until it has nothing more to do, and sends what it wants sent.
    fn drive(&mut self) -> Result<(), Violation> {
        self.transmit()?;
        for _ in 0..STEPS_IN_ONE_ROUND_MAX {
            let Some(process) = &mut self.process else { return Ok(()) };
            let now = process.mono(self.t_ns);
            if !process.node.step(now) {
                return Ok(());
            }
            if process.state.is_dead() {
                return self.die();
            }
            let (logged, notices) = (process.state.take_flushed(), process.node.take_notices());
            let decides = logged.iter().any(|entry| matches!(entry, crate::log_tap::Logged::Intent(_)));
            let (wires, silent, config) = (&self.wires, self.silent > 0, &self.config);
            let waits: Vec<bool> = (0..self.world.venue_count())
                .map(|venue| self.judge.wire.is_told_to_wait(VenueId(venue as u8), self.t_ns))
                .collect();
            let obstructed = |venue: VenueId| {
                let upgraded = config.venues.iter().any(|venue| venue.upgrade.is_some());
                silent || upgraded || waits.get(venue.index()) == Some(&true) || wires.feed_obstructed(venue)
            };
            let judged = self.judge.after_step(process, &self.world, (now, self.t_ns), &logged, &notices, obstructed);
            let hash = if decides { process.node.decider().output_hash() } else { [0; 32] };
            if self.verbose {
                let t = self.t_ns - START_T_NS;
                logged.iter().for_each(|entry| eprintln!("{:>10.6} log {entry:?}", t as f64 / 1e9));
                notices.iter().for_each(|notice| eprintln!("{:>10.6} say {notice:?}", t as f64 / 1e9));
            }
            for notice in &notices {
                // One that the same step ended is none: its file is gone, too.
                if let Notice::Stopped { kind: StopKind::Latch, reason, .. } = notice
                    && self.judge.alerts.latched()
                {
                    self.latch = Some(*reason);
                    self.latched_at = Some(self.t_ns);
                    self.person_needed = true;
                }
            }
            if decides {
                self.arrivals.get_or_insert(0);
                self.trace.add(self.t_ns, 1, &hash);
                if let Some(PlannedDeath { death: Death::AfterIntent { orders }, orders_left, .. }) = &mut self.death {
                    orders_left.get_or_insert(*orders);
                }
            }
            self.verdict(judged)?;
            self.transmit()?;
            if self.death.is_some_and(|death| death.orders_left.is_some()) {
                // Fewer orders left than were to leave: it dies all the same.
                return self.die();
            }
        }
        Err(self.violation(Invariant::NoPanic, "the engine steps without end".into()))
    }

    fn transmit(&mut self) -> Result<(), Violation> {
        loop {
            let Some(process) = &mut self.process else { return Ok(()) };
            let (now, wall) = (process.mono(self.t_ns), process.wall(self.t_ns));
            let Some((venue, transmit)) = process.node.poll_transmit(now, wall) else { return Ok(()) };
            let placed = match &transmit {
                Transmit::Request { request, order: true, .. } => {
                    Some(self.setup.speech[venue.index()].reading.placement(&crossing(request)))
                }
                Transmit::Frame { text, order: true, .. } => {
                    Some(self.setup.speech[venue.index()].reading.placement_in_frame(text.as_bytes()))
                }
                Transmit::Close(LinkId { role: LinkRole::Private, .. }) if self.healing => {
                    self.private_closed = Some(self.t_ns);
                    None
                }
                _ => None,
            };
            if let Some(placed) = placed {
                let text = placed.map(|asked| asked.client_id);
                if let Some(PlannedDeath { orders_left: Some(left), .. }) = &mut self.death {
                    if *left == 0 {
                        return self.die();
                    }
                    *left -= 1;
                }
                let blind = process.state.has_failed();
                let judged = self.judge.leaves(self.t_ns, venue, &transmit, Some(text.as_deref()), blind);
                self.verdict(judged)?;
            } else {
                let judged = self.judge.leaves(self.t_ns, venue, &transmit, None, false);
                self.verdict(judged)?;
            }
            self.trace_transmit(venue, &transmit);
            self.wires.send(self.t_ns, venue, transmit);
        }
    }

    fn trace_transmit(&mut self, venue: VenueId, transmit: &Transmit) {
        let mut bytes = vec![venue.0];
        match transmit {
            Transmit::Frame { text, .. } => bytes.extend_from_slice(text.as_bytes()),
            Transmit::Request { request, .. } => {
                for part in [&request.path, &request.query].into_iter().chain(request.headers.iter().map(|(_, value)| value)) {
                    bytes.extend_from_slice(part.as_bytes());
                    bytes.push(0);
                }
                bytes.extend_from_slice(&request.body);
            }
            Transmit::Open(link) | Transmit::Close(link) => bytes.extend_from_slice(format!("{link:?}").as_bytes()),
        }
        self.say(|| format!("out {} {transmit:?}{}", venue.0, body_text(transmit)));
        self.trace.add(self.t_ns, 2, &bytes);
    }

    fn collect_outputs(&mut self) -> Result<(), Violation> {
        let watched = self.judge.watch(&self.world);
        self.verdict(watched)?;
        while let Some(output) = self.world.poll_output() {
            let venue = output.venue as u8;
            match &output.body {
                OutputBody::Http { response, .. } => self.trace.add(self.t_ns, 3 + venue, &response.body),
                OutputBody::Ws { frame: WsFrame::Text(bytes), .. } => self.trace.add(self.t_ns, 5 + venue, bytes),
                OutputBody::Ws { .. } | OutputBody::WsClose { .. } => {}
            }
            self.wires.carry(self.t_ns, output);
        }
        Ok(())
    }

    fn arrive(&mut self, arrival: Arrival) -> Result<(), Violation> {
        match arrival {
            Arrival::Request { venue, number, request } => {
                if request.method == "POST" {
                    let at =
                        Crossing { method: &request.method, path: &request.path, query: &request.query, body: &request.body };
                    let asked = self.setup.speech[venue].reading.placement(&at);
                    self.snatch(venue, asked);
                }
                self.world.http(venue, number, request);
            }
            Arrival::Open { venue, conn, path } => self.world.ws_open(venue, conn, &path),
            Arrival::Frame { venue, conn, frame } => {
                if let sim_exchange::world::WsFrame::Text(bytes) = &frame {
                    let asked = self.setup.speech[venue].reading.placement_in_frame(bytes);
                    self.snatch(venue, asked);
                }
                self.world.ws_frame(venue, conn, frame);
            }
            Arrival::Closed { venue, conn } => self.world.ws_closed(venue, conn),
            to_engine => {
                if let Some(asleep) = &mut self.asleep {
                    asleep.buffered.push(to_engine);
                    return Ok(());
                }
                return self.arrive_at_engine(to_engine, true);
            }
        }
        self.collect_outputs()
    }

    pub(crate) fn arrive_at_engine(&mut self, arrival: Arrival, fresh: bool) -> Result<(), Violation> {
        if let (Some(count), Some(at)) = (&mut self.arrivals, self.config.terminate_at) {
            *count += 1;
            if *count == at {
                self.strike(Event::Terminate { down_ns: 200 * MILLI });
            }
        }
        self.stirred = true;
        let Some(process) = &mut self.process else { return Ok(()) };
        let now = process.mono(self.t_ns);
        if self.verbose {
            let t = (self.t_ns - START_T_NS) as f64 / 1e9;
            match &arrival {
                Arrival::Text { venue, link, bytes } => {
                    eprintln!("{t:>10.6} in {} {:?} {}", venue.0, link.role, String::from_utf8_lossy(bytes))
                }
                Arrival::Answer { venue, path, query, result: Ok(reply), .. } => {
                    eprintln!(
                        "{t:>10.6} in {} {path}?{query} {} {}",
                        venue.0,
                        reply.status,
                        String::from_utf8_lossy(&reply.body)
                    );
                }
                other => eprintln!("{t:>10.6} in {other:?}"),
            }
        }
        match arrival {
            Arrival::Connected { venue, link } => {
                self.judge.feeds.connected(venue, link.role, now);
                process.node.connected(venue, link, now);
            }
            Arrival::Text { venue, link, mut bytes } => {
                if fresh
                    && link.role == LinkRole::Public
                    && let Some(pair) =
                        self.setup.speech[venue.index()].reading.book_pair(&bytes).and_then(|name| self.setup.pair_of(name))
                {
                    self.judge.deliveries.arrived(venue, pair, now);
                }
                process.node.frame(venue, link, now, &mut bytes);
            }
            Arrival::Lost { venue, link, reason } => {
                // One of two during a handover is no loss of the other.
                if link.role == LinkRole::Public && !self.wires.is_up(venue, LinkRole::Public) {
                    self.judge.deliveries.link_lost(venue);
                }
                process.node.lost(venue, link, now, reason);
            }
            Arrival::Answer { venue, ticket, path, query, result } => match result {
                Ok(mut reply) => {
                    let judged = self.judge.wire.answered(self.t_ns, venue, ticket, Some(&reply));
                    if let Err((invariant, text)) = judged {
                        return Err(self.violation(invariant, text));
                    }
                    if self.setup.speech[venue.index()].reading.rate_word(&reply) != RateWord::None {
                        self.struck.hit(32);
                    }
                    if self.setup.speech[venue.index()].reading.refuses_order(&path, &reply) {
                        self.struck.hit(22);
                    }
                    let Some(process) = &mut self.process else { return Ok(()) };
                    if fresh
                        && reply.status == 200
                        && let Some(pair) = self.setup.speech[venue.index()]
                            .reading
                            .asked_book(&path, &query)
                            .and_then(|name| self.setup.pair_of(name))
                    {
                        self.judge.deliveries.arrived(venue, pair, now);
                    }
                    let response = Response::Http { status: reply.status, headers: &reply.headers, body: &mut reply.body };
                    process.node.response(venue, ticket, now, response);
                }
                Err(failure) => {
                    let _ = self.judge.wire.answered(self.t_ns, venue, ticket, None);
                    process.node.response(venue, ticket, now, Response::Failed(failure));
                }
            },
            Arrival::Request { .. } | Arrival::Open { .. } | Arrival::Frame { .. } | Arrival::Closed { .. } => {}
        }
        Ok(())
    }

    pub(crate) fn die(&mut self) -> Result<(), Violation> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        (self.asleep, self.ending) = (None, None);
        self.judge.exposures.last_words(process.node.take_notices());
        let down_ns = self.death.take().map_or(0, |death| death.down_ns);
        self.say(|| "the engine dies".into());
        process.leave_logs(&mut self.logs);
        self.count_life(&process);
        self.epochs.push((process.epoch, false));
        self.wires.abandon(self.t_ns);
        self.restart_at = Some(self.t_ns + down_ns);
        Ok(())
    }

    pub(crate) fn count_life(&mut self, process: &Process) {
        self.trace.add(self.t_ns, 8, &process.node.decider().output_hash());
        let report = process.node.engine().report();
        self.tally.deals += report.execution.deals_closed;
        self.tally.unknown += report.execution.orders_unknown_ever;
        self.tally.fills += report.execution.fills;
        self.tally.hedges += report.execution.hedges;
        self.tally.opportunities += report.opportunities;
    }

    pub(crate) fn start_process(&mut self) -> Result<(), Violation> {
        self.restart_at = None;
        self.lives += 1;
        self.say(|| "the engine starts".into());
        let started = Process::start(&self.setup, &mut self.logs, self.lives, self.t_ns, self.config.wall_offset_ns);
        let process =
            started.map_err(|text| self.violation(Invariant::Converges, format!("the engine does not start: {text}")))?;
        if self.epochs.iter().any(|(epoch, _)| *epoch >= process.epoch) {
            return Err(
                self.violation(Invariant::IdsUnique, format!("epoch {} is not above the epochs before it", process.epoch))
            );
        }
        let read = self.judge.orders.new_life(&self.logs);
        read.map_err(|text| self.violation(Invariant::Converges, text))?;
        self.judge.new_life(&self.setup, &process);
        let mut process = process;
        if let Some(reason) = self.latch {
            let now = process.mono(self.t_ns);
            process.node.operator(now, OperatorCommand::Halt { reason });
            self.judge.alerts.halt_ordered(reason);
        }
        self.process = Some(process);
        self.stirred = true;
        self.next_tick = self.t_ns + TICK_NS;
        Ok(())
    }

    pub(crate) fn verdict(&self, check: Check) -> Result<(), Violation> {
        check.map_err(|(invariant, text)| self.violation(invariant, text))
    }

    pub(crate) fn violation(&self, invariant: Invariant, text: String) -> Violation {
        Violation { invariant, at_ns: self.t_ns - START_T_NS, text }
    }

    pub(crate) fn say(&self, text: impl FnOnce() -> String) {
        if self.verbose {
            eprintln!("{:>10.6} {}", (self.t_ns - START_T_NS) as f64 / 1e9, text());
        }
    }
}

fn body_text(transmit: &Transmit) -> String {
    match transmit {
        Transmit::Request { request, .. } => String::from_utf8_lossy(&request.body).into_owned(),
        Transmit::Frame { text, .. } => format!(" {text}"),
        _ => String::new(),
    }
}
