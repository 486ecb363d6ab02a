//! The WebSocket half: sockets, logins, subscriptions, and who is told what when (Bybit API v5, WebSocket connect).
//!
//! Start at [`Stream::on_frame`] for what clients say, [`Stream::on_events`] for what happened in the exchange, and
//! [`Stream::on_wakeup`] for pushes whose tick has come. Books go out on a time grid of their depth, each pair with its own
//! phase, and only when something changed; trades and private rows go out at once, each topic after its own delay.
//!
//! What a push says is made in `stream_book` and `stream_private`; requests of order entry are handed back to the caller, and
//! their replies come back through [`Stream::say`].

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{
    PRIVATE_WS_PATH, PUBLIC_WS_PATH, TRADE_WS_PATH,
    auth::verify_socket,
    config::{BybitConfig, BybitKey},
    error::ApiError,
    memory::Memory,
    params::Params,
    rows::RowContext,
    statistics::Statistics,
    stream_book::{Feed, PushContext, REPEAT_NS, trades_frame},
    stream_private::PrivateRows,
    symbols::Symbols,
    tamper,
    topics::{self, FeedKind, PrivateKind},
};
use crate::{
    core::{AccountId, Event, Exchange, PairId, PublicTrade},
    faults::{
        private::{PrivateFate, PrivateOrder},
        script::Strike,
    },
    shared::time::next_tick,
    timing::{DelayRange, Jitter},
    world::{OutputQueue, WsFrame},
};

/// A private frame that waits for the one behind it leaves after this long even if none comes.
const HELD_MAX_NS: u64 = 500_000_000;
/// The second copy of a doubled private frame is this late.
const DOUBLE_AFTER_NS: u64 = 3_000_000;
/// Request ids of order entry remembered per socket, so that none is used twice.
const REQUEST_IDS_MAX: usize = 20_000;
/// `max_active_time` lies between these, seconds.
const ACTIVE_S: (u64, u64) = (30, 600);

/// What a socket is for, by its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Public topics of spot.
    Spot,
    /// Public topics of a product of which nothing is listed here.
    OtherPublic,
    Private,
    Trade,
}

/// Who logged in on a socket.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) key: BybitKey,
    pub(super) account: AccountId,
}

#[derive(Debug)]
struct Connection {
    role: Role,
    last_traffic_ns: u64,
    cutoff_ns: u64,
    login: Option<Login>,
    /// The service behind it is being restarted.
    is_leaving: bool,
    feeds: BTreeSet<(PairId, FeedKind)>,
    topics: BTreeMap<String, PrivateKind>,
    request_ids: BTreeSet<String>,
    /// Private frames that wait for the one behind them.
    held: Vec<Departing>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Push(PairId, FeedKind),
    Repeat(PairId, FeedKind),
    IdleCheck(u64),
    Held(u64),
}

/// A frame on its way.
#[derive(Clone, Debug)]
struct Departing {
    at_ns: u64,
    conn: u64,
    text: String,
}

/// A request of order entry that may be carried out, or the refusal that its socket already knows.
#[derive(Debug)]
pub(super) struct TradeCall {
    pub(super) request: Map<String, Value>,
    pub(super) login: Result<Login, ApiError>,
}

/// All sockets of one venue and what they follow.
#[derive(Debug)]
pub(super) struct Stream {
    connections: BTreeMap<u64, Connection>,
    /// By pair.
    feeds: Vec<BTreeMap<FeedKind, Feed>>,
    due: BTreeSet<(u64, Due)>,
    deltas: u64,
    private_order: PrivateOrder,
}

/// What every call needs.
pub(super) struct StreamContext<'a> {
    pub(super) t_ns: u64,
    pub(super) config: &'a mut BybitConfig,
    pub(super) symbols: &'a Symbols,
    pub(super) jitter: &'a mut Jitter,
    pub(super) exchange: &'a Exchange,
    pub(super) statistics: &'a Statistics,
    pub(super) memory: &'a Memory,
    pub(super) out: &'a mut OutputQueue,
}

