//! What the engine is told of a book that two connections tell.

use super::*;
use crate::backoff::Jitter;
use domain::time::MILLI;
use domain::{Price, Qty};
use std::collections::BTreeMap;

fn levels(rows: &[(i64, i64)]) -> Vec<Level> {
    let level =
        |(price, qty): &(i64, i64)| Level { price: Price::from_units(*price).unwrap(), qty: Qty::from_units(*qty).unwrap() };
    rows.iter().map(level).collect()
}

/// A merger, the engine's copy of its book, and what it was told.
struct Rig {
    book: Merged,
    stats: RedundancyStats,
    resyncs: Vec<ResyncReason>,
    engine: Option<(u64, Sides)>,
    now: MonoNanos,
}

use Half::{First, Second};

impl Rig {
    fn new() -> Rig {
        let book = Merged::new(VenueId(0), PairId(0));
        let (stats, resyncs) = (RedundancyStats::default(), Vec::new());
        Rig { book, stats, resyncs, engine: None, now: MonoNanos(SECOND) }
    }

    fn act(&mut self, act: impl FnOnce(&mut Merged, &mut Out<'_>)) -> Vec<BookBody> {
        let mut updates = Vec::new();
        let Rig { book, stats, resyncs, .. } = self;
        act(book, &mut Out { updates: &mut updates, stats, resyncs: &mut |reason| resyncs.push(reason) });
        let bodies: Vec<BookBody> = updates
            .into_iter()
            .map(|update| match update {
                Input::Book(update) => update.body,
                other => panic!("{other:?}"),
            })
            .collect();
        bodies.iter().for_each(|body| self.apply(body));
        bodies
    }

    /// The engine: refuses what does not continue its book, and forgets what is too far down.
    fn apply(&mut self, body: &BookBody) {
        match body {
            BookBody::Snapshot { id, bids, asks } => {
                self.engine = Some((*id, Sides { bids: bids.clone(), asks: asks.clone() }));
            }
            BookBody::Delta { first, last, bids, asks } => {
                let (id, sides) = self.engine.as_mut().expect("a change of a trusted book");
                assert_eq!(*first, *id + 1, "contiguous");
                assert!(last > id, "ids grow");
                assert!(bids.len().max(asks.len()) <= DEPTH_MAX, "an overflow, for which the book is dropped");
                *id = *last;
                assert!(
                    apply_changes(&mut sides.bids, bids, BookSide::Bids) && apply_changes(&mut sides.asks, asks, BookSide::Asks)
                );
            }
            BookBody::Untrusted { .. } => self.engine = None,
            BookBody::Top { .. } | BookBody::Evidence { .. } => {}
        }
        if let Some((_, sides)) = &mut self.engine {
            sides.bids.truncate(DEPTH_MAX);
            sides.asks.truncate(DEPTH_MAX);
        }
    }

    fn say(&mut self, half: Half, body: BookBody) -> Vec<BookBody> {
        let (received, changed_at, sent_at) = (self.now, None, None);
        let update = BookUpdate { venue: VenueId(0), pair: PairId(0), received, changed_at, sent_at, body };
        self.act(|book, out| book.on_update(half, update, out).expect("in order"))
    }

    fn whole(&mut self, half: Half, id: u64, bids: &[(i64, i64)]) -> Vec<BookBody> {
        self.say(half, BookBody::Snapshot { id, bids: levels(bids), asks: levels(&[(200, 1)]) })
    }

    fn change(&mut self, half: Half, (first, last): (u64, u64), bids: &[(i64, i64)]) -> Vec<BookBody> {
        self.say(half, BookBody::Delta { first, last, bids: levels(bids), asks: Vec::new() })
    }

    fn lost(&mut self, half: Half) -> Vec<BookBody> {
        self.say(half, BookBody::Untrusted { reason: ResyncReason::Reconnect })
    }

    #[track_caller]
    fn holds(&self, id: u64, bids: &[(i64, i64)]) {
        let (held, sides) = self.engine.as_ref().expect("trusted");
        assert_eq!((*held, &sides.bids), (id, &levels(bids)));
    }

    fn pass_time(&mut self, nanos: u64) {
        self.now = self.now.after(nanos);
    }
}

fn delta(first: u64, last: u64, bids: &[(i64, i64)]) -> BookBody {
    BookBody::Delta { first, last, bids: levels(bids), asks: Vec::new() }
}

#[test]
fn the_first_to_tell_a_state_is_believed_and_the_second_only_measured() {
    let mut rig = Rig::new();
    assert_eq!(rig.whole(First, 10, &[(100, 1)]).len(), 1);
    assert_eq!(rig.whole(Second, 10, &[(100, 1)]), []);
    assert_eq!(rig.change(First, (11, 12), &[(101, 2)]), [delta(11, 12, &[(101, 2)])]);
    rig.pass_time(3 * MILLI);
    assert_eq!(rig.change(Second, (11, 12), &[(101, 2)]), []);
    // The second is first with this one.
    assert_eq!(rig.change(Second, (13, 13), &[(101, 0)]), [delta(13, 13, &[(101, 0)])]);
    rig.pass_time(7 * MILLI);
    assert_eq!(rig.change(First, (13, 13), &[(101, 0)]), []);
    rig.holds(13, &[(100, 1)]);
    let near = |gains: &super::super::Gains| (gains.count(), gains.quantile_ns(1000).unwrap_or(0) / MILLI);
    assert_eq!([near(&rig.stats.ahead[0]), near(&rig.stats.ahead[1])], [(2, 3), (1, 7)]);
    assert!(rig.resyncs.is_empty());
}

#[test]
fn from_one_half_to_the_other_the_book_goes_by_its_differences() {
    let mut rig = Rig::new();
    rig.whole(First, 10, &[(100, 1), (99, 1), (98, 1)]);
    rig.whole(Second, 8, &[(100, 5), (98, 1)]);
    // Cut elsewhere: 9 to 12 in one, of a window in which 99 never was and 97 has come.
    let told = rig.change(Second, (9, 12), &[(100, 1), (97, 2)]);
    assert_eq!(told, [delta(11, 12, &[(99, 0), (97, 2)])]);
    rig.holds(12, &[(100, 1), (98, 1), (97, 2)]);
    // The first one's next change begins before that: its book is the newer one as a whole.
    let told = rig.change(First, (11, 13), &[(97, 2), (96, 4)]);
    assert_eq!(told, [delta(13, 13, &[(99, 1), (96, 4)])]);
    rig.holds(13, &[(100, 1), (99, 1), (98, 1), (97, 2), (96, 4)]);
}

/// So many bids from the best one down, each so far below the last one.
fn deep(count: usize, step: i64) -> Vec<(i64, i64)> {
    (0..count as i64).map(|at| (1_000_000 - at * step, 1)).collect()
}

fn deep_whole(rig: &mut Rig, half: Half, id: u64, rows: &[(i64, i64)]) -> Vec<BookBody> {
    rig.say(half, BookBody::Snapshot { id, bids: levels(rows), asks: levels(&[(2_000_000, 1)]) })
}

#[test]
fn a_half_that_differs_in_more_levels_than_one_change_may_have_is_told_whole() {
    // One lists every price and the other one every third: at the bound, and past it.
    for (all, some, far) in [(600, 799, false), (600, 800, true), (5_000, 1_500, true)] {
        let books = [deep(some, 3), deep(all, 1)];
        let mut rig = Rig::new();
        deep_whole(&mut rig, Second, 10, &books[1]);
        deep_whole(&mut rig, First, 9, &books[0]);
        // In turns, each a little ahead: every time the engine takes what it is told and never loses the book.
        for id in (11..19).step_by(2) {
            for (half, id) in [(First, id), (Second, id + 1)] {
                let told = rig.change(half, (10, id), &[(1_000_000, id as i64)]);
                let book = &mut books[half.index()].clone();
                book[0].1 = id as i64;
                book.truncate(DEPTH_MAX);
                match told.as_slice() {
                    [BookBody::Snapshot { bids, .. }] => assert!(far && *bids == levels(book), "{all} and {some}"),
                    [BookBody::Delta { .. }] => assert!(!far, "{all} and {some}"),
                    other => panic!("{other:?}"),
                }
                rig.holds(id, book);
            }
        }
        assert!(rig.resyncs.is_empty());
    }
}

#[test]
fn what_two_halves_differ_in_too_far_down_for_the_engine_is_told_by_neither() {
    let mut rig = Rig::new();
    // The second one lived for hours, and the first one came back by a copy.
    let told = deep_whole(&mut rig, Second, 10, &deep(5_000, 1));
    assert!(matches!(told.as_slice(), [BookBody::Snapshot { bids, .. }] if *bids == levels(&deep(DEPTH_MAX, 1))));
    deep_whole(&mut rig, First, 9, &deep(DEPTH_MAX, 1));
    for id in (11..19).step_by(2) {
        for (half, id) in [(First, id), (Second, id + 1)] {
            let best = [(1_000_000, id as i64)];
            assert_eq!(rig.change(half, (10, id), &best), [delta(id, id, &best)]);
            let mut book = deep(DEPTH_MAX, 1);
            book[0].1 = id as i64;
            rig.holds(id, &book);
        }
    }
}

#[test]
fn what_the_engine_forgot_it_gets_again_and_what_it_took_from_far_down_it_loses() {
    let mut rig = Rig::new();
    for (half, id) in [(First, 10), (Second, 10)] {
        deep_whole(&mut rig, half, id, &deep(3_000, 1));
    }
    // The best six hundred go, and a level changes that was too far down for the engine: beyond a hole, now it takes it.
    let far = 1_000_000 - 2_500;
    let mut changes: Vec<(i64, i64)> = deep(600, 1).iter().map(|(price, _)| (*price, 0)).collect();
    changes.push((far, 7));
    rig.change(First, (11, 11), &changes);
    let mut held = deep(DEPTH_MAX, 1)[600..].to_vec();
    held.push((far, 7));
    rig.holds(11, &held);
    // The other half is first to tell that it is gone: the engine loses it too, and has no hole any more.
    changes.truncate(600);
    changes.push((far, 0));
    rig.change(Second, (11, 12), &changes);
    rig.holds(12, &deep(600 + DEPTH_MAX, 1)[600..]);
}

/// A venue with thousands of bids. A half knows those that its copy had, and whatever has changed since.
#[test]
fn however_deep_the_books_are_the_engine_holds_levels_of_one_half_and_its_first_ones_after_each_turn() {
    let mut turns = [0, 0];
    for seed in 0..20 {
        let mut random = Jitter::new(seed);
        let mut draw = |below: u64| random.spread(2 * below).saturating_sub(below).min(below - 1);
        let mut rig = Rig::new();
        let mut bids: BTreeMap<i64, i64> = deep(4_000, 1).into_iter().collect();
        // What changed with each id, and the id that each half is at.
        let mut changed = vec![BTreeMap::new()];
        let mut at: [Option<u64>; 2] = [None, None];
        for id in 1..300 {
            let best = bids.keys().next_back().copied().expect("never empty");
            // A few near the best one or far down; now and then the best ones go in hundreds, or come back.
            let mut changes = BTreeMap::new();
            for _ in 0..5 {
                let down = if draw(2) == 0 { draw(40) } else { draw(3_500) } as i64;
                changes.insert((best + 10 - down).min(1_000_500), draw(3) as i64);
            }
            match draw(20) {
                0 => changes.extend(bids.keys().rev().take(300).map(|price| (*price, 0))),
                1 => changes.extend((best + 1..best + 301).map(|price| (price.min(1_000_500), 1))),
                _ => {}
            }
            bids.extend(&changes);
            bids.retain(|_, qty| *qty > 0);
            changed.push(changes);
            for half in Half::ALL {
                let holder = rig.book.held.map(|held| held.of);
                let told = match (draw(60), at[half.index()]) {
                    (0, Some(_)) => {
                        at[half.index()] = None;
                        rig.lost(half)
                    }
                    (1..=30, Some(have)) => {
                        let mut news = BTreeMap::new();
                        changed[have as usize + 1..].iter().for_each(|changes| news.extend(changes));
                        // As many as the engine takes in one frame.
                        if news.len() > DEPTH_MAX {
                            continue;
                        }
                        at[half.index()] = Some(id);
                        let rows: Vec<(i64, i64)> = news.into_iter().rev().collect();
                        rig.change(half, (have + 1, id), &rows)
                    }
                    (1..=20, None) => {
                        at[half.index()] = Some(id);
                        let copied = if draw(2) == 0 { DEPTH_MAX } else { 3_000 };
                        let rows: Vec<(i64, i64)> = bids.iter().rev().take(copied).map(|(price, qty)| (*price, *qty)).collect();
                        deep_whole(&mut rig, half, id, &rows)
                    }
                    _ => continue,
                };
                let (Some(held), Some((engine_id, engine))) = (rig.book.held, &rig.engine) else { continue };
                assert_eq!((held.id, &rig.book.engine), (*engine_id, engine), "seed {seed}, {id}: as it is followed");
                if held.lost {
                    continue;
                }
                let known = &rig.book.own[held.of.index()].sides.bids;
                let turned = !told.is_empty() && (holder != Some(held.of) || matches!(told[0], BookBody::Snapshot { .. }));
                if turned {
                    turns[usize::from(matches!(told[0], BookBody::Snapshot { .. }))] += 1;
                    assert_eq!(engine.bids, known[..known.len().min(DEPTH_MAX)], "seed {seed}, {id}: no hole after a turn");
                }
                let known: BTreeMap<Price, Qty> = known.iter().map(|level| (level.price, level.qty)).collect();
                let invented = engine.bids.iter().find(|level| known.get(&level.price) != Some(&level.qty));
                assert_eq!(invented, None, "seed {seed}, {id}: nobody has that level");
            }
        }
    }
    assert!(turns[0] > 100 && turns[1] > 10, "{turns:?}");
}

#[test]
fn one_half_lost_is_no_loss_and_both_are() {
    let mut rig = Rig::new();
    rig.whole(First, 10, &[(100, 1)]);
    rig.whole(Second, 9, &[(100, 2)]);
    assert_eq!(rig.lost(First), [], "what it told last is kept");
    rig.holds(10, &[(100, 1)]);
    assert_eq!(rig.change(Second, (10, 11), &[(100, 1), (99, 7)]), [delta(11, 11, &[(99, 7)])]);
    // The lost one comes back older, then newer.
    assert_eq!(rig.whole(First, 11, &[(100, 1), (99, 7)]), []);
    assert_eq!(rig.change(First, (12, 12), &[(99, 8)]), [delta(12, 12, &[(99, 8)])]);
    assert_eq!((rig.stats.covered, rig.resyncs.len()), ([1, 0], 0));
    assert_eq!(rig.lost(Second), []);
    assert_eq!(rig.lost(First), [BookBody::Untrusted { reason: ResyncReason::Reconnect }]);
    assert_eq!(rig.resyncs, [ResyncReason::Reconnect]);
    assert_eq!(rig.whole(Second, 20, &[(50, 1)]).len(), 1);
    rig.holds(20, &[(50, 1)]);
}

#[test]
fn a_venue_that_numbers_anew_is_believed_after_a_while() {
    let mut rig = Rig::new();
    rig.whole(First, 1_000, &[(100, 1)]);
    rig.whole(Second, 1_000, &[(100, 1)]);
    let reset = BookBody::Untrusted { reason: ResyncReason::ResetByVenue };
    assert_eq!(rig.say(First, reset.clone()), []);
    assert_eq!(rig.whole(First, 5, &[(90, 1)]), []);
    assert_eq!(rig.say(Second, reset.clone()), []);
    assert_eq!(rig.whole(Second, 5, &[(90, 1)]), []);
    let due = rig.book.next_timeout().expect("a bound");
    let (early, now) = (MonoNanos(due.0 - 1), due);
    assert_eq!(rig.act(|book, out| book.timeout(early, out)), []);
    let told = rig.act(|book, out| book.timeout(now, out));
    assert_eq!((&told[0], told.len()), (&reset, 2));
    rig.holds(5, &[(90, 1)]);
    assert_eq!((rig.book.next_timeout(), rig.resyncs.len()), (None, 1));
    assert_eq!(rig.change(First, (6, 6), &[(91, 1)]).len(), 1);
}

#[test]
fn a_half_that_stays_behind_alone_is_believed_and_one_that_catches_up_needs_not_be() {
    let mut rig = Rig::new();
    rig.whole(First, 10, &[(100, 1)]);
    rig.whole(Second, 8, &[(99, 1)]);
    rig.lost(First);
    let due = rig.book.next_timeout().expect("it is behind");
    assert_eq!(rig.change(Second, (9, 10), &[(100, 1), (99, 0)]), [], "the state that the engine holds");
    assert_eq!(rig.act(|book, out| book.timeout(due, out)), []);
    assert_eq!(rig.change(Second, (11, 11), &[(98, 1)]).len(), 1);
    rig.holds(11, &[(100, 1), (98, 1)]);
}

#[test]
fn what_the_engine_refuses_is_taken_from_the_other_half_if_that_is_as_new() {
    let mut rig = Rig::new();
    rig.whole(First, 10, &[(100, 1)]);
    rig.whole(Second, 9, &[(100, 1)]);
    assert_eq!(rig.book.on_resync(), Some(First));
    rig.engine = None;
    assert_eq!(rig.say(First, BookBody::Untrusted { reason: ResyncReason::Crossed }).len(), 1);
    assert_eq!(rig.act(|book, out| book.cover(Second, out)), [], "older than what was refused");
    assert_eq!(rig.change(Second, (10, 10), &[(100, 3)]).len(), 1, "as new: its whole book");
    rig.holds(10, &[(100, 3)]);
    assert_eq!(rig.book.on_resync(), Some(Second));
    assert_eq!(rig.book.on_resync(), None);
}

#[test]
fn best_levels_and_evidence_are_told_once_and_for_what_the_engine_holds() {
    let mut rig = Rig::new();
    rig.whole(First, 10, &[(100, 1)]);
    let top = |id| BookBody::Top { id, bid: None, ask: None };
    let mut tops = |half, id, stamped: bool| {
        let sent_at = stamped.then_some(SendStamp { at: VenueNanos(1), connection: 1 });
        let (received, changed_at) = (MonoNanos(1), None);
        let update = BookUpdate { venue: VenueId(0), pair: PairId(0), received, changed_at, sent_at, body: top(id) };
        rig.act(|book, out| book.on_update(half, update, out).expect("fine")).len()
    };
    assert_eq!(tops(First, 12, true), 1);
    assert_eq!(tops(Second, 12, true), 0);
    assert_eq!(tops(Second, 13, true), 1);
    assert_eq!(tops(First, 12, true), 0);
    // The proof of a quiet book has no stamp, and counts whoever asked for it.
    assert_eq!(tops(First, 13, false), 1);
    assert_eq!(rig.say(First, BookBody::Evidence { id: 9 }), []);
    assert_eq!(rig.say(Second, BookBody::Evidence { id: 10 }).len(), 1);
}

/// A venue with a window of the best five bids; each half gets its frames cut at random, late at random, lost at random.
#[test]
fn whatever_is_late_or_lost_the_engine_holds_a_state_of_the_venue() {
    for seed in 0..300 {
        let mut random = Jitter::new(seed);
        let mut draw = |below: u64| random.spread(2 * below).saturating_sub(below).min(below - 1);
        let mut rig = Rig::new();
        // All states of the window, by id.
        let mut states: BTreeMap<u64, Vec<(i64, i64)>> = BTreeMap::new();
        let mut bids: BTreeMap<i64, i64> = (90..110).map(|price| (price, 1)).collect();
        let window = |bids: &BTreeMap<i64, i64>| bids.iter().rev().take(5).map(|(p, q)| (*p, *q)).collect::<Vec<_>>();
        states.insert(1, window(&bids));
        let mut at: [Option<u64>; 2] = [None, None];
        for id in 2..120 {
            let price = 95 + draw(20) as i64;
            match draw(3) {
                0 if bids.len() > 6 => drop(bids.remove(&price)),
                qty => drop(bids.insert(price, qty as i64 + 1)),
            }
            states.insert(id, window(&bids));
            for half in Half::ALL {
                match (draw(20), at[half.index()]) {
                    (0, Some(_)) => {
                        rig.lost(half);
                        at[half.index()] = None;
                    }
                    (1..=6, Some(have)) => {
                        let to = have + 1 + draw(id - have);
                        if to > id {
                            continue;
                        }
                        let changes = differences(&levels(&states[&have]), &levels(&states[&to]), BookSide::Bids);
                        rig.say(half, BookBody::Delta { first: have + 1, last: to, bids: changes, asks: Vec::new() });
                        at[half.index()] = Some(to);
                    }
                    (7..=9, None) => {
                        let from = id - draw(id.min(4));
                        rig.whole(half, from, &states[&from]);
                        at[half.index()] = Some(from);
                    }
                    _ => {}
                }
                if let Some((held, sides)) = &rig.engine {
                    assert_eq!(sides.bids, levels(&states[held]), "seed {seed}: the state {held}");
                    let newest = at.iter().flatten().max();
                    assert!(newest.is_some_and(|newest| held >= newest), "seed {seed}: {held} and {at:?}");
                }
                assert!(rig.engine.is_some() || at == [None, None], "seed {seed}: trusted while one half has it: {at:?}");
            }
        }
    }
}

#[test]
fn a_book_that_contradicts_itself_is_never_a_half_s_own_however_late_it_is_told() {
    let mut rig = Rig::new();
    let whole = |id| BookBody::Snapshot { id, bids: levels(&[(100, 5), (99, 5)]), asks: levels(&[(101, 5), (102, 5)]) };
    let update = |rig: &Rig, body| BookUpdate {
        venue: VenueId(0),
        pair: PairId(0),
        received: rig.now,
        changed_at: None,
        sent_at: None,
        body,
    };
    for half in Half::ALL {
        let body = update(&rig, whole(5));
        rig.act(|book, out| assert_eq!(book.on_update(half, body, out), Ok(())));
    }
    let change = |bids: &[(i64, i64)]| BookBody::Delta { first: 6, last: 6, bids: levels(bids), asks: levels(&[(101, 0)]) };
    let told = update(&rig, change(&[]));
    rig.act(|book, out| assert_eq!(book.on_update(First, told, out), Ok(())));
    // The second tells the same change with a bid at the best ask: its book is no longer what may be gone over to.
    let crossed = update(&rig, change(&[(102, 1)]));
    assert!(rig.act(|book, out| assert_eq!(book.on_update(Second, crossed, out), Err(Fault::Crossed))).is_empty());
    let lost = update(&rig, BookBody::Untrusted { reason: ResyncReason::Crossed });
    assert!(rig.act(|book, out| assert_eq!(book.on_update(Second, lost, out), Ok(()))).is_empty(), "the other one has it");
    let next = update(&rig, BookBody::Delta { first: 7, last: 7, bids: levels(&[(101, 2)]), asks: levels(&[]) });
    assert!(rig.act(|book, out| assert_eq!(book.on_update(Second, next, out), Ok(()))).is_empty());
    let (id, sides) = rig.engine.as_ref().expect("a book");
    assert_eq!((*id, &sides.bids), (6, &levels(&[(100, 5), (99, 5)])));
    // Crossed in the half whose book the engine holds: nothing of it is told.
    let crossed = update(&rig, BookBody::Delta { first: 7, last: 7, bids: levels(&[(102, 1)]), asks: levels(&[]) });
    assert!(rig.act(|book, out| assert_eq!(book.on_update(First, crossed, out), Err(Fault::Crossed))).is_empty());
    let crossed = update(&rig, BookBody::Snapshot { id: 9, bids: levels(&[(102, 1)]), asks: levels(&[(102, 1)]) });
    assert!(rig.act(|book, out| assert_eq!(book.on_update(Second, crossed, out), Err(Fault::Crossed))).is_empty());
}
