//! Amendments: what keeps its place in the queue, what trades, what is refused.

use super::*;

fn price(text: &str) -> Amendment {
    Amendment { price: Some(dec(text)), ..Amendment::default() }
}

fn amount(text: &str) -> Amendment {
    Amendment { amount: Some(dec(text)), ..Amendment::default() }
}

/// Which of `orders` a taker meets first at their common price.
fn first_met(bench: &Bench, orders: &[OrderId]) -> OrderId {
    let mut exchange = bench.exchange.clone();
    exchange.take_events();
    let taker = bench.order(bench.bob, Side::Buy, "200.0", "0.1", TimeInForce::Ioc);
    exchange.place(1_000, taker).expect("accepted");
    let met = exchange.take_events().into_iter().find_map(|event| match event {
        Event::Fill(fill) if fill.role == Role::Maker => Some(fill.order_id),
        _ => None,
    });
    met.filter(|id| orders.contains(id)).expect("one of the orders is met")
}

#[test]
fn a_smaller_amount_keeps_its_place_and_anything_else_loses_it() {
    let rows = [
        ("less", amount("0.3"), true),
        ("more", amount("0.6"), false),
        ("less, same price", Amendment { price: Some(dec("100")), amount: Some(dec("0.3")), text: None }, true),
        ("more, same price", Amendment { price: Some(dec("100.0")), amount: Some(dec("0.51")), text: None }, false),
    ];
    for (name, amendment, keeps) in rows {
        let mut bench = Bench::new();
        let alice = bench.alice;
        let first = bench.gtc(alice, Side::Sell, "100.0", "0.5");
        let second = bench.gtc(alice, Side::Sell, "100.0", "0.5");
        bench.exchange.amend(50, alice, first, amendment).expect("open");
        assert_eq!(first_met(&bench, &[first, second]) == first, keeps, "{name}");
        check_state(&bench.exchange);
    }
}

#[test]
fn holds_follow_the_amended_figures_to_the_digit() {
    let mut bench = Bench::new();
    let alice = bench.alice;
    let order = bench.gtc(alice, Side::Buy, "100.0", "0.5");
    bench.check_balance(alice, USDT, "99950", "50");
    for (amendment, available, locked) in [
        (amount("0.7"), "99930", "70"),
        (price("90.0"), "99937", "63"),
        (amount("0.2"), "99982", "18"),
        (Amendment { price: Some(dec("110.5")), amount: Some(dec("1")), text: Some("up".to_owned()) }, "99889.5", "110.5"),
    ] {
        bench.exchange.amend(60, alice, order, amendment).expect("open");
        bench.check_balance(alice, USDT, available, locked);
        check_state(&bench.exchange);
    }
    let amended = bench.exchange.order(order).expect("open");
    assert_eq!((amended.price, amended.amount, amended.left), (dec("110.5"), dec("1"), dec("1")));
    assert_eq!(amended.amend_text.as_deref(), Some("up"));
    assert_eq!((amended.create_t_ns < 60, amended.update_t_ns), (true, 60));
}

#[test]
fn an_amended_price_may_take_and_the_remainder_rests_under_the_old_id() {
    let mut bench = Bench::new();
    let (alice, bob) = (bench.alice, bench.bob);
    let buy = bench.gtc(bob, Side::Buy, "99.0", "0.5");
    bench.gtc(alice, Side::Sell, "100.0", "0.2");
    bench.exchange.take_events();
    bench.exchange.amend(70, bob, buy, price("100.0")).expect("open");
    let order = bench.exchange.order(buy).expect("open").clone();
    assert_eq!((order.status(), order.filled_amount, order.left), (OrderStatus::Open, dec("0.2"), dec("0.3")));
    let told: Vec<String> = bench
        .exchange
        .take_events()
        .iter()
        .filter_map(|event| match event {
            Event::Book(change) => Some(format!("{:?} {} {}", change.side, change.price, change.amount.normalize())),
            Event::Order(event) => Some(format!("{:?} left {}", event.kind, event.order.left.normalize())),
            _ => None,
        })
        .collect();
    assert_eq!(
        told,
        ["Buy 99.0 0", "Sell 100.0 0", "Finish left 0", "Buy 100.0 0.3", "Update left 0.3"],
        "off the old level, the trade, onto the new level"
    );
    bench.exchange.amend(71, bob, buy, amount("0.2")).expect("open");
    assert_eq!(bench.ended(buy), (Some(FinishReason::Cancelled), dec("0.2")), "an amount already filled cancels the rest");
    bench.check_balance(bob, USDT, "99980", "0");
    check_state(&bench.exchange);
}

