//! The words every other room speaks: prices, quantities, amounts, instruments, ids, three kinds of time, and the messages
//! that pass between venues and the engine.
//!
//! Nothing here does I/O, reads a clock, or knows a wire format. Start at [`number`] for arithmetic and at
//! [`message::Input`] for what may move the engine.

pub mod checkpoint;
pub mod command;
pub mod decimal;
pub mod ids;
pub mod instrument;
pub mod lists;
pub mod message;
pub mod mutants;
pub mod notice;
pub mod number;
pub mod time;

pub use checkpoint::{ChargeState, CheckpointItem, DealState, OrderStage, OrderState};
pub use command::{Amend, Command, NewOrder, Purpose, ReadKind, TimeInForce};
pub use ids::{AssetId, ClientOrderId, DealId, Label, PairId, TradeId, VenueId, VenueOrderId};
pub use instrument::{InstrumentKind, InstrumentRules, PairInfo, Symbol, Tables};
pub use lists::{ErrorClass, FrameReject, LinkRole, OrderOutcome, ResyncReason, Side, StopKind, StopReason, Unwind, Verdict};
pub use message::{
    AccountFacts, BalanceEntry, BalanceReport, BalanceSource, Ban, BookBody, BookUpdate, Budget, BudgetBucket, ClockOffset,
    ConfigPatch, DeadMan, FeeRates, Fill, Finish, Input, Level, LinkChange, LinkState, MarketNews, OpenOrdersReport,
    OperatorCommand, OrderReport, OrderSource, OrderUpdate, PublicTrade, ReadFailure, Role, RoundTrip, SendStamp, Ticker,
    TradesReport, UnknownCause,
};
pub use notice::{Notice, Waterfall};
pub use number::{Amount, PairScale, Price, Qty, Rate};
pub use time::{MonoNanos, UnixNanos, VenueNanos};
