//! Recordings and logs through the real binary: a run proves its own decisions again, a changed log is found, and tapes go
//! through the production decoders and books.

#[path = "support/mod.rs"]
mod support;

use serde_json::Value;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use support::config::{gates, write};
use support::ops::{status, until};
use support::process::{Done, Running, crossgate, run};
use support::proxy::{Strike, Weather, proxies};
use support::venue::Sim;
use support::{count, dir};
use tempfile::TempDir;

/// The keys of `replay --json`.
#[track_caller]
fn assert_replay_keys(value: &Value) {
    for key in [
        "frames",
        "rejected_frames",
        "ignored_frames",
        "book_updates",
        "gaps",
        "crossed",
        "deals",
        "opportunities",
        "frames_per_second",
    ] {
        count(value, key);
    }
    let verdicts = value["verdicts"].as_object().expect("`verdicts` is an object");
    let sum: u64 = verdicts.values().map(|n| n.as_u64().expect("a count")).sum();
    assert_eq!(sum, count(value, "opportunities"), "the verdicts add up to the opportunities: {value}");
    let rejected = value["rejected"].as_object().expect("`rejected` is an object");
    assert_eq!(rejected.values().map(|n| n.as_u64().expect("a count")).sum::<u64>(), count(value, "rejected_frames"));
    assert!(value["streams"].is_array() && value["output_hash"].is_string());
    for key in ["p50", "p99", "p999", "max", "count"] {
        count(&value["tick_to_order_ns"], key);
    }
}

fn verify(dir: &Path, run_dir: &Path) -> Done {
    run(crossgate(dir).arg("replay").arg(run_dir).args(["--verify", "--json"]))
}

/// A copy of a run's directory in which every file of one log was given to `change`; what it returns is kept, if anything.
fn changed(run_dir: &Path, to: &Path, log: &str, change: impl Fn(Vec<u8>) -> Option<Vec<u8>>) -> TempDir {
    let copy = tempfile::tempdir_in(to).expect("a directory");
    for entry in std::fs::read_dir(run_dir).expect("the run's directory") {
        let entry = entry.expect("an entry");
        let bytes = std::fs::read(entry.path()).expect("a file of the run");
        let ours = entry.file_name().to_string_lossy().starts_with(log);
        if let Some(bytes) = if ours { change(bytes) } else { Some(bytes) } {
            std::fs::write(copy.path().join(entry.file_name()), bytes).expect("the copy can be written");
        }
    }
    copy
}

/// The bytes with one bit flipped, at this many sixteenths of their length.
fn flipped(mut bytes: Vec<u8>, sixteenths: usize) -> Vec<u8> {
    let at = bytes.len() * sixteenths / 16;
    bytes[at] ^= 1;
    bytes
}

#[test]
fn a_run_verifies_and_every_changed_byte_is_found() {
    let dir = dir();
    write(dir.path(), "demo.toml", &gates(&[]));
    let go = ["run", "-c", "demo.toml", "--for", "8s", "--no-tui", "--json"];
    let ran = run(crossgate(dir.path()).args(go)).expect(0).json();
    assert!(count(&ran, "deals") > 0, "{ran}");
    let run_dir = dir.path().join(ran["run_dir"].as_str().expect("a path"));

    // The run, and the directory that holds the newest run, verify: the same decisions, hash by hash.
    for place in [run_dir.as_path(), &dir.path().join("state")] {
        let replay = verify(dir.path(), place).expect(0).json();
        assert_replay_keys(&replay);
        assert_eq!((&replay["verified"], &replay["first_difference"]), (&true.into(), &Value::Null), "{replay}");
        for key in ["output_hash", "deals", "opportunities", "verdicts", "book_updates"] {
            assert_eq!(replay[key], ran[key], "`{key}` of the replay and of the run");
        }
    }
    let text = run(crossgate(dir.path()).arg("replay").arg(&run_dir).arg("--verify")).expect(0).stdout;
    assert!(text.contains("every decision is the recorded one"), "{text}");
    let plain = run(crossgate(dir.path()).arg("replay").arg(&run_dir).arg("--json")).expect(0).json();
    assert!(plain.get("verified").is_none(), "nothing is compared unless it is asked for");
    assert_eq!(plain["output_hash"], ran["output_hash"]);

    // One flipped bit anywhere, in either log: never a success, never a crash.
    for log in ["state", "market"] {
        for at in 0..16 {
            let copy = changed(&run_dir, dir.path(), log, |bytes| Some(flipped(bytes, at)));
            let done = verify(dir.path(), copy.path()).expect(1);
            assert_eq!(done.stderr.lines().count(), 1, "one sentence: {}", done.stderr);
            assert!(!done.stderr.contains("internal error"), "{}", done.stderr);
            assert!(done.complaint().contains(log) || done.complaint().contains("differs"), "{}", done.stderr);
        }
    }
    // Nor may a log be missing or cut.
    let nothing = |_: Vec<u8>| None;
    let half = |mut bytes: Vec<u8>| {
        bytes.truncate(bytes.len() / 2);
        Some(bytes)
    };
    let copies = [
        changed(&run_dir, dir.path(), "state", nothing),
        changed(&run_dir, dir.path(), "market", nothing),
        changed(&run_dir, dir.path(), "state", half),
        changed(&run_dir, dir.path(), "market", half),
    ];
    for copy in &copies {
        let done = verify(dir.path(), copy.path()).expect(1);
        assert!(!done.stderr.contains("internal error"), "{}", done.stderr);
        assert_eq!(done.stderr.lines().count(), 1, "one sentence: {}", done.stderr);
    }
}

