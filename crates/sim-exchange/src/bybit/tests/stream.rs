//! Public streams: acknowledgements, snapshots and increments, numbers without holes, trades, tickers, candles; sockets that go.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{MS, PRIVATE_WS_PATH, PUBLIC_WS_PATH, Rig, SECOND, decimal};
use crate::{
    core::Side,
    faults::TimedFault,
    world::{Dialect, WsFrame},
};

fn subscribe(rig: &mut Rig, conn: u64, topics: &[&str]) {
    rig.say(conn, &json!({"op": "subscribe", "req_id": "r1", "args": topics}));
}

/// A client's copy of a book, kept by the rules of the documentation.
#[derive(Debug, Default, PartialEq)]
struct Copy {
    bids: BTreeMap<Decimal, Decimal>,
    asks: BTreeMap<Decimal, Decimal>,
    number: u64,
    gaps: u64,
}

impl Copy {
    fn apply(&mut self, frame: &Value) {
        let number = frame["data"]["u"].as_u64().expect("a number");
        if frame["type"] == "snapshot" {
            (self.bids, self.asks) = (BTreeMap::new(), BTreeMap::new());
        } else if number != self.number + 1 {
            self.gaps += 1;
        }
        self.number = number;
        for (side, levels) in [(&mut self.bids, &frame["data"]["b"]), (&mut self.asks, &frame["data"]["a"])] {
            for level in levels.as_array().expect("levels") {
                let [price, size] = [0, 1].map(|index| decimal(level[index].as_str().expect("text")));
                if size.is_zero() {
                    assert!(side.remove(&price).is_some(), "a level that nobody was told of is taken away");
                } else {
                    side.insert(price, size);
                }
            }
        }
    }

    fn agrees(&self, rig: &Rig, depth: usize) {
        let exchange = rig.world.exchange(0);
        let book = exchange.book(exchange.pair_by_name("BTC_USDT").expect("listed"));
        let side = |side| book.top(side, depth).into_iter().map(|level| (level.price, level.amount)).collect::<BTreeMap<_, _>>();
        assert_eq!((&self.bids, &self.asks), (&side(Side::Buy), &side(Side::Sell)));
    }
}

#[test]
fn requests_are_acknowledged_and_bad_ones_refused_whole() {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.open(1, PUBLIC_WS_PATH);
    rig.say(1, &json!({"op": "ping", "req_id": "p"}));
    let pong = rig.frames(1, 5 * MS).remove(0);
    assert_eq!(
        (&pong["success"], &pong["ret_msg"], &pong["op"], &pong["req_id"]),
        (&json!(true), &json!("pong"), &json!("ping"), &json!("p"))
    );
    subscribe(&mut rig, 1, &["orderbook.50.BTCUSDT", "tickers.BTCUSDT"]);
    let frames = rig.frames(1, 5 * MS);
    let ack = &frames[0];
    assert_eq!(
        (&ack["success"], &ack["ret_msg"], &ack["op"], &ack["req_id"]),
        (&json!(true), &json!("subscribe"), &json!("subscribe"), &json!("r1"))
    );
    assert!(ack["conn_id"].is_string());
    let topics: Vec<&str> = frames[1..].iter().filter_map(|frame| frame["topic"].as_str()).collect();
    assert_eq!(topics, ["orderbook.50.BTCUSDT", "tickers.BTCUSDT"], "what is known comes at once");
    let mut refused = |args: &[&str], word: &str| {
        subscribe(&mut rig, 1, args);
        let frame = rig.frames(1, 5 * MS).remove(0);
        assert_eq!(frame["success"], false);
        assert!(frame["ret_msg"].as_str().is_some_and(|message| message.contains(word)), "{frame}");
    };
    refused(&["tickers.ETHUSDT", "orderbook.2.BTCUSDT"], "handler not found");
    refused(&["tickers.NOUSDT"], "Invalid symbol");
    refused(&["orderbook.50.BTCUSDT"], "already subscribed");
    refused(&["kline.2.BTCUSDT"], "handler not found");
    refused(&["order"], "handler not found");
    refused(&["tickers.ETHUSDT"; 11], "args size >10");
    refused(&[], "empty");
    // Nothing of a refused request begins.
    subscribe(&mut rig, 1, &["tickers.ETHUSDT"]);
    assert_eq!(rig.frames(1, 5 * MS)[0]["success"], true);
    rig.say(1, &json!({"op": "unsubscribe", "args": ["orderbook.50.BTCUSDT"]}));
    assert_eq!(rig.frames(1, 5 * MS)[0]["op"], "unsubscribe");
    rig.quote(Side::Buy, "99.7", "1");
    assert_eq!(rig.pushes(1, 100 * MS, "orderbook.50.BTCUSDT"), Vec::<Value>::new());
    rig.say(1, &json!({"op": "dance"}));
    assert_eq!(rig.frames(1, 5 * MS)[0]["success"], false);
    rig.world.ws_frame(0, 1, WsFrame::Text(b"{".to_vec()));
    assert_eq!(rig.frames(1, 5 * MS)[0]["success"], false);
}

