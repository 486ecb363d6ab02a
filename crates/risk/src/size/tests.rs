//! Sizes against an independent brute force on small books and exact fractions on large ones.

use super::*;
use domain::{AssetId, BookBody, BookUpdate, FeeRates, Level};
use order_book::walk_crossing;
use proptest::prelude::*;

const A: VenueId = VenueId(0);
const B: VenueId = VenueId(1);
const BTC: PairId = PairId(0);
/// No token that pays fees in these tests, unless a test says so.
const BASE: AssetId = AssetId(7);

/// Cents and milli-base: one product unit is 10^-5 quote.
fn scale() -> PairScale {
    PairScale::new(2, 3).unwrap()
}

fn amount(text: &str) -> Amount {
    Amount::from_decimal(text.parse().unwrap()).unwrap()
}

fn units(units: i64) -> Qty {
    Qty::from_units(units).unwrap()
}

fn nano(nano: i64) -> Rate {
    Rate::from_nano(nano).unwrap()
}

fn cell(venue: VenueId, bids: &[(i64, i64)], asks: &[(i64, i64)], taker: Rate) -> VenuePair {
    let levels = |side: &[(i64, i64)]| -> Vec<Level> {
        side.iter().map(|(price, qty)| Level { price: Price::from_units(*price).unwrap(), qty: units(*qty) }).collect()
    };
    let mut cell = VenuePair {
        rules: Some(InstrumentRules {
            venue,
            pair: BTC,
            price_step: 1,
            qty_step: units(1),
            qty_min: Qty::ZERO,
            qty_max: None,
            value_min: Amount::ZERO,
            can_buy: true,
            can_sell: true,
        }),
        fees: Some(FeeRates { venue, pair: BTC, taker, maker: taker, paid_in: None }),
        ..VenuePair::default()
    };
    let body = BookBody::Snapshot { id: 1, bids: levels(bids), asks: levels(asks) };
    let update = BookUpdate { venue, pair: BTC, received: MonoNanos(1), changed_at: None, sent_at: None, body };
    cell.book.handle(&update, &mut order_book::VenueLag::default()).unwrap();
    cell
}

fn wide_limits() -> Limits {
    let wide = Amount::from_units(i128::MAX / 4);
    Limits {
        order_value_max: wide,
        deal_value_max: wide,
        unhedged_value_max: wide,
        open_deals_max: 1,
        orders_per_second_max: 2,
        daily_loss_max: wide,
    }
}

/// Everything that sizing depends on, owned, so that a test changes one thing.
struct Case {
    scale: PairScale,
    buy: VenuePair,
    sell: VenuePair,
    qty_paying: Qty,
    quote: Amount,
    base: Amount,
    quote_floor: Amount,
    base_floor: Amount,
    unhedged: Amount,
    quote_worth: Option<Worth>,
    order_qty_max: Option<Qty>,
    limits: Limits,
    min_edge: Rate,
    latency: Rate,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let side = |levels: &mut dyn Iterator<Item = Level>| -> Vec<(i64, i64)> {
            levels.map(|level| (level.price.units(), level.qty.units())).collect()
        };
        f.debug_struct("Case")
            .field("asks", &side(&mut self.buy.book.book().asks()))
            .field("bids", &side(&mut self.sell.book.book().bids()))
            .field("rules", &(self.buy.rules, self.sell.rules))
            .field("fees", &(self.buy.fees, self.sell.fees))
            .field("paying, min_edge, latency", &(self.qty_paying, self.min_edge, self.latency))
            .field("available", &(self.quote, self.base))
            .field("floors", &(self.quote_floor, self.base_floor))
            .field("limits", &(self.unhedged, self.limits))
            .finish()
    }
}

impl Case {
    fn new(buy: VenuePair, sell: VenuePair) -> Case {
        let plenty = Amount::from_units(i128::MAX / 2);
        let mut case = Case {
            scale: scale(),
            buy,
            sell,
            qty_paying: Qty::ZERO,
            quote: plenty,
            base: plenty,
            quote_floor: Amount::ZERO,
            base_floor: Amount::ZERO,
            unhedged: Amount::ZERO,
            quote_worth: Some(Worth::ONE),
            order_qty_max: None,
            limits: wide_limits(),
            min_edge: Rate::ZERO,
            latency: Rate::ZERO,
        };
        case.qty_paying = case.paying();
        case
    }

