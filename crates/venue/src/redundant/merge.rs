//! One book that two connections tell: what the engine is told of it.
//!
//! Each half keeps its own sequence and says what it would say alone ([`BookUpdate`]). Here both are followed as whole books, and the engine
//! is told every state once, by whoever tells it first. Ids order the states of a book whichever way they came; a state of the one half is
//! reached from a state of the other by the levels in which they differ, so that nothing is assumed of where a venue cuts its changes, or
//! how deep its windows are.
//!
//! The engine keeps fewer levels than a half knows after hours, so that two halves may differ in thousands that it never sees. From
//! one half to the other it goes from what it holds itself, which is followed too, to the first levels of the other: after that it
//! holds these, also where it had forgotten some that were once too far down for it.
//!
//! Promises:
//! 1. The engine's book is at every moment a state that one half told whole, with the id that the half gave it, as far down as the
//!    engine keeps it.
//! 2. Its id only grows while it is trusted. What is not newer is dropped, so no frame is told twice.
//! 3. It loses trust only when neither half has it, when the engine itself asks, or when the half that is left stays behind it for
//!    [`CATCH_UP_NS`] (a venue that numbers anew).

use super::Half;
use super::gains::RedundancyStats;
use crate::levels::{BookSide, apply_changes};
use domain::time::SECOND;
use domain::{BookBody, BookUpdate, Input, Level, MonoNanos, PairId, ResyncReason, SendStamp, VenueId, VenueNanos};
use std::cmp::Ordering;
use std::collections::VecDeque;

/// A half that is alone and behind what the engine holds is believed after this long.
pub(super) const CATCH_UP_NS: u64 = SECOND;
/// Levels a side that are followed of each half.
const LEVELS_MAX: usize = 5_000;
/// Levels a side that the engine keeps, and changes that it takes in one frame (`order_book::DEPTH_MAX`). It forgets what is
/// deeper.
const DEPTH_MAX: usize = 1_000;
/// States whose second telling is waited for.
const TOLD_MAX: usize = 256;

/// Both sides of a book, best first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Sides {
    bids: Vec<Level>,
    asks: Vec<Level>,
}

impl Sides {
    /// As far down as the engine keeps it.
    fn kept(&self) -> [&[Level]; 2] {
        [&self.bids, &self.asks].map(|side| side.get(..DEPTH_MAX).unwrap_or(side))
    }

    /// Makes these changes, each in the order of its side. False when they are in no order; the sides are then half changed.
    #[must_use]
    fn apply(&mut self, changes: &Sides, levels_max: usize) -> bool {
        let ordered = apply_changes(&mut self.bids, &changes.bids, BookSide::Bids)
            && apply_changes(&mut self.asks, &changes.asks, BookSide::Asks);
        self.bids.truncate(levels_max);
        self.asks.truncate(levels_max);
        ordered
    }

    /// Takes these levels over, in the memory that it has.
    fn copy(&mut self, [bids, asks]: [&[Level]; 2]) {
        for (side, levels) in [(&mut self.bids, bids), (&mut self.asks, asks)] {
            side.clear();
            side.extend_from_slice(levels);
        }
    }
}

/// What one half has.
#[derive(Debug, Default)]
struct Own {
    /// The id of its book, while it trusts it.
    id: Option<u64>,
    sides: Sides,
    received: MonoNanos,
    changed_at: Option<VenueNanos>,
}

/// What the engine holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    id: u64,
    /// Whose book it is.
    of: Half,
    /// That half has lost it since.
    lost: bool,
}

/// What was told to the engine.
struct Told {
    id: u64,
    at: MonoNanos,
    by: Half,
}

/// One book. See the module's docs.
pub(super) struct Merged {
    venue: VenueId,
    pair: PairId,
    own: [Own; 2],
    held: Option<Held>,
    /// What the engine holds, level by level, while it holds any: less than the half has whose book it is.
    engine: Sides,
    /// Since when the half that is left is behind what the engine holds, and why the other one was lost.
    behind: Option<(MonoNanos, ResyncReason)>,
    /// What the engine asked to be rid of: no older state of the other half takes its place.
    floor: u64,
    /// The last best levels that were told.
    top: Option<(u64, Half)>,
    told: VecDeque<Told>,
}

