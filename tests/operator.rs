//! What an operator does to the real binary, and what it tells: the latch by every way and across restarts, draining and flattening,
//! alerts, the configuration read again, an orderly end while replies are lost, and a bad day on purpose.

#[path = "support/mod.rs"]
mod support;

use domain::{Input, OperatorCommand};
use journal::{Record, RunFiles};
use rustix::process::Signal;
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};
use support::config::{TOKEN_ENV, gates, live, replaced, two_venues_on, write};
use support::http::http;
use support::ops::{get, status, until};
use support::process::{LIMIT, Running, crossgate, run};
use support::venue::Sim;
use support::{count, dir};

const TOKEN: &str = "a-token-of-this-test";
const GO: [&str; 6] = ["run", "-c", "live.toml", "--live", "--no-tui", "--json"];

/// An engine with a token against separate venues, reconciled and trading, and its ops address.
#[track_caller]
fn trading_engine(dir: &Path, sim: &Sim) -> (Running, String) {
    let engine = Running::start(sim.engine(dir, &GO).env(TOKEN_ENV, TOKEN));
    let ops = engine.ops();
    engine.wait_for(": closed", LIMIT);
    (engine, ops)
}

#[track_caller]
fn post(ops: &str, route: &str, body: &str) -> Value {
    let answer = http(ops, "POST", route, &[("Authorization", &format!("Bearer {TOKEN}"))], body);
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str(&answer.body).expect("the answer is JSON")
}

/// The alerts file, line by line; each line is one JSON object with the keys of the contract.
#[track_caller]
fn alerts(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("the alerts file is there");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    for line in &lines {
        for key in ["time", "level", "kind", "reason", "text", "run"] {
            assert!(line[key].is_string(), "`{key}` is missing: {line}");
        }
        assert!(line["venue"].is_string() || line["venue"].is_null(), "{line}");
        assert!(["page", "info"].contains(&line["level"].as_str().expect("a level")), "{line}");
    }
    lines
}

/// `kind reason` of every page, in order.
fn pages(lines: &[Value]) -> Vec<String> {
    let page = |line: &&Value| line["level"] == "page";
    lines.iter().filter(page).map(|l| format!("{} {}", l["kind"].as_str().unwrap(), l["reason"].as_str().unwrap())).collect()
}

fn kinds<'l>(lines: &'l [Value], kind: &str) -> Vec<&'l Value> {
    lines.iter().filter(|line| line["kind"] == kind).collect()
}

/// Stops the venues' process while an order is on its way. A deal lasts a few milliseconds, so it takes some tries.
#[track_caller]
fn freeze_with_an_order_open(sim: &Sim, engine: &Running, ops: &str) {
    for _ in 0..200 {
        let next = count(&status(ops), "deals") + 1;
        engine.wait_for(&format!("deal {next}: buy"), LIMIT);
        sim.process.signal(Signal::STOP);
        // Whatever was answered before the stop is in by the next published copy.
        std::thread::sleep(Duration::from_millis(250));
        // A deal may be open alone, between its legs and its hedge.
        let open = status(ops)["open"].clone();
        if open.as_array().into_iter().flatten().any(|item| item.as_str().is_some_and(|item| item.starts_with("order "))) {
            return;
        }
        sim.process.signal(Signal::CONT);
    }
    panic!("no order was ever on its way");
}

fn wall_ms() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("the clock is set").as_secs_f64() * 1_000.0
}

/// The time of the youngest order of all venues, milliseconds.
fn youngest_order_ms(sim: &Sim) -> f64 {
    let times = sim.clients().into_iter().flat_map(|client| client.finished_orders());
    times.map(|order| order.created_ms as f64).fold(0.0, f64::max)
}

