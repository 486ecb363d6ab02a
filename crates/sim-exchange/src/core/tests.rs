//! Tests of the core as a whole: exact money, priority, each time in force, each refusal, and random sessions judged by a
//! naive matcher and by replaying the events.

mod amending;
mod policies;
mod random;
mod rules;

use std::collections::BTreeMap;

use proptest::prelude::*;
use rust_decimal::Decimal;

use super::*;

fn dec(text: &str) -> Decimal {
    text.parse().expect("test literal")
}

fn config(unfillable: UnfillablePolicy) -> ExchangeConfig {
    let asset = |name: &str, decimals| AssetConfig { name: name.to_owned(), decimals };
    ExchangeConfig {
        assets: vec![asset("USDT", 8), asset("BTC", 8), asset("ETH", 8)],
        pairs: ["BTC", "ETH"]
            .map(|base| PairConfig {
                id: format!("{base}_USDT"),
                base: base.to_owned(),
                quote: "USDT".to_owned(),
                precision: 1,
                amount_precision: 4,
                min_base_amount: Some(dec("0.001")),
                min_quote_amount: Some(dec("3")),
                max_base_amount: Some(dec("100")),
                max_quote_amount: Some(dec("1000000")),
                trade_status: TradeStatus::Tradable,
                ..PairConfig::default()
            })
            .to_vec(),
        unfillable,
        history: HistoryLimits { finished_orders_max: 5, account_trades_max: 5, balance_changes_max: 50, public_trades_max: 3 },
        first_id: 100,
        first_book_id: 7_000,
        ..ExchangeConfig::default()
    }
}

const BTC_USDT: PairId = PairId(0);
const USDT: AssetId = AssetId(0);
const BTC: AssetId = AssetId(1);

/// An exchange with two rich users, and short ways to trade on it.
struct Bench {
    exchange: Exchange,
    alice: AccountId,
    bob: AccountId,
    t_ns: u64,
}

impl Bench {
    fn new() -> Bench {
        Bench::with(UnfillablePolicy::Refuse)
    }

    fn with(unfillable: UnfillablePolicy) -> Bench {
        Bench::on(Exchange::new(config(unfillable)).expect("good configuration"))
    }

    fn on(mut exchange: Exchange) -> Bench {
        let fees = FeeRates { maker: dec("0.001"), taker: dec("0.002") };
        let [alice, bob] =
            [(1, "alice"), (2, "bob")].map(|(user, name)| exchange.add_account(user, name, fees).expect("new user"));
        for account in [alice, bob] {
            for (asset, amount) in [(USDT, "100000"), (BTC, "10")] {
                exchange.deposit(1, account, asset, dec(amount)).expect("deposit");
            }
        }
        exchange.take_events();
        Bench { exchange, alice, bob, t_ns: 1 }
    }

    fn order(&self, account: AccountId, side: Side, price: &str, amount: &str, time_in_force: TimeInForce) -> NewOrder {
        NewOrder {
            account,
            pair: BTC_USDT,
            side,
            kind: OrderKind::Limit,
            time_in_force,
            price: dec(price),
            amount: dec(amount),
            text: None,
        }
    }

    #[track_caller]
    fn place(&mut self, order: NewOrder) -> Result<OrderId, Reject> {
        self.t_ns += 1;
        let placed = self.exchange.place(self.t_ns, order);
        assert_eq!(self.exchange.conservation_check(), Ok(()));
        placed
    }

    #[track_caller]
    fn gtc(&mut self, account: AccountId, side: Side, price: &str, amount: &str) -> OrderId {
        self.place(self.order(account, side, price, amount, TimeInForce::Gtc)).expect("accepted")
    }

    #[track_caller]
    fn check_balance(&self, account: AccountId, asset: AssetId, available: &str, locked: &str) {
        let balance = self.exchange.balance(account, asset);
        assert_eq!((balance.available, balance.locked), (dec(available), dec(locked)));
    }

    fn ended(&self, id: OrderId) -> (Option<FinishReason>, Decimal) {
        let order = self.exchange.order(id).expect("remembered");
        (order.finish(), order.filled_amount)
    }
}

