//! Controls, latches, patches, drains and dead-man switches of the engine fed by hand.

mod rig;

use domain::time::{MILLI, SECOND};
use domain::{
    Amount, Ban, Command, DeadMan, Fill, Finish, Input, LinkChange, LinkRole, LinkState, MonoNanos, NewOrder, Notice,
    OperatorCommand, OrderReport, OrderSource, OrderUpdate, PairId, Rate, Role, Side, StopKind, StopReason, TradeId, UnixNanos,
    VenueId, VenueNanos, VenueOrderId, Verdict,
};
use engine_core::Outputs;
use rig::{A, B, Rig, placed, places, whole};

/// Midnight UTC between two days of November 2023.
const MIDNIGHT: i64 = 1_700_006_400;

fn unix(second: i64) -> Input {
    Input::Tick { unix: UnixNanos(second * 1_000_000_000) }
}

fn latches(out: &Outputs) -> Vec<StopReason> {
    let latch = |n: &Notice| match n {
        Notice::Stopped { kind: StopKind::Latch, reason, .. } => Some(*reason),
        _ => None,
    };
    out.notices.iter().filter_map(latch).collect()
}

impl Rig {
    /// The order is filled in full at its own price, with fees as given, executed at this venue time.
    fn fill(&mut self, order: &NewOrder, fees: &[(u16, Amount)], at: i64) -> [Input; 2] {
        self.trades += 1;
        let fill = Fill {
            venue: order.venue,
            pair: order.pair,
            trade_id: TradeId::new(&self.trades.to_string()).unwrap(),
            client_id: Some(order.client_id),
            venue_order_id: VenueOrderId::new(&format!("v{}", order.client_id)).unwrap(),
            side: order.side,
            price: order.price,
            qty: order.qty,
            quote: None,
            fees: fees.iter().map(|(asset, fee)| (domain::AssetId(*asset), *fee)).collect(),
            role: Role::Taker,
            executed_at: Some(VenueNanos(at)),
            source: OrderSource::Stream,
            received: self.now,
        };
        let report = OrderReport::Finished { finish: Finish::Filled, filled: order.qty };
        [Input::Fill(fill.clone()), self.update(order, fill.venue_order_id, report)]
    }

    fn update(&self, order: &NewOrder, venue_order_id: VenueOrderId, report: OrderReport) -> Input {
        Input::Order(OrderUpdate {
            venue: order.venue,
            pair: order.pair,
            client_id: Some(order.client_id),
            venue_order_id: Some(venue_order_id),
            source: OrderSource::Stream,
            received: self.now,
            requested: self.now,
            report,
        })
    }

    /// Ends an order without an execution.
    fn end(&self, order: &NewOrder) -> Input {
        let report = OrderReport::Finished { finish: Finish::Cancelled, filled: domain::Qty::ZERO };
        self.update(order, VenueOrderId::new(&format!("v{}", order.client_id)).unwrap(), report)
    }

    /// A deal on crossed books, both legs filled at their limits at this venue time, with token fees on the buy.
    fn deal(&mut self, lift: i64, token_fee: Amount, at: i64) -> Outputs {
        let orders = placed(&self.crossed_by(lift));
        assert_eq!(orders.len(), 2, "a deal is made");
        let mut inputs = Vec::new();
        for order in &orders {
            let fees = if order.side == Side::Buy { vec![(2, token_fee)] } else { Vec::new() };
            inputs.extend(self.fill(order, &fees, at));
        }
        self.feed(&inputs)
    }
}

#[test]
fn a_detector_that_always_fires_stops_at_the_throttle_exactly_until_a_person_resumes() {
    let mut rig = Rig::new(|c| c.controls.repeat_deals_max = 3);
    rig.ready();
    let mut fired = Vec::new();
    let mut told = Vec::new();
    for round in 0..8 {
        let out = rig.crossed_by(round);
        told.extend(latches(&out));
        let orders = placed(&out);
        fired.push(orders.len());
        let ends: Vec<Input> = orders.iter().map(|order| rig.end(order)).collect();
        rig.now = rig.now.after(200 * MILLI);
        told.extend(latches(&rig.feed(&ends)));
    }
    assert_eq!(fired, [2, 2, 2, 0, 0, 0, 0, 0]);
    assert_eq!(told, [StopReason::RepeatThrottle], "one alert");
    rig.now = rig.now.after(120 * SECOND);
    rig.feed(&[unix(1_700_000_200)]);
    assert!(places(&rig.crossed_by(20)).is_empty(), "the window is over, and it stays off");
    let out = rig.feed(&[Input::Operator(OperatorCommand::Resume)]);
    assert!(out.notices.contains(&Notice::Cleared { kind: StopKind::Latch, reason: StopReason::RepeatThrottle }));
    assert_eq!(places(&out).len(), 2);
}

