//! What the private channels say (Gate API v4, private spot channels).
//!
//! Start at [`PrivateRows::frame`]: one frame per connection, channel and account, with all rows of a batch of events.

use serde::Serialize;
use serde_json::Value;

use super::{
    channel::PrivateChannel,
    frame::push,
    render::{Symbols, balance_push, order_push, user_trade_push},
};
use crate::{
    core::{AccountId, Event, PairId},
    timing::{DelayRange, Delays},
};

/// Fields that `spot.orders_v2` leaves out, for speed.
const ORDER_FEE_FIELDS: [&str; 4] = ["fee", "point_fee", "gt_fee", "rebated_fee"];
/// Fields that `spot.usertrades_v2` leaves out. Text and sample of the documentation disagree on `fee_currency`; without
/// the fee it says nothing.
const TRADE_FEE_FIELDS: [&str; 4] = ["fee", "point_fee", "gt_fee", "fee_currency"];

/// The rows of one batch of events that one account's channel gets.
pub(super) struct PrivateRows<'a> {
    pub(super) events: &'a [Event],
    pub(super) account: AccountId,
    /// The account's user.
    pub(super) user: u64,
    pub(super) symbols: &'a Symbols,
    pub(super) t_ns: u64,
}

impl PrivateRows<'_> {
    /// The frame of `channel` for the pairs wanted, and how long after the events it leaves; nothing when no row is for it.
    pub(super) fn frame(
        &self,
        channel: PrivateChannel,
        wants: impl Fn(PairId) -> bool,
        delays: &Delays,
    ) -> Option<(DelayRange, String)> {
        let (account, user, symbols) = (self.account, self.user, self.symbols);
        let orders = || {
            self.events.iter().filter_map(|event| match event {
                Event::Order(event) if event.order.account == account && wants(event.order.pair) => {
                    Some(order_push(event, user, symbols))
                }
                _ => None,
            })
        };
        let fills = || {
            self.events.iter().filter_map(|event| match event {
                Event::Fill(fill) if fill.account == account && wants(fill.pair) => Some(user_trade_push(fill, user, symbols)),
                _ => None,
            })
        };
        let text = match channel {
            PrivateChannel::Orders => self.text(channel, orders()),
            PrivateChannel::OrdersV2 => self.text(channel, orders().map(|row| without(&row, &ORDER_FEE_FIELDS))),
            PrivateChannel::UserTrades => self.text(channel, fills()),
            PrivateChannel::UserTradesV2 => self.text(channel, fills().map(|row| without(&row, &TRADE_FEE_FIELDS))),
            PrivateChannel::Balances => self.text(
                channel,
                self.events.iter().filter_map(|event| match event {
                    Event::Balance(event) if event.account == account => Some(balance_push(event, user, symbols)),
                    _ => None,
                }),
            ),
            PrivateChannel::MarginBalances
            | PrivateChannel::FundingBalances
            | PrivateChannel::CrossBalances
            | PrivateChannel::PriceOrders => None,
        };
        let delay = match channel {
            PrivateChannel::Orders | PrivateChannel::OrdersV2 => delays.orders_push,
            PrivateChannel::UserTrades | PrivateChannel::UserTradesV2 => delays.usertrades_push,
            _ => delays.balances_push,
        };
        text.map(|text| (delay, text))
    }

    fn text<R: Serialize>(&self, channel: PrivateChannel, rows: impl Iterator<Item = R>) -> Option<String> {
        let rows: Vec<R> = rows.collect();
        if rows.is_empty() { None } else { Some(push(channel.name(), self.t_ns, rows)) }
    }
}

fn without<R: Serialize>(row: &R, fields: &[&str]) -> Value {
    // Rows are maps with text keys, which always become JSON.
    let mut value = serde_json::to_value(row).unwrap_or_default();
    if let Value::Object(map) = &mut value {
        for field in fields {
            map.remove(*field);
        }
    }
    value
}
