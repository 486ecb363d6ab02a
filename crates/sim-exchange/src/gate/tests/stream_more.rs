//! Further channels and faults of the stream: candles, the slim private channels, order of private frames, upgrades.

use serde_json::{Value, json};

use super::{MS, Rig};
use crate::{
    core::Side,
    faults::{ScriptedFault, TimedFault},
    timing::DelayRange,
};

#[test]
fn candles_are_pushed_when_trades_come() {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.order(&json!({"text": "t-0", "amount": "0.1"}));
    rig.open(1);
    for payload in [json!(["1m", "BTC_USDT"]), json!(["10s", "BTC_USDT"]), json!(["1m", "ETH_USDT"])] {
        rig.request(1, "spot.candlesticks", "subscribe", &payload);
    }
    let frames = rig.frames_of(1, 2_100 * MS, "spot.candlesticks", "update");
    let names: Vec<&Value> = frames.iter().map(|frame| &frame["result"]["n"]).collect();
    assert_eq!(names.len(), 2, "ETH_USDT has not traded");
    assert!(names.contains(&&json!("1m_BTC_USDT")) && names.contains(&&json!("10s_BTC_USDT")));
    let candle = &frames[0]["result"];
    for field in ["t", "v", "c", "h", "l", "o", "a"] {
        assert!(candle[field].is_string(), "{field}");
    }
    assert_eq!(
        (&candle["c"], &candle["a"], &candle["v"], &candle["w"]),
        (&json!("100.1"), &json!("0.1"), &json!("10.01"), &json!(false))
    );
    assert!(rig.frames_of(1, 2_100 * MS, "spot.candlesticks", "update").is_empty(), "nothing new");
    rig.order(&json!({"text": "t-1", "amount": "0.1"}));
    assert_eq!(rig.frames_of(1, 2_100 * MS, "spot.candlesticks", "update").len(), 2);
    rig.request(1, "spot.candlesticks", "subscribe", &json!(["2m", "BTC_USDT"]));
    let reply = rig.frames(1, 5 * MS).into_iter().find(|frame| frame["event"] == "subscribe").expect("an answer");
    assert_eq!(reply["error"]["code"], 2);
}

#[test]
fn the_second_versions_say_the_same_without_fees() {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.open(1);
    rig.request(1, "spot.trades_v2", "subscribe", &json!(["BTC_USDT"]));
    for channel in ["spot.orders", "spot.orders_v2", "spot.usertrades", "spot.usertrades_v2"] {
        rig.request_signed(1, channel, "subscribe", &json!(["!all"]));
    }
    for channel in ["spot.margin_balances", "spot.funding_balances", "spot.cross_balances"] {
        rig.request_signed(1, channel, "subscribe", &json!([]));
    }
    rig.request_signed(1, "spot.priceorders", "subscribe", &json!(["BTC_USDT"]));
    let acks = rig.frames(1, 20 * MS);
    assert!(acks.len() == 9 && acks.iter().all(|ack| ack["result"]["status"] == "success"), "{acks:?}");
    rig.order(&json!({}));
    let frames = rig.frames(1, 50 * MS);
    let row = |channel: &str| frames.iter().find(|frame| frame["channel"] == channel).expect(channel)["result"].clone();
    for (channel, absent) in [
        ("spot.orders", vec!["fee", "point_fee", "gt_fee", "rebated_fee"]),
        ("spot.usertrades", vec!["fee", "point_fee", "gt_fee", "fee_currency"]),
    ] {
        let (mut whole, slim) = (row(channel)[0].clone(), row(&format!("{channel}_v2"))[0].clone());
        for field in absent {
            assert!(whole.as_object_mut().expect("a row").remove(field).is_some(), "{channel} {field}");
        }
        assert_eq!(whole, slim);
    }
    assert_eq!(row("spot.trades_v2")["amount"], "0.5");
}

#[test]
fn private_frames_are_doubled_and_reordered() {
    let steady = |gate: &mut super::GateConfig| gate.delays.orders_push = DelayRange::fixed(2 * MS);
    let mut rig = Rig::with(|_| {}, steady);
    rig.quote_book();
    rig.open(1);
    rig.request_signed(1, "spot.orders", "subscribe", &json!(["!all"]));
    rig.frames(1, 10 * MS);
    rig.faults().double_private_frame = vec![1];
    rig.faults().reorder_private_frame = vec![2, 4];
    for text in ["t-1", "t-2", "t-3", "t-4"] {
        rig.order(&json!({"text": text, "amount": "0.1"}));
    }
    let told = |frames: &[Value]| frames.iter().map(|frame| frame["result"][0]["text"].clone()).collect::<Vec<_>>();
    assert_eq!(told(&rig.frames(1, 50 * MS)), [json!("t-1"), json!("t-1"), json!("t-3"), json!("t-2")]);
    assert_eq!(told(&rig.frames(1, 600 * MS)), [json!("t-4")], "late, not lost, when nothing follows");
}

