//! Which books price a hedge: late ones and such as are off the collar of the others do not, as for openings.

use crate::deals::opened;
use crate::rig::*;
use domain::time::{MILLI, SECOND};
use domain::*;
use executor::BookGates;

const GATES: BookGates =
    BookGates { age_max_ns: SECOND, lag_max_ns: 250 * MILLI, lag_must_be_known: false, collar: Rate::from_bps(500).unwrap() };

/// A bid of A within the cap for reversing, and a better one of B.
const REVERSING: i64 = 6_001_000;
const BETTER: i64 = 6_010_000;

/// A book whose frame was `late_ms` under way.
fn stamped(rig: &mut Rig, venue: VenueId, late_ms: u64, bid: i64) {
    let level = |p| vec![Level { price: price(p), qty: qty(100_000_000) }];
    let body = BookBody::Snapshot { id: rig.now.0 + 1, bids: level(bid), asks: level(bid + 100_000) };
    let at = VenueNanos(UNIX + (rig.now.0 - late_ms * MILLI) as i64);
    let sent_at = Some(SendStamp { at, connection: 1 });
    let update = BookUpdate { venue, pair: PAIR, received: rig.now, changed_at: None, sent_at, body };
    rig.market.handle_book(&update).unwrap();
}

/// Long by a leg that A bought; then a frame of each venue, B's this late and at this bid. The hedges that follow at once.
fn hedge_with(gates: BookGates, late_ms: (u64, u64), b_bid: i64) -> Vec<(VenueId, Price)> {
    let (mut rig, buy, sell) = opened();
    rig.exec.handle_config(limits(), gates);
    rig.execute(&buy, 1_001_000);
    rig.finish(&sell, 0);
    rig.pass(3_000);
    // What is normal on each connection.
    [A, B].into_iter().for_each(|venue| stamped(&mut rig, venue, 0, REVERSING));
    rig.pass(1);
    stamped(&mut rig, A, late_ms.0, REVERSING);
    stamped(&mut rig, B, late_ms.1, b_bid);
    rig.decide();
    rig.placed().iter().map(|hedge| (hedge.venue, hedge.price)).collect()
}

/// A feed two seconds late shows the price of two seconds ago, and an order at it would end unfilled, over and over.
#[test]
fn a_late_book_prices_no_hedge() {
    assert_eq!(hedge_with(GATES, (0, 0), BETTER), [(B, price(BETTER))], "in time it is the better one");
    assert_eq!(hedge_with(GATES, (0, 250), BETTER), [(B, price(BETTER))]);
    assert_eq!(hedge_with(GATES, (0, 251), BETTER), [(A, price(REVERSING))]);
    assert_eq!(hedge_with(GATES, (0, 2_000), BETTER), [(A, price(REVERSING))]);
    // The threshold is the one in force now.
    let patient = BookGates { lag_max_ns: 3 * SECOND, ..GATES };
    assert_eq!(hedge_with(patient, (0, 2_000), BETTER), [(B, price(BETTER))]);
}

/// With nothing but late books exposure is closed all the same, at the flatten cap's price: 50 bps below 60 000.
#[test]
fn with_late_books_alone_it_hedges_blind() {
    assert_eq!(hedge_with(GATES, (1_000, 2_000), BETTER), [(B, price(5_970_000))]);
    let known = BookGates { lag_must_be_known: true, ..GATES };
    assert_eq!(hedge_with(known, (0, 0), BETTER), [(B, price(5_970_000))], "no clock is measured: nobody knows");
}

/// Two books too far apart: nobody knows which one is right, and neither prices. A late one has no say in that.
#[test]
fn a_book_off_the_collar_prices_no_hedge() {
    // 5 % above the middle of A's book, and a unit more.
    let a_mid = REVERSING + 50_000;
    let edge = a_mid + a_mid / 20 - 50_000;
    assert_eq!(hedge_with(GATES, (0, 0), edge), [(B, price(edge))]);
    assert_eq!(hedge_with(GATES, (0, 0), edge + 1), [(B, price(5_970_000))]);
    assert_eq!(hedge_with(GATES, (0, 2_000), edge + 1), [(A, price(REVERSING))]);
    let wide = BookGates { collar: Rate::from_bps(600).unwrap(), ..GATES };
    assert_eq!(hedge_with(wide, (0, 0), edge + 1), [(B, price(edge + 1))]);
}
