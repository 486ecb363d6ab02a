//! What strikes simulated venues that serve alone (`crossgate sim`), as it strikes, on standard error: faults as they begin, and each gap
//! with its book, whom it hits, and whether a client can tell it from the gap before. At the end: how many of them, and how far the
//! world ever was behind real time. With `--json` every line is an object.
//!
//! Start at [`Teller::start`]. The world never waits for whoever reads: a line that finds no room is counted instead.

use crate::bad_day;
use crate::clock_text::{rfc3339, short};
use crate::demo::Watch;
use domain::UnixNanos;
use serde_json::{Value, json};
use sim_exchange::faults::{Effect, Gap};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Lines that wait for the reader of standard error.
const WAITING_MAX: usize = 8_192;

/// What the lines add up to.
#[derive(Clone, Debug, Default)]
struct Sums {
    /// Gaps of each venue, in the order of [`Effect::ALL`].
    gaps: BTreeMap<String, [u64; 3]>,
    /// Lines that found no room.
    untold: u64,
    /// How far the world was behind real time at most, nanoseconds.
    behind_max_ns: u64,
}

/// Tells what strikes.
pub struct Teller {
    json: bool,
    sums: Arc<Mutex<Sums>>,
    printer: JoinHandle<()>,
}

impl Teller {
    /// A teller, and how it watches the world; the lines end when the watch is dropped.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(json: bool) -> std::io::Result<(Watch, Teller)> {
        let (lines, waiting) = sync_channel::<String>(WAITING_MAX);
        let printer = std::thread::Builder::new().name("told".into()).spawn(move || {
            for line in waiting {
                // Whoever closed it does not want to be told.
                let _ = writeln!(std::io::stderr(), "{line}");
            }
        })?;
        let sums: Arc<Mutex<Sums>> = Arc::default();
        let shared = sums.clone();
        let watch: Watch = Arc::new(move |world, behind_ns| {
            let mut sums = shared.lock().unwrap_or_else(PoisonError::into_inner);
            sums.behind_max_ns = sums.behind_max_ns.max(behind_ns);
            let now = UnixNanos(i64::try_from(world.now()).unwrap_or(i64::MAX));
            for index in 0..world.venue_count() {
                let venue = world.venue(index).id.clone();
                for fault in world.take_begun_faults(index) {
                    let line = match json {
                        true => {
                            let kind = bad_day::kind(&fault);
                            json!({"at": rfc3339(now), "venue": venue, "begins": kind, "what": fault.to_string()}).to_string()
                        }
                        false => format!("{} {venue}: {fault}", rfc3339(now)),
                    };
                    tell(&lines, line, &mut sums);
                }
                let Some(conditions) = world.conditions(index) else { continue };
                let struck = &mut conditions.faults.struck;
                for gap in struck.take() {
                    tell(&lines, gap_line(&venue, &gap, json), &mut sums);
                }
                sums.gaps.insert(venue, struck.counts());
            }
        });
        Ok((watch, Teller { json, sums, printer }))
    }

    /// Waits for the last line, once the watch is dropped, and says what they add up to.
    pub fn end(self) {
        // A printer that panicked has said so.
        let _ = self.printer.join();
        let sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let _ = writeln!(std::io::stderr(), "{}", sums.line(self.json));
    }
}

fn tell(lines: &SyncSender<String>, line: String, sums: &mut Sums) {
    if lines.try_send(line).is_err() {
        sums.untold += 1;
    }
}

fn gap_line(venue: &str, gap: &Gap, json: bool) -> String {
    let at = rfc3339(UnixNanos(i64::try_from(gap.t_ns).unwrap_or(i64::MAX)));
    let (pair, followers, effect) = (gap.pair.replacen('_', "/", 1), gap.followers, gap.effect.name());
    match json {
        true => json!({"at": at, "venue": venue, "pair": pair, "strikes": "gap", "followers": followers, "effect": effect})
            .to_string(),
        false => format!("{at} {venue}: gap in {pair}: a change is withheld from {followers} connections ({effect})"),
    }
}

impl Sums {
    fn line(&self, json: bool) -> String {
        if json {
            let of = |counts: &[u64; 3]| {
                let named = Effect::ALL.iter().zip(counts).map(|(effect, count)| (effect.name().to_owned(), json!(count)));
                Value::Object(named.collect())
            };
            let gaps: serde_json::Map<String, Value> =
                self.gaps.iter().map(|(venue, counts)| (venue.clone(), of(counts))).collect();
            let behind = crate::clock_text::seconds(self.behind_max_ns);
            return json!({"gaps": gaps, "untold": self.untold, "behind_max_s": behind}).to_string();
        }
        let mut parts: Vec<String> = Vec::new();
        for (venue, counts) in self.gaps.iter().filter(|(_, counts)| counts.iter().any(|count| *count > 0)) {
            let effects: Vec<String> =
                Effect::ALL.iter().zip(counts).map(|(effect, n)| format!("{n} {}", effect.name())).collect();
            parts.push(format!("gaps on {venue}: {}", effects.join(", ")));
        }
        if self.untold > 0 {
            parts.push(format!("{} lines were not told", self.untold));
        }
        parts.push(format!("at most {} behind real time", short(self.behind_max_ns)));
        format!("simulated venues end: {}", parts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_exchange::faults::TimedFault;
    use sim_exchange::world::{World, WorldConfig};

    const START: u64 = 1_700_000_000_000_000_000;

    #[test]
    fn what_begins_is_told_and_the_sums_name_every_venue() {
        let (watch, teller) = Teller::start(true).unwrap();
        let mut world = World::new(WorldConfig::demo(1), START).unwrap();
        world.schedule_fault(0, START + 5, TimedFault::Gaps { count: 2 });
        world.advance(START + 1_000_000_000);
        watch(&mut world, 70_000_000);
        watch(&mut world, 10);
        drop(watch);
        let sums = teller.sums.lock().unwrap().clone();
        assert_eq!((sums.untold, sums.behind_max_ns), (0, 70_000_000));
        // Nobody follows a book: nothing was withheld from anybody.
        assert_eq!(
            sums.line(true),
            r#"{"behind_max_s":"0.07","gaps":{"gate-a":{"felt":0,"merged":0,"unheard":0},"gate-b":{"felt":0,"merged":0,"unheard":0}},"untold":0}"#
        );
        assert_eq!(sums.line(false), "simulated venues end: at most 70.0 ms behind real time");
        teller.end();
    }

    #[test]
    fn a_gap_is_told_with_its_book_and_what_it_does() {
        let gap = Gap { t_ns: START, pair: "T001_USDT".into(), followers: 2, effect: Effect::Merged };
        assert_eq!(
            gap_line("gate-0", &gap, true),
            r#"{"at":"2023-11-14T22:13:20.000Z","effect":"merged","followers":2,"pair":"T001/USDT","strikes":"gap","venue":"gate-0"}"#
        );
        assert!(
            gap_line("gate-0", &gap, false)
                .ends_with("gate-0: gap in T001/USDT: a change is withheld from 2 connections (merged)")
        );
    }
}