/// What a half must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Its changes are in no order: it is to have its book anew.
    Unordered,
    /// Its best bid is not below its best ask (F5): the same. The engine, which sees only what is told first, could not know it of the
    /// other half, and would be led from one book to the other over levels that never were.
    Crossed,
}

impl Fault {
    /// Why its book is to be had anew.
    pub(super) const fn reason(self) -> ResyncReason {
        match self {
            Fault::Unordered => ResyncReason::Gap,
            Fault::Crossed => ResyncReason::Crossed,
        }
    }
}

/// What the merger writes to.
pub(super) struct Out<'a> {
    pub(super) updates: &'a mut Vec<Input>,
    pub(super) stats: &'a mut RedundancyStats,
    /// Books resynchronised, as the engine sees it.
    pub(super) resyncs: &'a mut dyn FnMut(ResyncReason),
}

impl Merged {
    pub(super) fn new(venue: VenueId, pair: PairId) -> Merged {
        Merged {
            venue,
            pair,
            own: [Own::default(), Own::default()],
            held: None,
            engine: Sides::default(),
            behind: None,
            floor: 0,
            top: None,
            told: VecDeque::new(),
        }
    }

    /// Whether a half trusts its book.
    pub(super) fn is_live(&self, half: Half) -> bool {
        self.own[half.index()].id.is_some()
    }

    /// When [`Merged::timeout`] has something to do.
    pub(super) fn next_timeout(&self) -> Option<MonoNanos> {
        self.behind.map(|(since, _)| since.after(CATCH_UP_NS))
    }

    /// What a half says of the book.
    ///
    /// # Errors
    /// [`Fault`] when the half must have its book anew.
    pub(super) fn on_update(&mut self, half: Half, update: BookUpdate, out: &mut Out<'_>) -> Result<(), Fault> {
        let BookUpdate { received, changed_at, sent_at, body, .. } = update;
        let stamps = (received, changed_at, sent_at);
        match body {
            BookBody::Snapshot { id, bids, asks } => return self.on_whole(half, id, Sides { bids, asks }, stamps, out),
            BookBody::Delta { last, bids, asks, .. } => return self.on_change(half, last, Sides { bids, asks }, stamps, out),
            BookBody::Top { id, bid, ask } => {
                let newer = self.top.is_none_or(|(last, by)| id > last || (id == last && (by == half || sent_at.is_none())));
                if newer {
                    self.top = Some((id, half));
                    self.pass(stamps, BookBody::Top { id, bid, ask }, out);
                }
            }
            BookBody::Evidence { id } => {
                if self.held.is_some_and(|held| held.id == id) {
                    self.pass(stamps, BookBody::Evidence { id }, out);
                }
            }
            BookBody::Untrusted { reason } => self.on_lost(half, reason, received, out),
        }
        Ok(())
    }

    fn on_whole(&mut self, half: Half, id: u64, sides: Sides, stamps: Stamps, out: &mut Out<'_>) -> Result<(), Fault> {
        if crossed(sides.bids.first(), sides.asks.first()) {
            return Err(Fault::Crossed);
        }
        let own = &mut self.own[half.index()];
        own.id = Some(id);
        own.sides = sides;
        own.note(stamps);
        let same_half = self.held.is_some_and(|held| held.of == half && !held.lost);
        let newer = self.held.is_none_or(|held| id > held.id);
        if newer || same_half {
            self.hand_over(half, id, stamps, out);
        } else {
            self.second(half, id, stamps.0, out);
        }
        Ok(())
    }

