//! Bursts of recorded frames, faster than they were, through real sockets into the real engine (crash replay): while books are on time
//! it trades; on books that are late it opens nothing, and counts why. Judged from outside ([`support::punctual`]).

#[path = "support/mod.rs"]
mod support;

use rust_decimal::Decimal;
use rustix::process::Signal;
use serde_json::Value;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};
use support::config::{gates, write};
use support::dice::setting;
use support::feeder::{Dialect, Feeder, Line};
use support::figures::commit;
use support::ops::{Metrics, until};
use support::process::{Running, crossgate};
use support::punctual::Punctuality;
use support::recording::{self, Recording, Source};
use support::{count, dir};

/// Defaults of `[strategy]`.
const LAG_MAX: Duration = Duration::from_millis(250);
const SKEW_MAX: Duration = Duration::from_millis(500);
/// What lag the engine can't see beside half a round trip: venues stamp whole milliseconds, and tell their time in such.
const RESOLUTION: Duration = Duration::from_millis(2);
/// A stretch of fair play in which something must be opened; shorter ones begin with reconnects.
const ENOUGH: Duration = Duration::from_millis(750);
/// How far the venues' clocks are ahead of ours, nanoseconds: that of the recorded venues was 1.27 s.
const CLOCKS_AHEAD: [i64; 2] = [1_270_000_000, -310_000_000];

/// A paper run on two feeders. Without fees, so that what the recorded streams differ by is an edge.
fn paper(kind: &str, feeders: &[Feeder], symbols: &[&str], edge_bps: &str) -> String {
    let mut text = format!(
        "mode = \"paper\"\nseed = 1\n[state]\ndir = \"state\"\n[ops]\nlisten = \"127.0.0.1:0\"\n\
         [paper]\nlatency = \"2ms\"\nfee_bps = \"0\"\nvalue = \"10000000\"\n\
         [strategy]\nmin_edge_bps = \"{edge_bps}\"\nlatency_allowance_bps = \"0\"\n\
         [risk]\norder_value_max = \"2500\"\ndeal_value_max = \"2500\"\nunhedged_value_max = \"10000\"\nopen_deals_max = 4\n\
         orders_per_second_max = 100\ndaily_loss_max = \"1000000\"\nrepeat_deals_max = 10000\n"
    );
    for (index, feeder) in feeders.iter().enumerate() {
        let (address, trailing) = (feeder.address, if kind == "gate" { "/ws/v4/" } else { "" });
        let _ = writeln!(
            text,
            "[[venue]]\nid = \"{kind}-{}\"\nkind = \"{kind}\"\nrest = \"http://{address}\"\nws = \"ws://{address}{trailing}\"",
            ["a", "b"][index]
        );
        if kind == "binance" {
            text += "book_ticker = true\ntrades = true\n";
        } else {
            let _ = writeln!(text, "private_ws = \"ws://{address}{trailing}\"\nbook_channel = \"order_book\"");
        }
    }
    symbols.iter().fold(text, |text, symbol| text + &format!("[[pair]]\nsymbol = \"{symbol}\"\n"))
}

/// Something that lies on one venue's streams for a while.
#[derive(Clone, Copy, Debug)]
struct Spell {
    from: Duration,
    to: Duration,
    venue: usize,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    /// The streams take half of the bytes that are due.
    Half,
    /// Streams begin anew, and everything on them is late from the first frame on.
    LateFromTheStart(Duration),
    /// Nothing passes, then all of it at once.
    Stall,
}

/// Three spells in a part of the play.
fn spells(from: Duration, span: Duration, thin: usize) -> [Spell; 3] {
    let at = |per_cent: u32| from + span * per_cent / 100;
    [
        Spell { from: at(20), to: at(38), venue: thin, what: What::Half },
        Spell { from: at(48), to: at(64), venue: 0, what: What::LateFromTheStart(Duration::from_millis(700)) },
        Spell { from: at(76), to: at(90), venue: 1, what: What::Stall },
    ]
}