    /// Ask 100.00 × 20, bid 101.00 × 20, fees 0.1 % in the asset received, lots of 0.001.
    fn plain() -> Case {
        let fee = nano(1_000_000);
        Case::new(cell(A, &[(9_990, 20_000)], &[(10_000, 20_000)], fee), cell(B, &[(10_100, 20_000)], &[(10_110, 20_000)], fee))
    }

    /// What the assessment would say: the depth that pays after both fees and the allowance.
    fn paying(&self) -> Qty {
        let (buy, sell) = (self.buy.fees.unwrap().taker.nano(), self.sell.fees.unwrap().taker.nano());
        let keeps = |fee: i64| i128::from(1_000_000_000 - fee);
        let spends = i128::from(1_000_000_000 + self.latency.nano());
        let pays = |ask: Price, bid: Price| {
            i128::from(bid.units()) * keeps(buy) * keeps(sell) > i128::from(ask.units()) * spends * 1_000_000_000
        };
        walk_crossing(self.buy.book.book().asks(), self.sell.book.book().bids(), pays).qty
    }

    fn size(&self) -> Result<Plan, Verdict> {
        size_plan(&SizeInputs {
            pair: BTC,
            scale: self.scale,
            base: BASE,
            buy: A,
            sell: B,
            buy_cell: &self.buy,
            sell_cell: &self.sell,
            qty_paying: self.qty_paying,
            quote_available: self.quote,
            base_available: self.base,
            quote_floor: self.quote_floor,
            base_floor: self.base_floor,
            room: Amount::from_units(self.limits.unhedged_value_max.units().saturating_sub(self.unhedged.units())),
            quote_worth: self.quote_worth,
            order_qty_max: self.order_qty_max,
            limits: &self.limits,
            min_edge: self.min_edge,
            latency_allowance: self.latency,
            deadline: MonoNanos(77),
        })
    }

    fn with(mut self, change: impl FnOnce(&mut Case)) -> Case {
        change(&mut self);
        self
    }
}

/// The plan as (bought, sold) in units, or the verdict.
#[track_caller]
fn check(change: impl FnOnce(&mut Case), expected: Result<(i64, i64), Verdict>) {
    let found = Case::plain().with(change).size().map(|plan| (plan.buy.qty.units(), plan.sell.qty.units()));
    assert_eq!(found, expected);
}

fn buy_rules(case: &mut Case) -> &mut InstrumentRules {
    case.buy.rules.as_mut().unwrap()
}

fn sell_rules(case: &mut Case) -> &mut InstrumentRules {
    case.sell.rules.as_mut().unwrap()
}

#[test]
fn the_whole_depth_that_pays_net_of_the_fee_in_base() {
    let plan = Case::plain().size().unwrap();
    // 20 bought, 0.1 % kept by the venue, 19.98 sold.
    assert_eq!((plan.buy.qty, plan.sell.qty), (units(20_000), units(19_980)));
    assert_eq!((plan.buy.price.units(), plan.sell.price.units()), (10_000, 10_100));
    assert_eq!((plan.buy.venue, plan.sell.venue, plan.deadline), (A, B, MonoNanos(77)));
    let w = plan.expected;
    assert_eq!(w.gross.to_text(), "20");
    // 0.02 base at 101 and 0.1 % of 2017.98
    assert_eq!(w.fees.to_text(), "4.03798");
    assert_eq!((w.depth, w.latency), (Amount::ZERO, Amount::ZERO));
    assert_eq!(w.net.to_text(), "15.96202");
    assert_eq!(w.net_rate.nano(), 7_981_010);
}

#[test]
fn a_step_back_where_the_lots_waste_least_earns_more() {
    // The example of the module: selling 0.01000 needs 0.01002 bought, selling 0.00999 exactly 0.01000.
    let fee = nano(1_000_000);
    let mut case = Case::new(cell(A, &[], &[(6_000_000, 1_002)], fee), cell(B, &[(6_030_000, 1_000)], &[], Rate::ZERO));
    case.scale = PairScale::new(2, 5).unwrap();
    let plan = case.size().unwrap();
    assert_eq!((plan.buy.qty, plan.sell.qty), (units(1_000), units(999)));
    // With other fees the walk ends at the same edge when the books hold more than is tried one by one.
    let plan = case.with(|c| c.base = amount("0.0105")).size().unwrap();
    assert_eq!((plan.buy.qty, plan.sell.qty), (units(1_000), units(999)));
}