/// A paper account on venues that serve elsewhere, with two connections for every stream.
fn doubled(venues: &[Value]) -> String {
    let mut text = String::from(
        "mode = \"paper\"\nseed = 1\n[state]\ndir = \"state\"\n[ops]\nlisten = \"127.0.0.1:0\"\n\
         [risk]\norder_value_max = \"2500\"\ndeal_value_max = \"2500\"\nunhedged_value_max = \"10000\"\nopen_deals_max = 4\n\
         orders_per_second_max = 20\ndaily_loss_max = \"1000\"\n",
    );
    for venue in venues {
        text += "[[venue]]\nredundant = true\n";
        for key in ["id", "kind", "rest", "ws", "private_ws"] {
            let _ = writeln!(text, "{key} = {}", venue[key]);
        }
    }
    text + "[[pair]]\nsymbol = \"BTC/USDT\"\n[[pair]]\nsymbol = \"ETH/USDT\"\n"
}

#[test]
fn a_run_with_two_connections_for_every_stream_verifies_and_its_recording_replays_whole() {
    let dir = dir();
    let sim = Sim::start(dir.path(), &["--venue", "gate", "--venue", "binance", "--venue", "bybit", "--seed", "3"]);
    let (lines, fronts) = proxies(&sim.venues);
    write(dir.path(), "paper.toml", &doubled(&fronts));
    let go = ["run", "-c", "paper.toml", "--for", "25s", "--no-tui", "--json"];
    let engine = Running::start(crossgate(dir.path()).args(go));
    let ops = engine.ops();
    until("both connections of every venue stand", || lines.iter().all(|line| line.streams() >= 2));
    // The first is late until the second has told things first, then it is lost and opened anew.
    lines.iter().for_each(|line| line.only_stream(0));
    lines.iter().for_each(|line| line.weather(Weather::Late(Duration::from_millis(60))));
    let second_was_first = |venue: &Value| venue["redundancy"]["first"][1].as_u64().is_some_and(|count| count > 10);
    until("the second connection of every venue is ahead", || {
        status(&ops)["venues"].as_array().expect("`venues` is a list").iter().all(second_was_first)
    });
    lines.iter().for_each(|line| line.strike(Strike::Reset));
    until("the lost one is opened anew", || lines.iter().all(|line| line.streams() >= 3));
    let ran = engine.end().expect(0).json();
    assert!(count(&ran, "deals") > 0, "{ran}");
    let replay = verify(dir.path(), &dir.path().join("state")).expect(0).json();
    assert_eq!((&replay["verified"], &replay["first_difference"]), (&true.into(), &Value::Null), "{replay}");
    for key in ["output_hash", "deals", "opportunities", "verdicts", "book_updates"] {
        assert_eq!(replay[key], ran[key], "`{key}` of the replay and of the run");
    }

    // What both connections of the three say, recorded and replayed.
    write(dir.path(), "record.toml", &doubled(&sim.venues));
    let record = ["record", "-c", "record.toml", "--out", "tapes", "--for", "6s", "--json"];
    let recorded = run(crossgate(dir.path()).args(record)).expect(0).json();
    let files = recorded["files"].as_array().expect("`files` is a list");
    assert_eq!(files.len(), 3, "a tape for each venue: {recorded}");
    let mut replay = crossgate(dir.path());
    replay.args(["replay", "--json"]);
    for (venue, file) in sim.venues.iter().zip(files) {
        let (id, kind) = (venue["id"].as_str().expect("an id"), venue["kind"].as_str().expect("a kind"));
        replay.args(["--tape", &format!("venue={kind}:{id},format=crossgate:{}", file.as_str().expect("a path"))]);
    }
    let replayed = run(&mut replay).expect(0).json();
    assert_replay_keys(&replayed);
    assert!(count(&replayed, "book_updates") > 100, "{replayed}");
    assert_eq!(replayed["frames"], recorded["frames"], "every frame is on the tape");
    for key in ["rejected_frames", "gaps", "crossed"] {
        assert_eq!(count(&replayed, key), 0, "`{key}`: {replayed}");
    }
}

