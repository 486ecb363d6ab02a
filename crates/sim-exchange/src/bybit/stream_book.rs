//! What the public topics say: books, tickers, candles (Bybit API v5, public streams).
//!
//! A [`Feed`] is one topic of one symbol with everything its subscribers have been told. Start at [`Feed::tick`], which makes the
//! next frames, and [`Feed::first_frame`], the snapshot that a new subscriber gets at once. A book's `u` rises by one with each
//! message of its topic; `seq` is the book's own number, so that depths can be compared. Depth 1 sends snapshots only, and says
//! the last one again when nothing has changed for three seconds.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    config::BybitConfig,
    rows,
    statistics::{Candle, Interval, Statistics},
    symbols::Symbols,
    topics::FeedKind,
};
use crate::{
    core::{Exchange, Level, PairId, Side},
    shared::{depth::WindowFeed, text::decimal},
};

/// Depth 1 is said again after so long without a change.
pub(super) const REPEAT_NS: u64 = 3_000_000_000;

/// A book as the subscribers of one depth know it.
#[derive(Debug)]
struct BookFeed {
    window: WindowFeed,
    /// `u` of the last message.
    number: u64,
    /// When the last message left.
    said_ns: u64,
    /// The service was restarted: the next message is a snapshot with `u` 1.
    is_restarted: bool,
}

/// One public topic with at least one subscriber.
#[derive(Debug, Default)]
pub(super) struct Feed {
    pub(super) subscribers: BTreeSet<u64>,
    /// Subscribers that have not had their first message yet.
    pub(super) fresh: BTreeSet<u64>,
    /// A tick is already planned.
    pub(super) is_planned: bool,
    /// A tick was held back while the topic was silent: what its subscribers know is old, and no first state for a new one.
    pub(super) is_behind: bool,
    /// A repetition is already planned.
    pub(super) repeats: bool,
    book: Option<BookFeed>,
    /// The candle that was said last.
    candle: Option<Candle>,
}

/// What frames are made from.
pub(super) struct PushContext<'a> {
    pub(super) at_ns: u64,
    pub(super) config: &'a mut BybitConfig,
    pub(super) symbols: &'a Symbols,
    pub(super) exchange: &'a Exchange,
    pub(super) statistics: &'a Statistics,
    /// Increments of books made so far, for the faults that name one.
    pub(super) deltas: &'a mut u64,
}

impl PushContext<'_> {
    fn ms(&self, t_ns: u64) -> u64 {
        self.config.clock_ms(t_ns)
    }

    /// The stream brings the whole book.
    fn renewed(&mut self, pair: PairId) {
        self.config.faults.struck.renewed(self.symbols.id_of(pair));
    }

    /// The bid that makes this book contradict itself, when a fault asks for it.
    fn crossing(&mut self, pair: PairId, asks: &[Level]) -> Option<Level> {
        let crossing = self.config.faults.crossing(self.symbols.id_of(pair), true)?;
        crossing.bid(asks, self.symbols.rules(pair)?.precision)
    }
}

/// Frames, each with those who get it.
pub(super) type Addressed = Vec<(String, BTreeSet<u64>)>;

impl Feed {
    /// Prepares the feed for its first subscriber.
    pub(super) fn open(&mut self, pair: PairId, kind: FeedKind, exchange: &Exchange) {
        if let (FeedKind::Book(depth), None) = (kind, &self.book) {
            let (book, depth) = (exchange.book(pair), usize::from(depth));
            let (bids, asks) = (book.top(Side::Buy, depth), book.top(Side::Sell, depth));
            let window = WindowFeed::open(depth, book.update_id(), book.update_t_ns(), bids, asks);
            self.book = Some(BookFeed { window, number: book.update_id().max(2), said_ns: 0, is_restarted: false });
        }
    }

    /// The service behind the topic was restarted.
    pub(super) fn restart(&mut self) {
        if let Some(book) = &mut self.book {
            book.is_restarted = true;
        }
    }

    /// When the book's last message left.
    pub(super) fn said_ns(&self) -> u64 {
        self.book.as_ref().map_or(0, |book| book.said_ns)
    }

    /// What a new subscriber gets at once: the state as the others know it. Nothing for trades and candles.
    pub(super) fn first_frame(&mut self, pair: PairId, kind: FeedKind, context: &mut PushContext<'_>) -> Option<String> {
        match kind {
            FeedKind::Book(depth) => {
                if depth > 1 {
                    context.renewed(pair);
                }
                self.snapshot(pair, kind, context)
            }
            FeedKind::Ticker => Some(ticker_frame(pair, context)),
            FeedKind::Trades | FeedKind::Candles(_) => None,
        }
    }

