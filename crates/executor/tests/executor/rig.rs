//! Two venues, one pair, and short words for what happens to them. BTC/USDT: prices in cents, quantities in satoshi.

use domain::time::{MILLI, SECOND};
use domain::*;
use executor::*;
use risk::*;
use std::sync::Arc;

pub(crate) const A: VenueId = VenueId(0);
pub(crate) const B: VenueId = VenueId(1);
/// Only in a rig of three.
pub(crate) const C: VenueId = VenueId(2);
pub(crate) const PAIR: PairId = PairId(0);
pub(crate) const BTC: AssetId = AssetId(0);
pub(crate) const USDT: AssetId = AssetId(1);
pub(crate) const UNIX: i64 = 1_700_000_000_000_000_000;
pub(crate) const EPOCH: u64 = 1_700_000_000;
pub(crate) const INSTANCE: u16 = 7;

pub(crate) fn tables() -> Arc<Tables> {
    tables_of(&["a", "b"])
}

fn tables_of(venues: &[&str]) -> Arc<Tables> {
    let pair = PairInfo {
        symbol: Symbol::parse("BTC/USDT").unwrap(),
        kind: InstrumentKind::Spot,
        base: BTC,
        quote: USDT,
        scale: PairScale::new(2, 8).unwrap(),
    };
    Arc::new(Tables {
        venues: venues.iter().map(|id| id.to_string()).collect(),
        pairs: vec![pair],
        assets: vec!["BTC".into(), "USDT".into()],
    })
}

pub(crate) fn limits() -> Limits {
    let whole = |n: i128| Amount::from_units(n * number::AMOUNT_ONE);
    Limits {
        order_value_max: whole(100_000),
        deal_value_max: whole(100_000),
        unhedged_value_max: whole(400_000),
        open_deals_max: 8,
        orders_per_second_max: 100,
        daily_loss_max: whole(1_000),
    }
}

pub(crate) fn config() -> ExecutorConfig {
    // Short, so that running worlds forget while they go on.
    ExecutorConfig { history_kept_ns: 45 * SECOND, ..ExecutorConfig::with_limits(INSTANCE, limits()) }
}

pub(crate) fn price(units: i64) -> Price {
    Price::from_units(units).unwrap()
}

pub(crate) fn qty(units: i64) -> Qty {
    Qty::from_units(units).unwrap()
}

/// An exact decimal.
pub(crate) fn amount(text: &str) -> Amount {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let negative = whole.starts_with('-');
    let digits: i128 = format!("{}{part:0<18}", whole.trim_start_matches('-')).parse().unwrap();
    Amount::from_units(if negative { -digits } else { digits })
}

pub(crate) fn ms(millis: u64) -> MonoNanos {
    MonoNanos(millis * MILLI)
}

/// A market with rules (lot 100 satoshi, minimum 3 USDT) and taker fees of 0.1 % in the asset received.
fn market_of(tables: Arc<Tables>) -> Market {
    let mut market = Market::new(tables.clone());
    for venue in tables.venue_ids() {
        let cell = market.at_mut(venue, PAIR);
        cell.rules = Some(InstrumentRules {
            venue,
            pair: PAIR,
            price_step: 1,
            qty_step: qty(100),
            qty_min: qty(1_000),
            qty_max: None,
            value_min: amount("3"),
            can_buy: true,
            can_sell: true,
        });
        cell.fees = Some(fees(venue));
    }
    market
}

pub(crate) fn fees(venue: VenueId) -> FeeRates {
    FeeRates { venue, pair: PAIR, taker: Rate::from_bps(10).unwrap(), maker: Rate::from_bps(10).unwrap(), paid_in: None }
}

/// Puts a book of one level a side (price, quantity).
pub(crate) fn set_book(market: &mut Market, venue: VenueId, at: MonoNanos, bid: (i64, i64), ask: (i64, i64)) {
    let level = |(p, q)| Level { price: price(p), qty: qty(q) };
    let body = BookBody::Snapshot { id: at.0 + 1, bids: vec![level(bid)], asks: vec![level(ask)] };
    let update = BookUpdate { venue, pair: PAIR, received: at, changed_at: None, sent_at: None, body };
    market.handle_book(&update).unwrap();
}

