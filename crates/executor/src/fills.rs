//! Booking fills: each trade id once, into the ledger, its order and its deal.
//!
//! A fill is found by our id, else by the venue's id of its order. Which fills are not ours to explain:
//! - One that names only a venue order id, while some order of ours still waits for its venue id, is kept until that order is
//!   known (F17). When no order can claim it any more it is foreign.
//! - A *foreign* fill (a person, another program, on our account) is booked, since it is the truth of the balance, and pauses
//!   the venue until a person resumes (F31). What moves balances without a fill (a deposit) is drift, see `reconcile.rs`.
//! - A fill on a venue or pair that is not ours at all latches.
//! - A fill with an id of ours that is not in the log is of a *lost intent*: the order is rebuilt from its fills, in one deal per
//!   pair, so that two legs that were lost together meet again and only the rest is hedged.
//! - Before a venue's balances were ever adopted, fills that are not of our orders are history, inside those balances already:
//!   remembered, not booked. Shortly after they were, a foreign fill may be inside them as well: it is told, not booked, and they are
//!   taken over anew.

use crate::orders::{Order, Phase};
use crate::registry::EARLY_FILLS_MAX;
use crate::{DayFlows, Executor, Outbox, StopRequest};
use domain::mutants::{self, Mutant};
use domain::{
    Amount, ClientOrderId, Fill, MonoNanos, NewOrder, Notice, OrderOutcome, Purpose, Qty, Side, StopKind, StopReason,
    TimeInForce, UnixNanos,
};

impl Executor {
    /// One execution.
    pub fn handle_fill(&mut self, now: MonoNanos, fill: &Fill, out: &mut Outbox) {
        self.take_fill(now, fill, out);
        self.check();
    }

    fn take_fill(&mut self, now: MonoNanos, fill: &Fill, out: &mut Outbox) {
        let dated = fill.executed_at.map(|at| UnixNanos(at.0));
        let venue = self.venues.get(fill.venue.index());
        if dated.zip(venue).is_some_and(|(at, venue)| venue.has_forgotten(fill.pair, at)) {
            self.tally.fills_repeated += 1;
            return;
        }
        if self.orders.is_booked(fill) && !mutants::active(Mutant::DoubleBookedFill) {
            self.tally.fills_repeated += 1;
            return;
        }
        let (pair_known, venue_known) = (self.tables.pair(fill.pair).is_some(), self.venues.get(fill.venue.index()).is_some());
        if !(pair_known && venue_known) {
            // Something of ours, or on our account, where we have no book-keeping: nothing is booked, and a person must look.
            let (venue, pair) = (venue_known.then_some(fill.venue), pair_known.then_some(fill.pair));
            out.stops.push(StopRequest::set(StopKind::Latch, StopReason::UnknownFill, venue, pair));
            return;
        }
        if fill.qty.is_zero() {
            return;
        }
        match self.orders.identify_fill(fill) {
            Some(id) => self.take_own_fill(id, now, fill, out),
            None => self.take_unclaimed_fill(now, fill, out),
        }
    }

    fn take_own_fill(&mut self, id: ClientOrderId, now: MonoNanos, fill: &Fill, out: &mut Outbox) {
        let Some(order) = self.orders.get(id) else { return };
        let early = mutants::active(Mutant::EarlyFillDropped) && matches!(order.phase, Phase::Sent | Phase::Unknown(_));
        let late = mutants::active(Mutant::LateFillDropped) && order.is_done();
        if early || late {
            self.orders.note_booked(fill);
            return;
        }
        let terms = order.terms;
        let fits = (terms.venue, terms.pair, terms.side) == (fill.venue, fill.pair, fill.side);
        if !fits || !self.orders.bind(id, fill.venue_order_id) {
            // The venue executed something under our id that we did not ask for: true for the ledger, and a person must look.
            out.latch(StopReason::UnknownFill, fill.venue, fill.pair);
            self.book_foreign(fill, out);
            return;
        }
        let Some(order) = self.orders.get(id) else { return };
        self.tally.fills_late += u64::from(order.is_settled() && !order.adopted);
        let Some((base, quote)) = self.book_in_ledger(fill, out) else { return };
        let Some(order) = self.orders.get_mut(id) else { return };
        let effects = order.book(fill.qty, now);
        self.note_taken(id);
        self.note_source(id, fill.source, true, now);
        if terms.purpose == Purpose::Hedge {
            self.measure_unwind(id, fill);
        }
        if self.deals.book(terms.deal, terms.purpose, fill, base, quote)
            && let Some(info) = self.tables.pair(fill.pair)
        {
            self.dust.flowed(info.base, base);
        }
        let rates = self.fees_of(fill.venue, fill.pair);
        if let Some(info) = self.tables.pair(fill.pair)
            && self.fee_watch.judge(fill, info, rates)
            && let Some(venue) = self.venues.get_mut(fill.venue.index())
        {
            venue.want_fees(now);
        }
        self.tally.fills += 1;
        self.tally.add_flow(fill.pair, quote, base);
        let day = DayFlows::day_of(fill.executed_at.map_or(self.wall, |at| UnixNanos(at.0)));
        if let Some(info) = self.tables.pair(fill.pair) {
            self.day_flows.add(day, info.quote, quote);
            self.day_flows.add(day, info.base, base);
            // What was paid in a token is in neither flow of the pair.
            for (asset, fee) in fill.fees.iter().filter(|(asset, _)| *asset != info.base && *asset != info.quote) {
                self.tally.add_token_fee(*asset, *fee);
                self.day_flows.add(day, *asset, -*fee);
            }
        }
        out.notices.push(Notice::Filled {
            deal: Some(terms.deal),
            venue: fill.venue,
            pair: fill.pair,
            side: fill.side,
            price: fill.price,
            qty: fill.qty,
        });
        self.follow(id, effects, now, out);
    }