#[test]
fn a_better_price_and_the_remainder_come_back_and_fees_leave_the_received_asset() {
    let mut bench = Bench::new();
    let (alice, bob) = (bench.alice, bench.bob);
    bench.gtc(alice, Side::Sell, "50000.0", "0.1234");
    bench.check_balance(alice, BTC, "9.8766", "0.1234");
    let buy = bench.gtc(bob, Side::Buy, "50010.0", "0.2");
    // Bob held 10002, spent 6170 at Alice's price; 0.0766 × 50010 stays held.
    bench.check_balance(bob, USDT, "89999.234", "3830.766");
    // Taker fee 0.2 % of 0.1234 in BTC, maker fee 0.1 % of 6170 in USDT.
    bench.check_balance(bob, BTC, "10.1231532", "0");
    bench.check_balance(alice, USDT, "106163.83", "0");
    bench.check_balance(alice, BTC, "9.8766", "0");
    let order = bench.exchange.order(buy).expect("open").clone();
    assert_eq!((order.left, order.filled_total, order.fee), (dec("0.0766"), dec("6170"), dec("0.0002468")));
    assert_eq!(order.average_price_rounded_down(4), Some(dec("50000")));
    let ended = bench.exchange.cancel(99, bob, buy).expect("open");
    assert_eq!(
        (ended.status(), ended.finish(), ended.end_t_ns()),
        (OrderStatus::Cancelled, Some(FinishReason::Cancelled), Some(99))
    );
    bench.check_balance(bob, USDT, "93830", "0");
    assert_eq!(bench.exchange.fees_collected(USDT), dec("6.17"));
    assert_eq!(bench.exchange.fees_collected(BTC), dec("0.0002468"));
    assert_eq!(bench.exchange.conservation_check(), Ok(()));
}

#[test]
fn fees_are_rounded_up_at_the_decimals_of_the_received_asset() {
    let mut config = config(UnfillablePolicy::Refuse);
    config.assets[1].decimals = 5;
    let mut exchange = Exchange::new(config).expect("good configuration");
    let buyer = exchange.add_account(1, "buyer", FeeRates { maker: Decimal::ZERO, taker: dec("0.0011") }).expect("new");
    exchange.deposit(0, buyer, USDT, dec("1000")).expect("deposit");
    let order = |account, side| NewOrder {
        account,
        pair: BTC_USDT,
        side,
        kind: OrderKind::Limit,
        time_in_force: TimeInForce::Gtc,
        price: dec("100"),
        amount: dec("0.1234"),
        text: None,
    };
    exchange.place(1, order(AccountId::MARKET, Side::Sell)).expect("market");
    exchange.place(2, order(buyer, Side::Buy)).expect("buyer");
    // 0.1234 × 0.0011 = 0.00013574, up to 0.00014.
    assert_eq!(exchange.balance(buyer, BTC).available, dec("0.12326"));
    assert_eq!(exchange.conservation_check(), Ok(()));
}

#[test]
fn price_comes_before_time_and_time_before_size() {
    let mut bench = Bench::new();
    let (alice, bob) = (bench.alice, bench.bob);
    let late_good = [("101.0", "0.5"), ("100.0", "0.1"), ("100.0", "0.9"), ("99.0", "0.3")]
        .map(|(price, amount)| bench.gtc(alice, Side::Sell, price, amount));
    bench.exchange.take_events();
    bench.gtc(bob, Side::Buy, "100.5", "0.6");
    let fills: Vec<(OrderId, Decimal, Decimal)> = bench
        .exchange
        .take_events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Fill(fill) if fill.role == Role::Maker => Some((fill.order_id, fill.price, fill.amount)),
            _ => None,
        })
        .collect();
    assert_eq!(
        fills,
        vec![
            (late_good[3], dec("99"), dec("0.3")),
            (late_good[1], dec("100"), dec("0.1")),
            (late_good[2], dec("100"), dec("0.2")),
        ]
    );
    let asks = bench.exchange.book(BTC_USDT).top(Side::Sell, 5);
    let level = |price, amount| Level { price: dec(price), amount: dec(amount) };
    assert_eq!(asks, vec![level("100", "0.7"), level("101", "0.5")]);
}