#[test]
fn a_what_if_decides_anew_and_is_never_compared() {
    let dir = dir();
    write(dir.path(), "demo.toml", &gates(&[]));
    let go = ["run", "-c", "demo.toml", "--for", "6s", "--no-tui", "--json"];
    let ran = run(crossgate(dir.path()).args(go)).expect(0).json();
    assert!(count(&ran, "deals") > 0, "{ran}");
    let what_if = |edge: &str| {
        let file = format!("edge-{edge}.toml");
        write(dir.path(), &file, &gates(&[("min_edge_bps = \"2\"", &format!("min_edge_bps = \"{edge}\""))]));
        let replay = run(crossgate(dir.path()).args(["replay", "state", "--json", "-c", &file])).expect(0).json();
        assert_replay_keys(&replay);
        assert!(replay.get("verified").is_none(), "{replay}");
        assert_eq!(replay["book_updates"], ran["book_updates"], "the same market");
        assert!(count(&replay, "opportunities") > 0, "{replay}");
        replay
    };
    let choosy = what_if("900");
    assert_eq!(count(&choosy, "deals"), 0, "nothing is worth 9 %: {choosy}");
    assert_ne!(choosy["output_hash"], ran["output_hash"]);
    // Other settings, other decisions: deals that the recorded run never made.
    let other = what_if("1");
    assert!(count(&other, "deals") > 0, "{other}");
    let refused = run(crossgate(dir.path()).args(["replay", "state", "--json", "-c", "missing.toml"])).expect(3);
    assert!(refused.complaint().contains("missing.toml"), "{}", refused.stderr);
}

/// Records `channel` of the demo's venues and replays the tapes.
fn recorded(channel: &str) -> (Value, Value) {
    let dir = dir();
    let text = gates(&[]).replace("book_channel = \"order_book\"", &format!("book_channel = \"{channel}\""));
    write(dir.path(), "demo.toml", &text);
    let recorded =
        run(crossgate(dir.path()).args(["record", "-c", "demo.toml", "--out", "tapes", "--for", "4s", "--json"])).expect(0);
    let recorded = recorded.json();
    let mut replay = crossgate(dir.path());
    replay.args(["replay", "--json"]);
    let files = recorded["files"].as_array().expect("`files` is a list");
    assert_eq!(files.len(), 2, "a tape for each venue: {recorded}");
    for (venue, file) in ["gate-a", "gate-b"].iter().zip(files) {
        replay.args(["--tape", &format!("venue=gate:{venue},format=crossgate:{}", file.as_str().expect("a path"))]);
    }
    let replayed = run(&mut replay).expect(0).json();
    (recorded, replayed)
}

#[track_caller]
fn assert_whole(recorded: &Value, replayed: &Value, channel: &str) {
    assert_replay_keys(replayed);
    assert!(count(recorded, "frames") > 100, "{recorded}");
    assert_eq!(replayed["frames"], recorded["frames"], "every frame is on the tape");
    for key in ["rejected_frames", "gaps", "crossed"] {
        assert_eq!(count(replayed, key), 0, "`{key}`: {replayed}");
    }
    let streams = replayed["streams"].as_array().expect("`streams` is a list");
    assert_eq!(streams.len(), 8, "four pairs on two venues: {replayed}");
    for stream in streams {
        assert_eq!(stream["channel"], format!("spot.{channel}"), "{stream}");
        assert!(count(stream, "frames") > 0, "{stream}");
        assert_eq!((count(stream, "gaps"), count(stream, "crossed")), (0, 0), "{stream}");
        let price = |key: &str| stream[key].as_str().and_then(|p| p.parse::<rust_decimal::Decimal>().ok());
        assert!(price("best_bid").expect("a bid") < price("best_ask").expect("an ask"), "{stream}");
    }
}

#[test]
fn a_recording_of_snapshots_replays_whole() {
    let (recorded, replayed) = recorded("order_book");
    assert_whole(&recorded, &replayed, "order_book");
}

