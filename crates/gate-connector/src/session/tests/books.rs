//! Books: sequence, copies, loss and return of trust.

use super::rig::{PUBLIC, Rig, Sent};
use domain::time::{MILLI, SECOND};
use domain::{Command, FrameReject, Input, LinkRole, LinkState, PairId, ResyncReason, VenueId};
use venue::{IoFailure, Transmit, VenueSession};

pub(super) fn snapshot(pair: &str, id: u64) -> String {
    format!(
        r#"{{"time":1,"time_ms":1750000000123,"channel":"spot.order_book","event":"update","result":{{"t":1750000000100,"lastUpdateId":{id},"s":"{pair}","bids":[["100","1"]],"asks":[["101","1"]]}}}}"#
    )
}

pub(super) fn delta(pair: &str, first: u64, last: u64) -> String {
    format!(
        r#"{{"time":1,"time_ms":1750000000123,"channel":"spot.order_book_update","event":"update","result":{{"t":1750000000100,"s":"{pair}","U":{first},"u":{last},"b":[["100","2"]],"a":[]}}}}"#
    )
}

pub(super) fn base(id: u64) -> String {
    format!(r#"{{"id":{id},"current":1750000000123,"update":1750000000100,"asks":[["101","1"]],"bids":[["100","1"]]}}"#)
}

#[track_caller]
pub(super) fn one_base(rig: &mut Rig) -> Sent {
    let mut sent = rig.requests();
    assert_eq!(sent.len(), 1, "{sent:?}");
    let sent = sent.remove(0);
    assert_eq!((sent.request.path.as_str(), sent.header("KEY")), ("/api/v4/spot/order_book", None));
    sent
}

/// A live `order_book_update` book of BTC/USDT at id 10.
pub(super) fn live_updates() -> Rig {
    let mut rig = Rig::live("order_book_update", false);
    rig.frame(PUBLIC, &delta("BTC_USDT", 10, 10));
    let sent = one_base(&mut rig);
    assert_eq!(sent.request.query, "currency_pair=BTC_USDT&limit=100&with_id=true");
    rig.answer(sent.ticket, 200, &base(10));
    assert_eq!(rig.book_news(), ["S10"]);
    rig
}

#[test]
fn snapshots_replace_and_their_id_must_not_fall() {
    let mut rig = Rig::live("order_book", false);
    for id in [5, 6, 6] {
        rig.frame(PUBLIC, &snapshot("BTC_USDT", id));
    }
    assert_eq!(rig.book_news(), ["S5", "S6", "S6"]);
    rig.frame(PUBLIC, &snapshot("BTC_USDT", 4));
    assert_eq!(rig.book_news(), Vec::<String>::new());
    // The tail of an earlier connection does not bring an old book back either.
    rig.lose(PUBLIC);
    rig.run(SECOND);
    rig.connect(PUBLIC);
    rig.frame(PUBLIC, &snapshot("BTC_USDT", 4));
    assert_eq!(rig.book_news(), ["U reconnect", "U reconnect"]);
    rig.frame(PUBLIC, &snapshot("BTC_USDT", 7));
    assert_eq!(rig.book_news(), ["S7"]);
    // A venue that numbers anew is believed after a while, and said to have.
    for _ in 0..20 {
        rig.frame(PUBLIC, &snapshot("BTC_USDT", 1));
    }
    assert_eq!(rig.book_news(), ["U reset_by_venue", "S1"]);
}

#[test]
fn times_of_a_book_are_the_frames_own() {
    let mut rig = Rig::live("order_book", false);
    rig.frame(PUBLIC, &snapshot("BTC_USDT", 5));
    // The frame that answers a subscription may be as old as the book's last change (§14.2, 10): no word on how late the feed runs.
    let Some(Input::Book(update)) = rig.take().pop() else { panic!() };
    assert_eq!((update.sent_at, update.changed_at.unwrap().0), (None, 1_750_000_000_100_000_000));
    rig.frame(PUBLIC, &snapshot("BTC_USDT", 6));
    let Some(Input::Book(update)) = rig.take().pop() else { panic!() };
    assert_eq!(update.sent_at.unwrap().at.0, 1_750_000_000_123_000_000);
    assert_eq!(update.changed_at.unwrap().0, 1_750_000_000_100_000_000);
    assert_eq!(update.received, rig.now);
}

#[test]
fn a_crossed_snapshot_is_never_passed_on() {
    let mut rig = Rig::live("order_book", false);
    rig.frame(PUBLIC, &snapshot("BTC_USDT", 5));
    rig.frame(PUBLIC, &snapshot("BTC_USDT", 6).replace("\"101\"", "\"100\""));
    rig.frame(PUBLIC, &snapshot("BTC_USDT", 7).replace("\"101\"", "\"99\""));
    assert_eq!(rig.book_news(), ["S5", "U crossed"]);
    rig.frame(PUBLIC, &snapshot("BTC_USDT", 8));
    assert_eq!(rig.book_news(), ["S8"]);
}

#[test]
fn a_refused_frame_drops_the_book_it_is_about_or_all_that_it_could_be() {
    let mut rig = Rig::live("order_book", false);
    for pair in ["BTC_USDT", "ETH_USDT"] {
        rig.frame(PUBLIC, &snapshot(pair, 5));
    }
    rig.take();
    rig.frame(PUBLIC, &snapshot("BTC_USDT", 6).replace("\"101\"", "\"NaN\""));
    assert_eq!(rig.book_news(), ["U gap"]);
    rig.frame(PUBLIC, &snapshot("BTC_USDT", 7).replace("\"101\"", "\"101.001\""));
    assert_eq!(rig.book_news(), ["U scale"]);
    rig.frame(PUBLIC, &snapshot("BTC_USDT", 8));
    rig.frame(PUBLIC, "{\"chan");
    assert_eq!(rig.book_news(), ["S8", "U gap", "U gap"]);
    let stats = rig.session.stats();
    assert_eq!(stats.rejected[FrameReject::BadNumber as usize], 2);
    assert_eq!(stats.rejected[FrameReject::NotJson as usize], 1);
    assert_eq!(stats.resyncs[ResyncReason::Gap as usize], 3);
    // A pair that is not ours is refused without touching ours.
    rig.frame(PUBLIC, &snapshot("BTC_USDT", 9));
    rig.frame(PUBLIC, &snapshot("XRP_USDT", 9));
    assert_eq!(rig.book_news(), ["S9"]);
}

#[test]
fn a_copy_is_fetched_after_the_first_frame_and_the_buffer_replayed() {
    let mut rig = Rig::live("order_book_update", false);
    assert!(rig.requests().is_empty(), "no copy before the stream speaks");
    for (first, last) in [(5, 6), (7, 9), (10, 12), (13, 13)] {
        rig.frame(PUBLIC, &delta("BTC_USDT", first, last));
    }
    assert_eq!(rig.book_news(), Vec::<String>::new());
    let sent = one_base(&mut rig);
    rig.answer(sent.ticket, 200, &base(10));
    // Frames the copy holds are dropped; one that overlaps it is cut.
    assert_eq!(rig.book_news(), ["S10", "D11-12", "D13-13"]);
    let stream = &rig.session.stats().streams[0];
    assert_eq!((stream.frames, stream.applied, stream.stale, stream.gaps, stream.snapshots), (4, 2, 2, 0, 1));
}

/// Found by the simulator (283,643): the engine had asked for the book anew, its stream was silent, and a copy out of a cache passed for
/// the book of the moment in which it came.
#[test]
fn a_copy_is_as_old_as_the_newest_frame_that_it_holds() {
    let mut rig = Rig::live("order_book_update", false);
    let mut received = Vec::new();
    let mut asked = Vec::new();
    for id in 10..12 {
        rig.frame(PUBLIC, &delta("BTC_USDT", id, id));
        received.push(rig.now);
        asked.extend(rig.run(SECOND));
    }
    let base_of = |asked: &[Transmit]| {
        let ticket = asked.iter().rev().find_map(|sent| match sent {
            Transmit::Request { ticket, request, .. } if request.path.ends_with("/spot/order_book") => Some(*ticket),
            _ => None,
        });
        ticket.expect("a copy was asked for")
    };
    let stamps = |rig: &mut Rig| -> Vec<_> {
        let books = rig.take().into_iter().filter_map(|input| if let Input::Book(update) = input { Some(update) } else { None });
        books.map(|update| update.received).collect()
    };
    rig.take();
    rig.answer(base_of(&asked), 200, &base(10));
    // The copy holds the first, the second follows it.
    assert_eq!(stamps(&mut rig), received);
    // A copy that need only reach what was applied is as old as that, however new it is.
    rig.submit(Command::Resync { venue: VenueId(0), pair: PairId(0), reason: ResyncReason::Crossed });
    let asked = rig.run(SECOND);
    rig.take();
    rig.answer(base_of(&asked), 200, &base(12));
    assert_eq!(stamps(&mut rig), received[1..]);
}

/// Found by the simulator: many frames held for a late copy that holds them all were taken for ids that fell.
#[test]
fn a_copy_newer_than_many_held_frames_is_no_renumbering() {
    let mut rig = Rig::live("order_book_update", false);
    for id in 10..40 {
        rig.frame(PUBLIC, &delta("BTC_USDT", id, id));
    }
    let sent = one_base(&mut rig);
    rig.answer(sent.ticket, 200, &base(50));
    assert_eq!(rig.book_news(), ["S50"]);
    rig.frame(PUBLIC, &delta("BTC_USDT", 51, 52));
    assert_eq!(rig.book_news(), ["D51-52"]);
    assert_eq!(rig.session.stats().resyncs[ResyncReason::ResetByVenue as usize], 0);
    assert_eq!(rig.session.stats().streams[0].stale, 30);
}

#[test]
fn stale_overlapping_and_id_only_deltas() {
    let mut rig = live_updates();
    rig.frame(PUBLIC, &delta("BTC_USDT", 8, 10));
    rig.frame(PUBLIC, &delta("BTC_USDT", 9, 12));
    rig.frame(PUBLIC, r#"{"channel":"spot.order_book_update","event":"update","result":{"s":"BTC_USDT","U":13,"u":15}}"#);
    rig.frame(PUBLIC, &delta("BTC_USDT", 16, 16));
    assert_eq!(rig.book_news(), ["D11-12", "D13-15", "D16-16"]);
    // One of them was held before the copy.
    assert_eq!(rig.session.stats().streams[0].stale, 2);
    rig.frame(
        PUBLIC,
        r#"{"channel":"spot.order_book_update","event":"update","result":{"s":"BTC_USDT","full":true,"u":30,"b":[],"a":[]}}"#,
    );
    rig.frame(PUBLIC, &delta("BTC_USDT", 31, 31));
    assert_eq!(rig.book_news(), ["S30", "D31-31"]);
}

#[test]
fn a_gap_costs_trust_at_once_and_a_new_copy_brings_it_back() {
    let mut rig = live_updates();
    rig.frame(PUBLIC, &delta("BTC_USDT", 12, 13));
    assert_eq!(rig.book_news(), ["U gap"]);
    rig.frame(PUBLIC, &delta("BTC_USDT", 14, 14));
    let out = rig.run(SECOND);
    let ticket = out.iter().find_map(|o| if let Transmit::Request { ticket, .. } = o { Some(*ticket) } else { None }).unwrap();
    rig.answer(ticket, 200, &base(12));
    assert_eq!(rig.book_news(), ["S12", "D13-13", "D14-14"]);
    assert_eq!(rig.session.stats().streams[0].gaps, 1);
}

#[test]
fn a_copy_older_than_the_stream_is_fetched_again_with_back_off() {
    let mut rig = Rig::live("order_book_update", false);
    rig.frame(PUBLIC, &delta("BTC_USDT", 20, 21));
    let mut ticket = one_base(&mut rig).ticket;
    let mut waits = Vec::new();
    for (attempt, id) in [11, 14, 18].into_iter().enumerate() {
        rig.answer(ticket, 200, &base(id));
        let news = rig.book_news();
        assert_eq!(news, if attempt == 0 { vec!["U snapshot_stale"] } else { vec![] });
        assert!(rig.drain().is_empty(), "not at once");
        let from = rig.now;
        let out = rig.run(3 * SECOND);
        let sent = out.into_iter().find_map(|o| if let Transmit::Request { ticket, .. } = o { Some(ticket) } else { None });
        ticket = sent.unwrap();
        waits.push(rig.now.since(from));
    }
    rig.answer(ticket, 200, &base(19));
    assert_eq!(rig.book_news(), ["S19", "D20-21"]);
    assert_eq!(rig.session.stats().resyncs[ResyncReason::SnapshotStale as usize], 1);
}

#[test]
fn copies_that_never_help_reset_the_subscription() {
    let mut rig = Rig::live("order_book_update", false);
    rig.frame(PUBLIC, &delta("BTC_USDT", 20, 21));
    let mut left = false;
    let mut asked = 0;
    for _ in 0..200 {
        for out in rig.run(100 * MILLI) {
            match out {
                Transmit::Request { ticket, .. } => {
                    asked += 1;
                    rig.answer(ticket, 200, &base(1));
                }
                Transmit::Frame { text, .. } if text.contains("\"unsubscribe\"") => left = true,
                _ => {}
            }
        }
    }
    assert!(left);
    assert_eq!(asked, 9, "attempts are bounded and spaced");
}

#[test]
fn failed_and_refused_copies_are_asked_for_again() {
    let mut rig = Rig::live("order_book_update", false);
    rig.frame(PUBLIC, &delta("BTC_USDT", 10, 10));
    let mut ticket = one_base(&mut rig).ticket;
    for answer in ["fail", "500", "429", "empty", "crossed"] {
        match answer {
            "fail" => rig.fail(ticket, IoFailure::TimedOut),
            "500" => rig.answer(ticket, 500, "<html>"),
            "429" => rig.answer(ticket, 429, "{}"),
            "empty" => rig.answer(ticket, 200, r#"{"current":1,"update":1,"asks":[],"bids":[]}"#),
            _ => rig.answer(ticket, 200, &base(10).replace("101", "99")),
        }
        // A refusal for the rate parks the budget for a window.
        let out = rig.run(if answer == "429" { 12 } else { 4 } * SECOND);
        let next = out.into_iter().find_map(|o| if let Transmit::Request { ticket, .. } = o { Some(ticket) } else { None });
        ticket = next.unwrap_or_else(|| panic!("after {answer}"));
    }
    rig.take();
    rig.answer(ticket, 200, &base(10));
    assert_eq!(rig.book_news(), ["S10"]);
}

#[test]
fn the_engine_may_ask_for_a_resync_and_only_a_copy_as_new_as_its_book_ends_it() {
    let mut rig = live_updates();
    rig.frame(PUBLIC, &delta("BTC_USDT", 11, 12));
    rig.take();
    rig.submit(Command::Resync { venue: VenueId(0), pair: PairId(0), reason: ResyncReason::Crossed });
    assert_eq!(rig.book_news(), ["U crossed"]);
    let mut tickets = Vec::new();
    for id in [11, 12] {
        let out = rig.run(SECOND);
        tickets
            .extend(out.into_iter().filter_map(|o| if let Transmit::Request { ticket, .. } = o { Some(ticket) } else { None }));
        rig.answer(*tickets.last().unwrap(), 200, &base(id));
    }
    assert_eq!(rig.book_news(), ["U snapshot_stale", "S12"]);
    rig.frame(PUBLIC, &delta("BTC_USDT", 13, 13));
    assert_eq!(rig.book_news(), ["D13-13"]);
}

#[test]
fn a_reconnect_untrusts_every_book_and_late_copies_are_void() {
    let mut rig = live_updates();
    rig.frame(PUBLIC, &delta("BTC_USDT", 12, 13));
    let out = rig.run(SECOND);
    let ticket = out.iter().find_map(|o| if let Transmit::Request { ticket, .. } = o { Some(*ticket) } else { None }).unwrap();
    rig.take();
    rig.lose(PUBLIC);
    let news = rig.take();
    assert!(matches!(news[0], Input::Link(change) if change.role == LinkRole::Public && change.state == LinkState::Lost));
    assert_eq!(news.len(), 3);
    rig.answer(ticket, 200, &base(12));
    assert_eq!(rig.book_news(), Vec::<String>::new());
}

#[test]
fn after_a_pause_buffered_frames_do_not_restore_trust() {
    for channel in ["order_book", "order_book_update"] {
        let mut rig = if channel == "order_book" { Rig::live(channel, true) } else { live_updates() };
        rig.frame(PUBLIC, &snapshot("BTC_USDT", 50));
        rig.take();
        rig.session.handle_paused(rig.now, &mut rig.updates);
        let news = rig.take();
        let untrusted = news.iter().filter(|i| matches!(i, Input::Book(_))).count();
        assert_eq!(untrusted, 2);
        assert!(news.iter().any(|i| matches!(i, Input::Link(c) if c.role == LinkRole::Public && c.state == LinkState::Paused)));
        assert!(rig.drain().contains(&Transmit::Close(PUBLIC)));
        rig.frame(PUBLIC, &snapshot("BTC_USDT", 51));
        rig.frame(PUBLIC, &delta("BTC_USDT", 11, 11));
        assert_eq!(rig.book_news(), Vec::<String>::new());
        rig.lose(PUBLIC);
        assert!(rig.run(SECOND).contains(&Transmit::Open(PUBLIC)));
    }
}

#[test]
fn an_acknowledged_stream_that_sends_nothing_is_unserved_and_asked_for_again() {
    let mut rig = Rig::live("order_book", false);
    rig.frame(PUBLIC, &snapshot("BTC_USDT", 5));
    rig.take();
    let out = rig.run(10 * SECOND);
    assert_eq!(rig.book_news(), ["U unserved"]);
    let again = |out: &[Transmit], event: &str| {
        let wanted = format!("\"event\":\"{event}\",\"payload\":[\"ETH_USDT\"");
        out.iter().filter(|o| matches!(o, Transmit::Frame { text, .. } if text.contains(&wanted))).count()
    };
    assert_eq!((again(&out, "subscribe"), again(&out, "unsubscribe")), (1, 0));
    // Should that be lost, the next one does not wait for longer.
    rig.frame(PUBLIC, &snapshot("BTC_USDT", 6));
    let out = rig.run(10 * SECOND);
    assert_eq!((again(&out, "subscribe"), again(&out, "unsubscribe")), (1, 0));
    rig.take();
    rig.frame(PUBLIC, &snapshot("ETH_USDT", 5));
    assert_eq!(rig.book_news(), ["S5"]);
}

#[test]
fn a_refused_book_subscription_is_tried_again_later() {
    let (mut rig, frames) = Rig::open("order_book", false);
    rig.acknowledge(&frames[1]);
    let id = &frames[0]["id"];
    rig.frame(PUBLIC, &format!(r#"{{"time":1,"id":{id},"channel":"spot.order_book","event":"subscribe","error":{{"code":2,"message":"x"}},"result":{{"status":"fail"}}}}"#));
    assert_eq!(rig.book_news(), ["U unserved"]);
    let out = rig.run(2 * SECOND);
    assert!(out.iter().any(|o| matches!(o, Transmit::Frame { text, .. } if text.contains("BTC_USDT"))), "{out:?}");
}

/// Refusals of a stream that was taken in between are not in a row: the wait after the next one is the first again.
#[test]
fn a_subscription_that_was_taken_makes_its_earlier_refusals_forgotten() {
    let (mut rig, frames) = Rig::open("order_book", false);
    rig.acknowledge(&frames[1]);
    let is_btc = |frame: &serde_json::Value| frame["payload"][0] == "BTC_USDT";
    let mut frame = frames[0].clone();
    // Until it is asked for again.
    let refuse = |rig: &mut Rig, frame: &mut serde_json::Value| {
        let id = &frame["id"];
        let error = r#""error":{"code":2,"message":"x"},"result":{"status":"fail"}"#;
        rig.frame(PUBLIC, &format!(r#"{{"time":1,"id":{id},"channel":"spot.order_book","event":"subscribe",{error}}}"#));
        for waited in 1..1_000 {
            let again = rig.run(100 * MILLI).into_iter().find_map(|out| match out {
                Transmit::Frame { text, .. } => serde_json::from_str(&text).ok().filter(is_btc),
                _ => None,
            });
            if let Some(again) = again {
                *frame = again;
                return waited;
            }
        }
        panic!("never asked for again");
    };
    let first = refuse(&mut rig, &mut frame);
    let later = [refuse(&mut rig, &mut frame), refuse(&mut rig, &mut frame)];
    assert!(later[1] > later[0] && later[0] > first, "{first} {later:?}");
    rig.acknowledge(&frame);
    rig.lose(PUBLIC);
    rig.run(SECOND);
    rig.connect(PUBLIC);
    frame = rig.frames().into_iter().find(is_btc).expect("asked for on the new connection");
    assert_eq!(refuse(&mut rig, &mut frame), first);
}

#[test]
fn a_market_that_falls_silent_reopens_the_link_but_does_not_storm() {
    let mut rig = Rig::live("order_book", false);
    for pair in ["BTC_USDT", "ETH_USDT"] {
        rig.frame(PUBLIC, &snapshot(pair, 5));
    }
    let mut closes = 0;
    for _ in 0..600 {
        for out in rig.run(SECOND) {
            match out {
                Transmit::Close(link) => {
                    closes += 1;
                    rig.lose(link);
                }
                Transmit::Open(link) => rig.connect(link),
                Transmit::Frame { text, .. } => {
                    let frame: serde_json::Value = serde_json::from_str(&text).unwrap();
                    if frame["channel"] == "spot.ping" {
                        rig.frame(PUBLIC, r#"{"channel":"spot.pong","event":"","result":null}"#);
                    } else {
                        rig.acknowledge(&frame);
                    }
                }
                Transmit::Request { .. } => {}
            }
        }
    }
    assert_eq!(closes, 1);
}

#[test]
fn a_flood_while_a_copy_is_fetched_is_bounded() {
    let mut rig = Rig::live("order_book_update", false);
    for id in 1..=2100 {
        rig.frame(PUBLIC, &delta("BTC_USDT", id, id));
    }
    assert_eq!(rig.book_news(), ["U overflow"]);
    assert_eq!(rig.session.stats().resyncs[ResyncReason::Overflow as usize], 1);
}

#[cfg(feature = "mutants")]
#[test]
fn the_planted_gap_is_passed_on_as_if_it_continued() {
    use domain::mutants::{Mutant, set_active};
    let mut rig = live_updates();
    set_active(Some(Mutant::GapIgnored));
    rig.frame(PUBLIC, &delta("BTC_USDT", 12, 13));
    set_active(None);
    assert_eq!(rig.book_news(), ["D11-13"]);
}

#[test]
fn ids_at_the_end_of_their_range_break_nothing() {
    let last = u64::MAX;
    let mut rig = Rig::live("order_book_update", false);
    rig.frame(PUBLIC, &delta("BTC_USDT", last - 1, last));
    rig.frame(PUBLIC, &delta("BTC_USDT", last, last));
    let sent = one_base(&mut rig);
    rig.answer(sent.ticket, 200, &base(last));
    rig.frame(PUBLIC, &delta("BTC_USDT", last, last));
    rig.frame(PUBLIC, &delta("BTC_USDT", 5, 6));
    assert_eq!(rig.book_news(), [format!("S{last}")]);
}
