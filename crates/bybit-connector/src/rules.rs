//! Instrument rules out of `GET /v5/market/instruments-info` (Bybit v5, get instruments info).
//!
//! Decimals are those of `priceFilter.tickSize` and of `lotSizeFilter.basePrecision` (spot) or `qtyStep` (contracts), without
//! trailing zeros. A tick or step that is no power of ten (0.0005, 5) is known by its digits only: orders made with them may be
//! refused by the venue, books are exact. Orders outlive a tick or step that was raised, and are executed as they are: on spot the scale
//! has room for what is finer (`EXECUTION_DECIMALS`). `quotePrecision` bounds market buys in quote, which are never sent. Quantities of
//! inverse contracts are contracts of one dollar. Open is only what is `Trading`.
//!
//! One request names one symbol or lists a whole category, of which spot comes in one page and contracts in pages of at most
//! 1000: what is not on one is looked for on the next ([`next_page`]). A page that was not the last is refused where a wanted symbol is not
//! on it, rather than that being called "not listed".

use crate::market::{Market, venue_name};
use crate::wire::Reject;
use crate::wire::bodies::{error_body, page_cursor, result};
use domain::{Amount, InstrumentKind, Symbol};
use venue::fields;
use venue::filters::{limit, step_decimals};
use venue::json::{JsonReader, Value, items, object, optional_text, required, text};
use venue::{ConnectorError, HttpRequest, RawRules};

/// Largest list read, in bytes.
const RULES_BYTES_MAX: usize = 32 << 20;
/// Decimals of price and quantity on spot that there is room for beyond today's tick and step.
const EXECUTION_DECIMALS: u8 = 8;
/// Rows a page may have.
const ROWS_MAX: usize = 50_000;
/// "Invalid symbol."
const INVALID_SYMBOL: i64 = 170_121;

/// Path of the request.
pub(crate) const PATH: &str = "/v5/market/instruments-info";
const WHAT: &str = "GET /v5/market/instruments-info";

/// Asks for the rules of one symbol, or of all of a market.
pub(crate) fn request(market: Market, symbol: Option<&str>) -> HttpRequest {
    let category = market.category();
    crate::connector::get(
        PATH,
        match symbol {
            Some(name) => format!("category={category}&symbol={name}"),
            // Spot has no pages.
            None if market == Market::Spot => format!("category={category}"),
            None => format!("category={category}&limit=1000"),
        },
    )
}

/// Reads the rules of `symbols`, which are all of one market, out of an answer.
///
/// # Errors
/// [`ConnectorError::Refused`] for a status that is not 2xx or a code that is not zero, [`ConnectorError::BadAnswer`] for another
/// shape, [`ConnectorError::UnknownPair`] for a symbol that is not listed.
pub fn decode(status: u16, body: &mut [u8], symbols: &[Symbol]) -> Result<Vec<RawRules>, ConnectorError> {
    let mut reader = JsonReader::default();
    // The reader scribbles on what it reads.
    let refusal = error_body(&mut reader, &mut body.to_vec());
    if refusal.is_some() || !(200..300).contains(&status) {
        let unlisted = refusal.as_ref().is_some_and(|error| error.code == INVALID_SYMBOL);
        if let ([symbol], true) = (symbols, unlisted) {
            return Err(ConnectorError::UnknownPair(symbol.clone()));
        }
        let label = refusal.map(|error| format!("{} {}", error.code, error.message)).unwrap_or_default();
        return Err(ConnectorError::Refused { what: WHAT, status, label });
    }
    let (listed, next) = reader
        .read(body, RULES_BYTES_MAX, |root| page(&root, symbols))
        .map_err(|reject| ConnectorError::BadAnswer { what: WHAT, why: reject.to_string() })?;
    symbols
        .iter()
        .map(|symbol| {
            let mut found = listed.iter().filter(|rules| &rules.symbol == symbol);
            match (found.next(), found.next()) {
                (Some(rules), None) => Ok(rules.clone()),
                (None, _) if next.is_some() => {
                    Err(ConnectorError::BadAnswer { what: WHAT, why: format!("{symbol} is not on this page") })
                }
                (None, _) => Err(ConnectorError::UnknownPair(symbol.clone())),
                (Some(_), Some(_)) => Err(ConnectorError::BadAnswer { what: WHAT, why: format!("{symbol} is listed twice") }),
            }
        })
        .collect()
}

/// Reads the rules of `symbol` out of the answer to a request that named it.
///
/// # Errors
/// [`Reject`] for another shape, or when it is not listed.
pub(crate) fn decode_one(body: &mut [u8], symbol: &Symbol) -> Result<RawRules, Reject> {
    let (mut listed, _) = JsonReader::default().read(body, RULES_BYTES_MAX, |root| page(&root, std::slice::from_ref(symbol)))?;
    match (listed.pop(), listed.pop()) {
        (Some(rules), None) => Ok(rules),
        _ => Err(Reject::shape("list")),
    }
}

