//! Deals: legs that end unequal, the hedge ladder, dust, exposure, time.

use crate::rig::*;
use domain::time::SECOND;
use domain::*;
use executor::StopRequest;

/// Live books of both venues around 60 000 / 60 100.
pub(crate) fn with_books(rig: &mut Rig) {
    set_book(&mut rig.market, A, rig.now, (5_999_000, 100_000_000), (6_000_000, 100_000_000));
    set_book(&mut rig.market, B, rig.now, (6_010_000, 100_000_000), (6_011_000, 100_000_000));
}

/// Both books come anew, a millisecond later, and the executor looks.
pub(crate) fn renew(rig: &mut Rig) {
    rig.pass(1);
    with_books(rig);
    rig.decide();
}

/// A deal whose buy leg (A) and sell leg (B) are sent.
pub(crate) fn opened() -> (Rig, NewOrder, NewOrder) {
    let mut rig = Rig::started();
    with_books(&mut rig);
    let (buy, sell) = rig.open((A, 6_000_000, 1_001_000), (B, 6_010_000, 999_900));
    (rig, buy, sell)
}

#[test]
fn equal_legs_close_with_dust_and_no_hedge() {
    let (mut rig, buy, sell) = opened();
    assert!(rig.exec.pair_busy(PAIR));
    rig.execute(&buy, 1_001_000);
    rig.execute(&sell, 999_900);
    rig.decide();
    assert!(rig.placed().is_empty());
    let report = rig.exec.report();
    assert_eq!((report.deals_closed, report.deals_empty, report.hedges), (1, 0, 0));
    // 0.01001 × 0.999 bought net, 0.009999 sold.
    assert_eq!(report.dust, vec![(A, BTC, amount("0.00000099"))]);
    assert!(!rig.exec.pair_busy(PAIR));
    assert_eq!(rig.exec.exposure(&rig.market).worst_quote(), Amount::ZERO);
}

#[test]
fn refused_legs_close_an_empty_deal() {
    let (mut rig, buy, sell) = opened();
    for order in [buy, sell] {
        rig.tell(&order, OrderSource::Reply, OrderReport::Refused { class: ErrorClass::RateLimited, label: Label::default() });
    }
    rig.decide();
    assert!(matches!(rig.closed()[..], [Notice::DealClosed { empty: true, hedges: 0, unhedged_ns: 0, .. }]));
    rig.check_ledger(A, "10", "1000000");
}

#[test]
fn nothing_is_hedged_while_a_leg_is_in_flight() {
    let (mut rig, buy, _) = opened();
    rig.execute(&buy, 1_001_000);
    rig.run(2_000);
    assert!(rig.placed().is_empty());
}

/// Long by the whole buy leg: reversing on A costs 1.7 bps + 10 bps fee against 60 000; completing on B earns.
#[test]
fn long_excess_is_completed_where_it_is_cheaper() {
    let (mut rig, buy, sell) = opened();
    rig.execute(&buy, 1_001_000);
    rig.finish(&sell, 0);
    renew(&mut rig);
    let hedges = rig.placed();
    assert_eq!(hedges.len(), 1);
    let hedge = hedges[0];
    assert_eq!((hedge.venue, hedge.side, hedge.purpose, hedge.tif), (B, Side::Sell, Purpose::Hedge, TimeInForce::Ioc));
    // 0.01001 × 0.999 = 0.00999999, in lots of 0.000001.
    assert_eq!((hedge.qty, hedge.price), (qty(999_900), price(6_010_000)));
    rig.execute(&hedge, 999_900);
    rig.decide();
    assert!(matches!(rig.closed()[..], [Notice::DealClosed { hedges: 1, .. }]));
    assert_eq!(rig.exec.report().hedges, 1);
}

/// Short by the sell leg: the buy is grossed up for its fee in base, and rounded down to lots.
#[test]
fn short_excess_is_bought_back_gross_of_the_fee() {
    let (mut rig, buy, sell) = opened();
    rig.finish(&buy, 0);
    rig.execute(&sell, 999_900);
    renew(&mut rig);
    let hedge = rig.placed()[0];
    assert_eq!((hedge.venue, hedge.side, hedge.price), (A, Side::Buy, price(6_000_000)));
    // 0.009999 / 0.999 = 0.0100090090…
    assert_eq!(hedge.qty, qty(1_000_900));
    rig.execute(&hedge, 1_000_900);
    rig.decide();
    assert_eq!(rig.closed().len(), 1);
}

