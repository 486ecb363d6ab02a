//! Tickers of windows: over REST, over the WebSocket API and as streams.

use super::*;

const HOUR_MS: u64 = 3_600_000;

/// A venue whose first trade was at 22:13:20 UTC, and whose two others are of 00:13:20 on the next day.
fn traded() -> Rig {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.place("side=BUY&type=LIMIT&timeInForce=IOC&price=100.1&quantity=0.25").ok();
    rig.advance(2 * HOUR_MS * MS);
    rig.place("side=BUY&type=LIMIT&timeInForce=IOC&price=100.2&quantity=1.25").ok();
    rig
}

#[test]
fn a_window_opens_at_a_whole_minute_and_closes_now() {
    let mut rig = traded();
    let asked_ms = rig.now_ms();
    let hour = rig.public("ticker", "symbol=BTCUSDT&windowSize=1h").ok();
    let closes = hour["closeTime"].as_u64().expect("a time");
    assert!((asked_ms..=rig.now_ms()).contains(&closes));
    let opens = (closes - HOUR_MS) / 60_000 * 60_000;
    assert_eq!(
        hour,
        json!({
            "symbol": "BTCUSDT", "priceChange": "0.10000000", "priceChangePercent": "0.100", "weightedAvgPrice": "100.14000000",
            "openPrice": "100.10000000", "highPrice": "100.20000000", "lowPrice": "100.10000000", "lastPrice": "100.20000000",
            "volume": "1.25000000", "quoteVolume": "125.17500000", "openTime": opens, "closeTime": closes, "firstId": 2,
            "lastId": 3, "count": 2,
        })
    );
    for (query, count) in [("&windowSize=1m", 2), ("&windowSize=59m", 2), ("&windowSize=2h", 3), ("&windowSize=7d", 3), ("", 3)] {
        assert_eq!(rig.public("ticker", &format!("symbol=BTCUSDT{query}")).ok()["count"], count, "{query}");
    }
    rig.public("ticker", "symbol=BTCUSDT&windowSize=119m").refused(400, -1130, "'windowSize'");
    let mini = rig.public("ticker", "symbol=BTCUSDT&windowSize=3h&type=MINI").ok();
    assert_eq!((&mini["volume"], mini.as_object().map(|fields| fields.len())), (&json!("1.50000000"), Some(12)), "{mini}");
    let before: u64 = rig.public("ping", "").header("x-mbx-used-weight-1m").parse().expect("a weight");
    let many = rig.public("ticker", "symbols=%5B%22BTCUSDT%22,%22ETHUSDT%22%5D&windowSize=1h");
    assert_eq!(many.header("x-mbx-used-weight-1m"), (before + 8).to_string(), "four for each symbol");
    let many = many.ok();
    assert_eq!((&many[0]["count"], &many[1]["symbol"], &many[1]["firstId"]), (&json!(2), &json!("ETHUSDT"), &json!(-1)));
}

#[test]
fn the_trading_day_begins_at_midnight_of_a_time_zone() {
    let mut rig = traded();
    let day = rig.public("ticker/tradingDay", "symbol=BTCUSDT").ok();
    let span = |day: &Value| (day["openTime"].as_u64().unwrap_or(0), day["closeTime"].as_u64().unwrap_or(0));
    assert_eq!((span(&day), &day["count"]), ((1_700_006_400_000, 1_700_092_799_999), &json!(2)));
    assert_eq!(
        (day.get("bidPrice"), day.get("prevClosePrice"), day.as_object().map(|fields| fields.len())),
        (None, None, Some(15))
    );
    for (zone, opens, count) in [("0", 1_700_006_400_000, 2), ("-1:00", 1_699_923_600_000, 3), ("8", 1_699_977_600_000, 3)] {
        let day = rig.public("ticker/tradingDay", &format!("symbol=BTCUSDT&type=MINI&timeZone={zone}")).ok();
        assert_eq!((span(&day).0, &day["count"]), (opens, &json!(count)), "{zone}");
    }
    rig.public("ticker/tradingDay", "symbol=BTCUSDT&timeZone=15").refused(400, -1130, "'timeZone'");
    for path in ["ticker", "ticker/tradingDay"] {
        rig.public(path, "").refused(400, -1102, "Param 'symbol' or 'symbols' must be sent, but both were empty/null!");
        rig.public(path, "symbol=BTCUSDT&symbols=%5B%22ETHUSDT%22%5D").refused(400, -1128, "Combination");
        rig.public(path, "symbol=BTCUSDT&type=HUGE").refused(400, -1139, "Invalid ticker type.");
        rig.public(path, "symbol=NOPE").refused(400, -1121, "Invalid symbol.");
    }
}

#[test]
fn the_websocket_api_has_them_too() {
    let mut rig = traded();
    rig.open(1, "/ws-api/v3");
    let (reply, _) = rig.call(1, "ticker", json!({"symbol": SYMBOL, "windowSize": "1h"}));
    assert_eq!((&reply["status"], &reply["result"]["count"]), (&json!(200), &json!(2)), "{reply}");
    let (reply, _) = rig.call(1, "ticker.tradingDay", json!({"symbols": [SYMBOL, "XRPUSDT"], "timeZone": "-1:00"}));
    assert_eq!((&reply["result"][0]["count"], &reply["result"][1]["count"]), (&json!(3), &json!(0)), "{reply}");
    let (reply, _) = rig.call(1, "ticker", json!({"windowSize": "1h"}));
    assert_eq!(reply["error"]["code"], -1102);
}

#[test]
fn streams_tell_of_their_windows() {
    let mut rig = traded();
    rig.open(1, "/stream?streams=btcusdt@ticker_1h/btcusdt@ticker_4h/!ticker_1d@arr/btcusdt@ticker_2h/!ticker_5h@arr");
    let frames = rig.frames(1, 3_000 * MS);
    let of = |name: &str| frames.iter().find(|frame| frame["stream"] == name).map(|frame| &frame["data"]);
    let hour = of("btcusdt@ticker_1h").expect("told");
    assert_eq!(
        (&hour["e"], &hour["s"], &hour["n"], &hour["c"]),
        (&json!("1hTicker"), &json!(SYMBOL), &json!(2), &json!("100.20000000"))
    );
    let time = |name: &str| hour[name].as_u64().expect("a time");
    assert_eq!(time("O"), (time("C") - HOUR_MS) / 60_000 * 60_000);
    assert_eq!(hour.as_object().map(|fields| fields.len()), Some(17), "no best prices: {hour}");
    assert_eq!(of("btcusdt@ticker_4h").map(|four| (&four["e"], &four["n"])), Some((&json!("4hTicker"), &json!(3))));
    let day = of("!ticker_1d@arr").expect("told");
    assert!(day.as_array().is_some_and(|rows| rows.iter().any(|row| row["e"] == "1dTicker" && row["F"] == 1)), "{day}");
    assert_eq!((of("btcusdt@ticker_2h"), of("!ticker_5h@arr")), (None, None), "windows that nobody serves");
    rig.place("side=BUY&type=LIMIT&timeInForce=IOC&price=100.2&quantity=0.25").ok();
    let again = rig.frames(1, 2_000 * MS);
    for name in ["btcusdt@ticker_1h", "!ticker_1d@arr"] {
        assert!(again.iter().any(|frame| frame["stream"] == name), "{name} is told of a trade");
    }
}