#[test]
fn each_time_in_force_ends_as_it_should() {
    let mut bench = Bench::new();
    let (alice, bob) = (bench.alice, bench.bob);
    bench.gtc(alice, Side::Sell, "100.0", "0.5");
    let place = |bench: &mut Bench, price, amount, tif| bench.place(bench.order(bob, Side::Buy, price, amount, tif));

    assert_eq!(place(&mut bench, "100.0", "0.6", TimeInForce::Fok), Err(Reject::FokNotFilled));
    assert_eq!(place(&mut bench, "100.0", "0.1", TimeInForce::Poc), Err(Reject::PostOnlyWouldTake));
    let fok = place(&mut bench, "100.0", "0.1", TimeInForce::Fok).expect("filled");
    assert_eq!(bench.ended(fok), (Some(FinishReason::Filled), dec("0.1")));
    let ioc = place(&mut bench, "100.0", "0.6", TimeInForce::Ioc).expect("partly filled");
    assert_eq!(bench.ended(ioc), (Some(FinishReason::Ioc), dec("0.4")));
    assert_eq!(bench.exchange.order(ioc).map(Order::status), Some(OrderStatus::Cancelled));
    let ioc_nothing = place(&mut bench, "99.0", "0.6", TimeInForce::Ioc).expect("accepted");
    assert_eq!(bench.ended(ioc_nothing), (Some(FinishReason::Ioc), Decimal::ZERO));
    let poc = place(&mut bench, "99.0", "0.1", TimeInForce::Poc).expect("rests");
    assert_eq!(bench.ended(poc), (None, Decimal::ZERO));
    bench.check_balance(bob, USDT, "99940.1", "9.9");
}

#[test]
fn unfillable_orders_may_also_end_as_poc_and_fok() {
    let mut bench = Bench::with(UnfillablePolicy::AcceptThenCancel);
    let (alice, bob) = (bench.alice, bench.bob);
    bench.gtc(alice, Side::Sell, "100.0", "0.5");
    for (tif, reason) in [(TimeInForce::Poc, FinishReason::Poc), (TimeInForce::Fok, FinishReason::Fok)] {
        let id = bench.place(bench.order(bob, Side::Buy, "100.0", "0.6", tif)).expect("accepted");
        assert_eq!(bench.ended(id), (Some(reason), Decimal::ZERO));
    }
    bench.check_balance(bob, USDT, "100000", "0");
}

#[test]
fn market_orders_spend_quote_or_sell_base() {
    let mut bench = Bench::new();
    let (alice, bob) = (bench.alice, bench.bob);
    let market =
        |bench: &Bench, side, amount: &str, tif| NewOrder { kind: OrderKind::Market, ..bench.order(bob, side, "0", amount, tif) };
    let empty = market(&bench, Side::Buy, "10", TimeInForce::Ioc);
    assert_eq!(bench.place(empty), Err(Reject::NoLiquidity));
    bench.gtc(alice, Side::Sell, "300.0", "0.5");
    let buy = market(&bench, Side::Buy, "10", TimeInForce::Ioc);
    let buy = bench.place(buy).expect("filled");
    // 10 / 300 = 0.0333; the residue of 0.01 comes back.
    let order = bench.exchange.order(buy).expect("remembered");
    assert_eq!((order.filled_amount, order.filled_total, order.left), (dec("0.0333"), dec("9.99"), dec("0.01")));
    assert_eq!(order.status(), OrderStatus::Closed);
    bench.check_balance(bob, USDT, "99990.01", "0");
    bench.gtc(alice, Side::Buy, "200.0", "0.1");
    let sell = market(&bench, Side::Sell, "0.3", TimeInForce::Ioc);
    let sell = bench.place(sell).expect("partly filled");
    assert_eq!(bench.ended(sell), (Some(FinishReason::Ioc), dec("0.1")));
    let gtc = market(&bench, Side::Sell, "0.3", TimeInForce::Gtc);
    assert_eq!(bench.place(gtc), Err(Reject::BadTimeInForce));
}

#[test]
fn own_orders_never_meet() {
    let mut bench = Bench::new();
    let (alice, bob) = (bench.alice, bench.bob);
    bench.gtc(bob, Side::Sell, "99.0", "0.1");
    let own = bench.gtc(alice, Side::Sell, "100.0", "0.5");
    bench.gtc(bob, Side::Sell, "100.0", "0.5");
    let newest = bench.gtc(alice, Side::Buy, "100.0", "0.5");
    assert_eq!(bench.ended(newest), (Some(FinishReason::SelfTrade), dec("0.1")));
    assert_eq!(bench.ended(own), (None, Decimal::ZERO));
    bench.check_balance(alice, USDT, "99990.1", "0");
    let fok = bench.order(alice, Side::Buy, "100.0", "0.3", TimeInForce::Fok);
    assert_eq!(bench.place(fok), Err(Reject::FokNotFilled));
}

