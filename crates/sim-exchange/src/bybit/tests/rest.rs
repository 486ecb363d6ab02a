//! REST: the envelope, market data, the account, limits and refusals of the edge.

use serde_json::{Value, json};

use super::{MS, Rig, SECOND};
use crate::{core::Side, faults::Crossing, world::HttpRequest};

#[test]
fn the_envelope_is_around_everything() {
    let mut rig = Rig::new();
    let time = rig.public("/market/time", "");
    assert_eq!(time.body["retMsg"], "OK");
    assert_eq!((&time.body["retExtInfo"], time.header("content-type")), (&json!({}), "application/json; charset=utf-8"));
    let nano: u64 = time.result()["timeNano"].as_str().and_then(|text| text.parse().ok()).expect("nanoseconds");
    assert_eq!(nano / MS, super::START_NS / MS);
    assert!(time.body["time"].as_u64().is_some_and(|ms| ms >= nano / MS));
    let nowhere = rig.public("/market/nowhere", "");
    assert_eq!((nowhere.status, nowhere.code()), (404, 10_017));
    let get = HttpRequest { body: b"{}".to_vec(), ..rig.signed("GET", "/account/info", "", "") };
    assert_eq!(rig.raw(get).expect("a reply").status, 403, "a body where none may be");
}

#[test]
fn instruments_say_the_rules_of_the_exchange() {
    let mut rig = Rig::new();
    let all = rig.public("/market/instruments-info", "category=spot");
    assert_eq!(all.result()["list"].as_array().map(Vec::len), Some(4));
    let one = rig.public("/market/instruments-info", "category=spot&symbol=BTCUSDT");
    let row = &one.result()["list"][0];
    assert_eq!([&row["symbol"], &row["baseCoin"], &row["quoteCoin"], &row["status"]], ["BTCUSDT", "BTC", "USDT", "Trading"]);
    assert_eq!(row["priceFilter"], json!({"tickSize": "0.1"}));
    let lot = &row["lotSizeFilter"];
    assert_eq!(
        [&lot["basePrecision"], &lot["quotePrecision"], &lot["minOrderQty"], &lot["minOrderAmt"]],
        ["0.000001", "0.0000001", "0.00001", "3"]
    );
    for category in ["linear", "inverse", "option"] {
        let none = rig.public("/market/instruments-info", &format!("category={category}&limit=1000"));
        assert_eq!(none.result(), &json!({"category": category, "list": [], "nextPageCursor": ""}));
    }
    rig.public("/market/instruments-info", "").refused(10_001);
    rig.public("/market/instruments-info", "category=spot&symbol=NOUSDT").refused(10_001);
    rig.public("/market/instruments-info", "category=margin").refused(10_001);
    rig.faults().coarser_pairs.insert("BTC_USDT".to_owned(), 1);
    rig.faults().halted_pairs.push("ETH_USDT".to_owned());
    let changed = rig.public("/market/instruments-info", "category=spot");
    let rows = changed.result()["list"].as_array().expect("rows").clone();
    assert_eq!((rows.len(), &rows[0]["priceFilter"]["tickSize"]), (3, &json!("1")));
}

#[test]
fn books_are_whole_and_of_one_moment() {
    let mut rig = Rig::new();
    rig.quote_book();
    let book = rig.public("/market/orderbook", "category=spot&symbol=BTCUSDT&limit=2").result().clone();
    assert_eq!(book["b"], json!([["99.9", "1"], ["99.8", "2"]]));
    assert_eq!(book["a"], json!([["100.1", "1"], ["100.2", "2"]]));
    assert_eq!((&book["s"], &book["u"]), (&json!("BTCUSDT"), &book["seq"]));
    assert!(book["cts"].as_u64() <= book["ts"].as_u64());
    rig.public("/market/orderbook", "category=spot&symbol=BTCUSDT&limit=1001").refused(10_001);
    rig.public("/market/orderbook", "category=spot&symbol=BTC_USDT").refused(10_001);
    rig.public("/market/orderbook", "category=linear&symbol=BTCUSDT").refused(10_001);
    rig.advance(2 * SECOND);
    rig.quote(Side::Buy, "100", "1");
    rig.faults().stale_book_replies = 1;
    let stale = rig.public("/market/orderbook", "category=spot&symbol=BTCUSDT").result().clone();
    assert_eq!(stale["b"][0], json!(["99.9", "1"]), "a copy of a while ago");
    rig.faults().crossed.push((None, Crossing::Locked));
    let locked = rig.public("/market/orderbook", "category=spot&symbol=BTCUSDT").result().clone();
    assert_eq!(locked["b"][0][0], locked["a"][0][0]);
}

