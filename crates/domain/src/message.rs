//! Everything that can move the engine: one closed [`Input`], put in one order by one thread.
//!
//! Venue sessions make inputs out of bytes; the edge makes ticks, link changes and operator commands. The engine reads nothing
//! else: no clock, no environment, no shared state.

use crate::command::ReadKind;
use crate::ids::{AssetId, ClientOrderId, Label, PairId, TradeId, VenueId, VenueOrderId};
use crate::instrument::InstrumentRules;
use crate::lists::{ErrorClass, LinkRole, ResyncReason, Side, StopReason};
use crate::number::{Amount, PairScale, Price, Qty, Rate};
use crate::time::{MonoNanos, UnixNanos, VenueNanos};
use arrayvec::ArrayVec;

/// Whatever may move the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A book changed, was proved unchanged, or lost trust.
    Book(BookUpdate),
    /// Evidence about one of our orders (or a foreign one).
    Order(OrderUpdate),
    /// One execution of one order.
    Fill(Fill),
    /// Balances as the venue states them.
    Balances(BalanceReport),
    /// The complete list of a venue's open orders.
    OpenOrders(OpenOrdersReport),
    /// Executions of a pair since a time.
    Trades(TradesReport),
    /// A read that we asked for failed.
    ReadFailed(ReadFailure),
    /// A link came up, was lost, or the process was suspended.
    Link(LinkChange),
    /// What a venue accepts for a pair.
    Rules(InstrumentRules),
    /// A public trade or ticker: no order depends on it.
    Market(MarketNews),
    /// What the venue charges us for a pair.
    Fees(FeeRates),
    /// What our key may do.
    Account(AccountFacts),
    /// Head-room of a rate limit.
    Budget(Budget),
    /// A measured request round trip.
    RoundTrip(RoundTrip),
    /// Venue clock against ours.
    Clock(ClockOffset),
    /// The state log is written up to and including this sequence number.
    LogWritten {
        /// Last written sequence number.
        seq: u64,
    },
    /// The state log failed or fell behind.
    LogFailed,
    /// A person or a signal.
    Operator(OperatorCommand),
    /// Settings changed while running: full effective values, never a difference.
    Config(ConfigPatch),
    /// The disk of the run directory is nearly full, or has room again: openings wait, cancels and fills have a reserve.
    Storage {
        /// True below the configured free space.
        low: bool,
    },
    /// A venue's dead-man switch was armed, refreshed, disarmed, or could not be.
    DeadMan(DeadMan),
    /// A venue takes no requests at all from us for a while.
    Ban(Ban),
    /// A bounded queue between the engine and the sockets is full, or has room again: openings wait.
    Queue {
        /// True while what is decided may not leave in time, or what came in waits too long.
        full: bool,
    },
    /// Time passed; `unix` for daily limits and report times.
    Tick {
        /// Wall time.
        unix: UnixNanos,
    },
}

impl Input {
    /// True for what belongs in the state log; books, ticks and the watermark belong in the market log.
    pub const fn is_state(&self) -> bool {
        !matches!(
            self,
            Input::Book(_)
                | Input::Market(_)
                | Input::Tick { .. }
                | Input::LogWritten { .. }
                | Input::Budget(_)
                | Input::RoundTrip(_)
                | Input::Clock(_)
        )
    }
}

/// One price level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Price.
    pub price: Price,
    /// Absolute quantity there; zero deletes the level (deltas only).
    pub qty: Qty,
}

/// News about one venue's book of one pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookUpdate {
    /// Whose book.
    pub venue: VenueId,
    /// Which pair.
    pub pair: PairId,
    /// When the frame's last byte was received.
    pub received: MonoNanos,
    /// The book's own time (last change), where the channel carries one.
    pub changed_at: Option<VenueNanos>,
    /// When the venue sent the frame and which connection brought it, where the channel carries that time; venue lag is judged on
    /// this one.
    pub sent_at: Option<SendStamp>,
    /// What happened.
    pub body: BookBody,
}

/// When a venue sent a frame, and the connection that brought it: only frames of one connection took the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendStamp {
    /// The venue's time.
    pub at: VenueNanos,
    /// Number of the connection among those of this venue's session, in the order in which they opened; never used again in a run.
    pub connection: u32,
}