    fn take_unclaimed_fill(&mut self, now: MonoNanos, fill: &Fill, out: &mut Outbox) {
        let ours = fill.client_id.filter(|id| self.is_ours(*id));
        if fill.client_id.is_none() && self.orders.may_be_ours(fill) {
            if mutants::active(Mutant::EarlyFillDropped) {
                self.orders.note_booked(fill);
                return;
            }
            let same = |kept: &Fill| (kept.venue, kept.pair, kept.trade_id) == (fill.venue, fill.pair, fill.trade_id);
            if self.orders.early.iter().any(same) {
                self.tally.fills_repeated += 1;
                return;
            }
            if self.orders.early.len() < EARLY_FILLS_MAX {
                self.orders.early.push(fill.clone());
                return;
            }
            out.latch(StopReason::UnknownFill, fill.venue, fill.pair);
        }
        if let Some(venue) = self.venues.get_mut(fill.venue.index()).filter(|venue| !venue.has_ledger()) {
            venue.history_seen();
            self.orders.note_booked(fill);
        } else if let Some(id) = ours {
            self.rebuild_lost_order(id, fill, now);
            self.take_own_fill(id, now, fill, out);
        } else if let Some(venue) =
            self.venues.get_mut(fill.venue.index()).filter(|venue| venue.may_hold_already(fill, self.config.visibility_window_ns))
        {
            venue.doubt_ledger(now);
            self.orders.note_booked(fill);
            self.tell_foreign(fill, out);
        } else {
            self.book_foreign(fill, out);
        }
    }

    /// Books a fill of nobody's order.
    fn book_foreign(&mut self, fill: &Fill, out: &mut Outbox) {
        if self.book_in_ledger(fill, out).is_some() {
            self.tell_foreign(fill, out);
        }
    }

    fn tell_foreign(&mut self, fill: &Fill, out: &mut Outbox) {
        self.tally.fills_foreign += 1;
        self.pause_for_a_person(StopReason::ForeignActivity, fill.venue, None, out);
        let (venue, pair) = (fill.venue, fill.pair);
        out.notices.push(Notice::Filled { deal: None, venue, pair, side: fill.side, price: fill.price, qty: fill.qty });
    }

    /// Moves the totals. Returns the changes of (base, quote), fees in them included; `None` when nothing was booked because the
    /// value is absurd.
    fn book_in_ledger(&mut self, fill: &Fill, out: &mut Outbox) -> Option<(Amount, Amount)> {
        let info = self.tables.pair(fill.pair)?;
        let (base_asset, quote_asset) = (info.base, info.quote);
        self.orders.note_booked(fill);
        let Some(value) = fill.value(info.scale) else {
            out.latch(StopReason::UnknownFill, fill.venue, fill.pair);
            return None;
        };
        let gross = info.scale.base_of(fill.qty);
        let (mut base, mut quote) = match fill.side {
            Side::Buy => (gross, -value),
            Side::Sell => (-gross, value),
        };
        for (asset, fee) in &fill.fees {
            self.tally.add_fee(fill.venue, *asset, *fee);
            if *asset == base_asset {
                base -= *fee;
            } else if *asset == quote_asset {
                quote -= *fee;
            } else if !self.ledger.book(fill.venue, *asset, -*fee) {
                out.latch(StopReason::UnknownFill, fill.venue, fill.pair);
            }
        }
        let base_booked =
            if mutants::active(Mutant::FeeIgnored) { if fill.side == Side::Buy { gross } else { -gross } } else { base };
        let booked = self.ledger.book(fill.venue, base_asset, base_booked) && self.ledger.book(fill.venue, quote_asset, quote);
        assert!(booked, "Invariant: the assets of a pair are in the tables");
        if let Some(venue) = self.venues.get_mut(fill.venue.index()) {
            venue.ledger_moved(fill.received);
        }
        Some((base, quote))
    }

    /// Registers an order whose intent is lost, as far as its fills tell. It holds nothing and its quantity grows with its fills.
    fn rebuild_lost_order(&mut self, id: ClientOrderId, fill: &Fill, now: MonoNanos) {
        let deal = self.deal_of_lost_order(fill, now);
        let terms = NewOrder {
            venue: fill.venue,
            pair: fill.pair,
            client_id: id,
            deal,
            purpose: Purpose::Open,
            side: fill.side,
            price: fill.price,
            qty: Qty::ZERO,
            tif: TimeInForce::Ioc,
            deadline: None,
        };
        let mut order = Order::new(terms, now, now, self.wall);
        order.adopted = true;
        order.end(OrderOutcome::Cancelled, now);
        // Its end is no news: only its fills are.
        order.told = Some(OrderOutcome::Filled);
        self.orders.register(order);
        self.orders.set_active(id, false);
        self.deals.add_order(&terms, now);
    }

    /// Gives kept fills to orders that have become known, and what no order can claim any more to nobody.
    pub(crate) fn sort_early_fills(&mut self, now: MonoNanos, out: &mut Outbox) {
        if self.orders.early.is_empty() {
            return;
        }
        // Taken out first: booking one changes an order, and comes back here with nothing left to sort.
        for fill in std::mem::take(&mut self.orders.early) {
            if self.orders.identify_fill(&fill).is_none() && self.orders.may_be_ours(&fill) {
                self.orders.early.push(fill);
            } else {
                self.take_fill(now, &fill, out);
            }
        }
    }
}