#[test]
fn each_refusal_is_typed_and_changes_nothing() {
    let mut bench = Bench::new();
    let (alice, bob) = (bench.alice, bench.bob);
    bench.gtc(alice, Side::Sell, "50000.0", "1");
    let resting = bench.gtc(alice, Side::Buy, "40000.0", "0.1");
    let fine = bench.order(bob, Side::Buy, "49000.0", "0.1", TimeInForce::Gtc);
    let (price, amount) =
        (|text| NewOrder { price: dec(text), ..fine.clone() }, |text| NewOrder { amount: dec(text), ..fine.clone() });
    let rows = [
        (NewOrder { pair: PairId(9), ..fine.clone() }, Reject::UnknownPair),
        (NewOrder { account: AccountId(9), ..fine.clone() }, Reject::UnknownAccount),
        (price("0"), Reject::BadPrice),
        (price("-1"), Reject::BadPrice),
        (price("79228162514264337593543950335"), Reject::BadPrice),
        (amount("0"), Reject::BadAmount),
        (amount("-0.1"), Reject::BadAmount),
        (price("49000.01"), Reject::BadPrecision { field: PrecisionField::Price, decimals: 1 }),
        (amount("0.00101"), Reject::BadPrecision { field: PrecisionField::Amount, decimals: 4 }),
        (amount("0.0009"), Reject::TooSmall { min: dec("0.001") }),
        (NewOrder { price: dec("100"), amount: dec("0.0299"), ..fine.clone() }, Reject::TooSmallNotional { min: dec("3") }),
        (amount("100.0001"), Reject::TooLarge { max: dec("100") }),
        (amount("90"), Reject::TooLargeNotional { max: dec("1000000") }),
        (amount("2.0409"), Reject::BalanceNotEnough),
        (NewOrder { side: Side::Sell, price: dec("51000"), amount: dec("10.0001"), ..fine.clone() }, Reject::BalanceNotEnough),
        (NewOrder { price: dec("50000"), time_in_force: TimeInForce::Poc, ..fine.clone() }, Reject::PostOnlyWouldTake),
        (NewOrder { time_in_force: TimeInForce::Fok, ..fine.clone() }, Reject::FokNotFilled),
    ];
    bench.exchange.take_events();
    let before = format!("{:?}", bench.exchange);
    for (order, reject) in rows {
        assert_eq!(bench.exchange.place(50, order), Err(reject));
    }
    assert_eq!(bench.exchange.cancel(50, bob, resting), Err(Reject::OrderNotFound));
    assert_eq!(bench.exchange.cancel(50, alice, OrderId(1)), Err(Reject::OrderNotFound));
    assert_eq!(bench.exchange.deposit(50, bob, USDT, Decimal::ZERO), Err(Reject::BadAmount));
    assert_eq!(
        bench.exchange.deposit(50, bob, USDT, dec("0.000000001")),
        Err(Reject::BadPrecision { field: PrecisionField::Amount, decimals: 8 })
    );
    assert_eq!(bench.exchange.deposit(50, bob, USDT, Decimal::MAX), Err(Reject::NotRepresentable));
    assert_eq!(bench.exchange.deposit(50, bob, AssetId(9), Decimal::ONE), Err(Reject::UnknownAsset));
    assert_eq!(format!("{:?}", bench.exchange), before);

    bench.exchange.cancel(51, alice, resting).expect("open");
    assert_eq!(bench.exchange.cancel(52, alice, resting), Err(Reject::OrderClosed));
    for (status, side, accepted) in [
        (TradeStatus::Untradable, Side::Buy, false),
        (TradeStatus::Untradable, Side::Sell, false),
        (TradeStatus::Buyable, Side::Buy, true),
        (TradeStatus::Buyable, Side::Sell, false),
        (TradeStatus::Sellable, Side::Buy, false),
        (TradeStatus::Sellable, Side::Sell, true),
    ] {
        bench.exchange.set_trade_status(BTC_USDT, status);
        let price = if side == Side::Buy { "100" } else { "60000" };
        let placed = bench.place(bench.order(bob, side, price, "0.1", TimeInForce::Gtc));
        assert_eq!(placed == Err(Reject::PairNotTradable), !accepted, "{status:?} {side:?}");
    }
}

