//! What an executor has done so far, for the report at the end of a run and for the metrics. Never read by a decision.

use crate::Executor;
use domain::mutants::{Mutant, active};
use domain::{Amount, AssetId, ClientOrderId, DealId, OrderOutcome, PairId, Qty, VenueId};

/// What the planted bug of I19 rounds to.
const ROUNDED: i128 = domain::number::AMOUNT_ONE / 1_000;

/// Flows of one pair by fills of our own orders, fees in the same asset included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Change of quote over all venues.
    pub quote: Amount,
    /// Change of base over all venues.
    pub base: Amount,
}

/// One line of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalanceLine {
    /// Which venue.
    pub venue: VenueId,
    /// Which asset.
    pub asset: AssetId,
    /// Free: total − reserved − held elsewhere.
    pub available: Amount,
    /// Held by our orders.
    pub reserved: Amount,
    /// Everything.
    pub total: Amount,
}

/// The executor's own account of a run. Counts are of this process; the ledger is as of now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecutionReport {
    /// Orders sent, hedges included.
    pub orders_sent: u64,
    /// Ended orders by outcome, in the order of [`OrderOutcome::ALL`]; the slot of `unknown` counts those unknown now.
    pub outcomes: [u64; 8],
    /// Orders unknown now.
    pub orders_unknown: u32,
    /// Orders that ever were unknown.
    pub orders_unknown_ever: u64,
    /// Fills booked, each once.
    pub fills: u64,
    /// Fills told more than once.
    pub fills_repeated: u64,
    /// Fills booked after their order had ended.
    pub fills_late: u64,
    /// Fills of orders that are not ours.
    pub fills_foreign: u64,
    /// Open orders seen that are not ours.
    pub orders_foreign: u64,
    /// Deals opened.
    pub deals_opened: u64,
    /// Deals closed.
    pub deals_closed: u64,
    /// Closed deals in which nothing was executed.
    pub deals_empty: u64,
    /// Deals open now.
    pub deals_open: u32,
    /// Hedges sent.
    pub hedges: u64,
    /// Fills whose fee was not the predicted one.
    pub fee_drift: u64,
    /// Fees paid, by venue and asset.
    pub fees: Vec<(VenueId, AssetId, Amount)>,
    /// Fees of our own fills that were paid in neither asset of their pair: in no flow.
    pub token_fees: Vec<(AssetId, Amount)>,
    /// Flows by pair.
    pub flows: Vec<(PairId, Flow)>,
    /// Base left over by closed deals, by venue and asset, of either sign; earlier runs' deals included. Each deal leaves less than the
    /// smallest order that a venue of its pair takes.
    pub dust: Vec<(VenueId, AssetId, Amount)>,
    /// Σ exposure above dust × time, in quote × seconds, rounded down.
    pub unhedged_notional_seconds: Amount,
    /// Longest time that one deal had exposure above dust, nanoseconds.
    pub unhedged_max_ns: u64,
    /// The longest of it during which openings went on: neither the pause for such exposure nor that for orders in doubt held yet,
    /// nanoseconds. Bounded by the configured time and a step.
    pub unhedged_unpaused_max_ns: u64,
    /// Sum over deals of the time with exposure above dust, nanoseconds.
    pub unhedged_ns: u64,
    /// The ledger: every asset held or used.
    pub balances: Vec<BalanceLine>,
    /// Whether the ledger equalled the venue's accounts at the last comparison, by venue; `None` before the first.
    pub reconciled: Vec<Option<bool>>,
}

/// Counters behind the report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) orders_sent: u64,
    pub(crate) outcomes: [u64; 8],
    pub(crate) unknown_ever: u64,
    pub(crate) fills: u64,
    pub(crate) fills_repeated: u64,
    pub(crate) fills_late: u64,
    pub(crate) fills_foreign: u64,
    pub(crate) orders_foreign: u64,
    pub(crate) deals_opened: u64,
    pub(crate) deals_closed: u64,
    pub(crate) deals_empty: u64,
    pub(crate) hedges: u64,
    pub(crate) fees: Vec<(VenueId, AssetId, Amount)>,
    pub(crate) token_fees: Vec<(AssetId, Amount)>,
    pub(crate) flows: Vec<(PairId, Flow)>,
    pub(crate) unhedged: NotionalTime,
    pub(crate) unhedged_max_ns: u64,
    pub(crate) unhedged_unpaused_max_ns: u64,
    pub(crate) unhedged_ns: u64,
}

