//! Quiet books are proved over REST, silent ones found out (F6, F7).

use super::books::snapshot;
use super::obu::{change, full};
use super::rig::{PUBLIC, Rig, Sent};
use domain::time::{MILLI, SECOND};
use domain::{BookBody, Input, ResyncReason};
use venue::{IoFailure, Transmit};

pub(super) fn copy(id: u64, ask: &str) -> String {
    format!(r#"{{"id":{id},"current":1750000000999,"update":1750000000100,"asks":[["{ask}","1"]],"bids":[["100","1"]]}}"#)
}

/// Runs until a comparison of BTC/USDT is asked for.
#[track_caller]
pub(super) fn next_audit(rig: &mut Rig, within: u64) -> Sent {
    let end = rig.now.after(within);
    let mut sent = None;
    while rig.now < end && sent.is_none() {
        for out in rig.run(10 * MILLI) {
            match out {
                Transmit::Request { ticket, request, order, .. } if request.query.contains("BTC_USDT") => {
                    assert_eq!(request.path, "/api/v4/spot/order_book");
                    assert_eq!(request.query, "currency_pair=BTC_USDT&limit=20&with_id=true");
                    sent = Some(Sent { ticket, request, order });
                }
                Transmit::Frame { text, .. } if text.contains("spot.ping") => rig.pong(PUBLIC),
                _ => {}
            }
        }
    }
    sent.expect("no comparison was asked for")
}

fn live(channel: &str) -> Rig {
    let mut rig = Rig::live(channel, false);
    for pair in ["BTC_USDT", "ETH_USDT"] {
        rig.frame(PUBLIC, &if channel == "obu" { full(pair, 10) } else { snapshot(pair, 10) });
    }
    assert_eq!(rig.book_news(), ["S10", "S10"]);
    rig
}

#[test]
fn a_quiet_book_is_proved_from_the_time_of_the_question() {
    for channel in ["order_book", "obu"] {
        let mut rig = live(channel);
        let began = rig.now;
        let sent = next_audit(&mut rig, SECOND);
        assert!(rig.now.since(began) >= 500 * MILLI, "{channel}");
        assert_eq!(sent.header("KEY"), None);
        let asked = rig.now;
        rig.pass(80 * MILLI);
        rig.take();
        rig.answer(sent.ticket, 200, &copy(10, "101"));
        let updates = rig.take();
        let [Input::Book(update)] = updates.as_slice() else { panic!("{channel}: {updates:?}") };
        let BookBody::Top { id: 10, bid: Some(bid), ask: Some(ask) } = update.body else { panic!("{update:?}") };
        assert_eq!((bid.price.units(), ask.price.units()), (10_000, 10_100));
        // Never younger than what it proves, and no sample of the feed's lag.
        assert!(asked.since(update.received) < 11 * MILLI && update.received <= asked, "{channel}");
        assert_eq!((update.sent_at, update.changed_at), (None, None));
    }
}

#[test]
fn pongs_tell_the_lag_of_a_book_that_is_proved_to_have_been_quiet_since() {
    let mut rig = live("obu");
    let mut lags = 0;
    for _ in 0..30 {
        let sent = next_audit(&mut rig, SECOND);
        rig.take();
        rig.answer(sent.ticket, 200, &copy(10, "101"));
        for input in rig.take() {
            if let Input::Book(update) = input
                && let BookBody::Evidence { id } = update.body
            {
                assert_eq!(id, 10);
                let (received, sent_at) = (update.received.0 as i64, update.sent_at.unwrap().at.0);
                assert!((sent_at - received - super::rig::WALL_S * SECOND as i64).abs() < MILLI as i64);
                lags += 1;
            }
        }
    }
    // One for each pong, which quiet books ask for every five seconds; thirty comparisons take fifteen seconds or more.
    assert!((2..=8).contains(&lags), "{lags}");
}

#[test]
fn a_copy_that_stays_ahead_of_the_stream_untrusts_the_book() {
    for channel in ["obu", "order_book"] {
        let mut rig = live(channel);
        let sent = next_audit(&mut rig, SECOND);
        rig.answer(sent.ticket, 200, &copy(12, "102"));
        rig.run(SECOND - MILLI);
        assert_eq!(rig.book_news(), Vec::<String>::new(), "{channel}: the stream may still bring it");
        let out = rig.run(MILLI);
        assert_eq!(rig.book_news(), ["U audit"], "{channel}");
        assert_eq!(rig.session.desk.stats.resyncs[ResyncReason::Audit as usize], 1);
        let left = out.iter().any(|o| matches!(o, Transmit::Frame { text, .. } if text.contains("unsubscribe")));
        assert_eq!(left, channel == "obu");
    }
}

#[test]
fn a_stream_that_was_proved_behind_has_to_speak_before_a_copy_counts() {
    // Seed 37,370: a cached copy of two seconds ago was past all that was known, and the book was traded on.
    let mut rig = super::books::live_updates();
    let sent = next_audit(&mut rig, SECOND);
    rig.answer(sent.ticket, 200, &copy(12, "102"));
    rig.take();
    let out = rig.run(SECOND);
    assert_eq!(rig.book_news(), ["U audit"]);
    let left = |out: &[Transmit]| out.iter().any(|o| matches!(o, Transmit::Frame { text, .. } if text.contains("unsubscribe")));
    assert!(left(&out), "its stream is asked for anew: {out:?}");
    let copies = |out: &[Transmit]| {
        out.iter().filter(|o| matches!(o, Transmit::Request { request, .. } if request.query.contains("BTC_USDT"))).count()
    };
    assert_eq!(copies(&out) + copies(&rig.run(5 * SECOND)), 0, "no copy is of use before the stream speaks");
    rig.frame(PUBLIC, &super::books::delta("BTC_USDT", 14, 14));
    let asked = rig.run(SECOND).into_iter().find_map(|out| match out {
        Transmit::Request { ticket, request, .. } if request.query.contains("BTC_USDT") => Some(ticket),
        _ => None,
    });
    rig.answer(asked.expect("asked for now"), 200, &copy(13, "102"));
    assert_eq!(rig.book_news(), ["S13", "D14-14"]);
}

#[test]
fn a_stream_that_catches_up_is_no_fault() {
    let mut rig = live("obu");
    let sent = next_audit(&mut rig, SECOND);
    rig.answer(sent.ticket, 200, &copy(12, "102"));
    rig.run(500 * MILLI);
    rig.frame(PUBLIC, &change("BTC_USDT", 11, 12));
    rig.run(400 * MILLI);
    assert_eq!(rig.book_news(), ["D11-12"]);
}

#[test]
fn ids_that_go_on_without_a_change_of_the_levels_are_quiet_too() {
    // `order_book` may be pushed only when one of its levels changes.
    let mut rig = live("order_book");
    let sent = next_audit(&mut rig, SECOND);
    rig.answer(sent.ticket, 200, &copy(12, "101"));
    assert_eq!(rig.book_news(), ["E10"]);
}

#[test]
fn a_copy_that_is_older_or_missing_proves_nothing_and_is_asked_for_less_often() {
    type Answer = fn(&mut Rig, &Sent);
    let answers: [(&str, Answer); 4] = [
        ("cached", |rig, sent| rig.answer(sent.ticket, 200, &copy(9, "101"))),
        ("refused", |rig, sent| rig.answer(sent.ticket, 500, "{}")),
        ("no book", |rig, sent| rig.answer(sent.ticket, 200, r#"{"bids":[],"asks":[]}"#)),
        ("lost", |rig, sent| rig.fail(sent.ticket, IoFailure::TimedOut)),
    ];
    for (name, answer) in answers {
        let mut rig = live("obu");
        let mut waits = Vec::new();
        for _ in 0..6 {
            let began = rig.now;
            let sent = next_audit(&mut rig, 6 * SECOND);
            waits.push(rig.now.since(began));
            answer(&mut rig, &sent);
            assert_eq!(rig.book_news(), Vec::<String>::new(), "{name}");
        }
        assert!(waits.is_sorted() && waits[5] >= 5 * SECOND, "{name}: {waits:?}");
    }
}

#[test]
fn comparisons_are_spaced_and_a_lively_book_needs_none() {
    let mut rig = live("order_book");
    let mut requests = 0;
    for _ in 0..100 {
        rig.frame(PUBLIC, &snapshot("BTC_USDT", 11));
        for out in rig.run(100 * MILLI) {
            if let Transmit::Request { ticket, request, .. } = out {
                assert!(request.query.contains("ETH_USDT"), "{request:?}");
                requests += 1;
                rig.answer(ticket, 200, &copy(10, "101"));
            }
        }
    }
    assert!((10..=20).contains(&requests), "{requests} comparisons of one quiet book in ten seconds");
}

#[test]
fn no_copy_is_asked_for_before_rest_answered() {
    // A tape has no answers; neither has it a clock.
    let mut rig = Rig::new("order_book", false);
    use venue::VenueSession;
    rig.session.start(rig.now);
    rig.drain();
    rig.connect(PUBLIC);
    rig.drain();
    rig.frame(PUBLIC, &snapshot("BTC_USDT", 10));
    let mut requests = 0;
    for _ in 0..100 {
        let Some(at) = rig.session.poll_timeout() else { break };
        rig.now = rig.now.max(at);
        rig.session.handle_timeout(rig.now, &mut rig.updates);
        requests += rig.requests().iter().filter(|sent| sent.request.path.contains("order_book")).count();
    }
    assert_eq!(requests, 0);
}

#[test]
fn a_quiet_market_that_is_proved_keeps_its_link() {
    let mut rig = live("obu");
    for _ in 0..6_000 {
        for out in rig.run(100 * MILLI) {
            match out {
                Transmit::Request { ticket, .. } => rig.answer(ticket, 200, &copy(10, "101")),
                Transmit::Frame { text, .. } if text.contains("spot.ping") => rig.pong(PUBLIC),
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(rig.book_news().iter().all(|news| news == "T10" || news == "E10"));
}

#[test]
fn a_copy_that_a_ticker_has_overtaken_proves_nothing() {
    let options = venue::SessionOptions { book_ticker: true, ..venue::SessionOptions::default() };
    let mut rig = Rig::live_with("obu", false, options);
    rig.frame(PUBLIC, &full("BTC_USDT", 10));
    let top = r#"{"time":1,"time_ms":1750000000123,"channel":"spot.book_ticker","event":"update","result":{"t":1750000000120,"u":12,"s":"BTC_USDT","b":"99","B":"1","a":"101","A":"1"}}"#;
    rig.frame(PUBLIC, top);
    assert_eq!(rig.book_news(), ["S10", "T12"]);
    // The copy is cached: it is what the book holds, and older than what the ticker showed.
    let sent = next_audit(&mut rig, 2 * SECOND);
    rig.take();
    rig.answer(sent.ticket, 200, &copy(10, "101"));
    assert_eq!(rig.book_news(), Vec::<String>::new());
    // One that is past the ticker's id decides: the stream is behind it.
    let sent = next_audit(&mut rig, 6 * SECOND);
    rig.answer(sent.ticket, 200, &copy(12, "101"));
    rig.run(SECOND);
    assert_eq!(rig.book_news(), ["U audit"]);
}
