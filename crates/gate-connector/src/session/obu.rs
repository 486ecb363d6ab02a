//! `spot.obu` (Gate API v4, maintaining a local book, A 1–6): no copy is fetched, the stream itself begins with a whole book.
//!
//! | what comes | what becomes of the book |
//! |---|---|
//! | a whole book, before or after the acknowledgement, at any time | replaced |
//! | a whole book whose id fell | not trusted; the stream is asked for anew, and the next whole book is believed |
//! | a change that begins at the next id | applied; one without levels only advances the id |
//! | a change that is held already | ignored |
//! | any other change | not trusted; the stream is left, and after its acknowledgement (or a time-out) asked for anew |
//! | an acknowledgement and then no whole book | not trusted (`unserved`); left and asked for anew, with a longer wait each time |
//! | `Alert sub …` | subscribed already: as acknowledged |
//!
//! Asking anew is never marked by a flag that could stay behind: it is a stage of the stream ([`super::streams`]), each with a
//! deadline, or the time in [`super::books::Book::renew`], which every whole book clears.

use super::GateSession;
use super::books::{FALLEN_FRAMES, Phase, Stamps};
use super::streams::Stage;
use crate::wire::frames::Delta;
use domain::mutants::{self, Mutant};
use domain::{Input, MonoNanos, PairId, ResyncReason};

impl GateSession {
    /// True while the stream of a book is being left.
    pub(super) fn is_left(&mut self, pair: PairId, next: bool) -> bool {
        let stream = self.links.public(next).and_then(|link| link.book_stream(pair));
        stream.is_some_and(|stream| matches!(stream.stage, Stage::Leaving { .. }))
    }

    pub(super) fn on_obu_delta(&mut self, index: usize, delta: Delta, stamps: Stamps, updates: &mut Vec<Input>) {
        let Some(book) = self.books.books.get_mut(index) else { return };
        let (pair, Phase::Live(id)) = (book.pair, book.phase) else {
            // Nothing to put it on. The whole book that comes next has it.
            return self.count_stale(index);
        };
        if delta.last <= id {
            book.fallen += 1;
            let renumbered = book.fallen >= FALLEN_FRAMES;
            self.count_stale(index);
            if renumbered {
                self.resync(pair, ResyncReason::ResetByVenue, None, stamps.received, updates);
            }
            return;
        }
        let continues = delta.first == id + 1 || (delta.first > id + 1 && mutants::active(Mutant::GapIgnored));
        if !continues {
            self.count_gap(index);
            return self.resync(pair, ResyncReason::Gap, None, stamps.received, updates);
        }
        self.apply(index, id, delta, stamps, updates);
    }

    /// Sees to a new whole book: at once, or after a wait when that did not help before.
    pub(super) fn renew(&mut self, index: usize, now: MonoNanos) {
        let Some(book) = self.books.books.get(index) else { return };
        if self.desk.is_stopped() || book.renew.is_some() {
            return;
        }
        let (pair, next) = (book.pair, book.on_next);
        let Some(stream) = self.links.public(next).and_then(|link| link.book_stream(pair)) else { return };
        match stream.stage {
            // It was served, and what it brought is void. Its deadlines see to the rest.
            Stage::Asked { .. } => return stream.owes_again(now),
            // It is asked for when the link is up, when it was left, or when its refusal is over.
            Stage::Idle | Stage::Leaving { .. } | Stage::Refused { .. } => return,
            // The first whole book is due; its deadline sees to the rest.
            Stage::Live { .. } if !stream.served => return,
            Stage::Live { .. } => {}
        }
        match self.attempt(index) {
            None => {
                self.resubscribe(pair, next, now);
            }
            Some(wait) => {
                if let Some(book) = self.books.books.get_mut(index) {
                    book.renew = Some(now.after(wait));
                }
            }
        }
    }

    pub(super) fn renew_if_due(&mut self, index: usize, now: MonoNanos) {
        let Some(book) = self.books.books.get_mut(index) else { return };
        if book.renew.is_some_and(|at| at <= now) {
            book.renew = None;
            let (pair, next) = (book.pair, book.on_next);
            // Anything but a live stream is on its way to a whole book already.
            self.resubscribe(pair, next, now);
        }
    }
}
