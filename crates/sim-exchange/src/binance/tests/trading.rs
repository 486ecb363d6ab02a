//! Orders over REST: answers, expiries, market orders, refusals, client ids, lists, self-trades, fees.

use super::*;

#[test]
fn an_order_is_answered_in_full_by_default() {
    let mut rig = Rig::new();
    rig.quote_book();
    let row = rig.place("side=BUY&type=LIMIT&timeInForce=IOC&price=100.2&quantity=1.5&newClientOrderId=a-1").ok();
    assert_eq!((&row["status"], &row["executedQty"]), (&json!("FILLED"), &json!("1.50000000")));
    assert_eq!((&row["clientOrderId"], &row["cummulativeQuoteQty"]), (&json!("a-1"), &json!("150.20000000")));
    let fill = |price: &str, qty: &str, fee: &str, id: u64| json!({"price": price, "qty": qty, "commission": fee, "commissionAsset": "BTC", "tradeId": id});
    let fills = [fill("100.10000000", "1.00000000", "0.00100000", 1), fill("100.20000000", "0.50000000", "0.00050000", 2)];
    assert_eq!(row["fills"], json!(fills));
    let ack = rig.limit("BUY", "90", "0.1", "&newOrderRespType=ACK").ok();
    assert_eq!(ack.as_object().map(|fields| fields.len()), Some(5));
    let result = rig.limit("BUY", "90", "0.1", "&newOrderRespType=RESULT").ok();
    assert_eq!((&result["status"], result.get("fills")), (&json!("NEW"), None));
    let maker = rig.place("side=BUY&type=LIMIT_MAKER&price=90&quantity=0.1").ok();
    assert!(maker.get("status").is_none() && maker["orderId"].is_u64());
    assert_eq!(rig.private("GET", "rateLimit/order", "").ok()[0]["count"], 3, "the one that was filled does not count");
}

#[test]
fn what_cannot_be_filled_expires_with_what_was() {
    let mut rig = Rig::new();
    rig.quote_book();
    let state = |row: &Value| format!("{} {}", row["status"], row["executedQty"]).replace('"', "");
    let partly = rig.place("side=BUY&type=LIMIT&timeInForce=IOC&price=100.1&quantity=1.5").ok();
    assert_eq!(state(&partly), "EXPIRED 1.00000000");
    let nothing = rig.place("side=BUY&type=LIMIT&timeInForce=IOC&price=99&quantity=1").ok();
    assert_eq!(state(&nothing), "EXPIRED 0.00000000");
    let killed = rig.place("side=BUY&type=LIMIT&timeInForce=FOK&price=100.2&quantity=50").ok();
    assert_eq!((state(&killed).as_str(), &killed["fills"]), ("EXPIRED 0.00000000", &json!([])));
    let crossing = rig.place("side=BUY&type=LIMIT_MAKER&price=100.2&quantity=1");
    crossing.refused(400, -2010, "Order would immediately match and take.");
}

#[test]
fn market_orders_go_by_base_or_by_quote() {
    let mut rig = Rig::new();
    rig.quote_book();
    let state = |row: &Value| format!("{} {} {}", row["status"], row["executedQty"], row["cummulativeQuoteQty"]).replace('"', "");
    let base = rig.place("side=BUY&type=MARKET&quantity=1.5").ok();
    assert_eq!(state(&base), "FILLED 1.50000000 150.20000000");
    assert_eq!((&base["type"], &base["price"]), (&json!("MARKET"), &json!("0.00000000")));
    let quote = rig.place("side=BUY&type=MARKET&quoteOrderQty=50.1").ok();
    assert_eq!(state(&quote), "FILLED 0.50000000 50.10000000");
    assert_eq!((&quote["origQty"], &quote["origQuoteOrderQty"]), (&json!("0.50000000"), &json!("50.10000000")));
    let sale = rig.place("side=SELL&type=MARKET&quoteOrderQty=199.7").ok();
    assert_eq!(state(&sale), "FILLED 2.00000000 199.70000000");
    let sold = rig.place("side=SELL&type=MARKET&quantity=0.5").ok();
    assert_eq!((&sold["status"], &sold["fills"][0]["commissionAsset"]), (&json!("FILLED"), &json!("USDT")));
    let left = rig.place("side=BUY&type=MARKET&quantity=100").ok();
    assert_eq!((&left["status"], &left["executedQty"]), (&json!("EXPIRED"), &json!("4.00000000")));
    rig.place("side=SELL&type=MARKET&quantity=0.00002").refused(400, -1013, "Filter failure: NOTIONAL");
    let both = rig.place("side=BUY&type=MARKET&quantity=1&quoteOrderQty=5");
    both.refused(400, -1106, "'quoteOrderQty' sent when not required");
}

