//! The WebSocket half: connections, subscriptions, and who is told what when (Gate API v4, WebSocket).
//!
//! Start at [`Stream::on_frame`] for what clients say, [`Stream::on_events`] for what happened in the exchange, and
//! [`Stream::on_wakeup`] for pushes whose tick has come. Books go out on a time grid of their interval, each pair with its
//! own phase, and only when something changed; trades and private rows go out at once, each channel after its own delay, so
//! that fills may be told before orders and either before the REST reply.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    auth::{CLOCK_TOLERANCE_NS, verify_channel},
    channel::{FeedKind, PrivateChannel, Topics},
    config::{DelayRange, GateConfig, Jitter},
    depth::DepthFeed,
    error::ApiError,
    frame::{Reply, ReplyError, Request, Status, code, push, to_json},
    market_data::{MarketStatistics, level_texts},
    render::{Symbols, balance_push, order_push, public_trade_push, user_trade_push},
    rows::text,
};
use crate::{
    core::{AccountId, Event, Exchange, Level, PairId, Side},
    world::{OutputQueue, WsFrame},
};

/// Book state as a book ticker shows it.
type Touch = (Option<Level>, Option<Level>);

#[derive(Debug, Default)]
struct Connection {
    last_traffic_ns: u64,
    /// Per private channel and account: the pairs wanted, `None` for all.
    private: BTreeMap<(PrivateChannel, AccountId), Option<BTreeSet<PairId>>>,
}

/// One public feed with at least one subscriber.
#[derive(Debug, Default)]
struct Feed {
    subscribers: BTreeSet<u64>,
    /// Subscribers that have not had their first whole book yet.
    fresh: BTreeSet<u64>,
    /// A push is already planned.
    is_planned: bool,
    /// Book id of the last whole book pushed.
    pushed_id: Option<u64>,
    /// What the last book ticker said.
    touch: Option<Touch>,
    increments: Option<DepthFeed>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Push(PairId, FeedKind),
    IdleCheck(u64),
}

/// A frame on its way.
struct Departing {
    at_ns: u64,
    conn: u64,
    text: String,
}

/// All connections of one venue and what they follow.
#[derive(Debug)]
pub(super) struct Stream {
    connections: BTreeMap<u64, Connection>,
    /// By pair.
    feeds: Vec<BTreeMap<FeedKind, Feed>>,
    due: BTreeSet<(u64, Due)>,
    increments_made: u64,
    requests: u64,
}

