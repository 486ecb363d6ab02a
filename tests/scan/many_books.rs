//! Many books of three simulated venues, in two processes: every gap that strikes a book that was whole has it fetched anew once, with the
//! reason `gap`, and nothing else has. Injected is what the simulator tells of each gap as it strikes, not what was scheduled.
//!
//! The measurement of `docs/performance.md`, ten minutes of 1,500 books, a release build:
//! `CROSSGATE_SCAN=600 CROSSGATE_BIN=$PWD/target/release/crossgate cargo test -p crossgate --test scan many_books -- --nocapture`

use crate::support::config::write;
use crate::support::dice::setting;
use crate::support::figures::commit;
use crate::support::process::{Running, crossgate};
use crate::support::venue::Sim;
use crate::support::{count, dir};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

const KINDS: [&str; 3] = ["gate", "binance", "bybit"];
/// Gaps are scheduled at these hundredths of the time: the last early enough to show before the end.
const AT: [u64; 4] = [40, 55, 70, 85];
/// How often the books of the measurement change in a second, at least in the median.
const PACE_MIN: f64 = 2.0;

/// How large it is.
struct Size {
    seconds: u64,
    pairs: usize,
    /// Gaps of each venue at each of the times.
    gaps: u64,
    /// Whether the pace is judged too: the test of every day shares its machine.
    is_measured: bool,
}

impl Size {
    fn of_day() -> Size {
        match setting("CROSSGATE_SCAN", 0) {
            0 => Size { seconds: 16, pairs: 60, gaps: 3, is_measured: false },
            seconds => Size { seconds, pairs: 500, gaps: 40, is_measured: true },
        }
    }
}

/// Counts of a book or a venue, by effect of a gap or by reason.
type Counts = BTreeMap<String, u64>;
/// Those of every book, by venue and pair.
type ByBook = BTreeMap<(String, String), Counts>;

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_string()
}

fn counts(value: &Value) -> Counts {
    let entries = value.as_object().unwrap_or_else(|| panic!("no counts: {value}"));
    entries.iter().map(|(key, count)| (key.clone(), count.as_u64().expect("a count"))).collect()
}

/// What struck: the lines of the simulator, one JSON object each.
fn struck(said: &str) -> (ByBook, Value) {
    let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let (mut books, mut sums): (ByBook, Value) = (ByBook::new(), Value::Null);
    for line in lines {
        if line["strikes"] == "gap" {
            let counts = books.entry((word(&line["venue"]), word(&line["pair"]))).or_default();
            *counts.entry(word(&line["effect"])).or_default() += 1;
        } else if line["gaps"].is_object() {
            sums = line;
        }
    }
    assert_eq!(sums["untold"], 0, "every line was told: {sums}");
    (books, sums)
}

/// What was fetched anew, by book.
fn fetched(found: &Value) -> ByBook {
    let venues = found["venues"].as_array().expect("venues");
    let of = |venue: &Value| {
        let id = word(&venue["id"]);
        let books = venue["fetched_anew"].as_array().expect("books").clone();
        books.into_iter().map(move |book| ((id.clone(), word(&book["pair"])), counts(&book["resyncs"])))
    };
    venues.iter().flat_map(of).collect()
}

fn of_venue(books: &ByBook, venue: &str) -> Counts {
    let mut sums = Counts::new();
    for (_, counts) in books.iter().filter(|((of, _), _)| of == venue) {
        counts.iter().for_each(|(key, count)| *sums.entry(key.clone()).or_default() += count);
    }
    sums
}

/// A market of made-up pairs with gaps, for the simulator.
fn simulated(size: &Size) -> String {
    let more = AT.iter().fold(String::new(), |mut text, hundredths| {
        let at_ms = size.seconds * hundredths * 10;
        let _ = writeln!(text, "[[sim.fault]]\nat = \"{at_ms}ms\"\nkind = \"gaps\"\ncount = {}", size.gaps);
        text
    });
    super::made_up(&KINDS, size.pairs, &more)
}

