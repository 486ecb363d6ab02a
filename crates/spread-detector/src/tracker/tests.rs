//! Opportunities counted once: lives, verdicts, re-arming.

use super::*;
use domain::{Amount, Price};
use proptest::prelude::*;

fn seen(net: i128) -> Assessment {
    let price = Price::from_units(1).unwrap();
    let waterfall = Waterfall { net: Amount::from_units(net), ..Waterfall::default() };
    Assessment { gross_positive: true, waterfall, ask_worst: price, bid_worst: price, failed: None }
}

fn flat() -> Assessment {
    Assessment { gross_positive: false, ..seen(0) }
}

const BTC: PairId = PairId(1);
const A: VenueId = VenueId(0);
const B: VenueId = VenueId(1);

struct Run {
    tracker: Tracker,
    told: Vec<Notice>,
}

impl Run {
    fn new() -> Run {
        Run { tracker: Tracker::new(2, 2), told: Vec::new() }
    }

    fn at(&mut self, now: u64, assessment: Option<Assessment>, verdict: Verdict) {
        let traded = verdict == Verdict::Traded;
        self.tracker.observe(BTC, A, B, MonoNanos(now), assessment.as_ref(), verdict, traded, &mut self.told);
    }

    fn lives(&self) -> Vec<(u64, u64, i128, Verdict)> {
        let life = |notice: &Notice| match notice {
            Notice::Opportunity { pair, buy, sell, opened, closed, best, verdict } => {
                assert_eq!((*pair, *buy, *sell), (BTC, A, B));
                (opened.0, closed.0, best.net.units(), *verdict)
            }
            other => panic!("{other:?}"),
        };
        self.told.iter().map(life).collect()
    }
}

#[test]
fn counted_once_at_close_under_the_gate_of_its_best_net() {
    let mut run = Run::new();
    run.at(10, Some(seen(-5)), Verdict::BelowFees);
    run.at(20, Some(seen(7)), Verdict::Balance);
    run.at(30, Some(seen(7)), Verdict::Limit); // not strictly better
    run.at(40, Some(seen(3)), Verdict::BelowMinEdge);
    assert!(run.told.is_empty());
    assert_eq!(run.tracker.open(), 1);
    run.at(50, Some(flat()), Verdict::BelowFees);
    assert_eq!(run.lives(), vec![(10, 50, 7, Verdict::Balance)]);
    assert_eq!(run.tracker.counts()[Verdict::Balance as usize], 1);
    assert_eq!(run.tracker.opportunities(), 1);
    // Nothing open: nothing to close.
    run.at(60, Some(flat()), Verdict::BelowFees);
    run.at(70, None, Verdict::Untrusted);
    assert_eq!(run.tracker.opportunities(), 1);
}

#[test]
fn a_book_that_is_not_live_ends_it() {
    let mut run = Run::new();
    run.at(10, Some(seen(4)), Verdict::LegSkew);
    run.at(11, None, Verdict::Untrusted);
    assert_eq!(run.lives(), vec![(10, 11, 4, Verdict::LegSkew)]);
}

#[test]
fn a_deal_ends_it_at_once_and_arms_the_next() {
    let mut run = Run::new();
    run.at(10, Some(seen(9)), Verdict::BelowMinEdge);
    run.at(20, Some(seen(8)), Verdict::Traded);
    run.at(30, Some(seen(2)), Verdict::Limit);
    run.at(30, Some(seen(5)), Verdict::Traded);
    // A deal on the very first sight counts as an opportunity too.
    run.at(40, Some(seen(6)), Verdict::Traded);
    let expected = vec![(10, 20, 9, Verdict::Traded), (30, 30, 5, Verdict::Traded), (40, 40, 6, Verdict::Traded)];
    assert_eq!(run.lives(), expected);
    assert_eq!(run.tracker.counts()[Verdict::Traded as usize], 3);
}

#[test]
fn both_directions_live_side_by_side_and_the_end_closes_all() {
    let mut tracker = Tracker::new(2, 3);
    let mut told = Vec::new();
    tracker.observe(PairId(0), VenueId(2), VenueId(1), MonoNanos(1), Some(&seen(1)), Verdict::Frozen, false, &mut told);
    tracker.observe(PairId(1), VenueId(1), VenueId(2), MonoNanos(2), Some(&seen(2)), Verdict::Paused, false, &mut told);
    assert_eq!(tracker.open(), 2);
    tracker.close_all(MonoNanos(9), &mut told);
    let who = |notice: &Notice| match notice {
        Notice::Opportunity { pair, buy, sell, verdict, closed, .. } => (pair.0, buy.0, sell.0, *verdict, closed.0),
        other => panic!("{other:?}"),
    };
    let closed: Vec<_> = told.iter().map(who).collect();
    assert_eq!(closed, vec![(0, 2, 1, Verdict::Frozen, 9), (1, 1, 2, Verdict::Paused, 9)]);
    assert_eq!((tracker.open(), tracker.opportunities()), (0, 2));
}

#[test]
#[should_panic(expected = "Invariant: `traded` and the verdict say the same")]
fn a_verdict_traded_without_a_deal_is_a_bug() {
    let mut tracker = Tracker::new(2, 2);
    tracker.observe(BTC, A, B, MonoNanos(1), Some(&seen(1)), Verdict::Traded, false, &mut Vec::new());
}

proptest! {
    #[test]
    fn every_opportunity_has_one_verdict(
        steps in proptest::collection::vec((0u16..2, 0u8..3, 1u8..3, -3i128..4, 0u8..17, 0u8..6), 0..200),
    ) {
        let mut tracker = Tracker::new(2, 3);
        let mut told = Vec::new();
        let mut deals = 0;
        for (now, (pair, buy, ahead, net, verdict, kind)) in steps.into_iter().enumerate() {
            let sell = (buy + ahead) % 3;
            let verdict = Verdict::from_index(verdict).unwrap();
            let assessment = match kind {
                0 => None,
                1 => Some(flat()),
                _ => Some(seen(net)),
            };
            let traded = verdict == Verdict::Traded;
            if traded && kind < 2 {
                continue;
            }
            deals += u64::from(traded);
            let (buy, sell, now) = (VenueId(buy), VenueId(sell), MonoNanos(now as u64));
            tracker.observe(PairId(pair), buy, sell, now, assessment.as_ref(), verdict, traded, &mut told);
            prop_assert_eq!(tracker.counts().iter().sum::<u64>(), tracker.opportunities());
            prop_assert_eq!(told.len() as u64, tracker.opportunities());
        }
        tracker.close_all(MonoNanos(1000), &mut told);
        prop_assert_eq!(tracker.open(), 0);
        prop_assert_eq!(told.len() as u64, tracker.opportunities());
        prop_assert_eq!(tracker.counts()[0], deals);
        for notice in told {
            if let Notice::Opportunity { opened, closed, .. } = notice {
                prop_assert!(opened <= closed);
            }
        }
    }
}
