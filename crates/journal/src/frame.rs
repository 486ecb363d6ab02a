//! How records stand in a file, and how a file is read back with suspicion. Pure but for the `Read` it is given.
//!
//! ```text
//! length  u32   bytes of type and body
//! type    u8
//! body
//! crc     u32   CRC-32 over type and body
//! chain   8     first bytes of SHA-256(previous chain value ‖ type ‖ body)
//! ```
//! The chain runs through a file and on into the next one (its header names the value it continues from), so an edit, a removed
//! or a reordered record is found even where every checksum is right.
//!
//! A file may end inside a record: a crash tore the last write ([`ReadEnd::TornTail`]). Anything invalid that is followed by a
//! valid record, or by more bytes than one write leaves, is damage and refused ([`LogError::Damaged`]).

use crate::codec::CodecError;
use crate::error::LogError;
use crate::record::{Header, Record, RecordView, get_record, is_record_type};
use sha2::{Digest, Sha256};
use std::io::Read;

/// Most bytes of type and body of one record.
pub const RECORD_BYTES_MAX: usize = 1 << 24;
/// Most bytes that may follow an invalid record and still count as its torn remainder.
pub const TORN_BYTES_MAX: usize = 2 * RECORD_BYTES_MAX;
/// Chain value before the first record ever.
pub const CHAIN_START: [u8; 32] = [0; 32];

const LENGTH_BYTES: usize = 4;
const CRC_BYTES: usize = 4;
const CHAIN_BYTES: usize = 8;
const READ_BYTES: usize = 1 << 16;

/// How a log ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadEnd {
    /// Behind its last record.
    Clean,
    /// Inside a record, or behind one that is invalid with nothing valid after it.
    TornTail {
        /// Length of the valid beginning.
        valid_bytes: u64,
    },
}

fn next_chain(chain: &[u8; 32], payload: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(chain).chain_update(payload).finalize().into()
}

/// Frames records and keeps the chain.
#[derive(Clone, Debug)]
pub(crate) struct Framer {
    chain: [u8; 32],
}

impl Framer {
    /// Continues `chain`.
    pub(crate) const fn new(chain: [u8; 32]) -> Framer {
        Framer { chain }
    }

    /// Value after the last record.
    pub(crate) const fn chain(&self) -> [u8; 32] {
        self.chain
    }

    /// Appends one framed record; `out` is as before when that fails.
    pub(crate) fn push(&mut self, out: &mut Vec<u8>, record: RecordView<'_>) -> Result<(), LogError> {
        let start = out.len();
        out.extend_from_slice(&[0; LENGTH_BYTES]);
        record.put(out);
        self.seal(out, start)
    }

    /// Appends a record that is encoded already (type and body).
    pub(crate) fn push_encoded(&mut self, out: &mut Vec<u8>, payload: &[u8]) -> Result<(), LogError> {
        let start = out.len();
        out.extend_from_slice(&[0; LENGTH_BYTES]);
        out.extend_from_slice(payload);
        self.seal(out, start)
    }

    fn seal(&mut self, out: &mut Vec<u8>, start: usize) -> Result<(), LogError> {
        let payload = &out[start + LENGTH_BYTES..];
        let bytes = payload.len();
        if bytes > RECORD_BYTES_MAX {
            out.truncate(start);
            return Err(LogError::TooLarge { bytes });
        }
        let crc = crc32fast::hash(payload);
        self.chain = next_chain(&self.chain, payload);
        out[start..start + LENGTH_BYTES].copy_from_slice(&(bytes as u32).to_le_bytes());
        out.extend_from_slice(&crc.to_le_bytes());
        out.extend_from_slice(&self.chain[..CHAIN_BYTES]);
        Ok(())
    }
}

