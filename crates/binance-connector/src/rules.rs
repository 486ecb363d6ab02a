//! Instrument rules out of `GET …/exchangeInfo` of the three markets (Binance REST API, exchange information; filters).
//!
//! Decimals are those of `PRICE_FILTER.tickSize` and `LOT_SIZE.stepSize` without trailing zeros. A tick or step that is no power of ten
//! (0.0005, 5) is known by its digits only: orders made with them may be refused by the filter, books are exact. Orders outlive a tick
//! or step that was raised, and are executed as they are: on spot the scale has room for the finest that Binance counts
//! (`EXECUTION_DECIMALS`); what is finer than the scale, as on futures, is left out of books ([`venue::levels::FinerPrice`]). COIN-M
//! quantities are contracts. Open is only what is `TRADING`, and on spot also `isSpotTradingAllowed`.

use crate::market::{Market, venue_name};
use crate::wire::Reject;
use crate::wire::bodies::error_body;
use crate::wire::params::percent_encoded;
use domain::{Amount, FrameReject, InstrumentKind, Symbol};
use rust_decimal::Decimal;
use simd_json::prelude::*;
use venue::filters::{limit, step_decimals};
use venue::json::{JsonReader, Value, items, object, optional_flag, optional_text, required, text};
use venue::{ConnectorError, HttpRequest, RawRules, fields};

/// Largest list of all pairs read, in bytes.
const RULES_BYTES_MAX: usize = 32 << 20;
/// Pairs the list may have.
const SYMBOLS_MAX: usize = 50_000;
/// Filters a pair may have.
const FILTERS_MAX: usize = 64;
/// Decimals to which spot counts any price and quantity (`baseAssetPrecision`, `quoteAssetPrecision`); no tick or step is finer.
const EXECUTION_DECIMALS: u8 = 8;
/// "Invalid symbol."
const INVALID_SYMBOL: i64 = -1121;

const WHAT: &str = "GET exchangeInfo";

/// Asks for the rules of `symbols`, which are all of `market`. Spot lists thousands of pairs, so only those are asked for.
pub(crate) fn request(market: Market, symbols: &[Symbol]) -> HttpRequest {
    let query = match market {
        Market::Spot => {
            let name = |name: String| format!("%22{}%22", percent_encoded(&name));
            let names: Vec<String> = symbols.iter().filter_map(venue_name).map(name).collect();
            format!("symbols=%5B{}%5D", names.join(","))
        }
        Market::UsdM | Market::CoinM => String::new(),
    };
    crate::connector::get(market.path("exchangeInfo"), query)
}

/// Reads the rules of `symbols`, which are all of one market, out of an answer.
///
/// # Errors
/// [`ConnectorError::Refused`] for a status that is not 2xx, [`ConnectorError::BadAnswer`] for another shape,
/// [`ConnectorError::UnknownPair`] for a symbol that is not listed.
pub fn decode(status: u16, body: &mut [u8], symbols: &[Symbol]) -> Result<Vec<RawRules>, ConnectorError> {
    let mut reader = JsonReader::default();
    if !(200..300).contains(&status) {
        let error = error_body(&mut reader, body);
        return Err(match (error, symbols) {
            (Some(error), [symbol]) if error.code == INVALID_SYMBOL => ConnectorError::UnknownPair(symbol.clone()),
            (Some(error), _) if error.code == INVALID_SYMBOL => ConnectorError::SomeUnlisted(symbols.to_vec()),
            (Some(error), _) => {
                ConnectorError::Refused { what: WHAT, status, label: format!("{} {}", error.code, error.message) }
            }
            (None, _) => ConnectorError::Refused { what: WHAT, status, label: String::new() },
        });
    }
    let listed =
        listed(&mut reader, body, symbols).map_err(|reject| ConnectorError::BadAnswer { what: WHAT, why: reject.to_string() })?;
    symbols
        .iter()
        .map(|symbol| {
            let mut found = listed.iter().filter(|rules| &rules.symbol == symbol);
            match (found.next(), found.next()) {
                (Some(rules), None) => Ok(rules.clone()),
                (None, _) => Err(ConnectorError::UnknownPair(symbol.clone())),
                (Some(_), Some(_)) => Err(ConnectorError::BadAnswer { what: WHAT, why: format!("{symbol} is listed twice") }),
            }
        })
        .collect()
}

fn listed(reader: &mut JsonReader, body: &mut [u8], symbols: &[Symbol]) -> Result<Vec<RawRules>, Reject> {
    reader.read(body, RULES_BYTES_MAX, |root| {
        fields!(object(&root, "exchangeInfo")?, "symbols" => rows);
        let mut listed = Vec::new();
        for row in items(&required(rows, "symbols")?, SYMBOLS_MAX, "symbols")? {
            listed.extend(row_of(&row, symbols)?);
        }
        Ok(listed)
    })
}

