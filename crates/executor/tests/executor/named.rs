//! Failures that other programs are known for, each by its name.

use crate::rig::*;
use domain::*;
use executor::*;

const BUY: (VenueId, i64, i64) = (A, 6_000_000, 1_000_000);
const SELL: (VenueId, i64, i64) = (B, 6_010_000, 999_000);

/// Live books of both venues around 60 000 / 60 100, newer than anything of ours.
fn renew(rig: &mut Rig) {
    rig.pass(1);
    set_book(&mut rig.market, A, rig.now, (5_999_000, 100_000_000), (6_000_000, 100_000_000));
    set_book(&mut rig.market, B, rig.now, (6_010_000, 100_000_000), (6_011_000, 100_000_000));
    rig.decide();
}

/// A cancel is a request: what executes before it arrives is told after it, and is hedged like any other fill (F18).
#[test]
fn the_fill_racing_a_cancel_is_hedged() {
    for end_first in [true, false] {
        let mut rig = Rig::started();
        let (buy, sell) = rig.open(BUY, SELL);
        rig.finish(&sell, 0);
        rig.tell(&buy, OrderSource::Reply, OrderReport::Open { filled: qty(0) });
        rig.exec.begin_shutdown(rig.now, &mut rig.out);
        assert!(rig.out.commands.iter().any(|command| matches!(command, Command::Cancel(_))));
        rig.out = Outbox::default();
        let cancelled = OrderReport::Finished { finish: Finish::Cancelled, filled: qty(0) };
        if end_first {
            rig.tell(&buy, OrderSource::Reply, cancelled);
            renew(&mut rig);
            assert_eq!(rig.exec.open_deals(), 0, "as far as anybody knows");
        }
        rig.pass(5);
        rig.fill(&buy, 400_000, 6_000_000);
        if !end_first {
            rig.tell(&buy, OrderSource::Reply, cancelled);
        }
        rig.check_reserved(A, "0", "0");
        renew(&mut rig);
        let hedge = rig.placed()[0];
        // 0.004 × 0.999.
        assert_eq!((hedge.side, hedge.qty, hedge.purpose), (Side::Sell, qty(399_600), Purpose::Hedge));
        rig.execute(&hedge, 399_600);
        renew(&mut rig);
        assert_eq!((rig.exec.open_deals(), rig.exec.report().hedges), (0, 1), "all of it, once");
    }
}

/// Nothing is ever sent again because no answer came, whatever comes later (F13, F16).
#[test]
fn the_retry_after_acceptance_is_never_sent() {
    for cause in [UnknownCause::Timeout, UnknownCause::LinkLost, UnknownCause::ServerError] {
        let mut rig = Rig::started();
        let (buy, sell) = rig.open(BUY, SELL);
        rig.finish(&sell, 0);
        rig.tell(&buy, OrderSource::Edge, OrderReport::Unknown { cause });
        rig.run(1_500);
        rig.tell(&buy, OrderSource::Stream, OrderReport::Open { filled: qty(0) });
        rig.tell(&buy, OrderSource::Edge, OrderReport::Unknown { cause });
        rig.run(60_000);
        assert!(rig.placed().is_empty(), "{cause:?}");
        rig.check_reserved(A, "0", "600");
    }
}

