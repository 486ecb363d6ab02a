//! Lines on standard error. Whoever reads them may have gone, or the disk that they are written to may be full: neither may end an engine
//! that has orders open, as `eprintln!` would by its panic.

use std::fmt::Display;
use std::io::Write;

/// Writes one line; a failure to do so is nobody's concern.
pub fn line(text: impl Display) {
    line_to(&mut std::io::stderr().lock(), text);
}

fn line_to(to: &mut impl Write, text: impl Display) {
    // In one write, so that lines of several threads do not mix.
    let _ = to.write_all(format!("{text}\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Error, ErrorKind};

    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(Error::from(ErrorKind::StorageFull))
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Err(Error::from(ErrorKind::StorageFull))
        }
    }

    #[test]
    fn a_full_disk_is_no_panic() {
        line_to(&mut Full, "deal 1");
        let mut said = Vec::new();
        line_to(&mut said, format_args!("deal {}", 2));
        assert_eq!(said, b"deal 2\n");
    }
}
