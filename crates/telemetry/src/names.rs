//! Every metric crossgate shows. Prefix `crossgate_`, base units in the name, counters end in `_total`. The list is a contract
//! (`docs/interface.md`): a rename is a line in the changelog.

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Any value.
    Gauge,
    /// Buckets, sum and count.
    Histogram,
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Full name.
    pub name: &'static str,
    /// Kind.
    pub kind: MetricKind,
    /// One sentence.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($kind:ident $constant:ident $name:literal $help:literal),* $(,)?) => {
        $(#[doc = $help] pub const $constant: &str = concat!("crossgate_", $name);)*
        /// Every metric, in the order of the contract.
        pub const METRICS: &[Metric] = &[$(Metric { name: $constant, kind: MetricKind::$kind, help: $help }),*];
    };
}

metrics! {
    Gauge BUILD_INFO "build_info" "Version and commit of this binary, as labels; always 1.",
    Gauge UP "up" "1 while the engine runs.",
    Counter FRAMES "frames_total" "Frames received from a venue.",
    Counter FRAMES_REJECTED "frames_rejected_total" "Frames refused, by reason.",
    Gauge BOOK_AGE "book_age_seconds" "Time since the last evidence of a book.",
    Gauge BOOK_TRUSTED "book_trusted" "1 while a book may be traded on.",
    Counter BOOK_RESYNCS "book_resyncs_total" "Books fetched anew, by reason.",
    Counter BOOK_UPDATES "book_updates_total" "Book updates taken by the engine.",
    Histogram STAGE "stage_seconds" "Time spent per stage of the hot path.",
    Histogram TICK_TO_ORDER "tick_to_order_seconds" "Frame complete in the buffer to order bytes handed over; orders only.",
    Histogram ORDER_ROUND_TRIP "order_round_trip_seconds" "Order handed over to its reply.",
    Counter ORDERS "orders_total" "Orders that ended, by outcome.",
    Gauge ORDERS_UNKNOWN "orders_unknown" "Orders whose outcome is not known now.",
    Counter OPPORTUNITIES "opportunities_total" "Opportunities that ended, by verdict.",
    Gauge EDGE "edge_bps" "Best gross edge of a pair at the last tick, before costs; NaN while no two venues have live books of it.",
    Gauge CAPTURED "captured_ratio" "Deals over opportunities that were net-positive.",
    Histogram LEG_SKEW "leg_skew_seconds" "Time between the first executions of a deal's two legs.",
    Gauge UNHEDGED "unhedged_notional" "Worst-case unhedged value, in quote.",
    Counter UNHEDGED_SECONDS "unhedged_seconds_total" "Time with unhedged exposure above dust.",
    Counter UNWINDS "unwinds_total" "Deals whose unequal legs hedges evened out, by how.",
    Histogram UNWIND_COST "unwind_cost_bps" "Cost of a deal's hedges against its own reference price; negative when they earned.",
    Gauge BALANCE "balance" "Total balance per asset, by the engine's ledger.",
    Gauge RESERVED "reserved" "Balance held by our own open orders.",
    Counter FEES "fees_total" "Fees charged, per asset.",
    Counter FEE_DRIFT "fee_drift_total" "Fills whose fee was not the predicted one.",
    Gauge PNL "pnl_quote" "Profit so far in the quote asset, or of several in the reference; base changes marked at mid.",
    Gauge RATE_USED "rate_limit_used_ratio" "Used share of the tightest rate limit.",
    Counter RECONNECTS "reconnects_total" "Connections lost, by reason.",
    Counter REDUNDANT_FIRST "redundant_first_total" "States of books that this of two connections told first.",
    Counter REDUNDANT_COVERED "redundant_covered_total" "Books that this of two connections lost while the other one went on.",
    Gauge REDUNDANT_GAIN "redundant_gain_seconds" "How much earlier the second connection told what it told first, by quantile.",
    Gauge HALTED "halted" "1 for each pause or latch in force, by reason.",
    Counter ALERTS "alerts_total" "Alerts raised, by outcome: paged, for information, or lost before the alerts file.",
    Gauge JOURNAL_LAG "journal_lag_records" "Sequence numbers between what was logged and what is safe: state log not yet synced, market log not yet written.",
    Gauge QUEUE_DEPTH "queue_depth" "Entries waiting in a queue, by stage.",
    Gauge CLOCK_OFFSET "clock_offset_seconds" "Venue clock minus ours.",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_contract() {
        for metric in METRICS {
            assert!(metric.name.starts_with("crossgate_"));
            assert_eq!(metric.name.ends_with("_total"), metric.kind == MetricKind::Counter, "{}", metric.name);
            assert!(metric.help.ends_with('.') && metric.help.len() > 10);
        }
        let mut names: Vec<_> = METRICS.iter().map(|m| m.name).collect();
        names.dedup();
        assert_eq!(names.len(), METRICS.len());
    }
}
