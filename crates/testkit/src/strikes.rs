//! What happens to a run: faults as they strike, the end of faults, people, sleep and endings of the process. The loop itself is in
//! [`crate::simulation`].

use crate::faults::{Death, Event};
use crate::incidents::{self, Person};
use crate::judge::Violation;
use crate::simulation::{DEATH_WAITS_NS, Ending, PlannedDeath, READ_AFTER_HOLD_NS, Simulation, Sleep};
use crate::venues::{Bounds, heal_world, snatch};
use domain::time::SECOND;
use domain::{ConfigPatch, Input, OperatorCommand, Rate, StopKind, StopReason, VenueId};
use sim_exchange::core::{FeeDebit, TradeStatus};
use sim_exchange::faults::{Faults, TimedFault};
use sim_exchange::reading::Asked;

/// A process that was told to end and has not ended after this long is killed, as a supervisor would.
const GRACE_NS: u64 = 5 * SECOND;
/// After the faults end, a person looks this often whether something waits for one.
const PERSON_LOOKS_NS: u64 = 5 * SECOND;

impl Simulation {
    /// Faults that are there all the time, or that a venue plays by itself.
    pub(crate) fn note_standing_faults(&mut self) {
        let faults = &self.config.faults;
        let venue = &faults.venue;
        let standing = [
            (2, venue.stale_book_replies > 0),
            (1, !venue.skip_book_delta.is_empty()),
            (13, !venue.drop_reply_after_order.is_empty()),
            (33, !venue.fail_reply_after_order.is_empty()),
            (15, faults.order_hidden_ns > 0),
            (17, faults.slow_acknowledgements),
            (29, faults.balances_stale_ns > 0),
            (39, self.config.venues.iter().any(|venue| venue.socket_life.is_some())),
            (36, self.config.wall_offset_ns != 0),
            (40, faults.latency_ns != crate::faults::FaultMix::none().latency_ns),
        ];
        let at_once = |fault| incidents::waiting(fault, &Faults::default()).is_none();
        let speech = &self.setup.speech;
        let known = |venue: usize, number| speech.get(venue).is_some_and(|speech| speech.reading.knows_fault(number));
        // A fault that means nothing at a venue was not met there.
        let standing = standing.map(|(number, on)| (number, on && (0..speech.len()).any(|venue| known(venue, number))));
        let timed = faults.timed.iter().map(|(venue, entry)| {
            let number = incidents::number_of(&entry.fault);
            (number, at_once(&entry.fault) && known(*venue, number))
        });
        let struck: Vec<u8> = standing.into_iter().chain(timed).filter(|(_, on)| *on).map(|(number, _)| number).collect();
        for number in struck {
            self.struck.hit(number);
        }
    }

    /// Faults that waited for an order or an answer, and found one.
    fn note_met_faults(&mut self) {
        for venue in 0..self.world.venue_count() {
            let Some(on) = self.world.conditions(venue) else { continue };
            let faults = &*on.faults;
            let mut sums: Vec<(std::mem::Discriminant<TimedFault>, u8, u32, u32)> = Vec::new();
            for (_, entry) in self.config.faults.timed.iter().filter(|(at, _)| *at == venue) {
                let Some((asked, waits)) = incidents::waiting(&entry.fault, faults) else { continue };
                let kind = std::mem::discriminant(&entry.fault);
                match sums.iter_mut().find(|(of, ..)| *of == kind) {
                    Some((.., sum, _)) => *sum += asked,
                    None => sums.push((kind, incidents::number_of(&entry.fault), asked, waits)),
                }
            }
            for (_, number, asked, waits) in sums {
                (waits..asked).for_each(|_| self.struck.hit(number));
                // An order that the venue took on other terms pauses until a person has looked.
                self.person_needed |= number == 24 && waits < asked;
            }
        }
    }

