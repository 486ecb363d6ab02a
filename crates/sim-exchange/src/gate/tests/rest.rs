//! REST: shapes, labels, visibility, limits, faults.

use serde_json::{Value, json};

use super::{KEY, MS, Rig, START_NS};
use crate::core::{Side, UnfillablePolicy};

#[track_caller]
fn is_text(value: &Value, expected: &str) {
    assert_eq!(value, &json!(expected));
}

#[test]
fn public_data_has_gates_shapes() {
    let mut rig = Rig::new();
    rig.quote_book();
    let time = rig.public("/spot/time", "");
    assert_eq!(time.body["server_time"], json!(START_NS / MS));

    let pairs = rig.public("/spot/currency_pairs", "").body;
    let btc = pairs.as_array().expect("an array").iter().find(|row| row["id"] == "BTC_USDT").expect("listed").clone();
    assert_eq!((&btc["precision"], &btc["amount_precision"]), (&json!(1), &json!(6)));
    is_text(&btc["min_base_amount"], "0.00001");
    is_text(&btc["min_quote_amount"], "3");
    assert_eq!(btc["max_base_amount"], Value::Null);
    is_text(&btc["trade_status"], "tradable");
    assert_eq!(btc["buy_start"], json!(0));
    assert_eq!(rig.public("/spot/currency_pairs/BTC_USDT", "").body, btc);
    rig.public("/spot/currency_pairs/btc_usdt", "").refused(400, "INVALID_CURRENCY_PAIR");

    let currencies = rig.public("/spot/currencies", "").body;
    assert!(
        currencies
            .as_array()
            .expect("an array")
            .iter()
            .any(|row| row["currency"] == "BTC" && row["chains"][0]["name"].is_string())
    );
    is_text(&rig.public("/spot/currencies/ETH", "").body["currency"], "ETH");
    rig.public("/spot/currencies/NOPE", "").refused(400, "INVALID_CURRENCY");

    let ticker = rig.public("/spot/tickers", "currency_pair=BTC_USDT").body[0].clone();
    is_text(&ticker["lowest_ask"], "100.1");
    is_text(&ticker["highest_bid"], "99.9");
    is_text(&ticker["lowest_size"], "1");
    let all = rig.public("/spot/tickers", "").body;
    assert_eq!(all.as_array().map(Vec::len), Some(4));
    assert_eq!(all[0].get("lowest_size"), None);
}

#[test]
fn order_book_is_sorted_limited_and_numbered_on_request() {
    let mut rig = Rig::new();
    rig.quote_book();
    let book = rig.public("/spot/order_book", "currency_pair=BTC_USDT&limit=2&with_id=true").body;
    assert_eq!(book["asks"], json!([["100.1", "1"], ["100.2", "2"]]));
    assert_eq!(book["bids"], json!([["99.9", "1"], ["99.8", "2"]]));
    let pair = rig.world.exchange(0).pair_by_name("BTC_USDT").expect("listed");
    assert_eq!(book["id"], json!(rig.world.exchange(0).book(pair).update_id()));
    assert!(book["current"].is_u64() && book["update"].is_u64());
    assert_eq!(rig.public("/spot/order_book", "currency_pair=BTC_USDT").body.get("id"), None);
    rig.public("/spot/order_book", "").refused(400, "MISSING_REQUIRED_PARAM");
    rig.public("/spot/order_book", "currency_pair=NOPE_USDT").refused(400, "INVALID_CURRENCY_PAIR");
    rig.public("/spot/order_book", "currency_pair=BTC_USDT&limit=1001").refused(400, "INVALID_PARAM_VALUE");
}

