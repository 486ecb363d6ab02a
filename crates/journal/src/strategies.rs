//! Proptest strategies for every type that the logs keep, and one fixed value of each kind. Behind the `test-strategies`
//! feature for the tests of other crates.

use arrayvec::{ArrayString, ArrayVec};
use domain::command::OrderRef;
use domain::ids::{COUNTER_LIMIT, EPOCH_LIMIT, INSTANCE_LIMIT};
use domain::number::{RATE_ONE, UNITS_MAX};
use domain::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

fn venue() -> impl Strategy<Value = VenueId> {
    any::<u8>().prop_map(VenueId)
}

fn pair() -> impl Strategy<Value = PairId> {
    any::<u16>().prop_map(PairId)
}

fn asset() -> impl Strategy<Value = AssetId> {
    any::<u16>().prop_map(AssetId)
}

fn mono() -> impl Strategy<Value = MonoNanos> {
    any::<u64>().prop_map(MonoNanos)
}

fn unix() -> impl Strategy<Value = UnixNanos> {
    any::<i64>().prop_map(UnixNanos)
}

fn venue_time() -> impl Strategy<Value = VenueNanos> {
    any::<i64>().prop_map(VenueNanos)
}

fn price() -> impl Strategy<Value = Price> {
    (1..=UNITS_MAX).prop_filter_map("a price", Price::from_units)
}

fn qty() -> impl Strategy<Value = Qty> {
    (0..=UNITS_MAX).prop_filter_map("a quantity", Qty::from_units)
}

fn amount() -> impl Strategy<Value = Amount> {
    any::<i128>().prop_map(Amount::from_units)
}

fn rate() -> impl Strategy<Value = Rate> {
    (-RATE_ONE..=RATE_ONE).prop_filter_map("a rate", Rate::from_nano)
}

fn short_text() -> impl Strategy<Value = ArrayString<40>> {
    // Ten characters of up to four bytes each always fit.
    vec(any::<char>(), 1..=10).prop_map(|chars| {
        let mut text = ArrayString::new();
        for c in chars {
            let _ = text.try_push(c);
        }
        text
    })
}

fn venue_order_id() -> impl Strategy<Value = VenueOrderId> {
    short_text().prop_map(VenueOrderId)
}

fn label() -> impl Strategy<Value = Label> {
    prop_oneof![Just(Label::default()), short_text().prop_map(Label)]
}

fn client_id() -> impl Strategy<Value = ClientOrderId> {
    (0..INSTANCE_LIMIT, 0..EPOCH_LIMIT, 0u8..36, 0..COUNTER_LIMIT)
        .prop_filter_map("an id", |(instance, epoch, shard, counter)| ClientOrderId::new(instance, epoch, shard, counter))
}

fn side() -> impl Strategy<Value = Side> {
    select(Side::ALL)
}

fn class() -> impl Strategy<Value = ErrorClass> {
    select(ErrorClass::ALL)
}

fn read_kind() -> impl Strategy<Value = ReadKind> {
    prop_oneof![
        Just(ReadKind::Balances),
        Just(ReadKind::OpenOrders),
        (pair(), unix()).prop_map(|(pair, since)| ReadKind::Trades { pair, since }),
        Just(ReadKind::Fees),
        Just(ReadKind::Account),
        Just(ReadKind::Time),
    ]
}

/// Any order.
pub fn new_order() -> impl Strategy<Value = NewOrder> {
    (
        (venue(), pair(), client_id(), any::<u64>(), select(&[Purpose::Open, Purpose::Hedge][..])),
        (side(), price(), qty(), select(&[TimeInForce::Ioc, TimeInForce::Gtc][..]), option::of(mono())),
    )
        .prop_map(|((venue, pair, client_id, deal, purpose), (side, price, qty, tif, deadline))| NewOrder {
            venue,
            pair,
            client_id,
            deal: DealId(deal),
            purpose,
            side,
            price,
            qty,
            tif,
            deadline,
        })
}