#[test]
fn refusals_have_their_codes() {
    let mut rig = Rig::new();
    rig.quote_book();
    let limit = "side=BUY&type=LIMIT&timeInForce=GTC";
    for (query, code, msg) in [
        ("type=LIMIT&timeInForce=GTC&price=90&quantity=1".to_owned(), -1102, "'side'"),
        ("side=BUY&timeInForce=GTC&price=90&quantity=1".to_owned(), -1102, "'type'"),
        ("side=BUY&type=LIMIT&price=90&quantity=1".to_owned(), -1102, "'timeInForce'"),
        (format!("{limit}&quantity=1"), -1102, "'price'"),
        ("side=BUY&type=MARKET".to_owned(), -1102, "'quantity'"),
        ("side=buy&type=LIMIT&timeInForce=GTC&price=90&quantity=1".to_owned(), -1117, "Invalid side."),
        ("side=BUY&type=limit&timeInForce=GTC&price=90&quantity=1".to_owned(), -1116, "Invalid orderType."),
        ("side=BUY&type=LIMIT&timeInForce=GTX&price=90&quantity=1".to_owned(), -1115, "Invalid timeInForce."),
        (format!("{limit}&price=90.05&quantity=1"), -1013, "PRICE_FILTER"),
        (format!("{limit}&price=90&quantity=0.0000001"), -1013, "LOT_SIZE"),
        (format!("{limit}&price=90&quantity=0.123456789"), -1111, "too much precision"),
        (format!("{limit}&price=90&quantity=1e1"), -1100, "Illegal characters found in parameter 'quantity'"),
        (format!("{limit}&price=90&quantity=0.01"), -1013, "Filter failure: NOTIONAL"),
        (format!("{limit}&price=90&quantity=0"), -1013, "Invalid quantity."),
        (format!("{limit}&price=90&quantity=50000"), -2010, "insufficient balance"),
        ("side=BUY&type=STOP_LOSS&quantity=1&stopPrice=80".to_owned(), -2010, "Stop loss orders are not supported"),
        (format!("{limit}&price=90&quantity=1&selfTradePreventionMode=NONE"), -1013, "self-trade prevention mode"),
        (format!("{limit}&price=90&quantity=1&newClientOrderId=a%20b"), -1100, "'newClientOrderId'"),
        (format!("{limit}&price=90&quantity=1&reduceOnly=true"), -1104, "Not all sent parameters were read"),
    ] {
        rig.place(&query).refused(400, code, msg);
    }
    let other = rig.private("POST", "order", "symbol=ETHBTC&side=BUY&type=MARKET&quantity=1");
    other.refused(400, -1121, "Invalid symbol.");
    rig.faults().halted_pairs.push("BTC_USDT".into());
    rig.limit("BUY", "90", "1", "").refused(400, -2010, "Market is closed.");
    let test = "symbol=ETHUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1";
    rig.private("POST", "order/test", &format!("{test}&price=90")).ok();
    rig.private("POST", "order/test", &format!("{test}&price=90.001")).refused(400, -1013, "PRICE_FILTER");
    assert_eq!(rig.private("GET", "openOrders", "").ok(), json!([]), "a test places nothing, nor does a refusal");
}

