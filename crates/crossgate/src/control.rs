//! `status`, `halt`, `resume`: talk to a running engine over its ops address with its token.

use crate::cli::{ControlArgs, ResumeArgs};
use crate::exit::Failure;
use crate::report::print_line;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longest answer read.
const ANSWER_BYTES_MAX: u64 = 4 << 20;

struct Target {
    address: SocketAddr,
    token: Option<String>,
    token_env: String,
}

fn target(args: &ControlArgs) -> Result<Target, Failure> {
    let ops = match &args.config {
        Some(path) => crate::config::load(path)?.config.ops,
        None => crate::config::schema::Ops::default(),
    };
    let listen = args.ops.clone().unwrap_or(ops.listen);
    let address = listen.trim_start_matches("http://").trim_end_matches('/').parse();
    let address =
        address.map_err(|_| Failure::usage(format!("`{listen}` is no address and port; write --ops 127.0.0.1:9464")))?;
    let token = std::env::var(&ops.token_env).ok().filter(|t| !t.is_empty());
    Ok(Target { address, token, token_env: ops.token_env })
}

/// One request over plain HTTP to this machine's ops port; returns status and body.
fn ask(target: &Target, method: &str, path: &str, body: &str) -> Result<(u16, String), Failure> {
    let unreachable = |e: std::io::Error| {
        Failure::failed(format!("no engine answers at {}: {e}; is it running, and is this its ops address?", target.address))
    };
    let mut stream = TcpStream::connect_timeout(&target.address, Duration::from_secs(3)).map_err(unreachable)?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).map_err(unreachable)?;
    let authorization = target.token.as_ref().map_or_else(String::new, |t| format!("Authorization: Bearer {t}\r\n"));
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
        print_line(body.trim());
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
/// Exit code 1 when no engine answers, 4 when it refuses the token.
pub fn halt(args: &ControlArgs) -> Result<(), Failure> {
    command(args, "/api/halt", "", "halted")
}

/// `resume`
///
/// # Errors
/// As [`halt`].
pub fn resume(args: &ResumeArgs) -> Result<(), Failure> {
    if args.reason.trim().is_empty() {
        return Err(Failure::usage("--reason must say why it is safe to go on"));
    }
    match &args.state_dir {
        Some(dir) => {
            if !std::path::Path::new(dir).is_dir() {
                return Err(Failure::usage(format!("{dir} is no run directory")));
            }
            // Opening takes the lock, so that a running engine's latch is not cleared behind its back.
            let locked = journal::RunDir::open(std::path::Path::new(dir)).map_err(|e| crate::run::log_failure(&e))?;
            locked.latch().clear().map_err(|e| crate::run::log_failure(&e))?;
            tracing::warn!(reason = args.reason, "the kill latch is cleared");
            if args.control.json {
                print_line("{\"result\":\"resumed\"}");
            } else {
                print_line("resumed");
            }
            Ok(())
        }
        None => command(&args.control, "/api/resume", &args.reason, "resumed"),
    }
}

fn command(args: &ControlArgs, path: &str, body: &str, word: &str) -> Result<(), Failure> {
    let target = target(args)?;
    let (status, answer) = ask(&target, "POST", path, body)?;
    if status != 200 {
        return Err(refusal(&target, status, &answer));
    }
    print_line(if args.json { answer.trim() } else { word });
    Ok(())
}
