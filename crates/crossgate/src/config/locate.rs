//! The line of a key in a TOML text, for error messages about values that parse but make no sense.

use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A key and its value, or an element of an array.
struct Found<'v, 't> {
    /// Where the key stands; of an element, where it begins.
    at: Range<usize>,
    value: &'v Spanned<DeValue<'t>>,
}

/// One step of a path: `venue`, or the second of `venue[1]`.
fn step<'v, 't>(table: &'v DeTable<'t>, segment: &str) -> Option<Found<'v, 't>> {
    let (name, index) = match segment.strip_suffix(']').and_then(|s| s.split_once('[')) {
        Some((name, index)) => (name, Some(index.parse::<usize>().ok()?)),
        None => (segment, None),
    };
    let (key, value) = table.iter().find(|(key, _)| key.get_ref().as_ref() == name)?;
    let Some(index) = index else { return Some(Found { at: key.span(), value }) };
    let element = value.get_ref().as_array()?.get(index)?;
    Some(Found { at: element.span(), value: element })
}

/// The 1-based line of `path` (`risk.order_value_max`, `venue[1].kind`, `risk`), or of the innermost section of it that is there, or `None`.
pub fn line_of(text: &str, path: &str) -> Option<usize> {
    let root = DeTable::parse_recoverable(text).0;
    let mut table = root.get_ref();
    let mut at = None;
    for segment in path.split('.') {
        let Some(found) = step(table, segment) else { break };
        at = Some(found.at.start);
        match found.value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => break,
        }
    }
    at.map(|offset| line_at(text, offset))
}

/// The path of the key whose value holds a byte offset, the innermost one, or `None` when none does.
pub fn path_at(text: &str, offset: usize) -> Option<String> {
    path_in(DeTable::parse_recoverable(text).0.get_ref(), offset, "").or_else(|| path_before_mistake(text, offset))
}

/// As [`path_at`], of a value that is none: the text up to its line, with another value in its place.
fn path_before_mistake(text: &str, offset: usize) -> Option<String> {
    let begin = text.get(..offset)?.rfind('\n').map_or(0, |newline| newline + 1);
    let (key, _) = text.get(begin..)?.lines().next()?.split_once('=').filter(|(key, _)| !key.trim_start().starts_with('#'))?;
    let mended = format!("{}{key}= 0\n", &text[..begin]);
    path_in(DeTable::parse(&mended).ok()?.get_ref(), mended.rfind('0')?, "")
}

fn path_in(table: &DeTable<'_>, offset: usize, above: &str) -> Option<String> {
    table.iter().find_map(|(key, value)| {
        let path = if above.is_empty() { key.get_ref().to_string() } else { format!("{above}.{}", key.get_ref()) };
        let on_key = key.span().contains(&offset) && !value.get_ref().is_table();
        path_of_value(value, offset, &path).or_else(|| on_key.then_some(path))
    })
}

fn path_of_value(value: &Spanned<DeValue<'_>>, offset: usize, path: &str) -> Option<String> {
    match value.get_ref() {
        // A section's own span is its header; what stands in it lies elsewhere.
        DeValue::Table(inner) => path_in(inner, offset, path),
        DeValue::Array(elements) => {
            let within = |(index, element)| path_of_value(element, offset, &format!("{path}[{index}]"));
            elements.iter().enumerate().find_map(within)
        }
        _ => value.span().contains(&offset).then(|| path.to_string()),
    }
}

/// The 1-based line of a byte offset.
pub fn line_at(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|b| **b == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_in_their_section() {
        let text = "mode = \"sim\"\n[state]\ndir = \"x\"\n\n[[venue]]\nid = \"a\"\n[[venue]]\nid = \"b\"\nkind = \"gate\"\n[risk]\nopen_deals_max = 1\n";
        assert_eq!(line_of(text, "mode"), Some(1));
        assert_eq!(line_of(text, "state.dir"), Some(3));
        assert_eq!(line_of(text, "venue[1].id"), Some(8));
        assert_eq!(line_of(text, "venue[0].kind"), Some(5), "a missing key is told at its section");
        assert_eq!(line_of(text, "risk.open_deals_max"), Some(11));
        assert_eq!(line_of(text, "risk"), Some(10), "a section is told at its header");
        assert_eq!(line_of(text, "nowhere.key"), None);
        assert_eq!(path_at(text, text.find("1\n").unwrap()).as_deref(), Some("risk.open_deals_max"));
        assert_eq!(path_at(text, text.find("\"b\"").unwrap()).as_deref(), Some("venue[1].id"));
        assert_eq!(path_at(text, 0).as_deref(), Some("mode"));
        assert_eq!(path_at(text, text.find("[risk]").unwrap()), None);
        assert_eq!(line_at(text, text.find("dir").unwrap()), 3);
    }

    #[test]
    fn keys_are_found_in_tables_on_one_line() {
        let text = "seed = 1\nidentity = [\n  { asset = \"BTC\", venue = \"gate\" },\n  # { asset = \"not this one\" },\n  { asset = \"ETH\", venue = \"byte\" },\n]\nops = { listen = \"x\" }\nstate.dir = \"d\"\n";
        assert_eq!(line_of(text, "identity[1].venue"), Some(5));
        assert_eq!(line_of(text, "identity[0].named"), Some(3), "a missing key is told at its table");
        assert_eq!(line_of(text, "identity[2].asset"), None);
        assert_eq!(line_of(text, "identity"), Some(2));
        assert_eq!(line_of(text, "ops.listen"), Some(7));
        assert_eq!(line_of(text, "state.dir"), Some(8));
        assert_eq!(path_at(text, text.find("\"byte\"").unwrap()).as_deref(), Some("identity[1].venue"));
        assert_eq!(path_at(text, text.find("\"x\"").unwrap()).as_deref(), Some("ops.listen"));
    }

    #[test]
    fn a_text_with_a_mistake_is_read_as_far_as_it_goes() {
        let text = "mode = \"sim\"\n[risk]\nopen_deals_max = \nbook = 1\n";
        assert_eq!(path_at(text, text.find("= \nbook").unwrap()).as_deref(), Some("risk.open_deals_max"));
        assert_eq!(line_of(text, "mode"), Some(1));
        assert_eq!(line_of(text, "risk.book"), Some(4));
        for cut in 0..text.len() {
            let _ = (line_of(&text[..cut], "risk.book"), path_at(&text[..cut], cut / 2));
        }
    }
}
