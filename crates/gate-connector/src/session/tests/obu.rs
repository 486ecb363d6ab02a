//! `spot.obu`, rule by rule (Gate API v4, maintaining a local book, A 1–6; wire-probed behaviour §14.1 and §14.2).

use super::rig::{PUBLIC, Rig};
use domain::time::{MILLI, SECOND};
use domain::{BookBody, Command, Input, Level, PairId, ResyncReason, VenueId};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeMap;
use venue::Transmit;

pub(super) fn full(pair: &str, id: u64) -> String {
    format!(
        r#"{{"channel":"spot.obu","event":"update","time_ms":1750000000300,"result":{{"t":1750000000298,"full":true,"s":"ob.{pair}.50","u":{id},"b":[["100","1"]],"a":[["101","1"]]}}}}"#
    )
}

/// A change with levels.
pub(super) fn change(pair: &str, first: u64, last: u64) -> String {
    format!(
        r#"{{"channel":"spot.obu","event":"update","time_ms":1750000000400,"result":{{"t":1750000000398,"s":"ob.{pair}.50","U":{first},"u":{last},"b":[["100","2"]]}}}}"#
    )
}

fn id_only(pair: &str, id: u64) -> String {
    format!(
        r#"{{"channel":"spot.obu","event":"update","time_ms":1750000000500,"result":{{"t":1750000000398,"s":"ob.{pair}.50","U":{id},"u":{id}}}}}"#
    )
}

fn reply(request: &Value, error: Option<&str>) -> String {
    let mut reply = request.clone();
    match error {
        None => reply["result"] = serde_json::json!({"status": "success"}),
        Some(message) => {
            reply["error"] = serde_json::json!({"code": 2, "message": message});
            reply["result"] = serde_json::json!({"status": "fail"});
        }
    }
    reply.to_string()
}

/// Subscriptions of BTC/USDT that are queued, as (event, request).
fn asked(out: &[Transmit]) -> Vec<(String, Value)> {
    let frame = |out: &Transmit| match out {
        Transmit::Frame { text, .. } if text.contains("ob.BTC_USDT") => {
            let frame: Value = serde_json::from_str(text).unwrap();
            Some((frame["event"].as_str().unwrap().to_string(), frame))
        }
        _ => None,
    };
    out.iter().filter_map(frame).collect()
}

#[track_caller]
fn one_asked(out: &[Transmit], event: &str) -> Value {
    let mut all = asked(out);
    assert_eq!(all.iter().map(|(event, _)| event.as_str()).collect::<Vec<_>>(), [event]);
    all.remove(0).1
}

/// BTC/USDT at id 10, its stream stable for a while.
fn live() -> Rig {
    let mut rig = Rig::live("obu", false);
    rig.frame(PUBLIC, &full("BTC_USDT", 10));
    rig.frame(PUBLIC, &full("ETH_USDT", 10));
    rig.take();
    rig
}

#[test]
fn each_channel_names_its_stream() {
    for (channel, payload) in [("obu", "ob.BTC_USDT.50"), ("obu400", "ob.BTC_USDT.400")] {
        let (mut rig, frames) = Rig::open(channel, false);
        assert_eq!((frames[0]["channel"].as_str(), frames[0]["payload"][0].as_str()), (Some("spot.obu"), Some(payload)));
        // Frames of another depth are of another stream.
        rig.frame(PUBLIC, &full("BTC_USDT", 10).replace(".50", if channel == "obu" { ".400" } else { ".50" }));
        assert_eq!(rig.book_news(), Vec::<String>::new());
        rig.frame(PUBLIC, &full("BTC_USDT", 10).replace("ob.BTC_USDT.50", payload));
        assert_eq!(rig.book_news(), ["S10"]);
    }
}

