//! Words on the wire: decimals as venues print them, and escapes undone.

use rust_decimal::Decimal;

/// Longest decimal that is read.
const DECIMAL_BYTES_MAX: usize = 40;

/// A decimal as venues print it: no exponent, no trailing zeros.
pub(crate) fn decimal(value: Decimal) -> String {
    match u64::try_from(value.mantissa().unsigned_abs()) {
        Ok(mantissa) => text_of(mantissa, value.scale(), value.is_sign_negative()),
        Err(_) => value.normalize().to_string(),
    }
}

/// [`decimal`] in 64 bits, for the thousands of levels that books are made of.
fn text_of(mut mantissa: u64, mut scale: u32, negative: bool) -> String {
    while scale > 0 && mantissa.is_multiple_of(10) {
        (mantissa, scale) = (mantissa / 10, scale - 1);
    }
    let mut text = String::with_capacity(24);
    if negative && mantissa != 0 {
        text.push('-');
    }
    let digits = mantissa.checked_ilog10().unwrap_or(0) + 1;
    if digits <= scale {
        text.push_str("0.");
        (digits..scale).for_each(|_| text.push('0'));
    }
    let mut unit = 10_u64.pow(digits - 1);
    for left in (0..digits).rev() {
        text.push(char::from(b'0' + (mantissa / unit % 10) as u8));
        if left > 0 {
            unit /= 10;
            if left == scale {
                text.push('.');
            }
        }
    }
    text
}

/// A decimal out of plain digits with at most one point: no sign, no exponent, and nothing that would be rounded.
pub(crate) fn plain_decimal(text: &str) -> Option<Decimal> {
    let plain = text.len() <= DECIMAL_BYTES_MAX
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && text.bytes().any(|byte| byte.is_ascii_digit());
    if !plain {
        return None;
    }
    // Exact: digits past the type's reach are refused, never rounded.
    Decimal::from_str_exact(text).ok()
}

/// Replaces `%XX` by its byte. A broken escape stays as it is; bytes that are not UTF-8 become U+FFFD, so that they can
/// only ever fail a comparison.
pub(crate) fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'%'
            && let [high, low, after @ ..] = tail
            && let (Some(high), Some(low)) = (hex_digit(*high), hex_digit(*low))
        {
            decoded.push(high * 16 + low);
            rest = after;
            continue;
        }
        decoded.push(first);
        rest = tail;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_printed_plainly() {
        let rows = [("0.00", "0"), ("1.500", "1.5"), ("0.00000001", "0.00000001"), ("120", "120"), ("-0.10", "-0.1")];
        for (value, expected) in rows {
            assert_eq!(decimal(value.parse().expect("a decimal")), expected);
        }
    }

    #[test]
    fn both_ways_print_the_same() {
        for mantissa in (0..4_000_u64).chain((1..20).map(|n| u64::MAX / n)) {
            for scale in 0..22 {
                let value = Decimal::from_i128_with_scale(i128::from(mantissa), scale);
                assert_eq!(decimal(value), value.normalize().to_string());
                assert_eq!(decimal(-value), (-value).normalize().to_string());
            }
        }
    }

    #[test]
    fn decimals_are_read_when_they_are_plain_and_exact() {
        for good in ["0.001", "27000.5", "1", "1.", ".5"] {
            assert!(plain_decimal(good).is_some(), "{good}");
        }
        let long = "1".repeat(DECIMAL_BYTES_MAX + 1);
        for bad in ["", ".", "-1", "+1", "1e3", "NaN", "1_000", " 1", "0.00000000000000000000000000000000001", long.as_str()] {
            assert!(plain_decimal(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn percent_decoding_is_total() {
        let rows =
            [("a%2Cb", "a,b"), ("%", "%"), ("%2", "%2"), ("%zz", "%zz"), ("%c3%a9", "é"), ("%ff", "\u{fffd}"), ("a+b", "a+b")];
        for (text, expected) in rows {
            assert_eq!(percent_decode(text), expected, "{text}");
        }
    }
}
