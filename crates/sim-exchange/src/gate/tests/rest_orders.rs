//! REST: amendments, batches, cancels with filters, lists and their windows, the dead-man switch.

use serde_json::{Value, json};

use super::{MS, Rig};
use crate::core::Side;

const PAIR: &str = "currency_pair=BTC_USDT";

fn resting(price: &str, text: &str) -> Value {
    json!({"price": price, "time_in_force": "gtc", "text": text})
}

fn id_of(order: &Value) -> String {
    order["id"].as_str().expect("text").to_owned()
}

fn count(rows: &Value) -> usize {
    rows.as_array().map_or(usize::MAX, Vec::len)
}

#[test]
fn an_amendment_changes_price_or_amount_and_says_so() {
    let mut rig = Rig::new();
    rig.quote_book();
    let order = rig.order(&resting("90", "t-a")).body;
    let path = format!("/spot/orders/{}", id_of(&order));
    rig.advance(1_000 * MS);
    // As ccxt sends it: everything in the query and again in the body.
    let amended = rig.send(
        "PATCH",
        &path,
        "account=spot&currency_pair=BTC_USDT&price=91",
        &json!({
            "account": "spot", "currency_pair": "BTC_USDT", "price": "91", "amend_text": "t-first",
        }),
    );
    assert_eq!((amended.status, &amended.body["price"], &amended.body["amount"]), (200, &json!("91"), &json!("0.5")));
    assert_eq!((&amended.body["amend_text"], &amended.body["status"]), (&json!("t-first"), &json!("open")));
    assert!(amended.body["update_time_ms"].as_u64() > amended.body["create_time_ms"].as_u64());
    assert_eq!(amended.header("x-gate-ratelimit-limit"), "10", "the bucket of placing");
    let smaller = rig.send("PATCH", "/spot/orders/t-a", PAIR, &json!({"amount": "0.2", "action_mode": "ACK"})).body;
    assert_eq!(smaller, json!({"id": order["id"], "text": "t-a", "amend_text": "t-first"}));
    assert_eq!(rig.private("GET", "/spot/accounts", "currency=USDT").body[0]["locked"], "18.2");
    let taking = rig.send("PATCH", &path, PAIR, &json!({"price": "100.1"})).body;
    assert_eq!(
        (&taking["status"], &taking["finish_as"], &taking["filled_total"]),
        (&json!("closed"), &json!("filled"), &json!("20.02"))
    );

    let second = rig.order(&resting("90", "t-b")).body;
    let path = format!("/spot/orders/{}", id_of(&second));
    let mut refused =
        |query: &str, body: Value, status: u16, label: &str| rig.send("PATCH", &path, query, &body).refused(status, label);
    refused(PAIR, json!({"price": "90"}), 400, "NO_CHANGE");
    refused(PAIR, json!({}), 400, "MISSING_REQUIRED_PARAM");
    refused("", json!({"price": "91"}), 400, "MISSING_REQUIRED_PARAM");
    refused(PAIR, json!({"price": "91.11"}), 400, "INVALID_PRECISION");
    refused(PAIR, json!({"amount": "9000"}), 400, "BALANCE_NOT_ENOUGH");
    refused(PAIR, json!({"amount": "0.01"}), 400, "INVALID_PARAM_VALUE");
    refused("currency_pair=ETH_USDT", json!({"price": "91"}), 404, "ORDER_NOT_FOUND");
    refused("currency_pair=NO_USDT", json!({"price": "91"}), 400, "INVALID_CURRENCY_PAIR");
    rig.advance(1_000 * MS);
    rig.private("DELETE", &path, PAIR);
    rig.send("PATCH", &path, PAIR, &json!({"price": "91"})).refused(400, "ORDER_CANCELLED");
    rig.send("PATCH", "/spot/orders/t-a", PAIR, &json!({"price": "91"})).refused(400, "ORDER_CLOSED");
}

#[test]
fn an_amount_already_filled_cancels_the_rest() {
    let mut rig = Rig::new();
    rig.quote_book();
    let order = rig.order(&json!({"price": "100.1", "amount": "1.5", "time_in_force": "gtc"})).body;
    assert_eq!((&order["status"], &order["filled_amount"]), (&json!("open"), &json!("1")));
    let ended = rig.send("PATCH", &format!("/spot/orders/{}", id_of(&order)), PAIR, &json!({"amount": "1"})).body;
    assert_eq!((&ended["status"], &ended["finish_as"]), (&json!("cancelled"), &json!("cancelled")));
    assert_eq!(rig.private("GET", "/spot/accounts", "currency=USDT").body[0]["locked"], "0");
}

