//! The one writer of the latch file of a running engine. Syncing a file takes as long as the disk likes, so a thread of its own
//! does it: the live loop stops openings in memory first and never waits.
//!
//! Start at [`LatchKeeper::engage`]. Jobs are done in the order in which they came, so that a clearing by a person is never
//! overtaken by the latch that it clears.

use crate::alerts::{Alert, AlertBus, Level, wall};
use domain::{StopReason, UnixNanos};
use journal::{Latch, LatchState};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use tokio::sync::oneshot;

/// Jobs that wait; far more than people and stops can make.
const JOBS_MAX: usize = 64;

/// What became of a job: the error as one sentence.
pub type Done = Result<(), String>;

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
    /// Starts the keeper of one latch file.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(latch: Latch, alerts: AlertBus) -> std::io::Result<LatchKeeper> {
        let (jobs, received) = sync_channel(JOBS_MAX);
        let teller = alerts.clone();
        std::thread::Builder::new().name("latch".into()).spawn(move || keep(&received, &latch, &teller))?;
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

fn keep(jobs: &Receiver<Job>, latch: &Latch, alerts: &AlertBus) {
    while let Ok(job) = jobs.recv() {
        match job {
            Job::Engage { reason, since, detail, done } => {
                let result = engage(latch, reason, since, &detail);
                if let Err(why) = &result {
                    tell_failure(alerts, why);
                }
                if let Some(done) = done {
                    let _ = done.send(result);
                }
            }
            Job::Clear { done } => {
                let _ = done.send(latch.clear().map_err(|e| e.to_full_text()));
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
        let keeper = LatchKeeper::start(latch.clone(), alerts.clone()).unwrap();
        keeper.engage(StopReason::DailyLoss, UnixNanos(5), "lost 10".into());
        assert_eq!(keeper.engage_and_tell(StopReason::Operator, "again".into()).blocking_recv(), Ok(Ok(())));
        let first = LatchState::Engaged { reason: StopReason::DailyLoss, since: Some(UnixNanos(5)), detail: "lost 10".into() };
        assert_eq!(latch.read(), first, "the first reason stays");
        assert_eq!(keeper.clear_and_tell().blocking_recv(), Ok(Ok(())));
        assert_eq!(latch.read(), LatchState::Clear);

        // The directory is gone, so the file can't be written.
        let gone = LatchKeeper::start(Latch::of(&place.path().join("gone")), alerts.clone()).unwrap();
        let told = gone.engage_and_tell(StopReason::Operator, String::new()).blocking_recv().unwrap();
        assert!(told.is_err(), "nothing was written, though an unreadable latch counts as engaged");
        std::fs::create_dir(place.path().join("full")).unwrap();
        std::fs::create_dir(place.path().join("full/latch.new")).unwrap();
        let full = LatchKeeper::start(Latch::of(&place.path().join("full")), alerts.clone()).unwrap();
        let told = full.engage_and_tell(StopReason::Operator, String::new()).blocking_recv().unwrap();
        assert!(told.is_err(), "a directory stands where the new file would be made");
        alerts.flush();
        let lines = std::fs::read_to_string(&file).unwrap();
        assert_eq!(lines.lines().filter(|line| line.contains("\"latch_file\"")).count(), 2, "{lines}");
    }
}
