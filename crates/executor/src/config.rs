//! What the executor is tuned by, as full effective values.

use domain::Rate;
use domain::time::{MILLI, SECOND};
use risk::Limits;

/// What a live book must keep to price anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookGates {
    /// Longest time since its last evidence, nanoseconds.
    pub age_max_ns: u64,
    /// Largest lag above normal, nanoseconds.
    pub lag_max_ns: u64,
    /// Whether a book is late until a frame of its connection was shown to be on time (`TrackedBook::is_late`).
    pub lag_must_be_known: bool,
    /// Largest distance of its mid from the other venues', as a fraction.
    pub collar: Rate,
}

/// Settings of one executor. Times are nanoseconds of the monotonic clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutorConfig {
    /// This instance's number in client order ids: an order that carries it is ours, also when no record of it is left.
    pub instance: u16,
    /// Server-side expiry assumed for an order found in the log after a restart: the old clock is gone, so it counts from the
    /// start of recovery.
    pub order_expiry_ns: u64,
    /// A sent order without any answer for this long is unknown.
    pub reply_timeout_ns: u64,
    /// How long after its expiry a venue may still hide an order from look-ups and lists (Gate staff: up to 10 s).
    pub visibility_window_ns: u64,
    /// How long stated balances may differ from the ledger before that is drift (Gate's accounts endpoint lags 20 to 30 s).
    pub balance_grace_ns: u64,
    /// Time between two periodic comparisons with the venue's lists.
    pub reconcile_period_ns: u64,
    /// Exposure above dust, or an unknown order, for longer than this pauses openings.
    pub unhedged_max_ns: u64,
    /// Highest cost of completing the deal on the under-filled leg's own venue.
    pub complete_cap: Rate,
    /// Highest cost of reversing on another venue.
    pub reverse_cap: Rate,
    /// Highest cost at which exposure is flattened anywhere, when neither of the others is to be had.
    pub flatten_cap: Rate,
    /// Time between two hedge attempts of one deal.
    pub hedge_pause_ns: u64,
    /// Which books price hedges. The engine keeps it at what its detector trusts books by.
    pub books: BookGates,
    /// How long hedging waits for a book that our own order has spent to come anew; then that venue counts as one without a book.
    pub spent_book_wait_ns: u64,
    /// No hedge's limit price may be further than this beyond the mids of the books that are trusted: far above what the caps
    /// allow, so that it stops wrong prices only.
    pub hedge_collar: Rate,
    /// Caps on hedges.
    pub limits: Limits,
    /// Settled orders and ids of booked executions are kept for so long before the last complete read of a pair's executions.
    pub history_kept_ns: u64,
    /// Only learn: unknown orders are resolved, missed executions booked and balances compared, but nothing is hedged or cancelled
    /// (`reconcile`).
    pub observe_only: bool,
}

impl ExecutorConfig {
    /// The defaults of everything that is not a limit: 500 ms expiry, 3 s to unknown, 10 s visibility, 30 s balance grace, 60 s
    /// between comparisons, 5 s unhedged, caps of 10, 10 and 50 bps, 250 ms between hedges, books up to 1 s old and
    /// 250 ms late within 5 % of each other, 300 ms for a spent book to come anew, a collar of 5 % around the trusted mids, an hour of history.
    pub fn with_limits(instance: u16, limits: Limits) -> ExecutorConfig {
        let bps = |n| Rate::from_bps(n).unwrap_or_default();
        ExecutorConfig {
            instance,
            order_expiry_ns: 500 * MILLI,
            reply_timeout_ns: 3 * SECOND,
            visibility_window_ns: 10 * SECOND,
            balance_grace_ns: 30 * SECOND,
            reconcile_period_ns: 60 * SECOND,
            unhedged_max_ns: 5 * SECOND,
            complete_cap: bps(10),
            reverse_cap: bps(10),
            flatten_cap: bps(50),
            hedge_pause_ns: 250 * MILLI,
            books: BookGates { age_max_ns: SECOND, lag_max_ns: 250 * MILLI, lag_must_be_known: false, collar: bps(500) },
            // Three frames of the slowest feed used for trading (100 ms): one shows what our order took, if anything does.
            spent_book_wait_ns: 300 * MILLI,
            hedge_collar: bps(500),
            limits,
            history_kept_ns: 3_600 * SECOND,
            observe_only: false,
        }
    }
}