#[test]
fn a_batch_places_what_it_can_and_says_what_it_cannot() {
    let mut rig = Rig::new();
    rig.quote_book();
    let item = |price: &str, amount: &str, text: &str| json!({"currency_pair": "BTC_USDT", "side": "buy", "amount": amount, "price": price, "text": text});
    let batch = rig.send(
        "POST",
        "/spot/batch_orders",
        "",
        &json!([item("90", "0.5", "t-1"), item("100.11", "0.5", "t-2"), item("100.1", "0.5", "t-3"), item("90", "9000", "t-4"),]),
    );
    assert_eq!(batch.status, 200);
    let rows = batch.body.as_array().expect("an array").clone();
    let brief: Vec<Value> = rows.iter().map(|row| json!([row["text"], row["succeeded"], row["label"], row["status"]])).collect();
    assert_eq!(
        Value::from(brief),
        json!([
            ["t-1", true, "", "open"],
            ["t-2", false, "INVALID_PRECISION", null],
            ["t-3", true, "", "closed"],
            ["t-4", false, "BALANCE_NOT_ENOUGH", null],
        ])
    );
    assert_eq!(rows[0]["order_id"], rows[0]["id"]);
    assert!(rows[1]["message"].as_str().is_some_and(|message| !message.is_empty()));
    let counts = rig.world.monitor(0).counts();
    assert_eq!((counts.placements, counts.accepted, counts.refused), (4, 2, 2));

    let many = |count: usize| Value::from_iter((0..count).map(|n| item("90", "0.5", &format!("t-m{n}"))));
    let of = |pairs: &[&str]| {
        Value::from_iter(
            pairs.iter().map(|pair| json!({"currency_pair": pair, "side": "buy", "amount": "1", "price": "1", "text": "t-p"})),
        )
    };
    let mut mixed = many(2);
    mixed[1]["account"] = json!("margin");
    let mut nameless = many(2);
    nameless[1]["text"] = Value::Null;
    let rows = [
        (many(11), "TOO_MANY_ORDERS"),
        (of(&["A_B", "C_B", "D_B", "E_B", "F_B"]), "TOO_MANY_CURRENCY_PAIRS"),
        (mixed, "MIXED_ACCOUNT_TYPE"),
        (nameless, "MISSING_REQUIRED_PARAM"),
        (json!([]), "INVALID_PARAM_VALUE"),
        (json!({}), "INVALID_REQUEST_BODY"),
        (json!([1]), "INVALID_REQUEST_BODY"),
    ];
    for (body, label) in rows {
        rig.send("POST", "/spot/batch_orders", "", &body).refused(400, label);
    }
    assert_eq!(rig.world.monitor(0).counts().placements, 4, "a batch of a wrong shape places nothing");
}

#[test]
fn each_order_of_a_batch_counts_against_the_limit() {
    let mut rig = Rig::new();
    let item =
        |n: usize| json!({"currency_pair": "BTC_USDT", "side": "buy", "amount": "0.5", "price": "90", "text": format!("t-{n}")});
    for n in 0..4 {
        assert_eq!(rig.order(&resting("90", &format!("t-s{n}"))).status, 201);
    }
    let batch = rig.send("POST", "/spot/batch_orders", "", &Value::from_iter((0..8).map(item)));
    assert_eq!((batch.status, batch.header("x-gate-ratelimit-requests-remain")), (200, "0"));
    let labels: Vec<&str> = batch.body.as_array().expect("rows").iter().map(|row| row["label"].as_str().expect("text")).collect();
    assert_eq!(labels, ["", "", "", "", "", "", "TOO_MANY_REQUESTS", "TOO_MANY_REQUESTS"]);
    let amended = rig.send("PATCH", "/spot/orders/t-1", PAIR, &json!({"price": "91"}));
    amended.refused(429, "TOO_MANY_REQUESTS");
    assert_eq!(count(&rig.private("GET", "/spot/orders", "currency_pair=BTC_USDT&status=open").body), 10);
}

#[test]
fn lost_replies_count_the_orders_of_batches_too() {
    let mut rig = Rig::new();
    rig.faults().drop_reply_after_order = vec![2];
    let item =
        |n: usize| json!({"currency_pair": "BTC_USDT", "side": "buy", "amount": "0.5", "price": "90", "text": format!("t-{n}")});
    let body = json!([item(1), item(2)]).to_string();
    let request = rig.signed("POST", "/spot/batch_orders", "", &body);
    assert!(rig.raw(request).is_none());
    assert_eq!(count(&rig.private("GET", "/spot/open_orders", "").body[0]["orders"]), 2);
}

