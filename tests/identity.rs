//! Whether assets are the same and can be moved, through the real binary: three simulated exchanges that publish chains and contracts
//! each in its own way, what a person attests, and routes that are ruled out.

#[path = "support/mod.rs"]
mod support;

use serde_json::Value;
use support::config::write;
use support::process::{crossgate, run};
use support::{count, dir};

/// Three exchanges, with further lines.
fn three(pairs: &[&str], strategy: &str, more: &str) -> String {
    let mut text = format!(
        "mode = \"sim\"\nseed = 5\n[state]\ndir = \"state\"\n[ops]\nlisten = \"\"\n[strategy]\nidentity_required = true\n{strategy}\n"
    );
    for kind in ["gate", "binance", "bybit"] {
        text += &format!("[[venue]]\nid = \"{kind}\"\nkind = \"{kind}\"\n");
    }
    for pair in pairs {
        text += &format!("[[pair]]\nsymbol = \"{pair}\"\n");
    }
    text + more
}

#[track_caller]
fn check<'a>(doctor: &'a Value, id: &str, venue: Option<&str>) -> &'a Value {
    let checks = doctor["checks"].as_array().expect("checks");
    let found = checks.iter().find(|check| check["id"] == id && check["venue"].as_str() == venue);
    found.unwrap_or_else(|| panic!("no check {id} of {venue:?}: {doctor}"))
}

#[test]
fn what_three_exchanges_publish_proves_their_assets() {
    let dir = dir();
    let file = write(dir.path(), "three.toml", &three(&["BTC/USDT", "ETH/USDT"], "transfers_required = true", ""));
    let doctor = run(crossgate(dir.path()).args(["doctor", "--json", "-c"]).arg(&file)).expect(0).json();
    let of_all = check(&doctor, "rules", None);
    assert_eq!((&of_all["status"], &of_all["detail"]), (&"ok".into(), &"3 assets are the same wherever they meet".into()));
    for venue in ["gate", "binance", "bybit"] {
        assert_eq!(check(&doctor, "rules", Some(venue))["status"], "ok", "{doctor}");
    }
    let done = run(crossgate(dir.path()).args(["run", "--for", "8s", "--no-tui", "--json", "-c"]).arg(&file)).expect(0);
    assert!(!done.stderr.contains("not traded"), "{}", done.stderr);
    let json = done.json();
    assert!(count(&json, "deals") > 0 && json["reconciled"] == true, "{json}");
    assert_eq!(json["verdicts"]["not_tradable_kind"], Value::Null, "{json}");
}

#[test]
fn another_unit_is_told_and_kept_out_of() {
    let dir = dir();
    let unit = "[[identity]]\nasset = \"BTC\"\nvenue = \"bybit\"\nnamed = \"1000BTC\"\nmultiplier = 1000\n";
    let file = write(dir.path(), "unit.toml", &three(&["BTC/USDT", "ETH/USDT"], "", unit));
    let doctor = run(crossgate(dir.path()).args(["doctor", "--json", "-c"]).arg(&file)).expect(1).json();
    let identity = check(&doctor, "rules", None);
    assert_eq!(identity["status"], "fail");
    assert!(identity["detail"].as_str().is_some_and(|text| text.contains("1000BTC on bybit is 1000 of ours")), "{identity}");
    let done = run(crossgate(dir.path()).args(["run", "--for", "6s", "--no-tui", "--json", "-c"]).arg(&file)).expect(0);
    let told: Vec<&str> = done.stderr.lines().filter(|line| line.contains("not traded: BTC/USDT")).collect();
    assert_eq!(told.len(), 4, "both ways between bybit and each of the others: {}", done.stderr);
    assert!(!done.stderr.contains("not traded: ETH/USDT") && !done.stderr.contains("from gate to binance"), "{}", done.stderr);
    // What was ruled out stands in the log: a replay decides alike.
    let replay = run(crossgate(dir.path()).args(["replay", "state", "--verify", "--json"])).expect(0).json();
    assert_eq!(replay["verified"], true, "{replay}");
}

#[test]
fn no_route_left_is_an_end_with_one_sentence() {
    let dir = dir();
    let units: String = ["binance", "bybit"]
        .map(|venue| format!("[[identity]]\nasset = \"BTC\"\nvenue = \"{venue}\"\nnamed = \"1000BTC\"\nmultiplier = 1000\n"))
        .concat();
    let file = write(dir.path(), "none.toml", &three(&["BTC/USDT"], "", &units));
    let done = run(crossgate(dir.path()).args(["run", "--for", "6s", "--no-tui", "-c"]).arg(&file)).expect(3);
    assert!(
        done.complaint().contains("no route is left to trade") && done.complaint().contains("[[identity]]"),
        "{}",
        done.stderr
    );
}

#[test]
fn vetoes_of_a_person_hold() {
    let dir = dir();
    let all: String = [
        ("gate", "binance"),
        ("binance", "gate"),
        ("gate", "bybit"),
        ("bybit", "gate"),
        ("binance", "bybit"),
        ("bybit", "binance"),
    ]
    .map(|(buy, sell)| format!("[[veto]]\nsymbol = \"BTC/USDT\"\nbuy = \"{buy}\"\nsell = \"{sell}\"\nreason = \"not today\"\n"))
    .concat();
    let file = write(dir.path(), "veto.toml", &three(&["BTC/USDT"], "", &all));
    let json = run(crossgate(dir.path()).args(["run", "--for", "6s", "--no-tui", "--json", "-c"]).arg(&file)).expect(0).json();
    assert_eq!((count(&json, "deals"), count(&json, "orders_sent")), (0, 0), "{json}");
    assert!(count(&json["verdicts"], "not_tradable_kind") > 0, "{json}");
}

#[test]
fn mistakes_in_what_is_attested_are_told_with_file_and_line() {
    let dir = dir();
    let wrong = |more: &str, parts: &[&str]| {
        let file = write(dir.path(), "wrong.toml", &three(&["BTC/USDT"], "", more));
        let done = run(crossgate(dir.path()).args(["config", "check", "-c"]).arg(&file)).expect(3);
        assert!(parts.iter().all(|part| done.complaint().contains(part)), "{more}: {}", done.stderr);
    };
    wrong("[[identity]]\nasset = \"BTC\"\nvenue = \"okx\"\n", &["identity[0].venue", "no venue `okx`"]);
    wrong("[[identity]]\nasset = \"DOGE\"\nvenue = \"gate\"\n", &["identity[0].asset", "`DOGE`"]);
    wrong("[[identity]]\nasset = \"BTC\"\nvenue = \"gate\"\nmultiplier = 0\n", &["identity[0].multiplier"]);
    wrong("[[identity]]\nasset = \"BTC\"\nvenue = \"gate\"\nnamed = \"XBT\"\n", &["identity[0].named", "one name"]);
    let twice = "[[identity]]\nasset = \"BTC\"\nvenue = \"gate\"\n";
    wrong(&[twice, twice].concat(), &["identity[1].asset", "twice"]);
    wrong("[[veto]]\nsymbol = \"DOGE/USDT\"\nbuy = \"gate\"\nsell = \"bybit\"\n", &["veto[0].symbol"]);
    wrong("[[veto]]\nsymbol = \"BTC/USDT\"\nbuy = \"gate\"\nsell = \"okx\"\n", &["veto[0].sell"]);
}
