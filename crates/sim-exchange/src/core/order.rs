//! Orders: what is asked for, and what became of it.

use rust_decimal::Decimal;

use super::{
    exact,
    types::{AccountId, AssetId, FeeRates, OrderId, OrderKind, OrderSource, PairId, Side, StpAct, TimeInForce},
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
    /// Client id exactly as sent (with Gate's `t-`). Whether it may be repeated is [`ClientIdPolicy`](super::ClientIdPolicy)'s.
    pub text: Option<String>,
}

/// What a request may say about an order beyond the order itself. The default says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlaceOptions {
    /// Part of the amount to show, zero for all. When a shown part is traded, the next one appears behind all orders at the
    /// price; what was hidden pays the taker rate (Gate API v4, `iceberg`).
    pub iceberg: Decimal,
    /// Whom to cancel where orders of one group meet. Refused when the account is in no group.
    pub stp_act: Option<StpAct>,
    /// Market orders: how far from the best price, as a fraction of it, the order may trade.
    pub slippage: Option<Decimal>,
    /// The door it came through.
    pub source: OrderSource,
    /// Immediate-or-cancel orders: at most this much is filled, whatever the book offers; `None` for all that matches. A fault.
    pub fill_max: Option<Decimal>,
    /// The order gets an id and ends at once for this reason, whatever the book offers: how a venue whose gateway only receives tells
    /// what its matching refused.
    pub ended: Option<FinishReason>,
}

/// A change to an open order; `None` leaves a figure as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Amendment {
    /// New limit price.
    pub price: Option<Decimal>,
    /// New amount in all, what is already filled included.
    pub amount: Option<Decimal>,
    /// The client's remark about this change (`amend_text`).
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
    /// Met an order of its own account or group.
    SelfTrade,
    /// A market order came to the end of its allowed slippage.
    PriceProtect,
    /// Matching refused what the gateway had let in.
    Refused,
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
            FinishReason::PriceProtect => "price_protect_cancelled",
            // Gate refuses in its reply; this has no word there.
            FinishReason::Refused => "rejected",
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
    /// Fee charged so far in GT instead.
    pub gt_fee: Decimal,
    /// Fee charged so far in points instead.
    pub point_fee: Decimal,
    /// The GT rates, when the account's fees were to be paid in GT as the order was placed.
    pub gt_rates: Option<FeeRates>,
    /// The received asset: base for a buy, quote for a sell.
    pub fee_asset: AssetId,
    /// What is still held for it: quote for a buy, base for a sell.
    pub locked: Decimal,
    /// Client id.
    pub text: Option<String>,
    /// The remark of the last amendment.
    pub amend_text: Option<String>,
    /// Part to show, as asked for; zero for all.
    pub iceberg: Decimal,
    /// Self-trade group and action, when the account is in one.
    pub stp: Option<(u64, StpAct)>,
    /// The door it came through.
    pub source: OrderSource,
    /// Accepted at, Unix nanoseconds.
    pub create_t_ns: u64,
    /// Last change, Unix nanoseconds.
    pub update_t_ns: u64,
    /// End, Unix nanoseconds, and why; `None` while open.
    pub end: Option<(u64, FinishReason)>,
    /// Price in units of 10^-precision, zero for market.
    pub(crate) ticks: u64,
    /// What the book shows of it while it rests; zero otherwise.
    pub(crate) shown: Decimal,
    /// What is shown now was hidden before.
    pub(crate) was_hidden: bool,
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

    /// What the book shows of an order with this much left.
    pub(crate) fn tip(&self, left: Decimal) -> Decimal {
        if self.iceberg.is_zero() { left } else { left.min(self.iceberg) }
    }

    /// What rests and is not shown.
    pub(crate) fn hidden(&self) -> Decimal {
        exact::subtract(self.left, self.shown).expect("Invariant: what is shown is part of what is left")
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
