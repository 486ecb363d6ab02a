//! One order over REST: placing, looking up, amending, cancelling; and what an order row says (Gate API v4, orders, order response).
//!
//! [`OrderView`] keeps the row as told and decides by the five rules of the order response:
//! 1. executed base is `filled_amount`, else `amount − left` where `amount` is base, else `filled_total ÷ avg_deal_price`;
//! 2. it has ended when `status` is not `open` (on the stream: `event` is `finish`), never because `left` is zero;
//! 3. a cancelled order with something executed is a success with a remainder;
//! 4. what is received is net of a fee in the same asset;
//! 5. the whole fee is up to three amounts in three assets.

use super::endpoint::Endpoint;
use super::exact;
use super::field;
use super::reader::{RestReader, item_failure};
use super::request::{JsonObject, Page, PairName, Query, RequestError, Span, Unsigned};
use super::terms::{Account, Amendment, OrderKey, OrderRequest};
use crate::rest::reader::VenueError;
use crate::wire::Reject;
use crate::wire::json::{Value, fields, object};
use domain::{FrameReject, Side, VenueNanos};
use rust_decimal::Decimal;

/// Open orders of one pair that a page may have.
pub const OPEN_PAGE_MAX: u32 = 100;

/// `POST /spot/orders`.
///
/// # Errors
/// [`RequestError`] for terms that the venue would refuse.
pub fn place(order: &OrderRequest) -> Result<Unsigned, RequestError> {
    Ok(Unsigned::new(Endpoint::PlaceOrder, "", Query::default(), order.json()?))
}

/// `GET /spot/orders?status=open` of one pair.
///
/// # Errors
/// [`RequestError::OutOfRange`] for a limit outside 1 to 100.
pub fn list_open(pair: &PairName, account: Account, page: Page) -> Result<Unsigned, RequestError> {
    let query = Query::default().with("currency_pair", pair.as_str()).with("status", "open");
    Ok(Unsigned::get(Endpoint::ListOrders, page.on(query, OPEN_PAGE_MAX)?.with("account", account.as_str())))
}

/// `GET /spot/orders?status=finished`, of one pair or all; the span is about the end of each order.
///
/// # Errors
/// [`RequestError::OutOfRange`] for a limit outside 1 to 1000 or a page too deep.
pub fn list_finished(
    pair: Option<&PairName>,
    account: Account,
    side: Option<Side>,
    page: Page,
    span: Span,
) -> Result<Unsigned, RequestError> {
    let query = Query::default().with_some("currency_pair", pair.map(PairName::as_str)).with("status", "finished");
    let query = span.on(page.on(query, 1000)?.with("account", account.as_str()), i64::MAX)?;
    Ok(Unsigned::get(Endpoint::ListOrders, query.with_some("side", side.map(Side::as_str))))
}

/// `GET /spot/orders/{id or text}`.
pub fn look_up(order: &OrderKey, pair: &PairName, account: Account) -> Unsigned {
    Unsigned::new(Endpoint::Order, order.as_str(), one_order(pair, account), String::new())
}

/// `PATCH /spot/orders/{id or text}`: the pair and the account go into the query, the new terms into the body.
///
/// # Errors
/// [`RequestError`] for a price or amount that is not above zero.
pub fn amend(amendment: &Amendment) -> Result<Unsigned, RequestError> {
    let body = amendment.on(JsonObject::new())?.finish();
    let query = one_order(&amendment.pair, amendment.account);
    Ok(Unsigned::new(Endpoint::AmendOrder, amendment.order.as_str(), query, body))
}

/// `DELETE /spot/orders/{id or text}`. Parameters go into the query: the venue ignores bodies of DELETE.
pub fn cancel(order: &OrderKey, pair: &PairName, account: Account) -> Unsigned {
    Unsigned::new(Endpoint::CancelOrder, order.as_str(), one_order(pair, account), String::new())
}

/// `DELETE /spot/orders` of one pair. There is no builder without the pair: that would cancel on every market.
pub fn cancel_all(pair: &PairName, side: Option<Side>, account: Account) -> Unsigned {
    let query = Query::default().with("currency_pair", pair.as_str()).with_some("side", side.map(Side::as_str));
    Unsigned::new(Endpoint::CancelAll, "", query.with("account", account.as_str()), String::new())
}