#[test]
fn accounts_fees_and_rights() {
    let mut rig = Rig::with(|world| world.venues[0].extra_permissions = vec![("withdraw".to_owned(), false)], |_| {});
    let accounts = rig.private("GET", "/spot/accounts", "").body;
    let usdt = accounts.as_array().expect("an array").iter().find(|row| row["currency"] == "USDT").expect("owned");
    is_text(&usdt["available"], "250000");
    is_text(&usdt["locked"], "0");
    assert!(usdt["update_id"].is_u64());
    let one = rig.private("GET", "/spot/accounts", "currency=BTC").body;
    assert_eq!(one.as_array().map(Vec::len), Some(1));
    rig.private("GET", "/spot/accounts", "currency=NOPE").refused(400, "INVALID_CURRENCY");

    let fee = rig.private("GET", "/wallet/fee", "currency_pair=BTC_USDT").body;
    is_text(&fee["taker_fee"], "0.001");
    assert_eq!(fee["user_id"], json!(10_001));
    assert_eq!(fee["gt_discount"], json!(false));
    is_text(&rig.private("GET", "/spot/fee", "").body["maker_fee"], "0.001");

    let detail = rig.private("GET", "/account/detail", "").body;
    assert_eq!((&detail["user_id"], &detail["key"]["mode"]), (&json!(10_001), &json!(1)));
    let keys = rig.private("GET", "/account/main_keys", "").body;
    let masked = keys[0]["key"].as_str().expect("text");
    assert!(masked.starts_with(&KEY[..4]) && masked.ends_with(&KEY[KEY.len() - 4..]) && masked.contains("***"));
    let perms = keys[0]["perms"].as_array().expect("an array");
    assert!(perms.contains(&json!({"name": "withdraw", "read_only": false})));
    assert!(perms.contains(&json!({"name": "spot", "read_only": false})));
}

#[test]
fn every_reply_carries_gates_headers() {
    let mut rig = Rig::new();
    let answer = rig.private("GET", "/spot/accounts", "");
    let micros = |name: &str| answer.header(name).parse::<u64>().expect("microseconds");
    assert_eq!(micros("x-in-time"), START_NS / 1_000);
    let spent = micros("x-out-time") - micros("x-in-time");
    assert!((1_000..=3_000).contains(&spent), "{spent} µs");
    assert_eq!(answer.header("x-gate-trace-id").len(), 32);
    assert_eq!(answer.header("x-gate-ratelimit-limit"), "200");
    assert_eq!(answer.header("x-gate-ratelimit-requests-remain"), "199");
    assert_eq!(answer.header("x-gate-ratelimit-reset-timestamp"), "1700000000");
}

#[test]
fn signatures_are_checked_before_anything_else() {
    let mut rig = Rig::new();
    let good = rig.signed("GET", "/spot/accounts", "", "");
    let without = |name: &str| {
        let mut request = good.clone();
        request.headers.retain(|(known, _)| known != name);
        request
    };
    for name in ["key", "sign", "timestamp"] {
        rig.raw(without(name)).expect("a reply").refused(400, "MISSING_REQUIRED_HEADER");
    }
    let with = |name: &str, value: &str| {
        let mut request = without(name);
        request.headers.push((name.to_owned(), value.to_owned()));
        request
    };
    rig.raw(with("timestamp", "1699999900")).expect("a reply").refused(403, "REQUEST_EXPIRED");
    rig.raw(with("key", "unknown")).expect("a reply").refused(401, "INVALID_KEY");
    rig.raw(with("sign", &"0".repeat(128))).expect("a reply").refused(401, "INVALID_SIGNATURE");
    assert_eq!(rig.raw(good.clone()).expect("a reply").status, 200);

    rig.public("/spot/nothing_of_this_name", "").refused(400, "MISSING_REQUIRED_HEADER");
    rig.private("GET", "/spot/nothing_of_this_name", "").refused(404, "NOT_FOUND");
    rig.public("/../etc", "").refused(400, "MISSING_REQUIRED_HEADER");
}

#[test]
fn a_key_without_write_permission_cannot_trade() {
    let mut rig = Rig::new();
    let dialect = rig.world.dialect_mut::<super::GateDialect>(0).expect("a Gate venue");
    let key = &mut dialect.config_mut().users[0].keys[0];
    key.perms.iter_mut().for_each(|perm| perm.read_only = true);
    rig.order(&json!({})).refused(403, "READ_ONLY");
    assert_eq!(rig.private("GET", "/spot/accounts", "").status, 200);
}

