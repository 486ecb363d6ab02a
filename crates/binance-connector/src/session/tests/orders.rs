//! Orders on both ways, and what is never done with them: nothing is sent twice, since a client id may be used again once its order is
//! done.

use super::account_rig::{Account, ED25519, HMAC, KEY, Out, Sent, entry, named, order, private, report, row};
use domain::command::OrderRef;
use domain::time::{MILLI, SECOND};
use domain::{
    Amend, Command, ErrorClass, Finish, Input, NewOrder, OrderReport, OrderSource, PairId, Purpose, Qty, ReadKind, UnixNanos,
    UnknownCause, VenueId,
};
use serde_json::{Value, json};
use venue::{IoFailure, Method, OrderEntry, VenueSession};

fn qty(units: i64) -> Qty {
    Qty::from_units(units).unwrap()
}

fn filled(units: i64) -> OrderReport {
    OrderReport::Finished { finish: Finish::Filled, filled: qty(units) }
}

#[test]
fn a_placement_is_a_signed_form_that_asks_for_the_whole_answer() {
    let mut account = Account::live(HMAC, OrderEntry::Rest);
    let sent = account.place(order(1)).request();
    let body = String::from_utf8(sent.request.body.clone()).unwrap();
    assert_eq!(
        (sent.request.method, sent.request.path.as_str(), sent.request.query.as_str()),
        (Method::Post, "/api/v3/order", "")
    );
    let id = order(1).client_id;
    let expected = format!(
        "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=IOC&quantity=0.0021&price=61234.5&newClientOrderId={id}&newOrderRespType=FULL&recvWindow=5000&timestamp="
    );
    assert!(body.starts_with(&expected), "{body}");
    assert_eq!(body.rsplit_once("&signature=").unwrap().1.len(), 64);
    assert!(sent.request.headers.contains(&("X-MBX-APIKEY", KEY.to_string())));
    assert!(sent.request.headers.contains(&("Content-Type", "application/x-www-form-urlencoded".to_string())));
    account.answer(&sent, 200, &row(&order(1), "FILLED", "0.00210000"));
    assert_eq!(account.reports(), [filled(210)]);
}

#[test]
fn an_order_with_a_deadline_is_void_after_it() {
    let mut account = Account::live(HMAC, OrderEntry::Rest);
    let deadline = Some(account.now.after(150 * MILLI));
    let sent = account.place(NewOrder { deadline, ..order(1) }).request();
    assert!(String::from_utf8(sent.request.body).unwrap().contains("&recvWindow=150&"));
}

#[test]
fn over_the_order_link_an_hmac_key_signs_each_order_and_a_logged_in_connection_none() {
    let mut hmac = Account::live(HMAC, OrderEntry::WebSocket);
    let out = hmac.place(order(1));
    let asked = out.frame();
    assert_eq!((asked.link, asked.method.as_str(), asked.order), (entry(0), "order.place", true));
    assert_eq!((asked.params["apiKey"].as_str(), asked.params["signature"].as_str().unwrap().len()), (Some(KEY), 64));
    assert_eq!((asked.params["quantity"].as_str(), asked.params["newOrderRespType"].as_str()), (Some("0.0021"), Some("FULL")));
    hmac.say(&asked, row(&order(1), "EXPIRED", "0.00070000"));
    assert_eq!(hmac.reports(), [OrderReport::Finished { finish: Finish::Cancelled, filled: qty(70) }]);

    let mut ed25519 = Account::live(ED25519, OrderEntry::WebSocket);
    let asked = ed25519.place(order(1)).frame();
    assert!(asked.params.get("apiKey").is_none() && asked.params.get("signature").is_none());
    assert!(asked.params["timestamp"].is_i64());
    ed25519.refuse(&asked, 400, json!({"code": -2010, "msg": "Account has insufficient balance for requested action."}));
    let told = ed25519.reports();
    assert!(matches!(told.as_slice(), [OrderReport::Refused { class: ErrorClass::InsufficientFunds, .. }]), "{told:?}");
}

#[test]
fn a_connection_that_is_not_logged_in_any_more_is_logged_in_again_and_orders_take_rest_until_then() {
    let mut account = Account::live(ED25519, OrderEntry::WebSocket);
    let asked = account.place(order(1)).frame();
    account.healthy = false;
    account.refuse(
        &asked,
        400,
        json!({"code": -1102, "msg": "Mandatory parameter 'apiKey' was not sent, was empty/null, or malformed."}),
    );
    let told = account.reports();
    assert!(matches!(told.as_slice(), [OrderReport::Refused { .. }]), "{told:?}");
    let logon = account.run(0).frame();
    assert_eq!((logon.link, logon.method.as_str()), (entry(0), "session.logon"));
    assert_eq!(account.place(order(2)).request().request.path, "/api/v3/order");
    account.say(&logon, json!({"authorizedSince": 1}));
    assert_eq!(account.place(order(3)).frame().method, "order.place");
}

