//! Inputs for the smoke test: seeds, changed a little, by a small generator. The same seed gives the same inputs for ever.

/// Texts that parsers trip over.
const WORDS: &[&[u8]] = &[
    b"0",
    b"-1",
    b"1e309",
    b"NaN",
    b"null",
    b"\"\"",
    b"[]",
    b"{}",
    b"9223372036854775807",
    b"9223372036854775808",
    b"18446744073709551615",
    b"340282366920938463463374607431768211456",
    b"0.000000000000000000001",
    b"\\u0000",
    b"\xff",
    b"\xc3\xa9",
    b"[[[[[[[[[[[[[[[[",
    b"true",
    b"\"",
    b",",
    b":",
    b"1.",
    b"e-9",
    b"t-",
    b"\r\n",
    b"\x1b[31m",
];

/// A small generator.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Seeded.
    pub const fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `sides`, which is above zero.
    pub fn below(&mut self, sides: usize) -> usize {
        (self.roll() % sides as u64) as usize
    }
}

/// One input: a seed with up to eight changes, or now and then bytes without any model. At most `bytes_max` long.
pub fn input(dice: &mut Dice, seeds: &[Vec<u8>], bytes_max: usize) -> Vec<u8> {
    if seeds.is_empty() || dice.below(16) == 0 {
        return (0..dice.below(bytes_max + 1)).map(|_| dice.roll() as u8).collect();
    }
    let mut bytes = seeds[dice.below(seeds.len())].clone();
    for _ in 0..dice.below(9) {
        change(dice, &mut bytes, seeds);
    }
    bytes.truncate(bytes_max);
    bytes
}

fn change(dice: &mut Dice, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    let at = dice.below(bytes.len() + 1);
    let end = at + dice.below(bytes.len() - at + 1).min(32);
    match dice.below(9) {
        0 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << dice.below(8);
            }
        }
        1 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = dice.roll() as u8;
            }
        }
        2 => {
            bytes.drain(at..end);
        }
        3 => bytes.insert(at, dice.roll() as u8),
        4 => {
            bytes.splice(at..at, WORDS[dice.below(WORDS.len())].iter().copied());
        }
        5 => {
            bytes.splice(at..end, WORDS[dice.below(WORDS.len())].iter().copied());
        }
        6 => {
            let copy = bytes[at..end].to_vec();
            bytes.splice(at..at, copy);
        }
        7 => {
            let other = &seeds[dice.below(seeds.len())];
            let from = dice.below(other.len() + 1);
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
        _ => {
            // A digit becomes another: numbers stay numbers.
            if let Some(digit) = bytes.iter_mut().skip(at).find(|byte| byte.is_ascii_digit()) {
                *digit = b'0' + dice.below(10) as u8;
            }
        }
    }
}
