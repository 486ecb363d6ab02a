//! Connections: pacing, deadlines, loss, and replacement without a hole.

use super::rig::{Rig, SPOT, SPOT_NEXT, USDM, Wire, link, live_spot, spot, usdm};
use crate::session::links::PACE;
use domain::LinkState;
use domain::time::{MILLI, SECOND};
use venue::{SessionOptions, VenueSession};

#[test]
fn every_market_gets_its_link_and_up_is_told_once_all_are() {
    let mut rig = Rig::new(&[0, 1, 2, 3], SessionOptions { trades: true, ..SessionOptions::default() });
    rig.session.start(rig.now);
    let wires = rig.drain().wires;
    assert_eq!(wires, [0, 1, 2, 3].map(|shard| Wire::Open(link(shard))));
    for shard in [0, 1, 2] {
        rig.connect(link(shard));
    }
    assert_eq!(rig.link_news(), []);
    rig.connect(link(3));
    assert_eq!(rig.link_news(), [LinkState::Up]);
    rig.lose(link(3));
    assert_eq!(rig.link_news(), [LinkState::Lost]);
    let out = rig.run(SECOND);
    assert!(out.wires.contains(&Wire::Open(link(3))));
    let mut asked = out.asked();
    asked.sort();
    assert_eq!(
        asked,
        [
            "SUBSCRIBE btcusd_perp@depth@0ms,btcusd_perp@aggTrade",
            "SUBSCRIBE btcusdt@depth@0ms",
            "SUBSCRIBE btcusdt@depth@100ms,btcusdt@trade,ethusdt@depth@100ms,ethusdt@trade",
        ]
    );
    rig.connect(link(3));
    assert_eq!(rig.link_news(), [LinkState::Up]);
}

#[test]
fn control_messages_keep_their_distance() {
    let mut rig = live_spot();
    let mut last = None;
    for step in 0..200u64 {
        rig.frame(SPOT, &spot(1000 * step + 500, 1000 * step + 600));
        let out = rig.run(100 * MILLI);
        for sent in out.requests {
            rig.copy(sent.ticket, 1);
        }
        assert!(out.controls.len() <= 1);
        if !out.controls.is_empty() {
            assert!(last.is_none_or(|before| rig.now.since(before) + 100 * MILLI >= PACE.control_period_ns));
            last = Some(rig.now);
        }
    }
    assert!(last.is_some(), "copies that never help ask for the stream again");
}

#[test]
fn a_quiet_connection_is_asked_and_a_silent_one_is_opened_anew() {
    let mut rig = live_spot();
    let out = rig.run(30 * SECOND);
    assert_eq!(out.asked(), ["LIST_SUBSCRIPTIONS "]);
    assert!(out.wires.is_empty());
    rig.acknowledges = false;
    let out = rig.run(PACE.silence_max_ns + SECOND);
    assert_eq!(out.wires, [Wire::Close(SPOT)]);
    rig.take();
    rig.lose(SPOT);
    assert_eq!(rig.book_news(), ["U reconnect"]);
    assert_eq!(rig.run(SECOND).wires, [Wire::Open(SPOT)]);
}

#[test]
fn a_subscription_is_acknowledged_or_served_or_the_connection_is_closed() {
    for served in [false, true] {
        let mut rig = Rig::new(&[0, 3], SessionOptions::default());
        rig.acknowledges = false;
        rig.session.start(rig.now);
        rig.drain();
        rig.connect(SPOT);
        rig.run(SECOND);
        if served {
            rig.frame(SPOT, &spot(10, 10));
        }
        let out = rig.run(11 * SECOND);
        assert_eq!(out.wires, if served { vec![] } else { vec![Wire::Close(SPOT)] });
    }
}

#[test]
fn a_late_change_does_not_prove_a_subscription_whose_message_was_lost() {
    let mut rig = Rig::new(&[0], SessionOptions::default());
    rig.acknowledges = false;
    rig.session.start(rig.now);
    rig.drain();
    rig.connect(SPOT);
    rig.run(SECOND);
    rig.frame(SPOT, &spot(10, 10));
    assert_eq!(rig.run(11 * SECOND).asked(), ["SUBSCRIBE btcusdt@depth@100ms"]);
    // One that goes on is proof.
    for id in 11..20 {
        rig.run(SECOND);
        rig.frame(SPOT, &spot(id, id));
    }
    assert!(rig.run(11 * SECOND).asked().is_empty());
}

#[test]
fn reconnects_back_off() {
    let mut rig = Rig::live(&[0]);
    let mut waits = Vec::new();
    for _ in 0..12 {
        rig.lose(SPOT);
        let from = rig.now;
        while !rig.run(10 * MILLI).wires.contains(&Wire::Open(SPOT)) {}
        waits.push(rig.now.since(from));
    }
    assert!(waits[0] <= 110 * MILLI && waits[11] >= 9 * SECOND && waits[11] <= 21 * SECOND, "{waits:?}");
    // Below the 300 attempts in five minutes that Binance allows, with room for other links.
    assert!(waits.iter().sum::<u64>() > 30 * SECOND);
}

#[test]
fn what_was_queued_for_a_lost_connection_is_not_sent_on_the_next() {
    let mut rig = Rig::new(&[0], SessionOptions::default());
    rig.session.start(rig.now);
    rig.drain();
    rig.connect(SPOT);
    rig.lose(SPOT);
    assert!(rig.drain().controls.is_empty());
}

