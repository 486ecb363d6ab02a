//! Ids and numbers of one run in the tables of another: ids by name, numbers to the other scale, exactly or not at all.

use domain::{
    AssetId, BalanceReport, CheckpointItem, DealState, Fill, Input, NewOrder, OpenOrdersReport, OrderReport, OrderUpdate, PairId,
    PairInfo, PairScale, Price, Qty, ReadKind, Tables, TradesReport, VenueId,
};

/// Why something can't be told in other tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RemapError {
    /// A name that they lack.
    Missing {
        /// Venue, pair or asset.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A number that does not fit their scale.
    Scale {
        /// Which pair.
        pair: String,
    },
}

/// Tables in which everything of both can be told, where there is room for that: the names of the first keep their ids. A pair has the
/// finest scale of both, or the second's where the two leave no exact values together.
pub(crate) fn union(first: &Tables, second: &Tables) -> Tables {
    let mut all = first.clone();
    let add = |names: &mut Vec<String>, more: &[String]| {
        for name in more {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
    };
    add(&mut all.venues, &second.venues);
    add(&mut all.assets, &second.assets);
    for info in &second.pairs {
        let id = |asset: AssetId| all.asset_id(second.asset(asset)).unwrap_or_default();
        let info = PairInfo { base: id(info.base), quote: id(info.quote), ..info.clone() };
        match all.pairs.iter_mut().find(|known| known.symbol == info.symbol) {
            None => all.pairs.push(info),
            Some(known) => {
                let price = known.scale.price_decimals().max(info.scale.price_decimals());
                let qty = known.scale.qty_decimals().max(info.scale.qty_decimals());
                known.scale = PairScale::new(price, qty).unwrap_or(info.scale);
            }
        }
    }
    all
}

/// From the ids and scales of one set of tables to those of another.
pub(crate) struct Remap<'a> {
    pub(crate) from: &'a Tables,
    pub(crate) to: &'a Tables,
}

