//! The last look at both legs, and the proof that private news comes (F28).

use crate::rig::*;
use domain::*;
use executor::{Executor, IdSource, StopRequest};

const BUY: (VenueId, i64, i64) = (A, 6_000_000, 1_000_000);
const SELL: (VenueId, i64, i64) = (B, 6_010_000, 999_000);
const UNPROVEN: StopRequest = StopRequest::set(StopKind::Freeze, StopReason::StreamUnproven, Some(A), None);
/// The same, for a person to look at; and its end.
const MUTE: StopRequest = StopRequest::set(StopKind::Pause, StopReason::StreamUnproven, Some(A), None);
const SPEAKS: StopRequest = StopRequest::clear(StopKind::Pause, StopReason::StreamUnproven, Some(A), None);
const PROVEN: StopRequest = StopRequest::clear(StopKind::Freeze, StopReason::StreamUnproven, Some(A), None);

type Change = fn(&mut InstrumentRules);

/// Whatever stands in one leg's way, nothing is sent, registered or reserved for the other one either.
#[track_caller]
fn check_refused(rig: &mut Rig, verdict: Verdict) {
    rig.out = Default::default();
    let before = rig.exec.report();
    assert_eq!(rig.try_open(BUY, SELL), Err(verdict));
    assert!(rig.out.commands.is_empty() && rig.out.notices.is_empty());
    assert_eq!(rig.exec.report(), before);
    assert!(!rig.exec.pair_busy(PAIR));
}

#[test]
fn a_leg_that_does_not_fit_its_venue_sends_neither() {
    for venue in [A, B] {
        let changes: [(Change, Verdict); 8] = [
            (|rules| rules.can_buy = false, Verdict::Untrusted),
            (|rules| rules.can_sell = false, Verdict::Untrusted),
            (|rules| rules.qty_step = qty(700), Verdict::MinSize),
            (|rules| rules.price_step = 7, Verdict::MinSize),
            (|rules| rules.qty_min = qty(1_000_001), Verdict::MinSize),
            (|rules| rules.qty_max = Some(qty(998_999)), Verdict::MinSize),
            (|rules| rules.value_min = amount("600.400000000000000001"), Verdict::MinSize),
            (|rules| rules.value_min = amount("600"), Verdict::Traded),
        ];
        for (n, (change, verdict)) in changes.into_iter().enumerate() {
            let mut rig = Rig::started();
            change(rig.market.at_mut(venue, PAIR).rules.as_mut().unwrap());
            let unaffected = (n == 0 && venue == B) || (n == 1 && venue == A) || verdict == Verdict::Traded;
            if unaffected {
                assert!(rig.try_open(BUY, SELL).is_ok(), "{n} on {venue:?}");
            } else {
                check_refused(&mut rig, verdict);
            }
        }
        let mut rig = Rig::started();
        rig.market.at_mut(venue, PAIR).rules = None;
        check_refused(&mut rig, Verdict::Untrusted);
    }
}

#[test]
fn a_balance_that_does_not_suffice_with_fees_sends_neither() {
    let with = |quote: &str, base: &str, paid_in: Option<AssetId>| {
        let mut rig = Rig::new();
        rig.start(A, "0", quote);
        rig.start(B, base, "0");
        [A, B].into_iter().for_each(|venue| rig.exec.handle_fees(&FeeRates { paid_in, ..fees(venue) }));
        rig
    };
    assert!(with("600", "0.00999", None).try_open(BUY, SELL).is_ok());
    check_refused(&mut with("599.999999999999999999", "0.00999", None), Verdict::Balance);
    check_refused(&mut with("600", "0.009989999999999999", None), Verdict::Balance);
    // Fees in quote come on top of what is bought: 0.6 of them.
    assert!(with("600.6", "0.00999", Some(USDT)).try_open(BUY, SELL).is_ok());
    check_refused(&mut with("600.599999999999999999", "0.00999", Some(USDT)), Verdict::Balance);
}

#[test]
fn a_venue_that_is_not_ready_or_a_plan_that_is_late_sends_neither() {
    for venue in [A, B] {
        let mut rig = Rig::started();
        rig.link(venue, LinkState::Lost);
        rig.decide();
        check_refused(&mut rig, Verdict::Frozen);
    }
    let mut rig = Rig::started();
    rig.deadline_in = 0;
    check_refused(&mut rig, Verdict::Untrusted);
}