/// What stands at the front of some bytes.
enum Framed {
    /// More bytes are needed to tell: this many in all.
    Needs(usize),
    /// No record.
    Invalid(&'static str),
    /// A record with a right checksum; its payload ends and its whole ends here.
    Whole { payload_end: usize, end: usize },
}

fn framed(bytes: &[u8]) -> Framed {
    let Some(length) = bytes.first_chunk::<LENGTH_BYTES>() else { return Framed::Needs(LENGTH_BYTES) };
    let length = u32::from_le_bytes(*length) as usize;
    if length == 0 || length > RECORD_BYTES_MAX {
        return Framed::Invalid("no record has this length");
    }
    if bytes.get(LENGTH_BYTES).is_some_and(|byte| !is_record_type(*byte)) {
        return Framed::Invalid("no record has this type");
    }
    let payload_end = LENGTH_BYTES + length;
    let end = payload_end + CRC_BYTES + CHAIN_BYTES;
    let (Some(payload), Some(crc)) = (bytes.get(LENGTH_BYTES..payload_end), bytes.get(payload_end..payload_end + CRC_BYTES))
    else {
        return Framed::Needs(end);
    };
    if crc32fast::hash(payload).to_le_bytes() != crc {
        return Framed::Invalid("the checksum of a record is wrong");
    }
    if bytes.len() < end { Framed::Needs(end) } else { Framed::Whole { payload_end, end } }
}

/// Reads the records of one file.
pub struct LogReader<R> {
    source: R,
    file: String,
    buffer: Vec<u8>,
    /// Start of what is not yet read in `buffer`.
    start: usize,
    /// Offset of `start` in the file.
    at: u64,
    /// The chain after the last record; before the first, what its header must continue, where that is known.
    chain: Option<[u8; 32]>,
    header_seen: bool,
    ended: bool,
    outcome: Option<ReadEnd>,
    damage: Option<(u64, String)>,
}

impl<R: Read> LogReader<R> {
    /// A reader of `source`, named `file` in errors. With `previous`, the file must continue that chain value.
    pub fn new(source: R, file: impl Into<String>, previous: Option<[u8; 32]>) -> LogReader<R> {
        LogReader {
            source,
            file: file.into(),
            buffer: Vec::new(),
            start: 0,
            at: 0,
            chain: previous,
            header_seen: false,
            ended: false,
            outcome: None,
            damage: None,
        }
    }

    /// A reader that goes on at `at`, where a record begins, behind records that gave `chain`: for tests that read one log a
    /// million times.
    #[cfg(any(test, feature = "harness"))]
    pub fn resume(source: R, file: impl Into<String>, chain: [u8; 32], at: u64) -> LogReader<R> {
        LogReader { at, header_seen: true, ..LogReader::new(source, file, Some(chain)) }
    }

    /// Where the next record begins.
    pub const fn position(&self) -> u64 {
        self.at
    }

    /// How the file ended, once [`LogReader::next_record`] said `None`.
    pub const fn outcome(&self) -> Option<ReadEnd> {
        self.outcome
    }

    /// The chain value after the last record read, or what was given at the start.
    pub const fn chain(&self) -> Option<[u8; 32]> {
        self.chain
    }

    /// Whether an [`Record::End`] was read.
    pub const fn ended(&self) -> bool {
        self.ended
    }

    /// The name given.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The next record, or `None` at the end, clean or torn.
    ///
    /// # Errors
    /// [`LogError::Damaged`] when the rest cannot be trusted, [`LogError::OtherVersion`] for a log of another version of the format (both
    /// again on every later call); [`LogError::Io`] when reading fails.
    pub fn next_record(&mut self) -> Result<Option<Record>, LogError> {
        if let Some((at, why)) = &self.damage {
            return Err(LogError::damaged(&self.file, *at, why.clone()));
        }
        if self.outcome.is_some() {
            return Ok(None);
        }
        loop {
            match framed(&self.buffer[self.start..]) {
                Framed::Needs(count) => {
                    if self.fill(count)? {
                        continue;
                    }
                    if self.buffer.len() == self.start {
                        self.outcome = Some(ReadEnd::Clean);
                        return Ok(None);
                    }
                    return self.tail_or_damage("the file ends inside a record");
                }
                Framed::Invalid(why) => return self.tail_or_damage(why),
                Framed::Whole { payload_end, end } => return self.accept(payload_end, end),
            }
        }
    }

