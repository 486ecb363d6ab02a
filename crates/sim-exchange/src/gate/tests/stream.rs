//! The WebSocket: acknowledgements, errors, books, private rows, faults.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{MS, Rig, START_NS, decimal};
use crate::{
    core::{OrderId, Side},
    timing::{DelayRange, Jitter},
    world::WsFrame,
};

const BOOK: &str = "spot.order_book";
const DELTAS: &str = "spot.order_book_update";

#[test]
fn pings_are_answered_and_requests_acknowledged() {
    let mut rig = Rig::new();
    rig.open(1);
    rig.say(1, &json!({"time": 1_700_000_000, "channel": "spot.ping"}).to_string());
    let pong = rig.frames(1, 10 * MS).remove(0);
    assert_eq!((&pong["channel"], &pong["event"], &pong["result"]), (&json!("spot.pong"), &json!(""), &Value::Null));
    assert!(pong["time"].is_u64() && pong["time_ms"].is_u64());

    rig.request(1, "spot.trades", "subscribe", &json!(["BTC_USDT"]));
    let ack = rig.frames(1, 10 * MS).remove(0);
    assert_eq!(ack["result"]["status"], "success");
    assert_eq!(ack.get("error"), None);
    assert_eq!((&ack["id"], &ack["payload"]), (&json!(7), &json!(["BTC_USDT"])));
    assert!(ack["conn_id"].is_string() && ack["trace_id"].is_string() && ack["requestId"].is_string());

    rig.world.ws_frame(0, 1, WsFrame::Ping(b"x".to_vec()));
    rig.advance(10 * MS);
    assert!(rig.frames.iter().any(|(_, conn, frame)| *conn == 1 && *frame == WsFrame::Pong(b"x".to_vec())));
}

#[test]
fn wrong_requests_get_gates_codes_and_words() {
    let mut rig = Rig::new();
    rig.open(1);
    let check = |rig: &mut Rig, code: i64, message: &str| {
        let reply = rig.frames(1, 10 * MS).remove(0);
        assert_eq!((&reply["error"]["code"], &reply["error"]["message"]), (&json!(code), &json!(message)));
        assert_eq!(reply["result"]["status"], "fail");
    };
    rig.say(1, "this is not json");
    check(&mut rig, 1, "request message need json scheme");
    let rows = [
        ("spot.trades", json!(["NOPE_USDT"]), "unknown currency pair: NOPE_USDT"),
        ("spot.trades", json!(["BTC_USDT", "NOPE_USDT"]), "unknown currency pair: NOPE_USDT"),
        (BOOK, json!(["NOPE_USDT", "5", "100ms"]), "unknown currency pair: NOPE_USDT"),
        (BOOK, json!(["BTC_USDT", "7", "100ms"]), "provided level not supported: 7"),
        (BOOK, json!(["BTC_USDT", "5", "20ms"]), "incorrect update interval specified: 20ms"),
        (DELTAS, json!(["BTC_USDT", "1000ms"]), "incorrect update interval specified: 1000ms"),
        ("spot.nothing", json!(["BTC_USDT"]), "Unknown channel spot.nothing"),
    ];
    for (channel, payload, message) in rows {
        rig.request(1, channel, "subscribe", &payload);
        check(&mut rig, 2, message);
    }
    rig.request(1, "spot.trades", "shout", &json!(["BTC_USDT"]));
    check(&mut rig, 2, "unknown event: shout");
    rig.say(
        1,
        &json!({"time": 1_699_999_900, "channel": "spot.trades", "event": "subscribe", "payload": ["BTC_USDT"]}).to_string(),
    );
    let late = rig.frames(1, 10 * MS).remove(0);
    assert!(late["error"]["message"].as_str().is_some_and(|message| message.contains("REQUEST_EXPIRED")));
}