impl Tally {
    pub(crate) fn count_outcome(&mut self, before: Option<OrderOutcome>, now: OrderOutcome) {
        if let Some(slot) = before.and_then(|o| self.outcomes.get_mut(o as usize)) {
            *slot = slot.saturating_sub(1);
        }
        if let Some(slot) = self.outcomes.get_mut(now as usize) {
            *slot += 1;
        }
    }

    pub(crate) fn add_fee(&mut self, venue: VenueId, asset: AssetId, fee: Amount) {
        match self.fees.iter_mut().find(|(v, a, _)| (*v, *a) == (venue, asset)) {
            Some((_, _, sum)) => *sum += fee,
            None => self.fees.push((venue, asset, fee)),
        }
    }

    pub(crate) fn add_token_fee(&mut self, asset: AssetId, fee: Amount) {
        match self.token_fees.iter_mut().find(|(a, _)| *a == asset) {
            Some((_, sum)) => *sum += fee,
            None => self.token_fees.push((asset, fee)),
        }
    }

    pub(crate) fn add_flow(&mut self, pair: PairId, quote: Amount, base: Amount) {
        let quote = if active(Mutant::FlowRounded) { Amount::from_units(quote.units() / ROUNDED * ROUNDED) } else { quote };
        match self.flows.iter_mut().find(|(p, _)| *p == pair) {
            Some((_, flow)) => {
                flow.quote += quote;
                flow.base += base;
            }
            None => self.flows.push((pair, Flow { quote, base })),
        }
    }
}

/// Σ value × time, exact over any cut of the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NotionalTime {
    /// Quote × whole seconds.
    pub(crate) whole: Amount,
    /// Quote units × nanoseconds below one second.
    rest: i128,
}

impl NotionalTime {
    /// Adds `notional` × `nanos` exactly: whole quote-seconds and the rest below.
    pub(crate) fn add(&mut self, notional: Amount, nanos: u64) {
        const SECOND: i128 = domain::time::SECOND as i128;
        let (whole, rest) = (notional.units() / SECOND, notional.units() % SECOND);
        let nanos = i128::from(nanos);
        let sum = self.rest + rest * nanos;
        let units = whole.checked_mul(nanos).and_then(|u| u.checked_add(sum / SECOND));
        self.rest = sum % SECOND;
        // Past 128 bits it stays at the ceiling: the figure is for people, and no limit reads it.
        let total = units.map(Amount::from_units).and_then(|u| self.whole.checked_add(u));
        self.whole = total.unwrap_or(Amount::from_units(i128::MAX));
    }
}

/// A deal that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenDeal {
    /// Which deal.
    pub deal: DealId,
    /// Which pair.
    pub pair: PairId,
    /// Where it buys.
    pub buy: VenueId,
    /// Where it sells.
    pub sell: VenueId,
    /// Least and most base that may be unhedged, negative when short.
    pub exposure: (Amount, Amount),
}

/// An order without a known and booked end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenOrder {
    /// Our id of it.
    pub client_id: ClientOrderId,
    /// Whether nothing has told yet that the venue has it: its reply was lost, and no stream or look-up has shown it.
    pub unknown: bool,
    /// Whether it has ended and only waits for its executions to be booked.
    pub ended: bool,
    /// The cumulative base that the venue reported as executed.
    pub filled: Qty,
}

impl Executor {
    /// The orders that may still change: without a known end, or with executions that are not booked yet.
    pub fn orders_open(&self) -> impl Iterator<Item = OpenOrder> {
        self.orders.active_orders().map(|order| OpenOrder {
            client_id: order.terms.client_id,
            unknown: order.is_unknown(),
            ended: order.is_done(),
            filled: order.reported,
        })
    }

