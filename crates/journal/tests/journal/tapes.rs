//! Tapes: those of others, and our own.

use crate::rig::*;
use domain::{LinkRole, MonoNanos, UnixNanos};
use journal::tape::recorder::FRAME_BYTES_MAX;
use journal::tape::{
    Direction, FrameEntry, FrameLink, TAPE_VERSION, TAPE_VERSION_OLDEST, TapeError, TapeFormat, TapeHeader, TapeReader,
    TapeWriter, merge, open_tape, read_tape,
};
use std::path::{Path, PathBuf};

const TEXT: [(TapeFormat, &str); 2] =
    [(TapeFormat::Cryptofeed, "1600000000.5: {}\n"), (TapeFormat::Hftbacktest, "1600000000 {}\n")];

/// Every line that is of no kind, with its number and in the words that people read; nothing behind it is read.
#[test]
fn lines_of_foreign_tapes_are_refused_with_number_and_reason() {
    let shape = "the line is of no kind that this format has";
    let time = "the time is no number in range";
    let address = "the address is not text";
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tape");
    for (format, line, expected) in [
        (0, &b"{\"no\":\"time\"}"[..], shape),
        (0, b"alone", shape),
        (0, b"wss://x/ alone", shape),
        (0, b"wss://x/ <- no colon behind the time", shape),
        (0, b"wss://x/ <=> 1.5: {}", shape),
        (0, b"1.5 {}", shape),
        (0, b"wss://\xff/ <-> 1.5", address),
        (0, b"wss://x/ <-> 1.5x", time),
        (0, b"wss://x/ <- .5: {}", time),
        (0, b"https://x/ -> 1.1234567890: {}", time),
        (0, b"9223372037: {}", time),
        (1, b"nospace", shape),
        (1, b"12a {}", time),
        (1, b" {}", time),
        (1, b"9223372036854775808 {}", time),
    ] {
        let (format, good) = TEXT[format];
        std::fs::write(&path, [good.as_bytes(), b"\n", line, b"\n", good.as_bytes()].concat()).unwrap();
        let mut entries = open_tape(format, &path).unwrap();
        assert!(entries.next().unwrap().is_ok());
        let said = refusal(entries.next().unwrap()).to_string();
        assert_eq!(said, format!("{}, line 3: {expected}", path.display()), "{:?}", String::from_utf8_lossy(line));
        assert!(entries.next().is_none() && entries.next().is_none(), "nothing behind it is read");
    }
}

/// A compressed tape that was cut: what came before the cut, the system's word, and nothing more.
#[test]
fn a_foreign_tape_that_was_cut_says_so_once() {
    let directory = tempfile::tempdir().unwrap();
    for (format, line) in TEXT {
        let path = directory.path().join("cut.zst");
        let text = line.repeat(1_000);
        let packed = zstd::bulk::compress(text.as_bytes(), 3).unwrap();
        std::fs::write(&path, &packed[..packed.len() - 4]).unwrap();
        let mut entries = open_tape(format, &path).unwrap();
        let error = entries.find_map(Result::err).expect("the cut is told of");
        assert_eq!(error.to_string(), format!("cannot read {}", path.display()));
        assert!(entries.next().is_none());
        assert!(matches!(read_tape(format, &path), Err(TapeError::Io { doing: "read", .. })));
    }
    let nowhere = directory.path().join("nowhere");
    for format in [TapeFormat::Cryptofeed, TapeFormat::Hftbacktest] {
        assert_eq!(refusal(open_tape(format, &nowhere)).to_string(), format!("cannot open {}", nowhere.display()));
    }
}

fn entry(n: u64, bytes: Vec<u8>) -> FrameEntry {
    FrameEntry {
        received: MonoNanos(n),
        received_unix: UnixNanos(1_700_000_000_000_000_000 + n as i64),
        direction: Direction::In,
        link: FrameLink::Ws { role: LinkRole::Public, shard: 0 },
        bytes,
    }
}

fn tape_of(directory: &Path, venue: &str, entries: u64) -> PathBuf {
    let header = TapeHeader {
        venue: venue.into(),
        kind: "gate".into(),
        host_class: "loopback".into(),
        tables: None,
        build: "test".into(),
        started: UnixNanos(1_700_000_000_000_000_000),
    };
    let mut writer = TapeWriter::create(directory, header).unwrap();
    (0..entries).for_each(|n| writer.append(&entry(n, vec![b'x'; 40])).unwrap());
    let path = writer.path().to_path_buf();
    writer.finish().unwrap();
    path
}

