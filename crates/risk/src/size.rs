//! How much to trade: the largest earning of one ordered venue pair in whole lots, within minimums, balances, floors and limits.
//!
//! # The relation
//!
//! S is the base to sell, a multiple of the sell venue's lot. B is the gross base to buy, the least multiple of the buy venue's
//! lot of which, after the fee, at least S is left:
//!
//! - fee f taken from the base received: B = ⌈S / (1 − f)⌉ to the buy lot, so that S ≤ ⌊B·(1 − f)⌋;
//! - fee paid beside the trade: B = ⌈S⌉ to the buy lot, and the fee adds to the quote spent.
//!
//! *Example.* BTC at a lot of 0.00001 on both venues, f = 0.1 %. To sell 0.00999 we buy 0.00999 / 0.999 = 0.01 exactly: nothing is
//! left over. To sell 0.01 we need 0.01001001…, so 0.01002 are bought, 0.01000998 are kept and 0.00000998 stay as drift. Drift is
//! ours but counts for nothing here: a plan must earn in quote alone. So a step back to 0.00999 earns more than 0.01, and the search
//! below tries such edges, where the lots waste least.
//!
//! # The verdict
//!
//! Every size has a first gate that it fails, in the order of `domain::Verdict::ALL`: `below_fees`, `below_min_edge`, `min_size`
//! (minimums, maxima), `balance`, `inventory_floor`, `limit`. A size that fails none is a plan, and the one with the best net is
//! taken. If there is none, the verdict is the furthest gate that any size reached: that gate is what stands in the way. Books
//! that do not hold one lot are `min_size`.
//!
//! # The search
//!
//! First the sizes around the depth that pays (from the assessment); then around the largest size that balances, floors and limits
//! allow; then every size up to [`EXHAUSTIVE_LOTS`] lots. So no small book is refused while some size of it earns; with more lots
//! than that, what rounding to lots can hide is less than one lot's margin.
//!
//! Balances, floors and limits only tighten with size, and so does the gate that they refuse a size with: it is the furthest at one
//! lot. Where even one lot is refused, and no further than a size that was tried, the answer is known and nothing else is tried; an
//! account that is out of funds on one side asks this at every change of a book. In the same way sizes below a minimum are left out
//! once a size got as far as that, and sizes above the largest allowed once one was refused by the gate that refuses them.
//!
//! Start at [`size_plan`].

use crate::controls::order_quantity;
use crate::limits::Limits;
use crate::market::VenuePair;
use crate::plan::{Leg, Plan};
use crate::valuation::Worth;
use domain::mutants::{Mutant, active};
use domain::number::{RATE_ONE, UNITS_MAX};
use domain::{Amount, AssetId, InstrumentRules, MonoNanos, PairId, PairScale, Price, Qty, Rate, VenueId, Verdict, Waterfall};
use order_book::{OrderBook, Walk, walk_qty};

/// Sizes of up to so many sell lots are all tried before an opportunity is refused.
pub const EXHAUSTIVE_LOTS: i128 = 256;

const ONE: i128 = RATE_ONE as i128;

/// What a size is made from.
#[derive(Clone, Copy)]
pub struct SizeInputs<'a> {
    /// Which pair.
    pub pair: PairId,
    /// Its decimals.
    pub scale: PairScale,
    /// What it trades: a fee token may be just that (GT on GT/USDT), and then leaves with what is sold, or comes off what is bought.
    pub base: AssetId,
    /// Where to buy.
    pub buy: VenueId,
    /// Where to sell.
    pub sell: VenueId,
    /// Book, rules and fees of the buy venue.
    pub buy_cell: &'a VenuePair,
    /// Book, rules and fees of the sell venue.
    pub sell_cell: &'a VenuePair,
    /// Gross base that pays by depth: the assessment's `waterfall.qty`. The search starts there; it is no limit.
    pub qty_paying: Qty,
    /// Quote at the buy venue, net of reservations.
    pub quote_available: Amount,
    /// Base at the sell venue, net of reservations.
    pub base_available: Amount,
    /// Quote that must stay at the buy venue.
    pub quote_floor: Amount,
    /// Base that must stay at the sell venue.
    pub base_floor: Amount,
    /// The most that the deal may be worth beside what is open, in reference quote ([`crate::UnhedgedMax::room`]).
    pub room: Amount,
    /// What the pair's quote is worth; `None`: it can't be valued, and every size is refused (`limit`).
    pub quote_worth: Option<Worth>,
    /// Largest base quantity of one order, where limited.
    pub order_qty_max: Option<Qty>,
    /// The limits in force.
    pub limits: &'a Limits,
    /// Least net over the quote spent.
    pub min_edge: Rate,
    /// Fraction of the quote spent set aside for what moves while orders travel.
    pub latency_allowance: Rate,
    /// Not to be executed after this.
    pub deadline: MonoNanos,
}

