//! Which pairs are compared, and under which verdict.

use super::*;
use crate::scan::meter::Runs;

fn symbol(text: &str) -> Symbol {
    Symbol::parse(text).unwrap()
}

#[test]
fn one_base_and_the_same_quote_or_two_dollars_are_compared() {
    for (a, b, expected) in [
        ("BTC/USDT", "BTC/USDT", true),
        ("BTC/USDT", "BTC/USDC", true),
        ("BTC/USDT:USDT", "BTC/USD:BTC", true),
        ("BTC/ETH", "BTC/ETH", true),
        ("BTC/USDT", "ETH/USDT", false),
        ("BTC/USDT", "BTC/EUR", false),
        ("BTC/EUR", "BTC/GBP", false),
    ] {
        assert_eq!(comparable(&symbol(a), &symbol(b)), expected, "{a} {b}");
    }
}

#[test]
fn thresholds_keep_their_written_value() {
    let names = |text: &str| thresholds(text).map(|found| found.into_iter().map(|(name, _)| name).collect::<Vec<_>>());
    assert_eq!(names("5,10,15").unwrap(), ["5", "10", "15"]);
    assert_eq!(names("2.50, -1").unwrap(), ["2.5", "-1"]);
    assert_eq!(thresholds("2.5").unwrap()[0].1, 250_000);
    for wrong in ["", "5,", "x", "5,5.0", "0.000001", "10001"] {
        assert_eq!(names(wrong).unwrap_err().code, 2, "{wrong}");
    }
}

#[test]
fn the_verdict_is_the_first_gate_that_closes() {
    let nothing = || Found {
        nanos: 0,
        sampled: false,
        mean_basis_bps: None,
        edge_max_bps: None,
        above: Vec::new(),
        net: Runs::default(),
        captured: 0,
    };
    let of = |a: &str, b: &str, found: Found| verdict(&symbol(a), &symbol(b), &found).as_str();
    let sampled = || Found { sampled: true, ..nothing() };
    let mut once = Runs::default();
    once.episodes += 1;
    let paying = || Found { net: once, ..sampled() };
    assert_eq!(of("BTC/USDT", "BTC/USDT:USDT", paying()), "not_tradable_kind");
    assert_eq!(of("BTC/USDT:USDT", "BTC/USDT:USDT", paying()), "not_tradable_kind");
    assert_eq!(of("BTC/USDC", "BTC/USD:BTC", paying()), "not_tradable_kind");
    assert_eq!(of("BTC/USDT", "BTC/USDC", paying()), "quote_differs");
    assert_eq!(of("BTC/USDT", "BTC/USDT", nothing()), "untrusted");
    assert_eq!(of("BTC/USDT", "BTC/USDT", sampled()), "below_fees");
    assert_eq!(of("BTC/USDT", "BTC/USDT", paying()), "balance");
}

#[test]
fn people_see_two_decimals() {
    assert_eq!(short(None), "-");
    assert_eq!(["1", "1.5", "-0.129", "12.34"].map(|text| short(Some(text))), ["1.00", "1.50", "-0.12", "12.34"]);
}
