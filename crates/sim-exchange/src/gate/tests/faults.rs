//! What the venue does and says when something is wrong with it: one test per fault of the catalogue.

use serde_json::{Value, json};

use super::{MS, Rig, START_NS, decimal};
use crate::{
    core::Side,
    faults::{Absurd, Breakage, Crossing, Refusal, ScriptedFault, TamperTarget, Tampering, TimedFault, VenueClock},
    gate::GateConfig,
    world::OutputBody,
};

const SECOND: u64 = 1_000 * MS;

/// A venue to which this happens ten milliseconds after its start.
fn struck(fault: TimedFault) -> Rig {
    let mut rig = Rig::with(|_| {}, |gate: &mut GateConfig| gate.script = vec![ScriptedFault { at_ns: 10 * MS, fault }]);
    rig.quote_book();
    rig.advance(20 * MS);
    rig
}

fn live() -> Rig {
    let mut rig = Rig::new();
    rig.quote_book();
    rig
}

fn follow(rig: &mut Rig, channels: &[&str]) {
    rig.open(1);
    for channel in channels {
        rig.request_signed(1, channel, "subscribe", &json!(["BTC_USDT"]));
    }
    rig.frames(1, 50 * MS);
}

fn touch(book: &Value, bids: &str, asks: &str) -> (rust_decimal::Decimal, rust_decimal::Decimal) {
    let price = |side: &str| decimal(book[side][0][0].as_str().expect("a level"));
    (price(bids), price(asks))
}

#[test]
fn f5_books_contradict_themselves_for_a_time_in_every_channel() {
    for (how, locked) in [(Crossing::Locked, true), (Crossing::Crossed, false)] {
        let mut rig = struck(TimedFault::CrossedBooks { pair: Some("BTC_USDT".to_owned()), how, for_ns: SECOND });
        let wrong = |(bid, ask): (rust_decimal::Decimal, rust_decimal::Decimal)| if locked { bid == ask } else { bid > ask };
        let book = rig.public("/spot/order_book", "currency_pair=BTC_USDT").body;
        assert!(wrong(touch(&book, "bids", "asks")), "{book}");
        rig.open(1);
        rig.request(1, "spot.order_book", "subscribe", &json!(["BTC_USDT", "5", "100ms"]));
        rig.request(1, "spot.book_ticker", "subscribe", &json!(["BTC_USDT"]));
        let frames = rig.frames(1, 200 * MS);
        let of = |channel: &str| frames.iter().find(|frame| frame["channel"] == channel && frame["event"] == "update");
        let whole = &of("spot.order_book").expect("a book")["result"];
        assert!(wrong(touch(whole, "bids", "asks")), "{whole}");
        let ticker = &of("spot.book_ticker").expect("a touch")["result"];
        let price = |key: &str| decimal(ticker[key].as_str().expect("a price"));
        assert!(wrong((price("b"), price("a"))), "{ticker}");
        rig.advance(SECOND);
        let book = rig.public("/spot/order_book", "currency_pair=BTC_USDT").body;
        assert_eq!(touch(&book, "bids", "asks"), (decimal("99.9"), decimal("100.1")));
    }
}

#[test]
fn f5_the_next_increments_add_a_bid_that_is_never_taken_back() {
    let mut rig = live();
    rig.open(1);
    rig.request(1, "spot.order_book_update", "subscribe", &json!(["BTC_USDT", "100ms"]));
    rig.frames(1, 50 * MS);
    rig.faults().cross_next_books = 1;
    rig.quote(Side::Buy, "99.7", "1");
    let frames = rig.frames_of(1, 200 * MS, "spot.order_book_update", "update");
    let bids = frames[0]["result"]["b"].as_array().expect("bids");
    assert!(bids.iter().any(|level| decimal(level[0].as_str().unwrap_or("0")) > decimal("100.1")), "{bids:?}");
    rig.quote(Side::Buy, "99.6", "1");
    let frames = rig.frames_of(1, 200 * MS, "spot.order_book_update", "update");
    assert_eq!(frames[0]["result"]["b"], json!([["99.6", "1"]]), "nothing takes it back");
}

