//! Orders over the logged-in WebSocket link: login, every kind of answer, and every way the link can fail.

use super::rig::{ENTRY, Rig, client, order, row};
use domain::command::OrderRef;
use domain::time::{MILLI, SECOND};
use domain::{
    Amend, Command, ErrorClass, Finish, Input, LinkRole, LinkState, NewOrder, OrderReport, OrderSource, PairId, Price, Qty,
    UnknownCause, VenueId, VenueOrderId,
};
use proptest::prelude::*;
use serde_json::Value;
use venue::{IoFailure, LinkId, Method, OrderEntry, SessionOptions, Transmit, VenueSession};

const OTHER: LinkId = LinkId { role: LinkRole::OrderEntry, shard: 1 };
const UNKNOWN_LATE: OrderReport = OrderReport::Unknown { cause: UnknownCause::Timeout };
const UNKNOWN_LOST: OrderReport = OrderReport::Unknown { cause: UnknownCause::LinkLost };
const UNREADABLE: OrderReport = OrderReport::Unknown { cause: UnknownCause::ServerError };

fn qty(units: i64) -> Qty {
    Qty::from_units(units).unwrap()
}

fn named(counter: u64, id: Option<&str>) -> OrderRef {
    let venue_order_id = id.and_then(VenueOrderId::new);
    OrderRef { venue: VenueId(0), pair: PairId(0), client_id: client(counter), venue_order_id }
}

