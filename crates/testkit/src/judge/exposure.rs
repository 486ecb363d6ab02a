//! Exposure as the judge sees it (I5, I6, and the part of I7 that is about deals and orders): from intents as written and fills as
//! told, never from the engine's own intervals.
//!
//! An order counts as able to fill in full until the engine has told its end; what it told is checked elsewhere (I2, I10, I18).
//! Values are those of the opening legs' limit prices: exact for one deal, and near enough for a total (see [`MARK_MOVES`]).

use super::{Check, Invariant, broken};
use crate::process::Process;
use crate::venues::Bounds;
use domain::time::{MILLI, SECOND};
use domain::{
    Amount, ClientOrderId, DealId, Fill, InstrumentRules, MonoNanos, NewOrder, Notice, OrderOutcome, PairId, Price, Purpose, Qty,
    Side, Tables, VenueId,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// The engine values open deals at mids, the judge at limit prices: a total may differ by so much, in thousandths.
const MARK_MOVES: i128 = 30;
/// What counts as above dust for certain: so many times what the venues would take as an order.
const CLEARLY_ABOVE_DUST: i128 = 2;
/// A pause is told at the engine's next step; ticks come every 100 ms.
const TOLD_WITHIN_NS: u64 = 250 * MILLI;

#[derive(Clone, Debug)]
struct Order {
    deal: DealId,
    side: Side,
    /// Base, 10^-18.
    qty: i128,
    /// By fills as told.
    filled: i128,
    /// By what its end was told with; its fills may come later.
    reported: i128,
    /// By news of it while it was open, which may have come before those of its fills. Never more than it was sent for: a venue's absurd
    /// words make the limits milder, and break none.
    told: i128,
    ended: bool,
    /// A life decided it that is over.
    earlier: bool,
}

#[derive(Clone, Debug)]
struct Deal {
    pair: PairId,
    orders: Vec<ClientOrderId>,
    /// Flow of base by fills, fees in base taken off.
    net: i128,
    /// Flow of quote by fills, fees in quote taken off.
    quote: i128,
    buy_limit: Option<Price>,
    sell_limit: Option<Price>,
    /// Highest and lowest price of a fill, for the band of hedges.
    sold_at: Option<Price>,
    bought_at: Option<Price>,
    /// The most that it may have open, and one of its orders may be worth: what held when it was opened, or more.
    value_max: Amount,
    order_max: Amount,
    /// Its end was told in the step in which a process died: that step's fills are in it, whether the log told them or not.
    closed_unheard: bool,
    /// Part of it is in no log: made of orders whose intents were lost, or open when the state log failed.
    out_of_sight: bool,
    closed: bool,
    counted: bool,
    exposed_since: Option<MonoNanos>,
}

#[derive(Clone, Copy, Debug, Default)]
struct BookedAt {
    bought: Option<Price>,
    sold: Option<Price>,
}

/// All deals of a run.
#[derive(Debug)]
pub struct Exposures {
    tables: Arc<Tables>,
    rules: Vec<InstrumentRules>,
    bounds: Bounds,
    orders: BTreeMap<ClientOrderId, Order>,
    deals: BTreeMap<DealId, Deal>,
    /// The least that each deal bought at and the most that it sold at, by the deals in which the engine booked the fills: one of an order
    /// whose intent no log held is another deal's here.
    booked_at: BTreeMap<DealId, BookedAt>,
    seen: BTreeSet<(VenueId, PairId, domain::TradeId)>,
    /// Intents of the last second, by the engine's clock.
    recent: VecDeque<MonoNanos>,
    /// Realised over closed deals of this life, quote.
    realised: i128,
    turnover: i128,
    /// Longest time with exposure above dust of every deal, for the figures.
    unhedged: Vec<u64>,
    /// Ends of orders and deals that the process told in the step in which it died.
    last_words: Vec<Notice>,
    /// What may be unhedged in total, as of the last step.
    total: i128,
    /// What was open when the limits changed, as far as it still is.
    carried: i128,
}

impl Exposures {
    /// Nothing seen.
    pub fn new(tables: Arc<Tables>, rules: Vec<InstrumentRules>, bounds: Bounds) -> Exposures {
        Exposures {
            tables,
            rules,
            bounds,
            orders: BTreeMap::new(),
            deals: BTreeMap::new(),
            booked_at: BTreeMap::new(),
            seen: BTreeSet::new(),
            recent: VecDeque::new(),
            realised: 0,
            turnover: 0,
            unhedged: Vec::new(),
            last_words: Vec::new(),
            total: 0,
            carried: 0,
        }
    }

    /// Other limits hold from now on.
    pub fn bounds_changed(&mut self, bounds: Bounds) {
        self.bounds = bounds;
        self.carried = self.carried.max(self.total);
    }

    /// How long each deal had exposure clearly above dust, nanoseconds.
    pub fn unhedged(&self) -> &[u64] {
        &self.unhedged
    }

    /// The process died in a step, and this is what the step told. Nobody heard it, and how much of what it was told for was written is
    /// not known yet.
    pub fn last_words(&mut self, notices: Vec<Notice>) {
        self.last_words = notices;
        self.last_words.retain(|notice| matches!(notice, Notice::DealClosed { .. } | Notice::Order { .. }));
    }

    /// The next life has made its first step: what it does not hold open either has ended as was told.
    pub fn hear_last_words(&mut self, process: &Process) {
        if self.last_words.is_empty() {
            return;
        }
        let executor = process.node.engine().executor();
        let open = executor.deals_open();
        let live: BTreeSet<ClientOrderId> = executor.orders_open().filter(|o| !o.ended).map(|o| o.client_id).collect();
        for notice in std::mem::take(&mut self.last_words) {
            let ended = match &notice {
                Notice::DealClosed { deal, .. } => open.iter().all(|held| held.deal != *deal),
                Notice::Order { client_id, .. } => !live.contains(client_id),
                _ => false,
            };
            if ended {
                self.noticed(&notice);
            }
            if let Notice::DealClosed { deal, .. } = &notice
                && let Some(deal) = self.deals.get_mut(deal).filter(|_| ended)
            {
                deal.closed_unheard = true;
            }
        }
    }

    /// The state log had failed: what became of the deals that were open is not known here, and is not judged any more. Whatever is still
    /// open of them, the balances at rest will tell.
    pub fn lost_sight(&mut self) {
        for deal in self.deals.values_mut().filter(|deal| !deal.closed) {
            (deal.closed, deal.out_of_sight) = (true, true);
        }
    }

    /// A new process: its clocks start anew. A deal whose orders have all ended by the logs, with nothing above dust left by their fills and
    /// by what their ends were told with, is over: the process that would have told so died before it did.
    pub fn new_life(&mut self, ended_in_log: &BTreeSet<ClientOrderId>) {
        self.recent.clear();
        (self.realised, self.turnover) = (0, 0);
        self.orders.values_mut().for_each(|order| order.earlier = true);
        self.deals.values_mut().for_each(|deal| deal.exposed_since = None);
        let mut over = Vec::new();
        for (id, deal) in &self.deals {
            let ended = |order: &ClientOrderId| ended_in_log.contains(order) || self.orders.get(order).is_some_and(|o| o.ended);
            if !deal.closed && deal.orders.iter().all(ended) {
                let orders = deal.orders.iter().filter_map(|order| self.orders.get(order));
                let unheard = orders.map(|order| match order.side {
                    Side::Buy => (order.reported - order.filled).max(0),
                    Side::Sell => -(order.reported - order.filled).max(0),
                });
                let left = deal.net + unheard.sum::<i128>();
                over.push((*id, deal.pair, left.abs(), deal.buy_limit.or(deal.sell_limit)));
            }
        }
        for (id, pair, left, price) in over {
            if self.clearly_above_dust(pair, left, price) {
                continue;
            }
            if let Some(deal) = self.deals.get_mut(&id) {
                deal.closed = true;
            }
        }
    }

    fn base(&self, pair: PairId, qty: domain::Qty) -> i128 {
        self.tables.pair(pair).map_or(0, |info| info.scale.base_of(qty).units())
    }

    /// base (10^-18) × price in quote (10^-18), rounded down; as exact as a limit needs.
    fn value(&self, pair: PairId, base: i128, price: Option<Price>) -> i128 {
        let (Some(info), Some(price)) = (self.tables.pair(pair), price) else { return 0 };
        info.scale.value_of(price, info.scale.qty_rounded_down(Amount::from_units(base.max(0)))).map_or(0, Amount::units)
    }

    /// An intent was written in the step that ended at `now`.
    ///
    /// # Errors
    /// I5 or I7.
    pub fn decided(&mut self, order: &NewOrder, now: MonoNanos) -> Check {
        while self.recent.front().is_some_and(|at| now.since(*at) >= SECOND) {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        let opening = order.purpose == Purpose::Open;
        let limits = self.bounds.limits;
        if opening && self.recent.len() > limits.orders_per_second_max as usize {
            return broken(
                Invariant::WireWithinLimits,
                format!("{} orders within a second, {} is the most", self.recent.len(), limits.orders_per_second_max),
            );
        }
        let Some(info) = self.tables.pair(order.pair) else {
            return broken(Invariant::WireWithinLimits, "an order of a pair that is not configured");
        };
        let value = info.scale.value_of(order.price, order.qty).unwrap_or(Amount::from_units(i128::MAX));
        let held_to =
            self.deals.get(&order.deal).map_or(limits.order_value_max, |deal| deal.order_max.max(limits.order_value_max));
        let most = if opening { limits.order_value_max.units() } else { held_to.units() * 2 };
        if value.units() > most {
            return broken(
                Invariant::WireWithinLimits,
                format!("{} is worth {}, {} is the most", order.client_id, value.to_text(), Amount::from_units(most).to_text()),
            );
        }
        if !opening {
            self.check_band(order)?;
        }
        let is_new = !self.deals.contains_key(&order.deal);
        if opening && is_new {
            self.check_may_open(order)?;
        }
        let deal = self.deals.entry(order.deal).or_insert_with(|| Deal {
            pair: order.pair,
            orders: Vec::new(),
            net: 0,
            quote: 0,
            buy_limit: None,
            sell_limit: None,
            sold_at: None,
            bought_at: None,
            value_max: Amount::ZERO,
            order_max: Amount::ZERO,
            out_of_sight: !opening,
            closed_unheard: false,
            closed: false,
            counted: false,
            exposed_since: None,
        });
        (deal.closed, deal.counted) = (false, false);
        deal.orders.push(order.client_id);
        deal.value_max = deal.value_max.max(limits.deal_value_max);
        deal.order_max = deal.order_max.max(limits.order_value_max);
        if opening {
            let limit = if order.side == Side::Buy { &mut deal.buy_limit } else { &mut deal.sell_limit };
            *limit = Some(order.price);
        }
        let qty = info.scale.base_of(order.qty).units();
        let placed =
            Order { deal: order.deal, side: order.side, qty, filled: 0, reported: 0, told: 0, ended: false, earlier: false };
        self.orders.insert(order.client_id, placed);
        Ok(())
    }

    fn check_may_open(&self, order: &NewOrder) -> Check {
        let limits = self.bounds.limits;
        let open = || self.deals.values().filter(|deal| !deal.closed);
        if open().count() >= limits.open_deals_max as usize {
            let text = format!(
                "deal {} is opened beside {} others, {} is the most",
                order.deal.0,
                open().count(),
                limits.open_deals_max
            );
            return broken(Invariant::WireWithinLimits, text);
        }
        if open().any(|deal| deal.pair == order.pair) {
            return broken(
                Invariant::ExposureBounded,
                format!("deal {} is opened while another deal of its asset is open", order.deal.0),
            );
        }
        // Rounding and marks may move a loss by a thousandth of what was traded.
        let loss = -self.realised - self.turnover / 1_000;
        if loss > limits.daily_loss_max.units() {
            return broken(
                Invariant::WireWithinLimits,
                format!(
                    "deal {} is opened after a loss of {}, {} is the most",
                    order.deal.0,
                    Amount::from_units(-self.realised).to_text(),
                    limits.daily_loss_max.to_text()
                ),
            );
        }
        Ok(())
    }

    /// A hedge's limit price is within the widest cap of what the deal executed on the other side, or was to. Of a deal whose beginning is
    /// out of sight the fills that the engine says it booked there count too.
    fn check_band(&self, order: &NewOrder) -> Check {
        let Some(deal) = self.deals.get(&order.deal) else { return Ok(()) };
        let booked = self.booked_at.get(&order.deal).filter(|_| deal.out_of_sight).copied().unwrap_or_default();
        let nano = i128::from(self.bounds.flatten_cap.nano()) + 1_000_000;
        let one = 1_000_000_000_i128;
        let price = i128::from(order.price.units());
        let fits = match order.side {
            Side::Buy => {
                let reference = deal.sold_at.max(deal.sell_limit).max(booked.sold).or(deal.bought_at).or(deal.buy_limit);
                reference.is_none_or(|reference| price * one <= i128::from(reference.units()) * (one + nano))
            }
            Side::Sell => {
                let least = [deal.bought_at, deal.buy_limit, booked.bought].into_iter().flatten().min();
                let reference = least.or(deal.sold_at).or(deal.sell_limit);
                reference.is_none_or(|reference| price * one >= i128::from(reference.units()) * (one - nano))
            }
        };
        if fits {
            return Ok(());
        }
        broken(Invariant::WireWithinLimits, format!("the hedge {} at {} units is outside its price band", order.client_id, price))
    }

    /// A fill was told; `news` when the engine said in the same step that it booked it.
    pub fn fill_told(&mut self, fill: &Fill, news: bool) {
        if !self.seen.insert((fill.venue, fill.pair, fill.trade_id)) {
            return;
        }
        let base = self.base(fill.pair, fill.qty);
        let Some(info) = self.tables.pair(fill.pair) else { return };
        let value = fill.value(info.scale).map_or(0, Amount::units);
        let fee = |asset| fill.fees.iter().filter(|(of, _)| *of == asset).map(|(_, fee)| fee.units()).sum::<i128>();
        let (base_fee, quote_fee) = (fee(info.base), fee(info.quote));
        let Some(order) = fill.client_id.and_then(|id| self.orders.get_mut(&id)) else { return };
        order.filled += base;
        let Some(deal) = self.deals.get_mut(&order.deal) else { return };
        // One that the failed log hid, or that came in the step in which a process died, is told again by a later life, of a deal that
        // was over by then: what that life read of it in the log it hedged, and says nothing of when it is told again.
        if !deal.out_of_sight && (news || !(deal.closed_unheard || order.earlier)) {
            (deal.closed, deal.counted) = (false, false);
        }
        match order.side {
            Side::Buy => {
                deal.net += base - base_fee;
                deal.quote -= value + quote_fee;
                deal.bought_at = Some(deal.bought_at.map_or(fill.price, |p| p.min(fill.price)));
            }
            Side::Sell => {
                deal.net -= base + base_fee;
                deal.quote += value - quote_fee;
                deal.sold_at = Some(deal.sold_at.map_or(fill.price, |p| p.max(fill.price)));
            }
        }
        self.turnover += value;
    }

    /// The engine said in which deal it booked a fill.
    pub fn fill_booked(&mut self, id: DealId, fill: &Fill) {
        let booked = self.booked_at.entry(id).or_default();
        match fill.side {
            Side::Buy => booked.bought = Some(booked.bought.map_or(fill.price, |least| least.min(fill.price))),
            Side::Sell => booked.sold = booked.sold.max(Some(fill.price)),
        }
    }

    /// News of an order told how much of it has been executed.
    pub fn executed_told(&mut self, id: ClientOrderId, filled: Qty) {
        let Some(order) = self.orders.get_mut(&id) else { return };
        let Some(pair) = self.deals.get(&order.deal).map(|deal| deal.pair) else { return };
        let told = self.tables.pair(pair).map_or(0, |info| info.scale.base_of(filled).units());
        order.told = order.told.max(told.min(order.qty));
    }

    /// The engine told something.
    pub fn noticed(&mut self, notice: &Notice) {
        match notice {
            Notice::Order { client_id, pair, outcome, filled, .. } if *outcome != OrderOutcome::Unknown => {
                let reported = self.base(*pair, *filled);
                if let Some(order) = self.orders.get_mut(client_id) {
                    (order.ended, order.reported) = (true, reported);
                }
            }
            Notice::DealClosed { deal: id, .. } => {
                let Some(deal) = self.deals.get_mut(id) else { return };
                deal.closed = true;
                if !std::mem::replace(&mut deal.counted, true) {
                    let (pair, net, quote) = (deal.pair, deal.net, deal.quote);
                    let price = deal.buy_limit.or(deal.sell_limit);
                    let rest = self.value(pair, net.abs(), price);
                    self.realised += quote + if net >= 0 { rest } else { -rest };
                }
            }
            _ => {}
        }
    }

    /// After a step: no deal's worst case is above its limit, nor their sum, and what is exposed for too long was told.
    ///
    /// # Errors
    /// I5, I6.
    pub fn after_step(&mut self, now: MonoNanos, escalated: bool) -> Check {
        let limits = self.bounds.limits;
        let mut total = 0_i128;
        let judged = |deal: &Deal| !deal.closed && !deal.out_of_sight;
        let ids: Vec<DealId> = self.deals.iter().filter(|(_, deal)| judged(deal)).map(|(id, _)| *id).collect();
        for id in ids {
            let Some(deal) = self.deals.get(&id) else { continue };
            // By fills and ends alone, and by news of open orders too: the engine may count on either.
            let (lo, hi) = self.range(deal, |order| order.reported);
            let by_news = self.range(deal, |order| order.reported.max(order.told));
            let worst = self.worst(deal, (lo, hi)).min(self.worst(deal, by_news));
            let most = deal.value_max.max(limits.deal_value_max);
            if worst > most.units() {
                return broken(
                    Invariant::ExposureBounded,
                    format!(
                        "deal {} may be unhedged by {}, {} is the most for one opportunity",
                        id.0,
                        Amount::from_units(worst).to_text(),
                        most.to_text()
                    ),
                );
            }
            total += worst;
            let certain = if lo > 0 { lo } else { (-hi).max(0) };
            let above = self.clearly_above_dust(deal.pair, certain, deal.buy_limit.or(deal.sell_limit));
            let since = if above { Some(deal.exposed_since.unwrap_or(now)) } else { None };
            if let (None, Some(began)) = (since, deal.exposed_since) {
                self.unhedged.push(now.since(began));
            }
            if let Some(deal) = self.deals.get_mut(&id) {
                deal.exposed_since = since;
            }
            let limit = self.bounds.unhedged_max_ns + TOLD_WITHIN_NS;
            if let Some(since) = since.filter(|since| now.since(*since) > limit && !escalated) {
                return broken(
                    Invariant::ExposureShort,
                    format!("deal {} is unhedged for {} ms, and no pause was told", id.0, now.since(since) / MILLI),
                );
            }
        }
        // A limit that was lowered below what is open refuses what is new; what is open may only shrink.
        self.carried = self.carried.min(total);
        if total > limits.unhedged_value_max.units().max(self.carried) / 1_000 * (1_000 + MARK_MOVES) {
            return broken(
                Invariant::ExposureBounded,
                format!(
                    "{} may be unhedged in total, {} is the most",
                    Amount::from_units(total).to_text(),
                    limits.unhedged_value_max.to_text()
                ),
            );
        }
        self.total = total;
        Ok(())
    }

    /// Between what and what the net position of a deal may be, `executed` of each order being certain at least.
    fn range(&self, deal: &Deal, executed: impl Fn(&Order) -> i128) -> (i128, i128) {
        let (mut lo, mut hi) = (deal.net, deal.net);
        for order in deal.orders.iter().filter_map(|order| self.orders.get(order)) {
            let executed = executed(order);
            let sure = (executed - order.filled).max(0);
            let open = if order.ended { 0 } else { (order.qty - order.filled.max(executed)).max(0) };
            match order.side {
                Side::Buy => (lo, hi) = (lo + sure, hi + sure + open),
                Side::Sell => (lo, hi) = (lo - sure - open, hi - sure),
            }
        }
        (lo, hi)
    }

    fn worst(&self, deal: &Deal, (lo, hi): (i128, i128)) -> i128 {
        let sold = self.value(deal.pair, -lo, deal.sell_limit.or(deal.buy_limit));
        self.value(deal.pair, hi, deal.buy_limit.or(deal.sell_limit)).max(sold)
    }

    fn clearly_above_dust(&self, pair: PairId, base: i128, price: Option<Price>) -> bool {
        let value = self.value(pair, base, price);
        base > 0
            && self.rules.iter().filter(|rules| rules.pair == pair).all(|rules| {
                base >= CLEARLY_ABOVE_DUST * self.base(pair, rules.qty_min.max(rules.qty_step))
                    && value >= CLEARLY_ABOVE_DUST * rules.value_min.units()
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SimConfig;
    use crate::venues::{Setup, build_world};
    use domain::{OrderSource, Role, TimeInForce, TradeId, VenueOrderId};

    const PAIR: PairId = PairId(0);
    const NOW: MonoNanos = MonoNanos(SECOND);

    fn exposures() -> Exposures {
        let config = SimConfig::calm(1);
        let setup = Setup::fetch(&config, &mut build_world(&config));
        let bounds = setup.bounds();
        Exposures::new(setup.tables, setup.rules, bounds)
    }

    fn id(counter: u64) -> ClientOrderId {
        ClientOrderId::new(1, 1_700_000_000, 0, counter).unwrap()
    }

    fn order(exposures: &Exposures, counter: u64, deal: u64, purpose: Purpose, side: Side) -> NewOrder {
        let scale = &exposures.tables.pair(PAIR).unwrap().scale;
        let one = Amount::from_units(domain::number::AMOUNT_ONE);
        NewOrder {
            venue: VenueId(u8::from(side == Side::Sell)),
            pair: PAIR,
            client_id: id(counter),
            deal: DealId(deal),
            purpose,
            side,
            price: Price::from_units(1_000_000).unwrap(),
            qty: scale.qty_rounded_down(Amount::from_units(one.units() / 100)),
            tif: TimeInForce::Ioc,
            deadline: None,
        }
    }

    fn fill_of(order: &NewOrder) -> Fill {
        let text = order.client_id.to_string();
        Fill {
            venue: order.venue,
            pair: order.pair,
            trade_id: TradeId(text.as_str().try_into().unwrap()),
            client_id: Some(order.client_id),
            venue_order_id: VenueOrderId(text.as_str().try_into().unwrap()),
            side: order.side,
            price: order.price,
            qty: order.qty,
            quote: None,
            fees: Default::default(),
            role: Role::Taker,
            executed_at: None,
            source: OrderSource::Query,
            received: NOW,
        }
    }

    fn closed(deal: u64) -> Notice {
        Notice::DealClosed {
            deal: DealId(deal),
            pair: PAIR,
            quote_flow: Amount::ZERO,
            base_flow: Amount::ZERO,
            hedges: 1,
            unhedged_ns: 0,
            unhedged_notional_seconds: Amount::ZERO,
            leg_skew_ns: None,
            unwind: None,
            unwind_cost: Amount::ZERO,
            unwind_value: Amount::ZERO,
            empty: false,
        }
    }

    /// A life buys and dies; the next one has the fill from the log, sells, and tells the end of the deal. Then a list tells the fill, for
    /// the first time as far as the judge heard: what it says of another opening of the pair.
    fn another_opening(news: bool) -> Check {
        let mut exposures = exposures();
        let bought = order(&exposures, 1, 1, Purpose::Open, Side::Buy);
        exposures.decided(&bought, NOW).unwrap();
        exposures.new_life(&BTreeSet::new());
        let sold = order(&exposures, 2, 1, Purpose::Hedge, Side::Sell);
        exposures.decided(&sold, NOW).unwrap();
        exposures.fill_told(&fill_of(&sold), true);
        exposures.noticed(&closed(1));
        exposures.fill_told(&fill_of(&bought), news);
        assert_eq!(exposures.deals[&DealId(1)].net, 0, "the fill counts whether it is news or not");
        let other = order(&exposures, 3, 2, Purpose::Open, Side::Buy);
        exposures.decided(&other, NOW)
    }

    #[test]
    fn a_fill_that_an_earlier_life_knew_opens_its_deal_again_only_if_it_is_news() {
        another_opening(false).unwrap();
        assert_eq!(another_opening(true).unwrap_err().0, Invariant::ExposureBounded);
    }

    /// The news of a later execution came before the fill of an earlier one.
    #[test]
    fn what_news_of_an_open_order_tell_of_its_executions_is_no_exposure_any_more() {
        for told in [false, true] {
            let mut exposures = exposures();
            let bought = order(&exposures, 1, 1, Purpose::Open, Side::Buy);
            exposures.decided(&bought, NOW).unwrap();
            exposures.fill_told(&fill_of(&bought), true);
            let sold = order(&exposures, 2, 1, Purpose::Hedge, Side::Sell);
            exposures.decided(&sold, NOW).unwrap();
            if told {
                exposures.executed_told(sold.client_id, sold.qty);
            }
            exposures.bounds.limits.unhedged_value_max = Amount::from_units(1);
            let judged = exposures.after_step(NOW, false);
            assert_eq!(judged.map_err(|broken| broken.0), if told { Ok(()) } else { Err(Invariant::ExposureBounded) });
        }
    }

    /// Both ends were told, the fills were not; then the process died.
    #[test]
    fn a_deal_whose_fills_were_not_heard_of_is_over_in_no_new_life() {
        let mut exposures = exposures();
        let (bought, sold) =
            (order(&exposures, 1, 1, Purpose::Open, Side::Buy), order(&exposures, 2, 1, Purpose::Open, Side::Sell));
        let ends = [(&bought, OrderOutcome::Filled, bought.qty), (&sold, OrderOutcome::Cancelled, Qty::ZERO)];
        for (order, outcome, filled) in ends {
            exposures.decided(order, NOW).unwrap();
            exposures.noticed(&Notice::Order {
                deal: order.deal,
                client_id: order.client_id,
                venue: order.venue,
                pair: PAIR,
                side: order.side,
                hedge: false,
                outcome,
                filled,
                qty: order.qty,
                label: domain::Label::default(),
                took_ns: 0,
            });
        }
        exposures.new_life(&BTreeSet::new());
        exposures.after_step(NOW, false).unwrap();
        assert_ne!(exposures.total, 0, "what was bought is there");
    }

    /// A deal whose only purchase no log held: the judge counts that of the deal that it was placed for.
    #[test]
    fn the_band_of_a_deal_out_of_sight_is_about_the_fills_that_were_booked_in_it() {
        let mut exposures = exposures();
        let cap_nano = i128::from(exposures.bounds.flatten_cap.nano());
        let bought = order(&exposures, 1, 1, Purpose::Open, Side::Buy).price;
        let off = |price: Price, nano: i128| {
            Price::from_units((i128::from(price.units()) * (1_000_000_000 + nano) / 1_000_000_000) as i64)
        };
        let hedge = |exposures: &Exposures, counter, nano| NewOrder {
            price: off(bought, nano).unwrap(),
            ..order(exposures, counter, 6, Purpose::Hedge, Side::Sell)
        };
        exposures.fill_booked(DealId(6), &fill_of(&order(&exposures, 1, 1, Purpose::Open, Side::Buy)));
        let first = hedge(&exposures, 2, 5_000_000);
        exposures.decided(&first, NOW).unwrap();
        exposures.fill_told(&fill_of(&first), true);
        let within = hedge(&exposures, 3, -cap_nano);
        exposures.decided(&within, NOW).unwrap();
        let outside = hedge(&exposures, 4, -cap_nano - 2_000_000);
        assert_eq!(exposures.decided(&outside, NOW).unwrap_err().0, Invariant::WireWithinLimits);
    }

    #[test]
    fn a_late_fill_of_this_life_opens_its_deal_again_although_the_engine_says_nothing() {
        let mut exposures = exposures();
        let bought = order(&exposures, 1, 1, Purpose::Open, Side::Buy);
        exposures.decided(&bought, NOW).unwrap();
        exposures.noticed(&closed(1));
        exposures.fill_told(&fill_of(&bought), false);
        let other = order(&exposures, 2, 2, Purpose::Open, Side::Buy);
        assert_eq!(exposures.decided(&other, NOW).unwrap_err().0, Invariant::ExposureBounded);
    }
}
