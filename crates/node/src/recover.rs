//! Recovery: folds the state logs of all epochs into a fresh engine, mapping the ids of each log to today's tables by name.
//!
//! A venue, pair or asset that a log speaks of and the configuration no longer has refuses the start, naming it: an order or a
//! balance may stand there.

use domain::{
    AssetId, BalanceReport, Fill, Input, NewOrder, OpenOrdersReport, OrderUpdate, PairId, PairScale, Price, Qty, Tables,
    TradesReport, VenueId,
};
use domain::{OrderReport, ReadKind, StopReason};
use engine_core::Engine;
use journal::{LogError, Record, StateRecords, StateTail};

/// How the note of a latch begins; its reason follows.
const LATCH_NOTE: &str = "latched: ";

/// Why the logs can't be taken over.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The log itself.
    #[error("the state log can't be read: {}", .0.to_full_text())]
    Log(#[from] LogError),
    /// A name that is no longer configured.
    #[error(
        "the state log holds {what} `{name}`, which is not in the configuration: add it back, or use another state directory once nothing is open there"
    )]
    Missing {
        /// Venue, pair or asset.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A number that does not fit today's scale.
    #[error(
        "the state log holds a price or quantity of {pair} that does not fit the venue's new precision: use another state directory once nothing is open there"
    )]
    Scale {
        /// Which pair.
        pair: String,
    },
}

/// Folds everything. Returns where the next epoch continues.
///
/// # Errors
/// [`RecoverError`]; the engine must not be used then.
pub fn recover(engine: &mut Engine, mut records: StateRecords) -> Result<StateTail, RecoverError> {
    fold(engine, &mut records, u64::MAX)?;
    Ok(records.finish()?)
}

/// Folds the epochs before `epoch` only: what that epoch's run started from, for its replay.
///
/// # Errors
/// As [`recover`].
pub fn recover_before(engine: &mut Engine, mut records: StateRecords, epoch: u64) -> Result<(), RecoverError> {
    fold(engine, &mut records, epoch)
}

fn fold(engine: &mut Engine, records: &mut StateRecords, before: u64) -> Result<(), RecoverError> {
    let today = engine.tables().clone();
    let mut names = Tables::default();
    let mut any = false;
    for item in records {
        let (epoch, record) = item?;
        if epoch >= before {
            break;
        }
        any = true;
        match record {
            Record::Header(header) => {
                engine.recover_run(header.epoch);
                names = header.tables;
            }
            Record::Intent { order, .. } => {
                let order = Remap { from: &names, to: &today }.order(order)?;
                engine.recover_intent(&order);
            }
            Record::Input { mut input, .. } => {
                if (Remap { from: &names, to: &today }).input(&mut input)? {
                    engine.recover_input(&input);
                }
            }
            Record::Note { text, .. } => {
                if let Some(reason) = latch_of(&text) {
                    engine.recover_latch(reason);
                }
            }
            Record::End { clean: true, .. } => engine.recover_end(),
            Record::BatchEnd { .. } | Record::End { .. } => {}
        }
    }
    if any {
        engine.finish_recovery(domain::MonoNanos(0));
    }
    Ok(())
}

/// The note that a latch is in force, for the state log: recovery reads it back.
pub(crate) fn latch_note(reason: StopReason) -> String {
    format!("{LATCH_NOTE}{reason}")
}

fn latch_of(note: &str) -> Option<StopReason> {
    StopReason::parse(note.strip_prefix(LATCH_NOTE)?)
}

struct Remap<'a> {
    from: &'a Tables,
    to: &'a Tables,
}

