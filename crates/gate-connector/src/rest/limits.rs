//! What the venue says about a rate limit: three REST headers and the time of the answer, or the same fields of a WebSocket order-entry
//! reply's `header` (Gate API v4, rate limits).

use crate::wire::json::{Value, object};
use domain::UnixNanos;
use simd_json::prelude::*;
use venue::rate_limit::RateNews;

/// What the venue says. It leaves the head-room out when it is zero: zero then, if a limit is told; never above the limit. The reset is a
/// whole second, and that of the answer while nothing is exceeded. `out_us` is the venue's time as it answered, microseconds.
fn news(remain: Option<u32>, limit: Option<u32>, reset_s: Option<i64>, out_us: Option<i64>) -> RateNews {
    let limit = limit.filter(|limit| *limit > 0);
    let remain = match limit {
        Some(limit) => Some(remain.unwrap_or(0).min(limit)),
        None => remain,
    };
    let unix = |number: Option<i64>, ns: i64| number.filter(|n| *n > 0).and_then(|n| n.checked_mul(ns)).map(UnixNanos);
    // A time before 2001 is one in another unit, and would make the wait until the reset as long as it gets.
    let out_us = out_us.filter(|us| *us >= 1_000_000_000_000_000);
    RateNews { remain, limit, reset_at: unix(reset_s, 1_000_000_000), told_at: unix(out_us, 1_000) }
}

/// Reads the headers of a REST answer; names in any case. What can't be read counts as missing.
pub fn from_http(headers: &[(String, String)]) -> RateNews {
    let find = |name: &str| headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim());
    news(
        find("x-gate-ratelimit-requests-remain").and_then(|v| v.parse().ok()),
        find("x-gate-ratelimit-limit").and_then(|v| v.parse().ok()),
        find("x-gate-ratelimit-reset-timestamp").and_then(|v| v.parse().ok()),
        find("x-out-time").and_then(|v| v.parse().ok()),
    )
}

/// Reads the `header` object of a WebSocket order-entry reply; values as integer or string, and the documented misspelling
/// `x_gat_ratelimit_reset_timestamp` too.
pub fn from_ws(header: &Value<'_, '_>) -> RateNews {
    let Ok(header) = object(header, "header") else { return RateNews::default() };
    let find = |name: &str| {
        let value = header.get(name)?;
        value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
    };
    let small = |value: i64| u32::try_from(value).ok();
    news(
        find("x_gate_ratelimit_requests_remain").and_then(small),
        find("x_gate_ratelimit_limit").and_then(small),
        find("x_gate_ratelimit_reset_timestamp").or_else(|| find("x_gat_ratelimit_reset_timestamp")),
        find("x_out_time"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::json::JsonReader;

    fn http(headers: &[(&str, &str)]) -> RateNews {
        let headers: Vec<(String, String)> = headers.iter().map(|(n, v)| ((*n).to_string(), (*v).to_string())).collect();
        from_http(&headers)
    }

    fn ws(header: &str) -> RateNews {
        JsonReader::default().read(&mut header.as_bytes().to_vec(), 1000, |root| Ok(from_ws(&root))).unwrap()
    }

    const FULL: RateNews = RateNews {
        remain: Some(9),
        limit: Some(10),
        reset_at: Some(UnixNanos(1_700_000_001_000_000_000)),
        told_at: Some(UnixNanos(1_700_000_000_123_456_000)),
    };

    #[test]
    fn rest_and_stream_say_the_same() {
        let headers = [
            ("X-Gate-RateLimit-Requests-Remain", "9"),
            ("x-gate-ratelimit-limit", " 10"),
            ("X-GATE-RATELIMIT-RESET-TIMESTAMP", "1700000001"),
            ("X-Out-Time", "1700000000123456"),
        ];
        assert_eq!(http(&headers), FULL);
        for header in [
            r#"{"x_gate_ratelimit_requests_remain":9,"x_gate_ratelimit_limit":10,"x_gate_ratelimit_reset_timestamp":1700000001,"x_out_time":1700000000123456}"#,
            r#"{"x_gate_ratelimit_requests_remain":"9","x_gate_ratelimit_limit":"10","x_gat_ratelimit_reset_timestamp":"1700000001","x_out_time":"1700000000123456"}"#,
        ] {
            assert_eq!(ws(header), FULL, "{header}");
        }
    }

    #[test]
    fn what_is_left_out_or_odd_is_not_guessed() {
        // `remain` is left out when it is zero.
        let none_left = RateNews { remain: Some(0), limit: Some(10), ..RateNews::default() };
        assert_eq!(http(&[("x-gate-ratelimit-limit", "10")]), none_left);
        assert_eq!(ws(r#"{"x_gate_ratelimit_limit":10}"#), none_left);
        let rows: [(&[(&str, &str)], RateNews); 6] = [
            (&[], RateNews::default()),
            (&[("x-gate-ratelimit-limit", "0")], RateNews::default()),
            (&[("x-gate-ratelimit-limit", "many")], RateNews::default()),
            (&[("x-gate-ratelimit-reset-timestamp", "-5")], RateNews::default()),
            (&[("x-out-time", "1700000000123")], RateNews::default()),
            (
                &[("x-gate-ratelimit-limit", "10"), ("x-gate-ratelimit-requests-remain", "99")],
                RateNews { remain: Some(10), limit: Some(10), ..RateNews::default() },
            ),
        ];
        for (headers, expected) in rows {
            assert_eq!(http(headers), expected, "{headers:?}");
        }
        for odd in [
            "[]",
            "1",
            r#"{"x_gate_ratelimit_limit":{}}"#,
            r#"{"x_gate_ratelimit_limit":-1}"#,
            r#"{"x_gate_ratelimit_limit":9e9}"#,
        ] {
            assert_eq!(ws(odd), RateNews::default(), "{odd}");
        }
    }
}