#[test]
fn an_ioc_order_fills_and_is_told_in_full() {
    let mut rig = Rig::new();
    rig.quote_book();
    let answer = rig.order(&json!({"amount": "1.5", "text": "t-arb-1"}));
    assert_eq!(answer.status, 201, "{}", answer.body);
    let order = answer.body;
    assert!(order["id"].as_str().expect("text").parse::<u64>().is_ok());
    is_text(&order["text"], "t-arb-1");
    is_text(&order["create_time"], "1700000000");
    assert_eq!(order["create_time_ms"], json!(1_700_000_000_000u64));
    assert_eq!(order["update_time_ms"], json!(1_700_000_000_000u64));
    for (field, expected) in [
        ("status", "cancelled"),
        ("finish_as", "ioc"),
        ("amount", "1.5"),
        ("left", "0.5"),
        ("filled_amount", "1"),
        ("filled_total", "100.1"),
        ("fill_price", "100.1"),
        ("avg_deal_price", "100.1"),
        ("price", "100.1"),
        ("fee", "0.001"),
        ("fee_currency", "BTC"),
        ("gt_fee", "0"),
        ("point_fee", "0"),
        ("rebated_fee", "0"),
        ("rebated_fee_currency", "USDT"),
        ("side", "buy"),
        ("type", "limit"),
        ("account", "spot"),
        ("time_in_force", "ioc"),
        ("iceberg", "0"),
        ("amend_text", "-"),
        ("currency_pair", "BTC_USDT"),
        ("stp_act", "-"),
    ] {
        is_text(&order[field], expected);
    }
    assert_eq!(order["gt_discount"], json!(false));

    let full = rig.order(&json!({"side": "sell", "price": "99.8", "amount": "2", "text": "t-arb-2"})).body;
    is_text(&full["status"], "closed");
    is_text(&full["finish_as"], "filled");
    is_text(&full["filled_total"], "199.7");
    is_text(&full["avg_deal_price"], "99.85");
    is_text(&full["fee"], "0.1997");
    is_text(&full["fee_currency"], "USDT");

    let trades = rig.private("GET", "/spot/my_trades", "currency_pair=BTC_USDT").body;
    assert_eq!(trades.as_array().map(Vec::len), Some(3));
    let first = &trades[2];
    assert!(first["id"].is_string() && first["create_time"].is_string() && first["sequence_id"].is_string());
    is_text(&first["create_time_ms"], "1700000000000.000000");
    is_text(&first["role"], "taker");
    is_text(&first["price"], "100.1");
    is_text(&first["fee"], "0.001");
    is_text(&first["fee_currency"], "BTC");
    is_text(&first["text"], "t-arb-1");
    assert_eq!(first["order_id"], order["id"]);
    let of_order = format!("currency_pair=BTC_USDT&order_id={}", order["id"].as_str().expect("text"));
    assert_eq!(rig.private("GET", "/spot/my_trades", &of_order).body.as_array().map(Vec::len), Some(1));
    rig.private("GET", "/spot/my_trades", "order_id=1").refused(400, "MISSING_REQUIRED_PARAM");

    let public = rig.public("/spot/trades", "currency_pair=BTC_USDT&limit=2").body;
    assert_eq!(public.as_array().map(Vec::len), Some(2));
    assert!(public[0]["id"].is_string());
    is_text(&public[0]["side"], "sell");
    is_text(&rig.public("/spot/tickers", "currency_pair=BTC_USDT").body[0]["last"], "99.8");
}

#[test]
fn action_modes_carry_less() {
    let mut rig = Rig::new();
    rig.quote_book();
    let ack = rig.order(&json!({"action_mode": "ACK"}));
    assert_eq!(ack.status, 201);
    assert_eq!(ack.body.as_object().map(serde_json::Map::len), Some(3), "{}", ack.body);
    let result = rig.order(&json!({"action_mode": "RESULT"})).body;
    is_text(&result["filled_amount"], "0.5");
    assert_eq!(result.get("fee"), None);
    rig.order(&json!({"action_mode": "SOME"})).refused(400, "INVALID_PARAM_VALUE");
}

