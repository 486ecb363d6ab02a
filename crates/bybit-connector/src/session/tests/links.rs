//! Connections: subscribed on, kept alive, given up, replaced; and what a session without a key answers.

use super::rig::{LINEAR, Rig, SPOT, SPOT_NEXT, book};
use domain::command::OrderRef;
use domain::time::{MILLI, SECOND};
use domain::{
    ClientOrderId, Command, ErrorClass, Input, LinkState, OrderReport, PairId, ReadFailure, ReadKind, UnknownCause, VenueId,
};
use venue::{SessionOptions, VenueSession};

#[test]
fn streams_are_asked_for_ten_at_a_time_and_spread_out() {
    let mut rig = Rig::many(25);
    rig.session.start(rig.now);
    assert_eq!(rig.drain().wires, ["open 0"]);
    rig.connect(SPOT);
    let first = rig.drain().asked;
    assert_eq!(first.iter().map(|asked| asked.matches("orderbook.50.A").count()).collect::<Vec<_>>(), [10]);
    let rest = rig.run(SECOND).asked;
    assert_eq!(rest.iter().map(|asked| asked.matches("orderbook.50.A").count()).collect::<Vec<_>>(), [10, 5]);
    assert_eq!(rig.link_news(), [LinkState::Up]);
}

#[test]
fn one_stream_that_is_refused_costs_the_others_nothing() {
    let mut rig = Rig::many(10);
    rig.refuses = Some("A3USDT");
    rig.session.start(rig.now);
    rig.drain();
    rig.connect(SPOT);
    let asked = rig.run(SECOND).asked;
    let taken = asked.iter().filter(|asked| !asked.contains("A3USDT")).flat_map(|asked| asked.split(',')).count();
    assert_eq!(taken, 9, "{asked:?}");
    let refused = asked.iter().rfind(|asked| asked.contains("A3USDT"));
    assert_eq!(refused.map(String::as_str), Some("subscribe orderbook.50.A3USDT"));
    let untrusted: Vec<PairId> =
        rig.take().iter().filter_map(|input| if let Input::Book(update) = input { Some(update.pair) } else { None }).collect();
    assert_eq!(untrusted, [PairId(3)]);
}

#[test]
fn the_client_pings_whatever_comes_and_gives_a_silent_connection_up() {
    let mut rig = Rig::live(&[0]);
    rig.whole(SPOT, 10, 1000);
    let mut pings = 0;
    for u in 11..111 {
        pings += rig.run(SECOND).asked.iter().filter(|asked| *asked == "ping").count();
        rig.change(SPOT, u, 1000 + u);
    }
    assert_eq!(pings, 5);
    rig.updates.clear();
    rig.answers = false;
    let out = rig.run(45 * SECOND + 500 * MILLI);
    assert_eq!(out.wires, ["close 0"]);
    assert!(rig.book_news().is_empty(), "until it is gone, or for a second");
    rig.lose(SPOT);
    assert_eq!(rig.session.stats().reconnects, [("closed_by_peer", 1)]);
    let news = rig.take();
    assert!(matches!(news.as_slice(), [Input::Link(change), Input::Book(_)] if change.state == LinkState::Lost), "{news:?}");
    assert_eq!(rig.run(SECOND).wires, ["open 0"]);
    rig.answers = true;
    rig.connect(SPOT);
    assert_eq!(rig.run(SECOND).asked, ["subscribe orderbook.50.BTCUSDT"]);
    rig.whole(SPOT, 10, 2000);
    assert_eq!(rig.book_news(), ["S2000~"]);
}

#[test]
fn an_unanswered_subscription_and_an_unserved_one_have_their_deadlines() {
    let mut rig = Rig::new(&[0], "orderbook.50", SessionOptions::default());
    rig.answers = false;
    rig.session.start(rig.now);
    rig.drain();
    rig.connect(SPOT);
    assert_eq!(rig.run(10 * SECOND).wires, ["close 0"]);
    // Acknowledged, and nothing comes: asked for again, the third time after leaving.
    let mut rig = Rig::live(&[0]);
    let asked =
        |rig: &mut Rig, ns: u64| -> Vec<String> { rig.run(ns).asked.into_iter().filter(|asked| asked != "ping").collect() };
    let again = "subscribe orderbook.50.BTCUSDT";
    assert_eq!(asked(&mut rig, 35 * SECOND), [again, again, "unsubscribe orderbook.50.BTCUSDT", again]);
    // It is quiet for good: the next round has twice the time.
    assert_eq!(asked(&mut rig, 14 * SECOND), Vec::<String>::new());
    assert_eq!(asked(&mut rig, 2 * SECOND), [again]);
    assert_eq!(rig.book_news(), ["U unserved"]);
    // Changes alone are no service.
    let mut rig = Rig::live(&[0]);
    for u in 1..=15 {
        rig.run(SECOND);
        rig.change(SPOT, u + 5, u + 5);
    }
    assert_eq!(rig.book_news(), ["U unserved"]);
    rig.whole(SPOT, 40, 40);
    assert_eq!(rig.book_news(), ["S40~"]);
    let asked: Vec<String> = rig.run(200 * SECOND).asked.into_iter().filter(|asked| asked != "ping").collect();
    assert!(asked.is_empty(), "{asked:?}");
}