#[test]
fn hedges_beyond_their_proportion_are_not_sent_and_latch_once() {
    let mut rig = Rig::new(|c| c.controls.hedge_retries_max = 2);
    rig.ready();
    let orders = placed(&rig.crossed());
    let buy = orders.iter().find(|o| o.side == Side::Buy).unwrap();
    let sell = orders.iter().find(|o| o.side == Side::Sell).unwrap();
    let mut inputs = rig.fill(buy, &[], 0).to_vec();
    inputs.push(rig.end(sell));
    let mut out = rig.feed(&inputs);
    let (mut hedges, mut told) = (0, Vec::new());
    for round in 0..40 {
        told.extend(latches(&out));
        let sent = placed(&out);
        hedges += sent.len();
        let ends: Vec<Input> = sent.iter().map(|order| rig.end(order)).collect();
        rig.now = rig.now.after(300 * MILLI);
        let books = rig.books(round);
        out = rig.feed(&[ends, books].concat());
    }
    assert_eq!(hedges, 4, "two for each leg");
    assert_eq!(told, [StopReason::OrdersOutOfProportion]);
}

#[test]
fn the_loss_of_the_day_counts_token_fees_latches_exactly_at_the_limit_and_once() {
    let at = (MIDNIGHT - 10) * 1_000_000_000;
    let lose = |limit: Amount| {
        let mut rig = Rig::with_token_fees(|c| c.limits.daily_loss_max = limit);
        rig.ready();
        rig.feed(&[unix(MIDNIGHT - 10)]);
        rig.token_books();
        let out = rig.deal(0, whole(20), at);
        (rig, out)
    };
    // 20 tokens of 10 each, less what the deal earns.
    let result = lose(whole(1_000)).0.engine.realised_today().unwrap();
    assert!(result > -whole(200) && result < -whole(100), "{result}");
    let (rig, out) = lose(-result + Amount::from_units(1));
    assert!(latches(&out).is_empty() && !rig.engine.stops().latched(), "one unit short of the limit");
    let (mut rig, out) = lose(-result);
    assert_eq!(latches(&out), [StopReason::DailyLoss]);
    assert!(latches(&rig.feed(&[unix(MIDNIGHT - 9)])).is_empty(), "not told again");
    rig.feed(&[Input::Operator(OperatorCommand::Resume)]);
    assert!(latches(&rig.feed(&[unix(MIDNIGHT - 8)])).is_empty(), "nor after a person has looked");
    rig.now = rig.now.after(2 * SECOND);
    rig.token_books();
    assert!(places(&rig.crossed_by(3)).is_empty(), "and still nothing is opened");
    assert_eq!(places(&rig.feed(&[unix(MIDNIGHT)])).len(), 2, "a new day");
}

#[test]
fn the_day_begins_at_midnight_utc_to_the_second() {
    let mut rig = Rig::with_token_fees(|_| {});
    rig.ready();
    rig.feed(&[unix(MIDNIGHT - 1)]);
    rig.token_books();
    rig.deal(0, whole(10), MIDNIGHT * 1_000_000_000 - 1);
    let before = rig.engine.realised_today().unwrap();
    assert!(before.is_negative(), "{before}");
    rig.feed(&[unix(MIDNIGHT - 1)]);
    assert_eq!(rig.engine.realised_today(), Some(before), "still the old day");
    rig.feed(&[unix(MIDNIGHT)]);
    assert_eq!(rig.engine.realised_today(), Some(Amount::ZERO), "the new one");
}

#[test]
fn a_loss_that_cannot_be_valued_opens_nothing() {
    let mut rig = Rig::with_token_fees(|_| {});
    rig.ready();
    rig.deal(0, whole(1), 1_700_000_000_000_000_000);
    assert_eq!(rig.engine.realised_today(), None, "no book has priced the token yet");
    rig.now = rig.now.after(2 * SECOND);
    assert!(places(&rig.crossed_by(3)).is_empty());
    rig.token_books();
    assert!(rig.engine.realised_today().is_some());
    assert_eq!(places(&rig.crossed_by(4)).len(), 2);
}