fn one_order(pair: &PairName, account: Account) -> Query {
    Query::default().with("currency_pair", pair.as_str()).with("account", account.as_str())
}

/// Whether an order lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderState {
    /// It may still trade.
    Open,
    /// It ended, done.
    Closed,
    /// It ended with a remainder, even if partly filled.
    Cancelled,
}

/// Why an order ended, as the venue says. Reasons that are not known are kept as told; all but `open` end it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FinishAs {
    /// Not ended.
    Open,
    /// All of it traded.
    Filled,
    /// Cancelled by its owner.
    Cancelled,
    /// The rest of an immediate-or-cancel order.
    Ioc,
    /// A post-only order that would have taken.
    Poc,
    /// A fill-or-kill order that could not fill.
    Fok,
    /// It would have traded with ourselves.
    SelfTrade,
    /// The remainder is too small to trade.
    Small,
    /// Another reason, or none told.
    Other(String),
}

impl FinishAs {
    fn of(text: Option<String>) -> FinishAs {
        match text.as_deref() {
            Some("open") => FinishAs::Open,
            Some("filled") => FinishAs::Filled,
            Some("cancelled") => FinishAs::Cancelled,
            Some("ioc") => FinishAs::Ioc,
            Some("poc") => FinishAs::Poc,
            Some("fok") => FinishAs::Fok,
            Some("stp") => FinishAs::SelfTrade,
            Some("small") => FinishAs::Small,
            _ => FinishAs::Other(text.unwrap_or_default()),
        }
    }
}

/// Base executed, and whether it is told or sums up exactly (a quotient of a total and an average price may not).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Executed {
    /// Base; never above what was executed.
    pub base: Decimal,
    /// True unless digits were cut.
    pub exact: bool,
}

/// An amount of one asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetAmount {
    /// Which asset.
    pub asset: String,
    /// How much.
    pub amount: Decimal,
}

/// How an order ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As asked.
    Filled,
    /// Something was executed, and a remainder was cancelled: a success with a remainder.
    PartlyFilled,
    /// Nothing was executed.
    Unfilled,
}

/// One order, as told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderView {
    /// The venue's id: a 64-bit integer as text.
    pub id: String,
    /// Client text, or the tag of another source (`web`, `apiv4`, `liquidate`, …).
    pub text: Option<String>,
    /// Note of the last amendment.
    pub amend_text: Option<String>,
    /// When it was created.
    pub created_at: Option<VenueNanos>,
    /// When it last changed.
    pub updated_at: Option<VenueNanos>,
    /// Which pair.
    pub pair: String,
    /// Base asset, from the pair's name.
    pub base: String,
    /// Quote asset, from the pair's name.
    pub quote: String,
    /// Whether it lives.
    pub state: OrderState,
    /// Why it ended.
    pub finish_as: FinishAs,
    /// True for a market order (of any lending kind).
    pub market: bool,
    /// Direction.
    pub side: Side,
    /// Which account.
    pub account: Option<String>,
    /// Time in force.
    pub time_in_force: Option<String>,
    /// Size: quote for a market buy, base for all others.
    pub amount: Decimal,
    /// Limit price; zero for market orders.
    pub price: Decimal,
    /// Visible part.
    pub iceberg: Option<Decimal>,
    /// Remainder, in the unit of `amount`. A market buy keeps some although it is done.
    pub left: Option<Decimal>,
    /// Quote executed.
    pub filled_total: Option<Decimal>,
    /// Average price.
    pub average: Option<Decimal>,
    /// Base executed (rule 1).
    pub executed: Executed,
    /// Fee in `fee_currency`.
    pub fee: Decimal,
    /// Asset of `fee`; the asset received when the venue does not say.
    pub fee_asset: String,
    /// Fee paid in GT instead.
    pub gt_fee: Decimal,
    /// Fee paid in points instead.
    pub point_fee: Decimal,
    /// GT rate of makers.
    pub gt_maker_rate: Option<Decimal>,
    /// GT rate of takers.
    pub gt_taker_rate: Option<Decimal>,
    /// Whether GT deduction was on.
    pub gt_discount: bool,
    /// Maker rebate.
    pub rebate: Option<AssetAmount>,
    /// Self-trade group.
    pub stp_id: Option<i64>,
    /// What self-trade prevention does.
    pub stp_act: Option<String>,
}

