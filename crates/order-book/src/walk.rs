//! Exact sums over the levels of books: what a quantity costs, and how deep two books cross each other.
//!
//! Pure loops over iterators of levels, best first. Sums of price units × quantity units are `i128` and cannot overflow: a
//! walk's quantity is a [`Qty`], at most 10^18, and so is every price. [`domain::PairScale::value_from_product`] turns a product
//! into an exact amount.

use domain::{Level, Price, Qty};

/// Result of [`walk_qty`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walk {
    /// Quantity found, at most what was asked.
    pub qty: Qty,
    /// Σ price units × quantity units over what was found.
    pub product: i128,
    /// Price of the last level touched: the limit that an order needs; `None` when nothing was found.
    pub worst: Option<Price>,
    /// True when all that was asked is there.
    pub complete: bool,
}

/// Result of [`walk_crossing`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crossing {
    /// Quantity to buy and to sell while it pays.
    pub qty: Qty,
    /// Σ price units × quantity units on the buy side.
    pub buy_product: i128,
    /// Σ price units × quantity units on the sell side.
    pub sell_product: i128,
    /// Highest ask touched; `None` when nothing pays.
    pub worst_ask: Option<Price>,
    /// Lowest bid touched; `None` when nothing pays.
    pub worst_bid: Option<Price>,
}

/// Takes `qty` from `levels`, best first.
pub fn walk_qty(levels: impl Iterator<Item = Level>, qty: Qty) -> Walk {
    let mut walk = Walk::default();
    let mut left = qty;
    for level in levels {
        if left.is_zero() {
            break;
        }
        let take = level.qty.min(left);
        if take.is_zero() {
            continue;
        }
        left = left.saturating_sub(take);
        walk.product += product(level.price, take);
        walk.worst = Some(level.price);
    }
    walk.qty = qty.saturating_sub(left);
    walk.complete = left.is_zero();
    walk
}

/// Walks the asks of the book to buy from against the bids of the book to sell to, both best first, as long as the next unit
/// still pays by `keep_going(ask, bid)`.
///
/// `keep_going` knows the fees; it is asked once for every pair of levels that meet. As asks only rise and bids only fall, the
/// first refusal ends the walk. It also ends where a side does, and at [`domain::number::UNITS_MAX`] quantity units.
pub fn walk_crossing(
    asks: impl Iterator<Item = Level>,
    bids: impl Iterator<Item = Level>,
    mut keep_going: impl FnMut(Price, Price) -> bool,
) -> Crossing {
    let mut crossing = Crossing::default();
    let mut asks = asks.filter(|level| !level.qty.is_zero());
    let mut bids = bids.filter(|level| !level.qty.is_zero());
    let (mut ask, mut bid) = (asks.next(), bids.next());
    while let (Some(buy), Some(sell)) = (&mut ask, &mut bid) {
        if !keep_going(buy.price, sell.price) {
            break;
        }
        let take = buy.qty.min(sell.qty);
        let Some(qty) = crossing.qty.checked_add(take) else { break };
        crossing.qty = qty;
        crossing.buy_product += product(buy.price, take);
        crossing.sell_product += product(sell.price, take);
        crossing.worst_ask = Some(buy.price);
        crossing.worst_bid = Some(sell.price);
        buy.qty = buy.qty.saturating_sub(take);
        sell.qty = sell.qty.saturating_sub(take);
        let (ask_used, bid_used) = (buy.qty.is_zero(), sell.qty.is_zero());
        if ask_used {
            ask = asks.next();
        }
        if bid_used {
            bid = bids.next();
        }
    }
    crossing
}

