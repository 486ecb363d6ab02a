//! The published copy of a book that any thread may read while its one writer goes on: no lock, no waiting writer.
//!
//! # The protocol
//!
//! A [`SequencedWords`] is a sequence number and a row of words, all of them atomic, so that a reader who looks at the wrong
//! moment gets mixed words but never undefined behaviour. The sequence number is even while the words are at rest and odd while
//! the writer is at work; it only rises.
//!
//! The writer (one thread; nobody else stores)
//! 1. makes the sequence odd (`Relaxed`; it must have been even, or there are two writers),
//! 2. passes a `Release` fence,
//! 3. stores the words (`Relaxed`),
//! 4. makes the sequence even again, two above where it began (`Release`).
//!
//! A reader
//! 1. loads the sequence (`Acquire`) and gives up this attempt if it is odd,
//! 2. loads the words (`Relaxed`),
//! 3. passes an `Acquire` fence,
//! 4. loads the sequence again (`Relaxed`) and keeps the words only if it is the number of step 1.
//!
//! What a reader can see at each step, and why it cannot be fooled:
//! - *Too old a word.* The even number `n` that it loaded in step 1 was stored with `Release` after all words of publication
//!   `n`, and was loaded with `Acquire`: those words happen before its loads, so each load gives that word or a later one.
//! - *Too new a word.* Say that one load gave a word of the publication after `n`. That store came after the writer's `Release`
//!   fence, and the load comes before the reader's `Acquire` fence, so the two fences synchronise: the writer's odd number
//!   `n + 1`, stored before its fence, happens before the reader's second load of the sequence. That load then gives `n + 1` or
//!   later, never `n`, and the attempt is thrown away.
//!
//! The words themselves need no more than `Relaxed`: all order comes from the sequence and the two fences. The fences are fences
//! and not stronger loads and stores, because a `Release` store orders what is *before* it, and the writer must order its odd
//! number before the words that *follow*; likewise the reader's last load. `tests/loom.rs` explores the interleavings.
//!
//! The writer never waits and never fails. A reader retries while it overlaps a publication; at book rates (thousands of
//! publications a second of about a hundred words each) a second attempt is rare. The engine itself reads its owned book and
//! never this copy, so replays do not depend on what happens here.

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering, fence};

use domain::{Level, MonoNanos, Price, Qty, VenueNanos};

/// Levels a side in a [`BookView`].
pub const VIEW_DEPTH: usize = 20;

/// Words of the view before the levels: id, flags, four stamps.
const HEAD_WORDS: usize = 6;
/// Words of one side: price and quantity of each level.
const SIDE_WORDS: usize = 2 * VIEW_DEPTH;
/// Words of a published view.
const VIEW_WORDS: usize = HEAD_WORDS + 2 * SIDE_WORDS;

const FLAG_LIVE: u64 = 1;
const FLAG_EVIDENCE: u64 = 1 << 1;
const FLAG_CHANGED: u64 = 1 << 2;
const FLAG_LAG: u64 = 1 << 3;

/// What other threads see of a book.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BookView {
    /// The venue's book id.
    pub id: u64,
    /// [`crate::OrderBook::is_live`].
    pub live: bool,
    /// [`crate::TrackedBook::evidence_at`].
    pub evidence_at: Option<MonoNanos>,
    /// [`crate::TrackedBook::arrived_at`].
    pub arrived_at: MonoNanos,
    /// [`crate::TrackedBook::changed_at`].
    pub changed_at: Option<VenueNanos>,
    /// [`crate::Lag::above_ns`] of [`crate::TrackedBook::lag`].
    pub lag_above_normal_ns: Option<u64>,
    /// Bids, best first; `None` past the last.
    pub bids: [Option<Level>; VIEW_DEPTH],
    /// Asks, best first; `None` past the last.
    pub asks: [Option<Level>; VIEW_DEPTH],
}

/// A book's published view: one writer, any number of readers.
#[derive(Debug, Default)]
pub struct BookCell {
    words: SequencedWords<VIEW_WORDS>,
}

impl BookCell {
    /// A cell that shows an empty book that is not live.
    pub fn new() -> BookCell {
        BookCell::default()
    }

    /// Publishes a view. Never waits; to be called by the book's one writer only.
    pub fn publish(&self, view: &BookView) {
        self.words.publish(&encode(view));
    }