#[test]
fn market_orders_take_quote_to_buy_and_base_to_sell() {
    let mut rig = Rig::new();
    rig.quote_book();
    let buy = rig.order(&json!({"type": "market", "price": null, "amount": "150.15"})).body;
    is_text(&buy["price"], "0");
    is_text(&buy["type"], "market");
    is_text(&buy["filled_total"], "150.1499");
    is_text(&buy["left"], "0.0001");
    is_text(&buy["status"], "closed");
    let sell = rig.order(&json!({"type": "market", "side": "sell", "price": null, "amount": "1"})).body;
    is_text(&sell["filled_total"], "99.9");
    is_text(&sell["status"], "closed");
    rig.order(&json!({"type": "market", "time_in_force": "gtc"})).refused(400, "INVALID_PARAM_VALUE");
}

#[test]
fn refusals_have_their_labels() {
    let mut rig = Rig::new();
    rig.quote_book();
    let rows = [
        (json!({"price": "100.11"}), "INVALID_PRECISION"),
        (json!({"amount": "0.1234567"}), "INVALID_PRECISION"),
        (json!({"amount": "0.01"}), "INVALID_PARAM_VALUE"),
        (json!({"amount": "0.000001"}), "INVALID_PARAM_VALUE"),
        (json!({"amount": "2500"}), "BALANCE_NOT_ENOUGH"),
        (json!({"side": "sell", "amount": "5", "price": "99.9"}), "BALANCE_NOT_ENOUGH"),
        (json!({"amount": "100000"}), "AMOUNT_TOO_MUCH"),
        (json!({"time_in_force": "poc"}), "POC_FILL_IMMEDIATELY"),
        (json!({"time_in_force": "fok", "amount": "1.5"}), "FOK_NOT_FILL"),
        (json!({"currency_pair": "NOPE_USDT"}), "INVALID_CURRENCY_PAIR"),
        (json!({"currency_pair": null}), "MISSING_REQUIRED_PARAM"),
        (json!({"side": "hold"}), "INVALID_PARAM_VALUE"),
        (json!({"amount": "-1"}), "INVALID_PARAM_VALUE"),
        (json!({"amount": "0"}), "INVALID_PARAM_VALUE"),
        (json!({"price": "0"}), "INVALID_PARAM_VALUE"),
        (json!({"price": null}), "MISSING_REQUIRED_PARAM"),
        (json!({"amount": 1}), "INVALID_REQUEST_BODY"),
        (json!({"text": "no-prefix"}), "INVALID_PARAM_VALUE"),
        (json!({"account": "margin"}), "INVALID_PARAM_VALUE"),
        (json!({"stp_act": "cn"}), "INVALID_PARAM_VALUE"),
    ];
    let mut placed = 0;
    for (changes, label) in rows {
        rig.order(&changes).refused(400, label);
        placed += 1;
        if placed % 9 == 0 {
            rig.advance(1_000 * MS);
        }
    }
    let request = rig.signed("POST", "/spot/orders", "", "not json");
    rig.raw(request).expect("a reply").refused(400, "INVALID_REQUEST_BODY");
    let accounts = rig.private("GET", "/spot/accounts", "currency=USDT").body;
    is_text(&accounts[0]["available"], "250000");

    let small = rig.order(&json!({"amount": "0.01"})).body;
    is_text(&small["message"], "Your order size 0.01 is too small. The minimum is 3 USDT");
}

#[test]
fn poc_and_fok_may_be_accepted_and_finished_instead() {
    let mut rig = Rig::with(|world| world.unfillable = UnfillablePolicy::AcceptThenCancel, |_| {});
    rig.quote_book();
    let poc = rig.order(&json!({"time_in_force": "poc"}));
    assert_eq!((poc.status, &poc.body["finish_as"], &poc.body["status"]), (201, &json!("poc"), &json!("cancelled")));
    let fok = rig.order(&json!({"time_in_force": "fok", "amount": "1.5"}));
    assert_eq!((fok.status, &fok.body["finish_as"]), (201, &json!("fok")));
}

