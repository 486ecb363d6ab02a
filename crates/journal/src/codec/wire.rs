//! The primitives of the encoding and the macros that derive both directions of a type from one list of its fields, so that
//! writer and reader cannot disagree.

use super::CodecError;
use arrayvec::{ArrayString, ArrayVec};

/// Reads encoded values off the front of a byte slice.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader of all of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes }
    }

    /// Bytes not yet read.
    pub const fn left(&self) -> usize {
        self.bytes.len()
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// [`CodecError::Short`] when fewer are left.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], CodecError> {
        match self.bytes.split_at_checked(count) {
            Some((taken, rest)) => {
                self.bytes = rest;
                Ok(taken)
            }
            None => Err(CodecError::Short { wanted: count, left: self.bytes.len() }),
        }
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// [`CodecError::Short`] when fewer are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        match self.bytes.split_first_chunk::<N>() {
            Some((taken, rest)) => {
                self.bytes = rest;
                Ok(*taken)
            }
            None => Err(CodecError::Short { wanted: N, left: self.bytes.len() }),
        }
    }

    /// Checks that everything was read.
    ///
    /// # Errors
    /// [`CodecError::Trailing`] when bytes are left.
    pub const fn finish(&self) -> Result<(), CodecError> {
        match self.bytes.len() {
            0 => Ok(()),
            count => Err(CodecError::Trailing { count }),
        }
    }
}

/// A type with one encoding.
pub(crate) trait Wire: Sized {
    /// Appends the encoding.
    fn put(&self, out: &mut Vec<u8>);
    /// Reads one value.
    fn get(reader: &mut Reader<'_>) -> Result<Self, CodecError>;
}

macro_rules! integers {
    ($($int:ty),*) => {$(
        impl Wire for $int {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            fn get(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
                Ok(<$int>::from_le_bytes(reader.array()?))
            }
        }
    )*};
}
integers!(u8, u16, u32, u64, i64, i128);

impl Wire for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
    fn get(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        match u8::get(reader)? {
            0 => Ok(false),
            1 => Ok(true),
            tag => Err(CodecError::Tag { what: "bool", tag }),
        }
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            None => out.push(0),
            Some(value) => {
                out.push(1);
                value.put(out);
            }
        }
    }
    fn get(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        match u8::get(reader)? {
            0 => Ok(None),
            1 => Ok(Some(T::get(reader)?)),
            tag => Err(CodecError::Tag { what: "Option", tag }),
        }
    }
}

/// Length of a list or text as it is written. Records are bounded far below `u32::MAX` where they are framed.
fn put_length(out: &mut Vec<u8>, length: usize) {
    u32::try_from(length).unwrap_or(u32::MAX).put(out);
}

/// A written length, no larger than the bytes that are left.
fn get_length(reader: &mut Reader<'_>) -> Result<usize, CodecError> {
    let length = u32::get(reader)? as usize;
    if length > reader.left() { Err(CodecError::Short { wanted: length, left: reader.left() }) } else { Ok(length) }
}

impl<T: Wire> Wire for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        put_length(out, self.len());
        for item in self {
            item.put(out);
        }
    }
    fn get(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let length = get_length(reader)?;
        // Every item takes at least a byte, but a lying length must not reserve more than the bytes that stand behind it.
        let mut items = Vec::with_capacity(length.min(reader.left() / size_of::<T>().max(1)));
        for _ in 0..length {
            items.push(T::get(reader)?);
        }
        Ok(items)
    }
}

impl<T: Wire, const N: usize> Wire for ArrayVec<T, N> {
    fn put(&self, out: &mut Vec<u8>) {
        const { assert!(N <= u8::MAX as usize) };
        out.push(self.len() as u8);
        for item in self {
            item.put(out);
        }
    }
    fn get(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let length = u8::get(reader)?;
        let mut items = ArrayVec::new();
        for _ in 0..length {
            items.try_push(T::get(reader)?).map_err(|_| CodecError::Range { what: "ArrayVec" })?;
        }
        Ok(items)
    }
}

impl<const N: usize> Wire for ArrayString<N> {
    fn put(&self, out: &mut Vec<u8>) {
        const { assert!(N <= u8::MAX as usize) };
        out.push(self.len() as u8);
        out.extend_from_slice(self.as_bytes());
    }
    fn get(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let length = usize::from(u8::get(reader)?);
        let text = std::str::from_utf8(reader.take(length)?).map_err(|_| CodecError::NotUtf8)?;
        ArrayString::from(text).map_err(|_| CodecError::Range { what: "ArrayString" })
    }
}

impl Wire for String {
    fn put(&self, out: &mut Vec<u8>) {
        put_length(out, self.len());
        out.extend_from_slice(self.as_bytes());
    }
    fn get(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let length = get_length(reader)?;
        std::str::from_utf8(reader.take(length)?).map(String::from).map_err(|_| CodecError::NotUtf8)
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }
    fn get(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok((A::get(reader)?, B::get(reader)?))
    }
}

impl<A: Wire, B: Wire, C: Wire> Wire for (A, B, C) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
        self.2.put(out);
    }
    fn get(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok((A::get(reader)?, B::get(reader)?, C::get(reader)?))
    }
}

impl Wire for [u8; 32] {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
    fn get(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        reader.array()
    }
}

/// A tuple struct of one public field.
macro_rules! wire_newtype {
    ($($name:ident),* $(,)?) => {$(
        impl Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                self.0.put(out);
            }
            fn get(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
                Ok($name(Wire::get(reader)?))
            }
        }
    )*};
}

/// A checked number: written by `$units`, read back by `$from`, which refuses what is out of range.
macro_rules! wire_checked {
    ($($name:ident: $units:ident / $from:ident),* $(,)?) => {$(
        impl Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                self.$units().put(out);
            }
            fn get(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
                $name::$from(Wire::get(reader)?).ok_or(CodecError::Range { what: stringify!($name) })
            }
        }
    )*};
}

/// A closed list: by position.
macro_rules! wire_list {
    ($($name:ident),* $(,)?) => {$(
        impl Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                out.push(*self as u8);
            }
            fn get(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
                let tag = u8::get(reader)?;
                $name::from_index(tag).ok_or(CodecError::Tag { what: stringify!($name), tag })
            }
        }
    )*};
}

/// A struct: its fields in the given order. The pattern names every field, so a new one does not compile until it is written.
macro_rules! wire_struct {
    ($name:ident { $($field:ident),* $(,)? }) => {
        impl Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                let $name { $($field),* } = self;
                $($field.put(out);)*
            }
            fn get(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
                $(let $field = Wire::get(reader)?;)*
                Ok($name { $($field),* })
            }
        }
    };
}

/// An enum: tag, then fields. Unit variants are written `Name {}`, tuple variants `Name { 0: it }`.
macro_rules! wire_enum {
    ($name:ident { $($tag:literal => $variant:ident { $($field:tt : $bound:ident),* }),* $(,)? }) => {
        impl Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $($name::$variant { $($field: $bound),* } => {
                        out.push($tag);
                        $($bound.put(out);)*
                    })*
                }
            }
            fn get(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
                match u8::get(reader)? {
                    $($tag => {
                        $(let $bound = Wire::get(reader)?;)*
                        Ok($name::$variant { $($field: $bound),* })
                    })*
                    tag => Err(CodecError::Tag { what: stringify!($name), tag }),
                }
            }
        }
    };
}

pub(crate) use {wire_checked, wire_enum, wire_list, wire_newtype, wire_struct};
