//! Running seeds: one at a time with panics caught, or many on all cores.

use crate::config::SimConfig;
use crate::coverage::Coverage;
use crate::judge::{Invariant, Violation};
use crate::mixed;
use crate::simulation::{Report, Simulation};
use std::any::Any;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

/// A seed that broke an invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What it broke.
    pub violation: Violation,
    /// The one command that runs it again.
    pub command: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {} breaks {}\nrun it again: {}", self.seed, self.violation, self.command)
    }
}

impl std::error::Error for Failure {}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Keeps caught panics of simulated engines out of the terminal; all others are printed as ever.
fn install_hook() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.with(Cell::get) {
                before(info);
            }
        }));
    });
}

/// Runs one configuration. A panic (a failed assertion of the engine among them) is a violation like any other.
///
/// # Errors
/// The first invariant that does not hold.
pub fn run(config: &SimConfig) -> Result<Report, Violation> {
    install_hook();
    QUIET.with(|quiet| quiet.set(true));
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| Simulation::new(config.clone()).and_then(Simulation::run)));
    QUIET.with(|quiet| quiet.set(false));
    outcome.unwrap_or_else(|panic| Err(Violation { invariant: Invariant::NoPanic, at_ns: 0, text: panic_text(panic.as_ref()) }))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without a message".into())
}

/// Runs a configuration twice and compares the traces (I17).
///
/// # Errors
/// The first invariant that does not hold, [`Invariant::Deterministic`] when only the traces differ.
pub fn run_twice(config: &SimConfig) -> Result<Report, Violation> {
    let (first, second) = (run(config)?, run(config)?);
    if first != second {
        let text = format!("the same run gave the traces {:032x} and {:032x}", first.trace, second.trace);
        return Err(Violation { invariant: Invariant::Deterministic, at_ns: first.simulated_ns, text });
    }
    Ok(first)
}

/// The command that runs one seed of the workspace's simulation again: the faulty one, or the mixed one by the kinds of its venues.
pub fn command(config: &SimConfig) -> String {
    let mix = match config.venues.len() {
        3.. => " CROSSGATE_MIX=three",
        _ if config.is_mixed() => " CROSSGATE_MIX=mixed",
        _ => "",
    };
    let seed = config.seed;
    format!("CROSSGATE_SEED={seed}{mix} cargo test -p crossgate-tests --test simulation -- one_seed --exact --nocapture")
}

/// Totals of many runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Runs.
    pub runs: u64,
    /// Virtual nanoseconds.
    pub simulated_ns: u64,
    /// Lives of the engine beyond the first of each run.
    pub restarts: u64,
    /// Deals closed.
    pub deals: u64,
    /// Orders decided.
    pub orders: u64,
    /// Orders that were unknown at some time.
    pub unknown: u64,
    /// Fills booked.
    pub fills: u64,
    /// Hedges sent.
    pub hedges: u64,
    /// Faults that struck.
    pub faults: u64,
    /// Longest time to heal, nanoseconds.
    pub healed_after_max_ns: u64,
    /// Runs that came to rest only when no new deals were ordered.
    pub drained: u64,
    /// Which faults struck, and which met.
    pub coverage: Coverage,
    /// In how many runs, bad ones among them, each fault was drawn, by name and kind of venue.
    pub drawn: BTreeMap<String, u64>,
    /// How long accepted orders whose reply was lost stayed unknown.
    pub known_after: Spread,
    /// How long deals had exposure above dust.
    pub unhedged: Spread,
    /// From a public link's coming up to trusted books.
    pub feeds_recovered: Spread,
    /// The traces of all good runs in one number, whatever their order: two builds that give the same one ran the same.
    pub traces: u128,
}

/// Times of one kind, in milliseconds, rounded up: their number, quantiles and the greatest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spread(BTreeMap<u64, u64>);

impl Spread {
    /// Adds a time, nanoseconds.
    pub fn add(&mut self, ns: u64) {
        *self.0.entry(ns.div_ceil(1_000_000)).or_default() += 1;
    }

    /// Adds another one's times.
    pub fn merge(&mut self, other: &Spread) {
        for (ms, count) in &other.0 {
            *self.0.entry(*ms).or_default() += count;
        }
    }

    /// How many times there are.
    pub fn count(&self) -> u64 {
        self.0.values().sum()
    }

    /// The time that `per_mille` of 1000 do not exceed, milliseconds; zero when there is none.
    pub fn quantile_ms(&self, per_mille: u64) -> u64 {
        let rank = (self.count() * per_mille).div_ceil(1_000);
        let mut sum = 0;
        let at = self.0.iter().find(|(_, count)| {
            sum += **count;
            sum >= rank
        });
        at.map_or(0, |(ms, _)| *ms)
    }

    /// The greatest, milliseconds.
    pub fn max_ms(&self) -> u64 {
        self.0.last_key_value().map_or(0, |(ms, _)| *ms)
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} (p50 {} ms, p99 {} ms, max {} ms)",
            self.count(),
            self.quantile_ms(500),
            self.quantile_ms(990),
            self.max_ms()
        )
    }
}

