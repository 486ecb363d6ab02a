//! Links: acknowledgements, signatures, pings, reconnects.

use super::rig::{PRIVATE, PUBLIC, Rig, WALL_S};
use crate::sign::Signer;
use domain::time::{MILLI, SECOND};
use domain::{Input, LinkRole, LinkState, UnixNanos};
use secrecy::SecretString;
use venue::{Transmit, VenueSession};

fn signer() -> Signer {
    Signer::new(SecretString::from("abcd1234wxyz"), &SecretString::from("secret"))
}

#[test]
fn start_opens_both_links_with_keys_and_only_the_public_one_without() {
    for (keys, links) in [(true, vec![PUBLIC, PRIVATE]), (false, vec![PUBLIC])] {
        let mut rig = Rig::new("order_book", keys);
        rig.session.start(rig.now);
        let opened: Vec<_> =
            rig.drain().into_iter().filter_map(|o| if let Transmit::Open(l) = o { Some(l) } else { None }).collect();
        assert_eq!(opened, links);
    }
}

#[test]
fn each_book_is_subscribed_and_each_private_channel_signed() {
    let (_, frames) = Rig::open("order_book", true);
    let seen: Vec<(String, String)> =
        frames.iter().map(|f| (f["channel"].as_str().unwrap().to_string(), f["payload"].to_string())).collect();
    let expected = [
        ("spot.order_book", r#"["BTC_USDT","20","100ms"]"#),
        ("spot.order_book", r#"["ETH_USDT","20","100ms"]"#),
        ("spot.orders", r#"["BTC_USDT","ETH_USDT"]"#),
        ("spot.usertrades", r#"["BTC_USDT","ETH_USDT"]"#),
        ("spot.balances", "null"),
    ];
    assert_eq!(seen, expected.map(|(c, p)| (c.to_string(), p.to_string())));
    for frame in frames.iter().skip(2) {
        let time = frame["time"].as_i64().unwrap();
        assert_eq!(frame["auth"]["SIGN"], signer().channel(frame["channel"].as_str().unwrap(), "subscribe", time));
    }
}

#[test]
fn the_private_link_is_up_only_when_it_answers_after_its_third_acknowledgement() {
    let (mut rig, frames) = Rig::open("order_book", true);
    rig.pong(PRIVATE);
    for (index, frame) in frames.iter().filter(|f| f.get("auth").is_some()).enumerate() {
        assert_eq!(rig.link_news(), [], "before acknowledgement {index}");
        assert!(!rig.frames().iter().any(|f| f["channel"] == "spot.ping"));
        rig.acknowledge(frame);
    }
    assert_eq!(rig.link_news(), []);
    assert_eq!(rig.frames().iter().filter(|f| f["channel"] == "spot.ping").count(), 1);
    // The pong of another connection proves nothing.
    rig.pong(PUBLIC);
    assert_eq!(rig.link_news(), []);
    rig.pong(PRIVATE);
    assert_eq!(rig.link_news(), [(LinkRole::Private, LinkState::Up)]);
}

#[test]
fn an_acknowledged_private_link_that_does_not_answer_is_given_up() {
    let (mut rig, frames) = Rig::open("order_book", true);
    frames.iter().filter(|f| f.get("auth").is_some()).for_each(|f| rig.acknowledge(f));
    rig.drain();
    let out = rig.run(5 * SECOND - 1);
    assert!(!out.contains(&Transmit::Close(PRIVATE)), "{out:?}");
    assert!(rig.run(1).contains(&Transmit::Close(PRIVATE)));
}

#[test]
fn one_unknown_pair_fails_a_list_but_not_the_other_pairs() {
    // Gate API v4, frames: one unknown symbol in a list fails the whole subscription.
    let (mut rig, frames) = Rig::open("order_book", true);
    let refuse = |rig: &mut Rig, frame: &serde_json::Value| {
        let (id, channel) = (&frame["id"], frame["channel"].as_str().unwrap());
        rig.frame(PRIVATE, &format!(r#"{{"time":1,"id":{id},"channel":"{channel}","event":"subscribe","error":{{"code":2,"message":"unknown currency pair: ETH_USDT"}},"result":{{"status":"fail"}}}}"#));
    };
    for pair in ["BTC_USDT", "ETH_USDT"] {
        rig.frame(PUBLIC, &super::books::snapshot(pair, 1));
    }
    rig.take();
    for frame in &frames {
        if frame["channel"] == "spot.orders" { refuse(&mut rig, frame) } else { rig.acknowledge(frame) }
    }
    let parts = rig.frames();
    let payloads: Vec<String> = parts.iter().map(|f| f["payload"].to_string()).collect();
    assert_eq!(payloads, [r#"["BTC_USDT"]"#, r#"["ETH_USDT"]"#]);
    rig.acknowledge(&parts[0]);
    assert_eq!(rig.book_news(), Vec::<String>::new());
    refuse(&mut rig, &parts[1]);
    // The pair whose orders would be unseen is not trusted, whatever its book says; the other one trades.
    assert_eq!(rig.book_news(), ["U unserved"]);
    rig.frame(PUBLIC, &super::books::snapshot("ETH_USDT", 2));
    rig.frame(PUBLIC, &super::books::snapshot("BTC_USDT", 2));
    assert_eq!(rig.book_news(), ["S2"]);
    rig.drain();
    rig.pong(PRIVATE);
    assert_eq!(rig.link_news(), [(LinkRole::Private, LinkState::Up)]);
    // It is asked for again, and once the venue takes it the book is trusted again.
    let out = rig.run(2 * SECOND);
    let again = out.iter().find_map(|o| match o {
        Transmit::Frame { text, .. } if text.contains("spot.orders") => Some(serde_json::from_str(text).unwrap()),
        _ => None,
    });
    rig.acknowledge(&again.unwrap());
    rig.take();
    rig.frame(PUBLIC, &super::books::snapshot("ETH_USDT", 3));
    assert_eq!(rig.book_news(), ["S3"]);
}

#[test]
fn a_refused_signature_is_no_unknown_pair() {
    // Failures of the authentication are relayed as code 2 too.
    let (mut rig, frames) = Rig::open("order_book", true);
    let orders = frames.iter().find(|f| f["channel"] == "spot.orders").unwrap();
    let id = &orders["id"];
    rig.frame(PRIVATE, &format!(r#"{{"time":1,"id":{id},"channel":"spot.orders","event":"subscribe","error":{{"code":2,"message":"invalid key provided"}},"result":{{"status":"fail"}}}}"#));
    assert!(rig.drain().contains(&Transmit::Close(PRIVATE)));
}

#[test]
fn acknowledgements_without_echoes_are_taken_in_turn() {
    let (mut rig, _) = Rig::open("order_book", true);
    for channel in ["spot.balances", "spot.orders", "spot.orders", "spot.usertrades"] {
        rig.frame(PRIVATE, &format!(r#"{{"time":1,"channel":"{channel}","event":"subscribe","result":{{"status":"success"}}}}"#));
    }
    rig.drain();
    rig.pong(PRIVATE);
    assert_eq!(rig.link_news(), [(LinkRole::Private, LinkState::Up)]);
}

#[test]
fn a_missing_acknowledgement_takes_the_link_down_after_five_seconds() {
    let (mut rig, frames) = Rig::open("order_book", true);
    frames.iter().filter(|f| f.get("auth").is_none()).for_each(|f| rig.acknowledge(f));
    rig.frame(PUBLIC, &super::books::snapshot("BTC_USDT", 1));
    rig.frame(PUBLIC, &super::books::snapshot("ETH_USDT", 1));
    let out = rig.run(5 * SECOND - 1);
    assert!(!out.contains(&Transmit::Close(PRIVATE)), "{out:?}");
    assert_eq!(rig.run(1), [Transmit::Close(PRIVATE)]);
    rig.lose(PRIVATE);
    assert_eq!(rig.run(100 * MILLI), [Transmit::Open(PRIVATE)]);
}

#[test]
fn frames_of_an_unacknowledged_stream_stand_in_for_its_acknowledgement() {
    let (mut rig, frames) = Rig::open("order_book", false);
    rig.acknowledge(&frames[0]);
    rig.pass(SECOND);
    rig.frame(PUBLIC, &super::books::snapshot("BTC_USDT", 1));
    rig.frame(PUBLIC, &super::books::snapshot("ETH_USDT", 1));
    assert!(rig.run(6 * SECOND).iter().all(|out| matches!(out, Transmit::Request { .. })), "nothing but audits");
}

#[test]
fn a_reconnect_signs_anew_with_the_time_it_happens() {
    let mut rig = Rig::live("order_book", true);
    rig.run(3600 * SECOND);
    rig.lose(PRIVATE);
    rig.run(10 * SECOND);
    rig.connect(PRIVATE);
    let frames: Vec<_> = rig.frames().into_iter().filter(|f| f.get("auth").is_some()).collect();
    assert_eq!(frames.len(), 3);
    for frame in frames {
        let time = frame["time"].as_i64().unwrap();
        assert_eq!(time, rig.wall().seconds());
        assert!(time > WALL_S + 3600);
        assert_eq!(frame["auth"]["SIGN"], signer().channel(frame["channel"].as_str().unwrap(), "subscribe", time));
    }
}

#[test]
fn frames_queued_for_a_lost_connection_are_not_sent_on_the_next() {
    let mut rig = Rig::new("order_book", true);
    rig.session.start(rig.now);
    rig.drain();
    rig.connect(PRIVATE);
    rig.lose(PRIVATE);
    assert_eq!(rig.frames(), Vec::<serde_json::Value>::new());
}

#[test]
fn a_refused_private_channel_takes_the_link_down_and_checks_the_clock() {
    let (mut rig, frames) = Rig::open("order_book", true);
    let orders = frames.iter().find(|f| f["channel"] == "spot.orders").unwrap();
    let id = &orders["id"];
    rig.frame(PRIVATE, &format!(r#"{{"time":1,"id":{id},"channel":"spot.orders","event":"subscribe","error":{{"code":4}},"result":{{"status":"fail"}}}}"#));
    let out = rig.drain();
    assert!(out.contains(&Transmit::Close(PRIVATE)), "{out:?}");
    assert!(out.iter().any(|o| matches!(o, Transmit::Request { request, .. } if request.path == "/api/v4/spot/time")));
    assert_eq!(rig.session.stats().rejected[domain::FrameReject::VenueError as usize], 1);
}

#[test]
fn pings_go_out_and_silence_closes_the_link() {
    let mut rig = Rig::live("order_book", true);
    let out = rig.run(15 * SECOND);
    let pings = |out: &[Transmit], link| {
        out.iter()
            .filter(|o| matches!(o, Transmit::Frame { link: l, text, .. } if *l == link && text.contains("spot.ping")))
            .count()
    };
    assert_eq!((pings(&out, PUBLIC), pings(&out, PRIVATE)), (1, 1));
    // Pongs keep the private link, though it has no news.
    rig.frame(PRIVATE, r#"{"time":1,"channel":"spot.pong","event":"","result":null}"#);
    let out = rig.run(30 * SECOND);
    assert!(out.contains(&Transmit::Close(PUBLIC)) && !out.contains(&Transmit::Close(PRIVATE)), "{out:?}");
    assert!(rig.run(15 * SECOND).contains(&Transmit::Close(PRIVATE)));
}

#[test]
fn reconnects_back_off_with_jitter_up_to_ten_seconds() {
    let mut rig = Rig::live("order_book", false);
    let mut waits = Vec::new();
    for _ in 0..12 {
        rig.lose(PUBLIC);
        let from = rig.now;
        while !rig.run(MILLI).contains(&Transmit::Open(PUBLIC)) {}
        waits.push(rig.now.since(from));
    }
    assert!(waits[0] >= 50 * MILLI && waits[0] <= 101 * MILLI, "{waits:?}");
    assert!(waits[11] >= 5 * SECOND && waits[11] <= 10 * SECOND + MILLI, "{waits:?}");
    let lost = rig.link_news().iter().filter(|n| n.1 == LinkState::Lost).count();
    assert_eq!(lost, 1, "a loss is told once");
}

#[test]
fn a_broken_private_frame_reopens_the_private_link() {
    let mut rig = Rig::live("order_book", true);
    rig.frame(PRIVATE, r#"{"channel":"spot.usertrades","event":"update","result":[{"id":1}]}"#);
    assert_eq!(rig.drain(), [Transmit::Close(PRIVATE)]);
    rig.lose(PRIVATE);
    assert_eq!(rig.link_news(), [(LinkRole::Private, LinkState::Lost)]);
}

#[test]
fn signatures_follow_the_venues_clock_and_a_step_of_ours_does_not_move_them() {
    let mut rig = Rig::new("order_book", true);
    rig.session.start(rig.now);
    // The venue is 100 s ahead; the sample with the least round trip decides.
    let mut trips = [80, 20, 60, 40, 100].into_iter();
    while let Some(sent) = rig.requests().into_iter().next() {
        let trip = trips.next().unwrap() * MILLI;
        // Slow samples are off by their whole delay on one side.
        let at_venue = rig.wall().0 + 100 * SECOND as i64 + if trip == 20 * MILLI { trip as i64 / 2 } else { 0 };
        rig.pass(trip);
        rig.answer(sent.ticket, 200, &format!(r#"{{"server_time":{}}}"#, UnixNanos(at_venue).millis()));
    }
    let Some(Input::Clock(clock)) = rig.take().into_iter().find(|i| matches!(i, Input::Clock(_))) else { panic!() };
    assert!((clock.offset_ns - 100 * SECOND as i64).abs() <= MILLI as i64, "{clock:?}");
    assert_eq!(clock.uncertainty_ns, 10 * MILLI);
    rig.connect(PRIVATE);
    let stepped = UnixNanos(rig.wall().0 - 3600 * SECOND as i64);
    let Some(Transmit::Frame { text, .. }) = rig.session.poll_transmit(rig.now, stepped, &mut rig.updates) else { panic!() };
    let frame: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!((frame["time"].as_i64().unwrap() - (rig.wall().seconds() + 100)).abs() <= 1);
}

#[test]
fn no_timer_spins_when_nobody_answers() {
    let mut rig = Rig::new("order_book_update", true);
    rig.session.start(rig.now);
    rig.drain();
    for link in [PUBLIC, PRIVATE] {
        rig.connect(link);
    }
    rig.drain();
    for _ in 0..200 {
        let Some(at) = rig.session.poll_timeout() else { return };
        rig.now = rig.now.max(at);
        rig.session.handle_timeout(rig.now, &mut rig.updates);
        rig.drain();
        assert!(rig.session.poll_timeout().is_none_or(|next| next > rig.now));
    }
    assert!(rig.now.0 > 600 * SECOND);
}

#[test]
fn shutdown_closes_for_good() {
    let mut rig = Rig::live("order_book", true);
    rig.session.shutdown(rig.now);
    assert_eq!(rig.drain(), [Transmit::Close(PUBLIC), Transmit::Close(PRIVATE)]);
    rig.lose(PUBLIC);
    rig.lose(PRIVATE);
    assert_eq!(rig.run(600 * SECOND), []);
    assert_eq!(rig.session.poll_timeout(), None);
}
