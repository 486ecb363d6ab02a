//! What must hold once a run has ended: everything the engine believes is what the venues' own ledgers say.

use super::ownership::owned;
use super::{Check, Invariant, Judge, broken};
use crate::venues::BOOK_AGE_MAX_NS;
use domain::{Amount, Input, MonoNanos, PairId, Side, StopKind, StopReason, TradeId, VenueId};
use journal::{MemoryRun, Record};
use node::Node;
use rust_decimal::Decimal;
use sim_exchange::core::TradeFilter;
use sim_exchange::world::World;
use std::collections::{BTreeMap, BTreeSet};

/// What still stands between a healed run and rest, in words; `None` when it is known, flat, live and ready. With `drained` a person
/// has ordered no new deals, and the pause that says so is no obstacle.
pub fn unsettled(node: &Node, now: MonoNanos, drained: bool) -> Option<String> {
    let engine = node.engine();
    let (executor, tables) = (engine.executor(), engine.tables());
    if executor.unknown_orders() > 0 {
        return Some(format!("{} orders are unknown", executor.unknown_orders()));
    }
    if executor.open_deals() > 0 {
        return Some(format!("{} deals are open", executor.open_deals()));
    }
    for venue in tables.venue_ids() {
        if !executor.ready(venue) {
            return Some(format!("{} is not reconciled", tables.venue(venue)));
        }
        for pair in tables.pair_ids() {
            let book = &engine.market().at(venue, pair).book;
            if !book.is_live() || book.age_ns(now) > BOOK_AGE_MAX_NS {
                let symbol = &tables.pairs[pair.index()].symbol;
                return Some(format!("the feed of {symbol} on {} is not live", tables.venue(venue)));
            }
        }
    }
    let by_drain = |kind, reason| drained && (kind, reason) == (StopKind::Pause, StopReason::Operator);
    engine.stops().list().iter().find(|stop| !by_drain(stop.kind, stop.reason)).map(|stop| format!("stopped: {stop:?}"))
}