#[test]
fn private_channels_need_a_good_signature() {
    let mut rig = Rig::new();
    rig.open(1);
    rig.request(1, "spot.orders", "subscribe", &json!(["!all"]));
    let reply = rig.frames(1, 10 * MS).remove(0);
    assert_eq!(reply["error"]["code"], 4);
    let forged = json!({
        "time": 1_700_000_000, "channel": "spot.orders", "event": "subscribe", "payload": ["!all"],
        "auth": {"method": "api_key", "KEY": super::KEY, "SIGN": "00"},
    });
    rig.say(1, &forged.to_string());
    let reply = rig.frames(1, 10 * MS).remove(0);
    assert_eq!(reply["error"]["code"], 4);
    assert!(reply["error"]["message"].as_str().is_some_and(|message| message.contains("INVALID_SIGNATURE")));
    for (channel, payload) in
        [("spot.orders", json!(["BTC_USDT"])), ("spot.usertrades", json!(["!all"])), ("spot.balances", json!([]))]
    {
        rig.request_signed(1, channel, "subscribe", &payload);
        let reply = rig.frames(1, 10 * MS).remove(0);
        assert_eq!(reply["result"]["status"], "success", "{channel}");
    }
    rig.request_signed(1, "spot.orders", "subscribe", &json!([]));
    assert_eq!(rig.frames(1, 10 * MS).remove(0)["error"]["code"], 2);
}

#[test]
fn whole_books_come_at_once_and_then_on_change() {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.open(1);
    rig.request(1, BOOK, "subscribe", &json!(["BTC_USDT", "5", "100ms"]));
    let frames = rig.frames_of(1, 150 * MS, BOOK, "update");
    assert_eq!(frames.len(), 1);
    let book = &frames[0]["result"];
    assert_eq!((&book["s"], &book["l"]), (&json!("BTC_USDT"), &json!("5")));
    assert_eq!(book["bids"], json!([["99.9", "1"], ["99.8", "2"], ["99.5", "3"]]));
    assert_eq!(book["asks"], json!([["100.1", "1"], ["100.2", "2"], ["100.5", "3"]]));
    assert!(book["t"].is_u64() && book["lastUpdateId"].is_u64());
    assert!(rig.frames_of(1, 500 * MS, BOOK, "update").is_empty(), "nothing changed");

    rig.quote(Side::Buy, "99.7", "4");
    rig.quote(Side::Buy, "99.6", "4");
    let frames = rig.frames_of(1, 120 * MS, BOOK, "update");
    assert_eq!(frames.len(), 1, "conflated");
    assert_eq!(frames[0]["result"]["bids"].as_array().map(Vec::len), Some(5));
    assert_eq!(frames[0]["result"]["lastUpdateId"].as_u64(), book["lastUpdateId"].as_u64().map(|id| id + 2));

    rig.request(1, BOOK, "unsubscribe", &json!(["BTC_USDT", "5", "100ms"]));
    rig.quote(Side::Buy, "99.4", "4");
    assert!(rig.frames_of(1, 500 * MS, BOOK, "update").is_empty());
}

/// A book kept from a snapshot and increments, as the fact sheet's recipe B says.
struct Copy {
    id: u64,
    bids: BTreeMap<Decimal, Decimal>,
    asks: BTreeMap<Decimal, Decimal>,
}

impl Copy {
    fn side(levels: &Value) -> BTreeMap<Decimal, Decimal> {
        let rows = levels.as_array().expect("levels").iter();
        rows.map(|row| (decimal(row[0].as_str().expect("price")), decimal(row[1].as_str().expect("amount")))).collect()
    }

    fn from_rest(book: &Value) -> Copy {
        Copy { id: book["id"].as_u64().expect("id"), bids: Copy::side(&book["bids"]), asks: Copy::side(&book["asks"]) }
    }

