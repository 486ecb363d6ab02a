//! The price band of a hedge: defence in depth, so that a candidate with a wrong price is not sent.
//!
//! Two bounds. Against the deal's own reference the limit price may be worse by the flatten cap and no more; better is not bounded
//! there, since a market that moved our way must not keep exposure open. Against the books that are trusted now it may lie outside
//! their mids by the collar and no more, on either side: what is further off is a mistake, not a price.

use domain::number::RATE_ONE;
use domain::{Price, Rate, Side};
use order_book::OrderBook;

/// What a hedge's limit price is held against. Start at [`HedgeBand::holds`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HedgeBand {
    /// The deal's own reference.
    pub reference: Price,
    /// How much worse than the reference a limit price may be.
    pub cap: Rate,
    /// Lowest and highest mid × 2 of the trusted books, in price units; `None` without one.
    pub mids: Option<(i64, i64)>,
    /// How far outside the mids it may lie.
    pub collar: Rate,
}

impl HedgeBand {
    /// Takes a trusted book's mid in; a book with an empty side has none.
    pub fn see(&mut self, book: &OrderBook) {
        let (Some(bid), Some(ask)) = (book.best_bid(), book.best_ask()) else { return };
        // At most 2 × 10^18: it fits.
        let mid_x2 = bid.price.units() + ask.price.units();
        let (low, high) = self.mids.unwrap_or((mid_x2, mid_x2));
        self.mids = Some((low.min(mid_x2), high.max(mid_x2)));
    }

    /// Whether an order may carry this limit price. Exact; at the edge passes.
    pub fn holds(&self, side: Side, price: Price) -> bool {
        let (one, price) = (i128::from(RATE_ONE), i128::from(price.units()));
        let (reference, cap, collar) =
            (i128::from(self.reference.units()), i128::from(self.cap.nano()), i128::from(self.collar.nano()));
        let capped = match side {
            Side::Sell => price * one >= reference * (one - cap),
            Side::Buy => price * one <= reference * (one + cap),
        };
        let collared = self.mids.is_none_or(|(low, high)| {
            let (low, high) = (i128::from(low), i128::from(high));
            2 * price * one >= low * (one - collar) && 2 * price * one <= high * (one + collar)
        });
        capped && collared
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn band(mids: Option<(i64, i64)>) -> HedgeBand {
        let bps = |n| Rate::from_bps(n).unwrap();
        HedgeBand { reference: Price::from_units(10_000).unwrap(), cap: bps(50), mids, collar: bps(100) }
    }

    #[track_caller]
    fn check(mids: Option<(i64, i64)>, side: Side, units: i64, holds: bool) {
        assert_eq!(band(mids).holds(side, Price::from_units(units).unwrap()), holds, "{side} at {units}");
    }

    #[test]
    fn worse_than_the_reference_by_the_cap_and_no_unit_more() {
        check(None, Side::Sell, 9_950, true);
        check(None, Side::Sell, 9_949, false);
        check(None, Side::Buy, 10_050, true);
        check(None, Side::Buy, 10_051, false);
        // Better is never refused for being better.
        check(None, Side::Sell, 20_000, true);
        check(None, Side::Buy, 1, true);
    }

    #[test]
    fn outside_the_trusted_mids_by_the_collar_and_no_unit_more() {
        // Mids of 10 000 and 10 100.
        let mids = Some((20_000, 20_200));
        check(mids, Side::Sell, 10_201, true);
        check(mids, Side::Sell, 10_202, false);
        check(mids, Side::Buy, 9_900, true);
        check(mids, Side::Buy, 9_899, false);
        // Half a unit counts: a mid of 10 000.5 allows 9 900.495 and above.
        check(Some((20_001, 20_001)), Side::Buy, 9_901, true);
        check(Some((20_001, 20_001)), Side::Buy, 9_900, false);
        // The market fell by more than the cap: the reference still bounds it.
        check(Some((19_800, 19_800)), Side::Sell, 9_900, false);
    }
}