#[test]
fn orders_are_listed_looked_up_and_cancelled() {
    let mut rig = Rig::new();
    let resting = |price: &str, text: &str| json!({"price": price, "time_in_force": "gtc", "text": text});
    let first = rig.order(&resting("90", "t-a")).body;
    let second = rig.order(&resting("91", "t-b")).body;
    is_text(&first["status"], "open");
    is_text(&first["finish_as"], "open");
    assert_eq!(first.get("avg_deal_price"), None);
    let locked = rig.private("GET", "/spot/accounts", "currency=USDT").body;
    is_text(&locked[0]["locked"], "90.5");

    let id = first["id"].as_str().expect("text").to_owned();
    assert_eq!(rig.private("GET", &format!("/spot/orders/{id}"), "currency_pair=BTC_USDT").body, first);
    assert_eq!(rig.private("GET", "/spot/orders/t-b", "currency_pair=BTC_USDT").body, second);
    rig.private("GET", &format!("/spot/orders/{id}"), "").refused(400, "MISSING_REQUIRED_PARAM");
    rig.private("GET", &format!("/spot/orders/{id}"), "currency_pair=ETH_USDT").refused(404, "ORDER_NOT_FOUND");
    rig.private("GET", "/spot/orders/999", "currency_pair=BTC_USDT").refused(404, "ORDER_NOT_FOUND");
    rig.private("GET", "/spot/orders/t-zz", "currency_pair=BTC_USDT").refused(404, "CLIENT_ID_NOT_FOUND");

    let open = rig.private("GET", "/spot/orders", "currency_pair=BTC_USDT&status=open").body;
    assert_eq!(open.as_array().map(Vec::len), Some(2));
    rig.private("GET", "/spot/orders", "status=open").refused(400, "MISSING_REQUIRED_PARAM");
    rig.private("GET", "/spot/orders", "currency_pair=BTC_USDT&status=open&limit=101").refused(400, "INVALID_PARAM_VALUE");
    let groups = rig.private("GET", "/spot/open_orders", "").body;
    assert_eq!((&groups[0]["currency_pair"], &groups[0]["total"]), (&json!("BTC_USDT"), &json!(2)));
    assert_eq!(groups[0]["orders"].as_array().map(Vec::len), Some(2));

    let cancelled = rig.private("DELETE", &format!("/spot/orders/{id}"), "currency_pair=BTC_USDT");
    assert_eq!((cancelled.status, &cancelled.body["status"]), (200, &json!("cancelled")));
    is_text(&cancelled.body["finish_as"], "cancelled");
    let again = rig.private("DELETE", &format!("/spot/orders/{id}"), "currency_pair=BTC_USDT");
    again.refused(400, "ORDER_CANCELLED");
    let all = rig.private("DELETE", "/spot/orders", "currency_pair=BTC_USDT").body;
    assert_eq!(all.as_array().map(Vec::len), Some(1));
    assert_eq!(all[0]["succeeded"], json!(true));
    let finished = rig.private("GET", "/spot/orders", "currency_pair=BTC_USDT&status=finished").body;
    assert_eq!(finished.as_array().map(Vec::len), Some(2));
    assert_eq!(rig.private("GET", "/spot/open_orders", "").body, json!([]));

    rig.quote(Side::Sell, "100.1", "1");
    let filled = rig.order(&json!({"text": "t-c"})).body;
    let filled = format!("/spot/orders/{}", filled["id"].as_str().expect("text"));
    rig.private("DELETE", &filled, "currency_pair=BTC_USDT").refused(400, "ORDER_CLOSED");
}

