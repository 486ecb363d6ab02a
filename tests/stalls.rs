//! An engine that stands still, venues that stand still, clocks that jump, and books that come late: nothing is opened on what is old.
//! Judged from the journal, by receive times and the venues' own send times.

#[path = "support/mod.rs"]
mod support;

use domain::{ErrorClass, Input, OrderReport};
use journal::{Record, RunFiles};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use support::config::{gates, live, write};
use support::decisions::Decisions;
use support::dice::{Dice, setting};
use support::dir;
use support::engine::{GO, deals, end_in_order};
use support::ops::{Metrics, ready, status, until};
use support::process::Running;
use support::proxy::{Weather, proxies};
use support::venue::Sim;

/// Defaults of `[strategy]`: `book_age_max`, `lag_max`, `skew_max`.
const AGE_MAX: Duration = Duration::from_secs(1);
const LAG_MAX: Duration = Duration::from_millis(250);
const SKEW_MAX: Duration = Duration::from_millis(500);

#[test]
fn after_a_pause_nothing_is_opened_on_what_was_known_before_it() {
    let dir = dir();
    let sim = Sim::start(dir.path(), &["--seed", "21"]);
    write(dir.path(), "live.toml", &live(&sim.venues));
    let engine = Running::start(&mut sim.engine(dir.path(), &GO));
    let ops = engine.ops();
    until("it is ready", || ready(&ops));
    let mut dice = Dice::new(setting("CROSSGATE_SEED", 1));
    let pauses = setting("CROSSGATE_PAUSES", 4);
    for _ in 0..pauses {
        let before = deals(&ops);
        until("it trades", || deals(&ops) > before);
        engine.signal(Signal::STOP);
        // The pause itself: books move on at the venues meanwhile.
        std::thread::sleep(dice.doubling(Duration::from_millis(300), Duration::from_secs(3)));
        engine.signal(Signal::CONT);
        until("it is ready again", || ready(&ops));
    }
    let before = deals(&ops);
    until("it trades again", || deals(&ops) > before);
    assert!(Metrics::of(&ops).sum("book_resyncs_total", &["reason=\"paused\""]) >= 1.0, "resyncs after pauses are counted");
    assert!(engine.lines_with("the process was suspended") >= pauses as usize, "every pause is told");
    end_in_order(engine, &sim, dir.path());
    let decisions = Decisions::of(&dir.path().join("state"));
    assert!(decisions.pauses.len() >= pauses as usize, "{:?}", decisions.pauses);
    // `live` in the journal means: a whole book was received after the pause.
    decisions.assert_fresh(AGE_MAX, LAG_MAX, SKEW_MAX);
    let first = *decisions.pauses.first().expect("there were pauses");
    assert!(decisions.openings.iter().any(|opening| opening.seq > first), "it opened again");
}

#[test]
fn when_the_venues_stand_still_openings_end_with_the_age_of_their_books() {
    let dir = dir();
    let sim = Sim::start(dir.path(), &["--seed", "22"]);
    write(dir.path(), "live.toml", &live(&sim.venues));
    let engine = Running::start(&mut sim.engine(dir.path(), &GO));
    let ops = engine.ops();
    until("it is ready", || ready(&ops));
    until("it trades", || deals(&ops) > 2);
    sim.process.signal(Signal::STOP);
    // Longer than the age at which a book is given up, and long enough to see that nothing follows.
    std::thread::sleep(AGE_MAX * 2);
    let stood = deals(&ops);
    std::thread::sleep(AGE_MAX);
    assert_eq!(deals(&ops), stood, "a deal was opened on a book of more than {AGE_MAX:?}");
    assert!(!ready(&ops), "it says that it is not ready");
    sim.process.signal(Signal::CONT);
    until("it trades again", || deals(&ops) > stood);
    end_in_order(engine, &sim, dir.path());
    Decisions::of(&dir.path().join("state")).assert_fresh(AGE_MAX, LAG_MAX, SKEW_MAX);
}

#[test]
fn a_venue_that_falls_behind_is_not_traded_against() {
    let dir = dir();
    // The demo's market with a wide basis and fast moves: whoever is late is wrong, and looks like a profit.
    let fast = gates(&[("volatility_bps = \"3\"", "volatility_bps = \"40\"")]);
    write(dir.path(), "sim.toml", &fast);
    let sim = Sim::start(dir.path(), &["-c", "sim.toml", "--seed", "23"]);
    let (lines, fronts) = proxies(&sim.venues);
    write(dir.path(), "live.toml", &live(&fronts));
    let engine = Running::start(&mut sim.engine(dir.path(), &GO));
    let ops = engine.ops();
    until("it is ready", || ready(&ops));
    until("it trades", || deals(&ops) > 2);
    for late_ms in [100, 300, 600, 300, 900] {
        lines[1].weather(Weather::Late(Duration::from_millis(late_ms)));
        // How long each lag lasts; what is decided meanwhile is judged from the journal.
        std::thread::sleep(Duration::from_millis(1_500));
    }
    lines[1].weather(Weather::Fair);
    let behind = deals(&ops);
    until("it trades again", || deals(&ops) > behind);
    let json = end_in_order(engine, &sim, dir.path());
    let late = |verdict: &str| json["verdicts"][verdict].as_u64().unwrap_or(0);
    println!("late books: verdicts {}", json["verdicts"]);
    assert!(late("leg_lagging") + late("leg_skew") > 0, "what was late is counted as late: {json}");
    Decisions::of(&dir.path().join("state")).assert_fresh(AGE_MAX, LAG_MAX, SKEW_MAX);
}

