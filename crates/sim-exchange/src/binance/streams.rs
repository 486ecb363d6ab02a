//! Public streams: who follows what, and what is told when (Binance spot API, WebSocket streams).
//!
//! Start at [`Streams::on_message`] for what clients say, [`Streams::on_events`] for what happened, and [`Streams::step`] for
//! pushes whose time has come. Trades and best prices go out at once; books, candles and tickers on a grid of their interval, and
//! only when something changed.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{
    market::{Aggregate, BookCopy, INTERVALS, Market, aggregate_row, level_rows},
    rows::{Stamp, fixed},
    symbols::Symbols,
    tickers,
};
use crate::{
    core::{BookChange, Event, Exchange, PairId, PublicTrade, Side},
    faults::Faults,
    shared::{bars::Bar, time::next_tick},
};

const MS: u64 = 1_000_000;
/// Names of methods, for the words of a refusal.
const METHODS: &str = "`SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`";

/// What a stream tells of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Topic {
    Trade,
    AggTrade,
    BookTicker,
    /// Changes of the book, every so many milliseconds.
    Depth(u64),
    /// The best levels, every so many milliseconds.
    Partial(usize, u64),
    /// Candles: position among the intervals.
    Kline(usize),
    MiniTicker,
    Ticker,
    /// The figures of a window: position among the windows.
    Window(usize),
    AvgPrice,
}

impl Topic {
    /// How often it is told; `None` when at once.
    fn every_ns(self) -> Option<u64> {
        match self {
            Topic::Trade | Topic::AggTrade | Topic::BookTicker => None,
            Topic::Depth(ms) | Topic::Partial(_, ms) => Some(ms * MS),
            Topic::Kline(0) | Topic::MiniTicker | Topic::Ticker | Topic::Window(_) | Topic::AvgPrice => Some(1_000 * MS),
            Topic::Kline(_) => Some(2_000 * MS),
        }
    }
}

/// A stream by its parts; without a pair it is about all of them.
pub(super) type Feed = (Option<PairId>, Topic);

/// Reads the name of a stream; `None` for one that nobody serves.
fn feed_of(name: &str, symbols: &Symbols) -> Option<Feed> {
    match name {
        // The suffixes are what older clients append.
        "!miniTicker@arr" | "!miniTicker@arr@1000ms" | "!miniTicker@arr@3000ms" => return Some((None, Topic::MiniTicker)),
        "!ticker@arr" => return Some((None, Topic::Ticker)),
        _ => {}
    }
    if let Some(window) = name.strip_prefix("!ticker_").and_then(|rest| rest.strip_suffix("@arr")) {
        return tickers::stream_window(window).map(|window| (None, Topic::Window(window)));
    }
    let (symbol, rest) = name.split_once('@')?;
    let pair = symbols.find_lower(symbol)?;
    let speed = |text: &str| match text {
        "" | "@1000ms" => Some(1_000),
        "@100ms" => Some(100),
        _ => None,
    };
    let topic = match rest {
        "trade" => Topic::Trade,
        "aggTrade" => Topic::AggTrade,
        "bookTicker" => Topic::BookTicker,
        "miniTicker" => Topic::MiniTicker,
        "ticker" => Topic::Ticker,
        "avgPrice" => Topic::AvgPrice,
        _ => {
            if let Some(interval) = rest.strip_prefix("kline_") {
                Topic::Kline(INTERVALS.iter().position(|(known, _)| *known == interval)?)
            } else if let Some(window) = rest.strip_prefix("ticker_") {
                Topic::Window(tickers::stream_window(window)?)
            } else {
                let rest = rest.strip_prefix("depth")?;
                let levels = [("20", 20), ("10", 10), ("5", 5)]
                    .into_iter()
                    .find_map(|(text, count)| Some((rest.strip_prefix(text)?, count)));
                match levels {
                    Some((rest, levels)) => Topic::Partial(levels, speed(rest)?),
                    None => Topic::Depth(speed(rest)?),
                }
            }
        }
    };
    Some((Some(pair), topic))
}

/// What one socket follows.
#[derive(Clone, Debug, Default)]
struct Follower {
    /// Frames are wrapped with the name of their stream.
    is_combined: bool,
    micros: bool,
    names: BTreeMap<String, Option<Feed>>,
}