    fn on_change(&mut self, half: Half, last: u64, changes: Sides, stamps: Stamps, out: &mut Out<'_>) -> Result<(), Fault> {
        // The engine holds this half's own book, and the change continues it.
        let mine = self.held.filter(|held| held.of == half && !held.lost);
        let own = &mut self.own[half.index()];
        if own.id.is_none() {
            return Ok(());
        }
        let bid = best_after(&own.sides.bids, &changes.bids, BookSide::Bids);
        if crossed(bid, best_after(&own.sides.asks, &changes.asks, BookSide::Asks)) {
            return Err(Fault::Crossed);
        }
        if !own.sides.apply(&changes, LEVELS_MAX) {
            return Err(Fault::Unordered);
        }
        own.id = Some(last);
        own.note(stamps);
        match (self.held, mine) {
            (None, _) if last >= self.floor => self.hand_over(half, last, stamps, out),
            (None, _) => {}
            (Some(held), Some(_)) => self.go_on(half, held, (last, changes), stamps, out),
            (Some(held), _) if last > held.id => self.go_over(half, held, last, stamps, out),
            (Some(_), _) => self.second(half, last, stamps.0, out),
        }
        Ok(())
    }

    /// From the state that the engine holds to the next one of the same half.
    fn go_on(&mut self, half: Half, held: Held, (last, changes): (u64, Sides), stamps: Stamps, out: &mut Out<'_>) {
        if !self.engine.apply(&changes, DEPTH_MAX) {
            // In order for the half's own book, which is deeper.
            return self.hand_over(half, last, stamps, out);
        }
        self.held = Some(Held { id: last, ..held });
        self.note_told(last, stamps.0, half);
        let Sides { bids, asks } = changes;
        self.pass(stamps, BookBody::Delta { first: held.id.saturating_add(1), last, bids, asks }, out);
    }

    /// From the state that the engine holds to a newer one of the other half. Where they differ in more levels than the engine
    /// takes as one change, by that half's whole book: the engine would drop the book for an overflow and have it anew, and it
    /// would go the same way at the next turn.
    fn go_over(&mut self, half: Half, held: Held, last: u64, stamps: Stamps, out: &mut Out<'_>) {
        let to = self.own[half.index()].sides.kept();
        let bids = differences(&self.engine.bids, to[0], BookSide::Bids);
        let asks = differences(&self.engine.asks, to[1], BookSide::Asks);
        if bids.len().max(asks.len()) > DEPTH_MAX {
            return self.hand_over(half, last, stamps, out);
        }
        self.engine.copy(to);
        self.held = Some(Held { id: last, of: half, lost: false });
        self.behind = None;
        self.note_told(last, stamps.0, half);
        self.pass(stamps, BookBody::Delta { first: held.id.saturating_add(1), last, bids, asks }, out);
    }

    /// The engine gets a half's whole book, as far down as it keeps it.
    fn hand_over(&mut self, half: Half, id: u64, stamps: Stamps, out: &mut Out<'_>) {
        if self.held.is_none_or(|held| id < held.id) {
            // Numbered anew, or the first one: what was told before is no measure.
            self.told.clear();
            self.top = None;
        }
        self.engine.copy(self.own[half.index()].sides.kept());
        self.held = Some(Held { id, of: half, lost: false });
        (self.behind, self.floor) = (None, 0);
        self.note_told(id, stamps.0, half);
        let Sides { bids, asks } = self.engine.clone();
        self.pass(stamps, BookBody::Snapshot { id, bids, asks }, out);
    }

    /// A half lost its book.
    fn on_lost(&mut self, half: Half, reason: ResyncReason, now: MonoNanos, out: &mut Out<'_>) {
        let own = std::mem::take(&mut self.own[half.index()]);
        let other = &self.own[half.other().index()];
        let Some(held) = &mut self.held else {
            return self.tell_lost(now, reason, out);
        };
        if own.id.is_some() {
            out.stats.covered[half.index()] += u64::from(other.id.is_some());
            held.lost |= held.of == half;
        }
        match other.id {
            Some(id) if id >= held.id => {}
            Some(_) => drop(self.behind.get_or_insert((now, reason))),
            None => self.tell_lost(now, reason, out),
        }
    }

    fn tell_lost(&mut self, now: MonoNanos, reason: ResyncReason, out: &mut Out<'_>) {
        (self.held, self.behind, self.top) = (None, None, None);
        self.told.clear();
        (out.resyncs)(reason);
        self.pass((now, None, None), BookBody::Untrusted { reason }, out);
    }

    /// The engine does not trust what it holds. Which half it had it from, whose book is to be had anew; both when it had none.
    pub(super) fn on_resync(&mut self) -> Option<Half> {
        let held = self.held.take();
        self.behind = None;
        self.told.clear();
        self.floor = held.map_or(self.floor, |held| held.id);
        held.map(|held| held.of)
    }

