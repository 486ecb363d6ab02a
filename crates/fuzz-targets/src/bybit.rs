//! Bybit's frames and bodies: any bytes are answered, what is decoded is sound, and a reused decoder says what a fresh one says.

use crate::sound;
use bybit_connector::market::Market;
use bybit_connector::rules;
use bybit_connector::wire::frames::Frame;
use bybit_connector::wire::topic::topic;
use bybit_connector::wire::{Decoder, PairNames};
use domain::{
    Amount, AssetId, Input, InstrumentKind, MarketNews, MonoNanos, PairId, PairInfo, PairScale, Symbol, Tables, VenueId,
};
use std::cell::RefCell;
use std::sync::{Arc, OnceLock};

const RECEIVED: MonoNanos = MonoNanos(77);

/// `BTC/USDT`, `BTC/USDT:USDT`, `BTC/USD:BTC` (one dollar a contract); 2 price and 5 quantity decimals each.
fn tables() -> Arc<Tables> {
    static TABLES: OnceLock<Arc<Tables>> = OnceLock::new();
    let pair = |symbol: &str, kind, quote| PairInfo {
        symbol: Symbol::parse(symbol).expect("a symbol"),
        kind,
        base: AssetId(0),
        quote: AssetId(quote),
        scale: PairScale::new(2, 5).expect("small decimals"),
    };
    let multiplier = Amount::from_units(domain::number::AMOUNT_ONE);
    let make = || {
        Arc::new(Tables {
            venues: vec!["bybit-a".into()],
            pairs: vec![
                pair("BTC/USDT", InstrumentKind::Spot, 2),
                pair("BTC/USDT:USDT", InstrumentKind::LinearPerpetual { multiplier, settle: "USDT".into() }, 2),
                pair("BTC/USD:BTC", InstrumentKind::InversePerpetual { multiplier, settle: "BTC".into() }, 1),
            ],
            assets: ["BTC", "USD", "USDT"].map(String::from).to_vec(),
        })
    };
    Arc::clone(TABLES.get_or_init(make))
}