fn order_ref() -> impl Strategy<Value = OrderRef> {
    (venue(), pair(), client_id(), option::of(venue_order_id())).prop_map(|(venue, pair, client_id, venue_order_id)| OrderRef {
        venue,
        pair,
        client_id,
        venue_order_id,
    })
}

/// Any command.
pub fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        new_order().prop_map(Command::Place),
        order_ref().prop_map(Command::Cancel),
        (venue(), pair()).prop_map(|(venue, pair)| Command::CancelAll { venue, pair }),
        order_ref().prop_map(Command::LookUp),
        (order_ref(), option::of(price()), option::of(qty())).prop_map(|(order, price, qty)| Command::Amend(Amend {
            order,
            price,
            qty
        })),
        (venue(), read_kind()).prop_map(|(venue, read)| Command::Read { venue, read }),
        (venue(), pair(), select(ResyncReason::ALL)).prop_map(|(venue, pair, reason)| Command::Resync { venue, pair, reason }),
    ]
}

fn level() -> impl Strategy<Value = Level> {
    (price(), qty()).prop_map(|(price, qty)| Level { price, qty })
}

fn levels() -> impl Strategy<Value = Vec<Level>> {
    vec(level(), 0..6)
}

fn market_news() -> impl Strategy<Value = MarketNews> {
    let trade = (venue(), pair(), short_text(), side(), price(), qty(), option::of(venue_time()), mono()).prop_map(
        |(venue, pair, trade_id, taker_side, price, qty, executed_at, received)| {
            MarketNews::Trade(PublicTrade {
                venue,
                pair,
                trade_id: TradeId(trade_id),
                taker_side,
                price,
                qty,
                executed_at,
                received,
            })
        },
    );
    let prices = (option::of(price()), option::of(price()), option::of(price()));
    let ticker =
        (venue(), pair(), prices, amount(), mono()).prop_map(|(venue, pair, (last, bid, ask), quote_volume, received)| {
            MarketNews::Ticker(Ticker { venue, pair, last, bid, ask, quote_volume, received })
        });
    prop_oneof![trade, ticker]
}

fn book() -> impl Strategy<Value = BookUpdate> {
    let body = prop_oneof![
        (any::<u64>(), levels(), levels()).prop_map(|(id, bids, asks)| BookBody::Snapshot { id, bids, asks }),
        (any::<u64>(), any::<u64>(), levels(), levels()).prop_map(|(first, last, bids, asks)| BookBody::Delta {
            first,
            last,
            bids,
            asks
        }),
        any::<u64>().prop_map(|id| BookBody::Evidence { id }),
        (any::<u64>(), option::of(level()), option::of(level())).prop_map(|(id, bid, ask)| BookBody::Top { id, bid, ask }),
        select(ResyncReason::ALL).prop_map(|reason| BookBody::Untrusted { reason }),
    ];
    let stamp = (venue_time(), any::<u32>()).prop_map(|(at, connection)| SendStamp { at, connection });
    (venue(), pair(), mono(), option::of(venue_time()), option::of(stamp), body).prop_map(
        |(venue, pair, received, changed_at, sent_at, body)| BookUpdate { venue, pair, received, changed_at, sent_at, body },
    )
}

fn order_source() -> impl Strategy<Value = OrderSource> {
    select(&[OrderSource::Reply, OrderSource::Stream, OrderSource::Query, OrderSource::Edge][..])
}

fn order_report() -> impl Strategy<Value = OrderReport> {
    let causes = &[UnknownCause::Timeout, UnknownCause::LinkLost, UnknownCause::ServerError, UnknownCause::Restart][..];
    prop_oneof![
        qty().prop_map(|filled| OrderReport::Open { filled }),
        (select(&[Finish::Filled, Finish::Cancelled, Finish::Expired][..]), qty())
            .prop_map(|(finish, filled)| OrderReport::Finished { finish, filled }),
        (class(), label()).prop_map(|(class, label)| OrderReport::Refused { class, label }),
        Just(OrderReport::NotFound),
        select(causes).prop_map(|cause| OrderReport::Unknown { cause }),
        Just(OrderReport::NotSent),
        class().prop_map(|class| OrderReport::CancelFailed { class }),
        (qty(), qty()).prop_map(|(qty, filled)| OrderReport::TermsDiffer { qty, filled }),
    ]
}

