//! Model check of the published cell: interleavings of a writer with readers, and the values that the memory model lets each
//! atomic load return. Build and run it with
//! `RUSTFLAGS="--cfg loom" cargo test -p order-book --test loom --release` (best in a target directory of its own).
//!
//! Each model also states exactly which outcomes it meets, so that one that explores too little fails as well: loom remembers only
//! the last access to a location, and a writer that loads the sequence before it stores it hides all its overlaps from the search.
//! Each ordering that is weakened, each fence and each look at the sequence that is left out makes these tests fail (tried by hand).
//!
//! Without that flag this file is empty; the same properties are then sampled on real threads beside the code.

#![cfg(loom)]

use loom::sync::Arc;
use loom::thread;
use order_book::cell::SequencedWords;
use std::collections::BTreeSet;
use std::sync::Mutex;

type Cell = SequencedWords<2>;

/// Two words that must stay together, named by the publication they belong to.
fn numbered(publication: u64) -> [u64; 2] {
    [publication, publication + 100]
}

/// One attempt to read.
#[track_caller]
fn read(cell: &Cell) -> Option<u64> {
    read_within(cell, 1)
}

/// The publication that was read, zero for the state before the first, or `None` when each attempt overlapped one.
#[track_caller]
fn read_within(cell: &Cell, attempts: u32) -> Option<u64> {
    cell.try_read(attempts).map(|words| {
        assert!(words == [0, 0] || words == numbered(words[0]), "mixed words {words:?}");
        words[0]
    })
}

/// Runs `reader` beside a thread that publishes `publications`, in every way there is, on a cell that already holds `before`.
/// Expects exactly `outcomes`.
#[track_caller]
fn check<T: Ord + std::fmt::Debug + Send + 'static>(
    before: u64,
    publications: &'static [u64],
    reader: fn(&Cell) -> T,
    outcomes: &[T],
) {
    let met: &'static Mutex<BTreeSet<T>> = Box::leak(Box::new(Mutex::new(BTreeSet::new())));
    loom::model(move || {
        let cell = Arc::new(Cell::default());
        if before > 0 {
            cell.publish(&numbered(before));
        }
        let writer = {
            let cell = Arc::clone(&cell);
            thread::spawn(move || publications.iter().for_each(|publication| cell.publish(&numbered(*publication))))
        };
        met.lock().unwrap().insert(reader(&cell));
        writer.join().unwrap();
        assert_eq!(read(&cell), publications.last().copied(), "all is visible once the writer is joined");
    });
    assert!(met.lock().unwrap().iter().eq(outcomes), "met {met:?}");
}

#[test]
fn a_read_is_the_state_before_or_after_a_publication() {
    check(0, &[1], read, &[None, Some(0), Some(1)]);
    check(1, &[2], read, &[None, Some(1), Some(2)]);
}

#[test]
fn a_read_during_two_publications_is_one_of_them() {
    check(0, &[1, 2], read, &[None, Some(0), Some(1), Some(2)]);
}

/// An attempt that overlapped a publication has seen its beginning, so that not even the next one gives the state before it.
#[test]
fn reads_never_go_back() {
    let outcomes = [(None, None), (None, Some(1)), (Some(0), None), (Some(0), Some(0)), (Some(0), Some(1)), (Some(1), Some(1))];
    check(0, &[1], |cell| (read(cell), read(cell)), &outcomes);
}

#[test]
fn a_retry_is_one_whole_publication_too() {
    check(0, &[1], |cell| read_within(cell, 2), &[None, Some(0), Some(1)]);
}