/// The heart of it: Binance takes a client id again once its order is done, so a repeat could buy twice.
#[test]
fn an_unknown_outcome_is_looked_up_by_our_id_and_never_sent_again() {
    for way in [OrderEntry::Rest, OrderEntry::WebSocket] {
        let mut account = Account::live(HMAC, way);
        let order = order(1);
        let out = account.place(order);
        match way {
            OrderEntry::Rest => account.fail(&out.request(), IoFailure::TimedOut),
            OrderEntry::WebSocket => {
                assert_eq!(out.frame().method, "order.place");
                // Something else came since: only this answer is lost.
                account.run(SECOND);
                account.frame(entry(0), &json!({"id": 0, "status": 200, "result": {}}));
                account.run(3 * SECOND);
            }
        }
        assert_eq!(account.reports(), [OrderReport::Unknown { cause: UnknownCause::Timeout }]);
        let sent = account.look_up(&order).request();
        assert_eq!((sent.request.method, sent.request.path.as_str()), (Method::Get, "/api/v3/order"));
        assert!(sent.request.query.starts_with(&format!("symbol=BTCUSDT&origClientOrderId={}&", order.client_id)));
        account.answer(&sent, 200, &row(&order, "FILLED", "0.00210000"));
        let told = account.take();
        let [Input::Order(update)] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!((update.report, update.source), (filled(210), OrderSource::Query));
        let out = account.run(600 * SECOND);
        let placed = out.sent.iter().any(|sent| sent.request.method == Method::Post) || out.asked.iter().any(|asked| asked.order);
        assert!(!placed, "nothing is ever sent again");
    }
}

#[test]
fn answers_that_prove_nothing_leave_an_order_unknown_on_both_ways() {
    for (status, code, message) in [
        (503, -1007, "Timeout waiting for response from backend server. Send status unknown; execution status unknown."),
        (400, -1006, "An unexpected response was received from the message bus. Execution status unknown."),
        (400, -2010, "Duplicate order sent."),
    ] {
        let error = json!({"code": code, "msg": message});
        let unknown = [OrderReport::Unknown { cause: UnknownCause::ServerError }];
        let mut rest = Account::live(HMAC, OrderEntry::Rest);
        let sent = rest.place(order(1)).request();
        rest.answer(&sent, status, &error);
        assert_eq!(rest.reports(), unknown, "{code}");
        let mut link = Account::live(HMAC, OrderEntry::WebSocket);
        let asked = link.place(order(1)).frame();
        link.refuse(&asked, status, error);
        assert_eq!(link.reports(), unknown, "{code}");
    }
}

#[test]
fn a_cancel_tells_the_end_and_a_look_up_over_the_link_is_a_query() {
    let mut account = Account::live(ED25519, OrderEntry::WebSocket);
    let order = order(1);
    let asked = account.submit(Command::Cancel(named(&order))).frame();
    assert_eq!(
        (asked.method.as_str(), asked.params["origClientOrderId"].as_str()),
        ("order.cancel", Some(&*order.client_id.to_string()))
    );
    let mut ended = row(&order, "CANCELED", "0.00070000");
    ended["origClientOrderId"] = json!(order.client_id.to_string());
    ended["clientOrderId"] = json!("the-cancels-own");
    account.say(&asked, ended);
    assert_eq!(account.reports(), [OrderReport::Finished { finish: Finish::Cancelled, filled: qty(70) }]);
    // A repeated look-up takes the link.
    let sent = account.look_up(&order).request();
    account.fail(&sent, IoFailure::TimedOut);
    let asked = account.run(SECOND).frame();
    assert_eq!(asked.method, "order.status");
    account.say(&asked, row(&order, "FILLED", "0.00210000"));
    let told = account.take();
    assert!(matches!(told.as_slice(), [Input::Order(update)] if update.source == OrderSource::Query), "{told:?}");
    // By the venue's id where that is known.
    let known = OrderRef { venue_order_id: domain::VenueOrderId::new("77"), ..named(&order) };
    let sent = account.submit(Command::LookUp(known)).request();
    assert!(sent.request.query.starts_with("symbol=BTCUSDT&orderId=77&"));
}