#[test]
fn the_latch_holds_by_http_signal_file_and_directory_and_outlives_the_process() {
    let dir = dir();
    let sim = Sim::start(dir.path(), &["--seed", "21"]);
    write(dir.path(), "live.toml", &live(&sim.venues));
    let latch = dir.path().join("state/latch");
    let resume = || {
        run(crossgate(dir.path()).args(["resume", "--state-dir", "state", "--reason", "the test goes on"])).expect(0);
        assert!(!latch.exists());
    };
    let mut expected: Vec<String> = Vec::new();
    for (way, reason) in [("http", "operator"), ("signal", "signal"), ("file", "file"), ("directory", "operator")] {
        let (engine, ops) = trading_engine(dir.path(), &sim);
        let asked = wall_ms();
        match way {
            "http" => assert_eq!(post(&ops, "/api/halt", "the test says so")["result"], "halted"),
            "signal" => engine.signal(Signal::USR1),
            "file" => drop(write(&dir.path().join("state"), "latch", "")),
            _ => {
                let done = run(crossgate(dir.path()).args(["halt", "--state-dir", "state", "--json"])).expect(0);
                assert_eq!(done.json(), serde_json::json!({"result": "halted"}));
            }
        }
        engine.wait_for(&format!("latch: {reason}"), LIMIT);
        let told = wall_ms();
        // The file was durable before anybody was told, or is within a moment.
        until("the latch file is there", || latch.exists());
        let halts = status(&ops)["halts"].clone();
        until("the status tells", || {
            let halts = status(&ops)["halts"].clone();
            halts.as_array().is_some_and(|h| h.iter().any(|h| h["kind"] == "latch" && h["reason"] == reason))
        });
        drop(halts);
        let deals = count(&status(&ops), "deals");
        engine.signal(Signal::TERM);
        let done = engine.end().expect(5);
        let json = done.json();
        assert_eq!((count(&json, "deals"), &json["reconciled"]), (deals, &true.into()), "nothing was opened after it: {json}");
        let last = youngest_order_ms(&sim);
        eprintln!("{way}: told after {:.1} ms, last order {:.1} ms after it was asked for", told - asked, last - asked);
        expected.push(format!("latch {reason}"));
        // The command and the file that it wrote are one halt, whichever the engine saw first.
        assert_eq!(halts_ordered(&dir.path().join("state")), expected.len(), "{way}");

        // It outlives the process, with its reason, and only a person with a reason clears it.
        let refused = run(&mut sim.engine(dir.path(), &GO)).expect(5);
        assert!(refused.complaint().contains(&format!("the kill latch is engaged ({reason}")), "{}", refused.stderr);
        run(crossgate(dir.path()).args(["resume", "--state-dir", "state"])).expect(2);
        assert!(latch.exists());
        resume();
        let lines = alerts(&dir.path().join("state/alerts.jsonl"));
        assert_eq!(pages(&lines), expected, "one condition, one page: {lines:?}");
        let resumed = kinds(&lines, "resume");
        assert!(resumed.last().is_some_and(|l| l["text"].as_str().unwrap().ends_with("the test goes on")), "{resumed:?}");
    }
}