    /// The last published view. Retries while a publication is under way.
    pub fn read(&self) -> BookView {
        loop {
            if let Some(view) = self.try_read(READ_ATTEMPTS) {
                return view;
            }
            // The writer was preempted in the middle of a publication: let it run.
            yield_now();
        }
    }

    /// The last published view, or `None` when each of `attempts` overlapped a publication.
    pub fn try_read(&self, attempts: u32) -> Option<BookView> {
        self.words.try_read(attempts).map(|words| decode(&words))
    }
}

/// Attempts of [`BookCell::read`] before it gives the processor away: well over the length of a publication.
const READ_ATTEMPTS: u32 = 64;

fn yield_now() {
    #[cfg(loom)]
    loom::thread::yield_now();
    #[cfg(not(loom))]
    std::thread::yield_now();
}

fn spin() {
    // A model explores bounded attempts as they are; a yield would only hide interleavings from it.
    #[cfg(not(loom))]
    std::hint::spin_loop();
}

/// `N` words published together by one writer; the protocol is described above. Generic so that the model check can be small.
///
/// Aligned to a cache line: cells lie side by side in a table, and the writer of one should not slow the readers of its
/// neighbour by sharing its first line.
#[derive(Debug)]
#[repr(align(64))]
pub struct SequencedWords<const N: usize> {
    sequence: AtomicU64,
    words: [AtomicU64; N],
}

impl<const N: usize> Default for SequencedWords<N> {
    fn default() -> SequencedWords<N> {
        SequencedWords { sequence: AtomicU64::new(0), words: std::array::from_fn(|_| AtomicU64::new(0)) }
    }
}

impl<const N: usize> SequencedWords<N> {
    /// Publishes `words`. One thread only.
    ///
    /// # Panics
    /// When it finds another writer at work: the cell's owner broke its promise.
    pub fn publish(&self, words: &[u64; N]) {
        // Relaxed: the fence below orders it before the words. One read-modify-write, not a load and a store, so that a second
        // writer cannot slip in between and go unnoticed.
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        assert!(sequence & 1 == 0, "Invariant: a published cell has one writer");
        // Release: whoever sees one of the words stored below also sees the odd sequence stored above.
        fence(Ordering::Release);
        for (slot, word) in self.words.iter().zip(words) {
            // Relaxed: order comes from the fence before and the store after.
            slot.store(*word, Ordering::Relaxed);
        }
        // Release: whoever sees this number also sees every word stored above.
        self.sequence.store(sequence.wrapping_add(2), Ordering::Release);
    }

    /// The words of one publication (all zero before the first), or `None` when each of `attempts` overlapped one.
    pub fn try_read(&self, attempts: u32) -> Option<[u64; N]> {
        for _ in 0..attempts {
            // Acquire: the words of this publication, or later ones, are what the loads below give.
            let before = self.sequence.load(Ordering::Acquire);
            if before & 1 == 0 {
                // Relaxed: a word of a later publication is found out by the second look at the sequence.
                let words = std::array::from_fn(|at| self.words[at].load(Ordering::Relaxed));
                // Acquire: if one of the loads above gave a later word, the load below gives a later number.
                fence(Ordering::Acquire);
                // Relaxed: the fence orders it after the words.
                if self.sequence.load(Ordering::Relaxed) == before {
                    return Some(words);
                }
            }
            spin();
        }
        None
    }
}

fn encode(view: &BookView) -> [u64; VIEW_WORDS] {
    let mut words = [0; VIEW_WORDS];
    let flag = |set: bool, flag: u64| if set { flag } else { 0 };
    let flags = flag(view.live, FLAG_LIVE)
        | flag(view.evidence_at.is_some(), FLAG_EVIDENCE)
        | flag(view.changed_at.is_some(), FLAG_CHANGED)
        | flag(view.lag_above_normal_ns.is_some(), FLAG_LAG);
    let head: [u64; HEAD_WORDS] = [
        view.id,
        flags,
        view.evidence_at.unwrap_or_default().0,
        view.arrived_at.0,
        view.changed_at.unwrap_or_default().0.cast_unsigned(),
        view.lag_above_normal_ns.unwrap_or_default(),
    ];
    words[..HEAD_WORDS].copy_from_slice(&head);
    let slots = words[HEAD_WORDS..].chunks_exact_mut(2);
    for (slot, level) in slots.zip(view.bids.iter().chain(&view.asks)) {
        // A price is never zero, so two zeros stand for no level.
        if let (Some(level), [price, qty]) = (level, slot) {
            *price = level.price.units().cast_unsigned();
            *qty = level.qty.units().cast_unsigned();
        }
    }
    words
}

