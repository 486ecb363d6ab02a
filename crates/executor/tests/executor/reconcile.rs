//! Accounts: start, reconnect, drift, foreign activity, lost intents, restart.

use crate::rig::*;
use domain::time::SECOND;
use domain::*;
use executor::{Executor, IdSource, Outbox, StopRequest};

const DRIFT: StopRequest = StopRequest::set(StopKind::Pause, StopReason::LedgerDrift, Some(A), None);
const DRIFT_OVER: StopRequest = StopRequest::clear(StopKind::Pause, StopReason::LedgerDrift, Some(A), None);
const UNPROVEN: StopRequest = StopRequest::set(StopKind::Freeze, StopReason::StreamUnproven, Some(A), None);
const FOREIGN: StopRequest = StopRequest::set(StopKind::Pause, StopReason::ForeignActivity, Some(A), None);

#[test]
fn a_venue_is_ready_only_after_everything_was_read() {
    let mut rig = Rig::new();
    rig.decide();
    assert!(rig.reads().is_empty(), "nothing is asked before the link is up");
    rig.link(A, LinkState::Up);
    rig.decide();
    let since = UnixNanos(UNIX + SECOND as i64 - 60 * SECOND as i64);
    assert_eq!(
        rig.reads(),
        vec![ReadKind::Account, ReadKind::Fees, ReadKind::OpenOrders, ReadKind::Trades { pair: PAIR, since }]
    );
    rig.account(A, None);
    rig.open_orders(A, vec![]);
    rig.decide();
    assert!(!rig.reads().contains(&ReadKind::Balances), "balances come after trades");
    rig.trades(A, vec![]);
    rig.decide();
    assert!(rig.reads().contains(&ReadKind::Balances));
    assert!(!rig.exec.ready(A));
    rig.balances(A, "1.5", "100");
    rig.decide();
    assert!(rig.exec.ready(A) && !rig.exec.ready(B));
    rig.check_ledger(A, "1.5", "100");
    assert!(rig.out.notices.contains(&Notice::Reconciled { venue: A }));
    assert!(rig.out.notices.contains(&Notice::Adopted {
        venue: A,
        asset: USDT,
        before: Amount::ZERO,
        after: amount("100"),
        external: false,
    }));
    assert!(rig.has_stop(StopRequest::clear(StopKind::Freeze, StopReason::StreamUnproven, Some(A), None)));
}

#[test]
fn a_key_that_may_withdraw_is_never_ready() {
    let mut rig = Rig::new();
    rig.link(A, LinkState::Up);
    rig.decide();
    rig.account(A, Some(true));
    rig.open_orders(A, vec![]);
    rig.trades(A, vec![]);
    rig.decide();
    rig.balances(A, "1", "1");
    rig.run(120_000);
    assert!(!rig.exec.ready(A));
    assert_eq!(rig.exec.facts(A).unwrap().can_withdraw, Some(true));
}

#[test]
fn a_lost_link_freezes_until_everything_was_read_again() {
    let mut rig = Rig::started();
    rig.link(A, LinkState::Lost);
    rig.decide();
    assert!(!rig.exec.ready(A) && rig.has_stop(UNPROVEN));
    rig.pass(100);
    rig.link(A, LinkState::Up);
    rig.decide();
    assert!(!rig.exec.ready(A));
    // An answer to a question from before the link came up does not count.
    let mut old = rig.balance_report(A, "10", "1000000");
    old.requested = ms(1_050);
    rig.exec.handle_balances(rig.now, &old, &mut rig.out);
    rig.decide();
    assert!(!rig.exec.ready(A));
    rig.answer_all(A, "10", "1000000");
    assert!(rig.exec.ready(A));
}