fn decoder() -> Decoder {
    Decoder::new(PairNames::new(VenueId(0), tables(), &[PairId(0), PairId(1), PairId(2)]), 50)
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

fn bytes(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Frames of every topic that is used, and of the connection.
pub fn frame_seeds() -> Vec<Vec<u8>> {
    bytes(&[
        r#"{"topic":"orderbook.50.BTCUSDT","ts":1672304484978,"type":"snapshot","data":{"s":"BTCUSDT","b":[["100.10","1.5"],["99","0.1"]],"a":[["100.2","3"]],"u":18521288,"seq":7961638724},"cts":1672304484976}"#,
        r#"{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1687940967466,"data":{"s":"BTCUSDT","b":[["100.10","0"]],"a":[["100.3","1"]],"u":177400507,"seq":66544703342},"cts":1687940967464}"#,
        r#"{"topic":"orderbook.50.BTCUSD","type":"delta","ts":1687940967466,"data":{"s":"BTCUSD","b":[["100.10","1"]],"a":[],"u":1,"seq":1},"cts":1687940967464}"#,
        r#"{"topic":"orderbook.1.BTCUSDT","type":"snapshot","ts":1672304484978,"data":{"s":"BTCUSDT","b":[["100.10","1.5"]],"a":[["100.2","3"]],"u":5,"seq":7},"cts":1672304484976}"#,
        r#"{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1672304486868,"data":[{"T":1672304486865,"s":"BTCUSDT","S":"Buy","v":"0.001","p":"16578.50","L":"PlusTick","i":"20f43950-d8dd-5b31-9112-a178eb6023af","BT":false}]}"#,
        r#"{"topic":"tickers.BTCUSDT","ts":1673853746003,"type":"snapshot","cs":2588407389,"data":{"symbol":"BTCUSDT","lastPrice":"21109.77","volume24h":"6780.866843","turnover24h":"141946527.22907118"}}"#,
        r#"{"topic":"tickers.BTCUSD","type":"delta","data":{"symbol":"BTCUSD","bid1Price":"61891.50","bid1Size":"27634"},"cs":42159594251,"ts":1715757638152}"#,
        r#"{"success":true,"ret_msg":"","conn_id":"a38867ec","req_id":"7","op":"subscribe"}"#,
        r#"{"req_id":"9","op":"pong","args":["1675418560633"],"conn_id":"x"}"#,
        r#"{"topic":"kline.5.BTCUSDT","data":[]}"#,
    ])
}

/// Any bytes as a frame of the links of every market.
///
/// # Panics
/// On a finding.
pub fn frame(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = topic(text);
    }
    for market in Market::ALL {
        match both(data, |decoder, bytes| decoder.frame(market, bytes, RECEIVED)) {
            Ok(Frame::Book(book)) if book.whole => sound::snapshot(book.seq, &book.bids, &book.asks),
            Ok(Frame::Book(book)) => sound::delta(book.seq, book.seq, &book.bids, &book.asks),
            Ok(Frame::Top(top)) => {
                assert!([top.bid, top.ask].into_iter().flatten().all(|level| level.price.units() > 0), "{top:?}");
            }
            Ok(Frame::Trades(trades)) => {
                for trade in trades {
                    assert!(trade.price.units() > 0, "{trade:?}");
                    sound::journalled(&Input::Market(MarketNews::Trade(trade)));
                }
            }
            Ok(Frame::Ticker(ticker)) => assert!(!ticker.whole || ticker.quote_volume.is_some(), "{ticker:?}"),
            _ => {}
        }
    }
}

/// Bodies of the REST answers that are read.
pub fn rest_seeds() -> Vec<Vec<u8>> {
    bytes(&[
        r#"{"retCode":0,"retMsg":"OK","result":{"timeSecond":"1688639403","timeNano":"1688639403423213947"},"retExtInfo":{},"time":1688639403423}"#,
        r#"{"retCode":10006,"retMsg":"Too many visits!","result":{},"time":1}"#,
        r#"{"retCode":0,"result":{"category":"spot","list":[{"symbol":"BTCUSDT","baseCoin":"BTC","quoteCoin":"USDT","status":"Trading","lotSizeFilter":{"basePrecision":"0.000001","quotePrecision":"0.0000001","minOrderQty":"0.000011","maxLimitOrderQty":"83","minOrderAmt":"5"},"priceFilter":{"tickSize":"0.01"}}]}}"#,
        r#"{"retCode":0,"result":{"category":"linear","list":[{"symbol":"BTCUSDT","status":"Trading","baseCoin":"BTC","quoteCoin":"USDT","settleCoin":"USDT","priceFilter":{"tickSize":"0.10"},"lotSizeFilter":{"maxOrderQty":"1190.000","minOrderQty":"0.001","qtyStep":"0.001","minNotionalValue":"5"}}],"nextPageCursor":""}}"#,
        r#"{"retCode":0,"result":{"category":"inverse","list":[{"symbol":"BTCUSD","status":"Trading","baseCoin":"BTC","quoteCoin":"USD","settleCoin":"BTC","priceFilter":{"tickSize":"0.50"},"lotSizeFilter":{"maxOrderQty":"25000000","minOrderQty":"1","qtyStep":"1"}}],"nextPageCursor":"x"}}"#,
    ])
}

/// A body, by every decoder.
///
/// # Panics
/// On a finding.
pub fn rest(data: &[u8]) {
    let _ = both(data, |decoder, bytes| decoder.time(bytes));
    if let Some(error) = both(data, |decoder, bytes| decoder.error(bytes)) {
        assert!(error.code != 0 && error.message.chars().count() <= 256, "{error:?}");
    }
    for symbol in ["BTC/USDT", "BTC/USDT:USDT", "BTC/USD:BTC"] {
        let symbols = [Symbol::parse(symbol).expect("a symbol")];
        let Ok(found) = rules::decode(200, &mut data.to_vec(), &symbols) else { continue };
        assert_eq!(found.len(), 1);
        if let Ok((_, scaled)) = venue::build_tables(&symbols, &[("bybit-a".into(), found)], &[]) {
            scaled.into_iter().for_each(|one| sound::journalled(&Input::Rules(one)));
        }
    }
}
