//! Gaps as they strike: which book, when, whom, and whether a client can tell it from the gap before.
//!
//! A gap that is scheduled has not hurt anybody yet: it strikes when a change is really withheld, and what a client makes of it depends
//! on what the client holds then. Start at [`Struck::withheld`]. Dialects tell what clients are given ([`Struck::followed`],
//! [`Struck::told`], [`Struck::copied`], [`Struck::renewed`]), so that each gap is written down with its [`Effect`].
//!
//! A book is a pair here: clients that follow one pair by several channels of changes are taken for one.

use std::collections::BTreeMap;

/// Gaps that nobody asked about yet; beyond it the oldest is forgotten, though still counted.
const WAITING_MAX: usize = 4_096;

/// What a gap does to those who follow the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// They held the whole book, and miss a change: they must notice, and take the book anew.
    Felt,
    /// They did not hold the whole book: no copy was given since they subscribed, or since the gap before.
    Merged,
    /// Nobody was to get the change.
    Unheard,
}

impl Effect {
    /// Every one.
    pub const ALL: [Effect; 3] = [Effect::Felt, Effect::Merged, Effect::Unheard];

    /// In one word.
    pub const fn name(self) -> &'static str {
        match self {
            Effect::Felt => "felt",
            Effect::Merged => "merged",
            Effect::Unheard => "unheard",
        }
    }
}

/// One change of a book that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// When it would have left, Unix nanoseconds.
    pub t_ns: u64,
    /// `BASE_QUOTE`.
    pub pair: String,
    /// Connections that would have got it.
    pub followers: usize,
    /// What it does to them.
    pub effect: Effect,
}

/// Why the followers of a book do not hold all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hole {
    /// They subscribed, and no copy was given yet.
    Bare,
    /// A change was left out, and none has left since: they can't know.
    Unseen,
    /// A change has left behind the gap, which shows it.
    Seen,
}

/// Gaps of one venue that struck so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Struck {
    /// Books that are not whole at those who follow them.
    holes: BTreeMap<String, Hole>,
    waiting: Vec<Gap>,
    counts: [u64; 3],
}

impl Struck {
    /// The first connection follows the changes of a book, of which it is to fetch a copy.
    pub(crate) fn followed(&mut self, pair: &str) {
        self.holes.insert(pair.to_owned(), Hole::Bare);
    }

    /// A change of a book has left.
    pub(crate) fn told(&mut self, pair: &str) {
        if let Some(hole) = self.holes.get_mut(pair).filter(|hole| **hole == Hole::Unseen) {
            *hole = Hole::Seen;
        }
    }

    /// A copy was given apart from the stream. It makes whole who fetched it for that, which nobody does before a gap shows.
    pub(crate) fn copied(&mut self, pair: &str) {
        if self.holes.get(pair).is_some_and(|hole| *hole != Hole::Unseen) {
            self.holes.remove(pair);
        }
    }

    /// The stream itself has brought the whole book.
    pub(crate) fn renewed(&mut self, pair: &str) {
        self.holes.remove(pair);
    }

    /// A change of a book was left out.
    pub(crate) fn withheld(&mut self, t_ns: u64, pair: &str, followers: usize) {
        let effect = match (followers, self.holes.get(pair)) {
            (0, _) => Effect::Unheard,
            (_, None) => Effect::Felt,
            (_, Some(_)) => Effect::Merged,
        };
        if effect == Effect::Felt {
            self.holes.insert(pair.to_owned(), Hole::Unseen);
        }
        self.counts[effect as usize] += 1;
        if self.waiting.len() == WAITING_MAX {
            self.waiting.remove(0);
        }
        self.waiting.push(Gap { t_ns, pair: pair.to_owned(), followers, effect });
    }

    /// The gaps since the last call, oldest first.
    pub fn take(&mut self) -> Vec<Gap> {
        std::mem::take(&mut self.waiting)
    }

    /// How many there were, of each effect in the order of [`Effect::ALL`].
    pub fn counts(&self) -> [u64; 3] {
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effects(struck: &mut Struck) -> Vec<Effect> {
        struck.take().into_iter().map(|gap| gap.effect).collect()
    }

    #[test]
    fn a_gap_is_felt_once_until_the_book_is_whole_again() {
        let mut struck = Struck::default();
        struck.followed("A_B");
        struck.withheld(1, "A_B", 1);
        struck.copied("A_B");
        struck.withheld(2, "A_B", 1);
        // Two in a row look like one, and so does one before the copy that the first one asks for.
        struck.withheld(3, "A_B", 1);
        struck.told("A_B");
        struck.withheld(4, "A_B", 1);
        struck.copied("A_B");
        struck.withheld(5, "A_B", 2);
        struck.withheld(6, "C_D", 0);
        use Effect::{Felt, Merged, Unheard};
        assert_eq!(effects(&mut struck), [Merged, Felt, Merged, Merged, Felt, Unheard]);
        assert_eq!((struck.counts(), struck.take()), ([2, 3, 1], Vec::new()));
    }

    #[test]
    fn a_copy_before_the_gap_shows_heals_nothing_and_a_whole_book_of_the_stream_heals_all() {
        let mut struck = Struck::default();
        struck.withheld(1, "A_B", 1);
        // Somebody compares.
        struck.copied("A_B");
        struck.withheld(2, "A_B", 1);
        struck.renewed("A_B");
        struck.withheld(3, "A_B", 1);
        assert_eq!(effects(&mut struck), [Effect::Felt, Effect::Merged, Effect::Felt]);
    }

    #[test]
    fn what_nobody_asks_for_is_bounded() {
        let mut struck = Struck::default();
        (0..5_000).for_each(|t_ns| struck.withheld(t_ns, "A_B", 0));
        let waiting = struck.take();
        assert_eq!((waiting.len(), waiting.last().map(|gap| gap.t_ns)), (4_096, Some(4_999)));
        assert_eq!(struck.counts()[Effect::Unheard as usize], 5_000);
    }
}