#[test]
fn f10_one_field_of_the_next_body_becomes_absurd() {
    for how in Absurd::ALL {
        let mut rig = live();
        let target = TamperTarget::BookReply;
        rig.faults().tampered = vec![Tampering { target, how, count: 1 }];
        let once = rig.public("/spot/order_book", "currency_pair=BTC_USDT&with_id=true").body;
        let again = rig.public("/spot/order_book", "currency_pair=BTC_USDT&with_id=true").body;
        assert_ne!(once, again, "{how:?}");
        assert_eq!(touch(&again, "bids", "asks"), (decimal("99.9"), decimal("100.1")));
    }
    let mut rig = live();
    rig.faults().tampered = vec![Tampering { target: TamperTarget::OrderReply, how: Absurd::UnknownWord, count: 1 }];
    assert_eq!(rig.order(&json!({})).body["status"], "reticulated");
    rig.faults().tampered = vec![Tampering { target: TamperTarget::Accounts, how: Absurd::Negative, count: 1 }];
    assert_eq!(rig.private("GET", "/spot/accounts", "").body[0]["available"], "-1");
    let mut rig = struck(TimedFault::Tampered { target: TamperTarget::Fills, how: Absurd::Null, count: 1 });
    follow(&mut rig, &["spot.usertrades"]);
    rig.order(&json!({}));
    assert_eq!(rig.frames_of(1, 50 * MS, "spot.usertrades", "update")[0]["result"][0]["amount"], Value::Null);
}

#[test]
fn f11_a_halted_pair_says_so_refuses_orders_and_stands_still() {
    let mut rig = struck(TimedFault::Halt { pair: "BTC_USDT".to_owned(), for_ns: SECOND });
    assert_eq!(rig.public("/spot/currency_pairs/BTC_USDT", "").body["trade_status"], "untradable");
    rig.order(&json!({})).refused(400, "TRADE_RESTRICTED");
    let before = rig.public("/spot/order_book", "currency_pair=BTC_USDT&with_id=true").body;
    rig.quote(Side::Buy, "100", "1");
    let after = rig.public("/spot/order_book", "currency_pair=BTC_USDT&with_id=true").body;
    assert_eq!((&before["bids"], &before["id"]), (&after["bids"], &after["id"]));
    rig.advance(SECOND);
    assert_eq!(rig.public("/spot/currency_pairs/BTC_USDT", "").body["trade_status"], "tradable");
    assert_eq!(touch(&rig.public("/spot/order_book", "currency_pair=BTC_USDT").body, "bids", "asks").0, decimal("100"));
    assert_eq!(rig.order(&json!({})).status, 201);
}

#[test]
fn f11_rules_change_and_pairs_leave_the_list_while_the_venue_runs() {
    let mut rig = live();
    let usual = rig.public("/spot/currency_pairs/BTC_USDT", "").body;
    let mut rig = struck(TimedFault::CoarserRules { pair: "BTC_USDT".to_owned(), digits: 1, for_ns: SECOND });
    let now = rig.public("/spot/currency_pairs/BTC_USDT", "").body;
    for key in ["precision", "amount_precision"] {
        assert_eq!(now[key].as_u64().map(|digits| digits + 1), usual[key].as_u64(), "{key}");
    }
    let digits = usize::try_from(usual["precision"].as_u64().expect("digits")).expect("few");
    let fine = format!("100.{}1", "0".repeat(digits - 1));
    rig.order(&json!({"price": fine})).refused(400, "INVALID_PRECISION");
    assert_eq!(rig.order(&json!({"price": "101"})).status, 201);
    rig.advance(SECOND);
    assert_eq!(rig.order(&json!({"price": fine})).status, 201);

    let mut rig = struck(TimedFault::Delisted { pair: "BTC_USDT".to_owned(), for_ns: SECOND });
    let list = rig.public("/spot/currency_pairs", "").body;
    assert!(list.as_array().expect("rows").iter().all(|row| row["id"] != "BTC_USDT"));
    rig.public("/spot/currency_pairs/BTC_USDT", "").refused(400, "INVALID_CURRENCY_PAIR");
    rig.order(&json!({})).refused(400, "INVALID_CURRENCY_PAIR");
    rig.advance(SECOND);
    assert_eq!(rig.order(&json!({})).status, 201);
}

