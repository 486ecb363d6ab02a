//! One order: every order of its news, doubled, late, contradictory.

use crate::rig::*;
use domain::*;
use executor::StopRequest;

const BUY: (VenueId, i64, i64) = (A, 6_000_000, 1_000_000);
const SELL: (VenueId, i64, i64) = (B, 6_010_000, 999_000);

#[test]
fn both_legs_reserve_at_once_and_release_when_settled() {
    let mut rig = Rig::started();
    let (buy, sell) = rig.open(BUY, SELL);
    rig.check_reserved(A, "0", "600");
    rig.check_reserved(B, "0.00999", "0");
    assert_eq!(rig.exec.available(A, USDT), amount("999400"));
    assert_eq!((buy.purpose, buy.tif, buy.side), (Purpose::Open, TimeInForce::Ioc, Side::Buy));
    rig.fill(&buy, 400_000, 5_999_000);
    rig.check_reserved(A, "0", "360");
    rig.finish(&buy, 400_000);
    rig.check_reserved(A, "0", "0");
    rig.tell(&sell, OrderSource::Reply, OrderReport::Refused { class: ErrorClass::FilterReject, label: Label::cut("NO") });
    rig.check_reserved(B, "0", "0");
    // 0.004 at 59990, fee 0.1 % in base.
    rig.check_ledger(A, "10.003996", "999760.04");
    rig.check_ledger(B, "10", "1000000");
    assert_eq!(rig.outcomes(), vec![OrderOutcome::PartlyFilled, OrderOutcome::Refused]);
}

/// A cancelled order whose fill comes after (F18, I10): booked, flagged, its outcome by quantity.
#[test]
fn a_fill_after_the_end_is_booked_and_flagged() {
    let mut rig = Rig::started();
    let (buy, sell) = rig.open(BUY, SELL);
    rig.finish(&sell, 0);
    rig.finish(&buy, 0);
    rig.decide();
    assert_eq!(rig.closed().len(), 1);
    rig.fill(&buy, 1_000_000, 6_000_000);
    rig.check_ledger(A, "10.00999", "999400");
    rig.check_reserved(A, "0", "0");
    let report = rig.exec.report();
    assert_eq!((report.fills, report.fills_late), (1, 1));
    assert_eq!(report.outcomes[OrderOutcome::Filled as usize], 1);
    assert_eq!(rig.exec.open_deals(), 1, "what it opened must be hedged");
}

#[test]
fn a_fill_of_a_refused_order_latches() {
    let mut rig = Rig::started();
    let (buy, _) = rig.open(BUY, SELL);
    rig.tell(&buy, OrderSource::Reply, OrderReport::Refused { class: ErrorClass::InsufficientFunds, label: Label::default() });
    rig.check_reserved(A, "0", "0");
    rig.fill(&buy, 1_000_000, 6_000_000);
    rig.check_ledger(A, "10.00999", "999400");
    assert!(rig.has_stop(StopRequest::set(StopKind::Latch, StopReason::UnknownFill, Some(A), Some(PAIR))));
}

#[test]
fn an_overfill_latches() {
    let mut rig = Rig::started();
    let (buy, _) = rig.open(BUY, SELL);
    rig.fill(&buy, 1_000_000, 6_000_000);
    assert!(rig.out.stops.is_empty());
    rig.fill(&buy, 100, 6_000_000);
    assert!(rig.has_stop(StopRequest::set(StopKind::Latch, StopReason::UnknownFill, Some(A), Some(PAIR))));
    rig.check_reserved(A, "0", "0");
}