#[test]
fn nothing_is_sized_on_what_is_not_known_or_not_open() {
    let untrusted = Err(Verdict::Untrusted);
    check(|c| c.buy.rules = None, untrusted);
    check(|c| c.sell.rules = None, untrusted);
    check(|c| c.buy.fees = None, untrusted);
    check(|c| c.sell.fees = None, untrusted);
    check(|c| buy_rules(c).can_buy = false, untrusted);
    check(|c| sell_rules(c).can_sell = false, untrusted);
    check(|c| c.buy.book.drop_trust(), untrusted);
    check(|c| c.sell.book.drop_trust(), untrusted);
    // The other side of each venue does not matter.
    check(|c| buy_rules(c).can_sell = false, Ok((20_000, 19_980)));
    check(|c| sell_rules(c).can_buy = false, Ok((20_000, 19_980)));
}

#[test]
fn fees_and_edge_are_judged_exactly() {
    check(|c| c.min_edge = nano(7_981_010), Ok((20_000, 19_980)));
    check(|c| c.min_edge = nano(7_981_011), Err(Verdict::BelowMinEdge));
    check(|c| c.sell.fees.as_mut().unwrap().taker = nano(9_000_000), Err(Verdict::BelowFees));
    check(|c| c.latency = nano(9_000_000), Err(Verdict::BelowFees));
    check(|c| c.buy.fees.as_mut().unwrap().taker = nano(RATE_ONE), Err(Verdict::BelowFees));
    // A fee beside the trade: nothing is taken from the base, and the cost is in quote.
    let beside = Case::plain().with(|c| c.buy.fees.as_mut().unwrap().paid_in = Some(AssetId(3))).size().unwrap();
    assert_eq!((beside.buy.qty, beside.sell.qty), (units(20_000), units(20_000)));
    // 20 gross − 0.1 % of 2000 − 0.1 % of 2020
    assert_eq!(beside.expected.net.to_text(), "15.98");
}

#[test]
fn minimums_and_maxima_of_both_venues() {
    check(|c| buy_rules(c).qty_min = units(20_000), Ok((20_000, 19_980)));
    check(|c| buy_rules(c).qty_min = units(20_001), Err(Verdict::MinSize));
    check(|c| sell_rules(c).qty_min = units(19_980), Ok((20_000, 19_980)));
    check(|c| sell_rules(c).qty_min = units(19_981), Err(Verdict::MinSize));
    check(|c| buy_rules(c).value_min = amount("2000"), Ok((20_000, 19_980)));
    check(|c| buy_rules(c).value_min = amount("2000.00000001"), Err(Verdict::MinSize));
    check(|c| sell_rules(c).value_min = amount("2017.98"), Ok((20_000, 19_980)));
    check(|c| sell_rules(c).value_min = amount("2017.98000001"), Err(Verdict::MinSize));
    check(|c| buy_rules(c).qty_max = Some(units(1_000)), Ok((1_000, 999)));
    check(|c| sell_rules(c).qty_max = Some(units(999)), Ok((1_000, 999)));
    // Lots that the books do not hold.
    check(|c| sell_rules(c).qty_step = units(30_000), Err(Verdict::MinSize));
    check(|c| buy_rules(c).qty_step = units(30_000), Err(Verdict::MinSize));
}

