//! Orders over REST: what is refused in the reply, what only after it, and what lists say of both.

use serde_json::{Value, json};

use super::{MS, Rig, SECOND};
use crate::core::Side;

fn state(row: &Value) -> [&str; 3] {
    [&row["orderStatus"], &row["cancelType"], &row["rejectReason"]].map(|value| value.as_str().unwrap_or(""))
}

fn filled(row: &Value) -> [&str; 3] {
    [&row["cumExecQty"], &row["cumExecValue"], &row["leavesQty"]].map(|value| value.as_str().unwrap_or(""))
}

#[test]
fn an_answer_is_only_received_and_the_list_says_what_became_of_it() {
    let mut rig = Rig::new();
    rig.quote_book();
    let placed = rig.order(&json!({}));
    assert_eq!(placed.result().as_object().map(|fields| fields.len()), Some(2), "ids only");
    assert_eq!((placed.header("x-bapi-limit"), placed.header("x-bapi-limit-status")), ("20", "19"));
    let row = rig.found("a-1");
    assert_eq!(row["orderId"], placed.result()["orderId"]);
    assert_eq!((state(&row), filled(&row)), (["Filled", "UNKNOWN", "EC_NoError"], ["0.5", "50.05", "0"]));
    assert_eq!((&row["avgPrice"], &row["cumFeeDetail"]), (&json!("100.1"), &json!({"BTC": "0.0005"})));
    // Partly filled, and the rest cancelled: a state of its own on spot.
    rig.order(&json!({"orderLinkId": "a-2", "qty": "2"})).result();
    let row = rig.found("a-2");
    assert_eq!(
        (state(&row), filled(&row)),
        (["PartiallyFilledCanceled", "UNKNOWN", "EC_NoImmediateQtyToFill"], ["0.5", "50.05", "0"])
    );
    rig.order(&json!({"orderLinkId": "a-3", "price": "90"})).result();
    assert_eq!(state(&rig.found("a-3")), ["Cancelled", "UNKNOWN", "EC_NoImmediateQtyToFill"]);
    rig.order(&json!({"orderLinkId": "a-4", "timeInForce": "FOK", "qty": "50", "price": "101"})).result();
    assert_eq!(state(&rig.found("a-4")), ["Cancelled", "UNKNOWN", "EC_CancelForNoFullFill"]);
    rig.order(&json!({"orderLinkId": "a-5", "timeInForce": "PostOnly", "price": "101"})).result();
    let row = rig.found("a-5");
    assert_eq!((state(&row), &row["avgPrice"]), (["Cancelled", "UNKNOWN", "EC_PostOnlyWillTakeLiquidity"], &json!("")));
    assert_eq!(rig.balance("USDT"), ["249899.9", "0"]);
    assert_eq!(rig.balance("BTC"), ["4.999", "0"], "the fee leaves what was received");
    let counts = rig.world.monitor(0).counts();
    assert_eq!((counts.placements, counts.accepted), (5, 5));
}

#[test]
fn what_the_gateway_can_see_is_refused_in_the_reply() {
    let mut rig = Rig::with(|_| {}, |bybit| bybit.limits.create = 100);
    rig.quote_book();
    let rows = [
        (json!({"symbol": "NOUSDT"}), 170_121),
        (json!({"category": "linear"}), 10_001),
        (json!({"category": null}), 10_001),
        (json!({"side": "Long"}), 170_117),
        (json!({"orderType": "Stop"}), 170_116),
        (json!({"timeInForce": "GTD"}), 170_115),
        (json!({"qty": 1}), 10_001),
        (json!({"qty": "-1"}), 10_001),
        (json!({"qty": "0"}), 170_136),
        (json!({"qty": "0.000001"}), 170_136),
        (json!({"qty": "0.02"}), 170_140),
        (json!({"qty": "0.5000001"}), 170_137),
        (json!({"price": "100.11"}), 170_134),
        (json!({"price": null}), 10_001),
        (json!({"qty": "60000"}), 170_124),
        (json!({"qty": "4000"}), 170_131),
        (json!({"orderLinkId": "x".repeat(37)}), 10_001),
        (json!({"orderLinkId": "a b"}), 10_001),
        (json!({"isLeverage": 1}), 170_036),
        (json!({"triggerPrice": "99"}), 170_227),
        (json!({"orderFilter": "tpslOrder"}), 170_227),
    ];
    for (changes, code) in rows {
        let answer = rig.order(&changes);
        assert_eq!((answer.status, answer.code()), (200, code), "{changes}: {}", answer.body);
    }
    rig.order(&json!({"isLeverage": 0, "orderFilter": "Order", "takeProfit": "0"})).result();
    rig.order(&json!({})).refused(170_141);
    rig.advance(3_600 * SECOND);
    rig.order(&json!({})).refused(170_141);
    assert_eq!(rig.balance("USDT")[1], "0", "nothing is held");
}

