//! The life of orders: bytes drive evidence, fills, reads and time into an executor in any order, true or not.
//!
//! Checked after every step: the ledger is what it began with plus every distinct fill, holds are never negative and gone when no
//! order is open, intervals are ordered, no id is placed twice. At the end its log is folded, and the
//! fold has the same ledger. Phases and cumulative quantities are asserted by the executor itself, always.

use crate::bytes::Choices;
use arrayvec::ArrayVec;
use domain::time::{MILLI, SECOND};
use domain::{
    AccountFacts, Amount, AssetId, BalanceEntry, BalanceReport, BalanceSource, BookBody, BookUpdate, ClientOrderId, Command,
    ErrorClass, FeeRates, Fill, Finish, Input, InstrumentKind, InstrumentRules, Label, Level, LinkChange, LinkRole, LinkState,
    MonoNanos, NewOrder, OpenOrdersReport, OrderReport, OrderSource, OrderUpdate, PairId, PairInfo, PairScale, Price, Qty, Rate,
    ReadFailure, ReadKind, Role, Side, Symbol, Tables, TradeId, TradesReport, UnixNanos, UnknownCause, VenueId, VenueNanos,
    VenueOrderId, Waterfall,
};
use executor::{Executor, ExecutorConfig, IdSource, Outbox};
use risk::{Controls, Exposure, Guard, Leg, Limits, Market, Marks, Plan, RiskView, Stops};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const VENUES: [VenueId; 2] = [VenueId(0), VenueId(1)];
const PAIR: PairId = PairId(0);
const BASE: AssetId = AssetId(0);
const QUOTE: AssetId = AssetId(1);
const INSTANCE: u16 = 7;
const EPOCH: u64 = 1_700_000_000;
const UNIX: i64 = 1_700_000_000_000_000_000;
/// Orders followed; more bring nothing new.
const ORDERS_MAX: usize = 24;

enum Kept {
    Intent(NewOrder),
    Input(Input),
}

struct Life {
    exec: Executor,
    market: Market,
    now: MonoNanos,
    out: Outbox,
    log: Vec<Kept>,
    orders: Vec<NewOrder>,
    placed: BTreeSet<ClientOrderId>,
    fills: Vec<Fill>,
    /// What the ledger must hold.
    totals: BTreeMap<(VenueId, AssetId), Amount>,
    /// Balances were adopted: from here on the ledger is ours.
    begun: bool,
}

fn whole(n: i128) -> Amount {
    Amount::from_units(n * domain::number::AMOUNT_ONE)
}

fn scale() -> PairScale {
    PairScale::new(2, 8).expect("small decimals")
}

fn qty(units: i64) -> Qty {
    Qty::from_units(units).expect("not negative")
}

fn price(units: i64) -> Price {
    Price::from_units(units).expect("positive")
}

fn tables() -> Arc<Tables> {
    let pair = PairInfo {
        symbol: Symbol::parse("BTC/USDT").expect("a symbol"),
        kind: InstrumentKind::Spot,
        base: BASE,
        quote: QUOTE,
        scale: scale(),
    };
    Arc::new(Tables { venues: vec!["a".into(), "b".into()], pairs: vec![pair], assets: vec!["BTC".into(), "USDT".into()] })
}

fn limits() -> Limits {
    Limits {
        order_value_max: whole(100_000),
        deal_value_max: whole(100_000),
        unhedged_value_max: whole(400_000),
        open_deals_max: 8,
        orders_per_second_max: 100,
        daily_loss_max: whole(1_000),
    }
}

fn fees(venue: VenueId) -> FeeRates {
    let rate = Rate::from_bps(10).expect("a small rate");
    FeeRates { venue, pair: PAIR, taker: rate, maker: rate, paid_in: None }
}

fn executor(epoch: u64) -> Executor {
    let ids = IdSource::new(INSTANCE, epoch, 0).expect("a small epoch");
    Executor::new(ExecutorConfig::with_limits(INSTANCE, limits()), tables(), ids)
}

