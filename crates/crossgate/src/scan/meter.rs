//! Edges between two streams by the definitions of `docs/interface.md`: samples, basis, edge, episodes, net of fees. Exact integers
//! and fractions throughout; rounding happens only where a value is printed, and is named there.
//!
//! Both tops are in one price scale, so prices compare as counts. A price is at most 10^18 counts ([`domain::number::UNITS_MAX`]),
//! which leaves room in 128 bits for every product below. Start at [`Meter::sample`].

use super::ratio::Ratio;
use domain::number::RATE_ONE;
use num_bigint::BigUint;
use std::collections::{BTreeMap, VecDeque};

/// Basis points of one.
const BPS_ONE: i128 = 10_000;
/// Decimals of printed basis points: those of an amount.
pub const BPS_DECIMALS: usize = 18;

/// Best prices of one stream, in counts of the scale that both streams share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Top {
    /// Highest bid.
    pub bid: i64,
    /// Lowest ask.
    pub ask: i64,
}

impl Top {
    /// A top that may make a sample: both prices above zero, the bid below the ask.
    pub fn new(bid: i64, ask: i64) -> Option<Top> {
        (bid > 0 && ask > bid).then_some(Top { bid, ask })
    }

    /// Twice the mid.
    fn sum(self) -> i128 {
        i128::from(self.bid) + i128::from(self.ask)
    }
}

/// Maximal runs of samples that hold, and how long they lasted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    /// How many.
    pub episodes: u64,
    /// Their time, nanoseconds.
    pub nanos: u64,
    holds: bool,
}

impl Runs {
    /// The next sample, `elapsed` after the last one. Returns true when a run begins.
    fn add(&mut self, holds: bool, elapsed: u64) -> bool {
        let begins = holds && !self.holds;
        self.nanos += if self.holds { elapsed } else { 0 };
        self.episodes += u64::from(begins);
        self.holds = holds;
        begins
    }
}

/// What to measure, in counts of 10^-9.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Thresholds of the edge before fees.
    pub thresholds: Vec<i64>,
    /// Taker fee of the first stream.
    pub fee_a: i64,
    /// Taker fee of the second stream.
    pub fee_b: i64,
    /// How long after its start an episode must still stand to be captured.
    pub latency_ns: u64,
}

/// Which ways pay after fees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ways {
    /// Buy on `b`, sell on `a`.
    sell_a: bool,
    /// Buy on `a`, sell on `b`.
    sell_b: bool,
}

/// A running measurement of one pair of streams.
#[derive(Clone, Debug)]
pub struct Meter {
    terms: Terms,
    /// Time of the first sample.
    first: Option<i64>,
    /// Time of the last sample.
    end: i64,
    /// Time, and twice the mids, of the last sample; `None` while it holds no more.
    last: Option<(i64, i128, i128)>,
    /// How long samples held, nanoseconds.
    covered: u64,
    /// Largest edge: bid, ask.
    best: Option<(i64, i64)>,
    /// Time-weighted basis: the sum of nanoseconds × (mid of b − mid of a), by mid of a.
    basis: BTreeMap<i128, i128>,
    above: Vec<Runs>,
    net: Runs,
    captured: u64,
    /// Episodes to look at again: when, and which ways paid at their start.
    pending: VecDeque<(i64, Ways)>,
}

/// What was found between two streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Last sample − first sample, nanoseconds.
    pub nanos: u64,
    /// Samples were taken at all.
    pub sampled: bool,
    /// Mean basis in basis points over the time that samples held, rounded to [`BPS_DECIMALS`]; `None` without any.
    pub mean_basis_bps: Option<String>,
    /// Largest edge in basis points, rounded to [`BPS_DECIMALS`]; `None` without a sample.
    pub edge_max_bps: Option<String>,
    /// Runs above each threshold.
    pub above: Vec<Runs>,
    /// Runs that pay after fees.
    pub net: Runs,
    /// Of those, still paying the same way after the latency.
    pub captured: u64,
}

impl Meter {
    /// A measurement without a sample.
    pub fn new(terms: Terms) -> Meter {
        let above = vec![Runs::default(); terms.thresholds.len()];
        Meter {
            terms,
            first: None,
            end: 0,
            last: None,
            covered: 0,
            best: None,
            basis: BTreeMap::new(),
            above,
            net: Runs::default(),
            captured: 0,
            pending: VecDeque::new(),
        }
    }

    /// One sample. `at` is Unix nanoseconds and later than that of the sample before.
    pub fn sample(&mut self, at: i64, a: Top, b: Top) {
        self.first.get_or_insert(at);
        let elapsed = self.hold_until(at);
        self.end = at;
        self.last = Some((at, a.sum(), b.sum()));
        let edge = larger((a.bid, b.ask), (b.bid, a.ask));
        self.best = Some(self.best.map_or(edge, |best| larger(best, edge)));
        for (runs, threshold) in self.above.iter_mut().zip(&self.terms.thresholds) {
            runs.add(is_above(edge, *threshold), elapsed);
        }
        let ways = Ways {
            sell_a: pays(a.bid, self.terms.fee_a, b.ask, self.terms.fee_b),
            sell_b: pays(b.bid, self.terms.fee_b, a.ask, self.terms.fee_a),
        };
        if self.net.add(ways.sell_a || ways.sell_b, elapsed) {
            let due = at.saturating_add(i64::try_from(self.terms.latency_ns).unwrap_or(i64::MAX));
            self.pending.push_back((due, ways));
        }
        while self.pending.front().is_some_and(|(due, _)| *due <= at) {
            if let Some((_, start)) = self.pending.pop_front() {
                let still = (start.sell_a && ways.sell_a) || (start.sell_b && ways.sell_b);
                self.captured += u64::from(still);
            }
        }
    }

