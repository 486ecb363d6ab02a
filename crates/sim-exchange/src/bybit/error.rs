//! Refusals in Bybit's words: `retCode` and `retMsg` (Bybit API v5, error codes).
//!
//! Almost every refusal is an HTTP 200 with a code inside; what the venue's edge turns away has a status of its own.

use rust_decimal::Decimal;

use crate::{
    core::{PrecisionField, Reject, Side, exact},
    faults::{Refusal, conduct::Refused},
    shared::text::decimal,
};

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ApiError {
    /// HTTP status over REST.
    pub(super) status: u16,
    /// `retCode`.
    pub(super) code: i64,
    /// `retMsg`.
    pub(super) message: String,
}

impl ApiError {
    pub(super) fn new(code: i64, message: impl Into<String>) -> ApiError {
        ApiError { status: 200, code, message: message.into() }
    }

    /// A parameter that cannot be read.
    pub(super) fn parameter(what: impl std::fmt::Display) -> ApiError {
        ApiError::new(10_001, format!("params error: {what}"))
    }

    /// A required parameter that is not there.
    pub(super) fn missing(name: &str) -> ApiError {
        ApiError::new(10_001, format!("params error: {name} is required"))
    }

    /// A symbol that is not listed, on a market endpoint.
    pub(super) fn unsupported_symbol() -> ApiError {
        ApiError::new(10_001, "Not supported symbols")
    }

    pub(super) fn too_many_visits() -> ApiError {
        ApiError::new(10_006, "Too many visits. Exceeded the API Rate Limit.")
    }

    pub(super) fn invalid_key() -> ApiError {
        ApiError::new(10_003, "API key is invalid.")
    }

    pub(super) fn forbidden() -> ApiError {
        ApiError::new(10_005, "Permission denied, please check your API key permissions.")
    }

    pub(super) fn not_logged_in() -> ApiError {
        ApiError::new(10_007, "User authentication failed.")
    }

    pub(super) fn internal() -> ApiError {
        ApiError::new(10_016, "Internal system error.")
    }

    pub(super) fn no_route() -> ApiError {
        ApiError { status: 404, code: 10_017, message: "Route not found.".to_owned() }
    }

    pub(super) fn unsupported_feature() -> ApiError {
        ApiError::new(170_227, "This feature is not supported.")
    }

    pub(super) fn invalid_symbol() -> ApiError {
        ApiError::new(170_121, "Invalid symbol.")
    }

    pub(super) fn order_not_found() -> ApiError {
        ApiError::new(170_213, "Order does not exist.")
    }

    pub(super) fn already_cancelled() -> ApiError {
        ApiError::new(170_142, "Order has been canceled.")
    }

    pub(super) fn already_filled() -> ApiError {
        ApiError::new(170_139, "Order has been filled.")
    }

    pub(super) fn price_decimals() -> ApiError {
        ApiError::new(170_134, "Order price has too many decimals.")
    }

    pub(super) fn quantity_decimals() -> ApiError {
        ApiError::new(170_137, "Order quantity has too many decimals.")
    }

    pub(super) fn value_decimals() -> ApiError {
        ApiError::new(170_148, "Market order amount decimal too long.")
    }

    pub(super) fn quantity_too_small() -> ApiError {
        ApiError::new(170_136, "Order quantity exceeded lower limit.")
    }

    pub(super) fn quantity_too_large() -> ApiError {
        ApiError::new(170_135, "Order quantity exceeded upper limit.")
    }

    pub(super) fn value_too_small() -> ApiError {
        ApiError::new(170_140, "Order value exceeded lower limit.")
    }

    pub(super) fn value_too_large() -> ApiError {
        ApiError::new(170_124, "Order amount too large.")
    }

