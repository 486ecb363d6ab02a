//! Random requests, good and bad. Nothing panics, each answer has the envelope, and no money is lost or made.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{MS, Rig};
use crate::core::Side;

/// A value a client might send for anything.
fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!("")),
        Just(json!(true)),
        Just(json!([])),
        Just(json!({})),
        (-3i64..3).prop_map(|number| json!(number)),
        "[ -~]{0,12}".prop_map(Value::from),
        prop_oneof![Just("-1"), Just("0"), Just("1e3"), Just("NaN"), Just("0.0000001"), Just("99999999999999999999999999999")]
            .prop_map(Value::from),
    ]
}

fn good_fields() -> impl Strategy<Value = Map<String, Value>> {
    let symbol = prop_oneof![4 => Just("BTCUSDT"), 1 => Just("ETHUSDT")];
    let side = prop_oneof![Just("Buy"), Just("Sell")];
    let kind = prop_oneof![3 => Just("Limit"), 2 => Just("Market")];
    let tif = prop_oneof![3 => Just("GTC"), 2 => Just("IOC"), 1 => Just("FOK"), 1 => Just("PostOnly")];
    let unit = prop_oneof![2 => Just(None), 1 => Just(Some("baseCoin")), 1 => Just(Some("quoteCoin"))];
    let reach = prop_oneof![
        3 => Just(None),
        1 => Just(Some(("TickSize", "5"))),
        1 => Just(Some(("TickSize", "1999"))),
        1 => Just(Some(("Percent", "0.07"))),
    ];
    (symbol, side, kind, tif, unit, reach, 1u32..40, 990u32..1010, 0u32..40).prop_map(
        |(symbol, side, kind, tif, unit, reach, tenths, price, name)| {
            let mut fields = json!({
                "category": "spot", "symbol": symbol, "side": side, "orderType": kind, "timeInForce": tif,
                "qty": format!("{}.{}", tenths / 10, tenths % 10), "price": format!("{}.{}", price / 10, price % 10),
                "orderLinkId": format!("r-{name}"),
            });
            if let Some(unit) = unit {
                fields["marketUnit"] = json!(unit);
                fields["qty"] = json!(format!("{}.{}", tenths * 3, tenths % 10));
            }
            if let Some((kind, value)) = reach {
                fields["slippageToleranceType"] = json!(kind);
                fields["slippageTolerance"] = json!(value);
            }
            fields.as_object().cloned().unwrap_or_default()
        },
    )
}

/// Order fields, of which one may be replaced by anything.
fn fields() -> impl Strategy<Value = Value> {
    let names = prop_oneof![
        Just("category"),
        Just("symbol"),
        Just("side"),
        Just("orderType"),
        Just("timeInForce"),
        Just("qty"),
        Just("price"),
        Just("orderLinkId"),
        Just("orderId"),
        Just("marketUnit"),
        Just("slippageTolerance"),
        Just("isLeverage"),
        Just("request"),
    ];
    (good_fields(), proptest::option::weighted(0.2, (names, any_value()))).prop_map(|(mut fields, change)| {
        if let Some((name, value)) = change {
            fields.insert(name.to_owned(), value);
        }
        Value::Object(fields)
    })
}

