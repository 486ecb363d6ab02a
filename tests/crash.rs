//! `kill -9` of the real engine at random instants, most of them while it recovers from the kill before, with venues that live on;
//! then the venues' own books are held against its log and its ledger. Each kill meets an engine on two kinds of venues.
//!
//! CI kills a few times. The figure of `docs/reliability.md` is of a release build:
//! `CROSSGATE_KILLS=1000 CROSSGATE_SEED=31 CROSSGATE_BIN=target/release/crossgate cargo test --workspace --locked --test crash --
//! --nocapture at_random_instants`
//!
//! So many starts use up what a venue grants to an address (Binance: a weight of 6,000 a minute, of which a start takes about 500 and an
//! end 200). Kills take no notice of that: an engine that waits for a venue is killed like any other. But an engine that is to end in
//! order gives up after 45 s unverified (exit code 6), and a minute's limit may last longer. So an audit begins with room for all
//! of it; what is waited for that is told with the figures, and every other end than the orderly one fails.

#[path = "support/mod.rs"]
mod support;

use rustix::process::Signal;
use serde_json::Value;
use std::time::{Duration, Instant};
use support::config::{live, replaced, write};
use support::dice::{Dice, setting};
use support::dir;
use support::engine::GO;
use support::figures::commit;
use support::process::{Running, crossgate, run};
use support::state_log::StateLog;
use support::venue::Sim;
use tempfile::TempDir;

/// The shortest delay: nothing is done yet.
const LIFE_LEAST: Duration = Duration::from_micros(100);
/// The longest delay: some deals.
const LIFE_MOST: Duration = Duration::from_millis(1_500);
/// The longest start: many in a short time use up what a venue gives for a minute, and then it is waited for.
const START_LIMIT: Duration = Duration::from_secs(90);
/// Weight for an audit: a start, what is resolved and compared for some ten seconds, the end, and our own reading of the venue's books.
const AUDIT_WEIGHT: u64 = 2_000;
/// Kills between two audits in the long run, so that a loss is found near its cause.
const KILLS_AN_AUDIT: u64 = 50;
/// Every two kinds of venues; each kind once with orders over a logged-in link and once over REST.
const EVERY_TWO: [[(&str, &str); 2]; 3] =
    [[("gate", "ws"), ("binance", "rest")], [("bybit", "ws"), ("gate", "rest")], [("binance", "ws"), ("bybit", "rest")]];

/// Where the kills met the engine.
#[derive(Debug, Default)]
struct Met {
    starting: u64,
    recovering: u64,
    between_deals: u64,
    in_a_deal: u64,
}

/// How often a venue's limit was in the way.
#[derive(Debug, Default)]
struct Limited {
    /// Starts that were refused and waited as long as the venue said, whether or not they were killed meanwhile.
    starts: u64,
    /// Starts for longer than [`START_LIMIT`], since the venue refused for longer.
    long_starts: u64,
    /// Audits that were put off.
    audits: u64,
    /// By how much in all.
    put_off: Duration,
}

/// Two venues that live on, and the directory of the engine that trades on them and is killed.
struct Stand {
    name: String,
    dir: TempDir,
    sim: Sim,
    kills: u64,
    met: Met,
    limited: Limited,
    replayed: u64,
}

impl Stand {
    #[track_caller]
    fn start(two: [(&str, &str); 2], seed: u64) -> Stand {
        let dir = dir();
        let [one, other] = two.map(|(kind, _)| format!("{kind}:{kind}"));
        let mut sim = Sim::start(dir.path(), &["--seed", &seed.to_string(), "--venue", &one, "--venue", &other]);
        sim.orders_over(&two.map(|(_, way)| way));
        // Every log is kept, or the last comparison could not see the first lives. Recovery reads the newest checkpoint all the same.
        let text = replaced(&live(&sim.venues), "dir = \"state\"", "dir = \"state\"\nstate_epochs_kept = 0");
        write(dir.path(), "live.toml", &text);
        let name = two.map(|(kind, way)| format!("{kind} ({way})")).join(" and ");
        Stand { name, dir, sim, kills: 0, met: Met::default(), limited: Limited::default(), replayed: 0 }
    }

    /// Runs to an orderly end and holds the engine's log and ledger against the venues' books.
    #[track_caller]
    fn audit(&mut self, span: &str) -> (usize, usize) {
        if let Some(wait) = self.sim.until_room(AUDIT_WEIGHT) {
            self.limited.audits += 1;
            self.limited.put_off += wait;
            std::thread::sleep(wait);
        }
        let engine = Running::start(&mut self.sim.engine(self.dir.path(), &[&GO[..], &["--for", span]].concat()));
        self.wait_for(&engine, "metrics http://");
        let json = engine.end().expect(0).json();
        assert_eq!((&json["reconciled"], &json["orders_unknown"]), (&true.into(), &0.into()), "{}: {json}", self.name);
        assert_eq!(json["halts"], serde_json::json!([]), "{}: {json}", self.name);
        self.sim.assert_balances(&json);
        self.log().assert_is_the_venues(&self.sim)
    }