/// A start waits for a venue as long as it takes, which may be days. Whoever halts it meanwhile must find it halted, and after it
/// the next.
#[test]
fn a_halt_during_a_start_ends_it_and_holds_for_the_next() {
    let dir = dir();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    silent.set_nonblocking(true).expect("a listener need not block");
    let ops = free_address();
    let text = live(&two_venues_on(silent.local_addr().expect("it is bound").port()));
    write(dir.path(), "live.toml", &replaced(&text, "127.0.0.1:0", &ops));
    let latch = dir.path().join("state/latch");
    let start = || {
        let keys = ["TEST_KEY_0", "TEST_SECRET_0", "TEST_KEY_1", "TEST_SECRET_1"].map(|name| (name, "x"));
        Running::start(crossgate(dir.path()).args(GO).envs(keys).env(TOKEN_ENV, TOKEN))
    };
    let command = |arguments: &[&str]| run(crossgate(dir.path()).args(arguments).args(["-c", "live.toml"]).env(TOKEN_ENV, TOKEN));
    for (way, reason) in [("http", "operator"), ("signal", "signal"), ("file", "file"), ("directory", "operator")] {
        let engine = start();
        // As long as it is not answered, the start waits; the answer to one try is nothing, and there are more.
        let mut asked = None;
        until("the engine asks its venue", || {
            asked = silent.accept().ok();
            asked.is_some()
        });
        if way == "http" {
            assert_eq!(get(&ops, "/healthz").status, 200);
            let waiting = get(&ops, "/readyz");
            assert_eq!((waiting.status, waiting.body.as_str()), (503, "not ready: starting\n"));
            assert_eq!([get(&ops, "/api/status").status, get(&ops, "/api/books").status, get(&ops, "/metrics").status], [503; 3]);
            for early in [&["status"][..], &["drain"], &["flatten"], &["resume", "--reason", "too early"]] {
                assert!(command(early).expect(1).complaint().contains("the engine is starting"));
            }
            assert_eq!(http(&ops, "POST", "/api/halt", &[("Authorization", "Bearer wrong")], "").status, 401);
            assert!(!latch.exists());
        }
        match way {
            "http" => assert_eq!(command(&["halt", "--json"]).expect(0).json(), serde_json::json!({"result": "halted"})),
            "signal" => engine.signal(Signal::USR1),
            "file" => drop(write(&dir.path().join("state"), "latch", "")),
            _ => drop(run(crossgate(dir.path()).args(["halt", "--state-dir", "state"])).expect(0)),
        }
        let begun = Instant::now();
        let done = engine.end().expect(5);
        assert!(begun.elapsed() < Duration::from_secs(5), "{way}, at once: {:?}", begun.elapsed());
        let complaint = done.complaint();
        for part in [&format!("the kill latch is engaged ({reason}"), "nothing was sent", "crossgate resume --state-dir state"] {
            assert!(complaint.contains(part), "{way}: `{part}` should be said: {complaint}");
        }
        assert!(latch.exists(), "{way}");
        let refused = start().end().expect(5);
        assert!(refused.complaint().contains(&format!("the kill latch is engaged ({reason}")), "{way}: {}", refused.stderr);
        run(crossgate(dir.path()).args(["resume", "--state-dir", "state", "--reason", "the test goes on"])).expect(0);
    }
    let lines = alerts(&dir.path().join("state/alerts.jsonl"));
    assert_eq!(pages(&lines), ["latch operator", "latch signal", "latch file", "latch operator"], "{lines:?}");
    // A start that ends by a signal is none that was halted.
    let engine = start();
    until("it asks its venue", || silent.accept().is_ok());
    engine.signal(Signal::TERM);
    engine.end().expect(1);
    assert!(!latch.exists());
}

/// An address that nobody listens on, most likely for a while.
fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").to_string()
}

/// Halts in the state logs of all epochs.
fn halts_ordered(run_dir: &Path) -> usize {
    let records = RunFiles::new(run_dir).state_records().expect("the run directory can be read");
    let halt = |record: &Record| matches!(record, Record::Input { input: Input::Operator(OperatorCommand::Halt { .. }), .. });
    records.filter(|item| halt(&item.as_ref().expect("the state log can be read").1)).count()
}

/// F46: the lock that keeps a second engine out is gone while an engine runs.
#[test]
fn an_engine_that_lost_its_lock_opens_nothing_more() {
    let dir = dir();
    let sim = Sim::start(dir.path(), &["--seed", "23"]);
    write(dir.path(), "live.toml", &live(&sim.venues));
    let (engine, ops) = trading_engine(dir.path(), &sim);
    std::fs::remove_file(dir.path().join("state/lock")).expect("it is there");
    engine.wait_for("latch: instance_lock", LIMIT);
    until("opportunities pass by", || status(&ops)["verdicts"]["latched"].as_u64().unwrap_or(0) > 0);
    until("the latch file is there", || dir.path().join("state/latch").exists());
    engine.signal(Signal::TERM);
    assert_eq!(engine.end().expect(5).json()["reconciled"], true);
    assert_eq!(pages(&alerts(&dir.path().join("state/alerts.jsonl"))), ["latch instance_lock"]);
    let refused = run(&mut sim.engine(dir.path(), &GO)).expect(5);
    assert!(refused.complaint().contains("instance_lock"), "{}", refused.stderr);
}

#[test]
fn a_latch_that_can_not_be_written_holds_in_memory_and_is_told() {
    let dir = dir();
    let sim = Sim::start(dir.path(), &["--seed", "22"]);
    write(dir.path(), "live.toml", &live(&sim.venues));
    let (engine, ops) = trading_engine(dir.path(), &sim);
    // A directory stands where the new file would be made.
    std::fs::create_dir(dir.path().join("state/latch.new")).expect("it can be made");
    let answer = post(&ops, "/api/halt", "");
    assert_eq!(answer["result"], "halted");
    assert!(answer["warning"].as_str().is_some_and(|w| w.contains("can't be written")), "{answer}");
    let halted = status(&ops);
    assert_eq!((&halted["halts"][0]["kind"], &halted["halts"][0]["reason"]), (&"latch".into(), &"operator".into()));
    until("opportunities pass by", || status(&ops)["verdicts"]["latched"].as_u64().unwrap_or(0) > 0);
    assert_eq!(status(&ops)["deals"], halted["deals"]);
    engine.signal(Signal::TERM);
    engine.end().expect(5);
    let lines = alerts(&dir.path().join("state/alerts.jsonl"));
    assert_eq!(kinds(&lines, "latch").len(), 1, "{lines:?}");
    assert!(!kinds(&lines, "latch_file").is_empty(), "{lines:?}");
}

