//! `record`: frame tapes of all configured streams, without keys and without an engine.

use crate::cli::RecordArgs;
use crate::config::{Loaded, Mode, load};
use crate::demo;
use crate::exit::Failure;
use crate::probe::{Crossing, Probe};
use crate::report::{print_json, print_line};
use crate::setup;
use crate::tape_load::chain;
use domain::time::SECOND;
use domain::{MonoNanos, UnixNanos, VenueId};
use journal::tape::{Direction, FrameEntry, FrameLink, TapeError, TapeHeader, TapeWriter};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use venue::{Ticket, Transmit};
use venue_io::{Clock, HttpOutcome, IoBody};

/// What a kill loses at most is of this long.
const FLUSH_EVERY_NS: u64 = SECOND;

/// Records until the time is over or a signal.
///
/// # Errors
/// Exit code 3 for the configuration, 1 when venues or the disk fail.
pub fn record_command(args: &RecordArgs) -> Result<(), Failure> {
    let loaded = load(&args.config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::failed)?;
    runtime.block_on(record(loaded, args))
}

struct Recorder {
    writers: Vec<TapeWriter>,
    /// What was asked, by ticket: answers carry no path.
    asked: BTreeMap<(u8, Ticket), (String, String)>,
    frames: Vec<u64>,
    /// One reading of both clocks for all of it: the wall clock may step, and between two readings of a pair anything may run.
    started: (MonoNanos, UnixNanos),
    flush_at: MonoNanos,
    /// What stopped the recording.
    failure: Option<String>,
}

impl Recorder {
    fn new(writers: Vec<TapeWriter>, started: (MonoNanos, UnixNanos)) -> Recorder {
        let flush_at = started.0.after(FLUSH_EVERY_NS);
        Recorder { frames: vec![0; writers.len()], writers, asked: BTreeMap::new(), started, flush_at, failure: None }
    }

    fn see(&mut self, clock: &Clock, crossing: Crossing<'_>) {
        let (venue, received, direction, link, bytes) = match crossing {
            Crossing::In(event) => {
                let venue = event.venue;
                match &event.body {
                    IoBody::Connected { link, .. } => {
                        let link = FrameLink::Opened { role: link.role, shard: u16::from(link.shard) };
                        (venue, event.received, Direction::In, link, Vec::new())
                    }
                    IoBody::Frame { link, bytes } => {
                        if let Some(count) = self.frames.get_mut(venue.index()) {
                            *count += 1;
                        }
                        (
                            venue,
                            event.received,
                            Direction::In,
                            FrameLink::Ws { role: link.role, shard: u16::from(link.shard) },
                            bytes.clone(),
                        )
                    }
                    IoBody::Response { ticket, outcome: HttpOutcome::Http { body, .. } } => {
                        let Some((method, path_and_query)) = self.asked.remove(&(venue.0, *ticket)) else { return };
                        (venue, event.received, Direction::In, FrameLink::Rest { method, path_and_query }, body.clone())
                    }
                    IoBody::Lost { link, reason, .. } => {
                        let closed = FrameLink::Closed { role: link.role, shard: u16::from(link.shard) };
                        (venue, event.received, Direction::In, closed, reason.as_str().into())
                    }
                    IoBody::Response { ticket, .. } => {
                        self.asked.remove(&(venue.0, *ticket));
                        return;
                    }
                }
            }
            Crossing::Out(venue, transmit) => match transmit {
                Transmit::Frame { link, text, .. } => (
                    venue,
                    clock.now(),
                    Direction::Out,
                    FrameLink::Ws { role: link.role, shard: u16::from(link.shard) },
                    text.clone().into_bytes(),
                ),
                Transmit::Request { ticket, request, .. } => {
                    let path = if request.query.is_empty() {
                        request.path.clone()
                    } else {
                        format!("{}?{}", request.path, request.query)
                    };
                    self.asked.insert((venue.0, *ticket), (request.method.as_str().into(), path.clone()));
                    let link = FrameLink::Rest { method: request.method.as_str().into(), path_and_query: path };
                    (venue, clock.now(), Direction::Out, link, request.body.clone())
                }
                Transmit::Open(_) | Transmit::Close(_) => return,
            },
        };
        self.write(venue, FrameEntry { received, received_unix: self.unix_of(received), direction, link, bytes });
    }

    /// The wall time of a monotonic stamp, as if the wall clock had not been set since the start.
    fn unix_of(&self, received: MonoNanos) -> UnixNanos {
        let (mono, wall) = self.started;
        UnixNanos(wall.0.saturating_add_unsigned(received.0).saturating_sub_unsigned(mono.0))
    }

