//! Each planted bug must be killed, and by the invariant that it is about: what reports first is what is written here (built with
//! `--features mutants` only, in a target directory of its own).
//!
//! `CROSSGATE_MUTANT=OneUnitOff` runs one of them, `CROSSGATE_SEED=5` with it only that seed.

#![expect(clippy::disallowed_methods, reason = "how long a kill takes is measured, nothing depends on it")]

use domain::LinkRole;
use domain::mutants::{Mutant, set_active};
use domain::time::{MILLI, SECOND};
use domain::{Amount, number::AMOUNT_ONE};
use risk::Limits;
use sim_exchange::faults::{ScriptedFault, TimedFault};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;
use testkit::config::VenueChoice;
use testkit::faults::{self, Event};
use testkit::incidents::Person;
use testkit::{FaultMix, Invariant, SimConfig, Violation, runner};

/// A planted bug, the invariant that must report it, and the runs in which it must.
struct Case {
    mutant: Mutant,
    kills: Invariant,
    scenario: fn(u64) -> SimConfig,
    /// Seeds it may survive at most.
    seeds: u64,
}

const fn case(mutant: Mutant, kills: Invariant, scenario: fn(u64) -> SimConfig, seeds: u64) -> Case {
    Case { mutant, kills, scenario, seeds }
}

const CASES: [Case; 27] = [
    case(Mutant::OneUnitOff, Invariant::LedgerIsTrue, short, 10),
    case(Mutant::FeeIgnored, Invariant::LedgerIsTrue, short, 10),
    case(Mutant::DoubleBookedFill, Invariant::FillsBookedOnce, doubled_private, 40),
    case(Mutant::EarlyFillDropped, Invariant::FillsBookedOnce, late_acknowledgements, 40),
    case(Mutant::LateFillDropped, Invariant::FillsBookedOnce, doubled_private, 40),
    case(Mutant::ResendOnUnknown, Invariant::IdsUnique, SimConfig::lost_replies, 40),
    case(Mutant::IdReusedAfterRestart, Invariant::IdsUnique, deaths, 40),
    case(Mutant::AgeIgnored, Invariant::BooksFresh, silences, 100),
    case(Mutant::UntrustedTraded, Invariant::BooksFresh, cuts, 100),
    case(Mutant::ExposureIgnored, Invariant::ExposureBounded, tight_exposure, 60),
    case(Mutant::ExposureUntold, Invariant::ExposureShort, shut_out, 60),
    case(Mutant::PaceIgnored, Invariant::WireWithinLimits, slow_pace, 40),
    case(Mutant::LatchIgnored, Invariant::LatchHolds, halted, 40),
    case(Mutant::SendBeforeLog, Invariant::IntentFirst, short, 10),
    case(Mutant::OldQueryWins, Invariant::OrdersForward, doubtful, 400),
    case(Mutant::FilledMayFall, Invariant::NoOverfill, doubtful, 400),
    case(Mutant::GapIgnored, Invariant::BooksTrue, gaps, 40),
    case(Mutant::CrossedAccepted, Invariant::BooksTrue, crossed, 40),
    case(Mutant::FeedForgotten, Invariant::FeedsRecover, gaps, 10),
    case(Mutant::RefusalIgnored, Invariant::LimitsRespected, refusals, 40),
    case(Mutant::KeyInUrl, Invariant::SecretsKept, short, 10),
    case(Mutant::PanicOnNonsense, Invariant::NoPanic, nonsense, 40),
    case(Mutant::HiddenEntropy, Invariant::Deterministic, short, 20),
    case(Mutant::NoReconcile, Invariant::Converges, SimConfig::faulty, 400),
    case(Mutant::AbsentAtOnce, Invariant::Converges, doubtful, 400),
    case(Mutant::FlowRounded, Invariant::Conserved, short, 10),
    case(Mutant::ClearingUntold, Invariant::AlertsOnce, short, 10),
];

