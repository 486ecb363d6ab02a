//! What a live run of the real binary needs before it connects to anything: the word `--live`, its keys, a token and a port that can
//! work; what a key that is refused, or that may withdraw, ends it with; and no answer ever shows a secret.

#[path = "support/mod.rs"]
mod support;

use serde_json::Value;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};
use support::config::{TESTNET, gates, live, live_file, replaced, two_venues_on, write};
use support::dir;
use support::process::{Done, assert_one_sentence, crossgate, run};

/// Values that must never be shown.
const CANARIES: [&str; 4] = ["canary-key-7f3a", "canary-secret-91bc", "canary-key-55d0", "canary-secret-e2f8"];

/// A loopback port that counts who comes.
struct Bait(TcpListener);

impl Bait {
    fn set() -> Bait {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a listener need not block");
        Bait(listener)
    }

    fn port(&self) -> u16 {
        self.0.local_addr().expect("it is bound").port()
    }

    /// The kernel queues connections, so that whoever came before is seen now.
    #[track_caller]
    fn assert_untouched(&self) {
        let answer = self.0.accept().map(|(_, from)| from);
        assert_eq!(answer.map_err(|e| e.kind()), Err(std::io::ErrorKind::WouldBlock), "somebody connected");
    }
}

#[test]
fn missing_and_careless_keys_end_before_any_connection() {
    let (dir, bait) = (dir(), Bait::set());
    let text = live(&two_venues_on(bait.port()));
    write(dir.path(), "live.toml", &text);
    let line = |marker: &str| text.lines().position(|line| line.contains(marker)).expect("it is there") + 1;
    let go = ["run", "-c", "live.toml", "--live", "--for", "1s", "--json"];

    let done = run(crossgate(dir.path()).args(go));
    let begins = format!("live.toml:{}: venue[0].key_env: ", line("TEST_KEY_0"));
    assert_one_sentence(done, dir.path(), &begins, &["TEST_KEY_0", "not set", "export it"]);
    let mut keys = vec![("TEST_KEY_0", CANARIES[0]), ("TEST_SECRET_0", CANARIES[1]), ("TEST_KEY_1", CANARIES[2])];
    for command in [&go[..], &["doctor", "-c", "live.toml"]] {
        let done = run(crossgate(dir.path()).args(command).envs(keys.clone()));
        assert_no_canary(&done);
        let begins = format!("live.toml:{}: venue[1].secret_env: ", line("TEST_SECRET_1"));
        assert_one_sentence(
            done,
            dir.path(),
            &begins,
            &["TEST_SECRET_1", "API secret of venue `right`", "not set", "secret_file"],
        );
    }
    keys.push(("TEST_SECRET_1", "  "));
    let done = run(crossgate(dir.path()).args(go).envs(keys));
    assert_one_sentence(done, dir.path(), "live.toml:", &["TEST_SECRET_1", "not set"]);

    // Keys in files: they must exist, be ours alone, and hold something.
    let text = replaced(
        &text,
        "key_env = \"TEST_KEY_0\"\nsecret_env = \"TEST_SECRET_0\"",
        "key_file = \"key\"\nsecret_file = \"secret\"",
    );
    write(dir.path(), "files.toml", &text);
    let line = |marker: &str| text.lines().position(|line| line.contains(marker)).expect("it is there") + 1;
    let go = ["run", "-c", "files.toml", "--live", "--for", "1s", "--json"];
    let (key, secret) = (dir.path().join("key"), dir.path().join("secret"));
    let mode = |path: &Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("the mode can be set");
    };
    let at_key = format!("files.toml:{}: venue[0].key_file: ", line("key_file"));
    assert_one_sentence(run(crossgate(dir.path()).args(go)), dir.path(), &at_key, &["can't read key", "No such file"]);
    std::fs::write(&key, CANARIES[0]).expect("the file can be written");
    for wrong in [0o644, 0o640, 0o604] {
        mode(&key, wrong);
        let done = run(crossgate(dir.path()).args(go));
        assert_no_canary(&done);
        assert_one_sentence(done, dir.path(), &at_key, &["readable by others", "chmod 600 key"]);
    }
    mode(&key, 0o600);
    std::fs::write(&secret, "\n").expect("the file can be written");
    mode(&secret, 0o600);
    let at_secret = format!("files.toml:{}: venue[0].secret_file: ", line("secret_file"));
    assert_one_sentence(run(crossgate(dir.path()).args(go)), dir.path(), &at_secret, &["secret is empty"]);
    std::fs::write(&secret, "x".repeat(5_000)).expect("the file can be written");
    assert_one_sentence(run(crossgate(dir.path()).args(go)), dir.path(), &at_secret, &["too large for a key"]);

    // With both right, the next missing key is the other venue's: these were taken.
    std::fs::write(&secret, CANARIES[1]).expect("the file can be written");
    let done = run(crossgate(dir.path()).args(go));
    assert_no_canary(&done);
    assert_one_sentence(done, dir.path(), "files.toml:", &["venue[1].key_env: ", "TEST_KEY_1", "not set"]);
    bait.assert_untouched();
}

