//! How long each batch spent in the parts of the engine: the engine tells when a part has ended, and the clock is here.

use domain::MonoNanos;
use engine_core::{Stage, StageWatch};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use venue_io::Clock;

/// Time of the batch under way, by part in the order of [`Stage`]. Written and read by the live loop alone: the engine only has to be able
/// to move between threads.
#[derive(Debug, Default)]
struct Spent {
    last: AtomicU64,
    parts: [AtomicU64; 3],
}

/// Measures one engine.
#[derive(Debug)]
pub struct StageTimes {
    spent: Arc<Spent>,
}

impl StageTimes {
    /// And what the engine is to tell.
    pub fn new(clock: Clock) -> (StageTimes, StageWatch) {
        let spent = Arc::new(Spent::default());
        let told = spent.clone();
        let watch = move |stage: Stage| {
            let now = clock.now().0;
            let since = now.saturating_sub(told.last.swap(now, Ordering::Relaxed));
            told.parts[stage as usize].fetch_add(since, Ordering::Relaxed);
        };
        (StageTimes { spent }, Box::new(watch))
    }

    /// A batch begins.
    pub fn begin(&self, now: MonoNanos) {
        self.spent.last.store(now.0, Ordering::Relaxed);
    }

    /// Nanoseconds of the batch that has ended, by part in the order of [`Stage`]; `None` for one that it never came to.
    pub fn take(&self) -> [Option<u64>; 3] {
        std::array::from_fn(|part| Some(self.spent.parts[part].swap(0, Ordering::Relaxed)).filter(|nanos| *nanos > 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_batch_add_up_and_one_that_it_never_came_to_has_no_time() {
        let clock = Clock::new();
        let (times, mut watch) = StageTimes::new(clock);
        let wait = || {
            let begun = clock.now();
            while clock.now() == begun {}
        };
        let begun = clock.now();
        times.begin(begun);
        for stage in [Stage::Apply, Stage::Detect, Stage::Detect] {
            wait();
            watch(stage);
        }
        let whole = clock.now().since(begun);
        let [apply, detect, risk] = times.take();
        assert!(apply.unwrap() + detect.unwrap() <= whole && risk.is_none());
        assert_eq!(times.take(), [None, None, None]);
    }
}
