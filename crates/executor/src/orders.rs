//! One order's life, as a lattice that evidence only climbs: Sent → Unknown → Open → Done.
//!
//! Evidence comes from four sides in any order, doubled, late, or never (F13 to F18, F23, F25 to F27, F30). What is kept
//! true whatever comes:
//! 1. The phase never moves backwards (I10). A fill after the end is booked and flagged.
//! 2. `reported` (cumulative by updates) never falls and is never below `booked` (the sum of distinct fills) (I11).
//! 3. A query asked before the newest stream or reply evidence says nothing (I10, F30).
//! 4. *Settled* means ended with every reported unit booked: only then is what the order held released.
//!
//! Start at [`Order::absorb`] and [`Order::book`]; both return what must be done about the evidence.

use crate::resolve::{AbsenceProof, Probe};
use domain::mutants::{self, Mutant};
use domain::{
    Amount, Finish, Label, MonoNanos, NewOrder, OrderOutcome, OrderReport, OrderSource, OrderUpdate, PairScale, Qty, Rate, Side,
    UnixNanos, UnknownCause, Unwind, VenueOrderId,
};

/// How far an order's life is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Handed over; nothing heard.
    Sent,
    /// May or may not exist.
    Unknown(UnknownCause),
    /// The venue has it.
    Open,
    /// Ended.
    Done(OrderOutcome),
}

impl Phase {
    fn rank(self) -> u8 {
        match self {
            Phase::Sent => 0,
            Phase::Unknown(_) => 1,
            Phase::Open => 2,
            Phase::Done(_) => 3,
        }
    }
}

/// What must follow from a piece of evidence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Effects {
    /// It contradicts what was proved: a person must look.
    pub(crate) latch: bool,
    /// Ask the venue for the order's state.
    pub(crate) look_up: bool,
    /// Ask the venue to cancel: it lives though it was taken for dead, with terms that are not ours, or although a cancel was sent.
    pub(crate) cancel: bool,
    /// The venue has it with other terms than ours, and that was not known.
    pub(crate) terms_differ: bool,
}

/// One order.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) terms: NewOrder,
    pub(crate) phase: Phase,
    pub(crate) venue_order_id: Option<VenueOrderId>,
    pub(crate) placed: MonoNanos,
    /// The venue executes nothing of it after this.
    pub(crate) expiry: MonoNanos,
    /// A wall time not after its placing: trades of it are no older.
    pub(crate) wall_floor: UnixNanos,
    pub(crate) reported: Qty,
    pub(crate) booked: Qty,
    /// Receive time of the newest stream or reply evidence.
    pub(crate) heard_at: Option<MonoNanos>,
    /// When a row of its own refused it, as received; `None` when none did, and of an earlier process.
    pub(crate) row_refused_at: Option<MonoNanos>,
    pub(crate) ended_at: MonoNanos,
    pub(crate) label: Label,
    /// Fee rate charged in the asset that the order spends, if it is.
    pub(crate) fee_on_spend: Option<Rate>,
    /// Fee rate charged in the base that a buy receives, if it is.
    pub(crate) fee_on_base: Option<Rate>,
    /// What the ledger holds for it.
    pub(crate) held: Amount,
    pub(crate) proof: AbsenceProof,
    pub(crate) probe: Probe,
    /// Rebuilt from its fills: its intent was lost.
    pub(crate) adopted: bool,
    /// The end was told.
    pub(crate) told: Option<OrderOutcome>,
    /// The rung of the ladder that a hedge was sent from; the log does not keep it.
    pub(crate) rung: Option<Unwind>,
    /// The private link told of it.
    pub(crate) shown: bool,
    /// The quantity that the venue has it for, should that not be ours (F24).
    pub(crate) theirs: Option<Qty>,
    /// A cancel of it failed: another follows when the venue is asked and shows it open.
    pub(crate) cancel_failed: bool,
}