#[track_caller]
fn assert_no_canary(done: &Done) {
    for canary in CANARIES {
        assert!(!done.stdout.contains(canary) && !done.stderr.contains(canary), "a secret is shown: {done:?}");
    }
}

#[test]
fn refused_keys_are_told_and_no_answer_shows_a_secret() {
    let dir = dir();
    let sim = support::venue::Sim::start(dir.path(), &[]);
    let text = live(&sim.venues);
    write(dir.path(), "live.toml", &text);
    let wrong = || {
        let mut command = crossgate(dir.path());
        command.env("TEST_KEY_0", CANARIES[0]).env("TEST_SECRET_0", CANARIES[1]);
        command.env("TEST_KEY_1", CANARIES[2]).env("TEST_SECRET_1", CANARIES[3]);
        command
    };
    let doctor = run(wrong().args(["doctor", "-c", "live.toml", "--json"])).expect(4);
    assert_no_canary(&doctor);
    let checks = doctor.json()["checks"].as_array().expect("`checks` is a list").clone();
    for venue in ["gate-a", "gate-b"] {
        let auth = checks.iter().find(|c| c["id"] == "auth" && c["venue"] == venue).expect("keys are checked");
        assert_eq!(auth["status"], "fail", "{auth}");
        assert!(auth["fix"].as_str().is_some_and(|fix| fix.contains("secret")), "{auth}");
        let time = checks.iter().find(|c| c["id"] == "clock" && c["venue"] == venue).expect("time is checked");
        assert_eq!(time["status"], "ok", "{time}");
    }

    // As loud as it gets, and all that it writes to disk.
    let done =
        run(wrong().env("CROSSGATE_LOG", "trace").args(["run", "-c", "live.toml", "--live", "--for", "2s", "--json", "-vvv"]));
    assert_eq!(done.code, Some(4), "a refused key: {done:?}");
    // Both keys are wrong; whichever venue answers first is named.
    assert!(done.complaint().contains("`gate-a`") || done.complaint().contains("`gate-b`"), "{}", done.stderr);
    assert_no_canary(&done);
    let json: Value = done.json();
    assert_eq!((&json["orders_sent"], &json["deals"], &json["reconciled"]), (&0.into(), &0.into(), &false.into()));
    for entry in std::fs::read_dir(dir.path().join("state")).expect("the run directory") {
        let path = entry.expect("an entry").path();
        let bytes = std::fs::read(&path).expect("a file of the run");
        let text = String::from_utf8_lossy(&bytes);
        assert!(!CANARIES.iter().any(|canary| text.contains(canary)), "a secret stands in {}", path.display());
    }
    for command in [&["config", "print", "-c", "live.toml"][..], &["config", "print", "-c", "live.toml", "--json"]] {
        let done = run(wrong().args(command)).expect(0);
        assert_no_canary(&done);
        assert!(done.stdout.contains("TEST_SECRET_1"), "the variable's name is no secret: {}", done.stdout);
    }
}