#[test]
fn partial_legs_hedge_only_the_difference() {
    let (mut rig, buy, sell) = opened();
    rig.fill(&buy, 600_000, 6_000_000);
    rig.finish(&buy, 600_000);
    rig.fill(&sell, 200_000, 6_010_000);
    rig.finish(&sell, 200_000);
    renew(&mut rig);
    let hedge = rig.placed()[0];
    // 0.006 × 0.999 − 0.002 = 0.003994.
    assert_eq!((hedge.side, hedge.qty), (Side::Sell, qty(399_400)));
}

#[test]
fn a_remainder_below_every_minimum_is_dust() {
    let (mut rig, buy, sell) = opened();
    rig.fill(&buy, 5_000, 6_000_000); // 0.00005 BTC = 3 USDT: the venue's minimum, less its fee
    rig.finish(&buy, 5_000);
    rig.finish(&sell, 0);
    rig.run(10_000);
    assert!(rig.placed().is_empty());
    assert_eq!(rig.exec.report().dust, vec![(A, BTC, amount("0.00004995"))]);
    assert_eq!(rig.exec.report().unhedged_max_ns, 0);
}

/// What a venue tells of a pair that it does not list any more: the pair is closed, and no step or minimum means anything.
fn off_the_list(rig: &mut Rig, venue: VenueId) {
    let rules = rig.market.at_mut(venue, PAIR).rules.as_mut().unwrap();
    (rules.qty_step, rules.qty_min, rules.value_min) = (qty(1), Qty::ZERO, Amount::ZERO);
    (rules.can_buy, rules.can_sell) = (false, false);
}

#[test]
fn a_pair_off_one_venues_list_makes_no_exposure_of_dust() {
    for venue in [A, B] {
        let (mut rig, buy, sell) = opened();
        off_the_list(&mut rig, venue);
        rig.execute(&buy, 1_001_000);
        rig.execute(&sell, 999_900);
        rig.run(10_000);
        assert!(rig.placed().is_empty());
        assert_eq!((rig.exec.open_deals(), rig.exec.report().unhedged_max_ns), (0, 0));
    }
    // Dust is taken along still.
    let mut rig = Rig::started();
    for sold in [999_900, 0] {
        with_books(&mut rig);
        let (buy, sell) = rig.open((A, 6_000_000, 1_001_000), (B, 6_010_000, 999_900));
        if sold == 0 {
            off_the_list(&mut rig, B);
        }
        rig.execute(&buy, 1_001_000);
        rig.execute(&sell, sold);
        renew(&mut rig);
    }
    let hedge = rig.placed()[0];
    // 0.00999999 of its own and 0.00000099 that the first one left.
    assert_eq!((hedge.venue, hedge.qty), (A, qty(1_000_000)));
}

/// With the pair off every list nothing can be said; where venues are merely halted, what they take otherwise says it.
#[test]
fn closed_venues_say_what_is_dust_only_by_a_minimum() {
    for listed in [true, false] {
        let (mut rig, buy, sell) = opened();
        rig.execute(&buy, 1_001_000);
        rig.execute(&sell, 999_900);
        for venue in [A, B] {
            if listed {
                let rules = rig.market.at_mut(venue, PAIR).rules.as_mut().unwrap();
                (rules.can_buy, rules.can_sell) = (false, false);
            } else {
                off_the_list(&mut rig, venue);
            }
        }
        rig.decide();
        assert_eq!(rig.exec.open_deals(), u32::from(!listed));
    }
}

