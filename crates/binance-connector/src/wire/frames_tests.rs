//! Frames as tables: what is read, what is ignored, what is refused and what a refusal puts in doubt.

use super::*;
use crate::wire::samples::names;
use domain::PairId;
use proptest::prelude::*;

const NOW: MonoNanos = MonoNanos(5);

fn read(market: Market, text: &str) -> Result<Frame, Reject> {
    Decoder::new(names()).frame(market, &mut text.as_bytes().to_vec(), NOW)
}

fn units(levels: &[Level]) -> Vec<(i64, i64)> {
    levels.iter().map(|level| (level.price.units(), level.qty.units())).collect()
}

const SPOT_DEPTH: &str = r#"{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1622363903670,"s":"BTCUSDT","U":157,"u":160,"b":[["0.25","10"],["0.24","0"]],"a":[["0.26","1.000001"]]}}"#;
const FUTURES_DEPTH: &str = r#"{"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate","E":1622371244693,"T":1622371244687,"s":"BTCUSDT","U":157,"u":160,"pu":149,"b":[],"a":[["5403.02","0"]]}}"#;
const COIN_DEPTH: &str = r#"{"stream":"btcusd_perp@depth@0ms","data":{"e":"depthUpdate","E":1723161257440,"T":1723161257432,"s":"BTCUSD_PERP","ps":"BTCUSD","U":157,"u":160,"pu":149,"b":[["61773.6","1001"]],"a":[]}}"#;

#[test]
fn changes_are_read_for_the_market_of_their_link() {
    let book = |market, text| match read(market, text) {
        Ok(Frame::Book(book)) => book,
        other => panic!("{other:?}"),
    };
    let spot = book(Market::Spot, SPOT_DEPTH);
    assert_eq!((spot.pair, spot.delta.previous, spot.delta.last), (PairId(0), 156, 160));
    assert_eq!((spot.sent_at.unwrap().0, spot.changed_at), (1_622_363_903_670_000_000, None));
    assert_eq!(units(&spot.delta.bids), [(25, 1_000_000), (24, 0)]);
    // A quantity finer than the scale is cut.
    assert_eq!(units(&spot.delta.asks), [(26, 100_000)]);
    let linear = book(Market::UsdM, FUTURES_DEPTH);
    assert_eq!((linear.pair, linear.delta.previous, linear.delta.last), (PairId(1), 149, 160));
    assert_eq!(linear.changed_at.unwrap().0, 1_622_371_244_687_000_000);
    let inverse = book(Market::CoinM, COIN_DEPTH);
    assert_eq!((inverse.pair, inverse.delta.previous), (PairId(2), 149));
    assert_eq!(units(&inverse.delta.bids), [(6_177_360, 100_100_000)]);
}

#[test]
fn refused_changes_say_what_they_put_in_doubt() {
    let gap = |pair| Scope::Book(PairId(pair), ResyncReason::Gap);
    for (market, text, from, to, reason, scope) in [
        (Market::Spot, SPOT_DEPTH, "\"u\":160,", "", FrameReject::MissingField, gap(0)),
        (Market::Spot, SPOT_DEPTH, "\"U\":157", "\"U\":\"157\"", FrameReject::BadNumber, gap(0)),
        (Market::Spot, SPOT_DEPTH, "\"U\":157", "\"U\":161", FrameReject::OutOfRange, gap(0)),
        (Market::Spot, SPOT_DEPTH, "\"U\":157", "\"U\":0", FrameReject::OutOfRange, gap(0)),
        (Market::Spot, SPOT_DEPTH, "depthUpdate", "depthUpgrade", FrameReject::UnknownShape, gap(0)),
        (Market::Spot, SPOT_DEPTH, "\"0.24\"", "\"NaN\"", FrameReject::BadNumber, gap(0)),
        (Market::Spot, SPOT_DEPTH, "\"0.24\"", "0.24", FrameReject::BadNumber, gap(0)),
        (Market::Spot, SPOT_DEPTH, "\"0.24\"", "\"0.250\"", FrameReject::Unsorted, gap(0)),
        (Market::Spot, SPOT_DEPTH, "\"a\":[[", "\"x\":[[", FrameReject::MissingField, gap(0)),
        (Market::Spot, SPOT_DEPTH, "\"E\":1622363903670", "\"E\":-1", FrameReject::BadNumber, gap(0)),
        (Market::Spot, SPOT_DEPTH, "BTCUSDT", "XRPUSDT", FrameReject::UnknownPair, Scope::Nothing),
        (Market::Spot, SPOT_DEPTH, "\"s\":\"BTCUSDT\",", "", FrameReject::MissingField, Scope::Anything),
        (Market::Spot, SPOT_DEPTH, "\"data\"", "\"date\"", FrameReject::MissingField, Scope::Anything),
        (Market::Spot, SPOT_DEPTH, "btcusdt@depth@100ms", "btcusdt@depth@quick", FrameReject::UnknownShape, Scope::Nothing),
        (Market::UsdM, FUTURES_DEPTH, "\"pu\":149,", "", FrameReject::MissingField, gap(1)),
        (Market::UsdM, FUTURES_DEPTH, "\"pu\":149", "\"pu\":-1", FrameReject::BadNumber, gap(1)),
        (Market::UsdM, FUTURES_DEPTH, "\"pu\":149", "\"pu\":160", FrameReject::OutOfRange, gap(1)),
        // A spot change on a futures link, and the other way round: names are shared, the chain is not.
        (Market::UsdM, SPOT_DEPTH, "", "", FrameReject::MissingField, gap(1)),
        (Market::CoinM, FUTURES_DEPTH, "", "", FrameReject::UnknownPair, Scope::Nothing),
    ] {
        let text = if from.is_empty() { text.to_string() } else { text.replacen(from, to, 1) };
        let text = if from == "BTCUSDT" { text.replace("\"s\":\"BTCUSDT\"", "\"s\":\"XRPUSDT\"") } else { text };
        let reject = read(market, &text).expect_err(&text);
        assert_eq!((reject.reason, reject.scope), (reason, scope), "{text}");
    }
    // Orders that were made with a finer tick: their levels are left out.
    let Ok(Frame::Book(book)) = read(Market::Spot, &SPOT_DEPTH.replace("0.24", "0.241")) else { panic!() };
    assert_eq!(units(&book.delta.bids), [(25, 1_000_000)]);
}

