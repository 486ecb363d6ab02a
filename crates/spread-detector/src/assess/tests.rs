//! Every gate at its threshold, and the waterfall against exact fractions.

use super::*;
use domain::number::{RATE_ONE, UNITS_MAX};
use domain::time::MILLI;
use domain::{BookBody, BookUpdate, ClockOffset, Level, PairId, Qty, SendStamp, VenueNanos};
use order_book::{VenueLag, collar_reference};
use proptest::prelude::*;

const NOW: MonoNanos = MonoNanos(10_000 * MILLI);

fn levels(side: &[(i64, i64)]) -> Vec<Level> {
    let level =
        |(price, qty): &(i64, i64)| Level { price: Price::from_units(*price).unwrap(), qty: Qty::from_units(*qty).unwrap() };
    side.iter().map(level).collect()
}

fn snapshot(bids: &[(i64, i64)], asks: &[(i64, i64)], received: MonoNanos, sent_at: Option<VenueNanos>) -> BookUpdate {
    let body = BookBody::Snapshot { id: 1, bids: levels(bids), asks: levels(asks) };
    let sent_at = sent_at.map(|at| SendStamp { at, connection: 1 });
    BookUpdate { venue: VenueId(0), pair: PairId(0), received, changed_at: None, sent_at, body }
}

fn book_at(bids: &[(i64, i64)], asks: &[(i64, i64)], received: MonoNanos) -> TrackedBook {
    let mut book = TrackedBook::default();
    book.handle(&snapshot(bids, asks, received, None), &mut VenueLag::default()).unwrap();
    book
}

fn book(bids: &[(i64, i64)], asks: &[(i64, i64)]) -> TrackedBook {
    book_at(bids, asks, NOW)
}

fn leg(book: &TrackedBook, taker_bps: i64) -> LegView<'_> {
    LegView { venue: VenueId(0), book, taker: Rate::from_bps(taker_bps), fee_in_received: true, open: true }
}

fn config() -> DetectorConfig {
    DetectorConfig {
        min_edge: Rate::from_bps(2).unwrap(),
        book_age_max_ns: 500 * MILLI,
        lag_max_ns: 100 * MILLI,
        lag_must_be_known: false,
        skew_max_ns: 200 * MILLI,
        collar: Rate::from_bps(200).unwrap(),
        latency_allowance: Rate::from_bps(1).unwrap(),
    }
}

/// Cents and milli-base.
fn scale() -> PairScale {
    PairScale::new(2, 3).unwrap()
}

fn judge(config: &DetectorConfig, buy: &LegView<'_>, sell: &LegView<'_>) -> Option<Assessment> {
    let reference = collar_reference([buy.book, sell.book].into_iter(), config.book_age_max_ns, NOW);
    assess(config, scale(), Group::Tradable, &reference, buy, sell, NOW)
}

/// A pair of books with a plain edge: ask 100.00, bid 101.00.
fn edge_books() -> (TrackedBook, TrackedBook) {
    (book(&[(9_990, 5_000)], &[(10_000, 2_000)]), book(&[(10_100, 2_000)], &[(10_110, 5_000)]))
}

#[test]
fn the_waterfall_of_a_hand_computed_edge() {
    // Buy venue: 2 at 100.00, 3 at 100.20. Sell venue: 1 at 101.00, 4 at 100.80, then 100.00 which pays nothing.
    let buy = book(&[(9_990, 1_000)], &[(10_000, 2_000), (10_020, 3_000), (10_200, 9_000)]);
    let sell = book(&[(10_100, 1_000), (10_080, 3_980), (10_000, 9_000)], &[(10_110, 1_000)]);
    let found = judge(&config(), &leg(&buy, 10), &leg(&sell, 20)).unwrap();
    let w = found.waterfall;
    assert_eq!(found.failed, None);
    // The bids take 4.98, of which 4.98 / 0.999 = 4.98498… is the gross: 4.984; sold 4.984 × 0.999 = 4.979016.
    assert_eq!(scale().qty_text(w.qty), "4.984");
    assert_eq!((found.ask_worst.units(), found.bid_worst.units()), (10_020, 10_080));
    // gross 1.00 × 4.984; cost 2×100 + 2.984×100.2 = 498.9968; proceeds 1×101 + 3.979016×100.8 = 502.0848128
    assert_eq!(w.gross.to_text(), "4.984");
    // depth: 2.984 × 0.20 + 3.979016 × 0.20
    assert_eq!(w.depth.to_text(), "1.3926032");
    // fees: 0.004984 base at 101 + 502.0848128 × 0.002
    assert_eq!(w.fees.to_text(), "1.5075536256");
    assert_eq!(w.latency.to_text(), "0.04989968");
    assert_eq!(w.net.to_text(), "2.0339434944");
    // 2.0339434944 / 498.9968 = 0.0040760652…
    assert_eq!(w.net_rate.nano(), 4_076_065);
}

