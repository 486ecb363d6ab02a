//! `order_book_update`: nothing is left in the engine's book that the venue keeps up to date no longer.

use super::books::one_base;
use super::obu::full;
use super::rig::{PUBLIC, Rig};
use domain::time::SECOND;
use domain::{BookBody, Input, Level, LinkRole};
use venue::{LinkId, Transmit};

/// Price and quantity of a level, as the venue writes them; the quantity is a whole number.
type Row = (u32, u32);

fn rows(levels: &[Row]) -> String {
    let row = |(price, qty): &Row| format!(r#"["{price}","{qty}"]"#);
    format!("[{}]", levels.iter().map(row).collect::<Vec<_>>().join(","))
}

fn update(ids: (u64, u64), bids: &[Row], asks: &[Row]) -> String {
    let ((first, last), bids, asks) = (ids, rows(bids), rows(asks));
    format!(
        r#"{{"channel":"spot.order_book_update","event":"update","result":{{"s":"BTC_USDT","U":{first},"u":{last},"b":{bids},"a":{asks}}}}}"#
    )
}

/// Bids from 1000 down and asks from 1001 up, one each.
fn deep(levels: u32) -> (Vec<Row>, Vec<Row>) {
    ((0..levels).map(|rank| (1_000 - rank, 1)).collect(), (0..levels).map(|rank| (1_001 + rank, 1)).collect())
}

fn copy(id: u64) -> String {
    let (bids, asks) = deep(100);
    format!(r#"{{"id":{id},"current":1750000000123,"update":1750000000100,"bids":{},"asks":{}}}"#, rows(&bids), rows(&asks))
}

/// A live book of a hundred levels a side at id 10.
fn live(keys: bool) -> Rig {
    let mut rig = Rig::live("order_book_update", keys);
    rig.frame(PUBLIC, &update((10, 10), &[], &[]));
    let sent = one_base(&mut rig);
    rig.answer(sent.ticket, 200, &copy(10));
    assert_eq!(rig.book_news(), ["S10"]);
    rig
}

fn told(levels: &[Level]) -> Vec<Row> {
    levels.iter().map(|level| ((level.price.units() / 100) as u32, (level.qty.units() / 1_000_000) as u32)).collect()
}

/// What was passed on of books: ids of the last state, bids and asks.
fn news(rig: &mut Rig) -> Vec<(u64, Vec<Row>, Vec<Row>)> {
    let book = |input| match input {
        Input::Book(update) => match update.body {
            BookBody::Snapshot { id, bids, asks } | BookBody::Delta { last: id, bids, asks, .. } => {
                Some((id, told(&bids), told(&asks)))
            }
            _ => None,
        },
        _ => None,
    };
    rig.take().into_iter().filter_map(book).collect()
}

#[test]
fn a_level_that_is_pushed_out_of_the_window_is_deleted() {
    let mut rig = live(false);
    // The book moves up by one: the worst bid is outside from here on, and the venue says no more of it.
    rig.frame(PUBLIC, &update((11, 11), &[(1_001, 2)], &[(1_001, 0), (1_101, 1)]));
    assert_eq!(news(&mut rig), [(11, vec![(1_001, 2), (901, 0)], vec![(1_001, 0), (1_101, 1)])]);
    // Outside all along: not passed on, though the id is.
    rig.frame(PUBLIC, &update((12, 12), &[(900, 5)], &[(1_102, 5)]));
    assert_eq!(news(&mut rig), [(12, vec![], vec![])]);
    // In it again, as soon as the venue says so.
    rig.frame(PUBLIC, &update((13, 13), &[(1_001, 0), (901, 3)], &[]));
    assert_eq!(news(&mut rig), [(13, vec![(1_001, 0), (901, 3)], vec![])]);
}

#[test]
fn frames_that_waited_for_their_copy_are_cut_to_the_window_too() {
    let mut rig = Rig::live("order_book_update", false);
    rig.frame(PUBLIC, &update((9, 12), &[], &[(1_000, 0), (900, 7)]));
    let sent = one_base(&mut rig);
    // The frame overlaps the copy.
    rig.answer(
        sent.ticket,
        200,
        &copy(10).replace(r#""bids":[["1000","1"]"#, r#""bids":[["899","1"]"#).replace(",[\"999\",\"1\"]", ""),
    );
    let told = news(&mut rig);
    assert!(told.is_empty(), "that copy is out of order: {told:?}");
    let ticket =
        rig.run(SECOND).into_iter().find_map(|out| if let Transmit::Request { ticket, .. } = out { Some(ticket) } else { None });
    rig.answer(ticket.expect("asked for again"), 200, &copy(11));
    let told = news(&mut rig);
    assert_eq!(
        told.iter().map(|(id, bids, asks)| (*id, bids.len(), asks.len())).collect::<Vec<_>>(),
        [(11, 100, 100), (12, 0, 3)]
    );
    assert_eq!(told[1].2, [(900, 7), (1_000, 0), (1_100, 0)]);
}

#[test]
fn a_whole_book_of_the_stream_is_cut_to_the_window() {
    let mut rig = live(false);
    let (bids, asks) = deep(150);
    let whole = update((0, 30), &bids, &asks).replace(r#""U":0"#, r#""full":true"#);
    rig.frame(PUBLIC, &whole);
    let told = news(&mut rig);
    assert_eq!((told[0].0, told[0].1.len(), told[0].2.len()), (30, 100, 100));
    rig.frame(PUBLIC, &update((31, 31), &[(1_000, 0), (900, 1), (899, 1)], &[]));
    assert_eq!(news(&mut rig), [(31, vec![(1_000, 0), (900, 1)], vec![])]);
}

#[test]
fn the_window_goes_over_to_another_connection_with_its_book() {
    let mut rig = live(true);
    rig.frame(PUBLIC, r#"{"channel":"spot.system","event":"upgrade"}"#);
    rig.drain();
    let next = LinkId { role: LinkRole::Public, shard: 1 };
    rig.connect(next);
    rig.frame(PUBLIC, &update((11, 11), &[(1_001, 2)], &[(1_001, 0)]));
    assert_eq!(news(&mut rig), [(11, vec![(1_001, 2), (901, 0)], vec![(1_001, 0)])]);
    // Of the new connection, with an overlap: what the old one's change pushed out is not told again, what this one does is.
    rig.frame(next, &update((10, 12), &[(1_001, 2), (950, 4), (901, 4)], &[(1_001, 0)]));
    assert_eq!(news(&mut rig), [(12, vec![(1_001, 2), (950, 4)], vec![(1_001, 0)])]);
    rig.frame(next, &update((13, 13), &[], &[(1_001, 1), (1_000, 1)]));
    assert_eq!(news(&mut rig), [(13, vec![], vec![(1_000, 1), (1_001, 1), (1_100, 0)])]);
}

#[test]
fn the_other_channels_are_passed_on_as_they_come() {
    let mut rig = Rig::live("obu", false);
    rig.frame(PUBLIC, &full("BTC_USDT", 10));
    rig.take();
    let (bids, asks) = deep(150);
    let change = update((11, 11), &bids, &asks)
        .replace("spot.order_book_update", "spot.obu")
        .replace("\"BTC_USDT\"", "\"ob.BTC_USDT.50\"");
    rig.frame(PUBLIC, &change);
    let told = news(&mut rig);
    assert_eq!((told[0].1.len(), told[0].2.len()), (150, 150));
}
