//! Sizing against a naive count: every size walked level by level, every gate in plain arithmetic.

use crate::bytes::Choices;
use domain::number::{AMOUNT_ONE, RATE_ONE};
use domain::{
    Amount, AssetId, BookBody, BookUpdate, FeeRates, InstrumentRules, Level, MonoNanos, PairId, PairScale, Price, Qty, Rate,
    VenueId, Verdict,
};
use risk::{Limits, Plan, SizeInputs, VenuePair, Worth, size_plan};

const BUY: VenueId = VenueId(0);
const SELL: VenueId = VenueId(1);
const ONE: i128 = RATE_ONE as i128;
/// One product unit (cent × milli-base) in 10^-18 quote.
const PRODUCT: i128 = AMOUNT_ONE / 100_000;

/// Small books that cross, with room or without.
pub fn seeds() -> Vec<Vec<u8>> {
    vec![
        (0..128).map(|i| (i * 29 % 256) as u8).collect(),
        vec![200; 96],
        vec![
            3, 10, 40, 20, 30, 30, 20, 2, 60, 50, 40, 40, 0, 10, 0, 10, 5, 0, 1, 0, 1, 0, 255, 255, 255, 255, 0, 0, 0, 0, 255,
            255,
        ],
        vec![1, 5, 9, 1, 250, 9, 100, 0, 100, 0, 0, 0, 0, 0, 9, 0, 9, 0, 9, 0],
    ]
}

struct Side {
    levels: Vec<(i64, i64)>,
    rules: InstrumentRules,
    fees: FeeRates,
}

fn side(choices: &mut Choices<'_>, venue: VenueId, asks: bool) -> Side {
    let count = 1 + choices.below(4);
    let mut levels = Vec::new();
    let mut price = if asks { 10_000 + i64::from(choices.byte()) } else { 10_300 - i64::from(choices.byte()) };
    for _ in 0..count {
        levels.push((price, 1 + i64::from(choices.byte() % 60)));
        let step = 1 + i64::from(choices.byte() % 40);
        price += if asks { step } else { -step };
    }
    let rules = InstrumentRules {
        venue,
        pair: PairId(0),
        price_step: [1, 1, 5, 100][usize::from(choices.below(4))],
        qty_step: Qty::from_units([1, 1, 3, 10][usize::from(choices.below(4))]).expect("positive"),
        qty_min: Qty::from_units(i64::from(choices.below(16))).expect("not negative"),
        qty_max: (choices.below(4) == 0).then(|| Qty::from_units(1 + i64::from(choices.byte())).expect("positive")),
        value_min: Amount::from_units(i128::from(choices.below(8)) * AMOUNT_ONE / 4),
        can_buy: true,
        can_sell: true,
    };
    let taker =
        Rate::from_nano(i64::from(choices.byte()) * 20_000 - i64::from(choices.below(3)) * 500_000).expect("a small rate");
    let paid_in = (choices.below(3) == 0).then_some(AssetId(1));
    Side { levels, rules, fees: FeeRates { venue, pair: PairId(0), taker, maker: taker, paid_in } }
}

fn cell(side: &Side, asks: bool) -> VenuePair {
    let levels: Vec<Level> = side
        .levels
        .iter()
        .map(|(price, qty)| Level {
            price: Price::from_units(*price).expect("positive"),
            qty: Qty::from_units(*qty).expect("positive"),
        })
        .collect();
    let (bids, asks) = if asks { (Vec::new(), levels) } else { (levels, Vec::new()) };
    let body = BookBody::Snapshot { id: 1, bids, asks };
    let update =
        BookUpdate { venue: side.rules.venue, pair: PairId(0), received: MonoNanos(1), changed_at: None, sent_at: None, body };
    let mut cell = VenuePair { rules: Some(side.rules), fees: Some(side.fees), ..VenuePair::default() };
    cell.book.handle(&update, &mut order_book::VenueLag::default()).expect("a sorted side");
    cell
}

