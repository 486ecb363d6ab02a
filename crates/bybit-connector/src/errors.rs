//! Bybit's codes (`retCode`, v5 error codes) mapped to the classes that every venue shares, and what a code says about a
//! placement.
//!
//! Decisions branch on the code and the HTTP status, never on the message. A placement has three outcomes: received, refused,
//! unknown. [`placement`] calls an order refused only for a listed code that proves that it never existed: a code that nobody
//! listed proves nothing, nor does an answer without a code, except the statuses with which the gateway turns a request away.

use domain::ErrorClass;
use venue::desk::wire::Placement;

/// What to do about an error answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Disposition {
    /// Refused and not executed: do not send it again unchanged.
    Refused,
    /// Nothing is proved, or the state must be read before deciding: look it up by our id, then decide.
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

/// Every code that is known, with its class and what to do.
const CODES: &[(i64, ErrorClass, Disposition)] = &[
    // Not enough money.
    (170_131, InsufficientFunds, Refused),
    (110_004, InsufficientFunds, Refused),
    (110_007, InsufficientFunds, Refused),
    (110_012, InsufficientFunds, Refused),
    (110_044, InsufficientFunds, Refused),
    (110_045, InsufficientFunds, Refused),
    (170_033, InsufficientFunds, Refused),
    // The order is not there (any more): what became of it must be read.
    (170_213, UnknownOrder, Disposition::Unknown),
    (110_001, UnknownOrder, Disposition::Unknown),
    (170_142, UnknownOrder, Disposition::Unknown),
    (170_139, UnknownOrder, Disposition::Unknown),
    (110_008, UnknownOrder, Disposition::Unknown),
    (110_010, UnknownOrder, Disposition::Unknown),
    (170_190, UnknownOrder, Disposition::Unknown),
    // An earlier copy exists.
    (170_141, DuplicateClientId, Disposition::Unknown),
    (110_072, DuplicateClientId, Disposition::Unknown),
    (12_141, DuplicateClientId, Disposition::Unknown),
    (10_006, RateLimited, RetryAfter),
    (170_005, RateLimited, RetryAfter),
    (170_222, RateLimited, RetryAfter),
    (10_429, RateLimited, RetryAfter),
    (429, RateLimited, RetryAfter),
    (20_003, RateLimited, RetryAfter),
    (10_002, ClockSkew, RetryAfter),
    (-1, ClockSkew, RetryAfter),
    // Key, signature, rights, address.
    (10_003, AuthFatal, Fatal),
    (10_004, AuthFatal, Fatal),
    (10_005, AuthFatal, Fatal),
    (10_007, AuthFatal, Fatal),
    (10_010, AuthFatal, Fatal),
    (33_004, AuthFatal, Fatal),
    // Region, compliance, bans.
    (10_009, AuthFatal, Fatal),
    (10_024, AuthFatal, Fatal),
    (10_027, AuthFatal, Fatal),
    (110_066, AuthFatal, Fatal),
    (110_132, AuthFatal, Fatal),
    // Price, quantity, value.
    (170_132, FilterReject, Refused),
    (170_133, FilterReject, Refused),
    (170_134, FilterReject, Refused),
    (170_136, FilterReject, Refused),
    (170_137, FilterReject, Refused),
    (170_140, FilterReject, Refused),
    (170_148, FilterReject, Refused),
    (170_192, FilterReject, Refused),
    (170_193, FilterReject, Refused),
    (170_194, FilterReject, Refused),
    (110_003, FilterReject, Refused),
    (110_017, FilterReject, Refused),
    (110_094, FilterReject, Refused),
    (170_124, FilterReject, Refused),
    // Closed, or not open to this yet.
    (170_121, SymbolClosed, Refused),
    (170_151, SymbolClosed, Refused),
    (170_157, SymbolClosed, Refused),
    (170_159, SymbolClosed, Refused),
    (110_074, SymbolClosed, Refused),
    // Only orders that make are taken: closed to ours until that is over.
    (170_217, SymbolClosed, Refused),
    (110_103, SymbolClosed, Refused),
    (170_218, FilterReject, Refused),
    // Timeouts and faults of the venue.
    (10_000, ErrorClass::Unknown, Disposition::Unknown),
    (10_016, ErrorClass::Unknown, Disposition::Unknown),
    (170_001, ErrorClass::Unknown, Disposition::Unknown),
    (170_007, ErrorClass::Unknown, Disposition::Unknown),
    (170_032, ErrorClass::Unknown, Disposition::Unknown),
    (170_146, ErrorClass::Unknown, Disposition::Unknown),
    (170_147, ErrorClass::Unknown, Disposition::Unknown),
    // The node of order entry restarts.
    (10_019, ErrorClass::Unknown, Disposition::Unknown),
    // A request id used again: an earlier frame with it may have placed an order.
    (20_006, ErrorClass::Unknown, Disposition::Unknown),
    (170_149, FilterReject, Refused),
    (170_150, FilterReject, Refused),
    (170_210, FilterReject, Refused),
];