#[test]
fn a_venue_that_stays_lost_is_closed_until_it_is_read_again() {
    const CLOSED: StopRequest = StopRequest::set(StopKind::Pause, StopReason::VenueMaintenance, Some(A), None);
    const OPEN: StopRequest = StopRequest::clear(StopKind::Pause, StopReason::VenueMaintenance, Some(A), None);
    let mut rig = Rig::started();
    rig.link(A, LinkState::Lost);
    rig.run(29_999);
    assert!(!rig.has_stop(CLOSED));
    rig.run(1);
    assert!(rig.has_stop(CLOSED));
    rig.out = Outbox::default();
    rig.link(A, LinkState::Up);
    rig.decide();
    assert!(!rig.has_stop(OPEN), "a link alone is no proof");
    rig.link(A, LinkState::Lost);
    rig.link(A, LinkState::Up);
    rig.decide();
    rig.answer_all(A, "10", "1000000");
    assert!(rig.exec.ready(A) && rig.has_stop(OPEN) && !rig.has_stop(CLOSED));
    rig.run(60_000);
    assert!(!rig.has_stop(CLOSED));
}

#[test]
fn a_suspended_process_reads_everything_again() {
    let mut rig = Rig::started();
    rig.pass(10_000);
    rig.link(A, LinkState::Paused);
    rig.decide();
    assert!(!rig.exec.ready(A) && rig.has_stop(UNPROVEN));
    assert!(rig.reads().contains(&ReadKind::OpenOrders));
    rig.answer_all(A, "10", "1000000");
    assert!(rig.exec.ready(A));
}

#[test]
fn comparisons_repeat_every_minute_and_failed_reads_back_off() {
    let mut rig = Rig::just_started();
    rig.run(59_999);
    assert!(rig.reads().is_empty());
    rig.run(1);
    assert_eq!(rig.reads().iter().filter(|r| **r == ReadKind::OpenOrders).count(), 2, "one for each venue");
    rig.out = Outbox::default();
    let failure = ReadFailure { venue: A, read: ReadKind::OpenOrders, class: ErrorClass::RateLimited, received: rig.now };
    rig.exec.handle_read_failed(rig.now, &failure, &mut rig.out);
    rig.run(499);
    assert!(!rig.reads().contains(&ReadKind::OpenOrders));
    rig.run(1);
    assert!(rig.reads().contains(&ReadKind::OpenOrders));
    assert!(rig.exec.ready(A), "a slow periodic comparison does not stop trading");
}

/// States `usdt` on A in answer to every comparison until `millis` from now.
fn state(rig: &mut Rig, usdt: &str, millis: u64) {
    let end = rig.now.after(millis * 1_000_000);
    while rig.now < end {
        rig.now = rig.exec.next_deadline().map_or(end, |at| at.min(end));
        rig.decide();
        for read in rig.reads() {
            match read {
                ReadKind::OpenOrders => [A, B].into_iter().for_each(|v| rig.open_orders(v, vec![])),
                ReadKind::Trades { .. } => [A, B].into_iter().for_each(|v| rig.trades(v, vec![])),
                ReadKind::Balances => {
                    rig.balances(A, "10", usdt);
                    rig.balances(B, "10", "1000000");
                }
                _ => {}
            }
        }
        rig.out.commands.clear();
        rig.decide();
    }
}

#[test]
fn balances_that_differ_are_drift_only_after_the_grace_time() {
    let mut rig = Rig::started();
    state(&mut rig, "1000000", 60_000);
    state(&mut rig, "999999.999999999999999999", 29_000);
    assert!(!rig.has_stop(DRIFT));
    state(&mut rig, "999999.999999999999999999", 33_000 + 30_000);
    assert!(rig.has_stop(DRIFT));
    let stated = amount("999999.999999999999999999");
    assert!(rig.out.notices.contains(&Notice::Drift { venue: A, asset: USDT, ledger: amount("1000000"), stated }));
    assert_eq!(rig.exec.reconciled(A), Some(false));
    rig.check_ledger(A, "10", "1000000");
    state(&mut rig, "1000000", 10_000);
    assert!(rig.has_stop(DRIFT_OVER));
    assert_eq!(rig.exec.reconciled(A), Some(true));
}

