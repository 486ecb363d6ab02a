//! Recovery: folds the state logs into a fresh engine, from the newest checkpoint on, mapping the ids of each log to today's tables by
//! name.
//!
//! Every run writes a checkpoint of what it starts from ([`write_checkpoint`]), so that the next recovery reads one or two epochs,
//! and older logs may be removed. One that a crash cut short is not counted: recovery begins at the one before.
//!
//! A venue, pair or asset that a log speaks of and the configuration no longer has refuses the start, naming it: an order or a
//! balance may stand there.

use domain::{
    AssetId, BalanceReport, Fill, Input, NewOrder, OpenOrdersReport, OrderUpdate, PairId, PairScale, Price, Qty, Tables,
    TradesReport, VenueId,
};
use domain::{CheckpointItem, DealState, OrderReport, ReadKind, StopReason};
use engine_core::Engine;
use journal::{LogError, LogSink, Record, StateRecords, StateTail};

/// How the note of a latch begins; its reason follows.
const LATCH_NOTE: &str = "latched: ";

/// How the note of a pause begins that nothing but its venue's news or a person ends; the venue's name follows.
const MUTE_NOTE: &str = "private stream unproven: ";

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

/// Items in one record of a checkpoint.
const ITEMS_A_RECORD: usize = 512;

/// Folds everything since the newest checkpoint. Returns where the next epoch continues.
///
/// # Errors
/// [`RecoverError`]; the engine must not be used then.
pub fn recover(engine: &mut Engine, records: StateRecords) -> Result<StateTail, RecoverError> {
    let mut records = records.from_checkpoint(u64::MAX)?;
    fold(engine, &mut records, u64::MAX)?;
    Ok(records.finish()?)
}

/// What an epoch's run started from, for its replay: its own checkpoint, or the epochs before it.
///
/// # Errors
/// As [`recover`].
pub fn recover_before(engine: &mut Engine, records: StateRecords, epoch: u64) -> Result<(), RecoverError> {
    let mut records = records.from_checkpoint(epoch)?;
    fold(engine, &mut records, epoch)
}

/// Writes what the engine starts from, once it has recovered and before its first input, and flushes.
///
/// # Errors
/// As [`LogSink::flush`].
pub fn write_checkpoint(engine: &Engine, log: &mut dyn LogSink) -> Result<(), LogError> {
    let items = engine.checkpoint();
    let parts = items.chunks(ITEMS_A_RECORD).count();
    for (index, items) in items.chunks(ITEMS_A_RECORD).enumerate() {
        log.append_checkpoint(items, index + 1 == parts)?;
    }
    log.flush()
}