#[test]
fn bad_configurations_are_refused_by_name() {
    let refused = |change: fn(&mut ExchangeConfig)| {
        let mut config = config(UnfillablePolicy::Refuse);
        change(&mut config);
        Exchange::new(config).map(|_| ()).expect_err("bad configuration").to_string()
    };
    assert_eq!(refused(|c| c.assets[0].decimals = 19), "USDT has 19 decimals, 18 is the most");
    assert_eq!(refused(|c| c.assets[0].decimals = 4), "BTC_USDT has 5 decimals, 4 is the most");
    assert_eq!(refused(|c| c.pairs[1].amount_precision = 9), "ETH_USDT has 9 decimals, 8 is the most");
    assert_eq!(refused(|c| c.pairs[1].base = "DOGE".to_owned()), "ETH_USDT names the unknown asset DOGE");
    assert_eq!(refused(|c| c.assets[1].name = "USDT".to_owned()), "name \"USDT\" is empty or given twice");
    let mut exchange = Exchange::new(config(UnfillablePolicy::Refuse)).expect("good");
    let bad_rate = exchange.add_account(1, "a", FeeRates { maker: dec("-0.1"), taker: Decimal::ZERO });
    assert!(bad_rate.is_err());
    assert_eq!(exchange.add_account(0, "a", FeeRates::ZERO), Err(ConfigError::DuplicateUser(0)));
}

#[test]
fn a_text_may_repeat_and_the_later_order_shadows_the_earlier() {
    let mut bench = Bench::new();
    let alice = bench.alice;
    let with_text = |bench: &mut Bench, price| {
        let order = bench.order(alice, Side::Buy, price, "0.1", TimeInForce::Gtc);
        bench.place(NewOrder { text: Some("t-1".to_owned()), ..order }).expect("accepted")
    };
    let (first, second) = (with_text(&mut bench, "100.0"), with_text(&mut bench, "101.0"));
    assert!(first < second);
    assert_eq!(bench.exchange.order_by_text(alice, "t-1").map(|order| order.id), Some(second));
    assert_eq!(bench.exchange.order_by_text(bench.bob, "t-1"), None);
    assert_eq!(bench.exchange.open_orders(alice, None).count(), 2);
    assert_eq!(bench.exchange.cancel_all(5, alice, Some(BTC_USDT), Some(Side::Sell)), vec![]);
    assert_eq!(bench.exchange.cancel_all(5, alice, None, None), vec![first, second]);
}

#[test]
fn history_is_filtered_paged_and_bounded() {
    let mut bench = Bench::new();
    let (alice, bob) = (bench.alice, bench.bob);
    let mut buys = Vec::new();
    for round in 0..7 {
        bench.gtc(alice, Side::Sell, "100.0", "0.1");
        let order = bench.order(bob, Side::Buy, "100.0", "0.1", TimeInForce::Ioc);
        buys.push(bench.place(NewOrder { text: Some(format!("t-{round}")), ..order }).expect("accepted"));
    }
    let ids = |filter: OrderFilter| -> Vec<OrderId> {
        bench.exchange.finished_orders(bob, &filter).iter().map(|order| order.id).collect()
    };
    assert_eq!(ids(OrderFilter::default()), buys[2..].iter().rev().copied().collect::<Vec<_>>());
    assert_eq!(ids(OrderFilter { limit: 2, page: 2, ..OrderFilter::default() }), vec![buys[4], buys[3]]);
    assert_eq!(ids(OrderFilter { side: Some(Side::Sell), ..OrderFilter::default() }), vec![]);
    assert_eq!(ids(OrderFilter { from_t_ns: Some(bench.t_ns), ..OrderFilter::default() }), vec![buys[6]]);
    assert_eq!(bench.exchange.order(buys[0]), None);
    assert_eq!(bench.exchange.order_by_text(bob, "t-0"), None);
    assert!(bench.exchange.order_by_text(bob, "t-6").is_some());

    let trades = bench.exchange.trades(bob, &TradeFilter::default());
    assert_eq!(trades.len(), 5);
    let newest = trades[0].trade_id;
    let count = |filter: TradeFilter| bench.exchange.trades(bob, &filter).len();
    assert_eq!(count(TradeFilter { order_id: Some(buys[5]), ..TradeFilter::default() }), 1);
    assert_eq!(count(TradeFilter { since_id: Some(TradeId(newest.0 - 2)), ..TradeFilter::default() }), 2);
    assert_eq!(count(TradeFilter { pair: Some(PairId(1)), ..TradeFilter::default() }), 0);
    assert_eq!(count(TradeFilter { to_t_ns: Some(trades[2].t_ns), ..TradeFilter::default() }), 3);
    assert_eq!(bench.exchange.public_trades(BTC_USDT).map(|trade| trade.sequence_id).collect::<Vec<_>>(), vec![5, 6, 7]);
}

