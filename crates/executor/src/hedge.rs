//! The hedge ladder: how a deal whose legs ended unequal is evened out.
//!
//! Candidates are the venues that list the pair and can be reached. *Completing* on the under-filled leg's own venue is
//! allowed up to `complete_cap`, *reversing* anywhere else up to `reverse_cap`; the cheaper by the books is taken. When neither is
//! to be had, the cheapest at up to `flatten_cap`. When no candidate that could take the order has a book to be trusted, a blind IOC at
//! the flatten cap's price, on the completing venue first, then the others in turn; those that fill nothing become rarer. Each attempt is
//! one IOC, never two at once in a deal.
//!
//! A venue that refuses is not to be had, however good its book looks: whoever else is within its own cap comes first at the next two
//! tries, and from its second refusal in a row whoever is within the cap for flattening; then price decides again, since the one that
//! refuses may be the only way. Each refusal in a row there doubles the pause until it is
//! asked again (F22); another venue waits for the usual pause only. A venue that is known to be banned counts as one that just refused.
//!
//! A venue that took a hedge and filled nothing of it comes after another within the same cap for two seconds, or until it fills one:
//! somebody was faster, or its book is not what it seems.
//!
//! A deal that came out of the log is hedged once every venue of its pair was read in this life: the log may lack fills, and hedges
//! that were sent. One that cannot be read holds it up for a minute at most, and an adopted deal until it can.
//!
//! Cost is against the deal's own reference, the average price of what it executed on the opposite side, taker fees included; a
//! limit price is never beyond the cap. Sums are exact integers; the sides of each comparison are rounded against us.

use crate::deals::Deal;
use crate::orders::{Order, Phase};
use crate::reconcile::VenueState;
use crate::sight::Sight;
use crate::{Executor, Outbox};
use domain::number::RATE_ONE;
use domain::time::SECOND;
use domain::{
    Amount, AssetId, ClientOrderId, DealId, Fill, InstrumentRules, MonoNanos, OrderOutcome, PairScale, Price, Purpose, Qty, Rate,
    Side, Unwind, VenueId,
};
use order_book::walk::{Walk, walk_qty};
use risk::{HedgeBand, HedgeOrder, Leg, Market, VenuePair, Worth};

/// Server-side expiry of hedges: generous, so that it never stops one in normal traffic, yet an end after which absence can be
/// proved.
const HEDGE_EXPIRY: u64 = 2 * SECOND;

/// Each hedge in a row that a venue refuses doubles the pause to the next there, so many times at most (32-fold: 8 s at 250 ms).
const REFUSALS_COUNTED: u32 = 5;

/// A venue that refused one of the deal's last hedges, so many, comes after those that did not.
const REFUSED_LATELY: usize = 2;

/// A recovered deal waits no longer than this for venues that cannot be read; what it may be exposed by is told long before.
const RECOVERED_WAIT: u64 = 60 * SECOND;

/// A venue where the deal's last hedge ended with nothing filled comes after the others for so long: its book promises what it does not
/// keep.
const UNFILLED_LATELY: u64 = 2 * SECOND;

/// So many blind hedges in a row may fill nothing at a venue before each further one doubles the pause to the next blind one there (as
/// [`REFUSALS_COUNTED`]): a market beyond the cap for minutes must not use up what the deal may send, and have nothing left when it is back.
const BLIND_FREELY: u32 = 8;

/// One way to hedge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Candidate {
    venue: VenueId,
    completes: bool,
    rung: Unwind,
    /// How lately the venue refused a hedge of this deal: 0 is not lately.
    reluctance: usize,
    /// Its last hedge of this deal there filled nothing a moment ago.
    unfilled: bool,
    /// Cost against the reference, in 10^-9 of the value; `None` for a blind one.
    cost_nano: Option<i128>,
    leg: Leg,
}

