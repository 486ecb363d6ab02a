//! The transaction log, and what an order could trade.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{MS, Rig, SECOND, decimal};

fn rows(rig: &mut Rig, query: &str) -> Vec<Value> {
    let answer = rig.get("/account/transaction-log", query);
    answer.result()["list"].as_array().expect("rows").clone()
}

fn texts<'a, const N: usize>(row: &'a Value, names: [&str; N]) -> [&'a str; N] {
    names.map(|name| row[name].as_str().unwrap_or_else(|| panic!("{name} of {row}")))
}

#[test]
fn an_execution_has_a_row_for_each_coin_and_what_is_held_has_none() {
    let mut rig = Rig::new();
    rig.quote_book();
    let id = rig.order(&json!({"qty": "1.5", "price": "100.2"})).result()["orderId"].as_str().expect("text").to_owned();
    rig.order(&json!({"price": "90", "timeInForce": "GTC", "orderLinkId": "a-2"})).result();
    rig.post("/order/cancel-all", &json!({"category": "spot"})).result();
    let fills = rig.get("/execution/list", "category=spot").result()["list"].clone();
    let log = rows(&mut rig, "accountType=UNIFIED&category=spot");
    assert_eq!(log.len(), 4, "two executions");
    let brief = ["currency", "qty", "cashFlow", "fee", "change", "cashBalance", "feeRate", "tradePrice"];
    assert_eq!(texts(&log[0], brief), ["BTC", "0.5", "0.5", "0.0005", "0.4995", "5.4985", "0.001", "100.2"]);
    assert_eq!(texts(&log[1], brief), ["USDT", "-50.1", "-50.1", "0", "-50.1", "249849.8", "0", "100.2"]);
    assert_eq!(texts(&log[2], brief), ["BTC", "1", "1", "0.001", "0.999", "4.999", "0.001", "100.1"]);
    assert_eq!(texts(&log[3], brief), ["USDT", "-100.1", "-100.1", "0", "-100.1", "249899.9", "0", "100.1"]);
    let names = ["type", "side", "symbol", "category", "orderId", "orderLinkId", "tradeId", "transactionTime"];
    for (row, fill) in log.iter().zip([&fills[0], &fills[0], &fills[1], &fills[1]]) {
        let of_fill = texts(fill, ["execId", "execTime"]);
        assert_eq!(texts(row, names), ["TRADE", "Buy", "BTCUSDT", "spot", &id, "a-1", of_fill[0], of_fill[1]]);
    }
    for name in ["id", "size", "funding", "bonusChange", "transSubType", "extraFees"] {
        assert!(log[0][name].is_string(), "{name}");
    }
}

#[test]
fn the_changes_of_a_coin_add_up_to_its_balance() {
    let mut rig = Rig::new();
    rig.quote_book();
    for (number, (side, price, qty)) in
        [("Buy", "100.2", "2.5"), ("Sell", "99.8", "1.7"), ("Buy", "100.5", "0.3")].iter().enumerate()
    {
        let order = json!({"side": side, "price": price, "qty": qty, "timeInForce": "GTC", "orderLinkId": format!("b-{number}")});
        rig.order(&order).result();
    }
    let mut sums: BTreeMap<String, Decimal> = BTreeMap::new();
    for row in rows(&mut rig, "limit=50").iter().rev() {
        let [coin, flow, fee, change, after] = texts(row, ["currency", "cashFlow", "fee", "change", "cashBalance"]);
        assert_eq!(decimal(change), decimal(flow) - decimal(fee));
        let sum = sums.entry(coin.to_owned()).or_default();
        *sum += decimal(change);
        assert_eq!(*sum, decimal(after), "{row}");
    }
    for coin in ["USDT", "BTC"] {
        assert_eq!(decimal(&rig.balance(coin)[0]), sums[coin]);
    }
    let first = rows(&mut rig, "limit=50").pop().expect("what the account began with");
    assert_eq!(texts(&first, ["type", "side", "symbol", "fee"]), ["TRANSFER_IN", "None", "", "0"]);
}

