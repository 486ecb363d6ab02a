//! Books: sequence, copies, weight, loss and return of trust. The chain itself is tested with [`venue::book_sync`].

use super::rig::{Rig, SPOT, USDM, live_spot, spot, usdm};
use domain::time::{MILLI, SECOND};
use domain::{Command, FrameReject, Input, LinkState, MarketNews, PairId, ResyncReason, VenueId};
use venue::{IoFailure, SessionOptions, VenueSession};

#[test]
fn a_spot_copy_is_fetched_after_the_first_change_and_the_buffer_follows_it() {
    let mut rig = Rig::live(&[0]);
    assert!(rig.run(SECOND).requests.is_empty(), "no copy before the stream speaks");
    for (first, last) in [(5, 6), (7, 9), (10, 12), (13, 13)] {
        rig.frame(SPOT, &spot(first, last));
    }
    let sent = rig.drain();
    let request = &sent.requests[0].request;
    assert_eq!((request.path.as_str(), request.query.as_str()), ("/api/v3/depth", "symbol=BTCUSDT&limit=1000"));
    assert!(request.headers.iter().all(|(name, _)| *name == "Accept"), "no key");
    rig.copy(sent.copy(), 10);
    assert_eq!(rig.book_news(), ["S10", "D11-12", "D13-13"]);
    rig.frame(SPOT, &spot(12, 15));
    rig.frame(SPOT, &spot(17, 18));
    assert_eq!(rig.book_news(), ["D14-15", "U gap"]);
    let stream = &rig.session.stats().streams[0];
    assert_eq!((stream.frames, stream.applied, stream.stale, stream.gaps, stream.snapshots), (6, 3, 2, 1, 1));
}

#[test]
fn a_futures_book_chains_by_what_each_change_says_came_before() {
    let mut rig = Rig::live(&[1]);
    // Ids of futures have holes: the book's own changes are named by `pu`.
    rig.frame(USDM, &usdm(100, 105, 120));
    rig.frame(USDM, &usdm(120, 130, 150));
    let sent = rig.drain();
    assert_eq!(sent.requests[0].request.path, "/fapi/v1/depth");
    rig.copy(sent.copy(), 110);
    assert_eq!(rig.book_news(), ["1:S110", "1:D111-120", "1:D121-150"]);
    rig.frame(USDM, &usdm(150, 160, 170));
    assert_eq!(rig.book_news(), ["1:D151-170"]);
    // `U` would fit, `pu` does not.
    rig.frame(USDM, &usdm(165, 171, 180));
    assert_eq!(rig.book_news(), ["1:U gap"]);
}

