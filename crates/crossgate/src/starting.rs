//! What a person asks of an engine that is still starting: a halt, which must not be lost, or its end.
//!
//! A start may wait for a venue for days, and no engine is there yet that could be latched. So a halt, by whichever way, engages
//! the latch file and ends the start: the next one is refused until a person resumes. The signal is listened to from the first
//! moment, and whatever else ends the start is passed through [`Starting::ended`], which looks for a halt that came meanwhile.
//!
//! Start at [`Starting::halted`]; once [`Starting::begun`] the live loop is whom people talk to.

use crate::alerts::{Alert, AlertBus, Level, wall};
use crate::config::{Loaded, Mode};
use crate::exit::Failure;
use crate::latch_keeper::{self, LatchKeeper, Latches};
use crate::ops::{Control, OpsServer, Request};
use domain::StopReason;
use journal::{Latch, LatchState};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// How often the latch file is looked at while a venue is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long the kernel's news of a signal may take to reach us: they do so only while we wait.
const NEWS_WAIT: Duration = Duration::from_millis(1);
/// How long a disk may take to write the latch file before the start ends without it.
const DISK_WAIT: Duration = Duration::from_secs(5);

/// A halt that somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Halt {
    /// By the signal, or over the ops address.
    Asked(StopReason),
    /// By the latch file, which is there.
    File,
}

/// The run directory, once it is held.
struct Place {
    latches: Latches,
    keeper: LatchKeeper,
    alerts: AlertBus,
    server: Option<OpsServer>,
}

/// A start, and whoever may want it to end.
pub struct Starting {
    signal: Signal,
    /// Silent once the live loop has taken it.
    control: mpsc::Receiver<Request>,
    /// The run directory, as soon as it is known.
    dir: Option<PathBuf>,
    /// It goes with a start that fails: a simulated or paper run's.
    passes: bool,
    place: Option<Place>,
    halt: Option<Halt>,
    begun: bool,
}

impl Starting {
    /// Listens from now on, to the signal and to the commands of the ops address.
    ///
    /// # Errors
    /// When the process can't.
    pub fn listen(loaded: &Loaded, control: mpsc::Receiver<Request>) -> Result<Starting, Failure> {
        let passes = loaded.config.mode != Mode::Live;
        Ok(Starting {
            signal: signal(SignalKind::user_defined1()).map_err(Failure::failed)?,
            control,
            dir: (!passes).then(|| PathBuf::from(&loaded.config.state.dir)),
            passes,
            place: None,
            halt: None,
            begun: false,
        })
    }

    /// Where this run keeps its files; `None` as long as none is made for it.
    pub fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    /// A directory was made for this run.
    pub fn made(&mut self, dir: &Path) {
        self.dir = Some(dir.to_path_buf());
    }

    /// The run directory is this process's, and its latch has a keeper.
    pub fn held(&mut self, latches: Latches, keeper: LatchKeeper, alerts: AlertBus) {
        self.place = Some(Place { latches, keeper, alerts, server: None });
    }

    /// The ops address is served.
    pub fn served(&mut self, server: OpsServer) {
        if let Some(place) = &mut self.place {
            place.server = Some(server);
        }
    }

    /// Waits until somebody wants no opening. The start is to end then, by [`Self::ended`].
    pub async fn halted(&mut self) {
        while self.halt.is_none() {
            let Starting { signal, control, place, .. } = self;
            // A command engages the file as well: it is a command.
            self.halt = tokio::select! {
                biased;
                Some(request) = control.recv() => asked(request),
                _ = signal.recv() => Some(Halt::Asked(StopReason::Signal)),
                () = engaged(place.as_ref()) => Some(Halt::File),
            };
        }
    }

    /// Whether the signal came and nobody has looked yet.
    pub async fn is_signalled(&mut self) -> bool {
        let came = tokio::time::timeout(NEWS_WAIT, self.signal.recv()).await.is_ok();
        if came {
            self.halt = self.halt.or(Some(Halt::Asked(StopReason::Signal)));
        }
        came
    }

    /// The commands, for the live loop.
    pub fn commands(&mut self) -> mpsc::Receiver<Request> {
        let (_, silent) = mpsc::channel(1);
        std::mem::replace(&mut self.control, silent)
    }

    /// The live loop ran: halts were its matter.
    pub fn begun(&mut self) {
        self.begun = true;
    }