    /// The frames of the tick that has come.
    pub(super) fn tick(&mut self, pair: PairId, kind: FeedKind, context: &mut PushContext<'_>) -> Addressed {
        match kind {
            FeedKind::Book(1) => self.touch(pair, kind, context),
            FeedKind::Book(_) => self.increment(pair, kind, context),
            FeedKind::Ticker => {
                self.fresh.clear();
                vec![(ticker_frame(pair, context), self.subscribers.clone())]
            }
            FeedKind::Candles(interval) => {
                self.fresh.clear();
                self.candles(pair, interval, context).into_iter().map(|text| (text, self.subscribers.clone())).collect()
            }
            FeedKind::Trades => Vec::new(),
        }
    }

    fn touch(&mut self, pair: PairId, kind: FeedKind, context: &mut PushContext<'_>) -> Addressed {
        let fresh = std::mem::take(&mut self.fresh);
        let Some(feed) = self.book.as_mut() else { return Vec::new() };
        let is_changed = moved(feed, pair, context).is_some_and(|(bids, asks)| !bids.is_empty() || !asks.is_empty());
        let is_due = context.at_ns.saturating_sub(feed.said_ns) >= REPEAT_NS;
        if feed.is_restarted {
            (feed.number, feed.is_restarted) = (1, false);
        } else if is_changed {
            feed.number += 1;
        } else if !is_due {
            // Nothing new: only those who have had nothing yet.
            let text = if fresh.is_empty() { None } else { self.snapshot(pair, kind, context) };
            return text.map(|text| (text, fresh)).into_iter().collect();
        }
        feed.said_ns = context.at_ns;
        let text = self.snapshot(pair, kind, context);
        text.map(|text| (text, self.subscribers.clone())).into_iter().collect()
    }

    fn increment(&mut self, pair: PairId, kind: FeedKind, context: &mut PushContext<'_>) -> Addressed {
        let fresh = std::mem::take(&mut self.fresh);
        let Some(feed) = self.book.as_mut() else { return Vec::new() };
        let changes = moved(feed, pair, context).filter(|(bids, asks)| !bids.is_empty() || !asks.is_empty());
        if feed.is_restarted {
            (feed.number, feed.is_restarted, feed.said_ns) = (1, false, context.at_ns);
            context.renewed(pair);
            let text = self.snapshot(pair, kind, context);
            return text.map(|text| (text, self.subscribers.clone())).into_iter().collect();
        }
        let mut frames = Vec::new();
        if let Some((mut bids, asks)) = changes {
            feed.number += 1;
            feed.said_ns = context.at_ns;
            *context.deltas += 1;
            let made = *context.deltas;
            let best_asks = feed.window.asks.clone();
            bids.extend(context.crossing(pair, &best_asks));
            let to: BTreeSet<u64> = self.subscribers.difference(&fresh).copied().collect();
            let (symbols, faults) = (context.symbols, &mut context.config.faults);
            let is_named = faults.skip_book_delta.contains(&made);
            let is_left_out = faults.withholds(is_named, context.at_ns, symbols.id_of(pair), to.len());
            let is_whole = faults.full_obu_push.contains(&made);
            if is_whole && !is_left_out {
                context.renewed(pair);
            }
            let text = if is_whole {
                self.snapshot(pair, kind, context)
            } else {
                self.book.as_ref().map(|feed| book_frame(pair, kind, "delta", feed, &bids, &asks, context))
            };
            frames.extend(text.filter(|_| !is_left_out).map(|text| (text, to)));
        }
        if !fresh.is_empty() {
            context.renewed(pair);
            frames.extend(self.snapshot(pair, kind, context).map(|text| (text, fresh)));
        }
        frames
    }

    fn snapshot(&self, pair: PairId, kind: FeedKind, context: &mut PushContext<'_>) -> Option<String> {
        let feed = self.book.as_ref()?;
        let (mut bids, asks) = (feed.window.bids.clone(), &feed.window.asks);
        if let Some(bid) = context.crossing(pair, asks) {
            bids.insert(0, bid);
            if let FeedKind::Book(depth) = kind {
                bids.truncate(usize::from(depth));
            }
        }
        Some(book_frame(pair, kind, "snapshot", feed, &bids, asks, context))
    }

