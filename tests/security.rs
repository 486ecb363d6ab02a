//! What nobody may get out of the real binary: secrets by any output, a core file, a forged log line, a latch by a foreign hand, TLS
//! without verification.

#[path = "support/mod.rs"]
mod support;

use fuzz_targets::mutate::{Dice, input};
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::config::{TOKEN_ENV, gates, live, two_venues_on, write};
use support::dir;
use support::http::http;
use support::ops::{get, until};
use support::process::{Running, crossgate, run};
use support::venue::Sim;

const TOKEN: &str = "canary-ops-token-5d1e";

/// A text in which no secret may stand, by name.
fn assert_clean(what: &str, bytes: &[u8], secrets: &[String]) {
    for secret in secrets {
        let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "{what} shows a secret");
    }
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut folders, mut found) = (vec![folder.to_path_buf()], Vec::new());
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).expect("a folder of our own").flatten().map(|entry| entry.path()) {
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found
}

/// What must never be shown: keys, secrets, the token.
fn canaries(sim: &Sim) -> Vec<String> {
    let text = |venue: &serde_json::Value, key: &str| venue[key].as_str().expect("told").to_string();
    let keys = sim.venues.iter().flat_map(|venue| [text(venue, "secret"), text(venue, "key")]);
    let all: Vec<String> = keys.chain([TOKEN.to_string()]).collect();
    assert!(all.iter().all(|secret| secret.len() >= 8), "too short to be looked for: {all:?}");
    all
}

/// What a run and an audit write tells orders, balances and profit.
#[test]
fn a_run_directory_is_for_its_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = dir();
    let sim = Sim::start(dir.path(), &["--seed", "12"]);
    write(dir.path(), "live.toml", &live(&sim.venues));
    write(dir.path(), "sim.toml", &gates(&[]));
    // Asked first, as the README has it; a word about what is missing on this machine does not matter here.
    run(sim.engine(dir.path(), &["doctor", "-c", "live.toml"]).env("CROSSGATE__STATE__DIR", "looked-at"));
    let mode = |path: &Path| std::fs::metadata(path).expect("it was made").permissions().mode() & 0o777;
    for (state, arguments) in [
        ("audited", &["reconcile", "-c", "live.toml"][..]),
        ("deep/traded", &["run", "-c", "live.toml", "--live", "--no-tui", "--for", "1s"]),
    ] {
        run(sim.engine(dir.path(), arguments).env("CROSSGATE__STATE__DIR", state)).expect(0);
        assert_eq!(mode(&dir.path().join(state)), 0o700, "{state}");
    }
    assert_eq!(mode(&dir.path().join("looked-at")), 0o700);
    run(crossgate(dir.path()).args(["run", "-c", "sim.toml", "--no-tui", "--for", "1s"])).expect(0);
    let runs: Vec<PathBuf> = std::fs::read_dir(dir.path().join("state")).expect("runs").map(|e| e.expect("one").path()).collect();
    assert_eq!(runs.iter().map(|run| mode(run)).collect::<Vec<u32>>(), [0o700], "{runs:?}");
}

#[test]
fn no_output_shows_a_secret_in_order_or_aborted() {
    let dir = dir();
    let sim = Sim::start(dir.path(), &["--seed", "11"]);
    let secrets = canaries(&sim);
    write(dir.path(), "live.toml", &live(&sim.venues));
    let engine = |arguments: &[&str]| {
        let mut command = sim.engine(dir.path(), arguments);
        command.env(TOKEN_ENV, TOKEN).env("CROSSGATE_LOG", "trace");
        command
    };
    // What was shown before, and what it wrote, once more after each end.
    let scan = |what: &str, said: &[&str]| {
        for text in said {
            assert_clean(what, text.as_bytes(), &secrets);
        }
        for file in files(dir.path()) {
            assert_clean(&file.display().to_string(), &std::fs::read(&file).expect("a file of ours"), &secrets);
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            assert!(!name.starts_with("core"), "a core file: {}", file.display());
        }
    };

    let running = Running::start(&mut engine(&["run", "-c", "live.toml", "--live", "--no-tui", "--json", "-vv"]));
    let ops = running.ops();
    until("something was traded", || {
        get(&ops, "/api/status").body.contains("\"deals\":") && !get(&ops, "/api/status").body.contains("\"deals\":0")
    });
    let wrong = [("Authorization", "Bearer canary-of-another")];
    for answer in [
        get(&ops, "/metrics"),
        get(&ops, "/api/status"),
        get(&ops, "/api/books"),
        get(&ops, "/readyz"),
        get(&ops, "/"),
        http(&ops, "POST", "/api/halt", &wrong, ""),
    ] {
        assert_clean("the ops port", answer.body.as_bytes(), &secrets);
    }
    running.signal(Signal::TERM);
    let done = running.end().expect(0);
    assert!(
        done.stderr.contains("come from the environment (TEST_KEY_0, TEST_SECRET_0, TEST_KEY_1, TEST_SECRET_1)"),
        "a secret in the environment is warned about"
    );
    scan("a run", &[&done.stdout, &done.stderr]);

    for arguments in [
        &["config", "print", "-c", "live.toml"][..],
        &["config", "check", "-c", "live.toml"],
        &["doctor", "-c", "live.toml", "--json", "-vv"],
        &["doctor", "-c", "live.toml"],
        &["record", "-c", "live.toml", "--out", "tapes", "--for", "2s", "-vv"],
        &["reconcile", "-c", "live.toml", "--json", "-vv"],
        &["replay", "state", "--json"],
        &["replay", "state", "-c", "live.toml", "--json"],
    ] {
        let done = run(&mut engine(arguments));
        scan(&arguments.join(" "), &[&done.stdout, &done.stderr]);
    }

    // Aborted in the middle of it: the kernel would write all of its memory, if it were let.
    let running = Running::start(&mut engine(&["run", "-c", "live.toml", "--live", "--no-tui", "--json", "-vv"]));
    running.ops();
    running.signal(Signal::ABORT);
    let done = running.end();
    assert_eq!(done.code, None, "a signal ends it");
    scan("an aborted run", &[&done.stdout, &done.stderr]);
}

