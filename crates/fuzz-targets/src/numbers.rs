//! Decimals, client order ids and symbols: text in, exact values or a refusal out, and back.

use crate::bytes::Choices;
use binance_connector::market::venue_name;
use domain::decimal::{Excess, NUMBER_BYTES_MAX, NumberError, format_units, parse_units};
use domain::ids::{COUNTER_LIMIT, ClientOrderId, EPOCH_LIMIT, INSTANCE_LIMIT};
use domain::{Label, Symbol};
use gate_connector::rest::exact;
use gate_connector::rest::request::{CurrencyName, PairName};
use gate_connector::wire::rows::client_id;
use venue::number::{DecimalText, Finer, parse_amount};

/// Texts that are or nearly are numbers; the first byte chooses scale and rule.
pub fn decimal_seeds() -> Vec<Vec<u8>> {
    let texts = [
        "0",
        "-0",
        "1",
        "0.1",
        "100.10",
        "0.0000001234",
        "61234.5",
        "1.41e-10",
        "2E3",
        "-2.5E1",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "123456789012345678901234567890123456.7",
        "1e309",
        "0e999",
        "1e-999",
        "0.000000000000000001",
        "16.00283141582979715942",
        "1000000000000000000",
        "NaN",
        "1.",
        ".5",
        "+1",
        "1_0",
        "1e+05",
    ];
    texts.iter().enumerate().map(|(i, text)| [&[(i * 7) as u8][..], text.as_bytes()].concat()).collect()
}

/// What a number is by its digits alone: the magnitude in 10^-`decimals` as decimal text, and whether a part was cut off that is not
/// zero. `None` beyond 60 digits.
fn by_digits(text: &DecimalText<'_>, decimals: i64) -> Option<(String, bool)> {
    let digits: String = [text.whole, text.fraction].concat();
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Some((String::from("0"), false));
    }
    let shift = decimals - text.fraction.len() as i64 + i64::from(text.exponent);
    if shift >= 0 {
        let zeros = usize::try_from(shift).ok().filter(|zeros| digits.len() + zeros <= 60)?;
        return Some((format!("{digits}{}", "0".repeat(zeros)), false));
    }
    let kept = digits.len().saturating_sub(usize::try_from(-shift).ok()?);
    let (whole, cut) = digits.split_at(kept);
    Some((if whole.is_empty() { "0".into() } else { whole.into() }, cut.bytes().any(|b| b != b'0')))
}

/// Three parsers of decimal text against each other and against plain digits.
///
/// # Panics
/// On a finding.
pub fn decimal(data: &[u8]) {
    let mut choices = Choices::new(data);
    let choice = choices.byte();
    let (decimals, keep) = (u32::from(choice % 19), choice >= 128);
    let bytes = choices.rest();
    let excess = if keep { Excess::FloorKeepNonZero } else { Excess::Refuse };
    let units = parse_units(bytes, decimals, excess);
    let Ok(text) = std::str::from_utf8(bytes) else {
        assert!(units.is_err(), "bytes that are no text are no number");
        return;
    };
    let grammar = DecimalText::read(text);
    let amount = parse_amount(text, Finer::Refuse);
    let Ok(parts) = grammar else {
        assert!(units.is_err() && amount.is_err() && exact::parse(text).is_err(), "one grammar: {text:?}");
        return;
    };
    assert_ne!(units, Err(NumberError::Malformed), "one grammar: {text:?}");
    assert_ne!(amount, Err(NumberError::Malformed), "one grammar: {text:?}");
    let sign = if parts.negative { -1 } else { 1 };

    // A mantissa of more than 36 digits may be refused as out of range whatever the exponent makes of it.
    let wide = parts.whole.trim_start_matches('0').len() + parts.fraction.len() > 36;
    let expected = by_digits(&parts, i64::from(decimals));
    match (&expected, units) {
        (Some((whole, cut)), Ok(units)) => {
            let floor: i128 = whole.parse().expect("at most 60 digits were kept, and few enough to be accepted");
            let floor = if *cut { floor.max(1) } else { floor };
            assert!(!*cut || keep, "{text:?} was cut though that was to be refused");
            assert_eq!(i128::from(units), sign * floor, "{text:?} in {decimals} decimals");
            let shown = format_units(i128::from(units), decimals);
            assert_eq!(parse_units(shown.as_bytes(), decimals, Excess::Refuse), Ok(units), "{text:?} prints as {shown}");
        }
        (None, Ok(units)) => panic!("{text:?} has too many digits to be {units}"),
        (Some((_, true)), Err(NumberError::TooFine)) => assert!(!keep),
        (_, Err(NumberError::TooFine)) => panic!("{text:?} is not finer than {decimals} decimals"),
        (Some((whole, _)), Err(error)) => {
            let fits = whole.parse::<i128>().is_ok_and(|value| i64::try_from(value).is_ok());
            assert!(!fits || wide, "{text:?} in {decimals} decimals fits and is refused: {error}");
        }
        (None, Err(_)) => {}
    }

    let expected = by_digits(&parts, 18);
    match (&expected, amount) {
        (Some((whole, cut)), Ok(amount)) => {
            assert!(!*cut, "{text:?} was cut");
            assert_eq!(
                amount.units(),
                sign * whole.parse::<i128>().expect("accepted amounts have at most 37 digits"),
                "{text:?}"
            );
            assert_eq!(parse_amount(&amount.to_text(), Finer::Refuse), Ok(amount), "{text:?}");
            assert_eq!(parse_amount(text, Finer::Cut), Ok(amount), "nothing is there to be cut: {text:?}");
        }
        (None, Ok(amount)) => panic!("{text:?} has too many digits to be {amount}"),
        (Some((_, cut)), Err(NumberError::TooFine)) => assert!(*cut, "{text:?} is not finer than 18 decimals"),
        _ => {}
    }

    if let Ok(value) = exact::parse(text) {
        assert_eq!(exact::parse(&value.to_string()), Ok(value), "{text:?}");
        if let Ok(amount) = amount {
            assert_eq!(exact::parse(&amount.to_text()), Ok(value.normalize()), "{text:?}");
        }
    }
    assert!(bytes.len() <= NUMBER_BYTES_MAX, "a longer text is no number");
}