/// Levels within the flatten cap whose average is beyond it with the fee: what stands near enough is taken, the rest is left.
#[test]
fn where_the_whole_costs_too_much_with_the_fee_a_part_is_hedged() {
    let books = |rig: &mut Rig, bids: [(i64, i64); 2], asks: [(i64, i64); 2]| {
        rig.pass(1);
        for venue in [A, B] {
            let levels = |side: [(i64, i64); 2]| side.map(|(p, q)| Level { price: price(p), qty: qty(q) }).to_vec();
            let body = BookBody::Snapshot { id: rig.now.0 + 1, bids: levels(bids), asks: levels(asks) };
            let update = BookUpdate { venue, pair: PAIR, received: rig.now, changed_at: None, sent_at: None, body };
            rig.market.handle_book(&update).unwrap();
        }
        rig.decide();
    };
    // Of 60 000: a tenth at 16.7 bps below, the rest at 49.2; 46 on average and 10 of fee.
    let (mut rig, buy, sell) = opened();
    rig.execute(&buy, 1_001_000);
    rig.finish(&sell, 0);
    books(&mut rig, [(5_990_000, 100_000), (5_970_500, 100_000_000)], [(6_040_000, 100_000_000), (6_050_000, 1)]);
    let hedge = rig.placed()[0];
    assert_eq!((hedge.side, hedge.price, hedge.qty), (Side::Sell, price(5_990_000), qty(100_000)));
    // Of 60 100: a tenth at 16.6 bps above, the rest at 49.1.
    let (mut rig, buy, sell) = opened();
    rig.finish(&buy, 0);
    rig.execute(&sell, 999_900);
    books(&mut rig, [(5_980_000, 100_000_000), (5_970_000, 1)], [(6_020_000, 100_000), (6_039_500, 100_000_000)]);
    let hedge = rig.placed()[0];
    assert_eq!((hedge.side, hedge.price, hedge.qty), (Side::Buy, price(6_020_000), qty(100_000)));
}

/// The book gives part of it: that part, then the rest.
#[test]
fn a_thin_book_is_hedged_in_parts() {
    let (mut rig, buy, sell) = opened();
    let thin = |rig: &mut Rig| {
        rig.pass(1);
        set_book(&mut rig.market, A, rig.now, (5_900_000, 100_000_000), (6_000_000, 100_000_000));
        set_book(&mut rig.market, B, rig.now, (6_010_000, 300_050), (6_011_000, 100_000_000));
        rig.decide();
    };
    rig.execute(&buy, 1_001_000);
    rig.finish(&sell, 0);
    thin(&mut rig);
    let first = rig.placed()[0];
    assert_eq!((first.venue, first.qty), (B, qty(300_000)));
    rig.execute(&first, 300_000);
    thin(&mut rig);
    assert!(rig.placed().is_empty(), "not before the pause");
    rig.pass(248);
    thin(&mut rig);
    let second = rig.placed()[0];
    assert_eq!(second.qty, qty(300_000));
}

/// Nothing within the caps: it keeps looking, pauses after five seconds, and hedges when the price is back.
#[test]
fn beyond_every_cap_it_waits_and_pauses() {
    let (mut rig, buy, sell) = opened();
    let pause = StopRequest::set(StopKind::Pause, StopReason::UnhedgedTime, None, None);
    let clear = StopRequest::clear(StopKind::Pause, StopReason::UnhedgedTime, None, None);
    let step = |rig: &mut Rig, bid: i64| {
        rig.pass(100);
        set_book(&mut rig.market, A, rig.now, (bid, 100_000_000), (6_200_000, 100_000_000));
        set_book(&mut rig.market, B, rig.now, (bid, 100_000_000), (6_200_000, 100_000_000));
        rig.decide();
    };
    rig.execute(&buy, 1_001_000);
    rig.finish(&sell, 0);
    let begin = rig.now;
    for _ in 0..49 {
        step(&mut rig, 5_960_000);
    }
    assert!(!rig.has_stop(pause));
    step(&mut rig, 5_960_000);
    step(&mut rig, 5_960_000);
    assert!(rig.has_stop(pause), "{:?} after {} ns", rig.out.stops, rig.now.since(begin));
    assert!(rig.placed().is_empty());
    step(&mut rig, 5_990_000);
    step(&mut rig, 5_990_000);
    step(&mut rig, 5_990_000);
    let hedge = rig.placed()[0];
    // 5 990 000 is 16.7 bps below the reference, with the fee 26.7: beyond completing, within flattening.
    assert_eq!(hedge.price, price(5_990_000));
    rig.execute(&hedge, hedge.qty.units());
    rig.decide();
    assert!(rig.has_stop(clear));
    let report = rig.exec.report();
    assert!(report.unhedged_max_ns >= 5 * SECOND && report.unhedged_max_ns < 6 * SECOND);
    // The pause came at five seconds; what was longer, was so with no openings.
    let unpaused = report.unhedged_unpaused_max_ns;
    assert!(unpaused >= 5 * SECOND && unpaused < report.unhedged_max_ns, "{unpaused} of {}", report.unhedged_max_ns);
    assert!(report.unhedged_notional_seconds > amount("3000") && report.unhedged_notional_seconds < amount("3600"));
}

