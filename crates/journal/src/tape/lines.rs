//! Lines of a text file that may be compressed with zstd or gzip; its first bytes tell, not its name.

use super::{LineError, TapeError};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Longest line of a text tape, in bytes: an exchange's full instrument listing is about 2 MB.
pub const LINE_BYTES_MAX: usize = 32 << 20;

const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Lines of a file, counted from 1, without their ends.
pub struct Lines {
    path: PathBuf,
    source: Box<dyn BufRead + Send>,
    number: u64,
    line: Vec<u8>,
}

impl Lines {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// [`TapeError::Io`].
    pub fn open(path: &Path) -> Result<Lines, TapeError> {
        let file = File::open(path).map_err(TapeError::io("open", path))?;
        Ok(Lines { path: path.into(), source: decompressed(path, file)?, number: 0, line: Vec::new() })
    }

    /// The next line and its number; `None` at the end.
    ///
    /// # Errors
    /// [`TapeError::Io`] (a cut compressed file among them), or [`LineError::TooLong`].
    pub fn next_line(&mut self) -> Result<Option<(u64, &[u8])>, TapeError> {
        self.line.clear();
        self.number += 1;
        let mut bounded = (&mut self.source).take(LINE_BYTES_MAX as u64 + 2);
        let count = bounded.read_until(b'\n', &mut self.line).map_err(TapeError::io("read", &self.path))?;
        if count == 0 {
            return Ok(None);
        }
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        }
        // Also where a file was cut between the two bytes of a line's end.
        if self.line.last() == Some(&b'\r') {
            self.line.pop();
        }
        if self.line.len() > LINE_BYTES_MAX {
            return Err(self.error(self.number, LineError::TooLong));
        }
        Ok(Some((self.number, &self.line)))
    }

    /// An error at a line of this file.
    pub fn error(&self, line: u64, why: LineError) -> TapeError {
        TapeError::Line { path: self.path.clone(), line, why }
    }
}

fn decompressed(path: &Path, file: File) -> Result<Box<dyn BufRead + Send>, TapeError> {
    let mut source = BufReader::with_capacity(1 << 16, file);
    let head = source.fill_buf().map_err(TapeError::io("read", path))?;
    if head.starts_with(&ZSTD_MAGIC) {
        let decoder = zstd::stream::read::Decoder::with_buffer(source).map_err(TapeError::io("decompress", path))?;
        return Ok(Box::new(BufReader::with_capacity(1 << 16, decoder)));
    }
    if head.starts_with(&GZIP_MAGIC) {
        return Ok(Box::new(BufReader::with_capacity(1 << 16, flate2::bufread::MultiGzDecoder::new(source))));
    }
    Ok(Box::new(source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn all(path: &Path) -> Result<Vec<(u64, String)>, TapeError> {
        let mut lines = Lines::open(path)?;
        let mut found = Vec::new();
        while let Some((number, line)) = lines.next_line()? {
            found.push((number, String::from_utf8(line.to_vec()).unwrap()));
        }
        Ok(found)
    }

    #[test]
    fn every_compression_reads_alike() {
        let directory = tempfile::tempdir().unwrap();
        let text = b"first\r\n\nthird without end";
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(text).unwrap();
        let gzip = gzip.finish().unwrap();
        let zstd = zstd::bulk::compress(text, 3).unwrap();
        for (name, bytes) in [("plain", &text[..]), ("a.gz", &gzip), ("b.zst", &zstd)] {
            let path = directory.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            let expected = [(1, "first".into()), (2, String::new()), (3, "third without end".into())];
            assert_eq!(all(&path).unwrap(), expected, "{name}");
        }
        let cut = directory.path().join("cut.zst");
        std::fs::write(&cut, &zstd[..zstd.len() - 4]).unwrap();
        assert!(matches!(all(&cut), Err(TapeError::Io { .. })));
        let torn = directory.path().join("torn");
        std::fs::write(&torn, b"first\r\nlast\r").unwrap();
        assert_eq!(all(&torn).unwrap(), [(1, "first".into()), (2, "last".into())], "cut inside its last line's end");
        let empty = directory.path().join("empty");
        std::fs::write(&empty, b"").unwrap();
        assert_eq!(all(&empty).unwrap(), []);
    }

    #[test]
    fn a_line_without_end_is_refused_before_it_fills_the_memory() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("long.zst");
        let mut encoder = zstd::stream::write::Encoder::new(File::create(&path).unwrap(), 1).unwrap();
        for _ in 0..=LINE_BYTES_MAX >> 20 {
            encoder.write_all(&vec![b'x'; 1 << 20]).unwrap();
        }
        encoder.finish().unwrap();
        assert!(matches!(all(&path), Err(TapeError::Line { line: 1, why: LineError::TooLong, .. })));
    }
}