#[test]
fn events_of_an_order_that_rests_and_is_taken() {
    let mut bench = Bench::new();
    let (alice, bob) = (bench.alice, bench.bob);
    bench.gtc(alice, Side::Sell, "100.0", "0.5");
    let order = bench.order(bob, Side::Buy, "100.0", "0.2", TimeInForce::Ioc);
    bench.place(order).expect("filled");
    let told: Vec<String> = bench
        .exchange
        .take_events()
        .iter()
        .map(|event| match event {
            Event::Book(change) => format!("book {} {:?} {} {}", change.id, change.side, change.price, change.amount.normalize()),
            Event::Order(event) => {
                format!("order {} {:?} left {}", event.order.account.index(), event.kind, event.order.left.normalize())
            }
            Event::Fill(fill) => format!("fill {} {:?} fee {}", fill.account.index(), fill.role, fill.fee.normalize()),
            Event::Trade(trade) => format!("trade {:?} {}", trade.taker_side, trade.amount.normalize()),
            Event::Balance(b) => format!(
                "balance {} {} {:?} {} locked {}",
                b.account.index(),
                b.asset.index(),
                b.reason,
                b.change.normalize(),
                b.locked_change.normalize()
            ),
        })
        .collect();
    assert_eq!(
        told,
        vec![
            "book 7001 Sell 100.0 0.5",
            "order 1 Put left 0.5",
            "balance 1 1 OrderCreate 0 locked 0.5",
            "book 7002 Sell 100.0 0.3",
            "trade Buy 0.2",
            "fill 2 Taker fee 0.0004",
            "fill 1 Maker fee 0.02",
            "order 1 Update left 0.3",
            "order 2 Finish left 0",
            "balance 2 0 OrderCreate 0 locked 20",
            "balance 2 0 OrderMatch -20 locked -20",
            "balance 2 1 OrderMatch 0.2 locked 0",
            "balance 2 1 Fee -0.0004 locked 0",
            "balance 1 1 OrderMatch -0.2 locked -0.2",
            "balance 1 0 OrderMatch 20 locked 0",
            "balance 1 0 Fee -0.02 locked 0",
        ]
    );
}

// Random sessions.

#[derive(Clone, Debug)]
enum Act {
    Place { who: u32, side: Side, ticks: u64, units: u64, tif: TimeInForce },
    Cancel { who: u32, nth: usize },
    Market { who: u32, side: Side, units: u64 },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let side = prop_oneof![Just(Side::Buy), Just(Side::Sell)];
    let tif = prop_oneof![4 => Just(TimeInForce::Gtc), 2 => Just(TimeInForce::Ioc), 1 => Just(TimeInForce::Fok), 1 => Just(TimeInForce::Poc)];
    let place = (0u32..4, side.clone(), 995u64..1006, 400u64..20_000, tif)
        .prop_map(|(who, side, ticks, units, tif)| Act::Place { who, side, ticks, units, tif });
    let cancel = (0u32..4, 0usize..6).prop_map(|(who, nth)| Act::Cancel { who, nth });
    let market = (1u32..4, side, 400u64..20_000).prop_map(|(who, side, units)| {
        // A market buy counts quote: a hundred times as much.
        Act::Market { who, side, units: if side == Side::Buy { units * 100 } else { units } }
    });
    prop::collection::vec(prop_oneof![6 => place, 2 => cancel, 1 => market], 1..120)
}

/// The same matching written the naive way: one list, searched each time, whole numbers.
#[derive(Default)]
struct Naive {
    resting: Vec<(OrderId, u32, Side, u64, u64)>,
}

