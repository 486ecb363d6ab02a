//! Orders as the judge sees them: decided (read from what the log has written), sent (read from the bytes that leave), filled (told
//! by the venues), ended (told by the engine).

use super::{Check, Invariant, broken};
use domain::{ClientOrderId, Fill, NewOrder, Notice, OrderOutcome, OrderReport, PairId, Qty, TradeId, VenueId};
use executor::OpenOrder;
use journal::{MemoryRun, Record};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug)]
struct Order {
    terms: NewOrder,
    executed: Qty,
    /// As far as executions came with our id: what came without may wait for the order.
    certain: Qty,
    /// How this life of the engine said that it ended.
    ended: Option<OrderOutcome>,
    /// The most that this life of the engine said was filled.
    filled: Qty,
}

/// All orders of a run, over all lives of the engine.
#[derive(Debug, Default)]
pub struct OrderBookkeeping {
    orders: BTreeMap<ClientOrderId, Order>,
    told: BTreeSet<(VenueId, PairId, TradeId)>,
    /// Fills told before this life of the engine began.
    told_before: usize,
    /// Of these, fills that came without our id, of strangers or not: one that waited for its order when the life before ended is booked
    /// in this one.
    unnamed_before: usize,
    /// Fills that this life said it booked.
    booked: usize,
    sent: u64,
    /// Orders whose last report in the logs that this life began from says that nothing more happens to them.
    ended_in_log: BTreeSet<ClientOrderId>,
    /// Fills of strangers told; the engine books one when no order of ours can claim it any more.
    told_foreign: usize,
    /// Fills of ours told to this life before it had a ledger of their venue: history, which the balances that it begins with hold. A
    /// life before has traded there since the state log failed.
    history: BTreeSet<(VenueId, PairId, TradeId)>,
    /// Fills of our orders that this life was told without our id only: one waits until the venue's id of its order is known. At rest
    /// none does, or the balances would not be true.
    unnamed: BTreeSet<(VenueId, PairId, TradeId)>,
    /// Orders that left when the state log had failed, without an intent that can be read: hedges, as far as is right.
    unlogged: BTreeSet<ClientOrderId>,
    /// Somebody else has been on the account: fills of no order of ours are the truth then.
    pub strangers: bool,
}

impl OrderBookkeeping {
    /// The terms of a written intent, by its client id as on the wire.
    pub fn terms(&self, text: &str) -> Option<NewOrder> {
        self.orders.get(&id_of(text)?).map(|order| order.terms)
    }

    /// Orders decided so far.
    pub fn decided_count(&self) -> usize {
        self.orders.len()
    }

    /// Orders whose bytes left.
    pub fn sent_count(&self) -> u64 {
        self.sent
    }

    /// Whether a client id (as on the wire) is that of a written intent.
    pub fn has_intent(&self, text: &str) -> bool {
        id_of(text).is_some_and(|id| self.orders.contains_key(&id))
    }

    /// A new life of the engine begins from these logs. What did not survive the death of the last one never happened for it.
    ///
    /// # Errors
    /// When the logs can't be read.
    pub fn new_life(&mut self, run: &MemoryRun) -> Result<(), String> {
        let (mut told, mut unnamed) = (BTreeSet::new(), BTreeSet::new());
        self.ended_in_log.clear();
        let mut intents = BTreeMap::new();
        for item in run.state_records() {
            match item.map_err(|e| e.to_string())?.1 {
                Record::Intent { order, .. } => {
                    intents.insert(order.client_id, order);
                }
                Record::Input { input: domain::Input::Fill(fill), .. } => {
                    told.insert(key(&fill));
                    unnamed.extend(fill.client_id.is_none().then(|| key(&fill)));
                }
                Record::Input { input: domain::Input::Trades(report), .. } => {
                    told.extend(report.fills.iter().map(key));
                    unnamed.extend(report.fills.iter().filter(|fill| fill.client_id.is_none()).map(key));
                }
                Record::Input { input: domain::Input::Order(update), .. } => {
                    let Some(id) = update.client_id else { continue };
                    match update.report {
                        OrderReport::Finished { .. }
                        | OrderReport::Refused { .. }
                        | OrderReport::NotFound
                        | OrderReport::NotSent => {
                            self.ended_in_log.insert(id);
                        }
                        OrderReport::Open { .. } | OrderReport::Unknown { .. } | OrderReport::TermsDiffer { .. } => {
                            self.ended_in_log.remove(&id);
                        }
                        OrderReport::CancelFailed { .. } => {}
                    }
                }
                _ => {}
            }
        }
        for (id, terms) in intents {
            let order = self.orders.entry(id).or_insert(Order {
                terms,
                executed: Qty::ZERO,
                certain: Qty::ZERO,
                ended: None,
                filled: Qty::ZERO,
            });
            (order.ended, order.filled) = (None, Qty::ZERO);
        }
        self.told_before = told.len();
        self.unnamed_before = unnamed.len();
        self.unnamed.clear();
        self.told = told;
        self.booked = 0;
        self.history.clear();
        Ok(())
    }