#[test]
fn a_fee_beside_the_trade_is_a_cost_in_quote() {
    let (buy, sell) = edge_books();
    let beside = LegView { fee_in_received: false, ..leg(&buy, 10) };
    let w = judge(&config(), &beside, &leg(&sell, 20)).unwrap().waterfall;
    assert_eq!(scale().qty_text(w.qty), "2");
    // 200 × 0.1 % + 202 × 0.2 %
    assert_eq!(w.fees.to_text(), "0.604");
    // 202 − 0.404 − 200.2 − 200.2 × 0.01 %
    assert_eq!(w.net.to_text(), "1.37598");
}

#[test]
fn no_edge_no_walk_no_live_book_no_answer() {
    let (buy, sell) = edge_books();
    let reverse = judge(&config(), &leg(&sell, 10), &leg(&buy, 10)).unwrap();
    assert!(!reverse.gross_positive);
    assert_eq!(reverse.failed, Some(Verdict::BelowFees));
    let locked = book(&[(10_000, 1)], &[(10_001, 1)]);
    assert!(!judge(&config(), &leg(&buy, 10), &leg(&locked, 10)).unwrap().gross_positive, "a locked pair has no edge");

    assert_eq!(judge(&config(), &leg(&TrackedBook::default(), 10), &leg(&sell, 10)), None);
    let mut dropped = buy.clone();
    dropped.drop_trust();
    assert_eq!(judge(&config(), &leg(&dropped, 10), &leg(&sell, 10)), None);
    let no_asks = book(&[(9_990, 1)], &[]);
    assert_eq!(judge(&config(), &leg(&no_asks, 10), &leg(&sell, 10)), None);
}

#[track_caller]
fn check_gate(change: impl FnOnce(&mut DetectorConfig), expected: Option<Verdict>) {
    let (buy, sell) = edge_books();
    let mut config = config();
    change(&mut config);
    assert_eq!(judge(&config, &leg(&buy, 10), &leg(&sell, 20)).unwrap().failed, expected);
}

#[test]
fn thresholds_of_edge_at_the_limit_pass() {
    // Buy 2 at 100, keep 1.998, sell at 101 less 0.2 %: 201.394404 − 200 − 0.02 = 1.374404; ÷ 200 = 0.68720… %.
    check_gate(|c| c.min_edge = Rate::from_nano(6_872_020).unwrap(), None);
    check_gate(|c| c.min_edge = Rate::from_nano(6_872_021).unwrap(), Some(Verdict::BelowMinEdge));
    // 201.394404 / 200 − 1 = 0.0069720…: as an allowance it leaves nothing.
    check_gate(|c| c.latency_allowance = Rate::from_nano(6_972_020).unwrap(), Some(Verdict::BelowFees));
    check_gate(
        |c| {
            c.latency_allowance = Rate::from_nano(6_972_019).unwrap();
            c.min_edge = Rate::ZERO;
        },
        None,
    );
}

#[test]
fn age_is_judged_at_its_limit_by_the_local_clock() {
    let (buy, sell) = edge_books();
    let reference = CollarReference::default();
    let at = |now: u64| {
        let seen = assess(&config(), scale(), Group::Tradable, &reference, &leg(&buy, 10), &leg(&sell, 10), MonoNanos(now));
        seen.unwrap()
    };
    assert_eq!(at(NOW.0 + 500 * MILLI).failed, None);
    let old = at(NOW.0 + 500 * MILLI + 1);
    assert_eq!(old.failed, Some(Verdict::Untrusted));
    assert!(old.gross_positive && old.waterfall.net.units() > 0, "an old book keeps its opportunity and waterfall");
}

#[test]
fn two_venues_are_measured_against_each_other() {
    // Mids 100.00 and 101.00: 1 % apart by the lower one.
    let buy = book(&[(9_990, 5_000)], &[(10_010, 2_000)]);
    let sell = book(&[(10_090, 2_000)], &[(10_110, 5_000)]);
    for (nano, expected) in [(10_000_000, None), (9_999_999, Some(Verdict::Untrusted))] {
        let config = DetectorConfig { collar: Rate::from_nano(nano).unwrap(), ..config() };
        assert_eq!(judge(&config, &leg(&buy, 10), &leg(&sell, 10)).unwrap().failed, expected);
    }
    // A book with one side only has no mid.
    let no_bids = book(&[], &[(10_010, 2_000)]);
    assert_eq!(judge(&config(), &leg(&no_bids, 10), &leg(&sell, 10)).unwrap().failed, Some(Verdict::Untrusted));
}

