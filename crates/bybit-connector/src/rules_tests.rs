//! Rules as tables.

use super::*;
use domain::FrameReject;
use proptest::prelude::*;
use rust_decimal::Decimal;

const SPOT: &str = r#"{"retCode":0,"retMsg":"OK","result":{"category":"spot","list":[
    {"symbol":"BTCUSDT","baseCoin":"BTC","quoteCoin":"USDT","innovation":"0","status":"Trading","marginTrading":"utaOnly","stTag":"0",
     "lotSizeFilter":{"basePrecision":"0.000001","quotePrecision":"0.0000001","minOrderQty":"0.000011","maxOrderQty":"83","minOrderAmt":"5",
        "maxOrderAmt":"8000000","maxLimitOrderQty":"83","maxMarketOrderQty":"41.5","postOnlyMaxLimitOrderSize":"60000"},
     "priceFilter":{"tickSize":"0.010"},"riskParameters":{"priceLimitRatioX":"0.01","priceLimitRatioY":"0.02"}},
    {"symbol":"ETHUSDT","baseCoin":"ETH","quoteCoin":"USDT","status":"PreLaunch",
     "lotSizeFilter":{"basePrecision":"0.0005","minOrderQty":"0","maxOrderQty":"10"},"priceFilter":{"tickSize":"5"}},
    {"symbol":"XYUSDT","baseCoin":"XYU","quoteCoin":"SDT","status":"Trading"},
    {"symbol":"ODDUSDT","baseCoin":7}]},"retExtInfo":{},"time":1}"#;

const LINEAR: &str = r#"{"retCode":0,"result":{"category":"linear","list":[
    {"symbol":"BTCUSDT","contractType":"LinearPerpetual","status":"Trading","baseCoin":"BTC","quoteCoin":"USDT","settleCoin":"USDT",
     "priceScale":"2","priceFilter":{"minPrice":"0.10","maxPrice":"1999999.80","tickSize":"0.10"},
     "lotSizeFilter":{"maxOrderQty":"1190.000","minOrderQty":"0.001","qtyStep":"0.001","maxMktOrderQty":"500.000","minNotionalValue":"5"}},
    {"symbol":"BTCPERP","contractType":"LinearPerpetual","status":"Delivering","baseCoin":"BTC","quoteCoin":"USDC","settleCoin":"USDC",
     "priceFilter":{"tickSize":"0.10"},"lotSizeFilter":{"qtyStep":"0.001"}}],"nextPageCursor":""}}"#;

const INVERSE: &str = r#"{"retCode":0,"result":{"category":"inverse","list":[
    {"symbol":"BTCUSD","contractType":"InversePerpetual","status":"Trading","baseCoin":"BTC","quoteCoin":"USD","settleCoin":"BTC",
     "priceFilter":{"tickSize":"0.50"},"lotSizeFilter":{"maxOrderQty":"25000000","minOrderQty":"1","qtyStep":"1"}}],"nextPageCursor":""}}"#;

fn read(symbols: &[&str], status: u16, body: &str) -> Result<Vec<RawRules>, ConnectorError> {
    let symbols: Vec<Symbol> = symbols.iter().map(|s| Symbol::parse(s).unwrap()).collect();
    decode(status, &mut body.as_bytes().to_vec(), &symbols)
}

fn decimal(text: &str) -> Option<Decimal> {
    Some(Decimal::from_str_exact(text).unwrap())
}

