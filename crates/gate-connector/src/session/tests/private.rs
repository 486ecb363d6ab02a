//! The proof that private news comes (F28).

use super::rig::{PRIVATE, Rig, client, order, row};
use domain::time::{MILLI, SECOND};
use domain::{Command, Input, LinkRole, LinkState};
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

#[test]
fn while_private_news_is_muted_the_link_is_up_for_one_order_and_then_hardly_ever() {
    let mut rig = Rig::live("order_book", true);
    let (mut orders, mut up, mut counter) = (0, true, 0);
    let mut states = Vec::new();
    // An engine that opens whenever the link is up, for one minute of mute.
    for _ in 0..600 {
        if up {
            counter += 1;
            place(&mut rig, counter, "0.0021", "ioc");
            orders += 1;
            // It waits for the outcome of that one before the next.
            run_muted(&mut rig, 2_100 * MILLI);
        }
        run_muted(&mut rig, 100 * MILLI);
        for state in private_news(&mut rig) {
            up = state == LinkState::Up;
            states.push(state);
        }
    }
    // Opened anew at once, believed after 10, 20, 40 seconds.
    assert!(orders <= 4, "{orders} orders");
    assert_eq!(states.first(), Some(&LinkState::Lost));
}

#[test]
fn a_private_event_ends_the_suspicion_at_once() {
    let mut rig = Rig::live("order_book", true);
    place(&mut rig, 1, "0.0021", "ioc");
    run_muted(&mut rig, 4 * SECOND);
    assert_eq!(private_news(&mut rig), [LinkState::Lost]);
    rig.frame(
        PRIVATE,
        r#"{"time":1,"channel":"spot.balances","event":"update","result":[{"currency":"USDT","available":"1","freeze":"0"}]}"#,
    );
    let news = rig.take();
    assert!(
        news.iter().any(|i| matches!(i, Input::Link(c) if c.role == LinkRole::Private && c.state == LinkState::Up)),
        "{news:?}"
    );
    // And the next suspicion is the first again.
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
    let answered = rig.session.stats.ignored;
    rig.reply(super::rig::ENTRY, &frame, "200", &format!(r#""data":{{"result":{}}}"#, row(1, "closed", "0.0021", "ioc")));
    assert_eq!(rig.session.stats.ignored, answered, "it is still told");
    run_muted(&mut rig, 3 * SECOND);
    assert_eq!(private_news(&mut rig), []);
}
