//! Whether assets are the same and can be moved, through the real binary: three simulated exchanges that publish chains and contracts
//! each in its own way, what a person attests, routes that are ruled out, and assets that one venue names or counts otherwise.

#[path = "support/mod.rs"]
mod support;

use journal::tape::{FrameLink, TapeReader};
use serde_json::Value;
use std::path::Path;
use support::account::Unit;
use support::config::{live, replaced, write};
use support::process::{crossgate, run};
use support::state_log::StateLog;
use support::venue::Sim;
use support::{count, dir};

/// Bybit calls Bitcoin otherwise.
const XBT: &str = "[[identity]]\nasset = \"BTC\"\nvenue = \"bybit\"\nnamed = \"XBT\"\n";

/// Binance lists the coin by the thousand, as it does; a chain that proves it the same is published by none.
const BY_THE_THOUSAND: &str = "[[identity]]\nasset = \"SATS\"\nvenue = \"gate\"\n[[identity]]\nasset = \"SATS\"\nvenue = \"bybit\"\n\
    [[identity]]\nasset = \"SATS\"\nvenue = \"binance\"\nnamed = \"1000SATS\"\nmultiplier = 1000\n";

/// What every account holds of it, so that it can be sold.
const HELD: &str = "[[sim.balance]]\nasset = \"SATS\"\namount = \"400000000123\"\n";

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
fn what_is_not_known_to_be_the_same_is_told_and_kept_out_of() {
    let dir = dir();
    let attested = "[[identity]]\nasset = \"T001\"\nvenue = \"gate\"\n[[identity]]\nasset = \"T001\"\nvenue = \"binance\"\n";
    let file = write(dir.path(), "part.toml", &three(&["T001/USDT", "ETH/USDT"], "", attested));
    let doctor = run(crossgate(dir.path()).args(["doctor", "--json", "-c"]).arg(&file)).expect(1).json();
    let identity = check(&doctor, "rules", None);
    assert_eq!(identity["status"], "fail");
    assert!(identity["detail"].as_str().is_some_and(|text| text.contains("T001 between gate and bybit")), "{identity}");
    let done = run(crossgate(dir.path()).args(["run", "--for", "6s", "--no-tui", "--json", "-c"]).arg(&file)).expect(0);
    let told: Vec<&str> = done.stderr.lines().filter(|line| line.contains("not traded: T001/USDT")).collect();
    assert_eq!(told.len(), 4, "both ways between bybit and each of the others: {}", done.stderr);
    assert!(!done.stderr.contains("not traded: ETH/USDT") && !done.stderr.contains("from gate to binance"), "{}", done.stderr);
    // What was ruled out stands in the log: a replay decides alike.
    let replay = run(crossgate(dir.path()).args(["replay", "state", "--verify", "--json"])).expect(0).json();
    assert_eq!(replay["verified"], true, "{replay}");
}

