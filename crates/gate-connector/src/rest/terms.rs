//! What an order says when it is sent (Gate API v4, create-order body): amounts that can't be mistaken for the other unit, an
//! explicit time in force, and our text on every order.

use super::request::{JsonObject, PairName, RequestError, bad_name, positive};
use crate::wire::rows::TEXT_PREFIX;
use domain::{ClientOrderId, Side};
use rust_decimal::Decimal;

/// Longest text after its prefix, in bytes.
const TEXT_BYTES_MAX: usize = 28;

/// A client text: `t-`, then 1 to 28 of `[0-9A-Za-z_.-]`. Gate does not keep it unique: a later order with the same text shadows the
/// earlier one, so it identifies but does not protect from sending twice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientText(String);

impl ClientText {
    /// Checks a text, prefix included.
    ///
    /// # Errors
    /// [`RequestError::BadName`] for any other text.
    pub fn new(text: &str) -> Result<ClientText, RequestError> {
        let good = text.strip_prefix(TEXT_PREFIX).is_some_and(|rest| {
            (1..=TEXT_BYTES_MAX).contains(&rest.len())
                && rest.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        });
        if good { Ok(ClientText(text.to_string())) } else { Err(bad_name("client text", text)) }
    }

    /// The text of one of our ids.
    pub fn of(id: ClientOrderId) -> ClientText {
        ClientText(format!("{TEXT_PREFIX}{id}"))
    }

    /// The text, prefix included.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which order: by the venue's id where it is known, else by our text (best effort once the order has ended).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderKey {
    /// The venue's id.
    Id(String),
    /// Our text.
    Text(ClientText),
}

impl OrderKey {
    /// The venue's id of an order.
    ///
    /// # Errors
    /// [`RequestError::BadName`] unless it is letters and digits.
    pub fn id(text: &str) -> Result<OrderKey, RequestError> {
        let good = (1..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if good { Ok(OrderKey::Id(text.to_string())) } else { Err(bad_name("order id", text)) }
    }

    /// The text form, as it goes into paths and bodies.
    pub fn as_str(&self) -> &str {
        match self {
            OrderKey::Id(id) => id,
            OrderKey::Text(text) => text.as_str(),
        }
    }
}

/// Which account an order trades on. On a unified account the venue takes `spot` for `unified`, except when cancelling by list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Account {
    /// Spot.
    #[default]
    Spot,
    /// Isolated margin.
    Margin,
    /// Unified.
    Unified,
}

impl Account {
    /// Gate's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Account::Spot => "spot",
            Account::Margin => "margin",
            Account::Unified => "unified",
        }
    }
}

/// How long a limit order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitTif {
    /// Until cancelled.
    Gtc,
    /// What trades at once; the rest is cancelled.
    Ioc,
    /// All at once or nothing.
    Fok,
    /// Post-only.
    Poc,
}

impl LimitTif {
    /// Gate's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            LimitTif::Gtc => "gtc",
            LimitTif::Ioc => "ioc",
            LimitTif::Fok => "fok",
            LimitTif::Poc => "poc",
        }
    }
}

/// How a market order trades; the venue's default for all orders is `gtc`, which market orders refuse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MarketTif {
    /// What trades at once; the rest is cancelled.
    #[default]
    Ioc,
    /// All at once or nothing.
    Fok,
}

impl MarketTif {
    /// Gate's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            MarketTif::Ioc => "ioc",
            MarketTif::Fok => "fok",
        }
    }
}

/// Kind, side and size. The unit of a size stands in its name: `amount` on the wire is quote for a market buy, base for all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terms {
    /// A limit order.
    Limit {
        /// Direction.
        side: Side,
        /// Base quantity.
        base: Decimal,
        /// Worst price.
        price: Decimal,
        /// How long it stands.
        tif: LimitTif,
    },
    /// Spends quote at the market.
    MarketBuy {
        /// Quote to spend.
        quote: Decimal,
        /// How.
        tif: MarketTif,
    },
    /// Sells base at the market.
    MarketSell {
        /// Base to sell.
        base: Decimal,
        /// How.
        tif: MarketTif,
    },
}

/// How much of the outcome the reply holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionMode {
    /// Id and text only; the outcome comes on the stream.
    Ack,
    /// The matched order without fees.
    Result,
    /// The order with fees; the slowest.
    Full,
}

impl ActionMode {
    /// Gate's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            ActionMode::Ack => "ACK",
            ActionMode::Result => "RESULT",
            ActionMode::Full => "FULL",
        }
    }
}