#[test]
fn a_copy_kept_from_increments_is_the_book_at_every_depth() {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.open(1, PUBLIC_WS_PATH);
    subscribe(&mut rig, 1, &["orderbook.1.BTCUSDT", "orderbook.50.BTCUSDT", "orderbook.200.BTCUSDT"]);
    let mut copies: BTreeMap<usize, Copy> = [1, 50, 200].map(|depth| (depth, Copy::default())).into();
    let mut seen = BTreeMap::new();
    let mut follow = |rig: &mut Rig, ns: u64| {
        for frame in rig.frames(1, ns) {
            let Some(topic) = frame["topic"].as_str() else { continue };
            let depth: usize = topic.split('.').nth(1).and_then(|depth| depth.parse().ok()).expect("a depth");
            *seen.entry((depth, frame["type"].as_str().expect("text").to_owned())).or_insert(0) += 1;
            assert!(frame["cts"].as_u64() <= frame["ts"].as_u64());
            copies.get_mut(&depth).expect("subscribed").apply(&frame);
        }
        copies.iter().for_each(|(depth, copy)| copy.agrees(rig, *depth));
        copies.values().map(|copy| copy.gaps).sum::<u64>()
    };
    follow(&mut rig, 10 * MS);
    for step in 0..40 {
        let price = format!("{}.{}", 95 + step % 5, step % 7);
        let id = rig.quote(Side::Buy, &price, "0.25");
        if step % 3 == 0 {
            rig.unquote(id);
        }
        if step % 5 == 0 {
            rig.quote(Side::Sell, &format!("10{}.{}", 1 + step % 8, step % 10), "0.5");
        }
        assert_eq!(follow(&mut rig, 205 * MS), 0, "numbers have no holes");
    }
    rig.order(&json!({"qty": "3"})).result();
    assert_eq!(follow(&mut rig, 205 * MS), 0);
    assert!(!seen.contains_key(&(1, "delta".to_owned())), "depth 1 sends snapshots only");
    assert_eq!((seen[&(50, "snapshot".to_owned())], seen[&(200, "snapshot".to_owned())]), (1, 1));
    assert!(seen[&(50, "delta".to_owned())] > 20);
}

#[test]
fn a_quiet_touch_is_said_again_after_three_seconds_under_the_same_number() {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.open(1, PUBLIC_WS_PATH);
    subscribe(&mut rig, 1, &["orderbook.1.BTCUSDT"]);
    let first = rig.pushes(1, 100 * MS, "orderbook.1.BTCUSDT");
    assert_eq!(first.len(), 1);
    let number = &first[0]["data"]["u"];
    let quiet = rig.pushes(1, 10 * SECOND, "orderbook.1.BTCUSDT");
    assert!((3..=4).contains(&quiet.len()), "{}", quiet.len());
    assert!(quiet.iter().all(|frame| frame["data"]["u"] == *number));
    rig.quote(Side::Buy, "100", "1");
    let moved = rig.pushes(1, 20 * MS, "orderbook.1.BTCUSDT");
    assert_eq!((moved.len(), moved[0]["data"]["u"].as_u64()), (1, number.as_u64().map(|number| number + 1)));
}

