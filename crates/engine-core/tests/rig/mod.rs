//! Two venues (or three), one pair that is traded and one that only prices a token, every input written out. No clock, no socket.
#![allow(dead_code, reason = "each test target uses its part of the rig")]

use domain::time::MILLI;
use domain::{
    AccountFacts, Amount, AssetId, BalanceEntry, BalanceReport, BalanceSource, BookBody, BookUpdate, ClockOffset, Command,
    FeeRates, Input, InstrumentKind, InstrumentRules, Level, LinkChange, LinkRole, LinkState, MonoNanos, NewOrder,
    OpenOrdersReport, PairId, PairInfo, PairScale, Price, Qty, Rate, ReadKind, SendStamp, Symbol, Tables, TradesReport,
    UnixNanos, VenueId, VenueNanos, Verdict,
};
use engine_core::{Engine, EngineConfig, Outputs};
use executor::{ExecutorConfig, IdSource};
use risk::{Controls, Limits};
use spread_detector::DetectorConfig;
use std::sync::Arc;

pub(crate) const PAIR: PairId = PairId(0);
pub(crate) const A: VenueId = VenueId(0);
pub(crate) const B: VenueId = VenueId(1);
/// Of a rig with three venues.
pub(crate) const C: VenueId = VenueId(2);
/// GT/USDT, or GT/BTC: has books when a test feeds them, and is not listed.
pub(crate) const TOKEN_PAIR: PairId = PairId(1);
pub(crate) const TOKEN: AssetId = AssetId(2);

pub(crate) fn whole(units: i128) -> Amount {
    Amount::from_units(units * domain::number::AMOUNT_ONE)
}

pub(crate) struct Rig {
    pub(crate) engine: Engine,
    pub(crate) now: MonoNanos,
    pub(crate) trades: u64,
    /// Dead-man requests that came out while the venues became ready.
    pub(crate) seen_switches: Vec<(VenueId, u64)>,
    ids: [u64; 6],
    paid_in: Option<AssetId>,
}

impl Rig {
    pub(crate) fn new(change: impl FnOnce(&mut EngineConfig)) -> Rig {
        Rig::of("GT/USDT", &["a", "b"], change)
    }

    /// As [`Rig::new`], with a third venue.
    pub(crate) fn of_three(change: impl FnOnce(&mut EngineConfig)) -> Rig {
        Rig::of("GT/USDT", &["a", "b", "c"], change)
    }

