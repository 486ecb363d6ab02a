//! The command line of the real binary: every wrong input ends before any connection with its exit code and one sentence that
//! names the key, the file and line, and what to do. What a live run needs besides a right file is in `keys.rs`.
//!
//! Start at [`refused`]: one wrong line in a right file.

#[path = "support/mod.rs"]
mod support;

use serde_json::Value;
use std::time::{Duration, Instant};
use support::config::{DEMO, TESTNET, gates, live, live_file, replaced, two_venues_on, write};
use support::dir;
use support::process::{assert_one_sentence, crossgate, run};

/// `config check` and `run` refuse `text`, at the line that holds `marker`, saying all of `parts`.
#[track_caller]
fn refused(text: &str, marker: &str, parts: &[&str]) {
    let dir = dir();
    write(dir.path(), "wrong.toml", text);
    let line = text.lines().position(|line| line.contains(marker)).expect("the marker is in the text") + 1;
    let begins = format!("wrong.toml:{line}: ");
    let check = run(crossgate(dir.path()).args(["config", "check", "-c", "wrong.toml"]));
    assert_one_sentence(check, dir.path(), &begins, parts);
    let mut command = crossgate(dir.path());
    command.args(["run", "-c", "wrong.toml", "--for", "1s", "--json"]);
    if text.contains("mode = \"live\"") {
        command.arg("--live");
    }
    assert_one_sentence(run(&mut command), dir.path(), &begins, parts);
}

/// As [`refused`], for the two Gates' file with one replacement; the marker is what is put in.
#[track_caller]
fn gates_refused(from: &str, to: &str, parts: &[&str]) {
    refused(&gates(&[(from, to)]), to.lines().last().expect("a line"), parts);
}

#[test]
fn unknown_keys_are_refused_with_what_is_known() {
    gates_refused("seed = 1", "sede = 1", &["unknown field `sede`", "`seed`", "correct its spelling"]);
    gates_refused("min_edge_bps", "min_egde_bps", &["unknown field `min_egde_bps`", "`min_edge_bps`"]);
    gates_refused("order_value_max", "order_value_limit", &["unknown field `order_value_limit`"]);
    gates_refused("kind = \"gate\"", "kind = \"gate\"\nhost = \"x\"", &["unknown field `host`"]);
    gates_refused("[risk]", "[risks]", &["unknown field `risks`"]);
}

#[test]
fn missing_keys_are_refused_at_their_section() {
    refused(&gates(&[("order_value_max = \"2500\"", "")]), "[risk]", &["missing field `order_value_max`", "add it"]);
    refused(&gates(&[("symbol = \"BTC/USDT\"", "")]), "[[pair]]", &["missing field `symbol`", "add it"]);
    refused(&gates(&[("dir = \"state\"", "")]), "[state]", &["missing field `dir`", "add it"]);
}

#[test]
fn wrong_units_are_refused_with_the_key_and_the_right_form() {
    for (from, to) in [
        ("book_age_max = \"1s\"", "book_age_max = \"1\""),
        ("book_age_max = \"1s\"", "book_age_max = \"1 s\""),
        ("book_age_max = \"1s\"", "book_age_max = \"1.5s\""),
        ("book_age_max = \"1s\"", "book_age_max = 1"),
        ("book_age_max = \"1s\"", "book_age_max = \"1d\""),
    ] {
        gates_refused(from, to, &["strategy.book_age_max: ", "no duration", "whole number"]);
    }
    gates_refused("min_edge_bps = \"2\"", "min_edge_bps = 2.5", &["strategy.min_edge_bps: ", "basis points as a string"]);
    gates_refused("min_edge_bps = \"2\"", "min_edge_bps = \"2 %\"", &["strategy.min_edge_bps: ", "no decimal number"]);
    gates_refused("min_edge_bps = \"2\"", "min_edge_bps = \"2000\"", &["strategy.min_edge_bps: ", "percentage"]);
    gates_refused("daily_loss_max = \"1000\"", "daily_loss_max = \"-1\"", &["risk.daily_loss_max: ", "negative"]);
    gates_refused("daily_loss_max = \"1000\"", "daily_loss_max = 1000.0", &["risk.daily_loss_max: ", "as a string"]);
    gates_refused("open_deals_max = 4", "open_deals_max = \"4\"", &["risk.open_deals_max: ", "u32"]);
    gates_refused("seed = 1", "seed = -1", &["seed: "]);
    gates_refused("mode = \"sim\"", "mode = \"simulated\"", &["mode: ", "`sim`"]);
}

