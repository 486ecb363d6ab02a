//! Stops in three strengths: a *freeze* (venue and/or pair) and a *pause* clear themselves when their condition ends, a *latch*
//! only by a person. None of them stops a hedge: stops keep new exposure from being opened.
//!
//! Start at [`Stops::set`] and [`Stops::clear`]. Several reasons may hold at once; each is listed once, with the time it began,
//! and each change is told exactly once as a [`Notice`].

use domain::mutants::{Mutant, active};
use domain::{Notice, PairId, StopKind, StopReason, UnixNanos, VenueId};

/// Stops for which room is kept from the start, so that setting one does not allocate in practice.
const STOPS_EXPECTED: usize = 64;

/// Pauses that a person ends: [`Stops::resume`] clears them with the latch.
const CLEARED_BY_PERSON: [StopReason; 5] = [
    StopReason::Operator,
    StopReason::ForeignActivity,
    StopReason::RulesChanged,
    StopReason::StreamUnproven,
    StopReason::KeyRefused,
];

/// One stop that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// How strong.
    pub kind: StopKind,
    /// Why.
    pub reason: StopReason,
    /// Only plans with this venue, if given. A latch stops everything whatever it names.
    pub venue: Option<VenueId>,
    /// Only plans of this pair, if given.
    pub pair: Option<PairId>,
    /// Since when.
    pub since: UnixNanos,
}

impl Stop {
    fn is(&self, kind: StopKind, reason: StopReason, venue: Option<VenueId>, pair: Option<PairId>) -> bool {
        self.kind == kind && self.reason == reason && self.venue == venue && self.pair == pair
    }

    fn concerns(&self, pair: PairId, buy: VenueId, sell: VenueId) -> bool {
        self.pair.is_none_or(|p| p == pair) && self.venue.is_none_or(|v| v == buy || v == sell)
    }
}

/// Everything that keeps openings from being sent.
#[derive(Clone, Debug)]
pub struct Stops {
    holding: Vec<Stop>,
}

impl Default for Stops {
    fn default() -> Stops {
        Stops { holding: Vec::with_capacity(STOPS_EXPECTED) }
    }
}

impl Stops {
    /// Nothing is stopped.
    pub fn new() -> Stops {
        Stops::default()
    }

    /// Sets a stop. `None` when this very stop holds already (its `since` stays).
    pub fn set(
        &mut self,
        kind: StopKind,
        reason: StopReason,
        venue: Option<VenueId>,
        pair: Option<PairId>,
        since: UnixNanos,
    ) -> Option<Notice> {
        if self.holding.iter().any(|stop| stop.is(kind, reason, venue, pair)) {
            return None;
        }
        self.holding.push(Stop { kind, reason, venue, pair, since });
        Some(Notice::Stopped { kind, reason, venue, pair })
    }

    /// Ends a freeze or a pause. `None` when it does not hold, and always for a latch: that one ends by [`Stops::resume`] only.
    pub fn clear(&mut self, kind: StopKind, reason: StopReason, venue: Option<VenueId>, pair: Option<PairId>) -> Option<Notice> {
        if kind == StopKind::Latch {
            return None;
        }
        let at = self.holding.iter().position(|stop| stop.is(kind, reason, venue, pair))?;
        self.holding.remove(at);
        if active(Mutant::ClearingUntold) {
            return None;
        }
        Some(Notice::Cleared { kind, reason })
    }

    /// A person resumes: ends every latch, and the pauses that wait for one (`operator`, `foreign_activity`, `rules_changed`,
    /// `stream_unproven`, `key_refused`).
    pub fn resume(&mut self, out: &mut Vec<Notice>) {
        self.holding.retain(|stop| {
            let ends = match stop.kind {
                StopKind::Latch => true,
                StopKind::Pause => CLEARED_BY_PERSON.contains(&stop.reason),
                StopKind::Freeze => false,
            };
            if ends {
                out.push(Notice::Cleared { kind: stop.kind, reason: stop.reason });
            }
            !ends
        });
    }

    /// True while any latch holds.
    pub fn latched(&self) -> bool {
        self.holding.iter().any(|stop| stop.kind == StopKind::Latch)
    }

    /// True while any pause holds, of whatever venue or pair.
    pub fn paused(&self) -> bool {
        self.holding.iter().any(|stop| stop.kind == StopKind::Pause)
    }

    /// True while a pause concerns this plan: a general one, or one of its pair or of either venue.
    pub fn paused_for(&self, pair: PairId, buy: VenueId, sell: VenueId) -> bool {
        self.holding.iter().any(|stop| stop.kind == StopKind::Pause && stop.concerns(pair, buy, sell))
    }