#[test]
fn a_repeated_text_is_not_refused_and_the_later_order_shadows_the_earlier() {
    let mut rig = Rig::new();
    let first = rig.order(&json!({"price": "90", "time_in_force": "gtc"})).body;
    let second = rig.order(&json!({"price": "91", "time_in_force": "gtc"})).body;
    assert_ne!(first["id"], second["id"]);
    assert_eq!(rig.private("GET", "/spot/orders/t-1", "currency_pair=BTC_USDT").body["id"], second["id"]);
    assert_eq!(rig.world.monitor(0).counts().duplicate_texts, 1);
}

#[test]
fn new_orders_may_hide_and_unfilled_ones_are_forgotten() {
    let mut rig = Rig::with(|_| {}, |gate| gate.visibility.order_hidden_ns = 5_000 * MS);
    let order = rig.order(&json!({"price": "90"})).body;
    is_text(&order["finish_as"], "ioc");
    let path = format!("/spot/orders/{}", order["id"].as_str().expect("text"));
    let query = "currency_pair=BTC_USDT";
    rig.private("GET", &path, query).refused(404, "ORDER_NOT_FOUND");
    rig.private("GET", "/spot/orders/t-1", query).refused(404, "CLIENT_ID_NOT_FOUND");
    assert_eq!(rig.private("GET", "/spot/orders", "currency_pair=BTC_USDT&status=finished").body, json!([]));
    rig.advance(5_000 * MS);
    assert_eq!(rig.private("GET", &path, query).status, 200);
    assert_eq!(rig.private("GET", "/spot/orders/t-1", query).status, 200);
    rig.advance(55_000 * MS);
    rig.private("GET", &path, query).refused(404, "ORDER_NOT_FOUND");
    rig.private("GET", "/spot/orders/t-1", query).refused(404, "CLIENT_ID_NOT_FOUND");

    rig.quote_book();
    let filled = rig.order(&json!({"text": "t-filled"})).body;
    let path = format!("/spot/orders/{}", filled["id"].as_str().expect("text"));
    rig.advance(3_700_000 * MS);
    assert_eq!(rig.private("GET", &path, query).status, 200, "orders with fills stay findable by id");
    rig.private("GET", "/spot/orders/t-filled", query).refused(404, "CLIENT_ID_NOT_FOUND");
}

#[test]
fn balances_and_trades_may_lag() {
    let set = |gate: &mut super::GateConfig| {
        gate.visibility.balances_stale_ns = 2_000 * MS;
        gate.visibility.trade_hidden_ns = 2_000 * MS;
    };
    let mut rig = Rig::with(|_| {}, set);
    rig.quote_book();
    rig.advance(3_000 * MS);
    let before = rig.private("GET", "/spot/accounts", "").body;
    rig.order(&json!({}));
    assert_eq!(rig.private("GET", "/spot/accounts", "").body, before);
    assert_eq!(rig.private("GET", "/spot/my_trades", "").body, json!([]));
    rig.advance(2_000 * MS);
    let after = rig.private("GET", "/spot/accounts", "currency=BTC").body;
    is_text(&after[0]["available"], "4.4995");
    assert_eq!(rig.private("GET", "/spot/my_trades", "").body.as_array().map(Vec::len), Some(1));
    // A change from while nothing lagged is shown however lists lag later.
    for lag_ns in [0, 2_000 * MS] {
        rig.world.conditions(0).expect("Gate has faults").visibility.balances_stale_ns = lag_ns;
        if lag_ns == 0 {
            rig.order(&json!({"text": "t-2"}));
        }
        rig.advance(3_000 * MS);
        is_text(&rig.private("GET", "/spot/accounts", "currency=BTC").body[0]["available"], "4.999");
    }
}

#[test]
fn requests_past_their_expiry_are_not_executed() {
    let mut rig = Rig::new();
    rig.quote_book();
    let body = super::order_body(&json!({})).to_string();
    let expiring = |rig: &Rig, at_ms: u64| {
        let mut request = rig.signed("POST", "/spot/orders", "", &body);
        request.headers.push(("x-gate-exptime".to_owned(), at_ms.to_string()));
        request
    };
    let late = expiring(&rig, START_NS / MS - 1);
    rig.raw(late).expect("a reply").refused(400, "EXPTIME_PASSED");
    assert_eq!(rig.world.monitor(0).counts().accepted, 0);
    let in_time = expiring(&rig, rig.world.now() / MS + 1);
    assert_eq!(rig.raw(in_time).expect("a reply").status, 201);
    let mut cancel = rig.signed("DELETE", "/spot/orders", "currency_pair=BTC_USDT", "");
    cancel.headers.push(("x-gate-exptime".to_owned(), "1".to_owned()));
    rig.raw(cancel).expect("a reply").refused(400, "EXPTIME_PASSED");
}

