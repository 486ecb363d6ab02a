//! Recordings and logs through the real binary: a run proves its own decisions again, a changed log is found, and tapes go
//! through the production decoders and books.

#[path = "support/mod.rs"]
mod support;

use domain::{LinkRole, MonoNanos, UnixNanos};
use journal::tape::{Direction, FrameEntry, FrameLink, TapeHeader, TapeWriter};
use rustix::process::Signal;
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

    newer_epochs_without_a_decision_are_passed_over(dir.path(), &run_dir);

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

/// What a `reconcile`, and a start that ended at once, leave behind a run.
fn newer_epochs_without_a_decision_are_passed_over(dir: &Path, run_dir: &Path) {
    let copy = changed(run_dir, dir, "none", Some);
    let mut ours = journal::RunDir::open(copy.path()).expect("it is free");
    let first = *ours.files().epochs().expect("its epochs").last().expect("one");
    let header = ours.replay_inputs(first).expect("it was replayed").header().clone();
    let mut newer = Vec::new();
    for with_market in [true, false] {
        let tail = ours.state_records().and_then(journal::StateRecords::finish).expect("a whole log");
        newer.push(ours.next_epoch(0).expect("an epoch"));
        ours.create_state(&header, &tail).expect("a log").syncer().sync().expect("it is written");
        if with_market {
            let mut market = ours.create_market(&header, journal::MarketConfig::default()).expect("a log");
            journal::LogSink::flush(&mut market).expect("it is written");
        }
    }
    drop(ours);
    let replay = verify(dir, copy.path()).expect(0).json();
    assert_eq!((&replay["verified"], replay["epoch"].as_u64()), (&true.into(), Some(first)), "{replay}");
    assert!(count(&replay, "frames") > 0, "{replay}");
    let note = replay["note"].as_str().unwrap_or_default();
    assert!(note.contains(&format!("epoch {} holds no market log", newer[1])), "{replay}");
    assert!(note.contains(&format!("the market log of epoch {} holds no decision", newer[0])), "{replay}");
    let asked = |epoch: u64, code: i32| {
        let epoch = epoch.to_string();
        run(crossgate(dir).arg("replay").arg(copy.path()).args(["--verify", "--json", "--epoch", &epoch])).expect(code)
    };
    assert_eq!(asked(first, 0).json()["epoch"].as_u64(), Some(first));
    for epoch in newer {
        assert!(asked(epoch, 1).complaint().contains("holds nothing that can be replayed"));
    }
    assert!(asked(1, 2).complaint().contains(&format!("--epoch 1: {} holds {first}", copy.path().display())));
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
    let engine = Running::start(crossgate(dir.path()).args(go));
    engine.ops();
    // A reload tells the values of all keys; it must not bring the recorded ones back into a what-if.
    write(dir.path(), "demo.toml", &gates(&[("min_edge_bps = \"2\"", "min_edge_bps = \"3\"")]));
    engine.signal(Signal::HUP);
    engine.wait_for("the configuration was read again: ", Duration::from_secs(5));
    let ran = engine.end().expect(0).json();
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

const START: i64 = 1_700_000_000_000_000_000;
const STREAM: FrameLink = FrameLink::Ws { role: LinkRole::Public, shard: 0 };
const OPENED: FrameLink = FrameLink::Opened { role: LinkRole::Public, shard: 0 };
const CLOSED: FrameLink = FrameLink::Closed { role: LinkRole::Public, shard: 0 };

/// An entry at a millisecond of the recorder's monotonic clock; its wall clock is `step` ms off.
fn entry(ms: i64, step: i64, link: FrameLink, bytes: &str) -> FrameEntry {
    FrameEntry {
        received: MonoNanos(u64::try_from(ms * 1_000_000).expect("a time")),
        received_unix: UnixNanos(START + (ms + step) * 1_000_000),
        direction: Direction::In,
        link,
        bytes: bytes.into(),
    }
}

fn change(ms: i64, step: i64, ids: (u64, u64), bid: &str) -> FrameEntry {
    let (first, last) = ids;
    let data = format!(r#"{{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":{first},"u":{last},"b":[["{bid}","1"]],"a":[]}}"#);
    entry(ms, step, STREAM, &format!(r#"{{"stream":"btcusdt@depth@100ms","data":{data}}}"#))
}

fn copy(ms: i64, id: u64, bid: &str) -> FrameEntry {
    let link = FrameLink::Rest { method: "GET".into(), path_and_query: "/api/v3/depth?symbol=BTCUSDT&limit=1000".into() };
    entry(ms, 0, link, &format!(r#"{{"lastUpdateId":{id},"bids":[["{bid}","5"]],"asks":[["101.00","5"]]}}"#))
}

/// Writes a recording of ours of one venue, every entry in a chunk of its own, and with `split` in a file of its own.
fn recording(dir: &Path, entries: &[FrameEntry], split: bool) -> Vec<PathBuf> {
    let header = TapeHeader {
        venue: "b".into(),
        kind: "binance".into(),
        host_class: "loopback".into(),
        tables: None,
        build: "test".into(),
        started: entries[0].received_unix,
    };
    let mut writer = TapeWriter::create(dir, header).expect("a tape");
    for entry in entries {
        writer.append(entry).and_then(|()| writer.flush()).expect("it is written");
        if split {
            writer = writer.with_file_bytes(1);
        }
    }
    let files = writer.files().to_vec();
    writer.finish().expect("it is written");
    files
}

fn replayed(dir: &Path, from: &Path) -> Done {
    let tape = format!("venue=binance:b,pair=BTC/USDT,format=crossgate:{}", from.display());
    run(crossgate(dir).args(["replay", "--json", "--tape", &tape]))
}

/// Gaps, changes that were applied, and the best bid at the end.
fn book(done: Done) -> (u64, u64, Value) {
    let replay = done.expect(0).json();
    assert_replay_keys(&replay);
    let stream = &replay["streams"][0];
    (count(stream, "gaps"), count(stream, "applied"), stream["best_bid"].clone())
}

#[test]
fn a_recording_whose_wall_clock_stepped_back_replays_in_the_order_in_which_it_was_seen() {
    let dir = dir();
    let entries = [
        entry(0, 0, OPENED, ""),
        change(10, 0, (1, 5), "98.00"),
        copy(20, 5, "99.00"),
        change(30, 0, (6, 7), "99.10"),
        change(40, -30, (8, 9), "99.20"),
        change(50, -30, (10, 11), "99.30"),
    ];
    for split in [false, true] {
        let folder = dir.path().join(format!("split-{split}"));
        let files = recording(&folder, &entries, split);
        assert_eq!(files.len(), if split { entries.len() } else { 1 });
        assert_eq!(book(replayed(dir.path(), &folder)), (0, 3, "99.3".into()), "split: {split}");
    }
}

#[test]
fn a_lost_link_takes_the_book_along_and_a_new_one_brings_it_back() {
    let dir = dir();
    let before = [
        entry(0, 0, OPENED, ""),
        change(10, 0, (1, 5), "98.00"),
        copy(20, 5, "99.00"),
        change(30, 0, (6, 7), "99.10"),
        // Nobody asked for this one; it is no answer to what is asked for after the loss.
        copy(35, 7, "99.10"),
    ];
    let lost = [entry(1_000, 0, CLOSED, "socket_error")];
    let after = [
        entry(21_000, 0, OPENED, ""),
        change(22_000, 0, (30, 31), "99.40"),
        change(23_000, 0, (32, 33), "99.50"),
        copy(23_500, 32, "99.45"),
        change(24_000, 0, (34, 35), "99.60"),
        change(25_000, 0, (36, 37), "99.70"),
    ];
    let of = |name: &str, parts: &[&[FrameEntry]]| {
        recording(&dir.path().join(name), &parts.concat(), false);
        book(replayed(dir.path(), &dir.path().join(name)))
    };
    assert_eq!(of("up", &[&before]), (0, 1, "99.1".into()));
    assert_eq!(of("lost", &[&before, &lost]), (0, 1, Value::Null));
    let (gaps, applied, bid) = of("back", &[&before, &lost, &after]);
    assert_eq!((gaps, bid), (0, "99.7".into()));
    assert!(applied >= 3, "{applied}");
    // A tape of before tells no loss, only the opening after it: the chain breaks there, and it is no gap.
    assert_eq!(of("untold", &[&before, &after]), (0, applied, "99.7".into()));
    // A recorder that was ended, and another one: the first one's links are gone with it.
    recording(&dir.path().join("two"), &before, false);
    recording(&dir.path().join("two"), &after, false);
    assert_eq!(book(replayed(dir.path(), &dir.path().join("two"))), (0, applied, "99.7".into()));
    // Ended while a copy was under way: its question takes no answer from the one that is asked in the next recording.
    recording(&dir.path().join("cut"), &before[..2], false);
    recording(&dir.path().join("cut"), &after, false);
    assert_eq!(book(replayed(dir.path(), &dir.path().join("cut"))), (0, applied - 1, "99.7".into()));
    // So it is where the link and the question were lost together.
    assert_eq!(of("unanswered", &[&before[..2], &lost, &after]), (0, applied - 1, "99.7".into()));
    // What a power loss leaves of a recording that had just begun is told, and keeps nobody from the others.
    std::fs::write(dir.path().join("cut/b-19700101T000000Z-0001.tape"), "").expect("it can be written");
    let with_empty = replayed(dir.path(), &dir.path().join("cut"));
    assert!(with_empty.stderr.contains("b-19700101T000000Z-0001.tape is empty and left out"), "{}", with_empty.stderr);
    assert_eq!(book(with_empty), (0, applied - 1, "99.7".into()));
}

/// It is read twice: the second time a pipe would have nothing left.
#[test]
fn a_tape_out_of_a_pipe_is_refused() {
    let dir = dir();
    for format in ["crossgate", "hftbacktest"] {
        let tape = format!("venue=binance:b,pair=BTC/USDT,format={format}:/dev/stdin");
        let refused = run(crossgate(dir.path()).args(["replay", "--json", "--tape", &tape]).stdin(std::process::Stdio::piped()));
        assert!(refused.expect(2).stderr.contains("/dev/stdin is no regular file"), "{format}");
    }
}

/// Tapes are replayed for what they hold, whether the configuration has its pairs or not (here the built-in one, which has
/// BTC/USDT).
#[test]
fn pairs_of_tapes_are_judged_whether_or_not_they_are_configured() {
    let dir = dir();
    // One venue asks 101.00, the other one bids this.
    let verdicts = |base: &str, bid: &str| {
        let copied = |bid: &str, ask: &str| told(copy(20, 5, bid), "101.00", ask);
        let start = [entry(0, 0, OPENED, ""), change(10, 0, (1, 5), "98.00")];
        let cheap = [&start[..], &[copied("99.00", "101.00"), change(40, 0, (6, 7), "99.10")]].concat();
        let dear =
            [&start[..], &[copied("99.50", "104.00"), change(60, 0, (6, 7), bid), change(160, 0, (8, 9), "99.60")]].concat();
        let mut replay = crossgate(dir.path());
        replay.args(["replay", "--json"]);
        for (id, entries) in [("cheap", cheap), ("dear", dear)] {
            // Quantities with decimals, or what a fee takes of one would be all of it.
            let finer = |entry: FrameEntry| told(entry, "\",\"1\"]", "\",\"1.2345\"]");
            let of_base = |entry: FrameEntry| told(told(finer(entry), "BTC", base), "btc", &base.to_lowercase());
            let folder = dir.path().join(format!("{base}-{bid}-{id}"));
            recording(&folder, &entries.into_iter().map(of_base).collect::<Vec<_>>(), false);
            replay.args(["--tape", &format!("venue=binance:{id},pair={base}/USDT,format=crossgate:{}", folder.display())]);
        }
        let replay = run(&mut replay).expect(0).json();
        assert_replay_keys(&replay);
        replay["verdicts"].clone()
    };
    for (bid, verdict) in [("101.05", "below_fees"), ("103.00", "balance")] {
        let configured = verdicts("BTC", bid);
        assert!(count(&configured, verdict) > 0, "{configured}");
        assert_eq!(verdicts("DOGE", bid), configured);
    }
}

/// An entry in which another text stands in the place of one, in frames and requests.
fn told(mut entry: FrameEntry, from: &str, to: &str) -> FrameEntry {
    entry.bytes = String::from_utf8(entry.bytes).expect("text").replace(from, to).into_bytes();
    if let FrameLink::Rest { path_and_query, .. } = &mut entry.link {
        *path_and_query = path_and_query.replace(from, to);
    }
    entry
}

#[test]
fn a_torn_tape_says_so_and_one_that_is_not_the_last_is_refused() {
    let dir = dir();
    let entries = [entry(0, 0, OPENED, ""), change(10, 0, (1, 5), "98.00"), copy(20, 5, "99.00"), change(30, 0, (6, 7), "99.10")];
    let files = recording(&dir.path().join("tapes"), &entries, true);
    let cut = |file: &Path| {
        let bytes = std::fs::read(file).expect("a tape");
        std::fs::write(file, &bytes[..bytes.len() - 1]).expect("it can be written");
    };
    let whole = replayed(dir.path(), &dir.path().join("tapes")).expect(0);
    assert_eq!((whole.json().get("note"), whole.stderr.as_str()), (None, ""));
    cut(files.last().expect("files"));
    let torn = replayed(dir.path(), &dir.path().join("tapes")).expect(0);
    let said = format!("torn inside a chunk, what came after is not there: {}", files.last().expect("files").display());
    assert_eq!(torn.json()["note"], said);
    assert!(torn.stderr.contains(&said), "{}", torn.stderr);
    let tape = "venue=binance:b,pair=BTC/USDT,format=crossgate:tapes";
    let scanned = run(crossgate(dir.path()).args(["scan", "--json", "--tape", tape])).expect(0);
    assert!(scanned.json()["note"].as_str().is_some_and(|note| note.contains("torn")) && scanned.stderr.contains("torn"));
    cut(&files[1]);
    let refused = replayed(dir.path(), &dir.path().join("tapes")).expect(1);
    assert!(refused.complaint().contains("although a later file of its recording is there"), "{}", refused.stderr);
}
