//! The book against written cases, and against a naive book of exact decimals in ordered maps.

use super::*;
use domain::{Price, Qty};
use proptest::prelude::*;
use rust_decimal::Decimal;
use std::collections::BTreeMap;

fn level(price: i64, qty: i64) -> Level {
    Level { price: Price::from_units(price).unwrap(), qty: Qty::from_units(qty).unwrap() }
}

/// `b 100x2 99x1 a 101x3` as levels.
fn parse_sides(words: &[&str]) -> (Vec<Level>, Vec<Level>) {
    let (mut bids, mut asks) = (Vec::new(), Vec::new());
    let mut side = &mut bids;
    for word in words {
        match *word {
            "b" => side = &mut bids,
            "a" => side = &mut asks,
            text => {
                let (price, qty) = text.split_once('x').unwrap();
                side.push(level(price.parse().unwrap(), qty.parse().unwrap()));
            }
        }
    }
    (bids, asks)
}

/// `snap 5 b 100x2 a 101x3`, `delta 6-7 b 100x0`, `top 8 b 100x1 a 101x1`, `evidence 7`, `untrusted`.
fn parse_body(text: &str) -> BookBody {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words[..] {
        ["snap", id, ref sides @ ..] => {
            let (bids, asks) = parse_sides(sides);
            BookBody::Snapshot { id: id.parse().unwrap(), bids, asks }
        }
        ["delta", range, ref sides @ ..] => {
            let (first, last) = range.split_once('-').unwrap();
            let (bids, asks) = parse_sides(sides);
            BookBody::Delta { first: first.parse().unwrap(), last: last.parse().unwrap(), bids, asks }
        }
        ["top", id, ref sides @ ..] => {
            let (bids, asks) = parse_sides(sides);
            BookBody::Top { id: id.parse().unwrap(), bid: bids.first().copied(), ask: asks.first().copied() }
        }
        ["evidence", id] => BookBody::Evidence { id: id.parse().unwrap() },
        ["untrusted"] => BookBody::Untrusted { reason: ResyncReason::Audit },
        _ => panic!("no such update: {text}"),
    }
}

fn render_outcome(outcome: Result<Applied, BookFault>) -> String {
    match outcome {
        Err(fault) => format!("{fault:?}"),
        Ok(Applied { stale: true, changed: false, top_changed: false }) => "stale".into(),
        Ok(Applied { stale: false, changed: false, top_changed: false }) => "same".into(),
        Ok(Applied { stale: false, changed: true, top_changed: false }) => "deep".into(),
        Ok(Applied { stale: false, changed: true, top_changed: true }) => "top".into(),
        Ok(impossible) => panic!("{impossible:?}"),
    }
}

fn render_book(book: &OrderBook) -> String {
    if !book.is_live() {
        return format!("{} dead", book.id());
    }
    let mut text = book.id().to_string();
    for (name, levels) in [("b", book.bids().collect::<Vec<_>>()), ("a", book.asks().collect())] {
        text += &format!(" {name}");
        for level in levels {
            text += &format!(" {}x{}", level.price.units(), level.qty.units());
        }
    }
    text
}

/// Applies `updates` (separated by `|`) to a new book; expects the last one's outcome and the book after it.
#[track_caller]
fn check(updates: &str, outcome: &str, after: &str) {
    let mut book = OrderBook::new();
    let mut last = Ok(Applied::default());
    for update in updates.split('|') {
        last = book.apply(&parse_body(update));
        book.check().unwrap();
    }
    assert_eq!((render_outcome(last).as_str(), render_book(&book).as_str()), (outcome, after));
}

#[test]
fn snapshots_replace() {
    check("snap 5 b 100x2 99x1 a 101x3", "top", "5 b 100x2 99x1 a 101x3");
    check("snap 5 b 100x2 99x1 a 101x3 | snap 9 b 100x2 99x1 a 101x3", "same", "9 b 100x2 99x1 a 101x3");
    check("snap 5 b 100x2 99x1 a 101x3 | snap 9 b 100x2 a 101x3", "deep", "9 b 100x2 a 101x3");
    check("snap 5 b 100x2 99x1 a 101x3 | snap 9 b 100x1 99x1 a 101x3", "top", "9 b 100x1 99x1 a 101x3");
    check("snap 5 b 100x2 a 101x3 | snap 3 b 100x2 a 101x3", "same", "3 b 100x2 a 101x3");
    check("snap 5 | untrusted | snap 5", "top", "5 b a");
}