    /// True when the increment was newer than the copy.
    fn apply(&mut self, delta: &Value, depth: usize) -> bool {
        let (first, last) = (delta["U"].as_u64().expect("U"), delta["u"].as_u64().expect("u"));
        if last <= self.id {
            return false;
        }
        assert!(first <= self.id + 1, "gap: {first} after {}", self.id);
        for (side, levels) in [(&mut self.bids, &delta["b"]), (&mut self.asks, &delta["a"])] {
            for (price, amount) in Copy::side(levels) {
                if amount.is_zero() {
                    side.remove(&price);
                } else {
                    side.insert(price, amount);
                }
            }
        }
        self.id = last;
        while self.bids.len() > depth {
            self.bids.pop_first();
        }
        while self.asks.len() > depth {
            self.asks.pop_last();
        }
        true
    }
}

/// Random quotes come and go; the copy must equal the venue's book whenever their ids are equal.
fn copy_follows(seed: u64, interval: &str, limit: usize) {
    let mut rig = Rig::new();
    let mut random = Jitter::new(seed);
    rig.open(1);
    rig.request(1, DELTAS, "subscribe", &json!(["BTC_USDT", interval]));
    let mut quotes: Vec<OrderId> = Vec::new();
    let mut copy: Option<Copy> = None;
    let mut pending: Vec<Value> = Vec::new();
    let mut last_u = None;
    let mut compared = 0;
    for step in 0..300 {
        for _ in 0..random.next_u64() % 4 {
            if quotes.len() > 60 || (quotes.len() > 5 && random.next_u64().is_multiple_of(3)) {
                let index = usize::try_from(random.next_u64() % quotes.len() as u64).expect("small");
                rig.unquote(quotes.swap_remove(index));
            } else {
                let offset = random.next_u64() % 400;
                let (side, tenths) =
                    if random.next_u64().is_multiple_of(2) { (Side::Buy, 9_999 - offset) } else { (Side::Sell, 10_001 + offset) };
                let price = Decimal::new(i64::try_from(tenths).expect("small"), 1).to_string();
                quotes.push(rig.quote(side, &price, "0.5"));
            }
        }
        for frame in rig.frames_of(1, (random.next_u64() % 40) * MS, DELTAS, "update") {
            let delta = frame["result"].clone();
            if let Some(last) = last_u {
                assert_eq!(delta["U"].as_u64(), Some(last + 1), "seed {seed}: increments are contiguous");
            }
            last_u = delta["u"].as_u64();
            pending.push(delta);
        }
        if step == 40 {
            let query = format!("currency_pair=BTC_USDT&limit={limit}&with_id=true");
            copy = Some(Copy::from_rest(&rig.public("/spot/order_book", &query).body));
        }
        let Some(copy) = &mut copy else { continue };
        for delta in pending.drain(..) {
            copy.apply(&delta, limit);
        }
        let exchange = rig.world.exchange(0);
        let book = exchange.book(exchange.pair_by_name("BTC_USDT").expect("listed"));
        if book.update_id() == copy.id {
            let of =
                |side| book.top(side, limit).into_iter().map(|level| (level.price, level.amount)).collect::<BTreeMap<_, _>>();
            assert_eq!((of(Side::Buy), of(Side::Sell)), (copy.bids.clone(), copy.asks.clone()), "seed {seed}, id {}", copy.id);
            compared += 1;
        }
    }
    assert!(compared > 20, "seed {seed}: compared {compared} times only");
}

#[test]
fn increments_on_a_rest_snapshot_equal_the_book() {
    for seed in 0..8 {
        copy_follows(seed, "100ms", 100);
        copy_follows(seed, "20ms", 20);
    }
}

#[test]
fn a_skipped_increment_leaves_a_gap() {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.faults().skip_book_delta = vec![2];
    rig.open(1);
    rig.request(1, DELTAS, "subscribe", &json!(["BTC_USDT", "100ms"]));
    let mut seen = Vec::new();
    for price in ["99", "98", "97"] {
        rig.quote(Side::Buy, price, "1");
        for frame in rig.frames_of(1, 110 * MS, DELTAS, "update") {
            seen.push((frame["result"]["U"].as_u64().expect("U"), frame["result"]["u"].as_u64().expect("u")));
            assert_eq!(frame["result"]["l"], "100");
            assert_eq!(frame["result"]["e"], "depthUpdate");
        }
    }
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[1].0, seen[0].1 + 2);
}