/// What is best now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    Send(Candidate, HedgeBand),
    /// Nothing within its own cap, and a spent book may come anew until then.
    Wait(MonoNanos),
    Nothing,
}

impl Executor {
    /// One attempt at hedging what is certain of `interval`. Nothing is sent when no candidate is within the caps. `Some` is the time
    /// until which it waits for a book to come anew.
    pub(crate) fn try_hedge(
        &mut self,
        id: DealId,
        interval: (Amount, Amount),
        now: MonoNanos,
        market: &Market,
        out: &mut Outbox,
    ) -> Option<MonoNanos> {
        let (lo, hi) = interval;
        let (side, amount) = if lo.units() > 0 { (Side::Sell, lo) } else { (Side::Buy, -hi) };
        assert!(amount.units() > 0, "Invariant: only what is certain is hedged");
        let deal = self.deals.get(id)?;
        if self.is_above_dust(deal, side, amount, market) == Some(false) {
            return None; // what is certain is too little, and dust taken along must not make an order of it
        }
        let unread = self.awaits_reads(id, now, market);
        let deal = self.deals.get(id)?;
        let choice = if unread { Choice::Nothing } else { self.choose(deal, side, amount, now, market) };
        if let Choice::Wait(until) = choice {
            return Some(until);
        }
        // Flattening leaves the pause out, but not after a refusal.
        let refused = self.hedges_of(deal).next().is_some_and(was_refused);
        let pause = if self.flattening && !refused { 0 } else { self.config.hedge_pause_ns };
        let deal = self.deals.get_mut(id)?;
        deal.next_hedge_at = now.after(pause);
        let Choice::Send(chosen, band) = choice else { return None };
        let scale = self.tables.pair(deal.pair)?.scale;
        let quote_worth = worth_of_quote(market, self.tables.pair(deal.pair)?.quote);
        let order = HedgeOrder { deal: id, pair: deal.pair, side, leg: chosen.leg };
        let order = self.config.limits.approve_hedge(order, scale, interval, &band, quote_worth).ok()?.into_inner();
        self.tally.hedges += 1;
        self.pause_after_refusal(id, chosen.venue, now);
        let sent = self.place(order.deal, order.pair, order.side, order.leg, Purpose::Hedge, now.after(HEDGE_EXPIRY), now, out);
        if let Some(order) = self.orders.get_mut(sent) {
            order.rung = Some(chosen.rung);
        }
        None
    }

    /// Whether a deal must not be hedged yet, since its log may lack what was executed: the other leg of a lost deal, a hedge that was
    /// sent just before the process died.
    fn awaits_reads(&mut self, id: DealId, now: MonoNanos, market: &Market) -> bool {
        let Some(deal) = self.deals.get(id) else { return false };
        let lists = |venue: &VenueState| venue.lists(deal.pair) || market.at(venue.venue, deal.pair).rules.is_some();
        let any_not = |read: fn(&VenueState) -> bool| self.venues.iter().any(|venue| lists(venue) && !read(venue));
        if deal.adopted {
            return any_not(VenueState::is_read);
        }
        if !(deal.recovered && any_not(VenueState::was_read)) {
            return false;
        }
        let Some(deal) = self.deals.get_mut(id) else { return false };
        now.since(*deal.unread_since.get_or_insert(now)) < RECOVERED_WAIT
    }

    /// The deal's hedges, newest first.
    fn hedges_of(&self, deal: &Deal) -> impl Iterator<Item = &Order> {
        let orders = deal.orders().iter().rev().filter_map(|id| self.orders.get(*id));
        orders.filter(|order| order.terms.purpose == Purpose::Hedge)
    }

    /// Hedges of the deal that a venue refused, or that were not sent, since the last that it took.
    fn refused_in_a_row(&self, deal: &Deal, venue: VenueId) -> u32 {
        self.hedges_of(deal).filter(|order| order.terms.venue == venue).take_while(|order| was_refused(order)).count() as u32
    }

