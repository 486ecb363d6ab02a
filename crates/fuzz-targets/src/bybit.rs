//! Bybit's frames, private news and bodies: any bytes are answered, what is decoded is sound, and a reused decoder says what a fresh one says.

use crate::sound;
use bybit_connector::market::Market;
use bybit_connector::rules;
use bybit_connector::wire::frames::Frame;
use bybit_connector::wire::orders::OrderFrame;
use bybit_connector::wire::private::PrivateFrame;
use bybit_connector::wire::topic::topic;
use bybit_connector::wire::{Decoder, PairNames, Scope};
use domain::{
    Amount, AssetId, BalanceEntry, ClientOrderId, Fill, Input, InstrumentKind, MarketNews, MonoNanos, OrderReport, OrderSource,
    PairId, PairInfo, PairScale, Symbol, Tables, VenueId,
};
use std::cell::RefCell;
use std::sync::{Arc, OnceLock};
use venue::desk::rows::{OrderRow, Stamp};

const RECEIVED: MonoNanos = MonoNanos(77);

/// `BTC/USDT`, `BTC/USDT:USDT`, `BTC/USD:BTC` (one dollar a contract); 2 price and 5 quantity decimals each.
pub(crate) fn tables() -> Arc<Tables> {
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

const ORDER: &str = r#"{"category":"spot","symbol":"BTCUSDT","orderId":"5cf98598","side":"Buy","orderType":"Limit","price":"100.5","qty":"0.5","orderStatus":"PartiallyFilled","timeInForce":"IOC","cumExecQty":"0.1","orderLinkId":"00100000023000000004","marketUnit":"","rejectReason":"EC_NoError"}"#;
const FILL: &str = r#"{"category":"spot","symbol":"BTCUSDT","execFee":"0.0001","feeCurrency":"BTC","execId":"7e2ae69c","execPrice":"100.5","execQty":"0.1","execType":"Trade","isMaker":false,"orderId":"5cf98598","orderLinkId":"00100000023000000004","side":"Buy","execTime":"1672364174443"}"#;
const WALLET: &str = r#"{"accountType":"UNIFIED","coin":[{"coin":"USDT","walletBalance":"100.5","locked":"0.5"}]}"#;

/// Frames of the private stream and of the order link, and bodies about an account.
pub fn private_seeds() -> Vec<Vec<u8>> {
    let push = |topic: &str, row: &str| format!(r#"{{"id":"1","topic":"{topic}","creationTime":1672364262474,"data":[{row}]}}"#);
    let body = |result: &str| format!(r#"{{"retCode":0,"retMsg":"OK","result":{result},"time":1}}"#);
    let list = |row: &str| body(&format!(r#"{{"category":"spot","list":[{row}],"nextPageCursor":"a%3D"}}"#));
    let ended = ORDER.replace("PartiallyFilled", "PartiallyFilledCanceled");
    let texts = [
        push("order", ORDER),
        push("order.spot", &ended),
        push("execution", FILL),
        push("wallet", WALLET),
        r#"{"success":true,"ret_msg":"","op":"auth","conn_id":"x"}"#.into(),
        r#"{"success":false,"ret_msg":"no","op":"subscribe","conn_id":"x"}"#.into(),
        r#"{"req_id":"1","op":"pong","args":["1675418560633"],"conn_id":"x"}"#.into(),
        r#"{"reqId":"7-1711001595209","retCode":0,"retMsg":"OK","op":"order.create","data":{"orderId":"a4c1718e","orderLinkId":"x"},"header":{"X-Bapi-Limit":"20","X-Bapi-Limit-Status":"19","X-Bapi-Limit-Reset-Timestamp":"1711001595208"},"connId":"c"}"#.into(),
        r#"{"reqId":"1","retCode":10004,"retMsg":"Invalid sign","op":"auth","connId":"c"}"#.into(),
        list(ORDER),
        list(FILL),
        body(&format!(r#"{{"list":[{WALLET}]}}"#)),
        body(r#"{"orderId":"77","orderLinkId":"00100000023000000004"}"#),
        body(r#"{"list":[{"orderId":"1","orderLinkId":"2"}],"success":"1"}"#),
        body(r#"{"list":[{"symbol":"BTCUSDT","takerFeeRate":"0.001","makerFeeRate":"0.0008"}]}"#),
        body(r#"{"readOnly":0,"permissions":{"Spot":["SpotTrade"],"Wallet":["AccountTransfer"]},"ips":["*"],"uta":1,"vipLevel":"No VIP"}"#),
    ];
    texts.into_iter().map(String::into_bytes).collect()
}

/// Any bytes as a frame of a private link, of the order link, and as every body about an account.
///
/// # Panics
/// On a finding.
pub fn private(data: &[u8]) {
    match both(data, |decoder, bytes| decoder.private_frame(bytes, RECEIVED)) {
        Ok(PrivateFrame::Orders(rows)) => rows.iter().for_each(|row| order_row(row, OrderSource::Stream)),
        Ok(PrivateFrame::Fills(fills)) => fills.into_iter().for_each(fill),
        Ok(PrivateFrame::Balances(entries)) => entries.iter().for_each(balance),
        Err(reject) => assert_eq!(reject.scope, Scope::Private, "private news may be missing"),
        Ok(_) => {}
    }
    if let Ok(OrderFrame::Ack(ack)) = both(data, |decoder, bytes| decoder.order_frame(bytes)) {
        assert!(ack.error.is_none() || ack.venue_order_id.is_none(), "{ack:?}");
        assert_ne!(ack.rate.limit, Some(0));
    }
    let stamp = Stamp { source: OrderSource::Query, received: RECEIVED, requested: RECEIVED };
    if let Ok(page) = both(data, |decoder, bytes| decoder.orders(bytes, stamp)) {
        assert!(!page.more || page.cursor.bytes().all(|b| b.is_ascii_graphic() && !b"&#?".contains(&b)), "{:?}", page.cursor);
        page.rows.iter().for_each(|row| order_row(row, OrderSource::Query));
    }
    if let Ok(page) = both(data, |decoder, bytes| decoder.executions(bytes, stamp)) {
        page.rows.into_iter().for_each(fill);
    }
    if let Ok(entries) = both(data, |decoder, bytes| decoder.wallet(bytes)) {
        assert_eq!(entries.len(), tables().assets.len());
        entries.iter().for_each(balance);
    }
    if let Ok(rates) = both(data, |decoder, bytes| decoder.fee_rate(bytes, PairId(0))) {
        sound::journalled(&Input::Fees(rates));
    }
    if let Ok(facts) = both(data, |decoder, bytes| decoder.key_facts(bytes)) {
        assert!(facts.writes || !facts.can_trade, "{facts:?}");
    }
    let ours = ClientOrderId::new(1, 2, 3, 4).expect("a small counter");
    let _ = both(data, |decoder, bytes| decoder.received(bytes, ours));
    let _ = both(data, |decoder, bytes| decoder.all_cancelled(bytes));
}

fn order_row(row: &OrderRow, source: OrderSource) {
    assert_eq!(row.update.source, source);
    if let OrderReport::Open { filled } | OrderReport::Finished { filled, .. } = row.update.report {
        assert!(row.qty.is_none_or(|qty| filled <= qty), "{row:?}");
    }
    sound::journalled(&Input::Order(row.update));
}

fn fill(fill: Fill) {
    assert!(!fill.qty.is_zero() && fill.price.units() > 0, "{fill:?}");
    sound::journalled(&Input::Fill(fill));
}

fn balance(entry: &BalanceEntry) {
    assert!(!entry.available.is_negative() && !entry.locked.is_negative(), "{entry:?}");
}
