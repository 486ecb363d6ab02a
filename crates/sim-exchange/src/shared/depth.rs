//! The increments of the book channels: which levels to send so that a client's copy stays exact.
//!
//! `spot.order_book_update`: start at [`DepthFeed::open`], then [`DepthFeed::on_change`] for every change of the book and
//! [`DepthFeed::tick`] once per interval. Promised, and proved by a test that plays a client against it: a client that takes any
//! REST snapshot as deep as the feed, applies the increments from the one that covers its id, and trims to the depth, holds
//! exactly the venue's best levels after every frame. One that does not trim keeps levels that are gone: nothing is said of what is
//! outside the window, as on Gate.
//!
//! `spot.obu`: start at [`WindowFeed::open`]. The venue keeps the window itself: a level that drops out of it is sent with a
//! zero amount, so a client that starts from the whole window and applies every increment holds exactly the window, without
//! trimming.
//!
//! Gate API v4, order book update: `[U, u]` are contiguous, amounts are absolute, `"0"` deletes, an increment without
//! levels still advances the id, and levels past the depth are not maintained.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use crate::core::Level;

/// One increment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Increment {
    /// `U`: id of the first change covered.
    pub(crate) first_id: u64,
    /// `u`: id of the last change covered.
    pub(crate) last_id: u64,
    /// Changed bids with their whole amounts; zero means the level is gone.
    pub(crate) bids: Vec<Level>,
    /// Changed asks, likewise.
    pub(crate) asks: Vec<Level>,
}

/// Collects the changes of one book between two ticks.
#[derive(Debug)]
pub(crate) struct DepthFeed {
    depth: usize,
    last_id: u64,
    bids: SideFeed,
    asks: SideFeed,
}

#[derive(Debug, Default)]
struct SideFeed {
    /// Prices changed since the last tick, with their newest amounts.
    touched: BTreeMap<Decimal, Decimal>,
    /// Prices among the best `depth` at the last tick.
    window: BTreeSet<Decimal>,
}

impl DepthFeed {
    /// Begins after the book state `id`, whose best levels are given best first.
    pub(crate) fn open(depth: usize, id: u64, bids: &[Level], asks: &[Level]) -> DepthFeed {
        let mut feed = DepthFeed { depth, last_id: id, bids: SideFeed::default(), asks: SideFeed::default() };
        feed.bids.show(depth, bids);
        feed.asks.show(depth, asks);
        feed
    }

    /// Notes one change of the book.
    pub(crate) fn on_change(&mut self, is_bid: bool, price: Decimal, amount: Decimal) {
        let side = if is_bid { &mut self.bids } else { &mut self.asks };
        side.touched.insert(price, amount);
    }

    /// The increment up to the book state `id`, or nothing when the book has not moved. `bids` and `asks` are at least
    /// as many of the best levels as the feed is deep, best first.
    pub(crate) fn tick(&mut self, id: u64, bids: &[Level], asks: &[Level]) -> Option<Increment> {
        if id <= self.last_id {
            return None;
        }
        let first_id = self.last_id + 1;
        self.last_id = id;
        let bids = self.bids.increment(self.depth, bids, |price, worst| price < worst);
        let asks = self.asks.increment(self.depth, asks, |price, worst| price > worst);
        Some(Increment { first_id, last_id: id, bids, asks })
    }
}

impl SideFeed {
    fn show(&mut self, depth: usize, best: &[Level]) {
        self.window = best.iter().take(depth).map(|level| level.price).collect();
    }

    fn increment(&mut self, depth: usize, best: &[Level], is_worse: impl Fn(Decimal, Decimal) -> bool) -> Vec<Level> {
        let touched = std::mem::take(&mut self.touched);
        let shown_before = std::mem::take(&mut self.window);
        self.show(depth, best);
        // Outside before and after: a client that trims does not hold it, whenever it took its snapshot.
        let worst = depth.checked_sub(1).and_then(|last| best.get(last)).map(|level| level.price);
        let is_outside = |price: &Decimal| !shown_before.contains(price) && worst.is_some_and(|worst| is_worse(*price, worst));
        let gone = touched.iter().filter(|(price, amount)| amount.is_zero() && !is_outside(price));
        let mut levels: Vec<Level> = gone.map(|(price, amount)| Level { price: *price, amount: *amount }).collect();
        // A snapshot taken between two ticks may lack a level that better ones pushed out for a moment: at most as many
        // as prices were touched, and always the deepest. They are repeated.
        let steady = depth.saturating_sub(touched.len());
        for (rank, level) in best.iter().take(depth).enumerate() {
            if touched.contains_key(&level.price) || !shown_before.contains(&level.price) || rank >= steady {
                levels.push(*level);
            }
        }
        levels
    }
}

/// The best levels of one book as the subscribers of a `spot.obu` stream know them.
#[derive(Debug)]
pub(crate) struct WindowFeed {
    depth: usize,
    /// Book id of the state the subscribers know.
    pub(crate) id: u64,
    /// When the book came into that state, Unix nanoseconds.
    pub(crate) t_ns: u64,
    /// Best bids, best first.
    pub(crate) bids: Vec<Level>,
    /// Best asks, best first.
    pub(crate) asks: Vec<Level>,
}

