//! Samples, episodes and seconds on hand-made streams.

use super::*;

const MS: i64 = 1_000_000;

/// Bid and ask.
type Prices = (i64, i64);

/// Thresholds of 5, 10 and 15 basis points; `fees` in basis points.
fn meter(fees: (i64, i64), latency_ms: u64) -> Meter {
    let bps = 100_000;
    Meter::new(Terms {
        thresholds: vec![5 * bps, 10 * bps, 15 * bps],
        fee_a: fees.0 * bps,
        fee_b: fees.1 * bps,
        latency_ns: latency_ms * 1_000_000,
    })
}

/// Samples at milliseconds, each with bid and ask of both streams.
fn found(mut meter: Meter, samples: &[(i64, Prices, Prices)]) -> Found {
    for (ms, a, b) in samples {
        meter.sample(ms * MS, Top::new(a.0, a.1).unwrap(), Top::new(b.0, b.1).unwrap());
    }
    meter.finish()
}

fn runs(runs: Runs) -> (u64, u64) {
    (runs.episodes, runs.nanos / MS as u64)
}

#[test]
fn a_top_needs_two_prices_that_do_not_cross() {
    assert_eq!(Top::new(10, 11), Some(Top { bid: 10, ask: 11 }));
    for (bid, ask) in [(11, 10), (10, 10), (0, 10), (0, 0), (-1, 5)] {
        assert_eq!(Top::new(bid, ask), None);
    }
}

#[test]
fn nothing_sampled_is_no_value_and_one_sample_no_time() {
    let none = found(meter((10, 10), 100), &[]);
    assert_eq!((none.nanos, none.sampled, none.mean_basis_bps, none.edge_max_bps), (0, false, None, None));
    let one = found(meter((0, 0), 100), &[(5, (10_000, 10_001), (10_011, 10_020))]);
    // 10_011/10_001 − 1 = 10/10_001: 9.999000099990000999… bps. It is above 5 for one sample of no time, and pays nobody later.
    assert_eq!(one.edge_max_bps.as_deref(), Some("9.999000099990001"));
    assert_eq!((one.nanos, one.mean_basis_bps.as_deref()), (0, None));
    assert_eq!(one.above.iter().map(|r| runs(*r)).collect::<Vec<_>>(), [(1, 0), (0, 0), (0, 0)]);
    assert_eq!((runs(one.net), one.captured), ((1, 0), 0), "no sample came after 100 ms");
}

#[test]
fn episodes_are_maximal_runs_strictly_above_and_end_at_the_first_sample_that_is_not() {
    // a is 9_999/10_000 throughout; the edge is bid_b/10_000 − 1: exactly 10, 12, 10, 16, 20, −1 bps.
    let a = (9_999, 10_000);
    let samples = [
        (0, a, (10_010, 10_030)),
        (10, a, (10_012, 10_030)),
        (40, a, (10_010, 10_030)),
        (50, a, (10_016, 10_030)),
        (70, a, (10_020, 10_030)),
        (75, a, (9_999, 10_030)),
    ];
    let all = found(meter((10, 10), 100), &samples);
    assert_eq!(all.nanos, 75 * MS as u64);
    // Above 5: all but the last, one run of 75 ms. Above 10, strictly: 10..40 and 50..75. Above 15: 50..75.
    assert_eq!(all.above.iter().map(|r| runs(*r)).collect::<Vec<_>>(), [(1, 75), (2, 55), (1, 25)]);
    assert_eq!(all.edge_max_bps.as_deref(), Some("20"));
    // Still above at the last sample: the run ends there, and that sample itself weighs nothing.
    let open = found(meter((10, 10), 100), &samples[..5]);
    assert_eq!(open.above.iter().map(|r| runs(*r)).collect::<Vec<_>>(), [(1, 70), (2, 50), (1, 20)]);
}

#[test]
fn the_basis_is_weighted_by_how_long_each_sample_held() {
    // Twice the mids: a 200 then 400; b 202, 404. Basis 1 % for 10 ms, 1 % for 30 ms, and a last one that weighs nothing.
    let flat = [(0, (99, 101), (100, 102)), (10, (199, 201), (201, 203)), (40, (99, 101), (500, 600))];
    assert_eq!(found(meter((0, 0), 0), &flat).mean_basis_bps.as_deref(), Some("100"));
    // (3 × 1/200 + 1 × (−1/200)) ÷ 4 = 1/400 = 25 bps.
    let mixed = [(0, (99, 101), (99, 102)), (3, (99, 101), (98, 101)), (4, (99, 101), (99, 101))];
    assert_eq!(found(meter((0, 0), 0), &mixed).mean_basis_bps.as_deref(), Some("25"));
    // (1 × 1/3 + 1 × 1/7) ÷ 2 = 5/21, from mids 3 → 4 and 7 → 8.
    let odd = [(0, (1, 2), (1, 3)), (1, (3, 4), (3, 5)), (2, (1, 2), (1, 2))];
    assert_eq!(found(meter((0, 0), 0), &odd).mean_basis_bps.as_deref(), Some("2380.952380952380952381"));
}

