//! What a session without a key answers to orders and reads of an account: at once, and never silently.

use domain::command::OrderRef;
use domain::{
    Command, DeadMan, ErrorClass, Input, MonoNanos, OrderReport, OrderSource, OrderUpdate, PairId, ReadFailure, UnknownCause,
    VenueId,
};

/// The answer to a command that needs a key; none for commands that need none.
pub(super) fn answer(venue: VenueId, command: &Command, now: MonoNanos) -> Option<Input> {
    let cancel_failed = OrderReport::CancelFailed { class: ErrorClass::AuthFatal };
    Some(match command {
        Command::Place(order) => {
            let update = bare(venue, order.pair, now, OrderReport::NotSent);
            Input::Order(OrderUpdate { client_id: Some(order.client_id), ..update })
        }
        Command::Cancel(order) => about(order, now, cancel_failed),
        Command::Amend(amend) => about(&amend.order, now, cancel_failed),
        Command::LookUp(order) => about(order, now, OrderReport::Unknown { cause: UnknownCause::LinkLost }),
        Command::CancelAll { pair, .. } => Input::Order(bare(venue, *pair, now, cancel_failed)),
        Command::Read { read, .. } => {
            Input::ReadFailed(ReadFailure { venue, read: *read, class: ErrorClass::AuthFatal, received: now })
        }
        Command::DeadMan { .. } => Input::DeadMan(DeadMan { venue, armed_until: None, ok: false, received: now }),
        Command::Resync { .. } => return None,
    })
}

fn about(order: &OrderRef, now: MonoNanos, report: OrderReport) -> Input {
    let update = bare(order.venue, order.pair, now, report);
    Input::Order(OrderUpdate { client_id: Some(order.client_id), venue_order_id: order.venue_order_id, ..update })
}

fn bare(venue: VenueId, pair: PairId, now: MonoNanos, report: OrderReport) -> OrderUpdate {
    let source = OrderSource::Edge;
    OrderUpdate { venue, pair, client_id: None, venue_order_id: None, source, received: now, requested: now, report }
}
