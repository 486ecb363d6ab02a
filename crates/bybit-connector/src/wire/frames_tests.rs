//! Frames as tables: what is read, what is ignored, what is refused and what a refusal puts in doubt.

use super::*;
use crate::wire::samples::names;
use proptest::prelude::*;

const NOW: MonoNanos = MonoNanos(5);

fn read_at(depth: u16, market: Market, text: &str) -> Result<Frame, Reject> {
    Decoder::new(names(), depth).frame(market, &mut text.as_bytes().to_vec(), NOW)
}

fn read(market: Market, text: &str) -> Result<Frame, Reject> {
    read_at(50, market, text)
}

fn units(levels: &[Level]) -> Vec<(i64, i64)> {
    levels.iter().map(|level| (level.price.units(), level.qty.units())).collect()
}

/// Spot puts `ts` before `type`, futures after it.
const WHOLE: &str = r#"{"topic":"orderbook.50.BTCUSDT","ts":1672304484978,"type":"snapshot","data":{"s":"BTCUSDT","b":[["16493.50","0.006"],["16493.00","0.1"]],"a":[["16611.00","0.029"],["16612","0.213000001"]],"u":18521288,"seq":7961638724},"cts":1672304484976}"#;
const CHANGE: &str = r#"{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1687940967466,"data":{"s":"BTCUSDT","b":[["30247.20","30.028"],["30245.40","0"]],"a":[],"u":177400507,"seq":66544703342},"cts":1687940967464}"#;
const TOP: &str = r#"{"topic":"orderbook.1.BTCUSDT","ts":1672304484978,"type":"snapshot","data":{"s":"BTCUSDT","b":[["16493.50","0.006"]],"a":[["16611.00","0.029"]],"u":18521288,"seq":7961638724},"cts":1672304484976}"#;
const TRADES: &str = r#"{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1672304486868,"data":[{"T":1672304486865,"s":"BTCUSDT","S":"Buy","v":"0.001","p":"16578.50","L":"PlusTick","i":"20f43950-d8dd-5b31-9112-a178eb6023af","BT":false,"RPI":false,"seq":1783284617},{"T":1672304486866,"s":"BTCUSDT","S":"Sell","v":"0.002","p":"16578.51","i":"2290000000067683805","BT":true}]}"#;
const TICKER: &str = r#"{"topic":"tickers.BTCUSDT","ts":1673853746003,"type":"snapshot","cs":2588407389,"data":{"symbol":"BTCUSDT","lastPrice":"21109.77","highPrice24h":"21426.99","lowPrice24h":"20575","prevPrice24h":"20704.93","volume24h":"6780.866843","turnover24h":"141946527.22907118","price24hPcnt":"0.0196","usdIndexPrice":"21120.2400136"}}"#;
const LINEAR_TICKER: &str = r#"{"topic":"tickers.BTCUSDT","type":"delta","data":{"symbol":"BTCUSDT","bid1Price":"61873.90","bid1Size":"3.543","ask1Price":""},"cs":176530004279,"ts":1715748763063}"#;
const INVERSE_TICKER: &str = r#"{"topic":"tickers.BTCUSD","type":"snapshot","data":{"symbol":"BTCUSD","lastPrice":"61894.00","turnover24h":"6363.5775","volume24h":"391976479.0000","bid1Price":"61891.50","ask1Price":"61892.001"},"cs":42159594212,"ts":1715757637952}"#;