#[test]
fn a_batch_of_cancels_takes_ids_and_young_texts() {
    let mut rig = Rig::new();
    let first = rig.order(&resting("90", "t-a")).body;
    rig.order(&resting("91", "t-b"));
    rig.order(&resting("92", "t-c"));
    let item = |id: &str| json!({"currency_pair": "BTC_USDT", "id": id});
    let rows = rig.send(
        "POST",
        "/spot/cancel_batch_orders",
        "",
        &json!([item(&id_of(&first)), item("t-b"), item("77"), item("t-none")]),
    );
    let brief: Vec<Value> =
        rows.body.as_array().expect("rows").iter().map(|row| json!([row["id"], row["succeeded"], row["label"]])).collect();
    assert_eq!(
        Value::from(brief),
        json!([
            [first["id"], true, ""],
            ["t-b", true, ""],
            ["77", false, "ORDER_NOT_FOUND"],
            ["t-none", false, "CLIENT_ID_NOT_FOUND"]
        ])
    );
    assert_eq!((&rows.body[0]["text"], &rows.body[0]["account"]), (&json!("t-a"), &json!("spot")));
    rig.advance(30 * 60 * 1_000 * MS);
    let late = rig.send("POST", "/spot/cancel_batch_orders", "", &json!([item("t-c")])).body;
    assert_eq!(late[0]["label"], "CLIENT_ID_NOT_FOUND", "a text is known here for thirty minutes only");
    assert_eq!(rig.private("DELETE", "/spot/orders/t-c", PAIR).status, 200, "a single cancel still knows it");
    let many = Value::from_iter((0..21).map(|_| item("1")));
    rig.send("POST", "/spot/cancel_batch_orders", "", &many).refused(400, "TOO_MANY_ORDERS");
    assert_eq!(rig.world.monitor(0).counts().cancels, 6);
}

#[test]
fn a_batch_of_amendments_takes_five() {
    let mut rig = Rig::new();
    let first = rig.order(&resting("90", "t-a")).body;
    rig.order(&resting("91", "t-b"));
    let item = |id: &str, price: &str| json!({"currency_pair": "BTC_USDT", "order_id": id, "price": price});
    let rows = rig
        .send("POST", "/spot/amend_batch_orders", "", &json!([item(&id_of(&first), "92"), item("t-b", "91"), item("5", "9")]))
        .body;
    let brief: Vec<Value> =
        rows.as_array().expect("rows").iter().map(|row| json!([row["succeeded"], row["label"], row["price"]])).collect();
    assert_eq!(Value::from(brief), json!([[true, "", "92"], [false, "NO_CHANGE", null], [false, "ORDER_NOT_FOUND", null]]));
    assert_eq!(rows[1]["order_id"], "t-b");
    let many = Value::from_iter((0..6).map(|_| item("1", "1")));
    rig.send("POST", "/spot/amend_batch_orders", "", &many).refused(400, "TOO_MANY_ORDERS");
}

