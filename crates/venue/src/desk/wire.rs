//! What a venue's own protocol adds to a [`super::Desk`]: bytes out, rows in, limits. No state machine is needed here.
//!
//! Everything that comes back from a venue is a fixed set of types: a row about an order, a receipt that says nothing of its fate, a
//! [`Failure`] with its class and what it proves. A venue whose placements are only received ([`OrderAnswer::Received`]) tells the
//! end of an order on its private stream; one that answers with the order's row tells it at once.

use super::order_names::OrderName;
use super::reads::TradesRead;
use super::rows::{OrderRow, Stamp};
use super::what::What;
use crate::clock_sync::ClockPace;
use crate::connector::RawRules;
use crate::json::Reject;
use crate::rate_limit::{Limit, RateNews};
use crate::session::HttpRequest;
use domain::command::OrderRef;
use domain::{
    AccountFacts, BalanceEntry, ClientOrderId, ErrorClass, FeeRates, Fill, MonoNanos, OrderUpdate, PairId, Symbol, Tables,
    UnixNanos, VenueOrderId,
};

/// The moment at which bytes leave, which every signature is made for.
#[derive(Clone, Copy, Debug)]
pub struct SendAt {
    /// The venue's time, Unix nanoseconds, by our estimate.
    pub venue_ns: i64,
    /// Venue time in milliseconds after which the venue must not act on this any more, where it has such a time.
    pub expires_ms: Option<i64>,
}

impl SendAt {
    /// The venue's time in whole seconds.
    pub fn seconds(&self) -> i64 {
        UnixNanos(self.venue_ns).seconds()
    }

    /// The venue's time in whole milliseconds.
    pub fn millis(&self) -> i64 {
        UnixNanos(self.venue_ns).millis()
    }
}

/// How a venue shuts an address out: nothing at all is to leave over REST for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ban {
    /// The HTTP status that says so.
    pub status: u16,
    /// The order link is shut out as well. Where it is not, orders and cancels that may take it go on.
    pub of_link: bool,
    /// How long it lasts when the answer has no `Retry-After`, in nanoseconds.
    pub lasts_ns: u64,
}

/// What never changes about a venue's protocol.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// The `kind` of its connector, for messages to people.
    pub kind: &'static str,
    /// How its clock is asked.
    pub clock: ClockPace,
    /// Placements and amendments.
    pub place: Limit,
    /// Whether [`Profile::place`] counts for each pair by itself.
    pub place_per_pair: bool,
    /// Cancels.
    pub cancel: Limit,
    /// Reads of the account.
    pub read: Limit,
    /// Public reads: copies of books, rules.
    pub public: Limit,
    /// How an address is shut out; `None` for a venue that only refuses.
    pub ban: Option<Ban>,
    /// Placements and amendments over the order link; what is above it takes REST.
    pub link_place: Limit,
    /// Whether the order link is logged in before it is used; where not, every request on it is signed.
    pub link_login: bool,
    /// Order links and private links of the desk's are replaced at this age, plus half to all of the second, in nanoseconds: before the
    /// venue closes them. `None` where they may live for ever.
    pub link_life_ns: Option<(u64, u64)>,
    /// What order links and private links are asked for before they serve spends what reads of the account do: while those wait because
    /// the venue said so, these links are not opened, and at a start not before the question for the time was answered.
    pub links_spend_reads: bool,
    /// Orders that one cancel on the order link may name.
    pub cancels_together: usize,
    /// Places at which one order is looked up, the next where the last does not have it: orders that are live, then those of the past.
    pub look_up_places: u8,
    /// Shortest time of the dead-man switch in whole seconds; `None` for a venue without one.
    pub dead_man_min_s: Option<u64>,
    /// Pages read of one list of open orders.
    pub open_orders_pages_max: u32,
    /// Pages read of one list of executions, of all its windows together.
    pub trades_pages_max: u32,
    /// How long the venue keeps executions, nanoseconds; `i64::MAX` where it does not say. A list since an earlier time begins there, and
    /// says so.
    pub trades_kept_ns: i64,
    /// Lists of executions tell our ids of their orders. Where they do not, ids of orders are whole numbers that grow, and
    /// [`Wire::order_names`] tells.
    pub executions_named: bool,
}

