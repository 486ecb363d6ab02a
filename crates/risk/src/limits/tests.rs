//! Each limit hit exactly, hedges that never widen the worst case, and stops.

use super::*;
use domain::{DealId, MonoNanos, PairId, Rate, StopKind, StopReason, UnixNanos, VenueId, Waterfall};
use proptest::prelude::*;

const A: VenueId = VenueId(0);
const B: VenueId = VenueId(1);
const BTC: PairId = PairId(0);

fn scale() -> PairScale {
    PairScale::new(2, 3).unwrap()
}

fn quote(text: &str) -> Amount {
    Amount::from_decimal(text.parse().unwrap()).unwrap()
}

fn price(units: i64) -> Price {
    Price::from_units(units).unwrap()
}

fn qty(units: i64) -> Qty {
    Qty::from_units(units).unwrap()
}

fn limits() -> Limits {
    Limits {
        order_value_max: quote("1000"),
        deal_value_max: quote("1000"),
        unhedged_value_max: quote("1500"),
        open_deals_max: 3,
        orders_per_second_max: 10,
        daily_loss_max: quote("50"),
    }
}

/// Buys 9.9 at 100.00, sells as much at 101.00: the sell leg is worth 999.90.
fn plan() -> Plan {
    Plan {
        pair: BTC,
        buy: Leg { venue: A, price: price(10_000), qty: qty(9_900) },
        sell: Leg { venue: B, price: price(10_100), qty: qty(9_900) },
        expected: Waterfall::default(),
        deadline: MonoNanos(1),
    }
}