    /// A hedge is about to be sent: should the venue refuse it, none follows there before the pause is over.
    fn pause_after_refusal(&mut self, id: DealId, venue: VenueId, now: MonoNanos) {
        let Some(deal) = self.deals.get(id) else { return };
        let refused = self.refused_in_a_row(deal, venue).min(REFUSALS_COUNTED);
        let until = now.after(self.config.hedge_pause_ns << refused);
        if let Some(deal) = self.deals.get_mut(id) {
            deal.refusal_pauses.insert(venue, until);
        }
    }

    /// Whether a venue refused the deal's last hedge there, and its pause is not over.
    fn pauses_after_refusal(&self, deal: &Deal, venue: VenueId, now: MonoNanos) -> bool {
        deal.refusal_pauses.get(&venue).is_some_and(|until| now < *until) && self.refused_in_a_row(deal, venue) > 0
    }

    /// Whether a venue is banned, or refused more than one hedge of the deal in a row.
    fn goes_on_refusing(&self, deal: &Deal, venue: VenueId, now: MonoNanos) -> bool {
        self.is_banned(venue, now) || self.refused_in_a_row(deal, venue) > 1
    }

    fn is_banned(&self, venue: VenueId, now: MonoNanos) -> bool {
        self.venues.get(venue.index()).is_some_and(|state| state.is_banned(now))
    }

    /// How lately a venue refused a hedge of the deal: the highest for the last one or a ban, 0 for none of the last few.
    fn reluctance(&self, deal: &Deal, venue: VenueId, now: MonoNanos) -> usize {
        if self.is_banned(venue, now) {
            return REFUSED_LATELY;
        }
        let mut lately = self.hedges_of(deal).take(REFUSED_LATELY);
        lately.position(|order| order.terms.venue == venue && was_refused(order)).map_or(0, |ago| REFUSED_LATELY - ago)
    }

    /// Whether the deal's last hedge at a venue, taken and ended, filled nothing, a moment ago.
    fn filled_nothing(&self, deal: &Deal, venue: VenueId, now: MonoNanos) -> bool {
        let last = self.hedges_of(deal).find(|order| order.terms.venue == venue);
        last.is_some_and(|order| {
            order.phase == Phase::Done(OrderOutcome::Cancelled)
                && order.reported.is_zero()
                && now.since(order.ended_at) < UNFILLED_LATELY
        })
    }

    /// Whether blind hedges of the deal at a venue filled nothing, so often that the next one waits.
    fn pauses_blind(&self, deal: &Deal, venue: VenueId, now: MonoNanos) -> bool {
        let mut in_vain = self.hedges_of(deal).filter(|order| order.terms.venue == venue).take_while(|order| {
            let unfilled = order.phase == Phase::Done(OrderOutcome::Cancelled) && order.reported.is_zero();
            order.rung == Some(Unwind::Blind) && unfilled
        });
        let Some(last) = in_vain.next() else { return false };
        let doublings = (1 + in_vain.count() as u32).saturating_sub(BLIND_FREELY).min(REFUSALS_COUNTED);
        doublings > 0 && now < last.ended_at.after(self.config.hedge_pause_ns << doublings)
    }