/// Sizes both legs.
///
/// # Errors
/// The verdict that stands in the way (see the module); `untrusted` when a book is not live, a leg is closed, or rules or fees are
/// not known.
///
/// # Panics
/// When both venues are the same.
pub fn size_plan(inputs: &SizeInputs<'_>) -> Result<Plan, Verdict> {
    assert!(inputs.buy != inputs.sell, "Invariant: a plan buys and sells on different venues");
    let sizer = Sizer::new(inputs).ok_or(Verdict::Untrusted)?;
    if sizer.base_kept <= 0 {
        return Err(Verdict::BelowFees);
    }
    let mut search = Search::default();
    let paying = sizer.sold_of(i128::from(inputs.qty_paying.units()));
    sizer.try_around(paying, &mut search);
    if search.best.is_none() && !sizer.is_hopeless(1, &search) {
        let allowed = sizer.lots_allowed(paying / sizer.sell_lot + 1);
        sizer.try_around(allowed * sizer.sell_lot, &mut search);
        if search.best.is_none() {
            for lots in sizer.lots_untried(allowed, &search)..=EXHAUSTIVE_LOTS {
                let hopeless = lots > allowed && search.best.is_none() && sizer.is_hopeless(lots, &search);
                if hopeless || !sizer.try_size(lots * sizer.sell_lot, &mut search) {
                    break;
                }
            }
        }
    }
    match search {
        Search { best: Some(plan), .. } => Ok(plan),
        Search { furthest: Some(gate), .. } => Err(gate),
        Search { .. } => Err(Verdict::MinSize),
    }
}

/// What the search found so far.
#[derive(Default)]
struct Search {
    /// The plan with the best net.
    best: Option<Plan>,
    /// The furthest first-failed gate of sizes that are no plan.
    furthest: Option<Verdict>,
}

/// The inputs, unpacked; quantities in quantity units as `i128`.
struct Sizer<'a> {
    inputs: &'a SizeInputs<'a>,
    asks: &'a OrderBook,
    bids: &'a OrderBook,
    buy_rules: InstrumentRules,
    sell_rules: InstrumentRules,
    best_ask: Price,
    best_bid: Price,
    /// 1 − the buy fee taken from the base, in 10^-9.
    base_kept: i128,
    /// The buy fee paid beside the trade.
    quote_fee: Rate,
    sell_fee: Rate,
    /// The part of the sell fee that is paid in base, beside what is sold.
    sell_fee_on_base: Rate,
    buy_lot: i128,
    sell_lot: i128,
}

/// One size, walked on both books.
struct Measured {
    bought: Qty,
    sold: Qty,
    buy: Walk,
    sell: Walk,
    /// Limit prices on the venues' price steps.
    buy_limit: Price,
    sell_limit: Price,
    /// Values at the limit prices.
    buy_value: Amount,
    sell_value: Amount,
    /// Quote that the buy order holds: its value at the limit price and a fee paid beside it.
    held: i128,
    /// The sell order's value at the best bid: what it may bring at most.
    sell_value_most: Amount,
}

