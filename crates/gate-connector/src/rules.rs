//! Instrument rules out of `GET /spot/currency_pairs` (Gate API v4), for the pairs that are wanted.
//!
//! Every fact of a row is read by [`crate::rest::listing`]; here it becomes what all venues share. Which directions are open is
//! [`PairFacts::directions`]: the venue's status, the start of each direction, a delisting passed or near, and the kinds of market
//! that we keep out of (unified, pre-market, special treatment). Rows that are not wanted are not judged.

use crate::rest::RestReader;
use crate::rest::listing::{PairFacts, pair_row};
use crate::wire::json::{BODY_BYTES_MAX, RULES_BYTES_MAX, Value, fields, object, text};
use crate::wire::{Reject, rows};
use domain::{InstrumentKind, Symbol, UnixNanos};
use venue::{ConnectorError, RawRules};

/// Pairs the list may have.
const PAIRS_MAX: usize = 50_000;

/// Decimals seen on quantities of books and trades, whatever `amount_precision` says.
const EXECUTION_DECIMALS: u8 = 10;

const WHAT: &str = "GET /spot/currency_pairs";

/// Reads the rules of `symbols` out of an answer, as they stand at `now`, the venue's time. Without a time, a start that is not surely
/// past closes its direction, and any announced delisting closes buying.
///
/// # Errors
/// [`ConnectorError::Refused`] for a status that is not 2xx, [`ConnectorError::BadAnswer`] for another shape,
/// [`ConnectorError::UnknownPair`] for a symbol that is not listed.
pub fn decode_at(
    status: u16,
    body: &mut [u8],
    symbols: &[Symbol],
    now: Option<UnixNanos>,
) -> Result<Vec<RawRules>, ConnectorError> {
    let mut reader = RestReader::default();
    if !(200..300).contains(&status) {
        let label = reader.error(status, body).label.unwrap_or_default();
        return Err(ConnectorError::Refused { what: WHAT, status, label });
    }
    let listed = reader
        .read_capped(body, RULES_BYTES_MAX, |root| {
            let (rows, _) = rows::list(root, PAIRS_MAX, "currency_pairs", |row| wanted(row, symbols))?;
            Ok(rows)
        })
        .map_err(|reject| ConnectorError::BadAnswer { what: WHAT, why: reject.to_string() })?;
    symbols
        .iter()
        .map(|symbol| {
            let mut found = listed.iter().filter(|(known, _)| known == symbol);
            match (found.next(), found.next()) {
                (Some((_, facts)), None) => Ok(rules_of(symbol, facts, now)),
                (None, _) => Err(ConnectorError::UnknownPair(symbol.clone())),
                (Some(_), Some(_)) => Err(ConnectorError::BadAnswer { what: WHAT, why: format!("{symbol} is listed twice") }),
            }
        })
        .collect()
}

/// Reads the rules of `symbol` out of an answer of `GET /spot/currency_pairs/{pair}`, as they stand at `now`, the venue's time.
///
/// # Errors
/// [`Reject`] for another shape, or the row of another pair.
pub(crate) fn decode_one(body: &mut [u8], symbol: &Symbol, now: Option<UnixNanos>) -> Result<RawRules, Reject> {
    RestReader::default().read_capped(body, BODY_BYTES_MAX, |root| {
        let row = wanted(root, std::slice::from_ref(symbol))?;
        row.map(|(symbol, facts)| rules_of(&symbol, &facts, now)).ok_or(Reject::shape("id"))
    })
}

/// The facts of one row, or `None` for a pair that is not wanted (whose fields are not judged).
fn wanted(value: &Value<'_, '_>, symbols: &[Symbol]) -> Result<Option<(Symbol, PairFacts)>, Reject> {
    fields!(object(value, "pair")?, "base" => base, "quote" => quote);
    let (base, quote) = (text(base, "base")?, text(quote, "quote")?);
    let Some(symbol) = symbols.iter().find(|s| s.is_spot() && s.base == base && s.quote == quote) else { return Ok(None) };
    let facts = pair_row(value)?;
    // Requests name the pair by its assets: a market of another name would be another market.
    if facts.id != format!("{base}_{quote}") {
        return Err(Reject::shape("id"));
    }
    Ok(Some((symbol.clone(), facts)))
}