/// An executor with a market, a clock, and what came out last.
pub(crate) struct Rig {
    pub(crate) exec: Executor,
    pub(crate) market: Market,
    pub(crate) now: MonoNanos,
    pub(crate) out: Outbox,
    /// How long plans are good for, milliseconds.
    pub(crate) deadline_in: u64,
    trades: u32,
}

impl Rig {
    pub(crate) fn new() -> Rig {
        Rig::with(config())
    }

    pub(crate) fn with(config: ExecutorConfig) -> Rig {
        Rig::between(config, tables())
    }

    /// A, B and C, up and reconciled as by [`Rig::started`].
    pub(crate) fn of_three() -> Rig {
        let mut rig = Rig::between(config(), tables_of(&["a", "b", "c"]));
        [A, B, C].into_iter().for_each(|venue| rig.start(venue, "10", "1000000"));
        rig.out = Outbox::default();
        rig
    }

    fn between(config: ExecutorConfig, tables: Arc<Tables>) -> Rig {
        let ids = IdSource::new(INSTANCE, EPOCH, 0).unwrap();
        let mut exec = Executor::new(config, tables.clone(), ids);
        tables.venue_ids().for_each(|venue| exec.handle_fees(&fees(venue)));
        Rig { exec, market: market_of(tables), now: ms(1_000), out: Outbox::default(), deadline_in: 500, trades: 0 }
    }

    /// Both venues up and reconciled with 10 BTC and 1 000 000 USDT each.
    pub(crate) fn started() -> Rig {
        let mut rig = Rig::just_started();
        rig.pass(10_000);
        [A, B].into_iter().for_each(|venue| rig.trades(venue, vec![]));
        rig.pass(1);
        rig.out = Outbox::default();
        rig
    }

    /// As [`Rig::started`], so early that what somebody else traded may be in the balances that the ledgers began with.
    pub(crate) fn just_started() -> Rig {
        let mut rig = Rig::new();
        [A, B].into_iter().for_each(|venue| rig.start(venue, "10", "1000000"));
        rig.out = Outbox::default();
        rig
    }

    /// Brings one venue up with these balances.
    pub(crate) fn start(&mut self, venue: VenueId, btc: &str, usdt: &str) {
        self.link(venue, LinkState::Up);
        self.decide();
        self.answer_all(venue, btc, usdt);
        assert!(self.exec.ready(venue));
    }

    /// Answers every kind of read of one venue: nothing open, no trades, these balances.
    pub(crate) fn answer_all(&mut self, venue: VenueId, btc: &str, usdt: &str) {
        self.account(venue, Some(false));
        self.exec.handle_fees(&fees(venue));
        self.open_orders(venue, vec![]);
        self.trades(venue, vec![]);
        self.decide();
        self.balances(venue, btc, usdt);
        self.decide();
    }

    pub(crate) fn pass(&mut self, millis: u64) {
        self.now = self.now.after(millis * MILLI);
    }

    pub(crate) fn unix(&self) -> UnixNanos {
        UnixNanos(UNIX + self.now.0 as i64)
    }

    pub(crate) fn decide(&mut self) {
        self.exec.on_decide(self.now, self.unix(), &self.market, &mut self.out);
    }

    /// Decides at every deadline until `millis` from now.
    pub(crate) fn run(&mut self, millis: u64) {
        let end = self.now.after(millis * MILLI);
        let mut steps = 0;
        self.decide();
        while let Some(at) = self.exec.next_deadline().filter(|at| *at <= end) {
            assert!(at > self.now, "a deadline that does not move: {at:?}");
            self.now = at;
            self.decide();
            steps += 1;
            assert!(steps < 10_000, "too many wake-ups");
        }
        self.now = end;
        self.decide();
    }

    pub(crate) fn link(&mut self, venue: VenueId, state: LinkState) {
        let change = LinkChange { venue, role: LinkRole::Private, state, at: self.now };
        self.exec.handle_link(self.now, &change, &mut self.out);
    }

    pub(crate) fn account(&mut self, venue: VenueId, can_withdraw: Option<bool>) {
        let facts = AccountFacts { venue, can_trade: Some(true), can_withdraw, ip_bound: None };
        self.exec.handle_account(self.now, &facts, &mut self.out);
    }