#[test]
fn all_orders_of_a_pair_are_cancelled_at_once_and_none_there_is_no_failure() {
    for way in [OrderEntry::Rest, OrderEntry::WebSocket] {
        let mut account = Account::live(HMAC, way);
        let all = Command::CancelAll { venue: VenueId(0), pair: PairId(0) };
        let ended = json!([row(&order(1), "CANCELED", "0"), row(&order(2), "CANCELED", "0.00070000")]);
        let nothing = json!({"code": -2011, "msg": "Unknown order sent."});
        let out = account.submit(all);
        match way {
            OrderEntry::Rest => {
                let sent = out.request();
                assert_eq!((sent.request.method, sent.request.path.as_str()), (Method::Delete, "/api/v3/openOrders"));
                assert!(sent.request.query.starts_with("symbol=BTCUSDT&"));
                account.answer(&sent, 200, &ended);
            }
            OrderEntry::WebSocket => {
                let asked = out.frame();
                assert_eq!((asked.method.as_str(), asked.params["symbol"].as_str()), ("openOrders.cancelAll", Some("BTCUSDT")));
                account.say(&asked, ended);
            }
        }
        assert_eq!(account.reports().len(), 2);
        let out = account.submit(all);
        match way {
            OrderEntry::Rest => account.answer(&out.request(), 400, &nothing),
            OrderEntry::WebSocket => account.refuse(&out.frame(), 400, nothing),
        }
        assert_eq!(account.reports(), []);
    }
}

#[test]
fn contracts_are_not_traded_and_no_order_is_changed() {
    let mut account = Account::live(HMAC, OrderEntry::Rest);
    let out = account.place(NewOrder { pair: PairId(1), ..order(1) });
    assert!(out.sent.is_empty());
    assert_eq!(account.reports(), [OrderReport::NotSent]);
    let amend = Amend { order: named(&order(1)), price: None, qty: Some(qty(100)) };
    assert!(account.submit(Command::Amend(amend)).sent.is_empty());
    assert_eq!(account.reports(), [OrderReport::CancelFailed { class: ErrorClass::FilterReject }]);
    account.submit(Command::DeadMan { venue: VenueId(0), timeout_ns: 10 * SECOND });
    assert!(matches!(account.take().as_slice(), [Input::DeadMan(told)] if !told.ok));
}

#[test]
fn orders_are_counted_by_what_the_venue_counts_and_a_ban_on_the_link_is_of_everything() {
    let mut account = Account::live(HMAC, OrderEntry::WebSocket);
    let asked = account.place(order(1)).frame();
    let limits = json!([
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 50, "count": 49},
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000, "count": 70},
    ]);
    let answer = json!({"id": asked.id, "status": 200, "result": row(&order(1), "FILLED", "0.0021"), "rateLimits": limits});
    account.frame(entry(0), &answer);
    account.event(private(0), report(&order(1), "TRADE", "FILLED", "0.0021", 5, "0.0021"));
    account.take();
    assert_eq!(account.place(order(2)).asked.len(), 1);
    assert!(account.place(order(3)).asked.is_empty(), "one was left");
    assert!(matches!(account.reports().as_slice(), [OrderReport::Refused { class: ErrorClass::RateLimited, .. }]));
    account.run(20 * SECOND);
    let asked = account.place(order(4)).frame();
    let now = account.wall().millis();
    let banned = json!({
        "code": -1003, "msg": "Way too much request weight used; IP banned.",
        "data": {"serverTime": now, "retryAfter": now + 90_000},
    });
    account.refuse(&asked, 418, banned);
    account.take();
    account.run(89 * SECOND);
    account.take();
    let read = Command::Read { venue: VenueId(0), read: ReadKind::Balances };
    let out = account.submit(read);
    assert!(out.sent.is_empty() && account.place(order(5)).asked.is_empty());
    let told = account.take();
    assert!(
        told.iter().any(|input| matches!(input, Input::ReadFailed(failure) if failure.class == ErrorClass::RateLimited)),
        "{told:?}"
    );
    account.run(2 * SECOND);
    assert_eq!(account.submit(read).request().request.path, "/api/v3/account");
}

/// Found by `kill -9` in a row: each start is refused until the minute ends, the engine asks again and again for what does not come, and
/// all of that left in one burst, more than fits on the way at once.
#[test]
fn what_is_asked_again_while_the_venue_takes_nothing_leaves_once() {
    let mut account = Account::live(HMAC, OrderEntry::Rest);
    let venue = VenueId(0);
    let sent = account.submit(Command::Read { venue, read: ReadKind::Balances }).request();
    account.answer_with(&sent, 429, &[("retry-after", "61")], &json!({"code": -1003, "msg": "Too many requests"}));
    let later = account.wall();
    let earlier = UnixNanos(later.0 - 5 * SECOND as i64);
    for since in [later, earlier, later] {
        let trades = |pair| ReadKind::Trades { pair: PairId(pair), since };
        for read in [ReadKind::Balances, ReadKind::OpenOrders, trades(0), trades(3), ReadKind::Fees] {
            assert!(account.submit(Command::Read { venue, read }).sent.is_empty());
        }
        assert!(account.look_up(&order(1)).sent.is_empty() && account.look_up(&order(2)).sent.is_empty());
        account.run(20 * SECOND);
    }
    let sent = account.run(61 * SECOND).sent;
    let mut asked: Vec<&str> = sent.iter().map(|sent| sent.request.path.as_str()).collect();
    asked.sort_unstable();
    let once = ["/api/v3/account", "/api/v3/account/commission", "/api/v3/myTrades", "/api/v3/myTrades", "/api/v3/openOrders"];
    assert_eq!(asked, [&once[..], &["/api/v3/order"; 2]].concat());
    let from = format!("startTime={}&", earlier.millis());
    let lists = sent.iter().filter(|sent| sent.request.path.ends_with("/myTrades"));
    assert!(lists.into_iter().all(|sent| sent.request.query.contains(&from)), "from the earlier time: {sent:?}");
}

