//! A book that says nothing while its best bid and offer, which another stream tells, have moved on: one of the venue's streams died
//! alone, on a connection that lives.
//!
//! Silence itself proves nothing, since a quiet book has nothing to say. But a best price that was told with a later id than the
//! book's is a change that the book's own stream owes. It is owed for [`OWED_NS`], far longer than the tens of milliseconds that any
//! venue holds changes together: one that was undone meanwhile may never be told, and asking for a stream again costs its book.

use domain::MonoNanos;
use domain::time::SECOND;

/// A change that the tops showed and the book's stream did not tell for this long, nor anything else, will not come.
pub(crate) const OWED_NS: u64 = 5 * SECOND;

/// Since when a book's own stream owes a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overtaken(Option<MonoNanos>);

impl Overtaken {
    /// It owes nothing.
    pub(crate) const NONE: Overtaken = Overtaken(None);

    /// A top with this id, while the book is at `have`; `None` while it is not live.
    pub(crate) fn top_came(&mut self, id: u64, have: Option<u64>, now: MonoNanos) {
        match have {
            Some(have) if id > have => _ = self.0.get_or_insert(now),
            _ => self.0 = None,
        }
    }

    /// The book's own stream spoke, or the book is not live any more.
    pub(crate) const fn clear(&mut self) {
        self.0 = None;
    }

    /// When the stream is given up.
    pub(crate) fn deadline(self) -> Option<MonoNanos> {
        self.0.map(|since| since.after(OWED_NS))
    }

    /// True once, when it is to be given up.
    pub(crate) fn take_due(&mut self, now: MonoNanos) -> bool {
        let due = self.deadline().is_some_and(|at| at <= now);
        if due {
            self.0 = None;
        }
        due
    }
}
