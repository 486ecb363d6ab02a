//! Rules beside matching: fees in GT and points, self-trade groups, slippage, price band, opening times, the dead-man switch.

use super::*;

const GT: AssetId = AssetId(3);
const POINT: AssetId = AssetId(4);

/// The usual bench with GT and points listed, of which Bob has some.
fn bench_with_deductions(gt: &str, points: &str, change: impl FnOnce(&mut ExchangeConfig)) -> Bench {
    let mut config = config(UnfillablePolicy::Refuse);
    for (name, decimals) in [("GT", 6), ("POINT", 4)] {
        config.assets.push(AssetConfig { name: name.to_owned(), decimals });
    }
    change(&mut config);
    let mut bench = Bench::on(Exchange::new(config).expect("good configuration"));
    for (asset, amount) in [(GT, gt), (POINT, points)] {
        bench.exchange.deposit(1, bench.bob, asset, dec(amount)).expect("deposit");
    }
    bench.exchange.take_events();
    bench
}

#[test]
fn gt_pays_at_its_rate_as_long_as_it_lasts() {
    let mut bench = bench_with_deductions("0.003", "1", |_| {});
    let (alice, bob) = (bench.alice, bench.bob);
    bench.exchange.set_fee_debit(bob, FeeDebit::Gt);
    bench.gtc(alice, Side::Sell, "100.0", "0.3");
    let first = bench.place(bench.order(bob, Side::Buy, "100.0", "0.1", TimeInForce::Ioc)).expect("filled");
    // 10 USDT at 0.2 % × 0.9 = 0.018 USDT, at 8 USDT a GT: 0.00225 GT.
    let order = bench.exchange.order(first).expect("remembered").clone();
    assert_eq!((order.fee, order.gt_fee, order.point_fee), (dec("0"), dec("0.00225"), dec("0")));
    bench.check_balance(bob, BTC, "10.1", "0");
    bench.check_balance(bob, GT, "0.00075", "0");
    assert_eq!(bench.exchange.fees_collected(GT), dec("0.00225"));
    let second = bench.place(bench.order(bob, Side::Buy, "100.0", "0.1", TimeInForce::Ioc)).expect("filled");
    let order = bench.exchange.order(second).expect("remembered").clone();
    assert_eq!((order.fee, order.gt_fee), (dec("0.0002"), dec("0")), "too little GT: the received asset pays");
    bench.check_balance(bob, GT, "0.00075", "0");
    let fills = bench.exchange.trades(bob, &TradeFilter::default());
    assert_eq!(
        fills.iter().map(|fill| (fill.fee, fill.gt_fee)).collect::<Vec<_>>(),
        [(dec("0.0002"), dec("0")), (dec("0"), dec("0.00225"))]
    );
    assert_eq!(bench.exchange.conservation_check(), Ok(()));
}

#[test]
fn fees_in_other_assets_round_up_twice_and_only_where_they_must() {
    let mut bench = bench_with_deductions("1", "1", |config| config.deduction.gt_prices = vec![("USDT".to_owned(), dec("7"))]);
    let (alice, bob) = (bench.alice, bench.bob);
    bench.exchange.set_fee_debit(bob, FeeDebit::Gt);
    bench.gtc(alice, Side::Sell, "100.0", "0.1");
    let order = bench.place(bench.order(bob, Side::Buy, "100.0", "0.1", TimeInForce::Ioc)).expect("filled");
    // 0.018 USDT / 7 = 0.00257142…, up at six decimals.
    assert_eq!(bench.exchange.order(order).map(|order| order.gt_fee), Some(dec("0.002572")));
    assert_eq!(bench.exchange.conservation_check(), Ok(()));
}

#[test]
fn points_pay_the_whole_fee_and_makers_too() {
    let mut bench = bench_with_deductions("1", "0.5", |_| {});
    let (alice, bob) = (bench.alice, bench.bob);
    bench.exchange.set_fee_debit(bob, FeeDebit::Points);
    let maker = bench.gtc(bob, Side::Sell, "100.0", "0.1");
    bench.gtc(alice, Side::Buy, "100.0", "0.1");
    let order = bench.exchange.order(maker).expect("remembered").clone();
    assert_eq!((order.fee, order.gt_fee, order.point_fee), (dec("0"), dec("0"), dec("0.01")));
    bench.check_balance(bob, POINT, "0.49", "0");
    bench.check_balance(bob, USDT, "100010", "0");
    assert_eq!(bench.exchange.conservation_check(), Ok(()));
}

