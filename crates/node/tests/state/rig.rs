//! A whole node over two scripted venues: real sessions' interface, real engine, real logs; the venues keep their own exact books of
//! what really happened, and answer at once.

use domain::command::OrderRef;
use domain::time::{MILLI, SECOND};
use domain::*;
use engine_core::{Engine, EngineConfig};
use executor::{ExecutorConfig, IdSource};
use journal::{CODEC_VERSION, Header, LogKind, LogSink};
use node::{Node, NodeLogs};
use risk::{Controls, Limits};
use spread_detector::DetectorConfig;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use venue::{LinkId, LossReason, Response, SessionStats, Ticket, Transmit, VenueSession};

pub(crate) const A: VenueId = VenueId(0);
pub(crate) const B: VenueId = VenueId(1);
pub(crate) const PAIR: PairId = PairId(0);
pub(crate) const BTC: AssetId = AssetId(0);
pub(crate) const USDT: AssetId = AssetId(1);
pub(crate) const INSTANCE: u16 = 7;
/// 14 November 2023.
pub(crate) const UNIX: i64 = 1_700_000_000_000_000_000;

pub(crate) fn whole(units: i128) -> Amount {
    Amount::from_units(units * number::AMOUNT_ONE)
}

pub(crate) fn tables() -> Arc<Tables> {
    let pair = PairInfo {
        symbol: Symbol::parse("BTC/USDT").unwrap(),
        kind: InstrumentKind::Spot,
        base: BTC,
        quote: USDT,
        scale: PairScale::new(2, 4).unwrap(),
    };
    Arc::new(Tables { venues: vec!["a".into(), "b".into()], pairs: vec![pair], assets: vec!["BTC".into(), "USDT".into()] })
}

pub(crate) fn engine(epoch: u64) -> Engine {
    engine_on(epoch, tables())
}

/// An engine that only reads, as `reconcile` has it.
pub(crate) fn observer(epoch: u64) -> Engine {
    engine_that(epoch, tables(), true)
}

/// An engine that knows other names, or knows them by other ids.
pub(crate) fn engine_on(epoch: u64, tables: Arc<Tables>) -> Engine {
    engine_that(epoch, tables, false)
}

fn engine_that(epoch: u64, tables: Arc<Tables>, observe_only: bool) -> Engine {
    let limits = Limits {
        order_value_max: whole(5_000),
        deal_value_max: whole(5_000),
        unhedged_value_max: whole(20_000),
        open_deals_max: 2,
        orders_per_second_max: 20,
        daily_loss_max: whole(1_000),
    };
    let bps = |n| Rate::from_bps(n).unwrap();
    let wide = ExecutorConfig {
        complete_cap: bps(500),
        reverse_cap: bps(500),
        flatten_cap: bps(500),
        observe_only,
        ..ExecutorConfig::with_limits(INSTANCE, limits)
    };
    let config = EngineConfig {
        detector: DetectorConfig {
            min_edge: bps(1),
            book_age_max_ns: SECOND,
            lag_max_ns: 500 * MILLI,
            lag_must_be_known: false,
            skew_max_ns: 500 * MILLI,
            collar: bps(500),
            latency_allowance: Rate::ZERO,
        },
        limits,
        controls: Controls::beside(&limits),
        reference: None,
        executor: wide,
        latency_allowance: Rate::ZERO,
        plan_expiry_ns: 500 * MILLI,
        floors: Vec::new(),
        vetoes: std::collections::BTreeSet::new(),
        dead_man_ns: 0,
    };
    Engine::new(config, tables, IdSource::new(INSTANCE, epoch, 0).unwrap())
}

pub(crate) fn header(epoch: u64) -> Header {
    Header {
        version: CODEC_VERSION,
        kind: LogKind::State,
        instance: INSTANCE,
        epoch,
        shard: 0,
        build: "test".into(),
        mode: "sim".into(),
        seed: 1,
        started: UnixNanos(UNIX),
        config: "mode = \"sim\"".into(),
        tables: (*tables()).clone(),
        previous: [0; 32],
    }
}

/// What really is: shared by both venues and by whoever judges.
pub(crate) struct Truth {
    pub(crate) totals: [[Amount; 2]; 2],
    pub(crate) trades: Vec<Fill>,
    pub(crate) placed: Vec<NewOrder>,
    pub(crate) ended: Vec<(ClientOrderId, Qty)>,
    pub(crate) cancels: Vec<OrderRef>,
    /// Wall time of the last news, for stamps.
    wall: i64,
}

