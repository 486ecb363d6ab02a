//! Tests of the world as a whole, with a scripted protocol that shows what reaches a dialect and when.

use rust_decimal::Decimal;

use super::*;
use crate::{
    core::{Event, NewOrder, OrderKind, PairId, Side, TimeInForce},
    gate::GateDialect,
    monitor::{Placement, PlacementOutcome},
};

const START: u64 = 1_700_000_000_000_000_000;
const MS: u64 = 1_000_000;

/// Takes `buy <price> <amount> <text>` as a request body, answers after 3 ms, and pushes each fill to every connection 1 ms
/// after it, so that fills overtake replies. Pings every 10 ms.
struct Script {
    account: AccountId,
    user_id: u64,
    conns: Vec<u64>,
    next_ping: u64,
}

impl Dialect for Script {
    fn http(
        &mut self,
        t_ns: u64,
        exchange: &mut Exchange,
        monitor: &mut Monitor,
        ticket: u64,
        request: HttpRequest,
        out: &mut OutputQueue,
    ) {
        let body = String::from_utf8(request.body).expect("test text");
        let words: Vec<&str> = body.split(' ').collect();
        let (price, amount): (Decimal, Decimal) = (words[1].parse().expect("price"), words[2].parse().expect("amount"));
        let no = monitor.placement_arrived(
            exchange,
            Placement {
                t_ns,
                user_id: self.user_id,
                text: Some(words[3].to_owned()),
                pair: "BTC_USDT".to_owned(),
                side: Side::Buy,
                kind: OrderKind::Limit,
                price,
                amount,
                time_in_force: TimeInForce::Ioc,
                expires_at_ms: None,
            },
        );
        let placed = exchange.place(
            t_ns,
            NewOrder {
                account: self.account,
                pair: PairId(0),
                side: Side::Buy,
                kind: OrderKind::Limit,
                time_in_force: TimeInForce::Ioc,
                price,
                amount,
                text: Some(words[3].to_owned()),
            },
        );
        let (status, outcome) = match placed {
            Ok(id) => (201, PlacementOutcome::Accepted(id)),
            Err(reject) => (400, PlacementOutcome::Refused(reject.to_string())),
        };
        monitor.placement_outcome(no, outcome);
        out.http(t_ns + 3 * MS, ticket, HttpResponse { status, headers: Vec::new(), body: Vec::new() });
    }

    fn ws_open(&mut self, _: u64, _: &mut Exchange, conn: u64, _: &str, _: &mut OutputQueue) {
        self.conns.push(conn);
    }

    fn ws_frame(&mut self, t_ns: u64, _: &mut Exchange, _: &mut Monitor, conn: u64, frame: WsFrame, out: &mut OutputQueue) {
        if frame == WsFrame::Close {
            out.ws_close(t_ns, conn);
        } else {
            out.ws(t_ns, conn, frame);
        }
    }

    fn ws_closed(&mut self, _: u64, _: &mut Exchange, conn: u64, _: &mut OutputQueue) {
        self.conns.retain(|open| *open != conn);
    }

    fn on_events(&mut self, t_ns: u64, exchange: &Exchange, events: &[Event], out: &mut OutputQueue) {
        assert!(exchange.conservation_check().is_ok());
        for event in events {
            let Event::Fill(fill) = event else { continue };
            for conn in &self.conns {
                out.ws(t_ns + MS, *conn, WsFrame::Text(format!("fill {}", fill.amount).into_bytes()));
            }
        }
    }

    fn next_wakeup(&self) -> Option<u64> {
        Some(self.next_ping)
    }

    fn on_wakeup(&mut self, t_ns: u64, _: &mut Exchange, out: &mut OutputQueue) {
        self.next_ping = t_ns + 10 * MS;
        for conn in &self.conns {
            out.ws(t_ns, *conn, WsFrame::Ping(Vec::new()));
        }
    }
}

fn scripted(config: WorldConfig) -> World {
    World::with_dialects(config, START, |parts| {
        Box::new(Script {
            account: parts.account,
            user_id: parts.venue.user_id,
            conns: Vec::new(),
            next_ping: parts.start_t_ns + 10 * MS,
        })
    })
    .expect("good configuration")
}