    /// Takes a record whose checksum is right: checks the chain and the place of the record in the file.
    fn accept(&mut self, payload_end: usize, end: usize) -> Result<Option<Record>, LogError> {
        let bytes = &self.buffer[self.start..self.start + end];
        let payload = &bytes[LENGTH_BYTES..payload_end];
        let decoded = get_record(payload);
        let before = match (&decoded, self.header_seen) {
            (Ok(Record::Header(header)), false) => match self.chain {
                Some(chain) if chain != header.previous => {
                    return self.damaged("it does not continue the file before it: a file is missing or was exchanged");
                }
                _ => header.previous,
            },
            (_, true) => self.chain.unwrap_or(CHAIN_START),
            (Ok(_), false) => return self.damaged("the first record is no header"),
            (Err(CodecError::Version { found }), false) => {
                return Err(LogError::OtherVersion { file: self.file.clone(), found: *found });
            }
            (Err(error), false) => {
                let why = format!("the header cannot be read: {error}");
                return self.damaged(&why);
            }
        };
        let chain = next_chain(&before, payload);
        let stored = &bytes[payload_end + CRC_BYTES..end];
        if stored != &chain[..CHAIN_BYTES] {
            // A lost page leaves zeros where the chain should go on; anything else is no tear, since the checksum before it is right.
            let torn = (0..CHAIN_BYTES).any(|kept| stored[..kept] == chain[..kept] && stored[kept..].iter().all(|b| *b == 0));
            let why = "a record does not follow from the ones before it: one was changed, removed or moved";
            return if torn { self.tail_or_damage(why) } else { self.damaged(why) };
        }
        if self.ended {
            return self.damaged("records follow the end of the log");
        }
        let record = match decoded {
            Ok(Record::Header(_)) if self.header_seen => return self.damaged("a second header stands inside the file"),
            Ok(record) => record,
            Err(error) => {
                let why = format!("a record cannot be decoded: {error}");
                return self.damaged(&why);
            }
        };
        self.header_seen = true;
        self.ended = matches!(record, Record::End { .. });
        self.chain = Some(chain);
        self.start += end;
        self.at += end as u64;
        Ok(Some(record))
    }

    /// Makes `count` bytes available from `start`; false when the file ends before.
    fn fill(&mut self, count: usize) -> Result<bool, LogError> {
        self.buffer.drain(..self.start);
        self.start = 0;
        // Reading in pieces that exist: a lying length reserves nothing.
        let wanted = count.max(READ_BYTES).saturating_sub(self.buffer.len());
        (&mut self.source).take(wanted as u64).read_to_end(&mut self.buffer).map_err(LogError::io("read", self.file.as_ref()))?;
        Ok(self.buffer.len() >= count)
    }

    /// An invalid record at `at`: torn if nothing valid follows.
    fn tail_or_damage(&mut self, why: &str) -> Result<Option<Record>, LogError> {
        self.fill(TORN_BYTES_MAX + 1)?;
        if self.buffer.len() > TORN_BYTES_MAX {
            let why = format!("{why}, and more follows than a torn write leaves");
            return self.damaged(&why);
        }
        for from in 1..self.buffer.len() {
            if matches!(framed(&self.buffer[from..]), Framed::Whole { .. }) {
                let why = format!("{why}, and a valid record follows at byte {}", self.at + from as u64);
                return self.damaged(&why);
            }
        }
        self.outcome = Some(ReadEnd::TornTail { valid_bytes: self.at });
        Ok(None)
    }