pub(crate) type Shared = Arc<Mutex<Truth>>;

pub(crate) fn truth() -> Shared {
    let totals = [[whole(100), whole(10_000_000)]; 2];
    let (trades, placed, ended, cancels) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    Arc::new(Mutex::new(Truth { totals, trades, placed, ended, cancels, wall: UNIX }))
}

pub(crate) fn look(truth: &Shared) -> MutexGuard<'_, Truth> {
    truth.lock().unwrap()
}

fn fees(venue: VenueId) -> FeeRates {
    let rate = Rate::from_bps(10).unwrap();
    FeeRates { venue, pair: PAIR, taker: rate, maker: rate, paid_in: None }
}

impl Truth {
    fn execute(&mut self, order: &NewOrder, qty: Qty, now: MonoNanos) -> Fill {
        let scale = PairScale::new(2, 4).unwrap();
        let (base, quote) = (scale.base_of(qty), scale.value_of(order.price, qty).unwrap());
        let rate = Rate::from_bps(10).unwrap();
        let [btc, usdt] = &mut self.totals[order.venue.index()];
        let fee = match order.side {
            Side::Buy => {
                let fee = base.times_rounded_up(rate);
                (*btc, *usdt) = (*btc + base - fee, *usdt - quote);
                (BTC, fee)
            }
            Side::Sell => {
                let fee = quote.times_rounded_up(rate);
                (*btc, *usdt) = (*btc - base, *usdt + quote - fee);
                (USDT, fee)
            }
        };
        let fill = Fill {
            venue: order.venue,
            pair: PAIR,
            trade_id: TradeId::new(&format!("t{}", self.trades.len() + 1)).unwrap(),
            client_id: Some(order.client_id),
            venue_order_id: venue_id(order),
            side: order.side,
            price: order.price,
            qty,
            quote: None,
            fees: [fee].into_iter().collect(),
            role: Role::Taker,
            executed_at: Some(VenueNanos(self.wall)),
            source: OrderSource::Stream,
            received: now,
        };
        self.trades.push(fill.clone());
        fill
    }
}

fn venue_id(order: &NewOrder) -> VenueOrderId {
    VenueOrderId::new(&format!("v{}-{}", order.client_id.epoch(), order.client_id.counter())).unwrap()
}

/// One venue. Every fifth opening is filled by half, every seventh is refused, every eleventh loses its answer.
struct Scripted {
    venue: VenueId,
    truth: Shared,
    stats: SessionStats,
}

impl Scripted {
    fn place(&mut self, now: MonoNanos, order: &NewOrder, updates: &mut Vec<Input>) {
        let mut truth = look(&self.truth);
        truth.placed.push(*order);
        let count = truth.placed.len();
        let update = |source, report| {
            Input::Order(OrderUpdate {
                venue: self.venue,
                pair: PAIR,
                client_id: Some(order.client_id),
                venue_order_id: matches!(report, OrderReport::Open { .. } | OrderReport::Finished { .. })
                    .then(|| venue_id(order)),
                source,
                received: now,
                requested: now,
                report,
            })
        };
        let opening = order.purpose == Purpose::Open;
        if opening && count.is_multiple_of(7) {
            truth.ended.push((order.client_id, Qty::ZERO));
            let label = Label::cut("BALANCE_NOT_ENOUGH");
            updates.push(update(OrderSource::Reply, OrderReport::Refused { class: ErrorClass::Unknown, label }));
            return;
        }
        let filled = if opening && count.is_multiple_of(5) { Qty::from_units(order.qty.units() / 2).unwrap() } else { order.qty };
        let finish = if filled == order.qty { Finish::Filled } else { Finish::Cancelled };
        let fill = truth.execute(order, filled, now);
        truth.ended.push((order.client_id, filled));
        if opening && count.is_multiple_of(11) {
            // The answer is lost, and so is what the stream would have told: only questions bring it to light.
            updates.push(update(OrderSource::Edge, OrderReport::Unknown { cause: UnknownCause::LinkLost }));
            return;
        }
        updates.push(update(OrderSource::Reply, OrderReport::Open { filled: Qty::ZERO }));
        updates.push(Input::Fill(fill));
        updates.push(update(OrderSource::Stream, OrderReport::Finished { finish, filled }));
    }

