//! The real binary at work: the demo, and the engine against venues of another process, over real sockets, killed, halted and
//! stopped. Balances are compared with what the venues themselves say, by a client that shares no code with the engine.

#[path = "support/mod.rs"]
mod support;

use rustix::process::Signal;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};
use support::config::{TOKEN_ENV, gates, live, two_venues_on, write};
use support::http::http;
use support::ops::{get, status, until};
use support::process::{LIMIT, Running, crossgate, run};
use support::venue::Sim;
use support::{count, dir};

/// The demo's promise: deals within this time of its first line.
const FIRST_DEAL: Duration = Duration::from_secs(15);

/// `verdicts` of the contract, all of them.
const VERDICTS: [&str; 17] = [
    "traded",
    "not_tradable_kind",
    "quote_differs",
    "untrusted",
    "leg_lagging",
    "leg_skew",
    "below_fees",
    "below_min_edge",
    "min_size",
    "balance",
    "inventory_floor",
    "limit",
    "rate_budget",
    "frozen",
    "paused",
    "latched",
    "log_lag",
];

/// An exact decimal in a text, as money and quantities must be.
#[track_caller]
fn assert_decimal(value: &Value) {
    let text = value.as_str().unwrap_or_else(|| panic!("money is text, not {value}"));
    assert!(text.parse::<rust_decimal::Decimal>().is_ok() && !text.contains(['e', 'E', '+']), "no exact decimal: {text}");
}

/// The keys of `run --json` and of the status, with their types.
#[track_caller]
fn assert_run_keys(value: &Value) {
    for key in ["seed", "frames", "book_updates", "opportunities", "deals", "orders_sent", "orders_unknown", "fills"] {
        count(value, key);
    }
    for key in ["duration_s", "pnl_quote", "unhedged_notional_seconds", "max_unhedged_s", "max_unhedged_unpaused_s"] {
        assert_decimal(&value[key]);
    }
    for key in ["pnl", "fees"] {
        value[key]
            .as_object()
            .unwrap_or_else(|| panic!("`{key}` is no object"))
            .values()
            .for_each(|amount| assert_decimal(amount));
    }
    for key in ["p50", "p99", "p999", "max", "count"] {
        count(&value["tick_to_order_ns"], key);
    }
    for line in value["balances"].as_array().expect("`balances` is a list") {
        assert!(line["venue"].is_string() && line["asset"].is_string(), "{line}");
        ["available", "reserved", "total"].iter().for_each(|key| assert_decimal(&line[*key]));
    }
    for halt in value["halts"].as_array().expect("`halts` is a list") {
        assert!(["freeze", "pause", "latch"].contains(&halt["kind"].as_str().expect("a kind")), "{halt}");
        assert!(halt["reason"].is_string() && halt["since"].as_str().is_some_and(|since| since.ends_with('Z')), "{halt}");
    }
    assert!(value["reconciled"].is_boolean());
    assert!(value["mode"].is_string() && value["run_dir"].is_string());
    let hash = value["output_hash"].as_str().expect("a hash");
    assert!(hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()), "{hash}");
    assert_verdicts(value);
}

/// Every opportunity has exactly one verdict, of the closed list.
#[track_caller]
fn assert_verdicts(value: &Value) {
    let verdicts = value["verdicts"].as_object().expect("`verdicts` is an object");
    let unknown: Vec<_> = verdicts.keys().filter(|verdict| !VERDICTS.contains(&verdict.as_str())).collect();
    assert!(unknown.is_empty(), "not in the list: {unknown:?}");
    let sum: u64 = verdicts.values().map(|n| n.as_u64().expect("a count")).sum();
    assert_eq!(sum, count(value, "opportunities"), "the verdicts add up to the opportunities: {value}");
}

