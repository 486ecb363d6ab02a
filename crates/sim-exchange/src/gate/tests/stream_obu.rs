//! `spot.obu`: the whole book first, then increments of a window that the venue keeps.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{MS, Rig, decimal};
use crate::{core::Side, timing::Jitter};

const OBU: &str = "spot.obu";

/// A client that keeps the stream's window: no trimming, no REST.
#[derive(Default)]
struct Window {
    id: Option<u64>,
    bids: BTreeMap<Decimal, Decimal>,
    asks: BTreeMap<Decimal, Decimal>,
    empty: u32,
}

impl Window {
    fn apply(&mut self, frame: &Value) {
        let result = &frame["result"];
        let u = result["u"].as_u64().expect("u");
        if result["full"] == true {
            assert_eq!(result.get("U"), None);
            (self.bids, self.asks) = (BTreeMap::new(), BTreeMap::new());
        } else {
            assert_eq!(result.get("full"), None);
            assert_eq!(result["U"].as_u64(), self.id.map(|id| id + 1), "contiguous");
        }
        self.empty += u32::from(result.get("b").is_none() && result.get("a").is_none());
        for (name, side) in [("b", &mut self.bids), ("a", &mut self.asks)] {
            for level in result[name].as_array().into_iter().flatten() {
                let (price, amount) = (decimal(level[0].as_str().expect("text")), decimal(level[1].as_str().expect("text")));
                if amount.is_zero() {
                    assert!(side.remove(&price).is_some(), "a level that was never told is not taken away");
                } else {
                    side.insert(price, amount);
                }
            }
        }
        self.id = Some(u);
    }
}

fn follow(seed: u64, level: &str, depth: usize) -> u32 {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.open(1);
    rig.request(1, OBU, "subscribe", &json!([format!("ob.BTC_USDT.{level}")]));
    let mut random = Jitter::new(seed);
    let mut quotes = Vec::new();
    let (mut window, mut compared) = (Window::default(), 0);
    for _ in 0..400 {
        for _ in 0..random.next_u64() % 4 {
            if quotes.len() > 2 * depth + 30 || (quotes.len() > 5 && random.next_u64().is_multiple_of(3)) {
                let index = usize::try_from(random.next_u64() % quotes.len() as u64).expect("small");
                rig.unquote(quotes.swap_remove(index));
            } else {
                let offset = random.next_u64() % 600;
                let (side, tenths) =
                    if random.next_u64().is_multiple_of(2) { (Side::Buy, 999 - offset) } else { (Side::Sell, 1_001 + offset) };
                quotes.push(rig.quote(side, &Decimal::new(i64::try_from(tenths).expect("small"), 1).to_string(), "0.5"));
            }
        }
        for frame in rig.frames_of(1, (random.next_u64() % 30) * MS, OBU, "update") {
            assert_eq!(frame.get("time"), None);
            assert!(frame["time_ms"].is_u64() && frame["result"]["t"].is_u64());
            assert_eq!(frame["result"]["s"], format!("ob.BTC_USDT.{level}"));
            window.apply(&frame);
        }
        let exchange = rig.world.exchange(0);
        let book = exchange.book(exchange.pair_by_name("BTC_USDT").expect("listed"));
        if window.id == Some(book.update_id()) {
            let of =
                |side| book.top(side, depth).into_iter().map(|level| (level.price, level.amount)).collect::<BTreeMap<_, _>>();
            assert_eq!((of(Side::Buy), of(Side::Sell)), (window.bids.clone(), window.asks.clone()), "seed {seed}");
            compared += 1;
        }
    }
    assert!(compared > 20, "seed {seed}: compared {compared} times only");
    window.empty
}

#[test]
fn the_window_equals_the_best_levels_whatever_happens() {
    let mut empty = 0;
    for seed in 0..5 {
        empty += follow(seed, "50", 50);
        follow(seed, "400", 400);
        follow(seed, "100", 100);
    }
    assert!(empty > 0, "some increments carry neither side");
}

