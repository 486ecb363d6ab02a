//! Binance's frames and bodies: any bytes are answered, what is decoded is sound, and a reused decoder says what a fresh one says.

use crate::sound;
use binance_connector::market::Market;
use binance_connector::rules;
use binance_connector::wire::frames::Frame;
use binance_connector::wire::stream::stream_kind;
use binance_connector::wire::{Decoder, PairNames};
use domain::{
    Amount, AssetId, Input, InstrumentKind, MarketNews, MonoNanos, PairId, PairInfo, PairScale, Symbol, Tables, VenueId,
};
use std::cell::RefCell;
use std::sync::{Arc, OnceLock};

const RECEIVED: MonoNanos = MonoNanos(77);

/// `BTC/USDT`, `BTC/USDT:USDT`, `BTC/USD:BTC` (100 USD contracts), `ETH/USDT`; 2 price and 5 quantity decimals each.
pub fn tables() -> Arc<Tables> {
    static TABLES: OnceLock<Arc<Tables>> = OnceLock::new();
    let pair = |symbol: &str, kind, base, quote| PairInfo {
        symbol: Symbol::parse(symbol).expect("a symbol"),
        kind,
        base: AssetId(base),
        quote: AssetId(quote),
        scale: PairScale::new(2, 5).expect("small decimals"),
    };
    let one = domain::number::AMOUNT_ONE;
    let linear = InstrumentKind::LinearPerpetual { multiplier: Amount::from_units(one), settle: "USDT".into() };
    let inverse = InstrumentKind::InversePerpetual { multiplier: Amount::from_units(100 * one), settle: "BTC".into() };
    let make = || {
        Arc::new(Tables {
            venues: vec!["binance-a".into()],
            pairs: vec![
                pair("BTC/USDT", InstrumentKind::Spot, 0, 3),
                pair("BTC/USDT:USDT", linear, 0, 3),
                pair("BTC/USD:BTC", inverse, 0, 2),
                pair("ETH/USDT", InstrumentKind::Spot, 1, 3),
            ],
            assets: ["BTC", "ETH", "USD", "USDT"].map(String::from).to_vec(),
        })
    };
    Arc::clone(TABLES.get_or_init(make))
}

fn decoder() -> Decoder {
    Decoder::new(PairNames::new(VenueId(0), tables(), &[PairId(0), PairId(1), PairId(2), PairId(3)]))
}

thread_local! {
    static USED: RefCell<Decoder> = RefCell::new(decoder());
}

fn both<T: PartialEq + std::fmt::Debug>(bytes: &[u8], decode: impl Fn(&mut Decoder, &mut [u8]) -> T) -> T {
    let fresh = decode(&mut decoder(), &mut bytes.to_vec());
    let used = USED.with_borrow_mut(|used| decode(used, &mut bytes.to_vec()));
    assert_eq!(used, fresh, "a used decoder and a fresh one differ on {:?}", String::from_utf8_lossy(bytes));
    fresh
}

/// Frames of every stream that is used, and of the connection.
pub fn frame_seeds() -> Vec<Vec<u8>> {
    [
        r#"{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1750000000123,"s":"BTCUSDT","U":157,"u":160,"b":[["100.10","1.5"],["99","0"]],"a":[["100.2","3"]]}}"#,
        r#"{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1750000000123,"T":1750000000120,"s":"BTCUSDT","U":157,"u":160,"pu":149,"b":[["100.10","1.5"]],"a":[["100.2","3"],["101","0"]]}}"#,
        r#"{"stream":"btcusd_perp@depth@0ms","data":{"e":"depthUpdate","E":1750000000123,"T":1750000000120,"s":"BTCUSD_PERP","ps":"BTCUSD","U":157,"u":160,"pu":156,"b":[],"a":[]}}"#,
        r#"{"stream":"btcusdt@bookTicker","data":{"u":400900217,"s":"BTCUSDT","b":"25.35","B":"31.21","a":"25.36","A":"40.66"}}"#,
        r#"{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":400900217,"E":1568014460893,"T":1568014460891,"s":"BTCUSDT","b":"25.35","B":"31.21","a":"25.36","A":"40.66"}}"#,
        r#"{"stream":"btcusdt@trade","data":{"e":"trade","E":1672515782136,"s":"BTCUSDT","t":12345,"p":"16578.5","q":"0.001","T":1672515782136,"m":true,"M":true}}"#,
        r#"{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1672515782136,"s":"BTCUSDT","a":12345,"p":"16578.5","q":"0.001","f":1,"l":5,"T":1672515782136,"m":false}}"#,
        r#"{"stream":"btcusdt@ticker","data":{"e":"24hrTicker","E":1672515782136,"s":"BTCUSDT","p":"0.0015","P":"250.00","w":"0.0018","c":"25","Q":"10","o":"0.0010","h":"26","l":"24","v":"10000","q":"18","b":"24.9","a":"25.1","C":1672515782136}}"#,
        r#"{"result":null,"id":7}"#,
        r#"{"error":{"code":2,"msg":"Invalid request"},"id":7}"#,
        r#"{"stream":"btcusdt@kline_1m","data":{}}"#,
        r#"{"e":"serverShutdown","E":1}"#,
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect()
}

/// Any bytes as a frame of the spot link.
///
/// # Panics
/// On a finding.
pub fn spot(data: &[u8]) {
    check(Market::Spot, data);
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = stream_kind(text);
    }
}

