//! The Bybit dialect: what a client of Bybit API v5 (spot, unified account) sees of one simulated venue.
//!
//! Start at [`BybitDialect`]. Paths and the envelope are in `rest`, signatures in `auth`, public answers in `market` and
//! `statistics`, orders in `orders`, lists in `lookups`, the account in `account` and `transactions`; sockets in `stream`, what they say in
//! `stream_book` and `stream_private`, order entry over WebSocket in `trade`. It shares no code with any Bybit client of this
//! project, so that a misreading of the protocol cannot agree with itself.
//!
//! An answer to an order means that it was received. Whatever matching finds out (a post-only order that would take, a
//! fill-or-kill order that cannot be filled, halted trading) is told by the `order` topic and the lists, after the answer or
//! before it.
//!
//! What it does not simulate: other products than spot (empty lists), conditional orders, take-profits and stop-losses
//! (`170227`), margin (`170036`), self-trade groups (orders of one account never trade with each other, the newer one is
//! cancelled), RSA keys, SBE feeds and `orderbook.full`. The status of a symbol is always `Trading`: a halted one leaves the
//! list.
//!
//! Faults without a meaning here: receipts of order entry apart from its reply (`ws_ack_only_after_order`,
//! `ws_final_only_after_order`), empty and slow deep books over REST (no depth differs from another), stamps of old snapshots,
//! and logins that run out (a login lasts as long as its socket). An upgrade is not announced: order entry is refused with
//! `10019` and books begin anew with `u` 1 until the sockets are closed.

mod account;
mod auth;
mod config;
mod dcp;
mod error;
mod lookups;
mod market;
mod memory;
mod orders;
mod params;
mod rate;
mod reading;
mod rest;
mod rows;
mod statistics;
mod stream;
mod stream_book;
mod stream_private;
mod symbols;
mod tamper;
#[cfg(test)]
mod tests;
mod topics;
mod trade;
mod transactions;

pub use config::{BybitConfig, BybitKey, BybitLimits};

use self::{
    memory::CancelledBy,
    rest::{RestContext, RestDesk, shut_out},
    stream::{Stream, StreamContext},
    symbols::Symbols,
    trade::{Answer, TradeContext, TradeCount},
};
use crate::{
    core::{AccountId, Event, Exchange, ExchangeConfig, OrderId, PairId},
    faults::{
        Conditions, TimedFault,
        incident::{Incident, Incidents},
        script::{FaultScript, Strike},
    },
    market::Past,
    monitor::Monitor,
    timing::Jitter,
    world::{Dialect, HttpRequest, HttpResponse, OutputQueue, WsFrame},
};

/// Path of public spot streams.
pub const PUBLIC_WS_PATH: &str = "/v5/public/spot";
/// Path of private streams.
pub const PRIVATE_WS_PATH: &str = "/v5/private";
/// Path of order entry.
pub const TRADE_WS_PATH: &str = "/v5/trade";
/// Every path with a WebSocket; those of other products take sockets, and serve nothing.
pub const WS_PATHS: [&str; 7] = [
    PUBLIC_WS_PATH,
    PRIVATE_WS_PATH,
    TRADE_WS_PATH,
    "/v5/public/linear",
    "/v5/public/inverse",
    "/v5/public/option",
    "/v5/public/misc/status",
];

/// One venue that speaks Bybit API v5.
#[derive(Debug)]
pub struct BybitDialect {
    config: BybitConfig,
    symbols: Symbols,
    jitter: Jitter,
    rest: RestDesk,
    stream: Stream,
    trade: TradeCount,
    script: FaultScript,
    incidents: Incidents,
    /// Names of all pairs, for faults drawn from a seed.
    pair_names: Vec<String>,
}

impl BybitDialect {
    /// The dialect of an exchange made from `exchange`, whose scripted faults count from `start_t_ns` (Unix nanoseconds). Its
    /// keys act for accounts of that exchange, by user id.
    pub fn new(config: BybitConfig, exchange: &ExchangeConfig, start_t_ns: u64) -> BybitDialect {
        let pairs = exchange.pairs.len();
        BybitDialect {
            symbols: Symbols::new(exchange),
            jitter: Jitter::new(config.seed),
            rest: RestDesk::new(pairs),
            stream: Stream::new(pairs),
            trade: TradeCount::default(),
            script: config.fault_script(start_t_ns),
            incidents: Incidents::default(),
            pair_names: exchange.pairs.iter().map(|pair| pair.id.clone()).collect(),
            config,
        }
    }

