//! What the executor says of itself: what is open, what strangers did, fees in tokens; and what it refuses to book.

use crate::rig::*;
use domain::*;
use executor::*;

const BUY: (VenueId, i64, i64) = (A, 6_000_000, 1_000_000);
const SELL: (VenueId, i64, i64) = (B, 6_010_000, 999_000);

fn latch(venue: VenueId) -> StopRequest {
    StopRequest::set(StopKind::Latch, StopReason::UnknownFill, Some(venue), Some(PAIR))
}

/// An order that nobody of this engine sent, as a list shows it.
fn stranger(rig: &Rig, venue: VenueId, id: &str, client_id: Option<ClientOrderId>, report: OrderReport) -> OrderUpdate {
    OrderUpdate {
        venue,
        pair: PAIR,
        client_id,
        venue_order_id: VenueOrderId::new(id),
        source: OrderSource::Query,
        received: rig.now,
        requested: rig.now,
        report,
    }
}

/// Binance keeps eight decimals of quote: of BNBBTC 0.00566780 × 0.38 it tells 0.00215376, of 0.00324060 × 3.27 0.01059676. The same
/// digits here, a million times as large.
#[test]
fn a_fill_moves_the_quote_that_the_venue_told() {
    let mut rig = Rig::started();
    let (buy, sell) = rig.open((A, 566_780, 38_000_000), (B, 566_780, 37_962_000));
    let bought = Fill { quote: Some(amount("2153.76")), ..rig.next_fill(&buy, 38_000_000, 566_780) };
    let again = Fill { quote: None, source: OrderSource::Query, ..bought.clone() };
    for fill in [bought, again] {
        rig.exec.handle_fill(rig.now, &fill, &mut rig.out);
    }
    rig.finish(&buy, 38_000_000);
    rig.check_ledger(A, "10.37962", "997846.24");
    // 2151.610236, of which 2151.61 is told and charged for.
    let fees = [(USDT, amount("2.15161"))].into_iter().collect();
    let sold = Fill { quote: Some(amount("2151.61")), fees, ..rig.next_fill(&sell, 37_962_000, 566_780) };
    rig.exec.handle_fill(rig.now, &sold, &mut rig.out);
    rig.finish(&sell, 37_962_000);
    rig.check_ledger(B, "9.62038", "1002149.45839");
    rig.decide();
    assert!(matches!(rig.closed()[..], [Notice::DealClosed { quote_flow, .. }] if quote_flow == amount("-4.30161")));
    let report = rig.exec.report();
    assert_eq!((report.flows[0].1.quote, report.fee_drift), (amount("-4.30161"), 0));
    let foreign = Fill {
        client_id: None,
        venue_order_id: VenueOrderId::new("manual").unwrap(),
        quote: Some(amount("10596.76")),
        ..rig.next_fill(&buy, 327_000_000, 324_060)
    };
    rig.exec.handle_fill(rig.now, &foreign, &mut rig.out);
    rig.check_ledger(A, "13.64635", "987249.48");
}

#[test]
fn what_is_open_is_told_with_its_exposure() {
    let mut rig = Rig::started();
    assert_eq!((rig.exec.orders_open().count(), rig.exec.deals_open(), rig.exec.open_items()), (0, vec![], vec![]));
    let (buy, sell) = rig.open(BUY, SELL);
    rig.tell(&buy, OrderSource::Stream, OrderReport::Open { filled: qty(0) });
    rig.fill(&buy, 400_000, 6_000_000);
    rig.tell(&sell, OrderSource::Edge, OrderReport::Unknown { cause: UnknownCause::LinkLost });
    let line = |client_id, unknown, ended, filled| OpenOrder { client_id, unknown, ended, filled: qty(filled) };
    let orders = |rig: &Rig| rig.exec.orders_open().collect::<Vec<_>>();
    assert_eq!(orders(&rig), vec![line(buy.client_id, false, false, 400_000), line(sell.client_id, true, false, 0)]);
    // 0.004 bought, less 0.1 %: 0.003996. The rest of the buy may still give 0.006, the sell take 0.00999.
    let exposure = (amount("-0.005994"), amount("0.009996"));
    assert_eq!(rig.exec.deals_open(), vec![OpenDeal { deal: buy.deal, pair: PAIR, buy: A, sell: B, exposure }]);
    let (bought, sold, deal) = (buy.client_id, sell.client_id, buy.deal.0);
    assert_eq!(
        rig.exec.open_items(),
        vec![
            format!("order {bought} (buy BTC/USDT on a) open"),
            format!("order {sold} (sell BTC/USDT on b) unknown"),
            format!("deal {deal}: base exposure -0.005994 to 0.009996"),
        ]
    );
    // An end with more executed than is booked: what is missing is certain, its fee too.
    rig.finish(&buy, 500_000);
    rig.tell(&sell, OrderSource::Reply, OrderReport::NotSent);
    assert_eq!(orders(&rig), vec![line(buy.client_id, false, true, 500_000)]);
    let exposure = rig.exec.deals_open()[0].exposure;
    // 0.003996 and 0.001 less 0.1 %; at most all of the 0.001.
    assert_eq!(exposure, (amount("0.004995"), amount("0.004996")));
    rig.fill(&buy, 100_000, 6_000_000);
    assert_eq!(orders(&rig), vec![]);
    assert_eq!(rig.exec.deals_open()[0].exposure, (amount("0.004995"), amount("0.004995")));
}