/// Without a book to be trusted: blind at the flatten cap, the completing venue first, then the other.
#[test]
fn without_books_it_hedges_blind_in_turn() {
    let (mut rig, buy, sell) = opened();
    rig.execute(&buy, 1_001_000);
    rig.finish(&sell, 0);
    rig.pass(1_001); // both books are now older than their limit
    rig.decide();
    let first = rig.placed()[0];
    // 50 bps below 60 000.
    assert_eq!((first.venue, first.price), (B, price(5_970_000)));
    rig.finish(&first, 0);
    rig.pass(250);
    rig.decide();
    let second = rig.placed()[0];
    assert_eq!((second.venue, second.price), (A, price(5_970_000)));
}

#[test]
fn a_venue_without_link_or_balance_is_no_candidate() {
    let (mut rig, buy, sell) = opened();
    rig.execute(&buy, 1_001_000);
    rig.finish(&sell, 0);
    rig.link(B, LinkState::Lost);
    renew(&mut rig);
    assert_eq!(rig.placed()[0].venue, A);

    let mut rig = Rig::new();
    rig.start(A, "0", "1000000");
    rig.start(B, "0.009999", "0");
    rig.pass(10_001);
    with_books(&mut rig);
    let (buy, sell) = rig.open((A, 6_000_000, 1_001_000), (B, 6_010_000, 999_900));
    rig.execute(&buy, 1_001_000);
    rig.tell(&sell, OrderSource::Reply, OrderReport::Refused { class: ErrorClass::InsufficientFunds, label: Label::default() });
    // Somebody else sold what was there.
    let theirs = VenueOrderId::new("theirs").unwrap();
    let sold = Fill { client_id: None, venue_order_id: theirs, ..fill(&sell, "x", 999_900, 6_010_000, rig.now) };
    rig.exec.handle_fill(rig.now, &sold, &mut rig.out);
    renew(&mut rig);
    let hedge = rig.placed()[0];
    assert_eq!((hedge.venue, hedge.qty), (A, qty(999_900)), "B has no base to sell");
}

/// An unknown leg widens the interval; only what is certain is hedged.
#[test]
fn an_unknown_leg_is_counted_both_ways() {
    let (mut rig, buy, sell) = opened();
    rig.execute(&buy, 1_001_000);
    rig.tell(&sell, OrderSource::Edge, OrderReport::Unknown { cause: UnknownCause::Timeout });
    rig.run(90);
    assert!(rig.placed().is_empty(), "0.00000099 is certain, and dust");
    // The worst case is that the sell never executed: 0.00999999 at the best mid.
    let worst = rig.exec.exposure(&rig.market).worst_quote();
    assert!(worst > amount("600") && worst < amount("602"), "{worst}");
    let (mut rig, buy, sell) = opened();
    rig.execute(&sell, 999_900);
    rig.fill(&buy, 1_000, 6_000_000);
    rig.decide();
    rig.tell(&buy, OrderSource::Edge, OrderReport::Unknown { cause: UnknownCause::Timeout });
    rig.decide();
    assert!(rig.placed().is_empty());
}

/// A hedge whose answer is lost is an unknown order like any other: no second one on top of it.
#[test]
fn an_unknown_hedge_is_not_repeated() {
    let (mut rig, buy, sell) = opened();
    rig.execute(&buy, 1_001_000);
    rig.finish(&sell, 0);
    renew(&mut rig);
    let hedge = rig.placed()[0];
    rig.tell(&hedge, OrderSource::Edge, OrderReport::Unknown { cause: UnknownCause::ServerError });
    for _ in 0..100 {
        rig.pass(100);
        with_books(&mut rig);
        rig.decide();
    }
    assert!(rig.placed().is_empty());
    rig.execute(&hedge, 999_900);
    rig.decide();
    assert_eq!(rig.exec.open_deals(), 0);
}

/// A fill that comes after its deal closed opens it again; what is told adds up.
#[test]
fn a_late_fill_opens_its_deal_again() {
    let (mut rig, buy, sell) = opened();
    rig.finish(&buy, 0);
    rig.finish(&sell, 0);
    rig.decide();
    assert_eq!(rig.exec.open_deals(), 0);
    rig.fill(&buy, 1_001_000, 6_000_000);
    renew(&mut rig);
    let hedge = rig.placed()[0];
    rig.execute(&hedge, 999_900);
    rig.decide();
    let closed = rig.closed();
    assert!(
        matches!(closed[..], [Notice::DealClosed { quote_flow, empty: false, .. }] if quote_flow == amount("-0.2610399")),
        "{closed:?}"
    );
    assert_eq!(rig.exec.report().deals_closed, 1);
}

