//! Reproducible chance for the tests of real processes: the seed is printed, the instants it draws are real time and so are not.

use std::time::Duration;

/// splitmix64.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// The same seed draws the same numbers.
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// Any 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Any order of them, all alike.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, (self.next() % (last as u64 + 1)) as usize);
        }
    }

    /// From `least` to `most`, every microsecond alike.
    pub(crate) fn even(&mut self, least: Duration, most: Duration) -> Duration {
        let (least, most) = (micros(least), micros(most));
        Duration::from_micros(least + self.next() % (most - least + 1))
    }

    /// From `least` to `most`, every doubling alike: short times are as likely as long ones.
    pub(crate) fn doubling(&mut self, least: Duration, most: Duration) -> Duration {
        let (mut least, most) = (micros(least).max(1), micros(most));
        let doublings = (most / least).ilog2() + 1;
        least <<= self.next() % u64::from(doublings);
        self.even(Duration::from_micros(least), Duration::from_micros((least * 2).min(most).max(least)))
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).expect("a short time")
}

/// A number from the environment, or what CI uses.
#[track_caller]
pub(crate) fn setting(name: &str, otherwise: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is a whole number, not {text:?}")),
        Err(_) => otherwise,
    }
}