/// What every call needs.
pub(super) struct StreamContext<'a> {
    pub(super) t_ns: u64,
    pub(super) config: &'a GateConfig,
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
            increments_made: 0,
            requests: 0,
        }
    }

    pub(super) fn next_wakeup(&self) -> Option<u64> {
        self.due.first().map(|(t_ns, _)| *t_ns)
    }

    pub(super) fn on_open(&mut self, conn: u64, t_ns: u64, config: &GateConfig) {
        self.connections.insert(conn, Connection { last_traffic_ns: t_ns, ..Connection::default() });
        self.due.insert((t_ns.saturating_add(config.idle_cutoff_ns.max(1)), Due::IdleCheck(conn)));
    }

    pub(super) fn on_closed(&mut self, conn: u64) {
        self.connections.remove(&conn);
        self.due.retain(|(_, due)| *due != Due::IdleCheck(conn));
        for feeds in &mut self.feeds {
            for feed in feeds.values_mut() {
                feed.subscribers.remove(&conn);
                feed.fresh.remove(&conn);
            }
            feeds.retain(|_, feed| !feed.subscribers.is_empty());
        }
    }

    pub(super) fn on_frame(&mut self, conn: u64, frame: WsFrame, context: &mut StreamContext<'_>) {
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        connection.last_traffic_ns = connection.last_traffic_ns.max(context.t_ns);
        let at_ns = context.after(context.config.delays.ws_reply);
        match frame {
            WsFrame::Text(bytes) | WsFrame::Binary(bytes) => {
                if let Some(text) = self.on_request(conn, &String::from_utf8_lossy(&bytes), at_ns, context) {
                    self.send(vec![Departing { at_ns, conn, text }], context);
                }
            }
            WsFrame::Ping(payload) => context.out.ws(at_ns, conn, WsFrame::Pong(payload)),
            WsFrame::Pong(_) => {}
            WsFrame::Close => {
                context.out.ws(at_ns, conn, WsFrame::Close);
                context.out.ws_close(at_ns, conn);
                self.on_closed(conn);
            }
        }
    }

    /// Handles one request; the answer's text, unless a fault swallows it.
    fn on_request(&mut self, conn: u64, text: &str, at_ns: u64, context: &mut StreamContext<'_>) -> Option<String> {
        self.requests += 1;
        let request = match Request::parse(text) {
            Ok(request) => request,
            Err(malformed) => {
                let error = ReplyError { code: code::MALFORMED, message: malformed.message.to_owned() };
                return Some(self.reply(conn, None, Err(error), at_ns));
            }
        };
        if request.channel == "spot.ping" {
            return Some(pong(&request, at_ns));
        }
        let result = self.on_subscription(conn, &request, context);
        if result.is_ok() && context.config.faults.swallow_acknowledgements {
            return None;
        }
        Some(self.reply(conn, Some(&request), result, at_ns))
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

    fn on_subscription(&mut self, conn: u64, request: &Request, context: &mut StreamContext<'_>) -> Result<(), ReplyError> {
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
                check_time(time_s, context.t_ns)?;
                None
            }
        };
        match (Topics::parse(&request.channel, &request.payload, context.symbols)?, account) {
            (Topics::Feeds(feeds), _) => {
                for (pair, kind) in feeds {
                    self.set_feed(conn, pair, kind, is_subscribe, context);
                }
            }
            (Topics::Private(channel, pairs), Some(account)) => {
                self.set_private(conn, channel, account, pairs, is_subscribe, context)
            }
            (Topics::Private(..), None) => {}
        }
        Ok(())
    }

    fn set_feed(&mut self, conn: u64, pair: PairId, kind: FeedKind, is_subscribe: bool, context: &StreamContext<'_>) {
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
        feed.subscribers.insert(conn);
        match kind {
            FeedKind::Increments { .. } => {
                let depth = usize::from(kind.depth());
                let book = context.exchange.book(pair);
                feed.increments.get_or_insert_with(|| {
                    DepthFeed::open(depth, book.update_id(), &book.top(Side::Buy, depth), &book.top(Side::Sell, depth))
                });
            }
            FeedKind::Trades => {}
            FeedKind::Book { .. } | FeedKind::BookTicker | FeedKind::Ticker => {
                feed.fresh.insert(conn);
                self.plan(pair, kind, context.t_ns, context.config);
            }
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
            self.due.insert((next_tick(pair, kind, t_ns, config.seed), Due::Push(pair, kind)));
        }
    }

    /// Tells what happened.
    pub(super) fn on_events(&mut self, events: &[Event], context: &mut StreamContext<'_>) {
        let mut departing = Vec::new();
        for event in events {
            match event {
                Event::Book(change) => {
                    let is_bid = change.side == Side::Buy;
                    let feeds = self.feeds.get_mut(change.pair.index());
                    let Some(feeds) = feeds.filter(|feeds| !feeds.is_empty()) else { continue };
                    let kinds: Vec<FeedKind> =
                        feeds.keys().copied().filter(|kind| !matches!(kind, FeedKind::Trades | FeedKind::Ticker)).collect();
                    for feed in feeds.values_mut() {
                        if let Some(increments) = &mut feed.increments {
                            increments.on_change(is_bid, change.price, change.amount);
                        }
                    }
                    for kind in kinds {
                        self.plan(change.pair, kind, context.t_ns, context.config);
                    }
                }
                Event::Trade(trade) => {
                    self.plan(trade.pair, FeedKind::Ticker, context.t_ns, context.config);
                    let feeds = self.feeds.get(trade.pair.index());
                    let Some(feed) = feeds.and_then(|feeds| feeds.get(&FeedKind::Trades)) else { continue };
                    if context.config.faults.is_silent(context.symbols.pair(trade.pair)) {
                        continue;
                    }
                    let row = public_trade_push(trade, context.symbols);
                    let at_ns = context.after(context.config.delays.public_push);
                    let text = push("spot.trades", at_ns, &row);
                    departing.extend(feed.subscribers.iter().map(|conn| Departing { at_ns, conn: *conn, text: text.clone() }));
                }
                Event::Order(_) | Event::Fill(_) | Event::Balance(_) => {}
            }
        }
        self.collect_private(events, &mut departing, context);
        self.send(departing, context);
    }

    /// One frame per connection, channel and account, with all rows of this batch.
    fn collect_private(&self, events: &[Event], departing: &mut Vec<Departing>, context: &mut StreamContext<'_>) {
        for (conn, connection) in &self.connections {
            for ((channel, account), pairs) in &connection.private {
                let wants = |pair: PairId| pairs.as_ref().is_none_or(|pairs| pairs.contains(&pair));
                let Some(user) = context.exchange.account(*account).map(|account| account.user_id) else { continue };
                let delays = context.config.delays;
                let symbols = context.symbols;
                let (delay, text) = match channel {
                    PrivateChannel::Orders => {
                        let rows = events.iter().filter_map(|event| match event {
                            Event::Order(event) if event.order.account == *account && wants(event.order.pair) => {
                                Some(order_push(event, user, symbols))
                            }
                            _ => None,
                        });
                        (delays.orders_push, rows_text(channel, rows.collect(), context.t_ns))
                    }
                    PrivateChannel::UserTrades => {
                        let rows = events.iter().filter_map(|event| match event {
                            Event::Fill(fill) if fill.account == *account && wants(fill.pair) => {
                                Some(user_trade_push(fill, user, symbols))
                            }
                            _ => None,
                        });
                        (delays.usertrades_push, rows_text(channel, rows.collect(), context.t_ns))
                    }
                    PrivateChannel::Balances => {
                        let rows = events.iter().filter_map(|event| match event {
                            Event::Balance(event) if event.account == *account => Some(balance_push(event, user, symbols)),
                            _ => None,
                        });
                        (delays.balances_push, rows_text(channel, rows.collect(), context.t_ns))
                    }
                };
                if let Some(text) = text {
                    departing.push(Departing { at_ns: context.after(delay), conn: *conn, text });
                }
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
            }
        }
        self.send(departing, context);
    }

    fn check_idle(&mut self, conn: u64, context: &mut StreamContext<'_>) {
        let Some(connection) = self.connections.get(&conn) else { return };
        let cut_ns = connection.last_traffic_ns.saturating_add(context.config.idle_cutoff_ns.max(1));
        if cut_ns <= context.t_ns {
            context.out.ws_close(context.t_ns, conn);
            self.on_closed(conn);
        } else {
            self.due.insert((cut_ns, Due::IdleCheck(conn)));
        }
    }

    fn push_feed(&mut self, pair: PairId, kind: FeedKind, departing: &mut Vec<Departing>, context: &mut StreamContext<'_>) {
        let Some(feed) = self.feeds.get_mut(pair.index()).and_then(|feeds| feeds.get_mut(&kind)) else { return };
        feed.is_planned = false;
        let name = context.symbols.pair(pair);
        if context.config.faults.is_silent(name) {
            // Held back, not lost: after the silence the next increment covers all of it.
            return self.plan_if_repeating(pair, kind, context);
        }
        let at_ns = context.after(context.config.delays.public_push);
        let frame = match kind {
            FeedKind::Book { .. } => whole_book(feed, pair, kind, at_ns, context),
            FeedKind::Increments { .. } => increment(feed, pair, kind, &mut self.increments_made, at_ns, context),
            FeedKind::BookTicker => book_ticker(feed, pair, at_ns, context),
            FeedKind::Ticker => {
                let row = context.statistics.ticker(pair, context.symbols, context.exchange, false);
                feed.fresh.clear();
                Some((push("spot.tickers", at_ns, &row), feed.subscribers.clone()))
            }
            FeedKind::Trades => None,
        };
        if let Some((text, to)) = frame {
            departing.extend(to.into_iter().map(|conn| Departing { at_ns, conn, text: text.clone() }));
        }
        self.plan_if_repeating(pair, kind, context);
    }

    fn plan_if_repeating(&mut self, pair: PairId, kind: FeedKind, context: &StreamContext<'_>) {
        if context.config.repeat_unchanged_books && matches!(kind, FeedKind::Book { .. }) {
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
            }
            context.out.ws(at_ns, conn, WsFrame::Text(text.into_bytes()));
        }
    }
}

