//! One ordered venue pair: is there an edge, what do its costs leave, and which gate fails first.
//!
//! Start at [`assess()`]. The tops are compared first and decide alone in the usual case; depth is walked only once they cross. The
//! waterfall is filled whether or not a gate fails, since a refused opportunity is still counted under its best net.

use crate::depth::{Costs, Ladders};
use domain::mutants::{Mutant, active};
use domain::{Amount, MonoNanos, PairScale, Price, Rate, VenueId, Verdict, Waterfall};
use order_book::collar::mid_x2;
use order_book::{CollarReference, TrackedBook};

/// Thresholds of detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DetectorConfig {
    /// Least net over the quote spent.
    pub min_edge: Rate,
    /// A book without evidence for longer is untrusted, nanoseconds by the local monotonic clock.
    pub book_age_max_ns: u64,
    /// Largest venue lag above its normal, nanoseconds; judged only where the channel carries time.
    pub lag_max_ns: u64,
    /// True where every channel carries time and every venue's clock is measured: then a book is late until a frame of its
    /// connection was shown to be on time. False for recordings, which hold no measure: there the frames alone decide.
    pub lag_must_be_known: bool,
    /// Largest distance between the arrival times of the two books, nanoseconds.
    pub skew_max_ns: u64,
    /// Largest distance of a mid from the reference, as a fraction of it.
    pub collar: Rate,
    /// Fraction of the quote spent that is set aside for what moves while orders travel.
    pub latency_allowance: Rate,
}

/// Whether two venues' instruments may be traded against each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Same base, same quote, spot on both sides.
    Tradable,
    /// Another kind than spot on either side: scanned, not traded.
    NotTradableKind,
    /// The quotes are different assets (USDT is not USDC): scanned, not traded.
    QuoteDiffers,
}

/// One side of a venue pair.
#[derive(Clone, Copy)]
pub struct LegView<'a> {
    /// Whose book.
    pub venue: VenueId,
    /// The owned book with its stamps.
    pub book: &'a TrackedBook,
    /// What a taker pays; `None` until the venue told.
    pub taker: Option<Rate>,
    /// True when the fee is taken from the asset received (base on a buy); false when it is paid beside the trade.
    pub fee_in_received: bool,
    /// Whether the venue lets us trade this side now.
    pub open: bool,
}

/// What [`assess()`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assessment {
    /// The sell venue's best bid is above the buy venue's best ask.
    pub gross_positive: bool,
    /// The costs, for the quantity that pays (the top level's if none does); all zero without a gross edge.
    pub waterfall: Waterfall,
    /// Worst ask that the quantity touches.
    pub ask_worst: Price,
    /// Worst bid that the quantity touches.
    pub bid_worst: Price,
    /// The first gate that failed, of those judged here; `None`: go on to sizing.
    pub failed: Option<Verdict>,
}