    /// The engine dropped everything of this venue.
    pub(super) fn dropped(&mut self) {
        (self.held, self.behind, self.top, self.floor) = (None, None, None, 0);
        self.told.clear();
    }

    /// After the half whose book the engine refused has begun anew: the other one's, if it is as new.
    pub(super) fn cover(&mut self, half: Half, out: &mut Out<'_>) {
        let own = &self.own[half.index()];
        if let Some(id) = own.id.filter(|id| *id >= self.floor && self.held.is_none()) {
            let stamps = (own.received, own.changed_at, None);
            self.hand_over(half, id, stamps, out);
        }
    }

    /// The half that is left did not catch up: it is believed.
    pub(super) fn timeout(&mut self, now: MonoNanos, out: &mut Out<'_>) {
        let Some((since, reason)) = self.behind else { return };
        if since.after(CATCH_UP_NS) > now {
            return;
        }
        self.behind = None;
        let newest = Half::ALL.into_iter().max_by_key(|half| self.own[half.index()].id);
        let Some(left) = newest.filter(|half| self.is_live(*half)) else { return };
        let own = &self.own[left.index()];
        let (id, stamps) = (own.id, (own.received, own.changed_at, None));
        if let (Some(id), Some(held)) = (id, self.held)
            && id < held.id
        {
            self.tell_lost(now, reason, out);
            self.hand_over(left, id, stamps, out);
        }
    }

    /// A state that the engine had already: how much earlier.
    fn second(&mut self, half: Half, id: u64, now: MonoNanos, out: &mut Out<'_>) {
        while self.told.front().is_some_and(|told| told.id < id) {
            self.told.pop_front();
        }
        let Some(Told { id: reached, at, by }) = self.told.front().map(|told| Told { ..*told }) else { return };
        if reached == id {
            self.told.pop_front();
        }
        if by != half {
            out.stats.ahead[by.index()].record(now.since(at));
        }
    }

    fn note_told(&mut self, id: u64, at: MonoNanos, by: Half) {
        if self.told.len() == TOLD_MAX {
            self.told.pop_front();
        }
        self.told.push_back(Told { id, at, by });
    }

    fn pass(&self, (received, changed_at, sent_at): Stamps, body: BookBody, out: &mut Out<'_>) {
        let (venue, pair) = (self.venue, self.pair);
        out.updates.push(Input::Book(BookUpdate { venue, pair, received, changed_at, sent_at, body }));
    }
}

type Stamps = (MonoNanos, Option<VenueNanos>, Option<SendStamp>);

impl Own {
    fn note(&mut self, (received, changed_at, _): Stamps) {
        self.received = self.received.max(received);
        self.changed_at = changed_at.or(self.changed_at);
    }
}

fn crossed(bid: Option<&Level>, ask: Option<&Level>) -> bool {
    bid.zip(ask).is_some_and(|(bid, ask)| bid.price >= ask.price)
}

/// The best level of a side once these changes, in its order, are made.
fn best_after<'a>(side: &'a [Level], changes: &'a [Level], of: BookSide) -> Option<&'a Level> {
    let kept = side.iter().find(|level| !changes.iter().any(|change| change.price == level.price));
    let new = changes.iter().find(|change| !change.qty.is_zero());
    kept.into_iter().chain(new).min_by(|left, right| of.order(left.price, right.price))
}

/// The changes that make one side another one: zero deletes. In the order of the side.
fn differences(from: &[Level], to: &[Level], side: BookSide) -> Vec<Level> {
    let gone = |level: &Level| Level { price: level.price, qty: domain::Qty::ZERO };
    let (mut old, mut new) = (from.iter().peekable(), to.iter().peekable());
    let mut changes = Vec::new();
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return changes,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => side.order(old.price, new.price),
        };
        match order {
            Ordering::Less => changes.extend(old.next().map(gone)),
            Ordering::Greater => changes.extend(new.next().copied()),
            Ordering::Equal => {
                let was = old.next();
                changes.extend(new.next().copied().filter(|level| Some(level) != was));
            }
        }
    }
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
