//! The order book against a naive one: two sorted maps, rebuilt by the rules in words.

use crate::bytes::Choices;
use domain::{BookBody, Level, Price, Qty, ResyncReason};
use order_book::{BookFault, DEPTH_MAX, OrderBook};
use std::collections::BTreeMap;

/// Price and quantity in units.
type Units = (i64, i64);

/// The book by the rules in words, without any cleverness.
#[derive(Default)]
struct Naive {
    live: bool,
    id: u64,
    /// Quantity by price units.
    bids: BTreeMap<i64, i64>,
    asks: BTreeMap<i64, i64>,
    overlay: Option<(u64, Option<Units>, Option<Units>)>,
}

impl Naive {
    fn lose(&mut self) {
        *self = Naive { id: self.id, ..Naive::default() };
    }

    fn top(&self) -> (Option<Units>, Option<Units>) {
        let best = |found: Option<(&i64, &i64)>| found.map(|(price, qty)| (*price, *qty));
        (best(self.bids.last_key_value()), best(self.asks.first_key_value()))
    }

    fn shown(&self) -> (Vec<Units>, Vec<Units>) {
        let mut bids: Vec<(i64, i64)> = self.bids.iter().rev().map(|(p, q)| (*p, *q)).collect();
        let mut asks: Vec<(i64, i64)> = self.asks.iter().map(|(p, q)| (*p, *q)).collect();
        if let Some((_, bid, ask)) = self.overlay {
            bids = bid.map_or(Vec::new(), |top| [vec![top], bids.into_iter().filter(|(p, _)| *p < top.0).collect()].concat());
            asks = ask.map_or(Vec::new(), |top| [vec![top], asks.into_iter().filter(|(p, _)| *p > top.0).collect()].concat());
        }
        (bids, asks)
    }

    fn crossed(&self) -> bool {
        let meets = |bid: Option<(i64, i64)>, ask: Option<(i64, i64)>| matches!((bid, ask), (Some(b), Some(a)) if b.0 >= a.0);
        let (bids, asks) = self.shown();
        let (bid, ask) = self.top();
        meets(bid, ask) || meets(bids.first().copied(), asks.first().copied())
    }

    fn trim(&mut self) {
        while self.bids.len() > DEPTH_MAX {
            self.bids.pop_first();
        }
        while self.asks.len() > DEPTH_MAX {
            self.asks.pop_last();
        }
    }

    fn apply(&mut self, body: &BookBody) -> Result<(), BookFault> {
        let result = self.try_apply(body);
        if result.is_err() {
            self.lose();
        }
        result
    }

    fn try_apply(&mut self, body: &BookBody) -> Result<(), BookFault> {
        let pair = |level: &Level| (level.price.units(), level.qty.units());
        match body {
            BookBody::Snapshot { id, bids, asks } => {
                let sorted = bids.windows(2).all(|w| w[0].price > w[1].price) && asks.windows(2).all(|w| w[0].price < w[1].price);
                if !sorted || bids.iter().chain(asks).any(|level| level.qty.is_zero()) {
                    return Err(BookFault::Unsorted);
                }
                // A counter that fell was started anew.
                let restarted = self.live && *id < self.id;
                if self.overlay.is_some_and(|(newest, ..)| restarted || *id >= newest) {
                    self.overlay = None;
                }
                self.bids = bids.iter().map(pair).collect();
                self.asks = asks.iter().map(pair).collect();
                self.trim();
                if self.crossed() {
                    return Err(BookFault::Crossed);
                }
                (self.live, self.id) = (true, *id);
            }
            BookBody::Delta { first, last, bids, asks } => {
                if !self.live || *last <= self.id {
                    return Ok(());
                }
                if *first > self.id + 1 {
                    return Err(BookFault::Gap { have: self.id, first: *first });
                }
                if self.overlay.is_some_and(|(newest, ..)| *last >= newest) {
                    self.overlay = None;
                }
                for (levels, side) in [(bids, &mut self.bids), (asks, &mut self.asks)] {
                    for (price, qty) in levels.iter().map(pair) {
                        if qty == 0 {
                            side.remove(&price)
                        } else {
                            side.insert(price, qty)
                        };
                    }
                }
                self.trim();
                if self.crossed() {
                    return Err(BookFault::Crossed);
                }
                self.id = *last;
            }
            BookBody::Top { id, bid, ask } => {
                if !self.live || *id < self.id || self.overlay.is_some_and(|(newest, ..)| *id < newest) {
                    return Ok(());
                }
                let (bid, ask) = (bid.as_ref().map(pair), ask.as_ref().map(pair));
                if matches!((bid, ask), (Some(b), Some(a)) if b.0 >= a.0) {
                    return Err(BookFault::Crossed);
                }
                if *id == self.id {
                    let price = |level: Option<(i64, i64)>| level.map(|(price, _)| price);
                    let held = self.top();
                    let same = (price(bid), price(ask)) == (price(held.0), price(held.1));
                    return if same { Ok(()) } else { Err(BookFault::TopDiffers { id: *id }) };
                }
                let tradable = |level: Option<(i64, i64)>| level.filter(|(_, qty)| *qty > 0);
                self.overlay = Some((*id, tradable(bid), tradable(ask)));
            }
            BookBody::Evidence { .. } => {}
            BookBody::Untrusted { .. } => self.lose(),
        }
        Ok(())
    }
}