#[test]
fn a_book_may_be_asked_for_deeper_than_it_is() {
    let mut rig = Rig::new();
    rig.quote_book();
    for limit in [201, 1_000] {
        let book = rig.public("/market/orderbook", &format!("category=spot&symbol=BTCUSDT&limit={limit}")).result().clone();
        assert_eq!([&book["b"], &book["a"]].map(|side| side.as_array().map(Vec::len)), [Some(3), Some(3)]);
    }
    for number in 0..300 {
        rig.quote(Side::Buy, &format!("{}.{}", 50 + number / 9, number % 9 + 1), "1");
    }
    let book = rig.public("/market/orderbook", "category=spot&symbol=BTCUSDT&limit=1000").result().clone();
    assert!(book["b"].as_array().is_some_and(|side| side.len() > 200), "no level is cut off");
}

#[test]
fn trades_tickers_and_candles_tell_the_same_story() {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.order(&json!({"qty": "0.4"})).result();
    rig.order(&json!({"qty": "1", "side": "Sell", "price": "99.8", "orderLinkId": "a-2"})).result();
    let trades = rig.public("/market/recent-trade", "category=spot&symbol=BTCUSDT").result()["list"].clone();
    let brief = |row: &Value| [row["price"].clone(), row["size"].clone(), row["side"].clone()];
    assert_eq!(brief(&trades[0]), ["99.9", "1", "Sell"].map(|word| json!(word)), "the newest first");
    assert_eq!(brief(&trades[1]), ["100.1", "0.4", "Buy"].map(|word| json!(word)));
    let ticker = rig.public("/market/tickers", "category=spot&symbol=BTCUSDT").result()["list"][0].clone();
    assert_eq!([&ticker["lastPrice"], &ticker["highPrice24h"], &ticker["lowPrice24h"]], ["99.9", "100.1", "99.9"]);
    assert_eq!([&ticker["volume24h"], &ticker["turnover24h"], &ticker["price24hPcnt"]], ["1.4", "139.94", "-0.002"]);
    assert_eq!([&ticker["bid1Price"], &ticker["ask1Price"], &ticker["ask1Size"]], ["99.8", "100.1", "0.6"]);
    assert_eq!(rig.public("/market/tickers", "category=spot").result()["list"].as_array().map(Vec::len), Some(4));
    let candles = rig.public("/market/kline", "category=spot&symbol=BTCUSDT&interval=1").result()["list"].clone();
    assert_eq!(
        candles[0].as_array().map(|row| row[1..].to_vec()),
        Some(["100.1", "100.1", "99.9", "99.9", "1.4", "139.94"].map(|word| json!(word)).to_vec())
    );
    rig.public("/market/kline", "category=spot&symbol=BTCUSDT&interval=2").refused(10_001);
}