impl Remap<'_> {
    fn venue(&self, id: &mut VenueId) -> Result<(), RecoverError> {
        let name = self.from.venue(*id);
        let found = self.to.venues.iter().position(|v| v == name);
        *id = found.map(|i| VenueId(i as u8)).ok_or_else(|| RecoverError::Missing { what: "the venue", name: name.into() })?;
        Ok(())
    }

    fn asset(&self, id: &mut AssetId) -> Result<(), RecoverError> {
        let name = self.from.asset(*id);
        *id = self.to.asset_id(name).ok_or_else(|| RecoverError::Missing { what: "the asset", name: name.into() })?;
        Ok(())
    }

    fn pair(&self, id: &mut PairId) -> Result<(PairScale, PairScale), RecoverError> {
        let missing = |name: String| RecoverError::Missing { what: "the pair", name };
        let old = self.from.pair(*id).ok_or_else(|| missing("?".into()))?;
        *id = self.to.pair_id(&old.symbol).ok_or_else(|| missing(old.symbol.to_string()))?;
        let new = self.to.pair(*id).ok_or_else(|| missing(old.symbol.to_string()))?;
        Ok((old.scale, new.scale))
    }

    fn qty(&self, pair: PairId, scales: (PairScale, PairScale), qty: &mut Qty) -> Result<(), RecoverError> {
        let units = rescale(qty.units(), scales.0.qty_decimals(), scales.1.qty_decimals());
        *qty = units.and_then(Qty::from_units).ok_or_else(|| self.scale_error(pair))?;
        Ok(())
    }

    fn price(&self, pair: PairId, scales: (PairScale, PairScale), price: &mut Price) -> Result<(), RecoverError> {
        let units = rescale(price.units(), scales.0.price_decimals(), scales.1.price_decimals());
        *price = units.and_then(Price::from_units).ok_or_else(|| self.scale_error(pair))?;
        Ok(())
    }

    fn scale_error(&self, pair: PairId) -> RecoverError {
        RecoverError::Scale { pair: self.to.pair(pair).map_or_else(|| "?".into(), |p| p.symbol.to_string()) }
    }

    fn order(&self, mut order: NewOrder) -> Result<NewOrder, RecoverError> {
        self.venue(&mut order.venue)?;
        let scales = self.pair(&mut order.pair)?;
        self.price(order.pair, scales, &mut order.price)?;
        self.qty(order.pair, scales, &mut order.qty)?;
        Ok(order)
    }

    fn update(&self, update: &mut OrderUpdate) -> Result<(), RecoverError> {
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

    fn fill(&self, fill: &mut Fill) -> Result<(), RecoverError> {
        self.venue(&mut fill.venue)?;
        let scales = self.pair(&mut fill.pair)?;
        self.price(fill.pair, scales, &mut fill.price)?;
        self.qty(fill.pair, scales, &mut fill.qty)?;
        fill.fees.iter_mut().try_for_each(|(asset, _)| self.asset(asset))
    }

    fn balances(&self, report: &mut BalanceReport) -> Result<(), RecoverError> {
        self.venue(&mut report.venue)?;
        // A zero balance of an asset that is no longer configured is nothing to keep.
        report.entries.retain(|e| self.to.asset_id(self.from.asset(e.asset)).is_some() || !(e.available + e.locked).is_zero());
        report.entries.iter_mut().try_for_each(|entry| self.asset(&mut entry.asset))
    }

    /// Rewrites the ids; `false` for inputs that recovery has no use for.
    fn input(&self, input: &mut Input) -> Result<bool, RecoverError> {
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

fn rescale(units: i64, from: u8, to: u8) -> Option<i64> {
    let factor = 10i64.checked_pow(u32::from(from.abs_diff(to)))?;
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

    #[test]
    fn the_note_of_a_latch_reads_back_and_other_notes_do_not() {
        for reason in StopReason::ALL {
            assert_eq!(latch_of(&latch_note(*reason)), Some(*reason));
        }
        assert_eq!(latch_of("latched: nobody"), None);
        assert_eq!(latch_of("started"), None);
    }

    #[test]
    fn numbers_move_to_another_scale_exactly_or_not_at_all() {
        assert_eq!(rescale(123, 2, 4), Some(12_300));
        assert_eq!(rescale(12_300, 4, 2), Some(123));
        assert_eq!(rescale(12_301, 4, 2), None);
        assert_eq!(rescale(i64::MAX, 0, 1), None);
    }
}
