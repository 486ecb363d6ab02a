//! What of a recovered state still needs its venue, pair or asset, when the next run may not have them any more.
//!
//! Open is whatever a run would still act on: an order that is not settled, an execution whose order is not known, a deal whose orders
//! are settled but which is not even to a thousandth (`checkpoint.rs`). The rest is history. A balance is open when an execution ever
//! moved it: one that only lay there is none of the engine's business.

use crate::{Executor, ExecutorConfig, IdSource};
use domain::{Amount, AssetId, DealId, NewOrder, PairId, Tables, VenueId};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Executor {
    /// One that logs are folded into, in tables of the logs, and that never decides.
    pub fn of_logs(config: ExecutorConfig, tables: Arc<Tables>) -> Executor {
        let ids = IdSource::of_no_run(config.instance);
        Executor::new(config, tables, ids)
    }

    /// Whether every order of a deal is settled and what they executed is even. One that is not there is over.
    pub fn deal_is_over(&self, id: DealId) -> bool {
        self.deals.get(id).is_none_or(|deal| {
            let settled = |id| self.orders.get(id).is_none_or(|order| order.is_settled());
            deal.orders().iter().copied().all(settled) && self.is_even(deal)
        })
    }

    /// Whether an order is settled, and so is its deal.
    pub fn order_is_over(&self, terms: &NewOrder) -> bool {
        self.orders.get(terms.client_id).is_none_or(|order| order.is_settled()) && self.deal_is_over(terms.deal)
    }

    /// Pairs of which something is open.
    pub fn pairs_open(&self) -> BTreeSet<PairId> {
        let orders = self.orders.active_orders().map(|order| order.terms.pair);
        let fills = self.orders.early.iter().map(|fill| fill.pair);
        let deals = self.deals.open_deals().filter(|deal| !self.deal_is_over(deal.id)).map(|deal| deal.pair);
        orders.chain(fills).chain(deals).collect()
    }

    /// Ends what is open of a pair that can be traded nowhere any more: what its deals have left lies on their venues, as a balance and
    /// no more as an exposure. False, and nothing is changed, while an order of the pair is not settled or an execution has no order.
    pub fn give_up(&mut self, pair: PairId) -> bool {
        let unsettled = self.orders.active_orders().any(|order| order.terms.pair == pair);
        if unsettled || self.orders.early.iter().any(|fill| fill.pair == pair) {
            return false;
        }
        if let Some(info) = self.tables.pair(pair) {
            let deals = self.deals.all.values_mut().filter(|deal| deal.pair == pair);
            deals.for_each(|deal| deal.leave_as_dust(info.base, &mut self.dust));
        }
        true
    }

    /// Whether an execution there ever moved this asset as the base or quote of its pair, or a deal has left some of it there.
    pub fn was_traded(&self, venue: VenueId, asset: AssetId) -> bool {
        let moves = |pair: PairId| self.tables.pair(pair).is_some_and(|info| info.base == asset || info.quote == asset);
        let booked = || self.orders.booked.keys().any(|(at, pair, _)| *at == venue && moves(*pair));
        self.dust.at(venue, asset) != Amount::ZERO || booked()
    }
}
