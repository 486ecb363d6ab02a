//! Public streams: books without holes, best prices, candles, control messages, the life of a socket.

use super::*;

fn subscribe(rig: &mut Rig, conn: u64, names: &[&str]) {
    rig.open(conn, "/ws");
    rig.say(conn, &json!({"method": "SUBSCRIBE", "params": names, "id": 1}));
    let frames = rig.frames(conn, 5 * MS);
    assert!(frames.contains(&json!({"result": null, "id": 1})), "{frames:?}");
}

#[test]
fn the_difference_stream_has_no_holes_and_meets_the_snapshot() {
    let mut rig = Rig::new();
    rig.quote_book();
    subscribe(&mut rig, 1, &["btcusdt@depth@100ms"]);
    let book = rig.public("depth", "symbol=BTCUSDT&limit=5000").ok();
    let mut last = book["lastUpdateId"].as_u64().expect("an id");
    for round in 1..=5 {
        rig.quote(Side::Buy, "99.7", &round.to_string());
        rig.quote(Side::Sell, "100.4", &round.to_string());
        let frames = rig.frames(1, 100 * MS);
        assert_eq!(frames.len(), 1, "{frames:?}");
        assert_eq!((&frames[0]["e"], frames[0]["U"].as_u64()), (&json!("depthUpdate"), Some(last + 1)));
        last = frames[0]["u"].as_u64().expect("an id");
        assert_eq!(frames[0]["b"][0][0], "99.70000000");
    }
    assert!(rig.frames(1, 500 * MS).is_empty(), "nothing changed");
    rig.faults().skip_next_deltas = 1;
    rig.quote(Side::Buy, "99.6", "1");
    assert!(rig.frames(1, 150 * MS).is_empty());
    rig.quote(Side::Buy, "99.6", "1");
    let after = rig.frames(1, 150 * MS);
    assert!(after[0]["U"].as_u64().is_some_and(|first| first > last + 1), "a gap shows");
}

#[test]
fn best_prices_trades_and_partial_books_are_told() {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.open(1, "/stream?streams=btcusdt@bookTicker/btcusdt@aggTrade/btcusdt@trade/btcusdt@depth5@100ms");
    let first = rig.frames(1, 250 * MS);
    let of = |frames: &[Value], name: &str| -> Vec<Value> {
        frames.iter().filter(|frame| frame["stream"] == name).map(|frame| frame["data"].clone()).collect()
    };
    let best = of(&first, "btcusdt@bookTicker");
    assert_eq!(best.len(), 1);
    assert_eq!((&best[0]["b"], &best[0]["B"]), (&json!("99.90000000"), &json!("1.00000000")));
    assert_eq!(of(&first, "btcusdt@depth5@100ms")[0]["bids"].as_array().map(Vec::len), Some(3));
    rig.place("side=BUY&type=LIMIT&timeInForce=IOC&price=100.2&quantity=1.5").ok();
    let frames = rig.frames(1, 250 * MS);
    let trades = of(&frames, "btcusdt@trade");
    assert_eq!((trades.len(), &trades[0]["t"], &trades[0]["m"]), (2, &json!(1), &json!(false)));
    assert_eq!(of(&frames, "btcusdt@aggTrade").len(), 2, "two prices");
    let best = of(&frames, "btcusdt@bookTicker");
    assert_eq!(best.last().map(|best| best["a"].clone()), Some(json!("100.20000000")));
    let book = rig.public("depth", "symbol=BTCUSDT").ok();
    assert_eq!(best.last().map(|best| best["u"].clone()), Some(book["lastUpdateId"].clone()));
}