#[test]
fn a_person_may_let_drifted_balances_be_adopted() {
    let mut rig = Rig::started();
    state(&mut rig, "2000000", 130_000);
    assert!(rig.has_stop(DRIFT));
    rig.check_ledger(A, "10", "1000000");
    let told = |rig: &Rig| rig.out.notices.iter().filter(|notice| matches!(notice, Notice::Drift { .. })).count();
    assert_eq!(told(&rig), 1, "one alert, however long it lasts");
    rig.exec.handle_resume();
    state(&mut rig, "2000000", 29_000);
    rig.check_ledger(A, "10", "1000000");
    state(&mut rig, "2000000", 11_000);
    rig.check_ledger(A, "10", "2000000");
    assert!(rig.has_stop(DRIFT_OVER));
    let (before, after) = (amount("1000000"), amount("2000000"));
    let adopted = Notice::Adopted { venue: A, asset: USDT, before, after, external: true };
    assert_eq!(rig.out.notices.iter().filter(|notice| **notice == adopted).count(), 1, "taken over once, as others' doing");
    assert_eq!(told(&rig), 1);
    assert_eq!(rig.exec.available(A, USDT), after, "limits see it");
}

#[test]
fn statements_in_the_middle_of_things_are_not_compared() {
    let mut rig = Rig::started();
    let before = rig.balance_report(A, "5", "5");
    rig.pass(10);
    let (buy, sell) = rig.open((A, 6_000_000, 1_000_000), (B, 6_010_000, 999_000));
    rig.balances(A, "5", "5");
    assert_eq!(rig.exec.reconciled(A), Some(true), "an order is in flight");
    rig.execute(&buy, 1_000_000);
    rig.execute(&sell, 999_000);
    rig.exec.handle_balances(rig.now, &before, &mut rig.out);
    assert_eq!(rig.exec.reconciled(A), Some(true), "asked before the fill");
    rig.pass(1);
    let mut versioned = rig.balance_report(A, "10.00999", "999400");
    versioned.entries[0].version = Some(9);
    versioned.source = BalanceSource::Stream;
    rig.exec.handle_balances(rig.now, &versioned, &mut rig.out);
    let mut older = rig.balance_report(A, "5", "5");
    older.entries[0].version = Some(8);
    rig.exec.handle_balances(rig.now, &older, &mut rig.out);
    assert_eq!(rig.exec.reconciled(A), Some(true), "older than a version seen");
    rig.balances(A, "5", "5");
    assert_eq!(rig.exec.reconciled(A), Some(false));
}

fn foreign(rig: &Rig, trade: &str, side: Side) -> Fill {
    let order = NewOrder {
        venue: A,
        pair: PAIR,
        client_id: ClientOrderId::new(9, EPOCH, 0, 1).unwrap(),
        deal: DealId(0),
        purpose: Purpose::Open,
        side,
        price: price(6_000_000),
        qty: qty(1_000_000),
        tif: TimeInForce::Ioc,
        deadline: None,
    };
    Fill {
        client_id: None,
        venue_order_id: VenueOrderId::new("manual").unwrap(),
        ..fill(&order, trade, 1_000_000, 6_000_000, rig.now)
    }
}

#[test]
fn a_foreign_fill_is_booked_and_pauses_the_venue() {
    let mut rig = Rig::started();
    let fill = foreign(&rig, "m1", Side::Buy);
    rig.exec.handle_fill(rig.now, &fill, &mut rig.out);
    rig.exec.handle_fill(rig.now, &fill, &mut rig.out);
    rig.check_ledger(A, "10.00999", "999400");
    assert!(rig.has_stop(FOREIGN));
    assert!(rig.out.notices.iter().any(|n| matches!(n, Notice::Filled { deal: None, .. })));
    assert_eq!((rig.exec.report().fills_foreign, rig.exec.report().fills, rig.exec.open_deals()), (1, 0, 0));
}

