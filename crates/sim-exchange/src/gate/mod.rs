//! The Gate dialect: what a client of Gate API v4 (spot) sees of one simulated venue.
//!
//! Start at [`GateDialect`]. Routing and signatures are in `rest` and `auth`, rows and labels in `rows` and `render`, channels in `stream`
//! and `stream_*`, the increments of books in `depth`, order entry over WebSocket in `order_entry`. What can be wrong with it, and when,
//! is [`crate::faults`]. It shares no code with any Gate client of this project, so that a misreading of the protocol cannot agree with
//! itself.
//!
//! What it does not simulate: trigger orders, transfers and withdrawals (label `NOT_SIMULATED`), margin, unified accounts and
//! contracts (empty lists, as for a user who has none). Unknown private paths answer as on Gate.
//!
//! Chosen where Gate's behaviour is an open question: a post-only or fill-or-kill order that cannot live is refused with
//! 400 unless the exchange is told to accept and finish it; a request past its `x-gate-exptime` is refused with
//! [`GateConfig::exptime_refusal`].

mod account;
mod auth;
mod batch;
mod candles;
mod channel;
mod config;
mod countdown;
mod error;
mod fees;
mod frame;
mod market_data;
mod order_entry;
mod orders;
mod query;
mod rate;
mod reading;
mod render;
mod rest;
mod rest_routes;
mod rows;
mod stream;
mod stream_book;
mod stream_candles;
mod stream_private;
mod tamper;
#[cfg(test)]
mod tests;
mod wallet;

pub use auth::{ApiKey, Permission};
pub use config::{GateConfig, GateUser};
pub use rate::RateLimitConfig;

use self::{
    error::ApiError,
    order_entry::{EntryContext, OrderEntry},
    render::Symbols,
    rest::{RestContext, RestDesk},
    stream::{Stream, StreamContext},
};
use crate::{
    core::{Event, Exchange, ExchangeConfig, PairId},
    faults::{
        Conditions, TimedFault,
        incident::{Incident, Incidents},
        script::{FaultScript, Strike},
        take_one,
    },
    market::Past,
    monitor::Monitor,
    timing::Jitter,
    world::{Dialect, HttpRequest, HttpResponse, OutputQueue, WsFrame},
};

/// Path of the spot WebSocket. The trailing slash is part of it.
pub const WS_PATH: &str = "/ws/v4/";

/// Every path with the spot WebSocket: the live host's, and the testnet's (Gate API v4, WebSocket), which has no slash at its end.
pub const WS_PATHS: [&str; 2] = [WS_PATH, "/v4/ws/spot"];

/// One venue that speaks Gate API v4.
#[derive(Debug)]
pub struct GateDialect {
    config: GateConfig,
    symbols: Symbols,
    jitter: Jitter,
    rest: RestDesk,
    stream: Stream,
    order_entry: OrderEntry,
    script: FaultScript,
    incidents: Incidents,
    /// The last answer about an order, for the fault that gives it again.
    answered: Option<Vec<u8>>,
    /// Names of all pairs, for faults drawn from a seed.
    pair_names: Vec<String>,
    private_requests: u64,
    /// When the exchange's next dead-man switch fires.
    countdown_ns: Option<u64>,
}

impl GateDialect {
    /// The dialect of an exchange made from `exchange`, whose scripted faults count from `start_t_ns` (Unix nanoseconds). Its
    /// users are accounts of that exchange, by user id.
    pub fn new(config: GateConfig, exchange: &ExchangeConfig, start_t_ns: u64) -> GateDialect {
        let pairs = exchange.pairs.len();
        GateDialect {
            symbols: Symbols::new(exchange),
            jitter: Jitter::new(config.seed),
            rest: RestDesk::new(&config, pairs),
            stream: Stream::new(pairs),
            order_entry: OrderEntry::new(&config),
            script: config.fault_script(start_t_ns),
            incidents: Incidents::default(),
            answered: None,
            pair_names: exchange.pairs.iter().map(|pair| pair.id.clone()).collect(),
            private_requests: 0,
            countdown_ns: None,
            config,
        }
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
            config: &mut self.config,
            symbols: &self.symbols,
            jitter: &mut self.jitter,
            exchange,
            statistics: &self.rest.statistics,
            out,
        };
        (&mut self.stream, context)
    }

    /// Whether a fault refuses this request, a private one, for its rate.
    fn refuses_rate(&mut self, request: &HttpRequest) -> bool {
        if request.header("sign").is_none() {
            return false;
        }
        self.private_requests += 1;
        let faults = &mut self.config.faults;
        faults.too_many_requests.contains(&self.private_requests) || take_one(&mut faults.refuse_next_requests)
    }

    /// The answer to everything while the venue's edge lets nothing in: banned, or down for maintenance.
    fn shut(&mut self, t_ns: u64) -> Option<HttpResponse> {
        let faults = &mut self.config.faults;
        faults.banned_until_ns = faults.banned_until_ns.filter(|until| *until > t_ns);
        let html = ("content-type".to_owned(), "text/html".to_owned());
        if let Some(until_ns) = faults.banned_until_ns {
            let wait_s = (until_ns - t_ns).div_ceil(1_000_000_000);
            let headers = vec![html, ("retry-after".to_owned(), wait_s.to_string())];
            return Some(HttpResponse { status: 418, headers, body: b"<html>banned</html>".to_vec() });
        }
        let body = b"<html><body><h1>503 Service Temporarily Unavailable</h1></body></html>".to_vec();
        faults.maintenance.then_some(HttpResponse { status: 503, headers: vec![html], body })
    }

    /// What is said about orders, unless a fault gives the answer before it once more.
    fn answer_again(&mut self, request: &HttpRequest, mut response: HttpResponse) -> HttpResponse {
        let is_one_order =
            request.path.contains("/spot/orders/") || request.method == "POST" && request.path.ends_with("/spot/orders");
        if is_one_order && (200..300).contains(&response.status) {
            let before = self.answered.replace(response.body.clone());
            if let Some(before) = before.filter(|_| take_one(&mut self.config.faults.stale_next_answers)) {
                response.body = before;
            }
        }
        response
    }

    fn strike(&mut self, t_ns: u64, strike: &Strike, exchange: &mut Exchange, out: &mut OutputQueue) {
        match strike {
            Strike::ExpireLogins => return self.order_entry.expire_logins(),
            Strike::Incident(incident) => {
                if let Incident::Halt(pair) | Incident::Resume(pair) = incident
                    && let Some(pair) = self.symbols.find_pair(pair)
                {
                    let halted = matches!(incident, Incident::Halt(_));
                    self.rest.statistics.freeze(pair, halted.then_some((&*exchange, t_ns)));
                }
                return self.incidents.strike(t_ns, incident, exchange);
            }
            Strike::NoticeUpgrade | Strike::Close | Strike::Cut => {}
        }
        let (stream, mut context) = self.stream(t_ns, exchange, out);
        for conn in stream.strike(strike, &mut context) {
            self.order_entry.on_closed(conn);
        }
    }

    /// Whether a fault loses this reply.
    fn loses_reply(&mut self, request: &HttpRequest, status: u16) -> bool {
        let is_placement = request.method == "POST" && request.path.ends_with("/spot/orders") && status == 201;
        is_placement && take_one(&mut self.config.faults.lose_next_replies)
    }
}