#[test]
fn books_are_whole_or_changes_for_the_market_of_their_link() {
    let book = |market, text: &str| match read(market, text) {
        Ok(Frame::Book(book)) => book,
        other => panic!("{other:?}"),
    };
    let whole = book(Market::Spot, WHOLE);
    assert_eq!((whole.pair, whole.whole, whole.number, whole.seq), (PairId(0), true, 18_521_288, 7_961_638_724));
    assert_eq!(whole.sent_at.unwrap().0, 1_672_304_484_978_000_000);
    assert_eq!(whole.changed_at.unwrap().0, 1_672_304_484_976_000_000);
    assert_eq!(units(&whole.bids), [(1_649_350, 600), (1_649_300, 10_000)]);
    // A quantity finer than the scale is cut.
    assert_eq!(units(&whole.asks), [(1_661_100, 2900), (1_661_200, 21_300)]);
    let change = book(Market::Linear, CHANGE);
    assert_eq!((change.pair, change.whole, change.number), (PairId(1), false, 177_400_507));
    assert_eq!(units(&change.bids), [(3_024_720, 3_002_800), (3_024_540, 0)]);
    assert!(change.asks.is_empty());
    // Numbered 1: the service restarted, and this is all there is.
    let again = book(Market::Linear, &CHANGE.replace("177400507", "1"));
    assert!(again.whole);
    assert_eq!(units(&again.bids), [(3_024_720, 3_002_800)]);
    // Before the venue told the matching engine's time.
    assert_eq!(book(Market::Spot, &WHOLE.replace(",\"cts\":1672304484976", "")).changed_at, None);
}