    pub(crate) fn open_orders(&mut self, venue: VenueId, orders: Vec<OrderUpdate>) {
        let report = OpenOrdersReport { venue, requested: self.now, received: self.now, orders, elsewhere: 0 };
        self.exec.handle_open_orders(self.now, &report, &mut self.out);
    }

    pub(crate) fn trades(&mut self, venue: VenueId, fills: Vec<Fill>) {
        let report = TradesReport {
            venue,
            pair: PAIR,
            requested: self.now,
            received: self.now,
            since: UnixNanos(UNIX - 60 * SECOND as i64),
            complete: true,
            fills,
        };
        self.exec.handle_trades(self.now, &report, &mut self.out);
    }

    pub(crate) fn balance_report(&self, venue: VenueId, btc: &str, usdt: &str) -> BalanceReport {
        let entry = |asset, text: &str| BalanceEntry { asset, available: amount(text), locked: Amount::ZERO, version: None };
        BalanceReport {
            venue,
            source: BalanceSource::Query,
            requested: self.now,
            received: self.now,
            entries: vec![entry(BTC, btc), entry(USDT, usdt)],
        }
    }

    pub(crate) fn balances(&mut self, venue: VenueId, btc: &str, usdt: &str) {
        let report = self.balance_report(venue, btc, usdt);
        self.exec.handle_balances(self.now, &report, &mut self.out);
    }

    /// Opens a deal: buy on `buy` and sell on `sell`, each (price, quantity). Returns the two orders.
    pub(crate) fn open(&mut self, buy: (VenueId, i64, i64), sell: (VenueId, i64, i64)) -> (NewOrder, NewOrder) {
        self.try_open(buy, sell).unwrap();
        let orders = self.placed();
        (orders[0], orders[1])
    }

    /// Asks for a deal; the verdict when the executor refuses it.
    pub(crate) fn try_open(&mut self, buy: (VenueId, i64, i64), sell: (VenueId, i64, i64)) -> Result<DealId, Verdict> {
        let leg = |(venue, p, q)| Leg { venue, price: price(p), qty: qty(q) };
        let deadline = self.now.after(self.deadline_in * MILLI);
        let plan = Plan { pair: PAIR, buy: leg(buy), sell: leg(sell), expected: Waterfall::default(), deadline };
        let (exposure, stops) = (Exposure::default(), Stops::new());
        let guard = Guard::new(Controls::beside(&limits()), 2, 1);
        let view = RiskView::calm(&exposure, &stops, &guard, Marks::around(plan.buy.price));
        let approved = limits().approve(plan, PairScale::new(2, 8).unwrap(), &view).unwrap();
        self.exec.open_deal(self.now, approved, &self.market, &mut self.out)
    }

    /// As [`Rig::open`], but keeps stops and notices that came out before, and may be refused.
    pub(crate) fn open_unseen(&mut self, buy: (VenueId, i64, i64), sell: (VenueId, i64, i64)) -> Result<[NewOrder; 2], Verdict> {
        let before = std::mem::take(&mut self.out);
        assert!(before.commands.is_empty());
        let opened = self.try_open(buy, sell).map(|_| {
            let orders = self.placed();
            [orders[0], orders[1]]
        });
        self.out = before;
        opened
    }

    /// Orders placed since the last look; forgets all that came out.
    pub(crate) fn placed(&mut self) -> Vec<NewOrder> {
        let out = std::mem::take(&mut self.out);
        out.commands.iter().filter_map(|command| if let Command::Place(order) = command { Some(*order) } else { None }).collect()
    }

    pub(crate) fn update(&self, order: &NewOrder, source: OrderSource, report: OrderReport) -> OrderUpdate {
        OrderUpdate {
            venue: order.venue,
            pair: order.pair,
            client_id: Some(order.client_id),
            venue_order_id: named(&report).then(|| venue_id(order)),
            source,
            received: self.now,
            requested: self.now,
            report,
        }
    }

    pub(crate) fn tell(&mut self, order: &NewOrder, source: OrderSource, report: OrderReport) {
        let update = self.update(order, source, report);
        self.exec.handle_order(self.now, &update, &mut self.out);
    }

