//! Venues that refuse (F22): hedges go elsewhere within the caps, and openings pause where funds or the key are refused in a row.

use crate::deals::{opened, renew, with_books};
use crate::rig::*;
use domain::time::SECOND;
use domain::*;
use executor::{Executor, ExecutorConfig, IdSource, StopRequest};

const SHORT_OF_FUNDS: StopRequest = StopRequest::set(StopKind::Pause, StopReason::LedgerDrift, Some(A), None);
const FUNDS_ARE_THERE: StopRequest = StopRequest::clear(StopKind::Pause, StopReason::LedgerDrift, Some(A), None);
const PAIR_REFUSED: StopRequest = StopRequest::set(StopKind::Pause, StopReason::RulesChanged, Some(A), Some(PAIR));
const KEY_REFUSED: StopRequest = StopRequest::set(StopKind::Pause, StopReason::KeyRefused, Some(A), None);

fn refuse(rig: &mut Rig, order: &NewOrder, class: ErrorClass) {
    rig.tell(order, OrderSource::Reply, OrderReport::Refused { class, label: Label::cut("REFUSED") });
}

/// A deal that bought on A and sold nothing.
fn long() -> Rig {
    let (mut rig, buy, sell) = opened();
    rig.execute(&buy, 1_001_000);
    rig.finish(&sell, 0);
    rig.pass(1);
    rig
}

/// Books come anew for ten seconds, twenty times a second: milliseconds and venues of the hedges, each of which gets an answer.
fn hedges(rig: &mut Rig, a_bid: i64, mut answer: impl FnMut(&mut Rig, &NewOrder)) -> Vec<(u64, VenueId)> {
    let begin = rig.now;
    let mut sent = Vec::new();
    for _ in 0..200 {
        set_book(&mut rig.market, A, rig.now, (a_bid, 100_000_000), (6_200_000, 100_000_000));
        set_book(&mut rig.market, B, rig.now, (6_010_000, 100_000_000), (6_200_000, 100_000_000));
        rig.decide();
        for hedge in rig.placed() {
            sent.push((rig.now.since(begin) / 1_000_000, hedge.venue));
            answer(rig, &hedge);
        }
        rig.pass(50);
    }
    sent
}

/// A bid of A beyond every cap, one within the flatten cap, and one within the cap for reversing.
const BEYOND: i64 = 5_900_000;
const FLATTENING: i64 = 5_990_000;
const REVERSING: i64 = 6_001_000;

/// One that is the only way is asked less and less often.
#[test]
fn refused_hedges_back_off() {
    let times = hedges(&mut long(), BEYOND, |rig, hedge| refuse(rig, hedge, ErrorClass::InsufficientFunds));
    assert_eq!(times, [0, 250, 750, 1_750, 3_750, 7_750].map(|at| (at, B)));
}

/// B has the better price and refuses everything: A gets the hedge after the usual pause, and on a dearer rung after the next one.
#[test]
fn a_venue_that_refuses_hedges_leaves_them_to_another_within_a_cap() {
    for (bid, expected) in [(FLATTENING, &[(0, B), (250, B), (500, A)][..]), (REVERSING, &[(0, B), (250, A)])] {
        let mut rig = long();
        let sent = hedges(&mut rig, bid, |rig, hedge| match hedge.venue {
            B => refuse(rig, hedge, ErrorClass::AuthFatal),
            _ => rig.execute(hedge, hedge.qty.units()),
        });
        assert_eq!(sent, expected, "{bid}");
        assert_eq!(rig.exec.open_deals(), 0);
    }
}

/// A takes hedges and fills none: the one that refused may be the only way, and is asked again at the third try, should its own pause
/// be over.
#[test]
fn a_venue_that_refused_is_asked_again_in_its_turn() {
    let sent = hedges(&mut long(), REVERSING, |rig, hedge| match hedge.venue {
        B => refuse(rig, hedge, ErrorClass::RateLimited),
        _ => rig.finish(hedge, 0),
    });
    let venues: Vec<VenueId> = sent.iter().map(|(_, venue)| *venue).collect();
    assert_eq!(venues[..7], [B, A, A, B, A, A, B], "{sent:?}");
    let to_b: Vec<u64> = sent.iter().filter(|(_, venue)| *venue == B).map(|(at, _)| *at).collect();
    let pauses: Vec<u64> = to_b.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.iter().zip([250, 500, 1_000, 2_000]).all(|(pause, least)| *pause >= least), "{to_b:?}");
    assert!(pauses.len() >= 4 && sent.windows(2).all(|pair| pair[1].0 - pair[0].0 <= 250), "A is asked meanwhile: {sent:?}");
}