fn short(seed: u64) -> SimConfig {
    SimConfig { duration_ns: 8 * SECOND, ..SimConfig::calm(seed) }
}

fn with(seed: u64, change: impl FnOnce(&mut FaultMix)) -> SimConfig {
    let mut config = SimConfig::calm(seed);
    change(&mut config.faults);
    config
}

fn doubled_private(seed: u64) -> SimConfig {
    with(seed, |faults| (faults.private.doubled, faults.private.delay_max_ns) = (300, 500 * MILLI))
}

fn late_acknowledgements(seed: u64) -> SimConfig {
    with(seed, |faults| faults.slow_acknowledgements = true)
}

fn deaths(seed: u64) -> SimConfig {
    with(seed, |faults| faults.script = faults::deaths(seed, 6))
}

fn silences(seed: u64) -> SimConfig {
    let silence = |venue: usize, at: u64| {
        let event = |on| Event::Silence { venue: Some(venue), pair: None, on };
        [(at * SECOND, event(true)), ((at + 3) * SECOND, event(false))]
    };
    with(seed, |faults| faults.script = (0..4).flat_map(|n| silence(n % 2, 3 + 4 * n as u64)).collect())
}

fn cuts(seed: u64) -> SimConfig {
    let cut = |n: u64| (SECOND * 3 + n * SECOND / 2, Event::Cut { venue: (n % 2) as usize, role: LinkRole::Public });
    with(seed, |faults| faults.script = (0..24).map(cut).collect())
}

fn tight_exposure(seed: u64) -> SimConfig {
    let most = Amount::from_units(1_000 * AMOUNT_ONE);
    let limits = Limits { order_value_max: most, deal_value_max: most, unhedged_value_max: most, ..testkit::config::limits() };
    SimConfig { limits, ..late_acknowledgements(seed) }
}

/// Both pairs are closed on both venues but for a second now and then, and orders arrive late: a leg that was taken just before can
/// neither be completed nor reversed for seconds.
fn shut_out(seed: u64) -> SimConfig {
    let toggles = |at: u64, on: bool| (0..4).map(move |n| (at, Event::Closed { venue: n % 2, pair: n / 2, on }));
    let windows = (0..3).flat_map(|n| toggles((4 + 5 * n) * SECOND, true).chain(toggles((8 + 5 * n) * SECOND, false)));
    let config = with(seed, |faults| {
        (faults.orders.slow, faults.orders.delay_max_ns) = (500, 400 * MILLI);
        faults.script = windows.collect();
    });
    config.over_rest()
}

fn slow_pace(seed: u64) -> SimConfig {
    SimConfig { limits: Limits { orders_per_second_max: 2, ..testkit::config::limits() }, ..SimConfig::calm(seed) }
}

fn halted(seed: u64) -> SimConfig {
    with(seed, |faults| faults.script = vec![(4 * SECOND, Event::Person(Person::Halt))])
}

fn doubtful(seed: u64) -> SimConfig {
    // A private stream that loses so much is suspected again and again, and holds its venue for minutes.
    let heal_max_ns = 600 * SECOND;
    let config = with(seed, |faults| {
        (faults.orders.reply_lost, faults.orders.broken) = (300, 900);
        (faults.private.lost, faults.private.reordered, faults.private.delay_max_ns) = (200, 250, 2 * SECOND);
        (faults.reads.slow, faults.reads.delay_max_ns) = (300, 2 * SECOND);
        (faults.stale_look_ups, faults.order_hidden_ns) = if seed % 2 == 0 { (800, 0) } else { (0, SECOND) };
    });
    SimConfig { heal_max_ns, ..config }
}

fn gaps(seed: u64) -> SimConfig {
    let config = with(seed, |faults| faults.venue.skip_book_delta = (1..8).map(|n| n * 40).collect());
    let venues = config
        .venues
        .iter()
        .map(|venue| VenueChoice { order_entry: venue.order_entry, ..VenueChoice::gate("order_book_update") });
    SimConfig { venues: venues.collect(), ..config }
}

