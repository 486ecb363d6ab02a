//! Rows about orders, as every venue's codec makes them.

use domain::{MonoNanos, OrderSource, OrderUpdate, Price, Qty, Side, TimeInForce};

/// Where rows came from, and when.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// Stream, reply or query.
    pub source: OrderSource,
    /// When the answer or push came.
    pub received: MonoNanos,
    /// When a query was asked; `received` for pushes.
    pub requested: MonoNanos,
}

/// An order row, and the terms it echoes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRow {
    /// What it says about the order.
    pub update: OrderUpdate,
    /// Direction.
    pub side: Side,
    /// Price of a limit order.
    pub price: Option<Price>,
    /// Base quantity; `None` for market orders whose amount is in quote.
    pub qty: Option<Qty>,
    /// How long it may rest, as the row says.
    pub tif: EchoedTif,
}

/// The time in force that a row echoes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EchoedTif {
    /// The row does not say.
    Absent,
    /// One that we send.
    Known(TimeInForce),
    /// One that we never send (post-only, fill-or-kill), or an unknown one.
    Other,
}