    /// The settings in force. Delays and visibility may be changed while the venue runs.
    pub fn config_mut(&mut self) -> &mut BybitConfig {
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
            config: &mut self.config,
            symbols: &self.symbols,
            jitter: &mut self.jitter,
            exchange,
            statistics: &self.rest.statistics,
            memory: &self.rest.memory,
            out,
        };
        (&mut self.stream, context)
    }

    /// The answer to everything while the venue's edge lets nothing in: banned, or down for maintenance.
    fn shut(&mut self, t_ns: u64) -> Option<HttpResponse> {
        let faults = &mut self.config.faults;
        faults.banned_until_ns = faults.banned_until_ns.filter(|until| *until > t_ns);
        if faults.banned_until_ns.is_some() {
            return Some(shut_out());
        }
        let headers = vec![("content-type".to_owned(), "text/html".to_owned())];
        let body = b"<html><body><h1>503 Service Temporarily Unavailable</h1></body></html>".to_vec();
        faults.maintenance.then_some(HttpResponse { status: 503, headers, body })
    }

    fn strike(&mut self, t_ns: u64, strike: &Strike, exchange: &mut Exchange, out: &mut OutputQueue) {
        if let Strike::Incident(incident) = strike {
            if let Incident::Halt(pair) | Incident::Resume(pair) = incident
                && let Some(pair) = exchange.pair_by_name(pair)
            {
                let halted = matches!(incident, Incident::Halt(_));
                self.rest.statistics.freeze(pair, halted.then_some((&*exchange, t_ns)));
            }
            return self.incidents.strike(t_ns, incident, exchange);
        }
        let (stream, mut context) = self.stream(t_ns, exchange, out);
        stream.strike(strike, &mut context);
    }

    /// Looks at who follows the protection against disconnects now.
    fn watch_protection(&mut self, t_ns: u64) {
        self.rest.protection.on_followers(self.stream.protected(), t_ns);
    }

    /// Cancels every order of the account whose sockets have been gone too long.
    fn protect(&mut self, t_ns: u64, exchange: &mut Exchange) {
        if self.rest.protection.due_ns().is_none_or(|due_ns| due_ns > t_ns) {
            return;
        }
        self.rest.protection.strike();
        let accounts: Vec<AccountId> = self.config.keys.iter().filter_map(|key| exchange.account_by_user(key.user_id)).collect();
        for account in accounts {
            let open: Vec<OrderId> = exchange.open_orders(account, None).map(|order| order.id).collect();
            for id in open {
                self.rest.memory.note_cancel(id, CancelledBy::Disconnect);
            }
            exchange.cancel_all(t_ns, account, None, None);
        }
    }
}

impl Dialect for BybitDialect {
    fn conditions(&mut self) -> Option<Conditions<'_>> {
        Some(self.config.conditions())
    }

    fn schedule(&mut self, at_t_ns: u64, fault: TimedFault) {
        self.script.schedule(at_t_ns, fault);
    }

    fn take_begun_faults(&mut self) -> Vec<TimedFault> {
        self.script.take_begun()
    }

    fn http(
        &mut self,
        t_ns: u64,
        exchange: &mut Exchange,
        monitor: &mut Monitor,
        ticket: u64,
        request: HttpRequest,
        out: &mut OutputQueue,
    ) {
        if let Some(response) = self.shut(t_ns) {
            let at_ns = t_ns.saturating_add(self.jitter.draw(self.config.delays.rest_read));
            return out.http(at_ns, ticket, response);
        }
        let mut context =
            RestContext { t_ns, config: &mut self.config, symbols: &self.symbols, jitter: &mut self.jitter, exchange, monitor };
        let departure = self.rest.answer(&request, &mut context);
        if let Some(response) = departure.response {
            let response = tamper::response(&request, response, &mut self.config.faults);
            out.http(departure.at_ns, ticket, response);
        }
    }

    fn ws_open(&mut self, t_ns: u64, _exchange: &mut Exchange, conn: u64, path: &str, out: &mut OutputQueue) {
        if !self.stream.on_open(conn, path, t_ns, &self.config) {
            out.ws_close(t_ns, conn);
        }
    }

    fn ws_frame(
        &mut self,
        t_ns: u64,
        exchange: &mut Exchange,
        monitor: &mut Monitor,
        conn: u64,
        frame: WsFrame,
        out: &mut OutputQueue,
    ) {
        let (stream, mut context) = self.stream(t_ns, exchange, out);
        let call = stream.on_frame(conn, frame, &mut context);
        self.watch_protection(t_ns);
        let Some(call) = call else { return };
        let mut trade =
            TradeContext { t_ns, config: &mut self.config, symbols: &self.symbols, jitter: &mut self.jitter, exchange, monitor };
        let answer = trade::answer(conn, &call, &mut self.rest, &mut self.trade, &mut trade);
        let (stream, mut context) = self.stream(t_ns, exchange, out);
        match answer {
            Answer::Frame(at_ns, text) => stream.say(conn, at_ns, text, &mut context),
            Answer::Silence => {}
            Answer::Cut => stream.cut(conn, &mut context),
        }
    }

    fn ws_closed(&mut self, t_ns: u64, _exchange: &mut Exchange, conn: u64, _out: &mut OutputQueue) {
        self.stream.on_closed(conn);
        self.watch_protection(t_ns);
    }

    fn on_events(&mut self, t_ns: u64, exchange: &Exchange, events: &[Event], out: &mut OutputQueue) {
        for event in events {
            match event {
                Event::Book(change) => self.rest.statistics.on_book(change.pair, t_ns, exchange),
                Event::Trade(trade) => self.rest.statistics.on_trade(trade),
                Event::Balance(change) => self.rest.balances.on_change(change, self.config.visibility.balances_stale_ns),
                Event::Order(_) | Event::Fill(_) => {}
            }
        }
        let (stream, mut context) = self.stream(t_ns, exchange, out);
        stream.on_events(events, &mut context);
    }

    fn remember(&mut self, pair: PairId, past: Past) {
        self.rest.statistics.remember(pair, past);
    }

    fn next_wakeup(&self) -> Option<u64> {
        let protection = self.rest.protection.due_ns();
        self.stream.next_wakeup().into_iter().chain(self.script.next_due()).chain(protection).min()
    }

    fn on_wakeup(&mut self, t_ns: u64, exchange: &mut Exchange, out: &mut OutputQueue) {
        self.protect(t_ns, exchange);
        for strike in self.script.step(t_ns, &mut self.config.conditions(), &self.pair_names) {
            self.strike(t_ns, &strike, exchange, out);
        }
        let (stream, mut context) = self.stream(t_ns, exchange, out);
        stream.on_wakeup(&mut context);
        self.watch_protection(t_ns);
    }
}