    pub(crate) fn finish(&mut self, order: &NewOrder, filled: i64) {
        let finish = if qty(filled) == order.qty { Finish::Filled } else { Finish::Cancelled };
        self.tell(order, OrderSource::Stream, OrderReport::Finished { finish, filled: qty(filled) });
    }

    pub(crate) fn next_fill(&mut self, order: &NewOrder, quantity: i64, at: i64) -> Fill {
        self.trades += 1;
        fill(order, &format!("t{}", self.trades), quantity, at, self.now)
    }

    pub(crate) fn fill(&mut self, order: &NewOrder, quantity: i64, at: i64) -> Fill {
        let fill = self.next_fill(order, quantity, at);
        self.exec.handle_fill(self.now, &fill, &mut self.out);
        fill
    }

    /// Executed in full at the limit price, told by stream and fill.
    pub(crate) fn execute(&mut self, order: &NewOrder, quantity: i64) {
        if quantity > 0 {
            self.fill(order, quantity, order.price.units());
        }
        self.finish(order, quantity);
    }

    #[track_caller]
    pub(crate) fn check_ledger(&self, venue: VenueId, btc: &str, usdt: &str) {
        let ledger = self.exec.ledger();
        let total = |asset| ledger.holding(venue, asset).total.to_text();
        assert_eq!((total(BTC).as_str(), total(USDT).as_str()), (btc, usdt), "totals of {venue:?}");
    }

    #[track_caller]
    pub(crate) fn check_reserved(&self, venue: VenueId, btc: &str, usdt: &str) {
        let ledger = self.exec.ledger();
        let held = |asset| ledger.holding(venue, asset).reserved.to_text();
        assert_eq!((held(BTC).as_str(), held(USDT).as_str()), (btc, usdt), "reserved on {venue:?}");
    }

    pub(crate) fn has_stop(&self, stop: StopRequest) -> bool {
        self.out.stops.contains(&stop)
    }

    pub(crate) fn closed(&self) -> Vec<Notice> {
        self.out.notices.iter().filter(|n| matches!(n, Notice::DealClosed { .. })).copied().collect()
    }

    /// Outcomes told, in order.
    pub(crate) fn outcomes(&self) -> Vec<OrderOutcome> {
        let outcome = |n: &Notice| if let Notice::Order { outcome, .. } = n { Some(*outcome) } else { None };
        self.out.notices.iter().filter_map(outcome).collect()
    }

    pub(crate) fn reads(&self) -> Vec<ReadKind> {
        let read = |c: &Command| if let Command::Read { read, .. } = c { Some(*read) } else { None };
        self.out.commands.iter().filter_map(read).collect()
    }

    pub(crate) fn look_ups(&self) -> usize {
        self.out.commands.iter().filter(|c| matches!(c, Command::LookUp(_))).count()
    }
}

fn named(report: &OrderReport) -> bool {
    matches!(report, OrderReport::Open { .. } | OrderReport::Finished { .. })
}

pub(crate) fn venue_id(order: &NewOrder) -> VenueOrderId {
    VenueOrderId::new(&format!("v{}", order.client_id.counter() + 1_000 * order.client_id.epoch())).unwrap()
}

/// A fill with a fee of 0.1 % in the asset received.
pub(crate) fn fill(order: &NewOrder, trade: &str, quantity: i64, at: i64, now: MonoNanos) -> Fill {
    let scale = PairScale::new(2, 8).unwrap();
    let rate = Rate::from_bps(10).unwrap();
    let (asset, received) = match order.side {
        Side::Buy => (BTC, scale.base_of(qty(quantity))),
        Side::Sell => (USDT, scale.value_of(price(at), qty(quantity)).unwrap()),
    };
    let mut fees = arrayvec::ArrayVec::new();
    fees.push((asset, received.times_rounded_up(rate)));
    Fill {
        venue: order.venue,
        pair: order.pair,
        trade_id: TradeId::new(trade).unwrap(),
        client_id: Some(order.client_id),
        venue_order_id: venue_id(order),
        side: order.side,
        price: price(at),
        qty: qty(quantity),
        quote: None,
        fees,
        role: Role::Taker,
        executed_at: Some(VenueNanos(UNIX + now.0 as i64)),
        source: OrderSource::Stream,
        received: now,
    }
}
