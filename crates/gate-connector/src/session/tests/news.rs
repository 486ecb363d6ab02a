//! Best levels, trades and tickers, where they are asked for.

use super::obu::{change, full};
use super::rig::{PUBLIC, Rig};
use domain::time::{MILLI, SECOND};
use domain::{Input, MarketNews, ResyncReason};
use venue::{SessionOptions, Transmit, VenueSession};

const ALL: SessionOptions = SessionOptions {
    book_ticker: true,
    trades: true,
    tickers: true,
    order_entry: venue::OrderEntry::Rest,
    redundant: false,
    reads: venue::ReadShare::All,
};

fn top(id: u64, bid: &str) -> String {
    format!(
        r#"{{"time":1,"time_ms":1750000000123,"channel":"spot.book_ticker","event":"update","result":{{"t":1750000000120,"u":{id},"s":"BTC_USDT","b":"{bid}","B":"1","a":"101","A":"1"}}}}"#
    )
}

const TRADE: &str = r#"{"time":1,"channel":"spot.trades","event":"update","result":{"id":5,"create_time_ms":"1750000000123.4","side":"buy","currency_pair":"BTC_USDT","amount":"1","price":"100"}}"#;
const TICKER: &str = r#"{"time":1,"channel":"spot.tickers","event":"update","result":{"currency_pair":"BTC_USDT","last":"100","lowest_ask":"101","highest_bid":"100","quote_volume":"7"}}"#;

#[test]
fn what_is_asked_for_is_subscribed_for_all_pairs_at_once_and_passed_on() {
    let (_, frames) = Rig::open("obu", false);
    assert_eq!(frames.len(), 2, "books only");
    let (mut rig, frames) = Rig::open_with("obu", false, ALL);
    let channels: Vec<(&str, String)> =
        frames.iter().skip(2).map(|f| (f["channel"].as_str().unwrap(), f["payload"].to_string())).collect();
    let pairs = r#"["BTC_USDT","ETH_USDT"]"#.to_string();
    assert_eq!(channels, [("spot.book_ticker", pairs.clone()), ("spot.trades", pairs.clone()), ("spot.tickers", pairs)]);
    frames.iter().for_each(|f| rig.acknowledge(f));
    rig.frame(PUBLIC, &top(9, "100"));
    assert_eq!(rig.book_news(), ["T9"], "told before there is a book: it makes none, but a scan wants it");
    rig.frame(PUBLIC, &full("BTC_USDT", 10));
    // An unchanged touch with a new id is told: it is what is known of that id.
    for id in [10, 11, 12] {
        rig.frame(PUBLIC, &top(id, "100"));
    }
    assert_eq!(rig.book_news(), ["S10", "T10", "T11", "T12"]);
    rig.frame(PUBLIC, TRADE);
    rig.frame(PUBLIC, TICKER);
    let news = rig.take();
    assert!(matches!(&news[..], [Input::Market(MarketNews::Trade(_)), Input::Market(MarketNews::Ticker(_))]), "{news:?}");
    // `applied` counts deltas of books only.
    let streams: Vec<(&str, u64, u64)> =
        rig.session.stats().streams.iter().filter(|s| s.pair.0 == 0).map(|s| (s.channel, s.frames, s.applied)).collect();
    assert_eq!(streams, [("spot.obu", 1, 0), ("spot.book_ticker", 4, 0), ("spot.trades", 1, 0), ("spot.tickers", 1, 0)]);
}

#[test]
fn what_is_not_asked_for_is_ignored() {
    let mut rig = Rig::live("obu", false);
    let before = rig.session.stats().ignored;
    for text in [top(10, "100").as_str(), TRADE, TICKER, r#"{"channel":"spot.trades","event":"update","result":7}"#] {
        rig.frame(PUBLIC, text);
    }
    assert!(rig.take().is_empty());
    assert_eq!(rig.session.stats().ignored - before, 4);
    assert_eq!(rig.session.stats().rejected.iter().sum::<u64>(), 0);
}

#[test]
fn a_book_that_stays_behind_its_ticker_is_compared_and_then_doubted() {
    let mut rig = Rig::live_with("obu", false, ALL);
    rig.frame(PUBLIC, &full("BTC_USDT", 10));
    rig.frame(PUBLIC, &top(15, "100.5"));
    rig.take();
    let mut asked = None;
    // The stream flows, but stays behind.
    for id in 11..15 {
        rig.frame(PUBLIC, &change("BTC_USDT", id, id));
        for out in rig.run(300 * MILLI) {
            if let Transmit::Request { ticket, .. } = out {
                asked = Some(ticket);
            }
        }
    }
    let copy = r#"{"id":16,"current":1,"update":1,"asks":[["101","1"]],"bids":[["100.5","1"]]}"#;
    rig.answer(asked.expect("compared"), 200, copy);
    rig.take();
    rig.run(SECOND);
    assert_eq!(rig.book_news(), ["U audit"]);
    assert_eq!(rig.session.stats().resyncs[ResyncReason::Audit as usize], 1);
}

#[test]
fn a_pair_that_fails_a_list_of_news_is_left_out_and_reported() {
    let (mut rig, frames) = Rig::open_with("obu", false, ALL);
    rig.frame(PUBLIC, &full("BTC_USDT", 10));
    rig.take();
    let trades = frames.iter().find(|f| f["channel"] == "spot.trades").unwrap();
    let refuse = |rig: &mut Rig, id: &serde_json::Value| {
        rig.frame(PUBLIC, &format!(r#"{{"time":1,"id":{id},"channel":"spot.trades","event":"subscribe","error":{{"code":2,"message":"unknown currency pair: ETH_USDT"}},"result":{{"status":"fail"}}}}"#));
    };
    refuse(&mut rig, &trades["id"]);
    let parts = rig.frames();
    assert_eq!(parts.iter().map(|f| f["payload"].to_string()).collect::<Vec<_>>(), [r#"["BTC_USDT"]"#, r#"["ETH_USDT"]"#]);
    rig.acknowledge(&parts[0]);
    refuse(&mut rig, &parts[1]["id"]);
    assert_eq!(rig.session.stats().resyncs[ResyncReason::Unserved as usize], 1);
    // No book depends on it.
    rig.frame(PUBLIC, &change("BTC_USDT", 11, 11));
    assert_eq!(rig.book_news(), ["D11-11"]);
    let out = rig.run(2 * SECOND);
    assert!(out.iter().any(|o| matches!(o, Transmit::Frame { text, .. } if text.contains("spot.trades"))), "{out:?}");
}

#[test]
fn a_price_of_a_ticker_beyond_the_scale_untrusts_the_book_other_faults_do_not() {
    let mut rig = Rig::live_with("obu", false, ALL);
    rig.frame(PUBLIC, &full("BTC_USDT", 10));
    rig.take();
    rig.frame(PUBLIC, &top(11, "NaN"));
    assert_eq!(rig.book_news(), Vec::<String>::new());
    rig.frame(PUBLIC, &top(11, "100.001"));
    assert_eq!(rig.book_news(), ["U scale"]);
}
