//! Binary encoding of what the logs keep: explicit little-endian, length-bounded, versioned. Pure: no I/O, no clock.
//!
//! Promises: `get_x(put_x(v)) == v` for every value; decoding is total (any bytes give a value or a [`CodecError`], never a
//! panic) and never allocates beyond a small multiple of the bytes it was given. Start at [`put_input`] and [`get_input`].
//!
//! Integers are fixed width; a `bool` and an `Option` mark is one byte, 0 or 1; a text is its length (`u32`; `u8` for ids and
//! labels) and its UTF-8; a list is its length (`u32`) and its items; an enum is its tag (`u8`) and its fields in the order of
//! their declaration. The closed lists of `domain::lists` are encoded by position.
//!
//! Any change of what is written raises [`CODEC_VERSION`]; appending a value to a closed list does not.

mod checkpoint;
mod command;
mod input;
mod tables;
pub(crate) mod wire;

pub use wire::Reader;

use domain::{Command, Input, NewOrder, Tables};
use wire::Wire;

/// Version of the encoding, kept in the header of every log and tape.
pub const CODEC_VERSION: u16 = 3;

/// Why bytes are no encoded value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The bytes end too early.
    #[error("the bytes end inside a value: {wanted} wanted, {left} left")]
    Short {
        /// Bytes that the value needs.
        wanted: usize,
        /// Bytes that are there.
        left: usize,
    },
    /// An enum's tag means nothing in this version.
    #[error("the tag {tag} means nothing for {what}")]
    Tag {
        /// Which type.
        what: &'static str,
        /// The byte read.
        tag: u8,
    },
    /// A number or text is outside the range of its type.
    #[error("{what} is out of its range")]
    Range {
        /// Which type.
        what: &'static str,
    },
    /// A text is not UTF-8.
    #[error("a text is not UTF-8")]
    NotUtf8,
    /// The value ended before the bytes did.
    #[error("{count} bytes are left over after the value")]
    Trailing {
        /// How many.
        count: usize,
    },
    /// Written by another version of crossgate.
    #[error("written in version {found} of the format; this build reads version {CODEC_VERSION}")]
    Version {
        /// The version read.
        found: u16,
    },
}

/// Appends the encoding of `input`.
pub fn put_input(out: &mut Vec<u8>, input: &Input) {
    input.put(out);
}

/// Reads one input.
///
/// # Errors
/// [`CodecError`] when the bytes are none.
pub fn get_input(reader: &mut Reader<'_>) -> Result<Input, CodecError> {
    Input::get(reader)
}

/// Appends the encoding of `command`.
pub fn put_command(out: &mut Vec<u8>, command: &Command) {
    command.put(out);
}

/// Reads one command.
///
/// # Errors
/// [`CodecError`] when the bytes are none.
pub fn get_command(reader: &mut Reader<'_>) -> Result<Command, CodecError> {
    Command::get(reader)
}

/// Appends the encoding of `order`.
pub fn put_order(out: &mut Vec<u8>, order: &NewOrder) {
    order.put(out);
}

/// Reads one order.
///
/// # Errors
/// [`CodecError`] when the bytes are none.
pub fn get_order(reader: &mut Reader<'_>) -> Result<NewOrder, CodecError> {
    NewOrder::get(reader)
}

/// Appends the encoding of `tables`.
pub fn put_tables(out: &mut Vec<u8>, tables: &Tables) {
    tables.put(out);
}

/// Reads tables.
///
/// # Errors
/// [`CodecError`] when the bytes are none.
pub fn get_tables(reader: &mut Reader<'_>) -> Result<Tables, CodecError> {
    Tables::get(reader)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategies;
    use proptest::prelude::*;
    use sha2::{Digest, Sha256};

    #[track_caller]
    fn back<T>(bytes: &[u8], get: impl Fn(&mut Reader<'_>) -> Result<T, CodecError>) -> T {
        let mut reader = Reader::new(bytes);
        let value = get(&mut reader).unwrap();
        reader.finish().unwrap();
        value
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn inputs_round_trip(input in strategies::input()) {
            let mut bytes = Vec::new();
            put_input(&mut bytes, &input);
            prop_assert_eq!(back(&bytes, get_input), input);
        }

        #[test]
        fn a_cut_input_is_refused(input in strategies::input()) {
            let mut bytes = Vec::new();
            put_input(&mut bytes, &input);
            for end in 0..bytes.len() {
                let short = get_input(&mut Reader::new(&bytes[..end]));
                prop_assert!(matches!(short, Err(CodecError::Short { .. })), "{end} of {}: {short:?}", bytes.len());
            }
        }

        #[test]
        fn commands_round_trip(command in strategies::command()) {
            let mut bytes = Vec::new();
            put_command(&mut bytes, &command);
            prop_assert_eq!(back(&bytes, get_command), command);
        }

        #[test]
        fn tables_round_trip(tables in strategies::tables()) {
            let mut bytes = Vec::new();
            put_tables(&mut bytes, &tables);
            prop_assert_eq!(back(&bytes, get_tables), tables);
        }

        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            // Whatever decodes must encode back into the bytes it was read from: there is one encoding of each value.
            let mut reader = Reader::new(&bytes);
            if let Ok(input) = get_input(&mut reader) {
                let mut again = Vec::new();
                put_input(&mut again, &input);
                prop_assert_eq!(&again[..], &bytes[..bytes.len() - reader.left()]);
            }
            let mut reader = Reader::new(&bytes);
            if let Ok(command) = get_command(&mut reader) {
                let mut again = Vec::new();
                put_command(&mut again, &command);
                prop_assert_eq!(&again[..], &bytes[..bytes.len() - reader.left()]);
            }
            let _ = get_tables(&mut Reader::new(&bytes));
        }
    }

    #[test]
    fn a_list_longer_than_its_bytes_is_refused_before_it_is_allocated() {
        let mut bytes = Vec::new();
        put_tables(&mut bytes, &Tables::default());
        bytes[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(get_tables(&mut Reader::new(&bytes)), Err(CodecError::Short { .. })));
    }

    /// The format as it is written on disk. When this fails, old logs can no longer be read: raise [`CODEC_VERSION`].
    #[test]
    fn the_encoding_is_the_one_of_this_version() {
        let mut hash = Sha256::new();
        let mut bytes = Vec::new();
        for input in strategies::one_of_each_input() {
            bytes.clear();
            put_input(&mut bytes, &input);
            hash.update(&bytes);
        }
        for command in strategies::one_of_each_command() {
            bytes.clear();
            put_command(&mut bytes, &command);
            hash.update(&bytes);
        }
        bytes.clear();
        put_tables(&mut bytes, &strategies::some_tables());
        hash.update(&bytes);
        let digest: [u8; 32] = hash.finalize().into();
        assert_eq!(crate::output_hash::hex(&digest), "ad24f94a83ba5faf7bc27ef139bef6c1b9466567b7c3c327320ff90ec6c3cb64");
    }
}
