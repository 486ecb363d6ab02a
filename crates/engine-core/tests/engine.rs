//! The engine fed by hand: two venues, one pair, every input written out. No clock, no socket.

use domain::time::MILLI;
use domain::{
    AccountFacts, Amount, BalanceEntry, BalanceReport, BalanceSource, BookBody, BookUpdate, Command, FeeRates, Input,
    InstrumentKind, InstrumentRules, Level, LinkChange, LinkRole, LinkState, MonoNanos, Notice, OpenOrdersReport,
    OperatorCommand, PairId, PairInfo, PairScale, Price, Qty, Rate, ReadKind, StopReason, Symbol, Tables, TradesReport,
    UnixNanos, VenueId, Verdict,
};
use engine_core::{Engine, EngineConfig, Outputs};
use executor::{ExecutorConfig, IdSource};
use risk::Limits;
use spread_detector::DetectorConfig;
use std::sync::Arc;

const PAIR: PairId = PairId(0);
const A: VenueId = VenueId(0);
const B: VenueId = VenueId(1);

fn whole(units: i128) -> Amount {
    Amount::from_units(units * domain::number::AMOUNT_ONE)
}

struct Rig {
    engine: Engine,
    now: MonoNanos,
    ids: [u64; 2],
}

impl Rig {
    fn new(change: impl FnOnce(&mut EngineConfig)) -> Rig {
        let symbol = Symbol::parse("BTC/USDT").unwrap();
        let scale = PairScale::new(2, 4).unwrap();
        let assets = vec!["BTC".to_string(), "USDT".to_string()];
        let pair = PairInfo { symbol, kind: InstrumentKind::Spot, base: domain::AssetId(0), quote: domain::AssetId(1), scale };
        let tables = Arc::new(Tables { venues: vec!["a".into(), "b".into()], pairs: vec![pair], assets });
        let limits = Limits {
            order_value_max: whole(5_000),
            deal_value_max: whole(5_000),
            unhedged_value_max: whole(20_000),
            open_deals_max: 2,
            orders_per_second_max: 20,
            daily_loss_max: whole(100),
        };
        let mut config = EngineConfig {
            detector: DetectorConfig {
                min_edge: Rate::from_bps(1).unwrap(),
                book_age_max_ns: 1_000 * MILLI,
                lag_max_ns: 500 * MILLI,
                skew_max_ns: 500 * MILLI,
                collar: Rate::from_bps(500).unwrap(),
                latency_allowance: Rate::ZERO,
            },
            limits,
            executor: ExecutorConfig::with_limits(0, limits),
            latency_allowance: Rate::ZERO,
            plan_expiry_ns: 500 * MILLI,
            floors: Vec::new(),
            daily_loss_max: whole(100),
        };
        change(&mut config);
        let engine = Engine::new(config, tables, IdSource::new(0, 1_700_000_000, 0).unwrap());
        Rig { engine, now: MonoNanos(MILLI), ids: [1, 1] }
    }

    fn feed(&mut self, inputs: &[Input]) -> Outputs {
        let mut out = Outputs::default();
        self.now = self.now.after(MILLI);
        for input in inputs {
            self.engine.apply(self.now, input, &mut out);
        }
        self.engine.decide(self.now, &mut out);
        out
    }

    /// Both venues told and reconciled: rules, fees, links up, every read answered.
    fn ready(&mut self) {
        let mut inputs = vec![Input::Tick { unix: UnixNanos(1_700_000_000_000_000_000) }];
        for venue in [A, B] {
            let unit = Qty::from_units(1).unwrap();
            inputs.push(Input::Rules(InstrumentRules {
                venue,
                pair: PAIR,
                price_step: 1,
                qty_step: unit,
                qty_min: unit,
                qty_max: None,
                value_min: whole(3),
                can_buy: true,
                can_sell: true,
            }));
            let taker = Rate::from_bps(10).unwrap();
            inputs.push(Input::Fees(FeeRates { venue, pair: PAIR, taker, maker: taker, paid_in: None }));
            inputs.push(Input::Link(LinkChange { venue, role: LinkRole::Public, state: LinkState::Up, at: self.now }));
            inputs.push(Input::Link(LinkChange { venue, role: LinkRole::Private, state: LinkState::Up, at: self.now }));
        }
        let mut out = self.feed(&inputs);
        for _ in 0..200 {
            let answers: Vec<Input> = std::mem::take(&mut out.commands).iter().filter_map(|c| self.answer(c)).collect();
            out = self.feed(&answers);
            if self.engine.executor().ready(A) && self.engine.executor().ready(B) {
                return;
            }
            self.now = self.now.after(100 * MILLI);
        }
        panic!("the venues never became ready");
    }