    pub(crate) fn heal(&mut self) -> Result<(), Violation> {
        self.say(|| "faults end".into());
        self.script.clear();
        self.healing = true;
        self.death = None;
        self.wires.heal();
        self.silent = 0;
        self.note_met_faults();
        heal_world(&mut self.world);
        for venue in 0..self.world.venue_count() {
            for pair in 0..self.config.pairs.len() {
                self.set_closed(venue, pair, false);
            }
        }
        if let Some(asleep) = &mut self.asleep {
            asleep.until = self.t_ns;
        }
        // The disk has room again, whatever it was; and a person comes, as one has to where the engine waits for one.
        self.script.push_back((self.t_ns, Event::Disk { low: false }));
        // A market that pays on and on is never quiet: from halfway through no new deals are ordered. A resume would end that, so it is
        // ordered again with each.
        let drain_after = self.config.heal_max_ns / 2;
        let banned_ns = self.judge.wire.banned_until().map_or(0, |until| until.saturating_sub(self.t_ns) + READ_AFTER_HOLD_NS);
        let looks = self.config.heal_max_ns.max(banned_ns) / PERSON_LOOKS_NS;
        for after in (1..looks).map(|look| look * PERSON_LOOKS_NS) {
            let at = self.t_ns + after;
            self.script.push_back((at, Event::Person(Person::Resume)));
            if after >= drain_after {
                self.script.push_back((at, Event::Person(Person::Drain)));
            }
        }
        if let Some(process) = &self.process {
            process.state.spare_writes();
        }
        if self.process.as_ref().is_some_and(|process| process.state.has_failed()) {
            // Nothing but a start ends that.
            self.strike(Event::Terminate { down_ns: 0 });
            self.stirred = true;
        }
        if self.process.is_none() {
            self.start_process()?;
        }
        Ok(())
    }

    /// Whether something holds that only a person clears, beside the pause of the drain that the harness ordered itself.
    pub(crate) fn waits_for_person(&self) -> bool {
        let personal = [
            StopReason::Operator,
            StopReason::ForeignActivity,
            StopReason::LedgerDrift,
            StopReason::FeeDrift,
            StopReason::RulesChanged,
            StopReason::StreamUnproven,
            StopReason::KeyRefused,
        ];
        let drained = self.drained;
        self.process.as_ref().is_some_and(|process| {
            let mut stops = process.node.engine().stops().list().iter();
            stops.any(|stop| match stop.kind {
                StopKind::Latch => true,
                StopKind::Pause => personal.contains(&stop.reason) && !(drained && stop.reason == StopReason::Operator),
                StopKind::Freeze => false,
            })
        })
    }

    /// Whether openings wait for a person because a private stream told nothing twice (F28).
    fn stream_is_mute(&self) -> bool {
        let mute = |stop: &risk::Stop| (stop.kind, stop.reason) == (StopKind::Pause, StopReason::StreamUnproven);
        self.process.as_ref().is_some_and(|process| process.node.engine().stops().list().iter().any(mute))
    }

    /// Whether openings of a pair wait for a person because a venue refused three of them: where a fault refused orders for their figures or
    /// their market, or closed the pair (F22, F11). A pair of the venue alone is paused so; nothing else is forgiven.
    fn openings_are_refused(&self) -> bool {
        let refused =
            |stop: &risk::Stop| (stop.kind, stop.reason) == (StopKind::Pause, StopReason::RulesChanged) && stop.pair.is_some();
        let waits = self.process.as_ref().is_some_and(|process| process.node.engine().stops().list().iter().any(refused));
        waits && self.struck.count(22) + self.struck.count(11) > 0
    }

    /// Somebody faster takes what a placement was to take (F53), before it arrives.
    pub(crate) fn snatch(&mut self, venue: usize, asked: Option<Asked>) {
        if self.config.faults.hostile == 0 || !self.wires.somebody_is_faster() {
            return;
        }
        let Some(asked) = asked else { return };
        let Some(pair) = self.setup.pair_of(&asked.pair).and_then(|pair| self.setup.name_of(pair)) else { return };
        if snatch(&mut self.world, venue, pair, asked.side, asked.price, asked.amount) {
            self.struck.hit(53);
            self.struck.hit(19);
            // The next order may change the book again at this very instant.
            self.judge.books.record(&self.world);
        }
    }

    /// The process runs again: what waited for it arrives all at once.
    pub(crate) fn wake(&mut self) -> Result<(), Violation> {
        let Some(asleep) = self.asleep.take() else { return Ok(()) };
        self.say(|| "the process runs again".into());
        self.stirred = true;
        if let Some(process) = self.process.as_mut().filter(|_| asleep.notices) {
            let now = process.mono(self.t_ns);
            process.node.paused(now);
            self.judge.deliveries.new_process();
        }
        self.judge.feeds.new_life();
        for arrival in asleep.buffered {
            // What was buffered while it slept is old: it is not what an order may be decided on.
            self.arrive_at_engine(arrival, !asleep.notices)?;
        }
        Ok(())
    }