#[test]
fn f18_somebody_is_faster_than_a_cancel() {
    for (whole, status) in [(false, 200), (true, 400)] {
        let mut rig = live();
        let placed = rig.order(&json!({"price": "100", "time_in_force": "gtc", "amount": "0.5"}));
        let id = placed.body["id"].as_str().expect("an id").to_owned();
        if whole {
            rig.faults().close_before_cancels = 1;
        } else {
            rig.faults().fill_before_cancels = 1;
        }
        let cancelled = rig.private("DELETE", &format!("/spot/orders/{id}"), "currency_pair=BTC_USDT");
        assert_eq!(cancelled.status, status, "{}", cancelled.body);
        let now = rig.private("GET", &format!("/spot/orders/{id}"), "currency_pair=BTC_USDT").body;
        let filled = if whole { "0.5" } else { "0.25" };
        assert_eq!(
            (decimal(now["filled_amount"].as_str().expect("filled")), now["status"] == "closed"),
            (decimal(filled), whole)
        );
        if whole {
            cancelled.refused(400, "ORDER_CLOSED");
        }
        rig.world.conservation_check().expect("nothing is lost");
    }
}

#[test]
fn f20_orders_end_with_a_remainder_below_the_smallest() {
    let mut rig = live();
    let rules = rig.public("/spot/currency_pairs/BTC_USDT", "").body;
    let step = decimal(&format!("0.{}1", "0".repeat(rules["amount_precision"].as_u64().expect("digits") as usize - 1)));
    let smallest_value = rules["min_quote_amount"].as_str().map_or(decimal("0"), decimal);
    rig.faults().dust_next_orders = 1;
    let placed = rig.order(&json!({})).body;
    let left = decimal(placed["left"].as_str().expect("left"));
    let price = decimal("100.1");
    let smallest = rules["min_base_amount"].as_str().map_or(step, decimal);
    assert!(left > decimal("0") && (left < smallest || left * price < smallest_value), "{placed}");
    assert_eq!((&placed["status"], &placed["finish_as"]), (&json!("cancelled"), &json!("ioc")));
    rig.faults().halve_next_orders = 1;
    let placed = rig.order(&json!({"text": "t-2", "amount": "0.2"})).body;
    assert_eq!(decimal(placed["filled_amount"].as_str().expect("filled")), decimal("0.1"));
    assert_eq!(rig.order(&json!({"text": "t-3", "amount": "0.2"})).body["finish_as"], "filled");
    rig.world.conservation_check().expect("nothing is lost");
}

#[test]
fn f21_fee_rates_change_and_a_fee_token_runs_out() {
    let mut rig = struck(TimedFault::Fees { hundredths: 300, for_ns: SECOND });
    let fee = |rig: &mut Rig| decimal(rig.private("GET", "/wallet/fee", "").body["taker_fee"].as_str().expect("a rate"));
    let raised = fee(&mut rig);
    rig.advance(SECOND);
    assert_eq!(raised, fee(&mut rig) * decimal("3"));
    let free = |rig: &mut Rig| {
        let row = rig.private("GET", "/spot/accounts", "currency=USDT").body;
        decimal(row[0]["available"].as_str().expect("a balance"))
    };
    let before = free(&mut live());
    let mut rig = struck(TimedFault::Withdrawal { asset: "USDT".to_owned(), per_mille: 1_000 });
    assert!(before > decimal("0"));
    assert_eq!(free(&mut rig), decimal("0"));
    rig.world.conservation_check().expect("nothing is lost");
}

