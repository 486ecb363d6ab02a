//! The one writer of the latch file of a running engine. Syncing a file takes as long as the disk likes, so a thread of its own
//! does it: the live loop stops openings in memory first and never waits.
//!
//! Start at [`LatchKeeper::engage`]. Jobs are done in the order in which they came, so that a clearing by a person is never
//! overtaken by the latch that it clears.

use crate::alerts::{Alert, AlertBus, Level, wall};
use domain::{StopReason, UnixNanos};
use journal::{Latch, LatchState, LogError};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use tokio::sync::oneshot;

/// Jobs that wait; far more than people and stops can make.
const JOBS_MAX: usize = 64;

/// What became of a job: the error as one sentence.
pub type Done = Result<(), String>;

/// The latch files that a run obeys: its own, and in modes `sim` and `paper`, whose runs have a directory each, the one of the
/// directory that holds them, which a person made.
#[derive(Clone, Debug)]
pub struct Latches {
    own: Latch,
    base: Option<Latch>,
}

impl Latches {
    /// Those of the run directory `own`, and of `base` when it is another one.
    pub fn of(own: &Path, base: &Path) -> Latches {
        Latches { own: Latch::of(own), base: (own != base && base.is_dir()).then(|| Latch::of(base)) }
    }

    /// What they say: its own first.
    pub fn read(&self) -> LatchState {
        match (self.own.read(), &self.base) {
            (LatchState::Clear, Some(base)) => base.read(),
            (own, _) => own,
        }
    }

    /// Clears all of them durably.
    ///
    /// # Errors
    /// As [`Latch::clear`]; some may be cleared.
    pub fn clear(&self) -> Result<(), LogError> {
        self.base.iter().try_for_each(Latch::clear)?;
        self.own.clear()
    }
}

enum Job {
    Engage { reason: StopReason, since: UnixNanos, detail: String, done: Option<oneshot::Sender<Done>> },
    Clear { done: oneshot::Sender<Done> },
}

/// Writes the latch file.
#[derive(Clone, Debug)]
pub struct LatchKeeper {
    jobs: SyncSender<Job>,
    alerts: AlertBus,
}

impl LatchKeeper {
    /// Starts the keeper of a run's latch files: it engages the run's own, and clears all.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(latches: Latches, alerts: AlertBus) -> std::io::Result<LatchKeeper> {
        let (jobs, received) = sync_channel(JOBS_MAX);
        let teller = alerts.clone();
        std::thread::Builder::new().name("latch".into()).spawn(move || keep(&received, &latches, &teller))?;
        Ok(LatchKeeper { jobs, alerts })
    }

    /// Engages the latch file durably, in the background. A failure becomes an alert.
    pub fn engage(&self, reason: StopReason, since: UnixNanos, detail: String) {
        if self.jobs.try_send(Job::Engage { reason, since, detail, done: None }).is_err() {
            tell_failure(&self.alerts, "its keeper does not answer");
        }
    }

    /// As [`Self::engage`]; the answer comes once the file is synced.
    pub fn engage_and_tell(&self, reason: StopReason, detail: String) -> oneshot::Receiver<Done> {
        let (done, told) = oneshot::channel();
        // A full queue drops the sender, which its receiver sees.
        let _ = self.jobs.try_send(Job::Engage { reason, since: wall(), detail, done: Some(done) });
        told
    }

    /// Clears the latch file durably; the answer comes once that is done.
    pub fn clear_and_tell(&self) -> oneshot::Receiver<Done> {
        let (done, told) = oneshot::channel();
        let _ = self.jobs.try_send(Job::Clear { done });
        told
    }
}

fn keep(jobs: &Receiver<Job>, latches: &Latches, alerts: &AlertBus) {
    while let Ok(job) = jobs.recv() {
        match job {
            Job::Engage { reason, since, detail, done } => {
                let result = engage(&latches.own, reason, since, &detail);
                if let Err(why) = &result {
                    tell_failure(alerts, why);
                }
                if let Some(done) = done {
                    let _ = done.send(result);
                }
            }
            Job::Clear { done } => {
                let _ = done.send(latches.clear().map_err(|e| e.to_full_text()));
            }
        }
    }
}

