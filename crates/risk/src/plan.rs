//! What may be sent: a plan of two legs, or one hedge order.

use domain::{DealId, MonoNanos, PairId, Price, Qty, Side, VenueId, Waterfall};

/// One leg: a marketable IOC limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    /// Where.
    pub venue: VenueId,
    /// Worst price; a multiple of the venue's price step.
    pub price: Price,
    /// Base quantity; a multiple of the venue's quantity step.
    pub qty: Qty,
}

/// Two legs to send together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Which pair.
    pub pair: PairId,
    /// Gross base to buy, solved upward from the sell size.
    pub buy: Leg,
    /// Base to sell: the net base received, rounded down to the sell lot.
    pub sell: Leg,
    /// What it should earn.
    pub expected: Waterfall,
    /// Not to be executed after this.
    pub deadline: MonoNanos,
}

/// One order that reduces exposure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HedgeOrder {
    /// The deal it serves.
    pub deal: DealId,
    /// Which pair.
    pub pair: PairId,
    /// Direction.
    pub side: Side,
    /// Where, how much, at worst.
    pub leg: Leg,
}
