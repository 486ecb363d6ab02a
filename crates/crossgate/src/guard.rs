//! What protects the process itself: no core files and no tracing of its memory, where secrets are, and no control characters in what
//! it writes for people, since venues choose some of those texts.
//!
//! Start at [`seal`]; [`plain`] is for sentences, [`plain_json`] for JSON, [`PlainLines`] for the log.

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
        if is_obeyed(c) {
            let _ = write!(out, "{}", c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// Serialised JSON with the same characters escaped as JSON escapes them, so that it stays the same value: serialisers leave those above
/// the space as they are. Line breaks, which stand only between the parts of a value, stay.
pub fn plain_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c != '\n' && is_obeyed(c) {
            // All of them have four digits at most.
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// Whether a terminal may do something else with it than show it.
fn is_obeyed(c: char) -> bool {
    // Bidirectional overrides turn a line round just as well.
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What standard error gets of a panic: where it was and what it said, on one line. What a panic says may hold any value that was in
/// reach of a failed `expect` or assertion; that none of ours shows a secret is tested below (I15).
pub fn panic_line(place: &str, payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    format!("crossgate: internal error{place}: {}", plain(text.unwrap_or_default()))
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
        // Whatever comes of it: the log has no better place to tell of its own failure, and trying to would end the process.
        crate::say::raw(shown.into_bytes());
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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
    fn json_stays_the_same_value() {
        let told = "\u{7f}\u{80}\u{9b}31m\u{2028}\u{2029}\u{202a}\u{202e}\u{2066}\u{2069}\u{1b}[2J\n\t\"\\é\u{1d11e}";
        let value = serde_json::json!({told: [told, "\\\u{7f}"], "plain": 1});
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            let shown = plain_json(&text);
            assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value, "{shown}");
            assert!(!shown.chars().any(|c| c != '\n' && is_obeyed(c)), "{shown:?}");
            assert_eq!(shown.lines().count(), text.lines().count(), "no line is added");
        }
        assert_eq!(plain_json("\"a\u{9b}\u{202e}é\""), "\"a\\u009b\\u202eé\"");
    }

    #[test]
    fn a_sealed_process_leaves_no_core() {
        seal().unwrap();
        assert_eq!(rustix::process::getrlimit(Resource::Core), Rlimit { current: Some(0), maximum: Some(0) });
        assert_eq!(rustix::process::dumpable_behavior(), Ok(DumpableBehavior::NotDumpable));
    }

    const CANARY: &str = "canary-4fd2c81e";

    /// What a panic says when it happens while this is in reach.
    fn said_of(value: &(impl std::fmt::Debug + std::panic::RefUnwindSafe)) -> String {
        let panicked = std::panic::catch_unwind(|| std::hint::black_box(Err::<(), _>(value)).expect("it is all right"));
        panic_line(" at here:1", panicked.expect_err("it panics").as_ref())
    }

    #[test]
    fn a_panic_with_secrets_in_reach_tells_none_of_them() {
        use secrecy::SecretString;
        use venue::{HttpRequest, LinkId, Method, Ticket, Transmit};
        // The measure itself: what is no secret is told.
        assert_eq!(
            said_of(&CANARY),
            format!("crossgate: internal error at here:1: it is all right: {CANARY:?}"),
            "a panic tells what it holds"
        );
        let secret = SecretString::from(CANARY);
        let request = HttpRequest {
            method: Method::Post,
            path: "/api/v4/spot/orders".into(),
            query: "pair=BTC_USDT".into(),
            headers: vec![("KEY", CANARY.into()), ("SIGN", CANARY.into())],
            body: CANARY.as_bytes().to_vec(),
        };
        let link = LinkId { role: domain::LinkRole::Private, shard: 0 };
        let login = Transmit::Frame { link, text: format!(r#"{{"auth":{{"KEY":"{CANARY}"}}}}"#), order: false };
        let sent = Transmit::Request { ticket: Ticket(1), request: request.clone(), timeout_ns: 1, order: true };
        for text in [said_of(&secret), said_of(&request), said_of(&login), said_of(&sent), said_of(&(secret, Some(request)))] {
            assert!(text.starts_with("crossgate: internal error at here:1: it is all right"), "{text}");
            assert!(!text.contains(CANARY), "{text}");
        }
    }

    #[test]
    fn a_panic_of_any_kind_is_one_line() {
        assert_eq!(panic_line("", &String::from("a\nb")), "crossgate: internal error: a\\nb");
        assert_eq!(panic_line("", &"text"), "crossgate: internal error: text");
        assert_eq!(panic_line(" at x:1", &7u8), "crossgate: internal error at x:1: ");
    }
}
