//! What a run starts from, item by item: everything that folding the state log up to there has left behind.
//!
//! The executor takes itself apart into items and puts itself together from them; the journal writes them at the beginning of an
//! epoch. Times of a process are in none of them: they mean nothing in the next one.

use crate::{
    Amount, AssetId, ClientOrderId, DealId, FeeRates, Fill, Label, NewOrder, OrderOutcome, PairId, Qty, Rate, Role, StopReason,
    TradeId, UnixNanos, UnknownCause, Unwind, VenueId, VenueOrderId,
};

/// One part of a checkpoint. Their order has no meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckpointItem {
    /// What is known of time and ids.
    Clock {
        /// The newest wall time that the log proves.
        wall: UnixNanos,
        /// The highest epoch of an order id.
        epoch_seen: Option<u64>,
        /// The last deal id given.
        last_deal: DealId,
    },
    /// An epoch of this run directory: ids of it are ours.
    Epoch {
        /// Which.
        epoch: u64,
    },
    /// A venue's account.
    Venue {
        /// Which.
        venue: VenueId,
        /// Whether its balances were ever taken over: there is a ledger.
        adopted: bool,
    },
    /// What is known of a pair's executions on a venue.
    Trades {
        /// Whose.
        venue: VenueId,
        /// Of which pair.
        pair: PairId,
        /// The venue lists the pair.
        listed: bool,
        /// Everything before was read.
        covered: Option<UnixNanos>,
        /// Executions before were booked and their ids are no longer kept.
        forgotten: Option<UnixNanos>,
    },
    /// An open order that is not ours and was counted.
    ForeignOrder {
        /// On which venue.
        venue: VenueId,
        /// The venue's id of it.
        id: VenueOrderId,
    },
    /// Rates that were told.
    Fees {
        /// The rates.
        rates: FeeRates,
    },
    /// A charge that the rates do not explain.
    Charge {
        /// On which venue.
        venue: VenueId,
        /// For which pair.
        pair: PairId,
        /// The charge.
        charge: ChargeState,
    },
    /// One line of the ledger. What is reserved follows from the orders.
    Holding {
        /// On which venue.
        venue: VenueId,
        /// Of which asset.
        asset: AssetId,
        /// Everything there.
        total: Amount,
        /// Held by orders that are not ours.
        elsewhere: Amount,
        /// It ever held or moved anything.
        used: bool,
    },
    /// What deals that are forgotten have left.
    Dust {
        /// On which venue.
        venue: VenueId,
        /// Of which asset.
        asset: AssetId,
        /// Of either sign.
        left: Amount,
    },
    /// What own executions of a day moved.
    DayFlow {
        /// Days since 1970, UTC.
        day: i64,
        /// Which asset.
        asset: AssetId,
        /// Its change, fees included.
        flow: Amount,
    },
    /// A pause of a venue that only a person ends.
    Standing {
        /// Why.
        reason: StopReason,
        /// Of which venue.
        venue: VenueId,
        /// Of which pair, when of one only.
        pair: Option<PairId>,
    },
    /// A latch in force.
    Latch {
        /// Why it was set.
        reason: StopReason,
    },
    /// The engine is draining.
    Draining,
    /// An execution that was booked.
    Booked {
        /// On which venue.
        venue: VenueId,
        /// Of which pair.
        pair: PairId,
        /// The venue's id of it.
        trade_id: TradeId,
        /// When it was, where the venue tells.
        executed: Option<UnixNanos>,
    },
    /// An execution whose order is not known yet.
    EarlyFill {
        /// The execution.
        fill: Fill,
    },
    /// An order.
    Order {
        /// The order.
        order: OrderState,
    },
    /// A deal.
    Deal {
        /// The deal.
        deal: DealState,
    },
}

/// How far an order's life is known, across a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderStage {
    /// May or may not exist.
    Unknown {
        /// Why.
        cause: UnknownCause,
    },
    /// The venue has it.
    Open,
    /// Ended.
    Done {
        /// How.
        outcome: OrderOutcome,
    },
}

/// One order, without the times of its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderState {
    /// As it was sent.
    pub terms: NewOrder,
    /// How far its life is known.
    pub stage: OrderStage,
    /// The venue's id of it.
    pub venue_order_id: Option<VenueOrderId>,
    /// A wall time not after its placing.
    pub wall_floor: UnixNanos,
    /// Cumulative base executed, by updates.
    pub reported: Qty,
    /// Base of the executions booked.
    pub booked: Qty,
    /// The venue's label of a refusal.
    pub label: Label,
    /// Fee rate charged in what it spends.
    pub fee_on_spend: Option<Rate>,
    /// Fee rate charged in the base that it receives.
    pub fee_on_base: Option<Rate>,
    /// Rebuilt from its executions: its intent was lost.
    pub adopted: bool,
    /// The private link told of it.
    pub shown: bool,
    /// The quantity that the venue has it for, should that not be ours.
    pub theirs: Option<Qty>,
    /// The outcome told last.
    pub told: Option<OrderOutcome>,
}

/// One deal, without the times of its process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DealState {
    /// Which.
    pub id: DealId,
    /// What it trades.
    pub pair: PairId,
    /// Where it buys.
    pub buy: VenueId,
    /// Where it sells.
    pub sell: VenueId,
    /// Its orders, oldest first.
    pub orders: Vec<ClientOrderId>,
    /// Change of base, fees included.
    pub base_flow: Amount,
    /// Change of quote, fees included.
    pub quote_flow: Amount,
    /// Of its buys: Σ price units × quantity units, Σ quantity units.
    pub bought: (i128, i128),
    /// Of its sells, alike.
    pub sold: (i128, i128),
    /// Hedges sent.
    pub hedges: u32,
    /// Rebuilt from executions of lost intents.
    pub adopted: bool,
    /// Where it last bought and sold.
    pub dealt_at: (VenueId, VenueId),
    /// What its hedges cost, in quote.
    pub unwind_cost: Amount,
    /// What they were worth, in quote.
    pub unwind_value: Amount,
    /// How strong the strongest of them was.
    pub unwind: Option<Unwind>,
}

/// What an execution was charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChargeState {
    /// Maker or taker.
    pub role: Role,
    /// What it received.
    pub received: AssetId,
    /// Base asset, and how much of it was executed.
    pub base: (AssetId, Amount),
    /// Quote asset, and the value executed.
    pub quote: (AssetId, Amount),
    /// Charged in base.
    pub in_base: Amount,
    /// Charged in quote.
    pub in_quote: Amount,
    /// Something was charged in another asset.
    pub in_tokens: bool,
}
