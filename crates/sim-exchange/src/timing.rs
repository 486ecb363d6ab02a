//! Times that venues take, drawn from a seed.
//!
//! Start at [`DelayRange`]. All times are nanoseconds. Everything random about a venue comes from its [`Jitter`], so that a run is a
//! function of its seed.

const MS: u64 = 1_000_000;

/// A processing time drawn evenly from `min_ns..=max_ns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DelayRange {
    /// Shortest.
    pub min_ns: u64,
    /// Longest; a value below `min_ns` counts as `min_ns`.
    pub max_ns: u64,
}

impl DelayRange {
    /// Always the same time.
    pub const fn fixed(ns: u64) -> DelayRange {
        DelayRange { min_ns: ns, max_ns: ns }
    }

    /// From `min_ms` to `max_ms` milliseconds.
    pub const fn millis(min_ms: u64, max_ms: u64) -> DelayRange {
        DelayRange { min_ns: min_ms * MS, max_ns: max_ms * MS }
    }
}

/// Processing times inside the venue, from arrival (or from the event) to departure.
///
/// An order takes effect when it arrives; the delays are those of what is said about it. With `private_stream` shorter
/// than `rest_order` a fill is told before its acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delays {
    /// Reply to a REST read.
    pub rest_read: DelayRange,
    /// Reply to placing or cancelling over REST.
    pub rest_order: DelayRange,
    /// Reply to a WebSocket request, pongs included.
    pub ws_reply: DelayRange,
    /// The gateway's receipt (`ack: true`) of an order sent over WebSocket.
    pub ws_ack: DelayRange,
    /// Final reply to an order, amendment or cancel over WebSocket: a shorter way than REST.
    pub ws_order: DelayRange,
    /// News of an order, after the event.
    pub orders_push: DelayRange,
    /// News of an execution, after the event.
    pub usertrades_push: DelayRange,
    /// News of a balance, after the event.
    pub balances_push: DelayRange,
    /// Push on public channels, after the event or the channel's tick.
    pub public_push: DelayRange,
}

impl Default for Delays {
    fn default() -> Delays {
        Delays {
            rest_read: DelayRange::millis(1, 3),
            rest_order: DelayRange::millis(2, 5),
            ws_reply: DelayRange::millis(1, 2),
            ws_ack: DelayRange { min_ns: 200_000, max_ns: 600_000 },
            ws_order: DelayRange { min_ns: 800_000, max_ns: 2 * MS },
            orders_push: DelayRange::millis(2, 6),
            usertrades_push: DelayRange::millis(2, 6),
            balances_push: DelayRange::millis(2, 8),
            public_push: DelayRange::fixed(MS / 2),
        }
    }
}

/// Seeded source of processing delays: SplitMix64, small and the same everywhere.
#[derive(Clone, Debug)]
pub(crate) struct Jitter {
    state: u64,
}

impl Jitter {
    /// Starts the sequence of `seed`.
    pub(crate) const fn new(seed: u64) -> Jitter {
        Jitter { state: seed }
    }

    /// The next 64 bits.
    pub(crate) fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// True in `per_mille` of 1000 cases.
    pub(crate) fn chance(&mut self, per_mille: u32) -> bool {
        self.next_u64() % 1_000 < u64::from(per_mille)
    }

    /// A time from `range`.
    pub(crate) fn draw(&mut self, range: DelayRange) -> u64 {
        let span = range.max_ns.saturating_sub(range.min_ns);
        let drawn = self.next_u64();
        if span == u64::MAX { drawn } else { range.min_ns + drawn % (span + 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_in_range_and_repeat_with_the_seed() {
        let range = DelayRange::millis(2, 5);
        let draw = |seed| {
            let mut jitter = Jitter::new(seed);
            (0..1_000).map(|_| jitter.draw(range)).collect::<Vec<u64>>()
        };
        let first = draw(7);
        assert!(first.iter().all(|ns| (range.min_ns..=range.max_ns).contains(ns)));
        assert_eq!(first, draw(7));
        assert_ne!(first, draw(8));
        assert_eq!(Jitter::new(1).draw(DelayRange::fixed(9)), 9);
    }
}