fn order_update() -> impl Strategy<Value = OrderUpdate> {
    (venue(), pair(), option::of(client_id()), option::of(venue_order_id()), order_source(), mono(), mono(), order_report())
        .prop_map(|(venue, pair, client_id, venue_order_id, source, received, requested, report)| OrderUpdate {
            venue,
            pair,
            client_id,
            venue_order_id,
            source,
            received,
            requested,
            report,
        })
}

fn fill() -> impl Strategy<Value = Fill> {
    (
        (venue(), pair(), short_text(), option::of(client_id()), venue_order_id(), side(), price()),
        (
            qty(),
            option::of(amount()),
            vec((asset(), amount()), 0..=3),
            select(&[Role::Taker, Role::Maker][..]),
            option::of(venue_time()),
            order_source(),
            mono(),
        ),
    )
        .prop_map(
            |(
                (venue, pair, trade_id, client_id, venue_order_id, side, price),
                (qty, quote, fees, role, executed_at, source, received),
            )| Fill {
                venue,
                pair,
                trade_id: TradeId(trade_id),
                client_id,
                venue_order_id,
                side,
                price,
                qty,
                quote,
                fees: fees.into_iter().collect::<ArrayVec<_, 3>>(),
                role,
                executed_at,
                source,
                received,
            },
        )
}

fn balances() -> impl Strategy<Value = BalanceReport> {
    let entry = (asset(), amount(), amount(), option::of(any::<u64>()))
        .prop_map(|(asset, available, locked, version)| BalanceEntry { asset, available, locked, version });
    (venue(), select(&[BalanceSource::Stream, BalanceSource::Query][..]), mono(), mono(), vec(entry, 0..5))
        .prop_map(|(venue, source, requested, received, entries)| BalanceReport { venue, source, requested, received, entries })
}

fn rules() -> impl Strategy<Value = InstrumentRules> {
    (venue(), pair(), any::<i64>(), qty(), qty(), option::of(qty()), amount(), any::<bool>(), any::<bool>()).prop_map(
        |(venue, pair, price_step, qty_step, qty_min, qty_max, value_min, can_buy, can_sell)| InstrumentRules {
            venue,
            pair,
            price_step,
            qty_step,
            qty_min,
            qty_max,
            value_min,
            can_buy,
            can_sell,
        },
    )
}

fn config_patch() -> impl Strategy<Value = ConfigPatch> {
    (
        (rate(), rate(), any::<u64>(), any::<u64>(), any::<u64>(), rate()),
        (amount(), amount(), amount(), any::<u32>(), any::<u32>(), amount()),
        vec((venue(), asset(), amount()), 0..3),
    )
        .prop_map(
            |(
                (min_edge, latency_allowance, book_age_max_ns, lag_max_ns, skew_max_ns, collar),
                (order_value_max, deal_value_max, unhedged_value_max, open_deals_max, orders_per_second_max, daily_loss_max),
                floors,
            )| ConfigPatch {
                min_edge,
                latency_allowance,
                book_age_max_ns,
                lag_max_ns,
                skew_max_ns,
                collar,
                order_value_max,
                deal_value_max,
                unhedged_value_max,
                open_deals_max,
                orders_per_second_max,
                daily_loss_max,
                floors,
            },
        )
}