    fn write(&mut self, venue: VenueId, entry: FrameEntry) {
        if self.failure.is_some() {
            return;
        }
        if let Some(writer) = self.writers.get_mut(venue.index())
            && let Err(error) = writer.append(&entry)
        {
            self.failure = Some(chain(&error));
        }
    }

    /// Writes what came, once a second.
    fn flush(&mut self, now: MonoNanos) {
        if now < self.flush_at || self.failure.is_some() {
            return;
        }
        self.flush_at = now.after(FLUSH_EVERY_NS);
        self.failure = first_failure(self.writers.iter_mut().map(TapeWriter::flush));
    }

    /// Writes what is left at every venue, whatever fails at one. Returns all files, and what failed first.
    fn finish(self) -> (Vec<PathBuf>, Option<String>) {
        let mut files: Vec<PathBuf> = Vec::new();
        self.writers.iter().for_each(|writer| files.extend_from_slice(writer.files()));
        let failed = first_failure(self.writers.into_iter().map(TapeWriter::finish));
        (files, self.failure.or(failed))
    }
}

/// Takes every result, and returns what failed first.
fn first_failure(results: impl Iterator<Item = Result<(), TapeError>>) -> Option<String> {
    results.fold(None, |first, result| first.or(result.err().map(|error| chain(&error))))
}

/// The closest of a few readings of both clocks.
fn both_clocks(clock: &Clock) -> (MonoNanos, UnixNanos) {
    let read = || {
        let (before, wall, after) = (clock.now(), clock.wall(), clock.now());
        (after.since(before), (before, wall))
    };
    let readings: [_; 8] = std::array::from_fn(|_| read());
    readings.into_iter().min_by_key(|(apart, _)| *apart).map_or_else(|| read().1, |(_, both)| both)
}

async fn record(loaded: Loaded, args: &RecordArgs) -> Result<(), Failure> {
    let (venues, simulated) = match loaded.config.mode {
        Mode::Sim => {
            let simulated = demo::start(&loaded, None)?;
            (simulated.venues(&loaded)?, Some(simulated))
        }
        _ => (setup::live_venues(&loaded, false)?, None),
    };
    let mut venues = venues;
    venues.iter_mut().for_each(|v| v.keys = None);
    let setup = setup::prepare(&loaded, venues).await?;
    let sessions = setup.sessions(&loaded)?;
    let mut probe = Probe::start(&setup.venues, sessions).map_err(Failure::config)?;
    let clock = probe.clock();
    let begun = both_clocks(&clock);
    let mut writers = Vec::new();
    for (venue, configured) in setup.venues.iter().zip(&loaded.config.venue) {
        let class = match crate::config::check::host_class(configured) {
            _ if loaded.config.mode == Mode::Sim => "loopback",
            venue::HostClass::Loopback => "loopback",
            venue::HostClass::Testnet => "testnet",
            venue::HostClass::Live => "live",
        };
        let header = TapeHeader {
            venue: venue.id.clone(),
            kind: venue.connector.kind().into(),
            host_class: class.into(),
            // By the venue's own names and units: its frames are found and read by them.
            tables: Some(venue.aliases.tables(&setup.tables).map_err(Failure::config)?),
            build: crate::BUILD.into(),
            started: begun.1,
        };
        writers
            .push(TapeWriter::create(Path::new(&args.out), header).map_err(|e| Failure::failed(format!("{}: {e}", args.out)))?);
    }
    let mut recorder = Recorder::new(writers, begun);
    let started = clock.now();
    let until = args.run_for.map_or(MonoNanos(u64::MAX), |span| started.after(span));
    let mut signals = Signals::new()?;
    while clock.now() < until && recorder.failure.is_none() {
        let mut see = |clock: &Clock, crossing: Crossing<'_>| recorder.see(clock, crossing);
        tokio::select! {
            () = signals.any() => break,
            () = probe.turn(until, &mut see) => {}
        }
        probe.take_inputs();
        recorder.flush(clock.now());
    }
    probe.close().await;
    if let Some(simulated) = simulated {
        simulated.stop();
    }
    let frames: u64 = recorder.frames.iter().sum();
    let (files, failure) = recorder.finish();
    let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let seconds = crate::clock_text::seconds(clock.now().since(started));
    if args.json {
        print_json(&json!({"frames": frames, "duration_s": seconds, "files": files}).to_string());
    } else {
        print_line(&format!("{frames} frames in {seconds} s: {}", files.join(", ")));
    }
    match failure {
        Some(why) => Err(Failure::failed(format!("recording stopped: {why}"))),
        None => Ok(()),
    }
}