    /// Orders of the lives before this one that had ended by what the logs say: their end may have been told to nobody.
    pub fn ended_in_log(&self) -> &BTreeSet<ClientOrderId> {
        &self.ended_in_log
    }

    /// An intent was written.
    ///
    /// # Errors
    /// I3 when its id was used before.
    pub fn decided(&mut self, terms: &NewOrder) -> Check {
        let order = Order { terms: *terms, executed: Qty::ZERO, certain: Qty::ZERO, ended: None, filled: Qty::ZERO };
        if self.orders.insert(terms.client_id, order).is_some() {
            return broken(Invariant::IdsUnique, format!("the id {} was decided on twice", terms.client_id));
        }
        Ok(())
    }

    /// The bytes of a placement leave; `blind` when the state log has failed, after which hedges go on without it.
    ///
    /// # Errors
    /// I9 when its intent is not written.
    pub fn leaves(&mut self, text: Option<&str>, blind: bool) -> Check {
        self.sent += 1;
        match text {
            Some(text) if self.has_intent(text) => Ok(()),
            Some(text) if blind && id_of(text).is_some() => {
                self.unlogged.extend(id_of(text));
                Ok(())
            }
            Some(text) => {
                broken(Invariant::IntentFirst, format!("the bytes of {text} leave, and its intent is not in the written log"))
            }
            None => broken(Invariant::IntentFirst, "an order without a client id leaves"),
        }
    }

    /// Whether a client id (as on the wire) is that of a hedge that left when the state log had failed.
    pub fn is_unlogged(&self, text: &str) -> bool {
        id_of(text).is_some_and(|id| self.unlogged.contains(&id))
    }

    /// The engine told something when its state log had failed.
    ///
    /// # Errors
    /// I9 for an opening that left all the same.
    pub fn noticed_blind(&self, notice: &Notice) -> Check {
        match notice {
            Notice::Order { client_id, hedge: false, .. } if self.unlogged.contains(client_id) => {
                broken(Invariant::IntentFirst, format!("the opening {client_id} left when the state log had failed"))
            }
            _ => Ok(()),
        }
    }

    /// A venue told of a fill; `named` when it did so with our id of the order, which is in it in any case.
    ///
    /// # Errors
    /// I9 for a fill of an order that is in no log, I11 when there is more of it than was asked for.
    pub fn fill_told(&mut self, fill: &Fill, named: bool) -> Check {
        if self.told.contains(&key(fill)) {
            if named && self.unnamed.remove(&key(fill)) {
                self.is_certain(fill);
            }
            return Ok(());
        }
        let Some(order) = fill.client_id.and_then(|id| self.orders.get_mut(&id)) else {
            if fill.client_id.is_some_and(|id| self.unlogged.contains(&id)) {
                // The engine must find it by its id all the same; it is of a deal, as far as anybody can say.
                self.told.insert(key(fill));
                if !named {
                    self.unnamed.insert(key(fill));
                }
                return Ok(());
            }
            if self.strangers && fill.client_id.is_none() {
                self.told.insert(key(fill));
                self.told_foreign += 1;
                return Ok(());
            }
            return broken(Invariant::IntentFirst, format!("trade {} is of an order that is in no log", fill.trade_id));
        };
        self.told.insert(key(fill));
        if !named {
            self.unnamed.insert(key(fill));
        }
        order.executed = order.executed.checked_add(fill.qty).unwrap_or(order.executed);
        if order.executed > order.terms.qty {
            return broken(
                Invariant::NoOverfill,
                format!("{} has {} units executed of {}", order.terms.client_id, order.executed.units(), order.terms.qty.units()),
            );
        }
        if named {
            self.is_certain(fill);
        }
        Ok(())
    }

