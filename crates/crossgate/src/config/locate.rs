//! The line of a key in a TOML text, for error messages about values that parse but make no sense.

/// One line of a text: the section it stands in and the key it sets.
struct Line<'t> {
    /// `risk`, `venue[1]`; empty before the first header.
    section: String,
    /// The key of a `key =` line.
    key: Option<&'t str>,
    /// True for a section header.
    header: bool,
}

/// It reads section headers and `key =` lines only, which is all our files have; a key inside an inline table is not found.
fn lines(text: &str) -> Vec<Line<'_>> {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    let mut section = String::new();
    let mut lines = Vec::new();
    for line in text.lines().map(str::trim) {
        let (mut key, mut header) = (None, true);
        if let Some(name) = line.strip_prefix("[[").and_then(|l| l.split("]]").next()) {
            let position = match counts.iter_mut().find(|(n, _)| *n == name.trim()) {
                Some((_, count)) => {
                    *count += 1;
                    *count
                }
                None => {
                    counts.push((name.trim(), 0));
                    0
                }
            };
            section = format!("{}[{position}]", name.trim());
        } else if let Some(name) = line.strip_prefix('[').and_then(|l| l.split(']').next()) {
            section = name.trim().to_string();
        } else {
            header = false;
            key = line.split_once('=').map(|(key, _)| key.trim().trim_matches('"')).filter(|_| !line.starts_with('#'));
        }
        lines.push(Line { section: section.clone(), key, header });
    }
    lines
}

/// The 1-based line of `path` (`risk.order_value_max`, `venue[1].kind`, `risk`), or of its section, or `None`.
pub fn line_of(text: &str, path: &str) -> Option<usize> {
    let (section, key) = path.rsplit_once('.').unwrap_or(("", path));
    let lines = lines(text);
    let number = |found: &dyn Fn(&Line<'_>) -> bool| lines.iter().position(found).map(|index| index + 1);
    number(&|l| l.section == section && l.key == Some(key))
        .or_else(|| number(&|l| l.header && l.section == section))
        .or_else(|| number(&|l| l.header && l.section == path))
}

/// The path of the key that is set on the line of a byte offset, or `None` when that line sets none.
pub fn path_at(text: &str, offset: usize) -> Option<String> {
    let lines = lines(text);
    let line = lines.get(line_at(text, offset) - 1)?;
    let key = line.key?;
    Some(if line.section.is_empty() { key.to_string() } else { format!("{}.{key}", line.section) })
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
}
