//! Frame tapes: ours, changed, never yields an entry that was not recorded; those of others are answered whatever they hold.

use crate::logs::edited;
use domain::{LinkRole, MonoNanos, UnixNanos};
use journal::strategies::some_tables;
use journal::tape::{Direction, FrameEntry, FrameLink, TapeEntry, TapeFormat, TapeHeader, TapeReader, TapeWriter, open_tape};
use std::cell::RefCell;
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::OnceLock;
use tempfile::NamedTempFile;

thread_local! {
    static FILE: RefCell<NamedTempFile> = RefCell::new(file());
}

/// In memory where the system has such a folder: a million files are written here.
fn file() -> NamedTempFile {
    NamedTempFile::new_in("/dev/shm").or_else(|_| NamedTempFile::new()).expect("a temporary file")
}

/// A file that holds these bytes, until the next call.
fn on_disk(bytes: &[u8]) -> PathBuf {
    FILE.with_borrow_mut(|file| {
        let write = |file: &mut NamedTempFile| {
            file.as_file().set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(bytes)?;
            file.flush()
        };
        write(file).expect("a temporary file can be written");
        file.path().to_path_buf()
    })
}

fn entries() -> Vec<FrameEntry> {
    let one = |n: u64| FrameEntry {
        received: MonoNanos(n * 1_000),
        received_unix: UnixNanos(1_750_000_000_000_000_000 + n as i64),
        direction: if n % 4 == 3 { Direction::Out } else { Direction::In },
        link: match n % 3 {
            0 if n % 6 == 3 => FrameLink::Closed { role: LinkRole::Public, shard: 0 },
            0 => FrameLink::Opened { role: LinkRole::Public, shard: 0 },
            1 => FrameLink::Ws { role: LinkRole::Private, shard: 1 },
            _ => FrameLink::Rest { method: "GET".into(), path_and_query: "/api/v4/spot/time?x=1".into() },
        },
        bytes: format!(r#"{{"n":{n},"text":"{}"}}"#, "x".repeat(n as usize % 9)).into_bytes(),
    };
    (0..40).map(one).collect()
}

fn truth() -> &'static (Vec<u8>, Vec<FrameEntry>) {
    static TRUTH: OnceLock<(Vec<u8>, Vec<FrameEntry>)> = OnceLock::new();
    TRUTH.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let header = TapeHeader {
            venue: "gate-a".into(),
            kind: "gate".into(),
            host_class: "loopback".into(),
            tables: Some(some_tables()),
            build: "fuzz".into(),
            started: UnixNanos(1_750_000_000_000_000_000),
        };
        let mut writer = TapeWriter::create(folder.path(), header).expect("a tape");
        let path = writer.path().to_path_buf();
        for (n, entry) in entries().iter().enumerate() {
            writer.append(entry).expect("a small entry");
            if n % 10 == 9 {
                writer.flush().expect("a chunk");
            }
        }
        writer.finish().expect("the last chunk");
        (std::fs::read(path).expect("what was written"), entries())
    })
}

/// A tape of ours, true, changed or no tape at all.
///
/// # Panics
/// On a finding.
pub fn own(data: &[u8]) {
    let (whole, written) = truth();
    let bytes = edited(data, whole);
    let path = on_disk(&bytes);
    let Ok(mut reader) = TapeReader::open(&path) else {
        assert!(bytes != *whole, "the true tape is refused");
        return;
    };
    let mut found = Vec::new();
    let mut refused = false;
    for entry in &mut reader {
        match entry {
            Ok(entry) => found.push(entry),
            Err(_) => refused = true,
        }
    }
    // Chunks carry their own checksum and no number, so that a moved chunk is read where it stands; none is invented.
    assert!(found.iter().all(|entry| written.contains(entry)), "an entry was read that was not recorded");
    assert!(bytes != *whole || (found == *written && !refused && !reader.is_torn()), "the true tape is read whole");
    assert!(!whole.starts_with(&bytes) || (written.starts_with(&found) && !refused), "a cut tape is read to its cut");
}

/// Lines of both foreign formats; the first byte chooses the format.
pub fn foreign_seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = [
        "\0wss://api.gateio.ws/ws/v4/ -> {\"a\":1}\n1750000000.123456 {\"channel\":\"spot.order_book\"}\n",
        "\0http: https://api.gateio.ws/api/v4/spot/order_book?currency_pair=BTC_USDT 1750000000.1 {\"id\":1}\n",
        "\u{1}1750000000123456789 {\"stream\":\"btcusdt@depth\",\"data\":{}}\n1750000000123456790 {\"lastUpdateId\":7,\"bids\":[]}\n",
        "\u{1}1 {\"a\\\"b\":[{\"lastUpdateId\":1}],\"lastUpdateId\":2}",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    seeds.push([&[1, 0x1f, 0x8b, 8][..], &[0; 16]].concat());
    seeds.push([&[1, 0x28, 0xb5, 0x2f, 0xfd][..], &[0; 16]].concat());
    seeds
}

/// A tape of others.
///
/// # Panics
/// On a finding.
pub fn foreign(data: &[u8]) {
    let Some((format, bytes)) = data.split_first() else { return };
    let format = if format % 2 == 0 { TapeFormat::Cryptofeed } else { TapeFormat::Hftbacktest };
    let Ok(tape) = open_tape(format, &on_disk(bytes)) else { return };
    let mut found: Vec<TapeEntry> = Vec::new();
    let mut refusals = 0;
    for entry in tape {
        assert_eq!(refusals, 0, "a tape ends with its first refusal");
        match entry {
            Ok(entry) => found.push(entry),
            Err(_) => refusals += 1,
        }
    }
    if format == TapeFormat::Hftbacktest && refusals == 0 {
        // With both bytes of a line's end, so that a carriage return of the text's own is not taken for one of them.
        let printed: Vec<u8> = found
            .iter()
            .flat_map(|entry| [entry.received_unix_ns.to_string().as_bytes(), b" ", &entry.bytes, b"\r\n"].concat())
            .collect();
        let again = open_tape(format, &on_disk(&printed)).expect("a file that was just written");
        let again: Vec<TapeEntry> = again.map(|entry| entry.expect("what was printed is read")).collect();
        assert_eq!(again, found, "lines print back to themselves");
    }
}