#[test]
fn f22_orders_are_refused_with_each_label() {
    for why in Refusal::ALL {
        let (label, status) = (
            why.name(),
            if why == Refusal::AccountLocked {
                403
            } else if why == Refusal::Busy {
                500
            } else {
                400
            },
        );
        let mut rig = struck(TimedFault::Refusals { why, count: 100 });
        rig.order(&json!({})).refused(status, label);
        rig.advance(2 * SECOND);
        rig.order(&json!({"text": "t-2"})).refused(status, label);
        let faults = rig.faults();
        assert_eq!(faults.refuse_next_orders, [(why, 98)]);
        faults.refuse_next_orders.clear();
        assert_eq!(rig.order(&json!({"text": "t-3"})).status, 201);
    }
}

#[test]
fn f23_an_answer_is_that_to_the_request_before() {
    let mut rig = live();
    rig.order(&json!({"text": "t-1"}));
    rig.faults().stale_next_answers = 1;
    assert_eq!(rig.order(&json!({"text": "t-2"})).body["text"], "t-1");
    assert_eq!(rig.private("GET", "/spot/orders/t-2", "currency_pair=BTC_USDT").body["text"], "t-2");
    assert_eq!(rig.order(&json!({"text": "t-3"})).body["text"], "t-3");
}

#[test]
fn f24_orders_are_accepted_with_other_terms() {
    let mut rig = live();
    rig.faults().cut_next_amounts = 1;
    let placed = rig.order(&json!({})).body;
    assert!(decimal(placed["amount"].as_str().expect("amount")) < decimal("0.5"), "{placed}");
    rig.faults().shift_next_prices = 2;
    let buy = rig.order(&json!({"text": "t-2"})).body;
    assert!(decimal(buy["price"].as_str().expect("price")) > decimal("100.1"), "{buy}");
    let sell = rig.order(&json!({"text": "t-3", "side": "sell", "price": "99.5"})).body;
    assert!(decimal(sell["price"].as_str().expect("price")) < decimal("99.5"), "{sell}");
    let same = rig.order(&json!({"text": "t-4"})).body;
    assert_eq!((&same["price"], &same["amount"]), (&json!("100.1"), &json!("0.5")));
}

#[test]
fn f26_executions_are_never_pushed() {
    let mut rig = live();
    follow(&mut rig, &["spot.orders", "spot.usertrades"]);
    rig.faults().lose_next_fills = 1;
    rig.order(&json!({}));
    let frames = rig.frames(1, 50 * MS);
    assert!(frames.iter().any(|frame| frame["channel"] == "spot.orders"));
    assert!(frames.iter().all(|frame| frame["channel"] != "spot.usertrades"), "{frames:?}");
    assert_eq!(rig.private("GET", "/spot/my_trades", "currency_pair=BTC_USDT").body.as_array().map(Vec::len), Some(1));
    rig.faults().lose_fill_frame = vec![3];
    let mut seen = Vec::new();
    for text in ["t-2", "t-3"] {
        rig.order(&json!({"text": text, "amount": "0.1"}));
        seen.push(rig.frames_of(1, 50 * MS, "spot.usertrades", "update").len());
    }
    assert_eq!(seen, [1, 0], "by ordinal: the third frame");
}

#[test]
fn f28_private_channels_are_mute_while_everything_else_answers() {
    let mut rig = struck(TimedFault::MutedPrivate { for_ns: SECOND });
    follow(&mut rig, &["spot.orders", "spot.usertrades", "spot.balances"]);
    rig.order(&json!({}));
    rig.request(1, "spot.ping", "", &json!([]));
    let frames = rig.frames(1, 100 * MS);
    assert!(frames.iter().any(|frame| frame["channel"] == "spot.pong"));
    assert!(frames.iter().all(|frame| frame["event"] != "update"), "{frames:?}");
    rig.advance(SECOND);
    rig.order(&json!({"text": "t-2"}));
    assert_eq!(rig.frames_of(1, 100 * MS, "spot.orders", "update").len(), 1, "what was mute is not told later");
}