#[test]
fn what_is_two_hops_from_the_reference_is_valued() {
    let mut rig = Rig::with_token_in_btc(|c| c.limits.daily_loss_max = whole(40_000));
    rig.ready();
    // A token is 10 bitcoins of some 1,000.
    rig.token_books();
    rig.deal(0, whole(1), 1_700_000_000_000_000_000);
    let result = rig.engine.realised_today().unwrap();
    assert!(result < -whole(9_990) && result > -whole(10_100), "{result}");
    rig.now = rig.now.after(2 * SECOND);
    assert_eq!(places(&rig.crossed_by(4)).len(), 2);
}

/// F10: the book of one venue of two says that the token is worth a hundred times as much, or nothing.
#[test]
fn one_absurd_book_makes_no_loss_of_the_day_and_hides_none() {
    let mut rig = Rig::with_token_fees(|c| c.limits.daily_loss_max = whole(1_000));
    rig.ready();
    rig.token_books();
    let mut told = latches(&rig.deal(0, whole(20), 1_700_000_000_000_000_000));
    let result = rig.engine.realised_today().unwrap();
    assert!(result < -whole(150), "{result}");
    for mid in [100_000, 2, 100_000] {
        let book = rig.token_book(A, mid);
        told.extend(latches(&rig.feed(&[book])));
        assert_eq!(rig.engine.realised_today(), Some(result), "{mid}");
    }
    assert!(told.is_empty(), "{told:?}");
}

/// A deal that loses some 190, executed at this second of the venues' clocks, while ours tells another one.
fn lose_while_clocks_differ(ours: i64, venues: i64, measured: bool) -> (Rig, Vec<StopReason>) {
    let mut rig = Rig::with_token_fees(|_| {});
    rig.ready();
    rig.feed(&[unix(ours)]);
    if measured {
        let clocks = [A, B].map(|venue| rig.clock_at(venue, venues));
        rig.feed(&clocks);
    }
    rig.token_books();
    let told = latches(&rig.deal(0, whole(20), venues * 1_000_000_000));
    (rig, told)
}

#[test]
fn losses_are_judged_by_the_venues_day_too_where_our_clock_is_hours_off() {
    for (ours, venues, measured) in [(-3_600, 10, false), (-3_600, 10, true), (3_600, -7_200, true), (-90_000, 10, false)] {
        let (mut rig, told) = lose_while_clocks_differ(MIDNIGHT + ours, MIDNIGHT + venues, measured);
        assert_eq!(told, [StopReason::DailyLoss], "ours {ours}, theirs {venues}");
        assert!(rig.engine.realised_today().unwrap() < -whole(100));
        rig.feed(&[Input::Operator(OperatorCommand::Resume)]);
        rig.now = rig.now.after(2 * SECOND);
        rig.token_books();
        let out = rig.crossed_by(3);
        assert!(places(&out).is_empty() && latches(&out).is_empty(), "nothing is opened, and it is not told again");
    }
}

#[test]
fn where_the_clocks_agree_a_day_ends_at_midnight_also_for_what_is_told_later() {
    let (mut rig, told) = lose_while_clocks_differ(MIDNIGHT - 1, MIDNIGHT - 1, true);
    assert_eq!(told, [StopReason::DailyLoss]);
    rig.feed(&[unix(MIDNIGHT - 1)]);
    assert!(rig.engine.realised_today().unwrap().is_negative());
    rig.now = rig.now.after(2 * SECOND);
    rig.feed(&[unix(MIDNIGHT + 1)]);
    assert_eq!(rig.engine.realised_today(), Some(Amount::ZERO), "a new day");
    let (rig, told) = lose_while_clocks_differ(MIDNIGHT, MIDNIGHT, true);
    assert_eq!(told, [StopReason::DailyLoss]);
    drop(rig);
    let mut rig = Rig::with_token_fees(|_| {});
    rig.ready();
    let clocks = [A, B].map(|venue| rig.clock_at(venue, MIDNIGHT + 60));
    rig.feed(&clocks);
    rig.feed(&[unix(MIDNIGHT + 60)]);
    rig.token_books();
    let told = latches(&rig.deal(0, whole(20), (MIDNIGHT - 1) * 1_000_000_000));
    assert!(told.is_empty(), "an execution of yesterday");
    assert_eq!(rig.engine.realised_today(), Some(Amount::ZERO));
}

