//! Each planted bug must be killed by some seed (built with `--features mutants` only, in a target directory of its own).
//!
//! `CROSSGATE_MUTANT=OneUnitOff` runs one of them, `CROSSGATE_SEED=5` with it only that seed.

#![expect(clippy::disallowed_methods, reason = "how long a kill takes is measured, nothing depends on it")]

use domain::mutants::{Mutant, set_active};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;
use testkit::{SimConfig, Violation, runner};

/// Seeds a planted bug may survive at most.
const SEEDS: u64 = 2_000;

fn wanted() -> Vec<Mutant> {
    let name = std::env::var("CROSSGATE_MUTANT").ok();
    let wanted: Vec<Mutant> =
        Mutant::ALL.iter().copied().filter(|mutant| name.as_ref().is_none_or(|name| *name == format!("{mutant:?}"))).collect();
    assert!(!wanted.is_empty(), "there is no mutant {name:?}");
    wanted
}

/// The first seed that kills it, and what it broke.
fn kill(mutant: Mutant, seeds: std::ops::Range<u64>) -> Option<(u64, Violation)> {
    set_active(Some(mutant));
    let killed =
        seeds.into_iter().find_map(|seed| runner::run(&SimConfig::faulty(seed)).err().map(|violation| (seed, violation)));
    set_active(None);
    killed
}

#[test]
fn every_planted_bug_is_killed() {
    let one_seed: Option<u64> =
        std::env::var("CROSSGATE_SEED").ok().map(|seed| seed.parse().expect("CROSSGATE_SEED is a number"));
    let seeds = one_seed.map_or(0..SEEDS, |seed| seed..seed + 1);
    let mutants = wanted();
    let (next, survivors) = (AtomicUsize::new(0), AtomicU64::new(0));
    let worker = || {
        while let Some(mutant) = mutants.get(next.fetch_add(1, Ordering::Relaxed)) {
            let began = Instant::now();
            match kill(*mutant, seeds.clone()) {
                Some((seed, violation)) => println!(
                    "{mutant:?}: killed by seed {seed} in {:.1} s: {violation}\n    run it again: CROSSGATE_MUTANT={mutant:?} CROSSGATE_SEED={seed} cargo test -p testkit --features mutants --target-dir target/mutants --test mutants -- --nocapture",
                    began.elapsed().as_secs_f64()
                ),
                None => {
                    survivors.fetch_add(1, Ordering::Relaxed);
                    println!("{mutant:?}: SURVIVES {} seeds", seeds.end - seeds.start);
                }
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(worker))));
    assert_eq!(survivors.into_inner(), 0, "planted bugs survive: the harness can't see them");
}

#[test]
fn nothing_is_killed_without_a_planted_bug() {
    set_active(None);
    for seed in 0..20 {
        if let Err(violation) = runner::run(&SimConfig::faulty(seed)) {
            panic!("seed {seed} breaks {violation}\nrun it again: {}", runner::command(seed));
        }
    }
}
