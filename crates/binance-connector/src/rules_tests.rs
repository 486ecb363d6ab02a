//! Rules as tables.

use super::*;
use proptest::prelude::*;

const SPOT: &str = r#"{"timezone":"UTC","symbols":[
    {"symbol":"BTCUSDT","status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT","isSpotTradingAllowed":true,"filters":[
        {"filterType":"PRICE_FILTER","minPrice":"0.01000000","maxPrice":"1000000.00000000","tickSize":"0.01000000"},
        {"filterType":"LOT_SIZE","minQty":"0.00001000","maxQty":"9000.00000000","stepSize":"0.00001000"},
        {"filterType":"MARKET_LOT_SIZE","minQty":"0.00000000","maxQty":"100.00000000","stepSize":"0.00000000"},
        {"filterType":"NOTIONAL","minNotional":"5.00000000","applyMinToMarket":true,"maxNotional":"9000000.00000000"}]},
    {"symbol":"ETHUSDT","status":"BREAK","baseAsset":"ETH","quoteAsset":"USDT","isSpotTradingAllowed":true,"filters":[
        {"filterType":"PRICE_FILTER","tickSize":"0.00050000"},{"filterType":"LOT_SIZE","stepSize":"10.00000000"}]},
    {"symbol":"LTCUSDT","status":"TRADING","baseAsset":"LTC","quoteAsset":"USDT","isSpotTradingAllowed":false,"filters":[
        {"filterType":"PRICE_FILTER","tickSize":"1"},{"filterType":"LOT_SIZE","stepSize":"1"},
        {"filterType":"MIN_NOTIONAL","minNotional":"10.0"}]},
    {"symbol":"XYUSDT","status":"TRADING","baseAsset":"XYU","quoteAsset":"SDT","isSpotTradingAllowed":true,"filters":[]},
    {"symbol":"ODDUSDT","status":7}]}"#;

const FUTURES: &str = r#"{"symbols":[
    {"symbol":"BTCUSDT","pair":"BTCUSDT","contractType":"PERPETUAL","status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT",
     "marginAsset":"USDT","filters":[{"filterType":"PRICE_FILTER","tickSize":"0.10"},
        {"filterType":"LOT_SIZE","stepSize":"0.001","maxQty":"1000","minQty":"0.001"},{"filterType":"MIN_NOTIONAL","notional":"100"}]},
    {"symbol":"BTCUSDT_261225","contractType":"CURRENT_QUARTER","status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT",
     "marginAsset":"USDT","filters":[{"filterType":"PRICE_FILTER","tickSize":"0.1"},{"filterType":"LOT_SIZE","stepSize":"0.001"}]}]}"#;

const COIN: &str = r#"{"symbols":[
    {"symbol":"BTCUSD_PERP","pair":"BTCUSD","contractType":"PERPETUAL","contractStatus":"TRADING","contractSize":100,
     "baseAsset":"BTC","quoteAsset":"USD","marginAsset":"BTC","filters":[{"filterType":"PRICE_FILTER","tickSize":"0.1"},
        {"filterType":"LOT_SIZE","stepSize":"1","maxQty":"1000000","minQty":"1"}]}]}"#;

fn read(symbols: &[&str], status: u16, body: &str) -> Result<Vec<RawRules>, ConnectorError> {
    let symbols: Vec<Symbol> = symbols.iter().map(|s| Symbol::parse(s).unwrap()).collect();
    decode(status, &mut body.as_bytes().to_vec(), &symbols)
}

#[test]
fn spot_pairs_are_open_when_they_trade_and_spot_is_allowed() {
    let rules = read(&["LTC/USDT", "BTC/USDT", "ETH/USDT"], 200, SPOT).unwrap();
    let decimals: Vec<(u8, u8)> = rules.iter().map(|r| (r.price_decimals, r.qty_decimals)).collect();
    // A tick of 0.0005 is known by its digits; steps of 1 and 10 have none.
    assert_eq!(decimals, [(0, 0), (2, 5), (4, 0)]);
    let open: Vec<(bool, bool)> = rules.iter().map(|r| (r.can_buy, r.can_sell)).collect();
    assert_eq!(open, [(false, false), (true, true), (false, false)]);
    assert_eq!((rules[1].qty_min, rules[1].qty_max), (Some(Decimal::new(1, 5)), Some(Decimal::from(9000))));
    assert_eq!(
        (rules[0].value_min, rules[1].value_min, rules[2].value_min),
        (Some(Decimal::from(10)), Some(Decimal::from(5)), None)
    );
    assert!(rules.iter().all(|r| r.kind == InstrumentKind::Spot));
}