impl Life {
    /// Both venues up and reconciled, with 10 BTC and 1 000 000 USDT each.
    fn begin() -> Life {
        let mut life = Life {
            exec: executor(EPOCH),
            market: Market::new(tables()),
            now: MonoNanos(SECOND),
            out: Outbox::default(),
            log: Vec::new(),
            orders: Vec::new(),
            placed: BTreeSet::new(),
            fills: Vec::new(),
            totals: BTreeMap::new(),
            begun: false,
        };
        for venue in VENUES {
            let rules = InstrumentRules {
                venue,
                pair: PAIR,
                price_step: 1,
                qty_step: qty(100),
                qty_min: qty(1_000),
                qty_max: None,
                value_min: whole(3),
                can_buy: true,
                can_sell: true,
            };
            let cell = life.market.at_mut(venue, PAIR);
            cell.rules = Some(rules);
            cell.fees = Some(fees(venue));
            life.log.push(Kept::Input(Input::Rules(rules)));
            life.totals.extend([((venue, BASE), whole(10)), ((venue, QUOTE), whole(1_000_000))]);
            life.give(Input::Fees(fees(venue)));
            life.link(venue, LinkState::Up);
            life.decide();
            life.answer(venue);
            assert!(life.exec.ready(venue), "a venue that answers everything is ready");
        }
        life.begun = true;
        life
    }

    fn unix(&self) -> UnixNanos {
        UnixNanos(UNIX + self.now.0 as i64)
    }

    fn give(&mut self, input: Input) {
        let (exec, now, out) = (&mut self.exec, self.now, &mut self.out);
        match &input {
            Input::Order(update) => exec.handle_order(now, update, out),
            Input::Fill(fill) => exec.handle_fill(now, fill, out),
            Input::Balances(report) => exec.handle_balances(now, report, out),
            Input::OpenOrders(report) => exec.handle_open_orders(now, report, out),
            Input::Trades(report) => exec.handle_trades(now, report, out),
            Input::ReadFailed(failure) => exec.handle_read_failed(now, failure, out),
            Input::Link(change) => exec.handle_link(now, change, out),
            Input::Account(facts) => exec.handle_account(now, facts, out),
            Input::Fees(fees) => exec.handle_fees(fees),
            _ => {}
        }
        self.log.push(Kept::Input(input));
        self.collect();
    }

    fn decide(&mut self) {
        for (venue, mid) in [(VENUES[0], 6_000_000), (VENUES[1], 6_010_000)] {
            let level = |units| Level { price: price(units), qty: qty(1_000_000_000) };
            let body = BookBody::Snapshot { id: self.now.0 + 1, bids: vec![level(mid - 500)], asks: vec![level(mid + 500)] };
            let update = BookUpdate { venue, pair: PAIR, received: self.now, changed_at: None, sent_at: None, body };
            self.market.handle_book(&update).expect("a sound book");
        }
        let unix = self.unix();
        self.exec.on_decide(self.now, unix, &self.market, &mut self.out);
        self.collect();
    }

    /// Takes what came out: new orders are kept, ends are counted.
    fn collect(&mut self) {
        let out = std::mem::take(&mut self.out);
        for command in out.commands {
            if let Command::Place(order) = command {
                assert!(self.placed.insert(order.client_id), "{} is placed twice", order.client_id);
                assert!(!order.qty.is_zero(), "an order of nothing");
                self.log.push(Kept::Intent(order));
                if self.orders.len() < ORDERS_MAX {
                    self.orders.push(order);
                }
            }
        }
        self.check();
    }