#[test]
fn a_silent_feed_still_answers_pings_and_goes_on_without_a_gap() {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.open(1);
    rig.request(1, DELTAS, "subscribe", &json!(["BTC_USDT", "100ms"]));
    rig.request(1, BOOK, "subscribe", &json!(["BTC_USDT", "5", "100ms"]));
    let from = {
        rig.quote(Side::Buy, "99", "1");
        rig.frames_of(1, 200 * MS, DELTAS, "update")[0]["result"]["u"].as_u64().expect("u")
    };
    rig.faults().silent_pairs = vec!["BTC_USDT".to_owned()];
    rig.quote(Side::Buy, "98", "1");
    rig.say(1, r#"{"time":1700000000,"channel":"spot.ping"}"#);
    let frames = rig.frames(1, 1_000 * MS);
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0]["channel"], "spot.pong");
    rig.faults().silent_pairs.clear();
    rig.quote(Side::Buy, "97", "1");
    let frames = rig.frames_of(1, 200 * MS, DELTAS, "update");
    assert_eq!(frames[0]["result"]["U"].as_u64(), Some(from + 1));
    assert_eq!(frames[0]["result"]["b"].as_array().map(Vec::len), Some(2));
}

#[test]
fn acknowledged_and_unserved_or_served_and_not_acknowledged() {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.open(1);
    rig.faults().acknowledge_without_service = true;
    rig.request(1, BOOK, "subscribe", &json!(["BTC_USDT", "5", "100ms"]));
    let frames = rig.frames(1, 500 * MS);
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0]["result"]["status"], "success");
    rig.faults().acknowledge_without_service = false;
    rig.faults().swallow_acknowledgements = true;
    rig.request(1, BOOK, "subscribe", &json!(["BTC_USDT", "5", "100ms"]));
    let frames = rig.frames(1, 500 * MS);
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0]["event"], "update");
}

#[test]
fn tickers_touch_and_trades_are_pushed() {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.open(1);
    for channel in ["spot.book_ticker", "spot.tickers", "spot.trades"] {
        rig.request(1, channel, "subscribe", &json!(["BTC_USDT", "ETH_USDT"]));
    }
    let first = rig.frames(1, 1_100 * MS);
    let touch =
        first.iter().find(|f| f["channel"] == "spot.book_ticker" && f["event"] == "update" && f["result"]["s"] == "BTC_USDT");
    let touch = &touch.expect("a first touch")["result"];
    assert_eq!((&touch["b"], &touch["B"], &touch["a"], &touch["A"]), (&json!("99.9"), &json!("1"), &json!("100.1"), &json!("1")));
    assert!(touch["u"].is_u64() && touch["t"].is_u64());
    assert!(first.iter().any(|f| f["channel"] == "spot.tickers" && f["result"]["currency_pair"] == "BTC_USDT"));

    rig.quote(Side::Buy, "99", "1");
    assert!(rig.frames_of(1, 50 * MS, "spot.book_ticker", "update").is_empty(), "the touch did not change");
    rig.order(&json!({}));
    let frames = rig.frames(1, 1_100 * MS);
    let trade = &frames.iter().find(|f| f["channel"] == "spot.trades").expect("a trade")["result"];
    assert!(trade["id"].is_u64() && trade["id_market"].is_u64() && trade["create_time"].is_u64());
    assert!(trade["create_time_ms"].as_str().is_some_and(|text| text.contains('.')));
    assert_eq!((&trade["side"], &trade["price"], &trade["amount"]), (&json!("buy"), &json!("100.1"), &json!("0.5")));
    let touch = &frames.iter().find(|f| f["channel"] == "spot.book_ticker").expect("a new touch")["result"];
    assert_eq!(touch["A"], "0.5");
    let ticker = &frames.iter().find(|f| f["channel"] == "spot.tickers").expect("a ticker")["result"];
    assert_eq!((&ticker["last"], &ticker["base_volume"]), (&json!("100.1"), &json!("0.5")));
}

