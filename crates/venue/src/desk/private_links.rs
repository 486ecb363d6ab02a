//! The private link of a venue that tells everything of an account on one connection: what it is asked for until it tells, its proof of
//! life, and another connection before it ends.
//!
//! What a connection must be asked for is [`Wire::private_asks`], each after the answer to the one before; after the last a ping must be
//! answered, and only then the connection is proved (F28). A venue whose session keeps its private link by itself asks for nothing here
//! and says what it proved ([`Desk::private_link_is`]).
//!
//! Kept true:
//! 1. Every wait has a bound, at which the connection is closed and opened anew with jittered back-off. Everything is asked for, and
//!    signed, afresh on each.
//! 2. There are two places. On the venue's notice that it will close a connection, or before the connection reaches the age at which the
//!    venue does, the other one is opened and proved first; for a moment both are listened to, since ids tell what is said twice. As long
//!    as one proved connection listened at every moment, no loss is told. Balances carry no number, so only the connection in use tells
//!    them.
//! 3. A frame that can't be read may have been news: the connection is given up, and the engine reconciles.

use super::link::{PING_PERIOD_NS, RECONNECT, REFUSED, SILENCE_MAX_NS};
use super::wire::{Failure, PrivateAsk, PrivateNews, PrivateReply, PrivateTold, Wire};
use super::{Desk, Outgoing};
use crate::connection::{Connection, Phase};
use crate::json::Scope;
use crate::session::{LinkId, LossReason};
use domain::time::{MILLI, SECOND};
use domain::{ErrorClass, FrameReject, Input, LinkRole, LinkState, MonoNanos, ReadKind};

/// What is not answered in this time takes the connection down.
const ASK_TIMEOUT_NS: u64 = 5 * SECOND;
/// Both connections are kept this long after the new one is proved: what was on its way on the old one arrives.
const OVERLAP_NS: u64 = 500 * MILLI;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing is asked for.
    Idle,
    /// Waits for the answer to what is asked for at this step; past the last one that is a ping.
    Asked { step: usize, number: u64, at: MonoNanos },
    /// It tells.
    Proved { at: MonoNanos },
}

#[derive(Debug)]
struct Lane {
    conn: Connection,
    stage: Stage,
    /// The last try was refused: nothing about a key or a clock changes in milliseconds.
    refused: bool,
    next_ping: MonoNanos,
    replace_at: Option<MonoNanos>,
}

impl Lane {
    const fn new(shard: u8) -> Lane {
        Lane {
            conn: Connection::new(LinkId { role: LinkRole::Private, shard }),
            stage: Stage::Idle,
            refused: false,
            next_ping: MonoNanos(0),
            replace_at: None,
        }
    }

    fn is_proved(&self) -> bool {
        self.conn.is_open() && matches!(self.stage, Stage::Proved { .. })
    }

    fn next_timeout(&self) -> Option<MonoNanos> {
        match self.conn.phase {
            Phase::Off | Phase::Connecting | Phase::Closing => None,
            Phase::Waiting(at) => Some(at),
            Phase::Open => {
                let asked = if let Stage::Asked { at, .. } = self.stage { Some(at.after(ASK_TIMEOUT_NS)) } else { None };
                let fixed = [self.next_ping, self.conn.last_frame().after(SILENCE_MAX_NS)];
                fixed.into_iter().chain(asked).chain(self.replace_at).min()
            }
        }
    }
}

/// Both places of a desk's private link.
#[derive(Debug)]
pub(super) struct PrivateLinks {
    wanted: bool,
    lanes: [Lane; 2],
    /// The one in use.
    current: usize,
    /// The other one is to take over.
    replacing: bool,
    numbers: u64,
}

impl PrivateLinks {
    /// The private link of a session that has keys and asks for something on it, or none.
    pub(super) const fn new(wanted: bool) -> PrivateLinks {
        PrivateLinks { wanted, lanes: [Lane::new(0), Lane::new(1)], current: 0, replacing: false, numbers: 0 }
    }

    pub(super) const fn is_wanted(&self) -> bool {
        self.wanted
    }

    fn at(&self, slot: usize) -> &Lane {
        if slot == 0 { &self.lanes[0] } else { &self.lanes[1] }
    }

    fn at_mut(&mut self, slot: usize) -> &mut Lane {
        if slot == 0 { &mut self.lanes[0] } else { &mut self.lanes[1] }
    }

    fn slot_of(&self, id: LinkId) -> Option<usize> {
        self.lanes.iter().position(|lane| lane.conn.id == id)
    }

    fn switch_at(&self) -> Option<MonoNanos> {
        match self.at(1 - self.current) {
            Lane { stage: Stage::Proved { at }, conn, .. } if self.replacing && conn.is_open() => Some(at.after(OVERLAP_NS)),
            _ => None,
        }
    }

    pub(super) fn next_timeout(&self) -> Option<MonoNanos> {
        self.lanes.iter().filter_map(Lane::next_timeout).chain(self.switch_at()).min()
    }
}