#[test]
fn a_running_engine_leaves_no_core_and_lets_nobody_read_it() {
    let dir = dir();
    write(dir.path(), "demo.toml", &gates(&[]));
    let engine = Running::start(crossgate(dir.path()).args(["run", "-c", "demo.toml", "--no-tui"]));
    let ops = engine.ops();
    until("it is ready", || get(&ops, "/readyz").status == 200);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", engine.id())).expect("a process of ours");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("the system tells it");
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
    // What belongs to root in /proc is closed to the process's own user: that is how the system shows "not dumpable".
    use std::os::unix::fs::MetadataExt;
    let owner = std::fs::metadata(format!("/proc/{}/environ", engine.id())).expect("it is listed").uid();
    assert_eq!(owner, 0, "the environment of a running engine is open to its user");
    engine.signal(Signal::TERM);
    engine.end().expect(0);
}

/// A venue of nobody's, which answers everything with the same status and body until it is dropped.
fn nobodys_venue(status: &'static str, body: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { break };
            let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
            let _ = stream.read(&mut [0; 4096]);
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
        }
    });
    port
}

#[test]
fn a_venues_words_can_not_forge_a_line() {
    let port = nobodys_venue(
        "400 Bad Request",
        r#"{"label":"X\nERROR forged\r\u001b[2J\u009b31m","message":"y\nWARN forged\u001b[31m"}"#,
    );
    let dir = dir();
    write(dir.path(), "live.toml", &live(&two_venues_on(port)));
    for arguments in [
        &["run", "-c", "live.toml", "--live", "--no-tui", "--for", "1s", "-vv"][..],
        &["doctor", "-c", "live.toml"],
        &["doctor", "-c", "live.toml", "--json"],
        &["reconcile", "-c", "live.toml"],
    ] {
        let mut command = crossgate(dir.path());
        for index in 0..2 {
            command.env(format!("TEST_KEY_{index}"), "somebody").env(format!("TEST_SECRET_{index}"), "anything");
        }
        let done = run(command.args(arguments).env("CROSSGATE_LOG", "trace"));
        assert_ne!(done.code, Some(0), "{arguments:?}");
        for text in [&done.stdout, &done.stderr] {
            let obeyed = |c: char| c.is_control() && c != '\n' && c != '\t';
            assert!(!text.contains(obeyed), "{arguments:?} writes a control character: {text:?}");
            let forged = text.lines().any(|line| line.starts_with("ERROR forged") || line.starts_with("WARN forged"));
            assert!(!forged, "{arguments:?} lets a venue write a line of its own: {text}");
        }
        assert!(done.stderr.contains("forged") || done.stdout.contains("forged"), "the label was told: {done:?}");
    }
}

#[test]
fn no_key_of_the_file_weakens_tls() {
    let dir = dir();
    let schema = run(crossgate(dir.path()).args(["config", "schema"])).expect(0).stdout.to_lowercase();
    for word in ["insecure", "danger", "skip_verif", "verify", "no_tls", "accept_invalid", "hostname"] {
        assert!(!schema.contains(word), "the configuration knows `{word}`");
    }
    for key in ["tls_verify = false", "insecure = true", "danger_accept_invalid_certs = true"] {
        let text = gates(&[("kind = \"gate\"", &format!("kind = \"gate\"\n{key}"))]);
        write(dir.path(), "weak.toml", &text);
        let done = run(crossgate(dir.path()).args(["config", "check", "-c", "weak.toml"])).expect(3);
        assert!(done.complaint().contains("unknown field"), "{}", done.stderr);
    }
}

