//! Orders out against opportunities in (Knight): for each approved deal two openings, and `retries` hedges for each of its two
//! legs. One order more is not sent, and latches. The count is of commands as they leave, for each deal; it does not ask the
//! executor.
//!
//! Deals that were open before this process began were not approved by it: they have their hedges, and no opening.

use domain::{DealId, Purpose};
use std::collections::BTreeMap;

/// Hedges for each leg of a deal, unless configured.
pub const DEFAULT: u32 = 100;
/// No configuration goes above.
pub const CEILING: u32 = 1_000;

/// Legs of a deal, and openings that an approval is good for.
const LEGS: u32 = 2;

#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    openings: u32,
    hedges: u32,
}

/// What left for each open deal.
#[derive(Clone, Debug)]
pub(crate) struct OrderProportion {
    retries: u32,
    /// Approved deals none of whose orders has left yet.
    unused: u32,
    deals: BTreeMap<DealId, Sent>,
}

impl OrderProportion {
    pub(crate) fn new(retries: u32) -> OrderProportion {
        OrderProportion { retries, unused: 0, deals: BTreeMap::new() }
    }

    pub(crate) fn approved(&mut self) {
        self.unused = self.unused.saturating_add(1);
    }

    /// Counts an order that is about to leave; false when it is one too many, and then it does not count.
    pub(crate) fn admits(&mut self, deal: DealId, purpose: Purpose) -> bool {
        let sent = self.deals.get(&deal).copied().unwrap_or_default();
        let admitted = match purpose {
            Purpose::Open if sent.openings == 0 => self.unused > 0,
            Purpose::Open => sent.openings < LEGS,
            Purpose::Hedge => sent.hedges < LEGS.saturating_mul(self.retries),
        };
        if !admitted {
            return false;
        }
        let slot = self.deals.entry(deal).or_default();
        match purpose {
            Purpose::Open => {
                self.unused -= u32::from(slot.openings == 0);
                slot.openings += 1;
            }
            Purpose::Hedge => slot.hedges += 1,
        }
        true
    }

    /// Nothing more is expected of a deal; its openings stay used.
    pub(crate) fn closed(&mut self, deal: DealId) {
        self.deals.remove(&deal);
    }

    /// A person has looked: hedges count anew.
    pub(crate) fn resumed(&mut self) {
        self.deals.values_mut().for_each(|sent| sent.hedges = 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEAL: DealId = DealId(4);

    #[test]
    fn an_approval_is_good_for_two_openings_of_one_deal() {
        let mut proportion = OrderProportion::new(1);
        assert!(!proportion.admits(DEAL, Purpose::Open), "nothing was approved");
        proportion.approved();
        assert!(proportion.admits(DEAL, Purpose::Open) && proportion.admits(DEAL, Purpose::Open));
        assert!(!proportion.admits(DEAL, Purpose::Open), "a third leg");
        assert!(!proportion.admits(DealId(5), Purpose::Open), "another deal on the same approval");
        proportion.closed(DEAL);
        assert!(!proportion.admits(DEAL, Purpose::Open), "a closed deal has no second life");
    }

    #[test]
    fn hedges_stop_at_their_count_exactly_until_a_person_has_looked() {
        let mut proportion = OrderProportion::new(3);
        for _ in 0..6 {
            assert!(proportion.admits(DEAL, Purpose::Hedge));
        }
        assert!(!proportion.admits(DEAL, Purpose::Hedge) && !proportion.admits(DEAL, Purpose::Hedge));
        assert!(proportion.admits(DealId(9), Purpose::Hedge), "another deal");
        proportion.resumed();
        assert!(proportion.admits(DEAL, Purpose::Hedge));
    }
}