#[test]
fn empty_sides_are_legal() {
    check("snap 5 b a 101x3", "top", "5 b a 101x3");
    check("snap 5 b 100x1 a 101x3 | delta 6-6 b 100x0", "top", "6 b a 101x3");
    check("snap 5 | delta 6-6 b 100x2", "top", "6 b 100x2 a");
}

#[test]
fn bad_snapshots_leave_nothing() {
    check("snap 5 b 99x1 100x2 a 101x3", "Unsorted", "0 dead");
    check("snap 5 b 100x1 100x2 a 101x3", "Unsorted", "0 dead");
    check("snap 5 b 100x1 a 102x1 101x3", "Unsorted", "0 dead");
    check("snap 5 b 100x0 a 101x3", "Unsorted", "0 dead");
    check("snap 5 b 101x1 a 101x3", "Crossed", "0 dead");
    check("snap 5 b 102x1 a 101x3", "Crossed", "0 dead");
    check("snap 5 b 100x1 a 101x3 | snap 6 b 102x1 a 101x3", "Crossed", "5 dead");
}

#[test]
fn deltas_continue_overlap_or_break() {
    let start = "snap 5 b 100x2 99x1 a 101x3 102x1 |";
    check(&format!("{start} delta 6-6 a 102x4"), "deep", "6 b 100x2 99x1 a 101x3 102x4");
    check(&format!("{start} delta 6-8"), "same", "8 b 100x2 99x1 a 101x3 102x1");
    check(&format!("{start} delta 6-8 b 99x1"), "same", "8 b 100x2 99x1 a 101x3 102x1");
    check(&format!("{start} delta 6-8 b 42x0"), "same", "8 b 100x2 99x1 a 101x3 102x1");
    check(&format!("{start} delta 2-7 b 100x0 98x1 a 101x9"), "top", "7 b 99x1 98x1 a 101x9 102x1");
    check(&format!("{start} delta 4-5 b 100x9"), "stale", "5 b 100x2 99x1 a 101x3 102x1");
    check(&format!("{start} delta 7-9 b 100x9"), "Gap { have: 5, first: 7 }", "5 dead");
    check(&format!("{start} delta 9-7 b 100x9"), "Gap { have: 5, first: 9 }", "5 dead");
    check(&format!("{start} delta 7-9 b 100x9 | delta 6-6 b 100x9"), "same", "5 dead");
    check(&format!("{start} delta 7-9 b 100x9 | snap 9 b 100x9 | delta 10-10 b 98x1"), "deep", "10 b 100x9 98x1 a");
    check("delta 1-1 b 100x9", "same", "0 dead");
}

#[test]
fn a_delta_may_move_both_sides_through_each_other() {
    check("snap 5 b 100x2 a 101x3 | delta 6-6 b 101x1 a 101x0 102x1", "top", "6 b 101x1 100x2 a 102x1");
}

#[test]
fn crossed_and_locked_books_are_dropped() {
    check("snap 5 b 100x2 a 101x3 | delta 6-6 b 101x1", "Crossed", "5 dead");
    check("snap 5 b 100x2 a 101x3 | delta 6-6 a 99x1", "Crossed", "5 dead");
}

#[test]
fn trust_is_lost_at_once_and_evidence_changes_nothing() {
    check("snap 5 b 100x2 a 101x3 | untrusted", "top", "5 dead");
    check("snap 5 b 100x2 a 101x3 | untrusted | untrusted", "same", "5 dead");
    check("snap 5 b 100x2 a 101x3 | evidence 5", "same", "5 b 100x2 a 101x3");
    check("snap 5 b 100x2 a 101x3 | evidence 6", "same", "5 b 100x2 a 101x3");
    check("evidence 0", "same", "0 dead");
}

#[test]
fn the_last_id_there_is_does_not_overflow() {
    let max = u64::MAX;
    check(&format!("snap {max} b 100x2 | delta {max}-{max} b 100x1"), "stale", &format!("{max} b 100x2 a"));
}

