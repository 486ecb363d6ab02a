//! How deep two books pay against each other, and the exact waterfall of one quantity.
//!
//! With B the gross base bought and f the taker fee of the buy venue, the base that can be sold is S = B·(1 − f) when the fee is
//! taken from the base received, else S = B. S is kept as an exact fraction of a quantity unit: lots are the business of sizing,
//! and an edge must not be refused here for what rounding to a unit would cost. One more unit of B at ask p against bid q pays while
//!
//! q · (1 − f_base) · (1 − f_sell) > p · (1 + f_quote) · (1 + hurdle)
//!
//! where f_base is f and f_quote is zero for a fee in base, and the other way round for a fee paid beside the trade. The hurdle is
//! the latency allowance: this depth has the best net of all. If its net *rate* is below the least edge, a second walk with the
//! least edge in the hurdle finds the part of the depth of which every unit earns it, so that thin levels behind good ones do not
//! hide them.
//!
//! The latency allowance is a fraction of the quote spent. Everything is an integer: products of two units stay below 10^36 a
//! quantity ([`domain::number::UNITS_MAX`] bounds a walk), rates have nine decimals; what does not fit 128 bits is `None`.

use domain::number::{RATE_ONE, UNITS_MAX};
use domain::{Amount, PairScale, Price, Qty, Rate, Waterfall};
use order_book::{OrderBook, walk_qty};

const ONE: i128 = RATE_ONE as i128;

/// What trading costs beside the prices.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Costs {
    /// Taker fee of the buy venue.
    pub(crate) buy_taker: Rate,
    /// Taken from the base received, or paid beside the trade.
    pub(crate) buy_fee_in_base: bool,
    /// Taker fee of the sell venue: lowers the proceeds, whatever asset it is paid in.
    pub(crate) sell_taker: Rate,
    /// Fraction of the quote spent set aside.
    pub(crate) latency: Rate,
}

impl Costs {
    /// 1 − f of the base bought, in 10^-9.
    fn base_kept(&self) -> i128 {
        if self.buy_fee_in_base { ONE - i128::from(self.buy_taker.nano()) } else { ONE }
    }

    /// The fee on the quote spent.
    fn quote_fee(&self) -> Rate {
        if self.buy_fee_in_base { Rate::ZERO } else { self.buy_taker }
    }

    /// Whether one more unit pays. Both sides stay below 10^18 × 2·10^9 × 3·10^9.
    fn pays(&self, ask: Price, bid: Price, hurdle_nano: i128) -> bool {
        let received = i128::from(bid.units()) * self.base_kept() * (ONE - i128::from(self.sell_taker.nano()));
        let spent = i128::from(ask.units()) * (ONE + i128::from(self.quote_fee().nano())) * (ONE + hurdle_nano);
        received > spent
    }
}

/// Two books against each other.
pub(crate) struct Ladders<'a> {
    /// The pair's decimals.
    pub(crate) scale: PairScale,
    /// Fees and allowance.
    pub(crate) costs: Costs,
    /// The book to buy from.
    pub(crate) asks: &'a OrderBook,
    /// The book to sell to.
    pub(crate) bids: &'a OrderBook,
}

/// One quantity, walked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walked {
    pub(crate) waterfall: Waterfall,
    pub(crate) ask_worst: Price,
    pub(crate) bid_worst: Price,
}

