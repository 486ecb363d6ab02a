//! Refusals, as a closed list. A dialect turns each into its venue's label and status.

use rust_decimal::Decimal;

/// Why the exchange did not do what was asked. Nothing has changed when one is returned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// No such pair.
    #[error("unknown pair")]
    UnknownPair,
    /// No such asset.
    #[error("unknown asset")]
    UnknownAsset,
    /// No such account.
    #[error("unknown account")]
    UnknownAccount,
    /// The pair does not take orders of this side now.
    #[error("the pair does not accept this side now")]
    PairNotTradable,
    /// Price not above zero, or too great for the price grid.
    #[error("price is not above zero or out of range")]
    BadPrice,
    /// Amount not above zero, or out of range.
    #[error("amount is not above zero or out of range")]
    BadAmount,
    /// Market orders take `ioc` and `fok` only.
    #[error("time in force does not go with this kind of order")]
    BadTimeInForce,
    /// More decimals than the pair's price or amount precision.
    #[error("{field:?} has more than {decimals} decimals")]
    BadPrecision {
        /// Which number.
        field: PrecisionField,
        /// Decimals allowed.
        decimals: u32,
    },
    /// Base amount below the least.
    #[error("base amount is below the minimum {min}")]
    TooSmall {
        /// The minimum.
        min: Decimal,
    },
    /// Price × amount below the least.
    #[error("order value is below the minimum {min}")]
    TooSmallNotional {
        /// The minimum.
        min: Decimal,
    },
    /// Base amount above the greatest.
    #[error("base amount is above the maximum {max}")]
    TooLarge {
        /// The maximum.
        max: Decimal,
    },
    /// Price × amount above the greatest.
    #[error("order value is above the maximum {max}")]
    TooLargeNotional {
        /// The maximum.
        max: Decimal,
    },
    /// The free balance does not cover the hold.
    #[error("not enough balance")]
    BalanceNotEnough,
    /// Post-only would have taken.
    #[error("post-only order would take")]
    PostOnlyWouldTake,
    /// Fill-or-kill could not be filled at once.
    #[error("fill-or-kill order can't be filled")]
    FokNotFilled,
    /// A market order found nothing to trade with.
    #[error("no order to trade with")]
    NoLiquidity,
    /// The client id belongs to another order of the account.
    #[error("the client id is in use")]
    DuplicateClientId,
    /// No such order of this account.
    #[error("order not found")]
    OrderNotFound,
    /// The order has ended.
    #[error("order is closed")]
    OrderClosed,
    /// The limit price is outside the pair's price band.
    #[error("price is outside the price band around {reference}")]
    PriceOutsideBand {
        /// The price the band is measured from.
        reference: Decimal,
    },
    /// An amendment that changes nothing.
    #[error("nothing to change")]
    NoChange,
    /// A self-trade action from an account that is in no group.
    #[error("the account is in no self-trade group")]
    NoStpGroup,
    /// The visible part is below zero or above the amount.
    #[error("visible part is out of range")]
    BadIceberg,
    /// Slippage below zero, above the pair's maximum, or on a limit order.
    #[error("slippage is out of range")]
    BadSlippage,
    /// A result does not fit the number type exactly.
    #[error("result is not exactly representable")]
    NotRepresentable,
}

/// The number that had too many decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrecisionField {
    /// Price.
    Price,
    /// Amount.
    Amount,
}
