//! What a running engine tells over its ops address.

use super::http::{Answer, http};
use super::process::LIMIT;
use serde_json::Value;
use std::time::{Duration, Instant};

/// Asks again until it holds; each question is a round trip, so this is no busy loop.
#[track_caller]
pub(crate) fn until(what: &str, holds: impl FnMut() -> bool) {
    until_within(LIMIT, what, holds);
}

/// As [`until`], with a limit of one's own.
#[track_caller]
pub(crate) fn until_within(limit: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A plain GET.
#[track_caller]
pub(crate) fn get(ops: &str, target: &str) -> Answer {
    http(ops, "GET", target, &[], "")
}

/// `/api/status`.
#[track_caller]
pub(crate) fn status(ops: &str) -> Value {
    let answer = get(ops, "/api/status");
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str(&answer.body).expect("the status is JSON")
}

/// Whether `/readyz` says yes.
#[track_caller]
pub(crate) fn ready(ops: &str) -> bool {
    get(ops, "/readyz").status == 200
}

/// `/metrics` at one moment.
pub(crate) struct Metrics(String);

impl Metrics {
    /// Asks for it.
    #[track_caller]
    pub(crate) fn of(ops: &str) -> Metrics {
        let answer = get(ops, "/metrics");
        assert_eq!(answer.status, 200, "{}", answer.body);
        Metrics(answer.body)
    }

    /// The sum of a metric's samples whose labels hold each of these parts (`reason="gap"`); 0 when there is none.
    #[track_caller]
    pub(crate) fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let name = format!("crossgate_{name}");
        let lines = self.0.lines().filter_map(|line| line.strip_prefix(&name)?.rsplit_once(' '));
        lines
            .filter(|(rest, _)| (rest.is_empty() || rest.starts_with('{')) && labels.iter().all(|label| rest.contains(label)))
            .map(|(_, value)| value.parse::<f64>().expect("a number"))
            .sum()
    }
}
