//! Treasury facts, read only: chains, withdrawal fees and limits, deposit addresses, deposits and withdrawals (Gate API v4, wallet).
//!
//! There is no builder that moves funds.

use super::endpoint::Endpoint;
use super::field;
use super::reader::RestReader;
use super::request::{CurrencyName, Query, RequestError, Span, THIRTY_DAYS_S, Unsigned, bounded, public};
use crate::wire::Reject;
use crate::wire::json::{Value, fields, object};
use domain::VenueNanos;
use rust_decimal::Decimal;
use simd_json::prelude::*;
use venue::HttpRequest;

/// Chains a currency may have.
const CHAINS_MAX: usize = 1000;

/// `GET /wallet/currency_chains`.
pub fn currency_chains(currency: &CurrencyName) -> HttpRequest {
    public(Endpoint::CurrencyChains, "", Query::default().with("currency", currency.as_str()))
}

/// `GET /wallet/withdraw_status`.
pub fn withdraw_status(currency: Option<&CurrencyName>) -> Unsigned {
    Unsigned::get(Endpoint::WithdrawStatus, Query::default().with_some("currency", currency.map(CurrencyName::as_str)))
}

/// `GET /wallet/deposit_address`.
pub fn deposit_address(currency: &CurrencyName) -> Unsigned {
    Unsigned::get(Endpoint::DepositAddress, Query::default().with("currency", currency.as_str()))
}

/// `GET /wallet/deposits`, up to 500 rows from `offset`. A span may last 30 days; without one, the last 7.
///
/// # Errors
/// [`RequestError::OutOfRange`] for a limit outside 1 to 500 or a span too long.
pub fn deposits(currency: Option<&CurrencyName>, span: Span, limit: u32, offset: u32) -> Result<Unsigned, RequestError> {
    history(Endpoint::Deposits, currency, span, limit, offset)
}

/// `GET /wallet/withdrawals`, as [`deposits`].
///
/// # Errors
/// [`RequestError::OutOfRange`] for a limit outside 1 to 500 or a span too long.
pub fn withdrawals(currency: Option<&CurrencyName>, span: Span, limit: u32, offset: u32) -> Result<Unsigned, RequestError> {
    history(Endpoint::Withdrawals, currency, span, limit, offset)
}

fn history(
    endpoint: Endpoint,
    currency: Option<&CurrencyName>,
    span: Span,
    limit: u32,
    offset: u32,
) -> Result<Unsigned, RequestError> {
    let query = span.on(Query::default().with_some("currency", currency.map(CurrencyName::as_str)), THIRTY_DAYS_S)?;
    Ok(Unsigned::get(endpoint, query.with("limit", bounded("limit", i64::from(limit), 1, 500)?).with("offset", offset)))
}

/// A chain of a currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrencyChain {
    /// Gate's name of the chain.
    pub chain: String,
    /// Its name for people.
    pub name: Option<String>,
    /// Contract address, if it has one.
    pub contract: Option<String>,
    /// Whether deposits are credited.
    pub can_deposit: bool,
    /// Whether withdrawals are taken.
    pub can_withdraw: bool,
    /// Whether a memo belongs to the address.
    pub needs_memo: bool,
    /// Decimals of a withdrawal.
    pub decimals: Option<i64>,
}

/// What withdrawing a currency costs and how much of it may leave. Low-liquidity tokens are not listed by the venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WithdrawStatus {
    /// Which currency.
    pub currency: String,
    /// Deposit fee.
    pub deposit_fee: Option<Decimal>,
    /// Fixed fee of the default chain.
    pub fixed_fee: Option<Decimal>,
    /// Proportional fee, in percent.
    pub percent_fee: Option<Decimal>,
    /// Fixed fee by chain.
    pub fixed_fee_by_chain: Vec<(String, Decimal)>,
    /// Proportional fee by chain, in percent.
    pub percent_fee_by_chain: Vec<(String, Decimal)>,
    /// Smallest withdrawal.
    pub least: Option<Decimal>,
    /// Most a day.
    pub day_limit: Option<Decimal>,
    /// What is left of it today.
    pub day_limit_remaining: Option<Decimal>,
    /// Most at once.
    pub each_limit: Option<Decimal>,
}

