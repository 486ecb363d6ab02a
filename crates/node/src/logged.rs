//! What the state logs hold, in names and scales of their own: to be asked before today's tables are built, and handed to the engine
//! that has them.
//!
//! Today's tables may lack a venue, pair or asset that the logs speak of, and may count more coarsely. What carries nothing any more
//! does not come along then: settled orders of deals that are even, ids of executions, lists without news, balances that no
//! execution ever moved. What is open refuses the start, naming it: an order without a known end, an execution without its order, a
//! deal that is not even, a balance that was traded. Whoever builds tables keeps the names that [`Logged::pairs_open`] and
//! [`Logged::assets_held`] tell, and [`Logged::tables`] says how fine to count; so that only a venue that is gone refuses.

use crate::recover::{Folded, RecoverError, fold};
use crate::remap::{Remap, union};
use domain::{
    AssetId, CheckpointItem, DealId, DealState, MonoNanos, NewOrder, OrderStage, PairId, Price, Symbol, Tables, VenueId,
};
use engine_core::{Engine, EngineConfig};
use journal::{StateRecords, StateTail};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How what may still change gets settled.
const SETTLE: &str = "let `crossgate run` settle it";
/// The same for a balance.
const MOVE_AWAY: &str = "move it away there and let `crossgate reconcile` see that";

/// What the state logs hold, and where a new epoch continues them.
pub struct Logged {
    /// `None` when nothing was logged yet.
    held: Option<LogEngine>,
    tail: StateTail,
}

impl Logged {
    /// Folds everything since the newest checkpoint. Of the settings those of the executor count, as the next run has them.
    ///
    /// # Errors
    /// [`RecoverError::Log`] for logs that can't be read.
    pub fn read(config: &EngineConfig, records: StateRecords) -> Result<Logged, RecoverError> {
        let mut records = records.from_checkpoint(u64::MAX)?;
        let held = match fold(config, &mut records, u64::MAX)? {
            Folded::Before(held) => held.map(LogEngine::finish),
            Folded::Own { .. } => None,
        };
        Ok(Logged { held, tail: records.finish()? })
    }

    /// Names and scales of the logs: the finest scale that anything in them has.
    pub fn tables(&self) -> Arc<Tables> {
        self.held.as_ref().map(LogEngine::tables).unwrap_or_default()
    }

    /// Pairs of which an order or an execution is not settled, or a deal is not even.
    pub fn pairs_open(&self) -> Vec<Symbol> {
        let Some(held) = &self.held else { return Vec::new() };
        let tables = held.tables();
        let open = held.engine.executor().pairs_open();
        open.into_iter().filter_map(|pair| tables.pair(pair)).map(|info| info.symbol.clone()).collect()
    }

    /// Assets of which a balance that was traded is left on any venue: by its executions, or since a run before has kept the asset without a
    /// pair. Tokens that pay fees have no pair either; venues that know them name them again.
    pub fn assets_held(&self) -> Vec<String> {
        let Some(held) = &self.held else { return Vec::new() };
        let tables = held.tables();
        let executor = held.engine.executor();
        let paired = |asset: AssetId| tables.pairs.iter().any(|info| info.base == asset || info.quote == asset);
        let lines = executor.ledger().holdings().filter(|(venue, asset, cell)| {
            let left = !(cell.total.is_zero() && cell.elsewhere.is_zero());
            left && (executor.was_traded(*venue, *asset) || !paired(*asset))
        });
        let assets: BTreeSet<AssetId> = lines.map(|(_, asset, _)| asset).collect();
        assets.into_iter().map(|asset| tables.asset(asset).to_string()).collect()
    }

    /// Ends what is open of a pair that can be traded nowhere any more: what its deals have left stays in the ledger as a balance. False,
    /// and nothing is changed, while an order or an execution of it is not settled.
    pub fn give_up(&mut self, symbol: &Symbol) -> bool {
        let Some(held) = &mut self.held else { return true };
        held.tables().pair_id(symbol).is_none_or(|pair| held.engine.executor_mut().give_up(pair))
    }