#[test]
fn drain_and_flatten_end_with_nothing_open_and_resume_opens_again() {
    let dir = dir();
    let sim = Sim::start(dir.path(), &["--seed", "23"]);
    let alerts_file = "[alerts]\nfile = \"told.jsonl\"\n[ops]";
    write(dir.path(), "live.toml", &replaced(&live(&sim.venues), "[ops]", alerts_file));
    let (engine, ops) = trading_engine(dir.path(), &sim);
    let command = |arguments: &[&str]| {
        let mut command = crossgate(dir.path());
        command.args(arguments).args(["--ops", &ops, "--json"]).env(TOKEN_ENV, TOKEN);
        run(&mut command)
    };
    for (way, word) in [("drain", "drained"), ("flatten", "flat")] {
        let done = command(&[way, "--timeout", "30s"]).expect(0).json();
        assert_eq!(done, serde_json::json!({"result": word, "open": []}));
        let drained = status(&ops);
        assert_eq!((&drained["open"], &drained["open_deals"]), (&serde_json::json!([]), &serde_json::json!([])), "{drained}");
        assert!(drained["halts"].as_array().is_some_and(|h| h.iter().any(|h| h["reason"] == "operator")), "{drained}");
        let passed = drained["verdicts"]["paused"].as_u64().unwrap_or(0);
        until("opportunities pass by", || status(&ops)["verdicts"]["paused"].as_u64().unwrap_or(0) > passed);
        assert_eq!(status(&ops)["deals"], drained["deals"], "no deal after it");
        command(&["resume", "--reason", "enough"]).expect(0);
        until("deals are made again", || status(&ops)["deals"].as_u64() > drained["deals"].as_u64());
    }
    // Venues that stand still: whatever is on its way stays open, and that is told with 6.
    freeze_with_an_order_open(&sim, &engine, &ops);
    let late = command(&["drain", "--timeout", "300ms"]).expect(6);
    assert_eq!(late.json()["result"], "open");
    assert!(
        late.complaint().starts_with("still open after 300.0 ms: ") && late.complaint().contains("order "),
        "{}",
        late.stderr
    );
    sim.process.signal(Signal::CONT);
    command(&["drain", "--timeout", "60s"]).expect(0);
    for (token, part) in [(None, "set CROSSGATE_OPS_TOKEN to its token"), (Some("wrong"), "wrong token")] {
        for way in ["drain", "flatten"] {
            let mut command = crossgate(dir.path());
            command.args([way, "--ops", &ops]).envs(token.map(|token| (TOKEN_ENV, token)));
            let done = run(&mut command).expect(4);
            assert!(done.complaint().contains(part), "{}", done.stderr);
        }
    }
    engine.signal(Signal::TERM);
    let json = engine.end().expect(0).json();
    sim.assert_balances(&json);
    let lines = alerts(&dir.path().join("told.jsonl"));
    let paused: Vec<_> = kinds(&lines, "pause").into_iter().filter(|l| l["reason"] == "operator").collect();
    assert_eq!(paused.len(), 3, "drained twice and flattened once: {lines:?}");
    assert!(paused.iter().all(|l| l["level"] == "info"), "asked for, so nobody is paged: {paused:?}");
    let cleared = kinds(&lines, "pause_cleared").into_iter().filter(|l| l["reason"] == "operator").count();
    assert_eq!(cleared, 2, "{lines:?}");
}