#[test]
fn many_books_of_three_venues_are_held_and_fetched_anew_for_the_gaps_that_struck_alone() {
    let (dir, size) = (dir(), Size::of_day());
    write(dir.path(), "sim.toml", &simulated(&size));
    let sim = Sim::start(dir.path(), &["-c", "sim.toml", "--json"]);
    let file = write(dir.path(), "scan.toml", &super::elsewhere(&sim.venues, size.pairs, false));
    let span = format!("{}s", size.seconds);
    let scan = Running::start(crossgate(dir.path()).args(["scan", "--json", "--for", &span, "-c"]).arg(file));
    let found = scan.end_within(Duration::from_secs(size.seconds + 60)).expect(0).json();
    sim.process.signal(Signal::TERM);
    let done = sim.process.end().expect(0);
    let (struck, sums) = struck(&done.stderr);
    let fetched = fetched(&found);
    println!("{}", table(&size, &found, &sums, &struck, &fetched));

    let books = KINDS.len() * size.pairs;
    assert_eq!((count(&found["books"], "listed"), count(&found["books"], "live")), (books as u64, books as u64));
    for venue in found["venues"].as_array().expect("venues") {
        let id = word(&venue["id"]);
        let gaps = of_venue(&struck, &id);
        let all: u64 = gaps.values().sum();
        assert_eq!(all, size.gaps * AT.len() as u64, "all that were scheduled struck: {id}: {gaps:?}");
        let summed: Counts = counts(&sums["gaps"][&id]).into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(summed, gaps, "{id}: {sums}");
        assert!(gaps.get("felt").is_some_and(|felt| *felt > 0), "{id}: {gaps:?}");
        // What the session counts is what came of its books.
        assert_eq!(counts(&venue["resyncs"]), of_venue(&fetched, &id), "{id}");
        assert_eq!(count(venue, "rejected_frames"), 0, "{id}");
        let pace: f64 = word(&venue["changes_per_book_s"]["median"]).parse().expect("a number");
        assert!(!size.is_measured || pace >= PACE_MIN, "{id}: the median book changed {pace} times a second");
    }
    let unequal = unequal(&struck, &fetched);
    assert!(unequal.is_empty(), "books whose gaps and fetches differ: {unequal:#?}\n{}", done.stderr);
}

/// Books that were fetched anew otherwise than once for each gap that they felt.
fn unequal(struck: &ByBook, fetched: &ByBook) -> Vec<String> {
    let mut unequal = Vec::new();
    let books: std::collections::BTreeSet<_> = struck.keys().chain(fetched.keys()).collect();
    for book in books {
        let felt = struck.get(book).and_then(|counts| counts.get("felt")).copied().unwrap_or_default();
        let expected: Counts = (felt > 0).then(|| ("gap".to_string(), felt)).into_iter().collect();
        let came = fetched.get(book).cloned().unwrap_or_default();
        if came != expected {
            unequal.push(format!("{} {}: struck {:?}, fetched anew {came:?}", book.0, book.1, struck.get(book)));
        }
    }
    unequal
}

/// The comparison, by venue.
fn table(size: &Size, found: &Value, sums: &Value, struck: &ByBook, fetched: &ByBook) -> String {
    let mut text = format!(
        "commit {}: {} s, {} pairs; {} of {} books live, {} updates, {} µs of CPU for a thousand; the simulator at most {} s behind\n",
        commit(),
        found["duration_s"].as_str().unwrap_or_default(),
        size.pairs,
        found["books"]["live"],
        found["books"]["listed"],
        found["book_updates"],
        found["cpu_us_per_1000_updates"],
        sums["behind_max_s"].as_str().unwrap_or_default(),
    );
    for venue in found["venues"].as_array().into_iter().flatten() {
        let id = word(&venue["id"]);
        let pace = &venue["changes_per_book_s"];
        let _ = writeln!(
            text,
            "{id}: {} frames, changes of a book in a second min {} median {} max {}; gaps that struck {:?}, fetched anew {:?}",
            venue["frames"],
            word(&pace["min"]),
            word(&pace["median"]),
            word(&pace["max"]),
            of_venue(struck, &id),
            of_venue(fetched, &id),
        );
    }
    let _ = write!(text, "books that differ: {}", unequal(struck, fetched).len());
    text
}