impl Naive {
    /// What a limit order trades with: maker and units; the rest, and whether it met its own account.
    fn matches(&self, who: u32, side: Side, ticks: u64, units: u64) -> (Vec<(OrderId, u64)>, u64, bool) {
        let mut makers: Vec<_> = self.resting.iter().filter(|order| order.2 != side).collect();
        makers.sort_by_key(|order| (if side == Side::Buy { order.3 } else { u64::MAX - order.3 }, order.0));
        let (mut left, mut fills) = (units, Vec::new());
        for (id, owner, _, price, size) in makers {
            let crosses = if side == Side::Buy { *price <= ticks } else { *price >= ticks };
            if !crosses || left == 0 {
                break;
            }
            if *owner == who {
                return (fills, left, true);
            }
            let traded = left.min(*size);
            left -= traded;
            fills.push((*id, traded));
        }
        (fills, left, false)
    }

    fn take(&mut self, fills: &[(OrderId, u64)]) {
        for (id, units) in fills {
            if let Some(order) = self.resting.iter_mut().find(|order| order.0 == *id) {
                order.4 -= units;
            }
        }
        self.resting.retain(|order| order.4 > 0);
    }
}

fn units_of(amount: Decimal) -> u64 {
    exact::to_units(amount, 4).expect("amounts have four decimals")
}