#[test]
fn text_that_is_no_toml_is_refused_with_its_line() {
    gates_refused("mode = \"sim\"", "mode = \"sim", &["mode: "]);
    gates_refused("[state]", "[state", &[]);
    gates_refused("seed = 1", "mode = \"sim\" # again", &["duplicate key"]);
}

#[test]
fn pairs_that_are_malformed_or_unknown_are_refused() {
    for wrong in ["btc/usdt", "BTCUSDT", "BTC/", "BTC/USDT/X", "", "BTC\u{2215}USDT"] {
        let to = format!("symbol = \"{wrong}\"");
        gates_refused("symbol = \"BTC/USDT\"", &to, &["pair[0].symbol: ", "no symbol", "BASE/QUOTE"]);
    }
    gates_refused("symbol = \"BTC/USDT\"", "symbol = \"BTC/USDT:USDT\"", &["pair[0].symbol: ", "only spot pairs"]);
    gates_refused("symbol = \"ETH/USDT\"", "symbol = \"BTC_USDT\"", &["pair[1].symbol: ", "used twice"]);
}

#[test]
fn a_pair_that_no_venue_lists_is_refused_with_its_line() {
    let dir = dir();
    let text = gates(&[("symbol = \"SOL/USDT\"", "symbol = \"DOGE/USDT\"")]);
    write(dir.path(), "doge.toml", &text);
    let line = text.lines().position(|line| line.contains("DOGE")).expect("it is there") + 1;
    let done = run(crossgate(dir.path()).args(["run", "-c", "doge.toml", "--for", "1s"]));
    let begins = format!("doge.toml:{line}: pair[2].symbol: ");
    assert_one_sentence(done, dir.path(), &begins, &["the simulator has no such pair", "BTC/USDT"]);

    // The same against venues of their own, which say themselves what they list.
    let sim = support::venue::Sim::start(dir.path(), &[]);
    let text = replaced(&live(&sim.venues), "symbol = \"SOL/USDT\"", "symbol = \"DOGE/USDT\"");
    let path = write(dir.path(), "doge-live.toml", &text);
    let line = text.lines().position(|line| line.contains("DOGE")).expect("it is there") + 1;
    let arguments = ["run", "-c", path.to_str().expect("a plain path"), "--live", "--for", "1s"];
    let done = run(&mut sim.engine(dir.path(), &arguments)).expect(3);
    let complaints = done.stderr.lines().filter(|line| line.starts_with("crossgate: ")).count();
    assert_eq!(complaints, 1, "one sentence, after what is at stake: {}", done.stderr);
    let complaint = done.complaint();
    assert!(
        complaint.contains(&format!("doge-live.toml:{line}: pair[2].symbol: DOGE/USDT is not listed on venue `gate-a`")),
        "{complaint}"
    );
    assert!(complaint.contains("remove it or correct its spelling"), "{complaint}");
}

#[test]
fn venues_that_are_unknown_unencrypted_or_foreign_are_refused() {
    gates_refused("kind = \"gate\"", "kind = \"kraken\"", &["venue[0].kind: ", "no exchange `kraken`", "known: gate"]);
    gates_refused("id = \"gate-b\"", "id = \"gate-a\" # again", &["venue[1].id: ", "used twice"]);
    gates_refused("id = \"gate-b\"", "id = \"Gate B\"", &["venue[1].id: ", "[a-z0-9-]"]);
    gates_refused("book_channel = \"order_book\"", "book_channel = \"book\"", &["venue[0].book_channel: ", "known: order_book"]);
    gates_refused(
        "kind = \"gate\"",
        "kind = \"gate\"\nrest = \"http://api.example.com\"",
        &["venue[0].rest: ", "not encrypted", "use https://"],
    );
    gates_refused(
        "kind = \"gate\"",
        "kind = \"gate\"\nws = \"ws://api.example.com/ws/v4/\"",
        &["venue[0].ws: ", "not encrypted", "use wss://"],
    );
    gates_refused(
        "kind = \"gate\"",
        "kind = \"gate\"\nrest = \"https://api.example.com\"",
        &["venue[0].rest: ", "mode `sim` talks to loopback hosts only", "remove the key"],
    );
    gates_refused("kind = \"gate\"", "kind = \"gate\"\nrest = \"ftp://127.0.0.1\"", &["venue[0].rest: ", "no https:// URL"]);
    gates_refused("kind = \"gate\"", "kind = \"gate\"\nca_file = \"ca.pem\"", &["venue[0].ca_file: ", "loopback hosts only"]);
    // Names that only look like loopback.
    for host in
        ["http://127.0.0.1.example.com", "http://localhost.example.com", "http://127.0.0.1@example.com", "http://10.0.0.1"]
    {
        gates_refused("kind = \"gate\"", &format!("kind = \"gate\"\nrest = \"{host}\""), &["venue[0].rest: "]);
    }
}