#[test]
fn depth_is_bounded_and_deep_deltas_are_refused() {
    let deep = |from: i64, count: usize| (0..count as i64).map(|i| level(from + i, 1)).collect::<Vec<_>>();
    let mut book = OrderBook::new();
    book.apply(&BookBody::Snapshot { id: 1, bids: vec![], asks: deep(1_000, DEPTH_MAX + 5) }).unwrap();
    book.check().unwrap();
    assert_eq!(book.depth(), (0, DEPTH_MAX));
    assert_eq!(book.asks().next_back(), Some(level(999 + DEPTH_MAX as i64, 1)));

    book.apply(&BookBody::Delta { first: 2, last: 2, bids: vec![], asks: deep(500, DEPTH_MAX) }).unwrap();
    book.check().unwrap();
    assert_eq!((book.depth(), book.asks().next_back()), ((0, DEPTH_MAX), Some(level(1_499, 1))));

    let fault = book.apply(&BookBody::Delta { first: 3, last: 3, bids: vec![], asks: deep(500, DEPTH_MAX + 1) });
    assert_eq!(fault, Err(BookFault::Overflow));
    assert!(!book.is_live());
}

#[test]
fn a_newer_top_overlays_until_the_book_reaches_it() {
    let start = "snap 5 b 100x2 99x1 a 101x3 103x1 |";
    // Better levels are hidden, worse ones stay; the same prices with other quantities show the ticker's.
    check(&format!("{start} top 8 b 99x7 a 102x1"), "top", "5 b 99x7 a 102x1 103x1");
    check(&format!("{start} top 8 b 98x1 a 104x2"), "top", "5 b 98x1 a 104x2");
    check(&format!("{start} top 8 b 100x2 a 101x3"), "same", "5 b 100x2 99x1 a 101x3 103x1");
    check(&format!("{start} top 8 b 100x2 a"), "top", "5 b 100x2 99x1 a");
    // A quantity that rounds to nothing is no level to trade on.
    check(&format!("{start} top 8 b 100x0 a 101x3"), "top", "5 b a 101x3 103x1");
    // It may show a better top than the book's, and a moved market.
    check(&format!("{start} top 8 b 104x1 a 105x1"), "top", "5 b 104x1 100x2 99x1 a 105x1");
    // The book shows itself again from the top's id on, not before.
    check(&format!("{start} top 8 b 99x7 a 102x1 | delta 6-7 b 100x9"), "deep", "7 b 99x7 a 102x1 103x1");
    check(&format!("{start} top 8 b 99x7 a 102x1 | delta 6-8 b 100x0 99x7 a 101x0 102x1"), "deep", "8 b 99x7 a 102x1 103x1");
    check(&format!("{start} top 8 b 99x7 a 102x1 | snap 7 b 90x1 a 110x1"), "deep", "7 b 99x7 90x1 a 102x1 110x1");
    check(&format!("{start} top 8 b 99x7 a 102x1 | snap 8 b 90x1 a 110x1"), "top", "8 b 90x1 a 110x1");
    // A counter that begins anew inside the stream: nothing would ever reach the old top again.
    check(&format!("{start} top 8 b 99x7 a 102x1 | snap 1 b 90x1 a 110x1"), "top", "1 b 90x1 a 110x1");
}

#[test]
fn a_top_never_enables_and_never_contradicts() {
    let start = "snap 5 b 100x2 a 101x3 |";
    check("top 8 b 99x7 a 102x1", "same", "0 dead");
    check("untrusted | top 8 b 99x7 a 102x1", "same", "0 dead");
    check(&format!("{start} top 4 b 99x7 a 102x1"), "stale", "5 b 100x2 a 101x3");
    check(&format!("{start} top 9 b 99x7 a 102x1 | top 8 b 98x1 a 103x1"), "stale", "5 b 99x7 a 102x1");
    // The same id: prices must agree, quantities may be rounded otherwise.
    check(&format!("{start} top 5 b 100x1 a 101x3"), "same", "5 b 100x2 a 101x3");
    check(&format!("{start} top 5 b 99x2 a 101x3"), "TopDiffers { id: 5 }", "5 dead");
    check(&format!("{start} top 5 b 100x2 a"), "TopDiffers { id: 5 }", "5 dead");
    check(&format!("{start} top 8 b 102x1 a 102x1"), "Crossed", "5 dead");
    check(&format!("{start} top 8 b 99x7 a 102x1 | untrusted | snap 6 b 100x2 a 101x3"), "top", "6 b 100x2 a 101x3");
}

