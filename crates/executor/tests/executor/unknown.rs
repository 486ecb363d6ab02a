//! Orders without an answer (F13 to F16): every way out, and no way out too early.

use crate::rig::*;
use domain::*;
use executor::StopRequest;

const FREEZE: StopRequest = StopRequest::set(StopKind::Freeze, StopReason::UnknownOrder, None, Some(PAIR));
const THAW: StopRequest = StopRequest::clear(StopKind::Freeze, StopReason::UnknownOrder, None, Some(PAIR));
const PAUSE: StopRequest = StopRequest::set(StopKind::Pause, StopReason::UnknownOrder, None, None);
const UNPAUSE: StopRequest = StopRequest::clear(StopKind::Pause, StopReason::UnknownOrder, None, None);

/// A deal whose sell leg is done with nothing and whose buy leg is unknown. Its deadline is 500 ms away.
fn unknown_buy() -> (Rig, NewOrder) {
    let mut rig = Rig::started();
    let (buy, sell) = rig.open((A, 6_000_000, 1_000_000), (B, 6_010_000, 999_000));
    rig.tell(&sell, OrderSource::Edge, OrderReport::NotSent);
    rig.tell(&buy, OrderSource::Edge, OrderReport::Unknown { cause: UnknownCause::LinkLost });
    rig.decide();
    assert!(rig.has_stop(FREEZE));
    assert_eq!(rig.exec.unknown_orders(), 1);
    rig.out = Default::default();
    (rig, buy)
}

#[track_caller]
fn check_resolved(rig: &mut Rig, outcome: OrderOutcome, btc: &str, usdt: &str) {
    rig.decide();
    assert_eq!(rig.outcomes(), vec![outcome]);
    assert!(rig.has_stop(THAW));
    assert_eq!(rig.exec.unknown_orders(), 0);
    rig.check_reserved(A, "0", "0");
    rig.check_ledger(A, btc, usdt);
}

#[test]
fn silence_becomes_unknown_after_the_reply_time_out_and_nothing_is_sent_again() {
    let mut rig = Rig::started();
    let (_, sell) = rig.open((A, 6_000_000, 1_000_000), (B, 6_010_000, 999_000));
    rig.tell(&sell, OrderSource::Edge, OrderReport::NotSent);
    rig.out = Default::default();
    rig.run(2_999);
    assert_eq!(rig.exec.unknown_orders(), 0);
    rig.run(1);
    assert_eq!(rig.exec.unknown_orders(), 1);
    assert_eq!(rig.outcomes(), vec![OrderOutcome::Unknown]);
    rig.check_reserved(A, "0", "600");
    rig.run(60_000);
    assert!(rig.placed().is_empty());
    rig.check_reserved(A, "0", "600");
}

#[test]
fn it_resolves_by_stream() {
    let (mut rig, buy) = unknown_buy();
    rig.execute(&buy, 1_000_000);
    check_resolved(&mut rig, OrderOutcome::Filled, "10.00999", "999400");
}

#[test]
fn it_resolves_by_a_fill_alone() {
    let (mut rig, buy) = unknown_buy();
    rig.fill(&buy, 1_000_000, 6_000_000);
    check_resolved(&mut rig, OrderOutcome::Filled, "10.00999", "999400");
}

#[test]
fn it_resolves_by_look_up() {
    let (mut rig, buy) = unknown_buy();
    rig.tell(&buy, OrderSource::Query, OrderReport::NotFound);
    rig.pass(100);
    rig.tell(&buy, OrderSource::Query, OrderReport::Finished { finish: Finish::Cancelled, filled: qty(0) });
    check_resolved(&mut rig, OrderOutcome::Cancelled, "10", "1000000");
}

#[test]
fn it_resolves_by_a_late_refusal_and_by_a_late_not_sent() {
    let (mut rig, buy) = unknown_buy();
    rig.tell(&buy, OrderSource::Reply, OrderReport::Refused { class: ErrorClass::InsufficientFunds, label: Label::default() });
    check_resolved(&mut rig, OrderOutcome::Refused, "10", "1000000");
    let (mut rig, buy) = unknown_buy();
    rig.tell(&buy, OrderSource::Edge, OrderReport::NotSent);
    check_resolved(&mut rig, OrderOutcome::NotSent, "10", "1000000");
}

#[test]
fn it_resolves_by_open_orders_and_trades() {
    let (mut rig, buy) = unknown_buy();
    let listed = rig.update(&buy, OrderSource::Query, OrderReport::Open { filled: qty(0) });
    rig.open_orders(A, vec![listed]);
    assert_eq!(rig.exec.unknown_orders(), 0, "it is known to rest");
    rig.check_reserved(A, "0", "600");
    let fill = rig.next_fill(&buy, 1_000_000, 6_000_000);
    rig.trades(A, vec![fill]);
    check_resolved(&mut rig, OrderOutcome::Filled, "10.00999", "999400");
}

