//! Faults: each does here what its name says, in this protocol's words.

use serde_json::{Value, json};

use super::{MS, Rig, SECOND, TRADE_WS_PATH, order_body};
use crate::{
    core::Side,
    faults::{Absurd, Breakage, Refusal, TamperTarget, Tampering, TimedFault},
    world::Dialect,
};

#[test]
fn refusals_are_said_where_this_venue_says_them() {
    let mut rig = Rig::with(|_| {}, |bybit| bybit.limits.create = 100);
    rig.quote_book();
    let in_the_reply = [
        (Refusal::Balance, 170_131),
        (Refusal::PriceBand, 170_193),
        (Refusal::Precision, 170_134),
        (Refusal::Parameter, 10_001),
        (Refusal::TooSmall, 170_140),
        (Refusal::TooLarge, 170_124),
        (Refusal::UnknownPair, 170_121),
        (Refusal::TooManyOrders, 170_005),
        (Refusal::AccountLocked, 10_027),
        (Refusal::DuplicateId, 170_141),
        (Refusal::Busy, 10_016),
    ];
    for (number, (why, code)) in in_the_reply.into_iter().enumerate() {
        rig.faults().refuse_next_orders = vec![(why, 1)];
        rig.order(&json!({"orderLinkId": format!("r-{number}")})).refused(code);
    }
    let after = [
        (Refusal::PostOnly, "Cancelled", "EC_PostOnlyWillTakeLiquidity"),
        (Refusal::FillOrKill, "Cancelled", "EC_CancelForNoFullFill"),
        (Refusal::Restricted, "Rejected", "EC_InvalidSymbolStatus"),
    ];
    for (number, (why, status, reason)) in after.into_iter().enumerate() {
        rig.faults().refuse_next_orders = vec![(why, 1)];
        rig.order(&json!({"orderLinkId": format!("m-{number}")})).result();
        let row = rig.found(&format!("m-{number}"));
        assert_eq!([&row["orderStatus"], &row["rejectReason"]], [status, reason]);
    }
    rig.faults().delisted_pairs.push("BTC_USDT".to_owned());
    rig.order(&json!({"orderLinkId": "d-1"})).refused(170_121);
    rig.faults().delisted_pairs.clear();
    rig.faults().coarser_pairs.insert("BTC_USDT".to_owned(), 1);
    rig.order(&json!({"orderLinkId": "d-1"})).refused(170_134);
}

#[test]
fn replies_are_lost_failed_and_repeated_while_orders_stand() {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.faults().lose_next_replies = 1;
    let request = rig.signed("POST", "/order/create", "", &order_body(&json!({})).to_string());
    assert!(rig.raw(request).is_none(), "never answered");
    assert_eq!(rig.found("a-1")["orderStatus"], "Filled");
    rig.faults().fail_reply_after_order = vec![2];
    rig.order(&json!({"orderLinkId": "a-2"})).refused(10_016);
    assert_eq!(rig.found("a-2")["orderStatus"], "Filled");
    rig.faults().stale_next_answers = 1;
    let stale = rig.order(&json!({"orderLinkId": "a-3", "price": "90"}));
    assert_eq!(stale.result()["list"][0]["orderLinkId"], "a-2", "the answer before it");
    rig.faults().stale_next_answers = 1;
    rig.order(&json!({"orderLinkId": "a-3", "price": "90"})).refused(170_141);
    assert_eq!(rig.faults().stale_next_answers, 1, "a refusal is no answer about an order");
    rig.faults().stale_next_answers = 0;
    for (how, status) in
        [(Breakage::Html, 502), (Breakage::ServerError, 500), (Breakage::GatewayTimeout, 504), (Breakage::Truncated, 200)]
    {
        rig.faults().break_next_replies = vec![(how, 1)];
        let broken = rig.get("/account/info", "");
        assert_eq!((broken.status, broken.body.is_null()), (status, how != Breakage::ServerError), "{how:?}");
    }
    rig.faults().break_next_replies = vec![(Breakage::ErrorInside, 1)];
    rig.get("/account/info", "").refused(10_016);

    rig.open(1, TRADE_WS_PATH);
    rig.log_in(1);
    rig.frames(1, 10 * MS);
    let send = |rig: &mut Rig, link: &str| {
        let header = json!({"X-BAPI-TIMESTAMP": rig.now_ms().to_string()});
        let args = json!([order_body(&json!({"orderLinkId": link, "price": "90", "timeInForce": "GTC"}))]);
        rig.say(1, &json!({"reqId": link, "header": header, "op": "order.create", "args": args}));
        rig.frames(1, 10 * MS).len()
    };
    rig.faults().ws_drop_reply_after_order = vec![2];
    rig.faults().ws_cut_after_order = vec![3];
    assert_eq!([send(&mut rig, "w-1"), send(&mut rig, "w-2"), send(&mut rig, "w-3")], [1, 0, 0]);
    assert_eq!(rig.cut, [1]);
    assert_eq!([rig.found("w-2")["orderStatus"].clone(), rig.found("w-3")["orderStatus"].clone()], ["New", "New"]);
}