    fn check(&self) {
        if !self.begun {
            return;
        }
        for ((venue, asset), total) in &self.totals {
            let holding = self.exec.ledger().holding(*venue, *asset);
            assert_eq!(holding.total, *total, "{venue:?} {asset:?}");
            assert!(!holding.reserved.is_negative(), "a negative hold");
        }
        for deal in self.exec.deals_open() {
            assert!(deal.exposure.0 <= deal.exposure.1, "an interval runs backwards: {deal:?}");
        }
        if !self.exec.open_items().iter().any(|line| line.starts_with("order")) {
            let held = self.exec.ledger().holdings().any(|(_, _, cell)| cell.reserved != Amount::ZERO);
            assert!(!held, "something is held for no order");
        }
        let report = self.exec.report();
        assert_eq!(report.orders_sent, self.placed.len() as u64);
        assert_eq!(report.fills, self.fills.len() as u64, "distinct fills");
        assert!(report.deals_closed <= report.deals_opened);
    }

    fn link(&mut self, venue: VenueId, state: LinkState) {
        self.give(Input::Link(LinkChange { venue, role: LinkRole::Private, state, at: self.now }));
    }

    /// Answers every kind of read with the truth as the fills tell it.
    fn answer(&mut self, venue: VenueId) {
        self.give(Input::Account(AccountFacts { venue, can_trade: Some(true), can_withdraw: Some(false), ip_bound: None }));
        self.give(Input::Fees(fees(venue)));
        self.give(Input::OpenOrders(OpenOrdersReport {
            venue,
            requested: self.now,
            received: self.now,
            orders: Vec::new(),
            elsewhere: 0,
        }));
        self.trades(venue);
        self.decide();
        self.balances(venue, Amount::ZERO);
        self.decide();
    }

    fn trades(&mut self, venue: VenueId) {
        let fills = self.fills.iter().filter(|fill| fill.venue == venue).cloned().collect();
        self.give(Input::Trades(TradesReport {
            venue,
            pair: PAIR,
            requested: self.now,
            received: self.now,
            since: UnixNanos(UNIX - 60 * SECOND as i64),
            complete: true,
            fills,
        }));
    }

    fn balances(&mut self, venue: VenueId, off: Amount) {
        let entry =
            |asset| BalanceEntry { asset, available: self.totals[&(venue, asset)] + off, locked: Amount::ZERO, version: None };
        let entries = vec![entry(BASE), entry(QUOTE)];
        self.give(Input::Balances(BalanceReport {
            venue,
            source: BalanceSource::Query,
            requested: self.now,
            received: self.now,
            entries,
        }));
    }

    fn open(&mut self, lots: u8) {
        if self.exec.pair_busy(PAIR) || !VENUES.iter().all(|venue| self.exec.ready(*venue)) {
            return;
        }
        let size = (100 + i64::from(lots) * 40) * 100;
        let leg = |venue, units, size| Leg { venue, price: price(units), qty: qty(size) };
        let plan = Plan {
            pair: PAIR,
            buy: leg(VENUES[0], 6_000_500, size),
            sell: leg(VENUES[1], 6_009_500, size / 1_000 * 999 / 100 * 100),
            expected: Waterfall::default(),
            deadline: self.now.after(500 * MILLI),
        };
        if plan.sell.qty.is_zero() {
            return;
        }
        let (exposure, stops) = (Exposure::default(), Stops::new());
        let guard = Guard::new(Controls::beside(&limits()), VENUES.len(), 1);
        let view = RiskView::calm(&exposure, &stops, &guard, Marks::around(plan.buy.price));
        let Ok(approved) = limits().approve(plan, scale(), &view) else { return };
        // The executor may still refuse it: it looks at both legs a last time.
        let _ = self.exec.open_deal(self.now, approved, &self.market, &mut self.out);
        self.collect();
    }

