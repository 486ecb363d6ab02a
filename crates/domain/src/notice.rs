//! What the engine tells people: deals, ends of orders, stops, alerts. Never read back by a decision.

use crate::ids::{AssetId, ClientOrderId, DealId, Label, PairId, VenueId};
use crate::lists::{OrderOutcome, Side, StopKind, StopReason, Unwind, Verdict};
use crate::number::{Amount, Price, Qty, Rate};
use crate::time::MonoNanos;

/// The costs between the gross edge and what is left, in quote, for the quantity that was judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waterfall {
    /// Base quantity judged (gross buy).
    pub qty: Qty,
    /// (best bid of the sell venue − best ask of the buy venue) × quantity.
    pub gross: Amount,
    /// Fees of both legs, as a cost.
    pub fees: Amount,
    /// What walking beyond the tops costs.
    pub depth: Amount,
    /// Allowance for what moves while orders travel.
    pub latency: Amount,
    /// gross − fees − depth − latency.
    pub net: Amount,
    /// net over the quote spent, rounded down.
    pub net_rate: Rate,
}

/// One thing to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// An opportunity ended; counted once, under its verdict.
    Opportunity {
        /// Which pair.
        pair: PairId,
        /// Where to buy.
        buy: VenueId,
        /// Where to sell.
        sell: VenueId,
        /// First decision with a gross edge above zero.
        opened: MonoNanos,
        /// When it ended.
        closed: MonoNanos,
        /// Best net seen.
        best: Waterfall,
        /// Its one verdict.
        verdict: Verdict,
    },
    /// Two legs were sent.
    DealOpened {
        /// Which deal.
        deal: DealId,
        /// Which pair.
        pair: PairId,
        /// Where it buys.
        buy: VenueId,
        /// Where it sells.
        sell: VenueId,
        /// Gross base to buy.
        buy_qty: Qty,
        /// Base to sell.
        sell_qty: Qty,
        /// Worst price to buy at.
        buy_price: Price,
        /// Worst price to sell at.
        sell_price: Price,
        /// What was expected.
        expected: Waterfall,
    },
    /// An order's end is known (or it became unknown).
    Order {
        /// Which deal.
        deal: DealId,
        /// Our id.
        client_id: ClientOrderId,
        /// Which venue.
        venue: VenueId,
        /// Which pair.
        pair: PairId,
        /// Direction.
        side: Side,
        /// True for a hedge.
        hedge: bool,
        /// How it stands.
        outcome: OrderOutcome,
        /// Base executed, gross of fees.
        filled: Qty,
        /// Of what was asked.
        qty: Qty,
        /// The venue's label on a refusal.
        label: Label,
        /// Nanoseconds from placing to this outcome.
        took_ns: u64,
    },
    /// A deal has no open order and no exposure above dust. A late fill opens it again: then what is told the next time is only
    /// what came since.
    DealClosed {
        /// Which deal.
        deal: DealId,
        /// Which pair.
        pair: PairId,
        /// Sum of quote flows, fees in quote included.
        quote_flow: Amount,
        /// Change of base over both venues (dust), fees in base included.
        base_flow: Amount,
        /// Hedges it took.
        hedges: u32,
        /// Nanoseconds with exposure above dust.
        unhedged_ns: u64,
        /// Σ exposure above dust × time, in quote × seconds, rounded down.
        unhedged_notional_seconds: Amount,
        /// Nanoseconds between the receive times of the two opening legs' first executions; `None` when one of them executed nothing,
        /// and when it was told before.
        leg_skew_ns: Option<u64>,
        /// How the legs were evened out; `None` when no hedge executed anything.
        unwind: Option<Unwind>,
        /// What the executed hedges cost against the deal's own reference (the average price of what it had executed on the other
        /// side), in quote, fees in base and quote included, fees in other assets not. Negative when hedging earned.
        unwind_cost: Amount,
        /// What the executed hedges were worth at that reference, in quote: `unwind_cost ÷ unwind_value` is the rate.
        unwind_value: Amount,
        /// True when it earned nothing: both legs refused or unfilled.
        empty: bool,
    },
    /// A stop was set.
    Stopped {
        /// How strong.
        kind: StopKind,
        /// Why.
        reason: StopReason,
        /// Whose, if it concerns one venue.
        venue: Option<VenueId>,
        /// Which pair, if it concerns one.
        pair: Option<PairId>,
    },
    /// A stop cleared.
    Cleared {
        /// How strong it was.
        kind: StopKind,
        /// Why it was set.
        reason: StopReason,
    },
    /// Our ledger and a venue's statement differ after the grace time.
    Drift {
        /// Which venue.
        venue: VenueId,
        /// Which asset.
        asset: AssetId,
        /// Ours.
        ledger: Amount,
        /// Theirs.
        stated: Amount,
    },
    /// A venue's balance was taken over: at the first start, or since something else than our orders moved it.
    Adopted {
        /// Which venue.
        venue: VenueId,
        /// Which asset.
        asset: AssetId,
        /// What the ledger had.
        before: Amount,
        /// What it has now.
        after: Amount,
        /// True for what others moved (F31): while crossgate was off, or while it ran and a person resumed since. False when there
        /// was no ledger before.
        external: bool,
    },
    /// A fill was booked.
    Filled {
        /// Which deal, if it is ours.
        deal: Option<DealId>,
        /// Which venue.
        venue: VenueId,
        /// Which pair.
        pair: PairId,
        /// Direction.
        side: Side,
        /// Price.
        price: Price,
        /// Base, gross.
        qty: Qty,
    },
    /// A venue's dead-man switch can't be armed: told once. Nothing cancels our orders there if this process dies.
    DeadManRefused {
        /// Which venue.
        venue: VenueId,
    },
    /// A venue's account is reconciled and may trade.
    Reconciled {
        /// Which venue.
        venue: VenueId,
    },
}
