//! When the venues' dead-man switches are armed, refreshed and disarmed. A switch makes the venue cancel what we have resting
//! when it has not heard of us for the time it was armed for, so that a dead engine leaves no order behind (F35, F54).
//!
//! - Armed once a venue is ready, and refreshed every third of its time.
//! - Not refreshed while the venue is not ready: then it is meant to strike.
//! - Disarmed at an orderly end and when the venue is in maintenance, so that nothing strikes when it resumes (F34).
//! - A request to arm that fails is told once until one succeeds, and comes again a third of the time later, as a refresh would. Only a
//!   venue that has never armed in this life is left alone for [`REFUSED_NS`]: it may have no switch.
//!
//! Start at [`DeadManSwitches::decide`]. Told times, never asking a clock.

use domain::time::SECOND;
use domain::{Command, DeadMan, MonoNanos, Notice, VenueId};

/// A venue that never armed is left alone for so long after it failed to.
pub const REFUSED_NS: u64 = 600 * SECOND;

/// At an orderly end the answer to disarming is awaited for so long.
const FAREWELL_NS: u64 = 2 * SECOND;

/// What is known of one venue's switch.
#[derive(Clone, Copy, Debug, Default)]
struct Switch {
    /// We asked for it to be armed, and have no word that it is not.
    maybe_armed: bool,
    /// The last request, of either kind.
    asked_at: Option<MonoNanos>,
    /// The first request to disarm since it was armed.
    disarmed_from: Option<MonoNanos>,
    /// Until when it is armed as far as the venue has said.
    armed_until: Option<MonoNanos>,
    /// The venue has armed it in this life.
    proved: bool,
    /// The last time that it failed to be armed, while it never was.
    refused_at: Option<MonoNanos>,
    /// The failure was told since the last success.
    told: bool,
}

impl Switch {
    /// Until when it is not asked to arm.
    fn patience(&self) -> Option<MonoNanos> {
        self.refused_at.filter(|_| !self.proved).map(|at| at.after(REFUSED_NS))
    }
}

/// What is wanted of a venue's switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Armed and refreshed.
    Armed,
    /// Left as it is: it may strike.
    Left,
    /// Off.
    Disarmed,
}

/// All venues' switches.
#[derive(Clone, Debug)]
pub(crate) struct DeadManSwitches {
    timeout_ns: u64,
    /// The last decision: what was due then is no deadline any more.
    decided_at: MonoNanos,
    venues: Vec<Switch>,
}

impl DeadManSwitches {
    /// Switches of this time; zero: none is ever armed.
    pub(crate) fn new(timeout_ns: u64, venues: usize) -> DeadManSwitches {
        DeadManSwitches { timeout_ns, decided_at: MonoNanos(0), venues: vec![Switch::default(); venues] }
    }

    /// Whether a venue's switch is armed, by the venue's own word and not beyond the time that it named; `None` when none is wanted.
    pub(crate) fn armed(&self, venue: VenueId, now: MonoNanos) -> Option<bool> {
        let switch = self.venues.get(venue.index()).filter(|_| self.timeout_ns > 0)?;
        Some(switch.armed_until.is_some_and(|until| now < until))
    }

    fn every(&self) -> u64 {
        self.timeout_ns / 3
    }

    /// A venue's answer. It does not say whether it refused or never heard of the request; after a failure an earlier arming may run on.
    pub(crate) fn told(&mut self, answer: &DeadMan, now: MonoNanos, notices: &mut Vec<Notice>) {
        let Some(switch) = self.venues.get_mut(answer.venue.index()) else { return };
        if answer.ok {
            switch.maybe_armed = answer.armed_until.is_some();
            switch.armed_until = answer.armed_until;
            switch.proved |= switch.maybe_armed;
            // An arming that succeeds is the end of what was told; disarming says nothing of whether it will.
            switch.told &= !switch.maybe_armed;
            return;
        }
        // Disarming that fails is asked for again when it is due, and says nothing against arming.
        if switch.disarmed_from.is_some() {
            return;
        }
        if !switch.proved {
            switch.refused_at = Some(now);
        }
        if !std::mem::replace(&mut switch.told, true) {
            notices.push(Notice::DeadManRefused { venue: answer.venue });
        }
    }