#[test]
fn f30_lookups_and_lists_come_from_a_replica_that_lags() {
    let mut rig = live();
    let placed = rig.order(&json!({"price": "99", "time_in_force": "gtc"})).body;
    let id = placed["id"].as_str().expect("an id").to_owned();
    rig.advance(2 * SECOND);
    rig.private("DELETE", &format!("/spot/orders/{id}"), "currency_pair=BTC_USDT");
    let path = format!("/spot/orders/{id}");
    rig.world.conditions(0).expect("Gate has faults").visibility.orders_stale_ns = SECOND;
    assert_eq!(rig.private("GET", &path, "currency_pair=BTC_USDT").body["status"], "open");
    let open = rig.private("GET", "/spot/open_orders", "").body;
    assert_eq!(open[0]["orders"][0]["id"], json!(id));
    // What came into being since is not there yet.
    rig.order(&json!({"text": "t-2"}));
    rig.private("GET", "/spot/orders/t-2", "currency_pair=BTC_USDT").refused(404, "ORDER_NOT_FOUND");
    rig.advance(2 * SECOND);
    assert_eq!(rig.private("GET", &path, "currency_pair=BTC_USDT").body["status"], "cancelled");
    assert_eq!(rig.private("GET", "/spot/open_orders", "").body, json!([]));
}

#[test]
fn f31_somebody_else_uses_the_account() {
    let mut rig = struck(TimedFault::ForeignTrade { pair: "BTC_USDT".to_owned(), side: Side::Buy });
    let trades = rig.private("GET", "/spot/my_trades", "currency_pair=BTC_USDT").body;
    assert_eq!(
        (trades.as_array().map(Vec::len), &trades[0]["text"]),
        (Some(1), &json!("apiv4")),
        "no client id of ours: {trades}"
    );
    let owned = |rig: &mut Rig| {
        let row = rig.private("GET", "/spot/accounts", "currency=USDT").body;
        decimal(row[0]["available"].as_str().expect("a balance"))
    };
    let before = owned(&mut live());
    let mut rig = struck(TimedFault::Deposit { asset: "USDT".to_owned(), per_mille: 500 });
    assert_eq!(owned(&mut rig), before * decimal("1.5"));
    rig.world.conservation_check().expect("nothing is lost");
    let mut rig = struck(TimedFault::Withdrawal { asset: "USDT".to_owned(), per_mille: 250 });
    assert_eq!(owned(&mut rig), before * decimal("0.75"));
    rig.world.conservation_check().expect("nothing is lost");
}

#[test]
fn f32_limits_shrink_refusals_say_nothing_and_bans_say_how_long() {
    let mut rig = struck(TimedFault::LowerLimits { divisor: 5, for_ns: SECOND });
    let statuses: Vec<u16> = (0..3).map(|n| rig.order(&json!({"text": format!("t-{n}"), "amount": "0.1"})).status).collect();
    assert_eq!(statuses, [201, 201, 429], "two a second in place of ten");
    let mut rig = struck(TimedFault::BareRefusals { for_ns: SECOND });
    rig.faults().refuse_next_requests = 1;
    let refused = rig.order(&json!({}));
    refused.refused(429, "TOO_MANY_REQUESTS");
    assert_eq!(refused.header("x-gate-ratelimit-reset-timestamp"), "");
    let mut rig = struck(TimedFault::Ban { for_ns: 3 * SECOND });
    let (status, headers, _) = bytes(&mut rig, "GET", "/spot/accounts");
    assert_eq!((status, headers.iter().find(|(name, _)| name == "retry-after").map(|(_, s)| s.as_str())), (418, Some("3")));
    assert_eq!(bytes(&mut rig, "GET", "/spot/time").0, 418);
    rig.advance(3 * SECOND);
    assert_eq!(bytes(&mut rig, "GET", "/spot/accounts").0, 200);
}

/// A signed request and its answer as it came, JSON or not.
fn bytes(rig: &mut Rig, method: &str, path: &str) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let request = rig.signed(method, path, "", "");
    bytes_of(rig, request)
}

fn bytes_of(rig: &mut Rig, request: crate::world::HttpRequest) -> (u16, Vec<(String, String)>, Vec<u8>) {
    rig.tickets += 1;
    rig.world.http(0, rig.tickets, request);
    let to = rig.world.now() + 20 * MS;
    rig.world.advance(to);
    while let Some(output) = rig.world.poll_output() {
        if let OutputBody::Http { response, .. } = output.body {
            return (response.status, response.headers, response.body);
        }
    }
    panic!("no answer")
}