#[test]
fn a1_a2_the_first_whole_book_counts_before_and_after_the_acknowledgement() {
    let (mut rig, frames) = Rig::open("obu", false);
    rig.frame(PUBLIC, &change("BTC_USDT", 9, 9));
    assert_eq!(rig.book_news(), Vec::<String>::new(), "a change before the whole book");
    rig.frame(PUBLIC, &full("BTC_USDT", 10));
    rig.frame(PUBLIC, &change("BTC_USDT", 11, 12));
    assert_eq!(rig.book_news(), ["S10", "D11-12"]);
    rig.acknowledge(&frames[0]);
    rig.acknowledge(&frames[1]);
    rig.frame(PUBLIC, &full("ETH_USDT", 7));
    rig.frame(PUBLIC, &change("BTC_USDT", 13, 13));
    assert_eq!(rig.book_news(), ["S7", "D13-13"]);
    assert!(asked(&rig.run(4 * SECOND)).is_empty());
}

#[test]
fn a3_changes_need_the_next_id_and_an_id_alone_advances_it() {
    let mut rig = live();
    rig.frame(PUBLIC, &id_only("BTC_USDT", 11));
    rig.frame(PUBLIC, &change("BTC_USDT", 12, 14));
    rig.frame(PUBLIC, &change("BTC_USDT", 12, 14));
    rig.frame(PUBLIC, &id_only("BTC_USDT", 15));
    let bodies: Vec<(usize, Option<i64>)> = rig
        .take()
        .into_iter()
        .map(|input| match input {
            Input::Book(update) => match update.body {
                BookBody::Delta { bids, asks, .. } => (bids.len() + asks.len(), update.sent_at.map(|t| t.at.0 / 1_000_000)),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        })
        .collect();
    // §14.2, 10: only a change of levels tells how late the feed runs.
    assert_eq!(bodies, [(0, None), (1, Some(1_750_000_000_400)), (0, None)]);
    assert_eq!((rig.session.desk.stats.streams[0].applied, rig.session.desk.stats.streams[0].stale), (3, 1));
}

#[test]
fn a_whole_book_after_quiet_times_does_not_tell_a_lag() {
    let mut rig = Rig::live("obu", false);
    rig.frame(PUBLIC, &full("BTC_USDT", 10));
    let Some(Input::Book(update)) = rig.take().pop() else { panic!() };
    assert_eq!((update.sent_at, update.changed_at.map(|t| t.0)), (None, Some(1_750_000_000_298_000_000)));
}

#[test]
fn a4_a_break_is_left_and_after_the_acknowledgement_asked_for_anew() {
    for (first, last) in [(12, 13), (10, 11), (500, 500)] {
        let mut rig = live();
        rig.frame(PUBLIC, &change("BTC_USDT", first, last));
        assert_eq!(rig.book_news(), ["U gap"], "{first}-{last}");
        let leave = one_asked(&rig.drain(), "unsubscribe");
        assert_eq!(leave["payload"], serde_json::json!(["ob.BTC_USDT.50"]));
        // What the old subscription still sends, whole or not, is not taken.
        rig.frame(PUBLIC, &change("BTC_USDT", 11, 11));
        rig.frame(PUBLIC, &full("BTC_USDT", 14));
        assert_eq!(rig.book_news(), Vec::<String>::new());
        rig.frame(PUBLIC, &reply(&leave, None));
        let again = one_asked(&rig.drain(), "subscribe");
        rig.frame(PUBLIC, &full("BTC_USDT", 20));
        rig.frame(PUBLIC, &reply(&again, None));
        rig.frame(PUBLIC, &change("BTC_USDT", 21, 21));
        assert_eq!(rig.book_news(), ["S20", "D21-21"]);
        assert_eq!(rig.session.desk.stats.streams[0].gaps, 1);
    }
}

#[test]
fn a4_a_lost_acknowledgement_of_leaving_does_not_hold_it_up() {
    let mut rig = live();
    rig.frame(PUBLIC, &change("BTC_USDT", 12, 13));
    one_asked(&rig.drain(), "unsubscribe");
    assert!(asked(&rig.run(2 * SECOND - 1)).is_empty());
    one_asked(&rig.run(1), "subscribe");
}

#[test]
fn a4_a_second_subscription_goes_on_delivering_or_is_left() {
    // The leave was lost, so the stream is subscribed still: `Alert sub …`.
    let mut rig = live();
    rig.frame(PUBLIC, &change("BTC_USDT", 12, 13));
    let leave = one_asked(&rig.drain(), "unsubscribe");
    rig.frame(PUBLIC, &reply(&leave, None));
    let again = one_asked(&rig.drain(), "subscribe");
    rig.frame(PUBLIC, &reply(&again, Some("Alert sub ob.BTC_USDT.50")));
    rig.frame(PUBLIC, &change("BTC_USDT", 14, 14));
    assert_eq!(rig.book_news(), ["U gap"], "no whole book, no trust");
    let out = rig.run(3 * SECOND);
    let leave = one_asked(&out, "unsubscribe");
    assert_eq!(rig.book_news(), ["U unserved"]);
    rig.frame(PUBLIC, &reply(&leave, None));
    one_asked(&rig.drain(), "subscribe");
    rig.frame(PUBLIC, &full("BTC_USDT", 30));
    assert_eq!(rig.book_news(), ["S30"]);
}

#[test]
fn a5_a_whole_book_replaces_at_any_time() {
    let mut rig = live();
    for id in [11, 11, 40] {
        rig.frame(PUBLIC, &full("BTC_USDT", id));
    }
    rig.frame(PUBLIC, &change("BTC_USDT", 41, 41));
    assert_eq!(rig.book_news(), ["S11", "S11", "S40", "D41-41"]);
    assert!(rig.drain().is_empty());
}

#[test]
fn a_whole_book_whose_id_fell_is_believed_only_when_freshly_asked_for() {
    let mut rig = live();
    rig.frame(PUBLIC, &full("BTC_USDT", 5));
    assert_eq!(rig.book_news(), ["U reset_by_venue"]);
    let leave = one_asked(&rig.drain(), "unsubscribe");
    rig.frame(PUBLIC, &reply(&leave, None));
    rig.drain();
    rig.frame(PUBLIC, &full("BTC_USDT", 6));
    rig.frame(PUBLIC, &change("BTC_USDT", 7, 7));
    assert_eq!(rig.book_news(), ["S6", "D7-7"]);
}

#[test]
fn a6_no_failure_leaves_the_book_waiting_without_a_next_step() {
    // Each way in which the way back can fail, over and over: something is always due, and a whole book always ends it.
    for failure in ["silent", "refused", "alert", "crossed", "leave refused"] {
        let mut rig = live();
        rig.frame(PUBLIC, &change("BTC_USDT", 12, 13));
        let (mut subscribes, mut closes) = (0, 0);
        for _ in 0..60 {
            for out in rig.run(SECOND) {
                match out {
                    Transmit::Close(link) => {
                        closes += 1;
                        rig.lose(link);
                    }
                    Transmit::Open(link) => rig.connect(link),
                    Transmit::Frame { text, .. } => {
                        let frame: Value = serde_json::from_str(&text).unwrap();
                        if frame["channel"] == "spot.ping" {
                            rig.pong(PUBLIC);
                            continue;
                        }
                        let subscribe = frame["event"] == "subscribe";
                        let ours = frame["payload"][0] == "ob.BTC_USDT.50";
                        subscribes += usize::from(ours && subscribe);
                        let error = match failure {
                            "refused" if subscribe && ours => Some("provided level not supported: 50"),
                            "alert" if subscribe && ours => Some("Alert sub ob.BTC_USDT.50"),
                            "leave refused" if !subscribe => Some("not subscribed"),
                            _ => None,
                        };
                        rig.frame(PUBLIC, &reply(&frame, error));
                        if subscribe && !ours {
                            rig.frame(PUBLIC, &full("ETH_USDT", 10));
                        }
                        if subscribe && ours && failure == "crossed" {
                            rig.frame(PUBLIC, &full("BTC_USDT", 14).replace("\"101\"", "\"99\""));
                        }
                    }
                    Transmit::Request { .. } => {}
                }
            }
        }
        assert!((3..60).contains(&subscribes), "{failure}: asked {subscribes} times in a minute");
        assert!(closes <= 2, "{failure}: {closes} reconnects");
        assert!(!rig.book_news().iter().any(|news| news.starts_with('S') && news != "S10"), "{failure}");
        // Whatever stage it is in, it comes back once the venue serves again.
        let mut news = Vec::new();
        for _ in 0..200 {
            for out in rig.run(SECOND) {
                match out {
                    Transmit::Close(link) => rig.lose(link),
                    Transmit::Open(link) => rig.connect(link),
                    Transmit::Frame { text, .. } if text.contains("spot.ping") => rig.pong(PUBLIC),
                    Transmit::Frame { text, .. } => {
                        let frame: Value = serde_json::from_str(&text).unwrap();
                        rig.frame(PUBLIC, &reply(&frame, None));
                        if frame["event"] == "subscribe" {
                            let pair = if text.contains("BTC") { "BTC_USDT" } else { "ETH_USDT" };
                            rig.frame(PUBLIC, &full(pair, 77));
                        }
                    }
                    Transmit::Request { .. } => {}
                }
            }
            news.extend(rig.book_news());
            if news.contains(&"S77".to_string()) {
                break;
            }
        }
        assert!(news.contains(&"S77".to_string()), "{failure}: {news:?}");
    }
}

#[test]
fn p1_an_acknowledgement_is_no_proof_and_is_reported_as_unserved() {
    let mut rig = Rig::live("obu", false);
    rig.frame(PUBLIC, &full("ETH_USDT", 10));
    rig.take();
    let out = rig.run(3 * SECOND);
    assert_eq!(rig.book_news(), ["U unserved"]);
    assert_eq!(rig.session.desk.stats.resyncs[ResyncReason::Unserved as usize], 1);
    let leave = one_asked(&out, "unsubscribe");
    rig.frame(PUBLIC, &reply(&leave, None));
    let again = one_asked(&rig.drain(), "subscribe");
    rig.frame(PUBLIC, &reply(&again, None));
    // The next miss waits twice as long.
    assert!(asked(&rig.run(6 * SECOND - 1)).is_empty());
    let leave = one_asked(&rig.run(1), "unsubscribe");
    rig.frame(PUBLIC, &reply(&leave, None));
    let again = one_asked(&rig.drain(), "subscribe");
    rig.frame(PUBLIC, &reply(&again, None));
    // An unserved stream does not cost the served ones their link.
    assert!(!rig.run(11 * SECOND).contains(&Transmit::Close(PUBLIC)));
}

#[test]
fn the_engine_may_ask_for_a_whole_book() {
    let mut rig = live();
    rig.run(11 * SECOND);
    rig.take();
    for (attempt, reason) in [ResyncReason::Crossed, ResyncReason::Audit].into_iter().enumerate() {
        let now = rig.now;
        rig.submit(Command::Resync { venue: VenueId(0), pair: PairId(0), reason });
        assert_eq!(rig.book_news(), [format!("U {reason}")]);
        // At once, then after a wait: a book that is crossed for long is no reason to storm.
        let mut out = rig.drain();
        assert_eq!(asked(&out).len(), usize::from(attempt == 0), "{out:?}");
        while asked(&out).is_empty() && rig.now.since(now) <= 200 * MILLI {
            out = rig.run(10 * MILLI);
        }
        let leave = one_asked(&out, "unsubscribe");
        rig.frame(PUBLIC, &reply(&leave, None));
        let again = one_asked(&rig.drain(), "subscribe");
        rig.frame(PUBLIC, &reply(&again, None));
        rig.frame(PUBLIC, &full("BTC_USDT", 20 + attempt as u64));
        assert_eq!(rig.book_news(), [format!("S{}", 20 + attempt)]);
    }
}

#[test]
fn a_reconnect_begins_with_a_whole_book() {
    let mut rig = live();
    rig.lose(PUBLIC);
    rig.run(SECOND);
    rig.connect(PUBLIC);
    rig.take();
    rig.frame(PUBLIC, &change("BTC_USDT", 11, 11));
    assert_eq!(rig.book_news(), Vec::<String>::new());
    rig.frame(PUBLIC, &full("BTC_USDT", 12));
    assert_eq!(rig.book_news(), ["S12"]);
}

/// Levels by price of both sides.
type Sides = [BTreeMap<i64, i64>; 2];

/// What a network may do to a frame.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Arrives,
    Lost,
    Doubled,
    /// Arrives behind the next one.
    Late,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![12 => Just(Fate::Arrives), 1 => Just(Fate::Lost), 1 => Just(Fate::Doubled), 1 => Just(Fate::Late)]
}

