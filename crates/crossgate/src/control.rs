//! `status`, `halt`, `resume`, `drain`, `flatten`: talk to a running engine over its ops address with its token; `halt` and
//! `resume` also to a run directory without one.

use crate::alerts::{Alert, Level};
use crate::cli::{ControlArgs, HaltArgs, ResumeArgs, WindDownArgs};
use crate::exit::Failure;
use crate::latch_keeper::{self, Latches};
use crate::report::{print_json, print_line};
use domain::StopReason;
use journal::{Latch, RunFiles};
use secrecy::{ExposeSecret, SecretString};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

/// Longest answer read.
const ANSWER_BYTES_MAX: u64 = 4 << 20;
/// How long an answer may take: longer than the engine waits for its own parts, so that what it says of them arrives.
const ANSWER_WAIT: Duration = Duration::from_secs(15);
/// Pause between two looks at the status while something is open.
const LOOK_EVERY: Duration = Duration::from_millis(100);

struct Target {
    address: SocketAddr,
    token: Option<SecretString>,
    token_env: String,
}

fn target(args: &ControlArgs) -> Result<Target, Failure> {
    let ops = match &args.config {
        Some(path) => crate::config::load::ops_of_file(path)?,
        None => crate::config::load::ops_of_environment("demo.toml", crate::run::DEMO)?,
    };
    let listen = args.ops.clone().unwrap_or(ops.listen);
    let address = listen.trim_start_matches("http://").trim_end_matches('/').parse();
    let address =
        address.map_err(|_| Failure::usage(format!("`{listen}` is no address and port; write --ops 127.0.0.1:9464")))?;
    let token = crate::ops::token(&ops.token_env)?;
    Ok(Target { address, token, token_env: ops.token_env })
}

/// One request over plain HTTP to this machine's ops port; returns status and body.
fn ask(target: &Target, method: &str, path: &str, body: &str) -> Result<(u16, String), Failure> {
    let nobody = |e: std::io::Error| {
        Failure::failed(format!("no engine answers at {}: {e}; is it running, and is this its ops address?", target.address))
    };
    let unreachable = |e: std::io::Error| match e.kind() {
        // It took the request: what became of that is not known.
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => Failure::failed(format!(
            "the engine at {} took the request and did not answer within {} s; `crossgate status` tells whether it was applied",
            target.address,
            ANSWER_WAIT.as_secs()
        )),
        _ => nobody(e),
    };
    let mut stream = TcpStream::connect_timeout(&target.address, Duration::from_secs(3)).map_err(nobody)?;
    stream.set_read_timeout(Some(ANSWER_WAIT)).map_err(unreachable)?;
    // Only where it is asked for: whoever else may hold that port would learn it from a question that needs none.
    let token = target.token.as_ref().filter(|_| method == "POST");
    let authorization = token.map_or_else(String::new, |t| format!("Authorization: Bearer {}\r\n", t.expose_secret()));
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{authorization}Content-Length: {}\r\n\r\n{body}",
        target.address,
        body.len()
    );
    stream.write_all(request.as_bytes()).map_err(unreachable)?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).map_err(unreachable)?;
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split_whitespace().nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    Ok((status, body.to_string()))
}

fn refusal(target: &Target, status: u16, body: &str) -> Failure {
    match status {
        401 | 403 if target.token.is_none() => {
            Failure::auth(format!("the engine refused: {}; set {} to its token", body.trim(), target.token_env))
        }
        401 | 403 => Failure::auth(format!("the engine refused: {}", body.trim())),
        503 => Failure::failed(format!(
            "the engine is starting: {} answers once the venues have told their rules, and until then takes `crossgate halt` alone",
            target.address
        )),
        _ => Failure::failed(format!("the engine answered {status}: {}", body.trim())),
    }
}