    fn choose(&self, deal: &Deal, side: Side, amount: Amount, now: MonoNanos, market: &Market) -> Choice {
        let Some(reference) = self.reference(deal, side.opposite()) else { return Choice::Nothing };
        let completing = match side {
            Side::Buy => deal.buy,
            Side::Sell => deal.sell,
        };
        let (mut within, mut flattening, mut blind): (Option<Candidate>, Option<Candidate>, Vec<Candidate>) =
            (None, None, Vec::new());
        let Some(info) = self.tables.pair(deal.pair) else { return Choice::Nothing };
        let quote_worth = worth_of_quote(market, info.quote);
        let (mut clear_way, mut wait): (bool, Option<MonoNanos>) = (false, None);
        let mut band = HedgeBand { reference, cap: self.config.flatten_cap, mids: None, collar: self.config.hedge_collar };
        for venue in self.tables.venue_ids() {
            let cell = market.at(venue, deal.pair);
            let Some(rules) = cell.rules else { continue };
            let open = if side == Side::Buy { rules.can_buy } else { rules.can_sell };
            if !open || !self.venues.get(venue.index()).is_some_and(|state| state.link_up()) {
                continue;
            }
            let carried = self.carried(deal, side, amount, venue, reference, market);
            let ask = Ask {
                executor: self,
                deal,
                side,
                amount,
                carried,
                venue,
                completes: venue == completing,
                reluctance: self.reluctance(deal, venue, now),
                unfilled: self.filled_nothing(deal, venue, now),
                reference,
                cell,
                rules: &rules,
                quote_worth,
            };
            let paused = self.pauses_after_refusal(deal, venue, now);
            match self.sight(venue, deal.pair, now, market) {
                Sight::Clear => {
                    band.see(cell.book.book());
                    // A book that can be trusted is no way where the venue refuses everything, or takes no order of what is left.
                    let takes = || ask.blind(self.config.flatten_cap).is_some();
                    clear_way = clear_way || !self.goes_on_refusing(deal, venue, now) && takes();
                    if paused {
                        continue;
                    }
                    let (own_cap, rung) = if ask.completes {
                        (self.config.complete_cap, Unwind::Completed)
                    } else {
                        (self.config.reverse_cap, Unwind::Reversed)
                    };
                    if !self.flattening {
                        prefer(&mut within, ask.priced(own_cap, rung));
                    }
                    prefer(&mut flattening, ask.priced(self.config.flatten_cap, Unwind::Flattened));
                }
                Sight::Spent(_) | Sight::Blind if paused => {}
                Sight::Spent(until) => wait = wait.into_iter().chain([until]).min(),
                Sight::Blind if self.pauses_blind(deal, venue, now) => {}
                Sight::Blind => blind.extend(ask.blind(self.config.flatten_cap)),
            }
        }
        // What its venue goes on refusing is not to be had, and the next rung is due. Once is no sign yet: another try costs less than
        // that rung may.
        let refusing = within.zip(flattening).is_some_and(|(within, other)| {
            other.reluctance < within.reluctance && self.goes_on_refusing(deal, within.venue, now)
        });
        let within = within.filter(|_| !refusing);
        if let (None, Some(until)) = (within, wait) {
            return Choice::Wait(until);
        }
        blind.sort_by_key(|candidate| (!candidate.completes, candidate.venue));
        let in_turn = (!clear_way && !blind.is_empty()).then(|| blind[deal.hedges as usize % blind.len()]);
        let priced = within.or(flattening).filter(|priced| {
            let other = in_turn.is_some_and(|other| other.reluctance < priced.reluctance);
            !(other && self.goes_on_refusing(deal, priced.venue, now))
        });
        priced.or(in_turn).map_or(Choice::Nothing, |candidate| Choice::Send(candidate, band))
    }

    /// Adds what an execution of a hedge cost against the reference of its deal, before it is booked there.
    pub(crate) fn measure_unwind(&mut self, id: ClientOrderId, fill: &Fill) {
        let Some(order) = self.orders.get(id) else { return };
        let (Some(deal), Some(info)) = (self.deals.get(order.terms.deal), self.tables.pair(fill.pair)) else { return };
        let Some(reference) = self.reference(deal, fill.side.opposite()) else { return };
        let (Some(worth), Some(value)) = (info.scale.value_of(reference, fill.qty), fill.value(info.scale)) else {
            return;
        };
        let fees = fill.fees.iter().filter_map(|(asset, fee)| {
            if *asset == info.quote {
                Some(*fee)
            } else if *asset == info.base {
                // A fee in base is worth its part of the fill: fee ÷ quantity × value.
                let part = mul_div(fee.abs().units(), value.units(), info.scale.base_of(fill.qty).units());
                Some(Amount::from_units(if fee.is_negative() { -part } else { part }))
            } else {
                None
            }
        });
        let fees: Amount = fees.sum();
        let cost = fees + if fill.side == Side::Sell { worth - value } else { value - worth };
        let completing = if fill.side == Side::Buy { deal.buy } else { deal.sell };
        let by_venue = if fill.venue == completing { Unwind::Completed } else { Unwind::Reversed };
        let (id, rung) = (deal.id, order.rung.unwrap_or(by_venue));
        self.deals.book_unwind(id, rung, cost, worth);
    }