#[test]
fn a_latch_opens_nothing_also_in_its_own_batch() {
    let mut rig = Rig::new(|_| {});
    rig.ready();
    let mut inputs = rig.books(0);
    inputs.push(Input::Operator(OperatorCommand::Halt { reason: StopReason::File }));
    let out = rig.feed(&inputs);
    assert!(places(&out).is_empty());
    assert_eq!(latches(&out), [StopReason::File]);
    assert_eq!(rig.close(), [(Verdict::Latched, 1)]);
}

/// I20: every latch, told once however often its cause repeats, and cleared once.
#[test]
fn every_latch_is_told_once_and_cleared_once() {
    for reason in StopReason::ALL {
        let mut rig = Rig::new(|_| {});
        rig.ready();
        let halt = Input::Operator(OperatorCommand::Halt { reason: *reason });
        let mut told = latches(&rig.feed(&[halt.clone(), halt.clone()]));
        told.extend(latches(&rig.feed(&[halt])));
        assert_eq!(told, [*reason]);
        let cleared =
            |out: &Outputs| out.notices.iter().filter(|n| matches!(n, Notice::Cleared { kind: StopKind::Latch, .. })).count();
        let resume = Input::Operator(OperatorCommand::Resume);
        assert_eq!(cleared(&rig.feed(std::slice::from_ref(&resume))) + cleared(&rig.feed(&[resume])), 1);
    }
}

/// I20: the pauses and freezes that the engine itself sets, each condition held for several decisions.
#[test]
fn every_condition_is_told_once_while_it_holds() {
    let stops = |out: &Outputs, of: StopReason| {
        let is = |n: &&Notice| matches!(n, Notice::Stopped { reason, .. } if *reason == of);
        out.notices.iter().filter(is).count()
    };
    let (low, failed) = (Input::Storage { low: true }, Input::LogFailed);
    let (drain, stop) = (Input::Operator(OperatorCommand::Drain), Input::Operator(OperatorCommand::Stop));
    let ban = Input::Ban(Ban { venue: A, until: MonoNanos(900 * SECOND), received: MonoNanos(SECOND) });
    let causes = [
        (StopReason::Disk, low),
        (StopReason::StateLog, failed),
        (StopReason::Operator, drain),
        (StopReason::Signal, stop),
        (StopReason::QueueFull, Input::Queue { full: true }),
        (StopReason::VenueBanned, ban),
    ];
    for (reason, input) in causes {
        let mut rig = Rig::new(|_| {});
        rig.ready();
        let told: usize = (0..3).map(|_| stops(&rig.feed(std::slice::from_ref(&input)), reason)).sum();
        assert_eq!(told, 1, "{reason}");
    }
}

#[test]
fn exposure_that_the_market_moves_beyond_its_limit_pauses_once_and_ends_with_it() {
    let mut rig = Rig::new(|c| c.controls.unhedged_opportunity_max = whole(1_020));
    rig.ready();
    let orders = placed(&rig.crossed());
    let is = |n: &Notice| matches!(n, Notice::Stopped { kind: StopKind::Pause, reason: StopReason::Exposure, .. });
    let count = |out: &Outputs| out.notices.iter().filter(|n| is(n)).count();
    // 1 BTC at 1,010 was within; at 1,030 it is not.
    let books = rig.books(2_000);
    let told = count(&rig.feed(&books)) + count(&rig.feed(&[unix(1_700_000_001)]));
    assert_eq!(told, 1);
    let ends: Vec<Input> = orders.iter().map(|order| rig.end(order)).collect();
    let out = rig.feed(&ends);
    let out2 = rig.feed(&[unix(1_700_000_002)]);
    let over = Notice::Cleared { kind: StopKind::Pause, reason: StopReason::Exposure };
    assert_eq!(out.notices.iter().chain(&out2.notices).filter(|n| **n == over).count(), 1);
}

