//! `kill -9` of the real engine at random instants, most of them while it recovers from the kill before, with venues that live on;
//! then the venues' own books are held against its log and its ledger.
//!
//! CI kills a few times. The figure of `docs/reliability.md`:
//! `CROSSGATE_KILLS=1000 CROSSGATE_SEED=1 cargo test --release -p crossgate --test crash -- --nocapture at_random_instants`

#[path = "support/mod.rs"]
mod support;

use rustix::process::Signal;
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};
use support::config::{live, replaced, write};
use support::dice::{Dice, setting};
use support::dir;
use support::figures::commit;
use support::process::{LIMIT, Running, crossgate, run};
use support::state_log::StateLog;
use support::venue::Sim;

/// The shortest delay: nothing is done yet.
const LIFE_LEAST: Duration = Duration::from_micros(100);
/// The longest delay: some deals.
const LIFE_MOST: Duration = Duration::from_millis(1_500);
/// Kills between two audits in the long run, so that a loss is found near its cause.
const KILLS_AN_AUDIT: u64 = 50;

/// Where the kills met the engine.
#[derive(Debug, Default)]
struct Met {
    starting: u64,
    recovering: u64,
    between_deals: u64,
    in_a_deal: u64,
}

/// Runs to an orderly end and holds the engine's log and ledger against the venues' books.
#[track_caller]
fn audit(sim: &Sim, dir: &Path, config: &Path, span: &str) -> (usize, usize) {
    let (_, json) = sim.run(dir, config, span);
    assert_eq!((&json["reconciled"], &json["orders_unknown"]), (&true.into(), &0.into()), "{json}");
    assert_eq!(json["halts"], serde_json::json!([]), "{json}");
    sim.assert_balances(&json);
    StateLog::read(&dir.join("state")).assert_is_the_venues(sim)
}

/// The newest run's inputs give its outputs again, up to where it was killed.
#[track_caller]
fn assert_replays(dir: &Path) {
    let replay = run(crossgate(dir).args(["replay", "state", "--verify", "--json"])).expect(0).json();
    assert_eq!((&replay["verified"], &replay["first_difference"]), (&true.into(), &Value::Null), "{replay}");
}

#[test]
fn an_engine_killed_at_random_instants_loses_no_fill_and_doubles_none() {
    let (kills, seed) = (setting("CROSSGATE_KILLS", 5), setting("CROSSGATE_SEED", 1));
    let mut dice = Dice::new(seed);
    // As of now: the tree may move on while this runs.
    let (commit, began) = (commit(), Instant::now());
    let dir = dir();
    let sim = Sim::start(dir.path(), &["--seed", &seed.to_string()]);
    // Every log is kept, or the last comparison could not see the first lives. Recovery reads the newest checkpoint all the same.
    let text = replaced(&live(&sim.venues), "dir = \"state\"", "dir = \"state\"\nstate_epochs_kept = 0");
    let config = write(dir.path(), "live.toml", &text);
    let go = ["run", "-c", "live.toml", "--live", "--no-tui", "--json"];
    // Something to recover: without it the first kills could only hit an empty directory.
    audit(&sim, dir.path(), &config, "1s");
    let (mut met, mut replayed) = (Met::default(), 0);
    for kill in 1..=kills {
        let engine = Running::start(&mut sim.engine(dir.path(), &go));
        let life = match dice.next() % 8 {
            // From its very first instruction.
            0 => dice.doubling(LIFE_LEAST, LIFE_MOST),
            // From the moment that its log is open, since how long a start takes is the machine's matter: mostly while it recovers.
            1..=4 => {
                engine.wait_for("metrics http://", LIMIT);
                dice.doubling(LIFE_LEAST, LIFE_MOST)
            }
            // While orders are under way.
            _ => {
                engine.wait_for(": buy ", LIMIT);
                dice.doubling(LIFE_LEAST, Duration::from_millis(10))
            }
        };
        // The instant is the point of the test: nothing is waited for.
        std::thread::sleep(life);
        engine.signal(Signal::KILL);
        let killed = engine.end();
        assert_eq!(killed.code, None, "kill {kill} of seed {seed} found it ended:\n{}", killed.stderr);
        let lines = |part: &str| killed.stderr.lines().filter(|line| line.contains(part)).count();
        let ready = lines("account reconciled, ready to trade") >= 2;
        match (ready, lines("metrics http://") > 0) {
            (false, false) => met.starting += 1,
            (false, true) => met.recovering += 1,
            (true, _) if lines(": buy ") > lines(": closed") => met.in_a_deal += 1,
            (true, _) => met.between_deals += 1,
        }
        // Its own log must replay; in the long run not every one is read, since each reads all that were before.
        if ready && (kills <= KILLS_AN_AUDIT || kill % KILLS_AN_AUDIT == 1) {
            assert_replays(dir.path());
            replayed += 1;
        }
        if kill % KILLS_AN_AUDIT == 0 && kill != kills {
            audit(&sim, dir.path(), &config, "1s");
        }
    }
    let (orders, fills) = audit(&sim, dir.path(), &config, "3s");
    assert_replays(dir.path());
    let log = StateLog::read(&dir.path().join("state"));
    println!(
        "kill -9: commit {commit} seed {seed} kills {kills} ({met:?}) in {:?}; {} epochs, {replayed} killed ones replayed equal; the venues' \
         books: {orders} orders, {fills} fills, 0 lost, 0 doubled, balances equal",
        began.elapsed(),
        log.epochs.len(),
    );
    assert!(fills > 0, "nothing was at stake");
}