#[test]
fn an_upgrade_is_told_and_then_closes_whoever_stayed() {
    let script = |gate: &mut super::GateConfig| {
        gate.script = vec![ScriptedFault { at_ns: 100 * MS, fault: TimedFault::Upgrade { close_after_ns: 1_000 * MS } }];
    };
    let mut rig = Rig::with(|_| {}, script);
    rig.open(1);
    let frames = rig.frames(1, 200 * MS);
    assert_eq!(frames.len(), 1);
    assert_eq!((&frames[0]["channel"], &frames[0]["event"]), (&json!("spot.system"), &json!("update")));
    assert_eq!(frames[0]["result"]["type"], "upgrade");
    rig.open(2);
    rig.advance(1_000 * MS);
    assert_eq!(rig.cut, [1], "the new connection stays");
    assert!(rig.frames.iter().any(|(_, conn, frame)| *conn == 1 && *frame == crate::world::WsFrame::Close));
}

#[test]
fn scripted_refusals_carry_the_headers_of_an_empty_bucket() {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.faults().too_many_requests = vec![2];
    assert_eq!(rig.private("GET", "/spot/accounts", "").status, 200);
    let refused = rig.private("GET", "/spot/accounts", "");
    refused.refused(429, "TOO_MANY_REQUESTS");
    assert_eq!(refused.header("x-gate-ratelimit-requests-remain"), "0");
    let reset: u64 = refused.header("x-gate-ratelimit-reset-timestamp").parse().expect("a number");
    assert!(reset * 1_000_000_000 > rig.world.now());
    assert_eq!(rig.public("/spot/time", "").status, 200);
    assert_eq!(rig.private("GET", "/spot/accounts", "").status, 200);
    rig.faults().lose_next_replies = 1;
    let request = rig.signed("POST", "/spot/orders", "", &super::order_body(&json!({})).to_string());
    assert!(rig.raw(request).is_none());
    assert_eq!(rig.order(&json!({"text": "t-2"})).status, 201);
}

#[test]
fn sockets_that_want_nothing_may_be_cut_sooner() {
    let cut_soon = |gate: &mut super::GateConfig| gate.unsubscribed_cutoff_ns = Some(30_000 * MS);
    let mut rig = Rig::with(|_| {}, cut_soon);
    rig.open(1);
    rig.open(2);
    rig.request(2, "spot.trades", "subscribe", &json!(["BTC_USDT"]));
    rig.advance(30_001 * MS);
    assert_eq!(rig.cut, [1]);
    rig.advance(30_010 * MS);
    assert_eq!(rig.cut, [1, 2], "a minute after the last word");
}

#[test]
fn text_that_is_no_json_may_be_passed_over() {
    let mut rig = Rig::with(|_| {}, |gate| gate.answer_malformed = false);
    rig.open(1);
    rig.say(1, "hello");
    assert!(rig.frames(1, 50 * MS).is_empty());
}

#[test]
fn increments_may_begin_whole() {
    let mut rig = Rig::with(|_| {}, |gate| gate.updates_start_full = true);
    rig.quote_book();
    rig.open(1);
    rig.request(1, "spot.order_book_update", "subscribe", &json!(["BTC_USDT", "100ms", "100"]));
    let first = rig.frames_of(1, 150 * MS, "spot.order_book_update", "update").remove(0);
    assert_eq!((&first["result"]["full"], &first["result"]["l"]), (&json!(true), &json!("100")));
    assert_eq!(first["result"]["b"].as_array().map(Vec::len), Some(3));
    rig.quote(Side::Buy, "99", "1");
    let second = rig.frames_of(1, 150 * MS, "spot.order_book_update", "update").remove(0);
    assert_eq!(second["result"].get("full"), None);
    assert_eq!(second["result"]["U"].as_u64(), first["result"]["u"].as_u64().map(|u| u + 1));
    rig.request(1, "spot.order_book_update", "subscribe", &json!(["BTC_USDT", "20ms", "100"]));
    let reply = rig.frames_of(1, 10 * MS, "spot.order_book_update", "subscribe").remove(0);
    assert_eq!(reply["error"]["message"], "provided level not supported: 100");
}

#[test]
fn text_ids_are_echoed() {
    let mut rig = Rig::new();
    rig.open(1);
    let frame =
        json!({"time": 1_700_000_000, "id": "12", "channel": "spot.trades", "event": "subscribe", "payload": ["BTC_USDT"]});
    rig.say(1, &frame.to_string());
    assert_eq!(rig.frames(1, 5 * MS)[0]["id"], "12");
}
