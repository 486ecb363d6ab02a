//! The private link: both ways to be told of an account, its end by notice and by age, and what only touches balances.

use super::account_rig::{Account, ED25519, HMAC, KEY, entry, order, private, report};
use domain::time::SECOND;
use domain::{BalanceSource, Command, Input, LinkRole, LinkState, OrderReport, ReadKind, VenueId};
use serde_json::json;
use venue::{OrderEntry, VenueSession};

#[test]
fn an_hmac_key_subscribes_with_a_signature_and_an_ed25519_key_logs_in_first() {
    let mut hmac = Account::new(HMAC, OrderEntry::Rest);
    let out = hmac.run(2 * SECOND);
    assert_eq!(out.opened, [private(0)]);
    assert_eq!(out.methods(), ["userDataStream.subscribe.signature", "ping"]);
    let params = &out.asked[0].params;
    assert_eq!((params["apiKey"].as_str(), params["signature"].as_str().unwrap().len()), (Some(KEY), 64));
    assert!(params["timestamp"].is_i64());
    assert_eq!(hmac.link_news(LinkRole::Private), [LinkState::Up]);

    let mut ed25519 = Account::new(ED25519, OrderEntry::Rest);
    let out = ed25519.run(2 * SECOND);
    assert_eq!(out.methods(), ["session.logon", "userDataStream.subscribe", "ping"]);
    assert_eq!(out.asked[0].params["signature"].as_str().unwrap().len(), 88);
    assert_eq!(out.asked[1].params, json!({}));
    assert_eq!(ed25519.link_news(LinkRole::Private), [LinkState::Up]);
}

