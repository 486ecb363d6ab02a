//! Planted bugs: with the feature `mutants` a test may switch one on at run time, and the simulator must then find it.
//!
//! Without the feature [`active`] is a constant `false`, so nothing of it is in the shipped binary (a test looks for
//! [`MARKER`] there). Each variant says what it breaks; the site that asks for it says how.

/// A text that must not occur in the shipped binary.
#[cfg(feature = "mutants")]
pub const MARKER: &str = "crossgate-planted-mutant-7f3a";

/// The planted bugs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Mutant {
    /// The ledger books a fill each time it is told (no dedupe by trade id): I1, I2.
    DoubleBookedFill = 1,
    /// A fill's fee in base is not taken off: I1.
    FeeIgnored = 2,
    /// A fill that arrives before the acknowledgement is dropped: I1, I2.
    EarlyFillDropped = 3,
    /// A fill after the order's end is dropped: I2, I10.
    LateFillDropped = 4,
    /// An order whose reply is lost is sent again under the same id: I3.
    ResendOnUnknown = 5,
    /// The id counter starts at zero in the old epoch after a restart: I3.
    IdReusedAfterRestart = 6,
    /// A delta with a gap is applied all the same: I12.
    GapIgnored = 7,
    /// Orders are decided on a book that lost trust: I4.
    UntrustedTraded = 8,
    /// Bytes leave before the intent is in the log: I9.
    SendBeforeLog = 9,
    /// A query older than the stream overrides it: I10.
    OldQueryWins = 10,
    /// The cumulative quantity of an order may fall: I11.
    FilledMayFall = 11,
    /// An unknown order is taken as absent at the first not-found: I18, I2.
    AbsentAtOnce = 12,
    /// Crossed books are accepted: I12.
    CrossedAccepted = 13,
    /// Decisions depend on something outside the inputs: I17.
    HiddenEntropy = 14,
    /// Nothing is resolved after a reconnect: I18.
    NoReconcile = 15,
    /// The ledger is off by one unit after the first deal: I1.
    OneUnitOff = 16,
    /// Book age is not checked: I4.
    AgeIgnored = 17,
    /// What is unhedged already is not counted when a deal is opened: I5.
    ExposureIgnored = 18,
    /// Exposure that lasts too long is not told: I6.
    ExposureUntold = 19,
    /// Orders within a second are not counted: I7.
    PaceIgnored = 20,
    /// The latch does not stop openings: I8.
    LatchIgnored = 21,
    /// A book that lost its trust is never fetched again: I13.
    FeedForgotten = 22,
    /// A venue's refusal for its rate limits makes nobody wait: I14.
    RefusalIgnored = 23,
    /// The key stands in the URL: I15.
    KeyInUrl = 24,
    /// A number that is none ends the process: I16.
    PanicOnNonsense = 25,
    /// Flows are counted in rounded units: I19.
    FlowRounded = 26,
    /// The end of a stop is not told: I20.
    ClearingUntold = 27,
}

impl Mutant {
    /// Every planted bug.
    pub const ALL: &'static [Mutant] = &[
        Mutant::DoubleBookedFill,
        Mutant::FeeIgnored,
        Mutant::EarlyFillDropped,
        Mutant::LateFillDropped,
        Mutant::ResendOnUnknown,
        Mutant::IdReusedAfterRestart,
        Mutant::GapIgnored,
        Mutant::UntrustedTraded,
        Mutant::SendBeforeLog,
        Mutant::OldQueryWins,
        Mutant::FilledMayFall,
        Mutant::AbsentAtOnce,
        Mutant::CrossedAccepted,
        Mutant::HiddenEntropy,
        Mutant::NoReconcile,
        Mutant::OneUnitOff,
        Mutant::AgeIgnored,
        Mutant::ExposureIgnored,
        Mutant::ExposureUntold,
        Mutant::PaceIgnored,
        Mutant::LatchIgnored,
        Mutant::FeedForgotten,
        Mutant::RefusalIgnored,
        Mutant::KeyInUrl,
        Mutant::PanicOnNonsense,
        Mutant::FlowRounded,
        Mutant::ClearingUntold,
    ];
}

#[cfg(feature = "mutants")]
mod switch {
    use super::Mutant;
    use std::cell::Cell;

    thread_local! {
        // Per thread, so that tests in parallel do not infect each other.
        static ACTIVE: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    /// Switches a planted bug on for this thread, or all off.
    pub fn set_active(mutant: Option<Mutant>) {
        ACTIVE.with(|cell| cell.set(mutant));
    }

    /// True when this thread asked for `mutant`.
    pub fn active(mutant: Mutant) -> bool {
        ACTIVE.with(|cell| cell.get() == Some(mutant))
    }
}

#[cfg(feature = "mutants")]
pub use switch::{active, set_active};

/// Always false: this build has no planted bugs.
#[cfg(not(feature = "mutants"))]
#[inline(always)]
pub const fn active(_mutant: Mutant) -> bool {
    false
}
