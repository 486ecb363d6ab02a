//! Checkpoints: loading one and folding what follows is folding everything; and what is long past is forgotten without harm.

use crate::rig::*;
use crate::world::{Record, World, live};
use domain::*;
use executor::*;
use proptest::prelude::*;

fn finished(mut exec: Executor) -> Executor {
    exec.finish_recovery(MonoNanos(0));
    exec
}

/// Every field of it, those included that no report shows.
fn all_of(exec: &Executor) -> String {
    format!("{exec:#?}")
}

fn last_intent(world: &World) -> usize {
    world.log.iter().rposition(|record| matches!(record, Record::Intent(_))).map_or(0, |i| i + 1)
}

#[track_caller]
fn check_same(all: &Executor, part: &Executor) {
    let (all, part) = (all_of(all), all_of(part));
    if all != part {
        let differs = all.lines().zip(part.lines()).position(|(a, b)| a != b).unwrap_or(0);
        let near = |text: &str| text.lines().skip(differs.saturating_sub(12)).take(20).collect::<Vec<_>>().join("\n");
        panic!("everything folded:\n{}\n\nfrom the checkpoint:\n{}", near(&all), near(&part));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Crashes anywhere, each life beginning with a checkpoint: at every point of the last one, both ways of recovering give the same
    /// executor, field by field.
    #[test]
    fn a_checkpoint_stands_for_everything_before_it(seed in any::<u64>(), cut in 0usize..1_000, deals in 1u32..5) {
        let mut world = live(seed, deals);
        let from = last_intent(&world);
        world.crash(from + cut * (world.log.len() - from) / 1_000);
        world.run(20_000);
        world.deal();
        world.run(1_000 + cut as u64);
        world.crash(world.log.len());
        let life = world.log.len();
        world.run(20_000);
        for records in [life, (life + world.log.len()) / 2, world.log.len()] {
            check_same(&finished(world.fold(records)), &finished(world.fold_from_checkpoint(records)));
        }
    }

    /// Taken apart and put together it is itself.
    #[test]
    fn items_are_the_whole_executor(seed in any::<u64>(), cut in 0usize..1_000, deals in 1u32..5) {
        let world = live(seed, deals);
        let from = last_intent(&world);
        let exec = finished(world.fold(from + cut * (world.log.len() - from) / 1_000));
        let mut again = Executor::new(config(), tables(), IdSource::new(INSTANCE, EPOCH + 1, 0).unwrap());
        again.recover_checkpoint(&exec.checkpoint());
        check_same(&exec, &again);
    }

    /// The worlds of `world.rs` heal as well when every recovery starts from a checkpoint.
    #[test]
    fn crashes_are_healed_from_checkpoints(seed in any::<u64>(), cut in 0usize..1_000, deals in 1u32..5) {
        let mut world = live(seed, deals);
        world.use_checkpoints = true;
        let from = last_intent(&world);
        world.crash(from + cut * (world.log.len() - from) / 1_000);
        world.run(300 + cut as u64);
        world.crash(world.log.len());
        world.heal_after_crash();
        prop_assert_eq!(world.rig.exec.unknown_orders(), 0);
    }
}

/// A world in which some deals were done, one more so many seconds later, and then the executions of both venues were read: the fills of
/// the first deals, and of the last.
fn aged(seconds: u64) -> (World, Vec<Fill>, Vec<Fill>) {
    let mut world = World::new(5);
    world.run(2_000);
    for _ in 0..6 {
        world.deal();
        world.run(5_000);
    }
    let first = fills_of(&world);
    assert!(first.len() >= 12);
    world.run(1_000 * seconds);
    world.deal();
    world.run(5_000);
    let last = fills_of(&world).into_iter().filter(|fill| first.iter().all(|known| known.trade_id != fill.trade_id)).collect();
    let now = world.rig.now;
    for venue in [A, B] {
        let (requested, received, since) = (now, now, world.rig.unix());
        let report = TradesReport { venue, pair: PAIR, requested, received, since, complete: true, fills: vec![] };
        world.log.push(Record::Input(Input::Trades(report)));
    }
    (world, first, last)
}

/// Every fill that the log tells, once.
fn fills_of(world: &World) -> Vec<Fill> {
    let told = |record: &Record| match record {
        Record::Input(Input::Fill(fill)) => vec![fill.clone()],
        Record::Input(Input::Trades(report)) => report.fills.clone(),
        _ => Vec::new(),
    };
    let mut fills: Vec<Fill> = world.log.iter().flat_map(told).collect();
    fills.sort_by_key(|fill| (fill.venue, fill.trade_id));
    fills.dedup_by_key(|fill| (fill.venue, fill.trade_id));
    fills
}

fn count(items: &[CheckpointItem], which: impl Fn(&CheckpointItem) -> bool) -> usize {
    items.iter().filter(|item| which(item)).count()
}

fn ledger(exec: &Executor) -> Vec<Holding> {
    exec.ledger().holdings().map(|(_, _, cell)| *cell).collect()
}

#[test]
fn what_is_long_past_is_forgotten_and_its_fills_are_still_known() {
    let is_booked = |item: &CheckpointItem| matches!(item, CheckpointItem::Booked { .. });
    let is_order = |item: &CheckpointItem| matches!(item, CheckpointItem::Order { .. });
    let (young, first, last) = aged(0);
    let kept = finished(young.fold(young.log.len())).checkpoint();
    assert_eq!((count(&kept, is_booked), count(&kept, is_order)), (first.len() + last.len(), 14));

    let (old, fills, last) = aged(60);
    let mut exec = finished(old.fold(old.log.len()));
    let items = exec.checkpoint();
    // When the last orders were placed a log tells only by what was executed before them: they count as that old.
    assert_eq!((count(&items, is_booked), count(&items, is_order)), (last.len(), 0));
    assert_eq!(count(&items, |item| matches!(item, CheckpointItem::Deal { .. })), 0);
    // A month of restarts later, each fill is told once more: by its date it was booked.
    let before = ledger(&exec);
    let mut out = Outbox::default();
    for mut fill in fills.clone() {
        exec.handle_fill(ms(1), &fill, &mut out);
        fill.client_id = None;
        exec.handle_fill(ms(1), &fill, &mut out);
    }
    assert_eq!(ledger(&exec), before);
    assert_eq!(exec.report().fills_repeated, 2 * fills.len() as u64);
    assert!(out.stops.is_empty() && out.commands.is_empty(), "{out:?}");
}

#[test]
fn a_running_engine_forgets_too_and_knows_what_is_told_again() {
    let mut world = World::new(5);
    world.run(2_000);
    for _ in 0..6 {
        world.deal();
        world.run(5_000);
    }
    let first = world.rig.exec.history_len();
    assert!(first > 24, "nothing is old yet");
    let fills = fills_of(&world);
    world.run(60_000);
    world.deal();
    world.run(65_000);
    let left = world.rig.exec.history_len();
    assert!((5..first).contains(&left) && left < 10, "two orders, their deal and executions are left, not {left}");
    let (before, repeated) = (ledger(&world.rig.exec), world.rig.exec.report().fills_repeated);
    for fill in &fills {
        world.rig.exec.handle_fill(world.rig.now, fill, &mut Outbox::default());
    }
    assert_eq!(ledger(&world.rig.exec), before);
    assert_eq!(world.rig.exec.report().fills_repeated - repeated, fills.len() as u64);
    // The log still holds it all, and folds to the same balances.
    assert_eq!(ledger(&finished(world.fold(world.log.len()))), before);
}

#[test]
fn a_fill_at_the_edge_of_what_is_forgotten_is_judged_by_its_id() {
    let (mut world, _, _) = aged(0);
    let fills = fills_of(&world);
    let newest = fills.iter().filter_map(|fill| fill.executed_at).max().unwrap();
    // One more of a leg, dated so that the newest until then are just at the edge.
    for venue in [A, B] {
        let mut more = fills.iter().find(|fill| fill.venue == venue).unwrap().clone();
        more.trade_id = TradeId::new("more").unwrap();
        more.executed_at = Some(VenueNanos(newest.0 + config().history_kept_ns as i64));
        world.log.push(Record::Input(Input::Fill(more)));
        let (requested, received) = (world.rig.now, world.rig.now);
        let since = UnixNanos(newest.0 + config().history_kept_ns as i64);
        let report = TradesReport { venue, pair: PAIR, requested, received, since, complete: true, fills: vec![] };
        world.log.push(Record::Input(Input::Trades(report)));
    }
    let exec = finished(world.fold(world.log.len()));
    let left = exec.checkpoint().into_iter().filter(|item| matches!(item, CheckpointItem::Booked { .. })).count();
    let at_edge = fills.iter().filter(|fill| fill.executed_at == Some(newest)).count();
    assert_eq!(left, at_edge + 2, "at the edge is not before it");
    // One of that time with another id is news.
    let mut exec = exec;
    let mut news = fills.iter().find(|fill| fill.executed_at == Some(newest)).unwrap().clone();
    news.trade_id = TradeId::new("unheard of").unwrap();
    let before = ledger(&exec);
    exec.handle_fill(ms(1), &news, &mut Outbox::default());
    assert_ne!(ledger(&exec), before);
}

#[test]
fn a_deal_that_is_not_even_is_never_forgotten() {
    let (mut world, fills, _) = aged(60);
    // One more fill of a leg, far beyond a thousandth.
    let mut more = fills[0].clone();
    more.trade_id = TradeId::new("more").unwrap();
    world.log.push(Record::Input(Input::Fill(more)));
    let items = finished(world.fold(world.log.len())).checkpoint();
    assert_eq!(count(&items, |item| matches!(item, CheckpointItem::Deal { .. })), 1);
    assert_eq!(count(&items, |item| matches!(item, CheckpointItem::Order { .. })), 2);
}

/// Everything that a log may hold besides orders and deals, folded: rates, a charge that they do not explain, a stranger's order and
/// execution. The buy leg stands with the checkpoint's order.
fn with_every_trouble() -> (Executor, NewOrder) {
    let mut rig = Rig::started();
    let (buy, _) = rig.open((A, 6_000_000, 1_000_000), (B, 6_010_000, 999_000));
    let at = rig.now;
    let (requested, received, since) = (at, at, UnixNanos(UNIX));
    let later = at.after(config().visibility_window_ns);
    let trades = TradesReport { venue: A, pair: PAIR, requested, received, since, complete: true, fills: vec![] };
    let start = [
        Input::Rules(rig.market.at(A, PAIR).rules.unwrap()),
        Input::Link(LinkChange { venue: A, role: LinkRole::Private, state: LinkState::Up, at }),
        Input::Trades(trades.clone()),
        Input::Balances(rig.balance_report(A, "10", "1000000")),
        // From here on somebody else's trade is in no balance that the ledger began with.
        Input::Trades(TradesReport { requested: later, received: later, ..trades }),
        Input::Fees(fees(A)),
    ];
    let mut exec = Executor::new(config(), tables(), IdSource::new(INSTANCE, EPOCH + 1, 0).unwrap());
    start.iter().for_each(|input| exec.recover_input(input));
    exec.recover_intent(&buy);
    exec.recover_intent(&buy);
    exec.recover_intent(&NewOrder { pair: PairId(1), client_id: ClientOrderId::new(INSTANCE, EPOCH, 0, 77).unwrap(), ..buy });
    // Twice the fee that the rates say.
    let mut dear = rig.next_fill(&buy, 1_000_000, 6_000_000);
    dear.fees[0].1 = amount("0.00002");
    let by_hand = Fill {
        client_id: None,
        venue_order_id: VenueOrderId::new("manual").unwrap(),
        received: later.after(1),
        ..rig.next_fill(&buy, 1_000_000, 6_000_000)
    };
    let ended = rig.update(&buy, OrderSource::Stream, OrderReport::Finished { finish: Finish::Filled, filled: buy.qty });
    let resting = OrderUpdate {
        client_id: None,
        venue_order_id: VenueOrderId::new("resting"),
        ..rig.update(&buy, OrderSource::Query, OrderReport::Open { filled: qty(0) })
    };
    let listed = OpenOrdersReport { venue: A, requested, received, orders: vec![resting], elsewhere: 0 };
    for input in [Input::Fill(dear), Input::Order(ended), Input::Fill(by_hand), Input::OpenOrders(listed)] {
        exec.recover_input(&input);
    }
    (finished(exec), buy)
}

fn restored(items: &[CheckpointItem]) -> Executor {
    let mut exec = Executor::new(config(), tables(), IdSource::new(INSTANCE, EPOCH + 1, 0).unwrap());
    exec.recover_checkpoint(items);
    finished(exec)
}

/// What a person was to look at before a restart from a checkpoint is to be looked at after it; what was seen counts once.
#[test]
fn troubles_outlive_a_restart_from_a_checkpoint() {
    let (exec, buy) = with_every_trouble();
    let items = exec.checkpoint();
    assert_eq!(count(&items, |item| matches!(item, CheckpointItem::Order { .. })), 1, "one of a known pair, once");
    let charged = |item: &CheckpointItem| match item {
        CheckpointItem::Charge { venue: A, pair: PAIR, charge } => {
            (charge.received, charge.in_base, charge.in_quote) == (BTC, amount("0.00002"), Amount::ZERO)
                && (charge.base, charge.quote) == ((BTC, amount("0.01")), (USDT, amount("600")))
        }
        _ => false,
    };
    assert_eq!(count(&items, charged), 1, "{items:?}");
    let resting = CheckpointItem::ForeignOrder { venue: A, id: VenueOrderId::new("resting").unwrap() };
    let by_hand = CheckpointItem::Standing { reason: StopReason::ForeignActivity, venue: A, pair: None };
    assert!(items.contains(&resting) && items.contains(&by_hand), "{items:?}");

    let mut rig = Rig::new();
    rig.exec = restored(&items);
    assert_eq!(rig.exec.checkpoint(), items, "taken apart again it is the same");
    rig.decide();
    let drift = |set: bool| {
        let ask = if set { StopRequest::set } else { StopRequest::clear };
        ask(StopKind::Pause, StopReason::FeeDrift, Some(A), None)
    };
    assert!(rig.has_stop(drift(true)), "{:?}", rig.out.stops);
    assert!(rig.has_stop(StopRequest::set(StopKind::Pause, StopReason::ForeignActivity, Some(A), None)), "{:?}", rig.out.stops);
    // 10 + (0.01 - 0.00002) + (0.01 - 0.00001); 600 were paid twice.
    rig.check_ledger(A, "10.01997", "998800");
    let mut seen = rig.update(&buy, OrderSource::Query, OrderReport::Open { filled: qty(0) });
    (seen.client_id, seen.venue_order_id) = (None, VenueOrderId::new("resting"));
    rig.exec.handle_order(rig.now, &seen, &mut rig.out);
    assert_eq!(rig.exec.report().orders_foreign, 0, "it was counted before the restart");
    // The tier that was charged explains it.
    rig.exec.handle_fees(&FeeRates { taker: Rate::from_bps(20).unwrap(), ..fees(A) });
    rig.decide();
    assert!(rig.has_stop(drift(false)), "{:?}", rig.out.stops);
}

#[test]
fn what_deals_left_is_in_the_checkpoint_and_names_of_no_table_are_not_taken() {
    let (exec, _) = with_every_trouble();
    let mut items = exec.checkpoint();
    let left = CheckpointItem::Dust { venue: B, asset: BTC, left: amount("-0.00000099") };
    let order = items.iter().find_map(|item| if let CheckpointItem::Order { order } = item { Some(*order) } else { None });
    let mut elsewhere = order.unwrap();
    elsewhere.terms.client_id = ClientOrderId::new(INSTANCE, EPOCH, 0, 78).unwrap();
    let mut nowhere = elsewhere;
    (elsewhere.terms.pair, nowhere.terms.venue) = (PairId(1), VenueId(2));
    items.push(left.clone());
    let with_strange = [&items[..], &[elsewhere, nowhere].map(|order| CheckpointItem::Order { order })].concat();
    let again = restored(&with_strange);
    assert_eq!(again.report().dust, vec![(B, BTC, amount("-0.00000099"))]);
    let kept = again.checkpoint();
    assert!(kept.contains(&left));
    assert_eq!(kept.len(), items.len(), "{kept:?}");
}

/// Deals that a venue always refuses: nothing is ever executed there, and they are forgotten all the same.
#[test]
fn what_executed_nothing_is_forgotten_by_time_alone() {
    for bought in [0, 1_000_000] {
        let mut rig = Rig::started();
        let deals = 10;
        for _ in 0..deals {
            set_book(&mut rig.market, A, rig.now, (5_999_000, 100_000_000), (6_000_000, 100_000_000));
            let [buy, sell] = rig.open_unseen((A, 6_000_000, 1_000_000), (B, 6_010_000, 999_000)).unwrap();
            rig.execute(&buy, bought);
            let report = OrderReport::Refused { class: ErrorClass::RateLimited, label: Label::default() };
            rig.tell(&sell, OrderSource::Reply, report);
            rig.pass(1);
            rig.decide();
            rig.out = Outbox::default();
            if bought > 0 {
                // Evened out where it was bought.
                rig.pass(1);
                set_book(&mut rig.market, A, rig.now, (6_010_000, 100_000_000), (6_011_000, 100_000_000));
                rig.decide();
                let hedge = rig.placed()[0];
                rig.execute(&hedge, hedge.qty.units());
                rig.pass(1);
                rig.decide();
            }
            assert_eq!(rig.exec.open_deals(), 0);
            rig.run(61_000); // the next comparison is due
            for venue in [A, B] {
                let total = |asset| rig.exec.ledger().holding(venue, asset).total.to_text();
                let (btc, usdt) = (total(BTC), total(USDT));
                rig.answer_all(venue, &btc, &usdt);
            }
            rig.out = Outbox::default();
        }
        let left = rig.exec.history_len();
        // 45 seconds are kept, by reads that are a minute old at most: each deal with its orders and their executions.
        let each = if bought > 0 { 6 } else { 3 };
        assert!(left <= 3 * each, "{left} of {} are left, {bought}", deals * each);
    }
}