#[test]
fn the_first_level_is_a_top_beside_a_deeper_book_and_a_book_by_itself() {
    let level = |price, qty| Some(Level { price: Price::from_units(price).unwrap(), qty: domain::Qty::from_units(qty).unwrap() });
    let expected = TopFrame {
        pair: PairId(0),
        sent_at: Some(VenueNanos(1_672_304_484_978_000_000)),
        changed_at: Some(VenueNanos(1_672_304_484_976_000_000)),
        seq: 7_961_638_724,
        bid: level(1_649_350, 600),
        ask: level(1_661_100, 2900),
    };
    assert_eq!(read(Market::Spot, TOP), Ok(Frame::Top(expected)));
    assert!(matches!(read_at(1, Market::Spot, TOP), Ok(Frame::Book(book)) if book.whole && book.bids.len() == 1));
    let empty = read(Market::Spot, &TOP.replace(r#"[["16611.00","0.029"]]"#, "[]"));
    assert!(matches!(empty, Ok(Frame::Top(top)) if top.ask.is_none() && top.bid.is_some()));
    // Of no book that is kept.
    assert_eq!(read_at(1, Market::Spot, WHOLE), Ok(Frame::Ignored));
    assert_eq!(read(Market::Spot, &WHOLE.replace("orderbook.50", "orderbook.200")), Ok(Frame::Ignored));
    for (from, to, reason) in [
        ("snapshot", "delta", FrameReject::UnknownShape),
        (r#"[["16493.50","0.006"]]"#, r#"[["16493.50","0.006"],["16493","1"]]"#, FrameReject::UnknownShape),
        (r#""0.029""#, "0.029", FrameReject::BadNumber),
    ] {
        let reject = read(Market::Spot, &TOP.replace(from, to)).unwrap_err();
        assert_eq!((reject.reason, reject.scope), (reason, Scope::Nothing), "{to}");
    }
    let fine = read(Market::Spot, &TOP.replace("16493.50", "16493.501")).unwrap_err();
    assert_eq!(fine.scope, Scope::Book(PairId(0), ResyncReason::Scale));
}

#[test]
fn refused_books_say_what_they_put_in_doubt() {
    let gap = |pair| Scope::Book(PairId(pair), ResyncReason::Gap);
    for (market, text, from, to, reason, scope) in [
        (Market::Spot, WHOLE, "\"u\":18521288,", "", FrameReject::MissingField, gap(0)),
        (Market::Spot, WHOLE, ",\"seq\":7961638724", "", FrameReject::MissingField, gap(0)),
        (Market::Spot, WHOLE, "\"u\":18521288", "\"u\":\"18521288\"", FrameReject::BadNumber, gap(0)),
        (Market::Spot, WHOLE, "\"u\":18521288", "\"u\":-1", FrameReject::BadNumber, gap(0)),
        (Market::Spot, WHOLE, "\"snapshot\"", "\"partial\"", FrameReject::UnknownShape, gap(0)),
        (Market::Spot, WHOLE, "\"type\":\"snapshot\",", "", FrameReject::MissingField, gap(0)),
        (Market::Spot, WHOLE, "\"s\":\"BTCUSDT\"", "\"s\":\"ETHUSDT\"", FrameReject::UnknownShape, gap(0)),
        (Market::Spot, WHOLE, "\"16493.00\"", "\"NaN\"", FrameReject::BadNumber, gap(0)),
        (Market::Spot, WHOLE, "\"16493.00\"", "16493.00", FrameReject::BadNumber, gap(0)),
        (Market::Spot, WHOLE, "\"16493.00\"", "\"16494.00\"", FrameReject::Unsorted, gap(0)),
        (Market::Spot, WHOLE, "\"0.029\"", "\"-0.029\"", FrameReject::OutOfRange, gap(0)),
        (Market::Spot, WHOLE, "\"b\":[", "\"x\":[", FrameReject::MissingField, gap(0)),
        (Market::Spot, WHOLE, "\"ts\":1672304484978", "\"ts\":-1", FrameReject::BadNumber, gap(0)),
        (Market::Spot, WHOLE, "\"data\"", "\"date\"", FrameReject::MissingField, gap(0)),
        (Market::Linear, CHANGE, "\"30245.40\"", "\"30247.2\"", FrameReject::Unsorted, gap(1)),
        (Market::Linear, CHANGE, "BTCUSDT", "XRPUSDT", FrameReject::UnknownPair, Scope::Nothing),
        (Market::Inverse, CHANGE, "BTCUSDT", "BTCUSDT", FrameReject::UnknownPair, Scope::Nothing),
        (Market::Linear, CHANGE, "orderbook.50.", "orderBookL2_25.", FrameReject::UnknownShape, Scope::Nothing),
        (
            Market::Linear,
            CHANGE,
            "\"topic\":\"orderbook.50.BTCUSDT\"",
            "\"topic\":50",
            FrameReject::UnknownShape,
            Scope::Anything,
        ),
        (Market::Linear, CHANGE, "\"topic\"", "\"tonic\"", FrameReject::MissingField, Scope::Anything),
    ] {
        let changed = text.replacen(from, to, 2);
        assert!(changed != text || from == to, "{from} is not there");
        let reject = read(market, &changed).unwrap_err();
        assert_eq!((reject.reason, reject.scope), (reason, scope), "{to}");
    }
    // A best price finer than the scale needs new scales; a worse one is left out.
    let fine = read(Market::Spot, &WHOLE.replace("16493.50", "16493.505")).unwrap_err();
    assert_eq!(fine.scope, Scope::Book(PairId(0), ResyncReason::Scale));
    assert!(matches!(read(Market::Spot, &WHOLE.replace("16493.00", "16493.001")), Ok(Frame::Book(book)) if book.bids.len() == 1));
}

#[test]
fn trades_are_told_one_by_one_and_arranged_ones_are_not() {
    let Ok(Frame::Trades(trades)) = read(Market::Spot, TRADES) else { panic!("no trades") };
    let [trade] = trades.as_slice() else { panic!("{trades:?}") };
    assert_eq!((trade.pair, trade.taker_side, trade.price.units(), trade.qty.units()), (PairId(0), Side::Buy, 1_657_850, 100));
    assert_eq!(trade.trade_id.to_string(), "20f43950-d8dd-5b31-9112-a178eb6023af");
    assert_eq!((trade.executed_at.unwrap().0, trade.received), (1_672_304_486_865_000_000, NOW));
    for (from, to) in
        [("\"Buy\"", "\"Long\""), ("\"0.001\"", "0.001"), ("\"i\":\"20f", "\"j\":\"20f"), ("\"data\":[", "\"data\":5,\"x\":[")]
    {
        let reject = read(Market::Spot, &TRADES.replacen(from, to, 1)).unwrap_err();
        assert_eq!(reject.scope, Scope::Nothing, "{to}");
    }
}

#[test]
fn tickers_tell_what_they_tell() {
    let ticker = |market, text: &str| match read(market, text) {
        Ok(Frame::Ticker(ticker)) => ticker,
        other => panic!("{other:?}"),
    };
    let amount = |text: &str| parse_amount(text, Finer::Refuse).ok();
    let spot = ticker(Market::Spot, TICKER);
    assert_eq!((spot.pair, spot.whole, spot.last.map(|p| p.units()), spot.bid), (PairId(0), true, Some(2_110_977), None));
    assert_eq!(spot.quote_volume, amount("141946527.22907118"));
    let linear = ticker(Market::Linear, LINEAR_TICKER);
    assert_eq!((linear.pair, linear.whole, linear.last, linear.ask, linear.quote_volume), (PairId(1), false, None, None, None));
    assert_eq!(linear.bid.map(|p| p.units()), Some(6_187_390));
    // Volume counts dollars, turnover coins; a price finer than the scale is none.
    let inverse = ticker(Market::Inverse, INVERSE_TICKER);
    assert_eq!((inverse.quote_volume, inverse.ask), (amount("391976479"), None));
    for (from, to, reason) in [
        ("\"turnover24h\":\"141946527.22907118\",", "", FrameReject::OutOfRange),
        ("\"141946527.22907118\"", "141946527.22907118", FrameReject::UnknownShape),
        ("\"141946527.22907118\"", "\"-1\"", FrameReject::OutOfRange),
        ("\"21109.77\"", "\"high\"", FrameReject::BadNumber),
        ("\"symbol\":\"BTCUSDT\"", "\"symbol\":\"ETHUSDT\"", FrameReject::UnknownShape),
    ] {
        let reject = read(Market::Spot, &TICKER.replacen(from, to, 1)).unwrap_err();
        assert_eq!((reject.reason, reject.scope), (reason, Scope::Nothing), "{to}");
    }
}

#[test]
fn replies_and_pongs_of_every_form() {
    let reply = |text: &str| match read(Market::Spot, text) {
        Ok(Frame::Reply(reply)) => (reply.id, reply.refused),
        other => panic!("{other:?}"),
    };
    let subscribed = r#"{"success":true,"ret_msg":"","conn_id":"a38867ec","req_id":"7","op":"subscribe"}"#;
    assert_eq!(reply(subscribed), (Some(7), false));
    assert_eq!(reply(&subscribed.replace("true", "false")), (Some(7), true));
    assert_eq!(reply(&subscribed.replace("\"7\"", "\"\"")), (None, false));
    assert_eq!(reply(r#"{"success":true,"ret_msg":"pong","conn_id":"x","req_id":"9","op":"ping"}"#), (Some(9), false));
    // As private links pong.
    assert_eq!(reply(r#"{"req_id":"9","op":"pong","args":["1675418560633"],"conn_id":"x"}"#), (Some(9), false));
    for other in [r#"{"op":"order"}"#, r#"{"success":true}"#, "{}", "[]", "7"] {
        assert_eq!(read(Market::Spot, other).unwrap_err().scope, Scope::Anything, "{other}");
    }
    assert_eq!(read(Market::Spot, r#"{"topic":"kline.5.BTCUSDT","data":[]}"#), Ok(Frame::Ignored));
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for market in Market::ALL {
            let _ = Decoder::new(names(), 50).frame(market, &mut bytes.clone(), NOW);
        }
    }

    #[test]
    fn any_damage_is_answered(at in 0usize..400, byte: u8, which in 0usize..7) {
        let text = [WHOLE, CHANGE, TOP, TRADES, TICKER, LINEAR_TICKER, INVERSE_TICKER][which];
        let mut bytes = text.as_bytes().to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(Frame::Book(book)) = Decoder::new(names(), 50).frame(Market::Spot, &mut bytes, NOW) {
            prop_assert!(book.bids.windows(2).all(|two| two[0].price > two[1].price));
            prop_assert!(book.asks.windows(2).all(|two| two[0].price < two[1].price));
        }
    }
}