#[test]
fn everything_right_connects_and_an_unreachable_host_ends_with_1() {
    let dir = dir();
    let go = ["run", "-c", "hosts.toml", "--live", "--for", "1s", "--no-tui"];
    let names = ["GATE_API_KEY", "GATE_API_SECRET", "BINANCE_API_KEY", "BINANCE_API_SECRET", "BYBIT_API_KEY", "BYBIT_API_SECRET"];
    let keys = names.map(|name| (name, "canary-key-7f3a"));
    // A name that never resolves: nobody is reached, with or without a network.
    let nowhere = [("api.gateio.ws", "api.gate.invalid"), (".binance.com", ".binance.invalid"), (".bybit.com", ".bybit.invalid")]
        .iter()
        .fold(live_file(), |text, (host, invalid)| text.replace(host, invalid));
    write(dir.path(), "hosts.toml", &nowhere);
    let begun = Instant::now();
    let done = run(crossgate(dir.path()).args(go).envs(keys).env("CROSSGATE__OPS__LISTEN", "127.0.0.1:0")).expect(1);
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
    let at_stake = done.stderr.find("LIVE, real money").expect("what is at stake is said");
    let failed =
        done.stderr.find("`gate`: its assets can't be read: no answer from https://api.gate.invalid").expect("then it fails");
    assert!(at_stake < failed, "before the first connection: {}", done.stderr);
    assert!(done.complaint().contains("crossgate doctor"), "{}", done.stderr);
    assert_no_canary(&done);

    // The testnet asks for its keys, and a loopback host for somebody who answers.
    let testnet = replaced(TESTNET, "dir = \".crossgate/testnet\"", "dir = \"state2\"");
    write(dir.path(), "testnet.toml", &testnet);
    let done = run(crossgate(dir.path()).args(["run", "-c", "testnet.toml", "--live"])).expect(3);
    assert!(done.complaint().contains("GATE_API_KEY"), "{}", done.stderr);
    write(dir.path(), "hosts.toml", &live(&two_venues_on(1)));
    let keys = ["TEST_KEY_0", "TEST_SECRET_0", "TEST_KEY_1", "TEST_SECRET_1"].map(|name| (name, "x"));
    let done = run(crossgate(dir.path()).args(go).envs(keys)).expect(1);
    assert!(done.complaint().contains("venue `left`: its rules can't be read from http://127.0.0.1:1"), "{}", done.stderr);
    assert!(done.stderr.contains("this machine"), "{}", done.stderr);
}

#[test]
fn live_needs_both_the_file_and_the_flag() {
    let (dir, bait) = (dir(), Bait::set());
    write(dir.path(), "live.toml", &live(&two_venues_on(bait.port())));
    let done = run(crossgate(dir.path()).args(["run", "-c", "live.toml"])).expect(2);
    assert!(done.complaint().contains("add --live"), "{}", done.stderr);
    write(dir.path(), "sim.toml", &gates(&[]));
    for command in [&["run", "-c", "sim.toml", "--live"][..], &["run", "--live"]] {
        let done = run(crossgate(dir.path()).args(command)).expect(2);
        assert!(done.complaint().contains("--live needs mode = \"live\""), "{}", done.stderr);
    }
    let done = run(crossgate(dir.path()).args(["run", "-c", "live.toml", "--live"]).env("CROSSGATE__MODE", "sim")).expect(2);
    assert!(done.complaint().contains("says `sim`"), "{}", done.stderr);
    bait.assert_untouched();
}

#[test]
fn a_key_that_may_withdraw_ends_with_4_before_any_order() {
    let dir = dir();
    write(dir.path(), "withdraw.toml", &gates(&[("basis_bps = \"60\"", "basis_bps = \"60\"\nkey_may_withdraw = true")]));
    let done = run(crossgate(dir.path()).args(["run", "-c", "withdraw.toml", "--for", "20s", "--no-tui", "--json"])).expect(4);
    let complaint = done.complaint();
    // Both keys may; whichever venue tells first is named.
    assert!(complaint.starts_with("venue `gate-") && complaint.contains("`: this API key may withdraw"), "{complaint}");
    assert!(complaint.contains("make a key without withdrawal rights"), "{complaint}");
    let json = done.json();
    assert_eq!((&json["orders_sent"], &json["deals"], &json["fills"]), (&0.into(), &0.into(), &0.into()), "{json}");

    let doctor = run(crossgate(dir.path()).args(["doctor", "-c", "withdraw.toml", "--json"])).expect(4).json();
    let checks = doctor["checks"].as_array().expect("`checks` is a list");
    let right = checks.iter().find(|c| c["id"] == "withdraw_right").expect("the right is checked");
    assert_eq!((&right["status"], &right["venue"]), (&"fail".into(), &"gate-a".into()), "{right}");
}

