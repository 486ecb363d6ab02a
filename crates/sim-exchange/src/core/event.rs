//! What happened, in the order it happened. A dialect drains these and turns them into its venue's pushes.
//!
//! The market account causes book changes and public trades, and no order, fill or balance events of its own.

use rust_decimal::Decimal;

use super::{
    order::Order,
    types::{AccountId, AssetId, OrderId, OrderSource, PairId, Role, Side, TradeId},
};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The total of one price level changed.
    Book(BookChange),
    /// An order came into being, changed or ended.
    Order(OrderEvent),
    /// One side of a trade, as its account sees it.
    Fill(AccountTrade),
    /// A trade, as the public sees it.
    Trade(PublicTrade),
    /// A balance changed.
    Balance(BalanceEvent),
}

/// New total of one price level. Ids of one pair are contiguous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookChange {
    /// When, Unix nanoseconds.
    pub t_ns: u64,
    /// Pair.
    pub pair: PairId,
    /// Update id of this change: the previous one plus 1.
    pub id: u64,
    /// Bids or asks.
    pub side: Side,
    /// Level.
    pub price: Decimal,
    /// New total in base; zero means the level is gone.
    pub amount: Decimal,
}

/// Stage of an order event (Gate API v4, `event` of `spot.orders`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrderEventKind {
    /// The order now rests in the book (perhaps partly filled already).
    Put,
    /// A resting order was partly filled, or amended and still rests.
    Update,
    /// The order ended. An order that ends on arrival, or by an amendment, has this event only.
    Finish,
}

/// An order came into being, changed or ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderEvent {
    /// When, Unix nanoseconds.
    pub t_ns: u64,
    /// Stage.
    pub kind: OrderEventKind,
    /// The order after the change.
    pub order: Order,
}

/// One side of a trade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountTrade {
    /// When, Unix nanoseconds.
    pub t_ns: u64,
    /// Trade; the other side has the same id.
    pub trade_id: TradeId,
    /// Position in the pair's trade sequence, from 1.
    pub sequence_id: u64,
    /// Whose.
    pub account: AccountId,
    /// Its order.
    pub order_id: OrderId,
    /// Pair.
    pub pair: PairId,
    /// Side of its order.
    pub side: Side,
    /// Maker or taker.
    pub role: Role,
    /// The maker's price.
    pub price: Decimal,
    /// Base traded.
    pub amount: Decimal,
    /// Fee charged, in `fee_asset`; zero when it was paid in GT or points.
    pub fee: Decimal,
    /// The received asset.
    pub fee_asset: AssetId,
    /// Fee charged in GT instead.
    pub gt_fee: Decimal,
    /// Fee charged in points instead.
    pub point_fee: Decimal,
    /// Client id of its order.
    pub text: Option<String>,
    /// Remark of the order's last amendment.
    pub amend_text: Option<String>,
    /// The door its order came through.
    pub source: OrderSource,
}

/// A trade, as the public sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicTrade {
    /// When, Unix nanoseconds.
    pub t_ns: u64,
    /// Trade.
    pub trade_id: TradeId,
    /// Position in the pair's trade sequence, from 1.
    pub sequence_id: u64,
    /// Pair.
    pub pair: PairId,
    /// Side of the taker.
    pub taker_side: Side,
    /// The maker's price.
    pub price: Decimal,
    /// Base traded.
    pub amount: Decimal,
}

/// Why a balance changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BalanceReason {
    /// Money arrived from outside.
    Deposit,
    /// Money left to outside.
    Withdrawal,
    /// A hold was made for a new order.
    OrderCreate,
    /// A trade: spent from the hold, or received (gross of fee).
    OrderMatch,
    /// The fee of a trade, in whichever asset it was paid.
    Fee,
    /// A hold or its remainder was released: by an end, a better price or an amendment.
    OrderRelease,
    /// A hold grew by an amendment.
    OrderAmend,
}

/// A balance changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalanceEvent {
    /// When, Unix nanoseconds.
    pub t_ns: u64,
    /// Whose.
    pub account: AccountId,
    /// What.
    pub asset: AssetId,
    /// Change of `available + locked`.
    pub change: Decimal,
    /// Change of `locked`.
    pub locked_change: Decimal,
    /// `available + locked` after it.
    pub total: Decimal,
    /// Free after it.
    pub available: Decimal,
    /// Held after it.
    pub locked: Decimal,
    /// Version of this balance after it.
    pub update_id: u64,
    /// The order that caused it, if any.
    pub order: Option<OrderId>,
    /// Why.
    pub reason: BalanceReason,
}
