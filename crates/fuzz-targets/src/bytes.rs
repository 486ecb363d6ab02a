//! Choices out of bytes: what a target that needs numbers and not text reads. An exhausted input gives zeros, so every input means
//! something and a longer one only goes on.

/// Reads choices off the front of an input.
#[derive(Clone, Debug)]
pub struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    /// Of all of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Choices<'a> {
        Choices(bytes)
    }

    /// True when nothing is left.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((byte, rest)) => {
                self.0 = rest;
                *byte
            }
            None => 0,
        }
    }

    /// The next two bytes.
    pub fn short(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// The next eight bytes.
    pub fn long(&mut self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    /// A number below `count`.
    pub fn below(&mut self, count: u8) -> u8 {
        self.byte() % count
    }

    /// One of a list.
    pub fn one_of<'t, T>(&mut self, list: &'t [T]) -> &'t T {
        &list[usize::from(self.short()) % list.len()]
    }

    /// The next bytes, as many as a length before them says and there are.
    pub fn block(&mut self) -> &'a [u8] {
        let wanted = usize::from(self.short()) % 1024;
        self.take(wanted)
    }

    /// Up to `count` bytes.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Everything that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}