/// What every orderly end shows.
#[track_caller]
fn assert_in_order(value: &Value) {
    assert_run_keys(value);
    assert_eq!(count(value, "orders_unknown"), 0, "{value}");
    assert_eq!(value["reconciled"], true, "{value}");
    assert_eq!(value["halts"], serde_json::json!([]), "{value}");
}

#[test]
fn the_demo_makes_deals_and_its_ledger_is_the_venues() {
    let dir = dir();
    let done = run(crossgate(dir.path()).args(["run", "--for", "20s", "--no-tui", "--json"])).expect(0);
    let json = done.json();
    assert_in_order(&json);
    assert!(count(&json, "deals") > 0 && count(&json, "fills") > 0, "{json}");
    // Every two of its venues trade with each other.
    let traded = |one: &str, other: &str| {
        let legs = |line: &str, buy: &str, sell: &str| {
            line.contains(&format!(" on {buy} at ≤")) && line.contains(&format!(" on {sell} at ≥"))
        };
        done.stderr.lines().any(|line| legs(line, one, other) || legs(line, other, one))
    };
    for (one, other) in [("gate", "binance"), ("gate", "bybit"), ("binance", "bybit")] {
        assert!(traded(one, other), "no deal between {one} and {other}: {}", done.stderr);
    }
    assert_eq!((&json["mode"], &json["seed"]), (&"sim".into(), &1.into()));
    assert_eq!(json["verdicts"]["traded"], json["deals"], "{json}");
    assert!(json["tick_to_order_ns"]["count"].as_u64() > Some(0), "{json}");
    assert!(dir.path().join(json["run_dir"].as_str().expect("a path")).is_dir());
    let duration: f64 = json["duration_s"].as_str().and_then(|text| text.parse().ok()).expect("a duration");
    assert!((20.0..30.0).contains(&duration), "`--for` is kept: {duration}");
}

#[test]
fn fees_paid_in_a_token_are_told_beside_the_profit_or_valued_in_it() {
    let dir = dir();
    let pay = ("basis_bps = \"60\"", "basis_bps = \"60\"\npay_fees_in = \"gt\"");
    write(dir.path(), "gt.toml", &gates(&[pay]));
    let json = run(crossgate(dir.path()).args(["run", "-c", "gt.toml", "--for", "6s", "--no-tui", "--json"])).expect(0).json();
    assert_in_order(&json);
    let fee = json["fees"]["GT"].as_str().expect("fees in GT");
    assert_eq!(json["unvalued"]["GT"], format!("-{fee}"), "no configured pair prices GT: {json}");
    assert_eq!(json["fees"].as_object().map(|fees| fees.len()), Some(1), "{json}");
}

#[test]
fn crossgate_alone_is_the_demo_and_interrupt_ends_it_with_a_comparison() {
    let dir = dir();
    let demo = Running::start(&mut crossgate(dir.path()));
    demo.ops();
    demo.wait_for(": closed", FIRST_DEAL);
    demo.signal(Signal::INT);
    let done = demo.end().expect(0);
    let (_, last) = done.stdout.split_once("Ledger against the venues' own accounts").expect("the last section");
    assert!(last.trim_end().ends_with("every balance equal to the last digit"), "{last}");
    for venue in ["gate", "binance", "bybit"] {
        for asset in ["BTC", "ETH", "SOL", "USDT", "XRP"] {
            let line =
                last.lines().find(|line| line.split_whitespace().take(2).eq([venue, asset])).expect("every asset is compared");
            assert!(line.trim_end().ends_with("equal"), "{line}");
        }
    }
    assert!(!last.contains("DIFFERS") && !last.contains("no answer"), "{last}");
    assert!(dir.path().join(".crossgate/demo").is_dir(), "its state is where the file says");
}

