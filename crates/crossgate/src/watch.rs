//! Looks at what surrounds the engine, and tells the node what has changed: the run directory's lock once a second, the queues between
//! engine and sockets at every turn.

use crate::report::RunFacts;
use domain::time::{MILLI, SECOND};
use domain::{Input, MonoNanos, OperatorCommand, StopReason};
use journal::LockWatch;
use node::Node;

/// Time between two looks at the lock.
const LOCK_EVERY_NS: u64 = SECOND;
/// A queue that is found full by every look for so long is more than a burst: what waits behind it grows old.
const FULL_FOR_NS: u64 = 250 * MILLI;
/// And it is over once no look has found it full for so long.
const ROOM_FOR_NS: u64 = SECOND;

/// Whether this process still holds its run directory (F46).
pub struct LockGuard {
    watch: LockWatch,
    next: MonoNanos,
}

impl LockGuard {
    /// A watch over the lock of a run.
    pub fn new(facts: &RunFacts) -> LockGuard {
        LockGuard { watch: facts.logs.lock.clone(), next: MonoNanos(0) }
    }

    /// Looks, when it is time. A lock that is not ours latches: another engine may be trading on the account. A person who resumes
    /// without mending it is told again.
    pub fn look(&mut self, now: MonoNanos, node: &mut Node) {
        if now < self.next {
            return;
        }
        self.next = now.after(LOCK_EVERY_NS);
        let latched = node.engine().latches().any(|reason| reason == StopReason::InstanceLock);
        if let Some(why) = self.watch.lost().filter(|_| !latched) {
            tracing::error!(why, "this process no longer holds its run directory: another engine may be running on the account");
            node.operator(now, OperatorCommand::Halt { reason: StopReason::InstanceLock });
        }
    }
}

/// Whether the queues between engine and sockets have room.
#[derive(Debug, Default)]
pub struct QueueGuard {
    full_since: Option<MonoNanos>,
    full_last: Option<MonoNanos>,
    told: bool,
}

impl QueueGuard {
    /// Takes in one look: `full`, the events that came in fill their queue; `overflowed`, something to be sent found no place, which counts
    /// at once. Returns what the node is to be told.
    pub fn see(&mut self, now: MonoNanos, full: bool, overflowed: bool) -> Option<Input> {
        if full || overflowed {
            self.full_last = Some(now);
            let since = *self.full_since.get_or_insert(now);
            if overflowed || now.since(since) >= FULL_FOR_NS {
                let news = !std::mem::replace(&mut self.told, true);
                return news.then_some(Input::Queue { full: true });
            }
            return None;
        }
        self.full_since = None;
        let over = self.told && self.full_last.is_none_or(|last| now.since(last) >= ROOM_FOR_NS);
        if over {
            self.told = false;
        }
        over.then_some(Input::Queue { full: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_stays_full_is_told_once_and_so_is_its_end() {
        let mut guard = QueueGuard::default();
        let at = |ms: u64| MonoNanos(SECOND + ms * MILLI);
        let (full, room) = (Some(Input::Queue { full: true }), Some(Input::Queue { full: false }));
        // A burst that is gone at the next look is none.
        assert_eq!(guard.see(at(0), true, false), None);
        assert_eq!(guard.see(at(240), true, false), None);
        assert_eq!(guard.see(at(249), false, false), None);
        assert_eq!(guard.see(at(250), true, false), None);
        assert_eq!(guard.see(at(500), true, false), full);
        assert_eq!(guard.see(at(510), true, false), None);
        assert_eq!(guard.see(at(600), false, false), None);
        assert_eq!(guard.see(at(1_509), false, false), None);
        assert_eq!(guard.see(at(1_510), false, false), room);
        assert_eq!(guard.see(at(9_000), false, false), None);
        // What can't be sent is known at once.
        assert_eq!(guard.see(at(9_001), false, true), full);
        assert_eq!(guard.see(at(10_001), false, false), room);
    }
}