/// What happened to a book. Levels are in the pair's scale; each price at most once a side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BookBody {
    /// Replaces both sides. Bids descend, asks ascend, quantities are positive.
    Snapshot {
        /// The venue's book id of this state.
        id: u64,
        /// Best first.
        bids: Vec<Level>,
        /// Best first.
        asks: Vec<Level>,
    },
    /// Absolute quantities by price, in any order; continues the book whose id is `first − 1`.
    Delta {
        /// First venue book id covered.
        first: u64,
        /// Last venue book id covered.
        last: u64,
        /// Changed bids.
        bids: Vec<Level>,
        /// Changed asks.
        asks: Vec<Level>,
    },
    /// The best levels at a venue book id, from a channel of its own that shares the book's ids (Gate `spot.book_ticker`, Binance
    /// `bookTicker`). One that is newer than the book overlays its top and hides better levels; it never makes a book live.
    Top {
        /// The venue's book id of this state.
        id: u64,
        /// Best bid; `None` for an empty side.
        bid: Option<Level>,
        /// Best ask; `None` for an empty side.
        ask: Option<Level>,
    },
    /// The book is proved to be still at this id.
    Evidence {
        /// The id that both sides hold.
        id: u64,
    },
    /// The book must not be used until the next snapshot, which the session is already fetching.
    Untrusted {
        /// Why.
        reason: ResyncReason,
    },
}

/// Public market news that is no book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MarketNews {
    /// One public trade.
    Trade(PublicTrade),
    /// A 24-hour summary.
    Ticker(Ticker),
}

/// One public trade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicTrade {
    /// Which venue.
    pub venue: VenueId,
    /// Which pair.
    pub pair: PairId,
    /// The venue's id of the trade.
    pub trade_id: TradeId,
    /// Side of the taker.
    pub taker_side: Side,
    /// Price.
    pub price: Price,
    /// Base traded, floored to the pair's scale.
    pub qty: Qty,
    /// Venue time of the trade.
    pub executed_at: Option<VenueNanos>,
    /// When received.
    pub received: MonoNanos,
}

/// A venue's summary of a pair. It carries no book id, so it neither proves nor overlays a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticker {
    /// Which venue.
    pub venue: VenueId,
    /// Which pair.
    pub pair: PairId,
    /// Last trade's price.
    pub last: Option<Price>,
    /// Highest bid as the ticker states it.
    pub bid: Option<Price>,
    /// Lowest ask as the ticker states it.
    pub ask: Option<Price>,
    /// Quote traded in 24 hours.
    pub quote_volume: Amount,
    /// When received.
    pub received: MonoNanos,
}

/// Where news about an order came from; newer evidence beats older, and a stream beats a query of the same age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum OrderSource {
    /// The reply to placing or cancelling it.
    Reply,
    /// The private stream.
    Stream,
    /// A look-up by id, or a list.
    Query,
    /// Our own edge (not sent, timed out, link lost).
    Edge,
}

/// Evidence about one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderUpdate {
    /// Which venue.
    pub venue: VenueId,
    /// Which pair.
    pub pair: PairId,
    /// Our id, when the venue named it and it parses as ours.
    pub client_id: Option<ClientOrderId>,
    /// The venue's id, once known.
    pub venue_order_id: Option<VenueOrderId>,
    /// Where from.
    pub source: OrderSource,
    /// When received (queries: when the answer came).
    pub received: MonoNanos,
    /// When a query was asked; `received` for pushes.
    pub requested: MonoNanos,
    /// What it says.
    pub report: OrderReport,
}

/// What the evidence says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderReport {
    /// The venue accepted it and it rests or is being processed; `filled` base so far.
    Open {
        /// Cumulative base executed, gross of fees.
        filled: Qty,
    },
    /// It ended.
    Finished {
        /// How.
        finish: Finish,
        /// Final cumulative base executed, gross of fees.
        filled: Qty,
    },
    /// The venue named the order and refused it: it never existed, funds are free.
    Refused {
        /// Class of the error.
        class: ErrorClass,
        /// The venue's label, for people.
        label: Label,
    },
    /// A look-up did not find it: evidence, not proof.
    NotFound,
    /// Bytes may have left, no answer came or it told nothing.
    Unknown {
        /// Why it is unknown.
        cause: UnknownCause,
    },
    /// No byte left: the deadline had passed, the link was down, the connection was refused.
    NotSent,
    /// A cancel request was refused or told nothing; the order's own state follows by query.
    CancelFailed {
        /// Class of the error.
        class: ErrorClass,
    },
    /// The venue holds an order under our id with other terms than we asked for (F24): quantity, price or side. It is real until it is
    /// cancelled, and nothing more is to be opened there until a person has looked.
    TermsDiffer {
        /// Base quantity that the venue holds it for, floored to the pair's scale.
        qty: Qty,
        /// Cumulative base executed, gross of fees.
        filled: Qty,
    },
}