#[test]
fn below_fees_no_deal_is_made_and_every_opportunity_still_has_its_verdict() {
    let dir = dir();
    write(dir.path(), "calm.toml", &gates(&[("basis_bps = \"60\"", "basis_bps = \"8\"")]));
    let done = run(crossgate(dir.path()).args(["run", "-c", "calm.toml", "--for", "8s", "--no-tui", "--json"])).expect(0);
    let json = done.json();
    assert_in_order(&json);
    assert_eq!((count(&json, "deals"), count(&json, "orders_sent"), count(&json, "fills")), (0, 0, 0), "{json}");
    assert!(count(&json["verdicts"], "below_fees") > 0, "the market offers something, and it is not enough: {json}");
    assert_eq!(json["pnl_quote"], "0");
}

/// The engine against venues of another process: its ledger is theirs, digit for digit, and every order is accounted for.
#[track_caller]
fn against_own_venues(arguments: &[&str], ids: [&str; 2]) {
    let dir = dir();
    let sim = Sim::start(dir.path(), arguments);
    let told: Vec<_> = sim.venues.iter().map(|venue| venue["id"].clone()).collect();
    assert_eq!(told, ids);
    for venue in &sim.venues {
        for key in ["id", "kind", "rest", "ws", "private_ws", "key", "secret"] {
            assert!(venue[key].is_string(), "`{key}` is missing: {venue}");
        }
        assert_eq!(venue["ca_file"].is_string(), arguments.contains(&"--tls"), "{venue}");
    }
    let before: Vec<_> = sim.clients().iter().map(|client| client.accounts()).collect();
    let config = write(dir.path(), "live.toml", &live(&sim.venues));
    let (done, json) = sim.run(dir.path(), &config, "8s");
    assert_in_order(&json);
    assert!(count(&json, "deals") > 0, "{json}");
    assert_eq!(json["mode"], "live");
    sim.assert_balances(&json);
    let after: Vec<_> = sim.clients().iter().map(|client| client.accounts()).collect();
    assert_ne!(before, after, "something was traded");

    // What the venues saw is what the engine says it did.
    let (mut orders, mut fills) = (0, 0);
    for client in sim.clients() {
        let finished = client.finished_orders();
        assert_once(finished.iter().map(|order| &order.client_id));
        orders += finished.len() as u64;
        fills += client.trades().len() as u64;
        assert_eq!(client.open_orders(), [], "nothing is left in the book");
    }
    assert_eq!(orders, count(&json, "orders_sent"), "{json}");
    assert_eq!(fills, count(&json, "fills"), "{json}");
    for venue in &sim.venues {
        let secret = venue["secret"].as_str().expect("a secret");
        assert!(!done.stdout.contains(secret) && !done.stderr.contains(secret), "a secret is shown");
    }
    sim.process.signal(Signal::TERM);
    let ended = sim.process.end().expect(0);
    assert_eq!(ended.stdout.lines().count(), 1, "one line on standard output: {}", ended.stdout);
    if let Some(ca_file) = sim.venues[0]["ca_file"].as_str() {
        assert!(!Path::new(ca_file).exists(), "the throw-away authority is thrown away");
    }
}

#[track_caller]
fn assert_once<'a>(ids: impl Iterator<Item = &'a String>) {
    let mut seen = BTreeSet::new();
    ids.for_each(|id| assert!(seen.insert(id), "{id} was seen twice"));
}

#[test]
fn a_live_run_against_separate_venues_ends_with_their_balances() {
    against_own_venues(&["--seed", "7", "--json"], ["gate-a", "gate-b"]);
}

#[test]
fn a_live_run_over_tls_ends_with_their_balances() {
    against_own_venues(&["--seed", "11", "--tls", "--venue", "gate:left", "--venue", "gate:right"], ["left", "right"]);
}

