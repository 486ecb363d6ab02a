//! Deals: two legs and the hedges that even them out, each deal with its exposure interval in base.
//!
//! The interval is exact where orders are settled, and as wide as what an order may still turn out to be where they are not:
//! `[lo, hi] = booked flow + Σ [reported − booked, quantity − booked]`, signed by side. A buy whose fee is taken in base
//! counts net at the low end. What is certain is hedged (`hedge.rs`); an interval that contains zero waits.
//!
//! A deal closes when every order of it is settled and what is left is dust (`dust.rs`): no venue would take it as an order. Planned
//! drift (net received − sold) is dust by design. A fill that comes later opens it again.

use crate::dust::Dust;
use crate::report::NotionalTime;
use crate::{Executor, Outbox, orders::Order};
use domain::mutants::{self, Mutant};
use domain::time::{MILLI, SECOND};
use domain::{
    Amount, AssetId, ClientOrderId, DealId, Fill, MonoNanos, NewOrder, Notice, PairId, Price, Purpose, Qty, Side, Unwind, VenueId,
};
use risk::Market;
use std::collections::{BTreeMap, BTreeSet};

/// An ended order whose fills are missing holds hedging up this long; then what is reported counts.
const FILLS_AWAITED: u64 = 2 * SECOND;
/// The same while flattening: what is reported may lack its fee for that long, which costs less than waiting does.
const FILLS_AWAITED_FLATTENING: u64 = 250 * MILLI;

/// Prices of one side of a deal's fills.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Executed {
    /// Σ price units × quantity units.
    pub(crate) product: i128,
    /// Σ quantity units.
    pub(crate) qty: i128,
}

/// What a deal has told about itself, or would tell now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Told {
    base: Amount,
    quote: Amount,
    unhedged_ns: u64,
    unhedged: NotionalTime,
    unwind_cost: Amount,
    unwind_value: Amount,
    skewed: bool,
}

/// One deal.
#[derive(Clone, Debug)]
pub(crate) struct Deal {
    pub(crate) id: DealId,
    pub(crate) pair: PairId,
    pub(crate) buy: VenueId,
    pub(crate) sell: VenueId,
    pub(crate) orders: Vec<ClientOrderId>,
    pub(crate) base_flow: Amount,
    pub(crate) quote_flow: Amount,
    pub(crate) bought: Executed,
    pub(crate) sold: Executed,
    /// Where it last bought and sold.
    pub(crate) dealt_at: (VenueId, VenueId),
    /// Hedges sent so far.
    pub(crate) hedges: u32,
    /// No attempt before this.
    pub(crate) next_hedge_at: MonoNanos,
    /// No attempt there before this, should the venue refuse the last one.
    pub(crate) refusal_pauses: BTreeMap<VenueId, MonoNanos>,
    /// Exposure above dust since then.
    exposed_since: Option<MonoNanos>,
    /// The value exposed since `accounted_at`.
    notional: Amount,
    accounted_at: MonoNanos,
    unhedged_ns: u64,
    unhedged: NotionalTime,
    /// Receive times of the first executions of the opening legs (buy, sell).
    legs_began: (Option<MonoNanos>, Option<MonoNanos>),
    /// What its hedges cost and were worth so far, and how strong the strongest of them was.
    pub(crate) unwind_cost: Amount,
    pub(crate) unwind_value: Amount,
    pub(crate) unwind: Option<Unwind>,
    wake_at: Option<MonoNanos>,
    /// Rebuilt from fills of lost intents: hedged only when every venue is reconciled.
    pub(crate) adopted: bool,
    /// Was there when this process began: the log may lack something of it.
    pub(crate) recovered: bool,
    /// Since when it could be hedged, but for venues that were not read yet.
    pub(crate) unread_since: Option<MonoNanos>,
    /// Came whole out of the log: closing it is no news.
    quiet: bool,
    /// What was told when it closed before; a late fill opens it again, and only what is new is told.
    told: Option<Told>,
}

impl Deal {
    pub(crate) fn new(id: DealId, pair: PairId, buy: VenueId, sell: VenueId, now: MonoNanos) -> Deal {
        Deal {
            id,
            pair,
            buy,
            sell,
            orders: Vec::with_capacity(4),
            base_flow: Amount::ZERO,
            quote_flow: Amount::ZERO,
            bought: Executed::default(),
            sold: Executed::default(),
            dealt_at: (buy, sell),
            hedges: 0,
            next_hedge_at: now,
            refusal_pauses: BTreeMap::new(),
            exposed_since: None,
            notional: Amount::ZERO,
            accounted_at: now,
            unhedged_ns: 0,
            unhedged: NotionalTime::default(),
            legs_began: (None, None),
            unwind_cost: Amount::ZERO,
            unwind_value: Amount::ZERO,
            unwind: None,
            wake_at: None,
            adopted: false,
            recovered: false,
            unread_since: None,
            quiet: false,
            told: None,
        }
    }

