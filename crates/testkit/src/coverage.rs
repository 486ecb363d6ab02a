//! Which faults did strike, by their numbers in the project's list: a harness that stopped injecting would be green for ever.
//!
//! | fault | how it is injected | what judges it besides I16, I17, I18 |
//! |---|---|---|
//! | F1 gaps | frames of the public link lost; increments left out by the venue | I4, I12, I13 |
//! | F2 old copies | copies of books answered from one 1–2 s old, or from a slow cache | I12, I13, I14 |
//! | F3 duplicates, reordering | public frames doubled, overtaken | I12 |
//! | F5 crossed books | a bid at the best ask, in the venue's own frame; books crossed or locked in every channel | I4, I12 |
//! | F6, F7 silence | public channels say nothing while pongs go on, for one pair or all | I4, I13 |
//! | F8 slow consumer | frames reach the engine late and all at once | I4 (by the venue's own times) |
//! | F9 subscriptions | acknowledged and never served | I13 |
//! | F10 absurd values | one number or word of a frame or body becomes nonsense, of the account's too | I1, I2, I4, I12 |
//! | F11 symbol halts, other rules | a pair closes, is halted with its book, leaves the list, or takes fewer decimals, and all of it ends | I5, I6, I7 |
//! | F12 changed shapes | unknown fields; a number that is now a list | I12 |
//! | F13, F14 lost replies, lost orders | requests and replies dropped, broken or timed out, by both ways of orders | I2, I3, I5, I9 |
//! | F15 look-ups that hide | new orders and trades hidden; finished ones forgotten early | I2, I10 |
//! | F17 fills first | slow acknowledgements; private frames overtaken | I1, I2, I10 |
//! | F19 one leg | a faster trader takes what one leg was to take; orders that arrive late | I5, I6, I7, I11 |
//! | F20 dust | orders filled up to less than the smallest order | I1, I6 |
//! | F21 fees | another rate in mid-run; fees in a token that runs out, or begin to be | I1, I19 |
//! | F22 refusals | a closed pair, an empty bucket, a passed expiry | I6, I14 |
//! | F23 answers to other requests | answers about orders that are those to the request before | I2, I10 |
//! | F24 changed terms | orders accepted with less amount or at a worse price | I5, I11, I20 |
//! | F25, F26, F27 fills doubled, lost, reordered | private frames | I1, I2, I10 |
//! | F28 mute private stream | its frames vanish while pongs go on | I5, I6 |
//! | F29, F30 stale balances and look-ups | accounts as they were; orders as they were accepted | I1, I10 |
//! | F31 strangers | another client trades on the account; somebody pays in | I1, I2, I20 |
//! | F32 rate limits | requests answered 429, limits cut to a part, refusals that say nothing of their end, bans | I14 |
//! | F33 bad bodies | HTML, cut JSON, an error inside a 200 | I2 |
//! | F34 maintenance | everything answered 503, no channel says anything | I4, I13, I14 |
//! | F36, F37 clocks | wall clock stepped ±100 ms to ±1 h, drifting 500 ppm; the venue's clock stepped ±100 ms to ±10 s, drifting | I3, I4, I9 |
//! | F38 suspension | the process sleeps; what is buffered is old | I4 |
//! | F39, F40 links, latency | links cut, refused, ended by their age with notice and without; up to 45 ms each way, delays | I4, I5, I13 |
//! | F43 kill, also in recovery | death between events, in a write, between two sends; again while it starts | I1, I2, I3, I9 |
//! | F45 low disk, failing state log | openings stop, hedges and cancels go on; a write fails half-way, and a start ends that | I1, I2, I6, I9, I20 |
//! | F49 settings | limits, edge and collar patched while the engine runs, wider and tighter | I5, I7, I17 |
//! | F53 hostile market | quotes vanish when our order is in flight | I5, I6, I7 |
//! | F54 kill switch among faults | a person halts at any time, flattens, drains, resumes; the latch outlives the process | I8, I20 |
//! | F55 shutdown | SIGTERM at any event, grace time, restart | I5, I18 |
//!
//! A fault that means nothing to clients of a venue does not count as met there ([`sim_exchange::reading::Reading::knows_fault`]): books of
//! Bybit's streams have no copies that could be old (F2).
//!
//! Of F20, F23 and F24 only what met an order or an answer counts as struck.
//!
//! Not here: F4 (Gate's books carry no checksum), F16 (nothing to inject: I3 sees it in every run), F18 and F35 (our orders never rest, so
//! nothing races a cancel and nothing is cancelled for us; a fill after the end is F27's), F41, F42, F44, F46 to F48, F50 to F52 (files,
//! sockets, processes: tests of their own).