/// B has the better price, takes hedges and fills nothing: another within the cap comes first for two seconds. The only one is asked on.
#[test]
fn a_venue_that_fills_nothing_comes_after_another_within_the_cap() {
    let sent = hedges(&mut long(), REVERSING, |rig, hedge| match hedge.venue {
        B => rig.finish(hedge, 0),
        _ => rig.execute(hedge, hedge.qty.units()),
    });
    assert_eq!(sent, [(0, B), (250, A)]);
    let sent = hedges(&mut long(), BEYOND, |rig, hedge| rig.finish(hedge, 0));
    assert!(sent.len() == 40 && sent.iter().all(|(_, venue)| *venue == B), "{sent:?}");
    // Neither fills: the price decides again, and B's two seconds count from its last.
    let sent = hedges(&mut long(), REVERSING, |rig, hedge| rig.finish(hedge, 0));
    let venues: Vec<VenueId> = sent.iter().map(|(_, venue)| *venue).collect();
    assert_eq!(venues[..3], [B, A, B], "{sent:?}");
}

/// Both refuse: each in its turn, each less and less often.
#[test]
fn venues_that_all_refuse_take_turns() {
    let sent = hedges(&mut long(), REVERSING, |rig, hedge| refuse(rig, hedge, ErrorClass::RateLimited));
    let of = |which: VenueId| -> Vec<u64> { sent.iter().filter(|(_, venue)| *venue == which).map(|(at, _)| *at).collect() };
    assert_eq!((of(B), of(A)), (vec![0, 500, 1_000, 2_000, 4_000, 8_000], vec![250, 750, 1_250, 2_250, 4_250, 8_250]));
}

/// Within no cap elsewhere nothing is sent elsewhere, whatever the venue at hand refuses; and a ban counts as a refusal.
#[test]
fn a_banned_venue_is_asked_last() {
    for (bid, expected) in [(BEYOND, B), (FLATTENING, A), (REVERSING, A)] {
        let mut rig = long();
        rig.exec.handle_ban(&Ban { venue: B, until: rig.now.after(SECOND), received: rig.now });
        let first = hedges(&mut rig, bid, |rig, hedge| rig.execute(hedge, hedge.qty.units()));
        assert_eq!(first, [(0, expected)], "{bid}");
    }
    let mut rig = long();
    rig.exec.handle_ban(&Ban { venue: B, until: rig.now, received: rig.now });
    assert_eq!(hedges(&mut rig, REVERSING, |rig, hedge| rig.execute(hedge, hedge.qty.units())), [(0, B)], "it is over");
}

/// A pause of zero must not wake at the very instant, for ever.
#[test]
fn without_a_pause_between_hedges_it_does_not_spin() {
    let mut rig = Rig::with(ExecutorConfig { hedge_pause_ns: 0, ..config() });
    [A, B].into_iter().for_each(|venue| rig.start(venue, "10", "1000000"));
    with_books(&mut rig);
    let (buy, sell) = rig.open((A, 6_000_000, 1_001_000), (B, 6_010_000, 999_900));
    rig.execute(&buy, 1_001_000);
    rig.finish(&sell, 0);
    rig.pass(1);
    for venue in [A, B] {
        set_book(&mut rig.market, venue, rig.now, (BEYOND, 100_000_000), (6_200_000, 100_000_000));
    }
    rig.run(500); // no deadline may be now
    assert!(rig.placed().is_empty());
}

/// Opens a deal; A refuses its leg for `class`, and B's is not sent.
fn refused_deal(rig: &mut Rig, class: ErrorClass) {
    let [buy, sell] = rig.open_unseen((A, 6_000_000, 1_001_000), (B, 6_010_000, 999_900)).unwrap();
    rig.out.commands.clear();
    refuse(rig, &buy, class);
    refuse(rig, &buy, class);
    rig.tell(&sell, OrderSource::Edge, OrderReport::NotSent);
    renew(rig);
    rig.out.commands.clear();
}