    fn tell(&mut self, choices: &mut Choices<'_>) {
        if self.orders.is_empty() {
            return;
        }
        let order = *choices.one_of(&self.orders);
        // A quantity up to a little more than was asked: a venue may lie.
        let filled = qty(order.qty.units() * i64::from(choices.byte()) / 250);
        let report = match choices.below(16) {
            0..=3 => OrderReport::Open { filled },
            4..=6 => OrderReport::Finished { finish: Finish::Cancelled, filled },
            7 => OrderReport::Finished { finish: Finish::Filled, filled: order.qty },
            8 => OrderReport::Finished { finish: Finish::Expired, filled: Qty::ZERO },
            9 => OrderReport::Refused { class: ErrorClass::FilterReject, label: Label::cut("REFUSED") },
            10 => OrderReport::NotFound,
            11 => OrderReport::Unknown { cause: UnknownCause::Timeout },
            12 => OrderReport::NotSent,
            13 => OrderReport::CancelFailed { class: ErrorClass::UnknownOrder },
            14 => OrderReport::TermsDiffer { qty: filled, filled },
            _ => OrderReport::Unknown { cause: UnknownCause::LinkLost },
        };
        let sources = [OrderSource::Reply, OrderSource::Stream, OrderSource::Query, OrderSource::Edge];
        let source = *choices.one_of(&sources);
        let ago = if source == OrderSource::Query { u64::from(choices.byte()) * 20 * MILLI } else { 0 };
        let named = matches!(report, OrderReport::Open { .. } | OrderReport::Finished { .. });
        let update = OrderUpdate {
            venue: order.venue,
            pair: order.pair,
            client_id: (choices.below(8) != 0).then_some(order.client_id),
            venue_order_id: named.then(|| venue_id(&order)),
            source,
            received: self.now,
            requested: MonoNanos(self.now.0.saturating_sub(ago)),
            report,
        };
        self.give(Input::Order(update));
    }

    fn fill(&mut self, choices: &mut Choices<'_>) {
        if self.orders.is_empty() {
            return;
        }
        let order = *choices.one_of(&self.orders);
        let size = qty(order.qty.units() * (1 + i64::from(choices.byte() % 100)) / 100);
        if size.is_zero() {
            return;
        }
        let at = order.price;
        let rate = Rate::from_bps(10).expect("a small rate");
        let (base, quote) = (scale().base_of(size), scale().value_of(at, size).expect("a small value"));
        let (asset, received) = if order.side == Side::Buy { (BASE, base) } else { (QUOTE, quote) };
        let fee = received.times_rounded_up(rate);
        let fill = Fill {
            venue: order.venue,
            pair: PAIR,
            trade_id: TradeId::new(&format!("t{}", self.fills.len())).expect("a short id"),
            client_id: Some(order.client_id),
            venue_order_id: venue_id(&order),
            side: order.side,
            price: at,
            qty: size,
            quote: None,
            fees: ArrayVec::from_iter([(asset, fee)]),
            role: Role::Taker,
            executed_at: Some(VenueNanos(self.unix().0)),
            source: OrderSource::Stream,
            received: self.now,
        };
        let mut add = |asset, change: Amount| {
            let total = self.totals.get_mut(&(order.venue, asset)).expect("every holding");
            *total += change;
        };
        let (base, quote) = if order.side == Side::Buy { (base, -quote) } else { (-base, quote) };
        add(BASE, base);
        add(QUOTE, quote);
        add(asset, -fee);
        self.fills.push(fill.clone());
        self.give(Input::Fill(fill));
    }

    fn repeat_fill(&mut self, choices: &mut Choices<'_>) {
        if self.fills.is_empty() {
            return;
        }
        let mut fill = choices.one_of(&self.fills).clone();
        fill.received = self.now;
        fill.client_id = fill.client_id.filter(|_| choices.below(2) == 0);
        self.give(Input::Fill(fill));
    }

