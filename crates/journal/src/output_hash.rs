//! A running SHA-256 over everything the engine decided: equal hashes mean equal runs.

use crate::codec::put_command;
use domain::Command;
use sha2::{Digest, Sha256};
use std::fmt;

/// Running hash of encoded commands, in the order in which they left the engine. `BatchEnd` records keep its value, so replay
/// finds the first batch that differs.
#[derive(Clone, Debug)]
pub struct OutputHash {
    hash: Sha256,
    scratch: Vec<u8>,
}

impl Default for OutputHash {
    fn default() -> OutputHash {
        OutputHash::new()
    }
}

impl OutputHash {
    /// The hash of no command.
    pub fn new() -> OutputHash {
        OutputHash { hash: Sha256::new(), scratch: Vec::with_capacity(256) }
    }

    /// Adds one command. Allocates nothing once commands of this size were seen.
    pub fn update(&mut self, command: &Command) {
        self.scratch.clear();
        put_command(&mut self.scratch, command);
        // The length in front keeps the border between commands part of what is hashed.
        self.hash.update((self.scratch.len() as u32).to_le_bytes());
        self.hash.update(&self.scratch);
    }

    /// The hash of everything so far.
    pub fn value(&self) -> [u8; 32] {
        self.hash.clone().finalize().into()
    }
}

impl fmt::Display for OutputHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.value()))
    }
}

/// Lower-case hexadecimal, as `output_hash` is reported.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategies::one_of_each_command;

    #[test]
    fn order_and_content_matter() {
        let commands = one_of_each_command();
        let all = |commands: &[Command]| {
            let mut hash = OutputHash::new();
            commands.iter().for_each(|c| hash.update(c));
            hash.to_string()
        };
        let mut swapped = commands.clone();
        swapped.swap(0, 1);
        assert_eq!(all(&commands), all(&commands));
        assert_ne!(all(&commands), all(&swapped));
        assert_ne!(all(&commands), all(&commands[1..]));
        assert_eq!(all(&[]), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "SHA-256 of nothing");
    }
}