fn put(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// Makes the checksum of the header right again.
fn seal_header(bytes: &mut [u8]) {
    let length = u32::from_le_bytes(bytes[8..12].try_into().unwrap()) as usize;
    let crc = crc32fast::hash(&bytes[16..16 + length]);
    put(bytes, 12, crc);
}

/// How a tape is changed, given where its only chunk begins.
type Change = fn(&mut Vec<u8>, usize);

/// Whatever is wrong with a tape of ours is said in its words and with its byte, and no entry is made of it.
#[test]
fn our_own_tapes_are_refused_with_byte_and_reason() {
    let directory = tempfile::tempdir().unwrap();
    let whole = std::fs::read(tape_of(directory.path(), "whole", 4)).unwrap();
    let chunk = 16 + u32::from_le_bytes(whole[8..12].try_into().unwrap()) as usize;
    let path = directory.path().join("changed.tape");
    let damaged = |at: usize, why: &str| format!("{} is damaged at byte {at}: {why}", path.display());
    let (found, oldest) = (TAPE_VERSION + 1, TAPE_VERSION_OLDEST);
    let version = format!(
        "{} was written in version {found} of the tape format; this build reads versions {oldest} to {TAPE_VERSION}",
        path.display()
    );
    let cases: [(Change, String); 9] = [
        (|bytes, _| bytes[0] = b'Y', damaged(0, "it is no tape of ours")),
        (|bytes, _| bytes.truncate(14), damaged(0, "it ends in its header")),
        (|bytes, _| bytes[20] ^= 1, damaged(0, "the checksum of its header is wrong")),
        (|bytes, chunk| bytes.truncate(chunk - 1), damaged(0, "the checksum of its header is wrong")),
        (
            |bytes, _| {
                bytes[16..18].copy_from_slice(&(TAPE_VERSION + 1).to_le_bytes());
                seal_header(bytes);
            },
            version,
        ),
        (|bytes, chunk| bytes[chunk + 2] ^= 1, damaged(chunk, "a chunk claims to be larger than any is")),
        (|bytes, chunk| put(bytes, chunk + 4, u32::MAX), damaged(chunk, "a chunk claims to be larger than any is")),
        (|bytes, chunk| bytes[chunk + 12] ^= 1, damaged(chunk, "the checksum of a chunk is wrong")),
        (|bytes, chunk| bytes[chunk + 4] += 1, damaged(chunk, "a chunk is not as long as it claims")),
    ];
    for (change, expected) in cases {
        let mut bytes = whole.clone();
        change(&mut bytes, chunk);
        std::fs::write(&path, &bytes).unwrap();
        let error = match TapeReader::open(&path) {
            Err(error) => error,
            Ok(mut reader) => {
                let error = refusal(reader.next().expect("no silent end"));
                assert!(reader.next().is_none() && !reader.is_torn());
                error
            }
        };
        assert_eq!(error.to_string(), expected);
    }
}

/// What stood on a tape is the same since version 2, whose logs are not read any more.
#[test]
fn tapes_of_the_versions_before_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = tape_of(directory.path(), "older", 4);
    let mut bytes = std::fs::read(&path).unwrap();
    for (version, readable) in [(2u16, true), (3, true), (1, false)] {
        bytes[16..18].copy_from_slice(&version.to_le_bytes());
        seal_header(&mut bytes);
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(TapeReader::open(&path).is_ok_and(|tape| tape.filter(|entry| entry.is_ok()).count() == 4), readable);
    }
}

/// A directory of tapes is read in the order of their names; one that is none is told before anything is read.
#[test]
fn a_directory_of_tapes_tells_which_is_none() {
    let directory = tempfile::tempdir().unwrap();
    tape_of(directory.path(), "a", 3);
    std::fs::write(directory.path().join("notes.txt"), "not looked at").unwrap();
    tape_of(directory.path(), "c", 2);
    let entries = open_tape(TapeFormat::Crossgate, directory.path()).unwrap();
    assert_eq!(entries.filter(|entry| entry.is_ok()).count(), 5);
    let broken = directory.path().join("b.tape");
    std::fs::write(&broken, "no tape at all").unwrap();
    let refused = refusal(open_tape(TapeFormat::Crossgate, directory.path()));
    assert_eq!(refused.to_string(), format!("{} is damaged at byte 0: it is no tape of ours", broken.display()));
}

/// What is too large for a tape is left out and said; the tape goes on. An empty chunk is not written.
#[test]
fn a_tape_leaves_out_what_is_too_large_and_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = tape_of(directory.path(), "begun", 0);
    let header = TapeReader::open(&path).unwrap().header().clone();
    let mut writer = TapeWriter::create(directory.path(), TapeHeader { venue: "other".into(), ..header }).unwrap();
    let begun = std::fs::metadata(writer.path()).unwrap().len();
    writer.flush().unwrap();
    assert_eq!(std::fs::metadata(writer.path()).unwrap().len(), begun);
    let rest = FrameLink::Rest { method: "GET".into(), path_and_query: "/".repeat(40_000) };
    let wide = FrameEntry { link: rest, ..entry(2, vec![b'x'; FRAME_BYTES_MAX]) };
    let written = [entry(1, b"{}".to_vec()), entry(3, b"[]".to_vec())];
    writer.append(&written[0]).unwrap();
    let error = refusal(writer.append(&wide));
    assert!(matches!(error, TapeError::TooLarge { bytes } if bytes > FRAME_BYTES_MAX + 40_000), "{error}");
    let error = refusal(writer.append(&entry(2, vec![b'x'; FRAME_BYTES_MAX + 1])));
    assert_eq!(error.to_string(), format!("a frame of {} bytes is larger than a tape takes", FRAME_BYTES_MAX + 1));
    writer.append(&written[1]).unwrap();
    let path = writer.path().to_path_buf();
    writer.finish().unwrap();
    let found: Vec<FrameEntry> = TapeReader::open(&path).unwrap().map(Result::unwrap).collect();
    assert_eq!(found, written);
}

#[test]
fn a_tape_that_fails_at_its_first_entry_fails_the_merge_at_once() {
    let sources = vec![vec![Ok(1), Ok(2)].into_iter(), vec![Err("torn")].into_iter()];
    let mut merged = merge(sources, |entry: &i64| *entry);
    assert_eq!(merged.next(), Some(Err("torn")));
}