/// An address of ours on one chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainAddress {
    /// Which chain.
    pub chain: String,
    /// The address; `None` while the venue makes it.
    pub address: Option<String>,
    /// The memo that belongs to it.
    pub memo: Option<String>,
    /// True when the venue could not make it.
    pub failed: bool,
}

/// A deposit or a withdrawal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// The venue's id.
    pub id: String,
    /// Id on the chain, once there.
    pub txid: Option<String>,
    /// Our id of a withdrawal.
    pub order_id: Option<String>,
    /// When.
    pub at: Option<VenueNanos>,
    /// Which currency.
    pub currency: String,
    /// How much; of a withdrawal gross of its fee.
    pub amount: Decimal,
    /// Fee of a withdrawal.
    pub fee: Option<Decimal>,
    /// To or from where.
    pub address: Option<String>,
    /// Memo.
    pub memo: Option<String>,
    /// Which chain.
    pub chain: Option<String>,
    /// State, an open set; see [`Transfer::is_final_deposit`] and [`Transfer::is_final_withdrawal`].
    pub status: String,
    /// Block of a withdrawal.
    pub block: Option<i64>,
    /// Why it failed.
    pub fail_reason: Option<String>,
}

impl Transfer {
    /// True for a deposit that is credited and may be withdrawn.
    pub fn is_final_deposit(&self) -> bool {
        self.status == "DONE"
    }

    /// True for a withdrawal that is on its chain.
    pub fn is_final_withdrawal(&self) -> bool {
        self.status == "DONE" && self.block.is_some_and(|block| block > 0)
    }
}

/// `"0.1%"`, `"0%"` or a plain number: percent.
fn percent(value: field::Field<'_, '_>, what: &'static str) -> Result<Option<Decimal>, Reject> {
    let Some(text) = value.and_then(|v| v.into_string()) else { return field::optional_decimal(value, what) };
    let text = text.strip_suffix('%').unwrap_or(text);
    if text.is_empty() {
        return Ok(None);
    }
    super::exact::parse(text).map(Some).map_err(|e| Reject::new(crate::wire::number::reject_of(e), what))
}

