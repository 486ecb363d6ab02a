//! What protects the process itself: no core files and no tracing of its memory, where secrets are, and no control characters in what
//! it writes for people, since venues choose some of those texts.
//!
//! Start at [`seal`]; [`plain`] is for sentences, [`PlainLines`] for the log.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use std::fmt::Write as _;
use std::io::{self, Write};

/// No core file from now on (`RLIMIT_CORE` 0, hard), and not dumpable: no other process of this user may read its memory or its
/// environment. Called first thing.
///
/// # Errors
/// One sentence, when the system refuses.
pub fn seal() -> Result<(), String> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })
        .map_err(|error| format!("core files can't be switched off: {error}"))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|error| format!("memory can't be closed to others: {error}"))
}

/// A text on one line, control characters shown and not obeyed: a venue's error can neither forge a log line nor move a terminal's
/// cursor.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        // Bidirectional overrides turn a line round just as well.
        if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            let _ = write!(out, "{}", c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// Standard error for the log: each event is one line, whatever is in it.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainLines;

impl Write for PlainLines {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let mut shown = plain(line);
        if line.len() < text.len() {
            shown.push('\n');
        }
        io::stderr().write_all(shown.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_venues_text_stays_on_its_line() {
        assert_eq!(plain("ORDER_CLOSED"), "ORDER_CLOSED");
        assert_eq!(
            plain("a\nERROR forged\r\x1b[2Jb\u{9b}31m\u{202e}c\u{2028}é"),
            "a\\nERROR forged\\r\\u{1b}[2Jb\\u{9b}31m\\u{202e}c\\u{2028}é"
        );
    }

    #[test]
    fn a_sealed_process_leaves_no_core() {
        seal().unwrap();
        assert_eq!(rustix::process::getrlimit(Resource::Core), Rlimit { current: Some(0), maximum: Some(0) });
        assert_eq!(rustix::process::dumpable_behavior(), Ok(DumpableBehavior::NotDumpable));
    }
}
