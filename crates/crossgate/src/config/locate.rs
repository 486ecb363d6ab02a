//! The line of a key in a TOML text, for error messages about values that parse but make no sense.

/// The 1-based line of `path` (`risk.order_value_max`, `venue[1].kind`), or of its section, or `None`.
///
/// It reads section headers and `key =` lines only, which is all our files have; a key inside an inline table is not found.
pub fn line_of(text: &str, path: &str) -> Option<usize> {
    let (section, key) = path.rsplit_once('.').unwrap_or(("", path));
    let mut counts: Vec<(String, usize)> = Vec::new();
    let mut current = String::new();
    let mut section_line = None;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(name) = line.strip_prefix("[[").and_then(|l| l.split("]]").next()) {
            let position = match counts.iter_mut().find(|(n, _)| n == name.trim()) {
                Some((_, count)) => {
                    *count += 1;
                    *count
                }
                None => {
                    counts.push((name.trim().to_string(), 0));
                    0
                }
            };
            current = format!("{}[{position}]", name.trim());
        } else if let Some(name) = line.strip_prefix('[').and_then(|l| l.split(']').next()) {
            current = name.trim().to_string();
        } else if current == section
            && line.split('=').next().is_some_and(|k| k.trim().trim_matches('"') == key)
            && line.contains('=')
        {
            return Some(index + 1);
        }
        if current == section && section_line.is_none() && line.starts_with('[') {
            section_line = Some(index + 1);
        }
    }
    section_line
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
        assert_eq!(line_of(text, "nowhere.key"), None);
        assert_eq!(line_at(text, text.find("dir").unwrap()), 3);
    }
}
