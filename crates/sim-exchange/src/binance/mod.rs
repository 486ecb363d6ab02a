//! The Binance dialect: what a client of Binance spot sees of one simulated venue.
//!
//! Start at [`BinanceDialect`]. `endpoints` lists what can be asked, over `rest` and over `ws_api` alike; `orders`, `amend`,
//! `account`, `market` and `tickers` answer; `streams` and `events` tell. It shares no code with any Binance client of this project,
//! so that a misreading of the protocol cannot agree with itself.
//!
//! What it does not simulate: stop, iceberg, trailing and pegged orders, order lists, SOR, SBE, FIX, RSA keys, margin, futures and
//! options (`derivatives` lists none), transfers. Prices are not averaged over minutes for `PERCENT_PRICE_BY_SIDE`: the band is
//! the exchange's own, around the last trade. The filters of an order that replaces another are looked at once the other is
//! cancelled.
//!
//! Chosen where Binance says nothing: −1020 for unknown methods of the WebSocket API, 410 for listen keys, the words for a
//! self-trade mode that is not allowed, how many refusals in a row end in a ban, −1130 for windows and time zones that do not
//! exist, the client id before an amendment as `C` of its report. Where it says two things, 409 and 429, of a replacement whose
//! order was cancelled and whose new one met the limit of unfilled orders (`CANCEL_ONLY`): 409.
//!
//! Faults without a meaning here: receipts of order entry (there are none), `spot.obu` increments and whole books in a stream
//! (the difference stream has neither), whole books before an acknowledgement, dead-man switches.

mod account;
mod amend;
mod auth;
mod config;
mod connections;
mod derivatives;
mod endpoints;
mod error;
mod events;
mod market;
mod notes;
mod orders;
mod params;
mod rate;
mod reading;
mod rest;
mod rows;
mod streams;
mod symbols;
mod tamper;
#[cfg(test)]
mod tests;
mod tickers;
mod ws_api;

pub use auth::ApiKey;
pub use config::{BinanceConfig, WS_PATHS};
pub use rate::LimitSizes;

use self::{
    connections::{Connections, Door},
    endpoints::{Endpoint, Security},
    error::ApiError,
    events::TellContext,
    market::{Aggregate, Market},
    notes::Notes,
    rate::Limits,
    rows::Stamp,
    streams::{StreamContext, Streams},
    symbols::Symbols,
    ws_api::{Departing, WsApi},
};
use crate::{
    core::{AccountId, Event, Exchange, ExchangeConfig, PairId},
    faults::{
        Breakage, Conditions, TimedFault,
        incident::{Incident, Incidents},
        script::{FaultScript, Strike},
        take_first, take_one,
    },
    monitor::Monitor,
    shared::balances::BalanceHistory,
    timing::Jitter,
    world::{Dialect, HttpRequest, HttpResponse, OutputQueue, WsFrame},
};

/// What all doors of the venue share.
#[derive(Debug)]
pub(crate) struct State {
    config: BinanceConfig,
    symbols: Symbols,
    limits: Limits,
    market: Market,
    notes: Notes,
    balances: BalanceHistory,
    jitter: Jitter,
    /// Whose account the keys act for.
    user_id: u64,
    start_t_ns: u64,
    /// Client ids made for orders that came without one.
    made_ids: u64,
    /// Reports on orders, told or about to be.
    reports: u64,
}

impl State {
    /// What the venue's clock shows.
    fn clock_ns(&self, t_ns: u64) -> u64 {
        self.config.faults.clock.shown_ns(t_ns)
    }

    fn stamp(&self, t_ns: u64) -> Stamp {
        Stamp { micros: false, ahead_ns: self.config.faults.clock.ahead_ns(t_ns) }
    }
}

/// Who signed, and what the key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    account: AccountId,
    user_id: u64,
    may_trade: bool,
    may_withdraw: bool,
}

/// One request's surroundings.
pub(crate) struct Call<'a> {
    t_ns: u64,
    state: &'a mut State,
    exchange: &'a mut Exchange,
    monitor: &'a mut Monitor,
    stamp: Stamp,
    /// Orders this request got accepted: the faults on replies count these.
    accepted: u64,
}