#[test]
fn orders_over_a_logged_in_link_on_pushed_books_end_with_the_venues_balances() {
    let dir = dir();
    let sim = Sim::start(dir.path(), &["--seed", "13"]);
    let keys = "kind = \"gate\"\nbook_channel = \"obu\"\nbook_ticker = true\ntrades = true\ntickers = true\norder_entry = \"ws\"";
    let config = write(dir.path(), "live.toml", &live(&sim.venues).replace("kind = \"gate\"", keys));
    let (_, json) = sim.run(dir.path(), &config, "10s");
    assert_in_order(&json);
    assert!(count(&json, "deals") > 0, "{json}");
    sim.assert_balances(&json);
    for client in sim.clients() {
        let orders = client.finished_orders();
        assert!(!orders.is_empty() && client.open_orders().is_empty());
        assert_once(orders.iter().map(|order| &order.client_id));
    }
    // Whatever came over that link is in the journal like everything else.
    let replay = run(crossgate(dir.path()).args(["replay", "state", "--verify", "--json"])).expect(0).json();
    assert_eq!((&replay["verified"], &replay["output_hash"]), (&true.into(), &json["output_hash"]), "{replay}");
}

#[test]
fn a_killed_engine_starts_again_from_its_log_and_repeats_no_id() {
    let dir = dir();
    let sim = Sim::start(dir.path(), &["--seed", "3"]);
    let config = write(dir.path(), "live.toml", &live(&sim.venues));
    let go = ["run", "-c", "live.toml", "--live", "--no-tui", "--json"];
    // Twice: once right after a deal was opened, once at any moment after some.
    for part in ["deal 3: buy", ": closed"] {
        let engine = Running::start(&mut sim.engine(dir.path(), &go));
        engine.wait_for(part, LIMIT);
        engine.signal(Signal::KILL);
        let killed = engine.end();
        assert_eq!((killed.code, killed.stdout.as_str()), (None, ""), "it had no chance to say anything");
        // What it decided until then is in its logs, whole.
        let replay = run(crossgate(dir.path()).args(["replay", "state", "--verify", "--json"])).expect(0).json();
        assert_eq!((&replay["verified"], &replay["first_difference"]), (&true.into(), &Value::Null), "{replay}");
    }
    let (_, json) = sim.run(dir.path(), &config, "8s");
    assert_in_order(&json);
    sim.assert_balances(&json);
    for client in sim.clients() {
        assert_eq!(client.open_orders(), [], "nothing is left in the book");
        let orders = client.finished_orders();
        assert_once(orders.iter().map(|order| &order.client_id));
        assert_once(client.trades().iter().map(|trade| &trade.id));
        let epochs: BTreeSet<_> = orders.iter().map(|order| order.client_id[..10].to_string()).collect();
        assert!(epochs.len() >= 2, "several runs traded, each with ids of its own epoch: {epochs:?}");
    }
}

/// As after some crashes in a row: what a venue gives for a minute is used up by the starts before. To give up would mean to be started
/// again, and requests during a ban prolong it.
#[test]
fn a_start_waits_for_a_venue_that_says_when_it_takes_requests_again() {
    let dir = dir();
    let ban = "\n[[sim.fault]]\nat = \"0s\"\nkind = \"ban\"\nlasts = \"5s\"\n";
    write(dir.path(), "sim.toml", &(gates(&[]) + ban));
    let sim = Sim::start(dir.path(), &["-c", "sim.toml", "--seed", "9", "--venue", "gate", "--venue", "binance"]);
    let config = write(dir.path(), "live.toml", &live(&sim.venues));
    let (done, json) = sim.run(dir.path(), &config, "3s");
    let waits: Vec<&str> = done.stderr.lines().filter(|line| line.contains("takes no requests for")).collect();
    assert!(matches!(waits[..], [one] if one.contains("answers 418")), "{}", done.stderr);
    assert_in_order(&json);
    assert!(count(&json, "deals") > 0, "{json}");
    sim.assert_balances(&json);
}