/// Debian's libfaketime, where it is installed.
fn libfaketime() -> Option<PathBuf> {
    let multiarch = std::fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path().join("faketime/libfaketime.so.1"));
    multiarch.chain([PathBuf::from("/usr/lib/faketime/libfaketime.so.1")]).find(|path| path.exists())
}

/// Answers and order replies that a venue refused for their time stamp, by venue.
#[track_caller]
fn refused_for_their_time(run_dir: &Path) -> BTreeMap<u8, u64> {
    let mut refused = BTreeMap::new();
    for record in RunFiles::new(run_dir).state_records().expect("the directory can be read") {
        let venue = match record.expect("a whole state log").1 {
            Record::Input { input: Input::ReadFailed(failure), .. } if failure.class == ErrorClass::ClockSkew => failure.venue,
            Record::Input { input: Input::Order(update), .. } => match update.report {
                OrderReport::Refused { class: ErrorClass::ClockSkew, .. } => update.venue,
                _ => continue,
            },
            _ => continue,
        };
        *refused.entry(venue.0).or_default() += 1;
    }
    refused
}

/// Steps of more than a minute between two ticks of the newest run.
#[track_caller]
fn wall_clock_jumps(run_dir: &Path) -> usize {
    let files = RunFiles::new(run_dir);
    let epoch = *files.epochs().expect("the directory can be read").last().expect("something was run");
    let batches = files.replay_inputs(epoch).expect("both logs can be read");
    let inputs = batches.flat_map(|batch| batch.expect("both logs are whole").inputs);
    let ticks: Vec<i64> =
        inputs.filter_map(|(.., input)| if let Input::Tick { unix } = input { Some(unix.0) } else { None }).collect();
    ticks.windows(2).filter(|two| two[0].abs_diff(two[1]) > 60_000_000_000).count()
}

#[test]
fn a_clock_that_jumps_costs_two_requests_a_venue_at_most_and_no_id() {
    let Some(library) = libfaketime() else {
        println!("left out: libfaketime is not installed (Debian: apt-get install faketime)");
        return;
    };
    let dir = dir();
    let sim = Sim::start(dir.path(), &["--seed", "24"]);
    write(dir.path(), "live.toml", &live(&sim.venues));
    let clock = write(dir.path(), "clock", "+0\n");
    let start = |more: &[&str]| {
        let mut command = sim.engine(dir.path(), &[&GO[..], more].concat());
        command.env("LD_PRELOAD", &library).env("FAKETIME_TIMESTAMP_FILE", &clock);
        command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        Running::start(&mut command)
    };
    let began = Instant::now();
    let engine = start(&[]);
    let ops = engine.ops();
    until("it is ready", || ready(&ops));
    let steps = ["+3600", "-3600", "+120", "+0.4", "-0.4", "+0"];
    until("it trades", || deals(&ops) > 2);
    for step in steps {
        let before = deals(&ops);
        // In place, at one blow: a reader never sees half of it.
        std::fs::write(dir.path().join("next"), format!("{step}\n")).expect("the file can be written");
        std::fs::rename(dir.path().join("next"), &clock).expect("the file can be replaced");
        until("it trades by the new clock", || deals(&ops) > before + 1);
    }
    let told: f64 = status(&ops)["duration_s"].as_str().and_then(|text| text.parse().ok()).expect("a duration");
    assert!((told - began.elapsed().as_secs_f64()).abs() < 5.0, "an interval followed the wall clock: {told} s");
    assert!(engine.lines_with("the process was suspended") == 0, "a step of the wall clock is no pause");
    end_in_order(engine, &sim, dir.path());
    let jumps = wall_clock_jumps(&dir.path().join("state"));
    assert!(jumps >= 3, "the engine lived by another clock than that of this test: {jumps} jumps");
    let refused = refused_for_their_time(&dir.path().join("state"));
    println!("clock steps {steps:?}: refused for their time, by venue: {refused:?}");
    for (venue, refused) in refused {
        assert!(refused <= 2 * steps.len() as u64, "venue {venue} refused {refused} requests for their time");
    }
    // A start with the clock an hour behind the last run: the epoch goes on all the same, and with it the ids.
    write(dir.path(), "clock", "-3600\n");
    let engine = start(&[]);
    let ops = engine.ops();
    until("it is ready", || ready(&ops));
    until("it trades an hour ago", || deals(&ops) > 0);
    end_in_order(engine, &sim, dir.path());
}