/// Plays to an engine, and judges it.
fn play(name: &str, kind: &str, recordings: Vec<Recording>, symbols: &[&str], edge_bps: &str, spells: &[Spell]) {
    let dir = dir();
    let dialect = if kind == "gate" { Dialect::Gate } else { Dialect::Binance };
    let span = Duration::from_nanos(recordings[0].span_ns.unsigned_abs());
    let feeders: Vec<Feeder> =
        recordings.into_iter().zip(CLOCKS_AHEAD).map(|(recording, ahead)| Feeder::start(dialect, recording, ahead)).collect();
    write(dir.path(), "paper.toml", &paper(kind, &feeders, symbols, edge_bps));
    let engine = Running::start(crossgate(dir.path()).args(["run", "-c", "paper.toml", "--no-tui", "--json"]));
    let ops = engine.ops();
    until("it is subscribed", || feeders.iter().all(Feeder::is_subscribed));
    let began = Instant::now() + Duration::from_millis(100);
    let unix = SystemTime::now() + began.duration_since(Instant::now());
    let began_ns =
        i64::try_from(unix.duration_since(SystemTime::UNIX_EPOCH).expect("the clock is set").as_nanos()).expect("today");
    feeders.iter().for_each(|feeder| feeder.play(began, began_ns));
    let counts = || {
        let metrics = Metrics::of(&ops);
        ["leg_lagging", "leg_skew"].map(|verdict| metrics.sum("opportunities_total", &[&format!("reason=\"{verdict}\"")]))
    };
    // The schedule is the test's own; what happens meanwhile is judged from the journal.
    let sleep_until = |at: Duration| std::thread::sleep((began + at).saturating_duration_since(Instant::now()));
    let mut stretches = Vec::new();
    for spell in spells {
        sleep_until(spell.from);
        let fair = counts();
        let feeder = &feeders[spell.venue];
        match spell.what {
            What::Half => {
                let due = feeder.bytes_due(spell.from, spell.to) as f64;
                feeder.line(Line::Thin((due / 2.0 / (spell.to - spell.from).as_secs_f64()) as u64 + 1), false);
            }
            What::LateFromTheStart(late) => feeder.line(Line::Late(late), true),
            What::Stall => feeder.line(Line::Stalled, false),
        }
        sleep_until(spell.to);
        feeder.line(Line::Fair, matches!(spell.what, What::LateFromTheStart(_)));
        // The end of a spell shows when what it held back has been taken in, at the next tick at the latest.
        sleep_until(spell.to + Duration::from_millis(300));
        let [lagging, skew] = counts();
        stretches.push((spell, lagging - fair[0], skew - fair[1]));
    }
    sleep_until(span - Duration::from_millis(100));
    engine.signal(Signal::TERM);
    let json = engine.end().expect(0).json();
    let judged = Punctuality::of(
        &dir.path().join(json["run_dir"].as_str().expect("a path")),
        &feeders.iter().collect::<Vec<_>>(),
        began_ns,
        |base, quote| {
            if kind == "gate" { format!("{base}_{quote}") } else { format!("{base}{quote}") }
        },
    );
    report(name, &feeders, &judged, &json, span);
    let late = |of: &str| json["verdicts"][of].as_f64().unwrap_or_default();
    let (mut fair_since, mut counted) = (Duration::ZERO, 0.0);
    for (spell, lagging, skew) in stretches {
        let Spell { from, to, venue, what } = *spell;
        let (before, during) = (judged.opened(fair_since, from), judged.opened(from, to));
        println!(
            "  {from:?} to {to:?}, venue {venue}, {what:?}: {before} legs before, {during} during; lagging {lagging}, skew {skew}"
        );
        assert!(before > 0 || from - fair_since < ENOUGH, "the gate is shut: nothing was opened from {fair_since:?} to {from:?}");
        fair_since = to;
        counted += lagging + skew;
    }
    let after = judged.opened(fair_since, span);
    println!("  {after} legs after that");
    assert!(after > 0 || span - fair_since < ENOUGH, "the gate is shut: nothing was opened after {fair_since:?}");
    assert!(judged.latest > 2 * LAG_MAX, "no book was late: {:?} at most", judged.latest);
    // Twice half of a round trip, what clocks drift apart in the meantime, and whole milliseconds.
    let tolerance = 2 * (judged.uncertainty + span / 10_000) + RESOLUTION;
    judged.assert_punctual(LAG_MAX, SKEW_MAX, tolerance);
    let all = late("leg_lagging") + late("leg_skew");
    assert!(
        counted > 0.0 && 2.0 * counted >= all,
        "{counted} opportunities of {all} were refused for late books while books were late"
    );
}

fn report(name: &str, feeders: &[Feeder], judged: &Punctuality, json: &Value, span: Duration) {
    let most = |of: &dyn Fn(&support::punctual::Leg) -> Duration| judged.openings.iter().map(of).max().unwrap_or_default();
    println!(
        "{name}: commit {} {} frames in {span:?}, {} taken in, latest {:?}; {} deals, {} legs opened (most late {:?}, behind {:?}, apart {:?}), {} hedges; verdicts {}; halts {}; clocks ± {:?}",
        commit(),
        feeders.iter().map(Feeder::frames).sum::<u64>(),
        judged.frames,
        judged.latest,
        count(json, "deals"),
        judged.openings.len(),
        most(&|leg| leg.late),
        most(&|leg| leg.behind),
        most(&|leg| judged.skew(leg)),
        judged.hedges.len(),
        json["verdicts"],
        json["halts"],
        judged.uncertainty,
    );
}