/// How an order ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Finish {
    /// Everything executed.
    Filled,
    /// Ended with a remainder (an IOC's end, a cancel), perhaps partly executed.
    Cancelled,
    /// The venue refused it at the door because its expiry had passed.
    Expired,
}

/// Why the outcome of a send is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum UnknownCause {
    /// No answer in time.
    Timeout,
    /// The connection broke after bytes may have left.
    LinkLost,
    /// A 5xx or an answer that could not be read.
    ServerError,
    /// Found in the log after a restart without an end.
    Restart,
}

/// Maker or taker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Role {
    /// Took liquidity.
    Taker,
    /// Gave liquidity.
    Maker,
}

/// One execution. The trade id dedupes it for the life of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Which venue.
    pub venue: VenueId,
    /// Which pair.
    pub pair: PairId,
    /// The venue's id of this execution, unique within (venue, pair).
    pub trade_id: TradeId,
    /// Our id of the order, when told and ours.
    pub client_id: Option<ClientOrderId>,
    /// The venue's id of the order.
    pub venue_order_id: VenueOrderId,
    /// Direction.
    pub side: Side,
    /// Price.
    pub price: Price,
    /// Base executed, gross of fees.
    pub qty: Qty,
    /// What was paid or received in quote before fees, where the venue tells it; else it is price × quantity. A venue that keeps fewer
    /// decimals than that product has books what it tells. Read it with [`Fill::value`].
    pub quote: Option<Amount>,
    /// Fees as charged, each with its asset (base, quote, or a venue token).
    pub fees: ArrayVec<(AssetId, Amount), 3>,
    /// Maker or taker.
    pub role: Role,
    /// Venue time of the execution.
    pub executed_at: Option<VenueNanos>,
    /// Stream or query.
    pub source: OrderSource,
    /// When received.
    pub received: MonoNanos,
}

impl Fill {
    /// What moved in quote, before fees: as told, else price × quantity. `None` when that does not fit.
    pub fn value(&self, scale: PairScale) -> Option<Amount> {
        self.quote.or_else(|| scale.value_of(self.price, self.qty))
    }
}

/// Where balances came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum BalanceSource {
    /// The private stream: only the assets that changed.
    Stream,
    /// The accounts endpoint: every asset that is not zero.
    Query,
}

/// Balances as a venue states them: a check of our ledger, never its source after start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BalanceReport {
    /// Which venue.
    pub venue: VenueId,
    /// Where from.
    pub source: BalanceSource,
    /// When a query was asked; `received` for pushes.
    pub requested: MonoNanos,
    /// When received.
    pub received: MonoNanos,
    /// One per asset of our tables.
    pub entries: Vec<BalanceEntry>,
}

/// One asset's balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalanceEntry {
    /// Which asset.
    pub asset: AssetId,
    /// Free.
    pub available: Amount,
    /// Held by open orders.
    pub locked: Amount,
    /// The venue's version counter (Gate `update_id`): older reports are dropped.
    pub version: Option<u64>,
}

/// The complete list of open orders of a venue, ours and foreign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenOrdersReport {
    /// Which venue.
    pub venue: VenueId,
    /// When asked.
    pub requested: MonoNanos,
    /// When received.
    pub received: MonoNanos,
    /// Every open order on our pairs.
    pub orders: Vec<OrderUpdate>,
    /// How many open orders stand on pairs that are not configured.
    pub elsewhere: u32,
}

/// Executions of one pair from a time on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TradesReport {
    /// Which venue.
    pub venue: VenueId,
    /// Which pair.
    pub pair: PairId,
    /// When asked.
    pub requested: MonoNanos,
    /// When received.
    pub received: MonoNanos,
    /// Venue time from which the list is complete.
    pub since: UnixNanos,
    /// True when the list reached its end (a short last page); false leaves absence unproved.
    pub complete: bool,
    /// The executions.
    pub fills: Vec<Fill>,
}

/// A read that failed; the reader decides whether to ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadFailure {
    /// Which venue.
    pub venue: VenueId,
    /// What was asked.
    pub read: ReadKind,
    /// Class of the failure.
    pub class: ErrorClass,
    /// When.
    pub received: MonoNanos,
}

/// A change of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkChange {
    /// Which venue.
    pub venue: VenueId,
    /// What the link is for.
    pub role: LinkRole,
    /// What happened.
    pub state: LinkState,
    /// When.
    pub at: MonoNanos,
}

/// State of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum LinkState {
    /// Usable; for a private link: logged in and every wanted channel acknowledged.
    Up,
    /// Gone; private news may have been missed.
    Lost,
    /// The process was suspended: everything buffered is old.
    Paused,
}

