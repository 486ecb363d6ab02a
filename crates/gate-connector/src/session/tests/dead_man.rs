//! The venue's dead-man switch: what is sent, and what its answer tells.

use super::rig::Rig;
use domain::time::{MILLI, SECOND};
use domain::{Command, DeadMan, Input, MonoNanos, VenueId};
use venue::{IoFailure, Method, VenueSession};

const ARM: Command = Command::DeadMan { venue: VenueId(0), timeout_ns: 30 * SECOND };

#[track_caller]
fn told(rig: &mut Rig) -> (Option<MonoNanos>, bool) {
    let inputs = rig.take();
    match inputs.as_slice() {
        [Input::DeadMan(DeadMan { venue: VenueId(0), armed_until, ok, received })] if *received == rig.now => (*armed_until, *ok),
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_is_one_signed_post_whose_timeout_is_in_whole_seconds_from_five_on() {
    let second = SECOND;
    for (timeout_ns, seconds) in
        [(30 * second, 30), (second, 5), (1, 5), (5 * second, 5), (5 * second + 1, 6), (12_400 * MILLI, 13), (0, 0)]
    {
        let mut rig = Rig::live("order_book", true);
        rig.submit(Command::DeadMan { venue: VenueId(0), timeout_ns });
        let sent = rig.requests().remove(0);
        assert_eq!((sent.request.method, sent.request.path.as_str()), (Method::Post, "/api/v4/spot/countdown_cancel_all"));
        assert_eq!(String::from_utf8(sent.request.body.clone()).unwrap(), format!(r#"{{"timeout":{seconds}}}"#));
        assert!(sent.header("SIGN").is_some() && !sent.order, "no order, and no expiry: {sent:?}");
        assert_eq!(sent.header("x-gate-exptime"), None);
    }
}

#[test]
fn armed_it_fires_so_long_after_the_request_left_and_disarmed_never() {
    for trigger in ["1750000031000", r#""1750000031000""#] {
        let mut rig = Rig::live("order_book", true);
        rig.submit(ARM);
        let sent_at = rig.now;
        let sent = rig.requests().remove(0);
        rig.pass(80 * MILLI);
        rig.answer(sent.ticket, 200, &format!(r#"{{"triggerTime":{trigger}}}"#));
        assert_eq!(told(&mut rig), (Some(sent_at.after(30 * SECOND)), true));
    }
    let mut rig = Rig::live("order_book", true);
    rig.submit(Command::DeadMan { venue: VenueId(0), timeout_ns: 0 });
    let sent = rig.requests().remove(0);
    rig.answer(sent.ticket, 200, r#"{"triggerTime":0}"#);
    assert_eq!(told(&mut rig), (None, true));
}

#[test]
fn whatever_is_no_confirmation_is_told_as_a_failure_and_never_repeated() {
    for (status, body) in [
        (200, r#"{"triggerTime":0}"#),
        (200, r#"{"triggerTime":"soon"}"#),
        (200, "{}"),
        (200, "<html>"),
        (400, r#"{"label":"INVALID_PARAM_VALUE"}"#),
        (403, r#"{"label":"READ_ONLY"}"#),
        (429, ""),
        (503, ""),
    ] {
        let mut rig = Rig::live("order_book", true);
        rig.submit(ARM);
        let sent = rig.requests().remove(0);
        let before = rig.take();
        assert!(before.is_empty());
        rig.answer(sent.ticket, status, body);
        let news: Vec<Input> = rig.take().into_iter().filter(|input| !matches!(input, Input::Budget(_))).collect();
        assert!(matches!(news.as_slice(), [Input::DeadMan(DeadMan { armed_until: None, ok: false, .. })]), "{status} {news:?}");
        let later = rig.run(20 * SECOND);
        assert!(!format!("{later:?}").contains("countdown"), "{status} {body}");
    }
    for failure in [IoFailure::NotSent, IoFailure::Broken, IoFailure::TimedOut] {
        let mut rig = Rig::live("order_book", true);
        rig.submit(ARM);
        let sent = rig.requests().remove(0);
        rig.fail(sent.ticket, failure);
        assert_eq!(told(&mut rig), (None, false));
    }
    // Disarmed, and the venue says that it will fire.
    let mut rig = Rig::live("order_book", true);
    rig.submit(Command::DeadMan { venue: VenueId(0), timeout_ns: 0 });
    let sent = rig.requests().remove(0);
    rig.answer(sent.ticket, 200, r#"{"triggerTime":1750000031000}"#);
    assert_eq!(told(&mut rig), (None, false));
}

#[test]
fn without_a_key_or_a_budget_it_is_told_at_once() {
    let mut rig = Rig::live("order_book", false);
    rig.submit(ARM);
    assert_eq!((told(&mut rig), rig.drain().len()), ((None, false), 0));

    let mut rig = Rig::live("order_book", true);
    let mut sent = 0;
    while rig.take().is_empty() {
        rig.submit(ARM);
        sent += rig.requests().len();
        assert!(sent < 1000, "the budget has an end");
    }
    assert!(sent > 10, "{sent}");
    assert!(rig.session.poll_timeout().is_some());
}

#[test]
fn on_a_session_with_an_order_link_it_still_takes_rest() {
    let mut rig = Rig::live_entry();
    rig.submit(ARM);
    assert_eq!(rig.requests().len(), 1);
}