#[test]
fn cancel_all_goes_by_pair_side_and_account() {
    let mut rig = Rig::new();
    let fill = |rig: &mut Rig| {
        rig.advance(1_000 * MS);
        rig.order(&resting("90", "t-a"));
        rig.order(&json!({"side": "sell", "price": "110", "time_in_force": "gtc", "text": "t-b"}));
        rig.order(&json!({"currency_pair": "ETH_USDT", "price": "90", "time_in_force": "gtc", "text": "t-c"}));
    };
    for (query, texts) in [
        ("currency_pair=BTC_USDT&side=buy", vec!["t-a"]),
        ("currency_pair=BTC_USDT", vec!["t-a", "t-b"]),
        ("side=sell", vec!["t-b"]),
        ("account=margin", vec![]),
        ("", vec!["t-a", "t-b", "t-c"]),
        ("account=spot&action_mode=ACK", vec!["t-a", "t-b", "t-c"]),
    ] {
        fill(&mut rig);
        let rows = rig.private("DELETE", "/spot/orders", query).body;
        let cancelled: Vec<&str> = rows.as_array().expect("rows").iter().map(|row| row["text"].as_str().expect("text")).collect();
        assert_eq!(cancelled, texts, "{query}");
        assert!(rows.as_array().expect("rows").iter().all(|row| row["succeeded"] == true && row["label"] == ""));
        let is_late = |row: &Value| row["update_time_ms"].as_u64() > row["create_time_ms"].as_u64() || row.get("price").is_none();
        assert!(rows.as_array().expect("rows").iter().all(is_late), "{rows}");
        rig.private("DELETE", "/spot/orders", "");
    }
    rig.private("DELETE", "/spot/orders", "side=both").refused(400, "INVALID_PARAM_VALUE");
    rig.private("DELETE", "/spot/orders", "account=bank").refused(400, "INVALID_PARAM_VALUE");
    rig.private("DELETE", "/spot/orders", "currency_pair=NO_USDT").refused(400, "INVALID_CURRENCY_PAIR");
    fill(&mut rig);
    let ack = rig.private("DELETE", "/spot/orders/t-a", "currency_pair=BTC_USDT&action_mode=ACK").body;
    assert_eq!(ack.as_object().map(serde_json::Map::len), Some(3));
    rig.private("DELETE", "/spot/orders/t-b", "currency_pair=BTC_USDT&account=margin").refused(404, "CLIENT_ID_NOT_FOUND");
}

#[test]
fn open_orders_are_paged_per_pair_and_lists_by_page() {
    let mut rig = Rig::new();
    for n in 0..5 {
        rig.order(&resting("90", &format!("t-{n}")));
    }
    rig.order(&json!({"currency_pair": "ETH_USDT", "price": "90", "time_in_force": "gtc"}));
    let groups = rig.private("GET", "/spot/open_orders", "limit=2&page=3").body;
    assert_eq!((count(&groups), &groups[0]["total"], count(&groups[0]["orders"])), (2, &json!(5), 1));
    assert_eq!((&groups[1]["total"], count(&groups[1]["orders"])), (&json!(1), 0));
    rig.private("GET", "/spot/open_orders", "limit=101").refused(400, "INVALID_PARAM_VALUE");
    let page = rig.private("GET", "/spot/orders", "currency_pair=BTC_USDT&status=open&limit=2&page=2&side=sell&from=1").body;
    assert_eq!((count(&page), &page[0]["text"]), (2, &json!("t-2")), "side and time do not apply to open orders");
    rig.private("GET", "/spot/orders", "currency_pair=BTC_USDT&status=open&limit=100&page=1002")
        .refused(400, "INVALID_PARAM_VALUE");
    rig.private("GET", "/spot/orders", "currency_pair=BTC_USDT&status=done").refused(400, "INVALID_PARAM_VALUE");
    assert_eq!(rig.private("GET", "/spot/orders", "currency_pair=BTC_USDT&status=open&account=margin").body, json!([]));
}

#[test]
fn finished_orders_are_found_by_side_and_time_of_their_end() {
    let mut rig = Rig::new();
    rig.quote_book();
    let start_s = rig.world.now() / 1_000_000_000;
    rig.order(&json!({"text": "t-buy"}));
    rig.advance(10_000 * MS);
    rig.order(&json!({"text": "t-sell", "side": "sell", "price": "99.9"}));
    let texts = |rig: &mut Rig, query: &str| -> Vec<String> {
        let rows = rig.private("GET", "/spot/orders", &format!("status=finished&{query}")).body;
        rows.as_array().expect("rows").iter().map(|row| row["text"].as_str().expect("text").to_owned()).collect()
    };
    assert_eq!(texts(&mut rig, ""), ["t-sell", "t-buy"]);
    assert_eq!(texts(&mut rig, "side=buy"), ["t-buy"]);
    assert_eq!(texts(&mut rig, &format!("from={}", start_s + 5)), ["t-sell"]);
    assert_eq!(texts(&mut rig, &format!("currency_pair=BTC_USDT&to={start_s}")), ["t-buy"]);
    assert_eq!(texts(&mut rig, "currency_pair=ETH_USDT"), Vec::<String>::new());
}