/// The last fill before a crash comes again by the stream and by the list of trades (F25).
#[test]
fn the_fill_booked_twice_after_a_restart_is_booked_once() {
    let mut rig = Rig::started();
    let start = rig.balance_report(A, "10", "1000000");
    let (buy, _) = rig.open(BUY, SELL);
    let fill = rig.fill(&buy, 1_000_000, 6_000_000);
    let mut exec = Executor::new(config(), tables(), IdSource::new(INSTANCE, EPOCH + 1, 0).unwrap());
    exec.recover_input(&Input::Rules(rig.market.at(A, PAIR).rules.unwrap()));
    exec.recover_input(&Input::Fees(fees(A)));
    exec.recover_input(&Input::Link(LinkChange { venue: A, role: LinkRole::Private, state: LinkState::Up, at: ms(1) }));
    let none = TradesReport {
        venue: A,
        pair: PAIR,
        requested: ms(2),
        received: ms(2),
        since: UnixNanos(UNIX),
        complete: true,
        fills: vec![],
    };
    exec.recover_input(&Input::Trades(none));
    exec.recover_input(&Input::Balances(BalanceReport { requested: ms(3), received: ms(3), ..start }));
    exec.recover_intent(&buy);
    exec.recover_input(&Input::Fill(fill.clone()));
    exec.finish_recovery(ms(0));
    rig.exec = exec;
    rig.check_ledger(A, "10.00999", "999400");
    rig.link(A, LinkState::Up);
    rig.exec.handle_fill(rig.now, &fill, &mut rig.out);
    rig.trades(A, vec![Fill { source: OrderSource::Query, client_id: None, ..fill }]);
    rig.check_ledger(A, "10.00999", "999400");
    assert_eq!((rig.exec.report().fills, rig.exec.report().fills_repeated), (0, 2));
    assert!(rig.out.stops.iter().all(|stop| !matches!(stop, StopRequest::Set { kind: StopKind::Latch | StopKind::Pause, .. })));
}

/// Look-ups that lie for nine seconds do not make a living order absent (F13, F15).
#[test]
fn the_order_lost_to_a_time_out_but_alive_is_found() {
    let mut rig = Rig::started();
    let (buy, sell) = rig.open(BUY, SELL);
    rig.finish(&sell, 0);
    rig.run(3_000);
    assert_eq!(rig.outcomes(), vec![OrderOutcome::Cancelled, OrderOutcome::Unknown], "no answer at all");
    let mut asked = 0;
    for _ in 0..90 {
        rig.run(100);
        for _ in 0..rig.look_ups() {
            asked += 1;
            rig.tell(&buy, OrderSource::Query, OrderReport::NotFound);
        }
        rig.open_orders(A, vec![]);
        rig.out.commands.clear();
    }
    assert!(asked >= 7, "{asked}");
    assert_eq!(rig.exec.unknown_orders(), 1);
    rig.check_reserved(A, "0", "600");
    rig.tell(&buy, OrderSource::Query, OrderReport::Finished { finish: Finish::Filled, filled: qty(1_000_000) });
    assert_eq!(rig.exec.unknown_orders(), 0);
    rig.fill(&buy, 1_000_000, 6_000_000);
    rig.out = Outbox::default();
    renew(&mut rig);
    assert_eq!(rig.placed()[0].qty, qty(999_000), "and is hedged");
    rig.check_ledger(A, "10.00999", "999400");
}

/// Balances that lag by half a minute (F29) are no drift, never replace the ledger, and never let more be spent than there is.
#[test]
fn the_balance_that_lags_thirty_seconds_changes_nothing() {
    let mut rig = Rig::new();
    rig.start(A, "0", "900");
    rig.start(B, "1", "0");
    let (buy, sell) = rig.open(BUY, SELL);
    [buy, sell].iter().for_each(|order| rig.execute(order, order.qty.units()));
    rig.decide();
    for _ in 0..30 {
        rig.pass(999);
        rig.balances(A, "0", "900");
        rig.balances(B, "1", "0");
        rig.decide();
        rig.check_ledger(A, "0.00999", "300");
        assert_eq!(rig.exec.available(A, USDT), amount("300"));
        assert_eq!(rig.try_open(BUY, SELL), Err(Verdict::Balance), "what the venue states is not there any more");
        let drift = |stop: &StopRequest| matches!(stop, StopRequest::Set { reason: StopReason::LedgerDrift, .. });
        assert!(!rig.out.stops.iter().any(drift));
    }
    rig.balances(A, "0.00999", "300");
    assert_eq!(rig.exec.reconciled(A), Some(true));
}

