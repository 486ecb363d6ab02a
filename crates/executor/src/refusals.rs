//! The breaker for placements that a venue refuses in a row (F22), by reason.
//!
//! - *Funds* (`InsufficientFunds`): the ledger says that they are there, the venue says that they are not. Openings there pause
//!   (`ledger_drift`) until the account, read anew, equals the ledger. Balance endpoints lag (F29), so only a statement that was asked for
//!   a grace time later says so.
//! - *The key* (`AuthFatal`): nothing that we can read ends that. Openings there pause (`key_refused`) until a person resumes.
//! - *The pair* (`FilterReject`, `SymbolClosed`): the venue refuses openings of a pair though its public rules, which are read anew at the
//!   first of these, say that it takes them (F11). The other leg may have been filled each time, and evened out at a loss. Openings of
//!   that pair there pause (`rules_changed`) until a person resumes. A refusal whose reason nobody has published (`Unknown`) may say that
//!   an order was late by the venue's clock, which is measured anew at once: of those one counts in two seconds.
//!
//! A placement that the venue takes begins the count anew (of a pair: one of that pair): one that executed something or ended in another
//! way. That its receipt was acknowledged says nothing: Bybit refuses by the order's row what it acknowledged before. Hedges are counted for funds and the key, and
//! never paused here: `hedge.rs` asks other venues.
//!
//! Start at [`Executor::note_refusal`].

use crate::{Executor, Outbox};
use domain::time::SECOND;
use domain::{ErrorClass, MonoNanos, NewOrder, PairId, Purpose, StopReason};
use std::collections::BTreeMap;

/// Of refusals for reasons that nobody has published one counts in so long: a clock that was wrong is right again by then.
const UNPUBLISHED_EVERY: u64 = 2 * SECOND;

/// So many refusals in a row for one reason are no accident.
const REFUSALS_MAX: u32 = 3;

/// What a venue refused since it last took a placement.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refusals {
    funds: u32,
    key: u32,
    /// Openings, by pair, that it refused for their figures or their market, or for what nobody has published, and when the last one that
    /// counts was.
    openings: BTreeMap<PairId, (u32, MonoNanos)>,
    /// From when a statement must date to show that the funds are there.
    funds_proved_from: Option<MonoNanos>,
}

impl Refusals {
    /// A placement of a pair was taken.
    pub(crate) fn accepted(&mut self, pair: PairId) {
        (self.funds, self.key) = (0, 0);
        self.openings.remove(&pair);
    }

    /// One was refused. True when it was one too many for its reason, and the count begins anew.
    fn refused(&mut self, terms: &NewOrder, class: ErrorClass, now: MonoNanos) -> bool {
        let count = match class {
            ErrorClass::InsufficientFunds => &mut self.funds,
            ErrorClass::AuthFatal => &mut self.key,
            ErrorClass::FilterReject | ErrorClass::SymbolClosed | ErrorClass::Unknown if terms.purpose == Purpose::Open => {
                let (count, last) = self.openings.entry(terms.pair).or_default();
                // The log of another life has another clock.
                if class == ErrorClass::Unknown && *count > 0 && now.0.abs_diff(last.0) < UNPUBLISHED_EVERY {
                    return false;
                }
                *last = now;
                count
            }
            _ => return false,
        };
        *count += 1;
        let tripped = *count >= REFUSALS_MAX;
        if tripped {
            *count = 0;
        }
        tripped
    }

    /// Whether the venue says that funds are missing which the ledger has.
    pub(crate) fn funds_doubted(&self) -> bool {
        self.funds_proved_from.is_some()
    }

    /// A statement that was asked for then equals the ledger.
    pub(crate) fn compared_equal(&mut self, requested: MonoNanos) {
        self.funds_proved_from = self.funds_proved_from.filter(|from| requested < *from);
    }

    /// A person has looked.
    pub(crate) fn resumed(&mut self) {
        *self = Refusals::default();
    }
}

impl Executor {
    /// A placement was refused: openings at its venue pause when it is one too many.
    pub(crate) fn note_refusal(&mut self, terms: &NewOrder, class: ErrorClass, now: MonoNanos, out: &mut Outbox) {
        let Some(venue) = self.venues.get_mut(terms.venue.index()) else { return };
        if !venue.refusals.refused(terms, class, now) {
            return;
        }
        match class {
            ErrorClass::AuthFatal => self.pause_for_a_person(StopReason::KeyRefused, terms.venue, None, out),
            ErrorClass::FilterReject | ErrorClass::SymbolClosed | ErrorClass::Unknown => {
                self.pause_for_a_person(StopReason::RulesChanged, terms.venue, Some(terms.pair), out);
            }
            _ => {
                let from = now.after(self.config.balance_grace_ns);
                venue.refusals.funds_proved_from = Some(from);
                venue.want_round_by(from);
            }
        }
    }
}