/// Codes that say that an order is not there, and nothing of what became of it.
const NOT_FOUND: &[i64] = &[170_213, 110_001];

fn listed(code: i64) -> Option<(ErrorClass, Disposition)> {
    CODES.iter().find(|(known, ..)| *known == code).map(|(_, class, disposition)| (*class, *disposition))
}

/// What a status says by itself: the gateway turned the request away. 403 is its limit (ten minutes), a region, or a GET with a
/// body. A bare 401 says nothing: what Bybit has against a key comes with its code, and a page of an edge must not pass for that.
const fn turned_away(status: u16) -> Option<(ErrorClass, Disposition)> {
    match status {
        403 | 429 => Some((RateLimited, RetryAfter)),
        _ => None,
    }
}

fn known(status: u16, code: Option<i64>) -> Option<(ErrorClass, Disposition)> {
    match code {
        Some(code) if !(500..600).contains(&status) => listed(code),
        Some(_) => None,
        None => turned_away(status),
    }
}

/// The class of an error answer; `code` is `None` when the body had none.
pub fn class(status: u16, code: Option<i64>) -> ErrorClass {
    known(status, code).map_or(ErrorClass::Unknown, |(class, _)| class)
}

/// What an error answer to a placement proves.
pub fn placement(status: u16, code: Option<i64>) -> Placement {
    match known(status, code) {
        Some((class, Refused | RetryAfter | Fatal)) => Placement::Refused(class),
        Some((_, Disposition::Unknown)) | None => Placement::Unknown,
    }
}

/// What to do about an error answer.
pub fn disposition(status: u16, code: Option<i64>) -> Disposition {
    known(status, code).map_or(Disposition::Unknown, |(_, disposition)| disposition)
}