#[test]
fn three_venues_outvote_the_wrong_one() {
    let config = DetectorConfig { collar: Rate::from_bps(50).unwrap(), ..config() };
    let (a, b) = (book(&[(9_990, 9_000)], &[(10_000, 9_000)]), book(&[(10_030, 9_000)], &[(10_040, 9_000)]));
    let wrong = book(&[(990_000, 9_000)], &[(1_000_000, 9_000)]); // a price 100 times too high
    let verdict = |books: &[&TrackedBook], buy: &TrackedBook, sell: &TrackedBook, now: MonoNanos| {
        let reference = collar_reference(books.iter().copied(), config.book_age_max_ns, now);
        assess(&config, scale(), Group::Tradable, &reference, &leg(buy, 0), &leg(sell, 0), now).unwrap().failed
    };
    assert_eq!(verdict(&[&a, &b, &wrong], &a, &b, NOW), None);
    assert_eq!(verdict(&[&a, &b, &wrong], &a, &wrong, NOW), Some(Verdict::Untrusted));
    // An old book has no vote; then two are left, and they agree.
    let old_wrong = book_at(&[(990_000, 9_000)], &[(1_000_000, 9_000)], MonoNanos(NOW.0 - 501 * MILLI));
    assert_eq!(verdict(&[&a, &b, &old_wrong], &a, &b, NOW), None);
    // Four venues: the middle of the two middle mids.
    let c = book(&[(10_010, 1)], &[(10_020, 1)]);
    assert_eq!(verdict(&[&a, &b, &c, &wrong], &a, &b, NOW), None);
}

#[test]
fn a_closed_leg_or_an_unknown_fee_is_untrusted() {
    let (buy, sell) = edge_books();
    let closed = LegView { open: false, ..leg(&buy, 10) };
    assert_eq!(judge(&config(), &closed, &leg(&sell, 10)).unwrap().failed, Some(Verdict::Untrusted));
    let unknown = LegView { taker: None, ..leg(&sell, 10) };
    assert_eq!(judge(&config(), &leg(&buy, 10), &unknown).unwrap().failed, Some(Verdict::Untrusted));
}

#[test]
fn skew_and_lag_are_gates_of_their_own() {
    let (buy, _) = edge_books();
    let sell_at = |received| book_at(&[(10_100, 2_000)], &[(10_110, 5_000)], MonoNanos(received));
    let at_limit = sell_at(NOW.0 - 200 * MILLI);
    assert_eq!(judge(&config(), &leg(&buy, 10), &leg(&at_limit, 10)).unwrap().failed, None);
    let beyond = sell_at(NOW.0 - 200 * MILLI - 1);
    assert_eq!(judge(&config(), &leg(&buy, 10), &leg(&beyond, 10)).unwrap().failed, Some(Verdict::LegSkew));

    // The venue's clock is an hour off; only lag above normal counts.
    let venue = |mono: u64| Some(VenueNanos(3_600_000_000_000 + mono as i64));
    for (late, expected) in [(100 * MILLI, None), (100 * MILLI + 1, Some(Verdict::LegLagging))] {
        let (mut lagging, mut lag) = (TrackedBook::default(), VenueLag::default());
        let first = NOW.0 - 1_000 * MILLI;
        let (bids, asks) = ([(10_100, 2_000)], [(10_110, 5_000)]);
        lagging.handle(&snapshot(&bids, &asks, MonoNanos(first), venue(first)), &mut lag).unwrap();
        lagging.handle(&snapshot(&bids, &asks, NOW, venue(NOW.0 - late)), &mut lag).unwrap();
        assert_eq!(judge(&config(), &leg(&buy, 10), &leg(&lagging, 10)).unwrap().failed, expected);
    }
}