    fn of(token_pair: &str, venues: &[&str], change: impl FnOnce(&mut EngineConfig)) -> Rig {
        let scale = PairScale::new(2, 4).unwrap();
        let assets = vec!["BTC".to_string(), "USDT".to_string(), "GT".to_string()];
        let pair = |text: &str| {
            let symbol = Symbol::parse(text).unwrap();
            let id = |name: &str| AssetId(assets.iter().position(|asset| asset == name).unwrap() as u16);
            let (base, quote) = (id(&symbol.base), id(&symbol.quote));
            PairInfo { symbol, kind: InstrumentKind::Spot, base, quote, scale }
        };
        let pairs = vec![pair("BTC/USDT"), pair(token_pair)];
        let tables = Arc::new(Tables { venues: venues.iter().map(|venue| (*venue).into()).collect(), pairs, assets });
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
                lag_must_be_known: false,
                skew_max_ns: 500 * MILLI,
                collar: Rate::from_bps(500).unwrap(),
                latency_allowance: Rate::ZERO,
            },
            limits,
            controls: Controls::beside(&limits),
            reference: None,
            executor: ExecutorConfig::with_limits(0, limits),
            latency_allowance: Rate::ZERO,
            plan_expiry_ns: 500 * MILLI,
            floors: Vec::new(),
            vetoes: std::collections::BTreeSet::new(),
            dead_man_ns: 0,
        };
        change(&mut config);
        let engine = Engine::new(config, tables, IdSource::new(0, 1_700_000_000, 0).unwrap());
        Rig { engine, now: MonoNanos(MILLI), trades: 0, seen_switches: Vec::new(), ids: [1; 6], paid_in: None }
    }

    /// As [`Rig::new`], fees paid in the token.
    pub(crate) fn with_token_fees(change: impl FnOnce(&mut EngineConfig)) -> Rig {
        Rig { paid_in: Some(TOKEN), ..Rig::new(change) }
    }

    /// As [`Rig::with_token_fees`], the token traded in bitcoin alone and limits stated in USDT.
    pub(crate) fn with_token_in_btc(change: impl FnOnce(&mut EngineConfig)) -> Rig {
        let usdt = |config: &mut EngineConfig| {
            config.reference = Some(AssetId(1));
            change(config);
        };
        Rig { paid_in: Some(TOKEN), ..Rig::of("GT/BTC", &["a", "b"], usdt) }
    }

    pub(crate) fn feed(&mut self, inputs: &[Input]) -> Outputs {
        let mut out = Outputs::default();
        self.now = self.now.after(MILLI);
        for input in inputs {
            self.engine.apply(self.now, input, &mut out);
        }
        self.engine.decide(self.now, &mut out);
        out
    }

    /// All venues told and reconciled: rules, fees, links up, every read answered.
    pub(crate) fn ready(&mut self) {
        let mut inputs = vec![Input::Tick { unix: UnixNanos(1_700_000_000_000_000_000) }];
        let venues: Vec<VenueId> = self.engine.tables().venue_ids().collect();
        for venue in venues.iter().copied() {
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
            inputs.push(Input::Fees(FeeRates { venue, pair: PAIR, taker, maker: taker, paid_in: self.paid_in }));
            inputs.push(Input::Link(LinkChange { venue, role: LinkRole::Public, state: LinkState::Up, at: self.now }));
            inputs.push(Input::Link(LinkChange { venue, role: LinkRole::Private, state: LinkState::Up, at: self.now }));
        }
        let mut out = self.feed(&inputs);
        for _ in 0..200 {
            let answers = self.answers(&out);
            out = self.feed(&answers);
            self.note_switches(&out);
            if venues.iter().all(|venue| self.engine.executor().ready(*venue)) {
                return;
            }
            self.now = self.now.after(100 * MILLI);
        }
        panic!("the venues never became ready");
    }

    fn note_switches(&mut self, out: &Outputs) {
        let asked = out.commands.iter().filter_map(|c| match c {
            Command::DeadMan { venue, timeout_ns } => Some((*venue, *timeout_ns)),
            _ => None,
        });
        self.seen_switches.extend(asked);
    }

    /// What the venues answer to the reads asked for.
    pub(crate) fn answers(&self, out: &Outputs) -> Vec<Input> {
        out.commands.iter().filter_map(|c| self.answer(c)).collect()
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
                let entries = vec![entry(0, whole(10)), entry(1, whole(100_000)), entry(2, whole(1_000))];
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
                Input::Fees(FeeRates { venue, pair: PAIR, taker, maker: taker, paid_in: self.paid_in })
            }
            ReadKind::Time => return None,
        })
    }

    /// A measure of a venue's clock: the one that [`Rig::stamped_books`] stamps with.
    pub(crate) fn clock(&self, venue: VenueId, uncertainty_ns: u64) -> Input {
        Input::Clock(ClockOffset { venue, offset_ns: 0, over_monotonic_ns: 1_700_000_000_000_000_000, uncertainty_ns })
    }

    /// A measure of a venue's clock that tells this second now.
    pub(crate) fn clock_at(&self, venue: VenueId, second: i64) -> Input {
        let over_monotonic_ns = second * 1_000_000_000 - self.now.0 as i64;
        Input::Clock(ClockOffset { venue, offset_ns: 0, over_monotonic_ns, uncertainty_ns: MILLI })
    }

    /// A book of one level a side: price in cents, quantity 1 BTC.
    pub(crate) fn book(&mut self, venue: VenueId, bid: i64, ask: i64) -> Input {
        self.book_of(venue, PAIR, bid, ask, None)
    }

    fn book_of(&mut self, venue: VenueId, pair: PairId, bid: i64, ask: i64, sent_at: Option<VenueNanos>) -> Input {
        let sent_at = sent_at.map(|at| SendStamp { at, connection: 1 });
        let level = |cents: i64| Level { price: Price::from_units(cents).unwrap(), qty: Qty::from_units(10_000).unwrap() };
        let id = &mut self.ids[pair.index() * 3 + venue.index()];
        *id += 1;
        let body = BookBody::Snapshot { id: *id, bids: vec![level(bid)], asks: vec![level(ask)] };
        Input::Book(BookUpdate { venue, pair, received: self.now.after(MILLI), changed_at: None, sent_at, body })
    }

    /// Both books: `a` is cheap by about 100 bps; everything dearer by `lift` cents.
    pub(crate) fn books(&mut self, lift: i64) -> Vec<Input> {
        vec![self.book(A, 99_900 + lift, 100_000 + lift), self.book(B, 101_000 + lift, 101_100 + lift)]
    }

    /// Both books at once.
    pub(crate) fn crossed(&mut self) -> Outputs {
        self.crossed_by(0)
    }

    pub(crate) fn crossed_by(&mut self, lift: i64) -> Outputs {
        let books = self.books(lift);
        self.feed(&books)
    }

    /// The token is worth 10.
    pub(crate) fn token_books(&mut self) {
        let books = [A, B].map(|venue| self.token_book(venue, 1_000));
        self.feed(&books);
    }

    /// One venue's book of the token around a mid in cents.
    pub(crate) fn token_book(&mut self, venue: VenueId, mid: i64) -> Input {
        self.book_of(venue, TOKEN_PAIR, mid - 1, mid + 1, None)
    }

    /// Both books stamped by their venues, those of `a` sent so many nanoseconds before they are received.
    pub(crate) fn stamped_books(&mut self, crossing: bool, late_ns: u64) -> Vec<Input> {
        let sent = |late: u64| Some(VenueNanos(1_700_000_000_000_000_000 + (self.now.0 - late) as i64));
        let (a, b) = (sent(late_ns), sent(0));
        let lift = if crossing { 1_000 } else { 0 };
        vec![self.book_of(A, PAIR, 99_900, 100_000, a), self.book_of(B, PAIR, 99_950 + lift, 100_050 + lift, b)]
    }

    pub(crate) fn close(&mut self) -> Vec<(Verdict, u64)> {
        let mut out = Outputs::default();
        self.engine.close_opportunities(&mut out);
        let report = self.engine.report();
        assert_eq!(report.verdicts.iter().sum::<u64>(), report.opportunities);
        Verdict::ALL.iter().copied().zip(report.verdicts).filter(|(_, n)| *n > 0).collect()
    }
}

/// Where orders are placed.
pub(crate) fn places(out: &Outputs) -> Vec<(VenueId, domain::Side)> {
    out.commands.iter().filter_map(|c| if let Command::Place(o) = c { Some((o.venue, o.side)) } else { None }).collect()
}

/// The orders placed.
pub(crate) fn placed(out: &Outputs) -> Vec<NewOrder> {
    out.commands.iter().filter_map(|c| if let Command::Place(order) = c { Some(*order) } else { None }).collect()
}