/// Facts that hold between any two acts.
fn check_state(exchange: &Exchange) {
    assert_eq!(exchange.conservation_check(), Ok(()));
    for (pair, _) in exchange.pairs() {
        assert!(exchange.book(pair).is_uncrossed());
    }
    for account in exchange.accounts().filter(|account| account.id != AccountId::MARKET) {
        for (asset, balance) in exchange.balances(account.id) {
            assert!(balance.available >= Decimal::ZERO && balance.locked >= Decimal::ZERO);
            let held = |order: &&Order| {
                let pair = exchange.pair(order.pair);
                asset == if order.side == Side::Buy { pair.quote } else { pair.base }
            };
            let locked: Decimal = exchange.open_orders(account.id, None).filter(held).map(|order| order.locked).sum();
            assert_eq!(balance.locked, locked, "locked is the sum of the holds");
            for order in exchange.open_orders(account.id, None) {
                let hold = if order.side == Side::Buy { order.price * order.left } else { order.left };
                assert_eq!(order.locked, hold);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_sessions_keep_every_promise(acts in acts()) {
        let mut exchange = Exchange::new(config(UnfillablePolicy::Refuse)).expect("good configuration");
        for (user, maker, taker) in [(1, "0", "0.00075"), (2, "0.001", "0.002"), (3, "0.00033", "0.00129")] {
            let fees = FeeRates { maker: dec(maker), taker: dec(taker) };
            let account = exchange.add_account(user, "user", fees).expect("new user");
            exchange.deposit(0, account, USDT, dec("400")).expect("deposit");
            exchange.deposit(0, account, BTC, dec("4")).expect("deposit");
        }
        let mut naive = Naive::default();
        let mut replayed_book: BTreeMap<(Side, u64), u64> = BTreeMap::new();
        let mut replayed_balances: BTreeMap<(AccountId, AssetId), (Decimal, Decimal, u64)> = BTreeMap::new();
        let mut last_book_id = 7_000;
        let mut last_trade_id = 0;

        for (step, act) in acts.iter().enumerate() {
            let t_ns = step as u64 + 1;
            let mut expected: Option<Vec<(OrderId, u64)>> = None;
            match act {
                Act::Place { who, side, ticks, units, tif } => {
                    let (account, ticks, units) = (AccountId(*who), *ticks, *units);
                    let order = NewOrder {
                        account, pair: BTC_USDT, side: *side, kind: OrderKind::Limit, time_in_force: *tif,
                        price: exact::from_units(ticks, 1), amount: exact::from_units(units, 4), text: None,
                    };
                    let (fills, left, own) = naive.matches(*who, *side, ticks, units);
                    let would_take = naive.resting.iter().any(|o| o.2 != *side
                        && if *side == Side::Buy { o.3 <= ticks } else { o.3 >= ticks });
                    match exchange.place(t_ns, order) {
                        Ok(id) => {
                            prop_assert!(*tif != TimeInForce::Poc || !would_take);
                            prop_assert!(*tif != TimeInForce::Fok || left == 0);
                            naive.take(&fills);
                            if left > 0 && !own && matches!(tif, TimeInForce::Gtc | TimeInForce::Poc) {
                                naive.resting.push((id, *who, *side, ticks, left));
                            }
                            expected = Some(fills);
                        }
                        Err(Reject::PostOnlyWouldTake) => prop_assert!(*tif == TimeInForce::Poc && would_take),
                        Err(Reject::FokNotFilled) => prop_assert!(*tif == TimeInForce::Fok && (left > 0 || own)),
                        Err(reject) => prop_assert!(reject == Reject::BalanceNotEnough && *who != 0, "{reject}"),
                    }
                }
                Act::Cancel { who, nth } => {
                    let mine: Vec<OrderId> = naive.resting.iter().filter(|o| o.1 == *who).map(|o| o.0).collect();
                    if let Some(id) = mine.get(*nth) {
                        prop_assert!(exchange.cancel(t_ns, AccountId(*who), *id).is_ok());
                        naive.resting.retain(|order| order.0 != *id);
                    }
                }
                Act::Market { who, side, units } => {
                    let order = NewOrder {
                        account: AccountId(*who), pair: BTC_USDT, side: *side, kind: OrderKind::Market,
                        time_in_force: TimeInForce::Ioc, price: Decimal::ZERO, amount: exact::from_units(*units, 4), text: None,
                    };
                    // A market sell is a limit sell at the lowest price; a buy in quote is judged by the books alone.
                    let (fills, ..) = naive.matches(*who, *side, 1, *units);
                    if exchange.place(t_ns, order).is_ok() && *side == Side::Sell {
                        naive.take(&fills);
                        expected = Some(fills);
                    }
                }
            }
            let mut takes: Vec<(Side, u64, u64)> = Vec::new();
            for event in exchange.take_events() {
                match event {
                    Event::Book(change) => {
                        prop_assert_eq!(change.id, last_book_id + 1, "ids have no holes");
                        last_book_id = change.id;
                        let key = (change.side, exact::to_units(change.price, 1).expect("tick"));
                        replayed_book.insert(key, units_of(change.amount));
                    }
                    Event::Trade(trade) => {
                        prop_assert!(trade.trade_id.0 > last_trade_id);
                        last_trade_id = trade.trade_id.0;
                        takes.push((trade.taker_side, exact::to_units(trade.price, 1).expect("tick"), units_of(trade.amount)));
                    }
                    Event::Balance(b) => {
                        let entry = replayed_balances.entry((b.account, b.asset)).or_default();
                        entry.0 += b.change;
                        entry.1 += b.locked_change;
                        entry.2 += 1;
                        prop_assert_eq!((b.total, b.locked, b.update_id), *entry, "changes sum to what is told");
                    }
                    Event::Order(_) | Event::Fill(_) => {}
                }
            }
            if let Some(fills) = expected {
                prop_assert_eq!(takes.iter().map(|take| take.2).collect::<Vec<_>>(),
                    fills.iter().map(|fill| fill.1).collect::<Vec<_>>(), "the naive matcher trades the same");
            } else if let Act::Market { who, side: Side::Buy, .. } = act {
                // Follow what the exchange did, in priority order.
                let total: u64 = takes.iter().map(|take| take.2).sum();
                let (fills, ..) = naive.matches(*who, Side::Buy, u64::MAX, total);
                prop_assert_eq!(fills.iter().map(|fill| fill.1).sum::<u64>(), total);
                naive.take(&fills);
            }
            replayed_book.retain(|_, units| *units > 0);
            let mut naive_book: BTreeMap<(Side, u64), u64> = BTreeMap::new();
            for order in &naive.resting {
                *naive_book.entry((order.2, order.3)).or_default() += order.4;
            }
            prop_assert_eq!(&replayed_book, &naive_book, "the changes rebuild the book");
            let told: BTreeMap<(Side, u64), u64> = [Side::Buy, Side::Sell].into_iter()
                .flat_map(|side| exchange.book(BTC_USDT).levels(side).map(move |level| (side, level)))
                .map(|(side, level)| ((side, exact::to_units(level.price, 1).expect("tick")), units_of(level.amount)))
                .collect();
            prop_assert_eq!(&told, &naive_book, "snapshots are the book");
            check_state(&exchange);
        }
        for ((account, asset), (total, locked, update_id)) in replayed_balances {
            let balance = exchange.balance(account, asset);
            prop_assert_eq!((balance.available + balance.locked, balance.locked, balance.update_id), (total, locked, update_id));
        }
    }
}