/// F30: a list from before the stream's end says nothing.
#[test]
fn a_query_older_than_the_stream_says_nothing() {
    let mut rig = Rig::started();
    let (buy, _) = rig.open(BUY, SELL);
    let asked = rig.now;
    rig.pass(10);
    rig.tell(&buy, OrderSource::Stream, OrderReport::Open { filled: qty(500_000) });
    rig.pass(10);
    let mut stale = rig.update(&buy, OrderSource::Query, OrderReport::Finished { finish: Finish::Cancelled, filled: qty(0) });
    stale.requested = asked;
    rig.exec.handle_order(rig.now, &stale, &mut rig.out);
    assert!(rig.outcomes().is_empty(), "the stale end was believed");
    rig.tell(&buy, OrderSource::Query, OrderReport::Finished { finish: Finish::Cancelled, filled: qty(500_000) });
    assert_eq!(rig.outcomes(), vec![OrderOutcome::PartlyFilled]);
}

/// F26: an end with more executed than booked asks for trades until they are there; what the order holds stays held.
#[test]
fn missing_fills_are_fetched() {
    let mut rig = Rig::started();
    let (buy, sell) = rig.open(BUY, SELL);
    rig.tell(&sell, OrderSource::Edge, OrderReport::NotSent);
    rig.finish(&buy, 1_000_000);
    rig.out.commands.clear();
    rig.run(299);
    assert!(rig.reads().is_empty());
    rig.check_reserved(A, "0", "600");
    rig.run(1);
    assert!(matches!(rig.reads()[..], [ReadKind::Trades { pair: PAIR, .. }]));
    let missing = rig.next_fill(&buy, 1_000_000, 6_000_000);
    rig.trades(A, vec![missing.clone(), missing]);
    rig.check_ledger(A, "10.00999", "999400");
    rig.check_reserved(A, "0", "0");
}

/// Two fills of one trade id on different pairs or venues are two; on one they are one (I2).
#[test]
fn a_trade_id_is_booked_once_per_venue() {
    let mut rig = Rig::started();
    let (buy, sell) = rig.open(BUY, SELL);
    let now = rig.now;
    for one in [fill(&buy, "same", 1_000_000, 6_000_000, now), fill(&sell, "same", 999_000, 6_010_000, now)] {
        rig.exec.handle_fill(now, &one, &mut rig.out);
        rig.exec.handle_fill(now, &one, &mut rig.out);
    }
    rig.check_ledger(A, "10.00999", "999400");
    // 0.00999 × 60100 = 600.399, less 0.1 %.
    rig.check_ledger(B, "9.99001", "1000599.798601");
    let report = rig.exec.report();
    assert_eq!((report.fills, report.fills_repeated), (2, 2));
    assert_eq!(report.fees, vec![(A, BTC, amount("0.00001")), (B, USDT, amount("0.600399"))]);
    assert_eq!(report.flows[0].1.base, amount("0"));
    assert_eq!(report.flows[0].1.quote, amount("-0.201399"));
}

/// Contradictory news about a living order asks the venue instead of believing either side (F23).
#[test]
fn a_refusal_of_a_living_order_is_looked_up() {
    let mut rig = Rig::started();
    let (buy, _) = rig.open(BUY, SELL);
    rig.tell(&buy, OrderSource::Stream, OrderReport::Open { filled: qty(1_000) });
    rig.tell(&buy, OrderSource::Reply, OrderReport::Refused { class: ErrorClass::Unknown, label: Label::default() });
    assert!(rig.outcomes().is_empty());
    rig.check_reserved(A, "0", "600");
    rig.run(100);
    assert_eq!(rig.look_ups(), 1);
}

#[test]
fn fees_charged_on_what_is_spent_are_reserved() {
    let mut rig = Rig::started();
    rig.exec.handle_fees(&FeeRates { paid_in: Some(USDT), ..fees(A) });
    rig.exec.handle_fees(&FeeRates { paid_in: Some(BTC), ..fees(B) });
    rig.open(BUY, SELL);
    rig.check_reserved(A, "0", "600.6");
    rig.check_reserved(B, "0.00999999", "0");
}