#[test]
fn private_rows_have_the_streams_own_types() {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.open(1);
    rig.request_signed(1, "spot.orders", "subscribe", &json!(["BTC_USDT"]));
    rig.request_signed(1, "spot.usertrades", "subscribe", &json!(["!all"]));
    rig.request_signed(1, "spot.balances", "subscribe", &json!([]));
    rig.frames(1, 10 * MS);
    let placed = rig.order(&json!({"amount": "1.5"})).body;
    let frames = rig.frames(1, 50 * MS);
    let result = |channel: &str| &frames.iter().find(|f| f["channel"] == channel).expect(channel)["result"];

    let order = &result("spot.orders")[0];
    assert_eq!((&order["event"], &order["finish_as"]), (&json!("finish"), &json!("ioc")));
    assert_eq!(order.get("status"), None);
    assert_eq!((&order["id"], &order["user"]), (&placed["id"], &json!(10_001)));
    assert!(order["create_time_ms"].is_string() && order["update_time_ms"].is_string() && order["create_time"].is_string());
    for field in ["left", "filled_amount", "filled_total", "fee", "fee_currency", "text", "amount", "price", "avg_deal_price"] {
        assert_eq!(order[field], placed[field], "{field}");
    }

    let fill = &result("spot.usertrades")[0];
    assert!(fill["id"].is_u64() && fill["user_id"].is_u64() && fill["create_time"].is_u64() && fill["id_market"].is_u64());
    assert!(fill["create_time_ms"].is_string());
    assert_eq!((&fill["order_id"], &fill["role"], &fill["fee"]), (&placed["id"], &json!("taker"), &json!("0.001")));
    assert_eq!((&fill["fee_currency"], &fill["text"]), (&json!("BTC"), &json!("t-1")));

    let changes = result("spot.balances").as_array().expect("rows");
    let mut kinds: Vec<&str> = changes.iter().filter_map(|row| row["change_type"].as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, ["order-create", "order-match", "order-update", "trade-fee-deduct"]);
    let last = |currency: &str| changes.iter().rfind(|row| row["currency"] == currency).expect("a change");
    assert_eq!((&last("BTC")["available"], &last("BTC")["freeze"]), (&json!("4.999"), &json!("0")));
    assert_eq!((&last("USDT")["available"], &last("USDT")["total"]), (&json!("249899.9"), &json!("249899.9")));
    for row in changes {
        for field in ["timestamp", "timestamp_ms", "user", "change", "total", "available", "freeze", "freeze_change"] {
            assert!(row[field].is_string(), "{field}");
        }
    }
    let accounts = rig.private("GET", "/spot/accounts", "currency=USDT").body;
    assert_eq!(accounts[0]["available"], "249899.9");
}

#[test]
fn resting_orders_are_put_updated_and_finished() {
    let mut rig = Rig::new();
    rig.open(1);
    rig.request_signed(1, "spot.orders", "subscribe", &json!(["!all"]));
    rig.order(&json!({"time_in_force": "gtc", "amount": "1"}));
    rig.quote(Side::Sell, "100.1", "0.4");
    rig.advance(10 * MS);
    rig.private("DELETE", "/spot/orders/t-1", "currency_pair=BTC_USDT");
    let frames = rig.frames_of(1, 50 * MS, "spot.orders", "update");
    let events: Vec<(&str, &str)> = frames
        .iter()
        .flat_map(|frame| frame["result"].as_array().expect("rows"))
        .map(|row| (row["event"].as_str().expect("event"), row["left"].as_str().expect("left")))
        .collect();
    assert_eq!(events, [("put", "1"), ("update", "0.6"), ("finish", "0.6")]);
}

