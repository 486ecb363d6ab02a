//! Order entry over WebSocket: logins, receipts, final frames, refusals, faults.

use serde_json::{Value, json};

use super::{KEY, MS, Rig, START_NS, hmac_hex, order_body};
use crate::{
    core::Side,
    faults::{Refusal, TimedFault},
    gate::RateLimitConfig,
    timing::DelayRange,
};

const T: &str = "1700000000";

/// A call as clients send it; `signed` is the text that stands for `req_param` in the signature, and in the frame when it is
/// not empty.
fn signed_call(channel: &str, req_id: &str, signed: &str, extra: &Value) -> String {
    let sign = hmac_hex(&format!("api\n{channel}\n{signed}\n{T}"));
    let mut payload = json!({"req_id": req_id, "api_key": KEY, "signature": sign, "timestamp": T});
    for (name, value) in extra.as_object().expect("an object") {
        payload[name] = value.clone();
    }
    let mut payload = payload.to_string();
    if !signed.is_empty() {
        payload.truncate(payload.len() - 1);
        payload += &format!(",\"req_param\":{signed}}}");
    }
    format!("{{\"time\":1700000000,\"channel\":\"{channel}\",\"event\":\"api\",\"payload\":{payload}}}")
}

impl Rig {
    fn login(&mut self, conn: u64) {
        self.say(conn, &signed_call("spot.login", "login", "", &json!({})));
        let frames = self.frames(conn, 20 * MS);
        assert_eq!(frames[0]["header"]["status"], "200", "{}", frames[0]);
    }

    fn logged_in(&mut self) {
        self.quote_book();
        self.open(1);
        self.login(1);
    }

    fn call(&mut self, conn: u64, channel: &str, req_id: &str, param: &Value) {
        let payload = json!({"req_id": req_id, "req_param": param});
        self.say(conn, &json!({"time": 1, "channel": channel, "event": "api", "payload": payload}).to_string());
    }

    /// The frames that answer a call made now.
    fn answers(&mut self, channel: &str, param: &Value) -> Vec<Value> {
        self.call(1, channel, "r", param);
        let frames = self.frames(1, 20 * MS);
        frames.into_iter().filter(|frame| frame["request_id"] == "r").collect()
    }
}

#[track_caller]
fn refused(frame: &Value, status: &str, label: &str) {
    assert_eq!((&frame["header"]["status"], &frame["data"]["errs"]["label"]), (&json!(status), &json!(label)), "{frame}");
    assert!(frame["data"]["errs"]["message"].is_string() && frame["data"].get("result").is_none());
}

#[test]
fn every_form_of_login_in_use_is_accepted_and_forgeries_are_not() {
    let mut rig = Rig::new();
    // Documentation; official Python SDK and ccxt; the Node client.
    for (conn, signed) in [(1, ""), (2, "{}"), (3, "\"\"")] {
        rig.open(conn);
        rig.say(conn, &signed_call("spot.login", "authenticated", signed, &json!({})));
        let frames = rig.frames(conn, 20 * MS);
        assert_eq!(frames.len(), 1);
        let reply = &frames[0];
        assert_eq!((&reply["request_id"], &reply["header"]["status"]), (&json!("authenticated"), &json!("200")), "{reply}");
        assert_eq!((&reply["header"]["channel"], &reply["header"]["event"]), (&json!("spot.login"), &json!("api")));
        assert_eq!(reply["data"]["result"], json!({"api_key": KEY, "uid": "10001"}));
        assert!(reply["header"]["response_time"].is_string() && reply["header"]["x_in_time"].is_u64());
        assert_eq!((reply.get("channel"), reply.get("ack")), (None, None), "the channel stands in the header");
    }
    let wrong = [
        (json!({"signature": "00"}), "401", "INVALID_SIGNATURE"),
        (json!({"api_key": "nobody"}), "401", "INVALID_KEY"),
        (json!({"timestamp": "1699999900"}), "403", "REQUEST_EXPIRED"),
        (json!({"signature": null}), "400", "MISSING_REQUIRED_PARAM"),
    ];
    for (change, status, label) in wrong {
        rig.say(1, &signed_call("spot.login", "x", "", &change));
        refused(&rig.frames(1, 20 * MS)[0], status, label);
    }
}