fn replied(rig: &mut Rig, order: &NewOrder) {
    let filled = order.qty;
    rig.tell(order, OrderSource::Reply, OrderReport::Finished { finish: Finish::Filled, filled });
}

/// A fill as a list of trades tells it: no news of the private link.
fn listed(rig: &mut Rig, order: &NewOrder) {
    let fill = rig.next_fill(order, order.qty.units(), order.price.units());
    rig.exec.handle_fill(rig.now, &Fill { source: OrderSource::Query, ..fill }, &mut rig.out);
}

/// A deal whose leg on A is told by replies and lists only; B's link works.
fn mute_deal(rig: &mut Rig) {
    let (buy, sell) = rig.open(BUY, SELL);
    replied(rig, &buy);
    listed(rig, &buy);
    rig.execute(&sell, 999_000);
    rig.decide();
    assert!(!rig.exec.pair_busy(PAIR));
    rig.out = Default::default();
}

/// While nothing was told yet, one order is risked, and not a second one.
#[test]
fn an_unproven_link_risks_one_opening_at_a_time() {
    let mut rig = Rig::started();
    mute_deal(&mut rig);
    check_refused(&mut rig, Verdict::Frozen);
    let mut rig = Rig::started();
    let (buy, sell) = rig.open(BUY, SELL);
    [buy, sell].iter().for_each(|order| rig.execute(order, order.qty.units()));
    rig.decide();
    assert!(rig.try_open(BUY, SELL).is_ok(), "proved by the first deal's own events");
    // A refused order proves nothing and owes nothing: the next one may be risked.
    let mut rig = Rig::started();
    let (buy, sell) = rig.open(BUY, SELL);
    for order in [buy, sell] {
        rig.tell(&order, OrderSource::Reply, OrderReport::Refused { class: ErrorClass::RateLimited, label: Label::default() });
    }
    rig.decide();
    assert!(rig.try_open(BUY, SELL).is_ok());
}

/// An order that lived and is not told within two seconds freezes its venue until its account was read anew and is equal, and for a
/// minute at least; then again one order is risked. If that is not told either, openings there pause until a person resumes or the
/// private stream tells something.
#[test]
fn a_link_that_does_not_tell_is_suspect() {
    let mut rig = Rig::started();
    mute_deal(&mut rig);
    rig.run(1_999);
    assert!(!rig.has_stop(UNPROVEN) && rig.exec.ready(A));
    rig.run(1);
    assert!(rig.has_stop(UNPROVEN) && !rig.exec.ready(A) && rig.exec.ready(B));
    assert!(rig.reads().contains(&ReadKind::OpenOrders), "its account is read anew");
    rig.out = Default::default();
    rig.pass(1);
    rig.answer_all(A, "10.01", "999400");
    assert!(!rig.exec.ready(A), "what it states is not equal: 0.00999 came in");
    rig.run(2_000);
    rig.answer_all(A, "10.00999", "999400");
    assert!(!rig.exec.ready(A), "it is held");
    rig.link(A, LinkState::Lost);
    rig.link(A, LinkState::Up);
    rig.decide();
    rig.answer_all(A, "10.00999", "999400");
    assert!(!rig.exec.ready(A), "another link proves nothing either");
    rig.run(58_000);
    assert!(rig.exec.ready(A) && rig.has_stop(PROVEN));
    mute_deal(&mut rig);
    check_refused(&mut rig, Verdict::Frozen);
    assert!(!rig.has_stop(MUTE));
    rig.run(2_000);
    assert!(!rig.exec.ready(A) && rig.has_stop(MUTE), "the second time in a row a person is to look");
    rig.out = Default::default();
    for _ in 0..20 {
        rig.pass(1);
        rig.answer_all(A, "10.01998", "998800");
        rig.run(30_000);
    }
    assert!(!rig.has_stop(MUTE) && !rig.has_stop(SPEAKS), "told once, and no time ends it");
    let opened = rig.exec.report().orders_sent;
    // Whoever resumes lets one more be risked; if it is told, nothing is left of all that.
    rig.exec.handle_resume();
    rig.answer_all(A, "10.01998", "998800");
    assert!(rig.exec.ready(A));
    mute_deal(&mut rig);
    assert_eq!(rig.exec.report().orders_sent, opened + 2);
    rig.run(2_000);
    assert!(!rig.has_stop(MUTE), "from the beginning: it is held for a minute");
}

