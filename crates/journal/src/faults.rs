//! Planted failures of the storage, for tests: the n-th system call of this thread that touches a run directory fails.
//!
//! Arm it with [`fail_at`], run what is to be tested on the same thread, and [`disarm`] it; without a plan calls are only counted.

use std::cell::Cell;
use std::io;

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageFault {
    /// The disk is full, and stays so: this call and all later ones fail.
    NoSpace,
    /// An input/output error, once: later calls succeed, as they do on real disks.
    InputOutput,
    /// A write stops half-way and fails; any other call fails as [`StorageFault::InputOutput`].
    ShortWrite,
}

thread_local! {
    static PLAN: Cell<Option<(u64, StorageFault)>> = const { Cell::new(None) };
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

/// The `call`-th call from now (1 is the next) fails.
pub fn fail_at(call: u64, fault: StorageFault) {
    CALLS.set(0);
    PLAN.set(Some((call, fault)));
}

/// Nothing fails any more. Returns how many calls there were since [`fail_at`] or the last time.
pub fn disarm() -> u64 {
    PLAN.set(None);
    CALLS.replace(0)
}

/// Counts a call. When it is to fail: how many of `bytes` are written before, and the error.
pub(crate) fn strike(bytes: usize) -> Option<(usize, io::Error)> {
    let call = CALLS.get() + 1;
    CALLS.set(call);
    let (at, fault) = PLAN.get()?;
    let hit = if fault == StorageFault::NoSpace { call >= at } else { call == at };
    if !hit {
        return None;
    }
    let (kept, errno) = match fault {
        StorageFault::NoSpace => (0, rustix::io::Errno::NOSPC),
        StorageFault::InputOutput => (0, rustix::io::Errno::IO),
        StorageFault::ShortWrite => (bytes / 2, rustix::io::Errno::IO),
    };
    Some((kept, errno.into()))
}
