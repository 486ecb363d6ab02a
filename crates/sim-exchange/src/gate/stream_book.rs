//! What the public book channels say: whole books, increments, the touch (Gate API v4, spot channels).
//!
//! A [`Feed`] is one channel of one pair with everything its subscribers have been told. Start at [`Feed::frame`], which makes
//! the next push, and [`Feed::first_frame`], the whole book that a new subscriber of `spot.obu` gets at once.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{
    channel::{FeedKind, candle_interval},
    config::GateConfig,
    frame::{push, to_json},
    market_data::{MarketStatistics, level_texts},
    render::Symbols,
    rows::text,
    stream_candles::CandleFeed,
};
use crate::{
    core::{Book, Exchange, Level, PairId, Side},
    shared::depth::{DepthFeed, WindowFeed},
};

/// Book state as a book ticker shows it.
type Touch = (Option<Level>, Option<Level>);

/// Pushes made, counted for the faults that name one.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// Increments of `spot.order_book_update`.
    increments: u64,
    /// Increments of `spot.obu`.
    obu: u64,
}

/// One public feed with at least one subscriber.
#[derive(Debug, Default)]
pub(super) struct Feed {
    pub(super) subscribers: BTreeSet<u64>,
    /// Subscribers that have not had their first whole book yet.
    pub(super) fresh: BTreeSet<u64>,
    /// A push is already planned.
    pub(super) is_planned: bool,
    /// A push was held back while the feed was silent: what its subscribers know is old, and no whole book for a new one.
    pub(super) is_behind: bool,
    /// Book id of the last whole book pushed.
    pushed_id: Option<u64>,
    /// What the last book ticker said.
    touch: Option<Touch>,
    pub(super) increments: Option<DepthFeed>,
    window: Option<WindowFeed>,
    pub(super) candle: Option<CandleFeed>,
}

/// What a push is made from.
pub(super) struct PushContext<'a> {
    pub(super) at_ns: u64,
    pub(super) config: &'a mut GateConfig,
    pub(super) symbols: &'a Symbols,
    pub(super) exchange: &'a Exchange,
    pub(super) statistics: &'a MarketStatistics,
    pub(super) made: &'a mut Made,
}

impl PushContext<'_> {
    /// The bid that makes this book contradict itself, when a fault asks for it.
    fn crossing(&mut self, pair: PairId, asks: &[Level]) -> Option<Level> {
        let crossing = self.config.faults.crossing(self.symbols.pair(pair), true)?;
        crossing.bid(asks, self.symbols.rules(pair)?.precision)
    }
}

/// Frames, each with those who get it.
pub(super) type Addressed = Vec<(String, BTreeSet<u64>)>;

impl Feed {
    /// Prepares the feed for its first subscriber.
    pub(super) fn open(&mut self, pair: PairId, kind: FeedKind, exchange: &Exchange, statistics: &MarketStatistics) {
        let book = exchange.book(pair);
        let depth = usize::from(kind.depth());
        let top = || (book.top(Side::Buy, depth), book.top(Side::Sell, depth));
        match kind {
            FeedKind::Increments { .. } if self.increments.is_none() => {
                let (bids, asks) = top();
                self.increments = Some(DepthFeed::open(depth, book.update_id(), &bids, &asks));
            }
            FeedKind::Obu { .. } if self.window.is_none() => {
                let (bids, asks) = top();
                self.window = Some(WindowFeed::open(depth, book.update_id(), book.update_t_ns(), bids, asks));
            }
            FeedKind::Candles { interval } if self.candle.is_none() => {
                let begun = statistics.begun(pair, u64::from(candle_interval(interval).1));
                self.candle = Some(CandleFeed::open(interval, begun, exchange.public_trades(pair)));
            }
            _ => {}
        }
    }

    /// The whole window of a `spot.obu` stream as its other subscribers know it: the next increment continues from there.
    pub(super) fn first_frame(&self, kind: FeedKind, name: &str, at_ns: u64, old_times: bool) -> Option<String> {
        let window = self.window.as_ref()?;
        let age_ns = at_ns.saturating_sub(window.t_ns);
        let stamped_ns = if old_times { window.t_ns + age_ns / 2 } else { at_ns };
        Some(whole_window(window, kind, name, stamped_ns))
    }

