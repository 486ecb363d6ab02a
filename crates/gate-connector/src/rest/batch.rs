//! Several orders in one request (Gate API v4, batch orders). Success in part is normal: every item has its own outcome, read by
//! [`crate::rest::RestReader::items`]. Each order is counted against the rate limit as if it were sent alone, since the venue does
//! not say otherwise.

use super::endpoint::Endpoint;
use super::field;
use super::orders::{OPEN_PAGE_MAX, OrderView, order_row};
use super::reader::{ROWS_MAX, RestReader};
use super::request::{JsonObject, Page, PairName, Query, RequestError, Unsigned, counted, json_array};
use super::terms::{Account, Amendment, OrderKey, OrderRequest};
use crate::wire::Reject;
use crate::wire::json::{fields, object, required};

/// Orders of one market in a batch.
pub const PER_MARKET_MAX: usize = 10;
/// Markets of a batch.
pub const MARKETS_MAX: usize = 4;
/// Orders cancelled at once.
pub const CANCELS_MAX: usize = 20;
/// Orders amended at once.
pub const AMENDS_MAX: usize = 5;

/// `POST /spot/batch_orders`: at most 10 orders on each of at most 4 markets, all of one account, every text its own.
///
/// # Errors
/// [`RequestError`] for a batch of another shape.
pub fn place(orders: &[OrderRequest]) -> Result<Unsigned, RequestError> {
    counted("orders", orders, MARKETS_MAX * PER_MARKET_MAX)?;
    let mut pairs: Vec<&PairName> = orders.iter().map(|order| &order.pair).collect();
    pairs.sort();
    for same in pairs.chunk_by(|a, b| a == b) {
        counted("orders on one market", same, PER_MARKET_MAX)?;
    }
    pairs.dedup();
    counted("markets", &pairs, MARKETS_MAX)?;
    if orders.windows(2).any(|two| matches!(two, [a, b] if a.account != b.account)) {
        return Err(RequestError::Contradiction("a batch trades on one account"));
    }
    let mut texts: Vec<&str> = orders.iter().map(|order| order.text.as_str()).collect();
    texts.sort_unstable();
    if texts.windows(2).any(|two| matches!(two, [a, b] if a == b)) {
        return Err(RequestError::Contradiction("two orders of a batch have the same text"));
    }
    let items: Vec<String> = orders.iter().map(OrderRequest::json).collect::<Result<_, _>>()?;
    Ok(Unsigned::new(Endpoint::BatchOrders, "", Query::default(), json_array(items)))
}

/// One order to cancel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancellation {
    /// Which order; by text only within 30 minutes of its creation.
    pub order: OrderKey,
    /// On which pair.
    pub pair: PairName,
    /// On which account; a unified account must be named.
    pub account: Account,
}

/// `POST /spot/cancel_batch_orders`.
///
/// # Errors
/// [`RequestError::Count`] for none or more than 20.
pub fn cancel(orders: &[Cancellation]) -> Result<Unsigned, RequestError> {
    counted("orders", orders, CANCELS_MAX)?;
    let items = orders.iter().map(|one| {
        JsonObject::new()
            .text("currency_pair", one.pair.as_str())
            .text("id", one.order.as_str())
            .text("account", one.account.as_str())
            .finish()
    });
    Ok(Unsigned::new(Endpoint::CancelBatch, "", Query::default(), json_array(items)))
}

/// `POST /spot/amend_batch_orders`.
///
/// # Errors
/// [`RequestError`] for none or more than 5, or terms that are not above zero.
pub fn amend(amendments: &[Amendment]) -> Result<Unsigned, RequestError> {
    counted("orders", amendments, AMENDS_MAX)?;
    let item = |one: &Amendment| {
        let object = JsonObject::new()
            .text("order_id", one.order.as_str())
            .text("currency_pair", one.pair.as_str())
            .text("account", one.account.as_str());
        one.on(object).map(JsonObject::finish)
    };
    let items: Vec<String> = amendments.iter().map(item).collect::<Result<_, _>>()?;
    Ok(Unsigned::new(Endpoint::AmendBatch, "", Query::default(), json_array(items)))
}

/// `GET /spot/open_orders`: of every market; `limit` counts per pair.
///
/// # Errors
/// [`RequestError::OutOfRange`] for a limit outside 1 to 100.
pub fn open_orders(account: Account, page: Page) -> Result<Unsigned, RequestError> {
    let query = page.on(Query::default(), OPEN_PAGE_MAX)?.with("account", account.as_str());
    Ok(Unsigned::get(Endpoint::OpenOrders, query))
}

/// Open orders of one market.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketOrders {
    /// Which pair.
    pub pair: String,
    /// How many are open on it, over all pages.
    pub total: Option<i64>,
    /// Those of this page.
    pub orders: Vec<OrderView>,
}

impl RestReader {
    /// `/spot/open_orders`.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape, or an order under another pair's name.
    pub fn open_orders(&mut self, body: &mut [u8]) -> Result<Vec<MarketOrders>, Reject> {
        self.rows(body, "open_orders", |row| {
            fields!(object(row, "open_orders")?, "currency_pair" => pair, "total" => total, "orders" => orders);
            let pair = field::text(pair, "currency_pair")?;
            let orders = field::list(&required(orders, "orders")?, ROWS_MAX, "orders", order_row)?;
            if orders.iter().any(|order| order.pair != pair) {
                return Err(Reject::shape("currency_pair"));
            }
            Ok(MarketOrders { pair, total: field::optional_integer(total, "total")?, orders })
        })
    }
}