impl StreamContext<'_> {
    fn after(&mut self, range: DelayRange) -> u64 {
        self.t_ns.saturating_add(self.jitter.draw(range))
    }

    fn rows(&self) -> RowContext<'_> {
        RowContext { symbols: self.symbols, memory: self.memory, exchange: self.exchange, clock: self.config.faults.clock }
    }
}

/// A connection's id as frames show it.
pub(super) fn conn_id(conn: u64) -> String {
    format!("sim{conn:017x}-{:x}", conn % 251)
}

impl Stream {
    pub(super) fn new(pairs: usize) -> Stream {
        Stream {
            connections: BTreeMap::new(),
            feeds: (0..pairs).map(|_| BTreeMap::new()).collect(),
            due: BTreeSet::new(),
            deltas: 0,
            private_order: PrivateOrder::default(),
        }
    }

    pub(super) fn next_wakeup(&self) -> Option<u64> {
        self.due.first().map(|(t_ns, _)| *t_ns)
    }

    /// Sockets that follow a topic of the protection against disconnects.
    pub(super) fn protected(&self) -> usize {
        let follows = |connection: &&Connection| connection.topics.values().any(|kind| *kind == PrivateKind::Protection);
        self.connections.values().filter(follows).count()
    }

    /// Opens a socket. False when the venue has none on this path.
    pub(super) fn on_open(&mut self, conn: u64, path: &str, t_ns: u64, config: &BybitConfig) -> bool {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let role = match path {
            PUBLIC_WS_PATH => Role::Spot,
            PRIVATE_WS_PATH => Role::Private,
            TRADE_WS_PATH => Role::Trade,
            _ if super::WS_PATHS.contains(&path) => Role::OtherPublic,
            _ => return false,
        };
        let asked_ns = Params::of_query(query).get("max_active_time").and_then(active_time_ns);
        let cutoff_ns = asked_ns.unwrap_or(config.idle_cutoff_ns).min(config.idle_cutoff_ns).max(1);
        let connection = Connection {
            role,
            last_traffic_ns: t_ns,
            cutoff_ns,
            login: None,
            is_leaving: false,
            feeds: BTreeSet::new(),
            topics: BTreeMap::new(),
            request_ids: BTreeSet::new(),
            held: Vec::new(),
        };
        self.due.insert((t_ns.saturating_add(cutoff_ns), Due::IdleCheck(conn)));
        self.connections.insert(conn, connection);
        true
    }

    pub(super) fn on_closed(&mut self, conn: u64) {
        let Some(connection) = self.connections.remove(&conn) else { return };
        self.due.retain(|(_, due)| *due != Due::IdleCheck(conn) && *due != Due::Held(conn));
        for (pair, kind) in connection.feeds {
            self.leave(conn, pair, kind);
        }
    }

    fn leave(&mut self, conn: u64, pair: PairId, kind: FeedKind) {
        let Some(feeds) = self.feeds.get_mut(pair.index()) else { return };
        if let Some(feed) = feeds.get_mut(&kind) {
            feed.subscribers.remove(&conn);
            feed.fresh.remove(&conn);
            if feed.subscribers.is_empty() {
                feeds.remove(&kind);
            }
        }
    }

    /// Handles a frame. A request of order entry is handed back: it acts on the exchange, which this half only reads.
    pub(super) fn on_frame(&mut self, conn: u64, frame: WsFrame, context: &mut StreamContext<'_>) -> Option<TradeCall> {
        let connection = self.connections.get_mut(&conn)?;
        connection.last_traffic_ns = connection.last_traffic_ns.max(context.t_ns);
        match frame {
            WsFrame::Text(bytes) | WsFrame::Binary(bytes) => return self.on_text(conn, &bytes, context),
            WsFrame::Ping(payload) => {
                let at_ns = context.after(context.config.delays.ws_reply);
                context.out.ws(at_ns, conn, WsFrame::Pong(payload));
            }
            WsFrame::Pong(_) => {}
            WsFrame::Close => {
                let at_ns = context.after(context.config.delays.ws_reply);
                self.close(conn, at_ns, context);
            }
        }
        None
    }

