//! Balances as they were a moment ago.
//!
//! [`BalanceHistory`] lets a list of balances lag by a set time, as users report after a cancel or a fill.

use std::collections::{BTreeMap, VecDeque};

use crate::core::{AccountId, AssetId, Balance, BalanceEvent, Exchange};

/// Balances as they were, for as long as the configured lag needs.
#[derive(Clone, Debug, Default)]
pub(crate) struct BalanceHistory {
    changes: BTreeMap<(AccountId, AssetId), VecDeque<(u64, Balance)>>,
}

impl BalanceHistory {
    /// Notes the balance after a change. Nothing is kept when nothing may lag: with changes missing from it, what was kept would be shown
    /// for ever once lists lag again.
    pub(crate) fn on_change(&mut self, event: &BalanceEvent, lag_ns: u64) {
        if lag_ns == 0 {
            self.changes.remove(&(event.account, event.asset));
            return;
        }
        let before = Balance {
            available: event.available - (event.change - event.locked_change),
            locked: event.locked - event.locked_change,
            update_id: event.update_id.saturating_sub(1),
        };
        let after = Balance { available: event.available, locked: event.locked, update_id: event.update_id };
        let changes = self.changes.entry((event.account, event.asset)).or_insert_with(|| VecDeque::from([(0, before)]));
        changes.push_back((event.t_ns, after));
        let shown_from = event.t_ns.saturating_sub(lag_ns);
        while changes.get(1).is_some_and(|(t_ns, _)| *t_ns <= shown_from) {
            changes.pop_front();
        }
    }

    /// The balance as it was `lag_ns` before `t_ns`.
    pub(crate) fn shown(&self, account: AccountId, asset: AssetId, t_ns: u64, lag_ns: u64, exchange: &Exchange) -> Balance {
        let current = exchange.balance(account, asset);
        if lag_ns == 0 {
            return current;
        }
        let shown_at = t_ns.saturating_sub(lag_ns);
        let changes = self.changes.get(&(account, asset));
        changes
            .and_then(|changes| changes.iter().rev().find(|(changed_ns, _)| *changed_ns <= shown_at))
            .map_or(current, |(_, balance)| *balance)
    }
}
