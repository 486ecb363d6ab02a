//! Names of streams: `orderbook.50.BTCUSDT`, `publicTrade.BTCUSDT`, `tickers.BTCUSDT`.

/// What a topic carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic<'a> {
    /// A book.
    Book {
        /// Levels a side.
        depth: u16,
        /// Of which symbol.
        symbol: &'a str,
    },
    /// Public trades.
    Trades(&'a str),
    /// 24-hour summary.
    Ticker(&'a str),
    /// Exists, and is not used.
    Unused,
}

/// Depths of book channels.
const DEPTHS: &[u16] = &[1, 50, 200, 500, 1000];

/// Topics that exist and are not used, by what stands before the first dot.
const UNUSED: &[&str] =
    &["kline", "liquidation", "allLiquidation", "insurance", "priceLimit", "adlAlert", "kline_lt", "tickers_lt", "lt", "system"];

/// What a topic carries, by its name; `None` for a name that nobody knows.
pub fn topic(name: &str) -> Option<Topic<'_>> {
    let (kind, rest) = name.split_once('.')?;
    if rest.is_empty() {
        return None;
    }
    match kind {
        "publicTrade" => return Some(Topic::Trades(rest)),
        "tickers" => return Some(Topic::Ticker(rest)),
        "orderbook" => {}
        _ => return UNUSED.contains(&kind).then_some(Topic::Unused),
    }
    let (depth, symbol) = rest.split_once('.').filter(|(_, symbol)| !symbol.is_empty())?;
    if matches!(depth, "full" | "rpi") {
        return Some(Topic::Unused);
    }
    let depth = DEPTHS.iter().copied().find(|known| known.to_string() == depth)?;
    Some(Topic::Book { depth, symbol })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_comes() {
        let book = |depth, symbol| Some(Topic::Book { depth, symbol });
        for (name, expected) in [
            ("orderbook.1.BTCUSDT", book(1, "BTCUSDT")),
            ("orderbook.50.BTC-26DEC25", book(50, "BTC-26DEC25")),
            ("orderbook.200.BTCUSDT", book(200, "BTCUSDT")),
            ("orderbook.1000.BTCUSDT", book(1000, "BTCUSDT")),
            ("orderbook.25.BTCUSDT", None),
            ("orderbook.050.BTCUSDT", None),
            ("orderbook.50.", None),
            ("orderbook.50", None),
            ("orderbook.full.BTCUSDT", Some(Topic::Unused)),
            ("orderbook.rpi.BTCUSDT", Some(Topic::Unused)),
            ("publicTrade.BTCUSDT", Some(Topic::Trades("BTCUSDT"))),
            ("publicTrade.", None),
            ("tickers.BTCUSDT", Some(Topic::Ticker("BTCUSDT"))),
            ("kline.5.BTCUSDT", Some(Topic::Unused)),
            ("allLiquidation.ROSEUSDT", Some(Topic::Unused)),
            // Before v5.
            ("orderBookL2_25.BTCUSDT", None),
            ("instrument_info.100ms.BTCUSDT", None),
            ("trade.BTCUSDT", None),
            ("orderbook", None),
            ("", None),
        ] {
            assert_eq!(topic(name), expected, "{name}");
        }
    }
}
