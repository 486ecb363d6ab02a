//! The WebSocket API: sessions, private news, and what faults make of them.

use super::*;

const PATH: &str = "/ws-api/v3";

/// An order with this much changed.
fn order(price: &str, more: &Value) -> Value {
    let mut params = json!({
        "apiKey": KEY, "symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "IOC", "price": price, "quantity": "1.5",
    });
    for (name, value) in more.as_object().expect("an object") {
        params[name] = value.clone();
    }
    params
}

fn subscribed() -> Rig {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.open(1, PATH);
    let (reply, _) = rig.call(1, "userDataStream.subscribe.signature", json!({"apiKey": KEY}));
    assert_eq!(reply["result"], json!({"subscriptionId": 0}), "{reply}");
    rig
}

#[test]
fn requests_are_signed_one_by_one_or_by_a_session() {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.open(1, PATH);
    let (reply, _) = rig.call(1, "order.place", order("100.2", &json!({"newClientOrderId": "w-1"})));
    assert_eq!((&reply["status"], &reply["result"]["status"]), (&json!(200), &json!("FILLED")), "{reply}");
    assert_eq!(reply["rateLimits"].as_array().map(Vec::len), Some(3));
    let (refused, _) = rig.call(1, "order.place", json!({"symbol": SYMBOL}));
    assert_eq!((&refused["status"], &refused["error"]["code"]), (&json!(401), &json!(-2014)));
    let (refused, _) = rig.call(1, "session.logon", json!({"apiKey": KEY}));
    assert_eq!(refused["error"], json!({"code": -4056, "msg": "HMAC_SHA256 API key is not supported."}));
    let (reply, _) = rig.call(1, "session.logon", json!({"apiKey": "k-ed25519"}));
    assert_eq!(reply["result"]["apiKey"], "k-ed25519", "{reply}");
    let now = rig.now_ms();
    let (reply, _) = rig.call(1, "account.status", json!({"timestamp": now, "returnRateLimits": false}));
    assert_eq!((&reply["status"], reply.get("rateLimits")), (&json!(200), None), "{reply}");
    let now = rig.now_ms();
    let (reply, _) = rig.call(1, "order.status", json!({"timestamp": now, "symbol": SYMBOL, "origClientOrderId": "w-1"}));
    assert_eq!(reply["result"]["executedQty"], "1.50000000");
    let (reply, _) = rig.call(1, "session.logout", json!({}));
    assert_eq!(reply["result"]["apiKey"], Value::Null);
    let now = rig.now_ms();
    let (refused, _) = rig.call(1, "account.status", json!({"timestamp": now}));
    assert_eq!(refused["error"]["code"], -2014);
}

#[test]
fn market_data_and_nonsense_are_answered() {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.open(1, &format!("{PATH}?returnRateLimits=false"));
    let (reply, _) = rig.call(1, "v3/depth", json!({"symbol": SYMBOL, "limit": 5}));
    assert_eq!((&reply["result"]["bids"][0][0], reply.get("rateLimits")), (&json!("99.90000000"), None));
    let (reply, _) = rig.call(1, "exchangeInfo", json!({"symbols": ["BTCUSDT", "ETHUSDT"]}));
    assert_eq!(reply["result"]["symbols"].as_array().map(Vec::len), Some(2));
    let (reply, _) = rig.call(1, "nothing", json!({}));
    assert_eq!((&reply["status"], &reply["error"]["code"]), (&json!(400), &json!(-1020)));
    rig.world.ws_frame(0, 1, WsFrame::Text(b"[1".to_vec()));
    assert_eq!(rig.frames(1, 5 * MS)[0]["error"]["code"], -1135);
}

