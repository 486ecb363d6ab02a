//! Derivatives: this venue has none, and says so to clients that load every market there is before they trade spot (Binance
//! USDⓈ-M futures, COIN-M futures and options APIs, exchange information).

use serde_json::{Value, json};

use super::{Call, error::ApiError, params::Params};

/// `/fapi/v1/exchangeInfo`.
pub(super) fn usd_margined(params: &Params, call: &Call<'_>) -> Result<Value, ApiError> {
    let mut info = coin_margined(params, call)?;
    info["assets"] = json!([]);
    Ok(info)
}

/// `/dapi/v1/exchangeInfo`.
pub(super) fn coin_margined(params: &Params, call: &Call<'_>) -> Result<Value, ApiError> {
    params.finish()?;
    Ok(json!({
        "timezone": "UTC",
        "serverTime": call.stamp.of(call.t_ns),
        "rateLimits": [],
        "exchangeFilters": [],
        "symbols": [],
    }))
}

/// `/eapi/v1/exchangeInfo`.
pub(super) fn options(params: &Params, call: &Call<'_>) -> Result<Value, ApiError> {
    params.finish()?;
    Ok(json!({
        "timezone": "UTC",
        "serverTime": call.stamp.of(call.t_ns),
        "rateLimits": [],
        "optionContracts": [],
        "optionAssets": [],
        "optionSymbols": [],
    }))
}