#[test]
fn f33_replies_are_broken_and_what_they_answer_has_happened() {
    for how in [Breakage::Html, Breakage::ServerError, Breakage::GatewayTimeout, Breakage::Truncated, Breakage::ErrorInside] {
        let mut rig = struck(TimedFault::BrokenReplies { how, count: 1 });
        let body = super::order_body(&json!({})).to_string();
        let request = rig.signed("POST", "/spot/orders", "", &body);
        let (status, _, body) = bytes_of(&mut rig, request);
        let readable = serde_json::from_slice::<Value>(&body).is_ok_and(|value| value["id"].is_string());
        assert!(!readable, "{how:?}: {status}");
        let expected = match how {
            Breakage::Html => 502,
            Breakage::ServerError => 500,
            Breakage::GatewayTimeout => 504,
            Breakage::Truncated => 201,
            Breakage::ErrorInside => 200,
        };
        assert_eq!(status, expected, "{how:?}");
        let now = rig.private("GET", "/spot/orders/t-1", "currency_pair=BTC_USDT").body;
        assert_eq!(now["status"], "closed", "{how:?}: the order stands");
    }
}

#[test]
fn f34_in_maintenance_orders_vanish_without_a_word() {
    let mut rig = live();
    rig.order(&json!({"price": "99", "time_in_force": "gtc"}));
    follow(&mut rig, &["spot.orders"]);
    let fault = TimedFault::Maintenance { for_ns: SECOND };
    rig.world.schedule_fault(0, START_NS, fault);
    let frames = rig.frames(1, 500 * MS);
    assert!(frames.is_empty(), "{frames:?}");
    assert_eq!(bytes(&mut rig, "GET", "/spot/open_orders").0, 503);
    rig.advance(SECOND);
    assert_eq!(rig.private("GET", "/spot/open_orders", "").body, json!([]));
    assert_eq!(rig.private("GET", "/spot/orders/t-1", "currency_pair=BTC_USDT").body["status"], "cancelled");
}

#[test]
fn f35_a_mass_cancel_is_told() {
    let mut rig = live();
    rig.order(&json!({"price": "99", "time_in_force": "gtc"}));
    follow(&mut rig, &["spot.orders"]);
    rig.world.schedule_fault(0, START_NS, TimedFault::MassCancel);
    let frames = rig.frames_of(1, 100 * MS, "spot.orders", "update");
    assert_eq!((frames.len(), &frames[0]["result"][0]["event"]), (1, &json!("finish")));
}

#[test]
fn f36_the_venues_clock_steps_and_drifts() {
    for (step_s, accepted) in [(-3_600i64, false), (-61, false), (-30, true), (30, true), (61, false), (3_600, false)] {
        let step_ns = step_s * 1_000_000_000;
        let mut rig = struck(TimedFault::ClockStep { step_ns, for_ns: 10 * SECOND });
        let shown = rig.public("/spot/time", "").body["server_time"].as_i64().expect("a time");
        let ours = i64::try_from(rig.world.now() / MS).expect("a time");
        assert!((shown - ours - step_s * 1_000).abs() < 100, "{shown} {ours}");
        let answer = rig.order(&json!({}));
        if accepted {
            let stamped = answer.body["create_time_ms"].as_i64().expect("a stamp");
            assert!((stamped - ours - step_s * 1_000).abs() < 200, "stamps go by the same clock");
        } else {
            answer.refused(403, "REQUEST_EXPIRED");
        }
        rig.advance(10 * SECOND);
        assert_eq!(rig.order(&json!({"text": "t-2"})).status, 201);
    }
    let mut rig = live();
    rig.faults().clock = VenueClock { drift_ppm: 500, since_ns: START_NS, ..VenueClock::default() };
    rig.advance(100 * SECOND);
    let shown = rig.public("/spot/time", "").body["server_time"].as_i64().expect("a time");
    let ours = i64::try_from(rig.world.now() / MS).expect("a time");
    assert!((40..60).contains(&(shown - ours)), "{}", shown - ours);
}