#[test]
fn a_private_host_is_named_where_the_public_one_does_not_carry_private_streams() {
    // On live hosts, on a relay of one's own, and for demo accounts; only where keys are used.
    let venue = |kind: &str, rest: &str, ws: &str| {
        format!("\n[[venue]]\nid = \"third\"\nkind = \"{kind}\"\nrest = \"{rest}\"\nws = \"{ws}\"\n")
    };
    for (kind, rest, ws, belongs) in [
        ("binance", "https://api.binance.com", "wss://stream.binance.com:9443", "wss://ws-api.binance.com:443/ws-api/v3"),
        (
            "binance",
            "https://testnet.binance.vision",
            "wss://stream.testnet.binance.vision",
            "wss://ws-api.testnet.binance.vision/ws-api/v3",
        ),
        ("binance", "http://127.0.0.1:1", "ws://127.0.0.1:1/stream", "wss://ws-api.binance.com:443/ws-api/v3"),
        ("bybit", "https://api-demo.bybit.com", "wss://stream.bybit.com", "wss://stream-demo.bybit.com"),
    ] {
        let small =
            live(&two_venues_on(1)).replace("\"2500\"", "\"25\"").replace("\"10000\"", "\"50\"").replace("\"1000\"", "\"10\"");
        let text = replaced(&small, "open_deals_max = 4", "open_deals_max = 1") + &venue(kind, rest, ws);
        refused(&text, &format!("ws = \"{ws}\""), &["venue[2].ws: ", "carries no private streams", "set `private_ws`", belongs]);
        let dir = dir();
        write(dir.path(), "named.toml", &(text.clone() + &format!("private_ws = \"{belongs}\"\n")));
        run(crossgate(dir.path()).args(["config", "check", "-c", "named.toml"])).expect(0);
        write(dir.path(), "paper.toml", &replaced(&text, "mode = \"live\"", "mode = \"paper\""));
        run(crossgate(dir.path()).args(["config", "check", "-c", "paper.toml"])).expect(0);
    }
}

#[test]
fn limits_are_required_in_live_and_bounded_everywhere() {
    let dir = dir();
    let text = live(&two_venues_on(1));
    let (before, after) = text.split_once("[risk]").expect("it has limits");
    let (_, venues) = after.split_once("[[venue]]").expect("it has venues");
    write(dir.path(), "wrong.toml", &format!("{before}[[venue]]{venues}"));
    for command in [&["config", "check", "-c", "wrong.toml"][..], &["run", "-c", "wrong.toml", "--live"]] {
        let done = run(crossgate(dir.path()).args(command));
        assert_one_sentence(done, dir.path(), "wrong.toml: risk: ", &["every limit is required", "add a [risk] section"]);
    }
    let without_one = replaced(&text, "daily_loss_max = \"1000\"", "");
    refused(&without_one, "[risk]", &["missing field `daily_loss_max`", "add it"]);
    for (key, from) in [
        ("order_value_max", "order_value_max = \"2500\""),
        ("deal_value_max", "deal_value_max = \"2500\""),
        ("unhedged_value_max", "unhedged_value_max = \"10000\""),
        ("daily_loss_max", "daily_loss_max = \"1000\""),
    ] {
        let named = format!("risk.{key}: `{key}` ");
        gates_refused(from, &format!("{key} = \"0\""), &[&named, "above zero"]);
        gates_refused(from, &format!("{key} = \"100000000\""), &[&named, "above the ceiling"]);
    }
    for (key, from) in [("open_deals_max", "open_deals_max = 4"), ("orders_per_second_max", "orders_per_second_max = 20")] {
        let named = format!("risk.{key}: `{key}` ");
        gates_refused(from, &format!("{key} = 0"), &[&named, "above zero"]);
        gates_refused(from, &format!("{key} = 100000"), &[&named, "above the ceiling"]);
    }
    gates_refused(
        "unhedged_value_max = \"10000\"",
        "unhedged_value_max = \"100\"",
        &["risk.unhedged_value_max: ", "deal_value_max"],
    );
}

