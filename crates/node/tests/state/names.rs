//! Logs whose venues, pairs and scales are not today's: what is open is named, the rest is left behind, and numbers stay exact.

use crate::rig::*;
use domain::*;
use engine_core::Engine;
use journal::{Header, LogSink, MemoryRun, Record};
use node::{Logged, RecoverError};
use std::sync::Arc;
use venue::{RawRules, build_tables_over};

const EPOCH: u64 = 1_700_000_000;
const ETH_PAIR: PairId = PairId(1);
/// 60000.25 at two decimals.
const PRICE: i64 = 6_000_025;

fn symbol(text: &str) -> Symbol {
    Symbol::parse(text).unwrap()
}

fn pair(text: &str, base: u16, quote: u16, scale: (u8, u8)) -> PairInfo {
    PairInfo {
        symbol: symbol(text),
        kind: InstrumentKind::Spot,
        base: AssetId(base),
        quote: AssetId(quote),
        scale: PairScale::new(scale.0, scale.1).unwrap(),
    }
}

/// Venues a and b, BTC/USDT and ETH/USDT.
fn both() -> Tables {
    Tables {
        venues: vec!["a".into(), "b".into()],
        pairs: vec![pair("BTC/USDT", 0, 1, (2, 4)), pair("ETH/USDT", 2, 1, (2, 4))],
        assets: ["BTC", "USDT", "ETH"].map(String::from).to_vec(),
    }
}

/// The same without a pair, its base asset kept or not.
fn without(text: &str, keep_base: bool) -> Tables {
    let symbol = symbol(text);
    let assets: Vec<String> = both().assets.into_iter().filter(|name| keep_base || *name != symbol.base).collect();
    let id = |name: &str| AssetId(assets.iter().position(|asset| asset == name).unwrap() as u16);
    let named = |info: &PairInfo| PairInfo { base: id(&info.symbol.base), quote: id(&info.symbol.quote), ..info.clone() };
    let pairs = both().pairs.iter().filter(|info| info.symbol != symbol).map(named).collect();
    Tables { venues: both().venues, pairs, assets }
}

/// Adds a killed life to the logs: what it read, then its intents and what became of them.
fn killed(run: &mut MemoryRun, epoch: u64, tables: &Tables, first: &[Input], intents: &[NewOrder], inputs: &[Input]) {
    let tail = run.state_records().finish().unwrap();
    let (mut log, _) = run.begin(&Header { tables: tables.clone(), ..header(epoch) }, &tail).unwrap();
    let mut seq = 0;
    let mut next = || {
        seq += 1;
        seq
    };
    let input = |seq: u64, input: &Input| Record::Input { seq, received: MonoNanos(seq), input: input.clone() };
    let mut records: Vec<Record> = first.iter().map(|one| input(next(), one)).collect();
    records.extend(intents.iter().map(|order| Record::Intent { seq: next(), order: *order }));
    records.extend(inputs.iter().map(|one| input(next(), one)));
    records.iter().for_each(|record| log.append(record).unwrap());
    log.flush().unwrap();
    run.store(&log);
}

fn order(venue: VenueId, side: Side, counter: u64) -> NewOrder {
    NewOrder {
        venue,
        pair: PAIR,
        client_id: ClientOrderId::new(INSTANCE, EPOCH, 0, counter).unwrap(),
        deal: DealId(1),
        purpose: Purpose::Open,
        side,
        price: Price::from_units(PRICE).unwrap(),
        qty: Qty::from_units(10).unwrap(),
        tif: TimeInForce::Ioc,
        deadline: Some(MonoNanos(500_000_000)),
    }
}

