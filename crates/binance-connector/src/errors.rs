//! Binance's error codes (spot API, error codes) mapped to the classes that every venue shares, and what they say about a placement.
//!
//! A code is not always enough: whatever the matching engine refuses is −2010 or −2011, told apart by the message. A server error says
//! nothing about execution, whatever its code, but for the one that says the server was too busy to take the request.

use crate::wire::bodies::ErrorBody;
use domain::ErrorClass;
use venue::desk::wire::{Failure, Placement};

use ErrorClass::{
    AuthFatal, ClockSkew, DuplicateClientId, FilterReject, InsufficientFunds, RateLimited, SymbolClosed, Unknown, UnknownOrder,
};

/// "Server is currently overloaded with other requests": it took none of this one.
const SERVER_BUSY: i64 = -1008;
/// The status that goes with it.
const UNAVAILABLE: u16 = 503;
/// Rejected by the matching engine, an order or a cancel.
const REJECTED: [i64; 3] = [-1010, -2010, -2011];
/// Codes for an order that is not there, or was archived without executions.
const NO_ORDER: [i64; 2] = [-2013, -2026];
/// The same as a message of the matching engine.
const UNKNOWN_ORDER: &str = "unknown order";

/// Messages of the matching engine, by how they begin or what they contain, lower case.
const MESSAGES: &[(&str, ErrorClass)] = &[
    ("insufficient balance", InsufficientFunds),
    ("duplicate order", DuplicateClientId),
    ("market is closed", SymbolClosed),
    ("this symbol is not permitted", SymbolClosed),
    ("this symbol is restricted", SymbolClosed),
    ("action is disabled on this account", AuthFatal),
    ("may not place or cancel orders", AuthFatal),
    ("api trading is not enabled", AuthFatal),
    (UNKNOWN_ORDER, UnknownOrder),
];

/// Codes whose class is not that of their hundred.
const CODES: &[(i64, ErrorClass)] = &[
    (-1000, Unknown),
    (-1001, Unknown),
    (-1002, AuthFatal),
    (-1003, RateLimited),
    (-1004, Unknown),
    (-1006, Unknown),
    (-1007, Unknown),
    (SERVER_BUSY, RateLimited),
    (-1013, FilterReject),
    (-1014, FilterReject),
    (-1015, RateLimited),
    // The service is shutting down.
    (-1016, Unknown),
    (-1020, FilterReject),
    (-1021, ClockSkew),
    (-1022, AuthFatal),
    // Too many connections.
    (-1034, RateLimited),
    (-1099, AuthFatal),
    (-1121, SymbolClosed),
    // A symbol status in a request, not the symbol's.
    (-1122, FilterReject),
    (-1220, SymbolClosed),
    (-2013, UnknownOrder),
    (-2014, AuthFatal),
    (-2015, AuthFatal),
    (-2016, SymbolClosed),
    // Of a replacement: one half may have been done.
    (-2021, Unknown),
    (-2022, Unknown),
    (-2026, UnknownOrder),
    // The two ids that were sent name different orders.
    (-2038, FilterReject),
    (-2039, UnknownOrder),
];

fn by_message(message: &str) -> Option<ErrorClass> {
    let message = message.to_lowercase();
    MESSAGES.iter().find(|(part, _)| message.contains(part)).map(|(_, class)| *class)
}

fn listed(error: &ErrorBody) -> Option<ErrorClass> {
    if REJECTED.contains(&error.code) {
        return by_message(&error.message);
    }
    let exact = CODES.iter().find(|(code, _)| *code == error.code).map(|(_, class)| *class);
    // Of the eleven and twelve hundreds all are faults of a request's own parameters.
    exact.or((-1299..=-1100).contains(&error.code).then_some(FilterReject))
}

/// The class of an error answer; `error` is `None` when the body had no code.
pub fn class(status: u16, error: Option<&ErrorBody>) -> ErrorClass {
    if matches!(status, 418 | 429) {
        return RateLimited;
    }
    if status >= 500 && error.is_none_or(|error| error.code != SERVER_BUSY) {
        return Unknown;
    }
    match error {
        Some(error) => listed(error).unwrap_or(if REJECTED.contains(&error.code) { FilterReject } else { Unknown }),
        // The firewall, which stands before everything else.
        None if status == 403 => RateLimited,
        None => Unknown,
    }
}

/// What an error answer to a placement proves. Only what names a reason for which the request was not executed is a refusal.
fn placement(status: u16, error: Option<&ErrorBody>) -> Placement {
    let class = class(status, error);
    let (Some(error), 400..=499) = (error, status) else {
        let not_taken = matches!(status, 418 | 429) || error.is_some_and(|error| error.code == SERVER_BUSY);
        return if not_taken { Placement::Refused(class) } else { Placement::Unknown };
    };
    match (listed(error), class) {
        // An earlier copy lives, or what is there is unknown.
        (_, DuplicateClientId | UnknownOrder) => Placement::Unknown,
        (_, Unknown) => Placement::Unknown,
        (Some(_), class) => Placement::Refused(class),
        (None, RateLimited) => Placement::Refused(RateLimited),
        (None, class) => Placement::RefusedUnlisted(class),
    }
}