#[test]
fn a_quote_without_a_price_pays_in_the_received_asset() {
    let mut bench = bench_with_deductions("1", "1", |config| config.deduction.gt_prices = Vec::new());
    let (alice, bob) = (bench.alice, bench.bob);
    bench.exchange.set_fee_debit(bob, FeeDebit::Gt);
    bench.gtc(alice, Side::Sell, "100.0", "0.1");
    let order = bench.place(bench.order(bob, Side::Buy, "100.0", "0.1", TimeInForce::Ioc)).expect("filled");
    assert_eq!(bench.exchange.order(order).map(|order| order.fee), Some(dec("0.0002")));
}

#[test]
fn self_trade_groups_cancel_whom_the_order_says() {
    let rows = [
        (None, Some(FinishReason::SelfTrade), "0", None),
        (Some(StpAct::CancelNewest), Some(FinishReason::SelfTrade), "0", None),
        (Some(StpAct::CancelOldest), None, "0.2", Some(FinishReason::SelfTrade)),
        (Some(StpAct::CancelBoth), Some(FinishReason::SelfTrade), "0", Some(FinishReason::SelfTrade)),
    ];
    for (act, taker_end, taker_filled, maker_end) in rows {
        let mut bench = Bench::new();
        let (alice, bob) = (bench.alice, bench.bob);
        let carol = bench.exchange.add_account(3, "carol", FeeRates::ZERO).expect("new user");
        bench.exchange.deposit(1, carol, BTC, dec("5")).expect("deposit");
        for member in [alice, bob] {
            bench.exchange.set_stp_group(member, Some(77));
        }
        let maker = bench.gtc(alice, Side::Sell, "100.0", "0.5");
        bench.gtc(carol, Side::Sell, "101.0", "0.2");
        let order = bench.order(bob, Side::Buy, "101.0", "0.5", TimeInForce::Gtc);
        bench.t_ns += 1;
        let options = PlaceOptions { stp_act: act, ..PlaceOptions::default() };
        let taker = bench.exchange.place_with(bench.t_ns, order, options).expect("accepted");
        assert_eq!(bench.ended(taker), (taker_end, dec(taker_filled)), "{act:?}");
        assert_eq!(bench.ended(maker).0, maker_end, "{act:?}");
        let stp = bench.exchange.order(taker).and_then(|order| order.stp);
        assert_eq!(stp, Some((77, act.unwrap_or(StpAct::CancelNewest))));
        check_state(&bench.exchange);
    }
    let mut bench = Bench::new();
    let order = bench.order(bench.bob, Side::Buy, "101.0", "0.5", TimeInForce::Gtc);
    let options = PlaceOptions { stp_act: Some(StpAct::CancelOldest), ..PlaceOptions::default() };
    assert_eq!(bench.exchange.place_with(5, order, options), Err(Reject::NoStpGroup));
}

#[test]
fn slippage_ends_a_market_order_at_its_bound() {
    let mut bench = bench_with_deductions("1", "1", |config| config.pairs[0].slippage_max = Some(dec("0.05")));
    let (alice, bob) = (bench.alice, bench.bob);
    for (price, amount) in [("100.0", "0.1"), ("101.0", "0.1"), ("102.0", "0.1")] {
        bench.gtc(alice, Side::Sell, price, amount);
    }
    let market = |bench: &Bench, amount: &str| NewOrder {
        kind: OrderKind::Market,
        ..bench.order(bob, Side::Buy, "0", amount, TimeInForce::Ioc)
    };
    let with = |slippage: &str| PlaceOptions { slippage: Some(dec(slippage)), ..PlaceOptions::default() };
    let order = market(&bench, "50");
    let id = bench.exchange.place_with(9, order.clone(), with("0.01")).expect("accepted");
    assert_eq!(bench.ended(id), (Some(FinishReason::PriceProtect), dec("0.2")));
    assert_eq!(bench.exchange.place_with(9, order, with("0.06")), Err(Reject::BadSlippage));
    let limit = bench.order(bob, Side::Buy, "100.0", "0.1", TimeInForce::Ioc);
    assert_eq!(bench.exchange.place_with(9, limit, with("0.01")), Err(Reject::BadSlippage));
    check_state(&bench.exchange);
}