#[test]
fn terminate_ends_in_order_and_a_second_signal_at_once() {
    let dir = dir();
    let sim = Sim::start(dir.path(), &["--seed", "5"]);
    let config = write(dir.path(), "live.toml", &live(&sim.venues));
    let go = ["run", "-c", "live.toml", "--live", "--no-tui", "--json"];
    let engine = Running::start(&mut sim.engine(dir.path(), &go));
    engine.wait_for(": closed", LIMIT);
    engine.signal(Signal::TERM);
    let json = engine.end().expect(0).json();
    assert_in_order(&json);
    sim.assert_balances(&json);

    // With the venues standing still, the end can't be verified: the first signal waits, the second does not.
    let engine = Running::start(&mut sim.engine(dir.path(), &go));
    engine.wait_for("gate-b: account reconciled", LIMIT);
    sim.process.signal(Signal::STOP);
    engine.signal(Signal::TERM);
    engine.wait_for("pause: signal", LIMIT);
    let second = Instant::now();
    engine.signal(Signal::INT);
    let done = engine.end().expect(6);
    assert!(second.elapsed() < Duration::from_secs(10), "at once: {:?}", second.elapsed());
    assert!(done.complaint().contains("ended before everything was verified"), "{}", done.stderr);
    assert!(done.complaint().contains("run again to reconcile"), "{}", done.stderr);
    assert_verdicts(&done.json());
    sim.process.signal(Signal::CONT);

    // And running again does reconcile.
    let (_, json) = sim.run(dir.path(), &config, "2s");
    assert_in_order(&json);
    sim.assert_balances(&json);
}

/// A start waits for a venue as long as it takes, which a person must be able to end.
#[test]
fn terminate_ends_a_start_that_no_venue_answers() {
    let dir = dir();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    silent.set_nonblocking(true).expect("a listener need not block");
    write(dir.path(), "live.toml", &live(&two_venues_on(silent.local_addr().expect("it is bound").port())));
    let keys = ["TEST_KEY_0", "TEST_SECRET_0", "TEST_KEY_1", "TEST_SECRET_1"].map(|name| (name, "x"));
    let engine = Running::start(crossgate(dir.path()).args(["run", "-c", "live.toml", "--live", "--no-tui"]).envs(keys));
    let mut asked = None;
    until("the engine asks its venue", || {
        asked = silent.accept().ok();
        asked.is_some()
    });
    let begun = Instant::now();
    engine.signal(Signal::TERM);
    let done = engine.end().expect(1);
    assert!(begun.elapsed() < Duration::from_secs(5), "at once: {:?}", begun.elapsed());
    assert!(done.complaint().starts_with("ended by a signal before it began"), "{}", done.stderr);
}

const TOKEN: &str = "a-token-of-this-test";

/// An engine with a token, reconciled and ready, and its ops address.
fn ready_engine(dir: &Path, sim: &Sim) -> (Running, String) {
    write(dir, "live.toml", &live(&sim.venues));
    let go = ["run", "-c", "live.toml", "--live", "--no-tui", "--json"];
    let engine = Running::start(sim.engine(dir, &go).env(TOKEN_ENV, TOKEN));
    let ops = engine.ops();
    until("it is ready", || get(&ops, "/readyz").status == 200);
    (engine, ops)
}