    /// How a run ends that was not to begin, or that began and ended so. With a halt that came meanwhile the latch file is engaged,
    /// and whoever asked is answered, before the process is gone.
    pub async fn ended(&mut self, failure: Failure) -> Failure {
        if self.begun {
            return failure;
        }
        self.is_signalled().await;
        self.answer_all().await;
        let Some(halt) = self.halt else { return failure };
        let Some(dir) = self.dir.clone().filter(|dir| dir.is_dir()) else { return failure };
        // A resume that no engine has taken yet is void.
        let _ = crate::resume_note::remove(&dir);
        let written = match halt {
            Halt::Asked(reason) => self.engage(&dir, reason).await,
            Halt::File => Ok(()),
        };
        let state = self.place.as_ref().map_or_else(|| Latch::of(&dir).read(), |place| place.latches.read());
        let reason = match (&state, halt) {
            (LatchState::Engaged { reason, .. }, _) => *reason,
            (LatchState::Clear, Halt::Asked(reason)) => reason,
            (LatchState::Clear, Halt::File) => StopReason::File,
        };
        if let Some(place) = &self.place {
            let text = format!("latch: {reason}, while the engine started; nothing was sent");
            place.alerts.raise(Alert::now(Level::Page, "latch", reason.as_str(), text));
            place.alerts.flush();
        }
        Failure::latched(self.sentence(&dir, reason, &state, written))
    }

    fn sentence(&self, dir: &Path, reason: StopReason, state: &LatchState, written: latch_keeper::Done) -> String {
        let begins = format!("the kill latch is engaged ({reason}, while the engine started): nothing was sent");
        match written {
            Err(why) => format!("{begins}; its file can't be written: {why}; a restart would not know of the halt"),
            // It is a person's, and stands beside the directories of runs.
            Ok(()) if self.passes && Latch::of(dir).read() == LatchState::Clear && state.is_engaged() => {
                let base = dir.parent().unwrap_or(dir);
                format!("{begins}; when it is safe: crossgate resume --state-dir {} --reason \"…\"", base.display())
            }
            Ok(()) if self.passes => begins,
            Ok(()) => format!("{begins}; when it is safe: crossgate resume --state-dir {} --reason \"…\"", dir.display()),
        }
    }

    /// Engages the latch file of this run.
    async fn engage(&self, dir: &Path, reason: StopReason) -> latch_keeper::Done {
        let detail = "while the engine started";
        let Some(place) = &self.place else {
            return latch_keeper::engage(&Latch::of(dir), reason, wall(), detail);
        };
        match tokio::time::timeout(DISK_WAIT, place.keeper.engage_and_tell(reason, detail.into())).await {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => Err("its keeper does not answer".into()),
            Err(_) => Err("the disk has not answered yet".into()),
        }
    }

    /// Ends the ops server in order. What it takes until then is answered; a halt that it still brings is one.
    async fn answer_all(&mut self) {
        let Some(server) = self.place.as_mut().and_then(|place| place.server.take()) else { return };
        let mut end = std::pin::pin!(server.end());
        loop {
            tokio::select! {
                biased;
                Some(request) = self.control.recv() => self.halt = self.halt.or(asked(request)),
                () = &mut end => return,
            }
        }
    }
}