#[test]
fn a_fill_may_be_told_before_its_acknowledgement() {
    let fast_stream = |gate: &mut super::GateConfig| {
        gate.delays.rest_order = DelayRange::fixed(50 * MS);
        gate.delays.usertrades_push = DelayRange::fixed(MS);
        gate.delays.orders_push = DelayRange::fixed(9 * MS);
    };
    let mut rig = Rig::with(|_| {}, fast_stream);
    rig.quote_book();
    rig.open(1);
    rig.request_signed(1, "spot.orders", "subscribe", &json!(["!all"]));
    rig.request_signed(1, "spot.usertrades", "subscribe", &json!(["!all"]));
    rig.frames(1, 10 * MS);
    let sent = rig.world.now();
    rig.order(&json!({}));
    let replied = rig.world.now();
    assert_eq!(replied - sent, 50 * MS);
    let told: Vec<u64> = rig.frames.iter().map(|(t_ns, ..)| t_ns - sent).collect();
    assert_eq!(told, [MS, 9 * MS], "the fill first, then the order, and both before the reply");
}

#[test]
fn idle_sockets_are_cut_after_a_minute() {
    let mut rig = Rig::new();
    rig.open(1);
    rig.open(2);
    rig.advance(30_000 * MS);
    rig.say(2, &json!({"time": (START_NS + 30_000 * MS) / 1_000_000_000, "channel": "spot.ping"}).to_string());
    rig.advance(29_999 * MS);
    assert!(rig.cut.is_empty());
    rig.advance(2 * MS);
    assert_eq!(rig.cut, [1]);
    rig.advance(60_000 * MS);
    assert_eq!(rig.cut, [1, 2]);
}

#[test]
fn a_wrong_path_is_cut_and_a_close_is_answered() {
    let mut rig = Rig::new();
    rig.world.ws_open(0, 1, "/ws/v4");
    rig.advance(0);
    assert_eq!(rig.cut, [1]);
    rig.open(2);
    rig.world.ws_frame(0, 2, WsFrame::Close);
    rig.advance(10 * MS);
    assert!(rig.frames.iter().any(|(_, conn, frame)| *conn == 2 && *frame == WsFrame::Close));
    assert_eq!(rig.cut, [1, 2]);
}

#[test]
fn closed_connections_leave_nothing_behind() {
    let mut rig = Rig::new();
    for conn in 1..=50 {
        rig.open(conn);
        rig.request(conn, BOOK, "subscribe", &json!(["BTC_USDT", "5", "100ms"]));
        rig.request_signed(conn, "spot.balances", "subscribe", &json!([]));
        rig.world.ws_closed(0, conn);
    }
    rig.advance(200 * MS);
    rig.frames.clear();
    rig.quote_book();
    rig.order(&json!({}));
    rig.advance(500 * MS);
    assert!(rig.frames.is_empty());
    assert_eq!(rig.world.next_wakeup(), None, "no timer is left");
}

#[test]
fn strangers_bytes_never_panic() {
    let mut rig = Rig::new();
    rig.open(1);
    let mut random = Jitter::new(3);
    let seeds = [
        r#"{"time":1700000000,"channel":"spot.order_book","event":"subscribe","payload":["BTC_USDT","5","100ms"]}"#,
        r#"{"time":1700000000,"channel":"spot.orders","event":"subscribe","payload":["!all"],"auth":{"method":"api_key","KEY":"k","SIGN":"s"}}"#,
    ];
    for _ in 0..3_000 {
        let pick = usize::try_from(random.next_u64() % 2).expect("small");
        let mut bytes = seeds[pick].as_bytes().to_vec();
        for _ in 0..1 + random.next_u64() % 4 {
            let at = usize::try_from(random.next_u64() % bytes.len() as u64).expect("small");
            bytes[at] = u8::try_from(random.next_u64() & 0xff).expect("a byte");
        }
        rig.world.ws_frame(0, 1, WsFrame::Text(bytes));
    }
    rig.advance(10 * MS);
    assert!(rig.frames.len() >= 3_000, "every frame was answered");
}