    fn on_text(&mut self, conn: u64, bytes: &[u8], context: &mut StreamContext<'_>) -> Option<TradeCall> {
        let role = self.connections.get(&conn)?.role;
        let at_ns = context.after(context.config.delays.ws_reply);
        let Ok(Value::Object(request)) = serde_json::from_slice::<Value>(bytes) else {
            let reply =
                json!({"success": false, "ret_msg": "error:request is no JSON object", "conn_id": conn_id(conn), "op": ""});
            self.say(conn, at_ns, reply.to_string(), context);
            return None;
        };
        let op = request.get("op").and_then(Value::as_str).unwrap_or_default();
        if role == Role::Trade {
            return self.on_trade_request(conn, request, at_ns, context);
        }
        let ms = context.config.clock_ms(at_ns);
        let mut books = Vec::new();
        let mut reply = match (op, role) {
            ("ping", Role::Private) => json!({"op": "pong", "args": [ms.to_string()], "conn_id": conn_id(conn)}),
            ("ping", _) => acknowledgement(conn, "ping", Ok("pong")),
            ("auth", Role::Private) => {
                let result = self.log_in(conn, &request, context);
                acknowledgement(conn, "auth", result.map(|()| "").map_err(|error| error.message))
            }
            ("subscribe" | "unsubscribe", _) => {
                let is_subscribe = op == "subscribe";
                let result = self.on_subscription(conn, &request, is_subscribe, &mut books, context);
                if result.is_ok() && context.config.faults.swallow_acknowledgements {
                    self.say_first(conn, at_ns, &books, context);
                    return None;
                }
                let word = if role == Role::Private { "" } else { op };
                acknowledgement(conn, op, result.map(|()| word))
            }
            _ => acknowledgement(conn, op, Err("error:invalid op".to_owned())),
        };
        if let Some(id) = request.get("req_id") {
            reply["req_id"] = id.clone();
        }
        self.say(conn, at_ns, reply.to_string(), context);
        self.say_first(conn, at_ns, &books, context);
        None
    }

    /// Sends the first state of the feeds that were just subscribed to.
    fn say_first(&mut self, conn: u64, at_ns: u64, books: &[(PairId, FeedKind)], context: &mut StreamContext<'_>) {
        for (pair, kind) in books {
            let first_ns = at_ns.saturating_add(context.jitter.draw(context.config.delays.public_push));
            let Some(feed) = self.feeds.get_mut(pair.index()).and_then(|feeds| feeds.get_mut(kind)) else { continue };
            let mut push = PushContext {
                at_ns: first_ns,
                config: context.config,
                symbols: context.symbols,
                exchange: context.exchange,
                statistics: context.statistics,
                deltas: &mut self.deltas,
            };
            if let Some(text) = feed.first_frame(*pair, *kind, &mut push) {
                feed.fresh.remove(&conn);
                self.say(conn, first_ns, text, context);
            }
        }
    }

