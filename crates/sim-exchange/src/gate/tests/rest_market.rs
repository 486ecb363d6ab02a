//! REST: candles, tickers, trades, grouped and deep books, the facts of pairs and currencies, other products.

use serde_json::{Value, json};

use super::{MS, Rig, START_NS};
use crate::core::{OrderId, Side, TradeStatus};

const START_S: u64 = START_NS / 1_000_000_000;

/// One trade at the best ask, which is taken whole.
fn trade(rig: &mut Rig, price: &str, amount: &str) {
    rig.quote(Side::Sell, price, amount);
    let order = rig.order(&json!({"price": price, "amount": amount}));
    assert_eq!(order.body["status"], "closed", "{}", order.body);
}

#[test]
fn candles_hold_trades_then_mids_then_the_last_close() {
    let mut rig = Rig::new();
    // 1,700,000,000 is 20 s into a minute.
    trade(&mut rig, "100", "0.5");
    trade(&mut rig, "102", "0.5");
    rig.advance(60_000 * MS);
    rig.quote(Side::Buy, "104", "1");
    rig.quote(Side::Sell, "106", "1");
    rig.advance(120_000 * MS);
    let minute = START_S - START_S % 60;
    let rows = rig.public("/spot/candlesticks", "currency_pair=BTC_USDT&interval=1m").body;
    let row = |start: u64, quote: &str, prices: [&str; 4], base: &str, closed: &str| {
        let [close, high, low, open] = prices;
        json!([start.to_string(), quote, close, high, low, open, base, closed])
    };
    assert_eq!(
        rows,
        json!([
            row(minute, "101", ["102", "102", "100", "100"], "1", "true"),
            row(minute + 60, "0", ["105"; 4], "0", "true"),
            row(minute + 120, "0", ["105"; 4], "0", "true"),
            row(minute + 180, "0", ["105"; 4], "0", "false"),
        ])
    );
    let mut candles = |query: &str| rig.public("/spot/candlesticks", &format!("currency_pair=BTC_USDT&{query}"));
    assert_eq!(candles("interval=1m&limit=2").body, json!([rows[2], rows[3]]));
    assert_eq!(candles(&format!("interval=1m&from={}&to={}", minute + 60, minute + 120)).body, json!([rows[1], rows[2]]));
    assert_eq!(candles(&format!("interval=1m&to={}&limit=2", minute + 70)).body, json!([rows[0], rows[1]]));
    for interval in ["1s", "10s", "5m", "15m", "30m", "1h", "4h", "8h", "1d", "7d", "30d"] {
        let body = candles(&format!("interval={interval}")).body;
        let row = body.as_array().and_then(|rows| rows.last()).expect("a candle").clone();
        // Longer candles have trades, and so they, and what follows them, know nothing of the middle.
        let close = if ["1s", "10s"].contains(&interval) { "105" } else { "102" };
        assert_eq!((row.as_array().map(Vec::len), &row[2], &row[7]), (Some(8), &json!(close), &json!("false")), "{interval}");
    }
    candles("interval=3m").refused(400, "INVALID_PARAM_VALUE");
    candles("limit=1001").refused(400, "INVALID_PARAM_VALUE");
    candles("interval=1m&from=1&limit=5").refused(400, "INVALID_PARAM_VALUE");
    candles("interval=1s&from=1").refused(400, "INVALID_PARAM_VALUE");
    rig.public("/spot/candlesticks", "").refused(400, "MISSING_REQUIRED_PARAM");
    assert_eq!(rig.public("/spot/candlesticks", "currency_pair=ETH_USDT").body, json!([]));
}

#[test]
fn the_ticker_forgets_after_a_day() {
    const HOUR_MS: u64 = 3_600_000;
    let mut rig = Rig::new();
    trade(&mut rig, "100", "0.5");
    rig.advance(20 * HOUR_MS * MS);
    trade(&mut rig, "110", "0.5");
    let ticker = rig.public("/spot/tickers", "currency_pair=BTC_USDT&timezone=all").body[0].clone();
    assert_eq!((&ticker["last"], &ticker["high_24h"], &ticker["low_24h"]), (&json!("110"), &json!("110"), &json!("100")));
    assert_eq!((&ticker["base_volume"], &ticker["quote_volume"]), (&json!("1"), &json!("105")));
    assert_eq!(ticker["change_percentage"], "10");
    // The venue opened at 22:13 UTC, 06:13 in UTC+8: midnight has passed since in both.
    assert_eq!((&ticker["change_utc0"], &ticker["change_utc8"]), (&json!("10"), &json!("10")));
    rig.advance(5 * HOUR_MS * MS);
    let ticker = rig.public("/spot/tickers", "currency_pair=BTC_USDT").body[0].clone();
    assert_eq!(
        (&ticker["low_24h"], &ticker["base_volume"], &ticker["change_percentage"]),
        (&json!("110"), &json!("0.5"), &json!("10"))
    );
    assert_eq!((ticker.get("change_utc0"), ticker.get("change_utc8")), (None, None));
    rig.advance(20 * HOUR_MS * MS);
    let ticker = rig.public("/spot/tickers", "currency_pair=BTC_USDT&timezone=utc8").body[0].clone();
    assert_eq!((&ticker["last"], &ticker["high_24h"], &ticker["base_volume"]), (&json!("110"), &json!("110"), &json!("0")));
    assert_eq!((&ticker["change_percentage"], ticker.get("change_utc0")), (&json!("0"), None));
    rig.public("/spot/tickers", "timezone=utc5").refused(400, "INVALID_PARAM_VALUE");
    rig.public("/spot/tickers", "currency_pair=NO_USDT").refused(400, "INVALID_CURRENCY_PAIR");
}

