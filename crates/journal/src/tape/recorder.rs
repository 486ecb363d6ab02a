//! Our own tape format: one file per venue, in chunks of compressed entries, so that a crash loses at most the last chunk.
//!
//! ```text
//! magic   8     "XGTAPE1\n"
//! header        length u32, CRC-32 u32, bytes
//! chunk         length u32, unpacked length u32, CRC-32 u32 of the packed bytes, one zstd frame of entries
//! entry         length u32, bytes
//! ```
//! A file that ends inside its last chunk is read up to there and says so ([`TapeReader::is_torn`]); anything else that is wrong
//! is damage. The length of a chunk has no checksum of its own: one that no packing of its content can have is damage too, so that
//! a flipped bit does not pass for the end of a file. Tapes hold public streams and whatever else the caller records: it must leave out what identifies (login
//! frames, signed headers); paths of requests carry no secret on venues that sign in headers.

use super::{TapeError, TapeKind};
use crate::codec::CodecError;
use crate::codec::wire::{Reader, Wire, wire_enum, wire_struct};
use domain::{LinkRole, MonoNanos, Tables, UnixNanos};
use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};

const MAGIC: [u8; 8] = *b"XGTAPE1\n";
/// Largest frame that a tape takes, in bytes.
pub const FRAME_BYTES_MAX: usize = 16 << 20;
/// Unpacked bytes after which a chunk is closed.
pub const CHUNK_BYTES: usize = 1 << 20;
/// A file that would grow past this many bytes is closed and the next one begun.
pub const FILE_BYTES: u64 = 256 << 20;
/// No chunk unpacks to more.
const UNPACKED_BYTES_MAX: usize = CHUNK_BYTES + FRAME_BYTES_MAX + (1 << 16);
/// Version of what stands on a tape, its header's [`Tables`] included; 4 added [`FrameLink::Closed`]. It was that of the logs before.
pub const TAPE_VERSION: u16 = 4;
/// The oldest version whose tapes are read: what they hold has not changed since.
pub const TAPE_VERSION_OLDEST: u16 = 2;
const ZSTD_LEVEL: i32 = 3;

/// What a tape was recorded from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapeHeader {
    /// Venue id as configured.
    pub venue: String,
    /// Venue kind (`gate`).
    pub kind: String,
    /// Class of the endpoints: `live`, `testnet`, `loopback`.
    pub host_class: String,
    /// Names behind ids, where rules were known.
    pub tables: Option<Tables>,
    /// Version of the program.
    pub build: String,
    /// When it was begun.
    pub started: UnixNanos,
}
wire_struct!(TapeHeader { venue, kind, host_class, tables, build, started });

/// From the venue or to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Received.
    In,
    /// Sent.
    Out,
}
wire_enum!(Direction { 0 => In {}, 1 => Out {} });

/// Which link of a venue session.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FrameLink {
    /// A WebSocket link opened; no bytes.
    Opened {
        /// What it is for.
        role: LinkRole,
        /// Which of several of that role.
        shard: u16,
    },
    /// A frame of a WebSocket link.
    Ws {
        /// What it is for.
        role: LinkRole,
        /// Which of several of that role.
        shard: u16,
    },
    /// A REST request (out) or its answer (in).
    Rest {
        /// `GET`, `POST`, …
        method: String,
        /// Path and query, without secrets.
        path_and_query: String,
    },
    /// A WebSocket link is gone, or did not come up; its bytes say why, by the `reason` label of `reconnects_total`.
    Closed {
        /// What it was for.
        role: LinkRole,
        /// Which of several of that role.
        shard: u16,
    },
}
wire_enum!(FrameLink {
    0 => Opened { role: role, shard: shard },
    1 => Ws { role: role, shard: shard },
    2 => Rest { method: method, path_and_query: path_and_query },
    3 => Closed { role: role, shard: shard },
});

/// One entry of our own tape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameEntry {
    /// When, on the recorder's monotonic clock.
    pub received: MonoNanos,
    /// When, on its wall clock, which may step: only the first of a recording is used ([`super::Recording`]).
    pub received_unix: UnixNanos,
    /// Which way.
    pub direction: Direction,
    /// On which link.
    pub link: FrameLink,
    /// As on the wire; of a link that is gone, why.
    pub bytes: Vec<u8>,
}

