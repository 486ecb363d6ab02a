//! Words that leave a venue wrong: absurd fields, and stamps of a clock that is off. Which field is meant each dialect knows.

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::{Absurd, Faults, TamperTarget};

/// How the next words of this kind are changed, if they are.
pub(crate) fn next_of(faults: &mut Faults, target: TamperTarget) -> Option<Absurd> {
    let tampering = faults.tampered.iter_mut().find(|tampering| tampering.target == target && tampering.count > 0)?;
    tampering.count -= 1;
    let how = tampering.how;
    faults.tampered.retain(|tampering| tampering.count > 0);
    Some(how)
}

/// Changes `field` of an object, or what stands under `word` when a word is meant.
pub(crate) fn in_object(value: &mut Value, field: &str, word: &str, how: Absurd) {
    let Value::Object(fields) = value else { return };
    match how {
        Absurd::Missing => drop(fields.remove(word)),
        Absurd::UnknownWord => drop(fields.insert(word.to_owned(), json!("reticulated"))),
        Absurd::ExtraField => add_field(fields),
        _ => {
            if let Some(value) = fields.get_mut(field) {
                in_place(value, how);
            }
        }
    }
}

fn add_field(fields: &mut Map<String, Value>) {
    fields.insert("novelty".to_owned(), json!({"kind": "unheard of", "values": [1, "2", null]}));
}

/// Makes a value absurd in its place.
pub(crate) fn in_place(value: &mut Value, how: Absurd) {
    *value = match how {
        Absurd::Zero => json!("0"),
        Absurd::Negative => json!("-1"),
        Absurd::NotANumber => json!("NaN"),
        Absurd::Huge => json!("1e309"),
        Absurd::TooFine => json!(format!("1.{}1", "0".repeat(39))),
        Absurd::Empty => json!(""),
        Absurd::Null => Value::Null,
        Absurd::TimesHundred => {
            let was = value.as_str().and_then(|text| text.parse::<Decimal>().ok()).unwrap_or_default();
            json!(was.checked_mul(Decimal::ONE_HUNDRED).unwrap_or(Decimal::MAX).normalize().to_string())
        }
        Absurd::Missing | Absurd::UnknownWord | Absurd::ExtraField => return,
    };
}

/// Moves a stamp, whole or with decimals, as number or text. Zero stands for "none" and stays.
pub(crate) fn shift_stamp(value: &mut Value, by: i64) {
    match value {
        Value::Number(number) => {
            if let Some(text) = moved(&number.to_string(), by)
                && let Ok(shifted) = serde_json::from_str(&text)
            {
                *value = shifted;
            }
        }
        Value::String(text) => {
            if let Some(shifted) = moved(text, by) {
                *value = Value::String(shifted);
            }
        }
        _ => {}
    }
}

/// A stamp's text moved by so much; `None` when it is none.
pub(crate) fn moved(text: &str, by: i64) -> Option<String> {
    let (whole, rest) = text.split_once('.').map_or((text, None), |(whole, rest)| (whole, Some(rest)));
    let whole = whole.parse::<i64>().ok().filter(|whole| *whole > 0)?.checked_add(by)?.max(0);
    Some(rest.map_or_else(|| whole.to_string(), |rest| format!("{whole}.{rest}")))
}