/// The next point of the feed's time grid after `t_ns`. Each pair has its own phase, drawn from the seed.
fn next_tick(pair: PairId, kind: FeedKind, t_ns: u64, seed: u64) -> u64 {
    let interval_ns = kind.interval_ns();
    let phase_ns = Jitter::new(seed ^ (u64::from(pair.0) << 32)).next_u64() % interval_ns;
    let since = t_ns.saturating_add(interval_ns - phase_ns) % interval_ns;
    t_ns.saturating_add(interval_ns - since)
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
    let key = verify_channel(&request.channel, &request.event, time_s, &auth.key, &auth.sign, keys, context.t_ns)
        .map_err(|error| relayed(&error))?;
    if !key.may_read("spot") {
        return Err(relayed(&ApiError::forbidden()));
    }
    let user = users.iter().find(|user| user.keys.contains(key));
    let account = user.and_then(|user| context.exchange.account_by_user(user.user_id));
    account.ok_or_else(|| relayed(&ApiError::invalid_key()))
}

fn rows_text<R: Serialize>(channel: &PrivateChannel, rows: Vec<R>, t_ns: u64) -> Option<String> {
    if rows.is_empty() { None } else { Some(push(channel.name(), t_ns, rows)) }
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

/// A frame and who gets it.
type Addressed = Option<(String, BTreeSet<u64>)>;

#[derive(Serialize)]
struct WholeBook<'a> {
    t: u64,
    #[serde(rename = "lastUpdateId")]
    last_update_id: u64,
    s: &'a str,
    l: String,
    bids: Vec<[String; 2]>,
    asks: Vec<[String; 2]>,
}

