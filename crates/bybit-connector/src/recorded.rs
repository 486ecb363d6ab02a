//! What recorded frames and REST answers tell of pairs: for tapes, which carry no rules. Off every hot path.
//!
//! A frame of a tape does not name its market, so a name is looked for among the pairs of that tape; where two of them share it,
//! nothing tells them apart and the first is told. Bybit's names can't be split into assets: without pairs to look among, nothing
//! is told.

use crate::market::venue_name;
use crate::session::BookChannel;
use crate::wire::topic::{Topic, topic};
use domain::Symbol;
use serde_json::Value;
use venue::Recorded;

/// See [`venue::Connector::recorded`]. No request of this venue tells of a book.
pub(crate) fn recorded(symbols: &[Symbol], path_and_query: Option<&str>, bytes: &[u8]) -> Option<Recorded> {
    if path_and_query.is_some() {
        return None;
    }
    let frame = serde_json::from_slice::<Value>(bytes).ok()?;
    let data = &frame["data"];
    match topic(frame["topic"].as_str()?)? {
        Topic::Book { depth, symbol } => {
            let channel = BookChannel::of_depth(depth).map(BookChannel::name);
            let levels = ["b", "a"].into_iter().flat_map(|side| data[side].as_array().into_iter().flatten());
            let levels = levels.map(|level| (level[0].as_str(), level[1].as_str()));
            Some(Recorded::of_levels(named(symbols, symbol)?, channel, depth == 1, levels))
        }
        Topic::Trades(symbol) => {
            let trades = data.as_array().into_iter().flatten().map(|trade| (trade["p"].as_str(), trade["v"].as_str()));
            Some(Recorded::of_levels(named(symbols, symbol)?, None, false, trades))
        }
        Topic::Ticker(_) | Topic::Unused => None,
    }
}

fn named(symbols: &[Symbol], name: &str) -> Option<Symbol> {
    symbols.iter().find(|symbol| venue_name(symbol).as_deref() == Some(name)).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn books_and_trades_tell_pair_channel_and_decimals() {
        let read = |symbols: &[&str], text: &str| {
            let symbols: Vec<Symbol> = symbols.iter().map(|s| Symbol::parse(s).unwrap()).collect();
            let found = recorded(&symbols, None, text.as_bytes())?;
            Some((found.symbol.to_string(), found.book_channel, found.book_ticker, found.price_decimals, found.qty_decimals))
        };
        let book = r#"{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1,"data":{"s":"BTCUSDT","b":[["1.500","0.0010"]],"a":[["2","3"]],"u":1,"seq":1}}"#;
        let linear = "BTC/USDT:USDT".to_string();
        assert_eq!(read(&["BTC/USDT:USDT"], book), Some((linear.clone(), Some("orderbook.50"), false, 1, 3)));
        let top = book.replace("orderbook.50", "orderbook.1");
        assert_eq!(read(&["BTC/USDT:USDT"], &top), Some((linear, Some("orderbook.1"), true, 1, 3)));
        let trade = r#"{"topic":"publicTrade.BTCUSDT","data":[{"p":"1.25","v":"3"},{"p":"1","v":"0.5"}]}"#;
        assert_eq!(read(&["ETH/USDT", "BTC/USDT"], trade), Some(("BTC/USDT".into(), None, false, 2, 1)));
        for other in [r#"{"topic":"tickers.BTCUSDT","data":{}}"#, r#"{"op":"pong"}"#, "<html>", "[]", "1", book] {
            assert_eq!(read(if other == book { &[] } else { &["BTC/USDT"] }, other), None, "{other}");
        }
        assert!(recorded(&[Symbol::parse("BTC/USDT").unwrap()], Some("/v5/market/orderbook?symbol=BTCUSDT"), b"{}").is_none());
    }
}