#[test]
fn halted_trading_is_refused_by_matching_after_the_acknowledgement() {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.faults().halted_pairs.push("BTC_USDT".to_owned());
    let placed = rig.order(&json!({}));
    let id = placed.result()["orderId"].clone();
    let row = rig.found("a-1");
    assert_eq!((&row["orderId"], state(&row)), (&id, ["Rejected", "UNKNOWN", "EC_InvalidSymbolStatus"]));
    assert_eq!(rig.balance("USDT"), ["250000", "0"]);
}

#[test]
fn a_market_order_is_sized_in_either_coin_and_ends_at_a_price() {
    let mut rig = Rig::new();
    rig.quote_book();
    let mut market = |link: &str, changes: Value| {
        let mut body = json!({"orderType": "Market", "price": null, "timeInForce": null, "orderLinkId": link});
        body.as_object_mut().expect("an object").extend(changes.as_object().cloned().expect("an object"));
        rig.order(&body).result();
        let row = rig.found(link);
        assert_eq!((&row["orderType"], &row["timeInForce"], &row["price"]), (&json!("Market"), &json!("IOC"), &json!("0")));
        row
    };
    // By value: what is asked for is quote, and what cannot be spent is given back.
    let row = market("m-1", json!({"qty": "50.05"}));
    assert_eq!(
        (state(&row)[0], filled(&row), &row["qty"], &row["marketUnit"]),
        ("Filled", ["0.5", "50.05", "0"], &json!("50.05"), &json!(""))
    );
    let row = market("m-2", json!({"qty": "30.00001", "marketUnit": "quoteCoin"}));
    assert_eq!((state(&row)[0], &row["cumExecQty"]), ("PartiallyFilledCanceled", &json!("0.2997")));
    let row = market("m-3", json!({"qty": "0.3", "marketUnit": "baseCoin"}));
    assert_eq!((state(&row)[0], filled(&row), &row["qty"]), ("Filled", ["0.3", "30.03997", "0"], &json!("0.3")));
    let row = market("m-4", json!({"side": "Sell", "qty": "1.5"}));
    assert_eq!((state(&row)[0], filled(&row)), ("Filled", ["1.5", "149.8", "0"]));
    let row = market("m-5", json!({"side": "Sell", "qty": "99.8", "marketUnit": "quoteCoin"}));
    assert_eq!((state(&row)[0], filled(&row), &row["qty"]), ("Filled", ["1", "99.8", "0"], &json!("99.8")));
    // Nothing more within two ticks and a half, that is within 0.25 %.
    let row = market(
        "m-6",
        json!({"qty": "4", "marketUnit": "baseCoin", "slippageToleranceType": "Percent", "slippageTolerance": "0.25"}),
    );
    assert_eq!(
        (state(&row)[0], &row["slippageToleranceType"], &row["slippageTolerance"]),
        ("PartiallyFilledCanceled", &json!("Percent"), &json!("0.25"))
    );
    let refuse = |rig: &mut Rig, changes: Value, code| {
        let mut body = json!({"orderType": "Market", "price": null, "orderLinkId": "m-9"});
        body.as_object_mut().expect("an object").extend(changes.as_object().cloned().expect("an object"));
        rig.order(&body).refused(code);
    };
    refuse(&mut rig, json!({"qty": "50.00000001"}), 170_148);
    refuse(&mut rig, json!({"qty": "2"}), 170_140);
    refuse(&mut rig, json!({"qty": "1", "marketUnit": "coin"}), 10_001);
    refuse(&mut rig, json!({"qty": "50", "slippageToleranceType": "TickSize", "slippageTolerance": "3"}), 10_001);
    refuse(&mut rig, json!({"qty": "50", "slippageToleranceType": "Percent", "slippageTolerance": "0.255"}), 10_001);
    assert_eq!(rig.world.conservation_check(), Ok(()));
}