impl<'a> Sizer<'a> {
    fn new(inputs: &'a SizeInputs<'a>) -> Option<Sizer<'a>> {
        let (asks, bids) = (inputs.buy_cell.book.book(), inputs.sell_cell.book.book());
        // Planted bug: a book that lost trust still has prices.
        let live = (asks.is_live() && bids.is_live()) || active(Mutant::UntrustedTraded);
        if !live {
            return None;
        }
        let (buy_rules, sell_rules) = (inputs.buy_cell.rules?, inputs.sell_cell.rules?);
        if !buy_rules.can_buy || !sell_rules.can_sell {
            return None;
        }
        let (buy_fees, sell_fees) = (inputs.buy_cell.fees?, inputs.sell_cell.fees?);
        let in_base = buy_fees.paid_in.is_none_or(|asset| asset == inputs.base);
        let sells_fee = sell_fees.paid_in == Some(inputs.base);
        Some(Sizer {
            inputs,
            asks,
            bids,
            buy_rules,
            sell_rules,
            best_ask: asks.best_ask()?.price,
            best_bid: bids.best_bid()?.price,
            base_kept: if in_base { ONE - i128::from(buy_fees.taker.nano()) } else { ONE },
            quote_fee: if in_base { Rate::ZERO } else { buy_fees.taker },
            sell_fee: sell_fees.taker,
            sell_fee_on_base: if sells_fee { sell_fees.taker } else { Rate::ZERO },
            buy_lot: i128::from(buy_rules.qty_step.units().max(1)),
            sell_lot: i128::from(sell_rules.qty_step.units().max(1)),
        })
    }

    /// Base that can be sold of `bought`, rounded down to the sell lot.
    fn sold_of(&self, bought: i128) -> i128 {
        let kept = if self.base_kept == ONE { bought } else { bought * self.base_kept / ONE };
        kept - kept % self.sell_lot
    }

    /// Gross base to buy so that `sold` is left of it, rounded up to the buy lot.
    fn bought_for(&self, sold: i128) -> i128 {
        let gross = if self.base_kept == ONE { sold } else { div_up(sold * ONE, self.base_kept) };
        if self.buy_lot == 1 { gross } else { div_up(gross, self.buy_lot) * self.buy_lot }
    }

    /// Tries the sizes at `sold` and one lot above it, and those near it where the lots waste least: what the buy of `sold` really
    /// leaves, one buy lot less, and the nearest sizes whose base fee is a whole number of lots.
    fn try_around(&self, sold: i128, search: &mut Search) {
        let bought = self.bought_for(sold);
        let mut sizes = [sold, sold + self.sell_lot, self.sold_of(bought), self.sold_of((bought - self.buy_lot).max(0)), 0, 0];
        let fee = ONE - self.base_kept;
        if fee > 0 {
            let lot = self.buy_lot.min(self.sell_lot);
            let fee_lots = bought * fee / (ONE * lot);
            for (slot, lots) in [(4, fee_lots), (5, fee_lots + 1)] {
                let edge = lots * lot * ONE / fee;
                sizes[slot] = self.sold_of(edge - edge % self.buy_lot);
            }
        }
        for (i, size) in sizes.iter().enumerate() {
            if !sizes[..i].contains(size) {
                self.try_size(*size, search);
            }
        }
    }

    /// True when no size of so many lots or more is a plan, nor gets further than one that was tried.
    fn is_hopeless(&self, lots: i128, search: &Search) -> bool {
        let Some(measured) = self.measure(lots * self.sell_lot) else { return true };
        self.upper_gate(&measured).is_some_and(|gate| search.furthest >= Some(gate))
    }

    /// The most lots, up to `most`, that the books hold and that no maximum, balance, floor or limit refuses. Each of these only
    /// tightens with size, so halving finds it.
    fn lots_allowed(&self, most: i128) -> i128 {
        let fits = |lots: i128| self.measure(lots * self.sell_lot).is_some_and(|m| self.upper_gate(&m).is_none());
        let (mut fitting, mut above) = (0, most.max(0) + 1);
        while above - fitting > 1 {
            let middle = fitting + (above - fitting) / 2;
            if fits(middle) { fitting = middle } else { above = middle }
        }
        fitting
    }

    /// The least number of lots, up to one above `allowed`, that may tell more than the sizes tried: not those that are surely below
    /// a minimum, once a size got as far as that.
    fn lots_untried(&self, allowed: i128, search: &Search) -> i128 {
        if search.furthest < Some(Verdict::MinSize) {
            return 1;
        }
        let (mut small, mut above) = (0, allowed.min(EXHAUSTIVE_LOTS) + 1);
        while above - small > 1 {
            let middle = small + (above - small) / 2;
            let too_small = self.measure(middle * self.sell_lot).is_none_or(|m| self.is_too_small(&m));
            if too_small { small = middle } else { above = middle }
        }
        above
    }

    /// Below a minimum even if all of it were sold at the best bid: then every smaller size is, too.
    fn is_too_small(&self, measured: &Measured) -> bool {
        let below = |rules: &InstrumentRules, of: Qty, value: Amount| of < rules.qty_min || value < rules.value_min;
        below(&self.buy_rules, measured.bought, measured.buy_value)
            || below(&self.sell_rules, measured.sold, measured.sell_value_most)
    }

    /// Notes what becomes of one size; false when the books do not hold it.
    fn try_size(&self, sold: i128, search: &mut Search) -> bool {
        let Some(measured) = self.measure(sold) else { return false };
        let Some((expected, earning_gate)) = self.waterfall(&measured) else { return false };
        let gate = earning_gate.or_else(|| self.lower_gate(&measured)).or_else(|| self.upper_gate(&measured));
        if let Some(gate) = gate {
            search.furthest = search.furthest.max(Some(gate));
        } else if search.best.is_none_or(|best| expected.net > best.expected.net) {
            search.best = Some(self.plan(&measured, expected));
        }
        true
    }

    fn plan(&self, measured: &Measured, expected: Waterfall) -> Plan {
        let SizeInputs { pair, buy, sell, deadline, .. } = *self.inputs;
        let (bought, sold) = (i128::from(measured.bought.units()), i128::from(measured.sold.units()));
        assert!(sold * ONE <= bought * self.base_kept, "Invariant: no more is sold than is left of what is bought");
        assert!(bought % self.buy_lot == 0 && sold % self.sell_lot == 0, "Invariant: both legs are whole lots");
        Plan {
            pair,
            buy: Leg { venue: buy, price: measured.buy_limit, qty: measured.bought },
            sell: Leg { venue: sell, price: measured.sell_limit, qty: measured.sold },
            expected,
            deadline,
        }
    }

    /// Walks both books for one size. `None` when it is nothing, the books do not hold it, or a figure does not fit.
    fn measure(&self, sold: i128) -> Option<Measured> {
        if sold <= 0 || sold > i128::from(UNITS_MAX) {
            return None;
        }
        let scale = self.inputs.scale;
        let (bought, sold) = (qty(self.bought_for(sold))?, qty(sold)?);
        let (buy, sell) = (walk_qty(self.asks.asks(), bought), walk_qty(self.bids.bids(), sold));
        if !buy.complete || !sell.complete {
            return None;
        }
        let buy_limit = step_up(buy.worst?, self.buy_rules.price_step)?;
        let sell_limit = step_down(sell.worst?, self.sell_rules.price_step)?;
        let buy_value = scale.value_of(buy_limit, bought)?;
        Some(Measured {
            bought,
            sold,
            buy,
            sell,
            buy_limit,
            sell_limit,
            buy_value,
            sell_value: scale.value_of(sell_limit, sold)?,
            held: buy_value.units().checked_add(buy_value.times_rounded_up(self.quote_fee).units())?,
            sell_value_most: scale.value_of(self.best_bid, sold)?,
        })
    }

    /// The exact waterfall of one size, and whether it fails `below_fees` or `below_min_edge`. `None` when a figure does not fit.
    fn waterfall(&self, measured: &Measured) -> Option<(Waterfall, Option<Verdict>)> {
        let amount = |product: i128| self.inputs.scale.value_from_product(product);
        let top = |price: Price, of: Qty| i128::from(price.units()) * i128::from(of.units());

        let (cost, proceeds) = (amount(measured.buy.product)?, amount(measured.sell.product)?);
        let buy_fee = cost.times_rounded_up(self.quote_fee).units();
        let sell_fee = proceeds.times_rounded_up(self.sell_fee).units();
        let spent = cost.units().checked_add(buy_fee)?;
        let latency = Amount::from_units(spent).times_rounded_up(self.inputs.latency_allowance).units();
        let net = proceeds.units().checked_sub(sell_fee)?.checked_sub(spent)?.checked_sub(latency)?;

        let gross = amount(top(self.best_bid, measured.bought) - top(self.best_ask, measured.bought))?.units();
        let depth_product = (measured.buy.product - top(self.best_ask, measured.bought))
            .checked_add(top(self.best_bid, measured.sold) - measured.sell.product)?;
        let depth = amount(depth_product)?.units();
        // Base that is bought and not sold (the fee in base, the drift of lots) counts as a cost at the best bid.
        let unsold = amount(top(self.best_bid, measured.bought) - top(self.best_bid, measured.sold))?.units();
        let fees = unsold.checked_add(buy_fee)?.checked_add(sell_fee)?;
        let same = gross.checked_sub(fees)?.checked_sub(depth)?.checked_sub(latency)?;
        assert!(same == net, "Invariant: the waterfall adds up");

        let net_rate = rate_rounded_down(net, spent)?;
        let gate = if net <= 0 {
            Some(Verdict::BelowFees)
        } else if net_rate < self.inputs.min_edge {
            Some(Verdict::BelowMinEdge)
        } else {
            None
        };
        let waterfall = Waterfall {
            qty: measured.bought,
            gross: Amount::from_units(gross),
            fees: Amount::from_units(fees),
            depth: Amount::from_units(depth),
            latency: Amount::from_units(latency),
            net: Amount::from_units(net),
            net_rate,
        };
        Some((waterfall, gate))
    }

    /// The minimums of both venues, at the limit prices.
    fn lower_gate(&self, measured: &Measured) -> Option<Verdict> {
        let enough = |rules: &InstrumentRules, of: Qty, value: Amount| of >= rules.qty_min && value >= rules.value_min;
        let both = enough(&self.buy_rules, measured.bought, measured.buy_value)
            && enough(&self.sell_rules, measured.sold, measured.sell_value);
        if both { None } else { Some(Verdict::MinSize) }
    }

    /// Maxima, balances, floors and limits: each only tightens with size.
    fn upper_gate(&self, measured: &Measured) -> Option<Verdict> {
        let inputs = self.inputs;
        let above = |rules: &InstrumentRules, of: Qty| rules.qty_max.is_some_and(|most| of > most);
        if above(&self.buy_rules, measured.bought) || above(&self.sell_rules, measured.sold) {
            return Some(Verdict::MinSize);
        }
        // As the order will hold it: what is sold, and a fee paid in the same.
        let sold = inputs.scale.base_of(measured.sold);
        let fee = sold.times_rounded_up(self.sell_fee_on_base).units().max(0);
        let (quote_left, base_left) = (
            inputs.quote_available.units().saturating_sub(measured.held),
            inputs.base_available.units().saturating_sub(sold.units().saturating_add(fee)),
        );
        if quote_left < 0 || base_left < 0 {
            return Some(Verdict::Balance);
        }
        if quote_left < inputs.quote_floor.units() || base_left < inputs.base_floor.units() {
            return Some(Verdict::InventoryFloor);
        }
        // The sell order at the best bid, not at its limit: monotone in size, and never below what the approval looks at.
        let value = measured.buy_value.max(measured.sell_value_most);
        let value_fits = inputs
            .quote_worth
            .and_then(|worth| worth.value_rounded_up(value))
            .is_some_and(|value| inputs.limits.value_fits(value, inputs.room));
        let qty_fits = order_quantity::fits(measured.bought.max(measured.sold), inputs.order_qty_max);
        if value_fits && qty_fits { None } else { Some(Verdict::Limit) }
    }
}

fn qty(units: i128) -> Option<Qty> {
    Qty::from_units(i64::try_from(units).ok()?)
}

/// ⌈a / b⌉ for a ≥ 0, b > 0.
fn div_up(a: i128, b: i128) -> i128 {
    let down = a / b;
    down + i128::from(down * b != a)
}

/// A buy limit must reach the level it is for.
fn step_up(price: Price, step: i64) -> Option<Price> {
    let step = step.max(1);
    let beyond = price.units() % step;
    Price::from_units(if beyond == 0 { price.units() } else { (price.units() - beyond).checked_add(step)? })
}

/// A sell limit must reach the level it is for.
fn step_down(price: Price, step: i64) -> Option<Price> {
    let step = step.max(1);
    Price::from_units(price.units() / step * step)
}

/// net ÷ spent in 10^-9, rounded down and held within ±100 %; zero when nothing was spent. `None` when it does not fit.
fn rate_rounded_down(net: i128, spent: i128) -> Option<Rate> {
    if spent <= 0 {
        return Some(Rate::ZERO);
    }
    let nano = net.checked_mul(ONE)?.div_euclid(spent).clamp(-ONE, ONE);
    Rate::from_nano(i64::try_from(nano).ok()?)
}

#[cfg(test)]
mod tests;
