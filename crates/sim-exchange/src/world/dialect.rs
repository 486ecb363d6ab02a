//! The seam between the world and one venue's protocol.

use std::{any::Any, fmt};

use super::{DialectParts, VenueConfig, output::OutputQueue};
use crate::{
    core::{Event, Exchange, ExchangeConfig, PairId},
    faults::{Conditions, Faults, ScriptedFault, TimedFault, Visibility},
    market::Past,
    monitor::Monitor,
    reading::Reading,
    timing::Delays,
};

/// Settings of one protocol, out of which a venue's dialect is made. Which there are stands in [`crate::protocols`].
pub trait Settings: Any + fmt::Debug + Send {
    /// The `kind` of its venues in configurations.
    fn kind(&self) -> &'static str;

    /// Paths on which a WebSocket may be opened; the first is that of public streams. One that ends in `*` stands for every path that
    /// begins like it.
    fn ws_paths(&self) -> &'static [&'static str];

    /// The path of private streams.
    fn private_ws_path(&self) -> &'static str;

    /// What the protocol needs of the exchange beneath it, where that differs from the world's own configuration.
    fn adapt(&self, _exchange: &mut ExchangeConfig) {}

    /// Keys of other kinds that act for the venue's account too, to be told to whoever asks for a venue's keys.
    fn more_keys(&self, _venue: &VenueConfig) -> Vec<MoreKey> {
        Vec::new()
    }

    /// The dialect of a venue with these settings.
    fn dialect(&self, parts: &DialectParts<'_>) -> Box<dyn Dialect>;

    /// Its faults; `None` for a protocol that has none.
    fn faults(&mut self) -> Option<FaultSettings<'_>>;

    /// How its bytes read on the wire.
    fn reading(&self) -> &'static dyn Reading;

    /// A copy.
    fn boxed(&self) -> Box<dyn Settings>;
}

/// The faults among a venue's settings, and its processing times.
pub struct FaultSettings<'a> {
    /// Processing times.
    pub delays: &'a mut Delays,
    /// Faults in force from the start.
    pub faults: &'a mut Faults,
    /// How long things stay invisible, stale or known.
    pub visibility: &'a mut Visibility,
    /// Faults that begin at a time after the start.
    pub script: &'a mut Vec<ScriptedFault>,
    /// The script and the draws begin this long after the venue's start.
    pub from_ns: &'a mut u64,
    /// Draws faults from this seed.
    pub seed: &'a mut Option<u64>,
    /// How long sockets live; `None` where no end is documented.
    pub sockets: Option<SocketLife<'a>>,
}

/// How long a venue's sockets live.
pub struct SocketLife<'a> {
    /// From the opening to the end, nanoseconds.
    pub life_ns: &'a mut u64,
    /// The end is told this long before it.
    pub notice_ns: &'a mut u64,
}

/// A further key of a venue's account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoreKey {
    /// How it signs, e.g. `ed25519`.
    pub algorithm: &'static str,
    /// The key.
    pub key: String,
    /// What it signs with; simulated, so no secret.
    pub secret: String,
}

/// The protocol a venue speaks, with its settings.
pub struct VenueKind(Box<dyn Settings>);

impl VenueKind {
    /// A venue with these settings.
    pub fn of(settings: impl Settings) -> VenueKind {
        VenueKind(Box::new(settings))
    }

    /// Its settings.
    pub fn settings(&self) -> &dyn Settings {
        self.0.as_ref()
    }

    /// Its faults, to be set.
    pub fn faults(&mut self) -> Option<FaultSettings<'_>> {
        self.0.faults()
    }

    /// Its settings, if they are an `S`: for what only one protocol has.
    pub fn settings_mut<S: Settings>(&mut self) -> Option<&mut S> {
        let settings: &mut dyn Any = self.0.as_mut();
        settings.downcast_mut()
    }
}

impl Clone for VenueKind {
    fn clone(&self) -> VenueKind {
        VenueKind(self.0.boxed())
    }
}

impl fmt::Debug for VenueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A request as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// Method in upper case.
    pub method: String,
    /// Path on the wire, with its prefix (`/api/v4/…`), without the query.
    pub path: String,
    /// Query on the wire, without the `?`; empty when there is none.
    pub query: String,
    /// Headers in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body bytes.
    pub body: Vec<u8>,
}

impl HttpRequest {
    /// Value of the first header of this (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_str())
    }
}

/// A reply to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    /// Status code.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body bytes.
    pub body: Vec<u8>,
}

/// A WebSocket message, either way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WsFrame {
    /// Text; perhaps not UTF-8 when it came from a stranger.
    Text(Vec<u8>),
    /// Binary.
    Binary(Vec<u8>),
    /// Protocol ping.
    Ping(Vec<u8>),
    /// Protocol pong.
    Pong(Vec<u8>),
    /// Close handshake.
    Close,
}

/// One venue protocol on top of the core. Implemented by [`crate::gate::GateDialect`], and by scripted ones in tests.
///
/// Every call brings the time; a dialect reads no clock. What it says goes into `out` with the time it leaves the venue,
/// which may lie ahead: that is how processing times and late pushes are made. After every call that may have changed the
/// exchange the world drains the core's events into [`Dialect::on_events`].
pub trait Dialect: Any + Send {
    /// A request arrived at `t_ns`. Exactly one reply to `ticket` is due, unless a fault swallows it.
    fn http(
        &mut self,
        t_ns: u64,
        exchange: &mut Exchange,
        monitor: &mut Monitor,
        ticket: u64,
        request: HttpRequest,
        out: &mut OutputQueue,
    );

    /// A WebSocket was opened on `path`, which includes the query if there is one. `conn` is not used again after it is closed.
    fn ws_open(&mut self, t_ns: u64, exchange: &mut Exchange, conn: u64, path: &str, out: &mut OutputQueue);

    /// A frame arrived.
    fn ws_frame(
        &mut self,
        t_ns: u64,
        exchange: &mut Exchange,
        monitor: &mut Monitor,
        conn: u64,
        frame: WsFrame,
        out: &mut OutputQueue,
    );

    /// The client's side of a WebSocket is gone. What was still on its way to it is dropped by the world.
    fn ws_closed(&mut self, t_ns: u64, exchange: &mut Exchange, conn: u64, out: &mut OutputQueue);

    /// What happened in the core, in order.
    fn on_events(&mut self, t_ns: u64, exchange: &Exchange, events: &[Event], out: &mut OutputQueue);

    /// Takes the made-up candles of a pair from before the start. Called once for each pair at most, before anything else, and only in
    /// worlds that ask for them ([`MarketConfig::has_past`](crate::market::MarketConfig::has_past)).
    fn remember(&mut self, _pair: PairId, _past: Past) {}

    /// When [`Dialect::on_wakeup`] wants to be called; changes after any other call.
    fn next_wakeup(&self) -> Option<u64>;

    /// The faults in force and what can be seen, to be changed while the venue runs; `None` for a protocol that has none.
    fn conditions(&mut self) -> Option<Conditions<'_>> {
        None
    }

    /// Lets a fault begin at `at_t_ns` (Unix nanoseconds), or with the next step of the world when that is past.
    fn schedule(&mut self, _at_t_ns: u64, _fault: TimedFault) {}

    /// Faults that began since the last call, for whoever shows them.
    fn take_begun_faults(&mut self) -> Vec<TimedFault> {
        Vec::new()
    }

    /// The time it asked for has come. Afterwards [`Dialect::next_wakeup`] must be later than `t_ns`.
    fn on_wakeup(&mut self, t_ns: u64, exchange: &mut Exchange, out: &mut OutputQueue);
}
