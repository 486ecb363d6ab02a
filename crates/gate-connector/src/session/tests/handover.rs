//! Make before break on the venue's upgrade notice.

use super::books::snapshot;
use super::obu::{change, full};
use super::rig::{PRIVATE, PUBLIC, Rig};
use domain::time::{MILLI, SECOND};
use domain::{Input, LinkRole, LinkState};
use venue::{LinkId, Transmit};

const NOTICES: [&str; 2] = [
    r#"{"channel":"spot.system","event":"update","result":{"type":"upgrade"}}"#,
    r#"{"channel":"spot.system","event":"upgrade"}"#,
];
const PUBLIC_NEXT: LinkId = LinkId { role: LinkRole::Public, shard: 1 };
const PRIVATE_NEXT: LinkId = LinkId { role: LinkRole::Private, shard: 1 };

fn delta(pair: &str, first: u64, last: u64) -> String {
    format!(
        r#"{{"time":1,"time_ms":1750000000123,"channel":"spot.order_book_update","event":"update","result":{{"t":1750000000100,"s":"{pair}","U":{first},"u":{last},"b":[["100","2"]],"a":[]}}}}"#
    )
}

fn base(id: u64) -> String {
    format!(r#"{{"id":{id},"current":1750000000123,"update":1750000000100,"asks":[["101","1"]],"bids":[["100","1"]]}}"#)
}

/// Both books live at id 10.
fn live(channel: &str) -> Rig {
    let mut rig = Rig::live(channel, true);
    for pair in ["BTC_USDT", "ETH_USDT"] {
        match channel {
            "obu" => rig.frame(PUBLIC, &full(pair, 10)),
            "order_book" => rig.frame(PUBLIC, &snapshot(pair, 10)),
            _ => {
                rig.frame(PUBLIC, &delta(pair, 10, 10));
                let sent = rig.requests().remove(0);
                rig.answer(sent.ticket, 200, &base(10));
            }
        }
    }
    assert_eq!(rig.book_news(), ["S10", "S10"]);
    rig.drain();
    rig
}

fn opened(out: &[Transmit]) -> Vec<LinkId> {
    out.iter().filter_map(|o| if let Transmit::Open(link) = o { Some(*link) } else { None }).collect()
}

fn closed(out: &[Transmit]) -> Vec<LinkId> {
    out.iter().filter_map(|o| if let Transmit::Close(link) = o { Some(*link) } else { None }).collect()
}

/// Acknowledges and answers what is asked on a link.
fn serve(rig: &mut Rig, on: LinkId) {
    for _ in 0..3 {
        for out in rig.drain() {
            let Transmit::Frame { link, text, .. } = out else { continue };
            let mut frame: serde_json::Value = serde_json::from_str(&text).unwrap();
            if link != on {
                continue;
            }
            if frame["channel"] == "spot.ping" {
                rig.pong(link);
            } else {
                frame["result"] = serde_json::json!({"status": "success"});
                rig.frame(link, &frame.to_string());
            }
        }
    }
}

/// A frame that advances a book from `id - 1` to `id`.
fn next_of(channel: &str, pair: &str, id: u64) -> String {
    match channel {
        "obu" => change(pair, id, id),
        "order_book" => snapshot(pair, id),
        _ => delta(pair, id, id),
    }
}

/// What a new subscription begins with at `id`.
fn first_of(channel: &str, pair: &str, id: u64) -> String {
    if channel == "obu" { full(pair, id) } else { next_of(channel, pair, id) }
}

#[track_caller]
fn keeps_trust(rig: &mut Rig) -> Vec<String> {
    let news: Vec<Input> = rig.take();
    assert!(!news.iter().any(|i| matches!(i, Input::Link(_))), "the engine hears of no link: {news:?}");
    rig.updates = news;
    let books = rig.book_news();
    assert!(!books.iter().any(|news| news.starts_with('U')), "{books:?}");
    books
}

#[test]
fn books_go_over_to_a_second_link_without_losing_trust() {
    for notice in NOTICES {
        for channel in ["order_book", "order_book_update", "obu", "obu400"] {
            let name = if channel == "obu400" { "obu" } else { channel };
            let deep = |text: String| if channel == "obu400" { text.replace(".50\"", ".400\"") } else { text };
            let mut rig = if channel == "obu400" {
                let mut rig = Rig::live(channel, true);
                for pair in ["BTC_USDT", "ETH_USDT"] {
                    rig.frame(PUBLIC, &deep(full(pair, 10)));
                }
                rig
            } else {
                live(channel)
            };
            rig.take();
            rig.frame(PUBLIC, notice);
            assert_eq!(opened(&rig.drain()), [PUBLIC_NEXT, PRIVATE_NEXT]);
            rig.frame(PUBLIC, &deep(next_of(name, "BTC_USDT", 11)));
            rig.connect(PUBLIC_NEXT);
            serve(&mut rig, PUBLIC_NEXT);
            // The old one still drives; the new one begins where it does, then the old one's copies come late.
            rig.frame(PUBLIC, &deep(next_of(name, "BTC_USDT", 12)));
            rig.frame(PUBLIC_NEXT, &deep(first_of(name, "BTC_USDT", 12)));
            rig.frame(PUBLIC_NEXT, &deep(first_of(name, "ETH_USDT", 11)));
            rig.frame(PUBLIC_NEXT, &deep(next_of(name, "BTC_USDT", 13)));
            rig.frame(PUBLIC, &deep(next_of(name, "BTC_USDT", 13)));
            rig.frame(PUBLIC, &deep(next_of(name, "ETH_USDT", 11)));
            let before = keeps_trust(&mut rig);
            assert!(before.iter().any(|news| news.ends_with("13")), "{channel}: {before:?}");
            let out = rig.run(800 * MILLI);
            assert_eq!(closed(&out), [PUBLIC], "{channel}");
            // The old link is not listened to any more, the new one goes on.
            rig.frame(PUBLIC, &deep(next_of(name, "BTC_USDT", 99)));
            rig.frame(PUBLIC_NEXT, &deep(next_of(name, "BTC_USDT", 14)));
            rig.lose(PUBLIC);
            rig.frame(PUBLIC_NEXT, &deep(next_of(name, "ETH_USDT", 12)));
            let after: Vec<String> = keeps_trust(&mut rig).into_iter().filter(|news| !news.starts_with(['T', 'E'])).collect();
            let expected = if name == "order_book" { ["S14", "S12"] } else { ["D14-14", "D12-12"] };
            assert_eq!(after, expected, "{channel}");
        }
    }
}

#[test]
fn a_new_link_that_is_behind_catches_up_before_it_takes_over() {
    for channel in ["order_book_update", "obu"] {
        let mut rig = live(channel);
        rig.frame(PUBLIC, NOTICES[0]);
        rig.drain();
        rig.connect(PUBLIC_NEXT);
        serve(&mut rig, PUBLIC_NEXT);
        let first = if channel == "obu" { full("BTC_USDT", 10) } else { delta("BTC_USDT", 10, 10) };
        rig.frame(PUBLIC_NEXT, &first_of(channel, "ETH_USDT", 10));
        for id in 11..15 {
            rig.frame(PUBLIC, &next_of(channel, "BTC_USDT", id));
        }
        rig.frame(PUBLIC_NEXT, &first);
        for id in 11..14 {
            rig.frame(PUBLIC_NEXT, &next_of(channel, "BTC_USDT", id));
        }
        // Ids 14 on the old link, 13 on the new one; then a change that spans both.
        rig.frame(PUBLIC_NEXT, &if channel == "obu" { change("BTC_USDT", 14, 16) } else { delta("BTC_USDT", 14, 16) });
        let news = keeps_trust(&mut rig);
        assert_eq!(news.last().map(String::as_str), Some("D15-16"), "{channel}: {news:?}");
    }
}

#[test]
fn a_book_that_the_old_link_keeps_ahead_waits_for_the_new_one() {
    let mut rig = live("obu");
    rig.frame(PUBLIC, NOTICES[0]);
    rig.drain();
    rig.connect(PUBLIC_NEXT);
    serve(&mut rig, PUBLIC_NEXT);
    rig.frame(PUBLIC, &change("BTC_USDT", 11, 12));
    rig.frame(PUBLIC_NEXT, &full("ETH_USDT", 10));
    rig.frame(PUBLIC_NEXT, &full("BTC_USDT", 11));
    let mut switched = false;
    // Always one id behind.
    for id in 13..73 {
        rig.frame(PUBLIC, &change("BTC_USDT", id, id));
        rig.frame(PUBLIC_NEXT, &change("BTC_USDT", id - 1, id - 1));
        let out = rig.run(100 * MILLI);
        switched |= closed(&out).contains(&PUBLIC);
    }
    assert!(switched);
    keeps_trust(&mut rig);
}

#[test]
fn a_book_without_trust_at_the_switch_is_asked_for_on_the_new_link() {
    let mut rig = live("obu");
    rig.frame(PUBLIC, NOTICES[0]);
    rig.drain();
    rig.connect(PUBLIC_NEXT);
    serve(&mut rig, PUBLIC_NEXT);
    rig.frame(PUBLIC, &change("BTC_USDT", 11, 12));
    rig.frame(PUBLIC_NEXT, &full("ETH_USDT", 10));
    // Served, but behind; then the old link breaks its chain before the new one has caught up.
    rig.frame(PUBLIC_NEXT, &full("BTC_USDT", 11));
    rig.frame(PUBLIC, &change("BTC_USDT", 20, 20));
    assert!(rig.book_news().iter().any(|news| news.starts_with('U')), "a gap is not trusted");
    let mut asked = false;
    for _ in 0..50 {
        for out in rig.run(100 * MILLI) {
            let Transmit::Frame { link: PUBLIC_NEXT, text, .. } = out else { continue };
            let mut frame: serde_json::Value = serde_json::from_str(&text).unwrap();
            if frame["channel"] != "spot.obu" {
                continue;
            }
            asked |= frame["event"] == "subscribe" && text.contains("BTC_USDT");
            frame["result"] = serde_json::json!({"status": "success"});
            rig.frame(PUBLIC_NEXT, &frame.to_string());
        }
    }
    assert!(asked, "the new link is asked for a whole book");
    rig.frame(PUBLIC_NEXT, &full("BTC_USDT", 30));
    assert_eq!(rig.book_news().last().map(String::as_str), Some("S30"));
}

#[test]
fn private_news_overlaps_and_nothing_is_reconciled() {
    let mut rig = live("order_book");
    rig.frame(PRIVATE, NOTICES[0]);
    assert_eq!(opened(&rig.drain()), [PUBLIC_NEXT, PRIVATE_NEXT]);
    rig.connect(PRIVATE_NEXT);
    serve(&mut rig, PRIVATE_NEXT);
    let fill = |id: u64| {
        format!(
            r#"{{"time":1,"channel":"spot.usertrades","event":"update","result":[{{"id":{id},"order_id":"77","currency_pair":"BTC_USDT","side":"buy","amount":"0.0021","role":"taker","price":"61234.5","fee":"0"}}]}}"#
        )
    };
    let balance = |amount: u64| {
        format!(
            r#"{{"time":1,"channel":"spot.balances","event":"update","result":[{{"currency":"USDT","available":"{amount}","freeze":"0"}}]}}"#
        )
    };
    let fills = |rig: &mut Rig| {
        rig.take().into_iter().filter(|i| matches!(i, Input::Fill(_) | Input::Balances(_) | Input::Link(_))).count()
    };
    // Executions of both are passed on, each has its id; balances only of the link in use, they have none.
    for link in [PRIVATE, PRIVATE_NEXT] {
        rig.frame(link, &fill(1));
        rig.frame(link, &balance(1));
    }
    assert_eq!(fills(&mut rig), 3);
    assert_eq!(closed(&rig.run(800 * MILLI)), [PRIVATE]);
    // What still comes on the old one is true, but its balances may be older than the new one's.
    rig.frame(PRIVATE, &fill(2));
    rig.frame(PRIVATE, &balance(2));
    rig.frame(PRIVATE_NEXT, &balance(3));
    rig.lose(PRIVATE);
    assert_eq!(fills(&mut rig), 2);
}

#[test]
fn a_private_link_that_dies_before_its_follower_is_proved_is_lost() {
    for proved in [false, true] {
        let mut rig = live("order_book");
        rig.frame(PRIVATE, NOTICES[0]);
        rig.drain();
        rig.connect(PRIVATE_NEXT);
        if proved {
            serve(&mut rig, PRIVATE_NEXT);
        }
        rig.lose(PRIVATE);
        let expected = if proved { vec![] } else { vec![(LinkRole::Private, LinkState::Lost)] };
        assert_eq!(rig.link_news(), expected, "proved: {proved}");
        if !proved {
            // The follower is not thrown away: once proved, it is the link, and the engine reconciles.
            serve(&mut rig, PRIVATE_NEXT);
            assert_eq!(rig.link_news(), [(LinkRole::Private, LinkState::Up)]);
        }
        assert!(closed(&rig.run(5 * SECOND)).iter().all(|link| link.role != LinkRole::Private));
    }
}

#[test]
fn books_of_a_link_that_dies_early_go_over_where_they_can() {
    let mut rig = live("obu");
    rig.frame(PUBLIC, NOTICES[0]);
    rig.drain();
    rig.connect(PUBLIC_NEXT);
    serve(&mut rig, PUBLIC_NEXT);
    rig.frame(PUBLIC_NEXT, &full("BTC_USDT", 11));
    rig.take();
    rig.lose(PUBLIC);
    assert_eq!(rig.link_news(), []);
    rig.frame(PUBLIC_NEXT, &change("BTC_USDT", 12, 12));
    rig.frame(PUBLIC_NEXT, &full("ETH_USDT", 11));
    assert_eq!(rig.book_news(), ["D12-12", "S11"]);
    assert_eq!(rig.session.desk.stats.resyncs.iter().sum::<u64>(), 1, "only the book that had not gone over");
    // Dead before the follower is up: as any other loss.
    let mut rig = live("obu");
    rig.frame(PUBLIC, NOTICES[0]);
    rig.drain();
    rig.lose(PUBLIC);
    assert_eq!(rig.link_news(), [(LinkRole::Public, LinkState::Lost)]);
    rig.connect(PUBLIC_NEXT);
    assert_eq!(rig.link_news(), [(LinkRole::Public, LinkState::Up)]);
    rig.frame(PUBLIC_NEXT, &full("BTC_USDT", 12));
    assert_eq!(rig.book_news(), ["S12"]);
}

#[test]
fn a_follower_that_fails_is_tried_again_and_the_old_link_drives_on() {
    let mut rig = live("obu");
    rig.frame(PUBLIC, NOTICES[0]);
    rig.drain();
    rig.lose(PUBLIC_NEXT);
    rig.frame(PUBLIC, &change("BTC_USDT", 11, 11));
    assert_eq!(keeps_trust(&mut rig), ["D11-11"]);
    let out = rig.run(SECOND);
    assert!(opened(&out).contains(&PUBLIC_NEXT));
    // One that fails after a book went over takes just that book's trust with it.
    rig.connect(PUBLIC_NEXT);
    serve(&mut rig, PUBLIC_NEXT);
    rig.frame(PUBLIC_NEXT, &full("BTC_USDT", 12));
    rig.take();
    rig.frame(PUBLIC_NEXT, "{\"chan");
    assert_eq!(rig.book_news(), ["U reconnect"]);
    assert_eq!(closed(&rig.drain()), [PUBLIC_NEXT]);
    rig.frame(PUBLIC, &change("ETH_USDT", 11, 11));
    assert_eq!(rig.book_news(), ["D11-11"]);
}

#[test]
fn without_a_new_link_in_time_the_old_one_is_reopened() {
    let mut rig = live("obu");
    rig.frame(PUBLIC, NOTICES[0]);
    let mut closes = Vec::new();
    let mut id = 10;
    for _ in 0..310 {
        id += 1;
        for pair in ["BTC_USDT", "ETH_USDT"] {
            rig.frame(PUBLIC, &change(pair, id, id));
        }
        for out in rig.run(100 * MILLI) {
            match out {
                Transmit::Open(link) if link.shard == 1 => rig.lose(link),
                Transmit::Frame { link, text, .. } if text.contains("spot.ping") => rig.pong(link),
                Transmit::Close(link) => closes.push((rig.now, link)),
                _ => {}
            }
        }
    }
    assert_eq!(closes.iter().map(|(_, link)| *link).collect::<Vec<_>>(), [PUBLIC, PRIVATE]);
    assert!(closes.iter().all(|(at, _)| at.0 >= 31 * SECOND), "{closes:?}");
    rig.take();
    rig.lose(PUBLIC);
    assert_eq!(rig.link_news(), [(LinkRole::Public, LinkState::Lost)]);
}

#[test]
fn notices_in_a_row_make_one_new_link() {
    let mut rig = live("obu");
    for _ in 0..5 {
        rig.frame(PUBLIC, NOTICES[0]);
        rig.frame(PRIVATE, NOTICES[1]);
    }
    assert_eq!(opened(&rig.drain()), [PUBLIC_NEXT, PRIVATE_NEXT]);
    for link in [PUBLIC_NEXT, PRIVATE_NEXT] {
        rig.connect(link);
        serve(&mut rig, link);
    }
    for pair in ["BTC_USDT", "ETH_USDT"] {
        rig.frame(PUBLIC_NEXT, &full(pair, 10));
    }
    assert_eq!(closed(&rig.run(800 * MILLI)), [PUBLIC, PRIVATE]);
    for link in [PUBLIC, PRIVATE] {
        // Its own notice may still come, and means nothing now.
        rig.frame(link, NOTICES[0]);
        rig.lose(link);
    }
    assert_eq!(opened(&rig.run(SECOND)), []);
    // The new links are told to go as well: not before they stood for a while.
    rig.frame(PUBLIC_NEXT, NOTICES[0]);
    assert_eq!(opened(&rig.drain()), []);
    let mut out = rig.run(15 * SECOND);
    for pair in ["BTC_USDT", "ETH_USDT"] {
        rig.frame(PUBLIC_NEXT, &change(pair, 11, 11));
    }
    out.extend(rig.run(15 * SECOND));
    assert_eq!(opened(&out).into_iter().filter(|link| link.shard == 2).count(), 2, "{:?}", opened(&out));
}

#[test]
fn shutdown_and_pauses_close_both_links() {
    use venue::VenueSession;
    for pause in [false, true] {
        let mut rig = live("obu");
        rig.frame(PUBLIC, NOTICES[0]);
        rig.drain();
        rig.connect(PUBLIC_NEXT);
        rig.drain();
        if pause {
            rig.session.handle_paused(rig.now, &mut rig.updates);
        } else {
            rig.session.shutdown(rig.now);
        }
        let mut links = closed(&rig.drain());
        links.sort();
        assert_eq!(links, [PUBLIC, PUBLIC_NEXT, PRIVATE, PRIVATE_NEXT], "pause: {pause}");
        for link in links {
            rig.lose(link);
        }
        let open = opened(&rig.run(SECOND));
        assert_eq!(open.len(), if pause { 2 } else { 0 }, "{open:?}");
        rig.take();
        if !pause {
            assert_eq!(rig.session.poll_timeout(), None);
        }
    }
}

#[test]
fn ids_at_the_end_of_their_range_break_nothing_on_a_new_link() {
    for channel in ["order_book_update", "obu"] {
        let mut rig = live(channel);
        rig.frame(PUBLIC, NOTICES[0]);
        rig.drain();
        rig.connect(PUBLIC_NEXT);
        serve(&mut rig, PUBLIC_NEXT);
        if channel == "obu" {
            rig.frame(PUBLIC_NEXT, &full("BTC_USDT", 9));
            rig.frame(PUBLIC_NEXT, &change("BTC_USDT", 10, u64::MAX));
            rig.frame(PUBLIC_NEXT, &change("BTC_USDT", u64::MAX, u64::MAX));
        }
        rig.frame(PUBLIC_NEXT, &next_of(channel, "ETH_USDT", u64::MAX));
        rig.frame(PUBLIC_NEXT, &next_of(channel, "ETH_USDT", u64::MAX));
        rig.run(SECOND);
    }
}