/// The end of an order says that it executed, its fill is late: the deal is not over, its pair takes no other, and the late fill is
/// not hedged a second time.
#[test]
fn the_duplicate_entry_after_a_lagging_fill_does_not_happen() {
    let mut rig = Rig::started();
    let (buy, sell) = rig.open(BUY, SELL);
    rig.finish(&buy, 1_000_000);
    rig.execute(&sell, 999_000);
    for _ in 0..18 {
        rig.pass(99);
        renew(&mut rig);
        assert!(rig.exec.pair_busy(PAIR) && rig.placed().is_empty());
        rig.check_reserved(A, "0", "600");
    }
    rig.fill(&buy, 1_000_000, 6_000_000);
    renew(&mut rig);
    assert!(!rig.exec.pair_busy(PAIR));
    assert_eq!((rig.exec.report().hedges, rig.exec.report().orders_sent), (0, 2));
    rig.check_ledger(A, "10.00999", "999400");
}

/// Gate does not refuse a second order with the same `text` (F16): one that appears under an id of ours is never ours on purpose.
#[test]
fn gates_duplicate_text_latches() {
    let mut rig = Rig::started();
    let (buy, _) = rig.open(BUY, SELL);
    rig.tell(&buy, OrderSource::Reply, OrderReport::Open { filled: qty(0) });
    let mut twin =
        rig.update(&buy, OrderSource::Stream, OrderReport::Finished { finish: Finish::Filled, filled: qty(1_000_000) });
    twin.venue_order_id = VenueOrderId::new("twin");
    rig.exec.handle_order(rig.now, &twin, &mut rig.out);
    assert!(rig.has_stop(StopRequest::set(StopKind::Latch, StopReason::UnknownFill, Some(A), Some(PAIR))));
    assert!(rig.outcomes().is_empty());
}

/// One piece of news about the buy leg.
#[derive(Clone, Copy, Debug)]
enum News {
    Reply,
    Stream,
    FirstFill,
    SecondFill,
    Balance,
}

fn permutations(items: &[News]) -> Vec<Vec<News>> {
    if items.len() <= 1 {
        return vec![items.to_vec()];
    }
    (0..items.len())
        .flat_map(|i| {
            let mut rest = items.to_vec();
            let first = rest.remove(i);
            permutations(&rest).into_iter().map(move |mut tail| {
                tail.insert(0, first);
                tail
            })
        })
        .collect()
}

/// F17: any order of acknowledgement, end, fills and balances, each once or twice, ends in the same state.
#[test]
fn a_fill_before_the_acknowledgement_in_every_order_of_news_ends_the_same() {
    use News::*;
    for named in [true, false] {
        for doubled in [false, true] {
            for order in permutations(&[Reply, Stream, FirstFill, SecondFill, Balance]) {
                let mut rig = Rig::started();
                let (buy, sell) = rig.open(BUY, SELL);
                rig.tell(&sell, OrderSource::Edge, OrderReport::NotSent);
                let mut fills = [fill(&buy, "x1", 300_000, 5_999_900, rig.now), fill(&buy, "x2", 100_000, 5_999_950, rig.now)];
                if !named {
                    fills.iter_mut().for_each(|fill| fill.client_id = None);
                }
                for news in &order {
                    for _ in 0..1 + usize::from(doubled) {
                        rig.pass(1);
                        match news {
                            Reply => rig.tell(&buy, OrderSource::Reply, OrderReport::Open { filled: qty(0) }),
                            Stream => rig.finish(&buy, 400_000),
                            FirstFill => rig.exec.handle_fill(rig.now, &fills[0], &mut rig.out),
                            SecondFill => rig.exec.handle_fill(rig.now, &fills[1], &mut rig.out),
                            Balance => rig.balances(A, "10", "1000000"),
                        }
                    }
                }
                rig.check_ledger(A, "10.003996", "999760.0035");
                rig.check_reserved(A, "0", "0");
                let report = rig.exec.report();
                assert_eq!(report.outcomes[OrderOutcome::PartlyFilled as usize], 1, "{order:?}");
                assert_eq!((report.fills, report.fills_foreign, report.orders_unknown), (2, 0, 0), "{order:?}");
                assert_eq!(report.outcomes.iter().sum::<u64>(), 2);
                assert!(rig.out.stops.is_empty(), "{order:?}: {:?}", rig.out.stops);
            }
        }
    }
}