impl Remap<'_> {
    fn venue(&self, id: &mut VenueId) -> Result<(), RemapError> {
        let name = self.from.venue(*id);
        let found = self.to.venues.iter().position(|v| v == name);
        *id = found.map(|i| VenueId(i as u8)).ok_or_else(|| RemapError::Missing { what: "the venue", name: name.into() })?;
        Ok(())
    }

    fn asset(&self, id: &mut AssetId) -> Result<(), RemapError> {
        let name = self.from.asset(*id);
        *id = self.to.asset_id(name).ok_or_else(|| RemapError::Missing { what: "the asset", name: name.into() })?;
        Ok(())
    }

    fn pair(&self, id: &mut PairId) -> Result<(PairScale, PairScale), RemapError> {
        let missing = |name: String| RemapError::Missing { what: "the pair", name };
        let old = self.from.pair(*id).ok_or_else(|| missing("?".into()))?;
        *id = self.to.pair_id(&old.symbol).ok_or_else(|| missing(old.symbol.to_string()))?;
        let new = self.to.pair(*id).ok_or_else(|| missing(old.symbol.to_string()))?;
        Ok((old.scale, new.scale))
    }

    fn qty(&self, pair: PairId, scales: (PairScale, PairScale), qty: &mut Qty) -> Result<(), RemapError> {
        let units = rescale(i128::from(qty.units()), scales.0.qty_decimals(), scales.1.qty_decimals());
        *qty = units.and_then(|units| Qty::from_units(i64::try_from(units).ok()?)).ok_or_else(|| self.scale_error(pair))?;
        Ok(())
    }

    fn price(&self, pair: PairId, scales: (PairScale, PairScale), price: &mut Price) -> Result<(), RemapError> {
        let units = rescale(i128::from(price.units()), scales.0.price_decimals(), scales.1.price_decimals());
        *price = units.and_then(|units| Price::from_units(i64::try_from(units).ok()?)).ok_or_else(|| self.scale_error(pair))?;
        Ok(())
    }

    fn scale_error(&self, pair: PairId) -> RemapError {
        RemapError::Scale { pair: self.to.pair(pair).map_or_else(|| "?".into(), |p| p.symbol.to_string()) }
    }

    pub(crate) fn order(&self, mut order: NewOrder) -> Result<NewOrder, RemapError> {
        self.venue(&mut order.venue)?;
        let scales = self.pair(&mut order.pair)?;
        self.price(order.pair, scales, &mut order.price)?;
        self.qty(order.pair, scales, &mut order.qty)?;
        Ok(order)
    }

    fn deal(&self, deal: &mut DealState) -> Result<(), RemapError> {
        self.venue(&mut deal.buy)?;
        self.venue(&mut deal.sell)?;
        self.venue(&mut deal.dealt_at.0)?;
        self.venue(&mut deal.dealt_at.1)?;
        let (old, new) = self.pair(&mut deal.pair)?;
        for (product, qty) in [&mut deal.bought, &mut deal.sold] {
            let values = (old.price_decimals() + old.qty_decimals(), new.price_decimals() + new.qty_decimals());
            let moved = (rescale(*product, values.0, values.1), rescale(*qty, old.qty_decimals(), new.qty_decimals()));
            (*product, *qty) = moved.0.zip(moved.1).ok_or_else(|| self.scale_error(deal.pair))?;
        }
        Ok(())
    }

    fn update(&self, update: &mut OrderUpdate) -> Result<(), RemapError> {
        self.venue(&mut update.venue)?;
        let scales = self.pair(&mut update.pair)?;
        match &mut update.report {
            OrderReport::Open { filled } | OrderReport::Finished { filled, .. } => self.qty(update.pair, scales, filled),
            OrderReport::TermsDiffer { qty, filled } => {
                self.qty(update.pair, scales, qty)?;
                self.qty(update.pair, scales, filled)
            }
            _ => Ok(()),
        }
    }

    fn fill(&self, fill: &mut Fill) -> Result<(), RemapError> {
        self.venue(&mut fill.venue)?;
        let scales = self.pair(&mut fill.pair)?;
        self.price(fill.pair, scales, &mut fill.price)?;
        self.qty(fill.pair, scales, &mut fill.qty)?;
        fill.fees.iter_mut().try_for_each(|(asset, _)| self.asset(asset))
    }

    fn balances(&self, report: &mut BalanceReport) -> Result<(), RemapError> {
        self.venue(&mut report.venue)?;
        report.entries.iter_mut().try_for_each(|entry| self.asset(&mut entry.asset))
    }

    /// Rewrites one item of a checkpoint. What can't be told in these tables stays as it was, or half rewritten: it is not to be used.
    pub(crate) fn item(&self, item: &mut CheckpointItem) -> Result<(), RemapError> {
        match item {
            CheckpointItem::Clock { .. }
            | CheckpointItem::Epoch { .. }
            | CheckpointItem::Latch { .. }
            | CheckpointItem::Draining => Ok(()),
            CheckpointItem::DayFlow { asset, .. } => self.asset(asset),
            CheckpointItem::Standing { venue, pair, .. } => {
                self.venue(venue)?;
                pair.as_mut().map_or(Ok(()), |pair| self.pair(pair).map(drop))
            }
            CheckpointItem::Venue { venue, .. } | CheckpointItem::ForeignOrder { venue, .. } => self.venue(venue),
            CheckpointItem::Trades { venue, pair, .. } | CheckpointItem::Booked { venue, pair, .. } => {
                self.venue(venue)?;
                self.pair(pair).map(drop)
            }
            CheckpointItem::Fees { rates } => {
                rates.paid_in.as_mut().map_or(Ok(()), |asset| self.asset(asset))?;
                self.venue(&mut rates.venue)?;
                self.pair(&mut rates.pair).map(drop)
            }
            CheckpointItem::Charge { venue, pair, charge } => {
                let assets = [&mut charge.received, &mut charge.base.0, &mut charge.quote.0];
                assets.into_iter().try_for_each(|asset| self.asset(asset))?;
                self.venue(venue)?;
                self.pair(pair).map(drop)
            }
            CheckpointItem::Holding { venue, asset, .. } | CheckpointItem::Dust { venue, asset, .. } => {
                self.asset(asset)?;
                self.venue(venue)
            }
            CheckpointItem::EarlyFill { fill } => self.fill(fill),
            CheckpointItem::Order { order } => {
                let scales = self.pair(&mut order.terms.pair.clone())?;
                order.terms = self.order(order.terms)?;
                self.qty(order.terms.pair, scales, &mut order.reported)?;
                self.qty(order.terms.pair, scales, &mut order.booked)?;
                order.theirs.as_mut().map_or(Ok(()), |theirs| self.qty(order.terms.pair, scales, theirs))
            }
            CheckpointItem::Deal { deal } => self.deal(deal),
        }
    }

    /// Rewrites the ids; `false` for inputs that recovery has no use for.
    pub(crate) fn input(&self, input: &mut Input) -> Result<bool, RemapError> {
        match input {
            Input::Order(update) => self.update(update)?,
            Input::Fill(fill) => self.fill(fill)?,
            Input::Balances(report) => self.balances(report)?,
            Input::OpenOrders(OpenOrdersReport { venue, orders, .. }) => {
                self.venue(venue)?;
                orders.iter_mut().try_for_each(|update| self.update(update))?;
            }
            Input::Trades(TradesReport { venue, pair, fills, .. }) => {
                self.venue(venue)?;
                self.pair(pair)?;
                fills.iter_mut().try_for_each(|fill| self.fill(fill))?;
            }
            Input::ReadFailed(failure) => {
                self.venue(&mut failure.venue)?;
                if let ReadKind::Trades { pair, .. } = &mut failure.read {
                    self.pair(pair)?;
                }
            }
            Input::Link(change) => self.venue(&mut change.venue)?,
            // What the venue accepts and charges is told anew at every start; recovery only wants to know which pairs it listed.
            Input::Rules(rules) => return Ok(self.venue(&mut rules.venue).is_ok() && self.pair(&mut rules.pair).is_ok()),
            Input::Fees(fees) => {
                let paid_in = fees.paid_in.as_mut().is_none_or(|asset| self.asset(asset).is_ok());
                return Ok(paid_in && self.venue(&mut fees.venue).is_ok() && self.pair(&mut fees.pair).is_ok());
            }
            Input::Operator(_) => {}
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn rescale(units: i128, from: u8, to: u8) -> Option<i128> {
    let factor = 10i128.checked_pow(u32::from(from.abs_diff(to)))?;
    if to >= from {
        units.checked_mul(factor)
    } else if units % factor == 0 {
        Some(units / factor)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{InstrumentKind, Symbol};

    #[test]
    fn numbers_move_to_another_scale_exactly_or_not_at_all() {
        assert_eq!(rescale(123, 2, 4), Some(12_300));
        assert_eq!(rescale(12_300, 4, 2), Some(123));
        assert_eq!(rescale(12_301, 4, 2), None);
        assert_eq!(rescale(i128::MAX, 0, 1), None);
    }

    /// A symbol, its assets, and the decimals of price and quantity.
    type PairRow<'a> = (&'a str, (u16, u16), (u8, u8));

    fn tables(venues: &[&str], assets: &[&str], pairs: &[PairRow<'_>]) -> Tables {
        let texts = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let pair = |(symbol, assets, scale): &(&str, (u16, u16), (u8, u8))| PairInfo {
            symbol: Symbol::parse(symbol).unwrap(),
            kind: InstrumentKind::Spot,
            base: AssetId(assets.0),
            quote: AssetId(assets.1),
            scale: PairScale::new(scale.0, scale.1).unwrap(),
        };
        Tables { venues: texts(venues), assets: texts(assets), pairs: pairs.iter().map(pair).collect() }
    }

    #[test]
    fn tables_of_both_have_every_name_and_the_finest_scale_that_fits() {
        let first = tables(&["a", "b"], &["BTC", "USDT"], &[("BTC/USDT", (0, 1), (2, 4))]);
        let pairs = [("ETH/USDT", (0, 1), (2, 6)), ("BTC/USDT", (2, 1), (1, 6))];
        let second = tables(&["c", "a"], &["ETH", "USDT", "BTC"], &pairs);
        let pairs = [("BTC/USDT", (0, 1), (2, 6)), ("ETH/USDT", (2, 1), (2, 6))];
        assert_eq!(union(&first, &second), tables(&["a", "b", "c"], &["BTC", "USDT", "ETH"], &pairs));
        let fine = tables(&["a"], &["BTC", "USDT"], &[("BTC/USDT", (0, 1), (2, 10))]);
        let dear = tables(&["a"], &["BTC", "USDT"], &[("BTC/USDT", (0, 1), (9, 4))]);
        assert_eq!(union(&fine, &dear), dear);
    }
}