    /// Whether some venue that takes orders of that side would take `amount` of base as one, at a price no better for us than any that
    /// a hedge would carry. A closed venue takes nothing, whatever its rules say; where all are closed, those that still tell a minimum
    /// say what they would take once they open. `None` while no rules tell anything: none was told yet, or no venue lists the pair any more.
    pub(crate) fn is_above_dust(&self, deal: &Deal, side: Side, amount: Amount, market: &Market) -> Option<bool> {
        let info = self.tables.pair(deal.pair)?;
        let open = |rules: &InstrumentRules| if side == Side::Buy { rules.can_buy } else { rules.can_sell };
        let cells = market.venues_of(deal.pair);
        let any_open = cells.iter().filter_map(|cell| cell.rules.as_ref()).any(open);
        let mut answer = None;
        for cell in cells {
            let Some(rules) = &cell.rules else { continue };
            if !(open(rules) || !any_open && tells_minimum(rules)) {
                continue;
            }
            let top = match side {
                Side::Sell => cell.book.book().best_bid(),
                Side::Buy => cell.book.book().best_ask(),
            };
            let top = top.filter(|_| cell.book.is_live()).map(|level| level.price);
            let reference = self.reference(deal, side.opposite());
            let Some(price) = top.into_iter().chain(reference).min() else { return Some(true) };
            let price = match side {
                Side::Sell => capped(i128::from(price.units()), Side::Sell, self.config.flatten_cap, 1).unwrap_or(price),
                Side::Buy => price,
            };
            let qty = info.scale.qty_rounded_down(amount).rounded_down_to(rules.qty_step);
            answer = Some(answer == Some(true) || accepted(info.scale, rules, qty, price));
        }
        answer
    }
}

/// One venue asked what it would take.
struct Ask<'a> {
    executor: &'a Executor,
    deal: &'a Deal,
    side: Side,
    amount: Amount,
    /// Dust that it takes along.
    carried: Amount,
    venue: VenueId,
    completes: bool,
    reluctance: usize,
    unfilled: bool,
    reference: Price,
    cell: &'a VenuePair,
    rules: &'a InstrumentRules,
    /// Of the pair's quote, in the reference.
    quote_worth: Worth,
}