fn told(rig: &Rig, stop: StopRequest) -> usize {
    rig.out.stops.iter().filter(|told| **told == stop).count()
}

/// A's account is read anew and equals the ledger.
fn read_equal(rig: &mut Rig) {
    rig.answer_all(A, "10", "1000000");
    rig.decide();
}

#[test]
fn three_refusals_for_funds_pause_until_the_account_is_read_anew() {
    let mut rig = Rig::started();
    refused_deal(&mut rig, ErrorClass::InsufficientFunds);
    refused_deal(&mut rig, ErrorClass::RateLimited);
    refused_deal(&mut rig, ErrorClass::InsufficientFunds);
    assert_eq!(told(&rig, SHORT_OF_FUNDS), 0);
    refused_deal(&mut rig, ErrorClass::InsufficientFunds);
    assert_eq!(told(&rig, SHORT_OF_FUNDS), 1);
    // Balance endpoints lag: what is stated at once says nothing.
    read_equal(&mut rig);
    for _ in 0..2 {
        refused_deal(&mut rig, ErrorClass::InsufficientFunds);
    }
    assert_eq!((told(&rig, SHORT_OF_FUNDS), told(&rig, FUNDS_ARE_THERE)), (1, 0));
    rig.out.commands.clear();
    rig.run(30_000);
    assert!(rig.reads().contains(&ReadKind::OpenOrders), "it is compared as soon as that says something");
    read_equal(&mut rig);
    assert_eq!((told(&rig, SHORT_OF_FUNDS), told(&rig, FUNDS_ARE_THERE)), (1, 1));
}

#[test]
fn a_placement_that_is_taken_begins_the_count_anew() {
    let mut rig = Rig::started();
    for _ in 0..3 {
        refused_deal(&mut rig, ErrorClass::InsufficientFunds);
        refused_deal(&mut rig, ErrorClass::AuthFatal);
        refused_deal(&mut rig, ErrorClass::SymbolClosed);
        with_books(&mut rig);
        let [buy, sell] = rig.open_unseen((A, 6_000_000, 1_001_000), (B, 6_010_000, 999_900)).unwrap();
        rig.finish(&buy, 0);
        rig.finish(&sell, 0);
        renew(&mut rig);
    }
    assert_eq!((told(&rig, SHORT_OF_FUNDS), told(&rig, KEY_REFUSED), told(&rig, PAIR_REFUSED)), (0, 0, 0));
}

/// Bybit acknowledges a placement, and refuses it by the order's row: before or after that, the acknowledgement is no acceptance.
#[test]
fn an_acknowledged_placement_that_its_row_refuses_was_not_taken() {
    for row_first in [false, true] {
        let mut rig = Rig::started();
        for n in 1..=3 {
            let [buy, sell] = rig.open_unseen((A, 6_000_000, 1_001_000), (B, 6_010_000, 999_900)).unwrap();
            let receipt = (OrderSource::Reply, OrderReport::Open { filled: Qty::ZERO });
            let row =
                (OrderSource::Stream, OrderReport::Refused { class: ErrorClass::FilterReject, label: Label::cut("EC_Others") });
            let told_of_it = if row_first { [row, receipt] } else { [receipt, row] };
            told_of_it.into_iter().for_each(|(source, report)| rig.tell(&buy, source, report));
            rig.tell(&sell, OrderSource::Edge, OrderReport::NotSent);
            renew(&mut rig);
            rig.out.commands.clear();
            assert_eq!(told(&rig, PAIR_REFUSED), usize::from(n == 3), "row first: {row_first}");
        }
    }
}