impl<W: Wire> Desk<W> {
    pub(super) fn private_links_start(&mut self, now: MonoNanos) {
        let (slot, open_at) = (self.private_links.current, self.budgets.links_open_at());
        match self.private_links.wanted {
            true if now < open_at => self.private_links.at_mut(slot).conn.phase = Phase::Waiting(open_at),
            true => self.private_open(slot),
            false => {}
        }
    }

    fn private_open(&mut self, slot: usize) {
        let id = self.private_links.at_mut(slot).conn.open();
        self.queue_open(id);
    }

    /// Closes a connection; its loss decides whether it is opened again.
    fn private_close(&mut self, slot: usize) {
        let stopped = self.stopped;
        let lane = self.private_links.at_mut(slot);
        let id = lane.conn.id;
        match lane.conn.phase {
            Phase::Open => {
                lane.conn.phase = Phase::Closing;
                self.queue_close(id);
            }
            Phase::Connecting => {
                lane.conn.phase = Phase::Closing;
                if self.take_back_open(id) {
                    // The driver never heard of it, so no loss will be told.
                    let phase = if stopped { Phase::Off } else { Phase::Waiting(MonoNanos(0)) };
                    self.private_links.at_mut(slot).conn.phase = phase;
                } else {
                    self.queue_close(id);
                }
            }
            Phase::Waiting(_) if stopped => lane.conn.phase = Phase::Off,
            Phase::Waiting(_) | Phase::Off | Phase::Closing => {}
        }
    }

    pub(super) fn private_connected(&mut self, id: LinkId, now: MonoNanos) {
        let Some(slot) = self.private_links.slot_of(id) else { return };
        let life = W::PROFILE.link_life_ns.map(|(life_ns, spread_ns)| life_ns + self.jitter.spread(spread_ns));
        let lane = self.private_links.at_mut(slot);
        if !lane.conn.connected(now) {
            return;
        }
        lane.next_ping = now.after(PING_PERIOD_NS);
        lane.replace_at = life.map(|life_ns| now.after(life_ns));
        self.private_step(slot, 0, now);
    }

    fn private_step(&mut self, slot: usize, step: usize, now: MonoNanos) {
        let ask = self.private_ask_at(step);
        let number = self.private_send(slot, ask, now);
        self.private_links.at_mut(slot).stage = Stage::Asked { step, number, at: now };
    }

    /// What is asked for at a step.
    fn private_ask_at(&self, step: usize) -> PrivateAsk {
        self.wire.private_asks().get(step).copied().unwrap_or(PrivateAsk::Ping)
    }

    fn private_send(&mut self, slot: usize, ask: PrivateAsk, now: MonoNanos) -> u64 {
        self.private_links.numbers += 1;
        let number = self.private_links.numbers;
        let lane = self.private_links.at_mut(slot);
        if ask == PrivateAsk::Ping {
            lane.next_ping = now.after(PING_PERIOD_NS);
        }
        let id = lane.conn.id;
        self.queue.push_back(Outgoing::Private(id, ask, number));
        number
    }

    /// A frame of a private link came in. What comes after we asked for the link's end is still news of orders.
    pub(super) fn private_link_frame(&mut self, id: LinkId, now: MonoNanos, frame: &mut [u8], updates: &mut Vec<Input>) {
        let Some(slot) = self.private_links.slot_of(id) else { return self.stats.ignored += 1 };
        let lane = self.private_links.at_mut(slot);
        lane.conn.frame_came(now);
        let (open, in_use) = (lane.conn.is_open(), slot == self.private_links.current);
        match self.wire.private_frame(frame, now) {
            Ok(PrivateNews::Told(PrivateTold { fills, orders, balances })) => {
                // Executions first: the row of their order then waits for none that is here already.
                if !fills.is_empty() {
                    self.on_fills(fills, open, now, updates);
                }
                if !orders.is_empty() {
                    self.on_orders(orders, open, now, updates);
                }
                if open && in_use {
                    self.on_balances(balances, now, updates);
                }
            }
            Ok(PrivateNews::BalancesMoved) if open && in_use => self.submit_read(ReadKind::Balances, now, updates),
            Ok(PrivateNews::Reply(reply)) if open => self.on_private_reply(slot, reply, now, updates),
            Ok(PrivateNews::Leave) if open => {
                self.stats.ignored += 1;
                self.private_replace(slot);
            }
            Ok(PrivateNews::Ended) if open => {
                self.stats.ignored += 1;
                self.private_close(slot);
            }
            Ok(_) => self.stats.ignored += 1,
            Err(reject) => {
                self.stats.reject(reject.reason);
                if open && reject.scope != Scope::Nothing {
                    self.private_close(slot);
                }
            }
        }
    }