/// F31: an execution on a pair or venue that this run does not know is not booked anywhere, and needs a person.
#[test]
fn a_fill_on_an_unknown_pair_or_venue_latches() {
    let mut rig = Rig::started();
    let known = foreign(&rig, "m1", Side::Buy);
    let cases = [
        (Fill { pair: PairId(1), ..known.clone() }, Some(A), None),
        (Fill { venue: VenueId(2), ..known.clone() }, None, Some(PAIR)),
    ];
    for (fill, venue, pair) in cases {
        rig.out = Outbox::default();
        rig.exec.handle_fill(rig.now, &fill, &mut rig.out);
        assert_eq!(rig.out.stops, vec![StopRequest::set(StopKind::Latch, StopReason::UnknownFill, venue, pair)]);
        rig.check_ledger(A, "10", "1000000");
    }
    // A fill of our own order's id where it never was is no order's: booked as foreign, and latched.
    let (buy, _) = rig.open((A, 6_000_000, 1_000_000), (B, 6_010_000, 999_000));
    let elsewhere = Fill { venue: B, ..fill(&buy, "e1", 1_000_000, 6_000_000, rig.now) };
    rig.exec.handle_fill(rig.now, &elsewhere, &mut rig.out);
    assert!(rig.has_stop(StopRequest::set(StopKind::Latch, StopReason::UnknownFill, Some(B), Some(PAIR))));
    rig.check_ledger(B, "10.00999", "999400");
    assert_eq!((rig.exec.report().fills, rig.exec.report().fills_foreign), (0, 1));
}

/// A fill that names only a venue id while one of our orders waits for its own may be ours; when it proves not to be, it is foreign.
#[test]
fn a_nameless_fill_waits_for_our_orders() {
    let mut rig = Rig::started();
    let (buy, _) = rig.open((A, 6_000_000, 1_000_000), (B, 6_010_000, 999_000));
    let fill = foreign(&rig, "m1", Side::Buy);
    rig.exec.handle_fill(rig.now, &fill, &mut rig.out);
    rig.check_ledger(A, "10", "1000000");
    assert!(!rig.has_stop(FOREIGN));
    rig.tell(&buy, OrderSource::Reply, OrderReport::Open { filled: qty(0) });
    rig.check_ledger(A, "10.00999", "999400");
    assert!(rig.has_stop(FOREIGN));
}

#[test]
fn fills_from_before_the_first_start_are_history() {
    let mut rig = Rig::new();
    rig.link(A, LinkState::Up);
    rig.decide();
    let past = foreign(&rig, "past", Side::Buy);
    rig.account(A, None);
    rig.open_orders(A, vec![]);
    rig.trades(A, vec![past.clone()]);
    rig.decide();
    rig.balances(A, "2.9", "4"); // it may lag behind that trade
    rig.decide();
    rig.check_ledger(A, "0", "0");
    rig.pass(3_000);
    for _ in 0..2 {
        rig.balances(A, "3", "4");
        rig.check_ledger(A, "0", "0");
        rig.pass(29_999);
    }
    rig.balances(A, "3", "4");
    rig.decide();
    rig.check_ledger(A, "3", "4");
    rig.trades(A, vec![past]);
    rig.check_ledger(A, "3", "4");
    assert!(!rig.has_stop(FOREIGN));
}

/// A first start at which everything was read but the balances.
fn all_but_balances_read() -> Rig {
    let mut rig = Rig::new();
    rig.link(A, LinkState::Up);
    rig.decide();
    rig.account(A, None);
    rig.open_orders(A, vec![]);
    rig.trades(A, vec![]);
    rig.decide();
    rig
}

/// Found by the mixed swarm: somebody traded after the trades were read and before the balances were, and his trade was booked on top of
/// balances that held it.
#[test]
fn a_change_of_balances_during_the_first_start_waits_for_the_trade_that_made_it() {
    let mut rig = all_but_balances_read();
    let told = BalanceReport { source: BalanceSource::Stream, ..rig.balance_report(A, "3", "4") };
    rig.exec.handle_balances(rig.now, &told, &mut rig.out);
    for millis in [3_000, 30_000] {
        rig.balances(A, "3", "4");
        rig.decide();
        rig.check_ledger(A, "0", "0");
        rig.pass(millis);
        // Listed now, and known as what was before.
        let past = foreign(&rig, "past", Side::Buy);
        rig.trades(A, vec![past]);
    }
    rig.balances(A, "3", "4");
    rig.decide();
    rig.check_ledger(A, "3", "4");
    let past = foreign(&rig, "past", Side::Buy);
    rig.trades(A, vec![past]);
    rig.check_ledger(A, "3", "4");
    assert!(!rig.has_stop(FOREIGN));
}

