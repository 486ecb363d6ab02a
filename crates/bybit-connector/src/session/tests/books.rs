//! Books, tops, trades and tickers: what comes, what the engine is told, what is asked for.

use super::rig::{LINEAR, Rig, SPOT, book, top};
use crate::session::{BookChannel, BybitSession};
use crate::wire::samples::tables;
use domain::time::SECOND;
use domain::{Command, FrameReject, Input, MarketNews, PairId, ResyncReason, VenueId};
use venue::{ConnectorError, SessionConfig, SessionOptions, VenueSession};

const AGAIN: [&str; 2] = ["unsubscribe orderbook.50.BTCUSDT", "subscribe orderbook.50.BTCUSDT"];

/// A spot book, live at number 10 and sequence 1000.
fn live() -> Rig {
    let mut rig = Rig::live(&[0]);
    rig.whole(SPOT, 10, 1000);
    assert_eq!(rig.book_news(), ["S1000~"]);
    rig
}

#[test]
fn a_book_begins_whole_and_is_changed_number_by_number() {
    let mut rig = Rig::live(&[0, 1]);
    rig.change(SPOT, 9, 999);
    rig.whole(SPOT, 10, 1000);
    rig.change(SPOT, 11, 1004);
    rig.change(SPOT, 12, 1005);
    rig.whole(SPOT, 40, 1050);
    rig.change(SPOT, 41, 1051);
    assert_eq!(rig.book_news(), ["S1000~", "D1001-1004", "D1005-1005", "S1050", "D1051-1051"]);
    // Linear shares the name, and nothing else.
    rig.whole(LINEAR, 7, 70);
    let Some(Input::Book(update)) = rig.take().pop() else { panic!("no book") };
    assert_eq!((update.pair, update.changed_at.unwrap().0), (PairId(1), 1_750_000_000_090_000_000));
    let stats = rig.session.stats();
    let counts: Vec<_> = stats.streams.iter().map(|s| (s.channel, s.frames, s.applied, s.stale, s.gaps, s.snapshots)).collect();
    assert_eq!(counts, [("orderbook.50", 6, 3, 1, 0, 2), ("orderbook.50", 1, 0, 0, 0, 1)]);
    assert_eq!(stats.resyncs.iter().sum::<u64>(), 0);
}

#[test]
fn a_number_that_is_left_out_has_the_stream_asked_for_again() {
    let mut rig = live();
    rig.change(SPOT, 12, 1002);
    assert_eq!(rig.book_news(), ["U gap"]);
    assert_eq!(rig.run(SECOND).asked, AGAIN);
    // Of the subscription that was left.
    rig.change(SPOT, 13, 1003);
    assert!(rig.book_news().is_empty());
    rig.whole(SPOT, 90, 1090);
    rig.change(SPOT, 91, 1091);
    assert_eq!(rig.book_news(), ["S1090~", "D1091-1091"]);
    assert_eq!(rig.session.stats().streams[0].gaps, 1);
}

#[test]
fn a_service_that_restarts_numbers_anew_without_a_word() {
    let mut rig = live();
    // Called a change, and all there is.
    rig.change(SPOT, 1, 5);
    rig.change(SPOT, 2, 6);
    assert_eq!(rig.book_news(), ["S5", "D6-6"]);
    // Numbered anew, and no whole book: not to be believed.
    rig.change(SPOT, 2, 9);
    assert_eq!(rig.book_news(), ["U gap"]);
}

#[test]
fn a_message_that_cant_be_read_costs_what_it_puts_in_doubt() {
    let check = |link, text: &str, reason: FrameReject, news: &[&str]| {
        let mut rig = live();
        rig.frame(link, text);
        assert_eq!(rig.book_news(), news, "{text}");
        assert_eq!(rig.session.stats().rejected[reason as usize], 1, "{text}");
        assert_eq!(rig.run(SECOND).asked.is_empty(), news.is_empty(), "{text}");
    };
    let change = book("delta", "BTCUSDT", 11, 1001);
    check(SPOT, &change.replace("\"100\"", "\"x\""), FrameReject::BadNumber, &["U gap"]);
    check(SPOT, &book("snapshot", "BTCUSDT", 11, 1001).replace("\"100\"", "\"100.001\""), FrameReject::BadNumber, &["U scale"]);
    check(SPOT, &change.replace("BTCUSDT", "XRPUSDT"), FrameReject::UnknownPair, &[]);
    check(SPOT, &change.replace("orderbook.50", "orderBookL2_25"), FrameReject::UnknownShape, &[]);
    check(SPOT, "{", FrameReject::NotJson, &["U gap"]);
    check(SPOT, "{}", FrameReject::MissingField, &["U gap"]);
}

#[test]
fn the_engine_may_ask_for_a_whole_book() {
    let mut rig = live();
    rig.submit(Command::Resync { venue: VenueId(0), pair: PairId(0), reason: ResyncReason::Crossed });
    assert_eq!(rig.book_news(), ["U crossed"]);
    assert_eq!(rig.run(SECOND).asked, AGAIN);
    rig.whole(SPOT, 20, 1020);
    assert_eq!(rig.book_news(), ["S1020~"]);
}