    /// Its orders, oldest first.
    pub(crate) fn orders(&self) -> &[ClientOrderId] {
        &self.orders
    }

    /// The base flow that no closing has told yet.
    pub(crate) fn base_untold(&self) -> Amount {
        self.base_flow - self.told.map_or(Amount::ZERO, |told| told.base)
    }

    /// Where what it has left lies, or is missing.
    pub(crate) fn lies_at(&self) -> VenueId {
        if self.base_flow.is_negative() { self.dealt_at.1 } else { self.dealt_at.0 }
    }

    /// What it has left is an exposure no more: it lies at its venue as dust, and the deal is even.
    pub(crate) fn leave_as_dust(&mut self, base: AssetId, dust: &mut Dust) {
        dust.leave(self.lies_at(), base, self.base_flow);
        self.base_flow = Amount::ZERO;
    }
}

/// All deals: open ones, and closed ones in case a fill comes late.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deals {
    pub(crate) all: BTreeMap<DealId, Deal>,
    pub(crate) open: BTreeSet<DealId>,
    pub(crate) last: u64,
    closed_any: bool,
}

impl Deals {
    fn insert(&mut self, id: DealId, pair: PairId, buy: VenueId, sell: VenueId, now: MonoNanos) -> &mut Deal {
        self.last = self.last.max(id.0);
        self.open.insert(id);
        self.all.entry(id).or_insert_with(|| Deal::new(id, pair, buy, sell, now))
    }

    pub(crate) fn get(&self, id: DealId) -> Option<&Deal> {
        self.all.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: DealId) -> Option<&mut Deal> {
        self.all.get_mut(&id)
    }

    fn next_id(&self) -> DealId {
        DealId(self.last + 1)
    }

    pub(crate) fn open(&mut self, pair: PairId, buy: VenueId, sell: VenueId, now: MonoNanos) -> DealId {
        let id = self.next_id();
        self.insert(id, pair, buy, sell, now);
        id
    }

    /// The open deal that collects lost orders of a pair.
    pub(crate) fn adopted_deal(&mut self, pair: PairId, venue: VenueId, now: MonoNanos) -> DealId {
        if let Some(deal) = self.open_deals().find(|deal| deal.adopted && deal.pair == pair) {
            return deal.id;
        }
        let id = self.next_id();
        self.insert(id, pair, venue, venue, now).adopted = true;
        id
    }

    /// Puts an order into its deal; a deal met for the first time (in the log) is made.
    pub(crate) fn add_order(&mut self, terms: &NewOrder, now: MonoNanos) {
        if !self.all.contains_key(&terms.deal) {
            self.insert(terms.deal, terms.pair, terms.venue, terms.venue, now);
        }
        self.open.insert(terms.deal);
        let Some(deal) = self.all.get_mut(&terms.deal) else { return };
        deal.orders.push(terms.client_id);
        deal.quiet = false;
        match (terms.purpose, terms.side) {
            (Purpose::Open, Side::Buy) => deal.buy = terms.venue,
            (Purpose::Open, Side::Sell) => deal.sell = terms.venue,
            (Purpose::Hedge, _) => deal.hedges += 1,
        }
    }

    /// An order of the deal is not settled (any more): it is open until it is.
    pub(crate) fn reopen(&mut self, id: DealId) {
        if let Some(deal) = self.all.get_mut(&id) {
            deal.quiet = false;
            self.open.insert(id);
        }
    }

    /// Books an execution of one of the deal's orders: `base` and `quote` are its flows, fees included. False when the deal
    /// is not there.
    pub(crate) fn book(&mut self, id: DealId, purpose: Purpose, fill: &Fill, base: Amount, quote: Amount) -> bool {
        let Some(deal) = self.all.get_mut(&id) else { return false };
        self.open.insert(id);
        deal.quiet = false;
        deal.base_flow += base;
        deal.quote_flow += quote;
        let (side, began, at) = match fill.side {
            Side::Buy => (&mut deal.bought, &mut deal.legs_began.0, &mut deal.dealt_at.0),
            Side::Sell => (&mut deal.sold, &mut deal.legs_began.1, &mut deal.dealt_at.1),
        };
        *at = fill.venue;
        side.product = side.product.saturating_add(i128::from(fill.price.units()) * i128::from(fill.qty.units()));
        side.qty = side.qty.saturating_add(i128::from(fill.qty.units()));
        if purpose == Purpose::Open {
            *began = Some(began.map_or(fill.received, |first| first.min(fill.received)));
        }
        true
    }