    /// Asks for what is due on one venue.
    pub(crate) fn decide(&mut self, venue: VenueId, wanted: Wanted, now: MonoNanos, commands: &mut Vec<Command>) {
        let (every, timeout_ns) = (self.every(), self.timeout_ns);
        self.decided_at = now;
        let Some(switch) = self.venues.get_mut(venue.index()).filter(|_| timeout_ns > 0) else { return };
        let due = switch.asked_at.is_none_or(|at| now.since(at) >= every);
        match wanted {
            Wanted::Armed => {
                let refused = switch.patience().is_some_and(|until| now < until);
                let turned = switch.disarmed_from.take().is_some();
                if !refused && (due || turned) {
                    (switch.maybe_armed, switch.asked_at) = (true, Some(now));
                    commands.push(Command::DeadMan { venue, timeout_ns });
                }
            }
            Wanted::Left => {}
            Wanted::Disarmed => {
                let first = switch.disarmed_from.is_none();
                if switch.maybe_armed && (first || due) {
                    switch.disarmed_from.get_or_insert(now);
                    switch.asked_at = Some(now);
                    commands.push(Command::DeadMan { venue, timeout_ns: 0 });
                }
            }
        }
    }

    /// Nothing is armed any more, or disarming was asked for and the venue had its time to answer.
    pub(crate) fn at_rest(&self, now: MonoNanos) -> bool {
        self.venues
            .iter()
            .all(|switch| !switch.maybe_armed || switch.disarmed_from.is_some_and(|since| now.since(since) >= FAREWELL_NS))
    }