#[test]
fn spot_pairs_are_open_when_they_trade() {
    let rules = read(&["ETH/USDT", "BTC/USDT"], 200, SPOT).unwrap();
    let decimals: Vec<(u8, u8, u8)> = rules.iter().map(|r| (r.price_decimals, r.qty_decimals, r.execution_decimals)).collect();
    // A step of 0.0005 is known by its digits; a tick of 5 has none. Executions may be finer than either.
    assert_eq!(decimals, [(0, 4, 8), (2, 6, 8)]);
    assert!(rules.iter().all(|r| r.execution_price_decimals == 8));
    assert_eq!(rules.iter().map(|r| (r.can_buy, r.can_sell)).collect::<Vec<_>>(), [(false, false), (true, true)]);
    assert_eq!((rules[1].qty_min, rules[1].qty_max, rules[1].value_min), (decimal("0.000011"), decimal("83"), decimal("5")));
    // As older answers called it.
    assert_eq!((rules[0].qty_min, rules[0].qty_max, rules[0].value_min), (None, decimal("10"), None));
    assert!(rules.iter().all(|r| r.kind == InstrumentKind::Spot));
}

#[test]
fn contracts_say_what_they_are() {
    let multiplier = Amount::from_units(domain::number::AMOUNT_ONE);
    let rules = read(&["BTC/USDT:USDT", "BTC/USDC:USDC"], 200, LINEAR).unwrap();
    assert_eq!(rules[0].kind, InstrumentKind::LinearPerpetual { multiplier, settle: "USDT".into() });
    assert_eq!((rules[0].price_decimals, rules[0].qty_decimals), (1, 3));
    assert_eq!((rules[0].execution_price_decimals, rules[0].execution_decimals), (1, 3), "contracts are not traded");
    assert_eq!((rules[0].qty_max, rules[0].value_min, rules[0].can_buy), (decimal("1190.000"), decimal("5"), true));
    assert_eq!(rules[1].kind, InstrumentKind::LinearPerpetual { multiplier, settle: "USDC".into() });
    assert!(!rules[1].can_sell);
    let rules = read(&["BTC/USD:BTC"], 200, INVERSE).unwrap();
    assert_eq!(rules[0].kind, InstrumentKind::InversePerpetual { multiplier, settle: "BTC".into() });
    assert_eq!((rules[0].qty_decimals, rules[0].qty_min), (0, decimal("1")));
}

