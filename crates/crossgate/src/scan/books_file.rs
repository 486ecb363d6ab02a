//! The file of `scan --books`: a JSON array of `{venue, base, quote, bids, asks}`, best first, as the `order-graph` recordings have it.
//!
//! A level is an object of `price` and `qty`, or a list of the two. A number is `{"numerator", "denominator"}`, a decimal or a
//! fraction in text, or a whole number. A JSON number with a fraction is refused: reading it as a float would change it.

use super::ratio::Ratio;
use journal::tape::TapeError;
use journal::tape::lines::Lines;
use serde_json::Value;
use std::path::Path;

/// Longest file, in bytes.
const FILE_BYTES_MAX: usize = 1 << 30;

/// One price level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RatioLevel {
    /// Quote per base, above zero.
    pub price: Ratio,
    /// Base, not below zero.
    pub qty: Ratio,
}

/// One venue's book of one pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FullBook {
    /// Whose.
    pub venue: String,
    /// Base asset.
    pub base: String,
    /// Quote asset.
    pub quote: String,
    /// Best first.
    pub bids: Vec<RatioLevel>,
    /// Best first.
    pub asks: Vec<RatioLevel>,
}

/// Reads a file, compressed (zstd, gzip) or plain.
///
/// # Errors
/// One sentence, with the element and level that are wrong.
pub fn read_books(path: &Path) -> Result<Vec<FullBook>, String> {
    let text = read_text(path)?;
    let name = path.display();
    let value: Value = serde_json::from_slice(&text).map_err(|e| format!("{name} is no JSON: {e}"))?;
    let elements = value.as_array().ok_or_else(|| format!("{name} is no JSON array of books"))?;
    let mut books: Vec<FullBook> = Vec::with_capacity(elements.len());
    for (index, element) in elements.iter().enumerate() {
        let book = book_of(element).map_err(|what| format!("{name}: element {index}: {what}"))?;
        let same = |b: &FullBook| (&b.venue, &b.base, &b.quote) == (&book.venue, &book.base, &book.quote);
        if let Some(first) = books.iter().position(same) {
            let FullBook { venue, base, quote, .. } = book;
            return Err(format!("{name}: element {index}: {venue} {base}/{quote} is already element {first}"));
        }
        books.push(book);
    }
    Ok(books)
}

fn read_text(path: &Path) -> Result<Vec<u8>, String> {
    let told = |error: TapeError| crate::tape_load::chain(&error);
    let mut lines = Lines::open(path).map_err(told)?;
    let mut text = Vec::new();
    while let Some((_, line)) = lines.next_line().map_err(told)? {
        text.extend_from_slice(line);
        text.push(b'\n');
        if text.len() > FILE_BYTES_MAX {
            return Err(format!("{} is larger than 1 GiB", path.display()));
        }
    }
    Ok(text)
}

fn book_of(element: &Value) -> Result<FullBook, String> {
    let name = |key: &str| match element[key].as_str() {
        Some(text) if !text.is_empty() => Ok(text.to_string()),
        _ => Err(format!("`{key}` is missing or no text")),
    };
    if !element.is_object() {
        return Err("it is no object".into());
    }
    let (bids, asks) = (side_of(element, "bids")?, side_of(element, "asks")?);
    Ok(FullBook { venue: name("venue")?, base: name("base")?, quote: name("quote")?, bids, asks })
}

fn side_of(element: &Value, side: &'static str) -> Result<Vec<RatioLevel>, String> {
    let levels = element[side].as_array().ok_or_else(|| format!("`{side}` is missing or no list"))?;
    let mut found: Vec<RatioLevel> = Vec::with_capacity(levels.len());
    for (index, level) in levels.iter().enumerate() {
        let level = level_of(level).map_err(|what| format!("{side}[{index}]: {what}"))?;
        let worse = |last: &RatioLevel| if side == "bids" { level.price <= last.price } else { level.price >= last.price };
        if !found.last().is_none_or(worse) {
            return Err(format!("{side}[{index}]: it is better than the level before it; the best must come first"));
        }
        found.push(level);
    }
    Ok(found)
}

