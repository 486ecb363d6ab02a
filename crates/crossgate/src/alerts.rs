//! The alert bus: whatever a person should hear of becomes exactly one line of JSON in the alerts file.
//!
//! Start at [`AlertDesk::see`], which turns what the engine tells into alerts, and at [`AlertBus::raise`] for what only the edge
//! knows. A bounded queue and a thread of its own stand between the live loop and the file: the loop never waits. When the queue
//! is full the alert is counted as lost, which the log and the metrics tell. One that can't be written is kept and tried again, in order,
//! every second, as long as there is room for it.

use crate::clock_text::rfc3339;
use crate::report::RunFacts;
use crate::view::describe;
use domain::{Notice, PairId, StopKind, StopReason, Tables, UnixNanos, VenueId};
use node::Node;
use serde_json::json;
use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Alerts that wait for the file.
const QUEUE_LEN: usize = 1_024;
/// How long after a failed write the next is tried.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How long the end of a run waits for the last alerts to be written.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// Who should hear of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Somebody, now.
    Page,
    /// Whoever reads.
    Info,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Level::Page => "page",
            Level::Info => "info",
        }
    }
}

/// One thing to hear of. The kinds are the closed list of `docs/interface.md`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// When.
    pub time: UnixNanos,
    /// How loud.
    pub level: Level,
    /// What kind of thing.
    pub kind: &'static str,
    /// Reason code.
    pub reason: &'static str,
    /// Whose, if it concerns one venue.
    pub venue: Option<String>,
    /// Which pair, if it concerns one.
    pub pair: Option<String>,
    /// One sentence.
    pub text: String,
}

impl Alert {
    /// One about no venue and no pair, now.
    pub fn now(level: Level, kind: &'static str, reason: &'static str, text: String) -> Alert {
        Alert { time: wall(), level, kind, reason, venue: None, pair: None, text }
    }

    /// The line of the file, without its end.
    fn line(&self, run: &str) -> String {
        json!({
            "time": rfc3339(self.time), "level": self.level.as_str(), "kind": self.kind, "reason": self.reason,
            "venue": self.venue, "pair": self.pair, "text": self.text, "run": run,
        })
        .to_string()
    }
}

/// Wall time, for alerts of the edge.
pub fn wall() -> UnixNanos {
    UnixNanos(i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or_default())
}

/// What was raised so far.
#[derive(Debug, Default)]
pub struct AlertCounts {
    page: AtomicU64,
    info: AtomicU64,
    lost: AtomicU64,
}

impl AlertCounts {
    /// Pages, infos, and those that never reached the file.
    pub fn read(&self) -> [(&'static str, u64); 3] {
        [("page", &self.page), ("info", &self.info), ("lost", &self.lost)].map(|(name, n)| (name, n.load(Ordering::Relaxed)))
    }
}

enum Message {
    Alert(Alert),
    /// Everything before is written and synced once this is answered.
    Flush(SyncSender<()>),
}

/// The way to the alerts file, to be cloned for whoever has something to tell.
#[derive(Clone, Debug)]
pub struct AlertBus {
    sender: SyncSender<Message>,
    counts: Arc<AlertCounts>,
}

impl AlertBus {
    /// Opens the file and starts its thread. `run` is the run directory, told in every line.
    ///
    /// # Errors
    /// When the file can't be opened for appending.
    pub fn start(path: &Path, run: &str) -> io::Result<AlertBus> {
        open(path)?;
        let (sender, receiver) = sync_channel(QUEUE_LEN);
        let bus = AlertBus { sender, counts: Arc::default() };
        let (path, run, counts) = (path.to_path_buf(), run.to_string(), bus.counts.clone());
        std::thread::Builder::new().name("alerts".into()).spawn(move || write_all(&receiver, &path, &run, &counts))?;
        Ok(bus)
    }

    /// Tells it. Never waits.
    pub fn raise(&self, alert: Alert) {
        let count = if alert.level == Level::Page { &self.counts.page } else { &self.counts.info };
        count.fetch_add(1, Ordering::Relaxed);
        if let Err(TrySendError::Full(Message::Alert(lost)) | TrySendError::Disconnected(Message::Alert(lost))) =
            self.sender.try_send(Message::Alert(alert))
        {
            self.counts.lost.fetch_add(1, Ordering::Relaxed);
            tracing::error!(kind = lost.kind, reason = lost.reason, text = lost.text, "an alert was lost: its queue is full");
        }
    }