/// Engages a latch file. A write that fails because another process engaged it meanwhile is no failure.
///
/// # Errors
/// One sentence.
pub fn engage(latch: &Latch, reason: StopReason, since: UnixNanos, detail: &str) -> Done {
    match latch.engage(reason, since, detail) {
        Ok(()) => Ok(()),
        Err(_) if matches!(latch.read(), LatchState::Engaged { since: Some(_), .. }) => Ok(()),
        Err(error) => Err(error.to_full_text()),
    }
}

fn tell_failure(alerts: &AlertBus, why: &str) {
    tracing::error!(why, "the latch file can't be written; the engine stays latched in memory");
    let text = format!("the latch file can't be written: {why}; the engine stays latched in memory, a restart would not know");
    alerts.raise(Alert::now(Level::Page, "latch_file", StopReason::Disk.as_str(), text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_engaged_and_cleared_in_order_and_a_failure_is_an_alert() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("alerts.jsonl");
        let alerts = AlertBus::start(&file, "run").unwrap();
        let latch = Latch::of(place.path());
        let one = |dir: &Path| Latches::of(dir, dir);
        let keeper = LatchKeeper::start(one(place.path()), alerts.clone()).unwrap();
        keeper.engage(StopReason::DailyLoss, UnixNanos(5), "lost 10".into());
        assert_eq!(keeper.engage_and_tell(StopReason::Operator, "again".into()).blocking_recv(), Ok(Ok(())));
        let first = LatchState::Engaged { reason: StopReason::DailyLoss, since: Some(UnixNanos(5)), detail: "lost 10".into() };
        assert_eq!(latch.read(), first, "the first reason stays");
        assert_eq!(keeper.clear_and_tell().blocking_recv(), Ok(Ok(())));
        assert_eq!(latch.read(), LatchState::Clear);

        // The directory is gone, so the file can't be written.
        let gone = LatchKeeper::start(one(&place.path().join("gone")), alerts.clone()).unwrap();
        let told = gone.engage_and_tell(StopReason::Operator, String::new()).blocking_recv().unwrap();
        assert!(told.is_err(), "nothing was written, though an unreadable latch counts as engaged");
        std::fs::create_dir(place.path().join("full")).unwrap();
        std::fs::create_dir(place.path().join("full/latch.new")).unwrap();
        let full = LatchKeeper::start(one(&place.path().join("full")), alerts.clone()).unwrap();
        let told = full.engage_and_tell(StopReason::Operator, String::new()).blocking_recv().unwrap();
        assert!(told.is_err(), "a directory stands where the new file would be made");
        alerts.flush();
        let lines = std::fs::read_to_string(&file).unwrap();
        assert_eq!(lines.lines().filter(|line| line.contains("\"latch_file\"")).count(), 2, "{lines}");
    }

    #[test]
    fn a_run_obeys_the_latch_of_the_directory_of_runs_too() {
        let place = tempfile::tempdir().unwrap();
        let run = place.path().join("run-1");
        std::fs::create_dir(&run).unwrap();
        let (latches, base, own) = (Latches::of(&run, place.path()), Latch::of(place.path()), Latch::of(&run));
        assert_eq!(latches.read(), LatchState::Clear);
        base.engage(StopReason::Operator, UnixNanos(7), "").unwrap();
        assert!(matches!(latches.read(), LatchState::Engaged { reason: StopReason::Operator, .. }));
        own.engage(StopReason::DailyLoss, UnixNanos(8), "").unwrap();
        assert!(matches!(latches.read(), LatchState::Engaged { reason: StopReason::DailyLoss, .. }));
        latches.clear().unwrap();
        assert_eq!((own.read(), base.read()), (LatchState::Clear, LatchState::Clear));
    }
}