#[test]
fn before_24_hours_a_connection_is_replaced_without_a_hole() {
    let mut rig = live_spot();
    let mut id = 10;
    let mut opened = None;
    // A change a minute keeps the book served.
    for minute in 1..=24 * 60u64 {
        id += 1;
        rig.frame(SPOT, &spot(id, id));
        let out = rig.run(60 * SECOND);
        if out.wires.contains(&Wire::Open(SPOT_NEXT)) {
            opened = Some(minute);
            break;
        }
        assert!(out.wires.is_empty(), "{:?}", out.wires);
    }
    let (life_ns, spread_ns) = PACE.life_ns.unwrap();
    let minutes = life_ns / (60 * SECOND)..=(life_ns + spread_ns) / (60 * SECOND) + 1;
    assert!(minutes.contains(&opened.expect("replaced in time")));
    rig.take();
    rig.connect(SPOT_NEXT);
    let out = rig.drain();
    assert_eq!(out.asked(), ["SUBSCRIBE btcusdt@depth@100ms"]);
    // Both carry the stream for a moment; the old one goes with the first frame of the new one.
    rig.frame(SPOT, &spot(id + 1, id + 2));
    rig.frame(SPOT_NEXT, &spot(id + 1, id + 2));
    rig.frame(SPOT_NEXT, &spot(id + 3, id + 3));
    rig.pass(SECOND);
    rig.frame(SPOT_NEXT, &spot(id + 4, id + 4));
    assert_eq!(rig.drain().wires, [Wire::Close(SPOT)]);
    rig.frame(SPOT, &spot(id + 5, id + 5));
    rig.lose(SPOT);
    rig.frame(SPOT_NEXT, &spot(id + 5, id + 6));
    let expected: Vec<String> = [(1, 2), (3, 3), (4, 4), (5, 6)].iter().map(|(a, b)| format!("D{}-{}", id + a, id + b)).collect();
    assert_eq!(rig.book_news(), expected, "no book and no link was ever told lost");
    assert!(rig.run(SECOND).wires.is_empty());
}

#[test]
fn a_shutdown_notice_starts_the_replacement_at_once_and_its_loss_is_no_loss() {
    let mut rig = Rig::live(&[1]);
    rig.frame(USDM, &usdm(9, 10, 10));
    let ticket = rig.drain().copy();
    rig.copy(ticket, 10);
    rig.take();
    rig.frame(USDM, r#"{"e":"serverShutdown","E":1750000000000}"#);
    let next = link(5);
    assert_eq!(rig.drain().wires, [Wire::Open(next)]);
    rig.frame(USDM, r#"{"e":"serverShutdown","E":1750000000000}"#);
    assert!(rig.drain().wires.is_empty(), "once");
    rig.connect(next);
    rig.drain();
    rig.frame(USDM, &usdm(10, 11, 12));
    // The venue closes the old one before the new one spoke. Its changes may be cut elsewhere than those of the old one.
    rig.lose(USDM);
    rig.frame(next, &usdm(11, 12, 14));
    rig.frame(next, &usdm(14, 15, 15));
    assert_eq!(rig.book_news(), ["1:D11-12", "1:D13-14", "1:D15-15"]);
    assert!(rig.run(SECOND).wires.is_empty());
    // From here on the chain is exact again.
    rig.frame(next, &usdm(13, 16, 17));
    assert_eq!(rig.book_news(), ["1:U gap"]);
}

#[test]
fn a_connection_lost_before_its_replacement_is_ready_costs_trust_and_the_replacement_is_waited_for() {
    let mut rig = live_spot();
    rig.frame(SPOT, r#"{"e":"serverShutdown"}"#);
    assert_eq!(rig.drain().wires, [Wire::Open(SPOT_NEXT)]);
    rig.lose(SPOT);
    assert_eq!(rig.link_news(), [LinkState::Lost]);
    assert!(rig.run(5 * SECOND).wires.is_empty(), "the replacement is on its way");
    rig.lose(SPOT_NEXT);
    assert_eq!(rig.run(SECOND).wires, [Wire::Open(SPOT_NEXT)]);
    rig.connect(SPOT_NEXT);
    rig.run(SECOND);
    rig.take();
    rig.frame(SPOT_NEXT, &spot(20, 20));
    let ticket = rig.run(SECOND).copy();
    rig.copy(ticket, 20);
    assert_eq!(rig.book_news(), ["S20"]);
}

#[test]
fn a_replacement_that_can_not_be_opened_is_tried_again_while_the_old_one_lasts() {
    let mut rig = live_spot();
    rig.frame(SPOT, r#"{"e":"serverShutdown"}"#);
    rig.drain();
    rig.lose(SPOT_NEXT);
    assert_eq!(rig.run(SECOND).wires, [Wire::Open(SPOT_NEXT)]);
    rig.frame(SPOT, &spot(11, 11));
    assert_eq!(rig.book_news(), ["D11-11"]);
}

#[test]
fn a_shutdown_of_ours_closes_everything_and_opens_nothing() {
    let mut rig = Rig::live(&[0, 1]);
    rig.session.shutdown(rig.now);
    let out = rig.drain();
    assert_eq!(out.wires, [Wire::Close(SPOT), Wire::Close(USDM)]);
    rig.lose(SPOT);
    rig.lose(USDM);
    let out = rig.run(3600 * SECOND);
    assert!(out.wires.is_empty() && out.requests.is_empty() && out.controls.is_empty(), "{out:?}");
    assert_eq!(rig.session.poll_timeout(), None);
}
