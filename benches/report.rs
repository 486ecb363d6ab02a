//! Measuring single operations and showing their distribution.
//!
//! Start at [`Report::new`]. `CROSSGATE_BENCH_QUICK=1` cuts every measurement to a fraction of a second: enough to see that a bench
//! runs, too little to quote.

use hdrhistogram::Histogram;
use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

/// Longest time that is told apart, nanoseconds.
const LONGEST_NS: u64 = 60_000_000_000;
/// Operations before the first that counts.
const WARM_UP: u64 = 2_000;

/// Times of one kind of operation.
pub struct Times {
    histogram: Histogram<u64>,
}

impl Default for Times {
    fn default() -> Times {
        Times { histogram: Histogram::new_with_bounds(1, LONGEST_NS, 3).expect("Invariant: the bounds are constants that fit") }
    }
}

impl Times {
    /// Adds one operation.
    pub fn record(&mut self, taken: Duration) {
        self.histogram.saturating_record(u64::try_from(taken.as_nanos()).unwrap_or(LONGEST_NS).max(1));
    }

    /// Operations recorded.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The median, nanoseconds.
    pub fn median_ns(&self) -> u64 {
        self.histogram.value_at_quantile(0.5)
    }
}

/// True when only a smoke test is wanted.
pub fn quick() -> bool {
    std::env::var_os("CROSSGATE_BENCH_QUICK").is_some_and(|v| v != "0")
}

/// How long one measurement may take.
pub fn budget() -> Duration {
    if quick() { Duration::from_millis(100) } else { Duration::from_millis(1_500) }
}

/// Calls `pass` until the time is used up. Each pass measures operations, one by one, into the times it is given; the first
/// operations are thrown away as warm-up.
pub fn measure(mut pass: impl FnMut(&mut Times)) -> Times {
    let mut cold = Times::default();
    let begun = Instant::now();
    while cold.count() < WARM_UP && begun.elapsed() < budget() {
        pass(&mut cold);
    }
    let mut times = Times::default();
    let begun = Instant::now();
    while begun.elapsed() < budget() || times.count() == 0 {
        pass(&mut times);
    }
    times
}

/// Measures one operation; its result is kept from being optimised away.
pub fn timed<T>(times: &mut Times, operation: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let result = black_box(operation());
    times.record(begun.elapsed());
    result
}

/// The table that a bench prints.
pub struct Report {
    yardstick: Option<(String, u64)>,
}

impl Report {
    /// Prints the head: the question, the machine, the input.
    pub fn new(question: &str, input: &str) -> Report {
        println!("\n{question}");
        println!("machine    {}", machine());
        println!("commit     {}", commit());
        println!("input      {input}");
        let mut empty = Times::default();
        for _ in 0..10_000 {
            timed(&mut empty, || ());
        }
        println!("the clock itself costs {} ns of every figure; ratios compare medians", empty.median_ns());
        if quick() {
            println!("QUICK: a smoke test, not a measurement");
        }
        println!("{:<58} {:>9} {:>10} {:>10} {:>10} {:>10}  median", "ns", "count", "p50", "p99", "p99.9", "max");
        Report { yardstick: None }
    }

    /// What the rows that follow are compared with.
    pub fn yardstick(&mut self, name: &str, times: &Times) {
        self.yardstick = None;
        self.row(name, times);
        self.yardstick = Some((name.to_string(), times.median_ns()));
    }

    /// Prints one row, with its median as a multiple of the yardstick's: below 1 it is faster.
    pub fn row(&self, name: &str, times: &Times) {
        let at = |quantile| times.histogram.value_at_quantile(quantile);
        let ratio = match &self.yardstick {
            Some((of, median)) if times.count() > 0 => format!("{} × {of}", hundredths(times.median_ns(), *median)),
            _ => String::new(),
        };
        let (count, max) = (times.count(), times.histogram.max());
        println!("{name:<58} {count:>9} {:>10} {:>10} {:>10} {max:>10}  {ratio}", at(0.5), at(0.99), at(0.999));
    }
}

/// `a / b` with two decimals, cut.
fn hundredths(a: u64, b: u64) -> String {
    let hundredths = a * 100 / b.max(1);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// Processor and cores.
fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        info.lines().find_map(|line| line.strip_prefix("model name")).map(|rest| rest.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{}, {cores} cores, {}", model.unwrap_or("unknown processor"), std::env::consts::ARCH)
}

fn commit() -> String {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).current_dir(env!("CARGO_MANIFEST_DIR")).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else { return "unknown".into() };
    match git(&["status", "--porcelain"]) {
        Some(changes) if changes.is_empty() => commit,
        _ => format!("{commit} with local changes"),
    }
}