impl Wire for FrameEntry {
    fn put(&self, out: &mut Vec<u8>) {
        let FrameEntry { received, received_unix, direction, link, bytes } = self;
        received.put(out);
        received_unix.put(out);
        direction.put(out);
        link.put(out);
        // The rest of the entry: its length is that of the entry.
        out.extend_from_slice(bytes);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (received, received_unix, direction, link) =
            (Wire::get(reader)?, Wire::get(reader)?, Wire::get(reader)?, Wire::get(reader)?);
        let bytes = reader.take(reader.left())?.to_vec();
        Ok(FrameEntry { received, received_unix, direction, link, bytes })
    }
}

impl FrameEntry {
    /// What it is among the entries of any tape, and its bytes.
    pub(super) fn into_kind(self) -> (TapeKind, Vec<u8>) {
        let kind = match (self.direction, self.link) {
            (_, FrameLink::Opened { role, shard }) => TapeKind::Connected { url: format!("{role}/{shard}") },
            (_, FrameLink::Closed { role, shard }) => {
                let reason = String::from_utf8_lossy(&self.bytes).into_owned();
                return (TapeKind::Disconnected { url: format!("{role}/{shard}"), reason }, Vec::new());
            }
            (Direction::Out, _) => TapeKind::Sent,
            (Direction::In, FrameLink::Ws { role, shard }) => TapeKind::Ws { url: Some(format!("{role}/{shard}")) },
            (Direction::In, FrameLink::Rest { path_and_query, .. }) => TapeKind::Rest { path_and_query },
        };
        (kind, self.bytes)
    }
}

/// Writer of one venue's tape: `DIR/<venue>-<started, Unix seconds>-<number>.tape`.
pub struct TapeWriter {
    directory: PathBuf,
    header: TapeHeader,
    /// Every file so far, the one written now last.
    files: Vec<PathBuf>,
    file: File,
    file_bytes: u64,
    file_bytes_max: u64,
    chunk: Vec<u8>,
    failure: bool,
}

impl TapeWriter {
    /// Starts a tape in `directory`, which is created if needed.
    ///
    /// # Errors
    /// [`TapeError::Io`], also when the file exists.
    pub fn create(directory: &Path, header: TapeHeader) -> Result<TapeWriter, TapeError> {
        fs::create_dir_all(directory).map_err(TapeError::io("create", directory))?;
        let (path, file, file_bytes) = open_new(directory, &header, 0)?;
        let chunk = Vec::with_capacity(CHUNK_BYTES + (64 << 10));
        let (directory, files) = (directory.into(), vec![path]);
        Ok(TapeWriter { directory, header, files, file, file_bytes, file_bytes_max: FILE_BYTES, chunk, failure: false })
    }

    /// Closes each file once it holds this many bytes, instead of [`FILE_BYTES`].
    pub fn with_file_bytes(self, file_bytes_max: u64) -> TapeWriter {
        TapeWriter { file_bytes_max, ..self }
    }

    /// The file written now.
    pub fn path(&self) -> &Path {
        self.files.last().unwrap_or(&self.directory)
    }

    /// Every file of the recording so far, in their order.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Adds an entry; writes the chunk when it is full.
    ///
    /// # Errors
    /// [`TapeError::TooLarge`] for a frame over [`FRAME_BYTES_MAX`], which is left out; [`TapeError::Io`] when writing fails, and
    /// on every later call.
    pub fn append(&mut self, entry: &FrameEntry) -> Result<(), TapeError> {
        if entry.bytes.len() > FRAME_BYTES_MAX {
            return Err(TapeError::TooLarge { bytes: entry.bytes.len() });
        }
        let start = self.chunk.len();
        self.chunk.extend_from_slice(&[0; 4]);
        entry.put(&mut self.chunk);
        let bytes = self.chunk.len() - start - 4;
        if bytes > FRAME_BYTES_MAX + (1 << 15) {
            self.chunk.truncate(start);
            return Err(TapeError::TooLarge { bytes });
        }
        self.chunk[start..start + 4].copy_from_slice(&(bytes as u32).to_le_bytes());
        if self.chunk.len() >= CHUNK_BYTES { self.flush() } else { Ok(()) }
    }

    /// Closes and writes the chunk. Call it every second or so: what is not flushed is lost in a crash.
    ///
    /// # Errors
    /// [`TapeError::Io`].
    pub fn flush(&mut self) -> Result<(), TapeError> {
        if self.failure {
            return Err(TapeError::io("write", self.path())(std::io::Error::other("an earlier write failed")));
        }
        if self.chunk.is_empty() {
            return Ok(());
        }
        let written = self.write_chunk();
        self.failure = written.is_err();
        written
    }

    /// Writes what is left and syncs.
    ///
    /// # Errors
    /// [`TapeError::Io`].
    pub fn finish(mut self) -> Result<(), TapeError> {
        self.flush()?;
        self.file.sync_all().map_err(TapeError::io("sync", self.path()))
    }