fn fold(engine: &mut Engine, records: &mut StateRecords, before: u64) -> Result<(), RecoverError> {
    let today = engine.tables().clone();
    let mut names = Tables::default();
    // Whether an epoch was folded; and the checkpoint that the first one begins with, as far as it was read.
    let mut any = false;
    let mut first = None;
    let mut checkpoint = Vec::new();
    for item in records {
        let (epoch, record) = item?;
        let is_first = *first.get_or_insert(epoch) == epoch;
        if epoch >= before {
            match record {
                Record::Header(header) if is_first => names = header.tables,
                Record::Checkpoint { items, last } if is_first => {
                    Remap { from: &names, to: &today }.checkpoint(items, &mut checkpoint)?;
                    if last {
                        // This is what the run started from, word for word.
                        engine.recover_checkpoint(&checkpoint);
                        return Ok(());
                    }
                }
                _ => break,
            }
            continue;
        }
        any = true;
        match record {
            Record::Checkpoint { items, last } if is_first => {
                Remap { from: &names, to: &today }.checkpoint(items, &mut checkpoint)?;
                if last {
                    engine.recover_checkpoint(&checkpoint);
                }
            }
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
                // One of a venue that is no longer configured pauses nothing.
                if let Some(venue) =
                    text.strip_prefix(MUTE_NOTE).and_then(|name| today.venue_ids().find(|v| today.venue(*v) == name))
                {
                    engine.executor_mut().recover_mute(venue);
                }
            }
            Record::End { clean: true, .. } => engine.recover_end(),
            Record::Checkpoint { .. } | Record::BatchEnd { .. } | Record::End { .. } => {}
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

/// The note that openings at a venue wait for its private stream or a person: what made it so is time that passed, which no input tells.
pub(crate) fn mute_note(venue: &str) -> String {
    format!("{MUTE_NOTE}{venue}")
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
        let units = rescale(i128::from(qty.units()), scales.0.qty_decimals(), scales.1.qty_decimals());
        *qty = units.and_then(|units| Qty::from_units(i64::try_from(units).ok()?)).ok_or_else(|| self.scale_error(pair))?;
        Ok(())
    }

    fn price(&self, pair: PairId, scales: (PairScale, PairScale), price: &mut Price) -> Result<(), RecoverError> {
        let units = rescale(i128::from(price.units()), scales.0.price_decimals(), scales.1.price_decimals());
        *price = units.and_then(|units| Price::from_units(i64::try_from(units).ok()?)).ok_or_else(|| self.scale_error(pair))?;
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

    fn deal(&self, deal: &mut DealState) -> Result<(), RecoverError> {
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

    /// Rewrites the ids of a checkpoint's items and appends them. What is only an observation of a name that is gone is left out;
    /// what may stand for money refuses.
    fn checkpoint(&self, items: Vec<CheckpointItem>, out: &mut Vec<CheckpointItem>) -> Result<(), RecoverError> {
        for mut item in items {
            let kept = match &mut item {
                CheckpointItem::Clock { .. }
                | CheckpointItem::Epoch { .. }
                | CheckpointItem::Latch { .. }
                | CheckpointItem::Draining => true,
                CheckpointItem::DayFlow { asset, .. } => self.asset(asset).is_ok(),
                CheckpointItem::Standing { venue, pair, .. } => {
                    self.venue(venue).is_ok() && pair.as_mut().is_none_or(|pair| self.pair(pair).is_ok())
                }
                CheckpointItem::Venue { venue, .. } | CheckpointItem::ForeignOrder { venue, .. } => self.venue(venue).is_ok(),
                CheckpointItem::Trades { venue, pair, .. } => self.venue(venue).is_ok() && self.pair(pair).is_ok(),
                CheckpointItem::Fees { rates } => {
                    let paid_in = rates.paid_in.as_mut().is_none_or(|asset| self.asset(asset).is_ok());
                    paid_in && self.venue(&mut rates.venue).is_ok() && self.pair(&mut rates.pair).is_ok()
                }
                CheckpointItem::Charge { venue, pair, charge } => {
                    let assets = [&mut charge.received, &mut charge.base.0, &mut charge.quote.0];
                    let known = assets.into_iter().all(|asset| self.asset(asset).is_ok());
                    known && self.venue(venue).is_ok() && self.pair(pair).is_ok()
                }
                CheckpointItem::Holding { venue, asset, total, elsewhere, .. } => {
                    match self.asset(asset).and_then(|()| self.venue(venue)) {
                        Ok(()) => true,
                        Err(_) if total.is_zero() && elsewhere.is_zero() => false,
                        Err(error) => return Err(error),
                    }
                }
                CheckpointItem::Dust { venue, asset, .. } => {
                    self.asset(asset)?;
                    self.venue(venue)?;
                    true
                }
                CheckpointItem::Booked { venue, pair, .. } => {
                    self.venue(venue)?;
                    self.pair(pair)?;
                    true
                }
                CheckpointItem::EarlyFill { fill } => {
                    self.fill(fill)?;
                    true
                }
                CheckpointItem::Order { order } => {
                    let scales = self.pair(&mut order.terms.pair.clone())?;
                    order.terms = self.order(order.terms)?;
                    self.qty(order.terms.pair, scales, &mut order.reported)?;
                    self.qty(order.terms.pair, scales, &mut order.booked)?;
                    order.theirs.as_mut().map_or(Ok(()), |theirs| self.qty(order.terms.pair, scales, theirs))?;
                    true
                }
                CheckpointItem::Deal { deal } => {
                    self.deal(deal)?;
                    true
                }
            };
            if kept {
                out.push(item);
            }
        }
        Ok(())
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
        assert_eq!(rescale(i128::MAX, 0, 1), None);
    }
}