#[test]
fn a_market_order_without_a_book_is_cancelled_after_its_answer() {
    let mut rig = Rig::new();
    let mut number = 0;
    for (side, unit) in [("Buy", "quoteCoin"), ("Buy", "baseCoin"), ("Sell", "baseCoin"), ("Sell", "quoteCoin")] {
        number += 1;
        rig.quote(Side::Buy, "50", "1");
        let link = format!("m-{number}");
        let qty = if unit == "quoteCoin" { "60" } else { "1" };
        if side == "Buy" {
            rig.order(&json!({"orderType": "Market", "qty": qty, "marketUnit": unit, "side": side, "orderLinkId": link}))
                .result();
            assert_eq!(state(&rig.found(&link))[0], "Cancelled", "{side} {unit}");
        } else {
            rig.order(&json!({"orderType": "Market", "qty": qty, "marketUnit": unit, "side": side, "orderLinkId": link}))
                .result();
            assert_eq!(filled(&rig.found(&link))[0], if unit == "baseCoin" { "1" } else { "1.2" });
        }
    }
}

#[test]
fn orders_are_amended_and_cancelled_by_either_name() {
    let mut rig = Rig::new();
    rig.quote_book();
    let id = rig.order(&json!({"price": "90", "timeInForce": "GTC"})).result()["orderId"].clone();
    assert_eq!(rig.balance("USDT"), ["250000", "45"]);
    let amended = rig.post(
        "/order/amend",
        &json!({"category": "spot", "symbol": "BTCUSDT", "orderLinkId": "a-1", "qty": "0.6", "price": "91"}),
    );
    assert_eq!(amended.result(), &json!({"orderId": id, "orderLinkId": "a-1"}));
    let row = rig.found("a-1");
    assert_eq!(
        (state(&row), &row["price"], &row["qty"], &row["leavesValue"]),
        (["New", "UNKNOWN", "EC_NoError"], &json!("91"), &json!("0.6"), &json!("54.6"))
    );
    let amend = |rig: &mut Rig, changes: Value| {
        let mut body = json!({"category": "spot", "symbol": "BTCUSDT", "orderLinkId": "a-1"});
        body.as_object_mut().expect("an object").extend(changes.as_object().cloned().expect("an object"));
        rig.post("/order/amend", &body)
    };
    amend(&mut rig, json!({"price": "91"})).refused(10_001);
    amend(&mut rig, json!({})).refused(10_001);
    amend(&mut rig, json!({"price": "91.11"})).refused(170_134);
    amend(&mut rig, json!({"qty": "9000"})).refused(170_131);
    amend(&mut rig, json!({"orderLinkId": "nobody", "qty": "1"})).refused(170_213);
    // An order that is amended into the book takes what is there.
    amend(&mut rig, json!({"price": "100.1"})).result();
    assert_eq!(state(&rig.found("a-1"))[0], "Filled");
    amend(&mut rig, json!({"price": "90"})).refused(170_139);

    let cancel = |rig: &mut Rig, name: &str, value: &Value| {
        let mut body = json!({"category": "spot", "symbol": "BTCUSDT"});
        body[name] = value.clone();
        rig.post("/order/cancel", &body)
    };
    cancel(&mut rig, "orderId", &id).refused(170_139);
    cancel(&mut rig, "orderId", &json!("999")).refused(170_213);
    cancel(&mut rig, "nothing", &json!("")).refused(10_001);
    let second = rig.order(&json!({"price": "90", "timeInForce": "GTC", "orderLinkId": "a-2"})).result()["orderId"].clone();
    cancel(&mut rig, "orderId", &second).result();
    assert_eq!(state(&rig.found("a-2")), ["Cancelled", "CancelByUser", "EC_PerCancelRequest"]);
    cancel(&mut rig, "orderLinkId", &json!("a-2")).refused(170_142);
    for number in 3..6 {
        rig.order(&json!({"price": "90", "timeInForce": "GTC", "orderLinkId": format!("a-{number}")})).result();
    }
    rig.order(&json!({"price": "0.5", "timeInForce": "GTC", "orderLinkId": "a-9", "symbol": "XRPUSDT", "qty": "10"})).result();
    let swept = rig.post("/order/cancel-all", &json!({"category": "spot", "symbol": "BTCUSDT"}));
    assert_eq!((swept.result()["list"].as_array().map(Vec::len), &swept.result()["success"]), (Some(3), &json!("1")));
    assert_eq!(rig.post("/order/cancel-all", &json!({"category": "spot"})).result()["list"].as_array().map(Vec::len), Some(1));
    assert_eq!(rig.post("/order/cancel-all", &json!({"category": "linear", "settleCoin": "USDT"})).result()["list"], json!([]));
    assert_eq!(rig.balance("USDT")[1], "0");
}