fn rules_of(symbol: &Symbol, facts: &PairFacts, now: Option<UnixNanos>) -> RawRules {
    let open = facts.directions(now);
    RawRules {
        symbol: symbol.clone(),
        price_decimals: facts.price_decimals,
        qty_decimals: facts.qty_decimals,
        execution_decimals: facts.qty_decimals.max(EXECUTION_DECIMALS),
        execution_price_decimals: facts.price_decimals,
        kind: InstrumentKind::Spot,
        qty_min: facts.base_min,
        qty_max: facts.base_max,
        value_min: facts.quote_min,
        can_buy: open.can_buy,
        can_sell: open.can_sell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rust_decimal::Decimal;

    const LIST: &str = r#"[
        {"id":"BTC_USDT","base":"BTC","quote":"USDT","fee":"0.2","min_base_amount":"0.0001","min_quote_amount":"3",
         "max_base_amount":null,"amount_precision":4,"precision":1,"trade_status":"tradable","trade_quotes":null},
        {"id":"ETH_USDT","base":"ETH","quote":"USDT","amount_precision":4,"precision":2,"trade_status":"sellable"},
        {"id":"UNI_USDT","base":"UNI","quote":"USDT","amount_precision":4,"precision":2,"trade_status":"tradable","trade_quotes":["USDC"]},
        {"id":"ODD_USDT","base":"ODD","quote":"USDT","amount_precision":-1,"precision":2,"trade_status":"dancing"}]"#;

    fn read(symbols: &[&str], status: u16, body: &str) -> Result<Vec<RawRules>, ConnectorError> {
        let symbols: Vec<Symbol> = symbols.iter().map(|s| Symbol::parse(s).unwrap()).collect();
        decode_at(status, &mut body.as_bytes().to_vec(), &symbols, None)
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

    /// Buy and sell at a time, of one row with these further fields.
    fn open(fields: &str, now_s: Option<i64>) -> (bool, bool) {
        let row = format!(r#"[{{"id":"A_B","base":"A","quote":"B","precision":2,"amount_precision":4,{fields}}}]"#);
        let now = now_s.map(|s| UnixNanos(s * 1_000_000_000));
        let rules = decode_at(200, &mut row.into_bytes(), &[Symbol::parse("A/B").unwrap()], now).unwrap();
        (rules[0].can_buy, rules[0].can_sell)
    }

    #[test]
    fn directions_follow_status_starts_delisting_and_kind() {
        const NOW: Option<i64> = Some(1_800_000_000);
        const DAY: i64 = 86_400;
        let both = r#""trade_status":"tradable""#;
        let rows: &[(String, Option<i64>, (bool, bool))] = &[
            (both.into(), NOW, (true, true)),
            (r#""trade_status":"buyable""#.into(), NOW, (true, false)),
            (r#""trade_status":"sellable""#.into(), NOW, (false, true)),
            (r#""trade_status":"untradable""#.into(), NOW, (false, false)),
            (format!(r#"{both},"buy_start":1800000000,"sell_start":"1800000001""#), NOW, (true, false)),
            (format!(r#"{both},"buy_start":1800000001,"sell_start":0"#), NOW, (false, true)),
            // Without a clock only what is surely past has begun.
            (format!(r#"{both},"buy_start":1608789600,"sell_start":1608782400"#), None, (true, true)),
            (format!(r#"{both},"buy_start":1799999999,"sell_start":0"#), None, (false, true)),
            (format!(r#"{both},"delisting_time":{}"#, 1_800_000_000 + 8 * DAY), NOW, (true, true)),
            (format!(r#"{both},"delisting_time":{}"#, 1_800_000_000 + 7 * DAY), NOW, (false, true)),
            (format!(r#"{both},"delisting_time":1800000000"#), NOW, (false, false)),
            (format!(r#"{both},"delisting_time":{}"#, 1_800_000_000 + 8 * DAY), None, (false, true)),
            (format!(r#"{both},"delisting_time":1600000000"#), None, (false, false)),
            (format!(r#"{both},"delisting_time":0,"type":"normal","st_tag":false,"trade_quotes":null"#), NOW, (true, true)),
            (format!(r#"{both},"type":"premarket""#), NOW, (false, false)),
            (format!(r#"{both},"type":"something_new""#), NOW, (false, false)),
            (format!(r#"{both},"st_tag":true"#), NOW, (false, false)),
            (format!(r#"{both},"trade_quotes":["USDC"]"#), NOW, (false, false)),
            (format!(r#"{both},"trade_quotes":[]"#), NOW, (false, false)),
            (format!(r#"{both},"trade_quotes":"USDC""#), NOW, (false, false)),
        ];
        for (fields, now, expected) in rows {
            assert_eq!(open(fields, *now), *expected, "{fields} at {now:?}");
        }
    }

    #[test]
    fn a_market_of_another_name_is_another_market() {
        let row = r#"[{"id":"A2_B","base":"A","quote":"B","precision":2,"amount_precision":4,"trade_status":"tradable"}]"#;
        assert!(read(&["A/B"], 200, row).unwrap_err().to_string().contains("id"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), status in 0u16..600) {
            let _ = decode_at(status, &mut bytes, &[Symbol::parse("A/B").unwrap()], None);
        }
    }
}