#[test]
fn shutdown_ends_when_all_is_even_and_compared() {
    let (mut rig, buy, sell) = opened();
    rig.exec.begin_shutdown(rig.now, &mut rig.out);
    rig.decide();
    assert!(!rig.exec.finished());
    rig.execute(&buy, 1_001_000);
    rig.finish(&sell, 0);
    renew(&mut rig);
    let hedge = rig.placed()[0];
    rig.execute(&hedge, 999_900);
    rig.pass(1);
    rig.decide();
    assert!(!rig.exec.finished(), "the last comparison is missing");
    for (venue, btc, usdt) in [(A, "10.00999999", "999399.4"), (B, "9.990001", "1000600.3389601")] {
        rig.open_orders(venue, vec![]);
        rig.trades(venue, vec![]);
        rig.pass(1);
        rig.decide();
        rig.balances(venue, btc, usdt);
        rig.decide();
    }
    assert!(rig.exec.finished());
    assert_eq!(rig.exec.report().reconciled, vec![Some(true), Some(true)]);
}

/// Flattening leaves the pauses out, takes the flatten cap at once, and ends when it is told to.
#[test]
fn flattening_takes_the_flatten_cap_at_once_and_without_pauses() {
    let (mut rig, buy, sell) = opened();
    // 25 bps below the reference with the fee: beyond completing and reversing, within flattening. And only for a part.
    let books = |rig: &mut Rig| {
        rig.pass(1);
        set_book(&mut rig.market, A, rig.now, (5_900_000, 100_000_000), (6_200_000, 100_000_000));
        set_book(&mut rig.market, B, rig.now, (5_991_000, 300_000), (6_200_000, 100_000_000));
    };
    rig.execute(&buy, 1_001_000);
    rig.finish(&sell, 0);
    rig.exec.begin_flatten(rig.now, &mut rig.out);
    assert!(rig.exec.is_flattening());
    let mut sent = Vec::new();
    for _ in 0..3 {
        books(&mut rig);
        rig.decide();
        let hedges = rig.placed();
        assert_eq!(hedges.len(), 1, "one at a time, and no pause between them");
        assert_eq!((hedges[0].venue, hedges[0].price), (B, price(5_991_000)));
        sent.push(hedges[0].qty.units());
        rig.execute(&hedges[0], hedges[0].qty.units());
    }
    assert_eq!(sent, vec![300_000, 300_000, 300_000]);
    rig.exec.end_flatten();
    books(&mut rig);
    rig.decide();
    let last = rig.placed();
    rig.execute(&last[0], 10_000);
    books(&mut rig);
    rig.decide();
    assert!(rig.placed().is_empty(), "paused again between hedges");
}

/// What is reported and not yet filled waits 2 s for its fills, while flattening 250 ms.
#[test]
fn flattening_waits_less_for_missing_fills() {
    for (flatten, waits) in [(false, 2_000), (true, 250)] {
        let (mut rig, buy, sell) = opened();
        rig.finish(&buy, 1_001_000);
        rig.finish(&sell, 0);
        if flatten {
            rig.exec.begin_flatten(rig.now, &mut rig.out);
        }
        rig.pass(waits - 1);
        with_books(&mut rig);
        rig.decide();
        assert!(rig.placed().is_empty());
        rig.pass(1);
        with_books(&mut rig);
        rig.decide();
        assert_eq!(rig.placed().len(), 1, "{waits} ms");
    }
}

/// A book that our own order took from shows what is gone: the hedge waits for it to come anew, and is priced from the new one.
#[test]
fn a_spent_book_prices_no_hedge() {
    let (mut rig, buy, sell) = opened();
    rig.execute(&buy, 1_001_000);
    rig.fill(&sell, 499_900, 6_010_000);
    rig.finish(&sell, 499_900);
    rig.run(299);
    assert!(rig.placed().is_empty(), "both books are older than the ends of our orders");
    // What is left of B's bids after our sale is worse; A's book is still the old one.
    set_book(&mut rig.market, B, rig.now, (6_003_000, 100_000_000), (6_011_000, 100_000_000));
    rig.decide();
    let hedge = rig.placed()[0];
    assert_eq!((hedge.venue, hedge.price), (B, price(6_003_000)));
}

