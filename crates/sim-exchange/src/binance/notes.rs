//! What Binance remembers of an order and the core has no word for.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::core::{Exchange, Order, OrderId, OrderKind, TimeInForce};

/// Notes kept beyond those of orders that the exchange remembers, before they are sorted out.
const NOTES_MAX: usize = 50_000;

/// `type` of an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum OrderType {
    /// `LIMIT`.
    #[default]
    Limit,
    /// `LIMIT_MAKER`: post-only.
    LimitMaker,
    /// `MARKET`.
    Market,
}

impl OrderType {
    /// Binance's word.
    pub(super) const fn word(self) -> &'static str {
        match self {
            OrderType::Limit => "LIMIT",
            OrderType::LimitMaker => "LIMIT_MAKER",
            OrderType::Market => "MARKET",
        }
    }
}

/// An amendment that an order went through.
#[derive(Clone, Debug)]
pub(super) struct Amended {
    /// `executionId`: the number of the report that tells it.
    pub(super) number: u64,
    /// When.
    pub(super) t_ns: u64,
    /// Client id until then.
    pub(super) old_id: String,
    /// Client id from then on.
    pub(super) new_id: String,
    /// Quantity until then.
    pub(super) old_amount: Decimal,
    /// Quantity from then on.
    pub(super) new_amount: Decimal,
    /// It has been told.
    pub(super) is_told: bool,
}

/// What is known of one order besides the order.
#[derive(Clone, Debug, Default)]
pub(super) struct Note {
    /// Its type: a market order by base travels as a limit order through the core.
    pub(super) kind: OrderType,
    /// `quoteOrderQty` as sent, or zero.
    pub(super) quote_order_qty: Decimal,
    /// `selfTradePreventionMode`.
    pub(super) stp: &'static str,
    /// `strategyId` as sent.
    pub(super) strategy_id: Option<u64>,
    /// `strategyType` as sent.
    pub(super) strategy_type: Option<u64>,
    /// The name of the request that cancelled it.
    pub(super) cancel_id: Option<String>,
    /// Its amendments, oldest first.
    pub(super) amendments: Vec<Amended>,
    /// It has been told as `NEW`.
    pub(super) is_told: bool,
    /// Base told as executed.
    pub(super) told_amount: Decimal,
    /// Quote told as executed.
    pub(super) told_total: Decimal,
}

impl Note {
    /// Of an order about which nothing was noted: one that a script placed.
    fn of(order: &Order) -> Note {
        let kind = match (order.kind, order.time_in_force) {
            (OrderKind::Market, _) => OrderType::Market,
            (OrderKind::Limit, TimeInForce::Poc) => OrderType::LimitMaker,
            (OrderKind::Limit, _) => OrderType::Limit,
        };
        Note { kind, stp: super::orders::STP_DEFAULT, ..Note::default() }
    }
}

/// Notes by order.
#[derive(Debug, Default)]
pub(super) struct Notes {
    notes: BTreeMap<OrderId, Note>,
}

impl Notes {
    /// Notes something about a new order.
    pub(super) fn add(&mut self, id: OrderId, note: Note, exchange: &Exchange) {
        if self.notes.len() >= NOTES_MAX {
            self.notes.retain(|id, _| exchange.order(*id).is_some());
        }
        self.notes.insert(id, note);
    }

    /// What is known of an order.
    pub(super) fn of(&self, order: &Order) -> Note {
        self.notes.get(&order.id).cloned().unwrap_or_else(|| Note::of(order))
    }

    /// The note of an order, to be written on.
    pub(super) fn of_mut(&mut self, order: &Order) -> &mut Note {
        self.notes.entry(order.id).or_insert_with(|| Note::of(order))
    }
}
