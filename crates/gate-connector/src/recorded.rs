//! What recorded frames and REST answers tell of pairs: for tapes, which carry no rules. Off every hot path.

use domain::Symbol;
use serde_json::Value;
use venue::Recorded;

/// See [`venue::Connector::recorded`].
pub(crate) fn recorded(symbols: &[Symbol], path_and_query: Option<&str>, bytes: &[u8]) -> Option<Recorded> {
    if let Some(path) = path_and_query {
        let symbol = book_request_symbol(symbols, path)?;
        let body = serde_json::from_slice::<Value>(bytes).ok()?;
        return Some(of_levels(symbol, None, &body));
    }
    let frame = serde_json::from_slice::<Value>(bytes).ok()?;
    if frame["event"].as_str().is_some_and(|event| event != "update") {
        return None;
    }
    let (book_channel, book_ticker) = match frame["channel"].as_str()? {
        "spot.order_book" => (Some("order_book"), false),
        "spot.order_book_update" => (Some("order_book_update"), false),
        "spot.obu" => (Some("obu"), false),
        "spot.book_ticker" => (None, true),
        _ => return None,
    };
    let result = &frame["result"];
    let name = result["s"].as_str()?;
    // `spot.obu` names the stream: `ob.BTC_USDT.50`; the pair is between the first and the last dot, the depth behind it is the channel's.
    let stream = name.strip_prefix("ob.").and_then(|rest| rest.rsplit_once('.'));
    let name = stream.map_or(name, |(pair, _)| pair);
    let book_channel = if stream.is_some_and(|(_, levels)| levels == "400") { Some("obu400") } else { book_channel };
    let symbol = wanted(symbols, name)?;
    if book_ticker {
        let level = |price: &str, qty: &str| (result[price].as_str(), result[qty].as_str());
        return Some(Recorded::of_levels(symbol, None, true, [level("b", "B"), level("a", "A")]));
    }
    Some(of_levels(symbol, book_channel, result))
}

/// See [`venue::Connector::book_request_symbol`].
pub(crate) fn book_request_symbol(symbols: &[Symbol], path_and_query: &str) -> Option<Symbol> {
    let (path, query) = path_and_query.split_once('?')?;
    if !path.ends_with("/spot/order_book") {
        return None;
    }
    wanted(symbols, query.split('&').find_map(|part| part.strip_prefix("currency_pair="))?)
}

fn wanted(symbols: &[Symbol], name: &str) -> Option<Symbol> {
    let symbol = Symbol::parse(name).ok()?;
    (symbols.is_empty() || symbols.contains(&symbol)).then_some(symbol)
}

fn of_levels(symbol: Symbol, book_channel: Option<&'static str>, body: &Value) -> Recorded {
    let levels = ["b", "a", "bids", "asks"].iter().flat_map(|side| body[*side].as_array().into_iter().flatten());
    Recorded::of_levels(symbol, book_channel, false, levels.map(|level| (level[0].as_str(), level[1].as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(symbols: &[&str], path: Option<&str>, text: &str) -> Option<(String, Option<&'static str>, bool, u8, u8)> {
        let symbols: Vec<Symbol> = symbols.iter().map(|s| Symbol::parse(s).unwrap()).collect();
        let found = recorded(&symbols, path, text.as_bytes())?;
        Some((found.symbol.to_string(), found.book_channel, found.book_ticker, found.price_decimals, found.qty_decimals))
    }

    #[test]
    fn books_and_tops_tell_pair_and_decimals_and_nothing_else_does() {
        let update =
            r#"{"channel":"spot.order_book_update","event":"update","result":{"s":"BTC_USDT","b":[["1.50","0.0010"]],"a":[]}}"#;
        assert_eq!(read(&[], None, update), Some(("BTC/USDT".into(), Some("order_book_update"), false, 1, 3)));
        assert_eq!(read(&["ETH/USDT"], None, update), None);
        let obu = r#"{"channel":"spot.obu","result":{"s":"ob.BTC_USDT.50","b":[["1","2"]],"a":[["1.25","2.5"]]}}"#;
        assert_eq!(read(&["BTC/USDT"], None, obu), Some(("BTC/USDT".into(), Some("obu"), false, 2, 1)));
        let deep = obu.replace(".50\"", ".400\"");
        assert_eq!(read(&["BTC/USDT"], None, &deep), Some(("BTC/USDT".into(), Some("obu400"), false, 2, 1)));
        let top = r#"{"channel":"spot.book_ticker","event":"update","result":{"s":"BTC_USDT","b":"1.1","B":"2.22","a":"1.234","A":"3"}}"#;
        assert_eq!(read(&[], None, top), Some(("BTC/USDT".into(), None, true, 3, 2)));
        let ack = r#"{"channel":"spot.obu","event":"subscribe","result":{"status":"success"}}"#;
        assert_eq!(read(&[], None, ack), None);
        assert_eq!(read(&[], None, "<html>"), None);
        let path = "/api/v4/spot/order_book?currency_pair=BTC_USDT&limit=100";
        assert_eq!(read(&[], Some(path), r#"{"bids":[["1.5","2"]],"asks":[]}"#), Some(("BTC/USDT".into(), None, false, 1, 0)));
        assert_eq!(read(&[], Some("/api/v4/spot/trades?currency_pair=BTC_USDT"), "[]"), None);
    }
}