impl Judge {
    /// Checks a run that came to rest (I1, I2, I3, I9, I15, I19, verdicts). The logs of all its lives are in `run`.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn check_at_rest(&self, node: &Node, world: &World, run: &MemoryRun) -> Check {
        self.check_flows(node, world, run)?;
        check_ledger(node, world)?;
        self.check_trades(world, run)?;
        self.check_wire(world)?;
        let report = node.engine().report();
        let sum: u64 = report.verdicts.iter().sum();
        if sum != report.opportunities {
            return broken(Invariant::VerdictsAddUp, format!("{} opportunities, {sum} verdicts", report.opportunities));
        }
        world.conservation_check().or_else(|e| broken(Invariant::Conserved, e.to_string()))
    }

    /// What the engine says flowed through each pair in this life is, to the unit, what its fills of our own orders say (I19). A life
    /// that continues another one's logs has no such account of its own.
    fn check_flows(&self, node: &Node, world: &World, run: &MemoryRun) -> Check {
        let mut sums: BTreeMap<PairId, (i128, i128)> = BTreeMap::new();
        let (mut seen, mut epochs) = (BTreeSet::new(), BTreeSet::new());
        for item in run.state_records() {
            let (epoch, record) = item.or_else(|e| broken(Invariant::Conserved, format!("the state log can't be read: {e}")))?;
            epochs.insert(epoch);
            let fills = match record {
                Record::Input { input: Input::Fill(fill), .. } => vec![fill],
                Record::Input { input: Input::Trades(report), .. } => report.fills,
                _ => continue,
            };
            for fill in fills {
                let Some(info) = self.tables.pair(fill.pair) else { continue };
                if owned(world, &fill).client_id.is_none() || !seen.insert((fill.venue, fill.pair, fill.trade_id)) {
                    continue;
                }
                let Some(value) = fill.value(info.scale) else { continue };
                let sign = if fill.side == Side::Buy { 1 } else { -1 };
                let fee = |asset| fill.fees.iter().filter(|(of, _)| *of == asset).map(|(_, fee)| fee.units()).sum::<i128>();
                let sum = sums.entry(fill.pair).or_default();
                sum.0 += sign * info.scale.base_of(fill.qty).units() - fee(info.base);
                sum.1 -= sign * value.units() + fee(info.quote);
            }
        }
        if epochs.len() != 1 || self.orders.strangers {
            return Ok(());
        }
        for (pair, flow) in node.engine().executor().report().flows {
            let (base, quote) = sums.remove(&pair).unwrap_or_default();
            if (flow.base.units(), flow.quote.units()) != (base, quote) {
                return broken(
                    Invariant::Conserved,
                    format!(
                        "{}: the engine counts flows of {} and {}, its fills say {} and {}",
                        self.name(VenueId(0), pair),
                        flow.base.to_text(),
                        flow.quote.to_text(),
                        Amount::from_units(base).to_text(),
                        Amount::from_units(quote).to_text()
                    ),
                );
            }
        }
        Ok(())
    }

    fn check_trades(&self, world: &World, run: &MemoryRun) -> Check {
        let mut told: BTreeSet<(VenueId, String, TradeId)> = BTreeSet::new();
        let name = |pair: domain::PairId| {
            self.tables.pair(pair).map(|info| format!("{}_{}", info.symbol.base, info.symbol.quote)).unwrap_or_default()
        };
        for item in run.state_records() {
            let (_, record) =
                item.or_else(|e| broken(Invariant::FillsBookedOnce, format!("the state log can't be read: {e}")))?;
            match record {
                Record::Input { input: Input::Fill(fill), .. } => {
                    told.insert((fill.venue, name(fill.pair), fill.trade_id));
                }
                Record::Input { input: Input::Trades(report), .. } => {
                    told.extend(report.fills.iter().map(|fill| (fill.venue, name(fill.pair), fill.trade_id)));
                }
                _ => {}
            }
        }
        let mut theirs = BTreeSet::new();
        for venue in self.tables.venue_ids() {
            let exchange = world.exchange(venue.index());
            for trade in exchange.trades(world.account(venue.index()), &TradeFilter::default()) {
                let id = TradeId::new(&self.wire.reading(venue).trade_id(trade).to_string());
                let Some(id) = id else { return broken(Invariant::FillsBookedOnce, "a trade id does not fit") };
                theirs.insert((venue, exchange.pair(trade.pair).config.id.clone(), id));
            }
        }
        if let Some(missing) = theirs.difference(&told).next() {
            return broken(Invariant::FillsBookedOnce, format!("trade {missing:?} of the venue is in no log"));
        }
        if let Some(invented) = told.difference(&theirs).next() {
            return broken(Invariant::FillsBookedOnce, format!("trade {invented:?} in the log is not the venue's"));
        }
        Ok(())
    }

    fn check_wire(&self, world: &World) -> Check {
        for venue in self.tables.venue_ids() {
            let (index, name) = (venue.index(), self.tables.venue(venue));
            let monitor = world.monitor(index);
            if let Some((_, text)) = monitor.duplicate_texts().next() {
                return broken(Invariant::IdsUnique, format!("{text} arrived at {name} more than once"));
            }
            for (placement, _) in monitor.placements() {
                let text = placement.text.as_deref().unwrap_or_default();
                if !self.orders.has_intent(text) && !self.orders.is_unlogged(text) {
                    return broken(Invariant::IntentFirst, format!("{text} arrived at {name}, and no log has its intent"));
                }
            }
            if let Some(order) = world.exchange(index).open_orders(world.account(index), None).next() {
                return broken(Invariant::Converges, format!("order {:?} is still open on {name}", order.text));
            }
        }
        Ok(())
    }
}

/// The engine's balances are the venues', and nothing is reserved (I1).
///
/// # Errors
/// The first asset that differs.
pub fn check_ledger(node: &Node, world: &World) -> Check {
    let engine = node.engine();
    let tables = engine.tables();
    let lines = engine.executor().report().balances;
    for venue in tables.venue_ids() {
        let theirs = world.balances(venue.index(), world.venue(venue.index()).user_id);
        for (index, asset) in tables.assets.iter().enumerate() {
            let line = lines.iter().find(|line| line.venue == venue && line.asset.index() == index);
            let ours = line.map_or(Amount::ZERO, |line| line.total);
            let stated = theirs.get(asset).map_or(Decimal::ZERO, |balance| balance.total);
            let Some(stated) = Amount::from_decimal(stated) else {
                return broken(
                    Invariant::LedgerIsTrue,
                    format!("{asset} on {}: {stated} has too many digits", tables.venue(venue)),
                );
            };
            if ours != stated {
                return broken(
                    Invariant::LedgerIsTrue,
                    format!(
                        "{asset} on {}: the ledger has {}, the venue {}",
                        tables.venue(venue),
                        ours.to_text(),
                        stated.to_text()
                    ),
                );
            }
            if let Some(line) = line.filter(|line| !line.reserved.is_zero()) {
                return broken(
                    Invariant::LedgerIsTrue,
                    format!("{asset} on {}: {} is still reserved", tables.venue(venue), line.reserved.to_text()),
                );
            }
        }
    }
    Ok(())
}