impl Totals {
    fn add(&mut self, report: &Report) {
        self.runs += 1;
        self.simulated_ns += report.simulated_ns;
        self.restarts += report.lives - 1;
        self.deals += report.deals;
        self.orders += report.orders;
        self.unknown += report.unknown;
        self.fills += report.fills;
        self.hedges += report.hedges;
        let faults = report.faults;
        self.faults += faults.frames + faults.requests + faults.tampered + faults.links;
        self.healed_after_max_ns = self.healed_after_max_ns.max(report.healed_after_ns);
        self.drained += u64::from(report.drained);
        self.coverage.add(&report.struck);
        report.known_after.iter().for_each(|ns| self.known_after.add(*ns));
        report.unhedged.iter().for_each(|ns| self.unhedged.add(*ns));
        report.feeds_recovered.iter().for_each(|ns| self.feeds_recovered.add(*ns));
        self.traces = self.traces.wrapping_add(report.trace);
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} runs, {} simulated seconds, {} restarts, {} faults, {} orders ({} unknown for a while), {} fills, {} hedges, {} deals, slowest healing {:.1} s, {} drained to come to rest",
            self.runs,
            self.simulated_ns / 1_000_000_000,
            self.restarts,
            self.faults,
            self.orders,
            self.unknown,
            self.fills,
            self.hedges,
            self.deals,
            self.healed_after_max_ns as f64 / 1e9,
            self.drained,
        )
    }
}

/// Every seed of a batch that broke an invariant, the lowest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failures(pub Vec<Failure>);

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} seeds failed", self.0.len())?;
        for failure in &self.0 {
            writeln!(f, "  seed {}: {}", failure.seed, failure.violation)?;
        }
        match self.0.first() {
            Some(first) => write!(f, "run the first again: {}", first.command),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failures {}

/// Runs one configuration per seed on all cores, all of them whatever fails: the pattern of failures says more than the first one.
///
/// # Errors
/// All failing seeds.
pub fn run_many(seeds: std::ops::Range<u64>, configure: impl Fn(u64) -> SimConfig + Sync) -> Result<Totals, Failures> {
    let (totals, failures) = run_all(seeds, configure, false);
    if failures.is_empty() { Ok(totals) } else { Err(Failures(failures)) }
}

/// As [`run_many`], with what the good seeds amount to beside the failing ones; with `twice` each seed runs twice and both traces must
/// be the same.
pub fn run_all(seeds: std::ops::Range<u64>, configure: impl Fn(u64) -> SimConfig + Sync, twice: bool) -> (Totals, Vec<Failure>) {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    run_all_on(threads, seeds, configure, twice)
}

/// As [`run_all`], on that many threads; on none of them but this one, for a profiler, when it is zero or one.
pub fn run_all_on(
    threads: usize,
    seeds: std::ops::Range<u64>,
    configure: impl Fn(u64) -> SimConfig + Sync,
    twice: bool,
) -> (Totals, Vec<Failure>) {
    let next = AtomicU64::new(seeds.start);
    let worker = || {
        let (mut totals, mut failures) = (Totals::default(), Vec::new());
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return (totals, failures);
            }
            let config = configure(seed);
            for name in mixed::drawn(&config) {
                *totals.drawn.entry(name).or_default() += 1;
            }
            match if twice { run_twice(&config) } else { run(&config) } {
                Ok(report) => totals.add(&report),
                Err(violation) => failures.push(Failure { seed, violation, command: command(&config) }),
            }
        }
    };
    if threads <= 1 {
        return worker();
    }
    let outcomes: Vec<(Totals, Vec<Failure>)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().map(|worker| worker.join().expect("a worker catches the panics of its runs")).collect()
    });
    let (mut sum, mut failures) = (Totals::default(), Vec::new());
    for (totals, failed) in outcomes {
        sum.merge(&totals);
        failures.extend(failed);
    }
    failures.sort_by_key(|failure| failure.seed);
    (sum, failures)
}

impl Totals {
    fn merge(&mut self, other: &Totals) {
        self.runs += other.runs;
        self.simulated_ns += other.simulated_ns;
        self.restarts += other.restarts;
        self.deals += other.deals;
        self.orders += other.orders;
        self.unknown += other.unknown;
        self.fills += other.fills;
        self.hedges += other.hedges;
        self.faults += other.faults;
        self.healed_after_max_ns = self.healed_after_max_ns.max(other.healed_after_max_ns);
        self.drained += other.drained;
        self.coverage.merge(&other.coverage);
        for (name, runs) in &other.drawn {
            *self.drawn.entry(name.clone()).or_default() += runs;
        }
        self.known_after.merge(&other.known_after);
        self.unhedged.merge(&other.unhedged);
        self.feeds_recovered.merge(&other.feeds_recovered);
        self.traces = self.traces.wrapping_add(other.traces);
    }
}