    /// The running candle if it changed, after the one that ended.
    fn candles(&mut self, pair: PairId, interval: Interval, context: &PushContext<'_>) -> Vec<String> {
        let now_s = context.at_ns / 1_000_000_000;
        let from_s = self.candle.map_or(u64::MAX, |candle| candle.start_s).min(interval.start_of(now_s));
        let candles = context.statistics.candles(pair, interval, (from_s, u64::MAX), now_s, 2);
        let said = self.candle;
        let Some(running) = candles.last().copied() else { return Vec::new() };
        let ended = candles
            .first()
            .filter(|candle| said.is_some_and(|said| said.start_s == candle.start_s && said.start_s < running.start_s));
        let mut frames: Vec<String> =
            ended.map(|candle| candle_frame(pair, interval, candle, true, context)).into_iter().collect();
        if said != Some(running) {
            frames.push(candle_frame(pair, interval, &running, false, context));
        }
        self.candle = Some(running);
        frames
    }
}

/// Moves the window to the book as it stands; what changed in it.
fn moved(feed: &mut BookFeed, pair: PairId, context: &PushContext<'_>) -> Option<(Vec<Level>, Vec<Level>)> {
    let book = context.exchange.book(pair);
    let depth = feed.window.depth();
    let (bids, asks) = (book.top(Side::Buy, depth), book.top(Side::Sell, depth));
    let increment = feed.window.tick(book.update_id(), book.update_t_ns(), bids, asks)?;
    Some((increment.bids, increment.asks))
}

#[derive(Serialize)]
struct BookFrame<'a> {
    topic: String,
    ts: u64,
    #[serde(rename = "type")]
    kind: &'a str,
    data: BookData<'a>,
    cts: u64,
}

#[derive(Serialize)]
struct BookData<'a> {
    s: &'a str,
    b: Vec<[String; 2]>,
    a: Vec<[String; 2]>,
    u: u64,
    seq: u64,
}

fn book_frame(
    pair: PairId,
    kind: FeedKind,
    word: &str,
    feed: &BookFeed,
    bids: &[Level],
    asks: &[Level],
    context: &PushContext<'_>,
) -> String {
    let symbol = context.symbols.name(pair);
    let data = BookData { s: symbol, b: rows::levels(bids), a: rows::levels(asks), u: feed.number, seq: feed.window.id };
    let (ts, cts) = (context.ms(context.at_ns), context.ms(feed.window.t_ns));
    to_json(&BookFrame { topic: kind.topic(symbol), ts, kind: word, data, cts })
}

fn ticker_frame(pair: PairId, context: &PushContext<'_>) -> String {
    let data = rows::ticker(pair, context.symbols, context.statistics, context.exchange, context.at_ns);
    json!({
        "topic": FeedKind::Ticker.topic(context.symbols.name(pair)),
        "ts": context.ms(context.at_ns),
        "type": "snapshot",
        "cs": context.exchange.book(pair).update_id(),
        "data": data,
    })
    .to_string()
}

fn candle_frame(pair: PairId, interval: Interval, candle: &Candle, is_over: bool, context: &PushContext<'_>) -> String {
    let end_s = interval.next(candle.start_s);
    let row = json!({
        "start": candle.start_s * 1_000,
        "end": end_s * 1_000 - 1,
        "interval": interval.name(),
        "open": decimal(candle.open),
        "close": decimal(candle.close),
        "high": decimal(candle.high),
        "low": decimal(candle.low),
        "volume": decimal(candle.volume),
        "turnover": decimal(candle.turnover),
        "confirm": is_over,
        "timestamp": context.ms(context.at_ns),
    });
    let topic = FeedKind::Candles(interval).topic(context.symbols.name(pair));
    json!({"topic": topic, "type": "snapshot", "ts": context.ms(context.at_ns), "data": [row]}).to_string()
}

/// Trades of one symbol that happened together.
pub(super) fn trades_frame(
    pair: PairId,
    trades: &[&crate::core::PublicTrade],
    symbols: &Symbols,
    at_ns: u64,
    config: &BybitConfig,
) -> String {
    let symbol = symbols.name(pair);
    let rows: Vec<Value> = trades
        .iter()
        .map(|trade| {
            json!({
                "i": trade.trade_id.0.to_string(),
                "T": config.clock_ms(trade.t_ns),
                "p": decimal(trade.price),
                "v": decimal(trade.amount),
                "S": rows::side_word(trade.taker_side),
                "s": symbol,
                "BT": false,
                "RPI": false,
                "seq": trade.sequence_id,
            })
        })
        .collect();
    json!({"topic": FeedKind::Trades.topic(symbol), "ts": config.clock_ms(at_ns), "type": "snapshot", "data": rows}).to_string()
}

fn to_json<T: Serialize>(value: &T) -> String {
    // Rows are structs with text keys, which always become JSON.
    serde_json::to_string(value).unwrap_or_default()
}
