//! Looks at the free room of the run directory once a second and tells the node: the market log gives way first, then openings pause
//! (`disk`) until there is room to spare.

use crate::report::RunFacts;
use domain::time::SECOND;
use domain::{Input, MonoNanos};
use journal::{DiskStep, DiskWatch, StateStatus};
use node::Node;
use std::path::PathBuf;
use std::sync::Arc;

/// Time between two looks.
const LOOK_EVERY_NS: u64 = SECOND;

/// The watch over one run directory.
pub struct DiskGuard {
    watch: DiskWatch,
    path: PathBuf,
    state: Arc<StateStatus>,
    next: MonoNanos,
}

impl DiskGuard {
    /// A watch over the directory of a run, by its `[state] disk_free_min`.
    pub fn new(facts: &RunFacts) -> DiskGuard {
        DiskGuard {
            watch: DiskWatch::new(facts.logs.disk_free_min),
            path: PathBuf::from(&facts.run_dir),
            state: Arc::clone(&facts.logs.state),
            next: MonoNanos(0),
        }
    }

    /// Looks, when it is time, and tells the node what has changed.
    pub fn look(&mut self, now: MonoNanos, node: &mut Node) {
        if now < self.next {
            return;
        }
        self.next = now.after(LOOK_EVERY_NS);
        let free = journal::free_bytes(&self.path).ok();
        for step in self.watch.see(free, self.state.is_disk_short()) {
            match step {
                DiskStep::EndMarketLog => {
                    if node.replayable() {
                        tracing::warn!(
                            free,
                            "the disk is nearly full: the market log ends here, the run cannot be replayed further"
                        );
                    }
                    node.end_market_log("the disk was nearly full: the run cannot be replayed beyond this record");
                }
                DiskStep::Low => {
                    tracing::error!(
                        free,
                        "the disk is full: no new deals until there is room; make room in {}",
                        self.path.display()
                    );
                    node.push(now, Input::Storage { low: true });
                }
                DiskStep::Enough => node.push(now, Input::Storage { low: false }),
            }
        }
    }
}