/// Ids of ours, of others, and nearly ours.
pub fn client_order_id_seeds() -> Vec<Vec<u8>> {
    ["00100000023000000004", "t-00100000023000000004", "zzzzzzzzzzzzzzzzzzzz", "0010tnqjm1h000000OO1", "apiv4", ""]
        .iter()
        .map(|text| text.as_bytes().to_vec())
        .collect()
}

/// Text to id and back, parts to id and back.
///
/// # Panics
/// On a finding.
pub fn client_order_id(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let parsed = ClientOrderId::parse(text);
        if let Some(id) = parsed {
            assert_eq!(id.to_text().as_str(), text, "an id has one text");
            assert!(
                id.instance() < INSTANCE_LIMIT && id.epoch() < EPOCH_LIMIT && id.shard() < 36 && id.counter() < COUNTER_LIMIT
            );
            assert_eq!(client_id(&format!("t-{text}")), parsed);
        }
        assert!(client_id(text).is_none_or(|id| text == format!("t-{id}")), "{text:?}");
        let label = Label::cut(text);
        assert!(label.as_str().len() <= 40 && !label.as_str().chars().any(char::is_control), "{text:?}");
    }
    let mut choices = Choices::new(data);
    let (instance, epoch, shard, counter) = (choices.short(), choices.long(), choices.byte(), choices.long());
    if let Some(id) = ClientOrderId::new(instance, epoch, shard, counter) {
        assert_eq!((id.instance(), id.epoch(), id.shard(), id.counter()), (instance, epoch, shard, counter));
        assert_eq!(ClientOrderId::parse(&id.to_text()), Some(id));
    }
}

/// Symbols of all kinds.
pub fn symbol_seeds() -> Vec<Vec<u8>> {
    let texts = [
        "BTC/USDT",
        "BTC_USDT",
        "BTC-USDT",
        "BTC/USDT:USDT",
        "BTC/USD:BTC-261225",
        "1000SHIB/USDT:USDT",
        "A/B:C-060105",
        "btc/usdt",
        "../etc",
        "BTC/BTC",
        "BTC/USDT:USDT-2612",
        "BTC/USDT\n",
        "BTC/US\"DT",
        "BTC_3L_USDT",
        "币/USDT",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Symbols: parse and print agree, and every name made of one is safe in a URL, a label and a file name.
///
/// # Panics
/// On a finding.
pub fn symbol(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let safe = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    match Symbol::parse(text) {
        Ok(symbol) => {
            for name in [Some(&symbol.base), Some(&symbol.quote), symbol.settle.as_ref()].into_iter().flatten() {
                let plain = name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
                assert!(plain && (1..=32).contains(&name.len()), "{text:?}");
            }
            assert_ne!(symbol.base, symbol.quote, "{text:?}");
            assert_eq!(Symbol::parse(&symbol.to_string()).as_ref(), Ok(&symbol), "{text:?} prints as {symbol}");
            if let Some(name) = venue_name(&symbol) {
                assert!(safe(&name), "{text:?} is {name:?} at Binance");
            }
            if let Some(name) = bybit_connector::market::venue_name(&symbol) {
                assert!(safe(&name), "{text:?} is {name:?} at Bybit");
            }
            match PairName::of(&symbol) {
                Ok(name) => assert!(symbol.is_spot() && safe(name.as_str()), "{text:?} is {:?} at Gate", name.as_str()),
                Err(_) => assert!(!symbol.is_spot(), "{text:?} has no name at Gate"),
            }
        }
        Err(error) => {
            let told = error.to_string();
            assert!(told.len() < 600, "a refusal repeats all of a long text");
        }
    }
    // Gate lists names in other alphabets; what may not stand in a query must not pass.
    for name in
        [PairName::new(text).map(|name| name.as_str().to_string()), CurrencyName::new(text).map(|name| name.as_str().to_string())]
    {
        let Ok(name) = name else { continue };
        assert!(!name.chars().any(|c| c.is_control() || c.is_whitespace() || "&=?#%/\\\"'<>+;:,.".contains(c)), "{name:?}");
    }
}