#[test]
fn the_ops_port_shows_everything_and_obeys_only_its_operator() {
    let dir = dir();
    let sim = Sim::start(dir.path(), &["--seed", "9"]);
    let (engine, ops) = ready_engine(dir.path(), &sim);
    until("something is traded", || count(&status(&ops), "deals") > 0);

    assert_eq!(get(&ops, "/healthz").status, 200);
    until("it is ready again", || get(&ops, "/readyz").status == 200);
    let books: Value = serde_json::from_str(&get(&ops, "/api/books").body).expect("books are JSON");
    let books = books.as_array().expect("an array");
    assert!(books.len() >= 2 && books.iter().all(|b| b["live"] == true), "{books:?}");
    for book in books {
        let price = |side: &str| book[side][0][0].as_str().and_then(|p| p.parse::<f64>().ok()).expect("a best price");
        assert!(price("bids") < price("asks"), "a published book is never crossed: {book}");
    }
    assert_eq!(get(&ops, "/").status, 200);
    assert_eq!(get(&ops, "/nowhere").status, 404);
    assert_eq!(get(&ops, "/api/halt").status, 405, "reading changes nothing");
    let metrics = get(&ops, "/metrics");
    assert_eq!(metrics.status, 200);
    assert_metrics(&metrics.body);

    let shown = status(&ops);
    assert_run_keys(&shown);
    let ids: Vec<_> = shown["venues"].as_array().expect("`venues` is a list").iter().map(|venue| venue["id"].clone()).collect();
    assert_eq!(ids, ["gate-a", "gate-b"]);
    let books = shown["books"].as_array().expect("`books` is a list");
    assert_eq!(books.len(), 8, "every book of both venues: {books:?}");
    assert!(shown.get("open_deals").is_some());
    let json = run(crossgate(dir.path()).args(["status", "--json", "--ops", &ops])).expect(0).json();
    assert_run_keys(&json);
    assert_eq!(json["venues"].as_array().map(Vec::len), Some(2));
    let text = run(crossgate(dir.path()).args(["status", "--ops", &ops])).expect(0).stdout;
    assert!(text.contains("opportunities") && text.contains("book            gate-b"), "{text}");

    // Control: only with the token, by our own name, and not from a page of somebody else.
    let bearer = format!("Bearer {TOKEN}");
    let authorized = ("Authorization", bearer.as_str());
    for (headers, expected) in [
        (&[][..], 401),
        (&[("Authorization", "Bearer wrong")], 401),
        (&[("Authorization", TOKEN)], 401),
        (&[("Authorization", "Bearer ")], 401),
        (&[authorized, ("Host", "evil.example.com")], 403),
        (&[authorized, ("Host", "127.0.0.1")], 403),
        (&[authorized, ("Origin", "http://evil.example.com")], 403),
        (&[authorized, ("Origin", "https://evil.example.com")], 403),
        (&[authorized, ("Origin", "null")], 403),
    ] {
        for route in ["/api/halt", "/api/resume"] {
            let answer = http(&ops, "POST", route, headers, "a reason");
            assert_eq!(answer.status, expected, "{route} with {headers:?}: {}", answer.body);
        }
    }
    assert_eq!(http(&ops, "POST", "/api/resume", &[authorized], " ").status, 400, "a resume needs a reason");
    for (token, part) in [(None, "set CROSSGATE_OPS_TOKEN to its token"), (Some("wrong"), "wrong token")] {
        let mut command = crossgate(dir.path());
        command.args(["halt", "--ops", &ops]).envs(token.map(|token| (TOKEN_ENV, token)));
        let done = run(&mut command).expect(4);
        assert!(done.complaint().contains(part), "{}", done.stderr);
    }
    assert_eq!(status(&ops)["halts"], serde_json::json!([]), "none of that stopped anything");

    // A second engine on the same directory, and a resume behind the engine's back, are refused.
    let go = ["run", "-c", "live.toml", "--live", "--no-tui", "--json", "--for", "1s"];
    let second = run(&mut sim.engine(dir.path(), &go)).expect(1);
    assert!(second.complaint().contains("in use by another process"), "{}", second.stderr);
    assert_eq!(second.stdout, "");
    let resume = run(crossgate(dir.path()).args(["resume", "--state-dir", "state", "--reason", "x"])).expect(1);
    assert!(resume.complaint().contains("in use by another process"), "{}", resume.stderr);

    engine.signal(Signal::TERM);
    let done = engine.end().expect(0);
    assert!(!done.stderr.contains(TOKEN) && !done.stdout.contains(TOKEN), "the token is shown");
    assert_in_order(&done.json());
}