fn buy(price: &str, amount: &str, text: &str) -> HttpRequest {
    let body = format!("buy {price} {amount} {text}").into_bytes();
    HttpRequest { method: "POST".to_owned(), path: "/".to_owned(), query: String::new(), headers: Vec::new(), body }
}

fn drain(world: &mut World) -> Vec<Output> {
    std::iter::from_fn(|| world.poll_output()).collect()
}

#[test]
fn outputs_come_out_when_their_time_has_come() {
    let mut world = scripted(WorldConfig::demo(1));
    world.ws_open(0, 5, "/");
    world.http(0, 1, buy("70000", "0.01", "t-a"));
    assert_eq!(drain(&mut world), vec![], "nothing is instant here");
    world.advance(START + 2 * MS);
    let fills = drain(&mut world);
    assert!(!fills.is_empty() && fills.iter().all(|output| output.t_ns == START + MS), "fills overtake the reply");
    world.advance(START + 3 * MS);
    assert!(matches!(drain(&mut world)[..], [Output { body: OutputBody::Http { ticket: 1, .. }, venue: 0, .. }]));
    world.advance(START + 10 * MS);
    assert!(matches!(drain(&mut world)[..], [Output { body: OutputBody::Ws { conn: 5, frame: WsFrame::Ping(_) }, .. }]));
    world.advance(START + 10 * MS);
    world.ws_frame(0, 5, WsFrame::Close);
    assert!(matches!(drain(&mut world)[..], [Output { body: OutputBody::WsClose { conn: 5 }, .. }]));
    world.ws_closed(0, 5);
    world.advance(START + 50 * MS);
    assert_eq!(drain(&mut world), vec![]);
    assert_eq!(world.now(), START + 50 * MS);
    world.advance(START);
    assert_eq!(world.now(), START + 50 * MS, "time never goes back");
}

#[test]
fn wakeups_lead_from_event_to_event() {
    let mut world = scripted(WorldConfig { market: None, ..WorldConfig::demo(1) });
    assert_eq!(world.next_wakeup(), Some(START + 10 * MS));
    world.http(1, 1, buy("70000", "0.01", "t-a"));
    assert_eq!(world.next_wakeup(), Some(START + 3 * MS));
    world.advance(START + 3 * MS);
    assert_eq!(world.next_wakeup(), Some(START + 3 * MS), "an output waits");
    assert_eq!(drain(&mut world).len(), 1);
    assert_eq!(world.next_wakeup(), Some(START + 10 * MS));
    world.http(9, 1, buy("1", "1", "t-b"));
    assert_eq!(drain(&mut world), vec![], "an unknown venue says nothing");
}

#[test]
fn the_ledger_and_the_monitor_are_the_judges() {
    let mut world = scripted(WorldConfig::demo(1));
    let user = world.venue(0).user_id;
    let before = world.balances(0, user);
    assert_eq!(before["USDT"].total, Decimal::from(250_000));
    world.http(0, 1, buy("70000", "0.01", "t-a"));
    world.http(0, 2, buy("70000", "0.02", "t-b"));
    world.http(0, 3, buy("70000", "0.01", "t-a"));
    world.http(0, 4, buy("70000", "1000", "t-c"));
    let after = world.balances(0, user);
    assert_eq!(after["BTC"].total - before["BTC"].total, Decimal::new(4, 2) - Decimal::new(4, 5), "fee of 0.1 % in base");
    assert!(after["USDT"].locked.is_zero());
    assert_eq!(world.balances(1, world.venue(1).user_id), before, "the other venue is untouched");
    assert!(world.balances(0, 99).is_empty() && world.balances(9, user).is_empty());
    assert_eq!(world.conservation_check(), Ok(()));

    let monitor = world.monitor(0);
    let counts = monitor.counts();
    assert_eq!(
        (counts.placements, counts.accepted, counts.refused, counts.duplicate_texts, counts.without_expiry),
        (4, 3, 1, 1, 4)
    );
    assert_eq!(monitor.duplicate_texts().collect::<Vec<_>>(), vec![(user, "t-a")]);
    assert!(monitor.has_seen_text(user, "t-c") && !monitor.has_seen_text(user, "t-z"));
    assert_eq!(monitor.placements().filter(|(_, outcome)| matches!(outcome, PlacementOutcome::Accepted(_))).count(), 3);
    assert_eq!(monitor.in_flight()["USDT"], Decimal::ZERO, "all have ended");
    assert_eq!(monitor.in_flight_max()["USDT"], Decimal::from(70_000_000));
}