/// What happened to an order: its execution of so many units, and its end.
fn ended(order: &NewOrder, units: i64) -> [Input; 2] {
    let filled = Qty::from_units(units).unwrap();
    let id = format!("v{}", order.client_id.counter());
    let fill = Fill {
        venue: order.venue,
        pair: order.pair,
        trade_id: TradeId::new(&format!("t{}", order.client_id.counter())).unwrap(),
        client_id: Some(order.client_id),
        venue_order_id: VenueOrderId::new(&id).unwrap(),
        side: order.side,
        price: order.price,
        qty: filled,
        quote: None,
        fees: Default::default(),
        role: Role::Taker,
        executed_at: Some(VenueNanos(UNIX)),
        source: OrderSource::Stream,
        received: MonoNanos(50),
    };
    let update = OrderUpdate {
        venue: order.venue,
        pair: order.pair,
        client_id: Some(order.client_id),
        venue_order_id: VenueOrderId::new(&id),
        source: OrderSource::Stream,
        received: MonoNanos(60),
        requested: MonoNanos(60),
        report: OrderReport::Finished { finish: if filled == order.qty { Finish::Filled } else { Finish::Cancelled }, filled },
    };
    [Input::Fill(fill), Input::Order(update)]
}

/// What every start logs of a venue: links, lists without news, balances.
fn read(venue: VenueId) -> Vec<Input> {
    let (requested, received) = (MonoNanos(20), MonoNanos(21));
    let unit = Qty::from_units(1).unwrap();
    let rules = |pair| {
        Input::Rules(InstrumentRules {
            venue,
            pair,
            price_step: 1,
            qty_step: unit,
            qty_min: unit,
            qty_max: None,
            value_min: Amount::ZERO,
            can_buy: true,
            can_sell: true,
        })
    };
    let trades = |pair| {
        let (since, fills) = (UnixNanos(UNIX), Vec::new());
        Input::Trades(TradesReport { venue, pair, requested, received, since, complete: true, fills })
    };
    let failed = ReadKind::Trades { pair: ETH_PAIR, since: UnixNanos(UNIX) };
    let entry = |asset, units| BalanceEntry { asset, available: whole(units), locked: Amount::ZERO, version: None };
    let entries = vec![entry(AssetId(2), 5), entry(USDT, 1_000)];
    let (source, asked) = (BalanceSource::Query, MonoNanos(30));
    vec![
        rules(PAIR),
        rules(ETH_PAIR),
        Input::Link(LinkChange { venue, role: LinkRole::Private, state: LinkState::Up, at: MonoNanos(10) }),
        Input::ReadFailed(ReadFailure { venue, read: failed, class: ErrorClass::SymbolClosed, received }),
        Input::OpenOrders(OpenOrdersReport { venue, requested, received, orders: Vec::new(), elsewhere: 0 }),
        trades(PAIR),
        trades(ETH_PAIR),
        Input::Balances(BalanceReport { venue, source, requested: asked, received: MonoNanos(31), entries }),
    ]
}

fn recovered(run: &MemoryRun, tables: &Tables) -> Result<Engine, RecoverError> {
    let mut engine = engine_on(EPOCH + 100, Arc::new(tables.clone()));
    node::recover(&mut engine, run.state_records()).map(|_| engine)
}

fn refusal(run: &MemoryRun, tables: &Tables) -> String {
    recovered(run, tables).err().expect("something is open").to_string()
}

fn logged(run: &MemoryRun) -> Logged {
    Logged::read(engine(EPOCH + 100).config(), run.state_records()).unwrap()
}

/// A life that read both venues and sent orders: these, of which so many units were executed.
fn lived(orders: &[(NewOrder, Option<i64>)]) -> MemoryRun {
    let mut run = MemoryRun::new();
    let intents: Vec<NewOrder> = orders.iter().map(|(order, _)| *order).collect();
    let ends = orders.iter().filter_map(|(order, units)| units.map(|units| ended(order, units))).flatten();
    let inputs: Vec<Input> = ends.collect();
    killed(&mut run, EPOCH, &both(), &[A, B].map(read).concat(), &intents, &inputs);
    run
}

/// Bought on a, sold on b, even.
fn even() -> [(NewOrder, Option<i64>); 2] {
    [(order(A, Side::Buy, 1), Some(10)), (order(B, Side::Sell, 2), Some(10))]
}

