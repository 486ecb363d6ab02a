//! A session driven over real sockets without an engine: what `doctor` and `record` need. Nothing here can place an order.

use crate::setup::VenueSetup;
use domain::{Command, Input, MonoNanos, ReadKind, VenueId};
use std::time::Duration;
use venue::{Response, Transmit, VenueSession};
use venue_io::{Clock, EventReceiver, HttpOutcome, IoBody, IoEvent, IoSetupError, Routes, VenueIo, event_queue};

/// Events taken in one turn.
const BURST_MAX: usize = 64;

/// Sessions of all venues and their sockets.
pub struct Probe {
    clock: Clock,
    sessions: Vec<Box<dyn VenueSession>>,
    ios: Vec<VenueIo>,
    events: EventReceiver,
    inputs: Vec<(VenueId, Input)>,
}

/// Something that crossed a socket, before the session sees it.
pub enum Crossing<'a> {
    /// It came in.
    In(&'a IoEvent),
    /// It goes out.
    Out(VenueId, &'a Transmit),
}

impl Probe {
    /// Opens the sockets of every venue that its session asks for.
    ///
    /// # Errors
    /// When an endpoint may not be used.
    pub fn start(venues: &[VenueSetup], sessions: Vec<Box<dyn VenueSession>>) -> Result<Probe, IoSetupError> {
        let clock = Clock::new();
        let (sender, events) = event_queue();
        let mut ios = Vec::new();
        for (index, venue) in venues.iter().enumerate() {
            let routes = Routes::of(venue.connector, &venue.endpoints);
            ios.push(VenueIo::new(VenueId(index as u8), routes, venue.tls.clone(), sender.clone(), clock)?);
        }
        let mut probe = Probe { clock, sessions, ios, events, inputs: Vec::new() };
        let now = clock.now();
        for session in &mut probe.sessions {
            session.start(now);
        }
        Ok(probe)
    }

    /// The clock.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Asks for a read.
    pub fn read(&mut self, venue: VenueId, read: ReadKind) {
        self.command(&Command::Read { venue, read });
    }

    /// Gives a session a command.
    pub fn command(&mut self, command: &Command) {
        let (now, venue) = (self.clock.now(), command.venue());
        let mut updates = Vec::new();
        if let Some(session) = self.sessions.get_mut(venue.index()) {
            session.submit(now, command, &mut updates);
        }
        self.inputs.extend(updates.into_iter().map(|u| (venue, u)));
    }

    /// The sessions, for their counters.
    pub fn sessions(&self) -> &[Box<dyn VenueSession>] {
        &self.sessions
    }

    /// What the sessions said since the last call.
    pub fn take_inputs(&mut self) -> Vec<(VenueId, Input)> {
        std::mem::take(&mut self.inputs)
    }

    /// One turn: waits for an event, a timer or `until`, and lets the sessions work. `see` is shown everything that crosses.
    pub async fn turn(&mut self, until: MonoNanos, see: &mut dyn FnMut(&Clock, Crossing<'_>)) {
        self.pump(see);
        let now = self.clock.now();
        let timer = self.sessions.iter().filter_map(|s| s.poll_timeout()).min().map_or(until, |t| t.min(until));
        let wait = Duration::from_nanos(timer.since(now)).min(Duration::from_millis(50));
        tokio::select! {
            biased;
            Some(event) = self.events.recv() => {
                see(&self.clock, Crossing::In(&event));
                self.event(event);
                // What waits behind it, so that timers are looked at once for all of it.
                for _ in 1..BURST_MAX {
                    let Some(event) = self.events.try_recv() else { break };
                    see(&self.clock, Crossing::In(&event));
                    self.event(event);
                }
            }
            () = tokio::time::sleep(wait) => {}
        }
        let now = self.clock.now();
        for (index, session) in self.sessions.iter_mut().enumerate() {
            if session.poll_timeout().is_some_and(|due| due <= now) {
                let mut updates = Vec::new();
                session.handle_timeout(now, &mut updates);
                self.inputs.extend(updates.into_iter().map(|u| (VenueId(index as u8), u)));
            }
        }
        self.pump(see);
    }

    fn event(&mut self, event: IoEvent) {
        let IoEvent { venue, received, body } = event;
        let Some(session) = self.sessions.get_mut(venue.index()) else { return };
        let mut updates = Vec::new();
        match body {
            IoBody::Connected { link, .. } => session.handle_connected(link, received, &mut updates),
            IoBody::Frame { link, mut bytes } => session.handle_frame(link, received, &mut bytes, &mut updates),
            IoBody::Lost { link, reason, .. } => session.handle_lost(link, received, reason, &mut updates),
            IoBody::Response { ticket, outcome } => match outcome {
                HttpOutcome::Http { status, headers, mut body } => {
                    session.handle_response(
                        ticket,
                        received,
                        Response::Http { status, headers: &headers, body: &mut body },
                        &mut updates,
                    );
                }
                HttpOutcome::Failed(failure) => {
                    session.handle_response(ticket, received, Response::Failed(failure), &mut updates)
                }
            },
        }
        self.inputs.extend(updates.into_iter().map(|u| (venue, u)));
    }

    fn pump(&mut self, see: &mut dyn FnMut(&Clock, Crossing<'_>)) {
        for (index, session) in self.sessions.iter_mut().enumerate() {
            let venue = VenueId(index as u8);
            let mut updates = Vec::new();
            while let Some(transmit) = session.poll_transmit(self.clock.now(), self.clock.wall(), &mut updates) {
                see(&self.clock, Crossing::Out(venue, &transmit));
                if let Some(io) = self.ios.get_mut(index) {
                    io.perform(transmit);
                }
            }
            self.inputs.extend(updates.into_iter().map(|u| (venue, u)));
        }
    }

    /// Closes everything.
    pub async fn close(mut self) {
        let now = self.clock.now();
        for session in &mut self.sessions {
            session.shutdown(now);
        }
        self.pump(&mut |_, _| {});
        for io in self.ios {
            io.close(Duration::from_millis(500)).await;
        }
    }
}