fn small_inputs() -> impl Strategy<Value = Input> {
    let states = &[LinkState::Up, LinkState::Lost, LinkState::Paused][..];
    let alone = select(&[BudgetBucket::PlaceAll, BudgetBucket::Cancel, BudgetBucket::Read][..]);
    let bucket = prop_oneof![pair().prop_map(BudgetBucket::Place), alone];
    let operator = prop_oneof![
        select(StopReason::ALL).prop_map(|reason| OperatorCommand::Halt { reason }),
        Just(OperatorCommand::Resume),
        Just(OperatorCommand::Stop),
        Just(OperatorCommand::Drain),
        Just(OperatorCommand::Flatten),
    ];
    prop_oneof![
        (venue(), read_kind(), class(), mono()).prop_map(|(venue, read, class, received)| Input::ReadFailed(ReadFailure {
            venue,
            read,
            class,
            received
        })),
        (venue(), select(LinkRole::ALL), select(states), mono()).prop_map(|(venue, role, state, at)| Input::Link(LinkChange {
            venue,
            role,
            state,
            at
        })),
        (venue(), pair(), rate(), rate(), option::of(asset()))
            .prop_map(|(venue, pair, taker, maker, paid_in)| Input::Fees(FeeRates { venue, pair, taker, maker, paid_in })),
        (venue(), any::<Option<bool>>(), any::<Option<bool>>(), any::<Option<bool>>()).prop_map(
            |(venue, can_trade, can_withdraw, ip_bound)| Input::Account(AccountFacts {
                venue,
                can_trade,
                can_withdraw,
                ip_bound
            })
        ),
        (venue(), bucket, any::<u32>(), any::<u32>(), any::<u64>(), mono()).prop_map(
            |(venue, bucket, remaining, limit, window_ns, at)| Input::Budget(Budget {
                venue,
                bucket,
                remaining,
                limit,
                window_ns,
                at
            })
        ),
        (venue(), any::<bool>(), any::<u64>()).prop_map(|(venue, order, nanos)| Input::RoundTrip(RoundTrip {
            venue,
            order,
            nanos
        })),
        (venue(), any::<i64>(), any::<i64>(), any::<u64>()).prop_map(|(venue, offset_ns, over_monotonic_ns, uncertainty_ns)| {
            Input::Clock(ClockOffset { venue, offset_ns, over_monotonic_ns, uncertainty_ns })
        }),
        any::<u64>().prop_map(|seq| Input::LogWritten { seq }),
        Just(Input::LogFailed),
        operator.prop_map(Input::Operator),
        config_patch().prop_map(Input::Config),
        any::<bool>().prop_map(|low| Input::Storage { low }),
        any::<bool>().prop_map(|full| Input::Queue { full }),
        (venue(), mono(), mono()).prop_map(|(venue, until, received)| Input::Ban(Ban { venue, until, received })),
        (venue(), option::of(mono()), any::<bool>(), mono())
            .prop_map(|(venue, armed_until, ok, received)| Input::DeadMan(DeadMan { venue, armed_until, ok, received })),
        unix().prop_map(|unix| Input::Tick { unix }),
    ]
}

/// Any input.
pub fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        3 => book().prop_map(Input::Book),
        1 => market_news().prop_map(Input::Market),
        2 => order_update().prop_map(Input::Order),
        2 => fill().prop_map(Input::Fill),
        1 => balances().prop_map(Input::Balances),
        1 => (venue(), mono(), mono(), vec(order_update(), 0..4), any::<u32>()).prop_map(|(venue, requested, received, orders, elsewhere)| {
            Input::OpenOrders(OpenOrdersReport { venue, requested, received, orders, elsewhere })
        }),
        1 => (venue(), pair(), mono(), mono(), unix(), any::<bool>(), vec(fill(), 0..4)).prop_map(
            |(venue, pair, requested, received, since, complete, fills)| {
                Input::Trades(TradesReport { venue, pair, requested, received, since, complete, fills })
            }
        ),
        1 => rules().prop_map(Input::Rules),
        4 => small_inputs(),
    ]
}

fn name() -> impl Strategy<Value = String> {
    "[A-Z0-9]{1,8}"
}