#[test]
fn tops_have_a_time_only_on_futures_and_may_have_an_empty_side() {
    let top = |market, text: &str| match read(market, text) {
        Ok(Frame::Top(top)) => top,
        other => panic!("{other:?}"),
    };
    let spot =
        r#"{"stream":"btcusdt@bookTicker","data":{"u":400,"s":"BTCUSDT","b":"25.35","B":"31.21","a":"25.36","A":"40.66"}}"#;
    let read_top = top(Market::Spot, spot);
    assert_eq!((read_top.pair, read_top.id, read_top.sent_at, read_top.changed_at), (PairId(0), 400, None, None));
    assert_eq!(
        (units(&[read_top.bid.unwrap()]), units(&[read_top.ask.unwrap()])),
        (vec![(2535, 3_121_000)], vec![(2536, 4_066_000)])
    );
    let futures = spot.replace("{\"u\"", "{\"e\":\"bookTicker\",\"T\":5,\"E\":7,\"u\"");
    let read_top = top(Market::UsdM, &futures);
    assert_eq!((read_top.pair, read_top.sent_at.unwrap().0, read_top.changed_at.unwrap().0), (PairId(1), 7_000_000, 5_000_000));
    let empty = top(Market::Spot, &spot.replace("\"25.36\",\"A\":\"40.66\"", "\"0.00\",\"A\":\"0.0000\""));
    assert_eq!((empty.bid.is_some(), empty.ask), (true, None));
    for (from, to, scope) in [
        ("\"u\":400", "\"u\":-400", Scope::Nothing),
        ("31.21", "many", Scope::Nothing),
        ("\"b\":\"25.35\",", "", Scope::Nothing),
        ("25.35", "25.351", Scope::Book(PairId(0), ResyncReason::Scale)),
    ] {
        assert_eq!(read(Market::Spot, &spot.replace(from, to)).unwrap_err().scope, scope, "{to}");
    }
}

#[test]
fn trades_name_the_side_of_the_taker() {
    let trade = |market, text: &str| match read(market, text) {
        Ok(Frame::Trade(trade)) => {
            (trade.pair, trade.trade_id.to_string(), trade.taker_side, trade.price.units(), trade.qty.units())
        }
        other => panic!("{other:?}"),
    };
    let single = r#"{"stream":"btcusdt@trade","data":{"e":"trade","E":9,"s":"BTCUSDT","t":12345,"p":"0.01","q":"100","T":8,"m":true,"M":true}}"#;
    assert_eq!(trade(Market::Spot, single), (PairId(0), "12345".into(), Side::Sell, 1, 10_000_000));
    let aggregate = r#"{"stream":"btcusd_perp@aggTrade","data":{"e":"aggTrade","E":9,"a":77,"s":"BTCUSD_PERP","p":"58570.1","q":"58","f":1,"l":2,"T":8,"m":false}}"#;
    assert_eq!(trade(Market::CoinM, aggregate), (PairId(2), "77".into(), Side::Buy, 5_857_010, 5_800_000));
    let fund = single.replace("\"m\":true", "\"m\":true,\"X\":\"INSURANCE_FUND\"");
    assert_eq!(read(Market::UsdM, &fund), Ok(Frame::Ignored));
    for (from, to) in
        [("\"t\":12345", "\"t\":null"), ("\"m\":true,", ""), ("\"p\":\"0.01\"", "\"p\":\"0\""), ("\"trade\"", "\"tirade\"")]
    {
        let reject = read(Market::Spot, &single.replace(from, to)).expect_err(to);
        assert_eq!(reject.scope, Scope::Nothing, "{to}: a trade puts no book in doubt");
    }
}

