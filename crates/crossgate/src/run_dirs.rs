//! The run directories inside a base directory: `run-SECONDS` and `run-SECONDS-N`, one for each simulated or paper run.
//!
//! Nothing else is touched or taken for a run, whatever it is called.

use journal::{Record, RunDir, RunFiles};
use std::path::{Path, PathBuf};

/// Simulated and paper runs kept beside a new one.
const RUNS_KEPT: usize = 9;

/// The run directory that a person means: the one named, or the newest of the runs inside it when it is the base of several.
pub fn meant(dir: &Path) -> PathBuf {
    if is_run(dir) {
        return dir.to_path_buf();
    }
    runs_in(dir).pop().unwrap_or_else(|| dir.to_path_buf())
}

/// Removes the oldest simulated and paper runs. Never one that was live, nor a locked one.
pub fn prune(base: &Path) {
    let runs: Vec<PathBuf> = runs_in(base).into_iter().filter(|run| ends_with_its_process(run)).collect();
    let surplus = runs.len().saturating_sub(RUNS_KEPT);
    for run in runs.iter().take(surplus) {
        if RunDir::open(run).is_ok() {
            let _ = std::fs::remove_dir_all(run);
        }
    }
}

/// Removes the directory of a simulated or paper run that ended before it wrote a state log: nothing of it is of use, and a supervisor
/// that starts it again and again would fill the disk with them.
pub fn discard_unused(run: &Path) {
    if RunFiles::new(run).epochs().is_ok_and(|epochs| epochs.is_empty()) && RunDir::open(run).is_ok() {
        let _ = std::fs::remove_dir_all(run);
    }
}

/// Runs of our own naming, the oldest first.
fn runs_in(base: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(base).into_iter().flatten().flatten();
    let mut runs: Vec<((u64, u64), PathBuf)> = entries
        .filter_map(|entry| Some((number_of(entry.file_name().to_str()?)?, entry.path())))
        .filter(|(_, path)| is_run(path))
        .collect();
    runs.sort();
    runs.into_iter().map(|(_, path)| path).collect()
}

/// The seconds and the number in a name of ours.
fn number_of(name: &str) -> Option<(u64, u64)> {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    let rest = name.strip_prefix("run-")?;
    match rest.split_once('-') {
        Some((seconds, suffix)) => Some((digits(seconds)?, digits(suffix)?)),
        None => Some((digits(rest)?, 0)),
    }
}

/// Whether something was run in this very directory: it claims an epoch or holds a state log. A latch says nothing: it is put into a
/// directory of runs as well, for all of them.
fn is_run(dir: &Path) -> bool {
    dir.join("epoch").is_file() || RunFiles::new(dir).epochs().is_ok_and(|epochs| !epochs.is_empty())
}

/// Whether its accounts were simulated, by the header of its state log: there may be no market log.
fn ends_with_its_process(run: &Path) -> bool {
    let first = RunFiles::new(run).state_records().ok().and_then(|mut records| records.next());
    matches!(first, Some(Ok((_, Record::Header(header)))) if header.mode != "live")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::state_header;
    use journal::Header;
    use std::fs;

    /// A run that wrote a state log and no market log.
    fn run(base: &Path, name: &str, mode: &str) {
        let mut dir = RunDir::open(&base.join(name)).unwrap();
        let epoch = dir.next_epoch(1_795_977_807).unwrap();
        let tail = dir.state_records().unwrap().finish().unwrap();
        let header = Header { mode: mode.into(), ..state_header(epoch) };
        dir.create_state(&header, &tail).unwrap().syncer().sync().unwrap();
    }

    #[test]
    fn names_of_ours_are_numbers() {
        assert_eq!(number_of("run-1795977807"), Some((1_795_977_807, 0)));
        assert_eq!(number_of("run-1795977807-12"), Some((1_795_977_807, 12)));
        for other in ["run-", "run-x", "run-2024-11-30", "run-1-", "run--1", "run-+1", "walk-1", "run-99999999999999999999"] {
            assert_eq!(number_of(other), None, "{other}");
        }
    }

    #[test]
    fn a_directory_that_was_run_in_is_meant_itself() {
        let place = tempfile::tempdir().unwrap();
        let base = place.path();
        assert_eq!(meant(base), base, "nothing was run there");
        for name in ["run-20", "run-9", "run-10-2", "run-10", "run-results"] {
            fs::create_dir(base.join(name)).unwrap();
        }
        assert_eq!(meant(base), base, "empty directories are no runs");
        for name in ["run-20", "run-9", "run-10-2", "run-10", "run-results"] {
            fs::write(base.join(name).join("epoch"), "1 begun\n").unwrap();
        }
        // Written to last, and all the same an older run: the number tells.
        fs::write(base.join("run-9").join("latch"), "").unwrap();
        assert_eq!(meant(base), base.join("run-20"));
        fs::write(base.join("latch"), "").unwrap();
        assert_eq!(meant(base), base.join("run-20"), "a latch for all of them");
        fs::write(base.join("epoch"), "7 begun\n").unwrap();
        assert_eq!(meant(base), base);
    }

    #[test]
    fn a_run_that_never_began_leaves_nothing() {
        let place = tempfile::tempdir().unwrap();
        let base = place.path();
        run(base, "run-1", "sim");
        drop(RunDir::open(&base.join("run-2")).unwrap());
        fs::write(base.join("run-2").join("alerts.jsonl"), "{}\n").unwrap();
        let locked = RunDir::open(&base.join("run-3")).unwrap();
        for name in ["run-1", "run-2", "run-3"] {
            discard_unused(&base.join(name));
        }
        assert!(base.join("run-1").is_dir(), "it has a state log");
        assert!(!base.join("run-2").exists());
        assert!(base.join("run-3").is_dir(), "somebody else runs in it");
        drop(locked);
    }

    #[test]
    fn the_oldest_simulated_runs_go_and_one_that_was_live_stays() {
        let place = tempfile::tempdir().unwrap();
        let base = place.path();
        run(base, "run-1", "live");
        for number in 2..=13 {
            run(base, &format!("run-{number}"), if number % 2 == 0 { "sim" } else { "paper" });
        }
        let locked = RunDir::open(&base.join("run-3")).unwrap();
        prune(base);
        let left: Vec<u64> =
            runs_in(base).iter().map(|run| number_of(run.file_name().unwrap().to_str().unwrap()).unwrap().0).collect();
        assert_eq!(left, [1, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
        drop(locked);
        prune(base);
        assert_eq!(runs_in(base).len(), 1 + RUNS_KEPT);
    }

    #[test]
    fn directories_of_somebody_else_stay() {
        let place = tempfile::tempdir().unwrap();
        for number in 0..14 {
            let dir = place.path().join(format!("run-{number:02}"));
            fs::create_dir(&dir).unwrap();
            fs::write(dir.join("results.csv"), "1,2\n").unwrap();
        }
        prune(place.path());
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 14);
    }
}