fn iceberg(bench: &mut Bench, account: AccountId, price: &str, amount: &str, tip: &str) -> Result<OrderId, Reject> {
    let order = bench.order(account, Side::Sell, price, amount, TimeInForce::Gtc);
    bench.t_ns += 1;
    bench.exchange.place_with(bench.t_ns, order, PlaceOptions { iceberg: dec(tip), ..PlaceOptions::default() })
}

#[test]
fn an_iceberg_shows_its_tip_and_goes_behind_with_each_next_one() {
    let mut bench = Bench::new();
    let (alice, bob) = (bench.alice, bench.bob);
    assert_eq!(iceberg(&mut bench, alice, "100.0", "0.5", "0.6"), Err(Reject::BadIceberg));
    let too_fine = Err(Reject::BadPrecision { field: PrecisionField::Amount, decimals: 4 });
    assert_eq!(iceberg(&mut bench, alice, "100.0", "0.5", "0.00001"), too_fine);
    let ice = iceberg(&mut bench, alice, "100.0", "0.5", "0.2").expect("accepted");
    let plain = bench.gtc(alice, Side::Sell, "100.0", "0.3");
    let shown = |bench: &Bench| bench.exchange.book(BTC_USDT).level(Side::Sell, dec("100"));
    assert_eq!(shown(&bench), dec("0.5"));
    bench.check_balance(alice, BTC, "9.2", "0.8");
    bench.exchange.take_events();
    bench.place(bench.order(bob, Side::Buy, "100.0", "0.55", TimeInForce::Ioc)).expect("filled");
    let fills: Vec<(OrderId, Decimal, Decimal)> = bench
        .exchange
        .take_events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Fill(fill) if fill.role == Role::Maker => Some((fill.order_id, fill.amount, fill.fee)),
            _ => None,
        })
        .collect();
    // The next tip waits behind the plain order, and pays 0.2 % instead of 0.1 %.
    let expected = [(ice, dec("0.2"), dec("0.02")), (plain, dec("0.3"), dec("0.03")), (ice, dec("0.05"), dec("0.01"))];
    assert_eq!(fills, expected);
    assert_eq!(shown(&bench), dec("0.15"));
    check_state(&bench.exchange);
    let all = bench.place(bench.order(bob, Side::Buy, "100.0", "0.25", TimeInForce::Fok)).expect("hidden parts count");
    assert_eq!(bench.ended(all), (Some(FinishReason::Filled), dec("0.25")));
    assert_eq!(bench.ended(ice), (Some(FinishReason::Filled), dec("0.5")));
    assert_eq!(bench.exchange.book(BTC_USDT).depth(Side::Sell), 0);
    check_state(&bench.exchange);
}

#[test]
fn an_amended_or_cancelled_iceberg_takes_its_hidden_part_along() {
    let mut bench = Bench::new();
    let alice = bench.alice;
    let ice = iceberg(&mut bench, alice, "100.0", "0.5", "0.2").expect("accepted");
    let shown = |bench: &Bench, price| bench.exchange.book(BTC_USDT).level(Side::Sell, dec(price));
    let amend = |price: Option<&str>, amount: Option<&str>, bench: &mut Bench| {
        let amendment = Amendment { price: price.map(dec), amount: amount.map(dec), text: None };
        bench.exchange.amend(50, alice, ice, amendment).expect("open");
        check_state(&bench.exchange);
    };
    amend(None, Some("0.3"), &mut bench);
    assert_eq!(shown(&bench, "100"), dec("0.2"));
    amend(None, Some("0.15"), &mut bench);
    assert_eq!(shown(&bench, "100"), dec("0.15"));
    amend(Some("101"), Some("0.9"), &mut bench);
    assert_eq!((shown(&bench, "100"), shown(&bench, "101")), (dec("0"), dec("0.2")));
    bench.exchange.cancel(60, alice, ice).expect("open");
    assert_eq!(bench.exchange.book(BTC_USDT).depth(Side::Sell), 0);
    bench.check_balance(alice, BTC, "10", "0");
}

