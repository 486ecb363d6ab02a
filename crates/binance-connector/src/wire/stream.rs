//! Names of streams: `btcusdt@depth@100ms`, `btcusdt@bookTicker`, `!ticker@arr`.

/// What a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamKind {
    /// Changes of a book, at any of the venue's speeds.
    Depth,
    /// The best bid and offer.
    BookTicker,
    /// Single or aggregated trades.
    Trade,
    /// 24-hour summary of one symbol.
    Ticker,
    /// Exists, and is not used. Partial books (`depth20`) look like changes and are none.
    Unused,
}

/// Streams that exist and are not used, by what follows the `@` up to the first of `_`, `@` or a digit.
const UNUSED: &[&str] = &[
    "kline",
    "continuousKline",
    "miniTicker",
    "ticker",
    "avgPrice",
    "markPrice",
    "indexPrice",
    "markPriceKline",
    "indexPriceKline",
    "forceOrder",
    "compositeIndex",
    "contractInfo",
    "assetIndex",
    "referencePrice",
    "rpiDepth",
    "openInterest",
    "index",
    "blockTrade",
    "tradingSession",
];

/// What a stream carries, by its name; `None` for a name that nobody knows.
pub fn stream_kind(name: &str) -> Option<StreamKind> {
    if let Some(all) = name.strip_prefix('!') {
        // Of all symbols at once. Best bids and offers come one by one in the shape of a single symbol's.
        return Some(if all == "bookTicker" { StreamKind::BookTicker } else { StreamKind::Unused });
    }
    let (_, kind) = name.split_once('@')?;
    match kind {
        "bookTicker" => return Some(StreamKind::BookTicker),
        "trade" | "aggTrade" => return Some(StreamKind::Trade),
        "ticker" => return Some(StreamKind::Ticker),
        "depth" => return Some(StreamKind::Depth),
        _ => {}
    }
    if let Some(rest) = kind.strip_prefix("depth") {
        let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if let Some(speed) = rest.strip_prefix('@') {
            return number(speed.strip_suffix("ms")?).then_some(StreamKind::Depth);
        }
        let levels = rest.split_once('@').map_or(rest, |(levels, _)| levels);
        return number(levels).then_some(StreamKind::Unused);
    }
    let word = kind.find(|c: char| c == '_' || c == '@' || c.is_ascii_digit()).map_or(kind, |end| &kind[..end]);
    UNUSED.contains(&word).then_some(StreamKind::Unused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_comes() {
        use StreamKind::{BookTicker, Depth, Ticker, Trade, Unused};
        for (name, kind) in [
            ("btcusdt@depth", Some(Depth)),
            ("btcusdt@depth@100ms", Some(Depth)),
            ("btcusd_perp@depth@0ms", Some(Depth)),
            ("ethusdt@depth20", Some(Unused)),
            ("ethusdt@depth5@100ms", Some(Unused)),
            ("ethusdt@depth@fast", None),
            ("ethusdt@depthless", None),
            ("btcusdt@bookTicker", Some(BookTicker)),
            ("!bookTicker", Some(BookTicker)),
            ("!ticker@arr", Some(Unused)),
            ("!markPrice@arr@1s", Some(Unused)),
            ("btcusdt@trade", Some(Trade)),
            ("btcusdt@aggTrade", Some(Trade)),
            ("btcusdt@ticker", Some(Ticker)),
            ("btcusdt@ticker_1h", Some(Unused)),
            ("btcusdt@kline_1m", Some(Unused)),
            ("btcusdt@markPrice@1s", Some(Unused)),
            ("BTCUSDT_C@TRADE_ALL", None),
            ("币安人生usdt@bookTicker", Some(BookTicker)),
            ("btcusdt@é", None),
            ("btcusdt", None),
            ("", None),
        ] {
            assert_eq!(stream_kind(name), kind, "{name}");
        }
    }
}