#[test]
fn a_pair_and_a_venue_that_never_traded_may_go_with_all_their_reads() {
    let run = lived(&even());
    assert!(recovered(&run, &both()).unwrap().executor().ledger().holding(A, AssetId(2)).total == whole(5));
    let engine = recovered(&run, &without("ETH/USDT", false)).unwrap();
    assert_eq!(engine.executor().ledger().holding(A, USDT).total.to_text(), "939.99975");
    assert!(logged(&run).pairs_open().is_empty());
    // Nothing was ever done on b: its own balances are nobody's business.
    let quiet = lived(&[]);
    recovered(&quiet, &Tables { venues: vec!["a".into()], ..both() }).unwrap();
}

#[test]
fn what_is_open_refuses_and_says_how_it_gets_settled() {
    let gone = |run: &MemoryRun| {
        let venue = refusal(run, &Tables { venues: vec!["c".into(), "b".into()], ..both() });
        assert!(venue.contains("the venue `a`, which is not") || venue.contains("the venue `a` is not"), "{venue}");
        let pair = refusal(run, &without("BTC/USDT", true));
        assert!(pair.contains("the pair `BTC/USDT` is not in the configuration: add it back, let `crossgate run`"), "{pair}");
        assert_eq!(logged(run).pairs_open(), [symbol("BTC/USDT")]);
        recovered(run, &both()).unwrap();
        pair
    };
    let text = gone(&lived(&[(order(A, Side::Buy, 1), None)]));
    assert!(text.contains("an unsettled order (") && text.contains("BTC/USDT on `a`"), "{text}");
    let text = gone(&lived(&[(order(A, Side::Buy, 1), Some(10)), (order(B, Side::Sell, 2), Some(4))]));
    assert!(text.contains("an order of an open deal ("), "{text}");
    // Even, but what was bought lies there.
    let text = refusal(&lived(&even()), &without("BTC/USDT", false));
    assert!(
        text.contains("0.001 BTC on `a`, which was traded, and the asset `BTC` is not") && text.contains("move it away"),
        "{text}"
    );
    let text = refusal(&lived(&even()), &Tables { venues: vec!["a".into()], ..both() });
    assert!(text.contains("on `b`, which was traded, and the venue `b` is not"), "{text}");
}

#[test]
fn a_deal_that_is_even_stays_behind_and_its_balance_and_its_day_do_not() {
    let run = lived(&even());
    let logs = logged(&run);
    assert_eq!(logs.assets_held(), ["BTC", "USDT"], "the ether only lies there");
    let tables = without("BTC/USDT", true);
    let engine = recovered(&run, &tables).unwrap();
    let executor = engine.executor();
    let held = |venue| executor.ledger().holding(venue, tables.asset_id("BTC").unwrap()).total.to_text();
    assert_eq!((held(A), held(B)), ("0.001".into(), "-0.001".into()));
    assert_eq!((executor.open_deals(), executor.history_len()), (0, 0));
    let flows: Vec<_> = executor.day_flows().all().map(|(_, asset, _)| tables.asset(asset).to_string()).collect();
    assert_eq!(flows, ["USDT"], "nothing prices bitcoin any more");
    // What it starts from is what its replay starts from.
    let (mut state, _) =
        MemoryRun::new().begin(&Header { tables: tables.clone(), ..header(EPOCH + 100) }, &logs.into_tail()).unwrap();
    node::write_checkpoint(&engine, &mut state).unwrap();
    let mut after = run.clone();
    after.store(&state);
    let mut replayed = engine_on(EPOCH + 100, Arc::new(tables));
    node::recover_before(&mut replayed, after.state_records(), EPOCH + 100).unwrap();
    assert_eq!(format!("{:?}", replayed.executor()), format!("{executor:?}"));
    assert!(
        logged(&after).assets_held().contains(&"BTC".to_string()),
        "and in the run after that, which has no executions of it"
    );
}

