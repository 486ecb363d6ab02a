//! What the executor asks for: commands to venues, notices to people, stops to the engine.

use domain::{Command, Notice, PairId, StopKind, StopReason, VenueId};

/// Everything that one call produced, in order. The caller drains it; the executor only appends.
#[derive(Debug, Default)]
pub struct Outbox {
    /// For the venue sessions. The intent of every `Place` goes into the state log before its bytes leave.
    pub commands: Vec<Command>,
    /// For people.
    pub notices: Vec<Notice>,
    /// For `risk::Stops`, which the engine owns. Repeating one is harmless.
    pub stops: Vec<StopRequest>,
}

/// A change of the stops that the executor asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopRequest {
    /// Set a stop.
    Set {
        /// How strong.
        kind: StopKind,
        /// Why.
        reason: StopReason,
        /// Whose, if it concerns one venue.
        venue: Option<VenueId>,
        /// Which pair, if it concerns one.
        pair: Option<PairId>,
    },
    /// Clear a stop; harmless when it does not stand.
    Clear {
        /// How strong.
        kind: StopKind,
        /// Why it was set.
        reason: StopReason,
        /// Whose.
        venue: Option<VenueId>,
        /// Which pair.
        pair: Option<PairId>,
    },
}

impl StopRequest {
    /// A request to set.
    pub const fn set(kind: StopKind, reason: StopReason, venue: Option<VenueId>, pair: Option<PairId>) -> StopRequest {
        StopRequest::Set { kind, reason, venue, pair }
    }

    /// A request to clear.
    pub const fn clear(kind: StopKind, reason: StopReason, venue: Option<VenueId>, pair: Option<PairId>) -> StopRequest {
        StopRequest::Clear { kind, reason, venue, pair }
    }
}

impl Outbox {
    /// Something that needs a person: a fill that should not be.
    pub(crate) fn latch(&mut self, reason: StopReason, venue: VenueId, pair: PairId) {
        self.stops.push(StopRequest::set(StopKind::Latch, reason, Some(venue), Some(pair)));
    }
}