#[test]
fn balances_and_floors_bind_to_the_unit() {
    check(|c| c.quote = amount("2000"), Ok((20_000, 19_980)));
    check(|c| c.quote = amount("2000") - Amount::from_units(1), Ok((19_999, 19_979)));
    check(|c| c.base = amount("19.98"), Ok((20_000, 19_980)));
    check(|c| c.base = amount("0.999"), Ok((1_000, 999)));
    check(|c| c.quote_floor = amount("50"), Ok((20_000, 19_980)));
    let with_floor = |c: &mut Case, floor: Amount| {
        c.quote = amount("2050");
        c.quote_floor = floor;
        buy_rules(c).qty_min = units(20_000);
    };
    check(|c| with_floor(c, amount("50")), Ok((20_000, 19_980)));
    check(|c| with_floor(c, amount("50") + Amount::from_units(1)), Err(Verdict::InventoryFloor));
    check(|c| c.quote = amount("0.09"), Err(Verdict::Balance));
    check(|c| c.quote = Amount::from_units(-5), Err(Verdict::Balance));
    check(|c| c.base = Amount::ZERO, Err(Verdict::Balance));
    check(|c| c.base_floor = c.base, Err(Verdict::InventoryFloor));
    // The order of gates: a balance that is too small comes before a floor and a limit.
    check(
        |c| {
            c.base = amount("0.0009");
            c.base_floor = amount("1");
            c.limits.order_value_max = Amount::from_units(1);
        },
        Err(Verdict::Balance),
    );
    // A fee token that is the pair's own base is held beside what is sold, 19.98 + 0.1 %, and comes off what is bought like any fee in it.
    let token = |c: &mut Case, base: Amount| {
        c.sell.fees.as_mut().unwrap().paid_in = Some(BASE);
        c.buy.fees.as_mut().unwrap().paid_in = Some(BASE);
        c.base = base;
    };
    check(|c| token(c, amount("19.99998")), Ok((20_000, 19_980)));
    check(|c| token(c, amount("19.99998") - Amount::from_units(1)), Ok((19_999, 19_979)));
    let with_base_floor = |c: &mut Case, floor: Amount| {
        token(c, amount("20"));
        c.base_floor = floor;
        sell_rules(c).qty_min = units(19_980);
    };
    check(|c| with_base_floor(c, amount("0.00002")), Ok((20_000, 19_980)));
    check(|c| with_base_floor(c, amount("0.00002") + Amount::from_units(1)), Err(Verdict::InventoryFloor));
    // A fee beside the trade is held too: 2000 + 0.1 %.
    let beside = |c: &mut Case, quote: Amount| {
        c.buy.fees.as_mut().unwrap().paid_in = Some(AssetId(3));
        c.quote = quote;
    };
    check(|c| beside(c, amount("2002")), Ok((20_000, 20_000)));
    check(|c| beside(c, amount("2002") - Amount::from_units(1)), Ok((19_999, 19_999)));
}

/// A quote worth 1/2 of the reference halves what counts; without a worth nothing passes; a quantity limit binds to the unit.
#[test]
fn values_count_in_the_reference_and_quantities_to_the_unit() {
    let check = |change: &dyn Fn(&mut Case)| {
        let case = Case::plain().with(|c| {
            c.limits.order_value_max = amount("1000");
            change(c);
        });
        case.size().map(|plan| {
            case.scale
                .value_of(plan.buy.price, plan.buy.qty)
                .unwrap()
                .max(case.scale.value_of(plan.sell.price, plan.sell.qty).unwrap())
        })
    };
    let whole = check(&|_| ()).unwrap();
    assert!(whole <= amount("1000") && whole > amount("990"));
    let half = check(&|c| c.quote_worth = Worth::new(1, 2)).unwrap();
    assert!(half <= amount("2000") && half > amount("1990"), "{half}");
    assert_eq!(check(&|c| c.quote_worth = None), Err(Verdict::Limit));
    let size = |max: i64| Case::plain().with(|c| c.order_qty_max = Qty::from_units(max)).size().unwrap().buy.qty.units();
    assert_eq!((size(20_000), size(19_999)), (20_000, 19_999));
}

#[test]
fn limits_bind_to_the_unit() {
    // The dearer leg at most: 19.98 × 101.00 = 2017.98.
    let exact = amount("2017.98");
    let below = exact - Amount::from_units(1);
    let smaller = Ok((19_999, 19_979));
    check(|c| c.limits.order_value_max = exact, Ok((20_000, 19_980)));
    check(|c| c.limits.order_value_max = below, smaller);
    check(|c| c.limits.deal_value_max = exact, Ok((20_000, 19_980)));
    check(|c| c.limits.deal_value_max = below, smaller);
    let open = |c: &mut Case, most: Amount| {
        c.unhedged = amount("100");
        c.limits.unhedged_value_max = most;
    };
    check(|c| open(c, exact + amount("100")), Ok((20_000, 19_980)));
    check(|c| open(c, below + amount("100")), smaller);
    check(|c| open(c, amount("100")), Err(Verdict::Limit));
    check(|c| c.limits.order_value_max = Amount::from_units(1), Err(Verdict::Limit));
}

#[test]
fn limit_prices_reach_the_worst_level_on_the_venues_steps() {
    let mut case = Case::new(
        cell(A, &[], &[(10_000, 100), (10_003, 100)], Rate::ZERO),
        cell(B, &[(10_100, 150), (10_097, 50)], &[], Rate::ZERO),
    );
    buy_rules(&mut case).price_step = 5;
    sell_rules(&mut case).price_step = 10;
    let plan = case.size().unwrap();
    assert_eq!((plan.buy.qty, plan.sell.qty), (units(200), units(200)));
    assert_eq!((plan.buy.price.units(), plan.sell.price.units()), (10_005, 10_090));
    // The net is that of the books, not of the limits: 100 × 1.00 + 50 × 0.97 + 50 × 0.94, in milli-base.
    assert_eq!(plan.expected.net.to_text(), "0.1955");
}

