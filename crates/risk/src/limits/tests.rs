//! Each limit hit exactly through the only way to an approval, and the order of the gates.

use super::*;
use crate::controls::{Controls, Derived};
use domain::time::SECOND;
use domain::{
    Command, DealId, NewOrder, PairId, Price, Purpose, Qty, StopKind, StopReason, TimeInForce, UnixNanos, VenueId, Waterfall,
};

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

fn whole(n: i128) -> Amount {
    Amount::from_units(n * domain::number::AMOUNT_ONE)
}

/// Controls so wide that only what a test narrows is met.
fn controls() -> Controls {
    Controls {
        unhedged_opportunity_max: whole(1_000_000),
        unhedged_asset_max: whole(1_000_000),
        messages_per_second_max: 400,
        derived: Derived::default(),
        repeat_deals_max: 3,
        ..Controls::beside(&limits())
    }
}

fn guard() -> Guard {
    Guard::new(controls(), 2, 1)
}

/// Approval of [`plan`] after a change of the limits and of the view, with a guard that was told something.
fn guarded(
    guard: &Guard,
    change_limits: impl FnOnce(&mut Limits),
    change_view: impl FnOnce(&mut RiskView<'_>),
) -> Option<Verdict> {
    let (exposure, stops) = (Exposure::default(), Stops::new());
    let mut limits = limits();
    change_limits(&mut limits);
    let mut view = RiskView::calm(&exposure, &stops, guard, Marks::around(price(10_050)));
    change_view(&mut view);
    limits.approve(plan(), scale(), &view).err()
}

fn verdict(change_limits: impl FnOnce(&mut Limits), change_view: impl FnOnce(&mut RiskView<'_>)) -> Option<Verdict> {
    guarded(&guard(), change_limits, change_view)
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
    exposure.add(AssetId(0), scale(), quote("-5"), quote("2"), price(10_002), Some(Worth::ONE));
    assert_eq!(exposure.worst_quote(), quote("500.1"));
    let (stops, guard) = (Stops::new(), guard());
    let check = |exposure: &Exposure| {
        let view = RiskView { open_deals: 1, ..RiskView::calm(exposure, &stops, &guard, Marks::around(price(10_050))) };
        limits().approve(plan(), scale(), &view).map(|approved| *approved.get())
    };
    assert_eq!(check(&exposure), Ok(plan()));
    // The least more refuses.
    exposure.add(AssetId(0), scale(), Amount::ZERO, Amount::from_units(1), price(1), Some(Worth::ONE));
    assert_eq!(exposure.worst_quote(), quote("500.1") + Amount::from_units(1));
    assert_eq!(check(&exposure), Err(Verdict::Limit));
    assert_eq!(exposure.deals(), 2);
}

#[test]
fn the_unhedged_limits_per_opportunity_and_asset_bind_to_the_unit() {
    let check = |change: fn(&mut Controls)| {
        let mut controls = controls();
        change(&mut controls);
        guarded(&Guard::new(controls, 2, 1), |_| (), |_| ())
    };
    assert_eq!(check(|c| c.unhedged_opportunity_max = quote("999.9")), None);
    assert_eq!(check(|c| c.unhedged_opportunity_max = quote("999.9") - Amount::from_units(1)), Some(Verdict::Limit));
    assert_eq!(check(|c| c.unhedged_asset_max = quote("999.9")), None);
    assert_eq!(check(|c| c.unhedged_asset_max = quote("999.9") - Amount::from_units(1)), Some(Verdict::Limit));
    assert_eq!(check(|c| c.order_qty_max = vec![(BTC, qty(9_900))]), None);
    assert_eq!(check(|c| c.order_qty_max = vec![(BTC, qty(9_899))]), Some(Verdict::Limit));
}

#[test]
fn values_are_in_the_reference_and_without_a_worth_nothing_is_opened() {
    // The dearer leg's 999.90 are worth 499.95 of the reference.
    let half = Worth::new(1, 2);
    assert_eq!(verdict(|l| l.order_value_max = quote("499.95"), |v| v.quote_worth = half), None);
    assert_eq!(
        verdict(|l| l.order_value_max = quote("499.95") - Amount::from_units(1), |v| v.quote_worth = half),
        Some(Verdict::Limit)
    );
    assert_eq!(verdict(|_| (), |v| v.quote_worth = None), Some(Verdict::Limit));
}

#[test]
fn prices_keep_the_collar_of_the_order_and_of_the_period() {
    // 5 % of 96.19: the sell at 101.00 is 4.81 above, one unit more of mark passes, one less does not.
    let marks = |units: i64| Marks::around(price(units));
    assert_eq!(verdict(|_| (), |v| v.marks = marks(9_620)), None);
    assert_eq!(verdict(|_| (), |v| v.marks = marks(9_619)), Some(Verdict::Limit));
    assert_eq!(verdict(|_| (), |v| v.marks = Marks::default()), Some(Verdict::Limit));
    // 10 % of the lowest median of the period: 91.82 × 1.1 = 101.002.
    let mut kept = guard();
    kept.median_seen(BTC, 4 * 9_182, MonoNanos(0));
    assert_eq!(guarded(&kept, |_| (), |_| ()), None);
    kept.median_seen(BTC, 4 * 9_181, MonoNanos(0));
    assert_eq!(guarded(&kept, |_| (), |_| ()), Some(Verdict::Limit));
    assert_eq!(guarded(&kept, |_| (), |v| v.now = MonoNanos(120 * SECOND)), None, "two periods later");
}

fn opening(side: Side) -> Command {
    let leg = if side == Side::Buy { plan().buy } else { plan().sell };
    Command::Place(NewOrder {
        venue: leg.venue,
        pair: BTC,
        client_id: domain::ClientOrderId::new(0, 1, 0, 0).unwrap(),
        deal: DealId(1),
        purpose: Purpose::Open,
        side,
        price: leg.price,
        qty: leg.qty,
        tif: TimeInForce::Ioc,
        deadline: None,
    })
}

#[test]
fn the_same_order_again_is_refused_until_its_window_is_over_or_something_was_executed() {
    let mut guard = guard();
    guard.sent(&opening(Side::Sell), MonoNanos(5));
    assert_eq!(guarded(&guard, |_| (), |v| v.now = MonoNanos(4 + SECOND)), Some(Verdict::Limit));
    assert_eq!(guarded(&guard, |_| (), |v| v.now = MonoNanos(5 + SECOND)), None);
    guard.executed(B, BTC);
    assert_eq!(guarded(&guard, |_| (), |v| v.now = MonoNanos(6)), None);
}

#[test]
fn one_deal_more_than_the_throttle_lets_through_is_answered_by_a_latch() {
    let mut guard = guard();
    for deal in 0..3 {
        assert_eq!(guarded(&guard, |_| (), |_| ()), None, "deal {deal}");
        guard.deal_approved(BTC, MonoNanos(0));
    }
    assert!(guard.repeats_exhausted(BTC, MonoNanos(0)));
    assert_eq!(guarded(&guard, |_| (), |_| ()), Some(Verdict::Latched));
    guard.resumed();
    assert_eq!(guarded(&guard, |_| (), |_| ()), None);
}

#[test]
fn messages_wait_for_two_orders_beside_the_reserve() {
    let mut guard = Guard::new(Controls { messages_per_second_max: 8, ..controls() }, 2, 1);
    let cancel = Command::CancelAll { venue: A, pair: BTC };
    (0..4).for_each(|_| guard.sent(&cancel, MonoNanos(1)));
    assert_eq!(guarded(&guard, |_| (), |v| v.now = MonoNanos(1)), None);
    guard.sent(&cancel, MonoNanos(1));
    assert_eq!(guarded(&guard, |_| (), |v| v.now = MonoNanos(1)), Some(Verdict::RateBudget));
}

/// A guard that counts so many orders now, each with something executed in between.
fn after_orders(count: u32) -> Guard {
    let mut guard = guard();
    for _ in 0..count {
        guard.sent(&opening(Side::Buy), MonoNanos(0));
        guard.executed(A, BTC);
    }
    guard
}

#[test]
fn counts_at_their_limit_pass_and_one_more_is_refused() {
    assert_eq!(verdict(|_| (), |v| v.open_deals = 2), None);
    assert_eq!(verdict(|_| (), |v| v.open_deals = 3), Some(Verdict::Limit));
    assert_eq!(verdict(|_| (), |v| v.pair_busy = true), Some(Verdict::Limit));
    assert_eq!(guarded(&after_orders(8), |_| (), |_| ()), None);
    assert_eq!(guarded(&after_orders(9), |_| (), |_| ()), Some(Verdict::RateBudget));
    assert_eq!(verdict(|_| (), |v| v.place_budget_ok = (false, true)), Some(Verdict::RateBudget));
    assert_eq!(verdict(|_| (), |v| v.place_budget_ok = (true, false)), Some(Verdict::RateBudget));
}

#[test]
fn the_loss_of_the_day_opens_nothing_at_its_limit_and_passes_one_unit_below() {
    let result = |text: &str| Some(quote(text));
    assert_eq!(verdict(|_| (), |v| v.realised_today = Some(quote("-50") + Amount::from_units(1))), None);
    assert_eq!(verdict(|_| (), |v| v.realised_today = result("-50")), Some(Verdict::Limit));
    assert_eq!(verdict(|_| (), |v| v.realised_today = Some(Amount::from_units(i128::MIN))), Some(Verdict::Limit));
    assert_eq!(verdict(|_| (), |v| v.realised_today = None), Some(Verdict::Limit), "what can't be valued");
    assert_eq!(verdict(|_| (), |v| v.realised_today = result("1000000")), None);
}

#[test]
fn gates_are_tried_in_the_order_of_the_list() {
    let mut stops = Stops::new();
    stops.set(StopKind::Freeze, StopReason::UnknownOrder, None, Some(BTC), UnixNanos(0));
    stops.set(StopKind::Pause, StopReason::UnhedgedTime, None, None, UnixNanos(0));
    stops.set(StopKind::Latch, StopReason::Operator, None, None, UnixNanos(0));
    let (exposure, guard) = (Exposure::default(), guard());
    let mut view = RiskView {
        open_deals: 9,
        place_budget_ok: (false, false),
        log_lagging: true,
        ..RiskView::calm(&exposure, &stops, &guard, Marks::around(price(10_050)))
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
        limits.validate().unwrap_err().field()
    };
    assert_eq!(field(|l| l.order_value_max = Amount::ZERO), "order_value_max");
    assert_eq!(field(|l| l.order_value_max = order_value::CEILING + Amount::from_units(1)), "order_value_max");
    assert_eq!(field(|l| l.deal_value_max = Amount::from_units(-1)), "deal_value_max");
    assert_eq!(field(|l| l.unhedged_value_max = Amount::ZERO), "unhedged_value_max");
    assert_eq!(field(|l| l.unhedged_value_max = quote("999")), "unhedged_value_max");
    assert_eq!(field(|l| l.daily_loss_max = Amount::ZERO), "daily_loss_max");
    assert_eq!(field(|l| l.open_deals_max = 0), "open_deals_max");
    assert_eq!(field(|l| l.open_deals_max = open_deals::CEILING + 1), "open_deals_max");
    assert_eq!(field(|l| l.orders_per_second_max = 1), "orders_per_second_max");
    assert_eq!(field(|l| l.orders_per_second_max = order_rate::CEILING + 1), "orders_per_second_max");
}