#[test]
fn an_amended_order_may_fill_whole() {
    let mut bench = Bench::new();
    let (alice, bob) = (bench.alice, bench.bob);
    let buy = bench.gtc(bob, Side::Buy, "99.0", "0.5");
    bench.gtc(alice, Side::Sell, "100.0", "0.9");
    bench.exchange.amend(70, bob, buy, price("101.0")).expect("open");
    assert_eq!(bench.ended(buy), (Some(FinishReason::Filled), dec("0.5")));
    assert_eq!(bench.exchange.open_orders(bob, None).count(), 0);
    bench.check_balance(bob, USDT, "99950", "0");
    check_state(&bench.exchange);
}

#[test]
fn refused_amendments_change_nothing() {
    let mut bench = Bench::new();
    let (alice, bob) = (bench.alice, bench.bob);
    bench.gtc(alice, Side::Sell, "101.0", "1");
    let poc = bench.place(bench.order(bob, Side::Buy, "100.0", "1", TimeInForce::Poc)).expect("rests");
    let done = bench.gtc(bob, Side::Buy, "90.0", "0.5");
    bench.exchange.cancel(40, bob, done).expect("open");
    bench.exchange.take_events();
    let before = format!("{:?}", bench.exchange);
    let rows = [
        (price("100"), Reject::NoChange),
        (amount("1.0"), Reject::NoChange),
        (price("100.01"), Reject::BadPrecision { field: PrecisionField::Price, decimals: 1 }),
        (amount("1.00001"), Reject::BadPrecision { field: PrecisionField::Amount, decimals: 4 }),
        (price("0"), Reject::BadPrice),
        (amount("0"), Reject::BadAmount),
        (amount("0.0001"), Reject::TooSmall { min: dec("0.001") }),
        (amount("0.02"), Reject::TooSmallNotional { min: dec("3") }),
        (amount("101"), Reject::TooLarge { max: dec("100") }),
        (Amendment { price: Some(dec("20000")), amount: Some(dec("40")), text: None }, Reject::BalanceNotEnough),
        (price("101.0"), Reject::PostOnlyWouldTake),
    ];
    for (amendment, reject) in rows {
        assert_eq!(bench.exchange.amend(50, bob, poc, amendment), Err(reject));
    }
    assert_eq!(bench.exchange.amend(50, alice, poc, price("99")), Err(Reject::OrderNotFound));
    assert_eq!(bench.exchange.amend(50, bob, done, price("99")), Err(Reject::OrderClosed));
    assert_eq!(format!("{:?}", bench.exchange), before);

    let mut lenient = Bench::with(UnfillablePolicy::AcceptThenCancel);
    lenient.gtc(lenient.alice, Side::Sell, "101.0", "1");
    let poc = lenient.place(lenient.order(lenient.bob, Side::Buy, "100.0", "1", TimeInForce::Poc)).expect("rests");
    lenient.exchange.amend(50, lenient.bob, poc, price("101.0")).expect("accepted and ended");
    assert_eq!(lenient.ended(poc), (Some(FinishReason::Poc), Decimal::ZERO));
    check_state(&lenient.exchange);
}

#[test]
fn an_amended_order_may_take_another_client_id_that_is_free() {
    let mut bench = Bench::on(
        Exchange::new(ExchangeConfig { client_ids: ClientIdPolicy::UniqueAmongOpen, ..config(UnfillablePolicy::RefusePostOnly) })
            .expect("good configuration"),
    );
    let alice = bench.alice;
    let place = |bench: &mut Bench, text: &str| {
        let order = bench.order(alice, Side::Sell, "100.0", "0.5", TimeInForce::Gtc);
        bench.place(NewOrder { text: Some(text.to_owned()), ..order })
    };
    let first = place(&mut bench, "a").expect("accepted");
    place(&mut bench, "b").expect("accepted");
    let found = |bench: &Bench, text: &str| bench.exchange.order_by_text(alice, text).map(|order| order.id);
    let rename =
        |bench: &mut Bench, less: &str, to: &str| bench.exchange.amend_as(50, alice, first, amount(less), Some(to.to_owned()));
    let before = format!("{:?}", bench.exchange);
    assert_eq!(rename(&mut bench, "0.4", "b"), Err(Reject::DuplicateClientId));
    assert_eq!(format!("{:?}", bench.exchange), before);
    rename(&mut bench, "0.4", "a").expect("its own");
    rename(&mut bench, "0.3", "c").expect("free");
    assert_eq!((found(&bench, "a"), found(&bench, "c")), (None, Some(first)));
    assert_eq!(place(&mut bench, "c"), Err(Reject::DuplicateClientId));
    place(&mut bench, "a").expect("free again");
    bench.exchange.amend(60, alice, first, amount("0.2")).expect("open");
    assert_eq!(found(&bench, "c"), Some(first), "an amendment without a client id leaves it");
    check_state(&bench.exchange);
}
