//! Orders that the venue holds with other terms than we asked for (F24).

use crate::rig::*;
use domain::*;
use executor::{Executor, IdSource, Outbox, StopRequest};

const DIFFERS: StopRequest = StopRequest::set(StopKind::Pause, StopReason::RulesChanged, Some(A), Some(PAIR));
const OVERFILL: StopRequest = StopRequest::set(StopKind::Latch, StopReason::UnknownFill, Some(A), Some(PAIR));

fn opened() -> (Rig, NewOrder, NewOrder) {
    let mut rig = Rig::started();
    let orders = rig.open((A, 6_000_000, 1_000_000), (B, 6_010_000, 999_000));
    (rig, orders.0, orders.1)
}

fn differs(units: i64, filled: i64) -> OrderReport {
    OrderReport::TermsDiffer { qty: qty(units), filled: qty(filled) }
}

fn cancels(rig: &Rig) -> usize {
    rig.out.commands.iter().filter(|command| matches!(command, Command::Cancel(_))).count()
}

/// The worst case in base that the deal may still be.
fn worst(rig: &Rig) -> Amount {
    rig.exec.exposure(&rig.market).worst_quote()
}

#[test]
fn other_terms_are_cancelled_at_once_and_pause_the_pair_there_once() {
    let (mut rig, buy, _) = opened();
    for _ in 0..3 {
        rig.tell(&buy, OrderSource::Reply, differs(999_900, 0));
    }
    assert_eq!(rig.out.stops, vec![DIFFERS], "told once, however often it is seen");
    assert!(cancels(&rig) >= 1);
    rig.check_reserved(A, "0", "600");
    rig.run(400);
    assert!(rig.look_ups() > 0, "its end is asked for");
}

/// A larger quantity than ours counts in full, in exposure and in what it may spend, until its end is known.
#[test]
fn a_larger_quantity_counts_in_full_until_the_end_is_known() {
    let (mut rig, buy, sell) = opened();
    let before = worst(&rig);
    rig.tell(&buy, OrderSource::Reply, differs(2_000_000, 0));
    rig.check_reserved(A, "0", "1200");
    assert!(worst(&rig) > before && worst(&rig) >= amount("1200"), "{} then {}", before, worst(&rig));
    rig.finish(&sell, 0);
    rig.fill(&buy, 1_000_000, 6_000_000);
    rig.decide();
    let hedge = rig.placed()[0];
    assert_eq!(hedge.qty, qty(999_000), "what is certain is hedged, and no more");
    rig.execute(&hedge, 999_000);
    rig.check_reserved(A, "0", "600");
    assert!(worst(&rig) >= amount("600"), "the rest of theirs may still come");
    rig.finish(&buy, 1_000_000);
    rig.check_reserved(A, "0", "0");
    assert_eq!(rig.exec.report().outcomes[OrderOutcome::Filled as usize], 2);
    assert!(!rig.has_stop(OVERFILL), "not more than we asked for was executed");
    rig.decide();
    assert_eq!(rig.exec.open_deals(), 0);
}

#[test]
fn a_smaller_quantity_keeps_the_wider_interval_and_settles_by_its_end() {
    let (mut rig, buy, _) = opened();
    rig.tell(&buy, OrderSource::Stream, differs(999_900, 0));
    rig.check_reserved(A, "0", "600");
    rig.fill(&buy, 999_900, 6_000_000);
    rig.check_reserved(A, "0", "0.06");
    rig.finish(&buy, 999_900);
    rig.check_reserved(A, "0", "0");
    assert_eq!(rig.exec.report().outcomes[OrderOutcome::PartlyFilled as usize], 1);
}

/// I11: more than we asked for is booked, hedged, and needs a person.
#[test]
fn more_than_we_asked_for_latches_and_is_booked() {
    let (mut rig, buy, _) = opened();
    rig.tell(&buy, OrderSource::Reply, differs(2_000_000, 0));
    rig.fill(&buy, 1_000_000, 6_000_000);
    assert!(!rig.has_stop(OVERFILL));
    rig.fill(&buy, 100, 6_000_000);
    assert!(rig.has_stop(OVERFILL));
    rig.check_ledger(A, "10.009990999", "999399.94");
    let (mut rig, buy, _) = opened();
    rig.tell(&buy, OrderSource::Reply, differs(2_000_000, 1_000_100));
    assert!(rig.has_stop(OVERFILL), "told as executed is enough");
}

#[test]
fn an_order_taken_for_dead_that_lives_with_other_terms_latches_and_is_cancelled() {
    let (mut rig, buy, _) = opened();
    rig.tell(&buy, OrderSource::Edge, OrderReport::NotSent);
    rig.tell(&buy, OrderSource::Stream, differs(900_000, 0));
    assert!(rig.has_stop(OVERFILL) && rig.has_stop(DIFFERS));
    assert_eq!(cancels(&rig), 1);
}

/// The pause stands until a person resumes, also when the process dies in between.
#[test]
fn the_pause_survives_a_restart_and_ends_by_a_person() {
    for resumed in [false, true] {
        let (rig, buy, _) = opened();
        let mut exec = Executor::new(config(), tables(), IdSource::new(INSTANCE, EPOCH + 1, 0).unwrap());
        exec.recover_intent(&buy);
        exec.recover_input(&Input::Order(rig.update(&buy, OrderSource::Reply, differs(2_000_000, 0))));
        if resumed {
            exec.recover_input(&Input::Operator(OperatorCommand::Resume));
        }
        exec.finish_recovery(ms(0));
        let mut rig = Rig::new();
        rig.exec = exec;
        rig.decide();
        assert_eq!(rig.has_stop(DIFFERS), !resumed);
        rig.check_reserved(A, "0", "1200");
        rig.out = Outbox::default();
        rig.pass(1);
        rig.decide();
        assert!(!rig.has_stop(DIFFERS), "set once");
    }
}

/// A cancel that failed is sent again when the venue is asked and shows the order open, once for each failure.
#[test]
fn a_cancel_that_failed_is_repeated_while_the_order_is_shown_open() {
    let (mut rig, buy, _) = opened();
    let open = OrderReport::Open { filled: qty(0) };
    rig.tell(&buy, OrderSource::Stream, open);
    rig.exec.cancel_openings(&mut rig.out);
    rig.exec.begin_shutdown(rig.now, &mut rig.out);
    assert_eq!(cancels(&rig), 2, "a halt cancels what rests of openings, a shutdown whatever rests");
    for failures in 1..=2 {
        rig.tell(&buy, OrderSource::Reply, OrderReport::CancelFailed { class: ErrorClass::Unknown });
        rig.out = Outbox::default();
        rig.run(2_000);
        assert!(rig.look_ups() > 0 && cancels(&rig) == 0, "{failures}");
        rig.tell(&buy, OrderSource::Stream, open);
        assert_eq!(cancels(&rig), 0, "news that may be older than the cancel");
        rig.pass(1);
        rig.tell(&buy, OrderSource::Query, open);
        rig.tell(&buy, OrderSource::Query, open);
        assert_eq!(cancels(&rig), 1);
    }
}