#[test]
#[should_panic(expected = "Invariant: a plan buys and sells on different venues")]
fn one_venue_against_itself_is_a_bug() {
    let case = Case::plain();
    let inputs = SizeInputs {
        pair: BTC,
        scale: case.scale,
        base: BASE,
        buy: A,
        sell: A,
        buy_cell: &case.buy,
        sell_cell: &case.buy,
        qty_paying: Qty::ZERO,
        quote_available: Amount::ZERO,
        base_available: Amount::ZERO,
        quote_floor: Amount::ZERO,
        base_floor: Amount::ZERO,
        room: Amount::ZERO,
        quote_worth: Some(Worth::ONE),
        order_qty_max: None,
        limits: &case.limits,
        min_edge: Rate::ZERO,
        latency_allowance: Rate::ZERO,
        deadline: MonoNanos(0),
    };
    let _ = size_plan(&inputs);
}

/// Unit by unit and size by size: an independent reference for small books and rates in whole basis points, where every fee is
/// exact in 10^-18.
struct Reference<'a> {
    case: &'a Case,
    asks: Vec<i128>,
    bids: Vec<i128>,
}

/// One size of the reference.
struct Found {
    bought: i128,
    net: i128,
    gate: Option<Verdict>,
}

impl Reference<'_> {
    fn new(case: &Case) -> Reference<'_> {
        let prices = |levels: &mut dyn Iterator<Item = Level>| {
            levels.flat_map(|l| std::iter::repeat_n(i128::from(l.price.units()), l.qty.units() as usize)).collect()
        };
        let (asks, bids) = (prices(&mut case.buy.book.book().asks()), prices(&mut case.sell.book.book().bids()));
        Reference { case, asks, bids }
    }

    fn at(&self, sold: i128) -> Option<Found> {
        let case = self.case;
        let (buy_rules, sell_rules) = (case.buy.rules.unwrap(), case.sell.rules.unwrap());
        let (buy_fees, sell_fees) = (case.buy.fees.unwrap(), case.sell.fees.unwrap());
        let bps = |rate: Rate| i128::from(rate.nano()) / 100_000;
        let (base_fee, quote_fee) = if buy_fees.paid_in.is_none() { (bps(buy_fees.taker), 0) } else { (0, bps(buy_fees.taker)) };
        let lot = i128::from(buy_rules.qty_step.units());
        let bought = (1..).map(|lots| lots * lot).find(|bought| bought * (10_000 - base_fee) >= sold * 10_000)?;
        let (cost, proceeds): (i128, i128) =
            (self.asks.get(..bought as usize)?.iter().sum(), self.bids.get(..sold as usize)?.iter().sum());
        // Amounts in 10^-18: a product unit is 10^13 of them, and three rates of four decimals divide it.
        let unit = 10i128.pow(13);
        let spent = cost * unit / 10_000 * (10_000 + quote_fee);
        let received = proceeds * unit / 10_000 * (10_000 - bps(sell_fees.taker));
        let net = received - spent - spent / 10_000 * bps(case.latency);
        let up = |price: i128, step: i64| (price + i128::from(step) - 1) / i128::from(step) * i128::from(step);
        let down = |price: i128, step: i64| price / i128::from(step) * i128::from(step);
        let buy_value = up(self.asks[bought as usize - 1], buy_rules.price_step) * bought * unit;
        let sell_value = down(self.bids[sold as usize - 1], sell_rules.price_step) * sold * unit;
        let held = buy_value / 10_000 * (10_000 + quote_fee);
        let base = sold * 10i128.pow(15);
        let small = |rules: &InstrumentRules, qty: i128, value: i128| {
            qty < i128::from(rules.qty_min.units())
                || value < rules.value_min.units()
                || rules.qty_max.is_some_and(|most| qty > i128::from(most.units()))
        };
        let value = buy_value.max(self.bids[0] * sold * unit);
        let limits = &case.limits;
        let gate = if net <= 0 {
            Some(Verdict::BelowFees)
        } else if net * 10_000 < spent * bps(case.min_edge) {
            Some(Verdict::BelowMinEdge)
        } else if small(&buy_rules, bought, buy_value) || small(&sell_rules, sold, sell_value) {
            Some(Verdict::MinSize)
        } else if held > case.quote.units() || base > case.base.units() {
            Some(Verdict::Balance)
        } else if held > case.quote.units() - case.quote_floor.units() || base > case.base.units() - case.base_floor.units() {
            Some(Verdict::InventoryFloor)
        } else if value > limits.order_value_max.units()
            || value > limits.deal_value_max.units()
            || value + case.unhedged.units() > limits.unhedged_value_max.units()
        {
            Some(Verdict::Limit)
        } else {
            None
        };
        Some(Found { bought, net, gate })
    }

    fn all(&self) -> impl Iterator<Item = (i128, Found)> + '_ {
        let lot = i128::from(self.case.sell.rules.unwrap().qty_step.units());
        (1..).map(move |lots| lots * lot).map_while(|sold| Some((sold, self.at(sold)?)))
    }
}

