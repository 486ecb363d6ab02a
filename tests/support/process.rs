//! Processes of the binary under test: started in a directory of their own with a clean environment, watched line by line, and
//! always ended.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Longest that one command may take before the test fails.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// The binary, to be run in `dir`, with nothing of our environment but the search path: no keys, no overrides. It is the one that was
/// built with the tests, or the one that `CROSSGATE_BIN` names: figures are those of a release build.
pub(crate) fn crossgate(dir: &Path) -> Command {
    let built = || env!("CARGO_BIN_EXE_crossgate").into();
    // Named as from the root of the repository, where the commands that tell figures are typed; it is started elsewhere.
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find(|dir| dir.join("Cargo.lock").exists()).unwrap_or(Path::new("."));
    let binary = std::env::var_os("CROSSGATE_BIN").map_or_else(built, |named| root.join(named));
    let mut command = Command::new(binary);
    command.current_dir(dir).env_clear().env("HOME", dir).env("TMPDIR", dir);
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Lines that a process's standard error is shown with when its test fails.
const LAST_LINES: usize = 40;

/// How a process ended and what it said.
#[derive(Debug)]
pub(crate) struct Done {
    /// Exit code; `None` when a signal killed it.
    pub(crate) code: Option<i32>,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

impl Done {
    /// Itself, once its exit code is the expected one.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Done {
        assert_eq!(self.code, Some(code), "exit code\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    /// The one JSON object on standard output, with nothing beside it.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let value: Value = serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("standard output is not one JSON value: {e}\n{}\n{}", self.stdout, self.stderr));
        assert!(value.is_object(), "not an object: {value}");
        value
    }

    /// The last line of standard error: the one sentence that says why it failed.
    #[track_caller]
    pub(crate) fn complaint(&self) -> &str {
        let line = self.stderr.lines().last().unwrap_or_else(|| panic!("nothing on standard error: {self:?}"));
        line.strip_prefix("crossgate: ").unwrap_or_else(|| panic!("no complaint of ours: {line}"))
    }
}

/// A refused configuration: exit code 3, nothing on standard output, one line on standard error, and no `state` made in `dir`.
#[track_caller]
pub(crate) fn assert_one_sentence(done: Done, dir: &Path, begins: &str, parts: &[&str]) {
    let done = done.expect(3);
    assert_eq!(done.stdout, "", "standard output is for results");
    assert_eq!(done.stderr.lines().count(), 1, "one sentence: {}", done.stderr);
    let complaint = done.complaint();
    assert!(complaint.starts_with(begins), "`{begins}` should begin: {complaint}");
    for part in parts {
        assert!(complaint.contains(part), "`{part}` should be said: {complaint}");
    }
    assert!(!dir.join("state").exists(), "a refused configuration leaves nothing behind");
}

/// Runs a command to its end.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> Done {
    Running::start(command).end()
}

/// A process that runs. Dropping it kills it.
pub(crate) struct Running {
    child: Child,
    stdout: Lines,
    stderr: Lines,
}

impl Running {
    /// Starts a command.
    #[track_caller]
    pub(crate) fn start(command: &mut Command) -> Running {
        let mut child = command.spawn().expect("the binary starts");
        let stdout = Lines::of(child.stdout.take().expect("standard output is piped"));
        let stderr = Lines::of(child.stderr.take().expect("standard error is piped"));
        Running { child, stdout, stderr }
    }

    /// The first line of standard output.
    #[track_caller]
    pub(crate) fn first_stdout_line(&self) -> String {
        self.stdout
            .wait(LIMIT, |_| true)
            .unwrap_or_else(|said| panic!("nothing on standard output: {said}{}", self.stderr.text()))
    }

    /// Whether a line on standard error held `part` by then.
    pub(crate) fn says(&self, part: &str, limit: Duration) -> bool {
        self.stderr.wait(limit, |line| line.contains(part)).is_ok()
    }

    /// Waits for a line on standard error that holds `part`.
    #[track_caller]
    pub(crate) fn wait_for(&self, part: &str, limit: Duration) -> String {
        let found = self.stderr.wait(limit, |line| line.contains(part));
        found.unwrap_or_else(|said| panic!("no line with `{part}` within {limit:?}:\n{said}"))
    }

    /// `ADDRESS:PORT` of its ops server, once it said so.
    #[track_caller]
    pub(crate) fn ops(&self) -> String {
        let line = self.wait_for("metrics http://", LIMIT);
        let (_, url) = line.split_once("http://").expect("the line holds a URL");
        url.trim_end_matches("/metrics").to_string()
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How many lines on standard error hold `part` so far.
    pub(crate) fn lines_with(&self, part: &str) -> usize {
        self.stderr.text().lines().filter(|line| line.contains(part)).count()
    }

    /// A value in kilobytes of `/proc/PID/status`, such as `VmRSS`.
    #[track_caller]
    pub(crate) fn status_kb(&self, key: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the process lives");
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).expect("the kernel tells it");
        line.split_whitespace().next().and_then(|n| n.parse().ok()).expect("a number")
    }

    /// Open file descriptors.
    #[track_caller]
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("the process lives").count()
    }

    /// Threads.
    #[track_caller]
    pub(crate) fn threads(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("the process lives").count()
    }

    /// Sends a signal to exactly this process.
    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).expect("the signal is delivered");
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn end(self) -> Done {
        self.end_within(LIMIT)
    }

    /// Waits so long for its end.
    #[track_caller]
    pub(crate) fn end_within(mut self, limit: Duration) -> Done {
        let status = self.wait(limit);
        let Some(status) = status else {
            panic!("did not end within {limit:?}\n--- stdout\n{}\n--- stderr\n{}", self.stdout.text(), self.stderr.text());
        };
        Done { code: status.code(), stdout: self.stdout.whole(), stderr: self.stderr.whole() }
    }

    /// Polls, since the standard library waits without a deadline only; the readers' threads do the work meanwhile.
    fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return Some(status);
            }
            if Instant::now() >= deadline {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let said = self.stderr.text();
            let lines: Vec<&str> = said.lines().collect();
            let last = lines.get(lines.len().saturating_sub(LAST_LINES)..).unwrap_or_default();
            eprintln!("--- standard error of process {}, its end\n{}\n---", self.child.id(), last.join("\n"));
        }
        // It has ended already, or it is killed: by its handle, which can't hit another process.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Default)]