#[test]
fn a_key_file_of_somebody_else_is_refused() {
    let dir = dir();
    let text = live(&two_venues_on(9)).replacen("key_env = \"TEST_KEY_0\"", "key_file = \"key\"", 1);
    write(dir.path(), "live.toml", &text);
    let key = write(dir.path(), "key", "canary-key");
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("a mode can be set");
    let go = ["run", "-c", "live.toml", "--live", "--no-tui", "--for", "1s"];
    // Only root can give a file away; elsewhere the rule is what remains.
    if std::os::unix::fs::chown(&key, Some(12_345), None).is_ok() {
        let done = run(crossgate(dir.path()).args(go)).expect(3);
        assert!(done.complaint().contains("belongs to user 12345"), "{}", done.stderr);
        assert!(!done.stderr.contains("canary-key"));
    }
    std::fs::remove_file(&key).expect("a file of ours");
    std::fs::create_dir(&key).expect("a folder of ours");
    let done = run(crossgate(dir.path()).args(go)).expect(3);
    assert!(done.complaint().contains("no regular file"), "{}", done.stderr);
}

#[test]
fn a_file_that_is_no_configuration_is_not_read_to_its_end() {
    let dir = dir();
    write(dir.path(), "large.toml", &"# nothing\n".repeat(200_000));
    let done = run(crossgate(dir.path()).args(["config", "check", "-c", "large.toml"])).expect(3);
    assert!(done.complaint().contains("larger than"), "{}", done.stderr);
    let done = run(crossgate(dir.path()).args(["config", "check", "-c", "/dev/zero"])).expect(3);
    assert!(done.complaint().contains("/dev/zero"), "{}", done.stderr);
}

/// Requests that a foreign page, a scanner or a mistake may send; every one lacks something.
fn foreign_requests(ops: &str) -> Vec<Vec<u8>> {
    let request = |line: &str, headers: &str, body: &str| {
        format!("{line} HTTP/1.1\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    };
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    vec![
        request("POST /api/halt", &format!("Host: {ops}\r\n"), ""),
        request("POST /api/halt", &format!("Host: evil.example.com\r\n{bearer}"), ""),
        request("POST /api/resume", &format!("Host: {ops}\r\nOrigin: http://evil.example.com\r\n{bearer}"), "a reason"),
        request("GET /api/halt", &format!("Host: {ops}\r\n{bearer}"), ""),
        request("GET /api/status", &format!("Host: {ops}\r\n"), ""),
        request("PUT /api/halt", &format!("Host: {ops}\r\n{bearer}"), "x"),
    ]
}

#[test]
fn no_odd_request_reaches_the_engine() {
    let dir = dir();
    write(dir.path(), "demo.toml", &gates(&[]));
    let engine = Running::start(crossgate(dir.path()).args(["run", "-c", "demo.toml", "--no-tui"]).env(TOKEN_ENV, TOKEN));
    let ops = engine.ops();
    until("it is ready", || get(&ops, "/readyz").status == 200);
    let seeds = foreign_requests(&ops);
    let mut dice = Dice::new(7);
    for run in 0..300 {
        let bytes = if run < seeds.len() { seeds[run].clone() } else { input(&mut dice, &seeds, 4096) };
        let head = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default().to_vec();
        // The one request that is right is not among those that must be refused.
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let right = text.starts_with("POST /api/") && text.contains(TOKEN) && text.contains(&ops);
        if right {
            continue;
        }
        let mut stream = TcpStream::connect(&ops).expect("somebody listens");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out can be set");
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        if head.starts_with(b"POST /api/halt") || head.starts_with(b"POST /api/resume") {
            let text = String::from_utf8_lossy(&answer);
            assert!(!text.starts_with("HTTP/1.1 200"), "{:?} was obeyed: {text}", String::from_utf8_lossy(&bytes));
        }
    }
    let large = http(&ops, "POST", "/api/resume", &[("Authorization", &format!("Bearer {TOKEN}"))], &"x".repeat(5_000));
    assert_eq!(large.status, 413, "a body over the cap is not read");
    let status: serde_json::Value = serde_json::from_str(&get(&ops, "/api/status").body).expect("the status is JSON");
    assert_eq!(status["halts"], serde_json::json!([]), "none of that stopped anything");
    // And the one that is right is obeyed.
    let answer = http(&ops, "POST", "/api/halt", &[("Authorization", &format!("Bearer {TOKEN}"))], "");
    assert_eq!(answer.status, 200, "{}", answer.body);
    engine.signal(Signal::TERM);
    assert_eq!(engine.end().code, Some(5), "it ends latched");
}