impl Call<'_> {
    /// The pair of a symbol that is listed.
    fn pair(&self, name: &str) -> Result<PairId, ApiError> {
        let is_plain = name.chars().all(|letter| letter.is_alphanumeric() || "-._".contains(letter));
        if !is_plain || name.chars().any(char::is_lowercase) {
            let msg = "Illegal characters found in parameter 'symbol'; legal range is '^[\\w\\-._&&[^a-z]]{1,50}$'.";
            return Err(ApiError::new(-1100, msg));
        }
        let pair = self.state.symbols.find(name).ok_or_else(ApiError::symbol)?;
        let is_gone =
            self.state.symbols.rules(pair).is_some_and(|rules| self.state.config.faults.delisted_pairs.contains(&rules.id));
        if is_gone { Err(ApiError::symbol()) } else { Ok(pair) }
    }

    /// Whose account a key acts for, if it may do this.
    fn caller(&self, key: &ApiKey, security: Security) -> Result<Caller, ApiError> {
        let user_id = self.state.user_id;
        let account = self.exchange.account_by_user(user_id).filter(|_| key.may_trade || security != Security::Trade);
        let account = account.ok_or_else(auth::invalid_key)?;
        Ok(Caller { account, user_id, may_trade: key.may_trade, may_withdraw: key.may_withdraw })
    }

    /// A client id for what came without one: 22 characters, as Binance makes them.
    fn new_id(&mut self) -> String {
        const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        self.state.made_ids += 1;
        let mut source = Jitter::new(self.state.config.seed ^ self.state.made_ids.rotate_left(40));
        (0..22).map(|_| char::from(LETTERS[(source.next_u64() % 62) as usize])).collect()
    }
}

/// One venue that speaks Binance spot.
#[derive(Debug)]
pub struct BinanceDialect {
    state: State,
    connections: Connections,
    streams: Streams,
    ws_api: WsApi,
    script: FaultScript,
    incidents: Incidents,
    /// Names of all pairs, for faults drawn from a seed.
    pair_names: Vec<String>,
    /// Replies of the WebSocket API that leave in one order with what their request caused.
    deferred: Vec<Departing>,
    private_requests: u64,
    orders_accepted: u64,
    /// The last answer about an order, for the fault that gives it again.
    answered: Option<Vec<u8>>,
    /// The account is in the group of its own that self-trade modes need.
    has_group: bool,
}

impl BinanceDialect {
    /// The dialect of an exchange made from `exchange`, whose keys act for the account of `user_id`.
    pub fn new(config: BinanceConfig, user_id: u64, exchange: &ExchangeConfig, start_t_ns: u64) -> BinanceDialect {
        BinanceDialect {
            connections: Connections::default(),
            streams: Streams::default(),
            ws_api: WsApi::default(),
            script: config.fault_script(start_t_ns),
            incidents: Incidents::default(),
            pair_names: exchange.pairs.iter().map(|pair| pair.id.clone()).collect(),
            deferred: Vec::new(),
            private_requests: 0,
            orders_accepted: 0,
            answered: None,
            has_group: false,
            state: State {
                symbols: Symbols::new(exchange),
                limits: Limits::new(config.limits),
                market: Market::new(exchange.pairs.len()),
                notes: Notes::default(),
                balances: BalanceHistory::default(),
                jitter: Jitter::new(config.seed),
                user_id,
                start_t_ns,
                made_ids: 0,
                reports: 0,
                config,
            },
        }
    }

    /// The settings in force; delays and visibility may be changed while the venue runs.
    pub fn config_mut(&mut self) -> &mut BinanceConfig {
        &mut self.state.config
    }

