//! The same opening again: same venue, pair, side, price and quantity within a window, nothing executed on that venue and pair in
//! between. Hedges are not judged: they repeat on purpose, and `proportion` counts them.

use domain::time::SECOND;
use domain::{MonoNanos, NewOrder, PairId, Price, Qty, Side, VenueId};

/// Longest window.
pub const WINDOW_CEILING_NS: u64 = 60 * SECOND;

/// The last opening of each venue, pair and side.
#[derive(Clone, Debug)]
pub(crate) struct LastOrders {
    venues: usize,
    sides: Vec<Option<(MonoNanos, Price, Qty)>>,
}

impl LastOrders {
    pub(crate) fn new(venues: usize, pairs: usize) -> LastOrders {
        LastOrders { venues, sides: vec![None; venues * pairs * 2] }
    }

    fn index(&self, venue: VenueId, pair: PairId, side: Side) -> usize {
        (pair.index() * self.venues + venue.index()) * 2 + side as usize
    }

    pub(crate) fn sent(&mut self, order: &NewOrder, now: MonoNanos) {
        let index = self.index(order.venue, order.pair, order.side);
        if let Some(slot) = self.sides.get_mut(index) {
            *slot = Some((now, order.price, order.qty));
        }
    }

    pub(crate) fn executed(&mut self, venue: VenueId, pair: PairId) {
        for side in [Side::Buy, Side::Sell] {
            let index = self.index(venue, pair, side);
            if let Some(slot) = self.sides.get_mut(index) {
                *slot = None;
            }
        }
    }

    pub(crate) fn repeats(
        &self,
        venue: VenueId,
        pair: PairId,
        side: Side,
        price: Price,
        qty: Qty,
        now: MonoNanos,
        window_ns: u64,
    ) -> bool {
        let last = self.sides.get(self.index(venue, pair, side)).copied().flatten();
        last.is_some_and(|(at, p, q)| (p, q) == (price, qty) && now.since(at) < window_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{ClientOrderId, DealId, Purpose, TimeInForce};

    fn order(price: i64, qty: i64) -> NewOrder {
        NewOrder {
            venue: VenueId(1),
            pair: PairId(0),
            client_id: ClientOrderId::new(0, 1, 0, 0).unwrap(),
            deal: DealId(1),
            purpose: Purpose::Open,
            side: Side::Buy,
            price: Price::from_units(price).unwrap(),
            qty: Qty::from_units(qty).unwrap(),
            tif: TimeInForce::Ioc,
            deadline: None,
        }
    }

    fn repeats(last: &LastOrders, order: &NewOrder, now: u64) -> bool {
        last.repeats(order.venue, order.pair, order.side, order.price, order.qty, MonoNanos(now), SECOND)
    }

    #[test]
    fn the_same_order_is_refused_within_the_window_and_passes_exactly_after_it() {
        let mut last = LastOrders::new(2, 1);
        last.sent(&order(100, 5), MonoNanos(7));
        assert!(repeats(&last, &order(100, 5), 7 + SECOND - 1));
        assert!(!repeats(&last, &order(100, 5), 7 + SECOND));
        assert!(!repeats(&last, &order(101, 5), 8), "another price");
        assert!(!repeats(&last, &order(100, 6), 8), "another quantity");
        assert!(!repeats(&last, &NewOrder { side: Side::Sell, ..order(100, 5) }, 8), "another side");
        assert!(!repeats(&last, &NewOrder { venue: VenueId(0), ..order(100, 5) }, 8), "another venue");
    }

    #[test]
    fn an_execution_in_between_allows_it() {
        let mut last = LastOrders::new(2, 1);
        last.sent(&order(100, 5), MonoNanos(7));
        last.executed(VenueId(0), PairId(0));
        assert!(repeats(&last, &order(100, 5), 8), "elsewhere");
        last.executed(VenueId(1), PairId(0));
        assert!(!repeats(&last, &order(100, 5), 8));
    }
}