#[test]
fn public_trades_are_paged_by_id_time_and_page() {
    let mut rig = Rig::new();
    for price in ["100", "101", "102", "103", "104"] {
        trade(&mut rig, price, "0.5");
        rig.advance(1_000 * MS);
    }
    let mut trades = |query: &str| -> Vec<String> {
        let rows = rig.public("/spot/trades", &format!("currency_pair=BTC_USDT&{query}")).body;
        rows.as_array().expect("rows").iter().map(|row| row["price"].as_str().expect("text").to_owned()).collect()
    };
    assert_eq!(trades(""), ["104", "103", "102", "101", "100"]);
    assert_eq!(trades("limit=2&page=2"), ["102", "101"]);
    let middle = 1_000_000_003;
    assert_eq!(trades(&format!("last_id={middle}")), ["104", "103"]);
    assert_eq!(trades(&format!("last_id={middle}&reverse=True")), ["101", "100"]);
    assert_eq!(trades(&format!("from={}&to={}", START_S + 1, START_S + 2)), ["102", "101"]);
    let row = rig.public("/spot/trades", "currency_pair=BTC_USDT&limit=1").body[0].clone();
    assert_eq!((&row["deal"], &row["sequence_id"], &row["side"]), (&json!("52"), &json!("5"), &json!("buy")));
    rig.public("/spot/trades", "currency_pair=BTC_USDT&limit=1001").refused(400, "INVALID_PARAM_VALUE");
}

#[test]
fn books_are_grouped_away_from_the_touch() {
    let mut rig = Rig::new();
    rig.quote_book();
    let mut book = |interval: &str| {
        let body = rig.public("/spot/order_book", &format!("currency_pair=BTC_USDT&interval={interval}")).body;
        (body["bids"].clone(), body["asks"].clone())
    };
    assert_eq!(book("1"), (json!([["99", "6"]]), json!([["101", "6"]])));
    assert_eq!(book("0.2"), (json!([["99.8", "3"], ["99.4", "3"]]), json!([["100.2", "3"], ["100.6", "3"]])));
    assert_eq!(book("0"), book("0.1"));
    rig.public("/spot/order_book", "currency_pair=BTC_USDT&interval=-1").refused(400, "INVALID_PARAM_VALUE");
}

#[test]
fn deep_books_may_come_from_a_slow_cache_or_be_empty() {
    let mut rig = Rig::new();
    rig.quote_book();
    let mut ids: Vec<OrderId> = Vec::new();
    for _ in 0..3 {
        rig.advance(1_100 * MS);
        ids.push(rig.quote(Side::Buy, "98", "1"));
    }
    let id_at = |rig: &mut Rig, limit: u32| {
        let book = rig.public("/spot/order_book", &format!("currency_pair=BTC_USDT&with_id=true&limit={limit}")).body;
        (book["id"].as_u64(), book["bids"].as_array().map_or(0, Vec::len))
    };
    let fresh = id_at(&mut rig, 100);
    assert_eq!(id_at(&mut rig, 101), fresh);
    rig.faults().slow_deep_books = true;
    assert!(id_at(&mut rig, 101).0 < fresh.0);
    assert_eq!(id_at(&mut rig, 100), fresh);
    rig.faults().slow_deep_books = false;
    rig.faults().empty_deep_books = true;
    assert_eq!(id_at(&mut rig, 101), (None, 0));
    assert_eq!(id_at(&mut rig, 100), fresh);
    for id in ids {
        rig.unquote(id);
    }
}