/// A fee that is not the predicted one (F21): booked as charged, openings with that venue pause, and the rates are asked for; once
/// they explain it, the pause ends. Folding the log gives the same pause.
#[test]
fn an_unpredicted_fee_pauses_its_venue_until_the_rates_explain_it() {
    let pause = StopRequest::set(StopKind::Pause, StopReason::FeeDrift, Some(A), None);
    let mut rig = Rig::started();
    let (buy, sell) = rig.open(BUY, SELL);
    rig.execute(&sell, 999_000);
    let mut dear = rig.next_fill(&buy, 1_000_000, 6_000_000);
    dear.fees[0].1 = amount("0.00002");
    rig.exec.handle_fill(rig.now, &dear, &mut rig.out);
    rig.finish(&buy, 1_000_000);
    rig.decide();
    rig.check_ledger(A, "10.00998", "999400");
    assert!(rig.has_stop(pause), "{:?}", rig.out.stops);
    assert!(rig.reads().contains(&ReadKind::Fees));
    assert_eq!(rig.exec.report().fee_drift, 1);
    // The rates as before explain nothing; the tier that was charged does.
    rig.exec.handle_fees(&fees(A));
    rig.decide();
    let clear = StopRequest::clear(StopKind::Pause, StopReason::FeeDrift, Some(A), None);
    assert!(!rig.has_stop(clear));
    rig.exec.handle_fees(&FeeRates { taker: domain::Rate::from_bps(20).unwrap(), ..fees(A) });
    rig.decide();
    assert!(rig.has_stop(clear));
    assert_eq!(rig.exec.report().fee_drift, 1);
}

/// A venue that only receives a placement tells its refusal as a row of the order (Bybit's `Rejected`): before the receipt or after it,
/// the order has ended, and the receipt is no contradiction.
#[test]
fn an_order_refused_by_its_row_has_ended_whenever_the_receipt_comes() {
    let label = Label::cut("EC_InvalidSymbolStatus");
    let refused = OrderReport::Refused { class: ErrorClass::FilterReject, label };
    let received = OrderReport::Open { filled: Qty::ZERO };
    for row in [OrderSource::Stream, OrderSource::Query] {
        for receipt_first in [false, true] {
            let mut rig = Rig::started();
            let (buy, _) = rig.open(BUY, SELL);
            let mut news = [(row, refused), (OrderSource::Reply, received)];
            if receipt_first {
                news.reverse();
            }
            news.iter().for_each(|(source, report)| rig.tell(&buy, *source, *report));
            assert_eq!(rig.outcomes(), vec![OrderOutcome::Refused], "{row:?}, receipt first: {receipt_first}");
            rig.check_reserved(A, "0", "0");
            assert_eq!(rig.out.stops, vec![]);
        }
    }
}

/// Two look-ups that overtake each other, found by the mixed swarm: the answer to the earlier one shows the order before it was refused.
#[test]
fn a_refused_order_that_an_earlier_question_shows_open_is_no_contradiction_but_a_later_one_is() {
    let refused = OrderReport::Refused { class: ErrorClass::SymbolClosed, label: Label::cut("EC_InvalidSymbolStatus") };
    let latch = StopRequest::set(StopKind::Latch, StopReason::UnknownFill, Some(A), Some(PAIR));
    for shown in [OrderReport::Open { filled: Qty::ZERO }, OrderReport::TermsDiffer { qty: qty(500_000), filled: Qty::ZERO }] {
        for (asked, contradicts) in [(-1, false), (1, true)] {
            let mut rig = Rig::started();
            let (buy, _) = rig.open(BUY, SELL);
            rig.pass(100);
            rig.tell(&buy, OrderSource::Query, refused);
            let known = rig.now;
            rig.pass(100);
            let mut answer = rig.update(&buy, OrderSource::Query, shown);
            answer.requested = MonoNanos(known.0.saturating_add_signed(asked));
            rig.exec.handle_order(rig.now, &answer, &mut rig.out);
            assert_eq!(rig.has_stop(latch), contradicts, "{shown:?}, asked {asked} ns later: {:?}", rig.out.stops);
        }
    }
}