#[test]
fn a_call_needs_a_login_and_a_login_ends_with_its_connection() {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.open(1);
    rig.call(1, "spot.order_place", "early", &order_body(&json!({})));
    let frames = rig.frames(1, 20 * MS);
    assert_eq!(frames.len(), 1, "no receipt");
    refused(&frames[0], "400", "AUTHENTICATION_FAILED");
    assert_eq!(frames[0]["data"]["errs"]["message"], "Not login");

    // Signed by itself, spaces and all: still no login.
    let body = r#"{"text": "t-s1", "currency_pair": "BTC_USDT", "type": "limit", "account": "spot", "side": "buy", "amount": "0.1", "price": "100.1", "time_in_force": "ioc"}"#;
    rig.say(1, &signed_call("spot.order_place", "signed", body, &json!({})));
    refused(&rig.frames(1, 20 * MS)[0], "400", "AUTHENTICATION_FAILED");

    rig.login(1);
    rig.say(1, &signed_call("spot.order_place", "signed", body, &json!({})));
    let frames = rig.frames(1, 20 * MS);
    assert_eq!(frames[1]["data"]["result"]["finish_as"], "filled", "{frames:?}");
    // Once logged in, what else is signed is not looked at.
    rig.say(1, &signed_call("spot.order_place", "sloppy", body, &json!({"signature": "00", "timestamp": "17000000005"})));
    assert_eq!(rig.frames(1, 20 * MS)[1]["header"]["status"], "200");
    rig.world.ws_closed(0, 1);
    rig.open(2);
    rig.call(2, "spot.order_place", "again", &order_body(&json!({})));
    refused(&rig.frames(2, 20 * MS)[0], "400", "AUTHENTICATION_FAILED");
}

#[test]
fn a_placement_is_receipted_and_then_answered_as_over_rest() {
    let mut rig = Rig::new();
    rig.logged_in();
    let sent = rig.world.now();
    let frames = rig.answers("spot.order_place", &order_body(&json!({"text": null})));
    assert_eq!(frames.len(), 2);
    let (ack, last) = (&frames[0], &frames[1]);
    assert_eq!((&ack["ack"], &ack["header"]["status"]), (&json!(true), &json!("200")));
    assert_eq!(ack["data"]["result"]["req_id"], "r");
    assert_eq!(ack["data"]["result"]["req_param"]["amount"], "0.5");
    assert_eq!(ack["data"]["result"]["req_header"], Value::Null);
    assert_eq!(ack["header"].get("x_gate_ratelimit_limit"), None);

    assert_eq!(last["ack"], false);
    let order = &last["data"]["result"];
    assert_eq!((&order["finish_as"], &order["status"], &order["text"]), (&json!("filled"), &json!("closed"), &json!("apiv4-ws")));
    assert!(order["create_time_ms"].is_u64() && order["id"].is_string() && order["create_time"].is_string());
    let header = &last["header"];
    assert_eq!((&header["x_gate_ratelimit_limit"], &header["x_gate_ratelimit_requests_remain"]), (&json!(10), &json!(9)));
    assert_eq!(header["x_gate_ratelimit_reset_timestamp"], json!(sent / 1_000_000_000));
    assert_eq!(header["x_in_time"], json!(sent / 1_000));
    let twin = rig.private("GET", &format!("/spot/orders/{}", order["id"].as_str().expect("an id")), "currency_pair=BTC_USDT");
    assert_eq!(&twin.body, order, "REST shows the same row");

    // A header of the client is echoed as it came.
    let payload =
        json!({"req_id": "h", "req_param": order_body(&json!({"text": "t-h"})), "req_header": {"X-Gate-Channel-Id": "ccxt"}});
    rig.say(1, &json!({"id": "h", "channel": "spot.order_place", "event": "api", "payload": payload}).to_string());
    assert_eq!(rig.frames(1, 20 * MS)[0]["data"]["result"]["req_header"], json!({"X-Gate-Channel-Id": "ccxt"}));
}