fn small_side(up: bool, start: std::ops::Range<i64>) -> impl Strategy<Value = Vec<(i64, i64)>> {
    (start, proptest::collection::vec((1i64..30, 1i64..25), 1..6)).prop_map(move |(start, steps)| {
        let mut price = start;
        let level = |(step, qty): (i64, i64)| {
            price += if up { step } else { -step };
            (price, qty)
        };
        steps.into_iter().map(level).collect()
    })
}

fn bps(bps: i64) -> Rate {
    Rate::from_bps(bps).unwrap()
}

/// Unconstrained with this weight, else within the range.
fn sometimes(range: std::ops::Range<i64>) -> impl Strategy<Value = Option<i64>> {
    proptest::option::weighted(0.3, range)
}

prop_compose! {
    fn small_case()(
        asks in small_side(true, 900..1_050), bids in small_side(false, 1_000..1_150),
        fees in (-10i64..200, -10i64..200), beside in proptest::bool::weighted(0.3),
        lots in (1i64..7, 1i64..7), steps in (1i64..4, 1i64..4),
        edge in 0i64..60, latency in 0i64..20,
        minimums in (sometimes(0..40), sometimes(0..40), sometimes(0..400), sometimes(0..400)),
        maxima in (sometimes(1..60), sometimes(1..60)),
        balances in (sometimes(0..700), sometimes(0..70)),
        floors in (sometimes(0..300), sometimes(0..30)),
        caps in (sometimes(1..600), sometimes(1..600), sometimes(1..600), 0i64..200),
        paying in 0i64..120,
    ) -> Case {
        // Units of value: one price unit × one quantity unit × 1000.
        let value = |units: i64| Amount::from_units(i128::from(units) * 10i128.pow(16));
        let base = |units: i64| Amount::from_units(i128::from(units) * 10i128.pow(15));
        let mut case = Case::new(cell(A, &[], &asks, bps(fees.0)), cell(B, &bids, &[], bps(fees.1)));
        if beside {
            case.buy.fees.as_mut().unwrap().paid_in = Some(AssetId(9));
        }
        {
            let rules = buy_rules(&mut case);
            (rules.qty_step, rules.price_step) = (units(lots.0), steps.0);
            rules.qty_min = units(minimums.0.unwrap_or(0));
            rules.value_min = value(minimums.2.unwrap_or(0));
            rules.qty_max = maxima.0.map(units);
        }
        {
            let rules = sell_rules(&mut case);
            (rules.qty_step, rules.price_step) = (units(lots.1), steps.1);
            rules.qty_min = units(minimums.1.unwrap_or(0));
            rules.value_min = value(minimums.3.unwrap_or(0));
            rules.qty_max = maxima.1.map(units);
        }
        (case.min_edge, case.latency) = (bps(edge), bps(latency));
        case.quote = balances.0.map_or(case.quote, |units| value(units * 10));
        case.base = balances.1.map_or(case.base, base);
        case.quote_floor = floors.0.map_or(Amount::ZERO, |units| value(units * 10));
        case.base_floor = floors.1.map_or(Amount::ZERO, base);
        case.limits.order_value_max = caps.0.map_or(case.limits.order_value_max, |units| value(units * 10));
        case.limits.deal_value_max = caps.1.map_or(case.limits.deal_value_max, |units| value(units * 10));
        case.limits.unhedged_value_max = caps.2.map_or(case.limits.unhedged_value_max, |units| value(units * 10));
        case.unhedged = value(caps.3);
        // Whatever the assessment says, the answer on small books is right.
        case.qty_paying = units(paying);
        case
    }
}

