//! What the engine asks of a venue session. Sessions turn commands into bytes; every answer comes back as an
//! [`crate::message::Input`].

use crate::ids::{ClientOrderId, DealId, PairId, VenueId, VenueOrderId};
use crate::lists::{ResyncReason, Side};
use crate::number::{Price, Qty};
use crate::time::{MonoNanos, UnixNanos};

/// A request of the engine to one venue session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Place an order. Its intent is in the state log before this command leaves the engine's thread.
    Place(NewOrder),
    /// Ask for one order to be cancelled; the answer is evidence about the order.
    Cancel(OrderRef),
    /// Cancel everything on a venue that carries our prefix or not: used at the end of a run.
    CancelAll {
        /// Which venue.
        venue: VenueId,
        /// Which pair.
        pair: PairId,
    },
    /// Ask for the state of one order.
    LookUp(OrderRef),
    /// Change price or quantity of a resting order. No plan rests orders, so the engine never sends it; a session takes it.
    Amend(Amend),
    /// Ask for a list or a table.
    Read {
        /// Which venue.
        venue: VenueId,
        /// What.
        read: ReadKind,
    },
    /// Arm or refresh the venue's dead-man switch (Gate `POST /spot/countdown_cancel_all`); zero disarms. The answer is an
    /// [`crate::message::Input::DeadMan`]. A venue without one answers `ok: false` at once.
    DeadMan {
        /// Which venue.
        venue: VenueId,
        /// Time without a refresh after which the venue cancels everything, nanoseconds; zero disarms.
        timeout_ns: u64,
    },
    /// The engine found a fault in the book that the session did not: fetch it anew.
    Resync {
        /// Which venue.
        venue: VenueId,
        /// Which pair.
        pair: PairId,
        /// What was wrong.
        reason: ResyncReason,
    },
}

impl Command {
    /// The venue it goes to.
    pub const fn venue(&self) -> VenueId {
        match self {
            Command::Place(order) => order.venue,
            Command::Cancel(order) | Command::LookUp(order) => order.venue,
            Command::Amend(amend) => amend.order.venue,
            Command::CancelAll { venue, .. }
            | Command::Read { venue, .. }
            | Command::DeadMan { venue, .. }
            | Command::Resync { venue, .. } => *venue,
        }
    }
}

/// An order to place: always a marketable limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewOrder {
    /// Which venue.
    pub venue: VenueId,
    /// Which pair.
    pub pair: PairId,
    /// Our id, never used before.
    pub client_id: ClientOrderId,
    /// The deal it belongs to.
    pub deal: DealId,
    /// Why it is sent.
    pub purpose: Purpose,
    /// Direction.
    pub side: Side,
    /// Worst price we accept; a multiple of the venue's price step.
    pub price: Price,
    /// Base quantity; a multiple of the venue's quantity step.
    pub qty: Qty,
    /// How long it may rest.
    pub tif: TimeInForce,
    /// Not to be executed after this time; the edge converts it with the venue's clock offset (Gate `x-gate-exptime`) and
    /// answers `NotSent` if it has passed.
    pub deadline: Option<MonoNanos>,
}

/// Why an order is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Purpose {
    /// Opens exposure: a leg of a plan.
    Open,
    /// Closes exposure.
    Hedge,
}

/// How long an order may rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum TimeInForce {
    /// Fill what crosses at once, cancel the rest.
    Ioc,
    /// Rest until cancelled. Not used by plans; kept for tests of cancel paths.
    Gtc,
}

/// Names one of our orders to a venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderRef {
    /// Which venue.
    pub venue: VenueId,
    /// Which pair.
    pub pair: PairId,
    /// Our id.
    pub client_id: ClientOrderId,
    /// The venue's, once known; better than ours for look-ups.
    pub venue_order_id: Option<VenueOrderId>,
}

/// A change of one of our resting orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amend {
    /// Which order.
    pub order: OrderRef,
    /// New limit price; `None` to keep it.
    pub price: Option<Price>,
    /// New total base quantity, what is filled included; `None` to keep it.
    pub qty: Option<Qty>,
}

/// What to read from a venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReadKind {
    /// Balances (`/spot/accounts`).
    Balances,
    /// All open orders.
    OpenOrders,
    /// Executions of a pair from a time on.
    Trades {
        /// Which pair.
        pair: PairId,
        /// From this venue time.
        since: UnixNanos,
    },
    /// Fee rates of every pair.
    Fees,
    /// Rights of the key.
    Account,
    /// Server time.
    Time,
}
