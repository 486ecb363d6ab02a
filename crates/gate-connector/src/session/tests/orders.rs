//! Orders: every answer to a placement, cancels, look-ups.

use super::rig::{PRIVATE, Rig, client, order, row};
use domain::command::OrderRef;
use domain::time::{MILLI, SECOND};
use domain::{
    Command, ErrorClass, Finish, Input, Label, NewOrder, OrderReport, OrderSource, PairId, Qty, Side, UnknownCause, VenueId,
    VenueOrderId,
};
use venue::{IoFailure, Method, Transmit, VenueSession};

fn qty(units: i64) -> Qty {
    Qty::from_units(units).unwrap()
}

/// Places the order, answers it, and gives back what the engine is told.
fn answered(place: NewOrder, status: u16, body: &str) -> OrderReport {
    let mut rig = Rig::live("order_book", true);
    rig.submit(Command::Place(place));
    let sent = rig.requests().remove(0);
    rig.pass(SECOND);
    rig.answer(sent.ticket, status, body);
    rig.one_report()
}

#[test]
fn a_placement_is_one_signed_post_with_its_expiry_in_venue_time() {
    let mut rig = Rig::live("order_book", true);
    rig.submit(Command::Place(NewOrder { deadline: Some(rig.now.after(500 * MILLI)), ..order(4) }));
    rig.pass(100 * MILLI);
    let sent = rig.requests().remove(0);
    assert_eq!(
        (sent.request.method, sent.request.path.as_str(), sent.request.query.as_str()),
        (Method::Post, "/api/v4/spot/orders", "")
    );
    assert!(sent.order);
    let body = String::from_utf8(sent.request.body.clone()).unwrap();
    assert!(body.contains(r#""text":"t-00100000023000000004""#) && body.contains(r#""time_in_force":"ioc""#), "{body}");
    let timestamp = sent.header("Timestamp").unwrap();
    assert_eq!(timestamp, rig.wall().seconds().to_string());
    let signer = crate::sign::Signer::new("abcd1234wxyz".into(), &"secret".into());
    let sign = signer.rest("POST", "/api/v4/spot/orders", "", body.as_bytes(), timestamp);
    assert_eq!((sent.header("SIGN"), sent.header("KEY")), (Some(sign.as_str()), Some("abcd1234wxyz")));
    let expiry: i64 = sent.header("x-gate-exptime").unwrap().parse().unwrap();
    assert!((expiry - (rig.wall().millis() + 400)).abs() <= 1, "{expiry}");
    assert!(rig.requests().is_empty(), "sent once");
}

#[test]
fn an_order_whose_deadline_has_passed_never_leaves() {
    let mut rig = Rig::live("order_book", true);
    rig.submit(Command::Place(NewOrder { deadline: Some(rig.now.after(5)), ..order(4) }));
    rig.pass(5);
    assert!(rig.requests().is_empty());
    assert_eq!(rig.one_report(), OrderReport::NotSent);
}

#[test]
fn accepted_replies_tell_the_state_and_make_no_fills() {
    assert_eq!(answered(order(4), 201, &row(4, "open", "0.0021", "open")), OrderReport::Open { filled: qty(0) });
    let ended = |finish, units| OrderReport::Finished { finish, filled: qty(units) };
    assert_eq!(answered(order(4), 201, &row(4, "cancelled", "0.0011", "ioc")), ended(Finish::Cancelled, 1000));
    assert_eq!(answered(order(4), 200, &row(4, "closed", "0", "filled")), ended(Finish::Filled, 2100));

    let mut rig = Rig::live("order_book", true);
    rig.submit(Command::Place(order(4)));
    let sent = rig.requests().remove(0);
    rig.pass(30 * MILLI);
    let headers = [("x-gate-ratelimit-requests-remain", "3"), ("x-gate-ratelimit-limit", "10")];
    rig.answer_with(sent.ticket, 201, &headers, &row(4, "closed", "0", "filled"));
    let inputs = rig.take();
    assert!(!inputs.iter().any(|i| matches!(i, Input::Fill(_))));
    assert!(inputs.iter().any(|i| matches!(i, Input::RoundTrip(trip) if trip.order && trip.nanos == 30 * MILLI)));
    let Some(Input::Budget(budget)) = inputs.iter().find(|i| matches!(i, Input::Budget(_))) else { panic!() };
    assert_eq!((budget.remaining, budget.limit), (3, 10));
    assert_eq!(rig.session.stats().rate_remaining, Some((3, 10)));
}

#[test]
fn refusals_prove_that_the_order_never_existed() {
    for (status, label, class) in [
        (400, "BALANCE_NOT_ENOUGH", ErrorClass::InsufficientFunds),
        (400, "INVALID_PARAM_VALUE", ErrorClass::FilterReject),
        (400, "NEVER_HEARD_OF", ErrorClass::Unknown),
        (401, "INVALID_SIGNATURE", ErrorClass::AuthFatal),
        (403, "REQUEST_EXPIRED", ErrorClass::ClockSkew),
        (429, "TOO_MANY_REQUESTS", ErrorClass::RateLimited),
    ] {
        let report = answered(order(4), status, &format!(r#"{{"label":"{label}","message":"x"}}"#));
        assert_eq!(report, OrderReport::Refused { class, label: Label::cut(label) }, "{label}");
    }
    assert!(matches!(answered(order(4), 429, "slow down"), OrderReport::Refused { class: ErrorClass::RateLimited, .. }));
}

#[test]
fn an_unlisted_refusal_after_the_deadline_is_an_expiry() {
    let rig = Rig::live("order_book", true);
    let timed = NewOrder { deadline: Some(rig.now.after(500 * MILLI)), ..order(4) };
    let expired = OrderReport::Finished { finish: Finish::Expired, filled: Qty::ZERO };
    assert_eq!(answered(timed, 400, r#"{"label":"EXPTIME_PASSED"}"#), expired);
    let late = NewOrder { deadline: Some(rig.now.after(10 * SECOND)), ..order(4) };
    let unpublished = OrderReport::Refused { class: ErrorClass::Unknown, label: Label::cut("EXPTIME_PASSED") };
    assert_eq!(answered(late, 400, r#"{"label":"EXPTIME_PASSED"}"#), unpublished);
}

#[test]
fn whatever_proves_nothing_is_unknown() {
    let unknown = OrderReport::Unknown { cause: UnknownCause::ServerError };
    for (status, body) in [
        (500, r#"{"label":"INTERNAL"}"#.to_string()),
        (503, "<html>".to_string()),
        (504, String::new()),
        (400, r#"{"label":"TOO_BUSY"}"#.to_string()),
        (400, r#"{"label":"REPEATED_CREATION"}"#.to_string()),
        (400, "<html>".to_string()),
        (302, String::new()),
        (201, String::new()),
        (201, r#"{"id":"1""#.to_string()),
        (200, r#"{"label":"BALANCE_NOT_ENOUGH"}"#.to_string()),
        (201, row(4, "dancing", "0", "open")),
        // An answer to another order.
        (201, row(5, "open", "0.0021", "open")),
        (201, row(4, "open", "0.0021", "open").replace("BTC_USDT", "ETH_USDT")),
    ] {
        assert_eq!(answered(order(4), status, &body), unknown, "{status} {body}");
    }
}

#[test]
fn io_failures_are_told_apart_by_whether_bytes_may_have_left() {
    for (failure, report) in [
        (IoFailure::NotSent, OrderReport::NotSent),
        (IoFailure::Broken, OrderReport::Unknown { cause: UnknownCause::LinkLost }),
        (IoFailure::TimedOut, OrderReport::Unknown { cause: UnknownCause::Timeout }),
    ] {
        let mut rig = Rig::live("order_book", true);
        rig.submit(Command::Place(order(4)));
        let sent = rig.requests().remove(0);
        rig.fail(sent.ticket, failure);
        assert_eq!(rig.one_report(), report);
        // Never again by itself, whatever time passes; a second answer to the same ticket is nobody's.
        assert!(!rig.run(60 * SECOND).iter().any(|o| matches!(o, venue::Transmit::Request { order: true, .. })));
        rig.take();
        rig.answer(sent.ticket, 201, &row(4, "open", "0.0021", "open"));
        assert_eq!(rig.take(), []);
    }
}

#[test]
fn a_placement_beyond_the_budget_is_refused_at_once_while_cancels_pass() {
    let mut rig = Rig::live("order_book", true);
    for counter in 0..11 {
        rig.submit(Command::Place(order(counter)));
    }
    let refused = rig.orders();
    assert_eq!(refused.len(), 1);
    assert!(matches!(refused[0].report, OrderReport::Refused { class: ErrorClass::RateLimited, .. }));
    assert_eq!((refused[0].client_id, refused[0].source), (Some(client(10)), OrderSource::Edge));
    rig.submit(Command::Cancel(named(1, None)));
    assert_eq!(rig.requests().len(), 11);
    // Another market has its own budget.
    rig.submit(Command::Place(NewOrder { pair: PairId(1), qty: qty(21), ..order(12) }));
    assert_eq!(rig.requests().len(), 1);
}

#[test]
fn without_keys_nothing_leaves() {
    let mut rig = Rig::live("order_book", false);
    rig.submit(Command::Place(order(4)));
    assert_eq!(rig.one_report(), OrderReport::NotSent);
    rig.submit(Command::Cancel(named(4, None)));
    assert!(matches!(rig.one_report(), OrderReport::CancelFailed { .. }));
    assert!(rig.requests().is_empty());
}

fn named(counter: u64, id: Option<&str>) -> OrderRef {
    let venue_order_id = id.and_then(VenueOrderId::new);
    OrderRef { venue: VenueId(0), pair: PairId(0), client_id: client(counter), venue_order_id }
}

#[test]
fn cancels_answer_with_the_orders_end_or_why_not() {
    let cancelled = |status, body: &str| {
        let mut rig = Rig::live("order_book", true);
        rig.submit(Command::Cancel(named(4, Some("77"))));
        let sent = rig.requests().remove(0);
        assert_eq!((sent.request.method, sent.request.path.as_str()), (Method::Delete, "/api/v4/spot/orders/77"));
        assert_eq!(sent.request.query, "currency_pair=BTC_USDT&account=spot");
        rig.answer(sent.ticket, status, body);
        rig.one_report()
    };
    let end = OrderReport::Finished { finish: Finish::Cancelled, filled: qty(100) };
    assert_eq!(cancelled(200, &row(4, "cancelled", "0.0020", "cancelled")), end);
    assert_eq!(cancelled(404, r#"{"label":"ORDER_NOT_FOUND"}"#), OrderReport::NotFound);
    let failed = |class| OrderReport::CancelFailed { class };
    assert_eq!(cancelled(400, r#"{"label":"ORDER_CLOSED"}"#), failed(ErrorClass::UnknownOrder));
    assert_eq!(cancelled(500, "<html>"), failed(ErrorClass::Unknown));
    assert_eq!(cancelled(200, "{}"), failed(ErrorClass::Unknown));
    // An answer about another order is no answer.
    assert_eq!(cancelled(200, &row(5, "cancelled", "0", "x").replace("\"77\"", "\"78\"")), failed(ErrorClass::Unknown));
}

#[test]
fn a_rate_limited_cancel_is_asked_once_more() {
    let mut rig = Rig::live("order_book", true);
    rig.submit(Command::Cancel(named(4, None)));
    let sent = rig.requests().remove(0);
    assert_eq!(sent.request.path, "/api/v4/spot/orders/t-00100000023000000004");
    rig.answer(sent.ticket, 429, "{}");
    assert_eq!(rig.orders(), []);
    let out = rig.run(2 * SECOND);
    let ticket =
        out.iter().find_map(|o| if let venue::Transmit::Request { ticket, .. } = o { Some(*ticket) } else { None }).unwrap();
    rig.answer(ticket, 429, "{}");
    assert_eq!(rig.one_report(), OrderReport::CancelFailed { class: ErrorClass::RateLimited });
}

#[test]
fn a_refused_cancel_is_not_asked_again_before_the_venue_says() {
    let mut rig = Rig::live("order_book", true);
    rig.submit(Command::Cancel(named(4, None)));
    let sent = rig.requests().remove(0);
    rig.answer_with(sent.ticket, 429, &[("retry-after", "7")], r#"{"label":"TOO_MANY_REQUESTS"}"#);
    let cancels = |rig: &mut Rig, nanos| {
        let is_cancel = |out: &Transmit| matches!(out, Transmit::Request { request, .. } if request.method == Method::Delete);
        rig.run(nanos).iter().filter(|out| is_cancel(out)).count()
    };
    assert_eq!(cancels(&mut rig, 7 * SECOND - 1), 0);
    assert_eq!(cancels(&mut rig, 1), 1);
    // Banned: nothing leaves over REST, and whoever asks is told at once: what waited would all leave at the ban's end.
    let mut rig = Rig::live("order_book", true);
    rig.submit(Command::LookUp(named(4, None)));
    let sent = rig.requests().remove(0);
    rig.answer_with(sent.ticket, 418, &[("Retry-After", "30")], "<html>");
    rig.submit(Command::Place(order(5)));
    rig.submit(Command::Cancel(named(4, None)));
    let told: Vec<OrderReport> = rig.orders().into_iter().map(|update| update.report).collect();
    let class = ErrorClass::RateLimited;
    assert!(
        matches!(told.as_slice(), [OrderReport::Unknown { .. }, OrderReport::Refused { class: c, .. }, OrderReport::CancelFailed { .. }]
            if *c == class),
        "{told:?}"
    );
    let requests = |out: Vec<Transmit>| out.iter().filter(|out| matches!(out, Transmit::Request { .. })).count();
    assert_eq!(requests(rig.run(30 * SECOND - 1)), 0);
    rig.run(1);
    rig.submit(Command::LookUp(named(4, None)));
    assert_eq!(requests(rig.run(0)), 1);
}

#[test]
fn look_ups_answer_found_not_found_or_nothing_known() {
    let looked_up = |id: Option<&str>, path: &str, status, body: &str| {
        let mut rig = Rig::live("order_book", true);
        rig.submit(Command::LookUp(named(4, id)));
        let sent = rig.requests().remove(0);
        assert_eq!((sent.request.method, sent.request.path.as_str()), (Method::Get, path));
        let asked = rig.now;
        rig.pass(SECOND);
        rig.answer(sent.ticket, status, body);
        let update = rig.orders().remove(0);
        assert_eq!((update.source, update.requested, update.received), (OrderSource::Query, asked, rig.now));
        assert_eq!(update.client_id, Some(client(4)));
        update.report
    };
    let (by_id, by_text) = ("/api/v4/spot/orders/77", "/api/v4/spot/orders/t-00100000023000000004");
    assert_eq!(looked_up(None, by_text, 200, &row(4, "open", "0.0021", "open")), OrderReport::Open { filled: qty(0) });
    // By the venue's id the row may have lost our text.
    let bare = row(4, "open", "0.0021", "open").replace("t-00100000023000000004", "-");
    assert_eq!(looked_up(Some("77"), by_id, 200, &bare), OrderReport::Open { filled: qty(0) });
    for label in ["ORDER_NOT_FOUND", "CLIENT_ID_NOT_FOUND"] {
        assert_eq!(looked_up(Some("77"), by_id, 404, &format!(r#"{{"label":"{label}"}}"#)), OrderReport::NotFound);
    }
    let unknown = OrderReport::Unknown { cause: UnknownCause::ServerError };
    assert_eq!(looked_up(None, by_text, 200, &row(5, "open", "0.0021", "open")), unknown);
    assert_eq!(looked_up(None, by_text, 200, "{}"), unknown);
    assert_eq!(looked_up(None, by_text, 401, r#"{"label":"INVALID_KEY"}"#), unknown);
}

#[test]
fn a_failed_look_up_is_asked_once_more() {
    let mut rig = Rig::live("order_book", true);
    rig.submit(Command::LookUp(named(4, None)));
    let sent = rig.requests().remove(0);
    rig.fail(sent.ticket, IoFailure::TimedOut);
    assert_eq!(rig.orders(), []);
    let out = rig.run(SECOND);
    let ticket =
        out.iter().find_map(|o| if let venue::Transmit::Request { ticket, .. } = o { Some(*ticket) } else { None }).unwrap();
    rig.answer(ticket, 200, &row(4, "closed", "0", "filled"));
    assert_eq!(rig.one_report(), OrderReport::Finished { finish: Finish::Filled, filled: qty(2100) });
}

#[test]
fn cancelling_all_always_names_its_pair() {
    let mut rig = Rig::live("order_book", true);
    rig.submit(Command::CancelAll { venue: VenueId(0), pair: PairId(1) });
    let sent = rig.requests().remove(0);
    assert_eq!(
        (sent.request.path.as_str(), sent.request.query.as_str()),
        ("/api/v4/spot/orders", "currency_pair=ETH_USDT&account=spot")
    );
    rig.answer(sent.ticket, 200, &format!("[{}]", row(4, "cancelled", "0.0021", "cancelled")));
    assert!(matches!(rig.one_report(), OrderReport::Finished { .. }));
    rig.submit(Command::CancelAll { venue: VenueId(0), pair: PairId(1) });
    let sent = rig.requests().remove(0);
    rig.answer(sent.ticket, 401, r#"{"label":"INVALID_KEY"}"#);
    assert_eq!(rig.one_report(), OrderReport::CancelFailed { class: ErrorClass::AuthFatal });
}

#[test]
fn a_clock_refusal_measures_the_clock_at_once() {
    let mut rig = Rig::live("order_book", true);
    rig.submit(Command::Place(order(4)));
    let sent = rig.requests().remove(0);
    rig.answer(sent.ticket, 403, r#"{"label":"REQUEST_EXPIRED"}"#);
    let next = rig.requests();
    assert!(next.iter().all(|s| s.request.path == "/api/v4/spot/time") && next.len() == 1, "{next:?}");
}

#[test]
fn stream_rows_become_inputs_as_they_come() {
    let mut rig = Rig::live("order_book", true);
    let event = row(4, "x", "0.0011", "ioc").replace(r#""status":"x""#, r#""event":"finish""#);
    rig.frame(PRIVATE, &format!(r#"{{"channel":"spot.orders","event":"update","result":[{event}]}}"#));
    rig.frame(
        PRIVATE,
        r#"{"channel":"spot.usertrades","event":"update","result":[{"id":5,"order_id":"77","currency_pair":"BTC_USDT","side":"buy","role":"taker","amount":"0.001","price":"61234.5","fee":"0.000001","text":"t-00100000023000000004"}]}"#,
    );
    rig.frame(
        PRIVATE,
        r#"{"channel":"spot.balances","event":"update","result":[{"currency":"BTC","available":"1","freeze":"0.5"},{"currency":"DOGE","available":"1","freeze":"0"}]}"#,
    );
    let inputs = rig.take();
    let Input::Order(update) = &inputs[0] else { panic!() };
    assert_eq!(
        (update.source, update.report),
        (OrderSource::Stream, OrderReport::Finished { finish: Finish::Cancelled, filled: qty(1000) })
    );
    let Input::Fill(fill) = &inputs[1] else { panic!() };
    assert_eq!((fill.side, fill.qty, fill.client_id, fill.fees.len()), (Side::Buy, qty(1000), Some(client(4)), 1));
    let Input::Balances(report) = &inputs[2] else { panic!() };
    assert_eq!(report.entries.len(), 1);
}

#[cfg(feature = "mutants")]
#[test]
fn the_planted_resend_sends_the_same_order_twice() {
    use domain::mutants::{Mutant, set_active};
    let mut rig = Rig::live("order_book", true);
    set_active(Some(Mutant::ResendOnUnknown));
    rig.submit(Command::Place(order(4)));
    let first = rig.requests().remove(0);
    rig.fail(first.ticket, IoFailure::TimedOut);
    let second = rig.requests().remove(0);
    set_active(None);
    assert_eq!(first.request.body, second.request.body);
}