/// One stream with its followers, by the name that each of them used.
#[derive(Clone, Debug, Default)]
struct FeedState {
    followers: BTreeMap<u64, String>,
    /// Levels that changed since the last push: side and price to the new total.
    changed: BTreeMap<(Side, Decimal), Decimal>,
    first_id: Option<u64>,
    last_id: u64,
    /// The best prices that were told last.
    best: Option<[Decimal; 4]>,
    /// Start of the candle that was told last.
    candle_ms: Option<u64>,
    /// When it is told next.
    due_ns: Option<u64>,
}

/// A frame on its way.
#[derive(Clone, Debug)]
pub(super) struct Departing {
    pub(super) conn: u64,
    pub(super) text: String,
}

/// What the streams read.
pub(super) struct StreamContext<'a> {
    pub(super) t_ns: u64,
    pub(super) symbols: &'a Symbols,
    pub(super) exchange: &'a Exchange,
    pub(super) market: &'a Market,
    pub(super) faults: &'a mut Faults,
    /// The venue's clock; each socket has a unit of its own.
    pub(super) stamp: Stamp,
    pub(super) streams_max: usize,
}

/// Public streams of one venue.
#[derive(Debug, Default)]
pub(super) struct Streams {
    followers: BTreeMap<u64, Follower>,
    feeds: BTreeMap<Feed, FeedState>,
    due: BTreeSet<(u64, Feed)>,
    /// Changes of books told so far, for faults by ordinal.
    deltas: u64,
}

impl Streams {
    /// A socket was opened on `path`, whose streams are followed at once: `/ws/<name>`, `/stream?streams=<name>/<name>`.
    pub(super) fn open(&mut self, conn: u64, path: &str, query: &str, micros: bool, context: &mut StreamContext<'_>) {
        let is_combined = path.starts_with("/stream");
        self.followers.insert(conn, Follower { is_combined, micros, names: BTreeMap::new() });
        let of_query = query.split('&').find_map(|item| item.strip_prefix("streams=")).unwrap_or_default();
        let of_path = path.trim_start_matches("/ws").trim_start_matches('/');
        let names = if is_combined { of_query } else { of_path };
        for name in names.split('/').filter(|name| !name.is_empty()) {
            self.follow(conn, &crate::shared::text::percent_decode(name), context);
        }
    }

    pub(super) fn closed(&mut self, conn: u64) {
        if let Some(follower) = self.followers.remove(&conn) {
            for feed in follower.names.into_values().flatten() {
                self.leave(conn, feed);
            }
        }
    }

    fn leave(&mut self, conn: u64, feed: Feed) {
        let Some(state) = self.feeds.get_mut(&feed) else { return };
        state.followers.remove(&conn);
        if state.followers.is_empty() {
            if let Some(due_ns) = state.due_ns {
                self.due.remove(&(due_ns, feed));
            }
            self.feeds.remove(&feed);
        }
    }

    fn follow(&mut self, conn: u64, name: &str, context: &mut StreamContext<'_>) {
        let Some(follower) = self.followers.get_mut(&conn) else { return };
        let feed = feed_of(name, context.symbols);
        follower.names.insert(name.to_owned(), feed);
        let Some(feed) = feed.filter(|_| !context.faults.acknowledge_without_service) else { return };
        let state = self.feeds.entry(feed).or_default();
        if let ((Some(pair), Topic::Depth(_)), true) = (feed, state.followers.is_empty())
            && let Some(rules) = context.symbols.rules(pair)
        {
            context.faults.struck.followed(&rules.id);
        }
        state.followers.insert(conn, name.to_owned());
        // Whoever joins is told the state at the next tick.
        if !matches!(feed.1, Topic::Depth(_)) {
            schedule(&mut self.due, feed, state, context.t_ns);
        }
    }

    /// Handles a message of a client; returns the reply, unless a fault swallows it.
    pub(super) fn on_message(&mut self, conn: u64, text: &str, context: &mut StreamContext<'_>) -> Option<String> {
        let reply = match self.command(conn, text, context) {
            Ok((_, true)) if context.faults.swallow_acknowledgements => return None,
            Ok((reply, _)) => reply,
            Err(error) => error,
        };
        Some(reply.to_string())
    }