/// What a person is to look at ends by itself when the private stream tells of an order after all.
#[test]
fn a_stream_that_tells_again_ends_its_pause() {
    let mut rig = Rig::started();
    mute_deal(&mut rig);
    rig.run(2_000);
    rig.pass(1);
    rig.answer_all(A, "10.00999", "999400");
    rig.run(62_000);
    rig.answer_all(A, "10.00999", "999400");
    assert!(rig.exec.ready(A));
    let (buy, sell) = rig.open(BUY, SELL);
    replied(&mut rig, &buy);
    rig.execute(&sell, 999_000);
    rig.run(2_000);
    assert!(rig.has_stop(MUTE));
    rig.out = Default::default();
    rig.execute(&buy, 1_000_000);
    rig.pass(1);
    rig.decide();
    assert!(rig.has_stop(SPEAKS));
    rig.out = Default::default();
    rig.run(10_000);
    assert!(!rig.has_stop(SPEAKS) && !rig.has_stop(MUTE), "told once");
}

/// The reply was lost, and only lists tell that the order lived: the link owes its news all the same.
#[test]
fn an_order_that_only_lists_tell_of_makes_the_link_suspect_too() {
    let mut rig = Rig::started();
    let (buy, sell) = rig.open(BUY, SELL);
    listed(&mut rig, &buy);
    rig.execute(&sell, 999_000);
    rig.decide();
    assert_eq!(rig.try_open(BUY, SELL), Err(Verdict::Frozen));
    rig.run(2_000);
    assert!(!rig.exec.ready(A));
    rig.pass(1);
    rig.answer_all(A, "10.00999", "999400");
    rig.run(58_000);
    rig.answer_all(A, "10.00999", "999400");
    rig.run(2_000);
    assert!(rig.exec.ready(A) && rig.try_open(BUY, SELL).is_ok());
}

#[test]
fn news_that_comes_after_all_ends_the_suspicion() {
    let mut rig = Rig::started();
    let (buy, sell) = rig.open(BUY, SELL);
    replied(&mut rig, &buy);
    rig.execute(&sell, 999_000);
    rig.run(2_000);
    assert!(!rig.exec.ready(A));
    rig.execute(&buy, 1_000_000);
    rig.pass(1);
    rig.decide();
    rig.answer_all(A, "10.00999", "999400");
    assert!(rig.exec.ready(A));
    for _ in 0..2 {
        rig.try_open(BUY, SELL).unwrap();
        rig.placed().iter().for_each(|order| rig.execute(order, order.qty.units()));
        rig.decide();
    }
}

/// Time made that pause, which no input tells: the log notes it, and a restart begins with it until the stream tells something or a person
/// resumes, as it would have gone on.
#[test]
fn a_pause_for_a_mute_stream_outlives_the_process() {
    let mut rig = Rig::started();
    let (buy, _) = rig.open(BUY, SELL);
    let up = Input::Link(LinkChange { venue: A, role: LinkRole::Private, state: LinkState::Up, at: ms(1) });
    let news = Input::Order(rig.update(&buy, OrderSource::Stream, OrderReport::Open { filled: qty(0) }));
    let answer = Input::Order(rig.update(&buy, OrderSource::Reply, OrderReport::Open { filled: qty(0) }));
    let resume = Input::Operator(OperatorCommand::Resume);
    for (after, holds) in [(None, true), (Some(&answer), true), (Some(&news), false), (Some(&resume), false)] {
        let mut exec = Executor::new(config(), tables(), IdSource::new(INSTANCE, EPOCH + 1, 0).unwrap());
        exec.recover_input(&up);
        exec.recover_intent(&buy);
        // What it told before it fell silent counts no more.
        exec.recover_input(&news);
        exec.recover_mute(A);
        after.into_iter().for_each(|input| exec.recover_input(input));
        exec.finish_recovery(ms(0));
        let mut rig = Rig::new();
        rig.exec = exec;
        rig.decide();
        assert_eq!(rig.has_stop(MUTE), holds, "{after:?}");
    }
}
