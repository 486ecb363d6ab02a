//! Stops as the judge sees them: from what was ordered and what was told (I8, I20).
//!
//! Each halting condition raises exactly one alert with a reason code, and every alert that ends is ended once. A latch, ordered by a
//! person or told by the engine, lets no opening leave, over restarts too, until a person resumes.

use super::{Check, Invariant, broken};
use domain::{Notice, StopKind, StopReason, VenueId};
use risk::Stops;
use std::collections::{BTreeMap, BTreeSet};

/// What was ordered and told.
#[derive(Debug, Default)]
pub struct Alerts {
    /// Alerts that hold by (kind, reason), as told in this life, and those that it began with.
    holding: BTreeMap<(StopKind, StopReason), u32>,
    told: BTreeSet<(StopKind, StopReason, Option<VenueId>, Option<domain::PairId>)>,
    /// A latch holds, whoever engaged it.
    latched: bool,
    /// Latches that a person ordered and that must be told in the next step.
    ordered: Vec<StopReason>,
    /// A person resumed, and the engine hears of it in its next step.
    resumed: bool,
    /// Latches that the scenario explains.
    explained: BTreeSet<StopReason>,
}

impl Alerts {
    /// A new process: every venue starts frozen, without an alert; what only a person ends was told by an earlier life and holds still.
    pub fn new_life(&mut self, stops: &Stops) {
        self.holding.clear();
        self.told.clear();
        for stop in stops.list() {
            *self.holding.entry((stop.kind, stop.reason)).or_default() += 1;
        }
        self.ordered.clear();
        self.resumed = false;
    }

    /// A person orders a latch; the engine hears of it in its next step.
    pub fn halt_ordered(&mut self, reason: StopReason) {
        let holds = self.holding.get(&(StopKind::Latch, reason)).is_some_and(|count| *count > 0);
        if !holds && !self.ordered.contains(&reason) {
            self.ordered.push(reason);
        }
        self.explained.insert(reason);
    }

    /// A person resumes; the engine hears of it in its next step.
    pub fn resume_ordered(&mut self) {
        self.latched = false;
        self.ordered.clear();
        self.resumed = true;
    }

    /// Something happened after which the engine may latch for `reason` by design.
    pub fn explain(&mut self, reason: StopReason) {
        self.explained.insert(reason);
    }

    /// Whether a latch holds.
    pub fn latched(&self) -> bool {
        self.latched
    }

    /// Whether a pause for this reason holds.
    pub fn paused_for(&self, reason: StopReason) -> bool {
        self.holding.get(&(StopKind::Pause, reason)).is_some_and(|count| *count > 0)
    }

    /// The engine told something.
    ///
    /// # Errors
    /// I20 for an alert told twice or ended without having begun; I18 for a latch that nothing explains.
    pub fn noticed(&mut self, notice: &Notice) -> Check {
        match notice {
            Notice::Stopped { kind, reason, venue, pair } => {
                if *kind == StopKind::Latch && !self.explained.contains(reason) {
                    return broken(
                        Invariant::Converges,
                        format!("latched for {reason}: a person would have to look, and nothing happened that needs one"),
                    );
                }
                if !self.told.insert((*kind, *reason, *venue, *pair)) {
                    return broken(Invariant::AlertsOnce, format!("the {kind} for {reason} was told twice"));
                }
                *self.holding.entry((*kind, *reason)).or_default() += 1;
                self.ordered.retain(|ordered| !(*kind == StopKind::Latch && ordered == reason));
                self.latched |= *kind == StopKind::Latch;
            }
            Notice::Cleared { kind, reason } => {
                let count = self.holding.entry((*kind, *reason)).or_default();
                if *count == 0 {
                    return broken(Invariant::AlertsOnce, format!("the {kind} for {reason} was cleared and had not been told"));
                }
                *count -= 1;
                // The notice does not say which venue or pair: what may be told again is left to the comparison of numbers.
                self.told.retain(|(k, r, ..)| (k, r) != (kind, reason));
                // A process that slept hears of the halt and of the person's resume at once, and tells both.
                if self.resumed && !self.holding.iter().any(|((kind, _), count)| *kind == StopKind::Latch && *count > 0) {
                    self.latched = false;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// After a step: whatever is in force was told, and nothing else; what a person ordered is in force.
    ///
    /// # Errors
    /// I8, I20.
    pub fn after_step(&mut self, stops: &Stops) -> Check {
        self.resumed = false;
        let mut listed: BTreeMap<(StopKind, StopReason), u32> = BTreeMap::new();
        for stop in stops.list() {
            *listed.entry((stop.kind, stop.reason)).or_default() += 1;
        }
        self.holding.retain(|_, count| *count > 0);
        if let Some(reason) = self.ordered.pop() {
            return if stops.latched() {
                broken(
                    Invariant::AlertsOnce,
                    format!("the latch for {reason} was ordered and is in force, and no alert was told"),
                )
            } else {
                broken(Invariant::LatchHolds, format!("the latch for {reason} was ordered and is not in force"))
            };
        }
        if listed != self.holding {
            return broken(
                Invariant::AlertsOnce,
                format!("in force is {listed:?}, told was {:?}: not one alert for each", self.holding),
            );
        }
        Ok(())
    }

    /// An opening leaves, as a decision or as bytes.
    ///
    /// # Errors
    /// I8.
    pub fn opening(&self, what: &str) -> Check {
        if self.latched {
            return broken(Invariant::LatchHolds, format!("{what} although the latch is engaged"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::UnixNanos;

    const HALT: StopReason = StopReason::Operator;

    /// An engine's stops, and what it has told of them since the last step.
    #[derive(Default)]
    struct Engine {
        stops: Stops,
        notices: Vec<Notice>,
    }

    impl Engine {
        fn halt(&mut self) {
            self.notices.extend(self.stops.set(StopKind::Latch, HALT, None, None, UnixNanos(0)));
        }

        fn resume(&mut self) {
            self.stops.resume(&mut self.notices);
        }

        fn step(&mut self, alerts: &mut Alerts) -> Check {
            self.notices.drain(..).try_for_each(|notice| alerts.noticed(&notice))?;
            alerts.after_step(&self.stops)
        }
    }

    #[test]
    fn a_halt_and_a_resume_that_are_heard_at_once_leave_no_latch() {
        let (mut alerts, mut engine) = (Alerts::default(), Engine::default());
        alerts.halt_ordered(HALT);
        alerts.resume_ordered();
        engine.halt();
        engine.resume();
        engine.step(&mut alerts).unwrap();
        alerts.opening("an opening").unwrap();
        // A third word in the same breath holds.
        alerts.halt_ordered(HALT);
        alerts.resume_ordered();
        alerts.halt_ordered(HALT);
        engine.halt();
        engine.resume();
        engine.halt();
        engine.step(&mut alerts).unwrap();
        assert!(alerts.opening("an opening").is_err());
    }

    #[test]
    fn a_latch_that_nobody_ended_holds_whatever_the_engine_tells() {
        let (mut alerts, mut engine) = (Alerts::default(), Engine::default());
        // A resume is for the next step alone.
        alerts.resume_ordered();
        engine.step(&mut alerts).unwrap();
        alerts.halt_ordered(HALT);
        engine.halt();
        engine.step(&mut alerts).unwrap();
        // No person said so.
        engine.resume();
        engine.step(&mut alerts).unwrap();
        assert!(alerts.opening("an opening").is_err());
    }
}
