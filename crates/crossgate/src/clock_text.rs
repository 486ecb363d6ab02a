//! Times and durations as people read them.

use domain::UnixNanos;

/// RFC 3339 UTC with milliseconds.
pub fn rfc3339(time: UnixNanos) -> String {
    match jiff::Timestamp::from_nanosecond(i128::from(time.0)) {
        Ok(stamp) => {
            let millis = jiff::Timestamp::from_millisecond(stamp.as_millisecond()).unwrap_or(stamp);
            format!("{millis:.3}")
        }
        Err(_) => "?".into(),
    }
}

/// Nanoseconds as exact decimal seconds.
pub fn seconds(nanos: u64) -> String {
    domain::decimal::format_units(i128::from(nanos), 9)
}

/// Nanoseconds as a short text: `812 ns`, `4.1 µs`, `2.3 ms`, `1.7 s`.
pub fn short(nanos: u64) -> String {
    let tenths = |unit: u64| format!("{}.{}", nanos / unit, nanos % unit * 10 / unit);
    match nanos {
        0..1_000 => format!("{nanos} ns"),
        1_000..1_000_000 => format!("{} µs", tenths(1_000)),
        1_000_000..1_000_000_000 => format!("{} ms", tenths(1_000_000)),
        _ => format!("{} s", tenths(1_000_000_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_well() {
        assert_eq!(rfc3339(UnixNanos(1_700_000_000_123_456_789)), "2023-11-14T22:13:20.123Z");
        assert_eq!(seconds(1_500_000_000), "1.5");
        assert_eq!(
            (short(812), short(4_150), short(2_300_000), short(1_700_000_000)),
            ("812 ns".into(), "4.1 µs".into(), "2.3 ms".into(), "1.7 s".into())
        );
    }
}