/// Any tables.
pub fn tables() -> impl Strategy<Value = Tables> {
    let kind = prop_oneof![
        Just(InstrumentKind::Spot),
        (amount(), name()).prop_map(|(multiplier, settle)| InstrumentKind::LinearPerpetual { multiplier, settle }),
        (amount(), name()).prop_map(|(multiplier, settle)| InstrumentKind::InversePerpetual { multiplier, settle }),
        (amount(), name(), any::<u32>()).prop_map(|(multiplier, settle, expiry)| InstrumentKind::DatedFuture {
            multiplier,
            settle,
            expiry
        }),
    ];
    let symbol = (name(), name(), option::of(name()), option::of(any::<u32>()))
        .prop_map(|(base, quote, settle, expiry)| Symbol { base, quote, settle, expiry });
    let scale = (0u8..=9, 0u8..=9).prop_filter_map("a scale", |(p, q)| PairScale::new(p, q));
    let info = (symbol, kind, asset(), asset(), scale).prop_map(|(symbol, kind, base, quote, scale)| PairInfo {
        symbol,
        kind,
        base,
        quote,
        scale,
    });
    (vec("[a-z-]{1,12}", 0..4), vec(info, 0..4), vec(name(), 0..5)).prop_map(|(venues, pairs, assets)| Tables {
        venues,
        pairs,
        assets,
    })
}

fn fixed_id(counter: u64) -> ClientOrderId {
    ClientOrderId::new(7, 1_700_000_000, 0, counter).expect("Invariant: the parts are small")
}

fn fixed_price(units: i64) -> Price {
    Price::from_units(units).expect("Invariant: positive")
}

fn fixed_qty(units: i64) -> Qty {
    Qty::from_units(units).expect("Invariant: not negative")
}

/// One fixed order.
pub fn some_order(counter: u64) -> NewOrder {
    NewOrder {
        venue: VenueId(1),
        pair: PairId(2),
        client_id: fixed_id(counter),
        deal: DealId(3),
        purpose: Purpose::Hedge,
        side: Side::Sell,
        price: fixed_price(6_123_450),
        qty: fixed_qty(210_000),
        tif: TimeInForce::Ioc,
        deadline: Some(MonoNanos(99)),
    }
}

/// One fixed command of each kind.
pub fn one_of_each_command() -> Vec<Command> {
    let order =
        OrderRef { venue: VenueId(1), pair: PairId(2), client_id: fixed_id(4), venue_order_id: VenueOrderId::new("123456") };
    let (venue, pair) = (VenueId(1), PairId(2));
    vec![
        Command::Place(some_order(4)),
        Command::Cancel(order),
        Command::CancelAll { venue, pair },
        Command::LookUp(OrderRef { venue_order_id: None, ..order }),
        Command::Read { venue, read: ReadKind::Trades { pair, since: UnixNanos(-5) } },
        Command::Resync { venue, pair, reason: ResyncReason::Audit },
        Command::DeadMan { venue, timeout_ns: 30_000_000_000 },
    ]
}

