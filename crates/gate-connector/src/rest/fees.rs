//! What we are charged (Gate API v4, fees). Rates are fractions (`0.002` = 0.2 %); with GT deduction on, the GT rates apply and GT pays.

use super::endpoint::Endpoint;
use super::field;
use super::reader::RestReader;
use super::request::{JsonObject, PairName, Query, RequestError, Unsigned, counted};
use crate::wire::Reject;
pub use crate::wire::fees::PaidIn;
use crate::wire::json::{Value, fields, object};
use rust_decimal::Decimal;

/// Pairs that one request for several fees may name.
pub const BATCH_FEE_PAIRS_MAX: usize = 50;

/// `GET /wallet/fee`, the recommended source.
pub fn wallet_fee(pair: Option<&PairName>) -> Unsigned {
    Unsigned::get(Endpoint::WalletFee, Query::default().with_some("currency_pair", pair.map(PairName::as_str)))
}

/// `GET /spot/fee`, deprecated by the venue.
pub fn spot_fee(pair: Option<&PairName>) -> Unsigned {
    Unsigned::get(Endpoint::SpotFee, Query::default().with_some("currency_pair", pair.map(PairName::as_str)))
}

/// `GET /spot/batch_fee`.
///
/// # Errors
/// [`RequestError::Count`] for no pair or more than [`BATCH_FEE_PAIRS_MAX`].
pub fn batch_fee(pairs: &[PairName]) -> Result<Unsigned, RequestError> {
    counted("pairs", pairs, BATCH_FEE_PAIRS_MAX)?;
    let names: Vec<&str> = pairs.iter().map(PairName::as_str).collect();
    Ok(Unsigned::get(Endpoint::BatchFee, Query::default().with("currency_pairs", names.join(","))))
}

/// `GET /account/debit_fee`.
pub fn debit_fee() -> Unsigned {
    Unsigned::get(Endpoint::DebitFee, Query::default())
}

/// `POST /account/debit_fee`: switches GT deduction. It takes effect after about five minutes.
pub fn set_debit_fee(enabled: bool) -> Unsigned {
    Unsigned::new(Endpoint::SetDebitFee, "", Query::default(), JsonObject::new().bare("enabled", enabled).finish())
}

/// The rates that apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EffectiveFee {
    /// Rate of takers.
    pub taker: Decimal,
    /// Rate of makers; negative for a rebate.
    pub maker: Decimal,
    /// In what.
    pub paid_in: PaidIn,
}

/// One fee object, of any of the three sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeeFacts {
    /// Our user.
    pub user_id: Option<String>,
    /// Rate of takers.
    pub taker: Decimal,
    /// Rate of makers.
    pub maker: Decimal,
    /// Rate of makers of retail-price-improvement orders.
    pub rpi_maker: Option<Decimal>,
    /// Whether GT deduction is on.
    pub gt_discount: bool,
    /// Rate of takers when GT pays.
    pub gt_taker: Option<Decimal>,
    /// Rate of makers when GT pays.
    pub gt_maker: Option<Decimal>,
    /// Rate of margin loans.
    pub loan: Option<Decimal>,
    /// Kind of points.
    pub point_type: Option<String>,
    /// Rate of futures takers.
    pub futures_taker: Option<Decimal>,
    /// Rate of futures makers.
    pub futures_maker: Option<Decimal>,
    /// Rate of delivery takers.
    pub delivery_taker: Option<Decimal>,
    /// Rate of delivery makers.
    pub delivery_maker: Option<Decimal>,
    /// Kind of deduction: 1 GT, 2 points, 3 the tier's own rate.
    pub debit_fee: Option<i64>,
}

impl FeeFacts {
    /// The rates that apply now. `None` when GT pays but its rates are not told.
    pub fn effective(&self) -> Option<EffectiveFee> {
        let paid_in = PaidIn::of(self.gt_discount, self.debit_fee);
        let (taker, maker) = match paid_in {
            PaidIn::Gt => (self.gt_taker?, self.gt_maker?),
            PaidIn::Points | PaidIn::Received => (self.taker, self.maker),
        };
        Some(EffectiveFee { taker, maker, paid_in })
    }
}

fn fee_row(value: &Value<'_, '_>) -> Result<FeeFacts, Reject> {
    fields!(object(value, "fee")?,
        "user_id" => user_id, "taker_fee" => taker, "maker_fee" => maker, "rpi_maker_fee" => rpi_maker, "gt_discount" => gt_discount,
        "gt_taker_fee" => gt_taker, "gt_maker_fee" => gt_maker, "loan_fee" => loan, "point_type" => point_type,
        "futures_taker_fee" => futures_taker, "futures_maker_fee" => futures_maker, "delivery_taker_fee" => delivery_taker,
        "delivery_maker_fee" => delivery_maker, "debit_fee" => debit_fee);
    Ok(FeeFacts {
        user_id: field::optional_id(user_id, "user_id")?,
        taker: field::decimal(taker, "taker_fee")?,
        maker: field::decimal(maker, "maker_fee")?,
        rpi_maker: field::optional_decimal(rpi_maker, "rpi_maker_fee")?,
        gt_discount: field::flag(gt_discount, "gt_discount")?,
        gt_taker: field::optional_decimal(gt_taker, "gt_taker_fee")?,
        gt_maker: field::optional_decimal(gt_maker, "gt_maker_fee")?,
        loan: field::optional_decimal(loan, "loan_fee")?,
        point_type: field::optional_id(point_type, "point_type")?,
        futures_taker: field::optional_decimal(futures_taker, "futures_taker_fee")?,
        futures_maker: field::optional_decimal(futures_maker, "futures_maker_fee")?,
        delivery_taker: field::optional_decimal(delivery_taker, "delivery_taker_fee")?,
        delivery_maker: field::optional_decimal(delivery_maker, "delivery_maker_fee")?,
        debit_fee: field::optional_integer(debit_fee, "debit_fee")?,
    })
}

impl RestReader {
    /// `/wallet/fee` and `/spot/fee`.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape.
    pub fn fee(&mut self, body: &mut [u8]) -> Result<FeeFacts, Reject> {
        self.read(body, fee_row)
    }

    /// `/spot/batch_fee`: pair and fees, in the venue's order.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape, or a pair told twice.
    pub fn batch_fee(&mut self, body: &mut [u8]) -> Result<Vec<(String, FeeFacts)>, Reject> {
        self.read(body, |root| {
            let mut fees: Vec<(String, FeeFacts)> = Vec::new();
            for (pair, fee) in object(root, "batch_fee")?.iter() {
                if fees.iter().any(|(known, _)| known == pair) {
                    return Err(Reject::shape("currency_pair"));
                }
                if fees.len() >= BATCH_FEE_PAIRS_MAX {
                    return Err(Reject::new(domain::FrameReject::TooLarge, "batch_fee"));
                }
                fees.push((pair.to_string(), fee_row(&fee)?));
            }
            Ok(fees)
        })
    }

    /// `/account/debit_fee`: whether GT deduction is on.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape.
    pub fn debit_fee(&mut self, body: &mut [u8]) -> Result<bool, Reject> {
        self.read(body, |root| {
            fields!(object(root, "debit_fee")?, "enabled" => enabled);
            field::optional_flag(enabled, "enabled")?.ok_or(Reject::missing("enabled"))
        })
    }
}
