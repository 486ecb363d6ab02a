//! A scanner of Rust text, good enough for bans: comments, literals and test items become blanks, line by line in place.
//!
//! Start at [`blank_literals`], then [`blank_tests`]; its own tests stand with the rules in `tidy.rs`.

/// `word` in `line`, not as part of a longer name.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_some_and(part_of_name);
        let after = line[at + word.len()..].chars().next().is_some_and(part_of_name);
        // `rand::` ends by itself; `f64` must not go on.
        !(before || (after && word.ends_with(part_of_name)))
    })
}

/// Replaces comments, strings and character literals by blanks, line by line in place.
pub(crate) fn blank_literals(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let blank = |out: &mut String, c: char| out.push(if c == '\n' { '\n' } else { ' ' });
    while at < chars.len() {
        let next = chars.get(at + 1).copied();
        let start = at;
        match (chars[at], next) {
            ('/', Some('/')) => at += chars[at..].iter().take_while(|c| **c != '\n').count(),
            ('/', Some('*')) => at = end_of_block_comment(&chars, at),
            ('"', _) => at = end_of_string(&chars, at),
            ('r', Some('"' | '#')) if !name_before(&chars, at) => at = end_of_raw_string(&chars, at).unwrap_or(at),
            // A literal is 'x' or '\…'; anything else after a quote is a lifetime.
            ('\'', Some('\\')) => at += 3 + chars[at + 3..].iter().take_while(|c| **c != '\'').count(),
            ('\'', Some(_)) if chars.get(at + 2) == Some(&'\'') => at += 2,
            _ => {}
        }
        if at == start && !matches!((chars[at], next), ('\'', Some('\\'))) {
            out.push(chars[at]);
            at += 1;
            continue;
        }
        // A closing quote belongs to the literal; a comment ends before its line break.
        let end = if chars[start] == '/' { at } else { (at + 1).min(chars.len()) };
        chars[start..end].iter().for_each(|c| blank(&mut out, *c));
        at = end;
    }
    out
}

/// A `b` before `r"…"` belongs to the literal; any other letter makes the `r` part of a name.
fn name_before(chars: &[char], at: usize) -> bool {
    let part = |i: usize| chars.get(i).is_some_and(|c| c.is_alphanumeric() || *c == '_');
    match at.checked_sub(1) {
        Some(before) if chars[before] == 'b' => before.checked_sub(1).is_some_and(part),
        Some(before) => part(before),
        None => false,
    }
}

fn end_of_block_comment(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0usize;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) if depth == 1 => return at + 2,
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    at
}

/// Position of the closing quote.
fn end_of_string(chars: &[char], start: usize) -> usize {
    let mut at = start + 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at
}

/// Position of the last character of a raw string that starts at `start`; `None` for a raw identifier.
fn end_of_raw_string(chars: &[char], start: usize) -> Option<usize> {
    let hashes = chars[start + 1..].iter().take_while(|c| **c == '#').count();
    let mut at = start + 1 + hashes;
    if chars.get(at) != Some(&'"') {
        return None;
    }
    loop {
        at += 1 + chars.get(at + 1..)?.iter().take_while(|c| **c != '"').count();
        if chars.get(at + 1..at + 1 + hashes)?.iter().all(|c| *c == '#') {
            return Some(at + hashes);
        }
    }
}

const TEST_ATTRIBUTES: &[&str] = &["#[cfg(test)]", "#[cfg(all(test", "#[cfg(any(test"];

/// Blanks items under `#[cfg(test)]`. The names of modules whose files are for tests only go into `files`: as `mod` names them,
/// or as `#[path]` does (read from `text`, where literals still stand).
pub(crate) fn blank_tests(code: &str, text: &str, files: &mut Vec<String>) -> String {
    let mut out: Vec<char> = code.chars().collect();
    let plain: Vec<char> = text.chars().collect();
    let mut from = 0;
    loop {
        let rest: String = out[from..].iter().collect();
        let Some(found) = TEST_ATTRIBUTES.iter().filter_map(|a| rest.find(a)).min() else { return out.into_iter().collect() };
        let start = from + rest[..found].chars().count();
        let mut end = start;
        // To the item's `;` or its closing brace; brackets of attributes and of arguments hold neither at depth 0.
        let (mut round, mut braces) = (0i32, 0i32);
        while end < out.len() {
            match out[end] {
                '(' | '[' => round += 1,
                ')' | ']' => round -= 1,
                '{' => braces += 1,
                '}' => braces -= 1,
                _ => {}
            }
            let closed = (out[end] == '}' && braces <= 0) || (out[end] == ';' && round == 0 && braces == 0);
            end += 1;
            if closed {
                break;
            }
        }
        let item: String = plain[start..end].iter().collect();
        if let Some(module) = item.rsplit("mod ").next().and_then(|tail| tail.strip_suffix(';')) {
            let named = item.split("#[path = \"").nth(1).and_then(|tail| tail.split('"').next());
            files.push(named.map_or_else(|| module.trim().to_string(), |path| path.trim_end_matches(".rs").to_string()));
        }
        out[start..end].iter_mut().filter(|c| **c != '\n').for_each(|c| *c = ' ');
        from = end;
    }
}