#[test]
fn no_route_left_is_an_end_with_one_sentence() {
    let dir = dir();
    let file = write(dir.path(), "none.toml", &three(&["T001/USDT"], "", ""));
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
    wrong("[[identity]]\nasset = \"doge\"\nvenue = \"gate\"\n", &["identity[0].asset", "`doge` is no name of an asset"]);
    wrong("[[identity]]\nasset = \"BTC\"\nvenue = \"gate\"\nmultiplier = 0\n", &["identity[0].multiplier"]);
    let unit = |asset: &str, multiplier: &str| {
        format!("[[identity]]\nasset = \"{asset}\"\nvenue = \"gate\"\nnamed = \"K{asset}\"\nmultiplier = {multiplier}\n")
    };
    wrong(&unit("BTC", "1500"), &["identity[0].multiplier", "1500 is no power of ten"]);
    wrong(&unit("BTC", "-1000"), &["identity[0].multiplier"]);
    wrong(&unit("USDT", "1000"), &["identity[0].multiplier", "BTC/USDT is quoted in USDT"]);
    let same_name = "[[pair]]\nsymbol = \"GT/USDT\"\n[[identity]]\nasset = \"GT\"\nvenue = \"gate\"\nmultiplier = 10\n";
    wrong(same_name, &["identity[0].multiplier", "`GT` pays fees on `gate`"]);
    let both_k = unit("BTC", "1000") + "[[pair]]\nsymbol = \"KBTC/USDT\"\n";
    wrong(&both_k, &["identity[0].named", "can't be both BTC and KBTC"]);
    let named = |name: &str| format!("[[identity]]\nasset = \"BTC\"\nvenue = \"gate\"\nnamed = \"{name}\"\n");
    wrong(&named("x-bt"), &["identity[0].named", "`x-bt` is no name"]);
    wrong(&named("USDT"), &["identity[0].named", "`USDT` on `gate` can't be both BTC and USDT"]);
    wrong(&named("GT"), &["identity[0].named", "`GT` pays fees on `gate`"]);
    let both = named("XBT") + "[[identity]]\nasset = \"USDT\"\nvenue = \"gate\"\nnamed = \"XBT\"\n";
    wrong(&both, &["identity[0].named", "can't be both BTC and USDT"]);
    let twice = "[[identity]]\nasset = \"BTC\"\nvenue = \"gate\"\n";
    wrong(&[twice, twice].concat(), &["identity[1].asset", "twice"]);
    // The same of assets that no pair uses.
    let unused = |asset: &str, more: &str| format!("[[identity]]\nasset = \"{asset}\"\nvenue = \"gate\"\n{more}\n");
    wrong(&[unused("DOGE", ""), unused("DOGE", "")].concat(), &["identity[1].asset", "twice"]);
    wrong(&unused("DOGE", "multiplier = 15"), &["identity[0].multiplier", "15 is no power of ten"]);
    wrong(&unused("DOGE", "named = \"GT\""), &["identity[0].named", "`GT` pays fees on `gate`"]);
    wrong(&unused("DOGE", "named = \"BTC\""), &["identity[0].named", "can't be both DOGE and BTC"]);
    wrong(&[named("DOGE"), unused("DOGE", "")].concat(), &["identity[0].named", "can't be both BTC and DOGE"]);
    let both = [unused("DOGE", "named = \"DOG\""), unused("PEPE", "named = \"DOG\"")].concat();
    wrong(&both, &["identity[0].named", "can't be both DOGE and PEPE"]);
    wrong("[[veto]]\nsymbol = \"DOGE/USDT\"\nbuy = \"gate\"\nsell = \"bybit\"\n", &["veto[0].symbol"]);
    wrong("[[veto]]\nsymbol = \"BTC/USDT\"\nbuy = \"gate\"\nsell = \"okx\"\n", &["veto[0].sell"]);
}