#[test]
fn what_a_key_may_do_is_told() {
    let mut rig = Rig::new();
    assert_eq!(rig.exec.facts(A), None);
    rig.account(A, Some(true));
    let facts = AccountFacts { venue: A, can_trade: Some(true), can_withdraw: Some(true), ip_bound: None };
    assert_eq!((rig.exec.facts(A), rig.exec.facts(B), rig.exec.facts(VenueId(2))), (Some(facts), None, None));
}

/// Somebody trades by hand on the account: each open order of theirs counts once a venue, however often it is listed, and is left alone.
#[test]
fn open_orders_of_strangers_count_once_and_are_left_alone() {
    let mut rig = Rig::started();
    let open = OrderReport::Open { filled: qty(0) };
    let theirs = ClientOrderId::new(INSTANCE + 1, EPOCH, 0, 1);
    for _ in 0..3 {
        let listed = [stranger(&rig, A, "m1", None, open), stranger(&rig, A, "m2", theirs, open)];
        rig.open_orders(A, listed.to_vec());
        rig.open_orders(B, vec![stranger(&rig, B, "m1", None, open)]);
        rig.pass(1_000);
    }
    let ended = OrderReport::Finished { finish: Finish::Filled, filled: qty(1_000) };
    let ended = stranger(&rig, A, "m3", None, ended);
    rig.exec.handle_order(rig.now, &ended, &mut rig.out);
    assert_eq!(rig.exec.report().orders_foreign, 3, "two on a, one on b, and none that has ended");
    assert!(rig.out.commands.is_empty() && rig.out.stops.is_empty(), "{:?}", rig.out);
    // More of them than are kept apart: none is missed, some may count again.
    for n in 0..1_500 {
        let one = stranger(&rig, A, &format!("more{n}"), None, open);
        rig.exec.handle_order(rig.now, &one, &mut rig.out);
    }
    assert_eq!(rig.exec.report().orders_foreign, 1_503);
}

/// An order of ours that the log lost and that has ended: only what it executed matters, and that is asked for.
#[test]
fn a_lost_order_that_executed_something_asks_for_its_trades() {
    let mut rig = Rig::started();
    rig.exec.recover_epoch(EPOCH - 5);
    let ours = ClientOrderId::new(INSTANCE, EPOCH - 5, 0, 1);
    let asked = |rig: &Rig| rig.reads().iter().filter(|read| matches!(read, ReadKind::Trades { pair: PAIR, .. })).count();
    for (filled, expected) in [(0, 0), (1_000, 1)] {
        let report = OrderReport::Finished { finish: Finish::Cancelled, filled: qty(filled) };
        let ended = stranger(&rig, A, "v1", ours, report);
        rig.exec.handle_order(rig.now, &ended, &mut rig.out);
        rig.decide();
        assert_eq!(asked(&rig), expected, "{filled} executed");
    }
    assert!(rig.exec.ready(A), "an order that has ended holds nothing up");
}

/// Evidence under our id from where that order never was says nothing of the order, and needs a person.
#[test]
fn our_id_on_another_venue_latches_and_changes_nothing() {
    let mut rig = Rig::started();
    let (buy, _) = rig.open(BUY, SELL);
    let report = OrderReport::Finished { finish: Finish::Filled, filled: buy.qty };
    let elsewhere = stranger(&rig, B, "v9", Some(buy.client_id), report);
    rig.exec.handle_order(rig.now, &elsewhere, &mut rig.out);
    assert_eq!(rig.out.stops, vec![latch(B)]);
    assert!(rig.outcomes().is_empty());
    rig.check_reserved(A, "0", "600");
    assert_eq!(rig.exec.orders_open().count(), 2);
}

