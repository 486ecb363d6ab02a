//! The life of opportunities: opened by the first decision with a gross edge, closed when the edge or trust is gone or a deal was
//! made, and counted once, at close, under one verdict.
//!
//! Kept true by every method:
//! 1. Σ [`Tracker::counts`] == [`Tracker::opportunities`].
//! 2. The verdict of an opportunity is `traded`, or the first gate that failed at its best net.
//! 3. An ordered venue pair of a pair has at most one open opportunity.

use crate::assess::Assessment;
use domain::{MonoNanos, Notice, PairId, VenueId, Verdict, Waterfall};

/// How many verdicts there are.
pub const VERDICTS: usize = 17;

const _: () = assert!(Verdict::ALL.len() == VERDICTS);

/// One opportunity that is open.
#[derive(Clone, Copy, Debug)]
struct Life {
    opened: MonoNanos,
    best: Waterfall,
    verdict: Verdict,
}

/// All opportunities of a run.
#[derive(Clone, Debug)]
pub struct Tracker {
    venues: usize,
    lives: Vec<Option<Life>>,
    counts: [u64; VERDICTS],
    opportunities: u64,
}

impl Tracker {
    /// Nothing open yet, for so many pairs and venues.
    pub fn new(pairs: usize, venues: usize) -> Tracker {
        Tracker { venues, lives: vec![None; pairs * venues * venues], counts: [0; VERDICTS], opportunities: 0 }
    }

    /// What one decision saw. `assessment` is `None` when a book is not live or a side is empty: then, and when the gross edge is
    /// gone, an open opportunity ends under the verdict of its best net.
    ///
    /// `verdict` is the first gate that failed in this decision, or [`Verdict::Traded`] exactly when `traded`: then the
    /// opportunity ends at once as traded, and the next decision with a gross edge opens a new one (re-armed). The best is
    /// replaced by a strictly better net only.
    ///
    /// # Panics
    /// When `verdict` and `traded` contradict each other, when something was traded without a gross edge, or for ids of another run.
    pub fn observe(
        &mut self,
        pair: PairId,
        buy: VenueId,
        sell: VenueId,
        now: MonoNanos,
        assessment: Option<&Assessment>,
        verdict: Verdict,
        traded: bool,
        out: &mut Vec<Notice>,
    ) {
        assert!((verdict == Verdict::Traded) == traded, "Invariant: `traded` and the verdict say the same");
        let index = (pair.index() * self.venues + buy.index()) * self.venues + sell.index();
        let Some(seen) = assessment.filter(|a| a.gross_positive) else {
            assert!(!traded, "Invariant: only a gross edge is traded");
            if self.lives[index].is_some() {
                self.close(index, now, out);
            }
            return;
        };
        match &mut self.lives[index] {
            Some(life) if seen.waterfall.net > life.best.net => {
                life.best = seen.waterfall;
                life.verdict = verdict;
            }
            Some(_) => {}
            none => *none = Some(Life { opened: now, best: seen.waterfall, verdict }),
        }
        if traded {
            if let Some(life) = &mut self.lives[index] {
                life.verdict = Verdict::Traded;
            }
            self.close(index, now, out);
        }
    }

    /// Ends every open opportunity: the run ends.
    pub fn close_all(&mut self, now: MonoNanos, out: &mut Vec<Notice>) {
        for index in 0..self.lives.len() {
            if self.lives[index].is_some() {
                self.close(index, now, out);
            }
        }
    }

    /// Opportunities that ended, by verdict, in the order of [`Verdict::ALL`].
    pub fn counts(&self) -> &[u64; VERDICTS] {
        &self.counts
    }

    /// Opportunities that ended.
    pub fn opportunities(&self) -> u64 {
        self.opportunities
    }

    /// Opportunities that are open.
    pub fn open(&self) -> usize {
        self.lives.iter().filter(|life| life.is_some()).count()
    }

    fn close(&mut self, index: usize, now: MonoNanos, out: &mut Vec<Notice>) {
        let Some(life) = self.lives[index].take() else { return };
        self.counts[life.verdict as usize] += 1;
        self.opportunities += 1;
        assert!(self.counts.iter().sum::<u64>() == self.opportunities, "Invariant: every opportunity has one verdict");
        let (legs, sell) = (index / self.venues, index % self.venues);
        let (pair, buy) = (legs / self.venues, legs % self.venues);
        out.push(Notice::Opportunity {
            pair: PairId(pair as u16),
            buy: VenueId(buy as u8),
            sell: VenueId(sell as u8),
            opened: life.opened,
            closed: now,
            best: life.best,
            verdict: life.verdict,
        });
    }
}

#[cfg(test)]
mod tests;