/// A person takes the pair out of the file, and its name on a venue along with it or not.
#[test]
fn what_an_earlier_run_left_keeps_its_name_on_a_venue_until_it_is_settled() {
    let dir = dir();
    let pairs = ["BTC/USDT", "ETH/USDT", "SOL/USDT", "XRP/USDT"];
    let sold = write(dir.path(), "sim.toml", &three(&pairs, "", XBT));
    let mut sim = Sim::start(dir.path(), &["-c", sold.to_str().expect("a path")]);
    sim.units = vec![Unit { venue: "bybit", ours: "BTC", theirs: "XBT", multiplier: 1 }];
    let file = write(dir.path(), "live.toml", &(live(&sim.venues) + XBT));
    let (_, json) = sim.run(dir.path(), &file, "10s");
    let log = StateLog::read(&dir.path().join("state"));
    let there = log.executions.keys().filter(|(venue, pair, _)| venue == "bybit" && pair == "BTC/USDT").count();
    assert!(there > 0, "nothing was executed where the name differs: {json}");

    let kept = live(&sim.venues);
    let gone = replaced(&kept, "[[pair]]\nsymbol = \"BTC/USDT\"\n", "");
    let thousand = format!("{kept}{XBT}multiplier = 1000\n");
    let taken = format!("{gone}{XBT}[[pair]]\nsymbol = \"T001/USDT\"\n").replace("asset = \"BTC\"", "asset = \"T001\"");
    for (text, now) in
        [(&gone, "is BTC now"), (&kept, "is BTC now"), (&thousand, "is XBT, 1000 of ours, now"), (&taken, "is BTC now")]
    {
        let file = write(dir.path(), "live.toml", text);
        for go in [&["run", "--live", "--no-tui", "-c"][..], &["reconcile", "-c"]] {
            let done = run(sim.engine(dir.path(), go).arg(&file)).expect(3);
            let complaint = done.complaint();
            for part in ["live.toml", "BTC", "on `bybit` was XBT", now, "leave its [[identity]] as it was until"] {
                assert!(complaint.contains(part), "`{part}` should be said: {complaint}");
            }
        }
    }
    // With its name there the pair may go: what is held of it is still compared with the venue's own account.
    let file = write(dir.path(), "live.toml", &(gone + XBT));
    let checked = run(crossgate(dir.path()).args(["config", "check", "-c"]).arg(&file)).expect(0);
    assert!(checked.stderr.contains("identity[0].asset: no configured pair uses `BTC`"), "{}", checked.stderr);
    assert_eq!(checked.stderr.lines().count(), 1, "{}", checked.stderr);
    let (done, json) = sim.run(dir.path(), &file, "4s");
    assert_eq!(json["reconciled"], true, "{json}");
    assert!(!done.stderr.contains("remove it"), "it is of use: {}", done.stderr);
    sim.assert_balances(&json);
}

#[test]
fn an_asset_that_a_venue_names_otherwise_is_traded_and_told_under_our_name() {
    let dir = dir();
    let file = write(dir.path(), "xbt.toml", &three(&["BTC/USDT", "ETH/USDT"], "transfers_required = true", XBT));
    let doctor = run(crossgate(dir.path()).args(["doctor", "--json", "-c"]).arg(&file)).expect(0).json();
    let rules = |venue: &str| check(&doctor, "rules", Some(venue))["detail"].as_str().unwrap_or_default();
    assert!(rules("bybit").contains("2 pairs, all open both ways; BTC is XBT there"), "{doctor}");
    assert!(!rules("gate").contains("XBT") && !rules("binance").contains("XBT"), "{doctor}");
    assert_eq!(check(&doctor, "rules", None)["detail"], "3 assets are the same wherever they meet", "{doctor}");

    let done = run(crossgate(dir.path()).args(["run", "--for", "12s", "--no-tui", "--json", "-c"]).arg(&file)).expect(0);
    let json = done.json();
    assert!(count(&json, "deals") > 0 && json["reconciled"] == true, "{json}");
    assert!(!done.stdout.contains("XBT") && !done.stderr.contains("XBT"), "{}{}", done.stdout, done.stderr);
    let balances = json["balances"].as_array().expect("`balances` is a list");
    let held = |venue: &str| balances.iter().any(|row| row["venue"] == venue && row["asset"] == "BTC");
    assert!(held("gate") && held("binance") && held("bybit"), "{json}");
    let log = StateLog::read(&dir.path().join(json["run_dir"].as_str().expect("a path")));
    let there = log.executions.keys().filter(|(venue, pair, _)| venue == "bybit" && pair == "BTC/USDT").count();
    assert!(there > 0, "nothing was executed where the name differs: {json}");
    let replay = run(crossgate(dir.path()).args(["replay", "state", "--verify", "--json"])).expect(0).json();
    assert_eq!(replay["verified"], true, "{replay}");
}

/// How many frames and requests of a tape hold each text, told and received.
fn frames_with(tape: &Path, texts: [&str; 2]) -> [usize; 2] {
    let mut found = [0; 2];
    for entry in TapeReader::open(tape).expect("a tape") {
        let entry = entry.expect("a whole tape");
        let path = match &entry.link {
            FrameLink::Rest { path_and_query, .. } => path_and_query.as_str(),
            FrameLink::Ws { .. } | FrameLink::Opened { .. } | FrameLink::Closed { .. } => "",
        };
        let said = format!("{path} {}", String::from_utf8_lossy(&entry.bytes));
        for (count, text) in found.iter_mut().zip(texts) {
            *count += usize::from(said.contains(text));
        }
    }
    found
}