#[test]
fn a_client_id_is_taken_only_while_its_order_is_open() {
    let mut rig = Rig::new();
    rig.quote_book();
    let first = rig.limit("BUY", "90", "0.1", "&newClientOrderId=x").ok();
    rig.limit("BUY", "91", "0.1", "&newClientOrderId=x").refused(400, -2010, "Duplicate order sent.");
    let gone = rig.private("DELETE", "order", "symbol=BTCUSDT&origClientOrderId=x&newClientOrderId=cancel-1").ok();
    assert_eq!((&gone["status"], &gone["origClientOrderId"]), (&json!("CANCELED"), &json!("x")));
    assert_eq!(gone["clientOrderId"], "cancel-1");
    rig.private("DELETE", "order", "symbol=BTCUSDT&origClientOrderId=x").refused(400, -2011, "Unknown order sent.");
    let again = rig.limit("BUY", "91", "0.1", "&newClientOrderId=x").ok();
    let found = rig.private("GET", "order", "symbol=BTCUSDT&origClientOrderId=x").ok();
    assert_eq!(found["orderId"], again["orderId"]);
    let old = rig.private("GET", "order", &format!("symbol=BTCUSDT&orderId={}", first["orderId"])).ok();
    assert_eq!((&old["status"], &old["clientOrderId"]), (&json!("CANCELED"), &json!("x")));
    let query = format!("symbol=BTCUSDT&orderId={}&origClientOrderId=y", first["orderId"]);
    rig.private("GET", "order", &query).refused(400, -2013, "Order does not exist.");
    rig.private("GET", "order", "symbol=ETHUSDT&origClientOrderId=x").refused(400, -2013, "Order does not exist.");
    rig.private("GET", "order", "symbol=BTCUSDT").refused(400, -1102, "Param 'origClientOrderId' or 'orderId' must be sent");
}

#[test]
fn lists_and_sweeps_are_by_symbol() {
    let mut rig = Rig::new();
    rig.quote_book();
    for price in ["90", "91", "92"] {
        rig.limit("BUY", price, "0.1", "").ok();
    }
    rig.limit("SELL", "99.9", "0.5", "").ok();
    let count = |body: Value| body.as_array().map(Vec::len);
    let all = rig.private("GET", "allOrders", "symbol=BTCUSDT").ok();
    assert_eq!(count(all.clone()), Some(4));
    let from = &all[2]["orderId"];
    assert_eq!(count(rig.private("GET", "allOrders", &format!("symbol=BTCUSDT&orderId={from}")).ok()), Some(2));
    assert_eq!(rig.private("GET", "allOrders", "symbol=BTCUSDT&limit=1").ok()[0]["orderId"], all[3]["orderId"]);
    let wide = rig.private("GET", "allOrders", "symbol=BTCUSDT&startTime=1&endTime=86400002");
    wide.refused(400, -1127, "More than 24 hours");
    let trades = rig.private("GET", "myTrades", "symbol=BTCUSDT").ok();
    assert_eq!((&trades[0]["id"], &trades[0]["commission"]), (&json!(1), &json!("0.04995000")));
    assert_eq!((&trades[0]["isBuyer"], &trades[0]["isMaker"]), (&json!(false), &json!(false)));
    assert_eq!(rig.private("GET", "myTrades", "symbol=BTCUSDT&fromId=2").ok(), json!([]));
    assert_eq!(count(rig.private("DELETE", "openOrders", "symbol=BTCUSDT").ok()), Some(3));
    rig.private("DELETE", "openOrders", "symbol=BTCUSDT").refused(400, -2011, "Unknown order sent.");
}

#[test]
fn cancel_replace_says_which_half_failed() {
    let mut rig = Rig::new();
    rig.quote_book();
    let order = rig.limit("BUY", "90", "0.1", "").ok();
    let replace = |rig: &mut Rig, mode: &str, id: &Value| {
        let new = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.2&price=91";
        rig.private("POST", "order/cancelReplace", &format!("{new}&cancelReplaceMode={mode}&cancelOrderId={id}"))
    };
    let done = replace(&mut rig, "STOP_ON_FAILURE", &order["orderId"]).ok();
    assert_eq!((&done["cancelResult"], &done["newOrderResponse"]["status"]), (&json!("SUCCESS"), &json!("NEW")));
    let both = replace(&mut rig, "STOP_ON_FAILURE", &json!(5));
    both.refused(400, -2022, "cancel-replace failed");
    assert_eq!(both.body["data"]["newOrderResult"], "NOT_ATTEMPTED");
    assert_eq!(both.body["data"]["cancelResponse"]["code"], -2011);
    replace(&mut rig, "ALLOW_FAILURE", &json!(5)).refused(409, -2021, "partially failed");
}