#[test]
fn spot_executions_may_have_eight_decimals_and_those_of_futures_their_own() {
    let executed = |symbol: &str, body: &str| {
        let rules = read(&[symbol], 200, body).unwrap();
        (rules[0].execution_price_decimals, rules[0].execution_decimals)
    };
    assert_eq!(executed("BTC/USDT", SPOT), (8, 8));
    assert_eq!(executed("BTC/USDT", &SPOT.replace("0.01000000\"}", "0.0000000001\"}")), (10, 8));
    assert_eq!(executed("BTC/USDT:USDT", FUTURES), (1, 3));
}

#[test]
fn futures_say_what_a_contract_is() {
    let units = |n: i128| Amount::from_units(n * domain::number::AMOUNT_ONE);
    let rules = read(&["BTC/USDT:USDT", "BTC/USDT:USDT-261225"], 200, FUTURES).unwrap();
    assert_eq!(rules[0].kind, InstrumentKind::LinearPerpetual { multiplier: units(1), settle: "USDT".into() });
    assert_eq!((rules[0].price_decimals, rules[0].qty_decimals, rules[0].value_min), (1, 3, Some(Decimal::from(100))));
    assert_eq!(rules[1].kind, InstrumentKind::DatedFuture { multiplier: units(1), settle: "USDT".into(), expiry: 261_225 });
    let rules = read(&["BTC/USD:BTC"], 200, COIN).unwrap();
    assert_eq!(rules[0].kind, InstrumentKind::InversePerpetual { multiplier: units(100), settle: "BTC".into() });
    assert_eq!((rules[0].qty_decimals, rules[0].can_buy, rules[0].value_min), (0, true, None));
    assert!(!read(&["BTC/USD:BTC"], 200, &COIN.replace("TRADING", "SETTLING")).unwrap()[0].can_buy);
}

#[test]
fn bad_answers_are_named() {
    let text = |symbols: &[&str], status, body: &str| read(symbols, status, body).unwrap_err().to_string();
    assert_eq!(text(&["XRP/USDT"], 200, SPOT), "XRP/USDT is not listed by this venue");
    // Written alike, another pair.
    assert_eq!(text(&["XY/USDT"], 200, SPOT), "XY/USDT is not listed by this venue");
    assert_eq!(text(&["BTC/USDT:USDT"], 200, SPOT), "BTC/USDT:USDT is not listed by this venue");
    assert_eq!(text(&["BTC/USD:ETH"], 200, SPOT), "BTC/USD:ETH is not listed by this venue");
    assert!(text(&["ODD/USDT"], 200, SPOT).contains("baseAsset"));
    assert!(text(&["BTC/USDT"], 200, "<html>").contains("not_json"));
    assert!(text(&["BTC/USDT"], 200, "{}").contains("missing_field: symbols"));
    let invalid = r#"{"code":-1121,"msg":"Invalid symbol."}"#;
    assert_eq!(text(&["FOO/USDT"], 400, invalid), "FOO/USDT is not listed by this venue");
    assert!(text(&["FOO/USDT", "BTC/USDT"], 400, invalid).contains("not all of FOO/USDT, BTC/USDT are listed"));
    assert!(text(&["BTC/USDT"], 429, r#"{"code":-1003,"msg":"Too many requests"}"#).ends_with("429 -1003 Too many requests"));
    assert!(text(&["BTC/USDT"], 403, "<html>").contains("403"));
    for (from, to, what) in [
        ("\"tickSize\":\"0.01000000\"", "\"tickSize\":\"0.00\"", "tickSize"),
        ("\"tickSize\":\"0.01000000\"", "\"tickSize\":\"-0.01\"", "tickSize"),
        ("\"stepSize\":\"0.00001000\"", "\"stepSize\":\"fine\"", "stepSize"),
        ("\"maxQty\":\"9000.00000000\"", "\"maxQty\":9000", "maxQty"),
        ("PRICE_FILTER", "PRICE_SIEVE", "PRICE_FILTER"),
    ] {
        assert!(text(&["BTC/USDT"], 200, &SPOT.replacen(from, to, 1)).contains(what), "{to}");
    }
    for size in ["0", "\"100\"", "-5", "null"] {
        assert!(
            text(&["BTC/USD:BTC"], 200, &COIN.replace("\"contractSize\":100", &format!("\"contractSize\":{size}")))
                .contains("contractSize")
        );
    }
    let twice = SPOT.replace("ETHUSDT", "BTCUSDT").replace("\"ETH\"", "\"BTC\"");
    assert!(text(&["BTC/USDT"], 200, &twice).contains("listed twice"));
}

proptest! {
    #[test]
    fn any_bytes_are_answered(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), status in 0u16..600) {
        let _ = decode(status, &mut bytes, &[Symbol::parse("A/B").unwrap()]);
    }
}