impl Ladders<'_> {
    /// The waterfall of the depth that pays best (see the module), or of the top levels when nothing pays. `None` when a side is
    /// empty or a figure does not fit 128 bits.
    pub(crate) fn best(&self, min_edge: Rate) -> Option<Walked> {
        let latency = i128::from(self.costs.latency.nano());
        let paying = self.paying_quantity(latency);
        if paying.is_zero() {
            return self.walked(self.top_quantity()?);
        }
        let most = self.walked(paying)?;
        if most.waterfall.net.units() <= 0 || most.waterfall.net_rate >= min_edge {
            return Some(most);
        }
        let earning = self.paying_quantity(latency + i128::from(min_edge.nano()));
        let part = if earning.is_zero() { None } else { self.walked(earning) };
        Some(part.filter(|part| part.waterfall.net_rate >= min_edge).unwrap_or(most))
    }

    /// Gross base to buy while the marginal pair of levels pays above the hurdle.
    fn paying_quantity(&self, hurdle_nano: i128) -> Qty {
        let (mut asks, mut bids) = (self.asks.asks(), self.bids.bids());
        let (mut ask, mut bid) = (asks.next(), bids.next());
        // Base offered and base taken by the levels that are used up.
        let (mut offered, mut taken) = (0i128, 0i128);
        let mut quantity = 0i128;
        while let (Some(sell_level), Some(buy_level)) = (ask, bid) {
            if quantity >= i128::from(UNITS_MAX) || !self.costs.pays(sell_level.price, buy_level.price, hurdle_nano) {
                break;
            }
            let ask_reach = offered + i128::from(sell_level.qty.units());
            let bid_reach = self.gross_for(taken + i128::from(buy_level.qty.units()));
            quantity = ask_reach.min(bid_reach);
            if ask_reach <= bid_reach {
                offered = ask_reach;
                ask = asks.next();
            }
            if bid_reach <= ask_reach {
                taken += i128::from(buy_level.qty.units());
                bid = bids.next();
            }
        }
        qty(quantity.min(i128::from(UNITS_MAX))).unwrap_or(Qty::ZERO)
    }

    /// Gross base that so much quote buys, in whole quantity units, fees aside. `None` when the asks do not hold it.
    pub(crate) fn quantity_for(&self, spend: Amount) -> Option<Qty> {
        let one = Qty::from_units(1)?;
        let (mut left, mut bought) = (spend.units(), 0i64);
        for level in self.asks.asks() {
            let unit = self.scale.value_of(level.price, one)?.units();
            let affordable = left.checked_div(unit)?.min(i128::from(level.qty.units()));
            let take = i64::try_from(affordable).ok()?;
            bought = bought.checked_add(take)?;
            left = left.checked_sub(unit.checked_mul(affordable)?)?;
            if take < level.qty.units() {
                return Qty::from_units(bought);
            }
        }
        None
    }

    /// Gross base that the top levels alone allow.
    fn top_quantity(&self) -> Option<Qty> {
        let (ask, bid) = (self.asks.best_ask()?, self.bids.best_bid()?);
        qty(i128::from(ask.qty.units()).min(self.gross_for(i128::from(bid.qty.units()))))
    }

    /// The largest gross base of which no more than `sold` is left after the fee; zero when the fee takes everything.
    fn gross_for(&self, sold: i128) -> i128 {
        let kept = self.costs.base_kept();
        if kept <= 0 { 0 } else { sold * ONE / kept }
    }

    /// The waterfall of buying `bought` gross and selling what is left of it.
    pub(crate) fn walked(&self, bought: Qty) -> Option<Walked> {
        let (best_ask, best_bid) = (self.asks.best_ask()?.price, self.bids.best_bid()?.price);
        let buy = walk_qty(self.asks.asks(), bought);
        let sale = self.sale(i128::from(bought.units()) * self.costs.base_kept().max(0))?;
        if !buy.complete {
            return None;
        }
        let amount = |product: i128| self.scale.value_from_product(product).map(Amount::units);
        let top = |price: Price| amount(i128::from(price.units()) * i128::from(bought.units()));

        let (cost, proceeds) = (amount(buy.product)?, sale.proceeds);
        let buy_fee = Amount::from_units(cost).times_rounded_up(self.costs.quote_fee()).units();
        let sell_fee = Amount::from_units(proceeds).times_rounded_up(self.costs.sell_taker).units();
        let spent = cost.checked_add(buy_fee)?;
        let latency = Amount::from_units(spent).times_rounded_up(self.costs.latency).units();

        let (at_best_ask, at_best_bid) = (top(best_ask)?, top(best_bid)?);
        let gross = at_best_bid.checked_sub(at_best_ask)?;
        let depth = cost.checked_sub(at_best_ask)?.checked_add(sale.at_best.checked_sub(proceeds)?)?;
        // Base that the fee took counts at the best bid: it is gross that can't be sold.
        let fees = at_best_bid.checked_sub(sale.at_best)?.checked_add(buy_fee)?.checked_add(sell_fee)?;
        let net = proceeds.checked_sub(sell_fee)?.checked_sub(spent)?.checked_sub(latency)?;
        let same = gross.checked_sub(fees)?.checked_sub(depth)?.checked_sub(latency)?;
        assert!(same == net, "Invariant: the waterfall adds up");
        Some(Walked {
            waterfall: Waterfall {
                qty: bought,
                gross: Amount::from_units(gross),
                fees: Amount::from_units(fees),
                depth: Amount::from_units(depth),
                latency: Amount::from_units(latency),
                net: Amount::from_units(net),
                net_rate: rate_rounded_down(net, spent)?,
            },
            ask_worst: buy.worst.unwrap_or(best_ask),
            bid_worst: sale.worst,
        })
    }

    /// Sells `sold_nano` billionths of a quantity unit, rounded down. `None` when the bids do not hold it.
    fn sale(&self, sold_nano: i128) -> Option<Sale> {
        let (whole, part) = (sold_nano / ONE, sold_nano % ONE);
        let best = self.bids.best_bid()?.price;
        let walk = walk_qty(self.bids.bids(), qty(whole)?);
        let reach = walk_qty(self.bids.bids(), qty(whole + i128::from(part != 0))?);
        if !reach.complete {
            return None;
        }
        let amount = |product: i128| self.scale.value_from_product(product).map(Amount::units);
        // The part of a unit is sold at the price that a whole one would fetch there.
        let part_of = |unit_product: i128| Some(amount(unit_product)?.checked_mul(part)?.div_euclid(ONE));
        Some(Sale {
            proceeds: amount(walk.product)?.checked_add(part_of(reach.product - walk.product)?)?,
            at_best: amount(i128::from(best.units()) * whole)?.checked_add(part_of(i128::from(best.units()))?)?,
            worst: reach.worst.unwrap_or(best),
        })
    }
}

/// A sale of a fraction of quantity units, in 10^-18 quote.
struct Sale {
    proceeds: i128,
    /// What it would bring at the best bid alone.
    at_best: i128,
    worst: Price,
}

fn qty(units: i128) -> Option<Qty> {
    Qty::from_units(i64::try_from(units).ok()?)
}

/// net ÷ spent in 10^-9, rounded down and held within ±100 %; zero when nothing was spent. `None` when it does not fit.
fn rate_rounded_down(net: i128, spent: i128) -> Option<Rate> {
    if spent <= 0 {
        return Some(Rate::ZERO);
    }
    let nano = net.checked_mul(ONE)?.div_euclid(spent).clamp(-ONE, ONE);
    Rate::from_nano(i64::try_from(nano).ok()?)
}