prop_compose! {
    /// Deep books in fine lots: more sizes than can be tried.
    fn large_case()(
        ask in 50_000i64..100_000, edge in 1i64..600, qtys in proptest::collection::vec(1i64..50_000_000, 6),
        steps in proptest::collection::vec(1i64..60, 6),
        fees in (0i64..3_000_000, 0i64..3_000_000), lots in (0u32..4, 0u32..4),
        min_edge in 0i64..500_000, latency in 0i64..200_000,
        quote in sometimes(1..100_000_000), base in sometimes(1..100_000_000), cap in sometimes(1..100_000_000),
    ) -> Case {
        let level = |from: i64, sign: i64, i: usize| (from + sign * steps[i..i + 3].iter().sum::<i64>() * i as i64, qtys[i]);
        let asks: Vec<_> = (0..3).map(|i| level(ask, 1, i)).collect();
        let bids: Vec<_> = (0..3).map(|i| (level(ask + edge, -1, i).0, qtys[i + 3])).collect();
        let sorted = |side: Vec<(i64, i64)>, up: bool| {
            let mut kept: Vec<(i64, i64)> = Vec::new();
            for level in side {
                if kept.last().is_none_or(|last| if up { level.0 > last.0 } else { level.0 < last.0 }) {
                    kept.push(level);
                }
            }
            kept
        };
        let mut case = Case::new(
            cell(A, &[], &sorted(asks, true), nano(fees.0)),
            cell(B, &sorted(bids, false), &[], nano(fees.1)),
        );
        buy_rules(&mut case).qty_step = units(10i64.pow(lots.0));
        sell_rules(&mut case).qty_step = units(10i64.pow(lots.1));
        (case.min_edge, case.latency) = (nano(min_edge), nano(latency));
        let value = |units: i64| Amount::from_units(i128::from(units) * 75_000 * 10i128.pow(13));
        case.quote = quote.map_or(case.quote, value);
        case.base = base.map_or(case.base, |units| Amount::from_units(i128::from(units) * 10i128.pow(15)));
        case.limits.order_value_max = cap.map_or(case.limits.order_value_max, value);
        case.qty_paying = case.paying();
        case
    }
}