#[test]
fn a_book_whose_lag_is_not_known_is_late_where_it_must_be_known() {
    let strict = DetectorConfig { lag_must_be_known: true, ..config() };
    let (bids, asks) = ([(10_100, 2_000)], [(10_110, 5_000)]);
    let sell = |lag: &mut VenueLag, sent_at| {
        let mut book = TrackedBook::default();
        book.handle(&snapshot(&bids, &asks, NOW, sent_at), lag).unwrap();
        book
    };
    let venue = |took: u64| Some(VenueNanos(3_600_000_000_000 + (NOW.0 - took) as i64));
    let mut known = VenueLag::default();
    let offset = ClockOffset { venue: VenueId(0), offset_ns: 0, over_monotonic_ns: 3_600_000_000_000, uncertainty_ns: 5 * MILLI };
    known.measured(NOW, &offset);
    let mut buy = TrackedBook::default();
    buy.handle(&snapshot(&[(9_990, 5_000)], &[(10_000, 2_000)], NOW, venue(MILLI)), &mut known).unwrap();
    // (lag of the venue, the frame's stamp, verdict where lag must be known, verdict where it need not be)
    let late = Some(Verdict::LegLagging);
    for (mut lag, sent_at, strictly, loosely) in [
        (known.clone(), venue(20 * MILLI), None, None),
        (known.clone(), venue(111 * MILLI), late, late),
        (known, None, late, None),
        (VenueLag::default(), venue(20 * MILLI), late, None),
    ] {
        let sell = sell(&mut lag, sent_at);
        let verdict = |config| judge(config, &leg(&buy, 10), &leg(&sell, 10)).unwrap().failed;
        assert_eq!((verdict(&strict), verdict(&config())), (strictly, loosely), "{sent_at:?}");
    }
}

#[test]
fn gates_are_tried_in_the_order_of_the_list() {
    // Everything is wrong at once; each line mends the gate before it.
    let sent = |mono: u64| Some(VenueNanos(mono as i64));
    let buy = book(&[(9_999, 5_000)], &[(10_000, 2_000)]);
    let (mut sell, mut lag) = (TrackedBook::default(), VenueLag::default());
    let (bids, asks) = ([(10_001, 2_000)], [(10_011, 5_000)]);
    let early = NOW.0 - 800 * MILLI;
    sell.handle(&snapshot(&bids, &asks, MonoNanos(early - 1), sent(early - 1)), &mut lag).unwrap();
    sell.handle(&snapshot(&bids, &asks, MonoNanos(early), sent(early - 300 * MILLI)), &mut lag).unwrap();
    let mut config = config();
    let verdict = |config: &DetectorConfig, group| {
        let reference = CollarReference::default();
        assess(config, scale(), group, &reference, &leg(&buy, 0), &leg(&sell, 0), NOW).unwrap().failed
    };
    assert_eq!(verdict(&config, Group::NotTradableKind), Some(Verdict::NotTradableKind));
    assert_eq!(verdict(&config, Group::QuoteDiffers), Some(Verdict::QuoteDiffers));
    assert_eq!(verdict(&config, Group::Tradable), Some(Verdict::Untrusted));
    config.book_age_max_ns = 2_000 * MILLI;
    assert_eq!(verdict(&config, Group::Tradable), Some(Verdict::LegLagging));
    config.lag_max_ns = 1_000 * MILLI;
    assert_eq!(verdict(&config, Group::Tradable), Some(Verdict::LegSkew));
    config.skew_max_ns = 2_000 * MILLI;
    assert_eq!(verdict(&config, Group::Tradable), Some(Verdict::BelowFees));
    config.latency_allowance = Rate::ZERO;
    assert_eq!(verdict(&config, Group::Tradable), Some(Verdict::BelowMinEdge));
    config.min_edge = Rate::from_bps(1).unwrap();
    assert_eq!(verdict(&config, Group::Tradable), None);
}

#[test]
fn thin_levels_behind_good_ones_do_not_hide_them() {
    // 1 at +100 bps, then 100 more that pay a hair above costs: together below the least edge of 20 bps.
    let buy = book(&[(9_990, 5_000)], &[(10_000, 101_000)]);
    let sell = book(&[(10_100, 1_000), (10_003, 100_000)], &[(10_200, 1)]);
    let config = DetectorConfig { min_edge: Rate::from_bps(20).unwrap(), ..config() };
    let found = judge(&config, &leg(&buy, 0), &leg(&sell, 0)).unwrap();
    assert_eq!(found.failed, None);
    assert_eq!(scale().qty_text(found.waterfall.qty), "1");
    // With a least edge that the whole depth earns, the whole depth is taken.
    let config = DetectorConfig { min_edge: Rate::from_bps(2).unwrap(), ..config };
    assert_eq!(scale().qty_text(judge(&config, &leg(&buy, 0), &leg(&sell, 0)).unwrap().waterfall.qty), "101");
}

fn small_side(up: bool, start: std::ops::Range<i64>) -> impl Strategy<Value = Vec<(i64, i64)>> {
    (start, proptest::collection::vec((1i64..40, 1i64..12), 1..5)).prop_map(move |(start, steps)| {
        let mut price = start;
        let mut level = |(step, qty): (i64, i64)| {
            price += if up { step } else { -step };
            (price, qty)
        };
        steps.into_iter().map(&mut level).collect()
    })
}