/// Bybit refuses what it still serves: when a whole book was lost, or the message that left the stream, asking alone never brings another.
#[test]
fn a_refused_stream_is_left_and_asked_for_again_at_once_and_once() {
    let mut rig = Rig::live(&[0]);
    rig.refuses = Some("BTCUSDT");
    let asked: Vec<String> = rig.run(12 * SECOND).asked.into_iter().filter(|asked| asked != "ping").collect();
    let (leave, again) = ("unsubscribe orderbook.50.BTCUSDT", "subscribe orderbook.50.BTCUSDT");
    assert_eq!(asked, [again, leave, again]);
}

/// A whole book that came after the stream was left, and before it was asked for again, is no service of the new subscription.
#[test]
fn what_comes_of_a_stream_that_is_left_does_not_prove_the_next_subscription() {
    let mut rig = Rig::live(&[0]);
    rig.whole(SPOT, 10, 1000);
    rig.run(SECOND);
    rig.change(SPOT, 12, 1012);
    rig.whole(SPOT, 13, 1013);
    let asked: Vec<String> = rig.run(12 * SECOND).asked.into_iter().filter(|asked| asked != "ping").collect();
    let (leave, again) = ("unsubscribe orderbook.50.BTCUSDT", "subscribe orderbook.50.BTCUSDT");
    assert_eq!(asked, [leave, again, again]);
}