fn whole_book(feed: &mut Feed, pair: PairId, kind: FeedKind, at_ns: u64, context: &StreamContext<'_>) -> Addressed {
    let book = context.exchange.book(pair);
    let fresh = std::mem::take(&mut feed.fresh);
    let is_changed = feed.pushed_id != Some(book.update_id()) || context.config.repeat_unchanged_books;
    let to = if is_changed { feed.subscribers.clone() } else { fresh };
    if to.is_empty() {
        return None;
    }
    feed.pushed_id = Some(book.update_id());
    let levels = usize::from(kind.depth());
    let result = WholeBook {
        t: book.update_t_ns() / 1_000_000,
        last_update_id: book.update_id(),
        s: context.symbols.pair(pair),
        l: kind.depth().to_string(),
        bids: level_texts(&book.top(Side::Buy, levels)),
        asks: level_texts(&book.top(Side::Sell, levels)),
    };
    Some((push("spot.order_book", at_ns, result), to))
}

#[derive(Serialize)]
struct IncrementRow<'a> {
    t: u64,
    e: &'static str,
    #[serde(rename = "E")]
    event_time: u64,
    s: &'a str,
    #[serde(rename = "U")]
    first_id: u64,
    u: u64,
    b: Vec<[String; 2]>,
    a: Vec<[String; 2]>,
    l: String,
}

fn increment(
    feed: &mut Feed,
    pair: PairId,
    kind: FeedKind,
    made: &mut u64,
    at_ns: u64,
    context: &StreamContext<'_>,
) -> Addressed {
    let book = context.exchange.book(pair);
    let depth = usize::from(kind.depth());
    let levels = (book.top(Side::Buy, depth), book.top(Side::Sell, depth));
    let increment = feed.increments.as_mut()?.tick(book.update_id(), &levels.0, &levels.1)?;
    *made += 1;
    if context.config.faults.skip_book_delta.contains(made) {
        return None;
    }
    let result = IncrementRow {
        t: book.update_t_ns() / 1_000_000,
        e: "depthUpdate",
        event_time: book.update_t_ns() / 1_000_000_000,
        s: context.symbols.pair(pair),
        first_id: increment.first_id,
        u: increment.last_id,
        b: level_texts(&increment.bids),
        a: level_texts(&increment.asks),
        l: kind.depth().to_string(),
    };
    Some((push("spot.order_book_update", at_ns, result), feed.subscribers.clone()))
}

#[derive(Serialize)]
struct BookTickerRow<'a> {
    t: u64,
    u: u64,
    s: &'a str,
    b: String,
    #[serde(rename = "B")]
    bid_amount: String,
    a: String,
    #[serde(rename = "A")]
    ask_amount: String,
}

fn book_ticker(feed: &mut Feed, pair: PairId, at_ns: u64, context: &StreamContext<'_>) -> Addressed {
    let book = context.exchange.book(pair);
    let touch = (book.best(Side::Buy), book.best(Side::Sell));
    let fresh = std::mem::take(&mut feed.fresh);
    let to = if feed.touch != Some(touch) { feed.subscribers.clone() } else { fresh };
    if to.is_empty() {
        return None;
    }
    feed.touch = Some(touch);
    // An empty side has an empty price, as on the contract streams.
    let words = |level: Option<Level>| {
        level.map_or_else(|| (String::new(), "0".to_owned()), |level| (text(level.price), text(level.amount)))
    };
    let ((b, bid_amount), (a, ask_amount)) = (words(touch.0), words(touch.1));
    let row = BookTickerRow {
        t: book.update_t_ns() / 1_000_000,
        u: book.update_id(),
        s: context.symbols.pair(pair),
        b,
        bid_amount,
        a,
        ask_amount,
    };
    Some((push("spot.book_ticker", at_ns, row), to))
}