/// The request for the page behind this one, and what of `symbols` is not on this one; `None` where there is nothing to look for.
pub(crate) fn next_page(body: &mut [u8], symbols: &[Symbol]) -> Option<(HttpRequest, Vec<Symbol>)> {
    let read = JsonReader::default().read(body, RULES_BYTES_MAX, |root| {
        let (listed, next) = page(&root, symbols)?;
        fields!(object(&result(&root)?, "result")?, "category" => category);
        let market = Market::of_category(text(category, "category")?).ok_or(Reject::shape("category"))?;
        Ok((listed, next, market))
    });
    let (listed, next, market) = read.ok()?;
    let left: Vec<Symbol> =
        symbols.iter().filter(|symbol| listed.iter().all(|rules| rules.symbol != **symbol)).cloned().collect();
    let mut request = request(market, None);
    request.query.push_str(&format!("&cursor={}", next?));
    (!left.is_empty()).then_some((request, left))
}

/// The wanted rows of a page, and the venue's name of the page behind it.
fn page(root: &Value<'_, '_>, symbols: &[Symbol]) -> Result<(Vec<RawRules>, Option<String>), Reject> {
    fields!(object(&result(root)?, "result")?, "category" => category, "list" => list, "nextPageCursor" => cursor);
    let category = text(category, "category")?;
    let market = Market::of_category(category).ok_or(Reject::shape("category"))?;
    let mut listed = Vec::new();
    for row in items(&required(list, "list")?, ROWS_MAX, "list")? {
        listed.extend(row_of(&row, market, symbols)?);
    }
    Ok((listed, page_cursor(cursor)?))
}

/// The rules of one row, or `None` for a symbol that is not wanted (whose fields are not judged).
fn row_of(value: &Value<'_, '_>, market: Market, symbols: &[Symbol]) -> Result<Option<RawRules>, Reject> {
    fields!(object(value, "instrument")?,
        "symbol" => name, "baseCoin" => base, "quoteCoin" => quote, "settleCoin" => settle, "status" => status,
        "lotSizeFilter" => lot, "priceFilter" => price);
    let name = text(name, "symbol")?;
    let ours = |symbol: &&Symbol| Market::of(symbol) == Some(market) && venue_name(symbol).as_deref() == Some(name);
    let Some(symbol) = symbols.iter().find(ours) else { return Ok(None) };
    // A name alone may be another symbol's: `A/BC` and `AB/C` are written alike.
    if text(base, "baseCoin")? != symbol.base || text(quote, "quoteCoin")? != symbol.quote {
        return Ok(None);
    }
    if market != Market::Spot && optional_text(settle, "settleCoin")? != symbol.settle.as_deref() {
        return Ok(None);
    }
    let lot = object(&required(lot, "lotSizeFilter")?, "lotSizeFilter")?;
    let price = object(&required(price, "priceFilter")?, "priceFilter")?;
    let spot = market == Market::Spot;
    let qty_decimals = step_decimals(&lot, if spot { "basePrecision" } else { "qtyStep" })?;
    // Limit orders have a bound of their own; `maxOrderQty` is what older answers called it.
    let qty_max =
        if spot { limit(&lot, "maxLimitOrderQty")?.or(limit(&lot, "maxOrderQty")?) } else { limit(&lot, "maxOrderQty")? };
    let open = text(status, "status")? == "Trading";
    let price_decimals = step_decimals(&price, "tickSize")?;
    let executed = |decimals: u8| if spot { decimals.max(EXECUTION_DECIMALS) } else { decimals };
    Ok(Some(RawRules {
        symbol: symbol.clone(),
        price_decimals,
        qty_decimals,
        execution_decimals: executed(qty_decimals),
        execution_price_decimals: executed(price_decimals),
        kind: kind_of(symbol, market),
        qty_min: limit(&lot, "minOrderQty")?,
        qty_max,
        value_min: limit(&lot, if spot { "minOrderAmt" } else { "minNotionalValue" })?,
        can_buy: open,
        can_sell: open,
    }))
}

/// One contract is one base (linear) or one dollar (inverse).
fn kind_of(symbol: &Symbol, market: Market) -> InstrumentKind {
    let multiplier = Amount::from_units(domain::number::AMOUNT_ONE);
    match (&symbol.settle, market) {
        (Some(settle), Market::Linear) => InstrumentKind::LinearPerpetual { multiplier, settle: settle.clone() },
        (Some(settle), Market::Inverse) => InstrumentKind::InversePerpetual { multiplier, settle: settle.clone() },
        _ => InstrumentKind::Spot,
    }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