#[test]
fn a_fill_under_our_id_where_we_never_traded_halts() {
    let mut rig = Rig::new(|_| {});
    rig.ready();
    let orders = placed(&rig.crossed());
    let [fill, _] = rig.fill(&orders[0], &[], 0);
    let Input::Fill(fill) = fill else { panic!() };
    let elsewhere = Fill { venue: if fill.venue == A { B } else { A }, ..fill.clone() };
    assert_eq!(latches(&rig.feed(&[Input::Fill(elsewhere)])), [StopReason::UnknownFill]);
    // A pair or a venue that this run does not have at all.
    let mut rig = Rig::new(|_| {});
    rig.ready();
    let nowhere = Fill { pair: PairId(9), ..fill.clone() };
    assert_eq!(latches(&rig.feed(&[Input::Fill(nowhere.clone())])), [StopReason::UnknownFill]);
    assert!(latches(&rig.feed(&[Input::Fill(nowhere)])).is_empty(), "told once");
    let nobody = Fill { venue: VenueId(9), ..fill };
    assert_eq!(latches(&rig.feed(&[Input::Fill(nobody)])), [StopReason::UnknownFill], "another account");
}

#[test]
fn a_patch_holds_from_its_batch_on_and_limits_that_no_run_may_start_with_change_nothing() {
    let mut rig = Rig::new(|_| {});
    rig.ready();
    let mut patch = rig.engine.config().patch();
    patch.min_edge = Rate::from_bps(500).unwrap();
    let mut inputs = vec![Input::Config(patch.clone())];
    inputs.extend(rig.books(0));
    assert!(places(&rig.feed(&inputs)).is_empty());
    assert_eq!(rig.engine.config().patch(), patch);
    assert_eq!(rig.engine.config().executor.limits, rig.engine.config().limits);
    let mut bad = patch.clone();
    bad.order_value_max = Amount::ZERO;
    bad.min_edge = Rate::ZERO;
    rig.feed(&[Input::Config(bad)]);
    assert_eq!(rig.engine.config().patch(), patch);
    patch.min_edge = Rate::from_bps(1).unwrap();
    patch.order_value_max = whole(100);
    let orders = placed(&rig.feed(&[Input::Config(patch)]));
    assert_eq!(orders.len(), 2);
    assert!(orders.iter().all(|order| order.qty.units() < 1_001), "0.1 BTC at 1,000 is the new limit");
}

#[test]
fn settings_that_no_patch_carries_are_told_apart() {
    let rig = Rig::new(|_| {});
    let config = rig.engine.config().clone();
    let mut wanted = config.clone();
    wanted.limits.order_value_max = whole(7);
    wanted.executor.limits = wanted.limits;
    assert!(config.differs_only_by_patch(&wanted));
    wanted.controls.repeat_deals_max = 7;
    assert!(!config.differs_only_by_patch(&wanted));
}

#[test]
fn a_drain_finishes_what_is_open_and_opens_nothing_until_a_person_resumes() {
    let mut rig = Rig::new(|_| {});
    rig.ready();
    assert!(!rig.engine.drained());
    let orders = placed(&rig.crossed());
    rig.feed(&[Input::Operator(OperatorCommand::Drain)]);
    assert!(!rig.engine.drained(), "a deal is open");
    let ends: Vec<Input> = orders.iter().map(|order| rig.end(order)).collect();
    rig.feed(&ends);
    assert!(rig.engine.drained() && !rig.engine.finished());
    rig.now = rig.now.after(2 * SECOND);
    assert!(places(&rig.crossed_by(2)).is_empty());
    rig.feed(&[Input::Operator(OperatorCommand::Flatten)]);
    assert!(rig.engine.executor().is_flattening());
    let out = rig.feed(&[Input::Operator(OperatorCommand::Resume)]);
    assert!(!rig.engine.drained() && !rig.engine.executor().is_flattening());
    assert_eq!(places(&out).len(), 2);
}

