//! The dead-man switch: cancels an account's orders when its owner has not been heard of in time (Gate API v4,
//! `countdown_cancel_all`).
//!
//! Start at [`Exchange::arm_countdown`]. The exchange reads no clock: whoever drives it asks for
//! [`Exchange::next_countdown`] and calls [`Exchange::fire_countdowns`] when that time has come. It cancels orders only; what
//! was bought stays.

use std::collections::BTreeMap;

use super::{
    exchange::Exchange,
    types::{AccountId, OrderId, PairId},
};

/// Armed switches. One account may have one for each pair and one for all pairs; they are independent of each other.
#[derive(Clone, Debug, Default)]
pub(super) struct Countdowns {
    armed: BTreeMap<(AccountId, Option<PairId>), u64>,
}

impl Exchange {
    /// Arms the switch of `account` for one pair, or for all with `None`, to fire at `trigger_t_ns` (Unix nanoseconds); an
    /// armed one is moved. `None` as time disarms it.
    pub fn arm_countdown(&mut self, account: AccountId, pair: Option<PairId>, trigger_t_ns: Option<u64>) {
        match trigger_t_ns {
            Some(t_ns) => self.countdowns.armed.insert((account, pair), t_ns),
            None => self.countdowns.armed.remove(&(account, pair)),
        };
    }

    /// When the next switch fires, Unix nanoseconds.
    pub fn next_countdown(&self) -> Option<u64> {
        self.countdowns.armed.values().min().copied()
    }

    /// Fires every switch that is due at `t_ns`: cancels the orders it covers and disarms it. Returns what was cancelled.
    pub fn fire_countdowns(&mut self, t_ns: u64) -> Vec<OrderId> {
        let due: Vec<(AccountId, Option<PairId>)> =
            self.countdowns.armed.iter().filter(|(_, at)| **at <= t_ns).map(|(key, _)| *key).collect();
        let mut cancelled = Vec::new();
        for (account, pair) in due {
            self.countdowns.armed.remove(&(account, pair));
            cancelled.extend(self.cancel_all(t_ns, account, pair, None));
        }
        cancelled
    }
}