/// The venue tells of the order itself, and does not answer a request that was to place it.
const fn is_row(source: OrderSource) -> bool {
    matches!(source, OrderSource::Stream | OrderSource::Query)
}

impl Order {
    /// An order as it is sent.
    pub(crate) fn new(terms: NewOrder, placed: MonoNanos, expiry: MonoNanos, wall_floor: UnixNanos) -> Order {
        Order {
            terms,
            phase: Phase::Sent,
            venue_order_id: None,
            placed,
            expiry,
            wall_floor,
            reported: Qty::ZERO,
            booked: Qty::ZERO,
            heard_at: None,
            row_refused_at: None,
            ended_at: placed,
            label: Label::default(),
            fee_on_spend: None,
            fee_on_base: None,
            held: Amount::ZERO,
            proof: AbsenceProof::default(),
            probe: Probe::default(),
            adopted: false,
            told: None,
            rung: None,
            shown: false,
            theirs: None,
            cancel_failed: false,
        }
    }

    /// True once ended.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.phase, Phase::Done(_))
    }

    /// Ended, and every reported unit is booked.
    pub(crate) fn is_settled(&self) -> bool {
        self.is_done() && self.booked == self.reported
    }

    /// True while its existence is open.
    pub(crate) fn is_unknown(&self) -> bool {
        matches!(self.phase, Phase::Unknown(_))
    }

    /// The most that it may execute: what was asked for, or what the venue has it for if that is more.
    pub(crate) fn reach(&self) -> Qty {
        self.terms.qty.max(self.theirs.unwrap_or(Qty::ZERO))
    }

    /// What the ledger must hold for it: everything that may still be spent until it is settled, then nothing.
    pub(crate) fn holds(&self, scale: PairScale) -> Amount {
        if self.is_settled() || self.adopted {
            return Amount::ZERO;
        }
        let rest = self.reach().saturating_sub(self.booked);
        let spend = match self.terms.side {
            // Only a quantity that the venue made up is absurd enough to have no value: then all that we asked for counts.
            Side::Buy => scale
                .value_of(self.terms.price, rest)
                .or_else(|| scale.value_of(self.terms.price, self.terms.qty))
                .expect("Invariant: an approved order has a value"),
            Side::Sell => scale.base_of(rest),
        };
        let fee = self.fee_on_spend.map_or(Amount::ZERO, |rate| spend.times_rounded_up(rate));
        if fee.is_negative() { spend } else { spend + fee }
    }

    /// The part that may still change exposure, as (least, most) base quantity beyond what is booked.
    pub(crate) fn pending(&self) -> (Qty, Qty) {
        let least = self.reported.saturating_sub(self.booked);
        let most = if self.is_done() { least } else { self.reach().saturating_sub(self.booked).max(least) };
        (least, most)
    }

    /// Takes in one piece of evidence about this order.
    pub(crate) fn absorb(&mut self, update: &OrderUpdate, now: MonoNanos) -> Effects {
        let (rank_before, reported_before) = (self.phase.rank(), self.reported);
        let outdated = update.source == OrderSource::Query && self.heard_at.is_some_and(|heard| update.requested < heard);
        let effects = if !outdated {
            self.hear(update, now)
        } else if mutants::active(Mutant::OldQueryWins) {
            self.believe_old_query(update)
        } else {
            Effects::default()
        };
        // Planted bugs lie behind these assertions: what stands outside the engine must find them by itself (I10, I11).
        assert!(
            self.phase.rank() >= rank_before || mutants::active(Mutant::OldQueryWins),
            "Invariant: an order's phase never moves backwards"
        );
        assert!(
            self.reported >= reported_before && self.reported >= self.booked || mutants::active(Mutant::FilledMayFall),
            "Invariant: the cumulative quantity never falls"
        );
        effects
    }

    fn hear(&mut self, update: &OrderUpdate, now: MonoNanos) -> Effects {
        if matches!(update.source, OrderSource::Stream | OrderSource::Reply) {
            self.heard_at = self.heard_at.max(Some(update.received));
        }
        let mut effects = Effects::default();
        match update.report {
            OrderReport::Open { filled } if self.was_open_before_its_refusal(update, filled) => {}
            OrderReport::Open { filled } => {
                let was_dead = self.was_never_alive();
                self.raise(filled, &mut effects);
                if self.reported >= self.reach() {
                    self.end(OrderOutcome::Filled, now);
                } else if !self.is_done() {
                    self.phase = Phase::Open;
                    effects.cancel = update.source == OrderSource::Query && std::mem::take(&mut self.cancel_failed);
                }
                if was_dead {
                    effects = Effects { latch: true, look_up: true, cancel: true, ..Effects::default() };
                }
            }
            OrderReport::Finished { finish, filled } => {
                let was_dead = self.was_never_alive();
                self.raise(filled, &mut effects);
                effects.latch |= was_dead && !filled.is_zero();
                let unfilled = if finish == Finish::Expired { OrderOutcome::Expired } else { OrderOutcome::Cancelled };
                self.end(unfilled, now);
            }
            // A row of the order says more than an answer: the venue took the request, and then refused the order.
            OrderReport::Refused { label, .. }
                if self.may_never_have_lived() || self.reported.is_zero() && is_row(update.source) && !self.is_done() =>
            {
                self.label = label;
                if is_row(update.source) {
                    (self.shown, self.row_refused_at) = (true, Some(update.received));
                }
                self.end(OrderOutcome::Refused, now);
            }
            OrderReport::NotSent if self.may_never_have_lived() => self.end(OrderOutcome::NotSent, now),
            // The venue has it, and something says it does not: let the venue tell again.
            OrderReport::Refused { .. } | OrderReport::NotSent => effects.look_up = !self.is_done(),
            OrderReport::CancelFailed { .. } => (effects.look_up, self.cancel_failed) = (!self.is_done(), true),
            OrderReport::TermsDiffer { qty, filled } => {
                // Real, and not what was asked for: ended as fast as the venue lets us, counted for what it may be, and told once.
                let was_dead = self.was_never_alive() && !self.was_open_before_its_refusal(update, filled);
                effects.latch |= was_dead;
                effects.terms_differ = self.theirs.is_none();
                self.theirs = self.theirs.max(Some(qty));
                self.raise(filled, &mut effects);
                if !self.is_done() {
                    self.phase = Phase::Open;
                }
                let lives = was_dead || !self.is_done();
                (effects.cancel, effects.look_up) = (lives, lives);
            }
            OrderReport::NotFound if !self.is_done() => self.proof.not_found(update.requested),
            OrderReport::NotFound => {}
            OrderReport::Unknown { cause } => match self.phase {
                Phase::Sent => self.phase = Phase::Unknown(cause),
                Phase::Open => effects.look_up = true,
                Phase::Unknown(_) | Phase::Done(_) => {}
            },
        }
        effects
    }

    /// The planted bug `OldQueryWins`: last write wins, for the phase.
    fn believe_old_query(&mut self, update: &OrderUpdate) -> Effects {
        match update.report {
            OrderReport::Open { .. } => self.phase = Phase::Open,
            OrderReport::NotFound => self.phase = Phase::Sent,
            _ => {}
        }
        Effects::default()
    }

    /// No evidence yet that the venue ever had it.
    fn may_never_have_lived(&self) -> bool {
        matches!(self.phase, Phase::Sent | Phase::Unknown(_)) && self.reported.is_zero()
    }

    /// Refused by a row of its own, which is no proof that it was not open before: "we have your request" may come after what became of
    /// it, and so may the answer to a question that was asked before we heard.
    fn was_open_before_its_refusal(&self, update: &OrderUpdate, filled: Qty) -> bool {
        let Some(heard) = self.row_refused_at else { return false };
        let earlier = match update.source {
            OrderSource::Reply => true,
            OrderSource::Query => update.requested < heard,
            OrderSource::Stream | OrderSource::Edge => false,
        };
        earlier && filled.is_zero() && self.phase == Phase::Done(OrderOutcome::Refused)
    }

    /// Ended in a way that says it never lived, or never executed.
    fn was_never_alive(&self) -> bool {
        matches!(
            self.phase,
            Phase::Done(OrderOutcome::Refused | OrderOutcome::NotSent | OrderOutcome::Absent | OrderOutcome::Expired)
        )
    }

    fn raise(&mut self, filled: Qty, effects: &mut Effects) {
        if mutants::active(Mutant::FilledMayFall) {
            self.reported = filled;
        }
        self.reported = self.reported.max(filled);
        effects.latch |= self.reported > self.terms.qty;
        self.improve_outcome();
    }

    /// Ends it. `unfilled` is how it ended if nothing was executed; quantities decide otherwise.
    pub(crate) fn end(&mut self, unfilled: OrderOutcome, now: MonoNanos) {
        if !self.is_done() {
            self.phase = Phase::Done(unfilled);
            self.ended_at = now;
            self.probe.restart(now);
        }
        self.improve_outcome();
    }

    /// The outcome by quantity, whichever of fills and end came first.
    fn improve_outcome(&mut self) {
        if self.is_done() && !self.reported.is_zero() {
            let filled = self.reported >= self.terms.qty;
            self.phase = Phase::Done(if filled { OrderOutcome::Filled } else { OrderOutcome::PartlyFilled });
        }
    }

    /// Books `qty` of a distinct fill. A fill is the strongest evidence there is.
    pub(crate) fn book(&mut self, qty: Qty, now: MonoNanos) -> Effects {
        let mut effects = Effects { latch: self.was_never_alive(), ..Effects::default() };
        match self.booked.checked_add(qty) {
            Some(booked) => self.booked = booked,
            None => effects.latch = true,
        }
        if self.adopted {
            self.terms.qty = self.terms.qty.max(self.booked);
        }
        self.reported = self.reported.max(self.booked);
        effects.latch |= self.booked > self.terms.qty;
        if self.booked >= self.reach() {
            self.end(OrderOutcome::Filled, now);
        } else if !self.is_done() {
            self.phase = Phase::Open;
        }
        self.improve_outcome();
        assert!(self.reported >= self.booked, "Invariant: what is booked was reported");
        effects
    }

    /// Ends it when everything proves that the venue does not have it (see [`AbsenceProof`]). True when it did.
    pub(crate) fn end_if_proved_gone(&mut self, visibility_window_ns: u64, now: MonoNanos) -> bool {
        let hasty = mutants::active(Mutant::AbsentAtOnce) && self.proof.answers() > 0;
        let proved = self.reported == self.booked && self.proof.complete(self.expiry, visibility_window_ns);
        if self.is_done() || !(proved || hasty) {
            return false;
        }
        // An order that the venue once had, and that no list and no trade shows any more, ended with what is booked.
        let unfilled = if self.phase == Phase::Open { OrderOutcome::Cancelled } else { OrderOutcome::Absent };
        self.end(unfilled, now);
        true
    }

    /// Forgets every time of an earlier process: its clock is gone. Nothing known is lost but how long ago it was.
    pub(crate) fn restart(&mut self, now: MonoNanos, order_expiry_ns: u64) {
        if self.phase == Phase::Sent {
            self.phase = Phase::Unknown(UnknownCause::Restart);
        }
        self.placed = now;
        self.expiry = now.after(order_expiry_ns);
        (self.heard_at, self.row_refused_at, self.cancel_failed) = (None, None, false);
        self.ended_at = now;
        self.proof = AbsenceProof::default();
        self.probe = Probe::default();
        self.probe.restart(now);
    }
}