impl OrderView {
    /// True when `amount` and `left` are quote.
    pub fn is_quote_sized(&self) -> bool {
        self.market && self.side == Side::Buy
    }

    /// True when it can't trade any more (rule 2).
    pub fn has_ended(&self) -> bool {
        self.state != OrderState::Open
    }

    /// How it ended (rule 3); `None` while it lives.
    pub fn ending(&self) -> Option<Ending> {
        if !self.has_ended() {
            return None;
        }
        let whole = !self.is_quote_sized() && self.executed.base == self.amount;
        Some(match (self.executed.base.is_zero(), whole || self.finish_as == FinishAs::Filled) {
            (true, _) => Ending::Unfilled,
            (false, true) => Ending::Filled,
            (false, false) => Ending::PartlyFilled,
        })
    }

    /// The asset that this order receives.
    pub fn received_asset(&self) -> &str {
        if self.side == Side::Buy { &self.base } else { &self.quote }
    }

    /// What was received, net of a fee in the same asset (rule 4): base for a buy, quote for a sell. `None` when the quote executed
    /// is not told, or the difference can't be held exactly. A rebate is not in it: it comes in another asset.
    pub fn net_received(&self) -> Option<AssetAmount> {
        let gross = if self.side == Side::Buy { self.executed.base } else { self.filled_total? };
        let fee = if self.fee_asset == self.received_asset() { self.fee } else { Decimal::ZERO };
        Some(AssetAmount { asset: self.received_asset().to_string(), amount: exact::difference(gross, fee)? })
    }

    /// The whole fee (rule 5): every amount that is not zero, in its own asset.
    pub fn fees(&self) -> Vec<AssetAmount> {
        [(self.fee_asset.as_str(), self.fee), ("GT", self.gt_fee), ("POINT", self.point_fee)]
            .into_iter()
            .filter(|(_, amount)| !amount.is_zero())
            .map(|(asset, amount)| AssetAmount { asset: asset.to_string(), amount })
            .collect()
    }
}

/// The reply to placing, amending or cancelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderReply {
    /// Receipt only (`action_mode` `ACK`): the outcome comes on the stream.
    Receipt {
        /// The venue's id.
        id: String,
        /// Client text.
        text: Option<String>,
        /// Note of the amendment.
        amend_text: Option<String>,
    },
    /// The order.
    Order(OrderView),
}

