//! What a connector brings: its venue's bytes for each situation.

use domain::{ErrorClass, LinkRole, NewOrder, PairId, UnixNanos};
use venue::{Connector, LinkId, Transmit};

/// What a session asks for with one transmit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A stream, or several.
    Subscribe,
    /// To leave streams.
    Leave,
    /// A sign of life on a link.
    Ping,
    /// To be logged in on a link.
    Login,
    /// The venue's time.
    Time,
    /// A copy of a pair's book.
    Copy(PairId),
    /// A placement.
    Place,
    /// A change of an order's terms.
    Amend,
    /// A cancel of one order.
    Cancel,
    /// A cancel of every order of a pair.
    CancelAll,
    /// One order's state.
    LookUp,
    /// The dead-man switch.
    DeadMan,
    /// The rights of the key.
    Account,
    /// A page of open orders.
    OpenOrders,
    /// A page of executions.
    Trades,
    /// Anything else.
    Other,
}

/// What the venue answers.
#[derive(Clone, Copy, Debug)]
pub enum Reply<'a> {
    /// It did it: an acknowledgement, a pong, the time, a switch that is armed.
    Done,
    /// The book at this id, one level a side.
    Copy(u64),
    /// What a placement, amendment, cancel (of one, or of a pair with just this one) or look-up says about the order.
    Order(&'a OrderState),
    /// A page of open orders; another one follows where it is full ([`Script::orders_page`]).
    OpenOrders {
        /// What it lists.
        orders: &'a [OrderState],
        /// The venue has more.
        more: bool,
    },
    /// A page of executions of an order, by the numbers of their trades, each of one unit of base; another one follows where it is full
    /// ([`Script::trades_page`]).
    Trades {
        /// The order.
        order: &'a NewOrder,
        /// Numbers of the trades.
        trades: &'a [u64],
        /// The venue has more.
        more: bool,
    },
    /// It refuses for this.
    Refused(ErrorClass),
    /// It does not know the order.
    NotFound,
    /// It takes nothing of this kind for so many seconds.
    Limited(u64),
    /// It shuts the address out.
    Banned,
}

/// The bytes of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A frame on the link of what was asked.
    Frame(String),
    /// A REST answer.
    Http {
        /// Status.
        status: u16,
        /// Headers, names in lower case.
        headers: Vec<(String, String)>,
        /// Body.
        body: String,
    },
    /// The venue does not answer this.
    Nothing,
}

impl Said {
    /// A REST answer without headers.
    pub fn http(status: u16, body: impl Into<String>) -> Said {
        Said::Http { status, headers: Vec::new(), body: body.into() }
    }
}

/// News of a book stream.
#[derive(Clone, Copy, Debug)]
pub enum BookNews {
    /// A change that continues `previous` and ends at `last`.
    Change {
        /// The id that it continues.
        previous: u64,
        /// Its own.
        last: u64,
    },
    /// The whole book at this id, for venues whose streams begin with one.
    Whole(u64),
}

/// Where an order stands at the venue.
#[derive(Clone, Copy, Debug)]
pub struct OrderState {
    /// As it was placed.
    pub order: NewOrder,
    /// Base executed, in units of the pair's scale.
    pub filled: i64,
    /// It has ended.
    pub ended: bool,
}

/// News of the private stream.
#[derive(Clone, Copy, Debug)]
pub enum PrivateNews<'a> {
    /// An order.
    Order(&'a OrderState),
    /// An execution of an order: number of the trade, base in units of the pair's scale.
    Fill {
        /// The order.
        order: &'a NewOrder,
        /// Number of the trade.
        trade: u64,
        /// Base executed.
        qty: i64,
    },
}

/// One venue, by its bytes. Pairs and scales are those of [`crate::stage::tables`]; the key is [`crate::stage::KEY`].
pub trait Script {
    /// The connector whose session is judged.
    fn connector(&self) -> &dyn Connector;

    /// The book channel that the cases run on: one of changes.
    fn book_channel(&self) -> &'static str;

    /// What a transmit asks for; never asked about links being opened or closed.
    fn asked(&self, out: &Transmit) -> Asked;

    /// What the venue says to it at its own time `at`. Everything the engine could be told by it is the caller's wish.
    fn say(&self, out: &Transmit, reply: Reply<'_>, at: UnixNanos) -> Said;

    /// A frame of a pair's book stream, one level changed or one a side.
    fn book(&self, pair: PairId, news: BookNews) -> String;

    /// True when the stream begins with a whole book; else a copy is fetched.
    fn streams_whole_books(&self) -> bool;

    /// A frame of the private stream; `None` for a venue that can't trade.
    fn private(&self, _news: PrivateNews<'_>) -> Option<String> {
        None
    }

    /// True when an answer to a placement says only that it was received.
    fn only_receives(&self) -> bool {
        false
    }

    /// True when the venue has a dead-man switch.
    fn has_dead_man(&self) -> bool {
        false
    }

    /// False for a venue at which an order's terms stay as they are.
    fn amends(&self) -> bool {
        true
    }

    /// Rows of a full page of open orders; `None` where the list has no pages.
    fn orders_page(&self) -> Option<usize> {
        None
    }

    /// Rows of a full page of executions; `None` where the list has no pages.
    fn trades_page(&self) -> Option<usize> {
        None
    }

    /// The frame on a private link that says that it will be closed; `None` for a venue that closes links at an age, without a word.
    fn notice(&self) -> Option<String> {
        None
    }

    /// Classes that this venue can answer a placement with, as definite refusals.
    fn refusals(&self) -> &'static [ErrorClass] {
        &[]
    }

    /// The link of a pair's book stream.
    fn public_link(&self) -> LinkId {
        LinkId { role: LinkRole::Public, shard: 0 }
    }

    /// The link that orders may take.
    fn order_link(&self) -> LinkId {
        LinkId { role: LinkRole::OrderEntry, shard: 0 }
    }

    /// The link of private news.
    fn private_link(&self) -> LinkId {
        LinkId { role: LinkRole::Private, shard: 0 }
    }
}
