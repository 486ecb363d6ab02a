//! Whose order an execution belongs to, at a venue whose lists of executions do not tell our ids (Binance `myTrades`).
//!
//! Most orders were met before, in an answer or on the private stream, and are remembered. An execution of any other, say of a hedge
//! that left while the log could not be written, would pass for somebody else's and its deal would be hedged twice. So a list of
//! executions is held back until the orders that nobody knows were read too, from the oldest of them on; then it tells all names at once.
//!
//! Start at [`Desk::trades_named`].

use super::Desk;
use super::reads::TradesRead;
use super::what::What;
use super::wire::Wire;
use domain::time::SECOND;
use domain::{ClientOrderId, Fill, OrderUpdate, PairId, VenueNanos, VenueOrderId};
use std::collections::{BTreeMap, VecDeque};

/// Orders remembered at most; the oldest is forgotten first, and read again when an execution asks for it.
const KEPT_MAX: usize = 8192;
/// An order that traded within this time and is not listed will be: lists of orders come later than those of executions.
const LISTED_WITHIN_NS: i64 = 600 * SECOND as i64;

type Order = (PairId, VenueOrderId);

/// One order of a list: the venue's id, and ours where it is one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderName {
    /// The venue's id.
    pub venue_order_id: VenueOrderId,
    /// Our id; `None` for an order of somebody else.
    pub client_id: Option<ClientOrderId>,
}

/// The orders behind a list of executions being read.
#[derive(Clone, Debug)]
pub struct OrderNamesRead {
    /// The list that waits for them.
    pub(super) trades: TradesRead,
    /// Of which pair.
    pub pair: PairId,
    /// The oldest order that is not known: the page begins with it.
    pub from: VenueOrderId,
}

/// Orders that were met, each with our id or as somebody else's.
#[derive(Debug, Default)]
pub(super) struct OrderNames {
    known: BTreeMap<Order, Option<ClientOrderId>>,
    met: VecDeque<Order>,
}

impl OrderNames {
    /// An order was told.
    pub(super) fn note(&mut self, update: &OrderUpdate) {
        if let Some(id) = update.venue_order_id {
            self.know((update.pair, id), update.client_id);
        }
    }

    fn know(&mut self, order: Order, client_id: Option<ClientOrderId>) {
        match self.known.get_mut(&order) {
            Some(known) => *known = known.or(client_id),
            None => {
                if self.met.len() >= KEPT_MAX
                    && let Some(oldest) = self.met.pop_front()
                {
                    self.known.remove(&oldest);
                }
                self.known.insert(order, client_id);
                self.met.push_back(order);
            }
        }
    }

    /// Names what can be named, and gives the oldest order that is not known.
    fn name(&self, pair: PairId, fills: &mut [Fill]) -> Option<VenueOrderId> {
        let mut unknown = None;
        for fill in fills.iter_mut().filter(|fill| fill.client_id.is_none()) {
            match self.known.get(&(pair, fill.venue_order_id)) {
                Some(client_id) => fill.client_id = *client_id,
                None => unknown = Some(unknown.map_or(fill.venue_order_id, |id| older(id, fill.venue_order_id))),
            }
        }
        unknown
    }
}

/// Ids of such a venue are whole numbers that grow: a shorter one is smaller.
fn older(one: VenueOrderId, other: VenueOrderId) -> VenueOrderId {
    let rank = |id: &VenueOrderId| (id.as_str().len(), *id);
    if rank(&other) < rank(&one) { other } else { one }
}

impl<W: Wire> Desk<W> {
    /// The list with its names, once each of its orders is known; until then `None`, and what is missing has been asked for.
    pub(super) fn trades_named(&mut self, mut trades: TradesRead) -> Option<TradesRead> {
        if W::PROFILE.executions_named {
            return Some(trades);
        }
        let pair = trades.pair;
        let Some(from) = self.order_names.name(pair, &mut trades.fills) else { return Some(trades) };
        self.ask(What::OrderNames(OrderNamesRead { trades, pair, from }));
        None
    }

    /// A page of orders came, asked for at this time of the venue. False when it lacks the order that it should have begun with although
    /// that one traded only just now: the page is older than the executions, and to take its word would make an order of ours somebody
    /// else's. One that traded long ago has been put away by the venue: nobody names it.
    pub(super) fn order_names_came(&mut self, read: &OrderNamesRead, page: &[OrderName], venue_ns: i64) -> bool {
        let OrderNamesRead { trades, pair, from } = read;
        for order in page {
            self.order_names.know((*pair, order.venue_order_id), order.client_id);
        }
        let listed = page.iter().any(|order| order.venue_order_id == *from);
        let mut times = trades.fills.iter().filter(|fill| fill.venue_order_id == *from).map(|fill| fill.executed_at);
        let is_recent = |at: Option<VenueNanos>| at.is_none_or(|at| venue_ns.saturating_sub(at.0) < LISTED_WITHIN_NS);
        if !listed && times.any(is_recent) {
            return false;
        }
        self.order_names.know((*pair, *from), None);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{MonoNanos, Price, Qty, Role, Side, TradeId, VenueId};

    const PAIR: PairId = PairId(1);

    fn id(number: u64) -> VenueOrderId {
        VenueOrderId::new(&number.to_string()).unwrap()
    }

    fn fill(order: u64) -> Fill {
        Fill {
            venue: VenueId(0),
            pair: PAIR,
            trade_id: TradeId::new(&format!("t{order}")).unwrap(),
            client_id: None,
            venue_order_id: id(order),
            side: Side::Buy,
            price: Price::from_units(1).unwrap(),
            qty: Qty::from_units(1).unwrap(),
            quote: None,
            fees: Default::default(),
            role: Role::Taker,
            executed_at: None,
            source: domain::OrderSource::Query,
            received: MonoNanos(0),
        }
    }

    #[test]
    fn what_is_known_is_named_and_the_oldest_of_the_rest_is_asked_for() {
        let ours = ClientOrderId::new(1, 2, 3, 0);
        let mut names = OrderNames::default();
        names.know((PAIR, id(7)), ours);
        names.know((PAIR, id(8)), None);
        names.know((PairId(2), id(9)), ours);
        let mut fills = [fill(7), fill(8), fill(100), fill(9), fill(101)];
        assert_eq!(names.name(PAIR, &mut fills), Some(id(9)), "of this pair, and 9 is smaller than 100");
        assert_eq!(fills.each_ref().map(|fill| fill.client_id), [ours, None, None, None, None]);
        for order in [9, 100, 101] {
            names.know((PAIR, id(order)), None);
        }
        assert_eq!(names.name(PAIR, &mut fills), None, "somebody else's are known too");
    }

    #[test]
    fn a_name_is_never_lost_to_news_without_one_and_the_memory_is_bounded() {
        let ours = ClientOrderId::new(1, 2, 3, 0);
        let mut names = OrderNames::default();
        names.know((PAIR, id(1)), None);
        names.know((PAIR, id(1)), ours);
        names.know((PAIR, id(1)), None);
        assert_eq!(names.known.get(&(PAIR, id(1))), Some(&ours));
        for order in 2..=KEPT_MAX as u64 + 1 {
            names.know((PAIR, id(order)), None);
        }
        assert_eq!((names.known.len(), names.met.len()), (KEPT_MAX, KEPT_MAX));
        assert_eq!(names.known.get(&(PAIR, id(1))), None, "the oldest went");
    }
}