    fn look_up(&mut self, now: MonoNanos, order: &OrderRef, updates: &mut Vec<Input>) {
        let truth = look(&self.truth);
        let ended = truth.ended.iter().find(|(id, _)| *id == order.client_id);
        let report = match ended {
            Some((_, filled)) => {
                let placed = truth.placed.iter().find(|placed| placed.client_id == order.client_id);
                let whole = placed.is_some_and(|placed| placed.qty == *filled);
                OrderReport::Finished { finish: if whole { Finish::Filled } else { Finish::Cancelled }, filled: *filled }
            }
            None => OrderReport::NotFound,
        };
        updates.push(Input::Order(OrderUpdate {
            venue: self.venue,
            pair: PAIR,
            client_id: Some(order.client_id),
            venue_order_id: None,
            source: OrderSource::Query,
            received: now,
            requested: now,
            report,
        }));
    }

    fn read(&self, now: MonoNanos, read: ReadKind) -> Option<Input> {
        let (venue, requested, received) = (self.venue, now, now);
        let truth = look(&self.truth);
        Some(match read {
            ReadKind::Account => {
                Input::Account(AccountFacts { venue, can_trade: Some(true), can_withdraw: Some(false), ip_bound: None })
            }
            ReadKind::Fees => Input::Fees(fees(venue)),
            ReadKind::OpenOrders => {
                Input::OpenOrders(OpenOrdersReport { venue, requested, received, orders: Vec::new(), elsewhere: 0 })
            }
            ReadKind::Trades { pair, since } => {
                let told = |fill: &&Fill| fill.venue == venue && fill.executed_at.is_some_and(|at| at.0 >= since.0);
                let fills = truth.trades.iter().filter(told).cloned().collect();
                Input::Trades(TradesReport { venue, pair, requested, received, since, complete: true, fills })
            }
            ReadKind::Balances => {
                let [btc, usdt] = truth.totals[venue.index()];
                let entry = |asset, available| BalanceEntry { asset, available, locked: Amount::ZERO, version: None };
                let entries = vec![entry(BTC, btc), entry(USDT, usdt)];
                Input::Balances(BalanceReport { venue, source: BalanceSource::Query, requested, received, entries })
            }
            ReadKind::Time => return None,
        })
    }
}

impl VenueSession for Scripted {
    fn venue(&self) -> VenueId {
        self.venue
    }

    fn start(&mut self, _: MonoNanos) {}

    fn handle_connected(&mut self, link: LinkId, now: MonoNanos, updates: &mut Vec<Input>) {
        updates.push(Input::Link(LinkChange { venue: self.venue, role: link.role, state: LinkState::Up, at: now }));
    }

    fn handle_frame(&mut self, _: LinkId, _: MonoNanos, _: &mut [u8], _: &mut Vec<Input>) {}

    fn handle_lost(&mut self, link: LinkId, now: MonoNanos, _: LossReason, updates: &mut Vec<Input>) {
        updates.push(Input::Link(LinkChange { venue: self.venue, role: link.role, state: LinkState::Lost, at: now }));
    }

