//! Amendments: a smaller quantity under a new client id, how it is told, and the list of them.

use super::*;

/// A venue whose best bid is an order of 0.5 at 100 that has the client id `w-1`, whose owner listens.
fn resting() -> (Rig, Value) {
    let mut rig = Rig::new();
    rig.quote_book();
    let order = rig.limit("BUY", "100", "0.5", "&newClientOrderId=w-1").ok();
    rig.open(1, "/ws-api/v3");
    rig.call(1, "userDataStream.subscribe.signature", json!({"apiKey": KEY}));
    (rig, order["orderId"].clone())
}

fn amend(rig: &mut Rig, id: &Value, quantity: &str, more: &str) -> Answer {
    rig.private("PUT", "order/amend/keepPriority", &format!("symbol=BTCUSDT&orderId={id}&newQty={quantity}{more}"))
}

#[test]
fn an_amended_order_has_the_client_id_it_asked_for_and_is_told_as_replaced() {
    let (mut rig, id) = resting();
    let params = json!({"apiKey": KEY, "symbol": SYMBOL, "origClientOrderId": "w-1", "newQty": "0.4", "newClientOrderId": "w-2"});
    let (reply, events) = rig.call(1, "order.amend.keepPriority", params);
    let (result, order) = (&reply["result"], &reply["result"]["amendedOrder"]);
    assert_eq!((&order["orderId"], &order["qty"], &order["status"]), (&id, &json!("0.40000000"), &json!("NEW")), "{reply}");
    assert_eq!((&order["origClientOrderId"], &order["clientOrderId"]), (&json!("w-1"), &json!("w-2")));
    let reports: Vec<&Value> =
        events.iter().map(|event| &event["event"]).filter(|event| event["e"] == "executionReport").collect();
    let report = reports.first().expect("a report");
    assert_eq!((reports.len(), &report["x"], &report["X"]), (1, &json!("REPLACED"), &json!("NEW")), "{reports:?}");
    assert_eq!((&report["c"], &report["C"], &report["i"]), (&json!("w-2"), &json!("w-1"), &id));
    assert_eq!((&report["q"], &report["z"], &report["w"]), (&json!("0.40000000"), &json!("0.00000000"), &json!(true)));
    assert_eq!((&report["I"], &report["T"]), (&result["executionId"], &result["transactTime"]));
    let position = events.iter().map(|event| &event["event"]).find(|event| event["e"] == "outboundAccountPosition");
    assert_eq!(position.expect("less is held")["B"][0]["l"], "40.00000000");
    rig.private("GET", "order", "symbol=BTCUSDT&origClientOrderId=w-1").refused(400, -2013, "Order does not exist.");
    let found = rig.private("GET", "order", "symbol=BTCUSDT&origClientOrderId=w-2").ok();
    assert_eq!((&found["orderId"], &found["origQty"]), (&id, &json!("0.40000000")));
    rig.limit("BUY", "100", "0.1", "&newClientOrderId=w-1").ok();
    rig.frames(1, 20 * MS);
    rig.quote(Side::Sell, "100", "0.3");
    let fills = rig.frames(1, 20 * MS);
    let fill =
        fills.iter().map(|event| &event["event"]).find(|event| event["x"] == "TRADE").expect("it is met first at its price");
    assert_eq!((&fill["c"], &fill["i"], &fill["q"]), (&json!("w-2"), &id, &json!("0.40000000")));
}

#[test]
fn without_a_client_id_it_gets_a_new_one_and_amendments_are_listed() {
    let (mut rig, id) = resting();
    let first = amend(&mut rig, &id, "0.4", "").ok();
    let made = first["amendedOrder"]["clientOrderId"].as_str().expect("a client id").to_owned();
    assert!(made != "w-1" && made.len() == 22, "{made}");
    let kept = amend(&mut rig, &id, "0.3", &format!("&newClientOrderId={made}")).ok();
    assert_eq!(
        (&kept["amendedOrder"]["clientOrderId"], &kept["amendedOrder"]["origClientOrderId"]),
        (&json!(made), &json!(made))
    );
    let last = amend(&mut rig, &id, "0.2", "&newClientOrderId=w-3").ok();
    let row = |answer: &Value, ids: (&str, &str), quantities: (&str, &str)| {
        json!({
            "symbol": SYMBOL, "orderId": id, "executionId": answer["executionId"], "origClientOrderId": ids.0,
            "newClientOrderId": ids.1, "origQty": quantities.0, "newQty": quantities.1, "time": answer["transactTime"],
        })
    };
    let rows = [
        row(&first, ("w-1", &made), ("0.50000000", "0.40000000")),
        row(&kept, (&made, &made), ("0.40000000", "0.30000000")),
        row(&last, (&made, "w-3"), ("0.30000000", "0.20000000")),
    ];
    assert_eq!(rig.private("GET", "order/amendments", &format!("symbol=BTCUSDT&orderId={id}")).ok(), json!(rows));
    let from = format!("symbol=BTCUSDT&orderId={id}&fromExecutionId={}&limit=1", kept["executionId"]);
    assert_eq!(rig.private("GET", "order/amendments", &from).ok(), json!(rows[1..2]));
    let (reply, _) = rig.call(1, "order.amendments", json!({"apiKey": KEY, "symbol": SYMBOL, "orderId": id.to_string()}));
    assert_eq!(reply["result"], json!(rows), "{reply}");
    rig.private("DELETE", "order", &format!("symbol=BTCUSDT&orderId={id}")).ok();
    assert_eq!(rig.private("GET", "order/amendments", &format!("symbol=BTCUSDT&orderId={id}")).ok(), json!(rows), "ended or not");
    assert_eq!(rig.private("GET", "order/amendments", "symbol=BTCUSDT&orderId=5").ok(), json!([]));
    rig.private("GET", "order/amendments", "symbol=BTCUSDT").refused(400, -1102, "'orderId'");
}

#[test]
fn what_does_not_shrink_takes_an_id_in_use_or_comes_too_often_is_refused() {
    let (mut rig, id) = resting();
    rig.limit("BUY", "90", "0.1", "&newClientOrderId=w-2").ok();
    rig.frames(1, 20 * MS);
    amend(&mut rig, &id, "0.6", "").refused(400, -2038, "Order amend (quantity increase) is not supported.");
    amend(&mut rig, &id, "0.5", "").refused(400, -2038, "The requested action would change no state; rejecting.");
    amend(&mut rig, &id, "0.4", "&newClientOrderId=w-2").refused(400, -2038, "Duplicate order sent.");
    amend(&mut rig, &id, "0.4", "&newClientOrderId=a%20b").refused(400, -1100, "'newClientOrderId'");
    amend(&mut rig, &id, "0.0000001", "").refused(400, -1013, "LOT_SIZE");
    amend(&mut rig, &json!(5), "0.4", "").refused(400, -2013, "Order does not exist.");
    assert!(rig.frames(1, 20 * MS).is_empty(), "nothing changed");
    for step in 0..10 {
        amend(&mut rig, &id, &format!("0.4{}", 9 - step), "&newClientOrderId=w-1").ok();
    }
    amend(&mut rig, &id, "0.3", "").refused(400, -2038, "Filter failure: MAX_NUM_ORDER_AMENDS");
    let told = rig.frames(1, 20 * MS);
    assert_eq!(told.iter().filter(|event| event["event"]["x"] == "REPLACED").count(), 10);
}
