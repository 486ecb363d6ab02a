//! Lists and tables: what each read asks, answers, and does when it fails.

use super::rig::{Rig, row};
use domain::time::SECOND;
use domain::{BalanceSource, Command, ErrorClass, Input, PairId, ReadKind, UnixNanos, VenueId};
use venue::{IoFailure, Transmit};

fn read(rig: &mut Rig, read: ReadKind) {
    rig.submit(Command::Read { venue: VenueId(0), read });
}

#[track_caller]
fn failed(rig: &mut Rig, class: ErrorClass) {
    let mut inputs = rig.take();
    // Books that nobody serves here are told so meanwhile.
    inputs.retain(|input| !matches!(input, Input::Book(_)));
    assert!(matches!(inputs.as_slice(), [Input::ReadFailed(failure)] if failure.class == class), "{inputs:?}");
}

fn next_request(rig: &mut Rig) -> Option<venue::Ticket> {
    // Longer than a refused read parks its budget.
    rig.run(12 * SECOND).into_iter().find_map(|o| if let Transmit::Request { ticket, .. } = o { Some(ticket) } else { None })
}

#[test]
fn balances_answer_every_asset() {
    let mut rig = Rig::live("order_book", true);
    read(&mut rig, ReadKind::Balances);
    let sent = rig.requests().remove(0);
    assert_eq!(sent.request.path, "/api/v4/spot/accounts");
    let asked = rig.now;
    rig.pass(SECOND);
    rig.answer(sent.ticket, 200, r#"[{"currency":"USDT","available":"4.1","locked":"1.1","update_id":3}]"#);
    let inputs = rig.take();
    let [Input::Balances(report)] = inputs.as_slice() else { panic!("{inputs:?}") };
    assert_eq!((report.entries.len(), report.source, report.requested), (5, BalanceSource::Query, asked));
}

#[test]
fn passing_failures_are_tried_once_more_and_others_not() {
    for (status, body, tries) in [
        (429, "{}", 2),
        (500, "<html>", 2),
        (403, r#"{"label":"REQUEST_EXPIRED"}"#, 2),
        (200, "{}", 2),
        (401, "<html>", 2),
        (502, r#"{"label":"INVALID_KEY"}"#, 2),
        (401, r#"{"label":"INVALID_KEY"}"#, 1),
    ] {
        let mut rig = Rig::live("order_book", true);
        read(&mut rig, ReadKind::Balances);
        let mut ticket = rig.requests().remove(0).ticket;
        for attempt in 1..=tries {
            rig.take();
            rig.answer(ticket, status, body);
            let told =
                rig.updates.iter().find_map(|i| if let Input::ReadFailed(failure) = i { Some(failure.class) } else { None });
            assert_eq!(told.is_some(), attempt == tries, "{status} {body}, attempt {attempt}");
            // One that says of the key what is no word of the venue's would end the run.
            assert!(tries == 1 || told != Some(ErrorClass::AuthFatal), "{status} {body}");
            if attempt < tries {
                ticket = next_request(&mut rig).unwrap_or_else(|| panic!("{status} {body}"));
            }
        }
        assert_eq!(next_request(&mut rig), None);
    }
    let mut rig = Rig::live("order_book", true);
    read(&mut rig, ReadKind::Balances);
    for _ in 0..2 {
        let ticket = next_request(&mut rig).unwrap();
        rig.fail(ticket, IoFailure::NotSent);
    }
    failed(&mut rig, ErrorClass::Unknown);
}

#[test]
fn reads_without_keys_fail_at_once() {
    let mut rig = Rig::live("order_book", false);
    read(&mut rig, ReadKind::Balances);
    failed(&mut rig, ErrorClass::AuthFatal);
    let mut rig = Rig::live("order_book", true);
    read(&mut rig, ReadKind::Trades { pair: PairId(9), since: UnixNanos(0) });
    failed(&mut rig, ErrorClass::SymbolClosed);
}

#[test]
fn open_orders_are_read_to_the_last_page() {
    let mut rig = Rig::live("order_book", true);
    read(&mut rig, ReadKind::OpenOrders);
    let sent = rig.requests().remove(0);
    assert_eq!(
        (sent.request.path.as_str(), sent.request.query.as_str()),
        ("/api/v4/spot/open_orders", "page=1&limit=100&account=spot")
    );
    let asked = rig.now;
    let full = vec![row(4, "open", "0.0021", "open"); 100].join(",");
    let elsewhere = r#"{"currency_pair":"XRP_USDT","total":1,"orders":[{}]}"#;
    rig.answer(sent.ticket, 200, &format!(r#"[{{"currency_pair":"BTC_USDT","total":101,"orders":[{full}]}},{elsewhere}]"#));
    assert_eq!(rig.take(), []);
    rig.pass(SECOND);
    let sent = rig.requests().remove(0);
    assert_eq!(sent.request.query, "page=2&limit=100&account=spot");
    rig.answer(
        sent.ticket,
        200,
        &format!(r#"[{{"currency_pair":"BTC_USDT","total":101,"orders":[{}]}}]"#, row(5, "open", "0.0021", "open")),
    );
    let inputs = rig.take();
    let [Input::OpenOrders(report)] = inputs.as_slice() else { panic!("{inputs:?}") };
    assert_eq!((report.orders.len(), report.elsewhere, report.requested), (101, 1, asked));
}

fn trades(from: u64, count: u64) -> String {
    let row = |id| {
        format!(
            r#"{{"id":"{id}","order_id":"7","currency_pair":"BTC_USDT","side":"buy","role":"taker","amount":"0.001","price":"1","fee":"0"}}"#
        )
    };
    format!("[{}]", (from..from + count).map(row).collect::<Vec<_>>().join(","))
}

#[test]
fn executions_are_read_to_the_short_page_and_shifted_rows_counted_once() {
    let mut rig = Rig::live("order_book", true);
    let since = UnixNanos(rig.wall().0 - 3600 * SECOND as i64);
    read(&mut rig, ReadKind::Trades { pair: PairId(0), since });
    let sent = rig.requests().remove(0);
    assert_eq!(sent.request.query, format!("currency_pair=BTC_USDT&limit=1000&page=1&from={}", since.seconds() - 1));
    rig.answer(sent.ticket, 200, &trades(0, 1000));
    let sent = rig.requests().remove(0);
    assert!(sent.request.query.contains("page=2"));
    rig.answer(sent.ticket, 200, &trades(998, 10));
    let inputs = rig.take();
    let [Input::Trades(report)] = inputs.as_slice() else { panic!() };
    assert_eq!((report.fills.len(), report.complete, report.since), (1008, true, since));
}

/// Review: one question lists seven days, and a list from before that was never complete: after eight days off a venue was never ready.
#[test]
fn executions_of_more_than_a_week_are_read_week_by_week_until_now() {
    let mut rig = Rig::live("order_book", true);
    let week = 7 * 86_400;
    let since = UnixNanos(rig.wall().0 - 8 * 86_400 * SECOND as i64);
    let from = since.seconds();
    read(&mut rig, ReadKind::Trades { pair: PairId(0), since });
    let query = |page: u32, from: i64, to: &str| format!("currency_pair=BTC_USDT&limit=1000&page={page}&from={from}{to}");
    let end = since.millis() + 1000 * week - 1;
    let to = format!("&to={}", end / 1000 + 1);
    let next = (end - 2000) / 1000 - 1;
    let pages = [
        (query(1, from - 1, &to), trades(0, 1000)),
        (query(2, from - 1, &to), trades(1000, 5)),
        (query(1, next, ""), trades(1003, 1000)),
        (query(2, next, ""), "[]".to_string()),
    ];
    for (query, body) in pages {
        assert!(!rig.take().iter().any(|input| matches!(input, Input::Trades(_))));
        let sent = rig.requests().remove(0);
        assert_eq!(sent.request.query, query);
        rig.answer(sent.ticket, 200, &body);
    }
    let inputs = rig.take();
    let [Input::Trades(report)] = inputs.as_slice() else { panic!("{inputs:?}") };
    assert_eq!((report.fills.len(), report.complete, report.since), (2003, true, since));
}

/// At the pace that reads have.
fn next_page(rig: &mut Rig) -> Option<venue::Ticket> {
    let at_once = rig.requests().pop().map(|sent| sent.ticket);
    at_once.or_else(|| next_request(rig))
}

/// Lists of executions that were told: whether they are complete, and how long they are.
fn lists(rig: &mut Rig) -> Vec<(bool, usize)> {
    let list = |input| if let Input::Trades(list) = input { Some((list.complete, list.fills.len())) } else { None };
    rig.take().into_iter().filter_map(list).collect()
}

#[test]
fn a_list_that_never_ends_is_not_complete() {
    let mut rig = Rig::live("order_book", true);
    let since = rig.wall();
    read(&mut rig, ReadKind::Trades { pair: PairId(0), since });
    let mut pages = 0;
    while let Some(ticket) = next_page(&mut rig) {
        pages += 1;
        rig.answer(ticket, 200, &trades(0, 1000));
    }
    assert_eq!(lists(&mut rig), [(false, 1000)], "after {pages} pages");
    assert_eq!(pages, 150);
    // Nor one with more than a record of the log is to hold.
    read(&mut rig, ReadKind::Trades { pair: PairId(0), since });
    let mut pages = 0;
    while let Some(ticket) = next_page(&mut rig) {
        rig.answer(ticket, 200, &trades(pages * 1000, 1000));
        pages += 1;
    }
    assert_eq!(lists(&mut rig), [(false, 50_000)]);
}

#[test]
fn fees_are_told_pair_by_pair() {
    let mut rig = Rig::live("order_book", true);
    read(&mut rig, ReadKind::Fees);
    for (pair, name) in [(0, "BTC_USDT"), (1, "ETH_USDT")] {
        let sent = rig.requests().remove(0);
        assert_eq!((sent.request.path.as_str(), sent.request.query), ("/api/v4/wallet/fee", format!("currency_pair={name}")));
        rig.answer(sent.ticket, 200, r#"{"taker_fee":"0.002","maker_fee":"0.001","gt_discount":false}"#);
        assert!(
            matches!(rig.take().as_slice(), [Input::Fees(rates)] if rates.pair == PairId(pair) && rates.taker.nano() == 2_000_000)
        );
    }
    assert!(rig.requests().is_empty());
}

#[test]
fn rights_come_from_the_list_of_keys_or_are_not_told() {
    let facts = |status, body: &str, detail: Option<&str>| {
        let mut rig = Rig::live("order_book", true);
        read(&mut rig, ReadKind::Account);
        let sent = rig.requests().remove(0);
        assert_eq!(sent.request.path, "/api/v4/account/main_keys");
        rig.answer(sent.ticket, status, body);
        if let Some(detail) = detail {
            let sent = rig.requests().remove(0);
            assert_eq!(sent.request.path, "/api/v4/account/detail");
            rig.answer(sent.ticket, 200, detail);
        }
        match rig.take().as_slice() {
            [Input::Account(facts)] => (facts.can_trade, facts.can_withdraw, facts.ip_bound),
            other => panic!("{other:?}"),
        }
    };
    let key = |name, perms| format!(r#"[{{"state":1,"key":"{name}","ip_whitelist":[],"perms":[{perms}]}}]"#);
    let spot = r#"{"name":"spot","read_only":false}"#;
    assert_eq!(facts(200, &key("abcd****wxyz", spot), None), (Some(true), Some(false), Some(false)));
    assert_eq!(
        facts(200, &key("abcd****wxyz", r#"{"name":"withdraw","read_only":false}"#), None),
        (Some(false), Some(true), Some(false))
    );
    let detail = r#"{"user_id":1,"ip_whitelist":["1.1.1.1"]}"#;
    assert_eq!(facts(200, &key("efgh****wxyz", spot), Some(detail)), (None, None, Some(true)));
    assert_eq!(facts(403, r#"{"label":"FORBIDDEN"}"#, Some(detail)), (None, None, Some(true)));
    assert_eq!(facts(400, r#"{"label":"SUB_ACCOUNT_KEY"}"#, Some(detail)), (None, None, Some(true)));
    let mut rig = Rig::live("order_book", true);
    read(&mut rig, ReadKind::Account);
    let sent = rig.requests().remove(0);
    rig.answer(sent.ticket, 401, r#"{"label":"INVALID_KEY"}"#);
    failed(&mut rig, ErrorClass::AuthFatal);
}

#[test]
fn the_time_is_measured_when_asked_and_every_thirty_seconds() {
    let mut rig = Rig::live("order_book", true);
    read(&mut rig, ReadKind::Time);
    rig.run(0);
    assert!(matches!(rig.take().as_slice(), [Input::Clock(_)]));
    rig.run(90 * SECOND);
    let rounds = rig.take().iter().filter(|i| matches!(i, Input::Clock(_))).count();
    assert_eq!(rounds, 3);
    read(&mut rig, ReadKind::Time);
    while let Some(sent) = rig.requests().pop() {
        rig.fail(sent.ticket, IoFailure::TimedOut);
    }
    let inputs = rig.take();
    assert!(inputs.iter().any(|i| matches!(i, Input::ReadFailed(f) if f.read == ReadKind::Time)), "{inputs:?}");
}

#[test]
fn a_rate_limit_parks_reads_until_it_refills() {
    let mut rig = Rig::live("order_book", true);
    read(&mut rig, ReadKind::Balances);
    let sent = rig.requests().remove(0);
    let headers = [("x-gate-ratelimit-limit", "200")];
    rig.answer_with(sent.ticket, 200, &headers, "[]");
    // `remain` left out means zero.
    assert!(rig.take().iter().any(|i| matches!(i, Input::Budget(b) if b.remaining == 0)));
    read(&mut rig, ReadKind::Balances);
    assert!(rig.requests().is_empty());
    assert!(next_request(&mut rig).is_some());
}

#[test]
fn a_ban_is_told_once_with_its_end_and_again_when_it_is_prolonged() {
    let mut rig = Rig::live("order_book", true);
    rig.take();
    let bans = |rig: &mut Rig| {
        let inputs = rig.take().into_iter();
        inputs
            .filter_map(|input| if let Input::Ban(ban) = input { Some((ban.venue, ban.until)) } else { None })
            .collect::<Vec<_>>()
    };
    let banned = |rig: &mut Rig, after: &str| {
        read(rig, ReadKind::Balances);
        let ticket = rig.requests().remove(0).ticket;
        // Told with the answer, not only when something is asked of the session: the other half of a redundant one may be asked first.
        rig.answer_with(ticket, 418, &[("retry-after", after)], "{}");
    };
    banned(&mut rig, "30");
    let until = rig.now.after(30 * SECOND);
    assert_eq!(bans(&mut rig), [(VenueId(0), until)]);
    rig.run(29 * SECOND);
    assert_eq!(bans(&mut rig), []);
    // Nothing leaves before its end, so that only an answer from afterwards can prolong it.
    rig.run(2 * SECOND);
    bans(&mut rig);
    banned(&mut rig, "60");
    assert_eq!(bans(&mut rig), [(VenueId(0), rig.now.after(60 * SECOND))]);
}

/// The fees of two pairs: what the first one's request is answered with, and the second one's; then what was told.
fn fees_of_two(first: (u16, &str), second: (u16, &str)) -> (Vec<PairId>, Vec<ErrorClass>) {
    let mut rig = Rig::live("order_book", true);
    read(&mut rig, ReadKind::Fees);
    let mut told = (Vec::new(), Vec::new());
    for _ in 0..6 {
        for out in rig.run(SECOND) {
            if let Transmit::Request { ticket, request, .. } = out
                && request.path == "/api/v4/wallet/fee"
            {
                let (status, body) = if request.query.contains("BTC_USDT") { first } else { second };
                rig.answer(ticket, status, body);
            }
        }
    }
    for input in rig.take() {
        match input {
            Input::Fees(rates) => told.0.push(rates.pair),
            Input::ReadFailed(failure) => {
                assert_eq!(failure.read, ReadKind::Fees);
                told.1.push(failure.class);
            }
            _ => {}
        }
    }
    told
}

#[test]
fn a_pair_whose_fees_can_not_be_read_keeps_no_other_s_away_and_is_told_once_at_the_end() {
    let good = (200, r#"{"user_id":1,"taker_fee":"0.002","maker_fee":"0.001","gt_discount":false}"#);
    let closed = (400, r#"{"label":"INVALID_CURRENCY_PAIR"}"#);
    assert_eq!(fees_of_two(good, good), (vec![PairId(0), PairId(1)], vec![]));
    assert_eq!(fees_of_two(closed, good), (vec![PairId(1)], vec![ErrorClass::SymbolClosed]));
    assert_eq!(fees_of_two((502, "<html>"), good), (vec![PairId(1)], vec![ErrorClass::Unknown]));
    assert_eq!(fees_of_two(good, closed), (vec![PairId(0)], vec![ErrorClass::SymbolClosed]));
    assert_eq!(fees_of_two(closed, (502, "")), (vec![], vec![ErrorClass::SymbolClosed]), "the first reason");
    // A key is refused for all of them.
    assert_eq!(fees_of_two((401, r#"{"label":"INVALID_KEY"}"#), good), (vec![], vec![ErrorClass::AuthFatal]));
}

#[test]
fn fees_are_read_one_list_at_a_time_and_once_more_when_they_were_asked_for_meanwhile() {
    let good = r#"{"user_id":1,"taker_fee":"0.002","maker_fee":"0.001","gt_discount":false}"#;
    let mut rig = Rig::live("order_book", true);
    read(&mut rig, ReadKind::Fees);
    let first = rig.requests().remove(0);
    for _ in 0..3 {
        read(&mut rig, ReadKind::Fees);
        assert!(rig.requests().is_empty(), "one is under way");
    }
    rig.answer(first.ticket, 200, good);
    for _ in 0..3 {
        let sent = rig.requests();
        assert_eq!(sent.len(), 1);
        rig.answer(sent[0].ticket, 200, good);
    }
    assert!(rig.requests().is_empty());
    assert_eq!(rig.take().iter().filter(|input| matches!(input, Input::Fees(_))).count(), 4);
}

#[test]
fn trades_of_a_pair_that_the_venue_knows_no_more_have_its_rules_asked_for() {
    let mut rig = Rig::live("order_book", true);
    let trades = ReadKind::Trades { pair: PairId(1), since: rig.wall() };
    read(&mut rig, trades);
    let sent = rig.requests().remove(0);
    rig.answer(sent.ticket, 400, r#"{"label":"INVALID_CURRENCY_PAIR"}"#);
    failed(&mut rig, ErrorClass::SymbolClosed);
    let sent = rig.requests().remove(0);
    assert_eq!(sent.request.path, "/api/v4/spot/currency_pairs/ETH_USDT");
    rig.answer(sent.ticket, 400, r#"{"label":"INVALID_CURRENCY_PAIR"}"#);
    let inputs = rig.take();
    let closed =
        |input: &Input| matches!(input, Input::Rules(rules) if rules.pair == PairId(1) && !rules.can_buy && !rules.can_sell);
    assert!(inputs.iter().any(closed), "{inputs:?}");
}

/// The process is suspended while the time is asked for: the answer was made before, and comes after.
#[test]
fn a_sample_from_before_a_suspension_is_not_believed_after_it() {
    use venue::VenueSession;
    let mut rig = Rig::live("order_book", true);
    rig.run(29 * SECOND);
    read(&mut rig, ReadKind::Time);
    let before = rig.requests().remove(0);
    let told = format!(r#"{{"server_time":{}}}"#, rig.wall().millis());
    rig.take();
    // An hour at the venue, of which the monotonic clock saw nothing.
    let slept_ms = 3_600_000;
    rig.session.handle_paused(rig.now, &mut rig.updates);
    rig.answer(before.ticket, 200, &told);
    let mut samples = 0;
    for sent in rig.requests() {
        assert_eq!(sent.request.path, "/api/v4/spot/time");
        rig.pass(40 * 1_000_000);
        rig.answer(sent.ticket, 200, &format!(r#"{{"server_time":{}}}"#, rig.wall().millis() + slept_ms - 20));
        samples += 1;
    }
    assert_eq!(samples, 1, "a round of its own");
    while let Some(sent) = rig.requests().pop() {
        rig.fail(sent.ticket, IoFailure::TimedOut);
    }
    let clocks: Vec<_> =
        rig.take().into_iter().filter_map(|i| if let Input::Clock(clock) = i { Some(clock) } else { None }).collect();
    let [clock] = clocks.as_slice() else { panic!("{clocks:?}") };
    assert!((clock.offset_ns / 1_000_000 - slept_ms).abs() <= 2, "{clock:?}");
}