#[test]
fn the_whole_book_comes_before_or_after_the_acknowledgement() {
    let order = |per_mille| {
        let mut rig = Rig::with(|_| {}, |gate| gate.full_before_ack_per_mille = per_mille);
        rig.quote_book();
        rig.open(1);
        rig.request(1, OBU, "subscribe", &json!(["ob.BTC_USDT.50", "ob.ETH_USDT.50"]));
        let frames = rig.frames(1, 10 * MS);
        frames.iter().map(|frame| frame["event"].as_str().unwrap_or("").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(order(0), ["subscribe", "update", "update"], "one acknowledgement for all");
    assert_eq!(order(1_000), ["update", "update", "subscribe"]);
}

#[test]
fn a_second_subscription_is_refused_and_the_first_goes_on() {
    let mut rig = Rig::with(|_| {}, |gate| gate.full_before_ack_per_mille = 0);
    rig.quote_book();
    rig.open(1);
    rig.request(1, OBU, "subscribe", &json!(["ob.BTC_USDT.50"]));
    rig.frames(1, 10 * MS);
    rig.request(1, OBU, "subscribe", &json!(["ob.ETH_USDT.50", "ob.BTC_USDT.50"]));
    let frames = rig.frames(1, 10 * MS);
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0]["error"], json!({"code": 2, "message": "Alert sub ob.BTC_USDT.50"}));
    rig.quote(Side::Buy, "99", "1");
    let frames = rig.frames_of(1, 30 * MS, OBU, "update");
    assert_eq!(frames.len(), 1);
    assert_eq!((&frames[0]["result"]["b"], frames[0]["result"].get("a")), (&json!([["99", "1"]]), None));

    // Leaving and coming back gives a whole book again; another level is another stream.
    rig.request(1, OBU, "unsubscribe", &json!(["ob.BTC_USDT.50"]));
    assert_eq!(rig.frames(1, 10 * MS)[0]["result"]["status"], "success");
    rig.quote(Side::Buy, "98", "1");
    assert!(rig.frames(1, 50 * MS).is_empty());
    rig.request(1, OBU, "subscribe", &json!(["ob.BTC_USDT.50"]));
    rig.request(1, OBU, "subscribe", &json!(["ob.BTC_USDT.400"]));
    let frames = rig.frames_of(1, 10 * MS, OBU, "update");
    assert_eq!(frames.iter().filter(|frame| frame["result"]["full"] == true).count(), 2);
    assert_eq!(frames[0]["result"]["b"].as_array().map(Vec::len), Some(5));
}

#[test]
fn a_later_subscriber_continues_where_the_others_are() {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.open(1);
    rig.open(2);
    rig.request(1, OBU, "subscribe", &json!(["ob.BTC_USDT.50"]));
    rig.frames(1, 30 * MS);
    // Between a change and its tick.
    rig.quote(Side::Buy, "99", "1");
    rig.request(2, OBU, "subscribe", &json!(["ob.BTC_USDT.50"]));
    rig.quote(Side::Buy, "98", "1");
    let mut window = Window::default();
    for frame in rig.frames_of(2, 60 * MS, OBU, "update") {
        window.apply(&frame);
    }
    assert_eq!(window.bids.len(), 5);
}

#[test]
fn what_is_not_served_is_acknowledged_all_the_same() {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.open(1);
    for stream in ["ob.BTC_USDT.1", "ob.BTC_USDT.5", "ob.BTC_USDT.10", "ob.BTC_USDT.200", "ob.NOPE_USDT.50"] {
        rig.request(1, OBU, "subscribe", &json!([stream]));
        rig.quote(Side::Buy, "95", "1");
        let frames = rig.frames(1, 500 * MS);
        assert_eq!(frames.len(), 1, "{stream}: {frames:?}");
        assert_eq!(frames[0]["result"]["status"], "success");
        rig.request(1, OBU, "subscribe", &json!([stream]));
        assert_eq!(rig.frames(1, 10 * MS)[0]["error"]["message"], format!("Alert sub {stream}"));
    }
    for payload in [json!([]), json!(["BTC_USDT"]), json!(["ob.BTC_USDT"])] {
        rig.request(1, OBU, "subscribe", &payload);
        assert_eq!(rig.frames(1, 10 * MS)[0]["error"]["code"], 2, "{payload}");
    }
}

