//! The long swarm: a range of seeds on all cores, its figures told and kept, so that ranges add up while the tested code is the same.
//!
//! ```text
//! cargo run --profile swarm -p testkit --example swarm -- --seeds 0..100000 [--twice] [--mix faulty|mixed|three|hostile|lost-replies] [--threads N] \
//!     [--into FILE]
//! ```
//!
//! `faulty` is between two Gates, `mixed` between venues of two kinds or two of another kind, `three` with a third one of any kind.
//!
//! `--into` appends one line of JSON: commit, hash of the tested crates, range, machine, time and totals. `--sum FILE` adds up the
//! lines that have the hash of the code that is here now, and says how many had another.

#![expect(clippy::disallowed_methods, reason = "how long a run takes is measured, nothing depends on it")]

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;
use testkit::coverage::INJECTED;
use testkit::{SimConfig, runner};

/// What the figures are about: these crates' sources and the manifest that fixes how they are built.
const TESTED: [&str; 17] = [
    "domain",
    "order-book",
    "spread-detector",
    "risk",
    "fill-model",
    "executor",
    "engine-core",
    "journal",
    "venue",
    "gate-connector",
    "binance-connector",
    "bybit-connector",
    "connectors",
    "node",
    "sim-exchange",
    "testkit",
    "paper-venue",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn files_below(dir: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.insert(path.clone(), fs::read(&path).unwrap_or_default());
        }
    }
}

fn tested_files() -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for name in TESTED {
        files_below(&root().join("crates").join(name).join("src"), &mut found);
    }
    found.insert(root().join("Cargo.lock"), fs::read(root().join("Cargo.lock")).unwrap_or_default());
    found
}

fn content_hash() -> String {
    let mut hash = Sha256::new();
    for (path, bytes) in &tested_files() {
        let name = path.strip_prefix(root()).unwrap_or(path).to_string_lossy().into_owned();
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name.as_bytes());
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// A file of the tested crates that is newer than this program, whose figures would then count for code that it does not run.
fn newer_than_us() -> Option<PathBuf> {
    let changed = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    let ours = std::env::current_exe().ok().and_then(|path| changed(&path))?;
    tested_files().into_keys().find(|path| changed(path).is_some_and(|theirs| theirs > ours))
}

fn commit() -> String {
    let asked = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).current_dir(root()).output();
    asked.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned()).unwrap_or_default()
}

fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("").trim_start_matches([' ', '\t', ':']);
    format!("{} x {model}", std::thread::available_parallelism().map_or(1, usize::from))
}

struct Args {
    seeds: std::ops::Range<u64>,
    twice: bool,
    threads: usize,
    mix: String,
    into: Option<PathBuf>,
    sum: Option<PathBuf>,
}

fn args() -> Result<Args, String> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut parsed = Args { seeds: 0..1_000, twice: false, threads, mix: "faulty".into(), into: None, sum: None };
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let mut value = || given.next().ok_or_else(|| format!("{name} needs a value"));
        match name.as_str() {
            "--twice" => parsed.twice = true,
            "--threads" => {
                let text = value()?;
                parsed.threads =
                    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| format!("`{text}` is no number of threads"))?;
            }
            "--mix" => parsed.mix = value()?,
            "--into" => parsed.into = Some(value()?.into()),
            "--sum" => parsed.sum = Some(value()?.into()),
            "--seeds" => {
                let text = value()?;
                let range = text.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
                parsed.seeds = range.ok_or_else(|| format!("`{text}` is no range of seeds like 0..1000"))?;
            }
            other => {
                return Err(format!(
                    "`{other}` is not known; use --seeds A..B, --twice, --mix NAME, --threads N, --into FILE, --sum FILE"
                ));
            }
        }
    }
    Ok(parsed)
}

