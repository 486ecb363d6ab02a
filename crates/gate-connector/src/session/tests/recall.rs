//! A book that lost trust does not wait for ever for a stream that died at the venue while others flow.

use super::audit::{copy, next_audit};
use super::books::{base, delta, live_updates, snapshot};
use super::rig::{PUBLIC, Rig};
use domain::time::{MILLI, SECOND};
use domain::{Command, Input, LinkRole, PairId, ResyncReason, VenueId};
use venue::{LinkId, Transmit};

/// Frames of ETH/USDT flow every 100 ms; copies are answered by `rest`. Counts what is asked of the stream of BTC/USDT: subscriptions
/// and leaves, which are acknowledged.
fn run(rig: &mut Rig, nanos: u64, rest: impl Fn() -> (u16, String)) -> (u32, u32) {
    let updates = rig.session.books.channel == super::super::BookChannel::Updates;
    let (mut asked, mut left) = (0, 0);
    let mut id = rig.now.0;
    for _ in 0..nanos / (100 * MILLI) {
        id += 1;
        rig.frame(PUBLIC, &if updates { delta("ETH_USDT", id, id) } else { snapshot("ETH_USDT", id) });
        for out in rig.run(100 * MILLI) {
            match out {
                Transmit::Frame { text, .. } if text.contains("spot.ping") => rig.pong(PUBLIC),
                Transmit::Frame { text, .. } => {
                    let frame: serde_json::Value = serde_json::from_str(&text).unwrap();
                    if text.contains("BTC_USDT") {
                        asked += u32::from(frame["event"] == "subscribe");
                        left += u32::from(frame["event"] == "unsubscribe");
                    }
                    rig.acknowledge(&frame);
                }
                Transmit::Request { ticket, request, .. } if request.query.contains("BTC_USDT") => {
                    let (status, body) = rest();
                    rig.answer(ticket, status, &body);
                }
                Transmit::Request { ticket, .. } => rig.answer(ticket, 500, "{}"),
                other => panic!("{other:?}"),
            }
        }
    }
    (asked, left)
}

fn failing() -> (u16, String) {
    (500, "{}".into())
}

/// News of BTC/USDT alone.
fn news(rig: &mut Rig) -> Vec<String> {
    rig.updates.retain(|input| matches!(input, Input::Book(update) if update.pair == PairId(0)));
    rig.book_news()
}

/// A live book whose next frame can't be read: nothing is held, and no copy is of use before the stream speaks.
fn distrusted(channel: &str) -> Rig {
    let mut rig = if channel == "order_book" {
        let mut rig = Rig::live(channel, false);
        rig.frame(PUBLIC, &snapshot("BTC_USDT", 10));
        rig
    } else {
        live_updates()
    };
    rig.take();
    let broken = if channel == "order_book" { snapshot("BTC_USDT", 11) } else { delta("BTC_USDT", 11, 11) };
    rig.frame(PUBLIC, &broken.replace("\"100\"", "\"NaN\""));
    assert_eq!(news(&mut rig), ["U gap"]);
    rig
}

#[test]
fn a_dead_stream_is_nudged_and_then_left() {
    for channel in ["order_book", "order_book_update"] {
        let mut rig = distrusted(channel);
        assert_eq!(run(&mut rig, 9 * SECOND, failing), (0, 0), "{channel}: it may still speak");
        assert_eq!(run(&mut rig, 2 * SECOND, failing), (1, 0), "{channel}");
        assert_eq!(news(&mut rig), ["U unserved"], "{channel}");
        assert_eq!(run(&mut rig, 20 * SECOND, failing), (2, 1), "{channel}");
        // It speaks, and the book is back.
        match channel {
            "order_book" => rig.frame(PUBLIC, &snapshot("BTC_USDT", 20)),
            _ => {
                rig.frame(PUBLIC, &delta("BTC_USDT", 20, 20));
                run(&mut rig, SECOND, || (200, base(20)));
            }
        }
        assert_eq!(news(&mut rig).first().map(String::as_str), Some("S20"), "{channel}");
        assert_eq!(run(&mut rig, 20 * SECOND, failing), (0, 0), "{channel}: nothing is owed any more");
    }
}

#[test]
fn a_stream_that_a_comparison_finds_dead_is_asked_for_again() {
    let mut rig = Rig::live("order_book", false);
    rig.frame(PUBLIC, &snapshot("BTC_USDT", 10));
    let sent = next_audit(&mut rig, SECOND);
    rig.answer(sent.ticket, 200, &copy(12, "102"));
    rig.run(SECOND);
    assert!(news(&mut rig).ends_with(&["U audit".to_string()]));
    assert_eq!(run(&mut rig, 12 * SECOND, failing), (1, 0));
}

#[test]
fn a_frame_that_brings_nothing_is_no_service() {
    let mut rig = distrusted("order_book");
    rig.frame(PUBLIC, &snapshot("BTC_USDT", 9));
    assert_eq!(news(&mut rig), Vec::<String>::new(), "older than the book was");
    assert_eq!(run(&mut rig, 11 * SECOND, failing), (1, 0));
}

