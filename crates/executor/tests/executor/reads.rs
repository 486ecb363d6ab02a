//! Reads that fail, and times that run backwards: what is asked again, when, and from what time on.

use crate::rig::*;
use domain::time::SECOND;
use domain::*;
use executor::*;

fn is_trades(read: &ReadKind) -> bool {
    matches!(read, ReadKind::Trades { pair: PAIR, .. })
}

fn fail(rig: &mut Rig, read: ReadKind) {
    let failure = ReadFailure { venue: A, read, class: ErrorClass::Unknown, received: rig.now };
    rig.exec.handle_read_failed(rig.now, &failure, &mut rig.out);
}

/// What was read since the last look.
fn take_reads(rig: &mut Rig) -> Vec<ReadKind> {
    let reads = rig.reads();
    rig.out = Outbox::default();
    reads
}

#[test]
fn failed_reads_of_account_and_trades_are_asked_again_later_each_time() {
    let mut rig = Rig::new();
    rig.link(A, LinkState::Up);
    rig.decide();
    let reads = take_reads(&mut rig);
    let trades = *reads.iter().find(|read| is_trades(read)).unwrap();
    assert!(reads.contains(&ReadKind::Account));
    for pause in [500, 1_000, 2_000, 4_000, 5_000, 5_000] {
        fail(&mut rig, ReadKind::Account);
        fail(&mut rig, trades);
        fail(&mut rig, ReadKind::Time);
        rig.pass(pause - 1);
        rig.decide();
        let early = take_reads(&mut rig);
        assert!(!early.iter().any(|read| is_trades(read) || *read == ReadKind::Account), "before {pause} ms: {early:?}");
        rig.pass(1);
        rig.decide();
        let due = take_reads(&mut rig);
        assert!(due.contains(&ReadKind::Account) && due.iter().any(is_trades), "after {pause} ms: {due:?}");
        assert!(!due.contains(&ReadKind::Time), "the clock is not ours to ask for");
    }
}

/// A list of trades that was cut short proves nothing, and is asked for again.
#[test]
fn an_incomplete_list_of_trades_is_asked_for_again() {
    let mut rig = Rig::new();
    rig.link(A, LinkState::Up);
    rig.decide();
    rig.out = Outbox::default();
    let (requested, received, since) = (rig.now, rig.now, UnixNanos(UNIX - 60 * SECOND as i64));
    let cut = TradesReport { venue: A, pair: PAIR, requested, received, since, complete: false, fills: vec![] };
    rig.exec.handle_trades(rig.now, &cut, &mut rig.out);
    rig.pass(500);
    rig.decide();
    assert!(take_reads(&mut rig).iter().any(is_trades));
}

/// Without the wall clock nobody knows from when on to ask for trades.
#[test]
fn trades_are_not_asked_for_before_the_wall_clock_is_known() {
    let mut rig = Rig::new();
    rig.link(A, LinkState::Up);
    rig.exec.on_decide(rig.now, UnixNanos(0), &rig.market, &mut rig.out);
    let reads = take_reads(&mut rig);
    assert!(reads.contains(&ReadKind::OpenOrders) && !reads.iter().any(is_trades), "{reads:?}");
    rig.pass(100);
    rig.decide();
    // From now on, and 60 seconds before: lists overlap by that much.
    let since = UnixNanos(rig.unix().0 - 60 * SECOND as i64);
    assert_eq!(take_reads(&mut rig).into_iter().find(is_trades), Some(ReadKind::Trades { pair: PAIR, since }));
}

/// The venue's clock was ahead of ours when the log was written: an order that was in flight then may have traded as early as our clock
/// says now, and trades are read from there, however late they are asked for.
#[test]
fn trades_are_read_from_before_a_log_whose_times_ran_ahead() {
    let mut rig = Rig::started();
    let (buy, _) = rig.open((A, 6_000_000, 1_000_000), (B, 6_010_000, 999_000));
    let mut ahead = fill(&buy, "ahead", 1_000, 6_000_000, rig.now);
    (ahead.client_id, ahead.executed_at) = (None, Some(VenueNanos(UNIX + 100 * SECOND as i64)));
    let mut exec = Executor::new(config(), tables(), IdSource::new(INSTANCE, EPOCH + 1, 0).unwrap());
    exec.recover_input(&Input::Fill(ahead));
    exec.recover_intent(&buy);
    exec.finish_recovery(ms(0));
    let mut rig = Rig::new();
    rig.exec = exec;
    rig.decide();
    let floor = rig.unix();
    assert_eq!(floor, UnixNanos(UNIX + SECOND as i64));
    rig.pass(50_000);
    rig.link(A, LinkState::Up);
    rig.out = Outbox::default();
    rig.decide();
    let since = UnixNanos(floor.0 - 60 * SECOND as i64);
    assert_eq!(take_reads(&mut rig).into_iter().find(is_trades), Some(ReadKind::Trades { pair: PAIR, since }));
}

const CLOSED: ErrorClass = ErrorClass::SymbolClosed;

/// A is up, its trades of the pair are refused, and its rules say what `open` says.
fn refused(rig: &mut Rig, open: bool) {
    refused_at(rig, A, open);
}