#[test]
fn both_ways_count_and_a_net_run_goes_on_when_the_way_turns() {
    // Fees 10 and 5 bps. Selling a at 10_020 (net 10_009.98) and buying b at 10_000 (with fee 10_005) pays; then the other way.
    let samples = [
        (0, (10_020, 10_021), (9_999, 10_000)),
        (50, (9_999, 10_000), (10_020, 10_021)),
        (70, (9_999, 10_000), (10_015, 10_021)),
        (80, (9_999, 10_000), (9_999, 10_000)),
    ];
    // At 70: 10_015 × 0.9995 = 10_009.9925, against 10_000 × 1.001 = 10_010: does not pay, though the edge is 15 bps.
    let all = found(meter((10, 5), 50), &samples);
    assert_eq!(runs(all.net), (1, 70));
    assert_eq!(all.captured, 0, "50 ms after its start it pays, but the other way");
    assert_eq!(runs(found(meter((10, 4), 50), &samples).net), (1, 80));
    // Equal to the cent is not above: 10_010 × 1 against 10_000 × 1.001.
    let even = [(0, (9_999, 10_000), (10_010, 10_011)), (1, (9_999, 10_000), (10_010, 10_011))];
    assert_eq!(found(meter((10, 0), 0), &even).net.episodes, 0);
}

#[test]
fn captured_looks_at_the_first_sample_at_or_after_the_latency() {
    let (pays, not) = (((9_999, 10_000), (10_050, 10_051)), ((9_999, 10_000), (10_000, 10_001)));
    let at = |ms: i64, p: (Prices, Prices)| (ms, p.0, p.1);
    // Exactly 100 ms later it stands; the second run is gone 100 ms later and another has begun by 400, so it counts as standing.
    let samples = [at(0, pays), at(100, pays), at(150, not), at(200, pays), at(220, not), at(310, pays), at(400, not)];
    let all = found(meter((10, 10), 100), &samples);
    // Runs: 0..150, 200..220, 310..400. Looked at: 100 (stands), 310 for 200 (stands), none at or after 410 for 310.
    assert_eq!((runs(all.net), all.captured), ((3, 260), 2));
    // Without latency every run is captured at its own start.
    assert_eq!(found(meter((10, 10), 0), &samples).captured, 3);
    // 99 ms: the first sample at or after 99 is 100, after 299 is 310, after 409 none.
    assert_eq!(found(meter((10, 10), 99), &samples).captured, 2);
    // 30 ms: 100 stands, 310 stands (after 230), 400 does not (after 340).
    assert_eq!(found(meter((10, 10), 30), &samples).captured, 2);
}

#[test]
fn the_bounded_mean_is_the_exact_mean() {
    let mut basis = BTreeMap::new();
    let mut state = 7u64;
    for n in 0..400i128 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mid = 100_000 + 37 * n;
        basis.insert(mid, i128::from(state as i64) % 1_000_000_007);
        let nanos = 1 + (state >> 20);
        let exact = per_time(&exact_sum(&basis), nanos).to_decimals(BPS_DECIMALS);
        assert_eq!(mean_bps(&basis, nanos), exact);
    }
    // A tie of the last printed digit that only the exact sum can see: 1/3 + 1/6 + 2^-61 … is found by adding up.
    let tie = BTreeMap::from([(3, 1), (6, 1)]);
    assert_eq!(mean_bps(&tie, 10_000), "0.5");
    let tie = BTreeMap::from([(3, 5), (6, 5)]);
    assert_eq!(mean_bps(&tie, 1_000_000_000_000_000_000), "0.000000000000025");
    // 2.5 × 10^4 ÷ 10^23 … halves of the last digit: 5 × 10^-19 rounds to the even neighbour, 0.
    let half = BTreeMap::from([(30_000, 1), (60_000, 1)]);
    assert_eq!(mean_bps(&half, 1_000_000_000_000_000_000), "0");
}

#[test]
fn the_largest_numbers_fit() {
    let top = domain::number::UNITS_MAX;
    let mut meter = meter((10_000, -10_000), 100);
    let a = Top::new(top - 1, top).unwrap();
    let b = Top::new(1, 2).unwrap();
    meter.sample(0, a, b);
    meter.sample(i64::MAX, b, a);
    let found = meter.finish();
    assert_eq!(found.nanos, i64::MAX as u64);
    assert_eq!(found.above[2].episodes, 1);
    assert!(found.edge_max_bps.is_some() && found.mean_basis_bps.is_some());
}

#[test]
fn a_lost_stream_earns_nothing_until_it_is_sampled_again() {
    let mut meter = meter((10, 10), 15);
    let (a, b) = (Top::new(9_999, 10_000).unwrap(), Top::new(10_060, 10_070).unwrap());
    let even = Top::new(9_999, 10_000).unwrap();
    for (ms, b) in [(0, b), (20, b)] {
        meter.sample(ms * MS, a, b);
    }
    // Down from 30 to 130: told twice, and the run that begins then is another one.
    meter.interrupt(30 * MS);
    meter.interrupt(40 * MS);
    for (ms, b) in [(130, b), (135, b), (140, even)] {
        meter.sample(ms * MS, a, b);
    }
    let found = meter.finish();
    assert_eq!(found.nanos, 140 * MS as u64, "from the first sample to the last");
    assert_eq!((runs(found.net), found.captured), ((2, 40), 1));
    assert_eq!(found.above.iter().map(|r| runs(*r)).collect::<Vec<_>>(), [(2, 40); 3]);
    // 131/19_999 over the 40 ms that samples held, whatever the 100 ms between brought.
    assert_eq!(found.mean_basis_bps.as_deref(), Some("65.503275163758187909"));
}

#[test]
fn an_episode_that_a_loss_cuts_short_is_not_captured() {
    let mut meter = meter((10, 10), 15);
    let (a, b) = (Top::new(9_999, 10_000).unwrap(), Top::new(10_060, 10_070).unwrap());
    meter.sample(0, a, b);
    meter.interrupt(10 * MS);
    meter.sample(20 * MS, a, b);
    assert_eq!(meter.finish().captured, 0);
}
