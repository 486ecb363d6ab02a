//! Mode `paper` and the command `reconcile`, over real sockets against venues of another process.

#[path = "support/mod.rs"]
mod support;

use rustix::process::Signal;
use serde_json::Value;
use std::fmt::Write as _;
use support::config::{live, write};
use support::process::{LIMIT, Running, crossgate, run};
use support::venue::Sim;
use support::{count, dir};

/// A paper configuration for separately started venues: no key in it, none in the environment.
fn paper(venues: &[Value], latency: &str) -> String {
    let mut text = String::from(
        "mode = \"paper\"\nseed = 1\n[state]\ndir = \"state\"\n[ops]\nlisten = \"127.0.0.1:0\"\n\
         [risk]\norder_value_max = \"2500\"\ndeal_value_max = \"2500\"\nunhedged_value_max = \"10000\"\nopen_deals_max = 4\n\
         orders_per_second_max = 20\ndaily_loss_max = \"1000\"\n",
    );
    let _ = writeln!(text, "[paper]\nlatency = \"{latency}\"");
    for venue in venues {
        let id = venue["id"].as_str().expect("an id");
        for (asset, amount) in [("USDT", "100000"), ("BTC", "2"), ("ETH", "40")] {
            let _ = writeln!(text, "[[paper.balance]]\nvenue = \"{id}\"\nasset = \"{asset}\"\namount = \"{amount}\"");
        }
    }
    for venue in venues {
        let _ = writeln!(text, "[[venue]]\nkind = \"gate\"");
        for key in ["id", "rest", "ws", "private_ws", "ca_file"] {
            if let Some(value) = venue[key].as_str() {
                let _ = writeln!(text, "{key} = \"{value}\"");
            }
        }
    }
    text + "[[pair]]\nsymbol = \"BTC/USDT\"\n[[pair]]\nsymbol = \"ETH/USDT\"\n"
}

#[test]
fn paper_trades_on_live_books_without_a_key_and_touches_no_account() {
    let dir = dir();
    let sim = Sim::start(dir.path(), &["--seed", "3"]);
    let config = write(dir.path(), "paper.toml", &paper(&sim.venues, "5ms"));
    let before: Vec<_> = sim.clients().iter().map(|client| client.accounts()).collect();
    let config = config.to_str().expect("a plain path");
    let done = run(crossgate(dir.path()).args(["run", "-c", config, "--no-tui", "--json", "--for", "15s"])).expect(0);
    let json = done.json();
    assert_eq!((&json["mode"], &json["upper_bound"]), (&"paper".into(), &true.into()), "{json}");
    assert!(count(&json, "deals") > 0 && count(&json, "fills") > 0, "{json}");
    assert_eq!(json["reconciled"], true, "the ledger is the paper account's: {json}");
    assert_eq!(count(&json, "orders_unknown"), 0, "{json}");
    // The venues saw no order: their accounts are as they were, and no order ever stood there.
    let after: Vec<_> = sim.clients().iter().map(|client| client.accounts()).collect();
    assert_eq!(before, after);
    assert!(sim.clients().iter().all(|client| client.finished_orders().is_empty()));
    // Without balances of its own an account gets both sides of every pair by value, once the books are there.
    let bare: String =
        std::fs::read_to_string(config).expect("the file").split("[[paper.balance]]").next().expect("a head").into();
    let rest = paper(&sim.venues, "5ms").split_once("[[venue]]").map(|(_, rest)| format!("[[venue]]{rest}")).expect("venues");
    let bare = write(dir.path(), "bare.toml", &(bare.replace("[paper]\nlatency = \"5ms\"\n", "") + &rest));
    let bare = bare.to_str().expect("a plain path");
    let json = run(crossgate(dir.path()).args(["run", "-c", bare, "--no-tui", "--json", "--for", "6s"])).expect(0).json();
    assert!(count(&json, "deals") > 0 && json["reconciled"] == true, "{json}");
    // A text report says what its figures are.
    let text = run(crossgate(dir.path()).args(["run", "-c", config, "--no-tui", "--for", "2s"])).expect(0).stdout;
    assert!(text.contains("upper bound"), "{text}");
    // `doctor` needs no key either, and says what it left out.
    let checks = run(crossgate(dir.path()).args(["doctor", "-c", config, "--json"])).expect(0).json();
    let of = |id: &str| checks["checks"].as_array().expect("a list").iter().filter(|c| c["id"] == id).collect::<Vec<_>>();
    assert!(of("auth").iter().all(|c| c["status"] == "skip") && of("auth").len() == 2, "{checks}");
    assert!(of("reach_ws").iter().all(|c| c["status"] == "ok"), "{checks}");
}

#[test]
fn paper_needs_accounts_and_limits_and_never_the_live_flag() {
    let dir = dir();
    let sim = Sim::start(dir.path(), &["--seed", "3"]);
    let good = paper(&sim.venues, "5ms");
    let wrong = |from: &str, to: &str, code: i32, part: &str| {
        assert!(good.contains(from), "{from}");
        let path = write(dir.path(), "wrong.toml", &good.replace(from, to));
        let done = run(crossgate(dir.path()).args(["config", "check", "-c", path.to_str().expect("a plain path")])).expect(code);
        assert!(done.stderr.contains(part), "{part}: {}", done.stderr);
    };
    wrong("asset = \"ETH\"", "asset = \"DOGE\"", 3, "no configured pair uses `DOGE`");
    wrong("amount = \"2\"", "amount = \"-2\"", 3, "amount");
    wrong("[[paper.balance]]\nvenue = \"gate-a\"", "[[paper.balance]]\nvenue = \"gate-x\"", 3, "no venue `gate-x`");
    let path = write(dir.path(), "paper.toml", &good);
    let path = path.to_str().expect("a plain path");
    let done = run(crossgate(dir.path()).args(["run", "-c", path, "--live", "--no-tui", "--for", "1s"])).expect(2);
    assert!(done.stderr.contains("--live needs mode"), "{}", done.stderr);
}

