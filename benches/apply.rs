//! How long does a book take to accept an update, with its stamps, its checks and its lag meter?
//!
//! `hot` is one book that stays in the nearest cache. `cold` rotates over 1,000 books, so that each is far away when its turn comes,
//! as with many pairs. The yardstick keeps each side in a `BTreeMap` from price to quantity and checks nothing.
//!
//! A regression here adds to every frame, and it grows with the number of pairs before anything else does.

use crossgate_benches::live_session::decoded;
use crossgate_benches::report::{Report, Times, measure, quick, timed};
use crossgate_benches::tape::Tape;
use domain::{BookBody, BookUpdate, Level};
use order_book::{TrackedBook, VenueLag};
use std::collections::BTreeMap;

fn main() {
    let tape = Tape::load();
    let mut report = Report::new("apply: typed update → book", &tape.source);
    for (name, channel) in [("20 × 20 snapshot", "order_book"), ("diff", "order_book_update")] {
        let updates = decoded(&tape, channel);
        report.yardstick("BTreeMap", &tree(&updates));
        report.row(&format!("{name}, hot"), &hot(&updates));
        report.row(&format!("{name}, cold, 1,000 books"), &cold(&updates));
    }
}

fn hot(updates: &[BookUpdate]) -> Times {
    measure(|times| {
        let (mut book, mut lag) = (TrackedBook::default(), VenueLag::default());
        for update in updates {
            let applied = timed(times, || book.handle(update, &mut lag));
            assert!(applied.is_ok_and(|a| !a.stale), "every update applies: {applied:?}");
        }
    })
}

fn cold(updates: &[BookUpdate]) -> Times {
    let mut books = vec![TrackedBook::default(); 1_000];
    let mut lag = VenueLag::default();
    let steps = if quick() { 20 } else { 400 };
    let mut times = Times::default();
    for (step, update) in updates.iter().take(steps).enumerate() {
        for book in &mut books {
            // The first round builds the books.
            if step == 0 {
                book.handle(update, &mut lag).expect("the first update is a whole book");
            } else {
                let applied = timed(&mut times, || book.handle(update, &mut lag));
                assert!(applied.is_ok(), "every update applies: {applied:?}");
            }
        }
    }
    times
}

#[derive(Default)]
struct Tree {
    bids: BTreeMap<i64, i64>,
    asks: BTreeMap<i64, i64>,
}

impl Tree {
    fn apply(&mut self, body: &BookBody) {
        let (bids, asks) = match body {
            BookBody::Snapshot { bids, asks, .. } => {
                self.bids.clear();
                self.asks.clear();
                (bids, asks)
            }
            BookBody::Delta { bids, asks, .. } => (bids, asks),
            BookBody::Top { .. } | BookBody::Evidence { .. } | BookBody::Untrusted { .. } => return,
        };
        for (side, levels) in [(&mut self.bids, bids), (&mut self.asks, asks)] {
            for Level { price, qty } in levels {
                if qty.is_zero() {
                    side.remove(&price.units());
                } else {
                    side.insert(price.units(), qty.units());
                }
            }
        }
    }
}

fn tree(updates: &[BookUpdate]) -> Times {
    measure(|times| {
        let mut tree = Tree::default();
        for update in updates {
            timed(times, || tree.apply(&update.body));
        }
        assert!(!tree.bids.is_empty() && !tree.asks.is_empty());
    })
}