#[test]
fn an_order_is_told_from_new_to_its_end_with_the_balances_it_moved() {
    let mut rig = subscribed();
    let (reply, events) = rig.call(1, "order.place", order("100.1", &json!({"newClientOrderId": "w-1"})));
    assert_eq!(reply["result"]["status"], "EXPIRED", "{reply}");
    assert!(events.iter().all(|event| event["subscriptionId"] == 0));
    let events: Vec<&Value> = events.iter().map(|event| &event["event"]).collect();
    let reports = events.iter().filter(|event| event["e"] == "executionReport");
    let steps: Vec<String> =
        reports.map(|event| format!("{} {} {}", event["x"], event["X"], event["z"]).replace('"', "")).collect();
    assert_eq!(steps, ["NEW NEW 0.00000000", "TRADE PARTIALLY_FILLED 1.00000000", "EXPIRED EXPIRED 1.00000000"]);
    let trade = events.iter().find(|event| event["x"] == "TRADE").expect("a trade");
    assert_eq!((&trade["l"], &trade["L"]), (&json!("1.00000000"), &json!("100.10000000")));
    assert_eq!((&trade["n"], &trade["N"]), (&json!("0.00100000"), &json!("BTC")));
    assert_eq!((&trade["t"], &trade["m"]), (&json!(1), &json!(false)));
    let position = events.iter().find(|event| event["e"] == "outboundAccountPosition").expect("balances");
    let rows = position["B"].as_array().expect("rows");
    assert!(rows.contains(&json!({"a": "BTC", "f": "4.99900000", "l": "0.00000000"})), "{position}");
    assert!(rows.contains(&json!({"a": "USDT", "f": "249899.90000000", "l": "0.00000000"})), "{position}");
}

#[test]
fn a_cancel_is_told_with_its_own_id_and_the_orders() {
    let mut rig = subscribed();
    rig.call(1, "order.place", order("90", &json!({"timeInForce": "GTC", "newClientOrderId": "w-1"})));
    let cancel = json!({"apiKey": KEY, "symbol": SYMBOL, "origClientOrderId": "w-1", "newClientOrderId": "c-1"});
    let (reply, events) = rig.call(1, "order.cancel", cancel.clone());
    assert_eq!((&reply["result"]["status"], &reply["result"]["clientOrderId"]), (&json!("CANCELED"), &json!("c-1")));
    let told = events.iter().map(|event| &event["event"]).find(|event| event["x"] == "CANCELED").expect("told");
    assert_eq!((&told["c"], &told["C"], &told["X"]), (&json!("c-1"), &json!("w-1"), &json!("CANCELED")));
    let (refused, _) = rig.call(1, "order.cancel", cancel);
    assert_eq!((&refused["status"], &refused["error"]["code"]), (&json!(400), &json!(-2011)));
    let (refused, _) = rig.call(1, "openOrders.cancelAll", json!({"apiKey": KEY, "symbol": SYMBOL}));
    assert_eq!(refused["error"]["code"], -2011);
}

#[test]
fn makers_hear_of_their_fills_and_deposits_are_told() {
    let mut rig = subscribed();
    rig.call(1, "order.place", order("100", &json!({"timeInForce": "GTC", "quantity": "2"})));
    rig.quote(Side::Sell, "100", "0.5");
    rig.quote(Side::Sell, "100", "1.5");
    let events = rig.frames(1, 20 * MS);
    let fills: Vec<String> = events
        .iter()
        .map(|event| &event["event"])
        .filter(|event| event["x"] == "TRADE")
        .map(|event| format!("{} {} {}", event["X"], event["z"], event["m"]).replace('"', ""))
        .collect();
    assert_eq!(fills, ["PARTIALLY_FILLED 0.50000000 true", "FILLED 2.00000000 true"]);
    let (now, account) = (rig.world.now(), rig.world.account(0));
    let exchange = rig.world.exchange_mut(0);
    let usdt = exchange.asset_by_name("USDT").expect("listed");
    exchange.deposit(now, account, usdt, dec("5")).expect("a deposit");
    let events = rig.frames(1, 20 * MS);
    assert_eq!((&events[0]["event"]["e"], &events[0]["event"]["d"]), (&json!("balanceUpdate"), &json!("5.00000000")));
    assert_eq!(events[1]["event"]["e"], "outboundAccountPosition");
}

