//! Refusals as Gate words them: HTTP status, `label` and `message` (Gate API v4, errors).
//!
//! Clients branch on `label`; the messages follow what users have reported seeing, so that a client that reads text by
//! mistake behaves as it would against the venue.

use serde_json::json;

use crate::{
    core::PairConfig,
    faults::{Refusal, conduct::Refused},
};

/// One refusal. Rendered as `{"label": …, "message": …}` with [`ApiError::status`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ApiError {
    /// HTTP status of the answer.
    pub(super) status: u16,
    /// The word clients branch on.
    pub(super) label: &'static str,
    /// Free text.
    pub(super) message: String,
}

impl ApiError {
    /// A refusal with its own words.
    pub(super) fn new(status: u16, label: &'static str, message: impl Into<String>) -> ApiError {
        ApiError { status, label, message: message.into() }
    }

    /// What a fault keeps an order out for.
    pub(super) fn by_fault(refused: Refused, rules: &PairConfig) -> ApiError {
        match refused {
            Refused::Delisted => ApiError::invalid_pair(&rules.id),
            Refused::Halted => ApiError::new(400, "TRADE_RESTRICTED", format!("Trading of {} is restricted now", rules.id)),
            Refused::Asked(why) => {
                let status = match why {
                    Refusal::AccountLocked => 403,
                    Refusal::Busy => 500,
                    _ => 400,
                };
                ApiError::new(status, why.name(), "Refused by a fault")
            }
            Refused::TooFine { what, digits } => {
                let message = format!("Invalid {what} precision, at most {digits} decimals are allowed");
                ApiError::new(400, "INVALID_PRECISION", message)
            }
        }
    }

    /// A header of the signature is absent; also Gate's answer to unknown private paths.
    pub(super) fn missing_header(name: &str) -> ApiError {
        ApiError::new(400, "MISSING_REQUIRED_HEADER", format!("Missing required header: {name}"))
    }

    /// The `Timestamp` is more than a minute off.
    pub(super) fn request_expired() -> ApiError {
        ApiError::new(403, "REQUEST_EXPIRED", "gap between request Timestamp and server time exceeds 60")
    }

    /// The key is unknown.
    pub(super) fn invalid_key() -> ApiError {
        ApiError::new(401, "INVALID_KEY", "Invalid key provided")
    }

    /// The signature does not match.
    pub(super) fn invalid_signature() -> ApiError {
        ApiError::new(401, "INVALID_SIGNATURE", "Signature mismatch")
    }

    /// The key lacks write permission for this call.
    pub(super) fn read_only() -> ApiError {
        ApiError::new(403, "READ_ONLY", "The API key has no write permission")
    }

    /// The key lacks the permission group altogether.
    pub(super) fn forbidden() -> ApiError {
        ApiError::new(403, "FORBIDDEN", "The API key has no permission for this operation")
    }

    /// A required parameter is absent.
    pub(super) fn missing_param(name: &str) -> ApiError {
        ApiError::new(400, "MISSING_REQUIRED_PARAM", format!("Missing required parameter: {name}"))
    }

    /// A parameter has an unusable value.
    pub(super) fn invalid_param(message: impl Into<String>) -> ApiError {
        ApiError::new(400, "INVALID_PARAM_VALUE", message)
    }

    /// The body is not the expected JSON.
    pub(super) fn invalid_body(message: impl Into<String>) -> ApiError {
        ApiError::new(400, "INVALID_REQUEST_BODY", message)
    }

    /// The pair is not listed.
    pub(super) fn invalid_pair(pair: &str) -> ApiError {
        ApiError::new(400, "INVALID_CURRENCY_PAIR", format!("Invalid currency pair {pair}"))
    }

    /// The currency is not listed.
    pub(super) fn invalid_currency(currency: &str) -> ApiError {
        ApiError::new(400, "INVALID_CURRENCY", format!("Invalid currency {currency}"))
    }

    /// No order by that exchange id.
    pub(super) fn order_not_found() -> ApiError {
        ApiError::new(404, "ORDER_NOT_FOUND", "Order not found")
    }

    /// No order by that `text`.
    pub(super) fn client_id_not_found() -> ApiError {
        ApiError::new(404, "CLIENT_ID_NOT_FOUND", "Order with the client id not found")
    }

    /// The order to cancel is already done.
    pub(super) fn order_closed() -> ApiError {
        ApiError::new(400, "ORDER_CLOSED", "Order already closed")
    }

    /// The order to cancel is already cancelled.
    pub(super) fn order_cancelled() -> ApiError {
        ApiError::new(400, "ORDER_CANCELLED", "Order already cancelled")
    }

    /// Too many requests in the bucket's window.
    pub(super) fn too_many_requests() -> ApiError {
        ApiError::new(429, "TOO_MANY_REQUESTS", "Request Rate limit Exceeded (100)")
    }

    /// The venue failed; the outcome of a write is unknown.
    pub(super) fn server_error() -> ApiError {
        ApiError::new(500, "INTERNAL", "Internal server error")
    }

    /// Exists on Gate, and not here.
    pub(super) fn not_simulated() -> ApiError {
        ApiError::new(400, "NOT_SIMULATED", "This endpoint is not simulated")
    }

    /// The body of the answer. An empty message is left out, as some of Gate's answers do.
    pub(super) fn body(&self) -> Vec<u8> {
        let body = if self.message.is_empty() {
            json!({"label": self.label})
        } else {
            json!({"label": self.label, "message": self.message})
        };
        body.to_string().into_bytes()
    }
}