/// One fixed item of each kind that a checkpoint holds.
pub fn one_of_each_checkpoint_item() -> Vec<CheckpointItem> {
    let (venue, pair, asset) = (VenueId(1), PairId(2), AssetId(1));
    let amount = Amount::from_units(-77);
    let fill = one_of_each_input().into_iter().find_map(|input| if let Input::Fill(fill) = input { Some(fill) } else { None });
    let order = OrderState {
        terms: some_order(9),
        stage: OrderStage::Done { outcome: OrderOutcome::PartlyFilled },
        venue_order_id: VenueOrderId::new("77"),
        wall_floor: UnixNanos(5),
        reported: fixed_qty(3),
        booked: fixed_qty(2),
        label: Label::cut("TOO_SLOW"),
        fee_on_spend: None,
        fee_on_base: Rate::from_bps(10),
        adopted: false,
        shown: true,
        theirs: Some(fixed_qty(4)),
        told: Some(OrderOutcome::Unknown),
    };
    let deal = DealState {
        id: DealId(3),
        pair,
        buy: VenueId(0),
        sell: venue,
        orders: vec![fixed_id(9), fixed_id(10)],
        base_flow: amount,
        quote_flow: amount,
        bought: (1 << 90, 5),
        sold: (-1, 0),
        hedges: 1,
        adopted: true,
        dealt_at: (venue, VenueId(0)),
        unwind_cost: amount,
        unwind_value: Amount::ZERO,
        unwind: Some(Unwind::Reversed),
    };
    let charge = ChargeState {
        role: Role::Maker,
        received: asset,
        base: (AssetId(0), amount),
        quote: (asset, amount),
        in_base: amount,
        in_quote: Amount::ZERO,
        in_tokens: true,
    };
    let rates = FeeRates { venue, pair, taker: Rate::ZERO, maker: Rate::ZERO, paid_in: Some(asset) };
    vec![
        CheckpointItem::Clock { wall: UnixNanos(9), epoch_seen: Some(8), last_deal: DealId(7) },
        CheckpointItem::Epoch { epoch: 1_700_000_000 },
        CheckpointItem::Venue { venue, adopted: true },
        CheckpointItem::Trades { venue, pair, listed: true, covered: Some(UnixNanos(6)), forgotten: None },
        CheckpointItem::ForeignOrder { venue, id: VenueOrderId::new("8").expect("Invariant: short") },
        CheckpointItem::Fees { rates },
        CheckpointItem::Charge { venue, pair, charge },
        CheckpointItem::Holding { venue, asset, total: amount, elsewhere: Amount::ZERO, used: true },
        CheckpointItem::Dust { venue, asset, left: amount },
        CheckpointItem::DayFlow { day: -3, asset, flow: amount },
        CheckpointItem::Latch { reason: StopReason::DailyLoss },
        CheckpointItem::Draining,
        CheckpointItem::Standing { reason: StopReason::ForeignActivity, venue, pair: Some(pair) },
        CheckpointItem::Booked { venue, pair, trade_id: TradeId::new("5").expect("Invariant: short"), executed: None },
        CheckpointItem::EarlyFill { fill: fill.expect("Invariant: there is one of each input") },
        CheckpointItem::Order { order },
        CheckpointItem::Deal { deal },
    ]
}

/// Fixed tables of two venues and two pairs.
pub fn some_tables() -> Tables {
    let pair = |text: &str, kind| PairInfo {
        symbol: Symbol::parse(text).expect("Invariant: a symbol"),
        kind,
        base: AssetId(0),
        quote: AssetId(1),
        scale: PairScale::new(2, 8).expect("Invariant: small decimals"),
    };
    let multiplier = Amount::from_units(100);
    Tables {
        venues: vec!["gate-a".into(), "gate-b".into()],
        pairs: vec![
            pair("BTC/USDT", InstrumentKind::Spot),
            pair("BTC/USDT:USDT-261225", InstrumentKind::DatedFuture { multiplier, settle: "USDT".into(), expiry: 261_225 }),
        ],
        assets: vec!["BTC".into(), "USDT".into()],
    }
}