#[test]
fn same_calls_same_outputs() {
    let run = |seed| {
        let mut world = scripted(WorldConfig::demo(seed));
        world.ws_open(0, 1, "/");
        world.ws_open(1, 2, "/");
        let mut outputs = Vec::new();
        for round in 0..200_u64 {
            let text = format!("t-{round}");
            world.http(usize::from(round % 2 == 1), round, buy("61300", "0.02", &text));
            let next = world.next_wakeup().expect("the market always moves");
            world.advance(next.max(START + round * 5 * MS));
            outputs.extend(drain(&mut world));
        }
        (outputs, world.balances(0, 10_001), world.balances(1, 10_002))
    };
    let first = run(11);
    assert!(first.0.len() > 300);
    assert_eq!(first, run(11));
    assert_ne!(first, run(12));
}

#[test]
fn scripts_may_move_the_books_themselves() {
    let mut world = scripted(WorldConfig { market: None, ..WorldConfig::demo(1) });
    world.ws_open(0, 5, "/");
    let now = world.now();
    let ask = NewOrder {
        account: AccountId::MARKET,
        pair: PairId(0),
        side: Side::Sell,
        kind: OrderKind::Limit,
        time_in_force: TimeInForce::Gtc,
        price: Decimal::from(60_000),
        amount: Decimal::new(15, 3),
        text: None,
    };
    world.exchange_mut(0).place(now, ask).expect("rests");
    world.http(0, 1, buy("60000", "0.01", "t-a"));
    world.advance(START + MS);
    let fill = OutputBody::Ws { conn: 5, frame: WsFrame::Text(b"fill 0.01".to_vec()) };
    assert_eq!(drain(&mut world), vec![Output { t_ns: START + MS, venue: 0, body: fill }]);
    assert!(world.dialect_mut::<Script>(0).is_some_and(|script| script.conns == [5]));
    assert!(world.dialect_mut::<GateDialect>(0).is_none());
}

#[test]
fn bad_worlds_are_refused_by_name() {
    let refused = |change: fn(&mut WorldConfig)| {
        let mut config = WorldConfig::demo(1);
        change(&mut config);
        World::new(config, START).map(|_| ()).expect_err("bad configuration").to_string()
    };
    assert_eq!(refused(|c| c.venues[1].id = "gate-a".to_owned()), "name \"gate-a\" is empty or given twice");
    assert_eq!(
        refused(|c| c.venues[1].api_key = c.venues[0].api_key.clone()),
        "API key of gate-b is out of range: another venue has the same"
    );
    assert_eq!(refused(|c| c.venues[0].balances[0].0 = "DOGE".to_owned()), "gate-a names the unknown asset DOGE");
    assert_eq!(refused(|c| c.venues[0].user_id = 0), "user id 0 stands twice");
    assert_eq!(
        refused(|c| c.venues[0].balances[0].1 = Decimal::new(1, 13)),
        "amount 0.0000000000001 of USDT is not representable"
    );
}

#[test]
fn the_demo_speaks_gate_and_keeps_its_secret() {
    let mut world = World::new(WorldConfig::demo(1), START).expect("the demo is good");
    assert_eq!(world.venue_count(), 2);
    assert!(world.dialect_mut::<GateDialect>(1).is_some());
    assert!(!format!("{:?}", world.venue(0)).contains("secret"));
    world.advance(START + 2_000 * MS);
    assert_eq!(world.conservation_check(), Ok(()));
}

#[test]
fn made_up_pairs_are_added_by_name_and_trade() {
    let mut config = WorldConfig::universe(5);
    let before = config.pairs.len();
    let names = ["T001_USDT", "T999_USDT", "BTC_USDT", "T01_USDT", "T000_USDT", "T+01_USDT", "T001_USDC"].map(str::to_owned);
    config.add_made_up(&names);
    config.add_made_up(&names);
    let added: Vec<&str> = config.pairs[before..].iter().map(|pair| pair.id.as_str()).collect();
    assert_eq!(added, ["T001_USDT", "T999_USDT"]);
    let mut world = World::new(config, START).unwrap();
    world.advance(START + 60_000_000_000);
    let exchange = world.exchange(0);
    let pair = exchange.pair_by_name("T001_USDT").unwrap();
    assert!(exchange.book(pair).best(Side::Buy).is_some() && exchange.book(pair).best(Side::Sell).is_some());
    world.conservation_check().unwrap();
}

