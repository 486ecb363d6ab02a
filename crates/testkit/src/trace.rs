//! One number for everything that a run did, in order: equal for equal runs (I17).

/// A running 128-bit hash in the manner of FNV-1a. It finds accidents, not forgers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace(u128);

const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

impl Default for Trace {
    fn default() -> Trace {
        Trace(OFFSET)
    }
}

impl Trace {
    /// Adds what happened at a time. The kind and the length keep borders part of what is hashed.
    pub fn add(&mut self, t_ns: u64, kind: u8, bytes: &[u8]) {
        self.bytes(&t_ns.to_le_bytes());
        self.bytes(&[kind]);
        self.bytes(&(bytes.len() as u64).to_le_bytes());
        self.bytes(bytes);
    }

    /// Eight bytes at a time: a byte at a time would cost more than what it hashes. The last ones are filled up with zeros, which the length
    /// in front tells from bytes.
    fn bytes(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            self.word(u64::from_le_bytes(last));
        }
    }

    fn word(&mut self, word: u64) {
        // The rotation brings high bits down, where the product alone would never carry them.
        self.0 = (self.0 ^ u128::from(word)).wrapping_mul(PRIME).rotate_left(59);
    }

    /// The hash of everything so far.
    pub const fn value(self) -> u128 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_time_kind_and_borders_matter() {
        let of = |parts: &[(u64, u8, &str)]| {
            let mut trace = Trace::default();
            parts.iter().for_each(|(t, kind, text)| trace.add(*t, *kind, text.as_bytes()));
            trace.value()
        };
        let base = of(&[(1, 2, "ab"), (3, 4, "c")]);
        assert_eq!(base, of(&[(1, 2, "ab"), (3, 4, "c")]));
        for other in [
            of(&[(3, 4, "c"), (1, 2, "ab")]),
            of(&[(1, 2, "a"), (3, 4, "bc")]),
            of(&[(2, 2, "ab"), (3, 4, "c")]),
            of(&[(1, 3, "ab"), (3, 4, "c")]),
        ] {
            assert_ne!(base, other);
        }
    }
}