#[test]
fn times_are_the_frames_own() {
    let mut rig = Rig::live(&[1]);
    rig.frame(USDM, &usdm(99, 100, 120));
    let ticket = rig.drain().copy();
    rig.answer(ticket, 200, &[], r#"{"lastUpdateId":100,"E":7,"T":5,"bids":[],"asks":[]}"#);
    // The copy's way is another one than the stream's, so its send time is left out.
    let stamps: Vec<(Option<i64>, i64)> = rig
        .take()
        .into_iter()
        .filter_map(|input| match input {
            Input::Book(update) => Some((update.sent_at.map(|sent| sent.at.0), update.changed_at.unwrap().0)),
            _ => None,
        })
        .collect();
    assert_eq!(stamps, [(None, 5_000_000), (Some(1_750_000_000_100_000_000), 1_750_000_000_090_000_000)]);
}

#[test]
fn markets_that_share_a_name_do_not_share_a_book() {
    let mut rig = Rig::live(&[0, 1]);
    rig.frame(SPOT, &spot(10, 10));
    rig.frame(USDM, &usdm(500, 510, 520));
    let out = rig.drain();
    let paths: Vec<&str> = out.requests.iter().map(|r| r.request.path.as_str()).collect();
    assert_eq!(paths, ["/api/v3/depth", "/fapi/v1/depth"]);
    rig.copy(out.requests[1].ticket, 510);
    rig.copy(out.requests[0].ticket, 10);
    assert_eq!(rig.book_news(), ["1:S510", "1:D511-520", "S10"]);
}

#[test]
fn copies_that_fail_in_any_way_are_asked_for_again() {
    let mut rig = Rig::live(&[0]);
    rig.frame(SPOT, &spot(10, 10));
    let mut ticket = rig.drain().copy();
    for answer in ["fail", "500", "html", "unsorted", "crossed", "old"] {
        match answer {
            "fail" => rig.fail(ticket, IoFailure::TimedOut),
            "500" => rig.answer(ticket, 500, &[], "<html>"),
            "html" => rig.answer(ticket, 200, &[], "<html>"),
            "unsorted" => {
                rig.answer(ticket, 200, &[], r#"{"lastUpdateId":10,"bids":[["1","1"],["2","1"]],"asks":[]}"#);
            }
            "crossed" => {
                rig.answer(ticket, 200, &[], r#"{"lastUpdateId":10,"bids":[["2","1"]],"asks":[["2","1"]]}"#);
            }
            _ => rig.copy(ticket, 8),
        }
        ticket = rig.run(6 * SECOND).copy();
        // The market speaks meanwhile, so that the stream counts as served.
    }
    assert_eq!(rig.book_news(), ["U crossed", "U snapshot_stale"]);
    rig.copy(ticket, 9);
    assert_eq!(rig.book_news(), ["S9", "D10-10"]);
    assert_eq!(rig.session.stats().rejected[FrameReject::Unsorted as usize], 1);
}

#[test]
fn a_venue_that_limits_us_is_left_alone_for_as_long_as_it_says() {
    let mut rig = Rig::live(&[0, 1]);
    rig.frame(SPOT, &spot(10, 10));
    let ticket = rig.drain().copy();
    rig.answer(ticket, 429, &[("retry-after", "7")], r#"{"code":-1003,"msg":"Too many requests"}"#);
    // The other market counts on its own.
    rig.frame(USDM, &usdm(9, 10, 12));
    let ticket = rig.drain().copy();
    rig.copy(ticket, 10);
    assert!(rig.run(7 * SECOND - MILLI).requests.is_empty());
    assert_eq!(rig.run(MILLI).requests.len(), 1);
}

#[test]
fn after_a_ban_nothing_is_asked_of_any_market_for_as_long_as_it_says_or_for_two_minutes() {
    for (headers, wait) in [(&[("retry-after", "300")][..], 300), (&[][..], 120)] {
        let mut rig = Rig::live(&[0, 1]);
        rig.frame(SPOT, &spot(10, 10));
        let ticket = rig.drain().copy();
        rig.answer(ticket, 418, headers, r#"{"code":-1003,"msg":"Way too much request weight used; IP banned"}"#);
        rig.frame(USDM, &usdm(9, 10, 12));
        let sent = rig.run(wait * SECOND - MILLI);
        assert!(sent.requests.is_empty(), "{:?}", sent.requests);
        assert_eq!(rig.run(MILLI).requests.len(), 2);
    }
}

#[test]
fn copies_stay_within_half_of_the_weight_of_a_minute_and_few_are_under_way_together() {
    let mut rig = Rig::live_many(700);
    for pair in 0..700 {
        rig.frame(SPOT, &spot(10, 10).replace("BTCUSDT", &format!("A{pair}USDT")));
    }
    // 6000 a minute and 5 for a copy of a hundred levels make 1200; half of them in any minute, the first one too.
    let mut sent: Vec<usize> = Vec::new();
    for step in 0..=75 {
        let mut out = if step == 0 { rig.drain() } else { rig.run(SECOND) };
        sent.push(0);
        while !out.requests.is_empty() {
            assert!(out.requests.len() <= 16, "{} together", out.requests.len());
            for one in out.requests {
                assert!(one.request.query.ends_with("limit=100"), "{}", one.request.query);
                *sent.last_mut().unwrap() += 1;
                rig.copy(one.ticket, 10);
            }
            out = rig.drain();
        }
        let minute: usize = sent.iter().rev().take(60).sum();
        assert!(minute <= 600, "{minute} within a minute: {sent:?}");
    }
    assert_eq!((sent[0], sent.iter().sum::<usize>()), (600, 700), "every book gets its copy: {sent:?}");
}

#[test]
fn weight_told_by_the_venue_is_kept_for_people() {
    let mut rig = Rig::live(&[0]);
    rig.frame(SPOT, &spot(10, 10));
    let ticket = rig.drain().copy();
    rig.answer(ticket, 200, &[("x-mbx-used-weight-1m", "1500")], r#"{"lastUpdateId":10,"bids":[],"asks":[]}"#);
    assert_eq!(rig.session.stats().rate_remaining, Some((4500, 6000)));
}

#[test]
fn a_refused_frame_drops_the_book_it_is_about_or_all_that_its_link_carries() {
    let mut rig = Rig::live(&[0, 1, 3]);
    for (link, frame) in [(SPOT, spot(10, 10)), (SPOT, spot(10, 10).replace("BTC", "ETH")), (USDM, usdm(9, 10, 10))] {
        rig.frame(link, &frame);
        let ticket = rig.drain().copy();
        rig.copy(ticket, 10);
    }
    rig.take();
    rig.frame(SPOT, &spot(11, 12).replace("\"100\"", "\"NaN\""));
    assert_eq!(rig.book_news(), ["U gap"]);
    rig.frame(SPOT, "{\"stre");
    assert_eq!(rig.book_news(), ["3:U gap"]);
    // What is not ours puts nothing in doubt.
    rig.frame(USDM, &usdm(10, 11, 12).replace("BTC", "XRP"));
    assert_eq!(rig.book_news(), Vec::<String>::new());
    assert_eq!(rig.session.stats().rejected[FrameReject::UnknownPair as usize], 1);
}

#[test]
fn the_engine_may_ask_for_a_resync_and_only_a_copy_as_new_as_its_book_ends_it() {
    let mut rig = live_spot();
    rig.frame(SPOT, &spot(11, 12));
    rig.take();
    rig.submit(Command::Resync { venue: VenueId(0), pair: PairId(0), reason: ResyncReason::Audit });
    assert_eq!(rig.book_news(), ["U audit"]);
    for id in [11, 12] {
        let ticket = rig.run(SECOND).copy();
        rig.copy(ticket, id);
    }
    assert_eq!(rig.book_news(), ["U snapshot_stale", "S12"]);
}

#[test]
fn tops_trades_and_tickers_are_passed_on_only_when_asked_for() {
    let top = r#"{"stream":"btcusdt@bookTicker","data":{"u":400,"s":"BTCUSDT","b":"25.35","B":"31.21","a":"25.36","A":"40.66"}}"#;
    let trade = r#"{"stream":"btcusdt@trade","data":{"e":"trade","s":"BTCUSDT","t":1,"p":"0.01","q":"100","T":8,"m":true}}"#;
    let ticker = r#"{"stream":"btcusdt@ticker","data":{"e":"24hrTicker","s":"BTCUSDT","c":"1782.02","q":"1"}}"#;
    let mut rig = Rig::live(&[0]);
    let ignored = rig.session.stats().ignored;
    for frame in [top, trade, ticker] {
        rig.frame(SPOT, frame);
    }
    assert_eq!((rig.take(), rig.session.stats().ignored), (vec![], ignored + 3));
    let all = SessionOptions { book_ticker: true, trades: true, tickers: true, ..SessionOptions::default() };
    let mut rig = Rig::live_with(&[0], all);
    for frame in [top, trade, ticker] {
        rig.frame(SPOT, frame);
    }
    let news = rig.take();
    assert!(matches!(
        news.as_slice(),
        [Input::Book(_), Input::Market(MarketNews::Trade(_)), Input::Market(MarketNews::Ticker(_))]
    ));
}

#[test]
fn a_stream_that_sends_nothing_is_unserved_and_asked_for_again() {
    let mut rig = live_spot();
    let mut quiet = Rig::live(&[0, 3]);
    for _ in 0..9 {
        rig.run(SECOND);
        quiet.frame(SPOT, &spot(10, 10));
    }
    quiet.drain();
    quiet.take();
    let out = quiet.run(10 * SECOND);
    assert_eq!(quiet.book_news(), ["3:U unserved"]);
    assert_eq!(out.asked(), ["SUBSCRIBE ethusdt@depth@100ms"]);
    let out = quiet.run(60 * SECOND);
    let asked: Vec<String> = out.asked().into_iter().filter(|text| text.contains("ethusdt")).collect();
    assert_eq!(asked[..3], ["SUBSCRIBE ethusdt@depth@100ms", "UNSUBSCRIBE ethusdt@depth@100ms", "SUBSCRIBE ethusdt@depth@100ms"]);
    quiet.frame(SPOT, &spot(10, 10).replace("BTC", "ETH"));
    assert!(quiet.session.stats().streams.iter().any(|s| s.pair == PairId(3) && s.frames == 1));
}

#[test]
fn after_a_pause_buffered_frames_do_not_restore_trust() {
    let mut rig = live_spot();
    rig.session.handle_paused(rig.now, &mut rig.updates);
    let news = rig.take();
    assert!(news.iter().any(|i| matches!(i, Input::Link(change) if change.state == LinkState::Paused)));
    assert_eq!(news.iter().filter(|i| matches!(i, Input::Book(_))).count(), 1);
    let out = rig.drain();
    assert_eq!(out.wires, [super::rig::Wire::Close(SPOT)]);
    rig.frame(SPOT, &spot(11, 11));
    assert_eq!(rig.book_news(), Vec::<String>::new());
    rig.lose(SPOT);
    assert_eq!(rig.run(SECOND).wires, [super::rig::Wire::Open(SPOT)]);
}
