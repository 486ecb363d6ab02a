//! Every order of ours that the log knows, found by our id or by the venue's, and the fills that were already booked.
//!
//! Orders are registered at intent time, so that a fill or an update may overtake the acknowledgement (F17). What is long past is
//! forgotten (`checkpoint.rs`); a fill of then that repeats (F25) is known by its date.

use crate::orders::Order;
use domain::mutants::{self, Mutant};
use domain::{ClientOrderId, Fill, OrderUpdate, PairId, TradeId, UnixNanos, VenueId, VenueOrderId};
use std::collections::{BTreeMap, BTreeSet};

/// Fills kept whose order is not known yet. At the bound a fill is booked as foreign at once, which stops trading.
pub(crate) const EARLY_FILLS_MAX: usize = 256;

/// The orders.
#[derive(Clone, Debug, Default)]
pub(crate) struct Orders {
    pub(crate) all: BTreeMap<ClientOrderId, Order>,
    pub(crate) by_venue_id: BTreeMap<(VenueId, PairId, VenueOrderId), ClientOrderId>,
    /// Orders that are not settled.
    active: BTreeSet<ClientOrderId>,
    /// Each with the time of its execution, where the venue tells.
    pub(crate) booked: BTreeMap<(VenueId, PairId, TradeId), Option<UnixNanos>>,
    /// The newest of these times, by the venue's clock.
    newest: BTreeMap<(VenueId, PairId), UnixNanos>,
    /// Fills that name only a venue order id which is not known yet.
    pub(crate) early: Vec<Fill>,
}

impl Orders {
    /// Registers a new order.
    ///
    /// # Panics
    /// When its id is registered already: ids are never used twice (I3).
    pub(crate) fn register(&mut self, order: Order) {
        let id = order.terms.client_id;
        self.active.insert(id);
        let before = self.all.insert(id, order);
        // A planted bug lies behind this assertion: what stands outside the engine must find it by itself (I3).
        assert!(before.is_none() || mutants::active(Mutant::IdReusedAfterRestart), "Invariant: a client order id is used once");
    }

    pub(crate) fn get(&self, id: ClientOrderId) -> Option<&Order> {
        self.all.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: ClientOrderId) -> Option<&mut Order> {
        self.all.get_mut(&id)
    }

    pub(crate) fn active(&self) -> &BTreeSet<ClientOrderId> {
        &self.active
    }

    pub(crate) fn active_orders(&self) -> impl Iterator<Item = &Order> {
        self.active.iter().filter_map(|id| self.all.get(id))
    }

    pub(crate) fn active_on(&self, venue: VenueId) -> impl Iterator<Item = &Order> {
        self.active_orders().filter(move |order| order.terms.venue == venue)
    }

    pub(crate) fn set_active(&mut self, id: ClientOrderId, active: bool) {
        if active {
            self.active.insert(id);
        } else {
            self.active.remove(&id);
        }
    }

    /// The order that an update is about, if it is ours.
    pub(crate) fn identify(&self, update: &OrderUpdate) -> Option<ClientOrderId> {
        let by_ours = update.client_id.filter(|id| self.all.contains_key(id));
        by_ours.or_else(|| self.by_venue_id(update.venue, update.pair, update.venue_order_id?))
    }

    /// The order that a fill is of, if it is ours.
    pub(crate) fn identify_fill(&self, fill: &Fill) -> Option<ClientOrderId> {
        let by_ours = fill.client_id.filter(|id| self.all.contains_key(id));
        by_ours.or_else(|| self.by_venue_id(fill.venue, fill.pair, fill.venue_order_id))
    }

    fn by_venue_id(&self, venue: VenueId, pair: PairId, id: VenueOrderId) -> Option<ClientOrderId> {
        self.by_venue_id.get(&(venue, pair, id)).copied()
    }

    /// Notes the venue's id of an order. False when the order has another one already, or another order has this one.
    pub(crate) fn bind(&mut self, id: ClientOrderId, venue_order_id: VenueOrderId) -> bool {
        let Some(order) = self.all.get_mut(&id) else { return false };
        match order.venue_order_id {
            Some(known) => known == venue_order_id,
            None => {
                let key = (order.terms.venue, order.terms.pair, venue_order_id);
                if *self.by_venue_id.entry(key).or_insert(id) != id {
                    return false;
                }
                order.venue_order_id = Some(venue_order_id);
                true
            }
        }
    }

    /// Drops a settled order.
    pub(crate) fn forget(&mut self, id: ClientOrderId) {
        let Some(order) = self.all.remove(&id) else { return };
        assert!(order.is_settled(), "Invariant: only what is settled is forgotten");
        if let Some(theirs) = order.venue_order_id {
            self.by_venue_id.remove(&(order.terms.venue, order.terms.pair, theirs));
        }
    }

    /// Whether a fill was booked before.
    pub(crate) fn is_booked(&self, fill: &Fill) -> bool {
        self.booked.contains_key(&(fill.venue, fill.pair, fill.trade_id))
    }

    pub(crate) fn note_booked(&mut self, fill: &Fill) {
        self.restore_booked((fill.venue, fill.pair, fill.trade_id), fill.executed_at.map(|at| UnixNanos(at.0)));
    }

    /// An execution that was booked, and when it was by the venue's clock.
    pub(crate) fn restore_booked(&mut self, key: (VenueId, PairId, TradeId), executed: Option<UnixNanos>) {
        if let Some(at) = executed {
            let newest = self.newest.entry((key.0, key.1)).or_insert(at);
            *newest = at.max(*newest);
        }
        self.booked.insert(key, executed);
    }

    /// When the newest booked execution of a pair was, by the venue's clock.
    pub(crate) fn newest(&self, venue: VenueId, pair: PairId) -> Option<UnixNanos> {
        self.newest.get(&(venue, pair)).copied()
    }

    /// Whether some order could be the one that a fill without our id belongs to: not settled, and its venue id unknown.
    pub(crate) fn may_be_ours(&self, fill: &Fill) -> bool {
        self.active_orders().any(|order| {
            let terms = &order.terms;
            order.venue_order_id.is_none() && (terms.venue, terms.pair, terms.side) == (fill.venue, fill.pair, fill.side)
        })
    }
}