/// `status`
///
/// # Errors
/// Exit code 1 when no engine answers.
pub fn status(args: &ControlArgs) -> Result<(), Failure> {
    let target = target(args)?;
    let (status, body) = ask(&target, "GET", "/api/status", "")?;
    if status != 200 {
        return Err(refusal(&target, status, &body));
    }
    if args.json {
        print_json(body.trim());
        return Ok(());
    }
    let value: serde_json::Value =
        serde_json::from_str(&body).map_err(|e| Failure::failed(format!("the answer is no JSON: {e}")))?;
    let text = |key: &str| value[key].as_str().map_or_else(|| value[key].to_string(), str::to_string);
    for key in [
        "mode",
        "duration_s",
        "book_updates",
        "opportunities",
        "deals",
        "orders_sent",
        "orders_unknown",
        "fills",
        "pnl_quote",
        "run_dir",
    ] {
        print_line(&format!("{key:<16}{}", text(key)));
    }
    for (key, count) in value["verdicts"].as_object().into_iter().flatten() {
        print_line(&format!("  {key:<18}{count:>8}"));
    }
    for halt in value["halts"].as_array().into_iter().flatten() {
        print_line(&format!(
            "stopped         {} {} since {}",
            halt["kind"].as_str().unwrap_or(""),
            halt["reason"].as_str().unwrap_or(""),
            halt["since"].as_str().unwrap_or("")
        ));
    }
    for book in value["books"].as_array().into_iter().flatten() {
        let field = |key: &str| book[key].as_str().unwrap_or("-").to_string();
        let trusted = if book["trusted"].as_bool() == Some(true) { "trusted" } else { "not trusted" };
        print_line(&format!(
            "book            {:<10} {:<12} {:>14} {:>14}  {trusted}",
            field("venue"),
            field("pair"),
            field("best_bid"),
            field("best_ask")
        ));
    }
    Ok(())
}

/// `halt`
///
/// # Errors
/// Exit code 1 when no engine answers or the latch file can't be written, 2 for a directory that is none, 4 when the engine
/// refuses the token.
pub fn halt(args: &HaltArgs) -> Result<(), Failure> {
    let Some(dir) = &args.state_dir else {
        return command(&args.control, "/api/halt", "", "halted").map_err(|mut failure| {
            if failure.message.starts_with("no engine answers") {
                failure.message += "; to latch a run directory without it: crossgate halt --state-dir DIR";
            }
            failure
        });
    };
    let files = run_files(dir)?;
    // A resume that no engine has taken yet is void; and no lock is taken: a running engine sees the file within 50 ms.
    let _ = crate::resume_note::remove(files.path());
    // In the directory that was named: of several simulated or paper runs' it holds for the one that runs and for those to come.
    latch_keeper::engage(&Latch::of(Path::new(dir)), StopReason::Operator, crate::alerts::wall(), "halt --state-dir")
        .map_err(|why| Failure::failed(format!("the latch file can't be written: {why}")))?;
    print_line(if args.control.json { "{\"result\":\"halted\"}" } else { "halted" });
    Ok(())
}

/// The files of a run directory that a person names; a directory of simulated runs stands for the newest of them.
fn run_files(dir: &str) -> Result<RunFiles, Failure> {
    if !Path::new(dir).is_dir() {
        return Err(Failure::usage(format!("{dir} is no run directory")));
    }
    Ok(RunFiles::new(crate::run_dirs::meant(Path::new(dir))))
}