#[test]
fn a_venue_counts_an_asset_by_the_thousand_in_books_rules_and_accounts_of_its_own() {
    let mut config = WorldConfig::demo(3);
    config.add_made_up(&["SATS_USDT".to_owned()]);
    for (asset, name) in [("XRP", "1000XRP"), ("SATS", "1000SATS")] {
        config.venues[1].names.push((asset.to_owned(), name.to_owned()));
        config.venues[1].units.push((asset.to_owned(), 3));
    }
    for venue in &mut config.venues {
        venue.balances.push(("SATS".to_owned(), Decimal::from(400_000_000_123_i64)));
    }
    let mut world = World::new(config, START).expect("good configuration");
    let owned = |world: &World, venue: usize, asset: &str| world.balances(venue, world.venue(venue).user_id)[asset].total;
    assert_eq!(owned(&world, 0, "SATS"), Decimal::from(400_000_000_123_i64));
    assert_eq!(owned(&world, 1, "1000SATS"), Decimal::new(400_000_000_123, 3));
    assert_eq!(owned(&world, 1, "1000XRP"), Decimal::from(100));
    let rules = |world: &World, venue: usize, name: &str| {
        let exchange = world.exchange(venue);
        exchange.pair(exchange.pair_by_name(name).expect("listed")).config.clone()
    };
    let (ours, theirs) = (rules(&world, 0, "XRP_USDT"), rules(&world, 1, "1000XRP_USDT"));
    assert_eq!((ours.precision, ours.amount_precision, ours.min_base_amount), (4, 2, Some(Decimal::ONE)));
    assert_eq!((theirs.precision, theirs.amount_precision, theirs.min_base_amount), (1, 5, Some(Decimal::new(1, 3))));
    assert_eq!(theirs.min_quote_amount, ours.min_quote_amount);
    world.advance(START + 20_000_000_000);
    for (ours, theirs) in [("SATS_USDT", "1000SATS_USDT"), ("XRP_USDT", "1000XRP_USDT")] {
        let best = |venue: usize, name: &str| {
            let exchange = world.exchange(venue);
            let pair = exchange.pair_by_name(name).expect("listed");
            let ticks = exchange.book(pair).best_ticks(Side::Buy).expect("quoted");
            Decimal::from_i128_with_scale(i128::from(ticks), exchange.pair(pair).config.precision)
        };
        let (here, there) = (best(0, ours), best(1, theirs));
        let ratio = there / here;
        assert!(ratio > Decimal::from(950) && ratio < Decimal::from(1_050), "{ours} at {here}, {theirs} at {there}");
    }
    world.conservation_check().unwrap();
}

#[test]
fn a_unit_beyond_all_that_is_listed_is_refused() {
    let mut config = WorldConfig::demo(3);
    config.venues[1].units.push(("XRP".to_owned(), 10));
    let told = World::new(config, START).err().expect("a refusal").to_string();
    assert_eq!(told, "unit of XRP on gate-b is out of range: one is at most 10^9 of the others'");
}

#[test]
fn a_venue_lists_an_asset_under_a_name_of_its_own() {
    let mut config = WorldConfig::demo(3);
    config.venues[1].names.push(("BTC".to_owned(), "XBT".to_owned()));
    let world = World::new(config, START).expect("good configuration");
    let owned = |venue: usize, asset: &str| world.balances(venue, world.venue(venue).user_id).contains_key(asset);
    assert_eq!((owned(0, "BTC"), owned(0, "XBT")), (true, false));
    assert_eq!((owned(1, "BTC"), owned(1, "XBT")), (false, true));
    assert!(world.exchange(1).pair_by_name("BTC_USDT").is_none());
    for (venue, name) in [(0, "BTC_USDT"), (1, "XBT_USDT")] {
        let pair = world.exchange(venue).pair_by_name(name).expect("listed");
        assert!(world.exchange(venue).book(pair).best(Side::Buy).is_some(), "{name} is quoted");
    }
}