#[test]
fn tickers_count_quote_on_every_market() {
    let ticker = |market, text: &str| match read(market, text) {
        Ok(Frame::Ticker(t)) => {
            let units = |price: Option<Price>| price.map(Price::units);
            (t.pair, units(t.last), units(t.bid), units(t.ask), t.quote_volume.to_text())
        }
        other => panic!("{other:?}"),
    };
    let spot = r#"{"stream":"btcusdt@ticker","data":{"e":"24hrTicker","s":"BTCUSDT","c":"1782.02","b":"1782.01","a":"0.00","v":"10","q":"2990736920.72"}}"#;
    assert_eq!(ticker(Market::Spot, spot), (PairId(0), Some(178_202), Some(178_201), None, "2990736920.72".into()));
    // 12 contracts of 100 dollars; `q` is bitcoin.
    let inverse =
        r#"{"stream":"btcusd_perp@ticker","data":{"e":"24hrTicker","s":"BTCUSD_PERP","c":"29031.8","v":"12","q":"0.04"}}"#;
    assert_eq!(ticker(Market::CoinM, inverse), (PairId(2), Some(2_903_180), None, None, "1200".into()));
    assert_eq!(read(Market::Spot, &spot.replace("2990736920.72", "-1")).unwrap_err().scope, Scope::Nothing);
}

#[test]
fn frames_of_no_stream_are_answers_news_of_the_connection_or_refused() {
    let spot = |text: &str| read(Market::Spot, text);
    let reply = |id, refused| Ok(Frame::Reply(Reply { id, refused }));
    assert_eq!(spot(r#"{"result":null,"id":3}"#), reply(Some(3), false));
    assert_eq!(spot(r#"{"result":["btcusdt@depth"],"id":4}"#), reply(Some(4), false));
    assert_eq!(spot(r#"{"error":{"code":2,"msg":"Invalid request"},"id":5}"#), reply(Some(5), true));
    assert_eq!(spot(r#"{"code":2,"msg":"Invalid request"}"#), reply(None, true));
    assert_eq!(spot(r#"{"e":"serverShutdown","E":1770123456789}"#), Ok(Frame::Shutdown));
    assert_eq!(spot(r#"{"stream":"","data":{"e":"serverShutdown","E":1770123456789}}"#), Ok(Frame::Shutdown));
    assert_eq!(spot(r#"{"stream":"btcusdt@kline_1m","data":{"e":"kline","s":"BTCUSDT"}}"#), Ok(Frame::Ignored));
    assert_eq!(spot(r#"{"stream":"!ticker@arr","data":[]}"#), Ok(Frame::Ignored));
    // A partial book of futures has the shape of a change; only its stream's name tells.
    assert_eq!(read(Market::UsdM, &FUTURES_DEPTH.replace("depth@0ms", "depth20@100ms")), Ok(Frame::Ignored));
    for (text, reason) in [
        ("{}", FrameReject::UnknownShape),
        ("[]", FrameReject::UnknownShape),
        ("7", FrameReject::UnknownShape),
        (r#"{"lastUpdateId":7,"bids":[],"asks":[]}"#, FrameReject::UnknownShape),
        (r#"{"e":"depthUpdate","s":"BTCUSDT","U":1,"u":2,"b":[],"a":[]}"#, FrameReject::UnknownShape),
        (r#"{"stream":7,"data":{}}"#, FrameReject::UnknownShape),
        (r#"{"stream":"btcusdt@depth","stream":"btcusdt@depth"}"#, FrameReject::UnknownShape),
        ("{\"stre", FrameReject::NotJson),
        ("", FrameReject::NotJson),
    ] {
        let reject = spot(text).expect_err(text);
        assert_eq!((reject.reason, reject.scope), (reason, Scope::Anything), "{text}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut decoder = Decoder::new(names());
        for market in Market::ALL {
            let _ = decoder.frame(market, &mut bytes.clone(), NOW);
        }
    }

    /// Real frames with a byte changed or an end cut off reach further into the decoder than noise does.
    #[test]
    fn damaged_frames_are_answered(which in 0usize..3, at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut bytes = [SPOT_DEPTH, FUTURES_DEPTH, COIN_DEPTH][which].as_bytes().to_vec();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        let _ = Decoder::new(names()).frame(Market::ALL[which], &mut bytes, NOW);
    }
}