/// What one size comes to.
struct Counted {
    bought: i128,
    net: i128,
    gate: Option<Verdict>,
}

struct Case<'a> {
    buy: &'a Side,
    sell: &'a Side,
    inputs: &'a SizeInputs<'a>,
}

fn up(a: i128, b: i128) -> i128 {
    (a + b - 1) / b
}

/// Fees round against us: a cost up, a rebate down.
fn fee(value: i128, rate: Rate) -> i128 {
    let product = value * i128::from(rate.nano());
    product.div_euclid(ONE) + i128::from(product.rem_euclid(ONE) != 0)
}

/// Product and worst price of taking `qty`; `None` when the side does not hold it.
fn walk(levels: &[(i64, i64)], qty: i128) -> Option<(i128, i128)> {
    let (mut left, mut product, mut worst) = (qty, 0, 0);
    for (price, held) in levels {
        let take = left.min(i128::from(*held));
        if take > 0 {
            product += take * i128::from(*price);
            worst = i128::from(*price);
            left -= take;
        }
    }
    (left == 0).then_some((product, worst))
}

impl Case<'_> {
    /// `sold` in quantity units; `None` when the books do not hold it.
    fn count(&self, sold: i128) -> Option<Counted> {
        let taker = i128::from(self.buy.fees.taker.nano());
        let in_base = self.buy.fees.paid_in.is_none();
        let kept = if in_base { ONE - taker } else { ONE };
        let lot = i128::from(self.buy.rules.qty_step.units());
        let bought = up(up(sold * ONE, kept), lot) * lot;
        let (cost, worst_ask) = walk(&self.buy.levels, bought)?;
        let (proceeds, worst_bid) = walk(&self.sell.levels, sold)?;
        let step = |side: &Side| i128::from(side.rules.price_step);
        let buy_limit = up(worst_ask, step(self.buy)) * step(self.buy);
        let sell_limit = worst_bid / step(self.sell) * step(self.sell);
        let beside = if in_base { Rate::ZERO } else { self.buy.fees.taker };
        let (cost, proceeds) = (cost * PRODUCT, proceeds * PRODUCT);
        let spent = cost + fee(cost, beside);
        let net = proceeds - fee(proceeds, self.sell.fees.taker) - spent - fee(spent, self.inputs.latency_allowance);
        let buy_value = buy_limit * bought * PRODUCT;
        let sell_value = sell_limit * sold * PRODUCT;
        let most = i128::from(self.sell.levels[0].0) * sold * PRODUCT;
        let held = buy_value + fee(buy_value, beside);
        let base = sold * (AMOUNT_ONE / 1_000);
        let minimum = |side: &Side, qty: i128, value: i128| {
            qty >= i128::from(side.rules.qty_min.units()) && value >= side.rules.value_min.units()
        };
        let maximum = |side: &Side, qty: i128| side.rules.qty_max.is_none_or(|most| qty <= i128::from(most.units()));
        let inputs = self.inputs;
        let (quote_left, base_left) = (inputs.quote_available.units() - held, inputs.base_available.units() - base);
        let limits = inputs.limits;
        let value = buy_value.max(most);
        let gates = [
            (net > 0, Verdict::BelowFees),
            (spent <= 0 || (net * ONE).div_euclid(spent) >= i128::from(inputs.min_edge.nano()), Verdict::BelowMinEdge),
            (minimum(self.buy, bought, buy_value) && minimum(self.sell, sold, sell_value), Verdict::MinSize),
            (maximum(self.buy, bought) && maximum(self.sell, sold), Verdict::MinSize),
            (quote_left >= 0 && base_left >= 0, Verdict::Balance),
            (quote_left >= inputs.quote_floor.units() && base_left >= inputs.base_floor.units(), Verdict::InventoryFloor),
            (
                inputs.quote_worth.is_some()
                    && value <= limits.order_value_max.units()
                    && value <= limits.deal_value_max.units()
                    && value <= inputs.room.units()
                    && inputs.order_qty_max.is_none_or(|most| bought.max(sold) <= i128::from(most.units())),
                Verdict::Limit,
            ),
        ];
        let gate = gates.iter().find(|(passed, _)| !passed).map(|(_, verdict)| *verdict);
        Some(Counted { bought, net, gate })
    }

    fn check_plan(&self, plan: &Plan) {
        let sold = i128::from(plan.sell.qty.units());
        let counted = self.count(sold).expect("a plan is held by the books");
        assert_eq!(counted.gate, None, "a plan fails a gate: {plan:?}");
        assert_eq!(counted.bought, i128::from(plan.buy.qty.units()), "{plan:?}");
        assert_eq!(counted.net, plan.expected.net.units(), "{plan:?}");
        let expected = plan.expected;
        assert_eq!(expected.gross - expected.fees - expected.depth - expected.latency, expected.net, "{plan:?}");
        assert_eq!(sold % i128::from(self.sell.rules.qty_step.units()), 0, "{plan:?}");
    }

    fn check_refusal(&self, verdict: Verdict) {
        let lot = i128::from(self.sell.rules.qty_step.units());
        let mut furthest = None;
        for lots in 1..=256 {
            let Some(counted) = self.count(lots * lot) else { break };
            assert!(counted.gate.is_some(), "{lots} lots would have earned {} and were refused as {verdict}", counted.net);
            furthest = furthest.max(counted.gate);
        }
        match furthest {
            Some(gate) => assert!(verdict >= gate, "{verdict} though a size fails only at {gate}"),
            None => assert_eq!(verdict, Verdict::MinSize, "the books hold no lot"),
        }
    }
}

