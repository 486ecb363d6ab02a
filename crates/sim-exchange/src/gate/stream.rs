//! The WebSocket half: connections, subscriptions, and who is told what when (Gate API v4, WebSocket).
//!
//! Start at [`Stream::on_frame`] for what clients say, [`Stream::on_events`] for what happened in the exchange, and
//! [`Stream::on_wakeup`] for pushes whose tick has come. Books go out on a time grid of their interval, each pair with its
//! own phase, and only when something changed; trades and private rows go out at once, each channel after its own delay, so
//! that fills may be told before orders and either before the reply to the order.
//!
//! What a push says is made in `stream_book`, `stream_candles` and `stream_private`; calls of order entry are handed back to
//! the caller, and their frames come back through [`Stream::deliver`].

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    auth::{CLOCK_TOLERANCE_NS, verify_channel},
    channel::{FeedKind, PrivateChannel, Topics},
    config::GateConfig,
    error::ApiError,
    frame::{ApiCall, Frame, Reply, ReplyError, Request, Status, code, push, to_json},
    market_data::MarketStatistics,
    render::{Symbols, public_trade_push},
    stream_book::{Feed, Made, PushContext},
    stream_private::PrivateRows,
    tamper,
};
use crate::{
    core::{AccountId, Event, Exchange, PairId, PublicTrade, Side},
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

#[derive(Debug, Default)]
struct Connection {
    last_traffic_ns: u64,
    /// Has subscribed to something or called order entry.
    is_active: bool,
    /// Was told to move to another connection.
    is_leaving: bool,
    /// Names of its `spot.obu` streams, served or not.
    obu: BTreeSet<String>,
    /// Per private channel and account: the pairs wanted, `None` for all.
    private: BTreeMap<(PrivateChannel, AccountId), Option<BTreeSet<PairId>>>,
    /// Private frames that wait for the one behind them.
    held: Vec<Departing>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Push(PairId, FeedKind),
    IdleCheck(u64),
    Held(u64),
}

/// A frame on its way.
#[derive(Clone, Debug)]
pub(super) struct Departing {
    /// When it leaves, unless a frame before it leaves later.
    pub(super) at_ns: u64,
    /// To whom.
    pub(super) conn: u64,
    /// Its JSON.
    pub(super) text: String,
}

/// All connections of one venue and what they follow.
#[derive(Debug)]
pub(super) struct Stream {
    connections: BTreeMap<u64, Connection>,
    /// By pair.
    feeds: Vec<BTreeMap<FeedKind, Feed>>,
    due: BTreeSet<(u64, Due)>,
    made: Made,
    private_order: PrivateOrder,
    /// Replies of order entry that go out together with what their call caused.
    deferred: Vec<Departing>,
    requests: u64,
}

/// What every call needs.
pub(super) struct StreamContext<'a> {
    pub(super) t_ns: u64,
    pub(super) config: &'a mut GateConfig,
    pub(super) symbols: &'a Symbols,
    pub(super) jitter: &'a mut Jitter,
    pub(super) exchange: &'a Exchange,
    pub(super) statistics: &'a MarketStatistics,
    pub(super) out: &'a mut OutputQueue,
}

impl StreamContext<'_> {
    fn after(&mut self, range: DelayRange) -> u64 {
        self.t_ns.saturating_add(self.jitter.draw(range))
    }
}

impl Stream {
    pub(super) fn new(pairs: usize) -> Stream {
        Stream {
            connections: BTreeMap::new(),
            feeds: (0..pairs).map(|_| BTreeMap::new()).collect(),
            due: BTreeSet::new(),
            made: Made::default(),
            private_order: PrivateOrder::default(),
            deferred: Vec::new(),
            requests: 0,
        }
    }

    pub(super) fn next_wakeup(&self) -> Option<u64> {
        self.due.first().map(|(t_ns, _)| *t_ns)
    }

    pub(super) fn on_open(&mut self, conn: u64, t_ns: u64, config: &GateConfig) {
        let connection = Connection { last_traffic_ns: t_ns, ..Connection::default() };
        self.due.insert((cut_at(&connection, config), Due::IdleCheck(conn)));
        self.connections.insert(conn, connection);
    }

    pub(super) fn on_closed(&mut self, conn: u64) {
        self.connections.remove(&conn);
        self.due.retain(|(_, due)| *due != Due::IdleCheck(conn) && *due != Due::Held(conn));
        for feeds in &mut self.feeds {
            for feed in feeds.values_mut() {
                feed.subscribers.remove(&conn);
                feed.fresh.remove(&conn);
            }
            feeds.retain(|_, feed| !feed.subscribers.is_empty());
        }
    }

