//! Private streams and order entry over WebSocket.

use serde_json::{Value, json};

use super::{KEY, MS, PRIVATE_WS_PATH, Rig, SECOND, TRADE_WS_PATH, hmac_hex, order_body};
use crate::{core::Side, faults::TimedFault, world::Dialect};

fn states(frames: &[Value]) -> Vec<String> {
    let rows = frames.iter().filter(|frame| frame["topic"] == "order").flat_map(|frame| frame["data"].as_array().expect("rows"));
    rows.map(|row| row["orderStatus"].as_str().expect("text").to_owned()).collect()
}

/// A request of order entry, and its reply.
fn call(rig: &mut Rig, conn: u64, op: &str, args: &Value) -> Value {
    let id = format!("q-{}", rig.world.now());
    let header = json!({"X-BAPI-TIMESTAMP": rig.now_ms().to_string(), "X-BAPI-RECV-WINDOW": "5000"});
    rig.say(conn, &json!({"reqId": id, "header": header, "op": op, "args": [args]}));
    let reply = rig.frames(conn, 10 * MS).into_iter().find(|frame| frame["reqId"] == json!(id));
    reply.expect("a reply")
}

fn entry(rig: &mut Rig, conn: u64) {
    rig.open(conn, TRADE_WS_PATH);
    rig.log_in(conn);
    let login = rig.frames(conn, 10 * MS).remove(0);
    assert_eq!((&login["retCode"], &login["retMsg"], &login["op"]), (&json!(0), &json!("OK"), &json!("auth")));
}

#[test]
fn a_private_stream_tells_orders_executions_and_the_wallet() {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.follow(1, &["order", "execution", "wallet", "execution.fast"]);
    rig.order(&json!({"qty": "1.5", "price": "100.1", "timeInForce": "GTC"})).result();
    let frames = rig.frames(1, 50 * MS);
    let of = |topic: &str| frames.iter().find(|frame| frame["topic"] == topic).unwrap_or_else(|| panic!("{topic}: {frames:?}"));
    assert!(of("order")["id"].is_string() && of("order")["creationTime"].is_u64());
    let row = &of("order")["data"][0];
    assert_eq!(
        [&row["category"], &row["orderStatus"], &row["cumExecQty"], &row["leavesQty"]],
        ["spot", "PartiallyFilled", "1", "0.5"]
    );
    let fill = &of("execution")["data"][0];
    assert_eq!([&fill["execQty"], &fill["execFee"], &fill["feeCurrency"], &fill["orderLinkId"]], ["1", "0.001", "BTC", "a-1"]);
    let fast = &of("execution.fast")["data"][0];
    assert_eq!((fast.get("execFee"), &fast["execId"]), (None, &fill["execId"]));
    let coins = of("wallet")["data"][0]["coin"].as_array().expect("coins").clone();
    let usdt = coins.iter().find(|coin| coin["coin"] == "USDT").expect("it moved");
    assert_eq!((&usdt["walletBalance"], &usdt["locked"], coins.len()), (&json!("249899.9"), &json!("50.05"), 2));
    // The resting half: filled by the market, told with the maker's side of it; the fast topic does not name it.
    rig.quote(Side::Sell, "100", "0.2");
    let frames = rig.frames(1, 50 * MS);
    assert_eq!(states(&frames), ["PartiallyFilled"]);
    let fast = frames.iter().find(|frame| frame["topic"] == "execution.fast").expect("told");
    assert_eq!((&fast["data"][0]["isMaker"], &fast["data"][0]["orderLinkId"]), (&json!(true), &json!("")));
    rig.post("/order/cancel-all", &json!({"category": "spot"})).result();
    assert_eq!(states(&rig.frames(1, 50 * MS)), ["PartiallyFilledCanceled"]);
    rig.faults().halted_pairs.push("BTC_USDT".to_owned());
    rig.order(&json!({"orderLinkId": "a-2"})).result();
    assert_eq!(states(&rig.frames(1, 50 * MS)), ["Rejected"], "after the acknowledgement");
}