#[test]
fn a_pair_that_is_listed_nowhere_is_given_up_once_its_orders_are_settled() {
    let uneven = lived(&[(order(A, Side::Buy, 1), Some(10)), (order(B, Side::Sell, 2), Some(4))]);
    let mut logs = logged(&uneven);
    assert!(logs.give_up(&symbol("BTC/USDT")) && logs.give_up(&symbol("LTC/USDT")));
    assert!(logs.pairs_open().is_empty());
    let tables = without("BTC/USDT", true);
    let mut engine = engine_on(EPOCH + 100, Arc::new(tables.clone()));
    logs.recover(&mut engine).unwrap();
    let flows: Vec<_> = engine.executor().day_flows().all().map(|(_, asset, flow)| (asset, flow.to_text())).collect();
    assert_eq!(
        flows,
        [(tables.asset_id("USDT").unwrap(), "0".into())],
        "what it paid for what it has left is no loss of the day"
    );
    let bitcoin = tables.asset_id("BTC").unwrap();
    assert_eq!(engine.executor().ledger().holding(A, bitcoin).total.to_text(), "0.001");
    assert_eq!((engine.executor().open_deals(), engine.executor().unknown_orders()), (0, 0));
    let mut unknown = logged(&lived(&[(order(A, Side::Buy, 1), None)]));
    assert!(!unknown.give_up(&symbol("BTC/USDT")), "it may still execute");
    assert_eq!(unknown.pairs_open().len(), 1);
}

/// A venue's tick and step grow: the scales that the log had stay, and every number of it with them.
#[test]
fn a_coarser_tick_takes_nothing_from_the_log() {
    let rules = |text: &str, price_decimals, qty_decimals| RawRules {
        symbol: symbol(text),
        price_decimals,
        qty_decimals,
        execution_decimals: qty_decimals,
        execution_price_decimals: price_decimals,
        kind: InstrumentKind::Spot,
        qty_min: None,
        qty_max: None,
        value_min: None,
        can_buy: true,
        can_sell: true,
    };
    let venues = ["a", "b"].map(|id| (id.to_string(), vec![rules("BTC/USDT", 1, 3), rules("ETH/USDT", 2, 4)]));
    let symbols = [symbol("BTC/USDT"), symbol("ETH/USDT")];
    for orders in [&even()[..], &[(order(A, Side::Buy, 1), Some(4))], &[(order(A, Side::Buy, 1), None)]] {
        let run = lived(orders);
        let (over, _) = build_tables_over(&symbols, &venues, &[], &[], &logged(&run).tables()).unwrap();
        assert_eq!(over.pairs[0].scale, PairScale::new(2, 4).unwrap());
        let engine = recovered(&run, &over).unwrap();
        let whole = recovered(&run, &both()).unwrap();
        assert_eq!(engine.executor().open_items(), whole.executor().open_items());
        // In today's own scale there is no room: what is open refuses, what is over stays behind.
        let (today, _) = build_tables_over(&symbols, &venues, &[], &[], &Tables::default()).unwrap();
        match recovered(&run, &today) {
            Ok(engine) => assert!(orders.len() == 2 && engine.executor().open_items().is_empty()),
            Err(error) => assert!(orders.len() == 1 && error.to_string().contains("more decimals than the scale of BTC/USDT")),
        }
    }
}

/// A start that was killed before it had written what it starts from leaves a header with other names and finer scales.
#[test]
fn logs_of_different_tables_are_folded_into_tables_of_both() {
    let mut run = lived(&[(order(A, Side::Buy, 1), Some(10)), (order(B, Side::Sell, 2), None)]);
    let later = Tables {
        venues: ["c", "b", "a"].map(String::from).to_vec(),
        pairs: vec![pair("LTC/USDT", 0, 1, (3, 3)), pair("BTC/USDT", 2, 1, (3, 2))],
        assets: ["LTC", "USDT", "BTC"].map(String::from).to_vec(),
    };
    let before = recovered(&run, &both()).unwrap();
    killed(&mut run, EPOCH + 1, &later, &[], &[], &[]);
    let after = recovered(&run, &both()).unwrap();
    assert_eq!(after.executor().open_items(), before.executor().open_items());
    assert_eq!(after.executor().ledger(), before.executor().ledger());
    let tables = logged(&run).tables();
    assert_eq!((&tables.venues[..], tables.pairs.len()), (&["a", "b", "c"].map(String::from)[..], 3));
    assert_eq!(tables.pairs[0].scale, PairScale::new(3, 4).unwrap());
}
