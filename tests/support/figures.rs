//! Figures as the project publishes them: with the commit they were measured on.

use std::process::Command;
use std::time::Duration;

/// The commit of the source tree, with a mark when it was changed since; `unknown` without git.
pub(crate) fn commit() -> String {
    let git = |arguments: &[&str]| {
        let done = Command::new("git").arg("-C").arg(env!("CARGO_MANIFEST_DIR")).args(arguments).output().ok()?;
        done.status.success().then(|| String::from_utf8_lossy(&done.stdout).trim().to_string())
    };
    let Some(hash) = git(&["rev-parse", "--short=12", "HEAD"]) else { return "unknown".into() };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_none_or(|files| !files.is_empty());
    if changed { format!("{hash} (changed since)") } else { hash }
}

/// `n=… p50=… p99=… max=…` of some times.
pub(crate) fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |per_cent: usize| times.get((times.len() * per_cent).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default();
    format!("n={} p50={:?} p99={:?} max={:?}", times.len(), at(50), at(99), at(100))
}

/// The value below which 99 of a hundred lie.
pub(crate) fn p99(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get((times.len() * 99).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default()
}