#[test]
fn the_configuration_is_read_again_as_a_whole_or_not_at_all() {
    let dir = dir();
    let text = gates(&[]);
    write(dir.path(), "demo.toml", &text);
    let engine = Running::start(crossgate(dir.path()).args(["run", "-c", "demo.toml", "--no-tui", "--json"]));
    let ops = engine.ops();
    engine.wait_for(": closed", LIMIT);
    let change = |from: &str, to: &str, expected: &str| {
        write(dir.path(), "demo.toml", &replaced(&text, from, to));
        engine.signal(Signal::HUP);
        engine.wait_for(expected, LIMIT);
    };
    change("seed = 1 ", "seed = 2 ", "refused, the old one stays in force: seed can't change while the engine runs");
    change("hedge_pause = \"250ms\"", "hedge_pause = \"90ms\"", "execution.hedge_pause can't change");
    change("min_edge_bps = \"2\"", "min_edge_bps = \"two\"", "`two` is no decimal number");
    let edge = "min_edge_bps = \"900\"";
    change("min_edge_bps = \"2\"", edge, "the configuration was read again: strategy.min_edge_bps in force");
    // From here on nothing pays enough.
    let too_small = || status(&ops)["verdicts"]["below_min_edge"].as_u64().unwrap_or(0);
    let begun = too_small();
    until("opportunities are too small", || too_small() > begun + 1);
    let (before, below) = (status(&ops), too_small());
    until("more of them are", || too_small() > below + 1);
    assert_eq!(status(&ops)["deals"], before["deals"]);
    // What is in force now is what the next reading is compared with.
    engine.signal(Signal::HUP);
    engine.wait_for("nothing differs", LIMIT);
    engine.signal(Signal::TERM);
    let json = engine.end().expect(0).json();
    let run_dir = dir.path().join(json["run_dir"].as_str().expect("a path"));
    let told: Vec<_> = alerts(&run_dir.join("alerts.jsonl")).iter().map(|l| format!("{} {}", l["kind"], l["reason"])).collect();
    let config: Vec<_> = told.iter().filter(|t| t.contains("\"config\"")).collect();
    assert_eq!(config.len(), 5, "one line for every reading: {told:?}");
    // And the patch is in the journal: a replay decides the same.
    let replay = run(crossgate(dir.path()).args(["replay", "state", "--verify", "--json"])).expect(0).json();
    assert_eq!((&replay["verified"], &replay["output_hash"]), (&true.into(), &json["output_hash"]), "{replay}");
}

#[test]
fn an_orderly_end_finishes_what_lost_replies_left_in_the_dark() {
    let dir = dir();
    write(
        dir.path(),
        "sim.toml",
        &replaced(
            &gates(&[]),
            "fee_bps = \"10\"",
            "fee_bps = \"10\"\n[sim.faults]\ndrop_reply_after_order = [2, 4, 5, 7, 8, 9, 11]",
        ),
    );
    let sim = Sim::start(dir.path(), &["-c", "sim.toml"]);
    write(dir.path(), "live.toml", &live(&sim.venues));
    let engine = Running::start(&mut sim.engine(dir.path(), &GO));
    // In the middle of a deal, right after its orders left.
    engine.wait_for("deal 3: buy", LIMIT);
    engine.signal(Signal::TERM);
    let json = engine.end().expect(0).json();
    assert_eq!((count(&json, "orders_unknown"), &json["reconciled"]), (0, &true.into()), "{json}");
    sim.assert_balances(&json);
    for client in sim.clients() {
        assert_eq!(client.open_orders(), []);
    }
}