#[test]
fn the_largest_update_takes_no_new_memory() {
    let deep = |from: i64| (0..DEPTH_MAX as i64).map(|i| level(from + i, 1)).collect::<Vec<_>>();
    let mut book = OrderBook::new().clone();
    let rooms = |book: &OrderBook| (book.bids.room(), book.asks.room());
    let before = rooms(&book);
    book.apply(&BookBody::Snapshot { id: 1, bids: vec![], asks: deep(10_000) }).unwrap();
    book.apply(&BookBody::Delta { first: 2, last: 2, bids: deep(1_000), asks: deep(5_000) }).unwrap();
    assert_eq!((book.depth(), rooms(&book)), ((DEPTH_MAX, DEPTH_MAX), before));
}

#[test]
fn each_fault_names_a_reason_to_resync() {
    assert_eq!(BookFault::Gap { have: 1, first: 3 }.reason(), ResyncReason::Gap);
    assert_eq!(BookFault::Unsorted.reason(), ResyncReason::Gap);
    assert_eq!(BookFault::Crossed.reason(), ResyncReason::Crossed);
    assert_eq!(BookFault::Overflow.reason(), ResyncReason::Overflow);
    assert_eq!(BookFault::TopDiffers { id: 1 }.reason(), ResyncReason::Audit);
}

/// A book as one would write it on paper: decimals in ordered maps, everything recomputed.
#[derive(Clone, Default)]
struct NaiveBook {
    live: Option<u64>,
    bids: BTreeMap<Decimal, Decimal>,
    asks: BTreeMap<Decimal, Decimal>,
    overlay: Option<(u64, NaiveLevel, NaiveLevel)>,
}

/// Prices and quantities of a side, best first.
type NaiveSide = Vec<(Decimal, Decimal)>;

/// Price and quantity of a top, `None` for an empty side.
type NaiveLevel = Option<(Decimal, Decimal)>;

/// Units of the tests' pair: cents and thousandths.
fn price_of(level: &Level) -> Decimal {
    Decimal::new(level.price.units(), 2)
}

fn qty_of(level: &Level) -> Decimal {
    Decimal::new(level.qty.units(), 3)
}