#[test]
fn dead_man_switches_are_armed_when_ready_refreshed_left_on_a_lost_link_and_disarmed_at_the_end() {
    let mut rig = Rig::new(|c| c.dead_man_ns = 30 * SECOND);
    let asked = |out: &Outputs| -> Vec<(VenueId, u64)> {
        let ask = |c: &Command| match c {
            Command::DeadMan { venue, timeout_ns } => Some((*venue, *timeout_ns)),
            _ => None,
        };
        out.commands.iter().filter_map(ask).collect()
    };
    rig.ready();
    assert_eq!(rig.seen_switches, [(A, 30 * SECOND), (B, 30 * SECOND)]);
    let answer = |rig: &Rig, venue, armed: bool| {
        Input::DeadMan(DeadMan { venue, armed_until: armed.then(|| rig.now.after(30 * SECOND)), ok: true, received: rig.now })
    };
    let answers = [answer(&rig, A, true), answer(&rig, B, true)];
    rig.feed(&answers);
    let lost = Input::Link(LinkChange { venue: B, role: LinkRole::Private, state: LinkState::Lost, at: rig.now });
    rig.feed(&[lost]);
    rig.now = rig.now.after(10 * SECOND);
    assert_eq!(asked(&rig.feed(&[])), [(A, 30 * SECOND)], "B is left to strike");
    let up = Input::Link(LinkChange { venue: B, role: LinkRole::Private, state: LinkState::Up, at: rig.now });
    rig.feed(&[up]);
    rig.ready();
    let mut out = rig.feed(&[Input::Operator(OperatorCommand::Stop)]);
    let mut disarmed = asked(&out);
    for _ in 0..600 {
        let answers = rig.answers(&out);
        rig.now = rig.now.after(100 * MILLI);
        out = rig.feed(&answers);
        disarmed.extend(asked(&out).into_iter().filter(|(_, timeout)| *timeout == 0));
        if disarmed.len() == 2 {
            break;
        }
    }
    assert_eq!(disarmed, [(A, 0), (B, 0)]);
    assert!(!rig.engine.finished(), "the answers are awaited");
    let answers = [answer(&rig, A, false), answer(&rig, B, false)];
    rig.feed(&answers);
    assert!(rig.engine.finished());
}

#[test]
fn late_books_count_as_lagging_or_skewed_and_send_nothing() {
    let mut rig = Rig::new(|_| {});
    rig.ready();
    // The same delay for a while is normal; then venue A's frames come later each time, as in a burst that is replayed too fast.
    for _ in 0..20 {
        let books = rig.stamped_books(false, 0);
        rig.feed(&books);
        rig.now = rig.now.after(50 * MILLI);
    }
    let mut sent = 0;
    for step in 0..20u64 {
        let late = (600 + 50 * step) * MILLI;
        let books = rig.stamped_books(true, late);
        sent += places(&rig.feed(&books)).len();
        rig.now = rig.now.after(50 * MILLI);
    }
    assert_eq!(sent, 0);
    let verdicts = rig.close();
    assert_eq!(verdicts, [(Verdict::LegLagging, 1)], "one long opportunity on a late book");

    // A burst that waited from the first frame on has nothing to be late against but the measured clock; without one it is late.
    for measured in [false, true] {
        let mut rig = Rig::new(|config| config.detector.lag_must_be_known = true);
        rig.now = rig.now.after(5 * SECOND);
        rig.ready();
        if measured {
            let clocks = [A, B].map(|venue| rig.clock(venue, 2 * MILLI));
            rig.feed(&clocks);
        }
        let mut sent = 0;
        for _ in 0..20 {
            let books = rig.stamped_books(true, 2 * SECOND);
            sent += places(&rig.feed(&books)).len();
            rig.now = rig.now.after(50 * MILLI);
        }
        assert_eq!(sent, 0);
        let books = rig.stamped_books(true, 0);
        assert_eq!(places(&rig.feed(&books)).len(), if measured { 2 } else { 0 }, "on time at last");
    }

    let mut rig = Rig::new(|_| {});
    rig.ready();
    let cheap = rig.book(A, 99_900, 100_000);
    rig.feed(&[cheap]);
    rig.now = rig.now.after(700 * MILLI);
    let dear = rig.book(B, 101_000, 101_100);
    assert!(places(&rig.feed(&[dear])).is_empty());
    assert_eq!(rig.close(), [(Verdict::LegSkew, 1)]);
}