    /// The frames of the tick that has come.
    pub(super) fn frame(&mut self, pair: PairId, kind: FeedKind, context: &mut PushContext<'_>) -> Addressed {
        match kind {
            FeedKind::Book { .. } => self.whole_book(pair, kind, context),
            FeedKind::Increments { .. } => self.increment(pair, kind, context),
            FeedKind::Obu { .. } => self.obu(pair, kind, context),
            FeedKind::BookTicker => self.book_ticker(pair, context),
            FeedKind::Ticker => {
                let row = context.statistics.ticker(pair, context.symbols, context.exchange, false);
                self.fresh.clear();
                vec![(push("spot.tickers", context.at_ns, &row), self.subscribers.clone())]
            }
            FeedKind::Candles { .. } => {
                let name = context.symbols.pair(pair);
                let owed = !std::mem::take(&mut self.fresh).is_empty();
                let rows = self.candle.as_mut().map(|candle| candle.rows(context.at_ns, name, owed)).unwrap_or_default();
                rows.iter().map(|row| (push("spot.candlesticks", context.at_ns, row), self.subscribers.clone())).collect()
            }
            FeedKind::Trades | FeedKind::TradesV2 => Vec::new(),
        }
    }

    fn whole_book(&mut self, pair: PairId, kind: FeedKind, context: &mut PushContext<'_>) -> Addressed {
        let book = context.exchange.book(pair);
        let fresh = std::mem::take(&mut self.fresh);
        let is_changed = self.pushed_id != Some(book.update_id()) || context.config.repeat_unchanged_books;
        let to = if is_changed { self.subscribers.clone() } else { fresh };
        if to.is_empty() {
            return Vec::new();
        }
        self.pushed_id = Some(book.update_id());
        let levels = usize::from(kind.depth());
        let (mut bids, asks) = (book.top(Side::Buy, levels), book.top(Side::Sell, levels));
        if let Some(bid) = context.crossing(pair, &asks) {
            bids.insert(0, bid);
            bids.truncate(levels);
        }
        let result = WholeBook {
            t: book.update_t_ns() / 1_000_000,
            last_update_id: book.update_id(),
            s: context.symbols.pair(pair),
            l: kind.depth().to_string(),
            bids: level_texts(&bids),
            asks: level_texts(&asks),
        };
        vec![(push("spot.order_book", context.at_ns, result), to)]
    }

    fn increment(&mut self, pair: PairId, kind: FeedKind, context: &mut PushContext<'_>) -> Addressed {
        let book = context.exchange.book(pair);
        let depth = usize::from(kind.depth());
        let (bids, asks) = (book.top(Side::Buy, depth), book.top(Side::Sell, depth));
        let mut frames = Vec::new();
        let name = context.symbols.pair(pair);
        let increment = self.increments.as_mut().and_then(|feed| feed.tick(book.update_id(), &bids, &asks));
        let fresh = std::mem::take(&mut self.fresh);
        if !fresh.is_empty() {
            context.config.faults.struck.renewed(name);
            let row = IncrementRow::new(book, name, kind, None, book.update_id(), &bids, &asks);
            frames.push((push(UPDATES, context.at_ns, row), fresh.clone()));
        }
        let Some(mut increment) = increment else { return frames };
        context.made.increments += 1;
        increment.bids.extend(context.crossing(pair, &asks));
        let to: BTreeSet<u64> = self.subscribers.difference(&fresh).copied().collect();
        let faults = &mut context.config.faults;
        let is_named = faults.skip_book_delta.contains(&context.made.increments);
        if faults.withholds(is_named, context.at_ns, name, to.len()) {
            return frames;
        }
        let row =
            IncrementRow::new(book, name, kind, Some(increment.first_id), increment.last_id, &increment.bids, &increment.asks);
        frames.push((push(UPDATES, context.at_ns, row), to));
        frames
    }