/// What the venue charges us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeRates {
    /// Which venue.
    pub venue: VenueId,
    /// Which pair.
    pub pair: PairId,
    /// Fraction charged to a taker.
    pub taker: Rate,
    /// Fraction charged to a maker.
    pub maker: Rate,
    /// `None`: charged in the received asset; otherwise the token that pays.
    pub paid_in: Option<AssetId>,
}

/// What our key may do, as the venue tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountFacts {
    /// Which venue.
    pub venue: VenueId,
    /// May place orders.
    pub can_trade: Option<bool>,
    /// May move funds out. `None`: the venue will not tell.
    pub can_withdraw: Option<bool>,
    /// Bound to addresses.
    pub ip_bound: Option<bool>,
}

/// Which limit a budget counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BudgetBucket {
    /// Placing and amending on one pair (Gate: 10 a second per user and market).
    Place(PairId),
    /// Placing and amending on all pairs together (Binance: orders of an account; Bybit: of an account on spot).
    PlaceAll,
    /// Cancels.
    Cancel,
    /// Private reads.
    Read,
}

/// Head-room of one rate limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Which venue.
    pub venue: VenueId,
    /// Which limit.
    pub bucket: BudgetBucket,
    /// Requests left in the window.
    pub remaining: u32,
    /// Requests the window allows.
    pub limit: u32,
    /// Length of the window, nanoseconds.
    pub window_ns: u64,
    /// When this was true.
    pub at: MonoNanos,
}

/// One measured round trip of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoundTrip {
    /// Which venue.
    pub venue: VenueId,
    /// True for an order placement.
    pub order: bool,
    /// Nanoseconds from the request handed over to the reply received.
    pub nanos: u64,
}

/// Venue clock minus ours, from the sample with the least round trip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockOffset {
    /// Which venue.
    pub venue: VenueId,
    /// Nanoseconds to add to our Unix time to get the venue's.
    pub offset_ns: i64,
    /// Nanoseconds to add to our monotonic time to get the venue's Unix time.
    pub over_monotonic_ns: i64,
    /// Half the round trip of that sample.
    pub uncertainty_ns: u64,
}

/// What a person, a signal or the edge orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperatorCommand {
    /// Latch: no openings until a person resumes.
    Halt {
        /// Why.
        reason: StopReason,
    },
    /// Clear the latch.
    Resume,
    /// No new plans; finish or unwind what is open, cancel and verify.
    Stop,
    /// No new plans; what is open is finished, and the engine goes on running without opening (`drain`). Ended by [`Self::Resume`].
    Drain,
    /// As [`Self::Drain`], and exposure is closed at once, the pauses between hedges left out (`flatten`).
    Flatten,
}

/// Settings that may change while the engine runs, as the full effective values that hold from this input on.
///
/// The same names and units as in the configuration file; whoever sends one has checked it as a start would have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigPatch {
    /// Least net edge over the quote spent.
    pub min_edge: Rate,
    /// Allowance for what moves while orders travel.
    pub latency_allowance: Rate,
    /// Oldest book that is traded on, nanoseconds.
    pub book_age_max_ns: u64,
    /// Largest venue lag above normal, nanoseconds.
    pub lag_max_ns: u64,
    /// Largest distance between the arrivals of two books, nanoseconds.
    pub skew_max_ns: u64,
    /// Largest distance of a mid from the other venues'.
    pub collar: Rate,
    /// Largest value of one order, reference quote.
    pub order_value_max: Amount,
    /// Largest value of one deal, reference quote.
    pub deal_value_max: Amount,
    /// Largest worst-case unhedged value, reference quote.
    pub unhedged_value_max: Amount,
    /// Deals open at once.
    pub open_deals_max: u32,
    /// Orders within a second.
    pub orders_per_second_max: u32,
    /// Loss since midnight UTC that latches, reference quote.
    pub daily_loss_max: Amount,
    /// Balances that openings never touch.
    pub floors: Vec<(VenueId, AssetId, Amount)>,
}

/// State of a venue's dead-man switch: the venue cancels our resting orders by itself unless it hears from us in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeadMan {
    /// Which venue.
    pub venue: VenueId,
    /// When it will strike unless refreshed; `None`: it is disarmed, or its state is not known.
    pub armed_until: Option<MonoNanos>,
    /// False when the last request failed.
    pub ok: bool,
    /// When this was learnt.
    pub received: MonoNanos,
}

/// A venue bans this host or account, as it told (Binance answers 418 with `Retry-After`): requests before the end prolong it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Which venue.
    pub venue: VenueId,
    /// When it takes requests again.
    pub until: MonoNanos,
    /// When this was learnt.
    pub received: MonoNanos,
}