/// One fixed input of each kind, in the order of [`Input`].
pub fn one_of_each_input() -> Vec<Input> {
    let (venue, pair, received, requested) = (VenueId(1), PairId(2), MonoNanos(11), MonoNanos(10));
    let level = |price, qty| Level { price: fixed_price(price), qty: fixed_qty(qty) };
    let order = OrderUpdate {
        venue,
        pair,
        client_id: Some(fixed_id(5)),
        venue_order_id: VenueOrderId::new("42"),
        source: OrderSource::Query,
        received,
        requested,
        report: OrderReport::Refused { class: ErrorClass::FilterReject, label: Label::cut("INVALID_PRECISION") },
    };
    let fill = Fill {
        venue,
        pair,
        trade_id: TradeId::new("t1").expect("Invariant: short"),
        client_id: None,
        venue_order_id: VenueOrderId::new("42").expect("Invariant: short"),
        side: Side::Buy,
        price: fixed_price(100),
        qty: fixed_qty(5),
        quote: Some(Amount::from_units(499)),
        fees: [(AssetId(1), Amount::from_units(-3))].into_iter().collect(),
        role: Role::Maker,
        executed_at: Some(VenueNanos(7)),
        source: OrderSource::Stream,
        received,
    };
    let book = BookBody::Delta { first: 5, last: 6, bids: vec![level(9, 0)], asks: vec![level(10, 1), level(11, 2)] };
    let entry = BalanceEntry { asset: AssetId(1), available: Amount::from_units(8), locked: Amount::ZERO, version: Some(2) };
    vec![
        Input::Book(BookUpdate {
            venue,
            pair,
            received,
            changed_at: None,
            sent_at: Some(SendStamp { at: VenueNanos(6), connection: 1 }),
            body: book,
        }),
        Input::Order(order),
        Input::Fill(fill.clone()),
        Input::Balances(BalanceReport { venue, source: BalanceSource::Query, requested, received, entries: vec![entry] }),
        Input::OpenOrders(OpenOrdersReport { venue, requested, received, orders: vec![order], elsewhere: 1 }),
        Input::Trades(TradesReport { venue, pair, requested, received, since: UnixNanos(1), complete: true, fills: vec![fill] }),
        Input::ReadFailed(ReadFailure { venue, read: ReadKind::Fees, class: ErrorClass::RateLimited, received }),
        Input::Link(LinkChange { venue, role: LinkRole::Private, state: LinkState::Lost, at: received }),
        Input::Rules(InstrumentRules {
            venue,
            pair,
            price_step: 10,
            qty_step: fixed_qty(1),
            qty_min: fixed_qty(2),
            qty_max: None,
            value_min: Amount::from_units(3),
            can_buy: true,
            can_sell: false,
        }),
        Input::Fees(FeeRates { venue, pair, taker: Rate::ZERO, maker: Rate::ZERO, paid_in: Some(AssetId(1)) }),
        Input::Account(AccountFacts { venue, can_trade: Some(true), can_withdraw: None, ip_bound: Some(false) }),
        Input::Budget(Budget {
            venue,
            bucket: BudgetBucket::Place(pair),
            remaining: 9,
            limit: 10,
            window_ns: 1_000_000_000,
            at: received,
        }),
        Input::RoundTrip(RoundTrip { venue, order: true, nanos: 12_345 }),
        Input::Clock(ClockOffset { venue, offset_ns: -4, over_monotonic_ns: 6, uncertainty_ns: 5 }),
        Input::LogWritten { seq: 17 },
        Input::LogFailed,
        Input::Operator(OperatorCommand::Halt { reason: StopReason::Signal }),
        Input::Tick { unix: UnixNanos(1_700_000_000_000_000_000) },
        Input::Config(ConfigPatch {
            min_edge: Rate::ZERO,
            latency_allowance: Rate::ZERO,
            book_age_max_ns: 1,
            lag_max_ns: 2,
            skew_max_ns: 3,
            collar: Rate::ZERO,
            order_value_max: Amount::from_units(4),
            deal_value_max: Amount::from_units(5),
            unhedged_value_max: Amount::from_units(6),
            open_deals_max: 7,
            orders_per_second_max: 8,
            daily_loss_max: Amount::from_units(9),
            floors: vec![(venue, AssetId(1), Amount::from_units(10))],
        }),
        Input::DeadMan(DeadMan { venue, armed_until: Some(MonoNanos(12)), ok: true, received }),
        Input::Storage { low: true },
        Input::Ban(Ban { venue, until: MonoNanos(13), received }),
        Input::Queue { full: true },
    ]
}