    /// When something is due on a venue of which this is wanted.
    pub(crate) fn deadline(&self, venue: VenueId, wanted: Wanted) -> Option<MonoNanos> {
        let switch = self.venues.get(venue.index()).filter(|_| self.timeout_ns > 0)?;
        let due = switch.asked_at.map(|at| at.after(self.every()));
        match wanted {
            Wanted::Armed => due.max(switch.patience()),
            Wanted::Left => None,
            Wanted::Disarmed => {
                let farewell = switch.disarmed_from.map(|at| at.after(FAREWELL_NS)).filter(|at| *at > self.decided_at);
                due.into_iter().chain(farewell).min().filter(|_| switch.maybe_armed)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: VenueId = VenueId(0);
    const TIMEOUT: u64 = 30 * SECOND;

    struct Rig {
        switches: DeadManSwitches,
        notices: Vec<Notice>,
    }

    impl Rig {
        fn new() -> Rig {
            Rig { switches: DeadManSwitches::new(TIMEOUT, 1), notices: Vec::new() }
        }

        /// The time-outs asked for at a time.
        fn at(&mut self, second: u64, wanted: Wanted) -> Vec<u64> {
            let mut commands = Vec::new();
            self.switches.decide(A, wanted, MonoNanos(second * SECOND), &mut commands);
            commands
                .iter()
                .map(|command| match command {
                    Command::DeadMan { venue: A, timeout_ns } => *timeout_ns,
                    other => panic!("{other:?}"),
                })
                .collect()
        }

        fn answer(&mut self, second: u64, armed: bool, ok: bool) {
            let now = MonoNanos(second * SECOND);
            let armed_until = armed.then(|| now.after(TIMEOUT));
            self.switches.told(&DeadMan { venue: A, armed_until, ok, received: now }, now, &mut self.notices);
        }
    }

    #[test]
    fn a_ready_venue_is_armed_and_refreshed_at_a_third_of_the_time() {
        let mut rig = Rig::new();
        assert_eq!(rig.at(1, Wanted::Left), []);
        assert_eq!(rig.at(2, Wanted::Armed), [TIMEOUT]);
        rig.answer(2, true, true);
        assert_eq!(rig.at(11, Wanted::Armed), []);
        assert_eq!(rig.switches.deadline(A, Wanted::Armed), Some(MonoNanos(12 * SECOND)));
        assert_eq!(rig.at(12, Wanted::Armed), [TIMEOUT]);
        assert_eq!(rig.at(30, Wanted::Left), [], "a venue that is not ready is left to strike");
    }

    #[test]
    fn an_end_disarms_once_and_again_until_it_is_confirmed() {
        let mut rig = Rig::new();
        assert_eq!(rig.at(0, Wanted::Disarmed), [], "what was never armed needs nothing");
        assert!(rig.switches.at_rest(MonoNanos(0)));
        rig.at(1, Wanted::Armed);
        assert_eq!(rig.at(2, Wanted::Disarmed), [0], "at once, whatever was asked just before");
        assert_eq!(rig.at(3, Wanted::Disarmed), []);
        assert!(!rig.switches.at_rest(MonoNanos(3 * SECOND)));
        assert_eq!(rig.switches.deadline(A, Wanted::Disarmed), Some(MonoNanos(4 * SECOND)));
        assert!(rig.switches.at_rest(MonoNanos(4 * SECOND)), "the venue had its time to answer");
        assert_eq!(rig.at(4, Wanted::Disarmed), []);
        assert_eq!(rig.switches.deadline(A, Wanted::Disarmed), Some(MonoNanos(12 * SECOND)), "no deadline lies behind");
        assert_eq!(rig.at(12, Wanted::Disarmed), [0]);
        rig.answer(12, false, true);
        assert!(rig.switches.at_rest(MonoNanos(12 * SECOND)));
        assert_eq!(rig.at(40, Wanted::Disarmed), []);
        assert_eq!(rig.at(41, Wanted::Armed), [TIMEOUT], "maintenance is over");
    }

    #[test]
    fn a_venue_that_never_armed_is_told_once_and_not_asked_again_for_ten_minutes() {
        let mut rig = Rig::new();
        rig.at(0, Wanted::Armed);
        rig.answer(1, false, false);
        assert_eq!(rig.at(600, Wanted::Armed), []);
        assert_eq!(rig.switches.deadline(A, Wanted::Armed), Some(MonoNanos(601 * SECOND)));
        assert_eq!(rig.at(601, Wanted::Armed), [TIMEOUT]);
        rig.answer(601, false, false);
        assert_eq!(rig.notices, [Notice::DeadManRefused { venue: A }]);
        assert_eq!(rig.at(602, Wanted::Armed), []);
        assert_eq!(rig.switches.armed(A, MonoNanos(602 * SECOND)), Some(false));
    }

    #[test]
    fn a_refresh_that_fails_is_tried_again_when_the_next_is_due_and_told_once_until_one_succeeds() {
        let mut rig = Rig::new();
        let armed = |rig: &Rig, second: u64| rig.switches.armed(A, MonoNanos(second * SECOND)).unwrap();
        rig.at(0, Wanted::Armed);
        assert!(!armed(&rig, 0), "the venue has not said so");
        rig.answer(1, true, true);
        for due in [10, 20] {
            assert_eq!(rig.at(due, Wanted::Armed), [TIMEOUT]);
            rig.answer(due + 2, false, false);
            assert_eq!(rig.switches.deadline(A, Wanted::Armed), Some(MonoNanos((due + 10) * SECOND)));
        }
        assert_eq!(rig.notices.len(), 1);
        assert!(armed(&rig, 30) && !armed(&rig, 31), "for as long as it was armed for");
        assert_eq!(rig.at(30, Wanted::Armed), [TIMEOUT]);
        rig.answer(32, true, true);
        assert!(armed(&rig, 61) && !armed(&rig, 62));
        rig.at(40, Wanted::Armed);
        rig.answer(41, false, false);
        assert_eq!(rig.notices.len(), 2, "a later failure is news");
    }

    #[test]
    fn disarming_that_fails_keeps_nobody_from_arming_when_the_venue_is_back() {
        let mut rig = Rig::new();
        rig.at(0, Wanted::Armed);
        assert_eq!(rig.at(1, Wanted::Disarmed), [0], "maintenance, before the venue has answered");
        rig.answer(2, false, false);
        assert_eq!(rig.at(3, Wanted::Armed), [TIMEOUT]);
        rig.answer(4, true, true);
        assert_eq!(rig.at(5, Wanted::Disarmed), [0]);
        rig.answer(6, false, false);
        assert_eq!(rig.switches.armed(A, MonoNanos(7 * SECOND)), Some(true), "as far as anybody knows");
        assert_eq!(rig.at(15, Wanted::Disarmed), [0], "again when it is due");
        rig.answer(16, false, true);
        assert_eq!(rig.switches.armed(A, MonoNanos(17 * SECOND)), Some(false));
        assert!(rig.notices.is_empty(), "{:?}", rig.notices);
    }

    #[test]
    fn a_time_of_zero_arms_nothing() {
        let mut switches = DeadManSwitches::new(0, 1);
        let mut commands = Vec::new();
        switches.decide(A, Wanted::Armed, MonoNanos(1), &mut commands);
        switches.decide(A, Wanted::Disarmed, MonoNanos(2), &mut commands);
        assert!(commands.is_empty() && switches.at_rest(MonoNanos(2)));
        assert_eq!(switches.deadline(A, Wanted::Armed), None);
    }
}
