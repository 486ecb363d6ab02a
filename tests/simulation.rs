//! Production engine, sessions and dialect bytes against simulated venues under virtual time, judged from outside (see `testkit`).
//!
//! `CROSSGATE_SEEDS=10000` runs more seeds; `CROSSGATE_SEED=17` names the one that `one_seed` runs, `CROSSGATE_TRACE=1` prints what
//! happens in it.

use std::time::Instant;
use testkit::runner::{self, Totals};
use testkit::simulation::Report;
use testkit::{FaultMix, SimConfig};

/// Seeds of the default run.
const SEEDS: u64 = 200;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

#[track_caller]
fn run(config: &SimConfig) -> Report {
    match runner::run(config) {
        Ok(report) => report,
        Err(violation) => panic!("seed {} breaks {violation}", config.seed),
    }
}

fn tell(what: &str, totals: &Totals, began: Instant) {
    let took = began.elapsed();
    let rate = totals.simulated_ns as f64 / took.as_nanos().max(1) as f64;
    println!("{what}: {totals}; {:.1} s, {rate:.0} simulated seconds a second", took.as_secs_f64());
}

#[test]
fn without_faults_deals_are_made_and_everything_agrees() {
    let began = Instant::now();
    let totals = runner::run_many(0..8, SimConfig::calm).unwrap_or_else(|failure| panic!("{failure}"));
    tell("calm", &totals, began);
    assert!(totals.deals >= 8 * 3, "{totals}");
    assert_eq!((totals.unknown, totals.restarts, totals.faults), (0, 0, 0), "{totals}");
}

#[test]
fn a_basis_below_fees_makes_no_deal() {
    for seed in 0..4 {
        let report = run(&SimConfig { basis_bps: 15, ..SimConfig::calm(seed) });
        assert_eq!((report.orders, report.deals), (0, 0), "seed {seed}");
    }
}

#[test]
fn faults_break_no_invariant() {
    let began = Instant::now();
    let seeds = number("CROSSGATE_SEEDS").unwrap_or(SEEDS);
    let totals = runner::run_many(0..seeds, SimConfig::faulty).unwrap_or_else(|failure| panic!("{failure}"));
    tell("faulty", &totals, began);
    assert!(totals.runs == seeds);
    if seeds >= SEEDS {
        // The faults did strike: a harness that stopped injecting them would be green for ever.
        assert!(totals.restarts > seeds / 4 && totals.unknown > seeds && totals.hedges > seeds / 4, "{totals}");
        assert!(totals.deals > seeds && totals.faults > 20 * seeds, "{totals}");
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let mut traces = Vec::new();
    for seed in 1_000..1_020 {
        match runner::run_twice(&SimConfig::faulty(seed)) {
            Ok(report) => traces.push(report.trace),
            Err(violation) => panic!("seed {seed} breaks {violation}\nrun it again: {}", runner::command(seed)),
        }
    }
    traces.sort_unstable();
    traces.dedup();
    assert_eq!(traces.len(), 20, "different seeds are different runs");
}

#[test]
fn an_engine_that_dies_again_and_again_recovers() {
    // Only deaths: whatever goes wrong here is recovery's.
    let configure = |seed| {
        let script = testkit::faults::deaths(seed, 6);
        SimConfig { faults: FaultMix { script, ..FaultMix::none() }, ..SimConfig::calm(seed) }
    };
    let began = Instant::now();
    let totals = runner::run_many(0..30, configure).unwrap_or_else(|failure| panic!("{failure}"));
    tell("deaths", &totals, began);
    assert!(totals.restarts >= 30 * 3 && totals.deals > 30, "{totals}");
}

#[test]
fn one_seed() {
    let seed = number("CROSSGATE_SEED").unwrap_or(0);
    let config = SimConfig::faulty(seed);
    println!("{:#?}", config);
    match runner::run_twice(&config) {
        Ok(report) => println!("{report:#?}"),
        Err(violation) => panic!("seed {seed} breaks {violation}\nrun it again: {}", runner::command(seed)),
    }
}