    /// What was raised so far.
    pub fn counts(&self) -> &Arc<AlertCounts> {
        &self.counts
    }

    /// Waits until everything raised so far is in the file, for a bounded time.
    pub fn flush(&self) {
        let (done, flushed) = sync_channel(1);
        if self.sender.try_send(Message::Flush(done)).is_ok() {
            let _ = flushed.recv_timeout(CLOSE_WAIT);
        }
    }
}

fn open(path: &Path) -> io::Result<std::fs::File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// Whether a file ends in the middle of a line: what a write that failed has left of its own. A line put behind it could not be read.
fn is_torn(path: &Path) -> io::Result<bool> {
    let meta = std::fs::metadata(path)?;
    if !meta.is_file() || meta.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    let mut file = std::fs::File::open(path)?;
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

fn append(path: &Path, alert: &Alert, run: &str) -> io::Result<()> {
    // Opened anew each time: a file that was rotated away or removed comes back, and one write is one line.
    let mut file = open(path)?;
    // One that may be written and not read gets its line as it is.
    let from = if is_torn(path).unwrap_or(false) { "\n" } else { "" };
    file.write_all(format!("{from}{}\n", alert.line(run)).as_bytes())?;
    file.sync_data()
}

fn write_all(receiver: &Receiver<Message>, path: &Path, run: &str, counts: &AlertCounts) {
    let mut kept: VecDeque<Alert> = VecDeque::new();
    let mut failing = false;
    loop {
        let message = match kept.is_empty() {
            true => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
            false => receiver.recv_timeout(AGAIN_AFTER),
        };
        let flushed = match message {
            Ok(Message::Alert(alert)) if kept.len() < QUEUE_LEN => {
                if failing {
                    // The log tells each, whatever becomes of the file.
                    let (kind, reason, text) = (alert.kind, alert.reason, &alert.text);
                    tracing::error!(kind, reason, text, "an alert waits for a file that can't be written");
                }
                kept.push_back(alert);
                None
            }
            Ok(Message::Alert(alert)) => {
                counts.lost.fetch_add(1, Ordering::Relaxed);
                let (kind, reason, text) = (alert.kind, alert.reason, &alert.text);
                tracing::error!(kind, reason, text, "an alert was lost: the ones before it can't be written");
                None
            }
            Ok(Message::Flush(done)) => Some(done),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        while let Some(alert) = kept.front() {
            let result = append(path, alert, run);
            if let Err(error) = &result
                && !failing
            {
                let (kind, reason, text) = (alert.kind, alert.reason, &alert.text);
                tracing::error!(%error, kind, reason, text, path = %path.display(), "an alert can't be written; it is tried again");
            }
            failing = result.is_err();
            if failing {
                break;
            }
            kept.pop_front();
        }
        if let Some(done) = flushed {
            let _ = done.send(());
        }
    }
}

/// Appends one alert while no engine runs on the directory.
///
/// # Errors
/// When the file can't be written.
pub fn append_once(path: &Path, run: &str, alert: &Alert) -> io::Result<()> {
    append(path, alert, run)
}

/// Where a run's alerts go: the configured file, else `alerts.jsonl` of the run directory.
pub fn file_of(configured: Option<&str>, run_dir: &Path) -> PathBuf {
    configured.map_or_else(|| run_dir.join("alerts.jsonl"), PathBuf::from)
}

/// The file and the run that a panic is written to; set once, when a run begins.
static PANIC_FILE: OnceLock<(PathBuf, String)> = OnceLock::new();
static PANICKED: AtomicBool = AtomicBool::new(false);

/// From here on a panic writes an alert before the process ends.
pub fn arm_panic(path: &Path, run: &str) {
    let _ = PANIC_FILE.set((path.to_path_buf(), run.to_string()));
}

/// Writes the one alert of a panic: where it was, never what the panic said, since that may quote anything.
pub fn record_panic(place: &str) {
    let Some((path, run)) = PANIC_FILE.get() else { return };
    if !PANICKED.swap(true, Ordering::SeqCst) {
        let _ = append(path, &panic_alert(place), run);
    }
}

fn panic_alert(place: &str) -> Alert {
    let text = format!("internal error{place}; the process ends, the next start reconciles");
    Alert::now(Level::Page, "panic", StopReason::Panic.as_str(), text)
}

type StopKey = (StopKind, StopReason, Option<VenueId>, Option<PairId>);

/// Turns what the engine tells into alerts: one when a condition begins, one when it ends, however often it is told.
pub struct AlertDesk {
    bus: AlertBus,
    /// Stops told and not cleared.
    held: Vec<StopKey>,
    market_log_told: bool,
}

impl AlertDesk {
    /// A desk that has told nothing yet.
    pub fn new(bus: AlertBus) -> AlertDesk {
        AlertDesk { bus, held: Vec::new(), market_log_told: false }
    }

    /// The bus behind it.
    pub fn bus(&self) -> &AlertBus {
        &self.bus
    }

    /// Takes the notices of one turn.
    pub fn see(&mut self, notices: &[Notice], node: &Node, wall: UnixNanos) {
        let engine = node.engine();
        for notice in notices {
            let tables = engine.tables();
            match *notice {
                Notice::Stopped { kind, reason, venue, pair }
                    if kind != StopKind::Freeze && !self.held.contains(&(kind, reason, venue, pair)) =>
                {
                    self.held.push((kind, reason, venue, pair));
                    self.raise(tables, wall, level_of(kind, reason), kind.as_str(), (reason, venue, pair), notice);
                }
                Notice::Cleared { kind, reason } if kind != StopKind::Freeze => {
                    // The notice does not say whose it was: it is one that no longer holds.
                    let stops = engine.stops();
                    let matches = |key: &StopKey| (key.0, key.1) == (kind, reason);
                    let gone = |key: &StopKey| matches(key) && !stops.holds(key.0, key.1, key.2, key.3);
                    let at = self.held.iter().position(gone).or_else(|| self.held.iter().position(matches));
                    let Some(at) = at else { continue };
                    let (_, _, venue, pair) = self.held.remove(at);
                    let name = if kind == StopKind::Latch { "latch_cleared" } else { "pause_cleared" };
                    self.raise(tables, wall, Level::Info, name, (reason, venue, pair), notice);
                }
                Notice::Drift { venue, .. } => {
                    self.raise(tables, wall, Level::Info, "drift", (StopReason::LedgerDrift, Some(venue), None), notice);
                }
                Notice::Adopted { venue, external: true, .. } => {
                    self.raise(tables, wall, Level::Info, "adopted", (StopReason::ForeignActivity, Some(venue), None), notice);
                }
                Notice::DeadManRefused { venue } => {
                    let text = describe(notice, tables).unwrap_or_default();
                    let venue = Some(tables.venue(venue).to_string());
                    self.bus.raise(Alert { venue, time: wall, ..Alert::now(Level::Info, "dead_man", "dead_man", text) });
                }
                _ => {}
            }
        }
    }

    /// Tells once that the market log has holes, so that the run can't be replayed.
    pub fn watch_logs(&mut self, facts: &RunFacts) {
        if self.market_log_told {
            return;
        }
        if let Some(why) = facts.logs.market.as_ref().and_then(|log| log.failure()) {
            self.market_log_told = true;
            let text = format!("the market log has failed, the run can't be replayed: {why}");
            self.bus.raise(Alert::now(Level::Info, "market_log", "market_log", text));
        }
    }

    fn raise(
        &self,
        tables: &Tables,
        time: UnixNanos,
        level: Level,
        kind: &'static str,
        about: (StopReason, Option<VenueId>, Option<PairId>),
        notice: &Notice,
    ) {
        let (reason, venue, pair) = about;
        let venue = venue.map(|v| tables.venue(v).to_string());
        let pair = pair.and_then(|p| tables.pair(p)).map(|p| p.symbol.to_string());
        let text = describe(notice, tables).unwrap_or_else(|| reason.as_str().into());
        self.bus.raise(Alert { time, level, kind, reason: reason.as_str(), venue, pair, text });
    }
}

/// What stops trading pages, unless somebody asked for it without a latch: `drain`, `flatten`, the end of a run.
fn level_of(kind: StopKind, reason: StopReason) -> Level {
    let asked_for = kind == StopKind::Pause && matches!(reason, StopReason::Operator | StopReason::Signal);
    if asked_for { Level::Info } else { Level::Page }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn lines(path: &Path) -> Vec<Value> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn every_alert_is_one_line_and_a_file_that_was_taken_away_comes_back() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("alerts.jsonl");
        let bus = AlertBus::start(&path, "run-1").unwrap();
        bus.raise(Alert::now(Level::Page, "latch", "daily_loss", "lost\nmore".into()));
        bus.flush();
        let first = &lines(&path)[0];
        assert_eq!((&first["level"], &first["reason"], &first["run"]), (&"page".into(), &"daily_loss".into(), &"run-1".into()));
        assert!(first["time"].as_str().is_some_and(|t| t.ends_with('Z')) && first["venue"].is_null(), "{first}");
        std::fs::rename(&path, place.path().join("rotated")).unwrap();
        bus.raise(Alert::now(Level::Info, "config", "config", "read again".into()));
        bus.flush();
        assert_eq!(lines(&path).len(), 1);
        assert_eq!(bus.counts().read(), [("page", 1), ("info", 1), ("lost", 0)]);
    }

    #[test]
    fn what_can_not_be_written_is_kept_and_holds_nobody_up() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("alerts.jsonl");
        let bus = AlertBus::start(&path, "run").unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        for n in 0..=QUEUE_LEN as u64 {
            bus.raise(Alert::now(Level::Page, "latch", "operator", format!("halt {n}")));
            bus.flush();
        }
        assert_eq!(bus.counts().read(), [("page", QUEUE_LEN as u64 + 1), ("info", 0), ("lost", 1)], "there is room for so many");
        assert!(AlertBus::start(&path, "run").is_err(), "a directory is no file");
        std::fs::remove_dir(&path).unwrap();
        // With what comes next, at the latest by itself a second later. A disk may take its time for so many.
        (0..60).take_while(|_| !path.exists() || lines(&path).len() < QUEUE_LEN).for_each(|_| bus.flush());
        let told = lines(&path);
        assert_eq!((told.len(), &told[0]["text"]), (QUEUE_LEN, &"halt 0".into()));
    }

    #[test]
    fn a_line_that_was_cut_spoils_no_other() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("alerts.jsonl");
        let alert = |text: &str| Alert::now(Level::Page, "latch", "operator", text.into());
        append(&path, &alert("first"), "run").unwrap();
        open(&path).unwrap().write_all(b"{\"time\":\"20").unwrap();
        append(&path, &alert("second"), "run").unwrap();
        append(&path, &alert("third"), "run").unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let read: Vec<Option<Value>> = text.lines().map(|line| serde_json::from_str(line).ok()).collect();
        let texts: Vec<&str> =
            read.iter().map(|line| line.as_ref().map_or("cut", |line| line["text"].as_str().unwrap())).collect();
        assert_eq!(texts, ["first", "cut", "second", "third"]);
    }

    #[test]
    fn a_panic_is_told_by_its_place_alone() {
        let alert = panic_alert(" at src/x.rs:7");
        let line: Value = serde_json::from_str(&alert.line("run")).unwrap();
        assert_eq!((&line["kind"], &line["reason"], &line["level"]), (&"panic".into(), &"panic".into(), &"page".into()));
        assert!(line["text"].as_str().is_some_and(|t| t.contains("src/x.rs:7")), "{line}");
    }

    #[test]
    fn only_what_somebody_asked_for_does_not_page() {
        assert_eq!(level_of(StopKind::Pause, StopReason::Operator), Level::Info);
        assert_eq!(level_of(StopKind::Latch, StopReason::Operator), Level::Page);
        assert_eq!(level_of(StopKind::Pause, StopReason::UnhedgedTime), Level::Page);
    }
}