fn level_of(level: &Value) -> Result<RatioLevel, String> {
    let (price, qty) = match level {
        Value::Array(two) if two.len() == 2 => (&two[0], &two[1]),
        Value::Object(_) if level["qty"].is_null() => (&level["price"], &level["quantity"]),
        Value::Object(_) => (&level["price"], &level["qty"]),
        _ => return Err("it is neither {price, qty} nor [price, qty]".into()),
    };
    let price = number_of(price).map_err(|what| format!("the price {what}"))?;
    let qty = number_of(qty).map_err(|what| format!("the quantity {what}"))?;
    if price.is_zero() || price.is_negative() {
        return Err("the price is not above zero".into());
    }
    if qty.is_negative() {
        return Err("the quantity is below zero".into());
    }
    Ok(RatioLevel { price, qty })
}

fn number_of(value: &Value) -> Result<Ratio, String> {
    match value {
        Value::Object(fraction) => {
            let part = |key: &str| match fraction.get(key) {
                Some(part @ (Value::Number(_) | Value::String(_))) => number_of(part),
                _ => Err(format!("has no `{key}`")),
            };
            let (numerator, denominator) = (part("numerator")?, part("denominator")?);
            numerator.over(&denominator).ok_or_else(|| "has a denominator of zero".into())
        }
        Value::String(text) => {
            Ratio::parse(text).ok_or_else(|| format!("`{}` is no number", text.chars().take(40).collect::<String>()))
        }
        // Beyond 64 bits the JSON reader has only floats.
        Value::Number(number) => Ratio::parse(&number.to_string())
            .filter(|_| number.is_i64() || number.is_u64())
            .ok_or_else(|| format!("{number} is a JSON number that is not exact; write it as text")),
        Value::Null => Err("is missing".into()),
        _ => Err("is no number".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<FullBook>, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("books.json");
        std::fs::write(&path, text).unwrap();
        read_books(&path).map_err(|e| e.replace(&path.display().to_string(), "FILE"))
    }

    const HEAD: &str = r#""venue":"a","base":"BTC","quote":"USD""#;

    #[test]
    fn every_spelling_of_a_number_is_the_same_number() {
        let text = format!(
            r#"[{{{HEAD},"bids":[{{"price":{{"numerator":7,"denominator":2}},"qty":{{"numerator":"4","denominator":3}}}}],
                "asks":[["3.6","8/6"],{{"price":4,"quantity":"0"}}]}}]"#
        );
        let books = read(&text).unwrap();
        let level = |price: &str, qty: &str| RatioLevel { price: Ratio::parse(price).unwrap(), qty: Ratio::parse(qty).unwrap() };
        assert_eq!(books[0].bids, [level("3.5", "4/3")]);
        assert_eq!(books[0].asks, [level("3.6", "4/3"), level("4", "0")]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let side = |bids: &str| format!(r#"[{{{HEAD},"bids":{bids},"asks":[]}}]"#);
        for (text, expected) in [
            ("[".to_string(), "FILE is no JSON"),
            ("{}".into(), "FILE is no JSON array of books"),
            ("[1]".into(), "FILE: element 0: it is no object"),
            (r#"[{"venue":"a","bids":[],"asks":[]}]"#.into(), "FILE: element 0: `base` is missing or no text"),
            (format!(r#"[{{{HEAD},"bids":[]}}]"#), "FILE: element 0: `asks` is missing or no list"),
            (side("[[1,2,3]]"), "bids[0]: it is neither"),
            (side(r#"[["1","1"],["2","1"]]"#), "bids[1]: it is better than the level before it"),
            (side("[[1.5,1]]"), "the price 1.5 is a JSON number that is not exact"),
            (side("[[1,36893488147419103232]]"), "is a JSON number that is not exact"),
            (side(r#"[["x","1"]]"#), "bids[0]: the price `x` is no number"),
            (side(r#"[["0","1"]]"#), "the price is not above zero"),
            (side(r#"[["1","-1"]]"#), "the quantity is below zero"),
            (side(r#"[{"price":"1"}]"#), "the quantity is missing"),
            (side(r#"[[{"numerator":1,"denominator":0},1]]"#), "the price has a denominator of zero"),
            (side(r#"[[{"numerator":1},1]]"#), "the price has no `denominator`"),
            (
                format!(r#"[{{{HEAD},"bids":[],"asks":[]}},{{{HEAD},"bids":[],"asks":[]}}]"#),
                "FILE: element 1: a BTC/USD is already element 0",
            ),
        ] {
            let told = read(&text).unwrap_err();
            assert!(told.contains(expected) && !told.contains('\n'), "{told}");
        }
        assert_eq!(read("[]").unwrap(), []);
    }
}