/// Places an order over the link and gives back its frame.
#[track_caller]
fn place(rig: &mut Rig, order: NewOrder) -> Value {
    rig.submit(Command::Place(order));
    let mut out = rig.drain();
    assert_eq!(out.len(), 1, "{out:?}");
    match out.remove(0) {
        Transmit::Frame { link: ENTRY, text, order: true } => serde_json::from_str(&text).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn result(row: &str) -> String {
    format!(r#""ack":false,"data":{{"result":{row}}}"#)
}

fn errs(label: &str) -> String {
    format!(r#""data":{{"errs":{{"label":"{label}","message":"x"}}}}"#)
}

fn places(out: &[Transmit]) -> bool {
    out.iter().any(|one| matches!(one, Transmit::Request { order: true, .. } | Transmit::Frame { order: true, .. }))
}

#[test]
fn a_link_is_up_for_orders_only_when_it_is_logged_in() {
    let options = SessionOptions { order_entry: OrderEntry::WebSocket, ..SessionOptions::default() };
    let (mut rig, frames) = Rig::open_with("order_book", true, options);
    let login = frames.iter().find(|frame| frame["channel"] == "spot.login").expect("a login");
    let time = rig.wall().seconds();
    let signer = crate::sign::Signer::new("abcd1234wxyz".into(), &"secret".into());
    assert_eq!((&login["event"], login["time"].as_i64()), (&Value::from("api"), Some(time)));
    assert_eq!(login["payload"]["signature"], signer.api_request("spot.login", "", &time.to_string()));
    assert_eq!(login["payload"]["api_key"], "abcd1234wxyz");
    assert!(login["payload"].get("req_param").is_none());
    // Until it is, orders take the other way.
    rig.submit(Command::Place(order(1)));
    assert_eq!(rig.requests().len(), 1);
    rig.take();
    rig.log_in(ENTRY, login);
    assert_eq!(rig.link_news(), [(LinkRole::OrderEntry, LinkState::Up)]);
    place(&mut rig, order(2));
    // Without the option, or without keys, there is no such link.
    let mut rig = Rig::new("order_book", true);
    rig.session.start(rig.now);
    assert!(!rig.drain().contains(&Transmit::Open(ENTRY)));
    let mut rig = Rig::with("order_book", false, options);
    rig.session.start(rig.now);
    assert!(!rig.drain().contains(&Transmit::Open(ENTRY)));
}

#[test]
fn a_placement_is_one_frame_with_the_body_of_rest_and_its_expiry() {
    let mut rig = Rig::live_entry();
    let timed = NewOrder { deadline: Some(rig.now.after(500 * MILLI)), ..order(4) };
    let frame = place(&mut rig, timed);
    assert_eq!((&frame["channel"], &frame["event"]), (&Value::from("spot.order_place"), &Value::from("api")));
    let mut rest = Rig::live("order_book", true);
    rest.submit(Command::Place(timed));
    let body: Value = serde_json::from_slice(&rest.requests().remove(0).request.body).unwrap();
    assert_eq!(frame["payload"]["req_param"], body);
    let expiry: i64 = frame["payload"]["req_header"]["x-gate-exptime"].as_str().unwrap().parse().unwrap();
    assert!((expiry - (rig.wall().millis() + 500)).abs() <= 1, "{expiry}");

    // A receipt is no news.
    rig.pass(3 * MILLI);
    rig.reply(ENTRY, &frame, "200", r#""ack":true,"data":{"result":{"req_id":"x"}}"#);
    assert_eq!(rig.take(), []);
    rig.pass(4 * MILLI);
    rig.reply(ENTRY, &frame, "200", &result(&row(4, "cancelled", "0.0011", "ioc")));
    let inputs = rig.take();
    assert!(inputs.iter().any(|i| matches!(i, Input::RoundTrip(trip) if trip.order && trip.nanos == 7 * MILLI)), "{inputs:?}");
    let Some(Input::Order(update)) = inputs.iter().find(|i| matches!(i, Input::Order(_))) else { panic!() };
    assert_eq!(update.report, OrderReport::Finished { finish: Finish::Cancelled, filled: qty(1000) });
    assert_eq!((update.source, update.client_id), (OrderSource::Reply, Some(client(4))));
    assert_eq!((update.received.since(update.requested), update.received), (7 * MILLI, rig.now));
    // The same again is nobody's.
    let ignored = rig.session.stats().ignored;
    rig.reply(ENTRY, &frame, "200", &result(&row(4, "cancelled", "0.0011", "ioc")));
    assert_eq!((rig.take(), rig.session.stats().ignored), (vec![], ignored + 1));
    assert_eq!(rig.run(100 * MILLI).len(), 0);
}

/// What the engine is told of an order that is answered like this.
fn answered(order: NewOrder, status: &str, rest: &str) -> OrderReport {
    let mut rig = Rig::live_entry();
    let frame = place(&mut rig, order);
    rig.pass(SECOND);
    rig.reply(ENTRY, &frame, status, rest);
    rig.one_report()
}

#[test]
fn fast_refusals_come_without_a_receipt_and_mean_what_they_mean_over_rest() {
    for (status, label, class) in [
        ("400", "BALANCE_NOT_ENOUGH", ErrorClass::InsufficientFunds),
        ("400", "INVALID_PARAM_VALUE", ErrorClass::FilterReject),
        ("400", "NEVER_HEARD_OF", ErrorClass::Unknown),
        ("429", "TOO_MANY_REQUESTS", ErrorClass::RateLimited),
        ("403", "REQUEST_EXPIRED", ErrorClass::ClockSkew),
    ] {
        let report = answered(order(4), status, &errs(label));
        assert!(
            matches!(report, OrderReport::Refused { class: told, label: text } if told == class && text.as_str() == label),
            "{report:?}"
        );
    }
    let rig = Rig::live_entry();
    let timed = NewOrder { deadline: Some(rig.now.after(500 * MILLI)), ..order(4) };
    let expired = OrderReport::Finished { finish: Finish::Expired, filled: Qty::ZERO };
    assert_eq!(answered(timed, "400", &errs("EXPTIME_PASSED")), expired);
}

#[test]
fn whatever_proves_nothing_is_unknown() {
    for (status, rest) in [
        ("500", errs("INTERNAL")),
        ("400", errs("TOO_BUSY")),
        ("400", errs("REPEATED_CREATION")),
        ("200", errs("BALANCE_NOT_ENOUGH")),
        ("400", r#""data":{}"#.into()),
        ("", errs("BALANCE_NOT_ENOUGH")),
        ("200", result("{}")),
        ("200", result("[]")),
        ("200", r#""data":null"#.into()),
        ("200", result(&row(4, "dancing", "0", "open"))),
        ("200", result(&row(5, "open", "0.0021", "open"))),
        ("200", result(&row(4, "open", "0.0021", "open").replace("BTC_USDT", "ETH_USDT"))),
    ] {
        assert_eq!(answered(order(4), status, &rest), UNREADABLE, "{status} {rest}");
    }
    // The reply of another channel under our correlation.
    let mut rig = Rig::live_entry();
    let mut frame = place(&mut rig, order(4));
    frame["channel"] = "spot.login".into();
    rig.reply(ENTRY, &frame, "200", r#""data":{"result":{}}"#);
    assert_eq!(rig.one_report(), UNREADABLE);
}

#[test]
fn without_an_answer_it_is_unknown_and_a_late_one_is_still_evidence() {
    let mut rig = Rig::live_entry();
    let frame = place(&mut rig, order(4));
    rig.reply(ENTRY, &frame, "200", r#""ack":true,"data":{"result":{}}"#);
    let out = rig.run(3 * SECOND);
    let update = rig.orders().remove(0);
    assert_eq!((update.report, update.source), (UNKNOWN_LATE, OrderSource::Edge));
    // Not repeated on the other way, not on this one.
    assert!(!places(&out), "{out:?}");
    rig.pass(10 * SECOND);
    rig.reply(ENTRY, &frame, "200", &result(&row(4, "closed", "0", "filled")));
    let inputs = rig.orders();
    assert_eq!(inputs.len(), 1);
    assert_eq!(inputs[0].report, OrderReport::Finished { finish: Finish::Filled, filled: qty(2100) });
    rig.reply(ENTRY, &frame, "200", &result(&row(4, "closed", "0", "filled")));
    assert_eq!(rig.take(), []);
    // For ever it is not remembered.
    let frame = place(&mut rig, order(5));
    rig.run(61 * SECOND);
    rig.take();
    rig.reply(ENTRY, &frame, "200", &result(&row(5, "closed", "0", "filled")));
    assert_eq!(rig.orders(), []);
}

#[test]
fn a_link_that_says_nothing_at_all_is_given_up_with_the_order() {
    let mut rig = Rig::live_entry();
    place(&mut rig, order(4));
    rig.pass(MILLI);
    let out = rig.run(3 * SECOND);
    assert!(out.contains(&Transmit::Close(ENTRY)), "{out:?}");
    rig.take();
    rig.submit(Command::Place(order(5)));
    assert_eq!(rig.requests().len(), 1, "the other way meanwhile");
}

#[test]
fn a_lost_link_leaves_what_was_handed_over_unknown_and_the_rest_unsent() {
    let mut rig = Rig::live_entry();
    let frame = place(&mut rig, order(4));
    rig.submit(Command::Place(order(5)));
    rig.take();
    rig.lose(ENTRY);
    let inputs = rig.take();
    let Input::Order(update) = &inputs[0] else { panic!("{inputs:?}") };
    assert_eq!((update.client_id, update.report, update.source), (Some(client(4)), UNKNOWN_LOST, OrderSource::Edge));
    assert!(matches!(&inputs[1], Input::Link(change) if change.state == LinkState::Lost && change.role == LinkRole::OrderEntry));
    // The second one had chosen this way and never left.
    assert!(!rig.drain().iter().any(|o| matches!(o, Transmit::Request { .. } | Transmit::Frame { .. })));
    let unsent = rig.orders().remove(0);
    assert_eq!((unsent.client_id, unsent.report), (Some(client(5)), OrderReport::NotSent));
    // The next one chooses the other way.
    rig.submit(Command::Place(order(6)));
    let sent = rig.requests();
    assert!(sent.len() == 1 && sent[0].order);
    // A new connection has its own login, and the old reply is nobody's there.
    let out = rig.run(SECOND);
    assert!(out.contains(&Transmit::Open(ENTRY)), "{out:?}");
    rig.connect(ENTRY);
    let login = rig.frames().remove(0);
    assert_eq!((&login["channel"], login["time"].as_i64()), (&Value::from("spot.login"), Some(rig.wall().seconds())));
    rig.log_in(ENTRY, &login);
    assert_eq!(rig.link_news(), [(LinkRole::OrderEntry, LinkState::Up)]);
    rig.reply(ENTRY, &frame, "200", &result(&row(4, "closed", "0", "filled")));
    assert_eq!(rig.take(), []);
    place(&mut rig, order(7));
}

#[test]
fn the_other_form_of_the_login_is_tried_once() {
    let options = SessionOptions { order_entry: OrderEntry::WebSocket, ..SessionOptions::default() };
    let (mut rig, frames) = Rig::open_with("order_book", true, options);
    let login = frames.iter().find(|frame| frame["channel"] == "spot.login").unwrap();
    rig.reply(ENTRY, login, "401", &errs("INVALID_SIGNATURE"));
    let second = rig.frames().remove(0);
    assert_eq!(second["payload"]["req_param"], serde_json::json!({}));
    let signer = crate::sign::Signer::new("abcd1234wxyz".into(), &"secret".into());
    let time = second["payload"]["timestamp"].as_str().unwrap();
    assert_eq!(second["payload"]["signature"], signer.api_request("spot.login", "{}", time));
    rig.take();
    rig.log_in(ENTRY, &second);
    assert_eq!(rig.link_news(), [(LinkRole::OrderEntry, LinkState::Up)]);
    // The form that worked is kept.
    rig.lose(ENTRY);
    rig.run(SECOND);
    rig.connect(ENTRY);
    assert_eq!(rig.frames().remove(0)["payload"]["req_param"], serde_json::json!({}));
}

#[test]
fn a_refused_login_waits_long_and_lets_the_key_be_looked_at() {
    let options = SessionOptions { order_entry: OrderEntry::WebSocket, ..SessionOptions::default() };
    let (mut rig, frames) = Rig::open_with("order_book", true, options);
    let login = frames.iter().find(|frame| frame["channel"] == "spot.login").unwrap();
    rig.reply(ENTRY, login, "401", &errs("INVALID_KEY"));
    let out = rig.drain();
    assert!(out.contains(&Transmit::Close(ENTRY)), "{out:?}");
    let account = |o: &Transmit| matches!(o, Transmit::Request { request, .. } if request.path == "/api/v4/account/main_keys");
    assert!(out.iter().any(account), "{out:?}");
    rig.lose(ENTRY);
    let out = rig.run(2 * SECOND + 400 * MILLI);
    assert!(!out.contains(&Transmit::Open(ENTRY)), "{out:?}");
    let out = rig.run(3 * SECOND);
    assert!(out.contains(&Transmit::Open(ENTRY)), "{out:?}");
    // No answer to a login within its bound closes the link too.
    rig.connect(ENTRY);
    rig.frames();
    let out = rig.run(5 * SECOND);
    assert!(out.contains(&Transmit::Close(ENTRY)), "{out:?}");
}

#[test]
fn an_expired_login_is_renewed_while_orders_take_the_other_way() {
    let mut rig = Rig::live_entry();
    let frame = place(&mut rig, order(4));
    rig.reply(ENTRY, &frame, "401", &errs("AUTHENTICATION_FAILED"));
    let inputs = rig.take();
    assert!(inputs.iter().any(|i| matches!(i, Input::Link(change) if change.state == LinkState::Lost)), "{inputs:?}");
    let login = rig.frames().remove(0);
    assert_eq!(login["channel"], "spot.login");
    rig.submit(Command::Place(order(5)));
    assert_eq!(rig.requests().len(), 1);
    rig.take();
    rig.log_in(ENTRY, &login);
    assert_eq!(rig.link_news(), [(LinkRole::OrderEntry, LinkState::Up)]);
    place(&mut rig, order(6));
}

#[test]
fn a_clock_refusal_measures_the_clock_at_once() {
    let mut rig = Rig::live_entry();
    let frame = place(&mut rig, order(4));
    rig.reply(ENTRY, &frame, "403", &errs("REQUEST_EXPIRED"));
    assert!(rig.requests().iter().all(|sent| sent.request.path == "/api/v4/spot/time"));
}

#[test]
fn one_cancel_names_its_order_and_answers_with_its_end() {
    let cancelled = |status: &str, rest: &str| {
        let mut rig = Rig::live_entry();
        rig.submit(Command::Cancel(named(4, Some("77"))));
        let frame = rig.frames().remove(0);
        assert_eq!(frame["channel"], "spot.order_cancel");
        let param = serde_json::json!({"order_id": "77", "currency_pair": "BTC_USDT", "account": "spot"});
        assert_eq!(frame["payload"]["req_param"], param);
        assert!(frame["payload"]["req_header"]["x-gate-exptime"].is_string());
        rig.reply(ENTRY, &frame, status, rest);
        rig.one_report()
    };
    let failed = |class| OrderReport::CancelFailed { class };
    let end = OrderReport::Finished { finish: Finish::Cancelled, filled: qty(100) };
    assert_eq!(cancelled("200", &result(&row(4, "cancelled", "0.0020", "cancelled"))), end);
    assert_eq!(cancelled("404", &errs("ORDER_NOT_FOUND")), OrderReport::NotFound);
    assert_eq!(cancelled("400", &errs("ORDER_CLOSED")), failed(ErrorClass::UnknownOrder));
    assert_eq!(cancelled("500", &errs("INTERNAL")), failed(ErrorClass::Unknown));
    // The reply of another order is no answer (F23).
    let other = row(5, "cancelled", "0", "x").replace("\"77\"", "\"78\"");
    assert_eq!(cancelled("200", &result(&other)), failed(ErrorClass::Unknown));
}

#[test]
fn cancels_that_wait_together_go_in_one_frame_and_are_answered_one_by_one() {
    let mut rig = Rig::live_entry();
    for (counter, id) in [(1, Some("71")), (2, None), (3, Some("73")), (4, Some("74"))] {
        rig.submit(Command::Cancel(named(counter, id)));
    }
    let frames = rig.frames();
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0]["channel"], "spot.order_cancel_ids");
    let ids: Vec<_> = frames[0]["payload"]["req_param"].as_array().unwrap().iter().map(|r| r["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["71", "t-00100000023000000002", "73", "74"]);
    let rows = r#"[{"currency_pair":"BTC_USDT","id":"71","succeeded":true},
                   {"currency_pair":"BTC_USDT","id":"9","text":"t-00100000023000000002","label":"ORDER_NOT_FOUND"},
                   {"currency_pair":"BTC_USDT","id":"73","succeeded":false,"label":"ORDER_CANCELLED"}]"#;
    rig.reply(ENTRY, &frames[0], "200", &format!(r#""data":{{"result":{rows}}}"#));
    let told: Vec<_> = rig.orders().iter().map(|update| (update.client_id, update.report)).collect();
    let failed = |class| OrderReport::CancelFailed { class };
    // Success says nothing about executions, and so does a row that is missing: the order's state follows by look-up.
    assert_eq!(
        told,
        [
            (Some(client(1)), failed(ErrorClass::Unknown)),
            (Some(client(2)), OrderReport::NotFound),
            (Some(client(3)), failed(ErrorClass::UnknownOrder)),
            (Some(client(4)), failed(ErrorClass::Unknown)),
        ]
    );
    // No more than twenty in one.
    for counter in 0..25 {
        rig.submit(Command::Cancel(named(counter, None)));
    }
    let frames = rig.frames();
    let sizes: Vec<_> = frames.iter().map(|f| f["payload"]["req_param"].as_array().map_or(0, Vec::len)).collect();
    assert_eq!(sizes, [20, 5]);
    rig.lose(ENTRY);
    assert_eq!(rig.orders().len(), 25, "each is told");
}

#[test]
fn a_refused_batch_of_cancels_is_asked_again_where_it_surely_was_not_done() {
    let mut rig = Rig::live_entry();
    rig.submit(Command::Cancel(named(1, None)));
    rig.submit(Command::Cancel(named(2, None)));
    let frame = rig.frames().remove(0);
    rig.reply(ENTRY, &frame, "429", &errs("TOO_MANY_REQUESTS"));
    assert_eq!(rig.orders(), []);
    let again = rig.run(2 * SECOND).into_iter().filter(|o| matches!(o, Transmit::Frame { text, .. } if text.contains("cancel")));
    assert!(again.count() >= 1);
}

#[test]
fn cancelling_all_always_names_its_pair() {
    let mut rig = Rig::live_entry();
    rig.submit(Command::CancelAll { venue: VenueId(0), pair: PairId(1) });
    let frame = rig.frames().remove(0);
    assert_eq!(frame["channel"], "spot.order_cancel_cp");
    assert_eq!(frame["payload"]["req_param"], serde_json::json!({"currency_pair": "ETH_USDT", "account": "spot"}));
    rig.reply(ENTRY, &frame, "200", &format!(r#""data":{{"result":[{}]}}"#, row(4, "cancelled", "0.0021", "cancelled")));
    assert!(matches!(rig.one_report(), OrderReport::Finished { .. }));
    rig.submit(Command::CancelAll { venue: VenueId(0), pair: PairId(1) });
    rig.frames();
    rig.lose(ENTRY);
    let again = rig.run(SECOND);
    assert!(
        again.iter().any(|o| matches!(o, Transmit::Request { request, .. } if request.method == Method::Delete)),
        "{again:?}"
    );
}

#[test]
fn amendments_go_either_way_and_spend_the_budget_of_placements() {
    let amend = |price: Option<i64>, units: Option<i64>| {
        let price = price.and_then(Price::from_units);
        Command::Amend(Amend { order: named(4, Some("77")), price, qty: units.map(qty) })
    };
    let mut rig = Rig::live_entry();
    rig.submit(amend(Some(6_123_460), Some(2000)));
    let frame = rig.frames().remove(0);
    assert_eq!(frame["channel"], "spot.order_amend");
    let param = serde_json::json!({"order_id": "77", "currency_pair": "BTC_USDT", "amount": "0.002", "price": "61234.6"});
    assert_eq!(frame["payload"]["req_param"], param);
    assert!(frame["payload"]["req_header"]["x-gate-exptime"].is_string());
    let amended = row(4, "open", "0.0011", "open").replace("\"0.0021\"", "\"0.002\"").replace("61234.5", "61234.6");
    rig.reply(ENTRY, &frame, "200", &result(&amended));
    assert_eq!(rig.one_report(), OrderReport::Open { filled: qty(900) });

    let mut rig = Rig::live("order_book", true);
    let rest = |rig: &mut Rig, command| {
        rig.submit(command);
        let sent = rig.requests().remove(0);
        assert_eq!((sent.request.method, sent.request.path.as_str()), (Method::Patch, "/api/v4/spot/orders/77"));
        assert_eq!(sent.request.query, "currency_pair=BTC_USDT&account=spot");
        assert!(sent.header("x-gate-exptime").is_some() && !sent.order);
        sent
    };
    let sent = rest(&mut rig, amend(Some(6_123_460), None));
    assert_eq!(sent.request.body, br#"{"price":"61234.6"}"#);
    // With another price than asked it was not amended as asked.
    rig.answer(sent.ticket, 200, &row(4, "open", "0.0021", "open"));
    assert_eq!(rig.one_report(), OrderReport::CancelFailed { class: ErrorClass::Unknown });
    for (status, label, report) in [
        (404, "ORDER_NOT_FOUND", OrderReport::NotFound),
        (400, "NO_CHANGE", OrderReport::CancelFailed { class: ErrorClass::UnknownOrder }),
        (400, "BALANCE_NOT_ENOUGH", OrderReport::CancelFailed { class: ErrorClass::InsufficientFunds }),
    ] {
        let sent = rest(&mut rig, amend(None, Some(2000)));
        rig.answer(sent.ticket, status, &format!(r#"{{"label":"{label}"}}"#));
        assert_eq!(rig.one_report(), report);
    }
    let sent = rest(&mut rig, amend(None, Some(2000)));
    rig.fail(sent.ticket, IoFailure::TimedOut);
    assert_eq!(rig.one_report(), OrderReport::CancelFailed { class: ErrorClass::Unknown });
    assert!(
        rig.run(30 * SECOND).iter().all(|o| !matches!(o, Transmit::Request { request, .. } if request.method == Method::Patch))
    );
    rig.submit(amend(None, None));
    assert_eq!(rig.one_report(), OrderReport::CancelFailed { class: ErrorClass::FilterReject });
}

#[test]
fn look_ups_take_rest_and_their_repeat_the_link() {
    let mut rig = Rig::live_entry();
    rig.submit(Command::LookUp(named(4, None)));
    let sent = rig.requests().remove(0);
    assert_eq!(sent.request.path, "/api/v4/spot/orders/t-00100000023000000004");
    rig.fail(sent.ticket, IoFailure::TimedOut);
    let out = rig.run(SECOND);
    let frame = out.iter().find_map(|o| if let Transmit::Frame { text, .. } = o { Some(text) } else { None }).expect("a frame");
    let frame: Value = serde_json::from_str(frame).unwrap();
    assert_eq!(frame["channel"], "spot.order_status");
    let param = serde_json::json!({"order_id": "t-00100000023000000004", "currency_pair": "BTC_USDT"});
    assert_eq!(frame["payload"]["req_param"], param);
    rig.take();
    rig.reply(ENTRY, &frame, "200", &format!(r#""data":{{"result":{}}}"#, row(4, "closed", "0", "filled")));
    let update = rig.orders().remove(0);
    assert_eq!(update.source, OrderSource::Query);
    assert_eq!(update.report, OrderReport::Finished { finish: Finish::Filled, filled: qty(2100) });
    assert!(update.requested < update.received);
}

#[test]
fn on_the_venues_notice_orders_move_to_a_new_connection_before_the_old_one_closes() {
    let mut rig = Rig::live_entry();
    let under_way = place(&mut rig, order(4));
    rig.frame(ENTRY, r#"{"time":1,"channel":"spot.system","event":"update","result":{"type":"upgrade","msg":"x"}}"#);
    assert_eq!(rig.drain(), [Transmit::Open(OTHER)]);
    // Meanwhile the old one carries on.
    place(&mut rig, order(5));
    rig.connect(OTHER);
    let login = rig.frames().remove(0);
    rig.log_in(OTHER, &login);
    assert_eq!(rig.drain(), [], "two orders are under way on the old one");
    rig.submit(Command::Place(order(6)));
    assert!(matches!(rig.drain().as_slice(), [Transmit::Frame { link: OTHER, order: true, .. }]));
    rig.reply(ENTRY, &under_way, "200", &result(&row(4, "closed", "0", "filled")));
    assert_eq!(rig.drain(), []);
    // The other order there times out, and with that nothing is under way.
    let out = rig.run(3 * SECOND);
    assert!(out.contains(&Transmit::Close(ENTRY)), "{out:?}");
    rig.take();
    rig.lose(ENTRY);
    assert_eq!(rig.link_news(), [], "orders never lost their way");
    assert!(!rig.run(20 * SECOND).contains(&Transmit::Open(ENTRY)));
}

#[test]
fn what_is_above_this_ways_own_budget_takes_the_other_way() {
    let mut rig = Rig::live_entry();
    for counter in 0..6 {
        place(&mut rig, order(counter));
    }
    let eth = |counter| NewOrder { pair: PairId(1), qty: qty(21), ..order(counter) };
    for counter in 6..10 {
        place(&mut rig, eth(counter));
    }
    rig.submit(Command::Place(eth(10)));
    assert!(matches!(rig.drain().as_slice(), [Transmit::Request { order: true, .. }]));
    assert_eq!(rig.orders(), []);
}

#[test]
fn frames_that_are_nobodys_change_nothing() {
    let mut rig = Rig::live_entry();
    let frame = place(&mut rig, order(4));
    let stats = rig.session.stats().clone();
    let mut stranger = frame.clone();
    stranger["payload"]["req_id"] = "r999".into();
    rig.reply(ENTRY, &stranger, "200", &result(&row(4, "closed", "0", "filled")));
    stranger["payload"]["req_id"] = "p-1".into();
    rig.reply(ENTRY, &stranger, "200", &result(&row(4, "closed", "0", "filled")));
    // On another connection than the request's.
    rig.reply(OTHER, &frame, "200", &result(&row(4, "closed", "0", "filled")));
    rig.frame(ENTRY, r#"{"time":1,"channel":"spot.pong","event":"","result":null}"#);
    assert_eq!(rig.session.stats().ignored, stats.ignored + 4);
    rig.frame(ENTRY, "nonsense");
    rig.frame(ENTRY, r#"{"channel":"spot.trades","event":"update","result":{}}"#);
    assert_eq!(rig.take(), []);
    assert_ne!(rig.session.stats().rejected, stats.rejected);
}

#[test]
fn a_pause_and_the_end_close_the_link() {
    let mut rig = Rig::live_entry();
    let now = rig.now;
    rig.session.handle_paused(now, &mut rig.updates);
    assert!(
        rig.take().iter().any(|i| matches!(i, Input::Link(c) if (c.role, c.state) == (LinkRole::OrderEntry, LinkState::Paused)))
    );
    assert!(rig.drain().contains(&Transmit::Close(ENTRY)));
    let mut rig = Rig::live_entry();
    let now = rig.now;
    rig.session.shutdown(now);
    assert!(rig.drain().contains(&Transmit::Close(ENTRY)));
    rig.lose(ENTRY);
    assert!(!rig.run(60 * SECOND).contains(&Transmit::Open(ENTRY)));
}

#[test]
fn pings_keep_the_link_and_silence_ends_it() {
    let mut rig = Rig::live_entry();
    let out = rig.run(15 * SECOND);
    let ping = |o: &Transmit| matches!(o, Transmit::Frame { link: ENTRY, text, .. } if text.contains("spot.ping"));
    assert_eq!(out.iter().filter(|o| ping(o)).count(), 1);
    let out = rig.run(30 * SECOND);
    assert!(out.contains(&Transmit::Close(ENTRY)));
}

/// One thing that happens to the n-th order.
#[derive(Clone, Copy, Debug)]
enum Happens {
    Receipt,
    Filled,
    Refused,
    Unreadable,
    Lost,
    Wait,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever happens to an order in whatever order: it is told at least once, never twice before it timed out, and never sent again.
    #[test]
    fn every_order_is_told_and_sent_once(script in proptest::collection::vec((0u64..3, 0u8..6), 0..12)) {
        let mut rig = Rig::live_entry();
        let frames: Vec<Value> = (0..3).map(|counter| place(&mut rig, order(counter))).collect();
        let mut told = [Vec::new(), Vec::new(), Vec::new()];
        let mut note = |rig: &mut Rig| {
            for update in rig.orders() {
                let index = update.client_id.unwrap().counter() as usize;
                told[index].push(update.report);
            }
        };
        for (which, what) in script {
            let frame = &frames[which as usize];
            let happens =
                [Happens::Receipt, Happens::Filled, Happens::Refused, Happens::Unreadable, Happens::Lost, Happens::Wait][what as usize];
            match happens {
                Happens::Receipt => rig.reply(ENTRY, frame, "200", r#""ack":true,"data":{"result":{}}"#),
                Happens::Filled => rig.reply(ENTRY, frame, "200", &result(&row(which, "closed", "0", "filled"))),
                Happens::Refused => rig.reply(ENTRY, frame, "400", &errs("BALANCE_NOT_ENOUGH")),
                Happens::Unreadable => rig.reply(ENTRY, frame, "200", &result("{}")),
                Happens::Lost => rig.lose(ENTRY),
                Happens::Wait => {
                    let out = rig.run(SECOND);
                    prop_assert!(!places(&out), "an order left twice");
                }
            }
            note(&mut rig);
        }
        let out = rig.run(70 * SECOND);
        prop_assert!(!places(&out), "an order left twice");
        note(&mut rig);
        for reports in &told {
            let late = reports.first() == Some(&UNKNOWN_LATE);
            prop_assert!(reports.len() == 1 || late && reports.len() == 2, "{reports:?}");
        }
    }
}

#[test]
fn a_refusal_under_another_channel_refuses_no_order() {
    let mut rig = Rig::live_entry();
    let mut frame = place(&mut rig, order(4));
    frame["channel"] = "spot.order_cancel".into();
    rig.reply(ENTRY, &frame, "400", &errs("BALANCE_NOT_ENOUGH"));
    assert_eq!(rig.one_report(), UNREADABLE);
}

#[test]
fn amendments_above_this_ways_own_budget_take_the_other_way() {
    let mut rig = Rig::live_entry();
    for counter in 0..9 {
        let pair = PairId(u16::from(counter % 2 == 1));
        let units = if pair == PairId(1) { 21 } else { 2100 };
        place(&mut rig, NewOrder { pair, qty: qty(units), ..order(counter) });
    }
    let amend = || Command::Amend(Amend { order: named(0, Some("77")), price: None, qty: Some(qty(2000)) });
    rig.submit(amend());
    assert_eq!(rig.frames().remove(0)["channel"], "spot.order_amend");
    rig.submit(amend());
    let sent = rig.requests();
    assert!(sent.len() == 1 && sent[0].request.method == Method::Patch, "{sent:?}");
    assert_eq!(rig.orders(), []);
}

#[test]
fn what_the_venue_says_is_left_of_this_ways_limit_counts_for_every_pair() {
    let mut rig = Rig::live_entry();
    let frame = place(&mut rig, order(1));
    let (id, row) = (&frame["payload"]["req_id"], row(1, "closed", "0", "filled"));
    let header = r#"{"status":"200","channel":"spot.order_place","event":"api","x_gate_ratelimit_limit":10,"x_gate_ratelimit_requests_remain":1}"#;
    rig.frame(ENTRY, &format!(r#"{{"request_id":{id},"header":{header},"data":{{"result":{row}}}}}"#));
    let eth = |counter| NewOrder { pair: PairId(1), qty: qty(21), ..order(counter) };
    place(&mut rig, eth(2));
    rig.submit(Command::Place(eth(3)));
    assert_eq!(rig.requests().len(), 1, "the market's own budget over REST is whole");
}
