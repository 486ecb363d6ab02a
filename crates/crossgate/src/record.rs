//! `record`: frame tapes of all configured streams, without keys and without an engine.

use crate::cli::RecordArgs;
use crate::config::{Loaded, Mode, load};
use crate::demo;
use crate::exit::Failure;
use crate::probe::{Crossing, Probe};
use crate::report::{print_json, print_line};
use crate::setup;
use domain::{MonoNanos, UnixNanos, VenueId};
use journal::tape::{Direction, FrameEntry, FrameLink, TapeHeader, TapeWriter};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use venue::{Ticket, Transmit};
use venue_io::{Clock, HttpOutcome, IoBody};

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
    failure: Option<String>,
}

impl Recorder {
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
                    IoBody::Lost { .. } | IoBody::Response { .. } => return,
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
        self.write(venue, FrameEntry { received, received_unix: unix_of(clock, received), direction, link, bytes });
    }

    fn write(&mut self, venue: VenueId, entry: FrameEntry) {
        if self.failure.is_some() {
            return;
        }
        if let Some(writer) = self.writers.get_mut(venue.index())
            && let Err(error) = writer.append(&entry)
        {
            self.failure = Some(error.to_string());
        }
    }
}

/// The wall time of a monotonic stamp, by a pair of readings taken now.
fn unix_of(clock: &Clock, received: MonoNanos) -> UnixNanos {
    let age = i64::try_from(clock.now().since(received)).unwrap_or(i64::MAX);
    UnixNanos(clock.wall().0.saturating_sub(age))
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
            started: clock.wall(),
        };
        writers
            .push(TapeWriter::create(Path::new(&args.out), header).map_err(|e| Failure::failed(format!("{}: {e}", args.out)))?);
    }
    let mut recorder = Recorder { frames: vec![0; writers.len()], writers, asked: BTreeMap::new(), failure: None };
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
    }
    probe.close().await;
    if let Some(simulated) = simulated {
        simulated.stop();
    }
    let files: Vec<String> = recorder.writers.iter().map(|w| w.path().display().to_string()).collect();
    for writer in recorder.writers {
        writer.finish().map_err(|e| Failure::failed(format!("{}: {e}", args.out)))?;
    }
    let frames: u64 = recorder.frames.iter().sum();
    let seconds = crate::clock_text::seconds(clock.now().since(started));
    if args.json {
        print_json(&json!({"frames": frames, "duration_s": seconds, "files": files}).to_string());
    } else {
        print_line(&format!("{frames} frames in {seconds} s: {}", files.join(", ")));
    }
    match recorder.failure {
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