impl Ask<'_> {
    fn scale(&self) -> Option<PairScale> {
        self.executor.tables.pair(self.deal.pair).map(|info| info.scale)
    }

    fn taker(&self) -> Rate {
        self.cell.fees.map_or(Rate::ZERO, |fees| fees.taker)
    }

    /// The most that the order may be for: never beyond the excess and the dust that it takes along, in lots. A buy whose fee is taken in base is grossed up.
    fn qty_wanted(&self) -> Option<Qty> {
        let base = self.executor.tables.pair(self.deal.pair)?.base;
        let fee_in_base =
            self.side == Side::Buy && self.cell.fees.is_some_and(|fees| fees.paid_in.is_none_or(|asset| asset == base));
        let left = i128::from(RATE_ONE) - i128::from(self.taker().nano());
        let net = (self.amount + self.carried).units();
        let gross = if fee_in_base && left > 0 { mul_div(net, i128::from(RATE_ONE), left) } else { net };
        let qty = self.scale()?.qty_rounded_down(Amount::from_units(gross));
        let qty = self.rules.qty_max.map_or(qty, |max| qty.min(max));
        Some(qty.rounded_down_to(self.rules.qty_step))
    }

    /// What the balance and the caps allow of `qty` at `limit`, in lots; `None` when the venue would refuse what is left.
    fn qty_allowed(&self, qty: Qty, limit: Price) -> Option<Qty> {
        let (scale, info) = (self.scale()?, self.executor.tables.pair(self.deal.pair)?);
        let fee_on_spend = self.executor.fees_of(self.venue, self.deal.pair).filter(|fees| {
            let spent = if self.side == Side::Buy { info.quote } else { info.base };
            fees.paid_in == Some(spent)
        });
        let one = i128::from(RATE_ONE);
        let spendable = |available: Amount| {
            let rate = fee_on_spend.map_or(0, |fees| i128::from(fees.taker.nano().max(0)));
            mul_div(available.units().max(0), one, one + rate)
        };
        let affordable = match self.side {
            Side::Sell => scale.qty_rounded_down(Amount::from_units(spendable(self.executor.available(self.venue, info.base)))),
            Side::Buy => {
                let unit = scale.value_of(limit, Qty::from_units(1)?)?.units();
                let units = spendable(self.executor.available(self.venue, info.quote)) / unit;
                Qty::from_units(i64::try_from(units).unwrap_or(domain::number::UNITS_MAX).min(domain::number::UNITS_MAX))?
            }
        };
        let qty = qty
            .min(affordable)
            .min(self.executor.config.limits.hedge_qty_max(scale, limit, self.quote_worth))
            .rounded_down_to(self.rules.qty_step);
        accepted(scale, self.rules, qty, limit).then_some(qty)
    }

    /// By the book, if the cost is within `cap`. What stands beyond the cap's price is left alone: part of a hedge now is better than
    /// none. On the last rung so is what stands beyond the cap less the fee, where the fee would make the whole cost more than the cap; on
    /// the others the next rung takes the whole.
    fn priced(&self, cap: Rate, rung: Unwind) -> Option<Candidate> {
        let whole = self.priced_to(cap, cap, rung);
        if rung != Unwind::Flattened {
            return whole;
        }
        whole.or_else(|| self.priced_to(self.less_fee(cap)?, cap, rung))
    }

    /// How far from the reference every level may stand so that its cost with the fee keeps `cap`, rounded against us: a buy's fee is on
    /// more than the reference, (1 + depth)(1 + fee) ≤ 1 + cap. `None` without a fee.
    fn less_fee(&self, cap: Rate) -> Option<Rate> {
        let (one, fee) = (i128::from(RATE_ONE), i128::from(self.taker().nano()));
        let depth = (i128::from(cap.nano()) - fee) * one / (one + fee) - 1;
        Rate::from_nano(i64::try_from(depth).ok()?).filter(|_| fee > 0)
    }

    /// As far as the book goes to `depth` from the reference, if that costs no more than `cap`.
    fn priced_to(&self, depth: Rate, cap: Rate, rung: Unwind) -> Option<Candidate> {
        let scale = self.scale()?;
        let wanted = self.qty_wanted()?;
        let book = self.cell.book.book();
        let at_cap = capped(i128::from(self.reference.units()), self.side, depth, self.rules.price_step)?;
        let walk = |qty: Qty| match self.side {
            Side::Sell => walk_qty(book.bids().take_while(|level| level.price >= at_cap), qty),
            Side::Buy => walk_qty(book.asks().take_while(|level| level.price <= at_cap), qty),
        };
        let limit = self.limit(walk(wanted).worst?, at_cap)?;
        let qty = self.qty_allowed(wanted.min(walk(wanted).qty).rounded_down_to(self.rules.qty_step), limit)?;
        let cost_nano = self.cost_nano(scale, &walk(qty))?;
        let leg = Leg { venue: self.venue, price: limit, qty };
        (cost_nano <= i128::from(cap.nano())).then(|| self.candidate(rung, Some(cost_nano), leg))
    }

    /// Without a book, at the cap's price.
    fn blind(&self, cap: Rate) -> Option<Candidate> {
        let price = capped(i128::from(self.reference.units()), self.side, cap, self.rules.price_step)?;
        let qty = self.qty_allowed(self.qty_wanted()?, price)?;
        Some(self.candidate(Unwind::Blind, None, Leg { venue: self.venue, price, qty }))
    }

    fn candidate(&self, rung: Unwind, cost_nano: Option<i128>, leg: Leg) -> Candidate {
        let Ask { venue, completes, reluctance, unfilled, .. } = *self;
        Candidate { venue, completes, rung, reluctance, unfilled, cost_nano, leg }
    }

    /// `worst` in steps of the venue, but never beyond the cap's price.
    fn limit(&self, worst: Price, at_cap: Price) -> Option<Price> {
        let (units, step) = (worst.units(), self.rules.price_step.max(1));
        Some(match self.side {
            Side::Sell => Price::from_units(units - units % step).unwrap_or(at_cap).max(at_cap),
            Side::Buy => Price::from_units(units + (step - units % step) % step)?.min(at_cap),
        })
    }

    /// What the walk costs against the reference, fee included, in 10^-9 of the reference value, rounded up.
    fn cost_nano(&self, scale: PairScale, walk: &Walk) -> Option<i128> {
        let executed = match self.side {
            Side::Sell => self.deal.bought,
            Side::Buy => self.deal.sold,
        };
        let walked = i128::from(walk.qty.units());
        let reference = if executed.qty > 0 {
            mul_div(executed.product, walked, executed.qty)
        } else {
            i128::from(self.reference.units()) * walked
        };
        let reference = scale.value_from_product(reference)?.units();
        let value = scale.value_from_product(walk.product)?;
        let fee = value.times_rounded_up(self.taker()).units();
        let cost = match self.side {
            Side::Sell => reference - value.units() + fee,
            Side::Buy => value.units() + fee - reference,
        };
        if reference <= 0 {
            return None;
        }
        let nano = mul_div(cost.abs(), i128::from(RATE_ONE), reference);
        Some(if cost >= 0 { nano + 1 } else { -nano })
    }
}