#[test]
fn a_batch_tells_each_order_apart() {
    let mut rig = Rig::new();
    rig.quote_book();
    let item = |link: &str, changes: Value| {
        let mut item = super::order_body(&json!({"orderLinkId": link, "price": "90", "timeInForce": "GTC"}));
        item.as_object_mut().expect("an object").remove("category");
        item.as_object_mut().expect("an object").extend(changes.as_object().cloned().expect("an object"));
        item
    };
    let batch = json!({"category": "spot", "request": [item("b-1", json!({})), item("b-2", json!({"price": "90.11"})), item("b-1", json!({}))]});
    let answer = rig.post("/order/create-batch", &batch);
    let codes: Vec<i64> =
        answer.body["retExtInfo"]["list"].as_array().expect("codes").iter().filter_map(|row| row["code"].as_i64()).collect();
    assert_eq!((answer.code(), codes), (0, vec![0, 170_134, 170_141]));
    assert_eq!(answer.header("x-bapi-limit-status"), "17", "each order counts");
    let rows = &answer.result()["list"];
    assert!(rows[0]["orderId"] != "" && rows[0]["createAt"] != "" && rows[1]["orderId"] == "");
    let cancel = json!({"category": "spot", "request": [{"symbol": "BTCUSDT", "orderLinkId": "b-1"}, {"symbol": "BTCUSDT", "orderLinkId": "b-2"}]});
    let answer = rig.post("/order/cancel-batch", &cancel);
    assert_eq!([&answer.body["retExtInfo"]["list"][0]["code"], &answer.body["retExtInfo"]["list"][1]["code"]], [0, 170_213]);
    let many: Vec<Value> = (0..11).map(|number| item(&format!("c-{number}"), json!({}))).collect();
    rig.post("/order/create-batch", &json!({"category": "spot", "request": many})).refused(10_001);
}