    /// The reply, and whether it acknowledges a subscription.
    fn command(&mut self, conn: u64, text: &str, context: &mut StreamContext<'_>) -> Result<(Value, bool), Value> {
        let refuse = |code: u32, msg: String| json!({"error": {"code": code, "msg": msg}});
        let message: Value = serde_json::from_str(text).map_err(|error| refuse(3, format!("Invalid JSON: {error}")))?;
        let id = message.get("id").filter(|id| id.is_null() || id.is_i64() || id.is_u64() || id.is_string()).cloned();
        let id = id.ok_or_else(|| refuse(2, "Invalid request: request ID must be an unsigned integer".to_owned()))?;
        let refuse = |code: u32, msg: String| json!({"error": {"code": code, "msg": msg}, "id": id});
        let method = message.get("method").and_then(Value::as_str);
        let method = method.ok_or_else(|| refuse(2, "Invalid request: missing field `method`".to_owned()))?;
        let follower = self.followers.get_mut(&conn).ok_or(Value::Null)?;
        match method {
            "SUBSCRIBE" | "UNSUBSCRIBE" => {
                let items = message.get("params").and_then(Value::as_array);
                let names: Option<Vec<String>> =
                    items.map(|items| items.iter().filter_map(Value::as_str).map(str::to_owned).collect());
                let names = names.filter(|names| items.is_some_and(|items| items.len() == names.len()));
                let names = names.ok_or_else(|| refuse(2, "Invalid request: params must be an array of strings".to_owned()))?;
                if method == "UNSUBSCRIBE" {
                    for name in &names {
                        if let Some(Some(feed)) = self.followers.get_mut(&conn).and_then(|follower| follower.names.remove(name)) {
                            self.leave(conn, feed);
                        }
                    }
                    return Ok((json!({"result": null, "id": id}), false));
                }
                if follower.names.len() + names.len() > context.streams_max {
                    return Err(refuse(2, "Invalid request: too many parameters".to_owned()));
                }
                for name in &names {
                    self.follow(conn, name, context);
                }
                Ok((json!({"result": null, "id": id}), true))
            }
            "LIST_SUBSCRIPTIONS" => {
                let names: Vec<&String> = follower.names.keys().collect();
                Ok((json!({"result": names, "id": id}), false))
            }
            "SET_PROPERTY" | "GET_PROPERTY" => {
                let params = message.get("params").and_then(Value::as_array).cloned().unwrap_or_default();
                match (params.first().and_then(Value::as_str), params.get(1)) {
                    (None, _) => Err(refuse(2, "Invalid request: property name must be a string".to_owned())),
                    (Some("combined"), None) if method == "GET_PROPERTY" => {
                        Ok((json!({"result": follower.is_combined, "id": id}), false))
                    }
                    (Some("combined"), Some(Value::Bool(is_combined))) if method == "SET_PROPERTY" => {
                        follower.is_combined = *is_combined;
                        Ok((json!({"result": null, "id": id}), false))
                    }
                    (Some("combined"), _) => Err(refuse(1, "Invalid value type: expected Boolean".to_owned())),
                    (Some(_), _) => Err(refuse(0, "Unknown property".to_owned())),
                }
            }
            other => Err(refuse(2, format!("Invalid request: unknown variant `{other}`, expected one of {METHODS}"))),
        }
    }