/// A book from which nothing was taken may stay silent: after 300 ms its venue counts as one without a book.
#[test]
fn a_spent_book_that_stays_silent_is_hedged_blind() {
    let (mut rig, buy, sell) = opened();
    rig.execute(&buy, 1_001_000);
    rig.finish(&sell, 0);
    let ended = rig.now;
    rig.run(299);
    assert!(rig.placed().is_empty());
    assert_eq!(rig.exec.next_deadline(), Some(ended.after(300_000_000)), "it wakes up by itself");
    rig.run(1);
    let hedge = rig.placed()[0];
    assert_eq!((hedge.venue, hedge.price), (B, price(5_970_000)));
    rig.execute(&hedge, 999_900);
    rig.decide();
    assert!(matches!(rig.closed()[..], [Notice::DealClosed { unwind: Some(Unwind::Blind), .. }]));
}

/// A book that came anew elsewhere is used at once when it is within its own cap; a worse one waits for the spent one first.
#[test]
fn a_new_book_elsewhere_is_used_at_once_within_its_own_cap() {
    for (bid, at_once) in [(6_001_000, true), (5_990_000, false)] {
        let (mut rig, buy, sell) = opened();
        rig.execute(&buy, 1_001_000);
        rig.finish(&sell, 0);
        rig.pass(1);
        // 6 001 000 costs 8.3 bps with the fee: within reversing. 5 990 000 costs 26.7: flattening.
        set_book(&mut rig.market, A, rig.now, (bid, 100_000_000), (6_010_000, 100_000_000));
        rig.decide();
        let hedges = rig.placed();
        assert_eq!(hedges.len(), usize::from(at_once), "{bid}");
        rig.run(298);
        assert_eq!(rig.placed().len(), 0);
        rig.run(1);
        assert_eq!(rig.placed().len(), usize::from(!at_once), "{bid}");
    }
}

/// Every figure of a deal that was evened out, once on each rung.
#[test]
fn a_closed_deal_tells_what_evening_out_cost() {
    // The long leg bought at 60 000; the hedge sells at this bid of A or B and pays 10 bps.
    for (venue, bid, rung, cost) in [
        (B, 6_010_000, Unwind::Completed, "-0.3989601"),
        (A, 6_001_000, Unwind::Reversed, "0.50004999"),
        (B, 5_990_000, Unwind::Flattened, "1.5988401"),
    ] {
        let (mut rig, buy, sell) = opened();
        rig.fill(&buy, 1_001_000, 6_000_000);
        rig.pass(40);
        rig.finish(&buy, 1_001_000);
        rig.finish(&sell, 0);
        rig.decide();
        rig.pass(100);
        let other = if venue == A { B } else { A };
        set_book(&mut rig.market, venue, rig.now, (bid, 100_000_000), (6_200_000, 100_000_000));
        set_book(&mut rig.market, other, rig.now, (5_900_000, 100_000_000), (6_200_000, 100_000_000));
        rig.decide();
        let hedge = rig.placed()[0];
        rig.execute(&hedge, 999_900);
        rig.decide();
        let closed = rig.closed();
        let [Notice::DealClosed { unwind, unwind_cost, unwind_value, leg_skew_ns, unhedged_ns, unhedged_notional_seconds, .. }] =
            closed[..]
        else {
            panic!("{closed:?}")
        };
        assert_eq!((unwind, unwind_cost.to_text().as_str(), unwind_value), (Some(rung), cost, amount("599.94")));
        assert_eq!((leg_skew_ns, unhedged_ns), (None, 100_000_000), "the sell leg executed nothing");
        let report = rig.exec.report();
        assert_eq!(unhedged_notional_seconds, report.unhedged_notional_seconds);
        assert!(unhedged_notional_seconds > amount("59") && unhedged_notional_seconds < amount("61"));
    }
}