#[test]
fn cancel_replace_at_the_limit_of_unfilled_orders_does_nothing_or_cancels_only() {
    let mut rig = Rig::with(|_| {}, |config| config.limits.orders_per_10s = 1);
    rig.quote_book();
    let order = rig.limit("BUY", "90", "0.1", "").ok();
    let replace = |rig: &mut Rig, more: &str| {
        let new = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.2&price=91&cancelReplaceMode=STOP_ON_FAILURE";
        rig.private("POST", "order/cancelReplace", &format!("{new}&cancelOrderId={}{more}", order["orderId"]))
    };
    replace(&mut rig, "&orderRateLimitExceededMode=SOMETIMES").refused(400, -1130, "orderRateLimitExceededMode");
    for mode in ["", "&orderRateLimitExceededMode=DO_NOTHING"] {
        let full = replace(&mut rig, mode);
        full.refused(429, -1015, "Too many new orders; current limit is 1 orders per 10 SECOND.");
        assert_eq!(full.body.get("data"), None);
    }
    assert_eq!(rig.private("GET", "openOrders", "symbol=BTCUSDT").ok()[0]["orderId"], order["orderId"], "nothing happened");
    let cancelled = replace(&mut rig, "&orderRateLimitExceededMode=CANCEL_ONLY");
    cancelled.refused(409, -2021, "partially failed");
    assert_eq!(
        (&cancelled.body["data"]["cancelResult"], &cancelled.body["data"]["newOrderResult"]),
        (&json!("SUCCESS"), &json!("FAILURE"))
    );
    assert_eq!(cancelled.body["data"]["newOrderResponse"]["code"], -1015);
    let neither = replace(&mut rig, "&orderRateLimitExceededMode=CANCEL_ONLY");
    neither.refused(429, -2022, "cancel-replace failed");
    assert_eq!(neither.body["data"]["newOrderResult"], "NOT_ATTEMPTED");
    rig.advance(10_000 * MS);
    let again = rig.limit("BUY", "90", "0.1", "").ok();
    assert_ne!(again["orderId"], order["orderId"], "another ten seconds");
}

#[test]
fn a_symbol_has_at_most_two_hundred_open_orders() {
    let mut rig = Rig::with(|_| {}, |config| config.limits.orders_per_10s = 1_000);
    rig.quote_book();
    let first = rig.limit("BUY", "90", "0.1", "").ok();
    for _ in 1..200 {
        rig.limit("BUY", "90", "0.1", "").ok();
    }
    rig.limit("BUY", "90", "0.1", "").refused(400, -1013, "Filter failure: MAX_NUM_ORDERS");
    rig.place("side=BUY&type=MARKET&quantity=0.1").refused(400, -1013, "Filter failure: MAX_NUM_ORDERS");
    let test = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&price=90&quantity=0.1";
    rig.private("POST", "order/test", test).refused(400, -1013, "Filter failure: MAX_NUM_ORDERS");
    rig.private("POST", "order", &test.replace("BTC", "ETH")).ok();
    rig.private("DELETE", "order", &format!("symbol=BTCUSDT&orderId={}", first["orderId"])).ok();
    rig.limit("BUY", "90", "0.1", "").ok();
}

#[test]
fn own_orders_expire_where_they_meet_as_their_mode_says() {
    let mut rig = Rig::new();
    rig.quote_book();
    let resting = rig.limit("SELL", "100", "0.1", "").ok();
    let taker = rig.limit("BUY", "100", "0.1", "&selfTradePreventionMode=EXPIRE_TAKER").ok();
    assert_eq!((&taker["status"], &taker["fills"]), (&json!("EXPIRED_IN_MATCH"), &json!([])));
    let maker = rig.limit("BUY", "100", "0.1", "").ok();
    assert_eq!(maker["status"], "NEW", "by default the resting one makes way");
    let old = rig.private("GET", "order", &format!("symbol=BTCUSDT&orderId={}", resting["orderId"])).ok();
    assert_eq!(old["status"], "EXPIRED_IN_MATCH");
}

#[test]
fn fees_in_bnb_are_a_quarter_less() {
    let in_bnb = |world: &mut WorldConfig| {
        world.venues[0].fee_debit = crate::core::FeeDebit::Gt;
        world.venues[0].balances.push(("BNB".to_owned(), Decimal::ONE));
    };
    let mut rig = Rig::with(in_bnb, |_| {});
    rig.quote_book();
    let row = rig.place("side=BUY&type=LIMIT&timeInForce=IOC&price=100.1&quantity=1").ok();
    // 100.1 × 0.1 % × 0.75 at 600, rounded up at eight decimals.
    assert_eq!((&row["fills"][0]["commission"], &row["fills"][0]["commissionAsset"]), (&json!("0.00012513"), &json!("BNB")));
    assert_eq!(rig.private("GET", "account/commission", "symbol=BTCUSDT").ok()["discount"]["enabledForAccount"], true);
}