impl NaiveBook {
    /// The fault's kind, or whether the update was used.
    fn apply(&mut self, body: &BookBody) -> Result<(), &'static str> {
        let outcome = self.try_apply(body);
        if outcome.is_err() {
            *self = NaiveBook::default();
        }
        outcome
    }

    fn try_apply(&mut self, body: &BookBody) -> Result<(), &'static str> {
        match body {
            BookBody::Snapshot { id, bids, asks } => {
                let restarted = self.live.is_some_and(|have| *id < have);
                let overlay = self.overlay.filter(|(newest, ..)| newest > id && !restarted);
                *self = NaiveBook { live: Some(*id), overlay, ..NaiveBook::default() };
                let ordered = |levels: &[Level], up: bool| {
                    let prices: Vec<Decimal> = levels.iter().map(price_of).collect();
                    let mut sorted = prices.clone();
                    sorted.sort();
                    sorted.dedup();
                    if !up {
                        sorted.reverse();
                    }
                    prices == sorted && levels.iter().all(|level| !qty_of(level).is_zero())
                };
                if !ordered(bids, false) || !ordered(asks, true) {
                    return Err("Unsorted");
                }
                self.set(bids, asks)
            }
            BookBody::Delta { first, last, bids, asks } => match self.live {
                None => Ok(()),
                Some(id) if *last <= id => Ok(()),
                Some(id) if (id + 1..*first).next().is_some() => Err("Gap"),
                Some(_) if bids.len() > DEPTH_MAX || asks.len() > DEPTH_MAX => Err("Overflow"),
                Some(_) => {
                    self.live = Some(*last);
                    self.overlay = self.overlay.filter(|(newest, ..)| newest > last);
                    self.set(bids, asks)
                }
            },
            BookBody::Top { id, bid, ask } => {
                let Some(have) = self.live else { return Ok(()) };
                let (price, newest) = (|level: &Option<Level>| level.as_ref().map(price_of), self.overlay.map_or(0, |o| o.0));
                if *id < have || *id < newest {
                    return Ok(());
                }
                if price(bid).zip(price(ask)).is_some_and(|(bid, ask)| bid >= ask) {
                    return Err("Crossed");
                }
                if *id == have {
                    let held = (self.bids.keys().next_back().copied(), self.asks.keys().next().copied());
                    return if held == (price(bid), price(ask)) { Ok(()) } else { Err("TopDiffers") };
                }
                let shown = |level: &Option<Level>| level.as_ref().map(|l| (price_of(l), qty_of(l))).filter(|l| !l.1.is_zero());
                self.overlay = Some((*id, shown(bid), shown(ask)));
                Ok(())
            }
            BookBody::Evidence { .. } => Ok(()),
            BookBody::Untrusted { .. } => {
                *self = NaiveBook::default();
                Ok(())
            }
        }
    }

    /// Both sides as they are shown, best first.
    fn shown(&self) -> (NaiveSide, NaiveSide) {
        let (bids, asks) = (self.bids.clone().into_iter().rev(), self.asks.clone());
        match self.overlay {
            None => (bids.collect(), asks.into_iter().collect()),
            Some((_, bid, ask)) => {
                let worse_bids = bids.filter(|(price, _)| bid.is_some_and(|top| *price < top.0));
                let worse_asks = asks.into_iter().filter(|(price, _)| ask.is_some_and(|top| *price > top.0));
                (bid.into_iter().chain(worse_bids).collect(), ask.into_iter().chain(worse_asks).collect())
            }
        }
    }

    fn set(&mut self, bids: &[Level], asks: &[Level]) -> Result<(), &'static str> {
        for (side, levels) in [(&mut self.bids, bids), (&mut self.asks, asks)] {
            for level in levels {
                side.insert(price_of(level), qty_of(level));
            }
            side.retain(|_, qty| !qty.is_zero());
        }
        while self.bids.len() > DEPTH_MAX {
            self.bids.pop_first();
        }
        while self.asks.len() > DEPTH_MAX {
            self.asks.pop_last();
        }
        match (self.bids.last_key_value(), self.asks.first_key_value()) {
            (Some((bid, _)), Some((ask, _))) if bid >= ask => Err("Crossed"),
            _ => Ok(()),
        }
    }
}

/// An update relative to the state of the book when it comes.
#[derive(Clone, Debug)]
enum Step {
    Snapshot { ahead: u64, bids: Vec<Level>, asks: Vec<Level>, shuffled: bool },
    Delta { first: i64, count: u64, bids: Vec<Level>, asks: Vec<Level> },
    Top { id: i64, bid: Option<Level>, ask: Option<Level> },
    Evidence { ahead: u64 },
    Untrusted,
}

impl Step {
    fn body(self, id: u64) -> BookBody {
        match self {
            Step::Snapshot { ahead, mut bids, mut asks, shuffled } => {
                if !shuffled {
                    bids.sort_by_key(|level| std::cmp::Reverse(level.price));
                    asks.sort_by_key(|level| level.price);
                    for side in [&mut bids, &mut asks] {
                        side.dedup_by_key(|level| level.price);
                        side.retain(|level| !level.qty.is_zero());
                    }
                }
                BookBody::Snapshot { id: (id + ahead).saturating_sub(3), bids, asks }
            }
            Step::Delta { first, count, bids, asks } => {
                let first = id.saturating_add_signed(first + 1);
                BookBody::Delta { first, last: first + count, bids, asks }
            }
            Step::Top { id: offset, bid, ask } => BookBody::Top { id: id.saturating_add_signed(offset), bid, ask },
            Step::Evidence { ahead } => BookBody::Evidence { id: id + ahead },
            Step::Untrusted => BookBody::Untrusted { reason: ResyncReason::Audit },
        }
    }
}