#[test]
fn the_environment_outranks_the_file_and_is_named_when_it_is_wrong() {
    let dir = dir();
    write(dir.path(), "demo.toml", &gates(&[]));
    let with = |name: &str, value: &str, arguments: &[&str]| run(crossgate(dir.path()).args(arguments).env(name, value));
    let print = ["config", "print", "-c", "demo.toml", "--json"];
    let value = with("CROSSGATE__STRATEGY__MIN_EDGE_BPS", "7.5", &print).expect(0).json();
    assert_eq!(value["strategy"]["min_edge_bps"], "7.5");
    let value = with("CROSSGATE__SEED", "42", &print).expect(0).json();
    assert_eq!(value["seed"], 42);

    let check = ["config", "check", "-c", "demo.toml"];
    for (name, wrong, parts) in [
        ("CROSSGATE__STRATEGY__MIN_EDGE_BPS", "two", ["strategy.min_edge_bps: ", "no decimal number"]),
        ("CROSSGATE__STRATEGY__MIN_EGDE_BPS", "2", ["strategy.min_egde_bps: unknown field", "correct its spelling"]),
        ("CROSSGATE__SEED__X", "1", ["no such key", "CROSSGATE__SECTION__KEY"]),
        ("CROSSGATE__", "1", ["no such key", "CROSSGATE__SECTION__KEY"]),
        ("CROSSGATE__OPS__LISTEN", "nowhere", ["ops.listen: ", "127.0.0.1:9464"]),
        ("CROSSGATE__RISK__DAILY_LOSS_MAX", "0", ["risk.daily_loss_max: ", "above zero"]),
        ("CROSSGATE__PAPER__VALUE", "-1", ["paper.value: ", "is negative"]),
    ] {
        assert_one_sentence(with(name, wrong, &check), dir.path(), &format!("environment variable {name}"), &parts);
    }
}

#[test]
fn files_that_can_not_be_read_are_named() {
    let dir = dir();
    for (file, why) in [("missing.toml", "No such file"), (".", "directory")] {
        for command in [&["config", "check"][..], &["run"], &["sim"], &["doctor"], &["status"], &["config", "print"]] {
            let done = run(crossgate(dir.path()).args(command).args(["-c", file]));
            assert_one_sentence(
                done,
                dir.path(),
                &format!("{file}: can't read the configuration"),
                &[why, "name a file with -c"],
            );
        }
    }
    std::fs::write(dir.path().join("binary.toml"), [0xff, 0xfe, 0x00]).expect("the file can be written");
    let done = run(crossgate(dir.path()).args(["config", "check", "-c", "binary.toml"]));
    assert_one_sentence(done, dir.path(), "binary.toml: can't read", &["UTF-8"]);
}