    /// Handles a frame. A call of order entry is handed back: it acts on the exchange, which this half only reads.
    pub(super) fn on_frame(&mut self, conn: u64, frame: WsFrame, context: &mut StreamContext<'_>) -> Option<ApiCall> {
        let connection = self.connections.get_mut(&conn)?;
        connection.last_traffic_ns = connection.last_traffic_ns.max(context.t_ns);
        match frame {
            WsFrame::Text(bytes) | WsFrame::Binary(bytes) => {
                self.requests += 1;
                let request = match Frame::parse(&String::from_utf8_lossy(&bytes)) {
                    Ok(Frame::Api(call)) => {
                        connection.is_active = true;
                        return Some(call);
                    }
                    Ok(Frame::Request(request)) => Ok(request),
                    Err(malformed) => Err(malformed),
                };
                let at_ns = context.after(context.config.delays.ws_reply);
                let frames = match request {
                    Ok(request) => self.on_request(conn, &request, at_ns, context),
                    Err(_) if !context.config.answer_malformed => Vec::new(),
                    Err(malformed) => {
                        let error = ReplyError { code: code::MALFORMED, message: malformed.message.to_owned() };
                        vec![Departing { at_ns, conn, text: self.reply(conn, malformed.read.as_deref(), Err(error), at_ns) }]
                    }
                };
                self.send(frames, context);
            }
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

    /// Sends the frames of a call of order entry. With `with_events` they leave in one order with what the call caused, which
    /// is told by the next [`Stream::on_events`].
    pub(super) fn deliver(&mut self, frames: Vec<Departing>, with_events: bool, context: &mut StreamContext<'_>) {
        if with_events {
            self.deferred.extend(frames);
        } else {
            self.send(frames, context);
        }
    }

    /// Cuts a connection without a close frame, as seen by its client.
    pub(super) fn cut(&mut self, conn: u64, context: &mut StreamContext<'_>) {
        context.out.ws_close(context.t_ns, conn);
        self.on_closed(conn);
    }

    fn close(&mut self, conn: u64, at_ns: u64, context: &mut StreamContext<'_>) {
        context.out.ws(at_ns, conn, WsFrame::Close);
        context.out.ws_close(at_ns, conn);
        self.on_closed(conn);
    }

    /// Does to all connections what a scripted fault asks. Returns the connections that are gone.
    pub(super) fn strike(&mut self, strike: &Strike, context: &mut StreamContext<'_>) -> Vec<u64> {
        let all: Vec<u64> = self.connections.keys().copied().collect();
        match strike {
            Strike::NoticeUpgrade => {
                let text = push("spot.system", context.t_ns, SystemRow { kind: "upgrade", msg: UPGRADE_TEXT });
                for connection in self.connections.values_mut() {
                    connection.is_leaving = true;
                }
                let frame = |conn| Departing { at_ns: context.t_ns, conn, text: text.clone() };
                self.send(all.into_iter().map(frame).collect(), context);
                Vec::new()
            }
            Strike::Close => {
                let leaving = |conn: &u64| self.connections.get(conn).is_some_and(|connection| connection.is_leaving);
                let gone: Vec<u64> = all.into_iter().filter(leaving).collect();
                for conn in &gone {
                    self.close(*conn, context.t_ns, context);
                }
                gone
            }
            Strike::Cut => {
                for conn in &all {
                    self.cut(*conn, context);
                }
                all
            }
            // Not about connections.
            Strike::ExpireLogins | Strike::Incident(_) => Vec::new(),
        }
    }

    /// Handles one request: the answer, unless a fault swallows it, and whole books that go with it.
    fn on_request(&mut self, conn: u64, request: &Request, at_ns: u64, context: &mut StreamContext<'_>) -> Vec<Departing> {
        if request.channel == "spot.ping" {
            return vec![Departing { at_ns, conn, text: pong(request, at_ns) }];
        }
        let mut books = Vec::new();
        let result = self.on_subscription(conn, request, &mut books, context);
        let is_swallowed = result.is_ok() && context.config.faults.swallow_acknowledgements;
        let text = self.reply(conn, Some(request), result, at_ns);
        let answer = (!is_swallowed).then_some(Departing { at_ns, conn, text });
        if books.is_empty() {
            return answer.into_iter().collect();
        }
        for (pair, _) in &books {
            context.config.faults.struck.renewed(context.symbols.pair(*pair));
        }
        // Captures show the whole book now before, now after the acknowledgement.
        let comes_first = context.jitter.chance(context.config.full_before_ack_per_mille);
        let book_ns = if comes_first { at_ns } else { at_ns + context.jitter.draw(context.config.delays.public_push) };
        let books = books.into_iter().filter_map(|(pair, kind)| {
            let feed = self.feeds.get(pair.index())?.get(&kind)?;
            let name = context.symbols.pair(pair);
            let text = feed.first_frame(kind, name, book_ns, context.config.faults.old_snapshot_times)?;
            Some(Departing { at_ns: book_ns, conn, text })
        });
        let mut frames: Vec<Departing> = books.collect();
        let position = if comes_first { frames.len() } else { 0 };
        frames.splice(position..position, answer);
        frames
    }

    fn reply(&self, conn: u64, request: Option<&Request>, result: Result<(), ReplyError>, at_ns: u64) -> String {
        let trace = format!("{:032x}", self.requests);
        let status = Status { status: if result.is_ok() { "success" } else { "fail" } };
        to_json(&Reply {
            time: at_ns / 1_000_000_000,
            time_ms: at_ns / 1_000_000,
            id: request.and_then(|request| request.id.as_ref()),
            conn_id: format!("{conn:016x}"),
            trace_id: trace.clone(),
            channel: request.map_or("", |request| request.channel.as_str()),
            event: request.map_or("", |request| request.event.as_str()),
            payload: request.map_or(&[], |request| request.payload.as_slice()),
            error: result.err(),
            result: Some(status),
            request_id: trace,
        })
    }

    /// Subscribes or leaves. `books` gets the `spot.obu` feeds whose whole book is to be sent at once.
    fn on_subscription(
        &mut self,
        conn: u64,
        request: &Request,
        books: &mut Vec<(PairId, FeedKind)>,
        context: &mut StreamContext<'_>,
    ) -> Result<(), ReplyError> {
        let is_subscribe = match request.event.as_str() {
            "subscribe" => true,
            "unsubscribe" => false,
            other => return Err(ReplyError { code: code::ARGUMENT, message: format!("unknown event: {other}") }),
        };
        let Some(time_s) = request.time_s else {
            return Err(ReplyError { code: code::MALFORMED, message: "time is required".to_owned() });
        };
        let account = match PrivateChannel::by_name(&request.channel) {
            Some(_) => Some(authenticate(request, time_s, context)?),
            None => {
                check_time(time_s, context.config.clock_ns(context.t_ns))?;
                None
            }
        };
        match (Topics::parse(&request.channel, &request.payload, context.symbols)?, account) {
            (Topics::Feeds(feeds), _) => {
                for (pair, kind) in feeds {
                    self.set_feed(conn, pair, kind, is_subscribe, context);
                }
            }
            (Topics::Obu(streams), _) => self.set_obu(conn, streams, is_subscribe, books, context)?,
            (Topics::Private(channel, pairs), Some(account)) => {
                self.set_private(conn, channel, account, pairs, is_subscribe, context)
            }
            (Topics::Private(..), None) => {}
        }
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.is_active |= is_subscribe;
        }
        Ok(())
    }

    fn set_obu(
        &mut self,
        conn: u64,
        streams: Vec<(String, Option<(PairId, FeedKind)>)>,
        is_subscribe: bool,
        books: &mut Vec<(PairId, FeedKind)>,
        context: &mut StreamContext<'_>,
    ) -> Result<(), ReplyError> {
        let Some(connection) = self.connections.get_mut(&conn) else { return Ok(()) };
        if is_subscribe && let Some((name, _)) = streams.iter().find(|(name, _)| connection.obu.contains(name)) {
            // The first subscription goes on; nothing of this request begins.
            return Err(ReplyError { code: code::ARGUMENT, message: format!("Alert sub {name}") });
        }
        for (name, _) in &streams {
            if is_subscribe {
                connection.obu.insert(name.clone());
            } else {
                connection.obu.remove(name);
            }
        }
        let mut feeds: Vec<(PairId, FeedKind)> = streams.into_iter().filter_map(|(_, feed)| feed).collect();
        feeds.dedup();
        for (pair, kind) in feeds {
            self.set_feed(conn, pair, kind, is_subscribe, context);
            let feed = self.feeds.get_mut(pair.index()).and_then(|feeds| feeds.get_mut(&kind));
            // A silent pair owes its whole book until it speaks again, in its next tick.
            if is_subscribe
                && !context.config.faults.is_silent(context.symbols.pair(pair))
                && feed.is_some_and(|feed| !feed.is_behind && feed.fresh.remove(&conn))
            {
                books.push((pair, kind));
            }
        }
        Ok(())
    }

    fn set_feed(&mut self, conn: u64, pair: PairId, kind: FeedKind, is_subscribe: bool, context: &mut StreamContext<'_>) {
        let Some(feeds) = self.feeds.get_mut(pair.index()) else { return };
        if !is_subscribe {
            if let Some(feed) = feeds.get_mut(&kind) {
                feed.subscribers.remove(&conn);
                feed.fresh.remove(&conn);
                if feed.subscribers.is_empty() {
                    feeds.remove(&kind);
                }
            }
            return;
        }
        if context.config.faults.acknowledge_without_service {
            return;
        }
        let feed = feeds.entry(kind).or_default();
        if feed.subscribers.is_empty() && matches!(kind, FeedKind::Increments { .. }) {
            context.config.faults.struck.followed(context.symbols.pair(pair));
        }
        feed.subscribers.insert(conn);
        feed.open(pair, kind, context.exchange, context.statistics);
        let owes_first_push = match kind {
            FeedKind::Increments { .. } => context.config.updates_start_full,
            FeedKind::Trades | FeedKind::TradesV2 => false,
            FeedKind::Obu { .. } | FeedKind::Book { .. } | FeedKind::BookTicker | FeedKind::Ticker | FeedKind::Candles { .. } => {
                true
            }
        };
        if owes_first_push {
            feed.fresh.insert(conn);
            self.plan(pair, kind, context.t_ns, context.config);
        }
    }

    fn set_private(
        &mut self,
        conn: u64,
        channel: PrivateChannel,
        account: AccountId,
        pairs: Option<Vec<PairId>>,
        is_subscribe: bool,
        context: &StreamContext<'_>,
    ) {
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        let key = (channel, account);
        match (is_subscribe, pairs) {
            (true, _) if context.config.faults.acknowledge_without_service => {}
            (true, None) => {
                connection.private.insert(key, None);
            }
            (true, Some(pairs)) => {
                // Whoever follows all pairs goes on doing so.
                if let Some(wanted) = connection.private.entry(key).or_insert_with(|| Some(BTreeSet::new())) {
                    wanted.extend(pairs);
                }
            }
            (false, None) => {
                connection.private.remove(&key);
            }
            (false, Some(pairs)) => {
                if let Some(Some(wanted)) = connection.private.get_mut(&key) {
                    wanted.retain(|pair| !pairs.contains(pair));
                }
            }
        }
    }

    /// Plans a push of the feed for its next tick, unless one is planned.
    fn plan(&mut self, pair: PairId, kind: FeedKind, t_ns: u64, config: &GateConfig) {
        let Some(feed) = self.feeds.get_mut(pair.index()).and_then(|feeds| feeds.get_mut(&kind)) else { return };
        if !feed.is_planned {
            feed.is_planned = true;
            self.due.insert((next_tick(pair, kind.interval_ns(), t_ns, config.seed), Due::Push(pair, kind)));
        }
    }

    /// Tells what happened.
    pub(super) fn on_events(&mut self, events: &[Event], context: &mut StreamContext<'_>) {
        let mut departing = std::mem::take(&mut self.deferred);
        for event in events {
            match event {
                Event::Book(change) => {
                    let is_bid = change.side == Side::Buy;
                    let feeds = self.feeds.get_mut(change.pair.index());
                    let Some(feeds) = feeds.filter(|feeds| !feeds.is_empty()) else { continue };
                    let mut unplanned = Vec::new();
                    for (kind, feed) in feeds {
                        if let Some(increments) = &mut feed.increments {
                            increments.on_change(is_bid, change.price, change.amount);
                        }
                        if kind.follows_book() && !feed.is_planned {
                            unplanned.push(*kind);
                        }
                    }
                    for kind in unplanned {
                        self.plan(change.pair, kind, context.t_ns, context.config);
                    }
                }
                Event::Trade(trade) => self.tell_trade(trade, &mut departing, context),
                Event::Order(_) | Event::Fill(_) | Event::Balance(_) => {}
            }
        }
        let is_private = |event: &Event| matches!(event, Event::Order(_) | Event::Fill(_) | Event::Balance(_));
        if events.iter().any(is_private) {
            self.tell_private(events, &mut departing, context);
        }
        self.send(departing, context);
    }

    fn tell_trade(&mut self, trade: &PublicTrade, departing: &mut Vec<Departing>, context: &mut StreamContext<'_>) {
        let Some(feeds) = self.feeds.get_mut(trade.pair.index()).filter(|feeds| !feeds.is_empty()) else { return };
        for candle in feeds.values_mut().filter_map(|feed| feed.candle.as_mut()) {
            candle.on_trade(trade);
        }
        let is_silent = context.config.faults.is_silent(context.symbols.pair(trade.pair));
        for (kind, channel) in [(FeedKind::Trades, "spot.trades"), (FeedKind::TradesV2, "spot.trades_v2")] {
            let Some(feed) = feeds.get(&kind).filter(|_| !is_silent) else { continue };
            let row = public_trade_push(trade, context.symbols);
            let at_ns = context.after(context.config.delays.public_push);
            let text = push(channel, at_ns, &row);
            departing.extend(feed.subscribers.iter().map(|conn| Departing { at_ns, conn: *conn, text: text.clone() }));
        }
        self.plan(trade.pair, FeedKind::Ticker, context.t_ns, context.config);
    }

    /// One frame per connection, channel and account, with all rows of this batch.
    fn tell_private(&mut self, events: &[Event], departing: &mut Vec<Departing>, context: &mut StreamContext<'_>) {
        if context.config.faults.is_mute() {
            return;
        }
        for (conn, connection) in &mut self.connections {
            for ((channel, account), pairs) in &connection.private {
                let wants = |pair: PairId| pairs.as_ref().is_none_or(|pairs| pairs.contains(&pair));
                let Some(user) = context.exchange.account(*account).map(|account| account.user_id) else { continue };
                let rows = PrivateRows { events, account: *account, user, symbols: context.symbols, t_ns: context.t_ns };
                let Some((delay, text)) = rows.frame(*channel, wants, &context.config.delays) else { continue };
                let frame = Departing { at_ns: context.after(delay), conn: *conn, text };
                let fate = self.private_order.next(channel.tells_fills(), &mut context.config.faults);
                if fate == PrivateFate::Lost {
                    continue;
                }
                if fate == PrivateFate::Held {
                    connection.held.push(frame);
                    self.due.insert((context.t_ns.saturating_add(HELD_MAX_NS), Due::Held(*conn)));
                    continue;
                }
                if fate == PrivateFate::Doubled {
                    departing.push(Departing { at_ns: frame.at_ns + DOUBLE_AFTER_NS, ..frame.clone() });
                }
                let at_ns = frame.at_ns;
                departing.push(frame);
                departing.extend(connection.held.drain(..).map(|held| Departing { at_ns, ..held }));
            }
        }
    }

    /// Pushes whose tick has come, and idle connections.
    pub(super) fn on_wakeup(&mut self, context: &mut StreamContext<'_>) {
        let mut departing = Vec::new();
        while let Some((at_ns, due)) = self.due.first().copied() {
            if at_ns > context.t_ns {
                break;
            }
            self.due.pop_first();
            match due {
                Due::Push(pair, kind) => self.push_feed(pair, kind, &mut departing, context),
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

    fn check_idle(&mut self, conn: u64, context: &mut StreamContext<'_>) {
        let Some(connection) = self.connections.get(&conn) else { return };
        let cut_ns = cut_at(connection, context.config);
        if cut_ns <= context.t_ns {
            self.cut(conn, context);
        } else {
            self.due.insert((cut_ns, Due::IdleCheck(conn)));
        }
    }

    fn push_feed(&mut self, pair: PairId, kind: FeedKind, departing: &mut Vec<Departing>, context: &mut StreamContext<'_>) {
        let Some(feed) = self.feeds.get_mut(pair.index()).and_then(|feeds| feeds.get_mut(&kind)) else { return };
        feed.is_planned = false;
        // Held back while silent, not lost: after the silence the next increment covers all of it.
        feed.is_behind = context.config.faults.is_silent(context.symbols.pair(pair));
        if !feed.is_behind {
            let at_ns = context.after(context.config.delays.public_push);
            let mut push_context = PushContext {
                at_ns,
                config: context.config,
                symbols: context.symbols,
                exchange: context.exchange,
                statistics: context.statistics,
                made: &mut self.made,
            };
            for (text, to) in feed.frame(pair, kind, &mut push_context) {
                departing.extend(to.into_iter().map(|conn| Departing { at_ns, conn, text: text.clone() }));
            }
        }
        let owes_more = !feed.fresh.is_empty();
        let repeats = match kind {
            FeedKind::Book { .. } => context.config.repeat_unchanged_books,
            FeedKind::Candles { .. } => true,
            _ => false,
        };
        if owes_more || repeats {
            self.plan(pair, kind, context.t_ns, context.config);
        }
    }

    /// Hands frames over in the order they leave: channels may overtake each other, the frames of one never do, since
    /// the sort is stable and the queue keeps each connection's order.
    fn send(&mut self, mut departing: Vec<Departing>, context: &mut StreamContext<'_>) {
        departing.sort_by_key(|frame| frame.at_ns);
        for Departing { at_ns, conn, text } in departing {
            if let Some(connection) = self.connections.get_mut(&conn) {
                connection.last_traffic_ns = connection.last_traffic_ns.max(at_ns);
                let text = tamper::frame(text, &mut context.config.faults, context.t_ns);
                context.out.ws(at_ns, conn, WsFrame::Text(text.into_bytes()));
            }
        }
    }
}

/// When a connection has been idle for too long, if nothing is said until then.
fn cut_at(connection: &Connection, config: &GateConfig) -> u64 {
    let unsubscribed_ns = config.unsubscribed_cutoff_ns.filter(|_| !connection.is_active);
    let cutoff_ns = unsubscribed_ns.unwrap_or(config.idle_cutoff_ns).min(config.idle_cutoff_ns);
    connection.last_traffic_ns.saturating_add(cutoff_ns.max(1))
}

const UPGRADE_TEXT: &str = "The connection will soon be closed due to a service upgrade. Please reconnect";

#[derive(Serialize)]
struct SystemRow {
    #[serde(rename = "type")]
    kind: &'static str,
    msg: &'static str,
}

fn check_time(time_s: i64, now_ns: u64) -> Result<(), ReplyError> {
    let stamped = u64::try_from(time_s).ok().and_then(|s| s.checked_mul(1_000_000_000));
    match stamped {
        Some(stamped) if stamped.abs_diff(now_ns) <= CLOCK_TOLERANCE_NS => Ok(()),
        _ => Err(relayed(&ApiError::request_expired())),
    }
}

/// A refusal of the authentication service, as the stream relays it.
fn relayed(error: &ApiError) -> ReplyError {
    let code = if error.label == "REQUEST_EXPIRED" { code::ARGUMENT } else { code::AUTHENTICATION };
    ReplyError { code, message: format!("label: {}, message: {}", error.label, error.message) }
}

fn authenticate(request: &Request, time_s: i64, context: &StreamContext<'_>) -> Result<AccountId, ReplyError> {
    let Some(auth) = &request.auth else {
        return Err(ReplyError { code: code::AUTHENTICATION, message: "authentication is required".to_owned() });
    };
    if auth.method != "api_key" {
        return Err(ReplyError { code: code::AUTHENTICATION, message: format!("unknown auth method: {}", auth.method) });
    }
    let users = &context.config.users;
    let keys = users.iter().flat_map(|user| &user.keys);
    let key = verify_channel(
        &request.channel,
        &request.event,
        time_s,
        &auth.key,
        &auth.sign,
        keys,
        context.config.clock_ns(context.t_ns),
    )
    .map_err(|error| relayed(&error))?;
    if !key.may_read("spot") {
        return Err(relayed(&ApiError::forbidden()));
    }
    let user = users.iter().find(|user| user.keys.contains(key));
    let account = user.and_then(|user| context.exchange.account_by_user(user.user_id));
    account.ok_or_else(|| relayed(&ApiError::invalid_key()))
}

#[derive(Serialize)]
struct Pong<'a> {
    time: u64,
    time_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a serde_json::Value>,
    channel: &'static str,
    event: &'static str,
    result: Option<()>,
}

fn pong(request: &Request, at_ns: u64) -> String {
    to_json(&Pong {
        time: at_ns / 1_000_000_000,
        time_ms: at_ns / 1_000_000,
        id: request.id.as_ref(),
        channel: "spot.pong",
        event: "",
        result: None,
    })
}