impl WindowFeed {
    /// Levels of a side at most.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// Begins with the book state `id`, whose best levels are given best first.
    pub(crate) fn open(depth: usize, id: u64, t_ns: u64, mut bids: Vec<Level>, mut asks: Vec<Level>) -> WindowFeed {
        bids.truncate(depth);
        asks.truncate(depth);
        WindowFeed { depth, id, t_ns, bids, asks }
    }

    /// Moves to the book state `id` and says what changed in the window, or nothing when the book has not moved. An increment
    /// without levels is usual: the change was deeper than the window, or was taken back.
    pub(crate) fn tick(&mut self, id: u64, t_ns: u64, mut bids: Vec<Level>, mut asks: Vec<Level>) -> Option<Increment> {
        if id <= self.id {
            return None;
        }
        bids.truncate(self.depth);
        asks.truncate(self.depth);
        let increment = Increment {
            first_id: self.id + 1,
            last_id: id,
            bids: changes(&self.bids, &bids, |old, new| old > new),
            asks: changes(&self.asks, &asks, |old, new| old < new),
        };
        *self = WindowFeed { depth: self.depth, id, t_ns, bids, asks };
        Some(increment)
    }
}

/// From one side of the window to the next: levels gone (amount zero) first, then new and changed ones. So the levels of an
/// increment are in no order of price, as on Gate.
fn changes(old: &[Level], new: &[Level], is_before: impl Fn(Decimal, Decimal) -> bool) -> Vec<Level> {
    let (mut gone, mut set) = (Vec::new(), Vec::new());
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    loop {
        match (old.peek(), new.peek()) {
            (Some(was), Some(is)) if was.price == is.price => {
                if was.amount != is.amount {
                    set.push(**is);
                }
                old.next();
                new.next();
            }
            (Some(was), Some(is)) if !is_before(was.price, is.price) => {
                set.push(**is);
                new.next();
            }
            (Some(was), _) => {
                gone.push(Level { price: was.price, amount: Decimal::ZERO });
                old.next();
            }
            (None, Some(is)) => {
                set.push(**is);
                new.next();
            }
            (None, None) => break,
        }
    }
    gone.append(&mut set);
    gone
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timing::Jitter;

    #[derive(Clone, Default)]
    struct Book {
        id: u64,
        bids: BTreeMap<Decimal, Decimal>,
        asks: BTreeMap<Decimal, Decimal>,
    }

    impl Book {
        fn set(&mut self, is_bid: bool, price: Decimal, amount: Decimal) {
            let side = if is_bid { &mut self.bids } else { &mut self.asks };
            if amount.is_zero() {
                side.remove(&price);
            } else {
                side.insert(price, amount);
            }
        }

        fn best(&self, depth: usize) -> (Vec<Level>, Vec<Level>) {
            let level = |(price, amount): (&Decimal, &Decimal)| Level { price: *price, amount: *amount };
            let bids = self.bids.iter().rev().take(depth).map(level).collect();
            let asks = self.asks.iter().take(depth).map(level).collect();
            (bids, asks)
        }

        fn trim(&mut self, depth: usize) {
            while self.bids.len() > depth {
                self.bids.pop_first();
            }
            while self.asks.len() > depth {
                self.asks.pop_last();
            }
        }
    }

    /// A client by the book: snapshot, buffered frames, contiguity, trim.
    fn client_follows(seed: u64, depth: usize, prices: u64) {
        let mut random = Jitter::new(seed);
        let mut venue = Book::default();
        let mut feed = DepthFeed::open(depth, 0, &[], &[]);
        let mut client: Option<Book> = None;
        for _tick in 0..60 {
            for _ in 0..random.next_u64() % 12 {
                let is_bid = random.next_u64().is_multiple_of(2);
                let offset = random.next_u64() % prices;
                let price = Decimal::from(if is_bid { 1_000 - offset } else { 1_001 + offset });
                let amount = Decimal::from(random.next_u64() % 4);
                let old = if is_bid { venue.bids.get(&price) } else { venue.asks.get(&price) };
                if old.copied().unwrap_or_default() == amount {
                    continue;
                }
                venue.set(is_bid, price, amount);
                venue.id += 1;
                feed.on_change(is_bid, price, amount);
                if client.is_none() && random.next_u64().is_multiple_of(40) {
                    let (bids, asks) = venue.best(depth);
                    let map = |levels: Vec<Level>| levels.into_iter().map(|level| (level.price, level.amount)).collect();
                    client = Some(Book { id: venue.id, bids: map(bids), asks: map(asks) });
                }
            }
            let (bids, asks) = venue.best(depth);
            let Some(increment) = feed.tick(venue.id, &bids, &asks) else { continue };
            let Some(book) = client.as_mut() else { continue };
            if increment.last_id <= book.id {
                continue;
            }
            assert!(increment.first_id <= book.id + 1, "seed {seed}: gap");
            for level in increment.bids {
                book.set(true, level.price, level.amount);
            }
            for level in increment.asks {
                book.set(false, level.price, level.amount);
            }
            book.id = increment.last_id;
            book.trim(depth);
            assert_eq!(book.best(depth), (bids, asks), "seed {seed}: the copy differs after id {}", book.id);
        }
    }

    #[test]
    fn snapshot_plus_increments_equals_the_book() {
        for seed in 0..400 {
            client_follows(seed, 20, 15); // shallower than the depth
            client_follows(seed, 5, 40); // much deeper than the depth
        }
    }

    #[test]
    fn a_window_and_its_increments_equal_the_best_levels_without_trimming() {
        for (seed, depth, prices) in (0..200).map(|seed| (seed, 5, 40)).chain((200..300).map(|seed| (seed, 50, 30))) {
            let mut random = Jitter::new(seed);
            let mut venue = Book::default();
            let mut feed = WindowFeed::open(depth, 0, 0, Vec::new(), Vec::new());
            let (mut client, mut empty) = (Book::default(), 0);
            for _tick in 0..80 {
                for _ in 0..random.next_u64() % 6 {
                    let is_bid = random.next_u64().is_multiple_of(2);
                    let offset = random.next_u64() % prices;
                    let price = Decimal::from(if is_bid { 1_000 - offset } else { 1_001 + offset });
                    venue.set(is_bid, price, Decimal::from(random.next_u64() % 4));
                    venue.id += 1;
                }
                let (bids, asks) = venue.best(depth);
                let Some(increment) = feed.tick(venue.id, 0, bids.clone(), asks.clone()) else { continue };
                assert_eq!(increment.first_id, client.id + 1, "seed {seed}: contiguous");
                empty += u32::from(increment.bids.is_empty() && increment.asks.is_empty());
                for level in increment.bids {
                    client.set(true, level.price, level.amount);
                }
                for level in increment.asks {
                    client.set(false, level.price, level.amount);
                }
                client.id = increment.last_id;
                let all = usize::MAX;
                assert_eq!(client.best(all), (bids, asks), "seed {seed}: the copy differs after id {}", client.id);
            }
            assert!(depth > 5 || empty > 0, "seed {seed}: some increments carry no level");
        }
    }

    #[test]
    fn a_delete_outside_the_window_is_not_told_and_shows_in_a_client_that_does_not_trim() {
        for is_bid in [true, false] {
            let price = |rank: u32| Decimal::from(if is_bid { 100 - rank } else { 100 + rank });
            let sides = |book: &Book| book.best(2);
            let (mut venue, mut untrimmed, mut trimmed) = (Book::default(), Book::default(), Book::default());
            let mut feed = DepthFeed::open(2, 0, &[], &[]);
            let mut tick = |changes: &[(u32, u32)]| {
                for (rank, amount) in changes {
                    venue.set(is_bid, price(*rank), Decimal::from(*amount));
                    venue.id += 1;
                    feed.on_change(is_bid, price(*rank), Decimal::from(*amount));
                }
                let (bids, asks) = sides(&venue);
                let increment = feed.tick(venue.id, &bids, &asks).expect("the id moved");
                let told = if is_bid { increment.bids } else { increment.asks };
                for level in &told {
                    untrimmed.set(is_bid, level.price, level.amount);
                    trimmed.set(is_bid, level.price, level.amount);
                }
                trimmed.trim(2);
                assert_eq!(sides(&trimmed), (bids, asks));
                (told, sides(&untrimmed) == sides(&trimmed))
            };
            tick(&[(2, 1), (3, 1), (4, 1)]);
            // 3 is pushed out, deleted unseen, and is among the best two again for a client that never let it go.
            tick(&[(1, 1)]);
            let (told, _) = tick(&[(3, 0)]);
            assert!(told.iter().all(|level| level.price != price(3)), "{told:?}");
            assert!(!tick(&[(1, 0)]).1);
            // A delete in the window is told, and one that made room in it.
            let (told, _) = tick(&[(2, 0)]);
            assert!(told.iter().any(|level| level.price == price(2) && level.amount.is_zero()), "{told:?}");
        }
    }

    #[test]
    fn a_quiet_book_has_no_increment_and_an_invisible_change_has_an_empty_one() {
        let level = |price: i64, amount: i64| Level { price: Decimal::from(price), amount: Decimal::from(amount) };
        let bids = [level(10, 1), level(9, 1)];
        let mut feed = DepthFeed::open(1, 7, &bids, &[]);
        assert_eq!(feed.tick(7, &bids, &[]), None);
        feed.on_change(true, Decimal::from(8), Decimal::ONE);
        // depth 1 and one touched price: the window's only level is repeated, the deep one is not sent
        let sent = feed.tick(8, &bids, &[]).expect("the id moved");
        assert_eq!((sent.first_id, sent.last_id), (8, 8));
        assert_eq!(sent.bids, vec![level(10, 1)]);
        assert!(sent.asks.is_empty());
    }
}
