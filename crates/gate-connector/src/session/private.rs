//! News of the private link: orders, executions, balances (Gate API v4, private spot channels).
//!
//! Orders and executions arrive on different channels in any order and are passed on as they come; the engine joins them. Nothing
//! here is numbered by the venue, so every new link is a reason to reconcile: the link is told `Up` only when all three channels
//! are acknowledged.

use super::GateSession;
use domain::{BalanceEntry, BalanceReport, BalanceSource, Fill, Input, MonoNanos, OrderUpdate};

impl GateSession {
    pub(super) fn on_orders(&mut self, rows: Vec<OrderUpdate>, updates: &mut Vec<Input>) {
        updates.extend(rows.into_iter().map(Input::Order));
    }

    pub(super) fn on_fills(&mut self, fills: Vec<Fill>, updates: &mut Vec<Input>) {
        updates.extend(fills.into_iter().map(Input::Fill));
    }

    pub(super) fn on_balances(&mut self, entries: Vec<BalanceEntry>, now: MonoNanos, updates: &mut Vec<Input>) {
        if !entries.is_empty() {
            let source = BalanceSource::Stream;
            updates.push(Input::Balances(BalanceReport { venue: self.venue, source, requested: now, received: now, entries }));
        }
    }
}
