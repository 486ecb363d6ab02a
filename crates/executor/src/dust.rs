//! What closed deals leave behind: base that no venue would take as an order (F20), planned drift among it.
//!
//! Kept by (venue, asset), of either sign: what a deal has too much lies where it last bought, what it has too little is missing where it
//! last sold. Nothing is ever sent for dust alone. A hedge that is sent anyway takes along what its venue has of it, as far as
//! that is itself dust ([`Executor::carried`]): so its deal ends with as much of the other sign, and the two cancel out here.
//!
//! Kept true, and asserted at each closing: per asset, the dust of all venues and what open deals have not left yet are the sum
//! of all base flows of our own fills.

use crate::{Executor, deals::Deal, hedge::tells_minimum};
use domain::{Amount, AssetId, Price, Qty, Side, VenueId};
use risk::Market;

/// The table of dust, dense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dust {
    assets: usize,
    cells: Vec<Amount>,
    /// Σ base flows of our own fills, by asset.
    flows: Vec<Amount>,
}

impl Dust {
    pub(crate) fn new(venues: usize, assets: usize) -> Dust {
        Dust { assets, cells: vec![Amount::ZERO; venues * assets], flows: vec![Amount::ZERO; assets] }
    }

    /// A fill of ours moved base, fees in it included.
    pub(crate) fn flowed(&mut self, asset: AssetId, base: Amount) {
        if let Some(sum) = self.flows.get_mut(asset.index()) {
            *sum += base;
        }
    }

    /// A closed deal leaves this there.
    pub(crate) fn leave(&mut self, venue: VenueId, asset: AssetId, base: Amount) {
        if let Some(cell) = self.cells.get_mut(venue.index() * self.assets + asset.index()) {
            *cell += base;
        }
    }

    /// What a checkpoint keeps of it: a cell, told by the item's venue and asset, which counts as having flowed.
    pub(crate) fn restore(&mut self, venue: VenueId, asset: AssetId, left: Amount) {
        self.leave(venue, asset, left);
        self.flowed(asset, left);
    }

    pub(crate) fn at(&self, venue: VenueId, asset: AssetId) -> Amount {
        self.cells.get(venue.index() * self.assets + asset.index()).copied().unwrap_or_default()
    }

    /// Every cell that is not empty, by venue, then asset.
    pub(crate) fn lines(&self) -> Vec<(VenueId, AssetId, Amount)> {
        let assets = self.assets.max(1);
        let cells = self.cells.iter().enumerate().filter(|(_, amount)| !amount.is_zero());
        cells.map(|(i, amount)| (VenueId((i / assets) as u8), AssetId((i % assets) as u16), *amount)).collect()
    }

    fn sum(&self, asset: AssetId) -> Amount {
        self.cells.iter().skip(asset.index()).step_by(self.assets.max(1)).copied().sum()
    }
}

impl Executor {
    /// Takes over what a deal that closes has left since it was last told.
    pub(crate) fn leave_dust(&mut self, asset: AssetId, venue: VenueId, base: Amount) {
        self.dust.leave(venue, asset, base);
        let open = self.deals.open_deals().filter(|deal| self.tables.pair(deal.pair).is_some_and(|info| info.base == asset));
        let open: Amount = open.map(Deal::base_untold).sum();
        let flows = self.dust.flows.get(asset.index()).copied().unwrap_or_default();
        assert!(self.dust.sum(asset) + open == flows, "Invariant: dust and open deals are all that fills moved");
    }

    /// Recovery is over: from here on what moves is counted from what it built, however it did.
    pub(crate) fn recount_dust(&mut self) {
        for (index, flows) in self.dust.flows.clone().into_iter().enumerate() {
            let asset = AssetId(index as u16);
            let open = self.deals.open_deals().filter(|deal| self.tables.pair(deal.pair).is_some_and(|info| info.base == asset));
            let known = self.dust.sum(asset) + open.map(Deal::base_untold).sum();
            self.dust.flowed(asset, known - flows);
        }
    }

    /// How much dust a hedge of `amount` at `venue` takes along: what lies there on the side that it reduces, never more than half of
    /// the smallest order that any venue of the pair takes, so that what the deal ends with is dust in its turn.
    pub(crate) fn carried(
        &self,
        deal: &Deal,
        side: Side,
        amount: Amount,
        venue: VenueId,
        reference: Price,
        market: &Market,
    ) -> Amount {
        let Some(info) = self.tables.pair(deal.pair) else { return Amount::ZERO };
        let dust = self.dust.at(venue, info.base);
        let helps = if side == Side::Sell { dust } else { -dust };
        let smallest = |rules: &domain::InstrumentRules| {
            let unit = info.scale.value_of(reference, Qty::from_units(1)?)?.units().max(1);
            let by_value = i64::try_from((rules.value_min.units().max(0) + unit - 1) / unit).ok().and_then(Qty::from_units)?;
            Some(info.scale.base_of(by_value.max(rules.qty_min)))
        };
        // A pair that is off a venue's list has rules without a minimum, and takes nothing.
        let says = |rules: &&domain::InstrumentRules| rules.can_buy || rules.can_sell || tells_minimum(rules);
        let rules = market.venues_of(deal.pair).iter().filter_map(|cell| cell.rules.as_ref()).filter(says);
        let smallest = rules.filter_map(smallest).min().unwrap_or(Amount::ZERO);
        helps.min(Amount::from_units(smallest.units() / 2)).min(amount - Amount::from_units(1)).max(Amount::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_kept_apart_and_summed_by_asset() {
        let mut dust = Dust::new(2, 3);
        dust.leave(VenueId(0), AssetId(2), Amount::from_units(5));
        dust.leave(VenueId(1), AssetId(2), Amount::from_units(-2));
        dust.leave(VenueId(1), AssetId(0), Amount::from_units(7));
        dust.leave(VenueId(1), AssetId(0), Amount::from_units(-7));
        dust.leave(VenueId(2), AssetId(0), Amount::from_units(1));
        assert_eq!((dust.sum(AssetId(2)).units(), dust.sum(AssetId(0)).units()), (3, 0));
        let lines = vec![(VenueId(0), AssetId(2), Amount::from_units(5)), (VenueId(1), AssetId(2), Amount::from_units(-2))];
        assert_eq!((dust.lines(), dust.at(VenueId(9), AssetId(0))), (lines, Amount::ZERO));
    }
}
