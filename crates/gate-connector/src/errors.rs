//! Gate's error labels (API v4, errors) mapped to the classes that every venue shares, and what a label says about a placement.
//!
//! Decisions branch on the label and the HTTP status, never on the message. A placement has three outcomes: accepted, refused,
//! unknown. [`placement`] calls an order refused only when the venue's answer proves that it never existed.

use domain::ErrorClass;

/// What an error answer to a placement proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// The order never existed.
    Refused(ErrorClass),
    /// A 4xx whose label is not in the published list: the order never existed; past its deadline it expired at the gateway.
    RefusedUnlisted(ErrorClass),
    /// Nothing.
    Unknown,
}

/// What a listed label means for the order it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// The request was refused and not executed.
    Refused,
    /// The state must be read before deciding.
    State,
    /// The venue failed in the middle.
    Failed,
}

use ErrorClass::{
    AuthFatal, ClockSkew, DuplicateClientId, FilterReject, InsufficientFunds, RateLimited, SymbolClosed, UnknownOrder,
};
use Meaning::{Failed, Refused, State};

/// Every label of the published list and of captures, with its class. `POSITION_*` is matched by prefix.
const LABELS: &[(&str, ErrorClass, Meaning)] = &[
    ("INVALID_KEY", AuthFatal, Refused),
    ("INVALID_CREDENTIALS", AuthFatal, Refused),
    ("AUTHENTICATION_FAILED", AuthFatal, Refused),
    ("INVALID_SIGNATURE", AuthFatal, Refused),
    ("MISSING_REQUIRED_HEADER", AuthFatal, Refused),
    ("REQUEST_EXPIRED", ClockSkew, Refused),
    ("IP_FORBIDDEN", AuthFatal, Refused),
    ("READ_ONLY", AuthFatal, Refused),
    ("FORBIDDEN", AuthFatal, Refused),
    ("ACCOUNT_LOCKED", AuthFatal, Refused),
    ("ACCOUNT_EXCEPTION", AuthFatal, Refused),
    ("SUB_ACCOUNT_LOCKED", AuthFatal, Refused),
    ("TOO_MANY_REQUESTS", RateLimited, Refused),
    ("TOO_FAST", RateLimited, Refused),
    ("INTERNAL", ErrorClass::Unknown, Failed),
    ("SERVER_ERROR", ErrorClass::Unknown, Failed),
    ("TOO_BUSY", ErrorClass::Unknown, Failed),
    ("INVALID_PARAM_VALUE", FilterReject, Refused),
    ("INVALID_ARGUMENT", FilterReject, Refused),
    ("INVALID_PROTOCOL", FilterReject, Refused),
    ("BAD_REQUEST", FilterReject, Refused),
    ("INVALID_REQUEST_BODY", FilterReject, Refused),
    ("MISSING_REQUIRED_PARAM", FilterReject, Refused),
    ("INVALID_CONTENT_TYPE", FilterReject, Refused),
    ("NOT_ACCEPTABLE", FilterReject, Refused),
    ("METHOD_NOT_ALLOWED", FilterReject, Refused),
    ("NOT_FOUND", FilterReject, Refused),
    ("INVALID_CURRENCY", SymbolClosed, Refused),
    ("INVALID_CURRENCY_PAIR", SymbolClosed, Refused),
    ("INVALID_PRECISION", FilterReject, Refused),
    ("AMOUNT_TOO_LITTLE", FilterReject, Refused),
    ("AMOUNT_TOO_MUCH", FilterReject, Refused),
    ("QUANTITY_NOT_ENOUGH", FilterReject, Refused),
    ("SIZE_TOO_SMALL", FilterReject, Refused),
    ("SIZE_TOO_LARGE", FilterReject, Refused),
    ("BALANCE_NOT_ENOUGH", InsufficientFunds, Refused),
    ("MARGIN_BALANCE_NOT_ENOUGH", InsufficientFunds, Refused),
    ("FUTURES_BALANCE_NOT_ENOUGH", InsufficientFunds, Refused),
    ("INSUFFICIENT_AVAILABLE", InsufficientFunds, Refused),
    ("POC_FILL_IMMEDIATELY", FilterReject, Refused),
    ("ORDER_POC_IMMEDIATE", FilterReject, Refused),
    ("FOK_NOT_FILL", FilterReject, Refused),
    ("ORDER_FOK", FilterReject, Refused),
    ("ORDER_BOOK_NOT_FOUND", SymbolClosed, Refused),
    ("CONTRACT_NO_COUNTER", SymbolClosed, Refused),
    ("PRICE_THRESHOLD_EXCEEDED", FilterReject, Refused),
    ("PRICE_TOO_DEVIATED", FilterReject, Refused),
    ("ORDER_NOT_FOUND", UnknownOrder, State),
    ("CLIENT_ID_NOT_FOUND", UnknownOrder, State),
    ("ORDER_CLOSED", UnknownOrder, State),
    ("ORDER_CANCELLED", UnknownOrder, State),
    ("ORDER_FINISHED", UnknownOrder, State),
    ("CANCEL_FAIL", UnknownOrder, State),
    ("NO_CHANGE", UnknownOrder, State),
    ("ORDER_PENDING", UnknownOrder, State),
    ("AMEND_WITH_STOP", UnknownOrder, State),
    ("REPEATED_CREATION", DuplicateClientId, State),
    ("DUPLICATE_REQUEST", DuplicateClientId, State),
    ("ORDER_EXISTS", DuplicateClientId, State),
    ("INVALID_CLIENT_ORDER_ID", DuplicateClientId, State),
    ("TOO_MANY_CURRENCY_PAIRS", FilterReject, Refused),
    ("TOO_MANY_ORDERS", FilterReject, Refused),
    ("MIXED_ACCOUNT_TYPE", FilterReject, Refused),
    ("TRADE_RESTRICTED", SymbolClosed, Refused),
    ("INITIAL_MARGIN_TOO_LOW", InsufficientFunds, Refused),
    ("AUTO_BORROW_TOO_MUCH", InsufficientFunds, Refused),
    ("RISK_LIMIT_EXCEEDED", FilterReject, Refused),
    // The venue's own spelling.
    ("RISK_LIMIT_TOO_lOW", FilterReject, Refused),
    ("LIQUIDATE_IMMEDIATELY", FilterReject, Refused),
    ("PRICE_OVER_LIQUIDATION", FilterReject, Refused),
    ("PRICE_OVER_BANKRUPT", FilterReject, Refused),
    ("CONTRACT_NOT_FOUND", SymbolClosed, Refused),
    ("CONTRACT_IN_DELISTING", SymbolClosed, Refused),
    // An account that was never funded.
    ("USER_NOT_FOUND", InsufficientFunds, Refused),
    ("INCREASE_POSITION", FilterReject, Refused),
    ("REDUCE_EXCEEDED", FilterReject, Refused),
    ("ADDRESS_NOT_USED", FilterReject, Refused),
    ("WITHDRAWAL_OVER_LIMIT", FilterReject, Refused),
    ("API_WITHDRAW_DISABLED", FilterReject, Refused),
    ("INVALID_WITHDRAW_ID", FilterReject, Refused),
    ("INVALID_WITHDRAW_CANCEL_STATUS", FilterReject, Refused),
];

