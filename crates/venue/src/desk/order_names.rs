//! Whose order an execution belongs to, at a venue whose lists of executions do not tell our ids (Binance `myTrades`).
//!
//! Most orders were met before, in an answer or on the private stream, and are remembered. An execution of any other, say of a hedge
//! that left while the log could not be written, would pass for somebody else's and its deal would be hedged twice. So a list of
//! executions is held back until the orders that nobody knows were read too, from the oldest of them on; then it tells all names at once.
//!
//! What its pages told is kept with the list: what is remembered of all pairs together may be fewer orders than one list has. Each
//! page leads further on, so that a list ends however long it is.
//!
//! Start at [`Desk::trades_named`].

use super::Desk;
use super::reads::TradesRead;
use super::what::What;
use super::wire::Wire;
use domain::time::SECOND;
use domain::{ClientOrderId, ErrorClass, Fill, Input, MonoNanos, OrderUpdate, PairId, ReadFailure, VenueOrderId};
use std::collections::{BTreeMap, VecDeque};

/// Orders remembered at most, of all pairs; the oldest is forgotten first, and read again when an execution of another list asks
/// for it.
const KEPT_MAX: usize = 8192;
/// Pages of orders that one list of executions takes at most: a million orders where these are full, a thousand where the venue
/// lists none.
const PAGES_MAX: u32 = 1000;
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

/// What the pages of orders told about a list of executions, which holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NamesTold {
    /// No order up to this one is asked for any more: what has no name by now is somebody else's.
    up_to: Option<VenueOrderId>,
    /// Pages that were asked for.
    pages: u32,
}

impl NamesTold {
    /// Before the first page.
    pub(super) const NONE: NamesTold = NamesTold { up_to: None, pages: 0 };

    fn covers(&self, order: &VenueOrderId) -> bool {
        self.up_to.is_some_and(|last| rank(order) <= rank(&last))
    }
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

    /// Names what can be named, and gives the oldest order that is not known and that no page has told of.
    fn name(&self, trades: &mut TradesRead) -> Option<VenueOrderId> {
        let TradesRead { pair, fills, names, .. } = trades;
        let mut unknown = None;
        for fill in fills.iter_mut().filter(|fill| fill.client_id.is_none() && !names.covers(&fill.venue_order_id)) {
            match self.known.get(&(*pair, fill.venue_order_id)) {
                Some(client_id) => fill.client_id = *client_id,
                None => unknown = Some(unknown.map_or(fill.venue_order_id, |id| older(id, fill.venue_order_id))),
            }
        }
        unknown
    }

    /// A page of orders that was to begin with `from`, asked for at this time of the venue: it tells of all orders up to its last
    /// one, and of `from` in any case. How long a page is hangs on the venue, so that a short one, or one without any order, tells
    /// no more.
    ///
    /// An order that it should have and lacks has been put away by the venue: nobody names it. Not one that traded only just now:
    /// the page is older than the executions, and to take its word would make an order of ours somebody else's. The next page is to
    /// begin with such an order. False when this one was.
    fn came(&mut self, trades: &mut TradesRead, from: VenueOrderId, page: &[OrderName], venue_ns: i64) -> bool {
        let TradesRead { pair, fills, names, .. } = trades;
        let mut listed: BTreeMap<VenueOrderId, Option<ClientOrderId>> = BTreeMap::new();
        for OrderName { venue_order_id, client_id } in page {
            self.know((*pair, *venue_order_id), *client_id);
            let name = listed.entry(*venue_order_id).or_default();
            *name = name.or(*client_id);
        }
        let last = page.iter().map(|order| order.venue_order_id).fold(from, newer);
        let is_covered = |fill: &Fill| (rank(&from)..=rank(&last)).contains(&rank(&fill.venue_order_id));
        let (mut lacking, mut doubted) = (Vec::new(), None);
        for fill in fills.iter_mut().filter(|fill| fill.client_id.is_none() && is_covered(fill)) {
            let order = fill.venue_order_id;
            // Whatever was told of it meanwhile counts too.
            let known = self.known.get(&(*pair, order)).copied();
            match listed.get(&order).map(|name| name.or(known.flatten())).or(known) {
                Some(client_id) => fill.client_id = client_id,
                None if fill.executed_at.is_none_or(|at| venue_ns.saturating_sub(at.0) < LISTED_WITHIN_NS) => {
                    doubted = Some(doubted.map_or(order, |id| older(id, order)));
                }
                None => lacking.push(order),
            }
        }
        if doubted == Some(from) {
            return false;
        }
        let is_told = |order: &VenueOrderId| doubted.is_none_or(|doubted| rank(order) < rank(&doubted));
        for order in lacking.into_iter().filter(is_told) {
            self.know((*pair, order), None);
        }
        let told = fills.iter().filter(|fill| is_covered(fill)).map(|fill| fill.venue_order_id).filter(is_told);
        names.up_to = Some(told.fold(from, newer));
        true
    }
}

/// Ids of such a venue are whole numbers that grow: a shorter one is smaller.
fn rank(id: &VenueOrderId) -> (usize, VenueOrderId) {
    (id.as_str().len(), *id)
}

fn older(one: VenueOrderId, other: VenueOrderId) -> VenueOrderId {
    if rank(&other) < rank(&one) { other } else { one }
}

fn newer(one: VenueOrderId, other: VenueOrderId) -> VenueOrderId {
    if rank(&other) > rank(&one) { other } else { one }
}