    /// Books what an execution of a hedge cost, and on which rung.
    pub(crate) fn book_unwind(&mut self, id: DealId, rung: Unwind, cost: Amount, value: Amount) {
        let Some(deal) = self.all.get_mut(&id) else { return };
        deal.unwind_cost += cost;
        deal.unwind_value += value;
        deal.unwind = deal.unwind.max(Some(rung));
    }

    pub(crate) fn open_deals(&self) -> impl Iterator<Item = &Deal> {
        self.open.iter().filter_map(|id| self.all.get(id))
    }

    pub(crate) fn open_count(&self) -> u32 {
        self.open.len() as u32
    }

    pub(crate) fn longest_exposed_ns(&self, now: MonoNanos) -> u64 {
        self.open_deals().filter_map(|deal| deal.exposed_since).map(|since| now.since(since)).max().unwrap_or(0)
    }

    pub(crate) fn next_wake(&self) -> Option<MonoNanos> {
        self.open_deals().filter_map(|deal| deal.wake_at).min()
    }

    /// The next hedge of every open deal may go at once.
    pub(crate) fn hedge_at_once(&mut self, now: MonoNanos) {
        for id in &self.open {
            if let Some(deal) = self.all.get_mut(id) {
                deal.next_hedge_at = deal.next_hedge_at.min(now);
                deal.refusal_pauses.clear();
                deal.wake_at = Some(now);
            }
        }
    }

    /// A new process: its clock starts anew, and deals that are whole need no news when they close.
    pub(crate) fn restart(&mut self, now: MonoNanos, is_settled: impl Fn(ClientOrderId) -> bool) {
        self.closed_any = false;
        for id in &self.open {
            let Some(deal) = self.all.get_mut(id) else { continue };
            deal.quiet = deal.orders.iter().all(|order| is_settled(*order));
            (deal.next_hedge_at, deal.accounted_at, deal.exposed_since, deal.wake_at) = (now, now, None, Some(now));
            deal.refusal_pauses.clear();
            (deal.recovered, deal.unread_since) = (true, None);
            // Times of another process's clock say nothing: what was measured is of this process.
            (deal.notional, deal.unhedged_ns, deal.unhedged) = (Amount::ZERO, 0, NotionalTime::default());
            deal.legs_began = (None, None);
            if let Some(told) = &mut deal.told {
                (told.unhedged_ns, told.unhedged) = (0, NotionalTime::default());
            }
        }
    }
}

impl Executor {
    /// The deal's exposure in base: least and most that it may turn out to be. Positive is long.
    pub(crate) fn interval(&self, deal: &Deal) -> (Amount, Amount) {
        let (mut lo, mut hi) = (deal.base_flow, deal.base_flow);
        let Some(info) = self.tables.pair(deal.pair) else { return (lo, hi) };
        for order in deal.orders.iter().filter_map(|id| self.orders.get(*id)).filter(|order| !order.is_settled()) {
            let (least, most) = order.pending();
            let (least, most) = (info.scale.base_of(least), info.scale.base_of(most));
            match order.terms.side {
                Side::Buy => {
                    let fee = order.fee_on_base.map_or(Amount::ZERO, |rate| least.times_rounded_up(rate));
                    lo += if fee.is_negative() { least } else { least - fee };
                    hi += most;
                }
                Side::Sell => {
                    lo -= most;
                    hi -= least;
                }
            }
        }
        assert!(lo <= hi, "Invariant: an exposure interval is ordered");
        (lo, hi)
    }

    /// The deal of an order whose intent is lost, by its first fill: a recovered one of the pair that is exposed by about that much the
    /// other way, since nothing else is sent for a pair with such a deal, or the one that collects lost orders.
    pub(crate) fn deal_of_lost_order(&mut self, fill: &Fill, now: MonoNanos) -> DealId {
        let Some(info) = self.tables.pair(fill.pair) else { return self.deals.adopted_deal(fill.pair, fill.venue, now) };
        let executed = info.scale.base_of(fill.qty);
        let evened_out = |deal: &&Deal| {
            let (lo, hi) = self.interval(deal);
            let certain = if fill.side == Side::Sell { lo } else { -hi };
            // A hedge takes dust along, half of the smallest order at most, and a buy its fee.
            deal.recovered && !deal.adopted && deal.pair == fill.pair && certain + certain >= executed
        };
        let found = self.deals.all.values().find(evened_out).map(|deal| deal.id);
        found.unwrap_or_else(|| self.deals.adopted_deal(fill.pair, fill.venue, now))
    }

