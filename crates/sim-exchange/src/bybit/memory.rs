//! What an order's owner asked for that the exchange's own order does not say, and who ended it.
//!
//! The exchange knows limit orders and market orders of its own kind; Bybit's market orders are sized in either coin and end at a
//! price. [`Memory`] keeps how they were asked for, so that rows say it.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::core::OrderId;

/// Orders remembered: more than the exchange remembers itself.
const KEPT_MAX: usize = 60_000;

/// The coin a market order is sized in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Base,
    Quote,
}

impl Unit {
    /// The word of `marketUnit`.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Unit::Base => "baseCoin",
            Unit::Quote => "quoteCoin",
        }
    }
}

/// A market order as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MarketAsk {
    /// `qty`, in `unit`.
    pub(super) quantity: Decimal,
    pub(super) unit: Unit,
    /// `marketUnit` was sent.
    pub(super) names_unit: bool,
    /// `slippageToleranceType` and `slippageTolerance`, if they were sent.
    pub(super) tolerance: Option<(&'static str, String)>,
}

/// Who cancelled an order (Bybit API v5, enums, `cancelType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CancelledBy {
    User,
    Disconnect,
}

impl CancelledBy {
    pub(super) const fn word(self) -> &'static str {
        match self {
            CancelledBy::User => "CancelByUser",
            CancelledBy::Disconnect => "CancelByDCP",
        }
    }
}

/// What is remembered of orders.
#[derive(Debug, Default)]
pub(super) struct Memory {
    market: BTreeMap<OrderId, MarketAsk>,
    cancelled: BTreeMap<OrderId, CancelledBy>,
}

impl Memory {
    /// The order that comes into being as `id` is this market order.
    pub(super) fn note_market(&mut self, id: OrderId, ask: MarketAsk) {
        self.market.insert(id, ask);
        if self.market.len() > KEPT_MAX {
            self.market.pop_first();
        }
    }

    /// An order is about to be cancelled by this party.
    pub(super) fn note_cancel(&mut self, id: OrderId, by: CancelledBy) {
        self.cancelled.insert(id, by);
        if self.cancelled.len() > KEPT_MAX {
            self.cancelled.pop_first();
        }
    }

    /// How a market order was asked for; `None` for a limit order.
    pub(super) fn market(&self, id: OrderId) -> Option<&MarketAsk> {
        self.market.get(&id)
    }

    /// Who cancelled an order; `None` when it was the venue itself.
    pub(super) fn cancelled(&self, id: OrderId) -> Option<CancelledBy> {
        self.cancelled.get(&id).copied()
    }
}