    /// What the exchange refused, as the gateway says it. `side` and `limit` word the price band.
    pub(super) fn of(reject: &Reject, side: Side, rates: (Option<Decimal>, Option<Decimal>)) -> ApiError {
        match reject {
            Reject::UnknownPair => ApiError::invalid_symbol(),
            Reject::PairNotTradable => ApiError::new(170_151, "The trading pair is not open yet."),
            Reject::BadPrice => ApiError::new(170_133, "Order price lower than the minimum."),
            Reject::BadAmount | Reject::TooSmall { .. } => ApiError::quantity_too_small(),
            Reject::BadTimeInForce => ApiError::new(170_115, "Invalid timeInForce."),
            Reject::BadPrecision { field: PrecisionField::Price, .. } => ApiError::price_decimals(),
            Reject::BadPrecision { field: PrecisionField::Amount, .. } => ApiError::quantity_decimals(),
            Reject::TooSmallNotional { .. } => ApiError::value_too_small(),
            Reject::TooLarge { .. } => ApiError::quantity_too_large(),
            Reject::TooLargeNotional { .. } => ApiError::value_too_large(),
            Reject::BalanceNotEnough => ApiError::new(170_131, "Insufficient balance."),
            Reject::DuplicateClientId => ApiError::new(170_141, "Duplicate clientOrderId."),
            Reject::OrderNotFound => ApiError::order_not_found(),
            Reject::OrderClosed => ApiError::already_cancelled(),
            Reject::PriceOutsideBand { reference } => outside_band(*reference, side, rates),
            Reject::NoChange => {
                ApiError::new(10_001, "The order remains unchanged as the parameters entered match the existing ones.")
            }
            Reject::BadSlippage => ApiError::parameter("slippageTolerance"),
            Reject::PostOnlyWouldTake => ApiError::new(170_218, "The LIMIT-MAKER order is rejected due to invalid price."),
            // Neither is ever refused here: such an order is accepted and then ended.
            Reject::FokNotFilled | Reject::NoLiquidity => ApiError::new(170_210, "New order rejected."),
            Reject::NotRepresentable | Reject::BadIceberg => ApiError::new(170_210, "New order rejected."),
            Reject::UnknownAsset | Reject::UnknownAccount | Reject::NoStpGroup => ApiError::internal(),
        }
    }

    /// What a fault keeps out at the gateway; `None` for what only matching refuses, after the acknowledgement.
    pub(super) fn of_fault(refused: Refused, side: Side) -> Option<ApiError> {
        Some(match refused {
            Refused::Delisted => ApiError::invalid_symbol(),
            Refused::TooFine { what: "price", .. } => ApiError::price_decimals(),
            Refused::TooFine { .. } => ApiError::quantity_decimals(),
            Refused::Halted => return None,
            Refused::Asked(why) => match why {
                Refusal::Balance => ApiError::new(170_131, "Insufficient balance."),
                Refusal::PriceBand if side == Side::Buy => {
                    ApiError::new(170_193, "Buy order price cannot be higher than the limit.")
                }
                Refusal::PriceBand => ApiError::new(170_194, "Sell order price cannot be lower than the limit."),
                Refusal::Precision => ApiError::price_decimals(),
                Refusal::Parameter => ApiError::parameter("request"),
                Refusal::TooSmall => ApiError::value_too_small(),
                Refusal::TooLarge => ApiError::value_too_large(),
                Refusal::UnknownPair => ApiError::invalid_symbol(),
                Refusal::TooManyOrders => ApiError::new(170_005, "Too many new orders; current limit is 500 orders."),
                Refusal::AccountLocked => ApiError::new(10_027, "Transactions are banned."),
                Refusal::DuplicateId => ApiError::new(170_141, "Duplicate clientOrderId."),
                Refusal::Busy => ApiError::internal(),
                Refusal::PostOnly | Refusal::FillOrKill | Refusal::Restricted => return None,
            },
        })
    }
}

/// `170193` or `170194`, with the price that would have been allowed where it can be said.
fn outside_band(reference: Decimal, side: Side, (up, down): (Option<Decimal>, Option<Decimal>)) -> ApiError {
    let factor = match side {
        Side::Buy => up.and_then(|rate| exact::add(Decimal::ONE, rate).ok()),
        Side::Sell => down.and_then(|rate| exact::subtract(Decimal::ONE, rate).ok()),
    };
    let bound = factor.and_then(|factor| exact::multiply(reference, factor).ok()).map_or_else(String::new, decimal);
    match side {
        Side::Buy => ApiError::new(170_193, format!("Buy order price cannot be higher than {bound}.")),
        Side::Sell => ApiError::new(170_194, format!("Sell order price cannot be lower than {bound}.")),
    }
}
