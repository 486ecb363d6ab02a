//! Private REST about fees: rates, and the switch that pays them in GT (Gate API v4, fees).
//!
//! Rates are fractions. With the switch on, a fill's fee leaves the GT balance at the reduced rate as long as enough GT is
//! free, and its `fee` is 0.

use serde_json::{Value, json};

use super::{error::ApiError, query::Query, render::Symbols, rows::text};
use crate::core::{AccountId, Exchange, FeeDebit, FeeRates};

/// Most pairs in one `/spot/batch_fee`.
const BATCH_PAIRS_MAX: usize = 50;

/// `/spot/fee` and `/wallet/fee`; the latter adds the contract rates.
///
/// # Errors
/// `INVALID_CURRENCY_PAIR` for a pair that is not listed.
pub(super) fn fee(
    query: &Query,
    user_id: u64,
    account: AccountId,
    exchange: &Exchange,
    symbols: &Symbols,
    with_contracts: bool,
) -> Result<Value, ApiError> {
    let pair = query.get("currency_pair");
    if let Some(name) = pair {
        symbols.find_pair(name).ok_or_else(|| ApiError::invalid_pair(name))?;
    }
    let mut row = row(user_id, account, exchange);
    if let Value::Object(fields) = &mut row {
        if with_contracts {
            for (name, rate) in [
                ("futures_taker_fee", "0.0005"),
                ("futures_maker_fee", "0.0002"),
                ("futures_rpi_maker_fee", "0.0002"),
                ("delivery_taker_fee", "0.0005"),
                ("delivery_maker_fee", "0.0002"),
            ] {
                fields.insert(name.to_owned(), Value::from(rate));
            }
        } else {
            fields.insert("currency_pair".to_owned(), Value::from(pair.unwrap_or("")));
        }
    }
    Ok(row)
}

/// `/spot/batch_fee`: an object by pair.
///
/// # Errors
/// `MISSING_REQUIRED_PARAM`, `TOO_MANY_CURRENCY_PAIRS` above 50, `INVALID_CURRENCY_PAIR`.
pub(super) fn batch_fee(
    query: &Query,
    user_id: u64,
    account: AccountId,
    exchange: &Exchange,
    symbols: &Symbols,
) -> Result<Value, ApiError> {
    let names: Vec<&str> = query.required("currency_pairs")?.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    if names.len() > BATCH_PAIRS_MAX {
        let message = format!("At most {BATCH_PAIRS_MAX} currency pairs");
        return Err(ApiError::new(400, "TOO_MANY_CURRENCY_PAIRS", message));
    }
    let mut rows = serde_json::Map::new();
    for name in names {
        symbols.find_pair(name).ok_or_else(|| ApiError::invalid_pair(name))?;
        let mut row = row(user_id, account, exchange);
        if let Value::Object(fields) = &mut row {
            fields.insert("currency_pair".to_owned(), Value::from(name));
        }
        rows.insert(name.to_owned(), row);
    }
    Ok(Value::Object(rows))
}

fn row(user_id: u64, account: AccountId, exchange: &Exchange) -> Value {
    let account = exchange.account(account);
    let rates = account.map_or(FeeRates::ZERO, |account| account.fees);
    let debit = account.map_or(FeeDebit::Received, |account| account.debit);
    let reduced = account.and_then(|account| exchange.gt_rates(account)).unwrap_or(FeeRates::ZERO);
    json!({
        "user_id": user_id,
        "taker_fee": text(rates.taker),
        "maker_fee": text(rates.maker),
        "rpi_maker_fee": text(rates.maker),
        "gt_discount": debit == FeeDebit::Gt,
        "gt_taker_fee": text(reduced.taker),
        "gt_maker_fee": text(reduced.maker),
        "loan_fee": "0.18",
        "point_type": "1",
        "debit_fee": match debit {
            FeeDebit::Gt => 1,
            FeeDebit::Points => 2,
            FeeDebit::Received => 3,
        },
        "rpi_mm": 0,
    })
}

/// GET `/account/debit_fee`.
pub(super) fn debit_switch(account: AccountId, exchange: &Exchange) -> Value {
    json!({"enabled": exchange.account(account).is_some_and(|account| account.debit == FeeDebit::Gt)})
}

/// POST `/account/debit_fee`. The venue takes minutes to follow; the simulated one follows at once.
///
/// # Errors
/// Refusals of the body: `enabled` must be there.
pub(super) fn set_debit_switch(body: &Value, account: AccountId, exchange: &mut Exchange) -> Result<(), ApiError> {
    let enabled = match body.get("enabled") {
        Some(Value::Bool(enabled)) => *enabled,
        None | Some(Value::Null) => return Err(ApiError::missing_param("enabled")),
        Some(_) => return Err(ApiError::invalid_param("Invalid enabled")),
    };
    exchange.set_fee_debit(account, if enabled { FeeDebit::Gt } else { FeeDebit::Received });
    Ok(())
}
