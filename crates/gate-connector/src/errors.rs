//! Gate's error labels (API v4, errors) mapped to the classes that every venue shares, and what a label says about a placement.
//!
//! Decisions branch on the label and the HTTP status, never on the message. A placement has three outcomes: accepted, refused,
//! unknown. [`placement`] calls an order refused only when the venue's answer proves that it never existed; [`disposition`] says what
//! to do about any refusal, of a placement or not.

use domain::ErrorClass;
pub use venue::desk::wire::Placement;

/// What to do about an error answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Disposition {
    /// Refused and not executed: do not send it again unchanged.
    Refused,
    /// Nothing is proved, or the state must be read before deciding: look it up by id or text, then decide.
    Unknown,
    /// Refused and not executed: the same request may pass after a pause (the limit's reset, or the clock set right).
    RetryAfter,
    /// Refused and not executed, as will be everything else under this key: stop trading on it.
    Fatal,
}

use Disposition::{Fatal, Refused, RetryAfter};
use ErrorClass::{
    AuthFatal, ClockSkew, DuplicateClientId, FilterReject, InsufficientFunds, RateLimited, SymbolClosed, UnknownOrder,
};

/// Every label of the published list and of captures, with its class and what to do. `POSITION_*` is matched by prefix.
const LABELS: &[(&str, ErrorClass, Disposition)] = &[
    ("INVALID_KEY", AuthFatal, Fatal),
    ("INVALID_CREDENTIALS", AuthFatal, Fatal),
    ("AUTHENTICATION_FAILED", AuthFatal, Fatal),
    ("INVALID_SIGNATURE", AuthFatal, Fatal),
    // Also the answer to a private path that does not exist: a fault of that request, not of the key.
    ("MISSING_REQUIRED_HEADER", FilterReject, Refused),
    ("REQUEST_EXPIRED", ClockSkew, RetryAfter),
    ("IP_FORBIDDEN", AuthFatal, Fatal),
    ("READ_ONLY", AuthFatal, Fatal),
    ("FORBIDDEN", AuthFatal, Fatal),
    ("ACCOUNT_LOCKED", AuthFatal, Fatal),
    ("ACCOUNT_EXCEPTION", AuthFatal, Fatal),
    ("SUB_ACCOUNT_LOCKED", AuthFatal, Fatal),
    ("TOO_MANY_REQUESTS", RateLimited, RetryAfter),
    ("TOO_FAST", RateLimited, RetryAfter),
    ("INTERNAL", ErrorClass::Unknown, Disposition::Unknown),
    ("SERVER_ERROR", ErrorClass::Unknown, Disposition::Unknown),
    ("TOO_BUSY", ErrorClass::Unknown, Disposition::Unknown),
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
    // A depth beyond what an endpoint serves.
    ("TOO_BIG", FilterReject, Refused),
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
    ("ORDER_NOT_FOUND", UnknownOrder, Disposition::Unknown),
    ("CLIENT_ID_NOT_FOUND", UnknownOrder, Disposition::Unknown),
    ("ORDER_CLOSED", UnknownOrder, Disposition::Unknown),
    ("ORDER_CANCELLED", UnknownOrder, Disposition::Unknown),
    ("ORDER_FINISHED", UnknownOrder, Disposition::Unknown),
    ("CANCEL_FAIL", UnknownOrder, Disposition::Unknown),
    ("NO_CHANGE", UnknownOrder, Disposition::Unknown),
    ("ORDER_PENDING", UnknownOrder, Disposition::Unknown),
    ("AMEND_WITH_STOP", UnknownOrder, Disposition::Unknown),
    ("REPEATED_CREATION", DuplicateClientId, Disposition::Unknown),
    ("DUPLICATE_REQUEST", DuplicateClientId, Disposition::Unknown),
    ("ORDER_EXISTS", DuplicateClientId, Disposition::Unknown),
    ("INVALID_CLIENT_ORDER_ID", DuplicateClientId, Disposition::Unknown),
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

fn listed(label: &str) -> Option<(ErrorClass, Disposition)> {
    if label.starts_with("POSITION_") {
        return Some((FilterReject, Refused));
    }
    LABELS.iter().find(|(name, ..)| *name == label).map(|(_, class, disposition)| (*class, *disposition))
}

/// The class of an error answer; `label` is `None` when the body was no JSON object with a label.
///
/// Without a label nothing is said of us or of the request, whatever the status: an edge before the venue answers HTML with a 401 as well,
/// and a key that is taken for refused ends the run. A server error says nothing either, whatever its label.
pub fn class(status: u16, label: Option<&str>) -> ErrorClass {
    if status == 429 {
        return RateLimited;
    }
    let Some(label) = label.filter(|_| status < 500) else { return ErrorClass::Unknown };
    match (listed(label), status) {
        (Some((class, _)), _) => class,
        (None, 401) => AuthFatal,
        (None, 400..=499) => FilterReject,
        (None, _) => ErrorClass::Unknown,
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
        Some((_, Disposition::Unknown)) => Placement::Unknown,
        Some((class, Refused | RetryAfter | Fatal)) => Placement::Refused(class),
        None => Placement::RefusedUnlisted(class(status, Some(label))),
    }
}

/// What to do about an error answer. A body without a label is a transport error, whatever its status, except 429.
pub fn disposition(status: u16, label: Option<&str>) -> Disposition {
    match (status, label) {
        (429, _) => RetryAfter,
        (400..=499, Some(label)) => match listed(label) {
            Some((_, disposition)) => disposition,
            // Any other 401 is about the key too.
            None if status == 401 => Fatal,
            None => Refused,
        },
        _ => Disposition::Unknown,
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
        for (index, (label, class_of, disposed)) in LABELS.iter().enumerate() {
            assert!(LABELS[..index].iter().all(|(other, ..)| other != label), "{label} twice");
            assert_eq!(class(400, Some(label)), *class_of, "{label}");
            assert_eq!(disposition(400, Some(label)), *disposed, "{label}");
            let expected = match disposed {
                Disposition::Unknown => Placement::Unknown,
                Refused | RetryAfter | Fatal => Placement::Refused(*class_of),
            };
            assert_eq!(placement(400, Some(label)), expected, "{label}");
            // Whatever the label: a 5xx answer to a write proves nothing, a 429 was not executed.
            assert_eq!(
                (class(500, Some(label)), placement(500, Some(label))),
                (ErrorClass::Unknown, Placement::Unknown),
                "{label}"
            );
            assert_eq!(disposition(500, Some(label)), Disposition::Unknown, "{label}");
            assert_eq!(placement(429, Some(label)), Placement::Refused(RateLimited), "{label}");
            assert_eq!(disposition(429, Some(label)), RetryAfter, "{label}");
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
        // An edge's page, in HTML or empty: of no key.
        check(401, None, ErrorClass::Unknown, Placement::Unknown);
        check(403, None, ErrorClass::Unknown, Placement::Unknown);
        check(429, None, RateLimited, Placement::Refused(RateLimited));
        check(502, None, ErrorClass::Unknown, Placement::Unknown);
        check(504, Some("TOO_BUSY"), ErrorClass::Unknown, Placement::Unknown);
        check(502, Some("INVALID_KEY"), ErrorClass::Unknown, Placement::Unknown);
        // Of a path that does not exist, too: that request's fault.
        check(400, Some("MISSING_REQUIRED_HEADER"), FilterReject, Placement::Refused(FilterReject));
        check(200, Some("BALANCE_NOT_ENOUGH"), InsufficientFunds, Placement::Unknown);
        check(302, None, ErrorClass::Unknown, Placement::Unknown);
    }

    /// The fact sheet's table of errors, row by row: labels, and what the row tells the engine to do.
    const SHEET: &[(&str, Disposition)] = &[
        ("INVALID_KEY INVALID_CREDENTIALS AUTHENTICATION_FAILED", Fatal),
        // A wrong secret: nothing signed with it will ever pass.
        ("INVALID_SIGNATURE", Fatal),
        ("MISSING_REQUIRED_HEADER", Refused),
        ("REQUEST_EXPIRED", RetryAfter),
        ("IP_FORBIDDEN READ_ONLY FORBIDDEN ACCOUNT_LOCKED ACCOUNT_EXCEPTION SUB_ACCOUNT_LOCKED", Fatal),
        ("TOO_MANY_REQUESTS TOO_FAST", RetryAfter),
        ("INTERNAL SERVER_ERROR TOO_BUSY", Disposition::Unknown),
        ("INVALID_PARAM_VALUE INVALID_ARGUMENT INVALID_PROTOCOL BAD_REQUEST INVALID_REQUEST_BODY", Refused),
        ("MISSING_REQUIRED_PARAM INVALID_CONTENT_TYPE NOT_ACCEPTABLE METHOD_NOT_ALLOWED NOT_FOUND", Refused),
        ("INVALID_CURRENCY INVALID_CURRENCY_PAIR INVALID_PRECISION", Refused),
        ("AMOUNT_TOO_LITTLE AMOUNT_TOO_MUCH QUANTITY_NOT_ENOUGH SIZE_TOO_SMALL SIZE_TOO_LARGE", Refused),
        ("BALANCE_NOT_ENOUGH MARGIN_BALANCE_NOT_ENOUGH FUTURES_BALANCE_NOT_ENOUGH INSUFFICIENT_AVAILABLE", Refused),
        ("POC_FILL_IMMEDIATELY ORDER_POC_IMMEDIATE FOK_NOT_FILL ORDER_FOK", Refused),
        ("ORDER_BOOK_NOT_FOUND CONTRACT_NO_COUNTER PRICE_THRESHOLD_EXCEEDED PRICE_TOO_DEVIATED", Refused),
        ("ORDER_NOT_FOUND CLIENT_ID_NOT_FOUND ORDER_CLOSED ORDER_CANCELLED ORDER_FINISHED", Disposition::Unknown),
        ("CANCEL_FAIL NO_CHANGE ORDER_PENDING AMEND_WITH_STOP", Disposition::Unknown),
        ("REPEATED_CREATION DUPLICATE_REQUEST ORDER_EXISTS INVALID_CLIENT_ORDER_ID", Disposition::Unknown),
        ("TOO_MANY_CURRENCY_PAIRS TOO_MANY_ORDERS MIXED_ACCOUNT_TYPE", Refused),
        ("TRADE_RESTRICTED INITIAL_MARGIN_TOO_LOW AUTO_BORROW_TOO_MUCH RISK_LIMIT_EXCEEDED RISK_LIMIT_TOO_lOW", Refused),
        ("LIQUIDATE_IMMEDIATELY PRICE_OVER_LIQUIDATION PRICE_OVER_BANKRUPT", Refused),
        ("CONTRACT_NOT_FOUND CONTRACT_IN_DELISTING USER_NOT_FOUND INCREASE_POSITION REDUCE_EXCEEDED", Refused),
        ("POSITION_EMPTY POSITION_NOT_FOUND POSITION_CROSS_MARGIN", Refused),
        ("ADDRESS_NOT_USED WITHDRAWAL_OVER_LIMIT API_WITHDRAW_DISABLED", Refused),
        ("INVALID_WITHDRAW_ID INVALID_WITHDRAW_CANCEL_STATUS", Refused),
        // From captures.
        ("TOO_BIG", Refused),
    ];

    #[test]
    fn every_label_of_the_fact_sheet_is_listed_and_disposed_of_as_it_says() {
        let mut walked = 0;
        for (row, expected) in SHEET {
            for label in row.split(' ') {
                assert!(listed(label).is_some(), "{label} is not listed");
                for status in [400, 401, 403, 404] {
                    assert_eq!(disposition(status, Some(label)), *expected, "{status} {label}");
                }
                walked += usize::from(!label.starts_with("POSITION_"));
            }
        }
        assert_eq!(walked, LABELS.len(), "every listed label has its row here");
    }

    #[test]
    fn unlisted_and_unreadable_errors_are_disposed_of_by_status() {
        for (status, label, expected) in [
            (400, Some("NEW_LABEL"), Refused),
            (404, Some("NEW_LABEL"), Refused),
            (401, Some("NEW_LABEL"), Fatal),
            (429, None, RetryAfter),
            (401, None, Disposition::Unknown),
            (403, None, Disposition::Unknown),
            (502, None, Disposition::Unknown),
            (500, Some("INVALID_KEY"), Disposition::Unknown),
            (302, None, Disposition::Unknown),
            (200, Some("BALANCE_NOT_ENOUGH"), Disposition::Unknown),
        ] {
            assert_eq!(disposition(status, label), expected, "{status} {label:?}");
        }
    }
}
