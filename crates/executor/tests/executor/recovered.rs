//! Deals that came out of the log: hedged once the venues were read in this life, and whole again with what the log had lost.

use crate::deals::{opened, with_books};
use crate::rig::*;
use domain::*;
use executor::{Executor, IdSource, StopRequest};

/// A deal that bought on A and sold nothing on B, and then the process died: the next one has both links up, nothing read.
fn restarted() -> Rig {
    let (mut rig, buy, sell) = opened();
    rig.execute(&buy, 1_001_000);
    rig.finish(&sell, 0);
    let items = rig.exec.checkpoint();
    let mut exec = Executor::new(config(), tables(), IdSource::new(INSTANCE, EPOCH + 1, 0).unwrap());
    exec.recover_epoch(EPOCH);
    exec.recover_checkpoint(&items);
    exec.finish_recovery(ms(0));
    let mut rig = Rig::new();
    rig.exec = exec;
    [A, B].into_iter().for_each(|venue| rig.link(venue, LinkState::Up));
    rig
}

/// Time passes with new books all the time.
fn wait(rig: &mut Rig, millis: u64) {
    for _ in 0..millis / 50 {
        rig.pass(50);
        with_books(rig);
        rig.decide();
    }
}

/// The hedge that was sent before the log ends, and was executed.
fn lost_hedge(rig: &mut Rig, sold: i64) -> Fill {
    let order = NewOrder {
        venue: B,
        pair: PAIR,
        client_id: ClientOrderId::new(INSTANCE, EPOCH, 0, 77).unwrap(),
        deal: DealId(1),
        purpose: Purpose::Hedge,
        side: Side::Sell,
        price: price(6_010_000),
        qty: qty(sold),
        tif: TimeInForce::Ioc,
        deadline: None,
    };
    rig.next_fill(&order, sold, 6_010_000)
}

#[test]
fn a_recovered_deal_is_hedged_once_every_venue_was_read() {
    let mut rig = restarted();
    wait(&mut rig, 1_000);
    assert!(rig.placed().is_empty(), "nothing is read");
    rig.answer_all(A, "10.00999999", "999399.4");
    wait(&mut rig, 1_000);
    assert!(rig.placed().is_empty(), "B may have executed a hedge that the log lost");
    rig.answer_all(B, "10", "1000000");
    wait(&mut rig, 300);
    let hedges = rig.placed();
    assert_eq!(hedges.len(), 1);
    assert_eq!((hedges[0].venue, hedges[0].qty), (B, qty(999_900)));
    // What was read once in this life needs no second time.
    rig.finish(&hedges[0], 0);
    rig.link(A, LinkState::Lost);
    wait(&mut rig, 500);
    assert_eq!(rig.placed().len(), 1);
}

#[test]
fn a_hedge_that_the_log_lost_makes_its_deal_whole() {
    let mut rig = restarted();
    rig.answer_all(A, "10.00999999", "999399.4");
    let sold = lost_hedge(&mut rig, 999_900);
    rig.account(B, Some(false));
    rig.open_orders(B, vec![]);
    rig.trades(B, vec![sold]);
    rig.pass(1);
    rig.decide();
    rig.balances(B, "9.990001", "1000600.3389601");
    rig.decide();
    assert!(rig.exec.ready(A) && rig.exec.ready(B));
    wait(&mut rig, 2_000);
    assert!(rig.placed().is_empty(), "neither hedged again nor bought back");
    assert_eq!((rig.exec.open_deals(), rig.exec.report().hedges), (0, 0));
}

/// More than the deal lacked was not its hedge.
#[test]
fn a_lost_order_of_another_size_is_evened_out_by_itself() {
    let mut rig = restarted();
    let sold = lost_hedge(&mut rig, 5_000_000);
    rig.trades(B, vec![sold]);
    rig.decide();
    assert_eq!(rig.exec.open_deals(), 2);
}

/// A venue that cannot be read holds it up for a minute, and openings pause after five seconds of that.
#[test]
fn a_venue_that_cannot_be_read_leaves_no_exposure_open_for_ever() {
    let mut rig = restarted();
    rig.link(B, LinkState::Lost);
    rig.answer_all(A, "10.00999999", "999399.4");
    rig.out.stops.clear();
    wait(&mut rig, 6_000);
    assert!(rig.has_stop(StopRequest::set(StopKind::Pause, StopReason::UnhedgedTime, None, None)));
    wait(&mut rig, 53_000);
    assert!(rig.placed().is_empty());
    wait(&mut rig, 2_000);
    assert_eq!(rig.placed()[0].venue, A);
}