#[test]
fn every_channel_does_what_its_rest_twin_does() {
    let mut rig = Rig::new();
    rig.logged_in();
    let gtc = |text: &str, price: &str| order_body(&json!({"time_in_force": "gtc", "text": text, "price": price}));
    let last = |frames: Vec<Value>| frames.last().expect("an answer")["data"]["result"].clone();
    let placed = last(rig.answers("spot.order_place", &gtc("t-1", "90")));
    let id = placed["id"].clone();
    assert_eq!(placed["status"], "open");

    let frames = rig.answers("spot.order_status", &json!({"order_id": id, "currency_pair": "BTC_USDT"}));
    assert_eq!(frames.len(), 1, "only placements are receipted");
    assert_eq!(last(frames)["text"], "t-1");
    let amend = json!({"order_id": "t-1", "currency_pair": "BTC_USDT", "account": "spot", "price": "91", "amend_text": "second"});
    let frames = rig.answers("spot.order_amend", &amend);
    assert_eq!(frames[0]["header"]["x_gate_ratelimit_limit"], 10, "amendments share the bucket of placements");
    let amended = last(frames);
    assert_eq!((&amended["price"], &amended["id"], &amended["amend_text"]), (&json!("91"), &id, &json!("second")));
    let list = last(rig.answers("spot.order_list", &json!({"currency_pair": "BTC_USDT", "status": "open", "limit": 10})));
    assert_eq!(list.as_array().map(Vec::len), Some(1));
    let cancelled = last(rig.answers("spot.order_cancel", &json!({"order_id": id, "currency_pair": "BTC_USDT"})));
    assert_eq!((&cancelled["status"], &cancelled["finish_as"]), (&json!("cancelled"), &json!("cancelled")));

    let batch = json!([gtc("t-a", "90"), gtc("t-b", "91"), gtc("t-c", "0.00001")]);
    let frames = rig.answers("spot.order_place", &batch);
    assert_eq!((frames.len(), &frames[0]["ack"]), (2, &json!(true)));
    let rows = last(frames);
    let done: Vec<&Value> = rows.as_array().expect("rows").iter().map(|row| &row["succeeded"]).collect();
    assert_eq!(done, [&json!(true), &json!(true), &json!(false)]);
    let ids = json!([{"currency_pair": "BTC_USDT", "id": rows[0]["id"]}, {"currency_pair": "BTC_USDT", "id": "999"}]);
    let rows = last(rig.answers("spot.order_cancel_ids", &ids));
    assert_eq!((&rows[0]["succeeded"], &rows[1]["label"]), (&json!(true), &json!("ORDER_NOT_FOUND")));
    let rows = last(rig.answers("spot.order_cancel_cp", &json!({"currency_pair": "BTC_USDT", "side": "buy"})));
    assert_eq!((rows.as_array().map(Vec::len), &rows[0]["text"]), (Some(1), &json!("t-b")));
    assert_eq!(rig.world.exchange(0).open_orders(rig.world.account(0), None).count(), 0);
}