/// Reads one order row of REST or of the stream.
///
/// # Errors
/// [`Reject`] for a missing field, an unknown status, kind or side, or numbers that contradict each other.
pub(super) fn order_row(value: &Value<'_, '_>) -> Result<OrderView, Reject> {
    fields!(object(value, "order")?,
        "id" => id, "text" => text, "amend_text" => amend_text, "create_time" => created, "create_time_ms" => created_ms,
        "update_time" => updated, "update_time_ms" => updated_ms, "currency_pair" => pair, "status" => status, "event" => event,
        "finish_as" => finish_as, "type" => kind, "side" => side, "account" => account, "time_in_force" => tif,
        "amount" => amount, "price" => price, "iceberg" => iceberg, "left" => left, "filled_amount" => filled_amount,
        "filled_total" => filled_total, "fill_price" => fill_price, "avg_deal_price" => average, "fee" => fee,
        "fee_currency" => fee_currency, "gt_fee" => gt_fee, "point_fee" => point_fee, "gt_maker_fee" => gt_maker,
        "gt_taker_fee" => gt_taker, "gt_discount" => gt_discount, "rebated_fee" => rebate, "rebated_fee_currency" => rebate_asset,
        "stp_id" => stp_id, "stp_act" => stp_act);
    let pair = field::text(pair, "currency_pair")?;
    let (base, quote) = pair.rsplit_once('_').ok_or(Reject::shape("currency_pair"))?;
    let (base, quote) = (base.to_string(), quote.to_string());
    let side = field::side(side, "side")?;
    let kind = field::optional_text(kind, "type")?.unwrap_or_else(|| "limit".into());
    let market = kind.starts_with("market");
    if !market && !kind.starts_with("limit") {
        return Err(Reject::shape("type"));
    }
    let status = field::optional_text(status, "status")?;
    let event = field::optional_text(event, "event")?;
    let finish_as = FinishAs::of(field::optional_text(finish_as, "finish_as")?);
    let state = match (event.as_deref(), status.as_deref()) {
        (Some("put" | "update"), _) | (None, Some("open")) => OrderState::Open,
        (Some("finish"), _) if finish_as == FinishAs::Filled => OrderState::Closed,
        (Some("finish"), _) | (None, Some("cancelled")) => OrderState::Cancelled,
        (None, Some("closed")) => OrderState::Closed,
        (None, None) => return Err(Reject::missing("status")),
        (Some(_), _) => return Err(Reject::shape("event")),
        (None, Some(_)) => return Err(Reject::shape("status")),
    };
    let amount = field::size(amount, "amount")?;
    let left = field::optional_size(left, "left")?;
    // The alias of the total; it is no price on spot.
    let filled_total = field::optional_size(filled_total.or(fill_price), "filled_total")?;
    let average = field::optional_size(average, "avg_deal_price")?;
    let quote_sized = market && side == Side::Buy;
    let executed = executed_of(
        field::optional_size(filled_amount, "filled_amount")?,
        (!quote_sized).then_some((amount, left)),
        filled_total,
        average,
    )?;
    if !quote_sized && executed.base > amount {
        return Err(Reject::new(FrameReject::OutOfRange, "filled_amount"));
    }
    let received = if side == Side::Buy { &base } else { &quote };
    let fee_asset = field::optional_text(fee_currency, "fee_currency")?.unwrap_or_else(|| received.clone());
    let or_zero = |value, what| Ok::<Decimal, Reject>(field::optional_decimal(value, what)?.unwrap_or_default());
    let rebate = match (or_zero(rebate, "rebated_fee")?, field::optional_text(rebate_asset, "rebated_fee_currency")?) {
        (amount, _) if amount.is_zero() => None,
        (amount, Some(asset)) => Some(AssetAmount { asset, amount }),
        (_, None) => return Err(Reject::missing("rebated_fee_currency")),
    };
    let time = |ms, s, what_ms, what| match field::millis(ms, what_ms)? {
        Some(at) => Ok(Some(at)),
        None => field::seconds(s, what),
    };
    Ok(OrderView {
        id: field::id(id, "id")?,
        text: field::optional_text(text, "text")?,
        amend_text: field::optional_text(amend_text, "amend_text")?,
        created_at: time(created_ms, created, "create_time_ms", "create_time")?,
        updated_at: time(updated_ms, updated, "update_time_ms", "update_time")?,
        state,
        finish_as,
        market,
        side,
        account: field::optional_text(account, "account")?,
        time_in_force: field::optional_text(tif, "time_in_force")?,
        amount,
        price: if market {
            field::optional_size(price, "price")?.unwrap_or_default()
        } else {
            let price = field::size(price, "price")?;
            if price.is_zero() {
                return Err(Reject::new(FrameReject::OutOfRange, "price"));
            }
            price
        },
        iceberg: field::limit(iceberg, "iceberg")?,
        left,
        filled_total,
        average,
        executed,
        fee: or_zero(fee, "fee")?,
        fee_asset,
        gt_fee: or_zero(gt_fee, "gt_fee")?,
        point_fee: or_zero(point_fee, "point_fee")?,
        gt_maker_rate: field::optional_decimal(gt_maker, "gt_maker_fee")?,
        gt_taker_rate: field::optional_decimal(gt_taker, "gt_taker_fee")?,
        gt_discount: field::flag(gt_discount, "gt_discount")?,
        rebate,
        stp_id: field::optional_integer(stp_id, "stp_id")?,
        stp_act: field::optional_text(stp_act, "stp_act")?,
        pair,
        base,
        quote,
    })
}