    fn damaged(&mut self, why: &str) -> Result<Option<Record>, LogError> {
        self.damage = Some((self.at, why.into()));
        Err(LogError::damaged(&self.file, self.at, why))
    }

    /// The header, which must be the first record; `None` when the file holds no whole record.
    ///
    /// # Errors
    /// As [`LogReader::next_record`].
    pub fn read_header(&mut self) -> Result<Option<Header>, LogError> {
        match self.next_record()? {
            Some(Record::Header(header)) => Ok(Some(header)),
            Some(_) => self.damaged("the first record is no header").map(|_| None),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{header, records};
    use proptest::prelude::*;

    /// A log of at least `bytes` bytes, the records in it, and where each ends.
    fn log(bytes: usize) -> (Vec<u8>, Vec<Record>, Vec<usize>) {
        let mut framer = Framer::new(CHAIN_START);
        let (mut out, mut ends) = (Vec::new(), Vec::new());
        let mut all = vec![Record::Header(header(1, CHAIN_START))];
        all.extend(records(bytes as u64));
        let mut written = Vec::new();
        for record in all {
            if out.len() >= bytes {
                break;
            }
            framer.push(&mut out, record.view()).unwrap();
            ends.push(out.len());
            written.push(record);
        }
        (out, written, ends)
    }

    /// Reads everything, asserting that no record is wrong; how many there were and how it ended.
    fn read(bytes: &[u8], expected: &[Record], context: usize) -> (usize, Result<ReadEnd, LogError>) {
        let mut reader = LogReader::new(bytes, "log", Some(CHAIN_START));
        let mut count = 0;
        loop {
            match reader.next_record() {
                Ok(Some(record)) => {
                    assert_eq!(Some(&record), expected.get(count), "a wrong record, case {context}");
                    count += 1;
                }
                Ok(None) => return (count, Ok(reader.outcome().unwrap())),
                Err(error) => {
                    assert!(reader.next_record().is_err(), "damage stays damage");
                    return (count, Err(error));
                }
            }
        }
    }

    #[test]
    fn every_truncation_recovers_exactly_the_whole_records() {
        // A real log, and many more of its bytes: crates/node/tests/state/sweep.rs.
        let (bytes, written, ends) = log(8 << 10);
        assert_eq!(read(&bytes, &written, 0).0, written.len());
        for cut in 0..bytes.len() {
            let whole = ends.partition_point(|end| *end <= cut);
            let valid_bytes = if whole == 0 { 0 } else { ends[whole - 1] as u64 };
            let expected = if valid_bytes == cut as u64 { ReadEnd::Clean } else { ReadEnd::TornTail { valid_bytes } };
            let (count, end) = read(&bytes[..cut], &written, cut);
            assert_eq!((count, end.unwrap()), (whole, expected), "cut at {cut}");
        }
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let (bytes, written, ends) = log(8 << 10);
        let last_start = ends[ends.len() - 2];
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            match read(&changed, &written, bit) {
                (_, Err(LogError::Damaged { .. })) => {}
                (count, Ok(ReadEnd::TornTail { valid_bytes })) => {
                    assert!(bit / 8 >= last_start, "bit {bit} passes as a torn tail");
                    assert_eq!((count, valid_bytes), (written.len() - 1, last_start as u64));
                }
                other => panic!("bit {bit} was not found: {other:?}"),
            }
        }
    }

    #[test]
    fn lost_sectors_give_the_prefix_or_a_refusal() {
        let (bytes, written, ends) = log(16 << 10);
        let last_start = ends[ends.len() - 2];
        for sector in (0..bytes.len()).step_by(512) {
            for to in [(sector + 512).min(bytes.len()), (sector + 4096).min(bytes.len()), bytes.len()] {
                let mut changed = bytes.clone();
                changed[sector..to].fill(0);
                match read(&changed, &written, sector) {
                    (_, Err(LogError::Damaged { .. })) => assert!(to < bytes.len(), "zeros up to the end are a torn tail"),
                    (count, Ok(ReadEnd::TornTail { .. })) => {
                        assert!(to > last_start, "a whole record follows the lost sector at {sector}");
                        assert_eq!(count, ends.partition_point(|end| *end <= sector));
                    }
                    other => panic!("sector {sector}: {other:?}"),
                }
            }
        }
    }

    #[test]
    fn removed_swapped_and_repeated_records_are_found() {
        let (bytes, written, ends) = log(8 << 10);
        let refused = |changed: &[u8], what: &str| {
            let (_, end) = read(changed, &written, 0);
            assert!(matches!(end, Err(LogError::Damaged { .. })), "{what}: {end:?}");
        };
        for n in 1..ends.len() {
            let (start, end) = (ends[n - 1], ends[n]);
            let repeated = [&bytes[..end], &bytes[start..]].concat();
            refused(&repeated, "repeated");
            let Some(next_end) = ends.get(n + 1) else { continue };
            refused(&[&bytes[..start], &bytes[end..]].concat(), "removed");
            refused(&[&bytes[..start], &bytes[end..*next_end], &bytes[start..end], &bytes[*next_end..]].concat(), "swapped");
        }
        refused(&bytes[ends[0]..], "without a header");
    }

    #[test]
    fn an_edit_with_a_right_checksum_is_found() {
        let (bytes, written, ends) = log(8 << 10);
        for n in 1..ends.len() {
            let (start, end) = (ends[n - 1], ends[n]);
            let mut changed = bytes.clone();
            let (payload_start, payload_end) = (start + LENGTH_BYTES, end - CRC_BYTES - CHAIN_BYTES);
            changed[payload_start + 1] ^= 1;
            let crc = crc32fast::hash(&changed[payload_start..payload_end]).to_le_bytes();
            changed[payload_end..payload_end + CRC_BYTES].copy_from_slice(&crc);
            let (count, end) = read(&changed, &written, n);
            assert_eq!(count, n);
            assert!(matches!(end, Err(LogError::Damaged { .. })), "record {n}: {end:?}");
        }
    }

    #[test]
    fn nothing_follows_the_end_and_no_second_header() {
        let mut framer = Framer::new(CHAIN_START);
        let mut out = Vec::new();
        let first = Record::Header(header(1, CHAIN_START));
        framer.push(&mut out, first.view()).unwrap();
        let mut twice = (framer.clone(), out.clone());
        twice.0.push(&mut twice.1, first.view()).unwrap();
        assert!(matches!(read(&twice.1, std::slice::from_ref(&first), 0), (1, Err(LogError::Damaged { .. }))));
        let end = Record::End { seq: 0, clean: true };
        framer.push(&mut out, end.view()).unwrap();
        assert!(matches!(read(&out, &[first.clone(), end.clone()], 0), (2, Ok(ReadEnd::Clean))));
        framer.push(&mut out, records(1)[0].view()).unwrap();
        assert!(matches!(read(&out, &[first, end], 0), (2, Err(LogError::Damaged { .. }))));
    }

    #[test]
    fn more_than_a_torn_write_is_damage() {
        let (mut bytes, written, _) = log(1 << 10);
        bytes.extend(vec![0xa5; TORN_BYTES_MAX + 1]);
        let (count, end) = read(&bytes, &written, 0);
        assert_eq!(count, written.len());
        assert!(matches!(end, Err(LogError::Damaged { .. })));
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(keep in 0usize..4096, tail in proptest::collection::vec(any::<u8>(), 0..600)) {
            let (bytes, written, _) = log(4 << 10);
            let changed = [&bytes[..keep], &tail].concat();
            // `read` asserts that whatever comes out is a beginning of what was written.
            let (count, _) = read(&changed, &written, keep);
            prop_assert!(count <= written.len());
        }
    }
}