#[test]
fn live_hosts_need_small_limits_or_a_word_that_lifts_them() {
    let dir = dir();
    let go = ["run", "-c", "hosts.toml", "--live", "--for", "1s"];
    let shipped = live_file();
    // As shipped it is within the caps, and says what is at stake.
    write(dir.path(), "hosts.toml", &shipped);
    let check = run(crossgate(dir.path()).args(["config", "check", "-c", "hosts.toml"])).expect(0);
    let hosts = [
        "https://api.gateio.ws",
        "https://api.binance.com, wss://stream.binance.com:9443, wss://ws-api.binance.com:443/ws-api/v3",
        "https://api.bybit.com, wss://stream.bybit.com",
    ];
    for part in hosts.into_iter().chain(["LIVE, real money", "one order at most 25", "1 deal open at once", "a loss of 10"]) {
        assert!(check.stdout.contains(part), "`{part}` should be said: {}", check.stdout);
    }
    let json = run(crossgate(dir.path()).args(["config", "check", "-c", "hosts.toml", "--json"])).expect(0).json();
    assert_eq!((&json["valid"], &json["real_money"]["hosts"][0]["class"]), (&true.into(), &"live".into()), "{json}");
    assert_eq!(json["real_money"]["risk"]["order_value_max"], "25");
    assert!(check.stdout.contains("Limits, in USDT:"), "{}", check.stdout);
    // The caps are dollars: so many bitcoin are not small.
    write(dir.path(), "bitcoin.toml", &replaced(&shipped, "\norder_value_max", "\nreference = \"BTC\"\norder_value_max"));
    let done = run(crossgate(dir.path()).args(["config", "check", "-c", "bitcoin.toml"]));
    let said = ["risk.reference: the caps on live hosts are dollars, and these limits are in BTC", "live_caps_lifted = true"];
    assert_one_sentence(done, dir.path(), "bitcoin.toml", &said);
    // Without the flag nothing happens; with it, keys are asked for.
    let done = run(crossgate(dir.path()).args(["run", "-c", "hosts.toml"])).expect(2);
    assert!(done.complaint().contains("add --live"), "{}", done.stderr);
    let done = run(crossgate(dir.path()).args(go));
    assert_one_sentence(done, dir.path(), "hosts.toml:", &["venue[0].key_env: ", "GATE_API_KEY", "not set"]);

    // Each limit above its cap is named with the word that lifts it, on whatever is not surely a test network.
    let testnet = replaced(TESTNET, "dir = \".crossgate/testnet\"", "dir = \"state\"");
    let rest = "rest = \"https://api-testnet.gateapi.io\"";
    let ws = "ws = \"wss://ws-testnet.gate.com/v4/ws/spot\"";
    let unknown_host = replaced(&testnet, rest, "rest = \"https://api-testnet.gateapi.io.example.com\"");
    let one_live_socket = replaced(&testnet, ws, &format!("{ws}\nprivate_ws = \"wss://api.gateio.ws/ws/v4/\""));
    let unnamed = replaced(&replaced(&testnet, rest, ""), ws, "");
    for text in [&unknown_host, &one_live_socket, &unnamed] {
        refused(text, "order_value_max = \"50\"", &["risk.order_value_max: 50 is above 25", "live_caps_lifted = true"]);
    }
    for (key, within, above) in [
        ("order_value_max", "order_value_max = \"25\"", "order_value_max = \"25.000001\""),
        ("deal_value_max", "deal_value_max = \"25\"", "deal_value_max = \"26\""),
        ("unhedged_value_max", "unhedged_value_max = \"50\"", "unhedged_value_max = \"51\""),
        ("daily_loss_max", "daily_loss_max = \"10\"", "daily_loss_max = \"10.5\""),
        ("open_deals_max", "open_deals_max = 1", "open_deals_max = 2"),
    ] {
        let text = replaced(&shipped, within, above);
        refused(&text, above, &[&format!("risk.{key}: "), "the cap on live hosts", "live_caps_lifted = true"]);
        let lifted = replaced(&text, "live_caps_lifted = false", "live_caps_lifted = true");
        write(dir.path(), "hosts.toml", &lifted);
        let check = run(crossgate(dir.path()).args(["config", "check", "-c", "hosts.toml"])).expect(0);
        assert!(check.stdout.contains("the small caps on live hosts are lifted"), "{}", check.stdout);
    }
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_is_right() {
    let dir = dir();
    for (arguments, part) in [
        (&["frobnicate"][..], "frobnicate"),
        (&["run", "--fro"], "--fro"),
        (&["run", "--for", "5"], "such as \"250ms\""),
        (&["run", "--for"], "--for"),
        (&["run", "--seed", "x"], "--seed"),
        (&["config"], "check"),
        (&["config", "check"], "--config"),
        (&["record", "-c", "x.toml"], "--out"),
        (&["resume"], "--reason"),
        (&["resume", "--reason", " "], "--reason must say why"),
        (&["resume", "--reason", "x", "--state-dir", "nowhere"], "nowhere is no run directory"),
        (&["halt", "--ops", "nowhere"], "--ops 127.0.0.1:9464"),
        (&["replay"], "--tape"),
        (&["replay", "nowhere"], "nowhere is no run directory"),
        (&["replay", ".", "--tape", "venue=gate,format=crossgate:x"], "not both"),
        (&["replay", "--verify", "--tape", "venue=gate,format=crossgate:x"], "--verify"),
        (&["replay", ".", "--verify", "-c", "x.toml"], "use one of them"),
        (&["replay", "--epoch", "1", "--tape", "venue=gate,format=crossgate:x"], "--epoch names a part of a run directory"),
        (&["replay", "--tape", "x"], "venue=KIND[:ID]"),
        (&["replay", "--tape", "venue=gate,pair=BTC/USDT,format=tar:x"], "format is crossgate"),
        (&["replay", "--tape", "venue=kraken,pair=BTC/USDT,format=cryptofeed:x"], "no exchange `kraken`"),
        (&["sim", "--listen", "nowhere"], "127.0.0.1:0"),
        (&["sim", "--listen", "0.0.0.0:0"], "loopback addresses only"),
        (&["sim", "--venue", "kraken"], "known: gate"),
        (&["sim", "--venue", "gate:a", "--venue", "gate:a"], "used twice"),
        (&["sim", "--venue", "gate:"], "is no id"),
        (&["sim", "--venue", "gate:A b"], "visible ASCII"),
    ] {
        let done = run(crossgate(dir.path()).args(arguments)).expect(2);
        assert_eq!(done.stdout, "", "{arguments:?}");
        assert!(done.stderr.contains(part), "{arguments:?} should say `{part}`: {}", done.stderr);
    }
}

#[test]
fn what_fails_without_being_wrong_ends_with_1() {
    let dir = dir();
    for (arguments, part) in [
        (&["status", "--ops", "127.0.0.1:1"][..], "no engine answers at 127.0.0.1:1"),
        (&["halt", "--ops", "127.0.0.1:1"], "is it running"),
        (&["resume", "--ops", "127.0.0.1:1", "--reason", "x"], "is it running"),
        (&["replay", "."], "nothing was run there"),
        (&["replay", "--tape", "venue=gate,pair=BTC/USDT,format=cryptofeed:nowhere"], "nowhere"),
    ] {
        let done = run(crossgate(dir.path()).args(arguments)).expect(1);
        assert_eq!(done.stdout, "", "{arguments:?}");
        assert_eq!(done.stderr.lines().count(), 1, "one sentence: {}", done.stderr);
        assert!(done.complaint().contains(part), "{arguments:?} should say `{part}`: {}", done.stderr);
    }
}

#[test]
fn help_and_version_are_answers_and_no_failures() {
    let dir = dir();
    let version = run(crossgate(dir.path()).arg("--version")).expect(0);
    assert_eq!((version.stdout.as_str(), version.stderr.as_str()), (concat!("crossgate ", env!("CARGO_PKG_VERSION")), ""));
    let help = run(crossgate(dir.path()).arg("--help")).expect(0);
    assert_eq!(help.stderr, "");
    for word in [
        "Without a command: the demo",
        "run",
        "sim",
        "record",
        "replay",
        "config",
        "doctor",
        "status",
        "halt",
        "resume",
        "drain",
        "flatten",
    ] {
        assert!(help.stdout.contains(word), "`{word}` is missing: {}", help.stdout);
    }
    let help = run(crossgate(dir.path()).args(["run", "--help"])).expect(0);
    for flag in ["--config", "--for", "--live", "--no-tui", "--seed", "--json", "--state-dir", "--faults"] {
        assert!(help.stdout.contains(flag), "`{flag}` is missing: {}", help.stdout);
    }
}

#[test]
fn a_right_file_is_checked_in_silence_and_printed_so_that_it_reads_back() {
    let dir = dir();
    write(dir.path(), "demo.toml", DEMO);
    write(dir.path(), "testnet.toml", TESTNET);
    for file in ["demo.toml", "testnet.toml"] {
        let done = run(crossgate(dir.path()).args(["config", "check", "-c", file])).expect(0);
        assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("", ""));
        let done = run(crossgate(dir.path()).args(["config", "check", "--json", "-c", file])).expect(0);
        assert_eq!(done.json(), serde_json::json!({"valid": true}));

        let printed = run(crossgate(dir.path()).args(["config", "print", "-c", file])).expect(0).stdout;
        write(dir.path(), "again.toml", &printed);
        let again = run(crossgate(dir.path()).args(["config", "print", "-c", "again.toml"])).expect(0).stdout;
        assert_eq!(printed, again, "what is printed is a whole configuration");
    }
    let schema = run(crossgate(dir.path()).args(["config", "schema"])).expect(0).json();
    for section in ["mode", "seed", "state", "ops", "venue", "pair", "strategy", "execution", "risk", "sim"] {
        assert!(schema["properties"][section].is_object(), "`{section}` is missing from the schema");
    }
}