/// Lives for almost a day, with a change a minute, until another connection is opened.
fn aged() -> (Rig, u64) {
    let mut rig = Rig::live(&[0]);
    rig.whole(SPOT, 10, 1000);
    let mut number = 10;
    loop {
        let wires = rig.run(60 * SECOND).wires;
        number += 1;
        rig.change(SPOT, number, 1000 + number);
        rig.updates.clear();
        match wires.as_slice() {
            [] => assert!(number < 10 + 23 * 60, "a connection lives on and on"),
            [open] => {
                assert_eq!((open.as_str(), number >= 10 + 22 * 60), ("open 4", true));
                return (rig, number);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_connection_is_replaced_before_it_is_closed_and_no_book_loses_trust() {
    let (mut rig, last) = aged();
    let id = 1000 + last;
    rig.connect(SPOT_NEXT);
    // Numbered by itself, and not as new at first.
    rig.whole(SPOT_NEXT, 500, id - 1);
    rig.change(SPOT, last + 1, id + 1);
    let out = rig.run(60 * MILLI);
    assert_eq!(out.asked, ["subscribe orderbook.50.BTCUSDT"]);
    rig.change(SPOT_NEXT, 501, id + 1);
    rig.change(SPOT_NEXT, 502, id + 2);
    let span = |id: u64| format!("D{id}-{id}");
    assert_eq!(rig.book_news(), [span(id + 1), format!("S{}", id + 1), span(id + 2)]);
    assert_eq!(rig.run(SECOND).wires, ["close 0"]);
    rig.lose(SPOT);
    rig.change(SPOT_NEXT, 503, id + 3);
    assert_eq!(rig.book_news(), [span(id + 3)]);
    assert_eq!(rig.session.stats().resyncs.iter().sum::<u64>(), 0);
    // The book is quiet from here on: what it said before is proof enough.
    let asked: Vec<String> = rig.run(120 * SECOND).asked.into_iter().filter(|asked| asked != "ping").collect();
    assert!(asked.is_empty() && rig.book_news().is_empty(), "{asked:?}");
}

#[test]
fn a_connection_that_is_lost_beside_its_replacement_costs_only_what_that_does_not_have() {
    // Ready.
    let (mut rig, last) = aged();
    rig.connect(SPOT_NEXT);
    rig.run(60 * MILLI);
    rig.whole(SPOT_NEXT, 500, 900);
    rig.lose(SPOT);
    rig.run(2 * SECOND);
    assert_eq!(rig.book_news(), ["S900~"], "believed after a second");
    assert_eq!(rig.session.stats().resyncs.iter().sum::<u64>(), 0);
    // Not ready.
    let (mut rig, _) = aged();
    rig.lose(SPOT);
    assert_eq!(rig.book_news(), ["U reconnect"]);
    rig.connect(SPOT_NEXT);
    rig.run(60 * MILLI);
    rig.whole(SPOT_NEXT, 3, 1000 + last);
    assert_eq!(rig.book_news(), [format!("S{}~", 1000 + last)]);
}

#[test]
fn a_suspended_process_begins_anew() {
    let mut rig = Rig::live(&[0, 1]);
    rig.whole(SPOT, 10, 1000);
    rig.updates.clear();
    rig.session.handle_paused(rig.now, &mut rig.updates);
    let wires = rig.drain().wires;
    assert_eq!(wires, ["close 0", "close 1"]);
    let news = rig.take();
    let paused = news.iter().filter(|input| matches!(input, Input::Book(_))).count();
    assert_eq!(paused, 2);
    assert!(news.iter().any(|input| matches!(input, Input::Link(change) if change.state == LinkState::Paused)));
    // Buffered before.
    rig.frame(SPOT, &book("delta", "BTCUSDT", 11, 1001));
    assert!(rig.book_news().is_empty());
    rig.lose(SPOT);
    rig.lose(LINEAR);
    let mut wires = rig.run(SECOND).wires;
    wires.sort();
    assert_eq!(wires, ["open 0", "open 1"]);
}

#[test]
fn the_end_closes_everything_and_nothing_follows() {
    let mut rig = Rig::live(&[0, 1]);
    rig.session.shutdown(rig.now);
    assert_eq!(rig.drain().wires, ["close 0", "close 1"]);
    rig.lose(SPOT);
    rig.lose(LINEAR);
    let out = rig.run(600 * SECOND);
    assert!(out.wires.is_empty() && out.asked.is_empty() && out.requests.is_empty(), "{out:?}");
}

#[test]
fn without_a_key_every_order_and_read_is_answered_at_once() {
    let mut rig = Rig::live(&[0]);
    let venue = VenueId(0);
    let order = OrderRef { venue, pair: PairId(0), client_id: ClientOrderId::new(1, 2, 3, 4).unwrap(), venue_order_id: None };
    rig.submit(Command::Cancel(order));
    rig.submit(Command::LookUp(order));
    rig.submit(Command::Read { venue, read: ReadKind::Balances });
    let told = rig.take();
    let [Input::Order(cancel), Input::Order(look_up), Input::ReadFailed(read)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(cancel.report, OrderReport::CancelFailed { class: ErrorClass::AuthFatal });
    assert_eq!(look_up.report, OrderReport::Unknown { cause: UnknownCause::LinkLost });
    let failure = ReadFailure { venue, read: ReadKind::Balances, class: ErrorClass::AuthFatal, received: rig.now };
    assert_eq!(*read, failure);
    assert!(rig.drain().requests.is_empty());
    // The time needs no key.
    rig.submit(Command::Read { venue, read: ReadKind::Time });
    rig.run(SECOND);
    let clock = rig.take().into_iter().find_map(|input| if let Input::Clock(clock) = input { Some(clock) } else { None });
    assert_eq!(clock.map(|clock| clock.offset_ns / 1_000_000), Some(250));
}

#[test]
fn the_rules_of_pairs_are_read_anew() {
    let mut rig = Rig::live(&[1]);
    let requests = rig.run(3600 * SECOND).requests;
    let Some((ticket, request)) = requests.into_iter().next() else { panic!("no rules") };
    assert_eq!(
        (request.path.as_str(), request.query.as_str()),
        ("/v5/market/instruments-info", "category=linear&symbol=BTCUSDT")
    );
    rig.updates.clear();
    rig.answer(
        ticket,
        200,
        r#"{"retCode":0,"result":{"category":"linear","list":[{"symbol":"BTCUSDT","status":"Closed","baseCoin":"BTC","quoteCoin":"USDT","settleCoin":"USDT","priceFilter":{"tickSize":"0.10"},"lotSizeFilter":{"qtyStep":"0.001"}}],"nextPageCursor":""}}"#,
    );
    let told = rig.take();
    assert!(matches!(told.as_slice(), [Input::Rules(rules)] if !rules.can_buy && !rules.can_sell), "{told:?}");
}