/// Review: the engine asks again every five seconds, and each time another list of the same executions was begun beside the one that was
/// being read page by page, until no other read found a turn.
#[test]
fn a_list_of_executions_that_is_being_read_is_not_begun_again() {
    let mut account = Account::live(HMAC, OrderEntry::Rest);
    let venue = VenueId(0);
    let since = UnixNanos(account.wall().0 - 5 * 86_400 * SECOND as i64);
    let ask = |account: &mut Account, pair: u16, since: UnixNanos| {
        let read = ReadKind::Trades { pair: PairId(pair), since };
        account.submit(Command::Read { venue, read }).sent
    };
    let mut sent = ask(&mut account, 0, since);
    assert_eq!(sent.len(), 1);
    let mut pages = 0;
    loop {
        // On the wire, whichever page it is on.
        let later = account.wall();
        assert!(ask(&mut account, 0, since).is_empty() && ask(&mut account, 0, later).is_empty());
        let Some(page) = sent.pop() else { break };
        pages += 1;
        if pages == 1 {
            // Held back by a limit, it waits for its turn.
            account.answer_with(&page, 429, &[("retry-after", "7")], &json!({"code": -1003, "msg": "Too many requests"}));
            assert!(ask(&mut account, 0, since).is_empty());
            sent = account.run(7 * SECOND).sent;
        } else {
            account.answer(&page, 200, &json!([]));
            sent = account.run(0).sent;
        }
        if sent.is_empty() {
            break;
        }
        assert_eq!(sent.len(), 1, "{sent:?}");
    }
    assert_eq!(pages, 7, "five days and what is left of today, the first asked for twice");
    let lists = account.take().iter().filter(|input| matches!(input, Input::Trades(report) if report.complete)).count();
    assert_eq!(lists, 1);
    // An earlier time, another pair, and the same once it came, are new questions; so are the names of a list still read.
    let earlier = UnixNanos(since.0 - 86_400 * SECOND as i64);
    let mut first = ask(&mut account, 0, since);
    assert_eq!((first.len(), ask(&mut account, 0, earlier).len(), ask(&mut account, 3, since).len()), (1, 1, 1));
    let trade = json!([{
        "symbol": "BTCUSDT", "id": 1, "orderId": 77, "price": "61234.5", "qty": "0.0001", "commission": "0",
        "commissionAsset": "BTC", "time": 1_749_000_000_000i64, "isBuyer": true, "isMaker": false,
    }]);
    let mut account = Account::live(HMAC, OrderEntry::Rest);
    let now = account.wall();
    first = ask(&mut account, 0, now);
    account.answer(&first[0], 200, &trade);
    assert_eq!(account.run(0).request().request.path, "/api/v3/allOrders");
    assert!(ask(&mut account, 0, now).is_empty(), "its names are read");
}