#[test]
fn whole_tops_may_be_the_book_and_prove_it_while_it_is_quiet() {
    let mut rig = Rig::live_tops(&[0]);
    for (u, seq) in [(10, 1000), (10, 1300), (10, 1600), (11, 1601)] {
        rig.frame(SPOT, &top("BTCUSDT", u, seq));
    }
    assert_eq!(rig.book_news(), ["S1000~", "S1300", "S1600", "S1601"]);
    // Conflated: numbers may be left out.
    rig.frame(SPOT, &top("BTCUSDT", 15, 1700));
    assert_eq!(rig.book_news(), ["S1700"]);
    assert_eq!(rig.session.stats().streams[0].channel, "orderbook.1");
}

/// Bybit sends a top again after three quiet seconds: a stream that says nothing for longer is not there any more, whatever its first
/// frame seemed to prove.
#[test]
fn tops_that_fall_silent_are_left_and_asked_for_again() {
    let mut rig = Rig::live_tops(&[0]);
    for _ in 0..5 {
        rig.frame(SPOT, &top("BTCUSDT", 10, 1000));
        assert!(!rig.run(9 * SECOND).asked.iter().any(|asked| asked.contains("orderbook")));
    }
    rig.book_news();
    let asked: Vec<String> = rig.run(2 * SECOND).asked.into_iter().filter(|asked| asked != "ping").collect();
    assert_eq!(asked, AGAIN.map(|asked| asked.replace("orderbook.50", "orderbook.1")));
    assert_eq!(rig.book_news(), ["U unserved"]);
    rig.frame(SPOT, &top("BTCUSDT", 20, 2000));
    assert_eq!(rig.book_news(), ["S2000~"]);
}

#[test]
fn tops_beside_a_deeper_book_count_by_the_same_sequence() {
    let mut rig = Rig::live_with(&[0], SessionOptions { book_ticker: true, ..SessionOptions::default() });
    rig.whole(SPOT, 10, 1000);
    rig.frame(SPOT, &top("BTCUSDT", 500, 999));
    rig.frame(SPOT, &top("BTCUSDT", 501, 1002));
    rig.change(SPOT, 11, 1002);
    assert_eq!(rig.book_news(), ["S1000~", "T999~", "T1002", "D1001-1002"]);
    // Not asked for.
    let mut rig = live();
    let ignored = rig.session.stats().ignored;
    rig.frame(SPOT, &top("BTCUSDT", 500, 999));
    assert!(rig.book_news().is_empty());
    assert_eq!(rig.session.stats().ignored, ignored + 1);
}

#[test]
fn trades_and_tickers_are_told_when_they_are_wanted() {
    let trades = r#"{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1,"data":[{"T":1672304486865,"s":"BTCUSDT","S":"Buy","v":"0.001","p":"16578.50","i":"a","BT":false},{"T":1672304486865,"s":"BTCUSDT","S":"Sell","v":"0.002","p":"16578.50","i":"b"}]}"#;
    let whole = r#"{"topic":"tickers.BTCUSDT","type":"snapshot","data":{"symbol":"BTCUSDT","lastPrice":"61874.00","turnover24h":"10","bid1Price":"61873.90","ask1Price":"61874.00"},"ts":1}"#;
    let change = r#"{"topic":"tickers.BTCUSDT","type":"delta","data":{"symbol":"BTCUSDT","bid1Price":"61873.80","turnover24h":"11"},"ts":2}"#;
    let mut rig = Rig::live_with(&[1], SessionOptions { trades: true, tickers: true, ..SessionOptions::default() });
    // What changed of nothing is nothing.
    for text in [change, trades, whole, change] {
        rig.frame(LINEAR, text);
    }
    let told: Vec<String> = rig
        .take()
        .into_iter()
        .map(|input| match input {
            Input::Market(MarketNews::Trade(trade)) => format!("{} {}", trade.trade_id, trade.taker_side),
            Input::Market(MarketNews::Ticker(t)) => {
                let [last, bid, ask] = [t.last, t.bid, t.ask].map(|price| price.map_or(0, |p| p.units()));
                format!("{last} {bid} {ask} {}", t.quote_volume.units() / domain::number::AMOUNT_ONE)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told, ["a buy", "b sell", "6187400 6187390 6187400 10", "6187400 6187380 6187400 11"]);
    let mut rig = Rig::live(&[1]);
    for text in [trades, whole] {
        rig.frame(LINEAR, text);
    }
    assert!(rig.take().is_empty());
}

#[test]
fn what_cant_be_served_is_refused_at_the_start() {
    let new = |pairs: &[u16], channel: &str| {
        let config = SessionConfig {
            venue: VenueId(0),
            tables: tables(),
            pairs: pairs.iter().map(|pair| PairId(*pair)).collect(),
            key: None,
            secret: None,
            book_channel: channel.into(),
            options: SessionOptions::default(),
            seed: 1,
        };
        BybitSession::new(config).map(|_| ())
    };
    for channel in BookChannel::NAMES {
        assert_eq!(new(&[0, 1, 2], channel), Ok(()));
    }
    assert!(matches!(new(&[0], "orderbook.25"), Err(ConnectorError::BadOption { what: "book channel", .. })));
}