    fn answer(&self, command: &Command) -> Option<Input> {
        let Command::Read { venue, read } = *command else { return None };
        let (requested, received) = (self.now, self.now.after(1));
        Some(match read {
            ReadKind::Balances => {
                let entry = |asset: u16, amount| BalanceEntry {
                    asset: domain::AssetId(asset),
                    available: amount,
                    locked: Amount::ZERO,
                    version: None,
                };
                let entries = vec![entry(0, whole(10)), entry(1, whole(100_000))];
                Input::Balances(BalanceReport { venue, source: BalanceSource::Query, requested, received, entries })
            }
            ReadKind::OpenOrders => {
                Input::OpenOrders(OpenOrdersReport { venue, requested, received, orders: Vec::new(), elsewhere: 0 })
            }
            ReadKind::Trades { pair, since } => {
                Input::Trades(TradesReport { venue, pair, requested, received, since, complete: true, fills: Vec::new() })
            }
            ReadKind::Account => {
                Input::Account(AccountFacts { venue, can_trade: Some(true), can_withdraw: Some(false), ip_bound: None })
            }
            ReadKind::Fees => {
                let taker = Rate::from_bps(10).unwrap();
                Input::Fees(FeeRates { venue, pair: PAIR, taker, maker: taker, paid_in: None })
            }
            ReadKind::Time => return None,
        })
    }

    /// A book of one level a side: price in cents, quantity 1 BTC.
    fn book(&mut self, venue: VenueId, bid: i64, ask: i64) -> Input {
        let level = |cents: i64| Level { price: Price::from_units(cents).unwrap(), qty: Qty::from_units(10_000).unwrap() };
        let id = &mut self.ids[venue.index()];
        *id += 1;
        let body = BookBody::Snapshot { id: *id, bids: vec![level(bid)], asks: vec![level(ask)] };
        Input::Book(BookUpdate { venue, pair: PAIR, received: self.now.after(MILLI), changed_at: None, sent_at: None, body })
    }

    /// Both books at once: `a` is cheap by about 100 bps.
    fn crossed(&mut self) -> Outputs {
        let books = [self.book(A, 99_900, 100_000), self.book(B, 101_000, 101_100)];
        self.feed(&books)
    }

    fn close(&mut self) -> Vec<(Verdict, u64)> {
        let mut out = Outputs::default();
        self.engine.close_opportunities(&mut out);
        let report = self.engine.report();
        assert_eq!(report.verdicts.iter().sum::<u64>(), report.opportunities);
        Verdict::ALL.iter().copied().zip(report.verdicts).filter(|(_, n)| *n > 0).collect()
    }
}

fn places(out: &Outputs) -> Vec<(VenueId, domain::Side)> {
    out.commands.iter().filter_map(|c| if let Command::Place(o) = c { Some((o.venue, o.side)) } else { None }).collect()
}

#[test]
fn a_crossing_beyond_all_costs_sends_both_legs_together() {
    let mut rig = Rig::new(|_| {});
    rig.ready();
    let out = rig.crossed();
    assert_eq!(places(&out), [(A, domain::Side::Buy), (B, domain::Side::Sell)]);
    assert!(out.notices.iter().any(|n| matches!(n, Notice::DealOpened { buy: A, sell: B, .. })));
    assert_eq!(rig.close(), [(Verdict::Traded, 1)]);
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