#[test]
fn a_private_stream_wants_to_know_who_listens() {
    let mut rig = Rig::new();
    rig.open(1, PRIVATE_WS_PATH);
    rig.say(1, &json!({"op": "subscribe", "args": ["order"]}));
    assert_eq!(rig.frames(1, 5 * MS)[0]["success"], false);
    let expires = rig.now_ms() + 5_000;
    let mut refused = |args: Value| {
        rig.say(1, &json!({"op": "auth", "req_id": "9", "args": args}));
        let frame = rig.frames(1, 5 * MS).remove(0);
        assert_eq!((&frame["success"], &frame["op"], &frame["req_id"]), (&json!(false), &json!("auth"), &json!("9")), "{frame}");
    };
    refused(json!([KEY, expires, hmac_hex("GET/realtime1")]));
    refused(json!(["nobody", expires, hmac_hex(&format!("GET/realtime{expires}"))]));
    refused(json!([KEY, 1_000, hmac_hex("GET/realtime1000")]));
    refused(json!([KEY]));
    rig.log_in(1);
    assert_eq!(rig.frames(1, 5 * MS)[0]["success"], true);
    rig.say(1, &json!({"op": "subscribe", "args": ["order", "order.spot"]}));
    assert_eq!(rig.frames(1, 5 * MS)[0]["success"], false);
    rig.say(1, &json!({"op": "subscribe", "args": ["order.spot"]}));
    assert_eq!(rig.frames(1, 5 * MS)[0]["success"], true);
    rig.quote_book();
    rig.order(&json!({})).result();
    assert_eq!(rig.pushes(1, 50 * MS, "order.spot").len(), 1);
    rig.say(1, &json!({"op": "unsubscribe", "args": ["order.spot"]}));
    rig.order(&json!({"orderLinkId": "a-2"})).result();
    assert_eq!(rig.pushes(1, 50 * MS, "order.spot").len(), 0);
}