/// The venue refused it, or never saw it.
fn was_refused(order: &Order) -> bool {
    matches!(order.phase, Phase::Done(OrderOutcome::Refused | OrderOutcome::NotSent | OrderOutcome::Expired))
}

/// Keeps the better of two: the venue that did not refuse lately, then the one that did not leave a hedge unfilled, then the cheaper.
fn prefer(best: &mut Option<Candidate>, found: Option<Candidate>) {
    let Some(found) = found else { return };
    let key = |candidate: &Candidate| (candidate.reluctance, candidate.unfilled, candidate.cost_nano, !candidate.completes);
    if best.as_ref().is_none_or(|best| key(&found) < key(best)) {
        *best = Some(found);
    }
}

/// What the quote was last worth in the reference. A deal opens only where that is known; after a restart, before any book came, caps
/// are taken in the pair's own quote: missing prices hold no hedge back.
fn worth_of_quote(market: &Market, quote: AssetId) -> Worth {
    market.valuation().last_worth(quote).unwrap_or(Worth::ONE)
}

/// Whether rules say how little a venue takes. Those of a pair that is off its list do not.
pub(crate) fn tells_minimum(rules: &InstrumentRules) -> bool {
    !rules.qty_min.is_zero() || rules.value_min.units() > 0
}

/// Whether a venue takes an order of this quantity at this price.
fn accepted(scale: PairScale, rules: &InstrumentRules, qty: Qty, price: Price) -> bool {
    !qty.is_zero() && qty >= rules.qty_min && scale.value_of(price, qty).is_some_and(|value| value >= rules.value_min)
}

