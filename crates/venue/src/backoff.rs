//! Waits that grow and are spread out: for reconnects and repeated reads of any venue.

/// Reproducible jitter (splitmix64): not random in any other sense.
#[derive(Clone, Copy, Debug)]
pub struct Jitter(u64);

impl Jitter {
    /// A generator that gives the same waits for the same seed.
    pub const fn new(seed: u64) -> Jitter {
        Jitter(seed)
    }

    /// Between half of `nanos` and all of it.
    pub fn spread(&mut self, nanos: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        nanos / 2 + z % (nanos / 2 + 1)
    }
}

/// `first`, doubled with every attempt up to `most`.
pub fn backoff_ns(first: u64, most: u64, attempt: u32) -> u64 {
    first.saturating_mul(1u64 << attempt.min(32)).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_their_bound_and_are_spread_within_half() {
        assert_eq!([0, 1, 2, 3, 40].map(|attempt| backoff_ns(100, 500, attempt)), [100, 200, 400, 500, 500]);
        let (mut one, mut other) = (Jitter::new(7), Jitter::new(7));
        let waits: Vec<u64> = (0..100).map(|_| one.spread(1000)).collect();
        assert!(waits.iter().all(|w| (500..=1000).contains(w)));
        assert!(waits.windows(2).any(|two| two[0] != two[1]));
        assert_eq!(waits[0], other.spread(1000));
    }
}