/// Found by the swarm (275,873): the accounts were not answered for seconds after the trades were, somebody traded meanwhile, and his
/// trade was booked on top of balances that held it.
#[test]
fn a_first_statement_counts_only_beside_trades_that_were_read_with_it() {
    let mut rig = all_but_balances_read();
    rig.pass(1_200);
    rig.balances(A, "3", "4");
    rig.decide();
    rig.check_ledger(A, "0", "0");
    assert!(!rig.exec.ready(A));
    // Both are asked for again.
    rig.out.commands.clear();
    rig.pass(2_000);
    rig.decide();
    assert!(rig.reads().iter().any(|read| matches!(read, ReadKind::Trades { .. })), "{:?}", rig.reads());
    rig.open_orders(A, vec![]);
    rig.trades(A, vec![]);
    rig.decide();
    rig.pass(1_000);
    rig.balances(A, "3", "4");
    rig.decide();
    rig.check_ledger(A, "3", "4");
    assert!(rig.exec.ready(A));
}

/// Found by the swarm (361,214): somebody traded before the stream was up, the list of trades was behind the balances, and his trade was
/// booked on top of balances that held it.
#[test]
fn a_trade_that_is_listed_after_the_first_balances_is_not_booked_on_top_of_them() {
    let mut rig = all_but_balances_read();
    rig.pass(500);
    rig.balances(A, "10.00999", "999400");
    rig.decide();
    assert!(rig.exec.ready(A));
    rig.pass(10_500);
    let late = Fill { source: OrderSource::Query, ..foreign(&rig, "late", Side::Buy) };
    rig.trades(A, vec![late.clone()]);
    rig.check_ledger(A, "10.00999", "999400");
    assert!(rig.has_stop(FOREIGN), "it is told all the same: {:?}", rig.out.stops);
    rig.decide();
    rig.balances(A, "10.00999", "999400");
    rig.check_ledger(A, "10.00999", "999400");
    // That list was asked for late enough: what comes now was not in those balances, whatever its date.
    rig.pass(1);
    rig.trades(A, vec![late, Fill { source: OrderSource::Query, ..foreign(&rig, "new", Side::Buy) }]);
    rig.check_ledger(A, "10.01998", "998800");
}

/// The other way around: it was not in them. They are taken over anew, when they have stayed the same.
#[test]
fn a_trade_just_after_the_first_balances_waits_for_balances_that_hold_it() {
    let mut rig = Rig::just_started();
    rig.pass(9_999);
    let told = foreign(&rig, "early", Side::Buy);
    rig.exec.handle_fill(rig.now, &told, &mut rig.out);
    rig.check_ledger(A, "10", "1000000");
    assert!(rig.has_stop(FOREIGN));
    rig.out.commands.clear();
    rig.pass(2_000);
    rig.decide();
    assert!(rig.reads().contains(&ReadKind::OpenOrders), "it is not left for a minute: {:?}", rig.reads());
    for _ in 0..2 {
        rig.balances(A, "10.00999", "999400");
        rig.check_ledger(A, "10", "1000000");
        rig.pass(29_999);
    }
    rig.balances(A, "10.00999", "999400");
    rig.check_ledger(A, "10.00999", "999400");
    assert!(rig.out.notices.iter().any(|notice| matches!(notice, Notice::Adopted { venue: A, external: true, .. })));
    // The stream tells the next one so late that it is none of those.
    let mut next = foreign(&rig, "next", Side::Sell);
    next.source = OrderSource::Stream;
    rig.exec.handle_fill(rig.now, &next, &mut rig.out);
    rig.check_ledger(A, "9.99999", "999999.4");
}

