//! Names. Inside, venues, pairs and assets are dense indices handed out at start ([`crate::Tables`] maps them to names; every
//! log segment carries its table). Ids that venues hand out stay text.

use arrayvec::ArrayString;
use std::fmt;

/// A configured venue account, by position in the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VenueId(pub u8);

/// A configured pair (group of the same instrument on all venues), by position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PairId(pub u16);

/// An asset that some configured pair or fee uses, by position in the sorted table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AssetId(pub u16);

/// One deal (a plan of two legs and its hedges); counts up within an epoch, unique with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DealId(pub u64);

macro_rules! dense {
    ($($name:ident),*) => {$(
        impl $name {
            /// As an index into dense tables.
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}
dense!(VenueId, PairId, AssetId);

/// Longest id of ours or a venue's, in bytes.
pub const ID_BYTES_MAX: usize = 40;

/// A venue's id of an order, kept as text (Gate: a 64-bit integer as text).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VenueOrderId(pub ArrayString<ID_BYTES_MAX>);

/// A venue's id of one execution of one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TradeId(pub ArrayString<ID_BYTES_MAX>);

/// A venue's error label or a short reason, cut to fit; for people and logs, never for decisions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(pub ArrayString<ID_BYTES_MAX>);

macro_rules! text_id {
    ($($name:ident),*) => {$(
        impl $name {
            /// `None` when empty or longer than [`ID_BYTES_MAX`].
            pub fn new(text: &str) -> Option<$name> {
                if text.is_empty() { return None; }
                ArrayString::from(text).ok().map($name)
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.0.as_str())
            }
        }
    )*};
}
text_id!(VenueOrderId, TradeId);

impl Label {
    /// The first [`ID_BYTES_MAX`] bytes of `text` (on a character boundary), control characters replaced by `?`.
    pub fn cut(text: &str) -> Label {
        let mut label = ArrayString::new();
        for c in text.chars() {
            if label.try_push(if c.is_control() { '?' } else { c }).is_err() {
                break;
            }
        }
        Label(label)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.as_str())
    }
}

/// Our id of an order, unique for ever: 20 characters `[0-9a-z]` — instance 3, epoch 7, shard 1, counter 9. Connectors only
/// prefix it (`t-` on Gate).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientOrderId {
    instance: u16,
    epoch: u64,
    shard: u8,
    counter: u64,
}

/// 36^3: instances that fit three characters.
pub const INSTANCE_LIMIT: u16 = 46_656;
/// 36^7: epochs that fit seven characters (Unix seconds until the year 4453).
pub const EPOCH_LIMIT: u64 = 78_364_164_096;
/// 36^9: orders of one epoch.
pub const COUNTER_LIMIT: u64 = 101_559_956_668_416;

impl ClientOrderId {
    /// Characters of the text form.
    pub const LEN: usize = 20;

    /// `None` when a part does not fit its characters.
    pub const fn new(instance: u16, epoch: u64, shard: u8, counter: u64) -> Option<ClientOrderId> {
        if instance < INSTANCE_LIMIT && epoch < EPOCH_LIMIT && shard < 36 && counter < COUNTER_LIMIT {
            Some(ClientOrderId { instance, epoch, shard, counter })
        } else {
            None
        }
    }

    /// Which configured instance of crossgate placed it.
    pub const fn instance(self) -> u16 {
        self.instance
    }

    /// Which run of that instance.
    pub const fn epoch(self) -> u64 {
        self.epoch
    }

    /// Which engine of that run.
    pub const fn shard(self) -> u8 {
        self.shard
    }

    /// Which order of that run.
    pub const fn counter(self) -> u64 {
        self.counter
    }

    /// The 20 characters.
    pub fn to_text(self) -> ArrayString<20> {
        let mut bytes = [b'0'; ClientOrderId::LEN];
        let mut put = |from: usize, to: usize, mut value: u64| {
            for slot in bytes[from..to].iter_mut().rev() {
                *slot = b"0123456789abcdefghijklmnopqrstuvwxyz"[(value % 36) as usize];
                value /= 36;
            }
        };
        put(0, 3, u64::from(self.instance));
        put(3, 10, self.epoch);
        put(10, 11, u64::from(self.shard));
        put(11, 20, self.counter);
        let text = std::str::from_utf8(&bytes).unwrap_or_default();
        ArrayString::from(text).unwrap_or_default()
    }

    /// Back from the 20 characters; `None` for anything else (a foreign id).
    pub fn parse(text: &str) -> Option<ClientOrderId> {
        let bytes = text.as_bytes();
        if bytes.len() != ClientOrderId::LEN {
            return None;
        }
        let number = |from: usize, to: usize| {
            bytes.get(from..to)?.iter().try_fold(0u64, |sum, b| {
                let digit = match b {
                    b'0'..=b'9' => b - b'0',
                    b'a'..=b'z' => b - b'a' + 10,
                    _ => return None,
                };
                Some(sum * 36 + u64::from(digit))
            })
        };
        ClientOrderId::new(
            u16::try_from(number(0, 3)?).ok()?,
            number(3, 10)?,
            u8::try_from(number(10, 11)?).ok()?,
            number(11, 20)?,
        )
    }
}

impl fmt::Display for ClientOrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_of_others_are_foreign() {
        assert_eq!(ClientOrderId::parse("apiv4"), None);
        assert_eq!(ClientOrderId::parse("0010tnqjm1h000000OO1"), None);
        assert_eq!(ClientOrderId::parse(""), None);
    }

    proptest! {
        #[test]
        fn text_round_trips(instance in 0..INSTANCE_LIMIT, epoch in 0..EPOCH_LIMIT, shard in 0u8..36, counter in 0..COUNTER_LIMIT) {
            let id = ClientOrderId::new(instance, epoch, shard, counter).unwrap();
            prop_assert_eq!(ClientOrderId::parse(&id.to_text()), Some(id));
        }
    }
}