/// The text format of Prometheus, and the names of the contract that this version fills.
#[track_caller]
fn assert_metrics(text: &str) {
    let (mut kinds, mut helped, mut sampled) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
    for line in text.lines().filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", "HELP", name, help] => {
                assert!(!help.is_empty() && helped.insert(name), "HELP of {name} stands once");
            }
            ["#", "TYPE", name, kind] => {
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert_eq!(kinds.insert(name, kind), None, "TYPE of {name} stands once");
            }
            _ => {
                let name = line.split(['{', ' ']).next().expect("a name");
                let value = line.rsplit(' ').next().expect("a value");
                assert!(value.parse::<f64>().is_ok(), "no number: {line}");
                let family = ["_bucket", "_sum", "_count"]
                    .iter()
                    .filter_map(|suffix| name.strip_suffix(suffix))
                    .find(|family| kinds.get(family) == Some(&"histogram"))
                    .unwrap_or(name);
                assert!(helped.contains(family) && kinds.contains_key(family), "no HELP and TYPE before {line}");
                assert_eq!(kinds[family] == "counter", family.ends_with("_total"), "counters end in _total: {line}");
                assert!(family.starts_with("crossgate_"), "{line}");
                sampled.insert(family);
            }
        }
    }
    for name in [
        "build_info",
        "up",
        "frames_total",
        "frames_rejected_total",
        "book_age_seconds",
        "book_trusted",
        "book_resyncs_total",
        "stage_seconds",
        "tick_to_order_seconds",
        "order_round_trip_seconds",
        "orders_total",
        "orders_unknown",
        "opportunities_total",
        "unhedged_notional",
        "unhedged_seconds_total",
        "unwinds_total",
        "balance",
        "reserved",
        "fees_total",
        "pnl_quote",
        "rate_limit_used_ratio",
        "halted",
        "journal_lag_records",
    ] {
        assert!(sampled.contains(format!("crossgate_{name}").as_str()), "{name} is missing");
    }
    for verdict in VERDICTS {
        assert!(text.contains(&format!("crossgate_opportunities_total{{reason=\"{verdict}\"}}")), "{verdict} is missing");
    }
    let is_counted = |line: String| {
        let value = text.lines().find_map(|one| one.strip_prefix(line.as_str()));
        assert!(value.and_then(|n| n.trim().parse::<f64>().ok()).is_some_and(|n| n > 0.0), "{line}: {value:?}");
    };
    is_counted("crossgate_opportunities_total{reason=\"traded\"}".into());
    for stage in ["queue", "decode", "apply", "detect", "risk", "encode"] {
        is_counted(format!("crossgate_stage_seconds_count{{stage=\"{stage}\"}}"));
    }
}

