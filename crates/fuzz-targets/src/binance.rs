//! Binance's frames and bodies: any bytes are answered, what is decoded is sound, and a reused decoder says what a fresh one says.

use crate::sound;
use binance_connector::market::Market;
use binance_connector::rules;
use binance_connector::wire::api::{ApiFrame, ApiReply, ApiResult};
use binance_connector::wire::frames::Frame;
use binance_connector::wire::stream::stream_kind;
use binance_connector::wire::{Decoder, PairNames};
use domain::{
    Amount, AssetId, Input, InstrumentKind, MarketNews, MonoNanos, OrderSource, PairId, PairInfo, PairScale, Symbol, Tables,
    VenueId,
};
use std::cell::RefCell;
use std::sync::{Arc, OnceLock};
use venue::desk::rows::Stamp;
use venue::desk::wire::{AccountAnswer, PrivateNews};

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

/// Frames of the WebSocket API: answers of every kind, and events of an account.
pub fn api_seeds() -> Vec<Vec<u8>> {
    let id = "00100000023000000001";
    let row = format!(
        r#"{{"symbol":"BTCUSDT","orderId":77,"orderListId":-1,"clientOrderId":"{id}","price":"99.50000000","origQty":"0.00210000","executedQty":"0.00070000","cummulativeQuoteQty":"0.0","status":"EXPIRED","timeInForce":"IOC","type":"LIMIT","side":"BUY","fills":[]}}"#
    );
    let report = |execution: &str, status: &str, filled: &str, trade: &str, last: &str| {
        format!(
            r#"{{"subscriptionId":0,"event":{{"e":"executionReport","E":1750000000124,"s":"BTCUSDT","c":"{id}","S":"BUY","o":"LIMIT","f":"IOC","q":"0.00210000","p":"99.50000000","C":"","x":"{execution}","X":"{status}","r":"NONE","i":77,"l":"{last}","z":"{filled}","L":"99.50000000","n":"0.00000070","N":"BTC","T":1750000000123,"t":{trade},"m":false}}}}"#
        )
    };
    [
        format!(r#"{{"id":1,"status":200,"result":{row},"rateLimits":[{{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":50,"count":12}}]}}"#),
        format!(r#"{{"id":1,"status":200,"result":[{row},{{"orderListId":1,"orderReports":[{row}]}}]}}"#),
        r#"{"id":1,"status":400,"error":{"code":-2010,"msg":"Account has insufficient balance for requested action."}}"#.into(),
        r#"{"id":1,"status":418,"error":{"code":-1003,"msg":"banned","data":{"serverTime":1750000000000,"retryAfter":1750000060000}}}"#.into(),
        r#"{"id":1,"status":200,"result":{"apiKey":"k","authorizedSince":1750000000000}}"#.into(),
        report("NEW", "NEW", "0.00000000", "-1", "0.00000000"),
        report("TRADE", "PARTIALLY_FILLED", "0.00070000", "5", "0.00070000"),
        report("EXPIRED", "EXPIRED", "0.00070000", "-1", "0.00000000"),
        r#"{"event":{"e":"outboundAccountPosition","E":1,"u":1,"B":[{"a":"BTC","f":"1.5","l":"0"},{"a":"USDT","f":"9","l":"1"}]}}"#.into(),
        r#"{"event":{"e":"balanceUpdate","E":1,"a":"BTC","d":"1","T":1}}"#.into(),
        r#"{"event":{"e":"serverShutdown","E":1}}"#.into(),
        r#"{"event":{"e":"eventStreamTerminated","E":1}}"#.into(),
    ]
    .into_iter()
    .map(String::into_bytes)
    .collect()
}

/// Any bytes as a frame of the WebSocket API.
///
/// # Panics
/// On a finding.
pub fn api(data: &[u8]) {
    let told = both(data, |decoder, bytes| decoder.api_frame(bytes, RECEIVED));
    match told {
        Ok(ApiFrame::Event(PrivateNews::Told(told))) => {
            for row in told.orders {
                sound::journalled(&Input::Order(row.update));
            }
            for fill in told.fills {
                assert!(!fill.qty.is_zero() && fill.price.units() > 0, "{fill:?}");
                sound::journalled(&Input::Fill(fill));
            }
            assert!(told.balances.iter().all(|entry| !entry.available.is_negative() && !entry.locked.is_negative()));
        }
        Ok(ApiFrame::Reply(ApiReply { result, rate, error, .. })) => {
            assert!(rate.limit != Some(0) && error.is_none_or(|error| error.message.chars().count() <= 256));
            match result {
                ApiResult::Order(Ok(Some(row))) => sound::journalled(&Input::Order(row.update)),
                ApiResult::Orders(Ok(rows)) => rows.into_iter().for_each(|row| sound::journalled(&Input::Order(row))),
                _ => {}
            }
        }
        _ => {}
    }
}

/// Bodies about an account.
pub fn account_seeds() -> Vec<Vec<u8>> {
    [
        r#"{"symbol":"BTCUSDT","orderId":77,"clientOrderId":"00100000023000000001","price":"99.50000000","origQty":"0.00210000","executedQty":"0.00210000","status":"FILLED","timeInForce":"IOC","type":"LIMIT","side":"BUY"}"#,
        r#"[{"symbol":"BTCUSDT","orderId":77,"clientOrderId":"00100000023000000001","price":"99.50000000","origQty":"0.00210000","executedQty":"0","status":"NEW","timeInForce":"GTC","type":"LIMIT","side":"SELL"}]"#,
        r#"[{"symbol":"BTCUSDT","id":5,"orderId":77,"price":"99.5","qty":"0.0007","commission":"0.0000007","commissionAsset":"BTC","time":1750000000123,"isBuyer":true,"isMaker":false}]"#,
        r#"{"canTrade":true,"canWithdraw":true,"accountType":"SPOT","balances":[{"asset":"BTC","free":"1.5","locked":"0"}]}"#,
        r#"{"ipRestrict":true,"enableReading":true,"enableWithdrawals":false,"enableSpotAndMarginTrading":true}"#,
        r#"{"symbol":"BTCUSDT","standardCommission":{"maker":"0.001","taker":"0.001","buyer":"0","seller":"0"},"discount":{"enabledForAccount":true,"enabledForSymbol":true,"discountAsset":"USDT","discount":"0.75"}}"#,
        r#"{"code":-2013,"msg":"Order does not exist."}"#,
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect()
}

/// A body about an account, by every decoder.
///
/// # Panics
/// On a finding.
pub fn account(data: &[u8]) {
    let stamp = Stamp { source: OrderSource::Query, received: RECEIVED, requested: RECEIVED };
    if let Ok(Some(row)) = both(data, |decoder, bytes| decoder.order(bytes, stamp)) {
        sound::journalled(&Input::Order(row.update));
    }
    let _ = both(data, |decoder, bytes| decoder.cancelled(bytes, stamp));
    if let Ok(page) = both(data, |decoder, bytes| decoder.open_orders(bytes, stamp)) {
        page.rows.into_iter().for_each(|row| sound::journalled(&Input::Order(row.update)));
    }
    if let Ok(page) = both(data, |decoder, bytes| decoder.trades(bytes, stamp)) {
        assert!(!page.more || !page.cursor.is_empty(), "a page that leads nowhere");
        page.rows.into_iter().for_each(|fill| sound::journalled(&Input::Fill(fill)));
    }
    if let Ok(entries) = both(data, |decoder, bytes| decoder.balances(bytes)) {
        assert_eq!(entries.len(), tables().assets.len());
    }
    if let Ok(rates) = both(data, |decoder, bytes| decoder.fees(bytes, PairId(0))) {
        sound::journalled(&Input::Fees(rates));
    }
    for own in [true, false] {
        if let Ok(AccountAnswer::Facts(facts)) = both(data, |decoder, bytes| decoder.account(own, bytes)) {
            sound::journalled(&Input::Account(facts));
        }
    }
}

/// Bodies of the public REST answers that are read.
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
