//! Doubts of the account's rights: an order that was refused for the key, the account or its region.
//!
//! Whether it is the key, a signed read tells, and one that is refused as well ends the run. Where reads still pass, the engine counts such
//! refusals and opens nothing more there. Start at [`Desk::rights_doubted`].

use super::wire::Wire;
use super::{Desk, Outgoing, What};
use domain::time::SECOND;
use domain::{ErrorClass, Input, MonoNanos, ReadKind};

/// In doubt the account is asked for not more often than this.
const ASK_PAUSE_NS: u64 = 10 * SECOND;

impl<W: Wire> Desk<W> {
    /// The venue refused an order with this class: if it was for the account, its rights are asked for at once.
    pub(super) fn rights_doubted(&mut self, class: ErrorClass, now: MonoNanos, updates: &mut Vec<Input>) {
        let rested = self.rights_asked.is_none_or(|at| now.since(at) >= ASK_PAUSE_NS);
        if class == ErrorClass::AuthFatal && rested && !self.stopped && !self.account_is_asked_for() {
            self.rights_asked = Some(now);
            self.submit_read(ReadKind::Account, now, updates);
        }
    }

    /// The account is being asked for, or about to be.
    fn account_is_asked_for(&self) -> bool {
        let queued = self.queue.iter().filter_map(|out| if let Outgoing::Ask(asked) = out { Some(asked) } else { None });
        let later = self.later.iter().map(|(_, asked)| asked);
        let under_way = self.in_flight.values().map(|flight| &flight.asked);
        queued.chain(later).chain(under_way).any(|asked| matches!(asked.what, What::Account { .. }))
    }
}
