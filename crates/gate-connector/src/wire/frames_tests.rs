//! Frames as tables: what each is read as, and what each fault is refused for.

use super::*;
use crate::wire::samples::names;
use domain::{Amount, AssetId, ClientOrderId, Finish, OrderReport, ResyncReason, Role, Side};
use proptest::prelude::*;

fn read(text: &str) -> Result<Frame, Reject> {
    Decoder::new(names()).frame(&mut text.as_bytes().to_vec(), MonoNanos(7))
}

#[track_caller]
fn refused(text: &str, reason: FrameReject, scope: Scope) {
    let reject = read(text).unwrap_err();
    assert_eq!((reject.reason, reject.scope), (reason, scope), "{text}: {reject}");
}

fn book(result: &str) -> String {
    format!(r#"{{"time":1,"time_ms":1750000000123,"channel":"spot.order_book","event":"update","result":{result}}}"#)
}

fn delta(result: &str) -> String {
    format!(r#"{{"time":1,"time_ms":1750000000123,"channel":"spot.order_book_update","event":"update","result":{result}}}"#)
}

fn private(channel: &str, row: &str) -> String {
    format!(r#"{{"time":1,"time_ms":1750000000123,"channel":"{channel}","event":"update","result":[{row}]}}"#)
}

const IN_DOUBT: Scope = Scope::Book(PairId(0), ResyncReason::Gap);

#[test]
fn a_snapshot_is_read_with_both_times_and_floored_quantities() {
    let text = book(
        r#"{"t":1750000000120,"lastUpdateId":7,"s":"BTC_USDT","l":"20","bids":[["100.10","0.0000001234"],["99","0"],["98.5","2"]],"asks":[["100.2","3"]]}"#,
    );
    let Ok(Frame::Book(frame)) = read(&text) else { panic!("{:?}", read(&text)) };
    assert_eq!((frame.pair, frame.channel), (PairId(0), Channel::OrderBook));
    assert_eq!(frame.sent_at, VenueNanos::from_millis(1_750_000_000_123));
    assert_eq!(frame.changed_at, VenueNanos::from_millis(1_750_000_000_120));
    let BookFrameBody::Full { id: 7, bids, asks } = frame.body else { panic!() };
    let units = |levels: &[Level]| levels.iter().map(|l| (l.price.units(), l.qty.units())).collect::<Vec<_>>();
    // A quantity finer than the scale stays one unit; a zero level of a snapshot is left out.
    assert_eq!(units(&bids), [(10_010, 1), (9_850, 2_000_000)]);
    assert_eq!(units(&asks), [(10_020, 3_000_000)]);
}

#[test]
fn deltas_may_be_unordered_empty_or_full() {
    let text =
        delta(r#"{"t":1,"e":"depthUpdate","E":1,"s":"ETH_USDT","U":8,"u":9,"b":[["1.5","1"],["2.5","0"],["2","3"]],"l":"100"}"#);
    let Ok(Frame::Book(frame)) = read(&text) else { panic!() };
    let BookFrameBody::Delta(Delta { first: 8, last: 9, bids, asks }) = frame.body else { panic!() };
    assert_eq!(
        bids.iter().map(|l| (l.price.units(), l.qty.units())).collect::<Vec<_>>(),
        [(250, 0), (200, 30_000), (150, 10_000)]
    );
    assert!(asks.is_empty());

    let Ok(Frame::Book(frame)) = read(&delta(r#"{"s":"BTC_USDT","U":10,"u":12}"#)) else { panic!() };
    assert_eq!(frame.body, BookFrameBody::Delta(Delta { first: 10, last: 12, bids: vec![], asks: vec![] }));

    let Ok(Frame::Book(frame)) = read(&delta(r#"{"s":"BTC_USDT","full":true,"u":12,"a":[["3","1"],["2","1"]],"b":[["1","0"]]}"#))
    else {
        panic!()
    };
    let BookFrameBody::Full { id: 12, bids, asks } = frame.body else { panic!() };
    assert_eq!((bids.len(), asks.first().map(|l| l.price.units())), (0, Some(200)));
}

#[test]
fn frames_of_2021_without_millisecond_stamps_are_read() {
    let text = r#"{"time":1619093532,"channel":"spot.order_book_update","event":"update","result":{"t":1619093532978,"e":"depthUpdate","E":1619093532,"s":"BTC_USDT","U":1,"u":1,"b":[],"a":[["0.5","1"]]}}"#;
    let Ok(Frame::Book(frame)) = read(text) else { panic!() };
    assert_eq!((frame.sent_at, frame.changed_at), (None, VenueNanos::from_millis(1_619_093_532_978)));
}

#[test]
fn every_fault_of_a_book_frame_is_refused_by_its_reason() {
    use FrameReject::{BadNumber, MissingField, OutOfRange, TooLarge, UnknownPair, UnknownShape, Unsorted};
    let sides = |bids: &str, asks: &str| book(&format!(r#"{{"lastUpdateId":7,"s":"BTC_USDT","bids":{bids},"asks":{asks}}}"#));
    refused(&book(r#"{"lastUpdateId":7,"s":"XRP_USDT","bids":[],"asks":[]}"#), UnknownPair, Scope::Nothing);
    refused(&book(r#"{"lastUpdateId":7,"bids":[],"asks":[]}"#), MissingField, Scope::Anything);
    refused(&book(r#"{"s":"BTC_USDT","bids":[],"asks":[]}"#), MissingField, IN_DOUBT);
    refused(&book(r#"{"lastUpdateId":7,"s":"BTC_USDT","asks":[]}"#), MissingField, IN_DOUBT);
    refused(&book(r#"{"lastUpdateId":-7,"s":"BTC_USDT","bids":[],"asks":[]}"#), BadNumber, IN_DOUBT);
    refused(&book(r#"{"lastUpdateId":"7","s":"BTC_USDT","bids":[],"asks":[]}"#), BadNumber, IN_DOUBT);
    refused(&book(r#"{"lastUpdateId":7,"lastUpdateId":8,"s":"BTC_USDT","bids":[],"asks":[]}"#), UnknownShape, Scope::Anything);
    refused(&book("[]"), UnknownShape, Scope::Anything);
    refused(&book("null"), MissingField, Scope::Anything);
    refused(&sides(r#"[["1","1"],["2","1"]]"#, "[]"), Unsorted, IN_DOUBT);
    refused(&sides(r#"[["2","1"],["2","1"]]"#, "[]"), Unsorted, IN_DOUBT);
    refused(&sides("[]", r#"[["2","1"],["1","1"]]"#), Unsorted, IN_DOUBT);
    for (level, reason) in [
        (r#"["0","1"]"#, OutOfRange),
        (r#"["-1","1"]"#, OutOfRange),
        (r#"["1","-1"]"#, OutOfRange),
        (r#"["1e309","1"]"#, OutOfRange),
        (r#"["1","1e40"]"#, OutOfRange),
        (r#"["99999999999999999999","1"]"#, OutOfRange),
        (r#"["NaN","1"]"#, BadNumber),
        (r#"["","1"]"#, BadNumber),
        (r#"["1",""]"#, BadNumber),
        (r#"["1",null]"#, BadNumber),
        (r#"[1,"1"]"#, BadNumber),
        (r#"["1",1]"#, BadNumber),
        (r#"["0x1","1"]"#, BadNumber),
        (r#"["1"]"#, UnknownShape),
        (r#"["1","1","1"]"#, TooLarge),
        (r#"{"p":"1","s":"1"}"#, UnknownShape),
        (r#""1""#, UnknownShape),
    ] {
        refused(&sides(&format!("[{level}]"), "[]"), reason, IN_DOUBT);
        refused(&sides("[]", &format!("[{level}]")), reason, IN_DOUBT);
        refused(&delta(&format!(r#"{{"s":"BTC_USDT","U":8,"u":9,"b":[{level}]}}"#)), reason, IN_DOUBT);
    }
    // A price finer than the scale is a fault of the scale, and says so.
    refused(&sides(r#"[["1.001","1"]]"#, "[]"), BadNumber, Scope::Book(PairId(0), ResyncReason::Scale));
    refused(&delta(r#"{"s":"BTC_USDT","U":9,"u":8}"#), OutOfRange, IN_DOUBT);
    refused(&delta(r#"{"s":"BTC_USDT","u":8}"#), MissingField, IN_DOUBT);
    refused(&delta(r#"{"s":"BTC_USDT","U":8}"#), MissingField, IN_DOUBT);
    refused(&delta(r#"{"s":"BTC_USDT","U":8,"u":9,"full":"yes"}"#), UnknownShape, IN_DOUBT);
    refused(&delta(r#"{"s":"BTC_USDT","U":8,"u":9,"b":[["1","1"],["1","2"]]}"#), Unsorted, IN_DOUBT);
    let many: Vec<String> = (1..=1100).map(|i| format!(r#"["{i}","1"]"#)).collect();
    refused(&sides("[]", &format!("[{}]", many.join(","))), TooLarge, IN_DOUBT);
}

#[test]
fn other_frames_are_told_apart() {
    let text = |t: &str| read(t);
    assert_eq!(text(r#"{"time":1,"channel":"spot.pong","event":"","result":null}"#), Ok(Frame::Pong(None)));
    assert_eq!(
        text(r#"{"time":1,"time_ms":1750000000123,"channel":"spot.pong","event":"","result":null}"#),
        Ok(Frame::Pong(VenueNanos::from_millis(1_750_000_000_123)))
    );
    assert_eq!(text(r#"{"channel":"spot.system","event":"update","result":{"type":"upgrade"}}"#), Ok(Frame::Upgrade));
    assert_eq!(text(r#"{"channel":"spot.system","event":"upgrade"}"#), Ok(Frame::Upgrade));
    for unused in ["spot.trades_v2", "spot.candlesticks", "spot.priceorders", "futures.order_book", "futures.obu"] {
        assert_eq!(read(&format!(r#"{{"channel":"{unused}","event":"update","result":{{}}}}"#)), Ok(Frame::Ignored), "{unused}");
        refused(
            &format!(r#"{{"channel":"{unused}","event":"subscribe","error":{{"code":2}}}}"#),
            FrameReject::VenueError,
            Scope::Nothing,
        );
    }
    // Public news that nobody asked for is not even read.
    for unwanted in ["spot.tickers", "spot.trades", "spot.book_ticker"] {
        assert_eq!(
            read(&format!(r#"{{"channel":"{unwanted}","event":"update","result":[7]}}"#)),
            Ok(Frame::Ignored),
            "{unwanted}"
        );
    }
    refused(r#"{"channel":"spot.novelty","event":"update","result":{}}"#, FrameReject::UnknownShape, Scope::Nothing);
    refused(r#"{"method":"depth.update","params":[]}"#, FrameReject::UnknownShape, Scope::Anything);
    refused(r#"{"error":{"code":1,"message":"request message need json scheme"}}"#, FrameReject::VenueError, Scope::Nothing);
    refused(r#"{"channel":"spot.order_book","event":"dance","result":{}}"#, FrameReject::UnknownShape, Scope::Anything);
    refused(
        r#"{"channel":"spot.order_book","event":"update","error":{"code":3},"result":{}}"#,
        FrameReject::VenueError,
        Scope::Anything,
    );
    refused("[1]", FrameReject::UnknownShape, Scope::Anything);
    refused("7", FrameReject::UnknownShape, Scope::Anything);
    refused("hello", FrameReject::NotJson, Scope::Anything);
    refused(&format!("{}{}", "[".repeat(33), "]".repeat(33)), FrameReject::TooDeep, Scope::Anything);
    refused(&" ".repeat(FRAME_BYTES_MAX + 1), FrameReject::TooLarge, Scope::Anything);
    let bad_utf8 = Decoder::new(names()).frame(&mut [b'"', 0xff, b'"'], MonoNanos(0)).unwrap_err();
    assert_eq!(bad_utf8.reason, FrameReject::NotUtf8);
}

#[test]
fn replies_are_read_with_and_without_what_they_echo() {
    let reply = |text: &str| match read(text) {
        Ok(Frame::Reply(reply)) => reply,
        other => panic!("{other:?}"),
    };
    let plain = reply(r#"{"time":1,"channel":"spot.order_book_update","event":"subscribe","result":{"status":"success"}}"#);
    assert_eq!(plain, Reply { channel: Channel::OrderBookUpdate, subscribe: true, id: None, pair: None, error: None });
    let echoed = reply(
        r#"{"time":1,"id":5,"channel":"spot.order_book","event":"unsubscribe","payload":["ETH_USDT","20","100ms"],"error":null,"result":{"status":"success"}}"#,
    );
    assert_eq!(echoed, Reply { channel: Channel::OrderBook, subscribe: false, id: Some(5), pair: Some(PairId(1)), error: None });
    let failed = reply(
        r#"{"time":1,"channel":"spot.orders","event":"subscribe","error":{"code":4,"message":"x"},"result":{"status":"fail"}}"#,
    );
    assert_eq!(failed.error, Some(ReplyError { code: 4, cause: ErrorCause::Other }));
    let odd = reply(r#"{"channel":"spot.orders","event":"subscribe","error":"odd"}"#);
    assert_eq!(odd.error, Some(ReplyError { code: -1, cause: ErrorCause::Other }));
    let obu =
        reply(r#"{"id":3,"channel":"spot.obu","event":"subscribe","payload":["ob.ETH_USDT.50"],"result":{"status":"success"}}"#);
    assert_eq!((obu.channel, obu.pair, obu.error), (Channel::Obu, Some(PairId(1)), None));
}

#[test]
fn the_message_of_an_error_tells_what_its_code_does_not() {
    for (message, cause) in [
        ("Alert sub ob.BTC_USDT.50", ErrorCause::AlreadySubscribed),
        ("unknown currency pair: NOPE_USDT", ErrorCause::Pair),
        ("BTC_USDT is not traded", ErrorCause::Pair),
        ("provided level not supported: 7", ErrorCause::Other),
        ("authenticate failed", ErrorCause::Other),
        ("", ErrorCause::Other),
    ] {
        let text = format!(
            r#"{{"channel":"spot.obu","event":"subscribe","error":{{"code":2,"message":"{message}"}},"result":{{"status":"fail"}}}}"#
        );
        match read(&text) {
            Ok(Frame::Reply(reply)) => assert_eq!(reply.error, Some(ReplyError { code: 2, cause }), "{message}"),
            other => panic!("{message}: {other:?}"),
        }
    }
}

fn obu(result: &str) -> String {
    format!(r#"{{"channel":"spot.obu","event":"update","time_ms":1750000000300,"result":{result}}}"#)
}

#[test]
fn obu_frames_are_whole_or_changes_and_may_lack_sides_and_event() {
    let frame = |text: &str| match read(text) {
        Ok(Frame::Book(frame)) => frame,
        other => panic!("{text}: {other:?}"),
    };
    let full = frame(&obu(
        r#"{"t":1750000000298,"full":true,"s":"ob.BTC_USDT.50","u":7010,"b":[["100.0","1"],["100.1","2"]],"a":[["100.2","3"]]}"#,
    ));
    assert_eq!((full.channel, full.levels, full.pair), (Channel::Obu, 50, PairId(0)));
    assert_eq!(full.sent_at, VenueNanos::from_millis(1_750_000_000_300));
    assert_eq!(full.changed_at, VenueNanos::from_millis(1_750_000_000_298));
    let BookFrameBody::Full { id: 7010, bids, .. } = full.body else { panic!() };
    assert_eq!(bids[0].price.units(), 10_010, "sorted here");
    // Id-only changes (§14.2, 8) and one with a single side.
    let ids = frame(&obu(r#"{"t":1,"s":"ob.BTC_USDT.400","U":7011,"u":7012}"#));
    assert_eq!(
        (ids.levels, ids.body),
        (400, BookFrameBody::Delta(Delta { first: 7011, last: 7012, bids: vec![], asks: vec![] }))
    );
    let one = frame(&obu(r#"{"t":1,"s":"ob.BTC_USDT.50","U":7011,"u":7011,"a":[["100.3","0"]]}"#));
    assert!(matches!(one.body, BookFrameBody::Delta(Delta { bids, asks, .. }) if bids.is_empty() && asks.len() == 1));
    // The documented samples have no event; a null is absent.
    let bare = frame(r#"{"channel":"spot.obu","result":{"t":1,"full":true,"s":"ob.BTC_USDT.50","u":1,"b":null,"a":[]}}"#);
    assert_eq!(bare.body, BookFrameBody::Full { id: 1, bids: vec![], asks: vec![] });
}

#[test]
fn faults_of_obu_frames_are_refused_by_their_reason() {
    use FrameReject::{BadNumber, MissingField, OutOfRange, UnknownPair, UnknownShape, Unsorted};
    refused(&obu(r#"{"s":"ob.XRP_USDT.50","full":true,"u":1}"#), UnknownPair, Scope::Nothing);
    for name in ["BTC_USDT", "ob.BTC_USDT", "ob.BTC_USDT.deep", "ob..", ""] {
        let reason = read(&obu(&format!(r#"{{"s":"{name}","full":true,"u":1}}"#))).unwrap_err().reason;
        assert!(matches!(reason, UnknownShape | UnknownPair), "{name}: {reason}");
    }
    refused(&obu(r#"{"s":"ob.BTC_USDT.50","u":2}"#), MissingField, IN_DOUBT);
    refused(&obu(r#"{"s":"ob.BTC_USDT.50","U":2}"#), MissingField, IN_DOUBT);
    refused(&obu(r#"{"s":"ob.BTC_USDT.50","U":3,"u":2}"#), OutOfRange, IN_DOUBT);
    refused(&obu(r#"{"s":"ob.BTC_USDT.50","full":1,"u":2}"#), UnknownShape, IN_DOUBT);
    refused(&obu(r#"{"s":"ob.BTC_USDT.50","U":2,"u":2,"b":[["1","1"],["1","2"]]}"#), Unsorted, IN_DOUBT);
    refused(&obu(r#"{"s":"ob.BTC_USDT.50","U":2,"u":2,"b":[[1,"1"]]}"#), BadNumber, IN_DOUBT);
    refused(
        &obu(r#"{"s":"ob.BTC_USDT.50","U":2,"u":2,"b":[["1.001","1"]]}"#),
        BadNumber,
        Scope::Book(PairId(0), ResyncReason::Scale),
    );
    refused(r#"{"channel":"spot.order_book","result":{}}"#, UnknownShape, Scope::Anything);
}

fn wanting(text: &str) -> Result<Frame, Reject> {
    let wanted = NewsWanted { book_ticker: true, trades: true, tickers: true };
    Decoder::new(names()).wanting(wanted).frame(&mut text.as_bytes().to_vec(), MonoNanos(7))
}

fn news(channel: &str, result: &str) -> String {
    format!(r#"{{"time":1,"time_ms":1750000000123,"channel":"{channel}","event":"update","result":{result}}}"#)
}

#[test]
fn best_levels_trades_and_tickers_are_read() {
    let Ok(Frame::Top(top)) =
        wanting(&news("spot.book_ticker", r#"{"t":1750000000120,"u":7001,"s":"BTC_USDT","b":"100.1","B":"0.5","a":"","A":""}"#))
    else {
        panic!()
    };
    assert_eq!((top.pair, top.id, top.ask), (PairId(0), 7001, None));
    assert_eq!(top.bid.map(|l| (l.price.units(), l.qty.units())), Some((10_010, 500_000)));
    assert_eq!(top.changed_at, VenueNanos::from_millis(1_750_000_000_120));

    let row = r#"{"id":309143071,"id_market":5,"create_time":1606292218,"create_time_ms":"1606292218213.4578","side":"sell","currency_pair":"ETH_USDT","amount":"16.47000001","price":"0.47","range":"1-2","stock":"ETH"}"#;
    let Ok(Frame::Trade(trade)) = wanting(&news("spot.trades", row)) else { panic!() };
    assert_eq!((trade.pair, trade.trade_id.as_str(), trade.taker_side), (PairId(1), "309143071", Side::Sell));
    assert_eq!((trade.price.units(), trade.qty.units(), trade.received), (47, 164_700, MonoNanos(7)));
    assert_eq!(trade.executed_at, Some(VenueNanos(1_606_292_218_213_457_800)));

    let row = r#"{"currency_pair":"BTC_USDT","last":"19106.55","lowest_ask":"","highest_bid":"0","change_percentage":"3.66","base_volume":"2811.3","quote_volume":"53454012.2315","high_24h":"1","low_24h":"1"}"#;
    let Ok(Frame::Ticker(ticker)) = wanting(&news("spot.tickers", row)) else { panic!() };
    assert_eq!((ticker.last.map(|p| p.units()), ticker.bid, ticker.ask), (Some(1_910_655), None, None));
    assert_eq!(ticker.quote_volume.to_text(), "53454012.2315");
}

#[test]
fn faults_of_news_put_no_book_in_doubt_but_for_the_scale() {
    use FrameReject::{BadNumber, MissingField, OutOfRange, UnknownPair, UnknownShape};
    let scale = Scope::Book(PairId(0), ResyncReason::Scale);
    for (channel, result, reason, scope) in [
        ("spot.book_ticker", r#"{"u":1,"s":"XRP_USDT","b":"1","B":"1","a":"2","A":"1"}"#, UnknownPair, Scope::Nothing),
        ("spot.book_ticker", r#"{"s":"BTC_USDT","b":"1","B":"1","a":"2","A":"1"}"#, MissingField, Scope::Nothing),
        ("spot.book_ticker", r#"{"u":1,"s":"BTC_USDT","B":"1","a":"2","A":"1"}"#, MissingField, Scope::Nothing),
        ("spot.book_ticker", r#"{"u":1,"s":"BTC_USDT","b":1,"B":"1","a":"2","A":"1"}"#, BadNumber, Scope::Nothing),
        ("spot.book_ticker", r#"{"u":1,"s":"BTC_USDT","b":"-1","B":"1","a":"2","A":"1"}"#, OutOfRange, Scope::Nothing),
        ("spot.book_ticker", r#"{"u":1,"s":"BTC_USDT","b":"","B":"1","a":"2","A":"1"}"#, OutOfRange, Scope::Nothing),
        ("spot.book_ticker", r#"{"u":1,"s":"BTC_USDT","b":"1.001","B":"1","a":"2","A":"1"}"#, BadNumber, scale),
        ("spot.book_ticker", r#"[]"#, UnknownShape, Scope::Nothing),
        (
            "spot.trades",
            r#"{"id":1,"side":"hold","currency_pair":"BTC_USDT","amount":"1","price":"1"}"#,
            UnknownShape,
            Scope::Nothing,
        ),
        (
            "spot.trades",
            r#"{"id":"1","side":"buy","currency_pair":"BTC_USDT","amount":"1","price":"1"}"#,
            BadNumber,
            Scope::Nothing,
        ),
        (
            "spot.trades",
            r#"{"id":1,"side":"buy","currency_pair":"BTC_USDT","amount":"0","price":"1"}"#,
            OutOfRange,
            Scope::Nothing,
        ),
        ("spot.trades", r#"{"id":1,"side":"buy","currency_pair":"BTC_USDT","amount":"1"}"#, MissingField, Scope::Nothing),
        ("spot.tickers", r#"{"currency_pair":"BTC_USDT","last":"NaN","quote_volume":"1"}"#, BadNumber, Scope::Nothing),
        ("spot.tickers", r#"{"currency_pair":"BTC_USDT","last":"1","quote_volume":"-1"}"#, OutOfRange, Scope::Nothing),
        ("spot.tickers", r#"{"currency_pair":"BTC_USDT","last":"1"}"#, MissingField, Scope::Nothing),
    ] {
        let reject = wanting(&news(channel, result)).unwrap_err();
        assert_eq!((reject.reason, reject.scope), (reason, scope), "{channel} {result}: {reject}");
    }
}

const ID: &str = "t-00100000023000000004";

fn order_row(changes: &[(&str, &str)]) -> String {
    let mut row: Vec<(&str, String)> = [
        ("id", r#""123""#),
        ("text", &format!("{ID:?}") as &str),
        ("create_time_ms", r#""1750000000123""#),
        ("event", r#""finish""#),
        ("currency_pair", r#""BTC_USDT""#),
        ("type", r#""limit""#),
        ("side", r#""buy""#),
        ("amount", r#""0.5""#),
        ("price", r#""100.5""#),
        ("left", r#""0.2""#),
        ("filled_total", r#""30.15""#),
        ("avg_deal_price", r#""100.5""#),
        ("finish_as", r#""ioc""#),
    ]
    .into_iter()
    .map(|(k, v)| (k, v.to_string()))
    .collect();
    for (key, value) in changes {
        row.retain(|(k, _)| k != key);
        if !value.is_empty() {
            row.push((key, (*value).to_string()));
        }
    }
    let body: Vec<String> = row.iter().map(|(k, v)| format!("{k:?}:{v}")).collect();
    format!("{{{}}}", body.join(","))
}

#[track_caller]
fn order_says(changes: &[(&str, &str)], report: OrderReport) {
    match read(&private("spot.orders", &order_row(changes))) {
        Ok(Frame::Orders(rows)) => assert_eq!(rows[0].update.report, report, "{changes:?}"),
        other => panic!("{changes:?}: {other:?}"),
    }
}

#[test]
fn order_rows_follow_the_decision_rules() {
    let qty = |units| domain::Qty::from_units(units).unwrap();
    let ended = |finish, units| OrderReport::Finished { finish, filled: qty(units) };
    // An IOC that partly filled is a success with a remainder.
    order_says(&[], ended(Finish::Cancelled, 300_000));
    order_says(&[("left", r#""0""#), ("finish_as", r#""filled""#)], ended(Finish::Filled, 500_000));
    order_says(&[("event", r#""put""#), ("left", r#""0.5""#), ("finish_as", r#""open""#)], OrderReport::Open { filled: qty(0) });
    order_says(&[("event", r#""update""#)], OrderReport::Open { filled: qty(300_000) });
    // `filled_amount` wins over `left`, an unknown `finish_as` is an end like others.
    order_says(&[("filled_amount", r#""0.1""#), ("finish_as", r#""novelty""#)], ended(Finish::Cancelled, 100_000));
    // A market buy's amount and remainder are quote.
    let market = [("type", r#""market""#), ("amount", r#""70""#), ("price", r#""0""#), ("left", r#""39.85""#)];
    order_says(&[market.as_slice(), &[("finish_as", r#""filled""#)]].concat(), ended(Finish::Filled, 300_000));

    let Ok(Frame::Orders(rows)) = read(&private("spot.orders", &order_row(&[]))) else { panic!() };
    assert_eq!(rows[0].update.client_id, ClientOrderId::new(1, 2, 3, 4));
    assert_eq!(rows[0].update.venue_order_id.map(|id| id.to_string()).as_deref(), Some("123"));
    for foreign in [r#""apiv4""#, r#""t-short""#, r#""-""#, r#""00100000023000000004""#, ""] {
        let Ok(Frame::Orders(rows)) = read(&private("spot.orders", &order_row(&[("text", foreign)]))) else {
            panic!("{foreign}")
        };
        assert_eq!(rows[0].update.client_id, None, "{foreign}");
    }
    let elsewhere = read(&private("spot.orders", &order_row(&[("currency_pair", r#""XRP_USDT""#)])));
    assert_eq!(elsewhere, Ok(Frame::Orders(vec![])));
}

#[test]
fn faults_of_private_rows_put_the_private_news_in_doubt() {
    use FrameReject::{BadNumber, MissingField, OutOfRange, UnknownShape};
    for (key, value, reason) in [
        ("id", "", MissingField),
        ("id", r#""../x""#, UnknownShape),
        ("id", "1.5", UnknownShape),
        ("event", "", MissingField),
        ("event", r#""dance""#, UnknownShape),
        ("side", r#""hold""#, UnknownShape),
        ("type", r#""iceberg""#, UnknownShape),
        ("amount", "0.5", BadNumber),
        ("amount", r#""0.0000001""#, BadNumber),
        ("left", r#""0.6""#, OutOfRange),
        ("left", "", MissingField),
        ("filled_amount", r#""0.6""#, OutOfRange),
        ("price", r#""-1""#, OutOfRange),
    ] {
        refused(&private("spot.orders", &order_row(&[(key, value)])), reason, Scope::Private);
    }
    refused(&private("spot.usertrades", r#"{"id":1}"#), MissingField, Scope::Private);
    refused(&private("spot.balances", r#"{"currency":"BTC","available":"-1","freeze":"0"}"#), OutOfRange, Scope::Private);
    refused(&private("spot.balances", r#"{"currency":"BTC","available":"1"}"#), MissingField, Scope::Private);
}

fn trade_row(fees: &str) -> String {
    format!(
        r#"{{"id":5736713,"user_id":1,"order_id":"30784428","currency_pair":"BTC_USDT","create_time":1605176741,"create_time_ms":"1605176741123.456","side":"sell","amount":"0.5","role":"taker","price":"10000","text":"{ID}",{fees}"id_market":3}}"#
    )
}

#[test]
fn fills_carry_every_fee_in_its_own_asset() {
    let fill = |fees: &str| match read(&private("spot.usertrades", &trade_row(fees))) {
        Ok(Frame::Fills(mut fills)) => fills.remove(0),
        other => panic!("{fees}: {other:?}"),
    };
    let fees = |fees: &str| fill(fees).fees.iter().map(|(asset, fee)| (asset.0, fee.to_text())).collect::<Vec<_>>();
    let whole = fill(r#""fee":"0.002","fee_currency":"USDT","point_fee":"0","gt_fee":"0","#);
    assert_eq!((whole.trade_id.as_str(), whole.venue_order_id.as_str()), ("5736713", "30784428"));
    assert_eq!((whole.side, whole.role, whole.price.units(), whole.qty.units()), (Side::Sell, Role::Taker, 1_000_000, 500_000));
    assert_eq!(whole.executed_at, Some(VenueNanos(1_605_176_741_123_456_000)));
    assert_eq!((whole.client_id, whole.received), (ClientOrderId::new(1, 2, 3, 4), MonoNanos(7)));
    assert_eq!(fees(r#""fee":"0.002","fee_currency":"USDT","#), [(4, "0.002".to_string())]);
    // No currency told: the received asset, quote for a sell.
    assert_eq!(fees(r#""fee":"0.002","#), [(4, "0.002".to_string())]);
    assert_eq!(
        fees(r#""fee":"0","fee_currency":"USDT","gt_fee":"0.1","point_fee":"2","#),
        [(2, "0.1".to_string()), (3, "2".to_string())]
    );
    assert_eq!(fees(r#""fee":"0","fee_currency":"DOGE","#), []);
    refused(
        &private("spot.usertrades", &trade_row(r#""fee":"0.1","fee_currency":"DOGE","#)),
        FrameReject::UnknownShape,
        Scope::Private,
    );
    refused(&private("spot.usertrades", &trade_row(r#""fee":"much","#)), FrameReject::BadNumber, Scope::Private);
}

#[test]
fn balances_keep_eighteen_decimals_and_known_assets() {
    let rows = r#"{"timestamp":"1","timestamp_ms":"1","user":"1","currency":"USDT","change":"1","total":"3","available":"16.00283141582979715942","freeze":"1.5","change_type":"order-create"},{"currency":"DOGE","available":"1","freeze":"0"}"#;
    let Ok(Frame::Balances(rows)) = read(&private("spot.balances", rows)) else { panic!() };
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].asset, rows[0].available.to_text()), (AssetId(4), "16.002831415829797159".to_string()));
    assert_eq!((rows[0].locked, rows[0].version), (Amount::from_units(1_500_000_000_000_000_000), None));
}

proptest! {
    #[test]
    fn any_bytes_are_answered(mut bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Decoder::new(names()).frame(&mut bytes, MonoNanos(0));
    }

    /// One byte of a good frame changed: read or refused, never a panic.
    #[test]
    fn any_mutation_of_a_good_frame_is_answered(at in any::<prop::sample::Index>(), byte in any::<u8>(), which in 0usize..7) {
        let frames = [
            obu(r#"{"t":1,"full":true,"s":"ob.BTC_USDT.50","u":7,"b":[["100.10","1"]],"a":[["100.2","3"]]}"#),
            news("spot.book_ticker", r#"{"t":1,"u":7,"s":"BTC_USDT","b":"1","B":"1","a":"2","A":"1"}"#),
            news("spot.trades", r#"{"id":1,"create_time_ms":"1.5","side":"buy","currency_pair":"BTC_USDT","amount":"1","price":"1"}"#),
            book(r#"{"t":1,"lastUpdateId":7,"s":"BTC_USDT","bids":[["100.10","1"]],"asks":[["100.2","3"]]}"#),
            delta(r#"{"t":1,"s":"BTC_USDT","U":8,"u":9,"b":[["1.5","1"]],"a":[]}"#),
            private("spot.orders", &order_row(&[])),
            private("spot.usertrades", &trade_row(r#""fee":"0.002","#)),
        ];
        let mut bytes = frames[which].clone().into_bytes();
        let index = at.index(bytes.len());
        bytes[index] = byte;
        let wanted = NewsWanted { book_ticker: true, trades: true, tickers: true };
        let _ = Decoder::new(names()).wanting(wanted).frame(&mut bytes, MonoNanos(0));
    }
}
