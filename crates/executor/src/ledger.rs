//! Balances per (venue, asset): what is there, what our orders hold, what others hold.
//!
//! The ledger is told things; it never asks the venue. Totals move by fills and are taken over from a venue's statement only at
//! start ([`Ledger::adopt`]). Start at [`Ledger::book`] and [`Ledger::reserve`].
//!
//! Kept true by every method:
//! 1. `available = total − reserved − elsewhere`.
//! 2. `reserved ≥ 0`; it is the sum of the reservations of orders, which [`crate::Executor`] checks from the other side.
//! 3. A reservation changes by the difference between what an order holds now and what it held, so it is released exactly once.

use domain::{Amount, AssetId, VenueId};

/// One asset on one venue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holding {
    /// Everything there, ours by fills.
    pub total: Amount,
    /// Held by our orders.
    pub reserved: Amount,
    /// Held by orders that are not ours, as the venue last stated.
    pub elsewhere: Amount,
    /// True once it ever held or moved anything.
    pub used: bool,
}

impl Holding {
    /// What an order may still use.
    pub fn available(&self) -> Amount {
        self.total - self.reserved - self.elsewhere
    }
}

/// The table of holdings, dense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    venues: usize,
    assets: usize,
    cells: Vec<Holding>,
}

impl Ledger {
    /// Nothing anywhere.
    pub fn new(venues: usize, assets: usize) -> Ledger {
        Ledger { venues, assets, cells: vec![Holding::default(); venues * assets] }
    }

    fn index(&self, venue: VenueId, asset: AssetId) -> Option<usize> {
        (venue.index() < self.venues && asset.index() < self.assets).then(|| venue.index() * self.assets + asset.index())
    }

    /// One holding; nothing for ids of another run.
    pub fn holding(&self, venue: VenueId, asset: AssetId) -> Holding {
        self.index(venue, asset).and_then(|i| self.cells.get(i)).copied().unwrap_or_default()
    }

    /// What an order may still use: `total − reserved − elsewhere`, negative when the venue holds less than we thought.
    pub fn available(&self, venue: VenueId, asset: AssetId) -> Amount {
        self.holding(venue, asset).available()
    }

    /// Every holding, by venue, then asset.
    pub fn holdings(&self) -> impl Iterator<Item = (VenueId, AssetId, &Holding)> {
        let assets = self.assets.max(1);
        self.cells.iter().enumerate().map(move |(i, cell)| (VenueId((i / assets) as u8), AssetId((i % assets) as u16), cell))
    }

    /// Adds `change` (of either sign) to a total. False for an asset outside the tables: nothing is booked.
    #[must_use]
    pub(crate) fn book(&mut self, venue: VenueId, asset: AssetId, change: Amount) -> bool {
        let Some(index) = self.index(venue, asset) else { return false };
        let cell = &mut self.cells[index];
        cell.total += change;
        cell.used = true;
        true
    }

    /// Changes what our orders hold by the difference of one order's holds.
    pub(crate) fn reserve(&mut self, venue: VenueId, asset: AssetId, before: Amount, after: Amount) {
        assert!(!before.is_negative() && !after.is_negative(), "Invariant: an order holds no negative amount");
        let Some(index) = self.index(venue, asset) else { return };
        let cell = &mut self.cells[index];
        cell.reserved = cell.reserved - before + after;
        cell.used = true;
        assert!(!cell.reserved.is_negative(), "Invariant: a reservation is released once");
    }

    /// Takes over what the venue states. Returns what the total was.
    pub(crate) fn adopt(&mut self, venue: VenueId, asset: AssetId, total: Amount) -> Amount {
        let Some(index) = self.index(venue, asset) else { return Amount::ZERO };
        let cell = &mut self.cells[index];
        cell.used |= !total.is_zero();
        std::mem::replace(&mut cell.total, total)
    }

    /// Puts a line back as it was, whatever of it our orders hold.
    pub(crate) fn restore(&mut self, venue: VenueId, asset: AssetId, total: Amount, elsewhere: Amount, used: bool) {
        if let Some(cell) = self.index(venue, asset).and_then(|index| self.cells.get_mut(index)) {
            *cell = Holding { total, elsewhere, used, reserved: cell.reserved };
        }
    }

    /// Notes what others' orders hold.
    pub(crate) fn set_elsewhere(&mut self, venue: VenueId, asset: AssetId, held: Amount) {
        if let Some(index) = self.index(venue, asset) {
            self.cells[index].elsewhere = held;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V: VenueId = VenueId(1);
    const A: AssetId = AssetId(2);

    fn amount(units: i128) -> Amount {
        Amount::from_units(units)
    }

    #[test]
    fn available_is_what_is_left() {
        let mut ledger = Ledger::new(2, 3);
        assert!(ledger.book(V, A, amount(100)));
        ledger.reserve(V, A, Amount::ZERO, amount(30));
        ledger.set_elsewhere(V, A, amount(20));
        assert_eq!(ledger.available(V, A), amount(50));
        ledger.reserve(V, A, amount(30), amount(10));
        ledger.reserve(V, A, amount(10), Amount::ZERO);
        assert_eq!(
            ledger.holding(V, A),
            Holding { total: amount(100), reserved: Amount::ZERO, elsewhere: amount(20), used: true }
        );
        assert_eq!(ledger.available(VenueId(0), A), Amount::ZERO);
        let used: Vec<_> = ledger.holdings().filter(|(_, _, cell)| cell.used).map(|(venue, asset, _)| (venue, asset)).collect();
        assert_eq!(used, vec![(V, A)]);
    }

    #[test]
    #[should_panic(expected = "Invariant: a reservation is released once")]
    fn releasing_twice_is_a_bug() {
        let mut ledger = Ledger::new(2, 3);
        ledger.reserve(V, A, Amount::ZERO, amount(30));
        ledger.reserve(V, A, amount(30), Amount::ZERO);
        ledger.reserve(V, A, amount(30), Amount::ZERO);
    }

    #[test]
    fn ids_of_another_run_are_not_booked() {
        let mut ledger = Ledger::new(2, 3);
        assert!(!ledger.book(VenueId(2), A, amount(1)));
        assert!(!ledger.book(V, AssetId(3), amount(1)));
        assert_eq!(ledger.adopt(V, AssetId(3), amount(5)), Amount::ZERO);
        assert_eq!(ledger, Ledger::new(2, 3));
    }
}