    /// The deals that have not ended, oldest first.
    pub fn deals_open(&self) -> Vec<OpenDeal> {
        let line = |deal: &crate::deals::Deal| OpenDeal {
            deal: deal.id,
            pair: deal.pair,
            buy: deal.buy,
            sell: deal.sell,
            exposure: self.interval(deal),
        };
        self.deals.open_deals().map(line).collect()
    }

    /// What may be open, one line each: orders without a known and booked end, deals with exposure.
    pub fn open_items(&self) -> Vec<String> {
        let orders = self.orders.active_orders().map(|order| {
            let terms = &order.terms;
            let symbol = self.tables.pair(terms.pair).map_or_else(|| "?".into(), |p| p.symbol.to_string());
            let state = if order.is_unknown() { "unknown" } else { "open" };
            format!("order {} ({} {symbol} on {}) {state}", terms.client_id, terms.side, self.tables.venue(terms.venue))
        });
        let deals = self.deals.open_deals().map(|deal| {
            let (lo, hi) = self.interval(deal);
            format!("deal {}: base exposure {lo} to {hi}", deal.id.0)
        });
        orders.chain(deals).collect()
    }

    /// The account as of now.
    pub fn report(&self) -> ExecutionReport {
        let tally = &self.tally;
        let unknown = self.unknown_orders();
        let mut outcomes = tally.outcomes;
        outcomes[OrderOutcome::Unknown as usize] = u64::from(unknown);
        let balances = self.ledger.holdings().filter(|(_, _, cell)| cell.used).map(|(venue, asset, cell)| BalanceLine {
            venue,
            asset,
            available: cell.available(),
            reserved: cell.reserved,
            total: cell.total,
        });
        ExecutionReport {
            orders_sent: tally.orders_sent,
            outcomes,
            orders_unknown: unknown,
            orders_unknown_ever: tally.unknown_ever,
            fills: tally.fills,
            fills_repeated: tally.fills_repeated,
            fills_late: tally.fills_late,
            fills_foreign: tally.fills_foreign,
            orders_foreign: tally.orders_foreign,
            deals_opened: tally.deals_opened,
            deals_closed: tally.deals_closed,
            deals_empty: tally.deals_empty,
            deals_open: self.open_deals(),
            hedges: tally.hedges,
            fee_drift: self.fee_watch.drifts,
            fees: tally.fees.clone(),
            token_fees: tally.token_fees.clone(),
            flows: tally.flows.clone(),
            dust: self.dust.lines(),
            unhedged_notional_seconds: tally.unhedged.whole,
            unhedged_max_ns: tally.unhedged_max_ns,
            unhedged_unpaused_max_ns: tally.unhedged_unpaused_max_ns,
            unhedged_ns: tally.unhedged_ns,
            balances: balances.collect(),
            reconciled: self.venues.iter().map(|venue| venue.reconciled).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unhedged_time_is_exact_over_any_cut() {
        let notional = Amount::from_units(1_234_567_890_123_456_789);
        let (mut whole, mut cut) = (NotionalTime::default(), NotionalTime::default());
        whole.add(notional, 3_333_333_337);
        for nanos in [1, 999_999_999, 2_000_000_000, 333_333_337] {
            cut.add(notional, nanos);
        }
        assert_eq!(whole, cut);
        assert_eq!(whole.whole.units(), 1_234_567_890_123_456_789i128 * 3_333_333_337 / 1_000_000_000);
    }

    #[test]
    fn an_outcome_that_improves_moves_its_count() {
        let mut tally = Tally::default();
        tally.count_outcome(None, OrderOutcome::Cancelled);
        tally.count_outcome(Some(OrderOutcome::Cancelled), OrderOutcome::PartlyFilled);
        assert_eq!(tally.outcomes[OrderOutcome::Cancelled as usize], 0);
        assert_eq!(tally.outcomes[OrderOutcome::PartlyFilled as usize], 1);
    }
}