/// One sizing.
///
/// # Panics
/// On a finding.
pub fn sizing(data: &[u8]) {
    let mut choices = Choices::new(data);
    let (buy, sell) = (side(&mut choices, BUY, true), side(&mut choices, SELL, false));
    let (buy_cell, sell_cell) = (cell(&buy, true), cell(&sell, false));
    let quote = |choices: &mut Choices<'_>| match choices.below(3) {
        0 => Amount::from_units(i128::from(choices.short()) * AMOUNT_ONE / 512),
        _ => Amount::from_units(1_000_000 * AMOUNT_ONE),
    };
    let limits = Limits {
        order_value_max: quote(&mut choices),
        deal_value_max: quote(&mut choices),
        unhedged_value_max: quote(&mut choices),
        open_deals_max: 1,
        orders_per_second_max: 2,
        daily_loss_max: Amount::from_units(AMOUNT_ONE),
    };
    let inputs = SizeInputs {
        pair: PairId(0),
        scale: PairScale::new(2, 3).expect("small decimals"),
        base: AssetId(0),
        buy: BUY,
        sell: SELL,
        buy_cell: &buy_cell,
        sell_cell: &sell_cell,
        qty_paying: Qty::from_units(i64::from(choices.byte())).expect("not negative"),
        quote_available: quote(&mut choices),
        base_available: quote(&mut choices),
        quote_floor: Amount::from_units(i128::from(choices.below(4)) * AMOUNT_ONE),
        base_floor: Amount::from_units(i128::from(choices.below(4)) * AMOUNT_ONE / 100),
        room: quote(&mut choices),
        quote_worth: (choices.below(16) != 15).then_some(Worth::ONE),
        order_qty_max: (choices.below(4) == 0).then(|| Qty::from_units(1 + i64::from(choices.byte())).expect("positive")),
        limits: &limits,
        min_edge: Rate::from_nano(i64::from(choices.below(64)) * 100_000).expect("a small rate"),
        latency_allowance: Rate::from_nano(i64::from(choices.below(16)) * 100_000).expect("a small rate"),
        deadline: MonoNanos(9),
    };
    let case = Case { buy: &buy, sell: &sell, inputs: &inputs };
    match size_plan(&inputs) {
        Ok(plan) => case.check_plan(&plan),
        Err(verdict) => case.check_refusal(verdict),
    }
}