#[test]
fn a_refused_key_ends_reconcile_with_4_at_once() {
    let dir = dir();
    let sim = support::venue::Sim::start(dir.path(), &[]);
    write(dir.path(), "live.toml", &live(&sim.venues));
    let mut command = sim.engine(dir.path(), &["reconcile", "-c", "live.toml", "--json"]);
    command.env("TEST_SECRET_0", CANARIES[1]);
    let begun = Instant::now();
    let done = run(&mut command).expect(4);
    assert!(done.complaint().contains("`gate-a` refuses the API key"), "{}", done.stderr);
    assert!(begun.elapsed() < Duration::from_secs(20), "it does not wait for a venue that refuses it");
}

#[test]
fn keys_are_read_from_files_that_variables_name() {
    let dir = dir();
    let sim = support::venue::Sim::start(dir.path(), &[]);
    write(dir.path(), "live.toml", &live(&sim.venues));
    let mut command = sim.engine(dir.path(), &["run", "-c", "live.toml", "--live", "--no-tui", "--json", "--for", "2s"]);
    let values: Vec<(String, std::ffi::OsString)> = command
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_str()?.to_string(), value?.to_os_string())))
        .filter(|(name, _)| name.starts_with("TEST_"))
        .collect();
    assert!(values.len() >= 4, "{values:?}");
    for (name, value) in values {
        let path = dir.path().join(&name);
        std::fs::write(&path, value.to_str().unwrap()).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        command.env_remove(&name).env(format!("{name}_FILE"), path);
    }
    let done = run(&mut command).expect(0);
    assert_eq!(done.json()["reconciled"], true, "{}", done.stdout);
    assert!(!done.stderr.contains("come from the environment"), "{}", done.stderr);
    let open = dir.path().join("TEST_KEY_0");
    std::fs::set_permissions(&open, PermissionsExt::from_mode(0o644)).unwrap();
    let done = run(&mut command).expect(3);
    assert!(done.complaint().starts_with("environment variable TEST_KEY_0_FILE: "), "{}", done.stderr);
    assert!(done.complaint().contains("chmod 600"), "{}", done.stderr);
}

#[test]
fn what_can_never_work_is_told_before_anything_is_connected() {
    let (dir, bait) = (dir(), Bait::set());
    write(dir.path(), "live.toml", &live(&two_venues_on(bait.port())));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let keys = ["TEST_KEY_0", "TEST_SECRET_0", "TEST_KEY_1", "TEST_SECRET_1"].map(|name| (name, "x"));
    let start = || {
        let mut command = crossgate(dir.path());
        command.args(["run", "-c", "live.toml", "--live", "--no-tui"]).envs(keys);
        command
    };
    for token in ["a token", "token\n", "t\u{f6}ken"] {
        let done = run(start().env("CROSSGATE_OPS_TOKEN", token)).expect(3);
        assert!(done.complaint().contains("CROSSGATE_OPS_TOKEN: a token is of visible ASCII"), "{}", done.stderr);
    }
    let done = run(start().env("CROSSGATE__OPS__LISTEN", &taken)).expect(3);
    assert!(done.complaint().contains("can't bind"), "{}", done.stderr);
    let done = run(start().args(["--state-dir", ""])).expect(2);
    assert!(done.complaint().contains("--state-dir is empty"), "{}", done.stderr);
    assert!(!dir.path().join("state").exists(), "nothing was begun");
    bait.assert_untouched();
    let done = run(crossgate(dir.path()).args(["sim", "--listen", &taken])).expect(3);
    assert!(done.complaint().contains(&taken) && done.complaint().contains("in use"), "{}", done.stderr);
}