#[test]
fn an_end_that_is_not_clean_tells_what_is_open_and_the_next_start_finishes_it() {
    let dir = dir();
    let sim = Sim::start(dir.path(), &["--seed", "24"]);
    let config = write(dir.path(), "live.toml", &live(&sim.venues));
    let engine = Running::start(sim.engine(dir.path(), &GO).env(TOKEN_ENV, TOKEN));
    let ops = engine.ops();
    engine.wait_for(": closed", LIMIT);
    freeze_with_an_order_open(&sim, &engine, &ops);
    engine.signal(Signal::TERM);
    engine.wait_for("pause: signal", LIMIT);
    engine.signal(Signal::TERM);
    let done = engine.end().expect(6);
    let complaint = done.complaint();
    assert!(complaint.contains("order ") && complaint.contains("on gate-") && complaint.contains("deal "), "{complaint}");
    let lines = alerts(&dir.path().join("state/alerts.jsonl"));
    assert_eq!(kinds(&lines, "unclean").len(), 1, "{lines:?}");
    assert_eq!(kinds(&lines, "unclean")[0]["level"], "page");
    sim.process.signal(Signal::CONT);
    // Keys that are refused find out nothing: what the life before left open outranks them.
    let mut command = sim.engine(dir.path(), &GO);
    command.env("TEST_SECRET_0", "wrong").env("TEST_SECRET_1", "wrong");
    let engine = Running::start(&mut command);
    until("the refusal is told", || !kinds(&alerts(&dir.path().join("state/alerts.jsonl")), "key_refused").is_empty());
    engine.signal(Signal::TERM);
    // The kernel makes one of two that wait; a person needs a moment too.
    std::thread::sleep(Duration::from_millis(200));
    engine.signal(Signal::TERM);
    let done = engine.end().expect(6);
    assert!(done.complaint().contains("deal ") && done.complaint().contains("refuses the API key"), "{}", done.complaint());
    let (_, json) = sim.run(dir.path(), &config, "2s");
    assert_eq!((count(&json, "orders_unknown"), &json["reconciled"]), (0, &true.into()), "{json}");
    sim.assert_balances(&json);
}

#[test]
fn a_bad_day_is_shown_as_it_strikes_and_still_reconciles() {
    let dir = dir();
    let go = ["run", "--faults", "5", "--for", "20s", "--no-tui"];
    let done = run(crossgate(dir.path()).args(go)).expect(0);
    assert!(done.stderr.lines().filter(|line| line.contains(" FAULT on ")).count() >= 4, "{}", done.stderr);
    let (_, bad_day) = done.stdout.split_once("The bad day (--faults 5)").expect("the report tells of it");
    assert!(bad_day.contains("faults that struck") && bad_day.contains("longest unhedged"), "{bad_day}");
    assert!(
        bad_day.trim_end().ends_with("reconciled                yes, every balance is the venue's to the last digit"),
        "{bad_day}"
    );
    // It is for simulated venues only.
    write(dir.path(), "live.toml", &live(&support::config::two_venues_on(1)));
    let refused = run(crossgate(dir.path()).args(["run", "-c", "live.toml", "--live", "--faults", "5"])).expect(2);
    assert!(refused.complaint().contains("--faults strikes simulated venues only"), "{}", refused.stderr);
    assert_eq!(refused.stderr.lines().count(), 1, "{}", refused.stderr);
}

/// Simulated and paper runs have a directory each: what holds for all of them stands in the one that holds these.
#[test]
fn a_latch_in_the_directory_of_runs_holds_for_the_running_one_and_the_next() {
    let dir = dir();
    write(dir.path(), "sim.toml", &gates(&[]));
    let go = ["run", "-c", "sim.toml", "--state-dir", "runs", "--no-tui", "--json"];
    let engine = Running::start(crossgate(dir.path()).args(go));
    engine.wait_for(": closed", LIMIT);
    run(crossgate(dir.path()).args(["halt", "--state-dir", "runs"])).expect(0);
    engine.wait_for("latch: operator", LIMIT);
    let busy = run(crossgate(dir.path()).args(["resume", "--state-dir", "runs", "--reason", "too early"])).expect(1);
    assert!(
        busy.complaint().contains("in use by another process"),
        "a running engine's latch is not cleared behind its back: {}",
        busy.stderr
    );
    assert!(dir.path().join("runs/latch").exists());
    engine.signal(Signal::TERM);
    engine.end().expect(5);
    let runs = || std::fs::read_dir(dir.path().join("runs")).unwrap().filter(|e| e.as_ref().unwrap().path().is_dir()).count();
    assert_eq!(runs(), 1);
    let refused = run(crossgate(dir.path()).args(go)).expect(5);
    assert!(refused.complaint().contains("resume --state-dir runs"), "{}", refused.stderr);
    assert_eq!(runs(), 1, "no directory for a run that did not start");
    // With a file that is wrong nothing is resumed.
    write(dir.path(), "wrong.toml", "sede = 1\n");
    let resume = ["resume", "--state-dir", "runs", "--reason", "checked"];
    run(crossgate(dir.path()).args(resume).args(["-c", "wrong.toml"])).expect(3);
    run(crossgate(dir.path()).args(go)).expect(5);
    run(crossgate(dir.path()).args(resume)).expect(0);
    let json = run(crossgate(dir.path()).args(go).args(["--for", "2s"])).expect(0).json();
    assert_eq!(json["reconciled"], true, "{json}");
}