    /// Whether an order of a deal may still change by itself in a moment, so that hedging must wait for it.
    fn in_flight(&self, order: &Order, now: MonoNanos) -> bool {
        if order.is_settled() || order.is_unknown() {
            return false;
        }
        if order.is_done() { now.since(order.ended_at) < self.fills_awaited_ns() } else { order.probe.since().is_none() }
    }

    fn fills_awaited_ns(&self) -> u64 {
        if self.flattening { FILLS_AWAITED_FLATTENING } else { FILLS_AWAITED }
    }

    /// A price to value the deal's base at: the best live mid of any venue, else what it traded at, else its limit prices.
    pub(crate) fn mark(&self, deal: &Deal, market: &Market) -> Option<Price> {
        let mids = market.venues_of(deal.pair).iter().filter(|cell| cell.book.is_live()).filter_map(|cell| {
            let (bid, ask) = (cell.book.book().best_bid()?, cell.book.book().best_ask()?);
            Price::from_units((bid.price.units() + ask.price.units()) / 2)
        });
        mids.max().or_else(|| self.reference(deal, Side::Buy)).or_else(|| self.reference(deal, Side::Sell))
    }

    /// The average price of what the deal executed on a side, or the limit price of an order of it on that side.
    pub(crate) fn reference(&self, deal: &Deal, side: Side) -> Option<Price> {
        let executed = match side {
            Side::Buy => deal.bought,
            Side::Sell => deal.sold,
        };
        if executed.qty > 0 {
            return Price::from_units(i64::try_from(executed.product / executed.qty).ok()?);
        }
        let mut orders = deal.orders.iter().filter_map(|id| self.orders.get(*id));
        orders.find(|order| order.terms.side == side).map(|order| order.terms.price)
    }

    /// Time passes for open deals: what is certain is hedged, what is even is closed.
    pub(crate) fn drive_deals(&mut self, now: MonoNanos, market: &Market, out: &mut Outbox) {
        if self.deals.open.is_empty() {
            return;
        }
        let ids: Vec<DealId> = self.deals.open.iter().copied().collect();
        for id in ids {
            self.drive_deal(id, now, market, out);
        }
    }

    fn drive_deal(&mut self, id: DealId, now: MonoNanos, market: &Market, out: &mut Outbox) {
        let Some(deal) = self.deals.all.get(&id) else { return };
        let (lo, hi) = self.interval(deal);
        let worst = lo.abs().max(hi.abs());
        let worst_side = if hi.abs() >= lo.abs() { Side::Sell } else { Side::Buy };
        let orders = || deal.orders.iter().filter_map(|id| self.orders.get(*id));
        let settled = orders().all(Order::is_settled);
        let waits = orders().any(|order| self.in_flight(order, now));
        let executed = orders().any(|order| !order.reported.is_zero());
        // `None`: no venue has told its rules, so nothing can be said about dust.
        let above_dust = if worst.is_zero() { Some(false) } else { self.is_above_dust(deal, worst_side, worst, market) };
        let exposed = executed && above_dust != Some(false);
        let value = self.value_of(deal, worst, market);
        self.account_exposure(id, now, exposed, value);
        if settled && above_dust == Some(false) {
            self.close_deal(id, out);
            return;
        }
        let mut wake = None;
        let hedge_at = self.deals.all.get(&id).map_or(now, |deal| deal.next_hedge_at);
        if lo.units() > 0 || hi.units() < 0 {
            if waits {
                wake = orders_wake(&self.orders, self.deals.all.get(&id), self.fills_awaited_ns(), now);
            } else if self.config.observe_only {
                // The exposure stands in the report; a run closes it.
            } else if now >= hedge_at {
                // Without a pause it would be woken at this very instant, over and over.
                let pause = self.config.hedge_pause_ns.max(MILLI);
                wake = self.try_hedge(id, (lo, hi), now, market, out).or(Some(now.after(pause)));
            } else {
                wake = Some(hedge_at);
            }
        }
        let limit = self.config.unhedged_max_ns;
        let Some(deal) = self.deals.all.get_mut(&id) else { return };
        let pause_at = deal.exposed_since.map(|since| since.after(limit)).filter(|at| *at > now);
        deal.wake_at = [wake, pause_at].into_iter().flatten().min();
    }

