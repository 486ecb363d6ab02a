//! Small closed types shared by the whole core: dense ids, sides, order kinds, fee rates.
//!
//! Ids are indices handed out by one [`Exchange`](super::Exchange); they mean nothing on another one.

use rust_decimal::Decimal;

/// Dense index of an asset of one exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AssetId(pub(crate) u32);

/// Dense index of a pair of one exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PairId(pub(crate) u32);

/// Dense index of an account of one exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub(crate) u32);

impl AssetId {
    /// Position of the asset in the configured list.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl PairId {
    /// Position of the pair in the configured list.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl AccountId {
    /// The rest of the world: the account whose orders make the books. It trades without holds or fees and may go
    /// negative, so that conservation can still be checked per asset.
    pub const MARKET: AccountId = AccountId(0);

    /// Position of the account, the market account being 0.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Exchange id of an order. Grows with each accepted order, over all pairs of one exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(pub u64);

/// Id of a trade. Grows with each trade, over all pairs of one exchange; both sides of a trade share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TradeId(pub u64);

/// Direction of an order or of a book side (bids are [`Side::Buy`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Buys base with quote; the bid side of a book.
    Buy,
    /// Sells base for quote; the ask side of a book.
    Sell,
}

impl Side {
    /// The side an order of this side trades against.
    pub const fn opposite(self) -> Side {
        match self {
            Side::Buy => Side::Sell,
            Side::Sell => Side::Buy,
        }
    }
}

/// Limit or market.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrderKind {
    /// Trades at its price or better.
    Limit,
    /// Trades at any price. The amount of a market buy is *quote* to spend, of a market sell base to sell.
    Market,
}

/// How long an order lives (Gate API v4, `time_in_force`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimeInForce {
    /// Rests until filled or cancelled.
    Gtc,
    /// Takes what is there, the remainder is cancelled.
    Ioc,
    /// All at once or nothing.
    Fok,
    /// Post-only ("pending or cancelled"): never takes.
    Poc,
}

/// Which directions a pair accepts (Gate API v4, `trade_status`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TradeStatus {
    /// No orders.
    Untradable,
    /// Buy orders only.
    Buyable,
    /// Sell orders only.
    Sellable,
    /// Both directions.
    Tradable,
}

impl TradeStatus {
    /// Whether an order of `side` is accepted.
    pub const fn accepts(self, side: Side) -> bool {
        match self {
            TradeStatus::Untradable => false,
            TradeStatus::Buyable => matches!(side, Side::Buy),
            TradeStatus::Sellable => matches!(side, Side::Sell),
            TradeStatus::Tradable => true,
        }
    }
}

/// The part an account played in a trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Its order rested in the book.
    Maker,
    /// Its order arrived and took.
    Taker,
}

/// Fee rates of an account as fractions (`0.001` = 0.1 %), charged in the received asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeRates {
    /// Rate of resting fills; zero or more.
    pub maker: Decimal,
    /// Rate of taking fills; zero or more.
    pub taker: Decimal,
}

impl FeeRates {
    /// No fees.
    pub const ZERO: FeeRates = FeeRates { maker: Decimal::ZERO, taker: Decimal::ZERO };

    /// The rate of `role`.
    pub const fn rate(self, role: Role) -> Decimal {
        match role {
            Role::Maker => self.maker,
            Role::Taker => self.taker,
        }
    }
}

/// In which asset an account pays its fees (Gate API v4, `debit_fee` of `/wallet/fee`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FeeDebit {
    /// In the received asset at the normal rate.
    #[default]
    Received,
    /// In GT at the reduced rate, as long as enough GT is free; otherwise as [`FeeDebit::Received`].
    Gt,
    /// In points at the normal rate, as long as enough points are free; otherwise as [`FeeDebit::Received`].
    Points,
}

/// Whom self-trade prevention cancels where two orders of one group meet (Gate API v4, `stp_act`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StpAct {
    /// `cn`: the arriving order.
    CancelNewest,
    /// `co`: the resting order; the arriving one goes on.
    CancelOldest,
    /// `cb`: both.
    CancelBoth,
}

impl StpAct {
    /// The word of Gate's `stp_act`.
    pub const fn as_str(self) -> &'static str {
        match self {
            StpAct::CancelNewest => "cn",
            StpAct::CancelOldest => "co",
            StpAct::CancelBoth => "cb",
        }
    }
}

/// The door an order came through; names it where the client gave no id of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrderSource {
    /// A REST request.
    #[default]
    Rest,
    /// Order entry over WebSocket.
    WebSocket,
}

/// What an account owns of one asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// Free to be used.
    pub available: Decimal,
    /// Held by open orders.
    pub locked: Decimal,
    /// Version: grows by one with each change of this balance.
    pub update_id: u64,
}

impl Balance {
    /// Nothing owned, never changed.
    pub const ZERO: Balance = Balance { available: Decimal::ZERO, locked: Decimal::ZERO, update_id: 0 };
}