/// One id of the venue cannot name two orders of ours.
#[test]
fn a_venue_id_that_names_two_orders_latches() {
    let mut rig = Rig::started();
    let (first, other) = rig.open(BUY, SELL);
    for order in [first, other] {
        rig.tell(&order, OrderSource::Stream, OrderReport::Open { filled: qty(0) });
    }
    let (second, _) = rig.open(BUY, SELL);
    let mut update = rig.update(&second, OrderSource::Stream, OrderReport::Open { filled: qty(0) });
    update.venue_order_id = Some(venue_id(&first));
    rig.exec.handle_order(rig.now, &update, &mut rig.out);
    assert_eq!(rig.out.stops, vec![latch(A)]);
}

#[test]
fn executions_of_nothing_or_of_absurd_value_are_not_booked() {
    let mut rig = Rig::started();
    let (buy, _) = rig.open(BUY, SELL);
    let nothing = Fill { qty: qty(0), ..fill(&buy, "t1", 1_000_000, 6_000_000, rig.now) };
    rig.exec.handle_fill(rig.now, &nothing, &mut rig.out);
    assert_eq!((rig.exec.report().fills, rig.exec.report().fills_repeated), (0, 0));
    rig.check_reserved(A, "0", "600");
    assert!(rig.out.stops.is_empty());
    rig.tell(&buy, OrderSource::Stream, OrderReport::Open { filled: qty(0) });
    // Its value has more digits than any number here.
    let mut absurd = fill(&buy, "t2", 1_000_000, 6_000_000, rig.now);
    (absurd.price, absurd.qty) = (price(number::UNITS_MAX), qty(number::UNITS_MAX));
    absurd.client_id = None;
    absurd.venue_order_id = VenueOrderId::new("manual").unwrap();
    for _ in 0..2 {
        rig.exec.handle_fill(rig.now, &absurd, &mut rig.out);
    }
    assert_eq!(rig.out.stops, vec![latch(A)], "told twice, latched once");
    rig.check_ledger(A, "10", "1000000");
    let report = rig.exec.report();
    assert_eq!((report.fills, report.fills_foreign, report.fills_repeated), (0, 0, 1));
}

/// Nameless executions wait for an order's venue id, but not without bound: one too many is booked as a stranger's, and a person looks.
#[test]
fn nameless_executions_wait_in_bounded_number() {
    let mut rig = Rig::started();
    let (buy, _) = rig.open(BUY, SELL);
    let nameless = |rig: &Rig, n: u32| Fill {
        client_id: None,
        venue_order_id: VenueOrderId::new("manual").unwrap(),
        ..fill(&buy, &format!("n{n}"), 1_000_000, 6_000_000, rig.now)
    };
    for n in 0..256 {
        let one = nameless(&rig, n);
        rig.exec.handle_fill(rig.now, &one, &mut rig.out);
    }
    let again = nameless(&rig, 255);
    rig.exec.handle_fill(rig.now, &again, &mut rig.out);
    assert!(rig.out.stops.is_empty());
    assert_eq!((rig.exec.report().fills_repeated, rig.exec.report().fills_foreign), (1, 0));
    rig.check_ledger(A, "10", "1000000");
    let one_more = nameless(&rig, 256);
    rig.exec.handle_fill(rig.now, &one_more, &mut rig.out);
    assert!(rig.has_stop(latch(A)));
    assert_eq!(rig.exec.report().fills_foreign, 1);
    // 0.01 bought for 600, less 0.1 % in base.
    rig.check_ledger(A, "10.00999", "999400");
    // The order gets its id: they were not its own, and all are booked.
    rig.tell(&buy, OrderSource::Reply, OrderReport::Open { filled: qty(0) });
    assert_eq!(rig.exec.report().fills_foreign, 257);
    rig.check_ledger(A, "12.56743", "845800");
}

/// A fee in an asset that this run does not know: the execution is booked, the fee told, and a person must look.
#[test]
fn a_fee_in_an_unknown_asset_latches_and_is_told() {
    let mut rig = Rig::started();
    let token = AssetId(2);
    let (buy, _) = rig.open(BUY, SELL);
    for (quantity, fee) in [(400_000, "0.25"), (600_000, "0.5")] {
        let mut one = rig.next_fill(&buy, quantity, 6_000_000);
        one.fees[0] = (token, amount(fee));
        rig.exec.handle_fill(rig.now, &one, &mut rig.out);
        assert!(rig.has_stop(latch(A)));
    }
    rig.check_ledger(A, "10.01", "999400");
    let report = rig.exec.report();
    assert_eq!(report.fees, vec![(A, token, amount("0.75"))]);
    assert_eq!(report.token_fees, vec![(token, amount("0.75"))]);
    assert_eq!(report.flows, vec![(PAIR, Flow { quote: amount("-600"), base: amount("0.01") })]);
}