/// The time of `--for` is over and the venues do not answer: the signal that comes then is the first that a person sends.
#[test]
fn the_first_signal_after_the_time_is_over_waits_for_an_orderly_end() {
    let dir = dir();
    let sim = Sim::start(dir.path(), &["--seed", "23"]);
    write(dir.path(), "live.toml", &live(&sim.venues));
    let engine = Running::start(sim.engine(dir.path(), &GO).args(["--for", "4s"]).env(TOKEN_ENV, TOKEN));
    let ops = engine.ops();
    engine.wait_for(": closed", LIMIT);
    sim.process.signal(Signal::STOP);
    let ran = || status(&ops)["duration_s"].as_str().and_then(|text| text.parse::<f64>().ok()).expect("seconds");
    until("the time is over", || ran() > 4.3);
    engine.signal(Signal::INT);
    until("it goes on", || ran() > 4.8);
    sim.process.signal(Signal::CONT);
    let json = engine.end().expect(0).json();
    assert_eq!(json["reconciled"], true, "{json}");
}

/// A drain, a kill, an audit, and a morning on which venues have changed their lists: what a person ordered holds, the pair that is gone
/// may go, and the coarser tick of another takes nothing from the log.
#[test]
fn a_drain_holds_over_an_audit_and_the_log_over_a_delisting_and_a_coarser_tick() {
    let dir = dir();
    let later = |kind: &str, pair: &str| {
        format!("\n[[sim.fault]]\nat = \"25s\"\nlasts = \"1h\"\nkind = \"{kind}\"\npair = \"{pair}\"\namount = 1\n")
    };
    write(dir.path(), "sim.toml", &(gates(&[]) + &later("delisted", "SOL_USDT") + &later("coarser_rules", "BTC_USDT")));
    let sim = Sim::start(dir.path(), &["-c", "sim.toml", "--seed", "23", "--venue", "gate", "--venue", "gate"]);
    write(dir.path(), "live.toml", &live(&sim.venues));
    let (engine, ops) = trading_engine(dir.path(), &sim);
    let traded = |pair: &str| engine.wait_for(&format!("{pair} on"), LIMIT);
    traded("SOL/USDT");
    traded("BTC/USDT");
    let mut drain = crossgate(dir.path());
    drain.args(["drain", "--timeout", "30s", "--ops", &ops]).env(TOKEN_ENV, TOKEN);
    run(&mut drain).expect(0);
    engine.signal(Signal::KILL);
    engine.end();
    run(&mut sim.engine(dir.path(), &["reconcile", "-c", "live.toml"])).expect(0);

    let rest = sim.venues[1]["rest"].as_str().and_then(|url| url.strip_prefix("http://")).expect("a plain address");
    let address = rest.split('/').next().expect("a host");
    let rules = |pair: &str| http(address, "GET", &format!("/api/v4/spot/currency_pairs/{pair}"), &[], "");
    until("the lists change", || rules("SOL_USDT").status != 200);
    write(dir.path(), "live.toml", &replaced(&live(&sim.venues), "[[pair]]\nsymbol = \"SOL/USDT\"\n", ""));
    let (_, drained) = sim.run(dir.path(), Path::new("live.toml"), "6s");
    assert_eq!((count(&drained, "deals"), &drained["reconciled"]), (0, &true.into()), "{drained}");
    assert!(drained["halts"].as_array().is_some_and(|h| h.iter().any(|h| h["reason"] == "operator")), "{drained}");
    assert!(drained["balances"].as_array().is_some_and(|b| b.iter().any(|b| b["asset"] == "SOL")), "{drained}");
    sim.assert_balances(&drained);
    // That run has drained and ended: the next one trades, and its decisions are replayed on the tables that it had.
    let (_, json) = sim.run(dir.path(), Path::new("live.toml"), "8s");
    assert!(count(&json, "deals") > 0 && json["reconciled"] == true, "{json}");
    sim.assert_balances(&json);
    let replay = run(crossgate(dir.path()).args(["replay", "state", "--verify", "--json"])).expect(0).json();
    assert_eq!((&replay["verified"], &replay["output_hash"]), (&true.into(), &json["output_hash"]), "{replay}");
}
