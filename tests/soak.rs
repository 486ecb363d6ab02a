//! A long run against simulated venues over real sockets: what the processes hold stays flat, the logs stay within their retention, it
//! trades to the end, and at the end the ledger is the venues'. `CROSSGATE_SOAK` says how many seconds; `CROSSGATE_BIN` may name a
//! release build.

#[path = "support/mod.rs"]
mod support;

use std::path::Path;
use std::time::{Duration, Instant};
use support::config::{live, replaced, write};
use support::dice::setting;
use support::engine::{GO, deals, end_in_order};
use support::figures::commit;
use support::ops::{ready, status, until};
use support::process::Running;
use support::venue::Sim;
use support::{count, dir};

/// Samples of a run.
const SAMPLES: u32 = 240;
/// What memory may grow by between the second quarter and the last beside what orders cost: what an allocator keeps, and tables that
/// double once more.
const GROWTH_KB: u64 = 4 << 10;
/// How long the engine keeps settled orders, their deals and the ids of their executions here: the least that is allowed.
const HISTORY_KEPT: &str = "2m";
/// From this length on the second quarter begins after what is kept has reached its length: `HISTORY_KEPT` and the minute between two
/// lists of trades, several times over. Then no order may cost anything.
const LONG: Duration = Duration::from_secs(1_200);
/// What an order costs while it is kept (ARCHITECTURE.md, Known limits: 2 KB measured). The venues keep what they tell on request: orders,
/// executions, every change of a balance, and the public trades between two orders of ours, until each list is full.
const ENGINE_ORDER_BYTES: u64 = 2_560;
const VENUES_ORDER_BYTES: u64 = 14 << 10;
/// Connections of REST come and go with the load.
const DESCRIPTORS_MORE: usize = 4;

/// What a process holds at one moment.
#[derive(Clone, Copy, Debug)]
struct Held {
    kb: u64,
    threads: usize,
    descriptors: usize,
}

impl Held {
    fn of(process: &Running) -> Held {
        Held { kb: process.status_kb("VmRSS"), threads: process.threads(), descriptors: process.descriptors() }
    }
}

/// One moment of the run.
#[derive(Clone, Copy, Debug)]
struct Sample {
    engine: Held,
    venues: Held,
    orders: u64,
    deals: u64,
    market_log: u64,
}

fn median<T: Copy + Ord>(samples: &[Sample], of: impl Fn(&Sample) -> T) -> T {
    let mut values: Vec<T> = samples.iter().map(of).collect();
    values.sort_unstable();
    *values.get(values.len() / 2).expect("samples")
}

/// Bytes of the market log's files.
fn market_log(run_dir: &Path) -> u64 {
    let files = std::fs::read_dir(run_dir).expect("the run directory").flatten();
    let market = files.filter(|file| file.file_name().to_string_lossy().starts_with("market-"));
    // A file may be removed between its name and its size.
    market.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
}

#[test]
fn a_long_run_holds_no_more_at_its_end_than_in_its_middle() {
    let span = Duration::from_secs(setting("CROSSGATE_SOAK", 10));
    let (text, bytes) = if span < Duration::from_secs(60) { ("1MiB", 1 << 20) } else { ("64MiB", 64 << 20) };
    let dir = dir();
    let sim = Sim::start(dir.path(), &["--seed", "41"]);
    let state = format!("[state]\ndir = \"state\"\nmarket_log_bytes_max = \"{text}\"");
    let execution = format!("[execution]\nhistory_kept = \"{HISTORY_KEPT}\"");
    let text = replaced(&live(&sim.venues), "[state]\ndir = \"state\"", &state);
    write(dir.path(), "live.toml", &replaced(&text, "[execution]", &execution));
    let engine = Running::start(&mut sim.engine(dir.path(), &GO));
    let ops = engine.ops();
    until("it is ready", || ready(&ops));
    until("it trades", || deals(&ops) > 0);
    let run_dir = dir.path().join("state");
    let began = Instant::now();
    let mut samples: Vec<Sample> = Vec::new();
    for n in 1..=SAMPLES {
        std::thread::sleep((began + span * n / SAMPLES).saturating_duration_since(Instant::now()));
        let now = status(&ops);
        let sample = Sample {
            engine: Held::of(&engine),
            venues: Held::of(&sim.process),
            orders: count(&now, "orders_sent"),
            deals: count(&now, "deals"),
            market_log: market_log(&run_dir),
        };
        assert!(sample.market_log <= bytes, "the market log has {} bytes of {bytes}", sample.market_log);
        if n % (SAMPLES / 12) == 0 {
            println!("{:?} {sample:?}", began.elapsed());
        }
        samples.push(sample);
    }
    assert_eq!(status(&ops)["halts"], serde_json::json!([]), "nothing is stopped");
    let json = end_in_order(engine, &sim, dir.path());
    let quarter = samples.len() / 4;
    let (second, last) = (&samples[quarter..2 * quarter], &samples[3 * quarter..]);
    let orders = median(last, |s| s.orders) - median(second, |s| s.orders);
    println!(
        "soak: commit {} {span:?}, {} orders, {} deals, {} fills; medians of the second and the last quarter: {}; {orders} orders between; \
         market log at most {} KiB, state log {} KiB; halts {}",
        commit(),
        json["orders_sent"],
        json["deals"],
        json["fills"],
        [("engine", (|s: &Sample| s.engine) as fn(&Sample) -> Held), ("venues", |s| s.venues)]
            .map(|(name, of)| format!(
                "{name} {} → {} KiB, {} → {} threads, {} → {} descriptors",
                median(second, |s| of(s).kb),
                median(last, |s| of(s).kb),
                median(second, |s| of(s).threads),
                median(last, |s| of(s).threads),
                median(second, |s| of(s).descriptors),
                median(last, |s| of(s).descriptors),
            ))
            .join("; "),
        samples.iter().map(|s| s.market_log).max().unwrap_or_default() >> 10,
        state_log(&run_dir) >> 10,
        json["halts"],
    );
    for (name, of, order_bytes) in [
        ("the engine", (|s: &Sample| s.engine) as fn(&Sample) -> Held, if span < LONG { ENGINE_ORDER_BYTES } else { 0 }),
        ("the venues", |s| s.venues, VENUES_ORDER_BYTES),
    ] {
        let grown = median(last, |s| of(s).kb).saturating_sub(median(second, |s| of(s).kb));
        let most = GROWTH_KB + orders * order_bytes / 1024;
        assert!(grown <= most, "{name} holds {grown} KiB more, {most} were expected");
        let (before, after) = (median(second, |s| of(s).threads), median(last, |s| of(s).threads));
        assert_eq!(before, after, "threads of {name}");
        let (before, after) = (median(second, |s| of(s).descriptors), median(last, |s| of(s).descriptors));
        assert!(after <= before + DESCRIPTORS_MORE, "{name} holds {after} descriptors, {before} before");
    }
    assert!(last.last().map(|s| s.deals) > last.first().map(|s| s.deals), "it trades to the end");
}

/// Bytes of the state log's files.
fn state_log(run_dir: &Path) -> u64 {
    let files = std::fs::read_dir(run_dir).expect("the run directory").flatten();
    let state = files.filter(|file| file.file_name().to_string_lossy().starts_with("state-"));
    state.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
}