fn listed(label: &str) -> Option<(ErrorClass, Meaning)> {
    if label.starts_with("POSITION_") {
        return Some((FilterReject, Refused));
    }
    LABELS.iter().find(|(name, ..)| *name == label).map(|(_, class, meaning)| (*class, *meaning))
}

/// The class of an error answer; `label` is `None` when the body was no JSON object with a label.
pub fn class(status: u16, label: Option<&str>) -> ErrorClass {
    if status == 429 {
        return RateLimited;
    }
    if let Some((class, _)) = label.and_then(listed) {
        return class;
    }
    match status {
        401 => AuthFatal,
        400..=499 if label.is_some() => FilterReject,
        _ => ErrorClass::Unknown,
    }
}

/// What an error answer to a placement proves. Only a readable 4xx (or any 429, which Gate documents as not executed) refuses;
/// a label that asks to read the state first proves nothing.
pub fn placement(status: u16, label: Option<&str>) -> Placement {
    if status == 429 {
        return Placement::Refused(RateLimited);
    }
    let (400..=499, Some(label)) = (status, label) else { return Placement::Unknown };
    match listed(label) {
        Some((class, Refused)) => Placement::Refused(class),
        Some((_, State | Failed)) => Placement::Unknown,
        None => Placement::RefusedUnlisted(class(status, Some(label))),
    }
}

/// True when a look-up or cancel answer says that the order is not there.
pub fn is_not_found(label: Option<&str>) -> bool {
    matches!(label, Some("ORDER_NOT_FOUND" | "CLIENT_ID_NOT_FOUND"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_has_one_row_and_one_placement_outcome() {
        for (index, (label, class_of, meaning)) in LABELS.iter().enumerate() {
            assert!(LABELS[..index].iter().all(|(other, ..)| other != label), "{label} twice");
            assert_eq!(class(400, Some(label)), *class_of, "{label}");
            let expected = match meaning {
                Refused => Placement::Refused(*class_of),
                State | Failed => Placement::Unknown,
            };
            assert_eq!(placement(400, Some(label)), expected, "{label}");
            // Whatever the label: a 5xx answer to a write proves nothing, a 429 was not executed.
            assert_eq!(placement(500, Some(label)), Placement::Unknown, "{label}");
            assert_eq!(placement(429, Some(label)), Placement::Refused(RateLimited), "{label}");
        }
        assert_eq!(class(400, Some("POSITION_NOT_FOUND")), FilterReject);
    }

    #[track_caller]
    fn check(status: u16, label: Option<&str>, class_of: ErrorClass, expected: Placement) {
        assert_eq!((class(status, label), placement(status, label)), (class_of, expected), "{status} {label:?}");
    }

    #[test]
    fn answers_without_a_known_label_go_by_http_class() {
        check(400, Some("NEW_LABEL"), FilterReject, Placement::RefusedUnlisted(FilterReject));
        check(401, Some("NEW_LABEL"), AuthFatal, Placement::RefusedUnlisted(AuthFatal));
        check(400, None, ErrorClass::Unknown, Placement::Unknown);
        check(403, None, ErrorClass::Unknown, Placement::Unknown);
        check(429, None, RateLimited, Placement::Refused(RateLimited));
        check(502, None, ErrorClass::Unknown, Placement::Unknown);
        check(504, Some("TOO_BUSY"), ErrorClass::Unknown, Placement::Unknown);
        check(200, Some("BALANCE_NOT_ENOUGH"), InsufficientFunds, Placement::Unknown);
        check(302, None, ErrorClass::Unknown, Placement::Unknown);
    }
}