    fn pass(&mut self, millis: u64) {
        let end = self.now.after(millis * MILLI);
        for step in 0.. {
            assert!(step < 2_000, "time stands still: too many wake-ups");
            let Some(at) = self.exec.next_deadline().filter(|at| *at <= end) else { break };
            assert!(at > self.now || step == 0, "a deadline that does not move");
            self.now = self.now.max(at);
            self.decide();
        }
        self.now = end;
        self.decide();
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        let venue = VENUES[usize::from(choices.below(2))];
        match choices.below(16) {
            0..=1 => self.open(choices.byte()),
            2..=6 => self.tell(choices),
            7..=8 => self.fill(choices),
            9 => self.repeat_fill(choices),
            10..=11 => self.pass(1 << choices.below(14)),
            12 => self.link(venue, if choices.below(2) == 0 { LinkState::Lost } else { LinkState::Up }),
            13 => self.answer(venue),
            14 => self.trades(venue),
            _ => {
                let read = [ReadKind::Balances, ReadKind::OpenOrders, ReadKind::Fees, ReadKind::Account];
                let read = *choices.one_of(&read);
                self.give(Input::ReadFailed(ReadFailure { venue, read, class: ErrorClass::Unknown, received: self.now }));
            }
        }
    }

    /// The log folded into another executor, as recovery does.
    fn check_fold(&self) {
        let mut exec = executor(EPOCH + 1);
        exec.recover_epoch(EPOCH);
        for kept in &self.log {
            match kept {
                Kept::Intent(order) => exec.recover_intent(order),
                Kept::Input(input) => exec.recover_input(input),
            }
        }
        for ((venue, asset), total) in &self.totals {
            assert_eq!(exec.ledger().holding(*venue, *asset).total, *total, "the fold differs at {venue:?} {asset:?}");
        }
        let reserved = |exec: &Executor| -> Vec<Amount> { exec.ledger().holdings().map(|(_, _, cell)| cell.reserved).collect() };
        assert_eq!(reserved(&exec), reserved(&self.exec), "the fold holds something else");
        exec.finish_recovery(MonoNanos(1));
        // A checkpoint taken here, loaded into a fresh one, is the same state.
        let items = exec.checkpoint();
        let mut loaded = executor(EPOCH + 2);
        loaded.recover_checkpoint(&items);
        for ((venue, asset), total) in &self.totals {
            assert_eq!(loaded.ledger().holding(*venue, *asset).total, *total, "the checkpoint differs at {venue:?} {asset:?}");
        }
        assert_eq!(reserved(&loaded), reserved(&exec), "the checkpoint holds something else");
        assert_eq!(loaded.open_items(), exec.open_items(), "the checkpoint leaves something else open");
        assert!(VENUES.iter().all(|venue| !exec.ready(*venue)), "nothing is ready before it is reconciled");
    }
}

fn venue_id(order: &NewOrder) -> VenueOrderId {
    VenueOrderId::new(&format!("v{}", order.client_id.counter())).expect("a short id")
}

/// A deal that fills, one that is lost, one that is lied about.
pub fn seeds() -> Vec<Vec<u8>> {
    vec![
        vec![0, 0, 50, 0, 7, 0, 0, 99, 0, 7, 1, 0, 99, 0, 10, 12],
        vec![0, 0, 50, 0, 2, 0, 0, 0, 15, 0, 0, 1, 0, 10, 13, 0, 13, 1, 13],
        vec![0, 1, 99, 0, 2, 0, 0, 250, 5, 1, 0, 1, 0, 2, 1, 0, 200, 9, 0, 0, 1, 0, 7, 0, 0, 40, 0, 9, 0, 0, 0, 11, 9],
        (0..=255).collect(),
        (0..240u32).map(|i| (i * 41 % 251) as u8).collect(),
    ]
}

/// A life of orders.
///
/// # Panics
/// On a finding.
pub fn order_life(data: &[u8]) {
    let mut choices = Choices::new(data);
    let mut life = Life::begin();
    while !choices.is_empty() {
        life.step(&mut choices);
    }
    life.check_fold();
}