    /// Waits for a line of an engine that starts: within the limit, or that much after the end of what a venue refuses until then.
    #[track_caller]
    fn wait_for(&mut self, engine: &Running, part: &str) {
        if !engine.says(part, START_LIMIT) {
            let Some(refused) = self.sim.until_room(0) else {
                panic!("no line with `{part}` within {START_LIMIT:?}, and no venue refuses us: {}", self.name);
            };
            self.limited.long_starts += 1;
            engine.wait_for(part, refused + START_LIMIT);
        }
    }

    #[track_caller]
    fn log(&self) -> StateLog {
        StateLog::read(&self.dir.path().join("state"))
    }

    /// The newest run's inputs give its outputs again, up to where it was killed.
    #[track_caller]
    fn assert_replays(&self) {
        let replay = run(crossgate(self.dir.path()).args(["replay", "state", "--verify", "--json"])).expect(0).json();
        let verified = (&replay["verified"], &replay["first_difference"]);
        assert_eq!(verified, (&true.into(), &Value::Null), "{}: {replay}", self.name);
    }

    /// Starts the engine and kills it; says whether it was ready to trade by then.
    #[track_caller]
    fn kill(&mut self, dice: &mut Dice) -> bool {
        let engine = Running::start(&mut self.sim.engine(self.dir.path(), &GO));
        let life = match dice.next() % 8 {
            // From its very first instruction.
            0 => dice.doubling(LIFE_LEAST, LIFE_MOST),
            // From the moment that its log is open, since how long a start takes is the machine's matter: mostly while it recovers.
            1..=4 => {
                self.wait_for(&engine, "metrics http://");
                dice.doubling(LIFE_LEAST, LIFE_MOST)
            }
            // While orders are under way.
            _ => {
                self.wait_for(&engine, ": buy ");
                dice.doubling(LIFE_LEAST, Duration::from_millis(10))
            }
        };
        // The instant is the point of the test: nothing is waited for.
        std::thread::sleep(life);
        engine.signal(Signal::KILL);
        let killed = engine.end();
        self.kills += 1;
        assert_eq!(killed.code, None, "kill {} on {} found it ended:\n{}", self.kills, self.name, killed.stderr);
        let lines = |part: &str| killed.stderr.lines().filter(|line| line.contains(part)).count();
        self.limited.starts += u64::from(lines(" and takes no requests for ") > 0);
        let ready = lines("account reconciled, ready to trade") >= 2;
        match (ready, lines("metrics http://") > 0) {
            (false, false) => self.met.starting += 1,
            (false, true) => self.met.recovering += 1,
            (true, _) if lines(": buy ") > lines(": closed") => self.met.in_a_deal += 1,
            (true, _) => self.met.between_deals += 1,
        }
        ready
    }
}

#[test]
fn an_engine_killed_at_random_instants_loses_no_fill_and_doubles_none() {
    // CI: each two kinds once after an orderly run and once after a kill.
    let (kills, seed) = (setting("CROSSGATE_KILLS", 6), setting("CROSSGATE_SEED", 1));
    let mut dice = Dice::new(seed);
    // As of now: the tree may move on while this runs.
    let (commit, began) = (commit(), Instant::now());
    let mut stands = EVERY_TWO.map(|two| Stand::start(two, seed));
    // Something to recover: without it the first kills could only hit an empty directory.
    for stand in &mut stands {
        stand.audit("1s");
    }
    // By turns that chance orders: each of them comes up once before any comes up again.
    let mut turns = Vec::new();
    for kill in 1..=kills {
        if turns.is_empty() {
            turns = (0..stands.len()).collect();
            dice.shuffle(&mut turns);
        }
        let stand = &mut stands[turns.pop().expect("a turn")];
        let ready = stand.kill(&mut dice);
        // Its own log must replay; in the long run not every one is read, since each reads all that were before.
        if ready && (kills <= KILLS_AN_AUDIT || kill % KILLS_AN_AUDIT == 1) {
            stand.assert_replays();
            stand.replayed += 1;
        }
        if kill % KILLS_AN_AUDIT == 0 && kill != kills {
            for stand in &mut stands {
                stand.audit("1s");
            }
        }
    }
    println!("kill -9: commit {commit} seed {seed} kills {kills}");
    for stand in &mut stands {
        let (orders, fills) = stand.audit("3s");
        let stand = &*stand;
        stand.assert_replays();
        let Stand { name, kills, met, limited, replayed, .. } = stand;
        println!(
            "  {name}: {kills} kills ({met:?}), {} epochs, {replayed} killed ones replayed equal; the venues' books: {orders} orders, \
             {fills} fills, 0 lost, 0 doubled, balances equal",
            stand.log().epochs.len()
        );
        println!("    a venue's limit was used up: {limited:?}");
        assert!(fills > 0, "nothing was at stake on {name}");
    }
    println!("  in {:?}", began.elapsed());
}
