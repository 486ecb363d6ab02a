//! Whose an execution is: some venues list executions by the id of their order alone, and what is not ours must be told from what is.

use super::wire::wire_id;
use domain::Fill;
use sim_exchange::core::OrderId;
use sim_exchange::world::World;
use std::borrow::Cow;

/// The execution with our id of its order, where the venue knows one and did not tell it with the execution.
pub(super) fn owned<'a>(world: &World, fill: &'a Fill) -> Cow<'a, Fill> {
    if fill.client_id.is_some() {
        return Cow::Borrowed(fill);
    }
    let order = fill.venue_order_id.as_str().parse().ok().and_then(|id| world.exchange(fill.venue.index()).order(OrderId(id)));
    match order.and_then(|order| order.text.as_deref()).and_then(wire_id) {
        Some(id) => Cow::Owned(Fill { client_id: Some(id), ..fill.clone() }),
        None => Cow::Borrowed(fill),
    }
}
