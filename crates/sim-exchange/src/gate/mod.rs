//! The Gate dialect: what a client of Gate API v4 (spot) sees of one simulated venue.
//!
//! Start at [`GateDialect`]. Routing and signatures are in `rest` and `auth`, rows and labels in `rows` and `render`,
//! channels in `stream`, the increments of the order book in `depth`. It shares no code with any Gate client of this
//! project, so that a misreading of the protocol cannot agree with itself.
//!
//! What it does not simulate: amending, batch orders, the dead-man switch, WebSocket order entry, candlesticks,
//! `spot.obu`, margin, unified accounts and contracts. Unknown private paths answer as on Gate.
//!
//! Chosen where Gate's behaviour is an open question: a post-only or fill-or-kill order that cannot live is refused with
//! 400 unless the exchange is told to accept and finish it; a request past its `x-gate-exptime` is refused with
//! [`GateConfig::exptime_refusal`].

mod account;
mod auth;
mod channel;
mod config;
mod depth;
mod error;
mod frame;
mod market_data;
mod orders;
mod query;
mod rate;
mod render;
mod rest;
mod rows;
mod stream;
#[cfg(test)]
mod tests;

pub use auth::{ApiKey, Permission};
pub use config::{DelayRange, GateConfig, GateDelays, GateFaults, GateUser, Visibility};
pub use rate::RateLimitConfig;

use self::{
    config::Jitter,
    render::Symbols,
    rest::{RestContext, RestDesk},
    stream::{Stream, StreamContext},
};
use crate::{
    core::{Event, Exchange, ExchangeConfig},
    monitor::Monitor,
    world::{Dialect, HttpRequest, OutputQueue, WsFrame},
};

/// Path of the spot WebSocket. The trailing slash is part of it.
pub const WS_PATH: &str = "/ws/v4/";

/// One venue that speaks Gate API v4.
#[derive(Debug)]
pub struct GateDialect {
    config: GateConfig,
    symbols: Symbols,
    jitter: Jitter,
    rest: RestDesk,
    stream: Stream,
}

impl GateDialect {
    /// The dialect of an exchange made from `exchange`. Its users are accounts of that exchange, by user id.
    pub fn new(config: GateConfig, exchange: &ExchangeConfig) -> GateDialect {
        let pairs = exchange.pairs.len();
        GateDialect {
            symbols: Symbols::new(exchange),
            jitter: Jitter::new(config.seed),
            rest: RestDesk::new(&config, pairs),
            stream: Stream::new(pairs),
            config,
        }
    }

    /// The faults in force, to be changed while the venue runs.
    pub fn faults_mut(&mut self) -> &mut GateFaults {
        &mut self.config.faults
    }

    /// The settings in force. Delays and visibility may be changed while the venue runs; bucket sizes are read once.
    pub fn config_mut(&mut self) -> &mut GateConfig {
        &mut self.config
    }

    fn stream<'a>(
        &'a mut self,
        t_ns: u64,
        exchange: &'a Exchange,
        out: &'a mut OutputQueue,
    ) -> (&'a mut Stream, StreamContext<'a>) {
        let context = StreamContext {
            t_ns,
            config: &self.config,
            symbols: &self.symbols,
            jitter: &mut self.jitter,
            exchange,
            statistics: &self.rest.statistics,
            out,
        };
        (&mut self.stream, context)
    }
}

impl Dialect for GateDialect {
    fn http(
        &mut self,
        t_ns: u64,
        exchange: &mut Exchange,
        monitor: &mut Monitor,
        ticket: u64,
        request: HttpRequest,
        out: &mut OutputQueue,
    ) {
        let mut context =
            RestContext { t_ns, config: &mut self.config, symbols: &self.symbols, jitter: &mut self.jitter, exchange, monitor };
        let departure = self.rest.answer(&request, &mut context);
        if let Some(response) = departure.response {
            out.http(departure.at_ns, ticket, response);
        }
    }

    fn ws_open(&mut self, t_ns: u64, _exchange: &mut Exchange, conn: u64, path: &str, out: &mut OutputQueue) {
        if path == WS_PATH {
            self.stream.on_open(conn, t_ns, &self.config);
        } else {
            out.ws_close(t_ns, conn);
        }
    }

    fn ws_frame(
        &mut self,
        t_ns: u64,
        exchange: &mut Exchange,
        _monitor: &mut Monitor,
        conn: u64,
        frame: WsFrame,
        out: &mut OutputQueue,
    ) {
        let (stream, mut context) = self.stream(t_ns, exchange, out);
        stream.on_frame(conn, frame, &mut context);
    }

    fn ws_closed(&mut self, _t_ns: u64, _exchange: &mut Exchange, conn: u64, _out: &mut OutputQueue) {
        self.stream.on_closed(conn);
    }

    fn on_events(&mut self, t_ns: u64, exchange: &Exchange, events: &[Event], out: &mut OutputQueue) {
        for event in events {
            match event {
                Event::Book(change) => self.rest.statistics.on_book(change.pair, t_ns, exchange),
                Event::Trade(trade) => self.rest.statistics.on_trade(trade),
                Event::Balance(change) => {
                    self.rest.balances.on_change(change, self.config.visibility.balances_stale_ns);
                }
                Event::Order(_) | Event::Fill(_) => {}
            }
        }
        let (stream, mut context) = self.stream(t_ns, exchange, out);
        stream.on_events(events, &mut context);
    }

    fn next_wakeup(&self) -> Option<u64> {
        self.stream.next_wakeup()
    }

    fn on_wakeup(&mut self, t_ns: u64, exchange: &mut Exchange, out: &mut OutputQueue) {
        let (stream, mut context) = self.stream(t_ns, exchange, out);
        stream.on_wakeup(&mut context);
    }
}