/// Rule 1. `base_sized` is amount and remainder where those are base.
fn executed_of(
    told: Option<Decimal>,
    base_sized: Option<(Decimal, Option<Decimal>)>,
    total: Option<Decimal>,
    average: Option<Decimal>,
) -> Result<Executed, Reject> {
    if let Some(base) = told {
        return Ok(Executed { base, exact: true });
    }
    if let Some((amount, left)) = base_sized {
        let left = left.ok_or(Reject::missing("left"))?;
        let base = exact::difference(amount, left).filter(|base| !base.is_sign_negative() || base.is_zero());
        return Ok(Executed { base: base.ok_or(Reject::new(FrameReject::OutOfRange, "left"))?, exact: true });
    }
    let total = total.ok_or(Reject::missing("filled_total"))?;
    if total.is_zero() {
        return Ok(Executed { base: Decimal::ZERO, exact: true });
    }
    let average = average.ok_or(Reject::missing("avg_deal_price"))?;
    let (base, exact) =
        exact::quotient_rounded_down(total, average).ok_or(Reject::new(FrameReject::OutOfRange, "avg_deal_price"))?;
    Ok(Executed { base, exact })
}

/// An order, or only the receipt of one.
pub(super) fn reply_row(value: &Value<'_, '_>) -> Result<OrderReply, Reject> {
    fields!(object(value, "order")?,
        "id" => id, "text" => text, "amend_text" => amend_text, "status" => status, "amount" => amount, "side" => side);
    if status.is_some() || amount.is_some() || side.is_some() {
        return order_row(value).map(OrderReply::Order);
    }
    Ok(OrderReply::Receipt {
        id: field::id(id, "id")?,
        text: field::optional_text(text, "text")?,
        amend_text: field::optional_text(amend_text, "amend_text")?,
    })
}

/// What became of one order in an answer about several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemReply {
    /// The venue's id, where told.
    pub id: Option<String>,
    /// Client text, where told.
    pub text: Option<String>,
    /// On which pair, where told.
    pub pair: Option<String>,
    /// The order (or its receipt, or a plain success), or why it failed.
    pub outcome: Result<Option<OrderReply>, VenueError>,
}

/// Reads one item. `succeeded` may be absent: an item then counts as done only if it carries an order and no label.
pub(super) fn item_row(value: &Value<'_, '_>) -> Result<ItemReply, Reject> {
    fields!(object(value, "item")?,
        "id" => id, "order_id" => order_id, "text" => text, "currency_pair" => pair, "succeeded" => succeeded, "label" => label,
        "message" => message, "status" => status, "amount" => amount);
    let failure = item_failure(label, message)?;
    let carries_order = status.is_some() || amount.is_some();
    let done = match field::optional_flag(succeeded, "succeeded")? {
        Some(told) => told,
        None => carries_order && failure.as_ref().is_none_or(|f| f.label.is_none()),
    };
    let id = match field::optional_id(id, "id")? {
        Some(id) => Some(id),
        None => field::optional_id(order_id, "order_id")?,
    };
    let text = field::optional_text(text, "text")?;
    let outcome = if !done {
        Err(failure.unwrap_or(VenueError { status: 400, label: None, message: None }))
    } else if carries_order {
        Ok(Some(OrderReply::Order(order_row(value)?)))
    } else {
        Ok(id.clone().map(|id| OrderReply::Receipt { id, text: text.clone(), amend_text: None }))
    };
    Ok(ItemReply { id, text, pair: field::optional_text(pair, "currency_pair")?, outcome })
}

impl RestReader {
    /// One order: the answer to a look-up, and to placing, amending or cancelling unless only a receipt was asked for.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape.
    pub fn order(&mut self, body: &mut [u8]) -> Result<OrderView, Reject> {
        self.read(body, order_row)
    }

    /// The answer to placing, amending or cancelling with any `action_mode`.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape.
    pub fn order_reply(&mut self, body: &mut [u8]) -> Result<OrderReply, Reject> {
        self.read(body, reply_row)
    }

    /// `GET /spot/orders`.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape.
    pub fn orders(&mut self, body: &mut [u8]) -> Result<Vec<OrderView>, Reject> {
        self.rows(body, "orders", order_row)
    }

    /// The answer to cancelling all orders, and to every batch: one item per order, each with its own outcome.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape.
    pub fn items(&mut self, body: &mut [u8]) -> Result<Vec<ItemReply>, Reject> {
        self.rows(body, "items", item_row)
    }
}