    fn streams<'a>(&'a mut self, t_ns: u64, exchange: &'a Exchange) -> (&'a mut Streams, StreamContext<'a>) {
        let stamp = self.state.stamp(t_ns);
        let context = StreamContext {
            t_ns,
            symbols: &self.state.symbols,
            exchange,
            market: &self.state.market,
            stamp,
            streams_max: self.state.config.streams_max,
            faults: &mut self.state.config.faults,
        };
        (&mut self.streams, context)
    }

    /// Orders of one account meet in a self-trade group of its own: modes say whom to expire.
    fn group_account(&mut self, exchange: &mut Exchange) {
        if !self.has_group
            && let Some(account) = exchange.account_by_user(self.state.user_id)
        {
            exchange.set_stp_group(account, Some(self.state.user_id));
            self.has_group = true;
        }
    }

    fn forget(&mut self, conn: u64) {
        self.connections.closed(conn);
        self.streams.closed(conn);
        self.ws_api.closed(conn);
        self.deferred.retain(|frame| frame.conn != conn);
    }

    fn send_streams(&mut self, frames: Vec<streams::Departing>, t_ns: u64, out: &mut OutputQueue) {
        for frame in frames {
            let at_ns = t_ns.saturating_add(self.state.jitter.draw(self.state.config.delays.public_push));
            let text = tamper::frame(frame.text, &mut self.state.config.faults);
            out.ws(at_ns, frame.conn, WsFrame::Text(text.into_bytes()));
        }
    }

    fn send(&mut self, mut frames: Vec<Departing>, out: &mut OutputQueue) {
        frames.sort_by_key(|frame| frame.at_ns);
        for frame in frames {
            let text = tamper::frame(frame.text, &mut self.state.config.faults);
            out.ws(frame.at_ns, frame.conn, WsFrame::Text(text.into_bytes()));
        }
    }

    fn strike(&mut self, t_ns: u64, strike: &Strike, exchange: &mut Exchange, out: &mut OutputQueue) {
        let stamp = self.state.stamp(t_ns);
        match strike {
            Strike::ExpireLogins => {
                let frames = self.ws_api.expire_logons(t_ns, stamp);
                self.send(frames, out);
            }
            Strike::Incident(incident) => {
                if let Incident::Halt(name) | Incident::Resume(name) = incident
                    && let Some(pair) = exchange.pair_by_name(name)
                {
                    let is_halted = matches!(incident, Incident::Halt(_));
                    self.state.market.freeze(pair, is_halted.then_some((&*exchange, t_ns)));
                }
                self.incidents.strike(t_ns, incident, exchange);
            }
            Strike::NoticeUpgrade => {
                for conn in self.connections.ids() {
                    self.connections.notice(conn, t_ns, stamp, out);
                }
            }
            Strike::Close => {
                for conn in self.connections.leaving() {
                    connections::close(conn, t_ns, out);
                    self.forget(conn);
                }
            }
            Strike::Cut => {
                for conn in self.connections.ids() {
                    out.ws_close(t_ns, conn);
                    self.forget(conn);
                }
            }
        }
    }

    /// A ban is of the address: REST and the WebSocket API know of it alike (Binance spot API, IP limits).
    fn heed_ban(&mut self, t_ns: u64) {
        let faults = &mut self.state.config.faults;
        faults.banned_until_ns = faults.banned_until_ns.filter(|until| *until > t_ns);
        if let Some(until_ns) = faults.banned_until_ns {
            self.state.limits.ban(until_ns);
        }
    }

    /// The answer to everything while the venue's edge lets nothing in.
    fn shut(&mut self, t_ns: u64, is_private: bool) -> Option<HttpResponse> {
        self.private_requests += u64::from(is_private);
        self.heed_ban(t_ns);
        let faults = &mut self.state.config.faults;
        let is_refused = is_private
            && (faults.too_many_requests.contains(&self.private_requests) || take_one(&mut faults.refuse_next_requests));
        let (is_down, bare) = (faults.maintenance, faults.bare_refusals);
        let error = match self.state.limits.banned(t_ns) {
            Some(error) => error,
            None if is_down => ApiError::unavailable(),
            None if is_refused => rate::refused_by_fault(),
            None => return None,
        };
        let headers = vec![("content-type".to_owned(), "application/json;charset=UTF-8".to_owned())];
        Some(rest::refusal(&error, headers, bare))
    }

    /// The reply as the faults leave it; `None` when it never leaves.
    fn faulted(&mut self, answer: rest::Answer, accepted: u64, is_private: bool) -> Option<HttpResponse> {
        let mut response = answer.response;
        let faults = &mut self.state.config.faults;
        for _ in 0..accepted {
            self.orders_accepted += 1;
            if faults.drop_reply_after_order.contains(&self.orders_accepted) || take_one(&mut faults.lose_next_replies) {
                return None;
            }
            if faults.fail_reply_after_order.contains(&self.orders_accepted) {
                let error = ApiError::new(
                    -1007,
                    "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
                );
                response.status = 504;
                response.body = error.value().to_string().into_bytes();
            }
        }
        if answer.endpoint.is_some_and(Endpoint::is_one_order) && response.status == 200 {
            let before = self.answered.replace(response.body.clone());
            if let Some(before) = before.filter(|_| take_one(&mut faults.stale_next_answers)) {
                response.body = before;
            }
        }
        if let Some(endpoint) = answer.endpoint.filter(|_| response.status == 200) {
            response.body = tamper::reply(endpoint, response.body, faults);
        }
        if is_private && let Some(breakage) = take_first(&mut faults.break_next_replies) {
            break_reply(&mut response, breakage);
        }
        Some(response)
    }
}

