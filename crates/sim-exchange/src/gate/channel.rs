//! Which WebSocket channels exist, and what a subscription to each must name (Gate API v4, spot channels).
//!
//! Start at [`Topics::parse`]: channel and payload in, the feeds or private channels meant out, or the error Gate words.

use super::{
    frame::{ReplyError, code},
    render::Symbols,
};
use crate::core::PairId;

/// Levels of `spot.order_book`. 30 stands in the newer text only.
const BOOK_LEVELS: [(&str, u16); 6] = [("5", 5), ("10", 10), ("20", 20), ("30", 30), ("50", 50), ("100", 100)];

/// One public feed of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FeedKind {
    /// `spot.order_book`: whole books.
    Book {
        /// Levels per side.
        levels: u16,
        /// 100 or 1000.
        interval_ms: u16,
    },
    /// `spot.order_book_update`: increments.
    Increments {
        /// 100 (100 levels) or 20 (20 levels).
        interval_ms: u16,
    },
    /// `spot.book_ticker`.
    BookTicker,
    /// `spot.tickers`.
    Ticker,
    /// `spot.trades`.
    Trades,
}

impl FeedKind {
    /// Time between pushes; trades are pushed at once.
    pub(super) fn interval_ns(self) -> u64 {
        let interval_ms = match self {
            FeedKind::Book { interval_ms, .. } | FeedKind::Increments { interval_ms } => u64::from(interval_ms),
            FeedKind::BookTicker => 10,
            FeedKind::Ticker => 1_000,
            FeedKind::Trades => 1,
        };
        interval_ms * 1_000_000
    }

    /// Levels per side that the feed covers.
    pub(super) fn depth(self) -> u16 {
        match self {
            FeedKind::Book { levels, .. } => levels,
            FeedKind::Increments { interval_ms: 20 } => 20,
            FeedKind::Increments { .. } => 100,
            FeedKind::BookTicker => 1,
            FeedKind::Ticker | FeedKind::Trades => 0,
        }
    }
}

/// A private channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PrivateChannel {
    Orders,
    UserTrades,
    Balances,
}

impl PrivateChannel {
    pub(super) const fn name(self) -> &'static str {
        match self {
            PrivateChannel::Orders => "spot.orders",
            PrivateChannel::UserTrades => "spot.usertrades",
            PrivateChannel::Balances => "spot.balances",
        }
    }

    /// The private channel of this name.
    pub(super) fn by_name(name: &str) -> Option<PrivateChannel> {
        [PrivateChannel::Orders, PrivateChannel::UserTrades, PrivateChannel::Balances]
            .into_iter()
            .find(|channel| channel.name() == name)
    }
}

/// What a request subscribes to or leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Topics {
    /// Public feeds.
    Feeds(Vec<(PairId, FeedKind)>),
    /// A private channel, for these pairs; `None` means all.
    Private(PrivateChannel, Option<Vec<PairId>>),
}

fn argument(message: String) -> ReplyError {
    ReplyError { code: code::ARGUMENT, message }
}

impl Topics {
    /// Reads the payload of a subscription to `channel`.
    pub(super) fn parse(channel: &str, payload: &[String], symbols: &Symbols) -> Result<Topics, ReplyError> {
        if let Some(private) = PrivateChannel::by_name(channel) {
            return private_topics(private, payload, symbols);
        }
        let pair = |name: &str| symbols.find_pair(name).ok_or_else(|| argument(format!("unknown currency pair: {name}")));
        let each_pair = |kind: FeedKind| -> Result<Topics, ReplyError> {
            if payload.is_empty() {
                return Err(argument("invalid payload: a currency pair is required".to_owned()));
            }
            payload.iter().map(|name| pair(name).map(|pair| (pair, kind))).collect::<Result<Vec<_>, _>>().map(Topics::Feeds)
        };
        match (channel, payload) {
            ("spot.tickers", _) => each_pair(FeedKind::Ticker),
            ("spot.trades", _) => each_pair(FeedKind::Trades),
            ("spot.book_ticker", _) => each_pair(FeedKind::BookTicker),
            ("spot.order_book", [name, levels, interval]) => {
                let pair = pair(name)?;
                let (_, levels) = BOOK_LEVELS
                    .into_iter()
                    .find(|(text, _)| text == levels)
                    .ok_or_else(|| argument(format!("provided level not supported: {levels}")))?;
                let interval_ms = match interval.as_str() {
                    "100ms" => 100,
                    "1000ms" => 1_000,
                    other => return Err(argument(format!("incorrect update interval specified: {other}"))),
                };
                Ok(Topics::Feeds(vec![(pair, FeedKind::Book { levels, interval_ms })]))
            }
            ("spot.order_book_update", [name, interval]) => {
                let pair = pair(name)?;
                let interval_ms = match interval.as_str() {
                    "100ms" => 100,
                    "20ms" => 20,
                    other => return Err(argument(format!("incorrect update interval specified: {other}"))),
                };
                Ok(Topics::Feeds(vec![(pair, FeedKind::Increments { interval_ms })]))
            }
            ("spot.order_book" | "spot.order_book_update", _) => Err(argument("invalid payload".to_owned())),
            _ => Err(argument(format!("Unknown channel {channel}"))),
        }
    }
}

fn private_topics(channel: PrivateChannel, payload: &[String], symbols: &Symbols) -> Result<Topics, ReplyError> {
    if channel == PrivateChannel::Balances {
        return Ok(Topics::Private(channel, None));
    }
    if payload.is_empty() {
        return Err(argument("invalid payload: a currency pair or !all is required".to_owned()));
    }
    if payload.iter().any(|name| name == "!all") {
        return Ok(Topics::Private(channel, None));
    }
    let pairs = payload
        .iter()
        .map(|name| symbols.find_pair(name).ok_or_else(|| argument(format!("unknown currency pair: {name}"))))
        .collect::<Result<Vec<PairId>, ReplyError>>()?;
    Ok(Topics::Private(channel, Some(pairs)))
}