    /// What happened in the exchange. `aggregates` are the trades added up by taker.
    pub(super) fn on_events(
        &mut self,
        events: &[Event],
        aggregates: &[(PairId, Aggregate)],
        context: &mut StreamContext<'_>,
    ) -> Vec<Departing> {
        let mut frames = Vec::new();
        let mut touched: BTreeSet<PairId> = BTreeSet::new();
        for event in events {
            match event {
                Event::Book(change) => {
                    touched.insert(change.pair);
                    self.on_book(change, context);
                }
                Event::Trade(trade) => {
                    self.on_trade(trade, context);
                    self.tell((Some(trade.pair), Topic::Trade), context, &mut frames, |stamp| {
                        trade_event(trade, context.symbols.name(trade.pair), stamp)
                    });
                }
                Event::Order(_) | Event::Fill(_) | Event::Balance(_) => {}
            }
        }
        for (pair, aggregate) in aggregates {
            let name = context.symbols.name(*pair);
            self.tell((Some(*pair), Topic::AggTrade), context, &mut frames, |stamp| {
                let mut event = aggregate_row(aggregate, stamp);
                event["e"] = json!("aggTrade");
                event["E"] = json!(stamp.of(aggregate.t_ns));
                event["s"] = json!(name);
                event
            });
        }
        for pair in touched {
            frames.extend(self.best_of(pair, context));
        }
        frames
    }

    fn on_book(&mut self, change: &BookChange, context: &StreamContext<'_>) {
        let pair = Some(change.pair);
        let feeds = self.feeds.range_mut((pair, Topic::Depth(0))..(pair, Topic::Kline(0)));
        for (feed, state) in feeds {
            if matches!(feed.1, Topic::Depth(_)) {
                state.changed.insert((change.side, change.price.normalize()), change.amount);
                state.first_id.get_or_insert(change.id);
                state.last_id = change.id;
            }
            schedule(&mut self.due, *feed, state, context.t_ns);
        }
    }

    fn on_trade(&mut self, trade: &PublicTrade, context: &StreamContext<'_>) {
        let pair = Some(trade.pair);
        for feed in self
            .feeds
            .range((pair, Topic::Kline(0))..)
            .take_while(|((of, _), _)| *of == pair)
            .map(|(feed, _)| *feed)
            .collect::<Vec<Feed>>()
        {
            self.mark(feed, context.t_ns);
        }
        let windows = tickers::stream_windows().map(Topic::Window);
        for topic in [Topic::MiniTicker, Topic::Ticker].into_iter().chain(windows) {
            self.mark((None, topic), context.t_ns);
        }
    }

    fn mark(&mut self, feed: Feed, t_ns: u64) {
        if let Some(state) = self.feeds.get_mut(&feed) {
            schedule(&mut self.due, feed, state, t_ns);
        }
    }

    /// Pushes the best prices of a pair to whoever follows them, if they changed.
    fn best_of(&mut self, pair: PairId, context: &mut StreamContext<'_>) -> Vec<Departing> {
        let feed = (Some(pair), Topic::BookTicker);
        let mut frames = Vec::new();
        let Some(state) = self.feeds.get_mut(&feed) else { return frames };
        let book = context.exchange.book(pair);
        let (Some(bid), Some(ask)) = (book.best(Side::Buy), book.best(Side::Sell)) else { return frames };
        let best = [bid.price, bid.amount, ask.price, ask.amount];
        if state.best == Some(best) {
            return frames;
        }
        state.best = Some(best);
        let (id, name) = (book.update_id(), context.symbols.name(pair));
        let crossed = context.symbols.rules(pair).and_then(|rules| {
            let how = context.faults.crossing(&rules.id, true)?;
            how.bid(&[ask], rules.precision)
        });
        let bid = crossed.unwrap_or(bid);
        self.tell(feed, context, &mut frames, |_| {
            json!({
                "u": id, "s": name, "b": fixed(bid.price), "B": fixed(bid.amount), "a": fixed(ask.price), "A": fixed(ask.amount),
            })
        });
        frames
    }

    /// Gives an event to every follower of a feed, in its own unit and wrapping.
    fn tell(&self, feed: Feed, context: &StreamContext<'_>, frames: &mut Vec<Departing>, event: impl Fn(Stamp) -> Value) {
        let Some(state) = self.feeds.get(&feed) else { return };
        let is_silent = match feed.0.and_then(|pair| context.symbols.rules(pair)) {
            Some(rules) => context.faults.is_silent(&rules.id),
            None => context.faults.silent_feed || context.faults.maintenance,
        };
        if is_silent {
            return;
        }
        let mut made: [Option<String>; 2] = [None, None];
        for (conn, name) in &state.followers {
            let Some(follower) = self.followers.get(conn) else { continue };
            let text = made[usize::from(follower.micros)]
                .get_or_insert_with(|| event(Stamp { micros: follower.micros, ..context.stamp }).to_string());
            let text = if follower.is_combined {
                // Names of streams need no escapes: they were found in the list.
                format!("{{\"stream\":\"{name}\",\"data\":{text}}}")
            } else {
                text.clone()
            };
            frames.push(Departing { conn: *conn, text });
        }
    }