/// Beside the patch itself, what is made from its limits; and hedges are priced by the books that openings are.
#[test]
fn a_patch_takes_along_what_is_derived_from_it() {
    let mut rig = Rig::new(|config| config.controls.derived.messages_per_second = false);
    let mut patch = rig.engine.config().patch();
    (patch.deal_value_max, patch.order_value_max) = (whole(1_000), whole(1_000));
    (patch.unhedged_value_max, patch.orders_per_second_max) = (whole(1_500), 5);
    (patch.book_age_max_ns, patch.lag_max_ns, patch.collar) = (2 * SECOND, 3 * SECOND, Rate::from_bps(90).unwrap());
    rig.feed(&[Input::Config(patch)]);
    let config = rig.engine.config();
    let controls = &config.controls;
    assert_eq!((controls.unhedged_opportunity_max, controls.unhedged_asset_max), (whole(1_500), whole(1_500)));
    assert_eq!(controls.messages_per_second_max, 40, "named in the file");
    let books = config.executor.books;
    assert_eq!((books.age_max_ns, books.lag_max_ns, books.collar), (2 * SECOND, 3 * SECOND, Rate::from_bps(90).unwrap()));
    // One that no run may start with changes nothing.
    let mut rig = Rig::new(|_| {});
    let before = rig.engine.config().clone();
    let mut patch = before.patch();
    patch.orders_per_second_max = 1;
    rig.feed(&[Input::Config(patch)]);
    assert_eq!(rig.engine.config(), &before);
}

/// A book whose feed is late shows the price of a while ago: the hedge goes to the other one.
#[test]
fn a_late_book_prices_neither_opening_nor_hedge() {
    for late in [0, 2 * SECOND] {
        let mut rig = Rig::new(|config| {
            (config.executor.complete_cap, config.executor.reverse_cap) =
                (Rate::from_bps(400).unwrap(), Rate::from_bps(400).unwrap());
            config.executor.flatten_cap = Rate::from_bps(400).unwrap();
        });
        rig.ready();
        let normal = rig.stamped_books(false, 0);
        rig.feed(&normal);
        let orders = placed(&{
            rig.now = rig.now.after(50 * MILLI);
            let books = rig.stamped_books(true, 0);
            rig.feed(&books)
        });
        let (bought, sold) = (orders[0], orders[1]);
        assert_eq!((bought.venue, sold.venue), (A, B));
        let mut ends = rig.fill(&sold, &[], unix_of(&rig)).to_vec();
        ends.push(rig.end(&bought));
        rig.feed(&ends);
        // To be bought back, on A by far the cheaper: at its price of two seconds ago, or of now.
        rig.now = rig.now.after(3 * SECOND);
        let books = rig.stamped_books(true, late);
        let hedges = placed(&rig.feed(&books));
        assert_eq!(hedges.iter().map(|hedge| hedge.venue).collect::<Vec<_>>(), [if late == 0 { A } else { B }]);
    }
}

fn unix_of(rig: &Rig) -> i64 {
    1_700_000_000_000_000_000 + rig.now.0 as i64
}

#[test]
fn a_halt_cancels_what_rests_of_openings() {
    let mut rig = Rig::new(|_| {});
    rig.ready();
    let orders = placed(&rig.crossed());
    let name = |order: &NewOrder| VenueOrderId::new(&format!("v{}", order.client_id)).unwrap();
    let open = |order: &NewOrder| rig.update(order, name(order), OrderReport::Open { filled: domain::Qty::ZERO });
    let shown = [open(&orders[0]), open(&orders[1])];
    rig.feed(&shown);
    let out = rig.feed(&[Input::Operator(OperatorCommand::Halt { reason: StopReason::Operator })]);
    let cancelled: Vec<_> =
        out.commands.iter().filter_map(|c| if let Command::Cancel(r) = c { Some(r.client_id) } else { None }).collect();
    assert_eq!(cancelled, [orders[0].client_id, orders[1].client_id]);
}

/// Base that no live book prices is told as such, and not left out in silence.
#[test]
fn base_without_a_live_book_is_not_valued() {
    let mut rig = Rig::new(|_| {});
    rig.ready();
    let orders = placed(&rig.crossed());
    let mut ends = rig.fill(&orders[0], &[], unix_of(&rig)).to_vec();
    ends.push(rig.end(&orders[1]));
    rig.feed(&ends);
    let before = rig.engine.report();
    assert!(before.unvalued.is_empty() && !before.marks.is_empty());
    let down = |venue| Input::Link(LinkChange { venue, role: LinkRole::Public, state: LinkState::Lost, at: MonoNanos(1) });
    rig.feed(&[down(A), down(B)]);
    let after = rig.engine.report();
    let bought = rig.engine.tables().pair(rig::PAIR).unwrap().scale.base_of(orders[0].qty);
    assert_eq!((after.unvalued, after.marks.len()), (vec![(domain::AssetId(0), bought)], 0));
}