#[test]
fn a_recording_of_updates_replays_whole_from_its_snapshots() {
    let (recorded, replayed) = recorded("order_book_update");
    assert_whole(&recorded, &replayed, "order_book_update");
    for stream in replayed["streams"].as_array().expect("`streams` is a list") {
        assert!(count(stream, "applied") > 0, "{stream}");
        assert!(count(stream, "applied") + count(stream, "stale") <= count(stream, "frames"), "{stream}");
    }
}

/// A command that replays these pairs of the recorded Gate session, its REST answers beside its frames.
fn gate_session(dir: &Path, data: &Path, pairs: &[&str]) -> Command {
    let mut command = crossgate(dir);
    command.args(["replay", "--json"]);
    for pair in pairs {
        for file in ["GATEIO.0.zst", "GATEIO.http.0.0.zst", "GATEIO.ws.1.0.zst"] {
            let file = data.join("cryptofeed").join(file);
            command.args(["--tape", &format!("venue=gate,pair={pair},format=cryptofeed:{}", file.display())]);
        }
    }
    command
}

#[test]
fn the_recorded_gate_session_has_no_gap_and_never_crosses() {
    let Some(data) = std::env::var_os("CROSSGATE_DATA").map(PathBuf::from) else {
        eprintln!("left out: CROSSGATE_DATA names no recordings, so the recorded Gate session is not replayed");
        return;
    };
    // Relative to where the tests are started by people and by CI: the root of the repository.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let data = root.join(data).canonicalize().expect("CROSSGATE_DATA names a directory");
    let dir = dir();
    const PAIRS: [&str; 7] = ["BTC/USDC", "DIS/USDT", "HAI/ETH", "INK/USDT", "NANO/USDT", "OMG/USDT", "QTUM3S/USDT"];
    let replay = run(&mut gate_session(dir.path(), &data, &PAIRS)).expect(0).json();
    assert_replay_keys(&replay);
    for (key, expected) in [("frames", 141), ("rejected_frames", 0), ("gaps", 0), ("crossed", 0), ("deals", 0)] {
        assert_eq!(count(&replay, key), expected, "`{key}`: {replay}");
    }
    let streams = replay["streams"].as_array().expect("`streams` is a list");
    assert_eq!(streams.len(), PAIRS.len());
    let mut updates = 0;
    for stream in streams {
        assert_eq!(stream["channel"], "spot.order_book_update");
        assert_eq!(count(stream, "applied") + count(stream, "stale"), count(stream, "frames"), "{stream}");
        assert!(stream["best_bid"].is_string() && stream["best_ask"].is_string(), "{stream}");
        updates += count(stream, "frames");
    }
    assert_eq!(updates + count(&replay, "ignored_frames"), 141, "every frame is an update or not used: {replay}");

    // One pair alone is the same stream.
    let alone = run(&mut gate_session(dir.path(), &data, &["OMG/USDT"])).expect(0).json();
    let of = |replay: &Value| replay["streams"].as_array().and_then(|s| s.iter().find(|s| s["pair"] == "OMG/USDT")).cloned();
    assert_eq!(of(&alone), of(&replay));
    assert_eq!((count(&alone, "frames"), count(&alone, "rejected_frames")), (141, 0), "the others are ignored, not refused");
}