#[test]
fn a_venue_hears_and_says_its_own_names_only_and_its_tape_replays_under_ours() {
    let dir = dir();
    let file = write(dir.path(), "xbt.toml", &three(&["BTC/USDT", "ETH/USDT"], "", XBT));
    let recorded = run(crossgate(dir.path()).args(["record", "--out", "tapes", "--for", "4s", "--json", "-c"]).arg(&file));
    let recorded = recorded.expect(0).json();
    let files: Vec<&str> = recorded["files"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    assert_eq!(files.len(), 3, "{recorded}");
    let of = |venue: &str| *files.iter().find(|file| file.contains(&format!("{venue}-"))).expect("a tape of each venue");
    let [ours, theirs] = frames_with(&dir.path().join(of("bybit")), ["BTC", "XBT"]);
    assert!(ours == 0 && theirs > 10, "{ours} frames of bybit hold BTC, {theirs} hold XBT");
    let [ours, theirs] = frames_with(&dir.path().join(of("gate")), ["BTC", "XBT"]);
    assert!(ours > 10 && theirs == 0, "{ours} frames of gate hold BTC, {theirs} hold XBT");

    let tape = |venue: &str| format!("venue={venue},format=crossgate:{}", of(venue));
    let (gate, bybit) = (tape("gate"), tape("bybit"));
    let told = |more: &[&str]| -> Vec<String> {
        let replay = run(crossgate(dir.path()).args(["replay", "--json", "--tape", &gate, "--tape", &bybit]).args(more));
        let replay = replay.expect(0).json();
        let streams = replay["streams"].as_array().expect("`streams` is a list");
        assert!(streams.iter().all(|stream| count(stream, "frames") > 0), "{replay}");
        assert_eq!((count(&replay, "rejected_frames"), count(&replay, "gaps")), (0, 0), "{replay}");
        let name = |stream: &Value| format!("{} {}", stream["venue"], stream["pair"]).replace('"', "");
        let mut names: Vec<String> = streams.iter().map(name).collect();
        names.sort();
        names
    };
    let config = file.to_str().expect("a path");
    assert_eq!(told(&["-c", config]), ["bybit BTC/USDT", "bybit ETH/USDT", "gate BTC/USDT", "gate ETH/USDT"]);
    // Nobody tells the reader: the names are the venue's own.
    assert_eq!(told(&[]), ["bybit ETH/USDT", "bybit XBT/USDT", "gate BTC/USDT", "gate ETH/USDT"]);
    let scan = run(crossgate(dir.path()).args(["scan", "--json", "--tape", &gate, "--tape", &bybit, "-c"]).arg(&file));
    let scan = scan.expect(0).json();
    let compared = scan["pairs"].as_array().expect("`pairs` is a list");
    assert!(compared.iter().any(|row| row.to_string().contains("BTC/USDT")), "{scan}");
    assert_eq!(compared.len(), 2, "{scan}");
}

#[test]
fn what_is_not_listed_under_the_venues_name_is_told_by_both() {
    let dir = dir();
    let named = |name: &str| format!("[[identity]]\nasset = \"BTC\"\nvenue = \"gate\"\nnamed = \"{name}\"\n");
    let gone = "[sim.faults]\ndelisted_pairs = [\"BTC_USDT\"]\n";
    for (name, more, part) in [
        ("XBT", gone, "BTC/USDT (XBT/USDT there) is not listed on venue `gate`"),
        ("LTC", "", "the simulator lists another asset LTC"),
    ] {
        let file = write(dir.path(), "gone.toml", &three(&["BTC/USDT"], "", &(named(name) + more)));
        let done = run(crossgate(dir.path()).args(["run", "--for", "2s", "--no-tui", "-c"]).arg(&file)).expect(3);
        assert!(done.complaint().contains(part), "{}", done.stderr);
    }
}

#[test]
fn an_asset_that_a_venue_counts_by_the_thousand_is_traded_and_told_in_our_unit() {
    let dir = dir();
    let file = write(dir.path(), "unit.toml", &three(&["SATS/USDT", "ETH/USDT"], "", &[BY_THE_THOUSAND, HELD].concat()));
    let doctor = run(crossgate(dir.path()).args(["doctor", "--json", "-c"]).arg(&file)).expect(0).json();
    let rules = |venue: &str| check(&doctor, "rules", Some(venue))["detail"].as_str().unwrap_or_default();
    assert!(rules("binance").contains("SATS is 1000SATS there, one of which is 1000 of ours"), "{doctor}");
    assert!(!rules("gate").contains("1000SATS") && !rules("bybit").contains("1000SATS"), "{doctor}");

    let done = run(crossgate(dir.path()).args(["run", "--for", "12s", "--no-tui", "--json", "-c"]).arg(&file)).expect(0);
    let json = done.json();
    assert!(count(&json, "deals") > 0 && json["reconciled"] == true, "{json}");
    assert!(!done.stdout.contains("1000SATS") && !done.stderr.contains("1000SATS"), "{}{}", done.stdout, done.stderr);
    let log = StateLog::read(&dir.path().join(json["run_dir"].as_str().expect("a path")));
    let there = log.executions.keys().filter(|(venue, pair, _)| venue == "binance" && pair == "SATS/USDT").count();
    assert!(there > 0, "nothing was executed where the unit differs: {json}");
    let replay = run(crossgate(dir.path()).args(["replay", "state", "--verify", "--json"])).expect(0).json();
    assert_eq!(replay["verified"], true, "{replay}");
}

/// A live configuration of the venues with this pair alone, and further lines.
fn live_with(sim: &Sim, pair: &str, more: &str) -> String {
    let text = live(&sim.venues);
    let (head, _) = text.split_once("[[pair]]").expect("pairs at the end");
    format!("{head}[[pair]]\nsymbol = \"{pair}\"\n{more}")
}

#[test]
fn balances_and_executions_are_the_venues_own_to_the_last_digit_where_the_unit_differs() {
    let dir = dir();
    let sold = write(dir.path(), "sim.toml", &three(&["SATS/USDT"], "", &[BY_THE_THOUSAND, HELD].concat()));
    let mut sim = Sim::start(dir.path(), &["-c", sold.to_str().expect("a path")]);
    sim.units = vec![Unit { venue: "binance", ours: "SATS", theirs: "1000SATS", multiplier: 1000 }];
    // Every asset that the accounts hold is traded, so that every balance is compared.
    let sats = format!("[[pair]]\nsymbol = \"SATS/USDT\"\n{BY_THE_THOUSAND}");
    let file = write(dir.path(), "live.toml", &(live(&sim.venues) + &sats));
    let (_, json) = sim.run(dir.path(), &file, "20s");
    assert!(count(&json, "deals") > 0 && json["reconciled"] == true, "{json}");
    sim.assert_balances(&json);
    let log = StateLog::read(&dir.path().join("state"));
    let (orders, executions) = log.assert_is_the_venues(&sim);
    assert!(orders > 0 && executions > 0);
    let there = log.executions.keys().filter(|(venue, pair, _)| venue == "binance" && pair == "SATS/USDT").count();
    assert!(there > 0, "nothing was executed where the unit differs: {json}");
    let replay = run(crossgate(dir.path()).args(["replay", "state", "--verify", "--json"])).expect(0).json();
    assert_eq!(replay["verified"], true, "{replay}");
}

#[test]
fn a_wrong_multiplier_opens_nothing_since_books_a_factor_of_ten_apart_are_not_trusted() {
    let dir = dir();
    let sold = write(dir.path(), "sim.toml", &three(&["SATS/USDT"], "", &[BY_THE_THOUSAND, HELD].concat()));
    let sim = Sim::start(dir.path(), &["-c", sold.to_str().expect("a path")]);
    for wrong in ["1", "100", "10000"] {
        let identity = BY_THE_THOUSAND.replace("multiplier = 1000", &format!("multiplier = {wrong}"));
        // The widest collar that there is; and those that count alike don't trade with each other.
        let mut text = live_with(&sim, "SATS/USDT", &identity);
        text = text.replacen("[ops]", "[strategy]\ncollar_bps = \"1000\"\n[ops]", 1);
        text = text.replacen("dir = \"state\"", &format!("dir = \"state-{wrong}\""), 1);
        text += &["gate", "bybit"]
            .map(|venue| format!("[[veto]]\nsymbol = \"SATS/USDT\"\nbuy = \"{venue}\"\nsell = \"{}\"\n", other(venue)))
            .concat();
        let file = write(dir.path(), "live.toml", &text);
        let (_, json) = sim.run(dir.path(), &file, "6s");
        assert_eq!((count(&json, "deals"), count(&json, "orders_sent")), (0, 0), "multiplier {wrong}: {json}");
        assert!(count(&json["verdicts"], "untrusted") > 0, "multiplier {wrong}: {json}");
        assert_eq!(json["reconciled"], true, "{json}");
    }
}

/// The other of two venues that count alike.
fn other(venue: &str) -> &'static str {
    if venue == "gate" { "bybit" } else { "gate" }
}

