//! The yardstick of decoding: simd-json turns the bytes into its tape, with reused buffers, and reads nothing out of it.

use simd_json::{Buffers, Tape};

/// A parser with reused buffers.
pub struct JsonAlone {
    buffers: Buffers,
    tape: Tape<'static>,
}

impl Default for JsonAlone {
    fn default() -> JsonAlone {
        JsonAlone { buffers: Buffers::default(), tape: Tape(Vec::new()) }
    }
}

impl JsonAlone {
    /// Parses `bytes`, scribbling on them. Returns how many nodes the tape holds.
    ///
    /// # Panics
    /// When they are not JSON.
    pub fn parse(&mut self, bytes: &mut [u8]) -> usize {
        let mut tape = std::mem::replace(&mut self.tape, Tape(Vec::new())).reset();
        simd_json::fill_tape(bytes, &mut self.buffers, &mut tape).expect("every frame is JSON");
        let nodes = tape.0.len();
        self.tape = tape.reset();
        nodes
    }
}
