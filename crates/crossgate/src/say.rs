//! Lines on standard error. Whoever reads them may have gone, the disk that they are written to may be full, or the reader may be there and
//! read no more (a pager, Ctrl-S, a log driver that blocks): none of it may end or hold an engine that has orders open, as `eprintln!`
//! would by its panic, and any plain write by waiting.
//!
//! Before [`from_a_thread`] texts are written where they are said; after it a thread of their own writes them, [`QUEUE_MAX`] of them wait
//! at most, and what finds no room is counted and told when there is some. [`flush`] waits for the writer, for a bounded time.

use std::collections::VecDeque;
use std::fmt::Display;
use std::io::{self, Write};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// Texts that wait at most: minutes of deals, a few MiB of screens.
const QUEUE_MAX: usize = 1_024;
/// How long an end waits for what was said before it.
pub const FLUSH_WAIT: Duration = Duration::from_secs(2);

static QUEUE: OnceLock<Queue> = OnceLock::new();

/// Texts on their way to one writer.
#[derive(Default)]
struct Queue {
    state: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    texts: VecDeque<Vec<u8>>,
    /// Found no room since the last one that did.
    lost: u64,
    /// One is with the writer.
    writing: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // No text can break it, so that a panic elsewhere has not.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False when there is no room.
    fn push(&self, text: Vec<u8>) -> bool {
        let mut waiting = self.lock();
        if waiting.texts.len() >= QUEUE_MAX {
            waiting.lost += 1;
            return false;
        }
        if waiting.lost > 0 {
            let lost = std::mem::take(&mut waiting.lost);
            waiting
                .texts
                .push_back(format!("crossgate: {lost} lines are missing here: standard error was not read\n").into_bytes());
        }
        waiting.texts.push_back(text);
        drop(waiting);
        self.changed.notify_all();
        true
    }

    /// Writes what comes, for ever.
    fn write_to(&self, to: &mut impl Write) -> ! {
        loop {
            let mut waiting = self.lock();
            let text = loop {
                if let Some(text) = waiting.texts.pop_front() {
                    break text;
                }
                waiting.writing = false;
                self.changed.notify_all();
                waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            };
            waiting.writing = true;
            drop(waiting);
            write_to(to, &text);
        }
    }

    /// True when everything was written in time.
    fn flush(&self, wait: Duration) -> bool {
        let busy = |waiting: &mut Waiting| waiting.writing || !waiting.texts.is_empty();
        let waited = self.changed.wait_timeout_while(self.lock(), wait, busy).unwrap_or_else(PoisonError::into_inner);
        !waited.1.timed_out()
    }
}

/// From now on nobody waits for standard error.
///
/// # Errors
/// When the system gives no thread.
pub fn from_a_thread() -> io::Result<()> {
    if QUEUE.get().is_none() {
        std::thread::Builder::new()
            .name("stderr".into())
            .spawn(|| QUEUE.get_or_init(Queue::default).write_to(&mut io::stderr()))?;
        QUEUE.get_or_init(Queue::default);
    }
    Ok(())
}

/// Waits for what was said to be written, [`FLUSH_WAIT`] at most.
pub fn flush() {
    if let Some(queue) = QUEUE.get() {
        queue.flush(FLUSH_WAIT);
    }
}

/// Writes one line; a failure to do so is nobody's concern.
pub fn line(text: impl Display) {
    // In one write, so that lines of several threads do not mix.
    raw(format!("{text}\n").into_bytes());
}

/// Writes a text as it is. False when it found no room.
pub fn raw(text: Vec<u8>) -> bool {
    match QUEUE.get() {
        Some(queue) => queue.push(text),
        None => {
            write_to(&mut io::stderr().lock(), &text);
            true
        }
    }
}

fn write_to(to: &mut impl Write, text: &[u8]) {
    let _ = to.write_all(text).and_then(|()| to.flush());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Error, ErrorKind};
    use std::sync::mpsc::{Receiver, Sender, channel};

    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(Error::from(ErrorKind::StorageFull))
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(Error::from(ErrorKind::StorageFull))
        }
    }

    #[test]
    fn a_full_disk_is_no_panic() {
        write_to(&mut Full, b"deal 1\n");
        let mut said = Vec::new();
        write_to(&mut said, b"deal 2\n");
        assert_eq!(said, b"deal 2\n");
    }

    /// A reader that reads one text each time it is asked to.
    struct Stalled(Receiver<()>, Sender<Vec<u8>>);

    impl Write for Stalled {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            let gone = |_| Error::from(ErrorKind::BrokenPipe);
            self.0.recv().map_err(gone)?;
            self.1.send(text.to_vec()).map_err(|_| Error::from(ErrorKind::BrokenPipe))?;
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_reads_no_more_holds_nobody_and_is_told_what_it_missed() {
        let queue: &'static Queue = Box::leak(Box::default());
        let (go, asked) = channel();
        let (told, read) = channel();
        std::thread::spawn(move || queue.write_to(&mut Stalled(asked, told)));
        assert!(queue.push(b"first\n".to_vec()));
        // The writer has taken it and stands still.
        while !queue.lock().writing {
            std::thread::yield_now();
        }
        for n in 0..QUEUE_MAX {
            assert!(queue.push(format!("{n}\n").into_bytes()));
        }
        assert!(!queue.push(b"lost\n".to_vec()) && !queue.push(b"lost too\n".to_vec()));
        assert!(!queue.flush(Duration::from_millis(10)), "an end does not wait for ever");
        let mut lines = Vec::new();
        for _ in 0..2 {
            go.send(()).unwrap();
            lines.push(String::from_utf8(read.recv().unwrap()).unwrap());
        }
        assert!(queue.push(b"last\n".to_vec()));
        for _ in 0..QUEUE_MAX + 1 {
            go.send(()).unwrap();
            lines.push(String::from_utf8(read.recv().unwrap()).unwrap());
        }
        assert!(queue.flush(Duration::from_secs(60)));
        assert_eq!((lines[0].as_str(), lines[1].as_str()), ("first\n", "0\n"));
        let end: Vec<&str> = lines.iter().rev().take(3).map(String::as_str).collect();
        assert_eq!(end, ["last\n", "crossgate: 2 lines are missing here: standard error was not read\n", "1023\n"]);
    }
}