fn crossed(seed: u64) -> SimConfig {
    with(seed, |faults| faults.crossed_books = 20)
}

fn refusals(seed: u64) -> SimConfig {
    let refuse =
        |venue: usize, at: u64| (venue, ScriptedFault { at_ns: at * SECOND, fault: TimedFault::TooManyRequests { count: 3 } });
    with(seed, |faults| faults.timed = (2..10).flat_map(|at| [refuse(0, 2 * at), refuse(1, 2 * at)]).collect())
}

fn nonsense(seed: u64) -> SimConfig {
    with(seed, |faults| faults.odd_frames = 50)
}

fn wanted() -> Vec<&'static Case> {
    let name = std::env::var("CROSSGATE_MUTANT").ok();
    let wanted: Vec<&Case> =
        CASES.iter().filter(|case| name.as_ref().is_none_or(|name| *name == format!("{:?}", case.mutant))).collect();
    assert!(!wanted.is_empty(), "there is no mutant {name:?}");
    wanted
}

/// The first seed that kills it, and what it broke.
fn kill(case: &Case, seeds: std::ops::Range<u64>) -> Option<(u64, Violation)> {
    set_active(Some(case.mutant));
    let killed = seeds.into_iter().find_map(|seed| runner::run(&(case.scenario)(seed)).err().map(|violation| (seed, violation)));
    set_active(None);
    killed
}

#[test]
fn every_planted_bug_is_killed_by_its_invariant() {
    let one_seed: Option<u64> =
        std::env::var("CROSSGATE_SEED").ok().map(|seed| seed.parse().expect("CROSSGATE_SEED is a number"));
    let cases = wanted();
    let (next, wrong) = (AtomicUsize::new(0), AtomicU64::new(0));
    let worker = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (began, mutant) = (Instant::now(), case.mutant);
            let killed = kill(case, one_seed.map_or(0..case.seeds, |seed| seed..seed + 1));
            let took = began.elapsed().as_secs_f64();
            match &killed {
                Some((seed, violation)) => {
                    let right = violation.invariant == case.kills;
                    wrong.fetch_add(u64::from(!right), Ordering::Relaxed);
                    let verdict = if right { "killed" } else { "KILLED BY ANOTHER INVARIANT than its own" };
                    println!(
                        "{mutant:?} ({}): {verdict}, seed {seed}, {took:.1} s: {violation}\n    run it again: CROSSGATE_MUTANT={mutant:?} CROSSGATE_SEED={seed} cargo test -p testkit --features mutants --target-dir target/mutants --test mutants -- --nocapture",
                        case.kills.code()
                    );
                }
                None => {
                    wrong.fetch_add(1, Ordering::Relaxed);
                    println!("{mutant:?} ({}): SURVIVES {} seeds, {took:.1} s", case.kills.code(), case.seeds);
                }
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(worker))));
    assert_eq!(wrong.into_inner(), 0, "planted bugs survive, or are found by what is not about them");
}

#[test]
fn every_bug_has_a_case_and_every_invariant_a_bug() {
    for mutant in Mutant::ALL {
        assert_eq!(CASES.iter().filter(|case| case.mutant == *mutant).count(), 1, "{mutant:?}");
    }
    let mut codes: Vec<&str> = CASES.iter().map(|case| case.kills.code()).collect();
    codes.sort_by_key(|code| code[1..].parse::<u32>().unwrap());
    codes.dedup();
    let all: Vec<String> = (1..=20).map(|number| format!("I{number}")).collect();
    assert_eq!(codes, all);
}

#[test]
fn nothing_is_killed_without_a_planted_bug() {
    set_active(None);
    for case in &CASES {
        for seed in 0..2 {
            if let Err(violation) = runner::run(&(case.scenario)(seed)) {
                panic!("seed {seed} of the scenario of {:?} breaks {violation}", case.mutant);
            }
        }
    }
}
