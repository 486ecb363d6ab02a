//! Random orders over the WebSocket API: whatever is asked, no money appears or vanishes, and what is told adds up to what is
//! owned.

use std::collections::BTreeMap;

use super::*;

/// One day of random orders from a seed.
fn day(seed: u64) {
    let mut rig = Rig::with(|_| {}, |config| config.limits.orders_per_10s = 1_000_000);
    rig.quote_book();
    rig.open(1, "/ws-api/v3");
    rig.call(1, "userDataStream.subscribe.signature", json!({"apiKey": KEY}));
    let start = rig.world.balances(0, 10_001);
    let mut source = Jitter::new(seed);
    let mut draw = |count: u64| source.next_u64() % count;
    let mut events: Vec<Value> = Vec::new();
    for _ in 0..120 {
        let price = format!("{}.{}", 98 + draw(4), draw(10));
        let quantity = format!("{}.{:03}", draw(3), draw(1_000));
        let side = ["BUY", "SELL"][draw(2) as usize];
        let stp = ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"][draw(3) as usize];
        let mut params = json!({"apiKey": KEY, "symbol": SYMBOL, "side": side, "selfTradePreventionMode": stp});
        let more = match draw(7) {
            0 => json!({"type": "MARKET", "quantity": quantity}),
            1 => json!({"type": "MARKET", "quoteOrderQty": format!("{}.{:02}", 5 + draw(400), draw(100))}),
            2 => json!({"type": "LIMIT_MAKER", "price": price, "quantity": quantity}),
            3 => json!({"type": "LIMIT", "timeInForce": "FOK", "price": price, "quantity": quantity}),
            4 => json!({"type": "LIMIT", "timeInForce": "IOC", "price": price, "quantity": quantity}),
            _ => json!({"type": "LIMIT", "timeInForce": "GTC", "price": price, "quantity": quantity}),
        };
        for (name, value) in more.as_object().expect("an object") {
            params[name] = value.clone();
        }
        let (reply, told) = match draw(8) {
            0 => rig.call(1, "openOrders.cancelAll", json!({"apiKey": KEY, "symbol": SYMBOL})),
            1 => {
                rig.quote([Side::Buy, Side::Sell][draw(2) as usize], &price, "0.7");
                (json!({"status": 200}), rig.frames(1, 20 * MS))
            }
            _ => rig.call(1, "order.place", params),
        };
        assert!(reply["status"] == 200 || reply["error"]["code"].as_i64().is_some_and(|code| code < 0), "{reply}");
        events.extend(told);
        rig.world.conservation_check().expect("no money appears or vanishes");
    }
    let (_, told) = rig.call(1, "openOrders.cancelAll", json!({"apiKey": KEY, "symbol": SYMBOL}));
    events.extend(told);
    let mut moved: BTreeMap<String, Decimal> = BTreeMap::new();
    let mut ends: BTreeMap<u64, u64> = BTreeMap::new();
    for event in events.iter().map(|event| &event["event"]).filter(|event| event["e"] == "executionReport") {
        let number = |name: &str| dec(event[name].as_str().expect("a number"));
        if event["x"] == "TRADE" {
            let sign = if event["S"] == "BUY" { Decimal::ONE } else { -Decimal::ONE };
            *moved.entry("BTC".to_owned()).or_default() += sign * number("l");
            *moved.entry("USDT".to_owned()).or_default() -= sign * number("Y");
            *moved.entry(event["N"].as_str().expect("an asset").to_owned()).or_default() -= number("n");
        }
        let is_end = !["NEW", "PARTIALLY_FILLED"].contains(&event["X"].as_str().unwrap_or(""));
        *ends.entry(event["i"].as_u64().expect("an id")).or_default() += u64::from(is_end);
    }
    let end = rig.world.balances(0, 10_001);
    for asset in ["BTC", "USDT"] {
        let change = end[asset].total - start[asset].total;
        assert_eq!(change, moved.get(asset).copied().unwrap_or_default(), "{asset}, seed {seed}");
        assert!(end[asset].locked.is_zero(), "{asset}, seed {seed}");
    }
    assert!(ends.len() > 20 && ends.values().all(|count| *count == 1), "each order ends once, seed {seed}: {ends:?}");
}

#[test]
fn random_orders_conserve_money_and_events_add_up() {
    for seed in 1..=12 {
        day(seed);
    }
}