fn levels(side: &BTreeMap<i64, i64>) -> String {
    let rows: Vec<String> = side.iter().map(|(price, qty)| format!(r#"["{price}","{qty}"]"#)).collect();
    format!("[{}]", rows.join(","))
}

/// A venue that changes its book, serves `obu` by the rules, and remembers its state at every id.
struct Venue {
    id: u64,
    sides: Sides,
    history: BTreeMap<u64, Sides>,
    subscribed: bool,
}

impl Venue {
    fn new() -> Venue {
        let sides = [BTreeMap::from([(100, 1)]), BTreeMap::from([(200, 1)])];
        Venue { id: 1, history: BTreeMap::from([(1, sides.clone())]), sides, subscribed: false }
    }

    fn whole(&self) -> String {
        let [bids, asks] = &self.sides;
        let (id, bids, asks) = (self.id, levels(bids), levels(asks));
        format!(
            r#"{{"channel":"spot.obu","event":"update","time_ms":1750000000300,"result":{{"t":1750000000298,"full":true,"s":"ob.BTC_USDT.50","u":{id},"b":{bids},"a":{asks}}}}}"#
        )
    }

    /// Changes so many ids at once; price 0 changes nothing.
    fn change(&mut self, changes: &[(bool, i64, i64)]) -> Option<String> {
        let first = self.id + 1;
        let mut news: Sides = Default::default();
        for (ask, price, qty) in changes {
            self.id += 1;
            if *price > 0 {
                let (side, price) = (usize::from(*ask), if *ask { 150 + price } else { 150 - price });
                if *qty == 0 {
                    self.sides[side].remove(&price)
                } else {
                    self.sides[side].insert(price, *qty)
                };
                news[side].insert(price, *qty);
            }
            self.history.insert(self.id, self.sides.clone());
        }
        let [bids, asks] = &news;
        let (last, bids, asks) = (self.id, levels(bids), levels(asks));
        self.subscribed.then(|| {
            format!(r#"{{"channel":"spot.obu","event":"update","time_ms":1750000000400,"result":{{"t":1750000000398,"s":"ob.BTC_USDT.50","U":{first},"u":{last},"b":{bids},"a":{asks}}}}}"#)
        })
    }
}

/// The engine's side: levels by price, or nothing while the book is not trusted.
#[derive(Default)]
struct Held {
    at: Option<(u64, Sides)>,
}

impl Held {
    fn apply(&mut self, body: BookBody) {
        let put = |side: &mut BTreeMap<i64, i64>, levels: &[Level]| {
            for level in levels {
                let (price, qty) = (level.price.units() / 100, level.qty.units() / 1_000_000);
                if qty == 0 {
                    side.remove(&price)
                } else {
                    side.insert(price, qty)
                };
            }
        };
        match body {
            BookBody::Snapshot { id, bids, asks } => {
                let mut sides = Sides::default();
                put(&mut sides[0], &bids);
                put(&mut sides[1], &asks);
                self.at = Some((id, sides));
            }
            BookBody::Delta { first, last, bids, asks } => {
                let (id, sides) = self.at.as_mut().expect("a change of a trusted book");
                assert_eq!(first, *id + 1);
                put(&mut sides[0], &bids);
                put(&mut sides[1], &asks);
                *id = last;
            }
            BookBody::Untrusted { .. } => self.at = None,
            BookBody::Top { .. } | BookBody::Evidence { .. } => {}
        }
    }
}

proptest! {
    /// Whatever the network loses, doubles and swaps: the book is the venue's at its id, or not trusted; and once the network
    /// behaves it is the venue's newest.
    #[test]
    fn the_book_is_the_venues_or_not_trusted(
        steps in prop::collection::vec((prop::collection::vec((any::<bool>(), 0i64..6, 0i64..4), 1..4), fate(), 0u64..400), 1..60),
        fulls in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
    ) {
        let (mut rig, _) = Rig::open("obu", false);
        let mut venue = Venue { subscribed: true, ..Venue::new() };
        let mut held = Held::default();
        let mut late: Option<String> = None;
        let unasked: Vec<usize> = fulls.iter().map(|index| index.index(steps.len())).collect();
        rig.frame(PUBLIC, &venue.whole());
        let calm = std::iter::repeat_n((vec![(false, 1, 1)], Fate::Arrives, 1_000), 40);
        for (index, (changes, fate, pause_ms)) in steps.into_iter().chain(calm).enumerate() {
            let frame = venue.change(&changes);
            let frame = if unasked.contains(&index) && venue.subscribed { Some(venue.whole()) } else { frame };
            let arrive = |rig: &mut Rig, frame: &str| rig.frame(PUBLIC, frame);
            if let Some(frame) = frame {
                match fate {
                    Fate::Arrives => arrive(&mut rig, &frame),
                    Fate::Lost => {}
                    Fate::Doubled => {
                        arrive(&mut rig, &frame);
                        arrive(&mut rig, &frame);
                    }
                    Fate::Late => {
                        if let Some(before) = late.replace(frame) {
                            arrive(&mut rig, &before);
                        }
                    }
                }
                if !matches!(fate, Fate::Late) && let Some(frame) = late.take() {
                    arrive(&mut rig, &frame);
                }
            }
            for out in rig.run(pause_ms * MILLI) {
                match out {
                    Transmit::Frame { text, .. } => {
                        let frame: Value = serde_json::from_str(&text).unwrap();
                        if frame["channel"] == "spot.ping" {
                            rig.pong(PUBLIC);
                            continue;
                        }
                        if frame["payload"][0] != "ob.BTC_USDT.50" {
                            rig.frame(PUBLIC, &reply(&frame, None));
                            if frame["event"] == "subscribe" {
                                rig.frame(PUBLIC, &full("ETH_USDT", 1));
                            }
                            continue;
                        }
                        let subscribe = frame["event"] == "subscribe";
                        let error = (subscribe && venue.subscribed).then_some("Alert sub ob.BTC_USDT.50");
                        venue.subscribed = subscribe;
                        rig.frame(PUBLIC, &reply(&frame, error));
                        if subscribe && error.is_none() {
                            rig.frame(PUBLIC, &venue.whole());
                        }
                    }
                    Transmit::Close(link) => {
                        venue.subscribed = false;
                        rig.lose(link);
                    }
                    Transmit::Open(link) => rig.connect(link),
                    Transmit::Request { .. } => {}
                }
            }
            for input in rig.take() {
                if let Input::Book(update) = input && update.pair == PairId(0) {
                    held.apply(update.body);
                    if let Some((id, sides)) = &held.at {
                        prop_assert_eq!(Some(sides), venue.history.get(id), "at id {}", id);
                    }
                }
            }
        }
        let newest = held.at.map(|(id, _)| id);
        prop_assert_eq!(newest, Some(venue.id));
    }
}