fn refused_at(rig: &mut Rig, venue: VenueId, open: bool) {
    let rules = rig.market.at_mut(venue, PAIR).rules.as_mut().unwrap();
    (rules.can_buy, rules.can_sell) = (open, open);
    rig.decide();
    let since = UnixNanos(UNIX);
    let failure = ReadFailure { venue, read: ReadKind::Trades { pair: PAIR, since }, class: CLOSED, received: rig.now };
    rig.exec.handle_read_failed(rig.now, &failure, &mut rig.out);
    rig.decide();
}

/// Whether trades on A were asked for since the last look, and from when on.
fn trades_of_a(rig: &mut Rig) -> Option<UnixNanos> {
    std::mem::take(&mut rig.out).commands.into_iter().find_map(|command| match command {
        Command::Read { venue: A, read: ReadKind::Trades { since, .. } } => Some(since),
        _ => None,
    })
}

/// Answers all but the trades of the pair.
fn answer_the_rest(rig: &mut Rig, usdt: &str) {
    rig.account(A, Some(false));
    rig.open_orders(A, vec![]);
    rig.decide();
    rig.balances(A, "10", usdt);
    rig.decide();
}

const GONE: StopRequest = StopRequest::set(StopKind::Pause, StopReason::RulesChanged, Some(A), Some(PAIR));

#[test]
fn a_pair_that_the_venue_knows_no_more_is_not_waited_for_and_comes_back() {
    let mut rig = Rig::started();
    rig.pass(10_000);
    rig.link(A, LinkState::Up);
    refused(&mut rig, true);
    answer_the_rest(&mut rig, "1000000");
    assert!(!rig.exec.ready(A), "refused, but by its rules it is open");
    refused(&mut rig, false);
    answer_the_rest(&mut rig, "1000000");
    assert!(rig.exec.ready(A) && !rig.has_stop(GONE));
    trades_of_a(&mut rig);
    rig.run(59_000);
    assert_eq!(trades_of_a(&mut rig), None);
    // Each round asks once, and waits for no answer.
    rig.run(1_000);
    assert!(trades_of_a(&mut rig).is_some());
    refused(&mut rig, false);
    answer_the_rest(&mut rig, "1000000");
    rig.run(30_000);
    assert!(rig.exec.ready(A) && trades_of_a(&mut rig).is_none());
    // Open again: waited for, from where it was covered.
    rig.market.at_mut(A, PAIR).rules.as_mut().unwrap().can_sell = true;
    rig.link(A, LinkState::Up);
    rig.decide();
    let covered = UnixNanos(UNIX + SECOND as i64);
    assert!(trades_of_a(&mut rig).is_some_and(|since| since <= covered));
    answer_the_rest(&mut rig, "1000000");
    assert!(!rig.exec.ready(A));
    rig.answer_all(A, "10", "1000000");
    assert!(rig.exec.ready(A));
}

#[test]
fn a_pair_that_is_gone_with_an_order_or_a_deal_of_ours_is_told_and_waited_for() {
    let mut rig = Rig::started();
    let (buy, sell) = rig.open((A, 6_000_000, 1_000_000), (B, 6_010_000, 999_000));
    rig.execute(&sell, 0);
    rig.pass(1_000);
    rig.link(A, LinkState::Up);
    refused(&mut rig, false);
    assert!(rig.has_stop(GONE));
    rig.out = Outbox::default();
    answer_the_rest(&mut rig, "1000000");
    assert!(!rig.exec.ready(A), "its order may have executed");
    assert!(!rig.has_stop(GONE), "told once");
    // Its end is known and booked, and the deal is over: nothing of ours can be missing there.
    rig.tell(&buy, OrderSource::Query, OrderReport::Finished { finish: Finish::Cancelled, filled: qty(0) });
    rig.pass(100);
    refused(&mut rig, false);
    answer_the_rest(&mut rig, "1000000");
    assert!(rig.exec.ready(A));
}

/// It is gone at one of three venues: a deal between the two others is none of that venue's.
#[test]
fn a_pair_that_is_gone_where_a_deal_has_no_part_is_no_alarm() {
    let mut rig = Rig::of_three();
    rig.pass(10_000);
    refused_at(&mut rig, C, false);
    rig.open((A, 6_000_000, 1_000_000), (B, 6_010_000, 999_000));
    refused_at(&mut rig, C, false);
    let pause = StopRequest::set(StopKind::Pause, StopReason::RulesChanged, Some(C), Some(PAIR));
    assert!(rig.exec.ready(C) && !rig.has_stop(pause));
}

/// A long list is asked for again while it is read, and the answer is to the first question: what was executed since is on no page of it.
#[test]
fn a_late_list_of_trades_covers_nothing_past_its_question() {
    let mut rig = Rig::started();
    rig.pass(60_000);
    rig.decide();
    let (asked, wall) = (rig.now, rig.unix());
    assert!(trades_of_a(&mut rig).is_some());
    rig.run(50_000);
    assert!(trades_of_a(&mut rig).is_some(), "it is asked for again");
    let since = UnixNanos(UNIX);
    let late = TradesReport { venue: A, pair: PAIR, requested: asked, received: rig.now, since, complete: true, fills: vec![] };
    rig.exec.handle_trades(rig.now, &late, &mut rig.out);
    rig.link(A, LinkState::Up);
    rig.out = Outbox::default();
    rig.decide();
    assert_eq!(trades_of_a(&mut rig), Some(UnixNanos(wall.0 - 60 * SECOND as i64)), "lists overlap by a minute");
}