/// Net in 10^-18 of a product unit, exact: three rates of nine decimals would be 27, so the allowance is folded in last.
fn exact_net(case: &Case, bought: i128, sold: i128) -> Option<(i128, i128)> {
    let walk = |levels: &mut dyn Iterator<Item = Level>, qty: i128| {
        let mut left = qty;
        let mut sum = 0i128;
        for level in levels {
            let take = left.min(i128::from(level.qty.units()));
            sum += take * i128::from(level.price.units());
            left -= take;
        }
        (left == 0).then_some(sum)
    };
    let cost = walk(&mut case.buy.book.book().asks(), bought)?;
    let proceeds = walk(&mut case.sell.book.book().bids(), sold)?;
    let one = 1_000_000_000i128;
    let sell_fee = i128::from(case.sell.fees.unwrap().taker.nano());
    let latency = i128::from(case.latency.nano());
    Some((proceeds * (one - sell_fee) - cost * (one + latency), cost * one))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    /// Plan or verdict, small books are answered exactly as by trying every size.
    #[test]
    fn small_books_are_sized_as_by_trying_everything(case in small_case()) {
        let reference = Reference::new(&case);
        match case.size() {
            Ok(plan) => {
                let found = reference.at(i128::from(plan.sell.qty.units())).unwrap();
                prop_assert_eq!(found.gate, None);
                prop_assert_eq!(found.bought, i128::from(plan.buy.qty.units()));
                prop_assert_eq!(found.net, plan.expected.net.units());
                let w = plan.expected;
                prop_assert_eq!(w.gross - w.fees - w.depth - w.latency, w.net);
                prop_assert_eq!(w.qty, plan.buy.qty);
            }
            Err(verdict) => {
                prop_assert!(reference.all().all(|(_, found)| found.gate.is_some()), "a size that passes every gate was missed");
                let furthest = reference.all().filter_map(|(_, found)| found.gate).max();
                prop_assert_eq!(verdict, furthest.unwrap_or(Verdict::MinSize));
            }
        }
    }

    #[test]
    fn large_plans_keep_every_promise(case in large_case(), probes in proptest::collection::vec(1i128..200_000_000, 20)) {
        let one = 1_000_000_000i128;
        let fee = i128::from(case.buy.fees.unwrap().taker.nano());
        let lots = (i128::from(case.buy.rules.unwrap().qty_step.units()), i128::from(case.sell.rules.unwrap().qty_step.units()));
        let least_buy = |sold: i128| {
            let gross = (sold * one + (one - fee) - 1) / (one - fee);
            (gross + lots.0 - 1) / lots.0 * lots.0
        };
        match case.size() {
            Ok(plan) => {
                let (bought, sold) = (i128::from(plan.buy.qty.units()), i128::from(plan.sell.qty.units()));
                prop_assert!(sold > 0 && bought % lots.0 == 0 && sold % lots.1 == 0);
                prop_assert_eq!(bought, least_buy(sold));
                prop_assert!(sold <= bought * (one - fee) / one);
                prop_assert!(case.scale.value_of(plan.buy.price, plan.buy.qty).unwrap() <= case.quote);
                prop_assert!(case.scale.base_of(plan.sell.qty) <= case.base);
                let (net, spent) = exact_net(&case, bought, sold).unwrap();
                // 10^-9 of a product unit is 10^4 of an amount; at most two roundings up of one unit each.
                prop_assert!(plan.expected.net.units() <= net * 10_000 && net * 10_000 <= plan.expected.net.units() + 2);
                prop_assert!(net > 0 && net >= spent / one * i128::from(case.min_edge.nano()));
                for (leg, value) in [(plan.buy, case.limits.order_value_max), (plan.sell, case.limits.order_value_max)] {
                    prop_assert!(case.scale.value_of(leg.price, leg.qty).unwrap() <= value);
                }
            }
            Err(Verdict::BelowFees) => {
                // What rounding to lots can hide is less than one lot's edge.
                let edge = i128::from(case.sell.book.book().best_bid().unwrap().price.units()
                    - case.buy.book.book().best_ask().unwrap().price.units()).max(0);
                for probe in probes {
                    let sold = (probe / lots.1).max(1) * lots.1;
                    if let Some((net, _)) = exact_net(&case, least_buy(sold), sold) {
                        prop_assert!(net <= edge * lots.0.max(lots.1) * one, "missed: {} at {}", net, sold);
                    }
                }
            }
            Err(_) => {}
        }
    }

    /// Any figures that fit a book are answered, never with a panic.
    #[test]
    fn absurd_figures_are_answered(
        ask in (1i64..=UNITS_MAX - 9, 1i64..=UNITS_MAX), bid in (1i64..=UNITS_MAX, 1i64..=UNITS_MAX),
        fees in (-RATE_ONE..=RATE_ONE, -RATE_ONE..=RATE_ONE), beside: bool, decimals in (0u8..=9, 0u8..=9),
        lots in (1i64..=UNITS_MAX, 1i64..=UNITS_MAX), small_lots: bool, steps in (1i64..=i64::MAX, 1i64..=i64::MAX), paying in 0i64..=UNITS_MAX,
        rates in (-RATE_ONE..=RATE_ONE, -RATE_ONE..=RATE_ONE), balances in (any::<i128>(), any::<i128>(), any::<i128>(), any::<i128>()),
    ) {
        let mut case = Case::new(cell(A, &[], &[ask], nano(fees.0)), cell(B, &[bid], &[], nano(fees.1)));
        case.scale = PairScale::new(decimals.0, decimals.1).unwrap();
        case.buy.fees.as_mut().unwrap().paid_in = beside.then_some(AssetId(0));
        if !small_lots {
            buy_rules(&mut case).qty_step = units(lots.0);
            sell_rules(&mut case).qty_step = units(lots.1);
            buy_rules(&mut case).price_step = steps.0;
            sell_rules(&mut case).price_step = steps.1;
        }
        case.qty_paying = units(paying);
        (case.min_edge, case.latency) = (nano(rates.0), nano(rates.1));
        (case.quote, case.base) = (Amount::from_units(balances.0), Amount::from_units(balances.1));
        (case.quote_floor, case.base_floor) = (Amount::from_units(balances.2), Amount::from_units(balances.3));
        if let Ok(plan) = case.size() {
            prop_assert!(plan.expected.net > Amount::ZERO && plan.expected.net_rate >= case.min_edge);
        }
    }
}
