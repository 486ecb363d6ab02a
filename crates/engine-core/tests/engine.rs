//! The engine fed by hand: what it opens, and under which verdict everything else ends.

mod rig;

use domain::time::MILLI;
use domain::{Command, Input, Notice, OperatorCommand, StopReason, UnixNanos, Verdict};
use rig::{A, B, C, PAIR, Rig, places};

#[test]
fn a_crossing_beyond_all_costs_sends_both_legs_together() {
    let mut rig = Rig::new(|_| {});
    rig.ready();
    let out = rig.crossed();
    assert_eq!(places(&out), [(A, domain::Side::Buy), (B, domain::Side::Sell)]);
    assert!(out.notices.iter().any(|n| matches!(n, Notice::DealOpened { buy: A, sell: B, .. })));
    assert_eq!(rig.close(), [(Verdict::Traded, 1)]);
}

/// Review: routes were taken in the order of the configuration, so that a poor one could keep the pair from a rich one.
#[test]
fn of_several_crossings_the_one_that_earns_most_goes_first() {
    for (bids, first) in [([101_000, 101_500], C), ([101_500, 101_000], B), ([101_000, 101_000], B)] {
        let mut rig = Rig::of_three(|_| {});
        rig.ready();
        let [b, c] = bids;
        let books = [rig.book(A, 99_900, 100_000), rig.book(B, b, b + 600), rig.book(C, c, c + 600)];
        let out = rig.feed(&books);
        assert_eq!(places(&out), [(A, domain::Side::Buy), (first, domain::Side::Sell)], "{bids:?}");
        // The other one is an opportunity too, and says what it ended by.
        let verdicts = rig.close();
        assert_eq!(verdicts.iter().map(|(_, count)| count).sum::<u64>(), 2, "{verdicts:?}");
        assert!(verdicts.contains(&(Verdict::Traded, 1)), "{verdicts:?}");
    }
}

#[test]
fn nothing_is_opened_before_the_accounts_are_reconciled() {
    let mut rig = Rig::new(|_| {});
    let out = rig.crossed();
    assert!(places(&out).is_empty());
    assert_eq!(rig.close(), [(Verdict::Untrusted, 1)], "fees and rules are not told yet");
}

#[test]
fn a_pair_is_traded_once_at_a_time_and_never_on_a_book_that_our_orders_used() {
    let mut rig = Rig::new(|_| {});
    rig.ready();
    assert_eq!(places(&rig.crossed()).len(), 2);
    // The same instant's books again: what we took still stands in them.
    let out = rig.feed(&[Input::Tick { unix: UnixNanos(1_700_000_001_000_000_000) }]);
    assert!(places(&out).is_empty());
    // Fresh books, but the deal is still open.
    assert!(places(&rig.crossed()).is_empty());
    assert_eq!(
        rig.close(),
        [(Verdict::Traded, 1), (Verdict::Untrusted, 1)],
        "one opportunity each, under its first failing gate"
    );
}

#[test]
fn whoever_watches_is_told_when_detection_and_risk_have_ended() {
    use engine_core::Stage::{self, Detect, Risk};
    let mut rig = Rig::new(|_| {});
    rig.ready();
    let (ended, told) = std::sync::mpsc::channel::<Stage>();
    rig.engine.watch_stages(Box::new(move |stage| ended.send(stage).unwrap()));
    let books = [rig.book(A, 99_900, 100_000), rig.book(B, 100_100, 100_200)];
    rig.feed(&books);
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [Detect], "nothing was planned");
    rig.crossed();
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [Detect, Risk, Detect]);
}

#[test]
fn thin_edges_end_below_fees() {
    let mut rig = Rig::new(|_| {});
    rig.ready();
    let books = [rig.book(A, 99_900, 100_000), rig.book(B, 100_100, 100_200)];
    assert!(places(&rig.feed(&books)).is_empty());
    assert_eq!(rig.close(), [(Verdict::BelowFees, 1)]);
}

#[test]
fn a_halt_latches_until_a_person_resumes() {
    let mut rig = Rig::new(|_| {});
    rig.ready();
    rig.feed(&[Input::Operator(OperatorCommand::Halt { reason: StopReason::Operator })]);
    assert!(places(&rig.crossed()).is_empty());
    assert_eq!(places(&rig.feed(&[Input::Operator(OperatorCommand::Resume)])).len(), 2);
    let verdicts = rig.close();
    assert_eq!(verdicts, [(Verdict::Traded, 1)], "the opportunity stayed open over the halt and was taken after it");
}

#[test]
fn a_failed_state_log_stops_openings() {
    let mut rig = Rig::new(|_| {});
    rig.ready();
    rig.feed(&[Input::LogFailed]);
    assert!(places(&rig.crossed()).is_empty());
    assert_eq!(rig.close(), [(Verdict::Paused, 1)]);
}

#[test]
fn an_old_book_is_judged_again_at_the_tick_and_not_traded() {
    let mut rig = Rig::new(|c| c.limits.open_deals_max = 1);
    rig.ready();
    let cheap = rig.book(A, 99_900, 100_000);
    rig.feed(&[cheap]);
    rig.now = rig.now.after(2_000 * MILLI);
    let dear = rig.book(B, 101_000, 101_100);
    assert!(places(&rig.feed(&[dear])).is_empty());
    assert_eq!(rig.close(), [(Verdict::Untrusted, 1)]);
}

#[test]
fn a_book_that_crosses_itself_is_fetched_anew_and_priced_never() {
    let mut rig = Rig::new(|_| {});
    rig.ready();
    let bad = rig.book(A, 100_000, 99_000);
    let out = rig.feed(&[bad]);
    assert!(
        out.commands.iter().any(|c| matches!(c, Command::Resync { venue: A, pair: PAIR, reason: domain::ResyncReason::Crossed }))
    );
    let good = rig.book(B, 101_000, 101_100);
    assert!(places(&rig.feed(&[good])).is_empty());
    assert_eq!(rig.engine.crossed(A, PAIR), 1);
}

#[test]
fn the_same_inputs_give_the_same_commands() {
    let run = || {
        let mut rig = Rig::new(|_| {});
        rig.ready();
        let mut all = Vec::new();
        for step in 0..40 {
            let lift = i64::from(step % 7) * 150;
            let books = [rig.book(A, 99_900, 100_000), rig.book(B, 99_950 + lift, 100_050 + lift)];
            all.extend(rig.feed(&books).commands);
        }
        all
    };
    let first = run();
    assert!(first.iter().any(|c| matches!(c, Command::Place(_))));
    assert_eq!(first, run());
}