#[test]
fn my_trades_cover_seven_days_unless_told_otherwise() {
    const DAY_MS: u64 = 86_400_000;
    let mut rig = Rig::new();
    rig.quote(Side::Sell, "100.1", "9");
    let start_s = rig.world.now() / 1_000_000_000;
    for _ in 0..3 {
        rig.order(&json!({"amount": "0.1"}));
        rig.advance(5 * DAY_MS * MS);
    }
    let mut trades = |query: &str| rig.private("GET", "/spot/my_trades", query);
    assert_eq!(count(&trades("").body), 1, "the last seven days hold the trade of five days ago");
    assert_eq!(count(&trades(&format!("from={start_s}")).body), 2, "seven days from one bound");
    assert_eq!(count(&trades(&format!("to={}", start_s + 6 * 86_400)).body), 2);
    assert_eq!(count(&trades(&format!("from={start_s}&to={}", start_s + 30 * 86_400)).body), 3);
    trades(&format!("from={start_s}&to={}", start_s + 31 * 86_400)).refused(400, "INVALID_PARAM_VALUE");
    let page = trades(&format!("from={start_s}&to={}&limit=1&page=2", start_s + 20 * 86_400)).body;
    assert_eq!(page[0]["create_time"], (start_s + 5 * 86_400).to_string());
}

#[test]
fn the_dead_mans_switch_cancels_after_its_time() {
    let mut rig = Rig::new();
    let arm = |rig: &mut Rig, body: Value| rig.send("POST", "/spot/countdown_cancel_all", "", &body);
    rig.order(&resting("90", "t-btc"));
    rig.order(&json!({"currency_pair": "ETH_USDT", "price": "90", "time_in_force": "gtc", "text": "t-eth"}));
    let armed_ms = rig.world.now() / MS;
    let reply = arm(&mut rig, json!({"timeout": 5, "currency_pair": "BTC_USDT"}));
    assert_eq!((reply.status, &reply.body["triggerTime"]), (200, &json!(armed_ms + 5_000)));
    rig.advance(3_000 * MS);
    arm(&mut rig, json!({"timeout": 30}));
    rig.advance(1_900 * MS);
    assert_eq!(rig.private("GET", "/spot/orders/t-btc", PAIR).body["status"], "open");
    rig.advance(200 * MS);
    let ended = rig.private("GET", "/spot/orders/t-btc", PAIR).body;
    assert_eq!((&ended["status"], &ended["finish_as"]), (&json!("cancelled"), &json!("cancelled")));
    assert_eq!(ended["update_time_ms"], json!(armed_ms + 5_000), "at its time, not when it is looked at");
    assert_eq!(arm(&mut rig, json!({"timeout": 0})).body["triggerTime"], json!(0));
    rig.advance(60_000 * MS);
    assert_eq!(rig.private("GET", "/spot/orders/t-eth", "currency_pair=ETH_USDT").body["status"], "open", "disarmed");
    for (body, label) in [
        (json!({"timeout": 4}), "INVALID_PARAM_VALUE"),
        (json!({"timeout": "30"}), "INVALID_PARAM_VALUE"),
        (json!({}), "MISSING_REQUIRED_PARAM"),
        (json!({"timeout": 30, "currency_pair": "NO_USDT"}), "INVALID_CURRENCY_PAIR"),
    ] {
        arm(&mut rig, body).refused(400, label);
    }
}

#[test]
fn expiry_guards_every_order_write() {
    let mut rig = Rig::new();
    rig.order(&resting("90", "t-a"));
    let item = json!({"currency_pair": "BTC_USDT", "side": "buy", "amount": "0.5", "price": "90", "text": "t-x"});
    let rows = [
        ("POST", "/spot/batch_orders", "", json!([item]).to_string()),
        ("PATCH", "/spot/orders/t-a", PAIR, json!({"price": "91"}).to_string()),
        (
            "POST",
            "/spot/amend_batch_orders",
            "",
            json!([{"currency_pair": "BTC_USDT", "order_id": "t-a", "price": "91"}]).to_string(),
        ),
        ("POST", "/spot/cancel_batch_orders", "", json!([{"currency_pair": "BTC_USDT", "id": "t-a"}]).to_string()),
        ("DELETE", "/spot/orders/t-a", PAIR, String::new()),
        ("DELETE", "/spot/orders", "", String::new()),
    ];
    for (method, path, query, body) in rows {
        let mut request = rig.signed(method, path, query, &body);
        request.headers.push(("x-gate-exptime".to_owned(), "1".to_owned()));
        rig.raw(request).expect("a reply").refused(400, "EXPTIME_PASSED");
    }
    let order = rig.private("GET", "/spot/orders/t-a", PAIR).body;
    assert_eq!((&order["status"], &order["price"]), (&json!("open"), &json!("90")));
    assert_eq!(count(&rig.private("GET", "/spot/orders", "currency_pair=BTC_USDT&status=open").body), 1);
}