#[test]
fn lists_are_newest_first_and_page_by_a_cursor() {
    let mut rig = Rig::new();
    rig.quote_book();
    for number in 0..5 {
        rig.order(&json!({"price": "90", "timeInForce": "GTC", "orderLinkId": format!("o-{number}")})).result();
    }
    let links = |result: &Value| -> Vec<String> {
        result["list"].as_array().expect("rows").iter().map(|row| row["orderLinkId"].as_str().expect("text").to_owned()).collect()
    };
    let first = rig.get("/order/realtime", "category=spot&limit=2").result().clone();
    assert_eq!(links(&first), ["o-4", "o-3"]);
    let cursor = first["nextPageCursor"].as_str().expect("text").to_owned();
    rig.order(&json!({"price": "90", "timeInForce": "GTC", "orderLinkId": "o-5"})).result();
    let second = rig.get("/order/realtime", &format!("category=spot&limit=3&cursor={cursor}")).result().clone();
    assert_eq!(
        (links(&second), &second["nextPageCursor"]),
        (vec!["o-2".to_owned(), "o-1".to_owned(), "o-0".to_owned()], &json!(""))
    );
    rig.get("/order/realtime", "category=spot&limit=51").refused(10_001);
    rig.get("/order/realtime", "category=spot&cursor=x").refused(10_001);
    assert_eq!(rig.get("/order/realtime", "category=linear&symbol=BTCUSDT").result()["list"], json!([]));
    rig.post("/order/cancel-all", &json!({"category": "spot"})).result();
    assert_eq!(rig.get("/order/realtime", "category=spot").result()["list"], json!([]));
    assert_eq!(links(rig.get("/order/realtime", "category=spot&openOnly=1&limit=1").result()), ["o-5"]);
    assert_eq!(links(rig.get("/order/history", "category=spot&limit=50").result()).len(), 6);
    assert_eq!(links(rig.get("/order/history", "category=spot&orderStatus=Filled").result()).len(), 0);
    // What has ended is known to the list of recent orders for a while, and to the history for longer.
    rig.advance(700 * SECOND);
    assert_eq!(rig.get("/order/realtime", "category=spot&orderLinkId=o-1").result()["list"], json!([]));
    assert_eq!(links(rig.get("/order/history", "category=spot&orderLinkId=o-1").result()), ["o-1"]);
    rig.advance(86_400 * SECOND);
    assert_eq!(rig.get("/order/history", "category=spot&orderLinkId=o-1").result()["list"], json!([]), "it had no fill");
}

#[test]
fn executions_tell_fees_in_the_coin_received() {
    let mut rig = Rig::new();
    rig.quote_book();
    let id = rig.order(&json!({"qty": "1.5", "price": "100.2"})).result()["orderId"].as_str().expect("text").to_owned();
    rig.order(&json!({"side": "Sell", "qty": "0.25", "price": "99.9", "orderLinkId": "a-2"})).result();
    let all = rig.get("/execution/list", "category=spot").result()["list"].clone();
    let brief = |row: &Value| {
        ["execPrice", "execQty", "execValue", "execFee", "feeCurrency", "leavesQty"]
            .map(|name| row[name].as_str().unwrap_or("").to_owned())
    };
    assert_eq!(brief(&all[0]), ["99.9", "0.25", "24.975", "0.024975", "USDT", "0"]);
    assert_eq!(brief(&all[1]), ["100.2", "0.5", "50.1", "0.0005", "BTC", "0"]);
    assert_eq!(brief(&all[2]), ["100.1", "1", "100.1", "0.001", "BTC", "0.5"]);
    assert_eq!((&all[0]["isMaker"], &all[0]["execType"], &all[0]["feeRate"]), (&json!(false), &json!("Trade"), &json!("0.001")));
    let one = rig.get("/execution/list", &format!("category=spot&orderId={id}&limit=1")).result().clone();
    assert_eq!(one["list"].as_array().map(Vec::len), Some(1));
    let cursor = one["nextPageCursor"].as_str().expect("text").to_owned();
    let rest = rig.get("/execution/list", &format!("category=spot&orderId={id}&limit=9&cursor={cursor}")).result().clone();
    assert_eq!(brief(&rest["list"][0]), brief(&all[2]));
    rig.get("/execution/list", "category=spot&startTime=1&endTime=9999999999999").refused(10_001);
    let now_ms = rig.now_ms();
    assert_eq!(rig.get("/execution/list", &format!("category=spot&startTime={}", now_ms + 1)).result()["list"], json!([]));
    rig.dialect().config_mut().visibility.trade_hidden_ns = 3_600_000 * MS;
    assert_eq!(rig.get("/execution/list", "category=spot").result()["list"], json!([]), "not known yet");
}