/// An interrupt or a request to end.
pub struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// When the process can't.
    pub fn new() -> Result<Signals, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt()).map_err(Failure::failed)?,
            terminate: signal(SignalKind::terminate()).map_err(Failure::failed)?,
        })
    }

    /// Waits for one.
    pub async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::LinkRole;
    use journal::tape::{TapeFormat, TapeKind, read_tape};
    use venue::{LinkId, LossReason};
    use venue_io::IoEvent;

    const LINK: LinkId = LinkId { role: LinkRole::Public, shard: 0 };
    const STARTED: (MonoNanos, UnixNanos) = (MonoNanos(5 * SECOND), UnixNanos(1_700_000_000_000_000_000));

    fn writer(directory: &Path, venue: &str) -> TapeWriter {
        let header = TapeHeader {
            venue: venue.into(),
            kind: "gate".into(),
            host_class: "loopback".into(),
            tables: None,
            build: "test".into(),
            started: STARTED.1,
        };
        TapeWriter::create(directory, header).unwrap()
    }

    fn event(venue: u8, after_ns: u64, body: IoBody) -> IoEvent {
        IoEvent { venue: VenueId(venue), received: STARTED.0.after(after_ns), body }
    }

    fn kinds(directory: &Path) -> Vec<(i64, TapeKind)> {
        let entries = read_tape(TapeFormat::Crossgate, directory).unwrap();
        entries.into_iter().map(|entry| (entry.received_unix_ns - STARTED.1.0, entry.kind)).collect()
    }

    #[test]
    fn a_lost_link_is_recorded_and_all_of_it_is_on_the_disk_within_a_second() {
        let directory = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::new(vec![writer(directory.path(), "a")], STARTED);
        let clock = Clock::new();
        let peer = "127.0.0.1:1".parse().unwrap();
        let lost = IoBody::Lost { link: LINK, reason: LossReason::SocketError, detail: "reset".into() };
        for event in [
            event(0, 0, IoBody::Connected { link: LINK, peer }),
            event(0, 7, IoBody::Frame { link: LINK, bytes: b"{}".to_vec() }),
            event(0, 9, lost),
        ] {
            recorder.see(&clock, Crossing::In(&event));
        }
        recorder.flush(STARTED.0.after(FLUSH_EVERY_NS - 1));
        assert_eq!(kinds(directory.path()), []);
        recorder.flush(STARTED.0.after(FLUSH_EVERY_NS));
        let url = || String::from("public/0");
        let expected = [
            (0, TapeKind::Connected { url: url() }),
            (7, TapeKind::Ws { url: Some(url()) }),
            (9, TapeKind::Disconnected { url: url(), reason: "socket_error".into() }),
        ];
        // Nothing was finished: a kill leaves this.
        assert_eq!(kinds(directory.path()), expected);
        assert_eq!(recorder.frames, [1]);
    }

    #[test]
    fn what_fails_at_one_venue_keeps_nothing_of_another_from_the_disk() {
        let directory = tempfile::tempdir().unwrap();
        let writers = vec![writer(directory.path(), "a"), writer(directory.path(), "b")];
        let mut recorder = Recorder::new(writers, STARTED);
        let clock = Clock::new();
        for venue in 0..2 {
            let frame = IoBody::Frame { link: LINK, bytes: b"{}".to_vec() };
            recorder.see(&clock, Crossing::In(&event(venue, 1, frame)));
        }
        recorder.failure = Some("cannot write a: no space".into());
        let (files, failure) = recorder.finish();
        assert_eq!(failure.as_deref(), Some("cannot write a: no space"));
        assert_eq!(files.len(), 2);
        assert_eq!(kinds(directory.path()).len(), 2, "both are written");

        let failed = |bytes| Err(TapeError::TooLarge { bytes });
        let mut taken = 0;
        let results = [Ok(()), failed(1), Ok(()), failed(2)].into_iter().inspect(|_| taken += 1);
        assert!(first_failure(results).is_some_and(|why| why.contains("of 1 bytes")));
        assert_eq!(taken, 4, "a failure stops nobody else's");
    }

    #[test]
    fn both_clocks_are_read_at_once() {
        let clock = Clock::new();
        let (mono, wall) = both_clocks(&clock);
        assert!(mono <= clock.now() && wall.seconds() > 1_577_836_800);
    }
}