/// Approval of [`plan`] after a change of the limits and of the view.
fn verdict(change_limits: impl FnOnce(&mut Limits), change_view: impl FnOnce(&mut RiskView<'_>)) -> Option<Verdict> {
    let (exposure, stops) = (Exposure::default(), Stops::new());
    let mut limits = limits();
    change_limits(&mut limits);
    let mut view = RiskView {
        exposure: &exposure,
        open_deals: 0,
        pair_busy: false,
        stops: &stops,
        place_budget_ok: (true, true),
        orders_last_second: 0,
        log_lagging: false,
        realised_today: Amount::ZERO,
    };
    change_view(&mut view);
    limits.approve(plan(), scale(), &view).err()
}

/// At the limit passes, one unit tighter refuses.
#[test]
fn values_at_their_limit_pass_and_one_unit_above_is_refused() {
    let (exact, below) = (quote("999.9"), quote("999.9") - Amount::from_units(1));
    assert_eq!(verdict(|l| l.order_value_max = exact, |_| ()), None);
    assert_eq!(verdict(|l| l.order_value_max = below, |_| ()), Some(Verdict::Limit));
    assert_eq!(verdict(|l| l.deal_value_max = exact, |_| ()), None);
    assert_eq!(verdict(|l| l.deal_value_max = below, |_| ()), Some(Verdict::Limit));
    assert_eq!(verdict(|l| l.unhedged_value_max = exact, |_| ()), None);
    assert_eq!(verdict(|l| l.unhedged_value_max = below, |_| ()), Some(Verdict::Limit));
}

#[test]
fn open_exposure_counts_in_full_against_the_new_plan() {
    // 5 base short at a mid of 100.02: 500.10 open; with 999.90 that is 1500.
    let mut exposure = Exposure::default();
    exposure.add(scale(), quote("-5"), quote("2"), price(10_002));
    assert_eq!(exposure.worst_quote(), quote("500.1"));
    let stops = Stops::new();
    let check = |exposure: &Exposure| {
        let view = RiskView {
            exposure,
            open_deals: 1,
            pair_busy: false,
            stops: &stops,
            place_budget_ok: (true, true),
            orders_last_second: 0,
            log_lagging: false,
            realised_today: Amount::ZERO,
        };
        limits().approve(plan(), scale(), &view).map(|approved| *approved.get())
    };
    assert_eq!(check(&exposure), Ok(plan()));
    // The least more refuses.
    exposure.add(scale(), Amount::ZERO, Amount::from_units(1), price(1));
    assert_eq!(exposure.worst_quote(), quote("500.1") + Amount::from_units(1));
    assert_eq!(check(&exposure), Err(Verdict::Limit));
    // Past 128 bits it saturates and refuses.
    exposure.add(scale(), Amount::from_units(i128::MIN + 1), Amount::ZERO, price(UNITS_MAX));
    exposure.add(scale(), Amount::from_units(i128::MIN + 1), Amount::ZERO, price(UNITS_MAX));
    assert_eq!(check(&exposure), Err(Verdict::Limit));
    assert_eq!(exposure.deals(), 4);
}

#[test]
fn counts_at_their_limit_pass_and_one_more_is_refused() {
    assert_eq!(verdict(|_| (), |v| v.open_deals = 2), None);
    assert_eq!(verdict(|_| (), |v| v.open_deals = 3), Some(Verdict::Limit));
    assert_eq!(verdict(|_| (), |v| v.pair_busy = true), Some(Verdict::Limit));
    assert_eq!(verdict(|_| (), |v| v.orders_last_second = 8), None);
    assert_eq!(verdict(|_| (), |v| v.orders_last_second = 9), Some(Verdict::RateBudget));
    assert_eq!(verdict(|_| (), |v| v.orders_last_second = u32::MAX), Some(Verdict::RateBudget));
    assert_eq!(verdict(|_| (), |v| v.place_budget_ok = (false, true)), Some(Verdict::RateBudget));
    assert_eq!(verdict(|_| (), |v| v.place_budget_ok = (true, false)), Some(Verdict::RateBudget));
}

#[test]
fn the_loss_of_the_day_at_its_limit_passes_and_one_unit_more_is_refused() {
    assert_eq!(verdict(|_| (), |v| v.realised_today = quote("-50")), None);
    assert_eq!(verdict(|_| (), |v| v.realised_today = quote("-50") - Amount::from_units(1)), Some(Verdict::Limit));
    assert_eq!(verdict(|_| (), |v| v.realised_today = Amount::from_units(i128::MIN)), Some(Verdict::Limit));
    assert_eq!(verdict(|_| (), |v| v.realised_today = quote("1000000")), None);
}

#[test]
fn gates_are_tried_in_the_order_of_the_list() {
    let mut stops = Stops::new();
    stops.set(StopKind::Freeze, StopReason::UnknownOrder, None, Some(BTC), UnixNanos(0));
    stops.set(StopKind::Pause, StopReason::UnhedgedTime, None, None, UnixNanos(0));
    stops.set(StopKind::Latch, StopReason::Operator, None, None, UnixNanos(0));
    let mut view = RiskView {
        exposure: &Exposure::default(),
        open_deals: 9,
        pair_busy: false,
        stops: &stops,
        place_budget_ok: (false, false),
        orders_last_second: 0,
        log_lagging: true,
        realised_today: Amount::ZERO,
    };
    let verdict = |view: &RiskView<'_>| limits().approve(plan(), scale(), view).map(|approved| approved.into_inner());
    assert_eq!(verdict(&view), Err(Verdict::Limit));
    view.open_deals = 0;
    assert_eq!(verdict(&view), Err(Verdict::RateBudget));
    view.place_budget_ok = (true, true);
    assert_eq!(verdict(&view), Err(Verdict::Frozen));
    let mut fewer = stops.clone();
    fewer.clear(StopKind::Freeze, StopReason::UnknownOrder, None, Some(BTC));
    view.stops = &fewer;
    assert_eq!(verdict(&view), Err(Verdict::Paused));
    let mut fewer = fewer.clone();
    fewer.clear(StopKind::Pause, StopReason::UnhedgedTime, None, None);
    view.stops = &fewer;
    assert_eq!(verdict(&view), Err(Verdict::Latched));
    let mut fewer = fewer.clone();
    fewer.resume(&mut Vec::new());
    view.stops = &fewer;
    assert_eq!(verdict(&view), Err(Verdict::LogLag));
    view.log_lagging = false;
    assert_eq!(verdict(&view), Ok(plan()));
}

#[test]
fn limits_that_are_missing_absurd_or_contradictory_are_refused_by_name() {
    assert_eq!(limits().validate(), Ok(()));
    let field = |change: fn(&mut Limits)| {
        let mut limits = limits();
        change(&mut limits);
        match limits.validate().unwrap_err() {
            LimitsError::NotPositive { field }
            | LimitsError::AboveCeiling { field, .. }
            | LimitsError::BelowOneDeal { field }
            | LimitsError::Contradiction { field, .. } => field,
        }
    };
    assert_eq!(field(|l| l.order_value_max = Amount::ZERO), "order_value_max");
    assert_eq!(field(|l| l.order_value_max = ceiling::ORDER_VALUE + Amount::from_units(1)), "order_value_max");
    assert_eq!(field(|l| l.deal_value_max = Amount::from_units(-1)), "deal_value_max");
    assert_eq!(field(|l| l.unhedged_value_max = Amount::ZERO), "unhedged_value_max");
    assert_eq!(field(|l| l.unhedged_value_max = quote("999")), "unhedged_value_max");
    assert_eq!(field(|l| l.daily_loss_max = Amount::ZERO), "daily_loss_max");
    assert_eq!(field(|l| l.open_deals_max = 0), "open_deals_max");
    assert_eq!(field(|l| l.open_deals_max = ceiling::OPEN_DEALS + 1), "open_deals_max");
    assert_eq!(field(|l| l.orders_per_second_max = 1), "orders_per_second_max");
    assert_eq!(field(|l| l.orders_per_second_max = ceiling::ORDERS_PER_SECOND + 1), "orders_per_second_max");
}

fn hedge(side: Side, qty_units: i64, price_units: i64) -> HedgeOrder {
    HedgeOrder { deal: DealId(1), pair: BTC, side, leg: Leg { venue: A, price: price(price_units), qty: qty(qty_units) } }
}

/// A band with this price in its middle.
fn band(reference: Price) -> HedgeBand {
    HedgeBand { reference, cap: Rate::ZERO, mids: None, collar: Rate::ZERO }
}

fn refusal(order: HedgeOrder, lo: &str, hi: &str) -> Option<HedgeRefusal> {
    limits().approve_hedge(order, scale(), (quote(lo), quote(hi)), &band(order.leg.price)).err()
}

#[test]
fn a_hedge_must_make_the_worst_case_strictly_smaller() {
    // Long 5 for certain.
    assert_eq!(refusal(hedge(Side::Sell, 5_000, 10_000), "5", "5"), None);
    assert_eq!(refusal(hedge(Side::Sell, 9_999, 10_000), "5", "5"), None, "it over-hedges, but ends nearer to flat");
    assert_eq!(refusal(hedge(Side::Sell, 10_000, 10_000), "5", "5"), Some(HedgeRefusal::NotReducing));
    assert_eq!(refusal(hedge(Side::Buy, 1, 10_000), "5", "5"), Some(HedgeRefusal::NotReducing));
    // Short by 1 to 4, an order being unknown.
    assert_eq!(refusal(hedge(Side::Buy, 1_000, 10_000), "-4", "-1"), None);
    assert_eq!(refusal(hedge(Side::Buy, 4_999, 10_000), "-4", "-1"), None);
    assert_eq!(refusal(hedge(Side::Buy, 5_000, 10_000), "-4", "-1"), Some(HedgeRefusal::NotReducing));
    // Flat or balanced around zero: nothing reduces.
    assert_eq!(refusal(hedge(Side::Sell, 1, 10_000), "0", "0"), Some(HedgeRefusal::NotReducing));
    assert_eq!(refusal(hedge(Side::Sell, 1, 10_000), "-3", "3"), Some(HedgeRefusal::NotReducing));
    assert_eq!(refusal(hedge(Side::Sell, 0, 10_000), "5", "5"), Some(HedgeRefusal::Empty));
}

#[test]
fn a_hedge_at_its_cap_passes_and_one_unit_above_is_refused() {
    // The cap is 2 × 1000; 20 at 100.00.
    assert_eq!(refusal(hedge(Side::Sell, 20_000, 10_000), "30", "30"), None);
    assert_eq!(refusal(hedge(Side::Sell, 20_001, 10_000), "30", "30"), Some(HedgeRefusal::TooLarge));
    assert_eq!(limits().hedge_qty_max(scale(), price(10_000)), qty(20_000));
    assert_eq!(limits().hedge_qty_max(scale(), price(10_001)), qty(19_998));
}

/// Defence in depth: a candidate whose price is wrong is not sent, whoever computed it.
#[test]
fn a_hedge_at_the_edge_of_its_band_passes_and_one_unit_beyond_is_refused() {
    let band = HedgeBand { cap: Rate::from_bps(50).unwrap(), ..band(price(10_000)) };
    let sent = |side, at| limits().approve_hedge(hedge(side, 1_000, at), scale(), signed(side), &band).err();
    assert_eq!((sent(Side::Sell, 9_950), sent(Side::Sell, 9_949)), (None, Some(HedgeRefusal::OutsideBand)));
    assert_eq!((sent(Side::Buy, 10_050), sent(Side::Buy, 10_051)), (None, Some(HedgeRefusal::OutsideBand)));
}

/// Long by five where it sells, short by five where it buys.
fn signed(side: Side) -> (Amount, Amount) {
    let five = if side == Side::Sell { quote("5") } else { -quote("5") };
    (five, five)
}

proptest! {
    /// Whatever part of an approved hedge fills, and wherever in its interval the exposure lies, the worst case does not grow.
    #[test]
    fn an_approved_hedge_never_widens_the_worst_case(
        lo in -40_000i64..40_000, width in 0i64..40_000, size in 1i64..40_000, buys: bool, filled_part in 0i64..=1_000,
    ) {
        let base = |units: i64| Amount::from_units(i128::from(units) * 10i128.pow(15));
        let (before, side) = ((base(lo), base(lo + width)), if buys { Side::Buy } else { Side::Sell });
        let order = hedge(side, size, 1_000);
        let worst = |shift: i64| (lo + shift).abs().max((lo + width + shift).abs());
        let signed = |filled: i64| if buys { filled } else { -filled };
        match limits().approve_hedge(order, scale(), before, &band(order.leg.price)) {
            Ok(approved) => {
                prop_assert_eq!(*approved.get(), order);
                prop_assert!(worst(signed(size)) < worst(0));
                prop_assert!(worst(signed(size * filled_part / 1_000)) <= worst(0));
            }
            Err(refusal) => {
                prop_assert_eq!(refusal, HedgeRefusal::NotReducing);
                prop_assert!(worst(signed(size)) >= worst(0));
            }
        }
    }

    #[test]
    fn exposure_is_rounded_up_and_never_below_the_exact_value(base in 0i128..10i128.pow(26), price_units in 1i64..UNITS_MAX) {
        let scale = PairScale::new(9, 3).unwrap();
        let mut exposure = Exposure::default();
        exposure.add(scale, Amount::from_units(-base), Amount::ZERO, price(price_units));
        // Digits apart, since the product does not fit 128 bits: (high × 10^13 + low) × price.
        let cut = 10i128.pow(13);
        let (high, low) = (base / cut * i128::from(price_units), base % cut * i128::from(price_units));
        let exact_up = {
            // ⌈(high × 10^13 + low) / 10^9⌉ = high × 10^4 + ⌈low / 10^9⌉
            let up = i128::from(low % 10i128.pow(9) != 0);
            high.checked_mul(10_000).map(|h| h + low / 10i128.pow(9) + up)
        };
        match exact_up {
            Some(exact) if exact < WORST_MAX => prop_assert_eq!(exposure.worst_quote().units(), exact),
            _ => prop_assert_eq!(exposure.worst_quote().units(), WORST_MAX),
        }
    }
}
