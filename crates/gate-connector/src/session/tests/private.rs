//! The proof that private news comes (F28).

use super::rig::{PRIVATE, Rig, client, order, row};
use domain::time::{MILLI, SECOND};
use domain::{Command, LinkRole, LinkState, NewOrder, OrderReport, Purpose};
use venue::Transmit;

/// Places an order whose reply says that it ended; returns what was sent.
fn place(rig: &mut Rig, counter: u64, left: &str, finish_as: &str) {
    rig.submit(Command::Place(order(counter)));
    let sent = rig.requests().into_iter().find(|sent| sent.order).expect("an order");
    rig.answer(sent.ticket, 200, &row(counter, "closed", left, finish_as));
}

fn order_event(counter: u64, left: &str) -> String {
    let text = client(counter);
    format!(
        r#"{{"time":1,"time_ms":1750000000123,"channel":"spot.orders","event":"update","result":[{{"id":"77","text":"t-{text}","event":"finish","currency_pair":"BTC_USDT","type":"limit","side":"buy","amount":"0.0021","price":"61234.5","left":"{left}","finish_as":"ioc"}}]}}"#
    )
}

fn fill_event(counter: u64) -> String {
    let text = client(counter);
    format!(
        r#"{{"time":1,"time_ms":1750000000123,"channel":"spot.usertrades","event":"update","result":[{{"id":5,"order_id":"77","currency_pair":"BTC_USDT","side":"buy","amount":"0.0021","role":"taker","price":"61234.5","text":"t-{text}","fee":"0","create_time_ms":"1750000000123.4"}}]}}"#
    )
}

/// Runs the venue's side of the links, muted but for pongs and acknowledgements.
fn run_muted(rig: &mut Rig, nanos: u64) {
    let end = rig.now.after(nanos);
    while rig.now < end {
        for out in rig.run(10 * MILLI) {
            match out {
                Transmit::Close(link) => rig.lose(link),
                Transmit::Open(link) => rig.connect(link),
                Transmit::Frame { link, text, .. } => {
                    let frame: serde_json::Value = serde_json::from_str(&text).unwrap();
                    if frame["channel"] == "spot.ping" { rig.pong(link) } else { rig.acknowledge(&frame) }
                }
                Transmit::Request { .. } => {}
            }
        }
    }
}

fn private_news(rig: &mut Rig) -> Vec<LinkState> {
    rig.link_news().into_iter().filter(|(role, _)| *role == LinkRole::Private).map(|(_, state)| state).collect()
}

#[test]
fn an_order_without_its_event_in_two_seconds_reopens_the_link() {
    let mut rig = Rig::live("order_book", true);
    place(&mut rig, 1, "0.0021", "ioc");
    assert!(!rig.run(2 * SECOND - 1).contains(&Transmit::Close(PRIVATE)));
    assert_eq!(private_news(&mut rig), []);
    assert!(rig.run(1).contains(&Transmit::Close(PRIVATE)));
    // The engine is told at once, before the socket is closed.
    assert_eq!(private_news(&mut rig), [LinkState::Lost]);
}

#[test]
fn an_event_before_or_after_the_reply_proves_the_link() {
    for before in [true, false] {
        let mut rig = Rig::live("order_book", true);
        if before {
            rig.frame(PRIVATE, &order_event(1, "0.0021"));
        }
        place(&mut rig, 1, "0.0021", "ioc");
        rig.run(SECOND);
        if !before {
            rig.frame(PRIVATE, &order_event(1, "0.0021"));
        }
        assert!(!rig.run(5 * SECOND).contains(&Transmit::Close(PRIVATE)));
    }
}

#[test]
fn an_executed_order_owes_its_executions_too() {
    for told in [true, false] {
        let mut rig = Rig::live("order_book", true);
        place(&mut rig, 1, "0", "filled");
        rig.frame(PRIVATE, &order_event(1, "0"));
        if told {
            rig.frame(PRIVATE, &fill_event(1));
        }
        assert_eq!(rig.run(3 * SECOND).contains(&Transmit::Close(PRIVATE)), !told);
    }
}