/// A venue that refuses one leg while its public rules take it would have each opening's other leg evened out at a loss, over and over.
#[test]
fn three_refused_openings_of_a_pair_pause_it_there_until_a_person_resumes() {
    use ErrorClass::{FilterReject, SymbolClosed};
    let mut rig = Rig::started();
    for (n, class) in [FilterReject, SymbolClosed, FilterReject, FilterReject].into_iter().enumerate() {
        refused_deal(&mut rig, class);
        assert_eq!(told(&rig, PAIR_REFUSED), usize::from(n >= 2));
    }
    rig.run(60_000);
    read_equal(&mut rig);
    let cleared = |stop: &StopRequest| matches!(stop, StopRequest::Clear { reason: StopReason::RulesChanged, .. });
    assert!(!rig.out.stops.iter().any(cleared));
    // The log holds what was refused, and folds to the same pause. Hedges that are refused are none of it.
    let standing = |purpose: Purpose| {
        let mut folded = folded_refusals(&rig, purpose, SymbolClosed);
        folded.finish_recovery(ms(0));
        let pauses = CheckpointItem::Standing { reason: StopReason::RulesChanged, venue: A, pair: Some(PAIR) };
        let before = folded.checkpoint().contains(&pauses);
        folded.handle_resume();
        (before, folded.checkpoint().contains(&pauses))
    };
    assert_eq!((standing(Purpose::Open), standing(Purpose::Hedge)), ((true, false), (false, false)));
}

/// Such a refusal may be an order that was late by the venue's clock, which is measured anew meanwhile.
#[test]
fn refusals_that_nobody_has_published_count_once_in_two_seconds() {
    let mut rig = Rig::started();
    for _ in 0..6 {
        refused_deal(&mut rig, ErrorClass::Unknown);
    }
    assert_eq!(told(&rig, PAIR_REFUSED), 0, "all within a moment");
    for n in 2..=3 {
        rig.now = rig.now.after(2_000_000_000);
        refused_deal(&mut rig, ErrorClass::Unknown);
        assert_eq!(told(&rig, PAIR_REFUSED), usize::from(n == 3));
    }
}

/// What a log with three refusals on A folds to.
fn folded_refusals(rig: &Rig, purpose: Purpose, class: ErrorClass) -> Executor {
    let mut folded = Executor::new(config(), tables(), IdSource::new(INSTANCE, EPOCH + 1, 0).unwrap());
    for counter in 1..=3 {
        let order = NewOrder {
            venue: A,
            pair: PAIR,
            client_id: ClientOrderId::new(INSTANCE, EPOCH, 0, counter).unwrap(),
            deal: DealId(counter),
            purpose,
            side: Side::Buy,
            price: price(6_000_000),
            qty: qty(1_001_000),
            tif: TimeInForce::Ioc,
            deadline: None,
        };
        folded.recover_intent(&order);
        let report = OrderReport::Refused { class, label: Label::default() };
        folded.recover_input(&Input::Order(rig.update(&order, OrderSource::Reply, report)));
    }
    folded
}

/// A key that the venue refuses is a person's affair, also after a restart.
#[test]
fn three_refusals_of_the_key_pause_until_a_person_resumes() {
    let mut rig = Rig::started();
    for n in 0..5 {
        refused_deal(&mut rig, ErrorClass::AuthFatal);
        assert_eq!(told(&rig, KEY_REFUSED), usize::from(n >= 2));
    }
    rig.run(60_000);
    read_equal(&mut rig);
    assert_eq!((told(&rig, KEY_REFUSED), told(&rig, SHORT_OF_FUNDS)), (1, 0));
    let cleared = |stop: &StopRequest| matches!(stop, StopRequest::Clear { reason: StopReason::KeyRefused, .. });
    assert!(!rig.out.stops.iter().any(cleared));
    let standing = |exec: &Executor| {
        let mut folded = Executor::new(config(), tables(), IdSource::new(INSTANCE, EPOCH + 1, 0).unwrap());
        let items = exec.checkpoint();
        folded.recover_checkpoint(&items);
        folded.finish_recovery(ms(0));
        let mut rig = Rig::new();
        rig.exec = folded;
        rig.decide();
        rig.has_stop(KEY_REFUSED)
    };
    let pauses = CheckpointItem::Standing { reason: StopReason::KeyRefused, venue: A, pair: None };
    // Only recovery takes checkpoints: the log holds what was refused, and folds to the same pause.
    let mut folded = folded_refusals(&rig, Purpose::Open, ErrorClass::AuthFatal);
    folded.finish_recovery(ms(0));
    assert!(folded.checkpoint().contains(&pauses) && standing(&folded));
    folded.handle_resume();
    assert!(!folded.checkpoint().contains(&pauses) && !standing(&folded));
}