/// The worst price allowed at a distance of `cap` from `reference`, in steps, rounded towards the reference.
fn capped(reference: i128, side: Side, cap: Rate, step: i64) -> Option<Price> {
    let (one, step) = (i128::from(RATE_ONE), i128::from(step.max(1)));
    let units = match side {
        Side::Sell => {
            let exact = reference * (one - i128::from(cap.nano()));
            let units = exact / one + i128::from(exact % one != 0);
            (units + step - 1) / step * step
        }
        Side::Buy => reference * (one + i128::from(cap.nano())) / one / step * step,
    };
    Price::from_units(i64::try_from(units).ok()?)
}

/// `a × b / c`, rounded down, for `a, b ≥ 0` and `c > 0`; exact wherever the result fits, however large the product is.
fn mul_div(a: i128, b: i128, c: i128) -> i128 {
    let part = (a % c).checked_mul(b).map_or_else(|| mul_div_by_bits(a % c, b, c), |product| product / c);
    (a / c).saturating_mul(b).saturating_add(part)
}

/// As [`mul_div`] for `a < c`, bit by bit of `b`: nothing grows past twice `c`, and the result is below `b`.
fn mul_div_by_bits(a: i128, b: i128, c: i128) -> i128 {
    let (a, b, c) = (a.unsigned_abs(), b.unsigned_abs(), c.unsigned_abs());
    let (mut quotient, mut rest) = (0u128, 0u128);
    for bit in (0..u128::BITS - b.leading_zeros()).rev() {
        quotient *= 2;
        rest *= 2;
        for add in [0, if b >> bit & 1 == 1 { a } else { 0 }] {
            rest += add;
            if rest >= c {
                rest -= c;
                quotient += 1;
            }
        }
    }
    i128::try_from(quotient).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(bps: i64) -> Rate {
        Rate::from_bps(bps).unwrap()
    }

    #[test]
    fn cap_prices_round_towards_the_reference() {
        assert_eq!(capped(10_000, Side::Sell, rate(50), 1).unwrap().units(), 9_950);
        assert_eq!(capped(10_000, Side::Sell, rate(50), 7).unwrap().units(), 9_954);
        assert_eq!(capped(10_000, Side::Buy, rate(50), 1).unwrap().units(), 10_050);
        assert_eq!(capped(10_000, Side::Buy, rate(50), 7).unwrap().units(), 10_045);
        assert_eq!(capped(10_001, Side::Sell, rate(1), 1).unwrap().units(), 10_000);
        assert_eq!(capped(3, Side::Sell, rate(50), 10).unwrap().units(), 10);
        assert_eq!(capped(3, Side::Buy, rate(50), 10), None);
    }

    #[test]
    fn mul_div_is_exact_where_it_fits() {
        assert_eq!(mul_div(7, 3, 2), 10);
        assert_eq!(mul_div(10i128.pow(36), 10i128.pow(18), 10i128.pow(18)), 10i128.pow(36));
        assert_eq!(mul_div(10i128.pow(30) + 1, 3, 10), 3 * 10i128.pow(29));
        // A fee of 4.7959 XRP on 4795.9 XRP worth 2493.86 USDT: the product passes 128 bits, its part of the value does not.
        let (fee, value, qty) = (47_959 * 10i128.pow(14), 249_386 * 10i128.pow(16), 47_959 * 10i128.pow(17));
        assert_eq!(fee.checked_mul(value), None);
        assert_eq!(mul_div(fee, value, qty), 249_386 * 10i128.pow(13));
        assert_eq!(mul_div(fee + qty, value, qty), 249_386 * 10i128.pow(16) + 249_386 * 10i128.pow(13));
        assert_eq!(mul_div(i128::MAX - 1, i128::MAX, i128::MAX), i128::MAX - 1);
    }
}