#[test]
fn halt_stops_openings_until_somebody_resumes_with_a_reason() {
    let dir = dir();
    let sim = Sim::start(dir.path(), &["--seed", "13"]);
    let (engine, ops) = ready_engine(dir.path(), &sim);
    until("something is traded", || count(&status(&ops), "deals") > 0);
    let bearer = format!("Bearer {TOKEN}");
    let answer = http(&ops, "POST", "/api/halt", &[("Authorization", &bearer)], "");
    assert_eq!((answer.status, answer.body.as_str()), (200, "{\"result\":\"halted\"}"));
    until("the latch shows", || status(&ops)["halts"].as_array().is_some_and(|halts| halts.iter().any(|h| h["kind"] == "latch")));
    let latched = status(&ops);
    let halt = &latched["halts"][0];
    assert_eq!((&halt["kind"], &halt["reason"]), (&"latch".into(), &"operator".into()));
    // The market goes on, and nothing more is opened.
    let latched_so_far = latched["verdicts"]["latched"].as_u64().unwrap_or(0);
    until("opportunities pass by", || status(&ops)["verdicts"]["latched"].as_u64().unwrap_or(0) >= latched_so_far + 2);
    assert_eq!(status(&ops)["deals"], latched["deals"], "no deal after the halt");
    engine.signal(Signal::TERM);
    let done = engine.end().expect(5);
    let json = done.json();
    assert_run_keys(&json);
    assert_eq!((&json["deals"], &json["reconciled"]), (&latched["deals"], &true.into()));
    assert!(done.complaint().contains("crossgate resume"), "{}", done.stderr);
    sim.assert_balances(&json);

    // The latch outlives the process. Only a resume with a reason clears it.
    let go = ["run", "-c", "live.toml", "--live", "--no-tui", "--json", "--for", "3s"];
    let orders: usize = sim.clients().iter().map(|client| client.finished_orders().len()).sum();
    let refused = run(&mut sim.engine(dir.path(), &go)).expect(5);
    assert!(refused.complaint().contains("crossgate resume --state-dir state --reason"), "{}", refused.stderr);
    assert_eq!(refused.stdout, "");
    run(crossgate(dir.path()).args(["resume", "--state-dir", "state"])).expect(2);
    run(&mut sim.engine(dir.path(), &go)).expect(5);
    assert_eq!(orders, sim.clients().iter().map(|client| client.finished_orders().len()).sum::<usize>(), "it sent nothing");
    let resumed =
        run(crossgate(dir.path()).args(["resume", "--state-dir", "state", "--reason", "the test goes on", "--json"])).expect(0);
    assert_eq!(resumed.json(), serde_json::json!({"result": "resumed"}));
    let json = run(&mut sim.engine(dir.path(), &go)).expect(0).json();
    assert_in_order(&json);
    sim.assert_balances(&json);
}

#[test]
fn a_running_engine_resumes_by_command() {
    let dir = dir();
    let sim = Sim::start(dir.path(), &["--seed", "17"]);
    let (engine, ops) = ready_engine(dir.path(), &sim);
    let command = |arguments: &[&str]| {
        let done = run(crossgate(dir.path()).args(arguments).args(["--ops", &ops, "--json"]).env(TOKEN_ENV, TOKEN)).expect(0);
        done.json()["result"].clone()
    };
    assert_eq!(command(&["halt"]), "halted");
    until("the latch shows", || status(&ops)["halts"] != serde_json::json!([]));
    let deals = count(&status(&ops), "deals");
    assert_eq!(command(&["resume", "--reason", "the test goes on"]), "resumed");
    until("the latch is gone", || status(&ops)["halts"] == serde_json::json!([]));
    until("deals are made again", || count(&status(&ops), "deals") > deals);
    engine.signal(Signal::INT);
    let json = engine.end().expect(0).json();
    assert_in_order(&json);
    sim.assert_balances(&json);
}

#[test]
fn without_a_token_nobody_can_command() {
    let dir = dir();
    write(dir.path(), "demo.toml", &gates(&[]));
    let engine = Running::start(crossgate(dir.path()).args(["run", "-c", "demo.toml", "--no-tui"]));
    let ops = engine.ops();
    until("it is ready", || get(&ops, "/readyz").status == 200);
    for headers in [&[][..], &[("Authorization", "Bearer ")], &[("Authorization", "Bearer x")]] {
        let answer = http(&ops, "POST", "/api/halt", headers, "");
        assert_eq!(answer.status, 403, "{}", answer.body);
        assert!(answer.body.contains("control is off"), "{}", answer.body);
    }
    engine.signal(Signal::TERM);
    engine.end().expect(0);
    // And a port that others can reach is not opened without one.
    let open = gates(&[]).replace("127.0.0.1:0", "0.0.0.0:0");
    write(dir.path(), "open.toml", &open);
    let done = run(crossgate(dir.path()).args(["run", "-c", "open.toml", "--no-tui", "--for", "1s"])).expect(3);
    assert!(done.complaint().contains("ops.listen") && done.complaint().contains("bind 127.0.0.1"), "{}", done.stderr);
}