/// One price a unit, best first.
fn units_of(side: &[(i64, i64)]) -> Vec<i128> {
    side.iter().flat_map(|(price, qty)| std::iter::repeat_n(i128::from(*price), *qty as usize)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    /// Against an independent reference: exact fractions over unit-by-unit books.
    #[test]
    fn the_best_net_is_the_best_of_all_quantities(
        asks in small_side(true, 880..990), bids in small_side(false, 1_000..1_100),
        buy_bps in -5i64..60, sell_bps in -5i64..60, latency_bps in 0i64..10, in_base: bool,
    ) {
        prop_assume!(bids[0].0 > asks[0].0);
        let buy = book(&[], &asks);
        let sell = book(&bids, &[]);
        let config = DetectorConfig {
            latency_allowance: Rate::from_bps(latency_bps).unwrap(), min_edge: Rate::from_nano(-RATE_ONE).unwrap(), ..config()
        };
        let buy_leg = LegView { fee_in_received: in_base, ..leg(&buy, buy_bps) };
        let found = judge(&config, &buy_leg, &leg(&sell, sell_bps)).unwrap();
        let w = found.waterfall;
        prop_assert_eq!(w.gross - w.fees - w.depth - w.latency, w.net);

        let (cost_units, sale_units) = (units_of(&asks), units_of(&bids));
        let (buy_fee, sell_fee) = (i128::from(buy_bps), i128::from(sell_bps));
        let (base_fee, quote_fee) = if in_base { (buy_fee, 0) } else { (0, buy_fee) };
        // net in 10^-12 of (price unit × quantity unit): fees and allowance have four decimals each.
        let net_of = |bought: i128| {
            let sold = bought * (10_000 - base_fee);
            let (whole, part) = ((sold / 10_000) as usize, sold % 10_000);
            let next = if part == 0 { 0 } else { *sale_units.get(whole)? };
            let cost: i128 = cost_units.get(..bought as usize)?.iter().sum();
            let sale = sale_units.get(..whole)?.iter().sum::<i128>() * 10_000 + next * part;
            Some(sale * (10_000 - sell_fee) * 10_000 - cost * (10_000 + quote_fee) * (10_000 + i128::from(latency_bps)) * 10_000)
        };
        // One product unit is 10^-5 quote, so 10^-12 of it is 10 units of an amount: exact, no rounding in between.
        let exact = net_of(i128::from(w.qty.units())).unwrap() * 10;
        prop_assert_eq!(w.net.units(), exact);
        // With a fee in base the unit that straddles two bids may still pay a little: less than one unit's edge.
        let straddle = if base_fee != 0 { 400 * 10i128.pow(13) } else { 0 };
        let best = (1..=cost_units.len() as i128).filter_map(net_of).max().unwrap_or(0) * 10;
        prop_assert!(best <= w.net.units().max(0) + straddle, "best {} found {}", best, w.net.units());
        prop_assert_eq!(found.waterfall.net.units() <= 0, w.net_rate <= Rate::ZERO);
    }

    /// Any figures that fit a book are answered, never with a panic.
    #[test]
    fn absurd_books_are_answered(
        ask in (1i64..=UNITS_MAX - 9, 1i64..=UNITS_MAX), bid in (1i64..=UNITS_MAX, 1i64..=UNITS_MAX),
        more in (1i64..9, 1i64..=UNITS_MAX),
        fees in (-RATE_ONE..=RATE_ONE, -RATE_ONE..=RATE_ONE), rates in (-RATE_ONE..=RATE_ONE, -RATE_ONE..=RATE_ONE),
        in_base: bool, decimals in (0u8..=9, 0u8..=9),
    ) {
        let buy = book(&[], &[ask, (ask.0 + more.0, more.1)]);
        let sell = book(&[bid], &[]);
        let config = DetectorConfig {
            min_edge: Rate::from_nano(rates.0).unwrap(), latency_allowance: Rate::from_nano(rates.1).unwrap(), ..config()
        };
        let buy_leg = LegView { taker: Rate::from_nano(fees.0), fee_in_received: in_base, ..leg(&buy, 0) };
        let sell_leg = LegView { taker: Rate::from_nano(fees.1), ..leg(&sell, 0) };
        let scale = PairScale::new(decimals.0, decimals.1).unwrap();
        let found = assess(&config, scale, Group::Tradable, &CollarReference::default(), &buy_leg, &sell_leg, NOW).unwrap();
        prop_assert_eq!(found.gross_positive, bid.0 > ask.0);
        // One-sided books have no mid: nothing here may pass.
        prop_assert!(found.failed.is_some());
    }
}