#[test]
fn order_entry_answers_that_it_received() {
    let mut rig = Rig::new();
    rig.quote_book();
    entry(&mut rig, 1);
    let reply = call(&mut rig, 1, "order.create", &order_body(&json!({"timeInForce": "PostOnly", "price": "101"})));
    assert_eq!(
        (&reply["retCode"], &reply["op"], &reply["data"]["orderLinkId"]),
        (&json!(0), &json!("order.create"), &json!("a-1"))
    );
    assert_eq!((&reply["header"]["X-Bapi-Limit"], &reply["header"]["X-Bapi-Limit-Status"]), (&json!("20"), &json!("19")));
    assert!(reply["connId"].is_string() && reply["header"]["Timenow"].is_string());
    assert_eq!(rig.found("a-1")["rejectReason"], "EC_PostOnlyWillTakeLiquidity");
    assert_eq!(rig.order(&json!({"orderLinkId": "a-2"})).header("x-bapi-limit-status"), "18", "both ways share the limit");
    call(&mut rig, 1, "order.create", &order_body(&json!({"orderLinkId": "a-3", "price": "90", "timeInForce": "GTC"})));
    let amended =
        call(&mut rig, 1, "order.amend", &json!({"category": "spot", "symbol": "BTCUSDT", "orderLinkId": "a-3", "qty": "0.7"}));
    assert_eq!((&amended["retCode"], &amended["header"]["X-Bapi-Limit"]), (&json!(0), &json!("10")));
    let cancelled = call(&mut rig, 1, "order.cancel", &json!({"category": "spot", "symbol": "BTCUSDT", "orderLinkId": "a-3"}));
    assert_eq!((&cancelled["retCode"], &cancelled["data"]["orderId"]), (&json!(0), &amended["data"]["orderId"]));
    let batch = json!({"category": "spot", "request": [{"symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "1", "price": "90"}]});
    let batch = call(&mut rig, 1, "order.create-batch", &batch);
    assert_eq!((&batch["retExtInfo"]["list"][0]["code"], batch["data"]["list"].as_array().map(Vec::len)), (&json!(0), Some(1)));
    let refusals = [
        ("order.create", order_body(&json!({})), 170_141),
        ("order.create", order_body(&json!({"orderLinkId": "a-8", "qty": "9000"})), 170_131),
        ("order.create", order_body(&json!({"category": "linear"})), 10_404),
        ("order.cancel", json!({"category": "spot", "symbol": "BTCUSDT", "orderLinkId": "a-3"}), 170_142),
        ("order.dance", json!({}), 10_404),
        ("dance", json!({}), 10_404),
    ];
    for (op, args, code) in refusals {
        assert_eq!(call(&mut rig, 1, op, &args)["retCode"], code, "{op}");
    }
    rig.say(1, &json!({"op": "ping"}));
    let pong = rig.frames(1, 5 * MS).remove(0);
    assert_eq!((&pong["op"], &pong["retCode"], pong["data"].as_array().map(Vec::len)), (&json!("pong"), &json!(0), Some(1)));
}

#[test]
fn order_entry_checks_who_when_and_how_often() {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.open(1, TRADE_WS_PATH);
    assert_eq!(call(&mut rig, 1, "order.create", &order_body(&json!({})))["retCode"], 10_007);
    rig.log_in(1);
    rig.frames(1, 5 * MS);
    rig.log_in(1);
    assert_eq!(rig.frames(1, 5 * MS)[0]["retCode"], 20_001, "once is enough");
    let mut send = |stamp: i64, id: &str, args: Value| {
        let header = json!({"X-BAPI-TIMESTAMP": stamp, "X-BAPI-RECV-WINDOW": 5_000});
        rig.say(1, &json!({"reqId": id, "header": header, "op": "order.create", "args": args}));
        rig.frames(1, 10 * MS).remove(0)["retCode"].as_i64()
    };
    let now = i64::try_from(super::START_NS / MS).expect("a time");
    let args = json!([order_body(&json!({}))]);
    assert_eq!(send(now - 6_000, "1", args.clone()), Some(10_002));
    assert_eq!(send(now + 3_000, "2", args.clone()), Some(10_002));
    assert_eq!(send(now, "3", json!([])), Some(10_001));
    assert_eq!(send(now, "4", json!([{}, {}])), Some(10_001));
    assert_eq!(send(now, "5", args.clone()), Some(0));
    assert_eq!(send(now, "5", args), Some(20_006), "a request id is used once");
    let now = rig.world.now();
    rig.dialect().schedule(now, TimedFault::Upgrade { close_after_ns: SECOND });
    rig.advance(MS);
    assert_eq!(call(&mut rig, 1, "order.create", &order_body(&json!({"orderLinkId": "a-9"})))["retCode"], 10_019);
    rig.advance(SECOND);
    assert_eq!(rig.cut, [1]);
    entry(&mut rig, 2);
    assert_eq!(call(&mut rig, 2, "order.create", &order_body(&json!({"orderLinkId": "a-9"})))["retCode"], 0);
}

#[test]
fn the_protection_cancels_when_the_last_follower_is_gone() {
    let mut rig = Rig::with(|_| {}, |bybit| bybit.dcp_allowed = true);
    rig.quote_book();
    rig.post("/order/disconnected-cancel-all", &json!({"product": "SPOT", "timeWindow": 2})).refused(10_001);
    rig.post("/order/disconnected-cancel-all", &json!({"product": "SPOT", "timeWindow": 5})).result();
    assert_eq!(rig.get("/account/query-dcp-info", "").result()["dcpInfos"][0]["timeWindow"], "5");
    rig.follow(1, &["dcp.spot", "order"]);
    rig.follow(2, &["dcp.spot"]);
    rig.order(&json!({"price": "90", "timeInForce": "GTC"})).result();
    rig.world.ws_closed(0, 1);
    rig.advance(10 * SECOND);
    assert_eq!(rig.found("a-1")["orderStatus"], "New", "one is left");
    rig.world.ws_closed(0, 2);
    rig.advance(4 * SECOND);
    assert_eq!(rig.found("a-1")["orderStatus"], "New");
    rig.advance(2 * SECOND);
    let row = rig.found("a-1");
    assert_eq!((&row["orderStatus"], &row["cancelType"]), (&json!("Cancelled"), &json!("CancelByDCP")));
    let mut usual = Rig::new();
    usual.post("/order/disconnected-cancel-all", &json!({"product": "SPOT", "timeWindow": 5})).refused(10_005);
    assert_eq!(usual.get("/account/query-dcp-info", "").result()["dcpInfos"], json!([]));
}