#[test]
fn the_price_band_follows_the_last_trade() {
    let mut bench = bench_with_deductions("1", "1", |config| {
        (config.pairs[0].up_rate, config.pairs[0].down_rate) = (Some(dec("0.1")), Some(dec("0.2")));
    });
    let (alice, bob) = (bench.alice, bench.bob);
    bench.gtc(bob, Side::Buy, "5000.0", "0.1");
    bench.gtc(alice, Side::Sell, "5000.0", "0.1");
    let refused = Err(Reject::PriceOutsideBand { reference: dec("5000") });
    for (who, side, price, is_fine) in [
        (bob, Side::Buy, "5500.0", true),
        (bob, Side::Buy, "5500.1", false),
        (bob, Side::Buy, "1.0", true),
        (alice, Side::Sell, "4000.0", true),
        (alice, Side::Sell, "3999.9", false),
        (alice, Side::Sell, "9000.0", true),
    ] {
        let amount = if price == "1.0" { "5" } else { "0.1" };
        let placed = bench.exchange.clone().place(9, bench.order(who, side, price, amount, TimeInForce::Gtc));
        assert_eq!(placed.is_ok(), is_fine, "{side:?} {price}");
        if !is_fine {
            assert_eq!(placed, refused);
        }
    }
}

#[test]
fn directions_open_and_end_on_time_and_market_orders_have_their_own_maximum() {
    const S: u64 = 1_000_000_000;
    let mut bench = bench_with_deductions("1", "1", |config| {
        let rules = &mut config.pairs[0];
        (rules.buy_start_s, rules.sell_start_s, rules.delisting_time_s) = (100, 200, 300);
        (rules.market_max_base, rules.market_max_quote) = (Some(dec("0.5")), Some(dec("50")));
    });
    let (alice, bob) = (bench.alice, bench.bob);
    for (t_s, side, is_open) in [
        (99, Side::Buy, false),
        (100, Side::Buy, true),
        (199, Side::Sell, false),
        (200, Side::Sell, true),
        (299, Side::Buy, true),
        (300, Side::Buy, false),
    ] {
        let price = if side == Side::Buy { "50.0" } else { "100.0" };
        let placed = bench.exchange.clone().place(t_s * S, bench.order(alice, side, price, "0.1", TimeInForce::Gtc));
        assert_eq!(placed.is_ok(), is_open, "{side:?} at {t_s} s");
    }
    let sell = bench.order(alice, Side::Sell, "100.0", "2", TimeInForce::Gtc);
    bench.exchange.place(200 * S, sell).expect("open");
    let market = NewOrder { kind: OrderKind::Market, ..bench.order(bob, Side::Buy, "0", "50.1", TimeInForce::Ioc) };
    assert_eq!(bench.exchange.place(200 * S, market.clone()), Err(Reject::TooLargeNotional { max: dec("50") }));
    let sell = NewOrder { side: Side::Sell, amount: dec("0.6"), ..market };
    assert_eq!(bench.exchange.place(200 * S, sell), Err(Reject::TooLarge { max: dec("0.5") }));
}

#[test]
fn a_dead_mans_switch_fires_once_and_cancels_what_it_covers() {
    let mut bench = Bench::new();
    let (alice, bob) = (bench.alice, bench.bob);
    let btc = bench.gtc(alice, Side::Buy, "90.0", "1");
    let eth = bench.order(alice, Side::Buy, "90.0", "1", TimeInForce::Gtc);
    let eth = bench.place(NewOrder { pair: PairId(1), ..eth }).expect("accepted");
    let others = bench.gtc(bob, Side::Buy, "90.0", "1");
    bench.exchange.arm_countdown(alice, Some(BTC_USDT), Some(500));
    bench.exchange.arm_countdown(alice, None, Some(900));
    bench.exchange.arm_countdown(alice, None, Some(700));
    bench.exchange.arm_countdown(bob, None, Some(600));
    bench.exchange.arm_countdown(bob, None, None);
    assert_eq!(bench.exchange.next_countdown(), Some(500));
    assert_eq!(bench.exchange.fire_countdowns(499), vec![]);
    assert_eq!(bench.exchange.fire_countdowns(500), vec![btc]);
    assert_eq!(bench.exchange.next_countdown(), Some(700), "re-arming moved it");
    assert_eq!(bench.exchange.fire_countdowns(800), vec![eth]);
    assert_eq!(bench.exchange.next_countdown(), None);
    assert_eq!(bench.ended(btc), (Some(FinishReason::Cancelled), Decimal::ZERO));
    assert_eq!(bench.ended(others).0, None);
    check_state(&bench.exchange);
}