    /// A stream is lost: what was last sampled holds up to here and no further. Runs end, and what has not proved to be captured is not.
    pub fn interrupt(&mut self, at: i64) {
        let elapsed = self.hold_until(at);
        self.last = None;
        for runs in self.above.iter_mut().chain([&mut self.net]) {
            runs.add(false, elapsed);
        }
        self.pending.clear();
    }

    /// Weighs the last sample up to here; returns for how long it held.
    fn hold_until(&mut self, at: i64) -> u64 {
        let Some((before, mid_a, mid_b)) = self.last else { return 0 };
        let elapsed = u64::try_from(at - before).unwrap_or(0);
        // At most 2^63 ns × 2 × 10^18 counts: fits.
        *self.basis.entry(mid_a).or_default() += i128::from(elapsed) * (mid_b - mid_a);
        self.covered += elapsed;
        elapsed
    }

    /// The result.
    pub fn finish(self) -> Found {
        let nanos = self.first.map_or(0, |first| u64::try_from(self.end - first).unwrap_or(0));
        Found {
            nanos,
            sampled: self.first.is_some(),
            mean_basis_bps: (self.covered > 0).then(|| mean_bps(&self.basis, self.covered)),
            edge_max_bps: self.best.map(|(bid, ask)| edge_bps(bid, ask).to_decimals(BPS_DECIMALS)),
            above: self.above,
            net: self.net,
            captured: self.captured,
        }
    }
}

/// The larger of two edges, each as bid and ask.
fn larger(one: (i64, i64), other: (i64, i64)) -> (i64, i64) {
    let (left, right) = (i128::from(one.0) * i128::from(other.1), i128::from(other.0) * i128::from(one.1));
    if right > left { other } else { one }
}

/// `bid/ask − 1 > threshold`.
fn is_above((bid, ask): (i64, i64), threshold: i64) -> bool {
    (i128::from(bid) - i128::from(ask)) * i128::from(RATE_ONE) > i128::from(ask) * i128::from(threshold)
}

/// `bid × (1 − fee of the sale) > ask × (1 + fee of the purchase)`.
fn pays(bid: i64, sell_fee: i64, ask: i64, buy_fee: i64) -> bool {
    i128::from(bid) * i128::from(RATE_ONE - sell_fee) > i128::from(ask) * i128::from(RATE_ONE + buy_fee)
}

/// `bid/ask − 1` in basis points.
fn edge_bps(bid: i64, ask: i64) -> Ratio {
    Ratio::of((i128::from(bid) - i128::from(ask)) * BPS_ONE, i128::from(ask).unsigned_abs())
}

/// The sum of `weighted ÷ mid` over `basis`, divided by `nanos`, in basis points, rounded half to even.
///
/// The sum of thousands of fractions with different denominators is itself exact only in thousands of digits. It is bounded from
/// both sides instead, to 2^-128 a summand; when both bounds round alike, so does the sum. Otherwise it is added up exactly.
fn mean_bps(basis: &BTreeMap<i128, i128>, nanos: u64) -> String {
    let (mut whole, mut high, mut low, mut inexact) = (Ratio::zero(), 0u128, 0u128, 0u128);
    for (mid, weighted) in basis {
        whole = whole.plus(&Ratio::of(weighted.div_euclid(*mid), 1));
        // `mid` is below 2^62, so a remainder shifted by 64 bits fits.
        let (mid, rest) = (mid.unsigned_abs(), weighted.rem_euclid(*mid).unsigned_abs());
        let (first, rest) = ((rest << 64) / mid, (rest << 64) % mid);
        let (second, rest) = ((rest << 64) / mid, (rest << 64) % mid);
        high += first;
        low += second;
        inexact += u128::from(rest != 0);
    }
    let unit = BigUint::from(1u128 << 64);
    let scaled = |low: u128| {
        let fraction = BigUint::from(high) * &unit + low;
        let fraction = Ratio::new(false, fraction, &unit * &unit).expect("Invariant: a power of two is not zero");
        per_time(&whole.plus(&fraction), nanos).to_decimals(BPS_DECIMALS)
    };
    let (floor, ceiling) = (scaled(low), scaled(low + inexact));
    if floor == ceiling { floor } else { per_time(&exact_sum(basis), nanos).to_decimals(BPS_DECIMALS) }
}

fn per_time(sum: &Ratio, nanos: u64) -> Ratio {
    sum.times(&Ratio::of(BPS_ONE, u128::from(nanos)))
}

/// Halves are added first, so that large denominators meet only once.
fn exact_sum(basis: &BTreeMap<i128, i128>) -> Ratio {
    let mut sums: Vec<Ratio> = basis.iter().map(|(mid, weighted)| Ratio::of(*weighted, mid.unsigned_abs())).collect();
    while sums.len() > 1 {
        sums = sums.chunks(2).map(|two| two.iter().skip(1).fold(two[0].clone(), |a, b| a.plus(b))).collect();
    }
    sums.pop().unwrap_or_else(Ratio::zero)
}

#[cfg(test)]
#[path = "meter_tests.rs"]
mod tests;