#[test]
fn candles_and_tickers_are_told_on_their_grid() {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.place("side=BUY&type=LIMIT&timeInForce=IOC&price=100.1&quantity=0.5").ok();
    subscribe(
        &mut rig,
        1,
        &["btcusdt@kline_1s", "btcusdt@miniTicker", "!ticker@arr", "!miniTicker@arr@1000ms", "btcusdt@avgPrice"],
    );
    let frames = rig.frames(1, 3_000 * MS);
    let candles: Vec<&Value> = frames.iter().filter(|frame| frame["e"] == "kline").map(|frame| &frame["k"]).collect();
    assert!(candles.iter().any(|candle| candle["x"] == true && candle["v"] == "0.50000000"), "{candles:?}");
    assert!(candles.iter().any(|candle| candle["x"] == false));
    assert!(frames.iter().any(|frame| frame["e"] == "24hrMiniTicker" && frame["c"] == "100.10000000"));
    assert!(frames.iter().any(|frame| frame.is_array() && frame[0]["e"] == "24hrTicker"));
    assert!(frames.iter().any(|frame| frame.is_array() && frame[0]["e"] == "24hrMiniTicker"));
    assert!(frames.iter().any(|frame| frame["e"] == "avgPrice"));
}

#[test]
fn control_messages_are_answered_and_unknown_streams_stay_silent() {
    let mut rig = Rig::new();
    subscribe(&mut rig, 1, &["btcusdt@trade", "nope@trade"]);
    let ask = |rig: &mut Rig, message: &Value| {
        rig.say(1, message);
        rig.frames(1, 300 * MS).into_iter().next().unwrap_or_default()
    };
    let listed = ask(&mut rig, &json!({"method": "LIST_SUBSCRIPTIONS", "id": 3}));
    assert_eq!(listed["result"], json!(["btcusdt@trade", "nope@trade"]));
    assert_eq!(ask(&mut rig, &json!({"method": "GET_PROPERTY", "params": ["combined"], "id": 4}))["result"], false);
    let left = ask(&mut rig, &json!({"method": "UNSUBSCRIBE", "params": ["nope@trade"], "id": "a"}));
    assert_eq!(left, json!({"result": null, "id": "a"}));
    assert_eq!(ask(&mut rig, &json!({"method": "subscribe", "params": [], "id": 5}))["error"]["code"], 2);
    assert_eq!(ask(&mut rig, &json!({"method": "SUBSCRIBE", "params": ["a@b"]}))["error"]["code"], 2);
    rig.world.ws_frame(0, 1, WsFrame::Text(b"{".to_vec()));
    assert_eq!(rig.frames(1, 5 * MS)[0]["error"]["code"], 3);
}

#[test]
fn microseconds_are_for_those_who_ask() {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.open(1, "/ws/btcusdt@trade?timeUnit=MICROSECOND");
    rig.open(2, "/ws/btcusdt@trade");
    rig.place("side=BUY&type=LIMIT&timeInForce=IOC&price=100.1&quantity=0.5").ok();
    let times = [1, 2].map(|conn| rig.frames(conn, 5 * MS)[0]["T"].as_u64().unwrap_or_default());
    assert_eq!(times[0] / 1_000, times[1]);
}

#[test]
fn sockets_are_pinged_limited_and_end_after_a_day_with_notice() {
    let mut rig = Rig::new();
    rig.open(1, "/ws/btcusdt@trade");
    rig.advance(20_001 * MS);
    assert!(rig.frames.iter().any(|(_, conn, frame)| *conn == 1 && matches!(frame, WsFrame::Ping(_))));
    rig.world.ws_frame(0, 1, WsFrame::Pong(Vec::new()));
    rig.advance(59_000 * MS);
    assert!(rig.cut.is_empty(), "answered within a minute");
    rig.advance(21_000 * MS);
    assert_eq!(rig.cut, [1], "no pong within a minute");
    rig.open(2, "/ws");
    for id in 0..6 {
        rig.say(2, &json!({"method": "LIST_SUBSCRIPTIONS", "id": id}));
    }
    rig.advance(5 * MS);
    assert_eq!(rig.cut, [1, 2], "six messages in a second");
    rig.open(3, "/ws");
    let mut seen = Vec::new();
    for _ in 0..=24 * 60 * 6 {
        rig.world.ws_frame(0, 3, WsFrame::Pong(Vec::new()));
        seen.extend(rig.frames(3, 10_000 * MS));
        if rig.cut.contains(&3) {
            break;
        }
    }
    assert_eq!(seen.iter().filter(|frame| frame["e"] == "serverShutdown").count(), 1);
    assert_eq!(rig.cut, [1, 2, 3]);
}