#[test]
fn the_eleventh_order_of_a_second_is_refused_and_not_executed() {
    let mut rig = Rig::with(|_| {}, |gate| gate.delays.rest_order = crate::timing::DelayRange::fixed(MS));
    for number in 1..=10 {
        let answer = rig.order(&json!({"price": "90", "text": format!("t-{number}")}));
        assert_eq!(answer.status, 201);
        assert_eq!(answer.header("x-gate-ratelimit-requests-remain"), (10 - number).to_string());
    }
    let refused = rig.order(&json!({"price": "90", "text": "t-11"}));
    refused.refused(429, "TOO_MANY_REQUESTS");
    assert_eq!(refused.header("x-gate-ratelimit-limit"), "10");
    assert_eq!(refused.header("x-gate-ratelimit-requests-remain"), "0");
    assert_eq!(refused.header("x-gate-ratelimit-reset-timestamp"), "1700000001");
    let eth = rig.order(&json!({"currency_pair": "ETH_USDT", "price": "90"}));
    assert_eq!(eth.status, 201, "the bucket is per market");
    assert_eq!(rig.private("DELETE", "/spot/orders", "").status, 200, "cancels have their own bucket");
    rig.advance(1_000 * MS);
    assert_eq!(rig.order(&json!({"price": "90", "text": "t-12"})).status, 201);
    let counts = rig.world.monitor(0).counts();
    assert_eq!((counts.placements, counts.accepted, counts.refused), (13, 12, 1));
}

#[test]
fn replies_are_lost_or_fail_after_acceptance_exactly_where_scripted() {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.faults().drop_reply_after_order = vec![2];
    rig.faults().fail_reply_after_order = vec![3];
    assert_eq!(rig.order(&json!({"amount": "0.1", "text": "t-1"})).status, 201);
    let body = super::order_body(&json!({"amount": "0.1", "text": "t-2"})).to_string();
    let swallowed = rig.signed("POST", "/spot/orders", "", &body);
    assert!(rig.raw(swallowed).is_none());
    rig.order(&json!({"amount": "0.1", "text": "t-3"})).refused(500, "INTERNAL");
    assert_eq!(rig.order(&json!({"amount": "0.1", "text": "t-4"})).status, 201);
    for text in ["t-1", "t-2", "t-3", "t-4"] {
        let order = rig.private("GET", &format!("/spot/orders/{text}"), "currency_pair=BTC_USDT").body;
        is_text(&order["status"], "closed");
    }
    is_text(&rig.private("GET", "/spot/accounts", "currency=BTC").body[0]["available"], "4.3996");
}

#[test]
fn the_book_cache_may_be_old() {
    let mut rig = Rig::new();
    rig.quote_book();
    let query = "currency_pair=BTC_USDT&with_id=true&limit=100";
    let first = rig.public("/spot/order_book", query).body;
    for price in ["99", "98"] {
        rig.advance(1_100 * MS);
        rig.quote(Side::Buy, price, "1");
    }
    rig.faults().stale_book_replies = 1;
    let stale = rig.public("/spot/order_book", query).body;
    let fresh = rig.public("/spot/order_book", query).body;
    assert!(stale["id"].as_u64() < fresh["id"].as_u64());
    assert!(stale["id"].as_u64() > first["id"].as_u64());
    rig.faults().empty_book_replies = true;
    let empty = rig.public("/spot/order_book", query).body;
    assert_eq!((empty.get("id"), &empty["bids"], &empty["asks"]), (None, &json!([]), &json!([])));
}
