//! One side of a book: a sorted vector with the best level at its end, where most changes happen.
//!
//! The side is a type parameter, so that "better" is decided at compile time. The caller bounds what goes in: room for
//! [`LADDER_ROOM`] levels is taken at construction and never grows.

use domain::{Level, Price};

/// Room of one side: a full book plus the largest delta, before the trim.
pub(crate) const LADDER_ROOM: usize = 2 * crate::book::DEPTH_MAX;

/// The best of a side as a channel of its own states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Top {
    /// The side is empty.
    Empty,
    /// The best level.
    Level(Level),
}

impl Top {
    pub(crate) fn of(level: Option<Level>) -> Top {
        level.map_or(Top::Empty, Top::Level)
    }

    pub(crate) fn level(self) -> Option<Level> {
        match self {
            Top::Empty => None,
            Top::Level(level) => Some(level),
        }
    }
}

/// The levels of one side, best first.
#[derive(Clone, Debug)]
pub struct Levels<'a> {
    top: Option<Level>,
    /// Worst first, best last.
    rest: &'a [Level],
}

impl Iterator for Levels<'_> {
    type Item = Level;

    fn next(&mut self) -> Option<Level> {
        if let Some(top) = self.top.take() {
            return Some(top);
        }
        let (best, rest) = self.rest.split_last()?;
        self.rest = rest;
        Some(*best)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.rest.len() + usize::from(self.top.is_some());
        (len, Some(len))
    }
}

impl DoubleEndedIterator for Levels<'_> {
    fn next_back(&mut self) -> Option<Level> {
        match self.rest.split_first() {
            Some((worst, rest)) => {
                self.rest = rest;
                Some(*worst)
            }
            None => self.top.take(),
        }
    }
}

impl ExactSizeIterator for Levels<'_> {}

/// One side; `BID` is true for bids (higher is better), false for asks (lower is better).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ladder<const BID: bool> {
    /// Worst first, best last.
    levels: Vec<Level>,
}

impl<const BID: bool> Ladder<BID> {
    pub(crate) fn new() -> Ladder<BID> {
        Ladder { levels: Vec::with_capacity(LADDER_ROOM) }
    }

    pub(crate) fn len(&self) -> usize {
        self.levels.len()
    }

    #[cfg(test)]
    pub(crate) fn room(&self) -> usize {
        self.levels.capacity()
    }

    pub(crate) fn clear(&mut self) {
        self.levels.clear();
    }

    pub(crate) fn best(&self) -> Option<Level> {
        self.levels.last().copied()
    }

    /// All levels, or with `top` that one and those worse than it.
    pub(crate) fn best_first(&self, top: Option<Top>) -> Levels<'_> {
        match top {
            None => Levels { top: None, rest: &self.levels },
            Some(Top::Empty) => Levels { top: None, rest: &[] },
            Some(Top::Level(level)) => {
                let rank = Self::rank(level.price);
                let worse = self.levels.partition_point(|held| Self::rank(held.price) < rank);
                Levels { top: Some(level), rest: self.levels.get(..worse).unwrap_or_default() }
            }
        }
    }

    /// The sort key: the better a price (higher bid, lower ask), the greater.
    const fn rank(price: Price) -> i64 {
        if BID { price.units() } else { -price.units() }
    }

    /// True when `levels` (best first) are strictly sorted and every quantity is positive.
    pub(crate) fn is_snapshot(levels: &[Level]) -> bool {
        levels.iter().all(|level| !level.qty.is_zero())
            && levels.is_sorted_by(|better, worse| Self::rank(better.price) > Self::rank(worse.price))
    }

    /// Replaces everything by the best `depth_max` of `levels`, which are best first and [`Self::is_snapshot`]. True when that
    /// changed anything.
    pub(crate) fn replace(&mut self, levels: &[Level], depth_max: usize) -> bool {
        let kept = levels.get(..depth_max).unwrap_or(levels);
        if kept.len() == self.levels.len() && kept.iter().eq(self.levels.iter().rev()) {
            return false;
        }
        self.levels.clear();
        self.levels.extend(kept.iter().rev());
        true
    }

    /// Sets the absolute quantity at a price; zero deletes. True when that changed anything.
    pub(crate) fn set(&mut self, level: Level) -> bool {
        let rank = Self::rank(level.price);
        match self.levels.binary_search_by_key(&rank, |held| Self::rank(held.price)) {
            Ok(at) if level.qty.is_zero() => {
                self.levels.remove(at);
                true
            }
            Ok(at) => std::mem::replace(&mut self.levels[at], level) != level,
            Err(_) if level.qty.is_zero() => false,
            Err(at) => {
                self.levels.insert(at, level);
                true
            }
        }
    }

    /// Drops the worst levels past `depth_max`.
    pub(crate) fn trim(&mut self, depth_max: usize) {
        if let Some(excess) = self.levels.len().checked_sub(depth_max).filter(|excess| *excess > 0) {
            self.levels.drain(..excess);
        }
    }

    /// True when strictly sorted with positive quantities.
    pub(crate) fn is_sound(&self) -> bool {
        self.levels.iter().all(|level| !level.qty.is_zero() && level.price.units() > 0)
            && self.levels.is_sorted_by(|worse, better| Self::rank(worse.price) < Self::rank(better.price))
    }
}

impl<const BID: bool> Clone for Ladder<BID> {
    /// Keeps the room: a cloned vector alone would have just its length, and the clone would allocate at its first insert.
    fn clone(&self) -> Ladder<BID> {
        let mut copy = Ladder::new();
        copy.levels.extend_from_slice(&self.levels);
        copy
    }
}