/// Judges buying at `buy` and selling at `sell`. `None` when either book is not live or the side needed is empty: then no
/// opportunity can be open.
///
/// Gates, in the order of [`Verdict::ALL`]: `not_tradable_kind`, `quote_differs`, `untrusted` (age, collar, a closed leg, an unknown
/// fee, figures past 128 bits), `leg_lagging`, `leg_skew`, `below_fees` (best net over depth ≤ 0), `below_min_edge`.
pub fn assess(
    config: &DetectorConfig,
    scale: PairScale,
    group: Group,
    reference: &CollarReference,
    buy: &LegView<'_>,
    sell: &LegView<'_>,
    now: MonoNanos,
) -> Option<Assessment> {
    // Planted bug: a book that lost trust still has prices.
    let live = (buy.book.is_live() && sell.book.is_live()) || active(Mutant::UntrustedTraded);
    if !live {
        return None;
    }
    let (ask, bid) = (buy.book.book().best_ask()?.price, sell.book.book().best_bid()?.price);
    if bid <= ask {
        return Some(Assessment {
            gross_positive: false,
            waterfall: Waterfall::default(),
            ask_worst: ask,
            bid_worst: bid,
            failed: Some(Verdict::BelowFees),
        });
    }
    let ladders = Ladders { scale, costs: Costs::of(config, buy, sell), asks: buy.book.book(), bids: sell.book.book() };
    let found = ladders.best(config.min_edge);
    let (waterfall, ask_worst, bid_worst) =
        found.map_or((Waterfall::default(), ask, bid), |walked| (walked.waterfall, walked.ask_worst, walked.bid_worst));

    let trusted = active(Mutant::UntrustedTraded) || (found.is_some() && is_trusted(config, reference, buy, sell, now));
    let failed = match group {
        Group::NotTradableKind => Some(Verdict::NotTradableKind),
        Group::QuoteDiffers => Some(Verdict::QuoteDiffers),
        Group::Tradable if !trusted => Some(Verdict::Untrusted),
        Group::Tradable if is_lagging(config, buy) || is_lagging(config, sell) => Some(Verdict::LegLagging),
        Group::Tradable if skew_ns(buy, sell) > config.skew_max_ns => Some(Verdict::LegSkew),
        Group::Tradable if waterfall.net.units() <= 0 => Some(Verdict::BelowFees),
        Group::Tradable if waterfall.net_rate < config.min_edge => Some(Verdict::BelowMinEdge),
        Group::Tradable => None,
    };
    Some(Assessment { gross_positive: true, waterfall, ask_worst, bid_worst, failed })
}

/// The waterfall of buying for so much quote at `buy` and selling what is left of it at `sell`, whether it pays or not: for those who
/// only look. `None` when a book is not live or does not hold so much, or a figure does not fit 128 bits.
pub fn edge_at_value(
    config: &DetectorConfig,
    scale: PairScale,
    buy: &LegView<'_>,
    sell: &LegView<'_>,
    spend: Amount,
) -> Option<Waterfall> {
    if !(buy.book.is_live() && sell.book.is_live()) {
        return None;
    }
    let ladders = Ladders { scale, costs: Costs::of(config, buy, sell), asks: buy.book.book(), bids: sell.book.book() };
    let quantity = ladders.quantity_for(spend).filter(|quantity| !quantity.is_zero())?;
    ladders.walked(quantity).map(|walked| walked.waterfall)
}

fn is_trusted(
    config: &DetectorConfig,
    reference: &CollarReference,
    buy: &LegView<'_>,
    sell: &LegView<'_>,
    now: MonoNanos,
) -> bool {
    let fresh = |leg: &LegView<'_>| leg.book.age_ns(now) <= config.book_age_max_ns;
    // Planted bug: age does not count.
    let fresh = active(Mutant::AgeIgnored) || (fresh(buy) && fresh(sell));
    let tradable = |leg: &LegView<'_>| leg.open && leg.taker.is_some();
    let collared = match (mid_x2(buy.book), mid_x2(sell.book)) {
        (Some(buy_mid), Some(sell_mid)) => reference.holds(buy_mid, sell_mid, config.collar),
        // Without both sides there is no mid, and without a mid no proof.
        _ => false,
    };
    fresh && tradable(buy) && tradable(sell) && collared
}

fn is_lagging(config: &DetectorConfig, leg: &LegView<'_>) -> bool {
    // Planted bug: with its trust a book loses its lag, and would be refused for that.
    if active(Mutant::UntrustedTraded) {
        return false;
    }
    leg.book.is_late(config.lag_max_ns, config.lag_must_be_known)
}

fn skew_ns(buy: &LegView<'_>, sell: &LegView<'_>) -> u64 {
    buy.book.arrived_at().0.abs_diff(sell.book.arrived_at().0)
}

impl Costs {
    fn of(config: &DetectorConfig, buy: &LegView<'_>, sell: &LegView<'_>) -> Costs {
        Costs {
            buy_taker: buy.taker.unwrap_or(Rate::ZERO),
            buy_fee_in_base: buy.fee_in_received,
            sell_taker: sell.taker.unwrap_or(Rate::ZERO),
            latency: config.latency_allowance,
        }
    }
}

#[cfg(test)]
mod tests;
