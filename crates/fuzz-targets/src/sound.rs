//! What must hold of everything that a decoder or a session hands on, whatever bytes it came from.

use domain::{BookBody, Input, Level};
use journal::codec::Reader;
use journal::codec::{get_input, put_input};
use order_book::{BookFault, OrderBook};

/// Strictly sorted, best first, with positive quantities unless zero deletes.
///
/// # Panics
/// When it is not.
pub fn side(levels: &[Level], bids: bool, zero_deletes: bool) {
    let sorted = levels.is_sorted_by(|a, b| if bids { a.price > b.price } else { a.price < b.price });
    assert!(sorted, "levels are not strictly sorted: {levels:?}");
    assert!(levels.iter().all(|level| level.price.units() > 0), "a price is not positive: {levels:?}");
    assert!(zero_deletes || levels.iter().all(|level| !level.qty.is_zero()), "a quantity is zero: {levels:?}");
}

/// A whole book, as decoded: it may be crossed, which the book itself finds, and nothing else.
///
/// # Panics
/// When it is not sound.
pub fn snapshot(id: u64, bids: &[Level], asks: &[Level]) {
    side(bids, true, false);
    side(asks, false, false);
    let mut book = OrderBook::new();
    match book.apply(&BookBody::Snapshot { id, bids: bids.to_vec(), asks: asks.to_vec() }) {
        Ok(_) => assert!(book.is_live() && book.id() == id),
        Err(fault) => assert_eq!(fault, BookFault::Crossed),
    }
    assert_eq!(book.check(), Ok(()));
}

/// A change of a book, as decoded.
///
/// # Panics
/// When it is not sound.
pub fn delta(first: u64, last: u64, bids: &[Level], asks: &[Level]) {
    side(bids, true, true);
    side(asks, false, true);
    assert!(first <= last, "a change runs backwards: {first} to {last}");
    let mut book = OrderBook::new();
    let base = first.saturating_sub(1);
    book.apply(&BookBody::Snapshot { id: base, bids: Vec::new(), asks: Vec::new() }).expect("an empty book is sound");
    match book.apply(&BookBody::Delta { first, last, bids: bids.to_vec(), asks: asks.to_vec() }) {
        Ok(applied) => assert!(book.is_live() && (book.id() == last || applied.stale)),
        Err(fault) => assert!(matches!(fault, BookFault::Crossed | BookFault::Overflow), "{fault}"),
    }
    assert_eq!(book.check(), Ok(()));
}

/// The journal keeps it exactly.
///
/// # Panics
/// When it does not.
pub fn journalled(input: &Input) {
    let mut bytes = Vec::new();
    put_input(&mut bytes, input);
    let mut reader = Reader::new(&bytes);
    let back = get_input(&mut reader).unwrap_or_else(|error| panic!("{input:?} can't be read back: {error}"));
    assert_eq!((&back, reader.left()), (input, 0), "the journal changes an input");
    assert!(bytes.len() <= journal::RECORD_BYTES_MAX, "an input of {} bytes fits no record", bytes.len());
}