#[test]
fn private_news_is_doubled_lost_and_muted() {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.follow(1, &["execution", "order"]);
    rig.faults().double_next_private = 2;
    rig.order(&json!({"qty": "0.1"})).result();
    assert_eq!(rig.frames(1, 100 * MS).len(), 4);
    rig.faults().lose_next_fills = 1;
    rig.order(&json!({"qty": "0.1", "orderLinkId": "a-2"})).result();
    let topics: Vec<Value> = rig.frames(1, 100 * MS).iter().map(|frame| frame["topic"].clone()).collect();
    assert_eq!(topics, ["order"]);
    rig.faults().mute_private = true;
    rig.order(&json!({"qty": "0.1", "orderLinkId": "a-3"})).result();
    assert_eq!(rig.frames(1, 100 * MS).len(), 0);
    rig.faults().mute_private = false;
    rig.faults().tampered.push(Tampering { target: TamperTarget::Orders, how: Absurd::UnknownWord, count: 1 });
    rig.order(&json!({"qty": "0.1", "orderLinkId": "a-4"})).result();
    let told = rig.pushes(1, 100 * MS, "order");
    assert_eq!(told[0]["data"][0]["orderStatus"], "reticulated");
}

#[test]
fn orders_come_out_otherwise() {
    let mut rig = Rig::new();
    rig.quote(Side::Sell, "100.1", "5");
    rig.faults().halve_next_orders = 1;
    rig.order(&json!({})).result();
    assert_eq!(rig.found("a-1")["cumExecQty"], "0.25");
    rig.faults().cut_next_amounts = 1;
    rig.order(&json!({"orderLinkId": "a-2", "price": "90", "timeInForce": "GTC"})).result();
    assert_eq!(rig.found("a-2")["qty"], "0.499999");
    rig.faults().close_before_cancels = 1;
    rig.post("/order/cancel", &json!({"category": "spot", "symbol": "BTCUSDT", "orderLinkId": "a-2"})).refused(170_139);
    assert_eq!(rig.found("a-2")["orderStatus"], "Filled");
    rig.order(&json!({"orderLinkId": "a-3", "price": "90", "timeInForce": "GTC"})).result();
    rig.faults().fill_before_cancels = 1;
    rig.post("/order/cancel", &json!({"category": "spot", "symbol": "BTCUSDT", "orderLinkId": "a-3"})).result();
    let row = rig.found("a-3");
    assert_eq!([&row["orderStatus"], &row["cumExecQty"]], ["PartiallyFilledCanceled", "0.25"]);
}

#[test]
fn lists_and_balances_lag_when_they_are_told_to() {
    let mut rig = Rig::new();
    rig.quote_book();
    let now = rig.world.now();
    rig.dialect().schedule(now, TimedFault::HiddenOrders { hidden_ns: SECOND, for_ns: 10 * SECOND });
    rig.advance(MS);
    rig.order(&json!({"price": "90", "timeInForce": "GTC"})).result();
    assert_eq!(rig.found("a-1"), Value::Null);
    rig.post("/order/cancel", &json!({"category": "spot", "symbol": "BTCUSDT", "orderLinkId": "a-1"})).refused(170_213);
    rig.advance(SECOND);
    assert_eq!(rig.found("a-1")["orderStatus"], "New");
    rig.dialect().config_mut().visibility.orders_stale_ns = 500 * MS;
    rig.post("/order/cancel", &json!({"category": "spot", "symbol": "BTCUSDT", "orderLinkId": "a-1"})).result();
    assert_eq!(rig.found("a-1")["orderStatus"], "New", "as it was");
    rig.advance(SECOND);
    assert_eq!(rig.found("a-1")["orderStatus"], "Cancelled");
    rig.dialect().config_mut().visibility.balances_stale_ns = SECOND;
    rig.order(&json!({"orderLinkId": "a-2"})).result();
    assert_eq!(rig.balance("USDT")[0], "250000");
    rig.advance(SECOND);
    assert_eq!(rig.balance("USDT")[0], "249949.95");
}

#[test]
fn stamps_follow_a_clock_that_is_off() {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.faults().clock.step_ns = 400 * 1_000_000;
    rig.order(&json!({})).result();
    let made_ms: u64 = rig.found("a-1")["createdTime"].as_str().and_then(|text| text.parse().ok()).expect("a time");
    assert!(made_ms >= super::START_NS / MS + 400);
    let time = rig.public("/market/time", "");
    assert!(time.body["time"].as_u64().is_some_and(|ms| ms >= rig.now_ms() + 395));
}