#[test]
fn gaps_whole_books_and_old_stamps_come_as_the_faults_ask() {
    let mut rig = Rig::with(|_| {}, |gate| gate.full_before_ack_per_mille = 0);
    rig.quote_book();
    rig.advance(74_000 * MS);
    let faults = rig.faults();
    faults.old_snapshot_times = true;
    faults.skip_obu_delta = vec![2];
    faults.full_obu_push = vec![3];
    rig.open(1);
    rig.request(1, OBU, "subscribe", &json!(["ob.BTC_USDT.50"]));
    let now_ms = rig.world.now() / MS;
    let first = rig.frames_of(1, 10 * MS, OBU, "update").remove(0);
    let age = |value: &Value| now_ms.saturating_sub(value.as_u64().expect("a time")) / 1_000;
    assert_eq!((age(&first["result"]["t"]), age(&first["time_ms"])), (74, 37), "an old book in an old frame");
    let mut seen = Vec::new();
    for price in ["99", "98", "97", "96"] {
        rig.quote(Side::Buy, price, "1");
        seen.extend(rig.frames_of(1, 25 * MS, OBU, "update"));
    }
    let ids: Vec<(Option<u64>, u64)> =
        seen.iter().map(|frame| (frame["result"]["U"].as_u64(), frame["result"]["u"].as_u64().expect("u"))).collect();
    let start = first["result"]["u"].as_u64().expect("u");
    assert_eq!(ids, [(Some(start + 1), start + 1), (None, start + 3), (Some(start + 4), start + 4)]);
    rig.faults().skip_next_deltas = 1;
    rig.quote(Side::Buy, "94", "1");
    assert!(rig.frames_of(1, 25 * MS, OBU, "update").is_empty());
}

#[test]
fn a_silent_pair_owes_its_whole_book() {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.open(1);
    rig.faults().silent_pairs = vec!["BTC_USDT".to_owned()];
    rig.request(1, OBU, "subscribe", &json!(["ob.BTC_USDT.50"]));
    rig.quote(Side::Buy, "99", "1");
    let frames = rig.frames(1, 300 * MS);
    assert_eq!(frames.len(), 1, "the acknowledgement only");
    rig.faults().silent_pairs.clear();
    let frames = rig.frames(1, 50 * MS);
    assert_eq!((frames.len(), &frames[0]["result"]["full"]), (1, &json!(true)));
}

#[test]
fn a_new_subscriber_after_a_silence_gets_the_book_of_today() {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.open(1);
    rig.request(1, OBU, "subscribe", &json!(["ob.BTC_USDT.50"]));
    assert_eq!(rig.frames_of(1, 50 * MS, OBU, "update").len(), 1);
    rig.faults().silent_feed = true;
    rig.quote(Side::Buy, "100", "1");
    assert!(rig.frames(1, 300 * MS).is_empty());
    // The pair speaks again, but has had no reason to yet.
    rig.faults().silent_feed = false;
    rig.open(2);
    rig.request(2, OBU, "subscribe", &json!(["ob.BTC_USDT.50"]));
    let books = rig.frames_of(2, 50 * MS, OBU, "update");
    assert_eq!((books.len(), &books[0]["result"]["full"], &books[0]["result"]["b"][0][0]), (1, &json!(true), &json!("100")));
    let changes = rig.frames_of(1, 0, OBU, "update");
    assert_eq!((changes.len(), &changes[0]["result"]["u"]), (1, &books[0]["result"]["u"]), "the others go on without a gap");
    assert_eq!(changes[0]["result"]["b"], json!([["100", "1"]]));
}