    fn log_in(&mut self, conn: u64, request: &Map<String, Value>, context: &StreamContext<'_>) -> Result<(), ApiError> {
        let word = |index: usize| match request.get("args").and_then(|args| args.get(index)) {
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        let (Some(name), Some(expires), Some(sign)) = (word(0), word(1), word(2)) else {
            return Err(ApiError::new(10_001, "Params Error"));
        };
        let now_ms = context.config.clock_ms(context.t_ns);
        let key = verify_socket(&name, &expires, &sign, &context.config.keys, now_ms)?;
        let account = context.exchange.account_by_user(key.user_id).ok_or_else(ApiError::invalid_key)?;
        let Some(connection) = self.connections.get_mut(&conn) else { return Ok(()) };
        if connection.login.is_some() {
            return Err(ApiError::new(20_001, "repeat auth"));
        }
        connection.login = Some(Login { key: key.clone(), account });
        Ok(())
    }

    /// A request on the socket of order entry: pings and logins are answered here.
    fn on_trade_request(
        &mut self,
        conn: u64,
        request: Map<String, Value>,
        at_ns: u64,
        context: &mut StreamContext<'_>,
    ) -> Option<TradeCall> {
        let op = request.get("op").and_then(Value::as_str).unwrap_or_default().to_owned();
        if op == "ping" || op == "auth" {
            let mut reply = json!({"retCode": 0, "retMsg": "OK", "op": op, "connId": conn_id(conn)});
            if op == "ping" {
                reply["op"] = json!("pong");
                reply["data"] = json!([context.config.clock_ms(at_ns).to_string()]);
            } else if let Err(error) = self.log_in(conn, &request, context) {
                reply["retCode"] = json!(error.code);
                reply["retMsg"] = json!(error.message);
            }
            if let Some(id) = request.get("reqId").or_else(|| request.get("req_id")) {
                reply["reqId"] = id.clone();
            }
            self.say(conn, at_ns, reply.to_string(), context);
            return None;
        }
        let connection = self.connections.get_mut(&conn)?;
        let id = request.get("reqId").and_then(Value::as_str).unwrap_or_default();
        let login = if connection.is_leaving {
            Err(ApiError::new(10_019, "ws trade service is restarting, please connect anew."))
        } else if !id.is_empty() && !connection.request_ids.insert(id.to_owned()) {
            Err(ApiError::new(20_006, "Duplicate reqId."))
        } else {
            connection.login.clone().ok_or_else(ApiError::not_logged_in)
        };
        if connection.request_ids.len() > REQUEST_IDS_MAX {
            connection.request_ids.pop_first();
        }
        Some(TradeCall { request, login })
    }

    /// Subscribes or leaves. `books` gets the feeds whose state is to be sent at once.
    fn on_subscription(
        &mut self,
        conn: u64,
        request: &Map<String, Value>,
        is_subscribe: bool,
        books: &mut Vec<(PairId, FeedKind)>,
        context: &mut StreamContext<'_>,
    ) -> Result<(), String> {
        let Some(connection) = self.connections.get(&conn) else { return Ok(()) };
        let args = request.get("args").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let args: Option<Vec<String>> = args.iter().map(|arg| arg.as_str().map(str::to_owned)).collect();
        let args = args.ok_or_else(|| "error:args must be strings".to_owned())?;
        topics::check_size(&args, connection.role == Role::Spot)?;
        match connection.role {
            Role::Spot => self.set_feeds(conn, &args, is_subscribe, books, context),
            Role::Private if connection.login.is_none() => Err("Request not authorized".to_owned()),
            Role::Private => {
                let wanted = topics::private(&args)?;
                let unserved = context.config.faults.acknowledge_without_service;
                let Some(connection) = self.connections.get_mut(&conn) else { return Ok(()) };
                for (topic, kind) in wanted {
                    if !is_subscribe {
                        connection.topics.remove(&topic);
                    } else if !unserved {
                        connection.topics.insert(topic, kind);
                    }
                }
                Ok(())
            }
            // Nothing is listed there.
            Role::OtherPublic | Role::Trade => Err(format!("error:handler not found,topic:{}", args.join(","))),
        }
    }

    fn set_feeds(
        &mut self,
        conn: u64,
        args: &[String],
        is_subscribe: bool,
        books: &mut Vec<(PairId, FeedKind)>,
        context: &mut StreamContext<'_>,
    ) -> Result<(), String> {
        let wanted = topics::public(args, context.symbols, &context.config.faults)?;
        let Some(connection) = self.connections.get_mut(&conn) else { return Ok(()) };
        if !is_subscribe {
            for feed in &wanted {
                connection.feeds.remove(feed);
            }
            for (pair, kind) in wanted {
                self.leave(conn, pair, kind);
            }
            return Ok(());
        }
        if let Some((_, topic)) = wanted.iter().zip(args).find(|(feed, _)| connection.feeds.contains(feed)) {
            return Err(format!("error:already subscribed,topic:{topic}"));
        }
        if context.config.faults.acknowledge_without_service {
            return Ok(());
        }
        connection.feeds.extend(wanted.iter().copied());
        for (pair, kind) in wanted {
            let Some(feeds) = self.feeds.get_mut(pair.index()) else { continue };
            let feed = feeds.entry(kind).or_default();
            feed.subscribers.insert(conn);
            feed.open(pair, kind, context.exchange);
            let is_silent = context.config.faults.is_silent(context.symbols.id_of(pair));
            match kind {
                FeedKind::Trades => {}
                FeedKind::Candles(_) => self.plan(pair, kind, context.t_ns, context.config.seed),
                FeedKind::Book(_) | FeedKind::Ticker => {
                    feed.fresh.insert(conn);
                    if is_silent || feed.is_behind {
                        // A silent pair owes its first state until it speaks again, in its next tick.
                        self.plan(pair, kind, context.t_ns, context.config.seed);
                    } else {
                        books.push((pair, kind));
                    }
                    self.plan_repeat(pair, kind, context.t_ns);
                }
            }
        }
        Ok(())
    }

    /// Plans a push of the feed for its next tick, unless one is planned.
    fn plan(&mut self, pair: PairId, kind: FeedKind, t_ns: u64, seed: u64) {
        let Some(feed) = self.feeds.get_mut(pair.index()).and_then(|feeds| feeds.get_mut(&kind)) else { return };
        if !feed.is_planned {
            feed.is_planned = true;
            self.due.insert((next_tick(pair, kind.interval_ns(), t_ns, seed), Due::Push(pair, kind)));
        }
    }

    /// Plans the repetition of a touch that does not change.
    fn plan_repeat(&mut self, pair: PairId, kind: FeedKind, from_ns: u64) {
        if kind != FeedKind::Book(1) {
            return;
        }
        let Some(feed) = self.feeds.get_mut(pair.index()).and_then(|feeds| feeds.get_mut(&kind)) else { return };
        if !feed.repeats {
            feed.repeats = true;
            self.due.insert((from_ns.saturating_add(REPEAT_NS), Due::Repeat(pair, kind)));
        }
    }

    /// Tells what happened.
    pub(super) fn on_events(&mut self, events: &[Event], context: &mut StreamContext<'_>) {
        let mut departing = Vec::new();
        let mut trades: BTreeMap<PairId, Vec<&PublicTrade>> = BTreeMap::new();
        for event in events {
            match event {
                Event::Book(change) => {
                    let Some(feeds) = self.feeds.get(change.pair.index()).filter(|feeds| !feeds.is_empty()) else { continue };
                    let books = feeds.iter().filter(|(kind, feed)| matches!(kind, FeedKind::Book(_)) && !feed.is_planned);
                    for kind in books.map(|(kind, _)| *kind).collect::<Vec<FeedKind>>() {
                        self.plan(change.pair, kind, context.t_ns, context.config.seed);
                    }
                }
                Event::Trade(trade) => trades.entry(trade.pair).or_default().push(trade),
                Event::Order(_) | Event::Fill(_) | Event::Balance(_) => {}
            }
        }
        for (pair, trades) in trades {
            self.plan(pair, FeedKind::Ticker, context.t_ns, context.config.seed);
            let feed = self.feeds.get(pair.index()).and_then(|feeds| feeds.get(&FeedKind::Trades));
            let Some(feed) = feed.filter(|_| !context.config.faults.is_silent(context.symbols.id_of(pair))) else { continue };
            let at_ns = context.t_ns.saturating_add(context.jitter.draw(context.config.delays.public_push));
            let text = trades_frame(pair, &trades, context.symbols, at_ns, context.config);
            departing.extend(feed.subscribers.iter().map(|conn| Departing { at_ns, conn: *conn, text: text.clone() }));
        }
        let is_private = |event: &Event| matches!(event, Event::Order(_) | Event::Fill(_) | Event::Balance(_));
        if events.iter().any(is_private) {
            self.tell_private(events, &mut departing, context);
        }
        self.send(departing, context);
    }

    /// One frame per socket and topic, with all rows of this batch.
    fn tell_private(&mut self, events: &[Event], departing: &mut Vec<Departing>, context: &mut StreamContext<'_>) {
        if context.config.faults.is_mute() {
            return;
        }
        for (conn, connection) in &mut self.connections {
            let Some(login) = &connection.login else { continue };
            for (topic, kind) in &connection.topics {
                let rows = PrivateRows { events, account: login.account, context: context.rows(), t_ns: context.t_ns };
                let Some((delay, text)) = rows.frame(topic, *kind, &context.config.delays) else { continue };
                let frame = Departing { at_ns: context.after(delay), conn: *conn, text };
                let tells_fills = matches!(kind, PrivateKind::Executions | PrivateKind::FastExecutions);
                match self.private_order.next(tells_fills, &mut context.config.faults) {
                    PrivateFate::Lost => continue,
                    PrivateFate::Held => {
                        connection.held.push(frame);
                        self.due.insert((context.t_ns.saturating_add(HELD_MAX_NS), Due::Held(*conn)));
                        continue;
                    }
                    PrivateFate::Doubled => {
                        departing.push(Departing { at_ns: frame.at_ns + DOUBLE_AFTER_NS, ..frame.clone() });
                    }
                    PrivateFate::Usual => {}
                }
                let at_ns = frame.at_ns;
                departing.push(frame);
                departing.extend(connection.held.drain(..).map(|held| Departing { at_ns, ..held }));
            }
        }
    }

    /// Pushes whose tick has come, and idle sockets.
    pub(super) fn on_wakeup(&mut self, context: &mut StreamContext<'_>) {
        let mut departing = Vec::new();
        while let Some((at_ns, due)) = self.due.first().copied() {
            if at_ns > context.t_ns {
                break;
            }
            self.due.pop_first();
            match due {
                Due::Push(pair, kind) => self.push(pair, kind, &mut departing, context),
                Due::Repeat(pair, kind) => self.repeat(pair, kind, context),
                Due::IdleCheck(conn) => self.check_idle(conn, context),
                Due::Held(conn) => {
                    if let Some(connection) = self.connections.get_mut(&conn) {
                        let held = connection.held.drain(..);
                        departing.extend(held.map(|held| Departing { at_ns: context.t_ns, ..held }));
                    }
                }
            }
        }
        self.send(departing, context);
    }

    fn push(&mut self, pair: PairId, kind: FeedKind, departing: &mut Vec<Departing>, context: &mut StreamContext<'_>) {
        let Some(feed) = self.feeds.get_mut(pair.index()).and_then(|feeds| feeds.get_mut(&kind)) else { return };
        feed.is_planned = false;
        // Held back while silent, not lost: after the silence the next message covers all of it.
        feed.is_behind = context.config.faults.is_silent(context.symbols.id_of(pair));
        if !feed.is_behind {
            let at_ns = context.t_ns.saturating_add(context.jitter.draw(context.config.delays.public_push));
            let mut push = PushContext {
                at_ns,
                config: context.config,
                symbols: context.symbols,
                exchange: context.exchange,
                statistics: context.statistics,
                deltas: &mut self.deltas,
            };
            for (text, to) in feed.tick(pair, kind, &mut push) {
                departing.extend(to.into_iter().map(|conn| Departing { at_ns, conn, text: text.clone() }));
            }
        }
        let owes_more = !feed.fresh.is_empty() || matches!(kind, FeedKind::Candles(_));
        if owes_more {
            self.plan(pair, kind, context.t_ns, context.config.seed);
        }
    }

    /// The time of a repetition has come: now, if nothing was said meanwhile.
    fn repeat(&mut self, pair: PairId, kind: FeedKind, context: &mut StreamContext<'_>) {
        let Some(feed) = self.feeds.get_mut(pair.index()).and_then(|feeds| feeds.get_mut(&kind)) else { return };
        feed.repeats = false;
        let said_ns = feed.said_ns();
        let from_ns = if context.t_ns.saturating_sub(said_ns) >= REPEAT_NS { context.t_ns } else { said_ns };
        if from_ns == context.t_ns {
            self.plan(pair, kind, context.t_ns, context.config.seed);
        }
        self.plan_repeat(pair, kind, from_ns);
    }

    fn check_idle(&mut self, conn: u64, context: &mut StreamContext<'_>) {
        let Some(connection) = self.connections.get(&conn) else { return };
        let cut_ns = connection.last_traffic_ns.saturating_add(connection.cutoff_ns);
        if cut_ns <= context.t_ns {
            self.cut(conn, context);
        } else {
            self.due.insert((cut_ns, Due::IdleCheck(conn)));
        }
    }

    /// Cuts a socket without a close frame, as seen by its client.
    pub(super) fn cut(&mut self, conn: u64, context: &mut StreamContext<'_>) {
        context.out.ws_close(context.t_ns, conn);
        self.on_closed(conn);
    }

    fn close(&mut self, conn: u64, at_ns: u64, context: &mut StreamContext<'_>) {
        context.out.ws(at_ns, conn, WsFrame::Close);
        context.out.ws_close(at_ns, conn);
        self.on_closed(conn);
    }

    /// Does to all sockets what a scripted fault asks. Bybit announces no upgrade: while the service restarts, order entry is
    /// refused (`10019`) and books begin anew with `u` 1; then the sockets are closed.
    pub(super) fn strike(&mut self, strike: &Strike, context: &mut StreamContext<'_>) {
        let all: Vec<u64> = self.connections.keys().copied().collect();
        match strike {
            Strike::NoticeUpgrade => {
                self.connections.values_mut().for_each(|connection| connection.is_leaving = true);
                let mut restarted = Vec::new();
                for (pair, feeds) in (0u32..).map(PairId).zip(&mut self.feeds) {
                    for (kind, feed) in feeds.iter_mut().filter(|(kind, _)| matches!(kind, FeedKind::Book(_))) {
                        feed.restart();
                        restarted.push((pair, *kind));
                    }
                }
                for (pair, kind) in restarted {
                    self.plan(pair, kind, context.t_ns, context.config.seed);
                }
            }
            Strike::Close => {
                let leaving = |conn: &u64| self.connections.get(conn).is_some_and(|connection| connection.is_leaving);
                for conn in all.into_iter().filter(leaving).collect::<Vec<u64>>() {
                    self.close(conn, context.t_ns, context);
                }
            }
            Strike::Cut => all.into_iter().for_each(|conn| self.cut(conn, context)),
            // A login lasts as long as its socket.
            Strike::ExpireLogins | Strike::Incident(_) => {}
        }
    }

    /// Sends one frame.
    pub(super) fn say(&mut self, conn: u64, at_ns: u64, text: String, context: &mut StreamContext<'_>) {
        self.send(vec![Departing { at_ns, conn, text }], context);
    }

    /// Hands frames over in the order they leave: topics may overtake each other, the frames of one never do, since the sort is
    /// stable and the queue keeps each socket's order.
    fn send(&mut self, mut departing: Vec<Departing>, context: &mut StreamContext<'_>) {
        departing.sort_by_key(|frame| frame.at_ns);
        for Departing { at_ns, conn, text } in departing {
            if let Some(connection) = self.connections.get_mut(&conn) {
                connection.last_traffic_ns = connection.last_traffic_ns.max(at_ns);
                let text = tamper::frame(text, &mut context.config.faults);
                context.out.ws(at_ns, conn, WsFrame::Text(text.into_bytes()));
            }
        }
    }
}

/// An answer to a request on a stream: `ret_msg` of a success, or of the refusal.
fn acknowledgement(conn: u64, op: &str, result: Result<&str, String>) -> Value {
    let (success, message) = match &result {
        Ok(word) => (true, *word),
        Err(message) => (false, message.as_str()),
    };
    json!({"success": success, "ret_msg": message, "conn_id": conn_id(conn), "op": op})
}

/// `max_active_time`: `30s` to `600s`, or whole minutes.
fn active_time_ns(text: &str) -> Option<u64> {
    let seconds = match (text.strip_suffix('s'), text.strip_suffix('m')) {
        (Some(seconds), _) => seconds.parse::<u64>().ok()?,
        (None, Some(minutes)) => minutes.parse::<u64>().ok()?.checked_mul(60)?,
        (None, None) => return None,
    };
    (ACTIVE_S.0..=ACTIVE_S.1).contains(&seconds).then_some(seconds * 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_may_ask_for_a_shorter_life() {
        assert_eq!(active_time_ns("45s"), Some(45_000_000_000));
        assert_eq!(active_time_ns("2m"), Some(120_000_000_000));
        for bad in ["", "29s", "601s", "11m", "1h", "x"] {
            assert_eq!(active_time_ns(bad), None, "{bad}");
        }
    }
}
