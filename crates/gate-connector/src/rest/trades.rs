//! Our executions, and the dead-man switch (Gate API v4, `my_trades` row, dead-man switch).

use super::endpoint::Endpoint;
use super::exact;
use super::field;
use super::orders::AssetAmount;
use super::reader::RestReader;
use super::request::{JsonObject, Page, PairName, Query, RequestError, Span, THIRTY_DAYS_S, Unsigned, bounded};
use crate::wire::Reject;
use crate::wire::json::{fields, object};
use domain::{FrameReject, Role, Side, VenueNanos};
use rust_decimal::Decimal;

/// `GET /spot/my_trades`. Without a span the last 7 days are listed; a span may last 30 days.
///
/// # Errors
/// [`RequestError`] for a limit outside 1 to 1000, a page too deep, or a span too long.
pub fn my_trades(pair: Option<&PairName>, page: Page, span: Span) -> Result<Unsigned, RequestError> {
    let query = page.on(Query::default().with_some("currency_pair", pair.map(PairName::as_str)), 1000)?;
    Ok(Unsigned::get(Endpoint::MyTrades, span.on(query, THIRTY_DAYS_S)?))
}

/// `GET /spot/my_trades` of one order, by the venue's id; the pair belongs to it.
///
/// # Errors
/// [`RequestError::OutOfRange`] for a limit outside 1 to 1000.
pub fn trades_of(order_id: &str, pair: &PairName, page: Page) -> Result<Unsigned, RequestError> {
    let query = Query::default().with("currency_pair", pair.as_str());
    Ok(Unsigned::get(Endpoint::MyTrades, page.on(query, 1000)?.with("order_id", order_id)))
}

/// `POST /spot/countdown_cancel_all`: arms the switch for `timeout_s` seconds (5 or more), or disarms it with 0. Without a pair it
/// stands over every market. Re-arm at about a third of the timeout.
///
/// # Errors
/// [`RequestError::OutOfRange`] for 1 to 4 seconds, or more than a day.
pub fn countdown(timeout_s: u32, pair: Option<&PairName>) -> Result<Unsigned, RequestError> {
    if timeout_s != 0 {
        bounded("timeout", i64::from(timeout_s), 5, 86_400)?;
    }
    let body = JsonObject::new().bare("timeout", timeout_s).some_text("currency_pair", pair.map(PairName::as_str)).finish();
    Ok(Unsigned::new(Endpoint::Countdown, "", Query::default(), body))
}

/// One execution of one of our orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MyTrade {
    /// The venue's id.
    pub id: String,
    /// The order's id.
    pub order_id: String,
    /// When, to the microsecond.
    pub at: Option<VenueNanos>,
    /// Which pair.
    pub pair: String,
    /// Direction of our order.
    pub side: Side,
    /// Whether we took or made.
    pub role: Role,
    /// Base executed.
    pub amount: Decimal,
    /// Price.
    pub price: Decimal,
    /// Fee, up to three amounts in three assets; none that is zero.
    pub fees: Vec<AssetAmount>,
    /// Client text of the order.
    pub text: Option<String>,
    /// Note of the last amendment.
    pub amend_text: Option<String>,
    /// Number in the pair's sequence of trades.
    pub sequence: Option<String>,
}

impl MyTrade {
    /// Quote executed; `None` when it can't be held exactly.
    pub fn quote(&self) -> Option<Decimal> {
        let product = self.amount.mantissa().checked_mul(self.price.mantissa())?;
        Decimal::try_from_i128_with_scale(product, self.amount.scale() + self.price.scale()).ok()
    }

    /// What was received, net of a fee in the same asset: base for a buy, quote for a sell.
    pub fn net_received(&self) -> Option<AssetAmount> {
        let (base, quote) = self.pair.rsplit_once('_')?;
        let (asset, gross) = if self.side == Side::Buy { (base, self.amount) } else { (quote, self.quote()?) };
        let mut amount = gross;
        for fee in self.fees.iter().filter(|fee| fee.asset == asset) {
            amount = exact::difference(amount, fee.amount)?;
        }
        Some(AssetAmount { asset: asset.to_string(), amount })
    }
}

impl RestReader {
    /// `/spot/my_trades`.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape, or an execution of nothing.
    pub fn my_trades(&mut self, body: &mut [u8]) -> Result<Vec<MyTrade>, Reject> {
        self.rows(body, "my_trades", |row| {
            fields!(object(row, "trade")?,
                "id" => id, "order_id" => order_id, "create_time" => time, "create_time_ms" => time_ms, "currency_pair" => pair,
                "side" => side, "role" => role, "amount" => amount, "price" => price, "fee" => fee,
                "fee_currency" => fee_currency, "gt_fee" => gt_fee, "point_fee" => point_fee, "text" => text,
                "amend_text" => amend_text, "sequence_id" => sequence);
            let pair = field::text(pair, "currency_pair")?;
            let (base, quote) = pair.rsplit_once('_').ok_or(Reject::shape("currency_pair"))?;
            let side = field::side(side, "side")?;
            let received = if side == Side::Buy { base } else { quote };
            let fee_asset = field::optional_text(fee_currency, "fee_currency")?.unwrap_or_else(|| received.to_string());
            let mut fees = Vec::new();
            for (value, asset, what) in
                [(fee, fee_asset.as_str(), "fee"), (gt_fee, "GT", "gt_fee"), (point_fee, "POINT", "point_fee")]
            {
                let amount = field::optional_decimal(value, what)?.unwrap_or_default();
                if !amount.is_zero() {
                    fees.push(AssetAmount { asset: asset.to_string(), amount });
                }
            }
            let above_zero = |value, what| match field::size(value, what)? {
                number if number.is_zero() => Err(Reject::new(FrameReject::OutOfRange, what)),
                number => Ok(number),
            };
            Ok(MyTrade {
                id: field::id(id, "id")?,
                order_id: field::id(order_id, "order_id")?,
                at: match field::millis(time_ms, "create_time_ms")? {
                    Some(at) => Some(at),
                    None => field::seconds(time, "create_time")?,
                },
                side,
                role: match field::text(role, "role")?.as_str() {
                    "taker" => Role::Taker,
                    "maker" => Role::Maker,
                    _ => return Err(Reject::shape("role")),
                },
                amount: above_zero(amount, "amount")?,
                price: above_zero(price, "price")?,
                fees,
                text: field::optional_text(text, "text")?,
                amend_text: field::optional_text(amend_text, "amend_text")?,
                sequence: field::optional_id(sequence, "sequence_id")?,
                pair,
            })
        })
    }

    /// `/spot/countdown_cancel_all`: when the switch fires; `None` when it is disarmed. The time comes as integer or as string.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape.
    pub fn countdown(&mut self, body: &mut [u8]) -> Result<Option<VenueNanos>, Reject> {
        self.read(body, |root| {
            fields!(object(root, "countdown")?, "triggerTime" => trigger);
            field::millis(Some(crate::wire::json::required(trigger, "triggerTime")?), "triggerTime")
        })
    }
}
