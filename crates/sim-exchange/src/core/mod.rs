//! The venue-neutral exchange: matching, accounts, holds, fees. No protocol, no socket and no clock in here.
//!
//! Start at [`Exchange::place`], [`Exchange::cancel`] and [`Exchange::take_events`]. Time is an argument everywhere
//! (Unix nanoseconds), so that the same calls give the same events for ever.
//!
//! Kept true by every method:
//! 1. Per asset, what accounts own plus the fees collected equals what was deposited
//!    ([`Exchange::conservation_check`]); the market account may be negative, no other may.
//! 2. No amount is ever rounded, apart from the fee, which is rounded up to the asset's decimals
//!    ([`exact::fee_rounded_up`]). What can't be represented exactly is refused before anything changes.
//! 3. A book is never crossed or locked, and its update ids have no holes.
//! 4. `locked` of an account is the sum of the holds of its open orders.
//! 5. Orders of one account never trade with each other, nor do those of one self-trade group: the newer one is cancelled
//!    where it meets the older one, unless the order asks for another [`StpAct`].

mod book;
mod config;
mod countdown;
mod event;
pub mod exact;
mod exchange;
mod history;
mod ledger;
mod matching;
mod order;
mod placing;
mod reject;
#[cfg(test)]
mod tests;
mod types;

pub use book::{Book, Level};
pub use config::{
    ASSET_DECIMALS_MAX, AssetConfig, ClientIdPolicy, ConfigError, DeductionConfig, ExchangeConfig, HistoryLimits, PairConfig,
    UnfillablePolicy,
};
pub use event::{AccountTrade, BalanceEvent, BalanceReason, BookChange, Event, OrderEvent, OrderEventKind, PublicTrade};
pub use exchange::{Exchange, Pair};
pub use history::{OrderFilter, TradeFilter};
pub use ledger::{Account, ConservationError};
pub use order::{Amendment, FinishReason, NewOrder, Order, OrderStatus, PlaceOptions};
pub use reject::{PrecisionField, Reject};
pub use types::{
    AccountId, AssetId, Balance, FeeDebit, FeeRates, OrderId, OrderKind, OrderSource, PairId, Role, Side, StpAct, TimeInForce,
    TradeId, TradeStatus,
};
