//! Books during a handover to another connection (see [`super::handover`]).
//!
//! The old connection drives a book until the new one provably continues it: by a whole book that is not older, or by a chain of
//! changes that covers the book's id. Changes carry absolute quantities, so one that begins before the id and ends after it may be
//! applied whole. What the new connection tells before that is held, within a bound. So a book that changes over loses no trust; one
//! that cannot (the old connection died first) does, for `reconnect`.

use super::GateSession;
use super::books::{BookChannel, Held, Phase, Stamps};
use crate::wire::frames::{BookFrameBody, Delta};
use domain::{Input, MonoNanos, ResyncReason};
use std::collections::VecDeque;

/// Frames held of the new connection; beyond it they are dropped and its chain begins anew.
const HELD_MAX: usize = 512;

/// What the new connection told of a book that it does not drive yet.
#[derive(Default)]
pub(super) struct Join {
    /// The id that its chain has reached: the state of a whole book, then the end of each change.
    reached: Option<u64>,
    /// Changes of that chain that the book does not hold yet.
    held: VecDeque<Held>,
    /// The old connection is ahead and is no longer listened to, so that the new one catches up.
    pub(super) catches_up: bool,
}

impl Join {
    fn hold(&mut self, delta: Delta, stamps: Stamps) {
        if self.held.len() >= HELD_MAX {
            self.held.clear();
        }
        self.reached = Some(delta.last);
        self.held.push_back(Held { delta, stamps });
    }

    fn restart(&mut self) {
        self.reached = None;
        self.held.clear();
    }
}

impl super::books::Books {
    /// True when no book would lose trust if the old connection ended now. Channels other than `obu` need no whole book to go on.
    pub(super) fn have_joined(&self) -> bool {
        !self.channel.is_obu() || self.books.iter().all(|book| book.on_next || book.phase == Phase::Waiting)
    }
}

impl GateSession {
    /// A frame of the new connection about a book that the old one drives.
    pub(super) fn on_joining(&mut self, index: usize, body: BookFrameBody, stamps: Stamps, updates: &mut Vec<Input>) {
        let channel = self.books.channel;
        let Some(book) = self.books.books.get_mut(index) else { return };
        let pair = book.pair;
        match body {
            BookFrameBody::Full { id, bids, asks } => {
                let newer = match book.phase {
                    Phase::Live(have) => id >= have,
                    Phase::Waiting => true,
                };
                if newer {
                    book.on_next = true;
                    book.join = Join::default();
                    book.renew = None;
                    self.on_full(index, id, bids, asks, stamps, updates);
                } else {
                    self.count_stale(index);
                    if channel != BookChannel::Snapshots
                        && let Some(book) = self.books.books.get_mut(index)
                    {
                        book.join.restart();
                        book.join.reached = Some(id);
                    }
                }
            }
            BookFrameBody::Delta(delta) => {
                let continues = match (channel, book.join.reached) {
                    (BookChannel::Obu(_), reached) => reached.and_then(|id| id.checked_add(1)) == Some(delta.first),
                    (_, reached) => reached.is_some_and(|id| delta.first <= id.saturating_add(1)),
                };
                if !continues {
                    book.join.restart();
                    if channel.is_obu() {
                        self.count_stale(index);
                        // Only a whole book begins a chain: it is due again.
                        if let Some(stream) = self.links.public(true).and_then(|link| link.book_stream(pair)) {
                            stream.owes_again(stamps.received);
                        }
                        return;
                    }
                }
                book.join.hold(delta, stamps);
                self.try_join(index, stamps.received, updates);
            }
        }
        self.next_settled(domain::LinkRole::Public, stamps.received, updates);
    }

    /// Goes over to the new connection if what it told continues the book.
    pub(super) fn try_join(&mut self, index: usize, now: MonoNanos, updates: &mut Vec<Input>) {
        let Some(book) = self.books.books.get_mut(index) else { return };
        let (Phase::Live(have), Some(reached)) = (book.phase, book.join.reached) else { return };
        while book.join.held.front().is_some_and(|held| held.delta.last <= have) {
            book.join.held.pop_front();
        }
        let touches = match book.join.held.front() {
            Some(held) => held.delta.first <= have.saturating_add(1),
            None => reached == have,
        };
        if !touches {
            return;
        }
        let held = std::mem::take(&mut book.join).held;
        book.on_next = true;
        let mut id = have;
        for Held { delta, stamps } in held {
            let last = delta.last;
            self.apply(index, id, delta, stamps, updates);
            id = last;
        }
        self.next_settled(domain::LinkRole::Public, now, updates);
    }

    /// The old connection stays ahead of the new one: it is listened to no longer for the books that did not change over.
    pub(super) fn books_catch_up(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        for index in 0..self.books.books.len() {
            if let Some(book) = self.books.books.get_mut(index).filter(|book| !book.on_next && book.join.reached.is_some()) {
                book.join.catches_up = true;
            }
            self.try_join(index, now, updates);
        }
    }

    /// The new connection is the only one now. `early`: the old one ended before it was told to.
    pub(super) fn books_switched(&mut self, early: bool, now: MonoNanos, updates: &mut Vec<Input>) {
        let channel = self.books.channel;
        for index in 0..self.books.books.len() {
            let Some(book) = self.books.books.get_mut(index) else { return };
            let (pair, joined, join) = (book.pair, std::mem::take(&mut book.on_next), std::mem::take(&mut book.join));
            if joined {
                continue;
            }
            // A copy that is on its way still counts if it reaches what the new connection told.
            book.clear_held();
            book.renew = None;
            let last = book.last_id;
            let live = matches!(book.phase, Phase::Live(_));
            let gap = join.held.front().is_some_and(|held| held.delta.first > last.saturating_add(1));
            for Held { delta, stamps } in join.held {
                book.hold(delta, stamps);
            }
            match (live, early || gap || channel.is_obu()) {
                (true, true) => self.resync(pair, ResyncReason::Reconnect, None, now, updates),
                (true, false) => {
                    if let Some(book) = self.books.books.get_mut(index) {
                        book.clear_held();
                    }
                }
                // Without trust on the old connection, and the new one has told its whole book before: no other comes by itself.
                (false, _) if channel.is_obu() => self.renew(index, now),
                (false, _) => self.fetch_if_useful(index, now),
            }
        }
    }

    /// The new connection failed: the old one drives again, and the books that had changed over must be had anew.
    pub(super) fn books_back(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        for index in 0..self.books.books.len() {
            let Some(book) = self.books.books.get_mut(index) else { return };
            let (pair, on_next) = (book.pair, std::mem::take(&mut book.on_next));
            let join = std::mem::take(&mut book.join);
            if on_next || join.catches_up {
                self.resync(pair, ResyncReason::Reconnect, None, now, updates);
            }
        }
    }
}