/// The same instance number in another run directory: its ids look like ours, its orders are not.
#[test]
fn ids_of_an_epoch_that_this_directory_never_had_are_foreign() {
    let mut rig = Rig::started();
    let mut theirs = foreign(&rig, "theirs", Side::Buy);
    theirs.client_id = ClientOrderId::new(INSTANCE, EPOCH - 5, 0, 1);
    rig.trades(A, vec![theirs]);
    assert!(rig.has_stop(FOREIGN));
    assert_eq!(rig.exec.report().deals_opened, 0);
    assert_eq!(rig.exec.report().fills_foreign, 1);
}

/// Orders of ours that the log does not know: cancelled where they rest; their fills meet in one deal and the rest is hedged.
#[test]
fn lost_intents_are_cancelled_booked_and_evened_out() {
    let mut rig = Rig::started();
    rig.exec.recover_epoch(EPOCH - 5);
    set_book(&mut rig.market, A, rig.now, (5_999_000, 100_000_000), (6_000_000, 100_000_000));
    set_book(&mut rig.market, B, rig.now, (6_010_000, 100_000_000), (6_011_000, 100_000_000));
    let lost = |venue, side, counter| NewOrder {
        venue,
        pair: PAIR,
        client_id: ClientOrderId::new(INSTANCE, EPOCH - 5, 0, counter).unwrap(),
        deal: DealId(77),
        purpose: Purpose::Open,
        side,
        price: price(6_000_000),
        qty: qty(1_001_000),
        tif: TimeInForce::Ioc,
        deadline: None,
    };
    let (buy, sell) = (lost(A, Side::Buy, 1), lost(B, Side::Sell, 2));
    let resting = rig.update(&buy, OrderSource::Query, OrderReport::Open { filled: qty(0) });
    rig.open_orders(A, vec![resting]);
    rig.decide();
    assert!(rig.out.commands.iter().any(|c| matches!(c, Command::Cancel(r) if r.client_id == buy.client_id)));
    assert!(!rig.exec.ready(A));
    rig.open_orders(A, vec![]);
    rig.decide();
    assert!(rig.exec.ready(A));
    rig.out = Outbox::default();
    let (bought, sold) = (rig.next_fill(&buy, 1_001_000, 6_000_000), rig.next_fill(&sell, 500_000, 6_010_000));
    rig.trades(A, vec![bought]);
    rig.trades(B, vec![sold]);
    rig.check_ledger(A, "10.00999999", "999399.4");
    rig.decide();
    let hedge = rig.placed()[0];
    assert_eq!((hedge.side, hedge.qty), (Side::Sell, qty(499_900)));
    assert!(!rig.has_stop(FOREIGN));
}

/// What a log holds: run the same rig again by folding.
fn folded(intents: &[NewOrder], inputs: &[Input]) -> Executor {
    let mut exec = Executor::new(config(), tables(), IdSource::new(INSTANCE, EPOCH + 1, 0).unwrap());
    inputs.iter().for_each(|input| {
        for order in intents {
            if let Input::Order(update) = input
                && update.client_id == Some(order.client_id)
            {
                exec.recover_intent(order);
            }
        }
        exec.recover_input(input);
    });
    exec
}

