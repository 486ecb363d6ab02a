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

/// Long by a leg that A bought, under these gates; what is normal on each connection is known.
fn long(gates: BookGates) -> Rig {
    let (mut rig, buy, sell) = opened();
    rig.exec.handle_config(limits(), gates);
    rig.execute(&buy, 1_001_000);
    rig.finish(&sell, 0);
    rig.pass(3_000);
    [A, B].into_iter().for_each(|venue| stamped(&mut rig, venue, 0, REVERSING));
    rig.pass(1);
    rig
}

/// Then a frame of each venue, B's this late and at this bid. The hedges that follow at once.
fn hedge_with(gates: BookGates, late_ms: (u64, u64), b_bid: i64) -> Vec<(VenueId, Price)> {
    let mut rig = long(gates);
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

/// Books of A in time and of B late, twenty times a second for ten seconds. Milliseconds, venues and prices of the hedges, each of which
/// gets an answer.
fn beside_a_late_book(rig: &mut Rig, mut answer: impl FnMut(&mut Rig, &NewOrder)) -> Vec<(u64, VenueId, Price)> {
    let begin = rig.now;
    let mut sent = Vec::new();
    for _ in 0..200 {
        stamped(rig, A, 0, REVERSING);
        stamped(rig, B, 2_000, BETTER);
        rig.decide();
        for hedge in rig.placed() {
            sent.push((rig.now.since(begin) / MILLI, hedge.venue, hedge.price));
            answer(rig, &hedge);
        }
        rig.pass(50);
    }
    sent
}

/// A book in time is no way out where its venue is banned: the other one, whose book is late, may take the order.
#[test]
fn a_book_of_a_banned_venue_closes_no_other_way() {
    let filled = |rig: &mut Rig, hedge: &NewOrder| rig.execute(hedge, hedge.qty.units());
    let mut rig = long(GATES);
    assert_eq!(beside_a_late_book(&mut rig, filled), [(0, A, price(REVERSING))]);
    let mut rig = long(GATES);
    rig.exec.handle_ban(&Ban { venue: A, until: rig.now.after(120 * SECOND), received: rig.now });
    assert_eq!(beside_a_late_book(&mut rig, filled), [(0, B, price(5_970_000))]);
}

/// Neither is it where the venue goes on refusing; one refusal is no sign yet.
#[test]
fn a_book_of_a_venue_that_goes_on_refusing_closes_no_other_way() {
    let mut rig = long(GATES);
    let sent = beside_a_late_book(&mut rig, |rig, hedge| {
        if hedge.venue == A {
            rig.tell(
                hedge,
                OrderSource::Reply,
                OrderReport::Refused { class: ErrorClass::FilterReject, label: Label::default() },
            );
        } else {
            rig.execute(hedge, hedge.qty.units());
        }
    });
    assert_eq!(sent, [(0, A, price(REVERSING)), (250, A, price(REVERSING)), (500, B, price(5_970_000))]);
}

/// Nor where it takes no order of what is left.
#[test]
fn a_book_of_a_venue_that_takes_no_such_order_closes_no_other_way() {
    let mut rig = long(GATES);
    rig.market.at_mut(A, PAIR).rules.as_mut().unwrap().qty_min = qty(100_000_000);
    let sent = beside_a_late_book(&mut rig, |rig, hedge| rig.execute(hedge, hedge.qty.units()));
    assert_eq!(sent, [(0, B, price(5_970_000))]);
}

/// A market beyond the cap for long: blind orders that fill nothing become rarer, so that the deal has orders left when it is back.
#[test]
fn blind_hedges_that_fill_nothing_become_rarer() {
    let mut rig = long(GATES);
    rig.market.at_mut(A, PAIR).rules.as_mut().unwrap().can_sell = false;
    let begin = rig.now;
    let mut sent: Vec<u64> = Vec::new();
    // Less than a minute: a delay that lasts longer is what is normal there.
    for _ in 0..1_000 {
        stamped(&mut rig, B, 2_000, BETTER);
        rig.decide();
        for hedge in rig.placed() {
            sent.push(rig.now.since(begin) / MILLI);
            rig.finish(&hedge, 0);
        }
        rig.pass(50);
    }
    let at_first = (0..8).map(|n| n * 250);
    let rarer = [2_000, 2_500, 3_500, 5_500, 9_500, 17_500, 25_500, 33_500, 41_500, 49_500];
    assert_eq!(sent, at_first.chain(rarer).collect::<Vec<_>>());
    // A book in time is used at once.
    stamped(&mut rig, B, 0, BETTER);
    rig.decide();
    assert_eq!(rig.placed().len(), 1);
}