/// The recordings' directory, or a line that says what is left out.
fn recordings(what: &str) -> Option<PathBuf> {
    let Some(data) = std::env::var_os("CROSSGATE_DATA").map(PathBuf::from) else {
        eprintln!("left out: CROSSGATE_DATA names no recordings, so {what} are not replayed");
        return None;
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    Some(root.join(data).canonicalize().expect("CROSSGATE_DATA names a directory"))
}

#[test]
fn six_recorded_streams_of_three_markets_have_no_gap_and_never_cross() {
    let Some(data) = recordings("the six Binance streams") else { return };
    // Pair, file, changes of the book: the recordings' README.
    const STREAMS: [(&str, &str, u64); 6] = [
        ("BTC/USDT", "spot_btcusdt_20240808", 3_451),
        ("BTC/USDT:USDT", "usdm_btcusdt_20240808", 6_551),
        ("BTC/USD:BTC", "cm_btcusd_perp_20240808", 26_847),
        ("ETH/USDT", "spot_ethusdt_20240808", 3_434),
        ("ETH/USDT:USDT", "usdm_ethusdt_20240808", 6_586),
        ("ETH/USD:ETH", "cm_ethusd_perp_20240808", 22_909),
    ];
    let dir = dir();
    let mut command = crossgate(dir.path());
    command.args(["replay", "--json"]);
    for (pair, file, _) in STREAMS {
        let file = data.join("hftbacktest").join(format!("{file}.zst"));
        command.args(["--tape", &format!("venue=binance,pair={pair},format=hftbacktest:{}", file.display())]);
    }
    let replay = run(&mut command).expect(0).json();
    assert_replay_keys(&replay);
    for key in ["rejected_frames", "ignored_frames", "gaps", "crossed", "deals"] {
        assert_eq!(count(&replay, key), 0, "`{key}`: {replay}");
    }
    assert_eq!(count(&replay, "frames"), 332_194, "every line but the six snapshots");
    let streams = replay["streams"].as_array().expect("`streams` is a list");
    assert_eq!(streams.len(), STREAMS.len());
    for (pair, _, changes) in STREAMS {
        let stream = streams.iter().find(|s| s["pair"] == pair).unwrap_or_else(|| panic!("no row of {pair}: {replay}"));
        assert_eq!(count(stream, "frames"), changes, "{stream}");
        assert_eq!(count(stream, "applied") + count(stream, "stale"), changes, "{stream}");
        assert_eq!((count(stream, "gaps"), count(stream, "crossed")), (0, 0), "{stream}");
        // Still trusted at the end: a book that lost its trust would be empty.
        assert!(stream["best_bid"].is_string() && stream["best_ask"].is_string(), "{stream}");
    }
}

#[test]
fn recorded_binance_sessions_have_no_gap_and_never_cross() {
    let Some(data) = recordings("the recorded Binance sessions") else { return };
    let sessions: [(&str, u64, &[&str]); 2] = [
        ("BINANCE", 265, &["NKN/USDT", "BLZ/ETH", "LRC/BTC", "RUNE/EUR"]),
        ("BINANCE_FUTURES", 1_535, &["SUSHI/USDT:USDT", "AKRO/USDT:USDT", "KEEP/USDT:USDT", "CTK/USDT:USDT"]),
    ];
    for (name, frames, pairs) in sessions {
        let dir = dir();
        let mut command = crossgate(dir.path());
        command.args(["replay", "--json"]);
        for pair in pairs {
            for part in ["http.0.0", "ws.1.0"] {
                let file = data.join("cryptofeed").join(format!("{name}.{part}.zst"));
                command.args(["--tape", &format!("venue=binance,pair={pair},format=cryptofeed:{}", file.display())]);
            }
        }
        let replay = run(&mut command).expect(0).json();
        assert_replay_keys(&replay);
        for (key, expected) in [("frames", frames), ("rejected_frames", 0), ("gaps", 0), ("crossed", 0)] {
            assert_eq!(count(&replay, key), expected, "`{key}` of {name}: {replay}");
        }
        for stream in replay["streams"].as_array().expect("`streams` is a list") {
            assert_eq!(count(stream, "applied") + count(stream, "stale"), count(stream, "frames"), "{stream}");
            assert!(stream["best_bid"].is_string() && stream["best_ask"].is_string(), "{stream}");
        }
    }
}

#[test]
fn the_recorded_bybit_session_is_whole_tops_that_never_cross() {
    let Some(data) = recordings("the recorded Bybit session") else { return };
    let dir = dir();
    let file = data.join("cryptofeed").join("BYBIT_V5_LINEAR.2025-06-13.ws.zst");
    let mut command = crossgate(dir.path());
    command.args(["replay", "--json"]);
    let pairs = [("AIOZ/USDT:USDT", 28), ("BAND/USDT:USDT", 45), ("RAD/USDT:USDT", 18), ("SNT/USDT:USDT", 107)];
    for (pair, _) in pairs {
        command.args(["--tape", &format!("venue=bybit,pair={pair},format=cryptofeed:{}", file.display())]);
    }
    let replay = run(&mut command).expect(0).json();
    assert_replay_keys(&replay);
    for (key, expected) in [("frames", 202), ("rejected_frames", 0), ("gaps", 0), ("crossed", 0)] {
        assert_eq!(count(&replay, key), expected, "`{key}`: {replay}");
    }
    let streams = replay["streams"].as_array().expect("`streams` is a list");
    for (pair, frames) in pairs {
        let stream = streams.iter().find(|s| s["pair"] == pair).unwrap_or_else(|| panic!("no row of {pair}: {replay}"));
        // Every one a whole state: nothing is applied to another, nothing is old.
        assert_eq!(["frames", "applied", "stale", "gaps"].map(|key| count(stream, key)), [frames, 0, 0, 0], "{stream}");
        assert_eq!(stream["channel"], "orderbook.1", "{stream}");
        assert!(stream["best_bid"].is_string() && stream["best_ask"].is_string(), "{stream}");
    }
}