    fn write_chunk(&mut self) -> Result<(), TapeError> {
        if self.file_bytes >= self.file_bytes_max {
            self.file.sync_all().map_err(TapeError::io("sync", self.path()))?;
            let (path, file, file_bytes) = open_new(&self.directory, &self.header, self.files.len())?;
            self.files.push(path);
            (self.file, self.file_bytes) = (file, file_bytes);
        }
        let packed = zstd::bulk::compress(&self.chunk, ZSTD_LEVEL).map_err(TapeError::io("compress a chunk of", self.path()))?;
        let mut framed = Vec::with_capacity(packed.len() + 12);
        (packed.len() as u32).put(&mut framed);
        (self.chunk.len() as u32).put(&mut framed);
        crc32fast::hash(&packed).put(&mut framed);
        framed.extend_from_slice(&packed);
        self.file.write_all(&framed).map_err(TapeError::io("write", self.path()))?;
        self.file_bytes += framed.len() as u64;
        self.chunk.clear();
        Ok(())
    }
}

fn open_new(directory: &Path, header: &TapeHeader, number: usize) -> Result<(PathBuf, File, u64), TapeError> {
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let venue: String = header.venue.chars().map(safe).collect();
    let path = directory.join(format!("{venue}-{}-{number:04}.tape", header.started.seconds()));
    let mut file = OpenOptions::new().append(true).create_new(true).open(&path).map_err(TapeError::io("create", &path))?;
    let mut body = Vec::new();
    TAPE_VERSION.put(&mut body);
    header.put(&mut body);
    let mut framed = MAGIC.to_vec();
    (body.len() as u32).put(&mut framed);
    crc32fast::hash(&body).put(&mut framed);
    framed.extend_from_slice(&body);
    if let Err(error) = file.write_all(&framed) {
        // A file that ends in its header is no tape, and would keep its directory from being read.
        let _ = fs::remove_file(&path);
        return Err(TapeError::io("write", &path)(error));
    }
    Ok((path, file, framed.len() as u64))
}