#[test]
fn a_restart_finds_what_was_in_flight_and_adopts_only_after_the_grace_time() {
    let mut rig = Rig::started();
    let (buy, _) = rig.open((A, 6_000_000, 1_000_000), (B, 6_010_000, 999_000));
    let rules = rig.market.at(A, PAIR).rules.unwrap();
    let up = |at| Input::Link(LinkChange { venue: A, role: LinkRole::Private, state: LinkState::Up, at });
    let trades = |at: MonoNanos| {
        Input::Trades(TradesReport {
            venue: A,
            pair: PAIR,
            requested: at,
            received: at,
            since: UnixNanos(UNIX),
            complete: true,
            fills: vec![],
        })
    };
    let start = vec![Input::Rules(rules), up(rig.now), trades(rig.now), Input::Balances(rig.balance_report(A, "10", "1000000"))];
    let sent = Input::Order(rig.update(&buy, OrderSource::Reply, OrderReport::Open { filled: qty(0) }));
    let inputs: Vec<Input> = start.into_iter().chain([sent]).collect();
    let mut exec = folded(&[buy], &inputs);
    exec.finish_recovery(ms(5));
    assert_eq!(exec.ledger().holding(A, USDT).total, amount("1000000"));
    assert_eq!(exec.ledger().holding(A, USDT).reserved, amount("600"));
    assert_eq!(exec.open_deals(), 1);
    assert_eq!(exec.report().orders_sent, 0, "counts are of this process");
    // The new process: its order resolves, then someone's deposit is adopted after half a minute of steady statements.
    let mut rig = Rig::new();
    rig.exec = exec;
    rig.now = ms(10);
    rig.link(A, LinkState::Up);
    rig.decide();
    rig.finish(&buy, 0);
    rig.out = Outbox::default();
    rig.account(A, None);
    state(&mut rig, "1000500", 20_000);
    rig.check_ledger(A, "10", "1000000");
    assert!(!rig.exec.ready(A));
    state(&mut rig, "1000500", 20_000);
    rig.check_ledger(A, "10", "1000500");
    assert!(rig.exec.ready(A));
    assert!(rig.out.notices.contains(&Notice::Adopted {
        venue: A,
        asset: USDT,
        before: amount("1000000"),
        after: amount("1000500"),
        external: true,
    }));
    assert!(!rig.has_stop(DRIFT));
}

#[test]
#[should_panic(expected = "Invariant: a run's epoch is above every epoch in the log")]
fn an_epoch_of_the_log_is_never_used_again() {
    let mut rig = Rig::started();
    let (buy, _) = rig.open((A, 6_000_000, 1_000_000), (B, 6_010_000, 999_000));
    let mut exec = Executor::new(config(), tables(), IdSource::new(INSTANCE, EPOCH, 0).unwrap());
    exec.recover_intent(&buy);
    exec.finish_recovery(ms(0));
}

/// `reconcile` only looks: what rests of a lost intent, or lives though it was taken for dead, stays where it is.
#[test]
fn an_observer_cancels_nothing() {
    let sends = |rig: &Rig| rig.out.commands.iter().any(|c| !matches!(c, Command::Read { .. } | Command::LookUp(_)));
    let mut rig = Rig::with(executor::ExecutorConfig { observe_only: true, ..config() });
    [A, B].into_iter().for_each(|venue| rig.start(venue, "10", "1000000"));
    rig.exec.recover_epoch(EPOCH - 5);
    let (buy, sell) = rig.open((A, 6_000_000, 1_000_000), (B, 6_010_000, 999_000));
    let lost = NewOrder { client_id: ClientOrderId::new(INSTANCE, EPOCH - 5, 0, 1).unwrap(), ..buy };
    let resting = rig.update(&lost, OrderSource::Query, OrderReport::Open { filled: qty(0) });
    rig.open_orders(A, vec![resting]);
    rig.decide();
    assert!(!sends(&rig), "{:?}", rig.out.commands);
    rig.tell(&sell, OrderSource::Reply, OrderReport::NotSent);
    rig.tell(&sell, OrderSource::Stream, OrderReport::Open { filled: qty(0) });
    rig.decide();
    assert!(!sends(&rig), "{:?}", rig.out.commands);
    assert!(rig.has_stop(StopRequest::set(StopKind::Latch, StopReason::UnknownFill, Some(B), Some(PAIR))));
}

#[test]
fn fees_of_which_some_could_not_be_read_are_asked_for_again() {
    let mut rig = Rig::started();
    rig.run(600_000);
    rig.out = Outbox::default();
    // The rates of the first pair came, those of the next did not: the list is not done.
    rig.exec.handle_fees(&fees(A));
    let failure = ReadFailure { venue: A, read: ReadKind::Fees, class: ErrorClass::Unknown, received: rig.now };
    rig.exec.handle_read_failed(rig.now, &failure, &mut rig.out);
    rig.exec.handle_fees(&fees(B));
    rig.run(1_000);
    assert!(rig.reads().contains(&ReadKind::Fees), "{:?}", rig.reads());
}