    /// A process that was told to end: ends in order, or is killed when its grace time is over.
    pub(crate) fn end_process(&mut self) -> Result<(), Violation> {
        let Some(ending) = self.ending else { return Ok(()) };
        let finished = self.process.as_ref().is_some_and(|process| process.node.finished());
        if !finished && ending.killed_at > self.t_ns {
            return Ok(());
        }
        self.ending = None;
        let Some(mut process) = self.process.take() else { return Ok(()) };
        self.say(|| format!("the engine ends, finished: {finished}"));
        if finished {
            process.node.close(process.mono(self.t_ns), true);
        }
        process.leave_logs(&mut self.logs);
        self.count_life(&process);
        self.epochs.push((process.epoch, finished && process.node.state_log_ok()));
        (self.asleep, self.death) = (None, None);
        self.wires.abandon(self.t_ns);
        self.restart_at = Some(self.t_ns + ending.down_ns);
        Ok(())
    }

    pub(crate) fn strike(&mut self, event: Event) {
        self.say(|| format!("strikes {event:?}"));
        match event {
            Event::Cut { venue, role } => self.wires.cut(self.t_ns, VenueId(venue as u8), role),
            Event::Refuse { venue, on } => self.wires.refuse(venue, on),
            Event::Silence { venue, pair, on } => {
                if on {
                    self.silent += 1;
                    self.struck.hit(if pair.is_some() { 7 } else { 6 });
                } else {
                    self.silent = self.silent.saturating_sub(1);
                }
                let name = pair.and_then(|index| self.config.pairs.get(index)).cloned();
                for index in 0..self.world.venue_count() {
                    if venue.is_none_or(|only| only == index)
                        && let Some(conditions) = self.world.conditions(index)
                    {
                        let faults = conditions.faults;
                        match &name {
                            Some(name) => {
                                faults.silent_pairs.retain(|silent| silent != name);
                                faults.silent_pairs.extend(on.then(|| name.clone()));
                            }
                            None => faults.silent_feed = on,
                        }
                    }
                }
            }
            Event::Mute { venue, on } => self.wires.mute(venue, on),
            Event::Person(what) => self.person(what),
            Event::Disk { low } => {
                self.struck.hit(if low { 45 } else { 0 });
                if let Some(process) = &mut self.process {
                    let now = process.mono(self.t_ns);
                    process.node.push(now, Input::Storage { low });
                }
            }
            Event::LogFails => {
                if let Some(process) = &self.process {
                    process.state.fail_next_write();
                    self.struck.hit(45);
                }
            }
            Event::Terminate { down_ns } => {
                let Some(process) = self.process.as_mut().filter(|_| self.ending.is_none()) else { return };
                let now = process.mono(self.t_ns);
                process.node.operator(now, OperatorCommand::Stop);
                self.struck.hit(55);
                self.ending = Some(Ending { killed_at: self.t_ns + GRACE_NS, down_ns });
            }
            Event::WallStep { by_ns } => {
                if let Some(process) = &mut self.process {
                    process.step_wall(by_ns);
                    self.struck.hit(37);
                    self.struck.hit(36);
                }
            }
            Event::WallDrift { ppb } => {
                if let Some(process) = &mut self.process {
                    process.drift_wall(ppb);
                    self.struck.hit(36);
                }
            }
            Event::Sleep { for_ns } | Event::Slow { for_ns } => {
                if self.process.is_some() && self.asleep.is_none() {
                    let notices = matches!(event, Event::Sleep { .. });
                    self.struck.hit(if notices { 38 } else { 8 });
                    self.asleep = Some(Sleep { until: self.t_ns + for_ns, notices, buffered: Vec::new() });
                }
            }
            Event::Closed { venue, pair, on } => {
                self.struck.hit(11);
                self.set_closed(venue, pair, on);
            }
            Event::Fees { venue, taker_bps } => {
                let account = self.world.account(venue);
                let taker = rust_decimal::Decimal::new(i64::from(taker_bps), 4);
                let fees = sim_exchange::core::FeeRates { maker: taker, taker };
                if self.world.exchange_mut(venue).set_fees(account, fees).is_ok() {
                    self.struck.hit(21);
                    self.person_needed = true;
                }
            }
            Event::FeeToken { venue, on } => {
                let account = self.world.account(venue);
                let debit = if on { FeeDebit::Gt } else { FeeDebit::Received };
                self.world.exchange_mut(venue).set_fee_debit(account, debit);
                self.struck.hit(21);
                self.person_needed = true;
            }
            Event::Stranger { venue, pair, pays_in } => self.stranger(venue, pair, pays_in),
            Event::Patch { limits, min_edge_bps, collar_bps } => {
                let Some(process) = &mut self.process else { return };
                let bps = |n| Rate::from_bps(i64::from(n)).expect("Invariant: a drawn rate is small");
                let patch = self.setup.engine.patch();
                let patch = ConfigPatch {
                    min_edge: bps(min_edge_bps),
                    collar: bps(collar_bps),
                    order_value_max: limits.order_value_max,
                    deal_value_max: limits.deal_value_max,
                    unhedged_value_max: limits.unhedged_value_max,
                    open_deals_max: limits.open_deals_max,
                    orders_per_second_max: limits.orders_per_second_max,
                    ..patch
                };
                let now = process.mono(self.t_ns);
                // It is of the batch of this very instant: what is decided from now on is decided by it.
                process.node.push(now, Input::Config(patch));
                self.judge.bounds_changed(Bounds { limits, collar: bps(collar_bps), ..self.setup.bounds() });
                self.struck.hit(49);
            }
            Event::Crash { death, down_ns } => {
                self.struck.hit(43);
                let Some(process) = self.process.as_ref().filter(|_| self.death.is_none()) else { return };
                let at_the_latest = if death == Death::Between { self.t_ns } else { self.t_ns + DEATH_WAITS_NS };
                if let Death::InWrite { torn_bytes } = death {
                    process.state.die_at_intent(torn_bytes);
                }
                self.death = Some(PlannedDeath { death, down_ns, at_the_latest, orders_left: None });
            }
        }
    }