    fn handle_response(&mut self, _: Ticket, _: MonoNanos, _: Response<'_>, _: &mut Vec<Input>) {}

    fn handle_timeout(&mut self, _: MonoNanos, _: &mut Vec<Input>) {}

    fn handle_paused(&mut self, _: MonoNanos, _: &mut Vec<Input>) {}

    fn submit(&mut self, now: MonoNanos, command: &Command, updates: &mut Vec<Input>) {
        match command {
            Command::Place(order) => self.place(now, order, updates),
            Command::LookUp(order) => self.look_up(now, order, updates),
            Command::Read { read, .. } => updates.extend(self.read(now, *read)),
            Command::Cancel(order) => look(&self.truth).cancels.push(*order),
            _ => {}
        }
    }

    fn poll_transmit(&mut self, _: MonoNanos, _: UnixNanos, _: &mut Vec<Input>) -> Option<Transmit> {
        None
    }

    fn poll_timeout(&self) -> Option<MonoNanos> {
        None
    }

    fn shutdown(&mut self, _: MonoNanos) {}

    fn stats(&self) -> &SessionStats {
        &self.stats
    }
}

/// A running node with a clock of its own.
pub(crate) struct Life {
    pub(crate) node: Node,
    pub(crate) now: MonoNanos,
    wall_start: i64,
    truth: Shared,
    books: u64,
    /// Cash of people's commands, pushed one a step.
    pub(crate) queued: VecDeque<Input>,
}

impl Life {
    /// A node that has just started: rules are told, links are up.
    pub(crate) fn start(
        engine: Engine,
        state: Box<dyn LogSink + Send>,
        market: Option<Box<dyn LogSink + Send>>,
        truth: &Shared,
    ) -> Life {
        let session = |venue| {
            Box::new(Scripted { venue, truth: Arc::clone(truth), stats: SessionStats::default() }) as Box<dyn VenueSession>
        };
        let mut node = Node::new(vec![session(A), session(B)], engine, NodeLogs { state, market });
        let now = MonoNanos(5 * SECOND);
        let wall_start = look(truth).wall + SECOND as i64;
        for venue in [A, B] {
            let unit = Qty::from_units(1).unwrap();
            node.push(
                now,
                Input::Rules(InstrumentRules {
                    venue,
                    pair: PAIR,
                    price_step: 1,
                    qty_step: unit,
                    qty_min: unit,
                    qty_max: None,
                    value_min: whole(3),
                    can_buy: true,
                    can_sell: true,
                }),
            );
            node.push(now, Input::Fees(fees(venue)));
        }
        node.push(now, Input::Tick { unix: UnixNanos(wall_start) });
        node.start(now);
        for venue in [A, B] {
            for role in [LinkRole::Public, LinkRole::Private] {
                node.connected(venue, LinkId { role, shard: 0 }, now);
            }
        }
        Life { node, now, wall_start, truth: Arc::clone(truth), books: 1, queued: VecDeque::new() }
    }

    pub(crate) fn wall(&self) -> UnixNanos {
        UnixNanos(self.wall_start + (self.now.0 - 5 * SECOND) as i64)
    }

    /// `millis` pass in steps of ten; `edge` says whether the books cross by one per cent all the while.
    pub(crate) fn run(&mut self, millis: u64, edge: bool) {
        for step in 0..millis / 10 {
            self.now = self.now.after(10 * MILLI);
            look(&self.truth).wall = self.wall().0;
            if step % 5 == 0 {
                self.node.push(self.now, Input::Tick { unix: self.wall() });
                self.push_books(edge);
            }
            if let Some(input) = self.queued.pop_front() {
                self.node.push(self.now, input);
            }
            while self.node.step(self.now) {
                assert!(self.node.poll_transmit(self.now, self.wall()).is_none());
            }
        }
    }

    fn push_books(&mut self, edge: bool) {
        let level = |cents: i64| Level { price: Price::from_units(cents).unwrap(), qty: Qty::from_units(300).unwrap() };
        let b = if edge { 101_000 } else { 99_950 };
        for (venue, bid, ask) in [(A, 99_900, 100_000), (B, b, b + 100)] {
            self.books += 1;
            let body = BookBody::Snapshot { id: self.books, bids: vec![level(bid)], asks: vec![level(ask)] };
            let update = BookUpdate { venue, pair: PAIR, received: self.now, changed_at: None, sent_at: None, body };
            self.node.push(self.now, Input::Book(update));
        }
    }

    /// Ends in order, as far as `millis` of it allow.
    pub(crate) fn stop(&mut self, millis: u64) {
        self.node.operator(self.now, OperatorCommand::Stop);
        self.run(millis, false);
    }

    /// Everything is known, booked once and even.
    #[track_caller]
    pub(crate) fn check_truth(&self) {
        let executor = self.node.engine().executor();
        let truth = look(&self.truth);
        for venue in [A, B] {
            for asset in [BTC, USDT] {
                let holding = executor.ledger().holding(venue, asset);
                assert_eq!(holding.total, truth.totals[venue.index()][asset.index()], "{venue:?} {asset:?}");
                assert_eq!(holding.reserved, Amount::ZERO);
            }
        }
        assert_eq!((executor.unknown_orders(), executor.open_deals()), (0, 0), "{:?}", executor.open_items());
        let mut ids: Vec<ClientOrderId> = truth.placed.iter().map(|order| order.client_id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), truth.placed.len(), "no id was used twice");
    }
}