fn product(price: Price, qty: Qty) -> i128 {
    i128::from(price.units()) * i128::from(qty.units())
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::number::UNITS_MAX;
    use proptest::prelude::*;
    use rust_decimal::Decimal;

    fn level(price: i64, qty: i64) -> Level {
        Level { price: Price::from_units(price).unwrap(), qty: Qty::from_units(qty).unwrap() }
    }

    fn parse(side: &str) -> Vec<Level> {
        side.split_whitespace()
            .map(|text| text.split_once('x').unwrap())
            .map(|(price, qty)| level(price.parse().unwrap(), qty.parse().unwrap()))
            .collect()
    }

    #[track_caller]
    fn check_walk(levels: &str, qty: i64, expected: &str) {
        let walk = walk_qty(parse(levels).into_iter(), Qty::from_units(qty).unwrap());
        let worst = walk.worst.map_or(0, Price::units);
        assert_eq!(format!("{} for {} to {worst} {}", walk.qty.units(), walk.product, walk.complete), expected);
    }

    #[test]
    fn a_quantity_is_taken_best_first() {
        check_walk("100x2 101x3", 2, "2 for 200 to 100 true");
        check_walk("100x2 101x3", 3, "3 for 301 to 101 true");
        check_walk("100x2 101x3", 5, "5 for 503 to 101 true");
        check_walk("100x2 101x3", 6, "5 for 503 to 101 false");
        check_walk("100x0 101x3", 1, "1 for 101 to 101 true");
        check_walk("", 1, "0 for 0 to 0 false");
        check_walk("", 0, "0 for 0 to 0 true");
        check_walk("100x2", 0, "0 for 0 to 0 true");
    }

    /// `fee_bps` of the sell proceeds; a unit pays when its proceeds exceed its cost.
    #[track_caller]
    fn check_crossing(asks: &str, bids: &str, fee_bps: i64, expected: &str) {
        let pays = |ask: Price, bid: Price| bid.units() * (10_000 - fee_bps) > ask.units() * 10_000;
        let found = walk_crossing(parse(asks).into_iter(), parse(bids).into_iter(), pays);
        let units = |price: Option<Price>| price.map_or(0, Price::units);
        let (ask, bid) = (units(found.worst_ask), units(found.worst_bid));
        assert_eq!(
            format!("{} buy {} to {ask} sell {} to {bid}", found.qty.units(), found.buy_product, found.sell_product),
            expected
        );
    }

    #[test]
    fn crossing_stops_where_the_next_unit_does_not_pay() {
        check_crossing("100x2 101x2 103x9", "102x3 101x5", 0, "3 buy 301 to 101 sell 306 to 102");
        check_crossing("100x2 101x2", "102x3 102x5", 0, "4 buy 402 to 101 sell 408 to 102");
        check_crossing("100x2", "100x2", 0, "0 buy 0 to 0 sell 0 to 0");
        check_crossing("100x2", "101x2", 100, "0 buy 0 to 0 sell 0 to 0");
        check_crossing("100x2", "102x1", 100, "1 buy 100 to 100 sell 102 to 102");
        check_crossing("100x0 101x2", "103x0 102x1", 0, "1 buy 101 to 101 sell 102 to 102");
        check_crossing("", "102x1", 0, "0 buy 0 to 0 sell 0 to 0");
    }

    #[test]
    fn the_largest_books_do_not_overflow() {
        let (ask, bid) = (level(UNITS_MAX - 1, UNITS_MAX), level(UNITS_MAX, UNITS_MAX));
        let walk = walk_qty([bid, bid, bid].into_iter(), bid.qty);
        assert_eq!(walk.product, i128::from(UNITS_MAX) * i128::from(UNITS_MAX));
        let crossing = walk_crossing([ask, ask].into_iter(), [bid, bid].into_iter(), |_, _| true);
        assert_eq!((crossing.qty, crossing.sell_product), (bid.qty, walk.product));
    }

    /// Each unit of quantity on its own, best first.
    fn units_of(levels: &[Level]) -> Vec<i64> {
        levels.iter().flat_map(|level| std::iter::repeat_n(level.price.units(), level.qty.units() as usize)).collect()
    }

    fn side(up: bool) -> impl Strategy<Value = Vec<Level>> {
        prop::collection::vec((90i64..130, 0i64..6), 0..15).prop_map(move |raw| {
            let mut levels: Vec<Level> = raw.into_iter().map(|(price, qty)| level(price, qty)).collect();
            levels.sort_by_key(|level| level.price);
            levels.dedup_by_key(|level| level.price);
            if !up {
                levels.reverse();
            }
            levels
        })
    }

    proptest! {
        #[test]
        fn walk_is_the_sum_over_units(asks in side(true), qty in 0i64..80) {
            let walk = walk_qty(asks.iter().copied(), Qty::from_units(qty).unwrap());
            let units: Vec<i64> = units_of(&asks).into_iter().take(qty as usize).collect();
            prop_assert_eq!(walk.qty.units(), units.len() as i64);
            prop_assert_eq!(walk.complete, units.len() as i64 == qty);
            prop_assert_eq!(walk.worst.map(Price::units), units.last().copied());
            // Exact decimals: prices in cents, quantities in thousandths.
            let value: Decimal = units.iter().map(|price| Decimal::new(*price, 2) * Decimal::new(1, 3)).sum();
            prop_assert_eq!(Decimal::from_i128_with_scale(walk.product, 5), value);
        }

        #[test]
        fn crossing_is_the_sum_over_paying_units(asks in side(true), bids in side(false), fee_bps in 0i64..500) {
            let pays = |ask: i64, bid: i64| bid * (10_000 - fee_bps) > ask * 10_000;
            let found = walk_crossing(asks.iter().copied(), bids.iter().copied(), |ask, bid| pays(ask.units(), bid.units()));
            let (buys, sells) = (units_of(&asks), units_of(&bids));
            let paying: Vec<(i64, i64)> = buys.into_iter().zip(sells).take_while(|(ask, bid)| pays(*ask, *bid)).collect();
            prop_assert_eq!(found.qty.units(), paying.len() as i64);
            prop_assert_eq!(found.buy_product, paying.iter().map(|(ask, _)| i128::from(*ask)).sum::<i128>());
            prop_assert_eq!(found.sell_product, paying.iter().map(|(_, bid)| i128::from(*bid)).sum::<i128>());
            prop_assert_eq!(found.worst_ask.map(Price::units), paying.last().map(|(ask, _)| *ask));
            prop_assert_eq!(found.worst_bid.map(Price::units), paying.last().map(|(_, bid)| *bid));
            // Both sides walked alone for that quantity must give the same sums.
            prop_assert_eq!(walk_qty(asks.iter().copied(), found.qty).product, found.buy_product);
            prop_assert_eq!(walk_qty(bids.iter().copied(), found.qty).product, found.sell_product);
        }
    }
}