    /// The fill that was just told came before there was a ledger of its venue.
    pub fn is_history(&mut self, fill: &Fill) {
        self.history.insert(key(fill));
    }

    fn is_certain(&mut self, fill: &Fill) {
        if let Some(order) = fill.client_id.and_then(|id| self.orders.get_mut(&id)) {
            order.certain = order.certain.checked_add(fill.qty).unwrap_or(order.certain);
        }
    }

    /// The engine told something.
    ///
    /// # Errors
    /// I10 for a second end, I11 for a quantity that falls, is below what was executed, or is too large, I2 for a fill of nobody.
    pub fn noticed(&mut self, notice: &Notice) -> Check {
        match notice {
            Notice::Filled { deal: Some(_), .. } => self.booked += 1,
            Notice::Filled { deal: None, .. } if self.strangers => self.booked += 1,
            Notice::Filled { deal: None, venue, .. } => {
                return broken(
                    Invariant::FillsBookedOnce,
                    format!("a fill on venue {} was booked as foreign; nobody else is on the account", venue.0),
                );
            }
            Notice::Order { client_id, outcome, filled, .. } => {
                let Some(order) = self.orders.get_mut(client_id) else {
                    return broken(Invariant::IntentFirst, format!("an end was told of {client_id}, which was never decided"));
                };
                if let Some(before) = order.ended {
                    return broken(Invariant::OrdersForward, format!("{client_id} ended as {before} and then became {outcome}"));
                }
                if *outcome != OrderOutcome::Unknown {
                    order.ended = Some(*outcome);
                }
                // Told before an execution of the same step, an order in doubt has less.
                let executed = if *outcome == OrderOutcome::Unknown { Qty::ZERO } else { order.certain };
                if *filled < order.filled || *filled < executed || *filled > order.terms.qty {
                    return broken(
                        Invariant::NoOverfill,
                        format!(
                            "{client_id} has {} units filled after {}, its executions sum to {}, of {}",
                            filled.units(),
                            order.filled.units(),
                            order.certain.units(),
                            order.terms.qty.units()
                        ),
                    );
                }
                order.filled = *filled;
            }
            _ => {}
        }
        Ok(())
    }

    /// What the engine holds open after a step is not what it told to have ended, nor less than was executed.
    ///
    /// # Errors
    /// I10 for an ended order that lives again, I11 for a quantity that fell.
    pub fn check_open(&self, open: impl Iterator<Item = OpenOrder>) -> Check {
        for held in open {
            let Some(order) = self.orders.get(&held.client_id) else { continue };
            if let Some(ended) = order.ended.filter(|_| !held.ended) {
                return broken(Invariant::OrdersForward, format!("{} ended as {ended} and is open again", held.client_id));
            }
            if held.filled < order.filled.max(order.certain) {
                return broken(
                    Invariant::NoOverfill,
                    format!(
                        "{} is held with {} units filled; {} were told, and executions of {}",
                        held.client_id,
                        held.filled.units(),
                        order.filled.units(),
                        order.certain.units()
                    ),
                );
            }
        }
        Ok(())
    }

    /// Everything told is booked, in the same step, once.
    ///
    /// # Errors
    /// I2.
    pub fn check_booked(&self) -> Check {
        let told = self.told.len() - self.told_before;
        let unbooked = self.told_foreign + self.unnamed.len() + self.history.len();
        if self.booked > told + self.unnamed_before || self.booked + unbooked < told {
            let what = if self.booked < told { "a fill that was told was not booked" } else { "a fill was booked twice" };
            return broken(Invariant::FillsBookedOnce, format!("{what}: {told} told, {} booked in this life", self.booked));
        }
        Ok(())
    }
}

fn key(fill: &Fill) -> (VenueId, PairId, TradeId) {
    (fill.venue, fill.pair, fill.trade_id)
}

fn id_of(text: &str) -> Option<ClientOrderId> {
    super::wire::wire_id(text)
}