    fn obu(&mut self, pair: PairId, kind: FeedKind, context: &mut PushContext<'_>) -> Addressed {
        let book = context.exchange.book(pair);
        let depth = usize::from(kind.depth());
        let (bids, asks) = (book.top(Side::Buy, depth), book.top(Side::Sell, depth));
        let mut frames = Vec::new();
        let fresh = std::mem::take(&mut self.fresh);
        let Some(window) = self.window.as_mut() else { return frames };
        let increment = window.tick(book.update_id(), book.update_t_ns(), bids, asks);
        let name = context.symbols.pair(pair);
        if !fresh.is_empty() {
            context.config.faults.struck.renewed(name);
            frames.push((whole_window(window, kind, name, context.at_ns), fresh.clone()));
        }
        let Some(mut increment) = increment else { return frames };
        context.made.obu += 1;
        let best_asks = book.top(Side::Sell, 1);
        increment.bids.extend(context.crossing(pair, &best_asks));
        let made = context.made.obu;
        let to: BTreeSet<u64> = self.subscribers.difference(&fresh).copied().collect();
        let faults = &mut context.config.faults;
        if faults.withholds(faults.skip_obu_delta.contains(&made), context.at_ns, name, to.len()) {
            return frames;
        }
        if faults.full_obu_push.contains(&made) {
            faults.struck.renewed(name);
            frames.push((whole_window(window, kind, name, context.at_ns), to));
            return frames;
        }
        let side = |levels: &[Level]| (!levels.is_empty()).then(|| level_texts(levels));
        let result = ObuRow {
            t: window.t_ns / 1_000_000,
            full: None,
            s: format!("ob.{name}.{}", kind.depth()),
            first_id: Some(increment.first_id),
            u: increment.last_id,
            b: side(&increment.bids),
            a: side(&increment.asks),
        };
        frames.push((obu_frame(result, context.at_ns), to));
        frames
    }

    fn book_ticker(&mut self, pair: PairId, context: &mut PushContext<'_>) -> Addressed {
        let book = context.exchange.book(pair);
        let mut touch = (book.best(Side::Buy), book.best(Side::Sell));
        let asks: Vec<Level> = touch.1.into_iter().collect();
        touch.0 = context.crossing(pair, &asks).or(touch.0);
        let fresh = std::mem::take(&mut self.fresh);
        let to = if self.touch != Some(touch) { self.subscribers.clone() } else { fresh };
        if to.is_empty() {
            return Vec::new();
        }
        self.touch = Some(touch);
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
        vec![(push("spot.book_ticker", context.at_ns, row), to)]
    }
}

const UPDATES: &str = "spot.order_book_update";

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

#[derive(Serialize)]
struct IncrementRow<'a> {
    t: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    full: Option<bool>,
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

impl<'a> IncrementRow<'a> {
    /// An increment from `first_id`, or the whole book when there is none.
    fn new(
        book: &Book,
        name: &'a str,
        kind: FeedKind,
        first_id: Option<u64>,
        last_id: u64,
        bids: &[Level],
        asks: &[Level],
    ) -> IncrementRow<'a> {
        IncrementRow {
            t: book.update_t_ns() / 1_000_000,
            full: first_id.is_none().then_some(true),
            e: "depthUpdate",
            event_time: book.update_t_ns() / 1_000_000_000,
            s: name,
            first_id: first_id.unwrap_or(last_id),
            u: last_id,
            b: level_texts(bids),
            a: level_texts(asks),
            l: kind.depth().to_string(),
        }
    }
}

/// A frame of `spot.obu`: captures show no `time`, and this order of fields.
#[derive(Serialize)]
struct ObuFrame<'a> {
    channel: &'a str,
    result: ObuRow,
    time_ms: u64,
    event: &'a str,
}

#[derive(Serialize)]
struct ObuRow {
    t: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    full: Option<bool>,
    s: String,
    #[serde(rename = "U", skip_serializing_if = "Option::is_none")]
    first_id: Option<u64>,
    u: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    b: Option<Vec<[String; 2]>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    a: Option<Vec<[String; 2]>>,
}

fn obu_frame(result: ObuRow, at_ns: u64) -> String {
    to_json(&ObuFrame { channel: "spot.obu", result, time_ms: at_ns / 1_000_000, event: "update" })
}

fn whole_window(window: &WindowFeed, kind: FeedKind, name: &str, stamped_ns: u64) -> String {
    let result = ObuRow {
        t: window.t_ns / 1_000_000,
        full: Some(true),
        s: format!("ob.{name}.{}", kind.depth()),
        first_id: None,
        u: window.id,
        b: Some(level_texts(&window.bids)),
        a: Some(level_texts(&window.asks)),
    };
    obu_frame(result, stamped_ns)
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
