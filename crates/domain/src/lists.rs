//! The closed lists of `docs/interface.md`. A new value is added there first. Each has `ALL` (in contract order) and `as_str`.

macro_rules! closed_list {
    ($(#[$doc:meta])* $name:ident { $($(#[$item_doc:meta])* $item:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$item_doc])* #[doc = concat!("`", $text, "`")] $item),* }

        impl $name {
            /// Every value, in the order of the contract.
            pub const ALL: &'static [$name] = &[$($name::$item),*];

            /// The contract's spelling.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$item => $text),* }
            }

            /// The value with this position in [`Self::ALL`].
            pub fn from_index(index: u8) -> Option<$name> {
                Self::ALL.get(index as usize).copied()
            }

            /// Back from the contract's spelling.
            pub fn parse(text: &str) -> Option<$name> {
                Self::ALL.iter().copied().find(|v| v.as_str() == text)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

closed_list! {
    /// What became of an opportunity: `traded`, or the first gate that failed at its best net. The order of this list is the
    /// order in which gates are tried.
    Verdict {
        Traded = "traded",
        NotTradableKind = "not_tradable_kind",
        QuoteDiffers = "quote_differs",
        Untrusted = "untrusted",
        LegLagging = "leg_lagging",
        LegSkew = "leg_skew",
        BelowFees = "below_fees",
        BelowMinEdge = "below_min_edge",
        MinSize = "min_size",
        Balance = "balance",
        InventoryFloor = "inventory_floor",
        Limit = "limit",
        RateBudget = "rate_budget",
        Frozen = "frozen",
        Paused = "paused",
        Latched = "latched",
        LogLag = "log_lag",
    }
}

closed_list! {
    /// Why a frame was refused.
    FrameReject {
        NotJson = "not_json",
        UnknownShape = "unknown_shape",
        MissingField = "missing_field",
        BadNumber = "bad_number",
        OutOfRange = "out_of_range",
        UnknownPair = "unknown_pair",
        Unsorted = "unsorted",
        TooLarge = "too_large",
        TooDeep = "too_deep",
        NotUtf8 = "not_utf8",
        VenueError = "venue_error",
    }
}

closed_list! {
    /// Why a book lost trust and is fetched anew.
    ResyncReason {
        Gap = "gap",
        Crossed = "crossed",
        SnapshotStale = "snapshot_stale",
        Overflow = "overflow",
        Reconnect = "reconnect",
        Paused = "paused",
        Unserved = "unserved",
        Scale = "scale",
        Audit = "audit",
        ResetByVenue = "reset_by_venue",
    }
}

closed_list! {
    /// How an order ended, or that it is not known.
    OrderOutcome {
        Filled = "filled",
        PartlyFilled = "partly_filled",
        Cancelled = "cancelled",
        Refused = "refused",
        Expired = "expired",
        Unknown = "unknown",
        Absent = "absent",
        NotSent = "not_sent",
    }
}

closed_list! {
    /// Strength of a stop.
    StopKind {
        /// Pair or venue; clears itself.
        Freeze = "freeze",
        /// No openings; clears on its condition.
        Pause = "pause",
        /// Only a person clears it.
        Latch = "latch",
    }
}

closed_list! {
    /// Why trading is stopped.
    StopReason {
        Operator = "operator",
        File = "file",
        Signal = "signal",
        UnknownOrder = "unknown_order",
        UnhedgedTime = "unhedged_time",
        Exposure = "exposure",
        DailyLoss = "daily_loss",
        RepeatThrottle = "repeat_throttle",
        OrdersOutOfProportion = "orders_out_of_proportion",
        LedgerDrift = "ledger_drift",
        ForeignActivity = "foreign_activity",
        UnknownFill = "unknown_fill",
        FeeDrift = "fee_drift",
        StateLog = "state_log",
        QueueFull = "queue_full",
        StreamUnproven = "stream_unproven",
        VenueBanned = "venue_banned",
        VenueMaintenance = "venue_maintenance",
        ClockSkew = "clock_skew",
        RulesChanged = "rules_changed",
        Disk = "disk",
        InstanceLock = "instance_lock",
        Panic = "panic",
        KeyRefused = "key_refused",
    }
}

closed_list! {
    /// Classes of venue error answers, the same for all venues (`exchanges/README.md` §6).
    ErrorClass {
        InsufficientFunds = "InsufficientFunds",
        UnknownOrder = "UnknownOrder",
        DuplicateClientId = "DuplicateClientId",
        RateLimited = "RateLimited",
        ClockSkew = "ClockSkew",
        FilterReject = "FilterReject",
        SymbolClosed = "SymbolClosed",
        AuthFatal = "AuthFatal",
        Unknown = "Unknown",
    }
}

closed_list! {
    /// How a deal whose legs ended unequal was evened out: the strongest rung of the ladder that executed anything.
    Unwind {
        /// On the under-filled leg's own venue, within the cap for it.
        Completed = "completed",
        /// On another venue, within the cap for it.
        Reversed = "reversed",
        /// Anywhere by the book, only within the flatten cap.
        Flattened = "flattened",
        /// At the flatten cap's price without a book to be trusted.
        Blind = "blind",
    }
}

closed_list! {
    /// Direction of an order or a fill.
    Side {
        Buy = "buy",
        Sell = "sell",
    }
}

impl Side {
    /// The other one.
    pub const fn opposite(self) -> Side {
        match self {
            Side::Buy => Side::Sell,
            Side::Sell => Side::Buy,
        }
    }
}

closed_list! {
    /// What a connection to a venue is for.
    LinkRole {
        Public = "public",
        Private = "private",
        OrderEntry = "order_entry",
        Rest = "rest",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_round_trips_and_is_unique() {
        for v in Verdict::ALL {
            assert_eq!(Verdict::parse(v.as_str()), Some(*v));
            assert_eq!(Verdict::from_index(*v as u8), Some(*v));
        }
        assert_eq!(Verdict::ALL.len(), 17);
        assert_eq!(StopReason::ALL.len(), 24);
        assert_eq!(Verdict::from_index(17), None);
    }
}
