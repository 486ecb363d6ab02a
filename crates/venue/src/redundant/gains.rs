//! How often each of two connections told a state of a book first, and by how much: plain counts, cheap enough for every frame.

/// Buckets an octave of nanoseconds: a quantile is right to a fifth.
const PARTS: u32 = 4;
const BUCKETS: usize = 64 * PARTS as usize;

/// Times by which one connection was ahead of the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gains {
    counts: Vec<u64>,
    count: u64,
}

impl Default for Gains {
    fn default() -> Gains {
        Gains { counts: vec![0; BUCKETS], count: 0 }
    }
}

impl Gains {
    /// Counts one.
    pub fn record(&mut self, nanos: u64) {
        if let Some(count) = self.counts.get_mut(bucket_of(nanos)) {
            *count += 1;
        }
        self.count += 1;
    }

    /// How many there are.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The time that so many of 1000 do not exceed, nanoseconds, rounded up to its bucket's end; `None` of none.
    pub fn quantile_ns(&self, per_mille: u64) -> Option<u64> {
        let rank = u128::from(self.count) * u128::from(per_mille.min(1000));
        let mut below = 0u128;
        let at = self.counts.iter().position(|count| {
            below += u128::from(*count) * 1000;
            below >= rank && below > 0
        });
        at.filter(|_| self.count > 0).map(end_of)
    }

    fn add(&mut self, other: &Gains) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
        self.count += other.count;
    }
}

/// What two connections of every public stream were worth.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedundancyStats {
    /// States that this connection told first and the other one later, by connection.
    pub ahead: [Gains; 2],
    /// Books that went on over one connection when the other one lost its trust in them, by the connection that lost it.
    pub covered: [u64; 2],
}

impl RedundancyStats {
    /// Adds another venue's counts, for a sum over all.
    pub fn add(&mut self, other: &RedundancyStats) {
        self.ahead.iter_mut().zip(&other.ahead).for_each(|(gains, more)| gains.add(more));
        self.covered.iter_mut().zip(&other.covered).for_each(|(count, more)| *count += more);
    }
}

/// The octave and which part of it, each part as wide as the others of its octave.
fn bucket_of(nanos: u64) -> usize {
    let octave = nanos.max(1).ilog2();
    let within = (u128::from(nanos.max(1) - (1 << octave)) * u128::from(PARTS)) >> octave;
    octave as usize * PARTS as usize + within as usize
}

/// Where a bucket ends, the end not in it; nanoseconds.
fn end_of(bucket: usize) -> u64 {
    let (octave, part) = (bucket / PARTS as usize, bucket % PARTS as usize);
    let end = (1u128 << octave) + ((1u128 << octave) * (part as u128 + 1)).div_ceil(u128::from(PARTS));
    u64::try_from(end).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_is_below_its_buckets_end_and_near_it() {
        for nanos in (0..64).flat_map(|octave| [1u64 << octave, (1u64 << octave) + (1u64 << octave) / 3, u64::MAX >> octave]) {
            let end = end_of(bucket_of(nanos));
            assert!(end > nanos || end == u64::MAX, "{nanos}: {end}");
            assert!(nanos < 8 || u128::from(end) <= u128::from(nanos) * 5 / 4 + 1, "{nanos}: {end}");
        }
        assert_eq!(bucket_of(0), bucket_of(1));
        assert!(bucket_of(u64::MAX) < BUCKETS);
    }

    #[test]
    fn quantiles_are_those_of_the_counts() {
        let mut gains = Gains::default();
        assert_eq!(gains.quantile_ns(500), None);
        for nanos in 1..=1000 {
            gains.record(nanos * 1_000);
        }
        let near = |per_mille: u64, expected: u64| {
            let found = gains.quantile_ns(per_mille).unwrap();
            assert!((expected..=expected * 5 / 4).contains(&found), "{per_mille}: {found}");
        };
        near(500, 500_000);
        near(990, 990_000);
        assert_eq!(gains.count(), 1000);
    }
}