impl<W: Wire> Desk<W> {
    /// The list with its names, once each of its orders is known or was asked for; until then `None`, and what is missing has been
    /// asked for. A list that takes more pages than it may has failed.
    pub(super) fn trades_named(
        &mut self,
        mut trades: TradesRead,
        now: MonoNanos,
        updates: &mut Vec<Input>,
    ) -> Option<TradesRead> {
        if W::PROFILE.executions_named {
            return Some(trades);
        }
        let Some(from) = self.order_names.name(&mut trades) else { return Some(trades) };
        if trades.names.pages >= PAGES_MAX {
            let (venue, read, class) = (self.venue, trades.kind(), ErrorClass::Unknown);
            updates.push(Input::ReadFailed(ReadFailure { venue, read, class, received: now }));
            return None;
        }
        trades.names.pages += 1;
        let pair = trades.pair;
        self.ask(What::OrderNames(OrderNamesRead { trades, pair, from }));
        None
    }

    /// A page of orders came, asked for at this time of the venue. False when it is older than the executions and has to be asked
    /// for again.
    pub(super) fn order_names_came(&mut self, read: &mut OrderNamesRead, page: &[OrderName], venue_ns: i64) -> bool {
        let OrderNamesRead { trades, from, .. } = read;
        self.order_names.came(trades, *from, page, venue_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{MonoNanos, Price, Qty, Role, Side, TradeId, UnixNanos, VenueId, VenueNanos};

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

    fn list(orders: &[u64]) -> TradesRead {
        let mut trades = TradesRead::new(PAIR, UnixNanos(0));
        trades.fills.extend(orders.iter().map(|order| fill(*order)));
        trades
    }

    fn named(trades: &TradesRead) -> Vec<Option<ClientOrderId>> {
        trades.fills.iter().map(|fill| fill.client_id).collect()
    }

    #[test]
    fn what_is_known_is_named_and_the_oldest_of_the_rest_is_asked_for() {
        let ours = ClientOrderId::new(1, 2, 3, 0);
        let mut names = OrderNames::default();
        names.know((PAIR, id(7)), ours);
        names.know((PAIR, id(8)), None);
        names.know((PairId(2), id(9)), ours);
        let mut trades = list(&[7, 8, 100, 9, 101]);
        assert_eq!(names.name(&mut trades), Some(id(9)), "of this pair, and 9 is smaller than 100");
        assert_eq!(named(&trades), [ours, None, None, None, None]);
        for order in [9, 100, 101] {
            names.know((PAIR, id(order)), None);
        }
        assert_eq!(names.name(&mut trades), None, "somebody else's are known too");
    }

    #[test]
    fn each_page_leads_further_whatever_is_on_it() {
        const NOW_NS: i64 = 10 * LISTED_WITHIN_NS;
        let ours = ClientOrderId::new(1, 2, 3, 0);
        let row = |order: u64| OrderName { venue_order_id: id(order), client_id: ours.filter(|_| order.is_multiple_of(4)) };
        // What the page has, what traded just now, and which order the next page is to begin with.
        for (page, recent, next) in [
            (&[8, 9, 100, 101, 102][..], &[][..], None),
            (&[8, 9], &[], Some(100)),
            (&[8, 9], &[100, 101], Some(100)),
            (&[8, 100], &[], Some(101)),
            (&[100], &[], Some(101)),
            (&[200], &[], None),
            // Without the order that it should have begun with, or any.
            (&[9], &[], Some(100)),
            (&[], &[], Some(9)),
            (&[], &[9, 100], Some(9)),
            (&[1, 2], &[], Some(9)),
            // What traded just now is asked for by itself.
            (&[8, 100, 101], &[9], Some(9)),
            (&[8, 9, 101], &[100], Some(100)),
            (&[200], &[101], Some(101)),
            // It was: the same page again.
            (&[100], &[8], Some(8)),
            (&[], &[8], Some(8)),
            (&[1, 2], &[8], Some(8)),
        ] {
            let mut trades = list(&[101, 8, 100, 9, 8]);
            for fill in &mut trades.fills {
                let is_recent = recent.iter().any(|order| fill.venue_order_id == id(*order));
                fill.executed_at = Some(VenueNanos(if is_recent { NOW_NS - LISTED_WITHIN_NS + 1 } else { 0 }));
            }
            let mut names = OrderNames::default();
            assert_eq!(names.name(&mut trades), Some(id(8)));
            let rows: Vec<OrderName> = page.iter().map(|order| row(*order)).collect();
            let came = names.came(&mut trades, id(8), &rows, NOW_NS);
            assert_eq!(came, next != Some(8), "{page:?}, {recent:?}");
            let told = [101, 8, 100, 9, 8].map(|order| if page.contains(&order) { row(order).client_id } else { None });
            assert_eq!(named(&trades), told, "{page:?}, {recent:?}");
            assert_eq!(names.name(&mut trades), next.map(id), "{page:?}, {recent:?}");
            // Once all else that was learnt is forgotten, orders behind the page are asked for again, but none before.
            if let Some(next) = OrderNames::default().name(&mut trades).filter(|_| came) {
                let last = page.iter().copied().filter(|last| *last > 8).max().unwrap_or(8);
                assert!(rank(&next) > rank(&id(last)) || recent.contains(&next.as_str().parse().unwrap()), "{page:?}: {next:?}");
            }
        }
    }

    #[test]
    fn what_was_told_of_an_order_while_a_page_was_on_its_way_counts_too() {
        let ours = ClientOrderId::new(1, 2, 3, 0);
        let mut names = OrderNames::default();
        let mut trades = list(&[8, 9, 10]);
        names.know((PAIR, id(8)), ours);
        names.know((PAIR, id(9)), ours);
        names.know((PAIR, id(10)), None);
        let rows = [9, 11].map(|order| OrderName { venue_order_id: id(order), client_id: None });
        assert!(names.came(&mut trades, id(8), &rows, 0), "it is known whose they are, however new");
        assert_eq!(named(&trades), [ours, ours, None]);
        assert_eq!(names.name(&mut trades), None);
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