/// Reads the rules of one symbol out of a success.
///
/// # Errors
/// [`Reject`] for another shape, or a list without the symbol, or with it twice.
pub(crate) fn decode_one(body: &mut [u8], symbol: &Symbol) -> Result<RawRules, Reject> {
    let mut listed = listed(&mut JsonReader::default(), body, std::slice::from_ref(symbol))?;
    match (listed.pop(), listed.is_empty()) {
        (Some(rules), true) => Ok(rules),
        _ => Err(Reject::new(FrameReject::UnknownPair, "symbols")),
    }
}

/// The rules of one row, or `None` for a symbol that is not wanted (whose fields are not judged).
fn row_of(value: &Value<'_, '_>, symbols: &[Symbol]) -> Result<Option<RawRules>, Reject> {
    let row = object(value, "symbol")?;
    fields!(row,
        "symbol" => name, "baseAsset" => base, "quoteAsset" => quote, "marginAsset" => margin, "status" => status,
        "contractStatus" => contract_status, "isSpotTradingAllowed" => spot_allowed, "contractSize" => contract_size,
        "filters" => filters);
    let name = text(name, "symbol")?;
    let Some(symbol) = symbols.iter().find(|s| venue_name(s).as_deref() == Some(name)) else { return Ok(None) };
    // A name alone may be another symbol's: `A/BC` and `AB/C` are written alike.
    if text(base, "baseAsset")? != symbol.base || text(quote, "quoteAsset")? != symbol.quote {
        return Ok(None);
    }
    if optional_text(margin, "marginAsset")? != symbol.settle.as_deref() {
        return Ok(None);
    }
    // COIN-M tells it as `contractStatus`.
    let status = optional_text(status, "status")?.or(optional_text(contract_status, "contractStatus")?);
    let trading = status.ok_or(Reject::missing("status"))? == "TRADING";
    let open = trading && (!symbol.is_spot() || optional_flag(spot_allowed, "isSpotTradingAllowed")?.unwrap_or(false));
    let filters = Filters::read(&required(filters, "filters")?)?;
    let kind = kind_of(symbol, contract_size)?;
    let price_decimals = filters.tick.ok_or(Reject::missing("PRICE_FILTER"))?;
    let qty_decimals = filters.step.ok_or(Reject::missing("LOT_SIZE"))?;
    let executed = |decimals: u8| if symbol.is_spot() { decimals.max(EXECUTION_DECIMALS) } else { decimals };
    Ok(Some(RawRules {
        symbol: symbol.clone(),
        price_decimals,
        qty_decimals,
        execution_decimals: executed(qty_decimals),
        execution_price_decimals: executed(price_decimals),
        kind,
        qty_min: filters.qty_min,
        qty_max: filters.qty_max,
        value_min: filters.value_min,
        can_buy: open,
        can_sell: open,
    }))
}

/// One contract is one base on USD-M and `contractSize` dollars on COIN-M.
fn kind_of(symbol: &Symbol, contract_size: Option<Value<'_, '_>>) -> Result<InstrumentKind, Reject> {
    let Some(settle) = symbol.settle.clone() else { return Ok(InstrumentKind::Spot) };
    let inverse = Market::of(symbol) == Some(Market::CoinM);
    let units = match (inverse, contract_size) {
        (false, _) => 1,
        (true, size) => {
            let size = required(size, "contractSize")?;
            size.as_u64()
                .filter(|size| (1..=1_000_000).contains(size))
                .ok_or(Reject::new(FrameReject::BadNumber, "contractSize"))?
        }
    };
    let multiplier = Amount::from_units(i128::from(units) * domain::number::AMOUNT_ONE);
    Ok(match (symbol.expiry, inverse) {
        (Some(expiry), _) => InstrumentKind::DatedFuture { multiplier, settle, expiry },
        (None, true) => InstrumentKind::InversePerpetual { multiplier, settle },
        (None, false) => InstrumentKind::LinearPerpetual { multiplier, settle },
    })
}

/// What the filters of one pair say.
#[derive(Default)]
struct Filters {
    tick: Option<u8>,
    step: Option<u8>,
    qty_min: Option<Decimal>,
    qty_max: Option<Decimal>,
    value_min: Option<Decimal>,
}

impl Filters {
    fn read(value: &Value<'_, '_>) -> Result<Filters, Reject> {
        let mut found = Filters::default();
        for filter in items(value, FILTERS_MAX, "filters")? {
            let filter = object(&filter, "filter")?;
            fields!(filter, "filterType" => kind);
            match text(kind, "filterType")? {
                "PRICE_FILTER" => found.tick = Some(step_decimals(&filter, "tickSize")?),
                "LOT_SIZE" => {
                    found.step = Some(step_decimals(&filter, "stepSize")?);
                    found.qty_min = limit(&filter, "minQty")?;
                    found.qty_max = limit(&filter, "maxQty")?;
                }
                // Spot today, spot before, futures.
                "NOTIONAL" | "MIN_NOTIONAL" => {
                    let floor = limit(&filter, "minNotional")?.or(limit(&filter, "notional")?);
                    found.value_min = found.value_min.max(floor);
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