#[test]
fn the_account_is_unified_and_its_key_trades_spot_only() {
    let mut rig = Rig::new();
    let key = rig.get("/user/query-api", "").result().clone();
    assert_eq!([&key["uta"], &key["readOnly"]], [1, 0]);
    assert_eq!((&key["permissions"]["Spot"], &key["permissions"]["Wallet"]), (&json!(["SpotTrade"]), &json!([])));
    assert_eq!(rig.get("/account/info", "").result()["unifiedMarginStatus"], 6);
    let fees = rig.get("/account/fee-rate", "category=spot&symbol=BTCUSDT").result()["list"][0].clone();
    assert_eq!([&fees["takerFeeRate"], &fees["makerFeeRate"]], ["0.001", "0.001"]);
    assert_eq!(rig.get("/account/fee-rate", "category=spot").result()["list"].as_array().map(Vec::len), Some(4));
    let wallet = rig.get("/account/wallet-balance", "accountType=UNIFIED").result()["list"][0].clone();
    assert_eq!((&wallet["accountType"], wallet["coin"].as_array().map(Vec::len)), (&json!("UNIFIED"), Some(5)));
    assert_eq!(rig.balance("USDT"), ["250000", "0"]);
    rig.get("/account/wallet-balance", "accountType=CONTRACT").refused(10_001);
    rig.get("/account/wallet-balance", "").refused(10_001);
    let fund = rig.get("/asset/transfer/query-account-coins-balance", "accountType=FUND&coin=USDT").result().clone();
    assert_eq!(fund["balance"][0]["walletBalance"], "0");
    rig.faults().deposits_disabled.insert("USDT".to_owned(), vec!["TRX".to_owned()]);
    let coin = rig.get("/asset/coin/query-info", "coin=USDT").result()["rows"][0].clone();
    let open: Vec<&Value> = coin["chains"].as_array().expect("chains").iter().map(|chain| &chain["chainDeposit"]).collect();
    assert_eq!(open, ["1", "0"]);
    assert!(coin["chains"][0]["contractAddress"].as_str().is_some_and(|contract| contract.starts_with("0x")));
    let rights = Rig::with(|world| world.venues[0].extra_permissions.push(("withdraw".to_owned(), false)), |_| {})
        .get("/user/query-api", "")
        .result()["permissions"]
        .clone();
    assert_eq!(rights["Wallet"], json!(["Withdraw"]));
}

#[test]
fn keys_clocks_and_limits_are_checked_in_that_order() {
    let mut rig = Rig::new();
    assert_eq!(rig.public("/account/info", "").status, 401);
    let mut request = rig.signed("GET", "/account/info", "", "");
    request.headers[0].1 = "nobody".to_owned();
    rig.raw(request.clone()).expect("a reply").refused(10_003);
    let mut request = rig.signed("GET", "/account/info", "", "");
    request.query = "a=1".to_owned();
    rig.raw(request).expect("a reply").refused(10_004);
    let request = rig.signed("GET", "/account/info", "", "");
    rig.advance(5_100 * MS);
    rig.raw(request).expect("a reply").refused(10_002);
    rig.faults().clock.step_ns = -3_600_000_000_000;
    rig.get("/account/info", "").refused(10_002);
    rig.faults().clock.step_ns = 0;

    let first = rig.get("/account/fee-rate", "category=spot");
    let limit = |answer: &super::Answer| ["x-bapi-limit", "x-bapi-limit-status"].map(|name| answer.header(name).to_owned());
    assert_eq!(limit(&first), ["5", "4"]);
    let reset_ms = |answer: &super::Answer| answer.header("x-bapi-limit-reset-timestamp").parse::<u64>().expect("a time");
    for _ in 0..4 {
        rig.get("/account/fee-rate", "category=spot").result();
    }
    let refused = rig.get("/account/fee-rate", "category=spot");
    refused.refused(10_006);
    assert_eq!(limit(&refused), ["5", "0"]);
    let wait_ms = reset_ms(&refused) - rig.now_ms();
    assert!(wait_ms <= 1_000, "{wait_ms}");
    rig.advance(wait_ms * MS);
    rig.get("/account/fee-rate", "category=spot").result();
    rig.faults().refuse_next_requests = 1;
    rig.faults().bare_refusals = true;
    let bare = rig.get("/account/info", "");
    bare.refused(10_006);
    assert_eq!(bare.header("x-bapi-limit"), "");
    rig.get("/account/info", "").result();
}

#[test]
fn an_address_that_asks_too_much_is_shut_out() {
    let mut rig = Rig::with(|_| {}, |bybit| bybit.limits.address_per_5s = 3);
    for _ in 0..3 {
        assert_eq!(rig.public("/market/time", "").status, 200);
    }
    assert_eq!(rig.public("/market/time", "").status, 403);
    rig.advance(60 * SECOND);
    assert_eq!(rig.public("/market/time", "").status, 403);
    rig.advance(600 * SECOND);
    assert_eq!(rig.public("/market/time", "").status, 200);
    rig.faults().banned_until_ns = Some(u64::MAX);
    assert_eq!(rig.public("/market/time", "").status, 403);
    rig.faults().banned_until_ns = None;
    rig.faults().maintenance = true;
    assert_eq!(rig.public("/market/time", "").status, 503);
}
