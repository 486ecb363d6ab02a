//! REST: random requests, good and bad. Nothing panics, each answer is Gate's shape, and no money is lost or made.

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
        prop_oneof![
            Just("-1"),
            Just("0"),
            Just("1e3"),
            Just("NaN"),
            Just("0.0000001"),
            Just("99999999999999999999999999999"),
            Just("cn"),
            Just("co"),
            Just("FULL"),
            Just("t-1"),
            Just("margin"),
            Just("ETH_USDT"),
        ]
        .prop_map(Value::from),
    ]
}

fn good_fields() -> impl Strategy<Value = Map<String, Value>> {
    let pair = prop_oneof![4 => Just("BTC_USDT"), 1 => Just("ETH_USDT")];
    let side = prop_oneof![Just("buy"), Just("sell")];
    let kind = prop_oneof![4 => Just("limit"), 1 => Just("market")];
    let tif = prop_oneof![3 => Just("gtc"), 2 => Just("ioc"), 1 => Just("fok"), 1 => Just("poc")];
    (pair, side, kind, tif, 1u32..40, 990u32..1010, 0u32..6, proptest::option::of(1u32..9)).prop_map(
        |(pair, side, kind, tif, tenths, price, name, iceberg)| {
            let mut fields = json!({
                "currency_pair": pair, "side": side, "type": kind, "time_in_force": tif, "account": "spot",
                "amount": format!("{}.{}", tenths / 10, tenths % 10), "price": format!("{}.{}", price / 10, price % 10),
                "text": format!("t-{name}"),
            });
            if let Some(iceberg) = iceberg {
                fields["iceberg"] = json!(format!("0.{iceberg}"));
            }
            fields.as_object().cloned().unwrap_or_default()
        },
    )
}

/// Order fields, of which one may be replaced by anything.
fn fields() -> impl Strategy<Value = Value> {
    let names = prop_oneof![
        Just("currency_pair"),
        Just("side"),
        Just("type"),
        Just("time_in_force"),
        Just("account"),
        Just("amount"),
        Just("price"),
        Just("text"),
        Just("iceberg"),
        Just("stp_act"),
        Just("action_mode"),
        Just("slippage"),
        Just("order_id"),
        Just("id"),
    ];
    (good_fields(), proptest::option::weighted(0.25, (names, any_value()))).prop_map(|(mut fields, change)| {
        if let Some((name, value)) = change {
            fields.insert(name.to_owned(), value);
        }
        Value::Object(fields)
    })
}

#[derive(Clone, Debug)]
struct Call {
    method: &'static str,
    path: String,
    query: String,
    body: Value,
}

fn call() -> impl Strategy<Value = Call> {
    let named = || prop_oneof![4 => (0u32..6).prop_map(|n| format!("t-{n}")), 2 => (0u64..40).prop_map(|n| (1_000_000_000 + n).to_string()), 1 => "[a-z0-9-]{1,8}"];
    let query = || {
        let parts = prop_oneof![
            4 => Just("currency_pair=BTC_USDT".to_owned()),
            1 => Just("currency_pair=NO_USDT".to_owned()),
            1 => (0u64..3).prop_map(|page| format!("page={page}&limit=2")),
            1 => prop_oneof![Just("open"), Just("finished"), Just("x")].prop_map(|status| format!("status={status}")),
            1 => prop_oneof![Just("side=buy"), Just("side=x"), Just("account=margin"), Just("action_mode=ACK"), Just("from=1"), Just("to=99999999999999999999")].prop_map(str::to_owned),
        ];
        prop::collection::vec(parts, 0..3).prop_map(|parts| parts.join("&"))
    };
    let make = |method: &'static str, path: String, query: String, body: Value| Call { method, path, query, body };
    let of_name = |method: &'static str| {
        (named(), query(), fields())
            .prop_map(move |(name, query, body)| make(method, format!("/spot/orders/{name}"), query, body))
    };
    let batch = prop_oneof![
        2 => Just("/spot/batch_orders"), 1 => Just("/spot/cancel_batch_orders"), 1 => Just("/spot/amend_batch_orders"),
    ];
    let batch = (batch, prop::collection::vec((fields(), named()), 0..5)).prop_map(move |(path, items)| {
        let items = items.into_iter().map(|(mut item, name)| {
            for key in ["id", "order_id"] {
                item[key] = json!(name);
            }
            item
        });
        make("POST", path.to_owned(), String::new(), items.collect())
    });
    let reads = prop_oneof![
        Just("/spot/orders"),
        Just("/spot/open_orders"),
        Just("/spot/my_trades"),
        Just("/spot/accounts"),
        Just("/spot/account_book"),
        Just("/spot/candlesticks"),
        Just("/spot/trades"),
        Just("/spot/order_book"),
        Just("/spot/tickers"),
        Just("/wallet/total_balance"),
        Just("/wallet/deposits"),
        Just("/spot/batch_fee"),
        Just("/account/stp_groups"),
        Just("/nowhere"),
    ];
    prop_oneof![
        8 => fields().prop_map(move |body| make("POST", "/spot/orders".to_owned(), String::new(), body)),
        3 => of_name("PATCH"),
        2 => of_name("DELETE"),
        1 => of_name("GET"),
        2 => batch,
        1 => query().prop_map(move |query| make("DELETE", "/spot/orders".to_owned(), query, Value::Null)),
        3 => (reads, query()).prop_map(move |(path, query)| make("GET", path.to_owned(), query, Value::Null)),
        1 => prop_oneof![Just(json!(5)), any_value()].prop_map(move |timeout| {
            make("POST", "/spot/countdown_cancel_all".to_owned(), String::new(), json!({"timeout": timeout}))
        }),
        1 => any::<bool>().prop_map(move |on| make("POST", "/account/debit_fee".to_owned(), String::new(), json!({"enabled": on}))),
        1 => Just(make("POST", "/account/stp_groups".to_owned(), String::new(), json!({"name": "g"}))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_session_is_answered_and_keeps_the_money(calls in prop::collection::vec((call(), 0u64..900), 1..60)) {
        let mut rig = Rig::new();
        rig.quote_book();
        for (call, pause_ms) in calls {
            let body = if call.body.is_null() { String::new() } else { call.body.to_string() };
            let request = rig.signed(call.method, &call.path, &call.query, &body);
            let answer = rig.raw(request).expect("a reply");
            let is_fine = matches!(answer.status, 200 | 201 | 204);
            prop_assert!(is_fine != answer.body["label"].is_string(), "{call:?}: {} {}", answer.status, answer.body);
            prop_assert!(answer.status < 500, "{call:?}: {}", answer.body);
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
    }
}