/// What an error answer to a placement proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// The order never existed.
    Refused(ErrorClass),
    /// A refusal that the venue does not document: the order never existed; past its deadline it expired at the door.
    RefusedUnlisted(ErrorClass),
    /// Nothing.
    Unknown,
}

/// An answer that is no success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// HTTP status, or what stands for it on a link.
    pub status: u16,
    /// The venue's label or code, bounded; `None` when the answer has none.
    pub label: Option<String>,
    /// Its class.
    pub class: ErrorClass,
    /// What it proves if it answers a placement.
    pub placement: Placement,
    /// It says that the order is not there.
    pub not_found: bool,
    /// It says that its link is not logged in (any more).
    pub login_lost: bool,
}

/// What a success says about one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderAnswer {
    /// The order, as it stands.
    Row(OrderRow),
    /// The venue has the request, and will tell on the private stream what came of it.
    Received(Option<VenueOrderId>),
    /// An order on a pair that is not configured.
    Elsewhere,
    /// The place that was asked does not list the order; the next of [`Profile::look_up_places`] may.
    NotHere,
}

/// What a success says about cancelling all orders of a pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllCancelled {
    /// The end of each order, or why its cancel failed.
    Ends(Vec<OrderUpdate>),
    /// The venue has the request: the ends come on the private stream, and the desk reads what is still open.
    Received,
}

/// What an order request was, for answers that say which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallKind {
    /// Logging in. For a venue whose answers to logins carry no correlation, this is enough.
    Login,
    /// Placing.
    Place,
    /// Amending.
    Amend,
    /// Cancelling one order.
    Cancel,
    /// Cancelling named orders.
    CancelNamed,
    /// Cancelling all orders of a pair.
    CancelPair,
    /// Looking up one order.
    LookUp,
}

/// A request for the order link.
pub enum Call<'a, O> {
    /// One.
    One(&'a What<O>),
    /// Several cancels in one frame, [`Profile::cancels_together`] at most.
    Cancels(Vec<&'a OrderRef>),
}

/// What came over the order link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkNews {
    /// A reply to a request, or the receipt before it.
    Reply(LinkReply),
    /// The venue will close this connection.
    Upgrade,
    /// A pong, or another known kind of frame.
    Ignored,
}

/// A reply on the order link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkReply {
    /// Our correlation, if it carries one of ours.
    pub number: Option<u64>,
    /// What it says it answers; `None` where it does not say.
    pub kind: Option<CallKind>,
    /// Head-room as told with it.
    pub rate: RateNews,
    /// It refuses for a rate limit.
    pub limited: bool,
    /// It says that this connection is to be left.
    pub leave: bool,
    /// What it says.
    pub body: LinkBody,
}

/// What a reply on the order link says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkBody {
    /// The gateway has the request and another reply follows: no news about any order.
    Receipt,
    /// The connection may trade.
    LoggedIn,
    /// Refused or failed.
    Failed(Failure),
    /// One order.
    Order(Result<OrderAnswer, Reject>),
    /// What became of each named order.
    Cancelled(Result<Vec<CancelledRow>, Reject>),
    /// The orders of a pair.
    CancelPair(Result<AllCancelled, Reject>),
    /// Something that answers no request of ours.
    Other,
}

/// What became of one of several orders that a cancel named. It says nothing about executions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelledRow {
    /// Our id, where told.
    pub client_id: Option<ClientOrderId>,
    /// The venue's id, where told.
    pub venue_order_id: Option<VenueOrderId>,
    /// Why its cancel failed; `None` when it was taken.
    pub failure: Option<Failure>,
}

impl CancelledRow {
    /// Whether it is about this order.
    pub fn names(&self, order: &OrderRef) -> bool {
        let by_id = order.venue_order_id.is_some() && order.venue_order_id == self.venue_order_id;
        by_id || self.client_id == Some(order.client_id)
    }
}