struct Said {
    lines: Vec<String>,
    closed: bool,
}

/// The lines of a stream, collected by a thread.
#[derive(Clone)]
struct Lines(Arc<(Mutex<Said>, Condvar)>);

impl Lines {
    fn of(stream: impl Read + Send + 'static) -> Lines {
        let lines = Lines(Arc::default());
        let (shared, reader) = (lines.clone(), BufReader::new(stream));
        std::thread::spawn(move || {
            for line in reader.lines() {
                let Ok(line) = line else { break };
                shared.change(|said| said.lines.push(line));
            }
            shared.change(|said| said.closed = true);
        });
        lines
    }

    fn change(&self, change: impl FnOnce(&mut Said)) {
        change(&mut self.0.0.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.1.notify_all();
    }

    /// The first line that matches; else everything that was said.
    fn wait(&self, limit: Duration, matches: impl Fn(&str) -> bool) -> Result<String, String> {
        let deadline = Instant::now() + limit;
        let mut said = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut seen = 0;
        loop {
            if let Some(line) = said.lines[seen..].iter().find(|line| matches(line)) {
                return Ok(line.clone());
            }
            seen = said.lines.len();
            let left = deadline.saturating_duration_since(Instant::now());
            if said.closed || left.is_zero() {
                return Err(said.lines.join("\n"));
            }
            said = self.0.1.wait_timeout(said, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// What was said so far.
    fn text(&self) -> String {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).lines.join("\n")
    }

    /// Everything, once the stream is closed.
    fn whole(&self) -> String {
        // Never matches: returns when the stream closes.
        let _ = self.wait(LIMIT, |_| false);
        self.text()
    }
}