/// A map from chain to a number.
fn by_chain(
    value: field::Field<'_, '_>,
    what: &'static str,
    read: impl Fn(field::Field<'_, '_>, &'static str) -> Result<Option<Decimal>, Reject>,
) -> Result<Vec<(String, Decimal)>, Reject> {
    let mut out: Vec<(String, Decimal)> = Vec::new();
    let Some(value) = value else { return Ok(out) };
    for (chain, number) in object(&value, what)?.iter() {
        if out.len() >= CHAINS_MAX {
            return Err(Reject::new(domain::FrameReject::TooLarge, what));
        }
        if let Some(number) = read(Some(number), what)? {
            out.push((chain.to_string(), number));
        }
    }
    Ok(out)
}

fn transfer(value: &Value<'_, '_>) -> Result<Transfer, Reject> {
    fields!(object(value, "transfer")?,
        "id" => id, "txid" => txid, "withdraw_order_id" => order_id, "timestamp" => time, "currency" => currency,
        "amount" => amount, "fee" => fee, "address" => address, "memo" => memo, "chain" => chain, "status" => status,
        "block_number" => block, "fail_reason" => fail_reason);
    Ok(Transfer {
        id: field::id(id, "id")?,
        txid: field::optional_text(txid, "txid")?,
        order_id: field::optional_text(order_id, "withdraw_order_id")?,
        at: field::seconds(time, "timestamp")?,
        currency: field::text(currency, "currency")?,
        amount: field::size(amount, "amount")?,
        fee: field::optional_size(fee, "fee")?,
        address: field::optional_text(address, "address")?,
        memo: field::optional_text(memo, "memo")?,
        chain: field::optional_text(chain, "chain")?,
        status: field::text(status, "status")?,
        block: field::optional_integer(block, "block_number")?,
        fail_reason: field::message(fail_reason, "fail_reason")?,
    })
}

impl RestReader {
    /// `/wallet/currency_chains`.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape.
    pub fn currency_chains(&mut self, body: &mut [u8]) -> Result<Vec<CurrencyChain>, Reject> {
        self.rows(body, "currency_chains", |row| {
            fields!(object(row, "chain")?,
                "chain" => chain, "name_en" => name, "contract_address" => contract, "is_disabled" => disabled,
                "is_deposit_disabled" => deposit_disabled, "is_withdraw_disabled" => withdraw_disabled, "is_tag" => tag,
                "decimal" => decimals);
            let told = |value, what| field::optional_flag(value, what)?.ok_or(Reject::missing(what));
            let open = !told(disabled, "is_disabled")?;
            Ok(CurrencyChain {
                chain: field::text(chain, "chain")?,
                name: field::optional_text(name, "name_en")?,
                contract: field::optional_text(contract, "contract_address")?,
                can_deposit: !told(deposit_disabled, "is_deposit_disabled")? && open,
                can_withdraw: !told(withdraw_disabled, "is_withdraw_disabled")? && open,
                needs_memo: field::flag(tag, "is_tag")?,
                decimals: field::optional_integer(decimals, "decimal")?,
            })
        })
    }

    /// `/wallet/withdraw_status`.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape.
    pub fn withdraw_status(&mut self, body: &mut [u8]) -> Result<Vec<WithdrawStatus>, Reject> {
        self.rows(body, "withdraw_status", |row| {
            fields!(object(row, "withdraw_status")?,
                "currency" => currency, "deposit" => deposit, "withdraw_fix" => fixed, "withdraw_percent" => percent_fee,
                "withdraw_fix_on_chains" => fixed_by_chain, "withdraw_percent_on_chains" => percent_by_chain,
                "withdraw_amount_mini" => least, "withdraw_day_limit" => day, "withdraw_day_limit_remain" => remaining,
                "withdraw_eachtime_limit" => each);
            Ok(WithdrawStatus {
                currency: field::text(currency, "currency")?,
                deposit_fee: field::optional_size(deposit, "deposit")?,
                fixed_fee: field::optional_size(fixed, "withdraw_fix")?,
                percent_fee: percent(percent_fee, "withdraw_percent")?,
                fixed_fee_by_chain: by_chain(fixed_by_chain, "withdraw_fix_on_chains", field::optional_size)?,
                percent_fee_by_chain: by_chain(percent_by_chain, "withdraw_percent_on_chains", percent)?,
                least: field::optional_size(least, "withdraw_amount_mini")?,
                day_limit: field::optional_size(day, "withdraw_day_limit")?,
                day_limit_remaining: field::optional_size(remaining, "withdraw_day_limit_remain")?,
                each_limit: field::optional_size(each, "withdraw_eachtime_limit")?,
            })
        })
    }

    /// `/wallet/deposit_address`: our address on each chain. The top-level address is not used: it holds a sentence for people while
    /// the venue still makes one, and loses the memo's place.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape.
    pub fn deposit_address(&mut self, body: &mut [u8]) -> Result<Vec<ChainAddress>, Reject> {
        self.read(body, |root| {
            fields!(object(root, "deposit_address")?, "multichain_addresses" => chains);
            field::list(
                &crate::wire::json::required(chains, "multichain_addresses")?,
                CHAINS_MAX,
                "multichain_addresses",
                |row| {
                    fields!(object(row, "address")?,
                    "chain" => chain, "address" => address, "payment_id" => memo, "obtain_failed" => failed);
                    Ok(ChainAddress {
                        chain: field::text(chain, "chain")?,
                        address: field::optional_text(address, "address")?,
                        memo: field::optional_text(memo, "payment_id")?,
                        failed: field::flag(failed, "obtain_failed")?,
                    })
                },
            )
        })
    }

    /// `/wallet/deposits` and `/wallet/withdrawals`.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape.
    pub fn transfers(&mut self, body: &mut [u8]) -> Result<Vec<Transfer>, Reject> {
        self.rows(body, "transfers", transfer)
    }
}