use std::fmt;

/// One more than the highest number.
const NUMBERS: usize = 56;

/// Faults that this harness injects.
pub const INJECTED: &[u8] = &[
    1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 36, 37,
    38, 39, 40, 43, 45, 49, 53, 54, 55,
];

/// How often each fault struck.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Struck([u32; NUMBERS]);

impl Default for Struck {
    fn default() -> Struck {
        Struck([0; NUMBERS])
    }
}

impl Struck {
    /// A fault struck.
    pub fn hit(&mut self, number: u8) {
        if let Some(count) = self.0.get_mut(usize::from(number)) {
            *count = count.saturating_add(1);
        }
    }

    /// How often a fault struck.
    pub fn count(&self, number: u8) -> u32 {
        self.0.get(usize::from(number)).copied().unwrap_or(0)
    }

    /// Adds another run's.
    pub fn add(&mut self, other: &Struck) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count = count.saturating_add(more);
        }
    }

    /// Faults that struck at all.
    pub fn numbers(&self) -> impl Iterator<Item = u8> + '_ {
        INJECTED.iter().copied().filter(|number| self.count(*number) > 0)
    }
}

impl fmt::Debug for Struck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.numbers().map(|number| (number, self.count(number)))).finish()
    }
}

/// In how many runs each fault struck, and each pair of faults together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    runs: Vec<u64>,
    pairs: Vec<u64>,
}

impl Default for Coverage {
    fn default() -> Coverage {
        Coverage { runs: vec![0; NUMBERS], pairs: vec![0; NUMBERS * NUMBERS] }
    }
}

impl Coverage {
    /// Adds one run.
    pub fn add(&mut self, struck: &Struck) {
        let numbers: Vec<usize> = struck.numbers().map(usize::from).collect();
        for (at, one) in numbers.iter().enumerate() {
            self.runs[*one] += 1;
            for other in &numbers[at + 1..] {
                self.pairs[one * NUMBERS + other] += 1;
            }
        }
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &Coverage) {
        self.runs.iter_mut().zip(&other.runs).for_each(|(count, more)| *count += more);
        self.pairs.iter_mut().zip(&other.pairs).for_each(|(count, more)| *count += more);
    }

    /// Runs in which a fault struck.
    pub fn runs_with(&self, number: u8) -> u64 {
        self.runs.get(usize::from(number)).copied().unwrap_or(0)
    }

    /// Faults that struck in no run.
    pub fn missing(&self) -> Vec<u8> {
        INJECTED.iter().copied().filter(|number| self.runs_with(*number) == 0).collect()
    }

    /// Pairs of faults: (met in at least `times` runs, all).
    pub fn pairs_met(&self, times: u64) -> (usize, usize) {
        let (mut met, mut all) = (0, 0);
        for (at, one) in INJECTED.iter().enumerate() {
            for other in &INJECTED[at + 1..] {
                all += 1;
                met += usize::from(self.pairs[usize::from(*one) * NUMBERS + usize::from(*other)] >= times);
            }
        }
        (met, all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_pairs_are_counted() {
        let mut one = Struck::default();
        [1, 1, 5].iter().for_each(|number| one.hit(*number));
        let mut other = Struck::default();
        other.hit(5);
        let mut coverage = Coverage::default();
        coverage.add(&one);
        coverage.add(&other);
        assert_eq!((coverage.runs_with(1), coverage.runs_with(5), coverage.runs_with(3)), (1, 2, 0));
        assert_eq!(coverage.pairs_met(1).0, 1);
        assert_eq!(coverage.missing().len(), INJECTED.len() - 2);
        other.add(&one);
        assert_eq!((other.count(1), other.count(5)), (2, 2));
    }
}