#[test]
fn a_tape_of_a_venue_that_counts_by_the_thousand_replays_in_our_unit() {
    let dir = dir();
    let file = write(dir.path(), "unit.toml", &three(&["SATS/USDT"], "", BY_THE_THOUSAND));
    let recorded = run(crossgate(dir.path()).args(["record", "--out", "tapes", "--for", "4s", "--json", "-c"]).arg(&file));
    let recorded = recorded.expect(0).json();
    let files: Vec<&str> = recorded["files"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let of = |venue: &str| *files.iter().find(|file| file.contains(&format!("{venue}-"))).expect("a tape of each venue");
    let tape = |venue: &str| format!("venue={venue},format=crossgate:{}", of(venue));
    let (gate, binance) = (tape("gate"), tape("binance"));
    let config = file.to_str().expect("a path");
    let best = |more: &[&str]| -> Vec<(String, f64)> {
        let replay = run(crossgate(dir.path()).args(["replay", "--json", "--tape", &gate, "--tape", &binance]).args(more));
        let replay = replay.expect(0).json();
        assert_eq!((count(&replay, "rejected_frames"), count(&replay, "gaps")), (0, 0), "{replay}");
        let streams = replay["streams"].as_array().expect("`streams` is a list");
        let of = |stream: &Value| {
            let name = format!("{} {}", stream["venue"], stream["pair"]).replace('"', "");
            let bid = stream["best_bid"].as_str().unwrap_or_else(|| panic!("no bid: {stream}"));
            (name, bid.parse().expect("a number"))
        };
        let mut found: Vec<(String, f64)> = streams.iter().map(of).collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    };
    let ours = best(&["-c", config]);
    assert_eq!([&ours[0].0, &ours[1].0], ["binance SATS/USDT", "gate SATS/USDT"]);
    assert!((ours[0].1 / ours[1].1 - 1.0).abs() < 0.05, "{ours:?}");
    // Nobody tells the reader: the names and the units are the venue's own.
    let theirs = best(&[]);
    assert_eq!([&theirs[0].0, &theirs[1].0], ["binance 1000SATS/USDT", "gate SATS/USDT"]);
    assert!((theirs[0].1 / theirs[1].1 / 1000.0 - 1.0).abs() < 0.05, "{theirs:?}");
    let scan = run(crossgate(dir.path()).args(["scan", "--json", "--tape", &gate, "--tape", &binance, "-c"]).arg(&file));
    let scan = scan.expect(0).json();
    assert_eq!(scan["pairs"].as_array().map(Vec::len), Some(1), "{scan}");
}
