//! Refusals as Binance words them: HTTP status, code, message (Binance spot API, errors).

use serde_json::{Value, json};

use crate::{
    core::{PrecisionField, Reject},
    faults::{Refusal, conduct::Refused},
};

/// A refusal.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ApiError {
    /// HTTP status; also `status` of a WebSocket reply.
    pub(super) status: u16,
    /// `code`, below zero.
    pub(super) code: i32,
    /// `msg`.
    pub(super) msg: String,
    /// `data`, where there is more to say.
    pub(super) data: Option<Value>,
    /// Seconds until it is worth asking again.
    pub(super) retry_after_s: Option<u64>,
}

impl ApiError {
    /// A 400.
    pub(super) fn new(code: i32, msg: impl Into<String>) -> ApiError {
        ApiError { status: 400, code, msg: msg.into(), data: None, retry_after_s: None }
    }

    /// With another status.
    pub(super) fn with_status(self, status: u16) -> ApiError {
        ApiError { status, ..self }
    }

    /// A mandatory parameter is not there.
    pub(super) fn missing(name: &str) -> ApiError {
        ApiError::new(-1102, format!("Mandatory parameter '{name}' was not sent, was empty/null, or malformed."))
    }

    /// A value that no rule allows.
    pub(super) fn invalid(name: &str) -> ApiError {
        ApiError::new(-1130, format!("Data sent for parameter '{name}' is not valid."))
    }

    /// No such symbol.
    pub(super) fn symbol() -> ApiError {
        ApiError::new(-1121, "Invalid symbol.")
    }

    /// A filter of the symbol was not passed.
    pub(super) fn filter(name: &str) -> ApiError {
        ApiError::new(-1013, format!("Filter failure: {name}"))
    }

    /// Refused by matching.
    pub(super) fn rejected(msg: &str) -> ApiError {
        ApiError::new(-2010, msg)
    }

    /// The order to be cancelled is not open.
    pub(super) fn unknown_order() -> ApiError {
        ApiError::new(-2011, "Unknown order sent.")
    }

    /// The order asked for does not exist.
    pub(super) fn no_such_order() -> ApiError {
        ApiError::new(-2013, "Order does not exist.")
    }

    /// The venue's edge lets nothing in.
    pub(super) fn unavailable() -> ApiError {
        ApiError::new(-1001, "Internal error; unable to process your request. Please try again.").with_status(503)
    }

    /// `{"code": …, "msg": …}`.
    pub(super) fn value(&self) -> Value {
        let mut value = json!({"code": self.code, "msg": self.msg});
        if let Some(data) = &self.data {
            value["data"] = data.clone();
        }
        value
    }
}

impl From<Reject> for ApiError {
    fn from(reject: Reject) -> ApiError {
        match reject {
            Reject::UnknownPair => ApiError::symbol(),
            Reject::UnknownAccount | Reject::UnknownAsset => {
                ApiError::new(-1000, "An unknown error occurred while processing the request.")
            }
            Reject::PairNotTradable => ApiError::rejected("Market is closed."),
            Reject::BadPrice => ApiError::new(-1013, "Invalid price."),
            Reject::BadAmount | Reject::BadIceberg | Reject::NoChange => ApiError::new(-1013, "Invalid quantity."),
            Reject::BadTimeInForce => ApiError::new(-1115, "Invalid timeInForce."),
            Reject::BadPrecision { field: PrecisionField::Price, .. } => ApiError::filter("PRICE_FILTER"),
            Reject::BadPrecision { field: PrecisionField::Amount, .. } | Reject::TooSmall { .. } | Reject::TooLarge { .. } => {
                ApiError::filter("LOT_SIZE")
            }
            Reject::TooSmallNotional { .. } | Reject::TooLargeNotional { .. } => ApiError::filter("NOTIONAL"),
            Reject::BalanceNotEnough => ApiError::rejected("Account has insufficient balance for requested action."),
            Reject::PostOnlyWouldTake => ApiError::rejected("Order would immediately match and take."),
            Reject::DuplicateClientId => ApiError::rejected("Duplicate order sent."),
            Reject::FokNotFilled | Reject::NoLiquidity | Reject::BadSlippage => {
                ApiError::rejected("Order book liquidity is less than LOT_SIZE filter minimum quantity.")
            }
            Reject::OrderNotFound | Reject::OrderClosed => ApiError::unknown_order(),
            Reject::PriceOutsideBand { .. } => ApiError::filter("PERCENT_PRICE_BY_SIDE"),
            Reject::NoStpGroup => ApiError::new(-1013, "This symbol does not allow the specified self-trade prevention mode."),
            Reject::NotRepresentable => ApiError::new(-1108, "Parameter 'quantity' overflowed."),
        }
    }
}

impl From<Refused> for ApiError {
    /// What faults refuse, in the words that Binance has for it.
    fn from(refused: Refused) -> ApiError {
        match refused {
            Refused::Delisted => ApiError::symbol(),
            Refused::Halted => ApiError::rejected("Market is closed."),
            Refused::TooFine { what: "price", .. } => ApiError::filter("PRICE_FILTER"),
            Refused::TooFine { .. } => ApiError::filter("LOT_SIZE"),
            Refused::Asked(why) => asked(why),
        }
    }
}

fn asked(why: Refusal) -> ApiError {
    match why {
        Refusal::Balance => Reject::BalanceNotEnough.into(),
        Refusal::PostOnly => Reject::PostOnlyWouldTake.into(),
        // Binance accepts and expires what it cannot fill; this is the nearest that it refuses.
        Refusal::FillOrKill => Reject::NoLiquidity.into(),
        Refusal::PriceBand => ApiError::filter("PERCENT_PRICE_BY_SIDE"),
        Refusal::Precision => ApiError::new(-1111, "Parameter 'quantity' has too much precision."),
        Refusal::Parameter => ApiError::invalid("quantity"),
        Refusal::TooSmall | Refusal::TooLarge => ApiError::filter("NOTIONAL"),
        Refusal::Restricted => ApiError::rejected("Market is closed."),
        Refusal::UnknownPair => ApiError::symbol(),
        Refusal::TooManyOrders => ApiError::filter("MAX_NUM_ORDERS"),
        Refusal::AccountLocked => ApiError::rejected("This action is disabled on this account."),
        Refusal::DuplicateId => Reject::DuplicateClientId.into(),
        Refusal::Busy => {
            ApiError::new(-1008, "Server is currently overloaded with other requests. Please try again in a few minutes.")
                .with_status(503)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_of_a_fault_has_words_of_the_venue() {
        for refusal in Refusal::ALL {
            let error = ApiError::from(Refused::Asked(refusal));
            assert!(error.code < 0 && !error.msg.is_empty() && error.status >= 400, "{refusal:?}");
        }
        assert_eq!(ApiError::missing("side").value()["code"], -1102);
    }
}