/// True when a look-up or cancel answer says that the order is not there.
pub fn is_not_found(code: Option<i64>) -> bool {
    code.is_some_and(|code| NOT_FOUND.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the fact sheet, row by row: what it calls them, their codes, and the class and disposition that its last
    /// column asks for.
    const SHEET: &[(&str, &[i64], ErrorClass, Disposition)] = &[
        (
            "insufficient balance: terminal, refresh",
            &[170_131, 110_004, 110_007, 110_012, 110_044, 110_045, 170_033],
            InsufficientFunds,
            Refused,
        ),
        ("order not found: check history", &[170_213, 110_001], UnknownOrder, Disposition::Unknown),
        ("already cancelled or filled", &[170_142, 170_139, 110_008, 110_010, 170_190], UnknownOrder, Disposition::Unknown),
        ("duplicate client id: query", &[170_141, 110_072, 12_141], DuplicateClientId, Disposition::Unknown),
        ("rate limit: wait", &[10_006, 170_005, 170_222, 10_429, 429, 20_003], RateLimited, RetryAfter),
        ("timestamp outside window: resync, once more", &[10_002, -1], ClockSkew, RetryAfter),
        ("key, sign, permission, IP: stop venue", &[10_003, 10_004, 10_005, 10_007, 10_010, 33_004], AuthFatal, Fatal),
        ("region or compliance ban: stop venue", &[10_009, 10_024, 10_027, 110_066, 110_132], AuthFatal, Fatal),
        (
            "filters: terminal, reload metadata",
            &[
                170_132, 170_133, 170_134, 170_136, 170_137, 170_140, 170_148, 170_192, 170_193, 170_194, 110_003, 110_017,
                110_094, 170_124,
            ],
            FilterReject,
            Refused,
        ),
        ("closed: pause symbol", &[170_121, 170_151, 170_157, 170_159, 110_074], SymbolClosed, Refused),
        ("post-only phase: wait", &[170_217, 110_103], SymbolClosed, Refused),
        ("post-only price crosses: reprice", &[170_218], FilterReject, Refused),
        (
            "timeout or server: unknown, query",
            &[10_000, 10_016, 170_001, 170_007, 170_032, 170_146, 170_147],
            ErrorClass::Unknown,
            Disposition::Unknown,
        ),
        ("trade node restarts: new socket, then query", &[10_019], ErrorClass::Unknown, Disposition::Unknown),
        ("request id reused", &[20_006], ErrorClass::Unknown, Disposition::Unknown),
        ("generic reject: terminal", &[170_149, 170_150, 170_210], FilterReject, Refused),
    ];

    #[test]
    fn every_code_of_the_fact_sheet_is_disposed_of_as_it_says() {
        let mut codes = 0;
        for (what, row, class_of, disposed) in SHEET {
            for code in *row {
                let found = (class(200, Some(*code)), disposition(200, Some(*code)));
                assert_eq!(found, (*class_of, *disposed), "{what}: {code}");
                codes += 1;
            }
        }
        assert_eq!((codes, CODES.len()), (70, 70), "no code but those of the sheet");
    }

    #[test]
    fn every_code_has_one_row_and_one_placement_outcome() {
        for (index, (code, class_of, disposed)) in CODES.iter().enumerate() {
            assert!(CODES[..index].iter().all(|(other, ..)| other != code), "{code} twice");
            let expected = match disposed {
                Disposition::Unknown => Placement::Unknown,
                Refused | RetryAfter | Fatal => Placement::Refused(*class_of),
            };
            for status in [200, 400, 403] {
                assert_eq!(placement(status, Some(*code)), expected, "{status} {code}");
            }
            // Whatever the code: a 5xx answer to a write proves nothing.
            assert_eq!(placement(502, Some(*code)), Placement::Unknown, "{code}");
            assert_eq!((class(502, Some(*code)), disposition(502, Some(*code))), (ErrorClass::Unknown, Disposition::Unknown));
            assert_eq!(is_not_found(Some(*code)), matches!(code, 170_213 | 110_001));
        }
    }

    #[test]
    fn what_nobody_listed_proves_nothing_and_the_gateway_turns_away_by_status() {
        for code in [1, 170_999, i64::MIN, i64::MAX] {
            assert_eq!((placement(200, Some(code)), class(200, Some(code))), (Placement::Unknown, ErrorClass::Unknown), "{code}");
        }
        for (status, expected) in [
            (200, Placement::Unknown),
            (400, Placement::Unknown),
            (404, Placement::Unknown),
            (401, Placement::Unknown),
            (403, Placement::Refused(RateLimited)),
            (429, Placement::Refused(RateLimited)),
            (500, Placement::Unknown),
            (504, Placement::Unknown),
        ] {
            assert_eq!(placement(status, None), expected, "{status}");
            assert_ne!(class(status, None), AuthFatal, "{status}: of no key");
        }
        assert!(!is_not_found(None));
    }
}