#[test]
fn refusals_have_gates_status_and_label() {
    let mut rig = Rig::new();
    rig.logged_in();
    let pair = json!({"currency_pair": "BTC_USDT"});
    let rows = [
        ("spot.order_place", order_body(&json!({"amount": "20000"})), 2, "400", "BALANCE_NOT_ENOUGH"),
        ("spot.order_place", order_body(&json!({"currency_pair": null})), 1, "400", "MISSING_REQUIRED_PARAM"),
        ("spot.order_place", json!("x"), 1, "400", "INVALID_REQUEST_BODY"),
        ("spot.order_cancel", json!({"currency_pair": "BTC_USDT", "order_id": "1"}), 1, "404", "ORDER_NOT_FOUND"),
        ("spot.order_status", json!({"currency_pair": "BTC_USDT", "order_id": "t-no"}), 1, "404", "CLIENT_ID_NOT_FOUND"),
        ("spot.order_status", pair.clone(), 1, "400", "MISSING_REQUIRED_PARAM"),
        ("spot.order_cancel_cp", json!({}), 1, "400", "MISSING_REQUIRED_PARAM"),
        ("spot.order_cancel_ids", pair, 1, "400", "INVALID_REQUEST_BODY"),
        ("spot.order_batch_place", json!([]), 1, "400", "INVALID_ARGUMENT"),
    ];
    for (channel, param, frames, status, label) in rows {
        let answers = rig.answers(channel, &param);
        assert_eq!(answers.len(), frames, "{channel}: {answers:?}");
        refused(answers.last().expect("an answer"), status, label);
    }
    let late = json!({"req_id": "late", "req_param": order_body(&json!({})), "req_header": {"x-gate-exptime": "1699999999999"}});
    rig.say(1, &json!({"channel": "spot.order_place", "event": "api", "payload": late}).to_string());
    let frames = rig.frames(1, 20 * MS);
    assert_eq!(frames.len(), 1, "refused by the gateway");
    refused(&frames[0], "400", "EXPTIME_PASSED");
}

#[test]
fn the_budget_of_this_door_is_told_and_enforced() {
    let limits = RateLimitConfig { place_per_s: 2, ..RateLimitConfig::default() };
    let mut rig = Rig::with(|_| {}, |gate| gate.limits = limits);
    rig.logged_in();
    let order = order_body(&json!({"amount": "0.05"}));
    let remain = |frames: &[Value]| frames[1]["header"]["x_gate_ratelimit_requests_remain"].clone();
    let first = rig.answers("spot.order_place", &order);
    assert_eq!(remain(&first), json!(1));
    let second = rig.answers("spot.order_place", &order);
    assert_eq!(remain(&second), Value::Null, "omitted at zero");
    let third = rig.answers("spot.order_place", &order);
    assert_eq!(third.len(), 1, "no receipt");
    refused(&third[0], "429", "TOO_MANY_REQUESTS");
    assert!(third[0]["data"]["errs"]["message"].as_str().is_some_and(|message| message.contains("(211)")));
    assert_eq!(third[0]["header"]["x_gate_ratelimit_reset_timestamp"], json!(START_NS / 1_000_000_000 + 2));
}

#[test]
fn a_fill_may_be_told_before_the_final_reply_on_the_same_connection() {
    let order_is_slow = |gate: &mut super::GateConfig| {
        gate.delays.ws_order = DelayRange::fixed(9 * MS);
        gate.delays.usertrades_push = DelayRange::fixed(4 * MS);
    };
    let mut rig = Rig::with(|_| {}, order_is_slow);
    rig.logged_in();
    rig.request_signed(1, "spot.usertrades", "subscribe", &json!(["!all"]));
    rig.frames(1, 10 * MS);
    rig.call(1, "spot.order_place", "r", &order_body(&json!({})));
    let order: Vec<String> = rig
        .frames(1, 20 * MS)
        .iter()
        .map(|frame| frame["channel"].as_str().map_or_else(|| frame["ack"].to_string(), str::to_owned))
        .collect();
    assert_eq!(order, ["true", "spot.usertrades", "false"]);
}

