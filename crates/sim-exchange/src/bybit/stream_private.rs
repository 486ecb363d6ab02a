//! What the private topics say (Bybit API v5, private streams).
//!
//! Start at [`PrivateRows::frame`]: one frame per connection and topic, with all rows of a batch of events.

use serde_json::{Value, json};

use super::{
    rows::{self, RowContext},
    topics::PrivateKind,
};
use crate::{
    core::{AccountId, AssetId, Balance, Event},
    timing::{DelayRange, Delays},
};

/// The rows of one batch of events that one account's topics get.
pub(super) struct PrivateRows<'a> {
    pub(super) events: &'a [Event],
    pub(super) account: AccountId,
    pub(super) context: RowContext<'a>,
    pub(super) t_ns: u64,
}

impl PrivateRows<'_> {
    /// The frame of a topic, and how long after the events it leaves; nothing when no row is for it.
    pub(super) fn frame(&self, topic: &str, kind: PrivateKind, delays: &Delays) -> Option<(DelayRange, String)> {
        let (rows, delay) = match kind {
            PrivateKind::Orders => (self.orders(), delays.orders_push),
            PrivateKind::Executions => (self.fills(false), delays.usertrades_push),
            // The fast way of an execution is that of a reply to an order.
            PrivateKind::FastExecutions => (self.fills(true), delays.ws_order),
            PrivateKind::Wallet => (self.wallet(), delays.balances_push),
            PrivateKind::Protection | PrivateKind::Silent => return None,
        };
        if rows.is_empty() {
            return None;
        }
        let made_ms = self.context.clock.shown_ns(self.t_ns) / 1_000_000;
        let frame = json!({
            "id": format!("{}_{topic}_{}", self.account.index(), self.t_ns),
            "topic": topic,
            "creationTime": made_ms,
            "data": rows,
        });
        Some((delay, frame.to_string()))
    }

    fn orders(&self) -> Vec<Value> {
        let own = self.events.iter().filter_map(|event| match event {
            Event::Order(event) if event.order.account == self.account => Some(&event.order),
            _ => None,
        });
        own.map(|order| of_spot(rows::order(order, &self.context))).collect()
    }

    fn fills(&self, fast: bool) -> Vec<Value> {
        let own = self.events.iter().filter_map(|event| match event {
            Event::Fill(fill) if fill.account == self.account => Some(fill),
            _ => None,
        });
        own.map(|fill| match fast {
            true => rows::fast_execution(fill, &self.context),
            false => of_spot(rows::execution(fill, &self.context)),
        })
        .collect()
    }

    /// The account with the coins that changed, as they are after the last change.
    fn wallet(&self) -> Vec<Value> {
        let mut coins: Vec<(AssetId, Balance)> = Vec::new();
        for event in self.events {
            let Event::Balance(event) = event else { continue };
            if event.account != self.account {
                continue;
            }
            let balance = Balance { available: event.available, locked: event.locked, update_id: event.update_id };
            match coins.iter_mut().find(|(asset, _)| *asset == event.asset) {
                Some((_, known)) => *known = balance,
                None => coins.push((event.asset, balance)),
            }
        }
        if coins.is_empty() { Vec::new() } else { vec![rows::wallet(self.account, &coins, &self.context)] }
    }
}

fn of_spot(mut row: Value) -> Value {
    row["category"] = json!("spot");
    row
}