#[test]
fn a_standard_error_that_takes_nothing_ends_no_engine() {
    let dir = dir();
    write(dir.path(), "demo.toml", &replaced(DEMO, "dir = \".crossgate/demo\"", "dir = \"state\""));
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a device that is always full");
    let mut command = crossgate(dir.path());
    command.args(["run", "-c", "demo.toml", "--for", "2s", "--no-tui", "--json", "-vv"]).stderr(full());
    let output = command.output().expect("it starts");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let json: Value = serde_json::from_slice(&output.stdout).expect("the report came");
    assert_eq!(json["reconciled"], true, "{json}");
    let status = crossgate(dir.path()).args(["config", "check", "-c", "nofile"]).stderr(full()).status().expect("it starts");
    assert_eq!(status.code(), Some(3));
}

/// A pager that waits, Ctrl-S, a log driver that blocks: the pipe is full within a moment, and stays so.
#[test]
fn a_standard_error_that_nobody_reads_holds_no_engine() {
    let dir = dir();
    write(dir.path(), "demo.toml", &replaced(DEMO, "dir = \".crossgate/demo\"", "dir = \"state\""));
    let mut command = crossgate(dir.path());
    command.env("CROSSGATE__OPS__LISTEN", "127.0.0.1:0");
    command.args(["run", "-c", "demo.toml", "--for", "2s", "--no-tui", "--json", "-vvv"]);
    let mut engine = command.spawn().expect("it starts");
    let unread = engine.stderr.take();
    let began = Instant::now();
    while engine.try_wait().expect("it can be asked").is_none() {
        if began.elapsed() > Duration::from_secs(60) {
            engine.kill().expect("it is there");
            panic!("it waits for whoever reads its standard error");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = engine.wait_with_output().expect("it ended");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let json: Value = serde_json::from_slice(&output.stdout).expect("the report came");
    assert_eq!(json["reconciled"], true, "{json}");
    // It was full, and what was said later found no room.
    let mut said = Vec::new();
    std::io::Read::read_to_end(&mut unread.expect("it is piped"), &mut said).expect("it can be read now");
    assert!(said.len() >= 60_000, "{} bytes", said.len());
}

#[test]
fn the_ops_address_of_the_environment_is_asked() {
    let dir = dir();
    // Nobody listens there: the sentence tells who was asked. Variables of other sections keep nobody from halting.
    let mut command = crossgate(dir.path());
    command.env("CROSSGATE__OPS__LISTEN", "127.0.0.1:1").env("CROSSGATE__MODE", "live").arg("halt");
    let done = run(&mut command).expect(1);
    assert!(done.complaint().starts_with("no engine answers at 127.0.0.1:1: "), "{}", done.stderr);
}

#[test]
fn doctor_tells_every_check_by_its_closed_name() {
    let dir = dir();
    write(dir.path(), "demo.toml", &replaced(DEMO, "dir = \".crossgate/demo\"", "dir = \"state\""));
    let doctor = run(crossgate(dir.path()).args(["doctor", "-c", "demo.toml", "--json"])).expect(0).json();
    let checks = doctor["checks"].as_array().expect("`checks` is a list");
    const IDS: [&str; 16] = [
        "config",
        "clock",
        "reach_rest",
        "reach_ws",
        "auth",
        "withdraw_right",
        "ip_binding",
        "account_mode",
        "rules",
        "fee_tier",
        "fee_token",
        "rate_headroom",
        "dead_man",
        "state_dir",
        "disk",
        "lock",
    ];
    for id in IDS {
        assert!(checks.iter().any(|check| check["id"] == id), "`{id}` is missing");
    }
    // With less room than a run asks for it says so.
    let full = crossgate(dir.path())
        .env("CROSSGATE__STATE__DISK_FREE_MIN", "1000000GiB")
        .args(["doctor", "-c", "demo.toml", "--json"])
        .output();
    let full: Value = serde_json::from_slice(&full.expect("it runs").stdout).expect("JSON");
    let disk = full["checks"].as_array().and_then(|checks| checks.iter().find(|check| check["id"] == "disk"));
    assert_eq!(disk.map(|disk| disk["status"].clone()), Some("fail".into()), "{full}");
    for check in checks {
        assert!(IDS.contains(&check["id"].as_str().expect("an id")), "not in the list: {check}");
        assert!(["ok", "warn", "skip"].contains(&check["status"].as_str().expect("a status")), "{check}");
        assert!(check["detail"].is_string() && check["fix"].is_string() && check.get("venue").is_some(), "{check}");
    }
    for (id, status) in [("clock", "ok"), ("auth", "ok"), ("rules", "ok"), ("withdraw_right", "ok"), ("reach_ws", "ok")] {
        let found: Vec<_> =
            checks.iter().filter(|c| c["id"] == id && c["venue"].is_string()).map(|c| c["status"].clone()).collect();
        assert_eq!(found, vec![Value::from(status); 3], "`{id}` of all venues");
    }
    let between = checks.iter().find(|c| c["id"] == "rules" && c["venue"].is_null()).expect("assets are compared between venues");
    assert!(between["status"] == "ok" && between["detail"].as_str().is_some_and(|d| d.contains("are the same")), "{between}");
}

/// A build with planted bugs says its marker at every start, so the marker's absence shows that this build has none.
#[cfg(not(feature = "mutants"))]
#[test]
fn the_binary_holds_no_planted_bug() {
    let marker = ["crossgate", "planted", "mutant"].join("-").into_bytes();
    let binary = std::fs::read(env!("CARGO_BIN_EXE_crossgate")).expect("the binary under test");
    assert!(binary.len() > 1 << 20, "this is the program");
    assert!(!binary.windows(marker.len()).any(|window| window == marker));
}

/// What is told of a failure is told to scripts too.
#[test]
fn json_says_what_is_wrong_with_a_file() {
    let dir = dir();
    write(dir.path(), "wrong.toml", "sede = 1\n");
    let done = run(crossgate(dir.path()).args(["config", "check", "--json", "-c", "wrong.toml"])).expect(3);
    let json = done.json();
    assert_eq!(json["valid"], false, "{json}");
    assert!(json["error"].as_str().is_some_and(|text| text.contains("unknown field `sede`")), "{json}");
    let done = run(crossgate(dir.path()).args(["doctor", "--json", "-c", "wrong.toml"])).expect(3);
    let json = done.json();
    assert_eq!((&json["checks"][0]["id"], &json["checks"][0]["status"]), (&"config".into(), &"fail".into()), "{json}");
    write(dir.path(), "live.toml", &live(&two_venues_on(1)));
    let done = run(crossgate(dir.path()).args(["doctor", "--json", "-c", "live.toml"])).expect(3);
    assert!(done.json()["checks"][0]["detail"].as_str().is_some_and(|text| text.contains("TEST_KEY_0")), "{}", done.stdout);
}

/// A mistake in the file must not stand between a person and the halt.
#[test]
fn a_file_with_a_mistake_keeps_nobody_from_its_engine() {
    let dir = dir();
    write(dir.path(), "wrong.toml", "sede = 1\n[ops]\nlisten = \"127.0.0.1:1\"\n");
    let done = run(crossgate(dir.path()).args(["halt", "-c", "wrong.toml"])).expect(1);
    assert!(done.complaint().starts_with("no engine answers at 127.0.0.1:1: "), "{}", done.stderr);
}

#[test]
fn an_answer_that_could_not_be_written_is_a_failure() {
    let dir = dir();
    write(dir.path(), "demo.toml", DEMO);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a device that is always full");
    let mut command = crossgate(dir.path());
    let output = command.args(["config", "print", "-c", "demo.toml"]).stdout(full).output().expect("it starts");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("standard output could not be written"), "{output:?}");
}