    /// True while a freeze concerns this plan: one of its pair, of either venue, or of a venue's pair.
    pub fn frozen(&self, pair: PairId, buy: VenueId, sell: VenueId) -> bool {
        self.holding.iter().any(|stop| stop.kind == StopKind::Freeze && stop.concerns(pair, buy, sell))
    }

    /// Whether this very stop holds.
    pub fn holds(&self, kind: StopKind, reason: StopReason, venue: Option<VenueId>, pair: Option<PairId>) -> bool {
        self.holding.iter().any(|stop| stop.is(kind, reason, venue, pair))
    }

    /// Every stop that holds, oldest first.
    pub fn list(&self) -> &[Stop] {
        &self.holding
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: VenueId = VenueId(0);
    const B: VenueId = VenueId(1);
    const C: VenueId = VenueId(2);
    const BTC: PairId = PairId(0);
    const ETH: PairId = PairId(1);
    const AT: UnixNanos = UnixNanos(7);

    #[test]
    fn each_change_is_told_once() {
        let mut stops = Stops::new();
        let set = stops.set(StopKind::Freeze, StopReason::UnknownOrder, None, Some(BTC), AT);
        assert_eq!(
            set,
            Some(Notice::Stopped { kind: StopKind::Freeze, reason: StopReason::UnknownOrder, venue: None, pair: Some(BTC) })
        );
        assert_eq!(stops.set(StopKind::Freeze, StopReason::UnknownOrder, None, Some(BTC), UnixNanos(9)), None);
        assert_eq!(stops.list().len(), 1);
        assert_eq!(stops.list()[0].since, AT);
        let cleared = stops.clear(StopKind::Freeze, StopReason::UnknownOrder, None, Some(BTC));
        assert_eq!(cleared, Some(Notice::Cleared { kind: StopKind::Freeze, reason: StopReason::UnknownOrder }));
        assert_eq!(stops.clear(StopKind::Freeze, StopReason::UnknownOrder, None, Some(BTC)), None);
        assert!(stops.list().is_empty());
    }

    #[test]
    fn a_freeze_stops_its_pair_and_its_venue_and_nothing_else() {
        let mut stops = Stops::new();
        stops.set(StopKind::Freeze, StopReason::UnknownOrder, None, Some(BTC), AT);
        stops.set(StopKind::Freeze, StopReason::StreamUnproven, Some(C), None, AT);
        stops.set(StopKind::Freeze, StopReason::RulesChanged, Some(B), Some(ETH), AT);
        assert!(stops.frozen(BTC, A, B) && stops.frozen(BTC, B, A));
        assert!(stops.frozen(ETH, A, C) && stops.frozen(ETH, C, A));
        assert!(stops.frozen(ETH, A, B) && !stops.frozen(PairId(2), A, B));
        assert!(!stops.paused() && !stops.latched());
    }

    #[test]
    fn reasons_hold_side_by_side() {
        let mut stops = Stops::new();
        stops.set(StopKind::Pause, StopReason::UnhedgedTime, None, None, AT);
        stops.set(StopKind::Pause, StopReason::LedgerDrift, Some(A), None, AT);
        stops.clear(StopKind::Pause, StopReason::UnhedgedTime, None, None);
        assert!(stops.paused());
        assert!(stops.paused_for(BTC, A, B) && !stops.paused_for(BTC, B, C));
        assert!(stops.holds(StopKind::Pause, StopReason::LedgerDrift, Some(A), None));
    }

    #[test]
    fn only_a_person_ends_a_latch() {
        let mut stops = Stops::new();
        stops.set(StopKind::Latch, StopReason::UnknownFill, Some(A), None, AT);
        stops.set(StopKind::Pause, StopReason::ForeignActivity, Some(A), None, AT);
        stops.set(StopKind::Pause, StopReason::UnhedgedTime, None, None, AT);
        assert_eq!(stops.clear(StopKind::Latch, StopReason::UnknownFill, Some(A), None), None);
        assert!(stops.latched());
        let mut told = Vec::new();
        stops.resume(&mut told);
        assert_eq!(
            told,
            vec![
                Notice::Cleared { kind: StopKind::Latch, reason: StopReason::UnknownFill },
                Notice::Cleared { kind: StopKind::Pause, reason: StopReason::ForeignActivity },
            ]
        );
        assert!(!stops.latched());
        assert!(stops.paused(), "a condition that lasts keeps its pause");
    }
}