    pub(super) fn next_due(&self) -> Option<u64> {
        self.due.first().map(|(t_ns, _)| *t_ns)
    }

    /// Pushes whatever is due.
    pub(super) fn step(&mut self, context: &mut StreamContext<'_>) -> Vec<Departing> {
        let mut frames = Vec::new();
        while let Some((due_ns, feed)) = self.due.first().copied()
            && due_ns <= context.t_ns
        {
            self.due.pop_first();
            if let Some(state) = self.feeds.get_mut(&feed) {
                state.due_ns = None;
            }
            match feed {
                (Some(pair), Topic::BookTicker) => {
                    if let Some(state) = self.feeds.get_mut(&feed) {
                        state.best = None;
                    }
                    frames.extend(self.best_of(pair, context));
                }
                (Some(pair), Topic::Depth(_)) => self.push_depth(pair, feed, context, &mut frames),
                (Some(pair), Topic::Partial(levels, _)) => {
                    let mut copy = BookCopy::of(context.exchange, pair, context.t_ns, levels);
                    if let Some(rules) = context.symbols.rules(pair)
                        && let Some(how) = context.faults.crossing(&rules.id, true)
                        && let Some(bid) = how.bid(&copy.asks, rules.precision)
                    {
                        copy.bids.insert(0, bid);
                        copy.bids.truncate(levels);
                    }
                    self.tell(
                        feed,
                        context,
                        &mut frames,
                        |_| json!({"lastUpdateId": copy.id, "bids": level_rows(&copy.bids), "asks": level_rows(&copy.asks)}),
                    );
                }
                (Some(pair), Topic::Kline(index)) => self.push_kline(pair, feed, index, context, &mut frames),
                (pair, topic @ (Topic::MiniTicker | Topic::Ticker | Topic::Window(_))) => {
                    let event = |pair, stamp| match topic {
                        Topic::Window(window) => tickers::window_event(pair, window, context, stamp),
                        _ => tickers::day_event(pair, topic == Topic::MiniTicker, context, stamp),
                    };
                    self.tell(feed, context, &mut frames, |stamp| match pair {
                        Some(pair) => event(pair, stamp),
                        None => context.symbols.pairs().map(|(pair, _)| event(pair, stamp)).collect(),
                    });
                }
                (Some(pair), Topic::AvgPrice) => {
                    let average = context.market.average(pair, context.exchange, context.t_ns).unwrap_or_default();
                    let name = context.symbols.name(pair);
                    let last_ns = context.exchange.public_trades(pair).next_back().map_or(context.t_ns, |trade| trade.t_ns);
                    self.tell(feed, context, &mut frames, |stamp| {
                        let (now, last) = (stamp.of(context.t_ns), stamp.of(last_ns));
                        json!({"e": "avgPrice", "E": now, "s": name, "i": "5m", "w": fixed(average), "T": last})
                    });
                }
                _ => {}
            }
        }
        frames
    }

    fn push_depth(&mut self, pair: PairId, feed: Feed, context: &mut StreamContext<'_>, frames: &mut Vec<Departing>) {
        let Some(state) = self.feeds.get_mut(&feed) else { return };
        let Some(first_id) = state.first_id.take() else { return };
        let (changed, last_id) = (std::mem::take(&mut state.changed), state.last_id);
        self.deltas += 1;
        let (symbols, faults) = (context.symbols, &mut *context.faults);
        let id = symbols.rules(pair).map_or("", |rules| rules.id.as_str());
        let followers = if faults.is_silent(id) { 0 } else { state.followers.len() };
        if faults.withholds(faults.skip_book_delta.contains(&self.deltas), context.t_ns, id, followers) {
            return;
        }
        let mut bids: Vec<Value> = Vec::new();
        let mut asks: Vec<Value> = Vec::new();
        for ((side, price), amount) in &changed {
            let rows = if *side == Side::Buy { &mut bids } else { &mut asks };
            rows.push(json!([fixed(*price), fixed(*amount)]));
        }
        bids.reverse();
        let best_ask = context.exchange.book(pair).best(Side::Sell);
        if let (Some(rules), Some(ask)) = (context.symbols.rules(pair), best_ask)
            && let Some(how) = context.faults.crossing(&rules.id, true)
            && let Some(bid) = how.bid(&[ask], rules.precision)
        {
            bids.insert(0, json!([fixed(bid.price), fixed(bid.amount)]));
        }
        let name = context.symbols.name(pair);
        self.tell(feed, context, frames, |stamp| {
            json!({"e": "depthUpdate", "E": stamp.of(context.t_ns), "s": name, "U": first_id, "u": last_id, "b": bids, "a": asks})
        });
    }