/// What is asked for on a private link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrivateAsk {
    /// To be logged in.
    Login,
    /// Everything that is told of the account.
    Subscribe,
    /// A sign of life.
    Ping,
}

/// What came over a private link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrivateNews {
    /// News of the account.
    Told(PrivateTold),
    /// Balances were moved by something else than orders, and are to be read anew.
    BalancesMoved,
    /// The answer to what was asked for.
    Reply(PrivateReply),
    /// The venue will close this connection.
    Leave,
    /// Nothing more is told on this connection.
    Ended,
    /// A known kind of frame that is not used.
    Ignored,
}

/// News of an account, all of one frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrivateTold {
    /// Executions.
    pub fills: Vec<Fill>,
    /// Orders.
    pub orders: Vec<OrderRow>,
    /// Balances of the assets that changed.
    pub balances: Vec<BalanceEntry>,
}

/// The answer to what was asked for on a private link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateReply {
    /// Its number, where it carries one.
    pub number: Option<u64>,
    /// What it says it answers: tells where there is no number.
    pub ask: Option<PrivateAsk>,
    /// Why it is refused; `None` when it is done.
    pub failure: Option<Failure>,
    /// Head-room as told with it.
    pub rate: RateNews,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// What it lists, on configured pairs.
    pub rows: Vec<T>,
    /// Rows on other pairs.
    pub elsewhere: u32,
    /// Another page may follow.
    pub more: bool,
    /// The venue's name of that page, where it gives one.
    pub cursor: String,
}

/// What an answer tells about the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountAnswer {
    /// All that can be told.
    Facts(AccountFacts),
    /// Another request, the next [`What::Account`], tells.
    AskNext,
}

/// A venue's protocol, as a desk needs it. Decoders are total: any bytes give a value or a [`Reject`].
pub trait Wire {
    /// REST requests that the session asks for beside the desk's own: copies of books.
    type Own: Clone;
    /// Frames of the stream links, as *what to send*: they become bytes when they leave.
    type Frame;

    /// What never changes.
    const PROFILE: Profile;
    /// The limits of public reads, one for each market that the venue counts by itself ([`Wire::public_limit`]).
    const PUBLIC: &'static [Limit] = &[Self::PROFILE.public];

    /// Names behind the ids.
    fn tables(&self) -> &Tables;
    /// True for a configured pair that the venue has a name for.
    fn lists(&self, pair: PairId) -> bool;
    /// True when requests can be signed.
    fn has_keys(&self) -> bool;