/// What an answer that is no success says.
pub fn failure(status: u16, error: Option<ErrorBody>) -> Failure {
    let class = class(status, error.as_ref());
    let not_found = status < 500
        && error.as_ref().is_some_and(|error| {
            NO_ORDER.contains(&error.code)
                || (REJECTED.contains(&error.code) && error.message.to_lowercase().contains(UNKNOWN_ORDER))
        });
    // A connection that is not logged in (any more) misses the key in the request, or knows of none.
    let login_lost = error.as_ref().is_some_and(|error| match error.code {
        -1102 => error.message.to_lowercase().contains("apikey"),
        code => matches!(code, -1002 | -2015),
    });
    // However it came: the venue's load, and no limit of ours that is used up.
    let busy = class == RateLimited && error.as_ref().is_some_and(|error| error.code == SERVER_BUSY);
    Failure {
        status: if busy && !matches!(status, 418 | 429) { UNAVAILABLE } else { status },
        class,
        placement: placement(status, error.as_ref()),
        not_found,
        login_lost: status < 500 && (login_lost || status == 401),
        label: error.map(|error| format!("{} {}", error.code, error.message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, code: i64, message: &str, class: ErrorClass, placement: Placement) {
        let found = failure(status, Some(ErrorBody { code, message: message.into() }));
        assert_eq!((found.class, found.placement), (class, placement), "{status} {code} {message}");
        assert_eq!(found.label, Some(format!("{code} {message}")));
    }

    #[test]
    fn every_row_of_the_fact_sheet_has_its_class_and_proves_what_it_says() {
        let refused = Placement::Refused;
        for (code, message, class) in [
            (-2010, "Account has insufficient balance for requested action.", InsufficientFunds),
            (-2010, "Market is closed.", SymbolClosed),
            (-2010, "This symbol is not permitted for this account.", SymbolClosed),
            (-2010, "This action is disabled on this account.", AuthFatal),
            (-2010, "This account may not place or cancel orders.", AuthFatal),
            (-2010, "Rest API trading is not enabled.", AuthFatal),
            (-1013, "Filter failure: LOT_SIZE", FilterReject),
            (-1013, "Filter failure: NOTIONAL", FilterReject),
            (-1111, "Parameter 'quantity' has too much precision.", FilterReject),
            (-1121, "Invalid symbol.", SymbolClosed),
            (-1220, "The symbol's status does not match the requested symbolStatus.", SymbolClosed),
            (-1015, "Too many new orders; current limit is 50 orders per 10 SECOND.", RateLimited),
            (-1021, "Timestamp for this request is outside of the recvWindow.", ClockSkew),
            (-1022, "Signature for this request is not valid.", AuthFatal),
            (-1002, "You are not authorized to execute this request.", AuthFatal),
            (-2014, "API-key format invalid.", AuthFatal),
            (-2015, "Invalid API-key, IP, or permissions for action.", AuthFatal),
            (SERVER_BUSY, "Server is currently overloaded with other requests. Please try again in a few minutes.", RateLimited),
        ] {
            check(400, code, message, class, refused(class));
        }
        let post_only = "Order would immediately match and take.";
        check(400, -2010, post_only, FilterReject, Placement::RefusedUnlisted(FilterReject));
        // An earlier copy lives: look it up.
        check(400, -2010, "Duplicate order sent.", DuplicateClientId, Placement::Unknown);
    }

    #[test]
    fn what_may_have_been_executed_is_never_refused() {
        for (status, code, message) in [
            (400, -1006, "An unexpected response was received from the message bus. Execution status unknown."),
            (400, -1007, "Timeout waiting for response from backend server. Send status unknown; execution status unknown."),
            (400, -1001, "Internal error; unable to process your request. Please try again."),
            (400, -1000, "An unknown error occurred while processing the request."),
            (409, -2021, "Order cancel-replace partially failed."),
            (500, -2010, "Account has insufficient balance for requested action."),
            (503, -1013, "Filter failure: LOT_SIZE"),
            (400, -9999, "Something new."),
            (200, -2010, "Market is closed."),
        ] {
            let found = failure(status, Some(ErrorBody { code, message: message.into() }));
            assert_eq!(found.placement, Placement::Unknown, "{status} {code}");
        }
        for status in [302, 400, 403, 404, 500, 502, 504] {
            assert_eq!(failure(status, None).placement, Placement::Unknown, "{status}");
        }
        // The one server error that says that nothing was taken, and refusals of the door.
        check(503, SERVER_BUSY, "Server is currently overloaded", RateLimited, Placement::Refused(RateLimited));
        check(429, -1003, "Too much request weight used", RateLimited, Placement::Refused(RateLimited));
        check(418, -1003, "Way too much request weight used; IP banned", RateLimited, Placement::Refused(RateLimited));
        assert_eq!(failure(429, None).placement, Placement::Refused(RateLimited));
    }

    #[test]
    fn orders_that_are_not_there_and_links_that_are_not_logged_in_are_told() {
        let told = |status, code, message: &str| {
            let found = failure(status, Some(ErrorBody { code, message: message.into() }));
            (found.not_found, found.login_lost)
        };
        assert_eq!(told(400, -2013, "Order does not exist."), (true, false));
        assert_eq!(told(400, -2011, "Unknown order sent."), (true, false));
        assert_eq!(told(400, -2011, "Order was not canceled due to cancel restrictions."), (false, false));
        assert_eq!(told(400, -2026, "Order was archived."), (true, false));
        assert_eq!(told(500, -2013, "Order does not exist."), (false, false));
        assert_eq!(told(400, -1102, "Mandatory parameter 'apiKey' was not sent, was empty/null, or malformed."), (false, true));
        assert_eq!(told(400, -2015, "Invalid API-key, IP, or permissions for action."), (false, true));
        assert_eq!(told(400, -1102, "Mandatory parameter 'symbol' was not sent."), (false, false));
    }
}