    fn value_of(&self, deal: &Deal, base: Amount, market: &Market) -> Amount {
        let (Some(info), Some(price)) = (self.tables.pair(deal.pair), self.mark(deal, market)) else { return Amount::ZERO };
        info.scale.value_of(price, info.scale.qty_rounded_down(base)).unwrap_or(Amount::ZERO)
    }

    /// Adds up the time since the last look at the value exposed then, and notes what is exposed from now on.
    fn account_exposure(&mut self, id: DealId, now: MonoNanos, exposed: bool, value: Amount) {
        let Some(deal) = self.deals.all.get_mut(&id) else { return };
        let elapsed = now.since(deal.accounted_at);
        if let Some(since) = deal.exposed_since {
            deal.unhedged_ns = deal.unhedged_ns.saturating_add(elapsed);
            deal.unhedged.add(deal.notional, elapsed);
            self.tally.unhedged_ns = self.tally.unhedged_ns.saturating_add(elapsed);
            self.tally.unhedged.add(deal.notional, elapsed);
            let lasts = now.since(since);
            self.tally.unhedged_max_ns = self.tally.unhedged_max_ns.max(lasts);
            if !(self.pauses.unhedged_time || self.pauses.unknown_order) {
                self.tally.unhedged_unpaused_max_ns = self.tally.unhedged_unpaused_max_ns.max(lasts);
            }
        }
        deal.accounted_at = now;
        deal.notional = if exposed { value } else { Amount::ZERO };
        deal.exposed_since = if exposed { deal.exposed_since.or(Some(now)) } else { None };
    }

    fn close_deal(&mut self, id: DealId, out: &mut Outbox) {
        self.deals.open.remove(&id);
        let Some(deal) = self.deals.all.get_mut(&id) else { return };
        deal.wake_at = None;
        assert!(deal.exposed_since.is_none(), "Invariant: a deal closes without exposure");
        let (pair, buy) = (deal.pair, deal.buy);
        let skew = deal.legs_began.0.zip(deal.legs_began.1).map(|(buy, sell)| buy.0.abs_diff(sell.0));
        let now = Told {
            base: deal.base_flow,
            quote: deal.quote_flow,
            unhedged_ns: deal.unhedged_ns,
            unhedged: deal.unhedged,
            unwind_cost: deal.unwind_cost,
            unwind_value: deal.unwind_value,
            skewed: skew.is_some(),
        };
        let told = deal.told.replace(now);
        let before = told.unwrap_or_default();
        let quiet = std::mem::replace(&mut deal.quiet, false);
        let lies_at = deal.lies_at();
        let empty = deal.bought.qty == 0 && deal.sold.qty == 0;
        let (hedges, unwind) = (deal.hedges, deal.unwind.filter(|_| now.unwind_value != before.unwind_value));
        let base_new = now.base - before.base;
        let Some(info) = self.tables.pair(pair) else { return };
        let (base_asset, scale) = (info.base, info.scale);
        self.leave_dust(base_asset, lies_at, base_new);
        if quiet {
            return;
        }
        if told.is_none() || (now.base, now.quote) != (before.base, before.quote) {
            out.notices.push(Notice::DealClosed {
                deal: id,
                pair,
                quote_flow: now.quote - before.quote,
                base_flow: base_new,
                hedges,
                unhedged_ns: now.unhedged_ns.saturating_sub(before.unhedged_ns),
                unhedged_notional_seconds: now.unhedged.whole - before.unhedged.whole,
                leg_skew_ns: skew.filter(|_| !before.skewed),
                unwind,
                unwind_cost: now.unwind_cost - before.unwind_cost,
                unwind_value: now.unwind_value - before.unwind_value,
                empty,
            });
        }
        self.tally.deals_closed += u64::from(told.is_none());
        self.tally.deals_empty += u64::from(told.is_none() && empty);
        let first = !std::mem::replace(&mut self.deals.closed_any, true);
        if first && mutants::active(Mutant::OneUnitOff) {
            let unit = scale.base_of(Qty::from_units(1).unwrap_or_default());
            let _ = self.ledger.book(buy, base_asset, unit);
        }
    }
}

/// When an ended order of the deal stops holding its hedge up for missing fills.
fn orders_wake(orders: &crate::registry::Orders, deal: Option<&Deal>, awaited_ns: u64, now: MonoNanos) -> Option<MonoNanos> {
    let ids = deal?.orders.iter();
    let waits = ids.filter_map(|id| orders.get(*id)).filter(|order| order.is_done() && !order.is_settled());
    waits.map(|order| order.ended_at.after(awaited_ns)).filter(|at| *at > now).min()
}