/// The tapes in a directory, by name: one venue's files in their order.
///
/// # Errors
/// [`TapeError::Io`].
pub fn tape_files(directory: &Path) -> Result<Vec<PathBuf>, TapeError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(TapeError::io("list", directory))? {
        let path = entry.map_err(TapeError::io("list", directory))?.path();
        if path.extension().is_some_and(|extension| extension == "tape") {
            files.push(path);
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// Entries of one tape file, in the order they were recorded.
pub struct TapeReader {
    path: PathBuf,
    source: BufReader<File>,
    header: TapeHeader,
    at: u64,
    entries: VecDeque<FrameEntry>,
    torn: bool,
    done: bool,
}

impl TapeReader {
    /// Opens a tape and reads its header.
    ///
    /// # Errors
    /// [`TapeError::Io`], [`TapeError::Damaged`] when it is no tape, [`TapeError::Version`] when it is of a version that is not read,
    /// [`TapeError::Codec`] when its header can't be decoded.
    pub fn open(path: &Path) -> Result<TapeReader, TapeError> {
        let file = File::open(path).map_err(TapeError::io("open", path))?;
        let mut source = BufReader::with_capacity(1 << 16, file);
        let damaged = |why| TapeError::Damaged { path: path.into(), at: 0, why };
        let head = read_up_to(&mut source, 16, path)?;
        let mut reader = Reader::new(&head);
        if reader.array::<8>() != Ok(MAGIC) {
            return Err(damaged("it is no tape of ours"));
        }
        let (Ok(length), Ok(crc)) = (u32::get(&mut reader), u32::get(&mut reader)) else {
            return Err(damaged("it ends in its header"));
        };
        let body = read_up_to(&mut source, length as usize, path)?;
        if body.len() < length as usize || crc32fast::hash(&body) != crc {
            return Err(damaged("the checksum of its header is wrong"));
        }
        let codec = |source: CodecError| TapeError::Codec { path: path.into(), source };
        let mut reader = Reader::new(&body);
        match u16::get(&mut reader).map_err(codec)? {
            TAPE_VERSION_OLDEST..=TAPE_VERSION => {}
            found => return Err(TapeError::Version { path: path.into(), found }),
        }
        let header = TapeHeader::get(&mut reader).map_err(codec)?;
        reader.finish().map_err(codec)?;
        let at = 16 + u64::from(length);
        Ok(TapeReader { path: path.into(), source, header, at, entries: VecDeque::new(), torn: false, done: false })
    }

    /// What it was recorded from.
    pub const fn header(&self) -> &TapeHeader {
        &self.header
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file ended inside its last chunk; known once the iterator has ended.
    pub const fn is_torn(&self) -> bool {
        self.torn
    }

    /// Reads the next chunk; false at the end.
    fn read_chunk(&mut self) -> Result<bool, TapeError> {
        let head = read_up_to(&mut self.source, 12, &self.path)?;
        if head.is_empty() {
            return Ok(false);
        }
        let mut reader = Reader::new(&head);
        let (Ok(length), Ok(unpacked), Ok(crc)) = (u32::get(&mut reader), u32::get(&mut reader), u32::get(&mut reader)) else {
            self.torn = true;
            return Ok(false);
        };
        // What no chunk can be is damage, wherever the file ends: a length alone would turn into a tear.
        if unpacked as usize > UNPACKED_BYTES_MAX || length as usize > zstd::zstd_safe::compress_bound(unpacked as usize) {
            return Err(self.damaged("a chunk claims to be larger than any is"));
        }
        let packed = read_up_to(&mut self.source, length as usize, &self.path)?;
        if packed.len() < length as usize {
            self.torn = true;
            return Ok(false);
        }
        if crc32fast::hash(&packed) != crc {
            return Err(self.damaged("the checksum of a chunk is wrong"));
        }
        let chunk = zstd::bulk::decompress(&packed, unpacked as usize).map_err(TapeError::io("decompress", &self.path))?;
        if chunk.len() != unpacked as usize {
            return Err(self.damaged("a chunk is not as long as it claims"));
        }
        let codec = |source| TapeError::Codec { path: self.path.clone(), source };
        let mut reader = Reader::new(&chunk);
        while reader.left() > 0 {
            let length = u32::get(&mut reader).map_err(codec)? as usize;
            let bytes = reader.take(length).map_err(codec)?;
            self.entries.push_back(FrameEntry::get(&mut Reader::new(bytes)).map_err(codec)?);
        }
        self.at += 12 + u64::from(length);
        Ok(true)
    }

    /// It is damaged where it is read now.
    pub(super) fn damaged(&self, why: &'static str) -> TapeError {
        TapeError::Damaged { path: self.path.clone(), at: self.at, why }
    }
}

impl Iterator for TapeReader {
    type Item = Result<FrameEntry, TapeError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.entries.pop_front() {
                return Some(Ok(entry));
            }
            if self.done {
                return None;
            }
            match self.read_chunk() {
                Ok(more) => self.done = !more,
                Err(error) => {
                    self.done = true;
                    self.entries.clear();
                    return Some(Err(error));
                }
            }
        }
    }
}

/// Up to `count` bytes: fewer only at the end of the file. Grows with what is there, not with what is claimed.
fn read_up_to(source: &mut impl Read, count: usize, path: &Path) -> Result<Vec<u8>, TapeError> {
    let mut bytes = Vec::new();
    source.take(count as u64).read_to_end(&mut bytes).map_err(TapeError::io("read", path))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategies::some_tables;
    use crate::tape::{TapeFormat, read_tape};

    fn header() -> TapeHeader {
        TapeHeader {
            venue: "gate-a".into(),
            kind: "gate".into(),
            host_class: "loopback".into(),
            tables: Some(some_tables()),
            build: "test".into(),
            started: UnixNanos(1_700_000_000_000_000_000),
        }
    }

    fn entries(count: u64) -> Vec<FrameEntry> {
        let role = LinkRole::Public;
        let link = |n: u64| match n % 4 {
            0 if n % 8 == 4 => FrameLink::Closed { role, shard: 0 },
            0 => FrameLink::Opened { role, shard: 0 },
            3 => FrameLink::Rest { method: "GET".into(), path_and_query: format!("/api/v4/spot/time?n={n}") },
            _ => FrameLink::Ws { role, shard: n as u16 },
        };
        let entry = |n: u64| FrameEntry {
            received: MonoNanos(n),
            received_unix: UnixNanos(1_700_000_000_000_000_000 + n as i64),
            direction: if n % 4 == 1 { Direction::Out } else { Direction::In },
            link: link(n),
            bytes: format!("{{\"n\":{n}}}").into_bytes(),
        };
        (0..count).map(entry).collect()
    }

    #[test]
    fn a_tape_reads_back() {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = TapeWriter::create(directory.path(), header()).unwrap();
        let mut all = entries(100);
        all.push(FrameEntry { bytes: vec![b'x'; CHUNK_BYTES + 5], ..all[3].clone() });
        all.extend(entries(5));
        for (n, entry) in all.iter().enumerate() {
            writer.append(entry).unwrap();
            if n % 30 == 0 {
                writer.flush().unwrap();
            }
        }
        let huge = FrameEntry { bytes: vec![0; FRAME_BYTES_MAX + 1], ..all[0].clone() };
        assert!(matches!(writer.append(&huge), Err(TapeError::TooLarge { .. })));
        let path = writer.path().to_path_buf();
        writer.finish().unwrap();
        let mut reader = TapeReader::open(&path).unwrap();
        assert_eq!(reader.header(), &header());
        let found: Vec<_> = (&mut reader).map(Result::unwrap).collect();
        assert_eq!(found, all);
        assert!(!reader.is_torn());
        let common = read_tape(TapeFormat::Crossgate, directory.path()).unwrap();
        assert_eq!(common.len(), all.len());
        assert_eq!(common[0].kind, TapeKind::Connected { url: "public/0".into() });
        assert_eq!(common[1].kind, TapeKind::Sent);
        assert_eq!(common[2].kind, TapeKind::Ws { url: Some("public/2".into()) });
        assert_eq!(common[3].kind, TapeKind::Rest { path_and_query: "/api/v4/spot/time?n=3".into() });
        assert_eq!(common[4].kind, TapeKind::Disconnected { url: "public/0".into(), reason: "{\"n\":4}".into() });
        assert!(TapeWriter::create(directory.path(), header()).is_err(), "a tape is never overwritten");
    }

    #[test]
    fn every_cut_loses_at_most_the_last_chunk_and_every_flip_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = TapeWriter::create(directory.path(), header()).unwrap();
        let all = entries(12);
        let mut ends = vec![(fs::metadata(writer.path()).unwrap().len() as usize, 0)];
        for (n, entry) in all.iter().enumerate() {
            writer.append(entry).unwrap();
            if n % 4 == 3 {
                writer.flush().unwrap();
                ends.push((fs::metadata(writer.path()).unwrap().len() as usize, n + 1));
            }
        }
        let bytes = fs::read(writer.path()).unwrap();
        let path = directory.path().join("changed.tape");
        for cut in 0..bytes.len() {
            fs::write(&path, &bytes[..cut]).unwrap();
            let Ok(mut reader) = TapeReader::open(&path) else {
                assert!(cut < ends[0].0);
                continue;
            };
            let found: Vec<_> = (&mut reader).map(Result::unwrap).collect();
            let (end, expected) = ends.iter().rev().find(|(end, _)| *end <= cut).unwrap();
            assert_eq!(found, all[..*expected], "cut at {cut}");
            assert_eq!(reader.is_torn(), cut != *end);
        }
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &changed).unwrap();
            let Ok(mut reader) = TapeReader::open(&path) else { continue };
            let found: Result<Vec<_>, _> = (&mut reader).collect();
            match found {
                Err(_) => {}
                // A length that grew past the end looks like a tear.
                Ok(found) => assert!(reader.is_torn() && found == all[..found.len()], "bit {bit}"),
            }
        }
    }

    #[test]
    fn a_flipped_length_is_no_end_of_a_tape() {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = TapeWriter::create(directory.path(), header()).unwrap();
        let begun = fs::metadata(writer.path()).unwrap().len() as usize;
        // Past what a first chunk that claims any length up to its bound would swallow, were it believed.
        for entry in &entries(40) {
            writer.append(entry).unwrap();
            writer.flush().unwrap();
        }
        let bytes = fs::read(writer.path()).unwrap();
        let path = directory.path().join("changed.tape");
        for bit in 0..32 {
            let mut changed = bytes.clone();
            changed[begun + bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &changed).unwrap();
            let mut reader = TapeReader::open(&path).unwrap();
            let found: Vec<_> = (&mut reader).collect();
            assert!(matches!(found[..], [Err(_)]) && !reader.is_torn(), "bit {bit}");
        }
    }

    #[test]
    fn every_file_of_a_recording_is_named_and_a_failed_write_is_told_each_time() {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = TapeWriter::create(directory.path(), header()).unwrap().with_file_bytes(1);
        for entry in &entries(3) {
            writer.append(entry).unwrap();
            writer.flush().unwrap();
        }
        assert_eq!(writer.files().len(), 4, "the first one was full with its header");
        assert_eq!(writer.files(), tape_files(directory.path()).unwrap());
        assert_eq!(writer.path(), writer.files()[3]);
        writer.file = File::open(writer.path()).unwrap();
        writer.file_bytes_max = FILE_BYTES;
        writer.append(&entries(1)[0]).unwrap();
        assert!(writer.flush().is_err() && writer.flush().is_err() && writer.finish().is_err());
    }
}