#[test]
fn a_refused_or_unknown_order_owes_nothing() {
    let mut rig = Rig::live("order_book", true);
    rig.submit(Command::Place(order(1)));
    let sent = rig.requests().remove(0);
    rig.answer(sent.ticket, 400, r#"{"label":"BALANCE_NOT_ENOUGH","message":"x"}"#);
    rig.submit(Command::Place(order(2)));
    let sent = rig.requests().remove(0);
    rig.fail(sent.ticket, venue::IoFailure::TimedOut);
    assert!(!rig.run(5 * SECOND).contains(&Transmit::Close(PRIVATE)));
}

/// An engine that opens whenever the link is up and no order of its own is unresolved, and a venue that is mute for so long from the
/// first order on. Gives back how many orders left, how many of them while it was mute, and the last state of the link.
fn trade_through_a_mute(mute_ns: u64) -> (u32, u32, LinkState) {
    let mut rig = Rig::live("order_book", true);
    let begun = rig.now;
    let (mut sent, mut sent_muted, mut up, mut next) = (0u32, 0u32, LinkState::Up, rig.now);
    while rig.now.since(begun) < mute_ns + 150 * SECOND {
        let muted = rig.now.since(begun) < mute_ns;
        if up == LinkState::Up && rig.now >= next {
            sent += 1;
            sent_muted += u32::from(muted);
            place(&mut rig, u64::from(sent), "0.0021", "ioc");
            if !muted {
                rig.frame(PRIVATE, &order_event(u64::from(sent), "0.0021"));
            }
            next = rig.now.after(2_100 * MILLI);
        }
        run_muted(&mut rig, 100 * MILLI);
        up = private_news(&mut rig).last().copied().unwrap_or(up);
    }
    (sent, sent_muted, up)
}

#[test]
fn through_a_mute_one_order_reveals_it_and_one_passes_until_it_is_over() {
    for (seconds, most) in [(1, 1), (10, 1), (60, 2)] {
        let (sent, sent_muted, state) = trade_through_a_mute(seconds * SECOND);
        // The first one finds out; at most one more passes under suspicion.
        assert!((1..=most).contains(&sent_muted), "{seconds} s: {sent_muted} orders");
        assert_eq!(state, LinkState::Up, "{seconds} s: trading goes on by itself");
        assert!(sent > sent_muted + 20, "{seconds} s: {sent} orders in all");
    }
}

/// Under suspicion, held, and told up again.
fn suspected() -> Rig {
    let mut rig = Rig::live("order_book", true);
    place(&mut rig, 1, "0.0021", "ioc");
    run_muted(&mut rig, 2_200 * MILLI);
    assert_eq!(private_news(&mut rig), [LinkState::Lost]);
    run_muted(&mut rig, 10 * SECOND);
    assert_eq!(private_news(&mut rig), [LinkState::Up]);
    rig
}

#[test]
fn one_opening_passes_under_suspicion_and_whatever_reduces_risk() {
    let mut rig = suspected();
    rig.submit(Command::Place(order(2)));
    let probe = rig.requests().remove(0);
    assert_eq!(private_news(&mut rig), [LinkState::Lost]);
    rig.submit(Command::Place(order(3)));
    assert_eq!((rig.one_report(), rig.requests().len()), (OrderReport::NotSent, 0));
    rig.submit(Command::Place(NewOrder { purpose: Purpose::Hedge, ..order(4) }));
    assert_eq!(rig.requests().len(), 1);
    rig.answer(probe.ticket, 200, &row(2, "closed", "0.0021", "ioc"));
    rig.take();
    rig.frame(PRIVATE, &order_event(2, "0.0021"));
    assert_eq!(private_news(&mut rig), [LinkState::Up]);
    rig.submit(Command::Place(order(5)));
    rig.submit(Command::Place(order(6)));
    assert_eq!(rig.requests().len(), 2);
}

#[test]
fn a_probe_without_its_event_is_followed_by_none_for_longer_than_a_minute() {
    for answered in [true, false] {
        let mut rig = suspected();
        rig.submit(Command::Place(order(2)));
        let probe = rig.requests().remove(0);
        if answered {
            rig.answer(probe.ticket, 200, &row(2, "closed", "0.0021", "ioc"));
        } else {
            rig.fail(probe.ticket, venue::IoFailure::TimedOut);
        }
        private_news(&mut rig);
        run_muted(&mut rig, 65 * SECOND);
        assert_eq!(private_news(&mut rig), []);
        run_muted(&mut rig, 6 * SECOND);
        assert_eq!(private_news(&mut rig), [LinkState::Up], "answered {answered}");
    }
}

#[test]
fn a_probe_that_never_lived_shows_nothing_and_another_may_pass() {
    let mut rig = suspected();
    rig.submit(Command::Place(order(2)));
    let probe = rig.requests().remove(0);
    private_news(&mut rig);
    rig.answer(probe.ticket, 400, r#"{"label":"BALANCE_NOT_ENOUGH","message":"x"}"#);
    assert_eq!(private_news(&mut rig), [LinkState::Up]);
    rig.submit(Command::Place(order(3)));
    let probe = rig.requests().remove(0);
    private_news(&mut rig);
    rig.fail(probe.ticket, venue::IoFailure::NotSent);
    assert_eq!(private_news(&mut rig), [LinkState::Up]);
    // Void when it came to the venue's door: as little was there to tell of.
    rig.submit(Command::Place(NewOrder { deadline: Some(rig.now.after(500 * MILLI)), ..order(4) }));
    let probe = rig.requests().remove(0);
    rig.pass(SECOND);
    private_news(&mut rig);
    rig.answer(probe.ticket, 400, r#"{"label":"EXPTIME_PASSED","message":"x"}"#);
    assert_eq!(private_news(&mut rig), [LinkState::Up]);
    rig.submit(Command::Place(order(5)));
    assert_eq!(rig.requests().len(), 1);
}

#[test]
fn only_an_event_about_an_order_or_an_execution_ends_a_suspicion() {
    for (event, ends) in [
        (r#"{"time":1,"channel":"spot.balances","event":"update","result":[{"currency":"USDT","available":"1","freeze":"0"}]}"#.into(), false),
        (r#"{"time":1,"channel":"spot.orders","event":"update","result":[]}"#.into(), false),
        (order_event(1, "0.0021"), true),
        (fill_event(1), true),
    ] {
        let event: String = event;
        let mut rig = Rig::live("order_book", true);
        place(&mut rig, 1, "0.0021", "ioc");
        run_muted(&mut rig, 4 * SECOND);
        assert_eq!(private_news(&mut rig), [LinkState::Lost]);
        rig.frame(PRIVATE, &event);
        assert_eq!(private_news(&mut rig) == [LinkState::Up], ends, "{event}");
    }
    // And the next suspicion is the first again.
    let mut rig = suspected();
    rig.frame(PRIVATE, &order_event(1, "0.0021"));
    place(&mut rig, 2, "0.0021", "ioc");
    run_muted(&mut rig, 2_200 * MILLI);
    assert_eq!(private_news(&mut rig), [LinkState::Lost]);
    run_muted(&mut rig, 10 * SECOND);
    assert_eq!(private_news(&mut rig), [LinkState::Up]);
}

#[test]
fn a_pause_is_no_suspicion() {
    use venue::VenueSession;
    let mut rig = Rig::live("order_book", true);
    place(&mut rig, 1, "0.0021", "ioc");
    rig.pass(30 * SECOND);
    rig.session.handle_paused(rig.now, &mut rig.updates);
    run_muted(&mut rig, 3 * SECOND);
    assert_eq!(private_news(&mut rig), [LinkState::Paused, LinkState::Lost, LinkState::Up]);
}

#[test]
fn an_order_sent_before_the_link_was_up_owes_it_nothing() {
    // Its event came while no link listened: the reply that follows proves nothing about the new one.
    let mut rig = Rig::live("order_book", true);
    rig.submit(Command::Place(order(1)));
    let sent = rig.requests().into_iter().find(|sent| sent.order).expect("an order");
    rig.lose(PRIVATE);
    run_muted(&mut rig, SECOND);
    assert_eq!(private_news(&mut rig), [LinkState::Lost, LinkState::Up]);
    rig.answer(sent.ticket, 200, &row(1, "closed", "0.0021", "ioc"));
    run_muted(&mut rig, 5 * SECOND);
    assert_eq!(private_news(&mut rig), []);
    // The next one is a probe again.
    place(&mut rig, 2, "0.0021", "ioc");
    run_muted(&mut rig, 2_100 * MILLI);
    assert_eq!(private_news(&mut rig), [LinkState::Lost]);
}

#[test]
fn a_link_that_is_being_closed_anyway_is_not_suspected() {
    let mut rig = Rig::live("order_book", true);
    place(&mut rig, 1, "0.0021", "ioc");
    rig.pass(1_900 * MILLI);
    // A hole in the private news: the link is closed and opened anew, and the close takes its time.
    rig.frame(PRIVATE, r#"{"time":1,"channel":"spot.orders","event":"update","result":[7]}"#);
    assert!(rig.run(200 * MILLI).contains(&Transmit::Close(PRIVATE)));
    assert_eq!(private_news(&mut rig), [LinkState::Lost], "not believed while it closes");
    rig.lose(PRIVATE);
    run_muted(&mut rig, SECOND);
    assert_eq!(private_news(&mut rig), [LinkState::Up], "a new link need not wait for an event");
}

#[test]
fn a_reply_that_came_very_late_expects_no_event() {
    let options = venue::SessionOptions { order_entry: venue::OrderEntry::WebSocket, ..venue::SessionOptions::default() };
    let mut rig = Rig::live_with("order_book", true, options);
    rig.submit(Command::Place(order(1)));
    let frame = rig.frames().remove(0);
    rig.reply(super::rig::ENTRY, &frame, "200", r#""ack":true,"data":{"result":{}}"#);
    // More orders than are remembered have their events meanwhile.
    for counter in 1..400 {
        rig.frame(PRIVATE, &order_event(counter, "0.0021"));
    }
    run_muted(&mut rig, 4 * SECOND);
    rig.take();
    let answered = rig.session.desk.stats.ignored;
    rig.reply(super::rig::ENTRY, &frame, "200", &format!(r#""data":{{"result":{}}}"#, row(1, "closed", "0.0021", "ioc")));
    assert_eq!(rig.session.desk.stats.ignored, answered, "it is still told");
    run_muted(&mut rig, 3 * SECOND);
    assert_eq!(private_news(&mut rig), []);
}
