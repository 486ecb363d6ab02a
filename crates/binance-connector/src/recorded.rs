//! What recorded frames and REST answers tell of pairs: for tapes, which carry no rules. Off every hot path.
//!
//! A frame of a tape does not name its market, so a name is looked for among the pairs of that tape. Where two of them share it, a
//! frame of futures is told by the fields that spot does not send. Binance's names can't be split into assets: without pairs to
//! look among, nothing is told.

use crate::market::{Market, venue_name};
use crate::wire::stream::{StreamKind, stream_kind};
use domain::Symbol;
use serde_json::Value;
use venue::Recorded;

/// The name of the book channel whose changes a book copy completes.
const BOOK_CHANNEL: &str = crate::session::BookChannel::NAMES[0];

/// See [`venue::Connector::recorded`].
pub(crate) fn recorded(symbols: &[Symbol], path_and_query: Option<&str>, bytes: &[u8]) -> Option<Recorded> {
    if let Some(path) = path_and_query {
        let symbol = book_request_symbol(symbols, path)?;
        let body = serde_json::from_slice::<Value>(bytes).ok()?;
        return Some(of_levels(symbol, None, &body, ["bids", "asks"]));
    }
    let frame = serde_json::from_slice::<Value>(bytes).ok()?;
    if frame.get("lastUpdateId").is_some() {
        // A book copy that was written among the frames, without its request.
        let symbol = match frame["symbol"].as_str() {
            Some(name) => named(symbols, name, &frame)?,
            None => only(symbols)?,
        };
        return Some(of_levels(symbol, None, &frame, ["bids", "asks"]));
    }
    let kind = stream_kind(frame["stream"].as_str()?)?;
    let data = &frame["data"];
    let symbol = named(symbols, data["s"].as_str()?, data)?;
    let level = |price: &str, qty: &str| (data[price].as_str(), data[qty].as_str());
    match kind {
        StreamKind::Depth => Some(of_levels(symbol, Some(BOOK_CHANNEL), data, ["b", "a"])),
        StreamKind::BookTicker => Some(Recorded::of_levels(symbol, None, true, [level("b", "B"), level("a", "A")])),
        StreamKind::Trade => Some(Recorded::of_levels(symbol, None, false, [level("p", "q")])),
        StreamKind::Ticker | StreamKind::Unused => None,
    }
}

/// See [`venue::Connector::book_request_symbol`].
pub(crate) fn book_request_symbol(symbols: &[Symbol], path_and_query: &str) -> Option<Symbol> {
    let (path, query) = path_and_query.split_once('?')?;
    let market = Market::of_path(path).filter(|market| path == market.path("depth"))?;
    let name = query.split('&').find_map(|part| part.strip_prefix("symbol="))?;
    symbols.iter().find(|s| Market::of(s) == Some(market) && venue_name(s).as_deref() == Some(name)).cloned()
}

fn only(symbols: &[Symbol]) -> Option<Symbol> {
    match symbols {
        [symbol] => Some(symbol.clone()),
        _ => None,
    }
}

/// The pair of that name; between spot and futures of the same name, the one whose fields these are.
fn named(symbols: &[Symbol], name: &str, data: &Value) -> Option<Symbol> {
    let mut found = symbols.iter().filter(|symbol| venue_name(symbol).as_deref() == Some(name));
    let (first, second) = (found.next()?, found.next());
    let Some(second) = second else { return Some(first.clone()) };
    // Changes carry `pu`, tops and trades a type or an origin, only on futures; spot trades carry `M`.
    let futures = match data["e"].as_str() {
        Some("depthUpdate") => data.get("pu").is_some(),
        Some("trade" | "aggTrade") => data.get("M").is_none(),
        Some(_) => true,
        None => false,
    };
    [first, second].into_iter().find(|symbol| symbol.is_spot() != futures).cloned()
}

fn of_levels(symbol: Symbol, book_channel: Option<&'static str>, body: &Value, sides: [&str; 2]) -> Recorded {
    let levels = sides.iter().flat_map(|side| body[*side].as_array().into_iter().flatten());
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
    fn books_tops_trades_and_copies_tell_pair_and_decimals() {
        let both = ["BTC/USDT", "BTC/USDT:USDT"];
        let (spot, linear) = (Some("BTC/USDT".to_string()), Some("BTC/USDT:USDT".to_string()));
        let pair = |symbols: &[&str], text: &str| read(symbols, None, text).map(|found| found.0);
        let depth = r#"{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","s":"BTCUSDT","U":1,"u":2,"b":[["1.500","0.0010"]],"a":[]}}"#;
        assert_eq!(read(&["BTC/USDT"], None, depth), Some(("BTC/USDT".into(), Some("depth"), false, 1, 3)));
        assert_eq!(pair(&both, depth), spot);
        assert_eq!(pair(&both, &depth.replace("\"u\":2", "\"u\":2,\"pu\":0")), linear);
        assert_eq!(pair(&["BTC/USDT:USDT"], depth), linear);
        assert_eq!(pair(&["ETH/USDT"], depth), None);
        assert_eq!(pair(&[], depth), None);
        let top = r#"{"stream":"btcusdt@bookTicker","data":{"u":5,"s":"BTCUSDT","b":"1.1","B":"2.22","a":"1.234","A":"3"}}"#;
        assert_eq!(read(&both, None, top), Some(("BTC/USDT".into(), None, true, 3, 2)));
        assert_eq!(pair(&both, &top.replace("\"u\"", "\"e\":\"bookTicker\",\"u\"")), linear);
        let trade = r#"{"stream":"btcusd_perp@trade","data":{"e":"trade","s":"BTCUSD_PERP","p":"1.25","q":"3"}}"#;
        assert_eq!(read(&["BTC/USD:BTC"], None, trade), Some(("BTC/USD:BTC".into(), None, false, 2, 0)));
        let copy = r#"{"lastUpdateId":5,"bids":[["1.5","2"]],"asks":[["1.75","0.25"]]}"#;
        assert_eq!(read(&["BTC/USDT:USDT"], None, copy), Some(("BTC/USDT:USDT".into(), None, false, 2, 2)));
        assert_eq!(read(&both, None, copy), None);
        let path = "/fapi/v1/depth?symbol=BTCUSDT&limit=1000";
        assert_eq!(read(&both, Some(path), copy), Some(("BTC/USDT:USDT".into(), None, false, 2, 2)));
        assert_eq!(read(&both, Some("/fapi/v1/ticker/24hr?symbol=BTCUSDT"), copy), None);
        for other in [r#"{"result":null,"id":1}"#, r#"{"stream":"btcusdt@kline_1m","data":{"s":"BTCUSDT"}}"#, "<html>", "[]", "1"]
        {
            assert_eq!(read(&both, None, other), None, "{other}");
        }
        // A partial book is no change.
        assert_eq!(read(&both, None, &depth.replace("depth@100ms", "depth20@100ms")), None);
    }
}