#[test]
fn a_refused_subscription_is_tried_again_after_seconds_and_the_rights_are_asked_for() {
    let mut account = Account::new(HMAC, OrderEntry::Rest);
    account.healthy = false;
    let out = account.run(0);
    assert_eq!(out.opened, [private(0)]);
    account.connect(private(0));
    let asked = account.run(0).frame();
    account.refuse(&asked, 401, json!({"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}));
    let out = account.run(2 * SECOND);
    assert_eq!((out.closed.as_slice(), out.opened.as_slice()), (&[private(0)][..], &[][..]));
    assert!(out.request().request.path.ends_with("/apiRestrictions"));
    assert_eq!(account.run(5 * SECOND).opened, [private(0)]);
    assert_eq!(account.link_news(LinkRole::Private), []);
}

#[test]
fn a_connection_that_does_not_answer_is_opened_anew() {
    let mut account = Account::new(HMAC, OrderEntry::Rest);
    account.healthy = false;
    account.run(0);
    account.connect(private(0));
    let out = account.run(6 * SECOND);
    assert_eq!((out.closed.as_slice(), out.opened.as_slice()), (&[private(0)][..], &[private(0)][..]));
}

#[test]
fn executions_come_before_the_row_of_their_order_and_a_partly_executed_order_expires() {
    let mut account = Account::live(HMAC, OrderEntry::Rest);
    let order = order(1);
    account.event(private(0), report(&order, "NEW", "NEW", "0", -1, "0"));
    account.event(private(0), report(&order, "TRADE", "PARTIALLY_FILLED", "0.0007", 5, "0.0007"));
    account.event(private(0), report(&order, "EXPIRED", "EXPIRED", "0.0007", -1, "0"));
    let told: Vec<String> = account
        .take()
        .into_iter()
        .map(|input| match input {
            Input::Order(update) => match update.report {
                OrderReport::Open { filled } => format!("open {}", filled.units()),
                OrderReport::Finished { finish, filled } => format!("{finish:?} {}", filled.units()),
                other => panic!("{other:?}"),
            },
            Input::Fill(fill) => format!("fill {} {} {}", fill.trade_id, fill.qty.units(), fill.fees[0].1),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told, ["open 0", "fill 5 70 0.000001", "open 70", "Cancelled 70"]);
}

#[test]
fn on_notice_another_connection_is_proved_before_the_old_one_goes_and_no_loss_is_told() {
    let mut account = Account::live(ED25519, OrderEntry::Rest);
    account.event(private(0), json!({"e": "serverShutdown", "E": 1}));
    let out = account.run(0);
    assert_eq!(out.opened, [private(1)]);
    assert_eq!(out.methods(), ["session.logon", "userDataStream.subscribe", "ping"]);
    // Both tell for a moment: an execution that comes twice has one id.
    let order = order(1);
    for shard in [0, 1] {
        account.event(private(shard), report(&order, "TRADE", "FILLED", "0.0021", 5, "0.0021"));
    }
    let ids: Vec<String> = account.fills().iter().map(|fill| fill.trade_id.to_string()).collect();
    assert_eq!(ids, ["5", "5"]);
    // Balances are told by the one in use alone.
    let position = |free: &str| json!({"e": "outboundAccountPosition", "E": 1, "u": 1, "B": [{"a": "BTC", "f": free, "l": "0"}]});
    account.event(private(0), position("1"));
    account.event(private(1), position("2"));
    let told = |account: &mut Account| {
        let of = |input| match input {
            Input::Balances(report) if report.source == BalanceSource::Stream => Some(report.entries[0].available.to_text()),
            _ => None,
        };
        account.take().into_iter().filter_map(of).collect::<Vec<_>>()
    };
    assert_eq!(told(&mut account), ["1"]);
    let out = account.run(SECOND);
    assert_eq!(out.closed, [private(0)]);
    account.event(private(1), position("3"));
    assert_eq!(told(&mut account), ["3"]);
    assert_eq!(account.link_news(LinkRole::Private), []);
    assert!(account.run(60 * SECOND).opened.is_empty());
}

#[test]
fn one_that_is_lost_before_its_successor_is_proved_is_a_loss_and_the_successor_goes_on() {
    let mut account = Account::live(HMAC, OrderEntry::Rest);
    account.healthy = false;
    account.event(private(0), json!({"e": "serverShutdown", "E": 1}));
    assert_eq!(account.run(0).opened, [private(1)]);
    account.lose(private(0));
    assert_eq!(account.link_news(LinkRole::Private), [LinkState::Lost]);
    account.healthy = true;
    account.connect(private(1));
    assert!(account.run(SECOND).opened.is_empty());
    assert_eq!(account.link_news(LinkRole::Private), [LinkState::Up]);
}

#[test]
fn before_24_hours_the_connections_of_an_account_are_replaced_without_a_word_to_the_engine() {
    let mut account = Account::live(ED25519, OrderEntry::WebSocket);
    account.take();
    let mut opened = Vec::new();
    for hour in 1..=24u64 {
        let out = account.run(3600 * SECOND);
        opened.extend(out.opened.into_iter().map(|link| (hour, link)));
    }
    let links: Vec<_> = opened.iter().map(|(_, link)| *link).collect();
    assert!(links.contains(&private(1)) && links.contains(&super::account_rig::entry(1)) && links.len() == 2, "{opened:?}");
    assert!(opened.iter().all(|(hour, _)| (22..=24).contains(hour)), "{opened:?}");
    for role in [LinkRole::Private, LinkRole::OrderEntry] {
        let told = account.updates.iter().any(|input| matches!(input, Input::Link(change) if change.role == role));
        assert!(!told, "{role:?}");
    }
}

#[test]
fn news_that_end_are_a_loss_and_moved_balances_are_read() {
    let mut account = Account::live(HMAC, OrderEntry::Rest);
    account.event(private(0), json!({"e": "balanceUpdate", "E": 1, "a": "BTC", "d": "1", "T": 1}));
    let sent = account.run(0).request();
    assert!(sent.request.path == "/api/v3/account" && sent.request.query.contains("omitZeroBalances=true"));
    account.answer(&sent, 200, &json!({"balances": [{"asset": "BTC", "free": "1", "locked": "0"}]}));
    assert!(account.take().iter().any(|input| matches!(input, Input::Balances(r) if r.source == BalanceSource::Query)));
    account.event(private(0), json!({"e": "eventStreamTerminated", "E": 1}));
    let out = account.run(SECOND);
    assert_eq!((out.closed.as_slice(), out.opened.as_slice()), (&[private(0)][..], &[private(0)][..]));
    assert_eq!(account.link_news(LinkRole::Private), [LinkState::Lost, LinkState::Up]);
}

#[test]
fn a_frame_that_may_have_been_news_costs_the_connection_and_one_of_an_unknown_kind_does_not() {
    let mut account = Account::live(HMAC, OrderEntry::Rest);
    account.event(private(0), json!({"e": "somethingNew"}));
    assert!(account.run(0).closed.is_empty());
    account.event(private(0), report(&order(1), "TRADE", "FILLED", "0.0021", 5, "0"));
    assert_eq!(account.run(0).closed, [private(0)]);
}

#[test]
fn a_suspension_and_the_end_close_it() {
    let mut account = Account::live(HMAC, OrderEntry::Rest);
    let now = account.now;
    account.session.handle_paused(now, &mut account.updates);
    let out = account.run(SECOND);
    assert_eq!((out.closed.as_slice(), out.opened.as_slice()), (&[private(0)][..], &[private(0)][..]));
    let told = account.link_news(LinkRole::Private);
    assert_eq!((told.first(), told.last()), (Some(&LinkState::Paused), Some(&LinkState::Up)));
    account.session.shutdown(account.now);
    let out = account.run(3600 * SECOND);
    assert_eq!((out.closed.as_slice(), out.opened.as_slice()), (&[private(0)][..], &[][..]));
    assert_eq!(account.session.poll_timeout(), None);
}

/// Found by the mixed swarm: the log-ons of links that were opened again and again, each refused for the weight that the address had
/// used up, ended in a ban.
#[test]
fn links_that_are_refused_for_their_weight_wait_until_there_is_some_again() {
    let used_up = |account: &Account, told: bool| {
        let now = account.wall().millis();
        let data = if told { json!({"serverTime": now, "retryAfter": now + 30_000}) } else { json!(null) };
        json!({"code": -1003, "msg": "Too much request weight used.", "data": data})
    };
    // Without a word of its end, it is over with the window: a minute.
    for (status, told, wait_s) in [(429, true, 30), (429, false, 60), (418, true, 30), (418, false, 120)] {
        let mut account = Account::live(ED25519, OrderEntry::WebSocket);
        account.healthy = false;
        account.lose(private(0));
        account.lose(entry(0));
        let out = account.run(SECOND);
        assert_eq!(out.opened.len(), 2);
        // The second one is opened already when the first one is refused; it is refused as well.
        for link in out.opened {
            account.connect(link);
            let asked = account.run(0).frame();
            account.refuse(&asked, status, used_up(&account, told));
        }
        assert_eq!(account.run((wait_s - 1) * SECOND).opened, [], "{status}, told: {told}");
        let mut opened = account.run(5 * SECOND).opened;
        opened.sort_by_key(|link| link.role != LinkRole::Private);
        assert_eq!(opened, [private(0), entry(0)], "{status}, told: {told}");
    }
}

#[test]
fn links_that_an_overloaded_venue_refuses_wait_longer_each_time_and_hold_no_reads() {
    let mut account = Account::live(ED25519, OrderEntry::WebSocket);
    account.healthy = false;
    account.lose(private(0));
    account.lose(entry(0));
    let mut waits = Vec::new();
    for _ in 0..5 {
        let from = account.now;
        let mut opened = Vec::new();
        while opened.len() < 2 {
            opened.extend(account.run(SECOND).opened);
        }
        waits.push(account.now.since(from) / SECOND);
        for link in opened {
            account.connect(link);
            let asked = account.run(0).frame();
            account.refuse(&asked, 503, json!({"code": -1008, "msg": "Server is currently overloaded with other requests."}));
        }
        let read = Command::Read { venue: VenueId(0), read: ReadKind::Balances };
        let sent = account.submit(read).request();
        account.answer(&sent, 200, &json!({"balances": []}));
    }
    assert!(waits[1] <= 10 && waits[4] >= 20 && waits.is_sorted(), "{waits:?}");
}

#[test]
fn links_are_not_opened_while_the_weight_that_they_need_is_used_up() {
    let mut account = Account::live(HMAC, OrderEntry::Rest);
    let read = Command::Read { venue: VenueId(0), read: ReadKind::Balances };
    let sent = account.submit(read).request();
    account.answer_with(&sent, 429, &[("retry-after", "20")], &json!({"code": -1003, "msg": "Too many requests"}));
    account.lose(private(0));
    assert_eq!(account.run(19 * SECOND).opened, []);
    assert_eq!(account.run(2 * SECOND).opened, [private(0)]);
}

/// Found by the mixed swarm: a ban of four seconds was kept for two minutes, since the venue's clock could not be read because of it.
#[test]
fn how_long_a_refusal_of_a_link_lasts_is_known_without_the_clock() {
    let mut account = Account::new(ED25519, OrderEntry::Rest);
    (account.healthy, account.clock) = (false, 500);
    account.run(0);
    account.connect(private(0));
    let asked = account.run(0).frame();
    let now = account.wall().millis() - 5_000;
    let data = json!({"serverTime": now, "retryAfter": now + 20_000});
    account.refuse(&asked, 418, json!({"code": -1003, "msg": "Way too much request weight used; IP banned.", "data": data}));
    assert_eq!(account.run(19 * SECOND).opened, []);
    assert_eq!(account.run(5 * SECOND).opened, [private(0)]);
}

/// Found by the mixed swarm: each of five starts within seconds opened both links, logged in on both and asked for a book before the first
/// refusal came, and the fifth was banned.
#[test]
fn a_start_that_is_refused_its_first_question_opens_no_link_and_copies_no_book() {
    for (status, wait_s) in [(429, 60), (418, 120)] {
        let mut account = Account::new(ED25519, OrderEntry::WebSocket);
        account.clock = status;
        let out = account.run((wait_s - 1) * SECOND);
        assert_eq!((out.opened.as_slice(), out.sent.len(), account.times_asked), (&[][..], 0, 1), "{status}");
        account.clock = 200;
        let mut opened = account.run(5 * SECOND).opened;
        opened.sort_by_key(|link| link.role != LinkRole::Private);
        assert_eq!(opened, [private(0), entry(0)], "{status}");
    }
}

#[test]
fn links_are_opened_once_the_time_is_told_or_its_question_failed() {
    for status in [200, 500] {
        let mut account = Account::new(ED25519, OrderEntry::WebSocket);
        account.clock = status;
        assert_eq!(account.run(0).opened, [private(0), entry(0)], "{status}");
    }
}