/// Which order ends when two of one self-trade group meet. An error for users in no group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelfTrade {
    /// The newer.
    CancelNewest,
    /// The older.
    CancelOldest,
    /// Both.
    CancelBoth,
}

impl SelfTrade {
    /// Gate's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            SelfTrade::CancelNewest => "cn",
            SelfTrade::CancelOldest => "co",
            SelfTrade::CancelBoth => "cb",
        }
    }
}

/// An order to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRequest {
    /// Our text.
    pub text: ClientText,
    /// Which pair.
    pub pair: PairName,
    /// Kind, side, size.
    pub terms: Terms,
    /// Which account.
    pub account: Account,
    /// Visible part of a limit order.
    pub iceberg: Option<Decimal>,
    /// What to do when it would trade with ourselves.
    pub self_trade: Option<SelfTrade>,
    /// Largest slippage of a market order, as a fraction.
    pub slippage: Option<Decimal>,
    /// How much the reply holds; the venue's default is all.
    pub action_mode: Option<ActionMode>,
}

impl OrderRequest {
    /// An order on the spot account without extras.
    pub fn new(text: ClientText, pair: PairName, terms: Terms) -> OrderRequest {
        OrderRequest {
            text,
            pair,
            terms,
            account: Account::Spot,
            iceberg: None,
            self_trade: None,
            slippage: None,
            action_mode: None,
        }
    }

    /// The JSON object of it: REST body, item of a batch, or `req_param` over WebSocket. Numbers are strings, and the time in force
    /// is always told.
    ///
    /// # Errors
    /// [`RequestError`] for an amount or price that is not above zero, slippage on a limit order, or an iceberg at the market.
    pub fn json(&self) -> Result<String, RequestError> {
        let limit = matches!(self.terms, Terms::Limit { .. });
        if limit && self.slippage.is_some() {
            return Err(RequestError::Contradiction("slippage belongs to market orders"));
        }
        if !limit && self.iceberg.is_some() {
            return Err(RequestError::Contradiction("an iceberg is a limit order"));
        }
        let head = |kind| {
            JsonObject::new()
                .text("text", self.text.as_str())
                .text("currency_pair", self.pair.as_str())
                .text("type", kind)
                .text("account", self.account.as_str())
        };
        let object = match self.terms {
            Terms::Limit { side, base, price, tif } => head("limit")
                .text("side", side.as_str())
                .decimal("amount", positive("amount", base)?)
                .decimal("price", positive("price", price)?)
                .text("time_in_force", tif.as_str()),
            Terms::MarketBuy { quote, tif } => head("market")
                .text("side", "buy")
                .decimal("amount", positive("amount", quote)?)
                .text("time_in_force", tif.as_str()),
            Terms::MarketSell { base, tif } => head("market")
                .text("side", "sell")
                .decimal("amount", positive("amount", base)?)
                .text("time_in_force", tif.as_str()),
        };
        Ok(object
            .some_decimal("iceberg", self.iceberg)
            .some_text("stp_act", self.self_trade.map(SelfTrade::as_str))
            .some_decimal("slippage", self.slippage)
            .some_text("action_mode", self.action_mode.map(ActionMode::as_str))
            .finish())
    }
}

/// New terms of a resting order: at least one of price and amount. A smaller amount keeps its place in the queue; a new price or a
/// larger amount goes to the back; an amount below what is filled cancels the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new price.
    Price(Decimal),
    /// A new total base amount.
    Amount(Decimal),
    /// Both.
    Both {
        /// The new price.
        price: Decimal,
        /// The new total base amount.
        amount: Decimal,
    },
}

/// An amendment of one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amendment {
    /// Which order.
    pub order: OrderKey,
    /// On which pair.
    pub pair: PairName,
    /// On which account.
    pub account: Account,
    /// The new terms.
    pub change: Change,
    /// A note that comes back as `amend_text`.
    pub note: Option<ClientText>,
}

impl Amendment {
    /// The new terms as members of a JSON object.
    pub(super) fn on(&self, object: JsonObject) -> Result<JsonObject, RequestError> {
        let (amount, price) = match self.change {
            Change::Price(price) => (None, Some(price)),
            Change::Amount(amount) => (Some(amount), None),
            Change::Both { price, amount } => (Some(amount), Some(price)),
        };
        let amount = amount.map(|amount| positive("amount", amount)).transpose()?;
        let price = price.map(|price| positive("price", price)).transpose()?;
        Ok(object
            .some_decimal("amount", amount)
            .some_decimal("price", price)
            .some_text("amend_text", self.note.as_ref().map(ClientText::as_str)))
    }
}
