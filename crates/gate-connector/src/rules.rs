//! Instrument rules out of `GET /spot/currency_pairs` (Gate API v4).
//!
//! `precision` is decimals of price, `amount_precision` of quantity; limits may be absent or null, which means no limit. A pair of a
//! unified market (`trade_quotes` not null) settles in other assets than its name says: neither side of it is open for us.

use crate::wire::json::{JsonReader, RULES_BYTES_MAX, Value, fields, object, optional_text, required, text};
use crate::wire::{Reject, rows};
use domain::{FrameReject, Symbol};
use rust_decimal::Decimal;
use simd_json::prelude::*;
use venue::{ConnectorError, RawRules};

/// Pairs the list may have.
const PAIRS_MAX: usize = 50_000;
/// Decimals a pair may have; the tables refuse more than 18 together anyway.
const DECIMALS_MAX: u64 = 18;

const WHAT: &str = "GET /spot/currency_pairs";

/// Reads the rules of `symbols` out of an answer.
///
/// # Errors
/// [`ConnectorError::Refused`] for a status that is not 2xx, [`ConnectorError::BadAnswer`] for another shape,
/// [`ConnectorError::UnknownPair`] for a symbol that is not listed.
pub fn decode(status: u16, body: &mut [u8], symbols: &[Symbol]) -> Result<Vec<RawRules>, ConnectorError> {
    let mut reader = JsonReader::default();
    if !(200..300).contains(&status) {
        let label = reader.read(body, RULES_BYTES_MAX, |root| {
            fields!(object(&root, "error")?, "label" => label);
            Ok(text(label, "label")?.chars().take(64).collect::<String>())
        });
        return Err(ConnectorError::Refused { what: WHAT, status, label: label.unwrap_or_default() });
    }
    let listed = reader
        .read(body, RULES_BYTES_MAX, |root| {
            let (rows, _) = rows::list(&root, PAIRS_MAX, "currency_pairs", |row| row_of(row, symbols))?;
            Ok(rows)
        })
        .map_err(|reject| ConnectorError::BadAnswer { what: WHAT, why: reject.to_string() })?;
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

/// The rules of one row, or `None` for a pair that is not wanted (whose fields are not judged).
fn row_of(value: &Value<'_, '_>, symbols: &[Symbol]) -> Result<Option<RawRules>, Reject> {
    let row = object(value, "pair")?;
    fields!(row,
        "base" => base, "quote" => quote, "precision" => price_decimals, "amount_precision" => qty_decimals,
        "min_base_amount" => qty_min, "max_base_amount" => qty_max, "min_quote_amount" => value_min, "trade_status" => status,
        "trade_quotes" => trade_quotes);
    let (base, quote) = (text(base, "base")?, text(quote, "quote")?);
    let Some(symbol) = symbols.iter().find(|s| s.is_spot() && s.base == base && s.quote == quote) else { return Ok(None) };
    let decimals = |value, what| {
        let decimals = required(value, what)?.as_u64().ok_or(Reject::new(FrameReject::BadNumber, what))?;
        if decimals > DECIMALS_MAX { Err(Reject::new(FrameReject::OutOfRange, what)) } else { Ok(decimals as u8) }
    };
    let (buy, sell) = match text(status, "trade_status")? {
        "tradable" => (true, true),
        "buyable" => (true, false),
        "sellable" => (false, true),
        "untradable" => (false, false),
        _ => return Err(Reject::shape("trade_status")),
    };
    let unified = trade_quotes.is_some();
    Ok(Some(RawRules {
        symbol: symbol.clone(),
        price_decimals: decimals(price_decimals, "precision")?,
        qty_decimals: decimals(qty_decimals, "amount_precision")?,
        qty_min: limit(qty_min, "min_base_amount")?,
        qty_max: limit(qty_max, "max_base_amount")?,
        value_min: limit(value_min, "min_quote_amount")?,
        can_buy: buy && !unified,
        can_sell: sell && !unified,
    }))
}

/// A limit; absent, null, empty and zero mean none.
fn limit(value: Option<Value<'_, '_>>, what: &'static str) -> Result<Option<Decimal>, Reject> {
    let Some(text) = optional_text(value, what)?.filter(|t| !t.is_empty()) else { return Ok(None) };
    let bad = || Reject::new(FrameReject::BadNumber, what);
    let value = Decimal::from_str_exact(text).or_else(|_| Decimal::from_scientific(text)).map_err(|_| bad())?;
    if value.is_sign_negative() && !value.is_zero() { Err(bad()) } else { Ok(Some(value).filter(|v| !v.is_zero())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIST: &str = r#"[
        {"id":"BTC_USDT","base":"BTC","quote":"USDT","fee":"0.2","min_base_amount":"0.0001","min_quote_amount":"3",
         "max_base_amount":null,"amount_precision":4,"precision":1,"trade_status":"tradable","trade_quotes":null},
        {"id":"ETH_USDT","base":"ETH","quote":"USDT","amount_precision":4,"precision":2,"trade_status":"sellable"},
        {"id":"UNI_USDT","base":"UNI","quote":"USDT","amount_precision":4,"precision":2,"trade_status":"tradable","trade_quotes":["USDC"]},
        {"id":"ODD_USDT","base":"ODD","quote":"USDT","amount_precision":-1,"precision":2,"trade_status":"dancing"}]"#;

    fn read(symbols: &[&str], status: u16, body: &str) -> Result<Vec<RawRules>, ConnectorError> {
        let symbols: Vec<Symbol> = symbols.iter().map(|s| Symbol::parse(s).unwrap()).collect();
        decode(status, &mut body.as_bytes().to_vec(), &symbols)
    }

    #[test]
    fn wanted_pairs_are_read_in_the_order_asked_and_others_are_not_judged() {
        let rules = read(&["ETH/USDT", "BTC/USDT", "UNI/USDT"], 200, LIST).unwrap();
        assert_eq!((rules[0].can_buy, rules[0].can_sell, rules[0].qty_min), (false, true, None));
        assert_eq!((rules[1].price_decimals, rules[1].qty_decimals, rules[1].qty_max), (1, 4, None));
        assert_eq!((rules[1].qty_min, rules[1].value_min), (Some(Decimal::new(1, 4)), Some(Decimal::new(3, 0))));
        assert_eq!((rules[2].can_buy, rules[2].can_sell), (false, false));
    }

    #[test]
    fn bad_answers_are_named() {
        let text = |symbols: &[&str], status, body: &str| read(symbols, status, body).unwrap_err().to_string();
        assert_eq!(text(&["XRP/USDT"], 200, LIST), "XRP/USDT is not listed by this venue");
        assert_eq!(text(&["BTC/USDT:USDT"], 200, LIST), "BTC/USDT:USDT is not listed by this venue");
        assert!(text(&["ODD/USDT"], 200, LIST).contains("trade_status"));
        assert!(text(&["BTC/USDT"], 200, "<html>").contains("not_json"));
        assert!(text(&["BTC/USDT"], 503, r#"{"label":"TOO_BUSY"}"#).ends_with("answered 503 TOO_BUSY"));
        let twice = r#"[{"base":"A","quote":"B","amount_precision":4,"precision":1,"trade_status":"tradable"},
                        {"base":"A","quote":"B","amount_precision":4,"precision":1,"trade_status":"tradable"}]"#;
        assert!(text(&["A/B"], 200, twice).contains("listed twice"));
        for (field, value) in
            [("precision", "40"), ("precision", "\"2\""), ("min_base_amount", "\"-1\""), ("min_quote_amount", "\"NaN\"")]
        {
            let row = format!(r#"[{{"base":"A","quote":"B","amount_precision":4,"trade_status":"tradable","{field}":{value}}}]"#);
            let row = if field == "precision" { row } else { row.replace("\"amount", "\"precision\":2,\"amount") };
            assert!(text(&["A/B"], 200, &row).contains(field), "{row}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), status in 0u16..600) {
            let _ = decode(status, &mut bytes, &[Symbol::parse("A/B").unwrap()]);
        }
    }
}