    /// Pushes the running candle, after the last word about the one before it.
    fn push_kline(&mut self, pair: PairId, feed: Feed, index: usize, context: &StreamContext<'_>, frames: &mut Vec<Departing>) {
        let Some((word, interval)) = INTERVALS.get(index).copied() else { return };
        let now_ms = context.t_ns / MS;
        let rows = context.market.bars(pair).map(|bars| bars.rows(interval, None, u64::MAX, now_ms, 2)).unwrap_or_default();
        let told = self.feeds.get(&feed).and_then(|state| state.candle_ms);
        let wanted = rows.iter().filter(|bar| told.is_some_and(|told| bar.start_ms >= told) || Some(*bar) == rows.last());
        let name = context.symbols.name(pair);
        for bar in wanted {
            let next_ms = interval.next(bar.start_ms);
            let is_closed = next_ms <= now_ms;
            self.tell(feed, context, frames, |stamp| kline_event(bar, next_ms, is_closed, word, name, context.t_ns, stamp));
        }
        if let (Some(last), Some(state)) = (rows.last(), self.feeds.get_mut(&feed)) {
            state.candle_ms = Some(last.start_ms);
            // A candle is told as closed even when nothing is traded any more.
            schedule(&mut self.due, feed, state, context.t_ns);
        }
    }
}

/// Plans the next push of a feed on the grid of its interval; one that is told at once is only planned to greet a new follower.
fn schedule(due: &mut BTreeSet<(u64, Feed)>, feed: Feed, state: &mut FeedState, t_ns: u64) {
    if state.due_ns.is_some() {
        return;
    }
    let due_ns = match feed.1.every_ns() {
        // All pairs together speak when the first of them would.
        Some(every_ns) => next_tick(feed.0.unwrap_or(PairId(0)), every_ns, t_ns, 0),
        None => t_ns + 1,
    };
    state.due_ns = Some(due_ns);
    due.insert((due_ns, feed));
}

fn trade_event(trade: &PublicTrade, name: &str, stamp: Stamp) -> Value {
    json!({
        "e": "trade",
        "E": stamp.of(trade.t_ns),
        "s": name,
        "t": trade.sequence_id,
        "p": fixed(trade.price),
        "q": fixed(trade.amount),
        "T": stamp.of(trade.t_ns),
        "m": trade.taker_side == Side::Sell,
        "M": true,
    })
}

fn kline_event(bar: &Bar, next_ms: u64, is_closed: bool, word: &str, name: &str, t_ns: u64, stamp: Stamp) -> Value {
    let ids = if bar.count == 0 { (json!(-1), json!(-1)) } else { (json!(bar.first), json!(bar.last)) };
    json!({
        "e": "kline",
        "E": stamp.of(t_ns),
        "s": name,
        "k": {
            "t": stamp.of(bar.start_ms * MS), "T": stamp.of(next_ms * MS) - 1, "s": name, "i": word, "f": ids.0, "L": ids.1,
            "o": fixed(bar.open), "c": fixed(bar.close), "h": fixed(bar.high), "l": fixed(bar.low), "v": fixed(bar.base),
            "n": bar.count, "x": is_closed, "q": fixed(bar.quote), "V": fixed(bar.taker_base), "Q": fixed(bar.taker_quote),
            "B": "0",
        },
    })
}