#[test]
fn bad_answers_are_named() {
    let text = |symbols: &[&str], status, body: &str| read(symbols, status, body).unwrap_err().to_string();
    assert_eq!(text(&["XRP/USDT"], 200, SPOT), "XRP/USDT is not listed by this venue");
    // Written alike, another pair.
    assert_eq!(text(&["XY/USDT"], 200, SPOT), "XY/USDT is not listed by this venue");
    // The same name on another market.
    assert_eq!(text(&["BTC/USDT:USDT"], 200, SPOT), "BTC/USDT:USDT is not listed by this venue");
    assert_eq!(text(&["BTC/USD:ETH"], 200, SPOT), "BTC/USD:ETH is not listed by this venue");
    assert!(text(&["ODD/USDT"], 200, SPOT).contains("baseCoin"));
    assert!(text(&["BTC/USDT"], 200, "<html>").contains("not_json"));
    assert!(text(&["BTC/USDT"], 200, "{}").contains("missing_field: retCode"));
    let invalid = r#"{"retCode":170121,"retMsg":"Invalid symbol."}"#;
    assert_eq!(text(&["FOO/USDT"], 200, invalid), "FOO/USDT is not listed by this venue");
    assert!(text(&["FOO/USDT", "BTC/USDT"], 200, invalid).ends_with("200 170121 Invalid symbol."));
    assert!(text(&["BTC/USDT"], 200, r#"{"retCode":10006,"retMsg":"Too many visits!"}"#).ends_with("200 10006 Too many visits!"));
    assert!(text(&["BTC/USDT"], 403, "<html>").contains("403"));
    // Perhaps on another page.
    let paged = LINEAR.replace("\"nextPageCursor\":\"\"", "\"nextPageCursor\":\"first%3D\"");
    assert!(text(&["ETH/USDT:USDT"], 200, &paged).ends_with("ETH/USDT:USDT is not on this page"));
    let wanted = ["BTC/USDT:USDT", "ETH/USDT:USDT"].map(|text| Symbol::parse(text).unwrap());
    let next = |symbols: &[Symbol], body: &str| next_page(&mut body.as_bytes().to_vec(), symbols);
    let (request, left) = next(&wanted, &paged).unwrap();
    assert_eq!(request.query, "category=linear&limit=1000&cursor=first%3D");
    assert_eq!(left, wanted[1..]);
    assert!(next(&wanted[..1], &paged).is_none(), "all are found");
    assert!(next(&wanted, LINEAR).is_none(), "the last page");
    assert!(next(&wanted, "<html>").is_none());
    assert!(read(&["BTC/USDT:USDT"], 200, &paged).is_ok());
    for (from, to, what) in [
        ("\"tickSize\":\"0.010\"", "\"tickSize\":\"0.00\"", "tickSize"),
        ("\"tickSize\":\"0.010\"", "\"tickSize\":\"-0.01\"", "tickSize"),
        ("\"basePrecision\":\"0.000001\"", "\"basePrecision\":\"fine\"", "basePrecision"),
        ("\"maxLimitOrderQty\":\"83\"", "\"maxLimitOrderQty\":83", "maxLimitOrderQty"),
        ("\"status\":\"Trading\"", "\"state\":\"Trading\"", "status"),
        ("\"category\":\"spot\"", "\"category\":\"option\"", "category"),
    ] {
        assert!(text(&["BTC/USDT"], 200, &SPOT.replacen(from, to, 1)).contains(what), "{to}");
    }
    let twice = SPOT.replace("ETHUSDT", "BTCUSDT").replace("\"ETH\"", "\"BTC\"");
    assert!(text(&["BTC/USDT"], 200, &twice).contains("listed twice"));
    let one = |symbol: &str, body: &str| decode_one(&mut body.as_bytes().to_vec(), &Symbol::parse(symbol).unwrap());
    assert_eq!(one("BTC/USD:BTC", INVERSE).map(|rules| rules.price_decimals), Ok(1));
    assert_eq!(one("BTC/USDT", INVERSE).map_err(|reject| reject.reason), Err(FrameReject::UnknownShape));
}

/// Review: an execution finer than today's tick or step, of an order from before they were raised, was refused as a number for ever.
#[test]
fn executions_finer_than_todays_tick_and_step_can_be_read() {
    use crate::wire::{Decoder, PairNames};
    let rules = read(&["BTC/USDT"], 200, SPOT).unwrap();
    let symbols = [rules[0].symbol.clone()];
    let (tables, _) = venue::build_tables(&symbols, &[("bybit-a".into(), rules)], &[]).unwrap();
    let pair = domain::PairId(0);
    let names = PairNames::new(domain::VenueId(0), std::sync::Arc::new(tables), &[pair]);
    let row = r#"{"symbol":"BTCUSDT","execFee":"0","feeCurrency":"BTC","execId":"7","execPrice":"72500.5125","execQty":"0.10000025","execType":"Trade","isMaker":true,"orderId":"5","orderLinkId":"","side":"Buy","execTime":"1672364174443"}"#;
    let body = format!(r#"{{"retCode":0,"result":{{"category":"spot","list":[{row}],"nextPageCursor":""}}}}"#);
    let stamp = venue::desk::rows::Stamp {
        source: domain::OrderSource::Query,
        received: domain::MonoNanos(1),
        requested: domain::MonoNanos(1),
    };
    let page = Decoder::new(names, 50).executions(&mut body.into_bytes(), stamp).unwrap();
    let fill = &page.rows[0];
    assert_eq!((fill.price.units(), fill.qty.units()), (7_250_051_250_000, 10_000_025));
}

proptest! {
    #[test]
    fn any_bytes_are_answered(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), status in 0u16..600) {
        let _ = decode(status, &mut bytes, &[Symbol::parse("A/B").unwrap()]);
    }
}