/// The look-ups and lists of an order in doubt, and when they are asked.
#[test]
fn probes_follow_the_schedule() {
    let (mut rig, _) = unknown_buy();
    let begin = rig.now;
    let mut asked = Vec::new();
    for _ in 0..7_000 {
        rig.pass(1);
        rig.decide();
        asked.extend(rig.out.commands.drain(..).map(|c| (rig.now.since(begin) / 1_000_000, c)));
    }
    let look_ups: Vec<u64> = asked.iter().filter(|(_, c)| matches!(c, Command::LookUp(_))).map(|(t, _)| *t).collect();
    let lists: Vec<u64> = asked
        .iter()
        .filter(|(_, c)| matches!(c, Command::Read { read: ReadKind::OpenOrders, venue: A }))
        .map(|(t, _)| *t)
        .collect();
    assert_eq!(look_ups, vec![100, 300, 700, 1_500, 3_000, 5_000, 7_000]);
    assert_eq!(lists, vec![1_000, 6_000], "unanswered lists are asked again after their time-out");
}

/// Answers not-found to everything, at these times after the order became unknown.
fn not_found_at(rig: &mut Rig, buy: &NewOrder, times: &[u64]) {
    let begin = rig.now;
    for time in times {
        rig.now = begin.after(*time * 1_000_000);
        rig.tell(buy, OrderSource::Query, OrderReport::NotFound);
    }
}

#[test]
fn absence_is_proved_only_by_everything_together() {
    let (mut rig, buy) = unknown_buy();
    not_found_at(&mut rig, &buy, &[100, 5_000, 10_400]);
    rig.open_orders(A, vec![]);
    rig.trades(A, vec![]);
    rig.decide();
    assert_eq!(rig.exec.unknown_orders(), 1, "10.4 s is before expiry and window");
    assert!(rig.has_stop(PAUSE));
    rig.pass(100);
    rig.open_orders(A, vec![]);
    rig.trades(A, vec![]);
    assert_eq!(rig.exec.unknown_orders(), 1, "the last look-up was too early");
    rig.tell(&buy, OrderSource::Query, OrderReport::NotFound);
    check_resolved(&mut rig, OrderOutcome::Absent, "10", "1000000");
    assert!(rig.has_stop(UNPAUSE));
    assert_eq!(rig.exec.open_deals(), 0);
}

#[test]
fn look_ups_alone_prove_nothing() {
    let (mut rig, buy) = unknown_buy();
    not_found_at(&mut rig, &buy, &(1..60).map(|s| s * 1_000).collect::<Vec<_>>());
    assert_eq!(rig.exec.unknown_orders(), 1);
    rig.check_reserved(A, "0", "600");
    rig.open_orders(A, vec![]);
    assert_eq!(rig.exec.unknown_orders(), 1, "trades are missing");
    let mut report = TradesReport {
        venue: A,
        pair: PAIR,
        requested: rig.now,
        received: rig.now,
        since: UnixNanos(UNIX - 60_000_000_000),
        complete: false,
        fills: vec![],
    };
    rig.exec.handle_trades(rig.now, &report, &mut rig.out);
    assert_eq!(rig.exec.unknown_orders(), 1, "an incomplete list proves no absence");
    report.complete = true;
    report.since = UnixNanos(UNIX + 100_000_000_000);
    rig.exec.handle_trades(rig.now, &report, &mut rig.out);
    assert_eq!(rig.exec.unknown_orders(), 1, "a list from after its placing proves no absence");
    report.since = UnixNanos(UNIX);
    rig.exec.handle_trades(rig.now, &report, &mut rig.out);
    assert_eq!(rig.exec.unknown_orders(), 0);
}

/// An Absent order that lives after all: booked, and a person must look.
#[test]
fn life_after_absence_latches() {
    let (mut rig, buy) = unknown_buy();
    not_found_at(&mut rig, &buy, &[100, 5_000, 10_600]);
    rig.open_orders(A, vec![]);
    rig.trades(A, vec![]);
    assert_eq!(rig.outcomes(), vec![OrderOutcome::Absent]);
    rig.tell(&buy, OrderSource::Stream, OrderReport::Open { filled: qty(0) });
    assert!(rig.has_stop(StopRequest::set(StopKind::Latch, StopReason::UnknownFill, Some(A), Some(PAIR))));
    assert!(rig.out.commands.iter().any(|c| matches!(c, Command::Cancel(r) if r.client_id == buy.client_id)));
    rig.fill(&buy, 1_000_000, 6_000_000);
    rig.check_ledger(A, "10.00999", "999400");
}

/// The end of an order that was once seen open is lost, and the venue forgets it: it ended with what is booked.
#[test]
fn an_open_order_that_vanishes_ended_with_what_is_booked() {
    let (mut rig, buy) = unknown_buy();
    rig.fill(&buy, 250_000, 6_000_000);
    rig.out.notices.clear();
    rig.pass(1);
    not_found_at(&mut rig, &buy, &[100, 5_000, 10_600]);
    rig.open_orders(A, vec![]);
    rig.trades(A, vec![]);
    check_resolved(&mut rig, OrderOutcome::PartlyFilled, "10.0024975", "999850");
}
