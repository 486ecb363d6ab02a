//! Tapes that other projects write.
//!
//! *cryptofeed* (raw session text): `URL <-> time` a connection was opened; `URL <- time: text` the recorder sent this;
//! `time: text` a received frame; `URL -> time: body` a REST response; `configuration: …` what was recorded. Times are Unix
//! seconds with a decimal fraction.
//!
//! *hftbacktest*: receive nanoseconds, a space, the frame. A line whose JSON has `lastUpdateId` at its top level, and no stream
//! around it, is the REST snapshot of the file's pair.
//!
//! Times become nanoseconds exactly, without floats. Empty lines are skipped; any other line that is of no kind is an error.

use super::lines::Lines;
use super::{LineError, TapeEntry, TapeError, TapeKind};
use std::path::Path;

/// Parses one line; `None` to skip it.
type ParseLine = Box<dyn FnMut(&[u8]) -> Result<Option<TapeEntry>, LineError> + Send>;

/// Entries of a text tape, in the file's order.
pub struct TextTape {
    lines: Lines,
    parse: ParseLine,
    failed: bool,
}

impl Iterator for TextTape {
    type Item = Result<TapeEntry, TapeError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.failed {
            let parsed = match self.lines.next_line() {
                Ok(None) => return None,
                Ok(Some((_, []))) => continue,
                Ok(Some((number, line))) => (self.parse)(line).map_err(|why| (number, why)),
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error));
                }
            };
            match parsed {
                Ok(None) => {}
                Ok(Some(entry)) => return Some(Ok(entry)),
                Err((number, why)) => {
                    self.failed = true;
                    return Some(Err(self.lines.error(number, why)));
                }
            }
        }
        None
    }
}

/// Reads a cryptofeed session.
///
/// # Errors
/// [`TapeError::Io`] here; [`TapeError::Line`] from the iterator, after which it ends.
pub fn read_cryptofeed(path: &Path) -> Result<TextTape, TapeError> {
    let mut url = None;
    let parse: ParseLine = Box::new(move |line| parse_cryptofeed(line, &mut url));
    Ok(TextTape { lines: Lines::open(path)?, parse, failed: false })
}

/// Reads an hftbacktest recording. REST snapshots stand between the frames there and only their content tells them apart; what was
/// asked for them is not recorded, so their path is empty.
///
/// # Errors
/// [`TapeError::Io`] here; [`TapeError::Line`] from the iterator, after which it ends.
pub fn read_hftbacktest(path: &Path) -> Result<TextTape, TapeError> {
    let parse: ParseLine = Box::new(|line| parse_hftbacktest(line).map(Some));
    Ok(TextTape { lines: Lines::open(path)?, parse, failed: false })
}

fn parse_hftbacktest(line: &[u8]) -> Result<TapeEntry, LineError> {
    let (time, frame) = split_once(line, b" ").ok_or(LineError::Shape)?;
    let received_unix_ns = parse_integer(time).ok_or(LineError::Time)?;
    let kind = if is_snapshot(frame) { TapeKind::Rest { path_and_query: String::new() } } else { TapeKind::Ws { url: None } };
    Ok(TapeEntry { received_unix_ns, kind, bytes: frame.to_vec() })
}

/// True when the JSON object has the key `lastUpdateId` at its top level and no key `stream` before it.
fn is_snapshot(json: &[u8]) -> bool {
    let (mut depth, mut key_next, mut at) = (0usize, false, 0usize);
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => {
                let start = at + 1;
                at = start;
                while json.get(at).is_some_and(|b| *b != b'"') {
                    at += if json[at] == b'\\' { 2 } else { 1 };
                }
                if depth == 1 && key_next {
                    match json.get(start..at).filter(|_| at < json.len()) {
                        Some(b"lastUpdateId") => return true,
                        Some(b"stream") | None => return false,
                        Some(_) => key_next = false,
                    }
                }
            }
            b'{' | b'[' => {
                depth += 1;
                key_next = depth == 1 && *byte == b'{';
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' => key_next = depth == 1,
            _ => {}
        }
        at += 1;
    }
    false
}

fn parse_cryptofeed(line: &[u8], url: &mut Option<String>) -> Result<Option<TapeEntry>, LineError> {
    if line.first().is_some_and(u8::is_ascii_digit) {
        let (time, frame) = split_once(line, b": ").ok_or(LineError::Shape)?;
        return Ok(Some(TapeEntry {
            received_unix_ns: parse_seconds(time)?,
            kind: TapeKind::Ws { url: url.clone() },
            bytes: frame.to_vec(),
        }));
    }
    if line.starts_with(b"configuration: ") {
        return Ok(None);
    }
    let (address, rest) = split_once(line, b" ").ok_or(LineError::Shape)?;
    let address = std::str::from_utf8(address).map_err(|_| LineError::Address)?;
    let (mark, rest) = split_once(rest, b" ").ok_or(LineError::Shape)?;
    if mark == b"<->" {
        *url = Some(address.into());
        let kind = TapeKind::Connected { url: address.into() };
        return Ok(Some(TapeEntry { received_unix_ns: parse_seconds(rest)?, kind, bytes: Vec::new() }));
    }
    let (time, body) = split_once(rest, b": ").ok_or(LineError::Shape)?;
    let kind = match mark {
        b"<-" => TapeKind::Sent,
        b"->" => TapeKind::Rest { path_and_query: path_and_query(address).into() },
        _ => return Err(LineError::Shape),
    };
    Ok(Some(TapeEntry { received_unix_ns: parse_seconds(time)?, kind, bytes: body.to_vec() }))
}