    fn on_private_reply(&mut self, slot: usize, reply: PrivateReply, now: MonoNanos, updates: &mut Vec<Input>) {
        let Stage::Asked { step, number, .. } = self.private_links.at(slot).stage else { return self.stats.ignored += 1 };
        let ask = self.private_ask_at(step);
        let PrivateReply { number: told, ask: answered, failure, rate } = reply;
        if !told.map_or(answered == Some(ask), |told| told == number) {
            return self.stats.ignored += 1;
        }
        if let Some(failure) = failure {
            self.on_link_limited(&failure, rate, now, updates);
            return self.on_private_refused(slot, &failure, now, updates);
        }
        self.stats.ignored += 1;
        if ask != PrivateAsk::Ping {
            return self.private_step(slot, step + 1, now);
        }
        let lane = self.private_links.at_mut(slot);
        lane.stage = Stage::Proved { at: now };
        lane.conn.up(now);
        lane.refused = false;
        if slot == self.private_links.current {
            self.private.set_proved(true);
            self.private_proved(now, updates);
        }
    }

    fn on_private_refused(&mut self, slot: usize, failure: &Failure, now: MonoNanos, updates: &mut Vec<Input>) {
        self.stats.reject(FrameReject::VenueError);
        self.private_links.at_mut(slot).refused = true;
        if failure.class != ErrorClass::RateLimited {
            // Perhaps for the time it was signed with, perhaps for the key: a signed read tells.
            self.start_clock_round(now);
            self.submit_read(ReadKind::Account, now, updates);
        }
        self.private_close(slot);
    }

    /// Another connection is to take the place of this one.
    fn private_replace(&mut self, slot: usize) {
        let links = &mut self.private_links;
        links.at_mut(slot).replace_at = None;
        if self.stopped || slot != links.current || links.replacing {
            return;
        }
        links.replacing = true;
        let other = 1 - slot;
        if matches!(links.at(other).conn.phase, Phase::Off | Phase::Waiting(_)) {
            self.private_open(other);
        }
    }

    pub(super) fn private_lost(&mut self, id: LinkId, now: MonoNanos, reason: LossReason, updates: &mut Vec<Input>) {
        let Some(slot) = self.private_links.slot_of(id) else { return };
        self.stats.reconnect(reason.as_str());
        self.forget_queued(id);
        let Desk { private_links: links, jitter, .. } = self;
        let in_use = slot == links.current;
        if in_use && std::mem::take(&mut links.replacing) {
            // The one that was to follow takes its place with what it has.
            links.current = 1 - slot;
        }
        let wanted = links.wanted && !self.stopped && (slot == links.current || links.replacing);
        let proved = slot != links.current && links.at(links.current).is_proved();
        let lane = links.at_mut(slot);
        if let Stage::Proved { .. } = std::mem::replace(&mut lane.stage, Stage::Idle) {
            lane.conn.note_stable(now, &RECONNECT);
        }
        let reconnect = if lane.refused { &REFUSED } else { &RECONNECT };
        // Not by its phase: one that was refused was open as well.
        let wait_ns = reconnect.wait_ns(lane.conn.attempts());
        if wanted {
            lane.conn.wait(now, jitter.spread(wait_ns));
        } else {
            lane.conn.phase = Phase::Off;
        }
        if !in_use {
            return;
        }
        self.private.set_proved(proved);
        if proved {
            return self.private_proved(now, updates);
        }
        self.tell_private(LinkState::Lost, now, updates);
        self.private_down(now);
    }

    pub(super) fn private_links_timeout(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        if !self.private_links.wanted {
            return;
        }
        let open_at = self.budgets.links_open_at();
        for slot in [0, 1] {
            let lane = self.private_links.at_mut(slot);
            match lane.conn.phase {
                Phase::Waiting(at) if at <= now && now < open_at => lane.conn.phase = Phase::Waiting(open_at),
                Phase::Waiting(at) if at <= now => self.private_open(slot),
                Phase::Open => {
                    let unanswered = matches!(lane.stage, Stage::Asked { at, .. } if at.after(ASK_TIMEOUT_NS) <= now);
                    if unanswered || now.since(lane.conn.last_frame()) >= SILENCE_MAX_NS {
                        self.private_close(slot);
                        continue;
                    }
                    let replace = lane.replace_at.is_some_and(|at| at <= now);
                    if lane.next_ping <= now {
                        self.private_send(slot, PrivateAsk::Ping, now);
                    }
                    if replace {
                        self.private_replace(slot);
                    }
                }
                _ => {}
            }
        }
        if self.private_links.switch_at().is_some_and(|at| at <= now) {
            let old = self.private_links.current;
            self.private_links.current = 1 - old;
            self.private_links.replacing = false;
            self.private_close(old);
            self.private.set_proved(true);
            self.private_proved(now, updates);
        }
        let current = self.private_links.current;
        let open = self.private_links.at(current).conn.is_open();
        if self.private_timeout(open, now, updates) {
            self.private_close(current);
        }
    }

    pub(super) fn private_links_paused(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        if !self.private_links.wanted {
            return;
        }
        self.private.set_proved(false);
        self.private_down(now);
        if self.private_is_up() {
            self.tell_private(LinkState::Paused, now, updates);
        }
        for slot in [0, 1] {
            self.private_close(slot);
        }
    }

    pub(super) fn private_links_shutdown(&mut self) {
        for slot in [0, 1] {
            self.private_close(slot);
        }
    }
}