#[test]
fn replies_are_lost_in_every_way() {
    let mut rig = Rig::new();
    rig.quote_book();
    for price in ["101", "102", "103"] {
        rig.quote(Side::Sell, price, "9");
    }
    rig.open(1);
    rig.login(1);
    let faults = rig.faults();
    faults.ws_drop_reply_after_order = vec![1];
    faults.ws_ack_only_after_order = vec![2];
    faults.ws_final_only_after_order = vec![3];
    faults.ws_cut_after_order = vec![5];
    let order = order_body(&json!({"price": "103", "amount": "0.1"}));
    let acks = |frames: &[Value]| frames.iter().map(|frame| frame["ack"].clone()).collect::<Vec<_>>();
    assert!(rig.answers("spot.order_place", &order).is_empty());
    assert_eq!(acks(&rig.answers("spot.order_place", &order)), [json!(true)]);
    assert_eq!(acks(&rig.answers("spot.order_place", &order)), [json!(false)]);
    // A refusal is not counted.
    assert_eq!(rig.answers("spot.order_place", &order_body(&json!({"amount": "20000"}))).len(), 2);
    assert_eq!(rig.answers("spot.order_place", &order).len(), 2);
    assert!(rig.answers("spot.order_place", &order).is_empty());
    assert_eq!(rig.cut, [1], "cut after it was accepted");
    let account = rig.world.account(0);
    let filter = crate::core::TradeFilter::default();
    assert_eq!(rig.world.exchange(0).trades(account, &filter).len(), 5, "all five were executed");
    rig.faults().lose_next_replies = 1;
    rig.open(2);
    rig.login(2);
    rig.call(2, "spot.order_place", "l", &order);
    assert_eq!(acks(&rig.frames(2, 20 * MS)), [json!(true)]);
}

#[test]
fn rights_of_the_key_are_kept() {
    let mut rig = Rig::with(
        |_| {},
        |gate| {
            let mut key = crate::gate::ApiKey::trading("reader-key-0001", "reader-secret");
            key.perms = vec![crate::gate::Permission::new("spot", true)];
            gate.users.push(super::super::GateUser { user_id: 10_001, keys: vec![key] });
        },
    );
    rig.open(1);
    let sign = {
        use hmac::{Hmac, KeyInit, Mac};
        let mut mac = Hmac::<sha2::Sha512>::new_from_slice(b"reader-secret").expect("any key length");
        mac.update(format!("api\nspot.login\n\n{T}").as_bytes());
        hex::encode(mac.finalize().into_bytes())
    };
    let payload = json!({"req_id": "login", "api_key": "reader-key-0001", "signature": sign, "timestamp": T});
    rig.say(1, &json!({"channel": "spot.login", "event": "api", "payload": payload}).to_string());
    assert_eq!(rig.frames(1, 20 * MS)[0]["header"]["status"], "200");
    let list = json!({"currency_pair": "BTC_USDT", "status": "open"});
    assert_eq!(rig.answers("spot.order_list", &list)[0]["data"]["result"], json!([]));
    refused(&rig.answers("spot.order_place", &order_body(&json!({})))[0], "403", "READ_ONLY");
}

#[test]
fn faults_of_orders_are_those_of_rest_and_a_login_may_run_out() {
    let mut rig = Rig::new();
    rig.logged_in();
    let place = |rig: &mut Rig, text: &str| {
        let frames = rig.answers("spot.order_place", &order_body(&json!({"text": text})));
        frames.last().cloned().expect("a reply")
    };
    rig.faults().cut_next_amounts = 1;
    let placed = place(&mut rig, "t-1");
    assert_ne!(placed["data"]["result"]["amount"], "0.5", "{placed}");
    rig.faults().stale_next_answers = 1;
    assert_eq!(place(&mut rig, "t-2")["data"]["result"]["text"], "t-1");
    rig.faults().refuse_next_orders = vec![(Refusal::Balance, 1)];
    refused(&place(&mut rig, "t-3"), "400", "BALANCE_NOT_ENOUGH");
    rig.world.schedule_fault(0, START_NS, TimedFault::ExpiredLogins);
    rig.advance(MS);
    refused(&place(&mut rig, "t-4"), "400", "AUTHENTICATION_FAILED");
    rig.login(1);
    rig.faults().maintenance = true;
    refused(&place(&mut rig, "t-5"), "503", "SERVER_ERROR");
    rig.faults().maintenance = false;
    assert_eq!(place(&mut rig, "t-6")["header"]["status"], "200");
}
