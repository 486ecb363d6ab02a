//! The collar: a book whose mid is too far from what the other venues say is not trusted (F10, F53).
//!
//! With three or more trusted books the reference is the median of their mids, which one wrong venue can't move far. With two
//! there is no majority: each is measured against the other, and both are untrusted when they are too far apart.

use crate::TrackedBook;
use arrayvec::ArrayVec;
use domain::number::RATE_ONE;
use domain::{MonoNanos, Rate};

/// Venues that enter the median; `VenueId` can't name more.
const VENUES_MAX: usize = 256;

/// Fewest books for which a median says more than the other book does.
const MEDIAN_BOOKS_MIN: usize = 3;

/// What the legs of one pair are measured against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CollarReference {
    /// Median mid × 4 (a mid is kept × 2, the middle of two mids × 4), in price units; `None` with fewer than three trusted books.
    median_x4: Option<i128>,
}

/// The reference of one pair over its venues' books. Only books that are live and not older than `book_age_max_ns` count.
///
/// Pass the books of all configured venues of the pair; books beyond 256 are ignored.
pub fn collar_reference<'a>(
    books: impl Iterator<Item = &'a TrackedBook>,
    book_age_max_ns: u64,
    now: MonoNanos,
) -> CollarReference {
    let mut mids: ArrayVec<i64, VENUES_MAX> = ArrayVec::new();
    let trusted = books.filter(|book| book.is_live() && book.age_ns(now) <= book_age_max_ns);
    for mid_x2 in trusted.filter_map(mid_x2).take(VENUES_MAX) {
        mids.push(mid_x2);
    }
    if mids.len() < MEDIAN_BOOKS_MIN {
        return CollarReference::default();
    }
    mids.sort_unstable();
    let (low, high) = (mids[(mids.len() - 1) / 2], mids[mids.len() / 2]);
    CollarReference { median_x4: Some(i128::from(low) + i128::from(high)) }
}

/// Best bid + best ask, in price units; at most 2 × 10^18, so it fits. `None` when a side is empty.
pub fn mid_x2(book: &TrackedBook) -> Option<i64> {
    Some(book.book().best_bid()?.price.units() + book.book().best_ask()?.price.units())
}

impl CollarReference {
    /// True when both mids (× 2) keep the collar.
    pub fn holds(&self, one_x2: i64, other_x2: i64, collar: Rate) -> bool {
        let (one, other) = (2 * i128::from(one_x2), 2 * i128::from(other_x2));
        match self.median_x4 {
            Some(median) => within(one, median, collar) && within(other, median, collar),
            // The smaller of the two is the reference, so that the answer does not depend on the direction.
            None => within(one.max(other), one.min(other), collar),
        }
    }

    /// True when one mid (× 2) keeps the collar: of the median, or where there is none of every other trusted book's. With nothing to
    /// be measured against it does.
    pub fn holds_one(&self, mid_x2: i64, mut others_x2: impl Iterator<Item = i64>, collar: Rate) -> bool {
        match self.median_x4 {
            Some(median) => within(2 * i128::from(mid_x2), median, collar),
            None => others_x2.all(|other| self.holds(mid_x2, other, collar)),
        }
    }
}

/// |value − reference| ≤ collar × reference, exactly: both sides stay below 10^19 × 10^9.
fn within(value: i128, reference: i128, collar: Rate) -> bool {
    (value - reference).abs() * i128::from(RATE_ONE) <= reference * i128::from(collar.nano())
}