fn break_reply(response: &mut HttpResponse, breakage: Breakage) {
    let unknown =
        || ApiError::new(-1000, "An unknown error occurred while processing the request.").value().to_string().into_bytes();
    match breakage {
        Breakage::Html => {
            response.status = 502;
            response.headers = vec![("content-type".to_owned(), "text/html".to_owned())];
            response.body = b"<html><body><h1>502 Bad Gateway</h1></body></html>".to_vec();
        }
        Breakage::ServerError => (response.status, response.body) = (500, unknown()),
        Breakage::GatewayTimeout => (response.status, response.body) = (504, Vec::new()),
        Breakage::Truncated => response.body.truncate(response.body.len() / 2),
        Breakage::ErrorInside => (response.status, response.body) = (200, unknown()),
    }
}

impl Dialect for BinanceDialect {
    fn conditions(&mut self) -> Option<Conditions<'_>> {
        Some(self.state.config.conditions())
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
        let is_private = request.header("x-mbx-apikey").is_some();
        let delays = self.state.config.delays;
        if let Some(response) = self.shut(t_ns, is_private) {
            let at_ns = t_ns.saturating_add(self.state.jitter.draw(delays.rest_read));
            return out.http(at_ns, ticket, response);
        }
        self.group_account(exchange);
        self.state.limits.divide_by(self.state.config.faults.limits_divided_by);
        let stamp = Stamp { micros: rest::wants_micros(&request), ..self.state.stamp(t_ns) };
        let mut call = Call { t_ns, state: &mut self.state, exchange, monitor, stamp, accepted: 0 };
        let answer = rest::answer(&request, &mut call);
        let accepted = call.accepted;
        let is_write = answer.endpoint.is_some_and(Endpoint::is_order_write);
        let delay_ns = self.state.jitter.draw(if is_write { delays.rest_order } else { delays.rest_read });
        if let Some(response) = self.faulted(answer, accepted, is_private) {
            out.http(t_ns.saturating_add(delay_ns), ticket, response);
        }
    }

    fn ws_open(&mut self, t_ns: u64, exchange: &mut Exchange, conn: u64, path: &str, out: &mut OutputQueue) {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let door = match path {
            "/ws-api/v3" => Door::Api,
            _ if path == "/ws" || path.starts_with("/ws/") || path.starts_with("/stream") => Door::Streams,
            _ => return out.ws_close(t_ns, conn),
        };
        self.heed_ban(t_ns);
        if self.state.limits.banned(t_ns).is_some() {
            return out.ws_close(t_ns, conn);
        }
        self.connections.open(conn, door, query, t_ns, &self.state.config);
        let Some(connection) = self.connections.get(conn).cloned() else { return };
        match door {
            Door::Api => {
                // Connecting costs weight; what that exceeds is told with the first request.
                self.state.limits.charge(2, t_ns).ok();
                self.ws_api.open(conn, connection.micros, connection.shows_limits, t_ns);
            }
            Door::Streams => {
                let (streams, mut context) = self.streams(t_ns, exchange);
                streams.open(conn, path, query, connection.micros, &mut context);
            }
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
        if self.connections.get(conn).is_none() {
            return;
        }
        let is_pong = matches!(frame, WsFrame::Pong(_));
        if !self.connections.heard(conn, is_pong, t_ns, &self.state.config) {
            out.ws_close(t_ns, conn);
            return self.forget(conn);
        }
        let delays = self.state.config.delays;
        let text = match frame {
            WsFrame::Text(bytes) | WsFrame::Binary(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            WsFrame::Ping(payload) => {
                let at_ns = t_ns.saturating_add(self.state.jitter.draw(delays.ws_reply));
                return out.ws(at_ns, conn, WsFrame::Pong(payload));
            }
            WsFrame::Pong(_) => return,
            WsFrame::Close => {
                connections::close(conn, t_ns, out);
                return self.forget(conn);
            }
        };
        if !self.ws_api.has(conn) {
            let (streams, mut context) = self.streams(t_ns, exchange);
            if let Some(reply) = streams.on_message(conn, &text, &mut context) {
                let at_ns = t_ns.saturating_add(self.state.jitter.draw(delays.ws_reply));
                out.ws(at_ns, conn, WsFrame::Text(reply.into_bytes()));
            }
            return;
        }
        self.group_account(exchange);
        self.heed_ban(t_ns);
        self.state.limits.divide_by(self.state.config.faults.limits_divided_by);
        let stamp = self.state.stamp(t_ns);
        let mut call = Call { t_ns, state: &mut self.state, exchange, monitor, stamp, accepted: 0 };
        let (answer, more) = self.ws_api.answer(conn, &text, &mut call);
        if answer.is_cut {
            out.ws_close(t_ns, conn);
            return self.forget(conn);
        }
        let delay_ns = self.state.jitter.draw(if answer.is_write { delays.ws_order } else { delays.ws_reply });
        let at_ns = t_ns.saturating_add(delay_ns);
        let reply = answer.text.map(|text| Departing { at_ns, conn, text });
        let frames: Vec<Departing> =
            reply.into_iter().chain(more.into_iter().map(|frame| Departing { at_ns, ..frame })).collect();
        if exchange.has_events() {
            self.deferred.extend(frames);
        } else {
            self.send(frames, out);
        }
    }

    fn ws_closed(&mut self, _t_ns: u64, _exchange: &mut Exchange, conn: u64, _out: &mut OutputQueue) {
        self.forget(conn);
    }

    fn on_events(&mut self, t_ns: u64, exchange: &Exchange, events: &[Event], out: &mut OutputQueue) {
        let mut aggregates: Vec<(PairId, Aggregate)> = Vec::new();
        for event in events {
            match event {
                Event::Book(change) => self.state.market.on_book(change.pair, t_ns, exchange),
                Event::Trade(trade) => {
                    let Some(aggregate) = self.state.market.on_trade(trade) else { continue };
                    match aggregates.iter_mut().rev().find(|(pair, known)| (*pair, known.id) == (trade.pair, aggregate.id)) {
                        Some((_, known)) => *known = aggregate,
                        None => aggregates.push((trade.pair, aggregate)),
                    }
                }
                Event::Balance(change) => {
                    let lag_ns = self.state.config.visibility.balances_stale_ns;
                    self.state.balances.on_change(change, lag_ns);
                }
                Event::Order(_) | Event::Fill(_) => {}
            }
        }
        let stamp = self.state.stamp(t_ns);
        let mut context = TellContext {
            t_ns,
            owner: exchange.account_by_user(self.state.user_id),
            exchange,
            symbols: &self.state.symbols,
            notes: &mut self.state.notes,
            limits: &mut self.state.limits,
            stamp,
            reports: &mut self.state.reports,
        };
        let news = events::tell(events, &mut context);
        let State { config, jitter, .. } = &mut self.state;
        let mut frames = std::mem::take(&mut self.deferred);
        frames.extend(self.ws_api.tell(&news, t_ns, &config.delays, jitter, &mut config.faults));
        self.send(frames, out);
        let (streams, mut context) = self.streams(t_ns, exchange);
        let frames = streams.on_events(events, &aggregates, &mut context);
        self.send_streams(frames, t_ns, out);
    }

    fn next_wakeup(&self) -> Option<u64> {
        let due = [self.streams.next_due(), self.connections.next_due(), self.ws_api.next_due(), self.script.next_due()];
        due.into_iter().flatten().min()
    }

    fn on_wakeup(&mut self, t_ns: u64, exchange: &mut Exchange, out: &mut OutputQueue) {
        let mut conditions = self.state.config.conditions();
        for strike in self.script.step(t_ns, &mut conditions, &self.pair_names) {
            self.strike(t_ns, &strike, exchange, out);
        }
        let stamp = self.state.stamp(t_ns);
        for conn in self.connections.step(t_ns, &self.state.config, stamp, out) {
            self.streams.closed(conn);
            self.ws_api.closed(conn);
        }
        let frames = self.ws_api.step(t_ns);
        self.send(frames, out);
        let (streams, mut context) = self.streams(t_ns, exchange);
        let frames = streams.step(&mut context);
        self.send_streams(frames, t_ns, out);
    }
}