    pub(crate) fn person(&mut self, what: Person) {
        let Some(process) = &mut self.process else {
            // Nobody hears it; the latch's file is engaged all the same.
            if what == Person::Halt {
                self.latch = Some(StopReason::Operator);
                self.person_needed = true;
            }
            return;
        };
        let now = process.mono(self.t_ns);
        match what {
            Person::Halt => {
                process.node.operator(now, OperatorCommand::Halt { reason: StopReason::Operator });
                self.judge.alerts.halt_ordered(StopReason::Operator);
                self.latch = Some(StopReason::Operator);
                self.latched_at = Some(self.t_ns);
                self.person_needed = true;
                self.struck.hit(54);
            }
            Person::Drain | Person::Flatten => {
                let command = if what == Person::Drain { OperatorCommand::Drain } else { OperatorCommand::Flatten };
                process.node.operator(now, command);
                if self.healing {
                    self.drained = true;
                } else {
                    self.person_needed = true;
                    self.struck.hit(54);
                }
            }
            Person::Resume => {
                if !self.waits_for_person() || !(self.person_needed || self.stream_is_mute() || self.openings_are_refused()) {
                    return;
                }
                let Some(process) = &mut self.process else { return };
                process.node.operator(now, OperatorCommand::Resume);
                self.judge.alerts.resume_ordered();
                (self.latch, self.latched_at) = (None, None);
            }
        }
    }

    pub(crate) fn set_closed(&mut self, venue: usize, pair: usize, closed: bool) {
        let Some(name) = self.config.pairs.get(pair) else { return };
        let exchange = self.world.exchange_mut(venue);
        let Some(pair) = exchange.pair_by_name(name) else { return };
        let status = if closed { TradeStatus::Untradable } else { TradeStatus::Tradable };
        if exchange.trade_status(pair) != status {
            exchange.set_trade_status(pair, status);
        }
    }

    /// Somebody trades by hand on our account, or pays in.
    pub(crate) fn stranger(&mut self, venue: usize, pair: usize, pays_in: bool) {
        let Some(name) = self.config.pairs.get(pair).cloned() else { return };
        let account = self.world.account(venue);
        let now = self.world.now();
        let exchange = self.world.exchange_mut(venue);
        let Some(pair) = exchange.pair_by_name(&name) else { return };
        let done = if pays_in {
            let asset = exchange.pair(pair).base;
            exchange.deposit(now, account, asset, rust_decimal::Decimal::new(15, 1)).is_ok()
        } else {
            let Some(ask) = exchange.book(pair).best(sim_exchange::core::Side::Buy.opposite()) else { return };
            let order = sim_exchange::core::NewOrder {
                account,
                pair,
                side: sim_exchange::core::Side::Buy,
                kind: sim_exchange::core::OrderKind::Limit,
                time_in_force: sim_exchange::core::TimeInForce::Ioc,
                price: ask.price,
                amount: ask.amount,
                text: None,
            };
            exchange.place(now, order).is_ok()
        };
        if done {
            self.judge.books.record(&self.world);
            self.struck.hit(31);
            self.judge.orders.strangers = true;
            self.person_needed = true;
        }
    }
}