#[test]
fn reconcile_compares_without_trading_and_finds_what_moved() {
    let dir = dir();
    let sim = Sim::start(dir.path(), &["--seed", "5"]);
    let path = write(dir.path(), "live.toml", &live(&sim.venues));
    let config = path.to_str().expect("a plain path");
    let (_, ran) = sim.run(dir.path(), &path, "8s");
    assert!(count(&ran, "deals") > 0, "{ran}");
    let orders = |sim: &Sim| sim.clients().iter().map(|client| client.finished_orders().len()).collect::<Vec<_>>();
    let before = orders(&sim);
    let done = run(&mut sim.engine(dir.path(), &["reconcile", "-c", config, "--json"])).expect(0);
    let json = done.json();
    assert_eq!(json["reconciled"], true, "{json}");
    assert_eq!((count(&json, "orders_unknown"), count(&json, "fills_booked")), (0, 0), "{json}");
    assert!(json["balances"].as_array().is_some_and(|b| !b.is_empty() && b.iter().all(|line| line["equal"] == true)), "{json}");
    assert_eq!(orders(&sim), before, "nothing was placed");
    // The text form says the same.
    let text = run(&mut sim.engine(dir.path(), &["reconcile", "-c", config])).expect(0).stdout;
    assert!(text.contains("Orders resolved 0") && !text.contains('≠'), "{text}");
}

#[test]
fn reconcile_after_a_kill_books_what_the_log_missed_and_leaves_the_venues_alone() {
    let dir = dir();
    let sim = Sim::start(dir.path(), &["--seed", "3"]);
    let path = write(dir.path(), "live.toml", &live(&sim.venues));
    let config = path.to_str().expect("a plain path");
    // Killed between the decision and its outcome, as near as a watcher of the log lines gets to it.
    let engine = Running::start(&mut sim.engine(dir.path(), &["run", "-c", config, "--live", "--no-tui", "--json"]));
    engine.wait_for("deal 3: buy", LIMIT);
    engine.signal(Signal::KILL);
    engine.end();
    let placed = |sim: &Sim| sim.clients().iter().map(|c| c.finished_orders().len() + c.open_orders().len()).collect::<Vec<_>>();
    let before = placed(&sim);
    let done = run(&mut sim.engine(dir.path(), &["reconcile", "-c", config, "--json"]));
    // 6 where the kill left one leg without the other: `run` closes that, `reconcile` only tells.
    assert!(matches!(done.code, Some(0 | 6)), "{done:?}");
    let json = done.json();
    assert_eq!(count(&json, "orders_unknown"), 0, "{json}");
    assert!(json["balances"].as_array().is_some_and(|b| !b.is_empty() && b.iter().all(|line| line["equal"] == true)), "{json}");
    assert_eq!(placed(&sim), before, "nothing was placed");
    // The next run starts from what was learnt and ends in order.
    let (_, ran) = sim.run(dir.path(), &path, "5s");
    assert_eq!(ran["reconciled"], true, "{ran}");
    sim.assert_balances(&ran);
}

#[test]
fn doctor_tells_everything_that_a_venue_tells() {
    let dir = dir();
    let sim = Sim::start(dir.path(), &["--seed", "5"]);
    let path = write(dir.path(), "live.toml", &live(&sim.venues));
    let config = path.to_str().expect("a plain path");
    let checks = run(&mut sim.engine(dir.path(), &["doctor", "-c", config, "--json"])).expect(0).json();
    let of =
        |id: &str| checks["checks"].as_array().expect("a list").iter().filter(|c| c["id"] == id).cloned().collect::<Vec<_>>();
    for id in [
        "clock",
        "reach_rest",
        "reach_ws",
        "auth",
        "withdraw_right",
        "account_mode",
        "fee_tier",
        "fee_token",
        "rate_headroom",
        "dead_man",
    ] {
        let found = of(id);
        assert_eq!(found.len(), 2, "{id} for each venue: {checks}");
        assert!(found.iter().all(|c| c["status"] == "ok"), "{id}: {found:?}");
    }
    assert!(of("account_mode").iter().all(|c| c["detail"].as_str().is_some_and(|d| d.contains("classic"))), "{checks}");
    assert!(of("fee_token").iter().all(|c| c["detail"].as_str().is_some_and(|d| d.contains("10 bps"))), "{checks}");
    // Limits that no order can meet are found before they puzzle anybody.
    let text = live(&sim.venues).replace("\"2500\"", "\"2\"");
    let path = write(dir.path(), "small.toml", &text);
    let done = run(&mut sim.engine(dir.path(), &["doctor", "-c", path.to_str().expect("a plain path"), "--json"])).expect(1);
    let small = done.json();
    let told = |c: &Value| {
        c["id"] == "rules" && c["status"] == "fail" && c["detail"].as_str().is_some_and(|d| d.contains("no order below"))
    };
    assert!(small["checks"].as_array().is_some_and(|list| list.iter().any(told)), "{small}");
}