/// The part of an address behind its host.
fn path_and_query(address: &str) -> &str {
    let behind_scheme = address.find("://").map_or(address, |at| &address[at + 3..]);
    behind_scheme.find(['/', '?']).map_or("/", |at| &behind_scheme[at..])
}

/// Unix seconds with up to nine decimals, as nanoseconds.
fn parse_seconds(text: &[u8]) -> Result<i64, LineError> {
    let (whole, fraction) = split_once(text, b".").unwrap_or((text, b"0"));
    if fraction.len() > 9 {
        return Err(LineError::Time);
    }
    let scale = 10i64.pow(9 - fraction.len() as u32);
    let seconds = parse_integer(whole).and_then(|seconds| seconds.checked_mul(1_000_000_000));
    let nanos = parse_integer(fraction).map(|units| units * scale);
    seconds.zip(nanos).and_then(|(seconds, nanos)| seconds.checked_add(nanos)).ok_or(LineError::Time)
}

fn parse_integer(text: &[u8]) -> Option<i64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn split_once<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(mark.len()).position(|window| window == mark)?;
    Some((&bytes[..at], &bytes[at + mark.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::{TapeFormat, read_tape};
    use proptest::prelude::*;

    fn read(text: &str, open: fn(&Path) -> Result<TextTape, TapeError>) -> Result<Vec<TapeEntry>, TapeError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tape");
        std::fs::write(&path, text).unwrap();
        open(&path)?.collect()
    }

    fn entry(received_unix_ns: i64, kind: TapeKind, text: &str) -> TapeEntry {
        TapeEntry { received_unix_ns, kind, bytes: text.into() }
    }

    #[test]
    fn a_session_reads_line_by_line() {
        let text = "configuration: {\"l2_book\":[\"BTC-USDT\"]}\n\
                    wss://ws.example/v4/ <-> 1600000000.5\n\
                    wss://ws.example/v4/ <- 1600000000.7715468: {\"event\": \"subscribe\"}\n\
                    1600000001: {\"a\": 1.0}\n\
                    \n\
                    https://api.example/api/v4/book?pair=A_B&limit=5 -> 1600000001.000000001: {\"id\": 3} <- odd: -> text\n";
        let url = "wss://ws.example/v4/";
        let expected = [
            entry(1_600_000_000_500_000_000, TapeKind::Connected { url: url.into() }, ""),
            entry(1_600_000_000_771_546_800, TapeKind::Sent, "{\"event\": \"subscribe\"}"),
            entry(1_600_000_001_000_000_000, TapeKind::Ws { url: Some(url.into()) }, "{\"a\": 1.0}"),
            entry(
                1_600_000_001_000_000_001,
                TapeKind::Rest { path_and_query: "/api/v4/book?pair=A_B&limit=5".into() },
                "{\"id\": 3} <- odd: -> text",
            ),
        ];
        assert_eq!(read(text, read_cryptofeed).unwrap(), expected);
    }

    #[test]
    fn a_recording_reads_line_by_line() {
        let found = read("1723161255030314667 {\"stream\":\"a b\"}\n7 x\n", read_hftbacktest).unwrap();
        let ws = TapeKind::Ws { url: None };
        assert_eq!(found, [entry(1_723_161_255_030_314_667, ws.clone(), "{\"stream\":\"a b\"}"), entry(7, ws, "x")]);
    }

    #[test]
    fn a_snapshot_between_the_frames_is_a_rest_answer() {
        let rest = TapeKind::Rest { path_and_query: String::new() };
        for (text, expected) in [
            ("{\"lastUpdateId\":7,\"bids\":[],\"asks\":[]}", true),
            ("{\"E\":1,\"x\":{\"stream\":[2,\"a\"]}, \"lastUpdateId\" : 7}", true),
            ("{\"stream\":\"a@depth5\",\"data\":{\"lastUpdateId\":7}}", false),
            ("{\"data\":{\"lastUpdateId\":7},\"stream\":\"a@depth5\"}", false),
            ("{\"e\":\"lastUpdateId\",\"b\":[\"lastUpdateId\"]}", false),
            ("{\"a\\\"lastUpdateId\":1}", false),
            ("[\"lastUpdateId\"]", false),
            ("{\"lastUpdateId", false),
            ("\"\\", false),
        ] {
            let kind = parse_hftbacktest(format!("5 {text}").as_bytes()).unwrap().kind;
            assert_eq!(kind == rest, expected, "{text}");
        }
    }

    #[track_caller]
    fn refused(line: &str, open: fn(&Path) -> Result<TextTape, TapeError>, expected: LineError) {
        let good = if line.starts_with('{') || line.contains("//") { "1600000000.1: {}" } else { "1600000000: 7 x" };
        match read(&format!("{good}\n{line}\n{good}\n"), open) {
            Err(TapeError::Line { line: 2, why, .. }) => assert_eq!(why, expected, "{line}"),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn malformed_lines_are_named() {
        refused("{\"no\": \"time\"}", read_cryptofeed, LineError::Shape);
        refused("wss://x/ <=> 1.5", read_cryptofeed, LineError::Shape);
        refused("wss://x/ <=> 1.5: x", read_cryptofeed, LineError::Shape);
        refused("wss://x/ <-> 1.5x", read_cryptofeed, LineError::Time);
        refused("https://x/ -> 1.1234567890: {}", read_cryptofeed, LineError::Time);
        refused("https://x/ -> 1e9: {}", read_cryptofeed, LineError::Time);
        refused("https://x/ -> 9223372037.0: {}", read_cryptofeed, LineError::Time);
        refused("https://x/ -> -1.0: {}", read_cryptofeed, LineError::Time);
        refused("1.: {}", read_cryptofeed, LineError::Time);
        refused("1.5 {}", read_cryptofeed, LineError::Shape);
        for (line, why) in
            [("nospace", LineError::Shape), ("12a {}", LineError::Time), ("99999999999999999999 {}", LineError::Time)]
        {
            assert_eq!(parse_hftbacktest(line.as_bytes()), Err(why));
        }
    }

    proptest! {
        #[test]
        fn times_are_exact(seconds in 0i64..9_000_000_000, nanos in 0i64..1_000_000_000, digits in 1usize..=9) {
            let fraction = &format!("{nanos:09}")[..digits];
            let expected = seconds * 1_000_000_000 + format!("{fraction:0<9}").parse::<i64>().unwrap();
            prop_assert_eq!(parse_seconds(format!("{seconds}.{fraction}").as_bytes()), Ok(expected));
        }

        #[test]
        fn any_line_is_answered(line in proptest::collection::vec(any::<u8>(), 1..80)) {
            let _ = parse_cryptofeed(&line, &mut None);
            let _ = parse_hftbacktest(&line);
        }
    }

    #[test]
    fn the_recorded_gate_sessions_read_in_full() {
        let Some(data) = std::env::var_os("CROSSGATE_DATA") else {
            eprintln!("left out: CROSSGATE_DATA is not set, so the recorded sessions are not read");
            return;
        };
        let folder = Path::new(&data).join("cryptofeed");
        let entries = |name: &str| read_cryptofeed(&folder.join(name)).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
        let count = |entries: &[TapeEntry], wanted: fn(&TapeKind) -> bool| entries.iter().filter(|e| wanted(&e.kind)).count();
        let received = |kind: &TapeKind| matches!(kind, TapeKind::Ws { .. });
        let rest = |kind: &TapeKind| matches!(kind, TapeKind::Rest { .. });
        let spot = entries("GATEIO.ws.1.0.zst");
        assert_eq!(count(&spot, received), 141, "the recordings' README");
        assert_eq!(count(&entries("GATEIO_FUTURES.ws.1.0.zst"), received), 242, "the recordings' README");
        assert_eq!(spot[0].received_unix_ns, 1_619_093_531_891_181_000);
        let books = entries("GATEIO.http.0.0.zst");
        assert_eq!(count(&books, rest), 7);
        assert_eq!(books[1].received_unix_ns, 1_619_093_533_965_594_800);
        assert_eq!(count(&entries("GATEIO.0.zst"), rest), 1);
        let sources = [spot, books].map(|list| list.into_iter().map(Ok::<_, TapeError>)).into();
        let merged: Result<Vec<_>, _> = crate::tape::merge(sources, |entry: &TapeEntry| entry.received_unix_ns).collect();
        assert!(merged.unwrap().windows(2).all(|pair| pair[0].1.received_unix_ns <= pair[1].1.received_unix_ns));
    }

    #[test]
    fn every_recorded_text_tape_reads_without_error() {
        let Some(data) = std::env::var_os("CROSSGATE_DATA") else {
            eprintln!("left out: CROSSGATE_DATA is not set, so the recorded tapes are not read");
            return;
        };
        let formats = [TapeFormat::Cryptofeed, TapeFormat::Hftbacktest];
        for (folder, format) in formats.map(|format| (format.as_str(), format)) {
            for file in std::fs::read_dir(Path::new(&data).join(folder)).unwrap() {
                let path = file.unwrap().path();
                if path.extension().is_some_and(|extension| extension == "zst") {
                    let entries = read_tape(format, &path).unwrap();
                    assert!(!entries.is_empty(), "{}", path.display());
                }
            }
        }
    }
}
