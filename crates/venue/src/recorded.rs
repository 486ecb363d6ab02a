//! How fine the numbers of a recording are: for tapes, which carry no rules. Off every hot path.

use crate::connector::Recorded;
use domain::Symbol;

/// Most decimals told; no venue's numbers are finer.
const DECIMALS_MAX: usize = 18;

impl Recorded {
    /// What a frame or answer with these prices and quantities tells of its pair. What is `None` has no decimals.
    pub fn of_levels<'a>(
        symbol: Symbol,
        book_channel: Option<&'static str>,
        book_ticker: bool,
        levels: impl IntoIterator<Item = (Option<&'a str>, Option<&'a str>)>,
    ) -> Recorded {
        let (mut price_decimals, mut qty_decimals) = (0, 0);
        for (price, qty) in levels {
            price_decimals = price_decimals.max(price.map_or(0, decimals));
            qty_decimals = qty_decimals.max(qty.map_or(0, decimals));
        }
        Recorded { symbol, book_channel, book_ticker, price_decimals, qty_decimals }
    }
}

/// Decimals of a number as text, without trailing zeros; at most 18.
fn decimals(number: &str) -> u8 {
    let digits = number.split_once('.').map_or(0, |(_, fraction)| fraction.trim_end_matches('0').len());
    digits.min(DECIMALS_MAX) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_finest_of_each_kind_counts_without_trailing_zeros() {
        let of = |levels: &[(Option<&'static str>, Option<&'static str>)]| {
            let told = Recorded::of_levels(Symbol::parse("BTC/USDT").unwrap(), Some("depth"), false, levels.iter().copied());
            assert_eq!((told.symbol.to_string(), told.book_channel, told.book_ticker), ("BTC/USDT".into(), Some("depth"), false));
            (told.price_decimals, told.qty_decimals)
        };
        assert_eq!(of(&[]), (0, 0));
        assert_eq!(of(&[(Some("1.500"), Some("2")), (Some("1"), Some("0.00100")), (Some("1.25"), Some("7.0"))]), (2, 3));
        assert_eq!(of(&[(None, Some("1.5")), (Some("2.25"), None)]), (2, 1));
        assert_eq!(of(&[(Some("0.0000000000000000000001"), Some("-0.1"))]), (18, 1));
    }
}