#[test]
fn the_log_is_filtered_and_paged() {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.order(&json!({"qty": "1.5", "price": "100.2"})).result();
    let ids = |rows: &[Value]| -> Vec<String> { rows.iter().map(|row| row["id"].as_str().expect("text").to_owned()).collect() };
    let all = rows(&mut rig, "limit=50");
    assert_eq!(all.len(), 5 + 4, "five coins were transferred in");
    for (query, count) in [
        ("currency=BTC", 3),
        ("currency=XRP", 1),
        ("currency=NONE", 0),
        ("type=TRADE", 4),
        ("type=TRANSFER_IN", 5),
        ("type=SETTLEMENT", 0),
        ("baseCoin=BTC", 4),
        ("baseCoin=ETH", 0),
        ("category=spot", 4),
        ("category=linear", 0),
        ("transSubType=movePosition", 0),
        ("type=TRADE&currency=BTC&limit=1", 1),
    ] {
        assert_eq!(rows(&mut rig, query).len(), count, "{query}");
    }
    let mut paged = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = rig.get("/account/transaction-log", &format!("limit=4&cursor={cursor}")).result().clone();
        paged.extend(page["list"].as_array().expect("rows").clone());
        cursor = page["nextPageCursor"].as_str().expect("text").to_owned();
        if cursor.is_empty() {
            break;
        }
    }
    assert_eq!(ids(&paged), ids(&all));
    for query in ["accountType=CONTRACT", "category=margin", "limit=51", "limit=0", "cursor=x", "startTime=2&endTime=1"] {
        rig.get("/account/transaction-log", query).refused(10_001);
    }
    let now_ms = rig.now_ms();
    rig.get("/account/transaction-log", &format!("startTime=1&endTime={now_ms}")).refused(10_001);
    // Without a time a day is told, and one bound asks for the day beside it.
    rig.advance(86_400 * SECOND);
    rig.advance(SECOND);
    assert_eq!(rows(&mut rig, "").len(), 0);
    assert_eq!(rows(&mut rig, &format!("startTime={}", now_ms - 3_600_000)).len(), 9);
    assert_eq!(rows(&mut rig, &format!("endTime={}", now_ms + 3_600_000)).len(), 9);
    assert_eq!(rows(&mut rig, &format!("startTime={}&endTime={}", now_ms - 3_600_000, now_ms + 6 * 86_400_000)).len(), 9);
    rig.dialect().config_mut().visibility.trade_hidden_ns = 3 * 86_400_000 * MS;
    assert_eq!(rows(&mut rig, &format!("startTime={}", now_ms - 3_600_000)).len(), 0, "not known yet");
}

#[test]
fn what_an_order_could_trade_is_what_is_free() {
    let mut rig = Rig::new();
    rig.quote_book();
    let quota =
        |rig: &mut Rig, query: &str| rig.get("/order/spot-borrow-check", &format!("category=spot&symbol=BTCUSDT&{query}"));
    let names = ["symbol", "side", "maxTradeQty", "maxTradeAmount", "spotMaxTradeQty", "spotMaxTradeAmount", "borrowCoin"];
    // 250000 ÷ 100.1, and 4 at 99.9.
    let row = quota(&mut rig, "side=Buy").result().clone();
    assert_eq!(texts(&row, names), ["BTCUSDT", "Buy", "2497.5024", "250000", "2497.5024", "250000", "USDT"]);
    let row = quota(&mut rig, "side=SELL").result().clone();
    assert_eq!(texts(&row, names), ["BTCUSDT", "Sell", "4", "399.6", "4", "399.6", "BTC"]);
    rig.order(&json!({"side": "Sell", "price": "110", "qty": "1.5", "timeInForce": "GTC"})).result();
    assert_eq!(quota(&mut rig, "side=Sell").result()["spotMaxTradeQty"], "2.5", "what is held is not free");
    for query in ["", "side=Long"] {
        quota(&mut rig, query).refused(10_001);
    }
    rig.get("/order/spot-borrow-check", "category=spot&symbol=NOUSDT&side=Buy").refused(10_001);
    rig.get("/order/spot-borrow-check", "category=linear&symbol=BTCUSDT&side=Buy").refused(10_001);
}
