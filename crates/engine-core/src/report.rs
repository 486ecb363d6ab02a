//! What a run amounts to: counts, profit, stops. Read by the ops thread and at the end; never by a decision.

use crate::step::{Engine, EngineStats};
use domain::{Amount, AssetId, PairId, PairScale};
use executor::ExecutionReport;
use order_book::TrackedBook;
use risk::{Market, Stop};

/// The engine's own account of a run.
#[derive(Clone, Debug)]
pub struct EngineReport {
    /// Counters.
    pub stats: EngineStats,
    /// Opportunities counted.
    pub opportunities: u64,
    /// By verdict, in the order of [`domain::Verdict::ALL`].
    pub verdicts: [u64; 17],
    /// Orders, fills, balances.
    pub execution: ExecutionReport,
    /// Profit by quote asset: quote flows plus the change of base at the final trusted mids.
    pub pnl: Vec<(AssetId, Amount)>,
    /// Changes of base, and by fees in tokens, that no configured pair with a live book prices: not in the profit.
    pub unvalued: Vec<(AssetId, Amount)>,
    /// Mids that marked base changes: pair, quote per whole base.
    pub marks: Vec<(PairId, Amount)>,
    /// Stops in force.
    pub stops: Vec<Stop>,
}

impl Engine {
    /// The account as of now.
    pub fn report(&self) -> EngineReport {
        let execution = self.executor.report();
        let mut pnl: Vec<(AssetId, Amount)> = Vec::new();
        let mut add = |asset: AssetId, amount: Amount| match pnl.iter_mut().find(|(a, _)| *a == asset) {
            Some((_, sum)) => *sum += amount,
            None => pnl.push((asset, amount)),
        };
        let mut marks = Vec::new();
        let mut unvalued: Vec<(AssetId, Amount)> = Vec::new();
        let mut leave_out = |asset: AssetId, amount: Amount| match unvalued.iter_mut().find(|(a, _)| *a == asset) {
            Some((_, sum)) => *sum += amount,
            None => unvalued.push((asset, amount)),
        };
        for (pair, flow) in &execution.flows {
            let Some(info) = self.tables.pair(*pair) else { continue };
            add(info.quote, flow.quote);
            match mid_value(&self.market, *pair, flow.base) {
                Some(value) => {
                    add(info.quote, value);
                    let one = Amount::from_units(domain::number::AMOUNT_ONE);
                    marks.extend(mid_value(&self.market, *pair, one).map(|mark| (*pair, mark)));
                }
                None if flow.base.is_zero() => {}
                None => leave_out(info.base, flow.base),
            }
        }
        // A fee in a token costs what the token is worth: by a configured pair that trades it, or it is told as not valued.
        for (asset, fee) in &execution.token_fees {
            let priced = self.tables.pair_ids().find_map(|pair| {
                let info = self.tables.pair(pair).filter(|info| info.base == *asset)?;
                mid_value(&self.market, pair, -*fee).map(|value| (pair, info.quote, value))
            });
            match priced {
                Some((pair, quote, value)) => {
                    add(quote, value);
                    let one = Amount::from_units(domain::number::AMOUNT_ONE);
                    if !marks.iter().any(|(marked, _)| *marked == pair) {
                        marks.extend(mid_value(&self.market, pair, one).map(|mark| (pair, mark)));
                    }
                }
                None => leave_out(*asset, -*fee),
            }
        }
        EngineReport {
            stats: self.stats.clone(),
            opportunities: self.tracker.opportunities(),
            verdicts: *self.tracker.counts(),
            execution,
            pnl,
            unvalued,
            marks,
            stops: self.stops.list().to_vec(),
        }
    }
}

/// The value in quote of a base amount (of either sign) at the mean of the live venues' mids, rounded down; `None` without a
/// live book.
pub(crate) fn mid_value(market: &Market, pair: PairId, base: Amount) -> Option<Amount> {
    let scale = market.tables().pair(pair)?.scale;
    let (mut twice_sum, mut count) = (0i128, 0i128);
    for cell in market.venues_of(pair) {
        if let Some(twice) = twice_mid(&cell.book) {
            twice_sum += twice;
            count += 1;
        }
    }
    if count == 0 {
        return None;
    }
    value_at(base, twice_sum, 2 * count, scale)
}

fn twice_mid(tracked: &TrackedBook) -> Option<i128> {
    if !tracked.is_live() {
        return None;
    }
    let (bid, ask) = (tracked.book().best_bid()?, tracked.book().best_ask()?);
    Some(i128::from(bid.price.units()) + i128::from(ask.price.units()))
}

/// `base × (price_units / divisor)` in quote, rounded down, without passing 128 bits for amounts below 10^12 whole units.
fn value_at(base: Amount, price_units: i128, divisor: i128, scale: PairScale) -> Option<Amount> {
    let unit = domain::number::pow10(u32::from(scale.price_decimals())).checked_mul(divisor)?;
    let (whole, rest) = (base.units().div_euclid(unit), base.units().rem_euclid(unit));
    let rest = rest.checked_mul(price_units)?.div_euclid(unit);
    Some(Amount::from_units(whole.checked_mul(price_units)?.checked_add(rest)?))
}