#[test]
fn trades_tickers_and_candles_are_told() {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.open(1, PUBLIC_WS_PATH);
    subscribe(&mut rig, 1, &["publicTrade.BTCUSDT", "tickers.BTCUSDT", "kline.1.BTCUSDT"]);
    rig.frames(1, 1_100 * MS);
    rig.order(&json!({"qty": "1.5", "price": "100.2"})).result();
    let frames = rig.frames(1, 1_100 * MS);
    let of = |topic: &str| frames.iter().filter(|frame| frame["topic"] == topic).collect::<Vec<_>>();
    let trades = of("publicTrade.BTCUSDT");
    assert_eq!((trades.len(), trades[0]["data"].as_array().map(Vec::len)), (1, Some(2)), "trades of one moment share a frame");
    let row = &trades[0]["data"][1];
    assert_eq!([&row["p"], &row["v"], &row["S"], &row["s"]], ["100.2", "0.5", "Buy", "BTCUSDT"]);
    assert_eq!(of("tickers.BTCUSDT")[0]["data"]["lastPrice"], "100.2");
    let candle = &of("kline.1.BTCUSDT")[0]["data"][0];
    assert_eq!(
        (&candle["open"], &candle["close"], &candle["volume"], &candle["confirm"]),
        (&json!("100.1"), &json!("100.2"), &json!("1.5"), &json!(false))
    );
    let later = rig.pushes(1, 61 * SECOND, "kline.1.BTCUSDT");
    assert_eq!(later[0]["data"][0]["confirm"], true, "{later:?}");
    assert_eq!(later[1]["data"][0]["volume"], "0");
}

#[test]
fn sockets_are_cut_when_nobody_speaks_and_asked_for_less_when_they_say_so() {
    let mut rig = Rig::new();
    rig.open(1, PRIVATE_WS_PATH);
    rig.open(2, "/v5/private?max_active_time=30s");
    rig.open(3, "/v5/elsewhere");
    rig.advance(SECOND);
    assert_eq!(rig.cut, [3]);
    rig.advance(31 * SECOND);
    assert_eq!(rig.cut, [3, 2]);
    rig.say(1, &json!({"op": "ping"}));
    assert_eq!(rig.frames(1, SECOND)[0]["op"], "pong");
    rig.advance(560 * SECOND);
    assert_eq!(rig.cut, [3, 2]);
    rig.advance(60 * SECOND);
    assert_eq!(rig.cut, [3, 2, 1]);
}

#[test]
fn faults_of_books_gaps_silence_restarts() {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.open(1, PUBLIC_WS_PATH);
    subscribe(&mut rig, 1, &["orderbook.50.BTCUSDT"]);
    let mut copy = Copy::default();
    rig.pushes(1, 50 * MS, "orderbook.50.BTCUSDT").iter().for_each(|frame| copy.apply(frame));
    rig.faults().skip_next_deltas = 1;
    for price in ["99.1", "99.2"] {
        rig.quote(Side::Buy, price, "1");
        rig.pushes(1, 50 * MS, "orderbook.50.BTCUSDT").iter().for_each(|frame| copy.apply(frame));
    }
    assert_eq!(copy.gaps, 1, "a client sees that one is missing");
    rig.faults().silent_pairs.push("BTC_USDT".to_owned());
    rig.quote(Side::Buy, "99.3", "1");
    rig.say(1, &json!({"op": "ping"}));
    let frames = rig.frames(1, SECOND);
    assert_eq!((frames.len(), &frames[0]["op"]), (1, &json!("ping")), "pongs go on");
    rig.faults().silent_pairs.clear();
    // A new subscriber is told the book of today, the others what they missed.
    rig.open(2, PUBLIC_WS_PATH);
    subscribe(&mut rig, 2, &["orderbook.50.BTCUSDT"]);
    let whole = rig.pushes(2, 50 * MS, "orderbook.50.BTCUSDT");
    let bids: Vec<&Value> = whole[0]["data"]["b"].as_array().expect("bids").iter().map(|level| &level[0]).collect();
    assert!(whole[0]["type"] == "snapshot" && bids.contains(&&json!("99.3")), "{whole:?}");
    rig.quote(Side::Buy, "99.4", "1");
    rig.pushes(1, 50 * MS, "orderbook.50.BTCUSDT").iter().for_each(|frame| copy.apply(frame));
    assert_eq!(copy.bids.len(), 6, "all that happened but the gap: {copy:?}");
    // A restart of the service: the book begins anew under number 1, and the socket goes.
    let now = rig.world.now();
    rig.dialect().schedule(now, TimedFault::Upgrade { close_after_ns: SECOND });
    let restarted = rig.pushes(1, 100 * MS, "orderbook.50.BTCUSDT");
    assert_eq!((&restarted[0]["type"], &restarted[0]["data"]["u"]), (&json!("snapshot"), &json!(1)));
    copy.apply(&restarted[0]);
    copy.agrees(&rig, 50);
    rig.quote(Side::Buy, "98.4", "1");
    assert_eq!(rig.pushes(1, 100 * MS, "orderbook.50.BTCUSDT")[0]["data"]["u"], 2);
    rig.advance(SECOND);
    assert_eq!(rig.cut, [1, 2]);
}