#[test]
fn leg_skew_is_the_time_between_the_legs_first_executions() {
    let (mut rig, buy, sell) = opened();
    rig.fill(&sell, 500_000, 6_010_000);
    rig.pass(7);
    rig.fill(&buy, 1_001_000, 6_000_000);
    rig.pass(100);
    rig.fill(&sell, 499_900, 6_010_000);
    rig.finish(&buy, 1_001_000);
    rig.finish(&sell, 999_900);
    rig.decide();
    let closed = rig.closed();
    let [Notice::DealClosed { leg_skew_ns, unwind, unwind_cost, unwind_value, .. }] = closed[..] else { panic!("{closed:?}") };
    assert_eq!((leg_skew_ns, unwind, unwind_cost, unwind_value), (Some(7_000_000), None, Amount::ZERO, Amount::ZERO));
}

/// A deal that bought 0.00005 on A and sold nothing: worth 2.997 USDT after its fee, below every minimum.
fn leave_dust(rig: &mut Rig) {
    with_books(rig);
    let (buy, sell) = rig.open((A, 6_000_000, 5_000), (B, 6_010_000, 5_000));
    rig.execute(&buy, 5_000);
    rig.finish(&sell, 0);
    renew(rig);
    assert_eq!(rig.exec.open_deals(), 0);
    rig.pass(1);
}

/// F20: dust waits for a hedge that is sent anyway, at the venue where it lies, and at most half of the smallest order goes along.
#[test]
fn dust_is_carried_to_the_next_hedge_of_its_venue() {
    for (venue, sold, left) in [(A, 1_002_400, "0.00002594"), (B, 999_900, "0.00005094")] {
        let mut rig = Rig::started();
        leave_dust(&mut rig);
        assert_eq!(rig.exec.report().dust, vec![(A, BTC, amount("0.00004995"))]);
        with_books(&mut rig);
        let (buy, sell) = rig.open((A, 6_000_000, 1_001_000), (B, 6_010_000, 999_900));
        rig.execute(&buy, 1_001_000);
        rig.finish(&sell, 0);
        if venue == A {
            rig.link(B, LinkState::Lost);
        }
        rig.pass(1);
        set_book(&mut rig.market, A, rig.now, (6_001_000, 100_000_000), (6_011_000, 100_000_000));
        set_book(&mut rig.market, B, rig.now, (6_010_000, 100_000_000), (6_011_000, 100_000_000));
        rig.decide();
        let hedge = rig.placed()[0];
        // The deal has 0.00999999 too much; half of the smallest order, 3 USDT at 60 000, is 0.000025.
        assert_eq!((hedge.venue, hedge.qty), (venue, qty(sold)));
        rig.execute(&hedge, sold);
        rig.run(5_000);
        assert!(rig.placed().is_empty(), "what it took along is dust of the other sign, and not chased");
        assert_eq!(rig.exec.open_deals(), 0);
        assert_eq!(rig.exec.report().dust, vec![(A, BTC, amount(left))]);
    }
}

/// Dust may sum to more than an order's worth: still no order of its own.
#[test]
fn dust_is_never_chased() {
    let mut rig = Rig::started();
    for n in 1..=10 {
        leave_dust(&mut rig);
        rig.run(10_000);
        assert!(rig.placed().is_empty());
        let expected = Amount::from_units(amount("0.00004995").units() * n);
        assert_eq!(rig.exec.report().dust, vec![(A, BTC, expected)]);
    }
    assert_eq!((rig.exec.report().hedges, rig.exec.report().unhedged_ns), (0, 0));
}

/// A leg that is still unknown, and a certain rest below the minimum: dust does not make an order of it.
#[test]
fn dust_and_a_rest_below_the_minimum_make_no_order() {
    let mut rig = Rig::started();
    leave_dust(&mut rig);
    leave_dust(&mut rig);
    with_books(&mut rig);
    let (buy, sell) = rig.open((A, 6_000_000, 1_001_000), (B, 6_010_000, 999_900));
    rig.fill(&buy, 4_000, 6_000_000);
    rig.finish(&buy, 4_000);
    rig.tell(&sell, OrderSource::Edge, OrderReport::NotSent);
    renew(&mut rig);
    assert_eq!(rig.exec.open_deals(), 0, "dust, with what lies there already or without");
    with_books(&mut rig);
    let (buy, sell) = rig.open((A, 6_000_000, 1_001_000), (B, 6_010_000, 999_900));
    rig.finish(&sell, 0);
    rig.fill(&buy, 4_000, 6_000_000);
    rig.tell(&buy, OrderSource::Edge, OrderReport::Unknown { cause: UnknownCause::LinkLost });
    for _ in 0..20 {
        rig.pass(100);
        renew(&mut rig);
        assert!(rig.placed().is_empty());
    }
}