/// Any bytes as a frame of the futures links.
///
/// # Panics
/// On a finding.
pub fn futures(data: &[u8]) {
    check(Market::UsdM, data);
    check(Market::CoinM, data);
}

fn check(market: Market, data: &[u8]) {
    match both(data, |decoder, bytes| decoder.frame(market, bytes, RECEIVED)) {
        Ok(Frame::Book(book)) => {
            let delta = &book.delta;
            assert!(delta.previous < delta.last, "a change that changes nothing or runs backwards: {delta:?}");
            sound::delta(delta.previous + 1, delta.last, &delta.bids, &delta.asks);
        }
        Ok(Frame::Top(top)) => {
            assert!([top.bid, top.ask].into_iter().flatten().all(|level| level.price.units() > 0), "{top:?}");
        }
        Ok(Frame::Trade(trade)) => {
            assert!(trade.price.units() > 0, "{trade:?}");
            sound::journalled(&Input::Market(MarketNews::Trade(trade)));
        }
        Ok(Frame::Ticker(ticker)) => sound::journalled(&Input::Market(MarketNews::Ticker(ticker))),
        _ => {}
    }
}

/// Bodies of the REST answers that are read.
pub fn rest_seeds() -> Vec<Vec<u8>> {
    [
        r#"{"lastUpdateId":7,"bids":[["2.00","1.5"],["1.5","0.1"]],"asks":[["2.01","1"]]}"#,
        r#"{"lastUpdateId":7,"E":1653864801536,"T":1653864801453,"bids":[],"asks":[["2.01","1"]]}"#,
        r#"{"serverTime":1700000000123}"#,
        r#"{"code":-1121,"msg":"Invalid symbol."}"#,
        r#"{"timezone":"UTC","symbols":[{"symbol":"BTCUSDT","status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT","isSpotTradingAllowed":true,"filters":[{"filterType":"PRICE_FILTER","minPrice":"0.01","maxPrice":"1000000","tickSize":"0.01000000"},{"filterType":"LOT_SIZE","minQty":"0.00001","maxQty":"9000","stepSize":"0.00001000"},{"filterType":"NOTIONAL","minNotional":"5","applyMinToMarket":true}]}]}"#,
        r#"{"symbols":[{"symbol":"BTCUSDT","pair":"BTCUSDT","contractType":"PERPETUAL","status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT","marginAsset":"USDT","filters":[{"filterType":"PRICE_FILTER","tickSize":"0.10"},{"filterType":"LOT_SIZE","minQty":"0.001","maxQty":"1000","stepSize":"0.001"},{"filterType":"MIN_NOTIONAL","notional":"100"}]}]}"#,
        r#"{"symbols":[{"symbol":"BTCUSD_PERP","pair":"BTCUSD","contractType":"PERPETUAL","contractStatus":"TRADING","contractSize":100,"baseAsset":"BTC","quoteAsset":"USD","marginAsset":"BTC","filters":[{"filterType":"PRICE_FILTER","tickSize":"0.1"},{"filterType":"LOT_SIZE","minQty":"1","maxQty":"60000","stepSize":"1"}]}]}"#,
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect()
}

/// A body, by every decoder.
///
/// # Panics
/// On a finding.
pub fn rest(data: &[u8]) {
    if let Ok(copy) = both(data, |decoder, bytes| decoder.book_copy(bytes, PairId(0))) {
        sound::snapshot(copy.id, &copy.bids, &copy.asks);
    }
    let _ = both(data, |decoder, bytes| decoder.time(bytes));
    if let Some(error) = both(data, |decoder, bytes| decoder.error(bytes)) {
        assert!(error.message.chars().count() <= 256, "{error:?}");
    }
    for symbol in ["BTC/USDT", "BTC/USDT:USDT", "BTC/USD:BTC"] {
        let symbols = [Symbol::parse(symbol).expect("a symbol")];
        let Ok(found) = rules::decode(200, &mut data.to_vec(), &symbols) else { continue };
        assert_eq!(found.len(), 1);
        if let Ok((_, scaled)) = venue::build_tables(&symbols, &[("binance-a".into(), found)], &[]) {
            scaled.into_iter().for_each(|one| sound::journalled(&Input::Rules(one)));
        }
    }
    let _ = rules::decode(400, &mut data.to_vec(), &[Symbol::parse("BTC/USDT").expect("a symbol")]);
}