fn decode(words: &[u64; VIEW_WORDS]) -> BookView {
    let [id, flags, evidence_at, arrived_at, changed_at, lag, ..] = *words;
    let has = |flag: u64| flags & flag != 0;
    let mut view = BookView {
        id,
        live: has(FLAG_LIVE),
        evidence_at: has(FLAG_EVIDENCE).then_some(MonoNanos(evidence_at)),
        arrived_at: MonoNanos(arrived_at),
        changed_at: has(FLAG_CHANGED).then_some(VenueNanos(changed_at.cast_signed())),
        lag_above_normal_ns: has(FLAG_LAG).then_some(lag),
        ..BookView::default()
    };
    let slots = words[HEAD_WORDS..].chunks_exact(2);
    for (level, slot) in view.bids.iter_mut().chain(&mut view.asks).zip(slots) {
        if let [price, qty] = slot {
            *level = Price::from_units(price.cast_signed())
                .zip(Qty::from_units(qty.cast_signed()))
                .map(|(price, qty)| Level { price, qty });
        }
    }
    view
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::atomic::AtomicBool;

    fn level() -> impl Strategy<Value = Option<Level>> {
        prop::option::of(
            (1..=domain::number::UNITS_MAX, 0..=domain::number::UNITS_MAX)
                .prop_map(|(price, qty)| Level { price: Price::from_units(price).unwrap(), qty: Qty::from_units(qty).unwrap() }),
        )
    }

    fn view() -> impl Strategy<Value = BookView> {
        let side = || prop::collection::vec(level(), VIEW_DEPTH).prop_map(|levels| <[_; VIEW_DEPTH]>::try_from(levels).unwrap());
        let stamps = (any::<Option<u64>>(), any::<u64>(), any::<Option<i64>>(), any::<Option<u64>>());
        (any::<u64>(), any::<bool>(), stamps, side(), side()).prop_map(|(id, live, stamps, bids, asks)| BookView {
            id,
            live,
            evidence_at: stamps.0.map(MonoNanos),
            arrived_at: MonoNanos(stamps.1),
            changed_at: stamps.2.map(VenueNanos),
            lag_above_normal_ns: stamps.3,
            bids,
            asks,
        })
    }

    proptest! {
        #[test]
        fn what_is_published_is_read(first in view(), second in view()) {
            let cell = BookCell::new();
            prop_assert_eq!(cell.read(), BookView::default());
            for view in [first, second] {
                cell.publish(&view);
                prop_assert_eq!(cell.read(), view);
                prop_assert_eq!(cell.try_read(1), Some(view));
            }
        }
    }

    /// On real threads: every view read is one that was published, whole, and none is older than the one before it.
    #[test]
    fn readers_never_see_a_mixed_or_an_older_view() {
        const PUBLICATIONS: u64 = 200_000;
        let cell = BookCell::new();
        let done = AtomicBool::new(false);
        let numbered = |id: u64| {
            let level = Price::from_units(id as i64).zip(Qty::from_units(id as i64)).map(|(price, qty)| Level { price, qty });
            let (bids, asks) = ([level; VIEW_DEPTH], [level; VIEW_DEPTH]);
            BookView { id, live: id.is_multiple_of(2), arrived_at: MonoNanos(id), bids, asks, ..BookView::default() }
        };
        cell.publish(&numbered(1));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut newest = 0;
                    while !done.load(Ordering::Acquire) {
                        let view = cell.read();
                        assert_eq!(view, numbered(view.id), "mixed view");
                        assert!(view.id >= newest, "view {} after {newest}", view.id);
                        newest = view.id;
                    }
                });
            }
            for id in 2..=PUBLICATIONS {
                cell.publish(&numbered(id));
            }
            done.store(true, Ordering::Release);
        });
        assert_eq!(cell.read(), numbered(PUBLICATIONS));
    }
}