/// The recordings of Binance, where they are.
fn tapes() -> Option<PathBuf> {
    let data = std::env::var_os("CROSSGATE_DATA").map(PathBuf::from)?.join("hftbacktest");
    data.join("spot_btcusdt_20240808.zst").exists().then_some(data)
}

#[test]
fn a_recorded_burst_at_many_times_its_speed_opens_nothing_on_late_books() {
    let Some(data) = tapes() else {
        println!("left out: CROSSGATE_DATA names no directory with the recordings of Binance");
        return;
    };
    let seconds = setting("CROSSGATE_BURST_SECONDS", 8);
    for (speed, thin) in [(3, 1), (5, 0), (10, 1)] {
        let (recordings, begin) = spot_and_perpetual(&data, seconds as i64 * speed);
        let recordings = recordings.iter().map(|recording| recording.at_speed(speed)).collect();
        let name = format!("Binance from {begin}, {speed} times as fast");
        play(
            &name,
            "binance",
            recordings,
            &["BTC/USDT", "ETH/USDT"],
            "0.2",
            &spells(Duration::ZERO, Duration::from_secs(seconds), thin),
        );
    }
}

/// Binance spot as one venue and its perpetuals as another, both served as spot; the perpetuals' prices are moved by what they stand
/// apart in the middle, so that what is left are the differences of the moment.
fn spot_and_perpetual(data: &Path, span_s: i64) -> (Vec<Recording>, i64) {
    let pairs = ["BTCUSDT", "ETHUSDT"];
    let files = ["spot", "usdm"].map(|of| pairs.map(|pair| data.join(format!("{of}_{}_20240808.zst", pair.to_lowercase()))));
    let sources: Vec<Vec<Source<'_>>> = files
        .iter()
        .enumerate()
        .map(|(venue, files)| pairs.iter().zip(files).map(|(name, file)| Source { file, name, as_spot: venue == 1 }).collect())
        .collect();
    let (mut recordings, begin) = recording::binance(&sources, span_s);
    for name in pairs {
        let apart = recording::median_mid_x2(&recordings[0], name) - recording::median_mid_x2(&recordings[1], name);
        let shift = (apart / Decimal::TWO).round_dp(1);
        recording::shift_prices(&mut recordings[1], name, shift);
    }
    (recordings, begin)
}

#[test]
fn the_demos_worst_part_at_many_times_its_speed_opens_nothing_on_late_books() {
    let dir = dir();
    write(dir.path(), "demo.toml", &gates(&[("volatility_bps = \"3\"", "volatility_bps = \"40\"")]));
    let recorded = setting("CROSSGATE_DEMO_SECONDS", 18);
    let span = format!("{recorded}s");
    let recorder =
        Running::start(crossgate(dir.path()).args(["record", "-c", "demo.toml", "--out", "tapes", "--for", &span, "--json"]));
    // As long as it records; then it has the usual time to end.
    std::thread::sleep(Duration::from_secs(recorded));
    let json = recorder.end().expect(0).json();
    let files: Vec<PathBuf> =
        json["files"].as_array().expect("files").iter().map(|f| dir.path().join(f.as_str().expect("a path"))).collect();
    let part = (recorded as i64 - 3).min(60);
    let (recordings, begin) = recording::gate(&files.iter().map(PathBuf::as_path).collect::<Vec<_>>(), part);
    let (mut played, mut spells_of_all) = (Vec::new(), Vec::new());
    let mut at = Duration::ZERO;
    // Each part long enough for its spells.
    let plays: Vec<(i64, i64)> = [3, 5, 10].map(|speed| (speed, (4 * speed + part - 1) / part)).to_vec();
    for recording in &recordings {
        let parts = plays.iter().flat_map(|(speed, times)| (0..*times).map(|_| recording.at_speed(*speed)));
        played.push(parts.reduce(Recording::then).expect("parts"));
    }
    for (speed, times) in plays {
        let span = Duration::from_secs(part as u64) / speed as u32 * times as u32;
        spells_of_all.extend(spells(at, span, 1));
        at += span;
    }
    let name = format!("the demo's densest {part} s of {recorded}, from {begin}, 3, 5 and 10 times as fast");
    play(&name, "gate", played, &["BTC/USDT", "ETH/USDT", "SOL/USDT", "XRP/USDT"], "2", &spells_of_all);
}