#[test]
fn subscriptions_end_with_their_session_or_by_request() {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.open(1, PATH);
    let (refused, _) = rig.call(1, "userDataStream.subscribe", json!({}));
    assert_eq!(refused["error"]["code"], -2015);
    rig.call(1, "session.logon", json!({"apiKey": "k-ed25519"}));
    let (reply, _) = rig.call(1, "userDataStream.subscribe", json!({}));
    assert_eq!(reply["result"]["subscriptionId"], 0);
    let (refused, _) = rig.call(1, "userDataStream.subscribe", json!({}));
    assert_eq!(refused["status"], 400);
    let (_, events) = rig.call(1, "session.logout", json!({}));
    assert_eq!(events[0]["event"]["e"], "eventStreamTerminated");
    let (reply, _) = rig.call(1, "userDataStream.subscribe.signature", json!({"apiKey": KEY}));
    assert_eq!(reply["result"]["subscriptionId"], 1);
    let (reply, _) = rig.call(1, "userDataStream.unsubscribe", json!({"subscriptionId": 1}));
    assert_eq!(reply["result"], json!({}));
    let (_, events) = rig.call(1, "order.place", order("100.2", &json!({})));
    assert!(events.is_empty());
}

#[test]
fn private_faults_strike_frames_and_replies() {
    let mut rig = subscribed();
    let resting = json!({"timeInForce": "GTC"});
    rig.faults().double_next_private = 1;
    let (_, events) = rig.call(1, "order.place", order("90", &resting));
    assert_eq!(events.iter().filter(|event| event["event"]["x"] == "NEW").count(), 2);
    rig.faults().lose_next_fills = 1;
    let (_, events) = rig.call(1, "order.place", order("100.1", &json!({})));
    assert!(events.iter().all(|event| event["event"]["x"] != "TRADE"));
    rig.faults().reorder_next_private = 1;
    let small = json!({"quantity": "0.1"});
    let (_, events) = rig.call(1, "order.place", order("100.2", &small));
    let reports: Vec<&Value> = events.iter().map(|event| &event["event"]["x"]).filter(|word| word.is_string()).collect();
    assert_eq!(reports, [&json!("TRADE"), &json!("NEW")]);
    rig.faults().mute_private = true;
    let (reply, events) = rig.call(1, "order.place", order("100.2", &small));
    assert!(reply["status"] == 200 && events.is_empty());
    rig.faults().lose_next_replies = 1;
    let (lost, _) = rig.call(1, "order.place", order("90", &resting));
    assert_eq!(lost, Value::Null);
    rig.faults().ws_cut_after_order = vec![6];
    rig.call(1, "order.place", order("90", &resting));
    assert_eq!(rig.cut, [1]);
}

#[test]
fn fills_may_come_before_the_reply() {
    let delays = Delays {
        ws_order: DelayRange::millis(10, 10),
        usertrades_push: DelayRange::millis(1, 1),
        orders_push: DelayRange::millis(1, 1),
        ..Delays::default()
    };
    let mut rig = Rig::with(|_| {}, |config| config.delays = delays);
    rig.quote_book();
    rig.open(1, PATH);
    rig.call(1, "userDataStream.subscribe.signature", json!({"apiKey": KEY}));
    let mut params = order("100.2", &json!({}));
    params["timestamp"] = json!(rig.now_ms());
    params["signature"] = json!(hmac(&signed_text(&params)));
    rig.say(1, &json!({"id": "x", "method": "order.place", "params": params}));
    let frames = rig.frames(1, 30 * MS);
    let reply = frames.iter().position(|frame| frame["id"] == "x").expect("a reply");
    let fill = frames.iter().position(|frame| frame["event"]["x"] == "TRADE").expect("a fill");
    assert!(fill < reply);
}