/// Review: with a key that signs each request, a refusal for the key asked for a log-on that such a key cannot do, whose own refusals were
/// never forgotten: each reconnect waited for up to a minute.
#[test]
fn a_key_that_cannot_log_on_is_never_logged_on() {
    let mut account = Account::live(HMAC, OrderEntry::WebSocket);
    for counter in 1..4 {
        let asked = account.place(order(counter)).frame();
        account.refuse(&asked, 400, json!({"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}));
        assert!(matches!(account.reports().as_slice(), [OrderReport::Refused { class: ErrorClass::AuthFatal, .. }]));
        let out = account.run(6 * SECOND);
        assert!(!out.methods().contains(&"session.logon") && out.closed.is_empty(), "{out:?}");
    }
    assert_eq!(account.place(order(4)).frame().method, "order.place");
    account.lose(entry(0));
    assert_eq!(account.run(SECOND).opened, [entry(0)], "at once");
}

/// Review: a ban that the other half of a redundant session was told of stopped requests only: orders and log-ons went on over the links.
#[test]
fn a_ban_that_another_session_was_told_of_is_of_the_links_too() {
    let mut account = Account::live(HMAC, OrderEntry::WebSocket);
    let until = account.now.after(90 * SECOND);
    account.session.ban_until(until);
    assert!(account.place(order(1)).asked.is_empty());
    assert!(account.submit(Command::Cancel(named(&order(1)))).asked.is_empty());
    let told = account.take();
    assert!(!told.iter().any(|input| matches!(input, Input::Ban(_))), "the engine knows: {told:?}");
    account.lose(entry(0));
    assert!(account.run(80 * SECOND).opened.is_empty());
    assert_eq!(account.run(20 * SECOND).opened, [entry(0)]);
    assert_eq!(account.place(order(2)).asked.len(), 1);
}

/// Review: "overloaded" passed for a limit of our own that is used up, and held reads for a minute and orders for ten seconds.
#[test]
fn a_venue_that_is_overloaded_has_used_up_nothing_of_ours() {
    let busy =
        json!({"code": -1008, "msg": "Server is currently overloaded with other requests. Please try again in a few minutes."});
    // Whatever the status that its code comes with.
    for status in [503, 400] {
        let mut account = Account::live(HMAC, OrderEntry::Rest);
        let sent = account.place(order(1)).request();
        account.answer(&sent, status, &busy);
        let told = account.reports();
        assert!(matches!(told.as_slice(), [OrderReport::Refused { class: ErrorClass::RateLimited, .. }]), "{told:?}");
        account.place(order(2)).request();
        let read = Command::Read { venue: VenueId(0), read: ReadKind::Balances };
        let sent = account.submit(read).request();
        account.answer(&sent, status, &busy);
        assert!(account.run(400 * MILLI).sent.is_empty(), "asked once more by itself, after half a second or more");
        let sent = account.run(SECOND).request();
        account.take();
        account.answer(&sent, status, &busy);
        let told = account.take();
        assert!(
            matches!(told.as_slice(), [Input::ReadFailed(failed)] if failed.class == ErrorClass::RateLimited),
            "after that whoever wants it: {told:?}"
        );
        account.submit(read).request();
    }
}

#[test]
fn a_venue_that_says_for_how_long_it_is_out_is_left_alone_for_so_long() {
    let mut account = Account::live(HMAC, OrderEntry::Rest);
    let read = Command::Read { venue: VenueId(0), read: ReadKind::Balances };
    let sent = account.submit(read).request();
    account.answer_with(&sent, 503, &[("retry-after", "90")], &json!({"code": -1008, "msg": "Server is currently overloaded"}));
    assert!(account.submit(read).sent.is_empty() && account.run(89 * SECOND).sent.is_empty());
    account.run(SECOND).request();
}

#[test]
fn a_limit_that_is_told_before_the_clock_is_known_ends_when_the_venue_says() {
    let mut account = Account::new(HMAC, OrderEntry::Rest);
    account.clock = 500;
    account.run(SECOND);
    let sent = account.submit(Command::Read { venue: VenueId(0), read: ReadKind::Balances }).request();
    account.answer_with(&sent, 429, &[("retry-after", "7")], &json!({"code": -1003, "msg": "Too many requests"}));
    let balances = |out: Out| out.sent.iter().filter(|sent| sent.request.path == "/api/v3/account").count();
    assert_eq!(balances(account.run(7 * SECOND - MILLI)), 0);
    assert_eq!(balances(account.run(MILLI)), 1);
}

#[test]
fn executions_are_read_in_pages_that_begin_where_the_last_one_ended() {
    let mut account = Account::live(HMAC, OrderEntry::Rest);
    let since = account.wall();
    let read = ReadKind::Trades { pair: PairId(0), since };
    let sent = account.submit(Command::Read { venue: VenueId(0), read }).request();
    assert!(
        sent.request.query.starts_with(&format!("symbol=BTCUSDT&limit=1000&startTime={}&endTime=", since.millis())),
        "{}",
        sent.request.query
    );
    let trade = |id: u64| {
        json!({
            "symbol": "BTCUSDT", "id": id, "orderId": 77, "price": "61234.5", "qty": "0.0001", "commission": "0",
            "commissionAsset": "BTC", "time": since.millis() - 3_600_000, "isBuyer": true, "isMaker": false,
        })
    };
    account.answer(&sent, 200, &json!((1..=1000u64).map(trade).collect::<Vec<_>>()));
    let sent = account.run(0).request();
    assert!(sent.request.query.starts_with("symbol=BTCUSDT&limit=1000&fromId=1001&"), "{}", sent.request.query);
    account.answer(&sent, 200, &json!([trade(1001)]));
    let names = account.run(0).request();
    account.answer(&names, 200, &json!([]));
    let told = account.take();
    let [Input::Trades(report)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((report.fills.len(), report.complete), (1001, true));
}

/// F45: a hedge that left while the log could not be written is in no log; after a restart only its name tells that it is ours.
#[test]
fn executions_of_orders_that_nobody_knows_are_told_with_the_names_of_their_orders() {
    let mut account = Account::live(HMAC, OrderEntry::Rest);
    let since = account.wall();
    let read = Command::Read { venue: VenueId(0), read: ReadKind::Trades { pair: PairId(0), since } };
    let trade = |id: u64, order: u64| {
        json!({
            "symbol": "BTCUSDT", "id": id, "orderId": order, "price": "61234.5", "qty": "0.0001", "commission": "0",
            "commissionAsset": "BTC", "time": 1_749_990_000_123i64, "isBuyer": true, "isMaker": false,
        })
    };
    let row =
        |order: u64, name: &str| json!({"symbol": "BTCUSDT", "orderId": order, "clientOrderId": name, "status": "A_NEW_ONE"});
    let (ours, later) = (order(1).client_id, order(2).client_id);
    let trades = json!([trade(1, 100), trade(2, 99), trade(3, 5000), trade(4, 101)]);
    let sent = account.submit(read).request();
    account.answer(&sent, 200, &trades);
    assert!(account.take().is_empty(), "whose they are is not known yet");
    let asked = account.run(0).request();
    assert_eq!(asked.request.path, "/api/v3/allOrders");
    assert!(asked.request.query.starts_with("symbol=BTCUSDT&orderId=99&limit=1000&"), "{}", asked.request.query);
    account.answer(&asked, 200, &json!([row(99, &ours.to_string()), row(100, "web_of_somebody"), row(102, "x")]));
    // 101 was put away by the venue, which lists what is around it; 5000 is on no page yet.
    let asked = account.run(0).request();
    assert!(asked.request.query.starts_with("symbol=BTCUSDT&orderId=5000&"), "{}", asked.request.query);
    account.answer(&asked, 200, &json!([row(5000, &later.to_string())]));
    let told = account.take();
    let [Input::Trades(report)] = told.as_slice() else { panic!("{told:?}") };
    let names: Vec<_> = report.fills.iter().map(|fill| fill.client_id).collect();
    assert_eq!((names, report.complete), (vec![None, Some(ours), Some(later), None], true));
    // Known now: the same list is told without a question.
    let sent = account.submit(read).request();
    account.answer(&sent, 200, &trades);
    assert!(matches!(account.take().as_slice(), [Input::Trades(report)] if report.fills[1].client_id == Some(ours)));
}

/// Found by the mixed swarm: the hedge of a life before had its execution listed and its order not yet, and passed for somebody else's.
#[test]
fn an_order_that_traded_just_now_and_is_not_listed_yet_is_asked_for_again() {
    let mut account = Account::live(HMAC, OrderEntry::Rest);
    let kind = ReadKind::Trades { pair: PairId(0), since: account.wall() };
    let sent = account.submit(Command::Read { venue: VenueId(0), read: kind }).request();
    let executed_ms = account.wall().millis() - 480;
    let trade = json!({
        "symbol": "BTCUSDT", "id": 1, "orderId": 77, "price": "61234.5", "qty": "0.0001", "commission": "0", "commissionAsset": "BTC",
        "time": executed_ms, "isBuyer": true, "isMaker": false,
    });
    account.answer(&sent, 200, &json!([trade]));
    let ours = order(1).client_id;
    let row = |order: u64, name: &str| json!({"symbol": "BTCUSDT", "orderId": order, "clientOrderId": name, "status": "FILLED"});
    for page in [json!([row(78, "x")]), json!([row(77, &ours.to_string())])] {
        assert!(account.take().is_empty(), "whose it is is not known yet");
        let asked = account.run(SECOND).request();
        assert!(asked.request.query.starts_with("symbol=BTCUSDT&orderId=77&"), "{}", asked.request.query);
        account.answer(&asked, 200, &page);
    }
    assert!(matches!(account.take().as_slice(), [Input::Trades(report)] if report.fills[0].client_id == Some(ours)));
}

/// The answer to a page of a list of executions, or of orders: of orders ten ids apart, so many, each executed once and long ago.
/// Every second order that the venue lists, where it lists any, is not.
fn traded_long_ago(sent: &Sent, orders: u64, lists_any: bool) -> Value {
    let asked = |name: &str| sent.request.query.split('&').find_map(|field| field.strip_prefix(name)?.parse::<u64>().ok());
    let symbol = sent.request.query.strip_prefix("symbol=").and_then(|query| query.split('&').next()).unwrap();
    let trade = |id: u64| {
        json!({
            "symbol": symbol, "id": id, "orderId": id * 10, "price": "2500.5", "qty": "0.01", "commission": "0",
            "commissionAsset": "BTC", "time": 1_749_990_000_123i64, "isBuyer": true, "isMaker": false,
        })
    };
    let row = |id: u64| json!({"symbol": symbol, "orderId": id, "clientOrderId": "web_of_somebody", "status": "FILLED"});
    match sent.request.path.as_str() {
        "/api/v3/myTrades" => (asked("fromId=").unwrap_or(1)..=orders).take(1000).map(trade).collect(),
        "/api/v3/allOrders" if lists_any => {
            (asked("orderId=").unwrap().div_ceil(5)..=2 * orders).take(1000).map(|id| row(5 * id)).collect()
        }
        _ => json!([]),
    }
}

/// What a list tells in the end; whatever else is told while time passes is none of its news.
fn of_lists(told: Vec<Input>) -> Vec<Input> {
    told.into_iter().filter(|input| matches!(input, Input::Trades(_) | Input::ReadFailed(_))).collect()
}

/// What the first page had told was forgotten by the time that the last one came, and the list began with the first again.
#[test]
fn a_list_of_more_orders_than_are_remembered_asks_for_each_once() {
    // One list alone, and two that take turns.
    for (pairs, orders) in [(&[0][..], 9_300), (&[0, 3][..], 4_800)] {
        let mut account = Account::live(HMAC, OrderEntry::Rest);
        let since = account.wall();
        let ask = |account: &mut Account, pair: u16| {
            let read = ReadKind::Trades { pair: PairId(pair), since };
            account.submit(Command::Read { venue: VenueId(0), read }).sent
        };
        let mut waiting: Vec<Sent> = pairs.iter().flat_map(|pair| ask(&mut account, *pair)).collect();
        let (mut named, mut told) = (Vec::new(), 0);
        while told < pairs.len() {
            for sent in std::mem::take(&mut waiting) {
                if sent.request.path == "/api/v3/allOrders" {
                    named.push(sent.request.query.split("&limit").next().unwrap().to_string());
                }
                account.answer(&sent, 200, &traded_long_ago(&sent, orders, true));
            }
            for input in of_lists(account.take()) {
                let Input::Trades(report) = input else { panic!("{input:?}") };
                assert_eq!((report.fills.len() as u64, report.complete), (orders, true));
                assert!(report.fills.iter().all(|fill| fill.client_id.is_none()), "of somebody else");
                told += 1;
            }
            // Half of a page is of orders that traded.
            assert!(named.len() as u64 <= pairs.len() as u64 * orders.div_ceil(500), "{} pages: {named:?}", named.len());
            waiting = account.run(SECOND).sent;
        }
        let asked = named.len();
        named.sort_unstable();
        named.dedup();
        assert_eq!(named.len(), asked, "no page twice");
        assert_eq!(ask(&mut account, 0).len(), 1, "the next list is asked for");
    }
}

#[test]
fn a_list_of_more_orders_than_are_remembered_tells_which_are_ours() {
    let mut account = Account::live(HMAC, OrderEntry::Rest);
    let read = ReadKind::Trades { pair: PairId(3), since: account.wall() };
    let mut sent = account.submit(Command::Read { venue: VenueId(0), read }).sent;
    let (first, last) = (order(1).client_id, order(2).client_id);
    let mut pages = 0;
    while let Some(one) = sent.pop() {
        let mut body = traded_long_ago(&one, 9_300, true);
        if one.request.path == "/api/v3/allOrders" {
            pages += 1;
            let rows = body.as_array_mut().unwrap();
            // Put away by the venue.
            rows.retain(|row| row["orderId"] != json!(50_000));
            for row in rows {
                match row["orderId"].as_u64() {
                    Some(10) => row["clientOrderId"] = json!(first.to_string()),
                    Some(93_000) => row["clientOrderId"] = json!(last.to_string()),
                    _ => {}
                }
            }
        }
        account.answer(&one, 200, &body);
        sent = account.run(SECOND).sent;
        assert!(pages <= 20, "it ends");
    }
    let told = of_lists(account.take());
    let [Input::Trades(report)] = told.as_slice() else { panic!("{} lists", told.len()) };
    let ours: Vec<_> = report.fills.iter().filter_map(|fill| Some((fill.venue_order_id.to_string(), fill.client_id?))).collect();
    assert_eq!(ours, [("10".to_string(), first), ("93000".to_string(), last)]);
}

#[test]
fn a_list_whose_orders_the_venue_does_not_list_ends_too() {
    // Each page tells of the one order that it was to begin with, up to a bound.
    for (orders, fails) in [(1_000, false), (1_001, true)] {
        let mut account = Account::live(HMAC, OrderEntry::Rest);
        let kind = ReadKind::Trades { pair: PairId(3), since: account.wall() };
        let mut sent = account.submit(Command::Read { venue: VenueId(0), read: kind }).sent;
        let (mut pages, mut told) = (0, Vec::new());
        while told.is_empty() {
            assert!(pages <= 1_000, "it ends");
            for one in std::mem::take(&mut sent) {
                // Rules and the like are left without an answer.
                if !matches!(one.request.path.as_str(), "/api/v3/allOrders" | "/api/v3/myTrades") {
                    continue;
                }
                pages += u64::from(one.request.path == "/api/v3/allOrders");
                account.answer(&one, 200, &traded_long_ago(&one, orders, false));
            }
            told = of_lists(account.take());
            sent = account.run(SECOND).sent;
        }
        assert_eq!(pages, 1_000);
        match told.as_slice() {
            [Input::Trades(report)] => assert!(!fails && report.fills.len() as u64 == orders),
            [Input::ReadFailed(failure)] => assert!(fails && failure.read == kind),
            other => panic!("{} lists", other.len()),
        }
    }
}

#[test]
fn a_list_of_executions_whose_orders_cannot_be_read_has_failed() {
    let mut account = Account::live(HMAC, OrderEntry::Rest);
    let kind = ReadKind::Trades { pair: PairId(0), since: account.wall() };
    let sent = account.submit(Command::Read { venue: VenueId(0), read: kind }).request();
    let trade = json!({
        "symbol": "BTCUSDT", "id": 1, "orderId": 77, "price": "61234.5", "qty": "0.0001", "commission": "0", "commissionAsset": "BTC",
        "time": 1_750_000_000_123i64, "isBuyer": true, "isMaker": false,
    });
    account.answer(&sent, 200, &json!([trade]));
    for _ in 0..2 {
        assert!(account.take().is_empty());
        let asked = account.run(SECOND).request();
        assert_eq!(asked.request.path, "/api/v3/allOrders");
        account.answer(&asked, 200, &json!([{"orderId": "x"}]));
    }
    assert!(matches!(account.take().as_slice(), [Input::ReadFailed(failure)] if failure.read == kind));
}

#[test]
fn executions_of_days_ago_are_read_day_by_day_until_now() {
    let mut account = Account::live(HMAC, OrderEntry::Rest);
    let day = 86_400_000;
    let since = account.wall().millis() - 5 * day / 2;
    let read = ReadKind::Trades { pair: PairId(0), since: domain::UnixNanos(since * 1_000_000) };
    let mut sent = account.submit(Command::Read { venue: VenueId(0), read }).request();
    for window in 0..3 {
        let (start, end) = (since + window * day, since + (window + 1) * day - 1);
        let expected = format!("symbol=BTCUSDT&limit=1000&startTime={start}&endTime={end}&");
        assert!(sent.request.query.starts_with(&expected), "{}", sent.request.query);
        assert!(!account.take().iter().any(|input| matches!(input, Input::Trades(_))));
        account.answer(&sent, 200, &json!([]));
        if window < 2 {
            sent = account.run(0).request();
        }
    }
    let told = account.take();
    assert!(matches!(told.as_slice(), [Input::Trades(report)] if report.complete && report.fills.is_empty()), "{told:?}");
}

#[test]
fn where_no_permissions_are_told_the_account_says_what_it_may() {
    let mut account = Account::live(HMAC, OrderEntry::Rest);
    let sent = account.submit(Command::Read { venue: VenueId(0), read: ReadKind::Account }).request();
    assert_eq!(sent.request.path, "/sapi/v1/account/apiRestrictions");
    account.answer(&sent, 404, &json!("<html>"));
    let sent = account.run(0).request();
    assert_eq!(sent.request.path, "/api/v3/account");
    account.answer(&sent, 200, &json!({"canTrade": true, "canWithdraw": true, "balances": []}));
    let told = account.take();
    assert!(matches!(told.as_slice(), [Input::Account(facts)] if (facts.can_trade, facts.can_withdraw) == (Some(true), None)));
}

#[test]
fn fees_are_asked_for_each_pair_that_is_traded() {
    let mut account = Account::live(HMAC, OrderEntry::Rest);
    let mut sent = account.submit(Command::Read { venue: VenueId(0), read: ReadKind::Fees }).request();
    for name in ["BTCUSDT", "ETHUSDT"] {
        assert!(sent.request.path == "/api/v3/account/commission" && sent.request.query.starts_with(&format!("symbol={name}&")));
        let body =
            json!({"symbol": name, "standardCommission": {"maker": "0.001", "taker": "0.001", "buyer": "0", "seller": "0"}});
        account.answer(&sent, 200, &body);
        let out = account.run(0);
        match name {
            "BTCUSDT" => sent = out.request(),
            _ => assert!(out.sent.is_empty()),
        }
    }
    assert_eq!(account.take().iter().filter(|input| matches!(input, Input::Fees(_))).count(), 2);
}

#[test]
fn an_opening_waits_for_nothing_while_the_private_link_tells() {
    let mut account = Account::live(ED25519, OrderEntry::Rest);
    let opening = NewOrder { purpose: Purpose::Open, ..order(1) };
    let sent = account.place(opening).request();
    account.answer(&sent, 200, &row(&opening, "FILLED", "0.00210000"));
    account.event(private(0), report(&opening, "TRADE", "FILLED", "0.0021", 5, "0.0021"));
    account.run(10 * SECOND);
    assert!(account.session.poll_timeout().is_some());
    let mute = NewOrder { purpose: Purpose::Open, ..order(2) };
    let sent = account.place(mute).request();
    account.answer(&sent, 200, &row(&mute, "FILLED", "0.00210000"));
    assert_eq!(account.run(3 * SECOND).closed, [private(0)], "it told nothing of an order that the venue has");
}