#[derive(Clone, Debug)]
enum Call {
    Post(&'static str, Value),
    Get(&'static str, String),
}

fn call() -> impl Strategy<Value = Call> {
    let writes = prop_oneof![
        8 => Just("/order/create"), 3 => Just("/order/amend"), 3 => Just("/order/cancel"), 1 => Just("/order/cancel-all"),
    ];
    let batches = prop_oneof![Just("/order/create-batch"), Just("/order/amend-batch"), Just("/order/cancel-batch")];
    let batches = (batches, prop::collection::vec(fields(), 0..5))
        .prop_map(|(path, items)| Call::Post(path, json!({"category": "spot", "request": items})));
    let reads = prop_oneof![
        Just("/order/realtime"),
        Just("/order/history"),
        Just("/execution/list"),
        Just("/account/wallet-balance"),
        Just("/market/kline"),
        Just("/market/orderbook"),
        Just("/market/tickers"),
        Just("/market/recent-trade"),
        Just("/asset/coin/query-info"),
        Just("/account/fee-rate"),
        Just("/nowhere"),
    ];
    let parts = prop_oneof![
        6 => Just("category=spot".to_owned()),
        3 => Just("symbol=BTCUSDT".to_owned()),
        1 => Just("symbol=NOUSDT".to_owned()),
        1 => Just("openOnly=1".to_owned()),
        1 => Just("accountType=UNIFIED".to_owned()),
        1 => (0u32..40).prop_map(|name| format!("orderLinkId=r-{name}")),
        1 => prop_oneof![Just("limit=2"), Just("limit=x"), Just("cursor=before_3"), Just("cursor=%"), Just("startTime=99999999999999999999"), Just("interval=5")].prop_map(str::to_owned),
    ];
    let query = prop::collection::vec(parts, 0..4).prop_map(|parts| parts.join("&"));
    prop_oneof![
        10 => (writes, fields()).prop_map(|(path, body)| Call::Post(path, body)),
        2 => batches,
        3 => (reads, query).prop_map(|(path, query)| Call::Get(path, query)),
        1 => any_value().prop_map(|body| Call::Post("/order/create", body)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_session_is_answered_and_keeps_the_money(calls in prop::collection::vec((call(), 0u64..900), 1..60)) {
        let mut rig = Rig::new();
        rig.quote_book();
        rig.follow(1, &["order", "execution", "execution.fast", "wallet"]);
        for (call, pause_ms) in calls {
            let answer = match &call {
                Call::Post(path, body) => rig.post(path, body),
                Call::Get(path, query) => rig.get(path, query),
            };
            prop_assert!(answer.body["retCode"].is_i64() && answer.body["result"].is_object(), "{call:?}: {}", answer.body);
            prop_assert!(answer.status < 500 && answer.code() != 10_016, "{call:?}: {}", answer.body);
            rig.advance(pause_ms * MS);
            if pause_ms % 7 == 0 {
                rig.quote(if pause_ms % 2 == 0 { Side::Buy } else { Side::Sell }, "100", "0.3");
            }
            prop_assert_eq!(rig.world.conservation_check(), Ok(()));
            let exchange = rig.world.exchange(0);
            let account = rig.world.account(0);
            for (asset, balance) in exchange.balances(account) {
                let held = exchange.open_orders(account, None).filter(|order| {
                    let pair = exchange.pair(order.pair);
                    asset == if order.side == Side::Buy { pair.quote } else { pair.base }
                });
                prop_assert_eq!(balance.locked, held.map(|order| order.locked).sum::<rust_decimal::Decimal>());
                prop_assert!(!balance.available.is_sign_negative() || balance.available.is_zero());
            }
        }
        // The stream told each execution once, and the last word on each order is that of the lists.
        let frames = rig.frames(1, 100 * MS);
        let rows = |topic: &str| -> Vec<Value> {
            frames.iter().filter(|frame| frame["topic"] == topic).flat_map(|frame| frame["data"].as_array().cloned().unwrap_or_default()).collect()
        };
        let account = rig.world.account(0);
        let fills = rig.world.exchange(0).trades(account, &crate::core::TradeFilter::default()).len();
        prop_assert_eq!((rows("execution").len(), rows("execution.fast").len()), (fills, fills));
        let mut last = std::collections::BTreeMap::new();
        for row in rows("order") {
            last.insert(row["orderLinkId"].as_str().unwrap_or_default().to_owned(), row);
        }
        for (link, row) in last.into_iter().filter(|(link, _)| !link.is_empty()).take(5) {
            let known = rig.found(&link);
            prop_assert_eq!(&known["cumExecValue"], &row["cumExecValue"]);
            prop_assert_eq!(&known["orderStatus"], &row["orderStatus"]);
        }
    }
}