    /// Puts a fresh engine into the state that the logs hold.
    ///
    /// # Errors
    /// [`RecoverError::Missing`], [`RecoverError::Scale`] when something open can't be told in the engine's tables; it must not be used
    /// then.
    pub fn recover(&self, engine: &mut Engine) -> Result<(), RecoverError> {
        self.held.as_ref().map_or(Ok(()), |held| held.recover(engine))
    }

    /// Where a new epoch continues.
    pub fn into_tail(self) -> StateTail {
        self.tail
    }
}

/// An engine that logs are folded into: it knows their names, and never decides.
pub(crate) struct LogEngine {
    engine: Engine,
}

impl LogEngine {
    pub(crate) fn new(config: &EngineConfig, tables: Tables) -> LogEngine {
        LogEngine { engine: Engine::of_logs(config, Arc::new(tables)) }
    }

    pub(crate) fn get_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }

    pub(crate) fn tables(&self) -> Arc<Tables> {
        self.engine.tables().clone()
    }

    /// The log is read.
    pub(crate) fn finish(mut self) -> LogEngine {
        self.engine.finish_recovery(MonoNanos(0));
        self
    }

    /// The same in tables that also tell what a later header's do.
    pub(crate) fn widened(self, with: &Tables) -> Result<LogEngine, RecoverError> {
        let from = self.tables();
        let to = union(&from, with);
        if to == *from {
            return Ok(self);
        }
        let finished = self.finish();
        let mut items = finished.engine.checkpoint();
        let remap = Remap { from: &from, to: &to };
        items.iter_mut().try_for_each(|item| remap.item(item))?;
        let mut wider = LogEngine::new(finished.engine.config(), to);
        wider.engine.recover_checkpoint(&items);
        Ok(wider)
    }

    /// Hands everything over to an engine with tables of its own; this one has finished.
    pub(crate) fn recover(&self, engine: &mut Engine) -> Result<(), RecoverError> {
        let items = self.told_in(&engine.tables().clone())?;
        engine.recover_checkpoint(&items);
        engine.finish_recovery(MonoNanos(0));
        Ok(())
    }

    /// What it holds in other tables, without what carries nothing there.
    fn told_in(&self, to: &Tables) -> Result<Vec<CheckpointItem>, RecoverError> {
        let from = self.tables();
        let remap = Remap { from: &from, to };
        let items = self.engine.checkpoint();
        let past = self.deals_left_behind(&items, &remap)?;
        let mut told = Vec::with_capacity(items.len());
        for item in &items {
            match item {
                CheckpointItem::Order { order } if past.contains(&order.terms.deal) => continue,
                CheckpointItem::Deal { deal } if past.contains(&deal.id) => {
                    told.extend(self.left_of(deal).and_then(|item| rewritten(&remap, item)));
                    continue;
                }
                _ => {}
            }
            let mut moved = item.clone();
            match remap.item(&mut moved) {
                Ok(()) if self.has_lost_its_price(item, to) => {
                    told.extend(self.worth_of_flow(item, &items).and_then(|worth| rewritten(&remap, worth)));
                }
                Ok(()) => told.push(moved),
                Err(why) => {
                    if let Some((held, settle)) = self.open(item) {
                        return Err(RecoverError::open(held, settle, why));
                    }
                }
            }
        }
        Ok(told)
    }

    /// Deals that are over and can't be told in other tables, or one of whose orders can't: they stay behind with all their orders.
    fn deals_left_behind(&self, items: &[CheckpointItem], remap: &Remap<'_>) -> Result<BTreeSet<DealId>, RecoverError> {
        let executor = self.engine.executor();
        let mut past = BTreeSet::new();
        for item in items {
            let (deal, over) = match item {
                CheckpointItem::Order { order } => (order.terms.deal, executor.order_is_over(&order.terms)),
                CheckpointItem::Deal { deal } => (deal.id, executor.deal_is_over(deal.id)),
                _ => continue,
            };
            if let Err(why) = remap.item(&mut item.clone()) {
                if !over {
                    let (held, settle) = self.open(item).unwrap_or_else(|| ("an open deal".into(), SETTLE));
                    return Err(RecoverError::open(held, settle, why));
                }
                past.insert(deal);
            }
        }
        Ok(past)
    }

    /// What a deal that stays behind has left, as dust.
    fn left_of(&self, deal: &DealState) -> Option<CheckpointItem> {
        let info = self.engine.tables().pair(deal.pair)?;
        let venue = if deal.base_flow.is_negative() { deal.dealt_at.1 } else { deal.dealt_at.0 };
        (!deal.base_flow.is_zero()).then_some(CheckpointItem::Dust { venue, asset: info.base, left: deal.base_flow })
    }

    /// A day's flow of an asset that no pair prices any more, which would stop openings for the rest of the day.
    fn has_lost_its_price(&self, item: &CheckpointItem, to: &Tables) -> bool {
        let CheckpointItem::DayFlow { asset, .. } = item else { return false };
        let name = self.engine.tables().asset(*asset);
        let trades = |tables: &Tables| tables.pairs.iter().any(|pair| pair.symbol.base == name || pair.symbol.quote == name);
        trades(self.engine.tables()) && !trades(to)
    }

    /// What such a flow was worth in quote, at what the newest deal in it executed at: deals may have left dust, or have been given up
    /// uneven, and the quote that they paid for that is no loss of the day. Nothing when the log has no deal in it any more (`history_kept`).
    fn worth_of_flow(&self, item: &CheckpointItem, items: &[CheckpointItem]) -> Option<CheckpointItem> {
        let CheckpointItem::DayFlow { day, asset, flow } = *item else { return None };
        let deals = items.iter().filter_map(|item| if let CheckpointItem::Deal { deal } = item { Some(deal) } else { None });
        let priced = deals.filter_map(|deal| {
            let info = self.engine.tables().pair(deal.pair).filter(|info| info.base == asset)?;
            let (product, executed) = (deal.bought.0.checked_add(deal.sold.0)?, deal.bought.1.checked_add(deal.sold.1)?);
            let price = Price::from_units(i64::try_from(product.checked_div(executed)?).ok()?)?;
            Some((deal.id, info, price))
        });
        let (_, info, price) = priced.max_by_key(|(id, ..)| *id)?;
        let worth = info.scale.value_of(price, info.scale.qty_rounded_down(flow.abs()))?;
        Some(CheckpointItem::DayFlow { day, asset: info.quote, flow: if flow.is_negative() { -worth } else { worth } })
    }

    /// What an item stands for, if that is open, and how it gets settled; `None` for what carries nothing.
    fn open(&self, item: &CheckpointItem) -> Option<(String, &'static str)> {
        let (tables, executor) = (self.engine.tables(), self.engine.executor());
        let symbol = |pair: PairId| tables.pair(pair).map_or_else(|| "?".into(), |info| info.symbol.to_string());
        let at = |venue: VenueId| tables.venue(venue);
        match item {
            CheckpointItem::Order { order } => {
                let NewOrder { client_id, venue, pair, side, .. } = order.terms;
                let settled = matches!(order.stage, OrderStage::Done { .. }) && order.booked == order.reported;
                let what = if settled { "an order of an open deal" } else { "an unsettled order" };
                Some((format!("{what} ({client_id}, {side} {} on `{}`)", symbol(pair), at(venue)), SETTLE))
            }
            CheckpointItem::Deal { deal } => {
                let (buy, sell) = (at(deal.buy), at(deal.sell));
                Some((format!("an open deal of {} between `{buy}` and `{sell}`", symbol(deal.pair)), SETTLE))
            }
            CheckpointItem::EarlyFill { fill } => {
                Some((format!("an execution of {} on `{}` whose order is not known", symbol(fill.pair), at(fill.venue)), SETTLE))
            }
            CheckpointItem::Holding { venue, asset, total, elsewhere, .. } => {
                let open = !(total.is_zero() && elsewhere.is_zero()) && executor.was_traded(*venue, *asset);
                let held = || format!("{} {} on `{}`, which was traded", total.to_text(), tables.asset(*asset), at(*venue));
                open.then(|| (held(), MOVE_AWAY))
            }
            _ => None,
        }
    }
}

fn rewritten(remap: &Remap<'_>, mut item: CheckpointItem) -> Option<CheckpointItem> {
    remap.item(&mut item).is_ok().then_some(item)
}