#[test]
fn sides_and_types_are_taken_in_letters_of_either_case() {
    let mut rig = Rig::new();
    rig.quote_book();
    let words = [("BUY", "LIMIT"), ("buy", "limit"), ("SELL", "Limit"), ("sell", "LIMIT")];
    for (number, (side, kind)) in words.into_iter().enumerate() {
        let link = format!("c-{number}");
        rig.order(&json!({"side": side, "orderType": kind, "price": "100", "qty": "0.1", "orderLinkId": link})).result();
        let row = rig.found(&link);
        let expected = if number < 2 { "Buy" } else { "Sell" };
        assert_eq!((&row["side"], &row["orderType"]), (&json!(expected), &json!("Limit")), "{side} {kind}");
    }
    let market = json!({"side": "SELL", "orderType": "MARKET", "price": null, "qty": "0.1", "orderLinkId": "c-9"});
    rig.order(&market).result();
    let row = rig.found("c-9");
    assert_eq!((&row["side"], &row["orderType"]), (&json!("Sell"), &json!("Market")));
}

#[test]
fn an_order_that_is_named_is_looked_up_whatever_else_is_asked() {
    let mut rig = Rig::new();
    rig.quote_book();
    let id = rig.order(&json!({"qty": "0.4"})).result()["orderId"].as_str().expect("text").to_owned();
    for path in ["/order/realtime", "/order/history", "/execution/list"] {
        // A symbol in another exchange's spelling, a known one that is not the order's, and a span that is too wide.
        for more in
            ["symbol=BTC-USDT", "symbol=ETHUSDT", "baseCoin=ETH", "startTime=1&endTime=9999999999999", "startTime=9&endTime=1"]
        {
            for name in [format!("orderId={id}"), "orderLinkId=a-1".to_owned(), format!("orderId={id}&orderLinkId=nobody")] {
                let rows = rig.get(path, &format!("category=spot&{name}&{more}")).result()["list"].clone();
                assert_eq!((rows.as_array().map(Vec::len), &rows[0]["orderId"]), (Some(1), &json!(id)), "{path} {name} {more}");
            }
        }
        rig.get(path, "category=spot&symbol=BTC-USDT").refused(170_121);
        assert_eq!(rig.get(path, "category=spot&orderId=999&orderLinkId=a-1").result()["list"], json!([]), "the id comes first");
    }
    rig.get("/order/history", "category=spot&startTime=1&endTime=9999999999999").refused(10_001);
}

#[test]
fn a_cancel_that_names_an_order_needs_no_symbol_that_is_listed() {
    let mut rig = Rig::new();
    rig.quote_book();
    let place = |rig: &mut Rig, link: &str| {
        let order = json!({"price": "90", "timeInForce": "GTC", "orderLinkId": link});
        rig.order(&order).result()["orderId"].clone()
    };
    let cancel = |rig: &mut Rig, symbol: &str, name: &str, value: &Value| {
        let mut body = json!({"category": "spot", "symbol": symbol});
        body[name] = value.clone();
        rig.post("/order/cancel", &body)
    };
    let id = place(&mut rig, "d-1");
    cancel(&mut rig, "ETHUSDT", "orderId", &id).refused(170_213);
    cancel(&mut rig, "BTC-USDT", "orderId", &json!("999")).refused(170_121);
    cancel(&mut rig, "BTC-USDT", "orderLinkId", &json!("nobody")).refused(170_121);
    cancel(&mut rig, "BTC-USDT", "nothing", &json!("")).refused(170_121);
    assert_eq!(cancel(&mut rig, "BTC-USDT", "orderId", &id).result()["orderId"], id);
    cancel(&mut rig, "BTC-USDT", "orderId", &id).refused(170_142);
    place(&mut rig, "d-2");
    cancel(&mut rig, "BTC-USDT", "orderLinkId", &json!("d-2")).result();
    place(&mut rig, "d-3");
    let batch = json!({"category": "spot", "request": [{"symbol": "BTC-USDT", "orderLinkId": "d-3"}]});
    assert_eq!(rig.post("/order/cancel-batch", &batch).body["retExtInfo"]["list"][0]["code"], 0);
    assert_eq!(rig.balance("USDT")[1], "0");
}