/// `resume`
///
/// # Errors
/// As [`halt`].
pub fn resume(args: &ResumeArgs) -> Result<(), Failure> {
    if args.reason.trim().is_empty() {
        return Err(Failure::usage("--reason must say why it is safe to go on"));
    }
    let Some(dir) = &args.state_dir else { return command(&args.control, "/api/resume", &args.reason, "resumed") };
    let files = run_files(dir)?;
    // Whatever can fail without touching the latch does so first.
    let configured = args.control.config.as_ref().map(|path| crate::config::load(path)).transpose()?;
    // Opening takes the lock, so that a running engine's latch is not cleared behind its back.
    let locked = journal::RunDir::open(files.path()).map_err(|e| crate::run::log_failure(&e))?;
    // The log first: while the file is there nothing can start in between.
    crate::resume_note::leave(locked.path(), args.reason.trim()).map_err(|e| {
        Failure::failed(format!("the resume can't be written to {}: {e}; the latch holds", locked.path().display()))
    })?;
    Latches::of(locked.path(), Path::new(dir)).clear().map_err(|e| crate::run::log_failure(&e))?;
    let run = locked.path().display().to_string();
    let file = crate::alerts::file_of(configured.as_ref().and_then(|c| c.config.alerts.file.as_deref()), locked.path());
    let text = format!("a person cleared the latch while no engine ran: {}", args.reason.trim());
    let alert = Alert::now(Level::Info, "resume", StopReason::Operator.as_str(), text);
    if let Err(error) = crate::alerts::append_once(&file, &run, &alert) {
        tracing::warn!(%error, path = %file.display(), "the reason can't be written to the alerts file");
    }
    print_line(if args.control.json { "{\"result\":\"resumed\"}" } else { "resumed" });
    Ok(())
}

/// The two ways to have nothing open while the engine runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindDown {
    /// What is open is finished as always.
    Drain,
    /// Exposure is closed at once.
    Flatten,
}

/// `drain`, `flatten`: commands, then waits until nothing is open.
///
/// # Errors
/// As [`halt`]; exit code 6 when something is still open at the end of the time, naming it.
pub fn wind_down(args: &WindDownArgs, how: WindDown) -> Result<(), Failure> {
    let (path, word) = match how {
        WindDown::Drain => ("/api/drain", "drained"),
        WindDown::Flatten => ("/api/flatten", "flat"),
    };
    let target = target(&args.control)?;
    let (status, answer) = ask(&target, "POST", path, "")?;
    if status != 200 {
        return Err(refusal(&target, status, &answer));
    }
    let deadline = Instant::now() + Duration::from_nanos(args.timeout);
    let open = loop {
        let open = open_now(&target)?;
        if open.is_empty() || Instant::now() >= deadline {
            break open;
        }
        // A period, not a race: the engine publishes how it stands ten times a second.
        std::thread::sleep(LOOK_EVERY.min(deadline.saturating_duration_since(Instant::now())));
    };
    let word = if open.is_empty() { word } else { "open" };
    if args.control.json {
        print_json(&serde_json::json!({"result": word, "open": open}).to_string());
    } else if open.is_empty() {
        print_line(&format!("{word}; openings stay off until `crossgate resume`"));
    }
    if open.is_empty() {
        return Ok(());
    }
    Err(Failure::unclean(format!(
        "still open after {}: {}; openings stay off, and the engine goes on closing it",
        crate::clock_text::short(args.timeout),
        open.join("; ")
    )))
}

/// What is open by the engine's own account.
fn open_now(target: &Target) -> Result<Vec<String>, Failure> {
    let (status, body) = ask(target, "GET", "/api/status", "")?;
    if status != 200 {
        return Err(refusal(target, status, &body));
    }
    let value: serde_json::Value =
        serde_json::from_str(&body).map_err(|e| Failure::failed(format!("the answer is no JSON: {e}")))?;
    let open = value["open"].as_array().ok_or_else(|| Failure::failed("the engine does not tell what is open"))?;
    Ok(open.iter().filter_map(|item| item.as_str().map(str::to_string)).collect())
}

fn command(args: &ControlArgs, path: &str, body: &str, word: &str) -> Result<(), Failure> {
    let target = target(args)?;
    let (status, answer) = ask(&target, "POST", path, body)?;
    if status != 200 {
        return Err(refusal(&target, status, &answer));
    }
    let value: serde_json::Value = serde_json::from_str(&answer).unwrap_or_default();
    if let Some(warning) = value["warning"].as_str() {
        crate::say::line(format_args!("crossgate: {warning}"));
    }
    if args.json {
        print_json(answer.trim())
    } else {
        print_line(word)
    }
    Ok(())
}
