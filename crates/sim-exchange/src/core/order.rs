//! Orders: what is asked for, and what became of it.

use rust_decimal::Decimal;

use super::{
    exact,
    types::{AccountId, AssetId, OrderId, OrderKind, PairId, Side, TimeInForce},
};

/// A request to place an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOrder {
    /// Who places it.
    pub account: AccountId,
    /// Where.
    pub pair: PairId,
    /// Direction.
    pub side: Side,
    /// Limit or market.
    pub kind: OrderKind,
    /// How long it lives. Market orders take `ioc` and `fok` only.
    pub time_in_force: TimeInForce,
    /// Limit price; ignored for market orders.
    pub price: Decimal,
    /// Base, except for a market buy: quote to spend.
    pub amount: Decimal,
    /// Client id exactly as sent (with Gate's `t-`). Not checked for repetition: a later order shadows the earlier one.
    pub text: Option<String>,
}

/// Open or finished, in Gate's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrderStatus {
    /// Still in the book.
    Open,
    /// Done, filled.
    Closed,
    /// Ended with a remainder, even if partly filled.
    Cancelled,
}

/// Why an order ended (Gate API v4, `finish_as`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FinishReason {
    /// Filled.
    Filled,
    /// Cancelled by its owner.
    Cancelled,
    /// Immediate-or-cancel ended with a remainder.
    Ioc,
    /// Post-only would have taken.
    Poc,
    /// Fill-or-kill could not be filled.
    Fok,
    /// Met an order of its own account: the newest is cancelled.
    SelfTrade,
}

impl FinishReason {
    /// The word of Gate's `finish_as`.
    pub const fn as_str(self) -> &'static str {
        match self {
            FinishReason::Filled => "filled",
            FinishReason::Cancelled => "cancelled",
            FinishReason::Ioc => "ioc",
            FinishReason::Poc => "poc",
            FinishReason::Fok => "fok",
            FinishReason::SelfTrade => "stp",
        }
    }
}

/// An order as the exchange knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Exchange id.
    pub id: OrderId,
    /// Owner.
    pub account: AccountId,
    /// Where.
    pub pair: PairId,
    /// Direction.
    pub side: Side,
    /// Limit or market.
    pub kind: OrderKind,
    /// How long it lives.
    pub time_in_force: TimeInForce,
    /// Limit price, zero for market.
    pub price: Decimal,
    /// Amount asked for: base, except for a market buy (quote).
    pub amount: Decimal,
    /// Remainder, in the unit of `amount`.
    pub left: Decimal,
    /// Base executed.
    pub filled_amount: Decimal,
    /// Quote executed.
    pub filled_total: Decimal,
    /// Fee charged so far, in `fee_asset`.
    pub fee: Decimal,
    /// The received asset: base for a buy, quote for a sell.
    pub fee_asset: AssetId,
    /// What is still held for it: quote for a buy, base for a sell.
    pub locked: Decimal,
    /// Client id.
    pub text: Option<String>,
    /// Accepted at, Unix nanoseconds.
    pub create_t_ns: u64,
    /// Last change, Unix nanoseconds.
    pub update_t_ns: u64,
    /// End, Unix nanoseconds, and why; `None` while open.
    pub end: Option<(u64, FinishReason)>,
    /// Price in units of 10^-precision, zero for market.
    pub(crate) ticks: u64,
}

impl Order {
    /// Open, closed or cancelled. A market buy that leaves less quote than the smallest amount costs is closed.
    pub fn status(&self) -> OrderStatus {
        match self.end {
            None => OrderStatus::Open,
            Some((_, FinishReason::Filled)) => OrderStatus::Closed,
            Some(_) => OrderStatus::Cancelled,
        }
    }

    /// Why it ended, or `None` while open.
    pub fn finish(&self) -> Option<FinishReason> {
        self.end.map(|(_, reason)| reason)
    }

    /// When it ended, Unix nanoseconds.
    pub fn end_t_ns(&self) -> Option<u64> {
        self.end.map(|(t_ns, _)| t_ns)
    }

    /// Average price of its fills rounded down to `decimals`; `None` without fills. A display figure: the exact truth
    /// is `filled_total` and `filled_amount`.
    pub fn average_price_rounded_down(&self, decimals: u32) -> Option<Decimal> {
        exact::divide_rounded_down(self.filled_total, self.filled_amount, decimals)
    }
}