#[test]
fn pairs_show_every_rule_they_have() {
    let mut rig = Rig::with(
        |world| {
            let pair = &mut world.pairs[0];
            (pair.buy_start_s, pair.sell_start_s, pair.delisting_time_s) = (5, 6, 1_900_000_000);
            (pair.up_rate, pair.down_rate, pair.slippage_max) =
                (Some(super::decimal("0.1")), Some(super::decimal("0.20")), Some(super::decimal("0.05")));
            (pair.market_max_base, pair.market_max_quote) = (Some(super::decimal("9")), None);
            pair.trade_status = TradeStatus::Sellable;
            pair.st_tag = true;
            pair.is_premarket = true;
            pair.trade_quotes = Some(vec!["USDT".to_owned(), "USDC".to_owned()]);
        },
        |_| {},
    );
    let row = rig.public("/spot/currency_pairs/BTC_USDT", "").body;
    let expected = json!({
        "id": "BTC_USDT", "base": "BTC", "base_name": "BTC", "quote": "USDT", "quote_name": "USDT", "fee": "0.2",
        "min_base_amount": "0.00001", "min_quote_amount": "3", "max_base_amount": null, "max_quote_amount": "5000000",
        "market_order_max_stock": "9", "market_order_max_money": null, "amount_precision": 6, "precision": 1,
        "trade_status": "sellable", "sell_start": 6, "buy_start": 5, "delisting_time": 1_900_000_000u64,
        "type": "premarket", "trade_url": "https://www.gate.com/trade/BTC_USDT", "st_tag": true, "up_rate": "0.1",
        "down_rate": "0.2", "slippage": "0.05", "trade_quotes": ["USDT", "USDC"],
    });
    assert_eq!(row, expected);
    assert_eq!(rig.public("/spot/currency_pairs/ETH_USDT", "").body["trade_quotes"], Value::Null);
    rig.order(&json!({"side": "sell"})).refused(400, "MISSING_REQUIRED_PARAM");
    rig.order(&json!({"trade_quote": "USDT"})).refused(400, "TRADE_RESTRICTED");
}

#[test]
fn currencies_tell_which_ways_are_closed() {
    let mut rig = Rig::new();
    rig.faults().deposits_disabled.insert("USDT".to_owned(), vec!["TRX".to_owned()]);
    rig.faults().withdrawals_disabled.insert("BTC".to_owned(), Vec::new());
    let usdt = rig.public("/spot/currencies/USDT", "").body;
    let chains: Vec<Value> = usdt["chains"]
        .as_array()
        .expect("chains")
        .iter()
        .map(|c| json!([c["name"], c["deposit_disabled"], c["withdraw_disabled"]]))
        .collect();
    assert_eq!(Value::from(chains), json!([["ETH", false, false], ["TRX", true, false]]));
    let rows = rig.public("/wallet/currency_chains", "currency=BTC").body;
    assert_eq!(
        (&rows[0]["chain"], &rows[0]["is_withdraw_disabled"], &rows[0]["is_disabled"]),
        (&json!("BTC"), &json!(1), &json!(0))
    );
    assert_eq!(rows[0]["decimal"], "12");
    rig.public("/wallet/currency_chains", "").refused(400, "MISSING_REQUIRED_PARAM");
    rig.public("/wallet/currency_chains", "currency=NO").refused(400, "INVALID_CURRENCY");
}

#[test]
fn products_that_are_not_simulated_list_nothing() {
    let mut rig = Rig::new();
    for path in [
        "/margin/currency_pairs",
        "/margin/uni/currency_pairs",
        "/futures/usdt/contracts",
        "/futures/btc/contracts",
        "/delivery/usdt/contracts",
        "/delivery/btc/contracts",
        "/options/underlyings",
        "/unified/currencies",
    ] {
        let answer = rig.public(path, "");
        assert_eq!((answer.status, answer.body), (200, json!([])), "{path}");
    }
    let contract = rig.public("/futures/usdt/contracts/BTC_USDT", "");
    assert_eq!((contract.status, contract.body), (400, json!({"label": "CONTRACT_NOT_FOUND"})), "no message, as captured");
    rig.public("/futures/usdc/contracts", "").refused(400, "MISSING_REQUIRED_HEADER");
    rig.public("/spot/nothing", "").refused(400, "MISSING_REQUIRED_HEADER");
}

#[test]
fn escapes_in_a_path_and_head_name_the_same_resource() {
    let mut rig = Rig::new();
    let plain = rig.public("/spot/currency_pairs/BTC_USDT", "");
    assert_eq!(rig.public("/spot/currency_pairs/BTC%5FUSDT", "").body, plain.body);
    // The signature covers the path as it was sent, escapes and all, and the method as well.
    assert_eq!(rig.private("GET", "/spot/%61ccounts", "currency=USDT").status, 200);
    assert_eq!(rig.private("HEAD", "/spot/accounts", "").status, 200);
    let mut request = rig.signed("GET", "/spot/accounts", "", "");
    request.method = "HEAD".to_owned();
    rig.raw(request).expect("a reply").refused(401, "INVALID_SIGNATURE");
}
