//! What a REST request is for, and what is remembered while it is on its way.

use super::order_names::OrderNamesRead;
use super::orders::{CancelAll, Way};
use super::reads::{OpenOrdersRead, TradesRead};
use crate::session::{IoFailure, Ticket};
use domain::command::OrderRef;
use domain::{Amend, ErrorClass, MonoNanos, NewOrder, PairId, UnixNanos};

/// What a request is for.
#[derive(Clone, Debug)]
pub enum What<O> {
    /// The venue's time, for the round of this number ([`crate::clock_sync::ClockSync::round`]).
    Time(u64),
    /// Placing an order.
    Place {
        /// Which.
        order: NewOrder,
        /// The way it takes.
        way: Way,
        /// A planted bug sent it again.
        resent: bool,
    },
    /// Changing an order.
    Amend(Amend),
    /// Cancelling one order.
    Cancel(OrderRef),
    /// Cancelling every order of a pair.
    CancelAll(CancelAll),
    /// The state of one order.
    LookUp {
        /// Which.
        order: OrderRef,
        /// Which of the places that may have it ([`super::wire::Profile::look_up_places`]), from zero on.
        place: u8,
    },
    /// Setting the dead-man switch: whole seconds, zero disarms.
    DeadMan {
        /// Seconds without a word after which the venue cancels everything.
        timeout_s: u64,
    },
    /// A pair's rules.
    Rules(PairId),
    /// All balances.
    Balances,
    /// A page of open orders.
    OpenOrders(OpenOrdersRead),
    /// A page of executions.
    Trades(TradesRead),
    /// The orders behind a page of executions that does not name them.
    OrderNames(OrderNamesRead),
    /// The fees of the pair at this position.
    Fees {
        /// Position in the session's list of pairs.
        index: usize,
        /// That pair.
        pair: PairId,
        /// Why the first of the pairs before could not be read; `None` when all were.
        failed: Option<ErrorClass>,
    },
    /// The rights of the key; a venue may need several requests for them.
    Account {
        /// Which of them, from zero on.
        step: u8,
    },
    /// Something of the session's own.
    Own(O),
}

impl<O> What<O> {
    /// The list of executions that this request goes on with.
    pub(super) const fn trades(&self) -> Option<&TradesRead> {
        match self {
            What::Trades(read) => Some(read),
            What::OrderNames(read) => Some(&read.trades),
            _ => None,
        }
    }

    /// Makes a read that has not left serve another one as well, where it can: the same list from its first page, from the earlier time;
    /// the same order, with the venue's id once that is known.
    pub(super) fn also_serves(&mut self, other: &What<O>) -> bool {
        match (self, other) {
            (What::Balances, What::Balances)
            | (What::Account { step: 0 }, What::Account { step: 0 })
            | (What::Fees { index: 0, .. }, What::Fees { index: 0, .. }) => true,
            (What::OpenOrders(waiting), What::OpenOrders(read)) => waiting.page == read.page,
            (What::Trades(waiting), What::Trades(read)) => waiting.begins_with(read),
            (What::LookUp { order: waiting, place: 0 }, What::LookUp { order, place: 0 })
                if waiting.client_id == order.client_id =>
            {
                waiting.venue_order_id = waiting.venue_order_id.or(order.venue_order_id);
                true
            }
            _ => false,
        }
    }
}

/// A request: what it is for, and how often it was tried before.
pub(super) struct Asked<O> {
    pub(super) what: What<O>,
    pub(super) attempt: u8,
}

impl<O: Clone> Asked<O> {
    /// The same request, for what may still be told about it.
    pub(super) fn again(&self) -> Asked<O> {
        Asked { what: self.what.clone(), attempt: self.attempt }
    }
}

/// A request on the wire.
pub(super) struct InFlight<O> {
    pub(super) asked: Asked<O>,
    pub(super) sent: MonoNanos,
    /// Venue time at which it left, by our estimate.
    pub(super) venue_ns: i64,
    pub(super) wall: UnixNanos,
}

/// An answer without its driver's types: status and body, or a failure.
pub enum Answer<'a> {
    /// Any HTTP answer.
    Http {
        /// Status code.
        status: u16,
        /// Body.
        body: &'a mut [u8],
    },
    /// None.
    Failed(IoFailure),
}

/// The answer to a request of the session's own.
pub struct OwnAnswer<'a, O> {
    /// What was asked.
    pub own: O,
    /// When.
    pub sent: MonoNanos,
    /// What came.
    pub answer: Answer<'a>,
}

/// Tickets of requests, handed out once each.
#[derive(Debug, Default)]
pub(super) struct Tickets(u64);

impl Tickets {
    pub(super) fn next(&mut self) -> Ticket {
        self.0 += 1;
        Ticket(self.0)
    }
}
