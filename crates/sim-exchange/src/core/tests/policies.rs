//! Options that venues differ in: what a client id is unique among, and what becomes of orders that cannot live.

use super::*;

fn bench(client_ids: ClientIdPolicy) -> Bench {
    let config = ExchangeConfig { client_ids, ..config(UnfillablePolicy::RefusePostOnly) };
    Bench::on(Exchange::new(config).expect("good configuration"))
}

fn named(bench: &Bench, account: AccountId, price: &str, time_in_force: TimeInForce, text: &str) -> NewOrder {
    NewOrder { text: Some(text.to_owned()), ..bench.order(account, Side::Buy, price, "0.1", time_in_force) }
}

#[test]
fn a_client_id_may_be_unique_among_open_orders_only() {
    let mut bench = bench(ClientIdPolicy::UniqueAmongOpen);
    let (alice, bob) = (bench.alice, bench.bob);
    let first = bench.place(named(&bench, alice, "100", TimeInForce::Gtc, "a")).expect("accepted");
    assert_eq!(bench.place(named(&bench, alice, "101", TimeInForce::Ioc, "a")), Err(Reject::DuplicateClientId));
    assert!(bench.exchange.take_events().iter().all(|event| !matches!(event, Event::Order(told) if told.order.id != first)));
    bench.place(named(&bench, bob, "100", TimeInForce::Gtc, "a")).expect("another account's id");
    bench.exchange.cancel(9, alice, first).expect("open");
    let again = bench.place(named(&bench, alice, "100", TimeInForce::Gtc, "a")).expect("free again");
    assert_eq!(bench.exchange.order_by_text(alice, "a").map(|order| order.id), Some(again));
    // What ends on arrival never takes the id.
    bench.exchange.cancel(10, alice, again).expect("open");
    bench.place(named(&bench, alice, "100", TimeInForce::Ioc, "a")).expect("accepted");
    bench.place(named(&bench, alice, "100", TimeInForce::Ioc, "a")).expect("accepted");
}

#[test]
fn a_client_id_may_be_unique_for_as_long_as_its_order_is_remembered() {
    let mut bench = bench(ClientIdPolicy::Unique);
    let alice = bench.alice;
    bench.place(named(&bench, alice, "100", TimeInForce::Ioc, "a")).expect("accepted");
    assert_eq!(bench.place(named(&bench, alice, "100", TimeInForce::Gtc, "a")), Err(Reject::DuplicateClientId));
    // The bench remembers five finished orders.
    for number in 0..5 {
        bench.place(named(&bench, alice, "100", TimeInForce::Ioc, &format!("b{number}"))).expect("accepted");
    }
    bench.place(named(&bench, alice, "100", TimeInForce::Gtc, "a")).expect("forgotten");
}

#[test]
fn post_only_is_refused_while_fill_or_kill_and_market_orders_end_with_an_id() {
    let mut bench = bench(ClientIdPolicy::Shadowed);
    let (alice, bob) = (bench.alice, bench.bob);
    bench.gtc(bob, Side::Sell, "100", "0.1");
    let refused = bench.place(bench.order(alice, Side::Buy, "100", "0.1", TimeInForce::Poc));
    assert_eq!(refused, Err(Reject::PostOnlyWouldTake));
    let killed = bench.place(bench.order(alice, Side::Buy, "100", "0.2", TimeInForce::Fok)).expect("an id");
    let order = bench.exchange.order(killed).expect("remembered");
    assert_eq!((order.finish(), order.filled_amount), (Some(FinishReason::Fok), Decimal::ZERO));
    let market = NewOrder { kind: OrderKind::Market, ..bench.order(alice, Side::Sell, "0", "0.1", TimeInForce::Ioc) };
    let nothing = bench.place(market).expect("an id");
    assert_eq!(bench.exchange.order(nothing).and_then(Order::finish), Some(FinishReason::Ioc));
    bench.check_balance(alice, BTC, "10", "0");
}