/// Levels around a middle of `span`: bids mostly below it and asks above, `most` a side, some deletes.
fn sides(span: i64, most: usize) -> impl Strategy<Value = (Vec<Level>, Vec<Level>)> {
    let side = |usual: std::ops::Range<i64>| {
        let price = prop_oneof![200 => usual, 1 => 1..2 * span];
        let qty = prop_oneof![1 => Just(0i64), 3 => 1i64..5];
        prop::collection::vec((price, qty).prop_map(|(price, qty)| level(price, qty)), 0..most)
    };
    (side(1..span), side(span..2 * span))
}

fn step(span: i64, most: usize) -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0u64..6, sides(span, 4 * most), prop::bool::weighted(0.1))
            .prop_map(|(ahead, (bids, asks), shuffled)| Step::Snapshot { ahead, bids, asks, shuffled }),
        // `first` is relative to the continuing id: mostly it continues, sometimes it overlaps, rarely it leaves a gap.
        20 => (prop_oneof![6 => Just(0i64), 2 => -4i64..0, 1 => 1i64..4], 0u64..4, sides(span, most))
            .prop_map(|(first, count, (bids, asks))| Step::Delta { first, count, bids, asks }),
        6 => (prop_oneof![1 => -2i64..1, 6 => 1i64..8], sides(span, 2))
            .prop_map(|(id, (bids, asks))| Step::Top { id, bid: bids.first().copied(), ask: asks.first().copied() }),
        2 => (0u64..3).prop_map(|ahead| Step::Evidence { ahead }),
        1 => Just(Step::Untrusted),
    ]
}

fn follow_naive(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let (mut book, mut naive) = (OrderBook::new(), NaiveBook::default());
    for step in steps {
        let body = step.body(book.id());
        let before = book.clone();
        let (outcome, expected) = (book.apply(&body), naive.apply(&body));
        prop_assert_eq!(book.check(), Ok(()));
        prop_assert_eq!(book.is_live(), naive.live.is_some());
        prop_assert!(naive.live.is_none_or(|id| id == book.id()));
        let pairs = |levels: Vec<Level>| levels.iter().map(|l| (price_of(l), qty_of(l))).collect::<Vec<_>>();
        prop_assert_eq!((pairs(book.bids().collect()), pairs(book.asks().collect())), naive.shown());
        prop_assert!(book.bids().rev().eq(book.bids().collect::<Vec<_>>().into_iter().rev()));
        prop_assert_eq!(book.asks().len(), book.asks().count());
        prop_assert_eq!((book.best_bid(), book.best_ask()), (book.bids().next(), book.asks().next()));
        match (outcome, expected) {
            (Err(fault), Err(kind)) => prop_assert!(format!("{fault:?}").starts_with(kind), "{fault:?} is no {kind}"),
            (Ok(applied), Ok(())) => {
                let top_moved = before.top() != book.top() || before.is_live() != book.is_live();
                prop_assert_eq!(applied.top_changed, top_moved);
                let moved = !before.bids().eq(book.bids()) || !before.asks().eq(book.asks()) || top_moved;
                // `changed` may also be told of a level that came and went, or fell to the trim; `same` must be certain.
                prop_assert!(applied.changed || !moved);
                prop_assert!(!applied.stale || (!moved && book.id() == before.id()));
            }
            (outcome, expected) => return Err(TestCaseError::fail(format!("{outcome:?} where {expected:?} was expected"))),
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn the_book_is_the_naive_book(steps in prop::collection::vec(step(25, 5), 1..80)) {
        follow_naive(steps)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// The same around the depth bound, where trims happen.
    #[test]
    fn the_deep_book_is_the_naive_book(
        start in prop::collection::vec((1i64..4_000, 1i64..5), 1_500..2_500),
        steps in prop::collection::vec(step(4_000, 80), 1..15),
    ) {
        let levels = |from: i64| start.iter().map(|(price, qty)| level(from + price, *qty)).collect::<Vec<_>>();
        let start = Step::Snapshot { ahead: 3, bids: levels(0), asks: levels(4_000), shuffled: false };
        follow_naive(std::iter::once(start).chain(steps).collect())?;
    }
}