/// Waits for the latch file.
async fn engaged(place: Option<&Place>) {
    while !place.is_some_and(|place| place.latches.read().is_engaged()) {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The halt that a command is, and that it is taken: while an engine starts the ops address takes no other.
fn asked(Request { control, done }: Request) -> Option<Halt> {
    if let Some(done) = done {
        // Whoever asked may have gone away.
        let _ = done.send(());
    }
    match control {
        Control::Halt(reason) => Some(Halt::Asked(reason)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load::load_text;
    use rustix::process::{Signal, getpid, kill_process};
    use std::collections::BTreeMap;
    use tokio::sync::oneshot;

    fn of(dir: &Path, file: &str) -> (mpsc::Sender<Request>, Starting) {
        let mut loaded = load_text("test.toml", file, &BTreeMap::new()).unwrap();
        loaded.config.state.dir = dir.display().to_string();
        let (sender, control) = mpsc::channel(4);
        (sender, Starting::listen(&loaded, control).unwrap())
    }

    fn reason(dir: &Path) -> Option<StopReason> {
        match Latch::of(dir).read() {
            LatchState::Engaged { reason, .. } => Some(reason),
            LatchState::Clear => None,
        }
    }

    fn hold(starting: &mut Starting, dir: &Path, base: &Path) {
        let alerts = AlertBus::start(&dir.join("alerts.jsonl"), "run").unwrap();
        let latches = Latches::of(dir, base);
        let keeper = LatchKeeper::start(latches.clone(), alerts.clone()).unwrap();
        starting.held(latches, keeper, alerts);
    }

    /// One test of them all: a signal reaches every listener of the process.
    #[tokio::test]
    async fn a_halt_is_not_lost_whatever_else_ends_the_start() {
        const LIVE: &str = include_str!("../../../configs/testnet.toml");
        let halt = || kill_process(getpid(), Signal::USR1).unwrap();
        let failed = || Failure::failed("its rules can't be read");
        let place = tempfile::tempdir().unwrap();
        let run = place.path();

        // Nobody wants one.
        let (_sender, mut starting) = of(run, LIVE);
        assert_eq!(starting.ended(failed()).await, failed());
        assert_eq!(reason(run), None);
        // Before the directory is ours, and when it is; nobody has waited for anything meanwhile.
        for held in [false, true] {
            crate::resume_note::leave(run, "checked").unwrap();
            let (_sender, mut starting) = of(run, LIVE);
            if held {
                hold(&mut starting, run, run);
            }
            halt();
            let ended = starting.ended(failed()).await;
            assert_eq!((ended.code, reason(run)), (5, Some(StopReason::Signal)), "{ended}");
            assert!(ended.message.contains("(signal, while the engine started): nothing was sent"), "{ended}");
            assert!(ended.message.ends_with(&format!("resume --state-dir {} --reason \"…\"", run.display())), "{ended}");
            assert_eq!(crate::resume_note::left(run), None, "the resume of before is void");
            Latch::of(run).clear().unwrap();
        }
        // Between the end of the start and the first turn of the loop, which has not come then.
        let (_sender, mut starting) = of(run, LIVE);
        hold(&mut starting, run, run);
        assert!(!starting.is_signalled().await);
        let _commands = starting.commands();
        halt();
        assert_eq!((starting.ended(failed()).await.code, reason(run)), (5, Some(StopReason::Signal)));
        Latch::of(run).clear().unwrap();
        // Once the loop runs it is the loop's.
        starting.begun();
        halt();
        assert_eq!((starting.ended(failed()).await, reason(run)), (failed(), None));
        // By command: whoever asked is told.
        let (sender, mut starting) = of(run, LIVE);
        hold(&mut starting, run, run);
        let (done, told) = oneshot::channel();
        let request = Request { control: Control::Halt(StopReason::Operator), done: Some(done) };
        sender.send(request).await.unwrap();
        starting.halted().await;
        assert_eq!((starting.ended(failed()).await.code, reason(run)), (5, Some(StopReason::Operator)));
        told.await.unwrap();
        // A file that can't be written.
        Latch::of(run).clear().unwrap();
        std::fs::create_dir(run.join("latch.new")).unwrap();
        let (_sender, mut starting) = of(run, LIVE);
        hold(&mut starting, run, run);
        halt();
        let ended = starting.ended(failed()).await;
        assert_eq!(ended.code, 5);
        assert!(ended.message.contains("can't be written") && ended.message.contains("a restart would not know"), "{ended}");
        a_simulated_run_takes_its_own_latch_along_and_obeys_the_one_of_all().await;
    }

    async fn a_simulated_run_takes_its_own_latch_along_and_obeys_the_one_of_all() {
        let place = tempfile::tempdir().unwrap();
        let run = place.path().join("run-1");
        std::fs::create_dir(&run).unwrap();
        let of_all = Latch::of(place.path());
        let (_sender, mut starting) = of(place.path(), crate::run::DEMO);
        starting.made(&run);
        hold(&mut starting, &run, place.path());
        of_all.engage(StopReason::Operator, wall(), "").unwrap();
        starting.halted().await;
        let ended = starting.ended(Failure::latched("halted")).await;
        assert!(ended.message.contains(&format!("resume --state-dir {} --reason", place.path().display())), "{ended}");
        of_all.clear().unwrap();
        let (sender, mut starting) = of(place.path(), crate::run::DEMO);
        starting.made(&run);
        hold(&mut starting, &run, place.path());
        sender.send(Request { control: Control::Halt(StopReason::Operator), done: None }).await.unwrap();
        starting.halted().await;
        let ended = starting.ended(Failure::latched("halted")).await;
        assert!(ended.code == 5 && !ended.message.contains("resume"), "{ended}");
        assert_eq!((reason(&run), reason(place.path())), (Some(StopReason::Operator), None));
    }
}