#[test]
fn a_quiet_book_is_asked_for_less_and_less_often() {
    for channel in ["order_book", "order_book_update"] {
        let mut rig = distrusted(channel);
        let mut asked = Vec::new();
        for _ in 0..6 {
            asked.push(run(&mut rig, 600 * SECOND, failing).0);
        }
        assert!(asked[0] <= 8 && asked[1..].iter().all(|asked| *asked <= 4), "{channel}: {asked:?}");
        assert_eq!(news(&mut rig), ["U unserved"], "{channel}: told once");
    }
}

#[test]
fn a_wait_that_runs_is_not_prolonged_by_another_fault() {
    let mut rig = distrusted("order_book");
    let broken = snapshot("BTC_USDT", 12).replace("\"100\"", "\"NaN\"");
    let mut asked = 0;
    for _ in 0..6 {
        asked += run(&mut rig, 2 * SECOND, failing).0;
        rig.frame(PUBLIC, &broken);
    }
    assert_eq!(asked, 1);
}

#[test]
fn a_quiet_book_that_a_copy_brought_back_keeps_its_trust() {
    let mut rig = live_updates();
    rig.submit(Command::Resync { venue: VenueId(0), pair: PairId(0), reason: ResyncReason::Crossed });
    assert_eq!(run(&mut rig, SECOND, || (200, base(10))), (0, 0));
    assert_eq!(news(&mut rig)[..2], ["U crossed", "S10"]);
    assert_eq!(run(&mut rig, 60 * SECOND, || (200, base(10))), (0, 0));
    assert!(news(&mut rig).iter().all(|news| news.starts_with(['T', 'E'])));
}

#[test]
fn a_nudge_does_not_make_a_copy_useless() {
    let mut rig = live_updates();
    rig.submit(Command::Resync { venue: VenueId(0), pair: PairId(0), reason: ResyncReason::Crossed });
    // Refused for the rate: copies wait for a window, longer than the stream has to speak.
    assert_eq!(run(&mut rig, 11 * SECOND, || (429, "{}".into())), (1, 0));
    run(&mut rig, 14 * SECOND, || (200, base(10)));
    assert_eq!(news(&mut rig)[..3], ["U crossed", "U unserved", "S10"]);
}

#[test]
fn a_busy_book_that_lost_trust_is_back_at_its_next_frame_with_its_lag() {
    let mut rig = distrusted("order_book");
    rig.frame(PUBLIC, &snapshot("BTC_USDT", 12));
    // Nobody asked for this frame: it tells how late the feed runs, as any other.
    let Some(Input::Book(update)) = rig.take().pop() else { panic!("a book") };
    assert!(update.sent_at.is_some());
    assert_eq!(run(&mut rig, 15 * SECOND, failing), (0, 0));
    // One that follows a nudge may be the answer to it, as old as the last change.
    let mut rig = distrusted("order_book");
    assert_eq!(run(&mut rig, 11 * SECOND, failing), (1, 0));
    rig.take();
    rig.frame(PUBLIC, &snapshot("BTC_USDT", 12));
    let Some(Input::Book(update)) = rig.take().pop() else { panic!("a book") };
    assert_eq!(update.sent_at, None);
}

#[test]
fn a_link_that_carries_nothing_after_a_fault_is_still_reopened() {
    let mut rig = distrusted("order_book");
    // ETH/USDT was never served; only pongs come. The link goes before the streams are left in vain.
    let mut closed = false;
    for _ in 0..310 {
        for out in rig.run(100 * MILLI) {
            match out {
                Transmit::Frame { text, .. } if text.contains("spot.ping") => rig.pong(PUBLIC),
                Transmit::Close(PUBLIC) => closed = true,
                _ => {}
            }
        }
    }
    assert!(closed);
}

#[test]
fn a_dead_stream_of_the_old_link_costs_a_book_nothing_that_the_new_one_has() {
    let mut rig = distrusted("order_book");
    run(&mut rig, 9_800 * MILLI, failing);
    rig.frame(PUBLIC, r#"{"channel":"spot.system","event":"upgrade"}"#);
    rig.drain();
    let next = LinkId { role: LinkRole::Public, shard: 1 };
    rig.connect(next);
    for frame in rig.frames() {
        rig.frame(next, &frame.to_string().replace("\"payload\"", "\"result\":{\"status\":\"success\"},\"payload\""));
    }
    rig.frame(next, &snapshot("BTC_USDT", 20));
    assert_eq!(news(&mut rig), ["S20"]);
    // The deadline of the old one passes before it is closed.
    rig.run(400 * MILLI);
    assert_eq!(news(&mut rig), Vec::<String>::new());
    assert!(rig.run(SECOND).contains(&Transmit::Close(PUBLIC)));
}