/// Prices 1 to 40, quantities 0 to 7, so that levels meet.
fn level(choices: &mut Choices<'_>, offset: i64) -> Level {
    let byte = choices.byte();
    Level {
        price: Price::from_units(1 + offset + i64::from(byte % 20)).expect("positive"),
        qty: Qty::from_units(i64::from(byte / 20 % 8)).expect("not negative"),
    }
}

fn levels(choices: &mut Choices<'_>, bids: bool, snapshot: bool) -> Vec<Level> {
    let count = choices.below(7);
    let overlap = i64::from(choices.below(8) == 0) * 12;
    let offset = if bids { overlap } else { 20 };
    let mut levels: Vec<Level> = (0..count).map(|_| level(choices, offset)).collect();
    // Mostly as a decoder hands them on; sometimes not, which the book must refuse.
    if choices.below(8) != 0 {
        levels.sort_by_key(|level| if bids { -level.price.units() } else { level.price.units() });
        levels.dedup_by_key(|level| level.price);
        levels.retain(|level| !snapshot || !level.qty.is_zero());
    }
    levels
}

fn body(choices: &mut Choices<'_>, id: u64) -> BookBody {
    let near = |choices: &mut Choices<'_>| (id + u64::from(choices.below(8))).saturating_sub(2);
    match choices.below(10) {
        0..=1 => BookBody::Snapshot { id: near(choices), bids: levels(choices, true, true), asks: levels(choices, false, true) },
        2..=6 => {
            let first = near(choices);
            let last = first + u64::from(choices.below(4));
            BookBody::Delta { first, last, bids: levels(choices, true, false), asks: levels(choices, false, false) }
        }
        7..=8 => {
            let side = |choices: &mut Choices<'_>, offset| (choices.below(5) != 0).then(|| level(choices, offset));
            BookBody::Top { id: near(choices), bid: side(choices, 0), ask: side(choices, 18) }
        }
        _ if choices.below(2) == 0 => BookBody::Untrusted { reason: ResyncReason::Gap },
        _ => BookBody::Evidence { id: near(choices) },
    }
}

/// Short lives of a book.
pub fn seeds() -> Vec<Vec<u8>> {
    let ramp: Vec<u8> = (0..=255).collect();
    let steps: Vec<u8> = (0..200u32).map(|i| (i * 37 % 251) as u8).collect();
    vec![vec![0, 3, 2, 1, 45, 66, 3, 1, 1, 27, 88, 1, 2, 3, 1, 2, 1, 5, 25], ramp, steps, vec![7; 64]]
}

/// A life of a book, step by step beside the naive one.
///
/// # Panics
/// On a finding.
pub fn order_book(data: &[u8]) {
    let mut choices = Choices::new(data);
    let (mut book, mut naive) = (OrderBook::new(), Naive::default());
    while !choices.is_empty() {
        let body = body(&mut choices, book.id());
        let before = (book.is_live(), shown(&book));
        let (applied, expected) = (book.apply(&body), naive.apply(&body));
        assert_eq!(applied.as_ref().err(), expected.as_ref().err(), "after {body:?}");
        assert_eq!(book.check(), Ok(()), "after {body:?}");
        assert_eq!((book.is_live(), book.id()), (naive.live, naive.id), "after {body:?}");
        assert_eq!(shown(&book), naive.shown(), "after {body:?}");
        let after = (book.is_live(), shown(&book));
        let best = |of: &(bool, Sides)| (of.0, of.1.0.first().copied(), of.1.1.first().copied());
        if let Ok(applied) = applied {
            assert!(applied.changed || before == after, "a change was not told: {body:?}");
            assert!(applied.top_changed || best(&before) == best(&after), "a change of the top was not told: {body:?}");
        }
        let copy = book.clone();
        assert_eq!(copy, book);
    }
}

type Sides = (Vec<(i64, i64)>, Vec<(i64, i64)>);

fn shown(book: &OrderBook) -> Sides {
    let pairs = |levels: order_book::Levels<'_>| levels.map(|level| (level.price.units(), level.qty.units())).collect();
    (pairs(book.bids()), pairs(book.asks()))
}