fn sum(file: &Path) -> Result<(), String> {
    let text = fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let (hash, mut sums, mut others) = (content_hash(), BTreeMap::<String, [u64; 3]>::new(), 0);
    for line in text.lines() {
        let line: serde_json::Value = serde_json::from_str(line).map_err(|e| format!("{}: {e}", file.display()))?;
        if line["content"] != hash.as_str() {
            others += 1;
            continue;
        }
        let mix = format!("{}{}", line["mix"].as_str().unwrap_or("?"), if line["twice"] == true { ", twice" } else { "" });
        let entry = sums.entry(mix).or_default();
        for (slot, name) in entry.iter_mut().zip(["runs", "violations", "simulated_s"]) {
            *slot += line[name].as_u64().unwrap_or(0);
        }
    }
    println!("content {hash}; {others} lines of other content left out");
    for (mix, [runs, violations, seconds]) in sums {
        println!("{mix}: {runs} runs, {violations} violations, {seconds} simulated seconds");
    }
    Ok(())
}

fn main() -> ExitCode {
    let args = match args() {
        Ok(args) => args,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::from(2);
        }
    };
    if let Some(file) = &args.sum {
        return match sum(file) {
            Ok(()) => ExitCode::SUCCESS,
            Err(text) => {
                eprintln!("{text}");
                ExitCode::from(2)
            }
        };
    }
    let configure: fn(u64) -> SimConfig = match args.mix.as_str() {
        "faulty" => SimConfig::faulty,
        "mixed" => SimConfig::mixed,
        "three" => SimConfig::three,
        "hostile" => SimConfig::hostile,
        "lost-replies" => SimConfig::lost_replies,
        other => {
            eprintln!("`{other}` is no mix; use faulty, mixed, three, hostile or lost-replies");
            return ExitCode::from(2);
        }
    };
    if let (Some(_), Some(path)) = (&args.into, newer_than_us()) {
        eprintln!("{} is newer than this program; build it again before its runs are counted", path.display());
        return ExitCode::from(2);
    }
    let content = content_hash();
    let began = Instant::now();
    let (totals, failures) = runner::run_all_on(args.threads, args.seeds.clone(), configure, args.twice);
    let took = began.elapsed();
    let cores = args.threads as f64;
    let per_run_ms = took.as_secs_f64() * 1e3 * cores / (args.seeds.end - args.seeds.start).max(1) as f64;
    let per_second_ms = took.as_secs_f64() * 1e3 * cores / (totals.simulated_ns.max(1) as f64 / 1e9);
    println!("commit {} content {content} seeds {:?} mix {} on {}", commit(), args.seeds, args.mix, machine());
    println!("{totals}");
    println!("traces {:032x}", totals.traces);
    println!("{:.1} s; {per_run_ms:.1} ms a run and core, {per_second_ms:.2} ms a simulated second", took.as_secs_f64());
    println!("lost replies known again after: {}", totals.known_after);
    println!("exposure above dust: {}", totals.unhedged);
    println!("public link up to trusted books: {}", totals.feeds_recovered);
    let (met, all) = totals.coverage.pairs_met(10);
    println!("faults that never struck: {:?}; pairs met in at least 10 runs: {met} of {all}", totals.coverage.missing());
    println!("runs in which each was drawn: {:?}", totals.drawn);
    let struck: BTreeMap<u8, u64> = INJECTED.iter().map(|number| (*number, totals.coverage.runs_with(*number))).collect();
    println!("runs in which each struck: {struck:?}");
    failures.iter().for_each(|failure| println!("{failure}"));
    if let Some(file) = &args.into {
        let line = serde_json::json!({
            "commit": commit(), "content": content, "machine": machine(), "mix": args.mix, "twice": args.twice,
            "seeds": [args.seeds.start, args.seeds.end], "runs": totals.runs, "violations": failures.len(),
            "simulated_s": totals.simulated_ns / 1_000_000_000, "wall_s": took.as_secs(), "faults": totals.faults,
            "orders": totals.orders, "fills": totals.fills, "deals": totals.deals, "restarts": totals.restarts,
            "known_after": totals.known_after.to_string(), "unhedged": totals.unhedged.to_string(),
            "feeds_recovered": totals.feeds_recovered.to_string(), "drawn": totals.drawn, "struck": struck,
        });
        let opened = fs::OpenOptions::new().create(true).append(true).open(file);
        if let Err(error) = opened.and_then(|mut out| writeln!(out, "{line}")) {
            eprintln!("{}: {error}", file.display());
            return ExitCode::from(2);
        }
    }
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