/// A refusal with the headers of an empty bucket that fills again with the next second; `t_ns` is the venue's time.
fn rate_refusal(t_ns: u64, bare: bool) -> HttpResponse {
    let error = ApiError::too_many_requests();
    if bare {
        return HttpResponse { status: error.status, headers: Vec::new(), body: error.body() };
    }
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("x-in-time", (t_ns / 1_000).to_string()),
        ("x-out-time", (t_ns / 1_000).to_string()),
        ("x-gate-ratelimit-requests-remain", "0".to_owned()),
        ("x-gate-ratelimit-limit", "10".to_owned()),
        ("x-gate-ratelimit-reset-timestamp", (t_ns / 1_000_000_000 + 1).to_string()),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value)).to_vec();
    HttpResponse { status: error.status, headers, body: error.body() }
}

impl Dialect for GateDialect {
    fn conditions(&mut self) -> Option<Conditions<'_>> {
        Some(self.config.conditions())
    }

    fn schedule(&mut self, at_t_ns: u64, fault: TimedFault) {
        self.script.schedule(at_t_ns, fault);
    }

    /// The scripted and drawn ones, oldest first.
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
        if self.refuses_rate(&request) {
            let at_ns = t_ns.saturating_add(self.jitter.draw(self.config.delays.rest_read));
            let bare = self.config.faults.bare_refusals;
            return out.http(at_ns, ticket, rate_refusal(self.config.clock_ns(t_ns), bare));
        }
        let mut context =
            RestContext { t_ns, config: &mut self.config, symbols: &self.symbols, jitter: &mut self.jitter, exchange, monitor };
        let departure = self.rest.answer(&request, &mut context);
        self.countdown_ns = exchange.next_countdown();
        let response = departure.response;
        if let Some(response) = response.filter(|response| !self.loses_reply(&request, response.status)) {
            let response = self.answer_again(&request, response);
            let response = tamper::response(&request, response, &mut self.config.faults, t_ns);
            out.http(departure.at_ns, ticket, response);
        }
    }

    fn ws_open(&mut self, t_ns: u64, _exchange: &mut Exchange, conn: u64, path: &str, out: &mut OutputQueue) {
        // What stands in a query means nothing here.
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        if WS_PATHS.contains(&path) {
            self.stream.on_open(conn, t_ns, &self.config);
        } else {
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
        let Some(call) = stream.on_frame(conn, frame, &mut context) else { return };
        let mut entry =
            EntryContext { t_ns, config: &mut self.config, symbols: &self.symbols, jitter: &mut self.jitter, exchange, monitor };
        let answer = self.order_entry.answer(conn, &call, &mut entry);
        let with_events = exchange.has_events();
        let (stream, mut context) = self.stream(t_ns, exchange, out);
        if answer.is_cut {
            stream.cut(conn, &mut context);
            self.order_entry.on_closed(conn);
        } else {
            stream.deliver(answer.frames, with_events, &mut context);
        }
    }

    fn ws_closed(&mut self, _t_ns: u64, _exchange: &mut Exchange, conn: u64, _out: &mut OutputQueue) {
        self.stream.on_closed(conn);
        self.order_entry.on_closed(conn);
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

    fn remember(&mut self, pair: PairId, past: Past) {
        self.rest.statistics.remember(pair, past);
    }

    fn next_wakeup(&self) -> Option<u64> {
        self.stream.next_wakeup().into_iter().chain(self.script.next_due()).chain(self.countdown_ns).min()
    }

    fn on_wakeup(&mut self, t_ns: u64, exchange: &mut Exchange, out: &mut OutputQueue) {
        if self.countdown_ns.is_some_and(|due| due <= t_ns) {
            exchange.fire_countdowns(t_ns);
            self.countdown_ns = exchange.next_countdown();
        }
        for strike in self.script.step(t_ns, &mut self.config.conditions(), &self.pair_names) {
            self.strike(t_ns, &strike, exchange, out);
        }
        let (stream, mut context) = self.stream(t_ns, exchange, out);
        stream.on_wakeup(&mut context);
    }
}