    /// The REST request for `what`.
    fn request(&self, what: &What<Self::Own>, at: SendAt) -> HttpRequest;
    /// A frame of a stream link.
    fn frame(&self, frame: &Self::Frame, at: SendAt) -> String;
    /// The frame that keeps an order link alive and must be answered.
    fn ping(&self, at: SendAt) -> String;
    /// The login of an order link; its reply carries `number`.
    fn login(&self, number: u64, at: SendAt) -> String;
    /// A request on the order link; its reply carries `number`.
    fn call(&self, number: u64, call: &Call<'_, Self::Own>, at: SendAt) -> String;

    /// What an answer that is no success says; `None` for a success, whose body is then left as it is.
    fn failure(&mut self, status: u16, body: &mut [u8]) -> Option<Failure>;
    /// Head-room as the headers of the answer to `what` tell it.
    fn rate(&self, what: &What<Self::Own>, headers: &[(String, String)]) -> RateNews;
    /// The venue's time.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape, as all that follow.
    fn time(&mut self, body: &mut [u8]) -> Result<UnixNanos, Reject>;
    /// The answer to placing, amending, cancelling or looking up one order.
    ///
    /// # Errors
    /// See [`Wire::time`].
    fn order(&mut self, what: &What<Self::Own>, body: &mut [u8], stamp: Stamp) -> Result<OrderAnswer, Reject>;
    /// The answer to cancelling all orders of a pair.
    ///
    /// # Errors
    /// See [`Wire::time`].
    fn cancelled(&mut self, body: &mut [u8], stamp: Stamp) -> Result<AllCancelled, Reject>;
    /// The answer to setting the dead-man switch: whether it is armed now.
    ///
    /// # Errors
    /// See [`Wire::time`].
    fn dead_man(&mut self, body: &mut [u8]) -> Result<bool, Reject>;
    /// Balances: one entry for each asset of the tables.
    ///
    /// # Errors
    /// See [`Wire::time`].
    fn balances(&mut self, body: &mut [u8]) -> Result<Vec<BalanceEntry>, Reject>;
    /// A page of open orders.
    ///
    /// # Errors
    /// See [`Wire::time`].
    fn open_orders(&mut self, body: &mut [u8], stamp: Stamp) -> Result<Page<OrderRow>, Reject>;
    /// The page of executions that was asked for at `venue_ns` by the venue's time.
    ///
    /// # Errors
    /// See [`Wire::time`].
    fn trades(&mut self, read: &TradesRead, venue_ns: i64, body: &mut [u8], stamp: Stamp) -> Result<Page<Fill>, Reject>;
    /// A page of orders of a pair in any state, from [`super::order_names::OrderNamesRead::from`] on; asked for only where
    /// [`Profile::executions_named`] is not set.
    ///
    /// # Errors
    /// See [`Wire::time`].
    fn order_names(&mut self, _body: &mut [u8]) -> Result<Vec<OrderName>, Reject> {
        Err(Reject::shape("orders that nothing asked for"))
    }
    /// What the account is charged on a pair.
    ///
    /// # Errors
    /// See [`Wire::time`].
    fn fees(&mut self, body: &mut [u8], pair: PairId) -> Result<FeeRates, Reject>;
    /// The answer to the request of this step for the rights of the key.
    ///
    /// # Errors
    /// See [`Wire::time`].
    fn account(&mut self, step: u8, body: &mut [u8]) -> Result<AccountAnswer, Reject>;
    /// True when a failure of this step means that the venue withholds the rights, and the next step may tell.
    fn account_withheld(&self, step: u8, failure: &Failure) -> bool;
    /// A pair's rules as published, at the venue's time.
    ///
    /// # Errors
    /// See [`Wire::time`].
    fn rules(&mut self, symbol: &Symbol, body: &mut [u8], venue_ns: i64) -> Result<RawRules, Reject>;

    /// One frame of the order link, received at `received`. Rows carry `received` as the time they were asked for.
    ///
    /// # Errors
    /// See [`Wire::time`].
    fn link_frame(&mut self, bytes: &mut [u8], received: MonoNanos) -> Result<LinkNews, Reject>;
    /// A login was refused: true when another form of it may pass, which is then what [`Wire::login`] makes.
    fn login_refused(&mut self, failure: &Failure) -> bool;

    /// Which of [`Wire::PUBLIC`] a public read spends.
    fn public_limit(&self, _what: &What<Self::Own>) -> usize {
        0
    }

    /// False for a venue at which an order's terms stay as they are.
    fn amends(&self) -> bool {
        true
    }

    /// Whether the order link is logged in before it is used, where that hangs on the key.
    fn link_logs_in(&self) -> bool {
        Self::PROFILE.link_login
    }

    /// What a private link is asked for until it tells, in this order; a ping follows. Empty where the session keeps its private link by
    /// itself.
    fn private_asks(&self) -> &'static [PrivateAsk] {
        &[]
    }

    /// The frame that asks for this; its answer carries `number`, where answers do.
    fn private_ask(&self, _ask: PrivateAsk, _number: u64, _at: SendAt) -> String {
        String::new()
    }

    /// One frame of the private link, received at `received`.
    ///
    /// # Errors
    /// See [`Wire::time`]. Unless the scope is [`crate::json::Scope::Nothing`], it may have been news.
    fn private_frame(&mut self, _bytes: &mut [u8], _received: MonoNanos) -> Result<PrivateNews, Reject> {
        Err(Reject::shape("private frame"))
    }

    /// True when the order link takes this request; what it does not take goes over REST.
    fn over_link(&self, _what: &What<Self::Own>) -> bool {
        true
    }

    /// How much of its limit a request spends.
    fn weight(&self, _what: &What<Self::Own>) -> u32 {
        1
    }
}
